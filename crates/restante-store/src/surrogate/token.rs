//! The value of a structured header field as tokens (RFC 5322 section 3.2). Together they are the value, octet by
//! octet, so that what is not changed stays as it is.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Spaces, tabs and the line ends of folding.
    White,
    /// Anything between the others.
    Atom,
    /// A quoted-string with its quotes.
    Quoted,
    /// A comment with its parentheses and those inside.
    Comment,
    /// One of the signs that the caller named.
    Sign(u8),
}

/// A piece of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

impl Token<'_> {
    pub(super) fn is_sign(&self, sign: u8) -> bool {
        self.kind == Kind::Sign(sign)
    }

    /// Whether it says nothing: white space or a comment.
    pub(super) fn is_blank(&self) -> bool {
        matches!(self.kind, Kind::White | Kind::Comment)
    }

    /// What a quoted-string or comment says, without its delimiters, quoting and folding; an atom says itself.
    pub(super) fn meaning(&self) -> String {
        let inner = match self.kind {
            Kind::Quoted => delimited(self.text, '"', '"'),
            Kind::Comment => delimited(self.text, '(', ')'),
            Kind::White | Kind::Atom | Kind::Sign(_) => return unfolded(self.text),
        };
        let mut letters = inner.chars();
        let mut meaning = String::with_capacity(inner.len());
        while let Some(letter) = letters.next() {
            let letter = if letter == '\\' { letters.next().unwrap_or(letter) } else { letter };
            meaning.push(letter);
        }
        unfolded(&meaning)
    }
}

/// Cuts `value` into tokens; `signs` are ASCII and no delimiters.
pub(super) fn tokens<'a>(value: &'a str, signs: &[u8]) -> Vec<Token<'a>> {
    let mut tokens = Vec::new();
    let mut rest = value;
    while let Some(&first) = rest.as_bytes().first() {
        let (kind, length) = match first {
            b' ' | b'\t' | b'\r' | b'\n' => (Kind::White, rest.len() - rest.trim_start_matches(WHITE).len()),
            b'"' => (Kind::Quoted, quoted_length(rest)),
            b'(' => (Kind::Comment, comment_length(rest)),
            sign if signs.contains(&sign) => (Kind::Sign(sign), 1),
            _ => {
                let ends = |octet: &u8| b" \t\r\n\"(".contains(octet) || signs.contains(octet);
                (Kind::Atom, rest.bytes().position(|octet| ends(&octet)).unwrap_or(rest.len()))
            }
        };
        // Every end lies before an ASCII octet or at the end, so that no letter is cut.
        let Some((text, behind)) = rest.split_at_checked(length.max(1)) else { break };
        tokens.push(Token { kind, text });
        rest = behind;
    }
    tokens
}

/// Without the line ends of folding.
pub(super) fn unfolded(text: &str) -> String {
    text.chars().filter(|letter| !matches!(letter, '\r' | '\n')).collect()
}

/// The spaces of a header field.
pub(super) const WHITE: [char; 4] = [' ', '\t', '\r', '\n'];

fn delimited(text: &str, start: char, end: char) -> &str {
    let text = text.strip_prefix(start).unwrap_or(text);
    text.strip_suffix(end).unwrap_or(text)
}

/// Up to the closing quote, or all of it when there is none.
fn quoted_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, octet) in text.bytes().enumerate().skip(1) {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Up to the closing parenthesis of the first one, or all of it when there is none.
fn comment_length(text: &str) -> usize {
    let (mut depth, mut is_escaped) = (0_usize, false);
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'(' => depth += 1,
            b')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}
