//! Bodies of multi-line responses and of LMTP's DATA: byte-stuffing, the extent of TOP, the termination octet.
//!
//! One implementation serves RETR, TOP, the client and LMTP, so that they cannot drift apart. Line ends of the
//! stored form are LF and CR LF; a lone CR is an ordinary octet, and so are NUL and octets above 127. On the wire
//! every line ends with CR LF. Reading and writing is the driver's: octets come and go as chunks of any size.

mod expand;
mod plain;

use alloc::vec::Vec;
use core::ops::Range;

use memchr::{memchr, memchr_iter};

use crate::line::LineEnd;
use expand::expand;
pub use plain::Plain;

/// How much of a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it: RETR.
    Whole,
    /// The header, the blank line and so many lines of the body: TOP. More lines than there are is all of them, at
    /// the price of `Whole` (R1939-7.4).
    Top(u64),
}

/// Turns the stored form of one message into its wire form, chunk by chunk.
///
/// Contract: any number of [`Encoder::encode`], until the message ends or [`Encoder::is_complete`], then one
/// [`Encoder::finish`]. The octets written do not depend on how the message was cut into chunks.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// The last octet of the stored form; LF before the first one, since that starts a line too (R1939-3.12).
    previous: u8,
    /// Nothing but perhaps a CR has been seen of the current line.
    is_blank: bool,
    part: Part,
    octets: u64,
}

/// Which part of the message is being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Lines are not counted.
    Uncounted,
    /// The header of a `Top`, with the body lines to come.
    Header(u64),
    /// So many body lines are still to be sent.
    Body(u64),
    /// A `Top` has been reached.
    Complete,
}

impl Encoder {
    /// An encoder for one message.
    #[must_use]
    pub const fn new(extent: Extent) -> Self {
        let part = match extent {
            Extent::Whole => Part::Uncounted,
            Extent::Top(lines) => Part::Header(lines),
        };
        Self { previous: b'\n', is_blank: true, part, octets: 0 }
    }

    /// Appends the wire form of `chunk` to `output`: at most twice its octets and one more. What lies behind the
    /// extent is ignored.
    pub fn encode(&mut self, chunk: &[u8], output: &mut Vec<u8>) {
        if self.is_complete() {
            return;
        }
        let before = self.previous;
        let end = self.extent_in(chunk);
        let text = chunk.get(..end).unwrap_or_default();
        // One LF in 32 octets is more than text has; a shorter guess costs a copy of the output.
        output.reserve(text.len() + text.len() / 32 + 2);
        // R1939-3.12
        if before == b'\n' && text.first() == Some(&b'.') {
            output.push(b'.');
        }
        self.octets += text.len() as u64 + expand(text, before, output);
        self.previous = text.last().copied().unwrap_or(before);
    }

    /// Whether a `Top` extent has been reached, so that no further chunk is needed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.part == Part::Complete
    }

    /// Appends the CR LF that the last line may lack, then the termination octet with its CR LF.
    pub fn finish(&mut self, output: &mut Vec<u8>) {
        if self.previous != b'\n' {
            output.extend_from_slice(b"\r\n");
            self.octets += 2;
            self.previous = b'\n';
        }
        // R1939-3.11
        output.extend_from_slice(b".\r\n");
    }

    /// The octets of the canonical form sent so far: line ends count two, byte-stuffing and termination nothing.
    /// After [`Encoder::finish`] of a whole message this is its size in LIST (R1939-11.1, R1939-11.2).
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// How many octets of the chunk belong to the extent. Counts the lines of a `Top`.
    fn extent_in(&mut self, chunk: &[u8]) -> usize {
        let mut start = 0;
        let mut before = self.previous;
        while let Part::Header(lines) = self.part {
            let rest = chunk.get(start..).unwrap_or_default();
            let Some(length) = memchr(b'\n', rest) else {
                self.is_blank &= keeps_blank(before, rest);
                return chunk.len();
            };
            // R1939-7.3: the blank line is sent too.
            if self.is_blank && keeps_blank(before, rest.get(..length).unwrap_or_default()) {
                self.part = if lines == 0 { Part::Complete } else { Part::Body(lines) };
            }
            self.is_blank = true;
            before = b'\n';
            start += length + 1;
        }
        let Part::Body(lines) = self.part else {
            return if self.is_complete() { start } else { chunk.len() };
        };
        // R1939-7.2, R1939-7.6: stored lines are counted, byte-stuffing does not matter.
        let body = chunk.get(start..).unwrap_or_default();
        let last = usize::try_from(lines - 1).ok().and_then(|lines| memchr_iter(b'\n', body).nth(lines));
        let Some(last) = last else {
            self.part = Part::Body(lines - memchr_iter(b'\n', body).count() as u64);
            return chunk.len();
        };
        self.part = Part::Complete;
        start + last + 1
    }
}

/// Whether a line that was blank up to the octet `before` still is with `text`: it may have one CR, at its start.
fn keeps_blank(before: u8, text: &[u8]) -> bool {
    text.is_empty() || (text == b"\r" && before == b'\n')
}

/// Turns the wire form of one message into its canonical form (CR LF, byte-stuffing taken off), chunk by chunk.
///
/// Only CR LF "." CR LF ends the message (RFC 5321 section 4.1.1.4), where the CR LF before its first octet counts
/// as given. A bare LF inside is not a line end of the wire: no dot behind it is taken off and it ends nothing, so
/// nothing can be smuggled through it; it becomes CR LF in the canonical form, as it would at the next retrieval.
#[derive(Clone, Debug)]
pub struct Decoder {
    position: Position,
    /// What ends a line.
    end: LineEnd,
    octets: u64,
    has_bare_line_feed: bool,
}

