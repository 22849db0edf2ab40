//! Connections: where a server is, how to get there, how it is recognized, and TCP, unix sockets and TLS themselves.
//!
//! [`Server`] holds all of that. Which address of a host is in `race`, the sockets in `stream`, authorities, pins and client
//! certificates in `trust`; what is said to proxies is in [`crate::proxy`].

mod race;
mod stream;
mod trust;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use restante_proto::client::deadline;
use restante_proto::url::{PopUrl, Scheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::Error;
use crate::proxy::Proxy;

pub(crate) use stream::{Given, Stream};
pub use trust::{Tls, Trust, pem_roots, platform_roots};

/// A server: how to reach it and how to recognize it. What a configuration comes to; [`crate::pop3::Client::connect_to`]
/// takes one.
///
/// ```no_run
/// use restante_client::connect::{Server, Tls, Trust, platform_roots};
/// use restante_client::pin::Pin;
/// use restante_client::pop3::{Client, Settings};
/// use restante_client::proxy::Proxy;
/// use restante_proto::url::PopUrl;
///
/// # async fn example(pins: Vec<Pin>) -> Result<(), Box<dyn std::error::Error>> {
/// let url = PopUrl::parse("pops://alice@mail.example.org")?;
/// let trust = Trust::authorities(platform_roots()?).and_pins(pins);
/// let server = Server::of(&url, Tls::of(&url, trust)?)
///     .through(Proxy::parse("socks5://127.0.0.1:1080")?);
/// let client = Client::connect_to(&server, Settings::default()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Server {
    /// The way there.
    pub route: Route,
    /// How the connection is protected, and how the server is recognized. Keep it for the next connection: see [`Tls`].
    pub security: Security,
}

impl Server {
    /// The server at the end of a way, with this protection.
    #[must_use]
    pub fn new(route: impl Into<Route>, security: Security) -> Self {
        Self { route: route.into(), security }
    }

    /// The server that a POP URL names, protected as the URL says: see [`Security::of`].
    #[must_use]
    pub fn of(url: &PopUrl, tls: Tls) -> Self {
        Self::new(Address::from(url), Security::of(url.scheme(), tls))
    }

    /// The same, reached through a proxy.
    #[must_use]
    pub fn through(mut self, proxy: Proxy) -> Self {
        self.route.proxy = Some(proxy);
        self
    }
}

impl fmt::Display for Server {
    /// As its [`Route`].
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.route.fmt(out)
    }
}

/// The way to a server.
#[derive(Clone, Debug)]
pub struct Route {
    /// Where the server listens.
    pub address: Address,
    /// Who is asked to connect to it instead of connecting ourselves. Nothing to a unix socket.
    pub proxy: Option<Proxy>,
    /// Addresses of the host (with a proxy: of the proxy's host) that are known already, with their ports. When there
    /// are none, the system's resolver is asked.
    pub resolved: Vec<SocketAddr>,
}

impl From<Address> for Route {
    /// Straight there.
    fn from(address: Address) -> Self {
        Self { address, proxy: None, resolved: Vec::new() }
    }
}

impl Route {
    /// Whether a proxy is what is connected to: there is one, and the server does not listen at a unix socket.
    #[must_use]
    pub const fn goes_through_proxy(&self) -> bool {
        self.proxy.is_some() && matches!(self.address, Address::Tcp { .. })
    }
}

impl fmt::Display for Route {
    /// The address, and the proxy if there is one (without its password).
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(out)?;
        match &self.proxy {
            Some(proxy) => write!(out, " through {proxy}"),
            None => Ok(()),
        }
    }
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host name or IP address, and a port.
    Tcp {
        /// Name or address; a name is looked up and its addresses tried side by side (RFC 8305).
        host: String,
        /// The port.
        port: u16,
    },
    /// A unix socket.
    Unix(PathBuf),
}

