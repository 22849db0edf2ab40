//! Ways to say in ASCII what is not: encoded-words (RFC 2047), parameters with percent signs (RFC 2231), A-labels
//! (RFC 5891); and a `Line` that folds before they make it too long. The charset is always UTF-8 (R6857-2.1).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::token::{Token, WHITE, unfolded};

/// A field being written.
#[derive(Debug)]
pub(super) struct Line {
    text: String,
    /// Octets of the current line.
    column: usize,
    /// How lines end in this message.
    end: &'static str,
}

impl Line {
    pub(super) const fn new(end: &'static str) -> Self {
        Self { text: String::new(), column: 0, end }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.column = match text.rfind('\n') {
            Some(at) => text.len() - at - 1,
            None => self.column + text.len(),
        };
    }

    /// Like `push`, but on a line of its own when the text would not fit and there is white space to fold at.
    pub(super) fn push_whole(&mut self, text: &str) {
        if self.column + text.len() > COLUMNS
            && let Some(white) = self.text.chars().next_back().filter(|letter| [' ', '\t'].contains(letter))
            && self.column > 1
        {
            self.text.pop();
            self.push(self.end);
            self.push(if white == ' ' { " " } else { "\t" });
        }
        self.push(text);
    }

    /// Appends `text` as encoded-words with one folding between two. White space or a parenthesis comes before.
    pub(super) fn push_words(&mut self, text: &str) {
        // Latin text can be read as it stands in Q; of the others nothing can, so that the shorter form is taken.
        let is_latin = text.chars().all(|letter| letter <= LATIN_MAX);
        let base64_octets = text.len().div_ceil(3) * 4;
        let is_quoted = is_latin || quoted_octets(text) <= base64_octets;
        // The first word fills the line, if enough fits there to be worth it; but a short text behind others stays whole.
        let left = (COLUMNS - 1).saturating_sub(self.column + "=?UTF-8?Q??=".len());
        let whole = if is_quoted { quoted_octets(text) } else { base64_octets };
        let is_whole = whole <= QUOTED_OCTETS_MAX && self.column > NAME_COLUMNS;
        let first_room =
            if left < ROOM_MIN || is_whole { QUOTED_OCTETS_MAX } else { left.min(QUOTED_OCTETS_MAX) };
        let mut is_first = true;
        let mut word = String::new();
        let mut octets = 0;
        // No word may hold a part of a letter.
        for letter in text.chars() {
            let next = if is_quoted { quoted(letter).len() } else { letter.len_utf8() };
            let room = if is_first { first_room } else { QUOTED_OCTETS_MAX };
            let max = if is_quoted { room } else { room / 4 * 3 };
            if octets + next > max {
                self.push_word(&word, is_quoted, is_first);
                (is_first, octets) = (false, 0);
                word.clear();
            }
            word.push(letter);
            octets += next;
        }
        self.push_word(&word, is_quoted, is_first);
    }

    fn push_word(&mut self, text: &str, is_quoted: bool, is_first: bool) {
        let word = if is_quoted {
            let encoded: String = text.chars().map(quoted).collect();
            format!("=?UTF-8?Q?{encoded}?=")
        } else {
            format!("=?UTF-8?B?{}?=", STANDARD.encode(text))
        };
        if is_first {
            self.push_whole(&word);
        } else {
            self.push(self.end);
            self.push(" ");
            self.push(&word);
        }
    }

    /// Appends text without structure: words outside ASCII become encoded-words, together where they are neighbours.
    pub(super) fn push_unstructured(&mut self, text: &str) {
        let mut rest = text;
        let mut is_behind_encoded = false;
        while !rest.is_empty() {
            let word_start = rest.len() - rest.trim_start_matches(WHITE).len();
            let (white, words) = rest.split_at_checked(word_start).unwrap_or((rest, ""));
            self.push(white);
            let (run, behind) = split_run(words);
            if run.is_ascii() {
                self.push(run);
                is_behind_encoded = is_encoded_word(run);
            } else {
                // White space between two encoded-words is not shown, so where it is meant it goes into ours.
                let before = if is_behind_encoded && !white.is_empty() { " " } else { "" };
                let next = behind.trim_start_matches(WHITE).split(WHITE).next().unwrap_or_default();
                let after = if is_encoded_word(next) { " " } else { "" };
                self.push_words(&format!("{before}{}{after}", unfolded(run)));
                is_behind_encoded = false;
            }
            rest = behind;
        }
    }

    /// Appends a comment, encoded as a whole where it must be.
    pub(super) fn push_comment(&mut self, comment: &Token<'_>) {
        if comment.text.is_ascii() {
            return self.push(comment.text);
        }
        self.push("(");
        self.push_words(&comment.meaning());
        self.push(")");
    }