/// Where in the wire form the decoder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// At the start of a line: before the first octet, or after CR LF.
    LineStart,
    /// After the dot that starts a line. It is dropped, whatever follows.
    Dot,
    /// After dot and CR at the start of a line. The CR is held back until it is known to be text.
    DotCr,
    /// Inside a line.
    Text,
    /// Inside a line, after a CR that has been written.
    TextCr,
    /// The end was reached.
    End,
}

/// What one call of [`Decoder::decode`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// How many octets of the input were used: all, or those up to the end of the message.
    pub consumed: usize,
    /// Whether the end of the message was reached. What follows in the input belongs to someone else.
    pub end: bool,
}

/// A piece of a message that [`Decoder::piece`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    run: Run,
    /// How many octets of the input were used for it.
    pub consumed: usize,
    /// Whether the end of the message was reached. What follows in the input belongs to someone else.
    pub end: bool,
}

/// Where the octets of a piece are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Run {
    /// In the input.
    Input(Range<usize>),
    /// Nowhere in the input as they should be.
    Made(&'static [u8]),
}

impl Found {
    /// Octets of the canonical form, borrowed from the `input` that the piece was found in. Empty at the end of the message
    /// and when more input is needed.
    #[must_use]
    pub fn octets<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        match &self.run {
            Run::Input(range) => input.get(range.clone()).unwrap_or_default(),
            Run::Made(octets) => octets,
        }
    }

    /// How many octets it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.run {
            Run::Input(range) => range.len(),
            Run::Made(octets) => octets.len(),
        }
    }

    /// Whether there are none: the message ends here, or more input is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Decoder {
    /// A decoder at the first octet of a message.
    #[must_use]
    pub const fn new() -> Self {
        Self::with(LineEnd::Crlf)
    }

    /// A decoder at the first octet of a message, for a peer whose lines end so. [`LineEnd::CrlfOrLf`] is only for a peer that
    /// has ended the line before the message with LF alone: with others, a message that holds LF "." LF could end early.
    #[must_use]
    pub const fn with(end: LineEnd) -> Self {
        Self { position: Position::LineStart, end, octets: 0, has_bare_line_feed: false }
    }

    /// The octets of the canonical form so far.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether a line feed without carriage return has come.
    #[must_use]
    pub const fn has_bare_line_feed(&self) -> bool {
        self.has_bare_line_feed
    }

    /// Appends the canonical form of `input` to `output`, as far as the message goes: at most twice the octets of
    /// `input` and one more. After the end nothing is used any more.
    pub fn decode(&mut self, input: &[u8], output: &mut Vec<u8>) -> Decoded {
        output.reserve(input.len() + 1);
        let mut consumed = 0;
        loop {
            let rest = input.get(consumed..).unwrap_or_default();
            let found = self.piece(rest);
            consumed += found.consumed;
            output.extend_from_slice(found.octets(rest));
            if found.is_empty() {
                return Decoded { consumed, end: found.end };
            }
        }
    }

    /// The next piece of the message, as long as it can be had without copying. To be called until it is empty.
    pub fn piece(&mut self, input: &[u8]) -> Found {
        let mut rest = input;
        let mut run = Run::Made(&[]);
        while run == Run::Made(&[])
            && let Some((&first, after)) = rest.split_first()
        {
            (self.position, rest) = match (self.position, first) {
                (Position::End, _) => break,
                // R1939-3.13: exactly one dot is taken off.
                (Position::LineStart, b'.') => (Position::Dot, after),
                (Position::Dot, b'\r') => (Position::DotCr, after),
                // R1939-3.14
                (Position::DotCr, b'\n') => {
                    self.position = Position::End;
                    rest = after;
                    break;
                }
                (Position::Dot, b'\n') if self.end == LineEnd::CrlfOrLf => {
                    self.has_bare_line_feed = true;
                    self.position = Position::End;
                    rest = after;
                    break;
                }
                (Position::DotCr, _) => {
                    run = Run::Made(b"\r");
                    (Position::TextCr, rest)
                }
                (position, b'\n') if position != Position::TextCr => {
                    self.has_bare_line_feed = true;
                    run = Run::Made(b"\r\n");
                    let is_end = self.end == LineEnd::CrlfOrLf;
                    (if is_end { Position::LineStart } else { Position::Text }, after)
                }
                (Position::LineStart | Position::Dot | Position::Text | Position::TextCr, _) => {
                    let (position, length) = self.run(rest);
                    let start = input.len() - rest.len();
                    run = Run::Input(start..start + length);
                    (position, rest.get(length..).unwrap_or_default())
                }
            };
        }
        let found = Found { run, consumed: input.len() - rest.len(), end: self.position == Position::End };
        self.octets += found.len() as u64;
        found
    }

    /// How much of the text, which is not empty, is as it should be: up to the next dot at the start of a line or the next
    /// LF without CR, or all of it.
    fn run(&self, text: &[u8]) -> (Position, usize) {
        let mut at = 0;
        let mut is_after_cr = self.position == Position::TextCr;
        while let Some(offset) = text.get(at..).and_then(|line| memchr(b'\n', line)) {
            let (line, rest) = text.split_at_checked(at + offset).unwrap_or((text, &[]));
            let is_line_end = line.last().map_or(is_after_cr, |&octet| octet == b'\r');
            if !is_line_end {
                // Octets before it; the line feed itself is the next piece.
                return (Position::Text, at + offset);
            }
            at += offset + 1;
            is_after_cr = false;
            if rest.get(1) == Some(&b'.') || rest.len() == 1 {
                return (Position::LineStart, at);
            }
        }
        let is_cr = text.last().map_or(is_after_cr, |&octet| octet == b'\r');
        (if is_cr { Position::TextCr } else { Position::Text }, text.len())
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
