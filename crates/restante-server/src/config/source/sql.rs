//! `[[auth.source]]` of type `sql`: the keys, and what they come to.

use crate::file;
use restante_auth::address;
use restante_auth::directory::{Problem, SourceError};
use restante_auth::password::Scheme;
use restante_config::problem::Problems;
use restante_config::section;
use restante_config::section::Lines;
use restante_config::value::{Fault, Value, quote};
use restante_sources::sql::Settings;
use restante_sources::sql::url::DatabaseUrl;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeValue;

section! {
    #[derive(PartialEq, Eq)]
    /// Accounts in a database: PostgreSQL, MySQL or MariaDB, SQLite.
    pub struct SqlSource {
        /// The database, in one line: `postgres://USER:PASSWORD@HOST/DATABASE`, `mysql://…`, `sqlite:/PATH`. Has no default.
        url: Option<SqlUrl> = None;
        /// A file with that line instead, so that no password stands in the configuration.
        url_file: Option<PathBuf> = None;
        /// The authorities, PEM, that vouch for the database's certificate. With it nothing is sent to a database that
        /// shows none of theirs. Default: none, and TLS is as `url` says.
        ca: Option<PathBuf> = None;
        /// The query for the row of one account, its columns named as the fields of an account. Has no default.
        lookup: Option<String> = None;
        /// The query that answers whether `:password` is right, for databases that check passwords themselves. Default:
        /// none, and the column `password` is checked here.
        check: Option<String> = None;
        /// The query for all accounts: `account`, and the columns of `lookup`. Default: none, and they cannot be listed.
        list: Option<String> = None;
        /// The query for the account that mail for another name goes to, one column: `SELECT account FROM aliases WHERE alias = :account`. Default:
        /// none, and there are no aliases here.
        alias: Option<String> = None;
        /// The statement that stores a password in a better form (`auth.upgrade_hashes`): `UPDATE accounts SET password = :new WHERE name = :account AND password = :old`.
        /// Default: none, and what the database stores stays as it is.
        upgrade: Option<String> = None;
        /// Connections at the same time. Default 4.
        connections: u64 = 4, in 1..=1_000;
        /// Seconds that one question may take. Default 5.
        timeout_s: u64 = 5, in 1..=60;
        /// The scheme of passwords that do not name theirs. Default `CRYPT`: whatever form of crypt(3) they show.
        scheme: String = "CRYPT".to_owned();
    }
}

/// An address of a database; its password is not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlUrl(pub DatabaseUrl);

impl Value for SqlUrl {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        let text = String::read(written)?;
        DatabaseUrl::parse(&text).map(Self).map_err(|problem| Fault::new(problem.what, problem.remedy))
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.0.to_string()))
    }
}

impl SqlSource {
    /// Makes relative paths start at the folder of the configuration file.
    pub(super) fn start_paths_at(&mut self, folder: &Path) {
        let start = |path: &mut PathBuf| *path = folder.join(&*path);
        self.url_file.iter_mut().for_each(start);
        self.ca.iter_mut().for_each(start);
        self.url = self.url.take().map(|SqlUrl(url)| SqlUrl(url.starting_at(folder)));
    }

    /// The database, as far as it can be read where it is.
    pub(crate) fn database(&self) -> Option<DatabaseUrl> {
        match (&self.url, &self.url_file) {
            (Some(SqlUrl(url)), _) => Some(url.clone()),
            (None, path) => read_url(path.as_deref()?).ok(),
        }
    }

