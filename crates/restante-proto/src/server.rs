//! The server's side of a POP3 session: a state machine that is driven.
//!
//! The driver owns an [`Input`], an output buffer and everything a session must not touch: the socket, TLS, the
//! clock, the accounts, the maildrop. It calls [`Session::step`] and does what the [`Step`] says. A step that is a
//! question is answered by exactly one of its answer methods before the next `step`. Octets of messages pass between
//! the driver's buffers and the store; a session never sees them.
//!
//! One state, one file: `server/authorization.rs`, `server/transaction.rs`, `server/update.rs`; XTND, which is off unless configured,
//! is in `server/extended.rs`.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::body::Extent;
use crate::capability::{Capability, Expire};
use crate::command::{Command, Flaw};
use crate::line::{Input, LineEnd};
use crate::maildrop::{Accessed, Listing, Marks, MessageNumber};
use crate::quirk::{Quirk, Quirks};
use crate::reply;
use crate::reply::catalogue::{self, Entry};
use crate::reply::language::{Language, Voice};
use crate::sasl::exchange::Surroundings;
use crate::sasl::{
    Channel, Credentials, Mechanism, ScramFacts, ScramQuery, ServerSignature, TokenTerms, apop,
};

use authorization::Authorization;
use extended::{Answer, Extended, Question};
use transaction::Transaction;
use update::Update;

mod authorization;
pub mod extended;
mod transaction;
mod update;

/// What a server offers and demands. Shared by all sessions of a listener.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The name in the greeting.
    pub hostname: String,
    /// What CAPA shows as IMPLEMENTATION, after login only; `None` hides it.
    pub implementation: Option<String>,
    /// The mechanisms that the sources of accounts can serve, in the order to announce them.
    pub mechanisms: Vec<Mechanism>,
    /// What is said about bearer tokens.
    pub token_terms: TokenTerms,
    /// Whether USER and PASS are offered.
    pub user_pass: bool,
    /// Whether passwords are taken without TLS from this peer.
    pub plaintext_without_tls: bool,
    /// How long mail is kept, when that is announced. The same for every user.
    pub expire: Option<Expire>,
    /// The delay between logins in seconds, when that is announced. The same for every user.
    pub login_delay_s: Option<u32>,
    /// Whether UTF8 is offered. USER, PASS and APOP then take UTF-8 and nothing else outside ASCII (RFC 6856 section 2.2).
    pub utf8: bool,
    /// The language that "LANG *" means. A session begins in [`Language::Default`] all the same.
    pub language: Language,
    /// Whether LAST of RFC 1460 is a command. What was accessed must then be kept from session to session.
    pub last: bool,
    /// The workarounds for clients that are not as they should be.
    pub quirks: Quirks,
    /// The services of XTND. None by default.
    pub extended: Extended,
    /// The bounds of a session.
    pub limits: Limits,
}

impl Default for Policy {
    /// USER and PASS under TLS, UTF8, and nothing else that is a matter of choice.
    fn default() -> Self {
        Self {
            hostname: "localhost".into(),
            implementation: None,
            mechanisms: Vec::new(),
            token_terms: TokenTerms::default(),
            user_pass: true,
            plaintext_without_tls: false,
            expire: None,
            login_delay_s: None,
            utf8: true,
            language: Language::English,
            last: false,
            quirks: Quirks::default(),
            extended: Extended::default(),
            limits: Limits::default(),
        }
    }
}

/// The bounds of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest command, with its line end. RFC 2449 section 4 demands 255 (R2449-4.1); twice that leaves room for long
    /// passwords and UTF-8, and is still nothing to hold for an unfinished line.
    pub command_octets_max: usize,
    /// The longest line of an AUTH exchange, with its line end, AUTH itself included. RFC 5034 section 4 sets no
    /// limit but what the mechanisms generate, so the largest line is a token: 12288 octets of base64 is what
    /// RFC 4954 section 4 asks of SMTP servers, a third more is spare. Clients that put a long initial response into
    /// the AUTH line break a rule, but mean well.
    pub sasl_octets_max: usize,
    /// After so many bad commands before login the session ends. More than a person at a telnet or a probing client
    /// needs, too few to be worth a flood.
    pub bad_commands_before_login_max: u16,
    /// After so many bad commands after login the session ends. Whoever is logged in gets more patience.
    pub bad_commands_after_login_max: u16,
    /// After so many refused logins the session ends. A client tries each mechanism it knows once or twice.
    pub refusals_max: u16,
    /// When so many octets of output have gathered, the session has them written before it goes on. One piece of a
    /// long listing, and the bound on what a flood of commands can make us hold.
    pub output_octets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_octets_max: 512,
            sasl_octets_max: 16 * 1024,
            bad_commands_before_login_max: 20,
            bad_commands_after_login_max: 100,
            refusals_max: 10,
            output_octets: 64 * 1024,
        }
    }
}

