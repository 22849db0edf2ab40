//! A maildrop as the wire sees it: message-numbers, octets, unique-ids, the listing taken at login and the
//! deletion marks of a session.
//!
//! No file, lock or message content is known here. The store makes a [`Listing`], the session reads it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::iter::Sum;
use core::num::NonZeroU32;
use core::ops::Add;

/// The number of a message on the wire, counted from 1 and fixed for the session (RFC 1939 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageNumber(NonZeroU32);

impl MessageNumber {
    /// The message-number `number`, or `None` for 0.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number of the message at `index` (counted from 0), or `None` when it does not fit 32 bits.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        u32::try_from(index).ok()?.checked_add(1).and_then(Self::new)
    }

    /// The position of the message in a [`Listing`], counted from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        // A usize has at least 32 bits on every target this crate supports (see the assertion below).
        (self.0.get() - 1) as usize
    }

    /// The number itself, from 1.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0.get()
    }
}

const _: () = assert!(usize::BITS >= 32, "message-numbers are used as indices");

/// A size on the wire: octets of the canonical form, that is with CRLF line ends and without byte-stuffing
/// (RFC 1939 section 11). Sums saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Octets(u64);

impl Octets {
    /// A size of `octets`.
    #[must_use]
    pub const fn new(octets: u64) -> Self {
        Self(octets)
    }

    /// The size as a number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl Add for Octets {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Octets {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::default(), Self::add)
    }
}

/// A unique-id: 1 to 70 octets, each in 0x21..=0x7E (RFC 1939 section 7). Compared octet by octet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueId(Box<str>);

impl UniqueId {
    /// The longest unique-id, in octets.
    pub const OCTETS_MAX: usize = 70;

    /// Takes `octets` as a unique-id.
    ///
    /// # Errors
    /// When they are not 1 to 70 octets in 0x21..=0x7E.
    pub fn parse(octets: &[u8]) -> Result<Self, InvalidUniqueId> {
        if !is_unique_id(octets) {
            return Err(InvalidUniqueId);
        }
        str::from_utf8(octets).map(|text| Self(text.into())).map_err(|_| InvalidUniqueId)
    }

    /// The octets of the unique-id.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The unique-id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The octets are not 1 to 70 octets in 0x21..=0x7E.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUniqueId;

impl fmt::Display for InvalidUniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a unique-id is 1 to 70 octets, each in 0x21 to 0x7E")
    }
}

impl core::error::Error for InvalidUniqueId {}

/// What a session shows of a maildrop: octets and unique-id of every message, in the order of their numbers.
/// Index `i` is message-number `i + 1`. Taken at login and never changed after (RFC 1939 section 4).
///
/// Costs 12 bytes a message plus its unique-id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    octets: Vec<u64>,
    /// `unique_ids[ends[i - 1]..ends[i]]` is the unique-id of message `i`. `ends.len() == octets.len()`, ascending.
    ends: Vec<u32>,
    unique_ids: Vec<u8>,
    /// The sum of `octets`, so that STAT costs the same for every size of maildrop.
    total: Octets,
}

impl Listing {
    /// An empty listing with room for `messages` messages whose unique-ids have `unique_id_octets` octets in all.
    #[must_use]
    pub fn with_capacity(messages: usize, unique_id_octets: usize) -> Self {
        Self {
            octets: Vec::with_capacity(messages),
            ends: Vec::with_capacity(messages),
            unique_ids: Vec::with_capacity(unique_id_octets),
            total: Octets::default(),
        }
    }

    /// Appends the next message. That no two messages share a unique-id is the caller's promise.
    ///
    /// # Errors
    /// When the unique-id is not valid, or the listing is full: 4294967295 messages or as many octets of
    /// unique-ids. The listing is unchanged then.
    pub fn push(&mut self, octets: Octets, unique_id: &[u8]) -> Result<(), InvalidEntry> {
        // R1939-7.11
        if !is_unique_id(unique_id) {
            return Err(InvalidEntry::UniqueId);
        }
        let end = self.unique_ids.len().saturating_add(unique_id.len());
        let end = u32::try_from(end).map_err(|_| InvalidEntry::Full)?;
        MessageNumber::from_index(self.len()).ok_or(InvalidEntry::Full)?;
        self.octets.push(octets.as_u64());
        self.ends.push(end);
        self.unique_ids.extend_from_slice(unique_id);
        self.total = self.total + octets;
        Ok(())
    }

    /// How many messages there are; deletion marks do not count here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The canonical size of the message at `index`.
    #[must_use]
    pub fn octets(&self, index: usize) -> Option<Octets> {
        self.octets.get(index).copied().map(Octets::new)
    }

    /// The unique-id of the message at `index`.
    #[must_use]
    pub fn unique_id(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)? as usize;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        self.unique_ids.get(start..end)
    }

    /// The same messages with other sizes for some of them: index and octets. Indices beyond the listing are ignored.
    #[must_use]
    pub fn with_octets(&self, others: &[(usize, Octets)]) -> Self {
        let mut listing = self.clone();
        for (index, octets) in others {
            if let Some(known) = listing.octets.get_mut(*index) {
                *known = octets.as_u64();
            }
        }
        listing.total = listing.octets.iter().copied().map(Octets::new).sum();
        listing
    }

    /// The size of all messages together.
    #[must_use]
    pub fn total(&self) -> Octets {
        self.total
    }
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

/// The messages marked deleted: a set of indices, one bit each, allocated at the first mark.
///
/// The owner marks only indices below the length of its [`Listing`]; memory is bounded by that.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    words: Vec<u64>,
    count: usize,
}

impl Marks {
    /// No message marked.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: Vec::new(), count: 0 }
    }

    /// Marks the message at `index`. Returns whether it was unmarked before.
    pub fn mark(&mut self, index: usize) -> bool {
        let (word, bit) = position(index);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let Some(word) = self.words.get_mut(word) else { return false };
        let is_new = *word & bit == 0;
        *word |= bit;
        self.count += usize::from(is_new);
        is_new
    }

    /// Whether the message at `index` is marked.
    #[must_use]
    pub fn is_marked(&self, index: usize) -> bool {
        let (word, bit) = position(index);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Unmarks every message and frees the memory.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Whether no message is marked.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many messages are marked.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The marked indices, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(position, &word)| {
            (0..WORD_BITS).filter(move |bit| word >> bit & 1 == 1).map(move |bit| position * WORD_BITS + bit)
        })
    }
}

/// What a session accessed, in the sense of LAST (RFC 1460 section 5): what the maildrop has to remember of it when the
/// session ends with QUIT.
#[derive(Clone, Debug, Default)]
pub struct Accessed {
    /// The messages that RETR or DELE accessed since the login or the last RSET.
    pub messages: Marks,
    /// RSET was given, so that nothing that earlier sessions accessed counts any more (R1460-5.5).
    pub starts_anew: bool,
}

impl Accessed {
    /// Whether there is nothing that the maildrop would have to remember.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.messages.is_empty() && !self.starts_anew
    }
}

fn position(index: usize) -> (usize, u64) {
    (index / WORD_BITS, 1 << (index % WORD_BITS))
}

/// RFC 1939 section 7: "one to 70 characters in the range 0x21 to 0x7E".
fn is_unique_id(octets: &[u8]) -> bool {
    (1..=UniqueId::OCTETS_MAX).contains(&octets.len()) && octets.iter().all(u8::is_ascii_graphic)
}

const WORD_BITS: usize = u64::BITS as usize;

#[cfg(test)]
mod tests;
