//! [`AccountDisk`]: the disk of one account of the system, with that account's rights.
//!
//! Whatever needs a name goes to a worker; an opened file is read and written here, on its descriptor. What only the owner of a file may
//! do with it (its time, its permissions) goes to the worker with the descriptor. Folders of the server's own, such as those beside
//! an mbox, are on the server's disk.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use restante_store::disk::{Access, Disk, DiskFile, Kind, LocalDisk, LocalFile, Stat};

use crate::client::{Broker, Started};
use crate::packet::{Reading, Writing, broken};
use crate::wire::{Packet, Socket};
use crate::worker::{
    self, LINK, LIST, MAKE_FOLDER, OPEN, RENAME, RENAME_NEW, SET_MODE, STAT, SYNC_FOLDER, TOUCH, UNLINK,
    outcome,
};

/// The disk of one account. Its worker is started by the first call that needs it, and ends with the disk and the last of its
/// files. When the worker does not answer in time, this and every later call fails.
#[derive(Debug)]
pub struct AccountDisk {
    link: Arc<Link>,
    /// Folders of the server's own.
    own: Vec<PathBuf>,
}

/// The way to the worker.
#[derive(Debug)]
struct Link {
    broker: Option<Arc<Broker>>,
    uid: u32,
    worker: Mutex<Worker>,
}

#[derive(Debug)]
enum Worker {
    Unneeded,
    Works(Socket, u64),
    /// It failed for this reason.
    Failed(io::ErrorKind, String),
}

impl AccountDisk {
    /// The disk of the account of this number; what lies below the folders `own` is the server's. Touches nothing yet.
    #[must_use]
    pub fn new(broker: Arc<Broker>, uid: u32, own: Vec<PathBuf>) -> Self {
        let worker = Mutex::new(Worker::Unneeded);
        Self { link: Arc::new(Link { broker: Some(broker), uid, worker }), own }
    }

    /// A disk that answers every call with this error: the account's files cannot be had.
    #[must_use]
    pub fn closed(why: &io::Error, own: Vec<PathBuf>) -> Self {
        let worker = Mutex::new(Worker::Failed(why.kind(), why.to_string()));
        Self { link: Arc::new(Link { broker: None, uid: 0, worker }), own }
    }

    /// A disk whose worker is behind this socket already.
    #[cfg(test)]
    fn behind(socket: Socket, own: Vec<PathBuf>) -> Self {
        Self {
            link: Arc::new(Link { broker: None, uid: 0, worker: Mutex::new(Worker::Works(socket, 0)) }),
            own,
        }
    }

    /// Whether this path is below a folder of the server's own. A path that could lead out of one is not.
    fn is_own(&self, path: &Path) -> bool {
        let is_plain =
            path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        is_plain && self.own.iter().any(|folder| path.starts_with(folder))
    }

    /// Whether two paths are both the server's own, or neither is.
    fn are_own(&self, from: &Path, to: &Path) -> io::Result<bool> {
        match (self.is_own(from), self.is_own(to)) {
            (true, true) => Ok(true),
            (false, false) => Ok(false),
            _ => Err(io::ErrorKind::CrossesDevices.into()),
        }
    }

    fn ask(&self, question: &Writing) -> io::Result<()> {
        let packet = self.link.ask(question, None)?;
        let mut reading = Reading::new(&packet.octets);
        outcome(&mut reading)?;
        reading.finish()
    }
}

impl Disk for AccountDisk {
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        if self.is_own(path) {
            return LocalDisk.stat(path);
        }
        let packet = self.link.ask(&Writing::new(STAT).path(path), None)?;
        let mut reading = Reading::new(&packet.octets);
        outcome(&mut reading)?;
        let stat = worker::read_stat(&mut reading)?;
        reading.finish()?;
        Ok(stat)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        if self.is_own(path) {
            return LocalDisk.open(path, access);
        }
        let question = worker::write_access(Writing::new(OPEN).path(path), access)?;
        let packet = self.link.ask(&question, None)?;
        let mut reading = Reading::new(&packet.octets);
        outcome(&mut reading)?;
        reading.finish()?;
        let file = LocalFile::from(packet.file.ok_or_else(broken)?);
        Ok(Box::new(AccountFile { file, link: Arc::clone(&self.link) }))
    }

    fn open_cached(&self, path: &Path) -> io::Result<Option<Box<dyn DiskFile>>> {
        // Asking the worker is waiting.
        if self.is_own(path) { LocalDisk.open_cached(path) } else { Ok(None) }
    }

    fn list(&self, folder: &Path, each: &mut dyn FnMut(&OsStr, Kind)) -> io::Result<()> {
        if self.is_own(folder) {
            return LocalDisk.list(folder, each);
        }
        // `each` may call the disk, so it comes when the worker is free again.
        let mut names: Vec<(OsString, Kind)> = Vec::new();
        let listed = self.link.list(folder, &mut names);
        names.iter().for_each(|(name, kind)| each(name, *kind));
        listed
    }

    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        match self.is_own(path) {
            true => LocalDisk.make_folder(path, mode),
            false => self.ask(&Writing::new(MAKE_FOLDER).path(path).number(mode)),
        }
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.are_own(from, to)? {
            true => LocalDisk.link(from, to),
            false => self.ask(&Writing::new(LINK).path(from).path(to)),
        }
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.are_own(from, to)? {
            true => LocalDisk.rename_new(from, to),
            false => self.ask(&Writing::new(RENAME_NEW).path(from).path(to)),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.are_own(from, to)? {
            true => LocalDisk.rename(from, to),
            false => self.ask(&Writing::new(RENAME).path(from).path(to)),
        }
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        match self.is_own(path) {
            true => LocalDisk.unlink(path),
            false => self.ask(&Writing::new(UNLINK).path(path)),
        }
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        match self.is_own(path) {
            true => LocalDisk.sync_folder(path),
            false => self.ask(&Writing::new(SYNC_FOLDER).path(path)),
        }
    }
}

