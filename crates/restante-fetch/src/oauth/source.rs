//! An access token whenever one is wanted: kept, or refreshed and made durable before anybody sees it.
//!
//! The pass asks here before it logs in, and once more when the mail server refuses the token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use restante_proto::secret::Secret;

use super::error::TokenError;
use super::grant::{Ending, Grant};
use super::http::Http;
use super::request::Asking;
use super::settings::Settings;
use super::store::{Locked, TokenStore};

/// Lets time pass; called while another process has the lock of a grant.
pub type Pause = dyn Fn(Duration) + Send + Sync;

/// The tokens of one account.
pub struct TokenSource {
    account: String,
    settings: Settings,
    /// The resolved client secret.
    secret: Option<Secret>,
    store: TokenStore,
    http: Http,
    pause: Arc<Pause>,
    /// What was given last, or what could not be stored yet.
    held: Option<Held>,
}

struct Held {
    grant: Grant,
    is_durable: bool,
}

impl TokenSource {
    /// For an account, as the journal calls it. `secret` is what `settings.client_secret` comes to.
    #[must_use]
    pub fn new(
        account: &str,
        settings: Settings,
        secret: Option<Secret>,
        (store, http, pause): (TokenStore, Http, Arc<Pause>),
    ) -> Self {
        Self { account: account.to_owned(), settings, secret, store, http, pause, held: None }
    }

    /// An access token that will do for a session that begins now. Asks the provider when the kept one has ended; the
    /// refresh token that came with the answer is durable before this returns. May wait for network and disk: on a thread that may.
    ///
    /// # Errors
    /// When there is no login, or no way to a new token.
    pub fn access_token(&mut self, now: Timestamp) -> Result<Secret, TokenError> {
        if let Some(held) = self.held.as_ref().filter(|held| held.is_durable && held.grant.is_fresh(now)) {
            return Ok(copy(&held.grant.access));
        }
        self.settled(now, |grant, _| grant.is_fresh(now))
    }

    /// Another access token than the last, which the mail server has refused although it should have done. To be tried
    /// once: when that is refused too, it is not the token's age.
    ///
    /// # Errors
    /// As [`TokenSource::access_token`].
    pub fn access_token_after_refusal(&mut self, now: Timestamp) -> Result<Secret, TokenError> {
        // Another process may have refreshed it meanwhile.
        self.settled(now, |grant, last| grant.is_fresh(now) && last != Some(grant.access.expose()))
    }

    /// When the login ends, if that is known and near: to be told to a person.
    ///
    /// # Errors
    /// As [`TokenStore::load`].
    pub fn warning(&self, now: Timestamp) -> Result<Option<Ending>, TokenError> {
        let lifetimes = self.settings.provider.lifetimes();
        let ending = match &self.held {
            Some(held) => held.grant.ending(lifetimes, now),
            None => self.store.load(&self.account)?.and_then(|grant| grant.ending(lifetimes, now)),
        };
        Ok(ending.filter(|ending| ending.is_near))
    }

    /// The token of the kept grant if it `will_do`, else a new one.
    fn settled(
        &mut self,
        now: Timestamp,
        will_do: impl Fn(&Grant, Option<&[u8]>) -> bool,
    ) -> Result<Secret, TokenError> {
        let store = self.store.clone();
        let account = self.account.clone();
        let last = self.held.as_ref().map(|held| copy(&held.grant.access));
        let last = last.as_ref().map(Secret::expose);
        let unlocked = self.ours(store.load(&account)?)?;
        let is_pending = self.held.as_ref().is_some_and(|held| !held.is_durable);
        if !is_pending && will_do(&unlocked, last) {
            return Ok(self.hold(unlocked));
        }
        let locked = store.lock(&account, &*self.pause)?;
        if is_pending {
            self.store_held(&locked)?;
        }
        let old = self.ours(locked.load()?)?;
        if will_do(&old, last) {
            return Ok(self.hold(old));
        }
        self.refresh(&locked, &old, now)
    }

    fn refresh(&mut self, locked: &Locked<'_>, old: &Grant, now: Timestamp) -> Result<Secret, TokenError> {
        let room = locked.make_room()?;
        let asking = Asking {
            http: &self.http,
            settings: &self.settings,
            secret: self.secret.as_ref(),
            endpoints: &old.endpoints,
        };
        let grant = asking.refresh(&self.account, old, now)?;
        // Should this fail, the old refresh token may be used up: what is held is stored at the next call.
        let held = self.held.insert(Held { grant, is_durable: false });
        room.fill(&held.grant)?;
        held.is_durable = true;
        Ok(copy(&held.grant.access))
    }

    /// Stores what could not be stored when it came.
    fn store_held(&mut self, locked: &Locked<'_>) -> Result<(), TokenError> {
        if let Some(held) = &mut self.held {
            locked.make_room()?.fill(&held.grant)?;
            held.is_durable = true;
        }
        Ok(())
    }

    /// A grant that is there, and that the configuration is about.
    fn ours(&self, grant: Option<Grant>) -> Result<Grant, TokenError> {
        let account = || self.account.clone();
        let grant = grant.ok_or_else(|| TokenError::NotLoggedIn { account: account() })?;
        match grant.provider == self.settings.provider_name() && grant.client_id == self.settings.client_id {
            true => Ok(grant),
            false => Err(TokenError::OtherClient { account: account() }),
        }
    }

    fn hold(&mut self, grant: Grant) -> Secret {
        let access = copy(&grant.access);
        self.held = Some(Held { grant, is_durable: true });
        access
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TokenSource").field("account", &self.account).finish_non_exhaustive()
    }
}

/// Gives a login back to the provider, so that it is worth nothing any more.
///
/// # Errors
/// [`TokenError::NotOffered`] when the provider has no way for that, or as it answers.
pub fn revoke(
    settings: &Settings,
    secret: Option<&Secret>,
    http: &Http,
    grant: &Grant,
) -> Result<(), TokenError> {
    Asking { http, settings, secret, endpoints: &grant.endpoints }.revoke(grant)
}

fn copy(secret: &Secret) -> Secret {
    Secret::new(secret.expose().to_vec())
}
