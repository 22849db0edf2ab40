//! Finishing what a crash has interrupted, as soon as the locks are held again: a removal is carried on to its end, a message that
//! was not appended whole is taken away. What other programs have appended meanwhile stays.

use std::io;

use memchr::{memchr, memmem};

use super::journal::{self, Change, Cut, Entry, PIECE_BYTES};
use super::layout::{FROM, FROM_LINE_OCTETS_MAX, is_from_line};
use super::locks::Guard;
use super::rewrite::{checksum_of_tail, cut_as, go_on, move_down, new_size, read_runs, write_step};
use crate::disk::DiskFile;
use crate::failure::Failure;

/// Finishes what the journal says, if it says anything.
///
/// # Errors
/// When that failed; the mbox must not be touched then.
pub(super) fn finish(guard: &Guard) -> Result<(), Failure> {
    let Some(entry) = journal::last(guard)? else { return Ok(()) };
    let Some(file) = guard.file() else { return journal::clear(guard) };
    let stat = file.stat().map_err(guard.failed("see"))?;
    if stat.inode != entry.inode || stat.size < entry.size {
        // It was cut off, and that may not be durable; or another program has written the file anew since, and what it
        // made of it is what there is.
        file.sync().map_err(guard.failed("sync"))?;
        return journal::clear(guard);
    }
    match &entry.change {
        Change::Append => take_back(guard, file, &entry, stat.size),
        Change::Cut(cut) => carry_on(guard, file, &entry, cut.clone(), stat.size),
    }
}

/// A message was being appended. It stays when all of it is there, and goes when not.
fn take_back(guard: &Guard, file: &dyn DiskFile, entry: &Entry, size: u64) -> Result<(), Failure> {
    let end = entry.size + entry.data_octets();
    if size >= end && is_whole(file, entry).map_err(guard.failed("read"))? {
        return journal::clear(guard);
    }
    match find_other(file, entry, size).map_err(guard.failed("read"))? {
        None => {
            file.truncate(entry.size).map_err(guard.failed("cut"))?;
            file.sync().map_err(guard.failed("sync"))?;
            journal::clear(guard)
        }
        // None of ours is there.
        Some(other) if other == entry.size => journal::clear(guard),
        Some(other) => cut_as(guard, file, size, &[(entry.size, other - entry.size)], entry.number + 1),
    }
}

