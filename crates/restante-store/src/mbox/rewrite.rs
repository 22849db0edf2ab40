//! Taking pieces out of an mbox in its place: what stays is moved down step by step, and the rest is cut off.
//!
//! In its place and not beside it, because the file keeps its owner, its permissions and its name for programs that wait for its lock
//! with the file open, and because we may have no right to make files there. Every step is in the journal before
//! it begins, with a copy of what it moves when it would write over that. So a crash at any moment leaves
//! what `recovery.rs` can go on from, and the removal happens whole or not at all.
//!
//! The file keeps its length until everything is in its new place, durably. What another program appends after a crash
//! is therefore behind the old end, and is not lost.

use std::io;

use super::journal::{self, Change, Cut, PIECE_BYTES, RESERVE_BYTES};
use super::locks::Guard;
use crate::disk::DiskFile;
use crate::failure::Failure;

/// Takes these pieces (place and length, ascending, none empty) out of the file, which has `size` octets. Durable on
/// return.
///
/// # Errors
/// When that failed: nothing has changed, or the journal says what is going on, and the next who takes the locks
/// finishes it.
pub(super) fn cut(
    guard: &Guard,
    file: &dyn DiskFile,
    size: u64,
    pieces: &[(u64, u64)],
) -> Result<(), Failure> {
    let last = journal::last(guard)?;
    cut_as(guard, file, size, pieces, last.map_or(0, |entry| entry.number + 1))
}

/// Octets of a removed message that the first one that stays takes over: they come behind its From_ line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Where they are, inside of the first piece and not at its start.
    pub(super) place: u64,
    pub(super) length: u64,
    /// Octets of the From_ line, with which what stays behind the first removed octet begins.
    pub(super) head: u64,
}

/// As [`cut`], and `kept` stays. Says whether it does: a full disk keeps nobody from removing.
///
/// # Errors
/// As [`cut`].
pub(super) fn cut_but(
    guard: &Guard,
    file: &dyn DiskFile,
    size: u64,
    pieces: &[(u64, u64)],
    kept: Kept,
) -> Result<bool, Failure> {
    let Some((&(start, length), others)) = pieces.split_first() else { return Ok(false) };
    let behind = kept.place + kept.length;
    let parts = [(start, kept.place - start), (behind, (start + length).saturating_sub(behind))];
    let pieces: Vec<_> = parts.iter().chain(others).copied().filter(|&(_, length)| length > 0).collect();
    let number = journal::last(guard)?.map_or(0, |entry| entry.number + 1);
    let mut cut = plan(guard, file, size, &pieces)?;
    // The first step is larger than how far it moves, so all of it is in the journal: there the two change places, and nothing else
    // need know of it.
    cut.copying = kept.length + kept.head;
    let mut data = vec![0; usize::try_from(cut.copying).unwrap_or(0)];
    read_runs(file, &cut.runs, 0, &mut data).map_err(guard.failed("read"))?;
    data.rotate_left(usize::try_from(kept.length).unwrap_or(0));
    let inode = file.stat().map_err(guard.failed("see"))?.inode;
    match note(guard, number, (inode, size), &cut, &data) {
        Err(failure) if failure.is_no_space() => return Ok(false),
        result => result?,
    }
    write_step(guard, file, &mut cut, &data)?;
    go_on(guard, file, size, cut, number + 1)?;
    Ok(true)
}

/// As [`cut`], with the number of the first journal entry.
///
/// # Errors
/// As [`cut`].
pub(super) fn cut_as(
    guard: &Guard,
    file: &dyn DiskFile,
    size: u64,
    pieces: &[(u64, u64)],
    number: u64,
) -> Result<(), Failure> {
    if pieces.is_empty() {
        return Ok(());
    }
    let cut = plan(guard, file, size, pieces)?;
    go_on(guard, file, size, cut, number)
}

/// A removal of these pieces of which nothing is done.
fn plan(guard: &Guard, file: &dyn DiskFile, size: u64, pieces: &[(u64, u64)]) -> Result<Cut, Failure> {
    let start = pieces.first().map_or(size, |&(start, _)| start);
    let mut runs = Vec::new();
    let mut at = start;
    for &(place, length) in pieces {
        if place > at {
            runs.push((at, place - at));
        }
        at = place.saturating_add(length);
    }
    if size > at {
        runs.push((at, size - at));
    }
    let tail = checksum_of_tail(file, size, new_size(start, &runs)).map_err(guard.failed("read"))?;
    Ok(Cut { start, runs, done: 0, copying: 0, tail })
}

/// Carries out a removal from where it stands: nothing is being copied, `done` is done.
///
/// # Errors
/// As [`cut`].
pub(super) fn go_on(
    guard: &Guard,
    file: &dyn DiskFile,
    size: u64,
    mut cut: Cut,
    mut number: u64,
) -> Result<(), Failure> {
    move_down(guard, file, size, &mut cut, &mut number)?;
    file.truncate(new_size(cut.start, &cut.runs)).map_err(guard.failed("cut"))?;
    file.sync().map_err(guard.failed("sync"))?;
    journal::clear(guard)
}

