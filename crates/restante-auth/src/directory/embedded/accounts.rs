//! Editing the embedded directory: what `restante account` does.
//!
//! Each call opens the database, does its work in one transaction, commits it durably and closes. All calls block; passwords
//! are hashed before anything is locked. A server that has the database open sees the change at its next lookup.

// This source is a file, which is made here; a person's edit waits, within bounds, for another to end.
#![allow(clippy::disallowed_methods)]

use std::error::Error;
use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use redb::{Database, ReadableDatabase, ReadableTable, TransactionError, WriteTransaction};
use restante_proto::secret::Secret;
use zeroize::Zeroizing;

use super::app_passwords;
use super::change::Change;
use super::record::Record;
use super::{
    ACCOUNTS, ALIASES, APP_PASSWORDS, Failure, META, Settings, VERSION, VERSION_FIRST, VERSION_KEY, builder,
    failed, guarded,
};
use crate::account::{Account, AccountName, Bound, Quota};
use crate::credential::{Credential, CredentialName};
use crate::directory::{Problem, SourceError};
use crate::password::make;

/// The accounts of the embedded database, for editing. Names are given normalised.
#[derive(Clone, Debug)]
pub struct Accounts {
    path: PathBuf,
    scram: make::ScramChoice,
}

/// An account in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// Its name.
    pub name: AccountName,
    /// All that is known of it.
    pub account: Account,
    /// Other names that lead to it, sorted.
    pub aliases: Vec<AccountName>,
    /// Whether no main password fits it.
    pub is_locked: bool,
    /// Whether nobody may log in, by whatever.
    pub is_disabled: bool,
    /// Its app passwords, by name.
    pub app_passwords: Vec<Credential>,
}

/// What a new account has besides its name.
#[derive(Debug, Default)]
pub struct New {
    /// Its password; without one, nobody can log in to it, but it takes mail.
    pub password: Option<Secret>,
    /// Its home folder, an absolute path.
    pub home: Option<PathBuf>,
    /// How much its maildrop may hold.
    pub quota: Quota,
    /// What else is said of it; this comes before home and quota.
    pub change: Change,
}

/// An account that another source had.
#[derive(Debug)]
pub struct Imported {
    /// All that is known of it.
    pub account: Account,
    /// Its password as a passwd-file has it; `None` if there is none that would ever fit.
    pub stored: Option<Zeroizing<Vec<u8>>>,
    /// Nobody may log in to it, by whatever.
    pub is_disabled: bool,
}

/// What an import does with accounts that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// They stay as they are.
    Kept,
    /// They get the password of the import and what it says of them; what it does not say, aliases and app passwords stay.
    Replaced,
}

/// What an import came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Accounts that were not there.
    pub added: u64,
    /// Accounts that were changed.
    pub replaced: u64,
    /// Accounts that were there and stay as they were.
    pub kept: u64,
}

/// What becomes of one figure of a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Figure {
    /// It stays as it is.
    #[default]
    Kept,
    /// What holds for everybody holds for this account too.
    AsConfigured,
    /// This, whatever holds for others.
    Own(Bound),
}

impl Figure {
    fn of(self, before: Option<Bound>) -> Option<Bound> {
        match self {
            Self::Kept => before,
            Self::AsConfigured => None,
            Self::Own(bound) => Some(bound),
        }
    }
}

/// New verifiers, and the imported secret in whose place they come.
pub(super) struct VerifierUpgrade {
    before: Zeroizing<Vec<u8>>,
    verifiers: make::Verifiers,
}

/// Why an edit did not happen. Nothing has changed then.
#[derive(Debug)]
#[non_exhaustive]
pub enum EditError {
    /// There is an account or an alias of this name.
    Exists(AccountName),
    /// There is no account of this name, or no such alias.
    Unknown(AccountName),
    /// The password is empty, longer than 1024 octets, not UTF-8 or holds what SASLprep prohibits.
    InvalidPassword,
    /// The home is not an absolute path, or longer than 4096 octets.
    InvalidHome,
    /// The account has an app password of this name.
    AppPasswordExists(CredentialName),
    /// The account has no app password of this name.
    UnknownAppPassword(CredentialName),
    /// The account has as many app passwords as an account may have.
    AppPasswordsFull,
    /// The name of a new account is an alias.
    IsAlias(AccountName),
    /// The database cannot be used.
    Source(SourceError),
}

impl Accounts {
    /// The accounts in this database; it is made when the first is added.
    pub fn new(settings: Settings) -> Self {
        Self { path: settings.path, scram: settings.scram }
    }

