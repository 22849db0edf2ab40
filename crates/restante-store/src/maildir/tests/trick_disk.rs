//! A real disk that plays tricks: it notes what is asked, fails when told, and shifts clocks.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use rustix::io::Errno;

use crate::disk::{Access, Disk, DiskFile, Kind, LocalDisk, Stat};

/// Nothing is ever synced for real, so that tests are fast.
#[derive(Clone, Debug, Default)]
pub(super) struct TrickDisk(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Every call with the end of its path, in order.
    calls: Mutex<Vec<String>>,
    /// Calls that change something since [`TrickDisk::fail`].
    changes: AtomicUsize,
    /// Which of them fails.
    failing: Mutex<Option<Failing>>,
    /// What cannot be opened, and why.
    closed: Mutex<Option<(PathBuf, Errno)>>,
    /// A name that the next lists leave out, and how many of them.
    hidden: Mutex<Option<(String, usize)>>,
    clock: Mutex<Clock>,
    /// Whether nothing is found in memory, so that everything takes the way that may wait.
    is_cold: AtomicBool,
    /// Whether there is no sync of a whole file system.
    is_simple: AtomicBool,
    /// Calls that wait until they may go on.
    gate: Gate,
}

/// Holds a call of one kind until it is opened.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    /// The kind of call that is held.
    kind: Option<String>,
    /// So many are.
    held: usize,
}

#[derive(Clone, Copy, Debug)]
struct Failing {
    nth: usize,
    errno: Errno,
    for_ever: bool,
}

/// What times the file system shows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Clock {
    #[default]
    Real,
    /// Folders seem to have changed long ago.
    Settled,
    /// Like a file system that keeps every other second.
    Coarse,
}

impl TrickDisk {
    pub(super) fn settled() -> Self {
        let disk = Self::default();
        disk.set_clock(Clock::Settled);
        disk
    }

    pub(super) fn set_clock(&self, clock: Clock) {
        *self.0.clock.lock().unwrap() = clock;
    }

    pub(super) fn set_cold(&self) {
        self.0.is_cold.store(true, Ordering::Relaxed);
    }

    pub(super) fn set_simple(&self) {
        self.0.is_simple.store(true, Ordering::Relaxed);
    }

    /// Holds every change of this kind before it is made, and lets all others go on.
    pub(super) fn hold(&self, call: &str) {
        *self.0.gate.state.lock().unwrap() = GateState { kind: Some(call.to_owned()), held: 0 };
        self.0.gate.changed.notify_all();
    }

    /// Waits until a call is held.
    pub(super) fn wait_for_held(&self) {
        let state = self.0.gate.state.lock().unwrap();
        drop(self.0.gate.changed.wait_while(state, |state| state.held == 0).unwrap());
    }

    /// How many calls are held.
    pub(super) fn held(&self) -> usize {
        self.0.gate.state.lock().unwrap().held
    }

    /// Lets what is held go on, and all that follows.
    pub(super) fn let_go(&self) {
        self.0.gate.state.lock().unwrap().kind = None;
        self.0.gate.changed.notify_all();
    }

    pub(super) fn close(&self, path: &Path, errno: Errno) {
        *self.0.closed.lock().unwrap() = Some((path.to_owned(), errno));
    }

    /// Lets the `nth` call from now that changes something fail, counted from 1, or all from there on.
    pub(super) fn fail(&self, nth: usize, errno: Errno, for_ever: bool) {
        self.0.changes.store(0, Ordering::Relaxed);
        *self.0.failing.lock().unwrap() = Some(Failing { nth, errno, for_ever });
    }

    /// Leaves a name out of the next `lists` that would show it, as happens to one that is renamed meanwhile.
    pub(super) fn hide(&self, name: &str, lists: usize) {
        *self.0.hidden.lock().unwrap() = Some((name.to_owned(), lists));
    }

    /// Ends all failing. Says whether it came to that.
    pub(super) fn heal(&self) -> bool {
        let failing = self.0.failing.lock().unwrap().take();
        *self.0.closed.lock().unwrap() = None;
        failing.is_some_and(|failing| self.0.changes.load(Ordering::Relaxed) >= failing.nth)
    }

