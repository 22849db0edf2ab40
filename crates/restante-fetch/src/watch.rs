//! Many accounts: which are looked at now, how many at a time, and when each is due again ([`mod@due`]).
//!
//! What a look at an account is, is the caller's: a [`Job`] is a name, a host and a closure, which runs on a thread of its own
//! because it may wait for disks. Nothing here reads a clock; it sleeps.

pub mod due;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};

use crate::event::{Event, Events};
use crate::report::{Failure, Kind, Report};
use due::{Due, Interval, State, due};

/// One account, as far as its turns go.
#[derive(Clone)]
pub struct Job {
    /// As the journal calls it; no two jobs have the same.
    pub account: Arc<str>,
    /// The host it connects to, for the bound on connections to one.
    pub host: Box<str>,
    /// How often it is looked at.
    pub interval: Interval,
    /// Where is told when it is due again.
    pub events: Events,
    /// Looks at it. Runs on a thread that may wait, never twice at a time.
    pub work: Arc<dyn Fn() -> Report + Send + Sync>,
}

impl fmt::Debug for Job {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Job")
            .field("account", &self.account)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// How many at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Accounts; not 0.
    pub jobs: usize,
    /// Accounts of one host; not 0. Servers count connections of one address, and count them as an attack some time.
    pub jobs_per_host: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { jobs: 8, jobs_per_host: 2 }
    }
}

/// What somebody wants of a watch.
#[derive(Debug)]
pub enum Call {
    /// Look at all accounts now, also at those that were stopped; at one that is being looked at once more after that.
    Wake,
    /// The configuration was read again. Accounts that are new, or were stopped, are looked at now; others when they are due;
    /// one that is not among these no more.
    Replace(Vec<Job>),
    /// End when those that run have ended. Whoever calls this has told them to be quick.
    Stop,
}

/// Looks at every account once, as many at a time as `limits` let. What each came to, by its name.
pub async fn once(jobs: Vec<Job>, limits: Limits) -> BTreeMap<Arc<str>, Report> {
    let mut crew = Crew::new(limits);
    let mut waiting: Vec<Job> = jobs;
    let mut reports = BTreeMap::new();
    loop {
        waiting.retain(|job| !crew.start(job));
        let Some((account, report)) = crew.finished().await else { return reports };
        reports.insert(account, report);
    }
}

/// Looks at accounts whenever they are due, until [`Call::Stop`] or until nobody can call any more. `dice` gives numbers
/// from 0 to 1. Cancelling it leaves threads behind; call [`Call::Stop`] instead.
pub async fn forever(
    jobs: Vec<Job>,
    limits: Limits,
    calls: &mut mpsc::Receiver<Call>,
    mut dice: impl FnMut() -> f64,
) {
    let mut watch =
        Watch { slots: BTreeMap::new(), crew: Crew::new(limits), timers: JoinSet::new(), timer: 0 };
    watch.replace(jobs);
    loop {
        watch.start();
        tokio::select! {
            finished = watch.crew.finished(), if !watch.crew.is_idle() => {
                if let Some((account, report)) = finished {
                    watch.ended(&account, &report, dice());
                }
            }
            Some(timer) = watch.timers.join_next(), if !watch.timers.is_empty() => watch.rang(timer),
            call = calls.recv() => match call {
                Some(Call::Wake) => watch.wake(),
                Some(Call::Replace(jobs)) => watch.replace(jobs),
                Some(Call::Stop) | None => break,
            },
        }
    }
    while let Some((account, report)) = watch.crew.finished().await {
        watch.ended(&account, &report, dice());
    }
}

struct Watch {
    slots: BTreeMap<Arc<str>, Slot>,
    crew: Crew,
    /// Each gives back its number when it rings.
    timers: JoinSet<u64>,
    /// The number of the newest.
    timer: u64,
}

struct Slot {
    job: Job,
    state: State,
    phase: Phase,
    again: Again,
}

/// Whether a look that runs is followed by another one at once. What it has seen may be from before somebody asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Again {
    No,
    /// When it fails in a way that only a new configuration mends: there was one meanwhile.
    WhenStopped,
    Yes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It is its turn as soon as there is room.
    Ready,
    Running,
    /// For the timer of this number. Others that ring late mean nothing.
    Waiting(u64),
    Stopped,
}

