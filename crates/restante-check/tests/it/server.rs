//! A tiny correct POP3 server with its maildrop in memory, and a way to make one thing in it go wrong: a [`Variation`] sees every
//! command with the correct reply and may put another one in its place. It also takes mail by LMTP, correctly.

mod sasl;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub(crate) const USER: &str = "ann";
pub(crate) const PASSWORD: &str = "open sesame now";

/// How a server goes wrong.
#[derive(Clone)]
pub(crate) struct Variation {
    /// Gets the session, the command as it came (`GREETING` before the first) and the correct reply.
    pub(crate) edit: fn(&mut Session, &str, Vec<u8>) -> Vec<u8>,
    /// Other things, by name.
    pub(crate) habits: &'static [Habit],
}

/// What is no matter of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    NoLock,
    /// Sessions share one list, so that what one removes is gone for all.
    NoSnapshot,
    LockKeptByQuit,
    DropRemoves,
    QuitRemovesNothing,
    QuitRemovesNeighbour,
    RsetForgetsNothing,
    IdsByPlace,
    KeepsInputAcrossStls,
    KeepsHalfLineAcrossStls,
    KeepsUserAcrossStls,
    SaysNoCloseNotify,
    SpeaksOldTls,
    BrokenTls,
    OnlyTls12,
    NoAlpn,
    AlpnImap,
    TakesCrForLineEnd,
    CutsLongLines,
    StopsAtNul,
    DropsPipelined,
    DropsPipelinedAtLogin,
    NoTls,
    OtherCertificate,
    ExpiredCertificate,
    NoIntermediate,
    TakesWeakSuites,
    AsksForCertificate,
    SpeaksBeforeTls,
    RetrRemoves,
    TopRemoves,
}

pub(crate) const GOOD: Variation = Variation { edit: |_, _, reply| reply, habits: &[] };

pub(crate) const fn edit(edit: fn(&mut Session, &str, Vec<u8>) -> Vec<u8>) -> Variation {
    Variation { edit, habits: &[] }
}

pub(crate) const fn edit_with(
    habits: &'static [Habit],
    edit: fn(&mut Session, &str, Vec<u8>) -> Vec<u8>,
) -> Variation {
    Variation { edit, habits }
}

pub(crate) const fn habit(habits: &'static [Habit]) -> Variation {
    Variation { edit: |_, _, reply| reply, habits }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) octets: Vec<u8>,
}

pub(crate) struct Shared {
    pub(crate) messages: Mutex<Vec<Message>>,
    is_locked: AtomicBool,
    counter: AtomicU64,
    variation: Variation,
    tls: Option<Arc<ServerConfig>>,
    is_implicit: bool,
}

impl Shared {
    fn has(&self, habit: Habit) -> bool {
        self.variation.habits.contains(&habit)
    }

    pub(crate) fn count(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn deliver(&self, octets: &[u8]) {
        let mut whole = b"Return-Path: <>\r\n".to_vec();
        whole.extend_from_slice(octets);
        if !whole.ends_with(b"\r\n") {
            whole.extend_from_slice(b"\r\n");
        }
        let id = format!("id-{}", self.count());
        self.messages.lock().unwrap().push(Message { id, octets: whole });
    }
}

/// A running server; its threads end with the process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) lmtp: SocketAddr,
    pub(crate) shared: Arc<Shared>,
    pub(crate) roots: rustls::RootCertStore,
}

impl Server {
    pub(crate) fn start(variation: Variation, is_implicit: bool) -> Self {
        let certificates = crate::certificate::make(variation.habits);
        let mut tls = crate::certificate::server_config(&certificates, variation.habits);
        if variation.habits.contains(&Habit::NoAlpn) {
            tls.alpn_protocols.clear();
        }
        if variation.habits.contains(&Habit::AlpnImap) {
            tls.alpn_protocols = vec![b"imap".to_vec()];
        }
        let shared = Arc::new(Shared {
            messages: Mutex::new(sample_messages()),
            is_locked: AtomicBool::new(false),
            counter: AtomicU64::new(1000),
            tls: (!variation.habits.contains(&Habit::NoTls)).then(|| Arc::new(tls)),
            variation,
            is_implicit,
        });
        let address = serve(&shared, pop3);
        let lmtp = serve(&shared, crate::lmtp::session);
        Self { address, lmtp, shared, roots: certificates.roots }
    }
}

