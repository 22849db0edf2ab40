//! RFC 5321, as far as LMTP takes it over: paths, order, data, trace fields, limits.

use restante_test::judge::Case;
use restante_test::mail::dotted;

use super::{MESSAGE, data, transaction, without_trace};

/// The header lines of a delivered message before `original`, unfolded.
fn trace(message: &[u8], original: &[u8]) -> Vec<String> {
    let text = String::from_utf8(message[..message.len() - original.len()].to_vec()).unwrap();
    let unfolded = text.replace("\r\n\t", " ").replace("\r\n ", " ");
    unfolded.split_terminator("\r\n").map(str::to_owned).collect()
}

#[test]
fn r5321_2_3_8_1_only_crlf_ends_a_line() {
    Case::new().dovecot_departs("it makes a line end of a bare LF").run(|server| {
        for body in [&b"a\nb\r\n"[..], b"a\n\nb\r\n", b"a\n.b\r\n"] {
            let mut peer = transaction(server, &["alice"]);
            let reply = data(&mut peer, &dotted(&[b"Subject: x\r\n\r\n", body].concat()), 1).remove(0);
            assert_eq!(peer.code("QUIT"), 221);
            let messages = server.retrieve_all("alice");
            if reply.code == 250 {
                assert!(
                    !messages.last().unwrap().windows(4).any(|octets| octets == b"a\r\nb"),
                    "one line became two"
                );
            } else {
                assert!(reply.code >= 500, "{reply:?}");
                assert!(messages.is_empty());
            }
        }
        // A bare CR is an ordinary octet, or refused; it never becomes a line end either.
        let mut peer = transaction(server, &["bob"]);
        let reply = data(&mut peer, b"Subject: x\r\n\r\na\rb\r\n.\r\n", 1).remove(0);
        assert_eq!(peer.code("QUIT"), 221);
        match server.retrieve_all("bob").pop() {
            Some(message) => assert!(reply.code == 250 && message.ends_with(b"\r\n\r\na\rb\r\n")),
            None => assert!(reply.code >= 500),
        }
    });
}

#[test]
fn r5321_4_1_1_4_1_only_crlf_dot_crlf_ends_the_data() {
    Case::new().dovecot_departs("2.3 takes LF.CRLF for the end").run(|server| {
        for end in ["\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r.\r\n", "\r\n.\r"] {
            let mut peer = transaction(server, &["alice"]);
            assert_eq!(peer.code("DATA"), 354);
            let smuggled = "MAIL FROM:<evil@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: evil\r\n\r\nevil\r\n";
            peer.send(format!("Subject: x\r\n\r\nbefore{end}{smuggled}.\r\n").as_bytes());
            peer.reply();
            // One reply and no more.
            assert_eq!(peer.code("QUIT"), 221, "after {end:?}");
            peer.end();
            assert!(server.retrieve_all("bob").is_empty(), "smuggled by {end:?}");
        }
    });
}

#[test]
fn r5321_4_5_2_1_a_dot_is_taken_away_and_a_lone_one_ends() {
    let message = b"Subject: x\r\n\r\n.\r\n..x\r\n.y\r\n \r\n...\r\n".to_vec();
    Case::new().run(move |server| {
        let mut peer = transaction(server, &["alice"]);
        // As sent: the first octet of the message may be such a dot too.
        assert_eq!(
            data(&mut peer, b"Subject: x\r\n\r\n..\r\n...x\r\n..y\r\n \r\n....\r\n.\r\n", 1)[0].code,
            250
        );
        assert_eq!(peer.code("QUIT"), 221);
        assert_eq!(without_trace(&server.retrieve_all("alice")[0], &message), message);
    });
}

#[test]
fn r5321_4_1_1_4_2_the_stored_message_is_the_sent_one() {
    Case::new().run(|server| {
        for (at, message) in
            [MESSAGE, b"Subject: x\r\n\r\n\r\n\r\n", b"Subject: x\r\n\r\n", b"Subject: x\r\n"]
                .into_iter()
                .enumerate()
        {
            server.deliver(&["alice"], message);
            let stored = server.retrieve_all("alice");
            assert_eq!(without_trace(&stored[at], message), message);
        }
    });
}

