//! The files in which other programs keep the unique-ids of what they have collected.
//!
//! | program | file | a line |
//! |---|---|---|
//! | fetchmail | one for all accounts | `user@host unique-id`; host and user are compared without case |
//! | getmail | one an account, named by it | `unique-id`, NUL, seconds since 1970 |
//! | mpop | one an account, or one for several | ` count host user`, then so many `unique-id`, since 1.4.23 with ` seconds` behind |
//! | fdm | one an account, named by the configuration | `octets unique-id` |

use std::collections::HashSet;

use jiff::Timestamp;

use super::{ImportError, Kind, Known};
use crate::journal::{Journal, JournalError, Record, Stage};
use crate::key::Key;

/// The unique-ids in `octets` that belong to the account `known`, each once, in the order of the file.
///
/// # Errors
/// When the file is not one of the program's: whatever was misread would be collected again, or never.
pub fn state(kind: Kind, octets: &[u8], known: &Known) -> Result<Vec<Box<[u8]>>, ImportError> {
    let mut ids = match kind {
        Kind::Fetchmail => fetchmail(octets, known)?,
        Kind::Getmail => getmail(octets)?,
        Kind::Mpop => mpop(octets, known)?,
        Kind::Fdm => fdm(octets)?,
    };
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(*id));
    Ok(ids.into_iter().map(Box::from).collect())
}

/// Records messages with these unique-ids as collected by another program, so that no pass fetches them; durable on return. Of a
/// message that was on its way here already the journal knows better: it is left. Says how many are known now that were not.
///
/// # Errors
/// As [`Journal::commit`].
pub fn adopt(journal: &mut Journal, unique_ids: &[Box<[u8]>], at: Timestamp) -> Result<usize, JournalError> {
    let mut count = 0;
    for unique_id in unique_ids.iter().filter(|unique_id| !unique_id.is_empty()) {
        let is_known = journal.with_unique_id(unique_id).any(|(_, entry)| entry.stage != Stage::Skipped);
        if !is_known {
            journal.record(Record::Collected { key: Key::new(unique_id), at });
            count += 1;
        }
    }
    journal.commit()?;
    Ok(count)
}

/// The lines of a file and their numbers, without their ends.
fn lines(octets: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let octets = octets.strip_suffix(b"\n").unwrap_or(octets);
    let is_empty = octets.is_empty();
    (1..).zip(octets.split(|&octet| octet == b'\n')).filter(move |_| !is_empty)
}

/// The user may hold blanks before its `@`, and the unique-id may hold `@`: the first blank behind the first `@` parts them.
fn fetchmail<'a>(octets: &'a [u8], known: &Known) -> Result<Vec<&'a [u8]>, ImportError> {
    let mut ids = Vec::new();
    for (number, line) in lines(octets) {
        let line = line.trim_ascii_start();
        if line.is_empty() {
            continue;
        }
        let parted = || {
            let at = line.iter().position(|&octet| octet == b'@')?;
            let blank = at + line.get(at..)?.iter().position(|&octet| octet == b' ')?;
            let (whose, id) = line.split_at_checked(blank)?;
            let host = whose.iter().rposition(|&octet| octet == b'@')?;
            let id = id.trim_ascii().split(u8::is_ascii_whitespace).next()?;
            Some((whose.get(..host)?, whose.get(host + 1..)?.trim_ascii_end(), id))
        };
        let (user, host, id) =
            parted().ok_or_else(|| ImportError::new(number, "this is not `user@host unique-id`"))?;
        if id.is_empty() {
            return Err(ImportError::new(number, "there is no unique-id behind the account"));
        }
        if user.eq_ignore_ascii_case(known.user.as_bytes())
            && host.eq_ignore_ascii_case(known.host.as_bytes())
        {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn getmail(octets: &[u8]) -> Result<Vec<&[u8]>, ImportError> {
    let mut ids = Vec::new();
    for (number, line) in lines(octets).filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let malformed = || ImportError::new(number, "this is not a unique-id, a NUL and a time");
        let nul = line.iter().position(|&octet| octet == 0).ok_or_else(malformed)?;
        let (id, time) = line.split_at_checked(nul).ok_or_else(malformed)?;
        let time = time.get(1..).unwrap_or_default().trim_ascii();
        if id.is_empty() || time.is_empty() || !time.iter().all(u8::is_ascii_digit) {
            return Err(malformed());
        }
        ids.push(id);
    }
    Ok(ids)
}

fn mpop<'a>(octets: &'a [u8], known: &Known) -> Result<Vec<&'a [u8]>, ImportError> {
    let mut ids = Vec::new();
    // Whether the list is that of our account, and how many of it are to come.
    let mut list = (false, 0_u64);
    let mut is_head = true;
    let mut last = 1;
    for (number, line) in lines(octets) {
        last = number;
        is_head &= line.starts_with(b"#");
        if is_head {
            continue;
        }
        let (is_ours, left) = list;
        if left > 0 {
            if line.is_empty() || line.starts_with(b" ") {
                return Err(ImportError::new(number, format!("{left} unique-ids of the list are missing")));
            }
            if is_ours {
                ids.push(without_time(line));
            }
            list.1 = left - 1;
            continue;
        }
        let malformed = || ImportError::new(number, "this is not the head of a list, ` count host user`");
        let head = line.strip_prefix(b" ").ok_or_else(malformed)?;
        let mut words = head.splitn(3, |&octet| octet == b' ');
        let count = words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
        let (Some(count), Some(host), Some(user)) = (count, words.next(), words.next()) else {
            return Err(malformed());
        };
        if count == 0 {
            return Err(malformed());
        }
        list = (host == known.host.as_bytes() && user == known.user.as_bytes(), count);
    }
    match list.1 {
        0 => Ok(ids),
        left => Err(ImportError::new(last, format!("{left} unique-ids of the last list are missing"))),
    }
}

/// A unique-id as mpop writes it: its later versions put the time behind.
fn without_time(line: &[u8]) -> &[u8] {
    let Some(blank) = line.iter().rposition(|&octet| octet == b' ') else { return line };
    match line.split_at_checked(blank) {
        Some((id, time)) if !id.is_empty() && is_number(time.get(1..).unwrap_or_default()) => id,
        _ => line,
    }
}

fn is_number(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(u8::is_ascii_digit)
}

fn fdm(octets: &[u8]) -> Result<Vec<&[u8]>, ImportError> {
    let mut ids = Vec::new();
    for (number, line) in lines(octets) {
        let malformed =
            || ImportError::new(number, "this is not the length of a unique-id and the unique-id");
        let blank = line.iter().position(|&octet| octet == b' ').ok_or_else(malformed)?;
        let (length, id) = line.split_at_checked(blank).ok_or_else(malformed)?;
        let id = id.get(1..).unwrap_or_default();
        let length = std::str::from_utf8(length).ok().and_then(|length| length.parse::<usize>().ok());
        if id.is_empty() || length != Some(id.len()) {
            return Err(malformed());
        }
        ids.push(id);
    }
    Ok(ids)
}
