//! `restante maildrop show`: the messages of one maildrop.

use restante_store::maildrop::Inspection;
use serde::Serialize;

use super::super::configuration;
use super::{count, inspect};
use crate::exit::{Code, Failure};
use crate::flags::{AccountName, ConfigFile};
use crate::terminal::{self, Column, Table};

/// The messages of one maildrop as a session would be shown them now.
pub(super) async fn run(name: &AccountName, file: &ConfigFile, as_json: bool) -> Result<(), Failure> {
    let config = configuration::load(file)?;
    let account = super::account(&config, &name.name).await?;
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

fn messages(inspection: &Inspection) -> Vec<Message> {
    let listing = inspection.listing();
    let message = |index: usize| {
        Some(Message {
            number: index + 1,
            octets: listing.octets(index)?.as_u64(),
            unique_id: listing.unique_id(index)?.as_str().to_owned(),
        })
    };
    (0..listing.len()).filter_map(message).collect()
}

/// A message for programs.
#[derive(Serialize)]
struct Message {
    number: usize,
    octets: u64,
    unique_id: String,
}
