//! Accounts in a directory that speaks LDAP (RFC 4511): OpenLDAP, 389 Directory Server, Active Directory.
//!
//! Three ways, by what is configured. *Search, then bind*: the entry is searched by the service account, or by nobody in particular,
//! and the password is right when a bind with the entry's name and it is. *Direct bind*: the name of the entry is made from the
//! account's, nothing is searched before. *Stored secrets*: an attribute is mapped to `password`, and the directory is never asked
//! whether a password is right.
//!
//! The wire belongs to the library `ldap3`; connections, their bounds and TLS are in `ldap/connection` and `ldap/pool`, what is
//! made of an account's name in `ldap/template`, aliases in `ldap/alias`, all accounts in `ldap/list`. The server makes one of these for each `[[auth.source]]` of this type.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use restante_auth::account::{Account, AccountName};
use restante_auth::directory::{
    Alias, Answer, Checked, Circumstances, Directory, Entry, Problem, Question, SourceError,
};
use restante_auth::password::{Scheme, StoredPassword};
use restante_auth::prepare;
use restante_auth::settings::Given;
use restante_proto::secret::Secret;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

mod alias;
mod connection;
mod found;
mod list;
mod pool;
mod server;
mod template;

pub use alias::Aliases;
use connection::{Bind, Failure};
use found::Found;
use list::Extent;
pub use list::Listing;
use pool::Pool;
pub use server::{InvalidServer, Server};
use template::Names;
pub use template::{InvalidTemplate, Template};

/// What an LDAP source needs.
#[derive(Debug)]
pub struct Settings {
    /// The servers, in the order in which they are tried; the one that answered last is tried first. Not empty.
    pub servers: Vec<Server>,
    /// The authorities of their certificates, PEM; `None` for those that this machine trusts.
    pub authorities: Option<Vec<u8>>,
    /// Who searches; `None` for nobody in particular.
    pub service: Option<Service>,
    /// How the entry of an account is found.
    pub place: Place,
    /// Which attribute says which of [`restante_auth::settings::FIELDS`]. With one for `password`, passwords are read and not bound with.
    pub fields: Vec<(&'static str, String)>,
    /// The scheme of a stored password that names none.
    pub scheme: Scheme,
    /// How the account of an alias is found; `None`: there are no aliases here.
    pub aliases: Option<Aliases>,
    /// How all accounts are found; `None`: they cannot be listed.
    pub list: Option<Listing>,
    /// So many questions are asked at the same time, and so many idle connections kept of each kind (for searches, for binds).
    pub connections_max: usize,
    /// The longest wait for an answer, with all that it takes: a place, a connection, TLS, searches, binds.
    pub timeout: Duration,
}

/// The account that searches.
#[derive(Debug)]
pub struct Service {
    /// The name of its entry.
    pub dn: String,
    /// Its password; UTF-8, not empty.
    pub password: Secret,
}

/// How the entry of an account is found.
#[derive(Clone, Debug)]
pub enum Place {
    /// By a search.
    Search {
        /// Below which entry. Placeholders are escaped for names of entries.
        base: Template,
        /// How far below.
        scope: Scope,
        /// What the entry must be like. Placeholders are escaped for filters.
        filter: Template,
    },
    /// By its name, which is made from the account's; the password is bound with before anything is read.
    Name {
        /// The name of the entry.
        dn: Template,
        /// What the entry must be like beside; `None` for nothing in particular.
        filter: Option<Template>,
    },
}

/// How far below the base a search looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// At the entries right below it.
    One,
    /// At it and everything below.
    Subtree,
}