fn serve(shared: &Arc<Shared>, session: fn(Arc<Shared>, TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || session(shared, stream));
        }
    });
    address
}

fn sample_messages() -> Vec<Message> {
    let body = |lines: usize| (1..=lines).map(|n| format!("line {n} of it\r\n")).collect::<String>();
    let mut messages = vec![
        format!("From: a@example.org\r\nSubject: one\r\nTo: ann\r\n\r\n{}", body(12)),
        "Subject: two\r\n\r\n.\r\n..\r\n.x\r\nend\r\n".to_owned(),
        ".Odd: first octet\r\nSubject: three\r\n\r\nbody\r\n".to_owned(),
        "Subject: four\r\n\r\n".to_owned(),
    ];
    messages.extend((5..=11).map(|n| format!("Subject: {n}\r\n\r\n{}", body(n))));
    let message = |(at, text): (usize, String)| Message { id: format!("id-{at}"), octets: text.into_bytes() };
    messages.into_iter().enumerate().map(message).collect()
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        match self {
            Self::Plain(stream) => stream.read(buffer).unwrap_or(0),
            Self::Tls(stream) => stream.read(buffer).unwrap_or(0),
        }
    }

    fn write(&mut self, octets: &[u8]) {
        let _ = match self {
            Self::Plain(stream) => stream.write_all(octets),
            Self::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
        };
    }
}

/// One POP3 session.
pub(crate) struct Session {
    pub(crate) shared: Arc<Shared>,
    pub(crate) user: Option<String>,
    pub(crate) is_in: bool,
    pub(crate) is_tls: bool,
    pub(crate) is_closing: bool,
    pub(crate) listing: Vec<Message>,
    pub(crate) marks: BTreeSet<usize>,
    pub(crate) errors: usize,
    looked_at: BTreeSet<usize>,
    timestamp: String,
    exchange: Option<&'static str>,
    login_name: Option<String>,
    pub(crate) language: &'static str,
    starts_tls: bool,
    scram: Option<crate::scram::Exchange>,
    cram_challenge: String,
}

fn pop3(shared: Arc<Shared>, stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut stream = Stream::Plain(stream);
    let mut session = Session {
        user: None,
        is_in: false,
        is_tls: false,
        is_closing: false,
        listing: Vec::new(),
        marks: BTreeSet::new(),
        errors: 0,
        looked_at: BTreeSet::new(),
        timestamp: format!("<{}.{}@mail.example.org>", std::process::id(), shared.count()),
        exchange: None,
        login_name: None,
        language: "en",
        starts_tls: false,
        scram: None,
        cram_challenge: String::new(),
        shared,
    };
    if session.shared.is_implicit && session.shared.has(Habit::SpeaksBeforeTls) {
        stream.write(b"+OK ready\r\n");
    }
    if session.shared.is_implicit && !handshake(&mut session, &mut stream) {
        return;
    }
    let greeting = format!("+OK ready {}\r\n", session.timestamp).into_bytes();
    let greeting = session.edited("GREETING", greeting);
    stream.write(&greeting);
    let mut input = Vec::new();
    let mut buffer = [0; 4096];
    while !session.is_closing {
        if let Some(line) = cut(&session.shared, &mut input) {
            let reply = session.answer(&line);
            let reply = session.edited(&String::from_utf8_lossy(&line), reply);
            stream.write(&reply);
            if session.is_in && session.shared.has(Habit::DropsPipelined) {
                input.clear();
            }
            let is_login = line.starts_with(b"PASS");
            if is_login && session.shared.has(Habit::DropsPipelinedAtLogin) {
                input.clear();
            }
            if std::mem::take(&mut session.starts_tls) {
                keep_or_drop(&session.shared, &mut input);
                if !handshake(&mut session, &mut stream) {
                    break;
                }
            }
            continue;
        }
        let count = stream.read(&mut buffer);
        if count == 0 {
            break;
        }
        input.extend_from_slice(&buffer[..count]);
    }
    session.leave();
    if let Stream::Tls(stream) = &mut stream
        && !session.shared.has(Habit::SaysNoCloseNotify)
    {
        stream.conn.send_close_notify();
        let _ = stream.flush();
    }
    if let Stream::Tls(stream) = &stream {
        let _ = stream.sock.shutdown(std::net::Shutdown::Write);
    }
}

