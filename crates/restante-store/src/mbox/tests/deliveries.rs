//! Messages on their way in.

use proptest::prelude::*;
use restante_proto::body::{Encoder, Extent};
use restante_proto::maildrop::{Accessed, Marks, UniqueId};

use super::fixture::{Fixture, now, read, remove, run, unique_ids};
use crate::delivery::DeliveryError;
use crate::mbox::Form;
use crate::quota::Limits;
use crate::unique_id::Override;

#[test]
fn a_message_is_written_as_other_programs_expect() {
    let fixture = Fixture::new();
    let unique_id = fixture.deliver(
        b"Return-Path: <eve@example.org>\r\nSubject: a\r\nStatus: RO\r\nX-UID: 9\r\n\r\nFrom me\r\n>From you\r\n",
    );
    fixture.deliver(b"Subject: b\r\n\r\n");
    assert_eq!(
        fixture.contents(),
        "From eve@example.org Thu Feb 13 10:11:12 2025\nReturn-Path: <eve@example.org>\nSubject: a\n\n\
        >From me\n>>From you\n\n\
        From MAILER-DAEMON Thu Feb 13 10:11:12 2025\nSubject: b\n\n\n"
    );
    assert_eq!(fixture.unique_ids()[0], unique_id);
    let shown = ["Return-Path: <eve@example.org>\nSubject: a\n\nFrom me\n>From you\n", "Subject: b\n\n"];
    assert_eq!(fixture.messages(), shown);
}

#[test]
fn large_messages_take_the_way_over_a_file() {
    let fixture = Fixture::new();
    let message = format!("Subject: large\r\n\r\n{}", "0123456789abcdef From \r\n".repeat(40_000));
    let unique_id = fixture.deliver(message.as_bytes());
    assert_eq!(fixture.unique_ids(), [unique_id]);
    assert!(read(&fixture.open(), 0).unwrap() == message.replace("\r\n", "\n").as_bytes());
    let mut left = std::fs::read_dir(&fixture.control).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!left.any(|name| name.to_string_lossy().contains("spool")));
}

#[test]
fn a_message_that_does_not_fit_is_refused() {
    let fixture = Fixture::new();
    fixture.deliver(b"Subject: a\r\n\r\n1\r\n");
    run(async {
        let limits = Limits { messages: Some(1), octets: None };
        let mut delivery = fixture.store.begin(&fixture.location(), now()).await.unwrap();
        delivery.write(b"Subject: b\r\n\r\n").await.unwrap();
        let result = delivery.commit_within(&fixture.location(), limits).await;
        assert!(matches!(result, Err(DeliveryError::OverQuota(_))), "{result:?}");
        let limits = Limits { messages: Some(2), octets: Some(1000) };
        delivery.commit_within(&fixture.location(), limits).await.unwrap();
        let usage = fixture.store.usage(&fixture.location(), now()).await.unwrap();
        assert_eq!((usage.messages, usage.octets), (2, 26));
    });
}

#[test]
fn unique_ids_of_another_server_are_shown_and_kept() {
    let fixture = Fixture::new();
    fixture.deliver(b"Subject: a\r\n\r\n");
    fixture.deliver(b"Subject: b\r\n\r\n");
    let made = fixture.unique_ids();
    let give = |made: &str, unique_id: &str, order| Override {
        base_name: made.as_bytes().to_vec(),
        unique_id: UniqueId::parse(unique_id.as_bytes()).unwrap(),
        order,
    };
    run(async {
        let given = vec![give(&made[0], "0001", Some(2)), give(&made[1], "0002", Some(1))];
        fixture.store.set_unique_ids(&fixture.location(), given, now()).await.unwrap();
        let twice = vec![give(&made[1], "0001", None)];
        assert!(fixture.store.set_unique_ids(&fixture.location(), twice, now()).await.is_err());
    });
    assert_eq!(fixture.unique_ids(), ["0002", "0001"]);
    assert_eq!(fixture.messages(), ["Subject: b\n\n", "Subject: a\n\n"]);
    fixture.lose_index();
    fixture.deliver(b"Subject: c\r\n\r\n");
    assert_eq!(fixture.unique_ids()[..2], ["0002", "0001"]);
}

