//! `restante fetch quarantine`: messages that a sink has refused are listed, shown, delivered again and dropped.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use restante_fetch::config::Config;
use restante_fetch::config::deliver::SinkConfig;
use restante_fetch::journal::{Journal, JournalError};
use restante_fetch::quarantine::{End, Item, Quarantine, Redelivered, Whose};
use restante_fetch::secret::{self, SecretSource};
use restante_fetch::sink::{self, Fault, Sink, SinkId};
use restante_proto::secret::Secret;
use restante_store::disk::LocalDisk;
use serde::Serialize;

use super::{accounts, visits};
use crate::clock;
use crate::exit::{Code, Failure};
use crate::flags::fetch::QuarantineCommand;
use crate::terminal::{self, Column, Table, visible};

/// Runs one of its commands.
pub(super) fn run(command: &QuarantineCommand) -> Result<(), Failure> {
    match command {
        QuarantineCommand::List { state, json } => list(&accounts::state_dir(state)?, json.json),
        QuarantineCommand::Show { message, state } => show(&accounts::state_dir(state)?, message),
        QuarantineCommand::Retry { messages, config, to, state } => {
            let config = accounts::configuration(config.as_deref())?;
            let folder = match (&state.folder, &config) {
                (None, Some(config)) => config.state_dir.clone(),
                _ => accounts::state_dir(state)?,
            };
            retry(&folder, messages, config.as_ref(), &accounts::sinks_of(to)?)
        }
        QuarantineCommand::Drop { messages, state } => drop_all(&accounts::state_dir(state)?, messages),
    }
}

/// A message in the quarantine of an account.
struct Held {
    /// The account's folder of state.
    folder: PathBuf,
    item: Item,
}

/// As `--json` shows it.
#[derive(Serialize)]
struct Shown {
    message: String,
    account: String,
    unique_id: String,
    at: String,
    octets: u64,
    sink: String,
    reason: String,
}

fn list(state: &Path, as_json: bool) -> Result<(), Failure> {
    let held = all(state)?;
    if as_json {
        let shown = |Held { item, .. }: &'_ Held| Shown {
            message: item.mark(),
            account: item.account.clone(),
            unique_id: item.unique_id(),
            at: item.at.to_string(),
            octets: item.file_octets,
            sink: item.sink.to_string(),
            reason: item.reason.clone(),
        };
        return terminal::print_json(&held.iter().map(shown).collect::<Vec<_>>());
    }
    let mut table = Table::new(vec![
        Column::text("message"),
        Column::text("account"),
        Column::text("refused"),
        Column::number("octets"),
        Column::text("by"),
        Column::text("because"),
    ]);
    for Held { item, .. } in &held {
        table.push(vec![
            short(item),
            visible(&item.account),
            item.at.strftime("%F %T UTC").to_string(),
            item.file_octets.to_string(),
            visible(&item.sink.to_string()),
            visible(&item.reason),
        ]);
    }
    terminal::print(&table.render())
}

fn show(state: &Path, message: &str) -> Result<(), Failure> {
    let held = all(state)?;
    let Held { folder, item } = find(&held, message)?;
    let mut outcome = Ok(());
    let read = quarantine(folder).read(item, |piece| {
        terminal::print_octets(piece).map_err(|failure| {
            outcome = Err(failure);
            std::io::ErrorKind::BrokenPipe.into()
        })
    });
    outcome?;
    read.map_err(|failure| Failure::new(Code::Io, failure.to_string()))
}

fn retry(
    state: &Path,
    messages: &[String],
    config: Option<&Config>,
    to: &[SinkConfig],
) -> Result<(), Failure> {
    let held = all(state)?;
    let chosen: Vec<&Held> = match messages {
        [] => held.iter().collect(),
        messages => messages.iter().map(|message| find(&held, message)).collect::<Result<_, _>>()?,
    };
    let whose = if to.is_empty() { Whose::Own } else { Whose::Others };
    let (mut refused, mut on_their_way) = (0, 0);
    for Held { folder, item } in &chosen {
        let failed = |error: &JournalError| {
            let code = if matches!(error, JournalError::InUse { .. }) { Code::Temporary } else { Code::Io };
            Failure::new(code, error.to_string())
        };
        let mut journal = Journal::open(Arc::new(LocalDisk), folder).map_err(|error| failed(&error))?;
        let mut sinks = open(folder, item, config, to)?;
        let now = Timestamp::try_from(clock::wall()).unwrap_or_default();
        let redelivered = quarantine(folder).redeliver(item, &mut sinks, whose, &mut journal, now);
        match redelivered.map_err(|error| Failure::new(Code::Io, error.to_string()))? {
            Redelivered::End(End::OnItsWay) => on_their_way += 1,
            Redelivered::End(_) => {}
            Redelivered::Stays(faults) => {
                refused += 1;
                faults.iter().for_each(|(sink, fault)| complain(item, sink, fault));
            }
        }
    }
    let delivered = chosen.len() - refused;
    let mut said = format!("{delivered} delivered, {refused} still in the quarantine\n");
    if on_their_way > 0 {
        said.push_str(&format!(
            "{on_their_way} of them another sink of the account wanted later; it gets them with the next fetch\n"
        ));
    }
    terminal::print(&said)?;
    if refused > 0 { Err(Failure::said(Code::Data)) } else { Ok(()) }
}

