//! The passwd-file source: one account a line, in the form that Dovecot reads, kept in memory and followed when it changes.
//!
//! Lines are taken apart in `file/parse`; how a change is noticed is in `follow`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::census::Census;
use super::embedded::accounts::Imported;
use super::follow::{Content, Followed, Place};
use super::table::Record;
use super::{Answer, Directory, Entry, Notify, Problem, Question, SourceError};
use crate::account::{Account, AccountName};
use crate::address;
use crate::password::{Scheme, StoredPassword};
use zeroize::Zeroizing;

mod parse;
mod quota;

/// Where the file is and how it is read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// The scheme of a secret that neither names one nor shows it by a prefix such as `$6$`. With `Scheme::Crypt`, such a
    /// secret is a mistake.
    pub default_scheme: Scheme,
    /// How long the file may have changed without being looked at. Zero: it is looked at for each lookup.
    pub check_every: Duration,
    /// Whether secrets in weak schemes are read; else each is a mistake.
    pub allow_weak_schemes: bool,
}

impl Settings {
    /// This file, secrets as in crypt(3) unless they say otherwise, looked at every second.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            default_scheme: Scheme::Crypt,
            check_every: Duration::from_secs(1),
            allow_weak_schemes: false,
        }
    }
}

/// The accounts of a passwd-file.
pub struct FileDirectory {
    file: Followed<parse::Parsed>,
    default_scheme: Scheme,
}

impl Content for parse::Parsed {
    type Reader = parse::Reader;

    /// Mail for the accounts would bounce.
    const MAY_BECOME_EMPTY: bool = false;

    fn read(text: &[u8], reader: &Self::Reader) -> Result<Self, Vec<Problem>> {
        parse::parse(text, reader)
    }

    fn len(&self) -> usize {
        self.table.len()
    }

    fn doubts(&self) -> &[Problem] {
        &self.doubts
    }
}

impl FileDirectory {
    /// Reads the file. May block; names in it are normalised by `addresses`.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong; all problems are listed.
    pub fn open(
        settings: Settings,
        addresses: address::Settings,
        notify: Option<Notify>,
    ) -> Result<Self, SourceError> {
        let Settings { path, default_scheme, check_every, allow_weak_schemes } = settings;
        let place = Place { path, kind: "file", form: "a readable passwd-file", check_every };
        let reader = parse::Reader { addresses, default: default_scheme, allow_weak_schemes };
        Ok(Self { file: Followed::open(place, reader, notify)?, default_scheme })
    }

    /// All accounts with their secrets as the file has them, and what in it does not have the effect that its author may expect.
    pub fn into_accounts(self) -> (Vec<Imported>, Vec<Problem>) {
        let parsed = self.file.content();
        let account = |record: Record<'_>| {
            let name = AccountName::new(record.name).ok()?;
            let is_open =
                StoredPassword::parse(record.secret, self.default_scheme).is_ok_and(|it| it.is_there());
            let stored = is_open.then(|| Zeroizing::new(record.secret.to_vec()));
            Some(Imported { account: account_of(name, record), stored, is_disabled: false })
        };
        let table = &parsed.table;
        let accounts = (0..table.len()).filter_map(|index| table.nth(index).and_then(account)).collect();
        (accounts, parsed.doubts.clone())
    }

    fn entry(&self, name: &AccountName) -> Result<Option<Entry>, SourceError> {
        let parsed = self.file.content();
        let Some(record) = parsed.table.record(name.as_str()) else { return Ok(None) };
        // Both have been read once when the file was: an error here is a bug of ours, but no reason to fall over.
        let password = StoredPassword::parse(record.secret, self.default_scheme).map_err(|why| {
            SourceError::permanent(self.source(), vec![Problem::new(format!("{name}: {why}"), why.remedy())])
        })?;
        let scram = password.scram().cloned().into_iter().collect();
        let account = account_of(name.clone(), record);
        Ok(Some(Entry { account, password, scram, app_passwords: Vec::new() }))
    }
}

impl Directory for FileDirectory {
    fn source(&self) -> String {
        self.file.source()
    }

    fn lookup<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            self.file.follow(question.at.now).await;
            self.entry(question.name)
        })
    }

    fn probe<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, ()> {
        Box::pin(async { self.reload(question.at.now).await.map(|_| ()) })
    }

    fn reload(&self, now: Instant) -> Answer<'_, usize> {
        Box::pin(self.file.reload(now))
    }

    fn census(&self) -> Arc<Census> {
        Arc::clone(&self.file.content().census)
    }

    fn accounts(&self) -> usize {
        self.file.content().table.len()
    }

    fn list(&self, now: Instant) -> Answer<'_, Option<Vec<Account>>> {
        Box::pin(async move {
            self.file.follow(now).await;
            let parsed = self.file.content();
            let table = &parsed.table;
            let account =
                |record: Record<'_>| AccountName::new(record.name).ok().map(|name| account_of(name, record));
            Ok(Some((0..table.len()).filter_map(|index| table.nth(index).and_then(account)).collect()))
        })
    }

    fn decoy(&self, seed: u64) -> Option<StoredPassword> {
        let parsed = self.file.content();
        let table = &parsed.table;
        let accounts = u64::try_from(table.len()).ok()?;
        // The neighbours too, in case the first is locked: those are checked against a decoy themselves.
        (0..NEIGHBOURS).find_map(|step| {
            let index = usize::try_from(seed.wrapping_add(step).checked_rem(accounts)?).ok()?;
            let record = table.nth(index)?;
            StoredPassword::parse(record.secret, self.default_scheme).ok().filter(|it| !it.is_locked())
        })
    }
}

impl fmt::Debug for FileDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileDirectory").field("file", &self.file).finish_non_exhaustive()
    }
}

fn account_of(name: AccountName, record: Record<'_>) -> Account {
    Account::new(name).with_home(path_of(record.home)).with_quota(quota::decode(record.quota))
}

fn path_of(home: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    (!home.is_empty()).then(|| PathBuf::from(std::ffi::OsStr::from_bytes(home)))
}

const NEIGHBOURS: u64 = 8;

#[cfg(test)]
mod tests;
