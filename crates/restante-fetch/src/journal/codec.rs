//! The bytes of a journal: header, blocks, steps. docs/on-disk.md is the text.
//!
//! Numbers of fixed width are little-endian. Reading takes anything and never panics.

use crc32fast::Hasher;
use jiff::Timestamp;

use super::entries::{Change, Known, Replay, Totals};
use super::{Contents, Ending, Poll, QuitOutcome, Stage};
use crate::key::Key;
use crate::sink::SinkId;

/// What a file begins with: 0 magic, 8 kind, 12 version, 16 nonce, 24 octets of the account's name, 28 checksum; then that name and its
/// checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Chosen at random for every new file. All checksums start from it, so that a block of another file, which a crash may bring to
    /// light, is not taken for part of this one.
    pub(super) nonce: u64,
    /// The account's name when the journal began.
    pub(super) account: Box<str>,
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// A later version has written it.
    Later(u32),
    Damaged,
}

impl Header {
    /// The fixed part says how many octets follow it.
    pub(super) fn following(fixed: &[u8; HEADER_OCTETS]) -> Result<usize, HeaderFault> {
        let mut fields = Fields(fixed);
        let is_ours = fields.array() == Some(*MAGIC) && fields.array() == Some(*KIND);
        let version = fields.u32().filter(|_| is_ours).ok_or(HeaderFault::Damaged)?;
        if version > VERSION {
            return Err(HeaderFault::Later(version));
        }
        let length = (|| {
            fields.array::<8>()?;
            let length = fields.u32().filter(|length| *length <= ACCOUNT_OCTETS_MAX)?;
            let (covered, _) = fixed.split_last_chunk::<4>()?;
            let is_whole = fields.u32()? == crc32fast::hash(covered);
            (version == VERSION && is_whole).then_some(length as usize + CHECKSUM_OCTETS)
        })();
        length.ok_or(HeaderFault::Damaged)
    }

    /// From the fixed part and as many octets as follow.
    pub(super) fn read(fixed: &[u8; HEADER_OCTETS], rest: &[u8]) -> Option<Self> {
        let nonce = u64::from_le_bytes(*fixed.get(16..)?.first_chunk()?);
        let (account, checksum) = rest.split_last_chunk::<CHECKSUM_OCTETS>()?;
        let is_whole = u32::from_le_bytes(*checksum) == checksum_of(seed(nonce), &[account]);
        let account = std::str::from_utf8(account).ok().filter(|_| is_whole)?;
        Some(Self { nonce, account: account.into() })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_OCTETS + self.account.len() + CHECKSUM_OCTETS);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(KIND);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.nonce.to_le_bytes());
        // A folder's name is shorter than 256 octets.
        bytes.extend_from_slice(&(self.account.len() as u32).to_le_bytes());
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(self.account.as_bytes());
        let checksum = checksum_of(seed(self.nonce), &[self.account.as_bytes()]);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

/// What stands before the steps that were written together: 0 magic, 4 octets of the steps, 8 offset up to which the file was durable, 16 checksum of
/// the steps, 20 checksum of what stands before and of the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Octets of the steps.
    pub(super) octets: u32,
    /// Whoever wrote this knew that the file was durable up to here, this block not included. 0 in the blocks of a file that is
    /// written whole, except the last, which has no steps and says it of all before it: the file gets its name when it is durable.
    pub(super) durable: u64,
    checksum: u32,
}

impl Block {
    /// `None` when no block of this file begins here.
    pub(super) fn read(bytes: &[u8; BLOCK_OCTETS], nonce: u64, at: u64) -> Option<Self> {
        let mut fields = Fields(bytes);
        let is_block = fields.array() == Some(*BLOCK);
        let (octets, low, high) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let checksum = fields.u32()?;
        let durable = u64::from(low) | u64::from(high) << 32;
        let (covered, _) = bytes.split_last_chunk::<CHECKSUM_OCTETS>()?;
        let is_whole = fields.u32()? == checksum_of(seed(nonce), &[covered, &at.to_le_bytes()]);
        let is_sound = is_block && is_whole && durable <= at;
        is_sound.then_some(Self { octets, durable, checksum })
    }

