//! What Dovecot and UW's programs keep in the header of the first message about the whole mbox: the field X-IMAPbase, with
//! the UIDVALIDITY, the last UID and the keywords.
//!
//! When that message is removed, the first one that stays takes the field over, as these programs do it themselves. Without
//! it Dovecot takes the X-UID of all others for a sender's, and shows one message under the UID of another.

use std::io;

use memchr::memchr;

use super::contents::name_of_field;
use super::index::Index;
use super::rewrite::Kept;
use crate::disk::DiskFile;

/// Where the field is, when the messages at these positions (ascending) are removed and another one has to take it over.
///
/// # Errors
/// As the disk says.
pub(super) fn to_be_kept(
    file: &dyn DiskFile,
    index: &Index,
    positions: &[usize],
) -> io::Result<Option<Kept>> {
    let gone = positions.iter().zip(0..).take_while(|&(&position, at)| position == at).count();
    let (Some(first), Some(next)) = (index.entries.first(), index.entries.get(gone)) else { return Ok(None) };
    if gone == 0 {
        return Ok(None);
    }
    let start_of_next =
        index.preamble + index.entries.iter().take(gone).map(|entry| entry.found.octets).sum::<u64>();
    let (first, next) = (&first.found, &next.found);
    if find(file, start_of_next, next.head, next.octets)?.is_some() {
        return Ok(None);
    }
    let found = find(file, index.preamble, first.head, first.octets)?;
    Ok(found.map(|(place, length)| Kept { place, length, head: u64::from(next.head) }))
}

/// Place and length of the field in the header of a message.
fn find(file: &dyn DiskFile, start: u64, head: u16, octets: u64) -> io::Result<Option<(u64, u64)>> {
    let wanted = usize::try_from(octets).unwrap_or(HEADER_OCTETS_MAX).min(HEADER_OCTETS_MAX);
    let mut header = vec![0; wanted];
    file.read_exactly(&mut header, start)?;
    let mut at = usize::from(head);
    let mut found: Option<(usize, usize)> = None;
    while let Some(end) = header.get(at..).and_then(|rest| memchr(b'\n', rest)).map(|length| at + length + 1)
    {
        let line = header.get(at..end).unwrap_or_default();
        let is_further = line.starts_with(b" ") || line.starts_with(b"\t");
        match &mut found {
            Some((_, field_end)) if is_further => *field_end = end,
            Some(_) => break,
            None if line.trim_ascii().is_empty() => break,
            None if name_of_field(line).is_some_and(|name| name.eq_ignore_ascii_case(FIELD)) => {
                found = Some((at, end));
            }
            None => {}
        }
        at = end;
    }
    Ok(found
        .map(|(from, to)| (start + from as u64, (to - from) as u64))
        .filter(|&(_, length)| length <= FIELD_OCTETS_MAX))
}

const FIELD: &[u8] = b"X-IMAPbase";

/// Other programs put it among the last fields; more of a header is not read.
const HEADER_OCTETS_MAX: usize = 256 * 1024;

/// With 30 keywords it has some hundreds. A step has room for it in the journal of a full disk.
const FIELD_OCTETS_MAX: u64 = 16 * 1024;
