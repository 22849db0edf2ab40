//! Surrogates: known from delivery or from the scan, kept in the index, read through the maildrop.

use std::fs;
use std::sync::Arc;

use restante_proto::body::{Encoder, Extent};

use super::fixture::{Fixture, read, run, shown};
use super::trick_disk::TrickDisk;
use crate::maildrop::Maildrop;

const EAI: &[u8] = "Subject: é\nFrom: jö@x\n\nbödy\n".as_bytes();
const SURROGATE: &[u8] = "Subject: =?UTF-8?Q?=C3=A9?=\nFrom: =?UTF-8?Q?j=C3=B6=40x?= :;\n\nbödy\n".as_bytes();

fn canonical_octets(stored: &[u8]) -> u64 {
    let mut encoder = Encoder::new(Extent::Whole);
    encoder.encode(stored, &mut Vec::new());
    encoder.finish(&mut Vec::new());
    encoder.octets()
}

/// Index, octets.
fn surrogates(maildrop: &Maildrop) -> Vec<(usize, u64)> {
    maildrop.surrogates().iter().map(|(index, octets)| (*index, octets.as_u64())).collect()
}

fn read_surrogate(maildrop: &Maildrop, index: usize, max: usize) -> Vec<u8> {
    run(async {
        let mut message = maildrop.message(index).await.unwrap().surrogate();
        let (shape, mut stored) = (message.shape(), Vec::new());
        while message.read(&mut stored, max).await.unwrap() > 0 {}
        assert_eq!(shape.octets, canonical_octets(&stored));
        stored
    })
}

#[test]
fn what_a_scan_finds_is_kept() {
    let disk = TrickDisk::settled();
    let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
    maildir.put("new/1700000001.a", b"Subject: a\n\nbody\n");
    maildir.put("new/1700000002.b", EAI);
    maildir.put("new/1700000003.c", "Subject: c\n\nbödy\n".as_bytes());
    let known = vec![(1, canonical_octets(SURROGATE))];
    assert_eq!(surrogates(&maildir.open()), known);
    disk.calls();
    let maildrop = maildir.open();
    assert_eq!(surrogates(&maildrop), known);
    let calls = disk.calls();
    assert!(!calls.iter().any(|call| call.contains("1700")), "{calls:?}");
    for max in [1, 7, 1000] {
        assert_eq!(read_surrogate(&maildrop, 1, max), SURROGATE);
    }
    // The message itself is as it was, and what has no surrogate is its own.
    assert_eq!(read(&maildrop, 1).unwrap(), EAI);
    assert_eq!(read_surrogate(&maildrop, 0, 1000), b"Subject: a\n\nbody\n");
    assert_eq!(shown(maildrop.listing())[1].1, canonical_octets(EAI));
}

#[test]
fn a_delivery_knows_the_surrogate() {
    let disk = TrickDisk::settled();
    let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
    maildir.open();
    let canonical = String::from_utf8(EAI.to_vec()).unwrap().replace('\n', "\r\n");
    let unique_id = maildir.deliver(canonical.as_bytes());
    // One that does not stay in memory on its way.
    let large = format!("{canonical}{}", "ä line of text\r\n".repeat(20_000));
    let large_id = maildir.deliver(large.as_bytes());
    disk.calls();
    let maildrop = maildir.open();
    let calls = disk.calls();
    assert!(!calls.contains(&format!("read {unique_id}")) && !calls.contains(&format!("read {large_id}")));
    let more = (large.len() - canonical.len()) as u64;
    let octets = canonical_octets(SURROGATE);
    let mut known: Vec<u64> = maildrop.surrogates().iter().map(|(_, octets)| octets.as_u64()).collect();
    known.sort_unstable();
    assert_eq!(known, [octets, octets + more]);
}

/// An index of version 1 knows nothing of surrogates, one of version 2 not all flags: it is made anew, and nothing that was
/// shown changes.
#[test]
fn an_index_of_an_earlier_version_is_made_anew() {
    for version in [1_u32, 2] {
        let disk = TrickDisk::settled();
        let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
        maildir.put("cur/1700000001.a:2,S", b"Subject: a\n\nbody\n");
        maildir.put("new/no time", EAI);
        let before = maildir.shown();
        let index = fs::read(maildir.index_path()).unwrap();
        assert_eq!(index[12..16], 3_u32.to_le_bytes());
        // What they wrote looked like this, but for the surrogate's octets.
        let mut old = index[..32].to_vec();
        old[12..16].copy_from_slice(&version.to_le_bytes());
        let checksum = crc32fast::hash(&old[..28]);
        old[28..32].copy_from_slice(&checksum.to_le_bytes());
        old.extend_from_slice(&index[32..]);
        fs::write(maildir.index_path(), &old).unwrap();
        let maildrop = maildir.open();
        assert_eq!(shown(maildrop.listing()), before);
        assert_eq!(surrogates(&maildrop), [(1, canonical_octets(SURROGATE))]);
        drop(maildrop);
        assert_eq!(fs::read(maildir.index_path()).unwrap()[12..16], 3_u32.to_le_bytes());
        disk.calls();
        assert_eq!(maildir.shown(), before);
        assert_eq!(disk.calls().len(), 5);
    }
}
