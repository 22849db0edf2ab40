//! The index as bytes: what is written is replayed, and nothing that is replayed does harm.

use proptest::prelude::*;

use super::codec::{Header, INDEX, Records};
use super::*;
use crate::disk::Kind;

const NONCE: u64 = 0x0123_4567_89ab_cdef;

fn record(delivered: i64, folder: Folder, order: u64) -> Record {
    let facts = Facts {
        is_from_name: order % 3 == 1,
        stored_octets: 300,
        modified_ns: -5,
        octets: 70_000,
        header_octets: 9,
        is_crlf: false,
        has_dot_lines: true,
        surrogate_octets: (order % 2 == 1).then_some(70_123),
    };
    let none = Span::default();
    Record {
        facts,
        order,
        delivered,
        ordinal: NO_ORDINAL,
        base: none,
        suffix: none,
        unique_id: none,
        folder,
        retrieved: None,
        has_twin: false,
    }
}

fn stamps(is_settled: bool) -> Stamps {
    let stamp = |inode| Stamp { inode, modified_ns: 7, changed_ns: i64::MIN, is_settled };
    Stamps { new: stamp(1), cur: stamp(u64::MAX) }
}

/// A file with three messages, the names of which are their times.
fn three(records: &mut Records) {
    records.message(&record(1_700_000_001, Folder::New, NO_ORDER), [b"1700000001.a", b"", b""]);
    records.message(&record(1_700_000_002, Folder::Cur, NO_ORDER), [b"1700000002.b", b":2,S", b"UID2"]);
    records.message(&record(5, Folder::New, 9), [b"odd", b"", b""]);
}

fn file(fill: impl FnOnce(&mut Records)) -> Vec<u8> {
    let mut records = Records::file(INDEX, Header { nonce: NONCE, count: 0 });
    fill(&mut records);
    records.bytes
}

fn names(index: &Index) -> Vec<String> {
    index.records.iter().map(|record| String::from_utf8(index.bytes(record.base).to_vec()).unwrap()).collect()
}

#[test]
fn what_is_written_is_replayed() {
    let mut index = Index::replay(file(|records| {
        three(records);
        records.stamps(&stamps(true));
    }));
    assert_eq!(index.stamps, Some(stamps(true)));
    let origin = index.origin.unwrap();
    assert_eq!((origin.nonce, origin.records), (NONCE, 4));
    assert_eq!(origin.bytes, index.buffer.len() as u64);
    index.sort();
    // The one with a place comes first.
    assert_eq!(names(&index), ["odd", "1700000001.a", "1700000002.b"]);
    let [odd, _, b] = index.records.as_slice() else { panic!() };
    assert_eq!((odd.order, odd.delivered, odd.ordinal, odd.folder), (9, 5, 2, Folder::New));
    assert_eq!((b.order, b.delivered, b.ordinal, b.folder), (NO_ORDER, 1_700_000_002, 1, Folder::Cur));
    assert_eq!((index.bytes(b.suffix), index.bytes(b.unique_id)), (&b":2,S"[..], &b"UID2"[..]));
    assert_eq!(b.facts, record(0, Folder::Cur, NO_ORDER).facts);
}

#[test]
fn later_records_change_earlier_ones() {
    let index = Index::replay(file(|records| {
        three(records);
        records.gone(&[0]);
        records.place(2, Folder::Cur, b":2,F");
        records.removal(&[1], |_| b"1700000002.b");
    }));
    assert_eq!(names(&index), ["1700000002.b", "odd"]);
    assert_eq!(index.records[1].folder, Folder::Cur);
    assert_eq!(index.bytes(index.records[1].suffix), b":2,F");
    assert_eq!(index.pending, [1]);
    let ended = Index::replay(file(|records| {
        three(records);
        records.removal(&[1], |_| b"1700000002.b");
        records.gone(&[1]);
        records.removal_end();
    }));
    assert!(ended.pending.is_empty() && ended.origin.is_some());
}

#[test]
fn r1939_6_3_a_removal_that_names_other_messages_is_refused() {
    let index = Index::replay(file(|records| {
        three(records);
        records.removal(&[1], |_| b"1700000001.a");
    }));
    assert!(index.pending.is_empty() && index.origin.is_none());
    assert_eq!(index.records.len(), 3);
    // And what is right is not acted upon when damage follows.
    let mut torn = file(|records| {
        three(records);
        records.removal(&[1], |_| b"1700000002.b");
        records.removal_end();
    });
    torn.truncate(torn.len() - 1);
    let index = Index::replay(torn);
    assert!(index.pending.is_empty() && index.origin.is_none());
}

#[test]
fn stamps_speak_for_what_stands_before_them() {
    let stamped = |last: fn(&mut Records)| {
        Index::replay(file(|records| {
            three(records);
            records.stamps(&stamps(true));
            last(records);
        }))
        .stamps
    };
    assert_eq!(stamped(|records| records.gone(&[0])), None);
    assert_eq!(stamped(|records| records.removal_end()), None);
    assert_eq!(stamped(|records| records.place(0, Folder::New, b"")), None);
    // A delivery touches `new/` only.
    let added = stamped(|records| {
        records.message(&record(1_700_000_009, Folder::New, NO_ORDER), [b"1700000009.z", b"", b""]);
    });
    let added = added.unwrap();
    assert!(!added.new.is_settled && added.cur.is_settled);
}

