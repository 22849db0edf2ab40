//! The POP3 client.

use restante_proto::body::Decoder;
use restante_proto::client::capabilities::Capabilities;
use restante_proto::client::request::{Login, Request};
use restante_proto::client::{Ending, Event, Limits, Outcome, Refusal, Session, Step};
use restante_proto::maildrop::{MessageNumber, Octets};
use restante_proto::sasl::{Mechanism, Method};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::connect::{Address, Deadlines, Security, Server, Tls};
use crate::error::Error;
use crate::login::Wish;
use crate::trace::{Said, Trace};
use crate::wire::Wire;

/// How a [`Client`] behaves.
#[derive(Debug)]
pub struct Settings {
    /// Bounds on what a server may make us hold.
    pub limits: Limits,
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
        Self { limits: Limits::default(), deadlines: Deadlines::POP3, trace: None, utf8: true }
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
    /// A call is under way, or was and did not come to its end.
    is_busy: bool,
}

/// What STAT says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Messages that are not marked deleted.
    pub messages: u32,
    /// Their octets, as the server counts.
    pub octets: Octets,
}

/// What LIST says of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanListing {
    /// Which.
    pub number: MessageNumber,
    /// Its octets, as the server counts; some count wrongly.
    pub octets: Octets,
}

/// What UIDL says of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueIdListing {
    /// Which.
    pub number: MessageNumber,
    /// Its unique-id as sent: opaque, compared octet by octet; a server may give one to two messages.
    pub unique_id: Vec<u8>,
}

/// How a session ended.
#[derive(Debug)]
pub enum Quit {
    /// The server confirmed: every message marked deleted is gone.
    Committed,
    /// The server did not delete everything that was marked.
    Refused(Refusal),
    /// QUIT was sent and not answered: what is gone is not known before the next login.
    Unknown(Error),
    /// Nothing is deleted: QUIT was not sent, or there was no login.
    NotSent(Error),
}

