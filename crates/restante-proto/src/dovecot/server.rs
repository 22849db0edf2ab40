//! The server's side: what a mail server asks, and what it is told.
//!
//! One [`Session`] a connection, many logins at a time in it, each with a number that the client has chosen. What a login needs is asked
//! of the driver with a [`Ticket`], in any number at once; answers come in any order, and an answer to what the client has cancelled
//! meanwhile is dropped. The exchange itself is that of `sasl/exchange`. How long the answer to a wrong login is held back is the driver's
//! affair: the others go on meanwhile.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::request::{Auth, Request};
use super::{LINE_OCTETS_MAX, VERSION_MAJOR, VERSION_MINOR, fields, is_our_version, number, push, push_pair};
use crate::line::{Input, Line, LineEnd};
use crate::sasl::exchange::{Exchange, Invalid, Progress, Surroundings};
use crate::sasl::{
    self, Channel, Credentials, Mechanism, ScramFacts, ScramQuery, ServerSignature, TokenTerms, oauth, scram,
};
use crate::secret::Secret;

/// What is offered, and how much at a time.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The server's name, for challenges.
    pub hostname: String,
    /// The mechanisms, in the order to announce them. Those that can never work here are left out: "-PLUS", since the mail server has the
    /// TLS connection, and ANONYMOUS, since a mail server that lets everybody in is an open relay.
    pub mechanisms: Vec<Mechanism>,
    /// What is said about bearer tokens.
    pub token_terms: TokenTerms,
    /// Which clients may send passwords without TLS.
    pub plaintext: Plaintext,
    /// How much and how long.
    pub limits: Limits,
}

/// Which clients may send passwords that can be listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plaintext {
    /// None.
    Never,
    /// Those on the mail server's own machine.
    Loopback,
    /// All.
    Always,
}

/// Bounds, each for one connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest line. A longer one ends the connection: nobody knows which login it was about.
    pub line_octets_max: usize,
    /// Logins under way. One more is told to come again.
    pub pending_max: usize,
    /// How long a login waits for the client's next response; SMTP gives a client five minutes, and who types gives up before.
    pub response_max: Duration,
    /// Output beyond this is written before another line is read.
    pub output_octets_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_octets_max: LINE_OCTETS_MAX,
            pending_max: 100,
            response_max: Duration::from_secs(300),
            output_octets_max: 64 * 1024,
        }
    }
}

/// What a connection is called.
#[derive(Clone, Copy, Debug)]
pub struct Greeting {
    /// The number of the server's process.
    pub process: u32,
    /// The number of the connection; another one for each.
    pub connection: u32,
    /// Octets of chance.
    pub cookie: [u8; 16],
}

/// One login of a session; what is answered with it goes to this login and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    id: u32,
    serial: u64,
}

/// What the driver is to do next.
#[derive(Debug)]
pub enum Step {
    /// Write the output, then wait for octets, for an answer to what was asked, or for [`Session::deadline`].
    Read,
    /// Write the output.
    Write,
    /// Octets of chance: [`Session::nonce`].
    Nonce(Ticket),
    /// What is known of an account: [`Session::scram_prepared`].
    PrepareScram(Ticket, Arc<Request>, ScramQuery),
    /// Whether these are right: [`Session::granted`] or [`Session::refused`].
    Authenticate(Ticket, Arc<Request>, Credentials),
    /// A login was refused because too many are under way. For the log; nothing is answered.
    Full,
    /// Write the output and close.
    Close(Violation),
}

/// Why the session cannot go on: the client does not speak as it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A line is longer than any may be.
    LineTooLong,
    /// The client speaks another version, or something else.
    Version,
    /// A command that there is none of, or that lacks something.
    Command,
    /// The number of a login that is under way.
    NumberInUse,
}

impl Violation {
    /// What to say of it.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::LineTooLong => "a line that is too long",
            Self::Version => "no version of the protocol that is spoken here",
            Self::Command => "a command that there is none of, or that lacks something",
            Self::NumberInUse => "two logins of the same number",
        }
    }
}

/// Why a login is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is wrong.
    Credentials,
    /// It cannot be said now.
    Temporary,
}

