//! `restante account …`: edits the embedded directory, which a running server reads at each login, so that nothing has to be told to it; `forget` alone asks the server.
//! Import is in `account/import`, other names are in `account/alias`, app passwords are in `account/app_password`.

use std::path::{Path, PathBuf};

use restante_auth::account::{self, Access, Bound};
use restante_auth::directory::embedded::Settings;
use restante_auth::directory::embedded::accounts::{Accounts, EditError, Figure, Known, Listed, New};
use restante_auth::directory::embedded::change::Change;
use restante_config::value::Size;
use restante_server::assemble;
use restante_server::config::Config;
use restante_server::config::source::{AuthSource, EmbeddedSource};
use restante_server::control::{Line, Request};
use serde::Serialize;

use super::configuration;
use crate::control;
use crate::exit::{self, Code, Failure};
use crate::flags::{AccountCommand, AccountName, ConfigFile, PasswordSource};
use crate::terminal::{self, Column, Table};

mod alias;
mod app_password;
mod import;

/// Runs one of the `account` commands.
pub(crate) fn run(command: &AccountCommand) -> Result<(), Failure> {
    match command {
        AccountCommand::Add { name, fields, password, no_password, file } => {
            add(name, fields, (!no_password).then_some(password), file)
        }
        AccountCommand::Disable { name, file } => set_disabled(name, true, file),
        AccountCommand::Enable { name, file } => set_disabled(name, false, file),
        AccountCommand::Set { name, fields, file } => set(name, fields, file),
        AccountCommand::Import { from_file, from_sql, query, replace, dry_run, file, json } => {
            let from = import::From::read(from_file.as_deref(), from_sql.as_deref(), query.as_deref())?;
            let known = if *replace { Known::Replaced } else { Known::Kept };
            import::run(from, import::Wish { known, is_rehearsal: *dry_run, as_json: json.json }, file)
        }
        AccountCommand::Alias(alias) => alias::run(&alias.command),
        AccountCommand::AppPassword(app_password) => app_password::run(&app_password.command),
        AccountCommand::Passwd { name, password, file } => change_password(name, password, file),
        AccountCommand::Quota { name, octets, messages, file } => set_quota(name, *octets, *messages, file),
        AccountCommand::Forget { name, file } => forget(name, file),
        AccountCommand::List { file, json } => list(file, json.json),
        AccountCommand::Remove { name, file } => remove(name, file),
    }
}

/// `password` is `None` for an account without one.
fn add(
    name: &AccountName,
    fields: &[(String, String)],
    password: Option<&PasswordSource>,
    file: &ConfigFile,
) -> Result<(), Failure> {
    let directory = Directory::find(file)?;
    let name = directory.name(name)?;
    // Asking for a password first and refusing the name then would be rude.
    if directory.has(&name)? {
        return Err(refused(EditError::Exists(name)));
    }
    let change = change(&name, fields)?;
    directory.make_folder()?;
    let password = password
        .map(|password| terminal::new_password(name.as_str(), password.password_stdin))
        .transpose()?;
    directory.accounts.add(&name, &New { password, change, ..New::default() }).map_err(refused)?;
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

fn set_disabled(name: &AccountName, is_disabled: bool, file: &ConfigFile) -> Result<(), Failure> {
    let directory = Directory::find(file)?;
    let name = directory.name(name)?;
    directory.accounts.set_disabled(&name, is_disabled).map_err(refused)?;
    terminal::print(&match is_disabled {
        true => format!("disabled {name}; who is logged in stays so until the session ends\n"),
        false => format!("enabled {name}\n"),
    })
}

fn set(name: &AccountName, fields: &[(String, String)], file: &ConfigFile) -> Result<(), Failure> {
    let directory = Directory::find(file)?;
    let name = directory.name(name)?;
    directory.accounts.set(&name, &change(&name, fields)?).map_err(refused)?;
    terminal::print(&format!("changed {name}\n"))
}

fn change(name: &account::AccountName, fields: &[(String, String)]) -> Result<Change, Failure> {
    Change::read(name, fields)
        .map_err(|problem| Failure::new(Code::Usage, problem.what).remedy(problem.remedy))
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
    let limits = assemble::limits(&directory.config, &listed.account);
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

fn forget(name: &AccountName, file: &ConfigFile) -> Result<(), Failure> {
    let request = Request::Forget { account: name.name.clone() };
    let lines = control::ask(&configuration::load(file)?, &request)?;
    let named = lines.iter().find_map(|line| match line {
        Line::Account(account) => Some(account.as_str()),
        _ => None,
    });
    let named = terminal::visible(named.unwrap_or(&name.name));
    terminal::print(&format!("forgot what is remembered of {named}\n"))
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
            _ => None,
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
        EditError::AppPasswordExists(_) => Failure::new(Code::CannotCreate, error.to_string())
            .remedy("choose another name, or revoke it first"),
        EditError::UnknownAppPassword(_) => {
            Failure::new(Code::NoUser, error.to_string()).remedy("see 'restante account app-password list'")
        }
        EditError::AppPasswordsFull => {
            Failure::new(Code::CannotCreate, error.to_string()).remedy("revoke those that nobody uses")
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
    /// `open`, `locked` when no main password fits, or `disabled`.
    state: &'static str,
    home: Option<String>,
    aliases: Vec<&'a str>,
    /// The account's own limits: missing where the configuration's hold, 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    quota_octets: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota_messages: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maildrop: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    networks: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mechanisms: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<u32>,
    /// The names of its app passwords.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    app_passwords: Vec<&'a str>,
}

impl<'a> Entry<'a> {
    fn new(listed: &'a Listed) -> Self {
        let account = &listed.account;
        Self {
            account: listed.name.as_str(),
            state: match (listed.is_disabled, listed.is_locked) {
                (true, _) => "disabled",
                (false, true) => "locked",
                (false, false) => "open",
            },
            home: account.home.as_ref().map(|home| home.display().to_string()),
            aliases: listed.aliases.iter().map(account::AccountName::as_str).collect(),
            quota_octets: account.quota.octets.map(Bound::stored),
            quota_messages: account.quota.messages.map(Bound::stored),
            maildrop: account.maildrop.as_ref().map(|path| path.display().to_string()),
            networks: account.networks.iter().flat_map(|it| it.iter()).map(ToString::to_string).collect(),
            mechanisms: account.mechanisms.iter().flat_map(|it| it.iter()).map(|name| &**name).collect(),
            sessions: account.sessions_max.map(std::num::NonZeroU32::get),
            access: account.access.map(access_name),
            uid: account.owner.map(|owner| owner.uid),
            gid: account.owner.map(|owner| owner.gid),
            app_passwords: listed.app_passwords.iter().map(|it| it.name.as_str()).collect(),
        }
    }
}

/// As the field `access` has it.
const fn access_name(access: Access) -> &'static str {
    match access {
        Access::Full => "full",
        Access::ReadOnly => "read-only",
    }
}
