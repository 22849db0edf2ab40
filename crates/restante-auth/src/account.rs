//! `AccountName` and `Account`: who somebody is, once that has been decided.
//!
//! What a typed user name or an address *means* is decided in `address`; here stands only what any account name must be so
//! that it can safely become part of a path. The server builds maildrop locations from these, and logs them.

use std::error::Error;
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::sync::Arc;

use crate::network::Network;

/// An account as a source knows it. What is `None` the source does not say: then it is as another source says, or the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The normalised name.
    pub name: AccountName,
    /// The home folder that the source gives for this account: an absolute path, written by the operator.
    pub home: Option<PathBuf>,
    /// Where its mail lies: an absolute path, in place of the configured one.
    pub maildrop: Option<PathBuf>,
    /// How much its maildrop may hold, as far as the source says so.
    pub quota: Quota,
    /// The user of the system whose files these are.
    pub owner: Option<Owner>,
    /// From where it may log in. Never empty.
    pub networks: Option<Arc<[Network]>>,
    /// By which SASL mechanisms it may log in; USER and APOP count as the mechanisms of these names. Never empty, in capitals.
    pub mechanisms: Option<Arc<[Box<str>]>>,
    /// Sessions at the same time.
    pub sessions_max: Option<NonZeroU32>,
    /// What it may do with its maildrop.
    pub access: Option<Access>,
}

/// A user of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user's number. Never 0.
    pub uid: u32,
    /// The number of its group. Never 0.
    pub gid: u32,
}

/// What may be done with a maildrop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is the client's own.
    Full,
    /// It may be looked at.
    ReadOnly,
}

impl Account {
    /// An account of which nothing is said but its name.
    pub fn new(name: AccountName) -> Self {
        Self {
            name,
            home: None,
            maildrop: None,
            quota: Quota::default(),
            owner: None,
            networks: None,
            mechanisms: None,
            sessions_max: None,
            access: None,
        }
    }

    /// The same account with this home folder.
    #[must_use]
    pub fn with_home(mut self, home: Option<PathBuf>) -> Self {
        self.home = home;
        self
    }

    /// The same account with this quota.
    #[must_use]
    pub fn with_quota(mut self, quota: Quota) -> Self {
        self.quota = quota;
        self
    }

    /// The same account; what it does not say is as `other` says. Their names may differ.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        let Self { name: _, home, maildrop, quota, owner, networks, mechanisms, sessions_max, access } =
            other;
        self.home = self.home.or_else(|| home.clone());
        self.maildrop = self.maildrop.or_else(|| maildrop.clone());
        self.quota.octets = self.quota.octets.or(quota.octets);
        self.quota.messages = self.quota.messages.or(quota.messages);
        self.owner = self.owner.or(*owner);
        self.networks = self.networks.or_else(|| networks.clone());
        self.mechanisms = self.mechanisms.or_else(|| mechanisms.clone());
        self.sessions_max = self.sessions_max.or(*sessions_max);
        self.access = self.access.or(*access);
        self
    }
}

/// How much an account's maildrop may hold. `None`: the source says nothing, so what holds for everybody does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Octets.
    pub octets: Option<Bound>,
    /// Messages.
    pub messages: Option<Bound>,
}

/// One figure of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// As much as there is, whatever holds for others.
    Unlimited,
    /// So much; more than 0.
    Max(NonZeroU64),
}

impl Bound {
    /// The bound as it is stored and as others write it: 0 is no bound.
    pub fn from_stored(number: u64) -> Self {
        NonZeroU64::new(number).map_or(Self::Unlimited, Self::Max)
    }

    /// What [`Bound::from_stored`] reads.
    pub fn stored(self) -> u64 {
        self.max().unwrap_or(0)
    }

    /// The largest figure that is allowed, if there is one.
    pub fn max(self) -> Option<u64> {
        match self {
            Self::Unlimited => None,
            Self::Max(max) => Some(max.get()),
        }
    }
}

/// The name of an account: `local` or `local@domain`.
///
/// Holds for every value: 1 to 255 octets of UTF-8, no `/`, no NUL or other control character, at most one `@`, and neither
/// the local part nor the domain is empty, begins with a dot or contains `..`. So the name and both its parts can each stand
/// as one component of a path and cannot lead out of the folder they are put in.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName {
    text: Box<str>,
}

impl AccountName {
    /// Takes `name` as it stands, or says why it cannot be an account name. Does not normalise: two spellings are two names
    /// here. `address::Settings` makes names from what people type.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        if name.len() > NAME_OCTETS_MAX {
            return Err(InvalidName::TooLong);
        }
        if name.chars().any(|c| c == '/' || c.is_control()) {
            return Err(InvalidName::Character);
        }
        match name.split_once('@') {
            Some((local, domain)) => {
                check_part(local)?;
                check_part(domain)?;
                if domain.contains('@') {
                    return Err(InvalidName::Character);
                }
            }
            None => check_part(name)?,
        }
        Ok(Self { text: name.into() })
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`, or the whole name if there is none.
    pub fn local(&self) -> &str {
        self.text.split_once('@').map_or(&*self.text, |(local, _)| local)
    }

    /// What stands behind the `@`.
    pub fn domain(&self) -> Option<&str> {
        self.text.split_once('@').map(|(_, domain)| domain)
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why something cannot be an account name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidName {
    /// Nothing is left of the name, its local part or its domain.
    Empty,
    /// More than 255 octets.
    TooLong,
    /// The octets are not UTF-8.
    NotUtf8,
    /// A character that no account name may hold: `/`, a control character, a second `@`, or one that SASLprep prohibits.
    Character,
    /// A part begins with a dot or contains two dots in a row.
    Dots,
    /// The quotation marks or backslashes of a local part do not fit together.
    Quoting,
    /// The domain is none of ours.
    ForeignDomain,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the name or a part of it is empty",
            Self::TooLong => "the name is longer than 255 octets",
            Self::NotUtf8 => "the name is not UTF-8",
            Self::Character => "the name holds a character that is not allowed",
            Self::Dots => "a part of the name begins with a dot or has two dots in a row",
            Self::Quoting => "the local part is not quoted correctly",
            Self::ForeignDomain => "the domain is not one of ours",
        })
    }
}

impl Error for InvalidName {}

fn check_part(part: &str) -> Result<(), InvalidName> {
    if part.is_empty() {
        return Err(InvalidName::Empty);
    }
    if part.starts_with('.') || part.contains("..") {
        return Err(InvalidName::Dots);
    }
    Ok(())
}

/// The longest name of a file on the file systems that hold maildrops; a name must fit into one path component.
const NAME_OCTETS_MAX: usize = 255;

#[cfg(test)]
mod tests;
