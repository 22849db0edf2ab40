//! Surrogates: what of a message is shown to a client that has not asked for UTF-8 (RFC 6856 section 2.1), made as
//! RFC 6857 says. Header fields outside ASCII become fields in ASCII that say as much as can be said; everything else is
//! the message, octet by octet. docs/design/0004-surrogates.md says why.
//!
//! Here is the walk through the message, which knows header, parts and bodies; a field is converted in `field`. Octets
//! come and go as the stored form, in chunks of any size, and what is kept between them is bounded. `maildir/` asks
//! how long a surrogate is when it surveys a message, and reads through one when the server wants it.

mod address;
mod ascii;
mod field;
mod structure;
#[cfg(test)]
mod tests;
mod token;

use std::str;

use memchr::memchr;

use crate::survey::Survey;
use structure::{Entity, Line, Structure};

/// A conversion going on. Feed it the stored form in pieces of any size.
#[derive(Debug)]
pub(crate) struct Surrogate {
    place: Place,
    /// What is not written yet: the lines of a field that may go on, and the line that has not ended.
    held: Vec<u8>,
    /// Where in `held` that line begins.
    line_start: usize,
    /// The field was too large to hold; what follows of it is written with its letters outside ASCII hidden.
    is_hiding: bool,
    /// The start of the current line is written already.
    is_line_cut: bool,
    structure: Structure,
    is_changed: bool,
}

/// Where in the message the conversion stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In a header.
    Header,
    /// In a body with parts to come, at the start of a line.
    LineStart,
    /// In a body with parts to come, inside a line.
    Line,
    /// Nothing that follows can be a header.
    Rest,
}

impl Surrogate {
    pub(crate) const fn new() -> Self {
        Self {
            place: Place::Header,
            held: Vec::new(),
            line_start: 0,
            is_hiding: false,
            is_line_cut: false,
            structure: Structure::new(),
            is_changed: false,
        }
    }

    /// Appends what `octets` become to `output`.
    pub(crate) fn push(&mut self, octets: &[u8], output: &mut Vec<u8>) {
        let mut rest = octets;
        while !rest.is_empty() {
            if self.place == Place::Rest {
                return output.extend_from_slice(rest);
            }
            let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (piece, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            let is_whole = piece.ends_with(b"\n");
            match self.place {
                Place::Header => self.take_header(piece, is_whole, output),
                Place::LineStart => self.take_line_start(piece, is_whole, output),
                Place::Line | Place::Rest => {
                    output.extend_from_slice(piece);
                    if is_whole {
                        self.place = Place::LineStart;
                    }
                }
            }
            rest = behind;
        }
    }

    /// Appends what is left at the end of the message.
    pub(crate) fn finish(&mut self, output: &mut Vec<u8>) {
        if self.place == Place::Header {
            if self.held.len() > self.line_start || self.is_line_cut {
                self.end_line(output);
            }
            self.end_field(output);
        }
        output.append(&mut self.held);
    }

    /// Whether all that follows stays as it is.
    fn is_at_rest(&self) -> bool {
        self.place == Place::Rest
    }

    fn take_header(&mut self, piece: &[u8], is_whole: bool, output: &mut Vec<u8>) {
        self.held.extend_from_slice(piece);
        if is_whole {
            self.end_line(output);
        }
        if self.held.len() > FIELD_OCTETS_MAX {
            self.is_line_cut = self.line_start < self.held.len();
            self.is_hiding = true;
            self.hide(output);
        }
    }

    /// A line of the header has come to its end.
    fn end_line(&mut self, output: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_line_cut) {
            return self.hide(output);
        }
        let line = self.held.get(self.line_start..).unwrap_or_default();
        if matches!(line, b"\n" | b"\r\n") {
            self.end_field(output);
            output.append(&mut self.held);
            return self.enter(Line::HeaderEnd);
        }
        let goes_on = line.starts_with(b" ") || line.starts_with(b"\t");
        if goes_on && self.is_hiding {
            return self.hide(output);
        }
        if goes_on && self.line_start > 0 {
            self.line_start = self.held.len();
            return;
        }
        let boundary = self.structure.boundary(line);
        self.end_field(output);
        self.is_hiding = false;
        match boundary {
            Some(boundary) => {
                output.append(&mut self.held);
                self.enter(boundary);
            }
            None => self.line_start = self.held.len(),
        }
    }

