//! The POP3 client session itself: what is sent when, and which reply belongs to what.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use super::capabilities::Capabilities;
use super::deadline::Awaited;
use super::login::{Exchange, Progress};
use super::quirk::{Met, Profile, Quirk};
use super::reading::{Line, find_line};
use super::request::{Flight, InvalidRequest, Request};
use super::window::{Cost, Window};
use super::{Ending, Event, Handle, NotPossible, Outcome, ProtocolError, Refusal, Settings, Step};
use crate::body::Decoder;
use crate::line::{Input, LineEnd};
use crate::maildrop::{MessageNumber, Octets};
use crate::reply::{Form, Reply, Status, parse_challenge};
use crate::sasl::apop;

mod listing;

use listing::Listed;

/// One POP3 connection, client side.
///
/// The driver [`submit`](Self::submit)s requests and calls [`step`](Self::step) until it says [`Step::Idle`]. Requests
/// are answered in their order (R2449-6.6.2), and what is told of one carries the [`Handle`] that submitting it gave. They
/// are sent ahead of replies only when the server's last CAPA listed PIPELINING (R2449-6.6.4), and never behind a login, STLS
/// or QUIT; QUIT itself is sent ahead behind DELE and NOOP only, so that nothing becomes final before all that led to it is
/// known.
///
/// What could give one message's octets to another is an error always: every octet answers something, limits hold, only
/// the line end that the server's replies have ends a message. What else is not as it should be is a [`Quirk`]: told, or
/// refused, as the [`Profile`] says. Dropping the session deletes nothing: only a QUIT that was submitted can.
#[derive(Debug)]
pub struct Session {
    pub(super) settings: Settings,
    /// How many requests were taken, the greeting included.
    submitted: u64,
    /// Not yet sent.
    waiting: VecDeque<(Handle, Request)>,
    /// Sent and not yet answered, the oldest first.
    pending: VecDeque<Pending>,
    window: Window,
    /// How many times something was sent while nothing was unanswered.
    flights: u64,
    /// Octets at the end of the output that belong to the login under way.
    login_octets: usize,
    state: State,
    /// Blank lines where the next reply is due.
    blank_lines: u8,
    met: Met,
    /// What is told when the quirks of its line are told.
    held: Option<Told>,
    capabilities: Option<Capabilities>,
    /// The list that is coming, until it is complete.
    incoming: Option<Capabilities>,
    /// What STAT said, as long as LIST must say the same.
    stat: Option<(u32, Octets)>,
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
    /// `ReceiveMessage` was said; how lines end there.
    Message(LineEnd),
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
    handle: Handle,
    kind: Kind,
    cost: Cost,
    /// The positive first line was read, lines of the listing follow.
    listed: Option<Listed>,
}

#[derive(Debug)]
enum Kind {
    Greeting,
    Login(Exchange),
    Request(Request),
    /// Was not sent, and is told so when its turn comes.
    NotSent(NotPossible),
}

/// What a step comes to, before what it lends is lent.
#[derive(Debug)]
enum Told {
    Step(Step<'static>),
    /// The next line of the input, of so many octets, tells of a unique-id.
    UniqueId {
        handle: Handle,
        number: MessageNumber,
        line: usize,
        unique_id: Range<usize>,
    },
}

impl Session {
    /// A session on a new connection. The greeting is answered like a request, with one [`Event::Finished`].
    pub fn new(settings: Settings) -> Self {
        let cost = Cost { delays_quit: true, ..Cost::default() };
        let mut window = Window::default();
        window.sent(cost);
        let greeting = Pending { handle: Handle::GREETING, kind: Kind::Greeting, cost, listed: None };
        Self {
            settings,
            submitted: 1,
            waiting: VecDeque::new(),
            pending: VecDeque::from([greeting]),
            window,
            flights: 0,
            login_octets: 0,
            state: State::Dialogue,
            blank_lines: 0,
            met: Met::default(),
            held: None,
            capabilities: None,
            incoming: None,
            stat: None,
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

    /// What the server listed last, in answer to CAPA. `None` before that, when CAPA was refused before the login
    /// (R2449-5.8), and again once TLS has begun (R2595-4.11).
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

    /// What is waited for while the step is [`Step::Read`] or a message is received, and how long at most. The driver owns
    /// the clock: it begins when waiting does, and again whenever octets come.
    pub fn deadline(&self) -> (Awaited, Duration) {
        let awaited = match (self.pending.front(), self.state) {
            (_, State::Message(_)) | (Some(Pending { listed: Some(_), .. }), _) => Awaited::Progress,
            (Some(Pending { kind: Kind::Greeting, .. }), _) => Awaited::Greeting,
            (Some(Pending { kind: Kind::Login(_), .. }), _) => Awaited::Login,
            _ => Awaited::Reply,
        };
        (awaited, self.settings.deadlines.of(awaited))
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

    /// Takes a request; it is sent by one of the next steps. What is told of it carries the handle.
    ///
    /// # Errors
    /// When it cannot be said in POP3, or QUIT was submitted before, or the dialogue is over. Nothing is changed.
    pub fn submit(&mut self, request: Request) -> Result<Handle, InvalidRequest> {
        self.check(&request)?;
        self.is_quitting = matches!(request, Request::Quit);
        let handle = Handle(self.submitted);
        self.submitted += 1;
        self.waiting.push_back((handle, request));
        Ok(handle)
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
            _ => Ok(()),
        }
    }

    /// Goes on as far as possible without help. Appends commands to `output`; consumes replies from `input`.
    ///
    /// # Errors
    /// When the server breaks the protocol; then and ever after.
    pub fn step<'i>(
        &mut self,
        input: &'i mut Input,
        output: &mut Vec<u8>,
    ) -> Result<Step<'i>, ProtocolError> {
        input.free_when_empty();
        let told = self.advance(input, output).inspect_err(|&error| self.state = State::Dead(error))?;
        Ok(match told {
            Told::Step(step) => step,
            Told::UniqueId { handle, number, line, unique_id } => {
                let unique_id = input.take(line).get(unique_id).unwrap_or_default();
                Step::Event(handle, Event::UniqueIdListing { number, unique_id })
            }
        })
    }

