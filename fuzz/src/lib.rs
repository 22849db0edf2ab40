//! What the fuzz targets share: how an input is cut into decisions and pieces, and the plainest possible forms of what
//! the codecs compute, to compare with.
//!
//! An input of a target that reads octets begins with one octet that says how the rest is cut ([`cut`]); the rest is as it
//! would be on the wire or on disk, so that a corpus file can be read and written by hand.

pub mod disk;

/// The first octet, and the rest cut as it says. An empty input has no pieces.
pub fn cut(input: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let Some((&seed, octets)) = input.split_first() else { return (Vec::new(), &[]) };
    (pieces(octets, seed), octets)
}

/// `octets` in pieces: one by one for 0, all at once for 1, else of lengths that `seed` decides. No piece is empty.
pub fn pieces(octets: &[u8], seed: u8) -> Vec<&[u8]> {
    match seed {
        0 => octets.chunks(1).collect(),
        1 => octets.chunks(octets.len().max(1)).collect(),
        _ => {
            let (mut rest, mut pieces, mut state) = (octets, Vec::new(), u32::from(seed));
            while !rest.is_empty() {
                // A linear congruential generator: the pieces only have to differ.
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let longest = if state & 0x100 == 0 { 4 } else { 64 };
                let (piece, after) = rest.split_at((1 + (state >> 16) as usize % longest).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces
        }
    }
}

/// Decisions of a schedule, taken from the front of an input. When it is used up every decision is 0.
#[derive(Clone)]
pub struct Schedule<'a>(pub &'a [u8]);

impl<'a> Schedule<'a> {
    /// A number below `count`.
    pub fn below(&mut self, count: u8) -> u8 {
        self.octet() % count
    }

    /// Any octet.
    pub fn octet(&mut self) -> u8 {
        let Some((&octet, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        octet
    }

    /// Whether nothing is left.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// Up to `longest` octets as they are.
    pub fn octets(&mut self, longest: u8) -> &'a [u8] {
        let length = usize::from(self.octet().min(longest)).min(self.0.len());
        let (octets, rest) = self.0.split_at(length);
        self.0 = rest;
        octets
    }
}

/// The lines of a stored message without their line ends: LF ends one, a CR right before it belongs to the end.
pub fn lines(stored: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = stored.split(|&octet| octet == b'\n').collect();
    // Behind the last LF there is no line; before an end without LF there is one, which keeps its CR.
    let last = lines.pop().unwrap_or_default();
    let mut lines: Vec<&[u8]> =
        lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    if !last.is_empty() {
        lines.push(last);
    }
    lines
}

/// The canonical form of a stored message: every line with CR LF.
pub fn canonical(stored: &[u8]) -> Vec<u8> {
    lines(stored).iter().flat_map(|line| line.iter().chain(b"\r\n")).copied().collect()
}

/// The wire form of `lines`: byte-stuffed, with CR LF and the termination octet.
pub fn wire(lines: &[&[u8]]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in lines {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}
