//! Tokens about which their issuer is asked, one by one (RFC 7662). What it found active is remembered for a while, under a keyed
//! digest, and never longer than the token lives.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use restante_auth::account::AccountName;
use restante_auth::directory::{Answer, Problem, SourceError};
use restante_auth::token::{Finding, Flaw, TokenVerifier};
use restante_auth::verify::Attempt;
use restante_proto::secret::{Secret, SecretBuffer};
use ring::hmac;
use ring::rand::SystemRandom;
use serde_json::Value;
use ureq::http::HeaderValue;
use zeroize::Zeroizing;

use super::ask::{self, Asker, Form};
use super::claims::{Origin, Rules, end, seconds};
use super::jws::{TOKEN_OCTETS_MAX, object};
use crate::http::Url;

/// What is needed to ask about tokens.
#[derive(Debug)]
pub struct Settings {
    /// What an answer must say.
    pub rules: Rules,
    /// Where to ask.
    pub url: Url,
    /// Who asks.
    pub login: Login,
    /// How is asked.
    pub asking: ask::Settings,
    /// How long and of how many tokens it is remembered that they were active; `None`: each login asks.
    pub memory: Option<(Duration, usize)>,
}

/// As whom the server asks.
#[derive(Debug)]
pub enum Login {
    /// As a client with a secret, by HTTP's Basic scheme (RFC 6749 section 2.3.1).
    Client {
        /// The client's id.
        id: String,
        /// Its secret.
        secret: Secret,
    },
    /// With a token of its own.
    Bearer(Secret),
}

/// Asks about tokens.
pub struct IntrospectedTokens {
    source: String,
    rules: Rules,
    url: Url,
    authorization: HeaderValue,
    asker: Asker,
    memory: Option<Memory>,
}

impl IntrospectedTokens {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// The authorities or the secret cannot be used, or there are no random numbers.
    pub fn new(settings: Settings) -> Result<Self, SourceError> {
        let Settings { rules, url, login, asking, memory } = settings;
        let source = format!("introspection {}", url.as_str());
        let wrong = |problem| SourceError::permanent(&source, vec![problem]);
        let authorization = login.header().map_err(wrong)?;
        let asker = Asker::new(&asking).map_err(wrong)?;
        let memory = memory
            .map(Memory::new)
            .transpose()
            .map_err(|_| SourceError::temporary(&source, Problem::new("no random numbers", "try again")))?;
        Ok(Self { source, rules, url, authorization, asker, memory })
    }

    async fn find(&self, token: &Secret, attempt: &Attempt<'_>) -> Result<Finding, SourceError> {
        let octets = token.expose();
        // R7628-4.1, RFC 6750 section 2.1: other octets, no issuer has put in a token.
        let is_fit = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._~+/=".contains(octet);
        let Some(text) = str::from_utf8(octets).ok().filter(|text| text.bytes().all(|it| is_fit(&it))) else {
            return Ok(Finding::Unknown);
        };
        if text.is_empty() || text.len() > TOKEN_OCTETS_MAX {
            return Ok(Finding::Unknown);
        }
        let recalled = self.memory.as_ref().map(|memory| memory.recall(octets, attempt));
        let occasion = match recalled {
            Some(Recalled::Active(account)) => return Ok(Finding::Account(account)),
            Some(Recalled::Unknown(occasion)) => Some(occasion),
            None => None,
        };
        let form = Form { authorization: self.authorization.clone(), token: Zeroizing::new(text.to_owned()) };
        let temporary = |what| {
            let problem = Problem::new(what, "see whether the issuer can be reached and what it answers");
            SourceError::temporary(&self.source, problem)
        };
        let permanent =
            |what: &str, remedy: &str| SourceError::permanent(&self.source, vec![Problem::new(what, remedy)]);
        let answer = self.asker.post(self.url.as_str(), form).await.map_err(temporary)?;
        match answer.status {
            200 => {}
            401 | 403 => {
                return Err(permanent("it does not let this server ask", "correct client_id and password"));
            }
            status => return Err(temporary(format!("it answers with status {status}"))),
        }
        let strange =
            || permanent("its answer says of no token whether it is active", "see whether url is right");
        let claims = object(&answer.body).ok_or_else(strange)?;
        match claims.get("active") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Ok(Finding::Unfit(Flaw::Inactive)),
            _ => return Err(strange()),
        }
        let finding = self.rules.judge(&claims, Origin::Answer, attempt.today);
        if let (Finding::Account(account), Some(memory), Some(occasion)) = (&finding, &self.memory, occasion)
        {
            memory.keep(&occasion, account, end(&claims), attempt.at.now);
        }
        Ok(finding)
    }
}

impl TokenVerifier for IntrospectedTokens {
    fn source(&self) -> String {
        self.source.clone()
    }

