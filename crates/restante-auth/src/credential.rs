//! `Credential`: an app password, one of several secrets that open an account beside its main one.
//!
//! It is made here, long and random, shown to a person once, and stored as a digest with what it may be used for. Where it is stored is a
//! directory's business (`directory/embedded`), when it is tried is `verify`'s. Why a fast digest is enough: docs/design/0020-app-passwords.md.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::account::{Access, AccountName};
use crate::directory::Service;
use crate::network::Network;
use crate::password::Hash;

/// An app password as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// What its owner calls it. No two of an account have the same.
    pub name: CredentialName,
    /// What it may be used for.
    pub scope: Scope,
    /// From where it may be used; from everywhere if `None`. Never empty.
    pub networks: Option<Arc<[Network]>>,
    /// What it allows to do with the maildrop.
    pub access: Access,
    /// When it was made.
    pub created: SystemTime,
    /// From when on it opens nothing any more.
    pub expires: Option<SystemTime>,
    /// When it was used last, to within a day or what its directory keeps; `None` if never.
    pub last_used: Option<SystemTime>,
    /// What is stored of the secret.
    pub digest: Digest,
}

impl Credential {
    /// What stands in the way of its use for `service` from `peer` at this time; the secret has been found right. `None` as `peer` is
    /// this machine.
    ///
    /// # Errors
    /// It has expired, or is not for this service or from there.
    pub fn admit(&self, service: Service, peer: Option<IpAddr>, today: SystemTime) -> Result<(), Obstacle> {
        if self.is_expired(today) {
            return Err(Obstacle::Expired);
        }
        if !self.scope.allows(service) {
            return Err(Obstacle::Scope);
        }
        let peer = peer.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
        match &self.networks {
            Some(networks) if !networks.iter().any(|network| network.contains(peer)) => {
                Err(Obstacle::Network)
            }
            _ => Ok(()),
        }
    }

    /// Whether it opens nothing any more at this time.
    pub fn is_expired(&self, today: SystemTime) -> bool {
        self.expires.is_some_and(|expires| today >= expires)
    }
}

/// Why a right app password opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Its time is over.
    Expired,
    /// It is for another service.
    Scope,
    /// It may not be used from there.
    Network,
}

/// What an app password may be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// To collect mail and to send it.
    #[default]
    Both,
    /// To collect it.
    Pop3,
    /// To send it.
    Smtp,
}

impl Scope {
    /// Whether it includes this service.
    pub fn allows(self, service: Service) -> bool {
        match service {
            Service::Pop3 => self != Self::Smtp,
            Service::Smtp => self != Self::Pop3,
            // Nobody logs in for these.
            Service::Lmtp | Service::Operator => false,
        }
    }

    /// The names of the services, as commands and lists have them.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Both => &["pop3", "smtp"],
            Self::Pop3 => &["pop3"],
            Self::Smtp => &["smtp"],
        }
    }
}

/// The name of an app password: 1 to 64 octets of UTF-8, no control characters, no space at either end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialName(Box<str>);

impl CredentialName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CredentialName {
    type Err = InvalidCredentialName;

    fn from_str(text: &str) -> Result<Self, InvalidCredentialName> {
        let is_name = !text.is_empty()
            && text.len() <= NAME_OCTETS_MAX
            && text.trim() == text
            && !text.contains(char::is_control);
        is_name.then(|| Self(text.into())).ok_or(InvalidCredentialName)
    }
}

impl fmt::Display for CredentialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is no name of an app password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCredentialName;

impl fmt::Display for InvalidCredentialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is no name: it has 1 to 64 octets, no control characters, and no space at its ends")
    }
}

impl Error for InvalidCredentialName {}

/// What is stored of an app password: SHA-256 of the account's name and the secret. It opens nothing, and the secret cannot be found
/// from it, since that has a hundred random bits.
#[derive(Clone)]
pub struct Digest([u8; DIGEST_OCTETS]);

impl Digest {
    /// Of what somebody typed as the password of `account`. Spaces and hyphens do not count, nor does case, and `o`, `i` and `l` are
    /// the figures that they look like. Takes the same work for everything of one length.
    pub fn of(account: &AccountName, typed: &[u8]) -> Self {
        let is_filling = |octet: &&u8| matches!(octet, b'-' | b' ');
        let plain = |octet: u8| match octet.to_ascii_lowercase() {
            b'o' => b'0',
            b'i' | b'l' => b'1',
            octet => octet,
        };
        let secret: Zeroizing<Vec<u8>> = Zeroizing::new(
            typed.iter().filter(|octet| !is_filling(octet)).map(|octet| plain(*octet)).collect(),
        );
        // A name has no NUL: no two inputs run together.
        let digest = Hash::Sha256.digest(&[PURPOSE, account.as_str().as_bytes(), b"\0", &secret]);
        Self(digest.first_chunk().copied().unwrap_or_default())
    }