fn keep_or_drop(shared: &Shared, input: &mut Vec<u8>) {
    let has_line = input.contains(&b'\n');
    let keeps = if has_line { Habit::KeepsInputAcrossStls } else { Habit::KeepsHalfLineAcrossStls };
    if !shared.has(keeps) {
        input.clear();
    }
}

fn handshake(session: &mut Session, stream: &mut Stream) -> bool {
    let Stream::Plain(plain) = stream else { return false };
    let mut plain = plain.try_clone().unwrap();
    let shared = &session.shared;
    if shared.has(Habit::SpeaksOldTls) {
        // Looks at the version of the ClientHello and agrees with an old one, as far as a ServerHello goes.
        let mut head = [0; 11];
        while plain.peek(&mut head).unwrap_or(0) < head.len() {}
        if head[9..] != [3, 3] {
            let hello = [&[22, 3, head[10], 0, 44, 2, 0, 0, 40, 3, head[10]][..], &[0; 38]].concat();
            let _ = plain.write_all(&hello);
            return false;
        }
    }
    if shared.has(Habit::TakesWeakSuites) {
        // A ClientHello that begins with a NULL suite gets a ServerHello, as far as one is looked at here.
        let mut head = [0; 48];
        while plain.peek(&mut head).unwrap_or(0) < head.len() {}
        if head[46..] == [0, 1] {
            let _ = plain.write_all(&[&[22, 3, 3, 0, 44, 2, 0, 0, 40, 3, 3][..], &[0; 38]].concat());
            return false;
        }
    }
    if shared.has(Habit::BrokenTls) {
        let _ = plain.write_all(b"-ERR no TLS today\r\n");
        return false;
    }
    let Some(config) = shared.tls.clone() else { return false };
    let connection = ServerConnection::new(config).unwrap();
    let mut tls = StreamOwned::new(connection, plain);
    while tls.conn.is_handshaking() {
        if tls.conn.complete_io(&mut tls.sock).is_err() {
            return false;
        }
    }
    session.is_tls = true;
    *stream = Stream::Tls(Box::new(tls));
    true
}

/// The next whole line.
fn cut(shared: &Shared, input: &mut Vec<u8>) -> Option<Vec<u8>> {
    if shared.has(Habit::CutsLongLines) && input.len() > 1000 && !input[..1000].contains(&b'\n') {
        return Some(input.drain(..1000).collect());
    }
    if shared.has(Habit::TakesCrForLineEnd) {
        let at = input.iter().position(|octet| matches!(octet, b'\r' | b'\n'))?;
        let line: Vec<u8> = input.drain(..=at).collect();
        return Some(line[..at].to_vec());
    }
    let at = input.iter().position(|&octet| octet == b'\n')?;
    let line: Vec<u8> = input.drain(..=at).collect();
    let line = line.strip_suffix(b"\r\n").unwrap_or(&line[..at]).to_vec();
    if shared.has(Habit::StopsAtNul) {
        return Some(line.split(|&octet| octet == 0).next().unwrap_or_default().to_vec());
    }
    Some(line)
}

impl Session {
    fn edited(&mut self, command: &str, reply: Vec<u8>) -> Vec<u8> {
        let edit = self.shared.variation.edit;
        edit(self, command, reply)
    }