/// What other programs have noted is hidden from clients, and a migration goes by it.
#[test]
fn a_migration_sees_the_notes_of_other_programs() {
    let fixture = Fixture::new();
    fixture.put(
        b"From a@b Sat Nov 21 10:00:00 2026\nSubject: a\nX-UIDL: first\n\nX-UIDL: none\n\n\
          From c@d Sat Nov 21 10:00:01 2026\nX-UIDL: second\nSubject: b\n\nbody\n",
    );
    run(async {
        let inspection = fixture.store.inspect(&fixture.location(), now()).await.unwrap();
        for (index, from, unique_id) in [
            (0, "From a@b Sat Nov 21 10:00:00 2026", "first"),
            (1, "From c@d Sat Nov 21 10:00:01 2026", "second"),
        ] {
            let (from_line, header) = crate::migrate::header::read_raw(&inspection, index).await.unwrap();
            assert_eq!(from_line.as_deref(), Some(from.as_bytes()));
            assert_eq!(crate::migrate::header::x_uidl(&header).as_deref(), Some(unique_id.as_bytes()));
            let shown = crate::migrate::header::read(&inspection, index).await.unwrap();
            assert_eq!(crate::migrate::header::x_uidl(&shown), None);
        }
    });
}

#[test]
fn r1460_4_1_what_was_accessed_is_remembered() {
    let fixture = Fixture::new();
    (0..3).for_each(|number| drop(fixture.deliver(format!("Subject: {number}\r\n\r\n").as_bytes())));
    let mut maildrop = fixture.open();
    run(async {
        assert_eq!(maildrop.last_accessed().await.unwrap(), None);
        let mut accessed = Accessed::default();
        accessed.messages.mark(1);
        maildrop.keep_accessed(&accessed, &Marks::new()).await.unwrap();
    });
    drop(maildrop);
    let mut maildrop = fixture.open();
    assert_eq!(run(maildrop.last_accessed()).unwrap(), Some(1));
    remove(&mut maildrop, [0]);
    drop(maildrop);
    assert_eq!(run(fixture.open().last_accessed()).unwrap(), Some(0));
}

/// Lines of any octets but LF, each ended with CRLF; hardly ever one of the fields that are notes.
fn canonical() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        2 => Just(b"From a@b Thu Feb 13 10:11:12 2025".to_vec()),
        2 => Just(b"From ".to_vec()),
        2 => Just(b">".to_vec()),
        1 => Just(b"\r".to_vec()),
        1 => Just(b".".to_vec()),
        1 => prop::collection::vec(any::<u8>().prop_filter("LF ends lines", |octet| *octet != b'\n'), 0..6),
    ];
    let line =
        prop::collection::vec(part, 0..4).prop_map(|parts| [parts.concat(), b"\r\n".to_vec()].concat());
    prop::collection::vec(line, 0..10).prop_map(|lines| lines.concat())
}

fn on_the_wire(stored: &[u8]) -> Vec<u8> {
    let (mut encoder, mut output) = (Encoder::new(Extent::Whole), Vec::new());
    encoder.encode(stored, &mut output);
    encoder.finish(&mut output);
    output
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn r1939_11_3_what_comes_in_goes_out(
        messages in prop::collection::vec(canonical(), 1..5),
        is_mboxo in any::<bool>(),
    ) {
        let form = if is_mboxo { Form::Mboxo } else { Form::Mboxrd };
        let fixture = Fixture::with(|settings| settings.form = form);
        let given: Vec<String> = messages.iter().map(|message| fixture.deliver(message)).collect();
        let maildrop = fixture.open();
        prop_assert_eq!(maildrop.listing().len(), messages.len());
        for (index, message) in messages.iter().enumerate() {
            let stored = read(&maildrop, index).unwrap();
            let mut expected = message.clone();
            if is_mboxo {
                let lines = message.split_inclusive(|&octet| octet == b'\n');
                let quote = |line: &[u8]| if line.starts_with(b"From ") { &b">"[..] } else { b"" };
                expected = lines.flat_map(|line| [quote(line), line].concat()).collect();
            }
            let octets = maildrop.listing().octets(index).unwrap().as_u64();
            prop_assert_eq!(octets, expected.len() as u64);
            prop_assert_eq!(on_the_wire(&stored), on_the_wire(&expected));
        }
        let listed = unique_ids(maildrop.listing());
        prop_assert!(given.iter().zip(&listed).all(|(given, listed)| listed.starts_with(given.as_str())));
        drop(maildrop);
        fixture.lose_index();
        prop_assert_eq!(fixture.unique_ids(), listed);
    }
}
