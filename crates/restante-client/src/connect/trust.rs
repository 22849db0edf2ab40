//! Whom to believe that it is the right server, and what to show of oneself: authorities, pins, a client certificate.

use std::sync::Arc;

use restante_proto::url::{Host, PopUrl};
use rustls::client::{Resumption, WebPkiServerVerifier, danger::ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};

use crate::error::Error;
use crate::identity::Reference;
use crate::pin::{Pin, PinVerifier};

/// Whom to believe that it is the right server. One of three:
///
/// * [`authorities`](Self::authorities): the certificate is from one of these (directly or by others in between), in date, for
///   this purpose and for the name that the user gave. What everybody does.
/// * that [`and_pins`](Self::and_pins): the same, and the key is one of the pinned. What a pin stands for unless somebody says
///   otherwise, so that a pin can only make a connection safer.
/// * [`pins_alone`](Self::pins_alone): the key is one of the pinned; chain, dates, purpose and name are not looked at. For
///   servers with a certificate of their own making; only where somebody has asked for it in so many words.
///
/// Several pins may be given, so that the key that comes next can be pinned before the server changes to it.
#[derive(Clone, Debug)]
pub struct Trust {
    /// `None` when the pins stand alone.
    roots: Option<RootCertStore>,
    pins: Vec<Pin>,
}

impl Trust {
    /// Certificates of these authorities: [`platform_roots`], or [`pem_roots`] for one's own.
    #[must_use]
    pub const fn authorities(roots: RootCertStore) -> Self {
        Self { roots: Some(roots), pins: Vec::new() }
    }

    /// The same, and one of these keys; without a pin, the same.
    #[must_use]
    pub fn and_pins(mut self, pins: impl IntoIterator<Item = Pin>) -> Self {
        self.pins.extend(pins);
        self
    }

    /// One of these keys, whatever else the certificate says. `None` without a pin, which would be to believe everybody.
    #[must_use]
    pub fn pins_alone(pins: impl IntoIterator<Item = Pin>) -> Option<Self> {
        let pins: Vec<Pin> = pins.into_iter().collect();
        (!pins.is_empty()).then_some(Self { roots: None, pins })
    }
}

impl From<RootCertStore> for Trust {
    fn from(roots: RootCertStore) -> Self {
        Self::authorities(roots)
    }
}

/// How to recognize the right server. The certificate is always verified (R8314-5.1, R2595-2.4.1).
///
/// A clone shares what it takes to resume TLS sessions (of 256 servers), so whoever connects again to the same server should keep
/// one: the next handshake is shorter, and nobody is asked for a certificate twice. A resumed session is with the server that was
/// recognized when it began.
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
        Ok(Self { config, name: server_name(name)? })
    }

    /// For the server that a POP URL names, recognized by `trust` (or by authorities alone).
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
    pub fn of(url: &PopUrl, trust: impl Into<Trust>) -> Result<Self, Error> {
        Self::trusting(trust.into(), &host(url))
    }

    /// With the certificates of `roots` as the only ones to trust. TLS 1.2 and 1.3, ALPN `pop3`, no early data.
    ///
    /// # Errors
    /// [`Error::ServerName`], as for [`new`](Self::new).
    pub fn with_roots(roots: RootCertStore, name: &str) -> Result<Self, Error> {
        Self::trusting(Trust::authorities(roots), name)
    }

    /// For the server `name`, recognized by `trust`. TLS 1.2 and 1.3, ALPN `pop3`, no early data.
    ///
    /// # Errors
    /// [`Error::ServerName`], as for [`new`](Self::new); [`Error::NoRoots`] when `trust` holds no authority where it takes one.
    pub fn trusting(trust: Trust, name: &str) -> Result<Self, Error> {
        let name = server_name(name)?;
        let chain = match trust.roots {
            None => None,
            // Nothing can be verified with it, and the builder says so otherwise.
            Some(roots) if roots.is_empty() => return Err(Error::NoRoots),
            Some(roots) => {
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
                // Without revocation lists the builder fails for want of authorities only.
                let verifier: Arc<dyn ServerCertVerifier> = verifier.map_err(|_| Error::NoRoots)?;
                Some(verifier)
            }
        };
        Ok(Self { config: Arc::new(config(chain, trust.pins)), name })
    }

    /// For a server that SRV records name: recognized by the domain, or by its own name where that is safe.
    ///
    /// # Errors
    /// [`Error::ServerName`] when the domain is no name that a certificate could hold.
    pub fn discovered(roots: RootCertStore, reference: &Reference) -> Result<Self, Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let verifier = Arc::new(reference.verifier(roots, algorithms)?);
        Ok(Self { config: Arc::new(config(Some(verifier), Vec::new())), name: reference.indication()? })
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
        // A session that began without the certificate is not to be gone on with.
        config.resumption = Resumption::default();
        Ok(self)
    }

    /// The same from PEM files that somebody has read: the certificate, with those of authorities in between if there are any,
    /// and its key. They may be one file, given twice.
    ///
    /// # Errors
    /// [`Error::OwnCertificate`] when there is no certificate or no key, or as for the other.
    pub fn with_client_pem(self, certificates: &[u8], key: &[u8]) -> Result<Self, Error> {
        let wrong = |what: &str| Error::OwnCertificate(rustls::Error::General(what.to_owned()));
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain =
            chain.map_err(|error| wrong(&format!("the client certificate cannot be read: {error}")))?;
        if chain.is_empty() {
            return Err(wrong("there is no certificate in the file of the client certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| wrong(&format!("the key of the client certificate cannot be read: {error}")))?;
        self.with_client_certificate(chain, key)
    }

    pub(super) const fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    pub(super) const fn name(&self) -> &ServerName<'static> {
        &self.name
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

/// The host of a POP URL as a certificate names it.
pub(super) fn host(url: &PopUrl) -> String {
    match url.host() {
        Host::Name(name) => name.as_str().to_owned(),
        Host::Address(address) => address.to_string(),
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, Error> {
    // The dot at the end of a whole name is the resolver's business: certificates have none (RFC 6066 section 3).
    let bare = name.strip_suffix('.').unwrap_or(name);
    let parsed = ServerName::try_from(bare).map_err(|_| Error::ServerName(name.to_owned()))?;
    Ok(parsed.to_owned())
}

/// TLS 1.2 and 1.3 (R8314-5.1, R8997-3.2).
fn config(chain: Option<Arc<dyn ServerCertVerifier>>, pins: Vec<Pin>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PinVerifier { chain, algorithms, pins }))
        .with_no_client_auth();
    // R9325-3.8.1
    config.alpn_protocols = vec![b"pop3".to_vec()];
    config
}
