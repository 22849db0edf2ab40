//! RFC 2449: CAPA, response codes, pipelining and the lengths of lines.

use std::collections::HashSet;

use restante_test::judge::Case;
use restante_test::mail::numbered;
use restante_test::peer::Peer;
use restante_test::transcript::{fits, play};

use super::rfc1939::apop::{assert_msg_id, timestamp};

/// The capabilities of RFC 2449, 2595, 3206, 5034 and 6856, and nothing else, may be announced without an "X".
const REGISTERED: [&str; 14] = [
    "TOP",
    "USER",
    "SASL",
    "RESP-CODES",
    "LOGIN-DELAY",
    "PIPELINING",
    "EXPIRE",
    "UIDL",
    "IMPLEMENTATION",
    "STLS",
    "AUTH-RESP-CODE",
    "UTF8",
    "LANG",
    "CAPA",
];

/// The tags of a capability list.
pub(crate) fn tags(capabilities: &[String]) -> HashSet<String> {
    capabilities.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// The mechanisms of a capability list.
pub(crate) fn mechanisms(capabilities: &[String]) -> Vec<String> {
    let line = capabilities.iter().find_map(|line| line.strip_prefix("SASL "));
    line.unwrap_or("").split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn two() -> Vec<Vec<u8>> {
    vec![numbered(1, 1), numbered(2, 5)]
}

#[test]
fn r2449_3_1_parameters_stand_behind_one_space_each() {
    Case::with_mail(two()).dovecot_departs("it skips further spaces").run(|server| {
        let mut peer = server.login("alice");
        for command in ["LIST  1", "RETR  1", "TOP 1  0", "DELE  1"] {
            peer.err(command);
        }
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
    });
}

#[test]
fn r2449_3_1_only_visible_letters_make_a_keyword() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.login("alice");
        for command in [" STAT", "LIST\t1", "\tSTAT", "ST\u{7}T", "S AT", "RETR\u{a0}1"] {
            peer.err(command);
        }
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
    });
}

#[test]
fn r2449_3_2_tags_have_no_dot_and_no_space() {
    Case::with_mail(two()).run(|server| {
        for mut peer in [server.pop3(), server.login("alice"), server.pop3s()] {
            for tag in tags(&peer.list("CAPA")) {
                assert!(
                    !tag.is_empty() && tag.bytes().all(|octet| matches!(octet, 0x21..=0x2D | 0x2F..=0x7F)),
                    "{tag:?}"
                );
            }
        }
    });
}

#[test]
fn r2449_3_3_a_response_code_stands_first_behind_one_space() {
    Case::new().run(|server| {
        let mut peer = server.pop3();
        peer.ok("USER alice");
        let reply = peer.err("PASS wrong");
        let code =
            reply.strip_prefix("-ERR [").and_then(|rest| rest.split_once(']')).expect("a response code").0;
        for level in code.split('/') {
            let is_level = |octet: u8| matches!(octet, 0x21..=0x2E | 0x30..=0x5C | 0x5E..=0x7F);
            assert!(!level.is_empty() && level.bytes().all(is_level), "{reply:?}");
        }
    });
}

#[test]
fn r2449_3_4_the_timestamp_is_a_msg_id() {
    Case::new().site(|setup| setup.apop = true).run(|server| {
        let greeting = Peer::connect(server.pop3_address()).greeting();
        assert_msg_id(timestamp(&greeting));
        // Nothing else in the greeting may look like one.
        assert_eq!(greeting.matches('<').count(), 1);
    });
}

#[test]
fn r2449_4_1_commands_of_255_octets_are_taken() {
    let name = "n".repeat(248);
    Case::with_mail(two()).account(&name, "secret").run(|server| {
        let mut peer = server.pop3();
        let command = format!("USER {name}");
        assert_eq!(command.len() + 2, 255);
        peer.ok(&command);
        peer.ok("PASS secret");
        let mut peer = server.login("alice");
        peer.ok(&format!("LIST {:0>248}", 2));
    });
}