    pub(super) fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// The first word; or, when it is outside ASCII, it and its neighbours that are.
fn split_run(words: &str) -> (&str, &str) {
    let word_end = |from: usize| {
        let rest = words.get(from..).unwrap_or_default();
        from + rest.find(WHITE).unwrap_or(rest.len())
    };
    let mut end = word_end(0);
    let is_ascii = |from: usize, to: usize| words.get(from..to).is_none_or(str::is_ascii);
    if !is_ascii(0, end) {
        loop {
            let rest = words.get(end..).unwrap_or_default();
            let start = end + (rest.len() - rest.trim_start_matches(WHITE).len());
            let next = word_end(start);
            if is_ascii(start, next) {
                break;
            }
            end = next;
        }
    }
    words.split_at_checked(end).unwrap_or((words, ""))
}

fn is_encoded_word(word: &str) -> bool {
    word.len() > 4 && word.starts_with("=?") && word.ends_with("?=")
}

/// A letter in the Q encoding, as it may stand in a phrase (RFC 2047 section 5 rule 3).
fn quoted(letter: char) -> String {
    match letter {
        ' ' => "_".to_owned(),
        'a'..='z' | 'A'..='Z' | '0'..='9' | '!' | '*' | '+' | '-' | '/' => letter.to_string(),
        _ => percent(letter, '='),
    }
}

fn quoted_octets(text: &str) -> usize {
    text.chars().map(|letter| quoted(letter).len()).sum()
}

/// The octets of a letter in hexadecimal, each behind `sign`.
fn percent(letter: char, sign: char) -> String {
    let mut octets = [0; 4];
    let mut text = String::with_capacity(12);
    for octet in letter.encode_utf8(&mut octets).bytes() {
        // Writing to a string does not fail.
        let _ = write!(text, "{sign}{octet:02X}");
    }
    text
}

/// A parameter of a MIME field with a value outside ASCII: `name*=UTF-8''value`, with an empty language, in several
/// parts when the line would be longer than a line may be. `None` when the name is none.
pub(super) fn parameter(name: &str, value: &str, end: &str) -> Option<String> {
    let encoded: Vec<String> = value
        .chars()
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' => letter.to_string(),
            '!' | '#' | '$' | '&' | '+' | '-' | '.' | '^' | '_' | '`' | '{' | '|' | '}' | '~' => {
                letter.to_string()
            }
            // What somebody wrote into an extended value without encoding it.
            '%' | '\'' if name.ends_with('*') => letter.to_string(),
            _ => percent(letter, '%'),
        })
        .collect();
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic());
    if !is_name(name) {
        return None;
    }
    let whole: usize = encoded.iter().map(String::len).sum();
    match name.split_once('*') {
        // Extended already, and not encoded to the end.
        Some(_) if name.ends_with('*') => Some(format!("{name}={}", encoded.concat())),
        // A part of a value: the charset stands in the first one.
        Some((_, "0")) => Some(format!("{name}*=UTF-8''{}", encoded.concat())),
        Some(_) => Some(format!("{name}*={}", encoded.concat())),
        None if whole <= PARAMETER_OCTETS_MAX => Some(format!("{name}*=UTF-8''{}", encoded.concat())),
        None => {
            let mut parts: Vec<String> = vec![String::new()];
            for letter in encoded {
                match parts.last_mut() {
                    Some(part) if part.len() + letter.len() <= PARAMETER_OCTETS_MAX => part.push_str(&letter),
                    _ => parts.push(letter),
                }
            }
            let charset = |number| if number == 0 { "UTF-8''" } else { "" };
            let parts = parts.iter().enumerate();
            let parts = parts.map(|(number, part)| format!("{name}*{number}*={}{part}", charset(number)));
            Some(parts.collect::<Vec<_>>().join(&format!(";{end} ")))
        }
    }
}

/// The domain with A-labels for its U-labels; `None` when it is no domain.
pub(super) fn domain(domain: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii(domain).ok()?;
    (!ascii.is_empty() && ascii.bytes().all(|octet| octet.is_ascii_graphic())).then_some(ascii)
}

/// RFC 2047 section 2: a line that holds an encoded-word has at most 76 octets. Three are left for " :;" behind one.
const COLUMNS: usize = 76 - 3;
/// The last letter of Latin Extended-B.
const LATIN_MAX: char = '\u{24F}';
/// What of an encoded-word is left for the text, when it stands behind a space.
const QUOTED_OCTETS_MAX: usize = COLUMNS - 1 - "=?UTF-8?Q??=".len();
/// No field name that is often seen is longer: a line that is has more in it than the name.
const NAME_COLUMNS: usize = 24;
/// A first word with less room than this goes onto a line of its own. The longest letter takes twelve octets.
const ROOM_MIN: usize = 24;
/// So that name, charset and value stay within the 998 octets of a line.
const PARAMETER_OCTETS_MAX: usize = 800;
