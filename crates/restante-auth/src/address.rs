//! What a typed user name or a recipient address means: the one place where names are normalised.
//!
//! Case, domain, `+detail`, Unicode forms and `postmaster` are decided here and nowhere else; the sources pass the names they
//! hold through the same functions, so that what is stored and what is typed meet. Whether the account exists is not known here.

use std::borrow::Cow;

use crate::account::{AccountName, InvalidName};
use crate::prepare;

/// What names and addresses mean on this host.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The domains that are ours, compared without regard to case, each in the form in which addresses spell it (`xn--…` or
    /// not). Empty: any domain is ours.
    pub domains: Vec<String>,
    /// The domain of a name without one, where accounts are named by address. It is ours without being among `domains`.
    pub default_domain: Option<String>,
    /// How accounts are named.
    pub form: NameForm,
    /// What separates `detail` in `local+detail@domain`; the detail is dropped. No account name holds this character.
    pub detail_separator: Option<char>,
    /// Whether `Bob` and `bob` are one account. Domains never have case.
    pub lowercase: bool,
    /// The account that takes mail for `postmaster`, bare or at a domain of ours, where no account of that very name exists.
    pub postmaster: Option<String>,
}

/// How accounts are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameForm {
    /// `local`: the domain of an address is dropped once it is known to be ours.
    Local,
    /// `local@domain`; only `local` where no domain was typed and there is no default domain.
    Address,
}

impl Default for Settings {
    /// Accounts by local part at any domain, in lower case, `+` before a detail.
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            default_domain: None,
            form: NameForm::Local,
            detail_separator: Some('+'),
            lowercase: true,
            postmaster: None,
        }
    }
}

impl Settings {
    /// The account that somebody who types `user` at login means. Normalising a normalised name changes nothing.
    ///
    /// # Errors
    /// `user` cannot be the name of an account here.
    pub fn account_name(&self, user: &[u8]) -> Result<AccountName, InvalidName> {
        let user = std::str::from_utf8(user).map_err(|_| InvalidName::NotUtf8)?;
        // Far above any name that could pass, so that nobody can make us normalise megabytes.
        if user.len() > TYPED_OCTETS_MAX {
            return Err(InvalidName::TooLong);
        }
        let text = self.normalised(user)?;
        // Unicode has corners where a form that was cut or folded is not yet final. Such names are nobody's.
        if !text.is_ascii() && self.normalised(&text)? != text {
            return Err(InvalidName::Character);
        }
        AccountName::new(&text)
    }

    /// The accounts that mail for `address` may be for, the most exact first: the first of them that exists takes it. The
    /// address is `local` or `local@domain` as RCPT has it, the local part quoted or not, without brackets and source route.
    ///
    /// # Errors
    /// The address cannot be that of an account here.
    pub fn recipient(&self, address: &[u8]) -> Result<Vec<AccountName>, InvalidName> {
        let unquoted = unquoted(address)?;
        let name = self.account_name(&unquoted)?;
        let mut names = Vec::with_capacity(1);
        // R5321-4.5.1.1: bare, or at a domain of ours, in any case.
        if name.local().eq_ignore_ascii_case(POSTMASTER) {
            let bare = self.account_name(POSTMASTER.as_bytes())?;
            let here = match name.domain() {
                Some(domain) => AccountName::new(&format!("{POSTMASTER}@{domain}"))?,
                None => bare.clone(),
            };
            let configured =
                self.postmaster.as_deref().map(|name| self.account_name(name.as_bytes())).transpose()?;
            names = vec![name, here];
            names.extend(configured);
            names.push(bare);
            let mut seen = Vec::new();
            names.retain(|name| {
                !seen.contains(name) && {
                    seen.push(name.clone());
                    true
                }
            });
        } else {
            names.push(name);
        }
        Ok(names)
    }

    fn normalised(&self, user: &str) -> Result<String, InvalidName> {
        // R5034-4.17, R6856-2.2.2. Full-width forms of `@`, `/` and `.` become the plain ones here, before anybody looks for them.
        let mapped = prepare::mapped(user).map_err(|_| InvalidName::Character)?;
        let (local, domain) = match mapped.rsplit_once('@') {
            Some((local, domain)) => (local, Some(domain)),
            None => (&*mapped, None),
        };
        let local = self.local(local)?;
        let domain = domain.map(|domain| self.our_domain(domain)).transpose()?;
        match self.form {
            NameForm::Local => Ok(local.into_owned()),
            NameForm::Address => {
                match domain.map_or_else(|| self.default_domain(), |domain| Ok(Some(domain)))? {
                    Some(domain) => Ok(format!("{local}@{domain}")),
                    None => Ok(local.into_owned()),
                }
            }
        }
    }