fn is_whole(file: &dyn DiskFile, entry: &Entry) -> io::Result<bool> {
    let (mut written, mut wanted) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    let mut at = 0;
    while at < entry.data_octets() {
        let length = usize::try_from(entry.data_octets() - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let (written, wanted) =
            (written.get_mut(..length).unwrap_or_default(), wanted.get_mut(..length).unwrap_or_default());
        file.read_exactly(written, entry.size + at)?;
        entry.read(wanted, at)?;
        if written != wanted {
            return Ok(false);
        }
        at += length as u64;
    }
    Ok(true)
}

/// Where, behind a message of ours that is not whole, another program has appended one. It may have done so in the
/// middle of a line. A crash can also leave octets there that were other files'; so a From_ line counts only behind all that
/// is ours in its place, when it is not our own, and when nothing but text follows up to the end of a line.
fn find_other(file: &dyn DiskFile, entry: &Entry, size: u64) -> io::Result<Option<u64>> {
    let mut window = vec![0; PIECE_BYTES + FROM_LINE_OCTETS_MAX];
    let own_line = own_line(entry)?;
    let mut start = entry.size + end_of_ours(file, entry, size)?;
    while start < size {
        let length = usize::try_from(size - start).unwrap_or(usize::MAX).min(window.len());
        let read = window.get_mut(..length).unwrap_or_default();
        file.read_exactly(read, start)?;
        for found in memmem::find_iter(read, FROM) {
            let rest = read.get(found..).unwrap_or_default();
            let line = rest.get(..memchr(b'\n', rest).unwrap_or(rest.len())).unwrap_or_default();
            let at = start + found as u64;
            let is_other = found < PIECE_BYTES && line != own_line && is_from_line(line);
            if is_other && is_text(file, at, size)? {
                return Ok(Some(at));
            }
        }
        start += PIECE_BYTES as u64;
    }
    Ok(None)
}

/// The From_ line of our message.
fn own_line(entry: &Entry) -> io::Result<Vec<u8>> {
    let length = entry.data_octets().min(FROM_LINE_OCTETS_MAX as u64);
    let mut octets = vec![0; usize::try_from(length).unwrap_or(0)];
    entry.read(&mut octets, 0)?;
    let line = octets.split(|&octet| octet == b'\n').find(|line| !line.is_empty());
    Ok(line.unwrap_or_default().to_vec())
}

/// How many octets of our message, at most, have come into their place.
fn end_of_ours(file: &dyn DiskFile, entry: &Entry, size: u64) -> io::Result<u64> {
    let (mut written, mut wanted) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    let (mut at, mut end) = (0, 0);
    let there = entry.data_octets().min(size - entry.size);
    while at < there {
        let length = usize::try_from(there - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let (written, wanted) =
            (written.get_mut(..length).unwrap_or_default(), wanted.get_mut(..length).unwrap_or_default());
        file.read_exactly(written, entry.size + at)?;
        entry.read(wanted, at)?;
        let blocks = written.chunks(BLOCK_BYTES).zip(wanted.chunks(BLOCK_BYTES));
        let last = blocks.enumerate().rfind(|(_, (written, wanted))| written == wanted);
        if let Some((number, (block, _))) = last {
            end = at + (number * BLOCK_BYTES + block.len()) as u64;
        }
        at += length as u64;
    }
    Ok(end)
}

/// Whether the rest of the file is text, ended as a line.
fn is_text(file: &dyn DiskFile, from: u64, size: u64) -> io::Result<bool> {
    let mut window = vec![0; PIECE_BYTES];
    let (mut at, mut last) = (from, 0);
    while at < size {
        let length = usize::try_from(size - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let read = window.get_mut(..length).unwrap_or_default();
        file.read_exactly(read, at)?;
        if memchr(0, read).is_some() {
            return Ok(false);
        }
        last = read.last().copied().unwrap_or(0);
        at += length as u64;
    }
    Ok(last == b'\n')
}

/// A removal was going on.
fn carry_on(
    guard: &Guard,
    file: &dyn DiskFile,
    entry: &Entry,
    mut cut: Cut,
    size: u64,
) -> Result<(), Failure> {
    let new_size = new_size(cut.start, &cut.runs);
    let tail = checksum_of_tail(file, entry.size, new_size).map_err(guard.failed("read"))?;
    if tail != cut.tail {
        // It was cut off, and so everything was in its new place before; what is there now came later.
        file.sync().map_err(guard.failed("sync"))?;
        return journal::clear(guard);
    }
    let mut number = entry.number + 1;
    let mut data = vec![0; usize::try_from(cut.copying).unwrap_or(0)];
    if entry.data_octets() == cut.copying {
        entry.read(&mut data, 0).map_err(guard.failed("read the journal of"))?;
    } else {
        read_runs(file, &cut.runs, cut.done, &mut data).map_err(guard.failed("read"))?;
    }
    // The entry may never have become durable, and a sync that failed once is not made good by another one.
    let change = Change::Cut(cut.clone());
    journal::write(guard, number, (entry.inode, entry.size), &change, &|sink| sink(&data))?;
    number += 1;
    write_step(guard, file, &mut cut, &data)?;
    if size == entry.size {
        return go_on(guard, file, size, cut, number);
    }
    // Others have appended behind the old end: what lies between the new end and that goes, and theirs moves down.
    move_down(guard, file, entry.size, &mut cut, &mut number)?;
    cut_as(guard, file, size, &[(new_size, entry.size - new_size)], number)
}

/// What is compared at once: less than a sector, more than two texts have in common at the same place by chance.
const BLOCK_BYTES: usize = 64;
