//! Which accounts are logged in, and when that ends.

use jiff::Timestamp;
use restante_fetch::config::account::{Account, Credential};
use restante_fetch::oauth::error::TokenError;
use restante_fetch::oauth::grant::Grant;
use restante_fetch::oauth::settings::Settings;
use serde::Serialize;

use super::Found;
use crate::exit::{Code, Failure};
use crate::flags::tokens::Login;
use crate::terminal::{self, Column, Table};

/// What is told of one account. Nothing of it is a secret.
#[derive(Serialize)]
pub(super) struct Row {
    account: String,
    pub(super) provider: String,
    /// `logged-in`, `ends-soon`, `ended`, `other-client`, `not-logged-in`, or `unreadable`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refreshed: Option<Timestamp>,
    /// When the login ends, if that is known; using it may put that off.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

impl Row {
    pub(super) fn of(
        account: &Account,
        settings: &Settings,
        grant: Result<Option<&Grant>, &TokenError>,
        now: Timestamp,
    ) -> Self {
        let mut row = Self {
            account: account.name.clone(),
            provider: settings.provider_name().to_owned(),
            state: "not-logged-in",
            since: None,
            refreshed: None,
            ends: None,
            fault: None,
        };
        match grant {
            Err(error) => (row.state, row.fault) = ("unreadable", Some(error.to_string())),
            Ok(None) => {}
            Ok(Some(grant)) => {
                let ending = grant.ending(settings.provider.lifetimes(), now);
                row.ends = ending.map(|ending| ending.at);
                if grant.refresh.is_none() {
                    row.ends = grant.access_ends;
                }
                (row.since, row.refreshed) = (Some(grant.granted), Some(grant.refreshed));
                let is_ours =
                    grant.provider == settings.provider_name() && grant.client_id == settings.client_id;
                row.state = match (is_ours, row.ends, ending) {
                    (false, ..) => "other-client",
                    (true, Some(ends), _) if ends <= now => "ended",
                    (true, _, Some(ending)) if ending.is_near => "ends-soon",
                    (true, ..) => "logged-in",
                };
            }
        }
        row
    }

    fn is_well(&self) -> bool {
        matches!(self.state, "logged-in" | "ends-soon")
    }
}

/// Shows all accounts with tokens, or the one that is named.
pub(super) fn show(found: &Found, flags: &Login) -> Result<(), Failure> {
    let now = super::now()?;
    let mut rows = Vec::new();
    if let Some(name) = &flags.account {
        found.account(name)?;
    }
    for account in &found.accounts {
        let Credential::Oauth(settings) = &account.credential else { continue };
        if flags.account.as_ref().is_some_and(|name| *name != account.name) {
            continue;
        }
        let kept = super::store(found, account)?.load(&account.name);
        rows.push(Row::of(account, settings, kept.as_ref().map(Option::as_ref), now));
    }
    if flags.json.json {
        for row in &rows {
            let line = serde_json::to_string(row);
            let line =
                line.map_err(|error| Failure::new(Code::Software, format!("cannot be told: {error}")))?;
            terminal::print_json_text(&format!("{line}\n"))?;
        }
    } else {
        terminal::print(&table(&rows))?;
    }
    match rows.iter().all(Row::is_well) {
        true => Ok(()),
        false => Err(Failure::said(Code::Permission)),
    }
}

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "No account logs in with tokens.\n".to_owned();
    }
    let columns = ["account", "provider", "state", "since", "refreshed", "ends"];
    let mut table = Table::new(columns.map(Column::text).into());
    let day =
        |at: Option<Timestamp>| at.map(|at| at.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default();
    for row in rows {
        let state = row
            .fault
            .as_ref()
            .map_or_else(|| row.state.to_owned(), |fault| format!("{}: {fault}", row.state));
        table.push(vec![
            row.account.clone(),
            row.provider.clone(),
            state,
            day(row.since),
            day(row.refreshed),
            day(row.ends),
        ]);
    }
    table.render()
}
