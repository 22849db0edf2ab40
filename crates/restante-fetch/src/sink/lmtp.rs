//! A server that takes mail by LMTP: one connection for a batch, one transaction for each message.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use restante_client::advice::explain;
use restante_client::connect::{Address, Deadlines};
use restante_client::error::Error;
use restante_client::lmtp::{Client, Outcome, Settings};
use restante_proto::lmtp::client::{InvalidTransaction, Reply, Transaction};
use restante_proto::lmtp::command::{BodyKind, Mail};
use restante_proto::lmtp::path::{ForwardPath, Mailbox, ReversePath};
use restante_store::disk::Disk;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::runtime::Runtime;

use super::contents::Reader;
use super::{Fault, LineEnds, Message, OpenError, Sink, SinkId, host_and_port};

/// An LMTP server as a sink.
#[derive(Debug)]
pub struct Lmtp {
    id: SinkId,
    disk: Arc<dyn Disk>,
    address: Address,
    recipient: ForwardPath,
    sender: ReversePath,
    /// What we call ourselves.
    name: String,
    deadlines: Deadlines,
    /// Of the delivery thread alone.
    runtime: Runtime,
}

impl Lmtp {
    /// Prepares for deliveries to `recipient` at `server`, `host:port` or `unix:/path`; nothing is connected yet. `sender` is the reverse-path, empty
    /// for none. `name` is what we call ourselves.
    ///
    /// # Errors
    /// When one of them is not what it should be.
    pub fn new(
        disk: Arc<dyn Disk>,
        server: &str,
        recipient: &str,
        sender: &str,
        name: &str,
    ) -> Result<Self, OpenError> {
        let address = address(server).ok_or_else(|| OpenError::Address(server.to_owned()))?;
        let mailbox = |text: &str| mailbox(text).ok_or_else(|| OpenError::MailAddress(text.to_owned()));
        let forward = ForwardPath::new(mailbox(recipient)?);
        let sender = match sender {
            "" => ReversePath::Null,
            sender => ReversePath::Mailbox(mailbox(sender)?),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            id: SinkId(format!("lmtp:{server}/{recipient}").into()),
            disk,
            address,
            recipient: forward,
            sender,
            name: name.to_owned(),
            deadlines: Deadlines::LMTP,
            runtime: runtime.map_err(OpenError::System)?,
        })
    }

    async fn deliver_all(&self, messages: &[Message<'_>]) -> Vec<Result<(), Fault>> {
        let mut answers = Vec::with_capacity(messages.len());
        let mut client: Option<Client> = None;
        let mut connections = 0;
        for message in messages {
            if client.is_none() && connections < CONNECTIONS_MAX {
                connections += 1;
                match self.connect().await {
                    Ok(connected) => client = Some(connected),
                    Err(error) => {
                        let reason = format!("cannot deliver to {}: {}", self.id, self.explain(&error));
                        answers.resize(messages.len(), Err(Fault::Later(reason)));
                        return answers;
                    }
                }
            }
            let Some(connected) = &mut client else {
                answers.push(Err(Fault::Later(format!("{} closes its connections", self.id))));
                continue;
            };
            let (answer, is_usable) = self.deliver_one(connected, message).await;
            answers.push(answer);
            if !is_usable {
                client = None;
            }
        }
        if let Some(client) = client {
            // Everything is answered for.
            let _ = client.quit().await;
        }
        answers
    }

    /// What went wrong, for somebody who has read the name of this sink.
    fn explain(&self, error: &Error) -> String {
        explain(error, &self.address.clone().into())
    }

    async fn connect(&self) -> Result<Client, Error> {
        let settings = Settings { name: self.name.clone(), deadlines: self.deadlines, ..Settings::default() };
        Client::connect(&self.address, settings).await
    }

    /// Also says whether the connection can be used on.
    async fn deliver_one(&self, client: &mut Client, message: &Message<'_>) -> (Result<(), Fault>, bool) {
        let mut body = match Reader::open(&*self.disk, message, LineEnds::Crlf) {
            Ok(reader) => Body { reader, piece: Vec::new(), taken: 0 },
            Err(failure) => return (Err(failure.into()), true),
        };
        let smtputf8 = !self.recipient.mailbox().is_ascii()
            || self.sender.mailbox().is_some_and(|sender| !sender.is_ascii());
        let transaction = Transaction {
            mail: Mail {
                sender: self.sender.clone(),
                size: Some(message.file_octets),
                body: Some(BodyKind::EightBitMime),
                smtputf8,
            },
            recipients: vec![self.recipient.clone()],
            // Not as a chunk: what a message holds besides lines is not for every server.
            chunk_octets: None,
        };
        let delivered = match client.deliver(transaction, &mut body).await {
            Ok(delivered) => delivered,
            Err(Error::Transaction(InvalidTransaction::Busy)) => {
                return (Err(Fault::Later(format!("{} is still busy", self.id))), false);
            }
            Err(Error::Transaction(invalid)) => return (Err(Fault::Refused(invalid.to_string())), true),
            Err(error) => {
                let reason = format!("cannot deliver to {}: {}", self.id, self.explain(&error));
                return (Err(Fault::Later(reason)), false);
            }
        };
        let is_usable = delivered.error.is_none();
        let answer = match (delivered.outcomes.into_iter().next(), delivered.error) {
            (Some(Outcome::Replied(reply)), _) => judge(&reply),
            (_, Some(error @ Error::Local(_))) => Err(Fault::Later(self.explain(&error))),
            (_, error) => {
                let why = error.map(|error| format!(": {}", self.explain(&error))).unwrap_or_default();
                let reason = format!("the answer of {} was lost, so it may have the message{why}", self.id);
                Err(Fault::Later(reason))
            }
        };
        (answer, is_usable)
    }
}

