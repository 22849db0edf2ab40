//! The index of an mbox: what was found out about its messages, so that an unchanged file is not parsed again, and one
//! that was appended to only behind its old end. A cache, with the framing of `crate::index::codec`.
//!
//! Messages lie in the file one behind the other, so that their lengths say where they are, and a message that goes moves
//! all that follow without a word.

use std::io;

use super::layout::{INDEX, INDEX_NEW};
use super::scan::{Found, begins_at, scan, scan_one};
use super::{Form, Mboxes, Place};
use crate::disk::{Access, Disk, DiskFile, Stat};
use crate::failure::Failure;
use crate::index::codec::{self, Header, Reader, Records};
use crate::index::{NO_ORDINAL, Stamp, read_whole};
use crate::maildir::{new_nonce, replace};
use crate::maildrop::Shape;

/// Everything that is in an mbox.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Octets in front of the first message.
    pub(super) preamble: u64,
    /// In the order of the file.
    pub(super) entries: Vec<Entry>,
    /// How the file looked when this was true.
    looks: Option<Looks>,
    /// The form the octets were counted in.
    form: Form,
    /// Records that are wrong by now.
    dropped: Vec<u32>,
    /// The file this was read from, when it is whole.
    origin: Option<Origin>,
}

/// A message, and which of the file's records says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) found: Found,
    pub(super) ordinal: u32,
}

#[derive(Clone, Copy, Debug)]
struct Origin {
    nonce: u64,
    /// Message records in it, dead ones too.
    ordinals: u32,
}

/// How the mbox looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Looks {
    stamp: Stamp,
    size: u64,
}

