//! Drives a POP3 session: the login, the retrieval and the removal it asks for, over one connection.
//!
//! What is said is decided by `restante_proto::server`; here its questions are put to the authenticator and the store,
//! message octets are moved, deadlines kept, and what happened is noted for the log. No command is parsed and no reply
//! spelled here. XTND is in `pop3/extended.rs`, the login in `pop3/login.rs`, an open maildrop in `pop3/opened.rs`, the log in `pop3/note.rs`.

mod extended;
pub(crate) mod login;
mod note;
pub(crate) mod opened;
mod submit;

use crate::clock;
use crate::config::{Protocol, Surrogates, TlsMode};
use crate::connection::{Connection, Cut, Patience};
use crate::event::End;
use crate::event::session::{Collected, Done};
use crate::limits::WRITE_OCTETS;
use crate::listener::{Raw, Visit, unless_displaced};
use login::Login;
use opened::Opened;
use restante_proto::body::{Encoder, Extent};
use restante_proto::maildrop::Marks;
use restante_proto::quirk::Mender;
use restante_proto::server::{Ending, Fault, Phase, Refusal, Session, Step, Transport, rejection};
use restante_store::maildrop::{CHUNK_OCTETS, Message, MessageError, Warning};
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
    /// Whose credentials were right last, and how they came; logged in when the maildrop is open.
    login: Option<Login>,
    maildrop: Option<Opened>,
    started: Instant,
    login_deadline: Instant,
    retrieved: u64,
    /// Which they are, where expiry counts from then.
    noted: Option<Box<Marks>>,
    topped: u64,
    deleted: u64,
    submitted: u64,
    /// Messages in the maildrop at login.
    messages: Option<u64>,
}

impl Guest {
    fn new(raw: Raw, visit: Visit) -> Self {
        let settings = &visit.settings;
        let transport = match visit.protection() {
            TlsMode::Off => Transport::Plain,
            TlsMode::StartTls => Transport::PlainWithStls,
            TlsMode::Implicit => Transport::Tls,
        };
        let timestamp = settings.apop_timestamp(visit.trace);
        let started = clock::now();
        let login_deadline = started + Duration::from_secs(settings.config.limits.login_s);
        let mut connection = visit.connection(raw);
        connection.write_until(Some(login_deadline));
        Self {
            connection,
            session: Session::new(settings.pop3(visit.peer), transport, timestamp),
            login: None,
            maildrop: None,
            started,
            login_deadline,
            retrieved: 0,
            noted: None,
            topped: 0,
            deleted: 0,
            submitted: 0,
            messages: None,
            visit,
        }
    }

    /// Does what the session asks until one of both sides ends it. The rare and large things are boxed, so that a
    /// session that waits for its client is small.
    async fn converse(&mut self, patience: &mut Patience<'_, '_>) -> End {
        match self.speak(patience).await {
            Ok(end) | Err(end) => end,
        }
    }

    async fn speak(&mut self, patience: &mut Patience<'_, '_>) -> Result<End, End> {
        if self.visit.tls == TlsMode::Implicit {
            Box::pin(self.start_tls()).await?;
            self.session.set_channel(self.connection.channel());
        }
        loop {
            match self.session.step(&mut self.connection.input, &mut self.connection.output) {
                Step::Read => {
                    self.connection.write().await?;
                    // R1939-3.23, R1939-3.24: nothing is removed and nothing is said.
                    let (deadline, silence) = self.deadline()?;
                    self.connection.read(patience, deadline).await.go_on(silence)?;
                }
                Step::Write => self.connection.write().await?,
                Step::StartTls => {
                    self.connection.write().await?;
                    Box::pin(self.start_tls()).await?;
                    self.session.tls_started(self.connection.channel());
                }
                Step::Nonce => self.nonce(),
                Step::PrepareScram(query) => Box::pin(self.prepare_scram(query)).await,
                Step::Authenticate(credentials) => Box::pin(self.log_in(credentials)).await,
                Step::OpenMaildrop => Box::pin(self.open()).await,
                Step::SendMessage { index, extent } => Box::pin(self.retrieve(index, extent)).await?,
                Step::Remove if !self.may_update() => return Ok(End::TakenOver),
                Step::Remove => Box::pin(self.update()).await,
                Step::Extended(question) => Box::pin(self.help(question, patience)).await?,
                Step::Close(ending) => {
                    if ending == Ending::Quit {
                        Box::pin(self.keep_shown()).await;
                    }
                    // Whoever reads the reply may open the maildrop at once: the lock is released before it.
                    self.maildrop = None;
                    self.connection.write().await?;
                    return Ok(if ending == Ending::Quit { End::Quit } else { End::Closed });
                }
            }
        }
    }

