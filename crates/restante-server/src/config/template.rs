//! `Template`: the path of a maildrop with places for parts of the account's name.

use restante_auth::account::Account;
use restante_config::value::{Fault, Value, quote};
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::de::DeValue;

/// A path in which `{account}`, `{local}`, `{domain}` and `{home}` are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Account,
    Local,
    Domain,
    Home,
}

impl Default for Template {
    fn default() -> Self {
        Self { pieces: vec![Piece::Text("/var/mail/".to_owned()), Piece::Account] }
    }
}

impl Template {
    /// The path for one account. Nothing in an account's name can leave the path's folder: `AccountName` sees to that.
    ///
    /// # Errors
    /// The template asks for a domain or a home that this account does not have.
    pub fn render(&self, account: &Account) -> Result<PathBuf, TemplateError> {
        let mut path = String::with_capacity(64);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => path.push_str(text),
                Piece::Account => path.push_str(account.name.as_str()),
                Piece::Local => path.push_str(account.name.local()),
                Piece::Domain => path.push_str(account.name.domain().ok_or(TemplateError::NoDomain)?),
                Piece::Home => {
                    let home = account.home.as_deref().ok_or(TemplateError::NoHome)?;
                    path.push_str(home.to_str().ok_or(TemplateError::NoHome)?);
                }
            }
        }
        Ok(PathBuf::from(path))
    }

    /// The folder that all maildrops lie below: what stands before the first place, up to its last slash. Homes can
    /// lie anywhere.
    pub(crate) fn root(&self) -> PathBuf {
        match self.pieces.first() {
            Some(Piece::Text(text)) => {
                let (folder, _) = text.rsplit_once('/').unwrap_or(("", ""));
                PathBuf::from(format!("{folder}/"))
            }
            _ => PathBuf::from("/"),
        }
    }

    /// Makes a relative template start at `folder`.
    pub(super) fn start_at(&mut self, folder: &Path) {
        let is_absolute = match self.pieces.first() {
            Some(Piece::Text(text)) => text.starts_with('/'),
            Some(Piece::Home) => true,
            _ => false,
        };
        if !is_absolute {
            let folder = folder.join("");
            let folder = folder.to_string_lossy();
            // As it would be read when it is written so: two configurations that mean the same are equal.
            match self.pieces.first_mut() {
                Some(Piece::Text(text)) => text.insert_str(0, &folder),
                _ => self.pieces.insert(0, Piece::Text(folder.into_owned())),
            }
        }
    }

    /// Do two accounts always have two paths? Without a name in it, all share one maildrop.
    pub(super) fn names_the_account(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Account | Piece::Local | Piece::Home))
    }

    /// Does it name only the local part, so that accounts of several domains meet in one maildrop?
    pub(super) fn forgets_the_domain(&self) -> bool {
        !self.pieces.iter().any(|piece| matches!(piece, Piece::Account | Piece::Domain | Piece::Home))
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        let remedy = "known here: {account}, {local}, {domain}, {home}";
        if text.is_empty() || text.contains('\0') {
            return Err(Fault::new("this is no path", remedy));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let Some((name, after)) = behind.split_once('}') else {
                return Err(Fault::new("a { is not closed by a }", remedy));
            };
            pieces.push(match name {
                "account" => Piece::Account,
                "local" => Piece::Local,
                "domain" => Piece::Domain,
                "home" => Piece::Home,
                other => return Err(Fault::new(format!("{{{other}}} is not known"), remedy)),
            });
            rest = after;
        }
        if rest.contains('}') {
            return Err(Fault::new("a } has no { before it", remedy));
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        if pieces.iter().skip(1).any(|piece| *piece == Piece::Home) {
            return Err(Fault::new(
                "{home} is not at the beginning",
                "a home is an absolute path: begin with {home}",
            ));
        }
        Ok(Self { pieces })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Account => f.write_str("{account}"),
            Piece::Local => f.write_str("{local}"),
            Piece::Domain => f.write_str("{domain}"),
            Piece::Home => f.write_str("{home}"),
        })
    }
}

impl Value for Template {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        Self::parse(&String::read(written)?)
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.to_string()))
    }
}

/// Why an account has no maildrop path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// `{domain}` is in the template, and the account is named without one.
    NoDomain,
    /// `{home}` is in the template, and the account's source gives none.
    NoHome,
    /// The path is not below `maildrop.path` or one of `maildrop.roots`, where the walls of the server are open.
    Outside,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoDomain => "the path of maildrops needs {domain}, but the account has none",
            Self::NoHome => "the path of maildrops needs {home}, but the account's source gives none",
            Self::Outside => "the account's maildrop is outside of the folder of maildrop.path; add its folder to maildrop.roots",
        })
    }
}

impl Error for TemplateError {}
