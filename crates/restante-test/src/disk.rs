//! A disk in memory that forgets what was never synced, and fails when told: what the store's promises are tried on.
//!
//! It stands behind `restante_store::disk::Disk` and keeps beside what programs see what is *durable*. A crash gives a new
//! disk that holds what was durable, and of the rest whatever a real one might hold ([`Aftermath`]):
//!
//! * contents not synced: nothing of them, all, or a part, torn at a sector's border or anywhere; the new length with zeros or
//!   with what lay in those blocks before;
//! * names not synced: the first so many changes, or any of them without the others; so a name may be there whose file was
//!   never synced, and an old name may be back. A rename happens whole or not at all (`disk/names.rs` says why);
//! * times of files that were not written with their contents, times of folders of which a part is lost;
//! * no locks, and numbers of lost files given to new ones.
//!
//! Calls fail as planned ([`SimulatedDisk::fail`]), or none is carried out any more ([`SimulatedDisk::stop_after`]). An append that fails may
//! have written a part; a failing sync leaves its pages *clean*, so that the next one succeeds without writing them.
//!
//! Not simulated: a file system that reorders the halves of a rename, loses what it said was synced, or changes what
//! nobody wrote. The loops in `tests/crash/` use it.

mod contents;
mod fault;
mod machine;
mod names;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use restante_store::disk::{Access, Disk, DiskFile, Kind, Stat};
use rustix::io::Errno;

pub use fault::{Call, Counted, Fault, Lasting};

use contents::Contents;
use fault::{Failing, Plan, Planned};
use machine::{Machine, listed, part_of_failed};
use names::Inode;

/// A file system in memory. Cloning shares it.
#[derive(Clone, Debug)]
pub struct SimulatedDisk(Arc<Mutex<Machine>>);

/// What a crash leaves of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// Nothing.
    Lost,
    /// All, as when only the process died.
    Kept,
    /// Whatever this seed throws.
    Seeded(u64),
}

