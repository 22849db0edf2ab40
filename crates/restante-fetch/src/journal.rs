//! What is known of the messages of an account: which are collected, which are on their way, which are gone.
//!
//! One journal an account, in its state folder: append-only, checksummed, locked while open. The plan reads it, the pass writes
//! it. `journal/entries.rs` holds the states below, `journal/codec.rs` the bytes, `journal/file.rs` what is done to the
//! disk and in which order; docs/on-disk.md describes the file.
//!
//! # The states of an entry
//!
//! What a record makes of it; `=` is that nothing changes, and then nothing is written either. Every record may come twice.
//!
//! | | unknown | listed | skipped | intended | collected | quarantined | gone |
//! |---|---|---|---|---|---|---|---|
//! | Listed | listed | octets, if they were not known | the same | the same | the same | the same | = |
//! | Skipped | skipped | skipped | reason | = | = | = | = |
//! | Intended | intended | intended | intended | intended; marks stay if it is the same message | = | intended | = |
//! | Marked | = | = | = | mark | = | mark | = |
//! | Collected | collected, as by another program | collected | collected | collected | = | collected | collected, if it returns |
//! | Quarantined | quarantined | quarantined | quarantined | quarantined | = | reason | = |
//! | Gone | = | unknown | unknown | intended, and its age is counted | gone | gone | = |
//! | Returned | = | = | = | its age is not counted any more | = | = | collected, or quarantined if it was that |
//! | Renamed | = | moved with all it has, in place of one that was listed or skipped; what was gone is back | | | | | |
//! | Forgotten | = | unknown | unknown | unknown | unknown | unknown | unknown |
//!
//! An intended message that is not listed any more stays intended: it may be at a sink, and if it comes back that has to be asked.
//! Marks are dropped when it is collected, since then every sink has it.

mod codec;
mod entries;
mod file;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod status;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use restante_store::disk::Disk;

use crate::key::Key;
use crate::sink::SinkId;
use codec::Log;
use entries::Entries;
use file::Home;
use status::Status;

/// The journal of one account.
///
/// [`Journal::record`] is seen at once and durable after [`Journal::commit`]. Times are kept to the second. After a commit that failed
/// nothing is known of what is durable, so every later one fails too: end the pass, open it again.
#[derive(Debug)]
pub struct Journal {
    home: Home,
    entries: Entries,
    /// What was recorded and not committed yet.
    log: Log,
}

/// A listing that was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poll {
    /// When.
    pub at: Timestamp,
    /// Messages in it.
    pub messages: u32,
}

/// A QUIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// When.
    pub at: Timestamp,
    /// Deletions that were asked for.
    pub deletions: u32,
    /// What became of them.
    pub outcome: QuitOutcome,
}

impl Journal {
    /// Opens the journal in an account's folder, `STATE/<account>` with the name as [`Journal::folder_name`] gives it, and locks it until it is
    /// dropped. Makes the folder when it is missing; the journal itself appears with the first commit. Writes nothing else:
    /// what a crash has torn off its end is cut off by the first commit, durably, before anything is appended.
    ///
    /// # Errors
    /// [`JournalError::InUse`] when another pass has it, [`JournalError::Damaged`] and [`JournalError::Later`] as they say,
    /// [`JournalError::Failed`] when the disk fails. A missing journal is a new one, and so is an empty file.
    pub fn open(disk: Arc<dyn Disk>, folder: &Path) -> Result<Self, JournalError> {
        Home::take(disk, folder).and_then(Self::read)
    }

    /// Looks at the journal without its lock, while a pass may be writing it; makes nothing. Every commit fails.
    ///
    /// # Errors
    /// As [`Journal::open`], and never [`JournalError::InUse`].
    pub fn look(disk: Arc<dyn Disk>, folder: &Path) -> Result<Self, JournalError> {
        Self::read(Home::look(disk, folder))
    }

    /// How the folder of an account is called: its name, percent-encoded where a file name could not hold it.
    #[must_use]
    pub fn folder_name(account: &str) -> String {
        file::folder_name(account)
    }

    /// The account's name when its journal began, of which the marks of its messages are made ([`Key::mark`]). A folder that is
    /// renamed, because the account is called otherwise now, keeps them so.
    #[must_use]
    pub fn account(&self) -> &str {
        self.home.account()
    }

    /// What is known of a message.
    #[must_use]
    pub fn entry(&self, key: &Key) -> Option<&Entry> {
        self.entries.entry(key)
    }

