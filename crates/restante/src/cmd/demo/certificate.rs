//! The certificate of the tour: made anew in every run, good for this machine by its loopback names and for a year,
//! signed by itself. A client that is to trust it is given the certificate itself.

use std::error::Error;
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};

/// A certificate and its private key, both PEM.
pub(crate) struct Certificate {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Makes a certificate that is valid from an hour before `now`, for clocks that disagree, until a year after.
pub(crate) fn make(now: SystemTime) -> Result<Certificate, Box<dyn Error>> {
    let names = NAMES.map(str::to_owned);
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Restante demo");
    params.not_before = (now - Duration::from_secs(60 * 60)).into();
    params.not_after = (now + Duration::from_secs(365 * 24 * 60 * 60)).into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(Certificate { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// The names a client on this machine may call the server by.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
