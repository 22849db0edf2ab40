//! Replies of POP3: the only room that spells "+OK", "-ERR", response codes and the texts behind them.
//!
//! The server's sessions pick a reply and append it in the language of the session; the client's sessions parse what
//! they receive. Replies that are nothing but a text are entries of `reply/catalogue`; which languages there are and
//! how a text goes onto the wire is in `reply/language`. No text
//! repeats anything a peer has sent, so nothing a peer says can look like a response code (R2449-6.4.1) or make a
//! reply too long (R1939-3.9). Lines of multi-line responses that are not numbers belong to `capability` and `body`.

use alloc::vec::Vec;
use core::fmt;

use crate::capability::Capability;
use crate::maildrop::{MessageNumber, Octets};
use crate::sasl::{self, apop};
use crate::server::{Fault, Refusal};

use catalogue::Entry;
use language::{Language, Voice};

pub(crate) mod catalogue;
pub mod language;

/// The longest first line of a reply, with its CR LF (RFC 1939 section 3, RFC 2449 section 4).
pub const LINE_OCTETS_MAX: usize = 512;

/// What the first word of a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// "+OK".
    Ok,
    /// "-ERR".
    Err,
}

/// A response code that stands first in the text of a reply (RFC 2449 section 8, RFC 3206).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// The credentials are at fault.
    Auth,
    /// The credentials were right, but the maildrop is in use.
    InUse,
    /// The last login was too recent.
    LoginDelay,
    /// A fault that will likely pass by itself.
    SysTemp,
    /// A fault that somebody has to mend.
    SysPerm,
    /// The message cannot be shown to a client that has not issued UTF8 (RFC 6856 section 5).
    Utf8,
}

impl ResponseCode {
    /// The code without its brackets.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "AUTH",
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
            Self::Utf8 => "UTF8",
        }
    }

    /// The code that the text between the brackets says, in any case; levels below a known one are ignored.
    #[must_use]
    pub fn parse(code: &[u8]) -> Option<Self> {
        // R2449-8.2, R3206-4.3
        let all = [Self::Auth, Self::InUse, Self::LoginDelay, Self::SysTemp, Self::SysPerm, Self::Utf8];
        all.into_iter().find(|known| {
            let name = known.name().as_bytes();
            code.split_at_checked(name.len()).is_some_and(|(head, deeper)| {
                head.eq_ignore_ascii_case(name) && (deeper.is_empty() || deeper.starts_with(b"/"))
            })
        })
    }
}

/// The first line of a reply, as the client reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// Success or not. Apart from STAT, LIST and UIDL nothing else may be acted on (R1939-9.1).
    pub status: Status,
    /// The response code, if there is one that is known.
    pub code: Option<ResponseCode>,
    /// The rest of the line, without status and response code (R2449-8.1).
    pub text: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Reads a line without its line end.
    ///
    /// # Errors
    /// When it begins neither with "+OK" nor with "-ERR" as a word.
    pub fn parse(line: &'a [u8]) -> Result<Self, InvalidReply> {
        let (status, rest) = if let Some(rest) = line.strip_prefix(b"+OK") {
            (Status::Ok, rest)
        } else if let Some(rest) = line.strip_prefix(b"-ERR") {
            (Status::Err, rest)
        } else {
            return Err(InvalidReply);
        };
        let text = match rest {
            [] => rest,
            [b' ', text @ ..] => text,
            _ => return Err(InvalidReply),
        };
        let (code, text) = split_code(text);
        Ok(Self { status, code, text })
    }
}

impl<'a> Reply<'a> {
    /// Reads a line as servers have been seen to write it: the status indicator in any case, and with no space behind it.
    ///
    /// # Errors
    /// When it begins with no status indicator at all.
    pub fn parse_loosely(line: &'a [u8]) -> Result<(Self, Form), InvalidReply> {
        if let Ok(reply) = Self::parse(line) {
            return Ok((reply, Form::Exact));
        }
        let indicators = [(Status::Ok, &b"+OK"[..]), (Status::Err, b"-ERR")];
        let found = indicators.into_iter().find_map(|(status, indicator)| {
            let (head, text) = line.split_at_checked(indicator.len())?;
            let form = if head == indicator { Form::NoSpace } else { Form::Case };
            head.eq_ignore_ascii_case(indicator).then_some((status, form, text))
        });
        let (status, form, text) = found.ok_or(InvalidReply)?;
        let (code, text) = split_code(text.trim_ascii_start());
        Ok((Self { status, code, text }, form))
    }
}

