//! `Raw`: an accepted socket, whatever its kind, below any TLS; `UnderTls`: the same for TLS to read from.
//!
//! Octets only; what they mean and how long one waits for them is in `connection.rs`.

use restante_proto::secret::wipe;
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// An accepted socket.
#[derive(Debug)]
pub(crate) enum Raw {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// A pipe inside the process: tests speak through it with the clock stopped.
    #[cfg(test)]
    Memory(tokio::io::DuplexStream),
}

impl Raw {
    /// Writes without asking first whether the socket can take octets: a fresh socket always can, and asking would
    /// cost a round through the reactor. Answers how many octets were taken, perhaps none.
    pub(crate) fn write_fresh(&self, octets: &[u8]) -> usize {
        let sent = match self {
            Self::Tcp(stream) => SockRef::from(stream).send(octets),
            Self::Unix(stream) => SockRef::from(stream).send(octets),
            #[cfg(test)]
            Self::Memory(_) => Ok(0),
        };
        // What goes wrong here goes wrong again in the ordinary write that follows, and is reported there.
        sent.unwrap_or(0)
    }

    /// Waits until octets have arrived and copies them without taking them; 0 when the peer has ended.
    ///
    /// # Errors
    /// The connection failed.
    pub(crate) async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.peek(buffer).await,
            Self::Unix(stream) => {
                let flags = rustix::net::RecvFlags::PEEK;
                let look = || Ok(rustix::net::recv(stream, &mut *buffer, flags)?.0);
                stream.async_io(Interest::READABLE, look).await
            }
            #[cfg(test)]
            Self::Memory(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Is there something that the peer has sent and nobody has read?
    pub(crate) fn has_arrived(&self) -> bool {
        let mut octet = [std::mem::MaybeUninit::uninit()];
        let seen = match self {
            Self::Tcp(stream) => SockRef::from(stream).peek(&mut octet),
            Self::Unix(stream) => SockRef::from(stream).peek(&mut octet),
            #[cfg(test)]
            Self::Memory(_) => Ok(0),
        };
        seen.is_ok_and(|octets| octets > 0)
    }
}

impl AsyncRead for Raw {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Raw {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, octets),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    // TLS hands over many records at once; one system call takes them all.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A socket that TLS reads from.
///
/// rustls deciphers a record where it lies, in the buffer that it reads into, and keeps that buffer: a password would stay there for as
/// long as the connection does. What it lends for a read is what it does not use any more, so it is wiped before each.
#[derive(Debug)]
pub(crate) struct UnderTls(pub(crate) Raw);

impl AsyncRead for UnderTls {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        wipe(buffer.initialize_unfilled());
        Pin::new(&mut self.get_mut().0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for UnderTls {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, octets)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}