/// The server's side of one connection.
///
/// `step` uses complete lines of the input and appends lines to the output. Answers append lines too, so after one `step` comes next.
#[derive(Debug)]
pub struct Session {
    policy: Arc<Policy>,
    greeting: Option<Greeting>,
    state: State,
    pending: BTreeMap<u32, Pending>,
    /// What the driver is still to be asked. At most one for each login, and one [`Step::Full`] for each line.
    asks: VecDeque<Step>,
    serial: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// VERSION is awaited.
    Version,
    /// CPID is awaited.
    Process,
    /// Logins may come.
    Ready,
    Violated(Violation),
}

#[derive(Debug)]
struct Pending {
    serial: u64,
    request: Arc<Request>,
    moment: Moment,
    /// When the client was last answered.
    since: Duration,
}

#[derive(Debug)]
enum Moment {
    /// The response to a challenge is awaited.
    Responding(Exchange),
    /// The driver was asked for something that a mechanism needs.
    Asking(Exchange),
    /// The driver was asked to verify; whether a refused token is to be explained.
    Verifying { is_token: bool },
    /// The credentials are right, and the client was shown that we are too; its empty response is awaited.
    Confirming { user: Box<[u8]> },
    /// A token was refused, and it was said why; the response, which says nothing, is awaited.
    Acknowledging,
    /// The client wants to hear nothing more; the driver's answer is awaited and dropped.
    Cancelled,
}

impl Session {
    /// A session that has said nothing yet.
    #[must_use]
    pub fn new(policy: Arc<Policy>, greeting: Greeting) -> Self {
        Self {
            policy,
            greeting: Some(greeting),
            state: State::Version,
            pending: BTreeMap::new(),
            asks: VecDeque::new(),
            serial: 0,
        }
    }

    /// Goes on. `now` is a time that only grows, for what waits for the client.
    pub fn step(&mut self, input: &mut Input, output: &mut Vec<u8>, now: Duration) -> Step {
        if let Some(greeting) = self.greeting.take() {
            self.greet(greeting, output);
        }
        loop {
            if let State::Violated(violation) = self.state {
                return Step::Close(violation);
            }
            if let Some(step) = self.asks.pop_front() {
                return step;
            }
            if output.len() >= self.policy.limits.output_octets_max {
                return Step::Write;
            }
            match input.next_line(self.policy.limits.line_octets_max, LineEnd::CrlfOrLf) {
                Line::Incomplete => return Step::Read,
                Line::TooLong => self.state = State::Violated(Violation::LineTooLong),
                Line::Complete(line) => {
                    if let Err(violation) = self.take(line, output, now) {
                        self.state = State::Violated(violation);
                    }
                }
            }
            // The line may have held a password.
            input.wipe_used();
        }
    }

