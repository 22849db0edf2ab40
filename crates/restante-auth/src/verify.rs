//! `Credentials` in, `Verdict` out; and whether a recipient is ours.
//!
//! `Authenticator` owns the order of things: prepare the name, ask the sources one after the other, check the credentials, say
//! what came out. How each kind of credentials is checked is in a file of its own: passwords here, digests with a shared
//! secret in `verify/digest`, SCRAM in `verify/scram`, what needs no secret of ours (tokens, certificates, nobody at all) in
//! `verify/identity`. Which source is asked about whom, and what they say together, is in `verify/sources`. Forms of secrets and hash functions are in `password`, queueing of costly hashes in `verify/hashing`,
//! the memory of recent successes in `verify/cache`, better forms of stored passwords in `verify/upgrade`, and that of sources that check passwords themselves in `verify/memory`. The server calls `verify` for each login attempt, `prepare_scram` before
//! one with SCRAM, and `recipient` for each RCPT.
//!
//! Known and unknown accounts take the same path: for a name that no source knows, a decoy stands in for the stored secret, of
//! the kind and cost that some account of the sources has, always the same for the same name. A locked account is checked
//! against a decoy too. What remains visible is in which of several sources an account stands, as far as asking one source
//! more takes time that can be measured behind a network and a hash; the wait of a failed answer (`throttle`) covers it.

use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use restante_proto::sasl::{Credentials, Mechanism, Method, ScramHash, ServerSignature};
use restante_proto::secret::Secret;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::account::{Access, Account, AccountName, InvalidName};
use crate::address;
use crate::credential::CredentialName;
use crate::directory::aliases::{self, AliasDirectory};
use crate::directory::census::Coverage;
use crate::directory::embedded::{self, EmbeddedDirectory};
use crate::directory::file::{self, FileDirectory};
use crate::directory::{
    Circumstances, Directory, Entry, Notice, Notify, Problem, Question, Service, SourceError,
};
use crate::password::{Cost, Hash, PASSWORD_OCTETS_MAX};
use crate::prepare;
use crate::token::{self, TokenVerifier};

mod app_password;
mod cache;
mod digest;
mod hashing;
mod identity;
mod memory;
pub mod scram;
pub mod sources;
mod upgrade;

use cache::Cache;
use hashing::{Hashing, Lane};
use scram::{Disguise, ScramParameters};
use sources::{Answered, Place, Placed};
pub use upgrade::Upgrade;

/// Decides who may open which maildrop. A clone is another handle to the same thing.
#[derive(Clone)]
pub struct Authenticator {
    inner: Arc<Inner>,
}

struct Inner {
    places: Vec<Place>,
    addresses: address::Settings,
    notify: Option<Notify>,
    hashing: Hashing,
    cache: Option<Cache>,
    allows_weak: bool,
    upgrade: Upgrade,
    /// One at a time.
    upgrades: Arc<Semaphore>,
    /// `None`: SCRAM is not served.
    disguise: Option<Disguise>,
    tokens: Vec<Arc<dyn TokenVerifier>>,
    /// Whose maildrop ANONYMOUS reads.
    anonymous: Option<AccountName>,
    /// Chooses decoys; keyed with random numbers, so that nobody outside can tell which name gets which.
    decoys: RandomState,
}

