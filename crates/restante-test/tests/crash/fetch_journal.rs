//! The journal of what collects mail: begun, appended to by one pass after the other, and written anew.
//!
//! What a commit has acknowledged is there; what it has not is there whole or not at all; and what was once shown to a pass stays when
//! that pass has committed anything, because it was built upon.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use restante_fetch::journal::{Contents, Ending, Entry, Journal, Poll, QuitOutcome, Record};
use restante_fetch::key::Key;
use restante_fetch::sink::SinkId;
use restante_test::disk::{Aftermath, Counted, Fault, Lasting, SimulatedDisk};

use crate::fetch_loops::{self, Scenario};

fn folder() -> PathBuf {
    Path::new("/state/fetch").join(Journal::folder_name("alice@example.org"))
}

/// All that a journal tells.
type Story = (Vec<(Key, Entry)>, Option<Poll>, Option<Ending>, bool);

fn story(journal: &Journal) -> Story {
    let entries = journal.entries().map(|(key, entry)| (key.clone(), entry.clone())).collect();
    (entries, journal.last_poll(), journal.last_ending(), journal.is_new())
}

/// What these records come to.
fn told<'a>(records: impl IntoIterator<Item = &'a Record>) -> Story {
    let mut journal = Journal::look(Arc::new(SimulatedDisk::new()), &folder()).expect("nothing is there");
    records.into_iter().for_each(|record| journal.record(record.clone()));
    story(&journal)
}

#[derive(Clone, Default)]
struct Promises {
    /// Acknowledged, or shown to somebody who was acknowledged something later.
    kept: Vec<Record>,
    /// Commits that failed or were cut off, oldest first: each is there or not.
    asked: Vec<Vec<Record>>,
}

impl Promises {
    /// The records that the journal shows.
    fn shown(&self, journal: &Journal) -> Vec<Record> {
        let seen = story(journal);
        let choices = 0..1_u32 << self.asked.len();
        let chosen = choices.into_iter().map(|choice| {
            let asked = self.asked.iter().zip(0..).filter(|(_, nth)| choice >> nth & 1 == 1);
            self.kept.iter().chain(asked.flat_map(|(group, _)| group)).cloned().collect::<Vec<_>>()
        });
        let found = chosen.into_iter().find(|records| told(records) == seen);
        found.unwrap_or_else(|| {
            panic!(
                "{} commits were kept and {} asked for, and the journal shows {seen:#?}",
                self.kept.len(),
                self.asked.len()
            )
        })
    }

    /// One pass: opens the journal and commits these, one group after the other, until something fails.
    fn pass(&mut self, disk: &SimulatedDisk, groups: &[Vec<Record>], rewrites: bool) -> bool {
        let Ok(mut journal) = Journal::open(Arc::new(disk.clone()), &folder()) else { return false };
        let mut shown = self.shown(&journal);
        for group in groups {
            group.iter().for_each(|record| journal.record(record.clone()));
            shown.extend(group.iter().cloned());
            self.asked.push(group.clone());
            if journal.commit().is_err() {
                assert!(journal.commit().is_err(), "nothing is acknowledged after a failure");
                return false;
            }
            (self.kept, self.asked) = (shown.clone(), Vec::new());
        }
        if rewrites && journal.rewrite().is_ok() {
            (self.kept, self.asked) = (shown, Vec::new());
        }
        true
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("a moment")
}

fn key(number: u8) -> Key {
    Key::new(format!("unique-id {number}").as_bytes())
}

fn collected(number: u8) -> [Vec<Record>; 2] {
    let contents = Contents { octets: 4096, digest: [number; 32], header_digest: [number; 16] };
    let name = format!("1700000000.R{number}.restante").into();
    let sink = |name: &str| SinkId(name.into());
    [
        vec![
            Record::Listed { key: key(number), octets: Some(4096), at: at(0) },
            Record::Intended { key: key(number), contents, name },
        ],
        vec![
            Record::Marked { key: key(number), sink: sink("maildir:/home/alice/Mail") },
            Record::Marked { key: key(number), sink: sink("lmtp:localhost") },
            Record::Collected { key: key(number), at: at(1) },
        ],
    ]
}

fn polled(second: i64) -> Vec<Record> {
    vec![Record::Polled { at: at(second), messages: 3 }, Record::Gone { key: key(1), at: at(second) }]
}

fn ended(second: i64) -> Vec<Record> {
    vec![Record::Ended { at: at(second), deletions: 2, outcome: QuitOutcome::Unknown }]
}

/// A journal begins, and two passes append to it.
struct Appending;

impl Scenario for Appending {
    type Promises = Promises;

