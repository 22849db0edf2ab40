//! TLS: the certificate and its key, read, watched and replaced; the handshake.
//!
//! TLS 1.2 and 1.3 only (R8314-4.3, R8997-3.1), no early data, client certificates only where an authority for them is
//! configured (R8314-4.2.1), ALPN `pop3` where POP3 is spoken. A bad new certificate never displaces a good old one. What
//! stands in certificates is read in `tls/certificate.rs`. Which listener uses TLS is `listener.rs`'s.

pub(crate) mod certificate;

use crate::config::{self, Protocol, TlsVersion};
use crate::event::{Event, Log};
use crate::file::{self, Stamp};
use crate::listener::Raw;
use arc_swap::ArcSwap;
use restante_proto::sasl::{BindingKind, Channel};
use restante_proto::secret::Secret;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ProducesTickets;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig};
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

/// A connection under TLS.
pub(crate) struct TlsStream {
    pub(crate) stream: tokio_rustls::server::TlsStream<Raw>,
    /// `tls-server-end-point` of the certificate that this connection was shown; `None` where there is none.
    end_point: Option<Arc<[u8]>>,
}

impl TlsStream {
    /// What mechanisms can have of this connection.
    pub(crate) fn channel(&self) -> Channel {
        let session = self.stream.get_ref().1;
        let is_tls_13 = session.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        // A resumed connection was shown no certificate: the client may know one from before a renewal. And below TLS 1.3 a
        // binding is only safe with a whole handshake, since whether the extended master secret was used is not to be
        // had from the library (R7677-4.1).
        let is_full = !matches!(session.handshake_kind(), None | Some(HandshakeKind::Resumed));
        Channel {
            // R9266-3.1, R9266-4.2.1: with TLS 1.3 alone, which knows no renegotiation.
            exporter: is_tls_13,
            server_end_point: is_full && self.end_point.is_some(),
            certificate: session.peer_certificates().is_some_and(|chain| !chain.is_empty()),
        }
    }

    /// The octets of a binding; `None` where it cannot be had.
    pub(crate) fn binding(&self, kind: BindingKind) -> Option<Vec<u8>> {
        match kind {
            // R9266-2.1
            BindingKind::Exporter => {
                let session = self.stream.get_ref().1;
                session.export_keying_material([0; 32], EXPORTER_LABEL, Some(&[])).ok().map(|it| it.to_vec())
            }
            BindingKind::ServerEndPoint => self.end_point.as_deref().map(<[u8]>::to_vec),
        }
    }

    /// The certificate that the client has shown and that is trusted.
    pub(crate) fn client_certificate(&self) -> Option<&[u8]> {
        self.stream.get_ref().1.peer_certificates()?.first().map(AsRef::as_ref)
    }
}

/// The certificate and key that handshakes use now, and where the next ones will be found.
pub(crate) struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    minimum: TlsVersion,
    handshake: Duration,
    /// Outlives the certificates, so that clients resume across a renewal.
    tickets: Arc<dyn ProducesTickets>,
    current: ArcSwap<Acceptors>,
    seen: Mutex<Stamps>,
}

/// One for each protocol: they differ in ALPN.
struct Acceptors {
    pop3: TlsAcceptor,
    lmtp: TlsAcceptor,
    end_point: Option<Arc<[u8]>>,
}

/// What the files looked like when they were last read: certificate, key, authority for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamps([Option<Stamp>; 3]);

impl Stamps {
    fn of(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Self {
        Self([file::stamp(certificate), file::stamp(key), client_ca.and_then(file::stamp)])
    }
}

impl Identity {
    /// Reads certificate and key; `None` when none are configured.
    ///
    /// # Errors
    /// They cannot be read, are damaged or do not belong together.
    pub(crate) fn load(settings: &config::Tls, handshake: Duration) -> Result<Option<Self>, PairError> {
        let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else { return Ok(None) };
        let client_ca = settings.client_ca.as_deref();
        let stamps = Stamps::of(certificate, key, client_ca);
        let pair = load_pair(certificate, key)?;
        let tickets = rustls::crypto::ring::Ticketer::new().map_err(PairError::Library)?;
        let clients = client_ca.map(load_client_ca).transpose()?;
        let acceptors = acceptors(pair, clients, settings.minimum, &tickets)?;
        Ok(Some(Self {
            certificate: certificate.clone(),
            key: key.clone(),
            client_ca: settings.client_ca.clone(),
            minimum: settings.minimum,
            handshake,
            tickets,
            current: ArcSwap::from_pointee(acceptors),
            seen: Mutex::new(stamps),
        }))
    }

