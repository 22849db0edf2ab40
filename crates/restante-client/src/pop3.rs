//! The POP3 client: connecting, logging in, single commands, and how a session is driven. Many messages at once are in the
//! files below.

mod closing;
mod listing;
mod retrieval;

use restante_proto::body::Decoder;
use restante_proto::client::argument::LanguageRange;
use restante_proto::client::capabilities::Capabilities;
use restante_proto::client::quirk::{Profile, Quirk};
use restante_proto::client::request::{Login, Request};
use restante_proto::client::{self, Event, Limits, Outcome, Session, Step};
use restante_proto::maildrop::MessageNumber;
use restante_proto::sasl::{Mechanism, Method};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connect::{Address, Deadlines, Given, Security, Server, Stream, Tls};
use crate::error::Error;
use crate::login::Wish;
use crate::trace::Trace;
use crate::wire::Wire;

pub use closing::{Closing, Quit};
pub use listing::{Entry, ScanListing, Stat, Survey, UniqueIdListing};
pub use retrieval::{Piece, Retrieval};

/// How a [`Client`] behaves.
#[derive(Debug)]
pub struct Settings {
    /// Bounds on what a server may make us hold.
    pub limits: Limits,
    /// How much of a server is forgiven.
    pub profile: Profile,
    /// How long to wait.
    pub deadlines: Deadlines,
    /// Who is told what is said.
    pub trace: Option<Trace>,
    /// Whether a login is preceded by UTF8 where the server's last CAPA lists it, so that messages come as they are
    /// stored. Without it a server may show a surrogate, and a client that fetches and deletes keeps nothing else.
    pub utf8: bool,
}

impl Default for Settings {
    fn default() -> Self {
        // R6858-5.2
        let (limits, profile) = (Limits::default(), Profile::Lenient);
        Self { limits, profile, deadlines: Deadlines::POP3, trace: None, utf8: true }
    }
}

impl Settings {
    fn session(&self) -> Session {
        let deadlines = self.deadlines.dialogue();
        Session::new(client::Settings { limits: self.limits, profile: self.profile, deadlines })
    }
}

/// A connection to a POP3 server.
///
/// Connect, log in, look, fetch, mark deleted, quit. Messages pass through in pieces; memory does not grow with them. A
/// listing is held whole, one entry a message.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
    session: Session,
    /// For STLS.
    tls: Option<Tls>,
    /// UTF8 is to be issued before a login.
    wants_utf8: bool,
    /// What the server did that it should not, or that surprises.
    quirks: Vec<Quirk>,
    /// A call is under way, or was and did not come to its end.
    is_busy: bool,
}

impl Client {
    /// Connects, up to the greeting or, with STLS, to the end of the handshake and a fresh CAPA.
    ///
    /// # Errors
    /// Connection, TLS, a greeting that refuses, STLS not offered.
    pub async fn connect(address: &Address, security: Security, settings: Settings) -> Result<Self, Error> {
        Self::connect_to(&Server::new(address.clone(), security), settings).await
    }

    /// Connects in the same way to a server that is described with its proxy.
    ///
    /// # Errors
    /// The same, and those of the proxy.
    pub async fn connect_to(server: &Server, settings: Settings) -> Result<Self, Error> {
        let mut session = settings.session();
        let mut wire = Wire::open(&server.route, settings.deadlines.connect, settings.trace).await?;
        let mut stls = None;
        match &server.security {
            Security::None => {}
            Security::Implicit(tls) => {
                wire.start_tls(tls).await?;
                session.set_encrypted();
            }
            Security::Stls(tls) => stls = Some(tls.clone()),
        }
        Self::greeted(wire, session, stls, settings.utf8).await
    }

