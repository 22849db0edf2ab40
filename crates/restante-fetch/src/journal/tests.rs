//! The journal on a real disk: what a record makes of an entry, and that a file tells the same.

// It looks at the files and changes them from outside.
#![allow(clippy::disallowed_methods)]

mod cut;

use std::fs;
use std::path::PathBuf;

use restante_store::disk::LocalDisk;
use tempfile::TempDir;

use super::*;

struct Place {
    _temporary: TempDir,
    folder: PathBuf,
}

impl Place {
    fn new() -> Self {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = temporary.path().join("state").join(Journal::folder_name("alice@example.org"));
        Self { _temporary: temporary, folder }
    }

    fn open(&self) -> Journal {
        self.try_open().unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_open(&self) -> Result<Journal, JournalError> {
        Journal::open(Arc::new(LocalDisk), &self.folder)
    }

    fn file(&self) -> PathBuf {
        self.folder.join("journal")
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.file()).expect("a journal")
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("a moment")
}

fn key(name: &str) -> Key {
    Key::new(name.as_bytes())
}

fn contents(octets: u64) -> Contents {
    let byte = octets as u8;
    Contents { octets, digest: [byte; 32], header_digest: [byte; 16] }
}

fn sink(name: &str) -> SinkId {
    SinkId(name.into())
}

fn listed(name: &str) -> Record {
    Record::Listed { key: key(name), octets: Some(1000), at: at(0) }
}

fn intended(name: &str) -> Record {
    Record::Intended { key: key(name), contents: contents(7), name: "1.Rabc.restante".into() }
}

fn marked(name: &str) -> Record {
    Record::Marked { key: key(name), sink: sink("maildir:/m") }
}

fn collected(name: &str) -> Record {
    Record::Collected { key: key(name), at: at(9) }
}

fn gone(name: &str, second: i64) -> Record {
    Record::Gone { key: key(name), at: at(second) }
}

fn quarantined(name: &str) -> Record {
    Record::Quarantined { key: key(name), reason: "550 no".into() }
}

fn skipped(name: &str) -> Record {
    Record::Skipped { key: key(name), reason: "too large".into() }
}

/// The stage that these records come to, in memory and after replay.
fn stage(records: impl IntoIterator<Item = Record>) -> Option<Stage> {
    let place = Place::new();
    let mut journal = place.open();
    // So that the records are appended to a file that is there.
    journal.record(Record::Polled { at: at(0), messages: 0 });
    journal.commit().expect("it can be written");
    records.into_iter().for_each(|record| journal.record(record));
    journal.commit().expect("it can be written");
    let before: Vec<(Key, Entry)> = all(&journal);
    drop(journal);
    let mut journal = place.open();
    assert_eq!(all(&journal), before, "replayed");
    journal.rewrite().expect("it can be written");
    assert_eq!(all(&journal), before, "written anew");
    drop(journal);
    let journal = place.open();
    assert_eq!(all(&journal), before, "written anew and replayed");
    journal.entry(&key("a")).map(|entry| entry.stage)
}

fn all(journal: &Journal) -> Vec<(Key, Entry)> {
    journal.entries().map(|(key, entry)| (key.clone(), entry.clone())).collect()
}

#[test]
fn the_table_of_states_holds() {
    let returned = || Record::Returned { key: key("a") };
    let cases: [(Vec<Record>, Option<Stage>); 27] = [
        (vec![listed("a")], Some(Stage::Listed)),
        (vec![listed("a"), skipped("a")], Some(Stage::Skipped)),
        (vec![skipped("a")], Some(Stage::Skipped)),
        (vec![skipped("a"), intended("a")], Some(Stage::Intended)),
        (vec![intended("a"), skipped("a")], Some(Stage::Intended)),
        (vec![listed("a"), intended("a"), marked("a")], Some(Stage::Intended)),
        (vec![intended("a"), marked("a"), collected("a")], Some(Stage::Collected)),
        (vec![collected("a")], Some(Stage::Collected)),
        (vec![collected("a"), intended("a")], Some(Stage::Collected)),
        (vec![collected("a"), quarantined("a")], Some(Stage::Collected)),
        (vec![collected("a"), skipped("a")], Some(Stage::Collected)),
        (vec![collected("a"), listed("a")], Some(Stage::Collected)),
        (vec![intended("a"), quarantined("a")], Some(Stage::Quarantined)),
        (vec![quarantined("a"), collected("a")], Some(Stage::Collected)),
        (vec![quarantined("a"), intended("a")], Some(Stage::Intended)),
        (vec![listed("a"), gone("a", 5)], None),
        (vec![skipped("a"), gone("a", 5)], None),
        (vec![intended("a"), gone("a", 5)], Some(Stage::Intended)),
        (vec![collected("a"), gone("a", 5), gone("a", 6)], Some(Stage::Gone(at(5)))),
        (vec![quarantined("a"), gone("a", 5)], Some(Stage::Gone(at(5)))),
        (vec![collected("a"), gone("a", 5), returned()], Some(Stage::Collected)),
        (vec![quarantined("a"), gone("a", 5), returned()], Some(Stage::Quarantined)),
        (vec![quarantined("a"), gone("a", 5), collected("a"), returned()], Some(Stage::Collected)),
        (vec![intended("a"), gone("a", 5), returned()], Some(Stage::Intended)),
        (vec![collected("a"), Record::Forgotten { key: key("a") }], None),
        (vec![gone("a", 5), returned(), marked("a"), Record::Forgotten { key: key("a") }], None),
        (vec![Record::Renamed { from: key("b"), to: key("a") }], None),
    ];
    for (records, expected) in cases {
        assert_eq!(stage(records.clone()), expected, "{records:?}");
        let twice = records.iter().flat_map(|record| [record.clone(), record.clone()]);
        assert_eq!(stage(twice), expected, "each twice: {records:?}");
    }
}

#[test]
fn a_renamed_message_takes_everything_along() {
    let place = Place::new();
    let mut journal = place.open();
    [listed("old"), intended("old"), marked("old"), collected("old"), gone("old", 5), listed("new")]
        .into_iter()
        .for_each(|record| journal.record(record));
    let before = journal.entry(&key("old")).expect("it is known").clone();
    journal.record(Record::Renamed { from: key("old"), to: key("new") });
    assert!(journal.entry(&key("old")).is_none());
    let after = journal.entry(&key("new")).expect("it is known by its new name");
    assert_eq!(*after, Entry { stage: Stage::Collected, ..before });
}

#[test]
fn a_rename_never_covers_what_has_a_story() {
    let place = Place::new();
    let mut journal = place.open();
    [collected("old"), intended("new"), Record::Renamed { from: key("old"), to: key("new") }]
        .into_iter()
        .for_each(|record| journal.record(record));
    assert_eq!(journal.entry(&key("old")).map(|entry| entry.stage), Some(Stage::Collected));
    assert_eq!(journal.entry(&key("new")).map(|entry| entry.stage), Some(Stage::Intended));
}

#[test]
fn marks_stay_with_the_same_message_only() {
    let place = Place::new();
    let mut journal = place.open();
    let marks = |journal: &Journal| journal.entry(&key("a")).expect("it is known").marks.len();
    let again = |octets: u8, header| {
        let contents =
            Contents { octets: octets.into(), digest: [octets + header; 32], header_digest: [header; 16] };
        Record::Intended { key: key("a"), contents, name: "1.Rabc.restante".into() }
    };
    [intended("a"), marked("a"), marked("a")].into_iter().for_each(|record| journal.record(record));
    assert_eq!(marks(&journal), 1);
    journal.record(again(8, 7));
    assert_eq!(marks(&journal), 1, "the server changed a field of its own");
    journal.record(again(8, 1));
    assert_eq!(marks(&journal), 0, "it is another message");
}

#[test]
fn the_first_pass_ends_with_its_end_and_an_import_counts_as_one() {
    let place = Place::new();
    let mut journal = place.open();
    assert!(journal.is_new());
    [listed("a"), intended("a"), collected("a"), Record::Polled { at: at(1), messages: 1 }]
        .into_iter()
        .for_each(|record| journal.record(record));
    assert!(journal.is_new(), "the first pass has not ended");
    journal.record(Record::Ended { at: at(2), deletions: 0, outcome: QuitOutcome::Unknown });
    assert!(!journal.is_new());
    journal.commit().expect("it can be written");
    drop(journal);
    let journal = place.open();
    assert!(!journal.is_new());
    assert_eq!(journal.last_poll(), Some(Poll { at: at(1), messages: 1 }));
    let mut imported = Place::new().open();
    imported.record(collected("a"));
    assert!(!imported.is_new());
}

#[test]
fn only_one_process_has_it() {
    let place = Place::new();
    let first = place.open();
    assert!(matches!(place.try_open(), Err(JournalError::InUse { .. })));
    let mut looked = Journal::look(Arc::new(LocalDisk), &place.folder).expect("it can be looked at");
    looked.record(listed("a"));
    assert!(matches!(looked.commit(), Err(JournalError::ReadOnly { .. })));
    drop(first);
    place.open();
}

#[test]
fn a_commit_of_nothing_touches_nothing() {
    let place = Place::new();
    let mut journal = place.open();
    journal.commit().expect("nothing to do");
    assert!(!place.file().exists());
    journal.record(collected("a"));
    journal.commit().expect("it can be written");
    let before = place.bytes();
    [collected("a"), listed("b"), gone("b", 1)].into_iter().for_each(|record| journal.record(record));
    journal.record(marked("nobody"));
    journal.record(collected("a"));
    journal.commit().expect("it can be written");
    assert_ne!(place.bytes(), before, "b came and went");
    let before = place.bytes();
    journal.record(collected("a"));
    journal.record(gone("nobody", 1));
    journal.commit().expect("nothing to do");
    assert_eq!(place.bytes(), before);
}

#[test]
fn the_account_is_the_one_that_the_journal_began_with() {
    let place = Place::new();
    let mut journal = place.open();
    assert_eq!(journal.account(), "alice@example.org");
    journal.record(collected("a"));
    journal.commit().expect("it can be written");
    drop(journal);
    let elsewhere = place.folder.with_file_name(Journal::folder_name("../work mail%"));
    assert!(elsewhere.ends_with("%2E./work%20mail%25") || elsewhere.ends_with("%2E.%2Fwork%20mail%25"));
    fs::rename(&place.folder, &elsewhere).expect("it can be renamed");
    let journal = Journal::open(Arc::new(LocalDisk), &elsewhere).expect("it opens");
    assert_eq!(journal.account(), "alice@example.org");
    let other = elsewhere.with_file_name(Journal::folder_name("ü/x"));
    assert_eq!(Journal::open(Arc::new(LocalDisk), &other).expect("it opens").account(), "ü/x");
}

/// A journal to which a few blocks were appended, and where each of them begins.
fn appended(place: &Place) -> Vec<usize> {
    let mut journal = place.open();
    let mut starts = Vec::new();
    for name in ["a", "b", "c", "d"] {
        starts.push(fs::metadata(place.file()).map_or(0, |file| file.len() as usize));
        journal.record(listed(name));
        journal.record(intended(name));
        journal.record(collected(name));
        journal.commit().expect("it can be written");
    }
    starts
}

#[test]
fn a_torn_end_is_cut_off_and_nothing_of_it_stays() {
    let place = Place::new();
    let last = *appended(&place).last().expect("four");
    let whole = place.bytes();
    for cut in last..whole.len() {
        let mut torn = whole.get(..cut).expect("a part").to_vec();
        // What lay in the blocks before, a good deal longer than what is written next.
        torn.resize(whole.len() + 3000, 0xA5);
        for bytes in [&whole[..cut], &torn] {
            fs::write(place.file(), bytes).expect("it can be written");
            let mut journal = place.open();
            assert!(journal.entry(&key("c")).is_some() && journal.entry(&key("d")).is_none(), "cut at {cut}");
            journal.record(listed("e"));
            journal.commit().expect("it can be written");
            drop(journal);
            assert!(!place.bytes().ends_with(&[0xA5; 8]), "cut at {cut}");
            let journal = place.open();
            assert_eq!(journal.entries().count(), 4, "cut at {cut}");
        }
    }
}

#[test]
fn damage_in_the_middle_is_an_error_that_says_where_and_what_to_do() {
    let place = Place::new();
    let starts = appended(&place);
    let (second, last) = (starts[1], starts[3]);
    let whole = place.bytes();
    for at in (0..last).step_by(3) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(place.file(), &bytes).expect("it can be written");
        let error = place.try_open().expect_err("it is damaged");
        match &error {
            JournalError::Damaged { offset, .. } if at >= second => {
                assert!(starts.contains(&(*offset as usize)) && *offset <= at as u64, "{at}: {error}");
            }
            // The first block was written with the header.
            JournalError::Damaged { offset, .. } => assert!(*offset < second as u64, "{at}: {error}"),
            JournalError::Later { .. } => assert!((12..16).contains(&at), "{at}: {error}"),
            _ => panic!("{at}: {error}"),
        }
        assert_eq!(place.bytes(), bytes, "nothing is written over it");
    }
    fs::write(place.file(), &whole[..second - 1]).expect("it can be written");
    assert!(place.try_open().is_ok(), "an end is only an end when nothing is known to have been behind it");
    let error = JournalError::Damaged { path: place.file(), offset: 17, what: "this" }.to_string();
    assert!(error.contains("journal is damaged at octet 17: this. Put it back from a backup."), "{error}");
}

