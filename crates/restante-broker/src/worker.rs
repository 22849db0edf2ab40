//! A worker: has become one account, and does by name what the server asks for.
//!
//! It answers the calls of `trait Disk`, one after the other, with the real disk; an opened file goes to the server as a descriptor,
//! which reads and writes it without asking again. All it can be made to do is what the account could do by itself. It ends when
//! its socket does.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::unistd::Gid;
use restante_store::disk::{Access, Disk, DiskFile, Kind, LocalDisk, LocalFile, Stat};

use crate::charter::{Own, WorkerCharter};
use crate::identity::{self, Borrowing, Identity};
use crate::mount;
use crate::packet::{Reading, Writing, broken};
use crate::wire::{PACKET_OCTETS_MAX, Packet, Socket};

/// Becomes the account of the charter, says so, and works until the socket ends.
pub(crate) fn run(socket: &Socket) -> io::Result<()> {
    let Some(charter) = socket.receive()? else { return Ok(()) };
    let charter = WorkerCharter::read(&charter.octets)?;
    match identity::become_account(&charter) {
        Ok(identity) => {
            socket.send(Writing::new(DONE).octets(), None)?;
            serve(socket, &Worker { identity: Some(identity) })
        }
        Err(error) => socket.send(failed(&error).octets(), None),
    }
}

/// Who works; `None` in tests, which are nobody else.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) identity: Option<Identity>,
}

/// What is answered.
enum Reply {
    Packet(Writing),
    File(OwnedFd),
}

/// Answers until the other end is closed.
pub(crate) fn serve(socket: &Socket, worker: &Worker) -> io::Result<()> {
    while let Some(packet) = socket.receive()? {
        match worker.act(socket, packet) {
            Ok(Reply::Packet(reply)) => socket.send(reply.octets(), None)?,
            Ok(Reply::File(file)) => socket.send(Writing::new(DONE).octets(), Some(file.as_fd()))?,
            Err(Trouble::Answer(error)) => socket.send(failed(&error).octets(), None)?,
            Err(Trouble::Abandoned) => {
                return Err(io::Error::other("the group of the mail folder could not be given back"));
            }
        }
    }
    Ok(())
}

/// Why something was not done.
enum Trouble {
    Answer(io::Error),
    /// This process has rights that it should not have, and must end.
    Abandoned,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Answer(error)
    }
}

impl Worker {
    fn act(&self, socket: &Socket, packet: Packet) -> Result<Reply, Trouble> {
        let mut reading = Reading::new(&packet.octets);
        let word = reading.octet()?;
        if let TOUCH | SET_MODE = word {
            let mode = reading.number()?;
            reading.finish()?;
            let file = LocalFile::from(packet.file.ok_or_else(broken)?);
            if word == TOUCH { file.touch() } else { file.set_mode(mode) }?;
            return Ok(done());
        }
        let path = reading.path()?;
        let second = match word {
            LINK | RENAME_NEW | RENAME => Some(reading.path()?),
            _ => None,
        };
        let access = match word {
            OPEN => Some(read_access(&mut reading)?),
            _ => None,
        };
        let mode = if word == MAKE_FOLDER { reading.number()? } else { 0 };
        reading.finish()?;
        match (word, access, second) {
            (STAT, ..) => Ok(Reply::Packet(write_stat(Writing::new(DONE), &LocalDisk.stat(&path)?))),
            (OPEN, Some(access), _) => self.open(&path, access).map(Reply::File),
            (LIST, ..) => list(socket, &path).map_err(Trouble::from),
            (MAKE_FOLDER, ..) => LocalDisk.make_folder(&path, mode).map(|()| done()).map_err(Trouble::from),
            (LINK, _, Some(to)) => LocalDisk.link(&path, &to).map(|()| done()).map_err(Trouble::from),
            (RENAME_NEW, _, Some(to)) => {
                LocalDisk.rename_new(&path, &to).map(|()| done()).map_err(Trouble::from)
            }
            (RENAME, _, Some(to)) => LocalDisk.rename(&path, &to).map(|()| done()).map_err(Trouble::from),
            (UNLINK, ..) => self.unlink(&path).map(|()| done()),
            (SYNC_FOLDER, ..) => LocalDisk.sync_folder(&path).map(|()| done()).map_err(Trouble::from),
            _ => Err(broken().into()),
        }
    }

