//! The words of a `.fetchmailrc`: where one ends, and which may be a keyword.

use crate::import::ImportError;

/// A word.
#[derive(Debug)]
pub(super) struct Token {
    /// The line it begins on.
    pub(super) line: usize,
    /// What it is.
    pub(super) kind: TokenKind,
    /// What it says, escapes undone.
    pub(super) text: String,
}

/// What a word may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A keyword, a number or a string.
    Bare,
    /// A string, whatever it looks like: quoted, or behind a keyword that wants a name.
    Text,
}

/// All words. Noise words and the signs that count as blanks are left out.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ImportError> {
    let mut tokens: Vec<Token> = Vec::new();
    let (mut rest, mut line) = (text, 1);
    // Behind `user`, `pass`, `is`, `to` and `=` stands a name, even when it looks like a keyword or a number.
    let mut wants_name = false;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = blank(rest, first) {
            line += lines_of(rest, after);
            rest = after;
            continue;
        }
        let raw = word(rest);
        let after = rest.get(raw.len()..).unwrap_or_default();
        let quoted = quoted(raw);
        let written = quoted.unwrap_or(raw);
        let kind = if quoted.is_some() || wants_name { TokenKind::Text } else { TokenKind::Bare };
        let is_noise = kind == TokenKind::Bare && NOISE.contains(&raw);
        if kind == TokenKind::Bare {
            wants_name = raw == "=" || NAMED.contains(&raw);
        } else {
            wants_name = false;
        }
        if raw.starts_with(['"', '\'']) && quoted.is_none() && raw.len() == 1 {
            return Err(ImportError::new(line, "a quotation mark is never closed"));
        }
        if !is_noise {
            tokens.push(Token { line, kind, text: unescape(written, line)? });
        }
        line += lines_of(rest, after);
        rest = after;
    }
    Ok(tokens)
}

const NOISE: &[&str] = &["with", "and", "has", "wants", "options"];
const NAMED: &[&str] = &["user", "username", "pass", "password", "is", "to"];

fn lines_of(text: &str, after: &str) -> usize {
    let passed = text.len() - after.len();
    text.bytes().take(passed).filter(|&octet| octet == b'\n').count()
}

/// What stands behind a blank, a sign that counts as one, a comment, or a backslash at the end of a line.
fn blank(rest: &str, first: char) -> Option<&str> {
    match first {
        ' ' | '\t' | '\r' | '\n' | ';' | ':' | ',' => rest.get(1..),
        '#' => Some(rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or_default()),
        '\\' => rest.strip_prefix("\\\n"),
        _ => None,
    }
}

/// A word as it stands there: quoted or not, whichever is longer.
fn word(rest: &str) -> &str {
    if rest.starts_with('=') {
        return rest.get(..1).unwrap_or_default();
    }
    let bare = rest.find(['=', ';', ':', ',', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
    let quoted = ['"', '\''].into_iter().find_map(|mark| {
        let inner = rest.strip_prefix(mark)?;
        Some(inner.find(mark)? + 2)
    });
    let end = quoted.unwrap_or(0).max(bare);
    rest.get(..end).unwrap_or(rest)
}

/// What stands between quotation marks, if `word` is one such string.
fn quoted(word: &str) -> Option<&str> {
    ['"', '\''].into_iter().find_map(|mark| {
        let inner = word.strip_prefix(mark)?.strip_suffix(mark)?;
        (!inner.contains(mark)).then_some(inner)
    })
}

/// Undoes `\n`, `\t`, `\b`, `\r`, `\nnn` (decimal), `\0nn` (octal), `\xhh` and a backslash before the end of a line.
fn unescape(written: &str, line: usize) -> Result<String, ImportError> {
    let mut octets = Vec::with_capacity(written.len());
    let mut rest = written.as_bytes();
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        if octet != b'\\' {
            octets.push(octet);
            continue;
        }
        let Some((&sign, after)) = rest.split_first() else { break };
        let (radix, digits, digits_max) = match sign {
            b'x' | b'X' => (16, after, 2),
            b'0' => (8, rest, 3),
            b'1'..=b'9' => (10, rest, 3),
            _ => {
                rest = after;
                match sign {
                    b'\n' => {}
                    b'n' => octets.push(b'\n'),
                    b't' => octets.push(b'\t'),
                    b'b' => octets.push(8),
                    b'r' => octets.push(b'\r'),
                    other => octets.push(other),
                }
                continue;
            }
        };
        let (value, after) = number(digits, radix, digits_max);
        octets.push(value);
        rest = after;
    }
    if octets.contains(&0) {
        return Err(ImportError::new(line, "a NUL ends this string for fetchmail; write it without"));
    }
    String::from_utf8(octets).map_err(|_| ImportError::new(line, "this string is not UTF-8"))
}

/// As the octet that C would make of it.
fn number(mut digits: &[u8], radix: u32, digits_max: usize) -> (u8, &[u8]) {
    let mut value = 0_u32;
    for _ in 0..digits_max {
        let Some((&first, after)) = digits.split_first() else { break };
        let Some(digit) = char::from(first).to_digit(radix) else { break };
        value = value * radix + digit;
        digits = after;
    }
    (u8::try_from(value & 0xff).unwrap_or_default(), digits)
}
