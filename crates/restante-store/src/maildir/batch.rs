//! Deliveries that come at the same time and share their syncs ([`Syncs::Shared`]).
//!
//! One thread serves all of them. It takes what waits, at most [`MESSAGES_MAX`] messages, and goes through the steps of a
//! delivery (`writer.rs`) with all of them at once: write every file, one sync, rename every file, one sync, answer
//! everybody. Meanwhile the next ones gather, so nobody waits for a timer, and one that comes alone is delivered alone.
//! The sync is that of the whole file system, which is why this has to be asked for
//! (docs/design/0006-shared-syncs.md).
//!
//! A sync that several share cannot say whose file it was that failed. So when one fails, everything that it covered is
//! taken back and delivered anew, each message by itself with a file and syncs of its own, and succeeds or fails alone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use restante_proto::maildrop::UniqueId;
use tokio::sync::oneshot;

use super::writer::{self, Body, Errand, Placed, Spool};
use super::{Maildirs, Syncs};
use crate::failure::Failure;

/// The deliveries of all maildrops that wait to share a sync.
#[derive(Debug)]
pub(super) struct Batches {
    are_wanted: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Job>,
    /// A thread serves the queue, or will.
    is_served: bool,
}

/// One delivery to one maildrop.
#[derive(Debug)]
struct Job {
    errand: Errand,
    body: Body,
    answer: oneshot::Sender<Outcome>,
}

/// As `writer::deposit` gives it back.
type Outcome = (Body, Result<UniqueId, Failure>);

impl Batches {
    pub(super) fn new(syncs: Syncs) -> Self {
        Self { are_wanted: AtomicBool::new(syncs == Syncs::Shared), queue: Mutex::default() }
    }

    /// Whether deliveries come here at all.
    pub(super) fn are_wanted(&self) -> bool {
        self.are_wanted.load(Ordering::Relaxed)
    }

    /// How many wait for the batch that is going on.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue().waiting.len()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing is done under this lock that could panic half way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines up. Says whether somebody has to begin serving.
    fn join(&self, job: Job) -> bool {
        let mut queue = self.queue();
        queue.waiting.push_back(job);
        !std::mem::replace(&mut queue.is_served, true)
    }

    /// The next ones to be served; none ends the serving.
    fn next(&self) -> Vec<Job> {
        let mut queue = self.queue();
        let count = queue.waiting.len().min(MESSAGES_MAX);
        queue.is_served = count > 0;
        queue.waiting.drain(..count).collect()
    }
}

/// As `writer::deposit`, together with others. When the future is dropped, the message is delivered all the same.
///
/// # Errors
/// When nobody serves any more: the runtime stops, or the thread that served has panicked.
pub(super) async fn deposit(maildirs: &Arc<Maildirs>, errand: Errand, body: Body) -> io::Result<Outcome> {
    let (answer, outcome) = oneshot::channel();
    if maildirs.batches.join(Job { errand, body, answer }) {
        let shift = Shift { maildirs: Arc::clone(maildirs) };
        // It is heard of through the answers.
        drop(tokio::task::spawn_blocking(move || shift.serve()));
    }
    outcome.await.map_err(|_| io::Error::other("the delivery was interrupted"))
}

/// Somebody who serves until nobody waits. However that ends, and also when it never begins, nobody is left waiting.
struct Shift {
    maildirs: Arc<Maildirs>,
}

impl Shift {
    fn serve(self) {
        loop {
            let mut jobs = self.maildirs.batches.next();
            match jobs.len() {
                // Whoever comes from now on begins another shift, which this one must not end.
                0 => return std::mem::forget(self),
                1 => jobs.drain(..).for_each(|job| alone(&self.maildirs, job)),
                _ => together(&self.maildirs, jobs),
            }
        }
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        let mut queue = self.maildirs.batches.queue();
        queue.is_served = false;
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        // Each hears that its answer will not come. Temporary files go with the bodies.
        drop(waiting);
    }
}

fn alone(maildirs: &Arc<Maildirs>, job: Job) {
    let (body, result) = writer::deposit(maildirs, &job.errand, job.body);
    answer(job.answer, body, result);
}

/// Nobody hears it when the future has been dropped. Then the body goes here, and a temporary file with it.
fn answer(to: oneshot::Sender<Outcome>, body: Body, result: Result<UniqueId, Failure>) {
    drop(to.send((body, result)));
}

/// A message of a batch on its way.
struct Entry {
    errand: Errand,
    answer: oneshot::Sender<Outcome>,
    spool: Spool,
    /// Its octets, when the file was written in this batch.
    octets: Option<Vec<u8>>,
    /// The file's contents are durable.
    is_durable: bool,
    /// The file system of the file.
    device: u64,
}

