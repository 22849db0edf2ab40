//! How unique-ids are made, and those that another server has given before.
//!
//! The unique-id of a message is a pure function of its Maildir base name and of the overrides file, so that losing
//! the index changes none. See docs/design/0002-maildir-index.md.

pub(crate) mod overrides;

use std::error::Error;
use std::fmt;

use restante_proto::maildrop::UniqueId;
use sha2::{Digest, Sha256};

use crate::maildrop::OpenError;

/// What another server showed for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The Maildir base name: the file name up to the first `:`.
    pub base_name: Vec<u8>,
    /// The unique-id to show.
    pub unique_id: UniqueId,
    /// The place in the listing: messages that have one come first, ascending, then the others by time.
    pub order: Option<u64>,
}

/// Why unique-ids were not set.
#[derive(Debug)]
pub enum OverrideError {
    /// The same unique-id would stand for two messages.
    Duplicate(UniqueId),
    /// A base name is empty, longer than 255 octets, or holds `/`, `:` or NUL.
    InvalidBaseName(Vec<u8>),
    /// The maildrop could not be opened or written.
    Maildrop(OpenError),
}

impl OverrideError {
    /// Whether trying again later may help.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Maildrop(error) if error.is_temporary())
    }
}

impl fmt::Display for OverrideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(unique_id) => {
                write!(f, "the unique-id {} would stand for two messages", unique_id.as_str())
            }
            Self::InvalidBaseName(name) => {
                write!(f, "\"{}\" is no base name of a Maildir", name.escape_ascii())
            }
            Self::Maildrop(error) => error.fmt(f),
        }
    }
}

impl Error for OverrideError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Maildrop(error) => Some(error),
            _ => None,
        }
    }
}

/// The unique-id of a message that no override names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// The base name itself.
    BaseName,
    /// A digest of the base name, because that is no unique-id or belongs to somebody else.
    Digest([u8; DIGEST_OCTETS]),
}

/// Makes the unique-id of a base name (R1939-7.11, R1939-7.12). A name that looks like a digest gets one itself, so that
/// nobody can name a file like the digest of another.
pub(crate) fn of_base_name(base_name: &[u8]) -> Made {
    let is_valid =
        (1..=UniqueId::OCTETS_MAX).contains(&base_name.len()) && base_name.iter().all(u8::is_ascii_graphic);
    if is_valid && !is_like_digest(base_name) { Made::BaseName } else { Made::Digest(digest(base_name)) }
}

/// `r.` and 160 bits of the SHA-256 of the base name in hexadecimal.
pub(crate) fn digest(base_name: &[u8]) -> [u8; DIGEST_OCTETS] {
    let mut unique_id = [0; DIGEST_OCTETS];
    let (prefix, digits) = unique_id.split_at_mut(DIGEST_PREFIX.len());
    prefix.copy_from_slice(DIGEST_PREFIX);
    for (pair, octet) in digits.chunks_exact_mut(2).zip(Sha256::digest(base_name)) {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).map_or(b'0', |digit| digit as u8);
        pair.copy_from_slice(&[digit(octet >> 4), digit(octet & 15)]);
    }
    unique_id
}

/// Whether a unique-id is what any message of this name may be shown under: no gift of another server.
pub(crate) fn is_digest_of(unique_id: &[u8], base_name: &[u8]) -> bool {
    is_like_digest(unique_id) && digest(base_name) == unique_id
}

fn is_like_digest(name: &[u8]) -> bool {
    let is_digit = |octet: &u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
    name.len() == DIGEST_OCTETS
        && name.strip_prefix(DIGEST_PREFIX).is_some_and(|digits| digits.iter().all(is_digit))
}

const DIGEST_PREFIX: &[u8] = b"r.";
const DIGEST_OCTETS: usize = 42;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_base_name_is_its_own_unique_id() {
        assert_eq!(of_base_name(b"1700000000.M1P2.host"), Made::BaseName);
        assert_eq!(of_base_name(&[b'~'; 70]), Made::BaseName);
    }

    #[test]
    fn r1939_7_11_anything_else_becomes_a_digest() {
        for name in [&b""[..], &[b'a'; 71], b"a b", b"a\x7f", b"\xc3\xbc", b"a\0"] {
            let Made::Digest(unique_id) = of_base_name(name) else { panic!("{name:?}") };
            assert!(UniqueId::parse(&unique_id).is_ok());
        }
        // The first 160 bits of the SHA-256 of nothing.
        assert_eq!(&digest(b""), b"r.e3b0c44298fc1c149afbf4c8996fb92427ae41e4");
    }

    #[test]
    fn nobody_can_take_the_digest_of_another_name() {
        let digest = digest(b"a b");
        let Made::Digest(other) = of_base_name(&digest) else { panic!("a digest stood for itself") };
        assert_ne!(digest, other);
    }
}