#[test]
fn r2449_4_2_the_longest_command_of_a_capability_is_taken() {
    // PLAIN with an authorization identity, a name and a password: an answer line far beyond 255 octets.
    let password = "p".repeat(255);
    Case::new().account("carol", &password).mail("carol", two()).run(|server| {
        let mut peer = server.pop3s();
        peer.send(b"AUTH PLAIN\r\n");
        assert_eq!(peer.challenge(), b"");
        let response = restante_test::peer::base64(format!("\0carol\0{password}").as_bytes());
        assert!(response.len() > 300);
        peer.ok(&response);
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
    });
}

#[test]
fn r2449_4_3_first_lines_stay_within_512_octets() {
    Case::with_mail(two()).run(|server| {
        // `command` measures; what is long here may come back in a text.
        let mut peer = server.pop3();
        peer.command(&format!("USER {}", "u".repeat(248)));
        peer.err(&format!("PASS {}", "p".repeat(248)));
        peer.err(&format!("AUTH {}", "M".repeat(248)));
        let mut peer = server.login("alice");
        peer.err(&format!("{} 1", "K".repeat(250)));
        peer.err(&format!("RETR {}", "9".repeat(248)));
    });
}

#[test]
fn r2449_4_5_a_line_too_long_is_one_command() {
    for octets in [2000, 70_000, 1_000_000] {
        Case::with_mail(two()).run(move |server| {
            let mut peer = server.login("alice");
            let mut line = vec![b'A'; octets];
            line.extend_from_slice(b"\r\nSTAT\r\n");
            // A server that gives up may do so before everything is sent.
            let _ = peer.try_send(&line);
            let all = String::from_utf8_lossy(&{
                let _ = peer.try_send(b"QUIT\r\n");
                peer.rest()
            })
            .into_owned();
            let replies: Vec<&str> = all.lines().collect();
            assert!(replies.first().is_none_or(|first| first.starts_with("-ERR")), "{all:?}");
            match replies.len() {
                0 | 1 => {}
                _ => assert!(replies.len() == 3 && replies[1].starts_with("+OK 2 "), "{all:?}"),
            }
        });
    }
}

#[test]
fn r2449_4_5_a_line_too_long_does_not_end_the_session() {
    Case::with_mail(two()).dovecot_departs("it hangs up: Input buffer full, aborting").run(|server| {
        let mut peer = server.login("alice");
        for octets in [2000, 8192, 8191, 70_000] {
            let mut line = vec![b'A'; octets];
            line.extend_from_slice(b"\r\n");
            peer.send(&line);
            assert!(peer.status().starts_with("-ERR"));
            assert!(peer.ok("STAT").starts_with("+OK 2 "));
        }
    });
}

#[test]
fn r2449_5_1_capa_works_in_both_states() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.pop3();
        assert!(!peer.list("CAPA").is_empty());
        peer.login("alice", "secret");
        assert!(!peer.list("CAPA").is_empty());
    });
}

#[test]
fn r2449_5_2_what_is_announced_before_login_is_announced_after() {
    Case::with_mail(two()).dovecot_departs("USER and SASL disappear after login").run(|server| {
        for mut peer in [server.pop3(), server.pop3s(), server.pop3_stls()] {
            let mut before = tags(&peer.list("CAPA"));
            before.remove("STLS");
            peer.login("alice", "secret");
            let after = tags(&peer.list("CAPA"));
            assert!(before.is_subset(&after), "{before:?} {after:?}");
            peer.ok("QUIT");
            peer.end();
        }
    });
}

#[test]
fn r2449_5_5_optional_commands_are_announced_by_their_keyword() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.pop3();
        let before = tags(&peer.list("CAPA"));
        for tag in ["TOP", "UIDL", "STLS"] {
            assert!(before.contains(tag), "{tag} {before:?}");
        }
        peer.login("alice", "secret");
        peer.message("TOP 1 0");
        peer.list("UIDL");
    });
}

