//! `restante maildrop undelete`: messages of the trash go back into the maildrop.

use std::time::SystemTime;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use restante_config::value::Span;
use restante_proto::maildrop::{Octets, UniqueId};
use restante_store::trash::{Form, PutBack, UndeleteError, Undeleted, Which};
use serde::Serialize;

use super::super::configuration;
use super::{count, location, unopened};
use crate::clock;
use crate::exit::{self, Code, Failure};
use crate::flags::deletion::Undelete;
use crate::terminal::{self, Column, Table};

/// Puts the chosen messages back. Those that could not be are named, and the exit status tells.
pub(super) async fn run(flags: &Undelete) -> Result<(), Failure> {
    let which = which(flags)?;
    let form = if flags.as_new { Form::AsNew } else { Form::AsTheyWere };
    let config = configuration::load(&flags.file)?;
    let account = super::account(&config, &flags.name.name).await?;
    let (store, location) = (super::store(&config, &account), location(&config, &account)?);
    let done = store.undelete(&location, which, form, clock::wall()).await;
    let done = done.map_err(|error| match &error {
        UndeleteError::Maildrop(error) => unopened(&account, error),
        UndeleteError::Unsynced(_) => {
            let code = if error.is_temporary() { Code::Temporary } else { Code::Io };
            Failure::new(code, format!("{}: {}", account.name, exit::chain(&error)))
                .remedy("see to the disk, then ask again: nothing is lost, and nothing comes twice")
        }
    })?;
    if flags.json.json {
        terminal::print_json(&entries(&done))?;
    } else {
        let octets = done.messages.iter().map(|message| message.octets).sum::<Octets>();
        let count = count(done.messages.len() as u64, octets.as_u64());
        let name = terminal::visible(account.name.as_str());
        terminal::print(&format!("{}{name}: {count} put back\n", table(&done, form)))?;
    }
    verdict(&done)
}

fn which(flags: &Undelete) -> Result<Which, Failure> {
    if let Some(since) = &flags.since {
        return moment(since, clock::wall()).map(Which::Since).ok_or_else(|| {
            Failure::new(Code::Usage, format!("'{since}' is no time"))
                .remedy("write '2026-11-22 09:30', '2026-11-22', or how long ago, '2 hours'")
        });
    }
    if flags.all {
        return Ok(Which::All);
    }
    let parse = |text: &String| {
        UniqueId::parse(text.as_bytes()).map_err(|_| {
            Failure::new(Code::Usage, format!("'{text}' is no unique-id"))
                .remedy("see 'restante maildrop deleted'")
        })
    };
    flags.unique_ids.iter().map(parse).collect::<Result<_, _>>().map(Which::UniqueIds)
}

/// A time as people write it: with an offset, of this place, a day, or how long ago.
fn moment(text: &str, now: SystemTime) -> Option<SystemTime> {
    let text = text.trim();
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.into());
    }
    // A day alone begins at midnight.
    if let Ok(civil) = text.parse::<DateTime>() {
        return civil.to_zoned(TimeZone::system()).ok().map(|time| time.timestamp().into());
    }
    now.checked_sub(text.parse::<Span>().ok()?.0)
}

fn table(done: &Undeleted, form: Form) -> String {
    if done.messages.is_empty() {
        return String::new();
    }
    let mut columns = vec![Column::number("OCTETS"), Column::text("UNIQUE-ID")];
    if form == Form::AsNew {
        columns.push(Column::text("BEFORE"));
    }
    let mut table = Table::new(columns);
    for message in &done.messages {
        let (octets, unique_id) = (message.octets.as_u64().to_string(), message.unique_id.as_str());
        table.push(vec![octets, unique_id.to_owned(), message.before.as_str().to_owned()]);
    }
    table.render()
}

/// What was asked for and did not happen.
fn verdict(done: &Undeleted) -> Result<(), Failure> {
    for unique_id in &done.there {
        terminal::complain(&format!(
            "{}: the maildrop has this message; it stays in the trash",
            unique_id.as_str()
        ));
    }
    for unique_id in &done.unknown {
        terminal::complain(&format!("{}: not in the trash", unique_id.as_str()));
    }
    if let Some((messages, failure)) = &done.failed {
        let code = if failure.is_temporary() { Code::Temporary } else { Code::Io };
        return Err(Failure::new(
            code,
            format!("{messages} messages are still in the trash, the first: {}", exit::chain(failure)),
        ));
    }
    if done.unknown.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Code::Data, "not every message is in the trash")
        .remedy("see 'restante maildrop deleted'"))
}

fn entries<'a>(done: &'a Undeleted) -> Vec<Entry<'a>> {
    let entry = |message: &'a PutBack| Entry {
        unique_id: message.unique_id.as_str(),
        before: message.before.as_str(),
        octets: message.octets.as_u64(),
    };
    done.messages.iter().map(entry).collect()
}

/// A message for programs.
#[derive(Serialize)]
struct Entry<'a> {
    unique_id: &'a str,
    /// The unique-id that it had.
    before: &'a str,
    octets: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn times_are_written_in_many_ways() {
        let now = UNIX_EPOCH + Duration::from_secs(1_763_800_000);
        let ago = |seconds| Some(now - Duration::from_secs(seconds));
        assert_eq!(moment("2 hours", now), ago(7_200));
        assert_eq!(moment("1 day", now), ago(86_400));
        assert_eq!(moment("2025-11-22T08:26:40Z", now), Some(now));
        assert_eq!(moment("2025-11-22 09:26:40+01:00", now), Some(now));
        let local = moment("2025-11-22 09:30", now).unwrap();
        assert_eq!(moment("2025-11-22T09:30:00", now), Some(local));
        let day = moment("2025-11-22", now).unwrap();
        assert_eq!(local.duration_since(day).unwrap(), Duration::from_secs(34_200));
        for text in ["", "soon", "2025-13-01", "10", "-1 day", "99999999999999999999 days"] {
            assert_eq!(moment(text, now), None, "{text:?}");
        }
    }
}
