//! One visit to one account, from the lock of its journal to QUIT: the only place where client, plan, journal and sinks meet.
//!
//! Called by `watch` through a closure of the program's, on a thread of its own with a runtime of its own, since disks and sinks
//! are waited for here. How one gets to the server, what the sinks are, which disk and which clock: all come as arguments.

pub mod additions;
pub mod blame;
mod delivery;
mod expire;
mod intake;
pub mod login;
mod oddities;
mod planning;
mod restless;
mod retrieval;
pub mod stop;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use restante_client::pop3::{Client, Quit, Survey};
use restante_proto::maildrop::MessageNumber;
use restante_store::disk::Disk;

use crate::config::account::UniqueIds;
use crate::config::keep::Keep;
use crate::event::{Event, Events, Name};
use crate::journal::{Journal, QuitOutcome, Record, Stage};
use crate::plan::{Item, Plan};
use crate::rename::Choice;
use crate::report::{Failure, Kind, Report};
use crate::rule::Rules;
use crate::sink::Sink;
use additions::Additions;
use blame::{Peer, journal_failed};
use login::NoticeOf;
use planning::{Planned, settle};
use retrieval::{Retrieved, retrieve, stopped};
use stop::Stop;

/// Reads the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What is wanted of a visit.
#[derive(Clone)]
pub struct Order {
    /// The folder of the account's state.
    pub folder: PathBuf,
    /// What errors say of the server.
    pub peer: Peer,
    /// What goes in front of each message.
    pub additions: Additions,
    /// What of that which was collected stays on the server.
    pub keep: Keep,
    /// What is not fetched by what its header says.
    pub rules: Rules,
    /// Larger messages are postponed.
    pub max_size: Option<u64>,
    /// How often the account is visited, if it is more than once.
    pub interval: Option<Duration>,
    /// Whose word on unique-ids is taken.
    pub unique_ids: UniqueIds,
    /// What somebody has said of unique-ids that are new all at once.
    pub new_unique_ids: Option<Choice>,
    /// For [`Keep::WhileLocal`]: looks up the marks of what is in the local Maildir; `None` when that cannot be looked at.
    pub local: Option<Arc<Marks>>,
    /// Somebody has said that the local Maildir is right, however much is gone there.
    pub believes_local: bool,
    /// Looks whether what is shown to log in dies soon.
    pub notice: Option<Arc<NoticeOf>>,
    /// Nothing is changed, here or there; what would be done is told.
    pub is_dry_run: bool,
}

/// Looks up the marks of what is in the local Maildir.
pub type Marks = dyn Fn() -> Option<BTreeSet<Box<str>>> + Send + Sync;

impl fmt::Debug for Order {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Order")
            .field("folder", &self.folder)
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

/// What a visit takes place in.
#[derive(Clone)]
pub struct World {
    /// Where journal, spool, quarantine and sinks have their files.
    pub disk: Arc<dyn Disk>,
    /// The time.
    pub clock: Clock,
    /// Who is told what happens.
    pub events: Events,
    /// Who may end it early.
    pub stop: Stop,
}

impl fmt::Debug for World {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("World").field("disk", &self.disk).finish_non_exhaustive()
    }
}

/// Visits an account. `enter` connects and logs in; `sinks` opens the sinks, and is asked only when there is something to
/// deliver, on the thread that delivers.
///
/// Whatever happens, what the report calls collected is durable at every sink and in the journal; nothing was deleted on the
/// server that is not.
pub async fn run(
    order: &Order,
    world: &World,
    enter: impl AsyncFnOnce() -> Result<Client, Failure>,
    sinks: impl FnOnce() -> Result<Vec<Box<dyn Sink>>, Failure> + Send + 'static,
) -> Report {
    let mut report = Report::default();
    if let Err(failure) = visit(order, world, enter, sinks, &mut report).await {
        report.failure.get_or_insert(failure);
    }
    world.events.say(Event::Ended(Box::new(report.clone())));
    report
}

async fn visit(
    order: &Order,
    world: &World,
    enter: impl AsyncFnOnce() -> Result<Client, Failure>,
    sinks: impl FnOnce() -> Result<Vec<Box<dyn Sink>>, Failure> + Send + 'static,
    report: &mut Report,
) -> Result<(), Failure> {
    let journal = open(order, world)?;
    world.events.say(Event::Connecting { server: order.peer.route.to_string() });
    let mut client = unless_stopped(world, enter()).await??;
    world.events.say(Event::LoggedIn { tls: client.is_confidential() });
    login::tell(order, world, journal.last_poll().map(|poll| poll.at));
    match collect(order, world, &mut client, journal, sinks, report).await {
        Ok(left) => close(order, world, client, left, report).await,
        Err(failure) => {
            oddities::of_session(world, client.quirks(), client.statistics(), report);
            Err(failure)
        }
    }
}

/// What is left to be done when everything is collected.
struct Left {
    deletions: Vec<MessageNumber>,
    renamed: usize,
    journal: Journal,
}