    /// Adds an account.
    ///
    /// # Errors
    /// `Exists`, `InvalidPassword`, `InvalidHome`, `Source`.
    pub fn add(&self, name: &AccountName, new: &New) -> Result<(), EditError> {
        let mut record = Record::default();
        if let Some(password) = &new.password {
            record.set_verifiers(&self.verifiers(password)?);
        }
        let home = new.home.as_deref();
        if home.is_some_and(|home| !home.is_absolute() || home.as_os_str().len() > HOME_OCTETS_MAX) {
            return Err(EditError::InvalidHome);
        }
        record.set_home(home);
        record.set_quota(new.quota);
        let mut account = record.account(name.clone()).ok_or(EditError::InvalidHome)?;
        new.change.apply(&mut account);
        record.set_account(&account);
        create(&self.path).map_err(|error| self.failed(error))?;
        self.edit(name, |transaction| {
            let mut accounts = transaction.open_table(ACCOUNTS)?;
            let is_alias = transaction.open_table(ALIASES)?.get(name.as_str())?.is_some();
            if is_alias || accounts.get(name.as_str())?.is_some() {
                return Ok(Err(EditError::Exists(name.clone())));
            }
            accounts.insert(name.as_str(), record.encode().ok_or(Failure::Damaged)?.as_slice())?;
            Ok(Ok(()))
        })
    }

    /// Gives an account another password.
    ///
    /// # Errors
    /// `Unknown`, `InvalidPassword`, `Source`.
    pub fn set_password(&self, name: &AccountName, password: &Secret) -> Result<(), EditError> {
        let verifiers = self.verifiers(password)?;
        self.edit_record(name, |record| {
            record.set_verifiers(&verifiers);
            Ok(())
        })
    }

    /// Puts verifiers of our own in the place of the imported secret that `password` fits; answers whether it did. A password that was set
    /// since is not touched, and neither are SCRAM verifiers that would not be made anew.
    ///
    /// # Errors
    /// `Source`.
    pub fn upgrade(&self, name: &AccountName, password: &Secret) -> Result<bool, EditError> {
        match self.upgrade_of(name, password)? {
            Some(upgrade) => self.carry_out(name, &upgrade),
            None => Ok(false),
        }
    }

