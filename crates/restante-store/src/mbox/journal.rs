//! `restante.journal` and its twin: what change of the mbox is going on, written down and synced before the mbox is
//! touched, and taken back when all of it is durable. docs/on-disk.md has the bytes.
//!
//! Two files take turns, so that the next step of a long change never overwrites the only word about the last one.
//! `rewrite.rs` and `writer.rs` write them, `recovery.rs` reads them; all of them hold the locks.

use std::io;

use crc32fast::Hasher;

use super::layout::JOURNAL;
use super::locks::Guard;
use crate::disk::{Access, DiskFile};
use crate::failure::Failure;

/// What is going on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The data are being appended behind what was there before.
    Append,
    /// Pieces of the file are moved down, over what is removed.
    Cut(Cut),
}

/// Pieces of the file that stay and are moved down, and how far that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Where the first removed octet was. What stays is moved to here.
    pub(super) start: u64,
    /// Place and length of what stays behind `start`, ascending.
    pub(super) runs: Vec<(u64, u64)>,
    /// So many octets of the runs are in their new place, durably.
    pub(super) done: u64,
    /// So many more are being copied. With data these are in the journal, else still in their old place.
    pub(super) copying: u64,
    /// Checksum of the last octets of the file as it was: they stay there until it is cut off.
    pub(super) tail: u32,
}

/// One entry, and where its data lie.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    /// The mbox, and how long it was before the change.
    pub(super) inode: u64,
    pub(super) size: u64,
    pub(super) change: Change,
    file: Box<dyn DiskFile>,
    data_at: u64,
    data_octets: u64,
}

/// Something that gives its octets piece by piece, as often as it is asked.
pub(super) type Pieces<'a> = dyn Fn(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> + 'a;

/// Writes an entry and makes it durable.
///
/// # Errors
/// When that failed. The entry does not count, and the one before it is still there.
pub(super) fn write(
    guard: &Guard,
    number: u64,
    (inode, size): (u64, u64),
    change: &Change,
    data: &Pieces<'_>,
) -> Result<(), Failure> {
    let path = guard.control(&name(number));
    let write = || {
        let (disk, mode) = (guard.disk(), guard.mboxes.settings.file_mode);
        let file = match disk.open(&path, Access::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk.open(&path, Access::CreateNew(mode))?.append(&[0; RESERVE_BYTES])?;
                disk.sync_folder(&guard.place.control)?;
                disk.open(&path, Access::Write)?
            }
            result => result?,
        };
        let mut body = Vec::new();
        body.extend_from_slice(&inode.to_le_bytes());
        body.extend_from_slice(&size.to_le_bytes());
        encode(change, &mut body);
        let mut hasher = Hasher::new();
        hasher.update(&body);
        file.write_at(&body, HEADER_BYTES)?;
        let data_at = HEADER_BYTES + body.len() as u64;
        let mut at = data_at;
        data(&mut |piece| {
            hasher.update(piece);
            file.write_at(piece, at)?;
            at += piece.len() as u64;
            Ok(())
        })?;
        let mut header = Vec::with_capacity(HEADER_BYTES as usize);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&number.to_le_bytes());
        header.extend_from_slice(&(body.len() as u64).to_le_bytes());
        header.extend_from_slice(&(at - data_at).to_le_bytes());
        header.extend_from_slice(&hasher.finalize().to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        // The header says that the rest is there, so a torn one must not.
        file.write_at(&header, 0)?;
        file.sync()
    };
    write().map_err(Failure::at("write", &path))
}

/// Makes the files while there is room, as far as there is. A full disk then keeps nobody from removing.
pub(super) fn reserve(guard: &Guard) {
    let (disk, mode) = (guard.disk(), guard.mboxes.settings.file_mode);
    for number in 0..2 {
        let path = guard.control(&name(number));
        if disk.stat(&path).is_err()
            && let Ok(file) = disk.open(&path, Access::CreateNew(mode))
        {
            let made = file.append(&[0; RESERVE_BYTES]).and_then(|()| file.sync());
            let _ = made.and_then(|()| disk.sync_folder(&guard.place.control));
        }
    }
}

