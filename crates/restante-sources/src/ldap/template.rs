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
    pub(super) fn has_placeholders(&self) -> bool {
        self.pieces.iter().any(|piece| !matches!(piece, Piece::Text(_)))
    }

    /// The name of an entry for this account, escaped by RFC 4514; `None` when a domain is wanted and there is none.
    pub(super) fn name(&self, name: &AccountName) -> Option<String> {
        self.render(|piece| value(piece, name), ldap3::dn_escape)
    }

    /// The filter for this account, escaped by RFC 4515; `None` when a domain is wanted and there is none.
    pub(super) fn filter(&self, name: &AccountName) -> Option<String> {
        self.render(|piece| value(piece, name), ldap3::ldap_escape)
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

fn value<'a>(piece: &Piece, name: &'a AccountName) -> Option<&'a str> {
    match piece {
        Piece::Text(_) => None,
        Piece::Account => Some(name.as_str()),
        Piece::Local => Some(name.local()),
        Piece::Domain => name.domain(),
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
