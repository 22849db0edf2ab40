//! `restante maildrop list`: every account with what is in its maildrop.

use restante_auth::account::Account;
use restante_store::maildrop::Inspection;
use serde::Serialize;

use super::super::configuration;
use super::{authenticator, inspect, unavailable};
use crate::clock;
use crate::exit::{Code, Failure};
use crate::flags::ConfigFile;
use crate::terminal::{self, Column, Table};

/// Every account with what is in its maildrop. A maildrop that cannot be read is shown as such and the others are
/// listed all the same; the exit status tells.
pub(super) async fn run(file: &ConfigFile, as_json: bool) -> Result<(), Failure> {
    let config = configuration::load(file)?;
    let authenticator = authenticator(&config)?;
    let accounts = authenticator.accounts(clock::now()).await.map_err(|error| unavailable(&error))?;
    let mut entries = Vec::with_capacity(accounts.len());
    for account in &accounts {
        entries.push(Entry::new(account, inspect(&config, account).await));
    }
    if as_json {
        terminal::print_json(&entries)?;
    } else if entries.is_empty() {
        terminal::print("no accounts\n")?;
    } else {
        terminal::print(&table(&entries))?;
    }
    match entries.iter().any(|entry| entry.error.is_some()) {
        true => Err(Failure::new(Code::Io, "not every maildrop could be read")
            .remedy("see the lines with an error above")),
        false => Ok(()),
    }
}

fn table(entries: &[Entry<'_>]) -> String {
    let mut table = Table::new(vec![
        Column::number("MESSAGES"),
        Column::number("OCTETS"),
        Column::text("ACCOUNT"),
        Column::text("ERROR"),
    ]);
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    for entry in entries {
        table.push(vec![
            number(entry.messages),
            number(entry.octets),
            entry.account.to_owned(),
            entry.error.clone().unwrap_or_default(),
        ]);
    }
    table.render()
}

/// A maildrop for programs: either counts or an error.
#[derive(Serialize)]
struct Entry<'a> {
    account: &'a str,
    messages: Option<u64>,
    octets: Option<u64>,
    error: Option<String>,
}

impl<'a> Entry<'a> {
    fn new(account: &'a Account, outcome: Result<Inspection, String>) -> Self {
        let account = account.name.as_str();
        match outcome {
            Ok(inspection) => {
                let listing = inspection.listing();
                let (messages, octets) = (listing.len() as u64, listing.total().as_u64());
                Self { account, messages: Some(messages), octets: Some(octets), error: None }
            }
            Err(error) => Self { account, messages: None, octets: None, error: Some(error) },
        }
    }
}
