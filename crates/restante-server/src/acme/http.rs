//! HTTP for the library that speaks ACME: by `ureq`, which the program has anyway, on a thread of its own, with a time and a size for each answer.

use bytes::Bytes;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::CertificateDer;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Method, Request, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// One who asks the directory. Redirections are not followed, and what the environment says of proxies does not count.
pub(super) struct Client(Agent);

impl Client {
    /// Believes servers with a certificate of these authorities alone.
    pub(super) fn new(authorities: &[CertificateDer<'static>]) -> Self {
        let roots: Vec<Certificate<'static>> =
            authorities.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // The library reads what an error says.
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_MAX))
            .build();
        Self(config.into())
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let agent = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            // The one way to the octets without a further library.
            let mut body = BytesResponse::from(Response::new(body)).body;
            let body = body.into_bytes().await.map_err(Error::Other)?;
            let asking = tokio::task::spawn_blocking(move || ask(&agent, Request::from_parts(head, body)));
            let answer = asking.await.map_err(|error| Error::Other(Box::new(error)))?;
            let (parts, body) = answer.map_err(|error| Error::Other(error.into()))?.into_parts();
            Ok(BytesResponse { parts, body: Box::new(body) })
        })
    }
}

/// Asks and waits.
fn ask(agent: &Agent, request: Request<Bytes>) -> Result<Response<Bytes>, io::Error> {
    let uri = request.uri().clone();
    let failed = |error: ureq::Error| io::Error::other(format!("{uri}: {error}"));
    let (head, body) = request.into_parts();
    let answer = match head.method {
        Method::POST => agent.run(Request::from_parts(head, body.as_ref())),
        _ => agent.run(Request::from_parts(head, ())),
    };
    let (parts, mut body) = answer.map_err(failed)?.into_parts();
    let octets = body.with_config().limit(ANSWER_OCTETS_MAX).read_to_vec().map_err(failed)?;
    Ok(Response::from_parts(parts, octets.into()))
}

/// For an answer with all that it takes, from the name to the last octet.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The largest answer is a chain of certificates.
const ANSWER_OCTETS_MAX: u64 = 256 * 1024;
