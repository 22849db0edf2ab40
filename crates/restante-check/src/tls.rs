//! TLS as a judge needs it: every certificate will do to speak with a server, and is looked at afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use restante_client::connect::Tls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};

/// A handshake with these versions and this ALPN list, whatever the certificate.
///
/// # Errors
/// When the host is no name that a certificate could hold.
pub(crate) fn handshake(
    host: &str,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
) -> Result<Tls, String> {
    handshake_with(host, versions, alpn, |_| {})
}

/// The same, with a configuration that is changed at last.
///
/// # Errors
/// As for [`handshake`].
pub(crate) fn handshake_with(
    host: &str,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
    change: impl FnOnce(&mut ClientConfig),
) -> Result<Tls, String> {
    let provider = Arc::new(ring::default_provider());
    let any = Arc::new(AnyCertificate(provider.signature_verification_algorithms));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("the provider has suites for every version of rustls");
    let mut config = builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    // A handshake that resumes an earlier one shows no certificate.
    config.resumption = rustls::client::Resumption::disabled();
    change(&mut config);
    Tls::new(Arc::new(config), host).map_err(|error| error.to_string())
}

/// Notes whether a server asks for a certificate of the client's; shows none.
#[derive(Debug, Default)]
pub(crate) struct AskedForCertificate(AtomicBool);

impl AskedForCertificate {
    pub(crate) fn was_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for AskedForCertificate {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Whether the RSA key of the server's certificate has 2048 bits at least; none when it has no RSA key.
pub(crate) fn rsa_bits_at_least_2048(chain: &[CertificateDer<'_>]) -> Option<bool> {
    let parsed = ParsedCertificate::try_from(chain.first()?).ok()?;
    let key = parsed.subject_public_key_info();
    let is_rsa = key.windows(RSA_ENCRYPTION.len()).any(|window| window == RSA_ENCRYPTION);
    // The modulus is all but a few octets of it: 256 octets, and the lengths, the exponent and the algorithm around them.
    is_rsa.then_some(key.len() >= 256 + 20)
}

/// The object identifier of RSA keys, in DER.
const RSA_ENCRYPTION: &[u8] = &[0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];

/// What is wrong with the certificates that a server showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Not for this name.
    Name,
    /// Not yet, or no longer.
    Dates,
    /// No way leads from it to one of the authorities.
    Issuer,
    /// Something else, in words.
    Other(String),
}

/// Verifies a chain for `host`, as a client would.
pub(crate) fn verify(
    chain: &[CertificateDer<'_>],
    host: &str,
    roots: &Arc<RootCertStore>,
    wall: SystemTime,
) -> Result<(), Flaw> {
    let other = |what: &str| Flaw::Other(what.to_owned());
    let (server, intermediates) =
        chain.split_first().ok_or_else(|| other("the server showed no certificate"))?;
    let name = ServerName::try_from(host).map_err(|_| Flaw::Name)?;
    let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), provider)
        .build()
        .map_err(|error| other(&error.to_string()))?;
    let verified =
        verifier.verify_server_cert(server, intermediates, &name, &[], UnixTime::since_unix_epoch(since));
    match verified {
        Ok(_) => Ok(()),
        Err(rustls::Error::InvalidCertificate(error)) => Err(match error {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Flaw::Name,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Flaw::Dates,
            CertificateError::UnknownIssuer => Flaw::Issuer,
            CertificateError::Other(error) => other(&error.0.to_string()),
            error => other(&error.to_string()),
        }),
        Err(error) => Err(other(&error.to_string())),
    }
}

/// Takes every certificate; the proof that the server has its key is demanded all the same.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// Whether the server's own certificate names `host`.
pub(crate) fn is_for(chain: &[CertificateDer<'_>], host: &str) -> bool {
    let Some(certificate) = chain.first() else { return false };
    let (Ok(parsed), Ok(name)) = (ParsedCertificate::try_from(certificate), ServerName::try_from(host))
    else {
        return false;
    };
    verify_server_name(&parsed, &name).is_ok()
}
