//! RFC 6531: SMTPUTF8.

use restante_test::judge::Case;
use restante_test::mail::dotted;

use super::{MESSAGE, data};

const NOT_OFFERED: &str = "2.3 does not offer SMTPUTF8";

#[test]
fn r6531_3_1_1_smtputf8_comes_with_8bitmime_and_takes_no_value() {
    Case::new().dovecot_departs(NOT_OFFERED).run(|server| {
        let mut peer = server.lmtp();
        let reply = peer.ask("LHLO judge.example.org");
        assert!(reply.lines.contains(&"SMTPUTF8".to_owned()), "{reply:?}");
        assert!(reply.lines.contains(&"8BITMIME".to_owned()), "{reply:?}");
        assert_eq!(peer.code("MAIL FROM:<sender@example.org> SMTPUTF8=x"), 501);
        assert_eq!(peer.code("MAIL FROM:<sender@example.org> smtputf8"), 250);
    });
}

#[test]
fn r6531_3_2_1_with_smtputf8_names_may_be_utf_8() {
    Case::new().account("用户", "secret").dovecot_departs(NOT_OFFERED).run(|server| {
        let mut peer = server.lmtp();
        assert_eq!(peer.code("MAIL FROM:<jö@example.org> SMTPUTF8"), 250);
        assert_eq!(peer.code("RCPT TO:<用户@example.org>"), 250, "{}", peer.transcript());
        assert_eq!(data(&mut peer, &dotted(MESSAGE), 1)[0].code, 250);
        assert_eq!(peer.code("QUIT"), 221);
        let stored = String::from_utf8(server.retrieve_all("用户").remove(0)).unwrap();
        assert!(stored.starts_with("Return-Path: <jö@example.org>\r\n"), "{stored}");
    });
}

#[test]
fn r6531_3_5_1_without_smtputf8_they_may_not() {
    Case::new().account("用户", "secret").dovecot_departs("it answers 501, as to any bad address").run(
        |server| {
            let mut peer = server.lmtp();
            let reply = peer.ask("MAIL FROM:<jö@example.org>");
            assert_eq!(reply.code, 550, "{reply:?}");
            assert!(reply.lines[0].starts_with("5.6.7 "), "{reply:?}");
            assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250);
            let reply = peer.ask("RCPT TO:<用户@example.org>");
            assert_eq!(reply.code, 553, "{reply:?}");
            assert!(reply.lines[0].starts_with("5.6.7 "), "{reply:?}");
            assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
        },
    );
}

#[test]
fn r6531_3_7_1_1_the_host_name_is_ascii() {
    Case::new().run(|server| {
        let mut peer = server.lmtp_fresh();
        let reply = peer.ask("LHLO judge.example.org");
        assert!(reply.lines[0].is_ascii(), "{reply:?}");
        let host = reply.lines[0].split(' ').next().unwrap();
        assert!(
            host.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'.'),
            "{reply:?}"
        );
    });
}

#[test]
fn r6531_3_7_4_1_replies_are_ascii() {
    Case::new().run(|server| {
        let mut peer = server.lmtp();
        for command in [
            "RCPT TO:<用户@example.org>",
            "MAIL FROM:<jö@example.org>",
            "VRFY jö",
            "BLÖD",
            "LHLO ö.example.org",
        ] {
            let reply = peer.ask(command);
            assert!(reply.lines.iter().all(|line| line.is_ascii()), "{reply:?}");
        }
        assert_eq!(peer.code("LHLO judge.example.org"), 250);
        assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250);
        let reply = peer.ask("RCPT TO:<用户@example.org>");
        assert!(reply.lines.iter().all(|line| line.is_ascii()), "{reply:?}");
    });
}

#[test]
fn r6531_3_7_3_1_received_names_the_protocol_utf8lmtp() {
    Case::new().dovecot_departs(NOT_OFFERED).run(|server| {
        let mut peer = server.lmtp();
        assert_eq!(peer.code("MAIL FROM:<sender@example.org> SMTPUTF8"), 250);
        assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
        assert_eq!(data(&mut peer, &dotted(MESSAGE), 1)[0].code, 250);
        assert_eq!(peer.code("QUIT"), 221);
        let stored = String::from_utf8(server.retrieve_all("alice").remove(0)).unwrap();
        assert!(stored.contains("with UTF8LMTP"), "{stored}");
    });
}
