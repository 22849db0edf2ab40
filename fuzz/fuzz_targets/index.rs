//! The files beside the messages: whatever their bytes are, no name leads out of the maildrop, every unique-id is one, and
//! what was understood is written so that it is understood the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restante_store::fuzzing::{Kind, accessed, bulletins, replay, sealed, unique_ids};

fuzz_target!(|input: &[u8]| {
    let Some((&form, bytes)) = input.split_first() else { return };
    // Checksums keep a fuzzer out, so it may also write only what they cover.
    match form & 7 {
        0 => index(bytes.to_vec()),
        1 => index(sealed(Kind::Index, &records(bytes))),
        2 => overrides(bytes),
        3 => overrides(&sealed(Kind::UniqueIds, &records(bytes))),
        4 => digests(bytes),
        5 => digests(&sealed(Kind::Accessed, &records(bytes))),
        6 => given(bytes),
        _ => given(&sealed(Kind::Bulletins, &records(bytes))),
    }
});

/// Records, each of them a kind, a length and a body.
fn records(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut records = Vec::new();
    while let [kind, length, rest @ ..] = bytes {
        let (body, after) = rest.split_at(usize::from(*length).min(rest.len()));
        records.push((*kind, body));
        bytes = after;
    }
    records
}

fn index(file: Vec<u8>) {
    let found = replay(file);
    assert_eq!(found.listing.len(), found.names.len());
    for (at, name) in found.names.iter().enumerate() {
        assert!(!name.is_empty() && !name.starts_with(b".") && !name.contains(&b'/') && !name.contains(&0));
        assert!(found.listing.unique_id(at).is_some());
    }
    assert!(found.is_whole || found.pending == 0, "nothing is removed on the word of a damaged index");
    let again = replay(found.rewritten.clone());
    assert!(again.is_whole && again.names == found.names && again.rewritten == found.rewritten);
    assert!((0..again.listing.len()).all(|at| {
        again.listing.octets(at) == found.listing.octets(at)
            && again.listing.unique_id(at) == found.listing.unique_id(at)
    }));
}

fn overrides(file: &[u8]) {
    if let Some(written) = unique_ids(file) {
        assert_eq!(unique_ids(&written).as_ref(), Some(&written));
    }
}

fn digests(file: &[u8]) {
    if let Some(written) = accessed(file) {
        assert_eq!(accessed(&written).as_ref(), Some(&written));
    }
}

fn given(file: &[u8]) {
    let Some((names, written)) = bulletins(file) else { return };
    for name in &names {
        let is_base_name = !name.starts_with(b".") && !name.iter().any(|octet| b"/:\0".contains(octet));
        assert!(!name.is_empty() && is_base_name, "{}", name.escape_ascii());
    }
    assert_eq!(bulletins(&written), Some((names, written.clone())));
}
