//! One connection with its two buffers, its deadlines and its trace; shared by the two clients.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use restante_proto::line::Input;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use zeroize::Zeroize;

use crate::connect::{Route, Stream, Tls};
use crate::error::{Error, Waiting};
use crate::trace::{Said, Trace};

/// What a session's driver owns.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    pub(crate) input: Input,
    /// Commands; sessions append to it.
    pub(crate) output: Vec<u8>,
    /// Octets at the beginning of `output` that are written.
    written: usize,
    /// Octets at the beginning of `output` that the trace has seen.
    told: usize,
    /// Something was written that may still lie in a buffer of TLS.
    is_unflushed: bool,
    /// Why nothing can be written any more. What the peer has said before can be read all the same.
    broken: Option<io::Error>,
    /// How long a connection, TLS and the goodbye may take.
    connect: Duration,
    trace: Option<Trace>,
    octets: (u64, u64),
}

impl Wire {
    pub(crate) async fn open(route: &Route, connect: Duration, trace: Option<Trace>) -> Result<Self, Error> {
        Ok(Self::over(Stream::open(route, connect).await?, connect, trace))
    }

    /// Over a connection that is there.
    pub(crate) fn over(stream: Stream, connect: Duration, trace: Option<Trace>) -> Self {
        Self {
            stream,
            input: Input::new(),
            output: Vec::new(),
            written: 0,
            told: 0,
            is_unflushed: false,
            broken: None,
            connect,
            trace,
            octets: (0, 0),
        }
    }

    /// Does the TLS handshake. What was received before it is gone.
    pub(crate) async fn start_tls(&mut self, tls: &Tls) -> Result<(), Error> {
        self.input.clear();
        self.stream.start_tls(tls, self.connect).await?;
        self.say(Said::Tls);
        Ok(())
    }

    /// What TLS says of the connection, none without it. rustls speaks no version before 1.2.
    pub(crate) fn tls(&self) -> Option<&rustls::ClientConnection> {
        self.stream.tls()
    }

    /// Octets read and written so far, without those of TLS.
    pub(crate) const fn octets(&self) -> (u64, u64) {
        self.octets
    }

    /// Reads what there is into the input, and writes the output meanwhile: a peer that writes to us and does not read
    /// keeps nobody waiting, since we do both. Waits no longer than `within`.
    ///
    /// # Errors
    /// [`Error::Closed`] at the end of the connection.
    pub(crate) async fn fill(&mut self, within: Duration) -> Result<(), Error> {
        let filled = timeout(
            within,
            poll_fn(|cx| {
                let _ = self.poll_output(cx);
                self.poll_input(cx)
            }),
        )
        .await;
        match filled {
            Err(_) if self.output.is_empty() => Err(Error::Timeout(Waiting::Read)),
            Err(_) => Err(Error::Timeout(Waiting::Write)),
            Ok(filled) => filled,
        }
    }

    /// Writes the output as far as the peer takes it at once, and wipes it when it is through, as it may hold a password.
    /// `redaction` is traced in place of its last octets.
    pub(crate) async fn push(&mut self, redaction: impl FnOnce() -> Option<(usize, Vec<u8>)>) {
        if self.output.is_empty() {
            return;
        }
        self.tell(redaction);
        poll_fn(|cx| {
            let _ = self.poll_output(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Writes all of the output, and reads nothing: for a protocol where the peer is silent meanwhile.
    pub(crate) async fn flush(&mut self, within: Duration) -> Result<(), Error> {
        if self.output.is_empty() {
            return Ok(());
        }
        self.tell(|| None);
        let written = timeout(within, poll_fn(|cx| self.poll_output(cx))).await;
        written.map_err(|_| Error::Timeout(Waiting::Write))?;
        self.broken.take().map_or(Ok(()), |error| Err(Error::Network(error)))
    }

    /// Writes octets of a message, which are not traced.
    pub(crate) async fn write(&mut self, octets: &[u8], within: Duration) -> Result<(), Error> {
        // A deadline for each piece, so that a large message over a slow line is no timeout.
        for piece in octets.chunks(BUFFER_OCTETS) {
            let writing = async {
                self.stream.write_all(piece).await?;
                self.stream.flush().await
            };
            let written = timeout(within, writing).await;
            written.map_err(|_| Error::Timeout(Waiting::Write))?.map_err(Error::Network)?;
        }
        Ok(())
    }

    /// Shows the trace what is new in the output.
    fn tell(&mut self, redaction: impl FnOnce() -> Option<(usize, Vec<u8>)>) {
        let told = std::mem::replace(&mut self.told, self.output.len());
        if self.trace.is_none() || told >= self.output.len() {
            return;
        }
        let (hidden, shown) = redaction().unwrap_or_default();
        let open = self.output.len().saturating_sub(hidden).max(told);
        let output = std::mem::take(&mut self.output);
        self.say_lines(output.get(told..open).unwrap_or_default(), Said::Client);
        self.say_lines(&shown, Said::Client);
        self.output = output;
    }

    /// Writes the output; ready when it is through, or never will be.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.output.is_empty() {
            return Poll::Ready(());
        }
        while self.broken.is_none() && (self.written < self.output.len() || self.is_unflushed) {
            let rest = self.output.get(self.written..).unwrap_or_default();
            let done = if rest.is_empty() {
                ready!(Pin::new(&mut self.stream).poll_flush(cx)).map(|()| self.is_unflushed = false)
            } else {
                match ready!(Pin::new(&mut self.stream).poll_write(cx, rest)) {
                    Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                    Ok(count) => {
                        self.written += count;
                        self.octets.1 += count as u64;
                        self.is_unflushed = true;
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            };
            self.broken = done.err();
        }
        self.output.zeroize();
        (self.written, self.told) = (0, 0);
        Poll::Ready(())
    }

    /// Reads into the input.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let stream = &mut self.stream;
        let read = self.input.fill_with(BUFFER_OCTETS, |octets| {
            // Fills the room that there is. Holds nothing when it is dropped unfinished.
            pin!(stream.read_buf(octets)).poll(cx)
        });
        Poll::Ready(match ready!(read) {
            Ok(count) if count > 0 => {
                self.octets.0 += count as u64;
                Ok(())
            }
            // A peer that just goes away without the closing words of TLS has closed too.
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(Error::Network(error)),
            _ => Err(self.broken.take().map_or(Error::Closed, Error::Network)),
        })
    }

    /// Says goodbye to TLS and closes (R8314-3.4.1). What goes wrong with that interests nobody any more.
    pub(crate) async fn close(mut self) {
        let _ = timeout(self.connect, self.stream.shutdown()).await;
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

// Also when a login was given up half way.
impl Drop for Wire {
    fn drop(&mut self) {
        self.output.zeroize();
    }
}

/// Octets read and written at once.
pub(crate) const BUFFER_OCTETS: usize = 32 * 1024;
