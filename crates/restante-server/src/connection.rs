//! `Connection`: octets to and from one peer, with deadlines, whatever lies below (TCP, unix socket, TLS).
//!
//! Both drivers (`pop3.rs`, `lmtp.rs`) read, write, upgrade and close here. Which deadline applies is theirs to say.
//! An idle connection holds no buffer: octets are read through the stack, and empty output is freed.

use crate::clock;
use crate::config::Protocol;
use crate::event::End;
use crate::holders::Pulse;
use crate::limits::{BUFFER_BYTES, BUFFERS_KEPT, FAREWELL_OCTETS_MAX, FAREWELL_S, READ_OCTETS, WRITE_OCTETS};
use crate::listener::Raw;
use crate::tls::{Identity, TlsStream};
use restante_proto::line::Input;
use restante_proto::sasl::{BindingKind, Channel};
use restante_proto::secret::wipe;
use std::future::{Future, poll_fn};
use std::io;
use std::mem::{self, MaybeUninit};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::futures::Notified;
use tokio::time::{Instant, Sleep};

/// A connection to one peer.
pub(crate) struct Connection {
    wire: Wire,
    /// What has been received and not yet used.
    pub(crate) input: Input,
    /// What is still to be written.
    pub(crate) output: Vec<u8>,
    /// Octets the peer has sent and been sent, above TLS.
    pub(crate) octets_in: u64,
    pub(crate) octets_out: u64,
    buffers: Arc<Buffers>,
    /// The peer leaves octets unread for so long at most.
    write_deadline_s: u32,
    /// And in no case longer than until then.
    write_until: Option<Instant>,
    /// Nothing was written yet.
    is_fresh: bool,
    /// The peer has ended its side.
    is_half_closed: bool,
    /// When the session last got on, and how many octets of input it had used by then.
    active: Instant,
    used: u64,
    /// Where somebody else may take over the maildrop of this session.
    pulse: Option<Arc<Pulse>>,
}

enum Wire {
    Plain(Raw),
    // Boxed: a session without TLS should not be as large as one with it.
    Tls(Box<TlsStream>),
    /// A handshake is going on, or has failed.
    Gone,
}

/// What came of waiting for octets.
#[derive(Debug)]
pub(crate) enum Heard {
    /// More input.
    Octets,
    /// The peer has ended its side; it may still read.
    End,
    /// The deadline has passed.
    Silence,
    /// The server stops.
    Draining,
    /// Another session has taken over the maildrop.
    Superseded,
    /// The connection is broken.
    Broken(io::Error),
}

impl Heard {
    /// Whether the session goes on, and how it ends otherwise. What silence means is the driver's to say.
    pub(crate) fn go_on(self, silence: End) -> Result<(), End> {
        match self {
            Self::Octets => Ok(()),
            Self::End => Err(End::Disconnected),
            Self::Silence => Err(silence),
            Self::Draining => Err(End::Draining),
            Self::Superseded => Err(End::TakenOver),
            Self::Broken(error) => Err(End::Broken(error)),
        }
    }
}

/// Why octets could not be written.
#[derive(Debug)]
pub(crate) enum Cut {
    /// The peer did not take them in time.
    Deadline,
    /// Another session has taken over the maildrop.
    Superseded,
    /// The connection is broken.
    Broken(io::Error),
}

impl From<Cut> for End {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Deadline => Self::WriteDeadline,
            Cut::Superseded => Self::TakenOver,
            Cut::Broken(error) => Self::Broken(error),
        }
    }
}

/// What a session waits for beside octets: its deadline, and the end of the server. Made once and kept, so that a
/// wait costs no registration.
pub(crate) struct Patience<'p, 'n> {
    sleep: Pin<&'p mut Sleep>,
    drain: Pin<&'p mut Notified<'n>>,
    is_draining: bool,
}

impl<'p, 'n> Patience<'p, 'n> {
    /// `is_draining` is read after `drain` was enabled, so that the beginning of the end is not missed.
    pub(crate) fn new(
        sleep: Pin<&'p mut Sleep>,
        drain: Pin<&'p mut Notified<'n>>,
        is_draining: bool,
    ) -> Self {
        Self { sleep, drain, is_draining }
    }

