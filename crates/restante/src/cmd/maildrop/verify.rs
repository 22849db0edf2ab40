//! `restante maildrop verify|repair`: what is wrong with maildrops, and what was done about it.

use restante_auth::account::Account;
use restante_server::assemble;
use restante_server::config::Config;
use restante_store::check::{Damage, Depth, Finding, Severity, State};
use restante_store::maildrop::OpenError;
use serde::Serialize;

use super::super::configuration;
use crate::clock;
use crate::exit::{self, Code, Failure};
use crate::flags::{Accounts, ConfigFile};
use crate::terminal;

/// What is done with each maildrop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Verify(Depth),
    Repair,
}

/// Looks after one maildrop or all of them. One that cannot be looked at is told, and the others are done all the same.
pub(super) async fn run(
    task: Task,
    which: &Accounts,
    file: &ConfigFile,
    as_json: bool,
) -> Result<(), Failure> {
    let config = configuration::load(file)?;
    let accounts = super::accounts(&config, which).await?;
    if task == Task::Repair {
        for account in &accounts {
            super::may_write(&config, account, &super::maildir_path(&config, account)?)?;
        }
    }
    let (mut entries, mut failed, mut left) = (Vec::new(), 0, 0);
    for account in &accounts {
        match findings(&config, account, task).await {
            Ok(found) => {
                left += found.iter().filter(|finding| is_left(finding)).count();
                entries.extend(found.iter().map(|finding| Entry::new(account, finding)));
            }
            Err(what) => {
                failed += 1;
                terminal::complain(&format!("{}: {what}", account.name));
            }
        }
    }
    if as_json {
        terminal::print_json(&entries)?;
    } else {
        terminal::print(&text(&entries, accounts.len() - failed))?;
    }
    match (failed, left) {
        (0, 0) => Ok(()),
        (0, _) => Err(Failure::said(Code::NotAll)),
        _ => Err(Failure::new(Code::Io, "not every maildrop could be looked at")),
    }
}

async fn findings(config: &Config, account: &Account, task: Task) -> Result<Vec<Finding>, String> {
    let location = assemble::location(config, account).map_err(|error| error.to_string())?;
    let (store, now) = (super::store(config, account), clock::wall());
    let found = match task {
        Task::Verify(depth) => store.verify(&location, depth, now).await,
        Task::Repair => store.repair(&location, now).await,
    };
    let mut found = found.map_err(|error: OpenError| exit::chain(&error))?;
    let guarded = store.guard_of(&location, account.name.as_str()).await;
    if let Some(guarded) = guarded.map_err(|error| exit::chain(&error))? {
        let (damage, what) = (Damage::Guarded, guarded.to_string());
        found.push(Finding { damage, place: location.path().to_owned(), what, state: State::Found });
    }
    Ok(found)
}

/// Whether it is still wrong.
fn is_left(finding: &Finding) -> bool {
    finding.state == State::Found && finding.damage.severity() != Severity::Note
}

fn text(entries: &[Entry<'_>], looked_at: usize) -> String {
    let mut text = String::new();
    for entry in entries {
        let Entry { account, damage, place, what, state, remedy, .. } = entry;
        let line = format!("{account}: {damage}: {place}: {what}; {state}: {remedy}");
        text.push_str(&terminal::visible(&line));
        text.push('\n');
    }
    let plural = if looked_at == 1 { "" } else { "s" };
    let left = entries.iter().filter(|entry| entry.is_left).count();
    text.push_str(&format!("{looked_at} maildrop{plural} looked at, {left} to be put right\n"));
    text
}

/// A finding for people and programs.
#[derive(Serialize)]
struct Entry<'a> {
    account: &'a str,
    damage: &'static str,
    place: String,
    what: String,
    state: &'static str,
    remedy: &'static str,
    #[serde(skip)]
    is_left: bool,
}

impl<'a> Entry<'a> {
    fn new(account: &'a Account, finding: &Finding) -> Self {
        let state = match (finding.state, finding.damage.severity()) {
            (State::Mended, _) => "mended",
            (State::Found, Severity::Note) => "note",
            (State::Found, Severity::Mendable) => "repair",
            (State::Found, Severity::Person) => "person",
        };
        Self {
            account: account.name.as_str(),
            damage: finding.damage.as_str(),
            place: finding.place.display().to_string(),
            what: finding.what.clone(),
            state,
            remedy: finding.damage.remedy(),
            is_left: is_left(finding),
        }
    }
}