impl Watch {
    fn start(&mut self) {
        for slot in self.slots.values_mut().filter(|slot| slot.phase == Phase::Ready) {
            if self.crew.start(&slot.job) {
                slot.phase = Phase::Running;
            }
        }
    }

    fn ended(&mut self, account: &str, report: &Report, dice: f64) {
        let Some(slot) = self.slots.get_mut(account) else { return };
        let (state, due) = due(slot.state, slot.job.interval, report, dice);
        let again = std::mem::replace(&mut slot.again, Again::No);
        let is_stopped = matches!(due, Due::Stopped { .. });
        slot.state = state;
        let (phase, next) = match due {
            _ if again == Again::Yes || (again == Again::WhenStopped && is_stopped) => {
                (Phase::Ready, Event::Next { seconds: Some(0), reason: None })
            }
            Due::Stopped { reason } => {
                (Phase::Stopped, Event::Next { seconds: None, reason: Some(reason.to_owned()) })
            }
            Due::After { wait, reason } => {
                self.timer += 1;
                let number = self.timer;
                self.timers.spawn(async move {
                    tokio::time::sleep(wait).await;
                    number
                });
                let next = Event::Next { seconds: Some(rounded(wait)), reason: reason.map(str::to_owned) };
                (Phase::Waiting(number), next)
            }
        };
        slot.phase = phase;
        slot.job.events.say(next);
    }

    fn rang(&mut self, timer: Result<u64, JoinError>) {
        // A timer cannot fail but by being dropped with all others.
        let Ok(number) = timer else { return };
        if let Some(slot) = self.slots.values_mut().find(|slot| slot.phase == Phase::Waiting(number)) {
            slot.phase = Phase::Ready;
        }
    }

    fn wake(&mut self) {
        for slot in self.slots.values_mut() {
            match slot.phase {
                Phase::Running => slot.again = Again::Yes,
                _ => slot.phase = Phase::Ready,
            }
        }
    }

    fn replace(&mut self, jobs: Vec<Job>) {
        let mut before = std::mem::take(&mut self.slots);
        for job in jobs {
            let slot = match before.remove(&job.account) {
                Some(slot) if slot.phase == Phase::Running => {
                    Slot { job, again: slot.again.max(Again::WhenStopped), ..slot }
                }
                Some(slot) if slot.phase != Phase::Stopped => Slot { job, ..slot },
                // What has failed may work with what was written now.
                _ => Slot { job, state: State::default(), phase: Phase::Ready, again: Again::No },
            };
            self.slots.insert(Arc::clone(&slot.job.account), slot);
        }
    }
}

/// Those that run.
struct Crew {
    limits: Limits,
    threads: JoinSet<Report>,
    running: HashMap<Id, (Arc<str>, Box<str>)>,
}

impl Crew {
    fn new(limits: Limits) -> Self {
        Self { limits, threads: JoinSet::new(), running: HashMap::new() }
    }

    fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Starts a job when there is room for it.
    fn start(&mut self, job: &Job) -> bool {
        let of_host = self.running.values().filter(|(_, host)| *host == job.host).count();
        // An account that was taken out and put back in may run still.
        let is_running = self.running.values().any(|(account, _)| *account == job.account);
        if is_running || self.running.len() >= self.limits.jobs || of_host >= self.limits.jobs_per_host {
            return false;
        }
        let work = Arc::clone(&job.work);
        let id = self.threads.spawn_blocking(move || work()).id();
        self.running.insert(id, (Arc::clone(&job.account), job.host.clone()));
        true
    }

    /// The next that ends; `None` when none runs. Nothing is lost when this is cancelled.
    async fn finished(&mut self) -> Option<(Arc<str>, Report)> {
        let ended = self.threads.join_next_with_id().await?;
        let (id, report) = match ended {
            Ok((id, report)) => (id, report),
            Err(error) => {
                let failure = Failure::new(Kind::Files, "a fault of this program ended the pass");
                (error.id(), Report::failed(failure.remedy("please report it")))
            }
        };
        let (account, _) = self.running.remove(&id)?;
        Some((account, report))
    }
}

/// Whole seconds, not fewer than there are.
fn rounded(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
