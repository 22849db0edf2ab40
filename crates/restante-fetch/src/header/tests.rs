//! Headers, whole and in pieces: their digests and their fields.

use super::*;
use proptest::prelude::*;

fn digest(text: &str) -> [u8; 16] {
    HeaderDigest::of(text.as_bytes()).digest
}

const PLAIN: &str =
    "Received: from a\r\n by b\r\nFrom: x@example.org\r\nMessage-ID: <1@example.org>\r\nSubject: hi\r\n";

#[test]
fn a_header_has_one_digest_whatever_comes_behind_it_and_whatever_books_are_kept_in_it() {
    let plain = digest(PLAIN);
    for same in [
        format!("{PLAIN}\r\n"),
        format!("{PLAIN}\r\nbody\r\n\r\nmore"),
        PLAIN.replace("\r\n", "\n"),
        PLAIN.trim_end().to_owned(),
        format!("Status: RO\r\nX-Status: A\r\n\tcontinued\r\n{PLAIN}X-UIDL: abc\r\n"),
        format!("{PLAIN}Content-Length: 17\r\nLines: 4\r\nX-Mozilla-Status2: 00\r\nx-imapBASE: 1 2\r\n\r\n"),
        format!("From x@example.org Thu Jan  1 00:00:00 1970\r\n{PLAIN}"),
        format!(">From x@example.org Thu Jan  1 00:00:00 1970\r\n{PLAIN}"),
        format!("{PLAIN}Status : RO\r\n"),
    ] {
        assert_eq!(digest(&same), plain, "{same}");
    }
    for other in [
        PLAIN.replace("hi", "ho"),
        PLAIN.replace(" by b", " by c"),
        PLAIN.replace("\r\n by", "\r\nby"),
        format!("{PLAIN}Delivered-To: x\r\n"),
        format!("{PLAIN}X-Mozilla: 1\r\n"),
        format!("{PLAIN}Status2: 1\r\n"),
        format!("{PLAIN}From x@example.org Thu Jan  1 00:00:00 1970\r\n"),
        PLAIN.replace("hi", "h\ri"),
        String::new(),
    ] {
        assert_ne!(digest(&other), plain, "{other}");
    }
}

#[test]
fn a_digest_knows_whether_it_says_anything() {
    for (text, has_message_id, is_empty) in [
        (PLAIN, true, false),
        ("message-id : <1@x>\r\n", true, false),
        ("Subject: Message-ID: 1\r\n\r\nMessage-ID: 2", false, false),
        ("", false, true),
        ("\r\nSubject: body", false, true),
        ("Status: RO\r\nX-UID: 1\r\n", false, true),
    ] {
        let digested = HeaderDigest::of(text.as_bytes());
        assert_eq!((digested.has_message_id, digested.is_empty), (has_message_id, is_empty), "{text:?}");
    }
}

#[test]
fn a_message_without_unique_id_gets_one_that_a_server_could_give() {
    let made = made_unique_id(&HeaderDigest::of(PLAIN.as_bytes()), Some(u64::MAX));
    assert!(made.len() <= 70 && made.iter().all(u8::is_ascii_graphic), "{made:?}");
    assert_eq!(
        made,
        made_unique_id(&HeaderDigest::of(format!("Status: O\r\n{PLAIN}").as_bytes()), Some(u64::MAX))
    );
    assert_ne!(made, made_unique_id(&HeaderDigest::of(PLAIN.as_bytes()), Some(1)));
}

#[test]
fn fields_are_unfolded_and_decoded() {
    let header = Header::of(
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?b?IGF1cyBCZXJsaW4=?=\r\nX-Odd :  a\r\n\tb\r\nfrom: =?iso-8859-1?q?M=FCller?= <m@example.org>\r\n\r\nSubject: body\r\n",
    );
    assert!(header.is_complete());
    let fields = header.fields();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
    assert_eq!(
        fields,
        [("Subject", "Grüße aus Berlin"), ("X-Odd", "a b"), ("from", "Müller <m@example.org>")]
    );
}

#[test]
fn a_header_is_complete_when_its_end_was_seen_and_bounded_always() {
    let mut header = Header::default();
    header.update(b"Subject: a\r\n");
    assert!(!header.is_complete());
    header.update(b"\r");
    header.update(b"\nbody");
    assert!(header.is_complete());
    assert!(Header::of(b"\r\nbody").is_complete());
    assert!(Header::of(b"Subject: a\n\nbody").is_complete());
    let mut long = Header::default();
    for _ in 0..3 {
        long.update(&vec![b'a'; HEADER_OCTETS_MAX / 2]);
    }
    long.update(b"\r\n\r\n");
    long.finish();
    assert!(!long.is_complete());
    assert_eq!(long.octets.len(), HEADER_OCTETS_MAX);
}

proptest! {
    #[test]
    fn cuts_change_nothing(octets in "(Status|X-UID|Subject|From|a| |\t|:|\r|\n|\r\n){0,40}", cuts in proptest::collection::vec(0usize..60, 0..6)) {
        let octets = octets.as_bytes();
        let whole = HeaderDigest::of(octets);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(octets.len())).collect();
        cuts.sort_unstable();
        let mut digest = HeaderDigest::default();
        let mut header = Header::default();
        let mut from = 0;
        for cut in cuts.into_iter().chain([octets.len()]) {
            digest.update(&octets[from..cut]);
            header.update(&octets[from..cut]);
            from = cut;
        }
        header.finish();
        prop_assert_eq!(digest.digested(), whole);
        prop_assert_eq!(&header.octets, &Header::of(octets).octets);
        // What TOP n 0 gives has the digest of the message.
        prop_assert_eq!(HeaderDigest::of(&header.octets), whole);
        let _ = header.fields();
    }
}
