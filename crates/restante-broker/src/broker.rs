//! The broker: root, and alone with three words. It starts a worker or an asker, hands the server its socket, or ends one.
//!
//! It parses some dozen octets of a packet and decides by numbers that it was given before the server met anybody: whether a uid may
//! be opened, and how many processes there may be. Whose password is typed, and what files are called, it never hears. It asks no
//! name service, loads no module and waits for nobody, so nothing that hangs can hang it. When the server is gone it kills what is
//! left of its children and ends.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::Role;
use crate::charter::{Settings, WorkerCharter};
use crate::packet::{Reading, Writing, broken};
use crate::start;
use crate::wire::Socket;
use crate::worker::{DONE, failed, outcome};

/// Takes its charter, and does what it says until the socket ends.
pub(crate) fn run(socket: Socket) -> io::Result<()> {
    let Some(charter) = socket.receive()? else { return Ok(()) };
    let settings = Settings::read(&charter.octets)?;
    // Nobody but root can make processes of others; better said at the start than at the first login.
    if !nix::unistd::geteuid().is_root() {
        let error = io::Error::new(io::ErrorKind::PermissionDenied, "it takes root to open others' files");
        return socket.send(failed(&error).octets(), None);
    }
    socket.send(Writing::new(DONE).octets(), None)?;
    let mut broker = Broker { socket, settings, children: Vec::new(), next_id: 1 };
    let ended = broker.serve();
    // Whatever it was: without us nobody would end them.
    for child in &mut broker.children {
        child.kill();
    }
    ended
}

struct Broker {
    socket: Socket,
    settings: Settings,
    children: Vec<Started>,
    next_id: u64,
}

/// A process that was started.
struct Started {
    id: u64,
    role: Role,
    child: Child,
    /// Readable when it has ended.
    pidfd: OwnedFd,
}

impl Started {
    fn kill(&mut self) {
        // It may have ended by itself.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}

impl Broker {
    fn serve(&mut self) -> io::Result<()> {
        loop {
            if self.wait()? {
                let Some(packet) = self.socket.receive()? else { return Ok(()) };
                self.answer(&packet.octets)?;
            }
            // Reaps who has ended, so that the numbers of processes are free again.
            self.children.retain_mut(|child| !matches!(child.child.try_wait(), Ok(Some(_))));
        }
    }

    /// Waits for the server or for the end of a child; says whether it was the server.
    fn wait(&self) -> io::Result<bool> {
        let ends = self.children.iter().map(|child| child.pidfd.as_fd());
        let all = std::iter::once(self.socket.as_fd()).chain(ends);
        let mut all: Vec<PollFd<'_>> =
            all.map(|file| PollFd::from_borrowed_fd(file, PollFlags::IN)).collect();
        loop {
            match poll(&mut all, None) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(all.first().is_some_and(|socket| !socket.revents().is_empty()))
    }

    fn answer(&mut self, octets: &[u8]) -> io::Result<()> {
        let question = Question::read(octets)?;
        let started = match question {
            Question::End(id) => {
                self.children.iter_mut().filter(|child| child.id == id).for_each(Started::kill);
                return Ok(());
            }
            Question::Worker(uid) if !self.settings.serves(uid) => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the uid {uid} is not between first_uid and last_uid"),
            )),
            Question::Worker(uid) => {
                let charter = WorkerCharter { uid, mail: self.settings.mail.clone() };
                self.start(Role::Worker, &charter.write(), self.settings.workers_max)
            }
            Question::Asker => self.start(Role::Asker, &self.settings.asker().write(), ASKERS_MAX),
        };
        match started {
            Ok((id, end)) => {
                let reply = Writing::new(DONE).long(id);
                self.socket.send(reply.octets(), Some(end.as_fd()))
            }
            Err(error) => self.socket.send(failed(&error).octets(), None),
        }
    }

    /// Starts a process with this charter, unless there are `max` of its role.
    fn start(&mut self, role: Role, charter: &Writing, max: u32) -> io::Result<(u64, OwnedFd)> {
        let count = self.children.iter().filter(|child| child.role == role).count();
        if count >= usize::try_from(max).unwrap_or(usize::MAX) {
            let busy = format!("as many {}s as there may be, {max}, are at work", role.name());
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, busy));
        }
        let (theirs, servers) = Socket::pair()?;
        let servers_end = Socket::adopt(servers)?;
        // Before anybody else has it: this is the first that the process reads.
        servers_end.send(charter.octets(), None)?;
        let mut child = start::start(role, theirs.into_end())?;
        let pidfd = match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error.into());
            }
        };
        let id = self.next_id;
        self.next_id += 1;
        self.children.push(Started { id, role, child, pidfd });
        Ok((id, servers_end.into_end()))
    }
}

/// What the server asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// A worker for the account of this number.
    Worker(u32),
    /// An asker.
    Asker,
    /// The end of what was started with this number. It is not answered.
    End(u64),
}

impl Question {
    pub(crate) fn write(self) -> Writing {
        match self {
            Self::Worker(uid) => Writing::new(1).number(uid),
            Self::Asker => Writing::new(2),
            Self::End(id) => Writing::new(3).long(id),
        }
    }

    fn read(octets: &[u8]) -> io::Result<Self> {
        let mut reading = Reading::new(octets);
        let question = match reading.octet()? {
            1 => Self::Worker(reading.number()?),
            2 => Self::Asker,
            3 => Self::End(reading.long()?),
            _ => return Err(broken()),
        };
        reading.finish()?;
        Ok(question)
    }
}

/// What the broker answers: the number of what was started.
pub(crate) fn read_started(octets: &[u8]) -> io::Result<u64> {
    let mut reading = Reading::new(octets);
    outcome(&mut reading)?;
    let id = reading.long()?;
    reading.finish()?;
    Ok(id)
}

/// Each lives as long as one look-up or one check of a password.
const ASKERS_MAX: u32 = 64;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::charter::Passwords;

    #[test]
    fn nothing_is_started_for_whom_the_broker_may_not_serve() {
        let settings = Settings {
            first_uid: 1000,
            last_uid: 60_000,
            workers_max: 4,
            passwords: Passwords::None,
            timeout: Duration::from_secs(1),
            mail: None,
        };
        let (ours, theirs) = Socket::pair().unwrap();
        let server = Socket::adopt(theirs).unwrap();
        let mut broker = Broker { socket: ours, settings, children: Vec::new(), next_id: 1 };
        for uid in [0, 1, 999, 60_001, u32::MAX] {
            broker.answer(Question::Worker(uid).write().octets()).unwrap();
            let told = server.receive().unwrap().unwrap();
            assert_eq!(
                read_started(&told.octets).unwrap_err().kind(),
                io::ErrorKind::PermissionDenied,
                "{uid}"
            );
            assert!(told.file.is_none() && broker.children.is_empty(), "{uid}");
        }
    }

    #[test]
    fn questions_come_as_they_were_asked() {
        for question in [Question::Worker(1000), Question::Asker, Question::End(7)] {
            assert_eq!(Question::read(question.write().octets()).unwrap(), question);
        }
        for octets in [&b""[..], &[1], &[2, 0], &[9]] {
            assert!(Question::read(octets).is_err(), "{octets:?}");
        }
        assert_eq!(read_started(Writing::new(DONE).long(3).octets()).unwrap(), 3);
        let error = io::Error::new(io::ErrorKind::ResourceBusy, "no\nroom");
        let told = read_started(failed(&error).octets()).unwrap_err();
        assert_eq!((told.kind(), told.to_string().as_str()), (io::ErrorKind::ResourceBusy, "noroom"));
    }
}
