//! The bytes of `restante.index` and `restante.unique-ids`: header, framing, records. docs/on-disk.md is the text.
//!
//! Everything is little-endian. Reading takes anything and never panics; what is not whole and right ends it.

use crc32fast::Hasher;
use memchr::memchr2;
use restante_proto::maildrop::UniqueId;

use super::{Facts, Folder, NO_ORDER, NO_ORDINAL, Record, Span, Stamp, Stamps};
use crate::maildir::layout::delivery_time;

/// The first 32 bytes of a file: 0 magic, 8 kind, 12 version, 16 nonce, 24 count, 28 checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Chosen at random for every new file. All checksums start from it, so that a block of another file, which a
    /// crash may bring to light, is not taken for part of this one.
    pub(crate) nonce: u64,
    /// Records in a file that is only ever written whole; 0 in one that is appended to.
    pub(crate) count: u32,
}

impl Header {
    /// The header of a file of this kind; `None` when it is another's, damaged, or of another version.
    pub(crate) fn read(bytes: &[u8], kind: &[u8; 4]) -> Option<Self> {
        let (covered, mut rest) = bytes.split_at_checked(HEADER_BYTES - 4)?;
        let mut fields = covered;
        let is_ours = take::<8>(&mut fields)? == *MAGIC
            && take::<4>(&mut fields)? == *kind
            && u32::from_le_bytes(take(&mut fields)?) == version(kind);
        let nonce = u64::from_le_bytes(take(&mut fields)?);
        let count = u32::from_le_bytes(take(&mut fields)?);
        let is_whole = u32::from_le_bytes(take(&mut rest)?) == crc32fast::hash(covered);
        (is_ours && is_whole).then_some(Self { nonce, count })
    }

    fn write(self, kind: [u8; 4], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&kind);
        bytes.extend_from_slice(&version(&kind).to_le_bytes());
        bytes.extend_from_slice(&self.nonce.to_le_bytes());
        bytes.extend_from_slice(&self.count.to_le_bytes());
        let checksum = crc32fast::hash(bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
    }
}

/// One record. Spans point into the whole file.
#[derive(Clone, Debug)]
pub(crate) enum Body<'a> {
    /// A message, present from here on.
    Message(Record),
    /// The folders looked so when everything before this record was true.
    Stamps(Stamps),
    /// These messages are not there any more.
    Gone(Ordinals<'a>),
    /// The message has another name now.
    Place { ordinal: u32, folder: Folder, suffix: Span },
    /// These messages are being removed. `names` is the checksum of their base names.
    Removal { ordinals: Ordinals<'a>, names: u32 },
    /// The removals before this record have been carried out as far as they can be.
    RemovalEnd,
    /// A client retrieved these messages then, in seconds since 1970.
    Retrieved { seconds: i64, ordinals: Ordinals<'a> },
}

/// The ordinals in a record.
#[derive(Clone, Debug)]
pub(crate) struct Ordinals<'a>(&'a [u8]);

impl Iterator for Ordinals<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        take(&mut self.0).map(u32::from_le_bytes)
    }
}

/// Cuts a file into records.
pub(crate) struct Reader<'a> {
    file: &'a [u8],
    at: usize,
    last: usize,
    seed: Hasher,
}

impl<'a> Reader<'a> {
    /// Reads the records behind the header.
    pub(crate) fn new(file: &'a [u8], nonce: u64) -> Self {
        Self::starting_at(HEADER_BYTES, file, nonce)
    }

    /// Reads the records from the byte at `at` of a piece of a file. Spans are of that piece.
    pub(crate) fn starting_at(at: usize, piece: &'a [u8], nonce: u64) -> Self {
        Self { file: piece, at, last: at, seed: seed(nonce) }
    }

