//! The index as a session replays it: in pieces, into as little memory as the messages can be found again with.
//!
//! A message's *position* is that of its record among the message records of the file, so it is its ordinal; messages
//! that are in no file follow. `maildir/` compares this with the folders, and makes the listing of it at last.
//! [`super::Index`] is the same with all facts in memory, for what goes through them all.

use std::cmp::Ordering;
use std::io;
use std::ops::Range;
use std::path::Path;

use restante_proto::maildrop::{Listing, Marks, Octets, UniqueIdCursor};

use super::codec::{self, Body, HEADER_BYTES, Header, RECORD_BYTES_MAX, Reader};
use super::rows::Rows;
use super::source::{Source, Window};
use super::{
    FILE_BYTES_MAX, Folder, Index, NO_ORDINAL, ORDINALS_MAX, Origin, RECORD_BYTES_USUAL, Record, Span,
    Stamps, WASTE_RECORDS,
};
use crate::disk::{Access, Disk, DiskFile, Kind};

/// What the index says of a maildrop, and what was found out since.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(super) source: Source,
    pub(super) rows: Rows,
    /// Octets and unique-ids, by position.
    pub(super) listing: Listing,
    /// Positions of messages that are not there any more.
    gone: Marks,
    /// Positions of messages that belong before one that stands before them, ascending.
    late: Vec<u32>,
    /// The place in the order of the last message that is not late.
    last: Option<Place>,
    /// Octets of the files of all messages, those that are gone too.
    stored_octets: u64,
    /// Positions of messages of which the file says when they were retrieved.
    retrieved: Marks,
    /// As [`Index::stamps`].
    pub(crate) stamps: Option<Stamps>,
    /// As [`Index::pending`].
    pub(crate) pending: Vec<u32>,
    /// As [`Index::origin`].
    pub(crate) origin: Option<Origin>,
}

/// What messages are sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    order: u64,
    delivered: i64,
    base_name: Vec<u8>,
}