    fn verify<'a>(
        &'a self,
        token: &'a Secret,
        _claimed: Option<&'a AccountName>,
        attempt: &'a Attempt<'a>,
    ) -> Answer<'a, Finding> {
        Box::pin(self.find(token, attempt))
    }

    /// Forgets what is remembered.
    fn reload(&self, _now: Instant) -> Answer<'_, usize> {
        self.memory.iter().for_each(|memory| memory.forget(|_| true));
        Box::pin(std::future::ready(Ok(0)))
    }

    fn opens_unlisted(&self) -> bool {
        self.rules.opens_unlisted
    }

    fn forget(&self, account: &AccountName) {
        self.memory.iter().for_each(|memory| memory.forget(|name| name == account));
    }
}

impl fmt::Debug for IntrospectedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectedTokens").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Login {
    fn header(&self) -> Result<HeaderValue, Problem> {
        let text = match self {
            Self::Client { id, secret } => {
                let mut pair = SecretBuffer::with_capacity(3 * (id.len() + secret.expose().len()) + 1);
                escape(id.as_bytes(), &mut pair);
                pair.push(b':');
                escape(secret.expose(), &mut pair);
                let encoded = Zeroizing::new(BASE64_STANDARD.encode(&*pair));
                Zeroizing::new([b"Basic ", encoded.as_bytes()].concat())
            }
            Self::Bearer(token) => Zeroizing::new([b"Bearer ", token.expose()].concat()),
        };
        let mut value = HeaderValue::from_bytes(&text)
            .map_err(|_| Problem::new("the secret cannot be sent", "write a token of printable ASCII"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// As forms have it. RFC 6749 section 2.3.1 wants that before Basic's own base64.
fn escape(octets: &[u8], output: &mut SecretBuffer) {
    for &octet in octets {
        match octet.is_ascii_alphanumeric() || b"-._".contains(&octet) {
            true => output.push(octet),
            false => {
                let digit = |value: u8| if value < 10 { b'0' + value } else { b'A' + value - 10 };
                output.extend_from_slice(&[b'%', digit(octet >> 4), digit(octet & 0x0f)]);
            }
        }
    }
}

/// Tokens that were active not long ago.
struct Memory {
    ttl: Duration,
    entries_max: usize,
    key: hmac::Key,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<[u8; 32], Entry>,
    /// The same in the order of insertion, in which they end at the latest.
    ages: VecDeque<(Instant, [u8; 32])>,
    /// How often something was forgotten.
    generation: u64,
}

struct Entry {
    account: AccountName,
    /// Seconds since 1970.
    exp: Option<f64>,
}

enum Recalled {
    Active(AccountName),
    Unknown(Occasion),
}

/// Of an answer that was not there yet.
struct Occasion {
    digest: [u8; 32],
    generation: u64,
}

impl Memory {
    fn new((ttl, entries_max): (Duration, usize)) -> Result<Self, ring::error::Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        Ok(Self { ttl, entries_max, key, state: Mutex::default() })
    }

    fn recall(&self, token: &[u8], attempt: &Attempt<'_>) -> Recalled {
        let mut digest = [0; 32];
        let tag = hmac::sign(&self.key, token);
        digest.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        let mut state = self.state();
        state.expire(attempt.at.now);
        match state.entries.get(&digest) {
            Some(entry) if entry.is_alive(attempt.today) => Recalled::Active(entry.account.clone()),
            _ => Recalled::Unknown(Occasion { digest, generation: state.generation }),
        }
    }

    /// Unless something was forgotten while the issuer was asked: it may have answered from before.
    fn keep(&self, occasion: &Occasion, account: &AccountName, exp: Option<f64>, now: Instant) {
        let mut state = self.state();
        state.expire(now);
        let Some(latest) = now.checked_add(self.ttl) else { return };
        if self.entries_max == 0 || state.generation != occasion.generation {
            return;
        }
        // Its place and its end stay those of the first of two logins at once.
        if state.entries.contains_key(&occasion.digest) {
            return;
        }
        if state.ages.len() >= self.entries_max {
            state.drop_oldest();
        }
        state.entries.insert(occasion.digest, Entry { account: account.clone(), exp });
        state.ages.push_back((latest, occasion.digest));
    }

    fn forget(&self, is_meant: impl Fn(&AccountName) -> bool) {
        let mut state = self.state();
        let State { entries, ages, generation } = &mut *state;
        entries.retain(|_, entry| !is_meant(&entry.account));
        ages.retain(|(_, digest)| entries.contains_key(digest));
        *generation = generation.wrapping_add(1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn expire(&mut self, now: Instant) {
        while self.ages.front().is_some_and(|(latest, _)| *latest <= now) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, digest)) = self.ages.pop_front() {
            self.entries.remove(&digest);
        }
    }
}

impl Entry {
    /// Without leeway: the issuer can be asked.
    fn is_alive(&self, today: SystemTime) -> bool {
        self.exp.is_none_or(|exp| seconds(today) < exp)
    }
}

#[cfg(test)]
mod tests;
