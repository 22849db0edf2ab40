//! `Query`: a query as an operator writes it, with its named placeholders turned into parameters of the database.
//!
//! What stands in for a placeholder is sent beside the text of the query and is never part of it, so nothing that a peer says can
//! change what is asked. The scanner here knows just enough of each dialect to tell a placeholder from what looks like one
//! inside quotes, comments and casts; what the query means is the database's business.

use std::sync::Arc;

use restante_auth::directory::Problem;

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

/// What a query is for: it decides which placeholders there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Gives the row of one account.
    Lookup,
    /// Says whether a password is right.
    Check,
    /// Gives a row for each account.
    List,
    /// Gives the account that another name leads to.
    Alias,
    /// Stores a password in a better form.
    Upgrade,
}

/// A place in a query that a value is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// The whole name of the account.
    Account,
    /// What stands before its `@`.
    Local,
    /// What stands behind it; NULL without one.
    Domain,
    /// What the account is wanted for.
    Service,
    /// The address somebody logs in from; NULL without one.
    Peer,
    /// The password that was typed.
    Password,
    /// What is stored of the password now.
    Old,
    /// What shall be stored in its place.
    New,
}

/// One statement, ready for its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// What the database is sent.
    pub text: Arc<str>,
    /// What it is sent beside it, in the order of the parameters.
    pub bindings: Vec<Placeholder>,
    /// What it is for.
    pub purpose: Purpose,
}

impl Purpose {
    /// The key of the configuration.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Check => "check",
            Self::List => "list",
            Self::Alias => "alias",
            Self::Upgrade => "upgrade",
        }
    }

    const fn placeholders(self) -> &'static [(&'static str, Placeholder)] {
        match self {
            Self::Lookup | Self::Alias => PLACEHOLDERS.split_at(5).0,
            Self::Check => PLACEHOLDERS.split_at(6).0,
            Self::List => &[],
            Self::Upgrade => &OF_UPGRADES,
        }
    }
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// It is not one whole statement, has a placeholder that there is none of, or lacks one that it needs.
    pub fn parse(written: &str, dialect: Dialect, purpose: Purpose) -> Result<Self, Problem> {
        let mut scanner = Scanner {
            rest: written.trim(),
            before: None,
            dialect,
            purpose,
            text: String::new(),
            bindings: vec![],
        };
        if scanner.rest.is_empty() {
            return Err(Problem::new("the query is empty", "write a SELECT"));
        }
        if scanner.rest.contains('\0') {
            return Err(Problem::new("the query holds a NUL", "take it out"));
        }
        while !scanner.rest.is_empty() {
            scanner.step()?;
        }
        let Scanner { text, bindings, .. } = scanner;
        let has = |placeholders: &[Placeholder]| bindings.iter().any(|it| placeholders.contains(it));
        if purpose != Purpose::List && !has(&[Placeholder::Account, Placeholder::Local]) {
            return Err(Problem::new(
                "the query does not say which account it is about",
                "compare a column with :account",
            ));
        }
        if purpose == Purpose::Check && !has(&[Placeholder::Password]) {
            return Err(Problem::new(
                "the query does not look at the password",
                "write :password where it belongs",
            ));
        }
        if purpose == Purpose::Upgrade && !(has(&[Placeholder::Old]) && has(&[Placeholder::New])) {
            return Err(Problem::new(
                "the query does not compare with :old what it replaces by :new",
                "write UPDATE accounts SET password = :new WHERE name = :account AND password = :old",
            ));
        }
        Ok(Self { text: text.trim_end().into(), bindings, purpose })
    }
}

/// Goes through a query token by token; only those are told apart that matter here.
struct Scanner<'a> {
    rest: &'a str,
    /// The character before `rest`.
    before: Option<char>,
    dialect: Dialect,
    purpose: Purpose,
    text: String,
    bindings: Vec<Placeholder>,
}

