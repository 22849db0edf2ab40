//! `.fetchmailrc`: entries of servers with their users, in words that read like English.
//!
//! `defaults` fills in what an entry leaves open, whether it stands before or behind it.

mod account;
mod lex;

use super::{Around, ImportError, Imported, Kind, Note};
use lex::{Token, TokenKind, tokens};

/// The value of an option and the line of its keyword.
type Set<T> = Option<(usize, T)>;

/// What `set` says.
#[derive(Debug, Default)]
struct Global {
    daemon: Set<u64>,
    idfile: Set<String>,
}

/// An entry: a server and its users.
#[derive(Debug, Default)]
struct Entry {
    line: usize,
    name: String,
    is_skipped: bool,
    server: Server,
    users: Vec<User>,
}

/// The options of a server.
#[derive(Clone, Debug, Default)]
struct Server {
    via: Set<String>,
    protocol: Set<String>,
    service: Set<String>,
    interval: Set<u64>,
    auth: Set<String>,
    plugin: Set<String>,
    notes: Vec<Note>,
}

/// The options of a user.
#[derive(Clone, Debug, Default)]
struct User {
    line: usize,
    remote: Set<String>,
    /// The local names, and whether there is one that makes it a maildrop of several people.
    local: Vec<(usize, String)>,
    is_multidrop: Set<()>,
    password: Set<String>,
    ssl: Set<bool>,
    sslproto: Set<String>,
    sslcertck: Set<bool>,
    sslcertfile: Set<String>,
    sslcert: Set<String>,
    sslkey: Set<String>,
    keep: Set<bool>,
    limit: Set<u64>,
    mda: Set<String>,
    bsmtp: Set<String>,
    lmtp: Set<()>,
    smtphost: Vec<(usize, String)>,
    smtpaddress: Set<String>,
    smtpname: Set<String>,
    notes: Vec<Note>,
}

/// Reads it.
pub(super) fn read(text: &str, around: &Around<'_>) -> Result<Imported, ImportError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, last: text.lines().count().max(1) };
    let mut global = Global::default();
    let mut notes = Vec::new();
    let (mut defaults, mut entries) = (Entry::default(), Vec::new());
    while let Some(token) = parser.take() {
        match (token.kind, token.text.as_str()) {
            (TokenKind::Bare, "set") => parser.set(&mut global, &mut notes)?,
            (TokenKind::Bare, "poll" | "server" | "skip") => {
                let name = parser.string("the name of a server")?;
                let mut entry = Entry { line: token.line, name, ..Entry::default() };
                entry.is_skipped = token.text == "skip";
                parser.entry(&mut entry)?;
                entries.push(entry);
            }
            (TokenKind::Bare, "defaults") => {
                defaults = Entry { line: token.line, ..Entry::default() };
                parser.entry(&mut defaults)?;
            }
            _ => return Err(unknown(token, "neither `set`, `poll`, `skip` nor `defaults`")),
        }
    }
    let mut accounts = Vec::new();
    for entry in &entries {
        let unnamed = [User { line: entry.line, ..User::default() }];
        let users = if entry.users.is_empty() { &unnamed[..] } else { &entry.users };
        for user in users {
            accounts.push(account::account(entry, user, &defaults, &global, around)?);
        }
    }
    Ok(Imported { kind: Kind::Fetchmail, accounts, notes })
}

