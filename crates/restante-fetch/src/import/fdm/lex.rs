//! The words of an `fdm.conf`: names, strings with macros in them, numbers, signs; `ifdef` is settled where words are taken.

use crate::import::ImportError;

/// A word and where it begins.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// The line, from 1.
    pub(super) line: usize,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a word is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword.
    Name(String),
    /// A string.
    Text(Vec<Piece>),
    /// A number.
    Number(u64),
    /// `$name` or `%name`, with its sign.
    Macro(String),
    /// `$(…)` or `%(…)`: a line for the shell.
    Command(String),
    /// One of `= ! + ( ) , < > { } * ~`.
    Sign(char),
}

/// A part of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Itself.
    Text(String),
    /// `${name}` or `%{name}`, with its sign.
    Macro(String),
}

/// All words.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ImportError> {
    let mut lexer = Lexer { signs: text.chars().collect(), at: 0, line: 1 };
    let mut tokens = Vec::new();
    while let Some(sign) = lexer.peek() {
        let line = lexer.line;
        let kind = match sign {
            ' ' | '\t' | '\r' | '\n' => {
                lexer.take();
                continue;
            }
            '#' => {
                while lexer.peek().is_some_and(|sign| sign != '\n') {
                    lexer.take();
                }
                continue;
            }
            '"' | '\'' => {
                lexer.take();
                Kind::Text(lexer.string(sign)?)
            }
            '$' | '%' => {
                lexer.take();
                if lexer.peek() == Some('(') {
                    lexer.take();
                    Kind::Command(lexer.command()?)
                } else {
                    Kind::Macro(lexer.name_of_macro(sign)?)
                }
            }
            '0'..='9' => {
                let digits = lexer.while_like(|sign| sign.is_ascii_digit());
                Kind::Number(digits.parse().map_err(|_| ImportError::new(line, "this number is too large"))?)
            }
            sign if is_word(sign) => Kind::Name(lexer.while_like(is_word)),
            '=' | '!' | '+' | '(' | ')' | ',' | '<' | '>' | '{' | '}' | '*' | '~' => {
                lexer.take();
                Kind::Sign(sign)
            }
            _ => {
                return Err(ImportError::new(
                    line,
                    "no word begins with this sign; strings stand in quotation marks",
                ));
            }
        };
        tokens.push(Token { line, kind });
    }
    Ok(tokens)
}

fn is_word(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || sign == '-' || sign == '_'
}

struct Lexer {
    signs: Vec<char>,
    at: usize,
    line: usize,
}

impl Lexer {
    fn peek(&self) -> Option<char> {
        self.signs.get(self.at).copied()
    }

    fn take(&mut self) -> Option<char> {
        let sign = self.peek()?;
        self.at += 1;
        self.line += usize::from(sign == '\n');
        Some(sign)
    }

    fn while_like(&mut self, like: impl Fn(char) -> bool) -> String {
        let mut out = String::new();
        while let Some(sign) = self.peek().filter(|sign| like(*sign)) {
            out.push(sign);
            self.take();
        }
        out
    }

    /// What stands behind the sign of a macro.
    fn name_of_macro(&mut self, sign: char) -> Result<String, ImportError> {
        let line = self.line;
        let in_braces = self.peek() == Some('{');
        if in_braces {
            self.take();
        }
        let name = self.while_like(is_word);
        if name.is_empty() || (in_braces && self.take() != Some('}')) {
            return Err(ImportError::new(line, "this is no name of a macro"));
        }
        Ok(format!("{sign}{name}"))
    }

    /// The rest of a string. Single quotation marks take everything as it is.
    fn string(&mut self, mark: char) -> Result<Vec<Piece>, ImportError> {
        let line = self.line;
        let open = || ImportError::new(line, "this string never ends");
        let (mut pieces, mut text) = (Vec::new(), String::new());
        loop {
            let sign = self.take().ok_or_else(open)?;
            if sign == mark {
                pieces.push(Piece::Text(text));
                return Ok(pieces);
            }
            match sign {
                '\\' if mark == '"' => text.push(match self.take().ok_or_else(open)? {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                }),
                '$' | '%' if mark == '"' && self.peek() == Some('{') => {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                    pieces.push(Piece::Macro(self.name_of_macro(sign)?));
                }
                other => text.push(other),
            }
        }
    }

    /// The rest of a command, up to the parenthesis that belongs to it.
    fn command(&mut self) -> Result<String, ImportError> {
        let line = self.line;
        let open = || ImportError::new(line, "this command has no `)`");
        let (mut out, mut depth) = (String::new(), 0_usize);
        let mut quoted = None;
        loop {
            let sign = self.take().ok_or_else(open)?;
            match (sign, quoted) {
                (mark @ ('"' | '\''), None) => quoted = Some(mark),
                (mark, Some(open)) if mark == open => quoted = None,
                ('(', None) => depth += 1,
                (')', None) if depth == 0 => return Ok(out),
                (')', None) => depth -= 1,
                _ => {}
            }
            out.push(sign);
        }
    }
}