    /// All that is known of messages with this unique-id: by occurrence, then by generation.
    pub fn with_unique_id(&self, unique_id: &[u8]) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.with_unique_id(unique_id)
    }

    /// All that is known, in the order of the keys.
    pub fn entries(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.iter()
    }

    /// Whether no pass has ended yet (no [`Record::Ended`] was recorded, with or without deletions) and nothing was imported. The
    /// sinks may then have messages that nobody here knows.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.entries.is_new()
    }

    /// The last listing that was read to its end.
    #[must_use]
    pub fn last_poll(&self) -> Option<Poll> {
        self.entries.last_poll()
    }

    /// The last QUIT.
    #[must_use]
    pub fn last_ending(&self) -> Option<Ending> {
        self.entries.last_ending()
    }

    /// What there is, counted.
    #[must_use]
    pub fn describe(&self) -> Status {
        Status::of(self.account(), &self.entries)
    }

    /// Records a step: seen at once, durable after the next [`Journal::commit`]. What it makes of the entry stands in the head of this
    /// file; what changes nothing costs nothing.
    pub fn record(&mut self, record: Record) {
        self.entries.apply(record, &mut self.log);
    }

    /// Forgets all messages with this unique-id, so that they are fetched again if they are still there. Says how many there were.
    /// Durable after the next commit.
    pub fn forget(&mut self, unique_id: &[u8]) -> usize {
        let keys: Vec<Key> = self.with_unique_id(unique_id).map(|(key, _)| key.clone()).collect();
        let count = keys.len();
        keys.into_iter().for_each(|key| self.record(Record::Forgotten { key }));
        count
    }

    /// Makes durable all that was recorded: one append and one sync, or nothing when nothing was recorded.
    ///
    /// # Errors
    /// [`JournalError::Failed`] when the disk fails, a full one included, and [`JournalError::Broken`] ever after: what is durable is then
    /// unknown, except what was committed before. [`JournalError::ReadOnly`] after [`Journal::look`].
    pub fn commit(&mut self) -> Result<(), JournalError> {
        self.home.check_writable()?;
        if self.log.is_empty() {
            return Ok(());
        }
        match self.home.has_file() {
            true => self.home.append(&self.log)?,
            false => self.home.replace(&mut self.entries)?,
        }
        self.log.clear();
        Ok(())
    }

    /// Drops what has been gone for so long that nobody asks any more, and writes the file anew when less than a quarter of it is of
    /// use. Commits as well. Tombstones are as old as the time in which the account was polled since: a machine that slept for two years
    /// forgets nothing. One whose unique-id is in use again stays.
    ///
    /// # Errors
    /// As [`Journal::commit`]. A disk on which there is no room for the new file loses nothing: the old one goes on.
    pub fn compact(&mut self) -> Result<(), JournalError> {
        self.home.check_writable()?;
        for key in self.entries.outdated(REMEMBER_S) {
            self.record(Record::Forgotten { key });
        }
        self.commit()?;
        let is_wasteful = self.home.octets() >= WASTE_OCTETS
            && self.home.octets() / WASTE_FACTOR > self.entries.octets_if_rewritten();
        if is_wasteful { self.rewrite() } else { Ok(()) }
    }

    /// Writes the file anew without what is dead in it.
    ///
    /// # Errors
    /// As [`Journal::compact`].
    pub fn rewrite(&mut self) -> Result<(), JournalError> {
        self.commit()?;
        self.home.replace(&mut self.entries)
    }

    fn read(mut home: Home) -> Result<Self, JournalError> {
        let entries = home.read()?;
        Ok(Self { home, entries, log: Log::default() })
    }
}

/// Why a journal cannot be used.
#[derive(Debug)]
pub enum JournalError {
    /// Another pass has it.
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// It was changed or lost in its middle, which no crash does: what was collected is not known for sure.
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// A later version of Restante has written it.
    Later {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// An earlier write failed, and what is durable is not known: the pass has to end.
    Broken {
        /// Which.
        path: PathBuf,
    },
    /// It was opened to be looked at.
    ReadOnly {
        /// Which.
        path: PathBuf,
    },
    /// The disk failed.
    Failed {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
}

impl JournalError {
    fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Failed { doing, path: path.to_owned(), cause }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { path } => write!(
                out,
                "{} is in use: this account is being collected by another process",
                path.display()
            ),
            Self::Damaged { path, offset, what } => write!(
                out,
                "{} is damaged at octet {offset}: {what}. Put it back from a backup. Or move it away: then all that is on the server is \
                 collected once more, except what a Maildir or mbox still has from before",
                path.display()
            ),
            Self::Later { path, version } => write!(
                out,
                "{} was written by a later version of Restante (its format is {version}, this one knows 1): use that version",
                path.display()
            ),
            Self::Broken { path } => {
                write!(
                    out,
                    "{} could not be written before, and what is in it now is not known: this pass has to end",
                    path.display()
                )
            }
            Self::ReadOnly { path } => write!(out, "{} was only opened to be looked at", path.display()),
            Self::Failed { doing, path, cause } => write!(out, "cannot {doing} {}: {cause}", path.display()),
        }
    }
}