impl Link {
    fn worker(&self) -> MutexGuard<'_, Worker> {
        // Nothing is done under this lock that could panic half way.
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks one question that is answered with one packet.
    fn ask(&self, question: &Writing, file: Option<BorrowedFd<'_>>) -> io::Result<Packet> {
        self.talk(|socket| {
            socket.send(question.octets(), file)?;
            answer(socket)
        })
    }

    fn list(&self, folder: &Path, names: &mut Vec<(OsString, Kind)>) -> io::Result<()> {
        let mut told = Ok(());
        self.talk(|socket| {
            socket.send(Writing::new(LIST).path(folder).octets(), None)?;
            loop {
                let packet = answer(socket)?;
                if worker::is_failure(&packet.octets) {
                    told = outcome(&mut Reading::new(&packet.octets));
                    return Ok(());
                }
                let is_more = worker::read_names(&packet.octets, &mut |name, kind| {
                    names.push((name.to_owned(), kind))
                })?;
                if !is_more {
                    return Ok(());
                }
                if names.len() > NAMES_MAX {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a folder without end"));
                }
            }
        })?;
        told
    }

    /// Talks to the worker, who is started if need be. What fails on the way leaves him behind in an unknown state, so he is
    /// never spoken to again.
    fn talk<T>(&self, talk: impl FnOnce(&Socket) -> io::Result<T>) -> io::Result<T> {
        let mut worker = self.worker();
        if let Worker::Unneeded = *worker {
            let broker = self.broker.as_ref().ok_or_else(broken)?;
            match broker.worker(self.uid) {
                Ok(Started { socket, id }) => *worker = Worker::Works(socket, id),
                Err(error) => {
                    *worker = Worker::Failed(error.kind(), error.to_string());
                    return Err(error);
                }
            }
        }
        let result = match &*worker {
            Worker::Works(socket, _) => talk(socket),
            Worker::Failed(kind, why) => return Err(io::Error::new(*kind, why.clone())),
            Worker::Unneeded => Err(broken()),
        };
        if let Err(error) = &result
            && let Worker::Works(_, id) =
                std::mem::replace(&mut *worker, Worker::Failed(error.kind(), error.to_string()))
            && let Some(broker) = &self.broker
        {
            broker.end(id);
        }
        result
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let worker = self.worker.get_mut().unwrap_or_else(PoisonError::into_inner);
        // The closed socket would end it as well, but for one that hangs.
        if let (Worker::Works(_, id), Some(broker)) = (&*worker, &self.broker) {
            broker.end(*id);
        }
    }
}

fn answer(socket: &Socket) -> io::Result<Packet> {
    match socket.receive() {
        Ok(Some(packet)) => Ok(packet),
        Ok(None) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the account's worker has ended")),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            Err(io::Error::new(io::ErrorKind::TimedOut, "the account's files do not answer"))
        }
        Err(error) => Err(error),
    }
}

/// A file that a worker has opened.
#[derive(Debug)]
struct AccountFile {
    file: LocalFile,
    link: Arc<Link>,
}

impl AccountFile {
    /// What takes the owner's rights.
    fn as_owner(&self, question: &Writing) -> io::Result<()> {
        let packet = self.link.ask(question, Some(self.file.as_fd()))?;
        let mut reading = Reading::new(&packet.octets);
        outcome(&mut reading)?;
        reading.finish()
    }
}

impl DiskFile for AccountFile {
    fn stat(&self) -> io::Result<Stat> {
        self.file.stat()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        self.file.read_cached_at(buffer, offset)
    }

    fn append(&self, octets: &[u8]) -> io::Result<()> {
        self.file.append(octets)
    }

    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(octets, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn sync_file_system(&self) -> io::Result<bool> {
        self.file.sync_file_system()
    }

    fn touch(&self) -> io::Result<()> {
        self.as_owner(&Writing::new(TOUCH).number(0))
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.as_owner(&Writing::new(SET_MODE).number(mode))
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }

    fn try_record_lock(&self) -> io::Result<bool> {
        self.file.try_record_lock()
    }
}

/// More names has no folder that somebody collects mail from.
const NAMES_MAX: usize = 10_000_000;

#[cfg(test)]
mod tests;
