//! RFC 1939 section 7: TOP.

use restante_test::judge::Case;
use restante_test::mail::{awkward, canonical, numbered};

/// The canonical header of [`numbered`], blank line included.
fn header(n: usize) -> String {
    let message = String::from_utf8(canonical(&numbered(n, 0))).unwrap();
    assert!(message.ends_with("\r\n\r\n"));
    message
}

#[test]
fn r1939_7_2_top_sends_header_and_body_lines() {
    Case::with_mail(vec![numbered(1, 12)]).run(|server| {
        let mut wanted = header(1);
        let mut peer = server.login("alice");
        for lines in 1..=12 {
            wanted.push_str(&format!("line {lines}\r\n"));
            let top = String::from_utf8(peer.message(&format!("TOP 1 {lines}"))).unwrap();
            assert_eq!(top, wanted);
        }
    });
}

#[test]
fn r1939_7_3_top_zero_sends_the_header() {
    Case::with_mail(vec![numbered(1, 12)]).run(|server| {
        let mut peer = server.login("alice");
        assert_eq!(peer.message("TOP 1 0"), header(1).as_bytes());
        assert_eq!(peer.message("TOP 1 00"), header(1).as_bytes());
    });
}

#[test]
fn r1939_7_3_folded_headers_are_headers() {
    let stored = b"Subject: one\n two\n\tthree\nTo: x\n\nbody 1\nbody 2\n".to_vec();
    Case::with_mail(vec![stored]).run(|server| {
        let mut peer = server.login("alice");
        assert_eq!(peer.message("TOP 1 0"), b"Subject: one\r\n two\r\n\tthree\r\nTo: x\r\n\r\n");
        assert_eq!(peer.message("TOP 1 1"), b"Subject: one\r\n two\r\n\tthree\r\nTo: x\r\n\r\nbody 1\r\n");
    });
}

#[test]
fn r1939_7_4_top_of_more_lines_than_there_are_is_the_message() {
    let messages: Vec<Vec<u8>> =
        awkward().into_iter().map(|(_, stored)| stored).filter(|stored| !stored.starts_with(b".")).collect();
    let count = messages.len();
    Case::with_mail(messages).run(move |server| {
        let mut peer = server.login("alice");
        for number in 1..=count {
            let whole = peer.message(&format!("RETR {number}"));
            assert!(peer.message(&format!("TOP {number} 99999999")) == whole, "message {number}");
        }
    });
}

#[test]
fn r1939_7_5_top_needs_both_arguments() {
    Case::with_mail(vec![numbered(1, 12)]).run(|server| {
        for command in ["TOP 1", "TOP 1 -1", "TOP 1 x", "TOP 1 1x", "TOP", "TOP x 1"] {
            let mut peer = server.login_when_free("alice");
            peer.err(command);
            peer.ok("QUIT");
            peer.end();
        }
    });
}

#[test]
fn r1939_7_6_top_is_stuffed_and_counts_lines_before_that() {
    Case::with_mail(vec![b"Subject: dots\n\n.\n.a\n..b\nc\n".to_vec()]).run(|server| {
        let mut peer = server.login("alice");
        let mut wire = |lines: u32| {
            peer.ok(&format!("TOP 1 {lines}"));
            String::from_utf8(peer.body()).unwrap()
        };
        assert_eq!(wire(1), "Subject: dots\r\n\r\n..\r\n");
        assert_eq!(wire(2), "Subject: dots\r\n\r\n..\r\n..a\r\n");
        assert_eq!(wire(3), "Subject: dots\r\n\r\n..\r\n..a\r\n...b\r\n");
        assert_eq!(wire(4), "Subject: dots\r\n\r\n..\r\n..a\r\n...b\r\nc\r\n");
    });
}

#[test]
fn r1939_7_7_top_is_no_retrieval() {
    Case::with_mail(vec![numbered(1, 12)]).run(|server| {
        let mut peer = server.login("alice");
        peer.message("TOP 1 0");
        peer.message("TOP 1 999");
        assert!(peer.ok("STAT").starts_with("+OK 1 "));
        peer.ok("QUIT");
        peer.end();
        assert!(server.login_when_free("alice").ok("STAT").starts_with("+OK 1 "));
    });
}
