//! Replies of POP3: the only file that spells "+OK", "-ERR", response codes and the texts behind them.
//!
//! The server's sessions pick a reply here and append it; the client's sessions parse what they receive. No text
//! repeats anything a peer has sent, so nothing a peer says can look like a response code (R2449-6.4.1) or make a
//! reply too long (R1939-3.9). Lines of multi-line responses that are not numbers belong to `capability` and `body`.

use alloc::vec::Vec;
use core::fmt;

use crate::capability::Capability;
use crate::maildrop::{MessageNumber, Octets};
use crate::sasl::{self, apop};
use crate::server::{Fault, Refusal};

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
        }
    }

    /// The code that the text between the brackets says, in any case; levels below a known one are ignored.
    #[must_use]
    pub fn parse(code: &[u8]) -> Option<Self> {
        // R2449-8.2, R3206-4.3
        [Self::Auth, Self::InUse, Self::LoginDelay, Self::SysTemp, Self::SysPerm].into_iter().find(|known| {
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

// What follows is the server's part. Texts avoid "lock", "wait" and "unavailable" but where the client should come
// again later: fetchmail reads them.

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
pub(crate) const fn refusal(refusal: Refusal) -> &'static [u8] {
    match refusal {
        // R3206-6.1
        Refusal::Credentials => b"-ERR [AUTH] Wrong user name or password\r\n",
        // R2449-8.1.2.1
        Refusal::InUse => b"-ERR [IN-USE] The maildrop is locked by another session\r\n",
        // R2449-8.1.1.1
        Refusal::LoginDelay => b"-ERR [LOGIN-DELAY] The last login was too recent, wait before the next\r\n",
        // R3206-4.1
        Refusal::Temporary => b"-ERR [SYS/TEMP] Service temporarily unavailable, try again later\r\n",
        // R3206-4.2
        Refusal::Permanent => b"-ERR [SYS/PERM] The maildrop cannot be opened, ask the postmaster\r\n",
        Refusal::TooManySessions => b"-ERR [SYS/TEMP] Too many sessions, wait and try again\r\n",
        Refusal::ShuttingDown => b"-ERR [SYS/TEMP] Service unavailable: shutting down\r\n",
    }
}

/// The reply to RETR or TOP of a message that cannot be opened.
pub(crate) const fn message_fault(fault: Fault) -> &'static [u8] {
    match fault {
        // R3206-4.4
        Fault::Temporary => b"-ERR [SYS/TEMP] The message cannot be read now\r\n",
        Fault::Permanent => b"-ERR [SYS/PERM] The message cannot be read\r\n",
    }
}

/// The reply to QUIT when not every marked message was removed.
pub(crate) const fn removal_fault(fault: Fault) -> &'static [u8] {
    match fault {
        // R1939-6.4
        Fault::Temporary => b"-ERR [SYS/TEMP] Some deleted messages were not removed\r\n",
        Fault::Permanent => b"-ERR [SYS/PERM] Some deleted messages were not removed\r\n",
    }
}

/// A challenge: "+", one space, base64, and the space also when it is empty (R5034-4.5, R5034-4.6).
pub(crate) fn challenge(challenge: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(b"+ ");
    sasl::encode_base64(challenge, output);
    output.extend_from_slice(b"\r\n");
}

/// The reply to CAPA.
pub(crate) fn capabilities<'a>(list: impl Iterator<Item = Capability<'a>>, output: &mut Vec<u8>) {
    output.extend_from_slice(b"+OK Capability list follows\r\n");
    for capability in list {
        capability.encode(output);
    }
    output.extend_from_slice(TERMINATION);
}

/// The reply to AUTH without argument.
pub(crate) fn mechanisms(list: impl Iterator<Item = sasl::Mechanism>, output: &mut Vec<u8>) {
    output.extend_from_slice(b"+OK Mechanisms follow\r\n");
    for mechanism in list {
        output.extend_from_slice(mechanism.name().as_bytes());
        output.extend_from_slice(b"\r\n");
    }
    output.extend_from_slice(TERMINATION);
}

/// The reply to STAT: nothing but the two numbers (R1939-5.1, R1939-5.2).
pub(crate) fn stat(messages: usize, octets: Octets, output: &mut Vec<u8>) {
    output.extend_from_slice(b"+OK ");
    decimal(messages as u64, output);
    output.push(b' ');
    decimal(octets.as_u64(), output);
    output.extend_from_slice(b"\r\n");
}