/// The word itself is shown: no password stands where a keyword is expected, unless quotation marks are missing; so not all of it.
fn unknown(token: &Token, what: &str) -> ImportError {
    let shown: String = token.text.chars().take(3).collect();
    let more = if token.text.chars().count() > 3 { "…" } else { "" };
    ImportError::new(token.line, format!("`{shown}{more}` is {what}"))
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    /// The last line, for what is missing at the end.
    last: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self) -> Option<&'a Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    /// The next word if it is this keyword.
    fn keyword(&mut self, word: &str) -> bool {
        let is = self.peek().is_some_and(|token| token.kind == TokenKind::Bare && token.text == word);
        self.at += usize::from(is);
        is
    }

    fn string(&mut self, what: &str) -> Result<String, ImportError> {
        match self.take() {
            Some(token) if token.is_string() => Ok(token.text.clone()),
            Some(token) => Err(ImportError::new(token.line, format!("here should be {what}"))),
            None => Err(ImportError::new(self.last, format!("the file ends where {what} should be"))),
        }
    }

    fn number(&mut self, of: &str) -> Result<u64, ImportError> {
        let token = self
            .take()
            .ok_or_else(|| ImportError::new(self.last, format!("`{of}` has no number behind it")))?;
        match token.text.parse::<i64>() {
            Ok(number) if token.kind == TokenKind::Bare => Ok(u64::try_from(number).unwrap_or(0)),
            _ => Err(ImportError::new(token.line, format!("`{of}` has no number behind it"))),
        }
    }

    /// Strings as long as there are any; at least one.
    fn strings(&mut self, what: &str) -> Result<Vec<(usize, String)>, ImportError> {
        let line = self.peek().map_or(self.last, |token| token.line);
        let mut strings = vec![(line, self.string(what)?)];
        while let Some(token) = self.peek().filter(|token| token.is_string()) {
            strings.push((token.line, token.text.clone()));
            self.at += 1;
        }
        Ok(strings)
    }

    /// A word, whatever it is.
    fn any(&mut self, of: &str) -> Result<String, ImportError> {
        let token = self.take();
        let missing = || ImportError::new(self.last, format!("`{of}` has nothing behind it"));
        Ok(token.ok_or_else(missing)?.text.clone())
    }

    /// `set …`.
    fn set(&mut self, global: &mut Global, notes: &mut Vec<Note>) -> Result<(), ImportError> {
        self.keyword("no");
        let Some(token) = self.take() else {
            return Err(ImportError::new(self.last, "`set` has nothing behind it"));
        };
        let word = token.text.strip_prefix("no").filter(|word| GLOBAL_FLAGS.contains(word));
        let word = word.unwrap_or(&token.text);
        let at = token.line;
        if !GLOBAL_FLAGS.contains(&word) {
            self.keyword("=");
        }
        match word {
            "daemon" => global.daemon = Some((at, self.number(word)?)),
            "idfile" => global.idfile = Some((at, self.string("the name of a file")?)),
            "logfile" | "pidfile" | "postmaster" | "properties" => {
                self.string("a string")?;
                if word == "postmaster" {
                    let what = "what cannot be delivered goes into the quarantine, not to a postmaster";
                    notes.push(Note { line: at, what: format!("`postmaster`: {what}") });
                }
            }
            "bouncemail" | "spambounce" => {
                let what = "restante bounces nothing: what cannot be delivered goes into the quarantine";
                notes.push(Note { line: at, what: format!("`{word}`: {what}") });
            }
            flag if GLOBAL_FLAGS.contains(&flag) => {}
            _ => return Err(unknown(token, "nothing that `set` knows")),
        }
        Ok(())
    }

    /// The options behind `poll NAME`, `skip NAME` or `defaults`, up to the next statement.
    fn entry(&mut self, entry: &mut Entry) -> Result<(), ImportError> {
        while let Some(token) = self.peek() {
            if token.kind == TokenKind::Bare && STATEMENTS.contains(&token.text.as_str()) {
                return Ok(());
            }
            self.at += 1;
            let is_user = token.kind == TokenKind::Bare && matches!(token.text.as_str(), "user" | "username");
            if is_user {
                let mut user = User { line: token.line, ..User::default() };
                self.named(&mut user)?;
                entry.users.push(user);
                continue;
            }
            let (word, is_set) = self.negated(token)?;
            if entry.users.is_empty() && self.server_option(&mut entry.server, token.line, word, is_set)? {
                continue;
            }
            if entry.users.is_empty() {
                entry.users.push(User { line: token.line, ..User::default() });
            }
            let Some(user) = entry.users.last_mut() else { continue };
            if !self.user_option(user, token.line, word, is_set)? {
                let mut unused = Server::default();
                return Err(match self.server_option(&mut unused, token.line, word, is_set) {
                    Ok(false) => unknown(token, "no option"),
                    _ => ImportError::new(
                        token.line,
                        format!("the server's option `{word}` stands behind a user's"),
                    ),
                });
            }
        }
        Ok(())
    }

    /// The keyword of an option, and whether there is no `no` before it.
    fn negated(&mut self, token: &'a Token) -> Result<(&'a str, bool), ImportError> {
        if token.kind == TokenKind::Text {
            return Err(unknown(token, "a string where an option should be"));
        }
        if token.text == "no" {
            let next = self.take().ok_or_else(|| ImportError::new(self.last, "`no` what?"))?;
            return Ok((&next.text, false));
        }
        match token.text.strip_prefix("no") {
            Some(word) if FLAGS.contains(&word) => Ok((word, false)),
            _ => Ok((&token.text, true)),
        }
    }

    /// `user NAME [there]`, `user NAME… here`.
    fn named(&mut self, user: &mut User) -> Result<(), ImportError> {
        let line = user.line;
        let at = self.at;
        let names = self.strings("the name of a user")?;
        if self.keyword("here") {
            self.at = at;
            return self.mapping(user);
        }
        // Without `here` it is one name, at the server.
        self.at = at + 1;
        self.keyword("there");
        user.remote = names.into_iter().next().map(|(_, name)| (line, name));
        Ok(())
    }

    /// The local names behind `is` and `to`: `a`, `a b`, `a=b`, `*`.
    fn mapping(&mut self, user: &mut User) -> Result<(), ImportError> {
        for (line, name) in self.strings("the name of a user")? {
            if name == "*" || !user.local.is_empty() {
                user.is_multidrop = Some((line, ()));
            }
            user.local.push((line, name));
        }
        while self.keyword("=") {
            let line = self.peek().map_or(self.last, |token| token.line);
            user.is_multidrop = Some((line, ()));
            self.strings("the name of a user")?;
        }
        self.keyword("here");
        Ok(())
    }

    /// Whether it is an option of a server.
    fn server_option(
        &mut self,
        server: &mut Server,
        line: usize,
        word: &str,
        is_set: bool,
    ) -> Result<bool, ImportError> {
        let mut note = |what: &str| {
            server.notes.push(Note { line, what: format!("`{word}`: {what}") });
        };
        match word {
            "via" => server.via = Some((line, self.string("the name of a server")?)),
            "proto" | "protocol" => server.protocol = Some((line, self.any(word)?.to_ascii_lowercase())),
            "service" | "port" => server.service = Some((line, self.any(word)?)),
            "interval" => server.interval = Some((line, self.number(word)?)),
            "auth" | "authenticate" | "preauth" | "preauthenticate" => {
                server.auth = Some((line, self.any(word)?));
            }
            "plugin" => server.plugin = Some((line, self.string("a command")?)),
            "timeout" | "idletimeout" => {
                self.number(word)?;
                note("restante has time limits of its own");
            }
            "aka" | "local" | "localdomains" => {
                self.strings("the name of a host")?;
                note("is for maildrops of several people");
            }
            "envelope" if !is_set => {}
            "envelope" => {
                let has_count = self
                    .peek()
                    .is_some_and(|token| token.kind == TokenKind::Bare && token.text.parse::<i64>().is_ok());
                self.at += usize::from(has_count);
                self.string("the name of a field")?;
                note("is for maildrops of several people");
            }
            "qvirtual" | "interface" | "monitor" | "plugout" | "principal" | "esmtpname"
            | "esmtppassword" => {
                self.string("a string")?;
                note("there is no counterpart");
            }
            "bad-header" => {
                self.any(word)?;
                note("every message is fetched, whatever its header looks like");
            }
            "uidl" | "dns" | "checkalias" => {}
            "tracepolls" if is_set => note("add `received` to add_headers instead"),
            "tracepolls" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether it is an option of a user.
    fn user_option(
        &mut self,
        user: &mut User,
        line: usize,
        word: &str,
        is_set: bool,
    ) -> Result<bool, ImportError> {
        match word {
            "is" | "to" => {
                let at = self.at;
                let name = self.string("the name of a user")?;
                if word == "is" && self.keyword("there") {
                    user.remote = Some((line, name));
                } else {
                    self.at = at;
                    self.mapping(user)?;
                }
            }
            "pass" | "password" => user.password = Some((line, self.string("a password")?)),
            "ssl" => user.ssl = Some((line, is_set)),
            "sslproto" => user.sslproto = Some((line, self.string("a version of TLS, or ''")?)),
            "sslcertck" => user.sslcertck = Some((line, is_set)),
            "sslcertfile" => user.sslcertfile = Some((line, self.string("the name of a file")?)),
            "sslcert" => user.sslcert = Some((line, self.string("the name of a file")?)),
            "sslkey" => user.sslkey = Some((line, self.string("the name of a file")?)),
            "keep" => user.keep = Some((line, is_set)),
            "limit" => user.limit = Some((line, self.number(word)?)),
            "mda" => user.mda = Some((line, self.string("a command")?)),
            "bsmtp" => user.bsmtp = Some((line, self.string("the name of a file")?)),
            "lmtp" => user.lmtp = Some((line, ())),
            "smtp" | "smtphost" => user.smtphost.extend(self.strings("the name of a host")?),
            "smtpaddress" => user.smtpaddress = Some((line, self.string("a domain")?)),
            "smtpname" => user.smtpname = Some((line, self.string("an address")?)),
            _ => return self.without_counterpart(user, line, word, is_set),
        }
        Ok(true)
    }

    fn without_counterpart(
        &mut self,
        user: &mut User,
        line: usize,
        word: &str,
        is_set: bool,
    ) -> Result<bool, ImportError> {
        let Some((_, takes, what)) = WITHOUT.iter().find(|(option, ..)| *option == word) else {
            return Ok(false);
        };
        match takes {
            Takes::Nothing => {}
            Takes::String => drop(self.string("a string")?),
            Takes::Strings => drop(self.strings("a string")?),
            Takes::Number => drop(self.number(word)?),
            Takes::Numbers => {
                self.number(word)?;
                while self.peek().is_some_and(|token| token.text.parse::<i64>().is_ok()) {
                    self.at += 1;
                }
            }
        }
        if is_set && !what.is_empty() {
            user.notes.push(Note { line, what: format!("`{word}`: {what}") });
        }
        Ok(true)
    }
}

impl Token {
    /// Whether it is a string where one is expected: quoted, or a word that is no keyword and no number.
    fn is_string(&self) -> bool {
        let text = self.text.as_str();
        let is_keyword = || {
            let plain = text.strip_prefix("no").filter(|word| FLAGS.contains(word)).unwrap_or(text);
            STATEMENTS.contains(&plain) || OPTIONS.contains(&plain) || FLAGS.contains(&plain) || {
                WITHOUT.iter().any(|(option, ..)| *option == plain)
            }
        };
        self.kind == TokenKind::Text || !(is_keyword() || text == "=" || text.parse::<i64>().is_ok())
    }
}

/// What stands behind an option that has no counterpart.
#[derive(Clone, Copy, Debug)]
enum Takes {
    Nothing,
    String,
    Strings,
    Number,
    Numbers,
}

const STATEMENTS: &[&str] = &["set", "poll", "server", "skip", "defaults"];

const GLOBAL_FLAGS: &[&str] = &["bouncemail", "spambounce", "softbounce", "syslog", "invisible", "showdots"];

/// What may have a `no` glued to it.
const FLAGS: &[&str] = &[
    "bouncemail",
    "uidl",
    "checkalias",
    "dns",
    "envelope",
    "keep",
    "flush",
    "limitflush",
    "fetchall",
    "rewrite",
    "forcecr",
    "stripcr",
    "pass8bits",
    "pass8",
    "dropstatus",
    "dropdelivered",
    "mimedecode",
    "mimedec",
    "spambounce",
    "idle",
    "forceidle",
    "sslcertck",
    "ssl",
];

/// Other keywords.
const OPTIONS: &[&str] = &[
    "via",
    "proto",
    "protocol",
    "service",
    "port",
    "interval",
    "auth",
    "authenticate",
    "preauth",
    "preauthenticate",
    "plugin",
    "timeout",
    "idletimeout",
    "aka",
    "local",
    "localdomains",
    "qvirtual",
    "interface",
    "monitor",
    "plugout",
    "principal",
    "esmtpname",
    "esmtppassword",
    "bad-header",
    "tracepolls",
    "user",
    "username",
    "is",
    "to",
    "here",
    "there",
    "no",
    "pass",
    "password",
    "sslproto",
    "sslcertfile",
    "sslcert",
    "sslkey",
    "limit",
    "mda",
    "bsmtp",
    "lmtp",
    "smtp",
    "smtphost",
    "smtpaddress",
    "smtpname",
];

/// Options of a user that have no counterpart: what stands behind them, and what to say; nothing when nothing is lost.
const WITHOUT: &[(&str, Takes, &str)] = &[
    ("fetchall", Takes::Nothing, "restante fetches every message once, by its unique-id"),
    ("flush", Takes::Nothing, "restante deletes what it has collected, and nothing that somebody else has"),
    (
        "limitflush",
        Takes::Nothing,
        "a message over the limit stays on the server: restante deletes none unread",
    ),
    ("rewrite", Takes::Nothing, "no message is changed"),
    ("forcecr", Takes::Nothing, "every destination gets the line ends that are its own"),
    ("stripcr", Takes::Nothing, ""),
    ("pass8bits", Takes::Nothing, ""),
    ("pass8", Takes::Nothing, ""),
    ("dropstatus", Takes::Nothing, "no message is changed"),
    ("dropdelivered", Takes::Nothing, "no message is changed"),
    ("mimedecode", Takes::Nothing, "no message is changed"),
    ("mimedec", Takes::Nothing, "no message is changed"),
    ("idle", Takes::Nothing, "is for IMAP"),
    ("forceidle", Takes::Nothing, "is for IMAP"),
    ("folder", Takes::Strings, "is for IMAP"),
    ("folders", Takes::Strings, "is for IMAP"),
    ("fetchdomains", Takes::Strings, "is for ETRN"),
    ("antispam", Takes::Numbers, "what a server refuses for good goes into the quarantine"),
    (
        "preconnect",
        Takes::String,
        "restante starts no program before it connects; a proxy or a script around it may do",
    ),
    (
        "pre",
        Takes::String,
        "restante starts no program before it connects; a proxy or a script around it may do",
    ),
    ("postconnect", Takes::String, "restante starts no program behind a session"),
    ("post", Takes::String, "restante starts no program behind a session"),
    ("sslcertpath", Takes::String, "authorities stand in one file: tls.ca"),
    ("sslcommonname", Takes::String, "the certificate has to be that of the server's name"),
    (
        "sslfingerprint",
        Takes::String,
        "restante pins keys by SHA-256 and not certificates by MD5: tls.pins. The certificate is verified by the authorities",
    ),
    ("warnings", Takes::Number, "what stays for its size stands in every report"),
    ("fetchlimit", Takes::Number, "a pass fetches all that is there"),
    ("fetchsizelimit", Takes::Number, ""),
    ("fastuidl", Takes::Number, ""),
    ("batchlimit", Takes::Number, "a connection for delivery lasts as long as a pass"),
    ("expunge", Takes::Number, "deletions are committed at the end of a session"),
    ("properties", Takes::String, ""),
];
