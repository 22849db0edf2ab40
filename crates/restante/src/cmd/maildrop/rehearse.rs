//! `restante maildrop rehearse`: what a client sees at the old server beside what it sees here.

use std::collections::HashMap;

use restante_auth::account::Account;
use restante_client::pop3::Client;
use restante_proto::maildrop::MessageNumber;
use restante_server::config::Config;
use restante_store::maildrop::{CHUNK_OCTETS, Inspection};
use restante_store::migrate::fingerprint::Fingerprint;
use serde::Serialize;

use super::super::configuration;
use super::remote::{self, Listed, Logins, PopUrlText, Remote};
use super::{accounts, inspect};
use crate::exit::{self, Code, Failure};
use crate::flags::Rehearse;
use crate::terminal;

/// Runs the comparison for one account or for all.
pub(super) async fn run(flags: &Rehearse) -> Result<(), Failure> {
    let config = configuration::load(&flags.file)?;
    let old = Remote::new(&flags.from, &flags.login)?;
    let new = flags.to.as_deref().map(|url| Remote::new(url, &flags.login)).transpose()?;
    let logins = Logins::new(&flags.which, &PopUrlText(&flags.from), &flags.login)?;
    let mut outcomes = Vec::new();
    for account in accounts(&config, &flags.which).await? {
        let compared = compare(&config, &account, (&old, new.as_ref()), &logins, flags.quick).await;
        let outcome = match compared {
            Ok(outcome) => outcome,
            Err(failure) if flags.which.all => Outcome::failed(&account, failure),
            Err(failure) => return Err(failure),
        };
        if !flags.json.json {
            terminal::print(&outcome.lines())?;
        }
        outcomes.push(outcome);
    }
    if flags.json.json {
        terminal::print_json(&outcomes)?;
    }
    if let Some(failure) = outcomes.iter().find_map(|outcome| outcome.failure.as_ref()) {
        return Err(failure.summed_up("not every account could be compared"));
    }
    match outcomes.iter().all(|outcome| outcome.differences.is_empty()) {
        true => Ok(()),
        false => Err(Failure::new(Code::NotAll, "clients would see differences")),
    }
}

/// The side of an account that is to be like the old one.
enum New {
    Maildrop(Inspection),
    Server(Box<Client>, Vec<MessageNumber>),
}

async fn compare(
    config: &Config,
    account: &Account,
    (old, new): (&Remote, Option<&Remote>),
    logins: &Logins,
    is_quick: bool,
) -> Result<Outcome, Failure> {
    let name = account.name.as_str();
    let mut client = old.connect(name, logins).await?;
    let there = remote::list(&mut client).await?;
    let (mut new, here) = open(config, account, new, logins).await?;
    let mut outcome = Outcome::new(account, there.len(), here.len());
    let mut places: HashMap<&[u8], usize> =
        here.iter().enumerate().map(|(index, (unique_id, _))| (unique_id.as_slice(), index)).collect();
    let mut last = None;
    for message in &there {
        let mut differ = |what, old: String, new: String| {
            let unique_id = String::from_utf8_lossy(&message.unique_id).into_owned();
            outcome.differences.push(Difference {
                number: message.number.as_u32(),
                unique_id,
                what,
                old,
                new,
            });
        };
        let Some(index) = places.remove(message.unique_id.as_slice()) else {
            differ("unique-id", "shown".to_owned(), "not shown, or for another message".to_owned());
            continue;
        };
        if last.is_some_and(|last| index < last) {
            differ("order", format!("number {}", message.number.as_u32()), format!("number {}", index + 1));
        }
        last = Some(index);
        let octets = here.get(index).map_or(0, |(_, octets)| *octets);
        if octets != message.octets {
            differ("octets", message.octets.to_string(), octets.to_string());
        }
        if !is_quick {
            let one = remote::fingerprint(&mut client, message.number).await?;
            let other = new.fingerprint(index).await?;
            if one != other {
                differ("contents", one.to_string(), other.to_string());
            }
        }
    }
    outcome.add_surplus(&there, &here);
    drop(client.quit().await);
    if let New::Server(client, _) = new {
        drop(client.quit().await);
    }
    Ok(outcome)
}

/// Unique-ids and octets in their order.
type Shown = Vec<(Vec<u8>, u64)>;

