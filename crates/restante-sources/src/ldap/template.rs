//! Texts with `{account}`, `{local}` and `{domain}` in them, and how these are escaped where they are put.
//!
//! The only place where the name of an account becomes part of a filter or of the name of an entry.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use restante_auth::account::AccountName;

/// A text with placeholders.
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
}

impl Template {
    /// A name of an entry, with or without placeholders.
    ///
    /// # Errors
    /// A placeholder that there is none of, or nothing at all.
    pub fn of_name(text: &str) -> Result<Self, InvalidTemplate> {
        if text.trim().is_empty() {
            return Err(InvalidTemplate::Empty);
        }
        Self::parse(text)
    }

    /// A filter (RFC 4515), with or without placeholders.
    ///
    /// # Errors
    /// A placeholder that there is none of, or a text that is no filter.
    pub fn of_filter(text: &str) -> Result<Self, InvalidTemplate> {
        let template = Self::parse(text)?;
        let sample = template.render(|_| Some("x"), |value| value.into());
        match sample.is_some_and(|sample| ldap3::parse_filter(sample).is_ok()) {
            true => Ok(template),
            false => Err(InvalidTemplate::Filter),
        }
    }

    fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (word, after) = behind.split_once('}').ok_or(InvalidTemplate::Placeholder)?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(match word {
                "account" => Piece::Account,
                "local" => Piece::Local,
                "domain" => Piece::Domain,
                _ => return Err(InvalidTemplate::Placeholder),
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self { pieces })
    }

    /// Whether what comes out depends on the account.
    pub fn has_placeholders(&self) -> bool {
        self.pieces.iter().any(|piece| !matches!(piece, Piece::Text(_)))
    }

    /// The text, if it is the same for every account.
    pub fn constant(&self) -> Option<String> {
        self.render(|_| None, Cow::Borrowed)
    }

    /// The name of an entry for these names, escaped by RFC 4514; `None` when one is wanted that is not there.
    pub(super) fn name<'a>(&self, names: impl Into<Names<'a>>) -> Option<String> {
        let names = names.into();
        self.render(|piece| names.value(piece), ldap3::dn_escape)
    }

    /// The filter for these names, escaped by RFC 4515; `None` when one is wanted that is not there.
    pub(super) fn filter<'a>(&self, names: impl Into<Names<'a>>) -> Option<String> {
        let names = names.into();
        self.render(|piece| names.value(piece), ldap3::ldap_escape)
    }

    fn render<'a>(
        &self,
        value: impl Fn(&Piece) -> Option<&'a str>,
        escape: impl Fn(&'a str) -> Cow<'a, str>,
    ) -> Option<String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                placeholder => text.push_str(&escape(value(placeholder)?)),
            }
        }
        Some(text)
    }
}

/// What is put in the place of placeholders.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    pub(super) account: &'a str,
    pub(super) local: Option<&'a str>,
    pub(super) domain: Option<&'a str>,
}

impl<'a> From<&'a AccountName> for Names<'a> {
    fn from(name: &'a AccountName) -> Self {
        Self { account: name.as_str(), local: Some(name.local()), domain: name.domain() }
    }
}

impl<'a> Names<'a> {
    fn value(&self, piece: &Piece) -> Option<&'a str> {
        match piece {
            Piece::Text(_) => None,
            Piece::Account => Some(self.account),
            Piece::Local => self.local,
            Piece::Domain => self.domain,
        }
    }
}

/// Why a text is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidTemplate {
    /// There is nothing in it.
    Empty,
    /// A brace that is not part of a placeholder.
    Placeholder,
    /// It is no filter.
    Filter,
}

impl fmt::Display for InvalidTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the name of an entry is empty",
            Self::Placeholder => {
                "a brace that begins no placeholder; there are {account}, {local} and {domain}"
            }
            Self::Filter => {
                "this is no filter of LDAP (RFC 4515), such as (&(objectClass=person)(mail={account}))"
            }
        })
    }
}

impl Error for InvalidTemplate {}
