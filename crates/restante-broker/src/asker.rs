//! An asker: answers one question about the system's accounts, and ends. Who hangs in a name service or in a module of PAM hangs in
//! a process of its own, which the server ends when it has waited long enough.
//!
//! An account outside of the bounds is no account, whatever its password: nobody learns here whether root's was guessed.

#[cfg(feature = "pam")]
mod pam;
mod shadow;

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::unistd::User;
use restante_auth::password::PASSWORD_OCTETS_MAX;
use restante_proto::secret::Secret;

use crate::charter::{AskerCharter, Passwords, Settings};
use crate::client::Found;
use crate::packet::{Reading, Writing, broken};
use crate::wire::Socket;
use crate::worker::{failed, outcome};

/// Takes its charter, answers one question, and ends.
pub(crate) fn run(socket: &Socket) -> io::Result<()> {
    let Some(charter) = socket.receive()? else { return Ok(()) };
    let charter = AskerCharter::read(&charter.octets)?;
    let Some(question) = socket.receive()? else { return Ok(()) };
    let answer = match answer(&charter, &question.octets) {
        Ok(asked) => asked.write(),
        Err(error) => failed(&error),
    };
    match socket.send(answer.octets(), None) {
        // Who asked has gone, which happens.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        sent => sent,
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The account is this, and the password, if one was asked about, is right.
    Found(Found),
    Wrong,
    Locked,
    Unknown,
}

fn answer(charter: &AskerCharter, question: &[u8]) -> io::Result<Asked> {
    let mut reading = Reading::new(question);
    let (word, name) = (reading.octet()?, reading.text()?);
    match word {
        FIND => {
            reading.finish()?;
            Ok(look_up(charter, name)?.map_or(Asked::Unknown, Asked::Found))
        }
        CHECK => {
            let password = Secret::new(reading.string()?.to_vec());
            let peer = reading.text()?;
            reading.finish()?;
            if password.is_empty() || password.expose().len() > PASSWORD_OCTETS_MAX {
                return Ok(Asked::Wrong);
            }
            let Some(found) = look_up(charter, name)? else { return Ok(Asked::Unknown) };
            let verdict = match &charter.passwords {
                Passwords::None => Verdict::Wrong,
                Passwords::Shadow => shadow::check(name, &password)?,
                Passwords::Pam(service) => by_pam(service, name, &password, peer)?,
            };
            Ok(match verdict {
                Verdict::Right => Asked::Found(found),
                Verdict::Wrong => Asked::Wrong,
                Verdict::Locked => Asked::Locked,
            })
        }
        PROBE => {
            reading.finish()?;
            probe(charter, name)?;
            Ok(Asked::Unknown)
        }
        _ => Err(broken()),
    }
}

/// Asks the name services and whatever checks passwords about somebody who need not exist, whether he would be served or not. What
/// they say of him is no matter, but that nothing lets him in.
fn probe(charter: &AskerCharter, name: &str) -> io::Result<()> {
    look_up(charter, name)?;
    // Nobody's, since it is what he is called.
    let password = Secret::new(name.as_bytes().to_vec());
    let (verdict, what) = match &charter.passwords {
        Passwords::None => return Ok(()),
        Passwords::Shadow => (shadow::check(name, &password)?, "/etc/shadow".to_owned()),
        Passwords::Pam(service) => (by_pam(service, name, &password, "")?, format!("PAM, by {service},")),
    };
    match verdict {
        Verdict::Right => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{what} lets in {name}, whose password nobody knows"),
        )),
        Verdict::Wrong | Verdict::Locked => Ok(()),
    }
}

/// What is said of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Right,
    Wrong,
    /// No password opens the account now.
    Locked,
}

/// The account of this name, if it is one that is served.
fn look_up(charter: &AskerCharter, name: &str) -> io::Result<Option<Found>> {
    Ok(User::from_name(name)?.and_then(|user| served(charter, user, name)))
}

/// What is told of this user to whoever asked for this name; `None`: it is nobody who is served.
fn served(charter: &AskerCharter, user: User, name: &str) -> Option<Found> {
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    // A name service may know a user by other names, too: those would be other accounts with the same maildrop.
    if user.name != name || !charter.serves(uid) || gid == 0 {
        return None;
    }
    Some(Found { uid, gid, home: user.dir })
}

/// Who has this name, asked in this process: for whoever has no broker because he is not root, and needs no more than a name. It may
/// hang where a name service does.
///
/// # Errors
/// The system's accounts cannot be asked.
pub fn look_up_here(settings: &Settings, name: &str) -> io::Result<Option<Found>> {
    look_up(&settings.asker(), name)
}

#[cfg(feature = "pam")]
fn by_pam(service: &str, name: &str, password: &Secret, peer: &str) -> io::Result<Verdict> {
    pam::check(service, name, password, peer)
}

#[cfg(not(feature = "pam"))]
fn by_pam(_service: &str, _name: &str, _password: &Secret, _peer: &str) -> io::Result<Verdict> {
    // The configuration is refused before it comes to this.
    Err(io::Error::new(io::ErrorKind::Unsupported, "this program was built without PAM"))
}

