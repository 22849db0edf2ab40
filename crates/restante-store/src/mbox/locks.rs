//! The locks of an mbox, in the order that Debian's policy gives (section 11.6): first the record lock (`fcntl`) on the
//! file, then the dot-lock beside it. In front of both stands a lock of our own in the control folder, for other sessions and
//! deliveries of Restante.
//!
//! No lock is ever waited for while another is held: what cannot be had at once makes us let go of everything and try
//! again, so that no order of anybody's can end in a deadlock. The record lock belongs to the opened file and not to
//! the process, so that closing another handle does not release it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::layout::WORK;
use super::{DotLock, Mboxes, Place, recovery};
use crate::disk::{Access, Disk, DiskFile, Kind};
use crate::failure::Failure;
use crate::lock::Lock;
use crate::maildrop::blocking;

/// All locks of one mbox, held. Dropping it releases them.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) mboxes: Arc<Mboxes>,
    pub(super) place: Place,
    /// The mbox; `None` when it does not exist, and then nothing is locked.
    file: Option<Box<dyn DiskFile>>,
    _dot_lock: Option<Dot>,
    /// The file system's clock, in nanoseconds since 1970.
    now_ns: Option<i64>,
    /// Last, so that nobody of us meets the other two.
    _work: Lock,
}

/// What a missing file means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    IsEmpty,
    /// It is made.
    IsMade,
}

/// Takes all locks, trying again while others have them, and finishes what a crash has interrupted.
///
/// # Errors
/// When they are not to be had within `Settings::lock_attempts_max` attempts, or something else is wrong.
pub(super) async fn wait(mboxes: &Arc<Mboxes>, place: &Place, missing: Missing) -> Result<Guard, Failure> {
    let attempts_max = mboxes.settings.lock_attempts_max;
    for attempt in 1..=attempts_max {
        let (there, at) = (Arc::clone(mboxes), place.clone());
        let guard = blocking(move || Guard::try_take(&there, &at, missing)).await;
        if let Some(guard) = guard.map_err(Failure::at("lock", &place.file))?? {
            return Ok(guard);
        }
        if attempt < attempts_max {
            tokio::time::sleep(PAUSE).await;
        }
    }
    let busy = io::Error::new(io::ErrorKind::ResourceBusy, "another program keeps it locked");
    Err(Failure::new("lock", &place.file, busy))
}

impl Guard {
    /// The locks, if they are to be had now.
    ///
    /// # Errors
    /// When the mbox or the control folder cannot be used, or an interrupted change cannot be finished.
    pub(super) fn try_take(
        mboxes: &Arc<Mboxes>,
        place: &Place,
        missing: Missing,
    ) -> Result<Option<Self>, Failure> {
        mboxes.check_marker()?;
        let Some(work) = take_control(mboxes, &place.control, WORK)? else { return Ok(None) };
        let now_ns = work.now_ns();
        let disk = mboxes.disk();
        let file = open(mboxes, place, missing)?;
        let (mut dot_lock, mut now_ns) = (None, now_ns);
        if let Some(file) = &file {
            match file.try_record_lock() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                // On a read-only disk there is nobody to keep out.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::BADF.raw_os_error()) => {}
                Err(error) => return Err(Failure::new("lock", &place.file, error)),
            }
            if mboxes.settings.dot_lock != DotLock::Never {
                match Dot::try_take(mboxes, place, now_ns)? {
                    Taken::Yes(dot) => {
                        now_ns = dot.made_ns.max(now_ns);
                        dot_lock = Some(dot);
                    }
                    Taken::No => return Ok(None),
                    Taken::Unneeded => {}
                }
            }
            // Somebody may have put another file in its place before we had the locks.
            let named = disk.stat(&place.file).map_err(Failure::at("see", &place.file))?;
            let opened = file.stat().map_err(Failure::at("see", &place.file))?;
            if named.inode != opened.inode {
                return Ok(None);
            }
        }
        let (mboxes, place) = (Arc::clone(mboxes), place.clone());
        let guard = Self { mboxes, place, file, _dot_lock: dot_lock, now_ns, _work: work };
        recovery::finish(&guard)?;
        Ok(Some(guard))
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        self.mboxes.disk()
    }

    /// The mbox, open for reading and writing.
    pub(super) fn file(&self) -> Option<&dyn DiskFile> {
        self.file.as_deref()
    }

    /// The file system's clock when the locks were taken.
    pub(super) const fn now_ns(&self) -> Option<i64> {
        self.now_ns
    }

    /// A file of the control folder.
    pub(super) fn control(&self, name: &str) -> PathBuf {
        self.place.control.join(name)
    }

    /// For `map_err`.
    pub(super) fn failed(&self, doing: &'static str) -> impl FnOnce(io::Error) -> Failure {
        Failure::at(doing, &self.place.file)
    }
}

/// A lock in the control folder, which is made when it is missing.
pub(super) fn take_control(mboxes: &Mboxes, control: &Path, name: &str) -> Result<Option<Lock>, Failure> {
    let (disk, mode) = (mboxes.disk(), mboxes.settings.file_mode);
    let path = control.join(name);
    let is_new = disk.stat(&path).is_err();
    let lock = match Lock::take(disk, &path, mode) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            mboxes.make_control(control)?;
            Lock::take(disk, &path, mode)
        }
        result => result,
    };
    let lock = lock.map_err(Failure::at("lock", &path))?;
    if is_new && lock.is_some() {
        // Its number tells our own dot-locks, so it must not be another one after a crash.
        disk.sync_folder(control).map_err(Failure::at("sync", control))?;
    }
    Ok(lock)
}

