//! What is kept of each message while a maildrop is open: where its record is, its folder and its flag suffix.
//!
//! Six bytes a message. The octets and the unique-id are in the `Listing`, everything else in the record.

use std::collections::HashMap;

use restante_proto::maildrop::Octets;

use super::Folder;
use super::source::Spot;

/// The messages, by position.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// Where the record begins, in the file or in memory.
    starts: Vec<u32>,
    /// Number of the suffix, and flags.
    tags: Vec<u16>,
    suffixes: Suffixes,
    /// Suffixes of messages for which there was no number left, by position.
    odd: HashMap<usize, Box<[u8]>>,
    /// Which messages have a surrogate, and its octets; ascending by position.
    surrogates: Vec<(usize, Octets)>,
}

impl Rows {
    pub(crate) fn with_capacity(messages: usize) -> Self {
        let (starts, tags) = (Vec::with_capacity(messages), Vec::with_capacity(messages));
        Self { starts, tags, ..Self::default() }
    }

    /// Adds a message.
    pub(crate) fn push(
        &mut self,
        spot: Spot,
        has_own_unique_id: bool,
        (folder, suffix): (Folder, &[u8]),
        surrogate_octets: Option<u64>,
    ) {
        let position = self.tags.len();
        let (start, is_own) = match spot {
            Spot::File(start) => (start, 0),
            Spot::Own(start) => (start, IS_OWN),
        };
        self.starts.push(start);
        self.tags.push(is_own | if has_own_unique_id { HAS_OWN_UNIQUE_ID } else { 0 });
        self.set_place(position, folder, suffix);
        self.surrogates.extend(surrogate_octets.map(|octets| (position, Octets::new(octets))));
    }

    pub(crate) fn len(&self) -> usize {
        self.tags.len()
    }

    /// Where the message's record is.
    pub(crate) fn spot(&self, position: usize) -> Option<Spot> {
        let start = *self.starts.get(position)?;
        Some(if self.has(position, IS_OWN) { Spot::Own(start) } else { Spot::File(start) })
    }

    /// The records of the messages from `position` on are in the file now, there where the ones in memory begin at `start`.
    pub(crate) fn move_to_file(&mut self, position: usize, start: u32) {
        let starts = self.starts.get_mut(position..).unwrap_or_default();
        let tags = self.tags.get_mut(position..).unwrap_or_default();
        for (at, tag) in starts.iter_mut().zip(tags) {
            *at = at.saturating_add(start);
            *tag &= !IS_OWN;
        }
    }

    /// Where the message lies: its folder and its suffix.
    pub(crate) fn place(&self, position: usize) -> Option<(Folder, &[u8])> {
        let tag = *self.tags.get(position)?;
        let folder = if tag & IN_CUR == 0 { Folder::New } else { Folder::Cur };
        let suffix = match tag & SUFFIX {
            ODD_SUFFIX => self.odd.get(&position)?,
            number => self.suffixes.all.get(usize::from(number))?,
        };
        Some((folder, suffix))
    }

    /// The message lies somewhere else now. Positions beyond the end are ignored.
    pub(crate) fn set_place(&mut self, position: usize, folder: Folder, suffix: &[u8]) {
        let number = self.suffixes.number(suffix);
        if let Some(tag) = self.tags.get_mut(position) {
            let folder = if folder == Folder::Cur { IN_CUR } else { 0 };
            *tag = *tag & !(SUFFIX | IN_CUR) | number | folder;
            if number == ODD_SUFFIX {
                self.odd.insert(position, suffix.into());
            }
        }
    }

    /// Whether several files have the base name of the message.
    pub(crate) fn has_twin(&self, position: usize) -> bool {
        self.has(position, HAS_TWIN)
    }

    pub(crate) fn set_twin(&mut self, position: usize) {
        if let Some(tag) = self.tags.get_mut(position) {
            *tag |= HAS_TWIN;
        }
    }

    /// Whether the unique-id is not the base name, so that the base name stands in the record only.
    pub(crate) fn has_own_unique_id(&self, position: usize) -> bool {
        self.has(position, HAS_OWN_UNIQUE_ID)
    }

    /// The messages with a surrogate, ascending, and its octets.
    pub(crate) fn surrogates(&self) -> &[(usize, Octets)] {
        &self.surrogates
    }

    /// Octets of the message's surrogate, if it has one.
    pub(crate) fn surrogate_octets(&self, position: usize) -> Option<u64> {
        let at = self.surrogates.binary_search_by_key(&position, |(position, _)| *position).ok()?;
        self.surrogates.get(at).map(|(_, octets)| octets.as_u64())
    }

    /// The messages at these positions, in this order.
    pub(crate) fn in_order(mut self, order: &[u32]) -> Self {
        let mut rows = Self::with_capacity(order.len());
        for (index, &position) in order.iter().enumerate() {
            let position = position as usize;
            rows.starts.extend(self.starts.get(position));
            rows.tags.extend(self.tags.get(position));
            rows.odd.extend(self.odd.remove(&position).map(|suffix| (index, suffix)));
            if !self.surrogates.is_empty() {
                let surrogate = self.surrogate_octets(position);
                rows.surrogates.extend(surrogate.map(|octets| (index, Octets::new(octets))));
            }
        }
        rows.suffixes = self.suffixes;
        rows
    }

    /// Gives back room that was taken and is not needed.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.starts.shrink_to_fit();
        self.tags.shrink_to_fit();
        self.suffixes.forget_numbers();
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        let suffixes: usize = self.suffixes.all.iter().map(|suffix| size_of_val(suffix) + suffix.len()).sum();
        self.starts.capacity() * 4 + self.tags.capacity() * 2 + suffixes
    }

    fn has(&self, position: usize, flag: u16) -> bool {
        self.tags.get(position).is_some_and(|tag| tag & flag != 0)
    }
}

/// The different suffixes seen so far, each kept once.
#[derive(Debug, Default)]
struct Suffixes {
    numbers: HashMap<Box<[u8]>, u16>,
    all: Vec<Box<[u8]>>,
    /// The number given last.
    last: u16,
}

impl Suffixes {
    fn number(&mut self, suffix: &[u8]) -> u16 {
        // Neighbours mostly have the same flags.
        if self.all.get(usize::from(self.last)).is_some_and(|last| **last == *suffix) {
            return self.last;
        }
        if let Some(&number) = self.numbers.get(suffix) {
            self.last = number;
            return number;
        }
        let number = u16::try_from(self.all.len()).unwrap_or(ODD_SUFFIX);
        if number >= ODD_SUFFIX {
            return ODD_SUFFIX;
        }
        self.numbers.insert(suffix.into(), number);
        self.all.push(suffix.into());
        self.last = number;
        number
    }

    /// No more are expected. One that comes all the same may get another number; that costs a few bytes.
    fn forget_numbers(&mut self) {
        self.numbers = HashMap::new();
    }
}

const SUFFIX: u16 = 0x0FFF;
/// More different suffixes than this are kept with their messages.
const ODD_SUFFIX: u16 = 0x0FFF;
const IN_CUR: u16 = 0x1000;
const HAS_TWIN: u16 = 0x2000;
const IS_OWN: u16 = 0x4000;
const HAS_OWN_UNIQUE_ID: u16 = 0x8000;
