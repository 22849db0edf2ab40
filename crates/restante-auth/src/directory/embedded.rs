//! The embedded directory: accounts in a database file of our own, which `restante account` edits while the server runs.
//!
//! How two processes share the file: it is a redb database that everybody opens in `ConcurrencyMode::MultiWriter`. The server
//! holds it open for reading and begins a transaction for each lookup, which sees the last commit of anybody; `Accounts` opens
//! it for writing, commits durably and closes it. So a change takes effect with the next login, nothing has to be told to the
//! server, and neither side can keep the other out. The alternatives were the exclusive mode, with the file read anew after
//! each change, which cannot see a change made within the same tick of the file's clock; and asking the server to make the
//! change, which does nothing when it is not running.
//!
//! Layout, version 2 (`META["version"]`):
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `version` | 2 |
//! | `accounts` | the normalised name | a record, see `embedded/record` |
//! | `aliases` | a normalised name | the name of an account that exists |
//! | `app_passwords` | name of an account, NUL, name of the app password | see `embedded/app_passwords` |
//!
//! Version 1 has no `app_passwords` and fewer fields; it is read as it is, and becomes version 2 in the transaction of its first edit. A
//! program that knows version 1 alone refuses version 2: it would open accounts that are disabled. No name is in `accounts` and in `aliases`. Writing is in `embedded/accounts`, reading here.

// This source is a file: here it is watched by its metadata; the database does the rest.
#![allow(clippy::disallowed_methods)]

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use redb::{
    Builder, ConcurrencyMode, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, ReadableTable,
    TableDefinition,
};
use restante_proto::secret::Secret;
use tokio::sync::Semaphore;

use super::census::{Census, Shape};
use super::{Answer, Directory, Entry, Problem, Question, SourceError};
use crate::account::{Account, AccountName};
use crate::credential::Credential;
use crate::password::{StoredPassword, make, scram};

pub mod accounts;
mod app_passwords;
pub mod change;
mod record;

use accounts::{Accounts, EditError};
use record::Record;

/// Where the database is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file, `accounts.redb` in the state folder. It need not exist: without it there are no accounts.
    pub path: PathBuf,
    /// What is stored of a new password for SCRAM.
    pub scram: make::ScramChoice,
}

impl Settings {
    /// This file, with verifiers for SCRAM-SHA-256.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), scram: make::ScramChoice::default() }
    }
}

/// The accounts of the embedded database, for reading.
pub struct EmbeddedDirectory {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    scram: make::ScramChoice,
    reader: Mutex<Option<Reader>>,
    /// What there was when somebody last counted.
    counted: Mutex<Counted>,
    /// A lookup is some microseconds; without this bound, a burst of logins would start hundreds of threads for them.
    lookups: Semaphore,
    /// One note at a time that an app password was used; what comes meanwhile is noted at its next use.
    notes: Arc<Semaphore>,
}

/// How many accounts, and of which kinds.
#[derive(Clone, Default)]
struct Counted {
    accounts: usize,
    census: Arc<Census>,
    /// Some of the passwords that are not of our making: what an unknown account is checked against.
    foreign: Arc<[StoredPassword]>,
}

/// The database, and which file it was when it was opened.
struct Reader {
    database: ReadOnlyDatabase,
    device: u64,
    inode: u64,
}

impl EmbeddedDirectory {
    /// Opens the database if there is one. May block.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or was written by a later version.
    pub fn open(settings: Settings) -> Result<Self, SourceError> {
        let inner = Inner {
            path: settings.path,
            scram: settings.scram,
            reader: Mutex::new(None),
            counted: Mutex::default(),
            lookups: Semaphore::new(LOOKUPS_MAX),
            notes: Arc::new(Semaphore::new(1)),
        };
        inner.count()?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs `question` on a thread that may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Inner) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let inner = Arc::clone(&self.inner);
        let _permit = self.inner.lookups.acquire().await;
        tokio::task::spawn_blocking(move || question(&inner)).await.unwrap_or_else(|_| {
            let problem =
                Problem::new("reading it was interrupted", "none is needed: it will be tried again");
            Err(SourceError::temporary(self.source(), problem))
        })
    }
}

impl Directory for EmbeddedDirectory {
    fn source(&self) -> String {
        source(&self.inner.path)
    }

    fn lookup<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, Option<Entry>> {
        let name = question.name.clone();
        Box::pin(self.ask(move |inner| inner.lookup(&name)))
    }

    fn probe<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, ()> {
        Box::pin(async { self.reload(question.at.now).await.map(|_| ()) })
    }

