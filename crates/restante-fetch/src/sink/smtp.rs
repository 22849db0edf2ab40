//! A server that takes mail by SMTP: one connection for a batch. lettre speaks SMTP.
//!
//! A message is in memory while it is sent, one at a time: lettre has no way to end a message that could not be read to its end.
//! What lettre does not look for, octets that somebody on the way puts behind the answer to STARTTLS, is found in `smtp/wire.rs`.

mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lettre::Address;
use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use restante_client::identity::CertificateFault;
use restante_proto::secret::Secret;
use restante_proto::visible::is_hidden;
use restante_store::disk::Disk;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::{Fault, LineEnds, Message, OpenError, Sink, SinkId, contents, host_and_port};
use crate::config::deliver::SmtpSecurity;
use crate::failure::Failure;
use wire::Wire;

/// Who logs in.
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl fmt::Debug for Login {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// An SMTP server as a sink.
pub struct Smtp {
    id: SinkId,
    disk: Arc<dyn Disk>,
    host: String,
    port: u16,
    security: SmtpSecurity,
    tls: Option<TlsParameters>,
    login: Option<Login>,
    envelope: Envelope,
    name: ClientId,
    runtime: Runtime,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, security, login, .. } = self;
        out.debug_struct("Smtp")
            .field("id", id)
            .field("security", security)
            .field("login", login)
            .finish_non_exhaustive()
    }
}

/// What it takes to reach an SMTP server.
#[derive(Debug)]
pub struct Settings<'a> {
    /// `host:port`.
    pub server: &'a str,
    /// How the connection is protected.
    pub security: SmtpSecurity,
    /// The authorities to trust in place of the machine's, in PEM: at least one.
    pub ca: Option<Vec<u8>>,
    /// Who logs in, if anybody does: by PLAIN or LOGIN.
    pub login: Option<Login>,
    /// Whose the messages are there.
    pub recipient: &'a str,
    /// The reverse-path, empty for none.
    pub sender: &'a str,
    /// What we call ourselves.
    pub name: &'a str,
}

impl Smtp {
    /// Prepares for deliveries; nothing is connected yet.
    ///
    /// # Errors
    /// When an address is none, TLS cannot be prepared, or the system has no room for a runtime.
    pub fn new(disk: Arc<dyn Disk>, settings: Settings<'_>) -> Result<Self, OpenError> {
        let Settings { server, security, ca, login, recipient, sender, name } = settings;
        let (host, port) = host_and_port(server).ok_or_else(|| OpenError::Address(server.to_owned()))?;
        let address =
            |text: &str| text.parse::<Address>().map_err(|_| OpenError::MailAddress(text.to_owned()));
        let from = if sender.is_empty() { None } else { Some(address(sender)?) };
        let envelope = Envelope::new(from, vec![address(recipient)?]);
        let tls = match security {
            SmtpSecurity::None => None,
            SmtpSecurity::Starttls | SmtpSecurity::Tls => {
                let parameters = tls(host, ca.as_deref());
                Some(
                    parameters
                        .map_err(|error| OpenError::Tls(format!("cannot prepare TLS: {}", chain(&error))))?,
                )
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            runtime: runtime.map_err(OpenError::System)?,
            id: SinkId(format!("smtp:{server}/{recipient}").into()),
            disk,
            host: host.to_owned(),
            port,
            security,
            tls,
            login,
            envelope: envelope.map_err(|_| OpenError::MailAddress(recipient.to_owned()))?,
            name: ClientId::Domain(name.to_owned()),
        })
    }

