//! Cutting lines out of what has been received, with a limit on their length.
//!
//! [`Input`] is owned by the driver of a session and lent to it at every step; POP3 and LMTP, server and client
//! cut their lines here. Bodies of messages are not lines: see `body`.

use alloc::vec::Vec;
use core::fmt;

use memchr::memchr;

use crate::secret::wipe;

/// Octets received and not yet used.
///
/// The driver fills, the session consumes. A driver that calls `step` after every `fill` keeps at most one
/// unfinished line and one piece of its own size in here. The memory is freed when the input runs empty, so an
/// idle connection holds none. Lines and what was not used are wiped before their memory is given back, since they may hold a
/// password; octets of messages are not.
#[derive(Default)]
pub struct Input {
    octets: Vec<u8>,
    /// Octets before this are used. `start <= octets.len()`.
    start: usize,
    /// So many octets from `start` on hold no line end: a line that comes in small pieces is searched once.
    searched: usize,
    /// Octets before this were lines, or were thrown away. `lines_end <= start`.
    lines_end: usize,
    /// The line being received was too long; it is thrown away up to its end.
    is_skipping: bool,
}

impl Input {
    /// An empty input. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { octets: Vec::new(), start: 0, searched: 0, lines_end: 0, is_skipping: false }
    }

    /// Appends what was received.
    pub fn fill(&mut self, received: &[u8]) {
        self.fill_with(received.len(), |octets| octets.extend_from_slice(received));
    }

    /// Lets `receive` append what it receives: at most `room` octets, for which there is room then.
    pub fn fill_with<T>(&mut self, room: usize, receive: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        if self.start > 0 || self.octets.capacity() - self.octets.len() < room {
            let unused = self.octets();
            // Twice what is there, so that a line received octet by octet is not copied for every octet.
            let capacity = (unused.len() + room).max(2 * unused.len());
            let mut octets = Vec::with_capacity(capacity);
            octets.extend_from_slice(unused);
            self.wipe();
            (self.octets, self.start, self.lines_end) = (octets, 0, 0);
        }
        receive(&mut self.octets)
    }

    /// The octets not yet used.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }

    /// Marks the first `count` octets as used. More than there are counts as all.
    pub fn consume(&mut self, count: usize) {
        self.start += count.min(self.len());
        self.searched = 0;
        self.free_when_empty();
    }

    /// Lends the first `count` octets, which count as used. Their memory lives until the next call that uses some.
    pub(crate) fn take(&mut self, count: usize) -> &[u8] {
        let start = self.start;
        self.start += count.min(self.len());
        self.searched = 0;
        self.octets.get(start..self.start).unwrap_or_default()
    }

    /// Throws everything away, also the memory of being inside an over-long line.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Overwrites the octets already used; called after a line that may have held a password.
    pub fn wipe_used(&mut self) {
        self.octets.get_mut(..self.start).map(wipe);
    }

    /// Overwrites what may hold a password: lines, and what was not used.
    fn wipe(&mut self) {
        self.octets.get_mut(..self.lines_end).map(wipe);
        self.octets.get_mut(self.start..).map(wipe);
    }

    /// Whether everything was used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.octets.len()
    }

    /// How many octets are not yet used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.octets.len() - self.start
    }

    /// Cuts the next line off, of at most `line_octets_max` octets with its line end.
    ///
    /// The outcome does not depend on how the octets were split among calls of [`Input::fill`], as long as the
    /// same limit is passed until the line is out. [`Line::TooLong`] is said once for a line; the rest of it is
    /// thrown away as it comes (R2449-4.5).
    pub fn next_line(&mut self, line_octets_max: usize, end: LineEnd) -> Line<'_> {
        if self.is_skipping && !self.skip(end) {
            return Line::Incomplete;
        }
        let Some(length) = self.find(end) else {
            if self.len() >= line_octets_max {
                self.is_skipping = true;
                self.skip(end);
                return Line::TooLong;
            }
            self.free_when_empty();
            return Line::Incomplete;
        };
        // Not `consume`: the memory must live on for the line that is lent out.
        let line_start = self.start;
        self.start += length;
        self.lines_end = self.start;
        self.searched = 0;
        if length > line_octets_max {
            return Line::TooLong;
        }
        let line = self.octets.get(line_start..self.start).unwrap_or_default();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Line::Complete(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Throws octets away up to the end of the line; whether the end was found.
    fn skip(&mut self, end: LineEnd) -> bool {
        let length = self.find(end);
        // The CR may be the first half of the line end.
        let kept = usize::from(self.octets().ends_with(b"\r"));
        self.lines_end = self.start + length.unwrap_or(self.len() - kept);
        self.consume(self.lines_end - self.start);
        self.is_skipping = length.is_none();
        length.is_some()
    }

    /// The octets of the next line with its line end.
    fn find(&mut self, end: LineEnd) -> Option<usize> {
        let octets = self.octets.get(self.start..).unwrap_or_default();
        while let Some(offset) = memchr(b'\n', octets.get(self.searched..).unwrap_or_default()) {
            let length = self.searched + offset + 1;
            let is_end = match end {
                LineEnd::CrlfOrLf => true,
                LineEnd::Crlf => octets.get(..length).is_some_and(|line| line.ends_with(b"\r\n")),
            };
            if is_end {
                return Some(length);
            }
            self.searched = length;
        }
        self.searched = octets.len();
        None
    }

    /// All octets held, used ones too.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> &[u8] {
        &self.octets
    }

    /// Gives memory back that only used octets are in.
    pub(crate) fn free_when_empty(&mut self) {
        if self.is_empty() && self.octets.capacity() > 0 {
            self.wipe();
            (self.octets, self.start, self.lines_end) = (Vec::new(), 0, 0);
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.wipe();
    }
}

// What was received may be a password.
impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// Only CR LF; a lone CR or LF is part of the line. LMTP must have this (RFC 5321 section 2.3.8).
    Crlf,
    /// CR LF, and LF alone as people at a telnet type it. For POP3 commands and replies.
    CrlfOrLf,
}

/// What [`Input::next_line`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// The line has not ended yet: fill the input.
    Incomplete,
    /// A line, without its line end. It counts as used.
    Complete(&'a [u8]),
    /// The line is longer than allowed. It is thrown away, as far as it has come and as it will come.
    TooLong,
}

#[cfg(test)]
mod tests;