/// What lies below the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// No encryption, and none to be had.
    Plain,
    /// No encryption yet; STLS is offered.
    PlainWithStls,
    /// Encrypted, by STLS or from the beginning.
    Tls,
}

/// What the driver is asked to do next.
#[derive(Debug)]
pub enum Step {
    /// Write the output if there is any, then read and fill the input.
    Read,
    /// Write all of the output and clear it, then step again.
    Write,
    /// Write the output, then do the TLS handshake with nothing in between; octets received before it and not yet in
    /// the input are to be thrown away too. Answer: [`Session::tls_started`]. When the handshake fails, close.
    StartTls,
    /// Make octets of chance, 16 or more. Answers: [`Session::nonce`], [`Session::refused`].
    Nonce,
    /// Find out how this account's SCRAM verifier was made. Who has none is answered as if they had one (R5802-7.1).
    /// Answers: [`Session::scram_prepared`], [`Session::refused`].
    PrepareScram(ScramQuery),
    /// Verify these. Answers: [`Session::granted`], for [`Credentials::Scram`] [`Session::granted_with`] in its place,
    /// [`Session::refused`]. The account that was granted is to be kept in mind, but nothing to be locked yet: a
    /// client of SCRAM may still find that it does not trust the server. It is forgotten with the next credentials.
    Authenticate(Credentials),
    /// Lock and list the maildrop of the account that was granted last; for one that can only be read, list it without
    /// the lock. Answers: [`Session::opened`], [`Session::refused`].
    OpenMaildrop,
    /// Send a message. Open it, call [`Session::message_opened`], then move it through a
    /// [`body::Encoder`](crate::body::Encoder) of this extent into the output and call [`Session::message_sent`].
    /// When it cannot be opened: [`Session::message_failed`] instead of both. When it fails later, close: nothing
    /// else could tell the client.
    SendMessage {
        /// The message, as an index into the listing.
        index: usize,
        /// How much of it.
        extent: Extent,
    },
    /// Remove the messages of [`Session::marks`], durably, keep [`Session::accessed`] for later sessions, and release the
    /// lock. Either may be empty. Answers: [`Session::removed`], [`Session::not_removed`].
    Remove,
    /// XTND needs something; see [`extended::Question`]. Answer: [`Session::extended`].
    Extended(Question),
    /// Release the maildrop if one is open, write the output, close the connection. Nothing is removed.
    Close(Ending),
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// QUIT, and all that was to be removed has been.
    Quit,
    /// QUIT, but some marked messages are still there.
    NotRemoved,
    /// More bad commands than are forgiven.
    BadCommands,
    /// More refused logins than are forgiven, or the server is going down.
    Refused,
    /// The driver has lost the thread: it stepped before it had answered.
    OutOfStep,
}

/// A maildrop that was opened.
#[derive(Debug)]
pub struct Opening {
    /// What it holds.
    pub listing: Arc<Listing>,
    /// What may be done with it.
    pub rights: Rights,
    /// The highest message accessed in sessions before, where that is kept (RFC 1460, LAST).
    pub last: Option<MessageNumber>,
}

impl Opening {
    /// A maildrop of one's own: messages may be removed.
    #[must_use]
    pub const fn full(listing: Arc<Listing>) -> Self {
        Self { listing, rights: Rights::Full, last: None }
    }
}

/// What may be done with a maildrop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Messages may be read and removed.
    Full,
    /// Messages may only be read. DELE is refused, and [`Step::Remove`] never comes.
    ReadOnly,
}

/// Why a login is refused, or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The credentials are not right, for whatever reason; the peer learns no more.
    Credentials,
    /// The credentials were right, but another session has the maildrop.
    InUse,
    /// The credentials were right, but the last login was too recent.
    LoginDelay,
    /// A fault of ours that will pass.
    Temporary,
    /// A fault of ours that somebody has to mend.
    Permanent,
    /// Too many sessions of this account, this peer or in all.
    TooManySessions,
    /// The server is going down. The session ends with it.
    ShuttingDown,
}

