//! The reference: what a maildrop and a session with it are, as plainly as they can be written. It shares no code with what it
//! is compared with, and knows the standards and docs/on-disk.md alone.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A message in the maildrop.
#[derive(Debug)]
pub(super) struct Message {
    /// Which message of the run it is: never the same for two.
    pub(super) serial: u64,
    /// The file's name without flags.
    pub(super) name: Vec<u8>,
    /// When it came, in seconds since 1970.
    pub(super) time: i64,
    /// The octets of the file.
    pub(super) stored: Vec<u8>,
}

/// What is in a maildrop, and what it has shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Maildrop {
    /// In no order.
    pub(super) messages: Vec<Rc<Message>>,
    /// Every unique-id that was ever shown, and for which message.
    shown: BTreeMap<String, u64>,
}

impl Maildrop {
    /// The messages in the order of their numbers: by time, then by name.
    fn listing(&self) -> Vec<Rc<Message>> {
        let mut listing = self.messages.clone();
        listing.sort_by(|a, b| (a.time, &a.name).cmp(&(b.time, &b.name)));
        listing
    }

    fn holds(&self, serial: u64) -> bool {
        self.messages.iter().any(|message| message.serial == serial)
    }

    /// Takes note of a unique-id that was shown for a message. Says what is wrong with it.
    pub(super) fn show(&mut self, message: &Message, unique_id: &str) -> Result<(), String> {
        let is_valid = |octets: &[u8]| {
            (1..=70).contains(&octets.len()) && octets.iter().all(|octet| (0x21..=0x7E).contains(octet))
        };
        if !is_valid(unique_id.as_bytes()) {
            return Err(format!("{unique_id:?} is no unique-id"));
        }
        if is_valid(&message.name) && unique_id.as_bytes() != message.name {
            return Err(format!("the unique-id of {} is {unique_id}", message.name.escape_ascii()));
        }
        let first = *self.shown.entry(unique_id.to_owned()).or_insert(message.serial);
        let before = self.shown.iter().find(|(_, serial)| **serial == message.serial);
        match before {
            _ if first != message.serial => Err(format!("{unique_id} stood for another message before")),
            Some((before, _)) if before != unique_id => Err(format!("{before} has become {unique_id}")),
            _ => Ok(()),
        }
    }
}

/// What a server must answer to a line.
#[derive(Debug)]
pub(super) enum Answer {
    /// "+OK", and no more is said about it.
    Ok,
    /// Exactly this line.
    Line(String),
    /// "+OK", then exactly these octets.
    Body(Vec<u8>),
    /// "+OK", then lines up to the termination.
    AnyBody,
    /// "+OK", then one line for each of these messages with its number.
    UniqueIds(Vec<(usize, Rc<Message>)>),
    /// "+OK", the number, and the unique-id of this message.
    UniqueId(usize, Rc<Message>),
    /// "-ERR" with one of these response codes, or with none if there are none.
    Err(&'static [&'static str]),
    /// "+ ".
    Challenge,
}

/// One client's session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) state: State,
    /// "-ERR" before login, and then again after it. A server loses its patience some day.
    pub(super) errors: usize,
}

#[derive(Clone, Debug)]
pub(super) enum State {
    /// Not logged in. `user` is the name of USER when PASS may follow; `is_responding` after a challenge.
    Authorization {
        user: Option<String>,
        is_responding: bool,
    },
    /// Logged in: the messages as they were then, and those marked deleted, by their place.
    Transaction {
        listing: Vec<Rc<Message>>,
        marks: BTreeSet<usize>,
    },
    Closed,
}

/// What a session may know of the world around it.
pub(super) struct Around<'a> {
    pub(super) account: &'a str,
    pub(super) maildrop: &'a mut Maildrop,
    /// Another session has the maildrop.
    pub(super) is_locked: bool,
}

impl Session {
    pub(super) fn new() -> Self {
        Self { state: State::Authorization { user: None, is_responding: false }, errors: 0 }
    }

