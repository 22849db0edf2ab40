//! Files that hold secrets: read through the door to files, refused when others can read them.

use std::fmt;
use std::io;
use std::path::Path;

use restante_proto::secret::Secret;
use restante_store::disk::{Access, Disk, Kind};

use super::{SECRET_OCTETS_MAX, is_open_to_others};

/// Why a file gives no secret.
#[derive(Debug)]
pub enum FileFault {
    /// It cannot be read.
    Io(io::Error),
    /// It is a folder, a FIFO or a device.
    NoFile,
    /// Others than its owner can read or change it.
    OpenToOthers {
        /// Its permissions.
        mode: u32,
    },
    /// It is longer than [`SECRET_OCTETS_MAX`] octets.
    TooLong,
}

impl fmt::Display for FileFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(out, "cannot read it: {error}"),
            Self::NoFile => out.write_str("this is no file"),
            Self::OpenToOthers { mode } => {
                write!(out, "others than its owner can read it (its mode is {mode:03o})")
            }
            Self::TooLong => write!(out, "it has more than {SECRET_OCTETS_MAX} octets"),
        }
    }
}

/// All of a file. The permissions are those of what was opened, so nobody can put another file there in between.
pub(super) fn read(disk: &dyn Disk, path: &Path) -> Result<Secret, FileFault> {
    let file = disk.open(path, Access::Named).map_err(FileFault::Io)?;
    let stat = file.stat().map_err(FileFault::Io)?;
    if stat.kind != Kind::File {
        return Err(FileFault::NoFile);
    }
    if is_open_to_others(stat.mode, stat.owner) {
        return Err(FileFault::OpenToOthers { mode: stat.mode });
    }
    // At its full size from the start: a vector that grows leaves copies behind that nobody wipes.
    let mut octets = vec![0; SECRET_OCTETS_MAX + 1];
    let length = file.read_up_to(&mut octets, 0).map_err(FileFault::Io)?;
    octets.truncate(length);
    let secret = Secret::new(octets);
    if length > SECRET_OCTETS_MAX { Err(FileFault::TooLong) } else { Ok(secret) }
}