/// The reply to a login, to RSET and to LIST: what the maildrop holds.
pub(crate) fn contents(messages: usize, octets: Octets, output: &mut Vec<u8>) {
    output.extend_from_slice(b"+OK ");
    decimal(messages as u64, output);
    output.extend_from_slice(b" messages (");
    decimal(octets.as_u64(), output);
    output.extend_from_slice(b" octets)\r\n");
}

/// The reply to LIST of one message.
pub(crate) fn scan_listing(number: MessageNumber, octets: Octets, output: &mut Vec<u8>) {
    // R1939-5.8
    output.extend_from_slice(b"+OK ");
    scan_line(number, octets, output);
}

/// One line of LIST.
pub(crate) fn scan_line(number: MessageNumber, octets: Octets, output: &mut Vec<u8>) {
    // R1939-5.7, R1939-5.14
    decimal(u64::from(number.as_u32()), output);
    output.push(b' ');
    decimal(octets.as_u64(), output);
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

/// The first line of the reply to RETR.
pub(crate) fn message(octets: Octets, output: &mut Vec<u8>) {
    output.extend_from_slice(b"+OK ");
    decimal(octets.as_u64(), output);
    output.extend_from_slice(b" octets\r\n");
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

pub(crate) const USER_TAKEN: &[u8] = b"+OK Send the password\r\n";
pub(crate) const START_TLS: &[u8] = b"+OK Begin the TLS negotiation\r\n";
pub(crate) const NOTHING_DONE: &[u8] = b"+OK Nothing done\r\n";
pub(crate) const MARKED: &[u8] = b"+OK Message marked deleted\r\n";
pub(crate) const TOP_FOLLOWS: &[u8] = b"+OK Top of the message follows\r\n";
pub(crate) const UNIQUE_IDS_FOLLOW: &[u8] = b"+OK Unique-ids follow\r\n";
pub(crate) const GOODBYE: &[u8] = b"+OK Goodbye\r\n";

pub(crate) const UNKNOWN_COMMAND: &[u8] = b"-ERR Unknown command\r\n";
pub(crate) const WRONG_STATE: &[u8] = b"-ERR Not possible in this state\r\n";
pub(crate) const LINE_TOO_LONG: &[u8] = b"-ERR Line too long\r\n";
pub(crate) const ARGUMENT_MISSING: &[u8] = b"-ERR An argument is missing\r\n";
pub(crate) const ARGUMENT_UNEXPECTED: &[u8] = b"-ERR Too many arguments\r\n";
pub(crate) const ARGUMENT_INVALID: &[u8] = b"-ERR Invalid argument\r\n";
pub(crate) const NO_SUCH_MESSAGE: &[u8] = b"-ERR No such message\r\n";
pub(crate) const MESSAGE_DELETED: &[u8] = b"-ERR The message is marked deleted\r\n";
pub(crate) const TOO_MANY_BAD_COMMANDS: &[u8] = b"-ERR Too many bad commands, closing\r\n";

pub(crate) const USER_FIRST: &[u8] = b"-ERR PASS must follow USER\r\n";
pub(crate) const USER_NOT_OFFERED: &[u8] = b"-ERR USER and PASS are not offered\r\n";
pub(crate) const USER_NEEDS_TLS: &[u8] = b"-ERR Start TLS first\r\n";
/// Only for PASS and AUTH: RFC 3206 section 5 counts an attempt against policy among the credential failures, and
/// section 5 too keeps the code away from USER (R3206-5.1, R3206-5.3).
pub(crate) const PASSWORD_NEEDS_TLS: &[u8] =
    b"-ERR [AUTH] No password without encryption: start TLS first\r\n";
pub(crate) const APOP_NOT_OFFERED: &[u8] = b"-ERR APOP is not offered\r\n";
pub(crate) const STLS_NOT_OFFERED: &[u8] = b"-ERR STLS is not offered\r\n";
pub(crate) const STLS_ALREADY: &[u8] = b"-ERR TLS is already active\r\n";
pub(crate) const MECHANISM_UNKNOWN: &[u8] = b"-ERR Mechanism not supported\r\n";
pub(crate) const AUTH_CANCELLED: &[u8] = b"-ERR Cancelled\r\n";
pub(crate) const AUTH_NOT_BASE64: &[u8] = b"-ERR The response is not base64\r\n";
pub(crate) const AUTH_MALFORMED: &[u8] = b"-ERR The response does not fit the mechanism\r\n";
pub(crate) const AUTH_NO_INITIAL_RESPONSE: &[u8] = b"-ERR The mechanism takes no initial response\r\n";

/// The longest name DNS can hold; with the longest timestamp taken the greeting stays within 512 octets.
const HOSTNAME_OCTETS_MAX: usize = 255;

#[cfg(test)]
mod tests;
