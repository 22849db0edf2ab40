//! A client session against a server session on a wire that cuts anywhere: both always understand each other, what the
//! client learns is true, and what is deleted is what it was told, whenever the connection ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restante_fuzz::{Schedule, canonical, lines};
use restante_proto::body::{Decoder, Encoder, Extent};
use restante_proto::client::argument::LanguageRange;
use restante_proto::client::quirk::Quirk;
use restante_proto::client::request::{Login, Request};
use restante_proto::client::{self, Ending, Event, Handle, Limits, Outcome};
use restante_proto::line::Input;
use restante_proto::maildrop::{Listing, MessageNumber, Octets};
use restante_proto::reply::language::Language;
use restante_proto::sasl::{Channel, Credentials, Mechanism, Method, apop, cram_md5};
use restante_proto::secret::Secret;
use restante_proto::server::{self, Fault, Opening, Policy, Refusal, Transport};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

fuzz_target!(|input: &[u8]| {
    let mut schedule = Schedule(input);
    let messages: Vec<Vec<u8>> = (0..schedule.below(5)).map(|_| schedule.octets(40).to_vec()).collect();
    let transport =
        [Transport::Plain, Transport::PlainWithStls, Transport::Tls][usize::from(schedule.below(3))];
    // Windows from a few octets on, so that flights end everywhere.
    let limits = Limits {
        pipelined_octets_max: [8, 40, 16 * 1024][usize::from(schedule.below(3))],
        pipelined_commands_max: [1, 3, 2048][usize::from(schedule.below(3))],
        ahead_octets_max: [0, 50, 4 << 20][usize::from(schedule.below(3))],
        ..Limits::default()
    };
    let mut world = World::new(messages, transport, schedule.below(4) > 0, limits);
    while !schedule.is_over() {
        match schedule.below(8) {
            0..=3 => {
                let copy = request(&mut schedule.clone());
                world.submit(request(&mut schedule), copy);
            }
            4 => world.server.faults = schedule.octet(),
            // The connection is lost here.
            5 if schedule.below(16) == 0 => return world.check_end(),
            _ => {
                world.carry_to_server(usize::from(schedule.octet()));
                world.carry_to_client(usize::from(schedule.octet()));
            }
        }
    }
    while world.carry_to_server(usize::MAX) | world.carry_to_client(usize::MAX) {}
    assert!(world.asked.is_empty(), "every request is answered: {:?}", world.asked);
    world.check_end();
});

fn request(schedule: &mut Schedule<'_>) -> Request {
    let kind = schedule.below(18);
    let number = MessageNumber::new(1 + u32::from(schedule.below(6))).expect("not 0");
    match kind {
        0 | 1 => {
            let methods = [
                Method::UserPass,
                Method::Sasl(Mechanism::Plain),
                Method::Sasl(Mechanism::Login),
                Method::Apop,
                Method::Sasl(Mechanism::CramMd5),
            ];
            let password: &[u8] = if schedule.below(8) == 7 { b"wrong" } else { PASSWORD };
            let method = methods[usize::from(schedule.below(5))];
            Request::Login(Login::of(method, USER, Secret::new(password.to_vec())).expect("sound"))
        }
        2 => Request::Capabilities,
        3 => Request::StartTls,
        4 => Request::Stat,
        5 => Request::List,
        6 => Request::ListOne(number),
        7 => Request::Uidl,
        8 => Request::UidlOne(number),
        9 => {
            // Right or wrong, it changes nothing but how much is asked for ahead.
            let expected = (schedule.below(2) > 0).then(|| Octets::new(u64::from(schedule.below(60))));
            Request::Retrieve { number, expected }
        }
        10 => Request::Top { number, lines: u64::from(schedule.below(4)) },
        11 | 12 => Request::Delete(number),
        13 => Request::Noop,
        14 => Request::Reset,
        15 => Request::Utf8,
        16 => {
            let range = ["de", "en-GB", "*", "xx"][usize::from(schedule.below(4))];
            Request::Language(LanguageRange::new(range).expect("a range"))
        }
        _ => Request::Quit,
    }
}

/// What was asked, as far as the answer depends on it.
#[derive(Debug)]
enum Asked {
    Greeting,
    Request(Request),
}

struct World {
    client: client::Session,
    client_input: Input,
    client_output: Vec<u8>,
    is_client_over: bool,
    server: Server,
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    asked: VecDeque<(Handle, Asked)>,
    /// What came for the oldest request so far.
    learned: Vec<String>,
    message: Option<(Decoder, Vec<u8>)>,
    /// The maildrop as the client must believe it to be.
    marks: BTreeSet<usize>,
    is_logged_in: bool,
    is_encrypted: bool,
    is_utf8: bool,
    is_quit_done: bool,
}