#[test]
fn what_was_retrieved_follows_its_message_into_the_next_file() {
    let index = Index::replay(file(|records| {
        three(records);
        records.stamps(&stamps(true));
        records.retrieved(1_800_000_005, &[1, 2]);
        records.retrieved(1_800_000_001, &[0, 1]);
    }));
    let times = |index: &Index| index.records.iter().map(|record| record.retrieved).collect::<Vec<_>>();
    assert_eq!(times(&index), [1_800_000_001, 1_800_000_005, 1_800_000_005].map(Some), "the latest counts");
    assert_eq!(index.stamps, Some(stamps(true)), "nothing is said of the folders");
    let written = index.write(NONCE + 1, |record| record.ordinal != 0);
    assert_eq!((written.messages, written.count), (2, 3));
    let again = Index::replay(written.bytes);
    assert_eq!(times(&again), [Some(1_800_000_005), Some(1_800_000_005)]);
    let mut twice = Index::replay(file(|records| {
        three(records);
        records.retrieved(7, &[0]);
        three(records);
    }));
    twice.sort();
    assert_eq!(times(&twice), [None, Some(7), None], "the later record of a message does not forget");
    let unknown = Index::replay(file(|records| {
        three(records);
        records.retrieved(7, &[0, 3]);
    }));
    assert!(unknown.origin.is_none());
}

#[test]
fn a_file_of_ours_cannot_lead_out_of_the_maildrop() {
    for parts in [
        [&b"../../bob/new/1"[..], b"", b""],
        [b"..", b"", b""],
        [b".hidden", b"", b""],
        [b"a\0", b"", b""],
        [b"", b"", b""],
        [b"1", b":2,/../../x", b""],
        [b"1", b"", b"two words"],
        [b"two words", b"", b""],
        [b"1", b"", &[b'x'; 71]],
    ] {
        let index = Index::replay(file(|records| {
            three(records);
            records.message(&record(1, Folder::New, NO_ORDER), parts);
        }));
        assert_eq!((index.records.len(), index.origin.is_none()), (3, true), "{parts:?}");
    }
    let index = Index::replay(file(|records| {
        three(records);
        records.place(0, Folder::New, b"/../../../bob/new/1");
    }));
    assert!(index.bytes(index.records[0].suffix).is_empty() && index.origin.is_none());
}

#[test]
fn ordinals_that_do_not_exist_are_refused() {
    for last in
        [(|records| records.gone(&[3])) as fn(&mut Records), |records| records.place(3, Folder::New, b"")]
    {
        let index = Index::replay(file(|records| {
            three(records);
            last(records);
        }));
        assert_eq!((index.records.len(), index.origin.is_none()), (3, true));
    }
}

#[test]
fn a_block_of_another_index_is_not_taken_for_part_of_this_one() {
    let mut bytes = file(three);
    let mut other = Records::appended(NONCE + 1);
    three(&mut other);
    bytes.extend_from_slice(&other.bytes);
    let index = Index::replay(bytes);
    assert_eq!((index.records.len(), index.origin.is_none()), (3, true));
}

#[test]
fn two_records_of_one_message_are_one() {
    let mut index = Index::replay(file(|records| {
        three(records);
        three(records);
    }));
    index.sort();
    assert_eq!(names(&index), ["odd", "1700000001.a", "1700000002.b"]);
    assert!(index.records.iter().all(|record| record.ordinal >= 3), "the later ones stay");
}

#[test]
fn a_stamp_is_settled_when_a_later_change_must_show() {
    let settled = |changed_ns: i64, now_ns: i64| {
        let stat = Stat {
            kind: Kind::Folder,
            device: 1,
            inode: 1,
            size: 0,
            modified_ns: 5,
            changed_ns,
            owner: 0,
            mode: 0o700,
        };
        Stamp::new(&stat, Some(now_ns)).is_settled
    };
    let fine = 1_700_000_000_123_456_789;
    assert!(!settled(fine, fine) && !settled(fine, fine + FINE_NS - 1) && settled(fine, fine + FINE_NS));
    assert!(!settled(fine, fine - SECOND_NS), "a clock that went back");
    let stat = |ns| Stat {
        kind: Kind::Folder,
        device: 1,
        inode: 1,
        size: 0,
        modified_ns: ns,
        changed_ns: ns,
        owner: 0,
        mode: 0o700,
    };
    let coarse = 1_700_000_000 * SECOND_NS;
    assert!(!Stamp::new(&stat(coarse), Some(coarse + SECOND_NS)).is_settled);
    assert!(Stamp::new(&stat(coarse), Some(coarse + 2 * SECOND_NS)).is_settled);
    assert!(!Stamp::new(&stat(coarse), None).is_settled, "no clock");
}

proptest! {
    #[test]
    fn any_bytes_are_replayed_without_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..300), keep in any::<bool>()) {
        if keep {
            bytes.splice(0..0, file(three));
        }
        let mut index = Index::replay(bytes);
        index.sort();
        prop_assert!(index.records.len() <= 3);
    }

    #[test]
    fn numbers_of_any_size_survive(stored in any::<u64>(), more in 0_u64..1_000_000, modified_ns in any::<i64>(), header in any::<u32>(), order in any::<u64>(), delivered in any::<i64>()) {
        let mut written = record(delivered, Folder::Cur, order);
        written.facts.stored_octets = stored;
        written.facts.octets = stored.saturating_add(more);
        written.facts.modified_ns = modified_ns;
        written.facts.header_octets = header;
        let index = Index::replay(file(|records| records.message(&written, [b"n", b":2,", b"u"])));
        let [read] = index.records.as_slice() else { panic!("not one record") };
        prop_assert_eq!(read.facts, written.facts);
        prop_assert_eq!((read.order, read.delivered), (order, delivered));
    }
}
