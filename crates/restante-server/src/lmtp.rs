//! Drives an LMTP session: recipients looked up, messages taken and delivered, over one connection.
//!
//! What is said is decided by `restante_proto::lmtp`; here its questions are put to the authenticator and the store.
//! A delivery is acknowledged after its commit has returned and never before. The fields put in front of a message are
//! made in `header.rs`.

use crate::assemble;
use crate::clock;
use crate::config::{Over, Protocol, TlsMode};
use crate::connection::{Connection, Heard, Patience};
use crate::event::session::Done;
use crate::event::{DeliveryEnd, End, Event, Peer};
use crate::header::{Head, ReturnPathFilter};
use crate::listener::{Raw, Visit};
use restante_auth::account::Account;
use restante_auth::verify::Recipient;
use restante_proto::lmtp::path::ReversePath;
use restante_proto::lmtp::reception::{Framing, Reception};
use restante_proto::lmtp::{DeliveryFault, Farewell, Rejection, Session, Step, Transport, farewell};
use restante_store::Location;
use restante_store::delivery::{Delivery, DeliveryError};
use restante_store::quota::Limits;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Serves one connection from the greeting to its end.
pub(crate) async fn serve(raw: Raw, visit: Visit) {
    let shared = Arc::clone(&visit.shared);
    let mut sender = Sender::new(raw, visit);
    let sleep = pin!(tokio::time::sleep_until(sender.deadline()));
    let mut drain = pin!(shared.drain.notified());
    drain.as_mut().enable();
    let mut patience = Patience::new(sleep, drain, shared.is_draining());
    let end = match sender.speak(&mut patience).await {
        Ok(end) | Err(end) => end,
    };
    Box::pin(sender.leave(end)).await;
}

/// What a connection over a limit is told instead of a greeting.
pub(crate) fn refusal() -> &'static [u8] {
    farewell(Farewell::TooManySessions)
}

/// One mail transfer agent and everything it holds.
struct Sender {
    visit: Visit,
    connection: Connection,
    session: Session,
    /// Where the accepted recipients' mail goes, in the order of the envelope.
    recipients: Vec<Accepted>,
    delivery: Option<Incoming>,
    started: Instant,
    delivered: u64,
}

struct Accepted {
    account: Account,
    location: Location,
    limits: Limits,
}

/// A message on its way in.
struct Incoming {
    delivery: Delivery,
    filter: ReturnPathFilter,
    /// Canonical octets as received.
    octets: u64,
    /// When its first octet was asked for.
    started: Instant,
}

impl Sender {
    fn new(raw: Raw, visit: Visit) -> Self {
        let transport = match visit.protection() {
            TlsMode::Off => Transport::Plain,
            TlsMode::StartTls => Transport::PlainWithStarttls,
            TlsMode::Implicit => Transport::Tls,
        };
        let started = clock::now();
        Self {
            connection: visit.connection(raw),
            session: Session::new(Arc::clone(&visit.settings.lmtp), transport),
            recipients: Vec::new(),
            delivery: None,
            started,
            delivered: 0,
            visit,
        }
    }

    /// Does what the session asks until one of both sides ends it.
    async fn speak(&mut self, patience: &mut Patience<'_, '_>) -> Result<End, End> {
        if self.visit.tls == TlsMode::Implicit {
            Box::pin(self.start_tls()).await?;
        }
        loop {
            match self.session.step(&mut self.connection.input, &mut self.connection.output) {
                Step::Read => {
                    self.connection.write().await?;
                    let deadline = self.deadline();
                    match self.connection.read(patience, deadline).await {
                        Heard::Silence => {
                            return Box::pin(self.say_farewell(Farewell::Timeout, End::Silence)).await;
                        }
                        Heard::Draining => {
                            return self.say_farewell(Farewell::ShuttingDown, End::Draining).await;
                        }
                        heard => heard.go_on(End::Silence)?,
                    }
                }
                Step::Write => self.connection.write().await?,
                Step::StartTls => {
                    self.connection.write().await?;
                    Box::pin(self.start_tls()).await?;
                    self.session.tls_started();
                }
                Step::Recipient => Box::pin(self.look_up()).await,
                Step::Receive(framing) => Box::pin(self.receive(framing, patience)).await?,
                Step::Deliver { recipient } => Box::pin(self.deliver(recipient)).await,
                Step::Discard => Box::pin(self.discard()).await,
                Step::Close => {
                    self.connection.write().await?;
                    return Ok(End::Quit);
                }
            }
        }
    }

