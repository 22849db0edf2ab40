//! What each role may do: set before the server gives up its rights, and sent to each process before anything else.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::packet::{Reading, Writing, broken};

/// What the broker may do for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Accounts whose number is lower are nobody's. At least 1: root's files are never opened.
    pub first_uid: u32,
    /// Accounts whose number is higher are nobody's.
    pub last_uid: u32,
    /// Workers at the same time; one more is refused.
    pub workers_max: u32,
    /// How passwords are checked.
    pub passwords: Passwords,
    /// So long may a question take, and one operation on a file. What takes longer is ended.
    pub timeout: Duration,
    /// Where mboxes lie in a folder that only a group may write to.
    pub mail: Option<MailFolder>,
}

/// How passwords of system accounts are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passwords {
    /// Not at all.
    None,
    /// Against `/etc/shadow`.
    Shadow,
    /// By PAM, with the rules of this service.
    Pam(String),
}

/// A folder in which every account has one mbox, and that its group may write to.
///
/// A worker has the group for two names in it alone, the account's own mbox and its dot-lock, and for no more than making the one
/// and making and removing the other: with the group for good, an account could read every mbox that the group may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailFolder {
    /// The folder, such as `/var/mail`. Nobody but root may be able to put another in its place.
    pub folder: PathBuf,
    /// The name of the group.
    pub group: String,
}

/// What a worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkerCharter {
    /// Whose files it touches.
    pub(crate) uid: u32,
    pub(crate) mail: Option<MailFolder>,
}

/// What an asker may answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AskerCharter {
    pub(crate) first_uid: u32,
    pub(crate) last_uid: u32,
    pub(crate) passwords: Passwords,
}

impl Settings {
    /// Whether an account of this number is served.
    #[must_use]
    pub const fn serves(&self, uid: u32) -> bool {
        serves(self.first_uid, self.last_uid, uid)
    }

    pub(crate) fn write(&self) -> Writing {
        let timeout = u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX);
        let packet = Writing::default().number(self.first_uid).number(self.last_uid).number(self.workers_max);
        write_mail(self.passwords.write(packet.number(timeout)), self.mail.as_ref())
    }

    pub(crate) fn read(octets: &[u8]) -> io::Result<Self> {
        let mut packet = Reading::new(octets);
        let settings = Self {
            first_uid: packet.number()?,
            last_uid: packet.number()?,
            workers_max: packet.number()?,
            timeout: Duration::from_millis(packet.number()?.into()),
            passwords: Passwords::read(&mut packet)?,
            mail: read_mail(&mut packet)?,
        };
        packet.finish()?;
        Ok(settings)
    }

    pub(crate) fn asker(&self) -> AskerCharter {
        AskerCharter { first_uid: self.first_uid, last_uid: self.last_uid, passwords: self.passwords.clone() }
    }
}

impl Passwords {
    fn write(&self, packet: Writing) -> Writing {
        match self {
            Self::None => packet.octet(0),
            Self::Shadow => packet.octet(1),
            Self::Pam(service) => packet.octet(2).string(service.as_bytes()),
        }
    }

    fn read(packet: &mut Reading<'_>) -> io::Result<Self> {
        match packet.octet()? {
            0 => Ok(Self::None),
            1 => Ok(Self::Shadow),
            2 => Ok(Self::Pam(packet.text()?.to_owned())),
            _ => Err(broken()),
        }
    }
}

impl WorkerCharter {
    pub(crate) fn write(&self) -> Writing {
        write_mail(Writing::default().number(self.uid), self.mail.as_ref())
    }

    pub(crate) fn read(octets: &[u8]) -> io::Result<Self> {
        let mut packet = Reading::new(octets);
        let charter = Self { uid: packet.number()?, mail: read_mail(&mut packet)? };
        packet.finish()?;
        Ok(charter)
    }
}

impl AskerCharter {
    /// Whether an account of this number is served.
    pub(crate) const fn serves(&self, uid: u32) -> bool {
        serves(self.first_uid, self.last_uid, uid)
    }

