//! The POP3 client session itself: what is sent when, and which reply belongs to what.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::capabilities::Capabilities;
use super::login::{Exchange, Progress};
use super::request::{Flight, InvalidRequest, Request, is_language_range};
use super::{Ending, Event, Limits, NotPossible, Outcome, ProtocolError, Refusal, Step};
use crate::line::Input;
use crate::maildrop::{MessageNumber, Octets};
use crate::reply::{Reply, Status};
use crate::sasl::apop;

/// One POP3 connection, client side.
///
/// The driver [`submit`](Self::submit)s requests and calls [`step`](Self::step) until it says [`Step::Idle`]. Requests
/// are answered in their order (R2449-6.6.2). They are sent ahead of replies only when the server's last CAPA listed
/// PIPELINING (R2449-6.6.4), and never behind a login, STLS or QUIT. QUIT itself is sent ahead behind DELE and NOOP only.
///
/// Strict in framing, since every mistake there gives one message's octets to another: lines end with CRLF, every
/// octet answers something, limits hold. Tolerant in all else. Dropping the session deletes nothing: only a QUIT that
/// was submitted can.
#[derive(Debug)]
pub struct Session {
    pub(super) limits: Limits,
    /// Not yet sent.
    waiting: VecDeque<Request>,
    /// Sent and not yet answered, the oldest first.
    pending: VecDeque<Pending>,
    /// Octets of the commands in `pending`.
    octets_in_flight: usize,
    /// Messages that are asked for in `pending`, and the octets they are expected to have.
    messages_in_flight: (usize, u64),
    /// Requests in `pending` that keep QUIT waiting.
    before_quit: usize,
    /// How many times something was sent while nothing was unanswered.
    flights: u64,
    /// Octets at the end of the output that belong to the login under way.
    login_octets: usize,
    state: State,
    capabilities: Option<Capabilities>,
    /// The list that is coming, until it is complete.
    incoming: Option<Capabilities>,
    timestamp: Option<Vec<u8>>,
    is_logged_in: bool,
    /// UTF8 was answered positively.
    is_utf8: bool,
    /// The connection is encrypted.
    is_encrypted: bool,
    /// QUIT was submitted.
    is_quitting: bool,
    /// QUIT was appended to the output.
    is_quit_sent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Commands and replies.
    Dialogue,
    /// `ReceiveMessage` was said.
    Message,
    /// `StartTls` was said.
    StartTls,
    /// QUIT was answered, or the greeting was a refusal.
    Closed,
    /// The server broke the protocol.
    Dead(ProtocolError),
}

/// A command that was sent, or the greeting.
#[derive(Debug)]
struct Pending {
    kind: Kind,
    /// Octets of the command.
    octets: usize,
    /// The positive first line was read, lines of the listing follow.
    listed: Option<Listed>,
}

/// The lines of a listing so far.
#[derive(Clone, Copy, Debug, Default)]
struct Listed {
    lines: u32,
    is_malformed: bool,
}

#[derive(Debug)]
enum Kind {
    Greeting,
    Login(Exchange),
    Request(Request),
}

impl Session {
    /// A session on a new connection. The greeting is answered like a request, with one [`Event::Finished`].
    pub fn new(limits: Limits) -> Self {
        let greeting = Pending { kind: Kind::Greeting, octets: 0, listed: None };
        Self {
            limits,
            waiting: VecDeque::new(),
            pending: VecDeque::from([greeting]),
            octets_in_flight: 0,
            messages_in_flight: (0, 0),
            before_quit: 1,
            flights: 0,
            login_octets: 0,
            state: State::Dialogue,
            capabilities: None,
            incoming: None,
            timestamp: None,
            is_logged_in: false,
            is_utf8: false,
            is_encrypted: false,
            is_quitting: false,
            is_quit_sent: false,
        }
    }

    /// Tells that the connection was encrypted from the beginning. STLS needs no telling.
    pub fn set_encrypted(&mut self) {
        self.is_encrypted = true;
    }

    /// What the server listed last, in answer to CAPA. `None` before that, when CAPA was refused (R2449-5.8), and
    /// again once TLS has begun (R2595-4.11).
    pub fn capabilities(&self) -> Option<&Capabilities> {
        self.capabilities.as_ref()
    }

