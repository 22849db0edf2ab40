//! Cutting lines: the same lines for every split of the input, and those that a plain reading of the octets gives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restante_proto::line::{Input, Line, LineEnd};

fuzz_target!(|input: &[u8]| {
    let [limit, ends, input @ ..] = input else { return };
    let limit = usize::from(*limit).max(2);
    let end = if ends & 1 == 0 { LineEnd::Crlf } else { LineEnd::CrlfOrLf };
    let (pieces, octets) = restante_fuzz::cut(input);

    let (expected, unfinished) = plainly(octets, limit, end);
    let (mut found, mut held) = (Vec::new(), Input::new());
    for piece in pieces {
        held.fill(piece);
        loop {
            match held.next_line(limit, end) {
                Line::Incomplete => break,
                Line::Complete(line) => found.push(Some(line.to_vec())),
                Line::TooLong => found.push(None),
            }
            held.wipe_used();
        }
        assert!(held.len() < limit, "an unfinished line is bounded by the limit");
    }
    assert_eq!(found, expected);
    assert!(unfinished.ends_with(held.octets()));
});

/// The lines, `None` for one that is too long, and what is left.
fn plainly(octets: &[u8], limit: usize, end: LineEnd) -> (Vec<Option<Vec<u8>>>, &[u8]) {
    let (mut lines, mut rest) = (Vec::new(), octets);
    let is_end = |line: &[u8]| match end {
        LineEnd::Crlf => line.ends_with(b"\r\n"),
        LineEnd::CrlfOrLf => line.ends_with(b"\n"),
    };
    while let Some(length) = (1..=rest.len()).find(|&length| is_end(&rest[..length])) {
        let line = &rest[..length - 1];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        lines.push((length <= limit).then(|| line.to_vec()));
        rest = &rest[length..];
    }
    if rest.len() >= limit {
        lines.push(None);
    }
    (lines, rest)
}
