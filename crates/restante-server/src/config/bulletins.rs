//! `[bulletins]`: messages that every account is given once.

use restante_config::problem::Problems;
use restante_config::section;
use restante_config::section::Lines;
use restante_store::disk::LocalDisk;
use restante_store::maildir::bulletins;
use std::path::PathBuf;

section! {
    #[derive(PartialEq, Eq)]
    /// `[bulletins]`: messages that every account is given once, at its next login.
    pub struct Bulletins {
        /// The folder with one file for each; they are given in the order of their names. Default: none, and there are no
        /// bulletins.
        path: Option<PathBuf> = None;
        /// So many of the newest are given to an account that never had any. At most 100. Default 10.
        new_account_max: u64 = 10, in 0..=100;
    }
}

/// Looks at the folder. Nothing in it keeps the server from starting, or anybody from logging in.
pub(super) fn check(written: &Bulletins, lines: &Lines, problems: &mut Problems<'_>) {
    let line = lines.at("bulletins.path");
    let Some(path) = &written.path else {
        if lines.is_set("bulletins.new_account_max") {
            problems.warning(
                lines.at("bulletins.new_account_max"),
                "bulletins.new_account_max has no effect without a folder of bulletins",
                "add path = \"/etc/restante/bulletins\" to [bulletins], or take it out",
            );
        }
        return;
    };
    match bulletins::faults(&LocalDisk, path) {
        Ok(faults) => {
            for fault in faults {
                problems.warning(
                    line,
                    format!("bulletins.path: {fault}"),
                    "it is passed over: write a message of at most 1 MiB that begins with its header, readable by the server",
                );
            }
        }
        Err(failure) => problems.warning(
            line,
            format!("bulletins.path: {failure}"),
            "make the folder and let the server read it; until then no bulletin is given",
        ),
    }
}