impl Default for SimulatedDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl SimulatedDisk {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Machine::new())))
    }

    /// The disk after a crash and a restart, with nothing planned. This one stays as it is, so that one moment can be
    /// looked at with many aftermaths.
    #[must_use]
    pub fn crash(&self, aftermath: Aftermath) -> Self {
        Self(Arc::new(Mutex::new(self.machine().after(aftermath))))
    }

    /// The same disk once more, with the same unsynced changes, nothing planned and no locks.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut machine = self.machine().clone();
        machine.plan = Plan::default();
        machine.nodes.values_mut().for_each(|node| {
            node.locked_by = None;
            node.record_locked_by = None;
        });
        Self(Arc::new(Mutex::new(machine)))
    }

    /// Lets the `nth` call from now that can fail so fail, counted from 1, and with [`Lasting::ForEver`] all behind it.
    pub fn fail(&self, fault: Fault, nth: usize, lasting: Lasting, counted: Counted) {
        let mut machine = self.machine();
        machine.plan.trace.clear();
        machine.plan.fault = Some(Planned { fault, nth, lasting, counted, count: 0, hits: 0 });
    }

    /// Ends all failing. Says whether it came to that.
    pub fn heal(&self) -> bool {
        self.machine().plan.fault.take().is_some_and(|planned| planned.hits > 0)
    }

    /// Carries out so many calls from now and no more, as if the machine had stopped there.
    pub fn stop_after(&self, calls: usize) {
        let mut machine = self.machine();
        machine.plan.trace.clear();
        machine.plan.stop_after = Some(calls);
    }

    /// Whether more was asked for than [`SimulatedDisk::stop_after`] allows.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        let machine = self.machine();
        machine.plan.stop_after.is_some_and(|most| machine.plan.trace.len() > most)
    }

    /// The calls since `fail`, `stop_after` or this was called last: what was asked and the end of its path.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.machine().plan.trace)
    }

    /// The disk's own clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.machine().clock_ns.unsigned_abs())
    }

    /// Lets time pass without a call.
    pub fn advance(&self, time: Duration) {
        self.machine().clock_ns += i64::try_from(time.as_nanos()).expect("less than centuries");
    }

    /// Makes a folder and those above it, durable, as part of what was there before.
    ///
    /// # Panics
    /// When a file is in the way.
    pub fn put_folder(&self, path: &Path) {
        let mut folder = PathBuf::new();
        for part in path.components() {
            folder.push(part);
            let mut machine = self.machine();
            if machine.find(&folder).is_err() {
                let (parent, name) = machine.place(&folder).expect("a folder above");
                let device = machine.node(parent).device;
                machine.insert_folder((parent, name), 0o700, device);
                machine.names.sync(parent);
            }
        }
    }

    /// Makes a folder on a file system of its own: nothing can be linked or renamed between it and the others.
    ///
    /// # Panics
    /// When it is there already.
    pub fn put_device(&self, path: &Path) {
        let mut machine = self.machine();
        let (parent, name) = machine.place(path).expect("a folder above");
        let device = 1 + machine.nodes.values().map(|node| node.device).max().unwrap_or(0);
        machine.insert_folder((parent, name), 0o700, device);
        machine.names.sync(parent);
    }

    /// Writes a file, durable, as another program did that takes care. Its old contents are gone.
    ///
    /// # Panics
    /// When the folder is missing.
    pub fn put_file(&self, path: &Path, octets: &[u8]) {
        let mut machine = self.machine();
        machine.clock_ns += 1_000_000;
        let (folder, name) = machine.place(path).expect("a folder to put it into");
        let inode =
            machine.names.find(folder, name).unwrap_or_else(|| machine.insert_file((folder, name), 0o600));
        machine.names.sync(folder);
        let now = machine.clock_ns;
        let node = machine.node_mut(inode);
        node.contents = Contents::durable(octets.to_vec());
        (node.made_ns, node.modified_ns, node.changed_ns) = (now, now, now);
    }

    /// Renames a file, durable, as another program did.
    ///
    /// # Panics
    /// When it is missing.
    pub fn move_file(&self, from: &Path, to: &Path) {
        let mut machine = self.machine();
        machine.clock_ns += 1_000_000;
        machine.rename(from, to, true).expect("a file to rename");
        let (folder, _) = machine.place(to).expect("it was renamed");
        machine.names.sync(folder);
    }

    /// Takes a file away, durable, as another program did. Nothing happens when it is missing.
    pub fn take_file(&self, path: &Path) {
        let mut machine = self.machine();
        machine.clock_ns += 1_000_000;
        if machine.unlink(path).is_ok() {
            let (folder, _) = machine.place(path).expect("it was there");
            machine.names.sync(folder);
        }
    }

    /// What programs see in a file. Counts as no call.
    #[must_use]
    pub fn file(&self, path: &Path) -> Option<Vec<u8>> {
        let machine = self.machine();
        let inode = machine.find(path).ok()?;
        Some(machine.node(inode).contents.seen().to_vec())
    }

    /// The names that programs see in a folder, sorted. Counts as no call.
    #[must_use]
    pub fn names(&self, folder: &Path) -> Vec<OsString> {
        let machine = self.machine();
        let Ok(folder) = machine.find(folder) else { return Vec::new() };
        machine.names.of(folder).map(|(name, _)| name.to_owned()).collect()
    }

    /// The permissions of a file or folder. Counts as no call.
    #[must_use]
    pub fn mode(&self, path: &Path) -> Option<u32> {
        let machine = self.machine();
        let inode = machine.find(path).ok()?;
        Some(machine.node(inode).mode)
    }

    /// How many names a file has. Counts as no call.
    #[must_use]
    pub fn links(&self, path: &Path) -> usize {
        let machine = self.machine();
        machine.find(path).map_or(0, |inode| machine.names.count(inode))
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call: noted, and failing when that is planned.
    fn enter(&self, call: Call, path: &Path) -> io::Result<MutexGuard<'_, Machine>> {
        let mut machine = self.machine();
        machine.enter(call, path).map_err(Failing::error)?;
        Ok(machine)
    }
}

impl Machine {
    fn insert_file(&mut self, (folder, name): (Inode, &OsStr), mode: u32) -> Inode {
        let device = self.node(folder).device;
        let inode = self.make(Kind::File, device, mode);
        self.names.set((folder, name), inode, self.clock_ns);
        self.touch_folder(folder);
        inode
    }

    fn insert_folder(&mut self, (folder, name): (Inode, &OsStr), mode: u32, device: u32) {
        let inode = self.make(Kind::Folder, device, mode);
        self.names.set((folder, name), inode, self.clock_ns);
        self.touch_folder(folder);
    }

    fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let place = self.place(path)?;
        let inode = self.names.find(place.0, place.1).ok_or(Errno::NOENT)?;
        if self.node(inode).kind == Kind::Folder {
            return Err(Errno::ISDIR.into());
        }
        self.names.clear(place, self.clock_ns);
        self.touch_folder(place.0);
        self.touch_attributes(inode);
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path, replaces: bool) -> io::Result<()> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        let inode = self.names.find(from.0, from.1).ok_or(Errno::NOENT)?;
        if self.node(from.0).device != self.node(to.0).device {
            return Err(Errno::XDEV.into());
        }
        match self.names.find(to.0, to.1) {
            Some(_) if !replaces => return Err(Errno::EXIST.into()),
            // Two names of one file: nothing happens (rename(2)).
            Some(other) if other == inode => return Ok(()),
            Some(other) if self.node(other).kind == Kind::Folder => return Err(Errno::ISDIR.into()),
            _ => {}
        }
        self.names.rename(from, to, inode, self.clock_ns);
        self.touch_folder(from.0);
        self.touch_folder(to.0);
        self.touch_attributes(inode);
        Ok(())
    }
}

