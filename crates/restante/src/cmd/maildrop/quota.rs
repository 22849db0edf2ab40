//! `restante maildrop quota`: how full maildrops are, and whether the totals that deliveries go by are right.

use restante_auth::account::Account;
use restante_server::assemble;
use restante_server::config::Config;
use restante_store::quota::{Audit, Limits, Recorded};
use serde::Serialize;

use super::super::configuration;
use super::accounts;
use crate::clock;
use crate::exit::{self, Code, Failure};
use crate::flags::{Accounts, ConfigFile};
use crate::terminal::{self, Column, Table};

/// What to do beside looking, and how to say it.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// Replace totals that are not right.
    pub(super) repair: bool,
    /// For programs.
    pub(super) as_json: bool,
}

/// Shows each account's usage. A maildrop that cannot be read is shown as such and the others all the same; the exit
/// status tells.
pub(super) async fn run(which: &Accounts, file: &ConfigFile, form: Form) -> Result<(), Failure> {
    let config = configuration::load(file)?;
    let accounts = accounts(&config, which).await?;
    let mut entries = Vec::with_capacity(accounts.len());
    for account in &accounts {
        let limits = assemble::limits(&config, account);
        entries.push(Entry::new(account, limits, audit(&config, account, limits, form).await));
    }
    if form.as_json {
        terminal::print_json(&entries)?;
    } else if entries.is_empty() {
        terminal::print("no accounts\n")?;
    } else {
        terminal::print(&table(&entries))?;
    }
    match entries.iter().any(|entry| entry.error.is_some()) {
        true => Err(Failure::new(Code::Io, "not every maildrop could be counted")
            .remedy("see the lines with an error above")),
        false => Ok(()),
    }
}

async fn audit(config: &Config, account: &Account, limits: Limits, form: Form) -> Result<Audit, String> {
    let location = assemble::location(config, account).map_err(|error| error.to_string())?;
    let (store, now) = (super::store(config, account), clock::wall());
    let audit = if form.repair {
        store.recount(&location, limits, now).await
    } else {
        store.audit(&location, limits, now).await
    };
    audit.map_err(|error| exit::chain(&error))
}

fn table(entries: &[Entry<'_>]) -> String {
    let mut table = Table::new(vec![
        Column::number("OCTETS"),
        Column::number("OF"),
        Column::number("MESSAGES"),
        Column::number("OF"),
        Column::number("FULL"),
        Column::text("STATE"),
        Column::text("ACCOUNT"),
        Column::text("ERROR"),
    ]);
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    for entry in entries {
        table.push(vec![
            number(entry.octets),
            number(entry.octets_max),
            number(entry.messages),
            number(entry.messages_max),
            entry.percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent}%")),
            entry.state.unwrap_or("-").to_owned(),
            entry.account.to_owned(),
            entry.error.clone().unwrap_or_default(),
        ]);
    }
    table.render()
}

/// A maildrop for programs: either figures or an error.
#[derive(Serialize)]
struct Entry<'a> {
    account: &'a str,
    /// Octets of the files as stored, and messages.
    octets: Option<u64>,
    messages: Option<u64>,
    /// The limits; null for none.
    octets_max: Option<u64>,
    messages_max: Option<u64>,
    /// How much of the limit is taken up, of the two the one that is nearer; rounded down. Null without a limit.
    percent: Option<u64>,
    /// `right`, `drifted`, `mended`, or `none` when nothing is written down under these limits.
    state: Option<&'static str>,
    error: Option<String>,
}

impl<'a> Entry<'a> {
    fn new(account: &'a Account, limits: Limits, outcome: Result<Audit, String>) -> Self {
        let (audit, error) = match outcome {
            Ok(audit) => (Some(audit), None),
            Err(error) => (None, Some(error)),
        };
        Self {
            account: account.name.as_str(),
            octets: audit.map(|audit| audit.usage.octets),
            messages: audit.map(|audit| audit.usage.messages),
            octets_max: limits.octets,
            messages_max: limits.messages,
            percent: audit.and_then(|audit| percent(&audit, limits)),
            state: audit.map(|audit| state(&audit)),
            error,
        }
    }
}

fn state(audit: &Audit) -> &'static str {
    match audit.recorded {
        _ if audit.is_mended => "mended",
        Recorded::Nothing | Recorded::OtherLimits => "none",
        _ if audit.has_drifted() => "drifted",
        _ => "right",
    }
}

fn percent(audit: &Audit, limits: Limits) -> Option<u64> {
    let share = |part: u64, whole: Option<u64>| {
        let share = u128::from(part) * 100 / u128::from(whole?.max(1));
        Some(u64::try_from(share).unwrap_or(u64::MAX))
    };
    share(audit.usage.octets, limits.octets).max(share(audit.usage.messages, limits.messages))
}
