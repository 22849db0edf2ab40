//! Keeping the index: what a scan found goes into memory and, as far as the disk allows, into the file.
//!
//! Failures cost the next session time and nothing else. Only the holder of the lock writes a new file or appends
//! what refers to other records; deliveries append single messages at any time.

use std::io;
use std::path::Path;

use super::layout::{INDEX, INDEX_NEW};
use super::scan::Changes;
use crate::disk::{Access, Disk, DiskFile};
use crate::failure::Failure;
use crate::index::codec::{self, Header, Records};
use crate::index::{Index, NO_ORDINAL, Origin, Record, Stamps};

/// Applies the changes to the index in memory, then to its file: appended when that is right and not wasteful, else
/// written anew. `stamps` is how the folders looked before they were scanned, if the index may rely on that.
///
/// # Errors
/// When the file could not be written; the index in memory is right all the same.
pub(super) fn apply(
    disk: &dyn Disk,
    maildir: &Path,
    index: &mut Index,
    changes: Changes,
    stamps: Option<Stamps>,
    mode: u32,
) -> Result<(), Failure> {
    let stamps = stamps.filter(|stamps| stamps.new.is_settled || stamps.cur.is_settled);
    let Some(origin) = index.origin.filter(|_| !index.is_wasteful()) else {
        apply_in_memory(index, changes);
        return rewrite(disk, maildir, index, stamps, mode);
    };
    let records = records_of(index, origin, &changes, stamps);
    // A message that resisted its removal is shown, so the removal must not begin once more after a crash.
    let durable = if index.pending.is_empty() { Durable::No } else { Durable::Yes };
    let fresh = apply_in_memory(index, changes);
    if records.bytes.is_empty() {
        return Ok(());
    }
    let length = append(disk, maildir, &records.bytes, durable)?;
    if length == origin.bytes + records.bytes.len() as u64 {
        // Nobody else has appended since the file was read, so the fresh messages have the ordinals that follow.
        let ordinals = origin.ordinals..NO_ORDINAL;
        let fresh = index.records.get_mut(fresh).unwrap_or_default();
        fresh.iter_mut().zip(ordinals).for_each(|(record, ordinal)| record.ordinal = ordinal);
    }
    Ok(())
}

/// Applies the changes to the index in memory only. Says which records are fresh now.
pub(super) fn apply_in_memory(index: &mut Index, changes: Changes) -> std::ops::Range<usize> {
    for (at, folder, suffix) in changes.moved {
        if let Some(suffix) = index.intern(&suffix)
            && let Some(record) = index.records.get_mut(at)
        {
            record.folder = folder;
            record.suffix = suffix;
        }
    }
    for at in changes.twins {
        if let Some(record) = index.records.get_mut(at) {
            record.has_twin = true;
        }
    }
    if !changes.gone.is_empty() {
        let mut gone = changes.gone.into_iter().peekable();
        let mut at = 0;
        index.records.retain(|_| {
            let is_gone = gone.next_if_eq(&at).is_some();
            at += 1;
            !is_gone
        });
    }
    let start = index.records.len();
    index.records.extend(changes.fresh);
    let end = index.records.len();
    index.records.extend(changes.unreadable);
    start..end
}

/// Whether [`append`] waits until what it wrote is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durable {
    Yes,
    No,
}

/// Appends to the index file. Says how long it is then.
///
/// # Errors
/// When not all of it was written; the file is as it was, or ends in a record that will not be believed.
pub(super) fn append(
    disk: &dyn Disk,
    maildir: &Path,
    bytes: &[u8],
    durable: Durable,
) -> Result<u64, Failure> {
    let path = maildir.join(INDEX);
    let append = || {
        let file = disk.open(&path, Access::Append)?;
        let before = file.stat()?.size;
        append_all(&*file, bytes, before)?;
        if durable == Durable::Yes {
            file.sync()?;
        }
        Ok(file.stat()?.size)
    };
    append().map_err(Failure::at("append to", &path))
}

/// Adds the record of a message that was delivered, if there is an index. It saves the next session reading the
/// message; nothing depends on it, so failures are not even told.
pub(super) fn append_delivered(disk: &dyn Disk, maildir: &Path, record: &Record, base_name: &[u8]) {
    let append = || -> io::Result<()> {
        let file = disk.open(&maildir.join(INDEX), Access::Append)?;
        let mut start = [0; codec::HEADER_BYTES];
        if file.read_at(&mut start, 0)? < start.len() {
            return Ok(());
        }
        if let Some(header) = Header::read(&start, codec::INDEX) {
            let mut records = Records::appended(header.nonce);
            records.message(record, [base_name, &[], &[]]);
            file.append(&records.bytes)?;
        }
        Ok(())
    };
    let _ = append();
}

