//! Bodies: encoder and decoder against plain forms of both, for any message, extent and chunking.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restante_fuzz::{canonical, cut, lines, wire};
use restante_proto::body::{Decoder, Encoder, Extent};

fuzz_target!(|input: &[u8]| {
    let [top, input @ ..] = input else { return };
    let (pieces, octets) = cut(input);

    let whole = encode(Extent::Whole, &pieces);
    assert_eq!(whole.0, wire(&lines(octets)));
    assert_eq!(whole.1, canonical(octets).len() as u64, "the octets that LIST shows");

    // The header, the blank line, and so many lines.
    let stored = lines(octets);
    let blank = stored.iter().enumerate().position(|(at, line)| line.is_empty() && is_ended(octets, at));
    let header = blank.map_or(stored.len(), |blank| blank + 1);
    let end = (header + usize::from(*top)).min(stored.len());
    assert_eq!(encode(Extent::Top(u64::from(*top)), &pieces).0, wire(&stored[..end]));
    assert_eq!(encode(Extent::Top(u64::MAX), &pieces).0, whole.0);

    let decoded = decode(&[&whole.0[..], b"+OK next"].concat());
    assert_eq!(decoded, (canonical(octets), whole.0.len(), true));

    // The same octets as somebody else's wire form.
    let (text, consumed, is_end) = decode(octets);
    let mut decoder = Decoder::new();
    let (mut in_pieces, mut taken) = (Vec::new(), 0);
    for piece in pieces {
        taken += decoder.decode(piece, &mut in_pieces).consumed;
    }
    assert_eq!((&in_pieces, taken), (&text, consumed));
    assert!(consumed == octets.len() || is_end);
    assert_eq!(is_end, octets.starts_with(b".\r\n") || octets.windows(5).any(|five| five == b"\r\n.\r\n"));
    if is_end {
        assert_eq!(canonical(&text), text, "what was decoded is canonical");
    }
});

/// Whether the line at this position has a line end; only then is it the blank line.
fn is_ended(stored: &[u8], at: usize) -> bool {
    at < stored.iter().filter(|&&octet| octet == b'\n').count()
}

fn encode(extent: Extent, pieces: &[&[u8]]) -> (Vec<u8>, u64) {
    let (mut encoder, mut output) = (Encoder::new(extent), Vec::new());
    for piece in pieces {
        encoder.encode(piece, &mut output);
    }
    encoder.finish(&mut output);
    (output, encoder.octets())
}

fn decode(wire: &[u8]) -> (Vec<u8>, usize, bool) {
    let mut text = Vec::new();
    let decoded = Decoder::new().decode(wire, &mut text);
    (text, decoded.consumed, decoded.end)
}
