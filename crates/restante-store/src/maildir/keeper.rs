//! Keeping the index: what a scan found goes into memory and, as far as the disk allows, into the file.
//!
//! Failures cost the next session time and nothing else. Only the holder of the lock writes a new file or appends
//! what refers to other records; deliveries append single messages at any time.

use std::io;
use std::path::Path;

use super::layout::{INDEX, INDEX_NEW};
use super::scan::{Added, Changes};
use crate::disk::{Access, Disk, DiskFile};
use crate::failure::Failure;
use crate::index::codec::{self, Header, Records};
use crate::index::known::Known;
use crate::index::{Folder, Index, Origin, Record, Stamps};
use crate::maildrop::Warning;

/// Applies the changes to what is known, then to the file: appended when that is right and not wasteful, else
/// written anew. `stamps` is how the folders looked before they were scanned, if the index may rely on that.
///
/// # Errors
/// When there are more messages than can be held. That the file could not be written is a warning: what is known is right
/// all the same.
pub(super) fn apply(
    disk: &dyn Disk,
    maildir: &Path,
    known: &mut Known,
    changes: Changes,
    stamps: Option<Stamps>,
    mode: u32,
) -> Result<Option<Warning>, Failure> {
    let stamps = stamps.filter(|stamps| stamps.new.is_settled || stamps.cur.is_settled);
    let Changes { fresh, unreadable, moved, gone, twins, .. } = changes;
    let mut records = changed(known, &moved, &gone);
    bury(known, moved, &gone, &twins);
    let first = known.len();
    add(known, &fresh).map_err(Failure::at("index", maildir))?;
    let written = match known.origin.filter(|_| !known.is_wasteful()) {
        Some(origin) => append_changes(disk, maildir, known, &mut records, (origin, first), stamps),
        None => write_anew(disk, maildir, known, stamps, mode),
    };
    add(known, &unreadable).map_err(Failure::at("index", maildir))?;
    Ok(written.err().map(Warning::Index))
}

/// Applies the changes to what is known only.
///
/// # Errors
/// When there are more messages than can be held.
pub(super) fn apply_in_memory(maildir: &Path, known: &mut Known, changes: Changes) -> Result<(), Failure> {
    let Changes { fresh, unreadable, moved, gone, twins, .. } = changes;
    bury(known, moved, &gone, &twins);
    let added = add(known, &fresh).and_then(|()| add(known, &unreadable));
    added.map_err(Failure::at("index", maildir))
}

fn bury(known: &mut Known, moved: Vec<(usize, Folder, Vec<u8>)>, gone: &[usize], twins: &[usize]) {
    for (position, folder, suffix) in moved {
        known.rows_mut().set_place(position, folder, &suffix);
    }
    gone.iter().for_each(|&position| known.bury(position));
    twins.iter().for_each(|&position| known.rows_mut().set_twin(position));
}

fn add(known: &mut Known, messages: &[Added]) -> io::Result<()> {
    messages.iter().try_for_each(|message| message.add_to(known).map(drop))
}

/// Appends the changes and the messages from position `first` on.
fn append_changes(
    disk: &dyn Disk,
    maildir: &Path,
    known: &mut Known,
    records: &mut Records,
    (origin, first): (Origin, usize),
    stamps: Option<Stamps>,
) -> Result<(), Failure> {
    let start = origin.bytes + records.bytes.len() as u64;
    records.bytes.extend_from_slice(known.own());
    // Stamps speak only for what stands before them, so they are repeated behind anything new.
    if let Some(stamps) = stamps
        && (!records.bytes.is_empty() || known.stamps != Some(stamps))
    {
        records.stamps(&stamps);
    }
    if records.bytes.is_empty() {
        return Ok(());
    }
    // A message that resisted its removal is shown, so the removal must not begin once more after a crash.
    let durable = if known.pending.is_empty() { Durable::No } else { Durable::Yes };
    let length = append(disk, maildir, &records.bytes, durable)?;
    if length == origin.bytes + records.bytes.len() as u64
        && let Ok(start) = u32::try_from(start)
    {
        // Nobody else has appended since the file was read, so the new messages have the ordinals that follow.
        known.own_was_written(first, start);
    }
    Ok(())
}

/// Writes the file anew and goes on with that.
fn write_anew(
    disk: &dyn Disk,
    maildir: &Path,
    known: &mut Known,
    stamps: Option<Stamps>,
    mode: u32,
) -> Result<(), Failure> {
    let path = maildir.join(INDEX);
    let mut index = known.to_index().map_err(Failure::at("read", &path))?;
    // Which of the two is there when this fails is not known, so nothing is appended to either.
    known.origin = None;
    rewrite(disk, maildir, &mut index, stamps, mode)?;
    let mut written = Known::load(disk, &path).map_err(Failure::at("read", &path))?;
    let is_ours = written.origin.map(|origin| origin.nonce) == index.origin.map(|origin| origin.nonce);
    // Records have the order of the file now. What a delivery appended meanwhile may be there as well.
    if is_ours && written.len() >= index.records.len() {
        let twins = index.records.iter().enumerate().filter(|(_, record)| record.has_twin);
        twins.for_each(|(position, _)| written.rows_mut().set_twin(position));
        *known = written;
    }
    Ok(())
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
    index.origin = Some(Origin { nonce, bytes, records: records.count });
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

/// What has to be appended to the file for the messages that it knows.
fn changed(known: &Known, moved: &[(usize, Folder, Vec<u8>)], gone: &[usize]) -> Records {
    let mut records = Records::appended(known.origin.map_or(0, |origin| origin.nonce));
    let ordinal = |&position: &usize| u32::try_from(position).ok();
    for (position, folder, suffix) in moved {
        if let Some(ordinal) = ordinal(position) {
            records.place(ordinal, *folder, suffix);
        }
    }
    let gone: Vec<u32> = gone.iter().filter_map(ordinal).collect();
    records.gone(&gone);
    if !known.pending.is_empty() {
        records.removal_end();
    }
    records
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
