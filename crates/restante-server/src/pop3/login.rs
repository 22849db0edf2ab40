//! From credentials to an open maildrop.
//!
//! The order is fixed and read top-down in `login`: credentials, then the places that are limited, then lock and listing,
//! then the reply. Nothing about an account is learned or held by anybody who has not shown what opens it (R2449-8.1.2).
//! The steps themselves are those of any session: `pop2.rs` takes them too.

use super::opened::Opened;
use super::{Guest, by_time};
use crate::assemble;
use crate::clock;
use crate::event::Peer;
use crate::limits::AccountPass;
use crate::listener::Visit;
use restante_auth::account::Account;
use restante_auth::verify::Verdict;
use restante_proto::sasl::Credentials;
use restante_proto::server::{Opening, Refusal, Step};
use restante_store::maildrop::OpenError;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

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
        self.session.opened(Opening::full(Arc::clone(opened.listing())));
        self.maildrop = Some(opened);
    }
}

impl Visit {
    /// Verifies, then takes one of the account's places.
    pub(crate) async fn log_in(&self, credentials: &Credentials) -> Result<Login, Refusal> {
        let account = self.verify(credentials).await?;
        let method = credentials.method().name();
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

    /// Takes the lock of an account's maildrop and lists it.
    pub(crate) async fn open(&self, login: &Login) -> Result<Opened, Refusal> {
        let Login { account, method, .. } = login;
        let settings = &self.settings;
        let location = assemble::location(&settings.config, account).map_err(|error| {
            self.note_fault(Some(&account.name), "find the maildrop", &error);
            Refusal::Permanent
        })?;
        settings.store.open(&location, clock::wall()).await.map(Opened::Exclusive).map_err(|error| {
            match error {
                OpenError::InUse => self.note_refused_account(account, method, &error),
                _ => self.note_fault(Some(&account.name), "open the maildrop", &error),
            }
            open_refusal(&error)
        })
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
