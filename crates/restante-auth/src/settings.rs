//! What a source says of an account, by name: the fields that every source over a wire shares.
//!
//! In SQL they are the names of columns, in LDAP what attributes are mapped to, in HTTP the keys of an object. The names are those of
//! docs/manual.md, section *What a source may say of an account*. A field that is absent or empty says nothing.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use crate::account::{Access, Account, AccountName, Bound, Owner};
use crate::directory::{Entry, Problem};
use crate::network::Network;
use crate::password::scram::ScramVerifier;
use crate::password::{Scheme, StoredPassword};

/// The names of all fields.
pub const FIELDS: [&str; 12] = [
    "password",
    "home",
    "maildrop",
    "quota_octets",
    "quota_messages",
    "networks",
    "mechanisms",
    "sessions",
    "access",
    "locked",
    "uid",
    "gid",
];

/// What the fields of one account come to.
#[derive(Clone, Debug)]
pub struct Given {
    /// The account, as far as the fields say.
    pub account: Account,
    /// What its password is checked against; `None` when there is no field of it.
    pub password: Option<StoredPassword>,
    /// Nobody may log in.
    pub is_locked: bool,
}

impl Given {
    /// Reads the fields of the account `name`; passwords without a scheme are of `scheme`.
    ///
    /// # Errors
    /// A field that there is none of, or one that cannot be understood. The problem names it, and never shows a password.
    pub fn read<'a>(
        name: AccountName,
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
        scheme: Scheme,
    ) -> Result<Self, Problem> {
        let mut given = Self { account: Account::new(name), password: None, is_locked: false };
        let (mut uid, mut gid) = (None, None);
        for (field, value) in fields {
            if value.is_empty() {
                continue;
            }
            let account = &mut given.account;
            let owner = account.name.clone();
            let wrong =
                |remedy: &str| Problem::new(format!("{owner}: the field {field} is {value:?}"), remedy);
            match field {
                "password" => {
                    let stored = StoredPassword::parse(value.as_bytes(), scheme)
                        .map_err(|why| Problem::new(format!("{}: {why}", account.name), why.remedy()))?;
                    given.password = Some(stored);
                }
                "home" => account.home = Some(path(value).ok_or_else(|| wrong(PATH_REMEDY))?),
                "maildrop" => account.maildrop = Some(path(value).ok_or_else(|| wrong(PATH_REMEDY))?),
                "quota_octets" => {
                    account.quota.octets = Some(bound(value).ok_or_else(|| wrong(NUMBER_REMEDY))?);
                }
                "quota_messages" => {
                    account.quota.messages = Some(bound(value).ok_or_else(|| wrong(NUMBER_REMEDY))?);
                }
                "networks" => account.networks = Some(networks(value).ok_or_else(|| wrong(NETWORKS_REMEDY))?),
                "mechanisms" => {
                    account.mechanisms = Some(mechanisms(value).ok_or_else(|| wrong(MECHANISMS_REMEDY))?);
                }
                "sessions" => {
                    let number = value.parse::<NonZeroU32>();
                    account.sessions_max = Some(number.map_err(|_| wrong(SESSIONS_REMEDY))?);
                }
                "access" => account.access = Some(access(value).ok_or_else(|| wrong(ACCESS_REMEDY))?),
                "locked" => given.is_locked = truth(value).ok_or_else(|| wrong(TRUTH_REMEDY))?,
                "uid" => uid = Some(user_number(value).ok_or_else(|| wrong(OWNER_REMEDY))?),
                "gid" => gid = Some(user_number(value).ok_or_else(|| wrong(OWNER_REMEDY))?),
                _ => {
                    let what = format!("there is no field {field:?}");
                    return Err(Problem::new(what, format!("there are {}", FIELDS.join(", "))));
                }
            }
        }
        given.account.owner = match (uid, gid) {
            (None, None) => None,
            (Some(uid), Some(gid)) => Some(Owner { uid, gid }),
            _ => {
                let what = format!("{}: of uid and gid only one is there", given.account.name);
                return Err(Problem::new(what, "give both or none"));
            }
        };
        Ok(given)
    }

    /// The entry of a source that hands out stored secrets. An account without a password is one that nobody can log in to by it,
    /// but by a token, a certificate, or a password that another source checks.
    pub fn entry(self) -> Entry {
        let password = match self.password {
            _ if self.is_locked => StoredPassword::barred(),
            Some(password) => password,
            None => StoredPassword::absent(),
        };
        let scram: Vec<ScramVerifier> = password.scram().cloned().into_iter().collect();
        Entry { account: self.account, password, scram, app_passwords: Vec::new() }
    }
}

/// An absolute path that cannot be misread.
fn path(value: &str) -> Option<PathBuf> {
    (value.starts_with('/') && !value.contains(char::is_control)).then(|| PathBuf::from(value))
}

fn bound(value: &str) -> Option<Bound> {
    match value {
        "unlimited" => Some(Bound::Unlimited),
        number => number.parse().ok().map(Bound::from_stored),
    }
}

pub(crate) fn networks(value: &str) -> Option<Arc<[Network]>> {
    let networks: Option<Vec<Network>> = words(value).map(|word| word.parse().ok()).collect();
    networks.filter(|networks| !networks.is_empty()).map(Arc::from)
}