#[test]
fn damage_in_a_file_that_was_written_anew_is_no_torn_end() {
    let place = Place::new();
    appended(&place);
    place.open().rewrite().expect("it can be written");
    let whole = place.bytes();
    for at in (0..whole.len()).rev().skip(codec::BLOCK_OCTETS) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(place.file(), &bytes).expect("it can be written");
        assert!(place.try_open().is_err(), "{at} of {}", whole.len());
    }
}

#[test]
fn an_empty_file_is_a_new_journal_and_a_later_version_is_refused() {
    let place = Place::new();
    appended(&place);
    let mut later = place.bytes();
    later[12] = 2;
    fs::write(place.file(), &later).expect("it can be written");
    let error = place.try_open().expect_err("it is of a later version");
    assert!(matches!(error, JournalError::Later { version: 2, .. }), "{error}");
    assert!(error.to_string().contains("use that version"), "{error}");
    fs::write(place.file(), b"").expect("it can be written");
    let mut journal = place.open();
    assert!(journal.is_new() && journal.entries().count() == 0);
    journal.record(collected("a"));
    journal.commit().expect("it can be written");
    drop(journal);
    assert_eq!(place.open().entries().count(), 1);
}

#[test]
fn two_in_one_block_of_memory_are_two_blocks_of_the_file_and_one_append() {
    let place = Place::new();
    let mut journal = place.open();
    journal.record(collected("a"));
    journal.commit().expect("it can be written");
    for number in 0..30_000 {
        let key = Key { unique_id: [b'u'; 60].into(), occurrence: number, generation: 0 };
        journal.record(Record::Listed { key, octets: None, at: at(0) });
    }
    journal.commit().expect("it can be written");
    drop(journal);
    assert!(place.bytes().len() > codec::BLOCK_OCTETS_USUAL);
    let journal = place.open();
    assert_eq!(journal.entries().count(), 30_001);
    assert_eq!(journal.with_unique_id(&[b'u'; 60]).count(), 30_000);
}