    fn reload(&self, _now: Instant) -> Answer<'_, usize> {
        Box::pin(self.ask(|inner| {
            *inner.reader() = None;
            inner.count()
        }))
    }

    fn census(&self) -> Arc<Census> {
        self.inner.counted().census
    }

    fn accounts(&self) -> usize {
        self.inner.counted().accounts
    }

    fn list(&self, _now: Instant) -> Answer<'_, Option<Vec<Account>>> {
        Box::pin(self.ask(|inner| inner.list().map(Some)))
    }

    /// Of all accounts with a password, as many imported ones as there are; beyond `DECOYS_MAX` of them it is a sample.
    fn decoy(&self, seed: u64) -> Option<StoredPassword> {
        let counted = self.inner.counted();
        let open = counted.census.open.max(1);
        let place = usize::try_from(seed.checked_rem(open)?).ok()?;
        Some(counted.foreign.get(place).cloned().unwrap_or_else(make::decoy))
    }

    fn upgrade<'a>(&'a self, question: &'a Question<'a>, password: &'a Secret) -> Answer<'a, bool> {
        let accounts =
            Accounts::new(Settings { scram: self.inner.scram.clone(), ..Settings::new(&self.inner.path) });
        let (name, password) = (question.name.clone(), Secret::new(password.expose().to_vec()));
        Box::pin(async move {
            let upgraded = tokio::task::spawn_blocking(move || accounts.upgrade(&name, &password)).await;
            match upgraded {
                Ok(Ok(is_done)) => Ok(is_done),
                Ok(Err(EditError::Source(error))) => Err(error),
                // Everything else says that there is nothing to be done.
                Ok(Err(_)) | Err(_) => Ok(false),
            }
        })
    }

    fn app_password_used(&self, account: &AccountName, credential: &Credential, today: SystemTime) {
        if !app_passwords::is_worth_noting(credential, today) {
            return;
        }
        let Ok(permit) = Arc::clone(&self.inner.notes).try_acquire_owned() else { return };
        let accounts = Accounts::new(Settings::new(&self.inner.path));
        let (account, credential) = (account.clone(), credential.clone());
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            // What cannot be noted now can be at the next use; a login does not fail for it.
            drop(accounts.note_use(&account, &credential, today));
        });
    }
}