    /// The APOP timestamp of the greeting, if it has a valid one (R2449-6.1).
    pub fn timestamp(&self) -> Option<&[u8]> {
        self.timestamp.as_deref()
    }

    /// Whether a login was answered positively.
    pub fn is_logged_in(&self) -> bool {
        self.is_logged_in
    }

    /// Whether the server is in UTF-8 mode: it shows messages as they are (R6858-5.2).
    pub fn is_utf8(&self) -> bool {
        self.is_utf8
    }

    /// What a trace may show instead of the last octets of the output, when those hold a secret: how many octets, and the
    /// lines to be shown, with CRLF. To be asked after a step that has appended something.
    pub fn redaction(&self) -> Option<(usize, Vec<u8>)> {
        match self.pending.back() {
            Some(Pending { kind: Kind::Login(exchange), .. }) => {
                exchange.redaction().map(|shown| (self.login_octets, shown))
            }
            _ => None,
        }
    }

    /// How many times something was sent while nothing was unanswered: each is a round trip that somebody waits for.
    pub fn flights(&self) -> u64 {
        self.flights
    }

    /// How many requests wait to be sent. A driver with many requests submits some more when this is low.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Why the login under way has failed already, if it has, though the server has yet to answer all of it. What a
    /// driver has to tell when the server closes instead.
    pub fn login_refusal(&self) -> Option<&Refusal> {
        match self.pending.front() {
            Some(Pending { kind: Kind::Login(exchange), .. }) => exchange.refusal(),
            _ => None,
        }
    }

    /// What became of the deletions if the connection ends now.
    pub fn ending(&self) -> Ending {
        match self.state {
            State::Closed => Ending::Regular,
            _ if !self.is_logged_in => Ending::Regular,
            _ if self.is_quit_sent => Ending::Unknown,
            _ => Ending::NothingDeleted,
        }
    }

    /// Takes a request; it is sent by one of the next steps.
    ///
    /// # Errors
    /// When it cannot be said in POP3, or QUIT was submitted before, or the dialogue is over. Nothing is changed.
    pub fn submit(&mut self, request: Request) -> Result<(), InvalidRequest> {
        self.check(&request)?;
        self.is_quitting = matches!(request, Request::Quit);
        self.waiting.push_back(request);
        Ok(())
    }

    /// Whether [`submit`](Self::submit) would take the request.
    ///
    /// # Errors
    /// As there.
    pub fn check(&self, request: &Request) -> Result<(), InvalidRequest> {
        if self.is_quitting || matches!(self.state, State::Closed | State::Dead(_)) {
            return Err(InvalidRequest::Closing);
        }
        match request {
            Request::Login(login) => login.check(self.is_encrypted),
            Request::Language(range) if !is_language_range(range) => Err(InvalidRequest::Language),
            _ => Ok(()),
        }
    }

    /// Goes on as far as possible without help. Appends commands to `output`; consumes replies from `input`.
    ///
    /// # Errors
    /// When the server breaks the protocol; then and ever after.
    pub fn step(&mut self, input: &mut Input, output: &mut Vec<u8>) -> Result<Step, ProtocolError> {
        self.advance(input, output).inspect_err(|&error| self.state = State::Dead(error))
    }

    /// Answers [`Step::ReceiveMessage`]: the message has been taken out of the input, to its end.
    pub fn message_received(&mut self) {
        if self.state == State::Message {
            self.state = State::Dialogue;
        }
    }

    /// Answers [`Step::StartTls`]: the connection is encrypted.
    pub fn tls_started(&mut self) {
        if self.state == State::StartTls {
            // R2595-4.11: what was said before may have been said by anybody.
            self.capabilities = None;
            self.is_encrypted = true;
            self.state = State::Dialogue;
        }
    }

