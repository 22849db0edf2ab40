//! `[quota]`: how much a maildrop may hold where the account's source does not say so, and what is said when it is full.

use restante_config::choice;
use restante_config::problem::Problems;
use restante_config::section;
use restante_config::section::Lines;
use restante_config::value::Size;

section! {
    #[derive(PartialEq, Eq)]
    /// `[quota]`: how much a maildrop may hold. An account's own quota comes before this.
    pub struct Quota {
        /// Octets of the files as they are stored, for instance `"2 GiB"`. Default: no limit.
        octets: Option<Size> = None;
        /// Messages. Default: no limit.
        messages: Option<u64> = None;
        /// What a sender is told whose message does not fit: `later` (452, it waits in his queue) or `refuse` (552, it
        /// goes back to its author). Default `later`.
        over: Over = Over::Later;
    }
}

choice! {
    /// What becomes of a message that does not fit.
    pub enum Over {
        /// It may be tried again later.
        Later = "later",
        /// It is returned.
        Refuse = "refuse",
    }
}

/// A limit of nothing would refuse all mail; whoever writes it means something else.
pub(super) fn check(written: &Quota, lines: &Lines, problems: &mut Problems<'_>) {
    let nothing = [
        ("octets", written.octets == Some(Size(0)), "octets = \"2 GiB\""),
        ("messages", written.messages == Some(0), "messages = 100_000"),
    ];
    for (key, is_nothing, example) in nothing {
        if is_nothing {
            problems.error(
                lines.at(&format!("quota.{key}")),
                format!("quota.{key}: nobody could get any mail"),
                format!("write a limit, for instance {example}, or take the key out for none"),
            );
        }
    }
}