impl Sink for Lmtp {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn deliver(&mut self, messages: &[Message<'_>]) -> Vec<Result<(), Fault>> {
        self.runtime.block_on(self.deliver_all(messages))
    }
}

fn judge(reply: &Reply) -> Result<(), Fault> {
    let text: String = reply.text.chars().take(REPLY_CHARACTERS_MAX).collect();
    let reason = format!("{} {}", reply.code, text.replace('\n', " "));
    match reply {
        reply if reply.is_success() => Ok(()),
        reply if reply.is_temporary() => Err(Fault::Later(reason)),
        _ => Err(Fault::Refused(reason)),
    }
}

fn address(server: &str) -> Option<Address> {
    if let Some(path) = server.strip_prefix("unix:") {
        return path.starts_with('/').then(|| Address::Unix(path.into()));
    }
    host_and_port(server).map(|(host, port)| Address::Tcp { host: host.to_owned(), port })
}

/// An address as it is written in a configuration: without angle brackets, and without a domain for a server that knows its own.
fn mailbox(text: &str) -> Option<Mailbox> {
    match text.rsplit_once('@') {
        Some((local, domain)) => Mailbox::new(local, Some(domain)),
        None => Mailbox::new(text, None),
    }
}

/// A message as something to read. Reading waits for the disk, on a runtime that does nothing else.
struct Body {
    reader: Reader,
    piece: Vec<u8>,
    /// Of the piece.
    taken: usize,
}

impl AsyncRead for Body {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.taken == this.piece.len() {
            (this.taken, this.piece) = (0, Vec::new());
            match this.reader.next() {
                Ok(piece) => this.piece.extend_from_slice(piece.unwrap_or_default()),
                Err(failure) => return Poll::Ready(Err(io::Error::other(failure))),
            }
        }
        let rest = this.piece.get(this.taken..).unwrap_or_default();
        let piece = rest.get(..buffer.remaining()).unwrap_or(rest);
        buffer.put_slice(piece);
        this.taken += piece.len();
        Poll::Ready(Ok(()))
    }
}

/// A server that closes more often within a batch is asked again by the next pass.
const CONNECTIONS_MAX: usize = 3;

const REPLY_CHARACTERS_MAX: usize = 512;

#[cfg(test)]
mod tests;
