//! No peer forges a line of the log, in neither of its forms: one event a line, which can be read back, and nothing that steers the
//! terminal of who looks at it. Every field that a peer chooses is filled with what would.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use restante_test::judge::Case;
use restante_test::mail::numbered;
use restante_test::peer::{Peer, base64};
use restante_test::real::Server;
use restante_test::wait;

use super::ours;

/// As it can stand in a line of a protocol: with ESC, NUL, a forged event, U+202E, U+2028, and lone octets of C1 that are no UTF-8.
const NASTY: &[u8] = b"N\x1b[2J\0\x07\" event=forged \\\xe2\x80\xae\xe2\x80\xa8\xc2\x85\x85\x9b\xff";
/// The same as letters: what is no text is refused by many before anybody looks at it.
const TEXT: &[u8] = "N\u{1b}[2J\u{7}\"=event=forged\\\u{202e}\u{2028}\u{85}\u{9b}\u{e0041}".as_bytes();
/// The same where lines can stand too: in what is said in base64.
const LINES: &[u8] = b"N\r\ntime=x level=info event=forged\r\n{\"event\":\"forged\"}\n\x1b[2J\xe2\x80\xae";

fn case(format: &str) -> Case {
    let listen = |protocol: &str, more: &str| {
        format!("[[listen]]\nprotocol = \"{protocol}\"\naddress = \"unix:@ROOT@/{protocol}.sock\"\n{more}\n")
    };
    let mechanisms = "mechanisms = [\"PLAIN\", \"LOGIN\", \"CRAM-MD5\", \"SCRAM-SHA-256\", \"ANONYMOUS\"]\nanonymous = \"bob\"\nfail_delay_s = 0";
    let listeners = [
        listen("sasl", ""),
        listen("pop2", "tls = \"off\""),
        "[[listen]]\nprotocol = \"pop3\"\naddress = \"127.0.0.1:0\"\nproxy_from = [\"127.0.0.1\"]\n"
            .to_owned(),
    ];
    ours()
        .site(|setup| setup.apop = true)
        .restante("auth", mechanisms)
        .restante("auth.source", &listeners.concat())
        .restante("defence", "penalty_max_s = 0")
        .restante("log", &format!("format = \"{format}\"\ndeletions = true\ntarget = \"file\"\npath = \"@ROOT@/events\""))
        .restante("submission", "spool_dir = \"@ROOT@\"\ncommand = [\"/bin/sh\", \"-c\", \"cat >/dev/null; printf 'no\\\\033[2J\\\\233\\\\n' >&2; exit 67\"]")
        .mail("alice", vec![numbered(1, 1), [b"Message-ID: <", NASTY, b"@x>\nSubject: ", NASTY, b"\n\nx\n"].concat()])
}

fn site(server: &Server, name: &str) -> PathBuf {
    server.site().path().join(name)
}

fn proxied(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("listening") && line.contains("127.0.0.1:"))?;
    let (_, address) = line.split_once("127.0.0.1:")?;
    let port: String = address.chars().take_while(char::is_ascii_digit).collect();
    format!("127.0.0.1:{port}").parse().ok()
}

/// Sends a line of octets and reads whatever line comes back.
fn ask(peer: &mut Peer, pieces: &[&[u8]]) -> Option<Vec<u8>> {
    peer.send(&[&pieces.concat()[..], b"\r\n"].concat());
    peer.try_line()
}