    /// Whether the client has said who it is.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready)
    }

    /// Logins under way.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// When [`Session::expire`] has something to do: the first of the logins that wait for the client.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let waiting = self.pending.values().filter(|pending| pending.waits_for_client());
        waiting.map(|pending| pending.since + self.policy.limits.response_max).min()
    }

    /// Ends the logins whose clients have been silent for too long.
    pub fn expire(&mut self, now: Duration, output: &mut Vec<u8>) {
        let max = self.policy.limits.response_max;
        self.pending.retain(|&id, pending| {
            let is_late = pending.waits_for_client() && pending.since + max <= now;
            if is_late {
                fail(id, &[], Why::Reason(TIMED_OUT), output);
            }
            !is_late
        });
    }

    /// Answers [`Step::Nonce`] with octets never used before.
    pub fn nonce(&mut self, ticket: Ticket, octets: &[u8], output: &mut Vec<u8>, now: Duration) {
        let Some((mut exchange, request)) = self.asked(ticket) else { return };
        let progress = exchange.nonce(octets, self.surroundings());
        self.go_on((ticket.id, request), exchange, progress, output, now);
    }

    /// Answers [`Step::PrepareScram`].
    pub fn scram_prepared(
        &mut self,
        ticket: Ticket,
        facts: &ScramFacts,
        output: &mut Vec<u8>,
        now: Duration,
    ) {
        let Some((mut exchange, request)) = self.asked(ticket) else { return };
        let progress = exchange.scram_prepared(facts);
        self.go_on((ticket.id, request), exchange, progress, output, now);
    }

    /// Answers [`Step::Authenticate`]: the credentials are those of the account `user`.
    pub fn granted(
        &mut self,
        ticket: Ticket,
        user: &[u8],
        signature: Option<&ServerSignature>,
        output: &mut Vec<u8>,
        now: Duration,
    ) {
        let Some(pending) = self.current(ticket) else { return };
        let Some(signature) = signature else {
            self.pending.remove(&ticket.id);
            return succeed(ticket.id, user, None, output);
        };
        let message = scram::server_final(signature);
        if pending.request.takes_final {
            self.pending.remove(&ticket.id);
            return succeed(ticket.id, user, Some(&message), output);
        }
        pending.moment = Moment::Confirming { user: user.into() };
        pending.since = now;
        challenge(ticket.id, &message, output);
    }

    /// Answers every question with a refusal. `user` is who was asserted to log in, if that is known.
    pub fn refused(
        &mut self,
        ticket: Ticket,
        user: &[u8],
        refusal: Refusal,
        output: &mut Vec<u8>,
        now: Duration,
    ) {
        let terms = oauth::refusal(&self.policy.token_terms);
        let Some(pending) = self.current(ticket) else { return };
        match (refusal, &pending.moment) {
            // R7628-3.2.2.1, XOAUTH2-Google.2
            (Refusal::Credentials, Moment::Verifying { is_token: true }) => {
                pending.moment = Moment::Acknowledging;
                pending.since = now;
                challenge(ticket.id, &terms, output);
            }
            (Refusal::Credentials, _) => self.end(ticket.id, user, Why::Wrong, output),
            (Refusal::Temporary, _) => self.end(ticket.id, user, Why::Temporary, output),
        }
    }

    fn greet(&self, greeting: Greeting, output: &mut Vec<u8>) {
        line(format_args!("VERSION\t{VERSION_MAJOR}\t{VERSION_MINOR}"), output);
        for &mechanism in &self.policy.mechanisms {
            output.extend_from_slice(b"MECH");
            push(mechanism.name(), output);
            properties(mechanism).iter().for_each(|property| push(property, output));
            output.push(b'\n');
        }
        line(format_args!("SPID\t{}", greeting.process), output);
        line(format_args!("CUID\t{}", greeting.connection), output);
        line(format_args!("COOKIE\t{:032x}", u128::from_be_bytes(greeting.cookie)), output);
        line(format_args!("DONE"), output);
    }

    fn take(&mut self, line: &[u8], output: &mut Vec<u8>, now: Duration) -> Result<(), Violation> {
        let end = line.iter().position(|&octet| octet == b'\t').unwrap_or(line.len());
        let (word, rest) = line.split_at(end);
        let rest = rest.get(1..).unwrap_or_default();
        match (self.state, word) {
            (State::Version, b"VERSION") if is_our_version(fields(rest)) => self.state = State::Process,
            (State::Version, _) => return Err(Violation::Version),
            (State::Process, b"CPID") => {
                number(fields(rest).next()).ok_or(Violation::Command)?;
                self.state = State::Ready;
            }
            (State::Ready, b"AUTH") => {
                let auth = Auth::parse(rest).ok_or(Violation::Command)?;
                return self.begin(auth, output, now);
            }
            (State::Ready, b"CONT") => {
                let mut fields = fields(rest);
                let id = number(fields.next()).ok_or(Violation::Command)?;
                self.respond(id, fields.next().unwrap_or_default(), output, now);
            }
            (State::Ready, b"CANCEL") => {
                let id = number(fields(rest).next()).ok_or(Violation::Command)?;
                match self.pending.get_mut(&id) {
                    // What the driver does goes on and counts: who cancels in time would otherwise guess for free, and without a bound.
                    Some(pending) if !pending.waits_for_client() => pending.moment = Moment::Cancelled,
                    _ => drop(self.pending.remove(&id)),
                }
            }
            _ => return Err(Violation::Command),
        }
        Ok(())
    }

    fn begin(&mut self, auth: Auth<'_>, output: &mut Vec<u8>, now: Duration) -> Result<(), Violation> {
        let Auth { id, mechanism, request, initial } = auth;
        if self.pending.contains_key(&id) {
            return Err(Violation::NumberInUse);
        }
        if self.pending.len() >= self.policy.limits.pending_max {
            self.asks.push_back(Step::Full);
            fail(id, &[], Why::Temporary, output);
            return Ok(());
        }
        let offered = |mechanism: &Mechanism| self.policy.mechanisms.contains(mechanism);
        let Some(mechanism) = Mechanism::parse(mechanism).filter(offered) else {
            fail(id, &[], Why::Reason(UNKNOWN_MECHANISM), output);
            return Ok(());
        };
        if !self.may_go_in_clear(mechanism, &request) {
            fail(id, &[], Why::Reason(NEEDS_TLS), output);
            return Ok(());
        }
        // An initial response of no octets is written `=` in SMTP, and mail servers hand it on.
        let initial = match initial {
            None => None,
            Some(text) => match decode(text) {
                Some(initial) => Some(initial),
                None => {
                    fail(id, &[], Why::Reason(NOT_BASE64), output);
                    return Ok(());
                }
            },
        };
        self.serial += 1;
        let mut exchange = Exchange::new(mechanism);
        let progress = exchange.begin(initial.as_ref().map(Secret::expose), self.surroundings());
        self.go_on((id, Arc::new(request)), exchange, progress, output, now);
        Ok(())
    }

    /// R7628-3.1, XOAUTH2-0.1: a token never; a password where that is allowed.
    fn may_go_in_clear(&self, mechanism: Mechanism, request: &Request) -> bool {
        if request.is_secured {
            return true;
        }
        let is_near = request.remote.as_ref().map(SocketAddr::ip).is_none_or(|address| address.is_loopback());
        match self.policy.plaintext {
            _ if mechanism.is_token() => false,
            _ if !mechanism.is_plaintext() => true,
            Plaintext::Never => false,
            Plaintext::Loopback => is_near,
            Plaintext::Always => true,
        }
    }

    /// CONT of the client. A number that is not under way is a login that has ended meanwhile, or none: nothing follows.
    fn respond(&mut self, id: u32, text: &[u8], output: &mut Vec<u8>, now: Duration) {
        let Some(pending) = self.pending.remove(&id) else { return };
        let Pending { request, moment, serial, since } = pending;
        match moment {
            Moment::Responding(mut exchange) => {
                let Some(response) = decode(text) else {
                    return fail(id, &[], Why::Reason(NOT_BASE64), output);
                };
                let progress = exchange.respond(response.expose(), self.surroundings());
                self.serial += 1;
                self.go_on((id, request), exchange, progress, output, now);
            }
            Moment::Confirming { user } if text.is_empty() || text == b"=" => {
                succeed(id, &user, None, output)
            }
            Moment::Confirming { user } => fail(id, &user, Why::Wrong, output),
            Moment::Acknowledging => fail(id, &[], Why::Wrong, output),
            // Nobody has asked for it.
            moment @ (Moment::Asking(_) | Moment::Verifying { .. } | Moment::Cancelled) => {
                self.pending.insert(id, Pending { serial, request, moment, since });
            }
        }
    }

    fn go_on(
        &mut self,
        (id, request): (u32, Arc<Request>),
        exchange: Exchange,
        progress: Progress,
        output: &mut Vec<u8>,
        now: Duration,
    ) {
        let ticket = Ticket { id, serial: self.serial };
        let moment = match progress {
            Progress::Challenge(message) => {
                challenge(id, &message, output);
                Moment::Responding(exchange)
            }
            Progress::Nonce => {
                self.asks.push_back(Step::Nonce(ticket));
                Moment::Asking(exchange)
            }
            Progress::PrepareScram(query) => {
                self.asks.push_back(Step::PrepareScram(ticket, Arc::clone(&request), query));
                Moment::Asking(exchange)
            }
            Progress::Complete(credentials) => {
                let is_token = matches!(credentials, Credentials::Token { .. });
                self.asks.push_back(Step::Authenticate(ticket, Arc::clone(&request), credentials));
                Moment::Verifying { is_token }
            }
            Progress::Invalid(Invalid::Token) => {
                challenge(id, &oauth::refusal(&self.policy.token_terms), output);
                Moment::Acknowledging
            }
            Progress::Invalid(Invalid::Credentials) => return fail(id, &[], Why::Wrong, output),
            Progress::Invalid(_) => return fail(id, &[], Why::Reason(MALFORMED), output),
        };
        self.pending.insert(id, Pending { serial: ticket.serial, request, moment, since: now });
    }

    /// Takes the exchange out that waits for the driver; none when the client has cancelled it.
    fn asked(&mut self, ticket: Ticket) -> Option<(Exchange, Arc<Request>)> {
        if !matches!(self.current(ticket)?.moment, Moment::Asking(_)) {
            return None;
        }
        let pending = self.pending.remove(&ticket.id)?;
        self.serial += 1;
        match pending.moment {
            Moment::Asking(exchange) => Some((exchange, pending.request)),
            _ => None,
        }
    }

    /// The login of a ticket, where the client still waits for it and for nothing else.
    fn current(&mut self, ticket: Ticket) -> Option<&mut Pending> {
        let pending = self.pending.get(&ticket.id)?;
        if pending.serial != ticket.serial || pending.waits_for_client() {
            return None;
        }
        if matches!(pending.moment, Moment::Cancelled) {
            self.pending.remove(&ticket.id);
        }
        self.pending.get_mut(&ticket.id)
    }

    fn end(&mut self, id: u32, user: &[u8], why: Why, output: &mut Vec<u8>) {
        self.pending.remove(&id);
        fail(id, user, why, output);
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            hostname: &self.policy.hostname,
            channel: Channel::default(),
            is_binding_offered: false,
            token_terms: &self.policy.token_terms,
        }
    }
}

