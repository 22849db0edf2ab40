//! The delivery thread: batches of messages that lie whole in the spool go to the sinks, and the journal says so before and after.
//! It owns the journal as long as it runs. It knows no network.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::Clock;
use super::blame::{files_failed, journal_failed};
use crate::event::{Event, Events, Name};
use crate::journal::{Entry, Journal, Record, Stage};
use crate::key::Key;
use crate::quarantine::Quarantine;
use crate::report::{Failure, Kind, Report};
use crate::sink::{Fault, Message, Sink, SinkId};
use crate::spool::Spooled;

/// A message that has come whole.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) key: Key,
    pub(super) spooled: Spooled,
}

/// What takes messages to the sinks.
pub(super) struct Delivery {
    pub(super) journal: Journal,
    pub(super) quarantine: Quarantine,
    pub(super) clock: Clock,
    pub(super) events: Events,
}

/// Opens the sinks.
pub(super) type OpenSinks = Box<dyn FnOnce() -> Result<Vec<Box<dyn Sink>>, Failure> + Send>;

/// The delivery thread while it opens the sinks.
pub(super) struct Opening {
    pub(super) line: Line,
    /// The folder and the permissions of the sink that owns the spool, once all are open. Nothing comes when they cannot be; why is in `delivered`.
    pub(super) opened: oneshot::Receiver<Option<(PathBuf, Option<u32>)>>,
    pub(super) delivered: oneshot::Receiver<Delivered>,
}

/// The delivery thread, as the network thread sees it.
#[derive(Debug)]
pub(super) struct Line {
    batches: SyncSender<Vec<Arrived>>,
    /// Batches that were sent and are not delivered.
    waiting: Arc<AtomicUsize>,
}

/// What the delivery thread leaves when it ends.
pub(super) struct Delivered {
    /// The journal, unless a fault of this program ended the thread.
    pub(super) journal: Option<Journal>,
    /// What is durable where, counted.
    pub(super) report: Report,
}

impl Line {
    /// Sends a batch, and waits while two are waiting. `false` when nobody delivers any more.
    pub(super) fn send(&self, batch: Vec<Arrived>) -> bool {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        self.batches.send(batch).is_ok()
    }

    /// Whether there is nothing to do there.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
    }
}

/// The sinks in the order in which they are asked: the one that owns the spool last, since it takes the file away.
fn in_order(mut sinks: Vec<Box<dyn Sink>>) -> Vec<Box<dyn Sink>> {
    if let Some(owner) = sinks.iter().position(|sink| sink.spool().is_some()) {
        let owner = sinks.remove(owner);
        sinks.push(owner);
    }
    sinks
}