    /// Makes the server's side of a handshake, within the configured time.
    ///
    /// # Errors
    /// The peer sent no TLS, none that we speak, or was too slow.
    pub(crate) async fn accept(&self, raw: Raw, protocol: Protocol) -> io::Result<TlsStream> {
        let acceptors = self.current.load_full();
        let acceptor = match protocol {
            Protocol::Pop3 => &acceptors.pop3,
            // POP2 has no name in ALPN either.
            Protocol::Lmtp | Protocol::Pop2 | Protocol::Sasl => &acceptors.lmtp,
        };
        match tokio::time::timeout(self.handshake, acceptor.accept(raw)).await {
            Ok(accepted) => {
                accepted.map(|stream| TlsStream { stream, end_point: acceptors.end_point.clone() })
            }
            Err(_) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the peer did not finish the handshake in time"))
            }
        }
    }

    /// Looks whether the files have changed and takes them if they are good; says so in the log. Blocks for the files.
    pub(crate) fn refresh(&self, log: &Log) {
        let stamps = Stamps::of(&self.certificate, &self.key, self.client_ca.as_deref());
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == stamps {
                return;
            }
            // A bad pair is reported once, not at every look.
            *seen = stamps;
        }
        let loaded = load_pair(&self.certificate, &self.key)
            .and_then(|pair| Ok((pair, self.client_ca.as_deref().map(load_client_ca).transpose()?)))
            .and_then(|(pair, clients)| acceptors(pair, clients, self.minimum, &self.tickets));
        match loaded {
            Ok(acceptors) => {
                self.current.store(Arc::new(acceptors));
                log.write(&Event::CertificateReloaded { certificate: &self.certificate });
            }
            Err(error) => {
                log.write(&Event::CertificateKept { certificate: &self.certificate, error: &error })
            }
        }
    }
}

/// Reads a certificate chain and its key and sees that they belong together.
///
/// # Errors
/// They cannot be read, are damaged or do not belong together.
pub(crate) fn load_pair(certificate: &Path, key: &Path) -> Result<CertifiedKey, PairError> {
    let text = file::read(certificate, PEM_OCTETS_MAX)
        .map_err(|error| PairError::Certificate(certificate.to_owned(), error.into()))?;
    let chain = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| PairError::Certificate(certificate.to_owned(), pem_error(error)))?;
    if chain.is_empty() {
        return Err(PairError::Certificate(certificate.to_owned(), "there is no certificate in it".into()));
    }
    if let Some(weakness) = chain.iter().find_map(|der| certificate::weakness(der)) {
        return Err(PairError::Weak(certificate.to_owned(), weakness));
    }
    let text =
        file::read(key, PEM_OCTETS_MAX).map_err(|error| PairError::Key(key.to_owned(), error.into()))?;
    let text = Secret::new(text);
    let secret = PrivateKeyDer::from_pem_slice(text.expose())
        .map_err(|error| PairError::Key(key.to_owned(), pem_error(error)))?;
    CertifiedKey::from_der(chain, secret, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => PairError::Mismatch(certificate.to_owned(), key.to_owned()),
        rustls::Error::InvalidCertificate(_) => {
            PairError::Certificate(certificate.to_owned(), Box::new(error))
        }
        other => PairError::Key(key.to_owned(), Box::new(other)),
    })
}