/// Accounts behind LDAP.
#[derive(Debug)]
pub struct LdapDirectory {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: String,
    pool: Pool,
    place: Place,
    fields: Vec<(&'static str, String)>,
    scheme: Scheme,
    aliases: Option<Aliases>,
    list: Option<Listing>,
    /// Held while a list is made.
    listing: tokio::sync::Mutex<()>,
    timeout: Duration,
    /// Passwords are read, not bound with.
    is_stored: bool,
    /// The secret that was read last, for what an unknown account must cost.
    decoy: Mutex<Option<StoredPassword>>,
}

impl LdapDirectory {
    /// Connects to nobody yet, so a server that is away does not keep anybody from starting.
    ///
    /// # Errors
    /// No server, or authorities that cannot be used.
    pub fn new(settings: Settings) -> Result<Self, SourceError> {
        let Settings {
            servers,
            authorities,
            service,
            place,
            fields,
            scheme,
            aliases,
            list,
            connections_max,
            timeout,
        } = settings;
        let source = match servers.first() {
            Some(first) => format!("ldap {first}"),
            None => "ldap".to_owned(),
        };
        let pool = Pool::new(servers, authorities.as_deref(), service, connections_max, timeout)
            .map_err(|problem| SourceError::permanent(&source, vec![problem]))?;
        let is_stored = fields.iter().any(|(field, _)| *field == "password");
        let decoy = Mutex::new(None);
        let listing = tokio::sync::Mutex::default();
        let inner =
            Inner { source, pool, place, fields, scheme, aliases, list, listing, timeout, is_stored, decoy };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks on a task of its own, so that an answer the library cannot read ends the task and nothing else; ends it when nobody waits
    /// any more.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, SourceError> {
        self.ask_within(self.inner.timeout, work).await
    }

    async fn ask_within<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, SourceError> {
        let mut tasks = JoinSet::new();
        tasks.spawn(tokio::time::timeout(limit, work));
        let failure = match tasks.join_next().await {
            Some(Ok(Ok(Ok(answer)))) => return Ok(answer),
            Some(Ok(Ok(Err(failure)))) => failure,
            Some(Ok(Err(_))) => {
                let time = limit.as_secs_f32();
                Failure::lost(format!("no answer within {time} s"))
            }
            Some(Err(_)) | None => Failure::lost("an answer that cannot be understood"),
        };
        Err(failure.into_error(&self.inner.source))
    }

    /// All accounts, or as many as show whether they can be listed.
    async fn listed(&self, extent: Extent, now: Instant) -> Result<Option<Vec<Account>>, SourceError> {
        let limit = if extent == Extent::Whole { list::WHOLE_MAX } else { self.inner.timeout };
        let inner = Arc::clone(&self.inner);
        self.ask_within(limit, async move {
            let Some(list) = &inner.list else { return Ok(None) };
            inner.all(list, extent, now).await.map(Some)
        })
        .await
    }
}

impl Directory for LdapDirectory {
    fn source(&self) -> String {
        self.inner.source.clone()
    }

    fn lookup<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, Option<Entry>> {
        let (inner, name, now) = (Arc::clone(&self.inner), question.name.clone(), question.at.now);
        Box::pin(self.ask(async move { inner.entry(&name, now).await }))
    }

    fn checks(&self) -> bool {
        !self.inner.is_stored
    }

    fn check<'a>(&'a self, question: &'a Question<'a>, password: &'a Secret) -> Answer<'a, Checked> {
        let (inner, name, now) = (Arc::clone(&self.inner), question.name.clone(), question.at.now);
        let password = Zeroizing::new(password.expose().to_vec());
        Box::pin(self.ask(async move { inner.checked(&name, &password, now).await }))
    }

    /// Who may not look is asked with a password that nobody has. Aliases are searched too, and the first account of the list.
    fn probe<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, ()> {
        Box::pin(async {
            if matches!(self.inner.place, Place::Name { .. }) && !self.inner.pool.has_service() {
                let nobodys = Secret::new(question.name.as_str().as_bytes().to_vec());
                self.check(question, &nobodys).await?;
            } else {
                self.lookup(question).await?;
            }
            self.alias(Alias::Name(question.name), question.at).await?;
            self.listed(Extent::Sample, question.at.now).await.map(|_| ())
        })
    }

    fn alias<'a>(&'a self, alias: Alias<'a>, at: Circumstances) -> Answer<'a, Option<AccountName>> {
        if self.inner.aliases.is_none() {
            return Box::pin(async { Ok(None) });
        }
        let inner = Arc::clone(&self.inner);
        // The task may outlive whoever asks.
        let (name, domain) = match alias {
            Alias::Name(name) => (Some(name.clone()), String::new()),
            Alias::Domain(domain) => (None, domain.to_owned()),
        };
        Box::pin(self.ask(async move {
            let Some(aliases) = &inner.aliases else { return Ok(None) };
            let alias = name.as_ref().map_or(Alias::Domain(&domain), Alias::Name);
            inner.aliased(aliases, alias, at.now).await
        }))
    }

