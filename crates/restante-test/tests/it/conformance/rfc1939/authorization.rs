//! RFC 1939 section 4 and the USER and PASS of section 7: from the greeting to TRANSACTION, or not.

use restante_test::judge::Case;
use restante_test::mail::numbered;

use super::three;

#[test]
fn r1939_4_1_the_greeting_is_one_positive_line() {
    Case::new().run(|server| {
        let mut peer = server.pop3();
        peer.ok("QUIT");
        peer.end();
    });
}

#[test]
fn r1939_4_2_there_is_a_way_to_log_in() {
    for plaintext in [true, false] {
        Case::with_mail(three()).site(|setup| setup.plaintext = plaintext).run(|server| {
            server.pop3_stls().login("alice", "secret");
        });
    }
}

#[test]
fn r1939_4_3_a_maildrop_is_held_by_one_session() {
    Case::with_mail(three()).site(|setup| setup.dovecot.push("pop3_lock_session = yes")).run(|server| {
        let mut first = server.login("alice");
        let mut second = server.pop3();
        second.ok("USER alice");
        second.err("PASS secret");
        // Another maildrop is another lock.
        server.login("bob").ok("QUIT");
        assert!(first.ok("STAT").starts_with("+OK 3 "));
        first.ok("QUIT");
        first.end();
        server.login("alice").ok("QUIT");
    });
}

#[test]
fn r1939_4_4_a_maildrop_that_cannot_be_opened_fails_the_login() {
    Case::with_mail(three())
        .site(|setup| setup.as_nobody = true)
        .dovecot_departs("it says +OK, and the first command fails and ends the session")
        .run(|server| {
            server.site().protect("alice", 0o000);
            let mut peer = server.pop3();
            peer.ok("USER alice");
            peer.err("PASS secret");
            // Still AUTHORIZATION: nothing of TRANSACTION works, another login does.
            peer.err("STAT");
            peer.login("bob", "secret");
            assert_eq!(peer.ok("STAT"), "+OK 0 0");
        });
}

#[test]
fn r1939_4_5_a_lock_is_released_when_the_login_fails() {
    let case = Case::with_mail(three()).site(|setup| setup.as_nobody = true);
    case.dovecot_departs("it says +OK before it opens the maildrop").run(|server| {
        server.site().protect("alice", 0o000);
        let mut first = server.pop3();
        first.ok("USER alice");
        first.err("PASS secret");
        server.site().protect("alice", 0o777);
        // The first connection is still held by its client.
        let mut second = server.login("alice");
        assert!(second.ok("STAT").starts_with("+OK 3 "));
        drop(first);
    });
}

#[test]
fn r1939_4_6_a_failed_login_can_be_repeated() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.pop3();
        peer.ok("USER alice");
        peer.err("PASS wrong");
        peer.login("alice", "secret");
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
        let mut peer = server.pop3();
        peer.ok("USER bob");
        peer.err("PASS wrong");
        peer.ok("QUIT");
        peer.end();
    });
}

#[test]
fn r1939_4_7_a_session_begins_with_nothing_marked() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        let before = peer.ok("STAT");
        peer.ok("DELE 1");
        peer.ok("DELE 3");
        drop(peer);
        let mut peer = server.login_when_free("alice");
        assert_eq!(peer.ok("STAT"), before);
    });
}

#[test]
fn r1939_4_8_messages_are_numbered_from_one_in_decimal() {
    let messages: Vec<Vec<u8>> = (1..=12).map(|n| numbered(n, n)).collect();
    Case::with_mail(messages).run(|server| {
        let mut peer = server.login("alice");
        for (at, line) in peer.list("LIST").iter().enumerate() {
            let pattern = format!("{} {{number}}", at + 1);
            assert!(restante_test::transcript::fits(&pattern, line), "{line:?}");
        }
        // In maildrop order: the n-th message dropped is message n.
        for n in 1..=12 {
            let message = String::from_utf8(peer.message(&format!("RETR {n}"))).unwrap();
            assert!(message.contains(&format!("Subject: message {n}\r\n")));
        }
    });
}