    /// Answers [`Step::ReceiveMessage`]: the message has been taken out of the input, to its end, by the decoder that came
    /// with it.
    pub fn message_received(&mut self, decoder: &Decoder) {
        let State::Message(end) = self.state else { return };
        self.state = State::Dialogue;
        let expected = match self.pending.front() {
            Some(Pending { kind: Kind::Request(Request::Retrieve { expected, .. }), .. }) => *expected,
            _ => None,
        };
        let lies = expected.is_some_and(|expected| expected.as_u64() != decoder.octets());
        let is_bare = decoder.has_bare_line_feed() && end == LineEnd::Crlf;
        for quirk in [lies.then_some(Quirk::SizeLies), is_bare.then_some(Quirk::MessageBareLineFeed)] {
            if let Some(Err(error)) = quirk.map(|quirk| self.meet(quirk)) {
                self.state = State::Dead(error);
            }
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

    fn advance(&mut self, input: &mut Input, output: &mut Vec<u8>) -> Result<Told, ProtocolError> {
        loop {
            if let Some((quirk, handle)) = self.met.next() {
                return Ok(Told::Step(Step::Event(handle, Event::Quirk(quirk))));
            }
            if let Some(told) = self.held.take() {
                return Ok(told);
            }
            match (self.state, self.pending.front()) {
                (State::Dead(error), _) => return Err(error),
                (State::Closed, _) => return Ok(Told::Step(Step::Closed)),
                (State::Message(end), Some(pending)) => {
                    return Ok(Told::Step(Step::ReceiveMessage(pending.handle, Decoder::with(end))));
                }
                (State::StartTls, _) => return Ok(Told::Step(Step::StartTls)),
                (State::Dialogue | State::Message(_), _) => {}
            }
            if self.pending.is_empty() && !input.is_empty() && self.drop_blank_line(input)? {
                continue;
            }
            self.send(output);
            let Some(pending) = self.pending.front() else { return Ok(Told::Step(Step::Idle)) };
            if let Kind::NotSent(why) = pending.kind {
                return Ok(Told::Step(self.finish(Outcome::NotPossible(why))));
            }
            // The message or the handshake of a request that is otherwise answered is over.
            if pending.listed.is_some() && !pending.kind.is_listing() {
                return Ok(Told::Step(self.finish(Outcome::Done)));
            }
            let Some(line) = find_line(input.octets(), &self.settings.limits)? else {
                return Ok(Told::Step(Step::Read));
            };
            if line.is_bare {
                self.meet(Quirk::BareLineFeed)?;
            }
            let is_all = line.octets == input.len();
            let octets = line.octets;
            self.held = self.take(line, is_all, output)?;
            // What is lent of a line is used when it is lent.
            if !matches!(self.held, Some(Told::UniqueId { .. })) {
                input.consume(octets);
            }
        }
    }

    /// Appends as many waiting commands as may be sent now.
    fn send(&mut self, output: &mut Vec<u8>) {
        while let Some((handle, request)) = self.waiting.front().filter(|(_, request)| self.may_send(request))
        {
            let (start, handle) = (output.len(), *handle);
            let hindrance = self.hindrance(request);
            let (expected, delays_quit) = (request.expected_octets(), request.flight() != Flight::Harmless);
            let Some((_, request)) = self.waiting.pop_front() else { break };
            let kind = match (request, hindrance) {
                (_, Some(why)) => Kind::NotSent(why),
                (Request::Login(login), None) => {
                    let timestamp = self.timestamp.as_deref();
                    let begun = Exchange::begin(login, self.capabilities.as_ref(), timestamp, output);
                    begun.map_or_else(Kind::NotSent, Kind::Login)
                }
                (request, None) => {
                    if let Some(command) = request.command() {
                        command.encode(output);
                    }
                    self.is_quit_sent |= matches!(request, Request::Quit);
                    Kind::Request(request)
                }
            };
            self.login_octets = output.len() - start;
            let cost = Cost { octets: self.login_octets, expected, delays_quit };
            self.flights += u64::from(self.pending.is_empty() && output.len() > start);
            self.window.sent(cost);
            self.pending.push_back(Pending { handle, kind, cost, listed: None });
        }
    }

    /// Whether the request may be sent before what was sent earlier is answered (R2449-6.6.4, R2449-6.6.3).
    fn may_send(&self, request: &Request) -> bool {
        let Some(last) = self.pending.back() else { return true };
        let is_pipelining = self.capabilities.as_ref().is_some_and(|capabilities| capabilities.pipelining);
        let Kind::Request(last) = &last.kind else { return false };
        is_pipelining
            && last.flight().admits(request.flight())
            && self.window.has_room(request, &self.settings.limits)
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
        line: Line<'_>,
        is_all: bool,
        output: &mut Vec<u8>,
    ) -> Result<Option<Told>, ProtocolError> {
        let Some(pending) = self.pending.front_mut() else { return Err(ProtocolError::Unsolicited) };
        if pending.listed.is_some() {
            return self.take_listed(line);
        }
        if let Kind::Login(exchange) = &mut pending.kind
            && let Some(challenge) = parse_challenge(line.text)
        {
            let start = output.len();
            exchange.challenged(challenge, output)?;
            self.login_octets = output.len() - start;
            self.flights += 1;
            return Ok(None);
        }
        let Some(reply) = self.reply(line.text)? else { return Ok(None) };
        let Some(pending) = self.pending.front_mut() else { return Err(ProtocolError::Unsolicited) };
        if let Kind::Login(exchange) = &mut pending.kind {
            let start = output.len();
            let progress = exchange.replied(&reply, output)?;
            self.login_octets = output.len() - start;
            self.flights += u64::from(matches!(progress, Progress::Sent));
            return Ok(match progress {
                Progress::Sent | Progress::More => None,
                Progress::Granted => {
                    self.is_logged_in = true;
                    Some(Told::Step(self.finish(Outcome::Done)))
                }
                Progress::Refused(refusal) => Some(Told::Step(self.finish(Outcome::Refused(refusal)))),
            });
        }
        match reply.status {
            Status::Ok => self.succeed(&reply, line, is_all),
            Status::Err => {
                if matches!(pending.kind, Kind::Request(Request::Capabilities)) {
                    // What was listed before the login holds on: a refusal says nothing else.
                    if !self.is_logged_in {
                        self.capabilities = None;
                    }
                    self.note(Quirk::NoCapa);
                }
                Ok(Some(Told::Step(self.finish(Outcome::Refused(Refusal::of(&reply))))))
            }
        }
    }

    /// The reply that a line is; `None` for a blank line that is forgiven.
    fn reply<'l>(&mut self, line: &'l [u8]) -> Result<Option<Reply<'l>>, ProtocolError> {
        if self.forgives_blank(line) {
            return Ok(None);
        }
        self.blank_lines = 0;
        if self.settings.profile == Profile::Strict {
            return Reply::parse(line).map(Some).map_err(|_| ProtocolError::NotAReply);
        }
        let (reply, form) = Reply::parse_loosely(line).map_err(|_| ProtocolError::NotAReply)?;
        match form {
            Form::Exact => {}
            Form::Case => self.note(Quirk::StatusCase),
            Form::NoSpace => self.note(Quirk::StatusSpace),
        }
        Ok(Some(reply))
    }