/// A piece of what [`Client::retrieve_each`] fetches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Octets of the message in the canonical form.
    Octets(&'a [u8]),
    /// The message is complete.
    End {
        /// Its octets.
        octets: u64,
    },
    /// The server refused this message.
    Refused(Refusal),
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
        let mut wire = Wire::open(&server.route, settings.deadlines, settings.trace).await?;
        let mut session = Session::new(settings.limits);
        let mut stls = None;
        match &server.security {
            Security::None => {}
            Security::Implicit(tls) => {
                wire.start_tls(tls).await?;
                session.set_encrypted();
            }
            Security::Stls(tls) => stls = Some(tls.clone()),
        }
        let mut client = Self { wire, session, tls: stls, wants_utf8: settings.utf8, is_busy: true };
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
        self.ask(Request::Language(range.to_owned()), |_| {}).await
    }

    /// Whether the server shows messages as they are stored: UTF8 was issued and taken.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.session.is_utf8()
    }

    /// Logs in; before that, issues UTF8 where it is listed and [`Settings::utf8`] says so. A server that refuses it then is
    /// logged in to all the same (R6856-2.1.2).
    ///
    /// # Errors
    /// [`Error::Login`] with the cause that tells a wrong password from a busy maildrop. Nothing is tried again by itself.
    pub async fn login(&mut self, login: Login) -> Result<(), Error> {
        let is_listed = self.session.capabilities().is_some_and(|listed| listed.utf8);
        if self.wants_utf8 && is_listed && !self.session.is_utf8() {
            match self.ask(Request::Utf8, |_| {}).await {
                Ok(()) | Err(Error::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.ask(Request::Login(login), |_| {}).await.map_err(|error| match error {
            Error::Refused(refusal) => {
                let cause = refusal.login_cause(self.session.capabilities());
                Error::Login { refusal, cause }
            }
            error => error,
        })
    }

    /// Whether nobody on the way can read or change what is said: TLS 1.2 or later, with a server whose certificate was
    /// verified (R8997-3.3). With a [`Tls::new`] of the caller's own, verified as that does it.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.wire.tls().is_some()
    }

    /// STAT.
    ///
    /// # Errors
    /// A refusal, an answer that cannot be read, or those of the connection.
    pub async fn stat(&mut self) -> Result<Stat, Error> {
        let mut stat = None;
        let each = |event| {
            if let Event::Stat { messages, octets } = event {
                stat = Some(Stat { messages, octets });
            }
        };
        self.ask(Request::Stat, each).await?;
        stat.ok_or(Error::Malformed)
    }

    /// LIST of all messages that are not marked deleted.
    ///
    /// # Errors
    /// As for [`stat`](Self::stat).
    pub async fn list(&mut self) -> Result<Vec<ScanListing>, Error> {
        let mut listings = Vec::new();
        self.ask(Request::List, |event| listings.extend(scan_listing(event))).await?;
        Ok(listings)
    }

    /// LIST of one message.
    ///
    /// # Errors
    /// As for [`stat`](Self::stat).
    pub async fn list_one(&mut self, number: MessageNumber) -> Result<ScanListing, Error> {
        let mut listing = None;
        self.ask(Request::ListOne(number), |event| listing = listing.or_else(|| scan_listing(event))).await?;
        listing.filter(|listing| listing.number == number).ok_or(Error::Malformed)
    }

    /// UIDL of all messages that are not marked deleted.
    ///
    /// # Errors
    /// As for [`stat`](Self::stat).
    pub async fn unique_ids(&mut self) -> Result<Vec<UniqueIdListing>, Error> {
        let mut listings = Vec::new();
        self.ask(Request::Uidl, |event| listings.extend(unique_id_listing(event))).await?;
        Ok(listings)
    }

    /// UIDL of one message.
    ///
    /// # Errors
    /// As for [`stat`](Self::stat).
    pub async fn unique_id(&mut self, number: MessageNumber) -> Result<UniqueIdListing, Error> {
        let mut listing = None;
        self.ask(Request::UidlOne(number), |event| {
            listing = listing.take().or_else(|| unique_id_listing(event))
        })
        .await?;
        listing.filter(|listing| listing.number == number).ok_or(Error::Malformed)
    }

    /// RETR: writes the message in its canonical form (CRLF line ends) to `sink` as it comes, and flushes it. Gives
    /// back its octets.
    ///
    /// # Errors
    /// A refusal; those of the connection; [`Error::Local`] when `sink` fails, after which the client is out of step.
    /// When this fails `sink` may hold the beginning of the message.
    pub async fn retrieve(
        &mut self,
        number: MessageNumber,
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Result<u64, Error> {
        self.receive(Request::Retrieve(number), sink).await
    }

    /// TOP: like [`retrieve`](Self::retrieve), for the header and so many lines of the body.
    ///
    /// # Errors
    /// As for [`retrieve`](Self::retrieve).
    pub async fn top(
        &mut self,
        number: MessageNumber,
        lines: u64,
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Result<u64, Error> {
        self.receive(Request::Top { number, lines }, sink).await
    }

    /// RETR of many messages, without waiting in between when the server offers PIPELINING. `each` is called for every
    /// piece of every message in their order. Refused messages do not end the call.
    ///
    /// # Errors
    /// Those of the connection; [`Error::Local`] when `each` fails, after which the client is out of step.
    pub async fn retrieve_each(
        &mut self,
        numbers: &[MessageNumber],
        mut each: impl FnMut(MessageNumber, Piece<'_>) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        self.begin(std::iter::empty())?;
        let mut unsent = numbers.iter();
        for (index, &number) in numbers.iter().enumerate() {
            self.submit_ahead(index, &mut unsent, Request::Retrieve)?;
            let mut octets = 0;
            loop {
                match self.next().await? {
                    Progress::Event(Event::Finished(outcome)) => {
                        let piece = match finish(outcome) {
                            Ok(()) => Piece::End { octets },
                            Err(Error::Refused(refusal)) => Piece::Refused(refusal),
                            Err(error) => return Err(error),
                        };
                        each(number, piece).map_err(Error::Local)?;
                        break;
                    }
                    Progress::Event(_) => {}
                    Progress::Message => {
                        let mut decoder = Decoder::new();
                        let mut chunk = Vec::new();
                        while !self.take_chunk(&mut decoder, &mut chunk).await? {
                            octets += chunk.len() as u64;
                            each(number, Piece::Octets(&chunk)).map_err(Error::Local)?;
                            chunk.clear();
                        }
                        octets += chunk.len() as u64;
                        each(number, Piece::Octets(&chunk)).map_err(Error::Local)?;
                        self.message_received(octets);
                    }
                    Progress::Over => return Err(Error::Closed),
                }
            }
        }
        self.is_busy = false;
        Ok(())
    }

    /// DELE: marks a message deleted. It is deleted by [`quit`](Self::quit) and nothing else (R1939-6.6).
    ///
    /// # Errors
    /// A refusal, or those of the connection.
    pub async fn delete(&mut self, number: MessageNumber) -> Result<(), Error> {
        self.ask(Request::Delete(number), |_| {}).await
    }

    /// DELE of many messages, without waiting in between when the server offers PIPELINING. Gives back those that the
    /// server refused to mark.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn delete_each(
        &mut self,
        numbers: &[MessageNumber],
    ) -> Result<Vec<(MessageNumber, Refusal)>, Error> {
        self.begin(std::iter::empty())?;
        let mut unsent = numbers.iter();
        let mut refused = Vec::new();
        for (index, &number) in numbers.iter().enumerate() {
            self.submit_ahead(index, &mut unsent, Request::Delete)?;
            match self.finished(|_| {}).await {
                Ok(()) => {}
                Err(Error::Refused(refusal)) => refused.push((number, refusal)),
                Err(error) => return Err(error),
            }
        }
        self.is_busy = false;
        Ok(refused)
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

    /// QUIT: deletes what is marked, and closes.
    pub async fn quit(mut self) -> Quit {
        match self.ask(Request::Quit, |_| {}).await {
            Ok(()) => {
                self.wire.close().await;
                Quit::Committed
            }
            Err(Error::Refused(refusal)) => {
                self.wire.close().await;
                Quit::Refused(refusal)
            }
            Err(error) if self.session.ending() == Ending::Unknown => Quit::Unknown(error),
            Err(error) => Quit::NotSent(error),
        }
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
    fn begin(&mut self, requests: impl Iterator<Item = Request>) -> Result<(), Error> {
        if self.is_busy {
            return Err(Error::OutOfStep);
        }
        for request in requests {
            self.session.submit(request).map_err(Error::Request)?;
        }
        self.is_busy = true;
        Ok(())
    }

    /// Keeps the session supplied with requests for the numbers to come, `index` of which are answered.
    fn submit_ahead(
        &mut self,
        index: usize,
        unsent: &mut std::slice::Iter<'_, MessageNumber>,
        request: impl Fn(MessageNumber) -> Request,
    ) -> Result<(), Error> {
        let count = if index.is_multiple_of(AHEAD) { AHEAD } else { 0 };
        for &number in unsent.by_ref().take(count) {
            self.session.submit(request(number)).map_err(Error::Request)?;
        }
        Ok(())
    }

    /// One request to its end; `each` sees its content.
    async fn ask(&mut self, request: Request, each: impl FnMut(Event)) -> Result<(), Error> {
        self.begin(std::iter::once(request))?;
        let result = self.finished(each).await;
        self.is_busy = !result.as_ref().map_or_else(is_answer, |()| true);
        result
    }

    /// The end of the oldest request.
    async fn finished(&mut self, mut each: impl FnMut(Event)) -> Result<(), Error> {
        loop {
            match self.next().await? {
                Progress::Event(Event::Finished(outcome)) => return finish(outcome),
                Progress::Event(event) => each(event),
                // Only RETR and TOP bring one, and those are not asked here.
                Progress::Message => return Err(Error::OutOfStep),
                Progress::Over => return Err(Error::Closed),
            }
        }
    }

    /// RETR or TOP into a sink.
    async fn receive(
        &mut self,
        request: Request,
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Result<u64, Error> {
        self.begin(std::iter::once(request))?;
        let mut octets = 0;
        loop {
            match self.next().await? {
                Progress::Event(Event::Finished(outcome)) => {
                    let result = finish(outcome);
                    self.is_busy = !result.as_ref().map_or_else(is_answer, |()| true);
                    return result.map(|()| octets);
                }
                Progress::Event(_) => {}
                Progress::Message => {
                    let mut decoder = Decoder::new();
                    let mut chunk = Vec::new();
                    loop {
                        let is_end = self.take_chunk(&mut decoder, &mut chunk).await?;
                        octets += chunk.len() as u64;
                        sink.write_all(&chunk).await.map_err(Error::Local)?;
                        chunk.clear();
                        if is_end {
                            break;
                        }
                    }
                    sink.flush().await.map_err(Error::Local)?;
                    self.message_received(octets);
                }
                Progress::Over => return Err(Error::Closed),
            }
        }
    }

    /// Decodes what is there of a message, reading first when nothing is; whether that was its end.
    async fn take_chunk(&mut self, decoder: &mut Decoder, chunk: &mut Vec<u8>) -> Result<bool, Error> {
        if self.wire.input.is_empty() {
            self.wire.fill().await?;
        }
        let decoded = decoder.decode(self.wire.input.octets(), chunk);
        self.wire.input.consume(decoded.consumed);
        Ok(decoded.end)
    }

    fn message_received(&mut self, octets: u64) {
        self.wire.say(Said::Message { octets });
        self.session.message_received();
    }

    /// Drives the session to the next thing it has to tell.
    async fn next(&mut self) -> Result<Progress, Error> {
        loop {
            let mark = self.wire.mark();
            let step = self.session.step(&mut self.wire.input, &mut self.wire.output);
            self.wire.say_used(mark.as_deref());
            // Also when the step has something to tell: commands sent ahead are on their way while it is told.
            self.wire.flush(self.session.redaction()).await?;
            match step.map_err(Error::Protocol)? {
                Step::Read => self.wire.fill().await?,
                Step::Event(event) => return Ok(Progress::Event(event)),
                Step::ReceiveMessage => return Ok(Progress::Message),
                Step::StartTls => {
                    // Asked for only when there is a configuration for it.
                    let tls = self.tls.as_ref().ok_or(Error::OutOfStep)?;
                    self.wire.start_tls(tls).await?;
                    self.session.tls_started();
                }
                Step::Idle | Step::Closed => return Ok(Progress::Over),
            }
        }
    }
}

/// What the session came to.
enum Progress {
    Event(Event),
    /// A message follows in the input.
    Message,
    /// Nothing is left to be told.
    Over,
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

fn scan_listing(event: Event) -> Option<ScanListing> {
    match event {
        Event::ScanListing { number, octets } => Some(ScanListing { number, octets }),
        _ => None,
    }
}

fn unique_id_listing(event: Event) -> Option<UniqueIdListing> {
    match event {
        Event::UniqueIdListing { number, unique_id } => Some(UniqueIdListing { number, unique_id }),
        _ => None,
    }
}

/// Requests given to the session at once: more than it sends ahead, few enough to cost nothing.
const AHEAD: usize = 512;
