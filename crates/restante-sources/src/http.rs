//! Accounts that a program of the operator's own knows: one JSON object is sent to its address by HTTP, one comes back.
//!
//! The question has `action` (`check` or `lookup`), `account`, `local`, `domain`, `service`, `peer`, `tls`, and with `check` the `password`. The
//! answer has `result` (`right`, `wrong`, `locked` or `unknown`) and fields of the account by the names of
//! [`restante_auth::settings::FIELDS`]. The server makes one of these for each `[[auth.source]]` of this type. HTTP belongs to the library `ureq`, which
//! blocks: so each question has a thread, and there are only so many.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use restante_auth::account::AccountName;
use restante_auth::directory::{Answer, Checked, Directory, Entry, Problem, Question, SourceError};
use restante_auth::password::{Scheme, StoredPassword};
use restante_auth::settings::Given;
use restante_proto::secret::{Secret, SecretBuffer};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use ureq::Agent;
use ureq::http::HeaderValue;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::trust;

/// What an HTTP source needs.
#[derive(Debug)]
pub struct Settings {
    /// Where to ask.
    pub url: Url,
    /// The authorities of the server's certificate, PEM; `None` for those that this machine trusts.
    pub authorities: Option<Vec<u8>>,
    /// A header that shows the server who asks: its name, and its value.
    pub secret: Option<(String, Secret)>,
    /// So many questions are asked at the same time, each on a thread.
    pub parallel_max: usize,
    /// The longest wait for an answer, with all that it takes.
    pub timeout: Duration,
}

/// An address that passwords may be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(String);

impl Url {
    /// `https://…`, or `http://…` on this machine; elsewhere only if `may_be_clear`.
    ///
    /// # Errors
    /// Another form, a user or a password in it, or HTTP over a network without leave.
    pub fn parse(text: &str, may_be_clear: bool) -> Result<Self, InvalidUrl> {
        let uri: ureq::http::Uri = text.parse().map_err(|_| InvalidUrl::Form)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(InvalidUrl::Form)?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(InvalidUrl::Form);
        }
        match uri.scheme_str() {
            Some("https") => Ok(Self(text.to_owned())),
            Some("http") if may_be_clear || is_here(host) => Ok(Self(text.to_owned())),
            Some("http") => Err(InvalidUrl::Clear),
            _ => Err(InvalidUrl::Form),
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The port that is connected to.
    pub fn port(&self) -> u16 {
        let uri: Option<ureq::http::Uri> = self.0.parse().ok();
        let port = uri.as_ref().and_then(ureq::http::Uri::port_u16);
        port.unwrap_or_else(|| if self.0.starts_with("https") { 443 } else { 80 })
    }
}

fn is_here(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => address.eq_ignore_ascii_case("localhost"),
    }
}

/// Why a text is no address that passwords may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidUrl {
    /// It is no address of HTTP, or has a user in it.
    Form,
    /// Passwords would go over a network in clear.
    Clear,
}

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "this is no address such as https://accounts.example.org/check",
            Self::Clear => "passwords would go over a network in clear",
        })
    }
}

impl std::error::Error for InvalidUrl {}

/// Accounts behind HTTP.
pub struct HttpDirectory {
    source: String,
    url: Url,
    agent: Agent,
    /// Marked as a secret, so that nothing shows it.
    header: Option<(String, HeaderValue)>,
    places: Arc<Semaphore>,
    timeout: Duration,
}

impl HttpDirectory {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// Authorities or a header that cannot be used.
    pub fn new(settings: Settings) -> Result<Self, SourceError> {
        let Settings { url, authorities, secret, parallel_max, timeout } = settings;
        let source = format!("http {}", url.0);
        let wrong = |problem| SourceError::permanent(&source, vec![problem]);
        let header = secret.map(|(name, value)| header(name, &value)).transpose().map_err(wrong)?;
        let agent = agent(authorities.as_deref(), timeout, parallel_max).map_err(wrong)?;
        Ok(Self {
            source,
            url,
            agent,
            header,
            places: Arc::new(Semaphore::new(parallel_max.max(1))),
            timeout,
        })
    }

    async fn ask(&self, question: &Question<'_>, password: Option<&str>) -> Result<Said, SourceError> {
        let body = body(question, password);
        let name = question.name.clone();
        let asked = tokio::time::timeout(self.timeout, async {
            // Never closed. Held until the thread has ended, also when nobody waits for it any more.
            let place = Arc::clone(&self.places).acquire_owned().await;
            let (agent, url, header) = (self.agent.clone(), self.url.clone(), self.header.clone());
            let asking = tokio::task::spawn_blocking(move || {
                let _place = place;
                post(&agent, &url, header, &body)
            });
            asking.await.unwrap_or_else(|_| Err("the thread that asks has ended".to_owned()))
        });
        let answer = match asked.await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", self.timeout.as_secs_f32())),
        };
        let answer = answer.map_err(|what| {
            let problem = Problem::new(what, "see whether the server runs and what it answers");
            SourceError::temporary(&self.source, problem)
        })?;
        Said::read(name, answer).map_err(|problem| SourceError::permanent(&self.source, vec![problem]))
    }
}

impl Directory for HttpDirectory {
    fn source(&self) -> String {
        self.source.clone()
    }

