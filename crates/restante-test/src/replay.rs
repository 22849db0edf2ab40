//! Sessions of real clients, kept as files and replayed against a server: `tests/interop/transcripts/*.pop3`.
//!
//! ```text
//! # Which client, which version, and where the shape is known from.
//! #! over plain stls implicit
//! #! left 2 3
//! S: +OK{any}
//! C: CAPA
//! S: {lines}
//! stls> C: STLS
//! stls> S: +OK{any}
//! stls> TLS
//! C: RETR 1
//! C+ RETR 2
//! S: {retr 1}
//! S: {retr 2}
//! ```
//! - `C:` begins a write of the client and `C+` adds a line to it, so that pipelining is replayed as it was cut. In it
//!   `{apop}` stands for the digest that the greeting and the password "secret" make.
//! - `S:` is what the server must say: a line, where `{any}` and `{number}` stand for what [`crate::transcript::fits`] says;
//!   or, as a whole reply with its lines, `{lines}`, `{scan 1 3}` and `{ids 1 3}` (listings of just these messages), `{retr 1}`,
//!   `{top 1 20}`, and `{refusal or lines}` for what a server may know or not.
//! - `TLS` is the handshake. `AGAIN` is the end of the connection and the client's next one. A line behind `plain>`, `stls>`, `implicit>` or `tls>` (both of these) belongs to that way alone.
//! - `#! over` names the ways the client can go, `#! left` the messages that are still there afterwards (all, when it is
//!   missing; `#! left` alone is none), `#! apop` asks for accounts that can log in by APOP, and `#! pop3` gives a line for
//!   Restante's `[pop3]`.
//!
//! Behind the last line the server must close the connection. The maildrop of alice holds [`messages`].

use md5::{Digest as _, Md5};

use crate::mail::{canonical, dotted, numbered};
use crate::peer::Peer;
use crate::real::Server;
use crate::transcript::{fits, is_number};

/// How a client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In clear.
    Plain,
    /// In clear, then STLS.
    Stls,
    /// TLS from the first octet.
    Implicit,
}

/// How what the client writes reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Each write as it was.
    AsWritten,
    /// Each octet alone.
    Octets,
}

/// One file.
#[derive(Debug)]
pub struct Recording {
    /// The ways the client can go.
    pub ways: Vec<Way>,
    /// The messages that are there afterwards, from 1.
    pub left: Vec<usize>,
    /// Whether it needs accounts that can log in by APOP.
    pub apop: bool,
    /// Lines for `[pop3]` of Restante's configuration.
    pub pop3: Vec<String>,
    acts: Vec<(Vec<Way>, Act)>,
}

#[derive(Debug)]
enum Act {
    /// Lines written at once.
    Write(Vec<String>),
    Hear(String),
    Tls,
    Again,
}

/// The maildrop that every recording meets: three messages, the second with lines that begin with dots, the third longer than
/// the 20 lines that some clients ask for.
#[must_use]
pub fn messages() -> Vec<Vec<u8>> {
    let dots = [numbered(2, 2), b".\n..\n.x\n".to_vec()].concat();
    vec![numbered(1, 3), dots, numbered(3, 40)]
}

