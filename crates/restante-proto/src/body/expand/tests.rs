//! The fast way against the plain one, around every boundary.

use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

use super::{BLOCK, PIECE, WINDOW, expand};

fn plain(text: &[u8], before: u8) -> (Vec<u8>, u64) {
    let (mut output, mut added, mut last) = (Vec::new(), 0, before);
    for (position, &octet) in text.iter().enumerate() {
        if position > 0 && last == b'\n' && octet == b'.' {
            output.push(b'.');
        }
        if octet == b'\n' && last != b'\r' {
            output.push(b'\r');
            added += 1;
        }
        output.push(octet);
        last = octet;
    }
    (output, added)
}

fn check(text: &[u8], before: u8) {
    let mut output = Vec::new();
    let added = expand(text, before, &mut output);
    assert_eq!((output, added), plain(text, before));
}

/// Lines of lengths around every number that the code knows.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let boundary = prop_oneof![Just(0), Just(BLOCK), Just(PIECE), Just(2 * PIECE), Just(WINDOW)];
    let length = prop_oneof![0..100_usize, (boundary, 0..5_usize).prop_map(|(length, more)| length + more)];
    let end = prop::sample::select(vec![&b"\n"[..], b"\r\n", b"\r\r\n", b"\n\n", b"\n."]);
    (length, any::<u8>(), end).prop_map(|(length, octet, end)| {
        let mut line = vec![octet; length];
        line.extend_from_slice(end);
        line
    })
}

proptest! {
    #[test]
    fn texts_of_lines_come_out_as_the_plain_way_has_them(
        lines in prop::collection::vec(line(), 0..120),
        cut in 0..3000_usize,
        before in prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a')],
    ) {
        let text = lines.concat();
        check(text.get(cut..).unwrap_or(&text), before);
    }

    #[test]
    fn dense_texts_come_out_as_the_plain_way_has_them(
        text in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'.'), Just(b'\r'), Just(b'a')], 0..5000),
        before in prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a')],
    ) {
        check(&text, before);
    }
}

#[test]
fn the_densest_texts_fit() {
    for length in [WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW, 3 * WINDOW + 1] {
        for pattern in [&b"\n"[..], b".\n", b"\n.", b"\r\n", b"\r\n.", b"a", b"\r"] {
            let text: Vec<u8> = pattern.iter().copied().cycle().take(length).collect();
            check(&text, b'\n');
        }
    }
}
