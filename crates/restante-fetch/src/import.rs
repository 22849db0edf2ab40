//! The way here from other programs that collect mail: their configuration becomes a `fetch.toml`, and what they know to be
//! collected becomes entries of the journal, so that the first pass fetches nothing twice.
//!
//! Everything here is pure: texts in, values and text out. Which files there are, and where they are written, the command
//! `restante fetch import` says. Nothing of the other program is run or changed. Its words are taken at their meaning, not
//! at their letter: what restante does another way is said in a [`Note`] with the line it stands on, and what would not do
//! the same thing with somebody's mail is not guessed at; such an account is written as a comment.

mod fdm;
mod fetchmail;
mod getmail;
mod mpop;
mod render;
mod state;

use std::fmt;
use std::sync::Arc;

use restante_proto::secret::Secret;
use restante_proto::url::PopUrl;

use crate::secret::{SecretSource, netrc};

pub use render::{Passwords, render};
pub use state::{adopt, state};

/// Whose configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// fetchmail 6: `.fetchmailrc`, `.fetchids`.
    Fetchmail,
    /// getmail 5 and 6: `getmailrc`, `oldmail-…`.
    Getmail,
    /// mpop: `.mpoprc`, `.mpop_uidls/…`.
    Mpop,
    /// fdm: `.fdm.conf`, the cache of an account.
    Fdm,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Fetchmail, Self::Getmail, Self::Mpop, Self::Fdm];

    /// The program's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fetchmail => "fetchmail",
            Self::Getmail => "getmail",
            Self::Mpop => "mpop",
            Self::Fdm => "fdm",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What the other program would know from around it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// The name of the user who runs it: fetchmail delivers to him unless it is told otherwise.
    pub user: &'a str,
    /// `~/.netrc`, where all but getmail look for passwords that their configuration does not hold.
    pub netrc: Option<&'a [u8]>,
}

/// What a configuration came to.
#[derive(Debug)]
pub struct Imported {
    /// Whose it was.
    pub kind: Kind,
    /// In the order of the file.
    pub accounts: Vec<Account>,
    /// What concerns no account alone.
    pub notes: Vec<Note>,
}

/// Something that restante does another way, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where it stands, from 1.
    pub line: usize,
    /// What stands there and what becomes of it, as a sentence; without a secret.
    pub what: String,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<T> {
    /// The value.
    pub value: T,
    /// The line, from 1; `None` when this is what the other program does unless it is told otherwise.
    pub line: Option<usize>,
}

impl<T> Said<T> {
    fn at(line: usize, value: T) -> Self {
        Self { value, line: Some(line) }
    }

    fn unsaid(value: T) -> Self {
        Self { value, line: None }
    }
}

/// An account of the other program.
#[derive(Debug)]
pub struct Account {
    /// Where it begins.
    pub line: usize,
    /// Its name there, if it has one.
    pub name: Option<String>,
    /// The server.
    pub host: String,
    /// Its port, if it is not that of its kind of TLS.
    pub port: Option<Said<u16>>,
    /// Who logs in.
    pub user: String,
    /// How the connection is protected.
    pub tls: Said<Tls>,
    /// The way to log in, as POP URLs write it behind `;AUTH=`.
    pub auth: Option<Said<String>>,
    /// Where the password is.
    pub password: Said<SecretSource>,
    /// Authorities in a PEM file.
    pub authorities: Option<Said<String>>,
    /// The client's certificate.
    pub certificate: Option<Said<String>>,
    /// Its key.
    pub key: Option<Said<String>>,
    /// Through which connections are made, as a URL.
    pub proxy: Option<Said<String>>,
    /// Where messages go; not empty unless the account is set aside.
    pub deliver: Vec<Said<Delivery>>,
    /// What stays on the server.
    pub keep: Said<Keep>,
    /// Larger ones stay where they are. Octets.
    pub octets_max: Option<Said<u64>>,
    /// Seconds between two looks, with `--watch`.
    pub interval_s: Option<Said<u64>>,
    /// Header fields that are added, by their names in fetch.toml.
    pub add_headers: Vec<Said<&'static str>>,
    /// What has no counterpart.
    pub notes: Vec<Note>,
    /// Why it is written as a comment and not as an account.
    pub set_aside: Option<Note>,
    /// Where the program keeps the unique-ids of this account; `None` when it keeps none.
    pub known: Option<Known>,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// From the first octet.
    Implicit,
    /// After STLS, and not without.
    Stls,
    /// Not at all.
    Off,
}

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A Maildir.
    Maildir(String),
    /// An mbox.
    Mbox(String),
    /// A line for the shell, which reads the message.
    Shell(String),
    /// A program and its arguments.
    Command(Vec<String>),
    /// An LMTP server: its address (`host:port`, or a path) and the recipient.
    Lmtp(String, String),
    /// An SMTP server: its address and the recipient.
    Smtp(String, String),
}

/// What stays on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Everything.
    All,
    /// Nothing.
    None,
    /// What is younger than so many days.
    Days(u32),
}

/// Where another program keeps the unique-ids of an account, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The file; `~/` is the home folder, and a relative one starts where the configuration is.
    pub path: String,
    /// The account's host in that file.
    pub host: String,
    /// The account's user in that file.
    pub user: String,
}

