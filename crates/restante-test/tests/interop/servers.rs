//! A real Postfix hands mail over by LMTP to the unix socket.

use restante_test::mail::{canonical, numbered};
use restante_test::peer::Peer;
use restante_test::real::postfix::Postfix;
use restante_test::real::{Server, Setup};
use restante_test::wait;

use crate::kind;

fn retrieve(server: &Server, postfix: &Postfix, account: &str, count: usize) -> Vec<Vec<u8>> {
    let found = wait::try_some(wait::DEADLINE, || {
        let messages = server.retrieve_all(account);
        (messages.len() >= count).then_some(messages)
    });
    found.unwrap_or_else(|| panic!("the mail does not come:\n{}\n{}", postfix.log(), server.log()))
}

/// Splits off the header fields that stand before `first`, the first field of the message as it was sent.
fn fields<'a>(message: &'a str, first: &str) -> (&'a str, &'a str) {
    let at = message.find(first).expect("the message as it was sent");
    message.split_at(at)
}

#[test]
fn postfix_delivers_from_sendmail_to_pop3() {
    let server = Server::start(kind(), &Setup::default());
    let postfix = Postfix::start(server.site());
    let message = b"From: sender@example.net\nTo: alice@example.org\nSubject: by sendmail\nDate: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-ID: <1@example.net>\n\n.\n..dots\nlast line";
    postfix.sendmail("sender@example.net", &["alice@example.org"], message);
    let messages = retrieve(&server, &postfix, "alice", 1);
    let stored = String::from_utf8(messages[0].clone()).unwrap();
    let (trace, rest) = fields(&stored, "From: sender@example.net");
    assert_eq!(rest.as_bytes(), canonical(message), "{stored}");
    assert!(trace.starts_with("Return-Path: <sender@example.net>\r\n"), "{stored}");
    assert!(trace.contains("\r\nDelivered-To: alice"), "{stored}");
    assert!(
        trace.contains("by mail.example.org") || server.kind() != restante_test::real::Kind::Restante,
        "{stored}"
    );
    assert!(trace.contains("by relay.example.org (Postfix"), "{stored}");
}

#[test]
fn postfix_delivers_from_smtp_to_many() {
    let server = Server::start(kind(), &Setup::default());
    let postfix = Postfix::start(server.site());
    let mut peer = Peer::connect(postfix.address());
    assert_eq!(peer.reply().code, 220);
    assert_eq!(peer.code("EHLO judge.example.org"), 250);
    let sent: Vec<Vec<u8>> = (0..20).map(|n| canonical(&numbered(n, n * 50))).collect();
    for message in &sent {
        assert_eq!(peer.code("MAIL FROM:<sender@example.net> BODY=8BITMIME"), 250);
        assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
        assert_eq!(peer.code("RCPT TO:<bob@example.org>"), 250);
        assert_eq!(peer.code("DATA"), 354);
        peer.send(&restante_test::mail::dotted(message));
        assert_eq!(peer.reply().code, 250);
    }
    assert_eq!(peer.code("QUIT"), 221);
    for account in ["alice", "bob"] {
        let messages = retrieve(&server, &postfix, account, sent.len());
        assert_eq!(messages.len(), sent.len());
        for message in &sent {
            let copies = messages.iter().filter(|stored| stored.ends_with(message)).count();
            assert_eq!(copies, 1, "each message comes once");
        }
    }
}

#[test]
fn postfix_keeps_what_restante_cannot_take_yet() {
    let mut server = Server::start(kind(), &Setup::default());
    let postfix = Postfix::start(server.site());
    server.stop();
    postfix.sendmail("sender@example.net", &["alice@example.org"], &numbered(1, 3));
    wait::until("Postfix to find nobody", || postfix.log().contains("status=deferred"));
    server.start_again();
    let messages = retrieve(&server, &postfix, "alice", 1);
    assert!(messages[0].ends_with(b"line 3\r\n"));
}

#[test]
fn postfix_bounces_what_nobody_wants() {
    let server = Server::start(kind(), &Setup::default());
    let postfix = Postfix::start(server.site());
    postfix.sendmail("alice@example.org", &["nobody-here@example.org", "bob@example.org"], &numbered(1, 3));
    assert!(retrieve(&server, &postfix, "bob", 1)[0].ends_with(b"line 3\r\n"));
    // The report comes back to the sender, by the same way.
    let report = retrieve(&server, &postfix, "alice", 1).remove(0);
    let report = String::from_utf8_lossy(&report).into_owned();
    assert!(report.starts_with("Return-Path: <>\r\n"), "{report}");
    assert!(report.contains("nobody-here@example.org"), "{report}");
}
