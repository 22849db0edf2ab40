//! `restante fetch status`: what the journals know.

use std::path::Path;
use std::sync::Arc;

use restante_fetch::journal::Journal;
use restante_fetch::journal::status::Status;
use restante_store::disk::LocalDisk;

use super::accounts;
use crate::exit::{Code, Failure};
use crate::flags::fetch::FetchState;
use crate::terminal::{self, Column, Table};

/// Prints the journals of all accounts that have one.
pub(super) fn run(state: &FetchState, as_json: bool) -> Result<(), Failure> {
    let folder = accounts::state_dir(state)?;
    let statuses = read(&folder)?;
    if as_json {
        return terminal::print_json(&statuses);
    }
    let mut table = Table::new(vec![
        Column::text("account"),
        Column::text("last collected"),
        Column::number("listed"),
        Column::number("collected"),
        Column::number("on their way"),
        Column::number("left"),
        Column::number("quarantine"),
        Column::number("remembered"),
    ]);
    for status in statuses {
        let poll = status.last_poll.as_ref();
        table.push(vec![
            status.account.clone(),
            poll.map_or_else(|| "never".to_owned(), |poll| poll.at.strftime("%F %T UTC").to_string()),
            poll.map_or_else(String::new, |poll| poll.messages.to_string()),
            status.collected.to_string(),
            status.intended.to_string(),
            status.skipped.to_string(),
            status.quarantined.to_string(),
            status.gone.to_string(),
        ]);
    }
    terminal::print(&table.render())
}

fn read(folder: &Path) -> Result<Vec<Status>, Failure> {
    let mut statuses = Vec::new();
    for folder in accounts::folders(folder)? {
        let journal = Journal::look(Arc::new(LocalDisk), &folder)
            .map_err(|error| Failure::new(Code::Io, error.to_string()))?;
        statuses.push(journal.describe());
    }
    statuses.sort_by(|one, other| one.account.cmp(&other.account));
    Ok(statuses)
}
