//! `Opened`: the maildrop that a session reads from, held alone or only looked at.
//!
//! `login` opens it, RETR and TOP read from it. Removing is for the holder of the lock alone, so it is not here.

use crate::config::Surrogates;
use crate::holders::{Holding, Pulse};
use restante_proto::maildrop::{Listing, Octets};
use restante_proto::quirk::{END_OF_HEADER_OCTETS, Mender, Quirk, Quirks};
use restante_proto::server::Rights;
use restante_store::failure::Failure;
use restante_store::maildrop::{CHUNK_OCTETS, Inspection, Maildrop, Message, MessageError, Warning};
use std::sync::Arc;

/// An open maildrop.
pub(crate) enum Opened {
    /// With the exclusive-access lock, to read and to remove from.
    Exclusive(Held),
    /// Without the lock, to read from: what many sessions look at together.
    Inspection(Inspection),
}

/// A maildrop with its lock.
pub(crate) struct Held {
    pub(crate) maildrop: Maildrop,
    /// Where others may take it over. Behind the maildrop: when this is dropped the lock is free.
    pub(crate) holding: Option<Holding>,
}

impl Opened {
    /// What its connection is to tell and to ask, where others may take over.
    pub(crate) fn pulse(&self) -> Option<Arc<Pulse>> {
        match self {
            Self::Exclusive(held) => held.holding.as_ref().map(|holding| Arc::clone(holding.pulse())),
            Self::Inspection(_) => None,
        }
    }

    /// UPDATE begins. `false` when another session has taken over.
    pub(crate) fn begin_update(&self) -> bool {
        match self {
            Self::Exclusive(held) => held.holding.as_ref().is_none_or(Holding::begin_update),
            Self::Inspection(_) => true,
        }
    }

    /// The messages in the order of their numbers.
    pub(crate) fn listing(&self) -> &Arc<Listing> {
        match self {
            Self::Exclusive(held) => held.maildrop.listing(),
            Self::Inspection(inspection) => inspection.listing(),
        }
    }

    /// What may be done with it.
    pub(crate) const fn rights(&self) -> Rights {
        match self {
            Self::Exclusive(_) => Rights::Full,
            Self::Inspection(_) => Rights::ReadOnly,
        }
    }

    /// The listing as a client is told it: with the octets that workarounds add to messages. Only messages that may be
    /// a header alone are read for that; one that cannot be read is told as it is, and fails when it is asked for.
    pub(crate) async fn told(&self, quirks: Quirks, view: Surrogates) -> Arc<Listing> {
        let listing = self.listing_as(view);
        if !quirks.has(Quirk::OeNsEoh) {
            return listing;
        }
        let mut mended = Vec::new();
        for index in 0..listing.len() {
            if self.lacks_end_of_header(index).await {
                let octets = listing.octets(index).unwrap_or_default();
                mended.push((index, octets + Octets::new(END_OF_HEADER_OCTETS)));
            }
        }
        if mended.is_empty() { listing } else { Arc::new(listing.with_octets(&mended)) }
    }

    async fn lacks_end_of_header(&self, index: usize) -> bool {
        let shape = match self {
            Self::Exclusive(held) => held.maildrop.shape(index),
            Self::Inspection(inspection) => inspection.shape(index),
        };
        if shape.is_none_or(|shape| shape.header_octets < shape.stored_octets) {
            return false;
        }
        let Ok(mut message) = self.message(index).await else { return false };
        let (mut mender, mut chunk) = (Mender::new(Quirks::NONE.with(Quirk::OeNsEoh, true)), Vec::new());
        loop {
            chunk.clear();
            match message.read(&mut chunk, CHUNK_OCTETS).await {
                Ok(0) => return !mender.missing().is_empty(),
                Ok(_) => mender.mend(&mut chunk),
                Err(_) => return false,
            }
        }
    }

    /// What the operator should know although it opened.
    pub(crate) fn warnings(&self) -> &[Warning] {
        match self {
            Self::Exclusive(held) => held.maildrop.warnings(),
            Self::Inspection(inspection) => inspection.warnings(),
        }
    }

    /// The highest message that earlier sessions accessed. What is only looked at remembers nothing.
    pub(crate) async fn last_accessed(&self) -> Result<Option<usize>, Failure> {
        match self {
            Self::Exclusive(held) => held.maildrop.last_accessed().await,
            Self::Inspection(_) => Ok(None),
        }
    }

    /// The messages as a client sees them to whom they are shown in this way.
    pub(crate) fn listing_as(&self, view: Surrogates) -> Arc<Listing> {
        match view {
            // R6856-2.1.9: what LIST says is what RETR sends.
            Surrogates::Faithful if !self.surrogates().is_empty() => {
                Arc::new(self.listing().with_octets(self.surrogates()))
            }
            Surrogates::Faithful | Surrogates::Refuse | Surrogates::AsStored => Arc::clone(self.listing()),
        }
    }

    /// Opens the message at `index` of the listing as it is shown in this way. `Ok(None)` when it may not be.
    pub(crate) async fn message_as(
        &self,
        index: usize,
        view: Surrogates,
    ) -> Result<Option<Message>, MessageError> {
        let message = self.message(index).await?;
        Ok(match view {
            Surrogates::AsStored => Some(message),
            Surrogates::Faithful => Some(message.surrogate()),
            Surrogates::Refuse => Some(message).filter(|message| message.shape().surrogate_octets.is_none()),
        })
    }

    fn surrogates(&self) -> &[(usize, Octets)] {
        match self {
            Self::Exclusive(held) => held.maildrop.surrogates(),
            Self::Inspection(inspection) => inspection.surrogates(),
        }
    }

    async fn message(&self, index: usize) -> Result<Message, MessageError> {
        match self {
            Self::Exclusive(held) => held.maildrop.message(index).await,
            Self::Inspection(inspection) => inspection.message(index).await,
        }
    }
}