/// Moves everything to its new place, and cuts nothing off.
///
/// # Errors
/// As [`cut`].
pub(super) fn move_down(
    guard: &Guard,
    file: &dyn DiskFile,
    size: u64,
    cut: &mut Cut,
    number: &mut u64,
) -> Result<(), Failure> {
    let inode = file.stat().map_err(guard.failed("see"))?.inode;
    let total: u64 = cut.runs.iter().map(|(_, length)| length).sum();
    let mut step_max = STEP_BYTES;
    // A removal at the end moves nothing and is one call: whole by itself.
    while cut.done < total {
        let gap = gap(cut);
        let mut step = (total - cut.done).min(step_max.max(gap.min(STEP_BYTES)));
        let mut data = vec![0; usize::try_from(step).unwrap_or(0)];
        read_runs(file, &cut.runs, cut.done, &mut data).map_err(guard.failed("read"))?;
        cut.copying = step;
        match note(guard, *number, (inode, size), cut, if step > gap { &data } else { &[] }) {
            // A disk without room lets us go on in steps for which there is room.
            Err(failure) if failure.is_no_space() && step_max == STEP_BYTES => {
                let runs = 16 * cut.runs.len() as u64;
                let room = (RESERVE_BYTES as u64).saturating_sub(runs + ENTRY_BYTES);
                if room == 0 {
                    return Err(failure);
                }
                step_max = room;
                step = step.min(step_max.max(gap));
                cut.copying = step;
                data.truncate(usize::try_from(step).unwrap_or(0));
                note(guard, *number, (inode, size), cut, if step > gap { &data } else { &[] })?;
            }
            result => result?,
        }
        *number += 1;
        write_step(guard, file, cut, &data)?;
    }
    Ok(())
}

/// Writes what is being copied to its new place. Durable on return.
///
/// # Errors
/// When that failed.
pub(super) fn write_step(
    guard: &Guard,
    file: &dyn DiskFile,
    cut: &mut Cut,
    data: &[u8],
) -> Result<(), Failure> {
    file.write_at(data, cut.start + cut.done).map_err(guard.failed("write"))?;
    file.sync().map_err(guard.failed("sync"))?;
    cut.done += cut.copying;
    cut.copying = 0;
    Ok(())
}

fn note(guard: &Guard, number: u64, file: (u64, u64), cut: &Cut, data: &[u8]) -> Result<(), Failure> {
    journal::write(guard, number, file, &Change::Cut(cut.clone()), &|sink| sink(data))
}

/// How far the octets behind `done` are moved: so many can be written before one of them is written over.
fn gap(cut: &Cut) -> u64 {
    let mut before = 0;
    for &(place, length) in &cut.runs {
        if cut.done < before + length {
            return (place + (cut.done - before)).saturating_sub(cut.start + cut.done);
        }
        before += length;
    }
    0
}

/// Reads octets of the runs from their old place.
///
/// # Errors
/// As the disk says.
pub(super) fn read_runs(
    file: &dyn DiskFile,
    runs: &[(u64, u64)],
    from: u64,
    buffer: &mut [u8],
) -> io::Result<()> {
    let (mut before, mut filled) = (0, 0);
    for &(place, length) in runs {
        if filled == buffer.len() {
            break;
        }
        let at = from + filled as u64;
        if at < before + length {
            let skipped = at - before;
            let rest = buffer.get_mut(filled..).unwrap_or_default();
            let wanted = usize::try_from(length - skipped).unwrap_or(usize::MAX).min(rest.len());
            let piece = rest.get_mut(..wanted).unwrap_or_default();
            file.read_exactly(piece, place + skipped)?;
            filled += wanted;
        }
        before += length;
    }
    Ok(())
}

/// How long the file is when everything is moved and the rest cut off.
pub(super) fn new_size(start: u64, runs: &[(u64, u64)]) -> u64 {
    start + runs.iter().map(|(_, length)| length).sum::<u64>()
}

/// Checksum of the last octets of a file of `size`, as far as they are behind `from`: the mark of a file that has not
/// been cut off.
///
/// # Errors
/// As the disk says.
pub(super) fn checksum_of_tail(file: &dyn DiskFile, size: u64, from: u64) -> io::Result<u32> {
    let length = size.saturating_sub(from).min(PIECE_BYTES as u64);
    let mut tail = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exactly(&mut tail, size - length)?;
    Ok(crc32fast::hash(&tail))
}

/// So much is moved between two syncs.
const STEP_BYTES: u64 = 4 * 1024 * 1024;

/// What an entry has beside its runs and data.
const ENTRY_BYTES: u64 = 128;