    async fn start_tls(&mut self) -> Result<(), End> {
        let identity = self.visit.settings.identity.as_ref();
        self.connection.start_tls(identity, Protocol::Lmtp).await.map_err(End::Handshake)
    }

    async fn say_farewell(&mut self, words: Farewell, end: End) -> Result<End, End> {
        self.connection.output.extend_from_slice(farewell(words));
        self.connection.write().await?;
        Ok(end)
    }

    /// RCPT: whose address is this, and where does his mail lie?
    async fn look_up(&mut self) {
        let Some(path) = self.session.recipient() else { return };
        let address = path.mailbox().address();
        let settings = &self.visit.settings;
        let now = clock::now().into_std();
        let rejection = match settings.authenticator.recipient(address.as_bytes(), now).await {
            Recipient::Account(account) => match assemble::location(&settings.config, &account) {
                Ok(location) => {
                    let limits = assemble::limits(&settings.config, &account);
                    let accepted = Accepted { account, location, limits };
                    if let Err(rejection) = self.room_for(&accepted).await {
                        return self.session.rejected(rejection, &mut self.connection.output);
                    }
                    // What is left of an earlier transaction goes.
                    let before = self.session.envelope().map_or(0, |envelope| envelope.recipients.len());
                    self.recipients.truncate(before);
                    self.recipients.push(accepted);
                    return self.session.accepted(&mut self.connection.output);
                }
                Err(error) => {
                    self.note_fault("find a recipient's maildrop", &error);
                    Rejection::Temporary
                }
            },
            Recipient::Unknown => Rejection::NoSuchRecipient,
            Recipient::Unavailable(error) => {
                self.note_fault("look a recipient up", &error);
                Rejection::Temporary
            }
        };
        self.session.rejected(rejection, &mut self.connection.output);
    }

    /// RCPT: whether his maildrop has room for what MAIL announces, so that a message need not be sent that will not be
    /// taken (R1870-6.4.1).
    async fn room_for(&self, accepted: &Accepted) -> Result<(), Rejection> {
        let Accepted { account, location, limits } = accepted;
        let declared = self.session.envelope().and_then(|envelope| envelope.size);
        let settings = &self.visit.settings;
        let store = assemble::store_of(&settings.config, &settings.store, account);
        let error = match store.admits(location, declared, *limits, clock::wall()).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        match &error {
            DeliveryError::OverQuota(over) => self.visit.note_warning(Some(&account.name), over),
            _ => self.visit.note_fault(Some(&account.name), "count a recipient's maildrop", &error),
        }
        Err(match (&error, settings.config.quota.over) {
            (DeliveryError::OverQuota(_), Over::Later) => Rejection::OverQuota,
            (DeliveryError::OverQuota(_), Over::Refuse) => Rejection::OverQuotaForGood,
            _ => Rejection::Temporary,
        })
    }

