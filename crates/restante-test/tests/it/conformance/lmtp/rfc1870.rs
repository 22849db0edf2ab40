//! RFC 1870: SIZE.

use restante_test::judge::Case;
use restante_test::mail::{canonical, dotted, sized};

use restante_test::peer::{Peer, Reply};
use restante_test::real::Server;

use super::{data, transaction, without_trace};

/// The smallest that the configuration takes, since RFC 5321 promises 64 KiB.
const LIMIT: usize = 65_536;

fn limited() -> Case {
    Case::new()
        .site(|setup| setup.message_octets_max = Some(LIMIT as u64))
        .dovecot_not_asked("it does not offer SIZE")
}

/// A canonical message of exactly `octets`, full of lines that begin with dots.
fn dots(octets: usize) -> Vec<u8> {
    let mut message = b"Subject: dots\r\n\r\n".to_vec();
    while message.len() + 6 < octets {
        message.extend_from_slice(b".\r\n");
    }
    let left = octets - message.len() - 2;
    message.extend(std::iter::repeat_n(b'.', left));
    message.extend_from_slice(b"\r\n");
    assert_eq!(message.len(), octets);
    message
}

#[test]
fn r1870_3_1_size_is_announced_with_its_limit() {
    limited().run(|server| {
        let reply = server.lmtp_fresh().ask("LHLO judge.example.org");
        assert!(reply.lines.contains(&format!("SIZE {LIMIT}")), "{reply:?}");
    });
}

#[test]
fn r1870_6_1_1_a_size_above_the_limit_is_refused_at_once() {
    limited().run(|server| {
        let mut peer = server.lmtp();
        let reply = peer.ask(&format!("MAIL FROM:<sender@example.org> SIZE={}", LIMIT + 1));
        assert_eq!(reply.code, 552, "{reply:?}");
        assert!(reply.lines[0].starts_with("5.3.4 "), "{reply:?}");
        assert_eq!(peer.code(&format!("MAIL FROM:<sender@example.org> SIZE={LIMIT}")), 250);
        for size in ["", "x", "-1", "99999999999999999999999"] {
            let mut peer = server.lmtp();
            let code = peer.code(&format!("MAIL FROM:<sender@example.org> SIZE={size}"));
            assert!((500..600).contains(&code), "SIZE={size}: {code}");
        }
    });
}

#[test]
fn r1870_6_1_the_size_given_does_not_end_the_data() {
    Case::new().dovecot_not_asked("it does not offer SIZE").run(|server| {
        let message = canonical(&sized(1000));
        let mut peer = server.lmtp();
        assert_eq!(peer.code("MAIL FROM:<sender@example.org> SIZE=10"), 250);
        assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
        assert_eq!(data(&mut peer, &dotted(&message), 1)[0].code, 250);
        assert_eq!(peer.code("QUIT"), 221);
        assert_eq!(without_trace(&server.retrieve_all("alice")[0], &message), message);
    });
}

#[test]
fn r1870_5_1_stuffing_and_the_final_dot_do_not_count() {
    limited().run(|server| {
        let exact = dots(LIMIT);
        let mut peer = transaction(server, &["alice"]);
        assert_eq!(data(&mut peer, &dotted(&exact), 1)[0].code, 250);
        assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250);
        assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
        assert_eq!(peer.code("RCPT TO:<bob@example.org>"), 250);
        for reply in data(&mut peer, &dotted(&dots(LIMIT + 1)), 2) {
            assert_eq!(reply.code, 552, "{reply:?}");
            assert!(reply.lines[0].starts_with("5.3.4 "), "{reply:?}");
        }
        assert_eq!(peer.code("QUIT"), 221);
        let messages = server.retrieve_all("alice");
        assert_eq!(messages.len(), 1);
        assert!(messages[0].ends_with(&exact));
        assert!(server.retrieve_all("bob").is_empty());
        assert!(server.site().unfinished("alice").is_empty());
    });
}

const NOT_ASKED: &str = "its quotas are configured in another way";

/// alice and bob may have 3,000 octets each, carol 3,000 octets by her own line and dora as many as she likes.
fn quota(over: &str) -> Case {
    Case::new()
        .site(|setup| {
            for (name, rule) in [("carol", "*:bytes=3000"), ("dora", "*:storage=0:messages=0")] {
                setup.accounts.push((name.to_owned(), "secret".to_owned()));
                setup.extra_fields.push((name.to_owned(), format!("userdb_quota_rule={rule}")));
            }
        })
        .restante("quota", "octets = \"3 kB\"")
        .restante("quota", "messages = 10")
        .restante("quota", &format!("over = \"{over}\""))
        .dovecot_not_asked(NOT_ASKED)
}

