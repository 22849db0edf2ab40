//! RFC 6856: UTF8 and LANG; with RFC 6857 what a client sees that did not ask for UTF8.

use md5::{Digest, Md5};
use restante_test::judge::Case;
use restante_test::mail::{canonical, numbered};
use restante_test::peer::{Peer, base64};
use restante_test::real::Server;

use super::rfc1939::apop::timestamp;

/// As it lies on disk. Header, name and address are UTF-8, and so is the body.
const EAI: &str = "Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\n\
    From: Jörg <jörg@bücher.example>\nTo: alice@bücher.example\nSubject: Grüße\n\
    DKIM-Signature: v=1; d=example; b=abc\nMIME-Version: 1.0\n\
    Content-Type: multipart/mixed; boundary=b\n\n--b\n\
    Content-Disposition: attachment; filename=\"Grüße.txt\"\nContent-Transfer-Encoding: 8bit\n\n.Grüße\n--b--\n";

fn mixed() -> Vec<Vec<u8>> {
    vec![numbered(1, 3), EAI.into(), "Subject: plain\n\nGrüße\n".into(), numbered(4, 1)]
}

fn case() -> Case {
    Case::with_mail(mixed()).dovecot_not_asked("its POP3 knows neither UTF8 nor LANG")
}

fn utf8(server: &Server) -> Peer {
    let mut peer = server.pop3();
    peer.ok("UTF8");
    peer.login("alice", "secret");
    peer
}

/// All fields of all headers in the message, as this test's message has them.
fn headers(message: &[u8]) -> &[u8] {
    let end = message.windows(7).position(|octets| octets == b"\r\n\r\n..G" || octets == b"\r\n\r\n.Gr");
    &message[..end.unwrap_or(message.len())]
}

#[test]
fn r6856_2_1_3_utf8_changes_nothing_for_ascii() {
    let ascii = vec![numbered(1, 3), b"Subject: a\n\n.b\n".to_vec()];
    let case = Case::with_mail(ascii).dovecot_not_asked("its POP3 knows no UTF8");
    case.run(|server| {
        let ask = |mut peer: Peer| {
            let listings = [peer.list("LIST"), peer.list("UIDL")];
            let messages = ["RETR 1", "RETR 2", "TOP 1 1"].map(|command| peer.message(command));
            peer.ok("QUIT");
            peer.end();
            (listings, messages)
        };
        let without = ask(server.login("alice"));
        assert_eq!(ask(utf8(server)), without);
    });
}

#[test]
fn r6856_2_1_4_in_utf8_mode_messages_are_sent_as_they_are() {
    case().run(|server| {
        let mut peer = utf8(server);
        for (number, stored) in (1..).zip(mixed()) {
            assert_eq!(peer.message(&format!("RETR {number}")), canonical(&stored));
        }
        // The header of the message, and the one line of the body that begins its first part.
        let top = peer.message("TOP 2 1");
        assert!(canonical(EAI.as_bytes()).starts_with(&top) && top.ends_with(b"\r\n\r\n--b\r\n"));
    });
}

#[test]
fn r6856_2_1_6_without_utf8_nothing_outside_ascii_is_sent_as_is() {
    case().run(|server| {
        let mut peer = server.pop3();
        peer.ok("LANG fr");
        peer.login("alice", "secret");
        for command in ["RETR 2", "TOP 2 0", "TOP 2 3"] {
            let message = peer.message(command);
            assert!(headers(&message).is_ascii(), "{}", message.escape_ascii());
        }
        for command in ["NOOP", "RETR 9", "DELE 1", "LIST 1", "LANG", "STAT"] {
            assert!(peer.command(command).is_ascii(), "{}", peer.transcript());
            if command == "LANG" {
                assert!(peer.lines().concat().is_ascii());
            }
        }
    });
}

#[test]
fn r6856_2_1_7_without_utf8_a_surrogate_is_sent() {
    case().run(|server| {
        let message = server.login("alice").message("RETR 2");
        let expected = EAI
            .replace(
                "From: Jörg <jörg@bücher.example>",
                "From: =?UTF-8?Q?J=C3=B6rg?= =?UTF-8?Q?j=C3=B6rg=40b=C3=BCcher=2Eexample?= :;",
            )
            .replace("alice@bücher.example", "alice@xn--bcher-kva.example")
            .replace("Subject: Grüße", "Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=")
            .replace("filename=\"Grüße.txt\"", "filename*=UTF-8''Gr%C3%BC%C3%9Fe.txt");
        let message = String::from_utf8(message).unwrap();
        let unfolded = |text: &str| text.replace("?=\r\n =?", "?= =?");
        assert_eq!(unfolded(&message), String::from_utf8(canonical(expected.as_bytes())).unwrap());
    });
}

