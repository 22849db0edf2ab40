//! RFC 2595: STLS, and what may be said in the clear.

use std::io::Write;

use restante_test::judge::Case;
use restante_test::mail::numbered;
use restante_test::peer::base64;

use super::rfc2449::{mechanisms, tags};

fn two() -> Vec<Vec<u8>> {
    vec![numbered(1, 1), numbered(2, 5)]
}

fn without_plaintext() -> Case {
    Case::with_mail(two()).site(|setup| setup.plaintext = false)
}

#[test]
fn r2595_2_2_1_no_login_before_encryption() {
    without_plaintext().run(|server| {
        let mut peer = server.pop3();
        if peer.command("USER alice").starts_with("+OK") {
            peer.err("PASS secret");
        }
        peer.err(&format!("AUTH PLAIN {}", base64(b"\0alice\0secret")));
        peer.ok("STLS");
        peer.start_tls();
        peer.login("alice", "secret");
        // When encryption ends, so does the connection.
        peer.close_notify();
        peer.end();
    });
}

#[test]
fn r2595_2_3_1_every_cleartext_login_can_be_refused() {
    without_plaintext().run(|server| {
        for command in ["AUTH PLAIN", "AUTH LOGIN"] {
            server.pop3().err(command);
        }
        server.pop3().err(&format!("AUTH PLAIN {}", base64(b"\0alice\0secret")));
        let mut peer = server.pop3();
        if peer.command("USER alice").starts_with("+OK") {
            peer.err("PASS secret");
        }
        peer.err("STAT");
    });
}

#[test]
fn r2595_2_5_1_a_failed_handshake_leaves_nothing_behind() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.pop3();
        peer.ok("STLS");
        // No ClientHello, and long enough not to be taken for the beginning of one.
        let _ = peer.try_send(&b"USER alice\r\nPASS secret\r\nSTAT\r\n".repeat(20));
        let rest = peer.rest();
        assert!(!rest.windows(3).any(|octets| octets == b"+OK" || octets == b"-ER"), "{}", peer.transcript());
    });
}

#[test]
fn r2595_4_1_stls_comes_with_capa() {
    Case::new().run(|server| {
        let mut peer = server.pop3();
        assert!(tags(&peer.list("CAPA")).contains("STLS"));
        peer.ok("STLS");
    });
}

#[test]
fn r2595_4_2_stls_is_announced_where_it_is_permitted() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.pop3();
        assert!(tags(&peer.list("CAPA")).contains("STLS"));
        peer.login("alice", "secret");
        assert!(!tags(&peer.list("CAPA")).contains("STLS"), "after login");
        assert!(!tags(&server.pop3_stls().list("CAPA")).contains("STLS"), "under TLS");
        assert!(!tags(&server.pop3s().list("CAPA")).contains("STLS"), "on the TLS port");
    });
    Case::new().site(|setup| setup.tls = false).run(|server| {
        assert!(!tags(&server.pop3().list("CAPA")).contains("STLS"), "without a certificate");
        server.pop3().err("STLS");
    });
}

#[test]
fn r2595_4_3_stls_is_for_authorization_only() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.login("alice");
        peer.err("STLS");
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
    });
}

#[test]
fn r2595_4_4_the_handshake_begins_behind_the_reply() {
    Case::with_mail(two()).run(|server| {
        for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13][..]] {
            let mut peer = server.pop3();
            peer.ok("STLS");
            peer.try_start_tls(versions).unwrap();
            // No second greeting: the next line answers the next command.
            assert!(peer.ok("USER alice").starts_with("+OK"));
            peer.ok("PASS secret");
            assert!(peer.ok("STAT").starts_with("+OK 2 "));
            peer.ok("QUIT");
            peer.end();
        }
    });
}

#[test]
fn r2595_4_6_plaintext_behind_stls_is_never_executed() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.pop3();
        peer.send(b"STLS\r\nUSER alice\r\nPASS secret\r\nSTAT\r\n");
        assert!(peer.status().starts_with("+OK"));
        // The handshake may fail, because the server takes the lines for a ClientHello. If it does not, they are gone.
        if peer.try_start_tls(rustls::ALL_VERSIONS).is_ok() {
            let reply = peer.command("NOOP");
            assert!(reply.starts_with("-ERR"), "not logged in by plaintext\n{}", peer.transcript());
            peer.login("alice", "secret");
            assert!(peer.ok("STAT").starts_with("+OK 2 "));
        }
    });
}

#[test]
fn r2595_4_6_what_was_known_before_tls_is_forgotten() {
    Case::with_mail(two()).dovecot_departs("it remembers the name given in the clear").run(|server| {
        let mut peer = server.pop3();
        peer.ok("USER alice");
        peer.ok("STLS");
        peer.start_tls();
        peer.err("PASS secret");
        peer.login("alice", "secret");
    });
}

#[test]
fn r2595_4_8_stls_under_tls_is_refused() {
    Case::with_mail(two()).run(|server| {
        for mut peer in [server.pop3_stls(), server.pop3s()] {
            peer.err("STLS");
            peer.login("alice", "secret");
            peer.ok("QUIT");
            peer.end();
        }
    });
}

#[test]
fn r2595_4_9_after_stls_nobody_is_logged_in() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.pop3_stls();
        peer.err("STAT");
        peer.login("alice", "secret");
    });
}

#[test]
fn r2595_4_13_capabilities_may_change_with_stls() {
    without_plaintext().run(|server| {
        let mut peer = server.pop3();
        let before = peer.list("CAPA");
        assert!(!tags(&before).contains("USER"));
        assert!(!mechanisms(&before).contains(&"PLAIN".to_owned()));
        peer.ok("STLS");
        peer.start_tls();
        let after = peer.list("CAPA");
        assert!(tags(&after).contains("USER"));
        assert!(mechanisms(&after).contains(&"PLAIN".to_owned()));
    });
}

#[test]
fn r2595_9_2_weak_mechanisms_can_be_switched_off() {
    Case::with_mail(two()).site(|setup| setup.mechanisms = Some(vec!["plain"])).run(|server| {
        let mut peer = server.pop3s();
        assert_eq!(mechanisms(&peer.list("CAPA")), ["PLAIN"]);
        peer.err("AUTH LOGIN");
        peer.ok(&format!("AUTH PLAIN {}", base64(b"\0alice\0secret")));
        // And old versions of TLS are no longer there at all.
        let mut peer = server.pop3();
        peer.ok("STLS");
        let mut raw = peer.second_handle();
        raw.write_all(&client_hello_of_tls_1_0()).unwrap();
        let answer = peer.rest();
        assert!(!answer.starts_with(&[0x16]), "a ServerHello for TLS 1.0: {answer:?}");
    });
}

/// A ClientHello that knows TLS 1.0 and its suites only.
fn client_hello_of_tls_1_0() -> Vec<u8> {
    let mut hello = vec![3, 1];
    hello.extend([7; 32]);
    hello.push(0);
    let suites: [u16; 4] = [0xC009, 0xC013, 0x002F, 0x000A];
    hello.extend(u16::try_from(suites.len() * 2).unwrap().to_be_bytes());
    hello.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    hello.extend([1, 0]);
    let mut handshake = vec![1, 0];
    handshake.extend(u16::try_from(hello.len()).unwrap().to_be_bytes());
    handshake.extend(hello);
    let mut record = vec![0x16, 3, 1];
    record.extend(u16::try_from(handshake.len()).unwrap().to_be_bytes());
    record.extend(handshake);
    record
}