    /// Where the next record begins.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// The next message, stamp or other index record; `None` at the end or at the first that is not whole and right.
    pub(crate) fn next(&mut self) -> Option<Body<'a>> {
        let (kind, body) = self.frame()?;
        let parsed = self.parse(kind, body);
        if parsed.is_none() {
            self.refuse();
        }
        parsed
    }

    /// The next record, whatever it is: its kind and where its body lies.
    pub(crate) fn frame(&mut self) -> Option<(u8, std::ops::Range<usize>)> {
        let mut rest = self.file.get(self.at..)?;
        let mut head = rest;
        let length = usize::from(u16::from_le_bytes(take(&mut head)?));
        let [kind] = take(&mut head)?;
        let covered = rest.split_off(..FRAME_HEAD_BYTES + length)?;
        if u32::from_le_bytes(take(&mut rest)?) != checksum(&self.seed, covered) {
            return None;
        }
        let start = self.at + FRAME_HEAD_BYTES;
        self.last = self.at;
        self.at = start + length + CHECKSUM_BYTES;
        Some((kind, start..start + length))
    }

    /// Takes the last record back: it makes no sense.
    pub(crate) fn refuse(&mut self) {
        self.at = self.last;
    }

    /// Whether every byte of the file has been read as part of a right record.
    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.file.len()
    }

    fn parse(&self, kind: u8, body: std::ops::Range<usize>) -> Option<Body<'a>> {
        let mut fields = Fields { rest: self.file.get(body.clone())?, end: body.end };
        let parsed = match kind {
            MESSAGE => Body::Message(fields.message(self.file)?),
            STAMPS => Body::Stamps(Stamps { new: fields.stamp()?, cur: fields.stamp()? }),
            GONE => Body::Gone(fields.ordinals()?),
            PLACE => {
                let (ordinal, folder, suffix) = (fields.u32()?, fields.folder()?, fields.tail()?);
                is_suffix(suffix.of(self.file)).then_some(Body::Place { ordinal, folder, suffix })?
            }
            REMOVAL => Body::Removal { names: fields.u32()?, ordinals: fields.ordinals()? },
            REMOVAL_END => Body::RemovalEnd,
            RETRIEVED => {
                let seconds = i64::from_le_bytes(take(&mut fields.rest)?);
                Body::Retrieved { seconds, ordinals: fields.ordinals()? }
            }
            _ => return None,
        };
        fields.rest.is_empty().then_some(parsed)
    }
}

/// The fields of one body, from front to back.
struct Fields<'a> {
    rest: &'a [u8],
    /// Where `rest` ends in the file.
    end: usize,
}

impl<'a> Fields<'a> {
    fn message(&mut self, file: &[u8]) -> Option<Record> {
        let [flags, base_length, suffix_length, unique_id_length] = take(&mut self.rest)?;
        let modified_ns = i64::from_le_bytes(take(&mut self.rest)?);
        let stored_octets = self.varint()?;
        let octets = stored_octets.checked_add(self.varint()?)?;
        let header_octets = u32::try_from(self.varint()?).ok()?;
        let surrogate_octets = if flags & HAS_SURROGATE == 0 { None } else { Some(self.varint()?) };
        let explicit =
            if flags & HAS_TIME == 0 { None } else { Some(i64::from_le_bytes(take(&mut self.rest)?)) };
        let order = if flags & HAS_ORDER == 0 { NO_ORDER } else { u64::from_le_bytes(take(&mut self.rest)?) };
        let base = self.span(base_length)?;
        let suffix = self.span(suffix_length)?;
        let unique_id = self.span(unique_id_length)?;
        let delivered = explicit.or_else(|| delivery_time(base.of(file)))?;
        let folder = if flags & IN_CUR == 0 { Folder::New } else { Folder::Cur };
        let (ordinal, has_twin) = (NO_ORDINAL, false);
        let (is_crlf, has_dot_lines) = (flags & IS_CRLF != 0, flags & HAS_DOT_LINES != 0);
        let facts = Facts {
            is_from_name: flags & IS_FROM_NAME != 0,
            stored_octets,
            modified_ns,
            octets,
            header_octets,
            is_crlf,
            has_dot_lines,
            surrogate_octets,
        };
        // Whoever can write into the maildrop can write this file, and must not lead us out of there with it.
        let is_sound = base_length > 0
            && flags & !FLAGS == 0
            && is_file_name(base.of(file))
            && is_suffix(suffix.of(file))
            && is_unique_id(if unique_id_length == 0 { base } else { unique_id }.of(file));
        is_sound.then_some(Record {
            facts,
            order,
            delivered,
            ordinal,
            base,
            suffix,
            unique_id,
            folder,
            retrieved: None,
            has_twin,
        })
    }