    fn advance(&mut self, input: &mut Input, output: &mut Vec<u8>) -> Result<Step, ProtocolError> {
        loop {
            match self.state {
                State::Dead(error) => return Err(error),
                State::Closed => return Ok(Step::Closed),
                State::Message => return Ok(Step::ReceiveMessage),
                State::StartTls => return Ok(Step::StartTls),
                State::Dialogue => {}
            }
            // Whatever is here now would be taken for the answer to the next request.
            if self.pending.is_empty() && !input.is_empty() {
                return Err(ProtocolError::Unsolicited);
            }
            if let Some(event) = self.send(output) {
                return Ok(Step::Event(event));
            }
            let Some(pending) = self.pending.front() else { return Ok(Step::Idle) };
            // The message or the handshake of a request that is otherwise answered is over.
            if pending.listed.is_some() && !pending.kind.is_listing() {
                return Ok(self.finish(Outcome::Done));
            }
            let Some(line) = find_line(input.octets(), self.limits.line_octets_max)? else {
                return Ok(Step::Read);
            };
            let length = line.len() + b"\r\n".len();
            let is_all = length == input.len();
            let step = self.take(line, is_all, output)?;
            input.consume(length);
            if let Some(step) = step {
                return Ok(step);
            }
        }
    }

    /// Appends as many waiting commands as may be sent now.
    fn send(&mut self, output: &mut Vec<u8>) -> Option<Event> {
        while let Some(request) = self.waiting.front() {
            if !self.may_send(request) {
                return None;
            }
            let start = output.len();
            if let Some(why) = self.hindrance(request) {
                self.waiting.pop_front();
                return Some(Event::Finished(Outcome::NotPossible(why)));
            }
            let expected = request.expected_octets();
            let kind = match self.waiting.pop_front()? {
                Request::Login(login) => {
                    let timestamp = self.timestamp.as_deref();
                    match Exchange::begin(login, self.capabilities.as_ref(), timestamp, output) {
                        Ok(exchange) => Kind::Login(exchange),
                        Err(why) => return Some(Event::Finished(Outcome::NotPossible(why))),
                    }
                }
                request => {
                    if let Some(command) = request.command() {
                        command.encode(output);
                    }
                    self.is_quit_sent |= matches!(request, Request::Quit);
                    Kind::Request(request)
                }
            };
            let octets = output.len() - start;
            self.login_octets = octets;
            self.octets_in_flight += octets;
            if let Some(expected) = expected {
                self.messages_in_flight.0 += 1;
                self.messages_in_flight.1 = self.messages_in_flight.1.saturating_add(expected);
            }
            self.flights += u64::from(self.pending.is_empty());
            self.before_quit += usize::from(!kind.is_harmless());
            self.pending.push_back(Pending { kind, octets, listed: None });
        }
        None
    }

    /// Whether the request may be sent before what was sent earlier is answered (R2449-6.6.4, R2449-6.6.3).
    fn may_send(&self, request: &Request) -> bool {
        let Some(last) = self.pending.back() else { return true };
        let is_pipelining = self.capabilities.as_ref().is_some_and(|capabilities| capabilities.pipelining);
        let Kind::Request(last) = &last.kind else { return false };
        if !is_pipelining || !last.flight().admits(request.flight()) {
            return false;
        }
        if matches!(request, Request::Quit) && self.before_quit > 0 {
            return false;
        }
        let (messages, octets) = self.messages_in_flight;
        let is_ahead = |expected| {
            messages < MESSAGES_AHEAD_MIN || octets.saturating_add(expected) <= self.limits.ahead_octets_max
        };
        self.octets_in_flight < self.limits.pipelined_octets_max
            && self.pending.len() < self.limits.pipelined_commands_max
            && request.expected_octets().is_none_or(is_ahead)
    }

    /// Why a request cannot be sent as things stand. Everything before it has been answered if it matters.
    fn hindrance(&self, request: &Request) -> Option<NotPossible> {
        let listed = |is: fn(&Capabilities) -> bool| self.capabilities.as_ref().is_some_and(is);
        match request {
            Request::StartTls if self.is_utf8 => Some(NotPossible::TlsAfterUtf8),
            Request::Utf8 if self.is_logged_in => Some(NotPossible::Utf8AfterLogin),
            Request::Language(_) if listed(|capabilities| capabilities.stls) => {
                Some(NotPossible::LanguageBeforeTls)
            }
            // R6856-2.2.6
            Request::Login(login) if login.needs_utf8_user() && !listed(|listed| listed.utf8_user) => {
                Some(NotPossible::NeedsUtf8User)
            }
            _ => None,
        }
    }