impl Disk for SimulatedDisk {
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let machine = self.enter(Call::Stat, path)?;
        machine.find(path).map(|inode| machine.stat(inode))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let can_write = !matches!(access, Access::Read | Access::Named);
        let call = match access {
            Access::Read | Access::Named => Call::Open,
            Access::Append | Access::Write => Call::OpenToAppend,
            Access::AppendOrCreate(_) | Access::CreateNew(_) => Call::Create,
        };
        let mut machine = self.enter(call, path)?;
        let place = machine.place(path)?;
        let inode = match (machine.names.find(place.0, place.1), access) {
            (Some(_), Access::CreateNew(_)) => return Err(Errno::EXIST.into()),
            (Some(inode), _) if machine.node(inode).kind == Kind::Folder && can_write => {
                return Err(Errno::ISDIR.into());
            }
            (Some(inode), _) => inode,
            (None, Access::Read | Access::Named | Access::Append | Access::Write) => {
                return Err(Errno::NOENT.into());
            }
            (None, Access::AppendOrCreate(mode) | Access::CreateNew(mode)) => {
                machine.insert_file(place, mode)
            }
        };
        machine.openings += 1;
        let opening = machine.openings;
        let file = SimulatedFile { disk: self.clone(), path: path.to_owned(), inode, opening, can_write };
        Ok(Box::new(file))
    }

    fn open_cached(&self, path: &Path) -> io::Result<Option<Box<dyn DiskFile>>> {
        self.open(path, Access::Read).map(Some)
    }

    fn list(&self, folder: &Path, each: &mut dyn FnMut(&OsStr, Kind)) -> io::Result<()> {
        let mut machine = self.machine();
        let entered = machine.enter(Call::List, folder);
        let inode = machine.find(folder)?;
        machine.check_folder(inode)?;
        let all: Vec<(OsString, Kind)> = listed(&machine.names, inode)
            .into_iter()
            .map(|(name, inode)| (name, machine.node(inode).kind))
            .collect();
        drop(machine);
        // One that fails has given some of the names.
        let given = if entered.is_ok() { all.len() } else { all.len() / 2 };
        all.iter().take(given).for_each(|(name, kind)| each(name, *kind));
        entered.map_err(Failing::error)
    }

    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        let mut machine = self.enter(Call::MakeFolder, path)?;
        let place = machine.place(path)?;
        if machine.names.find(place.0, place.1).is_some() {
            return Err(Errno::EXIST.into());
        }
        let device = machine.node(place.0).device;
        machine.insert_folder(place, mode, device);
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut machine = self.enter(Call::Link, to)?;
        let (from, to) = (machine.place(from)?, machine.place(to)?);
        let inode = machine.names.find(from.0, from.1).ok_or(Errno::NOENT)?;
        if machine.names.find(to.0, to.1).is_some() {
            return Err(Errno::EXIST.into());
        }
        if machine.node(from.0).device != machine.node(to.0).device {
            return Err(Errno::XDEV.into());
        }
        if machine.node(inode).kind == Kind::Folder {
            return Err(Errno::PERM.into());
        }
        let now = machine.clock_ns;
        machine.names.set(to, inode, now);
        machine.touch_folder(to.0);
        machine.touch_attributes(inode);
        Ok(())
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.enter(Call::Rename, to)?.rename(from, to, false)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.enter(Call::Replace, to)?.rename(from, to, true)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.enter(Call::Unlink, path)?.unlink(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        // One that fails makes nothing durable. A later one does: file systems keep names in journals, and one that cannot write
        // its journal stops being writable.
        let mut machine = self.enter(Call::SyncFolder, path)?;
        let inode = machine.find(path)?;
        machine.check_folder(inode)?;
        machine.names.sync(inode);
        Ok(())
    }
}

/// An open file. It can be read although its name is gone.
#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    path: PathBuf,
    inode: Inode,
    opening: u64,
    can_write: bool,
}

impl SimulatedFile {
    fn check_can_write(&self) -> io::Result<()> {
        if self.can_write { Ok(()) } else { Err(Errno::BADF.into()) }
    }

