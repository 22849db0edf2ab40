//! The network thread's side of the spool: pieces of messages become files, whole files become batches.

use std::collections::HashMap;

use restante_client::pop3::Piece;
use restante_proto::client::quirk::Quirk;
use restante_proto::maildrop::MessageNumber;

use super::blame::files_failed;
use super::delivery::{Arrived, Line};
use crate::event::{Event, Events, Name};
use crate::header::HeaderDigest;
use crate::key::Key;
use crate::report::{Failure, Kind};
use crate::sink::LineEnds;
use crate::spool::{Spool, Writing};

/// Takes what RETR brings.
pub(super) struct Intake<'a> {
    pub(super) spool: &'a Spool,
    pub(super) line_ends: LineEnds,
    /// Header fields that go in front of each message, in canonical form.
    pub(super) additions: Box<Fields<'a>>,
    pub(super) events: &'a Events,
    pub(super) line: Line,
    /// What LIST says of each message that was asked for.
    pub(super) listed: HashMap<MessageNumber, (Key, Option<u64>)>,
    /// The message that is coming.
    pub(super) coming: Option<Writing>,
    pub(super) batch: Vec<Arrived>,
    pub(super) batch_octets: u64,
    /// Messages that the server did not give.
    pub(super) refused: u32,
}

/// The header fields that go in front of a message.
pub(super) type Fields<'a> = dyn Fn(&Key) -> Vec<u8> + Send + 'a;

impl Intake<'_> {
    /// Takes one piece.
    ///
    /// # Errors
    /// When it cannot be written, or nobody delivers any more.
    pub(super) fn take(&mut self, number: MessageNumber, piece: Piece<'_>) -> Result<(), Failure> {
        match piece {
            Piece::Octets(octets) => {
                let writing = match self.coming.take() {
                    Some(writing) => self.coming.insert(writing),
                    None => {
                        let writing = self.begin(number)?;
                        self.coming.insert(writing)
                    }
                };
                writing.write(octets).map_err(|error| files_failed(&error))?;
                self.events.say(Event::Received { octets: octets.len() as u64 });
                Ok(())
            }
            Piece::End { octets } => self.end(number, octets),
            Piece::Refused(refusal) => {
                self.coming = None;
                self.refused += 1;
                if let Some((key, _)) = self.listed.get(&number) {
                    self.events.say(Event::Refused { message: Name::from(key), reason: refusal.text });
                }
                Ok(())
            }
        }
    }

    /// The network has nothing to say just now: what is whole need not wait when nothing else is being delivered.
    ///
    /// # Errors
    /// When nobody delivers any more.
    pub(super) fn pause(&mut self) -> Result<(), Failure> {
        if self.batch.is_empty() || !self.line.is_idle() {
            return Ok(());
        }
        self.flush()
    }

    /// Sends what is whole.
    ///
    /// # Errors
    /// When nobody delivers any more.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.batch_octets = 0;
        match self.line.send(std::mem::take(&mut self.batch)) {
            true => Ok(()),
            // Why is in what the thread leaves behind.
            false => Err(Failure::new(Kind::Files, "the delivery has ended")),
        }
    }

    fn begin(&self, number: MessageNumber) -> Result<Writing, Failure> {
        let additions = self.listed.get(&number).map(|(key, _)| (self.additions)(key)).unwrap_or_default();
        let header = Box::new(HeaderDigest::default());
        self.spool.begin(self.line_ends, &additions, header).map_err(|error| files_failed(&error))
    }

    fn end(&mut self, number: MessageNumber, octets: u64) -> Result<(), Failure> {
        // A message without an octet is a message too.
        let writing = match self.coming.take() {
            Some(writing) => writing,
            None => self.begin(number)?,
        };
        let Some((key, listed)) = self.listed.remove(&number) else { return Ok(()) };
        if let Some(listed) = listed.filter(|listed| *listed != octets) {
            let message = Name::from(&key);
            let what = format!("{message} has {octets} octets, and LIST says {listed}");
            self.events.say(Event::Quirk { name: Quirk::SizeLies.name(), what });
        }
        let spooled = writing.finish().map_err(|error| files_failed(&error))?;
        self.events.say(Event::Fetched { message: Name::from(&key), octets });
        self.batch.push(Arrived { key, spooled });
        self.batch_octets += octets;
        match self.batch.len() >= BATCH_MESSAGES || self.batch_octets >= BATCH_OCTETS {
            true => self.flush(),
            false => Ok(()),
        }
    }
}

/// A batch is this many messages, or [`BATCH_OCTETS`]: enough to share the cost of a sync, few enough to be delivered in less
/// time than a server waits for us.
const BATCH_MESSAGES: usize = 64;
const BATCH_OCTETS: u64 = 8 * 1024 * 1024;
