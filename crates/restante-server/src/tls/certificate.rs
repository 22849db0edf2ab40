//! What is read out of certificates: the hash that a login is bound to, and the name of a client.
//!
//! Whether a certificate is trusted is decided by rustls before anybody asks here.

use crate::config::ClientName;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use x509_cert::Certificate;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::oid::db::{rfc4519, rfc5912};
use x509_cert::der::{Any, Decode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};

/// `tls-server-end-point` of a certificate (RFC 5929 section 4.1): its hash, by the function of its own signature, but SHA-256
/// in place of MD5 and SHA-1. `None` where the signature has no one such function (Ed25519), or one that is not known here.
pub(super) fn end_point(certificate: &[u8]) -> Option<Arc<[u8]>> {
    // R5929-4.1
    let algorithm = Certificate::from_der(certificate).ok()?.signature_algorithm().oid;
    let hash = match algorithm {
        rfc5912::MD_5_WITH_RSA_ENCRYPTION
        | rfc5912::SHA_1_WITH_RSA_ENCRYPTION
        | ECDSA_WITH_SHA_1
        | rfc5912::SHA_256_WITH_RSA_ENCRYPTION
        | rfc5912::ECDSA_WITH_SHA_256 => Sha256::digest(certificate).to_vec(),
        rfc5912::SHA_384_WITH_RSA_ENCRYPTION | rfc5912::ECDSA_WITH_SHA_384 => {
            Sha384::digest(certificate).to_vec()
        }
        rfc5912::SHA_512_WITH_RSA_ENCRYPTION | rfc5912::ECDSA_WITH_SHA_512 => {
            Sha512::digest(certificate).to_vec()
        }
        _ => return None,
    };
    Some(Arc::from(hash))
}

/// What makes a certificate of our own chain too weak to be shown to anybody (R9325-4.5.1): a signature over MD5 or SHA-1. The
/// signature of a root is not looked at by anybody. Keys that are too short are refused with the private key.
pub(super) fn weakness(certificate: &[u8]) -> Option<&'static str> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let names = certificate.tbs_certificate();
    let is_root = names.issuer() == names.subject()
        && names.get_extension::<BasicConstraints>().is_ok_and(|found| found.is_some_and(|(_, it)| it.ca));
    match certificate.signature_algorithm().oid {
        _ if is_root => None,
        rfc5912::MD_5_WITH_RSA_ENCRYPTION => Some("it is signed with MD5"),
        rfc5912::SHA_1_WITH_RSA_ENCRYPTION | ECDSA_WITH_SHA_1 => Some("it is signed with SHA-1"),
        _ => None,
    }
}

/// The DNS names that a certificate is for, in small letters (RFC 9525: the alternative names of the subject and nothing else).
pub(super) fn dns_names(certificate: &[u8]) -> Vec<String> {
    let Ok(certificate) = Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some((_, names))) = certificate.tbs_certificate().get_extension::<SubjectAltName>() else {
        return Vec::new();
    };
    let names = names.0.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    });
    names.collect()
}

/// From when until when a certificate holds.
pub(super) fn validity(certificate: &[u8]) -> Option<(SystemTime, SystemTime)> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let validity = certificate.tbs_certificate().validity();
    Some((
        UNIX_EPOCH + validity.not_before.to_unix_duration(),
        UNIX_EPOCH + validity.not_after.to_unix_duration(),
    ))
}

/// The name in a client's certificate. `None` when it has none of this kind.
///
/// `email`: the first rfc822Name among the alternative names of the subject. `common-name`: the common name of the subject; of
/// several the last, which is the most specific.
pub(crate) fn client_name(certificate: &[u8], kind: ClientName) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let subject = certificate.tbs_certificate();
    match kind {
        ClientName::Email => {
            let (_, names) = subject.get_extension::<SubjectAltName>().ok()??;
            names.0.iter().find_map(|name| match name {
                GeneralName::Rfc822Name(address) => Some(address.as_str().to_owned()),
                _ => None,
            })
        }
        ClientName::CommonName => {
            let parts = subject.subject().iter_rdn().flat_map(|part| part.iter().collect::<Vec<_>>());
            parts.filter(|part| part.oid == COMMON_NAME).last().and_then(|part| text(&part.value))
        }
    }
}

/// The text of a part of a name, in whichever of its forms.
fn text(value: &Any) -> Option<String> {
    let text = match value.decode_as::<Utf8StringRef<'_>>() {
        Ok(text) => text.as_str().to_owned(),
        Err(_) => match value.decode_as::<PrintableStringRef<'_>>() {
            Ok(text) => text.as_str().to_owned(),
            Err(_) => match value.decode_as::<Ia5StringRef<'_>>() {
                Ok(text) => text.as_str().to_owned(),
                Err(_) => value.decode_as::<TeletexStringRef<'_>>().ok()?.as_str().to_owned(),
            },
        },
    };
    Some(text)
}

/// RFC 3279 section 2.2.3; the library's table leaves it out.
const ECDSA_WITH_SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.1");

const COMMON_NAME: ObjectIdentifier = rfc4519::CN;

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        CertificateParams::new(vec!["x".to_owned()]).unwrap().self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn r5929_4_1_the_hash_is_that_of_the_signature() {
        let shorter = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(end_point(&shorter).as_deref(), Some(Sha256::digest(&shorter).as_slice()));
        let longer = certificate(&rcgen::PKCS_ECDSA_P384_SHA384);
        assert_eq!(end_point(&longer).as_deref(), Some(Sha384::digest(&longer).as_slice()));
        assert_eq!(end_point(&certificate(&rcgen::PKCS_ED25519)), None, "no one hash function");
        assert_eq!(end_point(b"no certificate"), None);
    }

    #[test]
    fn a_client_is_named_as_configured() {
        let mut params = CertificateParams::new(vec!["host.example.org".to_owned()]).unwrap();
        for address in ["Alice@example.org", "other@example.org"] {
            params.subject_alt_names.push(SanType::Rfc822Name(address.try_into().unwrap()));
        }
        params.distinguished_name.push(DnType::OrganizationName, "People");
        params.distinguished_name.push(DnType::CommonName, "Ali\u{E7}e");
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let name = |kind| client_name(made.der(), kind);
        assert_eq!(name(ClientName::Email).as_deref(), Some("Alice@example.org"));
        assert_eq!(name(ClientName::CommonName).as_deref(), Some("Ali\u{E7}e"));
        // What rcgen puts into a subject by itself is no name of a person, but a common name.
        let other = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(client_name(&other, ClientName::Email), None);
        assert_eq!(client_name(b"no certificate", ClientName::CommonName), None);
    }
}