#[test]
fn r2449_5_6_a_capability_is_a_tag_and_parameters() {
    Case::with_mail(two()).run(|server| {
        for mut peer in [server.pop3(), server.login("alice"), server.pop3s()] {
            for line in peer.list("CAPA") {
                let is_word =
                    |word: &str| !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_graphic());
                assert!(line.split(' ').all(is_word), "{line:?}");
            }
        }
    });
}

#[test]
fn r2449_5_7_capability_lines_stay_within_512_octets() {
    Case::with_mail(two()).run(|server| {
        for mut peer in [server.pop3(), server.login("alice"), server.pop3s()] {
            assert!(peer.list("CAPA").iter().all(|line| line.len() + 2 <= 512));
        }
    });
}

#[test]
fn r2449_6_1_apop_is_no_capability() {
    Case::with_mail(two()).site(|setup| setup.apop = true).run(|server| {
        for mut peer in [server.pop3(), server.login("alice"), server.pop3s()] {
            let capabilities = peer.list("CAPA");
            assert!(!tags(&capabilities).contains("APOP"));
            assert!(!mechanisms(&capabilities).contains(&"APOP".to_owned()));
        }
    });
}

#[test]
fn r2449_6_1_1_top_is_announced_in_both_states() {
    Case::with_mail(two()).run(|server| announced_in_both_states(server, "TOP"));
}

#[test]
fn r2449_6_2_1_user_is_announced_where_it_works() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.pop3();
        assert!(peer.list("CAPA").contains(&"USER".to_owned()));
        peer.login("alice", "secret");
    });
    Case::with_mail(two()).site(|setup| setup.plaintext = false).run(|server| {
        let mut peer = server.pop3();
        assert!(!peer.list("CAPA").contains(&"USER".to_owned()));
        // Refused at the latest when the password comes.
        if peer.command("USER alice").starts_with("+OK") {
            peer.err("PASS secret");
        }
        let mut peer = server.pop3_stls();
        assert!(peer.list("CAPA").contains(&"USER".to_owned()));
        peer.login("alice", "secret");
    });
}

#[test]
fn r2449_6_3_1_the_mechanisms_announced_are_those_that_work() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.pop3s();
        let mechanisms = mechanisms(&peer.list("CAPA"));
        assert!(mechanisms.contains(&"PLAIN".to_owned()), "{mechanisms:?}");
        for mechanism in &mechanisms {
            let mut peer = server.pop3s();
            peer.send(format!("AUTH {mechanism}\r\n").as_bytes());
            peer.challenge();
            peer.err("*");
        }
        for mechanism in ["CRAM-MD5", "DIGEST-MD5", "GSSAPI", "ANONYMOUS", "NTLM"] {
            assert!(!mechanisms.contains(&mechanism.to_owned()));
            server.pop3s().err(&format!("AUTH {mechanism}"));
        }
    });
}

#[test]
fn r2449_6_4_1_text_from_outside_makes_no_response_code() {
    Case::with_mail(two()).run(|server| {
        let codes = ["IN-USE", "AUTH", "LOGIN-DELAY", "SYS/TEMP", "SYS/PERM"];
        let check = |reply: String| {
            let text = reply.split_once(' ').map_or("", |(_, text)| text);
            if let Some(code) = text.strip_prefix('[') {
                let code = code.split_once(']').expect("a whole response code").0;
                assert!(codes.contains(&code), "{reply:?}");
            }
        };
        for command in ["[X] y", "USER [X]", "AUTH [X]", "CAPA [X]"] {
            let mut peer = server.pop3();
            check(peer.command(command));
        }
        let mut peer = server.pop3();
        peer.command("USER [X]");
        check(peer.err("PASS [Y]"));
        let mut peer = server.login("alice");
        for command in ["RETR [X]", "LIST [X]", "UIDL [X]", "TOP [X] [Y]", "[X]", "DELE [X]"] {
            check(peer.err(command));
        }
    });
}

