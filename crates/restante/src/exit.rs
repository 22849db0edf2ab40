//! How the program ends: the exit codes of sysexits.h and the one line that explains a failure.
//!
//! Every command returns `Result<(), Failure>`; only `main` turns that into an exit status. Mail transfer
//! agents that call `restante deliver` act on these numbers, so a code here is a promise: 75 means "keep the
//! message and try again", 67 means "return it to its sender".

use std::fmt;
use std::io;
use std::process::ExitCode;

/// An exit status, named and numbered as in sysexits.h, but for one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Code {
    /// Not all is as it should be: a server that was judged violates a standard, two servers differ, some of the mail could
    /// not be collected. Not of sysexits.h.
    NotAll = 1,
    /// The command line was wrong.
    Usage = 64,
    /// What came in was wrong: a message too large, a file that is not what it should be.
    Data = 65,
    /// An input file is missing or cannot be read.
    NoInput = 66,
    /// There is no such account.
    NoUser = 67,
    /// Something needed is not there: a network address, another server.
    Unavailable = 69,
    /// A fault of the program itself.
    Software = 70,
    /// An output file cannot be made, or is there already.
    CannotCreate = 73,
    /// Reading or writing failed.
    Io = 74,
    /// A fault that passes: the caller keeps the message and tries again.
    Temporary = 75,
    /// A server broke the protocol, or TLS could not be established with the right one.
    Protocol = 76,
    /// Not allowed.
    Permission = 77,
    /// The configuration is wrong.
    Config = 78,
}

/// Why a command failed: the exit code, what happened and where, and what the reader can do about it.
///
/// Shown as `what; remedy` in one line. A failure may also be silent: the command has said everything
/// already (a list of problems), or nobody is left to read it (a closed pipe).
#[derive(Debug)]
pub(crate) struct Failure {
    status: u8,
    what: String,
    remedy: Option<String>,
}

impl Failure {
    /// A failure with `code`, explained by `what` (lower case, no full stop).
    pub(crate) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { status: code as u8, what: what.into(), remedy: None }
    }

    /// Adds what the reader can do about it (lower case, no full stop).
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same failure with another exit code: what is one fault here may be another to whoever called us.
    pub(crate) fn with_code(self, code: Code) -> Self {
        Self { status: code as u8, ..self }
    }

    /// Ends with `code` without another word: everything has been said already.
    pub(crate) fn said(code: Code) -> Self {
        Self { status: code as u8, what: String::new(), remedy: None }
    }

    /// The reader of our output has gone (`restante maildrop list | head`): stop quietly and without blame.
    pub(crate) fn reader_gone() -> Self {
        Self { status: 0, what: String::new(), remedy: None }
    }

    /// Sorts a failed file operation by its cause; `doing` says what was tried, `path` on what.
    pub(crate) fn file(doing: &str, path: &std::path::Path, error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::NotFound => Code::NoInput,
            io::ErrorKind::PermissionDenied => Code::Permission,
            io::ErrorKind::AlreadyExists => Code::CannotCreate,
            _ => Code::Io,
        };
        Self::new(code, format!("cannot {doing} {}: {error}", path.display()))
    }

    /// The end of a run in which this has happened and was said.
    pub(crate) fn summed_up(&self, what: &str) -> Self {
        Self { status: self.status, what: what.to_owned(), remedy: Some("see the lines above".to_owned()) }
    }

    /// The exit status that `main` returns.
    pub(crate) fn status(&self) -> ExitCode {
        ExitCode::from(self.status)
    }

    /// The line for the terminal, unless everything has been said.
    pub(crate) fn line(&self) -> Option<String> {
        (!self.what.is_empty()).then(|| self.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}

/// An error and all its causes in one line, outermost first: `what: because: because`.
/// A cause that its parent has quoted already is not said twice.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_failure_is_one_line_with_its_remedy() {
        let failure = Failure::new(Code::NoUser, "no account 'ann'").remedy("see restante account list");
        assert_eq!(failure.line().as_deref(), Some("no account 'ann'; see restante account list"));
    }

    #[test]
    fn a_failure_that_was_said_says_nothing() {
        assert_eq!(Failure::said(Code::Config).line(), None);
        assert_eq!(Failure::reader_gone().line(), None);
    }

    #[test]
    fn file_errors_are_sorted_by_cause() {
        for (kind, code) in [
            (io::ErrorKind::NotFound, Code::NoInput),
            (io::ErrorKind::PermissionDenied, Code::Permission),
            (io::ErrorKind::AlreadyExists, Code::CannotCreate),
            (io::ErrorKind::StorageFull, Code::Io),
        ] {
            let failure = Failure::file("open", Path::new("/x"), &io::Error::from(kind));
            assert_eq!(failure.status, code as u8, "{kind}");
        }
    }

    #[test]
    fn a_chain_names_every_cause_once() {
        #[derive(Debug)]
        struct Outer(io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("cannot lock")
            }
        }
        impl std::error::Error for Outer {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        assert_eq!(chain(&Outer(io::Error::other("held"))), "cannot lock: held");
    }
}