    pub(super) fn is_of(&self, steps: &[u8], nonce: u64) -> bool {
        self.checksum == checksum_of(seed(nonce), &[steps])
    }

    /// A whole block, to be written at `at`.
    pub(super) fn write(steps: &[u8], nonce: u64, at: u64, durable: u64, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        bytes.extend_from_slice(BLOCK);
        // The log is cut before that.
        bytes.extend_from_slice(&(steps.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&durable.to_le_bytes());
        bytes.extend_from_slice(&checksum_of(seed(nonce), &[steps]).to_le_bytes());
        let covered = bytes.get(start..).unwrap_or_default();
        let checksum = checksum_of(seed(nonce), &[covered, &at.to_le_bytes()]);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(steps);
    }
}

/// One step, as it is written.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// A message, which has the next ordinal.
    Listed {
        key: &'a Key,
        octets: Option<u64>,
        at: Timestamp,
    },
    /// A sink, which has the next ordinal of sinks.
    Sink(&'a SinkId),
    Changed {
        ordinal: u32,
        change: &'a Change,
    },
    Renamed {
        ordinal: u32,
        key: &'a Key,
    },
    Forgotten {
        ordinal: u32,
    },
    Polled(Poll),
    Ended(Ending),
    /// A message with all that is known of it, which has the next ordinal.
    Known {
        key: &'a Key,
        known: &'a Known,
        sinks: &'a [SinkId],
    },
    Totals(&'a Totals),
}

/// Steps to be written.
#[derive(Debug, Default)]
pub(super) struct Log {
    bytes: Vec<u8>,
    /// Where blocks end, except the last.
    cuts: Vec<usize>,
}

impl Log {
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn clear(&mut self) {
        // One pass may have been large; the next is not.
        *self = Self::default();
    }

    /// For [`Log::back_to`].
    pub(super) const fn mark(&self) -> usize {
        self.bytes.len()
    }

    /// Takes back what was pushed since.
    pub(super) fn back_to(&mut self, mark: usize) {
        self.bytes.truncate(mark);
        self.cuts.retain(|cut| *cut <= mark);
    }

    /// The steps of each block.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.cuts.iter().copied().chain([self.bytes.len()]);
        let mut start = 0;
        ends.filter_map(move |end| {
            let block = self.bytes.get(start..end);
            start = end;
            block.filter(|block| !block.is_empty())
        })
    }

    pub(super) fn push(&mut self, step: &Step<'_>) {
        if self.bytes.len() - self.cuts.last().copied().unwrap_or(0) >= BLOCK_OCTETS_USUAL {
            self.cuts.push(self.bytes.len());
        }
        match *step {
            Step::Listed { key, octets, at } => {
                self.bytes.push(LISTED);
                self.key(key);
                self.option(octets, Self::varint);
                self.time(at);
            }
            Step::Sink(sink) => {
                self.bytes.push(SINK);
                self.text(sink.0.as_bytes());
            }
            Step::Changed { ordinal, change } => self.change(ordinal, change),
            Step::Renamed { ordinal, key } => {
                self.head(RENAMED, ordinal);
                self.key(key);
            }
            Step::Forgotten { ordinal } => self.head(FORGOTTEN, ordinal),
            Step::Polled(poll) => {
                self.bytes.push(POLLED);
                self.poll(poll);
            }
            Step::Ended(ending) => {
                self.bytes.push(ENDED);
                self.ending(ending);
            }
            Step::Known { key, known, sinks } => {
                self.bytes.push(KNOWN);
                self.key(key);
                self.known(known, sinks);
            }
            Step::Totals(totals) => {
                self.bytes.push(TOTALS);
                self.option(totals.poll, Self::poll);
                self.option(totals.ending, Self::ending);
                self.varint(u64::from(totals.polled_s));
                self.bytes.push(u8::from(totals.was_imported));
            }
        }
    }

    /// About how many octets a message takes in a file that is written whole.
    pub(super) fn octets_of(key: &Key, known: &Known) -> u64 {
        let entry = &known.entry;
        let texts = [entry.name.as_deref(), entry.reason.as_deref()];
        let texts: usize = texts.into_iter().map(|text| text.map_or(0, str::len)).sum();
        let contents = if entry.contents.is_some() { CONTENTS_OCTETS } else { 0 };
        (key.unique_id.len() + texts + entry.marks.len() + contents + KNOWN_OCTETS) as u64
    }

    fn change(&mut self, ordinal: u32, change: &Change) {
        match change {
            Change::Octets(octets) => {
                self.head(OCTETS, ordinal);
                self.varint(*octets);
            }
            Change::Skipped(reason) => {
                self.head(SKIPPED, ordinal);
                self.text(reason.as_bytes());
            }
            Change::Intended(contents, name) => {
                self.head(INTENDED, ordinal);
                self.contents(*contents);
                self.text(name.as_bytes());
            }
            Change::Marked(sink) => {
                self.head(MARKED, ordinal);
                self.varint(u64::from(*sink));
            }
            Change::Collected(at) => {
                self.head(COLLECTED, ordinal);
                self.time(*at);
            }
            Change::Quarantined(reason) => {
                self.head(QUARANTINED, ordinal);
                self.text(reason.as_bytes());
            }
            Change::Gone(at) => {
                self.head(GONE, ordinal);
                self.time(*at);
            }
            Change::Returned => self.head(RETURNED, ordinal),
        }
    }

    fn known(&mut self, known: &Known, sinks: &[SinkId]) {
        let Known { entry, unlisted_s } = known;
        match entry.stage {
            Stage::Listed => self.bytes.push(0),
            Stage::Skipped => self.bytes.push(1),
            Stage::Intended => self.bytes.push(2),
            Stage::Collected => self.bytes.push(3),
            Stage::Quarantined => self.bytes.push(4),
            Stage::Gone(at) => {
                self.bytes.push(5);
                self.time(at);
            }
        }
        self.option(entry.listed_octets, Self::varint);
        self.option(entry.contents, Self::contents);
        self.option(entry.name.as_deref(), |log, name| log.text(name.as_bytes()));
        self.option(entry.reason.as_deref(), |log, reason| log.text(reason.as_bytes()));
        let ordinal = |mark: &SinkId| sinks.iter().position(|sink| sink == mark);
        let marks: Vec<usize> = entry.marks.iter().filter_map(ordinal).collect();
        self.varint(marks.len() as u64);
        marks.into_iter().for_each(|mark| self.varint(mark as u64));
        self.time(entry.first_listed);
        self.option(entry.collected, Self::time);
        self.option(unlisted_s.map(u64::from), Self::varint);
    }

    fn head(&mut self, kind: u8, ordinal: u32) {
        self.bytes.push(kind);
        self.varint(u64::from(ordinal));
    }

    fn key(&mut self, key: &Key) {
        self.text(&key.unique_id);
        self.varint(u64::from(key.occurrence));
        self.varint(u64::from(key.generation));
    }

    fn contents(&mut self, contents: Contents) {
        self.varint(contents.octets);
        self.bytes.extend_from_slice(&contents.digest);
        self.bytes.extend_from_slice(&contents.header_digest);
    }

    fn poll(&mut self, poll: Poll) {
        self.time(poll.at);
        self.varint(u64::from(poll.messages));
    }

    fn ending(&mut self, ending: Ending) {
        self.time(ending.at);
        self.varint(u64::from(ending.deletions));
        self.bytes.push(match ending.outcome {
            QuitOutcome::Committed => 0,
            QuitOutcome::NotCommitted => 1,
            QuitOutcome::Unknown => 2,
        });
    }

    fn option<T>(&mut self, value: Option<T>, push: impl FnOnce(&mut Self, T)) {
        self.bytes.push(u8::from(value.is_some()));
        if let Some(value) = value {
            push(self, value);
        }
    }

    /// Seconds since 1970, those before it between the others.
    fn time(&mut self, at: Timestamp) {
        let seconds = at.as_second();
        self.varint(((seconds << 1) ^ (seconds >> 63)).cast_unsigned());
    }

    fn text(&mut self, text: &[u8]) {
        self.varint(text.len() as u64);
        self.bytes.extend_from_slice(text);
    }

    /// Seven bits an octet, the least significant first; the highest bit says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value > 0x7F {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

/// Replays the steps of one block. `None` when they make no sense.
pub(super) fn replay(steps: &[u8], replay: &mut Replay) -> Option<()> {
    let mut fields = Fields(steps);
    while let Some(kind) = fields.octet() {
        match kind {
            LISTED => {
                let (key, octets) = (fields.key()?, fields.option(Fields::varint)?);
                replay.found(key, Known::listed(octets, fields.time()?));
            }
            SINK => replay.sink(SinkId(fields.string()?)),
            RENAMED => replay.rename(fields.u32_varint()?, fields.key()?)?,
            FORGOTTEN => replay.forget(fields.u32_varint()?)?,
            POLLED => {
                let poll = fields.poll()?;
                replay.totals().poll(poll);
            }
            ENDED => replay.totals().ending = Some(fields.ending()?),
            KNOWN => {
                let key = fields.key()?;
                let known = fields.known(replay.sinks())?;
                replay.found(key, known);
            }
            TOTALS => *replay.totals() = fields.totals()?,
            _ => {
                let ordinal = fields.u32_varint()?;
                replay.change(ordinal, fields.change(kind)?)?;
            }
        }
    }
    Some(())
}

/// The fields of steps, from front to back.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn change(&mut self, kind: u8) -> Option<Change> {
        Some(match kind {
            OCTETS => Change::Octets(self.varint()?),
            SKIPPED => Change::Skipped(self.string()?),
            INTENDED => Change::Intended(self.contents()?, self.string()?),
            MARKED => Change::Marked(self.u32_varint()?),
            COLLECTED => Change::Collected(self.time()?),
            QUARANTINED => Change::Quarantined(self.string()?),
            GONE => Change::Gone(self.time()?),
            RETURNED => Change::Returned,
            _ => return None,
        })
    }