    /// The oldest command was answered with "+OK".
    fn succeed(
        &mut self,
        reply: &Reply<'_>,
        line: Line<'_>,
        is_all: bool,
    ) -> Result<Option<Told>, ProtocolError> {
        let Some(pending) = self.pending.front_mut() else { return Ok(None) };
        let handle = pending.handle;
        let request = match &pending.kind {
            Kind::Greeting => {
                self.timestamp = apop::find_timestamp(line.text).map(<[u8]>::to_vec);
                return Ok(Some(Told::Step(self.finish(Outcome::Done))));
            }
            Kind::Login(_) | Kind::NotSent(_) => return Ok(None),
            Kind::Request(request) => request,
        };
        match request {
            Request::Capabilities | Request::List | Request::Uidl => {
                self.incoming = None;
                pending.listed = Some(Listed::default());
                Ok(None)
            }
            Request::Retrieve { .. } | Request::Top { .. } => {
                pending.listed = Some(Listed::default());
                // Whoever ends this line with LF ends those of the message so, and stuffs its dots by that. Nothing
                // inside a message can bring this about.
                let end = if line.is_bare { LineEnd::CrlfOrLf } else { LineEnd::Crlf };
                self.state = State::Message(end);
                Ok(Some(Told::Step(Step::ReceiveMessage(handle, Decoder::with(end)))))
            }
            Request::StartTls => {
                // R2595-4.7
                if !is_all {
                    return Err(ProtocolError::InjectedBeforeTls);
                }
                pending.listed = Some(Listed::default());
                self.state = State::StartTls;
                Ok(Some(Told::Step(Step::StartTls)))
            }
            Request::Stat | Request::ListOne(_) | Request::UidlOne(_) => self.succeed_with(reply.text, line),
            Request::Utf8 => {
                self.is_utf8 = true;
                Ok(Some(Told::Step(self.finish(Outcome::Done))))
            }
            Request::Delete(_) | Request::Reset => {
                self.stat = None;
                Ok(Some(Told::Step(self.finish(Outcome::Done))))
            }
            Request::Language(_) | Request::Login(_) | Request::Noop | Request::Quit => {
                Ok(Some(Told::Step(self.finish(Outcome::Done))))
            }
        }
    }

