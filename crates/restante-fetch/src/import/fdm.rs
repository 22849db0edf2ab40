//! `fdm.conf`: accounts, actions, and rules that lead from the one to the other.
//!
//! Of the rules those are taken over that need no look at the mail: `match all`, `match account …`.

mod account;
mod lex;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use super::{Around, ImportError, Imported, Kind as Program, Note};
use lex::{Kind, Piece, Token, tokens};

/// A string as it is known before there is a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Text {
    /// Itself; tags may be in it.
    Plain(String),
    /// What a shell prints for this line.
    Command(String),
}

/// What is done with a mail.
#[derive(Clone, Debug)]
enum Act {
    Maildir(Text),
    Mbox {
        path: Text,
        compress: bool,
    },
    Pipe(Text),
    Smtp {
        is_lmtp: bool,
        host: Text,
        port: Option<Text>,
        to: Option<Text>,
    },
    Drop,
    Keep,
    Named(String),
    /// One that has no counterpart, by its keyword.
    Other(String),
}

#[derive(Clone, Debug, Default)]
struct Action {
    acts: Vec<(usize, Act)>,
}

#[derive(Clone, Debug)]
struct Rule {
    line: usize,
    /// Patterns of accounts, one of each list has to fit; `None` when the rule looks at the mail.
    accounts: Option<Vec<Vec<String>>>,
    acts: Vec<(usize, Act)>,
    goes_on: bool,
}

/// What `set` says.
#[derive(Debug, Default)]
struct Global {
    octets_max: Option<(usize, u64)>,
    proxy: Option<(usize, String)>,
    verifies: bool,
}

/// Reads it.
pub(super) fn read(text: &str, around: &Around<'_>) -> Result<Imported, ImportError> {
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        last: text.lines().count().max(1),
        open: 0,
        macros: BTreeMap::new(),
        numbers: BTreeMap::new(),
        notes: Vec::new(),
    };
    let (mut global, mut actions, mut rules) = (Global::default(), BTreeMap::new(), Vec::new());
    let mut written = Vec::new();
    while let Some(token) = parser.take()? {
        match &token.kind {
            Kind::Macro(name) => parser.define(name)?,
            Kind::Name(name) => match name.as_str() {
                "set" => parser.set(&mut global)?,
                "account" => written.push(parser.account(token.line)?),
                "action" => parser.action(&mut actions)?,
                "match" => parser.rule(token.line, &Some(Vec::new()), &mut rules, &actions, 0)?,
                "cache" => parser.skip()?,
                "include" => {
                    parser.skip()?;
                    let what =
                        "`include`: the other file is not read; take it over as well, or put its text here";
                    parser.notes.push(Note { line: token.line, what: what.to_owned() });
                }
                _ => return Err(ImportError::new(token.line, format!("nothing begins with `{name}` here"))),
            },
            _ => {
                return Err(ImportError::new(
                    token.line,
                    "here should be set, account, action, match or a macro",
                ));
            }
        }
    }
    let mut names = BTreeSet::new();
    for one in written.iter().flatten() {
        if !names.insert(one.name.as_str()) {
            return Err(ImportError::new(one.line, format!("there is an account `{}` already", one.name)));
        }
    }
    let mut accounts = Vec::new();
    for one in written.iter().flatten() {
        accounts.push(account::account(one, &global, &rules, &actions, around)?);
    }
    Ok(Imported { kind: Program::Fdm, accounts, notes: parser.notes })
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    last: usize,
    /// Blocks of `ifdef` that are open.
    open: usize,
    macros: BTreeMap<String, Text>,
    numbers: BTreeMap<String, u64>,
    notes: Vec<Note>,
}

