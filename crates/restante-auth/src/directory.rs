//! Sources of accounts: what they answer, and how they fail.
//!
//! A directory is asked for an account by its normalised name and answers with what it stores of it. One that hands no secrets
//! out is asked with the password instead ([`Directory::checks`]). It knows no protocol. `verify` is the only caller.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use restante_proto::secret::Secret;

use crate::account::{Account, AccountName};
use crate::credential::Credential;
use crate::password::scram::ScramVerifier;
use crate::password::{Hash, StoredPassword};
use census::Census;

pub mod aliases;
pub mod census;
pub mod embedded;
pub mod file;
pub(crate) mod follow;
pub(crate) mod lines;
mod table;

/// Something that knows accounts.
pub trait Directory: fmt::Debug + Send + Sync {
    /// What it is, for the log: `file /etc/restante/users`.
    fn source(&self) -> String;

    /// What is stored for the account of this name; `None` if there is none. May take time and fail. Of a directory that checks
    /// passwords itself the stored password means nothing, unless the account is locked.
    fn lookup<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, Option<Entry>>;

    /// Whether it checks passwords itself: then `check` is asked at a login with one, and `lookup` for everything else.
    fn checks(&self) -> bool {
        false
    }

    /// Whether this password, as it was typed, opens the account. May take time and fail; is dropped when the client is gone.
    fn check<'a>(&'a self, question: &'a Question<'a>, password: &'a Secret) -> Answer<'a, Checked> {
        let _ = (question, password);
        Box::pin(async { Ok(Checked::Unknown) })
    }

    /// An app password of `account` has opened it today; of an account and a credential of this directory or of another one. A
    /// directory that keeps when they were used last writes it as seldom as it sees fit. Neither waits nor fails.
    fn app_password_used(&self, account: &AccountName, credential: &Credential, today: SystemTime) {
        let _ = (account, credential, today);
    }

    /// Whether it can be asked, for an operator who wants to know before anybody logs in. The name in `question` is one that nobody need have.
    /// The default looks that name up.
    fn probe<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, ()> {
        Box::pin(async { self.lookup(question).await.map(|_| ()) })
    }

    /// `password`, as it was typed, has opened the account, whose stored form is an older one: stores it in the best there is, unless it was
    /// changed meanwhile, and answers whether it did. Durable on return. The default does nothing.
    fn upgrade<'a>(&'a self, question: &'a Question<'a>, password: &'a Secret) -> Answer<'a, bool> {
        let _ = (question, password);
        Box::pin(async { Ok(false) })
    }

    /// The account that mail for another name goes to, by this source; nobody logs in by such a name. The default knows none.
    fn alias<'a>(&'a self, alias: Alias<'a>, at: Circumstances) -> Answer<'a, Option<AccountName>> {
        let _ = (alias, at);
        Box::pin(async { Ok(None) })
    }

    /// Reads everything again. On an error all stays as it was. Answers how many accounts there are. The default is that of a
    /// directory that keeps nothing.
    fn reload(&self, now: Instant) -> Answer<'_, usize> {
        let _ = now;
        Box::pin(async { Ok(0) })
    }

    /// What kinds of secrets its accounts had when they were last read or counted, without asking anybody. The default is that of
    /// a directory that gives no passwords.
    fn census(&self) -> Arc<Census> {
        Arc::default()
    }

    /// About how many accounts it has, without asking anybody. The default is that of a directory that keeps nothing.
    fn accounts(&self) -> usize {
        0
    }

    /// All accounts, in no particular order, for an operator who wants to look at them; `None` from a directory that answers
    /// for one account at a time only, which is the default.
    fn list(&self, now: Instant) -> Answer<'_, Option<Vec<Account>>> {
        let _ = now;
        Box::pin(async { Ok(None) })
    }

    /// A stored secret that costs what those of this directory cost, for the work that an unknown account must take. The same
    /// `seed` gives the same cost, and over all seeds each cost is as frequent as among the accounts: an unknown name then
    /// behaves as *some* account does. Whether a password fits it means nothing. `None` if there is nothing to imitate. There is
    /// no default: a directory that gives passwords and forgets it tells by its time who has an account.
    fn decoy(&self, seed: u64) -> Option<StoredPassword>;
}

/// An answer that may take time and fail.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SourceError>> + Send + 'a>>;

/// What mail is for that is for no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alias<'a> {
    /// A name.
    Name(&'a AccountName),
    /// Whatever name of this domain, which is in its one form: that is written `@example.org`.
    Domain(&'a str),
}

/// About whom a directory is asked, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The normalised name.
    pub name: &'a AccountName,
    /// What around it is known.
    pub at: Circumstances,
}

/// When, from where and for what an account is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// What the account is wanted for.
    pub service: Service,
    /// From where somebody logs in; `None` for a delivery, for an operator, and through a unix socket.
    pub peer: Option<IpAddr>,
    /// Whether what is said travels under TLS.
    pub is_encrypted: bool,
    /// Whether the account has logged in from there of late: then its costly hash does not wait behind those of strangers.
    pub is_known: bool,
    /// The moment, for what is remembered for a while.
    pub now: Instant,
}

