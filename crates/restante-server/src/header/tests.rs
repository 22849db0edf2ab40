//! What is put in front of a message, and what is taken out.

use super::*;
use proptest::prelude::*;
use restante_proto::lmtp::command::Command;
use restante_proto::lmtp::path::ReversePath;
use std::time::{Duration, UNIX_EPOCH};

fn head<'a>() -> Head<'a> {
    Head {
        sender: Some("alice@example.net"),
        recipient: Some("bob@example.org"),
        client_name: Some("mx.example.org"),
        client_address: Some(IpAddr::from([192, 0, 2, 7])),
        hostname: "mail.example.org",
        protocol: "LMTP",
        id: "00c0ffee00c0ffee",
        now: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
    }
}

fn text(head: &Head<'_>) -> String {
    let mut output = Vec::new();
    head.write(&mut output);
    String::from_utf8(output).unwrap()
}

/// The date without its zone, which is the machine's.
fn without_date(text: &str) -> &str {
    text.rsplit_once(";\r\n\t").unwrap().0
}

// R5321-4.4.1 R5321-4.4.2
#[test]
fn one_recipient_is_named() {
    let text = text(&head());
    assert_eq!(
        without_date(&text),
        "Return-Path: <alice@example.net>\r\nDelivered-To: bob@example.org\r\n\
         Received: from mx.example.org ([192.0.2.7])\r\n\tby mail.example.org with LMTP id 00c0ffee00c0ffee\r\n\
         \tfor <bob@example.org>"
    );
    let date = text.rsplit_once("\t").unwrap().1;
    let date = jiff::fmt::rfc2822::parse(date.strip_suffix("\r\n").unwrap()).unwrap();
    assert_eq!(date.timestamp().as_second(), 1_700_000_000);
}

#[test]
fn several_recipients_are_not_named_and_a_notification_has_no_sender() {
    let text = text(&Head { sender: None, recipient: None, client_address: None, ..head() });
    assert_eq!(
        without_date(&text),
        "Return-Path: <>\r\nReceived: from mx.example.org\r\n\tby mail.example.org with LMTP id 00c0ffee00c0ffee"
    );
}

#[test]
fn a_client_cannot_write_parts_of_the_field_with_its_name() {
    let address = Some(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]));
    let text = text(&Head { client_name: Some("x(by;evil"), client_address: address, ..head() });
    assert!(text.contains("Received: from unknown ([IPv6:2001:db8::1])\r\n\tby"), "{text}");
}

/// Octets that mean something in an address, in a header or to a terminal.
fn odd_octets() -> impl Strategy<Value = Vec<u8>> {
    let known = b"ab1\"\\@<>:;,.()[] \t\r\n\0\x1b\x7f\x85\x9b\xff\xe2\x80\xae";
    let one = prop_oneof![4 => prop::sample::select(&known[..]), 1 => any::<u8>()];
    let quoted = proptest::collection::vec(one.clone(), 0..12)
        .prop_map(|inner| [b"\"", &inner[..], b"\"@example.net"].concat());
    prop_oneof![proptest::collection::vec(one, 0..24), quoted]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Whoever chooses envelope and name writes into the fields that are his, and no others.
    #[test]
    fn an_envelope_and_a_name_add_no_field(
        sender in odd_octets(),
        recipient in odd_octets(),
        name in any::<String>(),
    ) {
        let sender = match Command::parse(&[b"MAIL FROM:<", &sender[..], b"> SMTPUTF8"].concat()) {
            Ok(Command::Mail(mail)) => match mail.sender {
                ReversePath::Mailbox(mailbox) => Some(mailbox.to_string()),
                ReversePath::Null => None,
            },
            _ => None,
        };
        let recipient = match Command::parse(&[b"RCPT TO:<", &recipient[..], b">"].concat()) {
            Ok(Command::Rcpt(path)) => Some(path.mailbox().to_string()),
            _ => None,
        };
        let head = Head { sender: sender.as_deref(), recipient: recipient.as_deref(), client_name: Some(&name), ..head() };
        let text = text(&head);
        let lines: Vec<&str> = text.split("\r\n").collect();
        prop_assert_eq!(lines.last(), Some(&""));
        let names = lines.iter().filter(|line| !line.is_empty() && !line.starts_with('\t'));
        let names: Vec<_> = names.map(|line| line.split(':').next().unwrap_or_default()).collect();
        let expected = ["Return-Path", "Delivered-To", "Received"];
        let expected = expected.into_iter().filter(|name| recipient.is_some() || *name != "Delivered-To");
        prop_assert_eq!(names, expected.collect::<Vec<_>>(), "{:?}", text);
        let ends = |letter: char| letter.is_ascii_control() && letter != '\t';
        prop_assert!(!lines.iter().any(|line| line.contains(ends)), "{:?}", text);
    }
}

fn filtered(message: &[u8], piece: usize) -> Vec<u8> {
    let mut filter = ReturnPathFilter::default();
    let mut output = Vec::new();
    message.chunks(piece).for_each(|chunk| filter.filter(chunk, &mut output));
    filter.finish(&mut output);
    output
}

#[test]
fn return_paths_of_the_header_go_and_nothing_else() {
    let cases: &[(&str, &str)] = &[
        ("Return-Path: <x@y>\r\nSubject: a\r\n\r\nbody\r\n", "Subject: a\r\n\r\nbody\r\n"),
        ("Subject: a\r\nRETURN-path :\r\n <x@y>\r\n\t(more)\r\nTo: b\r\n\r\n", "Subject: a\r\nTo: b\r\n\r\n"),
        ("Return-Path: <a@b>\r\nReturn-Path: <c@d>\r\n\r\n", "\r\n"),
        // Not the field: a longer name, a continuation of another field, the body.
        ("Return-Path-Info: x\r\n\r\n", "Return-Path-Info: x\r\n\r\n"),
        ("Return-Paths\r\n\r\n", "Return-Paths\r\n\r\n"),
        ("Subject: a\r\n Return-Path: x\r\n\r\n", "Subject: a\r\n Return-Path: x\r\n\r\n"),
        ("Subject: a\r\n\r\nReturn-Path: x\r\n", "Subject: a\r\n\r\nReturn-Path: x\r\n"),
        // A lone CR is no line end, and a header need not have an end.
        ("Subject: a\r\n\rReturn-Path: x\r\n\r\n", "Subject: a\r\n\rReturn-Path: x\r\n\r\n"),
        ("Return-Pa", "Return-Pa"),
        ("", ""),
    ];
    for (message, expected) in cases {
        for piece in 1..=message.len().max(1) {
            let found = filtered(message.as_bytes(), piece);
            assert_eq!(String::from_utf8(found).unwrap(), *expected, "{message:?} in pieces of {piece}");
        }
    }
}

#[test]
fn what_is_held_back_has_a_bound() {
    let message = format!("Return-Path{}: <x@y>\r\n\r\n", " ".repeat(10_000));
    assert_eq!(filtered(message.as_bytes(), 7), message.as_bytes());
}