fn complain(item: &Item, sink: &SinkId, fault: &Fault) {
    let what = match fault {
        Fault::Later(_) => "does not take it now",
        Fault::Refused(_) => "refuses it",
    };
    terminal::complain(&format!("{}: {sink} {what}: {}", short(item), visible(&fault.to_string())));
}

fn drop_all(state: &Path, messages: &[String]) -> Result<(), Failure> {
    let held = all(state)?;
    // All are known before the first goes.
    let chosen = messages.iter().map(|message| find(&held, message)).collect::<Result<Vec<_>, _>>()?;
    for Held { folder, item } in chosen {
        // Nobody else may be at it.
        let _journal = Journal::open(Arc::new(LocalDisk), folder)
            .map_err(|error| Failure::new(Code::Temporary, error.to_string()))?;
        let removed = quarantine(folder).remove(item);
        removed.map_err(|failure| Failure::new(Code::Io, failure.to_string()))?;
    }
    Ok(())
}

/// The sinks of the account that a message is of, or those that were named instead.
fn open(
    folder: &Path,
    item: &Item,
    config: Option<&Config>,
    to: &[SinkConfig],
) -> Result<Vec<Box<dyn Sink>>, Failure> {
    let is_it = |name: &str| folder.file_name() == Some(Journal::folder_name(name).as_ref());
    let account = config.and_then(|config| config.accounts.iter().find(|account| is_it(&account.name)));
    let sinks = match (to, account) {
        ([], Some(account)) => account.deliver.as_slice(),
        ([], None) => {
            return Err(Failure::new(Code::Usage, format!("{} stands in no configuration", item.account))
                .remedy("name where its messages go with --to"));
        }
        (to, _) => to,
    };
    let around = sink::Surroundings {
        disk: Arc::new(LocalDisk),
        state: folder,
        hostname: &visits::hostname(),
        password: &password,
    };
    let open = |sink| sink::open(sink, &around).map_err(|error| Failure::new(Code::Io, error.to_string()));
    sinks.iter().map(open).collect()
}

/// The password of a user of a relay.
fn password(source: &SecretSource, user: &str, host: &str) -> Result<Secret, String> {
    let ask =
        |question: &str| terminal::secret(question).map_err(|failure| failure.line().unwrap_or_default());
    let home = accounts::home();
    let around = secret::Surroundings {
        disk: &LocalDisk,
        environment: &accounts::variable,
        ask: terminal::can_ask().then_some(&ask),
        home: home.as_deref(),
        user,
        host,
        time_limit: secret::TIME_LIMIT,
    };
    source.resolve(&around).map_err(|error| error.to_string())
}

fn quarantine(folder: &Path) -> Quarantine {
    Quarantine::new(Arc::new(LocalDisk), folder)
}

/// The messages of all accounts. What cannot be read is told, and hides nothing else.
fn all(state: &Path) -> Result<Vec<Held>, Failure> {
    let mut held = Vec::new();
    for folder in accounts::folders(state)? {
        let listed =
            quarantine(&folder).list().map_err(|failure| Failure::new(Code::Io, failure.to_string()))?;
        for item in listed {
            match item {
                Ok(item) => held.push(Held { folder: folder.clone(), item }),
                Err(failure) => terminal::complain(&visible(&failure.to_string())),
            }
        }
    }
    Ok(held)
}

/// The message that is meant: by the beginning of its mark.
fn find<'a>(held: &'a [Held], message: &str) -> Result<&'a Held, Failure> {
    let mut found = held.iter().filter(|held| !message.is_empty() && held.item.mark().starts_with(message));
    match (found.next(), found.next()) {
        (Some(held), None) => Ok(held),
        (Some(_), Some(_)) => {
            Err(Failure::new(Code::Usage, format!("several messages begin with {}", visible(message)))
                .remedy("write more of it"))
        }
        (None, _) => Err(Failure::new(
            Code::NoInput,
            format!("there is no message {} in the quarantine", visible(message)),
        )
        .remedy("'restante fetch quarantine list' shows what is there")),
    }
}

/// As much of a mark as tells messages apart.
fn short(item: &Item) -> String {
    item.mark().chars().take(SHORT_DIGITS).collect()
}

const SHORT_DIGITS: usize = 12;
