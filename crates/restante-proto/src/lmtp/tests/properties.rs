//! What holds for any transcript: the same for every split of the input, no panic, a reply for every command.

use super::*;

/// Octets that are often commands, in an order that is often right.
fn client_octets() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => Just(b"MAIL FROM:<s@x>\r\n".to_vec()),
        4 => Just(b"RCPT TO:<a>\r\n".to_vec()),
        2 => Just(b"RCPT TO:<late>\r\n".to_vec()),
        1 => Just(b"RCPT TO:<no>\r\n".to_vec()),
        3 => Just(b"DATA\r\nhello\r\n..dots\r\n.\r\n".to_vec()),
        1 => Just(b"DATA\r\n\n.\n\r\n.\r\n".to_vec()),
        3 => (0_usize..130, any::<bool>()).prop_map(|(octets, is_last)| {
            let last = if is_last { " LAST" } else { "" };
            let mut sent = format!("BDAT {octets}{last}\r\n").into_bytes();
            sent.resize(sent.len() + octets, b'\r');
            sent
        }),
        1 => Just(b"RSET\r\n".to_vec()),
        1 => Just(b"LHLO again\r\n".to_vec()),
        1 => Just(b"STARTTLS\r\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => "[ -~]{0,600}\r\n".prop_map(String::into_bytes),
    ];
    prop::collection::vec(line, 0..20).prop_map(|lines| lines.concat())
}

/// Cuts `octets` at the given places.
fn split<'a>(octets: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
    places.extend([0, octets.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| &octets[ends[0]..ends[1]]).collect()
}

proptest! {
    #[test]
    fn the_transcript_is_the_same_for_every_split(
        octets in client_octets(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let mut whole = Driver::greeted();
        whole.run(&[&octets]);
        let mut cut = Driver::greeted();
        cut.run(&split(&octets, &cuts));
        prop_assert_eq!(whole.log, cut.log);
    }

    #[test]
    fn no_octets_make_it_panic(
        octets in prop::collection::vec(any::<u8>(), 0..2000),
        is_disk_full: bool,
    ) {
        let mut driver = Driver::new(policy(), Transport::PlainWithStarttls);
        driver.is_disk_full = is_disk_full;
        driver.run(&octets.chunks(97).collect::<Vec<_>>());
    }

    #[test]
    fn every_begun_delivery_is_let_go_of(octets in client_octets()) {
        let mut driver = Driver::greeted();
        driver.run(&[&octets]);
        prop_assert!(driver.log.matches("! begin").count() - driver.log.matches("! discard").count() <= 1);
        prop_assert_eq!(
            driver.delivery.is_some(),
            driver.log.matches("! begin").count() > driver.log.matches("! discard").count()
        );
    }

    #[test]
    fn answers_to_no_question_are_ignored(octets in client_octets()) {
        let mut driver = Driver::greeted();
        driver.run(&[&octets]);
        if driver.session.is_idle() {
            let mut output = Vec::new();
            driver.session.accepted(&mut output);
            driver.session.rejected(Rejection::Temporary, &mut output);
            driver.session.received(Default::default(), &mut output);
            driver.session.receive_failed(DeliveryFault::Temporary, &mut output);
            driver.session.delivered(&mut output);
            driver.session.tls_started();
            prop_assert!(output.is_empty());
        }
    }
}
