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
    let roots = match authorities {
        Some(pem) => own(pem)?,
        None => {
            let mut roots = RootCertStore::empty();
            // A file that cannot be read, or an authority that rustls does not take, leaves the others. None at all shows when a server
            // is to be believed.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn own(pem: &[u8]) -> Result<RootCertStore, Problem> {
    let wrong = |what: String| Problem::new(what, "put the certificates of authorities there, in PEM");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| wrong(format!("the file of ca: {error}")))?;
        roots.add(certificate).map_err(|error| wrong(format!("the file of ca: {error}")))?;
    }
    match roots.is_empty() {
        true => Err(wrong("the file of ca holds no certificate".to_owned())),
        false => Ok(roots),
    }
}
