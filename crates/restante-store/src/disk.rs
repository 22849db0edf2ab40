//! The only door to files: `trait Disk`, and the real one, [`LocalDisk`].
//!
//! Narrow on purpose: a twin that loses what was never synced must be able to stand behind it. No decision is taken
//! here; `maildir/`, `index.rs` and `lock.rs` call it, always from a thread that may wait, except for the two
//! operations named `…_cached`, which never wait for the disk.

// The ban on std::fs holds everywhere else because this file exists.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, IoSliceMut, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, fcntl};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, RenameFlags, ResolveFlags, Timespec, Timestamps,
};
use rustix::io::{Errno, ReadWriteFlags};

/// A file system.
pub trait Disk: fmt::Debug + Send + Sync {
    /// What lies at `path`; a symbolic link in the last place is not followed.
    ///
    /// # Errors
    /// As the file system says; `NotFound` when nothing is there.
    fn stat(&self, path: &Path) -> io::Result<Stat>;

    /// Opens a file. A symbolic link in the last place is refused but for [`Access::Named`], and a FIFO or a device does not make the call wait.
    ///
    /// # Errors
    /// As the file system says; `AlreadyExists` for [`Access::CreateNew`].
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;

    /// Like [`Disk::open`] for [`Access::Read`], but gives `None` rather than waiting for the disk.
    ///
    /// # Errors
    /// As the file system says.
    fn open_cached(&self, path: &Path) -> io::Result<Option<Box<dyn DiskFile>>>;

    /// Calls `each` for every name in the folder, in no order, without `.` and `..`. The folder is not a snapshot:
    /// a name that is changed meanwhile may come not at all or twice.
    ///
    /// # Errors
    /// As the file system says; some names may have been given already.
    fn list(&self, folder: &Path, each: &mut dyn FnMut(&OsStr, Kind)) -> io::Result<()>;

    /// Makes one folder with these permissions.
    ///
    /// # Errors
    /// `AlreadyExists`, or as the file system says.
    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()>;

    /// Gives a file a second name; never replaces anything.
    ///
    /// # Errors
    /// `AlreadyExists`, or as the file system says.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Renames a file; never replaces anything.
    ///
    /// # Errors
    /// `AlreadyExists`, or as the file system says.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Renames a file, in place of what has the new name.
    ///
    /// # Errors
    /// As the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a name away.
    ///
    /// # Errors
    /// As the file system says.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// As the file system says; what is durable is then unknown.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// An open file. Closed, and its lock released, on drop.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// What it is now.
    ///
    /// # Errors
    /// As the file system says.
    fn stat(&self) -> io::Result<Stat>;

    /// Reads at `offset`; 0 is the end of the file. May read less than asked.
    ///
    /// # Errors
    /// As the file system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Reads at `offset` until the buffer is full or the file ends, and answers how much there was.
    ///
    /// # Errors
    /// As the file system says; what is in the buffer then means nothing.
    fn read_up_to(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, offset + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }

    /// Fills the buffer from `offset` on.
    ///
    /// # Errors
    /// As the file system says; `UnexpectedEof` when the file ends before.
    fn read_exactly(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let length = buffer.len();
        let is_full = self.read_up_to(buffer, offset)? == length;
        if is_full { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Like [`DiskFile::read_at`], but gives `None` rather than waiting for the disk.
    ///
    /// # Errors
    /// As the file system says.
    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>>;

    /// Writes all of `octets` at the end of the file, wherever that is by then.
    ///
    /// # Errors
    /// As the file system says; a part may have been written.
    fn append(&self, octets: &[u8]) -> io::Result<()>;

    /// Writes all of `octets` at `offset`, over what is there. Only for a file opened with [`Access::Write`].
    ///
    /// # Errors
    /// As the file system says; a part may have been written.
    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file to `length` bytes.
    ///
    /// # Errors
    /// As the file system says.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Makes contents and size durable.
    ///
    /// # Errors
    /// As the file system says; what is durable is then unknown.
    fn sync(&self) -> io::Result<()>;

    /// Makes everything durable that was written on this file's file system before the call, by anybody: contents and
    /// names. `false`, and nothing is done, where that cannot be relied upon: on a file system that is not known to wait for the
    /// disk then, or with a kernel that would not tell what went wrong.
    ///
    /// # Errors
    /// When anything could not be written since this file was opened, or since this was asked last of this opening. What is
    /// durable is then unknown, and asking again does not tell.
    fn sync_file_system(&self) -> io::Result<bool>;

    /// Sets the time of change to the file system's own idea of now.
    ///
    /// # Errors
    /// As the file system says.
    fn touch(&self) -> io::Result<()>;

    /// Changes its permissions to these bits, whatever the umask. Also for a folder that was opened to read. It is durable with the
    /// next sync of the folder that it lies in.
    ///
    /// # Errors
    /// As the file system says: it belongs to somebody else, or the file system knows no permissions.
    fn set_mode(&self, mode: u32) -> io::Result<()>;

    /// Takes the exclusive lock of this file without waiting. `false` when somebody else has it, in this process or
    /// another. It is released when this is dropped, and when its holder ends, however it ends.
    ///
    /// # Errors
    /// As the file system says.
    fn try_lock(&self) -> io::Result<bool>;

    /// Takes the exclusive record lock (`fcntl`) of the whole file without waiting, the one that other mail programs
    /// take on an mbox. `false` when somebody else has it, in this process or another: it belongs to this opening
    /// and not to the process. It is independent of [`DiskFile::try_lock`], and released as that is. The file must be
    /// open for writing.
    ///
    /// # Errors
    /// As the file system says.
    fn try_record_lock(&self) -> io::Result<bool>;
}

/// How a file is opened. Modes are permission bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// An existing file, to read.
    Read,
    /// An existing file that a person named, to read: a symbolic link in the last place is followed. For passwords and keys, which
    /// are often mounted or managed that way; never for a message.
    Named,
    /// An existing file, to read and to append to.
    Append,
    /// To read and to append to; made when missing.
    AppendOrCreate(u32),
    /// To read and to append to; must not exist yet.
    CreateNew(u32),
    /// An existing file, to read and to write to at any place.
    Write,
}

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// The file system it is on, as long as that is mounted.
    pub device: u64,
    /// Its number in the file system.
    pub inode: u64,
    /// Bytes in a file.
    pub size: u64,
    /// Last change of contents, nanoseconds since 1970.
    pub modified_ns: i64,
    /// Last change of contents or attributes, nanoseconds since 1970. Cannot be set by a program.
    pub changed_ns: i64,
    /// The number of the user it belongs to.
    pub owner: u32,
    /// Who may do what with it: permission bits, without the kind.
    pub mode: u32,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, FIFO, socket or device.
    Other,
    /// The file system's list does not say; [`Disk::stat`] does.
    Unknown,
}

/// The file systems of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalDisk;

impl LocalDisk {
    /// As [`Disk::open`], for whoever hands the opened file over to another process.
    ///
    /// # Errors
    /// As [`Disk::open`].
    pub fn open_descriptor(self, path: &Path, access: Access) -> io::Result<OwnedFd> {
        let mut options = OpenOptions::new();
        let follow = if access == Access::Named { OFlags::NOFOLLOW } else { OFlags::empty() };
        options.custom_flags(flags_as_std(SAFE.difference(follow)));
        match access {
            Access::Read | Access::Named => options.read(true),
            Access::Append => options.read(true).append(true),
            Access::AppendOrCreate(mode) => options.read(true).append(true).create(true).mode(mode),
            Access::CreateNew(mode) => options.read(true).append(true).create_new(true).mode(mode),
            Access::Write => options.read(true).write(true),
        };
        options.open(path).map(OwnedFd::from)
    }
}

impl Disk for LocalDisk {
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        Ok(Stat::of(&rustix::fs::lstat(path)?))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(LocalFile::from(self.open_descriptor(path, access)?)))
    }

    fn open_cached(&self, path: &Path) -> io::Result<Option<Box<dyn DiskFile>>> {
        let flags = SAFE | OFlags::RDONLY | OFlags::CLOEXEC;
        match rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED) {
            Ok(file) => Ok(Some(Box::new(LocalFile::from(file)))),
            // AGAIN: a part of the path is not in memory. The others: kernels before 5.12, or a sandbox that does not
            // know the call.
            Err(Errno::AGAIN | Errno::NOSYS | Errno::INVAL | Errno::PERM) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn list(&self, folder: &Path, each: &mut dyn FnMut(&OsStr, Kind)) -> io::Result<()> {
        let file = rustix::fs::open(folder, FOLDER, Mode::empty())?;
        let mut buffer = Vec::with_capacity(LIST_BYTES);
        let mut entries = RawDir::new(file, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                each(OsStr::from_bytes(name), Kind::of(entry.file_type()));
            }
        }
        Ok(())
    }

    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        fs::DirBuilder::new().mode(mode).create(path)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty())?)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A file system or kernel that does not know the flag.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                self.link(from, to)?;
                // It has its new name, and that is what was asked for. A second one in `tmp/` is swept some day.
                let _ = fs::remove_file(from);
                Ok(())
            }
            result => Ok(result?),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::fsync(rustix::fs::open(path, FOLDER, Mode::empty())?)?)
    }
}

