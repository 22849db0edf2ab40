//! Messages: RETR and TOP, one or many, pulled piece by piece or written as they come. Nowhere is a whole one held.

use std::collections::VecDeque;

use restante_proto::body::{Decoder, Found};
use restante_proto::client::Refusal;
use restante_proto::client::request::Request;
use restante_proto::maildrop::MessageNumber;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::listing::ScanListing;
use super::{Client, Progress, finish};
use crate::error::Error;
use crate::trace::Said;

/// A piece of what is retrieved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Octets of the message in the canonical form: at least one.
    Octets(&'a [u8]),
    /// The message is complete.
    End {
        /// Its octets.
        octets: u64,
    },
    /// The server refused this message.
    Refused(Refusal),
}

/// Messages on their way, of [`Client::retrieval`] and [`Client::tops`].
///
/// When one is dropped before [`next`](Self::next) has said `None`, the client is out of step.
pub struct Retrieval<'a> {
    client: &'a mut Client,
    /// What is not given to the session yet.
    unsent: Box<dyn Iterator<Item = (MessageNumber, Request)> + Send + 'a>,
    /// What the session has and the server has not answered, the one that is coming first.
    asked: VecDeque<MessageNumber>,
    /// Of the message that is coming.
    decoder: Option<Decoder>,
    /// Octets at the beginning of the input that were lent to the caller.
    lent: usize,
    octets: u64,
}

impl Client {
    /// RETR of many messages, to be pulled piece by piece with [`Retrieval::next`]. With PIPELINING it is asked for as
    /// many ahead as the link holds, see [`Limits`](restante_proto::client::Limits); what is expected of each counts for
    /// that, and for nothing else. A refused message ends nothing.
    ///
    /// # Errors
    /// [`Error::OutOfStep`].
    pub fn retrieval<'a>(
        &'a mut self,
        wanted: impl IntoIterator<Item = ScanListing, IntoIter: Send + 'a>,
    ) -> Result<Retrieval<'a>, Error> {
        let request = |wanted: ScanListing| {
            let ScanListing { number, octets } = wanted;
            (number, Request::Retrieve { number, expected: Some(octets) })
        };
        self.retrieve_with(Box::new(wanted.into_iter().map(request)))
    }

    /// TOP of many messages: the header and so many lines of the body, as for [`retrieval`](Self::retrieval).
    ///
    /// # Errors
    /// [`Error::OutOfStep`].
    pub fn tops<'a>(
        &'a mut self,
        numbers: impl IntoIterator<Item = MessageNumber, IntoIter: Send + 'a>,
        lines: u64,
    ) -> Result<Retrieval<'a>, Error> {
        let request = move |number| (number, Request::Top { number, lines });
        self.retrieve_with(Box::new(numbers.into_iter().map(request)))
    }

    /// [`retrieval`](Self::retrieval), with `each` called for every piece of every message in their order.
    ///
    /// # Errors
    /// Those of the connection; [`Error::Local`] when `each` fails, after which the client is out of step.
    pub async fn retrieve_each(
        &mut self,
        wanted: impl IntoIterator<Item = ScanListing, IntoIter: Send>,
        each: impl FnMut(MessageNumber, Piece<'_>) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        self.retrieval(wanted)?.for_each(each).await
    }

    /// [`tops`](Self::tops), with `each` called for every piece of every answer in their order.
    ///
    /// # Errors
    /// As for [`retrieve_each`](Self::retrieve_each).
    pub async fn top_each(
        &mut self,
        numbers: impl IntoIterator<Item = MessageNumber, IntoIter: Send>,
        lines: u64,
        each: impl FnMut(MessageNumber, Piece<'_>) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        self.tops(numbers, lines)?.for_each(each).await
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
        let request = (number, Request::retrieve(number));
        self.retrieve_with(Box::new(std::iter::once(request)))?.write_to(sink).await
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
        self.tops([number], lines)?.write_to(sink).await
    }

    fn retrieve_with<'a>(
        &'a mut self,
        unsent: Box<dyn Iterator<Item = (MessageNumber, Request)> + Send + 'a>,
    ) -> Result<Retrieval<'a>, Error> {
        self.begin(Vec::new())?;
        Ok(Retrieval { client: self, unsent, asked: VecDeque::new(), decoder: None, lent: 0, octets: 0 })
    }
}

