//! RFC 5322: what a message is, where POP3 depends on it.

use restante_test::judge::Case;
use restante_test::mail::{canonical, numbered};

#[test]
fn r5322_2_1_1_1_lines_of_any_length_come_through() {
    let line = |octets: usize| [b"x".repeat(octets), b"\r\n".to_vec()].concat();
    let message = [b"Subject: long\r\n\r\n".to_vec(), line(998), line(1_000_000)].concat();
    Case::new().run(|server| {
        server.deliver(&["alice"], &message);
        let mut peer = server.login("alice");
        assert!(peer.message("RETR 1").ends_with(&message));
    });
}

#[test]
fn r5322_2_3_1_every_line_end_is_crlf() {
    let stored = b"Subject: ends\n\nlone\rcarriage return\nlone LF .\n.\n\0 NUL\r\n\nlast".to_vec();
    Case::with_mail(vec![stored.clone()]).run(|server| {
        let mut peer = server.login("alice");
        peer.send(b"RETR 1\r\n");
        assert!(peer.line().starts_with(b"+OK"));
        let body = peer.body();
        let line_feeds = body.iter().enumerate().filter(|(_, octet)| **octet == b'\n');
        for (at, _) in line_feeds {
            assert_eq!(body[at - 1], b'\r', "{}", peer.transcript());
        }
        assert_eq!(peer.message("RETR 1"), canonical(&stored));
        peer.ok("NOOP");
    });
}

#[test]
fn r5322_2_1_1_a_message_may_be_a_header_alone() {
    let stored = b"From: a@example.org\nSubject: header alone\n".to_vec();
    Case::with_mail(vec![stored.clone(), numbered(1, 1)]).run(|server| {
        let mut peer = server.login("alice");
        assert_eq!(peer.message("RETR 1"), canonical(&stored));
        assert_eq!(peer.message("TOP 1 0"), canonical(&stored));
        assert_eq!(peer.ok("LIST 1"), format!("+OK 1 {}", canonical(&stored).len()));
    });
}

#[test]
fn r5322_2_2_3_1_folded_lines_are_no_body() {
    let stored = b"Subject: one\n two\n\tthree\n\nfirst\nsecond\n".to_vec();
    Case::with_mail(vec![stored]).run(|server| {
        let top = server.login("alice").message("TOP 1 1");
        assert_eq!(top, b"Subject: one\r\n two\r\n\tthree\r\n\r\nfirst\r\n");
    });
}