#[test]
fn r5321_4_4_1_there_is_exactly_one_return_path() {
    Case::new().dovecot_departs("it keeps the one that came with the message").run(|server| {
        let message =
            b"Return-Path: <forged@example.org>\r\nSubject: x\r\n\r\nbody\r\nReturn-Path: in the body\r\n";
        for (account, sender) in [("alice", "<>"), ("bob", "<Sender+x@example.org>")] {
            let mut peer = server.lmtp();
            assert_eq!(peer.code(&format!("MAIL FROM:{sender}")), 250);
            assert_eq!(peer.code(&format!("RCPT TO:<{account}@example.org>")), 250);
            assert_eq!(data(&mut peer, &dotted(message), 1)[0].code, 250);
            assert_eq!(peer.code("QUIT"), 221);
            let stored = String::from_utf8(server.retrieve_all(account).remove(0)).unwrap();
            let header = stored.split_once("\r\n\r\n").unwrap().0;
            let paths: Vec<&str> = header.lines().filter(|line| line.starts_with("Return-Path:")).collect();
            assert_eq!(paths, [format!("Return-Path: {sender}")], "{stored}");
            assert!(stored.starts_with("Return-Path:"), "{stored}");
            assert!(stored.ends_with("Subject: x\r\n\r\nbody\r\nReturn-Path: in the body\r\n"));
        }
    });
}

#[test]
fn r5321_4_4_2_a_received_line_comes_first_and_others_stay() {
    let message = b"Received: from b by c;\r\n\tSat, 21 Nov 2026 10:00:00 +0000\r\nReceived: from a by b;\r\n\tSat, 21 Nov 2026 09:00:00 +0000\r\nSubject: x\r\n\r\nbody\r\n";
    Case::new().run(|server| {
        server.deliver(&["alice"], message);
        let stored = server.retrieve_all("alice").remove(0);
        assert_eq!(without_trace(&stored, message), message);
        let lines = trace(&stored, message);
        assert!(lines[0].starts_with("Return-Path: <"), "{lines:?}");
        let received: Vec<&String> = lines.iter().filter(|line| line.starts_with("Received: ")).collect();
        assert_eq!(received.len(), 1, "{lines:?}");
        assert!(
            received[0].contains("from judge.example.org") && received[0].contains(" with LMTP"),
            "{received:?}"
        );
        assert!(received[0].contains(';'), "{received:?}");
        assert!(
            lines
                .iter()
                .any(|line| line == "Delivered-To: alice@example.org" || line == "Delivered-To: alice"),
            "{lines:?}"
        );
    });
}

#[test]
fn r5321_4_1_1_3_1_source_routes_are_ignored() {
    Case::new().run(|server| {
        let mut peer = server.lmtp();
        assert_eq!(peer.code("MAIL FROM:<@a.example.org,@b.example.org:sender@example.org>"), 250);
        assert_eq!(peer.code("RCPT TO:<@a.example.org,@b.example.org:alice@example.org>"), 250);
        assert_eq!(data(&mut peer, &dotted(MESSAGE), 1)[0].code, 250);
        assert_eq!(peer.code("QUIT"), 221);
        assert_eq!(server.retrieve_all("alice").len(), 1);
    });
}

#[test]
fn r5321_4_1_4_1_commands_out_of_order_are_503() {
    Case::new().run(|server| {
        let mut peer = server.lmtp();
        assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 503);
        assert_eq!(peer.code("DATA"), 503);
        assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250);
        assert_eq!(peer.code("MAIL FROM:<other@example.org>"), 503);
        // And the first transaction is still there.
        assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
        assert_eq!(data(&mut peer, &dotted(MESSAGE), 1)[0].code, 250);
        assert_eq!(peer.code("QUIT"), 221);
        let stored = String::from_utf8(server.retrieve_all("alice").remove(0)).unwrap();
        assert!(stored.starts_with("Return-Path: <sender@example.org>\r\n"), "{stored}");
    });
}

#[test]
fn r5321_4_1_4_2_rset_and_lhlo_clear_the_transaction() {
    Case::new().run(|server| {
        for command in ["RSET", "LHLO judge.example.org"] {
            let mut peer = transaction(server, &["alice"]);
            assert_eq!(peer.code(command), 250);
            assert_eq!(peer.code("DATA"), 503);
            assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 503);
            assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250);
        }
        assert!(server.retrieve_all("alice").is_empty());
    });
}

#[test]
fn r5321_3_8_1_an_unknown_command_does_not_end_the_connection() {
    Case::new().run(|server| {
        let mut peer = server.lmtp();
        for _ in 0..3 {
            let code = peer.code("FOO");
            assert!((500..=502).contains(&code), "{code}");
        }
        assert_eq!(peer.code("NOOP"), 250);
        assert_eq!(peer.code("QUIT"), 221);
        peer.end();
    });
}

