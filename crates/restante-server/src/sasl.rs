//! Drives a conversation with a mail server that asks whether its clients may log in (Dovecot's authentication protocol).
//!
//! What is said is decided by `restante_proto::dovecot::server`. Each login is verified as one of POP3 is, by the same accounts, under the
//! same throttle and with the same log lines, as if the client had come here itself; only nothing is opened for it. Many logins run beside each other: one that waits
//! for its refusal does not hold up the others. Whoever reaches the socket is believed about where a client comes from, which is why
//! its permissions matter.

use crate::clock;
use crate::connection::{Connection, Heard, Patience};
use crate::defence;
use crate::event::session::Done;
use crate::event::{End, Event, Peer};
use crate::listener::{Raw, Visit};
use restante_auth::directory::{Circumstances, Service};
use restante_auth::verify::scram::ScramParameters;
use restante_proto::dovecot::request::Request;
use restante_proto::dovecot::server::{Greeting, Refusal, Session, Step, Ticket};
use restante_proto::sasl::{Credentials, ScramFacts, ScramQuery, ServerSignature};
use restante_proto::server;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Serves one connection from the handshake to its end.
pub(crate) async fn serve(raw: Raw, visit: Visit) {
    let shared = Arc::clone(&visit.shared);
    let greeting = match greeting(&visit) {
        Ok(greeting) => greeting,
        // It is in the log; the mail server finds a connection that is closed and tells its client to come again.
        Err(server::Refusal::Temporary | _) => return,
    };
    let mut mta = MailServer::new(raw, visit, greeting);
    let sleep = pin!(tokio::time::sleep_until(mta.deadline()));
    let mut drain = pin!(shared.drain.notified());
    drain.as_mut().enable();
    let mut patience = Patience::new(sleep, drain, shared.is_draining());
    let end = match mta.speak(&mut patience).await {
        Ok(end) | Err(end) => end,
    };
    Box::pin(mta.leave(end)).await;
}

fn greeting(visit: &Visit) -> Result<Greeting, server::Refusal> {
    let [cookie @ .., _, _, _, _, _, _, _, _] = visit.chance()?;
    // The trace is another one for each connection; half of it is enough to tell those apart that are open together.
    let connection = u32::try_from(visit.trace.0 & u64::from(u32::MAX)).unwrap_or_default();
    Ok(Greeting { process: std::process::id(), connection, cookie })
}

/// One mail server and everything it holds.
struct MailServer {
    visit: Arc<Visit>,
    connection: Connection,
    session: Session,
    /// What is being found out for its logins; at most one for each.
    working: JoinSet<Answer>,
    started: Instant,
}

/// What was found out.
struct Answer {
    ticket: Ticket,
    user: Box<[u8]>,
    finding: Result<Finding, server::Refusal>,
}

enum Finding {
    Prepared(ScramFacts),
    Granted(Option<ServerSignature>),
}

impl MailServer {
    fn new(raw: Raw, visit: Visit, greeting: Greeting) -> Self {
        Self {
            connection: visit.connection(raw),
            session: Session::new(visit.settings.sasl(), greeting),
            working: JoinSet::new(),
            started: clock::now(),
            visit: Arc::new(visit),
        }
    }

    /// Does what the session asks until one of both sides ends it.
    async fn speak(&mut self, patience: &mut Patience<'_, '_>) -> Result<End, End> {
        loop {
            let now = self.now();
            match self.session.step(&mut self.connection.input, &mut self.connection.output, now) {
                Step::Read => {
                    self.connection.write().await?;
                    if let Some(heard) = self.wait(patience).await {
                        self.hear(heard).await?;
                    }
                }
                Step::Write => self.connection.write().await?,
                Step::Nonce(ticket) => {
                    let now = self.now();
                    match self.visit.chance() {
                        Ok(octets) => {
                            self.session.nonce(ticket, &octets, &mut self.connection.output, now);
                        }
                        Err(refusal) => self.refuse(ticket, &[], refusal),
                    }
                }
                Step::PrepareScram(ticket, request, query) => {
                    let guest = self.guest(&request);
                    self.working.spawn(async move { prepare(guest, ticket, &request, query).await });
                }
                Step::Authenticate(ticket, request, credentials) => {
                    let guest = self.guest(&request);
                    self.working.spawn(async move { verify(guest, ticket, &request, credentials).await });
                }
                Step::Full => {
                    self.visit.note_warning(None, &"too many logins at the same time through one connection")
                }
                Step::Close(violation) => {
                    self.connection.write().await?;
                    let problem = format_args!("the mail server sent {}", violation.description());
                    self.visit.note_warning(None, &problem);
                    return Ok(End::Closed);
                }
            }
        }
    }

    /// Waits for octets, or passes an answer on that has been found meanwhile; then `None`.
    async fn wait(&mut self, patience: &mut Patience<'_, '_>) -> Option<Heard> {
        let deadline = self.deadline();
        let Self { connection, working, .. } = self;
        let answer = {
            let mut reading = pin!(connection.read(patience, deadline));
            poll_fn(|cx| {
                if let Poll::Ready(Some(joined)) = working.poll_join_next(cx) {
                    return Poll::Ready(Ok(joined));
                }
                reading.as_mut().poll(cx).map(Err)
            })
            .await
        };
        match answer {
            Ok(joined) => {
                // One that was cut short belongs to a server that is being cut itself.
                if let Ok(answer) = joined {
                    self.answer(answer);
                }
                None
            }
            Err(heard) => Some(heard),
        }
    }

