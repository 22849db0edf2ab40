//! What other servers showed: their unique-ids and their order, so that no client retrieves a message again when its
//! maildrop is served here.
//!
//! A source ([`dovecot`], [`courier`], [`cyrus`], [`qmail`], [`listing`]) makes a list of [`Shown`] from octets that
//! the caller has read, in the order of the old server. [`contents`] computes unique-ids from the messages themselves,
//! for servers that did so. [`live`] tells which message of a list taken from a running server is which message here.
//! [`plan`] puts such a list beside what is in the maildrop and says what would become of each message; its result
//! is what `Store::set_unique_ids` takes. [`export`] goes the other way. Nothing here reads a file, opens a socket or
//! changes anything.
//!
//! Parsers take any octets, never panic, and need memory in proportion to their input, whose size the caller bounds
//! ([`FILE_OCTETS_MAX`]). The reasons are in docs/design/0008-migration.md.

pub mod contents;
pub mod courier;
pub mod cyrus;
pub mod dovecot;
pub mod export;
pub mod fingerprint;
pub mod header;
pub mod listing;
pub mod live;
pub mod plan;
pub mod qmail;
pub mod template;

use std::error::Error;
use std::fmt;

/// One message as the old server showed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The base name of its file: the name up to the first `:`. `None` when the source knows no files.
    pub name: Option<Vec<u8>>,
    /// Its unique-id as it was sent, which need not be a valid one.
    pub unique_id: Vec<u8>,
    /// The unique-id was made by the server's general rule and is not stored for this message.
    pub is_by_rule: bool,
    /// Its octets as the old server counted them, where the source says so.
    pub octets: Option<u64>,
    /// The digest of its header ([`header::digest`]), where the source says so.
    pub digest: Option<header::Digest>,
}

/// Why octets are not what they were said to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// The line, from 1; 0 for what is no line.
    pub line: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl FormatError {
    pub(crate) const fn new(line: usize, what: &'static str) -> Self {
        Self { line, what }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(self.what),
            line => write!(f, "line {line}: {}", self.what),
        }
    }
}

impl Error for FormatError {}

/// A file of an old server should not be larger: room for some ten million messages.
pub const FILE_OCTETS_MAX: u64 = 1 << 30;

/// The base name of a Maildir file name: what stands before the first `:`.
#[must_use]
pub fn base_name(name: &[u8]) -> &[u8] {
    crate::maildir::layout::split_name(name).0
}

/// The lines of a file with their numbers from 1, without their ends.
fn lines(file: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let file = file.strip_suffix(b"\n").unwrap_or(file);
    let lines = (!file.is_empty()).then(|| file.split(|&octet| octet == b'\n'));
    (1..).zip(lines.into_iter().flatten().map(|line| line.strip_suffix(b"\r").unwrap_or(line)))
}

/// A decimal number and nothing else.
fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    let is_plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_plain)?.parse().ok()
}

/// What stands before and behind the first `octet`.
fn split_once(octets: &[u8], octet: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(octet, octets)?;
    Some((octets.get(..at)?, octets.get(at + 1..)?))
}

/// What stands before and behind the last `octet`.
fn rsplit_once(octets: &[u8], octet: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memrchr(octet, octets)?;
    Some((octets.get(..at)?, octets.get(at + 1..)?))
}

/// Octets in lower-case hexadecimal digits.
fn hex(octets: &[u8]) -> Vec<u8> {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).map_or(b'0', |digit| digit as u8);
    octets.iter().flat_map(|&octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}

/// Hexadecimal digits as octets.
fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let value = |&digit: &u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(value(high)? << 4 | value(low)?),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests;
