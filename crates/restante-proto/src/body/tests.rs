//! Encode and decode are inverse, for every message and every way of cutting it.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// The canonical form by the plainest possible means, to compare with.
fn canonical(message: &[u8]) -> Vec<u8> {
    let mut canonical = Vec::new();
    for &octet in message {
        if octet == b'\n' && canonical.last() != Some(&b'\r') {
            canonical.push(b'\r');
        }
        canonical.push(octet);
    }
    if !canonical.is_empty() && !canonical.ends_with(b"\r\n") {
        canonical.extend_from_slice(b"\r\n");
    }
    canonical
}

/// The lines of a canonical form, with their line ends. A lone CR or LF is no line end.
fn lines(canonical: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = canonical;
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let (line, after) = rest.split_at(end + 2);
        lines.push(line);
        rest = after;
    }
    assert!(rest.is_empty());
    lines
}

/// What TOP must show of a canonical form.
fn top(canonical: &[u8], body_lines: u64) -> Vec<u8> {
    let lines = lines(canonical);
    let header = lines.iter().position(|&line| line == b"\r\n").map_or(lines.len(), |blank| blank + 1);
    let shown = header.saturating_add(usize::try_from(body_lines).unwrap_or(usize::MAX)).min(lines.len());
    lines[..shown].concat()
}

/// The wire form by the plainest possible means.
fn wire(canonical: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in lines(canonical) {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

fn encode<'a>(extent: Extent, chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, u64) {
    let mut encoder = Encoder::new(extent);
    let mut output = Vec::new();
    for chunk in chunks {
        encoder.encode(chunk, &mut output);
    }
    encoder.finish(&mut output);
    (output, encoder.octets())
}

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<u8>, bool) {
    let mut decoder = Decoder::new();
    let (mut output, mut left, mut is_end) = (Vec::new(), Vec::new(), false);
    for piece in pieces {
        let decoded = decoder.decode(piece, &mut output);
        assert!(decoded.end || decoded.consumed == piece.len());
        left.extend_from_slice(&piece[decoded.consumed..]);
        is_end = decoded.end;
    }
    (output, left, is_end)
}

fn pieces<'a>(octets: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = octets;
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn encode_whole(message: &[u8]) -> Vec<u8> {
    encode(Extent::Whole, core::iter::once(message)).0
}

fn encode_top(message: &[u8], lines: u64) -> Vec<u8> {
    encode(Extent::Top(lines), core::iter::once(message)).0
}

#[test]
fn r1939_3_11_an_empty_message_is_the_termination_alone() {
    assert_eq!(encode_whole(b""), b".\r\n");
    assert_eq!(encode_top(b"", 5), b".\r\n");
}

#[test]
fn r1939_3_12_dots_at_line_starts_are_stuffed() {
    assert_eq!(encode_whole(b".\n..\na.\n.x\n"), b"..\r\n...\r\na.\r\n..x\r\n.\r\n");
    // A lone CR starts no line.
    assert_eq!(encode_whole(b"a\r.b"), b"a\r.b\r\n.\r\n");
}

#[test]
fn r1939_11_3_line_ends_become_crlf() {
    assert_eq!(encode_whole(b"a\nb\r\nc\r\r\nd\re"), b"a\r\nb\r\nc\r\r\nd\re\r\n.\r\n");
    assert_eq!(encode_whole(b"\n"), b"\r\n.\r\n");
    assert_eq!(encode_whole(b"\r"), b"\r\r\n.\r\n");
    assert_eq!(encode_whole(b"nul \0 and \xff"), b"nul \0 and \xff\r\n.\r\n");
}

#[test]
fn r1939_7_2_top_counts_body_lines_only() {
    let message = b"A: 1\nB: 2\n\n.one\ntwo\nthree";
    assert_eq!(encode_top(message, 0), b"A: 1\r\nB: 2\r\n\r\n.\r\n");
    assert_eq!(encode_top(message, 1), b"A: 1\r\nB: 2\r\n\r\n..one\r\n.\r\n");
    assert_eq!(encode_top(message, 2), b"A: 1\r\nB: 2\r\n\r\n..one\r\ntwo\r\n.\r\n");
    assert_eq!(encode_top(message, 3), encode_whole(message));
    assert_eq!(encode_top(message, u64::MAX), encode_whole(message));
}

#[test]
fn r1939_7_3_top_0_of_odd_headers() {
    assert_eq!(encode_top(b"\nbody\n", 0), b"\r\n.\r\n");
    assert_eq!(encode_top(b"A: 1\n", 0), b"A: 1\r\n.\r\n");
    assert_eq!(encode_top(b"A: 1\r\n\r\r\nB: 2\r\n\r\nbody", 0), b"A: 1\r\n\r\r\nB: 2\r\n\r\n.\r\n");
}

#[test]
fn a_blank_line_is_seen_across_chunks() {
    for (message, is_blank) in
        [(&b"\r\nx"[..], true), (b"\r\r\nx", false), (b"\nx", true), (b"a\r\nx", false)]
    {
        let mut encoder = Encoder::new(Extent::Top(0));
        let mut output = Vec::new();
        for octet in message.chunks(1) {
            encoder.encode(octet, &mut output);
        }
        assert_eq!(encoder.is_complete(), is_blank, "{message:?}");
    }
}