    /// DATA and BDAT: the message's octets go from the connection into the delivery. They are taken to their end also
    /// when the delivery has failed.
    async fn receive(&mut self, framing: Framing, patience: &mut Patience<'_, '_>) -> Result<(), End> {
        self.connection.write().await?;
        let begun = self.begin().await;
        let mut failed = begun.err();
        let mut reception = Reception::new(framing);
        let buffers = Arc::clone(&self.visit.shared.buffers);
        let mut chunk = buffers.take();
        let received = loop {
            chunk.clear();
            let received = reception.take(&mut self.connection.input, &mut chunk);
            if failed.is_none() {
                failed = self.keep(&chunk).await.err();
            }
            if let Some(received) = received {
                break received;
            }
            self.hear_more(patience).await?;
        };
        buffers.give_back(chunk);
        match failed {
            None => self.session.received(received, &mut self.connection.output),
            Some(error) => {
                self.note_fault("take a message", &error);
                self.session.receive_failed(
                    delivery_fault(&error, self.visit.settings.config.quota.over),
                    &mut self.connection.output,
                );
            }
        }
        Ok(())
    }

    /// Waits for more of a message. A server that stops lets a message that has begun come to its end; a peer that
    /// falls silent in the middle of one is not spoken to.
    async fn hear_more(&mut self, patience: &mut Patience<'_, '_>) -> Result<(), End> {
        let deadline = clock::now() + self.silence_max();
        match self.connection.read_on(patience, deadline).await {
            Heard::Draining => Err(End::Disconnected),
            heard => heard.go_on(End::Silence),
        }
    }

    /// Begins a delivery with the fields of our own, unless one is going on: a message may come in many chunks.
    async fn begin(&mut self) -> Result<(), DeliveryError> {
        if self.delivery.is_some() {
            return Ok(());
        }
        // The temporary file of a large message lies with one of the recipients. Not always with the first: where his
        // maildrop is broken, the others would wait for ever.
        let position = usize::try_from(self.visit.trace.0 ^ self.connection.octets_in).unwrap_or(0);
        let host =
            position.checked_rem(self.recipients.len()).and_then(|position| self.recipients.get(position));
        let (Some(envelope), Some(host)) = (self.session.envelope(), host) else { return Ok(()) };
        let now = clock::wall();
        let sender = envelope.sender.mailbox().map(|mailbox| mailbox.to_string());
        let recipient = match envelope.recipients.as_slice() {
            [only] => Some(only.mailbox().to_string()),
            _ => None,
        };
        let trace = self.visit.trace.to_string();
        let mut head = Vec::new();
        let fields = Head {
            sender: sender.as_deref(),
            recipient: recipient.as_deref(),
            client_name: self.session.client_name(),
            client_address: match self.visit.peer {
                Peer::Tcp(address) => Some(address.ip()),
                Peer::Unix => None,
            },
            hostname: &self.visit.settings.config.hostname,
            protocol: self.session.protocol(),
            id: &trace,
            now,
        };
        fields.write(&mut head);
        let settings = &self.visit.settings;
        // What others get must not lie where one of them could change it.
        let is_apart = self.recipients.iter().any(|one| settings.config.is_foreign(&one.account));
        let mut delivery = match is_apart {
            true => settings.store.begin_apart(&settings.config.state_dir, &host.location, now).await?,
            false => settings.store.begin(&host.location, now).await?,
        };
        delivery.write(&head).await?;
        let filter = ReturnPathFilter::default();
        self.delivery = Some(Incoming { delivery, filter, octets: 0, started: clock::now() });
        Ok(())
    }

    /// Hands octets to the delivery.
    async fn keep(&mut self, chunk: &[u8]) -> Result<(), DeliveryError> {
        let Some(incoming) = &mut self.delivery else { return Ok(()) };
        incoming.octets += chunk.len() as u64;
        if incoming.filter.is_past_header() {
            return incoming.delivery.write(chunk).await;
        }
        let mut kept = Vec::with_capacity(chunk.len());
        incoming.filter.filter(chunk, &mut kept);
        incoming.delivery.write(&kept).await
    }