/// Takes all entries back, durably. Nothing of the change must be open any more.
///
/// # Errors
/// When that failed: the entry may be seen again.
pub(super) fn clear(guard: &Guard) -> Result<(), Failure> {
    for number in 0..2 {
        let path = guard.control(&name(number));
        let clear = || match guard.disk().open(&path, Access::Write) {
            Ok(file) => {
                let mut header = [0; HEADER_BYTES as usize];
                let read = file.read_at(&mut header, 0)?;
                if header.iter().all(|&octet| octet == 0) {
                    return Ok(());
                }
                file.write_at(&[0; HEADER_BYTES as usize], 0)?;
                // A long one keeps no room.
                if read == header.len() && file.stat()?.size > RESERVE_BYTES as u64 {
                    file.truncate(RESERVE_BYTES as u64)?;
                }
                file.sync()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        clear().map_err(Failure::at("clear", &path))?;
    }
    Ok(())
}

/// The last entry, if there is one that is whole.
///
/// # Errors
/// When a file is there and cannot be read.
pub(super) fn last(guard: &Guard) -> Result<Option<Entry>, Failure> {
    let mut last: Option<Entry> = None;
    for number in 0..2 {
        let path = guard.control(&name(number));
        let entry = match guard.disk().open(&path, Access::Read) {
            Ok(file) => read(file).map_err(Failure::at("read", &path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::new("read", &path, error)),
        };
        last = match (last, entry) {
            (Some(last), Some(entry)) if last.number > entry.number => Some(last),
            (last, None) => last,
            (_, entry) => entry,
        };
    }
    Ok(last)
}

impl Entry {
    pub(super) const fn data_octets(&self) -> u64 {
        self.data_octets
    }

    /// Reads all of `buffer` from the data.
    ///
    /// # Errors
    /// As the disk says; `UnexpectedEof` when there is less.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exactly(buffer, self.data_at + offset)
    }
}

fn read(file: Box<dyn DiskFile>) -> io::Result<Option<Entry>> {
    let mut header = [0; HEADER_BYTES as usize];
    let size = file.stat()?.size;
    if size < HEADER_BYTES {
        return Ok(None);
    }
    file.read_exactly(&mut header, 0)?;
    let Some((number, body_octets, data_octets, checksum)) = read_header(&header) else { return Ok(None) };
    let is_there = HEADER_BYTES.checked_add(body_octets).and_then(|end| end.checked_add(data_octets));
    if body_octets > BODY_BYTES_MAX || is_there.is_none_or(|end| end > size) {
        return Ok(None);
    }
    let mut body = vec![0; usize::try_from(body_octets).unwrap_or(0)];
    file.read_exactly(&mut body, HEADER_BYTES)?;
    let data_at = HEADER_BYTES + body_octets;
    let mut hasher = Hasher::new();
    hasher.update(&body);
    let mut buffer = vec![0; usize::try_from(data_octets).unwrap_or(PIECE_BYTES).min(PIECE_BYTES)];
    let mut at = 0;
    while at < data_octets {
        let wanted = usize::try_from(data_octets - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let piece = buffer.get_mut(..wanted).unwrap_or_default();
        file.read_exactly(piece, data_at + at)?;
        hasher.update(piece);
        at += wanted as u64;
    }
    if hasher.finalize() != checksum {
        return Ok(None);
    }
    let mut rest = body.as_slice();
    let decoded = (|| Some((take_u64(&mut rest)?, take_u64(&mut rest)?, decode(&mut rest)?)))();
    Ok(decoded.map(|(inode, size, change)| Entry { number, inode, size, change, file, data_at, data_octets }))
}

fn read_header(header: &[u8; HEADER_BYTES as usize]) -> Option<(u64, u64, u64, u32)> {
    let (covered, checksum) = header.split_last_chunk::<4>()?;
    let mut rest = covered.strip_prefix(MAGIC)?;
    let numbers = (take_u64(&mut rest)?, take_u64(&mut rest)?, take_u64(&mut rest)?);
    let data = u32::from_le_bytes(*rest.first_chunk()?);
    let is_whole = u32::from_le_bytes(*checksum) == crc32fast::hash(covered);
    is_whole.then_some((numbers.0, numbers.1, numbers.2, data))
}

fn encode(change: &Change, body: &mut Vec<u8>) {
    match change {
        Change::Append => body.push(APPEND),
        Change::Cut(Cut { start, runs, done, copying, tail }) => {
            body.push(CUT);
            for number in [*start, *done, *copying, u64::from(*tail)] {
                body.extend_from_slice(&number.to_le_bytes());
            }
            for (place, length) in runs {
                body.extend_from_slice(&place.to_le_bytes());
                body.extend_from_slice(&length.to_le_bytes());
            }
        }
    }
}

fn decode(rest: &mut &[u8]) -> Option<Change> {
    let (&kind, behind) = rest.split_first()?;
    *rest = behind;
    match kind {
        APPEND => rest.is_empty().then_some(Change::Append),
        CUT => {
            let (start, done, copying) = (take_u64(rest)?, take_u64(rest)?, take_u64(rest)?);
            let tail = u32::try_from(take_u64(rest)?).ok()?;
            let mut runs = Vec::with_capacity(rest.len() / 16);
            while !rest.is_empty() {
                runs.push((take_u64(rest)?, take_u64(rest)?));
            }
            Some(Change::Cut(Cut { start, runs, done, copying, tail }))
        }
        _ => None,
    }
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    let (number, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u64::from_le_bytes(*number))
}

fn name(number: u64) -> String {
    if number.is_multiple_of(2) { JOURNAL.to_owned() } else { format!("{JOURNAL}.2") }
}

/// Each of the two files has this much room from its first day, so that a full disk keeps nobody from removing.
pub(super) const RESERVE_BYTES: usize = 64 * 1024;

/// Data are read and written in pieces of this size.
pub(super) const PIECE_BYTES: usize = 256 * 1024;

/// Magic, number, octets of the body, octets of the data, checksum of both, checksum of all this.
pub(super) const HEADER_BYTES: u64 = 48;

/// Four million runs; nobody has so many messages in an mbox.
const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Kind and version 1.
const MAGIC: &[u8; 16] = b"restantembxj\x01\0\0\0";

const APPEND: u8 = 1;
const CUT: u8 = 2;
