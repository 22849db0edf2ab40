//! `SqlDirectory`: accounts that stand in a database, PostgreSQL, MySQL or MariaDB, or SQLite.
//!
//! Lives here: which query is asked for what, and what its rows mean. How a query is written is in `sql/query`, how a database is
//! reached in `sql/url`, `sql/pool` and `sql/connection`, what its errors mean in `sql/fault`. The server makes one of each
//! `[[auth.source]]` of type `sql` and gives it to the authenticator, which asks it. Nothing is asked before the first question:
//! the server starts although the database is down, and whoever logs in then is told to try again.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use restante_auth::account::{Account, AccountName};
use restante_auth::address;
use restante_auth::directory::census::Census;
use restante_auth::directory::{
    Alias, Answer, Checked, Circumstances, Directory, Entry, Problem, Question, SourceError,
};
use restante_auth::password::{Scheme, StoredPassword, make};
use restante_auth::settings::{FIELDS, Given};
use restante_proto::secret::Secret;
use zeroize::Zeroizing;

mod connection;
mod export;
mod fault;
mod pool;
pub mod query;
mod sample;
pub mod url;

use connection::{Row, Values};
use fault::Fault;
use pool::Pool;
use query::{Purpose, Query};
use sample::Sample;
use url::DatabaseUrl;

/// What a source in a database is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the database is.
    pub url: DatabaseUrl,
    /// The authorities, PEM, one of which must vouch for the database beside those that the machine trusts.
    pub authority: Option<Vec<u8>>,
    /// The query for one account.
    pub lookup: String,
    /// The query that checks a password, where the database does so.
    pub check: Option<String>,
    /// The query for all accounts.
    pub list: Option<String>,
    /// The query for the account that another name leads to.
    pub alias: Option<String>,
    /// The statement that stores a password in a better form.
    pub upgrade: Option<String>,
    /// Connections at the same time, at least 1.
    pub connections: usize,
    /// How long one question may take.
    pub timeout: Duration,
    /// The scheme of passwords without one.
    pub scheme: Scheme,
    /// What the names in `list` mean.
    pub addresses: address::Settings,
}

/// Accounts in a database.
pub struct SqlDirectory {
    name: String,
    pool: Pool,
    lookup: Query,
    check: Option<Query>,
    list: Option<Query>,
    alias: Option<Query>,
    upgrade: Option<Query>,
    timeout: Duration,
    scheme: Scheme,
    addresses: address::Settings,
    sample: Sample,
}

impl Settings {
    /// What is wrong with the queries, each with its key.
    pub fn faults(&self) -> Vec<(&'static str, Problem)> {
        let written = [
            (Some(&self.lookup), Purpose::Lookup),
            (self.check.as_ref(), Purpose::Check),
            (self.list.as_ref(), Purpose::List),
            (self.alias.as_ref(), Purpose::Alias),
            (self.upgrade.as_ref(), Purpose::Upgrade),
        ];
        let dialect = self.url.dialect();
        let fault = |(text, purpose): (Option<&String>, Purpose)| {
            Query::parse(text?, dialect, purpose).err().map(|problem| (purpose.key(), problem))
        };
        written.into_iter().filter_map(fault).collect()
    }
}

impl SqlDirectory {
    /// Reads the settings; connects to nothing.
    ///
    /// # Errors
    /// The address of the database or a query is wrong.
    pub fn new(settings: Settings) -> Result<Self, SourceError> {
        let Settings {
            url,
            authority,
            lookup,
            check,
            list,
            alias,
            upgrade,
            connections,
            timeout,
            scheme,
            addresses,
        } = settings;
        let options = url.options(authority.as_deref());
        let options =
            options.map_err(|problem| SourceError::permanent(format!("sql {url}"), vec![problem]))?;
        let name = format!("sql {}", url.place(&options));
        let parse = |text: &str, purpose| {
            Query::parse(text, url.dialect(), purpose).map_err(|problem| {
                let what = format!("{}: {}", purpose.key(), problem.what);
                SourceError::permanent(name.clone(), vec![Problem { what, ..problem }])
            })
        };
        let lookup = parse(&lookup, Purpose::Lookup)?;
        let check = check.map(|text| parse(&text, Purpose::Check)).transpose()?;
        let list = list.map(|text| parse(&text, Purpose::List)).transpose()?;
        let alias = alias.map(|text| parse(&text, Purpose::Alias)).transpose()?;
        let upgrade = upgrade.map(|text| parse(&text, Purpose::Upgrade)).transpose()?;
        Ok(Self {
            pool: Pool::new(options, connections.max(1), timeout),
            name,
            lookup,
            check,
            list,
            alias,
            upgrade,
            timeout,
            scheme,
            addresses,
            sample: Sample::new(scheme),
        })
    }