    /// Makes the message durable for one recipient, then says so (R2033-4.2.3).
    async fn deliver(&mut self, position: usize) {
        let settings = &self.visit.settings;
        let (Some(incoming), Some(accepted)) = (&mut self.delivery, self.recipients.get(position)) else {
            return self.session.undelivered(DeliveryFault::Temporary, &mut self.connection.output);
        };
        let outcome = async {
            // A header that has no end may end in the middle of a name.
            let mut rest = Vec::new();
            incoming.filter.finish(&mut rest);
            if !rest.is_empty() {
                incoming.delivery.write(&rest).await?;
            }
            // For an account of the system: its files are open for no longer than this takes.
            let store = assemble::store_of(&settings.config, &settings.store, &accepted.account);
            incoming.delivery.commit_to(&store, &accepted.location, accepted.limits).await
        };
        let outcome = outcome.await;

        let envelope = self.session.envelope();
        let sender = match envelope.map(|envelope| &envelope.sender) {
            Some(ReversePath::Mailbox(mailbox)) => mailbox.address(),
            Some(ReversePath::Null) | None => String::new(),
        };
        let recipient = envelope.and_then(|envelope| envelope.recipients.get(position));
        let recipient = recipient.map(|path| path.mailbox().address()).unwrap_or_default();
        let mut note = DeliveryEnd {
            trace: self.visit.trace,
            peer: &self.visit.peer,
            account: &accepted.account.name,
            sender: &sender,
            recipient: &recipient,
            octets: incoming.octets,
            unique_id: None,
            duration: clock::now() - incoming.started,
        };
        match outcome {
            Ok(unique_id) => {
                note.unique_id = Some(unique_id.as_str());
                self.visit.shared.log.write(&Event::Delivered(&note));
                self.delivered += 1;
                self.session.delivered(&mut self.connection.output);
            }
            Err(error) => {
                self.visit.shared.log.write(&Event::Undelivered { delivery: &note, error: &error });
                self.session.undelivered(
                    delivery_fault(&error, self.visit.settings.config.quota.over),
                    &mut self.connection.output,
                );
            }
        }
    }

    /// Forgets the delivery that was begun; what was committed stays.
    async fn discard(&mut self) {
        self.recipients = Vec::new();
        if let Some(incoming) = self.delivery.take() {
            incoming.delivery.abort().await;
        }
    }

    /// Until when the peer may be silent; anew whenever the session got on (R5321-4.5.3.2.7.1).
    fn deadline(&mut self) -> Instant {
        self.connection.last_active() + self.silence_max()
    }

    fn silence_max(&self) -> Duration {
        Duration::from_secs(self.visit.settings.config.limits.lmtp_s)
    }

    /// Lets go of everything, closes the connection, and says in the log how it was.
    async fn leave(&mut self, end: End) {
        self.discard().await;
        let traffic = self.visit.close(&mut self.connection, &end).await;
        self.visit.note_end(self.started, traffic, Done::Lmtp { delivered: self.delivered }, end);
    }

    fn note_fault(&self, doing: &str, error: &dyn Error) {
        self.visit.shared.log.write(&Event::Fault {
            trace: self.visit.trace,
            peer: &self.visit.peer,
            account: None,
            doing,
            error,
        });
    }
}

/// The one place where a failed delivery becomes an answer.
fn delivery_fault(error: &DeliveryError, over: Over) -> DeliveryFault {
    match error {
        DeliveryError::OverQuota(_) if over == Over::Refuse => DeliveryFault::OverQuotaForGood,
        DeliveryError::OverQuota(_) => DeliveryFault::OverQuota,
        DeliveryError::NoSpace(_) => DeliveryFault::NoSpace,
        DeliveryError::Temporary(_) => DeliveryFault::Temporary,
        // The operator must act, not the sender: a 5xx would bounce all mail over a wrong mode of a folder, so it waits
        // in the queue of the MTA until he has.
        DeliveryError::Permanent(_) => DeliveryFault::Temporary,
    }
}

#[cfg(test)]
mod tests;
