//! Connections: TCP, unix sockets, and TLS on top. The only file that opens a socket.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::{Error, Waiting};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host name or IP address, and a port.
    Tcp {
        /// Name or address; a name is looked up and every address tried.
        host: String,
        /// The port.
        port: u16,
    },
    /// A unix socket.
    Unix(PathBuf),
}

/// How a connection is protected.
#[derive(Clone, Debug)]
pub enum Security {
    /// Not at all: passwords and mail go in the clear. For loopback and unix sockets.
    None,
    /// STLS right after the greeting. Nothing but CAPA and STLS is said before; a server without it is an error, never a
    /// fallback (R8314-5.2.1).
    Stls(Tls),
    /// TLS from the first octet; what RFC 8314 recommends.
    Implicit(Tls),
}

/// How to recognize the right server. The certificate is always verified (R8314-5.1, R2595-2.4.1).
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// With a configuration of the caller's.
    ///
    /// # Errors
    /// [`Error::ServerName`] when `name` is neither a DNS name nor an IP address. It must be the name the user gave,
    /// never one that was looked up (R2595-2.4.2).
    pub fn new(config: Arc<ClientConfig>, name: &str) -> Result<Self, Error> {
        let parsed = ServerName::try_from(name).map_err(|_| Error::ServerName(name.to_owned()))?;
        Ok(Self { config, name: parsed.to_owned() })
    }

    /// With the certificates of `roots` as the only ones to trust. TLS 1.2 and 1.3, ALPN `pop3`, no early data.
    ///
    /// # Errors
    /// [`Error::ServerName`], as for [`new`](Self::new).
    pub fn with_roots(roots: RootCertStore, name: &str) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider has suites for both versions");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        // R9325-3.8.1
        config.alpn_protocols = vec![b"pop3".to_vec()];
        Self::new(Arc::new(config), name)
    }
}

/// How long to wait for a peer. Nothing here waits without one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For a connection, and again for the TLS handshake.
    pub connect: Duration,
    /// For the peer to send the next octets, or to take some.
    pub idle: Duration,
}

impl Deadlines {
    /// For POP3: half a minute to connect, two minutes of silence. Servers that open a large maildrop take their time.
    pub const POP3: Self = Self { connect: Duration::from_secs(30), idle: Duration::from_secs(120) };
    /// For LMTP: half a minute to connect, ten minutes of silence, as RFC 5321 4.5.3.2.6 asks of a client that awaits
    /// the reply to a message.
    pub const LMTP: Self = Self { connect: Duration::from_secs(30), idle: Duration::from_secs(600) };
}

/// An open connection for somebody who speaks himself: octets in and out, and what TLS says of the peer.
///
/// The clients of this crate do not use it. It is for those who must not share their protocol code, such as a judge of
/// servers. Octets that were read before [`start_tls`](Self::start_tls) are the caller's to drop.
#[derive(Debug)]
pub struct Connection(Stream);

impl Connection {
    /// Connects, within `deadline`; nothing is read.
    ///
    /// # Errors
    /// [`Error::Connect`], or [`Error::Timeout`] at the deadline.
    pub async fn open(address: &Address, deadline: Duration) -> Result<Self, Error> {
        Stream::open(address, deadline).await.map(Self)
    }

    /// Does the TLS handshake, within `deadline`. A connection whose handshake failed is of no more use.
    ///
    /// # Errors
    /// [`Error::Tls`] when it fails or the connection is not plain TCP, [`Error::Timeout`] at the deadline.
    pub async fn start_tls(&mut self, tls: &Tls, deadline: Duration) -> Result<(), Error> {
        self.0.start_tls(tls, deadline).await
    }

    /// What was agreed on with TLS (version, suite, ALPN, certificates), none without it.
    pub fn tls(&self) -> Option<&rustls::ClientConnection> {
        match &self.0 {
            Stream::Tls(stream) => Some(stream.get_ref().1),
            _ => None,
        }
    }

    /// The address of the peer, none over a unix socket or after a failed handshake.
    pub fn peer_address(&self) -> Option<std::net::SocketAddr> {
        match &self.0 {
            Stream::Tcp(stream) => stream.peer_addr().ok(),
            Stream::Tls(stream) => stream.get_ref().0.peer_addr().ok(),
            Stream::Unix(_) | Stream::Broken => None,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Inside an upgrade, and after one that failed.
    Broken,
}

impl Stream {
    /// Connects, within `deadline`.
    pub(crate) async fn open(address: &Address, deadline: Duration) -> Result<Self, Error> {
        let connecting = async {
            match address {
                Address::Tcp { host, port } => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await?;
                    // Commands are written whole; waiting to fill a segment would cost a round trip each.
                    stream.set_nodelay(true)?;
                    Ok(Self::Tcp(stream))
                }
                Address::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
            }
        };
        timeout(deadline, connecting)
            .await
            .map_err(|_| Error::Timeout(Waiting::Connect))?
            .map_err(Error::Connect)
    }

    /// Does the TLS handshake, within `deadline`.
    pub(crate) async fn start_tls(&mut self, tls: &Tls, deadline: Duration) -> Result<(), Error> {
        let Self::Tcp(stream) = std::mem::replace(self, Self::Broken) else {
            let why = io::Error::new(io::ErrorKind::Unsupported, "TLS runs over TCP");
            return Err(Error::Tls(why));
        };
        let handshake = TlsConnector::from(Arc::clone(&tls.config)).connect(tls.name.clone(), stream);
        let stream = timeout(deadline, handshake).await.map_err(|_| Error::Timeout(Waiting::Tls))?;
        *self = Self::Tls(Box::new(stream.map_err(Error::Tls)?));
        Ok(())
    }
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
            Self::Broken => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Broken => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Broken => Poll::Ready(Ok(())),
        }
    }
}
