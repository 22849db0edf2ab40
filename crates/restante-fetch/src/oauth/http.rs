//! One request, one answer: bounded in size and time, over HTTPS unless it is this machine. Redirects are not followed: a
//! request with a secret in it goes where it was meant to go.

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oauth2::http::{Request, Response};
use oauth2::url::Url;
use oauth2::{HttpRequest, HttpResponse};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

use super::error::TokenError;
use super::provider::may_be_asked;

/// Asks providers. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Http {
    through: Agent,
    direct: Agent,
}

/// Why there is no answer. Holds neither question nor answer.
#[derive(Debug)]
pub struct HttpFault {
    /// Whom.
    pub host: String,
    /// Why.
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

impl fmt::Display for HttpFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} cannot be asked: {}", self.host, self.cause)
    }
}

impl std::error::Error for HttpFault {}

impl Http {
    /// Trusts the authorities of this machine. With a proxy (`http://host:port`, `socks5://host:port`) all goes through it, but
    /// for this machine's own addresses.
    ///
    /// # Errors
    /// When the proxy is no such address.
    pub fn new(proxy: Option<&str>) -> Result<Self, TokenError> {
        let wrong = |_| TokenError::Proxy;
        let proxy = proxy.map(Proxy::new).transpose().map_err(wrong)?;
        Ok(Self { through: agent(proxy), direct: agent(None) })
    }

    /// Asks, and reads the answer to its end.
    ///
    /// # Errors
    /// When there is none, or more of it than fits.
    pub(super) fn ask(&self, request: HttpRequest) -> Result<HttpResponse, HttpFault> {
        let url = Url::parse(&request.uri().to_string());
        let host = url.as_ref().ok().and_then(Url::host_str).unwrap_or_default().to_owned();
        let failed =
            |cause: Box<dyn std::error::Error + Send + Sync>| HttpFault { host: host.clone(), cause };
        let Ok(url) = url else { return Err(failed("this is no address".into())) };
        if !may_be_asked(&url) {
            return Err(failed("this is not HTTPS".into()));
        }
        let agent = if url.scheme() == "http" { &self.direct } else { &self.through };
        let answer = agent.run(request).map_err(|error| failed(error.into()))?;
        let (head, mut body) = answer.into_parts();
        let octets = body
            .with_config()
            .limit(ANSWER_OCTETS_MAX)
            .read_to_vec()
            .map_err(|error| failed(error.into()))?;
        Ok(Response::from_parts(head, octets))
    }

    /// Asks for a document.
    pub(super) fn get(&self, address: &str) -> Result<HttpResponse, TokenError> {
        let request = Request::get(address).header("Accept", "application/json").body(Vec::new());
        let request = request.map_err(|_| TokenError::Discovery {
            issuer: address.to_owned(),
            what: "this is no address".to_owned(),
        })?;
        Ok(self.ask(request)?)
    }
}

/// The proxy that the environment names, where other programs look too.
#[must_use]
pub fn proxy(environment: &dyn Fn(&str) -> Option<OsString>) -> Option<String> {
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    names.iter().find_map(|name| environment(name)?.into_string().ok().filter(|proxy| !proxy.is_empty()))
}

fn agent(proxy: Option<Proxy>) -> Agent {
    let roots = rustls_native_certs::load_native_certs().certs;
    let roots: Vec<Certificate<'static>> =
        roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    // The same cryptography as for mail, and not whatever somebody has installed as the process's default.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(provider)
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(TIME_LIMIT))
        .user_agent(concat!("restante/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

/// One request, from the name to the last octet.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// Discovery documents have up to 10 KiB, tokens 4.
const ANSWER_OCTETS_MAX: u64 = 256 * 1024;
