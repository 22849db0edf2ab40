//! `type = "checkpassword"`: a program that checks passwords.

use crate::file;
use restante_config::problem::Problems;
use restante_config::section;
use restante_config::section::Lines;
use restante_sources::checkpassword::Settings;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

section! {
    #[derive(PartialEq, Eq)]
    /// A program that checks passwords, by the interface of `checkpassword`.
    pub struct CheckpasswordSource {
        /// The program and its arguments, for instance `["/usr/bin/cvm-checkpassword", "cvm-unix"]`. No shell. Has no default.
        command: Option<Vec<String>> = None;
        /// Does the program say without a password who has an account (`AUTHORIZED=1` in its environment, as with Dovecot)? Else nobody can
        /// be delivered to. Default false.
        lookups: bool = false;
        /// Programs at the same time; more wait. Default 8.
        programs: u64 = 8, in 1..=256;
        /// Seconds for one answer, waiting included. Then the program is killed. Default 5.
        timeout_s: u64 = 5, in 1..=60;
    }
}

impl CheckpasswordSource {
    /// What the source itself takes, with the words that the program's arguments end with; `None` without a program, which `check` refuses.
    pub(crate) fn settings(&self, answer: Vec<OsString>) -> Option<Settings> {
        Some(Settings {
            command: self.command.clone().filter(|words| !words.is_empty())?,
            answer,
            has_lookups: self.lookups,
            programs_max: usize::try_from(self.programs).unwrap_or(usize::MAX),
            timeout: Duration::from_secs(self.timeout_s),
        })
    }

    pub(super) fn check(&self, name: &str, lines: &Lines, problems: &mut Problems<'_>) {
        let at = lines.at(&format!("{name}.command"));
        let Some(program) = self.command.as_ref().and_then(|words| words.first()) else {
            return problems.error(
                lines.at(name),
                "a program that checks passwords, and is not named",
                "add command = [\"/usr/bin/checkpassword\"]",
            );
        };
        if !Path::new(program).is_absolute() {
            problems.error(
                at,
                format!("{name}.command: {program:?} is no full path of a program"),
                "write its path, for instance [\"/usr/bin/checkpassword\"]",
            );
        } else if !file::exists(Path::new(program)) {
            problems.error(
                at,
                format!("{name}.command: there is no {program}"),
                "install it, or correct the path",
            );
        }
        if !self.lookups && !lines.is_set(&format!("{name}.part")) {
            problems.warning(
                lines.at(name),
                "without lookups it is not known who has an account: mail waits with its sender, and no later source is asked after a wrong password",
                "add lookups = true if the program knows AUTHORIZED, or part = \"passwords\"",
            );
        }
    }
}