    /// Asks the database for the columns of each query, to see that it can be reached, lets us in and understands them.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub async fn probe(&self) -> Result<(), SourceError> {
        let mut queries = vec![&self.lookup];
        queries.extend([&self.check, &self.list, &self.alias, &self.upgrade].into_iter().flatten());
        for query in queries {
            let columns = self.pool.columns(query).await.map_err(|fault| self.error(fault, query))?;
            match query.purpose {
                Purpose::Check => {
                    if columns.len() != 1 {
                        return Err(self.permanent(one_column()));
                    }
                }
                Purpose::Alias => {
                    if columns.len() != 1 {
                        return Err(self.permanent(one_account()));
                    }
                }
                // That it can be prepared is all that can be known of it.
                Purpose::Upgrade => {}
                purpose => {
                    let is_known = |name: &str| name == ACCOUNT || FIELDS.contains(&name);
                    if let Some(name) = columns.iter().find(|name| !is_known(name)) {
                        return Err(self.permanent(Problem::new(
                            format!(
                                "`{}` answers with the column {name}, and there is no such field",
                                purpose.key()
                            ),
                            format!("name columns (AS …) one of {ACCOUNT}, {}", FIELDS.join(", ")),
                        )));
                    }
                    if purpose == Purpose::List && !columns.iter().any(|name| name == ACCOUNT) {
                        return Err(self.permanent(nameless()));
                    }
                }
            }
        }
        Ok(())
    }

    async fn ask(
        &self,
        query: &Query,
        question: &Question<'_>,
        password: Option<&str>,
    ) -> Result<Option<Row>, SourceError> {
        let name = question.name;
        let peer = question.at.peer.map(|peer| peer.to_canonical().to_string());
        let values = Values {
            account: name.as_str(),
            local: name.local(),
            domain: name.domain(),
            service: question.at.service.name(),
            peer: peer.as_deref(),
            password,
            ..Values::default()
        };
        let rows = self.pool.rows(query, &values, 1, question.at.now).await;
        Ok(rows.map_err(|fault| self.error(fault, query))?.pop())
    }

    /// What the row of an account says. A row of another name, which some databases take for the same, is none.
    async fn given(&self, question: &Question<'_>) -> Result<Option<Given>, SourceError> {
        let Some(row) = self.ask(&self.lookup, question, None).await? else { return Ok(None) };
        let own = row.iter().find(|(column, _)| column == ACCOUNT);
        if own.is_some_and(|(_, own)| own.to_lowercase() != question.name.as_str().to_lowercase()) {
            return Ok(None);
        }
        let fields = row.iter().filter(|(column, _)| column != ACCOUNT);
        let fields = fields.map(|(column, value)| (column.as_str(), value.as_str()));
        let given = Given::read(question.name.clone(), fields, self.scheme);
        given.map(Some).map_err(|problem| self.permanent(problem))
    }

    async fn entry(&self, question: &Question<'_>) -> Result<Option<Entry>, SourceError> {
        let Some(given) = self.given(question).await? else { return Ok(None) };
        // What the column holds is not looked at where the database looks at it, but whether the account is locked.
        let has_password = given.password.as_ref().is_some_and(|password| !password.is_locked());
        let entry = given.entry();
        if self.check.is_none() && has_password {
            self.sample.note(question.name, &entry);
        }
        Ok(Some(entry))
    }

    async fn aliased(
        &self,
        query: &Query,
        alias: Alias<'_>,
        at: Circumstances,
    ) -> Result<Option<AccountName>, SourceError> {
        let text = match alias {
            Alias::Name(name) => name.as_str().to_owned(),
            Alias::Domain(domain) => format!("@{domain}"),
        };
        let (local, domain) = match alias {
            Alias::Name(name) => (name.local(), name.domain()),
            Alias::Domain(domain) => ("", Some(domain)),
        };
        let values =
            Values { account: &text, local, domain, service: at.service.name(), ..Values::default() };
        let rows =
            self.pool.rows(query, &values, 1, at.now).await.map_err(|fault| self.error(fault, query))?;
        // None, or one that is NULL: as from a join that has found nobody.
        let Some((_, account)) = rows.first().and_then(|row| row.first()) else { return Ok(None) };
        let account = self.addresses.account_name(account.as_bytes()).map_err(|why| {
            let what = format!("`alias` answers for {text} with {:?}: {why}", account.as_str());
            self.permanent(Problem::new(what, "let it answer with the name of an account here"))
        });
        account.map(Some)
    }

    /// Compares and sets: what stands there is looked up once more, and replaced only if the database still finds it so.
    async fn upgraded(
        &self,
        upgrade: &Query,
        question: &Question<'_>,
        password: &Secret,
    ) -> Result<bool, SourceError> {
        let Some(row) = self.ask(&self.lookup, question, None).await? else { return Ok(false) };
        let Some((_, old)) = row.iter().find(|(column, _)| column == "password") else { return Ok(false) };
        let Ok(stored) = StoredPassword::parse(old.as_bytes(), self.scheme) else { return Ok(false) };
        let typed = Zeroizing::new(password.expose().to_vec());
        let made = tokio::task::spawn_blocking(move || {
            let new = make::stored(&typed).map_err(|why| why.to_string())?;
            // What the account was opened by may not be what stands there now.
            let is_right = stored.fits(&typed).map_err(|why| why.to_string())?;
            Ok(new.filter(|_| is_right))
        });
        let made = made.await.unwrap_or_else(|_| Err("hashing was interrupted".to_owned()));
        let wrong = |what: String| SourceError::temporary(&self.name, Problem::new(what, "try again"));
        let Some(new) = made.map_err(wrong)? else { return Ok(false) };
        let name = question.name;
        let values = Values {
            account: name.as_str(),
            local: name.local(),
            domain: name.domain(),
            old: Some(old.as_str()),
            new: Some(new.as_str()),
            ..Values::default()
        };
        match self.pool.run(upgrade, &values).await.map_err(|fault| self.error(fault, upgrade))? {
            0 => Ok(false),
            1 => Ok(true),
            rows => Err(self.permanent(Problem::new(
                format!("`upgrade` has changed {rows} rows for one account"),
                "let it change the row of :account alone",
            ))),
        }
    }

    /// Both queries are asked in every case, so that the time tells little of whether there is such an account.
    async fn checked(
        &self,
        check: &Query,
        question: &Question<'_>,
        password: &Secret,
    ) -> Result<Checked, SourceError> {
        let given = self.given(question).await?;
        let is_right = match std::str::from_utf8(password.expose()) {
            // No database takes a NUL in a text, and none takes octets that are no text.
            Ok(password) if !password.contains('\0') => {
                match self.ask(check, question, Some(password)).await? {
                    Some(row) => match row.as_slice() {
                        // NULL, as from the comparison with one.
                        [] => false,
                        [(_, value)] => truth(value).ok_or_else(|| self.permanent(one_column()))?,
                        _ => return Err(self.permanent(one_column())),
                    },
                    None => false,
                }
            }
            _ => false,
        };
        Ok(match given {
            None => Checked::Unknown,
            Some(given) if given.is_locked => Checked::Locked,
            Some(given) if is_right => Checked::Right(given.account),
            Some(_) => Checked::Wrong,
        })
    }

    /// The account of one row of `list`.
    fn listed(&self, row: &Row) -> Result<Account, Problem> {
        let name = self.name_of(row)?;
        let fields = row.iter().filter(|(column, _)| column != ACCOUNT && column != "password");
        let fields = fields.map(|(column, value)| (column.as_str(), value.as_str()));
        Ok(Given::read(name, fields, self.scheme)?.account)
    }

    /// Whose row of `list` it is.
    fn name_of(&self, row: &Row) -> Result<AccountName, Problem> {
        let (_, name) = row.iter().find(|(column, _)| column == ACCOUNT).ok_or_else(nameless)?;
        self.addresses.account_name(name.as_bytes()).map_err(|why| {
            Problem::new(
                format!("`list` answers with the account {:?}: {why}", name.as_str()),
                "leave it out in the query",
            )
        })
    }

    fn error(&self, fault: Fault, query: &Query) -> SourceError {
        fault.into_error(&self.name, Some(query), self.timeout.as_secs())
    }

    fn permanent(&self, problem: Problem) -> SourceError {
        SourceError::permanent(self.name.clone(), vec![problem])
    }

    fn late(&self, query: &Query) -> SourceError {
        self.error(Fault::Late, query)
    }
}