#[test]
fn tombstones_live_as_long_as_polls_last_and_no_shorter() {
    let (place, day) = (Place::new(), 24 * 60 * 60);
    let mut journal = place.open();
    let poll = |journal: &mut Journal, day_number: i64| {
        journal.record(Record::Polled { at: at(day_number * day), messages: 0 });
        journal.compact().expect("it can be written");
    };
    poll(&mut journal, 0);
    [collected("old"), gone("old", 0), intended("lost"), gone("lost", 0)]
        .into_iter()
        .for_each(|record| journal.record(record));
    // In use again for another message: the first tombstone tells that.
    let used = Key { generation: 1, ..key("used") };
    [collected("used"), gone("used", 0), Record::Collected { key: used, at: at(1) }]
        .into_iter()
        .for_each(|record| journal.record(record));
    poll(&mut journal, 2 * 365);
    poll(&mut journal, 4 * 365);
    assert_eq!(journal.entries().count(), 4, "it slept for four years and forgot nothing");
    (1..=398).for_each(|number| poll(&mut journal, 4 * 365 + number));
    assert_eq!(journal.entries().count(), 4);
    poll(&mut journal, 4 * 365 + 399);
    assert_eq!(journal.entries().count(), 2, "{:?}", all(&journal));
    assert!(journal.with_unique_id(b"used").count() == 2);
    drop(journal);
    assert_eq!(place.open().entries().count(), 2);
}

