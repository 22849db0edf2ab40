//! What a token must say to open an account, and which account that is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use restante_auth::account::AccountName;
use restante_auth::address::{self, NameForm};
use restante_auth::token::{Finding, Flaw};
use serde_json::{Map, Value};

/// What is asked of a token.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Who must have given it, to the letter; `None` only where the one who is asked about it says all there is to say.
    pub issuer: Option<String>,
    /// One of these it must be for; empty only as with `issuer`.
    pub audience: Vec<String>,
    /// All of these it must have.
    pub scopes: Vec<String>,
    /// The claim that names the account.
    pub claim: String,
    /// The domain of the account, where the claim has none.
    pub domain: Option<String>,
    /// The domains whose accounts may be opened; empty: all.
    pub domains: Vec<String>,
    /// How much the clocks may differ.
    pub leeway: Duration,
    /// Whether accounts are opened that no source knows.
    pub opens_unlisted: bool,
    /// What names mean here.
    pub addresses: address::Settings,
}

/// From where the claims come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A signed token, which must say from whom it is and how long it is good.
    Token,
    /// An answer about a token, whose asker knows whom he has asked.
    Answer,
}

impl Rules {
    /// Whether claims that are believed open an account, and whose.
    #[must_use]
    pub fn judge(&self, claims: &Map<String, Value>, origin: Origin, today: SystemTime) -> Finding {
        match self.check(claims, origin, today) {
            Err(flaw) => Finding::Unfit(flaw),
            Ok((name, Life::Good)) => Finding::Account(name),
            Ok((name, Life::Over)) => Finding::Expired(name),
        }
    }

    fn check(
        &self,
        claims: &Map<String, Value>,
        origin: Origin,
        today: SystemTime,
    ) -> Result<(AccountName, Life), Flaw> {
        let is_ours = match (claims.get("iss"), &self.issuer) {
            (Some(Value::String(given)), Some(issuer)) => given == issuer,
            (None, _) | (Some(_), None) => origin == Origin::Answer,
            (Some(_), Some(_)) => false,
        };
        if !is_ours {
            return Err(Flaw::Issuer);
        }
        // RFC 7800: whoever shows it must also show that he has a key (RFC 8705, RFC 9449), which no mail client does.
        if claims.contains_key("cnf") {
            return Err(Flaw::Bound);
        }
        let audience = texts(claims.get("aud"), |text| vec![text]);
        let is_for_us = match self.audience.is_empty() {
            true => origin == Origin::Answer,
            false => audience.iter().any(|given| self.audience.iter().any(|ours| ours == given)),
        };
        if !is_for_us {
            return Err(Flaw::Audience);
        }
        let words = |name: &str| texts(claims.get(name), |text| text.split(' ').collect());
        let (scopes, more) = (words("scope"), words("scp"));
        if !self.scopes.iter().all(|wanted| scopes.iter().chain(&more).any(|given| given == wanted)) {
            return Err(Flaw::Scope);
        }
        let life = self.life(claims, origin, today)?;
        Ok((self.account(claims)?, life))
    }

    fn life(&self, claims: &Map<String, Value>, origin: Origin, today: SystemTime) -> Result<Life, Flaw> {
        let (today, leeway) = (seconds(today), self.leeway.as_secs_f64());
        for name in ["nbf", "iat"] {
            if moment(claims, name)?.is_some_and(|begin| today + leeway < begin) {
                return Err(Flaw::NotYet);
            }
        }
        match moment(claims, "exp")? {
            Some(end) if today - leeway >= end => Ok(Life::Over),
            None if origin == Origin::Token => Err(Flaw::Form),
            _ => Ok(Life::Good),
        }
    }

    /// Normalised as logins are, but nothing is made an account's name that is not: at some issuers, people choose what stands
    /// there. `alice+x` is alice's mail and not alice; letters that only look like others, or are folded into them, are others.
    fn account(&self, claims: &Map<String, Value>) -> Result<AccountName, Flaw> {
        let Some(Value::String(said)) = claims.get(&self.claim) else { return Err(Flaw::Claim) };
        let is_true = |value: &Value| value == &Value::Bool(true) || value == "true";
        // OpenID Connect Core section 5.1: unless it was verified, it is what somebody has typed.
        if self.claim == "email" && claims.get("email_verified").is_some_and(|value| !is_true(value)) {
            return Err(Flaw::Claim);
        }
        let whole = match &self.domain {
            Some(_) if said.contains('@') => return Err(Flaw::Name),
            Some(domain) => format!("{said}@{domain}"),
            None => said.clone(),
        };
        let name =
            |settings: &address::Settings| settings.account_name(whole.as_bytes()).map_err(|_| Flaw::Name);
        let ours = name(&self.addresses)?;
        let plain = address::Settings { detail_separator: None, ..self.addresses.clone() };
        if name(&plain)? != ours {
            return Err(Flaw::Name);
        }
        // As it was said, with the domain that a name without one is cut off from.
        let said = name(&address::Settings {
            domains: Vec::new(),
            default_domain: None,
            form: NameForm::Address,
            ..plain
        })?;
        if !whole.is_ascii() && said.as_str() != whole {
            return Err(Flaw::Name);
        }
        match self.may_open(&ours, said.domain()) {
            true => Ok(ours),
            false => Err(Flaw::Name),
        }
    }

    fn may_open(&self, ours: &AccountName, said: Option<&str>) -> bool {
        let is_among = |domains: &[String], domain: &str| {
            let normalised = |text: &String| address::normalised_domain(text).ok();
            domains.iter().filter_map(normalised).any(|known| known == domain)
        };
        let named = said.or_else(|| ours.domain());
        if !self.domains.is_empty() {
            return named.is_some_and(|domain| is_among(&self.domains, domain));
        }
        // A domain that is only cut off must be known for ours, or everybody's alice would be our alice.
        match (said, ours.domain()) {
            (Some(said), None) => {
                is_among(&self.addresses.domains, said)
                    || is_among(self.addresses.default_domain.as_slice(), said)
                    || self.domain.as_ref().is_some_and(|domain| is_among(std::slice::from_ref(domain), said))
            }
            _ => true,
        }
    }
}

/// Whether it has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Good,
    Over,
}

/// Until when it is good by its own account.
pub(super) fn end(claims: &Map<String, Value>) -> Option<f64> {
    moment(claims, "exp").ok().flatten()
}

/// Seconds since 1970 (RFC 7519 section 2, NumericDate).
pub(super) fn seconds(moment: SystemTime) -> f64 {
    match moment.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}

fn moment(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, Flaw> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(Flaw::Form),
    }
}

/// A text, or several; nothing for what is neither.
fn texts<'a>(value: Option<&'a Value>, split: impl Fn(&'a str) -> Vec<&'a str>) -> Vec<&'a str> {
    match value {
        Some(Value::String(text)) => split(text),
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
