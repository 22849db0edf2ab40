//! What is asked of a disk, and which of it fails.

use std::io;

use rustix::io::Errno;

/// Something that is asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `Disk::stat`, `DiskFile::stat`.
    Stat,
    /// `Disk::open` of a file that is there, to read.
    Open,
    /// `Disk::open` of a file that is there, to append to it.
    OpenToAppend,
    /// `Disk::open` that may make a file.
    Create,
    /// `Disk::list`.
    List,
    /// `Disk::make_folder`.
    MakeFolder,
    /// `Disk::link`.
    Link,
    /// `Disk::rename_new`.
    Rename,
    /// `Disk::rename`.
    Replace,
    /// `Disk::unlink`.
    Unlink,
    /// `Disk::sync_folder`.
    SyncFolder,
    /// `DiskFile::read_at`.
    Read,
    /// `DiskFile::append`.
    Append,
    /// `DiskFile::truncate`.
    Truncate,
    /// `DiskFile::sync`.
    Sync,
    /// `DiskFile::sync_file_system`.
    SyncFileSystem,
    /// `DiskFile::touch`.
    Touch,
    /// `DiskFile::try_lock`.
    Lock,
}

impl Call {
    /// Whether it changes anything, or makes it durable.
    #[must_use]
    pub const fn is_change(self) -> bool {
        !matches!(self, Self::Stat | Self::Open | Self::OpenToAppend | Self::List | Self::Read | Self::Lock)
    }
}

/// A way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// EIO: anything can fail so.
    Io,
    /// ENOSPC: what needs room. Reading, unlinking and cutting do not, and syncs of folders have theirs.
    NoSpace,
    /// EDQUOT: the same.
    Quota,
    /// EMFILE: what opens something.
    TooManyOpen,
    /// ESTALE: anything, on a file system of another machine.
    Stale,
    /// EROFS: what changes something.
    ReadOnly,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Io, Self::NoSpace, Self::Quota, Self::TooManyOpen, Self::Stale, Self::ReadOnly];

    /// Whether a call can fail so.
    #[must_use]
    pub const fn can_hit(self, call: Call) -> bool {
        use Call::{
            Append, Create, Link, List, MakeFolder, Open, OpenToAppend, Rename, Replace, Sync,
            SyncFileSystem, SyncFolder,
        };
        match self {
            Self::Io | Self::Stale => true,
            Self::NoSpace | Self::Quota => {
                matches!(call, Create | MakeFolder | Link | Rename | Replace | Append | Sync | SyncFileSystem)
            }
            Self::TooManyOpen => matches!(call, Open | OpenToAppend | Create | List | SyncFolder),
            // A sync on a disk that went over to reading only is what tells that the writes before it are lost.
            Self::ReadOnly => call.is_change() || matches!(call, OpenToAppend),
        }
    }

    /// What the program is told.
    #[must_use]
    pub fn error(self) -> io::Error {
        let errno = match self {
            Self::Io => Errno::IO,
            Self::NoSpace => Errno::NOSPC,
            Self::Quota => Errno::DQUOT,
            Self::TooManyOpen => Errno::MFILE,
            Self::Stale => Errno::STALE,
            Self::ReadOnly => Errno::ROFS,
        };
        errno.into()
    }
}

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// One call fails.
    Once,
    /// All that can, from there on.
    ForEver,
}

/// Which calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// All that can fail so.
    Calls,
    /// Those of them that change something.
    Changes,
}

/// What is planned for a disk, and what came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// So many calls are carried out and no more.
    pub(super) stop_after: Option<usize>,
    pub(super) fault: Option<Planned>,
    /// Every call with the end of its path.
    pub(super) trace: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) fault: Fault,
    pub(super) nth: usize,
    pub(super) lasting: Lasting,
    pub(super) counted: Counted,
    /// Calls that could have failed.
    pub(super) count: usize,
    /// Calls that did.
    pub(super) hits: usize,
}

impl Plan {
    /// Notes a call. `Some` when it fails.
    pub(super) fn enter(&mut self, call: Call, name: &str) -> Option<Failing> {
        self.trace.push(format!("{call:?} {name}"));
        if self.stop_after.is_some_and(|most| self.trace.len() > most) {
            return Some(Failing::Stopped);
        }
        let planned = self.fault.as_mut()?;
        let is_counted = planned.counted == Counted::Calls || call.is_change();
        if !is_counted || !planned.fault.can_hit(call) {
            return None;
        }
        planned.count += 1;
        let is_hit = planned.count == planned.nth
            || planned.lasting == Lasting::ForEver && planned.count > planned.nth;
        is_hit.then(|| {
            planned.hits += 1;
            Failing::Fault(planned.fault)
        })
    }
}

/// Why a call fails.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failing {
    Stopped,
    Fault(Fault),
}

impl Failing {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Stopped => io::Error::other("the machine has stopped"),
            Self::Fault(fault) => fault.error(),
        }
    }
}