#[test]
fn nothing_is_sent_behind_the_extent() {
    let mut encoder = Encoder::new(Extent::Top(1));
    let mut output = Vec::new();
    encoder.encode(b"A: 1\n\none\ntwo\n", &mut output);
    assert!(encoder.is_complete());
    encoder.encode(b"three\n", &mut output);
    encoder.finish(&mut output);
    assert_eq!(output, b"A: 1\r\n\r\none\r\n.\r\n");
    assert_eq!(encoder.octets(), 13);
}

#[test]
fn r1939_3_13_one_dot_is_taken_off() {
    let (message, left, is_end) = decode(core::iter::once(&b"..\r\n...\r\n..x\r\n.y\r\n.\r\n+OK\r\n"[..]));
    assert_eq!(
        (message.as_slice(), left.as_slice(), is_end),
        (&b".\r\n..\r\n.x\r\ny\r\n"[..], &b"+OK\r\n"[..], true)
    );
}

#[test]
fn only_crlf_dot_crlf_ends_a_message() {
    let cases: [(&[u8], &[u8]); 6] = [
        (b"a\n.\nb\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\n.\r\nb\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\r\n.\nb\r\n", b"a\r\n\r\nb\r\n"),
        (b"a\r.\r\nb\r\n", b"a\r.\r\nb\r\n"),
        (b"a\r\n.\rb\r\n", b"a\r\n\rb\r\n"),
        (b".\r\r\n", b"\r\r\n"),
    ];
    for (smuggled, expected) in cases {
        for size in 1..=smuggled.len() {
            let (message, left, is_end) = decode(smuggled.chunks(size));
            assert_eq!(
                (message.as_slice(), left.len(), is_end),
                (expected, 0, false),
                "{smuggled:?} by {size}"
            );
        }
    }
    assert_eq!(decode(core::iter::once(&b".\r\n"[..])), (vec![], vec![], true));
}

#[test]
fn after_the_end_nothing_is_used() {
    let mut decoder = Decoder::new();
    let mut output = Vec::new();
    assert_eq!(decoder.decode(b".\r\nx", &mut output), Decoded { consumed: 3, end: true });
    assert_eq!(decoder.decode(b"y", &mut output), Decoded { consumed: 0, end: true });
    assert_eq!(output, b"");
}

/// Octets of which most mean something here.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let pointed = prop::sample::select(&b"\r\n\n..ab\0\xff"[..]);
    prop_oneof![prop::collection::vec(pointed, 0..200), prop::collection::vec(any::<u8>(), 0..200)]
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1usize..12, 1..30)
}

proptest! {
    #[test]
    fn encoding_is_the_wire_form_of_the_canonical_form(message in octets(), sizes in sizes()) {
        let (output, octets) = encode(Extent::Whole, pieces(&message, &sizes).into_iter());
        let canonical = canonical(&message);
        prop_assert_eq!(output, wire(&canonical));
        // R1939-5.13, R1939-11.2
        prop_assert_eq!(octets, canonical.len() as u64);
    }

    #[test]
    fn top_shows_header_and_body_lines(message in octets(), sizes in sizes(), body_lines in 0u64..12) {
        let (output, octets) = encode(Extent::Top(body_lines), pieces(&message, &sizes).into_iter());
        let shown = top(&canonical(&message), body_lines);
        prop_assert_eq!(octets, shown.len() as u64);
        prop_assert_eq!(output, wire(&shown));
    }

    #[test]
    fn decoding_undoes_encoding(message in octets(), sizes in sizes(), tail in octets()) {
        let mut octets = encode_whole(&message);
        octets.extend_from_slice(&tail);
        let (decoded, left, is_end) = decode(pieces(&octets, &sizes).into_iter());
        prop_assert!(is_end);
        prop_assert_eq!(decoded, canonical(&message));
        prop_assert_eq!(left, tail);
    }

    #[test]
    fn decoding_does_not_depend_on_the_split(octets in octets(), sizes in sizes()) {
        prop_assert_eq!(decode(pieces(&octets, &sizes).into_iter()), decode(core::iter::once(&octets[..])));
    }

    #[test]
    fn decoded_octets_are_canonical(octets in octets()) {
        let (decoded, _, is_end) = decode(core::iter::once(&octets[..]));
        if is_end {
            prop_assert_eq!(canonical(&decoded), decoded);
        }
    }
}

#[test]
fn r5322_2_1_1_1_a_line_of_any_length_is_decoded_in_pieces() {
    let line = [vec![b'x'; 1_000_000], b"\r\n".to_vec()].concat();
    let wire = [&line[..], b".\r\n"].concat();
    let (mut decoder, mut decoded) = (Decoder::new(), Vec::new());
    let ends: Vec<bool> =
        wire.chunks(4096).map(|piece| decoder.decode(piece, &mut decoded).end).filter(|end| *end).collect();
    assert_eq!(ends, [true]);
    assert!(decoded == line);
}