    async fn hear(&mut self, heard: Heard) -> Result<(), End> {
        match heard {
            Heard::Silence => {
                let now = self.now();
                if self.session.deadline().is_some_and(|deadline| deadline <= now) {
                    self.session.expire(now, &mut self.connection.output);
                    return Ok(());
                }
                Err(if self.session.is_ready() { End::Silence } else { End::LoginDeadline })
            }
            Heard::Draining => {
                // What is under way is finished; nothing new begins.
                while let Some(joined) = self.working.join_next().await {
                    if let Ok(answer) = joined {
                        self.answer(answer);
                    }
                }
                self.connection.write().await?;
                Err(End::Draining)
            }
            heard => heard.go_on(End::Silence),
        }
    }

    fn answer(&mut self, Answer { ticket, user, finding }: Answer) {
        let now = self.now();
        let output = &mut self.connection.output;
        match finding {
            Ok(Finding::Prepared(facts)) => self.session.scram_prepared(ticket, &facts, output, now),
            Ok(Finding::Granted(signature)) => {
                self.session.granted(ticket, &user, signature.as_ref(), output, now);
            }
            Err(refusal) => self.refuse(ticket, &user, refusal),
        }
    }

    fn refuse(&mut self, ticket: Ticket, user: &[u8], refusal: server::Refusal) {
        let refusal = match refusal {
            server::Refusal::Credentials => Refusal::Credentials,
            // What holds until somebody acts is no fault of the client's: it shall come again.
            _ => Refusal::Temporary,
        };
        let now = self.now();
        self.session.refused(ticket, user, refusal, &mut self.connection.output, now);
    }

    fn guest(&self, request: &Request) -> Visit {
        self.visit.on_behalf_of(request.remote.map_or(Peer::Unix, Peer::Tcp))
    }

    /// Time since the connection began.
    fn now(&self) -> Duration {
        clock::now() - self.started
    }

    /// Until when the mail server may be silent: it stays connected while its clients come and go. While something is being found out it need not speak.
    fn deadline(&mut self) -> Instant {
        let limits = &self.visit.settings.config.limits;
        if !self.session.is_ready() {
            return self.started + Duration::from_secs(limits.login_s);
        }
        let silence = self.connection.last_active() + Duration::from_secs(limits.sasl_s);
        let silence = if self.working.is_empty() { silence } else { silence.max(clock::now() + AWAKE) };
        self.session.deadline().map_or(silence, |deadline| silence.min(self.started + deadline))
    }

    /// Closes the connection, and says in the log how it was.
    async fn leave(&mut self, end: End) {
        let traffic = self.visit.close(&mut self.connection, &end).await;
        self.visit.note_end(self.started, traffic, Done::Sasl, end);
    }
}

/// Finds out what SCRAM needs.
async fn prepare(guest: Visit, ticket: Ticket, request: &Request, query: ScramQuery) -> Answer {
    let facts = async {
        let nonce = guest.chance()?.to_vec();
        let at = circumstances(request);
        let prepared = defence::prepare_scram(&guest.settings, &query, at).await;
        let ScramParameters { salt, iterations } = prepared.map_err(|error| {
            defence::note_fault(&guest.shared, guest.trace, &guest.peer, "look up the account", &error);
            server::Refusal::Temporary
        })?;
        Ok(Finding::Prepared(ScramFacts { nonce, salt, iterations, binding: Vec::new() }))
    };
    let finding = facts.await;
    Answer { ticket, user: query.user.into(), finding }
}

/// Finds out whether credentials are right; the answer to wrong ones is late.
async fn verify(guest: Visit, ticket: Ticket, request: &Request, credentials: Credentials) -> Answer {
    // A mail server has looked at the certificate; without one that it trusts, a name in it means nothing.
    let certificate = request.certificate_name.as_deref().filter(|_| request.has_certificate);
    let certificate = certificate.and_then(|name| std::str::from_utf8(name).ok());
    match guest.verify(&credentials, certificate, circumstances(request)).await {
        Ok(grant) => {
            guest.shared.log.write(&Event::Authenticated {
                trace: guest.trace,
                peer: &guest.peer,
                account: &grant.account.name,
                service: &request.service,
                method: credentials.method().name(),
                app_password: grant.app_password.as_ref(),
            });
            let user = grant.account.name.as_str().as_bytes().into();
            Answer { ticket, user, finding: Ok(Finding::Granted(grant.server_signature)) }
        }
        Err(refusal) => Answer { ticket, user: credentials.user().into(), finding: Err(refusal) },
    }
}

/// Whoever collects mail says so; everybody else behind a mail server sends it.
fn circumstances(request: &Request) -> Circumstances {
    let service = match &*request.service {
        b"pop3" | b"imap" => Service::Pop3,
        _ => Service::Smtp,
    };
    Circumstances {
        peer: request.remote.map(|address| address.ip()),
        is_encrypted: request.is_secured,
        ..Circumstances::new(service, clock::now().into_std())
    }
}

/// While something is being found out, the connection is not looked at as a silent one.
const AWAKE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