/// Why the store could not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It may work later.
    Temporary,
    /// It will not until somebody mends it.
    Permanent,
    /// A message that is shown only to a client that has issued UTF8 (RFC 6856 section 5).
    NeedsUtf8,
}

/// Where a session stands, for deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not logged in.
    Authorization,
    /// Logged in.
    Transaction,
    /// QUIT was received, or the session is over.
    Update,
}

/// The greeting for a connection that is not served, with its CR LF.
#[must_use]
pub const fn rejection(refusal: Refusal) -> &'static [u8] {
    reply::refusal(refusal).line()
}

/// A session, from the greeting to the end of the connection.
///
/// The outcome does not depend on how the input was split, and commands that came at once are answered into one
/// output. While it waits for input a session holds no buffer. A session that is dropped anywhere has removed nothing;
/// only [`Step::Remove`] asks for that, and only QUIT leads there (R1939-6.2).
#[derive(Debug)]
pub struct Session {
    context: Context,
    state: State,
}

/// What all states need.
#[derive(Debug)]
struct Context {
    policy: Arc<Policy>,
    transport: Transport,
    /// Valid for APOP; `None` when APOP is not offered.
    timestamp: Option<Box<str>>,
    /// All missing without TLS.
    channel: Channel,
    /// A login was bound to the TLS connection already, and failed: the binding serves no other (R9266-4.1.1).
    is_binding_spent: bool,
    bad_commands: u16,
    /// In which language replies are.
    voice: Voice,
}

#[derive(Debug)]
enum State {
    Greeting,
    Authorization(Authorization),
    Transaction(Transaction),
    Update(Update),
    Closed(Ending),
}

/// What a state did with its turn.
#[derive(Debug)]
enum Turn {
    /// It can go on.
    Again,
    /// It needs the driver.
    Ask(Step),
    /// Another state takes over.
    Enter(State),
}

impl Session {
    /// A session on a new connection; its first step writes the greeting.
    ///
    /// `apop_timestamp` must be unlike that of every other session ever and is a msg-id in angle brackets; APOP is
    /// offered when it is given and valid (R1939-7.25).
    #[must_use]
    pub fn new(policy: Arc<Policy>, transport: Transport, apop_timestamp: Option<String>) -> Self {
        let is_valid = |timestamp: &String| {
            timestamp.len() <= TIMESTAMP_OCTETS_MAX && apop::is_timestamp(timestamp.as_bytes())
        };
        let timestamp = apop_timestamp.filter(is_valid).map(String::into_boxed_str);
        let channel = Channel::default();
        let voice = Voice::default();
        let is_binding_spent = false;
        let context =
            Context { policy, transport, timestamp, channel, is_binding_spent, bad_commands: 0, voice };
        Self { context, state: State::Greeting }
    }

    /// Goes on as far as possible: uses complete lines of `input`, appends replies to `output`, and returns when it
    /// needs the driver.
    ///
    /// A question must have been answered before the next step. A driver that breaks this has lost the session's
    /// thread; it is told to close.
    pub fn step(&mut self, input: &mut Input, output: &mut Vec<u8>) -> Step {
        loop {
            // R2449-6.6.3: nothing more is read or rendered until the client has taken what there is.
            if output.len() >= self.context.policy.limits.output_octets {
                return Step::Write;
            }
            // R2449-6.6.1, R2449-6.6.5: in order, one command at a time, each in the state it then meets.
            let turn = match &mut self.state {
                State::Greeting => self.context.greet(output),
                State::Authorization(state) => state.turn(&mut self.context, input, output),
                State::Transaction(state) => state.turn(&mut self.context, input, output),
                State::Update(state) => state.turn(&self.context, output),
                State::Closed(ending) => Turn::Ask(Step::Close(*ending)),
            };
            match turn {
                Turn::Again => {}
                Turn::Ask(step) => return step,
                Turn::Enter(state) => self.state = state,
            }
        }
    }

    /// Tells what mechanisms can have of the TLS connection that a session of [`Transport::Tls`] began with. To be
    /// called before the first step; without it there is nothing to be had.
    pub fn set_channel(&mut self, channel: Channel) {
        match (&self.state, self.context.transport) {
            (State::Greeting, Transport::Tls) => self.context.channel = channel,
            _ => unasked(),
        }
    }