impl From<&PopUrl> for Address {
    /// The host and port of the URL.
    fn from(url: &PopUrl) -> Self {
        Self::Tcp { host: trust::host(url), port: url.port() }
    }
}

impl fmt::Display for Address {
    /// `host:port`, with brackets around an IPv6 address; or the path.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(out, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(out, "{host}:{port}"),
            Self::Unix(path) => write!(out, "{}", path.display()),
        }
    }
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

impl Security {
    /// What a POP URL asks for, and never less than TLS: `pop://` is STLS, `pops://` is TLS from the first octet. Whoever
    /// wants a connection in clear has to say [`Security::None`] in so many words (R8314-5.3, R8997-3.2).
    #[must_use]
    pub const fn of(scheme: Scheme, tls: Tls) -> Self {
        match scheme {
            Scheme::Pop => Self::Stls(tls),
            Scheme::Pops => Self::Implicit(tls),
        }
    }
}

/// How long to wait for a peer. Nothing here waits without one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For a connection, and again for the TLS handshake.
    pub connect: Duration,
    /// For the greeting of a POP3 server.
    pub greeting: Duration,
    /// For a POP3 server's reply to each line of a login: it may delay the refusal of a wrong password, and open the maildrop
    /// before it answers to a right one.
    pub login: Duration,
    /// For the peer to send the next octets, or to take some.
    pub idle: Duration,
}

impl Deadlines {
    /// For POP3: half a minute to connect, and else what
    /// [`restante_proto::client::deadline::Deadlines::DEFAULT`] says.
    pub const POP3: Self = {
        let dialogue = deadline::Deadlines::DEFAULT;
        let deadline::Deadlines { greeting, login, reply, .. } = dialogue;
        Self { connect: Duration::from_secs(30), greeting, login, idle: reply }
    };
    /// For LMTP: half a minute to connect, ten minutes of silence, as RFC 5321 4.5.3.2.6 asks of a client that awaits
    /// the reply to a message.
    pub const LMTP: Self = Self {
        connect: Duration::from_secs(30),
        greeting: Duration::from_secs(600),
        login: Duration::from_secs(600),
        idle: Duration::from_secs(600),
    };

    /// The same for everything.
    #[must_use]
    pub const fn all(within: Duration) -> Self {
        Self { connect: within, greeting: within, login: within, idle: within }
    }

    /// Those of a POP3 session.
    pub(crate) const fn dialogue(&self) -> deadline::Deadlines {
        deadline::Deadlines {
            greeting: self.greeting,
            login: self.login,
            reply: self.idle,
            progress: self.idle,
        }
    }
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
    /// [`Error::Resolve`], [`Error::Connect`], or [`Error::Timeout`] at the deadline.
    pub async fn open(address: &Address, deadline: Duration) -> Result<Self, Error> {
        Self::open_by(&address.clone().into(), deadline).await
    }

    /// The same by way of a proxy, or to addresses that are known.
    ///
    /// # Errors
    /// The same, and [`Error::Proxy`].
    pub async fn open_by(route: &Route, deadline: Duration) -> Result<Self, Error> {
        Stream::open(route, deadline).await.map(Self)
    }

    /// Does the TLS handshake, within `deadline`. A connection whose handshake failed is of no more use.
    ///
    /// # Errors
    /// [`Error::Certificate`] when the server is not recognized, [`Error::Tls`] when it fails otherwise or the connection is
    /// not plain TCP, [`Error::Timeout`] at the deadline.
    pub async fn start_tls(&mut self, tls: &Tls, deadline: Duration) -> Result<(), Error> {
        self.0.start_tls(tls, deadline).await
    }

    /// What was agreed on with TLS (version, suite, ALPN, certificates), none without it.
    pub fn tls(&self) -> Option<&rustls::ClientConnection> {
        self.0.tls()
    }

    /// The address of the peer (a proxy's, where there is one); none over a unix socket or after a failed handshake.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.0.peer_address()
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
