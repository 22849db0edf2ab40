//! The header of a message, as far as rules and digests need it: taken from octets that are cut anywhere, in bounded memory.
//!
//! The same octets come from RETR and from TOP n 0, so both give the same digest. What fields mean to people is in `rule.rs`.

use std::borrow::Cow;

use mail_parser::{HeaderName, HeaderValue, MessageParser};
use sha2::{Digest as _, Sha256};

use crate::spool;

/// A digest of a header that stays the same while servers come and go: the first half of a SHA-256 over its fields.
///
/// Fed with the message, or its header, cut anywhere; everything behind the first empty line is ignored. Each line goes in with LF behind
/// it, whatever its end was. Left out, with the lines that continue them, are
///
/// * what servers and mail programs write into a stored message to keep their own books ([`OWN_BOOKS`]), for it changes when a
///   message is read or moved to another server;
/// * a first line `From …` or `>From …`, which is an mbox's and no field.
///
/// `Delivered-To`, `Return-Path` and `Received` stay in: they are written once, by the delivery, and they tell apart two copies of a
/// message that came by two ways.
#[derive(Clone, Debug)]
pub struct HeaderDigest {
    sha: Sha256,
    /// The beginning of a line whose field is not known yet; at most [`NAME_OCTETS_MAX`].
    start: Vec<u8>,
    line: Line,
    /// A CR came, and what follows it decides what it was.
    has_cr: bool,
    is_first_line: bool,
    /// The field that a continuation would continue is left out.
    is_left_out: bool,
    has_message_id: bool,
    fields: u32,
}

/// What is known of the line that is coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Not yet enough.
    Start,
    /// It goes in.
    In,
    /// It is left out.
    Out,
    /// It was the empty one: what comes is body.
    Body,
}

/// What [`HeaderDigest`] comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digested {
    /// The digest.
    pub digest: [u8; 16],
    /// Whether there is a Message-ID in the header: then two messages with this digest are copies of one.
    pub has_message_id: bool,
    /// Whether no field went in: then the digest says nothing.
    pub is_empty: bool,
}

impl Default for HeaderDigest {
    fn default() -> Self {
        Self {
            sha: Sha256::new(),
            start: Vec::new(),
            line: Line::Start,
            has_cr: false,
            is_first_line: true,
            is_left_out: false,
            has_message_id: false,
            fields: 0,
        }
    }
}

impl HeaderDigest {
    /// Of a header, or message, that is there as a whole.
    #[must_use]
    pub fn of(octets: &[u8]) -> Digested {
        let mut digest = Self::default();
        digest.update(octets);
        digest.digested()
    }

    /// Takes the next octets.
    pub fn update(&mut self, octets: &[u8]) {
        for &octet in octets {
            match (octet, self.line) {
                (_, Line::Body) => return,
                (b'\n', _) => {
                    self.has_cr = false;
                    self.end_line();
                }
                (octet, _) => {
                    if std::mem::replace(&mut self.has_cr, octet == b'\r') {
                        self.take(b'\r');
                    }
                    if octet != b'\r' {
                        self.take(octet);
                    }
                }
            }
        }
    }

    /// The digest of what came, and what is to be known of it. A last line without an end counts as one.
    #[must_use]
    pub fn digested(mut self) -> Digested {
        if self.line != Line::Body && (self.line != Line::Start || !self.start.is_empty()) {
            self.end_line();
        }
        let whole = self.sha.finalize();
        let mut digest = [0; 16];
        digest.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        Digested { digest, has_message_id: self.has_message_id, is_empty: self.fields == 0 }
    }

    /// An octet of a line.
    fn take(&mut self, octet: u8) {
        match self.line {
            Line::In => self.sha.update([octet]),
            Line::Out | Line::Body => {}
            Line::Start => {
                self.start.push(octet);
                let is_continuation = self.start.len() == 1 && matches!(octet, b' ' | b'\t');
                if is_continuation || octet == b':' || self.start.len() == NAME_OCTETS_MAX {
                    self.begin_line();
                }
            }
        }
    }

    /// Enough of the line is known to tell whether it goes in.
    fn begin_line(&mut self) {
        let is_continuation = matches!(self.start.first(), Some(b' ' | b'\t')) && !self.is_first_line;
        let name = self.start.strip_suffix(b":").map(<[u8]>::trim_ascii_end);
        if !is_continuation {
            self.is_left_out = match name {
                // `From : x` is a field, and `From x@example.org Thu Jan 1 00:` is not.
                Some(name) if !name.contains(&b' ') => is_own_book(name),
                _ => {
                    self.is_first_line
                        && (self.start.starts_with(b"From ") || self.start.starts_with(b">From "))
                }
            };
            if !self.is_left_out {
                self.has_message_id |= name.is_some_and(|name| name.eq_ignore_ascii_case(b"Message-ID"));
                self.fields = self.fields.saturating_add(1);
            }
        }
        self.line = if self.is_left_out { Line::Out } else { Line::In };
        if self.line == Line::In {
            self.sha.update(&self.start);
        }
        self.start.clear();
    }

