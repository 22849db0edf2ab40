//! The session against a scripted driver: transcripts, and the same transcript for every split of the input.
//!
//! This file holds the driver; the transcripts stand in `tests/`, one file per state.

use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use super::extended::{Board, Unsubmitted};
use super::*;
use crate::body::Encoder;
use crate::lmtp::reception::{Framing, Reception};
use crate::maildrop::Octets;
use crate::sasl::{BindingKind, cram_md5, scram};

mod authorization;
mod boards;
mod every_split;
mod languages;
mod last;
mod limits;
mod quirks;
mod sasl;
mod transaction;

/// What the driver of a test does when it is asked.
struct World {
    policy: Policy,
    transport: Transport,
    /// What mechanisms can have of a TLS connection.
    channel: Channel,
    rights: Rights,
    timestamp: Option<String>,
    /// Stored form and unique-id.
    messages: Vec<(Vec<u8>, String)>,
    /// The message that cannot be opened, if any.
    fault: Option<(usize, Fault)>,
    removal: Result<(), Fault>,
    /// The highest message accessed before.
    last: Option<u32>,
    /// How many of the messages are on each board; none where it cannot be opened.
    boards: Vec<Option<usize>>,
    /// What becomes of a message that is handed over.
    submission: Result<(), Unsubmitted>,
    /// How many octets of a message are encoded before the output is written.
    chunk_octets: usize,
}

/// The octets the server says, with the driver's doings between them as lines that begin with "D: ".
struct Run {
    world: World,
    session: Session,
    input: Input,
    output: Vec<u8>,
    said: Vec<u8>,
    /// The one last tried.
    password: String,
    is_closed: bool,
    ending: Option<Ending>,
    /// The message of an XMIT on its way in, and what has come of it.
    reception: Option<(Reception, Vec<u8>)>,
}

fn world() -> World {
    let messages = [("A: 1\n\none\n.two\nthree", "uid-1"), ("B: 2\r\n\r\n", "uid-2"), ("", "uid-3")];
    World {
        policy: Policy {
            hostname: "mail.example.org".into(),
            implementation: Some("Restante 1".into()),
            mechanisms: vec![Mechanism::Plain, Mechanism::Login],
            plaintext_without_tls: true,
            expire: Some(Expire::Never),
            ..Policy::default()
        },
        transport: Transport::Plain,
        channel: Channel::default(),
        rights: Rights::Full,
        timestamp: None,
        messages: messages.map(|(message, id)| (message.as_bytes().to_vec(), id.to_string())).to_vec(),
        fault: None,
        removal: Ok(()),
        last: None,
        boards: Vec::new(),
        submission: Ok(()),
        chunk_octets: 3,
    }
}

impl World {
    fn listing(&self) -> Listing {
        self.listing_of(self.messages.len())
    }

    fn listing_of(&self, messages: usize) -> Listing {
        let mut listing = Listing::default();
        for (message, unique_id) in self.messages.iter().take(messages) {
            let mut encoder = Encoder::new(Extent::Whole);
            encoder.encode(message, &mut Vec::new());
            encoder.finish(&mut Vec::new());
            listing.push(Octets::new(encoder.octets()), unique_id.as_bytes()).unwrap();
        }
        listing
    }

    fn start(self) -> Run {
        let mut session = Session::new(Arc::new(self.policy.clone()), self.transport, self.timestamp.clone());
        if self.transport == Transport::Tls {
            session.set_channel(self.channel);
        }
        let mut run = Run {
            world: self,
            session,
            input: Input::new(),
            output: Vec::new(),
            said: Vec::new(),
            password: String::new(),
            is_closed: false,
            ending: None,
            reception: None,
        };
        run.drive();
        run
    }
}

impl Run {
    fn receive(&mut self, octets: &[u8]) {
        if !self.is_closed {
            self.input.fill(octets);
            self.drive();
        }
    }

    fn write(&mut self) {
        self.said.append(&mut self.output);
    }

    fn note(&mut self, doing: &str) {
        self.write();
        self.said.extend_from_slice(format!("D: {doing}\r\n").as_bytes());
    }

