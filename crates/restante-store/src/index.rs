//! The sidecar index of a maildrop: what was once found out about its messages, so that it need not be again.
//!
//! A cache, never the truth: the files are. This module knows bytes and replays them; `index/codec.rs` holds the
//! layout; `maildir/` decides what to believe and when to write. docs/on-disk.md describes the file.

pub(crate) mod codec;
pub(crate) mod known;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod memory;
pub(crate) mod rows;
pub(crate) mod source;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::disk::{Access, Disk, DiskFile, Kind, Stat};
use codec::{Body, Header, Reader, Records};

/// The replayed index, and a buffer to which names that are learnt later are added.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// The file as it was read, then the names of messages that are not in it.
    pub(crate) buffer: Vec<u8>,
    /// The live messages, in the order of the file until [`Index::sort`].
    pub(crate) records: Vec<Record>,
    /// What the folders looked like when the index agreed with them. Only there when nothing follows it in the file.
    pub(crate) stamps: Option<Stamps>,
    /// Ordinals of the messages whose removal was recorded and may not be finished.
    pub(crate) pending: Vec<u32>,
    /// The file this was replayed from; `None` when it is missing, foreign or damaged, so that it must be rewritten.
    pub(crate) origin: Option<Origin>,
}

/// The file an index was replayed from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// Chosen when the file was made; its records carry it in their checksums.
    pub(crate) nonce: u64,
    /// Length of the file.
    pub(crate) bytes: u64,
    /// Records of any kind in it.
    pub(crate) records: u32,
}

/// A message in the index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) facts: Facts,
    /// Place before all that have none.
    pub(crate) order: u64,
    /// Seconds since 1970: the number in front of the base name, else the time of change when it was first seen.
    pub(crate) delivered: i64,
    /// Position among the message records of the file, or [`NO_ORDINAL`].
    pub(crate) ordinal: u32,
    pub(crate) base: Span,
    pub(crate) suffix: Span,
    /// Empty when the unique-id is the base name.
    pub(crate) unique_id: Span,
    pub(crate) folder: Folder,
    /// Seconds since 1970: when a client last retrieved the message, if that was noted. Forgotten with the index.
    pub(crate) retrieved: Option<i64>,
    /// Another file has the same base name. Not in the file, because the folders are listed as long as it is so.
    pub(crate) has_twin: bool,
}

/// What is known of a message's contents, and of the file it was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Nobody has read the message yet: the octets are what its name says, and nothing below them is known.
    pub(crate) is_from_name: bool,
    /// Bytes of the file.
    pub(crate) stored_octets: u64,
    /// Its time of change in nanoseconds since 1970.
    pub(crate) modified_ns: i64,
    /// Octets of the canonical form.
    pub(crate) octets: u64,
    /// See `Shape::header_octets`; saturates.
    pub(crate) header_octets: u32,
    pub(crate) is_crlf: bool,
    pub(crate) has_dot_lines: bool,
    /// Octets of the surrogate in its canonical form, when the message has one.
    pub(crate) surrogate_octets: Option<u64>,
}

/// A piece of [`Index::buffer`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    length: u8,
}

/// The folder of a Maildir a message lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Folder {
    New,
    Cur,
}

/// What both folders looked like at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamps {
    pub(crate) new: Stamp,
    pub(crate) cur: Stamp,
}

/// What a folder looked like at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) inode: u64,
    pub(crate) modified_ns: i64,
    pub(crate) changed_ns: i64,
    /// The moment was late enough after the change that a later change must show.
    pub(crate) is_settled: bool,
}