impl World {
    fn new(messages: Vec<Vec<u8>>, transport: Transport, has_timestamp: bool, limits: Limits) -> Self {
        Self {
            client: client::Session::new(client::Settings { limits, ..client::Settings::default() }),
            client_input: Input::new(),
            client_output: Vec::new(),
            is_client_over: false,
            server: Server::new(messages, transport, has_timestamp),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            asked: VecDeque::from([(Handle::GREETING, Asked::Greeting)]),
            learned: Vec::new(),
            message: None,
            marks: BTreeSet::new(),
            is_logged_in: false,
            is_encrypted: transport == Transport::Tls,
            is_utf8: false,
            is_quit_done: false,
        }
    }

    /// Takes a request and the same once more, to know later what it was.
    fn submit(&mut self, request: Request, copy: Request) {
        if let Ok(handle) = self.client.submit(request) {
            self.asked.push_back((handle, Asked::Request(copy)));
        }
    }

    /// Moves octets and lets the server work on them. Whether anything moved.
    fn carry_to_server(&mut self, most: usize) -> bool {
        let before = self.to_client.len();
        let piece: Vec<u8> = self.to_server.drain(..most.min(self.to_server.len())).collect();
        self.server.input.fill(&piece);
        self.server.run();
        self.to_client.extend(self.server.output.drain(..));
        !piece.is_empty() || self.to_client.len() > before
    }

    /// Moves octets and lets the client work on them. Whether anything moved.
    fn carry_to_client(&mut self, most: usize) -> bool {
        let before = (self.to_server.len(), self.asked.len());
        let piece: Vec<u8> = self.to_client.drain(..most.min(self.to_client.len())).collect();
        self.client_input.fill(&piece);
        while !self.is_client_over {
            match self.client.step(&mut self.client_input, &mut self.client_output).expect("an honest server")
            {
                client::Step::Read | client::Step::Idle => break,
                client::Step::Closed => self.is_client_over = true,
                client::Step::StartTls => {
                    assert!(self.server.is_starting_tls && self.to_client.is_empty());
                    self.server.is_starting_tls = false;
                    self.server.session.tls_started(Channel::default());
                    self.client.tls_started();
                }
                client::Step::ReceiveMessage(handle, decoder) => {
                    assert_eq!(Some(handle), self.asked.front().map(|(handle, _)| *handle));
                    let (decoder, message) = self.message.get_or_insert((decoder, Vec::new()));
                    let decoded = decoder.decode(self.client_input.octets(), message);
                    self.client_input.consume(decoded.consumed);
                    if !decoded.end {
                        break;
                    }
                    self.client.message_received(decoder);
                }
                client::Step::Event(handle, Event::Finished(outcome)) => self.finished(handle, &outcome),
                // Our server has none, but the client may have expected the wrong size.
                client::Step::Event(_, Event::Quirk(quirk)) => {
                    assert!(quirk == Quirk::SizeLies || !quirk.is_deviation(), "{quirk:?}");
                }
                client::Step::Event(handle, event) => {
                    assert_eq!(Some(handle), self.asked.front().map(|(handle, _)| *handle));
                    self.learned.push(format!("{event:?}"));
                }
            }
        }
        self.to_server.extend(self.client_output.drain(..));
        !piece.is_empty() || (self.to_server.len(), self.asked.len()) != before
    }

