//! `restante account add|passwd|quota|list|remove`: edits the embedded directory, which a running server reads at each
//! login, so that nothing has to be told to it.

use std::path::{Path, PathBuf};

use restante_auth::account::{self, Bound};
use restante_auth::directory::embedded::Settings;
use restante_auth::directory::embedded::accounts::{Accounts, EditError, Figure, Listed, New};
use restante_config::value::Size;
use restante_server::assemble;
use restante_server::config::Config;
use restante_server::config::source::{AuthSource, EmbeddedSource};
use serde::Serialize;

use super::configuration;
use crate::exit::{self, Code, Failure};
use crate::flags::{AccountCommand, AccountName, ConfigFile, PasswordSource};
use crate::terminal::{self, Column, Table};

/// Runs one of the `account` commands.
pub(crate) fn run(command: &AccountCommand) -> Result<(), Failure> {
    match command {
        AccountCommand::Add { name, password, file } => add(name, password, file),
        AccountCommand::Passwd { name, password, file } => change_password(name, password, file),
        AccountCommand::Quota { name, octets, messages, file } => set_quota(name, *octets, *messages, file),
        AccountCommand::List { file, json } => list(file, json.json),
        AccountCommand::Remove { name, file } => remove(name, file),
    }
}

fn add(name: &AccountName, password: &PasswordSource, file: &ConfigFile) -> Result<(), Failure> {
    let directory = Directory::find(file)?;
    let name = directory.name(name)?;
    // Asking for a password first and refusing the name then would be rude.
    if directory.has(&name)? {
        return Err(refused(EditError::Exists(name)));
    }
    directory.make_folder()?;
    let password = terminal::new_password(name.as_str(), password.password_stdin)?;
    directory.accounts.add(&name, &New { password: Some(password), ..New::default() }).map_err(refused)?;
    terminal::print(&format!("added {name}\n"))
}

fn change_password(name: &AccountName, password: &PasswordSource, file: &ConfigFile) -> Result<(), Failure> {
    let directory = Directory::find(file)?;
    let name = directory.name(name)?;
    if !directory.has(&name)? {
        return Err(refused(EditError::Unknown(name)));
    }
    let password = terminal::new_password(name.as_str(), password.password_stdin)?;
    directory.accounts.set_password(&name, &password).map_err(refused)?;
    terminal::print(&format!("changed the password of {name}\n"))
}

fn set_quota(
    name: &AccountName,
    octets: Option<Figure>,
    messages: Option<Figure>,
    file: &ConfigFile,
) -> Result<(), Failure> {
    let directory = Directory::find(file)?;
    let name = directory.name(name)?;
    let (octets, messages) = (octets.unwrap_or_default(), messages.unwrap_or_default());
    directory.accounts.set_quota(&name, octets, messages).map_err(refused)?;
    let listed = directory.accounts.find(&name).map_err(refused)?;
    let limits =
        assemble::limits(&directory.config, &account::Account::new(name.clone()).with_quota(listed.quota));
    let shown = |limit: Option<String>| limit.unwrap_or_else(|| "no limit".to_owned());
    terminal::print(&format!(
        "{name} may have: octets {}, messages {}\n",
        shown(limits.octets.map(|octets| Size(octets).to_string())),
        shown(limits.messages.map(|messages| messages.to_string())),
    ))
}

fn remove(name: &AccountName, file: &ConfigFile) -> Result<(), Failure> {
    let directory = Directory::find(file)?;
    let name = directory.name(name)?;
    directory.accounts.remove(&name).map_err(refused)?;
    terminal::print(&format!("removed {name}; its mail stays where it is\n"))
}

fn list(file: &ConfigFile, as_json: bool) -> Result<(), Failure> {
    let accounts = Directory::find(file)?.accounts.list().map_err(refused)?;
    if as_json {
        let entries: Vec<Entry<'_>> = accounts.iter().map(Entry::new).collect();
        return terminal::print_json(&entries);
    }
    if accounts.is_empty() {
        return terminal::print("no accounts\n");
    }
    let mut table = Table::new(vec![Column::text("ACCOUNT"), Column::text("STATE"), Column::text("ALIASES")]);
    for listed in &accounts {
        let aliases: Vec<&str> = listed.aliases.iter().map(account::AccountName::as_str).collect();
        table.push(vec![listed.name.to_string(), Entry::new(listed).state.to_owned(), aliases.join(" ")]);
    }
    terminal::print(&table.render())
}

