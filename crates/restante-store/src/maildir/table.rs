//! The messages of an open maildrop, in as little memory as they can be found again with.
//!
//! A session keeps this beside the listing: 32 bytes a message. The base name is not kept when the unique-id is the
//! same, and flag suffixes are kept once each.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;

use restante_proto::maildrop::{Listing, Octets};

use crate::index::{Facts, Folder, Index, NO_ORDINAL};

/// The messages, in the order of the listing.
#[derive(Debug)]
pub(super) struct Table {
    entries: Vec<Entry>,
    /// Base names that are not the unique-id: a length octet, then the name.
    names: Vec<u8>,
    suffixes: Vec<Box<[u8]>>,
    /// Which messages have a surrogate, and its octets; ascending by index.
    surrogates: Vec<(usize, Octets)>,
}

/// One message.
#[derive(Clone, Copy, Debug)]
struct Entry {
    stored_octets: u64,
    modified_ns: i64,
    header_octets: u32,
    /// Where in `names`, or [`SAME_NAME`].
    name: u32,
    ordinal: u32,
    /// Which of `suffixes`, or [`UNKNOWN_SUFFIX`].
    suffix: u16,
    flags: u8,
}

// A listing costs at most 48 bytes a message plus its unique-id; `Listing` itself takes 12 of them.
const _: () = assert!(size_of::<Entry>() + 12 <= 48);

/// Where a message lay when last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) folder: Folder,
    /// `None` when there are more different suffixes than are kept.
    pub(super) suffix: Option<&'a [u8]>,
}

impl Table {
    /// Takes over the records of a sorted index, and makes the listing.
    ///
    /// # Errors
    /// When there are more messages than a listing can hold.
    pub(super) fn new(index: &Index) -> io::Result<(Self, Listing)> {
        let records = &index.records;
        let mut listing = Listing::with_capacity(records.len());
        let mut entries = Vec::with_capacity(records.len());
        let mut names = Vec::new();
        let mut suffixes = Suffixes::default();
        let mut surrogates = Vec::new();
        for (index_of_record, record) in records.iter().enumerate() {
            let base_name = index.bytes(record.base);
            let mut name = SAME_NAME;
            let mut unique_id = base_name;
            if record.has_own_unique_id() {
                unique_id = index.bytes(record.unique_id);
                name = u32::try_from(names.len()).map_err(|_| too_many())?;
                names.push(u8::try_from(base_name.len()).unwrap_or(u8::MAX));
                names.extend_from_slice(base_name);
            }
            listing.push(Octets::new(record.facts.octets), unique_id).map_err(|_| too_many())?;
            let Facts {
                is_from_name, stored_octets, modified_ns, header_octets, is_crlf, has_dot_lines, ..
            } = record.facts;
            if let Some(octets) = record.facts.surrogate_octets {
                surrogates.push((index_of_record, Octets::new(octets)));
            }
            let suffix = suffixes.number(index.bytes(record.suffix));
            let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
            let flags = flag(record.folder == Folder::Cur, IN_CUR)
                | flag(is_crlf, IS_CRLF)
                | flag(has_dot_lines, HAS_DOT_LINES)
                | flag(is_from_name, IS_FROM_NAME)
                | flag(record.has_twin, HAS_TWIN);
            let ordinal = record.ordinal;
            entries.push(Entry { stored_octets, modified_ns, header_octets, name, ordinal, suffix, flags });
        }
        names.shrink_to_fit();
        listing.shrink_to_fit();
        Ok((Self { entries, names, suffixes: suffixes.all, surrogates }, listing))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The base name of the message at `index`.
    pub(super) fn base_name<'a>(&'a self, listing: &'a Listing, index: usize) -> Option<Cow<'a, [u8]>> {
        let at = self.entries.get(index)?.name;
        if at == SAME_NAME {
            return Some(Cow::Owned(listing.unique_id(index)?.as_bytes().to_vec()));
        }
        let (&length, rest) = self.names.get(at as usize..)?.split_first()?;
        rest.get(..usize::from(length)).map(Cow::Borrowed)
    }

    /// What is known of the message's file and contents.
    pub(super) fn facts(&self, listing: &Listing, index: usize) -> Option<Facts> {
        let &Entry { stored_octets, modified_ns, header_octets, flags, .. } = self.entries.get(index)?;
        let octets = listing.octets(index)?.as_u64();
        let (is_crlf, has_dot_lines) = (flags & IS_CRLF != 0, flags & HAS_DOT_LINES != 0);
        let surrogate_octets = self.surrogate(index);
        Some(Facts {
            is_from_name: flags & IS_FROM_NAME != 0,
            stored_octets,
            modified_ns,
            octets,
            header_octets,
            is_crlf,
            has_dot_lines,
            surrogate_octets,
        })
    }

    /// The messages with a surrogate, ascending, and its octets.
    pub(super) fn surrogates(&self) -> &[(usize, Octets)] {
        &self.surrogates
    }

    fn surrogate(&self, index: usize) -> Option<u64> {
        let at = self.surrogates.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        self.surrogates.get(at).map(|(_, octets)| octets.as_u64())
    }

    /// Where the message lay when the maildrop was opened.
    pub(super) fn place(&self, index: usize) -> Option<Place<'_>> {
        let entry = self.entries.get(index)?;
        let folder = if entry.flags & IN_CUR == 0 { Folder::New } else { Folder::Cur };
        Some(Place { folder, suffix: self.suffixes.get(usize::from(entry.suffix)).map(AsRef::as_ref) })
    }

    /// Whether several files have the base name of the message.
    pub(super) fn has_twin(&self, index: usize) -> bool {
        self.entries.get(index).is_some_and(|entry| entry.flags & HAS_TWIN != 0)
    }

    /// The message's record in the index, if it has one.
    pub(super) fn ordinal(&self, index: usize) -> Option<u32> {
        self.entries.get(index).map(|entry| entry.ordinal).filter(|&ordinal| ordinal != NO_ORDINAL)
    }

    /// Bytes on the heap, without the listing.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let suffixes: usize = self.suffixes.iter().map(|suffix| size_of_val(suffix) + suffix.len()).sum();
        self.entries.capacity() * size_of::<Entry>() + self.names.capacity() + suffixes
    }
}

/// The different suffixes seen so far.
#[derive(Default)]
struct Suffixes<'a> {
    numbers: HashMap<&'a [u8], u16>,
    last: Option<(&'a [u8], u16)>,
    all: Vec<Box<[u8]>>,
}

impl<'a> Suffixes<'a> {
    fn number(&mut self, suffix: &'a [u8]) -> u16 {
        // Neighbours mostly have the same flags.
        if let Some((last, number)) = self.last
            && last == suffix
        {
            return number;
        }
        let next = u16::try_from(self.all.len()).unwrap_or(UNKNOWN_SUFFIX);
        let number = *self.numbers.entry(suffix).or_insert(next);
        if number == next && next != UNKNOWN_SUFFIX {
            self.all.push(suffix.into());
        }
        self.last = Some((suffix, number));
        number
    }
}

fn too_many() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "more messages than a listing can hold")
}

const SAME_NAME: u32 = u32::MAX;
const UNKNOWN_SUFFIX: u16 = u16::MAX;

const IN_CUR: u8 = 1;
const IS_CRLF: u8 = 2;
const HAS_DOT_LINES: u8 = 4;
const HAS_TWIN: u8 = 8;
const IS_FROM_NAME: u8 = 16;
