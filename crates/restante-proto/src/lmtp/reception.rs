//! Taking message octets off the wire: what a driver does between `Step::Receive` and `Session::received`.
//!
//! The octets go from the driver's input to the driver's chunk; the session never sees them and is told the outcome
//! only. Both framings and the limits are handled here, so that every driver handles them alike.

use alloc::vec::Vec;

use crate::body::Decoder;
use crate::line::Input;

/// How the message octets are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After DATA: dot-stuffed, up to the line with the single dot (R5321-4.1.1.4.1, R5321-4.5.2.1).
    Dotted {
        /// The largest message, in canonical octets. What is beyond is read and dropped.
        octets_max: u64,
    },
    /// After BDAT: exactly this many octets as they are.
    Chunk {
        /// How many.
        octets: u64,
        /// Whether the chunk before this one ended with a CR that waits for its LF.
        is_after_cr: bool,
    },
}

/// What was received, for the session to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Received {
    /// Canonical octets of the message or chunk, those dropped included (R1870-5.1).
    pub octets: u64,
    /// The message was larger than allowed, and octets of it were dropped.
    pub is_too_large: bool,
    /// A line feed came without its carriage return. Such a message has no one meaning: where lines are kept with LF
    /// alone it would come out with a line end more than went in (R5321-2.3.8.1).
    pub has_bare_line_feed: bool,
    /// The last octet was a CR.
    pub is_ending_in_cr: bool,
}

/// One message or chunk on its way in. Make it at `Step::Receive`, call [`take`](Self::take) until it says `Some`.
#[derive(Debug)]
pub struct Reception {
    source: Source,
    octets_max: u64,
    received: Received,
}

#[derive(Debug)]
enum Source {
    Dotted(Decoder),
    Chunk { left: u64 },
}

impl Reception {
    /// Begins to take octets.
    pub fn new(framing: Framing) -> Self {
        let (source, octets_max, is_ending_in_cr) = match framing {
            Framing::Dotted { octets_max } => (Source::Dotted(Decoder::new()), octets_max, false),
            // The session has checked the announced size already.
            Framing::Chunk { octets, is_after_cr } => (Source::Chunk { left: octets }, u64::MAX, is_after_cr),
        };
        Self { source, octets_max, received: Received { is_ending_in_cr, ..Received::default() } }
    }

    /// Moves octets from `input` to the end of `chunk`, which grows by no more than `input` held. `None` means that
    /// more input is needed; `Some` that this was all, and that what is left in `input` are commands.
    ///
    /// Hand each chunk to the delivery and clear it before the next call. After a fault of the delivery go on calling
    /// and throw the chunks away: the octets must leave the input in any case.
    pub fn take(&mut self, input: &mut Input, chunk: &mut Vec<u8>) -> Option<Received> {
        let start = chunk.len();
        let (consumed, is_end) = match &mut self.source {
            Source::Dotted(decoder) => {
                let decoded = decoder.decode(input.octets(), chunk);
                (decoded.consumed, decoded.end)
            }
            Source::Chunk { left } => {
                let available = u64::try_from(input.len()).unwrap_or(u64::MAX).min(*left);
                *left -= available;
                let count = usize::try_from(available).unwrap_or(usize::MAX);
                chunk.extend_from_slice(input.octets().get(..count).unwrap_or_default());
                (count, *left == 0)
            }
        };
        self.inspect(input.octets().get(..consumed).unwrap_or_default());
        input.consume(consumed);
        let new = u64::try_from(chunk.len() - start).unwrap_or(u64::MAX);
        self.received.octets = self.received.octets.saturating_add(new);
        self.received.is_too_large = self.received.octets > self.octets_max;
        if self.received.is_too_large {
            chunk.truncate(start);
        }
        is_end.then_some(self.received)
    }

    /// Looks for a bare line feed in octets as they came: the decoder would make a line end of it.
    fn inspect(&mut self, octets: &[u8]) {
        let Some(&last) = octets.last() else { return };
        let mut is_after_cr = self.received.is_ending_in_cr;
        for at in memchr::memchr_iter(b'\n', octets) {
            // For the first octet the answer is from the piece before; for any other it is in this one.
            is_after_cr = at.checked_sub(1).map_or(is_after_cr, |before| octets.get(before) == Some(&b'\r'));
            self.received.has_bare_line_feed |= !is_after_cr;
        }
        self.received.is_ending_in_cr = last == b'\r';
    }
}

#[cfg(test)]
mod tests;