#[test]
fn r1939_4_9_numbers_stay_for_the_whole_session() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        let before = peer.list("LIST");
        server.site().drop_message("alice", &numbered(4, 1));
        server.deliver(&["alice"], b"Subject: five\r\n\r\nfive\r\n");
        assert_eq!(peer.list("LIST"), before);
        peer.ok("DELE 1");
        assert_eq!(peer.list("LIST"), before[1..]);
        peer.err("LIST 4");
        peer.err("RETR 4");
        peer.ok("RSET");
        assert_eq!(peer.list("LIST"), before);
        peer.ok("QUIT");
        peer.end();
        assert!(server.login_when_free("alice").ok("STAT").starts_with("+OK 5 "));
    });
}

#[test]
fn r1939_4_10_quit_before_login_is_ok_and_changes_nothing() {
    Case::with_mail(three()).run(|server| {
        let files = server.site().files("alice").len();
        let mut peer = server.pop3();
        peer.ok("USER alice");
        peer.ok("QUIT");
        peer.end();
        assert_eq!(server.site().files("alice").len(), files);
    });
}

#[test]
fn r1939_5_6_transaction_commands_need_a_login() {
    // Each on a connection of its own: Dovecot hangs up at the third.
    Case::with_mail(three()).run(|server| {
        for command in ["STAT", "LIST", "RETR 1", "DELE 1", "NOOP", "RSET", "TOP 1 0", "UIDL"] {
            server.pop3().err(command);
        }
    });
}

#[test]
fn r1939_7_1_the_minimal_commands_are_there() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        peer.ok("STAT");
        peer.list("LIST");
        peer.message("RETR 1");
        peer.ok("DELE 1");
        peer.ok("NOOP");
        peer.ok("RSET");
        peer.ok("QUIT");
    });
}

#[test]
fn r1939_7_18_user_comes_first_or_after_a_failure() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.pop3();
        peer.ok("USER alice");
        peer.err("PASS wrong");
        peer.ok("USER bob");
        peer.ok("PASS secret");
        peer.err("USER alice");
        assert_eq!(peer.ok("STAT"), "+OK 0 0");
    });
}

#[test]
fn r1939_7_19_user_is_ok_for_an_unknown_name() {
    Case::new().run(|server| {
        let mut peer = server.pop3();
        peer.ok("USER nobody-here");
        let unknown = peer.err("PASS secret");
        peer.ok("USER alice");
        assert_eq!(peer.err("PASS wrong"), unknown);
    });
}

#[test]
fn r1939_7_21_pass_needs_a_user() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.pop3();
        peer.err("PASS secret");
        peer.login("alice", "secret");
        let mut peer = server.pop3();
        peer.ok("USER bob");
        peer.err("PASS wrong");
        peer.err("PASS secret");
    });
}

#[test]
fn r1939_7_21_nothing_but_capa_comes_between_user_and_pass() {
    Case::with_mail(three()).dovecot_departs("it keeps the name until the next USER").run(|server| {
        for between in ["NOSUCH", "NOOP", "STAT", "AUTH NOSUCH", "PASS wrong"] {
            let mut peer = server.pop3();
            peer.ok("USER alice");
            peer.err(between);
            peer.err("PASS secret");
            peer.err("STAT");
        }
        let mut peer = server.pop3();
        peer.ok("USER alice");
        peer.list("CAPA");
        peer.ok("PASS secret");
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
    });
}

#[test]
fn r1939_7_22_spaces_belong_to_the_password() {
    Case::new().account("carol", " a  b ").mail("carol", three()).run(|server| {
        // Only two: each wrong guess is answered later than the one before.
        for wrong in ["a  b", " a b "] {
            let mut peer = server.pop3();
            peer.ok("USER carol");
            peer.err(&format!("PASS {wrong}"));
        }
        let mut peer = server.pop3();
        peer.login("carol", " a  b ");
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
    });
}

#[test]
fn r1939_7_23_pass_decides() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.pop3();
        peer.ok("USER alice");
        peer.err("PASS wrong");
        peer.err("STAT");
        peer.login("alice", "secret");
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
    });
}

#[test]
fn r1939_13_2_user_does_not_tell_who_exists() {
    Case::new().run(|server| {
        let reply = |name: &str| server.pop3().ok(&format!("USER {name}")).replace(name, "NAME");
        assert_eq!(reply("alice"), reply("nobody-here"));
        assert_eq!(reply("alice"), reply("alicf"));
    });
}
