//! Whose certificate it is: the names a server may be recognized by, and what is wrong when it is not.
//!
//! A server that the user named is recognized by that name, which rustls checks: a DNS name or address in the
//! certificate's subjectAltName, `*` for a whole left-most label only, no common name. A server that SRV records named is
//! recognized by the domain that was asked for (RFC 6186, RFC 7817), since anybody can forge the records: [`Reference`].
//! Used by [`crate::connect::Tls`].

use std::fmt;
use std::io;
use std::sync::Arc;

use der::asn1::AnyRef;
use der::{Decode as _, Reader as _, SliceReader, Tag, Tagged as _};
use restante_proto::url::{Host, HostName};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::Error;
use crate::pin::NotPinned;

/// What a server that was found through SRV records may be recognized by.
///
/// The domain that was asked for, as SRV-ID (`_pop3s.example.org`) or as DNS-ID (`example.org`); and the host that the
/// records name, but only when it lies inside that domain or the user has confirmed it. A host elsewhere could be
/// anybody's: the records are not protected (R6186-6.1, R7817-3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    service: Service,
    domain: HostName,
    host: Host,
    is_confirmed: bool,
}

/// Which of the two services of RFC 6186 section 3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// `_pop3`: in clear, with STLS.
    Pop3,
    /// `_pop3s`: TLS from the first octet.
    Pop3s,
}

impl Service {
    /// The label of SRV records and SRV-IDs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pop3 => "_pop3",
            Self::Pop3s => "_pop3s",
        }
    }
}

impl Reference {
    /// For `host`, which the records of `service` in `domain` name.
    #[must_use]
    pub fn new(service: Service, domain: HostName, host: Host) -> Self {
        let is_confirmed = host.name().is_some_and(|host| is_inside(host, &domain));
        Self { service, domain, host, is_confirmed }
    }

    /// Whether the host lies outside the domain and nobody has confirmed it, so that only the certificate can prove that
    /// the domain wants its mail there.
    #[must_use]
    pub const fn is_foreign(&self) -> bool {
        !self.is_confirmed
    }

    /// The user says that mail of the domain is fetched from this host.
    #[must_use]
    pub fn confirmed(self) -> Self {
        Self { is_confirmed: true, ..self }
    }

    /// The domain that was asked for.
    #[must_use]
    pub const fn domain(&self) -> &HostName {
        &self.domain
    }

    /// The host that the records name.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// What the server is told that it is looked for as (SNI): the host where its own name will do, else the domain, so that
    /// a server of many domains can show the right certificate (R6186-4.2).
    pub(crate) fn indication(&self) -> Result<ServerName<'static>, Error> {
        match (&self.host, self.is_confirmed) {
            (Host::Name(host), true) => server_name(host),
            _ => server_name(&self.domain),
        }
    }

    /// The verifier for it.
    pub(crate) fn verifier(
        &self,
        roots: RootCertStore,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Result<Verifier, Error> {
        let mut names = vec![server_name(&self.domain)?];
        if let (Host::Name(host), true) = (&self.host, self.is_confirmed) {
            names.push(server_name(host)?);
        }
        let srv_id = format!("{}.{}", self.service.label(), without_dot(&self.domain));
        Ok(Verifier { roots: Arc::new(roots), algorithms, names, srv_id })
    }
}

fn server_name(name: &HostName) -> Result<ServerName<'static>, Error> {
    let parsed = ServerName::try_from(without_dot(name).to_owned());
    parsed.map_err(|_| Error::ServerName(name.as_str().to_owned()))
}

fn without_dot(name: &HostName) -> &str {
    name.as_str().strip_suffix('.').unwrap_or(name.as_str())
}

/// Whether `host` is `domain` or lies below it. Both are in small letters.
fn is_inside(host: &HostName, domain: &HostName) -> bool {
    let above = without_dot(host).strip_suffix(without_dot(domain));
    above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// Verifies the chain as rustls does, then any of several names.
#[derive(Debug)]
pub(crate) struct Verifier {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    /// DNS-IDs (R7817-3.2).
    names: Vec<ServerName<'static>>,
    /// The SRV-ID, in small letters (R7817-3.3).
    srv_id: String,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // R7817-3.1: the path first, then the names.
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        let is_named = self.names.iter().any(|name| verify_server_name(&certificate, name).is_ok());
        if is_named || srv_ids(end_entity).iter().any(|id| id.eq_ignore_ascii_case(&self.srv_id)) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::NotValidForName.into())
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

/// The SRV-IDs (RFC 4985) of a certificate that rustls has accepted, which does not read them. What cannot be read holds none.
fn srv_ids(certificate: &[u8]) -> Vec<String> {
    find_srv_ids(certificate).unwrap_or_default()
}

/// Follows RFC 5280 section 4.1: Certificate, tbsCertificate, extensions, subjectAltName, otherName.
fn find_srv_ids(certificate: &[u8]) -> der::Result<Vec<String>> {
    let mut ids = Vec::new();
    let outer = items(AnyRef::from_der(certificate)?.value())?;
    let Some(to_be_signed) = outer.first() else { return Ok(ids) };
    for part in items(to_be_signed.value())? {
        if !is_context(part, 3) {
            continue;
        }
        for extensions in items(part.value())? {
            for extension in items(extensions.value())? {
                let fields = items(extension.value())?;
                let (Some(kind), Some(value)) = (fields.first(), fields.last()) else { continue };
                if kind.value() == SUBJECT_ALT_NAME {
                    collect_srv_ids(value.value(), &mut ids)?;
                }
            }
        }
    }
    Ok(ids)
}

/// Of a `GeneralNames`, the `otherName`s that are `SRVName`s.
fn collect_srv_ids(names: &[u8], ids: &mut Vec<String>) -> der::Result<()> {
    for name in items(AnyRef::from_der(names)?.value())? {
        if !is_context(name, 0) {
            continue;
        }
        if let [kind, value] = items(name.value())?.as_slice()
            && kind.value() == SRV_NAME
            && is_context(*value, 0)
        {
            let text = AnyRef::from_der(value.value())?;
            let id = std::str::from_utf8(text.value()).ok().filter(|_| text.tag() == Tag::Ia5String);
            ids.extend(id.map(str::to_owned));
        }
    }
    Ok(())
}

/// The elements that stand one after another in `octets`.
fn items(octets: &[u8]) -> der::Result<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(octets)?;
    let mut items = Vec::new();
    while !reader.is_finished() {
        items.push(AnyRef::decode(&mut reader)?);
    }
    Ok(items)
}