fn speak_pop3(server: &Server) {
    for user in [NASTY, TEXT] {
        let mut peer = server.pop3();
        ask(&mut peer, &[b"USER ", user]);
        ask(&mut peer, &[b"PASS ", user]);
    }
    let mut peer = server.pop3();
    ask(&mut peer, &[b"APOP ", TEXT, b" 0123456789abcdef0123456789abcdef"]);
    ask(&mut peer, &[NASTY]);
    ask(&mut peer, &[b"LANG ", NASTY]);
    for user in [NASTY, TEXT, LINES] {
        let mut peer = server.pop3();
        let plain = base64(&[b"\0", user, b"\0wrong"].concat());
        ask(&mut peer, &[b"AUTH PLAIN ", plain.as_bytes()]);
        ask(&mut peer, &[b"AUTH ANONYMOUS ", base64(user).as_bytes()]);
        ask(&mut peer, &[b"AUTH LOGIN"]);
        ask(&mut peer, &[base64(user).as_bytes()]);
        ask(&mut peer, &[base64(b"wrong").as_bytes()]);
        ask(&mut peer, &[b"AUTH CRAM-MD5"]);
        let digest = [user, b" 0123456789abcdef0123456789abcdef"].concat();
        ask(&mut peer, &[base64(&digest).as_bytes()]);
        let first = [b"n,,n=", user, b",r=abcdefghij"].concat();
        ask(&mut peer, &[b"AUTH SCRAM-SHA-256 ", base64(&first).as_bytes()]);
    }
    let mut peer = server.login("alice");
    ask(&mut peer, &[b"XTND XMIT"]);
    ask(
        &mut peer,
        &[
            b"From: ",
            NASTY,
            b" <alice@example.org>\r\nTo: bob@example.org\r\nSubject: ",
            NASTY,
            b"\r\n\r\nx\r\n.",
        ],
    );
    peer.ok("DELE 2");
    peer.ok("QUIT");
    peer.end();
}

fn speak_the_rest(server: &Server) {
    let mut peer = server.lmtp_fresh();
    for command in [&b"LHLO "[..], b"MAIL FROM:<", b"RCPT TO:<", b"VRFY "] {
        ask(&mut peer, &[command, NASTY, b">"]);
    }
    let mut peer = server.lmtp();
    ask(
        &mut peer,
        &[b"MAIL FROM:<\"", "a\u{9b}\u{202e}\u{2028} event=forged".as_bytes(), b"\"@example.net> SMTPUTF8"],
    );
    peer.code("RCPT TO:<alice+x=forged@example.org>");
    assert_eq!(peer.code("DATA"), 354);
    peer.send(&[b"Subject: ", NASTY, b"\r\n\r\nx\r\n.\r\n"].concat());
    peer.reply();
    let mut peer = Peer::connect_unix(&site(server, "pop2.sock"));
    peer.line();
    ask(&mut peer, &[b"HELO ", NASTY, b" ", NASTY]);
    let mut peer = Peer::connect_unix(&site(server, "pop2.sock"));
    peer.line();
    ask(&mut peer, &[b"HELO N\x1b[2J\xe2\x80\xae wrong"]);
    let mut peer = Peer::connect_unix(&site(server, "sasl.sock"));
    peer.send(b"VERSION\t1\t1\nCPID\t4711\n");
    let service = "service=smtp\u{1b}[2J\u{202e} event=forged\u{85}";
    for (id, user, password) in [(1, NASTY, "x"), (2, LINES, "x"), (3, TEXT, "x"), (4, b"alice", "secret")] {
        let plain = base64(&[b"\0", user, b"\0", password.as_bytes()].concat());
        peer.send(format!("AUTH\t{id}\tPLAIN\t{service}\tsecured\tresp={plain}\n").as_bytes());
    }
    // The answers to those that failed come late; what breaks the protocol ends it.
    let mut answers = Vec::new();
    while answers
        .iter()
        .filter(|line: &&Vec<u8>| line.starts_with(b"FAIL") || line.starts_with(b"OK"))
        .count()
        < 4
    {
        let mut line = peer.octets(1);
        while line.last() != Some(&b'\n') {
            line.extend(peer.octets(1));
        }
        answers.push(line);
    }
    peer.send(&[b"AUTH\t5\tPLAIN\trip=", NASTY, b"\tservice=", NASTY, b"\n"].concat());
    let _ = peer.try_send(&[b"NONSENSE\t", NASTY, b"\n"].concat());
    peer.rest();
    let address = wait::some("the listener behind a proxy", || {
        proxied(&fs::read_to_string(site(server, "events")).unwrap())
    });
    for header in [&b"PROXY TCP4 "[..], b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n\x21\x11"] {
        let mut peer = Peer::connect(address);
        let _ = peer.try_send(&[header, NASTY, b"\r\n"].concat());
        peer.half_close();
        peer.rest();
    }
}