#[test]
fn r5321_4_5_3_1_1_names_and_lines_of_the_promised_length_are_taken() {
    let local = "l".repeat(64);
    Case::new().account(&local, "secret").run(|server| {
        let mut peer = server.lmtp();
        let label = "d".repeat(63);
        // Path of 256 octets, angle brackets included.
        let domain = format!("{label}.{label}.{}", "d".repeat(256 - 2 - 64 - 1 - 2 * 64));
        let path = format!("<{local}@{domain}>");
        assert_eq!(path.len(), 256);
        assert_eq!(peer.code(&format!("MAIL FROM:{path}")), 250, "{}", peer.transcript());
        assert_eq!(peer.code(&format!("RCPT TO:<{local}@example.org>")), 250, "{}", peer.transcript());
        // A text line of 1000 octets, stuffing not counted, and 64 KiB of them.
        let line = [vec![b'.'; 998], b"\r\n".to_vec()].concat();
        let message = [b"Subject: x\r\n\r\n".to_vec(), line.repeat(66)].concat();
        assert_eq!(data(&mut peer, &dotted(&message), 1)[0].code, 250);
        // A command line of 512 octets.
        let command = format!("NOOP {}", "x".repeat(505));
        assert_eq!(command.len() + 2, 512);
        assert_eq!(peer.code(&command), 250, "{}", peer.transcript());
        assert_eq!(peer.code("QUIT"), 221);
        let stored = server.retrieve_all(&local).remove(0);
        assert!(without_trace(&stored, &message) == message);
    });
}

#[test]
fn r5321_4_5_3_1_1_a_hundred_recipients_are_taken() {
    Case::new().run(|server| {
        let mut peer = server.lmtp();
        assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250);
        for _ in 0..50 {
            assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
            assert_eq!(peer.code("RCPT TO:<bob@example.org>"), 250);
        }
        for reply in data(&mut peer, &dotted(MESSAGE), 100) {
            assert_eq!(reply.code, 250);
        }
        assert_eq!(peer.code("QUIT"), 221);
    });
}

#[test]
fn r5321_4_5_3_1_1_what_is_longer_is_refused_cleanly() {
    Case::new().run(|server| {
        let mut peer = server.lmtp();
        let code = peer.code(&format!("NOOP {}", "x".repeat(20_000)));
        assert!(code == 250 || (500..600).contains(&code), "{code}");
        assert_eq!(peer.code("NOOP"), 250);
        let code = peer.code(&format!("MAIL FROM:<{}@example.org>", "l".repeat(3000)));
        assert!(code == 250 || (500..600).contains(&code), "{code}");
        assert_eq!(peer.code("RSET"), 250);
    });
}

#[test]
fn r5321_4_5_3_1_10_1_too_many_recipients_are_452() {
    let case = Case::new().site(|setup| setup.recipients_max = Some(100));
    case.dovecot_not_asked("it has no such limit").run(|server| {
        let mut peer = transaction(server, &["alice"; 100]);
        let reply = peer.ask("RCPT TO:<bob@example.org>");
        assert_eq!(reply.code, 452, "{reply:?}");
        for reply in data(&mut peer, &dotted(MESSAGE), 100) {
            assert_eq!(reply.code, 250);
        }
        assert_eq!(peer.code("QUIT"), 221);
        assert!(!server.retrieve_all("alice").is_empty());
        assert!(server.retrieve_all("bob").is_empty());
    });
}

#[test]
fn r5321_2_4_1_verbs_have_no_case_and_paths_keep_theirs() {
    Case::new().run(|server| {
        let mut peer = server.lmtp_fresh();
        assert_eq!(peer.code("lhlo judge.example.org"), 250);
        assert_eq!(peer.code("mail from:<SendER@Example.ORG>"), 250);
        assert_eq!(peer.code("rCPT tO:<Alice@Example.ORG>"), 250);
        assert_eq!(data(&mut peer, &dotted(MESSAGE), 1)[0].code, 250);
        assert_eq!(peer.code("quit"), 221);
        let stored = String::from_utf8(server.retrieve_all("alice").remove(0)).unwrap();
        assert!(stored.starts_with("Return-Path: <SendER@Example.ORG>\r\n"), "{stored}");
    });
}

#[test]
fn r5321_6_1_1_a_message_is_answered_whatever_others_do() {
    Case::new().run(|server| {
        // Others are in the middle of theirs, for the same recipient; one never goes on.
        let mut others: Vec<_> = (0..5).map(|_| transaction(server, &["alice", "bob"])).collect();
        for peer in &mut others {
            assert_eq!(peer.code("DATA"), 354);
            peer.send(b"Subject: slow\r\n\r\nhalf of a li");
        }
        let mut peer = transaction(server, &["alice"]);
        assert_eq!(data(&mut peer, &dotted(MESSAGE), 1)[0].code, 250);
        let mut other = others.pop().unwrap();
        other.send(b"ne\r\n.\r\n");
        assert_eq!(other.reply().code, 250);
        assert_eq!(other.reply().code, 250);
        drop(others);
        assert_eq!(server.retrieve_all("alice").len(), 2);
        assert_eq!(server.retrieve_all("bob").len(), 1);
    });
}