    fn known(&mut self, sinks: &[SinkId]) -> Option<Known> {
        let stage = match self.octet()? {
            0 => Stage::Listed,
            1 => Stage::Skipped,
            2 => Stage::Intended,
            3 => Stage::Collected,
            4 => Stage::Quarantined,
            5 => Stage::Gone(self.time()?),
            _ => return None,
        };
        let mut known = Known::listed(self.option(Self::varint)?, Timestamp::MAX);
        let entry = &mut known.entry;
        entry.stage = stage;
        entry.contents = self.option(Self::contents)?;
        entry.name = self.option(Self::string)?;
        entry.reason = self.option(Self::string)?;
        for _ in 0..self.varint()? {
            entry.marks.push(sinks.get(self.u32_varint()? as usize)?.clone());
        }
        entry.first_listed = self.time()?;
        entry.collected = self.option(Self::time)?;
        known.unlisted_s = self.option(Self::u32_varint)?;
        Some(known)
    }

    fn totals(&mut self) -> Option<Totals> {
        Some(Totals {
            poll: self.option(Self::poll)?,
            ending: self.option(Self::ending)?,
            polled_s: self.u32_varint()?,
            was_imported: self.flag()?,
        })
    }

    fn key(&mut self) -> Option<Key> {
        let unique_id = self.text()?.into();
        Some(Key { unique_id, occurrence: self.u32_varint()?, generation: self.u32_varint()? })
    }

