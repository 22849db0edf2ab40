//! The files in `fixtures/`, made by docs/on-disk.md and not by this code, one for each version of each format: each is read as that page
//! says, and what is written today has the same bytes as the one of today's version.

use restante_proto::maildrop::UniqueId;

use super::codec::{Header, INDEX, Records};
use super::*;
use crate::unique_id::Override;
use crate::unique_id::overrides::Overrides;

const NONCE: u64 = 0x0123_4567_89ab_cdef;

const INDEX_1: &[u8] = include_bytes!("../../fixtures/index-1");
const INDEX_2: &[u8] = include_bytes!("../../fixtures/index-2");
const INDEX_3: &[u8] = include_bytes!("../../fixtures/index-3");
const UNIQUE_IDS_1: &[u8] = include_bytes!("../../fixtures/unique-ids-1");

const PLAIN: Facts = Facts {
    is_from_name: false,
    stored_octets: 300,
    modified_ns: 1_700_000_001_500_000_000,
    octets: 320,
    header_octets: 40,
    is_crlf: false,
    has_dot_lines: false,
    surrogate_octets: None,
};
const IN_ORDER: Facts = Facts {
    stored_octets: 200,
    modified_ns: 1_700_000_002_500_000_000,
    octets: 200,
    header_octets: 50,
    is_crlf: true,
    ..PLAIN
};
const ODD: Facts = Facts {
    modified_ns: -5,
    octets: 70_000,
    header_octets: 9,
    has_dot_lines: true,
    surrogate_octets: Some(70_123),
    ..PLAIN
};
const FROM_NAME: Facts = Facts {
    is_from_name: true,
    stored_octets: 100,
    modified_ns: 1_700_000_003_500_000_000,
    octets: 105,
    header_octets: 0,
    ..PLAIN
};

fn record(facts: Facts, delivered: i64, folder: Folder, order: u64) -> Record {
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

fn stamps() -> Stamps {
    Stamps {
        new: Stamp { inode: 1, modified_ns: 7, changed_ns: -8, is_settled: true },
        cur: Stamp { inode: u64::MAX, modified_ns: 9, changed_ns: 10, is_settled: true },
    }
}

#[test]
fn the_index_is_written_as_the_page_says() {
    let mut records = Records::file(INDEX, Header { nonce: NONCE, count: 0 });
    let new = |facts, delivered| record(facts, delivered, Folder::New, NO_ORDER);
    records.message(&new(PLAIN, 1_700_000_001), [b"1700000001.a", b"", b""]);
    let in_order = record(IN_ORDER, 1_700_000_002, Folder::Cur, 9);
    records.message(&in_order, [b"1700000002.b", b":2,S", b"UID2"]);
    records.message(&new(ODD, 5), [b"odd", b"", b""]);
    let from_name = record(FROM_NAME, 1_700_000_003, Folder::Cur, NO_ORDER);
    records.message(&from_name, [b"1700000003.c,S=100,W=105", b":2,", b""]);
    records.stamps(&stamps());
    records.gone(&[0]);
    records.place(1, Folder::New, b":2,RS");
    records.removal(&[2], |_| b"odd");
    records.removal_end();
    records.stamps(&stamps());
    records.retrieved(1_700_000_100, &[1, 3]);
    assert_eq!(records.bytes.escape_ascii().to_string(), INDEX_3.escape_ascii().to_string());
}

#[test]
fn the_index_is_read_as_the_page_says() {
    let index = Index::replay(INDEX_3.to_vec());
    let [in_order, odd, from_name] = index.records.as_slice() else { panic!("{:?}", index.records) };
    let names = |record: &Record| {
        [record.base, record.suffix, record.unique_id]
            .map(|span| index.bytes(span).escape_ascii().to_string())
    };
    assert_eq!(names(in_order), ["1700000002.b", ":2,RS", "UID2"]);
    assert_eq!((in_order.facts, in_order.folder, in_order.order), (IN_ORDER, Folder::New, 9));
    assert_eq!(names(odd), ["odd", "", ""]);
    assert_eq!((odd.facts, odd.delivered, odd.ordinal), (ODD, 5, 2));
    assert_eq!(names(from_name), ["1700000003.c,S=100,W=105", ":2,", ""]);
    assert_eq!((from_name.facts, from_name.folder), (FROM_NAME, Folder::Cur));
    let retrieved: Vec<bool> = index.records.iter().map(|record| record.retrieved.is_some()).collect();
    assert_eq!(retrieved, [true, false, true]);
    assert!(index.pending.is_empty(), "the removal was ended");
    assert_eq!(index.stamps, Some(stamps()), "what was retrieved takes nothing back");
    assert_eq!(index.origin.map(|origin| origin.bytes), Some(INDEX_3.len() as u64));
}

#[test]
fn an_index_of_another_version_counts_as_missing() {
    for old in [INDEX_1, INDEX_2] {
        let index = Index::replay(old.to_vec());
        assert!(index.records.is_empty() && index.origin.is_none() && index.stamps.is_none());
    }
}

#[test]
fn the_unique_ids_are_written_and_read_as_the_page_says() {
    let give = |base_name: &str, unique_id: &str, order| Override {
        base_name: base_name.into(),
        unique_id: UniqueId::parse(unique_id.as_bytes()).unwrap(),
        order,
    };
    let mut overrides = Overrides::default();
    overrides.add(vec![give("2.b", "0000000b5f3b", None), give("1.a", "X", Some(7))]).unwrap();
    assert_eq!(overrides.write(NONCE).escape_ascii().to_string(), UNIQUE_IDS_1.escape_ascii().to_string());
    let read = Overrides::read(UNIQUE_IDS_1).unwrap();
    assert_eq!(read.of(b"1.a"), (Some(b"X".to_vec()), 7));
    assert_eq!(read.of(b"2.b"), (Some(b"0000000b5f3b".to_vec()), NO_ORDER));
    let mut other_version = UNIQUE_IDS_1.to_vec();
    other_version[12] = 2;
    let checksum = crc32fast::hash(&other_version[..28]).to_le_bytes();
    other_version[28..32].copy_from_slice(&checksum);
    assert!(Overrides::read(&other_version).is_none(), "a truth of another version is refused");
}
