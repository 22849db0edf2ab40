//! Pins: the keys that a server is known to have, as `sha256//` and the base64 of the SHA-256 of the key (its
//! SubjectPublicKeyInfo in DER), which is how curl prints and takes them.
//!
//! What a pin stands for, beside the chain or in place of it, is said in [`crate::connect::Trust`].

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};
use sha2::{Digest as _, Sha256};

/// The key of a server. Displays as it is parsed, `sha256//` and 44 characters.
///
/// A pin is of the key in the server's own certificate, not of an authority's: a certificate that is renewed with the same key
/// has the same pin.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin([u8; DIGEST_OCTETS]);

impl Pin {
    /// Takes `text` if it is one: `sha256//` and the base64 of 32 octets, with nothing around them.
    ///
    /// ```
    /// use restante_client::pin::Pin;
    ///
    /// let text = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    /// assert_eq!(Pin::parse(text).unwrap().to_string(), text);
    /// assert!(Pin::parse("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").is_err());
    /// ```
    ///
    /// # Errors
    /// [`PinError`].
    pub fn parse(text: &str) -> Result<Self, PinError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(PinError)?;
        let octets = STANDARD.decode(encoded).map_err(|_| PinError)?;
        octets.try_into().map(Self).map_err(|_| PinError)
    }

    /// The pin of a certificate in DER; `None` when it cannot be read.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let key = ParsedCertificate::try_from(certificate).ok()?.subject_public_key_info();
        Some(Self(Sha256::digest(&key).into()))
    }
}

impl std::str::FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        Self::parse(text)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{PREFIX}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Pin({self})")
    }
}

/// Why a string is no pin. Displays as a sentence for the person who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinError;

impl fmt::Display for PinError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a pin is sha256// and 44 characters of base64, the SHA-256 of the server's public key")
    }
}

impl std::error::Error for PinError {}

/// Verifies as another verifier does, or not at all, and then that the key is one of those that are pinned.
///
/// It notes the key of every certificate that it sees, for [`noted`].
#[derive(Debug)]
pub(crate) struct PinVerifier {
    /// Chain, dates and name. `None` when the pins stand in place of them.
    pub(crate) chain: Option<Arc<dyn ServerCertVerifier>>,
    pub(crate) algorithms: WebPkiSupportedAlgorithms,
    /// The keys to accept; any when empty, which is possible only with a chain.
    pub(crate) pins: Vec<Pin>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen = Pin::of(end_entity);
        // Nobody looks when the handshake is not done by `noted`.
        let _ = SEEN.try_with(|note| note.set(seen));
        if let Some(chain) = &self.chain {
            chain.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)?;
        }
        let seen = seen.ok_or(CertificateError::BadEncoding)?;
        if (self.chain.is_some() && self.pins.is_empty()) || self.pins.contains(&seen) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::Other(OtherError(Arc::new(NotPinned))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What a [`PinVerifier`] says of a key that is not pinned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotPinned;

impl fmt::Display for NotPinned {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("its key is none of those that are pinned")
    }
}

impl std::error::Error for NotPinned {}

/// Does a handshake and gives back, beside its result, the key of the certificate that the server showed.
///
/// A handshake that failed gives its connection up, and with it the certificate. So the verifier notes it; in the task and not in
/// the verifier, since connections share that.
pub(crate) async fn noted<T>(handshake: impl Future<Output = T>) -> (T, Option<Pin>) {
    let work = async {
        let result = handshake.await;
        (result, SEEN.with(Cell::get))
    };
    SEEN.scope(Cell::new(None), work).await
}

tokio::task_local! {
    /// What the verifier of this handshake saw.
    static SEEN: Cell<Option<Pin>>;
}

const PREFIX: &str = "sha256//";
const DIGEST_OCTETS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pin_is_refused() {
        let good = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(Pin::parse(good).unwrap().to_string(), good);
        for bad in [
            "",
            "sha256//",
            "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "SHA256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            // Not 32 octets.
            "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hS",
            // No padding; bits set that are none of the digest's; blanks.
            "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
            " sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
            "sha1//2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
        ] {
            assert_eq!(Pin::parse(bad), Err(PinError), "{bad:?}");
        }
    }

    #[test]
    fn a_certificate_that_cannot_be_read_has_no_pin() {
        for octets in [&b""[..], b"\x30", b"\x30\x00"] {
            assert_eq!(Pin::of(&CertificateDer::from(octets)), None);
        }
    }
}