    fn local<'a>(&self, local: &'a str) -> Result<Cow<'a, str>, InvalidName> {
        let folded = if self.lowercase { folded(local)? } else { Cow::Borrowed(local) };
        let end = self.detail_separator.and_then(|separator| folded.find(separator)).unwrap_or(folded.len());
        let name = match folded {
            Cow::Borrowed(text) => Cow::Borrowed(text.get(..end).unwrap_or(text)),
            Cow::Owned(mut text) => {
                text.truncate(end);
                Cow::Owned(text)
            }
        };
        if name.is_empty() {
            return Err(InvalidName::Empty);
        }
        if name.contains('@') || !prepare::is_bidi_sound(&name) {
            return Err(InvalidName::Character);
        }
        Ok(name)
    }

    fn our_domain(&self, typed: &str) -> Result<String, InvalidName> {
        let domain = domain(typed)?;
        let is = |ours: &String| self::domain(ours).is_ok_and(|ours| ours == domain);
        if self.domains.is_empty() || self.domains.iter().any(is) || self.default_domain.iter().any(is) {
            return Ok(domain);
        }
        Err(InvalidName::ForeignDomain)
    }

    fn default_domain(&self) -> Result<Option<String>, InvalidName> {
        self.default_domain.as_deref().map(domain).transpose()
    }
}

/// A domain as it stands in names of accounts: prepared, in lower case, without the dot of the root.
///
/// # Errors
/// No name of an account can have this domain.
pub fn normalised_domain(typed: &str) -> Result<String, InvalidName> {
    domain(typed)
}

/// A domain in its one form: prepared, in lower case, without the dot of the root. Address literals are no domains of accounts.
fn domain(typed: &str) -> Result<String, InvalidName> {
    let mapped = prepare::mapped(typed).map_err(|_| InvalidName::Character)?;
    let folded = folded(mapped.strip_suffix('.').unwrap_or(&mapped))?;
    if folded.is_empty() {
        return Err(InvalidName::Empty);
    }
    // One dot behind is the root's; more, or two in a row, are a mistake and would not stay the same when normalised again.
    if folded.split('.').any(str::is_empty) {
        return Err(InvalidName::Dots);
    }
    let is_domain_character =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || !c.is_ascii();
    if !folded.chars().all(is_domain_character) || !prepare::is_bidi_sound(&folded) {
        return Err(InvalidName::Character);
    }
    Ok(folded.into_owned())
}

/// Lower case, prepared: folding can undo a normal form and the other way round, so both until nothing changes.
fn folded(text: &str) -> Result<Cow<'_, str>, InvalidName> {
    if text.is_ascii() {
        let is_folded = !text.bytes().any(|c| c.is_ascii_uppercase());
        return Ok(if is_folded { Cow::Borrowed(text) } else { Cow::Owned(text.to_ascii_lowercase()) });
    }
    let mut folded = text.to_owned();
    for _ in 0..FOLDS_MAX {
        let again = prepare::mapped(&folded.to_lowercase()).map_err(|_| InvalidName::Character)?.into_owned();
        if again == folded {
            return Ok(Cow::Owned(folded));
        }
        folded = again;
    }
    Err(InvalidName::Character)
}

/// An address without the quotation marks and backslashes of RFC 5321 section 4.1.2 around its local part.
fn unquoted(address: &[u8]) -> Result<Cow<'_, [u8]>, InvalidName> {
    let Some(quoted) = address.strip_prefix(b"\"") else {
        let is_quoting = |c: &u8| matches!(c, b'"' | b'\\');
        return if address.iter().any(is_quoting) {
            Err(InvalidName::Quoting)
        } else {
            Ok(Cow::Borrowed(address))
        };
    };
    let mut plain = Vec::with_capacity(quoted.len());
    let mut octets = quoted.iter();
    loop {
        match octets.next() {
            Some(b'"') => break,
            Some(b'\\') => plain.push(*octets.next().ok_or(InvalidName::Quoting)?),
            // A second `@` would move the border between local part and domain.
            Some(b'@') => return Err(InvalidName::Character),
            Some(octet) => plain.push(*octet),
            None => return Err(InvalidName::Quoting),
        }
    }
    let rest = octets.as_slice();
    if plain.contains(&b'@') {
        return Err(InvalidName::Character);
    }
    if !rest.is_empty() && (!rest.starts_with(b"@") || rest.contains(&b'"')) {
        return Err(InvalidName::Quoting);
    }
    plain.extend_from_slice(rest);
    Ok(Cow::Owned(plain))
}

const POSTMASTER: &str = "postmaster";

/// A path is 256 octets (RFC 5321 section 4.5.3.1.3), with room for more than UTF-8 and quoting make of it.
const TYPED_OCTETS_MAX: usize = 2048;

const FOLDS_MAX: usize = 4;

#[cfg(test)]
mod tests;
