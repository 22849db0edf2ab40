//! All accounts of a directory, for whoever goes through them: page by page (RFC 2696), over a connection of its own.
//!
//! Logins do not wait behind a list: it takes none of their places. One is made at a time. A list that is cut short by a limit of the
//! server is an error and never taken for the whole.

use std::time::{Duration, Instant};

use restante_auth::account::{Account, AccountName};
use restante_auth::address;
use restante_auth::directory::Problem;
use restante_auth::settings::Given;

use super::Inner;
use super::connection::Failure;
use super::found::Found;

/// How all accounts are found.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Below which entry, as far as `scope` says.
    pub base: String,
    /// How far below.
    pub scope: super::Scope,
    /// What the entry of an account is like, whoever's it is.
    pub filter: String,
    /// The attribute of the entry that names the account. Each of its values names one.
    pub attribute: String,
    /// What the names of accounts are there.
    pub addresses: address::Settings,
}

/// How much of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Everything.
    Whole,
    /// One entry, to see whether there would be more.
    Sample,
}

impl Inner {
    /// The accounts, in the order of the server. Each page has the time of one answer.
    pub(super) async fn all(
        &self,
        listing: &Listing,
        extent: Extent,
        now: Instant,
    ) -> Result<Vec<Account>, Failure> {
        let _one = self.listing.lock().await;
        let fields: Vec<_> = self.fields.iter().filter(|(field, _)| *field != "password").cloned().collect();
        let mut attributes: Vec<String> = fields.iter().map(|(_, attribute)| attribute.clone()).collect();
        attributes.push(listing.attribute.clone());
        let size = if extent == Extent::Whole { PAGE_ENTRIES } else { 1 };
        let mut connection = self.in_time(self.pool.open_for_searches(now)).await?;
        let (mut accounts, mut cookie) = (Vec::new(), Vec::new());
        for _ in 0..PAGES_MAX {
            let page = self.in_time(connection.page(listing, &attributes, size, cookie)).await?;
            for found in &page.entries {
                self.add(listing, found, &fields, &mut accounts)?;
            }
            if page.cookie.is_empty() || extent == Extent::Sample {
                return Ok(accounts);
            }
            if accounts.len() > ACCOUNTS_MAX {
                break;
            }
            cookie = page.cookie;
        }
        Err(Failure::Permanent(Problem::new(
            format!("the list of accounts has no end: {} so far", accounts.len()),
            "make list_filter match the entries of accounts alone",
        )))
    }

    /// Adds the accounts that one entry has.
    fn add(
        &self,
        listing: &Listing,
        found: &Found,
        fields: &[(&'static str, String)],
        accounts: &mut Vec<Account>,
    ) -> Result<(), Failure> {
        let names = found.values(&listing.attribute)?;
        if names.is_empty() {
            // To pass over it would hide accounts for as long as a right to read is missing.
            return Err(Failure::Permanent(Problem::new(
                format!("the entry {:?} is listed and has no {}", found.dn, listing.attribute),
                format!(
                    "let list_filter ask for it, as in (&(objectClass=person)({}=*)), give whoever searches the right to read it, or \
                     correct list_account",
                    listing.attribute
                ),
            )));
        }
        let fields = found.fields(fields)?;
        for name in names {
            let name = named(listing, found, name)?;
            let fields = fields.iter().map(|(field, value)| (*field, value.as_str()));
            accounts.push(Given::read(name, fields, self.scheme).map_err(Failure::Permanent)?.account);
        }
        Ok(())
    }

    /// The time of one answer.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::time::timeout(self.timeout, answer).await.unwrap_or_else(|_| {
            Err(Failure::lost(format!("no answer within {} s", self.timeout.as_secs_f32())))
        })
    }
}

fn named(listing: &Listing, found: &Found, name: &str) -> Result<AccountName, Failure> {
    listing.addresses.account_name(name.as_bytes()).map_err(|why| {
        Failure::Permanent(Problem::new(
            format!("the entry {:?} is listed with the account {name:?}: {why}", found.dn),
            "leave it out by list_filter, or let list_account be an attribute with the names of accounts",
        ))
    })
}

/// Entries of one page: far from what one answer may have (a MiB), and below what servers allow for a page.
const PAGE_ENTRIES: i32 = 250;

/// No site has more.
const ACCOUNTS_MAX: usize = 10_000_000;

/// Pages may be empty, so they have a bound of their own.
const PAGES_MAX: usize = 100_000;

/// The longest that a whole list may take, with the wait for another one.
pub(super) const WHOLE_MAX: Duration = Duration::from_secs(600);
