//! RFC 1870: SIZE.

use restante_test::judge::Case;
use restante_test::mail::{canonical, dotted, sized};

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