    fn answer(&mut self, line: &[u8]) -> Vec<u8> {
        if let Some(mechanism) = self.exchange.take() {
            return self.respond(mechanism, line);
        }
        let Ok(text) = std::str::from_utf8(line) else { return err("what?") };
        let (keyword, rest) = match text.split_once(' ') {
            Some((keyword, rest)) => (keyword, Some(rest)),
            None => (text, None),
        };
        let keyword = keyword.to_ascii_uppercase();
        if keyword != "PASS" && keyword != "CAPA" && !(self.starts_tls || keyword == "STLS") {
            self.forget_user(&keyword);
        }
        if text.len() > 5000 {
            return err("too long");
        }
        let arguments: Vec<&str> = rest.map(|rest| rest.split(' ').collect()).unwrap_or_default();
        match (keyword.as_str(), arguments.as_slice(), self.is_in) {
            ("CAPA", [], _) => self.capa(),
            ("QUIT", [], _) => self.quit(),
            ("STLS", [], false) => self.stls(),
            ("USER", [name], false) if !name.is_empty() => {
                self.user = Some((*name).to_owned());
                ok("who?")
            }
            ("PASS", _, false) => self.pass(rest),
            ("APOP", [name, digest], false) => self.apop(name, digest),
            ("AUTH", [mechanism, initial @ ..], false) if initial.len() < 2 => {
                self.auth(mechanism, initial.first().copied())
            }
            ("UTF8", [], false) => ok("from now on"),
            ("LANG", [], _) => b"+OK these\r\nen English\r\nde Deutsch\r\n.\r\n".to_vec(),
            ("LANG", [tag], _) => self.lang(tag),
            ("STAT", [], true) => self.stat(),
            ("NOOP", [], true) => ok("idle"),
            ("RSET", [], true) => {
                if !self.shared.has(Habit::RsetForgetsNothing) {
                    self.marks.clear();
                }
                ok("all back")
            }
            ("LIST", [], true) => self.list(|message| message.octets.len().to_string()),
            ("UIDL", [], true) => self.list(|message| message.id.clone()),
            ("LIST", [number], true) => self.one(number, |message| message.octets.len().to_string()),
            ("UIDL", [number], true) => self.one(number, |message| message.id.clone()),
            ("RETR", [number], true) => {
                self.may_mark(Habit::RetrRemoves, number);
                self.send(number, None)
            }
            ("TOP", [number, lines], true) => match decimal(lines) {
                Some(lines) => {
                    self.may_mark(Habit::TopRemoves, number);
                    self.send(number, Some(lines))
                }
                None => err("lines?"),
            },
            ("DELE", [number], true) => match self.find(number) {
                Some(index) => {
                    self.marks.insert(index);
                    ok("marked")
                }
                None => err("no such message"),
            },
            _ => err("what?"),
        }
    }

    /// A look that will cost the message its place at QUIT; only messages with a body are looked at twice in a session.
    fn may_mark(&mut self, habit: Habit, number: &str) {
        if let (true, Some(index)) = (self.shared.has(habit), self.find(number)) {
            self.looked_at.insert(index);
        }
    }

    fn forget_user(&mut self, keyword: &str) {
        if keyword != "USER" && !self.is_in {
            self.user = None;
        }
    }

    fn capa(&self) -> Vec<u8> {
        let stls = if self.is_tls || self.is_in || self.shared.tls.is_none() { "" } else { "STLS\r\n" };
        // No token without TLS.
        let bearer = if self.is_tls { " OAUTHBEARER" } else { "" };
        format!(
            "+OK list\r\nTOP\r\nUSER\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nUTF8 USER\r\nLANG\r\n\
             LOGIN-DELAY 0 USER\r\nEXPIRE NEVER\r\nSASL PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-256-PLUS EXTERNAL{bearer}\r\n{stls}.\r\n"
        )
        .into_bytes()
    }

    fn stls(&mut self) -> Vec<u8> {
        if self.is_tls || self.shared.tls.is_none() {
            return err("not now");
        }
        if !self.shared.has(Habit::KeepsUserAcrossStls) {
            self.user = None;
        }
        self.starts_tls = true;
        ok("begin")
    }

    fn pass(&mut self, password: Option<&str>) -> Vec<u8> {
        let (Some(user), Some(password)) = (self.user.take(), password) else { return err("who?") };
        self.login(user == USER && password == PASSWORD)
    }

    fn apop(&mut self, name: &str, digest: &str) -> Vec<u8> {
        let right = Md5::new().chain_update(&self.timestamp).chain_update(PASSWORD).finalize();
        let right: String = right.iter().map(|octet| format!("{octet:02x}")).collect();
        self.login(name == USER && digest == right)
    }

    pub(crate) fn login(&mut self, is_right: bool) -> Vec<u8> {
        if !is_right {
            return b"-ERR [AUTH] no\r\n".to_vec();
        }
        if !self.shared.has(Habit::NoLock) && self.shared.is_locked.swap(true, Ordering::SeqCst) {
            return b"-ERR [IN-USE] the maildrop is open elsewhere\r\n".to_vec();
        }
        self.is_in = true;
        self.listing = self.shared.messages.lock().unwrap().clone();
        if self.shared.has(Habit::IdsByPlace) {
            let session = self.shared.count();
            for (at, message) in self.listing.iter_mut().enumerate() {
                message.id = format!("{session}-{at}");
            }
        }
        ok("welcome")
    }

    fn lang(&mut self, tag: &str) -> Vec<u8> {
        match tag.to_ascii_lowercase().as_str() {
            "en" | "*" => self.language = "en",
            "de" => self.language = "de",
            _ if self.language == "de" => return b"-ERR gibt es nicht f\xC3\xBCr uns\r\n".to_vec(),
            _ => return err("no such language"),
        }
        ok(&format!("{} now", self.language))
    }

