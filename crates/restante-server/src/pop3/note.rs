//! What a session has to say in the log while it goes on; its end is said by `leave`.

use super::Guest;
use crate::event::Event;
use restante_auth::account::{Account, AccountName};
use restante_proto::sasl::Credentials;
use std::error::Error;
use std::fmt::Display;

impl Guest {
    pub(super) fn note_refused(&self, credentials: &Credentials, reason: &dyn Display) {
        self.visit.shared.log.write(&Event::LoginRefused {
            trace: self.visit.trace,
            peer: &self.visit.peer,
            user: credentials.user(),
            method: credentials.method().name(),
            reason,
        });
    }

    pub(super) fn note_refused_account(&self, account: &Account, method: &str, reason: &dyn Display) {
        self.visit.shared.log.write(&Event::LoginRefused {
            trace: self.visit.trace,
            peer: &self.visit.peer,
            user: account.name.as_str().as_bytes(),
            method,
            reason,
        });
    }

    pub(super) fn note_fault(&self, doing: &str, error: &dyn Error) {
        self.note_fault_of(self.login.as_ref().map(|login| &login.account.name), doing, error);
    }

    pub(super) fn note_fault_of(&self, account: Option<&AccountName>, doing: &str, error: &dyn Error) {
        self.visit.shared.log.write(&Event::Fault {
            trace: self.visit.trace,
            peer: &self.visit.peer,
            account,
            doing,
            error,
        });
    }

    pub(super) fn note_warning(&self, problem: &dyn Display) {
        self.visit.shared.log.write(&Event::MaildropWarning {
            trace: self.visit.trace,
            account: self.login.as_ref().map(|login| &login.account.name),
            problem,
        });
    }
}
