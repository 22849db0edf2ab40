//! Maildrops: durable, exclusive, with unique-ids that never change.
//!
//! This crate keeps three promises and knows nothing of POP3 or LMTP:
//!
//! * *Durable*: what [`delivery::Delivery::commit`] has accepted survives a crash, and what
//!   [`maildrop::Maildrop::remove`] has removed stays removed.
//! * *Exclusive*: a maildrop is open in one session at a time, on this machine and in every process of it.
//! * *Constant*: unique-id, octets and order of a message are the same in every session, also when the index is lost.
//!
//! [`Store`] is the door; the server calls it. Opening, committing and locking may take time and may fail, so the
//! border is asynchronous and nothing outside `maildir/` and `mbox/` knows that a maildrop is a local folder or file.
//!
//! # The states of a message
//!
//! | state | what is on disk | a crash leaves | what recovery does | seen twice | lost |
//! |---|---|---|---|---|---|
//! | S0 | nothing | nothing | nothing | no | no, the sender still has it |
//! | S1 | `tmp/` file being written | a fragment in `tmp/` | swept after 36 hours | no | no, the sender still has it |
//! | S2 | `tmp/` file synced | a whole file in `tmp/` | swept after 36 hours | no | no, the sender still has it |
//! | S3 | linked into `new/`, folder not yet synced | the message, or nothing | serves it if it is there | yes, the sender tries again | no |
//! | S4 | linked and folder synced: delivered | the message | scans it when its index record is missing | no | never |
//! | S5 | removal recorded in the index | the record, some files gone | removes the others at the next open | no | was deleted |
//! | S6 | unlinked and folders synced: removed | nothing | nothing | no | was deleted |
//!
//! The byte layout of the files beside the messages is in docs/on-disk.md, the reasons in docs/design/0002-maildir-index.md.

// Tests lay out Maildirs as other programs would.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod check;
pub mod delivery;
pub mod disk;
pub mod expiry;
pub mod failure;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod gone;
pub mod guard;
pub mod maildir;
pub mod maildrop;
pub mod mbox;
pub mod migrate;
pub mod quota;
pub mod trash;
pub mod unique_id;

mod index;
mod lock;
mod surrogate;
mod survey;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use check::{Depth, Finding};
use delivery::{Delivery, DeliveryError};
use disk::Disk;
use failure::Failure;
use guard::{Guard, Guarded};
use maildrop::{Inspection, Maildrop, OpenError};
use migrate::export::{Format, Made};
use quota::{Audit, Limits, Recorded, Usage};
use unique_id::{Override, OverrideError};

/// All maildrops of one kind and one configuration. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Store {
    backend: Backend,
    guard: Option<Arc<Guard>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Backend {
    Maildir(Arc<maildir::Maildirs>),
    Mbox(Arc<mbox::Mboxes>),
}

/// Where a maildrop lies. Only the store and the configuration look inside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// The folder that holds `tmp/`, `new/` and `cur/`.
    Maildir(PathBuf),
    /// An mbox.
    Mbox {
        /// The file that holds the messages.
        file: PathBuf,
        /// The folder of our own files for it. No other maildrop may have the same.
        control: PathBuf,
    },
}

impl Location {
    /// The file or folder that holds the messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Maildir(path) | Self::Mbox { file: path, .. } => path,
        }
    }

    /// What an operation says that is asked for a maildrop of a kind that the store does not keep, or that has no such
    /// thing.
    pub(crate) fn unsupported(&self, doing: &'static str) -> Failure {
        let reason = io::Error::new(io::ErrorKind::InvalidInput, "not for this kind of maildrop");
        Failure::new(doing, self.path(), reason)
    }
}

impl Store {
    /// Maildrops that are Maildirs on `disk`.
    #[must_use]
    pub fn maildir(disk: Arc<dyn Disk>, settings: maildir::Settings) -> Self {
        let backend = Backend::Maildir(Arc::new(maildir::Maildirs::new(disk, settings)));
        Self { backend, guard: None }
    }