    async fn start_tls(&mut self) -> Result<(), End> {
        let identity = self.visit.settings.identity.as_ref();
        self.connection.start_tls(identity, Protocol::Pop3).await.map_err(End::Handshake)
    }

    /// RETR and TOP: open the message, write the head of the reply, move the message through the encoder. A message
    /// that fails before the head is one clean refusal; one that fails later takes the connection with it, since no
    /// reply could undo what was sent.
    async fn retrieve(&mut self, index: usize, extent: Extent) -> Result<(), End> {
        let opened = match &self.maildrop {
            Some(maildrop) => maildrop.message_as(index, self.view()).await,
            None => Err(MessageError::NoSuchMessage),
        };
        let mut message = match opened {
            Ok(Some(message)) => message,
            Ok(None) => {
                // R6856-5.1
                self.session.message_failed(Fault::NeedsUtf8);
                return Ok(());
            }
            Err(error) => {
                self.note_fault("open a message", &error);
                self.session.message_failed(fault(error.is_temporary()));
                return Ok(());
            }
        };
        self.connection.widen_output();
        self.session.message_opened(&mut self.connection.output);
        let outcome = self.send(&mut message, extent).await;
        if let Err(Unsent::Unreadable(error)) = &outcome {
            self.note_fault("read a message", error);
        }
        outcome?;
        self.session.message_sent();
        match extent {
            Extent::Whole => {
                self.retrieved += 1;
                if self.visit.settings.expires_from_retrieval() {
                    self.noted.get_or_insert_default().mark(index);
                }
            }
            Extent::Top(_) => self.topped += 1,
        }
        Ok(())
    }

    /// How messages with UTF-8 in their headers are shown to this client (R6856-2.1.4, R6856-2.1.7).
    fn view(&self) -> Surrogates {
        if self.session.is_utf8() { Surrogates::AsStored } else { self.visit.settings.config.pop3.surrogates }
    }

    /// Moves a message into the output, which is written whenever it is large enough: small messages of one flight
    /// share a write.
    async fn send(&mut self, message: &mut Message, extent: Extent) -> Result<(), Unsent> {
        let shape = message.shape();
        let mut encoder = Encoder::new(extent);
        let quirks = self.visit.settings.config.pop3.quirks.0;
        let is_sent_as_stored = shape.is_crlf && !shape.has_dot_lines && !quirks.mends_messages();
        if extent == Extent::Whole && is_sent_as_stored {
            // It is stored as it is sent: read straight into the output. An encoder that has seen nothing ends it.
            while message.read(&mut self.connection.output, CHUNK_OCTETS).await? > 0 {
                self.write_when_large().await?;
            }
            encoder.finish(&mut self.connection.output);
            return Ok(());
        }
        // For TOP the header comes in one read, and no more than seems needed.
        let mut max = match extent {
            Extent::Whole => CHUNK_OCTETS,
            Extent::Top(lines) => {
                let guess = shape.header_octets.saturating_add(lines.saturating_mul(LINE_OCTETS_GUESSED));
                usize::try_from(guess).unwrap_or(CHUNK_OCTETS).clamp(1, CHUNK_OCTETS)
            }
        };
        let mut mender = quirks.mends_messages().then(|| Mender::new(quirks));
        let mut chunk = self.visit.shared.buffers.take();
        while !encoder.is_complete() && message.read(&mut chunk, max).await? > 0 {
            if let Some(mender) = &mut mender {
                mender.mend(&mut chunk);
            }
            encoder.encode(&chunk, &mut self.connection.output);
            chunk.clear();
            max = CHUNK_OCTETS;
            self.write_when_large().await?;
        }
        if let Some(mender) = &mender {
            encoder.encode(mender.missing(), &mut self.connection.output);
        }
        encoder.finish(&mut self.connection.output);
        self.visit.shared.buffers.give_back(chunk);
        Ok(())
    }

    async fn write_when_large(&mut self) -> Result<(), Cut> {
        if self.connection.output.len() < WRITE_OCTETS {
            return Ok(());
        }
        self.connection.write().await
    }

    /// Whether UPDATE may begin: not when another session has taken over. From here on none can.
    fn may_update(&self) -> bool {
        self.maildrop.as_ref().is_none_or(Opened::begin_update)
    }

    /// UPDATE: remove what is marked, keep what LAST goes by, release the lock, then the reply; never the reply before (R1939-6.1, R1939-6.4).
    async fn update(&mut self) {
        match self.remove_marked().await {
            Ok(()) => self.session.removed(),
            Err(fault) => self.session.not_removed(fault),
        }
    }

