//! What must be known of a message before it is served, found in one pass over its stored form.
//!
//! The scan of a message that another program delivered and our own delivery call it, so both know the same. It
//! agrees with `restante_proto::body::Encoder`, which the tests hold it to.

use memchr::memchr_iter;

/// A survey going on. Feed it the stored form in pieces of any size.
#[derive(Clone, Debug)]
pub(crate) struct Survey {
    stored_octets: u64,
    /// LFs without a CR before them: each gets one on the way out.
    bare_line_ends: u64,
    header_octets: Option<u64>,
    has_dot_lines: bool,
    is_ascii: bool,
    /// Octets of the current line that came with earlier pieces; kept only until the header has ended.
    line_octets: u64,
    /// The last octet; LF at first, because the very first octet starts a line.
    previous: u8,
}

/// The result of a [`Survey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Octets of the stored form.
    pub(crate) stored_octets: u64,
    /// Octets of the canonical form (R1939-11.1): CRLF line ends, the last line ended, no byte-stuffing.
    pub(crate) octets: u64,
    /// Octets of the stored form up to and with the blank line after the header, or all of it.
    pub(crate) header_octets: u64,
    /// The stored form is the canonical form.
    pub(crate) is_crlf: bool,
    /// A line begins with a dot.
    pub(crate) has_dot_lines: bool,
    /// No octet is above 127, so that there is nothing to make a surrogate for.
    pub(crate) is_ascii: bool,
}

impl Survey {
    pub(crate) const fn new() -> Self {
        Self {
            stored_octets: 0,
            bare_line_ends: 0,
            header_octets: None,
            has_dot_lines: false,
            is_ascii: true,
            line_octets: 0,
            previous: b'\n',
        }
    }

    /// Looks at the next piece of the stored form.
    pub(crate) fn update(&mut self, piece: &[u8]) {
        let (Some(&first), Some(&last)) = (piece.first(), piece.last()) else { return };
        self.is_ascii = self.is_ascii && piece.is_ascii();
        self.has_dot_lines |= self.previous == b'\n' && first == b'.';
        let mut line_start = 0;
        for at in memchr_iter(b'\n', piece) {
            let before = at.checked_sub(1).and_then(|at| piece.get(at)).copied().unwrap_or(self.previous);
            self.bare_line_ends += u64::from(before != b'\r');
            self.has_dot_lines |= piece.get(at + 1) == Some(&b'.');
            if self.header_octets.is_none() {
                let line_octets = self.line_octets + (at - line_start) as u64;
                if line_octets == 0 || line_octets == 1 && before == b'\r' {
                    self.header_octets = Some(self.stored_octets + at as u64 + 1);
                }
                self.line_octets = 0;
                line_start = at + 1;
            }
        }
        self.line_octets += (piece.len() - line_start) as u64;
        self.stored_octets += piece.len() as u64;
        self.previous = last;
    }

    /// What was found.
    pub(crate) fn finish(&self) -> Findings {
        let lacks_end = self.previous != b'\n';
        Findings {
            stored_octets: self.stored_octets,
            octets: self.stored_octets + self.bare_line_ends + if lacks_end { 2 } else { 0 },
            header_octets: self.header_octets.unwrap_or(self.stored_octets),
            is_crlf: self.bare_line_ends == 0 && !lacks_end,
            has_dot_lines: self.has_dot_lines,
            is_ascii: self.is_ascii,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use restante_proto::body::{Encoder, Extent};

    use super::*;

    fn survey<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Findings {
        let mut survey = Survey::new();
        pieces.into_iter().for_each(|piece| survey.update(piece));
        survey.finish()
    }

    fn encoded(stored: &[u8], extent: Extent) -> Vec<u8> {
        let (mut encoder, mut output) = (Encoder::new(extent), Vec::new());
        encoder.encode(stored, &mut output);
        encoder.finish(&mut output);
        output
    }

    /// Octets with many line ends, dots and CRs among them.
    fn messages() -> impl Strategy<Value = Vec<u8>> {
        let octet = prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'.'), Just(b'a'), Just(0), any::<u8>()];
        let piece = prop_oneof![4 => octet.prop_map(|octet| vec![octet]), 1 => Just(b"\r\n".to_vec())];
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn agrees_with_the_encoder(stored in messages(), cut in 0_usize..80) {
            let (head, tail) = stored.split_at(cut.min(stored.len()));
            let findings = survey([head, tail]);
            let mut encoder = Encoder::new(Extent::Whole);
            let mut wire = Vec::new();
            encoder.encode(&stored, &mut wire);
            encoder.finish(&mut wire);
            prop_assert_eq!(findings.stored_octets, stored.len() as u64);
            prop_assert_eq!(findings.is_ascii, stored.is_ascii());
            prop_assert_eq!(findings.octets, encoder.octets());
            prop_assert_eq!(findings.has_dot_lines, wire.len() as u64 != encoder.octets() + 3);
            let canonical_and_end = [stored.as_slice(), b".\r\n"].concat();
            prop_assert_eq!(findings.is_crlf && !findings.has_dot_lines, wire == canonical_and_end);
        }

        #[test]
        fn header_octets_suffice_for_top_0(stored in messages()) {
            let findings = survey([stored.as_slice()]);
            let header = &stored[..usize::try_from(findings.header_octets).unwrap()];
            prop_assert_eq!(encoded(header, Extent::Top(0)), encoded(&stored, Extent::Top(0)));
        }

        #[test]
        fn pieces_do_not_matter(stored in messages(), size in 1_usize..9) {
            prop_assert_eq!(survey(stored.chunks(size)), survey([stored.as_slice()]));
        }
    }

    #[test]
    fn traps() {
        let facts = |stored: &[u8]| {
            let found = survey([stored]);
            (found.octets, found.header_octets, found.is_crlf, found.has_dot_lines)
        };
        assert_eq!(facts(b""), (0, 0, true, false));
        assert_eq!(facts(b"."), (3, 1, false, true));
        assert_eq!(facts(b"a"), (3, 1, false, false));
        assert_eq!(facts(b"\n"), (2, 1, false, false));
        assert_eq!(facts(b"\r"), (3, 1, false, false));
        assert_eq!(facts(b"A: b\r\n\r\nc\r\n"), (11, 8, true, false));
        assert_eq!(facts(b"A: b\n\nc\n"), (11, 6, false, false));
        assert_eq!(facts(b"A: b\n\r\r\n\nc\r.\n"), (16, 9, false, false));
        assert_eq!(facts(b"\0\n\xff\n..\n"), (10, 7, false, true));
    }
}
