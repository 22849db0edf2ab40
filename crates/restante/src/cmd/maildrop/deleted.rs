//! `restante maildrop deleted`: what is in the trash of one maildrop.

use std::time::UNIX_EPOCH;

use restante_server::header::summary::{HEADER_OCTETS, Summary};
use restante_store::trash::Deleted;
use serde::Serialize;

use super::super::configuration;
use super::{count, location, time, unopened};
use crate::clock;
use crate::exit::Failure;
use crate::flags::deletion::Deleted as Flags;
use crate::terminal::{self, Column, Table};

/// The messages in the trash, oldest removal first.
pub(super) async fn run(flags: &Flags) -> Result<(), Failure> {
    let config = configuration::load(&flags.file)?;
    let account = super::account(&config, &flags.name.name).await?;
    let (store, location) = (super::store(&config, &account), location(&config, &account)?);
    let deleted =
        store.deleted(&location, clock::wall()).await.map_err(|error| unopened(&account, &error))?;
    let mut entries = Vec::with_capacity(deleted.len());
    for message in &deleted {
        // One that cannot be read, or was swept meanwhile, is listed without what it says of itself.
        let start = store.deleted_start(&location, message, HEADER_OCTETS).await.unwrap_or_default();
        entries.push(Entry::new(message, Summary::read(&start)));
    }
    if flags.json.json {
        return terminal::print_json(&entries);
    }
    let mut table = Table::new(vec![
        Column::text("DELETED"),
        Column::number("OCTETS"),
        Column::text("UNIQUE-ID"),
        Column::text("FROM"),
        Column::text("SUBJECT"),
    ]);
    for (entry, message) in entries.iter().zip(&deleted) {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let (when, octets) = (time(message.when), entry.octets.to_string());
        table.push(vec![when, octets, entry.unique_id.to_owned(), text(&entry.from), text(&entry.subject)]);
    }
    let octets = deleted.iter().map(|message| message.octets).sum::<restante_proto::maildrop::Octets>();
    let count = count(entries.len() as u64, octets.as_u64());
    let table = if entries.is_empty() { String::new() } else { table.render() };
    let hint = match config.maildrop.trash {
        None => " (nothing new goes into the trash: maildrop.trash is not set)",
        Some(_) => "",
    };
    terminal::print(&format!(
        "{table}{}: {count} in the trash{hint}\n",
        terminal::visible(account.name.as_str())
    ))
}

/// A message for programs.
#[derive(Serialize)]
struct Entry<'a> {
    /// Seconds since 1970.
    deleted: u64,
    octets: u64,
    unique_id: &'a str,
    from: Option<String>,
    subject: Option<String>,
    message_id: Option<String>,
}

impl<'a> Entry<'a> {
    fn new(message: &'a Deleted, Summary { subject, from, message_id }: Summary) -> Self {
        Self {
            deleted: message.when.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            octets: message.octets.as_u64(),
            unique_id: message.unique_id.as_str(),
            from,
            subject,
            message_id,
        }
    }
}
