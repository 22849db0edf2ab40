//! A POP3 server that does what a test wants: lists less than it has, lies about sizes, breaks off, refuses, says other unique-ids.
//! On loopback, a thread a connection; it remembers what was said to it and what is in its maildrop.
//!
//! Real servers are in [`crate::real`]; this one is for what they do only on their bad days.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How it behaves in sessions that begin from now on.
#[derive(Clone, Debug)]
pub struct Conduct {
    /// What is in the maildrop: unique-id, and the message in its canonical form.
    pub messages: Vec<(String, Vec<u8>)>,
    /// Lists the first so many only, and knows no others.
    pub lists: usize,
    /// Breaks off in the middle of the RETR after so many whole ones.
    pub breaks_after: Option<usize>,
    /// Numbers of messages that it will not give.
    pub refuses: BTreeSet<usize>,
    /// LIST says so many octets more than there are.
    pub lies_by: u64,
    /// What it says to PASS when not `+OK`.
    pub login: Option<&'static str>,
    /// What happens at QUIT.
    pub quit: Quit,
    /// It has never heard of UIDL.
    pub lacks_uidl: bool,
    /// Lines of its CAPA.
    pub capabilities: Vec<&'static str>,
}

/// What happens at QUIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quit {
    /// What is marked is deleted, and it says so.
    Commits,
    /// What is marked is deleted, and the connection breaks before it can say so.
    CommitsSilently,
    /// Nothing is deleted, and the connection breaks.
    Breaks,
    /// Nothing is deleted, and it says so.
    Refuses,
}

impl Default for Conduct {
    /// An honest server without mail.
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            lists: usize::MAX,
            breaks_after: None,
            refuses: BTreeSet::new(),
            lies_by: 0,
            login: None,
            quit: Quit::Commits,
            lacks_uidl: false,
            capabilities: vec!["USER", "TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"],
        }
    }
}

/// The running server. Its threads end with the test process.
#[derive(Debug)]
pub struct OddServer {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    conduct: Conduct,
    said: Vec<String>,
}

impl OddServer {
    /// Starts it; anybody may log in with any password.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn start(conduct: Conduct) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let address = listener.local_addr().expect("it is bound");
        let inner = Arc::new(Mutex::new(Inner { conduct, said: Vec::new() }));
        let shared = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // Who has gone away is no trouble of ours.
                std::thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Self { address, inner }
    }

    /// With so many numbered messages of about so many octets, under the unique-ids `u1`, `u2` …
    #[must_use]
    pub fn with_messages(count: usize, octets: usize) -> Self {
        Self::start(Conduct { messages: messages(count, octets), ..Conduct::default() })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of an account there.
    #[must_use]
    pub fn url(&self) -> String {
        format!("pop://alice@{}", self.address)
    }

    /// Changes how it behaves.
    pub fn change(&self, change: impl FnOnce(&mut Conduct)) {
        change(&mut locked(&self.inner).conduct);
    }

    /// Commands that were said to it since this was asked last.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        std::mem::take(&mut locked(&self.inner).said)
    }

    /// The unique-ids in its maildrop.
    #[must_use]
    pub fn unique_ids(&self) -> Vec<String> {
        locked(&self.inner).conduct.messages.iter().map(|(unique_id, _)| unique_id.clone()).collect()
    }
}

/// Numbered messages under the unique-ids `u1`, `u2` …
#[must_use]
pub fn messages(count: usize, octets: usize) -> Vec<(String, Vec<u8>)> {
    (1..=count)
        .map(|number| {
            let mut message =
                format!("Message-ID: <{number}@test.example>\r\nSubject: number {number}\r\n\r\n")
                    .into_bytes();
            while message.len() < octets {
                message
                    .extend_from_slice(format!("line {} of message {number}\r\n", message.len()).as_bytes());
            }
            (format!("u{number}"), message)
        })
        .collect()
}