    /// Writes at a place, or at the end.
    fn write(&self, machine: &mut Machine, octets: &[u8], at: Option<usize>) {
        let now = machine.clock_ns;
        let node = machine.node_mut(self.inode);
        let end = at.unwrap_or_else(|| node.contents.seen().len());
        if !octets.is_empty() {
            node.contents.write(end, octets);
            (node.modified_ns, node.changed_ns) = (now, now);
        }
    }
}

impl SimulatedFile {
    /// A write that fails may have written a part.
    fn try_write(&self, octets: &[u8], at: Option<usize>) -> io::Result<()> {
        self.check_can_write()?;
        let mut machine = self.disk.machine();
        let entered = machine.enter(Call::Append, &self.path);
        match entered {
            Ok(()) => self.write(&mut machine, octets, at),
            Err(Failing::Stopped) if machine.is_past_the_stop() => {}
            Err(failing) => {
                let calls = machine.plan.trace.len();
                self.write(&mut machine, part_of_failed(failing, octets, calls), at);
            }
        }
        entered.map_err(Failing::error)
    }
}

impl DiskFile for SimulatedFile {
    fn stat(&self) -> io::Result<Stat> {
        Ok(self.disk.enter(Call::Stat, &self.path)?.stat(self.inode))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let machine = self.disk.enter(Call::Read, &self.path)?;
        let node = machine.node(self.inode);
        if node.kind == Kind::Folder {
            return Err(Errno::ISDIR.into());
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = node.contents.seen().get(start..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        self.read_at(buffer, offset).map(Some)
    }

    fn append(&self, octets: &[u8]) -> io::Result<()> {
        self.try_write(octets, None)
    }

    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<()> {
        self.try_write(octets, Some(usize::try_from(offset).map_err(|_| Errno::FBIG)?))
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.check_can_write()?;
        let mut machine = self.disk.enter(Call::Truncate, &self.path)?;
        let now = machine.clock_ns;
        let node = machine.node_mut(self.inode);
        node.contents.cut(usize::try_from(length).map_err(|_| Errno::FBIG)?);
        (node.modified_ns, node.changed_ns) = (now, now);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut machine = self.disk.machine();
        match machine.enter(Call::Sync, &self.path) {
            Ok(()) => {
                machine.node_mut(self.inode).contents.sync();
                Ok(())
            }
            Err(failing) => {
                if matches!(failing, Failing::Fault(_)) {
                    machine.node_mut(self.inode).contents.fail_sync();
                }
                Err(failing.error())
            }
        }
    }

    fn sync_file_system(&self) -> io::Result<bool> {
        let mut machine = self.disk.machine();
        let entered = machine.enter(Call::SyncFileSystem, &self.path);
        let device = machine.node(self.inode).device;
        let there: Vec<Inode> =
            machine.nodes.iter().filter(|(_, node)| node.device == device).map(|(inode, _)| *inode).collect();
        match entered {
            Ok(()) => there.iter().for_each(|&inode| match machine.node(inode).kind {
                Kind::Folder => machine.names.sync(inode),
                _ => machine.node_mut(inode).contents.sync(),
            }),
            // Whose pages could not be written is not told.
            Err(Failing::Fault(_)) => there.iter().for_each(|&inode| {
                if machine.node(inode).kind == Kind::File {
                    machine.node_mut(inode).contents.fail_sync();
                }
            }),
            Err(Failing::Stopped) => {}
        }
        entered.map(|()| true).map_err(Failing::error)
    }

    fn touch(&self) -> io::Result<()> {
        let mut machine = self.disk.enter(Call::Touch, &self.path)?;
        let now = machine.clock_ns;
        let node = machine.node_mut(self.inode);
        (node.modified_ns, node.changed_ns) = (now, now);
        Ok(())
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        let mut machine = self.disk.enter(Call::Touch, &self.path)?;
        let now = machine.clock_ns;
        let node = machine.node_mut(self.inode);
        (node.mode, node.changed_ns) = (mode, now);
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut machine = self.disk.enter(Call::Lock, &self.path)?;
        let node = machine.node_mut(self.inode);
        let holder = *node.locked_by.get_or_insert(self.opening);
        Ok(holder == self.opening)
    }

    fn try_record_lock(&self) -> io::Result<bool> {
        self.check_can_write()?;
        let mut machine = self.disk.enter(Call::Lock, &self.path)?;
        let node = machine.node_mut(self.inode);
        let holder = *node.record_locked_by.get_or_insert(self.opening);
        Ok(holder == self.opening)
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        let mut machine = self.disk.machine();
        let node = machine.node_mut(self.inode);
        for holder in [&mut node.locked_by, &mut node.record_locked_by] {
            holder.take_if(|holder| *holder == self.opening);
        }
    }
}