impl Recording {
    /// Reads a file's text.
    ///
    /// # Panics
    /// When a line is none of those above.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let all = (1..=messages().len()).collect();
        let mut recording =
            Self { ways: Vec::new(), left: all, apop: false, pop3: Vec::new(), acts: Vec::new() };
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(setting) = line.strip_prefix("#! ") {
                recording.set(setting);
            } else if !line.starts_with('#') {
                recording.add(line);
            }
        }
        assert!(!recording.ways.is_empty(), "a recording says over what it goes");
        recording
    }

    fn set(&mut self, setting: &str) {
        let mut words = setting.split(' ').filter(|word| !word.is_empty());
        match words.next() {
            Some("over") => self.ways = words.flat_map(ways).collect(),
            Some("left") => self.left = words.map(|word| word.parse().expect("a number")).collect(),
            Some("apop") => self.apop = true,
            Some("pop3") => self.pop3.push(words.collect::<Vec<_>>().join(" ")),
            other => panic!("{other:?} is no setting of a recording"),
        }
    }

    fn add(&mut self, line: &str) {
        let every = vec![Way::Plain, Way::Stls, Way::Implicit];
        let (on, line) = match line.split_once("> ") {
            Some((way, rest)) if !line.starts_with(['C', 'S']) => (ways(way), rest),
            _ => (every, line),
        };
        let act = match (line.get(..2), line.get(3..).unwrap_or_default()) {
            (Some("C:"), said) => Act::Write(vec![said.to_owned()]),
            (Some("C+"), said) => {
                let Some((before, Act::Write(lines))) = self.acts.last_mut() else {
                    panic!("{line:?} adds to no write")
                };
                assert_eq!(*before, on, "{line:?} and the write it adds to go different ways");
                lines.push(said.to_owned());
                return;
            }
            (Some("S:"), heard) => Act::Hear(heard.to_owned()),
            _ if line == "TLS" => Act::Tls,
            _ if line == "AGAIN" => Act::Again,
            _ => panic!("{line:?} is no line of a recording"),
        };
        self.acts.push((on, act));
    }

    /// Replays the session of alice.
    ///
    /// # Panics
    /// When the server says anything else than what the recording allows, with the dialogue so far.
    pub fn replay(&self, server: &Server, way: Way, cut: Cut) {
        let connect = || match way {
            Way::Implicit => Peer::connect_tls(server.pop3s_address()),
            Way::Plain | Way::Stls => Peer::connect(server.pop3_address()),
        };
        let mut peer = connect();
        let mut greeting = None;
        for (_, act) in self.acts.iter().filter(|(on, _)| on.contains(&way)) {
            match act {
                Act::Tls => peer.start_tls(),
                Act::Again => {
                    end(&mut peer);
                    (peer, greeting) = (connect(), None);
                }
                Act::Hear(pattern) => {
                    let first = hear(&mut peer, pattern);
                    greeting.get_or_insert(first);
                }
                Act::Write(lines) => {
                    let digest = greeting.as_deref().map(apop_digest).unwrap_or_default();
                    let octets: String =
                        lines.iter().map(|line| line.replace("{apop}", &digest) + "\r\n").collect();
                    match cut {
                        Cut::AsWritten => peer.send(octets.as_bytes()),
                        Cut::Octets => octets.as_bytes().chunks(1).for_each(|octet| peer.send(octet)),
                    }
                }
            }
        }
        end(&mut peer);
    }
}

/// The server must close, and say nothing more before it does.
fn end(peer: &mut Peer) {
    let rest = peer.rest();
    assert!(rest.is_empty(), "more than was asked for\n{}", peer.transcript());
}

fn ways(word: &str) -> Vec<Way> {
    match word {
        "plain" => vec![Way::Plain],
        "stls" => vec![Way::Stls],
        "implicit" => vec![Way::Implicit],
        "tls" => vec![Way::Stls, Way::Implicit],
        _ => panic!("{word:?} is no way to connect"),
    }
}