    fn open(&self, path: &Path, access: Access) -> Result<OwnedFd, Trouble> {
        let opened = LocalDisk.open_descriptor(path, access);
        let is_new = matches!(access, Access::CreateNew(_));
        let file = match (opened, self.own(path)) {
            (Err(error), Some((mail, own, _))) if is_denied(&error) && is_new => {
                borrowing(mail, own, || LocalDisk.open_descriptor(path, access))?
            }
            (opened, _) => opened?,
        };
        // The server reads it, and must not wait for whoever answers.
        mount::check(&file)?;
        Ok(file)
    }

    fn unlink(&self, path: &Path) -> Result<(), Trouble> {
        let unlinked = LocalDisk.unlink(path);
        match (unlinked, self.own(path)) {
            (Err(error), Some((mail, own, Own::DotLock))) if is_denied(&error) => {
                borrowing(mail, own, || LocalDisk.unlink(path))
            }
            (unlinked, _) => Ok(unlinked?),
        }
    }

    /// The group of the mail folder and our own, where this path is one of the two names that the first is for.
    fn own(&self, path: &Path) -> Option<(Gid, Gid, Own)> {
        let identity = self.identity.as_ref()?;
        let (folder, group) = identity.mail.as_ref()?;
        folder.own(path, &identity.name).map(|own| (*group, identity.gid, own))
    }
}

fn borrowing<T>(mail: Gid, own: Gid, act: impl FnOnce() -> io::Result<T>) -> Result<T, Trouble> {
    match identity::with_group(mail, own, act) {
        Ok(done) => Ok(done?),
        Err(Borrowing::Refused(error)) => Err(error.into()),
        Err(Borrowing::Abandoned) => Err(Trouble::Abandoned),
    }
}

fn is_denied(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

fn done() -> Reply {
    Reply::Packet(Writing::new(DONE))
}

/// Sends the names of a folder, as many in a packet as fit; the last packet is the reply.
fn list(socket: &Socket, folder: &Path) -> io::Result<Reply> {
    let (mut packet, mut unsent) = (Writing::new(MORE), None);
    LocalDisk.list(folder, &mut |name, kind| {
        let name = name.as_bytes();
        if packet.len() + name.len() + NAME_EXTRA_OCTETS > PACKET_OCTETS_MAX {
            let full = std::mem::replace(&mut packet, Writing::new(MORE));
            // After a failure the rest goes nowhere.
            if unsent.is_none() {
                unsent = socket.send(full.octets(), None).err();
            }
        }
        packet = std::mem::take(&mut packet).octet(write_kind(kind)).string(name);
    })?;
    match unsent {
        Some(error) => Err(error),
        None => {
            socket.send(packet.octets(), None)?;
            Ok(done())
        }
    }
}

/// Reads a packet of names; says whether there are more.
pub(crate) fn read_names(octets: &[u8], each: &mut dyn FnMut(&OsStr, Kind)) -> io::Result<bool> {
    let mut reading = Reading::new(octets);
    if reading.octet()? == DONE {
        reading.finish()?;
        return Ok(false);
    }
    while !reading.is_at_end() {
        let kind = read_kind(reading.octet()?)?;
        let name = reading.string()?;
        let is_name =
            !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0);
        if !is_name {
            return Err(broken());
        }
        each(OsStr::from_bytes(name), kind);
    }
    Ok(true)
}

const fn write_kind(kind: Kind) -> u8 {
    match kind {
        Kind::File => 0,
        Kind::Folder => 1,
        Kind::Other => 2,
        Kind::Unknown => 3,
    }
}

fn read_kind(octet: u8) -> io::Result<Kind> {
    [Kind::File, Kind::Folder, Kind::Other, Kind::Unknown].get(usize::from(octet)).copied().ok_or_else(broken)
}

fn write_stat(packet: Writing, stat: &Stat) -> Writing {
    let Stat { kind, device, inode, size, modified_ns, changed_ns, owner, mode } = *stat;
    let packet = packet.octet(write_kind(kind)).long(device).long(inode).long(size);
    packet.long(modified_ns.cast_unsigned()).long(changed_ns.cast_unsigned()).number(owner).number(mode)
}

