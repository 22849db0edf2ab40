//! Peers that flood, dawdle, vanish, or talk nonsense.

use std::io::Write;

use restante_test::mail::{canonical, dotted, numbered};
use restante_test::peer::Peer;
use restante_test::real::Server;
use restante_test::wait;

use super::{GROWTH_KIB_MAX, ours};

/// That the server still serves somebody else as if nothing were.
fn others_are_served(server: &Server) {
    let mut peer = server.login_when_free("bob");
    peer.ok("STAT");
    peer.ok("QUIT");
    peer.end();
    server.deliver(&["bob"], b"Subject: as ever\r\n\r\nbody\r\n");
}

fn big(octets: usize) -> Vec<u8> {
    let mut message = numbered(1, 0);
    while message.len() < octets {
        message.extend_from_slice(b"a line like any other, and there are many of them in this message\n");
    }
    message
}

#[test]
fn ten_thousand_retr_that_nobody_reads_cost_little_memory() {
    ours().mail("alice", vec![big(1_000_000)]).run(|server| {
        others_are_served(server);
        let before = server.process().resident_kib();
        // Ten gigabytes are asked for; nobody takes them.
        let mut peer = server.login("alice");
        let mut sender = peer.second_handle();
        peer.send(b"RETR 1\r\n");
        assert_eq!(peer.peek(3), b"+OK");
        // As many as the system takes: when the server stops reading, nobody must wait here.
        sender.set_nonblocking(true).unwrap();
        let _ = sender.write(&b"RETR 1\r\n".repeat(10_000));
        for _ in 0..20 {
            others_are_served(server);
        }
        let after = server.process().resident_kib();
        assert!(after < before + GROWTH_KIB_MAX, "{before} KiB before, {after} KiB after");
        drop(sender);
        peer.reset();
        assert!(server.login_when_free("alice").ok("STAT").starts_with("+OK 1 "));
    });
}

#[test]
fn a_line_without_end_costs_little_memory() {
    ours().run(|server| {
        others_are_served(server);
        let before = server.process().resident_kib();
        let chunk = vec![b'A'; 1_000_000];
        for address in [server.pop3_address(), server.lmtp_address()] {
            let mut peer = Peer::connect(address);
            for _ in 0..50 {
                if peer.try_send(&chunk).is_err() {
                    break;
                }
            }
            others_are_served(server);
            let after = server.process().resident_kib();
            assert!(after < before + GROWTH_KIB_MAX, "{before} KiB before, {after} KiB after");
            peer.reset();
        }
    });
}

#[test]
fn a_message_far_above_the_limit_costs_little_memory_and_no_disk() {
    let case = ours().site(|setup| setup.message_octets_max = Some(1_000_000));
    case.run(|server| {
        others_are_served(server);
        let before = server.process().resident_kib();
        let mut peer = server.lmtp();
        assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250);
        assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
        assert_eq!(peer.code("DATA"), 354);
        let chunk = b"a line of the message that does not want to end, ever and ever\r\n".repeat(16_000);
        for _ in 0..60 {
            peer.send(&chunk);
            let spilled: u64 = server
                .site()
                .unfinished("alice")
                .iter()
                .filter_map(|file| Some(file.metadata().ok()?.len()))
                .sum();
            assert!(spilled <= 1_100_000, "{spilled} octets on disk");
        }
        peer.send(b".\r\n");
        assert_eq!(peer.reply().code, 552);
        let after = server.process().resident_kib();
        assert!(after < before + GROWTH_KIB_MAX, "{before} KiB before, {after} KiB after");
        assert_eq!(peer.code("QUIT"), 221);
        wait::until("the delivery to be forgotten", || server.site().unfinished("alice").is_empty());
    });
}

#[test]
fn too_many_connections_from_one_address_are_told_so() {
    let limit = ("limits".to_owned(), "sessions_per_address = 20".to_owned());
    ours().site(|setup| setup.restante.push(limit)).run(|server| {
        // The one that asked for the greeting at the start may still be ending.
        let mut held: Vec<Peer> = Vec::new();
        wait::until("twenty sessions", || {
            let mut peer = Peer::connect(server.pop3_address());
            if peer.status().starts_with("+OK") {
                held.push(peer);
            }
            held.len() == 20
        });
        for _ in 0..5 {
            let mut peer = Peer::connect(server.pop3_address());
            let refusal = peer.status();
            assert!(
                refusal.starts_with("-ERR [SYS/TEMP]") || refusal.starts_with("-ERR [IN-USE]"),
                "{refusal:?}"
            );
            peer.end();
        }
        let mut peer = Peer::connect(server.lmtp_address());
        assert_eq!(peer.reply().code, 421);
        peer.end();
        // Those inside do not notice, and whoever leaves makes room.
        held[0].login("alice", "secret");
        drop(held.pop());
        wait::until("room for one", || Peer::connect(server.pop3_address()).status().starts_with("+OK"));
    });
}

#[test]
fn a_peer_that_sends_octet_by_octet_is_served_and_holds_nobody_up() {
    ours().mail("alice", vec![numbered(1, 3)]).run(|server| {
        let mut slow = server.pop3();
        for (at, octet) in b"USER alice\r\nPASS secret\r\nSTAT\r\nRETR 1\r\nQUIT\r\n".iter().enumerate() {
            slow.send(&[*octet]);
            if at % 8 == 0 {
                others_are_served(server);
            }
        }
        let all = String::from_utf8(slow.rest()).unwrap();
        assert_eq!(all.lines().filter(|line| line.starts_with("+OK")).count(), 5, "{all}");
        let mut slow = server.lmtp();
        let mut session = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n".to_vec();
        session.extend_from_slice(&dotted(&canonical(&numbered(2, 2))));
        session.extend_from_slice(b"QUIT\r\n");
        for octet in session {
            slow.send(&[octet]);
        }
        let all = String::from_utf8(slow.rest()).unwrap();
        assert_eq!(all.lines().filter(|line| line.starts_with("250 ")).count(), 3, "{all}");
        assert_eq!(server.retrieve_all("alice").len(), 2);
    });
}