#[test]
fn r6856_5_1_needing_utf8_can_be_the_answer() {
    case().restante("pop3", "surrogates = \"refuse\"").run(|server| {
        let mut peer = server.login("alice");
        for command in ["RETR 2", "TOP 2 0"] {
            assert!(peer.err(command).starts_with("-ERR [UTF8] "), "{}", peer.transcript());
        }
        // The session goes on, and whoever asks for UTF8 gets it.
        assert_eq!(peer.message("RETR 3"), canonical("Subject: plain\n\nGrüße\n".as_bytes()));
        peer.ok("QUIT");
        peer.end();
        assert_eq!(utf8(server).message("RETR 2"), canonical(EAI.as_bytes()));
    });
}

#[test]
fn r6856_2_1_4_as_stored_is_as_stored() {
    case().restante("pop3", "surrogates = \"as-stored\"").run(|server| {
        let mut peer = server.login("alice");
        assert_eq!(peer.message("RETR 2"), canonical(EAI.as_bytes()));
        assert_eq!(peer.ok("LIST 2"), format!("+OK 2 {}", canonical(EAI.as_bytes()).len()));
    });
}

#[test]
fn r6856_2_1_8_no_binary() {
    case().run(|server| {
        let mut peer = server.lmtp_fresh();
        let offered = peer.ask("LHLO peer");
        assert!(!offered.lines.contains(&"BINARYMIME".to_owned()), "{offered:?}");
        assert!(peer.code("MAIL FROM:<> BODY=BINARYMIME") >= 500);
    });
}