impl Scanner<'_> {
    fn step(&mut self) -> Result<(), Problem> {
        use Dialect::{MySql, Postgres, Sqlite};
        let mut characters = self.rest.chars();
        let (Some(first), second) = (characters.next(), characters.next()) else { return Ok(()) };
        let third = characters.next();
        match (first, self.dialect) {
            ('\'', _) | ('"', _) => self.quoted(first, self.has_escapes(first)),
            ('`', MySql | Sqlite) => self.quoted('`', false),
            ('[', Sqlite) => self.quoted(']', false),
            ('-', MySql)
                if second == Some('-') && third.is_none_or(|c| c.is_whitespace() || c.is_control()) =>
            {
                self.line()
            }
            ('-', Postgres | Sqlite) if second == Some('-') => self.line(),
            ('#', MySql) => self.line(),
            ('/', _) if second == Some('*') => self.comment(),
            ('$', Postgres) if !self.follows_word() => self.dollar(),
            ('?', MySql | Sqlite) | ('$' | '@', Sqlite) => Err(self.foreign_placeholder(first)),
            (':', _) => self.colon(second),
            (';', _) => self.end(),
            _ => {
                self.copy(first.len_utf8());
                Ok(())
            }
        }
    }

    /// Copies so many octets, which end with a character.
    fn copy(&mut self, octets: usize) {
        let (token, rest) = self.rest.split_at_checked(octets).unwrap_or((self.rest, ""));
        self.text.push_str(token);
        self.before = token.chars().next_back().or(self.before);
        self.rest = rest;
    }

    /// Whether a name or number ends here, so that what follows belongs to it.
    fn follows_word(&self) -> bool {
        self.before.is_some_and(is_word)
    }

    /// Whether a backslash in quotes takes the meaning of the next character away.
    fn has_escapes(&self, quote: char) -> bool {
        match self.dialect {
            Dialect::MySql => true,
            // E'…', unless the E is the end of a name.
            Dialect::Postgres => {
                let mut back = self.text.chars().rev();
                quote == '\'' && matches!(back.next(), Some('e' | 'E')) && !back.next().is_some_and(is_word)
            }
            Dialect::Sqlite => false,
        }
    }

    /// A string or a quoted name that ends with `quote`; two of them stand for one.
    fn quoted(&mut self, quote: char, has_escapes: bool) -> Result<(), Problem> {
        let mut characters = self.rest.char_indices().skip(1).peekable();
        let mut end = None;
        while let Some((at, character)) = characters.next() {
            if has_escapes && character == '\\' {
                characters.next();
            } else if character == quote
                && characters.next_if(|(_, next)| *next == quote && quote != ']').is_none()
            {
                end = Some(at);
                break;
            }
        }
        let Some(end) = end else {
            return Err(Problem::new(
                "a quotation in the query does not end",
                format!("close it with {quote}"),
            ));
        };
        let inside = self.rest.get(1..end).unwrap_or_default();
        let is_ours =
            inside.strip_prefix(':').is_some_and(|name| PLACEHOLDERS.iter().any(|(it, _)| *it == name));
        if is_ours || is_dovecots(inside) {
            return Err(Problem::new(
                format!("{inside} stands in quotes, where it is text and nothing else"),
                "write placeholders without quotes: name = :account",
            ));
        }
        self.copy(end + quote.len_utf8());
        Ok(())
    }

    /// A comment up to the end of the line.
    fn line(&mut self) -> Result<(), Problem> {
        self.copy(self.rest.find('\n').unwrap_or(self.rest.len()));
        Ok(())
    }

    /// A comment in `/*` and `*/`, which PostgreSQL lets stand in each other.
    fn comment(&mut self) -> Result<(), Problem> {
        if self.dialect == Dialect::MySql && ["/*!", "/*M!"].iter().any(|start| self.rest.starts_with(start))
        {
            return Err(Problem::new(
                "a comment with an exclamation mark is run by the database",
                "write what shall be run outside of a comment",
            ));
        }
        let (mut octets, mut depth) = (2, 1);
        while depth > 0 {
            let rest = self.rest.get(octets..).unwrap_or_default();
            let end = rest
                .find("*/")
                .ok_or_else(|| Problem::new("a comment in the query does not end", "close it with */"))?;
            match rest.find("/*") {
                Some(start) if start < end && self.dialect == Dialect::Postgres => {
                    (octets, depth) = (octets + start + 2, depth + 1);
                }
                _ => (octets, depth) = (octets + end + 2, depth - 1),
            }
        }
        self.copy(octets);
        Ok(())
    }

    /// A string of PostgreSQL between two `$tag$`.
    fn dollar(&mut self) -> Result<(), Problem> {
        let inside = self.rest.get(1..).unwrap_or_default();
        if inside.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.foreign_placeholder('$'));
        }
        let Some((tag, text)) = inside.split_once('$').filter(|(tag, _)| tag.chars().all(is_word)) else {
            self.copy(1);
            return Ok(());
        };
        let tag_octets = tag.len() + 2;
        let end = text.find(&format!("${tag}$")).ok_or_else(|| {
            Problem::new("a quotation in the query does not end", format!("close it with ${tag}$"))
        })?;
        self.copy(tag_octets + end + tag_octets);
        Ok(())
    }

    /// A placeholder, a cast (`::`), an assignment (`:=`) or the bounds of a slice (`[1:2]`).
    fn colon(&mut self, second: Option<char>) -> Result<(), Problem> {
        if matches!(second, Some(':' | '=')) {
            self.copy(2);
            return Ok(());
        }
        let rest = self.rest.get(1..).unwrap_or_default();
        let name = rest.split(|c| !is_word(c)).next().unwrap_or_default();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            self.copy(1);
            return Ok(());
        }
        let known = self.purpose.placeholders();
        let Some((_, placeholder)) = known.iter().find(|(it, _)| *it == name) else {
            return Err(unknown(name, self.purpose));
        };
        self.bind(*placeholder);
        self.before = name.chars().next_back();
        self.rest = rest.get(name.len()..).unwrap_or_default();
        Ok(())
    }

    /// Writes a parameter. PostgreSQL's have numbers, so that one can stand in several places; the others' go by their order.
    fn bind(&mut self, placeholder: Placeholder) {
        if self.dialect != Dialect::Postgres {
            self.text.push('?');
            self.bindings.push(placeholder);
            return;
        }
        let known = self.bindings.iter().position(|it| *it == placeholder);
        let index = known.unwrap_or_else(|| {
            self.bindings.push(placeholder);
            self.bindings.len() - 1
        });
        self.text.push_str(&format!("${}", index + 1));
    }

    /// The end of the statement: only blanks and comments may follow.
    fn end(&mut self) -> Result<(), Problem> {
        let kept = self.text.len();
        self.copy(1);
        while let Some(first) = self.rest.chars().next() {
            let is_comment = first == '/' || first == '-' || first == '#';
            if !first.is_whitespace() && !is_comment {
                return Err(more_than_one());
            }
            let left = self.rest.len();
            self.step()?;
            // One character was taken: no comment began there.
            if is_comment && left - self.rest.len() == 1 {
                return Err(more_than_one());
            }
        }
        self.text.truncate(kept);
        Ok(())
    }

    fn foreign_placeholder(&self, sign: char) -> Problem {
        let known: Vec<String> =
            self.purpose.placeholders().iter().map(|(name, _)| format!(":{name}")).collect();
        Problem::new(
            format!("{sign} stands for a value that nobody gives"),
            match known.is_empty() {
                true => "there are no placeholders in this query".to_owned(),
                false => format!("placeholders have names here: {}", known.join(", ")),
            },
        )
    }
}