#[test]
fn r2449_6_6_1_commands_may_come_in_one_piece() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.login("alice");
        assert!(peer.list("CAPA").contains(&"PIPELINING".to_owned()));
        peer.send(b"STAT\r\nLIST\r\nUIDL\r\nNOOP\r\nRETR 1\r\nDELE 1\r\nLIST 2\r\nRSET\r\nSTAT\r\nQUIT\r\n");
        play(
            &mut peer,
            "
            S: +OK 2 {number}
            S: +OK{any}
            S: 1 {number}
            S: 2 {number}
            S: .
            S: +OK{any}
            S: 1 {any}
            S: 2 {any}
            S: .
            S: +OK{any}
            S: +OK{any}",
        );
        assert!(peer.body().ends_with(b"line 1\r\n"));
        play(
            &mut peer,
            "
            S: +OK{any}
            S: +OK 2 {number}
            S: +OK{any}
            S: +OK 2 {number}
            S: +OK{any}",
        );
        peer.end();
    });
}

#[test]
fn r2449_6_6_3_a_pipeline_of_any_length_works_while_the_peer_reads() {
    const COMMANDS: usize = 10_000;
    Case::with_mail(vec![numbered(1, 50)]).run(|server| {
        let mut peer = server.login("alice");
        let message = peer.message("RETR 1");
        let mut sender = peer.second_handle();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                use std::io::Write;
                sender.write_all(&b"RETR 1\r\n".repeat(COMMANDS)).expect("the server goes on reading");
            });
            for _ in 0..COMMANDS {
                assert!(peer.status().starts_with("+OK"));
                assert!(peer.body() == message);
            }
        });
        assert!(peer.ok("STAT").starts_with("+OK 1 "));
    });
}

#[test]
fn r2449_6_6_5_a_pipeline_may_cross_the_login() {
    Case::with_mail(two()).run(|server| {
        let mut peer = server.pop3();
        peer.send(b"USER alice\r\nPASS secret\r\nSTAT\r\nQUIT\r\n");
        play(
            &mut peer,
            "
            S: +OK{any}
            S: +OK{any}
            S: +OK 2 {number}
            S: +OK{any}",
        );
        peer.end();
    });
}

#[test]
fn r2449_6_7_1_expire_is_days_or_never() {
    Case::with_mail(two()).run(|server| {
        for mut peer in [server.pop3(), server.login("alice")] {
            for line in peer.list("CAPA").iter().filter(|line| line.starts_with("EXPIRE")) {
                let forms = ["EXPIRE NEVER", "EXPIRE {number}", "EXPIRE NEVER USER", "EXPIRE {number} USER"];
                assert!(forms.iter().any(|form| fits(form, line)), "{line:?}");
            }
        }
    });
}

#[test]
fn r2449_6_7_3_with_expire_never_nothing_expires() {
    let old = b"Date: Thu, 1 Jan 1970 00:00:01 +0000\nSubject: old\n\nold\n";
    Case::new().dovecot_not_asked("it does not announce EXPIRE").run(|server| {
        server.site().drop_named("alice", "1.M1P1.judge", old);
        for _ in 0..3 {
            let mut peer = server.login_when_free("alice");
            assert!(peer.list("CAPA").contains(&"EXPIRE NEVER".to_owned()));
            assert!(peer.message("RETR 1").ends_with(b"old\r\n"));
            peer.ok("QUIT");
            peer.end();
            server.stop();
            server.start_again();
        }
        assert_eq!(server.site().files("alice").len(), 1);
    });
}

#[test]
fn r2449_6_7_6_a_site_that_keeps_mail_says_so() {
    Case::new().dovecot_departs("it never announces EXPIRE").run(|server| {
        assert!(server.login("alice").list("CAPA").contains(&"EXPIRE NEVER".to_owned()));
    });
}