    /// The calls since this was asked last.
    pub(super) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.calls.lock().unwrap())
    }

    fn note(&self, call: &str, path: &Path) {
        let name = path.file_name().unwrap_or_default().display().to_string();
        self.0.calls.lock().unwrap().push(format!("{call} {name}"));
    }

    fn change(&self, call: &str, path: &Path) -> io::Result<()> {
        self.pass(call);
        self.note(call, path);
        let count = self.0.changes.fetch_add(1, Ordering::Relaxed) + 1;
        match *self.0.failing.lock().unwrap() {
            Some(Failing { nth, errno, for_ever }) if count == nth || for_ever && count > nth => {
                Err(errno.into())
            }
            _ => Ok(()),
        }
    }

    fn pass(&self, call: &str) {
        let mut state = self.0.gate.state.lock().unwrap();
        if state.kind.as_deref() == Some(call) {
            state.held += 1;
            self.0.gate.changed.notify_all();
            drop(self.0.gate.changed.wait_while(state, |state| state.kind.as_deref() == Some(call)).unwrap());
        }
    }

    fn is_at_end(&self) -> bool {
        let count = self.0.changes.load(Ordering::Relaxed);
        self.0.failing.lock().unwrap().is_some_and(|failing| failing.for_ever && count > failing.nth)
    }

    fn shown(&self, stat: Stat) -> Stat {
        let shift = |ns: i64| match *self.0.clock.lock().unwrap() {
            Clock::Real => ns,
            Clock::Settled if stat.kind == Kind::Folder => ns - 10_000_000_000,
            Clock::Settled => ns,
            Clock::Coarse => ns - ns % 2_000_000_000,
        };
        Stat { modified_ns: shift(stat.modified_ns), changed_ns: shift(stat.changed_ns), ..stat }
    }

    fn check_closed(&self, path: &Path) -> io::Result<()> {
        match &*self.0.closed.lock().unwrap() {
            Some((closed, errno)) if path.starts_with(closed) => Err((*errno).into()),
            _ => Ok(()),
        }
    }

    fn wrap(&self, path: &Path, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(TrickFile { disk: self.clone(), path: path.to_owned(), file })
    }
}

impl Disk for TrickDisk {
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.note("stat", path);
        LocalDisk.stat(path).map(|stat| self.shown(stat))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        self.check_closed(path)?;
        match access {
            Access::Read | Access::Named => self.note("read", path),
            Access::Append | Access::Write => self.note("open", path),
            _ => self.change("create", path)?,
        }
        LocalDisk.open(path, access).map(|file| self.wrap(path, file))
    }

    fn open_cached(&self, path: &Path) -> io::Result<Option<Box<dyn DiskFile>>> {
        self.check_closed(path)?;
        if self.0.is_cold.load(Ordering::Relaxed) {
            return Ok(None);
        }
        self.note("read", path);
        Ok(LocalDisk.open_cached(path)?.map(|file| self.wrap(path, file)))
    }

    fn list(&self, folder: &Path, each: &mut dyn FnMut(&OsStr, Kind)) -> io::Result<()> {
        self.check_closed(folder)?;
        self.note("list", folder);
        LocalDisk.list(folder, &mut |name, kind| {
            let mut hidden = self.0.hidden.lock().unwrap();
            match hidden.as_mut() {
                Some((hidden, lists)) if name == hidden.as_str() && *lists > 0 => *lists -= 1,
                _ => {
                    drop(hidden);
                    each(name, kind);
                }
            }
        })
    }

    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.change("make", path)?;
        LocalDisk.make_folder(path, mode)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change("link", to)?;
        LocalDisk.link(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change("rename", to)?;
        LocalDisk.rename_new(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change("replace", to)?;
        LocalDisk.rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.change("unlink", path)?;
        LocalDisk.unlink(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.change("sync", path)
    }
}

#[derive(Debug)]
struct TrickFile {
    disk: TrickDisk,
    path: PathBuf,
    file: Box<dyn DiskFile>,
}

impl DiskFile for TrickFile {
    fn stat(&self) -> io::Result<Stat> {
        self.file.stat().map(|stat| self.disk.shown(stat))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        if self.disk.0.is_cold.load(Ordering::Relaxed) {
            return Ok(None);
        }
        self.file.read_cached_at(buffer, offset)
    }

    /// A failing append leaves half of it behind, as a full disk does; one that comes after the end of all leaves
    /// nothing.
    fn append(&self, octets: &[u8]) -> io::Result<()> {
        match self.disk.change("append", &self.path) {
            Ok(()) => self.file.append(octets),
            Err(error) => {
                if !self.disk.is_at_end() {
                    self.file.append(&octets[..octets.len() / 2])?;
                }
                Err(error)
            }
        }
    }

    /// A failing write leaves half of it behind, like an append.
    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<()> {
        match self.disk.change("write", &self.path) {
            Ok(()) => self.file.write_at(octets, offset),
            Err(error) => {
                if !self.disk.is_at_end() {
                    self.file.write_at(&octets[..octets.len() / 2], offset)?;
                }
                Err(error)
            }
        }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.disk.change("truncate", &self.path)?;
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.change("sync", &self.path)
    }

    fn sync_file_system(&self) -> io::Result<bool> {
        self.disk.change("sync all by", &self.path)?;
        Ok(!self.disk.0.is_simple.load(Ordering::Relaxed))
    }

    fn touch(&self) -> io::Result<()> {
        self.disk.change("touch", &self.path)?;
        self.file.touch()
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.disk.change("set the mode", &self.path)?;
        self.file.set_mode(mode)
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }

    fn try_record_lock(&self) -> io::Result<bool> {
        self.disk.note("record-lock", &self.path);
        self.file.try_record_lock()
    }
}