/// Everything between login and the deletions.
async fn collect(
    order: &Order,
    world: &World,
    client: &mut Client,
    mut journal: Journal,
    sinks: impl FnOnce() -> Result<Vec<Box<dyn Sink>>, Failure> + Send + 'static,
    report: &mut Report,
) -> Result<Left, Failure> {
    let survey = unless_stopped(world, client.survey()).await?.map_err(|error| order.peer.failed(&error))?;
    report.login_delay = survey.capabilities.as_ref().and_then(|listed| listed.login_delay_s);
    let Planned { plan, renamed } = settle(order, world, client, &survey, &mut journal).await?;
    listed(world, &survey, &plan, report);
    expire::warn(order, world, survey.capabilities.as_ref(), &plan);
    if order.is_dry_run {
        planning::tell(world, &plan);
        return Ok(Left { deletions: Vec::new(), renamed, journal });
    }
    if !plan.fetch.is_empty() {
        let Retrieved { journal: left, report: retrieved } =
            retrieve(order, world, client, &plan.fetch, journal, Box::new(sinks)).await;
        report.take(retrieved);
        // The connection is of no more use then, and a session that breaks deletes nothing.
        if let Some(failure) = report.failure.take() {
            return Err(failure);
        }
        journal =
            left.ok_or_else(|| Failure::new(Kind::Files, "a fault of this program took the journal"))?;
    }
    Ok(Left { deletions: deletions(&plan, &journal), renamed, journal })
}

/// Counts and tells what is listed, and what of it is left on the server.
fn listed(world: &World, survey: &Survey, plan: &Plan, report: &mut Report) {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    report.listed =
        count(survey.entries.len() + survey.without_octets.len() + survey.without_unique_id.len());
    report.skipped = count(plan.skipped.len() + plan.postponed.len());
    let octets = plan.fetch.iter().filter_map(|item| item.octets).fold(0, u64::saturating_add);
    world.events.say(Event::Listed { messages: report.listed, wanted: count(plan.fetch.len()), octets });
    let left = |item: &Item, reason: String| {
        let (message, octets) = (Name::from(&item.key), item.octets.unwrap_or(0));
        world.events.say(Event::Skipped { message, octets, reason });
    };
    plan.skipped.iter().for_each(|skipped| left(&skipped.item, format!("rule {}", rule_of(&skipped.reason))));
    plan.postponed.iter().for_each(|item| left(item, "it is larger than max_size".to_owned()));
}

/// The name of the rule in the reason that the journal holds: what stands behind the digest of all rules.
fn rule_of(reason: &str) -> &str {
    reason.split_once("] ").map_or(reason, |(_, rule)| rule)
}

/// What is to be deleted now: what the plan says, and what has been collected since and the policy does not want any more.
fn deletions(plan: &Plan, journal: &Journal) -> Vec<MessageNumber> {
    let is_safe = |item: &&Item| {
        let entry = journal.entry(&item.key);
        entry.is_some_and(|entry| matches!(entry.stage, Stage::Collected | Stage::Quarantined))
    };
    let fetched = plan.fetch.iter().filter(|item| item.is_deleted_next).filter(is_safe);
    let mut numbers: Vec<MessageNumber> = plan
        .delete
        .iter()
        .map(|deletion| deletion.item.number)
        .chain(fetched.map(|item| item.number))
        .collect();
    numbers.sort_unstable();
    numbers
}

fn open(order: &Order, world: &World) -> Result<Journal, Failure> {
    let disk = Arc::clone(&world.disk);
    let opened = match order.is_dry_run {
        true => Journal::look(disk, &order.folder),
        false => Journal::open(disk, &order.folder),
    };
    opened.map_err(|error| journal_failed(&error))
}

/// Deletes, ends the session, and records what became of that.
async fn close(
    order: &Order,
    world: &World,
    client: Client,
    Left { deletions, renamed, mut journal }: Left,
    report: &mut Report,
) -> Result<(), Failure> {
    let closing = client.delete_and_quit(&deletions).await;
    oddities::of_session(world, &closing.quirks, closing.statistics, report);
    if order.is_dry_run {
        // What is not marked is not deleted, and nothing is recorded.
        return Ok(());
    }
    let asked = u32::try_from(deletions.len()).unwrap_or(u32::MAX);
    let refused = u32::try_from(closing.refused.len()).unwrap_or(u32::MAX);
    let (outcome, word) = match &closing.quit {
        Quit::Committed if refused == 0 => (QuitOutcome::Committed, "committed"),
        Quit::Committed | Quit::Refused(_) | Quit::NotSent(_) => (QuitOutcome::NotCommitted, "not-committed"),
        Quit::Unknown(_) => (QuitOutcome::Unknown, "unknown"),
    };
    if matches!(closing.quit, Quit::Committed) {
        report.deleted = asked.saturating_sub(refused);
    }
    if asked > 0 {
        world.events.say(Event::Deleted { messages: asked, outcome: word });
    }
    journal.record(Record::Ended { at: (world.clock)(), deletions: asked, outcome });
    journal.compact().map_err(|error| journal_failed(&error))?;
    restless::changed(order, world, renamed);
    match closing.quit {
        // The next pass deletes them; nothing is lost, and nothing comes twice.
        Quit::NotSent(error) if asked > 0 => Err(order.peer.failed(&error)),
        _ => Ok(()),
    }
}

async fn unless_stopped<T>(world: &World, work: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = world.stop.asked() => Err(stopped()),
        done = work => Ok(done),
    }
}

#[cfg(test)]
mod tests;