impl Known {
    /// Reads and replays the index at `path`, as [`Index::load`].
    ///
    /// # Errors
    /// When there is a file that cannot be read.
    pub(crate) fn load(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        match disk.open(path, Access::Read) {
            Ok(file) => Self::replay(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Replays a file up to the first record that is not whole and right.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn replay(file: Box<dyn DiskFile>) -> io::Result<Self> {
        let mut pieces = Pieces::new(&*file)?;
        pieces.fill(&*file)?;
        let Some(header) = Header::read(pieces.bytes(), codec::INDEX) else { return Ok(Self::default()) };
        pieces.next = HEADER_BYTES;
        let messages = usize::try_from(pieces.length).unwrap_or(0) / RECORD_BYTES_USUAL;
        let mut known = Self {
            source: Source::new(file, header.nonce),
            rows: Rows::with_capacity(messages),
            listing: Listing::with_capacity(messages),
            ..Self::default()
        };
        let (records, is_whole) = known.replay_pieces(&mut pieces, header.nonce)?;
        if is_whole {
            known.origin = Some(Origin { nonce: header.nonce, bytes: pieces.length, records });
        } else {
            // A damaged file is good for facts, which the files can refute, and for nothing that changes them.
            known.stamps = None;
            known.pending.clear();
        }
        Ok(known)
    }

    /// Says how many records there were, and whether they were all right to the end.
    fn replay_pieces(&mut self, pieces: &mut Pieces, nonce: u64) -> io::Result<(u32, bool)> {
        let mut records: u32 = 0;
        loop {
            let (piece, limit) = (pieces.bytes(), pieces.limit());
            let mut reader = Reader::starting_at(pieces.next, piece, nonce);
            loop {
                let start = reader.position();
                if start >= limit {
                    break;
                }
                let Some(body) = reader.next() else { return Ok((records, false)) };
                let at = u32::try_from(pieces.start + start as u64).unwrap_or(u32::MAX);
                if !self.apply(body, piece, at)? {
                    return Ok((records, false));
                }
                records = records.saturating_add(1);
            }
            pieces.next = reader.position();
            if pieces.is_last() {
                return Ok((records, pieces.next == pieces.filled));
            }
            let Some(file) = self.source.file() else { return Ok((records, false)) };
            pieces.fill(file)?;
        }
    }

    /// Applies one record, which begins at byte `at` of the file. `false` when it makes no sense after those before it.
    fn apply(&mut self, body: Body<'_>, piece: &[u8], at: u32) -> io::Result<bool> {
        // Stamps speak only for what stands before them. A message that a delivery adds concerns its folder alone.
        match &body {
            Body::Message(record) if record.folder == Folder::New => {
                self.stamps = self.stamps.map(|Stamps { new, cur }| Stamps { new: new.unsettled(), cur });
            }
            // Says nothing of the folders.
            Body::Retrieved { .. } => {}
            _ => self.stamps = None,
        }
        let messages = self.rows.len();
        let is_known = |ordinal: u32| (ordinal as usize) < messages;
        match body {
            Body::Message(record) => {
                let parts = [record.base, record.suffix, record.unique_id].map(|span| span.of(piece));
                return Ok(self.push(&record, parts, super::source::Spot::File(at)).is_ok());
            }
            Body::Stamps(stamps) => self.stamps = Some(stamps),
            Body::Gone(mut ordinals) => {
                return Ok(ordinals.all(|ordinal| {
                    let is_known = is_known(ordinal);
                    if is_known {
                        self.gone.mark(ordinal as usize);
                    }
                    is_known
                }));
            }
            Body::Place { ordinal, folder, suffix } => {
                self.rows.set_place(ordinal as usize, folder, suffix.of(piece));
                return Ok(is_known(ordinal));
            }
            Body::Removal { ordinals, names } => {
                let start = self.pending.len();
                self.pending.extend(ordinals);
                return Ok(self.names_checksum(start)? == names);
            }
            Body::RemovalEnd => self.pending.clear(),
            Body::Retrieved { mut ordinals, .. } => {
                return Ok(ordinals.all(|ordinal| {
                    let is_known = is_known(ordinal);
                    if is_known {
                        self.retrieved.mark(ordinal as usize);
                    }
                    is_known
                }));
            }
        }
        Ok(true)
    }

    /// The checksum of the base names of `pending` from `start` on, without those that do not exist.
    fn names_checksum(&self, start: usize) -> io::Result<u32> {
        let mut names = self.base_names();
        let mut found = Vec::new();
        for &ordinal in self.pending.get(start..).unwrap_or_default() {
            if (ordinal as usize) < self.rows.len() {
                found.push(names.at(ordinal as usize)?.to_vec());
            }
        }
        Ok(codec::names_checksum(found.iter().map(Vec::as_slice)))
    }

    /// Adds a message, behind all others. Says its position. `parts` as in `Records::message`.
    ///
    /// # Errors
    /// When there are more messages than a listing can hold.
    fn push(
        &mut self,
        record: &Record,
        [base_name, suffix, unique_id]: [&[u8]; 3],
        spot: super::source::Spot,
    ) -> io::Result<usize> {
        let full = || io::Error::new(io::ErrorKind::InvalidInput, "more messages than a listing can hold");
        let position = self.rows.len();
        let number = u32::try_from(position).ok().filter(|&number| number < ORDINALS_MAX).ok_or_else(full)?;
        let shown = if unique_id.is_empty() { base_name } else { unique_id };
        let octets = Octets::new(record.facts.octets);
        self.listing.push(octets, shown).map_err(|_| full())?;
        self.stored_octets = self.stored_octets.saturating_add(record.facts.stored_octets);
        let place = (record.folder, suffix);
        self.rows.push(spot, !unique_id.is_empty(), place, record.facts.surrogate_octets);
        match &mut self.last {
            Some(last) if last.cmp_record(record, base_name) != Ordering::Less => self.late.push(number),
            Some(last) => {
                (last.order, last.delivered) = (record.order, record.delivered);
                last.base_name.clear();
                last.base_name.extend_from_slice(base_name);
            }
            None => self.last = Some(Place::new(record, base_name)),
        }
        Ok(position)
    }

    /// Adds a message that is in no file. Says its position.
    ///
    /// # Errors
    /// When there are more messages or names than can be held.
    pub(crate) fn add(&mut self, record: &Record, parts: [&[u8]; 3]) -> io::Result<usize> {
        let spot = self.source.keep(record, parts)?;
        let position = self.push(record, parts, spot)?;
        if record.has_twin {
            self.rows.set_twin(position);
        }
        Ok(position)
    }

    /// The records that are in no file, as bytes of the file.
    pub(crate) fn own(&self) -> &[u8] {
        self.source.own()
    }

    /// What is in no file from `position` on has been written to the file at `start`, whole and in its order.
    pub(crate) fn own_was_written(&mut self, position: usize, start: u32) {
        self.rows.move_to_file(position, start);
        self.source.clear_own();
    }

    /// How many messages there are, those that are gone too.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Octets of the canonical form of the message at `position`.
    pub(crate) fn octets(&self, position: usize) -> u64 {
        self.listing.octets(position).map_or(0, Octets::as_u64)
    }

    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    pub(crate) fn rows_mut(&mut self) -> &mut Rows {
        &mut self.rows
    }

    pub(crate) fn is_gone(&self, position: usize) -> bool {
        self.gone.is_marked(position)
    }

    /// The message is not there any more.
    pub(crate) fn bury(&mut self, position: usize) {
        if position < self.rows.len() {
            self.gone.mark(position);
        }
    }

    /// The base names, to be asked for by position; ascending ones cost least.
    pub(crate) fn base_names(&self) -> BaseNames<'_> {
        BaseNames::new(&self.listing, &self.rows, &self.source, Window::sequential())
    }

    /// Whether the file should be written anew: because much of it is of no use, or stands in the wrong order.
    pub(crate) fn is_wasteful(&self) -> bool {
        let live = self.rows.len() - self.gone.count();
        self.late.len() > LATE_MAX
            || self.origin.is_some_and(|origin| origin.records as usize > 2 * live + WASTE_RECORDS)
    }

    /// All that is known, with the facts. Records are in the order of their positions, which are their ordinals.
    ///
    /// # Errors
    /// When the file cannot be read, or somebody has changed it.
    pub(crate) fn to_index(&self) -> io::Result<Index> {
        let full = || io::Error::new(io::ErrorKind::InvalidInput, "more names than an index can hold");
        let mut index = Index {
            stamps: self.stamps,
            pending: self.pending.clone(),
            origin: self.origin,
            ..Index::default()
        };
        let mut window = Window::sequential();
        for position in (0..self.rows.len()).filter(|&position| !self.is_gone(position)) {
            let (Some(spot), Some((folder, suffix))) = (self.rows.spot(position), self.rows.place(position))
            else {
                continue;
            };
            let (record, bytes) = self.source.message(spot, &mut window)?;
            let record = Record {
                ordinal: u32::try_from(position).unwrap_or(NO_ORDINAL),
                folder,
                has_twin: self.rows.has_twin(position),
                base: index.intern(record.base.of(bytes)).ok_or_else(full)?,
                suffix: index.intern(suffix).ok_or_else(full)?,
                unique_id: match record.unique_id.of(bytes) {
                    [] => Span::default(),
                    unique_id => index.intern(unique_id).ok_or_else(full)?,
                },
                ..record
            };
            index.records.push(record);
        }
        if !self.retrieved.is_empty() {
            self.note_retrieved(&mut index)?;
        }
        Ok(index)
    }

    /// Reads once more when messages were retrieved.
    fn note_retrieved(&self, index: &mut Index) -> io::Result<()> {
        let Some(origin) = self.origin else { return Ok(()) };
        retrievals(&self.source, origin, |ordinal, seconds| {
            if let Ok(at) = index.records.binary_search_by_key(&ordinal, |record| record.ordinal)
                && let Some(record) = index.records.get_mut(at)
            {
                record.retrieved = record.retrieved.max(Some(seconds));
            }
        })
    }

    /// Puts the messages in POP order, without those that are gone. `None` for the order means that of the positions;
    /// else it says which position each message had.
    ///
    /// # Errors
    /// When the file cannot be read, or somebody has changed it.
    pub(crate) fn into_order(mut self) -> io::Result<Ordered> {
        let is_in_order = self.late.is_empty() && self.gone.is_empty();
        let order = if is_in_order { None } else { Some(self.order()?) };
        if let Some(order) = &order {
            let mut listing = Listing::with_capacity(order.len());
            let mut unique_ids = self.listing.unique_ids_from(0);
            let mut next = 0;
            let full =
                |_| io::Error::new(io::ErrorKind::InvalidInput, "more unique-ids than a listing can hold");
            for &position in order {
                let position = position as usize;
                let octets = self.listing.octets(position).unwrap_or_default();
                let unique_id = seek(&self.listing, &mut unique_ids, &mut next, position);
                listing.push(octets, unique_id.unwrap_or_default()).map_err(full)?;
            }
            self.listing = listing;
            self.rows = self.rows.in_order(order);
            let retrieved = std::mem::take(&mut self.retrieved);
            for (index, &position) in order.iter().enumerate().filter(|_| !retrieved.is_empty()) {
                if retrieved.is_marked(position as usize) {
                    self.retrieved.mark(index);
                }
            }
        }
        self.listing.shrink_to_fit();
        self.rows.shrink_to_fit();
        let Self { source, rows, listing, origin, stored_octets, retrieved, .. } = self;
        let stored_octets = is_in_order.then_some(stored_octets);
        Ok(Ordered { source, rows, listing, origin, order, stored_octets, retrieved })
    }

    fn order(&self) -> io::Result<Vec<u32>> {
        if self.late.len() > LATE_MAX {
            let mut index = self.to_index()?;
            index.sort();
            return Ok(index.records.iter().map(|record| record.ordinal).collect());
        }
        let mut late = self.late.iter().peekable();
        let mut order = Vec::with_capacity(self.rows.len());
        for position in 0..u32::try_from(self.rows.len()).unwrap_or(NO_ORDINAL) {
            if late.next_if_eq(&&position).is_none() && !self.is_gone(position as usize) {
                order.push(position);
            }
        }
        // Few, and mostly near the end. Of two records for one message the later one stays.
        let mut window = Window::single();
        for &position in self.late.iter().filter(|&&position| !self.is_gone(position as usize)) {
            let place = self.place(position, &mut window)?;
            let (mut low, mut high) = (0, order.len());
            while low < high {
                let middle = low.midpoint(high);
                let Some(&other) = order.get(middle) else { break };
                match self.place(other, &mut window)?.cmp(&place) {
                    Ordering::Less => low = middle + 1,
                    Ordering::Greater => high = middle,
                    Ordering::Equal => (low, high) = (middle, middle),
                }
            }
            match order.get_mut(low) {
                Some(other) if self.place(*other, &mut window)? == place => *other = position,
                _ => order.insert(low, position),
            }
        }
        Ok(order)
    }

    fn place(&self, position: u32, window: &mut Window) -> io::Result<Place> {
        let spot = self.rows.spot(position as usize).ok_or(io::ErrorKind::InvalidInput)?;
        let (record, bytes) = self.source.message(spot, window)?;
        Ok(Place::new(&record, record.base.of(bytes)))
    }
}

/// The messages in POP order.
#[derive(Debug)]
pub(crate) struct Ordered {
    pub(crate) source: Source,
    pub(crate) rows: Rows,
    pub(crate) listing: Listing,
    pub(crate) origin: Option<Origin>,
    /// Which position each had; `None` when it is the same.
    pub(crate) order: Option<Vec<u32>>,
    /// Octets of the files, when no record stands for none.
    pub(crate) stored_octets: Option<u64>,
    /// The messages of which the file says when they were retrieved.
    pub(crate) retrieved: Marks,
}

/// Reads the index file as a whole once more, and calls `each` with the ordinal of a message and when it was retrieved, in seconds since 1970.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn retrievals(source: &Source, origin: Origin, mut each: impl FnMut(u32, i64)) -> io::Result<()> {
    let Some(file) = source.file() else { return Ok(()) };
    let bytes = super::read_whole(file)?;
    let mut reader = Reader::new(&bytes, origin.nonce);
    while let Some(body) = reader.next() {
        if let Body::Retrieved { seconds, ordinals } = body {
            ordinals.for_each(|ordinal| each(ordinal, seconds));
        }
    }
    Ok(())
}

impl Place {
    fn new(record: &Record, base_name: &[u8]) -> Self {
        Self { order: record.order, delivered: record.delivered, base_name: base_name.to_vec() }
    }