    pub(crate) fn write(&self) -> Writing {
        self.passwords.write(Writing::default().number(self.first_uid).number(self.last_uid))
    }

    pub(crate) fn read(octets: &[u8]) -> io::Result<Self> {
        let mut packet = Reading::new(octets);
        let (first_uid, last_uid) = (packet.number()?, packet.number()?);
        let charter = Self { first_uid, last_uid, passwords: Passwords::read(&mut packet)? };
        packet.finish()?;
        Ok(charter)
    }
}

const fn serves(first: u32, last: u32, uid: u32) -> bool {
    uid != 0 && uid != u32::MAX && first <= uid && uid <= last
}

fn write_mail(packet: Writing, mail: Option<&MailFolder>) -> Writing {
    match mail {
        None => packet.octet(0),
        Some(mail) => packet.octet(1).path(&mail.folder).string(mail.group.as_bytes()),
    }
}

fn read_mail(packet: &mut Reading<'_>) -> io::Result<Option<MailFolder>> {
    match packet.octet()? {
        0 => Ok(None),
        1 => Ok(Some(MailFolder { folder: packet.path()?, group: packet.text()?.to_owned() })),
        _ => Err(broken()),
    }
}

impl MailFolder {
    /// Whether this path is the account's own mbox (`None`), or its dot-lock (`Some`).
    pub(crate) fn own(&self, path: &Path, name: &str) -> Option<Own> {
        let file = path.file_name()?.to_str()?;
        if path.parent()? != self.folder {
            return None;
        }
        match file.strip_prefix(name)? {
            "" => Some(Own::Mbox),
            ".lock" => Some(Own::DotLock),
            _ => None,
        }
    }
}

/// What an account may make in a folder that it may not write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    Mbox,
    DotLock,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            first_uid: 1000,
            last_uid: 60_000,
            workers_max: 5,
            passwords: Passwords::Pam("restante".to_owned()),
            timeout: Duration::from_secs(30),
            mail: Some(MailFolder { folder: PathBuf::from("/var/mail"), group: "mail".to_owned() }),
        }
    }

    #[test]
    fn charters_come_as_they_were_written() {
        for passwords in [Passwords::None, Passwords::Shadow, settings().passwords] {
            for mail in [None, settings().mail] {
                let settings = Settings { passwords: passwords.clone(), mail: mail.clone(), ..settings() };
                assert_eq!(Settings::read(settings.write().octets()).unwrap(), settings);
                let asker = settings.asker();
                assert_eq!(AskerCharter::read(asker.write().octets()).unwrap(), asker);
                let worker = WorkerCharter { uid: 1001, mail };
                assert_eq!(WorkerCharter::read(worker.write().octets()).unwrap(), worker);
            }
        }
        assert!(Settings::read(b"").is_err());
        assert!(WorkerCharter::read(&[1, 0, 0, 0, 9]).is_err());
        assert!(AskerCharter::read(&[0; 10]).is_err(), "too long");
    }

    #[test]
    fn root_is_never_served() {
        let settings = Settings { first_uid: 0, last_uid: u32::MAX, ..settings() };
        assert!(!settings.serves(0) && !settings.serves(u32::MAX));
        assert!(settings.serves(1));
        let settings = self::settings();
        assert_eq!([999, 1000, 60_000, 60_001].map(|uid| settings.serves(uid)), [false, true, true, false]);
    }

    #[test]
    fn only_two_names_are_the_accounts_own() {
        let mail = settings().mail.unwrap();
        let own = |path: &str| mail.own(Path::new(path), "ann");
        assert_eq!(own("/var/mail/ann"), Some(Own::Mbox));
        assert_eq!(own("/var/mail/ann.lock"), Some(Own::DotLock));
        for other in [
            "/var/mail/bob",
            "/var/mail/anna",
            "/var/mail/ann.lock.lock",
            "/var/mail/x/ann",
            "/var/mail/../mail/ann",
            "/var/mail/ann/..",
            "/home/ann/ann",
            "/var/mail",
        ] {
            assert_eq!(own(other), None, "{other}");
        }
    }
}
