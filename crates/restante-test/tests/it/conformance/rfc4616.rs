//! RFC 4616: the PLAIN mechanism.

use restante_test::judge::Case;
use restante_test::mail::numbered;
use restante_test::peer::{Peer, base64};
use restante_test::real::Server;

use super::rfc2449::mechanisms;

fn two() -> Vec<Vec<u8>> {
    vec![numbered(1, 1), numbered(2, 5)]
}

/// Sends `message` of PLAIN behind the empty challenge; returns the peer and the reply.
fn plain(server: &Server, message: &[u8]) -> (Peer, String) {
    let mut peer = server.pop3s();
    peer.send(b"AUTH PLAIN\r\n");
    assert_eq!(peer.challenge(), b"");
    let reply = peer.command(&base64(message));
    (peer, reply)
}

fn refused(server: &Server, message: &[u8]) {
    let (mut peer, reply) = plain(server, message);
    assert!(reply.starts_with("-ERR"), "{:?}\n{}", message.escape_ascii().to_string(), peer.transcript());
    peer.err("STAT");
}

fn granted(server: &Server, message: &[u8], count: usize) {
    let (mut peer, reply) = plain(server, message);
    assert!(reply.starts_with("+OK"), "{:?}\n{}", message.escape_ascii().to_string(), peer.transcript());
    assert!(peer.ok("STAT").starts_with(&format!("+OK {count} ")));
    peer.ok("QUIT");
    peer.end();
}

#[test]
fn r4616_2_2_each_part_may_have_255_octets() {
    let (name, password) = ("n".repeat(255), "p".repeat(255));
    Case::new().account(&name, &password).run(move |server| {
        granted(server, format!("{name}\0{name}\0{password}").as_bytes(), 0);
    });
}

#[test]
fn r4616_2_3_there_are_exactly_two_nuls_and_nothing_is_empty() {
    Case::with_mail(two()).run(|server| {
        for message in [
            &b"alicesecret"[..],
            b"\0alicesecret",
            b"\0alice\0sec\0ret",
            b"\0\0secret",
            b"\0alice\0",
            b"",
            b"\0\0",
            b"\0alice\0secret\0",
        ] {
            refused(server, message);
        }
        granted(server, b"\0alice\0secret", 2);
    });
}

#[test]
fn r4616_2_4_what_prepares_to_nothing_is_refused() {
    Case::with_mail(two()).run(|server| {
        refused(server, "\0\u{AD}\0secret".as_bytes());
        refused(server, "\0alice\0\u{AD}".as_bytes());
        refused(server, "\0ali\u{7}ce\0secret".as_bytes());
    });
}

#[test]
fn r4616_2_5_nobody_acts_for_somebody_else() {
    Case::with_mail(two()).run(|server| {
        granted(server, b"\0alice\0secret", 2);
        granted(server, b"alice\0alice\0secret", 2);
        refused(server, b"alice\0bob\0secret");
        refused(server, b"bob\0alice\0secret");
        refused(server, b"nobody-here\0alice\0secret");
    });
}

#[test]
fn r4616_2_6_a_password_is_prepared_before_it_is_hashed() {
    // Stored as one letter, typed as a letter and a combining mark.
    Case::new()
        .account("carol", "r\u{E9}sum\u{E9}")
        .mail("carol", two())
        .dovecot_departs("it compares the octets as they come")
        .run(|server| {
            granted(server, "\0carol\0re\u{301}sume\u{301}".as_bytes(), 2);
            granted(server, "\0carol\0r\u{E9}sum\u{E9}".as_bytes(), 2);
            refused(server, b"\0carol\0resume");
        });
}

#[test]
fn r4616_5_1_plain_is_not_offered_without_protection() {
    Case::with_mail(two()).site(|setup| setup.plaintext = false).run(|server| {
        let mut peer = server.pop3();
        assert!(!mechanisms(&peer.list("CAPA")).contains(&"PLAIN".to_owned()));
        peer.err(&format!("AUTH PLAIN {}", base64(b"\0alice\0secret")));
        granted(server, b"\0alice\0secret", 2);
    });
}