    /// The oldest command is answered.
    fn finish(&mut self, outcome: Outcome) -> Step<'static> {
        let Some(pending) = self.pending.pop_front() else { return Step::Idle };
        self.window.answered(pending.cost);
        let is_over = match pending.kind {
            Kind::Greeting => outcome != Outcome::Done,
            Kind::Request(Request::Quit) => true,
            _ => false,
        };
        if is_over {
            self.state = State::Closed;
        }
        Step::Event(pending.handle, Event::Finished(outcome))
    }

    /// The server did something that it should not.
    fn meet(&mut self, quirk: Quirk) -> Result<(), ProtocolError> {
        match self.settings.profile {
            Profile::Strict if quirk == Quirk::BareLineFeed => Err(ProtocolError::BareLineFeed),
            Profile::Strict if quirk.is_deviation() => Err(ProtocolError::Deviation(quirk)),
            _ => {
                self.note(quirk);
                Ok(())
            }
        }
    }

    /// The next step tells of this, if none has yet.
    fn note(&mut self, quirk: Quirk) {
        let last = Handle(self.submitted - 1);
        self.met.add(quirk, self.pending.front().map_or(last, |pending| pending.handle));
    }

    /// Whether a line is one of the few blank lines where a reply is due that a lenient client forgives.
    fn forgives_blank(&mut self, line: &[u8]) -> bool {
        let is_forgiven = line.is_empty()
            && self.settings.profile == Profile::Lenient
            && self.blank_lines < BLANK_LINES_MAX;
        if is_forgiven {
            self.blank_lines += 1;
            self.note(Quirk::BlankLine);
        }
        is_forgiven
    }

    /// Whatever is here while nothing is asked would be taken for the answer to the next request. Line ends alone are no
    /// answer to anything; `false` for the half of one, whose other half is still to come.
    fn drop_blank_line(&mut self, input: &mut Input) -> Result<bool, ProtocolError> {
        match find_line(input.octets(), &self.settings.limits) {
            Ok(Some(line)) if line.text.is_empty() => {
                let (octets, is_bare) = (line.octets, line.is_bare);
                if is_bare && self.settings.profile == Profile::Lenient {
                    self.note(Quirk::BareLineFeed);
                }
                if !self.forgives_blank(b"") {
                    return Err(ProtocolError::Unsolicited);
                }
                input.consume(octets);
                Ok(true)
            }
            Ok(None) if input.octets() == b"\r" && self.settings.profile == Profile::Lenient => Ok(false),
            _ => Err(ProtocolError::Unsolicited),
        }
    }
}

impl Kind {
    /// Whether lines follow a positive reply that the session reads itself.
    const fn is_listing(&self) -> bool {
        matches!(self, Self::Request(Request::Capabilities | Request::List | Request::Uidl))
    }
}

/// So many blank lines in a row are forgiven.
const BLANK_LINES_MAX: u8 = 16;