async fn open(
    config: &Config,
    account: &Account,
    remote: Option<&Remote>,
    logins: &Logins,
) -> Result<(New, Shown), Failure> {
    let Some(remote) = remote else {
        let inspection = inspect(config, account)
            .await
            .map_err(|what| Failure::new(Code::Io, format!("{}: {what}", account.name)))?;
        let listing = inspection.listing();
        let entry = |index: usize| {
            Some((listing.unique_id(index)?.as_bytes().to_vec(), listing.octets(index)?.as_u64()))
        };
        let shown = (0..listing.len()).filter_map(entry).collect();
        return Ok((New::Maildrop(inspection), shown));
    };
    let mut client = remote.connect(account.name.as_str(), logins).await?;
    let listed = remote::list(&mut client).await?;
    let numbers = listed.iter().map(|listed| listed.number).collect();
    let shown = listed.into_iter().map(|listed| (listed.unique_id, listed.octets)).collect();
    Ok((New::Server(Box::new(client), numbers), shown))
}

impl New {
    async fn fingerprint(&mut self, index: usize) -> Result<Fingerprint, Failure> {
        match self {
            Self::Maildrop(inspection) => stored(inspection, index).await,
            Self::Server(client, numbers) => {
                let number = numbers.get(index).copied();
                let number =
                    number.ok_or_else(|| Failure::new(Code::Software, "a message without a number"))?;
                remote::fingerprint(client, number).await
            }
        }
    }
}

async fn stored(inspection: &Inspection, index: usize) -> Result<Fingerprint, Failure> {
    let failed = |error| Failure::new(Code::Io, format!("message {}: {}", index + 1, exit::chain(&error)));
    let mut message = inspection.message(index).await.map_err(failed)?;
    let (mut fingerprint, mut chunk) = (Fingerprint::default(), Vec::new());
    while message.read(&mut chunk, CHUNK_OCTETS).await.map_err(failed)? > 0 {
        fingerprint.stored(&chunk);
        chunk.clear();
    }
    fingerprint.stored_end();
    Ok(fingerprint)
}

/// What came of one account.
#[derive(Serialize)]
struct Outcome {
    account: String,
    /// Messages at the old server.
    old: usize,
    /// Messages here.
    new: usize,
    differences: Vec<Difference>,
    error: Option<String>,
    #[serde(skip)]
    failure: Option<Failure>,
}

/// What a client would notice.
#[derive(Serialize)]
struct Difference {
    /// The message's number at the old server; for one that is only here, its number here.
    number: u32,
    unique_id: String,
    /// `unique-id`, `order`, `octets`, `contents` or `surplus`.
    what: &'static str,
    old: String,
    new: String,
}

impl Outcome {
    fn new(account: &Account, old: usize, new: usize) -> Self {
        Self {
            account: account.name.to_string(),
            old,
            new,
            differences: Vec::new(),
            error: None,
            failure: None,
        }
    }

    fn failed(account: &Account, failure: Failure) -> Self {
        Self { error: Some(failure.to_string()), failure: Some(failure), ..Self::new(account, 0, 0) }
    }

    /// Messages that only the new side shows.
    fn add_surplus(&mut self, there: &[Listed], here: &[(Vec<u8>, u64)]) {
        let known: std::collections::HashSet<&[u8]> =
            there.iter().map(|listed| listed.unique_id.as_slice()).collect();
        for (number, (unique_id, _)) in (1..).zip(here) {
            if !known.contains(unique_id.as_slice()) {
                self.differences.push(Difference {
                    number,
                    unique_id: String::from_utf8_lossy(unique_id).into_owned(),
                    what: "surplus",
                    old: "not shown".to_owned(),
                    new: "shown".to_owned(),
                });
            }
        }
    }

    fn lines(&self) -> String {
        let account = terminal::visible(&self.account);
        if let Some(error) = &self.error {
            return format!("{account}: {}\n", terminal::visible(error));
        }
        let mut lines = String::new();
        for Difference { number, unique_id, what, old, new } in self.differences.iter().take(LINES_MAX) {
            let line = format!("{number} {unique_id}: {what}: {old}; here: {new}");
            lines.push_str(&format!("  {}\n", terminal::visible(&line)));
        }
        if self.differences.len() > LINES_MAX {
            lines.push_str(&format!(
                "  and {} more (all of them with --json)\n",
                self.differences.len() - LINES_MAX
            ));
        }
        let said = match self.differences.len() {
            0 => "no difference".to_owned(),
            count => super::plural(count, "difference"),
        };
        format!("{lines}{account}: {} there, {} here: {said}\n", super::plural(self.old, "message"), self.new)
    }
}

/// So many differences of one account are shown to a person.
const LINES_MAX: usize = 20;
