//! The locks that mail programs take on an mbox, in the order of Debian's policy (section 11.6): the record lock (`fcntl`) on the file, then
//! the dot-lock beside it. Neither is waited for while the other is held.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use restante_store::disk::{Access, Disk, DiskFile, Kind};

use crate::failure::Failure;
use crate::sink::mode;

/// An mbox, open and locked. Dropping it releases the locks.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) file: Box<dyn DiskFile>,
    _dot: Option<Dot>,
}

/// How often and how long the locks are tried for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    pub(super) attempts: u32,
    pub(super) pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { attempts: 100, pause: Duration::from_millis(100) }
    }
}

/// Takes both locks, and makes the mbox (0600, or as `mode` says) when it is missing; its name is then not durable yet. `holder` tells our own dot-locks from others': it is the same in every run that
/// cannot be under way at the same time. `now_ns` is the clock of the file system.
///
/// # Errors
/// When others have the locks for too long, or the mbox cannot be used.
pub(super) fn take(
    disk: &Arc<dyn Disk>,
    path: &Path,
    mode: Option<u32>,
    (holder, now_ns): (&str, i64),
    patience: Patience,
) -> Result<Locked, Failure> {
    // For its clock alone.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(Failure::at("wait for", path))?;
    for attempt in 1..=patience.attempts {
        if let Some(locked) = try_take(disk, path, mode, (holder, now_ns))? {
            return Ok(locked);
        }
        if attempt < patience.attempts {
            runtime.block_on(async { tokio::time::sleep(patience.pause).await });
        }
    }
    let busy = io::Error::new(io::ErrorKind::ResourceBusy, "another program keeps it locked");
    Err(Failure::new("lock", path, busy))
}

fn try_take(
    disk: &Arc<dyn Disk>,
    path: &Path,
    mode: Option<u32>,
    (holder, now_ns): (&str, i64),
) -> Result<Option<Locked>, Failure> {
    let file = open(&**disk, path, mode)?;
    if !file.try_record_lock().map_err(Failure::at("lock", path))? {
        return Ok(None);
    }
    let dot = match Dot::try_take(disk, path, holder, now_ns)? {
        Taken::Yes(dot) => Some(dot),
        Taken::No => return Ok(None),
        Taken::Unneeded => None,
    };
    // Somebody may have put another file in its place before we had the locks.
    let named = match disk.stat(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        named => named.map_err(Failure::at("see", path))?,
    };
    let opened = file.stat().map_err(Failure::at("see", path))?;
    Ok((named.inode == opened.inode).then_some(Locked { file, _dot: dot }))
}

fn open(disk: &dyn Disk, path: &Path, mode: Option<u32>) -> Result<Box<dyn DiskFile>, Failure> {
    let opened = match disk.open(path, Access::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match disk.open(path, Access::CreateNew(mode.unwrap_or(mode::PRIVATE))) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Failure::new("make", path, error));
                }
                Err(_) => {}
                Ok(made) => {
                    mode::settle(&*made, mode).map_err(Failure::at("set the mode of", path))?;
                }
            }
            disk.open(path, Access::Write)
        }
        opened => opened,
    };
    let file = opened.map_err(Failure::at("open", path))?;
    if file.stat().map_err(Failure::at("see", path))?.kind != Kind::File {
        let odd = io::Error::new(io::ErrorKind::InvalidData, "it is no regular file");
        return Err(Failure::new("open", path, odd));
    }
    Ok(file)
}

/// The dot-lock, held.
#[derive(Debug)]
struct Dot {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    inode: u64,
}

enum Taken {
    Yes(Dot),
    No,
    /// We may not make files there, as in a `/var/mail` that only a group may write to; the record lock has to do.
    Unneeded,
}

impl Dot {
    fn try_take(disk: &Arc<dyn Disk>, mbox: &Path, holder: &str, now_ns: i64) -> Result<Taken, Failure> {
        let mut name = OsString::from(mbox.as_os_str());
        name.push(".lock");
        let path = PathBuf::from(name);
        for _ in 0..2 {
            match disk.open(&path, Access::CreateNew(DOT_LOCK_MODE)) {
                Ok(file) => {
                    // Others that look for a lock's holder read a number; the second line is ours alone. One that is empty,
                    // because the disk is full, locks as well.
                    let _ = file.append(format!("{}\n{holder}\n", std::process::id()).as_bytes());
                    let made = file.stat().map_err(Failure::at("see", &path));
                    let inode = made.inspect_err(|_| drop(disk.unlink(&path)))?.inode;
                    return Ok(Taken::Yes(Self { disk: Arc::clone(disk), path, inode }));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if !remove_stale(&**disk, &path, holder, now_ns) {
                        return Ok(Taken::No);
                    }
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                    ) =>
                {
                    return Ok(Taken::Unneeded);
                }
                Err(error) => return Err(Failure::new("make the dot-lock", &path, error)),
            }
        }
        Ok(Taken::No)
    }
}

impl Drop for Dot {
    fn drop(&mut self) {
        // Somebody may have taken ours for stale.
        if self.disk.stat(&self.path).is_ok_and(|stat| stat.inode == self.inode) {
            let _ = self.disk.unlink(&self.path);
        }
    }
}

/// Removes a dot-lock whose holder is gone: our own that a crash has left, or one that nobody has touched for five minutes, which is the rule
/// of the other programs.
fn remove_stale(disk: &dyn Disk, path: &Path, holder: &str, now_ns: i64) -> bool {
    let Ok(stat) = disk.stat(path) else { return false };
    let is_ours = || -> io::Result<bool> {
        let mut text = [0; DOT_LOCK_OCTETS_MAX];
        let read = disk.open(path, Access::Read)?.read_at(&mut text, 0)?;
        let mut lines = text.get(..read).unwrap_or_default().split(|&octet| octet == b'\n');
        Ok(lines.nth(1) == Some(holder.as_bytes()))
    };
    let is_old = now_ns.saturating_sub(stat.modified_ns) > STALE_NS;
    let is_stale = stat.kind == Kind::File && (is_old || is_ours().unwrap_or(false));
    let is_same = || disk.stat(path).is_ok_and(|again| again.inode == stat.inode);
    is_stale && is_same() && disk.unlink(path).is_ok()
}

/// Five minutes.
const STALE_NS: i64 = 300 * 1_000_000_000;

/// Everybody may look who holds it.
const DOT_LOCK_MODE: u32 = 0o644;

const DOT_LOCK_OCTETS_MAX: usize = 256;