    /// The same maildrops as another disk shows them: that of an account whose files are touched with its own rights. What accounts
    /// were shown is kept where it was.
    #[must_use]
    pub fn on(&self, disk: Arc<dyn Disk>) -> Self {
        let backend = match &self.backend {
            Backend::Maildir(maildirs) => Backend::Maildir(Arc::new(maildirs.on(disk))),
            Backend::Mbox(mboxes) => Backend::Mbox(Arc::new(mboxes.on(disk))),
        };
        Self { backend, guard: self.guard.clone() }
    }

    /// The same with a guard against listings whose unique-ids have changed. What accounts were shown is kept in `folder`,
    /// which [`guard::prepare`] makes.
    #[must_use]
    pub fn guarded(self, disk: Arc<dyn Disk>, folder: PathBuf) -> Self {
        Self { guard: Some(Arc::new(Guard::new(disk, folder))), ..self }
    }

    /// As [`Store::open`], for a session of `account`: compared with what the account was shown last. Whoever calls this calls
    /// [`Maildrop::keep_shown`] when the session ends with QUIT.
    ///
    /// # Errors
    /// As [`Store::open`]; `Guarded` when most messages have other unique-ids than they had and no DELE explains it.
    pub async fn open_for(
        &self,
        location: &Location,
        account: &str,
        now: SystemTime,
    ) -> Result<Maildrop, OpenError> {
        let maildrop = self.open(location, now).await?;
        match &self.guard {
            Some(guard) => guard::watch(guard, maildrop, location, account).await,
            None => Ok(maildrop),
        }
    }

    /// Why the account's maildrop does not open for sessions, when it is guarded.
    ///
    /// # Errors
    /// When that cannot be read.
    pub async fn guard_of(&self, location: &Location, account: &str) -> Result<Option<Guarded>, Failure> {
        match &self.guard {
            Some(guard) => guard.verdict(location, account).await,
            None => Ok(None),
        }
    }

    /// Releases a guarded maildrop: what is there now becomes what is known. Says why it was guarded; `None` when it was
    /// not, and then too its next listing is taken for right.
    ///
    /// # Errors
    /// When what is known cannot be read or removed.
    pub async fn accept(&self, location: &Location, account: &str) -> Result<Option<Guarded>, Failure> {
        let Some(guard) = &self.guard else { return Ok(None) };
        let was = guard.verdict(location, account).await?;
        guard.accept(location, account).await?;
        Ok(was)
    }

    pub(crate) const fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Maildrops that are mboxes on `disk`.
    #[must_use]
    pub fn mbox(disk: Arc<dyn Disk>, settings: mbox::Settings) -> Self {
        Self { backend: Backend::Mbox(Arc::new(mbox::Mboxes::new(disk, settings))), guard: None }
    }

