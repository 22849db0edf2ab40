//! RFC 5034 (AUTH), RFC 1734 before it, and the LOGIN mechanism.

use restante_test::judge::Case;
use restante_test::mail::numbered;
use restante_test::peer::{Peer, base64};
use restante_test::real::Server;

use super::rfc2449::{mechanisms, tags};

fn two() -> Vec<Vec<u8>> {
    vec![numbered(1, 1), numbered(2, 5)]
}

/// A session of alice in TRANSACTION by AUTH PLAIN under TLS.
fn plain(server: &Server) -> Peer {
    let mut peer = server.pop3s();
    peer.ok(&format!("AUTH PLAIN {}", base64(b"\0alice\0secret")));
    peer
}

#[test]
fn r5034_3_1_the_mechanisms_are_listed() {
    Case::new().run(|server| {
        let mechanisms = mechanisms(&server.pop3s().list("CAPA"));
        assert!(mechanisms.contains(&"PLAIN".to_owned()));
        let is_name = |name: &String| {
            name.bytes().all(|octet| matches!(octet, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_'))
        };
        assert!(mechanisms.iter().all(|name| is_name(name) && name.len() <= 20), "{mechanisms:?}");
    });
}

#[test]
fn r5034_3_4_the_list_may_change_with_stls() {
    Case::new().site(|setup| setup.plaintext = false).run(|server| {
        assert!(!mechanisms(&server.pop3().list("CAPA")).contains(&"PLAIN".to_owned()));
        assert!(mechanisms(&server.pop3_stls().list("CAPA")).contains(&"PLAIN".to_owned()));
    });
}

#[test]
fn r5034_3_5_sasl_stays_in_the_list_after_login() {
    Case::new().dovecot_departs("SASL disappears after login").run(|server| {
        let mut peer = plain(server);
        assert!(tags(&peer.list("CAPA")).contains("SASL"));
        assert!(mechanisms(&peer.list("CAPA")).contains(&"PLAIN".to_owned()));
    });
}

#[test]
fn r5034_4_1_an_initial_response_is_base64_or_an_equals_sign() {
    Case::with_mail(two()).run(|server| {
        assert!(plain(server).ok("STAT").starts_with("+OK 2 "));
        // An empty response is none that PLAIN could accept, but it is a response: no challenge comes.
        server.pop3s().err("AUTH PLAIN =");
    });
}

#[test]
fn r5034_4_2_there_is_one_successful_auth() {
    Case::with_mail(two()).run(|server| {
        let mut peer = plain(server);
        peer.err(&format!("AUTH PLAIN {}", base64(b"\0bob\0secret")));
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
    });
}

#[test]
fn r5034_4_3_auth_is_for_authorization_only() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.login("alice");
        peer.err("AUTH PLAIN");
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
    });
}

#[test]
fn r5034_4_4_an_unknown_mechanism_is_refused() {
    Case::new().run(|server| {
        let mut peer = server.pop3s();
        peer.err("AUTH NOSUCH");
        peer.err(&format!("AUTH NOSUCH {}", base64(b"x")));
        peer.login("alice", "secret");
    });
}

#[test]
fn r5034_4_5_a_challenge_is_a_plus_a_space_and_base64() {
    Case::new().run(|server| {
        // `challenge` accepts nothing else.
        let mut peer = server.pop3s();
        peer.send(b"AUTH PLAIN\r\n");
        peer.challenge();
        peer.err("*");
        peer.send(b"AUTH LOGIN\r\n");
        peer.challenge();
        peer.send(format!("{}\r\n", base64(b"alice")).as_bytes());
        peer.challenge();
        peer.err("*");
    });
}

#[test]
fn r5034_4_6_the_empty_challenge_keeps_its_space() {
    Case::new().run(|server| {
        let mut peer = server.pop3s();
        peer.send(b"AUTH PLAIN\r\n");
        assert_eq!(peer.line(), b"+ ");
    });
}

#[test]
fn r5034_4_8_a_star_cancels() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.pop3s();
        peer.send(b"AUTH PLAIN\r\n");
        peer.challenge();
        peer.err("*");
        peer.login("alice", "secret");
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
    });
}

#[test]
fn r5034_4_12_what_is_not_base64_is_refused() {
    Case::new().run(|server| {
        for response in ["!!!!", "AAA", "AA A=", "\u{e4}\u{e4}"] {
            let mut peer = server.pop3s();
            peer.send(b"AUTH PLAIN\r\n");
            peer.challenge();
            peer.err(response);
            peer.login("alice", "secret");
            peer.ok("QUIT");
            peer.end();
        }
    });
}