impl Delivery {
    /// Starts the thread, which opens the sinks and never lets go of them: some hold a runtime of their own. It ends when the [`Line`] is
    /// dropped and everything in it is delivered, or at a fault of the journal.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start(mut self, open: OpenSinks) -> std::io::Result<Opening> {
        let (batches, incoming) = sync_channel(BATCHES_WAITING_MAX);
        let (done, delivered) = oneshot::channel();
        let (ready, opened) = oneshot::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let line = Line { batches, waiting: Arc::clone(&waiting) };
        std::thread::Builder::new().name("delivery".into()).spawn(move || {
            let mut report = Report::default();
            // A panic must not look like a pass without messages.
            let ran = catch_unwind(AssertUnwindSafe(|| {
                let mut sinks = in_order(open()?);
                // Nobody waits any more when the pass was cancelled; then nothing comes in, either.
                let _ = ready.send(sinks.last().and_then(|sink| Some((sink.spool()?, sink.spool_mode()))));
                self.run(&mut sinks, &incoming, &waiting, &mut report)
            }));
            let journal = match ran {
                Ok(ended) => {
                    report.failure = ended.err();
                    Some(self.journal)
                }
                Err(_) => {
                    let failure = Failure::new(Kind::Files, "a fault of this program ended the delivery");
                    report.failure = Some(failure.remedy("please report it"));
                    None
                }
            };
            let _ = done.send(Delivered { journal, report });
        })?;
        Ok(Opening { line, opened, delivered })
    }

    fn run(
        &mut self,
        sinks: &mut [Box<dyn Sink>],
        incoming: &Receiver<Vec<Arrived>>,
        waiting: &AtomicUsize,
        report: &mut Report,
    ) -> Result<(), Failure> {
        for batch in incoming {
            self.deliver(sinks, &batch, report)?;
            waiting.fetch_sub(1, Ordering::AcqRel);
        }
        Ok(())
    }

    /// One batch: intents, sinks, marks. Two syncs of the journal, whatever the number of messages.
    fn deliver(
        &mut self,
        sinks: &mut [Box<dyn Sink>],
        batch: &[Arrived],
        report: &mut Report,
    ) -> Result<(), Failure> {
        let now = (self.clock)();
        let is_new = self.journal.is_new();
        let account: Box<str> = self.journal.account().into();
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(batch.len());
        for arrived in batch {
            let before = self.journal.entry(&arrived.key);
            let outcome = Outcome::new(&account, &arrived.key, before, is_new, now);
            self.journal.record(Record::Intended {
                key: arrived.key.clone(),
                contents: arrived.spooled.contents,
                name: outcome.name.clone(),
            });
            outcomes.push(outcome);
        }
        self.commit()?;
        // A mark of another message under the same key does not count: the journal has dropped it with the intent above.
        for (arrived, outcome) in batch.iter().zip(&mut outcomes) {
            let marks = self.journal.entry(&arrived.key).map(|entry| entry.marks.clone());
            outcome.marks = marks.unwrap_or_default();
        }
        if let Some((last, others)) = sinks.split_last_mut() {
            others.iter_mut().for_each(|sink| ask(sink.as_mut(), &account, batch, &mut outcomes));
            // The last may take the files away.
            self.quarantine(&account, batch, &mut outcomes)?;
            ask(last.as_mut(), &account, batch, &mut outcomes);
        }
        self.quarantine(&account, batch, &mut outcomes)?;
        self.settle(batch, outcomes, report)
    }

    /// Puts what a sink refuses where somebody can see to it. It is durable on return.
    fn quarantine(
        &mut self,
        account: &str,
        batch: &[Arrived],
        outcomes: &mut [Outcome],
    ) -> Result<(), Failure> {
        for (arrived, outcome) in batch.iter().zip(outcomes) {
            let Some((sink, reason)) = outcome.refused.as_ref().filter(|_| !outcome.is_quarantined) else {
                continue;
            };
            let message = outcome.message(account, arrived);
            self.quarantine.put(&message, sink, reason).map_err(|error| files_failed(&error))?;
            outcome.is_quarantined = true;
        }
        Ok(())
    }

    /// Records what has become of each, and tells it.
    fn settle(
        &mut self,
        batch: &[Arrived],
        outcomes: Vec<Outcome>,
        report: &mut Report,
    ) -> Result<(), Failure> {
        for (arrived, outcome) in batch.iter().zip(&outcomes) {
            let key = || arrived.key.clone();
            for sink in &outcome.new_marks {
                self.journal.record(Record::Marked { key: key(), sink: sink.clone() });
            }
            match (&outcome.later, &outcome.refused) {
                (Some(_), _) => {}
                (None, Some((_, reason))) => {
                    let reason = reason.as_str().into();
                    self.journal.record(Record::Quarantined { key: key(), reason });
                }
                (None, None) => self.journal.record(Record::Collected { key: key(), at: (self.clock)() }),
            }
        }
        self.commit()?;
        let released = self.release(batch, &outcomes);
        for (arrived, outcome) in batch.iter().zip(outcomes) {
            let (message, octets) = (Name::from(&arrived.key), arrived.spooled.contents.octets);
            match (outcome.later, outcome.refused) {
                (Some((sink, reason)), _) => {
                    report.later += 1;
                    self.events.say(Event::Postponed { message, sink: sink.to_string(), reason });
                }
                (None, Some((sink, reason))) => {
                    report.quarantined += 1;
                    self.events.say(Event::Quarantined { message, sink: sink.to_string(), reason });
                }
                (None, None) => {
                    report.collected += 1;
                    report.octets += octets;
                    self.events.say(Event::Collected { message, octets });
                }
            }
        }
        released
    }

    /// What one sink refused while another wanted it later is in the quarantine since; once it is durably collected it leaves.
    fn release(&mut self, batch: &[Arrived], outcomes: &[Outcome]) -> Result<(), Failure> {
        let is_collected = |outcome: &Outcome| outcome.later.is_none() && outcome.refused.is_none();
        let mut released = Ok(());
        for (arrived, outcome) in batch.iter().zip(outcomes) {
            if outcome.was_tried && is_collected(outcome) {
                let digest = &arrived.spooled.contents.digest;
                if let Err(error) = self.quarantine.release(&outcome.name, digest) {
                    released = Err(files_failed(&error));
                }
            }
        }
        released
    }

    fn commit(&mut self) -> Result<(), Failure> {
        self.journal.commit().map_err(|error| journal_failed(&error))
    }
}