    fn end_line(&mut self) {
        if self.line == Line::Start {
            if self.start.is_empty() {
                self.line = Line::Body;
                return;
            }
            self.begin_line();
        }
        if self.line == Line::In {
            self.sha.update(b"\n");
        }
        self.line = Line::Start;
        self.is_first_line = false;
    }
}

impl spool::HeaderDigest for HeaderDigest {
    fn update(&mut self, octets: &[u8]) {
        Self::update(self, octets);
    }

    fn finish(&mut self) -> [u8; 16] {
        std::mem::take(self).digested().digest
    }
}

/// The unique-id of a message on a server that gives none: made of what its header and its octets are, so that it is the same in every
/// session. Messages that share both are told apart by their order, like others that share a unique-id.
#[must_use]
pub fn made_unique_id(header: &Digested, octets: Option<u64>) -> Box<[u8]> {
    let hex: String = header.digest.iter().map(|octet| format!("{octet:02x}")).collect();
    match octets {
        Some(octets) => format!("made.{hex}.{octets}"),
        None => format!("made.{hex}"),
    }
    .into_bytes()
    .into()
}

/// A header that was collected: for rules. Bounded; what is longer than [`HEADER_OCTETS_MAX`] is not looked at by rules, and
/// [`Header::is_complete`] says so.
#[derive(Clone, Debug, Default)]
pub struct Header {
    octets: Vec<u8>,
    state: Collecting,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Collecting {
    #[default]
    Header,
    /// The empty line came.
    Complete,
    /// There was more than fits.
    TooLong,
}

impl Header {
    /// Of octets that are all there: the header of a message, with the empty line behind it or the end of the octets.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        let mut header = Self::default();
        header.update(octets);
        header.finish();
        header
    }

    /// Takes the next octets of the message, cut anywhere.
    pub fn update(&mut self, octets: &[u8]) {
        for &octet in octets {
            if self.state != Collecting::Header {
                return;
            }
            if self.octets.len() == HEADER_OCTETS_MAX {
                self.state = Collecting::TooLong;
                return;
            }
            self.octets.push(octet);
            if octet == b'\n' {
                let before = self.octets.strip_suffix(b"\n").unwrap_or_default();
                let before = before.strip_suffix(b"\r").unwrap_or(before);
                if before.is_empty() || before.ends_with(b"\n") {
                    self.state = Collecting::Complete;
                }
            }
        }
    }

    /// The server has said that this was all.
    pub fn finish(&mut self) {
        if self.state == Collecting::Header {
            self.state = Collecting::Complete;
        }
    }

    /// Whether the whole header is there. Nothing may be deleted by what an incomplete one says.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == Collecting::Complete
    }

    /// The fields in their order: names as written, values unfolded and with encoded words (RFC 2047) decoded.
    #[must_use]
    pub fn fields(&self) -> Vec<(Cow<'_, str>, String)> {
        // The parser takes the default for a field only if some field has a way of its own.
        let parser = MessageParser::new().header_text(HeaderName::Subject).default_header_text();
        // It wants an end.
        let octets: Vec<u8> = [&self.octets, &b"\r\n\r\n"[..]].concat();
        let Some(message) = parser.parse_headers(&octets) else { return Vec::new() };
        let fields = message.headers().iter().map(|field| {
            let name = self.octets.get(field.offset_field as usize..field.offset_start as usize);
            let name = String::from_utf8_lossy(name.unwrap_or_default());
            let name = Cow::Owned(name.trim_end().trim_end_matches(':').trim_end().to_owned());
            let value = match &field.value {
                HeaderValue::Text(text) => text.clone().into_owned(),
                HeaderValue::TextList(list) => list.join(" "),
                // Nothing else is asked for.
                _ => String::new(),
            };
            (name, value)
        });
        fields.collect()
    }
}

/// Fields in which servers and mail programs keep their own books; one that ends with `*` stands for all that begin so.
pub const OWN_BOOKS: &[&str] = &[
    "Content-Length",
    "Lines",
    "Status",
    "X-Envelope-From",
    "X-Evolution",
    "X-IMAP",
    "X-IMAPbase",
    "X-Keywords",
    "X-Mozilla-*",
    "X-Status",
    "X-UID",
    "X-UIDL",
];

fn is_own_book(name: &[u8]) -> bool {
    OWN_BOOKS.iter().any(|book| match book.strip_suffix('*') {
        Some(start) => {
            name.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes()))
        }
        None => name.eq_ignore_ascii_case(book.as_bytes()),
    })
}

/// No name of a field that is left out is longer.
const NAME_OCTETS_MAX: usize = 64;

/// Headers of a hundred recipients and a dozen signatures have a tenth of it.
pub const HEADER_OCTETS_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests;
