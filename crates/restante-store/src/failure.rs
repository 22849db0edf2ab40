//! What was being done when the store failed, and whether trying again later can help.
//!
//! The enums beside each operation carry a [`Failure`]; the server logs it and maps `is_temporary()` to a reply.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// One operation that failed: what was being done, to which file, and why.
#[derive(Debug)]
pub struct Failure {
    doing: &'static str,
    place: PathBuf,
    cause: io::Error,
}

impl Failure {
    pub(crate) fn new(doing: &'static str, place: &Path, cause: impl Into<io::Error>) -> Self {
        Self { doing, place: place.to_owned(), cause: cause.into() }
    }

    /// For `map_err`: a failure of `doing` at `place`.
    pub(crate) fn at(doing: &'static str, place: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::new(doing, place, cause)
    }

    /// What the operating system said.
    #[must_use]
    pub const fn cause(&self) -> &io::Error {
        &self.cause
    }

    /// The file or folder concerned.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Whether the same operation may succeed later without anybody's help: resources and weather, not rights.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        use io::ErrorKind as Kind;
        // A symbolic link where none is followed; std has no stable name for it.
        let is_link = self.cause.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
        let needs_help = matches!(
            self.cause.kind(),
            Kind::PermissionDenied
                | Kind::NotADirectory
                | Kind::IsADirectory
                | Kind::InvalidFilename
                | Kind::InvalidData
                | Kind::InvalidInput
                | Kind::Unsupported
        );
        !is_link && !needs_help
    }

    /// Whether the disk or the quota on it is full.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        matches!(self.cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.doing, self.place.display(), self.cause)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}