    /// What must hold beside the forms of single values; `name` is that of the table.
    pub(super) fn check(&self, name: &str, lines: &Lines, problems: &mut Problems<'_>) {
        let at = |key: &str| lines.at(&format!("{name}.{key}"));
        match (&self.url, &self.url_file) {
            // A url that was written and is wrong has been reported where it was read.
            (None, None) if !lines.is_set(&format!("{name}.url")) => problems.error(
                lines.at(name),
                "a database that is not named",
                "add url = \"postgres://USER:PASSWORD@HOST/DATABASE\", or url_file",
            ),
            (Some(_), Some(_)) => {
                problems.error(at("url_file"), "url and url_file name two databases", "take one of them out");
            }
            _ => {}
        }
        if self.lookup.is_none() {
            problems.error(
                lines.at(name),
                "a database without a query for an account",
                "add lookup = \"SELECT password FROM accounts WHERE name = :account\"",
            );
        }
        if Scheme::from_name(&self.scheme).is_none() {
            problems.error(
                at("scheme"),
                format!("{:?} is no scheme of passwords", self.scheme),
                "write one of those in the manual, such as \"BLF-CRYPT\", or take the key out",
            );
        }
        let settings = match self.settings(address::Settings::default()) {
            Ok(Some(settings)) => settings,
            Ok(None) => return,
            Err((key, problem)) => return problems.error(at(key), problem.what, problem.remedy),
        };
        for (key, problem) in settings.faults() {
            problems.error(at(key), format!("{name}.{key}: {}", problem.what), problem.remedy);
        }
        if settings.url.is_exposed(self.ca.is_some()) {
            problems.warning(
                at(if self.url.is_some() { "url" } else { "url_file" }),
                "whoever is on the way to the database may read and change its answers",
                "add ca, or sslmode=verify-full (in MySQL ssl-mode=VERIFY_IDENTITY) to the url",
            );
        }
        if let Some(path) = &self.url_file
            && let Ok(mode) = file::permissions(path)
            && mode & 0o007 != 0
        {
            problems.warning(
                at("url_file"),
                format!("every user of this machine can read {} (permissions {mode:04o})", path.display()),
                format!("chmod o-rwx {}", path.display()),
            );
        }
    }

    /// What the source is made of.
    ///
    /// # Errors
    /// A file cannot be read or used.
    pub(crate) fn assemble(&self, addresses: address::Settings) -> Result<Option<Settings>, SourceError> {
        self.settings(addresses).map_err(|(_, problem)| SourceError::permanent("sql", vec![problem]))
    }

    /// `None` where a key is missing, which `check` reports; an error is the key's that it stands beside.
    fn settings(&self, addresses: address::Settings) -> Result<Option<Settings>, (&'static str, Problem)> {
        let Some(lookup) = self.lookup.clone() else { return Ok(None) };
        let url = match (&self.url, &self.url_file) {
            (Some(SqlUrl(url)), None) => url.clone(),
            (None, Some(path)) => read_url(path).map_err(|problem| ("url_file", problem))?,
            _ => return Ok(None),
        };
        let read = |path: &PathBuf| {
            file::read(path, AUTHORITIES_OCTETS_MAX).map_err(|error| {
                let what = format!("the authorities in {} cannot be read: {error}", path.display());
                ("ca", Problem::new(what, "write the file, or correct the path or the permissions"))
            })
        };
        Ok(Some(Settings {
            url,
            authority: self.ca.as_ref().map(read).transpose()?,
            lookup,
            check: self.check.clone(),
            list: self.list.clone(),
            alias: self.alias.clone(),
            upgrade: self.upgrade.clone(),
            connections: usize::try_from(self.connections).unwrap_or(usize::MAX),
            timeout: Duration::from_secs(self.timeout_s),
            scheme: Scheme::from_name(&self.scheme).unwrap_or(Scheme::Crypt),
            addresses,
        }))
    }
}

/// The one line of a `url_file`.
fn read_url(path: &Path) -> Result<DatabaseUrl, Problem> {
    let text = file::read_text(path, URL_OCTETS_MAX).map_err(|error| {
        let what = format!("the address of the database in {} cannot be read: {error}", path.display());
        Problem::new(what, "write the file, one line, or correct the path or the permissions")
    })?;
    let problem =
        |problem: Problem| Problem { what: format!("{}: {}", path.display(), problem.what), ..problem };
    let url = DatabaseUrl::parse(text.trim()).map_err(problem)?;
    Ok(url.starting_at(path.parent().unwrap_or_else(|| Path::new(""))))
}

const URL_OCTETS_MAX: u64 = 4_096;
const AUTHORITIES_OCTETS_MAX: u64 = 1_048_576;