#[test]
fn a_file_that_is_mostly_dead_is_written_anew() {
    let place = Place::new();
    let mut journal = place.open();
    journal.record(collected("a"));
    let mut longest = 0;
    for number in 0..3_000 {
        journal.record(Record::Polled { at: at(number), messages: 1 });
        journal.compact().expect("it can be written");
        longest = longest.max(place.bytes().len() as u64);
    }
    assert!((WASTE_OCTETS - 100..WASTE_OCTETS).contains(&longest), "{longest}");
    assert_eq!(journal.last_poll().map(|poll| poll.at), Some(at(2_999)));
    assert_eq!(journal.entry(&key("a")).map(|entry| entry.stage), Some(Stage::Collected));
}

#[test]
fn a_status_counts_and_can_be_serialized() {
    let place = Place::new();
    let mut journal = place.open();
    [listed("l"), skipped("s"), intended("i"), collected("c"), collected("d"), quarantined("q")]
        .into_iter()
        .chain([collected("g"), gone("g", 70), collected("h"), gone("h", 60)])
        .chain([Record::Polled { at: at(80), messages: 6 }])
        .chain([Record::Ended { at: at(81), deletions: 2, outcome: QuitOutcome::NotCommitted }])
        .for_each(|record| journal.record(record));
    let json = serde_json::to_value(journal.describe()).expect("it can be serialized");
    let expected = serde_json::json!({
        "account": "alice@example.org",
        "listed": 1, "skipped": 1, "intended": 1, "collected": 2, "quarantined": 1, "gone": 2,
        "last_poll": { "at": "2023-11-14T22:14:40Z", "messages": 6 },
        "last_ending": { "at": "2023-11-14T22:14:41Z", "deletions": 2, "outcome": "not committed" },
        "oldest_gone": "2023-11-14T22:14:20Z",
    });
    assert_eq!(json, expected);
    assert_eq!(journal.forget(b"g"), 1);
    assert_eq!(journal.forget(b"g"), 0);
    assert_eq!(journal.describe().gone, 1);
}

