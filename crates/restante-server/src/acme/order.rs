//! One order, from the account to the certificate on disk.

use super::answers::Published;
use super::http::Client;
use super::kept::{KeepError, Kept};
use crate::clock;
use crate::config::{Acme, Challenge, Config};
use crate::file;
use crate::shared::Shared;
use crate::shutdown;
use crate::tls::Identity;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, Identifier, KeyAuthorization,
    NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Orders a certificate for the names of `[acme]`, keeps it and has it used. Bounded in time; counts towards `orders_max`.
///
/// A reload meanwhile does not end it: it goes on with what it began with, its answers are shown by the identity of after the reload
/// ([`Identity::take_over`]), and what comes of it is used by that one.
///
/// # Errors
/// There is no new certificate; the old one is untouched.
pub(super) async fn order(
    shared: &Arc<Shared>,
    identity: &Identity,
    config: &Config,
    kept: &Kept,
) -> Result<(), OrderError> {
    let acme = &config.acme;
    let whole = async {
        let account = account(acme, kept).await?;
        let (own, max) = (kept.clone(), acme.orders_max);
        blocking(move || own.note_order(clock::wall(), max)).await?.map_err(OrderError::TooMany)?;
        let identifiers: Vec<Identifier> =
            acme.names.iter().map(|name| Identifier::Dns(name.to_ascii_lowercase())).collect();
        let mut order = match account.new_order(&NewOrder::new(&identifiers)).await {
            Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
                // The next try makes one.
                let (own, directory) = (kept.clone(), acme.directory.clone());
                blocking(move || own.forget_account(&directory)).await?;
                return Err(Error::Api(problem).into());
            }
            order => order?,
        };
        let answers = Publisher { shared, identity, acme };
        let published = answers.answer(&mut order).await?;
        if order.poll_ready(&PATIENCE).await? != OrderStatus::Ready {
            return Err(OrderError::Refused(refusal(&mut order).await));
        }
        drop(published);
        let key = zeroize::Zeroizing::new(order.finalize().await?);
        let chain = order.poll_certificate(&PATIENCE).await?;
        let (own, directory, names) = (kept.clone(), acme.directory.clone(), acme.names.clone());
        blocking(move || Ok(own.keep_certificate(&chain, &key, &directory, &names))).await??;
        // Of now: a reload may have put another in place since the order began.
        shutdown::refresh_identity(shared).await;
        Ok(())
    };
    tokio::time::timeout(ORDER_MAX, whole).await.unwrap_or(Err(OrderError::Late))
}

/// Our account at the directory, made at the first order.
async fn account(acme: &Acme, kept: &Kept) -> Result<Account, OrderError> {
    let ca = acme.ca.clone();
    let authorities = blocking(move || authorities(ca)).await?;
    let builder = Account::builder_with_http(Box::new(Client::new(&authorities)));
    let (own, directory) = (kept.clone(), acme.directory.clone());
    let credentials = blocking(move || own.account(&directory)).await?;
    if let Some(credentials) = credentials {
        let credentials = serde_json::from_slice::<AccountCredentials>(&credentials).map_err(Error::Json)?;
        return Ok(builder.from_credentials(credentials).await?);
    }
    let contacts: Vec<String> = acme.contact.iter().map(|address| format!("mailto:{address}")).collect();
    let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
    let wish = NewAccount {
        contact: &contacts,
        terms_of_service_agreed: acme.agree_terms,
        only_return_existing: false,
    };
    let (account, credentials) = builder.create(&wish, acme.directory.clone(), None).await?;
    let credentials = zeroize::Zeroizing::new(serde_json::to_vec(&credentials).map_err(Error::Json)?);
    let (own, directory) = (kept.clone(), acme.directory.clone());
    blocking(move || own.keep_account(&directory, &credentials)).await?;
    Ok(account)
}

/// Whom the directory's certificate must come from.
fn authorities(ca: Option<PathBuf>) -> io::Result<Vec<CertificateDer<'static>>> {
    let Some(ca) = ca else { return Ok(rustls_native_certs::load_native_certs().certs) };
    let text = file::read(&ca, AUTHORITIES_OCTETS_MAX)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    read.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", ca.display())))
}

/// Who puts the answers to challenges where the ACME server looks for them.
struct Publisher<'a> {
    shared: &'a Shared,
    identity: &'a Identity,
    acme: &'a Acme,
}