    /// The timer is set anew only when it must ring earlier, or has rung too early: not at every wait.
    fn has_passed(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        if deadline < self.sleep.deadline() {
            self.sleep.as_mut().reset(deadline);
        }
        while self.sleep.as_mut().poll(cx).is_ready() {
            if clock::now() >= deadline {
                return true;
            }
            self.sleep.as_mut().reset(deadline);
        }
        false
    }

    fn is_draining(&mut self, cx: &mut Context<'_>) -> bool {
        // A future must not be polled again after it is ready.
        self.is_draining = self.is_draining || self.drain.as_mut().poll(cx).is_ready();
        self.is_draining
    }
}

impl Connection {
    pub(crate) fn new(raw: Raw, buffers: Arc<Buffers>, write_deadline_s: u64) -> Self {
        Self {
            wire: Wire::Plain(raw),
            input: Input::new(),
            output: Vec::new(),
            octets_in: 0,
            octets_out: 0,
            buffers,
            // Four octets of a session are enough for what the configuration allows.
            write_deadline_s: u32::try_from(write_deadline_s).unwrap_or(u32::MAX),
            write_until: None,
            is_fresh: true,
            is_half_closed: false,
            active: clock::now(),
            used: 0,
            pulse: None,
        }
    }

    /// When the session last got on, which is when it last used input: deadlines for silence begin there. Octets that
    /// make up no command yet do not count, so that a peer cannot stay by sending one now and then.
    pub(crate) fn last_active(&mut self) -> Instant {
        let used = self.octets_in - self.input.len() as u64;
        if used != self.used {
            self.used = used;
            self.active = clock::now();
        }
        self.active
    }

    /// Waits for octets and puts them into the input; ends when the server stops.
    pub(crate) async fn read(&mut self, patience: &mut Patience<'_, '_>, deadline: Instant) -> Heard {
        poll_fn(|cx| match self.poll_read(cx) {
            Poll::Pending if patience.is_draining(cx) => Poll::Ready(Heard::Draining),
            Poll::Pending if patience.has_passed(deadline, cx) => Poll::Ready(Heard::Silence),
            heard => heard,
        })
        .await
    }

    /// Like `read`, in the middle of something: goes on although the server stops.
    pub(crate) async fn read_on(&mut self, patience: &mut Patience<'_, '_>, deadline: Instant) -> Heard {
        poll_fn(|cx| match self.poll_read(cx) {
            Poll::Pending if patience.has_passed(deadline, cx) => Poll::Ready(Heard::Silence),
            heard => heard,
        })
        .await
    }