    pub(crate) fn find(&self, number: &str) -> Option<usize> {
        let index = usize::try_from(decimal(number)?).ok()?.checked_sub(1)?;
        (index < self.current().len() && !self.marks.contains(&index)).then_some(index)
    }

    /// What the session lists.
    pub(crate) fn current(&self) -> Vec<Message> {
        match self.shared.has(Habit::NoSnapshot) {
            true => self.shared.messages.lock().unwrap().clone(),
            false => self.listing.clone(),
        }
    }

    pub(crate) fn stat(&self) -> Vec<u8> {
        let left: Vec<Message> = self.left().into_iter().map(|(_, message)| message).collect();
        let octets: usize = left.iter().map(|message| message.octets.len()).sum();
        format!("+OK {} {octets}\r\n", left.len()).into_bytes()
    }

    pub(crate) fn left(&self) -> Vec<(usize, Message)> {
        let listing = self.current().into_iter().enumerate();
        listing.filter(|(index, _)| !self.marks.contains(index)).collect()
    }

    fn list(&self, what: fn(&Message) -> String) -> Vec<u8> {
        let line = |(index, message): (usize, Message)| format!("{} {}\r\n", index + 1, what(&message));
        let lines: String = self.left().into_iter().map(line).collect();
        format!("+OK here\r\n{lines}.\r\n").into_bytes()
    }

    fn one(&self, number: &str, what: fn(&Message) -> String) -> Vec<u8> {
        match self.find(number) {
            Some(index) => format!("+OK {} {}\r\n", index + 1, what(&self.current()[index])).into_bytes(),
            None => err("no such message"),
        }
    }

    fn send(&self, number: &str, lines: Option<u64>) -> Vec<u8> {
        match self.find(number) {
            Some(index) => {
                [&b"+OK here\r\n"[..], &stuffed(&top(&self.current()[index].octets, lines))].concat()
            }
            None => err("no such message"),
        }
    }

    fn quit(&mut self) -> Vec<u8> {
        self.is_closing = true;
        if self.is_in && !self.shared.has(Habit::QuitRemovesNothing) {
            self.remove();
        }
        if !(self.is_in && self.shared.has(Habit::LockKeptByQuit)) {
            self.unlock();
        }
        self.is_in = false;
        ok("bye")
    }

    fn remove(&self) {
        let mut gone: Vec<String> = self
            .marks
            .iter()
            .chain(&self.looked_at)
            .filter_map(|index| Some(self.listing.get(*index)?.id.clone()))
            .collect();
        if self.shared.has(Habit::QuitRemovesNeighbour) && !gone.is_empty() {
            gone.extend(self.listing.first().map(|message| message.id.clone()));
        }
        self.shared.messages.lock().unwrap().retain(|message| !gone.contains(&message.id));
    }

    /// The end of a session without QUIT.
    fn leave(&mut self) {
        if self.is_in && self.shared.has(Habit::DropRemoves) {
            self.remove();
        }
        self.unlock();
    }

    fn unlock(&mut self) {
        if std::mem::take(&mut self.is_in) {
            self.shared.is_locked.store(false, Ordering::SeqCst);
        }
    }
}

pub(crate) fn ok(text: &str) -> Vec<u8> {
    format!("+OK {text}\r\n").into_bytes()
}

pub(crate) fn err(text: &str) -> Vec<u8> {
    format!("-ERR {text}\r\n").into_bytes()
}

pub(crate) fn challenge(octets: &[u8]) -> Vec<u8> {
    format!("+ {}\r\n", STANDARD.encode(octets)).into_bytes()
}

fn decimal(word: &str) -> Option<u64> {
    let is_decimal = !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_digit());
    is_decimal.then(|| word.parse().ok()).flatten()
}

/// Header, empty line, and so many lines.
pub(crate) fn top(octets: &[u8], lines: Option<u64>) -> Vec<u8> {
    let Some(lines) = lines else { return octets.to_vec() };
    let mut out = Vec::new();
    let mut left = None;
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        match &mut left {
            None if line == b"\r\n" => left = Some(lines),
            None => {}
            Some(0) => break,
            Some(left) => *left -= 1,
        }
        out.extend_from_slice(line);
    }
    out
}

/// With dots and the end.
pub(crate) fn stuffed(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b".\r\n");
    out
}
