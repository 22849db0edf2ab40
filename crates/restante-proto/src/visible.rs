//! What a person sees of text from elsewhere: which characters are not what they seem, and text without them.
//!
//! Whoever shows names, replies, headers or errors (the log, the terminal, reports) asks here, so that there is one answer: nothing
//! that comes from a peer, a message or a source may end a line, steer a terminal or turn the direction of writing around.
//! Octets of mail and of the wire are not changed; this is for eyes alone.

use alloc::string::String;

/// Does a reader not see this character for what it is? So it is with control characters (C0, DEL, C1), with the separators of
/// lines and paragraphs, with marks that turn the direction of writing around, and with those that leave no trace at all.
///
/// Joiners (U+200C, U+200D) are none of these: Persian words, Indian scripts and many pictures are written with them.
#[must_use]
pub fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            // The soft hyphen, and marks of direction.
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            // Line and paragraph separator, embeddings and overrides; isolates and what has no form.
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            // Tags, which repeat all of ASCII unseen.
            | '\u{e0000}'..='\u{e007f}'
        )
}

/// The same text with U+FFFD for each character that [`is_hidden`].
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars().map(replaced).collect()
}

/// U+FFFD for a character that [`is_hidden`], any other as it is.
#[must_use]
pub fn replaced(letter: char) -> char {
    if is_hidden(letter) { char::REPLACEMENT_CHARACTER } else { letter }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_character_is_hidden_and_no_letter_is() {
        for code in (0..0x20).chain(0x7f..0xa0) {
            assert!(is_hidden(char::from_u32(code).unwrap()), "U+{code:04X}");
        }
        for code in (0x20..0x7f).chain(0xa0..0xad).chain(0xae..0x250) {
            assert!(!is_hidden(char::from_u32(code).unwrap()), "U+{code:04X}");
        }
        // U+202E turns the rest of a line around, U+2028 ends one, U+E0041 is an A that nobody sees.
        for hidden in "\u{202e}\u{2066}\u{2028}\u{2029}\u{85}\u{9b}\u{feff}\u{e0041}\u{200b}\u{61c}".chars() {
            assert!(is_hidden(hidden), "{}", hidden.escape_unicode());
        }
        for shown in "می\u{200c}خواهم 👩\u{200d}💻 Grüße €\u{fffd}".chars() {
            assert!(!is_hidden(shown), "{}", shown.escape_unicode());
        }
    }

    #[test]
    fn what_is_hidden_becomes_the_replacement_character() {
        assert_eq!(visible("a\x1b[2Jb\u{9b}c\nd\u{202e}e"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e");
    }
}