    /// A stored one.
    pub const fn from_stored(octets: [u8; DIGEST_OCTETS]) -> Self {
        Self(octets)
    }

    /// To be stored.
    pub const fn stored(&self) -> &[u8; DIGEST_OCTETS] {
        &self.0
    }
}

impl PartialEq for Digest {
    /// Takes the same time whatever differs.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("name", &self.name)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// A new app password: four groups of five characters with hyphens between, of 32 that cannot be taken for each other: 100 random
/// bits. To be shown once.
///
/// # Errors
/// The system gives no random numbers.
pub fn generate() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut random = Zeroizing::new([0_u8; GROUPS * GROUP_CHARACTERS]);
    getrandom::fill(&mut *random)?;
    let mut text = Zeroizing::new(String::with_capacity(random.len() + GROUPS));
    for (index, octet) in random.iter().enumerate() {
        if index > 0 && index % GROUP_CHARACTERS == 0 {
            text.push('-');
        }
        // 32 divides 256: each character is as likely as every other.
        let character = ALPHABET.get(usize::from(*octet) % ALPHABET.len()).copied().unwrap_or_default();
        text.push(char::from(character));
    }
    Ok(text)
}

/// So many app passwords an account may have: more than anybody has devices.
pub const CREDENTIALS_MAX: usize = 64;

/// Octets of a stored digest.
pub const DIGEST_OCTETS: usize = 32;

const NAME_OCTETS_MAX: usize = 64;
const GROUPS: usize = 4;
const GROUP_CHARACTERS: usize = 5;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Keeps these digests apart from all others.
const PURPOSE: &[u8] = b"restante app password\0";

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn account(text: &str) -> AccountName {
        AccountName::new(text).unwrap()
    }

    #[test]
    fn a_new_one_is_long_and_of_its_alphabet() {
        let (one, two) = (generate().unwrap(), generate().unwrap());
        assert_ne!(*one, *two);
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [5; 4]);
        assert!(one.bytes().all(|octet| octet == b'-' || ALPHABET.contains(&octet)), "{}", *one);
    }

    #[test]
    fn it_may_be_typed_as_people_type() {
        let digest = Digest::of(&account("bob"), b"01abc-defgh-jkmnp-qrstv");
        for typed in ["01abcdefghjkmnpqrstv", "01ABC DEFGH jkmnp qrstv", "oLabc-defgh-jkmnp-qrstv"] {
            assert_eq!(Digest::of(&account("bob"), typed.as_bytes()), digest, "{typed}");
        }
        assert_ne!(Digest::of(&account("bob"), b"01abc-defgh-jkmnp-qrstw"), digest);
        assert_ne!(
            Digest::of(&account("rob"), b"01abc-defgh-jkmnp-qrstv"),
            digest,
            "each account has its own"
        );
    }

    #[test]
    fn it_is_good_for_what_it_was_made_for() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let credential = Credential {
            name: "phone".parse().unwrap(),
            scope: Scope::Pop3,
            networks: Some(Arc::new(["192.0.2.0/24".parse().unwrap()])),
            access: Access::ReadOnly,
            created: now,
            expires: Some(now + Duration::from_secs(60)),
            last_used: None,
            digest: Digest::from_stored([0; DIGEST_OCTETS]),
        };
        let from = |peer: &str| Some(peer.parse().unwrap());
        let admit =
            |service, peer, seconds| credential.admit(service, peer, now + Duration::from_secs(seconds));
        assert_eq!(admit(Service::Pop3, from("192.0.2.9"), 59), Ok(()));
        assert_eq!(admit(Service::Pop3, from("192.0.2.9"), 60), Err(Obstacle::Expired));
        assert_eq!(admit(Service::Smtp, from("192.0.2.9"), 0), Err(Obstacle::Scope));
        assert_eq!(admit(Service::Pop3, from("198.51.100.9"), 0), Err(Obstacle::Network));
        assert_eq!(admit(Service::Pop3, None, 0), Err(Obstacle::Network), "this machine is not in it");
        assert!(!format!("{credential:?}").contains('['), "no digest is shown");
    }

    #[test]
    fn what_is_no_name_is_said() {
        for text in ["", " phone", "phone ", "a\nb", &"x".repeat(65)] {
            assert!(text.parse::<CredentialName>().is_err(), "{text:?}");
        }
        assert_eq!("my phone".parse::<CredentialName>().unwrap().as_str(), "my phone");
    }
}