fn locked(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One session.
fn serve(stream: TcpStream, shared: &Mutex<Inner>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let conduct = locked(shared).conduct.clone();
    let listed = &conduct.messages[..conduct.messages.len().min(conduct.lists)];
    let mut marked: BTreeSet<usize> = BTreeSet::new();
    let mut given = 0;
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    out.write_all(b"+OK ready\r\n")?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_owned();
        let mut words = line.split(' ');
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        let number: usize = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        locked(shared).said.push(if verb == "PASS" { "PASS".into() } else { line.clone() });
        let message = number.checked_sub(1).and_then(|index| listed.get(index));
        match verb.as_str() {
            "CAPA" => {
                out.write_all(multiline(conduct.capabilities.iter().map(|&line| line.to_owned())).as_bytes())?
            }
            "USER" | "NOOP" => out.write_all(b"+OK\r\n")?,
            "PASS" => match conduct.login {
                Some(reply) => out.write_all(format!("{reply}\r\n").as_bytes())?,
                None => out.write_all(b"+OK\r\n")?,
            },
            "LIST" => {
                let sizes = listed.iter().map(|(_, message)| message.len() as u64 + conduct.lies_by);
                let lines = (1..).zip(sizes).map(|(number, octets)| format!("{number} {octets}"));
                out.write_all(multiline(lines).as_bytes())?;
            }
            "UIDL" if !conduct.lacks_uidl => {
                let lines = (1..).zip(listed).map(|(number, (unique_id, _))| format!("{number} {unique_id}"));
                out.write_all(multiline(lines).as_bytes())?;
            }
            "RETR" | "TOP" => {
                let Some((_, octets)) =
                    message.filter(|_| verb == "TOP" || !conduct.refuses.contains(&number))
                else {
                    out.write_all(b"-ERR not this one\r\n")?;
                    continue;
                };
                let end = match verb.as_str() {
                    "TOP" => octets
                        .windows(4)
                        .position(|four| four == b"\r\n\r\n")
                        .map_or(octets.len(), |at| at + 4),
                    _ => octets.len(),
                };
                let body = stuffed(&octets[..end]);
                if verb == "RETR" && conduct.breaks_after == Some(given) {
                    out.write_all(b"+OK\r\n")?;
                    return out.write_all(&body[..body.len() / 2]);
                }
                given += usize::from(verb == "RETR");
                out.write_all(&[b"+OK\r\n", body.as_slice(), b".\r\n"].concat())?;
            }
            "DELE" if message.is_some() => {
                marked.insert(number);
                out.write_all(b"+OK\r\n")?;
            }
            "QUIT" => return quit(&conduct, shared, &marked, &mut out),
            _ => out.write_all(b"-ERR\r\n")?,
        }
    }
}

fn quit(
    conduct: &Conduct,
    shared: &Mutex<Inner>,
    marked: &BTreeSet<usize>,
    out: &mut TcpStream,
) -> std::io::Result<()> {
    if matches!(conduct.quit, Quit::Commits | Quit::CommitsSilently) {
        let gone: BTreeSet<&String> =
            marked.iter().filter_map(|number| Some(&conduct.messages.get(number - 1)?.0)).collect();
        locked(shared).conduct.messages.retain(|(unique_id, _)| !gone.contains(unique_id));
    }
    match conduct.quit {
        Quit::Commits => out.write_all(b"+OK\r\n"),
        Quit::Refuses => out.write_all(b"-ERR not deleted\r\n"),
        Quit::CommitsSilently | Quit::Breaks => Ok(()),
    }
}

fn multiline(lines: impl Iterator<Item = String>) -> String {
    let mut text = String::from("+OK\r\n");
    for line in lines {
        text.push_str(&line);
        text.push_str("\r\n");
    }
    text + ".\r\n"
}

/// As it goes over the wire, its last line ended.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    if !wire.is_empty() && !wire.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire
}
