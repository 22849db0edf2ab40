//! Lines of a server, read: where they end, and what those of LIST, UIDL and STAT say. What is not as it should be is told
//! beside what it says; whether that is forgiven is the session's to decide.

use core::ops::Range;

use super::quirk::Quirk;
use super::{Limits, ProtocolError};
use crate::maildrop::{MessageNumber, Octets, UniqueId};

/// A line without its end.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) text: &'a [u8],
    /// With its end.
    pub(super) octets: usize,
    /// It ends with a line feed alone.
    pub(super) is_bare: bool,
}

/// The first line of `octets`; `None` when it has not ended yet.
pub(super) fn find_line<'a>(octets: &'a [u8], limits: &Limits) -> Result<Option<Line<'a>>, ProtocolError> {
    let octets_max = limits.line_octets_max;
    match memchr::memchr(b'\n', octets) {
        None if octets.len() >= octets_max => Err(ProtocolError::LineTooLong),
        None => Ok(None),
        Some(at) if at >= octets_max => Err(ProtocolError::LineTooLong),
        Some(at) => {
            let line = octets.get(..at).unwrap_or_default();
            let text = line.strip_suffix(b"\r");
            Ok(Some(Line { text: text.unwrap_or(line), octets: at + 1, is_bare: text.is_none() }))
        }
    }
}

/// `messages octets`, and whatever else (R1939-5.5).
pub(super) fn stat(text: &[u8]) -> Option<(u32, Octets)> {
    let mut words = words(text);
    let messages = u32::try_from(digits(words.next()?)?).ok()?;
    Some((messages, Octets::new(digits(words.next()?)?)))
}

/// `number octets`, and whatever else (R1939-5.5).
pub(super) fn scan_listing(text: &[u8]) -> Option<((MessageNumber, Octets), Option<Quirk>)> {
    if let Some((number, rest)) = leading_digits(text)
        && let Some((octets, rest)) = rest.strip_prefix(b" ").and_then(leading_digits)
        && (rest.is_empty() || rest.first() == Some(&b' '))
    {
        return Some(((message_number(number)?, Octets::new(octets)), None));
    }
    let mut words = words(text);
    let number = message_number(digits(words.next()?)?)?;
    Some(((number, Octets::new(digits(words.next()?)?)), Some(Quirk::ListingBlanks)))
}

/// `number unique-id`: where in the line the unique-id is. It goes to the end of the line: some hold spaces, and to cut one
/// would make two messages one.
pub(super) fn unique_id_listing(text: &[u8]) -> Option<(MessageNumber, Range<usize>, [Option<Quirk>; 2])> {
    if let Some((number, rest)) = leading_digits(text)
        && let Some(unique_id) = rest.strip_prefix(b" ")
        && (1..=UniqueId::OCTETS_MAX).contains(&unique_id.len())
        && unique_id.iter().all(u8::is_ascii_graphic)
    {
        return Some((message_number(number)?, text.len() - unique_id.len()..text.len(), [None, None]));
    }
    let (number, rest) = leading_digits(text.trim_ascii_start())?;
    let unique_id = rest.trim_ascii();
    if unique_id.is_empty() || !rest.first().is_some_and(u8::is_ascii_whitespace) {
        return None;
    }
    let start = text.len() - rest.trim_ascii_start().len();
    let range = start..start + unique_id.len();
    let is_exact =
        unique_id.len() + 1 == rest.len() && rest.first() == Some(&b' ') && !text.starts_with(b" ");
    let blanks = (!is_exact).then_some(Quirk::ListingBlanks);
    let form = if !unique_id.iter().all(u8::is_ascii_graphic) {
        Some(Quirk::UniqueIdOctets)
    } else {
        (unique_id.len() > UniqueId::OCTETS_MAX).then_some(Quirk::UniqueIdTooLong)
    };
    Some((message_number(number)?, range, [blanks, form]))
}

/// Words between any number of spaces: some servers line their columns up.
fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&octet| octet == b' ' || octet == b'\t').filter(|word| !word.is_empty())
}

fn message_number(number: u64) -> Option<MessageNumber> {
    u32::try_from(number).ok().and_then(MessageNumber::new)
}

/// Digits only; leading zeros are tolerated.
fn digits(word: &[u8]) -> Option<u64> {
    leading_digits(word).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number)
}

/// The number that a text begins with, and what follows it.
fn leading_digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let count = text.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(count).filter(|(digits, _)| !digits.is_empty())?;
    let number = digits
        .iter()
        .try_fold(0_u64, |number, &digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    Some((number?, rest))
}
