//! The journal of a fetched account: whatever its bytes are, it is refused and left as it is, or all that it tells is told again
//! after it was written to, opened anew and written anew.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use restante_fetch::journal::fuzzing::sealed;
use restante_fetch::journal::{Contents, Ending, Entry, Journal, JournalError, Poll, QuitOutcome, Record};
use restante_fetch::key::Key;
use restante_fetch::sink::SinkId;
use restante_fuzz::disk::Memory;

const FOLDER: &str = "/state/alice";
const FILE: &str = "/state/alice/journal";

fuzz_target!(|input: &[u8]| {
    let Some((&form, bytes)) = input.split_first() else { return };
    // Checksums keep a fuzzer out, so it may also write only what they cover, and then spoil a part of that.
    match form & 3 {
        0 => file(bytes.to_vec()),
        1 => file(sealed(&blocks(bytes))),
        2 => file(sealed(&[(false, bytes)])),
        _ => {
            let Some((spoil, bytes)) = bytes.split_first_chunk::<3>() else { return };
            let mut octets = sealed(&blocks(bytes));
            let at = usize::from(u16::from_be_bytes([spoil[0], spoil[1]])) % octets.len();
            match spoil[2] {
                0 => octets.truncate(at),
                bits => octets[at] ^= bits,
            }
            file(octets);
        }
    }
});

/// Blocks: whether it knows what is before it as durable, two octets of length, steps.
fn blocks(mut bytes: &[u8]) -> Vec<(bool, &[u8])> {
    let mut blocks = Vec::new();
    while let [knows, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (steps, after) = rest.split_at(length.min(rest.len()));
        blocks.push((knows & 1 == 1, steps));
        bytes = after;
    }
    blocks
}

fn file(octets: Vec<u8>) {
    let (length, folder) = (octets.len() as u64, Path::new(FOLDER));
    let disk = Memory::with(Path::new(FILE), octets.clone());
    let opened = Journal::open(Arc::clone(&disk) as _, folder);
    assert_eq!(disk.octets(Path::new(FILE)), octets, "opening writes nothing");
    let looked = Journal::look(Arc::clone(&disk) as _, folder);
    let mut journal = match opened {
        Ok(journal) => journal,
        Err(error) => {
            assert_eq!(looked.expect_err("it cannot be opened").to_string(), error.to_string());
            match error {
                JournalError::Damaged { offset, .. } => assert!(offset <= length),
                JournalError::Later { version, .. } => assert!(version > 1),
                error => panic!("{error}"),
            }
            return;
        }
    };
    assert_eq!(told(&looked.expect("it could be opened")), told(&journal));
    let again = |journal: Journal| {
        let before = told(&journal);
        drop(journal);
        let journal = Journal::open(Arc::clone(&disk) as _, folder).expect("we have written it");
        assert_eq!(told(&journal), before);
        journal
    };
    let keys: Vec<Key> = journal.entries().map(|(key, _)| key.clone()).collect();
    for records in [first(&keys), second(&keys)] {
        records.into_iter().for_each(|record| journal.record(record));
        journal.commit().expect("nothing fails on this disk");
        journal = again(journal);
    }
    journal.rewrite().expect("nothing fails on this disk");
    journal = again(journal);
    journal.record(Record::Listed { key: Key::new(b"the last"), octets: None, at: at(9) });
    journal.compact().expect("nothing fails on this disk");
    again(journal);
}

/// One message through all its stages, and all that the file knows once more.
fn first(keys: &[Key]) -> Vec<Record> {
    let key = || Key::new(b"a message of ours");
    let contents = Contents { octets: 4096, digest: [1; 32], header_digest: [2; 16] };
    let mut records = vec![
        Record::Polled { at: at(1), messages: 1 },
        Record::Listed { key: key(), octets: Some(4096), at: at(1) },
        Record::Intended { key: key(), contents, name: "1.Rab.restante".into() },
        Record::Marked { key: key(), sink: SinkId("maildir:/m".into()) },
    ];
    let known = keys.iter().cloned();
    records.extend(known.map(|key| Record::Marked { key, sink: SinkId("lmtp:localhost".into()) }));
    records
}

/// The end of a pass; the rest is gone, back, or called otherwise.
fn second(keys: &[Key]) -> Vec<Record> {
    let mut records = vec![Record::Collected { key: Key::new(b"a message of ours"), at: at(2) }];
    for (number, key) in (0_u32..).zip(keys.iter().cloned()) {
        records.push(match number % 6 {
            0 => Record::Gone { key, at: at(3) },
            1 => Record::Returned { key },
            2 => Record::Collected { key, at: at(3) },
            3 => Record::Quarantined { key, reason: "550 no".into() },
            4 => Record::Renamed { from: key, to: Key { generation: number, ..Key::new(b"renamed") } },
            _ => Record::Forgotten { key },
        });
    }
    records.push(Record::Polled { at: at(100_000), messages: 2 });
    records.push(Record::Ended { at: at(100_001), deletions: 1, outcome: QuitOutcome::Unknown });
    records
}

type Told = (String, bool, Option<Poll>, Option<Ending>, Vec<(Key, Entry)>);

/// All that a journal tells.
fn told(journal: &Journal) -> Told {
    let entries: Vec<(Key, Entry)> =
        journal.entries().map(|(key, entry)| (key.clone(), entry.clone())).collect();
    for (key, entry) in &entries {
        assert_eq!(journal.entry(key), Some(entry));
        assert!(journal.with_unique_id(&key.unique_id).any(|(found, _)| found == key));
    }
    (journal.account().to_owned(), journal.is_new(), journal.last_poll(), journal.last_ending(), entries)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("a moment of our time")
}