    /// Takes the exclusive-access lock, replays or rebuilds the index, and lists (R1939-4.3). `now` is the wall clock.
    ///
    /// # Errors
    /// When another session has the maildrop, or it cannot be read; never an empty maildrop instead.
    pub async fn open(&self, location: &Location, now: SystemTime) -> Result<Maildrop, OpenError> {
        match (&self.backend, location) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => {
                maildir::open(maildirs, path, now).await.map(Maildrop::maildir)
            }
            (Backend::Mbox(mboxes), Location::Mbox { file, control }) => {
                mbox::open(mboxes, mbox::Place::new(file, control)).await.map(Maildrop::mbox)
            }
            _ => Err(location.unsupported("open").into()),
        }
    }

    /// Reads a maildrop without the lock and without changing anything: for a look from outside, while a session may
    /// be going on.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn inspect(&self, location: &Location, _now: SystemTime) -> Result<Inspection, OpenError> {
        match (&self.backend, location) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => {
                maildir::inspect(maildirs, path).await.map(Maildrop::maildir).map(Inspection::new)
            }
            (Backend::Mbox(mboxes), Location::Mbox { file, control }) => {
                let session = mbox::inspect(mboxes, mbox::Place::new(file, control)).await;
                session.map(Maildrop::mbox).map(Inspection::new)
            }
            (Backend::Mbox(mboxes), Location::Maildir(path)) => {
                let boards = mboxes.boards().ok_or_else(|| OpenError::from(location.unsupported("open")))?;
                maildir::inspect(boards, path).await.map(Maildrop::maildir).map(Inspection::new)
            }
            _ => Err(location.unsupported("open").into()),
        }
    }

    /// Looks at everything in a maildrop and says what is not as it should be, without the lock and without changing
    /// anything. What a session or a delivery is doing meanwhile can show too.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub async fn verify(
        &self,
        location: &Location,
        depth: Depth,
        now: SystemTime,
    ) -> Result<Vec<Finding>, OpenError> {
        match (&self.backend, location) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => {
                maildir::verify(maildirs, path, depth, now).await
            }
            _ => Err(location.unsupported("verify").into()),
        }
    }

    /// Mends what can be mended without a person's judgement, under the lock. No message is touched, but for those whose
    /// removal was interrupted. Says what was mended and what is left; durable on return where it matters. A crash
    /// meanwhile loses nothing.
    ///
    /// # Errors
    /// When it is in use, or cannot be looked at or written. What was mended before that stays mended.
    pub async fn repair(&self, location: &Location, now: SystemTime) -> Result<Vec<Finding>, OpenError> {
        match (&self.backend, location) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => {
                maildir::repair(maildirs, path, now).await
            }
            _ => Err(location.unsupported("repair").into()),
        }
    }

    /// Begins a delivery whose temporary file, if one is needed, lies with `first`. Touches no disk yet.
    ///
    /// # Errors
    /// When no delivery can be begun there.
    // Asynchronous because a backend elsewhere has to ask somebody.
    #[allow(clippy::unused_async)]
    pub async fn begin(&self, first: &Location, now: SystemTime) -> Result<Delivery, DeliveryError> {
        match (&self.backend, first) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => {
                Ok(Delivery::maildir(maildir::Writer::new(Arc::clone(maildirs), path, now)))
            }
            (Backend::Mbox(mboxes), Location::Mbox { file, control }) => {
                let first = mbox::Place::new(file, control);
                Ok(Delivery::mbox(mbox::Writer::new(Arc::clone(mboxes), first, now)))
            }
            _ => Err(first.unsupported("deliver to").into()),
        }
    }

    /// Begins a delivery to maildrops whose owners must not be able to change what others get: none of them shares a file with another
    /// or with us. What is too large for memory is kept without a name, for a Maildir in the folder `incoming` below `root`. Touches
    /// no disk yet.
    ///
    /// # Errors
    /// When no delivery can be begun there.
    pub async fn begin_apart(
        &self,
        root: &Path,
        first: &Location,
        now: SystemTime,
    ) -> Result<Delivery, DeliveryError> {
        match (&self.backend, first) {
            (Backend::Maildir(maildirs), Location::Maildir(_)) => {
                let folder = root.join("incoming");
                Ok(Delivery::maildir(maildir::Writer::apart(maildirs, root, &folder, now)))
            }
            // What is there is beside the mbox, and has no name.
            _ => self.begin(first, now).await,
        }
    }

    /// Whether a message may be delivered here that its sender declares to have so many octets, or an empty one: a
    /// delivery that this refuses would be refused, so it need not begin. Another may come first, so this promises nothing.
    ///
    /// # Errors
    /// [`DeliveryError::OverQuota`] by a count made now; otherwise when the maildrop cannot be counted.
    pub async fn admits(
        &self,
        location: &Location,
        declared: Option<u64>,
        limits: Limits,
        now: SystemTime,
    ) -> Result<(), DeliveryError> {
        // One octet of each line end is not stored, and lines may be short.
        let more = Usage::message(declared.map_or(1, |declared| declared - declared / 16));
        match (&self.backend, location) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => {
                maildir::admits(maildirs, path, more, limits, now).await
            }
            (Backend::Mbox(mboxes), Location::Mbox { file, control }) => {
                mbox::admits(mboxes, mbox::Place::new(file, control), more, limits).await
            }
            _ => Err(location.unsupported("deliver to").into()),
        }
    }

    /// What a maildrop holds, counted now without the lock and without changing anything. One that does not exist holds
    /// nothing.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn usage(&self, location: &Location, _now: SystemTime) -> Result<Usage, OpenError> {
        match (&self.backend, location) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => maildir::usage(maildirs, path).await,
            (Backend::Mbox(mboxes), Location::Mbox { file, control }) => {
                mbox::usage(mboxes, mbox::Place::new(file, control)).await
            }
            _ => Err(location.unsupported("count").into()),
        }
    }

    /// Counts a maildrop and compares that with the total written down under these limits. Changes nothing.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn audit(
        &self,
        location: &Location,
        limits: Limits,
        now: SystemTime,
    ) -> Result<Audit, OpenError> {
        match (&self.backend, location) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => {
                maildir::audit(maildirs, path, limits, now, maildir::Mending::No).await
            }
            // Nothing is written down beside an mbox: it is counted each time.
            (Backend::Mbox(mboxes), Location::Mbox { file, control }) => {
                let usage = mbox::usage(mboxes, mbox::Place::new(file, control)).await?;
                Ok(Audit { usage, recorded: Recorded::Nothing, is_mended: false })
            }
            _ => Err(location.unsupported("count").into()),
        }
    }

    /// As [`Store::audit`], and writes the count down where there is a limit and something else is written.
    ///
    /// # Errors
    /// When it cannot be read. That it could not be written shows in [`Audit::is_mended`].
    pub async fn recount(
        &self,
        location: &Location,
        limits: Limits,
        now: SystemTime,
    ) -> Result<Audit, OpenError> {
        match (&self.backend, location) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => {
                maildir::audit(maildirs, path, limits, now, maildir::Mending::Yes).await
            }
            (Backend::Mbox(_), Location::Mbox { .. }) => self.audit(location, limits, now).await,
            _ => Err(location.unsupported("count").into()),
        }
    }

    /// Gives messages the unique-ids, and if wanted the order, that another server showed for them. Durable on
    /// return, and kept when the index is lost. Takes the lock meanwhile.
    ///
    /// # Errors
    /// When the maildrop is in use or cannot be written, or a unique-id would stand for two messages. Nothing is
    /// changed then; or all of it, when the very last step failed. Never a part.
    pub async fn set_unique_ids(
        &self,
        location: &Location,
        overrides: Vec<Override>,
        now: SystemTime,
    ) -> Result<(), OverrideError> {
        match (&self.backend, location) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => {
                maildir::set_unique_ids(maildirs, path, overrides, now).await
            }
            (Backend::Mbox(mboxes), Location::Mbox { file, control }) => {
                mbox::set_unique_ids(mboxes, mbox::Place::new(file, control), overrides).await
            }
            _ => Err(OverrideError::Maildrop(location.unsupported("open").into())),
        }
    }

    /// Makes the file in which another server keeps unique-ids and order, so that it shows what is shown here, and writes it
    /// into the maildrop if `write` says so when it has seen it. Durable on return. Takes the lock meanwhile, and that
    /// server's lock for its file.
    ///
    /// # Errors
    /// When the maildrop is in use, or cannot be read or written; when the file that is there now cannot be understood.
    pub async fn export(
        &self,
        location: &Location,
        format: Format,
        now: SystemTime,
        write: impl Fn(&Made) -> bool + Send + 'static,
    ) -> Result<Made, OpenError> {
        match (&self.backend, location) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => {
                maildir::export(maildirs, path, format, now, write).await
            }
            (_, other) => Err(other.unsupported("write another server's file for").into()),
        }
    }
}
