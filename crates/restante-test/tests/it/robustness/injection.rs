//! What a peer, a file or a message says never becomes somebody else's words: commands in front of a handshake, lines of an answer,
//! fields of a header, fields of another protocol.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use restante_test::mail::numbered;
use restante_test::peer::{Peer, base64};
use restante_test::wait;

use super::ours;

fn listen(protocol: &str, more: &str) -> String {
    format!("[[listen]]\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:0\"\n{more}")
}

#[test]
fn nothing_before_the_handshake_of_pop3_outlives_it() {
    ours().mail("alice", vec![numbered(1, 1)]).run(|server| {
        // In one write with STLS, before and behind it: a name, a language, a login, whole commands and a half one.
        for behind in [
            "PASS secret\r\nSTAT\r\n",
            "AUTH PLAIN\r\n",
            "QUI",
            "UTF8\r\nUSER alice\r\nPASS secret\r\nQUIT\r\n",
        ] {
            let mut peer = server.pop3();
            peer.send(format!("LANG de\r\nUSER alice\r\nSTLS\r\n{behind}").as_bytes());
            for _ in 0..3 {
                assert!(peer.status().starts_with("+OK"), "{}", peer.transcript());
            }
            if peer.try_start_tls(rustls::ALL_VERSIONS).is_err() {
                continue;
            }
            let refused = peer.err("PASS secret");
            assert!(!refused.contains("zuerst"), "in the language of before: {}", peer.transcript());
            peer.err("STAT");
            peer.login("alice", "secret");
            assert!(peer.ok("STAT").starts_with("+OK 1 "));
            peer.ok("QUIT");
            peer.end();
        }
    });
}

#[test]
fn nothing_before_the_handshake_of_lmtp_outlives_it() {
    let listener = listen("lmtp", "tls = \"starttls\"");
    ours().restante("auth.source", &listener).run(|server| {
        let envelope = "MAIL FROM:<evil@example.net>\r\nRCPT TO:<alice@example.org>\r\n";
        let message = format!("{envelope}DATA\r\nSubject: injected\r\n\r\n.\r\n");
        for behind in ["", &message, &format!("LHLO evil.example.net\r\n{message}"), "MAI"] {
            let mut peer = Peer::connect(server.listener_on_loopback());
            assert_eq!(peer.reply().code, 220);
            peer.send(format!("LHLO evil.example.net\r\nSTARTTLS\r\n{behind}").as_bytes());
            let codes: Vec<u16> = (0..2).map(|_| peer.reply().code).collect();
            assert_eq!(codes, [250, 220], "{}", peer.transcript());
            if peer.try_start_tls(rustls::ALL_VERSIONS).is_err() {
                assert!(!behind.is_empty(), "a handshake with nothing before it");
                continue;
            }
            // Neither the envelope is there nor the name.
            assert!(peer.code("DATA") >= 500, "{}", peer.transcript());
            assert!(peer.code("RCPT TO:<alice@example.org>") >= 500, "{}", peer.transcript());
            assert!(peer.code("MAIL FROM:<a@example.org>") >= 500, "{}", peer.transcript());
            assert_eq!(peer.code("LHLO mx.example.org"), 250);
            assert!(peer.code("STARTTLS") >= 500);
            assert_eq!(peer.code("MAIL FROM:<a@example.org>"), 250);
            assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
            assert_eq!(peer.code("DATA"), 354);
            peer.send(b"Subject: x\r\n\r\nbody\r\n.\r\n");
            assert_eq!(peer.reply().code, 250);
            assert_eq!(peer.code("QUIT"), 221);
        }
        let mail = server.retrieve_all("alice");
        assert!(!mail.is_empty());
        for message in mail {
            let text = String::from_utf8_lossy(&message).into_owned();
            assert!(text.contains("from mx.example.org") && !text.contains("injected"), "{text}");
        }
        assert!(server.retrieve_all("bob").is_empty());
    });
}