    /// Tells of each sign of life from now on, and ends what waits for the peer when another session takes over.
    pub(crate) fn watch(&mut self, pulse: Option<Arc<Pulse>>) {
        self.pulse = pulse;
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        if is_superseded(self.pulse.as_ref(), cx) {
            return Poll::Ready(Heard::Superseded);
        }
        if self.is_half_closed {
            return Poll::Ready(Heard::End);
        }
        let mut space = [MaybeUninit::uninit(); READ_OCTETS];
        let mut buffer = ReadBuf::uninit(&mut space);
        match self.wire.poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                self.is_half_closed = true;
                Poll::Ready(Heard::End)
            }
            Poll::Ready(Ok(())) => {
                self.octets_in += buffer.filled().len() as u64;
                self.pulse.iter().for_each(|pulse| pulse.beat(clock::now()));
                self.input.fill(buffer.filled());
                // It may be a password.
                wipe(buffer.filled_mut());
                Poll::Ready(Heard::Octets)
            }
            Poll::Ready(Err(error)) => Poll::Ready(Heard::Broken(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Bounds all writes together: a peer that has not logged in shall not stay by reading an octet now and then.
    pub(crate) fn write_until(&mut self, moment: Option<Instant>) {
        self.write_until = moment;
    }

    /// Since when it is the peer's turn to send its first command; `None` when it has.
    pub(crate) fn expects_first_command(&self) -> Option<Instant> {
        (self.octets_in == self.input.len() as u64).then_some(self.active)
    }

    /// Writes all output and frees it.
    ///
    /// # Errors
    /// The peer does not take it, or is gone.
    pub(crate) async fn write(&mut self) -> Result<(), Cut> {
        if self.output.is_empty() {
            return Ok(());
        }
        let mut written = 0;
        if let (true, Wire::Plain(raw)) = (mem::take(&mut self.is_fresh), &self.wire) {
            written = raw.write_fresh(&self.output);
        }
        if written < self.output.len() || matches!(self.wire, Wire::Tls(_)) {
            // Seldom more than one poll; boxed so that waiting for input does not carry the timer of a write.
            let mut writing = Writing { connection: self, written, progress: written };
            let first = poll_fn(|cx| Poll::Ready(writing.poll(cx))).await;
            match first {
                Poll::Ready(outcome) => outcome?,
                Poll::Pending => Box::pin(writing.finish()).await?,
            }
        }
        self.octets_out += self.output.len() as u64;
        self.release_output();
        Ok(())
    }

    /// Makes room in the output for a message, with a buffer that has been used for one before.
    pub(crate) fn widen_output(&mut self) {
        if self.output.capacity() < WRITE_OCTETS {
            let mut wide = self.buffers.take();
            wide.extend_from_slice(&self.output);
            self.output = wide;
        }
    }

    /// Gives the output's memory away, but not between the pieces of a long one.
    fn release_output(&mut self) {
        if self.output.len() < WRITE_OCTETS {
            self.buffers.give_back(mem::take(&mut self.output));
        } else {
            self.output.clear();
        }
    }

    /// Makes the server's side of a TLS handshake. The input is empty: the session has cleared it.
    ///
    /// # Errors
    /// The handshake failed and the connection is gone, or there is nothing to identify with.
    pub(crate) async fn start_tls(
        &mut self,
        identity: Option<&Arc<Identity>>,
        protocol: Protocol,
    ) -> io::Result<()> {
        // `config::check` sees to it that TLS is offered only with a certificate.
        let identity = identity.ok_or_else(|| io::Error::other("there is no certificate"))?;
        // R2595-4.6: whatever came in clear is not for what follows.
        self.input.clear();
        let Wire::Plain(raw) = mem::replace(&mut self.wire, Wire::Gone) else {
            return Err(io::Error::other("TLS is active already"));
        };
        let stream = Box::pin(identity.accept(raw, protocol)).await?;
        self.wire = Wire::Tls(Box::new(stream));
        self.is_fresh = false;
        self.active = clock::now();
        Ok(())
    }

    /// What mechanisms can have of the connection; nothing without TLS of our own.
    pub(crate) fn channel(&self) -> Channel {
        match &self.wire {
            Wire::Tls(stream) => stream.channel(),
            _ => Channel::default(),
        }
    }

    /// The octets of a binding; `None` where it cannot be had.
    pub(crate) fn binding(&self, kind: BindingKind) -> Option<Vec<u8>> {
        match &self.wire {
            Wire::Tls(stream) => stream.binding(kind),
            _ => None,
        }
    }

    /// The certificate that the peer has shown and that is trusted.
    pub(crate) fn client_certificate(&self) -> Option<&[u8]> {
        match &self.wire {
            Wire::Tls(stream) => stream.client_certificate(),
            _ => None,
        }
    }

    /// The version of TLS and the cipher suite, if there is TLS.
    pub(crate) fn tls(&self) -> Option<(&'static str, &'static str)> {
        let Wire::Tls(stream) = &self.wire else { return None };
        let (_, session) = stream.stream.get_ref();
        let version = session.protocol_version().and_then(|version| version.as_str()).unwrap_or("unknown");
        let suite =
            session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
        Some((version, suite))
    }

    /// Closes as befits how the session ended: gently where last words may be on their way.
    pub(crate) async fn leave(&mut self, end: &End) {
        match end {
            End::Quit
            | End::Closed
            | End::Disconnected
            | End::Draining
            | End::Silence
            | End::NoCommand
            | End::LoginDeadline => {
                self.close().await;
            }
            // Nothing more may be said on these.
            End::WriteDeadline
            | End::Broken(_)
            | End::Handshake(_)
            | End::MessageFailed
            | End::Displaced
            | End::TakenOver => self.abort(),
        }
    }

    /// Closes after our last words were written. Octets that the peer has sent and nobody wants would make the
    /// kernel answer with a reset, which can destroy those last words on their way: so they are read first.
    pub(crate) async fn close(&mut self) {
        let is_clean = match &self.wire {
            Wire::Plain(raw) => self.is_half_closed || (self.input.is_empty() && !raw.has_arrived()),
            // R8314-3.4.1: close_notify before FIN. What the peer does with it is its own business.
            Wire::Tls(_) => false,
            Wire::Gone => true,
        };
        if !is_clean {
            Box::pin(self.close_gently()).await;
        }
        self.abort();
    }

    /// Closes without a word.
    pub(crate) fn abort(&mut self) {
        self.wire = Wire::Gone;
    }

    async fn close_gently(&mut self) {
        let farewell = async {
            poll_fn(|cx| self.wire.poll_shutdown(cx)).await?;
            let Wire::Plain(raw) = &mut self.wire else { return Ok::<_, io::Error>(()) };
            let mut left = FAREWELL_OCTETS_MAX;
            while left > 0 {
                let read = poll_fn(|cx| {
                    let mut space = [MaybeUninit::uninit(); READ_OCTETS];
                    let mut buffer = ReadBuf::uninit(&mut space);
                    let read = Pin::new(&mut *raw).poll_read(cx, &mut buffer);
                    wipe(buffer.filled_mut());
                    read.map_ok(|()| buffer.filled().len())
                });
                match read.await? {
                    0 => break,
                    octets => left = left.saturating_sub(octets),
                }
            }
            Ok(())
        };
        // Nobody is left to tell how it went.
        let _ = tokio::time::timeout(Duration::from_secs(FAREWELL_S), farewell).await;
    }
}

/// Buffers for messages, kept from one to the next: asking the system for fresh memory costs more than filling it.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// An empty buffer with room for a piece of a message.
    pub(crate) fn take(&self) -> Vec<u8> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
    }

