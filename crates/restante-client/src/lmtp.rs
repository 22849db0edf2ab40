//! The LMTP client.

use std::time::Duration;

use restante_proto::body::{Encoder, Extent};
use restante_proto::lmtp::client::{Extensions, Form, Reply, Session, Step, Transaction};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::connect::{Address, Deadlines};
use crate::error::Error;
use crate::trace::{Said, Trace};
use crate::wire::{BUFFER_OCTETS, Wire};

/// How a [`Client`] behaves.
#[derive(Debug)]
pub struct Settings {
    /// What the client calls itself.
    pub name: String,
    /// How long to wait.
    pub deadlines: Deadlines,
    /// Who is told what is said.
    pub trace: Option<Trace>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { name: "localhost".into(), deadlines: Deadlines::LMTP, trace: None }
    }
}

/// A connection to an LMTP server.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
    session: Session,
    /// How long the server may be silent.
    idle: Duration,
    /// A call is under way, or was and did not come to its end.
    is_busy: bool,
}

/// What became of a message for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server answered: it has taken the message when [`Reply::is_success`], else not.
    Replied(Reply),
    /// The connection was lost before the answer. The server may or may not have the message; to send it again is
    /// right, and may double it (R2033-5.4).
    Lost,
}

impl Outcome {
    /// Whether the server has taken responsibility for the message.
    pub fn is_delivered(&self) -> bool {
        matches!(self, Self::Replied(reply) if reply.is_success())
    }
}

/// What became of a message.
#[derive(Debug)]
pub struct Delivered {
    /// For each recipient, in the order of [`Transaction::recipients`].
    pub outcomes: Vec<Outcome>,
    /// Why some are [`Outcome::Lost`]; the client is out of step then.
    pub error: Option<Error>,
}

impl Client {
    /// Connects, up to the reply to LHLO.
    ///
    /// # Errors
    /// The connection, or a server that refuses it.
    pub async fn connect(address: &Address, settings: Settings) -> Result<Self, Error> {
        let wire = Wire::open(&address.clone().into(), settings.deadlines.connect, settings.trace).await?;
        let mut client = Self {
            wire,
            session: Session::new(&settings.name),
            idle: settings.deadlines.idle,
            is_busy: true,
        };
        match client.next().await? {
            Step::Idle => {
                client.is_busy = false;
                Ok(client)
            }
            Step::Refused(reply) => Err(Error::LmtpRejected(reply)),
            _ => Err(Error::OutOfStep),
        }
    }

    /// What the server offers.
    pub fn extensions(&self) -> Extensions {
        self.session.extensions()
    }

    /// Sends a message: `message` to its end, in any line ends, or exactly the announced octets of the canonical form
    /// when the transaction asks for a chunk and the server takes chunks.
    ///
    /// # Errors
    /// Only what kept anything from being sent. What happens later is in the outcomes.
    pub async fn deliver(
        &mut self,
        transaction: Transaction,
        message: &mut (impl AsyncRead + Unpin),
    ) -> Result<Delivered, Error> {
        if self.is_busy {
            return Err(Error::OutOfStep);
        }
        let mut outcomes = vec![Outcome::Lost; transaction.recipients.len()];
        self.session.submit(transaction).map_err(Error::Transaction)?;
        self.is_busy = true;
        let error = self.converse(message, &mut outcomes).await.err();
        self.is_busy = error.is_some();
        Ok(Delivered { outcomes, error })
    }

    /// QUIT, and closes.
    ///
    /// # Errors
    /// Those of the connection; nothing depends on them.
    pub async fn quit(mut self) -> Result<(), Error> {
        if self.is_busy {
            return Err(Error::OutOfStep);
        }
        self.session.quit(&mut self.wire.output);
        self.next().await?;
        self.wire.close().await;
        Ok(())
    }

    /// One transaction, from MAIL to the last reply.
    async fn converse(
        &mut self,
        message: &mut (impl AsyncRead + Unpin),
        outcomes: &mut [Outcome],
    ) -> Result<(), Error> {
        loop {
            match self.next().await? {
                Step::Idle => return Ok(()),
                Step::Recipient { index, reply } => {
                    if let Some(outcome) = outcomes.get_mut(index) {
                        *outcome = Outcome::Replied(reply);
                    }
                }
                Step::SendMessage(form) => {
                    let octets = match form {
                        Form::Dotted => self.send_dotted(message).await?,
                        Form::Chunk { octets } => self.send_chunk(message, octets).await?,
                    };
                    self.wire.say(Said::Message { octets });
                    self.session.message_sent();
                }
                Step::Read | Step::Refused(_) | Step::Closed => return Err(Error::OutOfStep),
            }
        }
    }

    /// After DATA. A message that cannot be read to its end is not ended on the wire either, so that the server does
    /// not take half of it for the whole.
    async fn send_dotted(&mut self, message: &mut (impl AsyncRead + Unpin)) -> Result<u64, Error> {
        let mut encoder = Encoder::new(Extent::Whole);
        let mut chunk = vec![0; BUFFER_OCTETS];
        let mut wire = Vec::new();
        loop {
            let count = message.read(&mut chunk).await.map_err(Error::Local)?;
            if count == 0 {
                break;
            }
            encoder.encode(chunk.get(..count).unwrap_or_default(), &mut wire);
            self.wire.write(&wire, self.idle).await?;
            wire.clear();
        }
        encoder.finish(&mut wire);
        self.wire.write(&wire, self.idle).await?;
        Ok(encoder.octets())
    }

    /// After BDAT.
    async fn send_chunk(
        &mut self,
        message: &mut (impl AsyncRead + Unpin),
        octets: u64,
    ) -> Result<u64, Error> {
        let mut message = message.take(octets);
        let mut chunk = vec![0; BUFFER_OCTETS];
        loop {
            let count = message.read(&mut chunk).await.map_err(Error::Local)?;
            if count == 0 {
                break;
            }
            self.wire.write(chunk.get(..count).unwrap_or_default(), self.idle).await?;
        }
        if message.limit() > 0 {
            return Err(Error::Local(std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(octets)
    }

    /// Drives the session to the next thing it has to tell.
    async fn next(&mut self) -> Result<Step, Error> {
        loop {
            let mark = self.wire.mark();
            let step = self.session.step(&mut self.wire.input, &mut self.wire.output);
            self.wire.say_used(mark.as_deref());
            self.wire.flush(self.idle).await?;
            match step.map_err(Error::LmtpProtocol)? {
                Step::Read => self.wire.fill(self.idle).await?,
                step => return Ok(step),
            }
        }
    }
}
