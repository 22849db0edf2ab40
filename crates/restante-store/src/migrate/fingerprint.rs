//! What is kept of a message to compare it with another copy of it: octets, a digest of all of them, the first and the last.

use std::collections::VecDeque;
use std::fmt;

use sha2::{Digest as _, Sha256};

/// A message going by. Memory does not grow with it.
#[derive(Clone, Debug, Default)]
pub struct Fingerprint {
    octets: u64,
    digest: Sha256,
    first: Vec<u8>,
    last: VecDeque<u8>,
    previous: Option<u8>,
}

impl Fingerprint {
    /// Takes the next octets of the canonical form, in pieces of any size.
    pub fn canonical(&mut self, piece: &[u8]) {
        self.octets += piece.len() as u64;
        self.digest.update(piece);
        let missing = ENDS_OCTETS.saturating_sub(self.first.len());
        self.first.extend(piece.iter().take(missing));
        self.last.extend(piece.iter().skip(piece.len().saturating_sub(ENDS_OCTETS)));
        let surplus = self.last.len().saturating_sub(ENDS_OCTETS);
        self.last.drain(..surplus);
        self.previous = piece.last().copied().or(self.previous);
    }

    /// Takes the next octets of the stored form, whose line ends become CRLF.
    pub fn stored(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(at);
            self.canonical(line);
            let end: &[u8] = if self.previous == Some(b'\r') { b"\n" } else { b"\r\n" };
            self.canonical(end);
            rest = after.get(1..).unwrap_or_default();
        }
        self.canonical(rest);
    }

    /// The end of the stored form: a last line without an end gets one.
    pub fn stored_end(&mut self) {
        if self.previous.is_some_and(|octet| octet != b'\n') {
            self.canonical(b"\r\n");
        }
    }

    /// How many octets went by.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.octets
    }
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.octets == other.octets && self.digest.clone().finalize() == other.digest.clone().finalize()
    }
}

impl Eq for Fingerprint {}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last: Vec<u8> = self.last.iter().copied().collect();
        let (first, last) = (self.first.escape_ascii(), last.escape_ascii());
        write!(f, "{} octets, \"{first}\" to \"{last}\"", self.octets)
    }
}

const ENDS_OCTETS: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(octets: &[u8], size: usize) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        octets.chunks(size).for_each(|piece| fingerprint.stored(piece));
        fingerprint.stored_end();
        fingerprint
    }

    #[test]
    fn the_stored_form_is_the_canonical_form_with_other_line_ends() {
        for (octets, wire) in [
            (&b"a\nb"[..], &b"a\r\nb\r\n"[..]),
            (b"a\r\nb\r\n", b"a\r\nb\r\n"),
            (b"a\r\r\n\n", b"a\r\r\n\r\n"),
            (b"\r", b"\r\r\n"),
            (b"", b""),
        ] {
            let mut canonical = Fingerprint::default();
            canonical.canonical(wire);
            for size in 1..4 {
                assert_eq!(stored(octets, size), canonical, "{}", octets.escape_ascii());
            }
        }
        let long = vec![b'x'; 100];
        assert_ne!(stored(&long, 7), stored(&long[1..], 7));
        let said = stored(b"From: a and so on, quite long\nlast line of it, long too", 5).to_string();
        assert_eq!(said, "58 octets, \"From: a and so on, quite\" to \"t line of it, long too\\r\\n\"");
    }
}
