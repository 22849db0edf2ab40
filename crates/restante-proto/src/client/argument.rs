//! What can stand in a command behind its keyword. CR, LF and NUL cannot: the types here do not hold them, and nothing else
//! that a caller chooses gets into a command as it is.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::request::InvalidRequest;
use crate::secret::Secret;

/// A user name, password or token: octets without CR, LF and NUL, overwritten on drop. Not for logs.
pub struct Argument(Secret);

impl Argument {
    /// Nothing.
    pub const EMPTY: Self = Self(Secret::new(Vec::new()));

    /// Takes octets over.
    ///
    /// # Errors
    /// [`InvalidRequest::Argument`] when they hold CR, LF or NUL, which would make them another command.
    pub fn new(octets: impl Into<Vec<u8>>) -> Result<Self, InvalidRequest> {
        Self::of(Secret::new(octets.into()))
    }

    /// Takes a secret over.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn of(secret: Secret) -> Result<Self, InvalidRequest> {
        if secret.expose().iter().any(|octet| b"\r\n\0".contains(octet)) {
            return Err(InvalidRequest::Argument);
        }
        Ok(Self(secret))
    }

    /// The octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.0.expose()
    }

    /// Whether there is no octet in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same as a secret.
    pub(super) const fn secret(&self) -> &Secret {
        &self.0
    }
}

impl fmt::Debug for Argument {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Argument(..)")
    }
}

/// A basic language range (RFC 4647) or "*": what LANG takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanguageRange(String);

impl LanguageRange {
    /// Takes a range.
    ///
    /// # Errors
    /// [`InvalidRequest::Language`] when it is neither "*" nor made of letters, digits and hyphens.
    pub fn new(range: &str) -> Result<Self, InvalidRequest> {
        let is_letter = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        let is_tag = !range.is_empty() && range.len() <= RANGE_OCTETS_MAX && range.bytes().all(is_letter);
        if range == "*" || is_tag { Ok(Self(range.into())) } else { Err(InvalidRequest::Language) }
    }

    /// The range as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Longer than any tag of RFC 5646 has reason to be.
const RANGE_OCTETS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_argument_holds_what_would_make_it_another_command() {
        for octets in ["a\r\nDELE 1", "a\n", "a\0b", "\rQUIT"] {
            assert_eq!(Argument::new(octets).map(|_| ()), Err(InvalidRequest::Argument), "{octets:?}");
        }
        let argument = Argument::new(" pass word ").unwrap();
        assert_eq!(argument.octets(), b" pass word ");
        assert_eq!(alloc::format!("{argument:?}"), "Argument(..)");
    }

    #[test]
    fn a_language_range_is_a_tag_or_an_asterisk() {
        for range in ["de", "en-GB", "*", "i-default"] {
            assert_eq!(LanguageRange::new(range).unwrap().as_str(), range);
        }
        let long = "x".repeat(101);
        for range in ["", "de\r\nQUIT", "de DE", "de*", &long] {
            assert_eq!(LanguageRange::new(range), Err(InvalidRequest::Language), "{range:?}");
        }
    }
}
