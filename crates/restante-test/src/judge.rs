//! One requirement, several servers: a judge that tests the law and not ourselves.
//!
//! Restante must obey. Dovecot must obey too, or it is named as a known departure with a reason, and then it has to fail
//! (a departure that no longer shows is stale, and the test says so), or the requirement cannot be put to it, with a reason.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::real::{Kind, Server, Setup};

/// A requirement about to be judged.
pub struct Case {
    setup: Setup,
    dovecot: Expectation,
}

enum Expectation {
    Obeys,
    Departs(&'static str),
    NotAsked(#[allow(dead_code, reason = "read by people, at the test")] &'static str),
}

impl Case {
    /// A requirement that every server obeys at a site as [`Setup::default`] describes it.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a case is begun, not defaulted")]
    pub fn new() -> Self {
        Self { setup: Setup::default(), dovecot: Expectation::Obeys }
    }

    /// A requirement with `messages` (as they lie on disk) in the maildrop of alice.
    #[must_use]
    pub fn with_mail(messages: Vec<Vec<u8>>) -> Self {
        Self::new().mail("alice", messages)
    }

    /// Puts `messages` (as they lie on disk) into the maildrop of `account`.
    #[must_use]
    pub fn mail(mut self, account: &str, messages: Vec<Vec<u8>>) -> Self {
        self.setup.mail.push((account.to_owned(), messages));
        self
    }

    /// Changes the site.
    #[must_use]
    pub fn site(mut self, change: impl FnOnce(&mut Setup)) -> Self {
        change(&mut self.setup);
        self
    }

    /// Adds an account.
    #[must_use]
    pub fn account(self, name: &str, password: &str) -> Self {
        self.site(|setup| setup.accounts.push((name.to_owned(), password.to_owned())))
    }

    /// Puts a line into the `[section]` with this name of Restante's configuration.
    #[must_use]
    pub fn restante(self, section: &str, line: &str) -> Self {
        self.site(|setup| setup.restante.push((section.to_owned(), line.to_owned())))
    }

    /// Dovecot is known not to obey, for this reason. It is still asked, and must fail.
    #[must_use]
    pub fn dovecot_departs(mut self, reason: &'static str) -> Self {
        self.dovecot = Expectation::Departs(reason);
        self
    }

    /// The requirement cannot be put to Dovecot, for this reason.
    #[must_use]
    pub fn dovecot_not_asked(mut self, reason: &'static str) -> Self {
        self.dovecot = Expectation::NotAsked(reason);
        self
    }

    /// Judges. `JUDGE_ONLY=dovecot` or `JUDGE_ONLY=restante` asks just one of them (to write a test before there is a server).
    ///
    /// # Panics
    /// When a server does not do what is expected of it.
    pub fn run(self, requirement: impl Fn(&mut Server)) {
        let only = std::env::var("JUDGE_ONLY").unwrap_or_default();
        if only != "restante" {
            match self.dovecot {
                Expectation::Obeys => ask(Kind::Dovecot, &self.setup, &requirement),
                Expectation::NotAsked(_) => {}
                Expectation::Departs(reason) => {
                    let outcome =
                        catch_unwind(AssertUnwindSafe(|| ask(Kind::Dovecot, &self.setup, &requirement)));
                    assert!(
                        outcome.is_err(),
                        "stale departure: Dovecot obeys, though it is said that {reason:?}"
                    );
                }
            }
        }
        if only != "dovecot" {
            ask(Kind::Restante, &self.setup, &requirement);
        }
    }
}

fn ask(kind: Kind, setup: &Setup, requirement: &impl Fn(&mut Server)) {
    let mut server = Server::start(kind, setup);
    let outcome = catch_unwind(AssertUnwindSafe(|| requirement(&mut server)));
    if let Err(panic) = outcome {
        eprintln!("judged: {kind:?}; its log:\n{}", server.log());
        resume_unwind(panic);
    }
}
