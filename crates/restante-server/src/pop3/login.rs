//! From credentials to an open maildrop.
//!
//! The order is fixed and read top-down in `login`: credentials, then LOGIN-DELAY and the places that are limited, then lock
//! and listing, then the reply. Nothing about an account is learned or held by anybody who has not shown what opens it (R2449-8.1.2).
//! The steps themselves are those of any session: `pop2.rs` takes them too.

use super::opened::Opened;
use super::{Guest, by_time};
use crate::assemble;
use crate::clock;
use crate::event::Peer;
use crate::limits::AccountPass;
use crate::listener::Visit;
use crate::login_delay::{Claim, LastLogins};
use restante_auth::account::Account;
use restante_auth::verify::Verdict;
use restante_proto::maildrop::MessageNumber;
use restante_proto::sasl::Credentials;
use restante_proto::server::{Opening, Refusal, Step};
use restante_store::maildrop::{OpenError, Warning};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// Who is logged in, and how.
pub(crate) struct Login {
    pub(crate) account: Account,
    pub(crate) method: &'static str,
    _pass: AccountPass,
}

impl Guest {
    /// Answers `Step::Authenticate`, and the `Step::OpenMaildrop` that follows when the credentials are right.
    pub(super) async fn login(&mut self, credentials: Credentials) {
        let login = match self.visit.log_in(&credentials).await {
            Ok(login) => login,
            Err(refusal) => return self.session.refused(refusal),
        };
        drop(credentials);
        self.session.granted();
        let Step::OpenMaildrop = self.session.step(&mut self.connection.input, &mut self.connection.output)
        else {
            // The session would have broken its contract; it then closes at its next step.
            return;
        };
        let opened = match self.visit.open(&login).await {
            Ok(opened) => opened,
            Err(refusal) => return self.session.refused(refusal),
        };

        self.login = Some(login);
        for warning in opened.warnings() {
            self.note_warning(warning);
        }
        self.messages = Some(opened.listing().len() as u64);
        let last = self.last_accessed(&opened).await;
        let told = opened.told(self.visit.settings.config.pop3.quirks).await;
        self.session.opened(Opening { last, ..Opening::full(told) });
        self.maildrop = Some(opened);
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
    /// Verifies, looks whether that comes too early, then takes one of the account's places.
    pub(crate) async fn log_in(&self, credentials: &Credentials) -> Result<Login, Refusal> {
        let account = self.verify(credentials).await?;
        let method = credentials.method().name();
        // R2449-8.1.1.2, R2449-8.1.2: who has not shown what opens the account learns nothing of its logins.
        if let Some((logins, delay)) = self.login_delay() {
            let wait = logins.wait(&account.name, clock::wall(), delay);
            if !wait.is_zero() {
                return Err(self.refuse_early(&account, method, wait));
            }
        }
        match self.shared.admission.enter(&account.name, &self.settings.config.limits) {
            Some(pass) => Ok(Login { account, method, _pass: pass }),
            None => {
                self.note_refused_account(&account, method, &"too many sessions of the account");
                Err(Refusal::TooManySessions)
            }
        }
    }

    /// Whose credentials these are. A wrong answer waits here as long as the throttle says; the wait holds this task and
    /// nothing else.
    async fn verify(&self, credentials: &Credentials) -> Result<Account, Refusal> {
        let authenticator = &self.settings.authenticator;
        let throttle = &self.shared.throttle;
        let address = self.throttled_address();
        let name = authenticator.account_name(credentials.user());
        let name = name.as_ref().map_or_else(|_| credentials.user(), |name| name.as_str().as_bytes());

        let delay = throttle.delay(address, name, clock::now().into_std());
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match authenticator.verify(credentials, clock::now().into_std()).await {
            Verdict::Granted(account) => {
                throttle.succeeded(address, name, clock::now().into_std());
                Ok(account)
            }
            Verdict::Refused(reason) => {
                self.note_refused(credentials, &reason);
                let wait = throttle.failed(address, name, secret(credentials), clock::now().into_std());
                tokio::time::sleep(wait).await;
                Err(Refusal::Credentials)
            }
            Verdict::Unavailable(error) => {
                self.note_fault(None, "verify the password", &error);
                Err(by_time(error.is_temporary(), Refusal::Temporary, Refusal::Permanent))
            }
        }
    }

    /// Takes the lock of an account's maildrop and lists it. From here on the login counts for LOGIN-DELAY.
    pub(crate) async fn open(&self, login: &Login) -> Result<Opened, Refusal> {
        let Login { account, method, .. } = login;
        let settings = &self.settings;
        let location = assemble::location(&settings.config, account).map_err(|error| {
            self.note_fault(Some(&account.name), "find the maildrop", &error);
            Refusal::Permanent
        })?;
        let opened = settings.store.open(&location, clock::wall()).await.map(Opened::Exclusive);
        let opened = opened.map_err(|error| {
            match error {
                OpenError::InUse => self.note_refused_account(account, method, &error),
                _ => self.note_fault(Some(&account.name), "open the maildrop", &error),
            }
            open_refusal(&error)
        })?;
        self.claim(login).await?;
        Ok(opened)
    }

    /// Notes that the account is logged in now. Of two sessions that came this far at once the second is refused.
    async fn claim(&self, login: &Login) -> Result<(), Refusal> {
        let Some((logins, delay)) = self.login_delay() else { return Ok(()) };
        match logins.claim(&login.account.name, clock::wall(), delay).await {
            Claim::Noted => Ok(()),
            // R2449-6.5.4 still holds, but for a restart.
            Claim::Unwritten(error) => {
                self.note_fault(Some(&login.account.name), "keep the time of the login", &error);
                Ok(())
            }
            Claim::Early(wait) => Err(self.refuse_early(&login.account, login.method, wait)),
        }
    }

    /// The last logins and how far apart they must be, where that is configured.
    fn login_delay(&self) -> Option<(&Arc<LastLogins>, Duration)> {
        let delay = Duration::from_secs(self.settings.config.pop3.login_delay_s);
        self.settings.last_logins.as_ref().map(|logins| (logins, delay))
    }

    fn refuse_early(&self, account: &Account, method: &str, wait: Duration) -> Refusal {
        let reason = format_args!("the next login is possible in {} s", wait.as_millis().div_ceil(1000));
        self.note_refused_account(account, method, &reason);
        Refusal::LoginDelay
    }

    /// What failed logins are counted by. Programs of this machine count as one.
    fn throttled_address(&self) -> IpAddr {
        match self.peer {
            Peer::Tcp(address) => address.ip(),
            Peer::Unix => IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }
}

/// What was tried, so that the same mistake made twice counts once.
fn secret(credentials: &Credentials) -> &[u8] {
    match credentials {
        Credentials::Password { password, .. } => password.expose(),
        Credentials::Apop { digest, .. } | Credentials::Cram { digest, .. } => digest,
        Credentials::Scram(claim) => &claim.proof,
        Credentials::Token { token, .. } => token.expose(),
        Credentials::External { .. } | Credentials::Anonymous { .. } => &[],
    }
}

/// The one place where a maildrop that does not open becomes an answer. An empty maildrop is never among them.
fn open_refusal(error: &OpenError) -> Refusal {
    match error {
        OpenError::InUse => Refusal::InUse,
        OpenError::Temporary(_) => Refusal::Temporary,
        OpenError::Permanent(_) => Refusal::Permanent,
    }
}
