//! `restante maildrop list|show`: looks at maildrops without the exclusive-access lock.

use restante_auth::account::Account;
use restante_auth::verify::{Authenticator, Recipient};
use restante_server::assemble;
use restante_server::config::Config;
use restante_store::maildrop::Inspection;
use serde::Serialize;

use super::configuration;
use crate::clock;
use crate::exit::{self, Code, Failure};
use crate::flags::{AccountName, ConfigFile, MaildropCommand};
use crate::terminal::{self, Column, Table};

/// Runs one of the `maildrop` commands.
pub(crate) fn run(command: &MaildropCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(Code::Temporary, format!("cannot start a runtime: {error}")))?;
    match command {
        MaildropCommand::List { file, json } => runtime.block_on(list(file, json.json)),
        MaildropCommand::Show { name, file, json } => runtime.block_on(show(name, file, json.json)),
    }
}

/// Every account with what is in its maildrop. A maildrop that cannot be read is shown as such and the others are
/// listed all the same; the exit status tells.
async fn list(file: &ConfigFile, as_json: bool) -> Result<(), Failure> {
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

/// The messages of one maildrop as a session would be shown them now.
async fn show(name: &AccountName, file: &ConfigFile, as_json: bool) -> Result<(), Failure> {
    let config = configuration::load(file)?;
    let account = match authenticator(&config)?.recipient(name.name.as_bytes(), clock::now()).await {
        Recipient::Account(account) => account,
        Recipient::Unknown => {
            return Err(Failure::new(Code::NoUser, format!("there is no account '{}'", name.name))
                .remedy("see 'restante maildrop list'"));
        }
        Recipient::Unavailable(error) => return Err(unavailable(&error)),
    };
    let inspection = inspect(&config, &account)
        .await
        .map_err(|what| Failure::new(Code::Io, format!("{}: {what}", account.name)))?;
    for warning in inspection.warnings() {
        terminal::complain(&format!("warning: {}: {warning}", account.name));
    }
    let messages = messages(&inspection);
    if as_json {
        return terminal::print_json(&messages);
    }
    let mut table =
        Table::new(vec![Column::number("NUMBER"), Column::number("OCTETS"), Column::text("UNIQUE-ID")]);
    for message in &messages {
        table.push(vec![message.number.to_string(), message.octets.to_string(), message.unique_id.clone()]);
    }
    let count = count(messages.len() as u64, inspection.listing().total().as_u64());
    let table = if messages.is_empty() { String::new() } else { table.render() };
    terminal::print(&format!("{table}{}: {count}\n", terminal::visible(account.name.as_str())))
}

fn authenticator(config: &Config) -> Result<Authenticator, Failure> {
    assemble::authenticator(config, None, None).map_err(|error| unavailable(&error))
}

fn unavailable(error: &restante_auth::directory::SourceError) -> Failure {
    let code = if error.is_temporary() { Code::Temporary } else { Code::Config };
    Failure::new(code, exit::chain(error))
}

/// Reads a maildrop, or says why not.
async fn inspect(config: &Config, account: &Account) -> Result<Inspection, String> {
    let location = assemble::location(config, account).map_err(|error| error.to_string())?;
    assemble::store(config).inspect(&location, clock::wall()).await.map_err(|error| exit::chain(&error))
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

fn count(messages: u64, octets: u64) -> String {
    let plural = if messages == 1 { "" } else { "s" };
    format!("{messages} message{plural}, {octets} octets")
}

fn messages(inspection: &Inspection) -> Vec<Message> {
    let listing = inspection.listing();
    let message = |index: usize| {
        Some(Message {
            number: index + 1,
            octets: listing.octets(index)?.as_u64(),
            unique_id: String::from_utf8_lossy(listing.unique_id(index)?).into_owned(),
        })
    };
    (0..listing.len()).filter_map(message).collect()
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

/// A message for programs.
#[derive(Serialize)]
struct Message {
    number: usize,
    octets: u64,
    unique_id: String,
}
