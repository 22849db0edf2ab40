//! A small OAuth 2.0 provider on loopback: discovery, device codes, the browser's way with PKCE, rotation, revocation, and
//! faults on demand; keys and answers about tokens for those who are shown one.
//!
//! It is strict where providers are: a refresh token is good for one refresh, and one that comes again ends the whole login
//! (RFC 6819 section 5.2.2.3); a code is good once and only with its verifier. Access tokens are `access-1`, `access-2` …, so that
//! a test can tell a mail server about them beforehand.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The provider; it ends on drop.
#[derive(Debug)]
pub struct OauthServer {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the person decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Person {
    /// Agrees.
    #[default]
    Agrees,
    /// Does not.
    Denies,
    /// Has not decided yet: device codes are pending.
    Waits,
}

/// How it behaves.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The person.
    pub person: Person,
    /// Seconds an access token lives.
    pub access_life: u64,
    /// Seconds a refresh token lives, as it is told.
    pub refresh_life: Option<u64>,
    /// Seconds between two questions of a device.
    pub interval: u64,
    /// Seconds a device code lives.
    pub device_life: u64,
    /// Device questions that are answered with `slow_down` before anything else.
    pub slow_downs: u32,
    /// Device questions after which the person agrees, whatever was said before.
    pub agrees_after: Option<u32>,
    /// Refreshes give a new refresh token.
    pub rotates: bool,
    /// Answers of the token endpoint in place of the right one: status and body, the first one first.
    pub answers: Vec<(u16, String)>,
    /// The documents stand where RFC 8414 says, not where OpenID Connect does.
    pub is_rfc_8414: bool,
    /// What the document says of the issuer, if not the truth.
    pub issuer: Option<String>,
    /// There is a revocation endpoint.
    pub revokes: bool,
    /// The access token of each number, if it is not `access-N`.
    pub access_tokens: Option<AccessTokens>,
    /// The set of keys at `/jwks`, if there is one.
    pub keys: Option<String>,
    /// What is said at `/introspect` of tokens; of others, that they are not active. Nobody but `restante` with the secret `s&cret` may
    /// ask.
    pub introspection: BTreeMap<String, Value>,
    /// It hangs up, whatever is asked.
    pub is_away: bool,
}

/// Makes access tokens.
#[derive(Clone)]
pub struct AccessTokens(pub Arc<dyn Fn(u32) -> String + Send + Sync>);

impl fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessTokens")
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            person: Person::Agrees,
            access_life: 3600,
            refresh_life: None,
            interval: 5,
            device_life: 600,
            slow_downs: 0,
            agrees_after: None,
            rotates: true,
            answers: Vec::new(),
            is_rfc_8414: false,
            issuer: None,
            revokes: true,
            access_tokens: None,
            keys: None,
            introspection: BTreeMap::new(),
            is_away: false,
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    behaviour: Behaviour,
    address: String,
    count: u32,
    /// The one refresh token that is good, and those that were.
    refresh: Option<String>,
    used: Vec<String>,
    /// Codes of the browser: their challenge and redirect address.
    codes: BTreeMap<String, (String, String)>,
    device_questions: u32,
    device_code: Option<String>,
    /// Each request: path and form, for assertions.
    log: Vec<(String, BTreeMap<String, String>)>,
}

impl OauthServer {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared { behaviour, address: format!("http://{address}"), ..Shared::default() };
        let shared = Arc::new(Mutex::new(shared));
        let is_over = Arc::new(AtomicBool::new(false));
        let (for_thread, is_over_there) = (Arc::clone(&shared), Arc::clone(&is_over));
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if is_over_there.load(Ordering::SeqCst) {
                    return;
                }
                // A client that goes away in the middle is its own business.
                let _ = serve(stream, &for_thread);
            }
        });
        Self { address, shared, is_over, thread: Some(thread) }
    }

    /// Its address, as `issuer` of fetch.toml.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes how it behaves.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut lock(&self.shared).behaviour);
    }

    /// Knows this refresh token as the one that is good, and nothing of what was before; the next access token is `access-2`.
    pub fn accept(&self, refresh: &str) {
        let mut shared = lock(&self.shared);
        shared.refresh = Some(refresh.to_owned());
        shared.used.clear();
        shared.count = 1;
    }

    /// How many access tokens it has given; the last is `access-N`.
    #[must_use]
    pub fn given(&self) -> u32 {
        lock(&self.shared).count
    }

    /// The refresh token that is good now.
    #[must_use]
    pub fn refresh_token(&self) -> Option<String> {
        lock(&self.shared).refresh.clone()
    }

    /// The forms that were sent to a path, in their order.
    #[must_use]
    pub fn forms(&self, path: &str) -> Vec<BTreeMap<String, String>> {
        lock(&self.shared).log.iter().filter(|(to, _)| to == path).map(|(_, form)| form.clone()).collect()
    }
}