    fn lookup<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            let said = self.ask(question, None).await?;
            Ok(match said.result {
                // A wrong password was not asked about; the account is there.
                Outcome::Right | Outcome::Wrong => Some(said.given.entry()),
                Outcome::Locked => Some(Given { is_locked: true, ..said.given }.entry()),
                Outcome::Unknown => None,
            })
        })
    }

    fn checks(&self) -> bool {
        true
    }

    fn check<'a>(&'a self, question: &'a Question<'a>, password: &'a Secret) -> Answer<'a, Checked> {
        Box::pin(async move {
            // JSON has no other strings; and what is empty is nobody's password, whatever the other side thinks.
            let text = str::from_utf8(password.expose()).ok().filter(|text| !text.is_empty());
            let said = self.ask(question, text).await?;
            Ok(match said.result {
                Outcome::Unknown => Checked::Unknown,
                Outcome::Locked => Checked::Locked,
                Outcome::Right if said.given.is_locked => Checked::Locked,
                Outcome::Right if text.is_some() => Checked::Right(said.given.account),
                Outcome::Right | Outcome::Wrong => Checked::Wrong,
            })
        })
    }

    /// There is nothing to read again.
    fn decoy(&self, _seed: u64) -> Option<StoredPassword> {
        None
    }
}

impl fmt::Debug for HttpDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpDirectory").field("url", &self.url).finish_non_exhaustive()
    }
}

/// An answer, read and found sound.
#[derive(Debug)]
struct Said {
    result: Outcome,
    given: Given,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Right,
    Wrong,
    Locked,
    Unknown,
}

impl Said {
    fn read(name: AccountName, mut answer: Map<String, Value>) -> Result<Self, Problem> {
        let result = match answer.remove("result").as_ref().and_then(Value::as_str) {
            Some("right") => Outcome::Right,
            Some("wrong") => Outcome::Wrong,
            Some("locked") => Outcome::Locked,
            Some("unknown") => Outcome::Unknown,
            _ => {
                let what = format!("{name}: the answer has no result");
                return Err(Problem::new(what, "answer with result right, wrong, locked or unknown"));
            }
        };
        let mut fields = Vec::new();
        for (field, value) in answer {
            if field == "password" {
                let what = format!("{name}: the answer holds a stored password");
                return Err(Problem::new(what, "leave it out: this source says whether a password is right"));
            }
            let text = text(&value).ok_or_else(|| {
                let what = format!("{name}: the field {field} is an object, or a list of more than texts");
                Problem::new(what, "answer with texts, numbers, true or false, and lists of texts")
            })?;
            fields.push((field, text));
        }
        let fields = fields.iter().map(|(field, value)| (field.as_str(), value.as_str()));
        Ok(Self { result, given: Given::read(name, fields, Scheme::Plain)? })
    }
}

/// The text of a field; nothing says nothing.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(values) => {
            let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        Value::Object(_) => None,
    }
}

fn body(question: &Question<'_>, password: Option<&str>) -> SecretBuffer {
    let (name, at) = (question.name, question.at);
    let open = json!({
        "action": if password.is_some() { "check" } else { "lookup" },
        "account": name.as_str(),
        "local": name.local(),
        "domain": name.domain(),
        "service": at.service.name(),
        "peer": at.peer.map(|peer| peer.to_canonical().to_string()),
        "tls": at.is_encrypted,
    });
    let mut sink = Sink(SecretBuffer::new());
    let written = serde_json::to_writer(&mut sink, &Body { open, password });
    debug_assert!(written.is_ok(), "a sink takes all, and texts are all there is");
    sink.0
}

/// A question with a password beside it, which is not copied into a tree first.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    open: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

/// What takes all that is written.
struct Sink(SecretBuffer);

impl io::Write for Sink {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Asks and waits. Says what is wrong in words that hold neither question nor answer.
fn post(
    agent: &Agent,
    url: &Url,
    header: Option<(String, HeaderValue)>,
    body: &[u8],
) -> Result<Map<String, Value>, String> {
    let mut request =
        agent.post(&url.0).header("Content-Type", "application/json").header("Accept", "application/json");
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let mut answer = request.send(body).map_err(|error| format!("it cannot be asked: {error}"))?;
    if answer.status().as_u16() != 200 {
        return Err(format!("it answers with status {}", answer.status().as_u16()));
    }
    let octets = answer.body_mut().with_config().limit(ANSWER_OCTETS_MAX).read_to_vec();
    let octets = octets.map_err(|error| format!("its answer cannot be read: {error}"))?;
    serde_json::from_slice(&octets)
        .map_err(|error| format!("its answer is no JSON object (line {})", error.line()))
}

fn header(name: String, value: &Secret) -> Result<(String, HeaderValue), Problem> {
    let wrong = || Problem::new("the header cannot be sent", "write a name and a secret of printable ASCII");
    ureq::http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
    let mut value = HeaderValue::from_bytes(value.expose()).map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// What asks, over TLS with the cryptography that mail has; it follows no redirect.
pub(crate) fn agent(
    authorities: Option<&[u8]>,
    timeout: Duration,
    parallel_max: usize,
) -> Result<Agent, Problem> {
    let roots = trust::certificates(authorities)?;
    let roots: Vec<Certificate<'static>> =
        roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(provider)
        .build();
    Ok(Agent::config_builder()
        .tls_config(tls)
        // What the environment says of proxies is not for passwords.
        .proxy(None)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(parallel_max)
        .max_idle_connections_per_host(parallel_max)
        .timeout_global(Some(timeout))
        .user_agent(concat!("restante/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent())
}

/// A result and a dozen fields.
const ANSWER_OCTETS_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests;