fn more_than_one() -> Problem {
    Problem::new("there is more than one statement", "write one; nothing may follow its semicolon")
}

fn unknown(name: &str, purpose: Purpose) -> Problem {
    let what = format!("there is no placeholder :{name} in this query");
    let known: Vec<String> = purpose.placeholders().iter().map(|(it, _)| format!(":{it}")).collect();
    let remedy = match (name, known.is_empty()) {
        ("password", _) => {
            "only `check` is given the password; the other queries give what is stored".to_owned()
        }
        (_, true) => "it is asked once for all accounts and takes none".to_owned(),
        (_, false) => format!("there are {}", known.join(", ")),
    };
    Problem::new(what, remedy)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Whether this is a variable of Dovecot's configuration, as `%u`, `%Lu` or `%{user}`.
fn is_dovecots(text: &str) -> bool {
    let Some(variable) = text.strip_prefix('%') else { return false };
    let name = variable.trim_start_matches(['L', 'U', 'E']);
    matches!(name, "u" | "n" | "d" | "w" | "s" | "r")
        || (variable.starts_with('{') && variable.ends_with('}'))
}

/// The first five are for `lookup` and `check`, the sixth is for `check` alone, the last two are for `upgrade`.
const PLACEHOLDERS: [(&str, Placeholder); 8] = [
    ("account", Placeholder::Account),
    ("local", Placeholder::Local),
    ("domain", Placeholder::Domain),
    ("service", Placeholder::Service),
    ("peer", Placeholder::Peer),
    ("password", Placeholder::Password),
    ("old", Placeholder::Old),
    ("new", Placeholder::New),
];

const OF_UPGRADES: [(&str, Placeholder); 5] = [
    ("account", Placeholder::Account),
    ("local", Placeholder::Local),
    ("domain", Placeholder::Domain),
    ("old", Placeholder::Old),
    ("new", Placeholder::New),
];

#[cfg(test)]
mod tests;
