//! What a typed user name or a recipient address means: the one place where names are normalised.
//!
//! Case, domain, `+detail`, Unicode forms and `postmaster` are decided here and nowhere else; the sources pass the names they
//! hold through the same functions, so that what is stored and what is typed meet. Whether the account exists is not known here.

use crate::account::{AccountName, InvalidName};

/// What names and addresses mean on this host.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The domains that are ours, compared without regard to case. Empty: any domain is.
    pub domains: Vec<String>,
    /// The domain of a name without one, where accounts are named by address.
    pub default_domain: Option<String>,
    /// How accounts are named.
    pub form: NameForm,
    /// What separates `detail` in `local+detail@domain`; the detail is dropped. No account name holds this character.
    pub detail_separator: Option<char>,
    /// Whether `Bob` and `bob` are one account.
    pub lowercase: bool,
    /// The account that takes mail for `postmaster`, bare or at a domain of ours, where no account of that name exists.
    pub postmaster: Option<String>,
}

/// How accounts are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameForm {
    /// `local`: the domain of an address is dropped once it is known to be ours.
    Local,
    /// `local@domain`.
    Address,
}

impl Default for Settings {
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
    /// The account that somebody who types `user` at login means.
    ///
    /// # Errors
    /// `user` cannot be the name of an account here.
    pub fn account_name(&self, user: &[u8]) -> Result<AccountName, InvalidName> {
        AccountName::new(std::str::from_utf8(user).map_err(|_| InvalidName::NotUtf8)?)
    }
}
