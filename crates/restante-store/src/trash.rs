//! The trash: messages that were removed and are kept aside for a while, so that a mistake can be undone.
//!
//! Lives here: what is in it and what can be asked of it, whatever the kind of maildrop, and how a file in it is named. A file's
//! name says when it was removed, how many octets it has and where it was, so that nothing needs a record elsewhere.
//! How messages get there and back is `maildir/trash.rs`; the reasons are in docs/design/0009-deletion.md.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use restante_proto::maildrop::{Octets, UniqueId};

use crate::failure::Failure;
use crate::maildrop::OpenError;
use crate::{Backend, Location, Store, maildir};

/// A message in the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// When it was removed, in whole seconds.
    pub when: SystemTime,
    /// The unique-id that it had, and has again when it is put back.
    pub unique_id: UniqueId,
    /// Octets of the canonical form, as they were listed.
    pub octets: Octets,
    /// The name of its file.
    pub(crate) file: Vec<u8>,
}

/// Which messages are put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All that are there.
    All,
    /// Those that were removed at this time or later.
    Since(SystemTime),
    /// Those with these unique-ids.
    UniqueIds(Vec<UniqueId>),
}

/// As what messages are put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they were: the same unique-id, the same place in the listing. A client that remembers what it has retrieved does
    /// not retrieve them again.
    AsTheyWere,
    /// As new messages: another unique-id each, so that every client retrieves them, and the place of a message that was
    /// delivered when they were removed.
    AsNew,
}

/// What was put back.
#[derive(Debug, Default)]
pub struct Undeleted {
    /// The messages that are in the maildrop again, oldest removal first.
    pub messages: Vec<PutBack>,
    /// The unique-ids of messages that could not be put back because the maildrop has them.
    pub there: Vec<UniqueId>,
    /// The unique-ids that were asked for and are not in the trash.
    pub unknown: Vec<UniqueId>,
    /// How many could not be put back, and the first reason. They are still in the trash.
    pub failed: Option<(usize, Failure)>,
}

/// A message that was put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutBack {
    /// The unique-id that it had.
    pub before: UniqueId,
    /// The unique-id that it has now.
    pub unique_id: UniqueId,
    /// Octets of the canonical form.
    pub octets: Octets,
}

/// Why nothing can be put back, or why it is not known to be durable.
#[derive(Debug)]
pub enum UndeleteError {
    /// The maildrop could not be opened.
    Maildrop(OpenError),
    /// What was put back is not durable: the messages may be in the maildrop and in the trash, which asking again settles.
    Unsynced(Failure),
}

impl UndeleteError {
    /// Whether trying again later may help.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Maildrop(error) => error.is_temporary(),
            Self::Unsynced(failure) => failure.is_temporary(),
        }
    }
}

impl From<Failure> for UndeleteError {
    fn from(failure: Failure) -> Self {
        Self::Maildrop(failure.into())
    }
}

impl fmt::Display for UndeleteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Maildrop(error) => error.fmt(f),
            Self::Unsynced(failure) => write!(f, "what was put back may not last: {failure}"),
        }
    }
}

impl Error for UndeleteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Maildrop(error) => error.source(),
            Self::Unsynced(failure) => failure.source(),
        }
    }
}

impl Store {
    /// The messages in the trash, oldest removal first. Takes no lock. Nothing when there is no trash; what is in one is told
    /// also when nothing goes there any more.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn deleted(&self, location: &Location, _now: SystemTime) -> Result<Vec<Deleted>, OpenError> {
        match (&self.backend, location) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => maildir::deleted(maildirs, path).await,
            _ => Err(location.unsupported("look into the trash of").into()),
        }
    }

    /// The first octets of a message in the trash, at most `octets`, in its stored form: for its header.
    ///
    /// # Errors
    /// When it cannot be read, or is not there any more.
    pub async fn deleted_start(
        &self,
        location: &Location,
        deleted: &Deleted,
        octets: usize,
    ) -> Result<Vec<u8>, Failure> {
        match (&self.backend, location) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => {
                maildir::deleted_start(maildirs, path, deleted, octets).await
            }
            _ => Err(location.unsupported("look into the trash of")),
        }
    }

    /// Puts messages of the trash back into the maildrop. Takes the lock meanwhile. On return they are durable there and
    /// gone from the trash; a crash leaves each of them in one of both, or in both, which asking again settles. Nothing is
    /// replaced: a message that the maildrop has stays in the trash.
    ///
    /// # Errors
    /// When the maildrop is in use or cannot be read or written.
    pub async fn undelete(
        &self,
        location: &Location,
        which: Which,
        form: Form,
        now: SystemTime,
    ) -> Result<Undeleted, UndeleteError> {
        match (&self.backend, location) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => {
                maildir::undelete(maildirs, path, which, form, now).await
            }
            _ => Err(location.unsupported("put messages back into").into()),
        }
    }
}