impl Authenticator {
    /// Loads the sources, in the order in which they will be asked. Reads files; call it before serving, or on a thread that may
    /// block.
    ///
    /// # Errors
    /// The first source that cannot be used, with everything that is wrong with it.
    pub fn new(sources: Vec<impl Into<Placed>>, settings: Settings) -> Result<Self, SourceError> {
        let open = |source| Place::open(source, &settings);
        let places = sources.into_iter().map(Into::into).map(open).collect::<Result<Vec<_>, _>>()?;
        let cache = settings.cache.map(Cache::new).transpose().map_err(|error| {
            let problem = Problem::new(format!("no random numbers: {error}"), "try again");
            SourceError::temporary("memory of recent logins", problem)
        })?;
        let open = |source: token::Source| source.open(&settings.addresses, settings.notify.clone());
        let tokens = settings.tokens.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let inner = Inner {
            places,
            tokens,
            anonymous: settings.anonymous,
            disguise: settings.scram.map(Disguise::new),
            addresses: settings.addresses,
            notify: settings.notify,
            hashing: Hashing::new(settings.hashing),
            allows_weak: settings.allow_weak_schemes,
            upgrade: settings.upgrade,
            upgrades: Arc::new(Semaphore::new(1)),
            cache,
            decoys: RandomState::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether these credentials open an account. Takes the same work and gives the same answer for an unknown account as for
    /// a wrong password. Waits for a place among the costly hashes at most as long as `HashingSettings::wait_max`.
    ///
    /// Must be called within a tokio runtime.
    pub async fn verify(&self, attempt: Attempt<'_>) -> Verdict {
        let (inner, at) = (&self.inner, attempt.at);
        let verdict = match attempt.credentials {
            Credentials::Password { user, authorization, password, method } => {
                let authorization = authorization.as_deref();
                let (method, today) = (*method, attempt.today);
                let claim = Claim { user, authorization, password, method, today };
                inner.verify_password(claim, at).await
            }
            Credentials::Apop { user, timestamp, digest } => {
                inner.verify_apop(user, timestamp, digest, at).await
            }
            Credentials::Cram { user, challenge, digest } => {
                inner.verify_cram(user, challenge, digest, at).await
            }
            Credentials::Scram(claim) => inner.verify_scram(claim, at).await,
            Credentials::Token { user, token, .. } => {
                inner.verify_token(user.as_deref(), token, &attempt).await
            }
            Credentials::External { authorization } => {
                inner.verify_external(authorization.as_deref(), attempt.certificate, at).await
            }
            Credentials::Anonymous { .. } => inner.verify_anonymous(at).await,
        };
        match verdict {
            Ok(Verdict::Granted(grant)) => admit(*grant, &attempt),
            Ok(verdict) | Err(verdict) => verdict,
        }
    }

    /// What a client is shown before its proof of `Credentials::Scram`: the salt and iterations of the account's verifier. A name
    /// that nobody has, a locked account and one without such a verifier are shown what looks like an account's, always the
    /// same for the same name as long as the key of `ScramSettings` is the same.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A source cannot be asked, or SCRAM is not served.
    pub async fn prepare_scram(
        &self,
        user: &[u8],
        hash: ScramHash,
        at: Circumstances,
    ) -> Result<ScramParameters, SourceError> {
        self.inner.prepare_scram(user, hash, at).await
    }

    /// Whether some source may take a time to answer that can be seen from outside, and so tell who is known to which.
    pub fn asks_afar(&self) -> bool {
        self.inner.places.iter().any(|place| place.is_afar)
    }

    /// Which account mail for this address (`local`, `local@domain`, without angle brackets or source route) belongs to: the one of that
    /// name; else the one that an alias leads to; else the one that takes what is for no other name of the domain.
    ///
    /// Must be called within a tokio runtime.
    pub async fn recipient(&self, address: &[u8], now: Instant) -> Recipient {
        let Ok(names) = self.inner.addresses.recipient(address) else { return Recipient::Unknown };
        let at = Circumstances::new(Service::Lmtp, now);
        for name in &names {
            match self.inner.delivery_of(name, at).await {
                Ok(Some(account)) => return Recipient::Account(account),
                Ok(None) => {}
                Err(error) => return Recipient::Unavailable(error),
            }
        }
        // One step, so nothing can go round in circles.
        let aliased = match self.inner.aliased(&names, at).await {
            Ok(Some(account)) => self.inner.delivery_of(&account, at).await,
            Ok(None) => return Recipient::Unknown,
            Err(error) => Err(error),
        };
        match aliased {
            Ok(Some(account)) => Recipient::Account(account),
            Ok(None) => Recipient::Unknown,
            Err(error) => Recipient::Unavailable(error),
        }
    }

    /// The account name that somebody who typed `user` means. Says nothing about whether such an account exists; for the
    /// log, for counting and for limits.
    ///
    /// # Errors
    /// It cannot be the name of an account here.
    pub fn account_name(&self, user: &[u8]) -> Result<AccountName, InvalidName> {
        self.inner.addresses.account_name(user)
    }

    /// How many of the accounts a mechanism can serve. It may change when a source is read again.
    ///
    /// EXTERNAL is said to serve all: whether a certificate is asked for is not decided here.
    pub fn coverage(&self, mechanism: Mechanism) -> Coverage {
        let or_none = |is_served: bool| if is_served { Coverage::All } else { Coverage::None };
        if self.inner.places.is_empty() {
            return Coverage::None;
        }
        match mechanism {
            Mechanism::Plain | Mechanism::Login | Mechanism::External => Coverage::All,
            Mechanism::CramMd5 => self.inner.census().of_plain_secrets(),
            Mechanism::OAuthBearer | Mechanism::XOAuth2 => or_none(!self.inner.tokens.is_empty()),
            Mechanism::Anonymous => or_none(self.inner.anonymous.is_some()),
            _ => match (mechanism.scram(), &self.inner.disguise) {
                (Some((hash, _)), Some(_)) => self.inner.census().of_scram(Hash::from(hash)),
                _ => Coverage::None,
            },
        }
    }

    /// Whether some account's secret is known in plain text, so that a timestamp in the greeting makes sense. May change when a
    /// source is read again.
    pub fn serves_apop(&self) -> bool {
        self.coverage(Mechanism::CramMd5) > Coverage::None
    }

    /// All accounts of the sources that can list theirs, sorted by name, each with its settings as a delivery finds them. For an operator who wants to look at them, not for answering peers.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A source cannot be asked.
    pub async fn accounts(&self, now: Instant) -> Result<Vec<Account>, SourceError> {
        self.inner.list(Circumstances::new(Service::Operator, now)).await
    }

    /// Reads all sources again, now, and drops what is remembered of passwords that they found right. A source that cannot be read keeps the accounts it had. Notices are given of those that
    /// were read.
    ///
    /// # Errors
    /// Every source that kept its old accounts, with the reason.
    pub async fn reload(&self, now: Instant) -> Result<(), Vec<SourceError>> {
        let mut errors = Vec::new();
        for read in self.inner.reread(now).await {
            match read {
                Ok((source, accounts)) => {
                    if let Some(notify) = &self.inner.notify {
                        notify.say(Notice::Reloaded { source, accounts });
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        for tokens in &self.inner.tokens {
            match tokens.reload(now).await {
                Ok(count) => {
                    if let Some(notify) = &self.inner.notify {
                        notify.say(Notice::Reloaded { source: tokens.source(), accounts: count });
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Asks every source once, for an operator who wants to know whether they can be: what each is, and what is wrong with it.
    ///
    /// Must be called within a tokio runtime.
    pub async fn probe(&self, now: Instant) -> Vec<(String, Result<(), SourceError>)> {
        self.inner.probe(Circumstances::new(Service::Operator, now)).await
    }

    /// Drops what is remembered of passwords that a source found right for this account, or a token; the next login asks it again. A password
    /// whose stored form is known needs none of this: a change of it counts at once.
    pub fn forget(&self, name: &AccountName) {
        self.inner.forget(name);
        self.inner.tokens.iter().for_each(|tokens| tokens.forget(name));
    }

    /// Goes on with what the token sources of `before`, whose place this one takes, had learned from their issuers. Those are the
    /// same that call themselves the same.
    pub fn take_over(&self, before: &Self) {
        for tokens in &self.inner.tokens {
            let named = before.inner.tokens.iter().find(|old| old.source() == tokens.source());
            if let Some(learned) = named.and_then(|old| old.hand_over()) {
                tokens.take_over(learned);
            }
        }
    }

    /// How many passwords have been hashed or compared so far, decoys included.
    pub fn checks(&self) -> u64 {
        self.inner.hashing.checks()
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources: Vec<_> = self.inner.places.iter().map(|place| &place.directory).collect();
        f.debug_struct("Authenticator").field("sources", &sources).finish_non_exhaustive()
    }
}

/// Whether an account may log in from here and in this way, whatever its credentials; and what it then may do.
fn admit(mut grant: Grant, attempt: &Attempt<'_>) -> Verdict {
    let account = &grant.account;
    // Programs of this machine come through unix sockets.
    let peer = attempt.at.peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    if account.networks.as_ref().is_some_and(|networks| !networks.iter().any(|it| it.contains(peer))) {
        return Verdict::Refused(Reason::Network);
    }
    let method = attempt.credentials.method().name();
    let is_method = |name: &str| name.eq_ignore_ascii_case(method);
    if account.mechanisms.as_ref().is_some_and(|names| !names.iter().any(|name| is_method(name))) {
        return Verdict::Refused(Reason::Mechanism);
    }
    if account.access == Some(Access::ReadOnly) {
        grant.access = Access::ReadOnly;
    }
    Verdict::Granted(Box::new(grant))
}

/// `Credentials::Password`, borrowed.
struct Claim<'a> {
    user: &'a [u8],
    authorization: Option<&'a [u8]>,
    password: &'a Secret,
    method: Method,
    today: SystemTime,
}

impl Inner {
    /// `Err` is a verdict too: one that was clear before the end.
    async fn verify_password(&self, claim: Claim<'_>, at: Circumstances) -> Result<Verdict, Verdict> {
        let name = self.name(claim.user)?;
        self.check_authorization(claim.authorization, &name)?;
        // Up to here only what was typed has been looked at, so an early answer tells nothing about any account.
        let Some(passwords) = candidates(claim.password, claim.method) else {
            return Err(Verdict::Refused(Reason::InvalidPassword));
        };
        let question = Question { name: &name, at };
        let found = match self.answer(&question, claim.password).await.map_err(Verdict::Unavailable)? {
            Answered::Stored(found) => Some(*found),
            Answered::Unknown => None,
            Answered::Right(origin, account) => {
                return Ok(Verdict::Granted(Box::new(self.granted(origin, *account, at).await?)));
            }
            Answered::Wrong(reason) => return Err(Verdict::Refused(reason)),
        };
        let obstacle = match self.app_password(&name, found.as_ref(), &claim, at).await {
            Ok(Some(grant)) => return Ok(Verdict::Granted(Box::new(grant))),
            Ok(None) => None,
            Err(Verdict::Refused(reason)) => Some(reason),
            Err(verdict) => return Err(verdict),
        };
        let (stored, is_decoy) = match &found {
            Some(found) if found.entry.password.is_there() => (found.entry.password.clone(), false),
            _ => (self.decoy(&name, self.decoys.hash_one(&name)), true),
        };
        let remembered = self.cache.as_ref().filter(|_| stored.cost() == Cost::Costly);
        let key = remembered.map(|cache| cache.key(&name, &stored, claim.password.expose()));
        let is_remembered = remembered.zip(key).is_some_and(|(cache, key)| cache.holds(key, at.now));
        let fits = is_remembered
            || self
                .hashing
                .fits(Lane::of(at), stored.clone(), passwords)
                .await
                .map_err(Verdict::Unavailable)?;
        // `fits` of a decoy means nothing.
        match found {
            None => Err(Verdict::Refused(Reason::UnknownAccount)),
            Some(found) if is_decoy => {
                Err(Verdict::Refused(obstacle.unwrap_or_else(|| Reason::without_password(&found.entry))))
            }
            Some(_) if !fits => Err(Verdict::Refused(obstacle.unwrap_or(Reason::WrongPassword))),
            Some(found) if found.entry.password.is_weak() && !self.allows_weak => {
                Err(Verdict::Refused(Reason::WeakScheme))
            }
            Some(found) => {
                if let Some((cache, key)) = remembered.zip(key) {
                    cache.insert(key, at.now);
                }
                let grant = self.granted(found.origin, found.entry.account, at).await?;
                // Of a password that is remembered this has been tried.
                if !is_remembered {
                    self.upgrade(found.origin, &grant.account.name, &stored, claim.password, at);
                }
                Ok(Verdict::Granted(Box::new(grant)))
            }
        }
    }

    fn name(&self, user: &[u8]) -> Result<AccountName, Verdict> {
        self.addresses.account_name(user).map_err(|why| Verdict::Refused(Reason::InvalidName(why)))
    }

    /// R4616-2.5, R5034-4.18: nobody may act as another account; an identity that cannot be prepared is nobody's.
    fn check_authorization(&self, authorization: Option<&[u8]>, name: &AccountName) -> Result<(), Verdict> {
        match authorization {
            None | Some(b"") => Ok(()),
            Some(other) if self.addresses.account_name(other).as_ref() == Ok(name) => Ok(()),
            Some(_) => Err(Verdict::Refused(Reason::AuthorizationIdentity)),
        }
    }
}

/// The forms of a typed password that may be meant: prepared by SASLprep, and as typed if that is something else. `None` if it
/// cannot be a password.
///
/// R4616-2.6 wants the prepared form. What was typed is tried as well, because hashes that come from other servers were made
/// of it: those never prepared anything. Octets that are not UTF-8 are the passwords of clients from before Unicode and are
/// tried as they are. What SASLprep prohibits makes PLAIN fail (R4616-2.4), and PASS (R6856-2.2.4); LOGIN never asked for SASLprep,
/// and there it is tried as it is. The number of forms follows from what was typed alone, so it says nothing about the account.
fn candidates(password: &Secret, method: Method) -> Option<Vec<Zeroizing<Vec<u8>>>> {
    let typed = password.expose();
    if typed.is_empty() || typed.len() > PASSWORD_OCTETS_MAX {
        return None;
    }
    let as_typed = Zeroizing::new(typed.to_vec());
    let Ok(text) = std::str::from_utf8(typed) else { return Some(vec![as_typed]) };
    match prepare::query(text) {
        Ok(Cow::Borrowed(_)) => Some(vec![as_typed]),
        Ok(Cow::Owned(prepared)) if prepared == text => Some(vec![Zeroizing::new(prepared.into_bytes())]),
        Ok(Cow::Owned(prepared)) => Some(vec![Zeroizing::new(prepared.into_bytes()), as_typed]),
        Err(_) if matches!(method, Method::Sasl(Mechanism::Plain) | Method::UserPass) => None,
        Err(_) => Some(vec![as_typed]),
    }
}

/// An attempt to log in, with what is known of its circumstances.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// What is asserted.
    pub credentials: &'a Credentials,
    /// The name in the certificate that the peer has shown and that was found to be trusted; `None` without one.
    pub certificate: Option<&'a str>,
    /// From where, what for, and when.
    pub at: Circumstances,
    /// The date, for what expires at one.
    pub today: SystemTime,
}

/// What came of a login attempt.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The credentials are right; this is whose.
    Granted(Box<Grant>),
    /// They are not. The peer gets `-ERR [AUTH]` and nothing more.
    Refused(Reason),
    /// It cannot be said now: `-ERR [SYS/TEMP]`, or `[SYS/PERM]` if the error is not temporary.
    Unavailable(SourceError),
}

/// What right credentials open.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The account.
    pub account: Account,
    /// What may be done with its maildrop.
    pub access: Access,
    /// What shows a client of SCRAM that we know its verifier; `None` for all other credentials.
    pub server_signature: Option<ServerSignature>,
    /// Which of the account's app passwords it was, if it was one.
    pub app_password: Option<CredentialName>,
}

impl Grant {
    fn full(account: Account) -> Self {
        Self { account, access: Access::Full, server_signature: None, app_password: None }
    }
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
    /// The password is right, but stored in a scheme that is not allowed.
    WeakScheme,
    /// The account is open, but nothing is stored that a password could be checked against.
    NoPassword,
    /// APOP or CRAM-MD5, and the account's secret is not known in plain text.
    NoPlainSecret,
    /// SCRAM, and no verifier for its hash is stored.
    NoVerifier,
    /// The authorization identity is not the account that was authenticated.
    AuthorizationIdentity,
    /// No source knows the token, or it is another account's.
    UnknownToken,
    /// The token was good for this account until it expired.
    ExpiredToken,
    /// The token is from a known issuer, and opens nothing here.
    UnfitToken(token::Flaw),
    /// The app password was good until it expired.
    ExpiredPassword,
    /// The app password is not for this service.
    Scope,
    /// The certificate is missing, or has no name of the configured kind.
    NoCertificateName,
    /// Credentials of a kind that no source can check.
    NotServed,
    /// The account, or its app password, may not log in from there.
    Network,
    /// The account may not log in by this mechanism.
    Mechanism,
}

impl Reason {
    /// Whether somebody may have guessed. Who shows a token that was this account's own until it expired has not: programs do so
    /// when they were asleep.
    pub fn is_guess(self) -> bool {
        self != Self::ExpiredToken
    }

    /// Why no password opens this account.
    fn without_password(entry: &Entry) -> Self {
        if entry.password.is_locked() { Self::Locked } else { Self::NoPassword }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName(why) => write!(f, "invalid account name: {why}"),
            Self::UnknownAccount => f.write_str("unknown account"),
            Self::WrongPassword => f.write_str("wrong password"),
            Self::InvalidPassword => f.write_str("not a possible password"),
            Self::Locked => f.write_str("the account is locked"),
            Self::WeakScheme => {
                f.write_str("the password is stored in a weak scheme, and auth.allow_weak_schemes is not set")
            }
            Self::NoPassword => f.write_str("no password is stored"),
            Self::NoPlainSecret => f.write_str("the secret is not stored in plain text"),
            Self::NoVerifier => f.write_str("no verifier for this hash is stored"),
            Self::UnknownToken => f.write_str("unknown token"),
            Self::ExpiredToken => f.write_str("the token has expired"),
            Self::UnfitToken(flaw) => flaw.fmt(f),
            Self::ExpiredPassword => f.write_str("the app password has expired"),
            Self::Scope => f.write_str("the app password is for another service"),
            Self::NoCertificateName => f.write_str("no certificate with a name"),
            Self::Network => f.write_str("the account may not log in from there"),
            Self::Mechanism => f.write_str("the account may not log in by this mechanism"),
            Self::NotServed => f.write_str("credentials that no source can check"),
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
    File(file::Settings),
    /// The embedded directory that `restante account` edits.
    Embedded(embedded::Settings),
    /// A file of aliases.
    Aliases(aliases::Settings),
    /// Something else that knows accounts.
    Other(Arc<dyn Directory>),
}

impl Source {
    fn open(self, settings: &Settings) -> Result<Arc<dyn Directory>, SourceError> {
        Ok(match self {
            Self::File(mut file) => {
                file.allow_weak_schemes |= settings.allow_weak_schemes;
                Arc::new(FileDirectory::open(file, settings.addresses.clone(), settings.notify.clone())?)
            }
            Self::Embedded(embedded) => Arc::new(EmbeddedDirectory::open(embedded)?),
            Self::Aliases(aliases) => {
                Arc::new(AliasDirectory::open(aliases, settings.addresses.clone(), settings.notify.clone())?)
            }
            Self::Other(directory) => directory,
        })
    }
}

/// How accounts are looked up and passwords checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What names and addresses mean.
    pub addresses: address::Settings,
    /// Where costly hashes run.
    pub hashing: HashingSettings,
    /// The memory of recent successes; `None` switches it off.
    ///
    /// With it, a client that polls every minute costs a keyed digest instead of an Argon2. The price: for as long as an entry
    /// lives, somebody who can read the memory of the process can try passwords against it fast. Neither password nor hash is in
    /// an entry, a changed password or a removed account takes effect at once, and nothing is written anywhere.
    pub cache: Option<CacheSettings>,
    /// Whether a password that is stored as MD5 or MD4 opens an account. Whoever steals such a secret has the password.
    pub allow_weak_schemes: bool,
    /// Which stored forms of passwords are replaced when their owner logs in.
    pub upgrade: Upgrade,
    /// What SCRAM needs beside verifiers; `None` switches it off.
    pub scram: Option<scram::ScramSettings>,
    /// Who says whose a bearer token is, asked in this order.
    pub tokens: Vec<token::Source>,
    /// The account whose maildrop everybody may read by ANONYMOUS.
    pub anonymous: Option<AccountName>,
    /// Who is told when a source was read again, or could not be.
    pub notify: Option<Notify>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            addresses: address::Settings::default(),
            hashing: HashingSettings::default(),
            cache: Some(CacheSettings::default()),
            allow_weak_schemes: false,
            upgrade: Upgrade::Never,
            scram: None,
            tokens: Vec::new(),
            anonymous: None,
            notify: None,
        }
    }
}

/// Bounds on the hashes that take more than a moment.
#[derive(Clone, Copy, Debug)]
pub struct HashingSettings {
    /// Hashes that run at the same time. At least 1; sensible is the number of processors. Each may take as much memory as its
    /// parameters say, 19 MiB for accounts of the embedded directory.
    pub parallel_max: usize,
    /// Logins that wait for their turn; one more is refused as temporarily unavailable.
    pub waiting_max: usize,
    /// The longest wait.
    pub wait_max: Duration,
}

impl Default for HashingSettings {
    /// Two at a time, 256 waiting for ten seconds at most.
    fn default() -> Self {
        Self { parallel_max: 2, waiting_max: 256, wait_max: Duration::from_secs(10) }
    }
}

/// Bounds on the memory of recent successes.
#[derive(Clone, Copy, Debug)]
pub struct CacheSettings {
    /// How long a success is remembered. Logging in again does not lengthen it.
    pub ttl: Duration,
    /// How many are remembered at most, about 100 bytes each.
    pub entries_max: usize,
}

impl Default for CacheSettings {
    /// Ten thousand for five minutes.
    fn default() -> Self {
        Self { ttl: Duration::from_secs(300), entries_max: 10_000 }
    }
}

#[cfg(test)]
mod tests;
