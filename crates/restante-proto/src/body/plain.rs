//! The canonical form without byte-stuffing, for a protocol that announces octets instead of ending with a dot (POP2).

use alloc::vec::Vec;

use memchr::memchr_iter;

/// Turns the stored form of one message into its canonical form, chunk by chunk: every line ends with CR LF, nothing is
/// stuffed and nothing follows. It has exactly the octets that LIST says.
///
/// Contract: any number of [`Plain::encode`], then one [`Plain::finish`]. How the message was cut does not matter.
#[derive(Clone, Debug)]
pub struct Plain {
    /// The last octet of the stored form; LF before the first one, so that an empty message stays empty.
    previous: u8,
    octets: u64,
}

impl Plain {
    /// For one message.
    #[must_use]
    pub const fn new() -> Self {
        Self { previous: b'\n', octets: 0 }
    }

    /// Appends the canonical form of `chunk` to `output`: at most twice its octets.
    pub fn encode(&mut self, chunk: &[u8], output: &mut Vec<u8>) {
        let before = output.len();
        let mut start = 0;
        for at in memchr_iter(b'\n', chunk) {
            let line = chunk.get(start..at).unwrap_or_default();
            output.extend_from_slice(line);
            if line.last().or_else(|| (at == 0).then_some(&self.previous)) != Some(&b'\r') {
                output.push(b'\r');
            }
            output.push(b'\n');
            start = at + 1;
        }
        output.extend_from_slice(chunk.get(start..).unwrap_or_default());
        self.previous = chunk.last().copied().unwrap_or(self.previous);
        self.octets += (output.len() - before) as u64;
    }

    /// Appends the CR LF that the last line may lack.
    pub fn finish(&mut self, output: &mut Vec<u8>) {
        if self.previous != b'\n' {
            output.extend_from_slice(b"\r\n");
            self.octets += 2;
            self.previous = b'\n';
        }
    }

    /// The octets so far.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.octets
    }
}

impl Default for Plain {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::body::{Decoder, Encoder, Extent};

    fn plain(stored: &[u8], chunk: usize) -> (Vec<u8>, u64) {
        let (mut encoder, mut output) = (Plain::new(), Vec::new());
        stored.chunks(chunk).for_each(|chunk| encoder.encode(chunk, &mut output));
        encoder.finish(&mut output);
        (output, encoder.octets())
    }

    #[test]
    fn lines_end_with_crlf_and_dots_stay() {
        assert_eq!(plain(b"a\n.b\r\n..\n\nc", 1).0, b"a\r\n.b\r\n..\r\n\r\nc\r\n");
        assert_eq!(plain(b"", 1).0, b"");
        assert_eq!(plain(b"\r\r\n", 1).0, b"\r\r\n");
    }

    proptest! {
        #[test]
        fn it_is_what_a_client_of_retr_has_after_unstuffing(
            stored in proptest::collection::vec(proptest::sample::select(&b"ab.\r\n\n"[..]), 0..80),
            chunk in 1_usize..20,
        ) {
            let (mut encoder, mut wire) = (Encoder::new(Extent::Whole), Vec::new());
            encoder.encode(&stored, &mut wire);
            encoder.finish(&mut wire);
            let mut unstuffed = Vec::new();
            prop_assert!(Decoder::new().decode(&wire, &mut unstuffed).end);
            let (canonical, octets) = plain(&stored, chunk);
            prop_assert_eq!(octets, encoder.octets());
            prop_assert_eq!(octets, canonical.len() as u64);
            prop_assert_eq!(canonical, unstuffed);
        }
    }
}