/// What the name of a file in the trash says: `seconds.count.octets.origin.name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// When the message was removed, in seconds since 1970.
    pub(crate) deleted_s: u64,
    /// Tells two files apart that would have the same name otherwise.
    pub(crate) count: u32,
    /// Octets of the canonical form.
    pub(crate) octets: u64,
    /// Where it was; the kind of maildrop says what the letter means.
    pub(crate) origin: u8,
    /// Its name there.
    pub(crate) name: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Reads a name; `None` for what has not got there by us.
    pub(crate) fn parse(file: &'a [u8]) -> Option<Self> {
        let mut parts = file.splitn(5, |&octet| octet == b'.');
        let deleted_s = number(parts.next()?)?;
        let count = u32::try_from(number(parts.next()?)?).ok()?;
        let octets = number(parts.next()?)?;
        let &[origin] = parts.next()? else { return None };
        let name = parts.next()?;
        (origin.is_ascii_lowercase() && !name.is_empty()).then_some(Self {
            deleted_s,
            count,
            octets,
            origin,
            name,
        })
    }

    /// The name.
    pub(crate) fn file(&self) -> Vec<u8> {
        let Self { deleted_s, count, octets, origin, name } = *self;
        let mut file = format!("{deleted_s}.{count}.{octets}.{}.", char::from(origin)).into_bytes();
        file.extend_from_slice(name);
        file
    }

    pub(crate) fn when(&self) -> SystemTime {
        // A time that no clock can show is later than any.
        UNIX_EPOCH.checked_add(Duration::from_secs(self.deleted_s)).unwrap_or(UNIX_EPOCH + LATEST)
    }
}

/// Seconds since 1970; a clock before that counts as then.
pub(crate) fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Digits as [`Entry::file`] writes them, so that a name has one meaning and a meaning one name.
fn number(digits: &[u8]) -> Option<u64> {
    let is_plain = digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || !digits.starts_with(b"0"));
    is_plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

/// The year 9999.
const LATEST: Duration = Duration::from_secs(253_402_300_799);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_it_was_made_of() {
        let name = &b"1700000000.M1P2Q3R4.host:2,S"[..];
        let entry = Entry { deleted_s: 1_763_800_000, count: 0, octets: 1234, origin: b'c', name };
        assert_eq!(entry.file(), b"1763800000.0.1234.c.1700000000.M1P2Q3R4.host:2,S");
        assert_eq!(Entry::parse(&entry.file()), Some(entry));
        let entry = Entry { deleted_s: 0, count: u32::MAX, octets: u64::MAX, origin: b'n', name: b"\xff" };
        assert_eq!(Entry::parse(&entry.file()), Some(entry));
    }

    #[test]
    fn other_names_are_none_of_ours() {
        for file in [
            &b"swept"[..],
            b"",
            b"1.0.2.c.",
            b"1.0.2.C.a",
            b"1.0.2.cc.a",
            b"01.0.2.c.a",
            b"1.4294967296.2.c.a",
            b"1.0.+2.c.a",
            b"1.0.99999999999999999999.c.a",
            b"1..2.c.a",
            b"1700000000.M1P2.host",
        ] {
            assert_eq!(Entry::parse(file), None, "{}", file.escape_ascii());
        }
    }

    #[test]
    fn a_time_out_of_this_world_is_late() {
        let entry = Entry::parse(b"18446744073709551615.0.1.c.a").unwrap();
        assert!(entry.when() > UNIX_EPOCH + Duration::from_secs(1 << 32));
    }
}