/// What a shared sync has come to for one of those that shared it.
enum Verdict {
    Durable,
    /// It, and no other, has failed.
    Failed(Failure),
    /// Something has failed.
    Unknown(Failure),
}

fn together(maildirs: &Arc<Maildirs>, jobs: Vec<Job>) {
    let entries: Vec<Entry> = jobs.into_iter().filter_map(|job| begin(maildirs, job)).collect();

    let mut written = Vec::with_capacity(entries.len());
    for (verdict, entry) in sync_contents(maildirs, &entries).into_iter().zip(entries) {
        match verdict {
            Verdict::Durable => written.push(Entry { is_durable: true, ..entry }),
            Verdict::Failed(failure) => entry.end(Err(failure)),
            Verdict::Unknown(_) => entry.anew(maildirs),
        }
    }

    let mut placed = Vec::with_capacity(written.len());
    for mut entry in written {
        match writer::place(&entry.errand, &mut entry.spool) {
            Ok(place) => placed.push((entry, place)),
            Err(failure) => entry.end(Err(failure)),
        }
    }

    for (verdict, (entry, place)) in sync_names(maildirs, &placed).into_iter().zip(placed) {
        let disk = maildirs.disk();
        match verdict {
            Verdict::Durable => {
                let result = writer::settle(disk, &entry.errand, &place, &entry.spool);
                entry.end(result);
            }
            // As when a delivery is alone: it must not be there when the sender tries again.
            Verdict::Failed(failure) => {
                let _ = writer::take_back(disk, &entry.errand, &place);
                entry.end(Err(failure));
            }
            Verdict::Unknown(failure) => match writer::take_back(disk, &entry.errand, &place) {
                Ok(()) => entry.anew(maildirs),
                // Anew would be twice.
                Err(_) => entry.end(Err(failure)),
            },
        }
    }
}

/// Writes the file of one message. It has its answer when that fails.
fn begin(maildirs: &Arc<Maildirs>, job: Job) -> Option<Entry> {
    let Job { errand, body, answer: to } = job;
    let begun = maildirs.check_marker().and_then(|()| match &body {
        Body::Memory(buffer) => {
            let spool = Spool::create(maildirs, &errand.maildir, errand.now)?;
            spool.append(buffer)?;
            let device = spool.device()?;
            Ok(Some((spool, device)))
        }
        _ => Ok(None),
    });
    match (begun, body) {
        (Err(failure), body) => answer(to, body, Err(failure)),
        (Ok(Some((spool, device))), Body::Memory(buffer)) => {
            return Some(Entry {
                errand,
                answer: to,
                spool,
                octets: Some(buffer),
                is_durable: false,
                device,
            });
        }
        // It is synced by itself, so what goes wrong with the others' contents is not its concern.
        (Ok(_), Body::Spilled(spool, buffer)) => {
            match spool.append(&buffer).and_then(|()| spool.sync()).and_then(|()| spool.device()) {
                Ok(device) => {
                    return Some(Entry { errand, answer: to, spool, octets: None, is_durable: true, device });
                }
                Err(failure) => answer(to, Body::Lost(failure.cause().kind()), Err(failure)),
            }
        }
        (Ok(_), Body::Spooled(spool)) => match spool.device() {
            Ok(device) => {
                return Some(Entry { errand, answer: to, spool, octets: None, is_durable: true, device });
            }
            Err(failure) => answer(to, Body::Spooled(spool), Err(failure)),
        },
        (Ok(_), body) => alone(maildirs, Job { errand, body, answer: to }),
    }
    None
}

/// What became of the sync of a file system.
enum Shared {
    /// Everything on it is durable.
    Done,
    /// There was none; each has to sync what is its own.
    Left,
    /// Nobody knows what is durable.
    Failed(io::Error),
}

impl Shared {
    /// Syncs the file system that a message is on, for all messages there. It must be the one of them whose file was
    /// opened first: that opening is told of everything that went wrong since.
    fn sync(maildirs: &Maildirs, first: &Entry) -> Self {
        if !maildirs.batches.are_wanted() {
            return Self::Left;
        }
        match first.spool.file.sync_file_system() {
            Ok(true) => Self::Done,
            Ok(false) => {
                // It never will be. One thread that syncs for all, file by file, is slower than each by itself.
                maildirs.batches.are_wanted.store(false, Ordering::Relaxed);
                Self::Left
            }
            Err(error) => Self::Failed(error),
        }
    }
}