impl Index {
    /// What the index in the control folder says. A missing, foreign or damaged one says nothing.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(super) fn load(disk: &dyn Disk, place: &Place) -> io::Result<Self> {
        match disk.open(&place.control.join(INDEX), Access::Read) {
            Ok(file) => Ok(Self::replay(&read_whole(&*file)?).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Brings this up to date with the mbox. `now_ns` is the file system's clock. Says whether anything is new.
    ///
    /// # Errors
    /// As the disk says; `InvalidData` when it is no mbox.
    pub(super) fn follow(
        &mut self,
        file: &dyn DiskFile,
        form: Form,
        now_ns: Option<i64>,
    ) -> io::Result<Followed> {
        let stat = file.stat()?;
        let now = Looks { stamp: Stamp::new(&stat, now_ns), size: stat.size };
        if self.form != form {
            *self = Self { form, ..Self::default() };
        }
        let known = self.looks.replace(now);
        let looks_alike = known.is_some_and(|known| known.is_like(&now));
        if looks_alike && known.is_some_and(|known| known.stamp.is_settled) {
            // What vouches for it is as good as before.
            self.looks = known;
            return Ok(Followed::Nothing);
        }
        let is_same_file = known.is_some_and(|known| {
            known.stamp.inode == now.stamp.inode && (known.size < now.size || looks_alike)
        });
        if is_same_file && self.extend(file, known.map_or(0, |known| known.size), &stat)? {
            return Ok(Followed::Appended);
        }
        let scan = scan(file, form, 0, stat.size)?;
        self.preamble = scan.preamble;
        self.entries = scan.messages.into_iter().map(Entry::new).collect();
        Ok(Followed::All)
    }

    /// Reads only what is behind the last message that is known, if everything in front of it seems to be in its place.
    fn extend(&mut self, file: &dyn DiskFile, known_size: u64, stat: &Stat) -> io::Result<bool> {
        let Some(last) = self.entries.last().copied() else { return Ok(false) };
        let total: u64 = self.preamble + self.entries.iter().map(|entry| entry.found.octets).sum::<u64>();
        let start = total - last.found.octets;
        let is_in_place = total == known_size && self.probe(file, stat.size)?;
        // What was the end may not have been: a blank line may have come behind it.
        let behind = match scan(file, self.form, start, stat.size) {
            Ok(scan) if is_in_place => scan.messages,
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(false),
            Err(error) => return Err(error),
        };
        let is_same = behind.first().is_some_and(|first| first.digest == last.found.digest);
        if is_same {
            let is_as_known = behind.first() == Some(&last.found);
            if !is_as_known {
                self.entries.pop();
                self.dropped.extend(Some(last.ordinal).filter(|&ordinal| ordinal != NO_ORDINAL));
            }
            self.entries.extend(behind.into_iter().skip(usize::from(is_as_known)).map(Entry::new));
        }
        Ok(is_same)
    }

    /// Looks at some messages spread over the file: whether they are where they should be.
    fn probe(&self, file: &dyn DiskFile, size: u64) -> io::Result<bool> {
        let every = (self.entries.len() / PROBES).max(1);
        let mut at = self.preamble;
        for (number, entry) in self.entries.iter().enumerate() {
            if number.is_multiple_of(every) && number > 0 && !begins_at(file, at, size)? {
                return Ok(false);
            }
            if number == 0 {
                let first = scan_one(file, self.form, at, entry.found.octets.min(size.saturating_sub(at)))?;
                if at > 0 || first.is_none_or(|first| first.digest != entry.found.digest) {
                    return Ok(false);
                }
            }
            at += entry.found.octets;
        }
        Ok(true)
    }

    /// Notes that these messages were removed, and how the file looks now.
    pub(super) fn remove(&mut self, positions: &[usize], stat: &Stat, now_ns: Option<i64>) -> Vec<u32> {
        let mut gone = positions.iter().copied().peekable();
        let (mut at, mut ordinals) = (0, Vec::new());
        self.entries.retain(|entry| {
            let is_gone = gone.next_if_eq(&at).is_some();
            if is_gone {
                ordinals.push(entry.ordinal);
            }
            at += 1;
            !is_gone
        });
        self.looks = Some(Looks { stamp: Stamp::new(stat, now_ns), size: stat.size });
        ordinals
    }

    /// Notes that the first message has so many more octets in the file, none of which is shown. The record of it is wrong by then.
    pub(super) fn grow_first(&mut self, octets: u64) {
        if let Some(first) = self.entries.first_mut() {
            first.found.octets += octets;
        }
    }

    /// Writes down what is new: appended, when the file is good for that and `gone` are known to it, else anew.
    ///
    /// # Errors
    /// When it could not be written; the next session looks for itself then.
    pub(super) fn save(
        &mut self,
        mboxes: &Mboxes,
        place: &Place,
        followed: Followed,
        gone: &[u32],
    ) -> Result<(), Failure> {
        if followed == Followed::Nothing && gone.is_empty() {
            return Ok(());
        }
        let is_wasteful = |origin: &Origin| origin.ordinals as usize > 2 * self.entries.len() + WASTE_RECORDS;
        let is_known = !gone.contains(&NO_ORDINAL) && followed != Followed::All;
        let origin = self.origin.filter(|origin| is_known && !is_wasteful(origin));
        match origin {
            Some(origin) => self.append(mboxes, place, origin, gone),
            None => self.rewrite(mboxes, place),
        }
    }

    fn append(
        &mut self,
        mboxes: &Mboxes,
        place: &Place,
        origin: Origin,
        gone: &[u32],
    ) -> Result<(), Failure> {
        let mut records = Records::appended(origin.nonce);
        records.gone(gone);
        records.gone(&std::mem::take(&mut self.dropped));
        let mut ordinals = origin.ordinals;
        for entry in self.entries.iter_mut().filter(|entry| entry.ordinal == NO_ORDINAL) {
            push_message(&mut records, &entry.found);
            entry.ordinal = ordinals;
            ordinals += 1;
        }
        self.push_looks(&mut records);
        self.origin = Some(Origin { ordinals, ..origin });
        let path = place.control.join(INDEX);
        let append = || mboxes.disk().open(&path, Access::Append)?.append(&records.bytes);
        append().map_err(Failure::at("append to", &path))
    }

    fn rewrite(&mut self, mboxes: &Mboxes, place: &Place) -> Result<(), Failure> {
        let path = place.control.join(INDEX_NEW);
        self.dropped.clear();
        let nonce = new_nonce().map_err(Failure::at("choose a number for", &path))?;
        let mut records = Records::file(codec::MBOX_INDEX, Header { nonce, count: 0 });
        for (entry, ordinal) in self.entries.iter_mut().zip(0..) {
            push_message(&mut records, &entry.found);
            entry.ordinal = ordinal;
        }
        self.push_looks(&mut records);
        let ordinals = u32::try_from(self.entries.len()).unwrap_or(NO_ORDINAL);
        self.origin = Some(Origin { nonce, ordinals });
        replace(mboxes.disk(), &path, &place.control.join(INDEX), &records.bytes, mboxes.settings.file_mode)
    }

    fn push_looks(&self, records: &mut Records) {
        if let Some(Looks { stamp, size }) = self.looks {
            records.push(LOOKS, |bytes| {
                bytes.extend_from_slice(&stamp.inode.to_le_bytes());
                bytes.extend_from_slice(&stamp.modified_ns.to_le_bytes());
                bytes.extend_from_slice(&stamp.changed_ns.to_le_bytes());
                bytes.extend_from_slice(&size.to_le_bytes());
                bytes.extend_from_slice(&self.preamble.to_le_bytes());
                bytes.push(u8::from(stamp.is_settled) | if self.form == Form::Mboxo { 2 } else { 0 });
            });
        }
    }

    /// Only a file that is whole, with how the mbox looked as its last word, says anything.
    fn replay(bytes: &[u8]) -> Option<Self> {
        let header = Header::read(bytes, codec::MBOX_INDEX)?;
        let mut reader = Reader::new(bytes, header.nonce);
        let mut index = Self::default();
        let mut live: Vec<Option<Found>> = Vec::new();
        while let Some((kind, body)) = reader.frame() {
            let body = bytes.get(body)?;
            index.looks = None;
            match kind {
                MESSAGE => live.push(Some(read_message(body)?)),
                codec::GONE => {
                    for ordinal in body.as_chunks::<4>().0 {
                        *live.get_mut(u32::from_le_bytes(*ordinal) as usize)? = None;
                    }
                }
                LOOKS => index.read_looks(body)?,
                _ => return None,
            }
        }
        index.looks.filter(|_| reader.is_at_end())?;
        let ordinals = u32::try_from(live.len()).ok()?;
        index.origin = Some(Origin { nonce: header.nonce, ordinals });
        let entries = live.into_iter().zip(0..);
        index.entries =
            entries.filter_map(|(found, ordinal)| found.map(|found| Entry { found, ordinal })).collect();
        Some(index)
    }

    fn read_looks(&mut self, body: &[u8]) -> Option<()> {
        let (numbers, flags) = body.split_last_chunk::<1>()?;
        let [inode, modified, changed, size, preamble] =
            <[[u8; 8]; 5]>::try_from(numbers.as_chunks().0).ok()?;
        let stamp = Stamp {
            inode: u64::from_le_bytes(inode),
            modified_ns: i64::from_le_bytes(modified),
            changed_ns: i64::from_le_bytes(changed),
            is_settled: flags[0] & 1 != 0,
        };
        self.looks = Some(Looks { stamp, size: u64::from_le_bytes(size) });
        self.preamble = u64::from_le_bytes(preamble);
        self.form = if flags[0] & 2 == 0 { Form::Mboxrd } else { Form::Mboxo };
        Some(())
    }
}

impl Looks {
    const fn is_like(&self, other: &Self) -> bool {
        self.size == other.size && self.stamp.is_like(&other.stamp)
    }
}

impl Entry {
    pub(super) const fn new(found: Found) -> Self {
        Self { found, ordinal: NO_ORDINAL }
    }
}

/// What [`Index::follow`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// Everything is as the index said.
    Nothing,
    /// Messages were appended, or it is not sure that nothing changed.
    Appended,
    /// Everything was read.
    All,
}

fn push_message(records: &mut Records, found: &Found) {
    let Found { octets, head, digest, is_internal, shape } = found;
    let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
    records.push(MESSAGE, |bytes| {
        bytes.push(
            flag(shape.is_crlf, IS_CRLF)
                | flag(shape.has_dot_lines, HAS_DOT_LINES)
                | flag(*is_internal, IS_INTERNAL)
                | flag(shape.surrogate_octets.is_some(), HAS_SURROGATE),
        );
        bytes.extend_from_slice(&head.to_le_bytes());
        bytes.extend_from_slice(digest);
        let surrogate = shape.surrogate_octets.unwrap_or(0);
        for number in [*octets, shape.stored_octets, shape.octets, shape.header_octets, surrogate] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    });
}

fn read_message(body: &[u8]) -> Option<Found> {
    let (&[flags, head @ ..], rest) = body.split_first_chunk::<3>()?;
    let (digest, numbers) = rest.split_first_chunk()?;
    let [octets, stored_octets, in_all, header_octets, surrogate] =
        <[[u8; 8]; 5]>::try_from(numbers.as_chunks().0).ok()?.map(u64::from_le_bytes);
    let head = u16::from_le_bytes(head);
    let is_sound = flags & !FLAGS == 0 && u64::from(head) <= octets && stored_octets <= octets;
    let shape = Shape {
        octets: in_all,
        header_octets,
        stored_octets,
        is_crlf: flags & IS_CRLF != 0,
        has_dot_lines: flags & HAS_DOT_LINES != 0,
        surrogate_octets: (flags & HAS_SURROGATE != 0).then_some(surrogate),
    };
    let is_internal = flags & IS_INTERNAL != 0;
    is_sound.then_some(Found { octets, head, digest: *digest, is_internal, shape })
}

/// A message of an mbox.
const MESSAGE: u8 = 32;
/// How the mbox looked.
const LOOKS: u8 = 33;

const IS_CRLF: u8 = 1;
const HAS_DOT_LINES: u8 = 2;
const HAS_SURROGATE: u8 = 4;
const IS_INTERNAL: u8 = 8;
const FLAGS: u8 = IS_CRLF | HAS_DOT_LINES | HAS_SURROGATE | IS_INTERNAL;

/// So many messages are looked at before an mbox that has grown is believed to have grown only at its end.
const PROBES: usize = 64;

/// So many useless records are not worth the writing.
const WASTE_RECORDS: usize = 256;