/// The reply to RCPT for an account, of a message of so many octets.
fn rcpt(server: &Server, account: &str, size: usize) -> Reply {
    let mut peer = server.lmtp();
    assert_eq!(peer.code(&format!("MAIL FROM:<sender@example.org> SIZE={size}")), 250);
    let reply = peer.ask(&format!("RCPT TO:<{account}@example.org>"));
    assert_eq!(peer.code("QUIT"), 221);
    reply
}

fn is(reply: &Reply, code: u16, enhanced: &str) {
    assert!(reply.code == code && reply.lines[0].starts_with(enhanced), "{reply:?}");
}

/// The replies to one message of 1,000 octets for these accounts, without a word about its size.
fn send(peer: &mut Peer, accounts: &[&str]) -> Vec<Reply> {
    assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250);
    for account in accounts {
        assert_eq!(peer.code(&format!("RCPT TO:<{account}@example.org>")), 250);
    }
    data(peer, &dotted(&canonical(&sized(1000))), accounts.len())
}

#[test]
fn r1870_6_4_1_a_recipient_over_quota_is_refused_at_rcpt() {
    for (over, code, enhanced) in [("later", 452, "4.2.2 "), ("refuse", 552, "5.2.2 ")] {
        quota(over).run(|server| {
            is(&rcpt(server, "alice", 4000), code, enhanced);
            is(&rcpt(server, "carol", 4000), code, enhanced);
            is(&rcpt(server, "dora", 4000), 250, "2.1.5 ");
            is(&rcpt(server, "alice", 1000), 250, "2.1.5 ");
            // Whose maildrop is full is told so whatever the size of the message.
            let mut peer = server.lmtp();
            for _ in 0..2 {
                is(&send(&mut peer, &["alice"])[0], 250, "2.0.0 ");
            }
            // Another program fills it up; the next login finds that out.
            server.site().drop_message("alice", &sized(2000));
            let mut owner = server.login("alice");
            owner.ok("QUIT");
            owner.end();
            is(&rcpt(server, "alice", 0), code, enhanced);
            // Another program makes room, and nobody is told of it.
            for file in server.site().files("alice") {
                std::fs::remove_file(file).unwrap();
            }
            is(&rcpt(server, "alice", 1000), 250, "2.1.5 ");
        });
    }
}

#[test]
fn r1870_6_4_1_a_message_that_does_not_fit_is_refused_for_its_recipient_alone() {
    for (over, code, enhanced) in [("later", 452, "4.2.2 "), ("refuse", 552, "5.2.2 ")] {
        quota(over).run(|server| {
            let mut peer = server.lmtp();
            for _ in 0..2 {
                let replies = send(&mut peer, &["alice", "carol", "dora"]);
                assert!(replies.iter().all(|reply| reply.code == 250), "{replies:?}");
            }
            let replies = send(&mut peer, &["alice", "bob", "carol", "dora"]);
            is(&replies[0], code, enhanced);
            is(&replies[1], 250, "2.0.0 ");
            is(&replies[2], code, enhanced);
            is(&replies[3], 250, "2.0.0 ");
            assert_eq!(
                ["alice", "bob", "carol", "dora"].map(|name| server.site().files(name).len()),
                [2, 1, 2, 3]
            );
            assert!(server.site().unfinished("alice").is_empty());
            // What the owner removes makes room at once.
            let mut owner = server.login("alice");
            owner.ok("DELE 1");
            owner.ok("QUIT");
            owner.end();
            is(&send(&mut peer, &["alice"])[0], 250, "2.0.0 ");
            is(&send(&mut peer, &["alice"])[0], code, enhanced);
        });
    }
}

#[test]
fn r1870_6_4_1_a_login_makes_the_total_agree() {
    quota("later").run(|server| {
        let message = sized(700);
        server.site().drop_message("alice", &message);
        let total = || std::fs::read_to_string(server.site().maildrop("alice").join("maildirsize")).unwrap();
        let mut peer = server.login("alice");
        peer.ok("QUIT");
        peer.end();
        assert_eq!(total(), format!("3000S,10C\n{} 1\n", message.len()));
        for file in server.site().files("alice") {
            std::fs::remove_file(file).unwrap();
        }
        let mut peer = server.login("alice");
        peer.ok("QUIT");
        peer.end();
        assert_eq!(total(), "3000S,10C\n0 0\n");
        // Nobody counts for dora.
        let mut peer = server.login("dora");
        peer.ok("QUIT");
        peer.end();
        assert!(!server.site().maildrop("dora").join("maildirsize").exists());
    });
}
