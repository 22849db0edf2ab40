//! RFC 8314: mail access over TLS.

use std::process::{Command, Stdio};

use restante_test::judge::Case;
use restante_test::mail::numbered;
use restante_test::peer::{Peer, base64};
use restante_test::real::program;
use restante_test::wait;

#[test]
fn r8314_3_1_1_on_pop3s_there_is_nothing_but_tls() {
    Case::with_mail(vec![numbered(1, 1)]).run(|server| {
        let mut peer = server.pop3s();
        peer.login("alice", "secret");
        peer.ok("QUIT");
        let mut peer = Peer::connect(server.pop3s_address());
        // No ClientHello, and long enough not to be taken for the beginning of one.
        let _ = peer.try_send(&b"USER alice\r\nPASS secret\r\nSTAT\r\n".repeat(20));
        let rest = peer.rest();
        assert!(!rest.windows(3).any(|octets| octets == b"+OK" || octets == b"-ER"), "{}", peer.transcript());
    });
}

#[test]
fn r8314_3_1_3_tls_is_no_login() {
    Case::with_mail(vec![numbered(1, 1)]).run(|server| {
        let mut peer = server.pop3s();
        for command in ["STAT", "RETR 1"] {
            peer.err(command);
        }
        peer.login("alice", "secret");
    });
}

#[test]
fn r8314_3_4_1_tls_is_closed_before_the_connection() {
    Case::new().run(|server| {
        for mut peer in [server.pop3s(), server.pop3_stls()] {
            peer.ok("QUIT");
            peer.end();
            assert!(peer.ended_cleanly(), "{}", peer.transcript());
        }
    });
}

#[test]
fn r8314_4_2_without_certificate_there_is_no_stls() {
    Case::new().site(|setup| setup.tls = false).run(|server| {
        let mut peer = server.pop3();
        assert!(!peer.list("CAPA").iter().any(|tag| tag == "STLS"), "{}", peer.transcript());
        peer.err("STLS");
        peer.login("alice", "secret");
    });
}

#[test]
fn r8314_4_3_tls_1_2_and_1_3_are_spoken() {
    Case::new().run(|server| {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let mut peer = Peer::connect(server.pop3s_address());
            peer.try_start_tls(&[version]).unwrap();
            peer.greeting();
            assert_eq!(peer.tls_version(), Some(version.version));
            peer.login("alice", "secret");
            peer.ok("QUIT");
        }
    });
}

#[test]
fn r8314_4_4_the_log_names_version_and_cipher_suite() {
    Case::new().dovecot_not_asked("what it logs is configured in another way").run(|server| {
        let mut peer = Peer::connect(server.pop3s_address());
        peer.try_start_tls(&[&rustls::version::TLS12]).unwrap();
        peer.greeting();
        peer.login("alice", "secret");
        peer.ok("QUIT");
        wait::until("the session's line in the log", || {
            server.log().lines().any(|line| {
                line.contains("event=session")
                    && line.contains("account=alice")
                    && line.contains("TLSv1_2")
                    && line.contains("TLS_ECDHE_ECDSA_WITH_")
            })
        });
    });
}

#[test]
fn r8314_4_1_1_without_tls_no_reply_depends_on_the_password() {
    Case::new().account("carol", "also right").site(|setup| setup.plaintext = false).run(|server| {
        let replies = |user: &str, password: &str| {
            let mut peer = server.pop3();
            let mut replies = vec![peer.command(&format!("USER {user}"))];
            replies.push(peer.command(&format!("PASS {password}")));
            let plain = base64(format!("\0{user}\0{password}").as_bytes());
            replies.push(peer.command(&format!("AUTH PLAIN {plain}")));
            assert!(replies.iter().all(|reply| reply.starts_with("-ERR")), "{}", peer.transcript());
            replies
        };
        let right = replies("alice", "secret");
        assert_eq!(replies("alice", "wrong"), right);
        assert_eq!(replies("nobody-of-this-name", "secret"), right);
        assert_eq!(replies("carol", "also right"), right);
    });
}

#[test]
fn r8314_4_2_1_no_client_certificate_is_asked_for() {
    Case::new().run(|server| {
        for version in ["-tls1_2", "-tls1_3"] {
            let output = Command::new(program("openssl", "openssl"))
                .args(["s_client", "-connect", &server.pop3s_address().to_string(), version])
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("No client certificate CA names sent"), "{text}");
            // What it prints when a certificate was asked for at all.
            assert!(!text.contains("Requested Signature Algorithms"), "{text}");
            assert!(!text.contains("Client Certificate Types"), "{text}");
        }
    });
}