/// What becomes of one message.
#[derive(Debug)]
struct Outcome {
    name: Box<str>,
    is_doubtful: bool,
    /// An earlier pass has recorded an intent, and no end.
    was_tried: bool,
    /// Sinks that had it before.
    marks: Vec<SinkId>,
    /// Sinks that have it now.
    new_marks: Vec<SinkId>,
    /// The first that takes it later, and why.
    later: Option<(SinkId, String)>,
    /// The first that will never take it, and why.
    refused: Option<(SinkId, String)>,
    is_quarantined: bool,
}

impl Outcome {
    fn new(account: &str, key: &Key, before: Option<&Entry>, is_new: bool, now: Timestamp) -> Self {
        let tried = before.filter(|entry| entry.stage == Stage::Intended);
        // The name of the first try stands, so that whoever recognizes it does.
        let name = tried.and_then(|entry| entry.name.clone());
        let name =
            name.unwrap_or_else(|| format!("{}.R{}.restante", now.as_second(), key.mark(account)).into());
        Self {
            name,
            is_doubtful: tried.is_some() || is_new,
            was_tried: tried.is_some(),
            marks: Vec::new(),
            new_marks: Vec::new(),
            later: None,
            refused: None,
            is_quarantined: false,
        }
    }

    fn message<'a>(&'a self, account: &'a str, arrived: &'a Arrived) -> Message<'a> {
        let path: &Path = arrived.spooled.path();
        Message {
            account,
            key: &arrived.key,
            name: &self.name,
            path,
            file_octets: arrived.spooled.file_octets,
            line_ends: arrived.spooled.line_ends,
            digest: arrived.spooled.contents.digest,
            is_doubtful: self.is_doubtful,
        }
    }
}

/// Gives a sink the messages that it has not, and notes its answers.
fn ask(sink: &mut dyn Sink, account: &str, batch: &[Arrived], outcomes: &mut [Outcome]) {
    let id = sink.id().clone();
    let wanting: Vec<bool> = outcomes.iter().map(|outcome| !outcome.marks.contains(&id)).collect();
    let messages: Vec<Message<'_>> = batch
        .iter()
        .zip(outcomes.iter())
        .zip(&wanting)
        .filter(|(_, is_wanted)| **is_wanted)
        .map(|((arrived, outcome), _)| outcome.message(account, arrived))
        .collect();
    if messages.is_empty() {
        return;
    }
    let mut answers = sink.deliver(&messages).into_iter();
    for (outcome, _) in outcomes.iter_mut().zip(wanting).filter(|(_, is_wanted)| *is_wanted) {
        // No answer is no promise.
        let answer = answers.next().unwrap_or_else(|| Err(Fault::Later("it gave no answer".into())));
        match answer {
            Ok(()) => outcome.new_marks.push(id.clone()),
            Err(Fault::Later(reason)) => _ = outcome.later.get_or_insert_with(|| (id.clone(), reason)),
            Err(Fault::Refused(reason)) => _ = outcome.refused.get_or_insert_with(|| (id.clone(), reason)),
        }
    }
}

/// Batches between the network and the disks: while one is delivered and one waits the network may go on.
const BATCHES_WAITING_MAX: usize = 2;

#[cfg(test)]
mod tests;
