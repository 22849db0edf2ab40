//! TLS: the certificate and its key, read, watched and replaced; the handshake.
//!
//! TLS 1.2 and 1.3 only (R8314-4.3, R8997-3.1), no early data, no client certificates (R8314-4.2.1), ALPN `pop3` where
//! POP3 is spoken. A bad new certificate never displaces a good old one. Which listener uses TLS is `listener.rs`'s.

use crate::config::{self, Protocol, TlsVersion};
use crate::event::{Event, Log};
use crate::file::{self, Stamp};
use crate::listener::Raw;
use arc_swap::ArcSwap;
use restante_proto::secret::Secret;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ProducesTickets;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

/// A connection under TLS.
pub(crate) type TlsStream = tokio_rustls::server::TlsStream<Raw>;

/// The certificate and key that handshakes use now, and where the next ones will be found.
pub(crate) struct Identity {
    certificate: PathBuf,
    key: PathBuf,
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
}

/// What the two files looked like when they were last read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamps(Option<Stamp>, Option<Stamp>);

impl Identity {
    /// Reads certificate and key; `None` when none are configured.
    ///
    /// # Errors
    /// They cannot be read, are damaged or do not belong together.
    pub(crate) fn load(settings: &config::Tls, handshake: Duration) -> Result<Option<Self>, PairError> {
        let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else { return Ok(None) };
        let stamps = Stamps(file::stamp(certificate), file::stamp(key));
        let pair = load_pair(certificate, key)?;
        let tickets = rustls::crypto::ring::Ticketer::new().map_err(PairError::Library)?;
        let acceptors = acceptors(pair, settings.minimum, &tickets)?;
        Ok(Some(Self {
            certificate: certificate.clone(),
            key: key.clone(),
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
            Protocol::Lmtp | Protocol::Pop2 => &acceptors.lmtp,
        };
        match tokio::time::timeout(self.handshake, acceptor.accept(raw)).await {
            Ok(accepted) => accepted,
            Err(_) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the peer did not finish the handshake in time"))
            }
        }
    }

    /// Looks whether the files have changed and takes them if they are good; says so in the log. Blocks for the files.
    pub(crate) fn refresh(&self, log: &Log) {
        let stamps = Stamps(file::stamp(&self.certificate), file::stamp(&self.key));
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == stamps {
                return;
            }
            // A bad pair is reported once, not at every look.
            *seen = stamps;
        }
        let loaded = load_pair(&self.certificate, &self.key)
            .and_then(|pair| acceptors(pair, self.minimum, &self.tickets));
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

fn pem_error(error: pem::Error) -> Box<dyn Error + Send + Sync> {
    match error {
        // The library's words for it name its own types.
        pem::Error::NoItemsFound => "there is none in it (is it PEM?)".into(),
        other => other.to_string().into(),
    }
}

fn acceptors(
    pair: CertifiedKey,
    minimum: TlsVersion,
    tickets: &Arc<dyn ProducesTickets>,
) -> Result<Acceptors, PairError> {
    let versions: &[&rustls::SupportedProtocolVersion] = match minimum {
        TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let mut settings = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(PairError::Library)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    settings.ticketer = Arc::clone(tickets);
    // A client that collects mail comes back alone: one ticket each time is enough.
    settings.send_tls13_tickets = 1;
    let lmtp = TlsAcceptor::from(Arc::new(settings.clone()));
    // A client that says it speaks something else is being led astray; one that says nothing is welcome.
    settings.alpn_protocols = vec![b"pop3".to_vec()];
    Ok(Acceptors { pop3: TlsAcceptor::from(Arc::new(settings)), lmtp })
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
            Self::Key(..) => "name a readable PEM file with the unencrypted private key".to_owned(),
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
            Self::Certificate(_, source) | Self::Key(_, source) => Some(source.as_ref()),
            Self::Mismatch(..) => None,
            Self::Library(source) => Some(source),
        }
    }
}

/// Chains of a hundred certificates are not served.
const PEM_OCTETS_MAX: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