    pub(super) fn is_logged_in(&self) -> bool {
        matches!(self.state, State::Transaction { .. })
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// The messages that QUIT would remove.
    pub(super) fn marked(&self) -> Vec<u64> {
        match &self.state {
            State::Transaction { listing, marks } => marks.iter().map(|at| listing[*at].serial).collect(),
            _ => Vec::new(),
        }
    }

    /// What must come of a line, and does it.
    pub(super) fn answer(&mut self, line: &str, around: &mut Around<'_>) -> Answer {
        let answer = match &self.state {
            _ if line.len() > 510 => self.too_long(),
            State::Authorization { user, is_responding } => {
                let (user, is_responding) = (user.clone(), *is_responding);
                self.state = State::Authorization { user: None, is_responding: false };
                self.before_login(line, user, is_responding, around)
            }
            State::Transaction { .. } => self.after_login(line, around.maildrop),
            State::Closed => panic!("nobody listens"),
        };
        self.errors += usize::from(matches!(answer, Answer::Err(_)));
        answer
    }

    fn too_long(&mut self) -> Answer {
        if let State::Authorization { .. } = self.state {
            self.state = State::Authorization { user: None, is_responding: false };
        }
        Answer::Err(&[])
    }

    fn before_login(
        &mut self,
        line: &str,
        user: Option<String>,
        is_responding: bool,
        around: &Around<'_>,
    ) -> Answer {
        if is_responding {
            return self.plain(line, around);
        }
        let (word, rest) = split(line);
        match (word.as_str(), rest) {
            ("USER", Some(name)) if !name.is_empty() && !name.contains(' ') => {
                self.state = State::Authorization { user: Some(name.to_owned()), is_responding: false };
                Answer::Ok
            }
            ("PASS", Some(password)) => match user {
                Some(user) => self.log_in(user == around.account && password == "secret", around),
                None => Answer::Err(&[]),
            },
            ("AUTH", Some(rest)) => match rest.split_once(' ') {
                Some((name, initial)) if name.eq_ignore_ascii_case("PLAIN") => self.plain(initial, around),
                None if rest.eq_ignore_ascii_case("PLAIN") => {
                    self.state = State::Authorization { user: None, is_responding: true };
                    Answer::Challenge
                }
                _ => Answer::Err(&[]),
            },
            ("CAPA", rest) if is_blank(rest) => {
                self.state = State::Authorization { user, is_responding: false };
                Answer::AnyBody
            }
            ("QUIT", rest) if is_blank(rest) => {
                self.state = State::Closed;
                Answer::Ok
            }
            _ => Answer::Err(&[]),
        }
    }

    /// The message of PLAIN, as it stands in base64.
    fn plain(&mut self, text: &str, around: &Around<'_>) -> Answer {
        match text {
            _ if text == base64(&format!("\0{}\0secret", around.account)) => self.log_in(true, around),
            _ if text == base64(&format!("\0{}\0wrong", around.account)) => self.log_in(false, around),
            _ => Answer::Err(&[]),
        }
    }

    fn log_in(&mut self, is_right: bool, around: &Around<'_>) -> Answer {
        if !is_right {
            return Answer::Err(&["AUTH"]);
        }
        if around.is_locked {
            return Answer::Err(&["IN-USE"]);
        }
        self.state = State::Transaction { listing: around.maildrop.listing(), marks: BTreeSet::new() };
        self.errors = 0;
        Answer::Ok
    }

    fn after_login(&mut self, line: &str, maildrop: &mut Maildrop) -> Answer {
        let State::Transaction { listing, marks } = &mut self.state else { panic!("nobody is logged in") };
        let left = || (0..listing.len()).filter(|at| !marks.contains(at));
        let octets = |at: usize| canonical(&listing[at].stored).len();
        // The place of the message with this number, if it may be spoken of.
        let find = |digits: &str| {
            let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
            let number = digits.parse::<usize>().ok().filter(|_| is_number)?;
            left().find(|at| at + 1 == number)
        };
        let (word, rest) = split(line);
        match (word.as_str(), rest) {
            ("STAT", rest) if is_blank(rest) => {
                Answer::Line(format!("+OK {} {}", left().count(), left().map(octets).sum::<usize>()))
            }
            ("LIST", rest) if is_blank(rest) => {
                let lines = left().map(|at| format!("{} {}\r\n", at + 1, octets(at)));
                Answer::Body(format!("{}.\r\n", lines.collect::<String>()).into_bytes())
            }
            ("UIDL", rest) if is_blank(rest) => {
                Answer::UniqueIds(left().map(|at| (at + 1, Rc::clone(&listing[at]))).collect())
            }
            ("LIST", Some(rest)) => match find(rest) {
                Some(at) => Answer::Line(format!("+OK {} {}", at + 1, octets(at))),
                None => Answer::Err(&[]),
            },
            ("UIDL", Some(rest)) => match find(rest) {
                Some(at) => Answer::UniqueId(at + 1, Rc::clone(&listing[at])),
                None => Answer::Err(&[]),
            },
            ("RETR", Some(rest)) => match find(rest) {
                Some(at) if maildrop.holds(listing[at].serial) => {
                    Answer::Body(wire(&listing[at].stored, None))
                }
                Some(_) => Answer::Err(&["SYS/PERM", "SYS/TEMP"]),
                None => Answer::Err(&[]),
            },
            ("TOP", Some(rest)) => {
                let Some((number, lines)) = rest.split_once(' ') else { return Answer::Err(&[]) };
                let is_number = !lines.is_empty() && lines.bytes().all(|digit| digit.is_ascii_digit());
                match find(number).filter(|_| is_number) {
                    Some(at) if maildrop.holds(listing[at].serial) => {
                        Answer::Body(wire(&listing[at].stored, lines.parse().ok()))
                    }
                    Some(_) => Answer::Err(&["SYS/PERM", "SYS/TEMP"]),
                    None => Answer::Err(&[]),
                }
            }
            ("DELE", Some(rest)) => match find(rest) {
                Some(at) => {
                    marks.insert(at);
                    Answer::Ok
                }
                None => Answer::Err(&[]),
            },
            ("RSET", rest) if is_blank(rest) => {
                marks.clear();
                Answer::Ok
            }
            ("NOOP", rest) if is_blank(rest) => Answer::Ok,
            ("CAPA", rest) if is_blank(rest) => Answer::AnyBody,
            ("QUIT", rest) if is_blank(rest) => {
                let removed = self.marked();
                maildrop.messages.retain(|message| !removed.contains(&message.serial));
                self.state = State::Closed;
                Answer::Ok
            }
            _ => Answer::Err(&[]),
        }
    }
}

/// The first word in capitals, and what is behind the space after it.
fn split(line: &str) -> (String, Option<&str>) {
    match line.split_once(' ') {
        Some((word, rest)) => (word.to_ascii_uppercase(), Some(rest)),
        None => (line.to_ascii_uppercase(), None),
    }
}

/// Spaces where no argument belongs are forgiven.
fn is_blank(rest: Option<&str>) -> bool {
    rest.is_none_or(|rest| rest.chars().all(|sign| sign == ' '))
}

/// The lines of a file, without their ends.
fn lines(stored: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = stored.split(|&octet| octet == b'\n').map(<[u8]>::to_vec).collect();
    let last = lines.pop().expect("there is always a last one");
    for line in &mut lines {
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    if !last.is_empty() {
        lines.push(last);
    }
    lines
}

/// The octets that LIST counts: every line ends with CR LF.
pub(super) fn canonical(stored: &[u8]) -> Vec<u8> {
    lines(stored).into_iter().flat_map(|line| [line, b"\r\n".to_vec()].concat()).collect()
}

/// What RETR sends, or TOP with so many lines of the body.
fn wire(stored: &[u8], body_lines: Option<usize>) -> Vec<u8> {
    let all = lines(stored);
    // Without the blank line all is header.
    let header = all.iter().position(|line| line.is_empty()).map_or(all.len(), |blank| blank + 1);
    let count = body_lines.map_or(all.len(), |count| all.len().min(header + count));
    let mut wire = Vec::new();
    for line in &all[..count] {
        if line.first() == Some(&b'.') {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

pub(super) fn base64(text: &str) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let octet = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for at in 0..4 {
            let sign = char::from(SIGNS[(bits >> (18 - 6 * at) & 63) as usize]);
            encoded.push(if at <= three.len() { sign } else { '=' });
        }
    }
    encoded
}