pub(crate) fn mechanisms(value: &str) -> Option<Arc<[Box<str>]>> {
    let is_name =
        |word: &str| word.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet));
    let names: Option<Vec<Box<str>>> =
        words(value).map(|word| is_name(word).then(|| word.to_ascii_uppercase().into())).collect();
    names.filter(|names| !names.is_empty()).map(Arc::from)
}

fn access(value: &str) -> Option<Access> {
    match value {
        "full" => Some(Access::Full),
        "read-only" => Some(Access::ReadOnly),
        _ => None,
    }
}

/// As the databases write it.
fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "y" | "yes" => Some(true),
        "0" | "f" | "false" | "n" | "no" => Some(false),
        _ => None,
    }
}

fn user_number(value: &str) -> Option<u32> {
    value.parse().ok().filter(|&number| number != 0 && number != u32::MAX)
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split([' ', ',']).filter(|word| !word.is_empty())
}

const PATH_REMEDY: &str = "give an absolute path";
const NUMBER_REMEDY: &str = "give a number, 0 or unlimited for no bound";
const NETWORKS_REMEDY: &str = "give networks such as 192.0.2.0/24, separated by commas";
const MECHANISMS_REMEDY: &str = "give names of mechanisms such as PLAIN, separated by commas";
const SESSIONS_REMEDY: &str = "give a number from 1";
const ACCESS_REMEDY: &str = "give full or read-only";
const TRUTH_REMEDY: &str = "give true or false";
const OWNER_REMEDY: &str = "give the number of a user or group of the system, not 0";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<Given, String> {
        let name = AccountName::new("bob@example.org").unwrap();
        Given::read(name, fields.iter().copied(), Scheme::Plain).map_err(|problem| problem.to_string())
    }

    #[test]
    fn every_field_says_its_own() {
        let given = read(&[
            ("password", "secret"),
            ("home", "/home/bob"),
            ("maildrop", "/srv/mail/bob"),
            ("quota_octets", "1000000"),
            ("quota_messages", "0"),
            ("networks", "192.0.2.0/24, ::1"),
            ("mechanisms", "plain SCRAM-SHA-256"),
            ("sessions", "3"),
            ("access", "read-only"),
            ("locked", "f"),
            ("uid", "1000"),
            ("gid", "100"),
        ])
        .unwrap();
        assert!(given.password.as_ref().unwrap().fits(b"secret").unwrap() && !given.is_locked);
        let account = &given.account;
        assert_eq!(account.home.as_deref(), Some("/home/bob".as_ref()));
        assert_eq!(account.maildrop.as_deref(), Some("/srv/mail/bob".as_ref()));
        assert_eq!(account.quota.octets.and_then(Bound::max), Some(1_000_000));
        assert_eq!(account.quota.messages, Some(Bound::Unlimited));
        assert_eq!(account.networks.as_ref().unwrap().len(), 2);
        assert_eq!(&**account.mechanisms.as_ref().unwrap(), ["PLAIN".into(), "SCRAM-SHA-256".into()]);
        assert_eq!(account.sessions_max.map(NonZeroU32::get), Some(3));
        assert_eq!(account.access, Some(Access::ReadOnly));
        assert_eq!(account.owner, Some(Owner { uid: 1000, gid: 100 }));
        let fields: Vec<(&str, &str)> = FIELDS.iter().map(|field| (*field, "")).collect();
        let given = read(&fields).unwrap();
        assert_eq!(given.account, Account::new(given.account.name.clone()), "what is empty says nothing");
        assert!(given.password.is_none());
        let password = given.entry().password;
        assert!(!password.is_there() && !password.is_locked());
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_is_shown() {
        for (field, value) in [
            ("home", "bob"),
            ("maildrop", "/srv/\nx"),
            ("quota_octets", "1G"),
            ("quota_messages", "-1"),
            ("networks", "here"),
            ("networks", ","),
            ("mechanisms", "PL AIN;"),
            ("sessions", "0"),
            ("access", "some"),
            ("locked", "perhaps"),
            ("uid", "0"),
        ] {
            let said = read(&[(field, value)]).unwrap_err();
            assert!(said.contains(&format!("the field {field} is {value:?}")), "{said}");
        }
        assert!(read(&[("quota", "1")]).unwrap_err().contains("there is no field \"quota\""));
        assert!(read(&[("uid", "7")]).unwrap_err().contains("only one is there"));
        let said = read(&[("password", "{SHA512-CRYPT}hunter2")]).unwrap_err();
        assert!(said.starts_with("bob@example.org: ") && !said.contains("hunter2"), "{said}");
    }

    #[test]
    fn a_locked_account_has_no_password() {
        for fields in [&[("password", "{PLAIN}x"), ("locked", "1")][..], &[("locked", "1")]] {
            let password = read(fields).unwrap().entry().password;
            assert!(password.is_locked() && password.is_barred() && !password.fits(b"x").unwrap());
        }
    }

    #[test]
    fn what_one_source_does_not_say_another_may() {
        let one = read(&[("home", "/a"), ("quota_octets", "5")]).unwrap().account;
        let two = read(&[("home", "/b"), ("quota_octets", "6"), ("quota_messages", "7"), ("sessions", "8")]);
        let both = one.or(&two.unwrap().account);
        assert_eq!(both.home.as_deref(), Some("/a".as_ref()));
        assert_eq!(both.quota.octets.and_then(Bound::max), Some(5));
        assert_eq!(both.quota.messages.and_then(Bound::max), Some(7));
        assert_eq!(both.sessions_max.map(NonZeroU32::get), Some(8));
    }
}