    fn cmp_record(&self, record: &Record, base_name: &[u8]) -> Ordering {
        (self.order, self.delivered)
            .cmp(&(record.order, record.delivered))
            .then_with(|| self.base_name.as_slice().cmp(base_name))
    }
}

/// Base names by position or index.
#[derive(Debug)]
pub(crate) struct BaseNames<'a> {
    listing: &'a Listing,
    rows: &'a Rows,
    source: &'a Source,
    unique_ids: UniqueIdCursor<'a>,
    /// What `unique_ids` gives next.
    next: usize,
    window: Window,
}

impl<'a> BaseNames<'a> {
    pub(crate) fn new(listing: &'a Listing, rows: &'a Rows, source: &'a Source, window: Window) -> Self {
        let unique_ids = listing.unique_ids_from(0);
        Self { listing, rows, source, unique_ids, next: 0, window }
    }

    /// The base name of the message at `position`.
    ///
    /// # Errors
    /// When it stands in the file and that cannot be read or is another message's by now, or there is no such message.
    pub(crate) fn at(&mut self, position: usize) -> io::Result<&[u8]> {
        let spot = self.rows.spot(position).ok_or(io::ErrorKind::InvalidInput)?;
        if self.rows.has_own_unique_id(position) {
            let (record, bytes) = self.source.message(spot, &mut self.window)?;
            let listed = seek(self.listing, &mut self.unique_ids, &mut self.next, position);
            // What is removed goes by this name.
            if listed != Some(record.unique_id.of(bytes)) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the index has changed"));
            }
            return Ok(record.base.of(bytes));
        }
        seek(self.listing, &mut self.unique_ids, &mut self.next, position)
            .ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }
}

