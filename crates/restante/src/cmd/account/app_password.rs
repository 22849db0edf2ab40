//! `restante account app-password add|list|revoke`: passwords for single devices. One is shown when it is made and never again.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use restante_auth::account::Access;
use restante_auth::credential::{self, Credential, CredentialName, Digest, Scope};
use restante_auth::directory::embedded::accounts::EditError;
use restante_auth::network::Network;
use restante_config::value::Span;
use serde::Serialize;

use super::{Directory, access_name, refused};
use crate::clock;
use crate::exit::{Code, Failure};
use crate::flags::app_password::AppPasswordCommand;
use crate::flags::{AccountName, ConfigFile};
use crate::terminal::{self, Column, Table};

pub(super) fn run(command: &AppPasswordCommand) -> Result<(), Failure> {
    match command {
        AppPasswordCommand::Add { name, label, services, networks, read_only, expires, file, json } => {
            let now = clock::wall();
            let wanted = Wanted {
                name: label.label.clone(),
                scope: scope(services),
                networks,
                access: if *read_only { Access::ReadOnly } else { Access::Full },
                expires: expires.as_deref().map(|text| moment(text, now)).transpose()?,
            };
            add(name, wanted, now, file, json.json)
        }
        AppPasswordCommand::List { name, file, json } => list(name, file, json.json),
        AppPasswordCommand::Revoke { name, label, file } => revoke(name, &label.label, file),
    }
}

struct Wanted<'a> {
    name: CredentialName,
    scope: Scope,
    networks: &'a [Network],
    access: Access,
    expires: Option<SystemTime>,
}

fn add(
    account: &AccountName,
    wanted: Wanted<'_>,
    now: SystemTime,
    file: &ConfigFile,
    as_json: bool,
) -> Result<(), Failure> {
    let directory = Directory::find(file)?;
    let account = directory.accounts.find(&directory.name(account)?).map_err(refused)?.name;
    let password = credential::generate()
        .map_err(|error| Failure::new(Code::Temporary, format!("no random numbers: {error}")))?;
    let credential = Credential {
        name: wanted.name,
        scope: wanted.scope,
        networks: (!wanted.networks.is_empty()).then(|| wanted.networks.into()),
        access: wanted.access,
        created: now,
        expires: wanted.expires,
        last_used: None,
        digest: Digest::of(&account, password.as_bytes()),
    };
    directory.accounts.add_app_password(&account, &credential).map_err(refused)?;
    if as_json {
        let entry = Entry { password: Some(&password), ..Entry::new(account.as_str(), &credential, now) };
        return terminal::print_json(&[entry]);
    }
    terminal::report(&format!(
        "the app password of {account} for {}; it is not shown again:",
        credential.name
    ));
    terminal::print(&format!("{}\n", *password))
}

fn list(account: &AccountName, file: &ConfigFile, as_json: bool) -> Result<(), Failure> {
    let directory = Directory::find(file)?;
    let listed = directory.accounts.find(&directory.name(account)?).map_err(refused)?;
    let now = clock::wall();
    let entries = listed.app_passwords.iter().map(|it| Entry::new(listed.name.as_str(), it, now));
    let entries: Vec<Entry<'_>> = entries.collect();
    if as_json {
        return terminal::print_json(&entries);
    }
    if entries.is_empty() {
        return terminal::print("no app passwords\n");
    }
    let headings = ["NAME", "FOR", "ACCESS", "FROM", "EXPIRES", "LAST USED"];
    let mut table = Table::new(headings.into_iter().map(Column::text).collect());
    for entry in &entries {
        let day = |time: &Option<String>, none: &str| {
            time.as_deref().and_then(|time| time.get(..10)).unwrap_or(none).to_owned()
        };
        let networks = entry.networks.join(" ");
        table.push(vec![
            entry.name.to_owned(),
            entry.services.join(" "),
            entry.access.to_owned(),
            if networks.is_empty() { "everywhere".to_owned() } else { networks },
            if entry.is_expired { "is over".to_owned() } else { day(&entry.expires, "never") },
            day(&entry.last_used, "never"),
        ]);
    }
    terminal::print(&table.render())
}

fn revoke(account: &AccountName, name: &CredentialName, file: &ConfigFile) -> Result<(), Failure> {
    let directory = Directory::find(file)?;
    let account = directory.accounts.find(&directory.name(account)?).map_err(refused)?.name;
    directory.accounts.revoke_app_password(&account, name).map_err(|error: EditError| refused(error))?;
    terminal::print(&format!("revoked the app password {name} of {account}\n"))
}

fn scope(services: &[String]) -> Scope {
    let is_for = |service: &str| services.iter().any(|it| it == service);
    match (is_for("pop3"), is_for("smtp")) {
        (true, false) => Scope::Pop3,
        (false, true) => Scope::Smtp,
        _ => Scope::Both,
    }
}

/// A moment that lies ahead.
fn moment(text: &str, now: SystemTime) -> Result<SystemTime, Failure> {
    let wrong = |what: &str| {
        Failure::new(Code::Usage, format!("'{text}' {what}"))
            .remedy("write a day or a moment (2027-01-31, 2027-01-31T12:00:00Z), or a time such as '90 days'")
    };
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|start| start.timestamp());
    let moment = match text.parse::<Timestamp>().ok().or_else(day) {
        Some(moment) => Some(SystemTime::from(moment)),
        None => text.parse::<Span>().ok().and_then(|span| now.checked_add(span.0)),
    };
    match moment {
        None => Err(wrong("is no moment")),
        Some(moment) if moment <= now => Err(wrong("is over already")),
        Some(moment) if Timestamp::try_from(moment).is_err() => Err(wrong("is too far away")),
        Some(moment) => Ok(moment),
    }
}

/// An app password for programs.
#[derive(Serialize)]
struct Entry<'a> {
    account: &'a str,
    name: &'a str,
    /// Only in the answer to its making.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    services: &'static [&'static str],
    access: &'static str,
    /// Empty for everywhere.
    networks: Vec<String>,
    created: Option<String>,
    expires: Option<String>,
    is_expired: bool,
    /// To within a day.
    last_used: Option<String>,
}

impl<'a> Entry<'a> {
    fn new(account: &'a str, credential: &'a Credential, now: SystemTime) -> Self {
        let networks = credential.networks.iter().flat_map(|networks| networks.iter());
        Self {
            account,
            name: credential.name.as_str(),
            password: None,
            services: credential.scope.names(),
            access: access_name(credential.access),
            networks: networks.map(ToString::to_string).collect(),
            created: shown(credential.created),
            expires: credential.expires.and_then(shown),
            is_expired: credential.is_expired(now),
            last_used: credential.last_used.and_then(shown),
        }
    }
}

/// To the second.
fn shown(time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok().map(|time| time.to_string())
}
