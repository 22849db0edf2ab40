//! `Opened`: the maildrop that a session reads from, held alone or only looked at.
//!
//! `login` opens it, RETR and TOP read from it. Removing is for the holder of the lock alone, so it is not here.

use restante_proto::maildrop::Listing;
use restante_store::failure::Failure;
use restante_store::maildrop::{Inspection, Maildrop, Message, MessageError, Warning};
use std::sync::Arc;

/// An open maildrop.
pub(crate) enum Opened {
    /// With the exclusive-access lock, to read and to remove from.
    Exclusive(Maildrop),
    /// Without the lock, to read from: what many sessions look at together.
    #[expect(dead_code, reason = "the first reader comes with ANONYMOUS and the boards")]
    Inspection(Inspection),
}

impl Opened {
    /// The messages in the order of their numbers.
    pub(crate) fn listing(&self) -> &Arc<Listing> {
        match self {
            Self::Exclusive(maildrop) => maildrop.listing(),
            Self::Inspection(inspection) => inspection.listing(),
        }
    }

    /// What the operator should know although it opened.
    pub(crate) fn warnings(&self) -> &[Warning] {
        match self {
            Self::Exclusive(maildrop) => maildrop.warnings(),
            Self::Inspection(inspection) => inspection.warnings(),
        }
    }

    /// The highest message that earlier sessions accessed. What is only looked at remembers nothing.
    pub(crate) async fn last_accessed(&self) -> Result<Option<usize>, Failure> {
        match self {
            Self::Exclusive(maildrop) => maildrop.last_accessed().await,
            Self::Inspection(_) => Ok(None),
        }
    }

    /// Opens the message at `index` of the listing.
    pub(crate) async fn message(&self, index: usize) -> Result<Message, MessageError> {
        match self {
            Self::Exclusive(maildrop) => maildrop.message(index).await,
            Self::Inspection(inspection) => inspection.message(index).await,
        }
    }
}