impl Retrieval<'_> {
    /// The next piece, and of which message. `None` when there is no more; then the client can be used on. The octets are
    /// those that were received, lent and not copied.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn next(&mut self) -> Result<Option<(MessageNumber, Piece<'_>)>, Error> {
        let told = self.advance().await?;
        let number = match told {
            Told::Nothing => None,
            Told::Octets(_) => self.asked.front().copied(),
            Told::End | Told::Refused(_) => self.asked.pop_front(),
        };
        Ok(number.map(|number| {
            let piece = match told {
                Told::Refused(refusal) => Piece::Refused(refusal),
                Told::Octets(found) => Piece::Octets(found.octets(self.client.wire.input.octets())),
                Told::End | Told::Nothing => Piece::End { octets: self.octets },
            };
            (number, piece)
        }))
    }

    async fn advance(&mut self) -> Result<Told, Error> {
        loop {
            if let Some(decoder) = &mut self.decoder {
                let wire = &mut self.client.wire;
                wire.input.consume(std::mem::take(&mut self.lent));
                if wire.input.is_empty() {
                    wire.fill(self.client.session.deadline().1).await?;
                }
                let found = decoder.piece(wire.input.octets());
                if !found.is_empty() {
                    self.lent = found.consumed;
                    return Ok(Told::Octets(found));
                }
                wire.input.consume(found.consumed);
                if found.end {
                    self.octets = decoder.octets();
                    wire.say(Said::Message { octets: self.octets });
                    self.client.session.message_received(decoder);
                    self.decoder = None;
                }
                continue;
            }
            let asked = &mut self.asked;
            let note = |(number, request)| {
                asked.push_back(number);
                request
            };
            self.client.supply(&mut self.unsent.by_ref().map(note))?;
            if self.asked.is_empty() {
                self.client.is_busy = false;
                return Ok(Told::Nothing);
            }
            match self.client.next(&mut |_| {}).await? {
                Progress::Finished(outcome) => {
                    return match finish(outcome) {
                        Ok(()) => Ok(Told::End),
                        Err(Error::Refused(refusal)) => Ok(Told::Refused(refusal)),
                        Err(error) => Err(error),
                    };
                }
                Progress::Message(decoder) => self.decoder = Some(decoder),
                Progress::Over => return Err(Error::Closed),
            }
        }
    }

    async fn for_each(
        mut self,
        mut each: impl FnMut(MessageNumber, Piece<'_>) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        while let Some((number, piece)) = self.next().await? {
            each(number, piece).map_err(Error::Local)?;
        }
        Ok(())
    }

    /// The only message.
    async fn write_to(mut self, sink: &mut (impl AsyncWrite + Unpin)) -> Result<u64, Error> {
        let mut result = Err(Error::Closed);
        while let Some((_, piece)) = self.next().await? {
            match piece {
                Piece::Octets(octets) => sink.write_all(octets).await.map_err(Error::Local)?,
                Piece::Refused(refusal) => result = Err(Error::Refused(refusal)),
                Piece::End { octets } => {
                    sink.flush().await.map_err(Error::Local)?;
                    result = Ok(octets);
                }
            }
        }
        result
    }
}

impl std::fmt::Debug for Retrieval<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Retrieval").field("client", &self.client).finish_non_exhaustive()
    }
}

/// What came, and where it is.
enum Told {
    /// Octets, in the input.
    Octets(Found),
    /// The message is complete.
    End,
    /// There is no message.
    Refused(Refusal),
    /// Nothing is left.
    Nothing,
}