/// What an account is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Somebody collects mail, by POP3 or POP2.
    Pop3,
    /// Somebody sends mail, through a mail server that asks here.
    Smtp,
    /// A mail server delivers.
    Lmtp,
    /// An operator wants to know.
    Operator,
}

impl Service {
    /// Its name, as sources are told it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pop3 => "pop3",
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
            Self::Operator => "operator",
        }
    }
}

impl Circumstances {
    /// Of somebody who logs in from nowhere in particular.
    pub const fn new(service: Service, now: Instant) -> Self {
        Self { service, peer: None, is_encrypted: false, is_known: false, now }
    }
}

/// What a directory that checks passwords itself says of one.
#[derive(Clone, Debug)]
pub enum Checked {
    /// It opens this account.
    Right(Account),
    /// It does not.
    Wrong,
    /// The account is there, and no password opens it now.
    Locked,
    /// There is no such account.
    Unknown,
}

/// An account as a directory stores it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Who it is.
    pub account: Account,
    /// What its password is checked against.
    pub password: StoredPassword,
    /// What SCRAM needs, where it is stored beside or instead of a hash; at most one for each hash function.
    pub scram: Vec<ScramVerifier>,
    /// Other passwords that open it, each with what it may be used for. At most `credential::CREDENTIALS_MAX`, and none of an account
    /// that nobody may log in to. An account whose password is locked may have some: then they alone open it.
    pub app_passwords: Vec<Credential>,
}

impl Entry {
    /// The stored verifier for SCRAM with this hash, if it is fit to be shown to clients.
    pub fn verifier(&self, hash: Hash) -> Option<&ScramVerifier> {
        self.scram.iter().find(|verifier| verifier.hash == hash && verifier.is_presentable())
    }
}

/// What a source has to tell the operator while the server runs.
#[derive(Clone, Debug)]
pub enum Notice {
    /// The source changed and was read again.
    Reloaded {
        /// Which source.
        source: String,
        /// How many accounts it has now.
        accounts: usize,
    },
    /// The source changed but cannot be used; the accounts that were known stay in force. Said once for each state it is in.
    Kept(SourceError),
    /// The source is in use, but something in it does not have the effect that its author may expect.
    Doubtful(SourceError),
}

/// A function that takes notices. It is called from login tasks and must not block.
#[derive(Clone)]
pub struct Notify(Arc<dyn Fn(Notice) + Send + Sync>);

impl Notify {
    /// Calls `function` with each notice.
    pub fn new(function: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    /// Gives the notice to whom it is meant for.
    pub fn say(&self, notice: Notice) {
        (self.0)(notice);
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notify")
    }
}

/// A source cannot be used, or could not be read again. A clone is another handle to the same error.
#[derive(Clone, Debug)]
pub struct SourceError {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: String,
    problems: Vec<Problem>,
    is_temporary: bool,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// One thing that is wrong with a source, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line it stands on, from 1; `None` if it is about the whole.
    pub line: Option<u64>,
    /// What is wrong. Never holds a secret.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl SourceError {
    /// An error of `source` that holds until somebody acts.
    pub fn permanent(source: impl Into<String>, problems: Vec<Problem>) -> Self {
        Self { inner: Arc::new(Inner { source: source.into(), problems, is_temporary: false, cause: None }) }
    }

    /// An error of `source` that may pass by itself.
    pub fn temporary(source: impl Into<String>, problem: Problem) -> Self {
        Self {
            inner: Arc::new(Inner {
                source: source.into(),
                problems: vec![problem],
                is_temporary: true,
                cause: None,
            }),
        }
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn caused_by(self, cause: impl Error + Send + Sync + 'static) -> Self {
        let inner = Inner {
            source: self.inner.source.clone(),
            problems: self.inner.problems.clone(),
            is_temporary: self.inner.is_temporary,
            cause: Some(Box::new(cause)),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Which source: `file /etc/restante/users`.
    pub fn source_name(&self) -> &str {
        &self.inner.source
    }

    /// What is wrong, in the order of the lines. Never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.inner.problems
    }

    /// Whether it may pass by itself.
    pub fn is_temporary(&self) -> bool {
        self.inner.is_temporary
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.source)?;
        for (index, problem) in self.inner.problems.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { "; " })?;
            fmt::Display::fmt(problem, f)?;
        }
        Ok(())
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

impl Problem {
    /// A problem of the whole source.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { line: None, what: what.into(), remedy: remedy.into() }
    }
}

/// What a delivery asks.
#[cfg(test)]
pub(crate) const fn question(name: &AccountName, now: Instant) -> Question<'_> {
    Question { name, at: Circumstances::new(Service::Lmtp, now) }
}