    fn list(&self, now: Instant) -> Answer<'_, Option<Vec<Account>>> {
        Box::pin(self.listed(Extent::Whole, now))
    }

    /// There is nothing to read again; connections are made anew, as a changed address of the server may want it.
    fn reload(&self, _now: Instant) -> Answer<'_, usize> {
        self.inner.pool.forget();
        Box::pin(async { Ok(0) })
    }

    fn decoy(&self, _seed: u64) -> Option<StoredPassword> {
        self.inner.decoy.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Inner {
    /// What is known of an account without its password.
    async fn entry(&self, name: &AccountName, now: Instant) -> Result<Option<Entry>, Failure> {
        let _place = self.pool.place().await;
        let Some(found) = self.find(name, now).await? else { return Ok(None) };
        let given = self.given(name, &found)?;
        let entry = given.entry();
        if entry.password.is_there() {
            *self.decoy.lock().unwrap_or_else(PoisonError::into_inner) = Some(entry.password.clone());
        }
        Ok(Some(entry))
    }

    async fn checked(&self, name: &AccountName, password: &[u8], now: Instant) -> Result<Checked, Failure> {
        let _place = self.pool.place().await;
        match &self.place {
            Place::Search { .. } => {
                let Some(found) = self.find(name, now).await? else { return Ok(Checked::Unknown) };
                let given = self.given(name, &found)?;
                if given.is_locked {
                    return Ok(Checked::Locked);
                }
                let (bind, connection) = self.bind(&found.dn, password, now).await?;
                if let Some(connection) = connection {
                    self.pool.give_back_bound(connection, now);
                }
                Ok(match bind {
                    Bind::Right => Checked::Right(given.account),
                    Bind::Locked => Checked::Locked,
                    // The entry may have gone since.
                    Bind::Wrong | Bind::NoEntry => Checked::Wrong,
                })
            }
            Place::Name { dn, .. } => {
                let Some(dn) = plain(name).and_then(|name| dn.name(name)) else {
                    return Ok(Checked::Unknown);
                };
                self.checked_directly(name, &dn, password, now).await
            }
        }
    }

    /// Binds first, and reads as whoever has bound: that needs no account which may search.
    async fn checked_directly(
        &self,
        name: &AccountName,
        dn: &str,
        password: &[u8],
        now: Instant,
    ) -> Result<Checked, Failure> {
        let (bind, mut own) = self.bind(dn, password, now).await?;
        match (bind, own.take()) {
            (Bind::Right, Some(mut own)) => {
                let found = if self.reads() {
                    let found = own.search(&self.query(name)?, &self.attributes()).await?;
                    self.pool.give_back_bound(own, now);
                    found
                } else {
                    self.pool.give_back_bound(own, now);
                    Some(Found::named(dn))
                };
                let Some(found) = found else { return Ok(Checked::Unknown) };
                let given = self.given(name, &found)?;
                Ok(if given.is_locked { Checked::Locked } else { Checked::Right(given.account) })
            }
            (Bind::Locked, _) => Ok(Checked::Locked),
            (Bind::NoEntry, _) => Ok(Checked::Unknown),
            // Servers answer for a wrong name as for a wrong password. Only who may look can tell.
            _ if self.pool.has_service() && self.find(name, now).await?.is_none() => Ok(Checked::Unknown),
            _ => Ok(Checked::Wrong),
        }
    }

    /// Whether there is something to read of an entry that has been bound with.
    fn reads(&self) -> bool {
        !self.fields.is_empty() || matches!(self.place, Place::Name { filter: Some(_), .. })
    }

    /// Tries the forms of a typed password, each on a connection that has the rights of nobody else.
    ///
    /// RFC 4513, 5.1.2: a bind with a name and no password *succeeds*, as nobody; so an empty one never gets there. A server in C may end
    /// a password at a NUL, so one with a NUL does not get there either.
    async fn bind(
        &self,
        dn: &str,
        password: &[u8],
        now: Instant,
    ) -> Result<(Bind, Option<connection::Connection>), Failure> {
        let mut said = Bind::Wrong;
        for form in forms(password) {
            let (bind, connection) = self.pool.bind(dn, &form, now).await?;
            match bind {
                Bind::Right => return Ok((bind, Some(connection))),
                other => {
                    self.pool.give_back_bound(connection, now);
                    said = other;
                }
            }
        }
        Ok((said, None))
    }

    async fn find(&self, name: &AccountName, now: Instant) -> Result<Option<Found>, Failure> {
        if plain(name).is_none_or(|name| !self.place.holds(name)) {
            return Ok(None);
        }
        self.pool.search(&self.query(name)?, &self.attributes(), now).await
    }

    /// What is searched for.
    fn query(&self, name: &AccountName) -> Result<Query, Failure> {
        let query = match &self.place {
            Place::Search { base, scope, filter } => {
                base.name(name).zip(filter.filter(name)).map(|(name, filter)| Query {
                    base: name,
                    scope: (*scope).into(),
                    filter,
                    may_be_absent: base.has_placeholders(),
                    of: "account",
                })
            }
            Place::Name { dn, filter } => {
                let filter = match filter {
                    Some(filter) => filter.filter(name),
                    None => Some("(objectClass=*)".to_owned()),
                };
                dn.name(name).zip(filter).map(|(base, filter)| Query {
                    base,
                    scope: ldap3::Scope::Base,
                    filter,
                    may_be_absent: true,
                    of: "account",
                })
            }
        };
        query.ok_or_else(|| Failure::lost("the name has no domain"))
    }

    fn attributes(&self) -> Vec<String> {
        if self.fields.is_empty() {
            // RFC 4511, 4.5.1.8: no attributes at all.
            return vec!["1.1".to_owned()];
        }
        self.fields.iter().map(|(_, attribute)| attribute.clone()).collect()
    }

    fn given(&self, name: &AccountName, found: &Found) -> Result<Given, Failure> {
        let fields = found.fields(&self.fields)?;
        let fields = fields.iter().map(|(field, value)| (*field, value.as_str()));
        Given::read(name.clone(), fields, self.scheme).map_err(Failure::Permanent)
    }
}

impl Place {
    /// Whether there can be an entry for this name at all: one without a domain is not in a place that is made from domains.
    fn holds(&self, name: &AccountName) -> bool {
        match self {
            Self::Search { base, filter, .. } => base.name(name).is_some() && filter.filter(name).is_some(),
            Self::Name { dn, filter } => {
                dn.name(name).is_some() && filter.as_ref().is_none_or(|filter| filter.filter(name).is_some())
            }
        }
    }
}

/// Where and what a search looks for.
#[derive(Debug)]
struct Query {
    base: String,
    scope: ldap3::Scope,
    filter: String,
    /// That the base is not there means that what is looked for is not; else that something is wrong.
    may_be_absent: bool,
    /// What is looked for, for the log: an account or an alias.
    of: &'static str,
}

impl From<Scope> for ldap3::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::One => Self::OneLevel,
            Scope::Subtree => Self::Subtree,
        }
    }
}