/// What LIST says of a message, and what RETR then sends.
fn sizes(mut peer: Peer) -> Vec<(String, String)> {
    let listing = peer.list("LIST");
    let sent = (1..=listing.len()).map(|number| {
        let octets = peer.message(&format!("RETR {number}")).len();
        format!("{number} {octets}")
    });
    let sent: Vec<String> = sent.collect();
    let stat = peer.ok("STAT");
    let sum: usize =
        sent.iter().map(|line| line.split(' ').next_back().unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!(stat, format!("+OK {} {sum}", listing.len()));
    peer.ok("QUIT");
    peer.end();
    listing.into_iter().zip(sent).collect()
}

#[test]
fn r6856_2_1_9_the_listed_octets_are_those_sent() {
    case().run(|server| {
        // Once more, from what the index remembers; and as a message that came by LMTP.
        for _ in 0..2 {
            let (without, with) = (sizes(server.login("alice")), sizes(utf8(server)));
            assert!(without.iter().chain(&with).all(|(listed, sent)| listed == sent), "{without:?} {with:?}");
            let differing = without.iter().zip(&with).filter(|(one, other)| one != other).count();
            assert_eq!(differing, if without.len() == 4 { 1 } else { 2 });
            if without.len() == 4 {
                server.deliver(&["alice"], &canonical(EAI.as_bytes()));
            }
        }
    });
}

#[test]
fn r6856_2_1_10_stat_is_exact_too() {
    case().run(|server| {
        assert_eq!(sizes(server.login("alice")).len(), 4);
        assert_eq!(sizes(utf8(server)).len(), 4);
    });
}

#[test]
fn r6856_2_1_13_a_client_that_knows_nothing_of_utf8_is_served() {
    case().run(|server| {
        let mut peer = server.login("alice");
        for number in 1..=4 {
            let message = peer.message(&format!("RETR {number}"));
            assert!(headers(&message).is_ascii() || number == 3, "{}", message.escape_ascii());
            peer.ok(&format!("DELE {number}"));
        }
        peer.ok("QUIT");
        peer.end();
        assert_eq!(server.site().files("alice").len(), 0);
    });
}

#[test]
fn r6856_4_1_what_a_legacy_client_gets_is_a_message_of_rfc_5322() {
    case().run(|server| {
        let message = server.login("alice").message("RETR 2");
        let text = String::from_utf8(message).unwrap();
        let (header, _) = text.split_once("\r\n\r\n").unwrap();
        for line in header.split("\r\n") {
            assert!(line.is_ascii() && line.len() <= 998 && !line.contains(['\r', '\n']), "{line}");
            let is_field = line
                .split_once(':')
                .is_some_and(|(name, _)| name.bytes().all(|octet| octet.is_ascii_graphic()));
            assert!(is_field || line.starts_with([' ', '\t']), "{line}");
        }
        // The UTF-8 that the body holds is that of 8BITMIME.
        assert!(text.contains("\r\n\r\n.Grüße\r\n"));
    });
}

#[test]
fn r6858_5_1_signatures_are_kept_although_invalid() {
    case().run(|server| {
        let message = server.login("alice").message("TOP 2 0");
        assert!(
            String::from_utf8(message).unwrap().contains("\r\nDKIM-Signature: v=1; d=example; b=abc\r\n")
        );
    });
}

fn accounts() -> Case {
    Case::new()
        .site(|setup| setup.apop = true)
        .account("jürgen", "größe")
        .account("ix", "\u{AA}")
        .account("ab", "ab")
        .account("new", "key \u{1F511}")
        .dovecot_not_asked("it knows no SASLprep")
}

#[test]
fn r6856_2_2_2_saslprep_is_applied_to_user_and_pass() {
    accounts().run(|server| {
        for (user, password) in [
            ("jürgen", "größe"),
            ("ju\u{308}rgen", "gro\u{308}ße"),
            ("\u{2168}", "\u{AA}"),
            ("ab", "\u{AA}b"),
            ("i\u{AD}x", "\u{AA}"),
        ] {
            let mut peer = server.pop3();
            peer.login(user, password);
            peer.ok("QUIT");
            peer.end();
        }
        let mut peer = server.pop3();
        peer.ok("USER jurgen");
        peer.err("PASS größe");
    });
}

fn apop(server: &Server, user: &str, secret: &str) -> String {
    let mut peer = Peer::connect(server.pop3_address());
    let greeting = peer.greeting();
    let digest = Md5::digest(format!("{}{secret}", timestamp(&greeting)).as_bytes());
    let digest: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
    peer.command(&format!("APOP {user} {digest}"))
}

#[test]
fn r6856_2_2_3_apop_takes_the_prepared_password() {
    accounts().run(|server| {
        assert!(apop(server, "\u{2168}", "a").starts_with("+OK"));
        assert!(apop(server, "ju\u{308}rgen", "größe").starts_with("+OK"));
        assert!(apop(server, "ix", "b").starts_with("-ERR [AUTH]"));
    });
}

#[test]
fn r6856_2_2_4_prohibited_characters_are_rejected() {
    accounts().account("odd", "a\u{E000}b").run(|server| {
        for name in ["\u{FFF9}", "ali\u{E000}ce", "alice\u{200E}"] {
            let mut peer = server.pop3();
            peer.command(&format!("USER {name}"));
            peer.err("PASS secret");
        }
        let mut peer = server.pop3();
        peer.err("USER a\u{7}");
        // Even where it is what is stored.
        let mut peer = server.pop3();
        peer.ok("USER odd");
        assert!(peer.err("PASS a\u{E000}b").starts_with("-ERR [AUTH]"));
        assert!(apop(server, "odd", "a\u{E000}b").starts_with("-ERR [AUTH]"));
    });
}

#[test]
fn r6856_2_2_5_what_is_unassigned_may_be_asked_with_but_not_stored() {
    accounts().run(|server| {
        server.pop3().login("new", "key \u{1F511}");
        assert!(apop(server, "new", "key \u{1F511}").starts_with("-ERR [AUTH]"));
    });
}

#[test]
fn r6856_2_2_9_auth_has_rules_of_its_own() {
    accounts().restante("pop3", "utf8 = false").run(|server| {
        let mut peer = server.pop3();
        assert!(!peer.list("CAPA").iter().any(|line| line.starts_with("UTF8")));
        peer.ok(&format!("AUTH PLAIN {}", base64("\0jürgen\0größe".as_bytes())));
    });
}

#[test]
fn r6856_3_1_1_lang_is_there_in_both_states() {
    case().restante("pop3", "language = \"nl\"").run(|server| {
        let mut peer = server.pop3();
        assert!(peer.list("CAPA").contains(&"LANG".to_owned()));
        assert_eq!(peer.ok("LANG *"), "+OK nl Taal gewijzigd");
        peer.login("alice", "secret");
        assert!(peer.list("CAPA").contains(&"LANG".to_owned()));
        assert_eq!(peer.err("RETR 9"), "-ERR Dat bericht bestaat niet");
        assert!(peer.list("LANG").contains(&"de Deutsch".to_owned()));
        assert_eq!(peer.ok("LANG de-AT"), "+OK de Ab jetzt auf Deutsch");
    });
}

#[test]
fn r6856_2_1_12_stls_comes_before_utf8() {
    case().run(|server| {
        let mut peer = server.pop3();
        peer.ok("UTF8");
        peer.err("STLS");
        let mut peer = server.pop3_stls();
        peer.ok("UTF8");
        peer.login("alice", "secret");
        assert_eq!(peer.message("RETR 2"), canonical(EAI.as_bytes()));
    });
}
