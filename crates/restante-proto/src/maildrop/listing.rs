//! `Listing`: octets and unique-ids of all messages, in so little room that a million of them fit into a session.
//!
//! Unique-ids of neighbours are alike: times, hosts and counters. So one is kept as what it shares with the one before it,
//! at its front and at its end, and the octets between; every sixteenth is kept whole. Listings are read from front to back,
//! and single ones are asked for one at a time, so nobody misses a slice of them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::{MessageNumber, Octets, UniqueId};

/// What a session shows of a maildrop: octets and unique-id of every message, in the order of their numbers.
/// Index `i` is message-number `i + 1`. Taken at login and never changed after (RFC 1939 section 4).
///
/// Costs 4 bytes a message and what its unique-id does not share with the one before it, and three.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    sizes: Sizes,
    unique_ids: UniqueIds,
    /// The listing that has the unique-ids of this one, which then has none itself.
    others: Option<Arc<Self>>,
    /// The sum of `sizes`, so that STAT costs the same for every size of maildrop.
    total: Octets,
}

impl Listing {
    /// An empty listing with room for `messages` messages.
    #[must_use]
    pub fn with_capacity(messages: usize) -> Self {
        let sizes = Sizes { small: Vec::with_capacity(messages), large: Vec::new() };
        Self { sizes, ..Self::default() }
    }

    /// Appends the next message. That no two messages share a unique-id is the caller's promise.
    ///
    /// # Errors
    /// When the unique-id is not valid, or the listing is full: 4294967295 messages or as many octets of
    /// unique-ids. The listing is unchanged then.
    pub fn push(&mut self, octets: Octets, unique_id: &[u8]) -> Result<(), InvalidEntry> {
        MessageNumber::from_index(self.len()).ok_or(InvalidEntry::Full)?;
        if let Some(others) = self.others.take() {
            self.unique_ids.clone_from(others.unique_ids());
        }
        self.unique_ids.push(unique_id)?;
        self.sizes.push(octets);
        self.total = self.total + octets;
        Ok(())
    }

    /// Gives back room that was taken and is not needed.
    pub fn shrink_to_fit(&mut self) {
        self.sizes.small.shrink_to_fit();
        self.unique_ids.bytes.shrink_to_fit();
        self.unique_ids.starts.shrink_to_fit();
    }

    /// How many messages there are; deletion marks do not count here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sizes.small.len()
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sizes.small.is_empty()
    }

    /// The canonical size of the message at `index`.
    #[must_use]
    pub fn octets(&self, index: usize) -> Option<Octets> {
        self.sizes.at(index)
    }

    /// The unique-id of the message at `index`. For many in a row [`Listing::unique_ids_from`] is faster.
    #[must_use]
    pub fn unique_id(&self, index: usize) -> Option<UniqueId> {
        UniqueId::parse(self.unique_ids_from(index).advance()?).ok()
    }

    /// The unique-ids from the message at `index` on.
    #[must_use]
    pub fn unique_ids_from(&self, index: usize) -> UniqueIdCursor<'_> {
        self.unique_ids().cursor(index)
    }

    /// The same messages with other sizes for some of them: index and octets. Indices beyond the listing are ignored.
    /// Shares the unique-ids.
    #[must_use]
    pub fn with_octets(self: &Arc<Self>, others: &[(usize, Octets)]) -> Self {
        let mut sizes = Sizes { small: Vec::with_capacity(self.len()), large: Vec::new() };
        let mut total = Octets::default();
        let mut changed: Vec<_> = others.to_vec();
        changed.sort_by_key(|(index, _)| *index);
        let mut changed = changed.into_iter().peekable();
        for index in 0..self.len() {
            let mut octets = self.octets(index).unwrap_or_default();
            while let Some((_, other)) = changed.next_if(|(at, _)| *at <= index) {
                octets = other;
            }
            sizes.push(octets);
            total = total + octets;
        }
        let others = self.others.as_ref().unwrap_or(self);
        Self { sizes, unique_ids: UniqueIds::default(), others: Some(Arc::clone(others)), total }
    }

    /// The size of all messages together.
    #[must_use]
    pub fn total(&self) -> Octets {
        self.total
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let sizes = size_of_val(self.sizes.small.as_slice()) + size_of_val(self.sizes.large.as_slice());
        sizes + self.unique_ids.bytes.capacity() + size_of_val(self.unique_ids.starts.as_slice())
    }

    fn unique_ids(&self) -> &UniqueIds {
        self.others.as_ref().map_or(&self.unique_ids, |others| others.unique_ids())
    }
}

impl PartialEq for Listing {
    fn eq(&self, other: &Self) -> bool {
        // The same unique-ids are kept in the same bytes.
        self.sizes == other.sizes && self.unique_ids() == other.unique_ids()
    }
}

impl Eq for Listing {}

/// Octets of messages; those of 4 GiB and more are apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sizes {
    small: Vec<u32>,
    /// Index and octets of those that are [`LARGE`] in `small`, ascending.
    large: Vec<(usize, u64)>,
}