#[test]
fn octets_between_a_proxy_header_and_tls_are_never_commands() {
    const HEADER: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 995\r\n";
    let listener = listen("pop3", "tls = \"implicit\"\nproxy_from = [\"127.0.0.1\"]");
    ours().restante("auth.source", &listener).run(|server| {
        for between in [&b"USER alice\r\nPASS secret\r\n"[..], b"QUIT\r\n", b"PROXY UNKNOWN\r\n"] {
            let mut peer = Peer::connect(server.listener_on_loopback());
            peer.send(&[HEADER, between].concat());
            if peer.try_start_tls(rustls::ALL_VERSIONS).is_ok() {
                panic!("a handshake behind {}", between.escape_ascii());
            }
        }
        let mut peer = Peer::connect(server.listener_on_loopback());
        peer.send(HEADER);
        peer.start_tls();
        peer.greeting();
        peer.err("PASS secret");
        peer.login("alice", "secret");
        peer.ok("QUIT");
        peer.end();
        wait::until("the sessions in the log", || {
            let log = server.log();
            let failed = log.lines().filter(|line| line.contains("TLS handshake failed"));
            failed.count() == 3 && log.contains("peer=192.0.2.1:56324 account=alice")
        });
    });
}

#[test]
fn a_mail_server_hears_one_line_for_each_login_whatever_its_client_types() {
    ours().restante("auth.source", &listen("sasl", "")).run(|server| {
        let mut peer = Peer::connect(server.listener_on_loopback());
        peer.send(b"VERSION\t1\t1\nCPID\t4711\n");
        let mut line = String::new();
        let mut read = |peer: &mut Peer| {
            line.clear();
            while !line.ends_with('\n') {
                line.push(char::from(peer.octets(1)[0]));
            }
            line.trim_end_matches('\n').to_owned()
        };
        while read(&mut peer) != "DONE" {}
        let users = [
            "x\nOK\t9\tuser=alice",
            "x\tuser=alice",
            "x\r\nOK\t1\tuser=alice",
            "\x01nOK\x01t1",
            "x\u{85}\u{2028}y",
        ];
        for (id, user) in (1..).zip(users) {
            let resp = base64(format!("\0{user}\0secret").as_bytes());
            peer.send(format!("AUTH\t{id}\tPLAIN\tservice=smtp\tsecured\tresp={resp}\n").as_bytes());
            let answer = read(&mut peer);
            assert!(answer.starts_with(&format!("FAIL\t{id}")), "{answer:?}");
            assert!(answer.split('\t').skip(2).all(|field| field.starts_with("user=")), "{answer:?}");
            assert!(answer.split('\t').count() <= 3, "{answer:?}");
        }
        let resp = base64(b"\0alice\0secret");
        peer.send(format!("AUTH\t7\tPLAIN\tservice=smtp\tsecured\tresp={resp}\n").as_bytes());
        assert_eq!(read(&mut peer), "OK\t7\tuser=alice");
    });
}

/// What a file name, a subject or a header may hold.
const NASTY: &[&[u8]] = &[
    b"a\r\n+OK injected",
    b"a\n.\n",
    b"\x1b[2J\x9b\x85",
    b"a b\tc",
    b"\xe2\x80\xae\xe2\x80\xa8",
    b"\xff\xfe",
    b"\x01\x7f",
];

#[test]
fn unique_ids_of_files_with_any_name_keep_to_their_lines() {
    ours().mail("alice", vec![numbered(1, 1)]).run(|server| {
        for (number, name) in (0..).zip(NASTY) {
            let name = [format!("170000001{number}.").as_bytes(), name].concat();
            let file = server.site().maildrop("alice").join("new").join(OsStr::from_bytes(&name));
            fs::write(file, b"Subject: x\n\nbody\n").unwrap();
        }
        let mut peer = server.login("alice");
        let listed = peer.list("UIDL");
        assert_eq!(listed.len(), NASTY.len() + 1);
        for (number, line) in (1..).zip(&listed) {
            let id = line.strip_prefix(&format!("{number} ")).unwrap_or_else(|| panic!("{line:?}"));
            assert!(
                (1..=70).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_graphic()),
                "{line:?}"
            );
            assert_eq!(peer.ok(&format!("UIDL {number}")), format!("+OK {line}"));
            peer.message(&format!("RETR {number}"));
        }
        assert_eq!(peer.list("LIST").len(), listed.len());
        peer.ok("QUIT");
        peer.end();
    });
}

