//! `restante maildrop show`: the messages of one maildrop, or one message.

use mail_parser::MessageParser;
use restante_store::maildrop::{CHUNK_OCTETS, Inspection};
use serde::Serialize;

use super::super::configuration;
use super::{count, inspect};
use crate::exit::{self, Code, Failure};
use crate::flags::{AccountName, ConfigFile};
use crate::terminal::{self, Column, Table};

/// The messages of one maildrop as a session would be shown them now; or the octets of one of them as they are stored.
pub(super) async fn run(
    name: &AccountName,
    message: Option<&str>,
    file: &ConfigFile,
    as_json: bool,
) -> Result<(), Failure> {
    let config = configuration::load(file)?;
    let account = super::account(&config, &name.name).await?;
    let inspection = inspect(&config, &account)
        .await
        .map_err(|what| Failure::new(Code::Io, format!("{}: {what}", account.name)))?;
    for warning in inspection.warnings() {
        terminal::complain(&format!("warning: {}: {warning}", account.name));
    }
    if let Some(guarded) = super::guard_of(&config, &account).await? {
        terminal::complain(&format!("{}: {guarded}; see 'restante maildrop accept'", account.name));
    }
    if let Some(wanted) = message {
        return print_message(&inspection, wanted).await;
    }
    let messages = messages(&inspection).await;
    if as_json {
        return terminal::print_json(&messages);
    }
    let count = count(messages.len() as u64, inspection.listing().total().as_u64());
    let table = if messages.is_empty() { String::new() } else { table(&messages) };
    terminal::print(&format!("{table}{}: {count}\n", terminal::visible(account.name.as_str())))
}

fn table(messages: &[Message]) -> String {
    let mut table = Table::new(vec![
        Column::number("NUMBER"),
        Column::number("OCTETS"),
        Column::text("TIME"),
        Column::text("UNIQUE-ID"),
        Column::text("SUBJECT"),
    ]);
    for Message { number, octets, time, unique_id, subject } in messages {
        let mut subject = subject.clone().unwrap_or_default();
        if let Some((at, _)) = subject.char_indices().nth(SUBJECT_SHOWN) {
            subject.truncate(at);
            subject.push('…');
        }
        table.push(vec![
            number.to_string(),
            octets.to_string(),
            time.clone().unwrap_or_else(|| "-".to_owned()),
            unique_id.clone(),
            subject,
        ]);
    }
    table.render()
}

async fn messages(inspection: &Inspection) -> Vec<Message> {
    let listing = inspection.listing();
    let mut messages = Vec::with_capacity(listing.len());
    for index in 0..listing.len() {
        let (Some(octets), Some(unique_id)) = (listing.octets(index), listing.unique_id(index)) else {
            break;
        };
        let time = inspection.delivered(index).and_then(|time| jiff::Timestamp::try_from(time).ok());
        messages.push(Message {
            number: index + 1,
            octets: octets.as_u64(),
            time: time.map(|time| format!("{time:.0}")),
            unique_id: unique_id.as_str().to_owned(),
            subject: subject(inspection, index).await,
        });
    }
    messages
}

/// The subject, decoded. `None` when there is none, or the message cannot be read.
async fn subject(inspection: &Inspection, index: usize) -> Option<String> {
    let wanted = inspection.shape(index)?.header_octets.clamp(1, HEADER_OCTETS_MAX);
    let mut message = inspection.message(index).await.ok()?;
    let mut header = Vec::new();
    while (header.len() as u64) < wanted {
        let left = usize::try_from(wanted).unwrap_or(CHUNK_OCTETS) - header.len();
        if message.read(&mut header, left.min(CHUNK_OCTETS)).await.ok()? == 0 {
            break;
        }
    }
    MessageParser::default().parse_headers(&header)?.subject().map(str::to_owned)
}

/// Prints the message that is meant by a number or a unique-id. On a terminal nothing that would steer it comes through.
async fn print_message(inspection: &Inspection, wanted: &str) -> Result<(), Failure> {
    let nothing = || {
        let remedy = "name its number, or else its unique-id";
        Failure::new(Code::NoInput, format!("there is no message '{wanted}'")).remedy(remedy)
    };
    let unreadable = |error: &dyn std::error::Error| Failure::new(Code::Io, exit::chain(error));
    let index = find(inspection, wanted).ok_or_else(nothing)?;
    let mut message = inspection.message(index).await.map_err(|error| unreadable(&error))?;
    let mut chunk = Vec::new();
    while message.read(&mut chunk, CHUNK_OCTETS).await.map_err(|error| unreadable(&error))? > 0 {
        terminal::print_octets(&chunk)?;
        chunk.clear();
    }
    Ok(())
}

/// Digits are a message-number where there is one.
fn find(inspection: &Inspection, wanted: &str) -> Option<usize> {
    let listing = inspection.listing();
    let number = wanted.parse::<usize>().ok().filter(|number| (1..=listing.len()).contains(number));
    let is_wanted = |index: &usize| listing.unique_id(*index).is_some_and(|id| id.as_str() == wanted);
    number.map(|number| number - 1).or_else(|| (0..listing.len()).find(is_wanted))
}

/// A message for programs.
#[derive(Serialize)]
struct Message {
    number: usize,
    octets: u64,
    /// When it was delivered; `None` when that is not known.
    time: Option<String>,
    unique_id: String,
    subject: Option<String>,
}

/// More of a header is not read for a subject.
const HEADER_OCTETS_MAX: u64 = 64 * 1024;

/// So many characters of a subject are shown in a table.
const SUBJECT_SHOWN: usize = 80;
