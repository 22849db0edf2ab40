//! A certificate with its key and what is stapled to it: where they lie, reading them, seeing that they belong together.
//!
//! Who shows which to whom is `tls.rs`'s and `tls/choice.rs`'s; a check of the configuration reads them by the same way.

use super::certificate;
use super::staple::{self, StapleError};
use crate::file::{self, Stamp};
use rustls::SignatureAlgorithm;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Where a pair lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PairFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) staple: Option<PathBuf>,
    /// It comes later, from `[acme]`.
    pub(crate) may_be_missing: bool,
}

impl PairFiles {
    pub(crate) fn new(certificate: PathBuf, key: PathBuf, staple: Option<PathBuf>) -> Self {
        Self { certificate, key, staple, may_be_missing: false }
    }

    /// What they look like now.
    pub(super) fn stamps(&self) -> Stamps {
        let staple = self.staple.as_deref().and_then(file::stamp);
        Stamps([file::stamp(&self.certificate), file::stamp(&self.key), staple])
    }
}

/// What the files of a pair looked like when they were last read: certificate, key, staple.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamps([Option<Stamp>; 3]);

/// A certificate that can be shown.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(super) certified: CertifiedKey,
    /// The DNS names it is for, in small letters; some begin with `*.`.
    pub(crate) names: Vec<String>,
    /// From when until when it holds, where that can be read.
    pub(crate) validity: Option<(SystemTime, SystemTime)>,
    /// `tls-server-end-point`.
    pub(super) end_point: Option<Arc<[u8]>>,
    /// Until when the staple may be shown.
    pub(super) staple_until: Option<SystemTime>,
    /// Why nothing is stapled although a file is named.
    pub(crate) staple_error: Option<NotStapled>,
}

impl Pair {
    /// The kind of its key.
    pub(crate) fn algorithm(&self) -> SignatureAlgorithm {
        self.certified.key.algorithm()
    }
}

/// Reads a certificate chain and its key and sees that they belong together; reads what is stapled to it too, which may be missing. Blocks for the files.
///
/// # Errors
/// They cannot be read, are damaged or do not belong together.
pub(crate) fn load(files: &PairFiles, now: SystemTime) -> Result<Pair, PairError> {
    let mut certified = load_pair(&files.certificate, &files.key)?;
    let der = certified.cert.first().map(AsRef::as_ref).unwrap_or_default();
    let names = certificate::dns_names(der);
    let validity = certificate::validity(der);
    let end_point = certificate::end_point(der);
    let stapled = files.staple.as_deref().map(|path| load_staple(path, der, now)).transpose();
    let (staple, staple_error) = match stapled {
        Ok(staple) => (staple, None),
        Err(error) => (None, Some(error)),
    };
    let (ocsp, staple_until) = staple.unzip();
    certified.ocsp = ocsp;
    Ok(Pair { certified, names, validity, end_point, staple_until: staple_until.flatten(), staple_error })
}

/// A response of OCSP and until when it holds.
fn load_staple(
    path: &Path,
    certificate: &[u8],
    now: SystemTime,
) -> Result<(Vec<u8>, Option<SystemTime>), NotStapled> {
    let failed = |why| NotStapled { path: path.to_owned(), why };
    let octets = file::read(path, STAPLE_OCTETS_MAX)
        .map_err(|error| failed(WhyNotStapled::Unreadable(error.kind())))?;
    let until = staple::good_until(&octets, certificate, now)
        .map_err(|error| failed(WhyNotStapled::Unusable(error)))?;
    Ok((octets, until))
}

/// Why no response of OCSP is stapled. Never a reason to show no certificate.
#[derive(Clone, Debug)]
pub(crate) struct NotStapled {
    pub(crate) path: PathBuf,
    why: WhyNotStapled,
}

#[derive(Clone, Copy, Debug)]
enum WhyNotStapled {
    Unreadable(io::ErrorKind),
    Unusable(StapleError),
}

impl fmt::Display for NotStapled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not stapled: ", self.path.display())?;
        match self.why {
            WhyNotStapled::Unreadable(kind) => write!(f, "it cannot be read ({kind})"),
            WhyNotStapled::Unusable(error) => write!(f, "{error}"),
        }
    }
}

impl Error for NotStapled {}

fn load_pair(certificate: &Path, key: &Path) -> Result<CertifiedKey, PairError> {
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
    let text = file::read_secret(key, PEM_OCTETS_MAX)
        .map_err(|error| PairError::Key(key.to_owned(), error.into()))?;
    let secret = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| PairError::Key(key.to_owned(), pem_error(error)))?;
    CertifiedKey::from_der(chain, secret, &super::provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => PairError::Mismatch(certificate.to_owned(), key.to_owned()),
        rustls::Error::InvalidCertificate(_) => {
            PairError::Certificate(certificate.to_owned(), Box::new(error))
        }
        other => PairError::Key(key.to_owned(), Box::new(other)),
    })
}

pub(super) fn pem_error(error: pem::Error) -> Box<dyn Error + Send + Sync> {
    match error {
        // The library's words for it name its own types.
        pem::Error::NoItemsFound => "there is none in it (is it PEM?)".into(),
        other => other.to_string().into(),
    }
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

/// Chains of a hundred certificates are not served.
pub(super) const PEM_OCTETS_MAX: u64 = 1024 * 1024;

/// A response for one certificate has some hundred octets, with the certificate of its signer some thousand. It goes into each handshake.
const STAPLE_OCTETS_MAX: u64 = 16 * 1024;