    /// The oldest request was answered: so, and with what it should be?
    fn finished(&mut self, handle: Handle, outcome: &Outcome) {
        let (oldest, asked) = self.asked.pop_front().expect("nothing is answered twice");
        assert_eq!(oldest, handle, "in the order of the requests");
        let learned = std::mem::take(&mut self.learned);
        let message = self.message.take().map(|(_, message)| message);
        assert_ne!(outcome, &Outcome::Malformed);
        let is_done = outcome == &Outcome::Done;
        let Asked::Request(request) = asked else { return assert!(is_done) };
        if let Outcome::NotPossible(_) = outcome {
            // Rules of the client's own; the server never heard of it.
            let may_be = matches!(
                request,
                Request::StartTls | Request::Login(_) | Request::Utf8 | Request::Language(_)
            );
            return assert!(may_be && learned.is_empty() && message.is_none());
        }
        let found = |number: &MessageNumber| self.lies(number.index());
        let (expected, told): (bool, Vec<Event<'_>>) = match &request {
            Request::Capabilities => (true, vec![]),
            Request::StartTls => {
                let is_possible = self.server.offers_tls && !self.is_encrypted && !self.is_utf8;
                (is_possible && !self.is_logged_in, vec![])
            }
            Request::Utf8 => (!self.is_logged_in, vec![]),
            Request::Language(range) => (range.as_str() != "xx", vec![]),
            Request::Login(login) => {
                let is_right = login.password.octets() == PASSWORD;
                // Only a login that came that far was asked about.
                let is_granted =
                    is_right && !self.is_logged_in && self.server.refusals.pop_front() == Some(false);
                (is_granted, vec![])
            }
            Request::Stat => {
                let octets = self.left().map(|at| self.server.octets(at)).sum();
                let messages = self.left().count() as u32;
                (true, vec![Event::Stat { messages, octets }])
            }
            Request::List => (true, self.left().map(|at| self.server.scan(at)).collect()),
            Request::Uidl => (true, self.left().map(|at| self.server.unique(at)).collect()),
            Request::ListOne(number) => (found(number), vec![self.server.scan(number.index())]),
            Request::UidlOne(number) => (found(number), vec![self.server.unique(number.index())]),
            Request::Retrieve { number, .. } | Request::Top { number, .. } => {
                let is_asked = self.is_logged_in && found(number);
                (is_asked && self.server.failures.pop_front() == Some(false), vec![])
            }
            Request::Delete(number) => (found(number), vec![]),
            Request::Noop | Request::Reset => (true, vec![]),
            Request::Quit => (!self.server.is_removal_refused, vec![]),
        };
        let needs_login = !matches!(
            request,
            Request::Capabilities
                | Request::StartTls
                | Request::Utf8
                | Request::Language(_)
                | Request::Login(_)
                | Request::Quit
        );
        let expected = expected && (self.is_logged_in || !needs_login);
        assert_eq!(is_done, expected, "{request:?}: {outcome:?}");
        if is_done {
            assert_eq!(learned, told.iter().map(|event| format!("{event:?}")).collect::<Vec<_>>());
            self.apply(&request, message);
        }
    }

    /// A request was done.
    fn apply(&mut self, request: &Request, message: Option<Vec<u8>>) {
        match request {
            Request::StartTls => self.is_encrypted = true,
            Request::Utf8 => self.is_utf8 = true,
            Request::Login(_) => self.is_logged_in = true,
            Request::Delete(number) => assert!(self.marks.insert(number.index())),
            Request::Reset => self.marks.clear(),
            Request::Quit => self.is_quit_done = true,
            Request::Retrieve { number, .. } => {
                assert_eq!(message, Some(canonical(&self.server.messages[number.index()])));
            }
            Request::Top { number, lines: wanted } => {
                let whole = canonical(&self.server.messages[number.index()]);
                let message = message.expect("a message came");
                assert!(whole.starts_with(&message));
                let header = lines(&whole).iter().position(|line| line.is_empty());
                let end = header.map_or(usize::MAX, |header| header + 1 + *wanted as usize);
                assert_eq!(lines(&message).len(), lines(&whole).len().min(end));
            }
            _ => {}
        }
    }

    /// The connection is over: is the maildrop as the client thinks?
    fn check_end(&self) {
        let removed = &self.server.removed;
        match self.client.ending() {
            Ending::NothingDeleted => assert!(removed.is_empty()),
            Ending::Regular if self.is_quit_done => assert_eq!(removed, &self.marks),
            Ending::Regular => assert!(removed.is_empty()),
            Ending::Unknown => assert!(removed.is_empty() || self.server.was_asked_to_remove),
        }
    }

    fn lies(&self, at: usize) -> bool {
        at < self.server.messages.len() && !self.marks.contains(&at)
    }

    fn left(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.server.messages.len()).filter(|at| self.lies(*at))
    }
}

/// The server's driver, and the truth.
struct Server {
    session: server::Session,
    input: Input,
    output: Vec<u8>,
    messages: Vec<Vec<u8>>,
    offers_tls: bool,
    is_starting_tls: bool,
    is_closed: bool,
    /// Bits: 1 logins are refused, 2 messages cannot be opened, 4 nothing can be removed.
    faults: u8,
    /// For every login that reached us with the right password: whether it was refused all the same.
    refusals: VecDeque<bool>,
    /// For every message that was to be opened: whether it could not be.
    failures: VecDeque<bool>,
    removed: BTreeSet<usize>,
    was_asked_to_remove: bool,
    is_removal_refused: bool,
}