/// The unique-id at `position`, with a cursor that gives the one at `next` when it is asked.
fn seek<'a, 'b>(
    listing: &'a Listing,
    cursor: &'b mut UniqueIdCursor<'a>,
    next: &mut usize,
    position: usize,
) -> Option<&'b [u8]> {
    let steps = position.checked_sub(*next).filter(|&steps| steps < SEEK_MAX);
    match steps {
        Some(steps) => (0..steps).for_each(|_| {
            cursor.advance();
        }),
        None => *cursor = listing.unique_ids_from(position),
    }
    *next = position + 1;
    cursor.advance()
}

/// A file read in pieces.
struct Pieces {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were read.
    filled: usize,
    /// Where in `buffer` the next record begins.
    next: usize,
    /// Where in the file `buffer` begins.
    start: u64,
    /// How much of the file is read.
    length: u64,
}

impl Pieces {
    fn new(file: &dyn DiskFile) -> io::Result<Self> {
        let stat = file.stat()?;
        if stat.kind != Kind::File {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
        }
        let length = stat.size.min(FILE_BYTES_MAX);
        let buffer = vec![0; usize::try_from(length).unwrap_or(PIECE_BYTES).min(PIECE_BYTES)];
        Ok(Self { buffer, filled: 0, next: 0, start: 0, length })
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    fn is_last(&self) -> bool {
        self.start + self.filled as u64 >= self.length
    }

    /// Records that begin before this are whole, if they are right.
    fn limit(&self) -> usize {
        if self.is_last() { self.filled } else { self.filled.saturating_sub(RECORD_BYTES_MAX) }
    }

    /// Keeps what has not been replayed and reads on behind it.
    fn fill(&mut self, file: &dyn DiskFile) -> io::Result<()> {
        self.buffer.copy_within(self.next..self.filled, 0);
        self.start += self.next as u64;
        self.filled -= self.next;
        self.next = 0;
        while !self.is_last() {
            let left = usize::try_from(self.length - self.start).unwrap_or(PIECE_BYTES);
            let room: Range<usize> = self.filled..self.buffer.len().min(left);
            let Some(rest) = self.buffer.get_mut(room).filter(|rest| !rest.is_empty()) else { break };
            match file.read_at(rest, self.start + self.filled as u64)? {
                // Somebody has cut it meanwhile.
                0 => self.length = self.start + self.filled as u64,
                read => self.filled += read,
            }
        }
        Ok(())
    }
}

/// So many bytes of the file are in memory at a time; more is not faster.
const PIECE_BYTES: usize = 256 * 1024;

const _: () = assert!(PIECE_BYTES > 2 * RECORD_BYTES_MAX, "a piece makes progress");

/// So many messages in the wrong place are put in theirs one by one; for more, the file is written anew.
const LATE_MAX: usize = 1000;

/// A cursor goes so far before it is cheaper to begin with another one.
const SEEK_MAX: usize = 16;

#[cfg(test)]
mod tests;