    fn stamp(&mut self) -> Option<Stamp> {
        let inode = u64::from_le_bytes(take(&mut self.rest)?);
        let modified_ns = i64::from_le_bytes(take(&mut self.rest)?);
        let changed_ns = i64::from_le_bytes(take(&mut self.rest)?);
        let is_settled = take(&mut self.rest)? == [1];
        Some(Stamp { inode, modified_ns, changed_ns, is_settled })
    }

    fn u32(&mut self) -> Option<u32> {
        take(&mut self.rest).map(u32::from_le_bytes)
    }

    fn folder(&mut self) -> Option<Folder> {
        match take(&mut self.rest)? {
            [0] => Some(Folder::New),
            [1] => Some(Folder::Cur),
            _ => None,
        }
    }

    fn ordinals(&mut self) -> Option<Ordinals<'a>> {
        let all = std::mem::take(&mut self.rest);
        all.len().is_multiple_of(4).then_some(Ordinals(all))
    }

    /// All that is left.
    fn tail(&mut self) -> Option<Span> {
        self.span(u8::try_from(self.rest.len()).ok()?)
    }

    fn span(&mut self, length: u8) -> Option<Span> {
        let span = Span::new(self.end - self.rest.len(), usize::from(length));
        self.rest.split_off(..usize::from(length))?;
        span
    }

    /// Seven bits an octet, the least significant first; the highest bit says that more follow.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [octet] = take(&mut self.rest)?;
            let bits = u64::from(octet & 0x7F);
            value |= bits << shift;
            if octet & 0x80 == 0 {
                return (value >> shift == bits).then_some(value);
            }
        }
        None
    }
}

/// Records to be written, with the header in front when the file is new.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) bytes: Vec<u8>,
    seed: Hasher,
    /// Message records so far.
    pub(crate) messages: u32,
    /// Records of any kind so far.
    pub(crate) count: u32,
}

impl Records {
    /// A whole new file.
    pub(crate) fn file(kind: &[u8; 4], header: Header) -> Self {
        let mut records = Self::appended(header.nonce);
        header.write(*kind, &mut records.bytes);
        records
    }

    /// Records to append to the file with this nonce.
    pub(crate) fn appended(nonce: u64) -> Self {
        Self { bytes: Vec::new(), seed: seed(nonce), messages: 0, count: 0 }
    }

    /// A message. `parts` are base name, suffix and, when it differs from the base name, unique-id.
    pub(crate) fn message(&mut self, record: &Record, parts: [&[u8]; 3]) {
        let named_time = parts.first().copied().and_then(delivery_time);
        let mut flags = if record.folder == Folder::Cur { IN_CUR } else { 0 };
        flags |= if record.facts.is_crlf { IS_CRLF } else { 0 };
        flags |= if record.facts.has_dot_lines { HAS_DOT_LINES } else { 0 };
        flags |= if named_time == Some(record.delivered) { 0 } else { HAS_TIME };
        flags |= if record.order == NO_ORDER { 0 } else { HAS_ORDER };
        flags |= if record.facts.surrogate_octets.is_some() { HAS_SURROGATE } else { 0 };
        flags |= if record.facts.is_from_name { IS_FROM_NAME } else { 0 };
        self.push(MESSAGE, |bytes| {
            // Spans and file names are at most 255 octets long.
            let length = |part: &[u8]| u8::try_from(part.len()).unwrap_or(u8::MAX);
            let [base, suffix, unique_id] = parts;
            bytes.extend_from_slice(&[flags, length(base), length(suffix), length(unique_id)]);
            bytes.extend_from_slice(&record.facts.modified_ns.to_le_bytes());
            push_varint(record.facts.stored_octets, bytes);
            push_varint(record.facts.octets.saturating_sub(record.facts.stored_octets), bytes);
            push_varint(u64::from(record.facts.header_octets), bytes);
            record.facts.surrogate_octets.into_iter().for_each(|octets| push_varint(octets, bytes));
            if flags & HAS_TIME != 0 {
                bytes.extend_from_slice(&record.delivered.to_le_bytes());
            }
            if flags & HAS_ORDER != 0 {
                bytes.extend_from_slice(&record.order.to_le_bytes());
            }
            parts.iter().for_each(|part| bytes.extend_from_slice(part));
        });
        self.messages = self.messages.saturating_add(1);
    }

