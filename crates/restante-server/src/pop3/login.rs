//! From credentials to an open maildrop.
//!
//! The order is fixed and read top-down: what mechanisms ask for first, credentials, then LOGIN-DELAY and the places that are
//! limited, then lock and listing, then the reply. Nothing about an account is learned or held by anybody who has not shown
//! what opens it (R2449-8.1.2).
//! The steps themselves are those of any session: `pop2.rs` takes them too.

use super::opened::{Held, Opened};
use super::{Guest, by_time};
use crate::assemble;
use crate::clock;
use crate::connection::Connection;
use crate::defence::{self, Entrant, Judgement};
use crate::event::Peer;
use crate::event::session::LoggedIn;
use crate::limits::AccountPass;
use crate::listener::Visit;
use crate::login_delay::{Claim, LastLogins};
use crate::tls::certificate;
use restante_auth::account::{Access, Account};
use restante_auth::directory::{Circumstances, Service};
use restante_auth::verify::Grant;
use restante_auth::verify::scram::ScramParameters;
use restante_config::value::Span;
use restante_proto::maildrop::MessageNumber;
use restante_proto::sasl::{Credentials, ScramFacts, ScramQuery, ServerSignature};
use restante_proto::server::{Opening, Refusal};
use restante_store::maildrop::{OpenError, Warning};
use restante_store::{Location, Store};
use std::sync::Arc;
use std::time::Duration;

/// Whose credentials were right, and how they came.
pub(crate) struct Login {
    /// Aside: a session that waits shall be small.
    grant: Box<Grant>,
    pub(crate) method: &'static str,
    _pass: AccountPass,
}

impl Login {
    /// The account that is open to it.
    pub(crate) fn account(&self) -> &Account {
        &self.grant.account
    }

    /// What the log says of it. Lets go of the account's place.
    pub(crate) fn noted(self) -> LoggedIn {
        let Grant { account, app_password, .. } = *self.grant;
        LoggedIn { account: account.name, method: self.method, app_password }
    }
}

impl Guest {
    /// Answers `Step::Nonce`.
    pub(super) fn nonce(&mut self) {
        match self.visit.chance() {
            Ok(octets) => self.session.nonce(&octets),
            Err(refusal) => self.session.refused(refusal),
        }
    }

    /// Answers `Step::PrepareScram`.
    pub(super) async fn prepare_scram(&mut self, query: ScramQuery) {
        match self.scram_facts(&query).await {
            Ok(facts) => self.session.scram_prepared(facts),
            Err(refusal) => self.session.refused(refusal),
        }
    }

    async fn scram_facts(&self, query: &ScramQuery) -> Result<ScramFacts, Refusal> {
        let binding = match query.binding {
            None => Vec::new(),
            // The session asks only for what the channel has, and once (R9266-4.1.1).
            Some(kind) => self.connection.binding(kind).ok_or(Refusal::Temporary)?,
        };
        let nonce = self.visit.chance()?.to_vec();
        let at = self.visit.circumstances(&self.connection);
        let prepared = defence::prepare_scram(&self.visit.settings, query, at).await;
        let ScramParameters { salt, iterations } = prepared.map_err(|error| {
            let visit = &self.visit;
            defence::note_fault(&visit.shared, visit.trace, &visit.peer, "look up the account", &error);
            by_time(error.is_temporary(), Refusal::Temporary, Refusal::Permanent)
        })?;
        Ok(ScramFacts { nonce, salt, iterations, binding })
    }

    /// Answers `Step::Authenticate`. Who is granted is kept in mind, with one of the account's places; nothing is locked yet.
    pub(super) async fn log_in(&mut self, credentials: Credentials) {
        self.login = None;
        let certificate = self.certificate_name();
        let at = self.visit.circumstances(&self.connection);
        let (login, signature) = match self.visit.log_in(&credentials, certificate.as_deref(), at).await {
            Ok(granted) => granted,
            Err(refusal) => return self.session.refused(refusal),
        };
        self.login = Some(login);
        self.connection.write_until(None);
        match signature {
            Some(signature) => self.session.granted_with(signature),
            None => self.session.granted(),
        }
    }