#[test]
fn a_listed_header_is_one_line_of_text_whatever_a_sender_writes() {
    let mut messages: Vec<Vec<u8>> =
        NASTY.iter().map(|nasty| [b"Subject: S ", *nasty, b"\nX: y\n\nbody\n"].concat()).collect();
    messages.push(b"Subject: folded\n\t.\n +OK\n .\n\nbody\n".to_vec());
    messages.push(b"Subject:\n.\n\nbody\n".to_vec());
    messages.push(b"Subject: a\0b\n\nbody\n".to_vec());
    let count = messages.len();
    ours().restante("pop3", "xlst = true").mail("alice", messages).run(|server| {
        let mut peer = server.login("alice");
        peer.ok("XTND XLST Subject");
        let lines = peer.lines();
        assert!(lines.len() <= count, "{}", peer.transcript());
        for line in &lines {
            let shown = line.escape_ascii();
            let number = line.split(|&octet| octet == b' ').next().unwrap();
            assert!(!number.is_empty() && number.iter().all(u8::is_ascii_digit), "{shown}");
            assert!(!line.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n')), "{shown}");
        }
        peer.ok("NOOP");
        peer.ok("QUIT");
        peer.end();
    });
}

#[test]
fn an_envelope_writes_no_header_field_but_its_own() {
    ours().run(|server| {
        let senders = [
            "<\"a b> x\"@example.net>",
            "<\"a\\\"b\"@example.net>",
            "<\"a\0b\"@example.net>",
            "<\"a\rBcc: x\"@example.net>",
            "<a@example.net\tX: y>",
            "<\"\u{9b}31m\u{202e}\"@example.net> SMTPUTF8",
            "<\"Subject: forged\"@example.net>",
            "<a@[IPv6:::1]>",
            "<@x,@y:a@example.net>",
            "<a@example.net> BODY=8BITMIME\tX",
            "<\"\\\n\"@example.net>",
        ];
        let names = [
            "mx\tby evil",
            "mx;evil",
            "(mx",
            "\"mx\"",
            "mx\rReceived: x",
            "\u{202e}mx",
            "[192.0.2.1]",
            "mx\0",
        ];
        let recipients =
            ["alice", "alice+\"x\ty\"", "\"alice\"", "alice\r\n", "alice+a\u{202e}b", "alice\tX: y"];
        let mut taken = 0;
        for (at, sender) in senders.iter().enumerate() {
            let mut peer = server.lmtp_fresh();
            let name = names[at % names.len()];
            if peer.code(&format!("LHLO {name}")) != 250 {
                peer.ask("LHLO mx.example.org");
            }
            if peer.code(&format!("MAIL FROM:{sender}")) != 250 {
                continue;
            }
            let is_known =
                |recipient: &&&str| peer.code(&format!("RCPT TO:<{recipient}@example.org>")) == 250;
            let accepted = recipients[at % recipients.len()..].iter().take(1).filter(is_known).count();
            if accepted == 0 && peer.code("RCPT TO:<alice@example.org>") != 250 {
                continue;
            }
            assert_eq!(peer.code("DATA"), 354);
            peer.send(b"Subject: true\r\n\r\nbody\r\n.\r\n");
            assert_eq!(peer.reply().code, 250, "{}", peer.transcript());
            taken += 1;
        }
        assert!(taken > 3, "some of these are addresses");
        let mail = server.retrieve_all("alice");
        assert_eq!(mail.len(), taken);
        for message in mail {
            let text = String::from_utf8_lossy(&message).into_owned();
            let names: Vec<&str> = text
                .split("\r\n")
                .take_while(|line| !line.is_empty())
                .filter(|line| !line.starts_with(['\t', ' ']))
                .map(|line| line.split(':').next().unwrap())
                .collect();
            assert_eq!(names, ["Return-Path", "Delivered-To", "Received", "Subject"], "{text:?}");
            let header = text.split("\r\n\r\n").next().unwrap();
            let hidden = header
                .replace("\r\n", "")
                .chars()
                .find(|letter| letter.is_ascii_control() && *letter != '\t');
            assert_eq!(hidden, None, "{header:?}");
        }
    });
}
