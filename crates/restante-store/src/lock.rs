//! The exclusive-access lock of a maildrop (RFC 1939 section 4).
//!
//! An advisory lock of the operating system on a file that is never removed. It belongs to the opened file, so it
//! keeps out sessions of this process as well as of others, and it is gone when its holder is, however that ends.

pub(crate) mod foreign;

use std::io;
use std::path::Path;

use crate::disk::{Access, Disk, DiskFile};

/// The lock, held. Dropping it releases it.
#[derive(Debug)]
pub(crate) struct Lock {
    file: Box<dyn DiskFile>,
}

impl Lock {
    /// Takes the lock, making its file if need be; `None` when another session holds it (R1939-4.3).
    ///
    /// # Errors
    /// When the file cannot be made or locked; `NotFound` when its folder is missing.
    pub(crate) fn take(disk: &dyn Disk, path: &Path, mode: u32) -> io::Result<Option<Self>> {
        let file = match disk.open(path, Access::AppendOrCreate(mode)) {
            // A maildrop on a read-only disk can still be read, if it was ever opened before.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                disk.open(path, Access::Read)?
            }
            result => result?,
        };
        Ok(file.try_lock()?.then_some(Self { file }))
    }

    /// The file system's own clock, in nanoseconds since 1970. `None` when it cannot be asked. Not the machine's
    /// clock, because the folders' stamps may come from a server elsewhere.
    pub(crate) fn now_ns(&self) -> Option<i64> {
        self.file.touch().ok()?;
        self.file.stat().ok().map(|stat| stat.modified_ns)
    }
}
