//! Scripted dialogues: servers as they are in the world and as they should not be, each against a client that forgives and
//! one that does not. The cases are those that other clients' suites look at.

use std::sync::{Arc, Mutex};

use restante_client::connect::{Security, Tls};
use restante_client::error::Error;
use restante_client::login::{Means, Plaintext, Wish};
use restante_client::pop3::{Client, Piece, Quit, ScanListing, Settings, Survey};
use restante_proto::client::ProtocolError;
use restante_proto::client::cause::LoginCause;
use restante_proto::client::quirk::{Profile, Quirk};
use restante_proto::maildrop::{MessageNumber, Octets};
use restante_proto::secret::Secret;
use restante_proto::url::Auth;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use crate::script::{Act, PATIENT, acts, bounded, certificate, serve};

mod broken;
mod forgiven;
mod hostile;
mod logins;

/// What was said to a server that follows a script, and what it has left to say when the client went.
struct Heard {
    commands: String,
    is_through: bool,
}

/// A server of lines in memory: after each command that begins with the left side it says the right side as it is. In
/// pieces of `size`, to have an end of a line, a dot and a terminator cut everywhere.
struct Server {
    answers: Vec<(&'static str, Vec<u8>)>,
    greeting: Vec<u8>,
    size: usize,
    /// It closes behind its last answer, and not only when it is asked for more.
    closes: bool,
}

impl Server {
    fn new(answers: &[(&'static str, &str)]) -> Self {
        let answers = answers.iter().map(|(command, said)| (*command, said.as_bytes().to_vec())).collect();
        Self { answers, greeting: b"+OK hello\r\n".to_vec(), size: usize::MAX, closes: false }
    }

    /// Serves one connection. When it runs out of answers it closes.
    async fn serve(self, mut stream: DuplexStream, heard: Arc<Mutex<Heard>>) {
        if say(&mut stream, &self.greeting, self.size).await.is_none() {
            return;
        }
        let mut answers = self.answers.into_iter();
        let mut received = Vec::new();
        loop {
            while let Some(end) = received.iter().position(|&octet| octet == b'\n') {
                let line: Vec<u8> = received.drain(..=end).collect();
                let shown =
                    line.strip_suffix(b"\r\n").expect("commands end with CRLF").escape_ascii().to_string();
                heard.lock().unwrap().commands.push_str(&format!("{shown}\n"));
                let Some((command, said)) = answers.next() else { return };
                assert!(shown.starts_with(command), "{command} is expected, and not {shown}");
                if say(&mut stream, &said, self.size).await.is_none() {
                    return;
                }
                heard.lock().unwrap().is_through = answers.len() == 0;
                if self.closes && answers.len() == 0 {
                    return;
                }
            }
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer).await {
                Ok(count) if count > 0 => received.extend_from_slice(&buffer[..count]),
                _ => return,
            }
        }
    }
}

async fn say(stream: &mut DuplexStream, octets: &[u8], size: usize) -> Option<()> {
    for piece in octets.chunks(size) {
        stream.write_all(piece).await.ok()?;
        // What is written is read before there is more: the pipe holds no more than a piece.
        tokio::task::yield_now().await;
    }
    Some(())
}

fn settings(profile: Profile) -> Settings {
    Settings { deadlines: PATIENT, profile, ..Settings::default() }
}

/// A client at the server, and what the server hears.
async fn open(
    server: Server,
    profile: Profile,
) -> (Result<Client, Error>, Arc<Mutex<Heard>>, JoinHandle<()>) {
    let heard = Arc::new(Mutex::new(Heard { commands: String::new(), is_through: false }));
    let (here, there) = tokio::io::duplex(server.size.min(1 << 16));
    let serving = server.serve(there, Arc::clone(&heard));
    let task = tokio::spawn(bounded(serving));
    (Client::over(here, settings(profile)).await, heard, task)
}

/// What a whole visit tells: survey, every message, QUIT.
#[derive(Debug, Default)]
struct Visit {
    survey: Survey,
    messages: Vec<(u32, Result<Vec<u8>, String>)>,
    quirks: Vec<&'static str>,
}

async fn visit(answers: &[(&'static str, &str)], profile: Profile) -> Result<Visit, Error> {
    visit_in_pieces(answers, profile, usize::MAX).await
}

/// Logs in with USER and PASS, looks, takes all there is and quits.
async fn visit_in_pieces(
    answers: &[(&'static str, &str)],
    profile: Profile,
    size: usize,
) -> Result<Visit, Error> {
    let mut server = Server::new(answers);
    server.size = size;
    let (client, _, task) = open(server, profile).await;
    let result = take_all(client?).await;
    task.await.unwrap();
    result
}

async fn take_all(mut client: Client) -> Result<Visit, Error> {
    client.log_in(wish(&Auth::Any)).await?;
    let mut visit = Visit { survey: client.survey().await?, ..Visit::default() };
    let entries = visit.survey.entries.iter().map(ScanListing::from);
    let wanted: Vec<_> = entries.chain(visit.survey.without_unique_id.iter().copied()).collect();
    let mut retrieval = client.retrieval(wanted)?;
    let mut text = Vec::new();
    while let Some((number, piece)) = retrieval.next().await? {
        let came = match piece {
            Piece::Octets(octets) => {
                text.extend_from_slice(octets);
                continue;
            }
            Piece::End { octets } => {
                assert_eq!(octets, text.len() as u64);
                Ok(std::mem::take(&mut text))
            }
            Piece::Refused(refusal) => Err(refusal.text),
        };
        visit.messages.push((number.as_u32(), came));
    }
    drop(retrieval);
    visit.quirks = client.quirks().iter().map(|quirk| quirk.name()).collect();
    match client.quit().await {
        Quit::Committed => Ok(visit),
        Quit::NotSent(error) | Quit::Unknown(error) => Err(error),
        Quit::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn wish(auth: &Auth) -> Wish<'_> {
    let means = Means::Password(Secret::new(b"secret".to_vec()));
    Wish { user: Some("fred"), auth, means, plaintext: Plaintext::Everywhere }
}

fn number(number: u32) -> MessageNumber {
    MessageNumber::new(number).unwrap()
}

/// CAPA without PIPELINING, and a login.
const HEAD: [(&str, &str); 3] =
    [("CAPA", "+OK\r\nUSER\r\nUIDL\r\n.\r\n"), ("USER fred", "+OK\r\n"), ("PASS secret", "+OK\r\n")];

/// The head, these answers, and QUIT.
fn dialogue<'a>(answers: &[(&'static str, &'a str)]) -> Vec<(&'static str, &'a str)> {
    HEAD.iter().chain(answers).chain(&[("QUIT", "+OK\r\n")]).copied().collect()
}

/// One message, told of and sent so.
fn with_one<'a>(list: &'a str, uidl: &'a str, message: &'a str) -> Vec<(&'static str, &'a str)> {
    dialogue(&[("CAPA", HEAD[0].1), ("LIST", list), ("UIDL", uidl), ("RETR 1", message)])
}

const LIST: &str = "+OK\r\n1 6\r\n.\r\n";
const UIDL: &str = "+OK\r\n1 a\r\n.\r\n";
const MESSAGE: &str = "+OK\r\nText\r\n.\r\n";

fn one(text: &[u8]) -> Vec<(u32, Result<Vec<u8>, String>)> {
    vec![(1, Ok(text.to_vec()))]
}
