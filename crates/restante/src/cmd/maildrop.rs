//! `restante maildrop …`: what an operator does with maildrops. One command a file; what they share is here.

mod accept;
mod deleted;
mod expire;
mod export;
mod import;
mod list;
mod quota;
mod rehearse;
mod remote;
mod show;
mod undelete;
mod verify;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::tz::TimeZone;
use restante_auth::account::Account;
use restante_auth::verify::{Authenticator, Recipient};
use restante_server::assemble;
use restante_server::config::Config;
use restante_store::check::Depth;
use restante_store::guard::Guarded;
use restante_store::maildrop::{Inspection, OpenError};
use restante_store::{Location, Store};

use crate::clock;
use crate::exit::{self, Code, Failure};
use crate::flags::{Accounts, MaildropCommand};

/// Runs one of the `maildrop` commands.
pub(crate) fn run(command: &MaildropCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(Code::Temporary, format!("cannot start a runtime: {error}")))?;
    match command {
        MaildropCommand::Accept { name, file, json } => runtime.block_on(accept::run(name, file, json.json)),
        MaildropCommand::Verify { which, quick, file, json } => {
            let depth = if *quick { Depth::Quick } else { Depth::Whole };
            runtime.block_on(verify::run(verify::Task::Verify(depth), which, file, json.json))
        }
        MaildropCommand::Repair { which, file, json } => {
            runtime.block_on(verify::run(verify::Task::Repair, which, file, json.json))
        }
        MaildropCommand::List { file, json } => runtime.block_on(list::run(file, json.json)),
        MaildropCommand::Deleted(flags) => runtime.block_on(deleted::run(flags)),
        MaildropCommand::Expire(flags) => runtime.block_on(expire::run(flags)),
        MaildropCommand::Undelete(flags) => runtime.block_on(undelete::run(flags)),
        MaildropCommand::Quota { which, repair, file, json } => {
            runtime.block_on(quota::run(which, file, quota::Form { repair: *repair, as_json: json.json }))
        }
        MaildropCommand::Import(flags) => runtime.block_on(import::run(flags)),
        MaildropCommand::Rehearse(flags) => runtime.block_on(rehearse::run(flags)),
        MaildropCommand::Export(flags) => runtime.block_on(export::run(flags)),
        MaildropCommand::Show { name, message, file, json } => {
            runtime.block_on(show::run(name, message.as_deref(), file, json.json))
        }
    }
}

fn authenticator(config: &Config) -> Result<Authenticator, Failure> {
    assemble::authenticator(config, None, None).map_err(|error| unavailable(&error))
}

/// The account of this name.
async fn account(config: &Config, name: &str) -> Result<Account, Failure> {
    match authenticator(config)?.recipient(name.as_bytes(), clock::now()).await {
        Recipient::Account(account) => Ok(account),
        Recipient::Unknown => Err(Failure::new(Code::NoUser, format!("there is no account '{name}'"))
            .remedy("see 'restante maildrop list'")),
        Recipient::Unavailable(error) => Err(unavailable(&error)),
    }
}

/// The account that was named, or all.
async fn accounts(config: &Config, which: &Accounts) -> Result<Vec<Account>, Failure> {
    match &which.name {
        Some(name) => Ok(vec![account(config, name).await?]),
        None => authenticator(config)?.accounts(clock::now()).await.map_err(|error| unavailable(&error)),
    }
}

/// Where an account's Maildir is, or the folder of our own files for an mbox: where other servers' lists are looked for.
fn maildir_path(config: &Config, account: &Account) -> Result<PathBuf, Failure> {
    match assemble::location(config, account) {
        Ok(Location::Maildir(path) | Location::Mbox { control: path, .. }) => Ok(path),
        Err(error) => Err(Failure::new(Code::Config, format!("{}: {error}", account.name))),
    }
}