    /// What the folders look like.
    pub(crate) fn stamps(&mut self, stamps: &Stamps) {
        self.push(STAMPS, |bytes| {
            for stamp in [stamps.new, stamps.cur] {
                bytes.extend_from_slice(&stamp.inode.to_le_bytes());
                bytes.extend_from_slice(&stamp.modified_ns.to_le_bytes());
                bytes.extend_from_slice(&stamp.changed_ns.to_le_bytes());
                bytes.push(u8::from(stamp.is_settled));
            }
        });
    }

    /// Messages that are not there any more.
    pub(crate) fn gone(&mut self, ordinals: &[u32]) {
        for part in ordinals.chunks(ORDINALS_PER_RECORD) {
            self.push(GONE, |bytes| push_ordinals(part, bytes));
        }
    }

    /// Another name of a message.
    pub(crate) fn place(&mut self, ordinal: u32, folder: Folder, suffix: &[u8]) {
        self.push(PLACE, |bytes| {
            bytes.extend_from_slice(&ordinal.to_le_bytes());
            bytes.push(u8::from(folder == Folder::Cur));
            bytes.extend_from_slice(suffix);
        });
    }

    /// Messages that are being removed: their ordinals and base names.
    pub(crate) fn removal<'a>(&mut self, ordinals: &[u32], base_name: impl Fn(u32) -> &'a [u8]) {
        for part in ordinals.chunks(ORDINALS_PER_RECORD) {
            let names = names_checksum(part.iter().map(|&ordinal| base_name(ordinal)));
            self.push(REMOVAL, |bytes| {
                bytes.extend_from_slice(&names.to_le_bytes());
                push_ordinals(part, bytes);
            });
        }
    }

    /// The removals before have been carried out.
    pub(crate) fn removal_end(&mut self) {
        self.push(REMOVAL_END, |_| ());
    }

    /// Messages that a client retrieved at this time, in seconds since 1970.
    pub(crate) fn retrieved(&mut self, seconds: i64, ordinals: &[u32]) {
        for part in ordinals.chunks(ORDINALS_PER_RECORD) {
            self.push(RETRIEVED, |bytes| {
                bytes.extend_from_slice(&seconds.to_le_bytes());
                push_ordinals(part, bytes);
            });
        }
    }

    /// A record of any kind. Bodies are shorter than 64 KiB.
    pub(crate) fn push(&mut self, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0, kind]);
        body(&mut self.bytes);
        let length = u16::try_from(self.bytes.len() - start - FRAME_HEAD_BYTES).unwrap_or(u16::MAX);
        if let Some(field) = self.bytes.get_mut(start..start + 2) {
            field.copy_from_slice(&length.to_le_bytes());
        }
        let checksum = checksum(&self.seed, self.bytes.get(start..).unwrap_or_default());
        self.bytes.extend_from_slice(&checksum.to_le_bytes());
        self.count = self.count.saturating_add(1);
    }
}

/// The checksum of base names in a removal, so that a message can never be removed in another's place.
pub(crate) fn names_checksum<'a>(base_names: impl Iterator<Item = &'a [u8]>) -> u32 {
    let mut hasher = Hasher::new();
    for base_name in base_names {
        hasher.update(base_name);
        hasher.update(b"\0");
    }
    hasher.finalize()
}

/// Names that begin with a dot are no messages, and so are those of the folder itself and the one above.
pub(crate) fn is_file_name(name: &[u8]) -> bool {
    !name.starts_with(b".") && memchr2(b'/', 0, name).is_none()
}

fn is_suffix(suffix: &[u8]) -> bool {
    memchr2(b'/', 0, suffix).is_none()
}

fn is_unique_id(octets: &[u8]) -> bool {
    (1..=UniqueId::OCTETS_MAX).contains(&octets.len()) && octets.iter().all(u8::is_ascii_graphic)
}

