//! Which of the sources is asked about whom, and for what; what they say together.
//!
//! The rule, for every way in: an account is known when a source knows it. Its *credentials* are those of the first source, in
//! their order, that gives passwords and knows it. Its *settings* are what the sources that give only settings say, and the first
//! that gives both and knows it, each in its place: what an earlier one says is not changed by a later one. So a login and a
//! delivery come to the same maildrop, whatever the account was opened by.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use restante_proto::sasl::{Credentials, Mechanism, Method};
use restante_proto::secret::Secret;

use super::memory::{Memory, Recalled};
use super::{Attempt, CacheSettings, Grant, Inner, Reason, Settings, Source, Verdict};
use crate::account::{Account, AccountName};
use crate::address;
use crate::directory::census::Census;
use crate::directory::{
    Alias, Answer, Checked, Circumstances, Directory, Entry, Problem, Question, SourceError,
};
use crate::password::StoredPassword;

/// A source, and what it is asked for.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The source.
    pub source: Source,
    /// The domains whose accounts it is asked about, as they are written in addresses; empty: about all accounts. A source with
    /// domains is never asked about an account whose name has none.
    pub domains: Vec<String>,
    /// What it gives.
    pub part: Part,
    /// How long and of how many logins it is remembered that the source, which checks passwords itself, found a password right;
    /// `None`: it is asked each time.
    ///
    /// A password that is changed there then opens the account for so long beside the new one, and so does an account that is
    /// gone or locked. Nothing of a wrong password is remembered.
    pub memory: Option<CacheSettings>,
}

/// What a source gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// Passwords, and settings of the account.
    #[default]
    Both,
    /// Whether a password is right. What else it knows of the account is not used.
    Passwords,
    /// Settings of accounts. Nobody can log in with a password of it; only that it locks an account counts.
    Settings,
}

impl From<Source> for Placed {
    /// Asked for everything about everybody.
    fn from(source: Source) -> Self {
        Self { source, domains: Vec::new(), part: Part::Both, memory: None }
    }
}

/// A source in use.
pub(super) struct Place {
    pub(super) directory: Arc<dyn Directory>,
    /// In their one form.
    domains: Vec<String>,
    part: Part,
    /// It may have to be asked over a wire.
    pub(super) is_afar: bool,
    /// Only of those that check passwords themselves.
    memory: Option<Memory>,
}

impl Place {
    pub(super) fn open(placed: Placed, settings: &Settings) -> Result<Self, SourceError> {
        let Placed { source, domains, part, memory } = placed;
        let is_afar = matches!(source, Source::Other(_));
        let directory = source.open(settings)?;
        let memory = memory.filter(|_| directory.checks()).map(Memory::new).transpose().map_err(|error| {
            let problem = Problem::new(format!("no random numbers: {error}"), "try again");
            SourceError::temporary(directory.source(), problem)
        })?;
        let domain = |text: &String| {
            address::normalised_domain(text).map_err(|why| {
                let problem = Problem::new(format!("the domain {text:?}: {why}"), "correct it");
                SourceError::permanent(directory.source(), vec![problem])
            })
        };
        let domains = domains.iter().map(domain).collect::<Result<_, _>>()?;
        Ok(Self { directory, domains, part, is_afar, memory })
    }

    fn is_asked_about(&self, name: &AccountName) -> bool {
        self.domains.is_empty() || name.domain().is_some_and(|domain| self.is_asked_about_domain(domain))
    }

    fn is_asked_about_domain(&self, domain: &str) -> bool {
        self.domains.is_empty() || self.domains.iter().any(|known| known == domain)
    }

    fn gives_passwords(&self) -> bool {
        self.part != Part::Settings
    }

    /// Asks a source that checks passwords itself, unless it has found this one right not long ago.
    async fn check(&self, question: &Question<'_>, password: &Secret) -> Result<Checked, SourceError> {
        let Some(memory) = &self.memory else { return self.directory.check(question, password).await };
        let occasion = match memory.recall(question, password) {
            Recalled::Right(account) => return Ok(Checked::Right(*account)),
            Recalled::Unknown(occasion) => occasion,
        };
        let checked = self.directory.check(question, password).await?;
        if let Checked::Right(account) = &checked {
            memory.keep(&occasion, account, question.at.now);
        }
        Ok(checked)
    }