    fn contents(&mut self) -> Option<Contents> {
        Some(Contents { octets: self.varint()?, digest: self.array()?, header_digest: self.array()? })
    }

    fn poll(&mut self) -> Option<Poll> {
        Some(Poll { at: self.time()?, messages: self.u32_varint()? })
    }

    fn ending(&mut self) -> Option<Ending> {
        let (at, deletions) = (self.time()?, self.u32_varint()?);
        let outcome = match self.octet()? {
            0 => QuitOutcome::Committed,
            1 => QuitOutcome::NotCommitted,
            2 => QuitOutcome::Unknown,
            _ => return None,
        };
        Some(Ending { at, deletions, outcome })
    }

    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        Some(if self.flag()? { Some(read(self)?) } else { None })
    }

    fn flag(&mut self) -> Option<bool> {
        match self.octet()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn time(&mut self) -> Option<Timestamp> {
        let folded = self.varint()?;
        let seconds = (folded >> 1).cast_signed() ^ -((folded & 1).cast_signed());
        Timestamp::from_second(seconds).ok()
    }

    fn string(&mut self) -> Option<Box<str>> {
        std::str::from_utf8(self.text()?).ok().map(Into::into)
    }

    fn text(&mut self) -> Option<&[u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        self.0.split_off(..length)
    }

    fn u32_varint(&mut self) -> Option<u32> {
        u32::try_from(self.varint()?).ok()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let octet = self.octet()?;
            let bits = u64::from(octet & 0x7F);
            value |= bits << shift;
            if octet & 0x80 == 0 {
                return (value >> shift == bits).then_some(value);
            }
        }
        None
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn octet(&mut self) -> Option<u8> {
        self.0.split_off_first().copied()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.0.split_off(..N)?.first_chunk().copied()
    }
}

