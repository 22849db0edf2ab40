//! The parts of a message, as far as a surrogate must know them (RFC 2046): where headers begin and end.

use std::str;

use memchr::memchr;

use super::token::{Kind, tokens};

/// Which parts are open, and what the current header has said so far.
#[derive(Debug)]
pub(super) struct Structure {
    /// Boundaries of the multiparts that are open, the innermost last.
    open: Vec<Multipart>,
    content: Content,
    /// The content is encoded, so that no header in it can be seen.
    is_encoded: bool,
}

#[derive(Debug)]
struct Multipart {
    boundary: Vec<u8>,
    is_digest: bool,
}

/// What the header says that its body is.
#[derive(Debug)]
enum Content {
    /// Something without headers.
    Leaf,
    /// A message: header and body.
    Message,
    /// Nothing but fields, in blocks with blank lines between them.
    Fields,
    /// Parts.
    Multipart(Multipart),
}

/// A line that leads somewhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The blank line behind a header.
    HeaderEnd,
    /// The boundary before a part of this multipart.
    Part(usize),
    /// The boundary behind the last part of this multipart.
    Close(usize),
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entity {
    Header,
    /// A body, or what stands between parts.
    Body,
    /// Nothing that can hold another header.
    Rest,
}

impl Structure {
    pub(super) const fn new() -> Self {
        Self { open: Vec::new(), content: Content::Leaf, is_encoded: false }
    }

    /// Learns from a field of the current header what its body is.
    pub(super) fn note_field(&mut self, field: &[u8]) {
        if !field.first().is_some_and(|first| first.eq_ignore_ascii_case(&b'c')) {
            return;
        }
        let Some(colon) = memchr(b':', field) else { return };
        let (name, value) = field.split_at_checked(colon).unwrap_or((field, &[]));
        let value = String::from_utf8_lossy(value.get(1..).unwrap_or_default());
        let name = name.trim_ascii_end();
        if name.eq_ignore_ascii_case(b"content-type") {
            self.content = content(&value);
        } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            let encoding = value.trim();
            let is_identity =
                ["7bit", "8bit", "binary"].iter().any(|known| encoding.eq_ignore_ascii_case(known));
            self.is_encoded = !is_identity && !encoding.is_empty();
        }
    }

    /// The boundary that a line is.
    pub(super) fn boundary(&self, line: &[u8]) -> Option<Line> {
        let text = line.strip_prefix(b"--")?.trim_ascii_end();
        let is_it = |(number, multipart): (usize, &Multipart)| {
            let behind = text.strip_prefix(multipart.boundary.as_slice())?;
            match behind {
                [] => Some(Line::Part(number)),
                b"--" => Some(Line::Close(number)),
                _ => None,
            }
        };
        self.open.iter().enumerate().rev().find_map(is_it)
    }

    /// Goes on behind a line.
    pub(super) fn enter(&mut self, line: Line) -> Entity {
        let content = std::mem::replace(&mut self.content, Content::Leaf);
        let is_encoded = std::mem::take(&mut self.is_encoded);
        match (line, content) {
            // R6857-4.1.1: also where a message holds another.
            (Line::HeaderEnd, Content::Message) if !is_encoded => return Entity::Header,
            (Line::HeaderEnd, Content::Fields) if !is_encoded => {
                self.content = Content::Fields;
                return Entity::Header;
            }
            (Line::HeaderEnd, Content::Multipart(multipart)) if self.open.len() < DEPTH_MAX => {
                self.open.push(multipart);
            }
            (Line::HeaderEnd, _) => {}
            (Line::Part(number), _) => {
                self.open.truncate(number + 1);
                if self.open.last().is_some_and(|multipart| multipart.is_digest) {
                    self.content = Content::Message;
                }
                return Entity::Header;
            }
            (Line::Close(number), _) => self.open.truncate(number),
        }
        if self.open.is_empty() { Entity::Rest } else { Entity::Body }
    }
}

/// What a Content-Type says.
fn content(value: &str) -> Content {
    let tokens = tokens(value, b";=");
    let mut parts = tokens.split(|token| token.is_sign(b';'));
    let word = |part: &[super::token::Token<'_>]| -> String {
        part.iter().filter(|token| !token.is_blank()).map(|token| token.text).collect()
    };
    let kind = parts.next().map(word).unwrap_or_default().to_ascii_lowercase();
    match kind.as_str() {
        "message/rfc822" | "message/global" | "message/news" => return Content::Message,
        "message/delivery-status" | "message/global-delivery-status" => return Content::Fields,
        "message/disposition-notification" | "message/global-disposition-notification" => {
            return Content::Fields;
        }
        "message/global-headers" | "text/rfc822-headers" => return Content::Fields,
        _ => {}
    }
    if !kind.starts_with("multipart/") {
        return Content::Leaf;
    }
    let boundary = parts.find_map(|part| {
        let equals = part.iter().position(|token| token.is_sign(b'='))?;
        let (name, value) = part.split_at_checked(equals)?;
        let is_boundary = word(name).eq_ignore_ascii_case("boundary");
        let said = value.iter().skip(1).filter(|token| !token.is_blank());
        // An unquoted value may hold an equals sign although it should not.
        let text: String = said
            .map(|token| if token.kind == Kind::Quoted { token.meaning() } else { token.text.to_owned() })
            .collect();
        is_boundary.then_some(text)
    });
    match boundary {
        Some(boundary) if (1..=BOUNDARY_OCTETS_MAX).contains(&boundary.len()) => {
            let boundary = boundary.trim_end().as_bytes().to_vec();
            Content::Multipart(Multipart { boundary, is_digest: kind == "multipart/digest" })
        }
        _ => Content::Leaf,
    }
}

/// Deeper parts are bodies. Far beyond what people send; a bound on what is kept.
const DEPTH_MAX: usize = 32;
/// RFC 2046 section 5.1.1 allows 70; some programs write more.
const BOUNDARY_OCTETS_MAX: usize = 200;
/// A longer line is no boundary: the boundary, dashes, and some spaces that a transport may have added.
pub(super) const BOUNDARY_LINE_OCTETS_MAX: usize = BOUNDARY_OCTETS_MAX + 100;
