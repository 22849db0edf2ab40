//! One message on its way into one or more maildrops: begin, write, commit per recipient, abort.
//!
//! Independent of where the mail lies; `maildir/writer.rs` and `mbox/writer.rs` do the work. The LMTP driver and `restante deliver`
//! call it. Nothing is visible to anybody before a commit, and a commit is durable when it returns.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use restante_proto::maildrop::UniqueId;

use crate::Backend as Kind;
use crate::failure::Failure;
use crate::maildir;
use crate::mbox;
use crate::quota::{Limits, OverQuota};
use crate::{Location, Store};

/// A message being delivered. Dropping it takes back everything that was not committed.
#[derive(Debug)]
pub struct Delivery {
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Maildir(maildir::Writer),
    Mbox(Box<mbox::Writer>),
}

impl Delivery {
    pub(crate) const fn maildir(writer: maildir::Writer) -> Self {
        Self { backend: Backend::Maildir(writer) }
    }

    pub(crate) fn mbox(writer: mbox::Writer) -> Self {
        Self { backend: Backend::Mbox(Box::new(writer)) }
    }

    /// Appends octets of the canonical form (CRLF line ends, no byte-stuffing), cut anywhere. They are kept in memory
    /// up to a bound and then in the one temporary file. Not after the first commit.
    ///
    /// # Errors
    /// When the temporary file cannot be written. The delivery is lost then: every later call fails the same way.
    pub async fn write(&mut self, octets: &[u8]) -> Result<(), DeliveryError> {
        match &mut self.backend {
            Backend::Maildir(writer) => writer.write(octets).await,
            Backend::Mbox(writer) => writer.write(octets).await,
        }
    }

    /// Puts the message into the maildrop at `location`; once per recipient. On return it is durable and visible.
    /// When the future is dropped it is delivered or not, never in part.
    ///
    /// # Errors
    /// When it is not delivered there; nothing is left behind, and other locations can still be tried.
    pub async fn commit(&mut self, location: &Location) -> Result<UniqueId, DeliveryError> {
        match (&mut self.backend, location) {
            (Backend::Maildir(writer), Location::Maildir(path)) => writer.commit(path).await,
            (Backend::Mbox(writer), Location::Mbox { file, control }) => {
                let mboxes = Arc::clone(writer.mboxes());
                writer.commit(&mboxes, mbox::Place::new(file, control), Limits::default()).await
            }
            _ => Err(location.unsupported("deliver to").into()),
        }
    }

    /// As [`Delivery::commit`], if the maildrop may hold the message under these limits. Deliveries of this process do not go
    /// over them together, whatever their number; programs that deliver at the same moment may, by what they have on
    /// the way.
    ///
    /// # Errors
    /// As [`Delivery::commit`]; [`DeliveryError::OverQuota`] by a count of the files made now.
    pub async fn commit_within(
        &mut self,
        location: &Location,
        limits: Limits,
    ) -> Result<UniqueId, DeliveryError> {
        match (&mut self.backend, location) {
            (Backend::Maildir(writer), Location::Maildir(path)) => {
                let maildirs = Arc::clone(writer.maildirs());
                maildir::commit_counted(writer, &maildirs, path, limits).await
            }
            (Backend::Mbox(writer), Location::Mbox { file, control }) => {
                let mboxes = Arc::clone(writer.mboxes());
                writer.commit(&mboxes, mbox::Place::new(file, control), limits).await
            }
            _ => Err(location.unsupported("deliver to").into()),
        }
    }

    /// As [`Delivery::commit_within`], into a maildrop of `store`, which is the store that the delivery was begun in or the same on
    /// another disk ([`Store::on`]). On another disk the message gets a file of its own.
    ///
    /// # Errors
    /// As [`Delivery::commit_within`].
    pub async fn commit_to(
        &mut self,
        store: &Store,
        location: &Location,
        limits: Limits,
    ) -> Result<UniqueId, DeliveryError> {
        match (&mut self.backend, store.backend(), location) {
            (Backend::Maildir(writer), Kind::Maildir(maildirs), Location::Maildir(path)) => {
                maildir::commit_counted(writer, maildirs, path, limits).await
            }
            (Backend::Mbox(writer), Kind::Mbox(mboxes), Location::Mbox { file, control }) => {
                writer.commit(mboxes, mbox::Place::new(file, control), limits).await
            }
            _ => Err(location.unsupported("deliver to").into()),
        }
    }

    /// Removes what is temporary and waits for it. Committed copies stay. The same happens on drop, without waiting;
    /// what a crash leaves is swept later.
    pub async fn abort(self) {
        match self.backend {
            Backend::Maildir(writer) => writer.abort().await,
            // What it has outside of memory has no name.
            Backend::Mbox(writer) => drop(writer),
        }
    }
}

/// Why a message was not delivered.
#[derive(Debug)]
pub enum DeliveryError {
    /// The account has no room for it.
    OverQuota(OverQuota),
    /// The disk, or the quota on it, is full.
    NoSpace(Failure),
    /// Trying again may help.
    Temporary(Failure),
    /// The operator must act.
    Permanent(Failure),
}

impl DeliveryError {
    /// Whether trying again later may help. Disks and maildrops get emptied, so a full one does count.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        !matches!(self, Self::Permanent(_))
    }
}

impl From<Failure> for DeliveryError {
    fn from(failure: Failure) -> Self {
        if failure.is_no_space() {
            Self::NoSpace(failure)
        } else if failure.is_temporary() {
            Self::Temporary(failure)
        } else {
            Self::Permanent(failure)
        }
    }
}

impl From<OverQuota> for DeliveryError {
    fn from(over: OverQuota) -> Self {
        Self::OverQuota(over)
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OverQuota(over) => over.fmt(f),
            Self::NoSpace(failure) | Self::Temporary(failure) | Self::Permanent(failure) => failure.fmt(f),
        }
    }
}

impl Error for DeliveryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::OverQuota(_) => None,
            Self::NoSpace(failure) | Self::Temporary(failure) | Self::Permanent(failure) => failure.source(),
        }
    }
}
