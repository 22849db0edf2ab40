//! Lines come out the same for every split, long ones are refused once, and nothing is kept.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// A line as it came out, or `None` for one that was too long.
type Cut = Option<Vec<u8>>;

fn cut<'a>(pieces: impl Iterator<Item = &'a [u8]>, max: usize, end: LineEnd) -> (Vec<Cut>, Input) {
    let mut input = Input::new();
    let mut lines = Vec::new();
    for piece in pieces {
        input.fill(piece);
        loop {
            match input.next_line(max, end) {
                Line::Incomplete => break,
                Line::Complete(line) => lines.push(Some(line.to_vec())),
                Line::TooLong => lines.push(None),
            }
        }
        assert!(input.len() < max, "no more than an unfinished line is kept");
    }
    (lines, input)
}

fn cut_whole(octets: &[u8], max: usize, end: LineEnd) -> Vec<Cut> {
    cut(core::iter::once(octets), max, end).0
}

#[test]
fn line_ends_are_taken_off() {
    let lines = cut_whole(b"a\r\nb\nc\r\r\n\r\nd", 20, LineEnd::CrlfOrLf);
    assert_eq!(lines, [&b"a"[..], b"b", b"c\r", b""].map(|line| Some(line.to_vec())));
}

#[test]
fn only_crlf_ends_a_strict_line() {
    let lines = cut_whole(b"a\nb\r\nc\r\r\nd\r", 20, LineEnd::Crlf);
    assert_eq!(lines, [&b"a\nb"[..], b"c\r"].map(|line| Some(line.to_vec())));
}

#[test]
fn r2449_4_5_too_long_is_said_once_and_skipped() {
    let mut octets = vec![b'A'; 2000];
    octets.extend_from_slice(b"\r\nNOOP\r\n");
    for size in [1, 2, 7, 10, 2000, 4000] {
        let (lines, _) = cut(octets.chunks(size), 10, LineEnd::CrlfOrLf);
        assert_eq!(lines, [None, Some(b"NOOP".to_vec())], "in pieces of {size}");
    }
}

#[test]
fn the_limit_counts_the_line_end() {
    assert_eq!(cut_whole(b"12345678\r\n", 10, LineEnd::Crlf), [Some(b"12345678".to_vec())]);
    assert_eq!(cut_whole(b"123456789\r\n", 10, LineEnd::Crlf), [None]);
    assert_eq!(cut_whole(b"123456789", 10, LineEnd::Crlf), []);
    assert_eq!(cut_whole(b"123456789\r", 10, LineEnd::Crlf), [None]);
}

#[test]
fn a_strict_long_line_ends_at_crlf_also_when_split_inside() {
    let (lines, _) = cut([&b"12345678901\n2\r"[..], b"\nb\r\n"].into_iter(), 5, LineEnd::Crlf);
    assert_eq!(lines, [None, Some(b"b".to_vec())]);
}

#[test]
fn an_empty_input_holds_no_memory() {
    let mut input = Input::new();
    input.fill(b"NOOP\r\n");
    assert_eq!(input.next_line(100, LineEnd::Crlf), Line::Complete(b"NOOP"));
    assert_eq!(input.next_line(100, LineEnd::Crlf), Line::Incomplete);
    assert_eq!(input.octets.capacity(), 0);
    input.fill(b"abc");
    input.consume(10);
    assert!(input.is_empty());
    assert_eq!(input.octets.capacity(), 0);
}

#[test]
fn clearing_also_forgets_an_over_long_line() {
    let mut input = Input::new();
    input.fill(b"123456");
    assert_eq!(input.next_line(5, LineEnd::Crlf), Line::TooLong);
    input.clear();
    input.fill(b"ab\r\n");
    assert_eq!(input.next_line(5, LineEnd::Crlf), Line::Complete(b"ab"));
}

#[test]
fn used_octets_can_be_wiped() {
    let mut input = Input::new();
    input.fill(b"PASS x\r\nNOOP\r\n");
    assert_eq!(input.next_line(100, LineEnd::Crlf), Line::Complete(b"PASS x"));
    input.wipe_used();
    assert_eq!(input.octets, b"\0\0\0\0\0\0\0\0NOOP\r\n");
    assert_eq!(input.next_line(100, LineEnd::Crlf), Line::Complete(b"NOOP"));
}

proptest! {
    #[test]
    fn every_split_gives_the_same_lines(
        octets in prop::collection::vec(prop::sample::select(&b"ab\r\n"[..]), 0..120),
        sizes in prop::collection::vec(1usize..9, 1..40),
        max in 2usize..12,
        is_strict: bool,
    ) {
        let end = if is_strict { LineEnd::Crlf } else { LineEnd::CrlfOrLf };
        let mut pieces = Vec::new();
        let mut rest = &octets[..];
        for &size in sizes.iter().cycle() {
            if rest.is_empty() { break }
            let (piece, after) = rest.split_at(size.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(cut(pieces.into_iter(), max, end).0, cut_whole(&octets, max, end));
    }
}