    /// A connection on which mail may be sent, or why there is none.
    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        match timeout(TIME_LIMIT, self.connect_and_log_in()).await {
            Ok(connected) => connected.map_err(|error| why_not(&error)),
            Err(_) => Err(format!("no answer in {} s", TIME_LIMIT.as_secs())),
        }
    }

    async fn connect_and_log_in(&self) -> Result<AsyncSmtpConnection, Refused> {
        let place = (self.host.as_str(), self.port);
        let mut connection = match (&self.tls, self.security) {
            (Some(tls), SmtpSecurity::Tls) => {
                let tls = Some(tls.clone());
                AsyncSmtpConnection::connect_tokio1(place, Some(TIME_LIMIT), &self.name, tls, None).await?
            }
            _ => {
                let wire = Wire::new(TcpStream::connect(place).await.map_err(Refused::Unreachable)?);
                AsyncSmtpConnection::connect_with_transport(Box::new(wire), &self.name).await?
            }
        };
        if let (Some(tls), SmtpSecurity::Starttls) = (&self.tls, self.security) {
            connection.starttls(tls.clone(), &self.name).await?;
        }
        if let Some(Login { user, password }) = &self.login {
            let password = String::from_utf8_lossy(password.expose()).into_owned();
            let credentials = Credentials::new(user.clone(), password);
            connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
        }
        Ok(connection)
    }

    async fn deliver_all(&self, messages: &[Message<'_>]) -> Vec<Result<(), Fault>> {
        let mut answers = Vec::with_capacity(messages.len());
        let mut connection: Option<AsyncSmtpConnection> = None;
        let mut connections = 0;
        for message in messages {
            let octets = match self.read(message) {
                Ok(octets) => octets,
                Err(failure) => {
                    answers.push(Err(failure.into()));
                    continue;
                }
            };
            if connection.is_none() && connections < CONNECTIONS_MAX {
                connections += 1;
                match self.connect().await {
                    Ok(connected) => connection = Some(connected),
                    Err(why) => {
                        // Also a refusal: it is about the login or about us, and not about a message.
                        let reason = format!("cannot deliver to {}: {why}", self.id);
                        answers.resize(messages.len(), Err(Fault::Later(reason)));
                        return answers;
                    }
                }
            }
            let Some(connected) = &mut connection else {
                answers.push(Err(Fault::Later(format!("{} closes its connections", self.id))));
                continue;
            };
            match timeout(time_limit(&octets), connected.send(&self.envelope, &octets)).await {
                Ok(sent) => {
                    answers.push(sent.map(drop).map_err(|error| fault(&error)));
                    if connected.has_broken() {
                        connection = None;
                    }
                }
                Err(_) => {
                    answers.push(Err(Fault::Later(format!("{} takes too long for a message", self.id))));
                    connection = None;
                }
            }
        }
        if let Some(mut connection) = connection {
            // Everything is answered for.
            let _ = timeout(FAREWELL, connection.quit()).await;
        }
        answers
    }

    /// A message as SMTP wants it. A lone LF ends a line here, and a lone CR does: behind one, some servers take a dot for the end of
    /// the message, and whoever wrote it could say what comes next.
    fn read(&self, message: &Message<'_>) -> Result<Vec<u8>, Failure> {
        let mut octets = Vec::with_capacity(usize::try_from(message.file_octets).unwrap_or(0));
        contents::read(&*self.disk, message, LineEnds::Crlf, |piece| -> Result<(), Failure> {
            for &octet in piece {
                let is_after_cr = octets.last() == Some(&b'\r');
                match octet {
                    b'\n' if !is_after_cr => octets.push(b'\r'),
                    b'\n' => {}
                    _ if is_after_cr => octets.push(b'\n'),
                    _ => {}
                }
                octets.push(octet);
            }
            Ok(())
        })?;
        if octets.ends_with(b"\r") {
            octets.push(b'\n');
        }
        // lettre puts the line end before its dot itself, whether there is one or not.
        if octets.ends_with(b"\r\n") {
            octets.truncate(octets.len() - 2);
        }
        Ok(octets)
    }
}

impl Sink for Smtp {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn deliver(&mut self, messages: &[Message<'_>]) -> Vec<Result<(), Fault>> {
        self.runtime.block_on(self.deliver_all(messages))
    }
}

/// Why nobody can be sent anything.
enum Refused {
    Unreachable(std::io::Error),
    Smtp(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Smtp(error)
    }
}

/// TLS that recognizes `host` by these authorities, or by the machine's.
fn tls(host: &str, ca: Option<&[u8]>) -> Result<TlsParameters, Error> {
    let mut parameters = TlsParameters::builder(host.to_owned());
    if let Some(pem) = ca {
        let trusted = Certificate::from_pem(pem)?;
        parameters = parameters.certificate_store(CertificateStore::None).add_root_certificate(trusted);
    }
    parameters.build()
}

/// Why nobody could be spoken to. About a certificate: what is wrong with it, and what to do.
fn why_not(refused: &Refused) -> String {
    let error = match refused {
        Refused::Unreachable(error) => return format!("cannot connect: {}", chain(error)),
        Refused::Smtp(error) => error,
    };
    let mut causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let fault = causes.find_map(|cause| CertificateFault::of(cause.downcast_ref::<std::io::Error>()?));
    match fault {
        None => chain(error),
        Some(CertificateFault::UnknownIssuer) => {
            format!(
                "{}; if it is from an authority of your own, name its file: ca = \"ca.pem\"",
                CertificateFault::UnknownIssuer
            )
        }
        // TLS's own words tell which names, and which dates.
        Some(fault) => format!("{fault}: {}", chain(error)),
    }
}

/// What an error of one message means. When the answer was lost, the server may have the message.
fn fault(error: &Error) -> Fault {
    let reason = chain(error);
    // "Client": the server cannot be told this message, for want of 8BITMIME or SMTPUTF8.
    if error.is_permanent() || error.is_client() { Fault::Refused(reason) } else { Fault::Later(reason) }
}

/// What it says, with its causes, in one line that is not long.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    let line = text.chars().map(|letter| if is_hidden(letter) { ' ' } else { letter });
    line.take(REASON_CHARACTERS_MAX).collect()
}

/// How long a message may take with all its replies: longer for a large one, also where a line is slow.
fn time_limit(octets: &[u8]) -> Duration {
    let seconds = u64::try_from(octets.len() / SLOWEST_OCTETS_PER_S).unwrap_or(u64::MAX);
    TIME_LIMIT.saturating_add(Duration::from_secs(seconds))
}

/// To connect and to log in; and for the replies to a message.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// A line that carries less is taken for one that carries nothing.
const SLOWEST_OCTETS_PER_S: usize = 1024;

/// For the reply to QUIT, which changes nothing.
const FAREWELL: Duration = Duration::from_secs(5);

/// A server that closes more often within a batch is asked again by the next pass.
const CONNECTIONS_MAX: usize = 3;

const REASON_CHARACTERS_MAX: usize = 512;

#[cfg(test)]
mod tests;
