//! The open socket, with or without TLS. The only file that opens one.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::race::race;
use super::{Address, Route, Tls};
use crate::error::{Error, Waiting};
use crate::identity::CertificateFault;
use crate::pin::noted;

/// An open connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Whatever the caller has connected.
    Given(Given),
    /// Inside an upgrade, and after one that failed.
    Broken,
}

/// A connection of the caller's own: a pipe in memory, a tunnel, a program.
pub(crate) struct Given(Box<dyn Both>);

/// Both directions.
trait Both: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Both for T {}

impl Given {
    pub(crate) fn new(stream: impl AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static) -> Self {
        Self(Box::new(stream))
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Given(..)")
    }
}

impl Stream {
    /// Connects, within `deadline`: one for the name, for all its addresses and for the proxy.
    pub(crate) async fn open(route: &Route, deadline: Duration) -> Result<Self, Error> {
        let connecting = async {
            match (&route.address, &route.proxy) {
                (Address::Unix(path), _) => {
                    UnixStream::connect(path).await.map(Self::Unix).map_err(Error::Connect)
                }
                (Address::Tcp { host, port }, None) => {
                    reach(host, *port, &route.resolved).await.map(Self::Tcp)
                }
                (Address::Tcp { host, port }, Some(proxy)) => {
                    // The name is the proxy's to look up.
                    let mut stream = reach(proxy.host(), proxy.port(), &route.resolved).await?;
                    proxy.ask(&mut stream, host, *port).await.map_err(Error::Proxy)?;
                    Ok(Self::Tcp(stream))
                }
            }
        };
        timeout(deadline, connecting).await.map_err(|_| Error::Timeout(Waiting::Connect))?
    }

    /// Does the TLS handshake, within `deadline`.
    pub(crate) async fn start_tls(&mut self, tls: &Tls, deadline: Duration) -> Result<(), Error> {
        let Self::Tcp(stream) = std::mem::replace(self, Self::Broken) else {
            let why = io::Error::new(io::ErrorKind::Unsupported, "TLS runs over TCP");
            return Err(Error::Tls(why));
        };
        let handshake = TlsConnector::from(Arc::clone(tls.config())).connect(tls.name().clone(), stream);
        let (done, seen) = noted(timeout(deadline, handshake)).await;
        let stream = done.map_err(|_| Error::Timeout(Waiting::Tls))?;
        let stream = stream.map_err(|cause| match CertificateFault::of(&cause) {
            Some(fault) => Error::Certificate { fault, seen, cause },
            None => Error::Tls(cause),
        })?;
        *self = Self::Tls(Box::new(stream));
        Ok(())
    }

    /// What TLS says of the connection, none without it.
    pub(crate) fn tls(&self) -> Option<&rustls::ClientConnection> {
        match self {
            Self::Tls(stream) => Some(stream.get_ref().1),
            _ => None,
        }
    }

    /// The address of the peer (a proxy's, where there is one); none over a unix socket or after a failed handshake.
    pub(crate) fn peer_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok(),
            Self::Tls(stream) => stream.get_ref().0.peer_addr().ok(),
            Self::Unix(_) | Self::Given(_) | Self::Broken => None,
        }
    }
}

/// Looks the host up, unless its addresses are known, and connects to the first that answers.
async fn reach(host: &str, port: u16, resolved: &[SocketAddr]) -> Result<TcpStream, Error> {
    let addresses = if resolved.is_empty() {
        let found = lookup_host((host, port)).await;
        found.map_err(|cause| Error::Resolve { host: host.to_owned(), cause })?.collect()
    } else {
        resolved.to_vec()
    };
    let stream = race(addresses, TcpStream::connect).await.map_err(|all| Error::Connect(all.into_error()))?;
    // Commands are written whole; waiting to fill a segment would cost a round trip each.
    stream.set_nodelay(true).map_err(Error::Connect)?;
    Ok(stream)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Given(Given(stream)) => Pin::new(stream).poll_read(cx, buffer),
            Self::Broken => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Given(Given(stream)) => Pin::new(stream).poll_write(cx, octets),
            Self::Broken => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Given(Given(stream)) => Pin::new(stream).poll_flush(cx),
            Self::Broken => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Given(Given(stream)) => Pin::new(stream).poll_shutdown(cx),
            Self::Broken => Poll::Ready(Ok(())),
        }
    }
}