/// All that all peers could do, and the log with it. The last session of all is in it when all others are.
fn log_of(format: &str, server: &mut Server) -> String {
    speak_pop3(server);
    speak_the_rest(server);
    server.stop();
    let log = fs::read(site(server, "events")).unwrap();
    let log = String::from_utf8(log).unwrap_or_else(|error| panic!("{format}: {error}"));
    let hidden = |letter: char| {
        letter != '\n'
            && (letter.is_control()
                || matches!(u32::from(letter), 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff))
    };
    for line in log.lines() {
        assert_eq!(line.chars().find(|&letter| hidden(letter)), None, "{line:?}");
    }
    log
}

/// Events by name. Those that nobody but us can have written are known.
fn judge(events: &BTreeMap<String, usize>) {
    assert!(!events.contains_key("forged"), "{events:?}");
    for (event, least) in [
        ("auth_failed", 7),
        ("session", 10),
        ("delivered", 1),
        ("deleted", 1),
        ("authenticated", 1),
        ("proxy_refused", 3),
        ("not_submitted", 1),
    ] {
        assert!(events.get(event).copied().unwrap_or(0) >= least, "{event}: {events:?}");
    }
}

#[test]
fn no_peer_forges_a_line_of_the_log() {
    case("logfmt").run(|server| {
        let log = log_of("logfmt", server);
        let mut events = BTreeMap::new();
        for line in log.lines() {
            let fields = logfmt(line).unwrap_or_else(|| panic!("{line:?} cannot be read back"));
            let keys: Vec<&str> = fields.iter().map(|(key, _)| key.as_str()).collect();
            assert_eq!(keys.get(..3), Some(&["time", "level", "event"][..]), "{line:?}");
            assert_eq!(keys.iter().filter(|key| **key == "event").count(), 1, "{line:?}");
            *events.entry(fields[2].1.clone()).or_default() += 1;
        }
        judge(&events);
        assert!(log.contains("user=\"N\\u001b[2J"), "what was typed is there, escaped: {log}");
    });
}

#[test]
fn no_peer_forges_a_line_of_the_log_as_json() {
    case("json").run(|server| {
        let log = log_of("json", server);
        let mut events = BTreeMap::new();
        for line in log.lines() {
            let event: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
            assert_eq!(line.matches("\"event\":").count(), 1, "{line:?}");
            *events.entry(event["event"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        judge(&events);
    });
}

/// A line of logfmt as those read it who did not write it: `key=word` or `key="text"` with backslashes, one space between.
fn logfmt(line: &str) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (key, after) = rest.split_once('=')?;
        if key.is_empty() || !key.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_') {
            return None;
        }
        let (value, after) = match after.strip_prefix('"') {
            None => {
                let end = after.find(' ').unwrap_or(after.len());
                let (value, after) = after.split_at(end);
                if value.is_empty() || value.contains(['"', '=', '\\']) {
                    return None;
                }
                (value.to_owned(), after)
            }
            Some(quoted) => {
                let mut value = String::new();
                let mut letters = quoted.char_indices();
                let end = loop {
                    match letters.next()? {
                        (at, '"') => break at,
                        (_, '\\') => {
                            value.push('\\');
                            value.push(letters.next()?.1);
                        }
                        (_, letter) => value.push(letter),
                    }
                };
                (value, &quoted[end + 1..])
            }
        };
        fields.push((key.to_owned(), value));
        if after.is_empty() {
            return Some(fields);
        }
        rest = after.strip_prefix(' ')?;
    }
}