/// Reads a whole reply and compares it; its first line comes back.
fn hear(peer: &mut Peer, pattern: &str) -> String {
    let inner = pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let mut words = inner.unwrap_or_default().split(' ');
    let kind = words.next().unwrap_or_default();
    let numbers: Vec<usize> = words.filter_map(|word| word.parse().ok()).collect();
    let first = String::from_utf8_lossy(&peer.line()).into_owned();
    let is_kind = ["lines", "scan", "ids", "retr", "top", "refusal"].contains(&kind);
    let head = if is_kind { "+OK{any}" } else { pattern };
    if kind == "refusal" && fits("-ERR{any}", &first) {
        return first;
    }
    assert!(fits(head, &first), "wanted {pattern:?}, got {first:?}\n{}", peer.transcript());
    match (kind, numbers.as_slice()) {
        ("lines" | "refusal", _) => _ = peer.lines(),
        ("scan", wanted) => {
            let octets = |number: usize| canonical(&message(number)).len();
            let wanted: Vec<String> =
                wanted.iter().map(|&number| format!("{number} {}", octets(number))).collect();
            assert_eq!(text(peer), wanted, "{}", peer.transcript());
        }
        ("ids", wanted) => {
            let found = text(peer);
            let numbers: Vec<&str> =
                found.iter().filter_map(|line| line.split_once(' ')).map(|(n, _)| n).collect();
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            assert_eq!(numbers, wanted, "{}", peer.transcript());
            assert!(numbers.iter().all(|number| is_number(number)));
        }
        ("retr", &[number]) => same(peer, &canonical(&message(number))),
        ("top", &[number, lines]) => same(peer, &top(&canonical(&message(number)), lines)),
        _ => {}
    }
    first
}

fn message(number: usize) -> Vec<u8> {
    messages().swap_remove(number - 1)
}

fn text(peer: &mut Peer) -> Vec<String> {
    peer.lines().iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

/// Compares what comes, byte-stuffed and with its terminator, with a message.
fn same(peer: &mut Peer, message: &[u8]) {
    let wanted = dotted(message);
    let found = [peer.body(), b".\r\n".to_vec()].concat();
    assert_eq!(found.escape_ascii().to_string(), wanted.escape_ascii().to_string(), "{}", peer.transcript());
}

/// The header, the empty line and so many lines of the body.
fn top(message: &[u8], lines: usize) -> Vec<u8> {
    let mut left = None;
    let mut top = Vec::new();
    for line in message.split_inclusive(|&octet| octet == b'\n') {
        if left == Some(0) {
            break;
        }
        top.extend_from_slice(line);
        left = match left {
            None if line == b"\r\n" => Some(lines),
            other => other.map(|left| left - 1),
        };
    }
    top
}

/// What APOP wants for the password "secret"; nothing when the greeting has no timestamp.
fn apop_digest(greeting: &str) -> String {
    let timestamp =
        greeting.find('<').zip(greeting.rfind('>')).and_then(|(from, to)| greeting.get(from..=to));
    let Some(timestamp) = timestamp else { return String::new() };
    Md5::digest(format!("{timestamp}secret")).iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_read() {
        let recording = Recording::parse(
            "# curl\n#! over plain tls\n#! left 2\nS: +OK{any}\nC: RETR 1\nC+ QUIT\nstls> TLS\ntls> C: CAPA > x\n",
        );
        assert_eq!(recording.ways, [Way::Plain, Way::Stls, Way::Implicit]);
        assert_eq!((recording.left.as_slice(), recording.acts.len()), (&[2][..], 4));
        assert!(matches!(&recording.acts[1].1, Act::Write(lines) if *lines == ["RETR 1", "QUIT"]));
        assert_eq!(recording.acts[2].0, [Way::Stls]);
        assert!(matches!(&recording.acts[3].1, Act::Write(lines) if *lines == ["CAPA > x"]));
    }

    #[test]
    fn a_top_ends_where_it_should() {
        let message = canonical(&message(2));
        assert!(top(&message, 0).ends_with(b"\r\n\r\n"));
        assert!(top(&message, 3).ends_with(b"line 2\r\n.\r\n"));
        assert_eq!(top(&message, 99_999_999), message);
    }

    #[test]
    fn the_digest_is_that_of_rfc_1939() {
        // RFC 1939 section 7 with another password.
        let greeting = "+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>";
        assert_eq!(apop_digest(greeting).len(), 32);
        assert_eq!(apop_digest("+OK hello"), "");
    }
}