/// How a status indicator is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As RFC 1939 has it.
    Exact,
    /// Not in upper case (R1939-3.8).
    Case,
    /// With something else than a space behind it.
    NoSpace,
}

/// R2449-3.3: a response code stands first in the text; an unknown one is taken off all the same.
fn split_code(text: &[u8]) -> (Option<ResponseCode>, &[u8]) {
    let Some((code, rest)) = text.strip_prefix(b"[").and_then(|text| {
        let end = text.iter().position(|&octet| octet == b']')?;
        text.split_at_checked(end)
    }) else {
        return (None, text);
    };
    let rest = rest.strip_prefix(b"]").unwrap_or(rest);
    (ResponseCode::parse(code), rest.strip_prefix(b" ").unwrap_or(rest))
}

/// The base64 text of a challenge of the server, or `None` when the line is none. The space may be missing when the
/// challenge is empty (R5034-4.7).
#[must_use]
pub fn parse_challenge(line: &[u8]) -> Option<&[u8]> {
    match line {
        [b'+'] => Some(&[]),
        [b'+', b' ', challenge @ ..] => Some(challenge),
        _ => None,
    }
}

/// A line that should be a reply is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidReply;

impl fmt::Display for InvalidReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the line is no reply: it begins neither with +OK nor with -ERR")
    }
}

impl core::error::Error for InvalidReply {}

// What follows is the server's part: what is not an entry of the catalogue.

/// "+OK" with the host and, when APOP is possible, the timestamp. The host stands inside the text, since an address
/// literal begins with "["; no other "<" may come before the timestamp (R2449-6.1).
pub(crate) fn greeting(hostname: &str, timestamp: Option<&str>, output: &mut Vec<u8>) {
    debug_assert!(
        timestamp.is_none_or(|timestamp| apop::is_timestamp(timestamp.as_bytes())),
        "checked when taken"
    );
    // R1939-4.1, R2449-4.3
    output.extend_from_slice(b"+OK POP3 ");
    let is_plain = |octet: &u8| octet.is_ascii_graphic() && !b"<>".contains(octet);
    output.extend(hostname.bytes().filter(is_plain).take(HOSTNAME_OCTETS_MAX));
    output.extend_from_slice(b" ready");
    if let Some(timestamp) = timestamp {
        output.push(b' ');
        output.extend_from_slice(timestamp.as_bytes());
    }
    output.extend_from_slice(b"\r\n");
}

/// The reply to a login that is refused, or the greeting of a connection that is.
pub(crate) const fn refusal(refusal: Refusal) -> &'static Entry {
    match refusal {
        Refusal::Credentials => catalogue::WRONG_CREDENTIALS,
        Refusal::InUse => catalogue::IN_USE,
        Refusal::LoginDelay => catalogue::LOGIN_DELAY,
        Refusal::Temporary => catalogue::TEMPORARY,
        Refusal::Permanent => catalogue::PERMANENT,
        Refusal::TooManySessions => catalogue::TOO_MANY_SESSIONS,
        Refusal::ShuttingDown => catalogue::SHUTTING_DOWN,
    }
}

/// The reply to RETR or TOP of a message that cannot be opened.
pub(crate) const fn message_fault(fault: Fault) -> &'static Entry {
    match fault {
        Fault::Temporary => catalogue::UNREADABLE_NOW,
        Fault::Permanent => catalogue::UNREADABLE,
        Fault::NeedsUtf8 => catalogue::utf8::NEEDS_UTF8,
    }
}

/// The reply to QUIT when not every marked message was removed.
pub(crate) const fn removal_fault(fault: Fault) -> &'static Entry {
    match fault {
        Fault::Temporary => catalogue::NOT_REMOVED_NOW,
        Fault::Permanent | Fault::NeedsUtf8 => catalogue::NOT_REMOVED,
    }
}

/// A challenge: "+", one space, base64, and the space also when it is empty (R5034-4.5, R5034-4.6).
pub(crate) fn challenge(challenge: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(b"+ ");
    sasl::encode_base64(challenge, output);
    output.extend_from_slice(b"\r\n");
}

/// The reply to CAPA, behind its first line.
pub(crate) fn capabilities<'a>(list: impl Iterator<Item = Capability<'a>>, output: &mut Vec<u8>) {
    for capability in list {
        capability.encode(output);
    }
    output.extend_from_slice(TERMINATION);
}

