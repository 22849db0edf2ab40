//! Drives a POP2 session: the login, the retrieval and the removal it asks for, over one connection.
//!
//! What is said is decided by `restante_proto::pop2`. Logging in, opening and removing are what `pop3` does, and the same
//! limits and deadlines hold; only the wire differs. POP2 is off unless a listener asks for it.

use crate::clock;
use crate::config::{Protocol, Surrogates, TlsMode};
use crate::connection::{Connection, Patience};
use crate::event::End;
use crate::event::session::{Collected, Done};
use crate::limits::WRITE_OCTETS;
use crate::listener::{Raw, Visit, unless_displaced};
use crate::pop3::fault;
use crate::pop3::login::Login;
use crate::pop3::opened::Opened;
use restante_proto::body::Plain;
use restante_proto::maildrop::Marks;
use restante_proto::pop2::{Session, Step, Transport, rejection};
use restante_proto::sasl::Credentials;
use restante_proto::server::{Fault, Phase, Refusal};
use restante_store::maildrop::{CHUNK_OCTETS, Message, MessageError, Warning};
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Serves one connection from the greeting to its end.
pub(crate) async fn serve(raw: Raw, visit: Visit) {
    let shared = Arc::clone(&visit.shared);
    let mut guest = Guest::new(raw, visit);
    let sleep = pin!(tokio::time::sleep_until(guest.login_deadline));
    let mut drain = pin!(shared.drain.notified());
    drain.as_mut().enable();
    let mut patience = Patience::new(sleep, drain, shared.is_draining());
    let leave = guest.visit.leave();
    let end = unless_displaced(leave, pin!(guest.converse(&mut patience))).await;
    Box::pin(guest.leave(end)).await;
}

/// What a connection over a limit is told instead of a greeting.
pub(crate) fn refusal() -> &'static [u8] {
    rejection(Refusal::TooManySessions)
}

/// One client and everything it holds.
struct Guest {
    visit: Visit,
    connection: Connection,
    session: Session,
    login: Option<Login>,
    maildrop: Option<Opened>,
    started: Instant,
    login_deadline: Instant,
    retrieved: u64,
    /// Which they are, where expiry counts from then.
    noted: Marks,
    deleted: u64,
    /// Messages in the maildrop at login.
    messages: Option<u64>,
}

impl Guest {
    fn new(raw: Raw, visit: Visit) -> Self {
        let transport = match visit.protection() {
            TlsMode::Implicit => Transport::Tls,
            // `config::check` refuses STARTTLS here.
            TlsMode::Off | TlsMode::StartTls => Transport::Plain,
        };
        let started = clock::now();
        let login_deadline = started + Duration::from_secs(visit.settings.config.limits.login_s);
        let mut connection = visit.connection(raw);
        connection.write_until(Some(login_deadline));
        Self {
            connection,
            session: Session::new(visit.settings.pop2(visit.peer), transport),
            login: None,
            maildrop: None,
            started,
            login_deadline,
            retrieved: 0,
            noted: Marks::new(),
            deleted: 0,
            messages: None,
            visit,
        }
    }

    /// Does what the session asks until one of both sides ends it.
    async fn converse(&mut self, patience: &mut Patience<'_, '_>) -> End {
        match self.speak(patience).await {
            Ok(end) | Err(end) => end,
        }
    }

    async fn speak(&mut self, patience: &mut Patience<'_, '_>) -> Result<End, End> {
        if self.visit.tls == TlsMode::Implicit {
            let identity = self.visit.settings.identity.as_ref();
            Box::pin(self.connection.start_tls(identity, Protocol::Pop2)).await.map_err(End::Handshake)?;
        }
        loop {
            match self.session.step(&mut self.connection.input, &mut self.connection.output) {
                Step::Read => {
                    self.connection.write().await?;
                    let (deadline, silence) = self.deadline()?;
                    self.connection.read(patience, deadline).await.go_on(silence)?;
                }
                Step::Write => self.connection.write().await?,
                Step::Authenticate(credentials) => Box::pin(self.log_in(credentials)).await,
                Step::OpenMaildrop => Box::pin(self.open()).await,
                Step::SendMessage { index } => Box::pin(self.retrieve(index)).await?,
                // FOLD and QUIT end with UPDATE, which is not for who was taken over.
                Step::Release if !self.maildrop.as_ref().is_none_or(Opened::begin_update) => {
                    return Ok(End::TakenOver);
                }
                Step::Release => Box::pin(self.release()).await,
                Step::Close => {
                    // Whoever reads the reply may open the maildrop at once: the lock is released before it.
                    self.maildrop = None;
                    let is_quit = self.session.has_quit();
                    self.connection.write().await?;
                    return Ok(if is_quit { End::Quit } else { End::Closed });
                }
            }
        }
    }

    async fn log_in(&mut self, credentials: Credentials) {
        let at = self.visit.circumstances(&self.connection);
        match self.visit.log_in(&credentials, None, at).await {
            Ok((login, _)) => {
                self.login = Some(login);
                self.connection.write_until(None);
                self.session.granted();
            }
            Err(refusal) => self.session.refused(refusal, &mut self.connection.output),
        }
    }