    /// Answers [`Step::StartTls`]: the handshake succeeded, and this is what mechanisms can have of it. After one that
    /// failed there is no way on (R2595-2.5.1).
    pub fn tls_started(&mut self, channel: Channel) {
        match &mut self.state {
            State::Authorization(state) => state.tls_started(channel, &mut self.context),
            _ => unasked(),
        }
    }

    /// Answers [`Step::Nonce`].
    pub fn nonce(&mut self, octets: &[u8]) {
        match &mut self.state {
            State::Authorization(state) => state.nonce(octets),
            _ => unasked(),
        }
    }

    /// Answers [`Step::PrepareScram`].
    pub fn scram_prepared(&mut self, facts: ScramFacts) {
        match &mut self.state {
            State::Authorization(state) => state.scram_prepared(facts),
            _ => unasked(),
        }
    }

    /// Answers [`Step::Authenticate`]: the credentials are right.
    pub fn granted(&mut self) {
        match &mut self.state {
            State::Authorization(state) => state.granted(),
            _ => unasked(),
        }
    }

    /// Answers [`Step::Authenticate`] with [`Credentials::Scram`]: the proof is right, and this is ours. When the client
    /// has accepted it, the maildrop is asked for.
    pub fn granted_with(&mut self, signature: ServerSignature) {
        match &mut self.state {
            State::Authorization(state) => state.granted_with(signature),
            _ => unasked(),
        }
    }

    /// Answers [`Step::Authenticate`], [`Step::OpenMaildrop`], [`Step::Nonce`] and [`Step::PrepareScram`]: no login.
    /// Nothing may be locked any more (R1939-4.5).
    pub fn refused(&mut self, refusal: Refusal) {
        match &mut self.state {
            State::Authorization(state) => state.refused(refusal),
            _ => unasked(),
        }
    }

    /// Answers [`Step::OpenMaildrop`]: the maildrop is locked, or can only be read.
    pub fn opened(&mut self, opening: Opening) {
        match &self.state {
            State::Authorization(state) if state.is_opening() => {
                self.context.bad_commands = 0;
                self.state = State::Transaction(Transaction::new(opening));
            }
            _ => unasked(),
        }
    }

    /// Answers [`Step::SendMessage`]: the message is open. Appends the first line of the reply to `output`; the
    /// encoded message is to follow directly.
    pub fn message_opened(&mut self, output: &mut Vec<u8>) {
        match &mut self.state {
            State::Transaction(state) => state.message_opened(&self.context, output),
            _ => unasked(),
        }
    }

    /// After [`Session::message_opened`]: the encoded message has been appended to its end.
    pub fn message_sent(&mut self) {
        match &mut self.state {
            State::Transaction(state) => state.message_sent(),
            _ => unasked(),
        }
    }

    /// Answers [`Step::SendMessage`] instead of [`Session::message_opened`]: the message cannot be sent.
    pub fn message_failed(&mut self, fault: Fault) {
        match &mut self.state {
            State::Transaction(state) => state.message_failed(fault),
            _ => unasked(),
        }
    }

    /// Answers [`Step::Remove`]: all marked messages are gone for good.
    pub fn removed(&mut self) {
        match &mut self.state {
            State::Update(state) => state.removed(),
            _ => unasked(),
        }
    }

    /// Answers [`Step::Remove`]: some marked messages are still there.
    pub fn not_removed(&mut self, fault: Fault) {
        match &mut self.state {
            State::Update(state) => state.not_removed(fault),
            _ => unasked(),
        }
    }

    /// Answers [`Step::Extended`]; appends what the client hears of it.
    pub fn extended(&mut self, answer: Answer<'_>, output: &mut Vec<u8>) {
        match &mut self.state {
            State::Transaction(state) => state.extended(answer, &self.context, output),
            _ => unasked(),
        }
    }

    /// Whether the client has issued UTF8: messages are shown to it as they are. Settled when the maildrop is opened.
    #[must_use]
    pub const fn is_utf8(&self) -> bool {
        self.context.voice.utf8
    }