/// The reply to AUTH without argument, behind its first line.
pub(crate) fn mechanisms(list: impl Iterator<Item = sasl::Mechanism>, output: &mut Vec<u8>) {
    for mechanism in list {
        output.extend_from_slice(mechanism.name().as_bytes());
        output.extend_from_slice(b"\r\n");
    }
    output.extend_from_slice(TERMINATION);
}

/// The reply to LANG without argument, behind its first line: tag and own name of each language (R6856-3.2.5).
pub(crate) fn languages(voice: Voice, output: &mut Vec<u8>) {
    for language in Language::ALL {
        output.extend_from_slice(language.tag().as_bytes());
        output.push(b' ');
        voice.append(language.own_name(), output);
        output.extend_from_slice(b"\r\n");
    }
    output.extend_from_slice(TERMINATION);
}

/// The reply to LANG, in the language that `voice` has now: its tag stands before the text (R6856-3.2.1).
pub(crate) fn language_changed(voice: Voice, output: &mut Vec<u8>) {
    output.extend_from_slice(b"+OK ");
    output.extend_from_slice(voice.language.tag().as_bytes());
    output.push(b' ');
    voice.append(catalogue::utf8::LANGUAGE_CHANGED.text(voice.language), output);
    output.extend_from_slice(b"\r\n");
}

/// The reply to STAT: nothing but the two numbers (R1939-5.1, R1939-5.2).
pub(crate) fn stat(messages: usize, octets: Octets, output: &mut Vec<u8>) {
    output.extend_from_slice(b"+OK ");
    decimal(messages as u64, output);
    output.push(b' ');
    decimal(octets.as_u64(), output);
    output.extend_from_slice(b"\r\n");
}

/// The reply to LAST: the highest message accessed, 0 for none (R1460-5.1, R1460-5.2).
pub(crate) fn last(number: Option<MessageNumber>, output: &mut Vec<u8>) {
    output.extend_from_slice(b"+OK ");
    decimal(number.map_or(0, |number| u64::from(number.as_u32())), output);
    output.extend_from_slice(b"\r\n");
}

/// The reply to LIST of one message.
pub(crate) fn scan_listing(
    number: MessageNumber,
    octets: Octets,
    board_id: Option<MessageNumber>,
    output: &mut Vec<u8>,
) {
    // R1939-5.8
    output.extend_from_slice(b"+OK ");
    scan_line(number, octets, board_id, output);
}

/// One line of LIST. Boards have a third field (R1082-BBOARDS.4).
pub(crate) fn scan_line(
    number: MessageNumber,
    octets: Octets,
    board_id: Option<MessageNumber>,
    output: &mut Vec<u8>,
) {
    // R1939-5.7, R1939-5.14
    decimal(u64::from(number.as_u32()), output);
    output.push(b' ');
    decimal(octets.as_u64(), output);
    if let Some(id) = board_id {
        output.push(b' ');
        decimal(u64::from(id.as_u32()), output);
    }
    output.extend_from_slice(b"\r\n");
}

/// The reply to UIDL of one message.
pub(crate) fn unique_id_listing(number: MessageNumber, unique_id: &[u8], output: &mut Vec<u8>) {
    // R1939-7.9
    output.extend_from_slice(b"+OK ");
    unique_id_line(number, unique_id, output);
}

/// One line of UIDL.
pub(crate) fn unique_id_line(number: MessageNumber, unique_id: &[u8], output: &mut Vec<u8>) {
    // R1939-7.8, R1939-7.10
    decimal(u64::from(number.as_u32()), output);
    output.push(b' ');
    output.extend_from_slice(unique_id);
    output.extend_from_slice(b"\r\n");
}

/// Reads a number of decimal digits and nothing else; one that does not fit saturates. `None` when it is none.
pub(crate) fn parse_decimal(digits: &[u8]) -> Option<u64> {
    // R1939-5.12
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let push = |number: u64, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().copied().fold(0, push))
}

/// Base 10, no sign, no leading zeros (R1939-4.8).
pub(crate) fn decimal(number: u64, output: &mut Vec<u8>) {
    output.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The end of every multi-line response (R1939-3.11).
pub(crate) const TERMINATION: &[u8] = b".\r\n";

/// The longest name DNS can hold; with the longest timestamp taken the greeting stays within 512 octets.
const HOSTNAME_OCTETS_MAX: usize = 255;

#[cfg(test)]
mod tests;