/// Whether an element is tagged `[number]` and holds others.
fn is_context(element: AnyRef<'_>, number: u32) -> bool {
    matches!(element.tag(), Tag::ContextSpecific { constructed: true, number: tag } if tag.value() == number)
}

/// What is wrong with a server's certificate. Displays as a sentence for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateFault {
    /// It has expired.
    Expired,
    /// It is not valid yet; or the clock of this side is wrong.
    NotYetValid,
    /// It belongs to another server: none of its names is the one that was looked for.
    WrongName,
    /// Nobody whom this side trusts has signed it; or the server keeps back what lies between.
    UnknownIssuer,
    /// Its issuer has taken it back.
    Revoked,
    /// It may not be used for a TLS server.
    WrongPurpose,
    /// Its key is none of those that are pinned.
    NotPinned,
    /// It cannot be read, or is signed wrongly or with an algorithm that is not trusted.
    Invalid,
}

impl CertificateFault {
    /// What an error of a handshake says about the certificate, if it is about that.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        use rustls::CertificateError::{
            Expired, ExpiredContext, InvalidPurpose, InvalidPurposeContext, NotValidForName,
            NotValidForNameContext, NotValidYet, NotValidYetContext, Other, Revoked, UnknownIssuer,
        };
        let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        let rustls::Error::InvalidCertificate(fault) = error else { return None };
        Some(match fault {
            Expired | ExpiredContext { .. } => Self::Expired,
            NotValidYet | NotValidYetContext { .. } => Self::NotYetValid,
            NotValidForName | NotValidForNameContext { .. } => Self::WrongName,
            UnknownIssuer => Self::UnknownIssuer,
            Revoked => Self::Revoked,
            InvalidPurpose | InvalidPurposeContext { .. } => Self::WrongPurpose,
            Other(other) if other.0.is::<NotPinned>() => Self::NotPinned,
            _ => Self::Invalid,
        })
    }
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Expired => "the server's certificate has expired",
            Self::NotYetValid => "the server's certificate is not valid yet",
            Self::WrongName => "the server's certificate belongs to another server",
            Self::UnknownIssuer => "the server's certificate was issued by nobody who is trusted here",
            Self::Revoked => "the server's certificate was revoked",
            Self::WrongPurpose => "the server's certificate is not meant for a TLS server",
            Self::NotPinned => "the server's key is none of those that are pinned",
            Self::Invalid => "the server's certificate is invalid",
        })
    }
}

/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// 1.3.6.1.5.5.7.8.7, id-on-dnsSRV
const SRV_NAME: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x07];

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    #[test]
    fn r6186_6_1_a_host_outside_the_domain_is_foreign_until_confirmed() {
        for (host, is_foreign) in [
            ("mail.example.org", false),
            ("example.org", false),
            ("a.b.Example.ORG.", false),
            ("mail.example.net", true),
            ("notexample.org", true),
            ("org", true),
        ] {
            let reference = Reference::new(Service::Pop3s, name("example.org"), Host::Name(name(host)));
            assert_eq!(reference.is_foreign(), is_foreign, "{host}");
            let host = name(host);
            let expected = if is_foreign { "example.org" } else { without_dot(&host) };
            assert_eq!(reference.indication().unwrap().to_str(), expected);
            assert!(!reference.confirmed().is_foreign());
        }
    }

    #[test]
    fn octets_that_are_no_certificate_hold_no_names() {
        for octets in
            [&b""[..], b"\x30", b"\x30\x00", b"\x30\x02\x30\x00", b"\x30\x04\x30\x02\xa3\x00", &[0x30; 64]]
        {
            assert!(srv_ids(octets).is_empty());
        }
    }
}