    /// Where the session stands: which deadline applies.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match &self.state {
            State::Greeting | State::Authorization(_) => Phase::Authorization,
            State::Transaction(_) => Phase::Transaction,
            State::Update(_) | State::Closed(_) => Phase::Update,
        }
    }

    /// The messages marked deleted. Also while [`Step::Remove`] is being answered; none before login and at the end.
    #[must_use]
    pub const fn marks(&self) -> &Marks {
        static NONE: Marks = Marks::new();
        match &self.state {
            State::Transaction(state) => state.marks(),
            State::Update(state) => state.marks(),
            State::Greeting | State::Authorization(_) | State::Closed(_) => &NONE,
        }
    }

    /// What was accessed, in the sense of LAST. Also while [`Step::Remove`] is being answered; `None` where nothing was, or
    /// LAST is not offered.
    #[must_use]
    pub fn accessed(&self) -> Option<&Accessed> {
        match &self.state {
            State::Transaction(state) => state.accessed(),
            State::Update(state) => state.accessed(),
            State::Greeting | State::Authorization(_) | State::Closed(_) => None,
        }
    }
}

impl Context {
    fn greet(&self, output: &mut Vec<u8>) -> Turn {
        // R1939-3.2
        reply::greeting(&self.policy.hostname, self.timestamp.as_deref(), output);
        Turn::Enter(State::Authorization(Authorization::new()))
    }

    /// Answers a bad command; at the last one that is forgiven the session ends.
    fn complain(&mut self, reply: &Entry, bad_commands_max: u16, output: &mut Vec<u8>) -> Turn {
        self.bad_commands = self.bad_commands.saturating_add(1);
        if self.bad_commands > bad_commands_max {
            self.say(catalogue::TOO_MANY_BAD_COMMANDS, output);
            return Turn::Enter(State::Closed(Ending::BadCommands));
        }
        // R1939-3.16, R1939-3.17, R1939-3.19
        self.say(reply, output);
        Turn::Again
    }

    /// Appends a reply in the language of the session.
    fn say(&self, reply: &Entry, output: &mut Vec<u8>) {
        reply.append(self.voice, output);
    }

    /// What ends a command.
    fn line_end(&self) -> LineEnd {
        if self.policy.quirks.has(Quirk::BareLineFeed) { LineEnd::CrlfOrLf } else { LineEnd::Crlf }
    }

    /// Whether a password may be sent as things stand (R2595-2.3.1, R5034-4.26).
    fn takes_plaintext(&self) -> bool {
        self.transport == Transport::Tls || self.policy.plaintext_without_tls
    }

