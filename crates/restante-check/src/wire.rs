//! One connection as a judge uses it: octets out, lines in, every wait with a deadline, everything in the transcript.
//!
//! Judges read from top to bottom and do one thing at a time, so this is a blocking face of `restante-client`'s connection. What a
//! line means is not known here.

use std::rc::Rc;
use std::time::Duration;

use restante_client::connect::{Address, Connection, Tls};
use restante_client::error::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::transcript::Transcript;
use crate::verdict::{Breach, Step, Stop};

/// How long to wait for a server.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For a connection, and again for a TLS handshake.
    pub connect: Duration,
    /// For the next octets of a reply.
    pub reply: Duration,
}

/// What the connections of a run share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) runtime: Rc<Runtime>,
    pub(crate) transcript: Transcript,
    pub(crate) deadlines: Deadlines,
}

/// A line of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Without its line end.
    pub(crate) octets: Vec<u8>,
    /// Whether it ended with CR LF; else with LF alone.
    pub(crate) is_crlf: bool,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// In order; under TLS with its closing words.
    Clean,
    /// Under TLS without close_notify.
    Truncated,
    /// By a reset.
    Reset,
}

pub(crate) struct Wire {
    shared: Shared,
    connection: Connection,
    number: u32,
    received: Vec<u8>,
    /// Octets at the front of `received` that were used up.
    used: usize,
}

impl Wire {
    pub(crate) fn open(shared: &Shared, address: &Address, number: u32) -> Step<Self> {
        let opening = Connection::open(address, shared.deadlines.connect);
        let connection =
            shared.runtime.block_on(opening).map_err(|error| Stop::Undecided(because(&error)))?;
        Ok(Self { shared: shared.clone(), connection, number, received: Vec::new(), used: 0 })
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn transcript(&self) -> &Transcript {
        &self.shared.transcript
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Does the TLS handshake; what was received before it is gone.
    ///
    /// # Errors
    /// Why there is no TLS.
    pub(crate) fn start_tls(&mut self, tls: &Tls) -> Result<(), String> {
        self.received.clear();
        self.used = 0;
        let handshake = self.connection.start_tls(tls, self.shared.deadlines.connect);
        let done = self.shared.runtime.block_on(handshake).map_err(|error| because(&error));
        let note = match &done {
            Ok(()) => "TLS from here on".to_owned(),
            Err(why) => format!("no TLS: {why}"),
        };
        self.shared.transcript.note(self.number, &note);
        done
    }

    /// Writes octets; what the transcript shows of them is the caller's business.
    pub(crate) fn write(&mut self, octets: &[u8]) -> Step {
        let connection = &mut self.connection;
        let writing = async {
            connection.write_all(octets).await?;
            connection.flush().await
        };
        let deadline = self.shared.deadlines.reply;
        match self.shared.runtime.block_on(async { timeout(deadline, writing).await }) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.cut("takes commands", "closed the connection")),
            Err(_) => Err(self.cut("takes commands", "took nothing more")),
        }
    }

    /// The next line, to its line feed; `octets_max` bounds it.
    pub(crate) fn line(&mut self, octets_max: usize) -> Step<Line> {
        let mut searched = self.used;
        loop {
            if let Some(at) =
                self.received.get(searched..).unwrap_or_default().iter().position(|&o| o == b'\n')
            {
                let line = self.received.get(self.used..searched + at).unwrap_or_default();
                let (octets, is_crlf) = line.strip_suffix(b"\r").map_or((line, false), |line| (line, true));
                let line = Line { octets: octets.to_vec(), is_crlf };
                self.used = searched + at + 1;
                return Ok(line);
            }
            searched = self.received.len();
            if searched - self.used > octets_max {
                return Err(
                    self.cut("ends its lines", &format!("sent {octets_max} octets without a line end"))
                );
            }
            searched -= self.forget();
            self.fill()?;
        }
    }

    /// The next octets, `count` of them unless the connection ends before; for what is no line.
    pub(crate) fn octets(&mut self, count: usize) -> Step<Vec<u8>> {
        while self.received.len() - self.used < count {
            if let Read::End(_) = self.read()? {
                break;
            }
        }
        let end = self.received.len().min(self.used + count);
        let octets = self.received.get(self.used..end).unwrap_or_default().to_vec();
        self.used = end;
        Ok(octets)
    }