fn checksum_of(seed: u32, parts: &[&[u8]]) -> u32 {
    let mut hasher = Hasher::new_with_initial(seed);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

const fn seed(nonce: u64) -> u32 {
    (nonce >> 32) as u32 ^ nonce as u32
}

/// The fixed part of the header.
pub(super) const HEADER_OCTETS: usize = 32;

/// What stands before the steps of a block.
pub(super) const BLOCK_OCTETS: usize = 24;

pub(super) const BLOCK: &[u8; 4] = b"\xB6jrn";

/// More than one step ever adds to the usual. What says it is longer is refused.
pub(super) const BLOCK_OCTETS_MAX: u32 = 4 * 1024 * 1024;

/// A block that has so many octets ends with the next step: what is read at once, and what is written at once when the file is written whole.
pub(super) const BLOCK_OCTETS_USUAL: usize = 256 * 1024;

const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"restante";

const KIND: &[u8; 4] = b"jrnl";

/// A file name has fewer octets, however its name is encoded there.
const ACCOUNT_OCTETS_MAX: u32 = 255;

const CHECKSUM_OCTETS: usize = 4;

/// Octets, digest and digest of the header, about.
const CONTENTS_OCTETS: usize = 52;

/// Stage, flags, octets and times, about.
const KNOWN_OCTETS: usize = 24;

const LISTED: u8 = 1;
const OCTETS: u8 = 2;
const SKIPPED: u8 = 3;
const INTENDED: u8 = 4;
const MARKED: u8 = 5;
const COLLECTED: u8 = 6;
const QUARANTINED: u8 = 7;
const GONE: u8 = 8;
const RETURNED: u8 = 9;
const RENAMED: u8 = 10;
const FORGOTTEN: u8 = 11;
const POLLED: u8 = 12;
const ENDED: u8 = 13;
const SINK: u8 = 14;
const KNOWN: u8 = 15;
const TOTALS: u8 = 16;