impl Index {
    /// Reads and replays the index at `path`.
    ///
    /// # Errors
    /// When there is a file that cannot be read. A missing, foreign or damaged one is no error: what is whole of it
    /// is replayed, and `origin` is `None`.
    pub(crate) fn load(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        match disk.open(path, Access::Read) {
            Ok(file) => Ok(Self::replay(read_whole(&*file)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Replays the bytes of a file up to the first record that is not whole and right.
    pub(crate) fn replay(buffer: Vec<u8>) -> Self {
        let Some(header) = Header::read(&buffer, codec::INDEX) else { return Self::default() };
        let mut replay = Replay::with_capacity(buffer.len() / RECORD_BYTES_USUAL);
        let mut reader = Reader::new(&buffer, header.nonce);
        while let Some(body) = reader.next() {
            if !replay.apply(body, &buffer) {
                reader.refuse();
                break;
            }
        }
        let origin = reader.is_at_end().then_some(Origin {
            nonce: header.nonce,
            bytes: buffer.len() as u64,
            records: replay.count,
        });
        if replay.dead > 0 {
            replay.records.retain(|record| record.ordinal != NO_ORDINAL);
        }
        // A damaged file is good for facts, which the files can refute, and for nothing that changes them.
        let (stamps, pending) =
            if origin.is_some() { (replay.stamps, replay.pending) } else { (None, Vec::new()) };
        Self { records: replay.records, stamps, pending, origin, buffer }
    }

    /// The bytes of a span.
    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        span.of(&self.buffer)
    }

    /// Adds `bytes` to the buffer. `None` when they are longer than 255 octets or the buffer is full.
    pub(crate) fn intern(&mut self, bytes: &[u8]) -> Option<Span> {
        let span = Span::new(self.buffer.len(), bytes.len())?;
        self.buffer.extend_from_slice(bytes);
        Some(span)
    }

    /// Puts the records in POP order: those with a place, then by time of delivery, then by base name. Of two records
    /// for one message the later one stays.
    pub(crate) fn sort(&mut self) {
        let Self { buffer, records, .. } = self;
        let order = |a: &Record, b: &Record| {
            (a.order, a.delivered)
                .cmp(&(b.order, b.delivered))
                .then_with(|| a.base.of(buffer).cmp(b.base.of(buffer)))
        };
        // Deliveries append in the order of time, so most of the time there is nothing to do.
        if !records.is_sorted_by(|a, b| order(a, b) == Ordering::Less) {
            records.sort_by(|a, b| order(a, b).then(a.ordinal.cmp(&b.ordinal)));
            records.dedup_by(|later, kept| {
                let is_same = order(later, kept) == Ordering::Equal;
                if is_same {
                    let retrieved = later.retrieved.max(kept.retrieved);
                    *kept = Record { retrieved, ..*later };
                }
                is_same
            });
        }
    }

    /// A whole new file with those of the records that it is for, in their order.
    pub(crate) fn write(&self, nonce: u64, is_for_index: impl Fn(&Record) -> bool) -> Records {
        let mut records = Records::file(codec::INDEX, Header { nonce, count: 0 });
        let mut retrieved: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for record in self.records.iter().filter(|record| is_for_index(record)) {
            if let Some(seconds) = record.retrieved {
                retrieved.entry(seconds).or_default().push(records.messages);
            }
            let parts = [record.base, record.suffix, record.unique_id].map(|span| self.bytes(span));
            records.message(record, parts);
        }
        for (seconds, ordinals) in &retrieved {
            records.retrieved(*seconds, ordinals);
        }
        records
    }
}

/// The state while replaying.
struct Replay {
    /// All message records; dead ones have [`NO_ORDINAL`].
    records: Vec<Record>,
    stamps: Option<Stamps>,
    pending: Vec<u32>,
    ordinals: u32,
    count: u32,
    dead: usize,
}

impl Replay {
    fn with_capacity(records: usize) -> Self {
        let records = Vec::with_capacity(records);
        Self { records, stamps: None, pending: Vec::new(), ordinals: 0, count: 0, dead: 0 }
    }

    /// Applies one record. `false` when it makes no sense after those before it.
    fn apply(&mut self, body: Body<'_>, file: &[u8]) -> bool {
        self.count = self.count.saturating_add(1);
        // Stamps speak only for what stands before them. A message that a delivery adds concerns its folder alone.
        match &body {
            Body::Message(record) if record.folder == Folder::New => {
                self.stamps = self.stamps.map(|Stamps { new, cur }| Stamps { new: new.unsettled(), cur });
            }
            // Says nothing of the folders.
            Body::Retrieved { .. } => {}
            _ => self.stamps = None,
        }
        match body {
            Body::Message(mut record) => {
                if self.ordinals >= ORDINALS_MAX {
                    return false;
                }
                record.ordinal = self.ordinals;
                self.ordinals += 1;
                self.records.push(record);
            }
            Body::Stamps(stamps) => self.stamps = Some(stamps),
            Body::Gone(mut ordinals) => return ordinals.all(|ordinal| self.bury(ordinal)),
            Body::Place { ordinal, folder, suffix } => {
                let Some(record) = self.records.get_mut(ordinal as usize) else { return false };
                record.folder = folder;
                record.suffix = suffix;
            }
            Body::Removal { ordinals, names } => {
                let start = self.pending.len();
                self.pending.extend(ordinals);
                let added = self.pending.get(start..).unwrap_or_default();
                let base_name =
                    |&ordinal: &u32| self.records.get(ordinal as usize).map(|record| record.base.of(file));
                return codec::names_checksum(added.iter().filter_map(base_name)) == names;
            }
            Body::RemovalEnd => self.pending.clear(),
            Body::Retrieved { seconds, mut ordinals } => {
                return ordinals.all(|ordinal| self.note_retrieved(ordinal, seconds));
            }
        }
        true
    }

    /// The latest time counts, whatever the order of the records: rather too long kept than too short.
    fn note_retrieved(&mut self, ordinal: u32, seconds: i64) -> bool {
        let Some(record) = self.records.get_mut(ordinal as usize) else { return false };
        record.retrieved = record.retrieved.max(Some(seconds));
        true
    }

    fn bury(&mut self, ordinal: u32) -> bool {
        let Some(record) = self.records.get_mut(ordinal as usize) else { return false };
        record.ordinal = NO_ORDINAL;
        self.dead += 1;
        true
    }
}

impl Stamps {
    /// Whether both folders look the same as at another moment.
    pub(crate) fn are_like(&self, other: &Self) -> bool {
        self.new.is_like(&other.new) && self.cur.is_like(&other.cur)
    }

    /// Whether any later change of either folder must show.
    pub(crate) const fn are_settled(&self) -> bool {
        self.new.is_settled && self.cur.is_settled
    }
}

impl Stamp {
    /// What `stat` of a folder says, asked at the moment `now_ns` of the file system's clock or later. Without a
    /// clock nothing is settled.
    pub(crate) fn new(stat: &Stat, now_ns: Option<i64>) -> Self {
        let Stat { inode, modified_ns, changed_ns, .. } = *stat;
        let latest = modified_ns.max(changed_ns);
        let is_settled = now_ns.is_some_and(|now| {
            let is_coarse = [modified_ns, changed_ns, now].iter().all(|time| time % SECOND_NS == 0);
            now.saturating_sub(latest) >= if is_coarse { COARSE_NS } else { FINE_NS }
        });
        Self { inode, modified_ns, changed_ns, is_settled }
    }

    /// Whether the folder looks the same as at another moment.
    pub(crate) const fn is_like(&self, other: &Self) -> bool {
        self.inode == other.inode
            && self.modified_ns == other.modified_ns
            && self.changed_ns == other.changed_ns
    }

    const fn unsettled(self) -> Self {
        Self { is_settled: false, ..self }
    }
}

impl Record {
    /// Whether the unique-id differs from the base name.
    pub(crate) const fn has_own_unique_id(&self) -> bool {
        self.unique_id.length > 0
    }
}

impl Span {
    pub(crate) fn new(start: usize, length: usize) -> Option<Self> {
        // The end must fit too.
        u32::try_from(start.checked_add(length)?).ok()?;
        Some(Self { start: u32::try_from(start).ok()?, length: u8::try_from(length).ok()? })
    }

    pub(crate) fn of(self, buffer: &[u8]) -> &[u8] {
        let start = self.start as usize;
        buffer.get(start..start + usize::from(self.length)).unwrap_or_default()
    }
}

/// Reads a file of ours in one go, up to [`FILE_BYTES_MAX`]; what lies behind is taken for damage.
pub(crate) fn read_whole(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let stat = file.stat()?;
    if stat.kind != Kind::File {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
    }
    let length = usize::try_from(stat.size.min(FILE_BYTES_MAX)).unwrap_or(0);
    let mut buffer = vec![0; length];
    let read = file.read_up_to(&mut buffer, 0)?;
    buffer.truncate(read);
    Ok(buffer)
}

/// No message record of the file, or an unknown one.
pub(crate) const NO_ORDINAL: u32 = u32::MAX;

/// No place of its own.
pub(crate) const NO_ORDER: u64 = u64::MAX;

const SECOND_NS: i64 = 1_000_000_000;

/// File systems that keep whole seconds, or even ones only: a change up to so much later may leave the stamp as it is.
const COARSE_NS: i64 = 2 * SECOND_NS;

/// The others take the time from the kernel's tick, at most 10 ms; ten times that is safe.
const FINE_NS: i64 = SECOND_NS / 10;

/// More messages than any listing can hold.
const ORDINALS_MAX: u32 = u32::MAX - 1;

/// Ten million messages; spans reach four times as far.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Used to guess how many records there are; a wrong guess costs a copy.
const RECORD_BYTES_USUAL: usize = 72;

/// So many useless records are not worth the writing.
const WASTE_RECORDS: usize = 256;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