/// Writes the file anew, sorted, and puts it in place of the old one, durable with its name.
///
/// # Errors
/// When it could not be written; the old one is still there, or nobody knows which of the two a crash would leave.
pub(super) fn rewrite(
    disk: &dyn Disk,
    maildir: &Path,
    index: &mut Index,
    stamps: Option<Stamps>,
    mode: u32,
) -> Result<(), Failure> {
    index.sort();
    let path = maildir.join(INDEX_NEW);
    let nonce = new_nonce().map_err(Failure::at("choose a number for", &path))?;
    let mut records = index.write(nonce, is_for_index);
    let ordinals = records.messages;
    if let Some(stamps) = stamps {
        records.stamps(&stamps);
    }
    replace(disk, &path, &maildir.join(INDEX), &records.bytes, mode)?;
    // Its name too: a removal that is recorded in it must be found after a crash. And when the index was missing because
    // unique-ids were set by somebody who failed, or died, before those were durable, they are shown from now on, so they must be.
    disk.sync_folder(maildir).map_err(Failure::at("sync", maildir))?;
    let listed = index.records.iter_mut().filter(|record| is_for_index(record));
    listed.zip(0..).for_each(|(record, ordinal)| record.ordinal = ordinal);
    let bytes = records.bytes.len() as u64;
    index.origin = Some(Origin { nonce, bytes, ordinals, records: records.count });
    Ok(())
}

/// Writes `bytes` to a new file and puts it in place of `path`. The contents are durable on return, the name is when
/// the folder has been synced.
///
/// # Errors
/// When that failed; what was at `path` is still there.
pub(crate) fn replace(
    disk: &dyn Disk,
    new: &Path,
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> Result<(), Failure> {
    // What a crash has left there is nobody's. It is not opened, because it might be a link to something else.
    match disk.unlink(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Failure::new("replace", new, error));
        }
        _ => {}
    }
    let write = || {
        let file = disk.open(new, Access::CreateNew(mode))?;
        file.append(bytes)?;
        file.sync()?;
        disk.rename(new, path)
    };
    write().map_err(|error| {
        // Its room may be what is lacking.
        let _ = disk.unlink(new);
        Failure::new("write", new, error)
    })
}

/// What has to be appended to the file for these changes.
fn records_of(index: &Index, origin: Origin, changes: &Changes, stamps: Option<Stamps>) -> Records {
    let mut records = Records::appended(origin.nonce);
    let ordinal = |at: usize| index.records.get(at).map(|record| record.ordinal);
    for (at, folder, suffix) in &changes.moved {
        if let Some(ordinal) = ordinal(*at) {
            records.place(ordinal, *folder, suffix);
        }
    }
    let gone: Vec<u32> = changes.gone.iter().filter_map(|&at| ordinal(at)).collect();
    records.gone(&gone);
    if !index.pending.is_empty() {
        records.removal_end();
    }
    for record in &changes.fresh {
        records.message(record, parts(index, record));
    }
    // Stamps speak only for what stands before them, so they are repeated behind anything new.
    if let Some(stamps) = stamps
        && (!records.bytes.is_empty() || index.stamps != Some(stamps))
    {
        records.stamps(&stamps);
    }
    records
}

fn parts<'a>(index: &'a Index, record: &Record) -> [&'a [u8]; 3] {
    [index.bytes(record.base), index.bytes(record.suffix), index.bytes(record.unique_id)]
}

/// Messages that could not be read are not remembered.
fn is_for_index(record: &Record) -> bool {
    record.facts.modified_ns != i64::MIN
}

fn append_all(file: &dyn DiskFile, bytes: &[u8], before: u64) -> io::Result<()> {
    let result = file.append(bytes);
    if result.is_err() {
        // What a delivery may have appended meanwhile goes with it; then its message is read again.
        let _ = file.truncate(before);
    }
    result
}

/// A number that no other index file has.
pub(crate) fn new_nonce() -> io::Result<u64> {
    getrandom::u64().map_err(io::Error::other)
}