/// A path with the account's names in it.
fn filled_in(path: &str, account: &Account, maildrop: &Path) -> PathBuf {
    let name = account.name.as_str();
    let (local, domain) = name.rsplit_once('@').unwrap_or((name, ""));
    let filled = path.replace("{account}", name).replace("{local}", local).replace("{domain}", domain);
    PathBuf::from(filled.replace("{maildrop}", &maildrop.display().to_string()))
}

/// The store with an account's maildrop: of a system account it is touched with that account's rights.
fn store(config: &Config, account: &Account) -> Store {
    assemble::store_of(config, &assemble::store(config), account)
}

/// Refuses what reads and writes other servers' files by name in the folder of a system account, who may have put any link there.
fn may_reach(config: &Config, account: &Account) -> Result<(), Failure> {
    if !config.is_foreign(account) {
        return Ok(());
    }
    let uid = account.owner.map_or(0, |owner| owner.uid);
    let what = format!("{} is an account of the system: this touches its files by name", account.name);
    Err(Failure::new(Code::Permission, what).remedy(format!(
        "run this as that user, such as with: setpriv --reuid={uid} --regid={uid} --init-groups"
    )))
}

/// Refuses to write into a maildrop that belongs to another user: the server could not read what is written there.
// Whom a maildrop belongs to is asked before the store is, and of nothing else.
#[allow(clippy::disallowed_methods)]
fn may_write(config: &Config, account: &Account, maildrop: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt;
    if config.is_foreign(account) {
        // Its owner does, and nobody else could.
        return Ok(());
    }
    let (Ok(maildrop_stat), Ok(us)) = (std::fs::metadata(maildrop), std::fs::metadata("/proc/self")) else {
        return Ok(());
    };
    if maildrop_stat.uid() == us.uid() {
        return Ok(());
    }
    let failure = Failure::new(Code::Permission, format!("{} belongs to another user", maildrop.display()));
    Err(failure.remedy(format!(
        "run this as that user, such as with: setpriv --reuid={} --clear-groups",
        maildrop_stat.uid()
    )))
}

fn unavailable(error: &restante_auth::directory::SourceError) -> Failure {
    let code = if error.is_temporary() { Code::Temporary } else { Code::Config };
    Failure::new(code, exit::chain(error))
}

/// Where the maildrop of an account lies.
fn location(config: &Config, account: &Account) -> Result<Location, Failure> {
    assemble::location(config, account)
        .map_err(|error| Failure::new(Code::Config, format!("{}: {error}", account.name)))
}

/// A maildrop that did not open.
fn unopened(account: &Account, error: &OpenError) -> Failure {
    let code = if error.is_temporary() { Code::Temporary } else { Code::Io };
    let failure = Failure::new(code, format!("{}: {}", account.name, exit::chain(error)));
    match error {
        OpenError::InUse => failure.remedy("try again when the session has ended"),
        _ => failure,
    }
}

/// Reads a maildrop, or says why not.
async fn inspect(config: &Config, account: &Account) -> Result<Inspection, String> {
    let location = assemble::location(config, account).map_err(|error| error.to_string())?;
    store(config, account).inspect(&location, clock::wall()).await.map_err(|error| exit::chain(&error))
}

/// "1 message", "2 messages".
fn plural(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// A time of day as people here write it, to the second.
fn time(when: SystemTime) -> String {
    match jiff::Timestamp::try_from(when) {
        Ok(when) => when.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => "unknown".to_owned(),
    }
}

/// Why a maildrop is not opened for its clients, if so.
async fn guard_of(config: &Config, account: &Account) -> Result<Option<Guarded>, Failure> {
    let location = assemble::location(config, account)
        .map_err(|error| Failure::new(Code::Config, format!("{}: {error}", account.name)))?;
    let guarded = assemble::store(config).guard_of(&location, account.name.as_str()).await;
    guarded.map_err(|failure| Failure::new(Code::Io, exit::chain(&failure)))
}

fn count(messages: u64, octets: u64) -> String {
    let plural = if messages == 1 { "" } else { "s" };
    format!("{messages} message{plural}, {octets} octets")
}
