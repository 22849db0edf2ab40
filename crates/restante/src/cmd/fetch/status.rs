//! `restante fetch status`: what the journals know.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use restante_fetch::journal::Journal;
use restante_fetch::journal::status::Status;
use restante_store::disk::LocalDisk;
use serde::Serialize;

use super::super::tokens;
use super::accounts;
use crate::exit::{Code, Failure};
use crate::flags::tokens::FetchFile;
use crate::terminal::{self, Column, Table};

/// An account, in JSON.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    status: &'a Status,
    /// What somebody has to see to before the login of this account dies.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'a String>,
}

/// Prints the journals of all accounts that have one, and which login ends soon.
pub(super) fn run(file: &FetchFile, as_json: bool) -> Result<(), Failure> {
    let (folder, warnings) = match tokens::warnings(file)? {
        Some(found) => (found.state, found.warnings),
        None => (accounts::state_dir(&file.state)?, BTreeMap::new()),
    };
    let statuses = read(&folder)?;
    if as_json {
        let row = |status| Row { status, warning: warnings.get(&status.account) };
        return terminal::print_json(&statuses.iter().map(row).collect::<Vec<_>>());
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
    let lines = warnings.values().map(|warning| format!("warning: {}\n", terminal::visible(warning)));
    terminal::print(&(table.render() + &lines.collect::<String>()))
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
