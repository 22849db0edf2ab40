//! What a session has to say in the log while it goes on; its end is said by `leave`.

use super::Guest;
use super::login::Login;
use super::opened::Held;
use crate::audit::Audit;
use crate::clock;
use crate::event::Event;
use crate::holders::Superseded;
use crate::listener::Visit;
use restante_auth::account::{Account, AccountName};
use restante_proto::maildrop::{Listing, Marks};
use restante_store::gone::Gone;
use restante_store::maildrop::Warning;
use std::error::Error;
use std::fmt::Display;

impl Guest {
    pub(super) fn note_fault(&self, doing: &str, error: &dyn Error) {
        self.visit.note_fault(self.login.as_ref().map(|login| &login.account().name), doing, error);
    }

    pub(super) fn note_warning(&self, problem: &dyn Display) {
        self.visit.note_warning(self.login.as_ref().map(|login| &login.account().name), problem);
    }
}

impl Guest {
    /// Writes down what was removed, where that is wanted.
    pub(super) async fn audit(&self, listing: &Listing, gone: &Gone) {
        self.visit.audit(self.login.as_ref().map(|login| &login.account().name), listing, gone).await;
    }
}

impl Visit {
    /// Remembers what a session has retrieved whole, for expiry. What fails is kept longer, and is in the log.
    pub(crate) async fn keep_retrieved(
        &self,
        held: &mut Held,
        retrieved: &Marks,
        removed: &Marks,
        login: Option<&Login>,
    ) {
        if !retrieved.is_empty()
            && let Err(failure) = held.maildrop.keep_retrieved(retrieved, removed, clock::wall()).await
        {
            self.note_warning(login.map(|login| &login.account().name), &Warning::Index(failure));
        }
    }

    /// Writes down what was removed, where that is wanted.
    pub(crate) async fn audit(&self, account: Option<&AccountName>, listing: &Listing, gone: &Gone) {
        if let Some(account) = account.filter(|_| self.settings.config.log.deletions) {
            let (log, trace, peer) = (&self.shared.log, self.trace, Some(self.peer));
            Audit { log, trace, peer, account, by: "quit" }.write(listing, gone).await;
        }
    }

    pub(crate) fn note_refused_account(&self, account: &Account, method: &str, reason: &dyn Display) {
        self.shared.log.write(&Event::LoginRefused {
            trace: self.trace,
            peer: &self.peer,
            user: account.name.as_str().as_bytes(),
            method,
            reason,
        });
    }

    pub(super) fn note_takeover(&self, account: &Account, superseded: &Superseded) {
        self.shared.log.write(&Event::TakenOver {
            trace: self.trace,
            peer: &self.peer,
            account: &account.name,
            superseded,
        });
    }

    pub(super) fn note_anonymous(&self, told: &[u8]) {
        self.shared.log.write(&Event::Anonymous { trace: self.trace, peer: &self.peer, told });
    }

    pub(crate) fn note_fault(&self, account: Option<&AccountName>, doing: &str, error: &dyn Error) {
        self.shared.log.write(&Event::Fault { trace: self.trace, peer: &self.peer, account, doing, error });
    }

    pub(crate) fn note_guarded(&self, account: &AccountName, why: &dyn Display) {
        self.shared.log.write(&Event::Guarded { trace: self.trace, peer: &self.peer, account, why });
    }

    pub(crate) fn note_warning(&self, account: Option<&AccountName>, problem: &dyn Display) {
        self.shared.log.write(&Event::MaildropWarning { trace: self.trace, account, problem });
    }
}