impl Directory for SqlDirectory {
    fn source(&self) -> String {
        self.name.clone()
    }

    fn lookup<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, Option<Entry>> {
        Box::pin(self.entry(question))
    }

    fn checks(&self) -> bool {
        self.check.is_some()
    }

    fn check<'a>(&'a self, question: &'a Question<'a>, password: &'a Secret) -> Answer<'a, Checked> {
        Box::pin(async move {
            let Some(check) = &self.check else { return Ok(Checked::Unknown) };
            let answered = tokio::time::timeout(self.timeout, self.checked(check, question, password));
            answered.await.unwrap_or_else(|_| Err(self.late(check)))
        })
    }

    fn probe<'a>(&'a self, _: &'a Question<'a>) -> Answer<'a, ()> {
        Box::pin(Self::probe(self))
    }

    fn alias<'a>(&'a self, alias: Alias<'a>, at: Circumstances) -> Answer<'a, Option<AccountName>> {
        Box::pin(async move {
            match &self.alias {
                Some(query) => self.aliased(query, alias, at).await,
                None => Ok(None),
            }
        })
    }

    fn upgrade<'a>(&'a self, question: &'a Question<'a>, password: &'a Secret) -> Answer<'a, bool> {
        Box::pin(async move {
            match &self.upgrade {
                Some(upgrade) => self.upgraded(upgrade, question, password).await,
                None => Ok(false),
            }
        })
    }

    /// There is nothing to read again; the next question is asked over a new connection.
    fn reload(&self, _now: Instant) -> Answer<'_, usize> {
        Box::pin(async {
            self.pool.forget();
            Ok(self.sample.len())
        })
    }

    fn census(&self) -> Arc<Census> {
        Arc::new(match self.check {
            Some(_) => Census { open: 1, ..Census::default() },
            None => self.sample.census(),
        })
    }

    /// Those that were asked for lately: the table is not counted.
    fn accounts(&self) -> usize {
        self.sample.len()
    }

    fn list(&self, _now: Instant) -> Answer<'_, Option<Vec<Account>>> {
        Box::pin(async {
            let Some(list) = &self.list else { return Ok(None) };
            let rows =
                self.pool.many_rows(list, ACCOUNTS_MAX).await.map_err(|fault| self.error(fault, list))?;
            let accounts: Result<Vec<Account>, Problem> = rows.iter().map(|row| self.listed(row)).collect();
            accounts.map(Some).map_err(|problem| self.permanent(problem))
        })
    }

    fn decoy(&self, seed: u64) -> Option<StoredPassword> {
        self.check.is_none().then(|| self.sample.decoy(seed))
    }
}

impl fmt::Debug for SqlDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlDirectory").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A boolean, as the databases give it.
fn truth(value: &str) -> Option<bool> {
    match value {
        "1" | "true" | "t" => Some(true),
        "0" | "false" | "f" => Some(false),
        _ => None,
    }
}

fn one_column() -> Problem {
    Problem::new(
        "`check` does not answer with true or false",
        "let it select one boolean: SELECT password = crypt(:password, password) FROM …",
    )
}

fn one_account() -> Problem {
    Problem::new(
        "`alias` does not answer with one account",
        "let it select one column: SELECT account FROM aliases WHERE alias = :account",
    )
}

fn nameless() -> Problem {
    Problem::new("`list` answers without the names of accounts", "select them AS account")
}

/// The column with the name of an account.
const ACCOUNT: &str = "account";

/// No site has more, and a query without its condition may give more.
const ACCOUNTS_MAX: usize = 10_000_000;

#[cfg(test)]
mod tests;
