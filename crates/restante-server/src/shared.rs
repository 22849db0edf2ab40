//! What all sessions share: the settings of the moment, and what outlives them.
//!
//! `Settings` is made from one configuration and never changes; a reload puts new ones in place, and a session keeps
//! those it began with. `Shared` counts, remembers and logs for as long as the server runs.

use crate::acme::Answers;
use crate::assemble;
use crate::bans::{self, Bans};
use crate::clock;
use crate::config::{Config, Plaintext};
use crate::connection::Buffers;
use crate::event::{Event, Log, Peer, Repeats, Trace};
use crate::file;
use crate::holders::Holders;
use crate::limits::{Admission, Turns};
use crate::login_delay::{self, LastLogins};
use crate::policy::{self, Pop3Policies, Wish};
use crate::submission::Submission;
use crate::tls::Identity;
use crate::tls::pair::PairError;
use arc_swap::ArcSwap;
use restante_auth::directory::{Notice, Notify as NoticeTaker, SourceError};
use restante_auth::throttle::Throttle;
use restante_auth::verify::Authenticator;
use restante_auth::verify::scram::KEY_OCTETS;
use restante_proto::{dovecot, lmtp, pop2, server};
use restante_store::disk::LocalDisk;
use restante_store::{Store, guard};
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::hash::BuildHasher;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// What outlives configurations.
pub(crate) struct Shared {
    pub(crate) settings: ArcSwap<Settings>,
    pub(crate) log: Log,
    pub(crate) repeats: Repeats,
    pub(crate) admission: Arc<Admission>,
    pub(crate) throttle: Throttle,
    /// What an ACME server finds when it looks for us.
    pub(crate) acme: Answers,
    pub(crate) turns: Turns,
    pub(crate) bans: Bans,
    pub(crate) holders: Arc<Holders>,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) traces: Traces,
    /// Rings when the server begins to stop.
    pub(crate) drain: Notify,
    is_draining: AtomicBool,
    sessions: Mutex<HashMap<Trace, Option<AbortHandle>>>,
}

impl Shared {
    pub(crate) fn new(settings: Settings, log: Log) -> Self {
        let throttle = Throttle::new(assemble::throttle(&settings.config));
        let bans = open_bans(&settings.config, &log);
        Self {
            settings: ArcSwap::from_pointee(settings),
            log,
            repeats: Repeats::default(),
            admission: Arc::default(),
            acme: Answers::default(),
            holders: Arc::default(),
            throttle,
            turns: Turns::default(),
            bans,
            buffers: Arc::default(),
            traces: Traces::default(),
            drain: Notify::new(),
            is_draining: AtomicBool::new(false),
            sessions: Mutex::default(),
        }
    }

    /// Does the server stop? Ask after `drain` is listened to.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Tells all sessions that the server stops.
    pub(crate) fn begin_drain(&self) {
        self.is_draining.store(true, Ordering::Release);
        self.drain.notify_waiters();
    }

    /// Makes room in the list of sessions that can be cut. The place lasts as long as what is returned.
    pub(crate) fn register(self: &Arc<Self>, trace: Trace) -> Registered {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(trace, None);
        Registered { shared: Arc::clone(self), trace }
    }

    /// Runs a registered session as a task of its own.
    pub(crate) fn spawn(&self, trace: Trace, session: impl Future<Output = ()> + Send + 'static) {
        let task = tokio::spawn(session);
        // A session that has ended meanwhile is not there any more, and stays away.
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = sessions.get_mut(&trace) {
            *handle = Some(task.abort_handle());
        }
    }

    /// Ends every session where it stands; says how many there were.
    pub(crate) fn cut_all(&self) -> usize {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.values().flatten().for_each(AbortHandle::abort);
        sessions.len()
    }
}

/// A session's place in the list of those that can be cut.
pub(crate) struct Registered {
    shared: Arc<Shared>,
    trace: Trace,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut sessions = self.shared.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&self.trace);
        // The memory of a crowd that has left.
        if sessions.len() < sessions.capacity() / 8 && sessions.capacity() > 1024 {
            sessions.shrink_to_fit();
        }
    }
}

/// Everything that follows from one configuration.
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) authenticator: Authenticator,
    pub(crate) identity: Option<Arc<Identity>>,
    /// Where there is a LOGIN-DELAY.
    pub(crate) last_logins: Option<Arc<LastLogins>>,
    pub(crate) lmtp: Arc<lmtp::Policy>,
    pop3: Pop3Policies,
    /// Where messages of XTND XMIT go, if anywhere.
    pub(crate) submission: Option<Submission>,
}

