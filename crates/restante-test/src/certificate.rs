//! A certificate authority of the test's own, and a server certificate signed by it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};

/// The files that [`write()`] makes, all PEM.
pub struct Files {
    /// The authority that clients are told to trust.
    pub authority: PathBuf,
    /// The server's certificate for `localhost` and for its address, followed by the authority's.
    pub certificate: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
}

/// What may be wrong with a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    None,
    /// It has expired.
    Expired,
    /// It is for another server.
    OtherName,
    /// It has signed itself; the authority knows nothing of it.
    SelfSigned,
}

/// Makes an authority and a certificate for `localhost` and `address` in `folder`.
///
/// # Panics
/// When the folder cannot be written.
pub fn write(folder: &Path, address: IpAddr) -> Files {
    write_flawed(folder, address, Flaw::None)
}

/// The same with a flaw; what was there before is written over.
///
/// # Panics
/// When the folder cannot be written.
pub fn write_flawed(folder: &Path, address: IpAddr, flaw: Flaw) -> Files {
    let authority_key = KeyPair::generate().expect("an elliptic key can be made");
    let mut authority = CertificateParams::new(Vec::<String>::new()).expect("no names");
    authority.distinguished_name.push(DnType::CommonName, "Restante test authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_certificate =
        authority.self_signed(&authority_key).expect("the parameters above are complete");
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate().expect("an elliptic key can be made");
    let name = if flaw == Flaw::OtherName { "other.example.org" } else { "localhost" };
    let mut server = CertificateParams::new(vec![name.to_owned()]).expect("a DNS name");
    if flaw != Flaw::OtherName {
        server.subject_alt_names.push(SanType::IpAddress(address));
    }
    if flaw == Flaw::Expired {
        server.not_before = date_time_ymd(2020, 1, 1);
        server.not_after = date_time_ymd(2021, 1, 1);
    }
    server.distinguished_name.push(DnType::CommonName, name);
    server.use_authority_key_identifier_extension = true;
    let certificate = match flaw {
        Flaw::SelfSigned => server.self_signed(&key),
        _ => server.signed_by(&key, &issuer),
    };
    let certificate = certificate.expect("the issuer can sign");

    let files = Files {
        authority: folder.join("authority.pem"),
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&files.authority, authority_certificate.pem()).expect("the test's folder is writable");
    let chain = if flaw == Flaw::SelfSigned { String::new() } else { authority_certificate.pem() };
    std::fs::write(&files.certificate, certificate.pem() + &chain).expect("as above");
    std::fs::write(&files.key, key.serialize_pem()).expect("as above");
    files
}