    /// Whether octets have been received that nobody has asked for yet. Does not wait.
    pub(crate) fn has_unread(&self) -> bool {
        self.used < self.received.len()
    }

    /// Waits for the end of the connection. Octets that still come are told of.
    pub(crate) fn end(&mut self) -> Step<(Vec<u8>, End)> {
        loop {
            match self.read()? {
                Read::Octets => {
                    if self.received.len() - self.used > UNREAD_OCTETS_MAX {
                        return Err(self.cut("closes", "went on sending"));
                    }
                }
                Read::End(end) => {
                    let rest = self.received.split_off(self.used);
                    return Ok((rest, end));
                }
            }
        }
    }

    /// Whether the connection stays quiet and open for `how_long`.
    pub(crate) fn stays_open(&mut self, how_long: Duration) -> bool {
        let mut octet = [0];
        let reading = self.connection.read(&mut octet);
        let came = self.shared.runtime.block_on(async { timeout(how_long, reading).await });
        if let Ok(Ok(count @ 1..)) = came {
            self.received.extend_from_slice(octet.get(..count).unwrap_or_default());
        }
        came.is_err()
    }

    /// Says goodbye to TLS and closes, and waits until the server has, but not for long: it lets go of the maildrop when it
    /// notices, and a busy machine notices late.
    pub(crate) fn close(mut self) {
        self.shared.transcript.note(self.number, "we close the connection");
        let deadline = self.shared.deadlines.connect;
        let connection = &mut self.connection;
        let mut octets = vec![0; 16 * 1024];
        // Nobody is interested in what goes wrong with that, or in what is still said.
        self.shared.runtime.block_on(async {
            let _ = timeout(deadline, connection.shutdown()).await;
            let end = async { while let Ok(1..) = connection.read(&mut octets).await {} };
            let _ = timeout(deadline.min(CLOSING_MAX), end).await;
        });
    }

    /// What the law wanted and what cut it short.
    fn cut(&self, wanted: &str, happened: &str) -> Stop {
        self.shared.transcript.note(self.number, &format!("the server {happened}"));
        Stop::Cut(Breach {
            expected: format!("a server that {wanted}"),
            found: format!("the server {happened}"),
        })
    }

    fn fill(&mut self) -> Step {
        match self.read()? {
            Read::Octets => Ok(()),
            Read::End(_) => Err(self.cut("answers", "closed the connection")),
        }
    }

    fn read(&mut self) -> Step<Read> {
        let mut buffer = vec![0; 16 * 1024];
        let reading = self.connection.read(&mut buffer);
        let deadline = self.shared.deadlines.reply;
        match self.shared.runtime.block_on(async { timeout(deadline, reading).await }) {
            Err(_) => {
                Err(self.cut("answers", &format!("said nothing for {} seconds", deadline.as_secs_f32())))
            }
            Ok(Ok(0)) => Ok(Read::End(End::Clean)),
            Ok(Ok(count)) => {
                self.received.extend_from_slice(buffer.get(..count).unwrap_or_default());
                Ok(Read::Octets)
            }
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Ok(Read::End(End::Truncated))
            }
            Ok(Err(_)) => Ok(Read::End(End::Reset)),
        }
    }

    /// Drops what was used up; returns how much that was.
    fn forget(&mut self) -> usize {
        let used = std::mem::take(&mut self.used);
        self.received.drain(..used);
        used
    }
}

enum Read {
    Octets,
    End(End),
}

/// How long a server may take to notice that we are gone. Some never do.
const CLOSING_MAX: Duration = Duration::from_secs(2);

/// Waits, without a connection.
pub(crate) fn pause(shared: &Shared, how_long: Duration) {
    shared.runtime.block_on(async { tokio::time::sleep(how_long).await });
}

/// An error of the connection with its cause, in one line.
fn because(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Octets after the last reply that are still kept.
const UNREAD_OCTETS_MAX: usize = 256 * 1024;