impl Publisher<'_> {
    /// Answers each challenge that is open, and says so to the ACME server. The answers are there as long as what is returned lives.
    async fn answer(&self, order: &mut Order) -> Result<Vec<Answer>, OrderError> {
        let mut answers = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                other => return Err(OrderError::Refused(format!("an authorization is {other:?}"))),
            }
            let name = authorization.identifier().to_string();
            let kind = match self.acme.challenge {
                Challenge::Http01 => ChallengeType::Http01,
                Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
            };
            let mut challenge = authorization.challenge(kind).ok_or(OrderError::NoChallenge)?;
            let token = challenge.token.clone();
            // It becomes the name of a file.
            if !is_token(&token) {
                return Err(OrderError::Refused("the token of a challenge is no token".to_owned()));
            }
            let key = challenge.key_authorization();
            answers.extend(self.publish(&name, token, &key).await?);
            challenge.set_ready().await?;
        }
        Ok(answers)
    }

    async fn publish(
        &self,
        name: &str,
        token: String,
        key: &KeyAuthorization,
    ) -> Result<Vec<Answer>, OrderError> {
        let mut answers = Vec::new();
        match self.acme.challenge {
            Challenge::Http01 => {
                let text = key.as_str().to_owned();
                if let Some(root) = &self.acme.webroot {
                    let path = root.join(".well-known/acme-challenge").join(&token);
                    let (file, octets) = (path.clone(), text.clone());
                    blocking(move || file::publish(&file, octets.as_bytes())).await?;
                    answers.push(Answer::File(path));
                }
                answers.push(Answer::Http(self.shared.acme.publish(token, text)));
            }
            Challenge::TlsAlpn01 => {
                let settings = tls_answer(name, key.digest().as_ref()).ok_or(OrderError::NoChallenge)?;
                let published = self.identity.acme_answers().publish(name.to_owned(), Arc::new(settings));
                answers.push(Answer::Tls(published));
            }
        }
        Ok(answers)
    }
}

/// What a handshake for `tls-alpn-01` shows (RFC 8737 section 3).
fn tls_answer(name: &str, digest: &[u8]) -> Option<rustls::ServerConfig> {
    if digest.len() != 32 {
        return None;
    }
    let key = KeyPair::generate().ok()?;
    let mut params = CertificateParams::new(vec![name.to_owned()]).ok()?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let made = params.self_signed(&key).ok()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der()).ok()?;
    // Its critical extension keeps the library from comparing them; they were made together.
    let key = provider.key_provider.load_private_key(key).ok()?;
    let pair = CertifiedKey::new(vec![made.der().clone()], key);
    let builder =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let mut settings =
        builder.with_no_client_auth().with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    settings.alpn_protocols = vec![crate::tls::ACME_ALPN.to_vec()];
    Some(settings)
}

/// RFC 8555 section 8.3: base64url without padding; the length is ours.
pub(super) fn is_token(token: &str) -> bool {
    let is_sign = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    (16..=128).contains(&token.len()) && token.bytes().all(is_sign)
}

/// An answer that is there.
enum Answer {
    Http(#[expect(dead_code, reason = "held for its end")] Published<String>),
    Tls(#[expect(dead_code, reason = "held for its end")] Published<Arc<rustls::ServerConfig>>),
    File(PathBuf),
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Self::File(path) = self {
            // It says nothing that is secret, and the next order has another name.
            let _ = file::remove(path);
        }
    }
}

/// What the ACME server has against us, in its words.
async fn refusal(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let name = authorization.identifier().to_string();
        let Ok(state) = authorization.refresh().await else { continue };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return format!("{name}: {problem}");
        }
    }
    "it does not say why".to_owned()
}

/// Work that waits for a disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, OrderError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(OrderError::Disk)
}

/// Why there is no new certificate.
#[derive(Debug)]
pub(crate) enum OrderError {
    /// The directory cannot be asked, or says no.
    Acme(Error),
    /// The challenge was not passed.
    Refused(String),
    /// The directory does not offer the configured challenge.
    NoChallenge,
    /// A file in the state folder.
    Disk(io::Error),
    /// A certificate came, and is of no use.
    Unusable(String),
    /// `orders_max`; so long until the next.
    TooMany(Duration),
    /// It took too long.
    Late,
}

impl OrderError {
    /// How long to wait at least, where that is known.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::TooMany(wait) => Some(*wait),
            _ => None,
        }
    }
}

impl From<Error> for OrderError {
    fn from(error: Error) -> Self {
        Self::Acme(error)
    }
}

impl From<KeepError> for OrderError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Disk(error) => Self::Disk(error),
            KeepError::Unusable(error) => Self::Unusable(crate::event::chain(&error)),
            KeepError::Lacks(name) => Self::Unusable(format!("it is not for {name}")),
        }
    }
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acme(error) => write!(f, "the directory: {error}"),
            Self::Refused(why) => write!(f, "not validated: {why}"),
            Self::NoChallenge => {
                f.write_str("the directory does not offer the challenge that acme.challenge names")
            }
            Self::Disk(error) => write!(f, "the state folder: {error}"),
            Self::Unusable(why) => write!(f, "the new certificate cannot be used: {why}"),
            Self::TooMany(_) => f.write_str("acme.orders_max orders were made within a day"),
            Self::Late => f.write_str("the order took too long"),
        }
    }
}

impl std::error::Error for OrderError {}

const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// How long validation and issue may take, each.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(180));

/// For the whole of an order.
const ORDER_MAX: Duration = Duration::from_secs(600);

const AUTHORITIES_OCTETS_MAX: u64 = 1024 * 1024;