impl fmt::Debug for EmbeddedDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedDirectory").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl Inner {
    fn lookup(&self, name: &AccountName) -> Result<Option<Entry>, SourceError> {
        self.read(|transaction| {
            let found = find(transaction, name.as_str())?;
            let Some((name, record)) = found else { return Ok(None) };
            let name = AccountName::new(&name).map_err(|_| Failure::Damaged)?;
            let password = record.password().ok_or(Failure::Damaged)?;
            let scram = record.scram().ok_or(Failure::Damaged)?;
            let app_passwords = match record.is_disabled() {
                true => Vec::new(),
                false => app_passwords_of(transaction, &name)?,
            };
            let account = record.account(name).ok_or(Failure::Damaged)?;
            Ok(Some(Entry { account, password, scram, app_passwords }))
        })
        .map(Option::flatten)
    }

    fn list(&self) -> Result<Vec<Account>, SourceError> {
        let accounts = self.read(|transaction| {
            let mut accounts = Vec::new();
            for entry in transaction.open_table(ACCOUNTS)?.iter()? {
                let (name, record) = entry?;
                let name = AccountName::new(name.value()).map_err(|_| Failure::Damaged)?;
                let record = Record::decode(record.value()).ok_or(Failure::Damaged)?;
                accounts.push(record.account(name).ok_or(Failure::Damaged)?);
            }
            Ok(accounts)
        })?;
        Ok(accounts.unwrap_or_default())
    }

    /// Looks at every account: a microsecond for each.
    fn count(&self) -> Result<usize, SourceError> {
        let counted = self.read(|transaction| {
            let (mut accounts, mut census, mut foreign) = (0, Census::default(), Vec::new());
            for entry in transaction.open_table(ACCOUNTS)?.iter()? {
                let record = Record::decode(entry?.1.value()).ok_or(Failure::Damaged)?;
                let password = record.password().ok_or(Failure::Damaged)?;
                census.add(&password, &record.scram().ok_or(Failure::Damaged)?);
                if record.has_foreign() && password.is_there() && foreign.len() < DECOYS_MAX {
                    foreign.push(password);
                }
                accounts += 1;
            }
            Ok((accounts, census, foreign))
        })?;
        let (accounts, mut census, foreign) = counted.unwrap_or_default();
        if census.open == 0 {
            self.expect_the_first(&mut census);
        }
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) =
            Counted { accounts, census: Arc::new(census), foreign: foreign.into() };
        Ok(accounts)
    }

    /// Accounts are added while the server runs: what the first will have is announced before it is there.
    fn expect_the_first(&self, census: &mut Census) {
        census.open = 1;
        for hash in &self.scram.hashes {
            let shape =
                Shape { hash: *hash, iterations: self.scram.iterations, salt_octets: scram::SALT_OCTETS };
            census.shapes.insert(shape, 1);
        }
    }

    fn counted(&self) -> Counted {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs `question` in a transaction; `None` if there is no file. A database that was opened earlier and has trouble now
    /// (replaced, or left behind by a process that was killed while it wrote) is opened once more.
    fn read<T>(
        &self,
        question: impl Fn(&ReadTransaction) -> Result<T, Failure>,
    ) -> Result<Option<T>, SourceError> {
        let mut reader = self.reader();
        let metadata = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound && reader.is_none() => return Ok(None),
            Err(error) => return Err(failed(&self.path, Failure::from(error))),
        };
        let (device, inode) = (metadata.dev(), metadata.ino());
        if let Some(open) = reader.as_ref().filter(|open| open.device == device && open.inode == inode)
            && let Ok(answer) = guarded(|| question(&begin(&open.database)?))
        {
            return Ok(Some(answer));
        }
        *reader = None;
        // A file of no length is one that `restante account` is about to fill.
        if metadata.len() == 0 {
            return Ok(None);
        }
        let answer = guarded(|| {
            let database = open_for_reading(&self.path)?;
            let answer = question(&begin(&database)?)?;
            Ok((database, answer))
        });
        let (database, answer) = answer.map_err(|failure| failed(&self.path, failure))?;
        *reader = Some(Reader { database, device, inode });
        Ok(Some(answer))
    }

    fn reader(&self) -> std::sync::MutexGuard<'_, Option<Reader>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_for_reading(path: &Path) -> Result<ReadOnlyDatabase, Failure> {
    match builder().open_read_only(path) {
        Ok(database) => Ok(database),
        // Whoever wrote last was killed at it. Opening for writing repairs.
        Err(redb::DatabaseError::RepairAborted) => {
            drop(builder().open(path)?);
            Ok(builder().open_read_only(path)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Begins a transaction on a database of a version that is known here.
fn begin(database: &ReadOnlyDatabase) -> Result<ReadTransaction, Failure> {
    let transaction = database.begin_read()?;
    let version = transaction.open_table(META)?.get(VERSION_KEY)?.map(|version| version.value());
    match version {
        Some(VERSION_FIRST..=VERSION) => Ok(transaction),
        Some(version) => Err(Failure::Version(version)),
        None => Err(Failure::Damaged),
    }
}

/// The name and the record of the account that `name` means, itself or as an alias.
fn find(transaction: &ReadTransaction, name: &str) -> Result<Option<(String, Record)>, Failure> {
    let accounts = transaction.open_table(ACCOUNTS)?;
    let alias = transaction.open_table(ALIASES)?.get(name)?.map(|account| account.value().to_owned());
    let name = alias.unwrap_or_else(|| name.to_owned());
    let Some(record) = accounts.get(&*name)? else { return Ok(None) };
    let record = Record::decode(record.value()).ok_or(Failure::Damaged)?;
    Ok(Some((name, record)))
}

/// None in a database of version 1.
fn app_passwords_of(
    transaction: &ReadTransaction,
    account: &AccountName,
) -> Result<Vec<Credential>, Failure> {
    match transaction.open_table(APP_PASSWORDS) {
        Ok(table) => app_passwords::of_account(&table, account),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_concurrency_mode(ConcurrencyMode::MultiWriter).set_cache_size(CACHE_BYTES);
    builder
}

/// The library checks checksums only after a crash and may panic on a damaged file; that must not end a login task.
fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Failure::Damaged))
}

/// What can go wrong between us and the database.
#[derive(Debug)]
enum Failure {
    /// Not what we wrote.
    Damaged,
    /// A later program has written it.
    Version(u64),
    Database(Box<redb::Error>),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

fn failed(path: &Path, failure: Failure) -> SourceError {
    let source = source(path);
    let permanent =
        |what: String, remedy: &str| SourceError::permanent(source.clone(), vec![Problem::new(what, remedy)]);
    match failure {
        Failure::Damaged => permanent("it is damaged".to_owned(), "put a copy from a backup in its place"),
        Failure::Version(version) => permanent(
            format!("it has version {version}, and this program knows {VERSION}"),
            "use the program that wrote it, or a later one",
        ),
        Failure::Database(error) => match *error {
            redb::Error::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => permanent(
                format!("it cannot be opened: {error}"),
                "make the user that the server runs as its owner",
            )
            .caused_by(error),
            redb::Error::Corrupted(what) => {
                permanent(format!("it is damaged: {what}"), "put a copy from a backup in its place")
            }
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
                let problem = Problem::new(
                    "another program has locked it",
                    "find out which, for instance with fuser, and let it end",
                );
                SourceError::temporary(source, problem)
            }
            error => {
                let problem =
                    Problem::new(format!("it cannot be used: {error}"), "look after the disk it is on");
                SourceError::temporary(source, problem).caused_by(error)
            }
        },
    }
}

fn source(path: &Path) -> String {
    format!("accounts {}", path.display())
}

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const ACCOUNTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("accounts");
const ALIASES: TableDefinition<'_, &str, &str> = TableDefinition::new("aliases");

const APP_PASSWORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("app_passwords");

const VERSION_KEY: &str = "version";
const VERSION: u64 = 2;
const VERSION_FIRST: u64 = 1;

/// A million accounts have some thousand inner pages, of which a lookup touches three; the rest is the page cache's work.
const CACHE_BYTES: usize = 1 << 20;

const LOOKUPS_MAX: usize = 4;

const DECOYS_MAX: usize = 256;

#[cfg(test)]
mod tests;