    /// Takes one line of the server; `is_all` when nothing has come behind it.
    fn take(
        &mut self,
        line: &[u8],
        is_all: bool,
        output: &mut Vec<u8>,
    ) -> Result<Option<Step>, ProtocolError> {
        let Some(pending) = self.pending.front_mut() else { return Err(ProtocolError::Unsolicited) };
        if let Some(listed) = &mut pending.listed {
            // R1939-3.13 R1939-3.14
            if line == b"." {
                let is_malformed = listed.is_malformed;
                if matches!(pending.kind, Kind::Request(Request::Capabilities)) {
                    self.capabilities = Some(self.incoming.take().unwrap_or_default());
                }
                return Ok(Some(self.finish(if is_malformed { Outcome::Malformed } else { Outcome::Done })));
            }
            let line = line.strip_prefix(b".").unwrap_or(line);
            if listed.lines == self.limits.listing_lines_max {
                return Err(ProtocolError::ListingTooLong);
            }
            listed.lines += 1;
            let event = match &pending.kind {
                Kind::Request(Request::List) => parse_scan_listing(line),
                Kind::Request(Request::Uidl) => parse_unique_id_listing(line),
                _ => {
                    self.incoming.get_or_insert_default().add(line);
                    return Ok(None);
                }
            };
            listed.is_malformed |= event.is_none();
            return Ok(event.map(Step::Event));
        }
        if let Kind::Login(exchange) = &mut pending.kind {
            let start = output.len();
            let progress = exchange.advance(line, output)?;
            self.login_octets = output.len() - start;
            self.flights += u64::from(matches!(progress, Progress::Sent));
            return Ok(match progress {
                Progress::Sent | Progress::More => None,
                Progress::Granted => {
                    self.is_logged_in = true;
                    Some(self.finish(Outcome::Done))
                }
                Progress::Refused(refusal) => Some(self.finish(Outcome::Refused(refusal))),
            });
        }
        let reply = Reply::parse(line).map_err(|_| ProtocolError::NotAReply)?;
        match reply.status {
            Status::Ok => self.succeed(reply, line, is_all),
            Status::Err => {
                // What was listed before the login holds on: a refusal says nothing else.
                if matches!(pending.kind, Kind::Request(Request::Capabilities)) && !self.is_logged_in {
                    self.capabilities = None;
                }
                Ok(Some(self.finish(Outcome::Refused(Refusal::of(&reply)))))
            }
        }
    }

    /// The oldest command was answered with "+OK".
    fn succeed(
        &mut self,
        reply: Reply<'_>,
        line: &[u8],
        is_all: bool,
    ) -> Result<Option<Step>, ProtocolError> {
        let Some(pending) = self.pending.front_mut() else { return Ok(None) };
        let request = match &pending.kind {
            Kind::Greeting => {
                self.timestamp = apop::find_timestamp(line).map(<[u8]>::to_vec);
                return Ok(Some(self.finish(Outcome::Done)));
            }
            Kind::Login(_) => return Ok(None),
            Kind::Request(request) => request,
        };
        let content = match request {
            Request::Capabilities => {
                self.incoming = None;
                pending.listed = Some(Listed::default());
                return Ok(None);
            }
            Request::List | Request::Uidl => {
                pending.listed = Some(Listed::default());
                return Ok(None);
            }
            Request::Retrieve { .. } | Request::Top { .. } => {
                pending.listed = Some(Listed::default());
                self.state = State::Message;
                return Ok(Some(Step::ReceiveMessage));
            }
            Request::StartTls => {
                // R2595-4.7
                if !is_all {
                    return Err(ProtocolError::InjectedBeforeTls);
                }
                pending.listed = Some(Listed::default());
                self.state = State::StartTls;
                return Ok(Some(Step::StartTls));
            }
            Request::Stat => parse_stat(reply.text),
            Request::ListOne(_) => parse_scan_listing(reply.text),
            Request::UidlOne(_) => parse_unique_id_listing(reply.text),
            Request::Utf8 => {
                self.is_utf8 = true;
                return Ok(Some(self.finish(Outcome::Done)));
            }
            Request::Language(_)
            | Request::Login(_)
            | Request::Delete(_)
            | Request::Noop
            | Request::Reset
            | Request::Quit => {
                return Ok(Some(self.finish(Outcome::Done)));
            }
        };
        Ok(Some(match content {
            Some(event) => {
                // The end of the request is told by the next step.
                pending.listed = Some(Listed::default());
                Step::Event(event)
            }
            None => self.finish(Outcome::Malformed),
        }))
    }

