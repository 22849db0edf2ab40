//! What went wrong with a file: what was being done, where, and why. Spool, sinks and quarantine answer with it.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A file or folder that could not be used.
#[derive(Debug)]
pub struct Failure {
    doing: &'static str,
    path: PathBuf,
    cause: io::Error,
}

impl Failure {
    /// `doing` completes "cannot …".
    #[must_use]
    pub fn new(doing: &'static str, path: &Path, cause: io::Error) -> Self {
        Self { doing, path: path.to_owned(), cause }
    }

    /// For `map_err`.
    pub fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::new(doing, path, cause)
    }

    /// What was being done, where, and what the file system said: for an error that holds the same.
    pub(crate) fn into_parts(self) -> (&'static str, PathBuf, io::Error) {
        (self.doing, self.path, self.cause)
    }

    /// What the file system said.
    #[must_use]
    pub const fn cause(&self) -> &io::Error {
        &self.cause
    }

    /// Whether there is no room left, on the disk or for this user.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "cannot {} {}: {}", self.doing, self.path.display(), self.cause)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}
