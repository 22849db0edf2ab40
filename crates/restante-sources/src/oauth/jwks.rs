//! Signed tokens (JWT), checked with the keys that their issuer publishes. The issuer hears nothing of single logins.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use restante_auth::account::AccountName;
use restante_auth::directory::{Answer, Notify, SourceError};
use restante_auth::token::{Finding, Flaw, TokenVerifier};
use restante_auth::verify::Attempt;
use restante_proto::secret::Secret;

use super::algorithm::Algorithm;
use super::ask::{self, Asker};
use super::claims::{Origin, Rules};
pub use super::discovery::Place;
use super::jws::Jws;
use super::keys::{Keys, Learned, Pace, Wanted};

/// What a verifier of signed tokens needs.
#[derive(Debug)]
pub struct Settings {
    /// What a token must say. Its issuer is named, and at least one audience.
    pub rules: Rules,
    /// Where the issuer's keys are.
    pub place: Place,
    /// By which algorithms tokens may be signed.
    pub algorithms: Vec<Algorithm>,
    /// Whether a token must call itself an access token (RFC 9068 section 2.1).
    pub wants_at_jwt: bool,
    /// How often the keys are asked for.
    pub pace: Pace,
    /// How they are asked for.
    pub asking: ask::Settings,
    /// Who is told when they cannot be had.
    pub notify: Option<Notify>,
}

/// Verifies signed tokens.
pub struct JwksTokens {
    source: String,
    rules: Rules,
    algorithms: Vec<Algorithm>,
    wants_at_jwt: bool,
    keys: Keys,
}

impl JwksTokens {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// The authorities cannot be used.
    pub fn new(settings: Settings) -> Result<Self, SourceError> {
        let Settings { rules, place, algorithms, wants_at_jwt, pace, asking, notify } = settings;
        let source = format!("tokens of {}", rules.issuer.as_deref().unwrap_or_default());
        let asker = Asker::new(&asking).map_err(|problem| SourceError::permanent(&source, vec![problem]))?;
        let keys = Keys::new(source.clone(), place, asking.authorities, asker, pace, notify);
        Ok(Self { source, rules, algorithms, wants_at_jwt, keys })
    }

    async fn find(&self, token: &Secret, attempt: &Attempt<'_>) -> Result<Finding, SourceError> {
        let Some(jws) = Jws::parse(token.expose()) else { return Ok(Finding::Unknown) };
        // Believed by nobody yet; but whoever gives another name need not be asked about.
        if jws.claims.get("iss").and_then(|issuer| issuer.as_str()) != self.rules.issuer.as_deref() {
            return Ok(Finding::Unknown);
        }
        let algorithm = Algorithm::named(&jws.algorithm).filter(|named| self.algorithms.contains(named));
        let Some(algorithm) = algorithm else { return Ok(Finding::Unfit(Flaw::Algorithm)) };
        if !self.is_kind(jws.kind.as_deref()) {
            return Ok(Finding::Unfit(Flaw::Form));
        }
        let wanted = Wanted { algorithm, id: jws.key_id.as_deref() };
        let Some(keys) = self.keys.with(wanted, attempt.at.now).await? else {
            return Ok(Finding::Unfit(Flaw::Key));
        };
        if !keys.has_signed(algorithm, wanted.id, jws.signed, &jws.signature) {
            return Ok(Finding::Unfit(Flaw::Signature));
        }
        Ok(self.rules.judge(&jws.claims, Origin::Token, attempt.today))
    }

    /// RFC 8725 section 3.11: tokens that end a session, tell of events or prove a key are signed by the same keys.
    fn is_kind(&self, kind: Option<&str>) -> bool {
        let Some(kind) = kind else { return !self.wants_at_jwt };
        let (full, plain) = ("application/", kind.to_ascii_lowercase());
        match plain.strip_prefix(full).unwrap_or(&plain) {
            "at+jwt" => true,
            "jwt" => !self.wants_at_jwt,
            _ => false,
        }
    }
}

impl TokenVerifier for JwksTokens {
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

    /// The keys are wanted, whatever is signed by them.
    fn probe<'a>(&'a self, _token: &'a Secret, attempt: &'a Attempt<'a>) -> Answer<'a, ()> {
        Box::pin(async { self.keys.renew(attempt.at.now).await.map(|_| ()) })
    }

    /// Gets the keys anew; those that are known stay if that fails. Answers how many there are.
    fn reload(&self, now: Instant) -> Answer<'_, usize> {
        Box::pin(self.keys.renew(now))
    }

    fn opens_unlisted(&self) -> bool {
        self.rules.opens_unlisted
    }

    fn hand_over(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.keys.hand_over().map(|learned| Arc::new(learned) as Arc<dyn Any + Send + Sync>)
    }

    fn take_over(&self, before: Arc<dyn Any + Send + Sync>) {
        if let Some(learned) = before.downcast_ref::<Learned>() {
            self.keys.take_over(learned);
        }
    }
}

impl fmt::Debug for JwksTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksTokens").field("rules", &self.rules).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