/// What `STAT` was answered with, behind its first octet.
pub(crate) fn read_stat(reading: &mut Reading<'_>) -> io::Result<Stat> {
    Ok(Stat {
        kind: read_kind(reading.octet()?)?,
        device: reading.long()?,
        inode: reading.long()?,
        size: reading.long()?,
        modified_ns: reading.long()?.cast_signed(),
        changed_ns: reading.long()?.cast_signed(),
        owner: reading.number()?,
        mode: reading.number()?,
    })
}

/// What is asked for with `OPEN`, behind the path. What a person has named lies elsewhere.
pub(crate) fn write_access(packet: Writing, access: Access) -> io::Result<Writing> {
    Ok(match access {
        Access::Read => packet.octet(0),
        Access::Append => packet.octet(1),
        Access::AppendOrCreate(mode) => packet.octet(2).number(mode),
        Access::CreateNew(mode) => packet.octet(3).number(mode),
        Access::Write => packet.octet(4),
        Access::Named => return Err(io::ErrorKind::Unsupported.into()),
    })
}

fn read_access(reading: &mut Reading<'_>) -> io::Result<Access> {
    match reading.octet()? {
        0 => Ok(Access::Read),
        1 => Ok(Access::Append),
        2 => Ok(Access::AppendOrCreate(reading.number()?)),
        3 => Ok(Access::CreateNew(reading.number()?)),
        4 => Ok(Access::Write),
        _ => Err(broken()),
    }
}

/// How an error is told: the system's number where it has one, else its kind, and what it says.
pub(crate) fn failed(error: &io::Error) -> Writing {
    let number = error.raw_os_error().and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    let kind = KINDS.iter().position(|kind| *kind == error.kind()).and_then(|kind| u8::try_from(kind).ok());
    let text: String = error.to_string().chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect();
    Writing::new(FAILED).number(number).octet(kind.unwrap_or(u8::MAX)).string(text.as_bytes())
}

/// Whether a reply tells an error.
pub(crate) fn is_failure(octets: &[u8]) -> bool {
    octets.first() == Some(&FAILED)
}

/// Reads the first octet of a reply, and the error behind it.
pub(crate) fn outcome(reading: &mut Reading<'_>) -> io::Result<()> {
    match reading.octet()? {
        DONE => Ok(()),
        FAILED => {
            let (number, kind, text) = (reading.number()?, reading.octet()?, reading.text()?);
            reading.finish()?;
            match i32::try_from(number) {
                Ok(number) if number != 0 => Err(io::Error::from_raw_os_error(number)),
                _ => {
                    let kind = KINDS.get(usize::from(kind)).copied().unwrap_or(io::ErrorKind::Other);
                    let text: String = text.chars().filter(|c| !c.is_control()).collect();
                    Err(io::Error::new(kind, text))
                }
            }
        }
        _ => Err(broken()),
    }
}

pub(crate) const DONE: u8 = 0;
const FAILED: u8 = 1;
const MORE: u8 = 2;

pub(crate) const STAT: u8 = 10;
pub(crate) const OPEN: u8 = 11;
pub(crate) const LIST: u8 = 12;
pub(crate) const MAKE_FOLDER: u8 = 13;
pub(crate) const LINK: u8 = 14;
pub(crate) const RENAME_NEW: u8 = 15;
pub(crate) const RENAME: u8 = 16;
pub(crate) const UNLINK: u8 = 17;
pub(crate) const SYNC_FOLDER: u8 = 18;
pub(crate) const TOUCH: u8 = 19;
pub(crate) const SET_MODE: u8 = 20;

/// Kinds of errors without a number of the system's.
const KINDS: [io::ErrorKind; 8] = [
    io::ErrorKind::Other,
    io::ErrorKind::PermissionDenied,
    io::ErrorKind::InvalidInput,
    io::ErrorKind::InvalidData,
    io::ErrorKind::Unsupported,
    io::ErrorKind::ResourceBusy,
    io::ErrorKind::NotFound,
    io::ErrorKind::TimedOut,
];

/// Longer is no sentence.
const TEXT_MAX: usize = 500;

/// What a name takes beside itself.
const NAME_EXTRA_OCTETS: usize = 5;
