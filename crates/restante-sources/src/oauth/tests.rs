//! An issuer of the tests' own: keys, tokens signed by them, and a server on loopback that publishes and answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use restante_auth::directory::{Circumstances, Service, SourceError};
use restante_auth::token::{Finding, TokenVerifier};
use restante_auth::verify::Attempt;
use restante_auth::{address, directory};
use restante_proto::sasl::{Credentials, Mechanism, Method};
use restante_proto::secret::Secret;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::claims::Rules;

pub(super) fn base64(octets: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(octets)
}

/// A key of ES256 and its name.
pub(super) struct SigningKey {
    pub(super) id: &'static str,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    pub(super) fn new(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self { id, pair }
    }

    pub(super) fn public(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "kid": self.id, "x": base64(&point[1..33]), "y": base64(&point[33..])})
    }

    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", base64(signature))
    }

    /// With the usual header.
    pub(super) fn token(&self, claims: &Value) -> String {
        self.sign(&json!({"alg": "ES256", "kid": self.id}), claims)
    }
}

pub(super) fn set(keys: &[&SigningKey]) -> String {
    json!({"keys": keys.iter().map(|key| key.public()).collect::<Vec<_>>()}).to_string()
}

/// Answers each request as it was told to last; nothing, and the connection closed, is being away.
pub(super) struct Issuer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    is_over: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    answer: Option<String>,
    asked: Vec<String>,
}

impl Issuer {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (state, is_over) = (Arc::new(Mutex::new(State::default())), Arc::new(AtomicBool::new(false)));
        let (there, is_over_there) = (Arc::clone(&state), Arc::clone(&is_over));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if is_over_there.load(Ordering::SeqCst) {
                    return;
                }
                // Whoever asked may be gone.
                let _ = serve(stream, &there);
            }
        });
        Self { address, state, is_over }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn answers(&self, body: impl Into<String>) {
        self.answers_with("200 OK", &body.into());
    }

    pub(super) fn answers_with(&self, status: &str, body: &str) {
        let answer =
            format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.state.lock().unwrap().answer = Some(answer);
    }

    pub(super) fn is_away(&self) {
        self.state.lock().unwrap().answer = None;
    }

    /// All requests so far, heads and bodies.
    pub(super) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(&stream);
    let (mut text, mut length) = (String::new(), 0);
    loop {
        let start = text.len();
        reader.read_line(&mut text)?;
        let line = text[start..].to_ascii_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let answer = {
        let mut state = state.lock().unwrap();
        state.asked.push(text + std::str::from_utf8(&body).unwrap());
        state.answer.clone()
    };
    (&stream).write_all(answer.unwrap_or_default().as_bytes())
}

pub(super) const ISSUER: &str = "https://id.example.org";
/// 2027, in seconds since 1970.
pub(super) const TODAY: u64 = 1_800_000_000;

pub(super) fn rules() -> Rules {
    Rules {
        issuer: Some(ISSUER.to_owned()),
        audience: vec!["mail".to_owned(), "https://mail.example.org".to_owned()],
        scopes: Vec::new(),
        claim: "email".to_owned(),
        domain: None,
        domains: Vec::new(),
        leeway: Duration::from_secs(60),
        opens_unlisted: false,
        addresses: address::Settings {
            domains: vec!["example.org".to_owned()],
            ..address::Settings::default()
        },
    }
}

/// Claims that open alice's account under [`rules`].
pub(super) fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "mail", "exp": TODAY + 300, "iat": TODAY, "email": "Alice@example.org"})
}

/// The same with other claims; null takes one away.
pub(super) fn claims_with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

/// What a verifier says of a token, in a word.
pub(super) async fn says(verifier: &dyn TokenVerifier, token: &str, now: Instant) -> String {
    says_at(verifier, token, now, TODAY).await
}

pub(super) async fn says_at(verifier: &dyn TokenVerifier, token: &str, now: Instant, today: u64) -> String {
    let secret = || Secret::new(token.as_bytes().to_vec());
    let method = Method::Sasl(Mechanism::OAuthBearer);
    let credentials = Credentials::Token { user: None, token: secret(), method };
    let at = Circumstances::new(Service::Pop3, now);
    let today: SystemTime = UNIX_EPOCH + Duration::from_secs(today);
    let attempt = Attempt { credentials: &credentials, certificate: None, at, today };
    word(verifier.verify(&secret(), None, &attempt).await)
}

pub(super) fn word(said: Result<Finding, SourceError>) -> String {
    match said {
        Ok(Finding::Account(name)) => name.to_string(),
        Ok(Finding::Expired(name)) => format!("{name}, expired"),
        Ok(Finding::Unfit(flaw)) => format!("{flaw:?}"),
        Ok(Finding::Unknown) => "unknown".to_owned(),
        Err(error) => format!("{}{error}", if error.is_temporary() { "temporary: " } else { "permanent: " }),
    }
}

/// Waits for a condition that another task brings about.
pub(super) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "{what} has not come");
        tokio::task::yield_now().await;
    }
}

/// A function that takes notices, and what it was told.
pub(super) fn notices() -> (directory::Notify, Arc<Mutex<Vec<String>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let there = Arc::clone(&said);
    let notify = directory::Notify::new(move |notice| {
        if let directory::Notice::Kept(error) = notice {
            there.lock().unwrap().push(error.to_string());
        }
    });
    (notify, said)
}
