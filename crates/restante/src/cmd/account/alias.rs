//! `restante account alias add|remove|list`: other names of accounts of the embedded directory.

use restante_auth::directory::embedded::accounts::EditError;
use serde::Serialize;

use super::{Directory, refused};
use crate::exit::{Code, Failure};
use crate::flags::alias::{AliasCommand, Other};
use crate::flags::{AccountName, ConfigFile};
use crate::terminal::{self, Column, Table};

pub(super) fn run(command: &AliasCommand) -> Result<(), Failure> {
    match command {
        AliasCommand::Add { name, alias, file } => add(name, alias, file),
        AliasCommand::Remove { alias, file } => remove(alias, file),
        AliasCommand::List { file, json } => list(file, json.json),
    }
}

fn add(account: &AccountName, alias: &Other, file: &ConfigFile) -> Result<(), Failure> {
    let directory = Directory::find(file)?;
    let account = directory.name(account)?;
    let alias = directory.name(&AccountName { name: alias.alias.clone() })?;
    directory.accounts.add_alias(&alias, &account).map_err(|error| match &error {
        EditError::Exists(_) => Failure::new(Code::CannotCreate, error.to_string())
            .remedy("choose another name, or take this one away first"),
        _ => refused(error),
    })?;
    terminal::print(&format!("{alias} is {account} too\n"))
}

fn remove(alias: &Other, file: &ConfigFile) -> Result<(), Failure> {
    let directory = Directory::find(file)?;
    let alias = directory.name(&AccountName { name: alias.alias.clone() })?;
    directory.accounts.remove_alias(&alias).map_err(|error| match error {
        EditError::Unknown(name) => Failure::new(Code::NoUser, format!("there is no alias {name}"))
            .remedy("see 'restante account alias list'"),
        error => refused(error),
    })?;
    terminal::print(&format!("{alias} is nobody now\n"))
}

fn list(file: &ConfigFile, as_json: bool) -> Result<(), Failure> {
    let accounts = Directory::find(file)?.accounts.list().map_err(refused)?;
    let aliases = accounts.iter().flat_map(|listed| {
        listed.aliases.iter().map(|alias| Entry { alias: alias.as_str(), account: listed.name.as_str() })
    });
    let mut aliases: Vec<Entry<'_>> = aliases.collect();
    aliases.sort_by_key(|entry| entry.alias);
    if as_json {
        return terminal::print_json(&aliases);
    }
    if aliases.is_empty() {
        return terminal::print("no aliases\n");
    }
    let mut table = Table::new(vec![Column::text("ALIAS"), Column::text("ACCOUNT")]);
    for entry in &aliases {
        table.push(vec![entry.alias.to_owned(), entry.account.to_owned()]);
    }
    terminal::print(&table.render())
}

/// An alias for programs.
#[derive(Serialize)]
struct Entry<'a> {
    alias: &'a str,
    account: &'a str,
}