impl Error for JournalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

/// What is known of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How far it has come.
    pub stage: Stage,
    /// Its octets as LIST says them; `None` when this came from another program's state.
    pub listed_octets: Option<u64>,
    /// Octets and digests of what was fetched, since the intent; `None` when this came from another program's state.
    pub contents: Option<Contents>,
    /// The name in the intent, since then.
    pub name: Option<Box<str>>,
    /// Why it is skipped or in the quarantine.
    pub reason: Option<Box<str>>,
    /// The sinks that have it, as long as not all have it: a collected message has no marks any more.
    pub marks: Vec<SinkId>,
    /// When it was first listed. [`Timestamp::MAX`] to the second when nobody has said.
    pub first_listed: Timestamp,
    /// When it was collected.
    pub collected: Option<Timestamp>,
}

/// What a message holds, as far as it takes to know it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Octets in the canonical form.
    pub octets: u64,
    /// SHA-256 of the canonical form.
    pub digest: [u8; 32],
    /// The first half of the SHA-256 of its header, without the fields that servers change (see `header`).
    pub header_digest: [u8; 16],
}

/// How far a message has come; see the crate's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// F0: listed, and nothing was done about it yet.
    Listed,
    /// Listed, and left on the server by a rule or a limit; it is not fetched as long as those are the same.
    Skipped,
    /// F1, F2: it may be at a sink.
    Intended,
    /// F3: it is at every sink, or another program has fetched it.
    Collected,
    /// It lies in the quarantine.
    Quarantined,
    /// F5: it was collected, or quarantined, and is not listed any more since then.
    Gone(Timestamp),
}

/// A step to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// It is listed for the first time. Idempotent.
    Listed {
        /// Which.
        key: Key,
        /// LIST.
        octets: Option<u64>,
        /// When.
        at: Timestamp,
    },
    /// It is left on the server.
    Skipped {
        /// Which.
        key: Key,
        /// Why, for people.
        reason: Box<str>,
    },
    /// It lies whole in the spool and will now be given to the sinks.
    Intended {
        /// Which.
        key: Key,
        /// What it holds.
        contents: Contents,
        /// What it is to be called.
        name: Box<str>,
    },
    /// A sink has it.
    Marked {
        /// Which.
        key: Key,
        /// Who.
        sink: SinkId,
    },
    /// Every sink has it, or another program has.
    Collected {
        /// Which.
        key: Key,
        /// When.
        at: Timestamp,
    },
    /// It lies in the quarantine.
    Quarantined {
        /// Which.
        key: Key,
        /// Why.
        reason: Box<str>,
    },
    /// It is not listed any more.
    Gone {
        /// Which.
        key: Key,
        /// Since when.
        at: Timestamp,
    },
    /// It is listed again after it was gone, with the same octets.
    Returned {
        /// Which.
        key: Key,
    },
    /// The server calls it by another unique-id now.
    Renamed {
        /// Before.
        from: Key,
        /// Now.
        to: Key,
    },
    /// It is to be forgotten: its tombstone is old, or somebody wants it fetched again.
    Forgotten {
        /// Which.
        key: Key,
    },
    /// A listing was read to its end and everything about it is recorded.
    Polled {
        /// When.
        at: Timestamp,
        /// Messages in it.
        messages: u32,
    },
    /// QUIT was sent with deletions, and this became of them.
    Ended {
        /// When.
        at: Timestamp,
        /// Deletions that were asked for.
        deletions: u32,
        /// What the server said.
        outcome: QuitOutcome,
    },
}

/// What became of the deletions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuitOutcome {
    /// Done.
    Committed,
    /// Not, or not all of them, done.
    NotCommitted,
    /// The answer was lost: the next listing tells.
    Unknown,
}

/// Tombstones are kept for so many seconds in which the account was polled: 400 days, so that what comes back after a year is known.
const REMEMBER_S: u32 = 400 * 24 * 60 * 60;

/// A file that is shorter is never written anew.
const WASTE_OCTETS: u64 = 64 * 1024;

/// The file is written anew when it is so many times as long as it need be.
const WASTE_FACTOR: u64 = 4;