    /// Does what the session asks until it wants to read or close.
    fn drive(&mut self) {
        loop {
            if self.reception.is_some() && !self.take_message() {
                return self.write();
            }
            match self.session.step(&mut self.input, &mut self.output) {
                Step::Read => {
                    assert!(self.input.len() < self.world.policy.limits.sasl_octets_max);
                    return self.write();
                }
                Step::Write => {
                    let room = 80 + self.world.messages.len();
                    assert!(self.output.len() < self.world.policy.limits.output_octets + room);
                    self.write();
                }
                Step::StartTls => {
                    self.note("TLS");
                    assert!(self.input.is_empty());
                    self.session.tls_started(self.world.channel);
                }
                Step::Authenticate(credentials) => self.authenticate(&credentials),
                Step::OpenMaildrop => {
                    self.note("open");
                    match &*self.password {
                        "B" => self.session.refused(Refusal::InUse),
                        "X" => self.session.refused(Refusal::Permanent),
                        _ => {
                            let listing = Arc::new(self.world.listing());
                            let last = self.world.last.and_then(MessageNumber::new);
                            self.session.opened(Opening { listing, rights: self.world.rights, last });
                        }
                    }
                }
                Step::SendMessage { index, extent } => self.send(index, extent),
                Step::Remove => {
                    let marks: Vec<_> = self.session.marks().iter().collect();
                    assert_eq!(self.session.phase(), Phase::Update);
                    self.note(&format!("remove {marks:?}"));
                    if let Some(accessed) = self.session.accessed() {
                        let messages: Vec<_> = accessed.messages.iter().collect();
                        let anew = if accessed.starts_anew { " anew" } else { "" };
                        self.note(&format!("keep {messages:?}{anew}"));
                    }
                    match self.world.removal {
                        Ok(()) => self.session.removed(),
                        Err(fault) => self.session.not_removed(fault),
                    }
                }
                Step::Nonce => {
                    self.note("nonce");
                    self.session.nonce(&[0x2A; 16]);
                }
                Step::PrepareScram(query) => self.prepare_scram(&query),
                Step::Extended(question) => self.help(&question),
                Step::Close(ending) => {
                    self.note("close");
                    self.ending = Some(ending);
                    self.is_closed = true;
                    assert!(self.session.marks().is_empty());
                    return;
                }
            }
        }
    }

    /// Everybody has a verifier of "secret"; but "nobody's" facts cannot be had.
    fn prepare_scram(&mut self, query: &ScramQuery) {
        let ScramQuery { user, hash, binding } = query;
        self.note(&format!(
            "prepare <{}> {hash:?} {:?}",
            user.escape_ascii(),
            binding.map(BindingKind::name)
        ));
        if user == b"nobody" {
            return self.session.refused(Refusal::Temporary);
        }
        let binding = binding.map(|kind| kind.name().as_bytes().to_vec()).unwrap_or_default();
        self.session.scram_prepared(ScramFacts {
            nonce: vec![0x2A; 18],
            salt: b"salt".to_vec(),
            iterations: 4096,
            binding,
        });
    }

    /// The password decides: "secret" is right, some others are right but lead to trouble.
    fn authenticate(&mut self, credentials: &Credentials) {
        let mut signature = None;
        let (password, authorization) = match credentials {
            Credentials::Password { password, authorization, .. } => {
                (password.expose().to_vec(), authorization.clone())
            }
            Credentials::Apop { timestamp, digest, .. } => {
                let secret = crate::secret::Secret::new(b"tanstaaf".to_vec());
                (right(apop::verify(timestamp, &secret, digest)), None)
            }
            Credentials::Cram { challenge, digest, .. } => {
                let secret = crate::secret::Secret::new(b"secret".to_vec());
                (right(cram_md5::verify(challenge, &secret, digest)), None)
            }
            Credentials::Scram(claim) => {
                signature = scram::tests::verify(claim, b"secret", b"salt", 4096);
                (right(signature.is_some()), claim.authorization.clone())
            }
            Credentials::Token { token, .. } => (token.expose().to_vec(), None),
            Credentials::External { .. } => (right(self.world.channel.certificate), None),
            Credentials::Anonymous { trace } => (right(true), Some(trace.clone())),
        };
        let acting = authorization.map(|name| format!(" as {}", name.escape_ascii())).unwrap_or_default();
        let method = credentials.method().name();
        self.password = password.escape_ascii().to_string();
        let user = credentials.user().escape_ascii();
        self.note(&format!("{method} <{user}{acting}> <{}>", self.password));
        match (&*self.password, signature) {
            ("secret", Some(signature)) => self.session.granted_with(signature),
            ("secret" | "B" | "X", None) => self.session.granted(),
            ("delay", _) => self.session.refused(Refusal::LoginDelay),
            ("temporary", _) => self.session.refused(Refusal::Temporary),
            ("many", _) => self.session.refused(Refusal::TooManySessions),
            ("down", _) => self.session.refused(Refusal::ShuttingDown),
            _ => self.session.refused(Refusal::Credentials),
        }
    }

    fn help(&mut self, question: &Question) {
        let answer = match question {
            Question::CountBoard(shelf) => {
                Answer::Counted(self.world.boards[shelf.board].map(|messages| messages as u64))
            }
            Question::OpenBoard(shelf) => match self.world.boards[shelf.board] {
                None => Answer::Refused(Fault::Temporary),
                Some(messages) => {
                    let marks: Vec<_> = self.session.marks().iter().collect();
                    self.note(&format!("remove {marks:?}, open {shelf:?}"));
                    match self.world.removal {
                        Err(fault) if !marks.is_empty() => Answer::NotRemoved(fault),
                        _ => Answer::Opened(Arc::new(self.world.listing_of(messages))),
                    }
                }
            },
            Question::ReceiveMessage { octets_max } => {
                let framing = Framing::Dotted { octets_max: *octets_max };
                self.reception = Some((Reception::new(framing), Vec::new()));
                return;
            }
            Question::ReadField { index, name } => {
                let field = crate::field::find(&self.world.messages[*index].0, name);
                return self.session.extended(Answer::Field(field.as_deref()), &mut self.output);
            }
        };
        self.session.extended(answer, &mut self.output);
    }

