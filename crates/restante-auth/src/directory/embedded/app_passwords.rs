//! App passwords in the embedded database: what stands for each, and how it is made, listed, revoked and marked as used.
//!
//! The table `app_passwords` has the account's name, a NUL and the name of the app password as its key, and as its value a run of fields
//! like that of an account (`embedded/record`):
//!
//! | tag | field |
//! |---|---|
//! | 1 | digest, 32 octets (`credential::Digest`) |
//! | 2 | scope: 1 octet, 1 for pop3, 2 for smtp, 3 for both |
//! | 3 | networks, as `192.0.2.0/24,::1` |
//! | 4 | access: 1 octet, 0 for full, 1 for read-only |
//! | 5 | when it was made: seconds from 1970, 8 octets, least significant first |
//! | 6 | when it expires, written like 5 |
//! | 7 | when it was used last, written like 5 |

use std::time::{Duration, SystemTime};

use redb::ReadableTable;

use super::accounts::{Accounts, EditError};
use super::record::{Record, joined};
use super::{ACCOUNTS, APP_PASSWORDS, Failure};
use crate::account::{Access, AccountName};
use crate::credential::{CREDENTIALS_MAX, Credential, CredentialName, Digest, Scope};
use crate::settings;

impl Accounts {
    /// Gives an account another app password. Durable on return.
    ///
    /// # Errors
    /// `Unknown`, `AppPasswordExists`, `AppPasswordsFull`, `Source`.
    pub fn add_app_password(&self, account: &AccountName, credential: &Credential) -> Result<(), EditError> {
        self.edit(account, |transaction| {
            if transaction.open_table(ACCOUNTS)?.get(account.as_str())?.is_none() {
                return Ok(Err(EditError::Unknown(account.clone())));
            }
            let mut table = transaction.open_table(APP_PASSWORDS)?;
            let key = key(account, &credential.name);
            if table.get(&*key)?.is_some() {
                return Ok(Err(EditError::AppPasswordExists(credential.name.clone())));
            }
            if of_account(&table, account)?.len() >= CREDENTIALS_MAX {
                return Ok(Err(EditError::AppPasswordsFull));
            }
            table.insert(&*key, encode(credential).encode().ok_or(Failure::Damaged)?.as_slice())?;
            Ok(Ok(()))
        })
    }

    /// Takes an app password back: it opens nothing from the next login on.
    ///
    /// # Errors
    /// `UnknownAppPassword`, `Source`.
    pub fn revoke_app_password(&self, account: &AccountName, name: &CredentialName) -> Result<(), EditError> {
        self.edit(account, |transaction| {
            let is_gone = transaction.open_table(APP_PASSWORDS)?.remove(&*key(account, name))?.is_some();
            Ok(if is_gone { Ok(()) } else { Err(EditError::UnknownAppPassword(name.clone())) })
        })
    }

    /// Notes that an app password was used, unless it was within a day before, or is another by now.
    ///
    /// # Errors
    /// `Unknown` without a database, `Source`.
    pub(super) fn note_use(
        &self,
        account: &AccountName,
        used: &Credential,
        today: SystemTime,
    ) -> Result<(), EditError> {
        self.edit(account, |transaction| {
            let key = key(account, &used.name);
            let mut table = transaction.open_table(APP_PASSWORDS)?;
            let stored = table.get(&*key)?.map(|value| decode(used.name.as_str(), value.value()));
            let Some(stored) = stored else { return Ok(Ok(())) };
            let mut stored = stored.ok_or(Failure::Damaged)?;
            if stored.digest == used.digest && is_worth_noting(&stored, today) {
                stored.last_used = Some(today);
                table.insert(&*key, encode(&stored).encode().ok_or(Failure::Damaged)?.as_slice())?;
            }
            Ok(Ok(()))
        })
    }
}

/// Whether a use now says more than what is stored.
pub(super) fn is_worth_noting(credential: &Credential, today: SystemTime) -> bool {
    let age = credential.last_used.map(|last| today.duration_since(last));
    // A clock that was set back is no reason to write at each login.
    age.is_none_or(|age| age.is_ok_and(|age| age >= NOTED_EVERY))
}

/// The app passwords of an account, by name.
pub(super) fn of_account(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    account: &AccountName,
) -> Result<Vec<Credential>, Failure> {
    let (first, end) = (format!("{account}\0"), format!("{account}\u{1}"));
    let mut credentials = Vec::new();
    for row in table.range(&*first..&*end)? {
        let (key, value) = row?;
        let name = key.value().strip_prefix(&*first).ok_or(Failure::Damaged)?;
        credentials.push(decode(name, value.value()).ok_or(Failure::Damaged)?);
    }
    Ok(credentials)
}

/// Whether a row is of this account.
pub(super) fn is_of(key: &str, account: &AccountName) -> bool {
    key.split_once('\0').is_some_and(|(owner, _)| owner == account.as_str())
}

fn key(account: &AccountName, name: &CredentialName) -> String {
    format!("{account}\0{name}")
}

fn encode(credential: &Credential) -> Record {
    let mut record = Record::default();
    record.put(DIGEST, Some(credential.digest.stored()));
    let scope = match credential.scope {
        Scope::Pop3 => 1,
        Scope::Smtp => 2,
        Scope::Both => 3,
    };
    record.put(SCOPE, Some(&[scope]));
    let networks = credential.networks.as_ref().map(|networks| joined(networks.iter()));
    record.put(NETWORKS, networks.as_deref().map(str::as_bytes));
    record.put(ACCESS, Some(&[u8::from(credential.access == Access::ReadOnly)]));
    let times = [
        (CREATED, Some(credential.created)),
        (EXPIRES, credential.expires),
        (LAST_USED, credential.last_used),
    ];
    for (tag, time) in times {
        let seconds = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        record.put(
            tag,
            seconds.map(|seconds| seconds.as_secs().to_le_bytes()).as_ref().map(<[u8; 8]>::as_slice),
        );
    }
    record
}

/// `None` if it is damaged.
fn decode(name: &str, value: &[u8]) -> Option<Credential> {
    let record = Record::decode(value)?;
    let time = |tag| match record.octets(tag) {
        None => Some(None),
        Some(octets) => {
            let seconds = Duration::from_secs(u64::from_le_bytes(octets.try_into().ok()?));
            Some(Some(SystemTime::UNIX_EPOCH.checked_add(seconds)?))
        }
    };
    Some(Credential {
        name: name.parse().ok()?,
        scope: match record.octets(SCOPE)? {
            [1] => Scope::Pop3,
            [2] => Scope::Smtp,
            [3] => Scope::Both,
            _ => return None,
        },
        networks: match record.text(NETWORKS)? {
            Some(text) => Some(settings::networks(text)?),
            None => None,
        },
        access: match record.octets(ACCESS)? {
            [0] => Access::Full,
            [1] => Access::ReadOnly,
            _ => return None,
        },
        created: time(CREATED)??,
        expires: time(EXPIRES)?,
        last_used: time(LAST_USED)?,
        digest: Digest::from_stored(record.octets(DIGEST)?.try_into().ok()?),
    })
}

const DIGEST: u8 = 1;
const SCOPE: u8 = 2;
const NETWORKS: u8 = 3;
const ACCESS: u8 = 4;
const CREATED: u8 = 5;
const EXPIRES: u8 = 6;
const LAST_USED: u8 = 7;

/// A phone asks every few minutes, and each note is a sync of the disk; who tidies up wants to know of months.
const NOTED_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