    /// Answers `Step::OpenMaildrop`.
    pub(super) async fn open(&mut self) {
        let opened = match &self.login {
            Some(login) => self.visit.open(login).await,
            // The session asks only after a grant.
            None => Err(Refusal::Temporary),
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(refusal) => {
                self.login = None;
                return self.session.refused(refusal);
            }
        };
        for warning in opened.warnings() {
            self.note_warning(warning);
        }
        self.messages = Some(opened.listing().len() as u64);
        let last = self.last_accessed(&opened).await;
        let listing = opened.told(self.visit.settings.config.pop3.quirks.0, self.view()).await;
        self.session.opened(Opening { listing, rights: opened.rights(), last });
        self.connection.watch(opened.pulse());
        self.maildrop = Some(opened);
    }

    /// The name in the certificate that the client has shown.
    fn certificate_name(&self) -> Option<String> {
        let kind = self.visit.settings.config.tls.client_name;
        certificate::client_name(self.connection.client_certificate()?, kind)
    }
}

impl Guest {
    /// Where LAST begins (R1460-4.1), if it is offered.
    async fn last_accessed(&self, opened: &Opened) -> Option<MessageNumber> {
        if !self.visit.settings.config.pop3.last {
            return None;
        }
        let last = opened.last_accessed().await.unwrap_or_else(|failure| {
            self.note_warning(&Warning::Accessed(failure));
            None
        });
        last.and_then(MessageNumber::from_index)
    }
}

impl Visit {
    /// When, from where and for what this peer wants an account.
    pub(crate) fn circumstances(&self, connection: &Connection) -> Circumstances {
        Circumstances {
            peer: match self.peer {
                Peer::Tcp(address) => Some(address.ip()),
                Peer::Unix => None,
            },
            is_encrypted: self.tls_note(connection).is_some(),
            ..Circumstances::new(Service::Pop3, clock::now().into_std())
        }
    }

    /// Verifies, looks whether that comes too early, then takes one of the account's places. `certificate` is the name in the
    /// one that the peer has shown. With SCRAM there is a signature to be sent back.
    pub(crate) async fn log_in(
        &self,
        credentials: &Credentials,
        certificate: Option<&str>,
        at: Circumstances,
    ) -> Result<(Login, Option<ServerSignature>), Refusal> {
        let mut grant = self.verify(credentials, certificate, at).await?;
        let account = &grant.account;
        if let Some(pass) = &self.pass {
            pass.settle();
        }
        let method = credentials.method().name();
        // R2449-8.1.1.2, R2449-8.1.2: who has not shown what opens the account learns nothing of its logins.
        if let Some((logins, delay)) = self.login_delay(grant.access) {
            let wait = logins.wait(&account.name, clock::wall(), delay);
            if !wait.is_zero() {
                return Err(self.refuse_early(account, method, wait));
            }
        }
        let Some(pass) = self.shared.admission.enter(account, &self.settings.config.limits) else {
            self.note_refused_account(account, method, &"too many sessions of the account");
            return Err(Refusal::TooManySessions);
        };
        if let Credentials::Anonymous { trace } = credentials {
            self.note_anonymous(trace);
        }
        let signature = grant.server_signature.take();
        Ok((Login { grant, method, _pass: pass }, signature))
    }

    /// Whose credentials these are. The answer to wrong ones waits; the wait holds this task and nothing else.
    pub(crate) async fn verify(
        &self,
        credentials: &Credentials,
        certificate: Option<&str>,
        at: Circumstances,
    ) -> Result<Box<Grant>, Refusal> {
        let entrant = Entrant { trace: self.trace, peer: &self.peer, credentials, certificate, at };
        match defence::judge(&self.shared, &self.settings, entrant).await {
            Judgement::Granted(grant) => Ok(grant),
            Judgement::Refused => Err(Refusal::Credentials),
            Judgement::Unavailable { is_temporary } => {
                Err(by_time(is_temporary, Refusal::Temporary, Refusal::Permanent))
            }
        }
    }

