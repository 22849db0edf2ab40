//! `restante maildrop expire`: messages that are old enough are removed now, or listed.

use std::time::{SystemTime, UNIX_EPOCH};

use restante_auth::account::Account;
use restante_server::config::Config;
use restante_store::expiry::{Expired, Expiry, Trial};
use serde::Serialize;

use super::super::configuration;
use super::{accounts, count, location, may_write, time, unopened};
use crate::clock;
use crate::exit::{self, Code, Failure};
use crate::flags::deletion::Expire;
use crate::terminal::{self, Column, Table};

/// Removes what is old enough, account by account. One that cannot be looked through is named, and the others are all the same; the
/// exit status tells.
pub(super) async fn run(flags: &Expire) -> Result<(), Failure> {
    let config = configuration::load(&flags.file)?;
    let expiry = config.maildrop.expiry().ok_or_else(|| {
        Failure::new(Code::Config, "mail is kept for ever")
            .remedy("set maildrop.expire, such as to \"90 days\"")
    })?;
    let trial = if flags.dry_run { Trial::Yes } else { Trial::No };
    let mut entries = Vec::new();
    let (mut lines, mut failures) = (String::new(), Vec::new());
    for account in accounts(&config, &flags.which).await? {
        let before = entries.len();
        let outcome = expire(&config, &account, expiry, trial, &mut entries).await;
        let mine = entries.get(before..).unwrap_or_default();
        let count = count(mine.len() as u64, mine.iter().map(|entry| entry.octets).sum());
        let (name, done) = (
            terminal::visible(account.name.as_str()),
            if flags.dry_run { "would expire" } else { "expired" },
        );
        lines.push_str(&format!("{name}: {count} {done}\n"));
        failures.extend(outcome.err());
    }
    if flags.json.json {
        terminal::print_json(&entries)?;
    } else {
        terminal::print(&format!("{}{lines}", table(&entries)))?;
    }
    if failures.len() > 1 {
        failures.iter().for_each(|failure| terminal::complain(&failure.to_string()));
        return Err(Failure::new(Code::Temporary, "not every maildrop was looked through"));
    }
    failures.pop().map_or(Ok(()), Err)
}

/// One account: as often as it takes.
async fn expire(
    config: &Config,
    account: &Account,
    expiry: Expiry,
    trial: Trial,
    entries: &mut Vec<Entry>,
) -> Result<(), Failure> {
    let (store, location) = (super::store(config, account), location(config, account)?);
    if trial == Trial::No {
        may_write(config, account, location.path())?;
    }
    loop {
        let expired = store.expire(&location, &expiry, clock::wall(), trial).await;
        let expired = expired.map_err(|error| unopened(account, &error))?;
        push(account, &expired, trial, entries);
        for warning in &expired.warnings {
            terminal::complain(&format!("{}: {warning}", terminal::visible(account.name.as_str())));
        }
        if let Some((left, failure)) = &expired.failed {
            let code = if failure.is_temporary() { Code::Temporary } else { Code::Io };
            let what = format!(
                "{}: {left} messages did not expire, the first: {}",
                account.name,
                exit::chain(failure)
            );
            return Err(Failure::new(code, what));
        }
        if trial == Trial::Yes && expired.is_more {
            terminal::complain(&format!(
                "{}: more would expire than are listed",
                terminal::visible(account.name.as_str())
            ));
        }
        if trial == Trial::Yes || !expired.is_more || expired.gone.is_empty() {
            return Ok(());
        }
    }
}

fn push(account: &Account, expired: &Expired, trial: Trial, entries: &mut Vec<Entry>) {
    let mut gone = expired.gone.iter().map(|(index, _)| index).peekable();
    for old in &expired.messages {
        // Both ascend.
        while gone.next_if(|&index| index < old.index).is_some() {}
        if trial == Trial::No && gone.peek() != Some(&old.index) {
            continue;
        }
        let Some(unique_id) = expired.listing.unique_id(old.index) else { continue };
        entries.push(Entry {
            account: account.name.as_str().to_owned(),
            since: seconds(old.since),
            octets: expired.listing.octets(old.index).unwrap_or_default().as_u64(),
            unique_id: unique_id.as_str().to_owned(),
            when: old.since,
        });
    }
}

fn table(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let mut table = Table::new(vec![
        Column::text("SINCE"),
        Column::number("OCTETS"),
        Column::text("UNIQUE-ID"),
        Column::text("ACCOUNT"),
    ]);
    for Entry { account, octets, unique_id, when, .. } in entries {
        table.push(vec![time(*when), octets.to_string(), unique_id.clone(), account.clone()]);
    }
    table.render()
}

fn seconds(when: SystemTime) -> u64 {
    when.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A message that is gone, or would be, for programs.
#[derive(Serialize)]
struct Entry {
    account: String,
    /// What its age is counted from, in seconds since 1970.
    since: u64,
    octets: u64,
    unique_id: String,
    #[serde(skip)]
    when: SystemTime,
}