/// A name that nothing else matches: directories ignore blanks at both ends and take several for one (RFC 4518 section 2.6.1), so
/// `bob` and `bob ` would be two accounts here and one there.
fn plain(name: &AccountName) -> Option<&AccountName> {
    is_plain(&Names::from(name)).then_some(name)
}

fn is_plain(names: &Names<'_>) -> bool {
    let mut parts = [names.local, names.domain].into_iter().flatten();
    parts.all(|part| part.trim() == part && !part.contains("  ")) && !names.account.is_empty()
}

/// The forms of a typed password that may be meant: as typed, which is what most programs have stored, and prepared (RFC 4513
/// section 5.1.3) if that is something else. None for what must not reach a bind, or cannot be in one.
fn forms(password: &[u8]) -> Vec<Zeroizing<String>> {
    let Ok(typed) = str::from_utf8(password) else { return Vec::new() };
    if typed.is_empty() || typed.contains('\0') {
        return Vec::new();
    }
    let mut forms = vec![Zeroizing::new(typed.to_owned())];
    if let Ok(prepared) = prepare::query(typed)
        && prepared != typed
        && !prepared.is_empty()
    {
        forms.push(Zeroizing::new(prepared.into_owned()));
    }
    forms
}

impl Failure {
    fn into_error(self, source: &str) -> SourceError {
        match self {
            Self::Permanent(problem) => SourceError::permanent(source, vec![problem]),
            Self::Lost(what) => SourceError::temporary(
                source,
                Problem::new(what, "see whether the server runs and can be reached from here"),
            ),
        }
    }
}

#[cfg(test)]
mod tests;
