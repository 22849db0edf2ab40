//! Paths: the addresses in MAIL and RCPT, cut out of a command line and checked, and written back.
//!
//! What an address means (which account, which detail) is not decided here. Called by `command` alone to parse;
//! drivers read the parts and write the `Display` form into trace headers.

use alloc::string::String;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

/// One mailbox: a local part and, unless the client left it out, a domain.
///
/// The local part is held without its quoting, so that all spellings of one name are equal (RFC 5321 4.1.2); its
/// case is kept (R5321-2.4.1). Both parts are free of control characters; they hold other characters than ASCII only
/// as far as the client wrote them, see [`Mailbox::is_ascii`].
///
/// Two things are taken that RFC 5321 does not allow, because the mail was accepted by another host before it came
/// here and refusing it would bounce it: a local part with dots in odd places, and a domain label with an underscore.
/// A mailbox without a domain is taken as well: a queue manager on the same host knows local names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mailbox {
    local: String,
    domain: Option<String>,
}

impl Mailbox {
    /// A mailbox from its parts, `local` without quoting. `None` when a part is empty, too long
    /// ([`LOCAL_OCTETS_MAX`], [`DOMAIN_OCTETS_MAX`]) or holds what no mailbox may hold.
    pub fn new(local: &str, domain: Option<&str>) -> Option<Self> {
        let is_local = !local.is_empty()
            && local.len() <= LOCAL_OCTETS_MAX
            && !local.bytes().any(|octet| octet.is_ascii_control());
        let is_domain = domain.is_none_or(|domain| is_domain(domain) || is_address_literal(domain));
        (is_local && is_domain).then(|| Self { local: local.into(), domain: domain.map(String::from) })
    }

    /// The local part without quoting, case kept. Never empty, at most [`LOCAL_OCTETS_MAX`] octets.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain or the address literal with its brackets, as written.
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// Whether both parts are ASCII, so that they may be used without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii() && self.domain.as_deref().is_none_or(str::is_ascii)
    }

    /// Whether the local part is `postmaster` in any case (R5321-4.5.1.1).
    pub fn is_postmaster(&self) -> bool {
        self.local.eq_ignore_ascii_case("postmaster")
    }

    /// `local@domain` without quoting, or just `local`: the form a directory of accounts is asked with. The local
    /// part may hold an `@` of its own, so the domain begins after the last one.
    pub fn address(&self) -> String {
        match &self.domain {
            Some(domain) => alloc::format!("{}@{domain}", self.local),
            None => self.local.clone(),
        }
    }
}

impl fmt::Display for Mailbox {
    /// The form of the wire and of header fields: quoted only where the grammar needs it (RFC 5321 4.1.2).
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local) {
            out.write_str(&self.local)?;
        } else {
            out.write_str("\"")?;
            for character in self.local.chars() {
                if matches!(character, '"' | '\\') {
                    out.write_str("\\")?;
                }
                fmt::Write::write_char(out, character)?;
            }
            out.write_str("\"")?;
        }
        match &self.domain {
            Some(domain) => write!(out, "@{domain}"),
            None => Ok(()),
        }
    }
}

/// The sender in MAIL: a mailbox, or the null path of notifications.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: nobody may be notified.
    Null,
    /// Where notifications go.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// The sender's mailbox, if there is one.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }

    /// Cuts a reverse-path off the front of `text`; the rest is returned with it.
    pub(super) fn cut(text: &str) -> Result<(Self, &str), InvalidPath> {
        let (mailbox, rest) = cut(text)?;
        Ok((mailbox.map_or(Self::Null, Self::Mailbox), rest))
    }
}

impl fmt::Display for ReversePath {
    /// With its angle brackets, as in MAIL and in Return-Path.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("<>"),
            Self::Mailbox(mailbox) => write!(out, "<{mailbox}>"),
        }
    }
}

/// The recipient in RCPT: always a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ForwardPath(Mailbox);

impl ForwardPath {
    /// The path to `mailbox`.
    pub fn new(mailbox: Mailbox) -> Self {
        Self(mailbox)
    }

    /// The recipient's mailbox.
    pub fn mailbox(&self) -> &Mailbox {
        &self.0
    }

    /// Cuts a forward-path off the front of `text`; the rest is returned with it.
    pub(super) fn cut(text: &str) -> Result<(Self, &str), InvalidPath> {
        let (mailbox, rest) = cut(text)?;
        Ok((Self(mailbox.ok_or(InvalidPath)?), rest))
    }
}

impl fmt::Display for ForwardPath {
    /// With its angle brackets, as in RCPT.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "<{}>", self.0)
    }
}

/// The text is no path. What exactly is wrong with it is not said to the peer either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidPath;