/// What cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError {
    /// Where it stands, from 1.
    pub line: usize,
    /// What is wrong there; without a secret.
    pub what: String,
}

impl ImportError {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for ImportError {}

/// Reads a configuration.
///
/// # Errors
/// What the program itself would not accept, a file of more than 1 MiB, and one with a NUL.
pub fn read(kind: Kind, text: &str, around: &Around<'_>) -> Result<Imported, ImportError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ImportError::new(1, "this file is too large for a configuration"));
    }
    if let Some((before, _)) = text.split_once('\0') {
        let line = before.matches('\n').count() + 1;
        return Err(ImportError::new(line, "there is a NUL here: this file is damaged, or no configuration"));
    }
    let mut imported = match kind {
        Kind::Fetchmail => fetchmail::read(text, around)?,
        Kind::Getmail => getmail::read(text)?,
        Kind::Mpop => mpop::read(text, around)?,
        Kind::Fdm => fdm::read(text, around)?,
    };
    for account in &mut imported.accounts {
        account.check();
        if account.set_aside.is_none()
            && let Some(fault) = render::fault(kind, account)
        {
            account.set_aside = Some(fault);
        }
    }
    distinguish(&mut imported.accounts);
    Ok(imported)
}

/// What fetch.toml takes.
const NAME_OCTETS_MAX: usize = 128;

/// Larger configurations are none.
const TEXT_BYTES_MAX: usize = 1 << 20;

impl Account {
    /// An account that says nothing but whose it is.
    fn new(line: usize, host: String, user: String) -> Self {
        Self {
            line,
            name: None,
            host,
            port: None,
            user,
            tls: Said::unsaid(Tls::Off),
            auth: None,
            password: Said::unsaid(SecretSource::Prompt),
            authorities: None,
            certificate: None,
            key: None,
            proxy: None,
            deliver: Vec::new(),
            keep: Said::unsaid(Keep::None),
            octets_max: None,
            interval_s: None,
            add_headers: Vec::new(),
            notes: Vec::new(),
            set_aside: None,
            known: None,
        }
    }

    /// Its server as a POP URL, without the user.
    fn url(&self) -> String {
        let scheme = if self.tls.value == Tls::Implicit { "pops" } else { "pop" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let port = self.port.as_ref().map(|port| format!(":{}", port.value)).unwrap_or_default();
        format!("{scheme}://{host}{port}")
    }

    /// Notes what has no counterpart.
    fn note(&mut self, line: usize, what: impl Into<String>) {
        self.notes.push(Note { line, what: what.into() });
    }

    /// Sets the account aside; the first reason stays.
    fn set_aside(&mut self, line: usize, what: impl Into<String>) {
        self.set_aside.get_or_insert_with(|| Note { line, what: what.into() });
    }

    /// What must hold of any account, whoever's it was.
    fn check(&mut self) {
        if let Err(error) = PopUrl::parse(&self.url()) {
            self.set_aside(self.line, format!("its server cannot be one: {error}"));
        }
        if self
            .name
            .as_ref()
            .is_some_and(|name| name.chars().any(char::is_control) || name.len() > NAME_OCTETS_MAX)
        {
            self.name = None;
        }
        if self.user.is_empty() || self.user.chars().any(char::is_control) {
            self.set_aside(self.line, "nobody is named who logs in");
        }
        if self.deliver.is_empty() {
            self.set_aside(self.line, "it does not say where its messages go");
        }
        if let Some(size) = self.octets_max.take_if(|size| size.value == 0) {
            self.note(size.line.unwrap_or(self.line), "a bound of 0 octets is taken for none");
        }
        if let (Tls::Off, line) = (self.tls.value, self.tls.line.unwrap_or(self.line))
            && !is_loopback(&self.host)
        {
            self.note(
                line,
                "the password and the mail pass in clear, as they did; without `security = \"none\"` they do not",
            );
        }
    }
}

/// The password as it stands in a configuration.
fn plain(password: String) -> SecretSource {
    SecretSource::Plain(Arc::new(Secret::new(password.into_bytes())))
}

/// Where a password is that a configuration does not hold: in `~/.netrc`, or nowhere.
fn elsewhere(around: &Around<'_>, host: &str, user: &str) -> SecretSource {
    let found = around.netrc.is_some_and(|text| matches!(netrc::find(text, host, user), Ok(Some(_))));
    if found { SecretSource::Netrc(None) } else { SecretSource::Prompt }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// No two accounts may have the same name: the journal is found by it.
fn distinguish(accounts: &mut [Account]) {
    let mut taken = std::collections::BTreeSet::new();
    for account in accounts.iter_mut().filter(|account| account.set_aside.is_none()) {
        let base = account
            .name
            .clone()
            .unwrap_or_else(|| format!("{}@{}", account.user, account.host.to_ascii_lowercase()));
        let mut name = base.clone();
        let mut next = 2;
        while !taken.insert(name.clone()) {
            name = format!("{base}-{next}");
            next += 1;
        }
        if name != base {
            account.name = Some(name);
        }
    }
}

#[cfg(test)]
mod tests;