    /// Keeps a buffer for the next taker, if it has the right size and there are not enough.
    pub(crate) fn give_back(&self, mut buffer: Vec<u8>) {
        if !(BUFFER_BYTES..=4 * BUFFER_BYTES).contains(&buffer.capacity()) {
            return;
        }
        buffer.clear();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < BUFFERS_KEPT {
            kept.push(buffer);
        }
    }
}

/// Output on its way.
struct Writing<'c> {
    connection: &'c mut Connection,
    written: usize,
    /// Octets that had been written when the deadline was last set.
    progress: usize,
}

impl Writing<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        let Connection { wire, output, pulse, .. } = &mut *self.connection;
        if is_superseded(pulse.as_ref(), cx) {
            return Poll::Ready(Err(Cut::Superseded));
        }
        while let Some(rest) = output.get(self.written..).filter(|rest| !rest.is_empty()) {
            match wire.poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Cut::Broken(io::ErrorKind::WriteZero.into()))),
                Poll::Ready(Ok(octets)) => {
                    self.written += octets;
                    pulse.iter().for_each(|pulse| pulse.beat(clock::now()));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Cut::Broken(error))),
                Poll::Pending => return Poll::Pending,
            }
        }
        wire.poll_flush(cx).map_err(Cut::Broken)
    }

    /// Goes on as the peer takes octets; each one it takes renews the deadline.
    async fn finish(mut self) -> Result<(), Cut> {
        let patience = Duration::from_secs(self.connection.write_deadline_s.into());
        let until = self.connection.write_until;
        let deadline = || {
            let deadline = clock::now() + patience;
            until.map_or(deadline, |until| until.min(deadline))
        };
        let mut sleep = std::pin::pin!(tokio::time::sleep_until(deadline()));
        poll_fn(|cx| {
            if let Poll::Ready(outcome) = self.poll(cx) {
                return Poll::Ready(outcome);
            }
            if self.written > self.progress {
                self.progress = self.written;
                sleep.as_mut().reset(deadline());
            }
            sleep.as_mut().poll(cx).map(|()| Err(Cut::Deadline))
        })
        .await
    }
}

fn is_superseded(pulse: Option<&Arc<Pulse>>, cx: &Context<'_>) -> bool {
    pulse.is_some_and(|pulse| pulse.poll_superseded(cx).is_ready())
}

impl Wire {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(raw) => Pin::new(raw).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(&mut stream.stream).poll_read(cx, buffer),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(raw) => Pin::new(raw).poll_write(cx, octets),
            Self::Tls(stream) => Pin::new(&mut stream.stream).poll_write(cx, octets),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(&mut stream.stream).poll_flush(cx),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(raw) => Pin::new(raw).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut stream.stream).poll_shutdown(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}
