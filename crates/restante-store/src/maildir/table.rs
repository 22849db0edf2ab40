//! The messages of an open maildrop, in as little memory as they can be found again with.
//!
//! A session keeps this beside the listing: 6 bytes a message, and 4 more when the index does not stand in the order of the
//! listing. Everything else about a message is read again from its record in the index, and believed only as far as it
//! agrees with the listing.

use std::collections::HashMap;
use std::io;

use restante_proto::maildrop::{Listing, Marks, Octets};

use super::finder::Finder;
use crate::index::known::{self, BaseNames, Known, Ordered};
use crate::index::rows::Rows;
use crate::index::source::{Source, Spot, Window};
use crate::index::{Facts, Folder, Origin};

/// The messages, in the order of the listing.
#[derive(Debug)]
pub(super) struct Table {
    rows: Rows,
    source: Source,
    /// The index file that the ordinals belong to. `None` when it could not be written.
    origin: Option<Origin>,
    /// The ordinals, when they are not the indices.
    ordinals: Option<Vec<u32>>,
    stored_octets: Option<u64>,
    /// The messages that have a time of retrieval.
    retrieved: Marks,
}

impl Table {
    /// Takes over what is known, and makes the listing.
    ///
    /// # Errors
    /// When the index cannot be read again, or there are more messages than a listing can hold.
    pub(super) fn new(known: Known) -> io::Result<(Self, Listing)> {
        let ordered = known.into_order()?;
        let Ordered { rows, source, origin, listing, order: ordinals, stored_octets, retrieved } = ordered;
        Ok((Self { rows, source, origin, ordinals, stored_octets, retrieved }, listing))
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) const fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// Octets of the files of all messages together, when that is known without asking each.
    pub(super) const fn stored_octets(&self) -> Option<u64> {
        self.stored_octets
    }

    /// The base names, by index; ascending ones cost least.
    pub(super) fn base_names<'a>(&'a self, listing: &'a Listing, window: Window) -> BaseNames<'a> {
        BaseNames::new(listing, &self.rows, &self.source, window)
    }

    /// Finds messages by base name. `lost` is asked for a name that the index does not tell any more; a message without one
    /// is not found.
    pub(super) fn finder(&self, listing: &Listing, lost: &dyn Fn(usize) -> Option<Vec<u8>>) -> Finder {
        let mut names = self.base_names(listing, Window::sequential());
        let mut finder = Finder::with_capacity(self.len());
        for index in 0..self.len() {
            match names.at(index) {
                Ok(base_name) => drop(finder.insert(base_name, index)),
                Err(_) => drop(lost(index).map(|base_name| finder.insert(&base_name, index))),
            }
        }
        finder
    }

    /// What is known of the message's file and contents, and its base name. `None` when its record does not say any more what was listed.
    ///
    /// # Errors
    /// When the index cannot be read; `WouldBlock` when the window does not wait.
    pub(super) fn record(
        &self,
        listing: &Listing,
        index: usize,
        window: &mut Window,
    ) -> io::Result<Option<(Facts, Vec<u8>)>> {
        let (Some(spot), Some(octets)) = (self.rows.spot(index), listing.octets(index)) else {
            return Ok(None);
        };
        let (record, bytes) = self.source.message(spot, window)?;
        let unique_id = if record.has_own_unique_id() { record.unique_id } else { record.base }.of(bytes);
        let is_as_listed = record.facts.octets == octets.as_u64()
            && record.facts.surrogate_octets == self.rows.surrogate_octets(index)
            && listing.unique_ids_from(index).advance() == Some(unique_id);
        Ok(is_as_listed.then(|| (record.facts, record.base.of(bytes).to_vec())))
    }

    /// The messages with a surrogate, ascending, and its octets.
    pub(super) fn surrogates(&self) -> &[(usize, Octets)] {
        self.rows.surrogates()
    }

    /// Octets of the message's surrogate, if it has one.
    pub(super) fn surrogate_octets(&self, index: usize) -> Option<u64> {
        self.rows.surrogate_octets(index)
    }

    /// Where the message lay when the maildrop was opened.
    pub(super) fn place(&self, index: usize) -> Option<(Folder, &[u8])> {
        self.rows.place(index)
    }

    /// The messages of which the index says when they were retrieved.
    pub(super) const fn retrieved(&self) -> &Marks {
        &self.retrieved
    }

    /// When messages were retrieved, in seconds since 1970, by ordinal. Reads the whole index if it says that of any.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub(super) fn retrievals(&self) -> io::Result<HashMap<u32, i64>> {
        let mut times = HashMap::new();
        if let Some(origin) = self.origin.filter(|_| !self.retrieved.is_empty()) {
            known::retrievals(&self.source, origin, |ordinal, seconds| {
                let time = times.entry(ordinal).or_insert(seconds);
                *time = seconds.max(*time);
            })?;
        }
        Ok(times)
    }

    /// Whether several files have the base name of the message.
    pub(super) fn has_twin(&self, index: usize) -> bool {
        self.rows.has_twin(index)
    }

    /// The message's record in the index, if it has one.
    pub(super) fn ordinal(&self, index: usize) -> Option<u32> {
        let Some(Spot::File(_)) = self.rows.spot(index) else { return None };
        match &self.ordinals {
            Some(ordinals) => ordinals.get(index).copied(),
            None => u32::try_from(index).ok(),
        }
    }

    /// Bytes on the heap, without the listing.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.rows.heap_bytes() + self.ordinals.as_ref().map_or(0, |ordinals| ordinals.capacity() * 4)
    }
}
