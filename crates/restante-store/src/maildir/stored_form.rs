//! From the canonical form to the stored form, with the survey on the way.
//!
//! LF stands for CRLF on disk, and whoever sends the message puts CR back before every LF that has none. A CRLF
//! after a CR keeps its own CR, because `CR LF` on disk would come out as one line end and the octet before it
//! would be lost. So every canonical message comes out as it came in.

use memchr::memchr_iter;

use super::LineEnds;
use crate::survey::{Findings, Survey};

/// A conversion going on. Feed it pieces of any size.
#[derive(Clone, Debug)]
pub(crate) struct StoredForm {
    line_ends: LineEnds,
    /// A CR came last and is held back until it is known what follows.
    holds_cr: bool,
    /// The octet before the next one, or before the CR that is held back.
    previous: u8,
    survey: Survey,
}

impl StoredForm {
    pub(crate) const fn new(line_ends: LineEnds) -> Self {
        Self { line_ends, holds_cr: false, previous: 0, survey: Survey::new() }
    }

    /// Appends the stored form of `octets` to `stored`.
    pub(crate) fn push(&mut self, octets: &[u8], stored: &mut Vec<u8>) {
        let start = stored.len();
        match self.line_ends {
            LineEnds::Crlf => stored.extend_from_slice(octets),
            LineEnds::Lf => self.push_lf(octets, stored),
        }
        self.survey.update(stored.get(start..).unwrap_or_default());
    }

    /// Appends what was held back.
    pub(crate) fn finish(&mut self, stored: &mut Vec<u8>) {
        if std::mem::take(&mut self.holds_cr) {
            stored.push(b'\r');
            self.survey.update(b"\r");
        }
    }

    /// What is known of all octets so far.
    pub(crate) fn findings(&self) -> Findings {
        self.survey.finish()
    }

    /// Octets of the stored form, were it finished now.
    pub(crate) fn octets(&self) -> u64 {
        self.survey.finish().stored_octets + u64::from(self.holds_cr)
    }

    fn push_lf(&mut self, octets: &[u8], stored: &mut Vec<u8>) {
        let (Some(&first), Some(&last)) = (octets.first(), octets.last()) else { return };
        if std::mem::take(&mut self.holds_cr) && (first != b'\n' || self.previous == b'\r') {
            stored.push(b'\r');
            self.previous = b'\r';
        }
        // The octet so many places before the one at `at`, as far as it matters.
        let before = |at: usize, places: usize| match at.checked_sub(places) {
            Some(at) => octets.get(at).copied().unwrap_or(0),
            None => self.previous,
        };
        let mut start = 0;
        for at in memchr_iter(b'\n', octets) {
            if at > 0 && before(at, 1) == b'\r' && before(at, 2) != b'\r' {
                stored.extend_from_slice(octets.get(start..at - 1).unwrap_or_default());
                start = at;
            }
        }
        let end = octets.len() - usize::from(last == b'\r');
        stored.extend_from_slice(octets.get(start..end).unwrap_or_default());
        self.previous = if last == b'\r' { before(octets.len(), 2) } else { last };
        self.holds_cr = last == b'\r';
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use restante_proto::body::{Encoder, Extent};

    use super::*;

    fn store(line_ends: LineEnds, pieces: &[&[u8]]) -> (Vec<u8>, Findings) {
        let (mut form, mut stored) = (StoredForm::new(line_ends), Vec::new());
        pieces.iter().for_each(|piece| form.push(piece, &mut stored));
        form.finish(&mut stored);
        (stored, form.findings())
    }

    fn wire(stored: &[u8]) -> Vec<u8> {
        let (mut encoder, mut output) = (Encoder::new(Extent::Whole), Vec::new());
        encoder.encode(stored, &mut output);
        encoder.finish(&mut output);
        output
    }

    /// Stuffed octet by octet: canonical messages need nothing else.
    fn expected(canonical: &[u8]) -> Vec<u8> {
        let mut output = Vec::new();
        for (at, octet) in canonical.iter().enumerate() {
            if *octet == b'.' && (at == 0 || canonical[at - 1] == b'\n') {
                output.push(b'.');
            }
            output.push(*octet);
        }
        output.extend_from_slice(b".\r\n");
        output
    }

    /// Lines of any octets but LF, each ended with CRLF.
    fn canonical() -> impl Strategy<Value = Vec<u8>> {
        let octet = prop_oneof![
            3 => Just(b'\r'),
            2 => Just(b'.'),
            2 => Just(b'a'),
            2 => any::<u8>().prop_filter("LF ends lines", |octet| *octet != b'\n'),
        ];
        let line = prop::collection::vec(octet, 0..8).prop_map(|line| [line.as_slice(), b"\r\n"].concat());
        prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
    }

    proptest! {
        #[test]
        fn r1939_11_3_what_comes_in_goes_out(message in canonical(), size in 1_usize..20, crlf in any::<bool>()) {
            let line_ends = if crlf { LineEnds::Crlf } else { LineEnds::Lf };
            let pieces: Vec<&[u8]> = message.chunks(size).collect();
            let (stored, findings) = store(line_ends, &pieces);
            prop_assert_eq!(wire(&stored), expected(&message));
            prop_assert_eq!(findings.octets, message.len() as u64);
            prop_assert_eq!(findings.stored_octets, stored.len() as u64);
            prop_assert_eq!(store(line_ends, &[&message]), (stored, findings));
        }
    }

    #[test]
    fn lines_end_with_lf_on_disk() {
        let stored = |octets: &[u8]| store(LineEnds::Lf, &[octets]).0;
        assert_eq!(stored(b"a\r\n\r\nb\r\n"), b"a\n\nb\n");
        assert_eq!(stored(b"\r\n"), b"\n");
        assert_eq!(stored(b"a\r\r\nb\rc\r\n"), b"a\r\r\nb\rc\n");
        assert_eq!(stored(b"a\r"), b"a\r");
        assert_eq!(stored(b"a\nb"), b"a\nb");
        assert_eq!(store(LineEnds::Crlf, &[b"a\r\n"]).0, b"a\r\n");
    }
}