    fn prepare(&self, disk: &SimulatedDisk, _promises: &mut Promises) {
        disk.put_folder(Path::new("/state"));
    }

    fn act(&self, disk: &SimulatedDisk, promises: &mut Promises) {
        let [intended, marked] = collected(1);
        promises.pass(disk, &[polled(0), intended, marked, ended(1)], false);
        let [intended, marked] = collected(2);
        // One that is longer than a sector.
        let many =
            (10..40).map(|number| Record::Listed { key: key(number), octets: Some(1), at: at(2) }).collect();
        promises.pass(disk, &[many, intended, marked], false);
        promises.pass(disk, &[polled(3)], false);
    }

    fn judge(&self, disk: &SimulatedDisk, promises: &mut Promises) {
        goes_on(disk, promises);
    }
}

/// A journal of some age is written anew, and goes on.
struct WrittenAnew;

impl Scenario for WrittenAnew {
    type Promises = Promises;

    fn prepare(&self, disk: &SimulatedDisk, promises: &mut Promises) {
        disk.put_folder(Path::new("/state/fetch"));
        for number in 1..=20 {
            assert!(promises.pass(disk, &collected(number), false));
        }
        assert!(promises.pass(disk, &[polled(5), ended(6)], false));
    }

    fn act(&self, disk: &SimulatedDisk, promises: &mut Promises) {
        promises.pass(disk, &[polled(100)], true);
        let [intended, marked] = collected(30);
        promises.pass(disk, &[intended, marked], false);
        promises.pass(disk, &[ended(101)], true);
    }

    fn judge(&self, disk: &SimulatedDisk, promises: &mut Promises) {
        goes_on(disk, promises);
    }
}

/// The journal opens, shows what was promised, and can be written and rewritten.
fn goes_on(disk: &SimulatedDisk, promises: &mut Promises) {
    assert!(promises.pass(disk, &[], false), "it opens");
    for (nth, rewrites) in [(50, false), (51, true), (52, false)] {
        assert!(promises.pass(disk, &collected(nth), rewrites), "it can be written");
    }
    let crashed = disk.crash(Aftermath::Lost);
    assert!(promises.clone().pass(&crashed, &[], false), "it opens after a crash, too");
}

#[test]
fn survives_crashes_and_faults() {
    fetch_loops::run(module_path!(), &Appending);
}

mod rewritten {
    #[test]
    fn survives_crashes_and_faults() {
        super::fetch_loops::run(module_path!(), &super::WrittenAnew);
    }
}

/// What one try has made and not synced, because that failed, the next one finds there; and it fails, too.
#[test]
fn folders_are_durable_whatever_two_tries_came_to() {
    let mut tried = 0;
    for fault in [Fault::Io, Fault::Stale] {
        // Every pair of calls: the loops above know one fault at a time.
        for (first, second) in (1..20).flat_map(|first| (1..20).map(move |second| (first, second))) {
            let disk = SimulatedDisk::new();
            disk.put_folder(Path::new("/state"));
            let mut promises = Promises::default();
            for nth in [first, second] {
                disk.fail(fault, nth, Lasting::Once, Counted::Changes);
                promises.pass(&disk, &collected(1), false);
                tried += usize::from(disk.heal());
            }
            promises.pass(&disk, &collected(2), false);
            let (kept, asked) = (promises.kept.len(), promises.asked.len());
            let what =
                format!("change {first}, then {second} with {fault:?}, {kept} kept, {asked} asked for");
            assert!(kept > 0, "{what}: the third try has nothing against it");
            assert!(promises.pass(&disk.crash(Aftermath::Lost), &[], false), "{what}: it is gone");
        }
    }
    assert!(tried > 100, "{tried}");
}