/// Makes the contents of all files durable.
fn sync_contents(maildirs: &Maildirs, entries: &[Entry]) -> Vec<Verdict> {
    let mut files: BTreeMap<u64, usize> = BTreeMap::new();
    let unsynced = entries.iter().filter(|entry| !entry.is_durable);
    unsynced.for_each(|entry| *files.entry(entry.device).or_default() += 1);
    let mut shared: BTreeMap<u64, Shared> = BTreeMap::new();
    let judge = |entry: &Entry| {
        if entry.is_durable {
            return Verdict::Durable;
        }
        let sync = || match files.get(&entry.device) {
            Some(1) => Shared::Left,
            _ => Shared::sync(maildirs, entry),
        };
        match shared.entry(entry.device).or_insert_with(sync) {
            Shared::Done => Verdict::Durable,
            Shared::Left => entry.spool.sync().map_or_else(Verdict::Failed, |()| Verdict::Durable),
            Shared::Failed(error) => Verdict::Unknown(entry.failure("sync", error)),
        }
    };
    entries.iter().map(judge).collect()
}

/// Makes the names of all messages durable.
fn sync_names(maildirs: &Maildirs, placed: &[(Entry, Placed)]) -> Vec<Verdict> {
    let mut folders: BTreeMap<u64, BTreeSet<&Path>> = BTreeMap::new();
    // A copy lies on a file system that nobody here has looked at.
    let known = placed.iter().filter(|(_, place)| !place.is_copied());
    known.for_each(|(entry, _)| {
        folders.entry(entry.device).or_default().insert(&entry.errand.maildir);
    });
    let mut shared: BTreeMap<u64, Shared> = BTreeMap::new();
    let mut synced: BTreeMap<&Path, io::Result<()>> = BTreeMap::new();
    let mut verdicts = Vec::with_capacity(placed.len());
    for (entry, place) in placed {
        let sync = || match folders.get(&entry.device) {
            Some(folders) if folders.len() > 1 => Shared::sync(maildirs, entry),
            _ => Shared::Left,
        };
        let left = Shared::Left;
        let shared = match place.is_copied() {
            true => &left,
            false => shared.entry(entry.device).or_insert_with(sync),
        };
        let sync_folder = || maildirs.disk().sync_folder(&entry.errand.new_folder());
        verdicts.push(match shared {
            Shared::Done => Verdict::Durable,
            Shared::Failed(error) => Verdict::Unknown(entry.failure("sync", error)),
            // A copy came into the folder at the same time as the others.
            Shared::Left => match synced.entry(&entry.errand.maildir).or_insert_with(sync_folder) {
                Ok(()) => Verdict::Durable,
                Err(error) => Verdict::Failed(entry.failure("sync", error)),
            },
        });
    }
    verdicts
}

impl Entry {
    /// Answers. What was not durable is still in memory for the next recipient.
    fn end(self, result: Result<UniqueId, Failure>) {
        let body = match self.octets {
            Some(buffer) if !self.is_durable => Body::Memory(buffer),
            _ => Body::Spooled(self.spool),
        };
        answer(self.answer, body, result);
    }

    /// Begins again, alone and with another file, and answers.
    fn anew(self, maildirs: &Arc<Maildirs>) {
        let Self { errand, answer, spool, octets, .. } = self;
        let body = match octets {
            // Its file goes.
            Some(buffer) => Body::Memory(buffer),
            None => Body::Spooled(spool),
        };
        alone(maildirs, Job { errand, body, answer });
    }

    fn failure(&self, doing: &'static str, error: &io::Error) -> Failure {
        let error = match error.raw_os_error() {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::from(error.kind()),
        };
        Failure::new(doing, &self.errand.maildir, error)
    }
}

/// So many messages share a sync at most: as many files are open then, and so much work is begun before the first is
/// acknowledged.
const MESSAGES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::disk::LocalDisk;
    use crate::maildir::Settings;
    use crate::survey::Survey;

    #[test]
    fn nobody_is_left_waiting_by_a_shift_that_never_begins() {
        let maildirs = Arc::new(Maildirs::new(Arc::new(LocalDisk), Settings::new("/")));
        let line_up = || {
            let (answer, outcome) = oneshot::channel();
            let findings = Survey::new().finish();
            let errand = Errand { maildir: "/".into(), now: UNIX_EPOCH, findings };
            let is_first = maildirs.batches.join(Job { errand, body: Body::Memory(Vec::new()), answer });
            (is_first, outcome)
        };
        let ((first, mut one), (second, mut other)) = (line_up(), line_up());
        assert!(first && !second);
        drop(Shift { maildirs: Arc::clone(&maildirs) });
        let closed = Err(oneshot::error::TryRecvError::Closed);
        assert!(one.try_recv().map(|_| ()) == closed && other.try_recv().map(|_| ()) == closed);
        assert_eq!(maildirs.batches.waiting(), 0);
        // The next one begins to serve again.
        assert!(line_up().0);
    }
}