    /// Writes the field whose lines are held up to the current one, as it is or as its surrogate.
    fn end_field(&mut self, output: &mut Vec<u8>) {
        let field = self.held.get(..self.line_start).unwrap_or_default();
        self.structure.note_field(field);
        match str::from_utf8(field) {
            // R6857-3.1.1: what is ASCII is left alone. Octets that are no UTF-8 are older than all this.
            Ok(text) if !text.is_ascii() => {
                output.extend_from_slice(field::surrogate(text).as_bytes());
                self.is_changed = true;
            }
            _ => output.extend_from_slice(field),
        }
        self.held.drain(..self.line_start);
        self.line_start = 0;
    }

    /// Writes what is held of a field that is too large, each octet outside ASCII as a question mark.
    fn hide(&mut self, output: &mut Vec<u8>) {
        self.is_changed |= !self.held.is_ascii();
        output.extend(self.held.drain(..).map(|octet| if octet.is_ascii() { octet } else { b'?' }));
        self.line_start = 0;
    }

    /// The start of a line in a body: it may be a boundary.
    fn take_line_start(&mut self, piece: &[u8], is_whole: bool, output: &mut Vec<u8>) {
        let is_possible = self.held.first().or_else(|| piece.first()) == Some(&b'-');
        self.held.extend_from_slice(if is_possible { piece } else { &[] });
        if !is_possible {
            output.extend_from_slice(piece);
            self.place = if is_whole { Place::LineStart } else { Place::Line };
        } else if is_whole {
            let line = self.structure.boundary(&self.held);
            output.append(&mut self.held);
            if let Some(line) = line {
                self.enter(line);
            }
        } else if self.held.len() > structure::BOUNDARY_LINE_OCTETS_MAX {
            output.append(&mut self.held);
            self.place = Place::Line;
        }
    }

    /// Goes where the structure leads behind this line.
    fn enter(&mut self, line: Line) {
        self.line_start = 0;
        self.is_hiding = false;
        self.place = match self.structure.enter(line) {
            Entity::Header => Place::Header,
            Entity::Body => Place::LineStart,
            Entity::Rest => Place::Rest,
        };
    }
}

/// Finds out whether a message has a surrogate, and how long that is.
#[derive(Debug)]
pub(crate) struct Measure {
    surrogate: Surrogate,
    written: Vec<u8>,
    before: Survey,
    after: Survey,
}

impl Measure {
    pub(crate) const fn new() -> Self {
        let (before, after) = (Survey::new(), Survey::new());
        Self { surrogate: Surrogate::new(), written: Vec::new(), before, after }
    }

    /// Looks at the next piece of the stored form. `false` when nothing that follows matters.
    pub(crate) fn update(&mut self, piece: &[u8]) -> bool {
        // Up to the rest line by line, so that both counts stop at the same place.
        for line in piece.split_inclusive(|&octet| octet == b'\n') {
            if self.surrogate.is_at_rest() {
                return false;
            }
            self.before.update(line);
            self.surrogate.push(line, &mut self.written);
            self.after.update(&self.written);
            self.written.clear();
        }
        !self.surrogate.is_at_rest()
    }

    /// Octets of the surrogate in its canonical form, when the message has `octets`; `None` when it needs none.
    pub(crate) fn finish(mut self, octets: u64) -> Option<u64> {
        if !self.surrogate.is_at_rest() {
            self.surrogate.finish(&mut self.written);
            self.after.update(&self.written);
        }
        let (before, after) = (self.before.finish().octets, self.after.finish().octets);
        self.surrogate.is_changed.then(|| octets.saturating_sub(before).saturating_add(after))
    }
}

/// A field that is larger is not held. More than any that is meant to be read has, little for a session.
const FIELD_OCTETS_MAX: usize = 64 * 1024;
