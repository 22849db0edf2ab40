//! Names that lead to accounts, for mail alone: which entry holds one, and which of its attributes names the account.
//!
//! The same search serves both customs: the account's own entry with its other names in an attribute of many values, and an entry for
//! each alias that says where its mail goes.

use std::time::Instant;

use restante_auth::account::AccountName;
use restante_auth::address;
use restante_auth::directory::{Alias, Problem};

use super::connection::Failure;
use super::template::{Names, Template};
use super::{Inner, Query, Scope, is_plain};

/// How the account of an alias is found.
#[derive(Clone, Debug)]
pub struct Aliases {
    /// Below which entry. Placeholders are escaped for names of entries.
    pub base: Template,
    /// How far below.
    pub scope: Scope,
    /// What the entry must be like. Placeholders are escaped for filters; `{account}` is the alias as it was asked for, or `@` and a
    /// domain for what is for no other name of it.
    pub filter: Template,
    /// The attribute of the entry that names the account.
    pub attribute: String,
    /// What the names of accounts are there.
    pub addresses: address::Settings,
}

impl Aliases {
    /// What is searched for; `None` where there can be no entry. One that takes the whole of a domain has no local part, and a filter
    /// that wants one is not asked for it: with nothing in that place it might match everybody.
    pub(super) fn query(&self, alias: Alias<'_>) -> Option<Query> {
        let whole;
        let names = match alias {
            Alias::Name(name) => Names::from(name),
            Alias::Domain(domain) => {
                whole = format!("@{domain}");
                Names { account: &whole, local: None, domain: Some(domain) }
            }
        };
        if !is_plain(&names) {
            return None;
        }
        Some(Query {
            base: self.base.name(names)?,
            scope: self.scope.into(),
            filter: self.filter.filter(names)?,
            may_be_absent: self.base.has_placeholders(),
            of: "alias",
        })
    }
}

impl Inner {
    /// The account that an alias leads to.
    pub(super) async fn aliased(
        &self,
        aliases: &Aliases,
        alias: Alias<'_>,
        now: Instant,
    ) -> Result<Option<AccountName>, Failure> {
        let Some(query) = aliases.query(alias) else { return Ok(None) };
        let _place = self.pool.place().await;
        let attributes = [aliases.attribute.clone()];
        let Some(found) = self.pool.search(&query, &attributes, now).await? else { return Ok(None) };
        let wrong = |what: String, remedy: &str| Failure::Permanent(Problem::new(what, remedy));
        // To take this for no alias would send mail back for as long as a right to read is missing.
        let account = found.value(&aliases.attribute, false)?.ok_or_else(|| {
            let what = format!("the entry {:?} is an alias and has no {}", found.dn, aliases.attribute);
            wrong(
                what,
                "give it one, give the service account the right to read it, or correct alias_account",
            )
        })?;
        let name = aliases.addresses.account_name(account.as_bytes()).map_err(|why| {
            let what = format!("the entry {:?} leads mail to {account:?}: {why}", found.dn);
            wrong(what, "let alias_account be an attribute with the name of an account here")
        });
        name.map(Some)
    }
}