/// The embedded directory that the configuration names.
struct Directory {
    config: Config,
    path: PathBuf,
    accounts: Accounts,
}

impl Directory {
    /// Finds it. A directory that no source of the configuration uses is taken too, with a warning: the accounts can
    /// be made first and the source be added then.
    fn find(file: &ConfigFile) -> Result<Self, Failure> {
        let config = configuration::load(file)?;
        let source = config.sources.iter().find_map(|source| match &source.own {
            AuthSource::Embedded(source) => Some(source),
            AuthSource::File(_) | AuthSource::Ldap(_) | AuthSource::Http(_) => None,
        });
        if source.is_none() {
            terminal::complain(
                "warning: the configuration has no source of type \"embedded\"; until it has, nobody can log in to these \
                 accounts",
            );
        }
        let path = source.and_then(|EmbeddedSource { path }| path.clone());
        let path = path.unwrap_or_else(|| assemble::embedded_path(&config));
        let scram = assemble::scram_choice(&config);
        let accounts = Accounts::new(Settings { scram, ..Settings::new(&path) });
        Ok(Self { config, path, accounts })
    }

    /// The account that somebody who types this name at login means.
    fn name(&self, typed: &AccountName) -> Result<account::AccountName, Failure> {
        let name = assemble::addresses(&self.config).account_name(typed.name.as_bytes());
        name.map_err(|why| Failure::new(Code::Data, format!("'{}' cannot be an account: {why}", typed.name)))
    }

    fn has(&self, name: &account::AccountName) -> Result<bool, Failure> {
        match self.accounts.find(name) {
            Ok(_) => Ok(true),
            Err(EditError::Unknown(_)) => Ok(false),
            Err(error) => Err(refused(error)),
        }
    }

    /// Makes the folder of the directory if there is none, for its owner alone.
    fn make_folder(&self) -> Result<(), Failure> {
        let folder = self.path.parent().unwrap_or_else(|| Path::new("/"));
        if make_folder(folder).map_err(|error| Failure::file("make the folder", folder, &error))? {
            terminal::complain(&format!(
                "made the folder {}; the server's user must own it",
                folder.display()
            ));
        }
        Ok(())
    }
}

/// Whether a folder had to be made.
// The folder of the accounts is not the store's business.
#[allow(clippy::disallowed_methods)]
fn make_folder(folder: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        return Ok(false);
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    Ok(true)
}

/// What an edit that did not happen means for whoever asked.
fn refused(error: EditError) -> Failure {
    match &error {
        EditError::Exists(_) => Failure::new(Code::CannotCreate, error.to_string())
            .remedy("choose another name, or change its password with 'restante account passwd'"),
        EditError::Unknown(_) => {
            Failure::new(Code::NoUser, error.to_string()).remedy("see 'restante account list'")
        }
        EditError::Source(cause) if cause.is_temporary() => {
            Failure::new(Code::Temporary, exit::chain(cause)).remedy("nothing was changed, try again")
        }
        EditError::Source(cause) => Failure::new(Code::Io, exit::chain(cause)),
        _ => Failure::new(Code::Data, error.to_string()).remedy("nothing was changed"),
    }
}

/// An account for programs.
#[derive(Serialize)]
struct Entry<'a> {
    account: &'a str,
    /// `open`, or `locked` when no password fits.
    state: &'static str,
    home: Option<String>,
    aliases: Vec<&'a str>,
    /// The account's own limits: missing where the configuration's hold, 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    quota_octets: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota_messages: Option<u64>,
}

impl<'a> Entry<'a> {
    fn new(listed: &'a Listed) -> Self {
        Self {
            account: listed.name.as_str(),
            state: if listed.is_locked { "locked" } else { "open" },
            home: listed.home.as_ref().map(|home| home.display().to_string()),
            aliases: listed.aliases.iter().map(account::AccountName::as_str).collect(),
            quota_octets: listed.quota.octets.map(Bound::stored),
            quota_messages: listed.quota.messages.map(Bound::stored),
        }
    }
}