fn open(mboxes: &Mboxes, place: &Place, missing: Missing) -> Result<Option<Box<dyn DiskFile>>, Failure> {
    let disk = mboxes.disk();
    let opened = match disk.open(&place.file, Access::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            mboxes.check_missing(&place.file)?;
            if missing == Missing::IsEmpty {
                return Ok(None);
            }
            match disk.open(&place.file, Access::CreateNew(mboxes.settings.file_mode)) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Failure::new("make", &place.file, error));
                }
                _ => {}
            }
            let folder = place.file.parent().unwrap_or(&place.file);
            disk.sync_folder(folder).map_err(Failure::at("sync", folder))?;
            disk.open(&place.file, Access::Write)
        }
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem && missing == Missing::IsEmpty => {
            disk.open(&place.file, Access::Read)
        }
        result => result,
    };
    let file = opened.map_err(Failure::at("open", &place.file))?;
    let kind = file.stat().map_err(Failure::at("see", &place.file))?.kind;
    if kind != Kind::File {
        let odd = io::Error::new(io::ErrorKind::InvalidData, "it is no regular file");
        return Err(Failure::new("open", &place.file, odd));
    }
    Ok(Some(file))
}

/// The dot-lock, held.
#[derive(Debug)]
struct Dot {
    mboxes: Arc<Mboxes>,
    path: PathBuf,
    inode: u64,
    /// By the clock of the mbox's own file system.
    made_ns: Option<i64>,
}

enum Taken {
    Yes(Dot),
    No,
    /// It cannot be had and may be missing.
    Unneeded,
}

impl Dot {
    fn try_take(mboxes: &Arc<Mboxes>, place: &Place, now_ns: Option<i64>) -> Result<Taken, Failure> {
        use io::ErrorKind::{AlreadyExists, PermissionDenied, ReadOnlyFilesystem};
        let disk = mboxes.disk();
        let mut name = OsString::from(place.file.as_os_str());
        name.push(".lock");
        let path = PathBuf::from(name);
        let own = disk.stat(&place.control.join(WORK)).map_err(Failure::at("see", &place.control))?.inode;
        for _ in 0..2 {
            // Others that look for a lock's holder read a number; the second line is ours alone.
            match disk.open(&path, Access::CreateNew(DOT_LOCK_MODE)) {
                Ok(file) => {
                    let text = format!("{}\nrestante {own}\n", std::process::id());
                    // One that is empty, because the disk is full, locks as well.
                    let _ = file.append(text.as_bytes());
                    let stat = file.stat().map_err(Failure::at("see", &path))?;
                    let (mboxes, inode) = (Arc::clone(mboxes), stat.inode);
                    return Ok(Taken::Yes(Self { mboxes, path, inode, made_ns: Some(stat.modified_ns) }));
                }
                Err(error) if error.kind() == AlreadyExists => {
                    if !remove_stale(disk, &path, own, now_ns) {
                        return Ok(Taken::No);
                    }
                }
                Err(error)
                    if mboxes.settings.dot_lock == DotLock::IfPossible
                        && matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem) =>
                {
                    return Ok(Taken::Unneeded);
                }
                Err(error) => return Err(Failure::new("make the dot-lock", &path, error)),
            }
        }
        Ok(Taken::No)
    }
}

/// Removes a dot-lock whose holder is gone: one of our own that a crash has left (the lock in the control folder is ours now, so
/// nobody else can hold it), or one that nobody has touched for five minutes, which is the rule of the other programs.
fn remove_stale(disk: &dyn Disk, path: &Path, own: u64, now_ns: Option<i64>) -> bool {
    let Ok(stat) = disk.stat(path) else { return false };
    let is_ours = || -> io::Result<bool> {
        let mut text = [0; DOT_LOCK_OCTETS_MAX];
        let read = disk.open(path, Access::Read)?.read_at(&mut text, 0)?;
        let mut lines = text.get(..read).unwrap_or_default().split(|&octet| octet == b'\n');
        Ok(lines.nth(1) == Some(format!("restante {own}").as_bytes()))
    };
    let is_old = now_ns.is_some_and(|now| now.saturating_sub(stat.modified_ns) > STALE_NS);
    let is_stale = stat.kind == Kind::File && (is_old || is_ours().unwrap_or(false));
    let is_same = || disk.stat(path).is_ok_and(|again| again.inode == stat.inode);
    is_stale && is_same() && disk.unlink(path).is_ok()
}

impl Drop for Dot {
    fn drop(&mut self) {
        let disk = self.mboxes.disk();
        // Somebody may have taken ours for stale.
        if disk.stat(&self.path).is_ok_and(|stat| stat.inode == self.inode) {
            let _ = disk.unlink(&self.path);
        }
    }
}

const PAUSE: Duration = Duration::from_millis(100);

/// Five minutes.
const STALE_NS: i64 = 300 * 1_000_000_000;

/// Everybody may look who holds it.
const DOT_LOCK_MODE: u32 = 0o644;

const DOT_LOCK_OCTETS_MAX: usize = 256;
