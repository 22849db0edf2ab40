//! The client session against the server session, in memory: what one says the other understands.

use alloc::sync::Arc;

use super::*;
use crate::body::{Encoder, Extent};
use crate::maildrop::Listing;
use crate::sasl::{Channel, Credentials, Mechanism, ScramFacts, apop, cram_md5, scram};
use crate::server;

const MESSAGES: [&[u8]; 3] =
    [b"Subject: one\n\n.dots\n..\nbody", b"", b"Header: x\r\n\r\na\r\nb\r\n\xff\0\r\n"];

/// All that can be had of a TLS connection.
const CHANNEL: Channel = Channel { exporter: true, server_end_point: true, certificate: true };

/// The canonical form of a message.
fn canonical(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut encoder = Encoder::new(Extent::Whole);
    encoder.encode(message, &mut wire);
    encoder.finish(&mut wire);
    let mut octets = Vec::new();
    assert!(Decoder::new().decode(&wire, &mut octets).end);
    octets
}

/// A server with its maildrop; answers every question of its session.
pub(super) struct Server {
    session: server::Session,
    input: Input,
    output: Vec<u8>,
    removed: Vec<usize>,
    is_closed: bool,
}

impl Server {
    pub(super) fn new(transport: server::Transport, is_removable: bool) -> (Self, bool) {
        let policy = server::Policy {
            hostname: "host.example".into(),
            mechanisms: Mechanism::ALL.to_vec(),
            plaintext_without_tls: true,
            ..server::Policy::default()
        };
        let session = server::Session::new(Arc::new(policy), transport, Some("<1.2@host.example>".into()));
        let server =
            Self { session, input: Input::new(), output: Vec::new(), removed: Vec::new(), is_closed: false };
        (server, is_removable)
    }

    /// The password is " pass word ", the token "token".
    fn authenticate(&mut self, credentials: &Credentials) {
        let secret = || Secret::new(b" pass word ".to_vec());
        let is_right = match credentials {
            Credentials::Password { user, password, .. } => {
                user == b"fred" && password.expose() == b" pass word "
            }
            Credentials::Apop { timestamp, digest, .. } => apop::verify(timestamp, &secret(), digest),
            Credentials::Cram { user, challenge, digest } => {
                user == b"fred" && cram_md5::verify(challenge, &secret(), digest)
            }
            Credentials::Scram(claim) => {
                let signature = scram::tests::verify(claim, b" pass word ", b"salt", 4096);
                match signature.filter(|_| claim.user == b"fred") {
                    Some(signature) => return self.session.granted_with(signature),
                    None => false,
                }
            }
            Credentials::Token { user, token, .. } => {
                user.as_deref() == Some(b"fred") && token.expose() == b"token"
            }
            Credentials::External { authorization } => authorization.as_deref() == Some(b"fred"),
            Credentials::Anonymous { trace } => trace == b"fred",
        };
        if is_right {
            self.session.granted();
        } else {
            self.session.refused(server::Refusal::Credentials);
        }
    }

    /// Runs until more is to be read; everything to be written is in `output` then.
    fn run(&mut self, is_removable: bool) {
        let mut written = Vec::new();
        loop {
            let step = self.session.step(&mut self.input, &mut self.output);
            match step {
                server::Step::Read => break,
                server::Step::Write => written.append(&mut self.output),
                server::Step::StartTls => {
                    self.session.tls_started(CHANNEL);
                    break;
                }
                server::Step::Authenticate(credentials) => self.authenticate(&credentials),
                server::Step::Nonce => self.session.nonce(&[5; 16]),
                server::Step::PrepareScram(query) => {
                    let binding = query.binding.map(|kind| kind.name().as_bytes().to_vec());
                    self.session.scram_prepared(ScramFacts {
                        nonce: vec![5; 18],
                        salt: b"salt".to_vec(),
                        iterations: 4096,
                        binding: binding.unwrap_or_default(),
                    });
                }
                server::Step::OpenMaildrop => {
                    let mut listing = Listing::with_capacity(3);
                    for (at, message) in MESSAGES.iter().enumerate() {
                        let octets = Octets::new(canonical(message).len() as u64);
                        listing.push(octets, format!("id{at}").as_bytes()).unwrap();
                    }
                    self.session.opened(server::Opening::full(Arc::new(listing)));
                }
                server::Step::SendMessage { index, extent } => {
                    self.session.message_opened(&mut self.output);
                    let mut encoder = Encoder::new(extent);
                    encoder.encode(MESSAGES[index], &mut self.output);
                    encoder.finish(&mut self.output);
                    self.session.message_sent();
                }
                server::Step::Remove if is_removable => {
                    self.removed = self.session.marks().iter().collect();
                    self.session.removed();
                }
                server::Step::Remove => self.session.not_removed(server::Fault::Temporary),
                server::Step::Extended(question) => panic!("{question:?} is of a service that is off"),
                server::Step::Close(_) => {
                    self.is_closed = true;
                    break;
                }
            }
        }
        written.append(&mut self.output);
        self.output = written;
    }
}

