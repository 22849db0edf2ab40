//! RFC 1939 section 3: commands, replies and lines, whatever the command is.

use std::process::Command;

use restante_test::judge::Case;
use restante_test::mail::{awkward, canonical, numbered};
use restante_test::real::{Kind, program, restante};

use super::three;

#[test]
fn r1939_3_1_the_default_port_is_110() {
    Case::new().run(|server| {
        let shown = match server.kind() {
            Kind::Dovecot => {
                let mut doveconf = Command::new(program("doveconf", "dovecot-core"));
                doveconf.args(["-d", "-h", "service/pop3-login/inet_listener/pop3/port"]).output()
            }
            Kind::Restante => {
                let file = server.site().path().join("nothing.toml");
                std::fs::write(&file, "[[auth.source]]\npath = \"users\"\n").unwrap();
                Command::new(restante::binary()).args(["config", "show", "--config"]).arg(file).output()
            }
        };
        let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
        let port = |word: &str| word.trim_matches(|sign: char| !sign.is_ascii_digit()).ends_with("110");
        assert!(
            shown.split_ascii_whitespace().any(|word| port(word) && (word == "110" || word.contains(":110"))),
            "{shown}"
        );
    });
}

#[test]
fn r1939_3_2_the_server_speaks_first() {
    Case::new().run(|server| {
        let mut peer = restante_test::peer::Peer::connect(server.pop3_address());
        peer.greeting();
    });
}

#[test]
fn r1939_3_3_keywords_have_no_case() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.pop3();
        peer.ok("uSeR alice");
        peer.ok("pAsS secret");
        let upper = peer.ok("STAT");
        assert_eq!(peer.ok("sTaT"), upper);
        assert_eq!(peer.ok("list 2"), peer.ok("LIST 2"));
        assert_eq!(peer.message("rEtR 1"), peer.message("RETR 1"));
        peer.ok("dele 1");
        peer.ok("rset");
        peer.ok("nOOp");
        peer.list("uidl");
        peer.list("capa");
        peer.ok("qUiT");
        peer.end();
    });
}

#[test]
fn r1939_3_4_a_command_ends_with_both_cr_and_lf() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        peer.send(b"NOOP\r");
        peer.send(b"\n");
        assert!(peer.status().starts_with("+OK"));
        // Octet by octet; a reply too many would be taken for the answer to STAT.
        for octet in b"NOOP\r\n" {
            peer.send(&[*octet]);
        }
        assert!(peer.status().starts_with("+OK"));
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
    });
}

#[test]
fn r1939_3_6_keywords_have_three_or_four_letters() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        peer.err("X");
        peer.err("RETRIEVE 1");
        peer.err("");
        peer.err("ST");
        peer.err("STATS");
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
    });
}

#[test]
fn r1939_3_7_arguments_of_forty_characters() {
    let name = "a-name-of-exactly-forty-characters-00040";
    assert_eq!(name.len(), 40);
    Case::new().account(name, "another-one-of-forty-characters-for-PASS").mail(name, three()).run(|server| {
        let mut peer = server.pop3();
        peer.login(name, "another-one-of-forty-characters-for-PASS");
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
        // Cut off, it would be another name.
        let mut peer = server.pop3();
        peer.ok(&format!("USER {}", &name[..39]));
        peer.err("PASS another-one-of-forty-characters-for-PASS");
    });
}

#[test]
fn r1939_3_8_every_line_ends_with_crlf() {
    let mixed = b"From: a\r\nSubject: mixed\n\none\ntwo\r\nthree\n".to_vec();
    Case::with_mail(vec![numbered(1, 3), mixed]).run(|server| {
        let mut peer = restante_test::peer::Peer::connect(server.pop3_address());
        peer.send(b"CAPA\r\nNOSUCH\r\nUSER alice\r\nPASS secret\r\n");
        peer.send(b"STAT\r\nLIST\r\nLIST 1\r\nLIST 9\r\nUIDL\r\nUIDL 1\r\nRETR 1\r\nRETR 2\r\nTOP 2 1\r\nTOP 2 99\r\n");
        peer.send(b"NOOP\r\nDELE 1\r\nRSET\r\nCAPA\r\nNOSUCH\r\nRETR\r\nQUIT\r\n");
        let all = peer.rest();
        assert!(all.ends_with(b"\r\n"));
        for (at, &octet) in all.iter().enumerate() {
            assert!(octet != b'\n' || all[at - 1] == b'\r', "a bare LF at {at}\n{}", peer.transcript());
            assert!(octet != b'\r' || all[at + 1] == b'\n', "a bare CR at {at}\n{}", peer.transcript());
        }
    });
}

#[test]
fn r1939_3_9_a_status_line_has_at_most_512_octets() {
    Case::with_mail(three()).run(|server| {
        // `command` and `greeting` measure every line.
        let long = "A".repeat(240);
        let mut peer = server.pop3();
        peer.err(&format!("NONE {long}"));
        peer.command(&format!("USER {long}"));
        peer.err(&format!("PASS {long}"));
        let mut peer = server.login("alice");
        peer.err(&format!("RETR {long}"));
        peer.err(&format!("LIST {long}"));
        peer.err(&format!("UIDL {long}"));
        peer.err(&format!("TOP {long} 1"));
        peer.err(&long);
    });
}