#[test]
fn r5034_4_13_strange_characters_are_not_skipped() {
    let right = base64(b"\0alice\0secret");
    assert_eq!(right, "AGFsaWNlAHNlY3JldA==");
    let wrong = [
        "=AGFsaWNlAHNlY3JldA==",
        "AGFsaWNl-AHNlY3JldA==",
        "AGFsaWNlAHNlY3JldA==x",
        "AGF=aWNlAHNlY3JldA==",
        "AGFsaWNlAHNlY3JldA===",
        "AGFsaWNlAHNlY3JldA",
    ];
    Case::new().run(move |server| {
        for response in wrong {
            let mut peer = server.pop3s();
            peer.err(&format!("AUTH PLAIN {response}"));
            let mut peer = server.pop3s();
            peer.send(b"AUTH PLAIN\r\n");
            peer.challenge();
            peer.err(response);
            peer.err("STAT");
        }
    });
}

#[test]
fn r5034_4_13_a_space_in_base64_is_not_skipped() {
    Case::new().dovecot_departs("it skips white space in an initial response").run(|server| {
        server.pop3s().err("AUTH PLAIN AGFsaWNl AHNlY3JldA==");
    });
}

#[test]
fn r5034_4_15_responses_may_be_as_long_as_the_mechanism_makes_them() {
    let password = "p".repeat(255);
    Case::new().account("carol", &password).mail("carol", two()).run(move |server| {
        let mut peer = server.pop3s();
        peer.send(b"AUTH PLAIN\r\n");
        peer.challenge();
        peer.ok(&base64(format!("carol\0carol\0{password}").as_bytes()));
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
        // The largest there is: refused for what it says, not for its length.
        let mut peer = server.pop3s();
        peer.send(b"AUTH PLAIN\r\n");
        peer.challenge();
        let part = "x".repeat(255);
        let reply = peer.err(&base64(format!("{part}\0{part}\0{part}").as_bytes()));
        assert!(reply.starts_with("-ERR [AUTH]"), "{reply:?}");
        peer.login("alice", "secret");
    });
}

#[test]
fn r5034_4_16_auth_decides() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.pop3s();
        peer.err(&format!("AUTH PLAIN {}", base64(b"\0alice\0wrong")));
        peer.err("STAT");
        peer.ok(&format!("AUTH PLAIN {}", base64(b"\0alice\0secret")));
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
    });
}

#[test]
fn r5034_4_17_names_are_prepared_before_they_are_compared() {
    // Full-width letters, and a soft hyphen that maps to nothing.
    Case::with_mail(two()).dovecot_departs("it compares the octets as they come").run(|server| {
        for name in ["\u{FF41}lice", "al\u{AD}ice"] {
            let mut peer = server.pop3s();
            peer.ok(&format!("AUTH PLAIN {}", base64(format!("{name}\0alice\0secret").as_bytes())));
            assert!(peer.ok("STAT").starts_with("+OK 2 "));
            peer.ok("QUIT");
            peer.end();
        }
    });
}

#[test]
fn r5034_4_18_a_name_that_prepares_to_nothing_is_refused() {
    Case::with_mail(two()).run(|server| {
        for authorization in ["\u{AD}", "\u{AD}\u{AD}", "\u{7}"] {
            let mut peer = server.pop3s();
            peer.err(&format!("AUTH PLAIN {}", base64(format!("{authorization}\0alice\0secret").as_bytes())));
        }
    });
}

#[test]
fn r5034_4_24_a_failed_auth_leaves_no_trace() {
    Case::with_mail(two()).run(|server| {
        let failed = || {
            let mut peer = server.pop3();
            peer.err(&format!("AUTH PLAIN {}", base64(b"\0alice\0wrong")));
            peer
        };
        let mut peer = failed();
        peer.login("alice", "secret");
        peer.ok("QUIT");
        peer.end();
        let mut peer = failed();
        peer.ok(&format!("AUTH PLAIN {}", base64(b"\0alice\0secret")));
        peer.ok("QUIT");
        peer.end();
        let mut peer = failed();
        peer.ok("STLS");
        peer.start_tls();
        peer.login("alice", "secret");
    });
}

