//! The server's end of the broker: questions asked, answers waited for, never for ever.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use restante_proto::secret::Secret;

use crate::Role;
use crate::asker::{self, Asked};
use crate::broker::{Question, read_started};
use crate::charter::Settings;
use crate::packet::Reading;
use crate::start;
use crate::wire::Socket;
use crate::worker::outcome;

/// The broker, as the server sees it. All calls block, each no longer than a few times [`Settings::timeout`].
#[derive(Debug)]
pub struct Broker {
    settings: Settings,
    socket: Socket,
    /// Held from a question to its answer; `true` when one was not answered, since what comes later would be taken for another.
    turn: Mutex<bool>,
    child: Mutex<Child>,
}

/// An account of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number, within the bounds.
    pub uid: u32,
    /// The number of its group. Never 0.
    pub gid: u32,
    /// Its home folder.
    pub home: PathBuf,
}

/// What became of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It opens this account.
    Right(Found),
    /// It does not.
    Wrong,
    /// The account is there, and no password opens it now: it has expired or is locked.
    Locked,
    /// There is no such account.
    Unknown,
}

/// What was started, and its number.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) socket: Socket,
    pub(crate) id: u64,
}

impl Broker {
    /// Starts a broker. To be called as root, before rights are given up and before there are other threads.
    ///
    /// # Errors
    /// The program cannot be started again, or it is not root.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let (socket, theirs) = Socket::pair()?;
        socket.limit(START_MAX)?;
        socket.send(settings.write().octets(), None)?;
        let child = start::start(Role::Broker, theirs)?;
        let broker = Self { settings, socket, turn: Mutex::default(), child: Mutex::new(child) };
        let Some(packet) = broker.socket.receive()? else { return Err(gone()) };
        outcome(&mut Reading::new(&packet.octets))?;
        Ok(broker)
    }

    /// What it may do.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Who has this name; `None` if nobody within the bounds has.
    ///
    /// # Errors
    /// The system's accounts cannot be asked, or not in time.
    pub fn find(&self, name: &str) -> io::Result<Option<Found>> {
        match self.ask(&asker::find(name))? {
            Asked::Found(found) => Ok(Some(found)),
            _ => Ok(None),
        }
    }

    /// Whether this is the password of the account of this name, as the configuration has it checked. `peer` is from where
    /// somebody logs in, for the modules of PAM.
    ///
    /// # Errors
    /// It cannot be checked, or not in time.
    pub fn check(&self, name: &str, password: &Secret, peer: Option<&str>) -> io::Result<Checked> {
        Ok(match self.ask(&asker::check(name, password, peer))? {
            Asked::Found(found) => Checked::Right(found),
            Asked::Wrong => Checked::Wrong,
            Asked::Locked => Checked::Locked,
            Asked::Unknown => Checked::Unknown,
        })
    }

    /// Whether the name services, and what the configuration has passwords checked by, can be asked about this name, which nobody need
    /// have: for an operator who wants to know before anybody logs in.
    ///
    /// # Errors
    /// They cannot be asked, or not in time; or they let somebody in with a password that nobody has.
    pub fn probe(&self, name: &str) -> io::Result<()> {
        self.ask(&asker::may_be_asked(name)).map(|_| ())
    }

    fn ask(&self, question: &crate::packet::Writing) -> io::Result<Asked> {
        let asker = self.question(Question::Asker)?;
        let answer = asker.socket.send(question.octets(), None).and_then(|()| asker.socket.receive());
        // One that has answered ends by itself; this is for one that hangs.
        self.end(asker.id);
        let packet = answer?.ok_or_else(|| io::Error::other("the question was not answered"))?;
        asker::read_answer(&packet.octets)
    }

    /// Has a worker started for the account of this number.
    pub(crate) fn worker(&self, uid: u32) -> io::Result<Started> {
        let worker = self.question(Question::Worker(uid))?;
        let begun = match worker.socket.receive() {
            Ok(Some(packet)) => outcome(&mut Reading::new(&packet.octets)),
            Ok(None) => Err(io::Error::other("the worker ended before it began")),
            Err(error) => Err(error),
        };
        if begun.is_err() {
            self.end(worker.id);
        }
        begun.map(|()| worker)
    }

    fn question(&self, question: Question) -> io::Result<Started> {
        let mut is_lost = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_lost {
            return Err(gone());
        }
        *is_lost = true;
        self.socket.send(question.write().octets(), None).map_err(lost)?;
        let packet = self.socket.receive().map_err(lost)?.ok_or_else(gone)?;
        *is_lost = false;
        drop(is_lost);
        let id = read_started(&packet.octets)?;
        let end: OwnedFd = packet.file.ok_or_else(gone)?;
        let socket = Socket::adopt(end)?;
        socket.limit(self.settings.timeout)?;
        Ok(Started { socket, id })
    }

    /// Ends what was started with this number, if it has not ended. Does not wait.
    pub(crate) fn end(&self, id: u64) {
        // Where the queue is full or the broker is gone, the closed socket ends all but what hangs.
        let _ = self.socket.send_now(Question::End(id).write().octets());
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Only so that no dead process is left lying; one that lives ends when the socket is closed behind this.
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = child.try_wait();
    }
}

fn gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::BrokenPipe,
        "the broker, which opens the files of system accounts, has ended; restart the server",
    )
}

fn lost(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => gone(),
        _ => error,
    }
}

/// Starting this program again takes some milliseconds.
const START_MAX: Duration = Duration::from_secs(20);
