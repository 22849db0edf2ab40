//! Connections: TCP, unix sockets, and TLS on top. The only file that opens a socket.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use restante_proto::url::{Host, PopUrl, Scheme};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::{Error, Waiting};
use crate::identity::{CertificateFault, Reference};

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

impl From<&PopUrl> for Address {
    /// The host and port of the URL.
    fn from(url: &PopUrl) -> Self {
        let host = match url.host() {
            Host::Name(name) => name.as_str().to_owned(),
            Host::Address(address) => address.to_string(),
        };
        Self::Tcp { host, port: url.port() }
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

    /// For the server that a POP URL names, with the certificates of `roots` as the only ones to trust.
    ///
    /// ```no_run
    /// use restante_client::connect::{Address, Security, Tls, platform_roots};
    /// use restante_client::pop3::{Client, Settings};
    /// use restante_proto::url::PopUrl;
    ///
    /// # async fn example() -> Result<(), restante_client::error::Error> {
    /// let url = PopUrl::parse("pops://alice@mail.example.org").unwrap();
    /// let security = Security::of(url.scheme(), Tls::of(&url, platform_roots()?)?);
    /// let client = Client::connect(&Address::from(&url), security, Settings::default()).await?;
    /// assert!(client.is_confidential());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::ServerName`] when the host is no name that a certificate could hold.
    pub fn of(url: &PopUrl, roots: RootCertStore) -> Result<Self, Error> {
        match url.host() {
            Host::Name(name) => Self::with_roots(roots, name.as_str()),
            Host::Address(address) => Self::with_roots(roots, &address.to_string()),
        }
    }

    /// With the certificates of `roots` as the only ones to trust. TLS 1.2 and 1.3, ALPN `pop3`, no early data.
    ///
    /// # Errors
    /// [`Error::ServerName`], as for [`new`](Self::new).
    pub fn with_roots(roots: RootCertStore, name: &str) -> Result<Self, Error> {
        let config = builder().with_root_certificates(roots).with_no_client_auth();
        Self::new(Arc::new(finished(config)), name)
    }

    /// For a server that SRV records name: recognized by the domain, or by its own name where that is safe.
    ///
    /// # Errors
    /// [`Error::ServerName`] when the domain is no name that a certificate could hold.
    pub fn discovered(roots: RootCertStore, reference: &Reference) -> Result<Self, Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let verifier = Arc::new(reference.verifier(roots, algorithms)?);
        let config = builder().dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        Ok(Self { config: Arc::new(finished(config)), name: reference.indication()? })
    }

    /// The same with a certificate of the client's own, which is shown to a server that asks for one; without this none is
    /// ever shown (R8314-5.5.1).
    ///
    /// # Errors
    /// [`Error::OwnCertificate`] when the key cannot be used or is not the certificate's.
    pub fn with_client_certificate(
        mut self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, Error> {
        let provider = rustls::crypto::ring::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(Error::OwnCertificate)?;
        let config = Arc::make_mut(&mut self.config);
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
        Ok(self)
    }
}

/// The authorities that this machine trusts. Reads their files, so not for the middle of something; call it once.
///
/// # Errors
/// [`Error::NoRoots`] when there are none.
pub fn platform_roots() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    // A file that cannot be read, or an authority that rustls does not take, leaves the others.
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 { Err(Error::NoRoots) } else { Ok(roots) }
}

/// The authorities in a PEM file that somebody has read, and no others.
///
/// # Errors
/// [`Error::NoRoots`] when there are none, [`Error::OwnCertificate`] when one of them cannot be used.
pub fn pem_roots(pem: &[u8]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let unreadable = |_| Error::OwnCertificate(rustls::CertificateError::BadEncoding.into());
        roots.add(certificate.map_err(unreadable)?).map_err(Error::OwnCertificate)?;
    }
    if roots.is_empty() { Err(Error::NoRoots) } else { Ok(roots) }
}

/// TLS 1.2 and 1.3 (R8314-5.1, R8997-3.2).
fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has suites for both versions")
}

fn finished(mut config: ClientConfig) -> ClientConfig {
    // R9325-3.8.1
    config.alpn_protocols = vec![b"pop3".to_vec()];
    config
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
    /// [`Error::Certificate`] when the server is not recognized, [`Error::Tls`] when it fails otherwise or the connection is
    /// not plain TCP, [`Error::Timeout`] at the deadline.
    pub async fn start_tls(&mut self, tls: &Tls, deadline: Duration) -> Result<(), Error> {
        self.0.start_tls(tls, deadline).await
    }

    /// What was agreed on with TLS (version, suite, ALPN, certificates), none without it.
    pub fn tls(&self) -> Option<&rustls::ClientConnection> {
        self.0.tls()
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
        let stream = stream.map_err(|cause| match CertificateFault::of(&cause) {
            Some(fault) => Error::Certificate { fault, cause },
            None => Error::Tls(cause),
        })?;
        *self = Self::Tls(Box::new(stream));
        Ok(())
    }
}

impl Stream {
    /// What TLS says of the connection, none without it.
    pub(crate) fn tls(&self) -> Option<&rustls::ClientConnection> {
        match self {
            Self::Tls(stream) => Some(stream.get_ref().1),
            _ => None,
        }
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
