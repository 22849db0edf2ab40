//! Expiry: messages that the server removes by itself when they are old enough.
//!
//! Lives here: what can be asked, whatever the kind of maildrop. Which messages those are, and how they go, is in
//! `maildir/expiring.rs`; that they go, and when, is decided by who asks: the server's round (`keeping.rs`) and
//! `restante maildrop expire`. The reasons are in docs/design/0009-deletion.md.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use restante_proto::maildrop::Listing;

use crate::failure::Failure;
use crate::gone::Gone;
use crate::maildrop::{OpenError, Warning};
use crate::{Backend, Location, Store, maildir};

/// When messages are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// So long after that.
    pub after: Duration,
    /// After what.
    pub from: From,
}

/// What the time of a message is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// When a client had retrieved it whole for the first time, as far as that was noted
    /// ([`crate::maildrop::Maildrop::keep_retrieved`]). What nobody has retrieved stays.
    Retrieval,
    /// When it was delivered: as its name says or when its file was last changed, whichever is later.
    Delivery,
}

/// Whether anything is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// No: only looked for, without the lock and without changing anything.
    Yes,
    /// Yes.
    No,
}

/// What was removed, or would be.
#[derive(Debug, Default)]
pub struct Expired {
    /// The maildrop as it was before; what the indices are of. Empty when there is none.
    pub listing: Arc<Listing>,
    /// The messages that are old enough, by index: at most [`BATCH_MAX`].
    pub messages: Vec<Old>,
    /// Those of them that are gone now.
    pub gone: Gone,
    /// How many could not be removed, and the first reason.
    pub failed: Option<(usize, Failure)>,
    /// More messages are old enough: ask again.
    pub is_more: bool,
    /// What the operator should know beside.
    pub warnings: Vec<Warning>,
}

/// A message that is old enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Old {
    /// Its index in the listing.
    pub index: usize,
    /// The time that its age is counted from, in whole seconds.
    pub since: SystemTime,
}

impl Store {
    /// Removes the messages that are old enough at `now`, as after a QUIT that asks for it: into the trash where there is
    /// one, off the total of the quota, durable on return. Takes the lock meanwhile, and for at most [`BATCH_MAX`] messages. One
    /// whose time is not known, or lies in the future, stays. A maildrop that does not exist is not made.
    ///
    /// # Errors
    /// When the maildrop is in use or cannot be read. What could not be removed is in [`Expired::failed`].
    pub async fn expire(
        &self,
        location: &Location,
        expiry: &Expiry,
        now: SystemTime,
        trial: Trial,
    ) -> Result<Expired, OpenError> {
        match (&self.backend, location) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => {
                maildir::expire(maildirs, path, *expiry, now, trial).await
            }
            _ => Err(location.unsupported("expire messages of").into()),
        }
    }

    /// Removes from the trash what has been there for as long as it is kept, if nobody did within the last hours. Takes the
    /// lock meanwhile, and removes at most a thousand messages. Nothing where there is no trash, or none is wanted.
    ///
    /// # Errors
    /// When the maildrop is in use or its lock cannot be taken. What cannot be removed stays for another time.
    pub async fn sweep_trash(&self, location: &Location, now: SystemTime) -> Result<(), OpenError> {
        match (&self.backend, location) {
            (Backend::Maildir(maildirs), Location::Maildir(path)) => {
                maildir::sweep_trash(maildirs, path, now).await
            }
            _ => Err(location.unsupported("sweep the trash of").into()),
        }
    }
}

/// So many messages are removed in one go: a client that logs in meanwhile does not wait for long.
pub const BATCH_MAX: usize = 1000;