/// Lets both talk until the client is idle or closed; octets travel in pieces of `size`.
pub(super) fn talk(driver: &mut Driver, server: &mut (Server, bool), size: usize) -> End {
    let (server, is_removable) = (&mut server.0, server.1);
    loop {
        server.run(is_removable);
        let sent = core::mem::take(&mut server.output);
        let step = driver.run(&sent.chunks(size).collect::<Vec<_>>()).expect("the server obeys the protocol");
        let spoken = driver.spoken();
        for piece in spoken.chunks(size) {
            server.input.fill(piece);
            server.run(is_removable);
        }
        if matches!(step, End::Idle | End::Closed) {
            return step;
        }
    }
}

fn session(method: Method, transport: server::Transport, size: usize) -> String {
    let mut server = Server::new(transport, true);
    let mut driver = Driver::new().submit(Request::Capabilities);
    talk(&mut driver, &mut server, size);
    if transport == server::Transport::PlainWithStls {
        assert!(driver.session.capabilities().unwrap().stls);
        driver = driver.submit(Request::StartTls).submit(Request::Capabilities);
        talk(&mut driver, &mut server, size);
        assert!(!driver.session.capabilities().unwrap().stls);
    }
    assert!(driver.session.capabilities().unwrap().pipelining);
    driver = driver
        .submit(login(method))
        .submit(Request::Stat)
        .submit(Request::List)
        .submit(Request::Uidl)
        .submit(Request::UidlOne(number(2)))
        .submit(Request::retrieve(number(1)))
        .submit(Request::retrieve(number(2)))
        .submit(Request::Top { number: number(3), lines: 1 })
        .submit(Request::retrieve(number(9)))
        .submit(Request::Delete(number(1)))
        .submit(Request::Reset)
        .submit(Request::Delete(number(3)))
        .submit(Request::Noop)
        .submit(Request::Quit);
    assert_eq!(talk(&mut driver, &mut server, size), End::Closed);
    assert!(server.0.is_closed);
    assert_eq!(server.0.removed, [2]);
    assert_eq!(driver.session.ending(), Ending::Regular);
    // What was learned, without what was said.
    driver.log.lines().filter(|line| line.starts_with('=')).map(|line| format!("{line}\n")).collect()
}

#[test]
fn client_and_server_understand_each_other() {
    let expected = "= done\n= done\n= done\n= stat 3 56\n= done\n= scan 1 33\n= scan 2 0\n= scan 3 23\n= done\n\
                    = unique-id 1 id0\n= unique-id 2 id1\n= unique-id 3 id2\n= done\n= unique-id 2 id1\n= done\n\
                    = message Subject: one\\r\\n\\r\\n.dots\\r\\n..\\r\\nbody\\r\\n\n= done\n= message \n= done\n\
                    = message Header: x\\r\\n\\r\\na\\r\\n\n= done\n= refused None No such message\n\
                    = done\n= done\n= done\n= done\n= done\n";
    for method in
        [Method::UserPass, Method::Sasl(Mechanism::Plain), Method::Sasl(Mechanism::Login), Method::Apop]
    {
        for size in [1, 3, 100_000] {
            assert_eq!(session(method, server::Transport::Plain, size), expected, "{method:?} {size}");
        }
    }
    let with_tls = session(Method::Sasl(Mechanism::Plain), server::Transport::PlainWithStls, 100_000);
    assert_eq!(with_tls, expected.replacen("= done\n", "= done\n= done\n= handshake\n= done\n", 1));
}

#[test]
fn a_quit_that_failed_is_a_refusal() {
    let mut server = Server::new(server::Transport::Plain, false);
    let mut driver = Driver::new()
        .submit(login(Method::UserPass))
        .submit(Request::Delete(number(1)))
        .submit(Request::Quit);
    assert_eq!(talk(&mut driver, &mut server, 9), End::Closed);
    assert!(driver.log.contains("= refused Some(SysTemp)"), "{}", driver.log);
}

#[test]
fn a_wrong_password_is_auth() {
    let mut server = Server::new(server::Transport::Plain, true);
    for method in
        [Method::UserPass, Method::Sasl(Mechanism::Plain), Method::Sasl(Mechanism::Login), Method::Apop]
    {
        let wrong = Login::of(method, b"fred", Secret::new(b"wrong".to_vec())).unwrap();
        let mut driver = Driver::new();
        server = Server::new(server::Transport::Plain, true);
        driver = driver.submit(Request::Capabilities).submit(Request::Login(wrong));
        talk(&mut driver, &mut server, 100);
        assert!(driver.log.contains("= refused Some(Auth)"), "{}", driver.log);
        assert!(!driver.session.is_logged_in());
    }
    assert!(!server.0.is_closed);
}