    /// The same over a connection that is there already, as it is: in memory, through a tunnel, to a program. What the caller
    /// knows of its safety nobody here does: it counts as not encrypted.
    ///
    /// ```
    /// use restante_client::login::{Means, Plaintext, Wish};
    /// use restante_client::pop3::{Client, Quit, Settings};
    /// use restante_proto::secret::Secret;
    /// use restante_proto::url::Auth;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/served.in"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), restante_client::error::Error> {
    /// let (here, there) = tokio::io::duplex(1024);
    /// tokio::spawn(serve(there));
    /// let mut client = Client::over(here, Settings::default()).await?;
    /// let means = Means::Password(Secret::new(b"secret".to_vec()));
    /// let plaintext = Plaintext::Everywhere;
    /// client.log_in(Wish { user: Some("alice"), auth: &Auth::Any, means, plaintext }).await?;
    /// assert_eq!(client.stat().await?.messages, 2);
    /// assert!(matches!(client.quit().await, Quit::Committed));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of the connection, and a greeting that refuses.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
        settings: Settings,
    ) -> Result<Self, Error> {
        let session = settings.session();
        let stream = Stream::Given(Given::new(stream));
        let wire = Wire::over(stream, settings.deadlines.connect, settings.trace);
        Self::greeted(wire, session, None, settings.utf8).await
    }

    async fn greeted(
        wire: Wire,
        session: Session,
        tls: Option<Tls>,
        wants_utf8: bool,
    ) -> Result<Self, Error> {
        let mut client = Self { wire, session, tls, wants_utf8, quirks: Vec::new(), is_busy: true };
        client.finished(|_| {}).await.map_err(|error| match error {
            Error::Refused(refusal) => Error::Rejected(refusal),
            error => error,
        })?;
        client.is_busy = false;
        if client.tls.is_some() {
            client.start_tls().await?;
        }
        Ok(client)
    }

    /// What the server listed last; asks with CAPA. `None` when the server does not know CAPA.
    ///
    /// # Errors
    /// Those of the connection only.
    pub async fn capabilities(&mut self) -> Result<Option<&Capabilities>, Error> {
        match self.ask(Request::Capabilities, |_| {}).await {
            // R2449-5.8
            Ok(()) | Err(Error::Refused(_)) => Ok(self.session.capabilities()),
            Err(error) => Err(error),
        }
    }

    /// The safest way to log in that [`Wish`] allows, by what the server lists; asks with CAPA when that is not known. See
    /// [`restante_proto::client::choice`] for the order. A way that is refused is the last: no weaker one follows.
    ///
    /// # Errors
    /// [`Error::NoUser`] and [`Error::NoWay`], with nothing sent but CAPA; those of [`login`](Self::login).
    pub async fn log_in(&mut self, wish: Wish<'_>) -> Result<(), Error> {
        if self.session.capabilities().is_none() {
            self.capabilities().await?;
        }
        let login =
            wish.login(self.session.capabilities(), self.session.timestamp().is_some(), self.wire.tls())?;
        self.login(login).await
    }

    /// The best way to log in here that shows the password to the server: PLAIN, else LOGIN when CAPA lists no USER,
    /// else USER and PASS (LOGIN-1.1).
    pub fn method(&self) -> Method {
        match self.session.capabilities() {
            Some(listed) if listed.has_mechanism(Mechanism::Plain) => Method::Sasl(Mechanism::Plain),
            Some(listed) if listed.has_mechanism(Mechanism::Login) && !listed.user => {
                Method::Sasl(Mechanism::Login)
            }
            _ => Method::UserPass,
        }
    }

    /// Chooses the language of what the server says to people: a basic language range (RFC 4647), or "*" for the server's
    /// choice. Not possible before TLS where the server offers it (R6856-7.2).
    ///
    /// # Errors
    /// The server refuses or does not know the language, or those of the connection.
    pub async fn language(&mut self, range: &str) -> Result<(), Error> {
        self.ask(Request::Language(LanguageRange::new(range).map_err(Error::Request)?), |_| {}).await
    }

    /// Whether the server shows messages as they are stored: UTF8 was issued and taken.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.session.is_utf8()
    }

    /// Logs in; before that, issues UTF8 where it is listed and [`Settings::utf8`] says so. A server that refuses it then is
    /// logged in to all the same (R6856-2.1.2). With PIPELINING and a login that is one line or USER and PASS, all of it is
    /// one flight.
    ///
    /// # Errors
    /// [`Error::Login`] with the cause that tells a wrong password from a busy maildrop. Nothing is tried again by itself.
    pub async fn login(&mut self, login: Login) -> Result<(), Error> {
        let is_listed = self.session.capabilities().is_some_and(|listed| listed.utf8);
        let utf8 = self.wants_utf8 && is_listed && !self.session.is_utf8();
        self.begin(utf8.then_some(Request::Utf8).into_iter().chain([Request::Login(login)]).collect())?;
        if utf8 {
            match self.finished(|_| {}).await {
                Err(error) if !is_answer(&error) => return Err(error),
                _ => {}
            }
        }
        let result = self.finished(|_| {}).await;
        self.settle(&result);
        let refused = match result {
            Err(Error::Refused(refusal)) => refusal,
            // The server has said why, and went instead of answering the rest.
            Err(error @ (Error::Closed | Error::Network(_))) => {
                self.session.login_refusal().cloned().ok_or(error)?
            }
            result => return result,
        };
        let cause = refused.login_cause(self.session.capabilities());
        Err(Error::Login { refusal: refused, cause })
    }

    /// What the server has done so far that the standards do not allow, or that surprises; each once.
    #[must_use]
    pub fn quirks(&self) -> &[Quirk] {
        &self.quirks
    }

    /// What the dialogue has cost so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let (octets_in, octets_out) = self.wire.octets();
        Statistics { flights: self.session.flights(), octets_in, octets_out }
    }

    /// Whether nobody on the way can read or change what is said: TLS 1.2 or later, with a server whose certificate was
    /// verified (R8997-3.3). With a [`Tls::new`] of the caller's own, verified as that does it.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.wire.tls().is_some()
    }

    /// DELE: marks a message deleted. It is deleted by [`quit`](Self::quit) and nothing else (R1939-6.6).
    ///
    /// # Errors
    /// A refusal, or those of the connection.
    pub async fn delete(&mut self, number: MessageNumber) -> Result<(), Error> {
        self.ask(Request::Delete(number), |_| {}).await
    }

    /// NOOP.
    ///
    /// # Errors
    /// A refusal, or those of the connection.
    pub async fn noop(&mut self) -> Result<(), Error> {
        self.ask(Request::Noop, |_| {}).await
    }

    /// RSET: takes all marks off.
    ///
    /// # Errors
    /// A refusal, or those of the connection.
    pub async fn reset(&mut self) -> Result<(), Error> {
        self.ask(Request::Reset, |_| {}).await
    }

    /// STLS, with CAPA before and after (R2595-4.12).
    async fn start_tls(&mut self) -> Result<(), Error> {
        // R2595-9.1: a server that lists its capabilities and not STLS is not asked for it.
        if self.capabilities().await?.is_some_and(|listed| !listed.stls) {
            return Err(Error::NoStls);
        }
        self.ask(Request::StartTls, |_| {}).await.map_err(|error| match error {
            Error::Refused(_) => Error::NoStls,
            error => error,
        })?;
        self.capabilities().await.map(drop)
    }

    /// Submits requests; the call is under way until `is_busy` is taken back.
    fn begin(&mut self, requests: Vec<Request>) -> Result<(), Error> {
        if self.is_busy {
            return Err(Error::OutOfStep);
        }
        requests.iter().try_for_each(|request| self.session.check(request)).map_err(Error::Request)?;
        for request in requests {
            self.session.submit(request).map_err(Error::Request)?;
        }
        self.is_busy = true;
        Ok(())
    }

    /// Keeps the session supplied with requests, as many as it may send ahead.
    fn supply(&mut self, unsent: &mut dyn Iterator<Item = Request>) -> Result<(), Error> {
        if self.session.waiting() <= AHEAD / 2 {
            for request in unsent.take(AHEAD - self.session.waiting()) {
                self.session.submit(request).map_err(Error::Request)?;
            }
        }
        Ok(())
    }

    /// One request to its end; `each` sees its content.
    async fn ask(&mut self, request: Request, each: impl FnMut(Event<'_>)) -> Result<(), Error> {
        self.begin(vec![request])?;
        let result = self.finished(each).await;
        self.settle(&result);
        result
    }

    /// A call has ended with this; whether the client can be used on.
    fn settle<T>(&mut self, result: &Result<T, Error>) {
        self.is_busy = !result.as_ref().map_or_else(is_answer, |_| true);
    }

    /// The end of the oldest request.
    async fn finished(&mut self, mut each: impl FnMut(Event<'_>)) -> Result<(), Error> {
        match self.next(&mut each).await? {
            Progress::Finished(outcome) => finish(outcome),
            // Only RETR and TOP bring one, and those are not asked here.
            Progress::Message(_) => Err(Error::OutOfStep),
            Progress::Over => Err(Error::Closed),
        }
    }

    /// Drives the session to the next end of a request, or a message; `each` sees what is told before.
    async fn next(&mut self, each: &mut impl FnMut(Event<'_>)) -> Result<Progress, Error> {
        loop {
            let mark = self.wire.mark();
            let step = self.session.step(&mut self.wire.input, &mut self.wire.output);
            let next = step.map(|step| match step {
                Step::Event(_, Event::Finished(outcome)) => Next::Told(Progress::Finished(outcome)),
                Step::Event(_, Event::Quirk(quirk)) => {
                    self.quirks.push(quirk);
                    Next::Step
                }
                Step::Event(_, event) => {
                    each(event);
                    Next::Step
                }
                Step::ReceiveMessage(_, decoder) => Next::Told(Progress::Message(decoder)),
                Step::Idle | Step::Closed => Next::Told(Progress::Over),
                Step::Read => Next::Read,
                Step::StartTls => Next::StartTls,
            });
            self.wire.say_used(mark.as_deref());
            // Also when the step has something to tell: commands sent ahead are on their way while it is told.
            self.wire.push(|| self.session.redaction()).await;
            match next.map_err(Error::Protocol)? {
                Next::Told(progress) => return Ok(progress),
                Next::Step => {}
                Next::Read => self.wire.fill(self.session.deadline().1).await?,
                Next::StartTls => {
                    // Asked for only when there is a configuration for it.
                    let tls = self.tls.as_ref().ok_or(Error::OutOfStep)?;
                    self.wire.start_tls(tls).await?;
                    self.session.tls_started();
                }
            }
        }
    }
}

/// What a dialogue has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// How many times something was sent while nothing was unanswered: each is a round trip that was waited for. Neither the
    /// connection itself nor TLS is in here.
    pub flights: u64,
    /// Octets received, without those of TLS.
    pub octets_in: u64,
    /// Octets sent, without those of TLS.
    pub octets_out: u64,
}

/// What the session came to.
enum Progress {
    /// The oldest request is answered.
    Finished(Outcome),
    /// A message follows in the input.
    Message(Decoder),
    /// Nothing is left to be told.
    Over,
}

/// What to do after a step.
enum Next {
    Told(Progress),
    Step,
    Read,
    StartTls,
}

fn finish(outcome: Outcome) -> Result<(), Error> {
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Refused(refusal) => Err(Error::Refused(refusal)),
        Outcome::Malformed => Err(Error::Malformed),
        Outcome::NotPossible(why) => Err(Error::NotPossible(why)),
    }
}

/// Whether the client can be used on after this.
fn is_answer(error: &Error) -> bool {
    matches!(error, Error::Refused(_) | Error::Malformed | Error::NotPossible(_))
}

/// Requests given to the session at once.
const AHEAD: usize = 8192;