#[test]
fn r2449_6_7_4_before_login_the_same_expiry_is_announced_as_after_it() {
    the_same_in_both_states("EXPIRE", Case::new().dovecot_departs("it never announces EXPIRE"));
}

#[test]
fn r2449_6_7_5_an_expiry_that_is_the_same_for_all_carries_no_user() {
    the_same_in_both_states("EXPIRE", Case::new().dovecot_departs("it never announces EXPIRE"));
}

/// What is the same for every account is announced alike before and after login, and without USER.
fn the_same_in_both_states(tag: &str, case: Case) {
    case.run(|server| {
        let announced = |list: Vec<String>| list.into_iter().find(|line| line.starts_with(tag)).unwrap();
        let before = announced(server.pop3().list("CAPA"));
        assert_eq!(before.split(' ').count(), 2, "{before}");
        for account in ["alice", "bob"] {
            assert_eq!(announced(server.login(account).list("CAPA")), before);
        }
    });
}

/// A server whose accounts wait for an hour between two logins.
fn delaying() -> Case {
    Case::with_mail(two()).restante("pop3", "login_delay_s = 3600").dovecot_not_asked("it has no LOGIN-DELAY")
}

fn logged_out(mut peer: Peer) {
    peer.ok("QUIT");
    peer.end();
}

#[test]
fn r2449_6_5_1_a_second_login_within_the_delay_is_refused() {
    delaying().run(|server| {
        logged_out(server.login("alice"));
        let reply = server.try_login("alice", "secret");
        assert!(reply.starts_with("-ERR [LOGIN-DELAY]"), "{reply:?}");
        // The other account's delay is its own, and its mail is still delivered.
        logged_out(server.login("bob"));
        server.deliver(&["alice"], b"Subject: x\r\n\r\nx\r\n");
    });
}

#[test]
fn r2449_6_5_1_after_the_delay_the_login_is_granted_though_others_were_refused() {
    Case::with_mail(two())
        .restante("pop3", "login_delay_s = 1")
        .dovecot_not_asked("it has no LOGIN-DELAY")
        .run(|server| {
            logged_out(server.login("alice"));
            // Were the delay begun anew by a refusal, this would never come to an end.
            logged_out(server.login_when_free("alice"));
        });
}

#[test]
fn r2449_6_5_2_the_announced_delay_is_what_any_account_can_meet() {
    the_same_in_both_states("LOGIN-DELAY", delaying());
}

#[test]
fn r2449_6_5_3_a_delay_that_is_the_same_for_all_carries_no_user() {
    delaying().run(|server| {
        assert!(server.pop3().list("CAPA").contains(&"LOGIN-DELAY 3600".to_owned()));
        assert!(server.login("alice").list("CAPA").contains(&"LOGIN-DELAY 3600".to_owned()));
    });
    Case::new().run(|server| {
        assert!(!tags(&server.login("alice").list("CAPA")).contains("LOGIN-DELAY"));
    });
}

#[test]
fn r2449_6_5_4_the_delay_is_enforced_after_a_restart_and_after_a_death() {
    delaying().run(|server| {
        logged_out(server.login("alice"));
        server.kill();
        server.start_again();
        let reply = server.try_login("alice", "secret");
        assert!(reply.starts_with("-ERR [LOGIN-DELAY]"), "{reply:?}");
        logged_out(server.login("bob"));
        server.stop();
        server.start_again();
        for account in ["alice", "bob"] {
            let reply = server.try_login(account, "secret");
            assert!(reply.starts_with("-ERR [LOGIN-DELAY]"), "{account}: {reply:?}");
        }
    });
}