/// A file of this machine, however it was opened.
#[derive(Debug)]
pub struct LocalFile {
    file: File,
    /// A lock was taken, and goes with this.
    is_locked: AtomicBool,
    is_record_locked: AtomicBool,
}

impl LocalFile {
    fn set_record_lock(&self, kind: nix::libc::c_int) -> Result<i32, nix::errno::Errno> {
        let whole = nix::libc::flock {
            l_type: kind as nix::libc::c_short,
            l_whence: nix::libc::SEEK_SET as nix::libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        fcntl(&self.file, FcntlArg::F_OFD_SETLK(&whole))
    }
}

impl From<OwnedFd> for LocalFile {
    fn from(file: OwnedFd) -> Self {
        Self {
            file: file.into(),
            is_locked: AtomicBool::new(false),
            is_record_locked: AtomicBool::new(false),
        }
    }
}

impl AsFd for LocalFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        // Closing is not enough: a program that another thread starts just now has a handle of this opening until it runs, and the
        // lock with it. Where this fails, closing does it.
        if *self.is_record_locked.get_mut() {
            let _ = self.set_record_lock(nix::libc::F_UNLCK);
        }
        if *self.is_locked.get_mut() {
            let _ = self.file.unlock();
        }
    }
}

impl DiskFile for LocalFile {
    fn stat(&self) -> io::Result<Stat> {
        Ok(Stat::of(&rustix::fs::fstat(&self.file)?))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        let mut buffers = [IoSliceMut::new(buffer)];
        match rustix::io::preadv2(&self.file, &mut buffers, offset, ReadWriteFlags::NOWAIT) {
            Ok(length) => Ok(Some(length)),
            // AGAIN: not in memory. The others: a file system or kernel that cannot tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn append(&self, octets: &[u8]) -> io::Result<()> {
        (&self.file).write_all(octets)
    }

    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(octets, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_file_system(&self) -> io::Result<bool> {
        if !kernel_tells_errors() || !WAITING.contains(&rustix::fs::fstatfs(&self.file)?.f_type) {
            return Ok(false);
        }
        rustix::fs::syncfs(&self.file)?;
        Ok(true)
    }

    fn touch(&self) -> io::Result<()> {
        let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        Ok(rustix::fs::futimens(&self.file, &Timestamps { last_access: now, last_modification: now })?)
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        Ok(rustix::fs::fchmod(&self.file, Mode::from_raw_mode(mode))?)
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => {
                self.is_locked.store(true, Ordering::Relaxed);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn try_record_lock(&self) -> io::Result<bool> {
        match self.set_record_lock(nix::libc::F_WRLCK) {
            Ok(_) => {
                self.is_record_locked.store(true, Ordering::Relaxed);
                Ok(true)
            }
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Stat {
    fn of(stat: &rustix::fs::Stat) -> Self {
        // The casts are between the C library's widths of the same numbers; times saturate in the year 2262.
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            kind: Kind::of(FileType::from_raw_mode(stat.st_mode)),
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec as i64),
            changed_ns: nanoseconds(stat.st_ctime, stat.st_ctime_nsec as i64),
            owner: stat.st_uid,
            mode: stat.st_mode & 0o7777,
        }
    }
}

impl Kind {
    const fn of(file_type: FileType) -> Self {
        match file_type {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Folder,
            FileType::Unknown => Self::Unknown,
            _ => Self::Other,
        }
    }
}

/// Whether `syncfs` reports what could not be written: Linux does since 5.8.
fn kernel_tells_errors() -> bool {
    static TELLS: OnceLock<bool> = OnceLock::new();
    *TELLS.get_or_init(|| {
        let uname = rustix::system::uname();
        let release = uname.release().to_str().unwrap_or_default();
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        let (major, minor) = (numbers.next().and_then(Result::ok), numbers.next().and_then(Result::ok));
        major.zip(minor) >= Some((5, 8))
    })
}

/// The flags as std wants them; all of ours fit.
fn flags_as_std(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or(0)
}

/// Nothing that somebody put in a message's place makes us wait, follow, or own a terminal.
const SAFE: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// File systems whose `syncfs` returns when everything is on the disk: ext2 to ext4, XFS, btrfs, and tmpfs, which has none.
const WAITING: [rustix::fs::FsWord; 4] = [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994];

/// One call of the kernel gives some 500 names of usual length.
const LIST_BYTES: usize = 32 * 1024;
