//! That octets are counted, limited and inspected alike for every split.

use alloc::vec;

use proptest::prelude::*;

use super::*;

/// Feeds `octets` in pieces of `size` and gives back what was kept and what was found.
fn receive(framing: Framing, octets: &[u8], size: usize) -> (Vec<u8>, Option<Received>, Vec<u8>) {
    let mut reception = Reception::new(framing);
    let mut input = Input::new();
    let mut kept = Vec::new();
    let mut received = None;
    for piece in octets.chunks(size) {
        input.fill(piece);
        if received.is_none() {
            received = reception.take(&mut input, &mut kept);
        }
    }
    (kept, received, input.octets().to_vec())
}

#[test]
fn commands_after_the_message_stay_in_the_input() {
    for size in 1..12 {
        let (kept, received, rest) =
            receive(Framing::Dotted { octets_max: 9 }, b"a\r\n..\r\n.\r\nQUIT\r\n", size);
        assert_eq!(kept, b"a\r\n.\r\n");
        assert_eq!(received, Some(Received { octets: 6, ..Received::default() }));
        assert_eq!(rest, b"QUIT\r\n");
    }
}

#[test]
fn a_bare_line_feed_is_found_wherever_the_input_is_cut() {
    for (octets, is_after_cr, expected) in [
        (&b"\n"[..], false, true),
        (b"\n", true, false),
        (b"\r\n\n", false, true),
        (b"\r\n\r\n", false, false),
        (b"a\nb\r\n", false, true),
        (b"\r\r\n", false, false),
        (b"\n\n", true, true),
    ] {
        for size in 1..5 {
            let framing = Framing::Chunk { octets: octets.len() as u64, is_after_cr };
            let (kept, received, _) = receive(framing, octets, size);
            assert_eq!(kept, octets);
            assert_eq!(received.unwrap().has_bare_line_feed, expected, "{}", octets.escape_ascii());
        }
    }
}

#[test]
fn an_empty_chunk_keeps_the_cr_of_the_one_before() {
    let mut reception = Reception::new(Framing::Chunk { octets: 0, is_after_cr: true });
    let received = reception.take(&mut Input::new(), &mut vec![]).unwrap();
    assert!(received.is_ending_in_cr);
}

proptest! {
    #[test]
    fn the_outcome_is_the_same_for_every_split(
        text in "(\\.|\r\n|\n|\r|x){0,30}",
        size in 1_usize..9,
        octets_max in 0_u64..40,
    ) {
        let octets = alloc::format!("{text}\r\n.\r\nNOOP");
        let framing = Framing::Dotted { octets_max };
        let (whole, received, rest) = receive(framing, octets.as_bytes(), octets.len());
        let (kept, received_split, rest_split) = receive(framing, octets.as_bytes(), size);
        prop_assert_eq!(received, received_split);
        prop_assert_eq!(rest, rest_split);
        if received.is_some_and(|received| !received.is_too_large) {
            prop_assert_eq!(whole, kept);
        } else {
            prop_assert!(kept.len() as u64 <= octets_max);
        }
    }
}