#[test]
fn a_reset_in_the_middle_of_a_message_frees_the_maildrop() {
    ours().mail("alice", vec![big(20_000_000)]).run(|server| {
        for _ in 0..5 {
            let mut peer = server.login_when_free("alice");
            peer.ok("DELE 1");
            peer.ok("RSET");
            peer.ok("RETR 1");
            peer.skip(100_000);
            peer.reset();
            others_are_served(server);
        }
        // And in the middle of a delivery: nothing is left of it.
        for _ in 0..5 {
            let mut peer = server.lmtp();
            assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250);
            assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
            assert_eq!(peer.code("DATA"), 354);
            peer.send(&big(2_000_000));
            peer.reset();
        }
        wait::until("the deliveries to be forgotten", || server.site().unfinished("alice").is_empty());
        assert!(server.login_when_free("alice").ok("STAT").starts_with("+OK 1 "));
    });
}

#[test]
fn a_half_close_gets_every_answer_that_was_asked_for() {
    ours().mail("alice", vec![big(2_000_000), numbered(2, 2)]).run(|server| {
        let mut peer = server.pop3();
        peer.send(b"USER alice\r\nPASS secret\r\nRETR 1\r\nDELE 2\r\nQUIT\r\n");
        peer.half_close();
        for _ in 0..3 {
            assert!(peer.status().starts_with("+OK"));
        }
        assert_eq!(peer.body(), canonical(&big(2_000_000)));
        assert!(peer.status().starts_with("+OK"));
        assert!(peer.status().starts_with("+OK"));
        peer.end();
        assert_eq!(server.retrieve_all("alice").len(), 1);
        // LMTP too.
        let mut peer = server.lmtp_fresh();
        let mut session =
            b"LHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n".to_vec();
        session.extend_from_slice(b"Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n");
        peer.send(&session);
        peer.half_close();
        let codes: Vec<u16> = (0..6).map(|_| peer.reply().code).collect();
        assert_eq!(codes, [250, 250, 250, 354, 250, 221]);
        peer.end();
    });
}

#[test]
fn nonsense_instead_of_tls_harms_nobody() {
    ours().run(|server| {
        for nonsense in [
            &b"USER alice\r\nPASS secret\r\n"[..],
            &[0; 100],
            &[0x16, 3, 1, 0xFF, 0xFF, 1, 2, 3],
            &[0xFF; 70_000],
        ] {
            let mut peer = Peer::connect(server.pop3s_address());
            let _ = peer.try_send(nonsense);
            peer.half_close();
            let answer = peer.rest();
            assert!(!answer.starts_with(b"+OK") && !answer.starts_with(b"-ERR"), "{answer:?}");
        }
        let mut peer = server.pop3s();
        peer.login("alice", "secret");
        // TLS where POP3 is spoken: refused like any other nonsense.
        let mut peer = server.pop3();
        let _ = peer.try_send(&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0, b'\n']);
        assert!(peer.status().starts_with("-ERR"));
    });
}

#[test]
fn every_malformed_command_gets_one_refusal_and_changes_nothing() {
    ours().mail("alice", vec![numbered(1, 3), numbered(2, 3)]).run(|server| {
        let mut peer = server.login("alice");
        let before = (peer.ok("STAT"), peer.list("UIDL"));
        let commands: [&[u8]; 18] = [
            b"\0",
            b"NOOP\0",
            b"ST\0AT",
            b"RETR 1\0",
            b"RETR \xFF\xFE",
            b"DELE 1 2",
            b"DELE  1",
            b"DELE 1\t",
            b"LIST 1 ",
            b"TOP 1 1 1",
            b"UIDL 1 2",
            b"\xE4\xF6\xFC",
            b" ",
            b"DELE 00000000000000000000000000000000000000000000000000000000000000003",
            b"RETR 1;DELE 1",
            b"CAPA x y",
            b"APOP alice d41d8cd98f00b204e9800998ecf8427e",
            b"AUTH PLAIN =",
        ];
        for command in commands {
            peer.send(&[command, b"\r\n"].concat());
            assert!(peer.status().starts_with("-ERR"), "{}", command.escape_ascii());
        }
        assert_eq!((peer.ok("STAT"), peer.list("UIDL")), before);
        // A bare LF ends a command for people at a terminal; a bare CR is part of it.
        peer.send(b"STAT\nDELE 1\rNOOP\r\n");
        assert!(peer.status().starts_with("+OK 2 "));
        assert!(peer.status().starts_with("-ERR"));
        assert_eq!(peer.ok("STAT"), before.0);
    });
}

#[test]
fn a_flood_of_bad_commands_is_answered_or_cut_off() {
    ours().run(|server| {
        let mut flood = b"NOSUCHCOMMAND x\r\n".repeat(5000);
        flood.extend_from_slice(b"QUIT\r\n");
        // POP3 has a limit for them; LMTP answers them all (R5321-3.8.1).
        let mut peer = server.pop3();
        let _ = peer.try_send(&flood);
        let answers = peer.rest();
        assert!(answers.len() < 10_000, "{} octets of answers", answers.len());
        let mut peer = server.lmtp();
        let mut sender = peer.second_handle();
        std::thread::scope(|scope| {
            scope.spawn(|| sender.write_all(&flood).unwrap());
            for _ in 0..5000 {
                assert!(peer.reply().code >= 500);
            }
        });
        assert_eq!(peer.reply().code, 221);
        others_are_served(server);
    });
}