impl<'a> Parser<'a> {
    /// The next word, `ifdef` and `endif` settled.
    fn peek(&mut self) -> Result<Option<&'a Token>, ImportError> {
        loop {
            let Some(token) = self.tokens.get(self.at) else {
                return match self.open {
                    0 => Ok(None),
                    _ => Err(ImportError::new(self.last, "an ifdef has no endif")),
                };
            };
            let Kind::Name(name) = &token.kind else { return Ok(Some(token)) };
            match name.as_str() {
                "ifdef" | "ifndef" => {
                    let Some(Token { kind: Kind::Macro(known), .. }) = self.tokens.get(self.at + 1) else {
                        return Err(ImportError::new(
                            token.line,
                            format!("{name} wants the name of a macro"),
                        ));
                    };
                    self.at += 2;
                    let is_known = self.macros.contains_key(known) || self.numbers.contains_key(known);
                    if is_known == (name == "ifdef") {
                        self.open += 1;
                    } else {
                        self.skip_block(token.line)?;
                    }
                }
                "endif" => {
                    self.open = self
                        .open
                        .checked_sub(1)
                        .ok_or_else(|| ImportError::new(token.line, "an endif without ifdef"))?;
                    self.at += 1;
                }
                _ => return Ok(Some(token)),
            }
        }
    }

    fn skip_block(&mut self, line: usize) -> Result<(), ImportError> {
        let mut depth = 1_usize;
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            match &token.kind {
                Kind::Name(name) if name == "ifdef" || name == "ifndef" => depth += 1,
                Kind::Name(name) if name == "endif" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
        Err(ImportError::new(line, "an ifdef has no endif"))
    }

    fn take(&mut self) -> Result<Option<&'a Token>, ImportError> {
        let token = self.peek()?;
        self.at += usize::from(token.is_some());
        Ok(token)
    }

    /// The next word if it is this keyword; its line.
    fn keyword(&mut self, word: &str) -> Result<Option<usize>, ImportError> {
        let token = self.peek()?.filter(|token| matches!(&token.kind, Kind::Name(name) if name == word));
        self.at += usize::from(token.is_some());
        Ok(token.map(|token| token.line))
    }

    fn sign(&mut self, sign: char) -> Result<bool, ImportError> {
        let is = self.peek()?.is_some_and(|token| token.kind == Kind::Sign(sign));
        self.at += usize::from(is);
        Ok(is)
    }

    fn name(&mut self, what: &str) -> Result<(usize, &'a str), ImportError> {
        match self.take()? {
            Some(Token { line, kind: Kind::Name(name) }) => Ok((*line, name)),
            Some(token) => Err(ImportError::new(token.line, format!("here should be {what}"))),
            None => Err(ImportError::new(self.last, format!("the file ends where {what} should be"))),
        }
    }

    /// `$name = "…"`, `%name = 5`.
    fn define(&mut self, name: &str) -> Result<(), ImportError> {
        let line = self.peek()?.map_or(self.last, |token| token.line);
        if !self.sign('=')? {
            return Err(ImportError::new(line, "a macro is defined with ="));
        }
        if name.starts_with('%') {
            match self.take()?.map(|token| &token.kind) {
                Some(Kind::Number(number)) => drop(self.numbers.insert(name.to_owned(), *number)),
                Some(Kind::Command(_)) => {}
                _ => return Err(ImportError::new(line, "a macro with % is a number")),
            }
        } else {
            let text = self.text()?;
            self.macros.insert(name.to_owned(), text);
        }
        Ok(())
    }

    /// A string, or several with `+` between them.
    fn text(&mut self) -> Result<Text, ImportError> {
        let mut text = self.one_text()?;
        while self.sign('+')? {
            let line = self.peek()?.map_or(self.last, |token| token.line);
            text = match (text, self.one_text()?) {
                (Text::Plain(before), Text::Plain(behind)) => Text::Plain(before + &behind),
                _ => {
                    return Err(ImportError::new(
                        line,
                        "a command's output cannot be joined to a string here",
                    ));
                }
            };
        }
        Ok(text)
    }

    fn one_text(&mut self) -> Result<Text, ImportError> {
        let Some(token) = self.take()? else {
            return Err(ImportError::new(self.last, "the file ends where a string should be"));
        };
        match &token.kind {
            Kind::Command(line) => Ok(Text::Command(line.clone())),
            Kind::Macro(name) => {
                let known = self.macros.get(name).cloned();
                known.ok_or_else(|| ImportError::new(token.line, format!("the macro {name} is not defined")))
            }
            Kind::Text(pieces) => {
                let mut out = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => out.push_str(text),
                        Piece::Macro(name) => match (self.macros.get(name), self.numbers.get(name)) {
                            (Some(Text::Plain(text)), _) => out.push_str(text),
                            (Some(Text::Command(_)), _) => {
                                let what = format!("what {name} prints cannot be put into a string here");
                                return Err(ImportError::new(token.line, what));
                            }
                            (None, Some(number)) => out.push_str(&number.to_string()),
                            // As fdm does: nothing.
                            (None, None) => {}
                        },
                    }
                    if out.len() > TEXT_OCTETS_MAX {
                        return Err(ImportError::new(token.line, "this string is too long"));
                    }
                }
                Ok(Text::Plain(out))
            }
            _ => Err(ImportError::new(token.line, "here should be a string in quotation marks")),
        }
    }

    /// A string, `{ … }` of strings.
    fn texts(&mut self) -> Result<Vec<Text>, ImportError> {
        if !self.sign('{')? {
            return Ok(vec![self.text()?]);
        }
        let mut texts = Vec::new();
        while !self.sign('}')? {
            texts.push(self.text()?);
        }
        Ok(texts)
    }

    /// A port: a number or a string.
    fn port(&mut self) -> Result<Text, ImportError> {
        let number = match self.peek()?.map(|token| &token.kind) {
            Some(Kind::Number(number)) => Some(*number),
            Some(Kind::Macro(name)) => self.numbers.get(name).copied(),
            _ => None,
        };
        let Some(number) = number else { return self.text() };
        self.at += 1;
        Ok(Text::Plain(number.to_string()))
    }

    /// Everything up to the next statement.
    fn skip(&mut self) -> Result<(), ImportError> {
        while let Some(token) = self.peek()? {
            let is_definition = matches!(&token.kind, Kind::Macro(_))
                && self.tokens.get(self.at + 1).is_some_and(|next| next.kind == Kind::Sign('='));
            let begins = matches!(&token.kind, Kind::Name(name) if STATEMENTS.contains(&name.as_str()));
            if begins || is_definition {
                return Ok(());
            }
            self.at += 1;
        }
        Ok(())
    }

    /// `user NAME`, `users { … }`.
    fn users(&mut self, line: usize) -> Result<(), ImportError> {
        let said = match self.keyword("user")? {
            None => self.keyword("users")?,
            some => some,
        };
        if said.is_some() {
            self.texts()?;
            let what = "restante delivers as whoever runs it, not as other users".to_owned();
            self.notes.push(Note { line: said.unwrap_or(line), what });
        }
        Ok(())
    }

    fn set(&mut self, global: &mut Global) -> Result<(), ImportError> {
        let (line, option) = self.name("an option")?;
        match option {
            "maximum-size" => {
                let number = match self.take()?.map(|token| &token.kind) {
                    Some(Kind::Number(number)) => Some(*number),
                    Some(Kind::Macro(name)) => self.numbers.get(name).copied(),
                    _ => None,
                };
                let unit = match self.peek()?.map(|token| &token.kind) {
                    Some(Kind::Name(unit)) => UNITS.iter().find(|(names, _)| names.contains(&unit.as_str())),
                    _ => None,
                };
                self.at += usize::from(unit.is_some());
                let octets = number.and_then(|number| number.checked_mul(unit.map_or(1, |(_, each)| *each)));
                let octets = octets.ok_or_else(|| ImportError::new(line, "maximum-size wants a size"))?;
                global.octets_max = Some((line, octets));
            }
            "proxy" => match self.text()? {
                Text::Plain(proxy) => global.proxy = Some((line, proxy)),
                Text::Command(_) => return Err(ImportError::new(line, "a proxy is a URL")),
            },
            "verify-certificates" => global.verifies = true,
            other => {
                let what = SETTINGS.iter().find(|(option, _)| *option == other);
                let (_, what) =
                    what.ok_or_else(|| ImportError::new(line, format!("fdm has no option `{other}`")))?;
                if !what.is_empty() {
                    self.notes.push(Note { line, what: format!("`{other}`: {what}") });
                }
                self.skip()?;
            }
        }
        Ok(())
    }

    fn action(&mut self, actions: &mut BTreeMap<String, Action>) -> Result<(), ImportError> {
        let line = self.peek()?.map_or(self.last, |token| token.line);
        let Text::Plain(name) = self.text()? else {
            return Err(ImportError::new(line, "the name of an action is a string"));
        };
        self.users(line)?;
        let acts = self.acts(actions)?;
        if actions.insert(name.clone(), Action { acts }).is_some() {
            return Err(ImportError::new(line, format!("there is an action `{name}` already")));
        }
        Ok(())
    }

    /// One action or `{ … }` of them.
    fn acts(&mut self, known: &BTreeMap<String, Action>) -> Result<Vec<(usize, Act)>, ImportError> {
        let mut acts = Vec::new();
        if !self.sign('{')? {
            self.act(known, &mut acts)?;
            return Ok(acts);
        }
        while !self.sign('}')? {
            self.act(known, &mut acts)?;
        }
        Ok(acts)
    }

    fn act(
        &mut self,
        known: &BTreeMap<String, Action>,
        acts: &mut Vec<(usize, Act)>,
    ) -> Result<(), ImportError> {
        let (line, word) = self.name("an action")?;
        let act = match word {
            "drop" => Act::Drop,
            "keep" => Act::Keep,
            "maildir" => Act::Maildir(self.text()?),
            "mbox" => {
                let path = self.text()?;
                Act::Mbox { path, compress: self.keyword("compress")?.is_some() }
            }
            "pipe" => Act::Pipe(self.text()?),
            "smtp" | "lmtp" => self.server_act(word == "lmtp")?,
            "action" | "actions" => {
                for name in self.texts()? {
                    let Text::Plain(name) = name else { continue };
                    if !known.contains_key(&name) {
                        return Err(ImportError::new(
                            line,
                            format!("there is no action `{name}` before this"),
                        ));
                    }
                    acts.push((line, Act::Named(name)));
                }
                return Ok(());
            }
            "exec" | "rewrite" | "write" | "append" | "remove-header" | "remove-headers" => {
                self.texts()?;
                Act::Other(word.to_owned())
            }
            "stdout" => Act::Other(word.to_owned()),
            "tag" | "add-header" => {
                self.text()?;
                if self.keyword("value")?.is_some() {
                    self.port()?;
                }
                Act::Other(word.to_owned())
            }
            "add-to-cache" | "to-cache" | "remove-from-cache" => {
                self.text()?;
                if self.keyword("key")?.is_some() {
                    self.text()?;
                }
                Act::Other(word.to_owned())
            }
            "imap" | "imaps" => {
                self.skip_words(IMAP_WORDS)?;
                Act::Other(word.to_owned())
            }
            other => return Err(ImportError::new(line, format!("fdm has no action `{other}`"))),
        };
        acts.push((line, act));
        Ok(())
    }

    /// The keywords in `words` with what stands behind them.
    fn skip_words(&mut self, words: &[&str]) -> Result<(), ImportError> {
        while let Some(token) = self.peek()? {
            match &token.kind {
                Kind::Name(name) if !words.contains(&name.as_str()) => return Ok(()),
                Kind::Sign(_) => return Ok(()),
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    fn server_act(&mut self, is_lmtp: bool) -> Result<Act, ImportError> {
        let (line, word) = self.name("`server`")?;
        if word != "server" {
            return Err(ImportError::new(line, "here should be `server`"));
        }
        let host = self.text()?;
        let (mut port, mut to) = (None, None);
        loop {
            if self.keyword("port")?.is_some() {
                port = Some(self.port()?);
            } else if self.keyword("to")?.is_some() {
                to = Some(self.text()?);
            } else if self.keyword("from")?.is_some() {
                self.text()?;
            } else {
                return Ok(Act::Smtp { is_lmtp, host, port, to });
            }
        }
    }

    /// A rule, or a rule with others in braces behind its condition.
    fn rule(
        &mut self,
        line: usize,
        outer: &Option<Vec<Vec<String>>>,
        rules: &mut Vec<Rule>,
        actions: &BTreeMap<String, Action>,
        depth: usize,
    ) -> Result<(), ImportError> {
        if depth > NESTED_MAX {
            return Err(ImportError::new(line, "rules are nested too deep"));
        }
        let mut accounts = outer.clone();
        loop {
            match (self.condition()?, &mut accounts) {
                (Some(globs), Some(accounts)) if !globs.is_empty() => accounts.push(globs),
                (Some(_), _) => {}
                (None, accounts) => *accounts = None,
            }
            if self.keyword("or")?.is_some() {
                accounts = None;
            } else if self.keyword("and")?.is_none() {
                break;
            }
        }
        if self.sign('{')? {
            while let Some(line) = self.keyword("match")? {
                self.rule(line, &accounts, rules, actions, depth + 1)?;
            }
            let line = self.peek()?.map_or(self.last, |token| token.line);
            return match self.sign('}')? {
                true => Ok(()),
                false => Err(ImportError::new(line, "here should be `match` or the } of the rules around")),
            };
        }
        self.users(line)?;
        let is_inline = self.keyword("action")?.is_some() || self.keyword("actions")?.is_some();
        if !is_inline {
            return Err(ImportError::new(line, "this rule has no action"));
        }
        let acts = self.acts_of_rule(line, actions)?;
        let goes_on = self.keyword("continue")?.is_some();
        rules.push(Rule { line, accounts, acts, goes_on });
        Ok(())
    }

    /// Names of actions, or actions themselves.
    fn acts_of_rule(
        &mut self,
        line: usize,
        actions: &BTreeMap<String, Action>,
    ) -> Result<Vec<(usize, Act)>, ImportError> {
        let is_text = |token: Option<&Token>| {
            token.is_some_and(|token| matches!(token.kind, Kind::Text(_) | Kind::Macro(_) | Kind::Command(_)))
        };
        let is_block = self.peek()?.is_some_and(|token| token.kind == Kind::Sign('{'));
        let first = if is_block { self.tokens.get(self.at + 1) } else { self.peek()? };
        if !is_text(first) {
            return self.acts(actions);
        }
        let mut acts = Vec::new();
        for name in self.texts()? {
            let Text::Plain(name) = name else { continue };
            // Tags make the name of an action depend on the mail.
            if !actions.contains_key(&name) && !name.contains('%') {
                return Err(ImportError::new(line, format!("there is no action `{name}` before this")));
            }
            acts.push((line, Act::Named(name)));
        }
        Ok(acts)
    }

    /// A condition: the accounts it is for, none for `all`; `None` when it looks at the mail.
    fn condition(&mut self) -> Result<Option<Vec<String>>, ImportError> {
        let is_negated = self.keyword("not")?.is_some() || self.sign('!')?;
        let Some(token) = self.peek()? else {
            return Err(ImportError::new(self.last, "the file ends where a condition should be"));
        };
        let word = match &token.kind {
            Kind::Name(name) => name.as_str(),
            _ => "",
        };
        if word == "all" {
            self.at += 1;
            return Ok((!is_negated).then(Vec::new));
        }
        if matches!(word, "account" | "accounts") {
            self.at += 1;
            let names = self.texts()?.into_iter().map(|name| match name {
                Text::Plain(name) => Some(name),
                Text::Command(_) => None,
            });
            let names: Option<Vec<String>> = names.collect();
            return Ok(names.filter(|names| !is_negated && !names.is_empty()));
        }
        // What stands in the parentheses of exec and pipe, and the user before them, belongs to the condition.
        let mut depth = 0_usize;
        let is_program = matches!(word, "exec" | "pipe");
        let mut has_returns = false;
        while let Some(token) = self.peek()? {
            match &token.kind {
                Kind::Sign('(') => (depth, has_returns) = (depth + 1, true),
                Kind::Sign(')') => depth = depth.saturating_sub(1),
                Kind::Sign('{') if depth == 0 => return Ok(None),
                Kind::Name(name)
                    if depth == 0 && (!is_program || has_returns) && ENDS.contains(&name.as_str()) =>
                {
                    return Ok(None);
                }
                _ => {}
            }
            self.at += 1;
        }
        Err(ImportError::new(token.line, "a rule has no action behind its condition"))
    }
}

/// No string is longer, macros and all.
const TEXT_OCTETS_MAX: usize = 64 * 1024;

/// Nobody nests rules deeper.
const NESTED_MAX: usize = 32;

const STATEMENTS: &[&str] = &["set", "account", "action", "match", "cache", "include"];

/// What comes behind a condition.
const ENDS: &[&str] = &["and", "or", "action", "actions", "user", "users", "match", "continue"];

const IMAP_WORDS: &[&str] = &[
    "server",
    "port",
    "user",
    "pass",
    "folder",
    "no-verify",
    "no-cram-md5",
    "no-plain",
    "no-login",
    "starttls",
    "insecure",
    "oauthbearer",
    "xoauth2",
];

const UNITS: &[(&[&str], u64)] = &[
    (&["b", "B", "byte", "bytes"], 1),
    (&["k", "K", "kb", "KB", "kilobyte", "kilobytes"], 1 << 10),
    (&["m", "M", "mb", "MB", "megabyte", "megabytes"], 1 << 20),
    (&["g", "G", "gb", "GB", "gigabyte", "gigabytes"], 1 << 30),
];

/// Other options; what to say, if anything is lost.
const SETTINGS: &[(&str, &str)] = &[
    (
        "delete-oversized",
        "restante deletes no message for its size; a rule may: `larger` and `then = \"delete\"`",
    ),
    ("queue-high", ""),
    ("queue-low", ""),
    ("ignore-errors", ""),
    ("allow-multiple", "an account is collected by one process at a time"),
    ("lock-file", ""),
    ("lock-timeout", ""),
    ("lock-wait", ""),
    ("lock-type", "restante takes both locks, as mail programs do"),
    ("lock-types", "restante takes both locks, as mail programs do"),
    ("command-user", "programs run as whoever runs restante"),
    ("default-user", "restante delivers as whoever runs it"),
    ("lookup-order", ""),
    ("unmatched-mail", "restante delivers every message that it fetches"),
    ("purge-after", "deletions are committed at the end of a session, and none is lost if it breaks"),
    ("parallel-accounts", "`restante fetch --jobs` says how many accounts at a time"),
    ("no-received", ""),
    ("no-create", "restante makes the Maildirs that it delivers to"),
    ("file-umask", "files are for their owner alone"),
    ("file-group", "files are for their owner alone"),
    ("timeout", "restante has time limits of its own"),
    ("strip-characters", ""),
];