    /// Removes what is marked, keeps what was accessed and what was shown, if there is any of these, and lets go of the
    /// maildrop and its lock.
    async fn remove_marked(&mut self) -> Result<(), Fault> {
        let is_marked = !self.session.marks().is_empty();
        let is_changed = is_marked || self.session.accessed().is_some() || self.noted.is_some();
        let mut held = match self.maildrop.take() {
            Some(Opened::Exclusive(held)) if is_changed => held,
            _ if !is_marked => return Ok(()),
            // A session marks nothing where it may not remove.
            Some(_) => return Err(Fault::Permanent),
            None => return Err(Fault::Temporary),
        };
        let outcome = held.maildrop.remove(self.session.marks(), clock::wall()).await;
        if let Some(accessed) = self.session.accessed()
            && let Err(failure) = held.maildrop.keep_accessed(accessed, self.session.marks()).await
        {
            self.note_warning(&Warning::Accessed(failure));
        }
        if outcome.is_ok()
            && let Err(failure) = held.maildrop.keep_shown(self.session.marks()).await
        {
            self.note_warning(&Warning::Guard(failure));
        }
        if let Some(noted) = self.noted.take() {
            self.visit.keep_retrieved(&mut held, &noted, self.session.marks(), self.login.as_ref()).await;
        }
        let listing = Arc::clone(held.maildrop.listing());
        drop(held);
        let gone = match &outcome {
            Ok(removed) => &removed.gone,
            Err(error) => &*error.gone,
        };
        self.audit(&listing, gone).await;
        match outcome {
            Ok(removed) => {
                self.deleted = removed.messages as u64;
                removed.warnings.iter().for_each(|warning| self.note_warning(warning));
                Ok(())
            }
            Err(error) => {
                self.deleted = error.removed as u64;
                self.note_fault("remove messages", &error);
                Err(fault(error.is_temporary()))
            }
        }
    }

    fn deadline(&mut self) -> Result<(Instant, End), End> {
        match self.session.phase() {
            Phase::Authorization => self.visit.login_deadline(&self.connection, self.login_deadline),
            _ => Ok((self.visit.deadline(&mut self.connection), End::Silence)),
        }
    }

    /// Remembers what a session was shown and has retrieved that removed nothing and ended with QUIT.
    async fn keep_shown(&mut self) {
        if let (Some(Opened::Exclusive(held)), Some(noted)) = (&mut self.maildrop, self.noted.take()) {
            self.visit.keep_retrieved(held, &noted, &Marks::new(), self.login.as_ref()).await;
        }
        if let Some(Opened::Exclusive(held)) = &mut self.maildrop
            && held.maildrop.is_shown_anew()
            && let Err(failure) = held.maildrop.keep_shown(&Marks::new()).await
        {
            self.note_warning(&Warning::Guard(failure));
        }
    }

    /// Lets go of everything, closes the connection, and says in the log how it was.
    async fn leave(&mut self, end: End) {
        // Before anything that may take time: the next session of the account may be waiting.
        self.maildrop = None;
        let traffic = self.visit.close(&mut self.connection, &end).await;
        let login = self.login.take().filter(|_| self.messages.is_some()).map(Login::noted);
        let collected = Collected {
            login,
            messages: self.messages,
            retrieved: self.retrieved,
            topped: self.topped,
            deleted: self.deleted,
            submitted: self.submitted,
        };
        self.visit.note_end(self.started, traffic, Done::Pop3(collected), end);
    }
}

/// Why a message was not sent to its end.
enum Unsent {
    Unreadable(MessageError),
    Cut(Cut),
}

impl From<MessageError> for Unsent {
    fn from(error: MessageError) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Cut> for Unsent {
    fn from(cut: Cut) -> Self {
        Self::Cut(cut)
    }
}

impl From<Unsent> for End {
    fn from(unsent: Unsent) -> Self {
        match unsent {
            Unsent::Unreadable(_) => Self::MessageFailed,
            Unsent::Cut(cut) => cut.into(),
        }
    }
}

pub(crate) fn fault(is_temporary: bool) -> Fault {
    by_time(is_temporary, Fault::Temporary, Fault::Permanent)
}

fn by_time<T>(is_temporary: bool, temporary: T, permanent: T) -> T {
    if is_temporary { temporary } else { permanent }
}

/// About what a line has; a wrong guess costs one more read.
const LINE_OCTETS_GUESSED: u64 = 80;

#[cfg(test)]
mod tests;