#[test]
fn r1939_3_10_status_indicators_are_in_upper_case() {
    Case::with_mail(three()).run(|server| {
        // `command` accepts "+OK" and "-ERR", alone or before a space, and nothing else.
        let mut peer = server.pop3();
        for command in ["capa x", "nosuch", "user alice", "pass wrong", "USER alice", "PASS secret"] {
            if peer.command(command).starts_with("+OK") && command.starts_with("capa") {
                peer.lines();
            }
        }
        for command in
            ["stat", "noop", "dele 1", "dele 1", "rset", "list 1", "list 9", "uidl 1", "retr 9", "quit"]
        {
            peer.command(command);
        }
        peer.end();
    });
}

#[test]
fn r1939_3_11_a_lone_dot_ends_a_multi_line_response() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        for command in ["LIST", "UIDL", "RETR 1", "TOP 1 1", "TOP 1 0", "CAPA"] {
            peer.ok(command);
            peer.body();
            // Whatever followed the terminator would be taken for this reply.
            assert!(peer.ok("STAT").starts_with("+OK 3 "), "after {command}");
        }
    });
}

#[test]
fn r1939_3_12_lines_beginning_with_a_dot_are_stuffed() {
    Case::with_mail(vec![b"Subject: dots\n\n.\n..\n.x\nx.\n.".to_vec()]).run(|server| {
        let mut peer = server.login("alice");
        for command in ["RETR 1", "TOP 1 9"] {
            peer.ok(command);
            let text = String::from_utf8(peer.body()).unwrap();
            assert!(text.ends_with("\r\n\r\n..\r\n...\r\n..x\r\nx.\r\n..\r\n"), "{text:?}");
        }
    });
}

#[test]
fn r1939_3_12_the_very_first_octet_is_stuffed_too() {
    Case::with_mail(vec![b".From: a\nSubject: dots\n\nx\n".to_vec(), b".\n".to_vec()])
        .dovecot_departs("2.3 looks for a dot only behind a line end")
        .run(|server| {
            let mut peer = server.login("alice");
            peer.ok("RETR 1");
            assert!(peer.body().starts_with(b"..From: a\r\n"), "{}", peer.transcript());
            peer.ok("TOP 1 0");
            assert!(peer.body().starts_with(b"..From: a\r\n"), "{}", peer.transcript());
            peer.ok("RETR 2");
            assert_eq!(peer.body(), b"..\r\n");
        });
}

#[test]
fn r1939_3_16_a_negative_reply_is_one_line() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        for command in ["RETR 9999", "LIST 9999", "UIDL 9999", "TOP 9999 0", "TOP 1"] {
            peer.err(command);
            assert!(peer.ok("STAT").starts_with("+OK 3 "), "after {command}");
        }
    });
}

#[test]
fn r1939_3_17_what_is_no_command_is_refused() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.pop3();
        peer.err("FOOB");
        peer.err("XTND BBOARDS");
        let mut peer = server.login("alice");
        for command in
            ["FOOB", "XTND", "XTND BBOARDS", "RPOP alice", "LAST", "LIST a b", "RETR", "DELE x", "TOP"]
        {
            peer.err(command);
        }
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
    });
}

#[test]
fn r1939_3_18_commands_in_the_wrong_state_are_refused() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.pop3();
        peer.err("STAT");
        peer.login("alice", "secret");
        peer.err("USER alice");
        peer.err("PASS secret");
        peer.err("STLS");
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
    });
}

#[test]
fn r1939_3_19_errors_do_not_end_the_session() {
    Case::with_mail(three())
        .dovecot_departs("its login process hangs up at the third bad command in a row")
        .run(|server| {
            let mut peer = server.pop3();
            for command in ["FOOB", "STAT", "RETR 1", "", "LIST x"] {
                peer.err(command);
            }
            peer.login("alice", "secret");
            for command in ["FOOB", "RETR", "RETR 99", "", "LIST x"] {
                peer.err(command);
            }
            assert!(peer.ok("STAT").starts_with("+OK 3 "));
        });
}

#[test]
fn r1939_11_1_a_line_feed_counts_as_two_octets() {
    let stored = b"Subject: ten lines\n\n1\n2\n3\n4\n5\n6\n7\n8\n".to_vec();
    let octets = stored.len() + 10;
    Case::with_mail(vec![stored]).run(move |server| {
        let mut peer = server.login("alice");
        assert_eq!(peer.list("LIST"), [format!("1 {octets}")]);
        assert_eq!(peer.ok("STAT"), format!("+OK 1 {octets}"));
    });
}

#[test]
fn r1939_11_2_stuffed_dots_do_not_count() {
    let stored = b"Subject: dots\n\n.\n..\n...\n.a\n.b\n".to_vec();
    let octets = canonical(&stored).len();
    Case::with_mail(vec![stored]).run(move |server| {
        let mut peer = server.login("alice");
        assert_eq!(peer.list("LIST"), [format!("1 {octets}")]);
        peer.ok("RETR 1");
        assert_eq!(peer.body().len(), octets + 5);
    });
}

#[test]
fn r1939_11_3_messages_travel_with_crlf_whatever_lies_on_disk() {
    let stored: Vec<Vec<u8>> = awkward()
        .into_iter()
        .filter(|(name, _)| {
            ["crlf on disk", "mixed line ends", "last line without end", "one line"].contains(name)
        })
        .map(|(_, stored)| stored)
        .collect();
    assert_eq!(stored.len(), 4);
    let wanted: Vec<Vec<u8>> = stored.iter().map(|stored| canonical(stored)).collect();
    Case::with_mail(stored).run(move |server| {
        let mut peer = server.login("alice");
        for (at, wanted) in wanted.iter().enumerate() {
            let message = peer.message(&format!("RETR {}", at + 1));
            assert_eq!(message.escape_ascii().to_string(), wanted.escape_ascii().to_string());
        }
    });
}