/// Who has this name?
pub(crate) fn find(name: &str) -> Writing {
    Writing::new(FIND).string(name.as_bytes())
}

/// Is this the password?
pub(crate) fn check(name: &str, password: &Secret, peer: Option<&str>) -> Writing {
    let packet = Writing::new(CHECK).string(name.as_bytes()).string(password.expose());
    packet.string(peer.unwrap_or_default().as_bytes())
}

/// Can you be asked?
pub(crate) fn may_be_asked(name: &str) -> Writing {
    Writing::new(PROBE).string(name.as_bytes())
}

impl Asked {
    fn write(&self) -> Writing {
        let packet = Writing::new(crate::worker::DONE);
        match self {
            Self::Found(Found { uid, gid, home }) => packet.octet(0).number(*uid).number(*gid).path(home),
            Self::Wrong => packet.octet(1),
            Self::Locked => packet.octet(2),
            Self::Unknown => packet.octet(3),
        }
    }
}

/// What an asker answers.
pub(crate) fn read_answer(octets: &[u8]) -> io::Result<Asked> {
    let mut reading = Reading::new(octets);
    outcome(&mut reading)?;
    let asked = match reading.octet()? {
        0 => {
            let (uid, gid, home) = (reading.number()?, reading.number()?, reading.string()?);
            Asked::Found(Found { uid, gid, home: PathBuf::from(std::ffi::OsStr::from_bytes(home)) })
        }
        1 => Asked::Wrong,
        2 => Asked::Locked,
        3 => Asked::Unknown,
        _ => return Err(broken()),
    };
    reading.finish()?;
    Ok(asked)
}

const FIND: u8 = 1;
const CHECK: u8 = 2;
const PROBE: u8 = 3;

#[cfg(test)]
mod tests {
    use nix::unistd::{Gid, Uid};

    use super::*;

    fn charter(first_uid: u32) -> AskerCharter {
        AskerCharter { first_uid, last_uid: 60_000, passwords: Passwords::Shadow }
    }

    #[test]
    fn answers_come_as_they_were_given() {
        let found = Found { uid: 1000, gid: 100, home: PathBuf::from("/home/ann") };
        for asked in [Asked::Found(found), Asked::Wrong, Asked::Locked, Asked::Unknown] {
            assert_eq!(read_answer(asked.write().octets()).unwrap(), asked);
        }
        assert!(read_answer(&[0, 9]).is_err() && read_answer(&[0, 1, 1]).is_err());
        assert!(answer(&charter(1), &[]).is_err());
        assert!(answer(&charter(1), Writing::new(9).string(b"daemon").octets()).is_err());
    }

    #[test]
    fn accounts_are_known_within_the_bounds_alone() {
        let daemon = answer(&charter(1), find("daemon").octets()).unwrap();
        assert!(matches!(&daemon, Asked::Found(Found { uid: 1, .. })), "{daemon:?}");
        assert_eq!(answer(&charter(1000), find("daemon").octets()).unwrap(), Asked::Unknown);
        for name in ["root", "no-such-account", "", "a\0b"] {
            assert_eq!(answer(&charter(0), find(name).octets()).unwrap(), Asked::Unknown, "{name}");
        }
    }

    #[test]
    fn only_who_is_called_so_is_within_bounds_and_not_of_roots_group_is_told_of() {
        let daemon = || User::from_name("daemon").unwrap().unwrap();
        let is_told = |first_uid, user, name| served(&charter(first_uid), user, name).is_some();
        assert!(is_told(1, daemon(), "daemon"));
        assert!(!is_told(1, daemon(), "DAEMON"), "another name of the same user is no account");
        assert!(!is_told(2, daemon(), "daemon"));
        assert!(!is_told(0, User { uid: Uid::from_raw(0), ..daemon() }, "daemon"));
        assert!(!is_told(1, User { gid: Gid::from_raw(0), ..daemon() }, "daemon"));
    }

    #[test]
    fn whoever_is_probed_for_need_not_exist() {
        assert_eq!(answer(&charter(1000), may_be_asked("no-such-account").octets()).unwrap(), Asked::Unknown);
        let none = AskerCharter { passwords: Passwords::None, ..charter(1000) };
        assert_eq!(answer(&none, may_be_asked("daemon").octets()).unwrap(), Asked::Unknown);
        assert!(answer(&charter(1000), may_be_asked("a").string(b"more").octets()).is_err());
    }

    #[test]
    fn an_account_that_is_not_served_has_no_password() {
        let password = Secret::new(b"secret".to_vec());
        assert_eq!(answer(&charter(1), check("root", &password, None).octets()).unwrap(), Asked::Unknown);
        let long = Secret::new(vec![b'x'; PASSWORD_OCTETS_MAX + 1]);
        for password in [Secret::new(Vec::new()), long] {
            assert_eq!(answer(&charter(1), check("daemon", &password, None).octets()).unwrap(), Asked::Wrong);
        }
    }
}
