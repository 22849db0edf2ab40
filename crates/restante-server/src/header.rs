//! The header fields that delivery puts in front of a message, and the one it takes out.
//!
//! `Return-Path:` with the envelope's sender and `Received:` (R5321-4.4.1, R5321-4.4.2), and `Delivered-To:` when the
//! message has one recipient. Several recipients share one file: then the fields name none of them, since one recipient
//! must not learn another's address. Any `Return-Path:` that the message brought along is dropped, so that there is
//! exactly one. LMTP and `restante deliver` call this.

pub mod summary;

use jiff::tz::TimeZone;
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::time::SystemTime;

/// What the fields are made from.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// The envelope's sender without angle brackets; `None` for notifications.
    pub sender: Option<&'a str>,
    /// The only recipient; `None` when there are several.
    pub recipient: Option<&'a str>,
    /// What the client called itself.
    pub client_name: Option<&'a str>,
    /// The client's address, if it came over the network.
    pub client_address: Option<IpAddr>,
    /// Our own name.
    pub hostname: &'a str,
    /// The word behind `with`: `LMTP`, `LMTPS`, `UTF8LMTP`, `UTF8LMTPS`; `local` for a program on this machine.
    pub protocol: &'a str,
    /// Names the session, as in the log.
    pub id: &'a str,
    /// When the message was received.
    pub now: SystemTime,
}

impl Head<'_> {
    /// Appends the fields, each ending with CRLF.
    pub fn write(&self, output: &mut Vec<u8>) {
        let mut text = String::with_capacity(512);
        // Writing to a String cannot fail.
        let _ = self.fields(&mut text);
        output.extend_from_slice(text.as_bytes());
    }

    fn fields(&self, text: &mut String) -> fmt::Result {
        write!(text, "Return-Path: <{}>\r\n", self.sender.unwrap_or_default())?;
        if let Some(recipient) = self.recipient {
            write!(text, "Delivered-To: {recipient}\r\n")?;
        }
        text.push_str("Received: ");
        if let Some(name) = self.client_name.filter(|name| is_domain(name)) {
            write!(text, "from {name}")?;
            self.address(text)?;
            text.push_str("\r\n\t");
        } else if self.client_address.is_some() {
            text.push_str("from unknown");
            self.address(text)?;
            text.push_str("\r\n\t");
        }
        write!(text, "by {} with {} id {}", self.hostname, self.protocol, self.id)?;
        if let Some(recipient) = self.recipient {
            write!(text, "\r\n\tfor <{recipient}>")?;
        }
        write!(text, ";\r\n\t{}\r\n", date(self.now))
    }

    fn address(&self, text: &mut String) -> fmt::Result {
        match self.client_address {
            None => Ok(()),
            Some(IpAddr::V4(address)) => write!(text, " ([{address}])"),
            Some(IpAddr::V6(address)) => write!(text, " ([IPv6:{address}])"),
        }
    }
}

/// Only what cannot be taken for another part of the field.
fn is_domain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._:[]".contains(&octet))
}

/// A date as RFC 5322 writes it, in the time zone of this machine.
fn date(now: SystemTime) -> String {
    let timestamp = jiff::Timestamp::try_from(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let here = timestamp.to_zoned(TimeZone::system());
    // Years before 0 or after 9999 have no such form; a clock that says so is not worth losing a message for.
    jiff::fmt::rfc2822::to_string(&here).unwrap_or_else(|_| "Thu, 1 Jan 1970 00:00:00 +0000".to_owned())
}

/// Takes every `Return-Path:` field out of a header as it passes, folded lines included; the body passes unchanged.
///
/// The outcome does not depend on how the message is cut. Lines end with LF, whatever stands before it.
#[derive(Debug)]
pub struct ReturnPathFilter {
    place: Place,
    /// The beginning of a line that may still become the field's name.
    held: Vec<u8>,
    /// The line before was dropped, and so are its continuations.
    was_dropped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    Keep,
    Drop,
    Body,
}

impl Default for ReturnPathFilter {
    fn default() -> Self {
        Self { place: Place::LineStart, held: Vec::new(), was_dropped: false }
    }
}

impl ReturnPathFilter {
    /// Appends what stays of `chunk` to `output`.
    pub fn filter(&mut self, chunk: &[u8], output: &mut Vec<u8>) {
        let mut rest = chunk;
        while let Some((&first, after)) = rest.split_first() {
            match self.place {
                Place::Body => return output.extend_from_slice(rest),
                Place::LineStart => {
                    self.held.push(first);
                    rest = after;
                    self.place = self.judge();
                    if self.place != Place::LineStart {
                        if self.place != Place::Drop {
                            output.extend_from_slice(&self.held);
                        }
                        self.held.clear();
                    }
                }
                Place::Keep | Place::Drop => {
                    let length =
                        rest.iter().position(|&octet| octet == b'\n').map_or(rest.len(), |at| at + 1);
                    let (line, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
                    if self.place == Place::Keep {
                        output.extend_from_slice(line);
                    }
                    self.was_dropped = self.place == Place::Drop;
                    if line.ends_with(b"\n") {
                        self.place = Place::LineStart;
                    }
                    rest = behind;
                }
            }
        }
    }

    /// Has the header ended? Nothing is taken out from then on.
    pub fn is_past_header(&self) -> bool {
        self.place == Place::Body
    }

    /// Appends what was held back when the message ends.
    pub fn finish(&mut self, output: &mut Vec<u8>) {
        output.append(&mut self.held);
    }

    /// What the line is, as far as the held octets tell.
    fn judge(&self) -> Place {
        let held = self.held.as_slice();
        match held {
            b"\n" | b"\r\n" => return Place::Body,
            b"\r" => return Place::LineStart,
            [b' ' | b'\t', ..] => return if self.was_dropped { Place::Drop } else { Place::Keep },
            _ => {}
        }
        let name = held.get(..NAME.len()).unwrap_or(held);
        if !NAME.get(..name.len()).is_some_and(|known| known.eq_ignore_ascii_case(name)) {
            return Place::Keep;
        }
        // RFC 5322, 4.5.8: old mail has spaces before the colon.
        match held.get(NAME.len()..).unwrap_or_default() {
            [.., b':'] => Place::Drop,
            [] | [.., b' ' | b'\t'] if held.len() < HELD_OCTETS_MAX => Place::LineStart,
            _ => Place::Keep,
        }
    }
}

const NAME: &[u8] = b"Return-Path";
/// A name with more space behind it is held to be another.
const HELD_OCTETS_MAX: usize = 80;

#[cfg(test)]
mod tests;
