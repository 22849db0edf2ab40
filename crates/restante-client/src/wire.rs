//! One connection with its two buffers, its deadlines and its trace; shared by the two clients.

use restante_proto::line::Input;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use zeroize::Zeroize;

use crate::connect::{Deadlines, Route, Stream, Tls};
use crate::error::{Error, Waiting};
use crate::trace::{Said, Trace};

/// What a session's driver owns.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    pub(crate) input: Input,
    pub(crate) output: Vec<u8>,
    buffer: Box<[u8]>,
    deadlines: Deadlines,
    trace: Option<Trace>,
}

impl Wire {
    pub(crate) async fn open(
        route: &Route,
        deadlines: Deadlines,
        trace: Option<Trace>,
    ) -> Result<Self, Error> {
        let stream = Stream::open(route, deadlines.connect).await?;
        let buffer = vec![0; BUFFER_OCTETS].into_boxed_slice();
        Ok(Self { stream, input: Input::new(), output: Vec::new(), buffer, deadlines, trace })
    }

    /// Does the TLS handshake. What was received before it is gone.
    pub(crate) async fn start_tls(&mut self, tls: &Tls) -> Result<(), Error> {
        self.input.clear();
        self.stream.start_tls(tls, self.deadlines.connect).await?;
        self.say(Said::Tls);
        Ok(())
    }

    /// What TLS says of the connection, none without it. rustls speaks no version before 1.2.
    pub(crate) fn tls(&self) -> Option<&rustls::ClientConnection> {
        self.stream.tls()
    }

    /// Reads what there is into the input.
    ///
    /// # Errors
    /// [`Error::Closed`] at the end of the connection.
    pub(crate) async fn fill(&mut self) -> Result<(), Error> {
        let reading = self.stream.read(&mut self.buffer);
        let count = match timeout(self.deadlines.idle, reading).await {
            Err(_) => return Err(Error::Timeout(Waiting::Read)),
            // A peer that just goes away without the closing words of TLS has closed too.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Err(Error::Closed),
            Ok(read) => read.map_err(Error::Network)?,
        };
        if count == 0 {
            return Err(Error::Closed);
        }
        self.input.fill(self.buffer.get(..count).unwrap_or_default());
        Ok(())
    }

    /// Writes the output and wipes it, as it may hold a password. `redaction` is traced in its place.
    pub(crate) async fn flush(&mut self, redaction: Option<&str>) -> Result<(), Error> {
        if self.output.is_empty() {
            return Ok(());
        }
        let output = std::mem::take(&mut self.output);
        match redaction {
            Some(shown) => self.say(Said::Client(shown.as_bytes())),
            None => self.say_lines(&output, Said::Client),
        }
        let written = self.write(&output).await;
        self.output = output;
        self.output.zeroize();
        written
    }

    /// Writes octets of a message, which are not traced.
    pub(crate) async fn write(&mut self, octets: &[u8]) -> Result<(), Error> {
        // A deadline for each piece, so that a large message over a slow line is no timeout.
        for piece in octets.chunks(BUFFER_OCTETS) {
            let writing = async {
                self.stream.write_all(piece).await?;
                self.stream.flush().await
            };
            let written = timeout(self.deadlines.idle, writing).await;
            written.map_err(|_| Error::Timeout(Waiting::Write))?.map_err(Error::Network)?;
        }
        Ok(())
    }

    /// Says goodbye to TLS and closes (R8314-3.4.1). What goes wrong with that interests nobody any more.
    pub(crate) async fn close(mut self) {
        let _ = timeout(self.deadlines.connect, self.stream.shutdown()).await;
    }

    /// What is in the input now, if a trace will want to know what a step used of it.
    pub(crate) fn mark(&self) -> Option<Vec<u8>> {
        self.trace.as_ref().map(|_| self.input.octets().to_vec())
    }

    /// Traces the lines that a step has used since `mark`.
    pub(crate) fn say_used(&mut self, mark: Option<&[u8]>) {
        if let Some(before) = mark {
            let used = before.len().saturating_sub(self.input.len());
            self.say_lines(before.get(..used).unwrap_or_default(), Said::Server);
        }
    }

    pub(crate) fn say(&mut self, said: Said<'_>) {
        if let Some(trace) = &mut self.trace {
            trace.say(said);
        }
    }

    fn say_lines<'a>(&mut self, lines: &'a [u8], said: impl Fn(&'a [u8]) -> Said<'a>) {
        for line in lines.split_inclusive(|&octet| octet == b'\n') {
            self.say(said(line.strip_suffix(b"\r\n").unwrap_or(line)));
        }
    }
}

/// Octets read and written at once.
pub(crate) const BUFFER_OCTETS: usize = 16 * 1024;