#[test]
fn r2449_6_5_4_what_was_no_login_delays_nobody() {
    delaying().run(|server| {
        // A wrong password, a connection that is dropped before it, and a maildrop that does not open.
        let reply = server.try_login("alice", "wrong");
        assert!(reply.starts_with("-ERR [AUTH]"), "{reply:?}");
        server.pop3().ok("USER alice");
        let maildrop = server.site().maildrop("alice");
        let (new, away) = (maildrop.join("new"), maildrop.join("away"));
        std::fs::rename(&new, &away).unwrap();
        std::fs::write(&new, b"no folder").unwrap();
        let reply = server.try_login("alice", "secret");
        assert!(reply.starts_with("-ERR [SYS/"), "{reply:?}");
        std::fs::remove_file(&new).unwrap();
        std::fs::rename(&away, &new).unwrap();
        logged_out(server.login("alice"));
    });
}

#[test]
fn r2449_8_1_1_1_login_delay_is_said_to_whoever_has_the_password() {
    delaying().run(|server| {
        logged_out(server.login("alice"));
        let mut peer = server.pop3();
        let reply = peer.command("AUTH PLAIN AGFsaWNlAHNlY3JldA==");
        assert!(reply.starts_with("-ERR [LOGIN-DELAY]"), "{reply:?}");
        // The session goes on, and another account can log in.
        peer.login("bob", "secret");
    });
}

#[test]
fn r2449_8_1_1_2_who_does_not_know_the_password_learns_nothing_of_the_last_login() {
    delaying().run(|server| {
        logged_out(server.login("alice"));
        let (early, unknown) = (server.try_login("alice", "wrong"), server.try_login("nobody", "wrong"));
        assert!(early.starts_with("-ERR [AUTH]"), "{early:?}");
        assert_eq!(early, unknown);
    });
}

#[test]
fn r2449_6_8_1_uidl_is_announced_in_both_states() {
    Case::with_mail(two()).run(|server| announced_in_both_states(server, "UIDL"));
}

#[test]
fn r2449_6_9_1_the_implementation_is_named_after_login_only() {
    Case::new().dovecot_not_asked("it has no IMPLEMENTATION").run(|server| {
        let mut peer = server.pop3();
        assert!(!tags(&peer.list("CAPA")).contains("IMPLEMENTATION"));
        peer.login("alice", "secret");
        assert!(peer.list("CAPA").iter().any(|line| line.starts_with("IMPLEMENTATION ")));
    });
}

#[test]
fn r2449_8_3_response_codes_are_announced() {
    Case::new().run(|server| {
        let mut peer = server.pop3();
        assert!(tags(&peer.list("CAPA")).contains("RESP-CODES"));
        peer.login("alice", "secret");
        assert!(tags(&peer.list("CAPA")).contains("RESP-CODES"));
    });
}

#[test]
fn r2449_8_1_2_1_in_use_comes_after_the_right_password_only() {
    Case::with_mail(two()).site(|setup| setup.dovecot.push("pop3_lock_session = yes")).run(|server| {
        let _held = server.login("alice");
        let mut peer = server.pop3();
        peer.ok("USER alice");
        assert!(!peer.err("PASS wrong").contains("[IN-USE]"));
        peer.ok("USER alice");
        let reply = peer.err("PASS secret");
        assert!(reply.starts_with("-ERR [IN-USE]"), "{reply:?}");
    });
}

#[test]
fn r2449_9_1_registered_names_do_not_begin_with_x() {
    Case::new().run(|server| {
        for mut peer in [server.pop3(), server.login("alice"), server.pop3s()] {
            for tag in tags(&peer.list("CAPA")) {
                assert!(tag.starts_with('X') || REGISTERED.contains(&tag.as_str()), "{tag}");
            }
        }
    });
}

fn announced_in_both_states(server: &restante_test::real::Server, capability: &str) {
    let mut peer = server.pop3();
    assert!(peer.list("CAPA").contains(&capability.to_owned()), "{}", peer.transcript());
    server.pop3().err(&format!("{capability} 1 0"));
    peer.login("alice", "secret");
    assert!(peer.list("CAPA").contains(&capability.to_owned()), "{}", peer.transcript());
    let argument = if capability == "TOP" { "TOP 1 0" } else { "UIDL 1" };
    peer.ok(argument);
}