impl Server {
    fn new(messages: Vec<Vec<u8>>, transport: Transport, has_timestamp: bool) -> Self {
        let limits = server::Limits {
            bad_commands_before_login_max: u16::MAX,
            bad_commands_after_login_max: u16::MAX,
            refusals_max: u16::MAX,
            // So that listings stop in the middle.
            output_octets: 64,
            ..server::Limits::default()
        };
        let policy = Policy {
            hostname: "host.example".into(),
            mechanisms: Mechanism::ALL.to_vec(),
            plaintext_without_tls: true,
            language: Language::German,
            limits,
            ..Policy::default()
        };
        let timestamp = has_timestamp.then(|| "<1.2@host.example>".to_owned());
        Self {
            session: server::Session::new(Arc::new(policy), transport, timestamp),
            input: Input::new(),
            output: Vec::new(),
            messages,
            offers_tls: transport == Transport::PlainWithStls,
            is_starting_tls: false,
            is_closed: false,
            faults: 0,
            refusals: VecDeque::new(),
            failures: VecDeque::new(),
            removed: BTreeSet::new(),
            was_asked_to_remove: false,
            is_removal_refused: false,
        }
    }

    fn run(&mut self) {
        let mut written = std::mem::take(&mut self.output);
        while !self.is_starting_tls && !self.is_closed {
            match self.session.step(&mut self.input, &mut self.output) {
                server::Step::Read => break,
                server::Step::Write => written.append(&mut self.output),
                server::Step::StartTls => self.is_starting_tls = true,
                server::Step::Authenticate(credentials) => self.authenticate(&credentials),
                server::Step::Nonce => self.session.nonce(b"sixteen octets. "),
                server::Step::PrepareScram(_) => self.session.refused(Refusal::Credentials),
                server::Step::Extended(question) => panic!("{question:?}, and XTND is not offered"),
                server::Step::OpenMaildrop => {
                    let mut listing = Listing::default();
                    for at in 0..self.messages.len() {
                        listing.push(self.octets(at), UNIQUE_IDS[at]).expect("a valid entry");
                    }
                    self.session.opened(Opening::full(Arc::new(listing)));
                }
                server::Step::SendMessage { index, extent } => self.send(index, extent),
                server::Step::Remove => {
                    self.was_asked_to_remove = true;
                    self.is_removal_refused = self.faults & 4 != 0;
                    if self.is_removal_refused {
                        self.session.not_removed(Fault::Temporary);
                    } else {
                        self.removed = self.session.marks().iter().collect();
                        self.session.removed();
                    }
                }
                server::Step::Close(_) => self.is_closed = true,
            }
        }
        written.append(&mut self.output);
        self.output = written;
    }

    fn authenticate(&mut self, credentials: &Credentials) {
        let is_right = match credentials {
            Credentials::Password { user, password, .. } => user == USER && password.expose() == PASSWORD,
            Credentials::Apop { user, timestamp, digest } => {
                user == USER && apop::verify(timestamp, &Secret::new(PASSWORD.to_vec()), digest)
            }
            Credentials::Cram { user, challenge, digest } => {
                user == USER && cram_md5::verify(challenge, &Secret::new(PASSWORD.to_vec()), digest)
            }
            _ => false,
        };
        let is_refused = self.faults & 1 != 0;
        if is_right {
            self.refusals.push_back(is_refused);
        }
        match (is_right, is_refused) {
            (false, _) => self.session.refused(Refusal::Credentials),
            (true, true) => self.session.refused(Refusal::InUse),
            (true, false) => self.session.granted(),
        }
    }

    fn send(&mut self, index: usize, extent: Extent) {
        let is_failing = self.faults & 2 != 0;
        self.failures.push_back(is_failing);
        if is_failing {
            return self.session.message_failed(Fault::Permanent);
        }
        self.session.message_opened(&mut self.output);
        let mut encoder = Encoder::new(extent);
        for chunk in self.messages[index].chunks(7) {
            encoder.encode(chunk, &mut self.output);
        }
        encoder.finish(&mut self.output);
        self.session.message_sent();
    }

    fn octets(&self, at: usize) -> Octets {
        Octets::new(canonical(&self.messages[at]).len() as u64)
    }

    fn scan(&self, at: usize) -> Event<'static> {
        let octets = if at < self.messages.len() { self.octets(at) } else { Octets::default() };
        Event::ScanListing { number: MessageNumber::from_index(at).expect("few"), octets }
    }

    fn unique(&self, at: usize) -> Event<'static> {
        let number = MessageNumber::from_index(at).expect("few");
        let unique_id = UNIQUE_IDS.get(at).copied().unwrap_or_default();
        Event::UniqueIdListing { number, unique_id }
    }
}

/// Of the messages, of which there are fewer.
const UNIQUE_IDS: [&[u8]; 5] = [b"unique-0", b"unique-1", b"unique-2", b"unique-3", b"unique-4"];

const USER: &[u8] = b"fred";
const PASSWORD: &[u8] = b" pass word ";