    /// The mechanisms that work as things stand.
    fn mechanisms(&self) -> impl Iterator<Item = Mechanism> + '_ {
        self.policy.mechanisms.iter().copied().filter(|&mechanism| self.works(mechanism))
    }

    fn works(&self, mechanism: Mechanism) -> bool {
        match mechanism {
            // R4616-5.1, LOGIN-1.2, R2595-4.13, R2595-9.2, R5034-3.4
            _ if mechanism.is_plaintext() => self.takes_plaintext(),
            // R7628-3.1, XOAUTH2-0.1: whatever is allowed for passwords.
            _ if mechanism.is_token() => self.transport == Transport::Tls,
            // R4422-A.1.3
            Mechanism::External => self.channel.certificate,
            // R5802-6.5
            _ => mechanism.scram().is_none_or(|(_, is_bound)| !is_bound || self.channel.is_bindable()),
        }
    }

    fn surroundings(&self) -> Surroundings<'_> {
        let is_bound = |mechanism: Mechanism| mechanism.scram().is_some_and(|(_, is_bound)| is_bound);
        Surroundings {
            hostname: &self.policy.hostname,
            channel: self.channel,
            is_binding_offered: self.mechanisms().any(is_bound),
            token_terms: &self.policy.token_terms,
        }
    }

    /// Whether STLS is permitted now: not once UTF8 was issued (R6856-2.1.12).
    fn may_start_tls(&self) -> bool {
        self.transport == Transport::PlainWithStls && !self.voice.utf8
    }

    /// Whether a name or password is as it may be: where UTF8 is offered, well-formed UTF-8 (R6856-2.2.8).
    fn takes_text(&self, text: &[u8]) -> bool {
        !self.policy.utf8 || str::from_utf8(text).is_ok()
    }

    /// Answers LANG: what a session says is in that language from this reply on. Nothing but LANG changes it, so that
    /// no answer before the password depends on whose it is (R6856-7.1).
    fn answer_language(&mut self, range: Option<&[u8]>, output: &mut Vec<u8>) -> Result<(), &'static Entry> {
        let Some(range) = range else {
            self.say(catalogue::utf8::LANGUAGES_FOLLOW, output);
            reply::languages(self.voice, output);
            return Ok(());
        };
        // R6856-3.2.2, R6856-3.2.4
        self.voice.language = match range {
            b"*" => self.policy.language,
            _ => Language::lookup(range).ok_or(catalogue::utf8::LANGUAGE_UNKNOWN)?,
        };
        reply::language_changed(self.voice, output);
        Ok(())
    }

    /// Answers CAPA. What is there before login is listed after it too (R2449-5.2, R5034-3.5), except STLS, which is
    /// listed only where it is permitted now (R2595-4.2).
    fn list_capabilities(&self, phase: Phase, output: &mut Vec<u8>) {
        let mut names = Vec::new();
        for mechanism in self.mechanisms() {
            if !names.is_empty() {
                names.push(b' ');
            }
            names.extend_from_slice(mechanism.name().as_bytes());
        }
        let is_before_login = phase == Phase::Authorization;
        let implementation = self.policy.implementation.as_deref().filter(|_| !is_before_login);
        let list = [
            // R2449-6.1.1
            Some(Capability::Top),
            // R2449-6.2.1
            (self.policy.user_pass && self.takes_plaintext()).then_some(Capability::User),
            // R2449-6.3.1, R5034-3.1
            (!names.is_empty()).then_some(Capability::Sasl(&names)),
            // R2449-8.3
            Some(Capability::RespCodes),
            // R3206-5.2, R3206-6.2
            Some(Capability::AuthRespCode),
            (is_before_login && self.may_start_tls()).then_some(Capability::Stls),
            Some(Capability::Pipelining),
            // R2449-6.8.1
            Some(Capability::Uidl),
            self.policy.expire.map(|expire| Capability::Expire { expire, per_user: false }),
            self.policy.login_delay_s.map(|seconds| Capability::LoginDelay { seconds, per_user: false }),
            // R6856-2.1, R6856-2.2.1
            self.policy.utf8.then_some(Capability::Utf8 { user: true }),
            // R6856-3.1.1
            Some(Capability::Lang),
            // R2449-6.9.1
            implementation.map(|text| Capability::Implementation(text.as_bytes())),
        ];
        self.say(catalogue::CAPABILITIES_FOLLOW, output);
        reply::capabilities(list.into_iter().flatten(), output);
    }
}

/// The reply to a line that is no command.
const fn flaw(flaw: Flaw) -> &'static Entry {
    match flaw {
        Flaw::Unknown => catalogue::UNKNOWN_COMMAND,
        Flaw::Missing => catalogue::ARGUMENT_MISSING,
        Flaw::Unexpected => catalogue::ARGUMENT_UNEXPECTED,
        Flaw::Invalid => catalogue::ARGUMENT_INVALID,
        Flaw::NoSuchMessage => catalogue::NO_SUCH_MESSAGE,
    }
}

/// Reads a line, as strictly as the policy wants it.
fn parse<'a>(line: &'a [u8], context: &Context) -> Result<Command<'a>, Flaw> {
    let command = Command::parse(line)?;
    // Only commands without argument forgive spaces behind them; PASS takes them as its own.
    let has_spaces = line.ends_with(b" ") && !matches!(command, Command::Pass(_));
    if has_spaces && !context.policy.quirks.has(Quirk::TrailingSpaces) {
        return Err(Flaw::Unexpected);
    }
    if command == (Command::Auth { mechanism: None }) && !context.policy.quirks.has(Quirk::BareAuth) {
        return Err(Flaw::Missing);
    }
    Ok(command)
}

/// An answer to a question that was not asked: a mistake in the driver. It is ignored.
fn unasked() {
    debug_assert!(false, "the session did not ask this");
}

/// A step before the answer: a mistake in the driver. The session cannot go on from here.
fn unanswered() -> Turn {
    debug_assert!(false, "the session still awaits an answer");
    Turn::Enter(State::Closed(Ending::OutOfStep))
}

/// With the longest host name the greeting stays within 512 octets (R2449-4.3).
const TIMESTAMP_OCTETS_MAX: usize = 200;

#[cfg(test)]
mod tests;