    /// The oldest command is answered.
    fn finish(&mut self, outcome: Outcome) -> Step {
        if let Some(pending) = self.pending.pop_front() {
            self.octets_in_flight = self.octets_in_flight.saturating_sub(pending.octets);
            self.before_quit -= usize::from(!pending.kind.is_harmless());
            if let Kind::Request(request) = &pending.kind
                && let Some(expected) = request.expected_octets()
            {
                let (messages, octets) = self.messages_in_flight;
                self.messages_in_flight = (messages.saturating_sub(1), octets.saturating_sub(expected));
            }
            let is_over = match pending.kind {
                Kind::Greeting => outcome != Outcome::Done,
                Kind::Request(Request::Quit) => true,
                _ => false,
            };
            if is_over {
                self.state = State::Closed;
            }
        }
        Step::Event(Event::Finished(outcome))
    }
}

impl Kind {
    /// Whether QUIT may be sent before the reply to this has come.
    const fn is_harmless(&self) -> bool {
        matches!(self, Self::Request(request) if matches!(request.flight(), Flight::Harmless))
    }

    /// Whether lines follow a positive reply that the session reads itself.
    fn is_listing(&self) -> bool {
        matches!(self, Self::Request(Request::Capabilities | Request::List | Request::Uidl))
    }
}

/// The first line of `octets`, without its CRLF. `None` when it has not ended yet.
fn find_line(octets: &[u8], octets_max: usize) -> Result<Option<&[u8]>, ProtocolError> {
    match memchr::memchr(b'\n', octets) {
        None if octets.len() >= octets_max => Err(ProtocolError::LineTooLong),
        None => Ok(None),
        Some(at) if at >= octets_max => Err(ProtocolError::LineTooLong),
        Some(at) => {
            let line = octets.get(..at).and_then(|line| line.strip_suffix(b"\r"));
            line.map(Some).ok_or(ProtocolError::BareLineFeed)
        }
    }
}

/// `messages octets`, and whatever else (R1939-5.5).
fn parse_stat(text: &[u8]) -> Option<Event> {
    let mut words = words(text);
    let messages = u32::try_from(number(words.next()?)?).ok()?;
    Some(Event::Stat { messages, octets: Octets::new(number(words.next()?)?) })
}

/// `number octets`, and whatever else (R1939-5.5).
fn parse_scan_listing(text: &[u8]) -> Option<Event> {
    let mut words = words(text);
    let message = message_number(words.next()?)?;
    Some(Event::ScanListing { number: message, octets: Octets::new(number(words.next()?)?) })
}

/// `number unique-id`. The unique-id goes to the end of the line: some hold spaces, and to cut one would make two
/// messages one.
fn parse_unique_id_listing(text: &[u8]) -> Option<Event> {
    let text = text.trim_ascii();
    let end = text.iter().position(|&octet| octet == b' ')?;
    let (number, unique_id) = text.split_at_checked(end)?;
    let unique_id = unique_id.trim_ascii();
    let number = message_number(number)?;
    (!unique_id.is_empty()).then(|| Event::UniqueIdListing { number, unique_id: unique_id.to_vec() })
}

/// Words between any number of spaces: some servers line their columns up.
fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&octet| octet == b' ' || octet == b'\t').filter(|word| !word.is_empty())
}

fn message_number(digits: &[u8]) -> Option<MessageNumber> {
    u32::try_from(number(digits)?).ok().and_then(MessageNumber::new)
}

/// So many messages are asked for ahead, however large they are: while one is being taken, the next is on its way.
const MESSAGES_AHEAD_MIN: usize = 2;

/// Digits only; leading zeros are tolerated.
fn number(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(digits).ok()?.parse().ok()
}