/// Reads the authority that client certificates must come from.
///
/// # Errors
/// It cannot be read, is damaged or holds no certificate.
pub(crate) fn load_client_ca(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, PairError> {
    let failed = |error: Box<dyn Error + Send + Sync>| PairError::ClientCa(path.to_owned(), error);
    let text = file::read(path, PEM_OCTETS_MAX).map_err(|error| failed(error.into()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| failed(pem_error(error)))?;
        roots.add(certificate).map_err(|error| failed(error.into()))?;
    }
    if roots.is_empty() {
        return Err(failed("there is no certificate in it".into()));
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        // Whoever has none logs in otherwise.
        .allow_unauthenticated()
        .build()
        .map_err(|error| failed(error.into()))
}

fn pem_error(error: pem::Error) -> Box<dyn Error + Send + Sync> {
    match error {
        // The library's words for it name its own types.
        pem::Error::NoItemsFound => "there is none in it (is it PEM?)".into(),
        other => other.to_string().into(),
    }
}

fn acceptors(
    pair: CertifiedKey,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    minimum: TlsVersion,
    tickets: &Arc<dyn ProducesTickets>,
) -> Result<Acceptors, PairError> {
    let versions: &[&rustls::SupportedProtocolVersion] = match minimum {
        TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let end_point = pair.cert.first().and_then(|certificate| certificate::end_point(certificate));
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(PairError::Library)?;
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients),
        None => builder.with_no_client_auth(),
    };
    let mut settings = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    settings.ticketer = Arc::clone(tickets);
    // A client that collects mail comes back alone: one ticket each time is enough.
    settings.send_tls13_tickets = 1;
    let lmtp = TlsAcceptor::from(Arc::new(settings.clone()));
    // A client that says it speaks something else is being led astray; one that says nothing is welcome.
    settings.alpn_protocols = vec![b"pop3".to_vec()];
    Ok(Acceptors { pop3: TlsAcceptor::from(Arc::new(settings)), lmtp, end_point })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Why a certificate and its key cannot be used.
#[derive(Debug)]
pub enum PairError {
    /// The certificate cannot be read or is damaged.
    Certificate(PathBuf, Box<dyn Error + Send + Sync>),
    /// The key cannot be read, is damaged or of an unknown kind.
    Key(PathBuf, Box<dyn Error + Send + Sync>),
    /// The authority for client certificates cannot be read or is damaged.
    ClientCa(PathBuf, Box<dyn Error + Send + Sync>),
    /// The certificate is too weak to be trusted by anybody; why.
    Weak(PathBuf, &'static str),
    /// Each is good, but the key is another certificate's.
    Mismatch(PathBuf, PathBuf),
    /// The library refused for a reason of its own.
    Library(rustls::Error),
}

impl PairError {
    /// Does it concern the key file?
    pub(crate) fn is_key(&self) -> bool {
        matches!(self, Self::Key(..))
    }

    /// What to do about it.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::Certificate(..) => {
                "name a readable PEM file with the server's certificate first, then the intermediate ones"
                    .to_owned()
            }
            Self::Key(..) => "name a readable PEM file with the unencrypted private key, of 2048 bits at least if it is RSA".to_owned(),
            Self::ClientCa(..) => {
                "name a readable PEM file with the certificates of the authorities that clients have theirs from"
                    .to_owned()
            }
            Self::Weak(..) => "have one made that is signed with SHA-256 or better".to_owned(),
            Self::Mismatch(..) => "take the key that the certificate was made for".to_owned(),
            Self::Library(_) => "look at the certificate and key with: openssl x509 -text".to_owned(),
        }
    }
}

impl fmt::Display for PairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(path, _) => write!(f, "the certificate {} cannot be used", path.display()),
            Self::Key(path, _) => write!(f, "the key {} cannot be used", path.display()),
            Self::ClientCa(path, _) => {
                write!(f, "the authority for clients {} cannot be used", path.display())
            }
            Self::Weak(path, why) => write!(f, "the certificate {} is too weak: {why}", path.display()),
            Self::Mismatch(certificate, key) => {
                write!(
                    f,
                    "the key {} does not belong to the certificate {}",
                    key.display(),
                    certificate.display()
                )
            }
            Self::Library(_) => f.write_str("TLS cannot be set up"),
        }
    }
}

impl Error for PairError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Certificate(_, source) | Self::Key(_, source) | Self::ClientCa(_, source) => {
                Some(source.as_ref())
            }
            Self::Weak(..) | Self::Mismatch(..) => None,
            Self::Library(source) => Some(source),
        }
    }
}

/// RFC 9266 section 2.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// Chains of a hundred certificates are not served.
const PEM_OCTETS_MAX: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