impl Sizes {
    fn push(&mut self, octets: Octets) {
        let small = u32::try_from(octets.as_u64()).unwrap_or(LARGE);
        if small == LARGE {
            self.large.push((self.small.len(), octets.as_u64()));
        }
        self.small.push(small);
    }

    fn at(&self, index: usize) -> Option<Octets> {
        let small = *self.small.get(index)?;
        if small != LARGE {
            return Some(Octets::new(u64::from(small)));
        }
        let at = self.large.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        self.large.get(at).map(|(_, octets)| Octets::new(*octets))
    }
}

/// Unique-ids, each as what it does not share with the one before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct UniqueIds {
    /// For each: octets shared at the front, octets shared at the end, octets between, then those.
    bytes: Vec<u8>,
    /// Where every sixteenth begins, which shares nothing.
    starts: Vec<u32>,
    len: usize,
    last: Name,
}

impl UniqueIds {
    fn push(&mut self, unique_id: &[u8]) -> Result<(), InvalidEntry> {
        let begins_block = self.len.is_multiple_of(BLOCK);
        let (mut front, mut end) = (0, 0);
        if !begins_block {
            (front, end) = shared(self.last.as_bytes(), unique_id);
        }
        let between = unique_id.get(front..unique_id.len() - end).unwrap_or_default();
        // R1939-7.11. What is shared has been looked at before.
        let length = |octets: usize| u8::try_from(octets).map_err(|_| InvalidEntry::UniqueId);
        if !(1..=UniqueId::OCTETS_MAX).contains(&unique_id.len()) || !between.iter().all(u8::is_ascii_graphic)
        {
            return Err(InvalidEntry::UniqueId);
        }
        let lengths = [length(front)?, length(end)?, length(between.len())?];
        let start = u32::try_from(self.bytes.len()).map_err(|_| InvalidEntry::Full)?;
        if begins_block {
            self.starts.push(start);
        }
        self.bytes.extend_from_slice(&lengths);
        self.bytes.extend_from_slice(between);
        self.last.set(unique_id);
        self.len += 1;
        Ok(())
    }

    fn cursor(&self, index: usize) -> UniqueIdCursor<'_> {
        let start = if index < self.len { self.starts.get(index / BLOCK) } else { None };
        let rest = start.and_then(|&start| self.bytes.get(start as usize..)).unwrap_or_default();
        let mut cursor = UniqueIdCursor { rest, name: Name::default() };
        if start.is_some() {
            for _ in 0..index % BLOCK {
                cursor.advance();
            }
        }
        cursor
    }
}

/// Gives unique-ids one after the other.
#[derive(Clone, Debug)]
pub struct UniqueIdCursor<'a> {
    rest: &'a [u8],
    name: Name,
}

impl UniqueIdCursor<'_> {
    /// The next unique-id; `None` behind the last.
    pub fn advance(&mut self) -> Option<&[u8]> {
        let (&[front, end, between], rest) = self.rest.split_first_chunk()?;
        let (front, end) = (usize::from(front), usize::from(end));
        let (between, rest) = rest.split_at_checked(usize::from(between))?;
        self.rest = rest;
        self.name.replace(front, between, end);
        Some(self.name.as_bytes())
    }
}

/// A unique-id in place.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Name {
    octets: [u8; UniqueId::OCTETS_MAX],
    length: usize,
}

impl Name {
    fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }

    fn set(&mut self, octets: &[u8]) {
        self.replace(0, octets, 0);
    }

    /// Keeps so many octets at the front and at the end and puts others between. All together fit, because they were a
    /// unique-id; what does not is left out.
    fn replace(&mut self, front: usize, between: &[u8], end: usize) {
        let middle_end = front + between.len();
        let length = middle_end + end;
        if length > self.octets.len() || end > self.length {
            self.length = 0;
            return;
        }
        if length != self.length && end > 0 {
            self.octets.copy_within(self.length - end..self.length, middle_end);
        }
        if let Some(place) = self.octets.get_mut(front..middle_end) {
            place.copy_from_slice(between);
        }
        self.length = length;
    }
}

impl Default for Name {
    fn default() -> Self {
        Self { octets: [0; UniqueId::OCTETS_MAX], length: 0 }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

/// How many octets two names share at the front, and how many at the end without those.
fn shared(before: &[u8], name: &[u8]) -> (usize, usize) {
    let is_same = |(a, b): &(&u8, &u8)| a == b;
    let front = before.iter().zip(name).take_while(is_same).count();
    let (before, name) = (before.iter().skip(front), name.iter().skip(front));
    (front, before.rev().zip(name.rev()).take_while(is_same).count())
}

/// Why [`Listing::push`] took no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidEntry {
    /// The unique-id is not 1 to 70 octets in 0x21..=0x7E.
    UniqueId,
    /// The listing cannot count further.
    Full,
}

impl fmt::Display for InvalidEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UniqueId => "the unique-id is not valid",
            Self::Full => "the listing is full",
        })
    }
}

impl core::error::Error for InvalidEntry {}

/// Asking for one unique-id reads half as many on average; keeping one whole costs what it would share.
const BLOCK: usize = 16;

/// Stands in `Sizes::small` for what does not fit.
const LARGE: u32 = u32::MAX;