impl Settings {
    /// Reads accounts, certificate and key. Blocks for the files.
    ///
    /// # Errors
    /// What the configuration names cannot be used.
    pub(crate) fn new(config: Config, log: &Log) -> Result<Self, SettingsError> {
        let notices = log.clone();
        let notify = NoticeTaker::new(move |notice| match notice {
            Notice::Reloaded { source, accounts } => {
                notices.write(&Event::AccountsReloaded { source: &source, accounts });
            }
            Notice::Kept(error) => notices.write(&Event::AccountsKept { error: &error }),
            Notice::Doubtful(error) => notices.write(&Event::AccountsDoubtful { error: &error }),
        });
        let key = scram_key(&config, log)?;
        let authenticator =
            assemble::authenticator(&config, Some(notify), key).map_err(SettingsError::Accounts)?;
        let identity = Identity::load(&config, log).map_err(SettingsError::Certificate)?;
        let last_logins = open_last_logins(&config, log)?;
        let config = with_guard(config, log);
        Ok(Self {
            store: assemble::store(&config),
            pop3: Pop3Policies::new(&config, &authenticator),
            authenticator,
            identity: identity.map(Arc::new),
            last_logins,
            lmtp: Arc::new(lmtp::Policy {
                hostname: config.hostname.clone(),
                message_octets_max: config.lmtp.message_octets_max,
                recipients_max: usize::try_from(config.lmtp.recipients_max).unwrap_or(usize::MAX),
                limits: lmtp::Limits::default(),
            }),
            submission: Submission::new(&config),
            config,
        })
    }

    /// Goes on with the last logins of the settings that these replace, so that there is one table for one file, with the keys of
    /// issuers, who may be away just now, and with the answers to challenges of an order that is under way.
    pub(crate) fn take_over(&mut self, before: &Self) {
        self.authenticator.take_over(&before.authenticator);
        if let (Some(identity), Some(before)) = (&mut self.identity, &before.identity)
            && let Some(identity) = Arc::get_mut(identity)
        {
            identity.take_over(before);
        }
        if let (Some(_), Some(last_logins)) = (&self.last_logins, &before.last_logins)
            && self.config.state_dir == before.config.state_dir
        {
            self.last_logins = Some(Arc::clone(last_logins));
        }
    }

    /// Must sessions note what they have retrieved?
    pub(crate) fn expires_from_retrieval(&self) -> bool {
        self.config
            .maildrop
            .expiry()
            .is_some_and(|expiry| expiry.from == restante_store::expiry::From::Retrieval)
    }

    /// What POP3 offers to this peer.
    pub(crate) fn pop3(&self, peer: Peer) -> Arc<server::Policy> {
        self.pop3.now(self.trusts(peer), &self.config, &self.authenticator)
    }

    /// What POP2 offers to this peer. Made for each session: nobody but a museum has many.
    pub(crate) fn pop2(&self, peer: Peer) -> Arc<pop2::Policy> {
        Arc::new(pop2::Policy {
            hostname: self.config.hostname.clone(),
            plaintext_without_tls: self.trusts(peer),
            limits: pop2::Limits::default(),
        })
    }

    /// What mail servers are offered for their clients. Made for each connection: those are few and long.
    pub(crate) fn sasl(&self) -> Arc<dovecot::server::Policy> {
        Arc::new(policy::sasl(&self.config, &self.authenticator))
    }

    /// May this peer send passwords in clear?
    fn trusts(&self, peer: Peer) -> bool {
        match self.config.auth.plaintext_without_tls {
            Plaintext::Never => false,
            Plaintext::Loopback => peer.is_local(),
            Plaintext::Always => true,
        }
    }

    /// A timestamp for the greeting, where APOP is offered (R1939-7.25).
    pub(crate) fn apop_timestamp(&self, trace: Trace) -> Option<String> {
        if !self.config.auth.apop || !self.authenticator.serves_apop() {
            return None;
        }
        // The trace differs from session to session, the time from one run of the server to the next.
        let time = clock::wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
        Some(format!("<{trace}.{time:x}@{}>", self.config.hostname))
    }
}

/// The configuration, with the guard switched off where it cannot remember anything.
fn with_guard(mut config: Config, log: &Log) -> Config {
    if config.maildrop.guard
        && let Err(failure) = guard::prepare(&LocalDisk, &assemble::guard_folder(&config))
    {
        let problem = format!(
            "maildrops are not guarded against retrieving everything again: {failure}; let the server's user own state_dir, or set \
             maildrop.guard = false"
        );
        log.write(&Event::Warning { problem: &problem });
        config.maildrop.guard = false;
    }
    config
}