impl Drop for OauthServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread up.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Opens an address as a browser does that is logged in there and has a person who agrees: follows redirects to the end.
/// Answers the last page.
///
/// # Panics
/// When a page cannot be had.
#[must_use]
pub fn browse(address: &str) -> String {
    let mut address = address.to_owned();
    for _ in 0..5 {
        let page = get(&address);
        match page.lines().find_map(|line| line.strip_prefix("Location: ")) {
            Some(next) => next.trim_end().clone_into(&mut address),
            None => return page,
        }
    }
    panic!("a circle of redirects at {address}");
}

/// One GET, the whole answer.
fn get(address: &str) -> String {
    let rest = address.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let host = host.replace("localhost", "127.0.0.1");
    let mut stream = TcpStream::connect(&host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What is answered: a status, a head's more lines, a body.
struct Reply(u16, String, String);

impl Reply {
    fn json(status: u16, body: &Value) -> Self {
        Self(
            status,
            "Content-Type: application/json\r\nCache-Control: no-store\r\n".to_owned(),
            body.to_string(),
        )
    }

    fn error(name: &str) -> Self {
        let said = format!("this is {name}\r\nsecond line");
        Self::json(400, &json!({ "error": name, "error_description": said }))
    }
}

/// One connection, one request.
fn serve(stream: TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (method, target) =
        (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or("/").to_owned());
    let (mut length, mut basic) = (0, None);
    loop {
        let mut field = String::new();
        if reader.read_line(&mut field)? <= 2 {
            break;
        }
        let lower = field.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if lower.starts_with("authorization: basic ") {
            basic = field.split(' ').nth(2).map(|text| text.trim().to_owned());
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut form = if method == "POST" { pairs(&String::from_utf8_lossy(&body)) } else { pairs(query) };
    if let Some(basic) = basic {
        form.insert("(basic)".to_owned(), basic);
    }
    let Reply(status, head, text) = {
        let mut shared = lock(shared);
        shared.log.push((path.to_owned(), form.clone()));
        if shared.behaviour.is_away {
            return Ok(());
        }
        shared.reply(path, &form)
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status} X\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}

impl Shared {
    fn reply(&mut self, path: &str, form: &BTreeMap<String, String>) -> Reply {
        let document = if self.behaviour.is_rfc_8414 {
            "/.well-known/oauth-authorization-server"
        } else {
            "/.well-known/openid-configuration"
        };
        match path {
            "/token" if !self.behaviour.answers.is_empty() => {
                let (status, body) = self.behaviour.answers.remove(0);
                Reply(status, "Content-Type: application/json\r\n".to_owned(), body)
            }
            "/token" => self.token(form),
            "/device" => self.device(),
            "/authorize" => self.authorize(form),
            "/revoke" => self.revoke(form),
            "/introspect" => self.introspect(form),
            "/jwks" if self.behaviour.keys.is_some() => {
                Reply(200, String::new(), self.behaviour.keys.clone().unwrap_or_default())
            }
            path if path == document => Reply::json(200, &self.document()),
            _ => Reply(404, String::new(), "nothing here".to_owned()),
        }
    }

    fn document(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.address);
        let mut document = json!({
            "issuer": self.behaviour.issuer.clone().unwrap_or_else(|| self.address.clone()),
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "device_authorization_endpoint": at("/device"),
            "response_types_supported": ["code"],
        });
        if self.behaviour.keys.is_some() {
            document["jwks_uri"] = at("/jwks").into();
        }
        if self.behaviour.revokes {
            document["revocation_endpoint"] = at("/revoke").into();
        }
        document
    }

    fn device(&mut self) -> Reply {
        let code = format!("device-{}", self.log.len());
        self.device_code = Some(code.clone());
        self.device_questions = 0;
        Reply::json(
            200,
            &json!({
                "device_code": code,
                "user_code": "WDJB-MJHT",
                "verification_uri": format!("{}/activate", self.address),
                "verification_uri_complete": format!("{}/activate?user_code=WDJB-MJHT", self.address),
                "expires_in": self.behaviour.device_life,
                "interval": self.behaviour.interval,
            }),
        )
    }

    /// The page on which the person agrees or not; it sends the browser back.
    fn authorize(&mut self, form: &BTreeMap<String, String>) -> Reply {
        let of = |key: &str| form.get(key).cloned().unwrap_or_default();
        if of("response_type") != "code"
            || of("code_challenge_method") != "S256"
            || of("client_id").is_empty()
        {
            return Reply(400, String::new(), "this request is wrong".to_owned());
        }
        let mut back = format!("{}?state={}&iss={}", of("redirect_uri"), of("state"), escaped(&self.address));
        if self.behaviour.person == Person::Denies {
            back.push_str("&error=access_denied");
        } else {
            let code = format!("code-{}", self.log.len());
            let _ = write!(back, "&code={code}");
            self.codes.insert(code, (of("code_challenge"), of("redirect_uri")));
        }
        Reply(302, format!("Location: {back}\r\n"), String::new())
    }

    fn token(&mut self, form: &BTreeMap<String, String>) -> Reply {
        let of = |key: &str| form.get(key).map_or("", String::as_str);
        match of("grant_type") {
            "authorization_code" => {
                let Some((challenge, redirect)) = self.codes.remove(of("code")) else {
                    return Reply::error("invalid_grant");
                };
                let digest = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(of("code_verifier")));
                match digest == challenge && redirect == of("redirect_uri") {
                    true => self.give(true),
                    false => Reply::error("invalid_grant"),
                }
            }
            "refresh_token" => {
                let token = of("refresh_token").to_owned();
                if self.refresh.as_deref() == Some(&*token) {
                    return self.give(self.behaviour.rotates);
                }
                if self.used.contains(&token) {
                    // Somebody has stolen it, or lost the new one: the login ends.
                    self.refresh = None;
                }
                Reply::error("invalid_grant")
            }
            "urn:ietf:params:oauth:grant-type:device_code" => self.device_token(of("device_code")),
            _ => Reply::error("unsupported_grant_type"),
        }
    }

    fn device_token(&mut self, code: &str) -> Reply {
        if self.device_code.as_deref() != Some(code) {
            return Reply::error("expired_token");
        }
        self.device_questions += 1;
        if self.behaviour.slow_downs > 0 {
            self.behaviour.slow_downs -= 1;
            return Reply::error("slow_down");
        }
        if self.behaviour.agrees_after.is_some_and(|after| self.device_questions > after) {
            self.behaviour.person = Person::Agrees;
        }
        match self.behaviour.person {
            Person::Waits => Reply::error("authorization_pending"),
            Person::Denies => Reply::error("access_denied"),
            Person::Agrees => {
                self.device_code = None;
                self.give(true)
            }
        }
    }

    fn give(&mut self, with_refresh: bool) -> Reply {
        self.count += 1;
        let token = match &self.behaviour.access_tokens {
            Some(AccessTokens(make)) => make(self.count),
            None => format!("access-{}", self.count),
        };
        let mut answer = json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.behaviour.access_life,
            "scope": "mail",
        });
        if with_refresh {
            let token = format!("refresh-{}", self.count);
            self.used.extend(self.refresh.replace(token.clone()));
            answer["refresh_token"] = token.into();
        }
        if let Some(life) = self.behaviour.refresh_life {
            answer["refresh_token_expires_in"] = life.into();
        }
        Reply::json(200, &answer)
    }

    fn introspect(&self, form: &BTreeMap<String, String>) -> Reply {
        if form.get("(basic)").map(String::as_str) != Some(CLIENT) {
            return Reply::json(401, &json!({ "error": "invalid_client" }));
        }
        let said = form.get("token").and_then(|token| self.behaviour.introspection.get(token));
        match said {
            Some(answer) => Reply::json(200, answer),
            None => Reply::json(200, &json!({ "active": false })),
        }
    }

    /// RFC 7009 section 2.2: what is unknown is no error.
    fn revoke(&mut self, form: &BTreeMap<String, String>) -> Reply {
        if form.get("token") == self.refresh.as_ref() {
            self.refresh = None;
        }
        Reply(200, String::new(), String::new())
    }
}

/// `restante:s%26cret`
const CLIENT: &str = "cmVzdGFudGU6cyUyNmNyZXQ=";

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A form or a query.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (unescaped(name), unescaped(value))
    };
    text.split('&').filter(|text| !text.is_empty()).map(pair).collect()
}

fn unescaped(text: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        match octet {
            b'+' => octets.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8_lossy(&digits).into_owned();
                octets.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
            }
            octet => octets.push(octet),
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, octet| {
        match octet.is_ascii_alphanumeric() {
            true => all.push(char::from(octet)),
            false => {
                let _ = write!(all, "%{octet:02X}");
            }
        }
        all
    })
}
