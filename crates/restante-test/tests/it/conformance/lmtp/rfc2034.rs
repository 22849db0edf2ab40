//! RFC 2034: enhanced status codes in every reply.

use restante_test::judge::Case;
use restante_test::mail::dotted;
use restante_test::peer::Reply;

use super::{MESSAGE, data, transaction};

/// Asserts that every line of `reply` begins with an enhanced code of the reply's class.
fn assert_enhanced(reply: &Reply) {
    for line in &reply.lines {
        let code = line.split(' ').next().unwrap();
        let parts: Vec<&str> = code.split('.').collect();
        let is_number =
            |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit());
        assert!(parts.len() == 3 && parts.iter().all(is_number), "{reply:?}");
        assert_eq!(parts[0], (reply.code / 100).to_string(), "{reply:?}");
    }
}

#[test]
fn r2034_4_1_every_reply_has_an_enhanced_code() {
    Case::new().run(|server| {
        let mut peer = server.lmtp();
        for command in [
            "NOOP",
            "RSET",
            "NOSUCH",
            "EHLO x",
            "MAIL",
            "MAIL FROM:<a@b",
            "RCPT TO:<alice@example.org>",
            "DATA",
            "VRFY alice",
            "MAIL FROM:<sender@example.org>",
            "MAIL FROM:<sender@example.org>",
            "RCPT TO:<nobody-here@example.org>",
            "RCPT TO:<alice@example.org>",
            "BDAT x",
            "RSET",
        ] {
            assert_enhanced(&peer.ask(command));
        }
        let mut peer = transaction(server, &["alice", "bob"]);
        let go_on = peer.ask("DATA");
        assert_eq!(go_on.code, 354);
        assert!(!go_on.lines[0].starts_with(['2', '3', '4', '5']), "{go_on:?}");
        peer.send(&dotted(MESSAGE));
        assert_enhanced(&peer.reply());
        assert_enhanced(&peer.reply());
        assert_enhanced(&peer.ask("QUIT"));
    });
}

#[test]
fn r2034_4_1_delivery_replies_have_an_enhanced_code() {
    Case::new().run(|server| {
        let mut peer = transaction(server, &["alice", "bob"]);
        for reply in data(&mut peer, &dotted(MESSAGE), 2) {
            assert_enhanced(&reply);
        }
        assert_enhanced(&peer.ask("NOSUCH"));
        assert_enhanced(&peer.ask("QUIT"));
    });
}

#[test]
fn r2034_4_2_codes_come_without_lhlo_too() {
    Case::new().run(|server| {
        let mut peer = server.lmtp_fresh();
        let reply = peer.ask("NOOP");
        assert_eq!(reply.code, 250);
        assert_enhanced(&reply);
        assert_enhanced(&peer.ask("NOSUCH"));
    });
}
