//! SASLprep (RFC 4013): one form for all the ways in which Unicode can write the same name or password.
//!
//! Strings that are typed are prepared as *queries* (RFC 3454 section 7): code points that Unicode 3.2 had not assigned pass, so
//! that a password may hold an emoji. Only what APOP's digest is made of is prepared as a *stored* string. The library knows the tables; its own profile prepares stored strings only, hence this file.
//! `address` prepares names, `verify` passwords. What to do with octets that are not UTF-8 is decided there.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use stringprep::tables;
use unicode_normalization::UnicodeNormalization;

/// Prepares a password or another string that stands for itself. ASCII without control characters is returned as it is.
///
/// # Errors
/// The string holds what SASLprep prohibits, or nothing is left of it. An empty string is left of an empty one; that is no
/// error, and it is for the caller to refuse empty passwords.
pub fn query(text: &str) -> Result<Cow<'_, str>, Prohibited> {
    let mapped = mapped(text)?;
    if !is_bidi_sound(&mapped) || (mapped.is_empty() && !text.is_empty()) {
        return Err(Prohibited);
    }
    Ok(mapped)
}

/// Prepares a string that is kept, such as the secret of APOP (R6856-2.2.5): as `query`, but what Unicode 3.2 had not assigned
/// is an error too.
///
/// # Errors
/// As of `query`, and for code points that were not assigned.
pub fn stored(text: &str) -> Result<Cow<'_, str>, Prohibited> {
    if text.chars().any(tables::unassigned_code_point) { Err(Prohibited) } else { query(text) }
}

/// The steps of SASLprep that look at single characters: mapping, normalisation (NFKC) and prohibited output.
///
/// # Errors
/// As of `query`, except that an empty result is allowed.
pub fn mapped(text: &str) -> Result<Cow<'_, str>, Prohibited> {
    if text.bytes().all(|c| c.is_ascii() && !c.is_ascii_control()) {
        return Ok(Cow::Borrowed(text));
    }
    // RFC 4013 sections 2.1 and 2.2.
    let mapped: String = text
        .chars()
        .map(|c| if tables::non_ascii_space_character(c) { ' ' } else { c })
        .filter(|c| !tables::commonly_mapped_to_nothing(*c))
        .nfkc()
        .collect();
    if mapped.chars().any(is_prohibited) {
        return Err(Prohibited);
    }
    Ok(Cow::Owned(mapped))
}

/// Whether writing direction is used as RFC 3454 section 6 allows: a string with a right-to-left letter has no left-to-right
/// one, and begins and ends with a right-to-left letter.
pub fn is_bidi_sound(text: &str) -> bool {
    if text.is_ascii() || !text.chars().any(tables::bidi_r_or_al) {
        return true;
    }
    let is_edge_sound = |edge: Option<char>| edge.is_some_and(tables::bidi_r_or_al);
    !text.chars().any(tables::bidi_l)
        && is_edge_sound(text.chars().next())
        && is_edge_sound(text.chars().next_back())
}

/// A string that SASLprep prohibits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prohibited;

impl fmt::Display for Prohibited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("holds characters that SASLprep prohibits")
    }
}

impl Error for Prohibited {}

/// RFC 4013 section 2.3.
fn is_prohibited(c: char) -> bool {
    tables::non_ascii_space_character(c)
        || tables::ascii_control_character(c)
        || tables::non_ascii_control_character(c)
        || tables::private_use(c)
        || tables::non_character_code_point(c)
        || tables::inappropriate_for_plain_text(c)
        || tables::inappropriate_for_canonical_representation(c)
        || tables::change_display_properties_or_deprecated(c)
        || tables::tagging_character(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4013_3_examples() {
        assert_eq!(query("I\u{AD}X").unwrap(), "IX");
        assert_eq!(query("user").unwrap(), "user");
        assert_eq!(query("USER").unwrap(), "USER");
        assert_eq!(query("\u{AA}").unwrap(), "a");
        assert_eq!(query("\u{2168}").unwrap(), "IX");
        assert_eq!(query("\u{7}"), Err(Prohibited));
        assert_eq!(query("\u{627}\u{31}"), Err(Prohibited));
    }

    #[test]
    fn rfc4013_2_nothing_left_is_an_error_and_unassigned_is_not() {
        assert_eq!(query("\u{AD}"), Err(Prohibited));
        assert_eq!(query("").unwrap(), "");
        assert_eq!(query("key \u{1F511}").unwrap(), "key \u{1F511}");
        assert_eq!(query("e\u{301}").unwrap(), "\u{E9}");
        assert_eq!(query("a\u{A0}b").unwrap(), "a b");
        for prohibited in ["\u{E000}", "\u{FFF9}", "\u{FFFD}", "\u{200E}", "\u{E0041}", "tab\t"] {
            assert_eq!(query(prohibited), Err(Prohibited), "{prohibited:?}");
        }
    }

    #[test]
    fn r6856_2_2_5_a_stored_string_holds_nothing_unassigned() {
        assert_eq!(stored("key \u{1F511}"), Err(Prohibited));
        assert_eq!(query("key \u{1F511}").unwrap(), "key \u{1F511}");
        assert_eq!(stored("\u{AA}\u{2168}").unwrap(), "aIX");
    }

    proptest::proptest! {
        #[test]
        fn preparing_twice_is_preparing_once(text in "\\PC{0,12}") {
            if let Ok(once) = query(&text) && !once.is_empty() {
                let twice = query(&once).map(Cow::into_owned);
                proptest::prop_assert_eq!(twice.as_deref(), Ok(&*once));
            }
        }
    }
}