    async fn lookup(&self, name: &AccountName, at: Circumstances) -> Result<Option<Entry>, SourceError> {
        let found = self.directory.lookup(&Question { name, at }).await?;
        Ok(found.map(|mut entry| {
            // What a source that checks passwords itself says of one means nothing, unless that there is none.
            if self.directory.checks() && !entry.password.is_locked() {
                entry.password = StoredPassword::absent();
                entry.scram = Vec::new();
            }
            entry
        }))
    }
}

/// What the sources say to a password.
pub(super) enum Answered {
    /// This is to be compared.
    Stored(Box<Found>),
    /// It is right, and opens this account.
    Right(Origin, Box<Account>),
    Wrong(Reason),
    Unknown,
}

/// An account as the source says that knew it.
pub(super) struct Found {
    pub(super) entry: Entry,
    pub(super) origin: Origin,
}

/// The position of the source that an account was found in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin(usize);

impl Inner {
    fn asked<'a>(&'a self, name: &'a AccountName) -> impl Iterator<Item = (Origin, &'a Place)> {
        let places = self.places.iter().enumerate().map(|(index, place)| (Origin(index), place));
        places.filter(|(_, place)| place.is_asked_about(name))
    }

    /// The source at this position.
    pub(super) fn directory_of(&self, origin: Origin) -> Option<Arc<dyn Directory>> {
        self.places.get(origin.0).map(|place| Arc::clone(&place.directory))
    }

    /// What the first source that knows the account says to this password; one that checks passwords itself is asked with it.
    pub(super) async fn answer(
        &self,
        question: &Question<'_>,
        password: &Secret,
    ) -> Result<Answered, SourceError> {
        for (origin, place) in self.asked(question.name).filter(|(_, place)| place.gives_passwords()) {
            if !place.directory.checks() {
                match place.lookup(question.name, question.at).await? {
                    Some(entry) => return Ok(Answered::Stored(Box::new(Found { entry, origin }))),
                    None => continue,
                }
            }
            let answered = match place.check(question, password).await? {
                Checked::Unknown => continue,
                Checked::Right(account) => Answered::Right(origin, Box::new(account)),
                Checked::Wrong => Answered::Wrong(Reason::WrongPassword),
                Checked::Locked => Answered::Wrong(Reason::Locked),
            };
            self.hashing.count(1);
            return Ok(answered);
        }
        Ok(Answered::Unknown)
    }

    /// The account with its secret, from the first source that gives passwords and knows it. A source that cannot be asked ends the
    /// search, here and below: it might have known.
    pub(super) async fn secret_of(
        &self,
        name: &AccountName,
        at: Circumstances,
    ) -> Result<Option<Found>, SourceError> {
        for (origin, place) in self.asked(name).filter(|(_, place)| place.gives_passwords()) {
            if let Some(entry) = place.lookup(name, at).await? {
                return Ok(Some(Found { entry, origin }));
            }
        }
        Ok(None)
    }

    /// The account, for a login that needs no password of ours: as `secret_of`, and else from the first that gives settings.
    pub(super) async fn login_of(
        &self,
        name: &AccountName,
        at: Circumstances,
    ) -> Result<Option<Found>, SourceError> {
        if let Some(found) = self.secret_of(name, at).await? {
            return Ok(Some(found));
        }
        self.first(&[Part::Settings], name, at).await
    }

    /// The account, for a delivery. Sources of mere passwords are asked last: mostly they are the slower ones, and the account is
    /// known without them.
    pub(super) async fn delivery_of(
        &self,
        name: &AccountName,
        at: Circumstances,
    ) -> Result<Option<Account>, SourceError> {
        let order = [Part::Both, Part::Settings, Part::Passwords];
        match self.first(&order, name, at).await? {
            Some(Found { entry, origin }) => Ok(Some(self.settled(origin, entry.account, at).await?.account)),
            None => Ok(None),
        }
    }

    /// The account that an alias of these names leads to, the most exact first; else whoever takes all mail of their domain. It need not
    /// exist.
    pub(super) async fn aliased(
        &self,
        names: &[AccountName],
        at: Circumstances,
    ) -> Result<Option<AccountName>, SourceError> {
        for name in names {
            for (_, place) in self.asked(name) {
                if let Some(account) = place.directory.alias(Alias::Name(name), at).await? {
                    return Ok(Some(account));
                }
            }
        }
        let Some(domain) = names.first().and_then(AccountName::domain) else { return Ok(None) };
        for place in self.places.iter().filter(|place| place.is_asked_about_domain(domain)) {
            if let Some(account) = place.directory.alias(Alias::Domain(domain), at).await? {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }

    async fn first(
        &self,
        parts: &[Part],
        name: &AccountName,
        at: Circumstances,
    ) -> Result<Option<Found>, SourceError> {
        for part in parts {
            for (origin, place) in self.asked(name).filter(|(_, place)| place.part == *part) {
                if let Some(entry) = place.lookup(name, at).await? {
                    return Ok(Some(Found { entry, origin }));
                }
            }
        }
        Ok(None)
    }

    /// What right credentials of this account open, with the settings of all sources. `Err` is a verdict too.
    pub(super) async fn granted(
        &self,
        origin: Origin,
        account: Account,
        at: Circumstances,
    ) -> Result<Grant, Verdict> {
        let settled = self.settled(origin, account, at).await.map_err(Verdict::Unavailable)?;
        match settled.is_barred {
            true => Err(Verdict::Refused(Reason::Locked)),
            false => Ok(Grant::full(settled.account)),
        }
    }

    /// The account that was found in `origin`, with what the other sources say of it.
    async fn settled(
        &self,
        origin: Origin,
        account: Account,
        at: Circumstances,
    ) -> Result<Settled, SourceError> {
        let name = account.name.clone();
        let mut settled = Settled { account: Account::new(name.clone()), is_barred: false };
        let is_of = |part| self.places.get(origin.0).is_some_and(|place| place.part == part);
        // Of sources that give both, one counts: the one it was opened by, or the first that knows it.
        let mut wants_both = is_of(Part::Passwords);
        for (position, place) in self.asked(&name) {
            if position == origin {
                if place.part != Part::Passwords {
                    settled.account = settled.account.or(&account);
                }
                continue;
            }
            let is_wanted = match place.part {
                Part::Settings => true,
                Part::Both => wants_both,
                Part::Passwords => false,
            };
            if is_wanted && let Some(entry) = place.lookup(&name, at).await? {
                wants_both &= place.part != Part::Both;
                settled.is_barred |= entry.password.is_barred();
                settled.account = settled.account.or(&entry.account);
            }
        }
        Ok(settled)
    }

    /// All accounts of the sources that can list theirs, sorted by name, each with the settings that a delivery finds.
    pub(super) async fn list(&self, at: Circumstances) -> Result<Vec<Account>, SourceError> {
        let (mut accounts, mut is_plain) = (Vec::new(), true);
        for place in &self.places {
            let listed = place.directory.list(at.now).await?;
            is_plain &= listed.is_some() && place.part == Part::Both;
            let listed = listed.unwrap_or_default().into_iter();
            accounts.extend(listed.filter(|account| place.is_asked_about(&account.name)));
        }
        // The sort is stable: of the same names, the first source's stays first.
        accounts.sort_by(|one, other| one.name.cmp(&other.name));
        accounts.dedup_by(|later, first| later.name == first.name);
        if is_plain {
            return Ok(accounts);
        }
        // Somebody else may have more to say of them, who says it one by one.
        let mut settled = Vec::with_capacity(accounts.len());
        for account in accounts {
            settled.extend(self.delivery_of(&account.name, at).await?);
        }
        Ok(settled)
    }

    /// What kinds of secrets there are in all sources of passwords together.
    pub(super) fn census(&self) -> Census {
        let mut sum = Census::default();
        let places = self.places.iter().filter(|place| place.gives_passwords());
        places.for_each(|place| sum.add_all(&place.directory.census()));
        sum
    }

    /// What stands in for the secret of `name`: of the sources that would have been asked for it, each in proportion to its
    /// accounts; if they have nothing to imitate, nothing.
    pub(super) fn decoy(&self, name: &AccountName, seed: u64) -> StoredPassword {
        let places = || self.asked(name).filter(|(_, place)| place.gives_passwords());
        let weights =
            || places().map(|(_, place)| u64::try_from(place.directory.accounts()).unwrap_or(u64::MAX));
        let total = weights().fold(0, u64::saturating_add);
        let mut position = seed.checked_rem(total).unwrap_or_default();
        for ((_, place), weight) in places().zip(weights()) {
            if position < weight {
                if let Some(decoy) = place.directory.decoy(seed) {
                    return decoy;
                }
                break;
            }
            position -= weight;
        }
        places().find_map(|(_, place)| place.directory.decoy(seed)).unwrap_or_else(StoredPassword::locked)
    }

    /// Forgets that passwords opened this account not long ago.
    pub(super) fn forget(&self, name: &AccountName) {
        self.places.iter().filter_map(|place| place.memory.as_ref()).for_each(|memory| memory.forget(name));
    }

    /// Asks each source once, about somebody whom none need know; then each source of tokens, about a token that nobody was given.
    pub(super) async fn probe(&self, at: Circumstances) -> Vec<(String, Result<(), SourceError>)> {
        let mut probed = Vec::with_capacity(self.places.len() + self.tokens.len());
        for place in &self.places {
            let domains = place.domains.iter().chain(&self.addresses.default_domain);
            let domain =
                domains.chain(&self.addresses.domains).next().map_or("example.invalid", String::as_str);
            let name = match self.addresses.form {
                address::NameForm::Local => PROBE.to_owned(),
                address::NameForm::Address => format!("{PROBE}@{domain}"),
            };
            let outcome = match AccountName::new(&name) {
                Ok(name) => {
                    let question = Question { name: &name, at };
                    in_time(place.directory.source(), place.directory.probe(&question)).await
                }
                // Only a domain of the configuration could be the reason, and those have been read already.
                Err(_) => Ok(()),
            };
            probed.push((place.directory.source(), outcome));
        }
        let token = Secret::new(PROBE.as_bytes().to_vec());
        let credentials = Credentials::Token {
            user: None,
            token: Secret::new(PROBE.as_bytes().to_vec()),
            method: Method::Sasl(Mechanism::OAuthBearer),
        };
        // The date of a token that does not exist is no matter.
        let today = SystemTime::UNIX_EPOCH;
        let attempt = Attempt { credentials: &credentials, certificate: None, at, today };
        for tokens in &self.tokens {
            let outcome = in_time(tokens.source(), tokens.probe(&token, &attempt)).await;
            probed.push((tokens.source(), outcome));
        }
        probed
    }

    /// Reads all sources again, and forgets what they found right; each source that could be read, with how many accounts it has now, or why it kept those it had.
    pub(super) async fn reread(&self, now: Instant) -> Vec<Result<(String, usize), SourceError>> {
        let mut read = Vec::with_capacity(self.places.len());
        for place in &self.places {
            let accounts = place.directory.reload(now).await;
            place.memory.iter().for_each(Memory::forget_all);
            read.push(accounts.map(|accounts| (place.directory.source(), accounts)));
        }
        read
    }
}

/// The answer of this source, or that there is none.
async fn in_time(source: String, asked: Answer<'_, ()>) -> Result<(), SourceError> {
    tokio::time::timeout(PROBE_MAX, asked).await.unwrap_or_else(|_| {
        let what = format!("no answer within {} s", PROBE_MAX.as_secs());
        Err(SourceError::temporary(source, Problem::new(what, "see whether it runs")))
    })
}

/// Whom sources are asked about to see whether they can be asked.
const PROBE: &str = "restante-probe";
/// Longer than any source's own bound.
const PROBE_MAX: Duration = Duration::from_secs(120);

/// An account with what all sources say of it.
struct Settled {
    account: Account,
    /// A source other than the one it was found in locks it.
    is_barred: bool,
}