#[test]
fn r5034_4_25_plain_works_under_tls() {
    Case::with_mail(two()).run(|server| {
        for mut peer in [server.pop3s(), server.pop3_stls()] {
            peer.ok(&format!("AUTH PLAIN {}", base64(b"\0alice\0secret")));
            assert!(peer.ok("STAT").starts_with("+OK 2 "));
            peer.ok("QUIT");
            peer.end();
        }
    });
}

#[test]
fn r5034_4_26_plaintext_can_be_forbidden() {
    Case::with_mail(two()).site(|setup| setup.plaintext = false).run(|server| {
        let mut peer = server.pop3();
        let capabilities = peer.list("CAPA");
        assert!(!tags(&capabilities).contains("USER"));
        assert!(!mechanisms(&capabilities).iter().any(|name| name == "PLAIN" || name == "LOGIN"));
        peer.err("AUTH PLAIN");
        peer.err("AUTH LOGIN");
        let mut peer = server.pop3();
        if peer.command("USER alice").starts_with("+OK") {
            peer.err("PASS secret");
        }
    });
}

#[test]
fn r5034_4_27_plaintext_is_forbidden_by_default() {
    use restante_test::real::{Kind, program, restante};
    Case::new().run(|server| {
        let shown = match server.kind() {
            Kind::Dovecot => {
                let doveconf = program("doveconf", "dovecot-core");
                std::process::Command::new(doveconf).args(["-d", "disable_plaintext_auth"]).output()
            }
            Kind::Restante => {
                let file = server.site().path().join("nothing.toml");
                std::fs::write(&file, "[[auth.source]]\npath = \"users\"\n").unwrap();
                std::process::Command::new(restante::binary())
                    .args(["config", "show", "--config"])
                    .arg(file)
                    .output()
            }
        };
        let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
        // Dovecot means the same by its "yes": only the machine itself may do it.
        let wanted = [
            "disable_plaintext_auth = yes",
            "plaintext_without_tls = \"loopback\"",
            "plaintext_without_tls = \"never\"",
        ];
        assert!(wanted.iter().any(|wanted| shown.contains(wanted)), "{shown}");
    });
}

#[test]
fn r5034_5_1_names_have_no_case_but_base64_has() {
    Case::with_mail(two()).run(|server| {
        let right = base64(b"\0alice\0secret");
        let mut peer = server.pop3s();
        peer.err(&format!("auth plain {}", right.to_lowercase()));
        peer.ok(&format!("aUtH pLaIn {right}"));
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
    });
}

#[test]
fn r1734_2_1_a_challenge_can_be_cancelled() {
    Case::new().run(|server| {
        let mut peer = server.pop3s();
        peer.send(b"AUTH LOGIN\r\n");
        peer.challenge();
        peer.err("*");
        peer.err("STAT");
        peer.login("alice", "secret");
    });
}

#[test]
fn r1734_3_1_auth_and_mechanisms_have_no_case() {
    Case::new().run(|server| {
        for command in ["auth login", "AUTH Login", "Auth LOGIN", "auth plain"] {
            let mut peer = server.pop3s();
            peer.send(format!("{command}\r\n").as_bytes());
            peer.challenge();
        }
    });
}

#[test]
fn r1734_2_2_an_unsupported_mechanism_is_refused() {
    Case::new().run(|server| {
        server.pop3s().err("AUTH FOOBAR");
        server.pop3s().err("AUTH KERBEROS_V4");
    });
}

#[test]
fn login_2_2_1_the_prompts_are_those_that_clients_know() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.pop3s();
        peer.send(b"AUTH LOGIN\r\n");
        assert_eq!(peer.line(), b"+ VXNlcm5hbWU6");
        peer.send(format!("{}\r\n", base64(b"alice")).as_bytes());
        assert_eq!(peer.line(), b"+ UGFzc3dvcmQ6");
        peer.ok(&base64(b"secret"));
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
    });
}

#[test]
fn login_1_2_login_is_not_offered_where_plain_is_forbidden() {
    Case::with_mail(two()).site(|setup| setup.plaintext = false).run(|server| {
        let mut peer = server.pop3();
        assert!(!mechanisms(&peer.list("CAPA")).contains(&"LOGIN".to_owned()));
        peer.err("AUTH LOGIN");
    });
}

#[test]
fn login_2_1_a_name_may_come_with_the_command() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.pop3s();
        peer.send(format!("AUTH LOGIN {}\r\n", base64(b"alice")).as_bytes());
        assert_eq!(peer.line(), b"+ UGFzc3dvcmQ6");
        peer.ok(&base64(b"secret"));
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
    });
}
