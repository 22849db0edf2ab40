//! A certificate authority of the test's own, and a server certificate signed by it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};

/// The files that [`write()`] makes, all PEM.
pub struct Files {
    /// The authority that clients are told to trust.
    pub authority: PathBuf,
    /// The server's certificate for `localhost` and for its address, followed by the authority's.
    pub certificate: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
}

/// Makes an authority and a certificate for `localhost` and `address` in `folder`.
///
/// # Panics
/// When the folder cannot be written.
pub fn write(folder: &Path, address: IpAddr) -> Files {
    let authority_key = KeyPair::generate().expect("an elliptic key can be made");
    let mut authority = CertificateParams::new(Vec::<String>::new()).expect("no names");
    authority.distinguished_name.push(DnType::CommonName, "Restante test authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_certificate =
        authority.self_signed(&authority_key).expect("the parameters above are complete");
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate().expect("an elliptic key can be made");
    let mut server = CertificateParams::new(vec!["localhost".to_owned()]).expect("localhost is a DNS name");
    server.subject_alt_names.push(SanType::IpAddress(address));
    server.distinguished_name.push(DnType::CommonName, "localhost");
    server.use_authority_key_identifier_extension = true;
    let certificate = server.signed_by(&key, &issuer).expect("the issuer can sign");

    let files = Files {
        authority: folder.join("authority.pem"),
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&files.authority, authority_certificate.pem()).expect("the test's folder is writable");
    std::fs::write(&files.certificate, certificate.pem() + &authority_certificate.pem()).expect("as above");
    std::fs::write(&files.key, key.serialize_pem()).expect("as above");
    files
}