impl Pending {
    const fn waits_for_client(&self) -> bool {
        matches!(self.moment, Moment::Responding(_) | Moment::Confirming { .. } | Moment::Acknowledging)
    }
}

/// How a login failed.
#[derive(Clone, Copy)]
enum Why {
    /// Nothing more is said.
    Wrong,
    /// For the client to read.
    Reason(&'static str),
    Temporary,
}

/// The names of what is wrong were others before Dovecot 2.3; mail servers know one or both.
fn fail(id: u32, user: &[u8], why: Why, output: &mut Vec<u8>) {
    output.extend_from_slice(b"FAIL");
    push(id, output);
    if !user.is_empty() {
        push_pair("user", shown(user), output);
    }
    match why {
        Why::Wrong => {}
        Why::Reason(reason) => push_pair("reason", reason.as_bytes(), output),
        Why::Temporary => {
            push("temp", output);
            push("code=temp_fail", output);
        }
    }
    output.push(b'\n');
}

fn succeed(id: u32, user: &[u8], last: Option<&[u8]>, output: &mut Vec<u8>) {
    output.extend_from_slice(b"OK");
    push(id, output);
    push_pair("user", shown(user), output);
    if let Some(message) = last {
        push("resp=", output);
        sasl::encode_base64(message, output);
    }
    output.push(b'\n');
}

/// No account's name is longer, and an answer must fit into a line.
fn shown(user: &[u8]) -> &[u8] {
    user.get(..USER_OCTETS_MAX).unwrap_or(user)
}

fn challenge(id: u32, message: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(b"CONT");
    push(id, output);
    output.push(b'\t');
    sasl::encode_base64(message, output);
    output.push(b'\n');
}

fn line(text: core::fmt::Arguments<'_>, output: &mut Vec<u8>) {
    output.extend_from_slice(alloc::format!("{text}\n").as_bytes());
}

fn decode(text: &[u8]) -> Option<Secret> {
    match text {
        b"=" => Some(Secret::new(Vec::new())),
        text => sasl::decode_base64(text).ok(),
    }
}

/// What a client is told of a mechanism, so that a mail server can leave out what its own rules forbid.
const fn properties(mechanism: Mechanism) -> &'static [&'static str] {
    match mechanism {
        Mechanism::Plain | Mechanism::Login => &["plaintext"],
        Mechanism::CramMd5 => &["dictionary", "active"],
        Mechanism::Anonymous => &["anonymous"],
        Mechanism::OAuthBearer | Mechanism::XOAuth2 | Mechanism::External => &[],
        Mechanism::ScramSha1 | Mechanism::ScramSha256 | Mechanism::ScramSha512 => &["mutual-auth"],
        Mechanism::ScramSha1Plus | Mechanism::ScramSha256Plus | Mechanism::ScramSha512Plus => {
            &["mutual-auth"]
        }
    }
}

const USER_OCTETS_MAX: usize = 255;
const UNKNOWN_MECHANISM: &str = "This mechanism is not offered";
const NEEDS_TLS: &str = "This mechanism needs TLS";
const NOT_BASE64: &str = "The response is not base64";
const MALFORMED: &str = "The response does not follow the mechanism";
const TIMED_OUT: &str = "The login took too long";

#[cfg(test)]
mod tests;
