//! A maildrop as the wire sees it: message-numbers, octets, unique-ids, the listing taken at login and the
//! deletion marks of a session.
//!
//! No file, lock or message content is known here. The store makes a [`Listing`], the session reads it.

mod listing;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::iter::Sum;
use core::num::NonZeroU32;
use core::ops::Add;

pub use listing::{InvalidEntry, Listing, UniqueIdCursor};

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
