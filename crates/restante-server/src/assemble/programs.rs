//! The programs that a configuration makes the server start, and what this one is started as by them.
//!
//! Whoever walls the server in asks [`all`] which programs must stay within its reach.

use crate::config::source::AuthSource;
use crate::config::{Config, SubmissionWay};
use restante_auth::directory::{Problem, SourceError};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;

/// The subcommand that a checkpassword program becomes when a password is right.
pub const ANSWER: &str = "checkpassword-answer";

/// Every program that the server may start with this configuration, by its full path: those that are configured, and this one, where a
/// checkpassword program becomes it. What those start in turn is theirs to know.
pub fn all(config: &Config) -> Vec<PathBuf> {
    let mut programs = Vec::new();
    if let Some(SubmissionWay::Command(words)) = config.submission.way() {
        programs.extend(words.first().map(PathBuf::from));
    }
    for source in &config.sources {
        if let AuthSource::Checkpassword(source) = &source.own {
            programs.extend(source.command.iter().flatten().next().map(PathBuf::from));
            programs.extend(THIS.clone());
        }
    }
    programs.sort();
    programs.dedup();
    programs
}

/// What the subcommand prints: those of these variables that say something of an account.
pub fn answer_of(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<u8> {
    restante_sources::checkpassword::answer(variables)
}

/// The words that start that subcommand.
///
/// # Errors
/// This program does not know its own path.
pub(super) fn answer() -> Result<Vec<OsString>, SourceError> {
    match THIS.as_ref() {
        Some(this) => Ok(vec![this.clone().into_os_string(), ANSWER.into()]),
        None => {
            let problem = Problem::new("the path of this program is not known", "mount /proc");
            Err(SourceError::permanent("checkpassword", vec![problem]))
        }
    }
}

/// This program, as it was called at the first question: a newer one of the same path will do as well.
static THIS: LazyLock<Option<PathBuf>> = LazyLock::new(|| std::env::current_exe().ok());
