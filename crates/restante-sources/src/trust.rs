//! Which certificates of servers are believed: those of the operator's own authorities, or of those that the machine trusts.

use std::sync::Arc;

use restante_auth::directory::Problem;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// TLS 1.2 and 1.3 with the certificates of these authorities (PEM) alone; `None` for those that the machine trusts, which reads files.
///
/// # Errors
/// There is no authority, or one that cannot be used.
pub(crate) fn config(authorities: Option<&[u8]>) -> Result<Arc<ClientConfig>, Problem> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Problem::new(format!("no TLS: {error}"), "report this"))?;
    let mut roots = RootCertStore::empty();
    match authorities {
        // A file that cannot be read, or an authority that rustls does not take, leaves the others. None at all shows when a server
        // is to be believed.
        None => drop(roots.add_parsable_certificates(certificates(None)?)),
        Some(_) => {
            for certificate in certificates(authorities)? {
                roots.add(certificate).map_err(|error| wrong(&error.to_string()))?;
            }
        }
    }
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// The certificates of these authorities (PEM), or of those that the machine trusts.
///
/// # Errors
/// What is given holds none, or something else.
pub(crate) fn certificates(authorities: Option<&[u8]>) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let Some(pem) = authorities else { return Ok(rustls_native_certs::load_native_certs().certs) };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(wrong("there is no certificate in it")),
        Err(error) => Err(wrong(&error.to_string())),
    }
}

fn wrong(what: &str) -> Problem {
    Problem::new(format!("the file of ca: {what}"), "put the certificates of authorities there, in PEM")
}
