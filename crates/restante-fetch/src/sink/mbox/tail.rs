//! What a crash has left of a batch, and what others have appended behind it.

use std::io;
use std::ops::Range;

use memchr::{memchr, memmem};
use restante_store::disk::DiskFile;

use super::form::{FROM, FROM_LINE_OCTETS_MAX, is_from_line};
use super::notes::{Note, line_digest};
use super::survey::{Found, survey};

/// What lies behind the place where a batch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing of ours that is not whole.
    Whole,
    /// From `at` on there is nothing but a part of ours.
    Torn {
        /// Where it begins.
        at: u64,
    },
    /// At `at` a part of ours begins, and at `other` a message of another program.
    Covered {
        /// Where ours begins.
        at: u64,
        /// Where its first From_ line begins: what lies in front of that belongs to no message.
        from_line: u64,
        /// Where the other one begins; it may be the middle of a line.
        other: u64,
    },
}

/// Looks at the part of an mbox that begins where a batch began. `ours` are the notes of the batch.
///
/// A program that has read whole messages may have put its notes into them; they are whole all the same. Other programs may have
/// appended behind a torn one, even in the middle of a line of it. Where its first From_ line should be, there may be zeros, or what the
/// disk had there before; whole ones may stand behind that.
///
/// # Errors
/// When it cannot be read, or in front of the first From_ line there is more than the whole batch had.
pub(super) fn look(file: &dyn DiskFile, part: Range<u64>, ours: &[&Note]) -> io::Result<Tail> {
    let found = survey(file, part.clone())?;
    // Blank lines at the end are in no digest.
    let is_it = |found: &Found, note: &Note| note.digest == found.digest && found.octets >= note.octets;
    let is_whole = |found: &&Found| ours.iter().any(|note| is_it(found, note));
    let headed = found.first().map_or(part.end, |found| found.start);
    if headed > part.start + blank_octets(file, part.start)? {
        let batch = ours.iter().fold(LEAD_OCTETS_MAX, |sum, note| sum.saturating_add(note.octets));
        let other = next_other(file, part.clone(), ours)?;
        let from_line = other.map_or(headed, |other| other.min(headed));
        if from_line - part.start > batch {
            return Err(io::Error::new(io::ErrorKind::InvalidData, UNEXPLAINED));
        }
        return Ok(match other {
            None => Tail::Torn { at: part.start },
            Some(other) => Tail::Covered { at: part.start, from_line, other },
        });
    }
    let Some(first) = found.iter().find(|found| !is_whole(found)) else { return Ok(Tail::Whole) };
    let at = first.start;
    Ok(match next_other(file, at..part.end, ours)? {
        None => Tail::Torn { at },
        // All that is ours is whole, and stands in front.
        Some(other) if other == at => Tail::Whole,
        Some(other) => Tail::Covered { at, from_line: at, other },
    })
}

/// How many line ends, of those that part messages, stand here.
fn blank_octets(file: &dyn DiskFile, at: u64) -> io::Result<u64> {
    let mut octets = [0; LEAD_OCTETS_MAX as usize];
    let read = file.read_at(&mut octets, at)?;
    let read = octets.get(..read).unwrap_or_default();
    Ok(read.iter().take_while(|&&octet| octet == b'\n').count() as u64)
}

/// Makes blank lines of what belongs to no message: in front of the first message it would make the file no mbox, and elsewhere a part of
/// the message before it.
///
/// # Errors
/// When it cannot be written.
pub(super) fn blank(file: &dyn DiskFile, part: Range<u64>) -> io::Result<()> {
    let blank = vec![b'\n'; WINDOW_OCTETS];
    let mut at = part.start;
    while at < part.end {
        let length = usize::try_from(part.end - at).unwrap_or(usize::MAX).min(blank.len());
        file.write_at(blank.get(..length).unwrap_or_default(), at)?;
        at += length as u64;
    }
    Ok(())
}

/// Ends the line in front of `other`, and puts a blank one behind it, by writing over the end of what is torn: it keeps its length, so nothing of
/// the other message moves.
///
/// # Errors
/// When it cannot be written.
pub(super) fn part(file: &dyn DiskFile, at: u64, other: u64) -> io::Result<()> {
    let length = other.saturating_sub(at).min(2);
    let ends = b"\n\n".get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default();
    file.write_at(ends, other - length)
}

/// Writes a part of a file over itself.
///
/// # Errors
/// When it cannot be read or written.
pub(super) fn write_again(file: &dyn DiskFile, part: Range<u64>) -> io::Result<()> {
    let mut chunk = vec![0; WINDOW_OCTETS];
    let mut at = part.start;
    while at < part.end {
        let length = usize::try_from(part.end - at).unwrap_or(usize::MAX).min(chunk.len());
        let read = file.read_at(chunk.get_mut(..length).unwrap_or_default(), at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_at(chunk.get(..read).unwrap_or_default(), at)?;
        at += read as u64;
    }
    Ok(())
}

/// Where the first From_ line begins that is none of ours, in the middle of a line or not. Behind a `>` it is a quoted line.
fn next_other(file: &dyn DiskFile, part: Range<u64>, ours: &[&Note]) -> io::Result<Option<u64>> {
    let mut window = vec![0; WINDOW_OCTETS + FROM_LINE_OCTETS_MAX + FROM.len()];
    let mut start = part.start;
    while start < part.end {
        let length = usize::try_from(part.end - start).unwrap_or(usize::MAX).min(window.len());
        let filled = file.read_up_to(window.get_mut(..length).unwrap_or_default(), start)?;
        let read = window.get(..filled).unwrap_or_default();
        for found in memmem::find_iter(read, FROM).take_while(|&found| found < WINDOW_OCTETS) {
            let rest = read.get(found..).unwrap_or_default();
            let line =
                rest.get(..memchr(b'\n', rest).unwrap_or(rest.len())).unwrap_or_default().trim_ascii_end();
            let is_quoted = found.checked_sub(1).and_then(|before| read.get(before)) == Some(&b'>');
            let is_ours = || ours.iter().any(|note| note.from_line == line_digest(line));
            if !is_quoted && is_from_line(line) && !is_ours() {
                return Ok(Some(start + found as u64));
            }
        }
        // One octet twice, so that a `>` at the border is seen.
        start += WINDOW_OCTETS as u64 - 1;
    }
    Ok(None)
}

/// What a batch may begin with: the end of a line, and a blank one.
const LEAD_OCTETS_MAX: u64 = 2;

const UNEXPLAINED: &str = "behind a batch that was cut short there is text that is no message and is longer than the batch; \
    it is left as it is: put a From_ line in front of it, or remove it";

const WINDOW_OCTETS: usize = 64 * 1024;