    /// What would be stored in place of what; `None` if nothing would.
    pub(super) fn upgrade_of(
        &self,
        name: &AccountName,
        password: &Secret,
    ) -> Result<Option<VerifierUpgrade>, EditError> {
        let record = guarded(|| {
            let database = self.open()?;
            let transaction = database.begin_read()?;
            let record = transaction.open_table(ACCOUNTS)?.get(name.as_str())?;
            record.map(|record| Record::decode(record.value()).ok_or(Failure::Damaged)).transpose()
        });
        let Some(record) = record.map_err(|failure| self.failed(failure))? else { return Ok(None) };
        let (Some(foreign), Some(stored)) = (record.foreign(), record.password()) else { return Ok(None) };
        let typed = password.expose();
        let prepared = make::prepared(typed);
        let fits = |password: &[u8]| stored.fits(password).unwrap_or(false);
        let is_right = fits(typed) || prepared.is_some_and(|prepared| fits(prepared.as_bytes()));
        if !is_right || stored.scram().is_some_and(|verifier| !self.scram.hashes.contains(&verifier.hash)) {
            return Ok(None);
        }
        match self.verifiers(password) {
            Ok(verifiers) => {
                Ok(Some(VerifierUpgrade { before: Zeroizing::new(foreign.to_vec()), verifiers }))
            }
            // It was let in as older servers let it in, and stays so.
            Err(EditError::InvalidPassword) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether what was there before was still there.
    pub(super) fn carry_out(&self, name: &AccountName, upgrade: &VerifierUpgrade) -> Result<bool, EditError> {
        let mut is_done = false;
        let edited = self.edit_record(name, |record| {
            if record.foreign() == Some(upgrade.before.as_slice()) {
                record.set_verifiers(&upgrade.verifiers);
                is_done = true;
            }
            Ok(())
        });
        match edited {
            Ok(()) => Ok(is_done),
            Err(EditError::Unknown(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives an account another quota.
    ///
    /// # Errors
    /// `Unknown`, `Source`.
    pub fn set_quota(&self, name: &AccountName, octets: Figure, messages: Figure) -> Result<(), EditError> {
        self.edit_record(name, |record| {
            let before = record.quota().ok_or(Failure::Damaged)?;
            let (octets, messages) = (octets.of(before.octets), messages.of(before.messages));
            record.set_quota(Quota { octets, messages });
            Ok(())
        })
    }

    /// Changes what is known of an account.
    ///
    /// # Errors
    /// `Unknown`, `Source`.
    pub fn set(&self, name: &AccountName, change: &Change) -> Result<(), EditError> {
        self.edit_record(name, |record| {
            let mut account = record.account(name.clone()).ok_or(Failure::Damaged)?;
            change.apply(&mut account);
            record.set_account(&account);
            Ok(())
        })
    }

    /// Lets nobody log in to an account, whatever password, app password, token or certificate they have; or lets them again. It takes
    /// mail as before.
    ///
    /// # Errors
    /// `Unknown`, `Source`.
    pub fn set_disabled(&self, name: &AccountName, is_disabled: bool) -> Result<(), EditError> {
        self.edit_record(name, |record| {
            record.set_disabled(is_disabled);
            Ok(())
        })
    }

    /// Takes accounts over, all of them or, on an error, none.
    ///
    /// # Errors
    /// `IsAlias`, `Source`.
    pub fn import(&self, accounts: &[Imported], known: Known) -> Result<Outcome, EditError> {
        let mut outcome = Outcome::default();
        let Some(first) = accounts.first() else { return Ok(outcome) };
        create(&self.path).map_err(|error| self.failed(error))?;
        self.edit(&first.account.name, |transaction| {
            let aliases = transaction.open_table(ALIASES)?;
            let mut table = transaction.open_table(ACCOUNTS)?;
            for Imported { account, stored, is_disabled } in accounts {
                let name = account.name.as_str();
                if aliases.get(name)?.is_some() {
                    return Ok(Err(EditError::IsAlias(account.name.clone())));
                }
                let before = table.get(name)?.map(|record| Record::decode(record.value()));
                let mut record = match before {
                    None => {
                        outcome.added += 1;
                        Record::default()
                    }
                    Some(_) if known == Known::Kept => {
                        outcome.kept += 1;
                        continue;
                    }
                    Some(record) => {
                        outcome.replaced += 1;
                        record.ok_or(Failure::Damaged)?
                    }
                };
                let before = record.account(account.name.clone()).ok_or(Failure::Damaged)?;
                record.set_account(&account.clone().or(&before));
                record.set_foreign(stored.as_ref().map(|stored| stored.as_slice()));
                if *is_disabled {
                    record.set_disabled(true);
                }
                table.insert(name, record.encode().ok_or(Failure::Damaged)?.as_slice())?;
            }
            Ok(Ok(()))
        })?;
        Ok(outcome)
    }

    /// What [`Accounts::import`] would come to now; changes nothing.
    ///
    /// # Errors
    /// `IsAlias`, `Source`.
    pub fn rehearse(&self, accounts: &[Imported], known: Known) -> Result<Outcome, EditError> {
        let listed = self.list()?;
        let mut outcome = Outcome::default();
        for name in accounts.iter().map(|imported| &imported.account.name) {
            if listed.iter().any(|listed| listed.aliases.contains(name)) {
                return Err(EditError::IsAlias(name.clone()));
            }
            let is_there = listed.binary_search_by(|it| it.name.as_str().cmp(name.as_str())).is_ok();
            match (is_there, known) {
                (false, _) => outcome.added += 1,
                (true, Known::Kept) => outcome.kept += 1,
                (true, Known::Replaced) => outcome.replaced += 1,
            }
        }
        Ok(outcome)
    }

    /// Removes an account and its aliases. Its maildrop is not touched.
    ///
    /// # Errors
    /// `Unknown`, `Source`.
    pub fn remove(&self, name: &AccountName) -> Result<(), EditError> {
        self.edit(name, |transaction| {
            if transaction.open_table(ACCOUNTS)?.remove(name.as_str())?.is_none() {
                return Ok(Err(EditError::Unknown(name.clone())));
            }
            transaction.open_table(ALIASES)?.retain(|_, account| account != name.as_str())?;
            // Else they would open the next account of this name.
            transaction.open_table(APP_PASSWORDS)?.retain(|key, _| !app_passwords::is_of(key, name))?;
            Ok(Ok(()))
        })
    }

    /// Lets `alias` mean `account`, for mail and for logging in.
    ///
    /// # Errors
    /// `Exists` if `alias` is taken, `Unknown` if there is no `account`, `Source`.
    pub fn add_alias(&self, alias: &AccountName, account: &AccountName) -> Result<(), EditError> {
        self.edit(account, |transaction| {
            let accounts = transaction.open_table(ACCOUNTS)?;
            let mut aliases = transaction.open_table(ALIASES)?;
            if accounts.get(account.as_str())?.is_none() {
                return Ok(Err(EditError::Unknown(account.clone())));
            }
            if accounts.get(alias.as_str())?.is_some() || aliases.get(alias.as_str())?.is_some() {
                return Ok(Err(EditError::Exists(alias.clone())));
            }
            aliases.insert(alias.as_str(), account.as_str())?;
            Ok(Ok(()))
        })
    }

    /// Removes an alias.
    ///
    /// # Errors
    /// `Unknown`, `Source`.
    pub fn remove_alias(&self, alias: &AccountName) -> Result<(), EditError> {
        self.edit(alias, |transaction| {
            let removed = transaction.open_table(ALIASES)?.remove(alias.as_str())?.is_some();
            Ok(if removed { Ok(()) } else { Err(EditError::Unknown(alias.clone())) })
        })
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// `Source`. That there is no database is no error: there are no accounts then.
    pub fn list(&self) -> Result<Vec<Listed>, EditError> {
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        let listed = guarded(|| {
            let database = self.open()?;
            let transaction = database.begin_read()?;
            let mut listed = Vec::new();
            for entry in transaction.open_table(ACCOUNTS)?.iter()? {
                let (name, record) = entry?;
                let mut account = listed_account(name.value(), record.value()).ok_or(Failure::Damaged)?;
                account.app_passwords = super::app_passwords_of(&transaction, &account.name)?;
                listed.push(account);
            }
            for entry in transaction.open_table(ALIASES)?.iter()? {
                let (alias, account) = entry?;
                let alias = AccountName::new(alias.value()).map_err(|_| Failure::Damaged)?;
                let owner =
                    listed.binary_search_by(|listed: &Listed| listed.name.as_str().cmp(account.value()));
                if let Some(listed) = owner.ok().and_then(|index| listed.get_mut(index)) {
                    listed.aliases.push(alias);
                }
            }
            Ok(listed)
        });
        listed.map_err(|failure| self.failed(failure))
    }

    /// The account of this name, or the one that it is an alias of.
    ///
    /// # Errors
    /// `Unknown`, `Source`.
    pub fn find(&self, name: &AccountName) -> Result<Listed, EditError> {
        let is_it = |listed: &Listed| listed.name == *name || listed.aliases.contains(name);
        self.list()?.into_iter().find(is_it).ok_or_else(|| EditError::Unknown(name.clone()))
    }

    fn verifiers(&self, password: &Secret) -> Result<make::Verifiers, EditError> {
        let prepared = make::prepared(password.expose()).ok_or(EditError::InvalidPassword)?;
        make::verifiers(prepared.as_bytes(), &self.scram).map_err(|error| {
            let problem = Problem::new(error.to_string(), "try again");
            EditError::Source(SourceError::temporary(super::source(&self.path), problem))
        })
    }

    /// Changes the record of an account.
    fn edit_record(
        &self,
        name: &AccountName,
        change: impl FnOnce(&mut Record) -> Result<(), Failure>,
    ) -> Result<(), EditError> {
        self.edit(name, |transaction| {
            let mut accounts = transaction.open_table(ACCOUNTS)?;
            let Some(record) = accounts.get(name.as_str())?.map(|record| Record::decode(record.value()))
            else {
                return Ok(Err(EditError::Unknown(name.clone())));
            };
            let mut record = record.ok_or(Failure::Damaged)?;
            change(&mut record)?;
            accounts.insert(name.as_str(), record.encode().ok_or(Failure::Damaged)?.as_slice())?;
            Ok(Ok(()))
        })
    }

    /// One transaction about `name`, durable on return. A refusal of `change` changes nothing.
    pub(super) fn edit(
        &self,
        name: &AccountName,
        change: impl FnOnce(&WriteTransaction) -> Result<Result<(), EditError>, Failure>,
    ) -> Result<(), EditError> {
        if !self.path.exists() {
            return Err(EditError::Unknown(name.clone()));
        }
        let done = guarded(|| {
            let database = self.open()?;
            let transaction = begin(&database)?;
            upgrade(&transaction)?;
            let done = change(&transaction)?;
            match done {
                Ok(()) => transaction.commit()?,
                Err(_) => transaction.abort()?,
            }
            database.close()?;
            Ok(done)
        });
        done.unwrap_or_else(|failure| Err(self.failed(failure)))
    }

    /// Opens the database, which exists, and makes its tables if it is new.
    fn open(&self) -> Result<Database, Failure> {
        let mut waits = WAITS_MAX;
        let database = loop {
            match builder().create(&self.path) {
                Err(redb::DatabaseError::DatabaseAlreadyOpen) if waits > 0 => waits -= 1,
                result => break result?,
            }
            thread::sleep(WAIT);
        };
        let version = match database.begin_read()?.open_table(META) {
            Ok(meta) => meta.get(VERSION_KEY)?.map(|version| version.value()),
            Err(redb::TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error.into()),
        };
        match version {
            Some(VERSION_FIRST..=VERSION) => return Ok(database),
            Some(version) => return Err(Failure::Version(version)),
            None => {}
        }
        let transaction = begin(&database)?;
        transaction.open_table(META)?.insert(VERSION_KEY, VERSION)?;
        transaction.open_table(ACCOUNTS)?;
        transaction.open_table(ALIASES)?;
        transaction.open_table(APP_PASSWORDS)?;
        transaction.commit()?;
        Ok(database)
    }

    fn failed(&self, failure: impl Into<Failure>) -> EditError {
        EditError::Source(failed(&self.path, failure.into()))
    }
}

/// Makes the database one of this version, together with the change that it is edited for.
pub(super) fn upgrade(transaction: &WriteTransaction) -> Result<(), Failure> {
    let mut meta = transaction.open_table(META)?;
    // Somebody may have done it, or put a later one in its place, since it was opened.
    let version = meta.get(VERSION_KEY)?.map(|version| version.value());
    match version {
        Some(VERSION) => {}
        Some(VERSION_FIRST) => {
            meta.insert(VERSION_KEY, VERSION)?;
            transaction.open_table(APP_PASSWORDS)?;
        }
        Some(version) => return Err(Failure::Version(version)),
        None => return Err(Failure::Damaged),
    }
    Ok(())
}

/// Begins writing, when whoever is writing has finished; not for ever.
fn begin(database: &Database) -> Result<WriteTransaction, Failure> {
    let mut waits = WAITS_MAX;
    loop {
        match database.try_begin_write() {
            Err(TransactionError::WouldBlock) if waits > 0 => waits -= 1,
            Err(TransactionError::WouldBlock) => return Err(redb::Error::DatabaseAlreadyOpen.into()),
            result => return Ok(result?),
        }
        thread::sleep(WAIT);
    }
}

/// Makes the file if there is none: readable by its owner alone, who is the owner of the folder if we may choose (an
/// operator who is root adds accounts for a server that is not).
fn create(path: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        result => result?,
    };
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let owner = std::fs::metadata(folder)?;
    if owner.uid() != file.metadata()?.uid() {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    // Else the whole database could be gone after a power cut, account and all.
    std::fs::File::open(folder)?.sync_all()
}

fn listed_account(name: &str, record: &[u8]) -> Option<Listed> {
    let record = Record::decode(record)?;
    let is_locked = !record.password()?.is_there();
    let name = AccountName::new(name).ok()?;
    Some(Listed {
        account: record.account(name.clone())?,
        name,
        aliases: Vec::new(),
        is_locked,
        is_disabled: record.is_disabled(),
        app_passwords: Vec::new(),
    })
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(name) => write!(f, "there is an account or alias {name} already"),
            Self::Unknown(name) => write!(f, "there is no account {name}"),
            Self::InvalidPassword => f.write_str(
                "the password is empty, longer than 1024 octets, not UTF-8 or has characters that no password may have",
            ),
            Self::InvalidHome => f.write_str("the home is not an absolute path, or longer than 4096 octets"),
            Self::AppPasswordExists(name) => write!(f, "there is an app password {name:?} already", name = name.as_str()),
            Self::UnknownAppPassword(name) => write!(f, "there is no app password {name:?}", name = name.as_str()),
            Self::AppPasswordsFull => {
                write!(f, "the account has {} app passwords already", crate::credential::CREDENTIALS_MAX)
            }
            Self::IsAlias(name) => write!(f, "{name} is an alias"),
            Self::Source(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl Error for EditError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Source(error) => Some(error),
            _ => None,
        }
    }
}

/// Writers wait for each other for five seconds at most; a write takes a few milliseconds.
const WAIT: Duration = Duration::from_millis(20);
const WAITS_MAX: u32 = 250;

/// Linux's own limit for a path.
const HOME_OCTETS_MAX: usize = 4096;
