//! Any records, committed in any groups, and the file cut off anywhere behind what was committed: what is read then is what some
//! prefix of the records came to, and all that was committed is in it.

// It cuts files from outside.
#![allow(clippy::disallowed_methods)]

use std::fs;

use proptest::prelude::*;
use restante_store::disk::LocalDisk;

use crate::journal::*;

/// All that a journal tells.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    entries: Vec<(Key, Entry)>,
    poll: Option<Poll>,
    ending: Option<Ending>,
    is_new: bool,
}

impl Told {
    fn by(journal: &Journal) -> Self {
        Self {
            entries: journal.entries().map(|(key, entry)| (key.clone(), entry.clone())).collect(),
            poll: journal.last_poll(),
            ending: journal.last_ending(),
            is_new: journal.is_new(),
        }
    }
}

/// What is done to a journal.
#[derive(Clone, Debug)]
enum Act {
    Record(Record),
    Commit,
    Compact,
    Rewrite,
    Reopen,
}

/// Few, so that records meet.
fn key() -> impl Strategy<Value = Key> {
    (prop::sample::select(vec!["a", "b", "c"]), 0..2_u32, 0..2_u32).prop_map(
        |(unique_id, occurrence, generation)| Key {
            occurrence,
            generation,
            ..Key::new(unique_id.as_bytes())
        },
    )
}

fn at() -> impl Strategy<Value = Timestamp> {
    // Some of two years, the moments before 1970 among them.
    (-100..100_i64).prop_map(|number| Timestamp::from_second(number * 700_001).expect("a moment"))
}

fn contents() -> impl Strategy<Value = Contents> {
    (0..300_u64, 0..3_u8, 0..3_u8).prop_map(|(octets, digest, header)| Contents {
        octets,
        digest: [digest; 32],
        header_digest: [header; 16],
    })
}

fn record() -> impl Strategy<Value = Record> {
    let text = || prop::sample::select(vec!["", "one", "another"]).prop_map(Box::<str>::from);
    let outcome = || {
        let outcomes = vec![QuitOutcome::Committed, QuitOutcome::NotCommitted, QuitOutcome::Unknown];
        prop::sample::select(outcomes)
    };
    prop_oneof![
        (key(), any::<Option<u64>>(), at()).prop_map(|(key, octets, at)| Record::Listed { key, octets, at }),
        (key(), text()).prop_map(|(key, reason)| Record::Skipped { key, reason }),
        (key(), contents(), text()).prop_map(|(key, contents, name)| Record::Intended {
            key,
            contents,
            name
        }),
        (key(), text()).prop_map(|(key, sink)| Record::Marked { key, sink: SinkId(sink) }),
        (key(), at()).prop_map(|(key, at)| Record::Collected { key, at }),
        (key(), text()).prop_map(|(key, reason)| Record::Quarantined { key, reason }),
        (key(), at()).prop_map(|(key, at)| Record::Gone { key, at }),
        key().prop_map(|key| Record::Returned { key }),
        (key(), key()).prop_map(|(from, to)| Record::Renamed { from, to }),
        key().prop_map(|key| Record::Forgotten { key }),
        (at(), any::<u32>()).prop_map(|(at, messages)| Record::Polled { at, messages }),
        (at(), any::<u32>(), outcome()).prop_map(|(at, deletions, outcome)| Record::Ended {
            at,
            deletions,
            outcome
        }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        20 => record().prop_map(Act::Record),
        4 => Just(Act::Commit),
        1 => Just(Act::Compact),
        1 => Just(Act::Rewrite),
        2 => Just(Act::Reopen),
    ]
}

fn open(folder: &Path) -> Journal {
    Journal::open(Arc::new(LocalDisk), folder).unwrap_or_else(|error| panic!("{error}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_file_cut_behind_a_commit_tells_all_that_was_committed(
        acts in prop::collection::vec(act(), 0..60),
        last in prop::collection::vec(record(), 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 4),
        more in record(),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let (folder, file) = (folder.path().join("alice"), folder.path().join("alice/journal"));
        let mut journal = open(&folder);
        for act in acts {
            match act {
                Act::Record(record) => journal.record(record),
                Act::Commit => journal.commit().expect("it can be written"),
                Act::Compact => journal.compact().expect("it can be written"),
                Act::Rewrite => journal.rewrite().expect("it can be written"),
                Act::Reopen => {
                    journal.commit().expect("it can be written");
                    let before = Told::by(&journal);
                    drop(journal);
                    journal = open(&folder);
                    prop_assert_eq!(Told::by(&journal), before);
                }
            }
        }
        journal.commit().expect("it can be written");
        let committed = Told::by(&journal);
        let until = fs::read(&file).map_or(0, |octets| octets.len());
        last.into_iter().for_each(|record| journal.record(record));
        journal.commit().expect("it can be written");
        let whole = Told::by(&journal);
        drop(journal);
        let octets = fs::read(&file).unwrap_or_default();
        prop_assert!(octets.len() >= until);
        // A new file appears under its name as a whole.
        let lengths = until + usize::from(until == 0 && !octets.is_empty()) * octets.len()..=octets.len();
        let drawn = cuts.into_iter().map(|cut| lengths.start() + cut.index(lengths.clone().count()));
        for length in drawn.chain([*lengths.start(), *lengths.end()]) {
            fs::write(&file, &octets[..length]).expect("it can be written");
            let mut journal = open(&folder);
            let told = Told::by(&journal);
            // A commit is a block: all of it, or nothing.
            let is_all = length == octets.len();
            prop_assert_eq!(&told, if is_all { &whole } else { &committed }, "cut at {}", length);
            // And it goes on from there.
            journal.record(more.clone());
            journal.commit().expect("it can be written");
            let after = Told::by(&journal);
            drop(journal);
            prop_assert_eq!(Told::by(&open(&folder)), after, "written to after a cut at {}", length);
        }
    }
}