/// A file of version 1, made by docs/on-disk.md and not by this code.
const FIXTURE: &[u8] = include_bytes!("../../fixtures/journal-1");

#[test]
fn a_file_of_version_1_is_read_as_the_page_says() {
    let place = Place::new();
    fs::create_dir_all(&place.folder).expect("a folder");
    fs::write(place.file(), FIXTURE).expect("it can be written");
    let mut journal = place.open();
    let contents = |byte| Some(Contents { octets: 4096, digest: [byte; 32], header_digest: [byte + 1; 16] });
    let known = |stage, octets, contents, name: Option<&str>, reason: Option<&str>| Entry {
        stage,
        listed_octets: octets,
        contents,
        name: name.map(Into::into),
        reason: reason.map(Into::into),
        marks: Vec::new(),
        first_listed: at(0),
        collected: None,
    };
    let early = Timestamp::from_second(-5).expect("a moment");
    let quarantined =
        known(Stage::Quarantined, Some(300), contents(1), Some("1.Ra.restante"), Some("554 spam"));
    let renamed = known(Stage::Collected, Some(4096), contents(2), Some("1.Rb.restante"), None);
    let new = known(Stage::Collected, Some(4096), contents(9), Some("2.Rd.restante"), None);
    let returned = known(Stage::Collected, None, None, None, None);
    let expected = [
        (key("0 listed"), known(Stage::Skipped, Some(10), None, None, Some("rule 1"))),
        (key("1 skipped"), known(Stage::Skipped, Some(11), None, None, Some("too large"))),
        (key("2 intended"), Entry { marks: vec![sink("lmtp:localhost")], ..quarantined }),
        (key("3 renamed"), Entry { first_listed: early, collected: Some(at(2)), ..renamed }),
        (key("new"), Entry { first_listed: at(10), collected: Some(at(11)), ..new }),
        (
            Key { unique_id: b"\xff gone"[..].into(), occurrence: 1, generation: 2 },
            Entry { collected: Some(at(2)), ..returned },
        ),
    ];
    assert_eq!(all(&journal), expected);
    assert_eq!(journal.last_poll(), Some(Poll { at: at(100_000), messages: 5 }));
    let ending = Ending { at: at(100_001), deletions: 1, outcome: QuitOutcome::Committed };
    assert_eq!(journal.last_ending(), Some(ending));
    assert_eq!(journal.account(), "alice@example.org");
    journal.rewrite().expect("it can be written");
    drop(journal);
    assert_eq!(all(&place.open()), expected, "written anew it says the same");
}