fn push_ordinals(ordinals: &[u32], bytes: &mut Vec<u8>) {
    ordinals.iter().for_each(|ordinal| bytes.extend_from_slice(&ordinal.to_le_bytes()));
}

fn push_varint(mut value: u64, bytes: &mut Vec<u8>) {
    while value > 0x7F {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn seed(nonce: u64) -> Hasher {
    Hasher::new_with_initial((nonce ^ nonce >> 32) as u32)
}

fn checksum(seed: &Hasher, covered: &[u8]) -> u32 {
    let mut hasher = seed.clone();
    hasher.update(covered);
    hasher.finalize()
}

/// The first `N` octets, taken off.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

/// `restante.index`.
pub(crate) const INDEX: &[u8; 4] = b"indx";
/// `restante.index` of an mbox.
pub(crate) const MBOX_INDEX: &[u8; 4] = b"mbox";
/// `restante.unique-ids`.
pub(crate) const UNIQUE_IDS: &[u8; 4] = b"uids";
/// A unique-id that another server gave, in [`UNIQUE_IDS`].
pub(crate) const OVERRIDE: u8 = 16;
/// `restante.accessed`.
pub(crate) const ACCESSED: &[u8; 4] = b"accs";
/// Digests of base names, in [`ACCESSED`].
pub(crate) const DIGESTS: u8 = 17;
/// `restante.bulletins`.
pub(crate) const BULLETINS: &[u8; 4] = b"blln";
/// The last bulletin that a maildrop was given, in [`BULLETINS`].
pub(crate) const LAST_BULLETIN: u8 = 18;
/// The base name of a bulletin on its way from `tmp/` to `new/`, in [`BULLETINS`].
pub(crate) const PENDING_BULLETIN: u8 = 19;
/// What an account was shown last, apart from the maildrops.
pub(crate) const SHOWN: &[u8; 4] = b"shwn";
/// Where the maildrop lay, in [`SHOWN`].
pub(crate) const SHOWN_PLACE: u8 = 24;
/// A sample of its messages, in [`SHOWN`].
pub(crate) const SHOWN_SAMPLE: u8 = 25;
/// Why it is guarded, in [`SHOWN`].
pub(crate) const SHOWN_VERDICT: u8 = 26;
/// The length of [`Header`].
pub(crate) const HEADER_BYTES: usize = 32;

const MAGIC: &[u8; 8] = b"restante";

/// The version of a file of this kind. The index has a new one whenever surrogates are made differently, since it
/// holds their octets.
fn version(kind: &[u8; 4]) -> u32 {
    if kind == INDEX { 3 } else { 1 }
}

/// No record is longer.
pub(crate) const RECORD_BYTES_MAX: usize = FRAME_HEAD_BYTES + u16::MAX as usize + CHECKSUM_BYTES;
/// No record of a message is longer: lengths and flags, 5 numbers, time and place, three names.
pub(crate) const MESSAGE_BYTES_MAX: usize = FRAME_HEAD_BYTES + 4 + 5 * 10 + 16 + 3 * 255 + CHECKSUM_BYTES;

const FRAME_HEAD_BYTES: usize = 3;
const CHECKSUM_BYTES: usize = 4;
/// 60 KiB, under the 64 KiB that a length can say.
const ORDINALS_PER_RECORD: usize = 15 * 1024;

const MESSAGE: u8 = 1;
const STAMPS: u8 = 2;
/// Messages that are not there any more, by their ordinals.
pub(crate) const GONE: u8 = 3;
const PLACE: u8 = 4;
const REMOVAL: u8 = 5;
const REMOVAL_END: u8 = 6;
const RETRIEVED: u8 = 7;

const IN_CUR: u8 = 1;
const IS_CRLF: u8 = 2;
const HAS_DOT_LINES: u8 = 4;
const HAS_TIME: u8 = 8;
const HAS_ORDER: u8 = 16;
const HAS_SURROGATE: u8 = 32;
const IS_FROM_NAME: u8 = 64;
const FLAGS: u8 = IN_CUR | IS_CRLF | HAS_DOT_LINES | HAS_TIME | HAS_ORDER | HAS_SURROGATE | IS_FROM_NAME;