    /// Takes the lock of an account's maildrop and lists it; one that may only be read is listed without the lock. From here on
    /// the login counts for LOGIN-DELAY.
    pub(crate) async fn open(&self, login: &Login) -> Result<Opened, Refusal> {
        let (account, method) = (login.account(), login.method);
        let (settings, now) = (&self.settings, clock::wall());
        let location = assemble::location(&settings.config, account).map_err(|error| {
            self.note_fault(Some(&account.name), "find the maildrop", &error);
            Refusal::Permanent
        })?;
        let store = assemble::store_of(&settings.config, &settings.store, account);
        let opened = match login.grant.access {
            Access::Full => self.open_exclusively(&store, account, &location).await.map(Opened::Exclusive),
            Access::ReadOnly => store.inspect(&location, now).await.map(Opened::Inspection),
        };
        let opened = opened.map_err(|error| {
            match &error {
                OpenError::InUse => self.note_refused_account(account, method, &error),
                OpenError::Guarded(why) => self.note_guarded(&account.name, why),
                _ => self.note_fault(Some(&account.name), "open the maildrop", &error),
            }
            open_refusal(&error)
        })?;
        self.count(account, &opened).await;
        self.claim(login).await?;
        Ok(opened)
    }

    /// Takes the lock; where that is configured, from a session of the account that has been silent for long.
    async fn open_exclusively(
        &self,
        store: &Store,
        account: &Account,
        location: &Location,
    ) -> Result<Held, OpenError> {
        let holders = &self.shared.holders;
        let mut opened = store.open_for(location, account.name.as_str(), clock::wall()).await;
        let Some(Span(after)) = self.settings.config.maildrop.takeover_after else {
            return opened.map(|maildrop| Held { maildrop, holding: None });
        };
        if let Err(OpenError::InUse) = opened
            && let Some(superseded) = holders.take_over(location, &account.name, after, clock::now()).await
        {
            self.note_takeover(account, &superseded);
            opened = store.open_for(location, account.name.as_str(), clock::wall()).await;
        }
        let maildrop = opened?;
        let holding = holders.hold(location, &account.name, (self.trace, self.peer), clock::now());
        Ok(Held { maildrop, holding: Some(holding) })
    }

    /// Where there is a quota: makes the total that deliveries go by agree with what is listed.
    async fn count(&self, account: &Account, opened: &Opened) {
        let limits = assemble::limits(&self.settings.config, account);
        if let Opened::Exclusive(held) = opened
            && !limits.are_none()
            && let Err(failure) = held.maildrop.count(limits, clock::wall()).await
        {
            self.note_fault(Some(&account.name), "count the maildrop for its quota", &failure);
        }
    }

    /// Notes that the account is logged in now. Of two sessions that came this far at once the second is refused.
    async fn claim(&self, login: &Login) -> Result<(), Refusal> {
        let Some((logins, delay)) = self.login_delay(login.grant.access) else { return Ok(()) };
        match logins.claim(&login.account().name, clock::wall(), delay).await {
            Claim::Noted => Ok(()),
            // R2449-6.5.4 still holds, but for a restart.
            Claim::Unwritten(error) => {
                self.note_fault(Some(&login.account().name), "keep the time of the login", &error);
                Ok(())
            }
            Claim::Early(wait) => Err(self.refuse_early(login.account(), login.method, wait)),
        }
    }

    /// The last logins and how far apart they must be, where that is configured. Those who read together do not wait for each
    /// other.
    fn login_delay(&self, access: Access) -> Option<(&Arc<LastLogins>, Duration)> {
        if access == Access::ReadOnly {
            return None;
        }
        let delay = Duration::from_secs(self.settings.config.pop3.login_delay_s);
        self.settings.last_logins.as_ref().map(|logins| (logins, delay))
    }

    fn refuse_early(&self, account: &Account, method: &str, wait: Duration) -> Refusal {
        let reason = format_args!("the next login is possible in {} s", wait.as_millis().div_ceil(1000));
        self.note_refused_account(account, method, &reason);
        Refusal::LoginDelay
    }

    /// Octets that nobody can have foreseen.
    pub(crate) fn chance(&self) -> Result<[u8; CHANCE_OCTETS], Refusal> {
        let mut octets = [0; CHANCE_OCTETS];
        getrandom::fill(&mut octets).map_err(|error| {
            self.note_fault(None, "draw random numbers", &error);
            Refusal::Temporary
        })?;
        Ok(octets)
    }
}

/// The one place where a maildrop that does not open becomes an answer. An empty maildrop is never among them.
fn open_refusal(error: &OpenError) -> Refusal {
    match error {
        OpenError::InUse => Refusal::InUse,
        OpenError::Temporary(_) | OpenError::Guarded(_) => Refusal::Temporary,
        OpenError::Permanent(_) => Refusal::Permanent,
    }
}

/// More than RFC 5802 and RFC 2195 need for a nonce that never comes twice.
const CHANCE_OCTETS: usize = 24;