/// `"<" [source-route ":"] [mailbox] ">"`: the mailbox, or `None` for `<>`, and what follows the bracket.
fn cut(text: &str) -> Result<(Option<Mailbox>, &str), InvalidPath> {
    let inner = text.strip_prefix('<').ok_or(InvalidPath)?;
    if let Some(rest) = inner.strip_prefix('>') {
        return Ok((None, rest));
    }
    let inner = skip_source_route(inner)?;
    let (local, rest) = match inner.strip_prefix('"') {
        Some(quoted) => cut_quoted_string(quoted)?,
        None => {
            let end = inner.find(|c: char| !is_atext(c) && c != '.').unwrap_or(inner.len());
            let (local, rest) = inner.split_at(end);
            (String::from(local), rest)
        }
    };
    let (domain, rest) = match rest.strip_prefix('@') {
        Some(rest) => {
            let (domain, rest) = cut_domain(rest)?;
            (Some(domain), rest)
        }
        None => (None, rest),
    };
    let rest = rest.strip_prefix('>').ok_or(InvalidPath)?;
    let mailbox = Mailbox::new(&local, domain).ok_or(InvalidPath)?;
    Ok((Some(mailbox), rest))
}

/// Recognizes `@a,@b:` and leaves it behind: source routes are ignored.
fn skip_source_route(text: &str) -> Result<&str, InvalidPath> {
    // R5321-4.1.1.3.1
    let mut rest = text;
    while let Some(domain) = rest.strip_prefix('@') {
        let (_, after) = cut_domain(domain)?;
        match after.strip_prefix(',') {
            // A comma promises another domain.
            Some(next) if next.starts_with('@') => rest = next,
            _ => return after.strip_prefix(':').ok_or(InvalidPath),
        }
    }
    Ok(rest)
}

/// The domain or address literal at the front of `text`. Whether it is a good one is for [`Mailbox::new`] to say;
/// for a source route this is check enough.
fn cut_domain(text: &str) -> Result<(&str, &str), InvalidPath> {
    let end =
        if text.starts_with('[') { text.find(']').map(|at| at + 1) } else { text.find(['>', ',', ':', '@']) };
    let (domain, rest) = text.split_at_checked(end.ok_or(InvalidPath)?).ok_or(InvalidPath)?;
    if is_domain(domain) || is_address_literal(domain) { Ok((domain, rest)) } else { Err(InvalidPath) }
}

/// The content of a quoted string whose opening quote is already gone, unquoted, and what follows its closing quote.
fn cut_quoted_string(text: &str) -> Result<(String, &str), InvalidPath> {
    let mut content = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next() {
            Some('"') => return Ok((content, characters.as_str())),
            Some('\\') => match characters.next() {
                // quoted-pairSMTP: a graphic character of ASCII or a space.
                Some(character @ ' '..='~') => content.push(character),
                _ => return Err(InvalidPath),
            },
            Some(character) if !character.is_ascii_control() => content.push(character),
            _ => return Err(InvalidPath),
        }
    }
}

/// atext of RFC 5322 3.2.3, and any character beyond ASCII (RFC 6531 3.3, R6531-3.2.1).
fn is_atext(character: char) -> bool {
    character.is_ascii_alphanumeric() || !character.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(character)
}

/// Whether `local` needs no quotes: atoms joined by single dots.
fn is_dot_string(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// Labels of letters, digits, hyphens and underscores, or of characters beyond ASCII (RFC 6531 3.3).
fn is_domain(domain: &str) -> bool {
    domain.len() <= DOMAIN_OCTETS_MAX
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= LABEL_OCTETS_MAX
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_' || !c.is_ascii())
        })
}

/// `[192.0.2.1]`, `[IPv6:2001:db8::1]` or `[tag:text]` (RFC 5321 4.1.3).
fn is_address_literal(domain: &str) -> bool {
    let Some(inner) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return false;
    };
    if inner.len() > DOMAIN_OCTETS_MAX {
        return false;
    }
    match inner.split_once(':') {
        None => inner.parse::<Ipv4Addr>().is_ok(),
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => address.parse::<Ipv6Addr>().is_ok(),
        Some((tag, text)) => {
            !tag.is_empty()
                && !tag.ends_with('-')
                && tag.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
                && !text.is_empty()
                && text.bytes().all(|octet| matches!(octet, 33..=90 | 94..=126))
        }
    }
}

/// The longest local part, in octets without quoting. RFC 5321 asks for at least 64 (R5321-4.5.3.1.1); return paths
/// with a coded recipient in them are commonly longer, and refusing those would bounce mail.
pub const LOCAL_OCTETS_MAX: usize = 256;

/// The longest domain, in octets: what RFC 5321 asks for, and what the DNS can hold.
pub const DOMAIN_OCTETS_MAX: usize = 255;

/// The longest label of a domain in octets. The DNS has 63, in its ASCII form; a label in UTF-8 may be longer.
const LABEL_OCTETS_MAX: usize = 252;

#[cfg(test)]
mod tests;