    /// Goes on with a message of XMIT; says whether it has ended.
    fn take_message(&mut self) -> bool {
        let Some((reception, message)) = &mut self.reception else { return true };
        let Some(received) = reception.take(&mut self.input, message) else { return false };
        // What has come before a message is found too large depends on the pieces, and is thrown away.
        let message = if received.is_too_large { String::new() } else { message.escape_ascii().to_string() };
        self.reception = None;
        self.note(&format!("submit {message}"));
        let answer = match self.world.submission {
            _ if received.is_too_large => Answer::NotSubmitted(Unsubmitted::TooLarge),
            Ok(()) => Answer::Submitted,
            Err(why) => Answer::NotSubmitted(why),
        };
        self.session.extended(answer, &mut self.output);
        true
    }

    fn send(&mut self, index: usize, extent: Extent) {
        if let Some((_, fault)) = self.world.fault.filter(|(faulty, _)| *faulty == index) {
            return self.session.message_failed(fault);
        }
        self.session.message_opened(&mut self.output);
        let mut encoder = Encoder::new(extent);
        for chunk in self.world.messages[index].0.chunks(self.world.chunk_octets) {
            encoder.encode(chunk, &mut self.output);
        }
        encoder.finish(&mut self.output);
        self.session.message_sent();
    }

    /// What was said, a line each. Every line end is CR LF (R1939-3.8).
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.said.clone()).unwrap();
        let mut lines: Vec<_> = text.split("\r\n").map(ToString::to_string).collect();
        assert_eq!(lines.pop().as_deref(), Some(""));
        assert!(!lines.iter().any(|line| line.contains(['\r', '\n'])), "{text:?}");
        lines
    }
}

/// The password that stands for a digest or a proof.
fn right(is_right: bool) -> Vec<u8> {
    if is_right { b"secret".to_vec() } else { b"wrong".to_vec() }
}

/// Plays the lines that begin with "C: " and compares all that is said and done with the others.
#[track_caller]
fn check(world: World, transcript: &[&str]) {
    let mut run = world.start();
    let mut played = Vec::new();
    let mut said = 0;
    for line in
        core::iter::once(None).chain(transcript.iter().filter_map(|line| line.strip_prefix("C: ").map(Some)))
    {
        if let Some(line) = line {
            played.push(format!("C: {line}"));
            run.receive(format!("{line}\r\n").as_bytes());
        }
        let lines = run.lines();
        for line in lines.iter().skip(said) {
            played.push(if line.starts_with("D: ") { line.clone() } else { format!("S: {line}") });
        }
        said = lines.len();
    }
    assert_eq!(played, transcript, "\nplayed:\n{}\n", played.join("\n"));
}

/// Like [`check`], after a login.
#[track_caller]
fn check_logged_in(world: World, transcript: &[&str]) {
    let listing = world.listing();
    let welcome = format!("S: +OK {} messages ({} octets)", listing.len(), listing.total().as_u64());
    let login = [
        "S: +OK POP3 mail.example.org ready",
        "C: USER alice",
        "S: +OK Send the password",
        "C: PASS secret",
        "D: USER <alice> <secret>",
        "D: open",
        &welcome,
    ];
    check(world, &[&login, transcript].concat());
}

/// The world where passwords need TLS and STLS is offered.
fn strict_world() -> World {
    let mut world = world();
    world.transport = Transport::PlainWithStls;
    world.policy.plaintext_without_tls = false;
    world
}

#[test]
fn a_session_is_small() {
    assert!(size_of::<Session>() <= 160, "{}", size_of::<Session>());
    assert!(size_of::<Input>() <= 56);
}

#[test]
fn an_idle_session_holds_no_buffers() {
    let mut run = world().start();
    run.receive(b"USER alice\r\nPASS secret\r\nLIST\r\nUIDL\r\n");
    assert!(run.input.memory().is_empty());
    assert_eq!(run.session.phase(), Phase::Transaction);
}

#[test]
fn no_password_stays_behind_in_the_input() {
    for octets in [&b"USER alice\r\nPASS hidden\r\nNOO"[..], b"AUTH LOGIN\r\nYQ==\r\naGlkZGVu\r\nNOO"] {
        let mut run = world().start();
        run.receive(octets);
        assert_eq!(run.input.octets(), b"NOO");
        let memory = run.input.memory();
        assert!(memory.len() > 3 && memory.iter().all(|octet| b"NOO\0".contains(octet)), "{memory:?}");
        assert!(!format!("{:?} {:?}", run.input, run.session).contains("hidden"));
    }
}