/// Reads the ban list; what is wrong with it is in the log.
fn open_bans(config: &Config, log: &Log) -> Bans {
    let (bans, read) = Bans::open(&config.state_dir, clock::wall());
    let path = bans::path(&config.state_dir);
    let problem = match read {
        Ok(0) => return bans,
        Ok(damaged) => format!("{}: lines that are no bans left out: {damaged}", path.display()),
        Err(error) => format!(
            "bans are not kept over a restart: {} cannot be used: {error}; let the server's user own state_dir",
            path.display()
        ),
    };
    log.write(&Event::Warning { problem: &problem });
    bans
}

fn open_last_logins(config: &Config, log: &Log) -> Result<Option<Arc<LastLogins>>, SettingsError> {
    if config.pop3.login_delay_s == 0 {
        return Ok(None);
    }
    let path = login_delay::path(&config.state_dir);
    let (last_logins, damaged) = match LastLogins::open(&config.state_dir) {
        Ok(opened) => opened,
        Err(error) => return Err(SettingsError::LastLogins(path, error)),
    };
    if damaged > 0 {
        let problem = format!("{}: damaged records left out: {damaged}", path.display());
        log.write(&Event::Warning { problem: &problem });
    }
    Ok(Some(Arc::new(last_logins)))
}

/// The key of SCRAM, made at the first start. Where it can neither be read nor made, SCRAM is not offered, unless the
/// configuration names it.
fn scram_key(config: &Config, log: &Log) -> Result<Option<[u8; KEY_OCTETS]>, SettingsError> {
    let wish = policy::wants_scram(config);
    if wish == Wish::No {
        return Ok(None);
    }
    let path = config.state_dir.join("scram.key");
    match file::kept_key(&path) {
        Ok(key) => Ok(Some(key)),
        Err(error) if wish == Wish::Yes => Err(SettingsError::Key(path, error)),
        Err(error) => {
            let problem = format!(
                "SCRAM is not offered, because its key {} can neither be read nor made: {error}; let the server's user own \
                 state_dir, or name other mechanisms in auth.mechanisms",
                path.display()
            );
            log.write(&Event::Warning { problem: &problem });
            Ok(None)
        }
    }
}

/// What a configuration names cannot be used.
#[derive(Debug)]
pub enum SettingsError {
    /// A source of accounts.
    Accounts(SourceError),
    /// The certificate or the key.
    Certificate(PairError),
    /// The file of the last logins, without which no LOGIN-DELAY outlives the server.
    LastLogins(PathBuf, io::Error),
    /// The key of SCRAM, which `auth.mechanisms` names.
    Key(PathBuf, io::Error),
    /// The reading of the files was interrupted.
    Interrupted(tokio::task::JoinError),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accounts(_) => f.write_str("a source of accounts cannot be used"),
            Self::Certificate(_) => f.write_str("TLS cannot be used"),
            Self::LastLogins(path, _) => {
                write!(f, "the last logins cannot be kept in {}, as login_delay_s needs it", path.display())
            }
            Self::Key(path, _) => {
                write!(f, "the key of SCRAM {} can neither be read nor made", path.display())
            }
            Self::Interrupted(_) => f.write_str("accounts and certificate were not read to the end"),
        }
    }
}

impl Error for SettingsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Accounts(error) => Some(error),
            Self::Certificate(error) => Some(error),
            Self::LastLogins(_, error) => Some(error),
            Self::Key(_, error) => Some(error),
            Self::Interrupted(error) => Some(error),
        }
    }
}

/// Makes traces: all different within one server, and in no order that a peer could count by.
#[derive(Debug)]
pub(crate) struct Traces {
    count: AtomicU64,
    secret: u64,
}

impl Default for Traces {
    fn default() -> Self {
        let mut octets = [0; 8];
        let secret = match getrandom::fill(&mut octets) {
            Ok(()) => u64::from_ne_bytes(octets),
            // Without randomness traces are still all different; the standard library's own seed hides their order.
            Err(_) => std::hash::RandomState::new().hash_one(0),
        };
        Self { count: AtomicU64::new(0), secret }
    }
}

impl Traces {
    /// A permutation of the count (the finaliser of SplitMix64), so that none comes twice.
    pub(crate) fn next(&self) -> Trace {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut mixed = count.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(self.secret);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Trace(mixed ^ (mixed >> 31))
    }
}