    /// The login goes on, or FOLD has selected the maildrop anew.
    async fn open(&mut self) {
        let opened = match &self.login {
            Some(login) => self.visit.open(login).await,
            // Without an account there is nobody to open a maildrop for.
            None => Err(Refusal::Temporary),
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(refusal) => return self.session.refused(refusal, &mut self.connection.output),
        };
        for warning in opened.warnings() {
            self.visit.note_warning(self.login.as_ref().map(|login| &login.account().name), warning);
        }
        self.messages.get_or_insert(opened.listing().len() as u64);
        self.session.opened(opened.listing_as(self.view()), &mut self.connection.output);
        self.connection.watch(opened.pulse());
        self.maildrop = Some(opened);
    }

    /// RETR: the announced octets and nothing else (R937-cmds.4). What fails takes the connection with it: a client that
    /// counts octets would take a reply for some of them.
    async fn retrieve(&mut self, index: usize) -> Result<(), End> {
        let opened = match &self.maildrop {
            Some(maildrop) => maildrop.message_as(index, self.view()).await,
            None => Err(MessageError::NoSuchMessage),
        };
        let mut message = match opened {
            Ok(Some(message)) => message,
            Ok(None) => {
                self.session.message_failed();
                return Ok(());
            }
            Err(error) => {
                self.note_fault("open a message", &error);
                self.session.message_failed();
                return Ok(());
            }
        };
        self.connection.widen_output();
        let mut chunk = self.visit.shared.buffers.take();
        let outcome = self.send(&mut message, &mut chunk).await;
        self.visit.shared.buffers.give_back(chunk);
        outcome?;
        self.session.message_sent();
        self.retrieved += 1;
        if self.visit.settings.expires_from_retrieval() {
            self.noted.mark(index);
        }
        Ok(())
    }

    /// POP2 has no way to ask for UTF-8, and none to say that it is missing: what is not shown as stored is a surrogate.
    fn view(&self) -> Surrogates {
        match self.visit.settings.config.pop3.surrogates {
            Surrogates::AsStored => Surrogates::AsStored,
            Surrogates::Faithful | Surrogates::Refuse => Surrogates::Faithful,
        }
    }

    async fn send(&mut self, message: &mut Message, chunk: &mut Vec<u8>) -> Result<(), End> {
        let mut encoder = Plain::new();
        loop {
            match message.read(chunk, CHUNK_OCTETS).await {
                Ok(0) => break,
                Ok(_) => encoder.encode(chunk, &mut self.connection.output),
                Err(error) => {
                    self.note_fault("read a message", &error);
                    return Err(End::MessageFailed);
                }
            }
            chunk.clear();
            if self.connection.output.len() >= WRITE_OCTETS {
                self.connection.write().await?;
            }
        }
        encoder.finish(&mut self.connection.output);
        // The store sees to it that this is so; a client that counts would be lost if it were not.
        if encoder.octets() != message.shape().octets {
            return Err(End::MessageFailed);
        }
        Ok(())
    }

    /// FOLD and QUIT: remove what is marked, release the lock, then the reply.
    async fn release(&mut self) {
        let noted = std::mem::take(&mut self.noted);
        let outcome = match self.maildrop.take() {
            Some(Opened::Exclusive(mut held))
                if !self.session.marks().is_empty() || held.maildrop.is_shown_anew() || !noted.is_empty() =>
            {
                let outcome = held.maildrop.remove(self.session.marks(), clock::wall()).await;
                if outcome.is_ok()
                    && let Err(failure) = held.maildrop.keep_shown(self.session.marks()).await
                {
                    let account = self.login.as_ref().map(|login| &login.account().name);
                    self.visit.note_warning(account, &Warning::Guard(failure));
                }
                self.visit.keep_retrieved(&mut held, &noted, self.session.marks(), self.login.as_ref()).await;
                let listing = Arc::clone(held.maildrop.listing());
                drop(held);
                let gone = match &outcome {
                    Ok(removed) => &removed.gone,
                    Err(error) => &*error.gone,
                };
                let account = self.login.as_ref().map(|login| &login.account().name);
                self.visit.audit(account, &listing, gone).await;
                outcome
            }
            _ if self.session.marks().is_empty() => return self.session.released(),
            _ => return self.session.not_released(Fault::Permanent, &mut self.connection.output),
        };
        match outcome {
            Ok(removed) => {
                self.deleted += removed.messages as u64;
                let account = self.login.as_ref().map(|login| &login.account().name);
                removed.warnings.iter().for_each(|warning| self.visit.note_warning(account, warning));
                self.session.released();
            }
            Err(error) => {
                self.deleted += error.removed as u64;
                self.note_fault("remove messages", &error);
                self.session.not_released(fault(error.is_temporary()), &mut self.connection.output);
            }
        }
    }

    fn deadline(&mut self) -> Result<(Instant, End), End> {
        match self.session.phase() {
            Phase::Authorization => self.visit.login_deadline(&self.connection, self.login_deadline),
            _ => Ok((self.visit.deadline(&mut self.connection), End::Silence)),
        }
    }

    /// Lets go of everything, closes the connection, and says in the log how it was.
    async fn leave(&mut self, end: End) {
        self.maildrop = None;
        let traffic = self.visit.close(&mut self.connection, &end).await;
        let login = self.login.take().map(Login::noted);
        let (messages, retrieved, deleted) = (self.messages, self.retrieved, self.deleted);
        let collected = Collected { login, messages, retrieved, deleted, ..Collected::default() };
        self.visit.note_end(self.started, traffic, Done::Pop2(collected), end);
    }

    fn note_fault(&self, doing: &str, error: &dyn Error) {
        self.visit.note_fault(self.login.as_ref().map(|login| &login.account().name), doing, error);
    }
}
