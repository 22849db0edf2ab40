//! Numbers, unique-ids, listings and marks.

use std::collections::BTreeSet;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

#[test]
fn message_numbers_count_from_one() {
    assert_eq!(MessageNumber::new(0), None);
    let first = MessageNumber::from_index(0).unwrap();
    assert_eq!((first.as_u32(), first.index()), (1, 0));
    let last = MessageNumber::from_index(u32::MAX as usize - 1).unwrap();
    assert_eq!(last.as_u32(), u32::MAX);
    assert_eq!(MessageNumber::from_index(u32::MAX as usize), None);
    assert_eq!(MessageNumber::from_index(usize::MAX), None);
}

#[test]
fn r1939_7_11_unique_ids_are_1_to_70_printable_octets() {
    assert_eq!(UniqueId::parse(b"a").unwrap().as_str(), "a");
    assert_eq!(UniqueId::parse(&[b'~'; 70]).unwrap().as_bytes(), [b'~'; 70]);
    for bad in [&b""[..], &[b'a'; 71], b"a b", b"a\x7f", b"\x80", b"tab\t", "é".as_bytes(), b"\0"] {
        assert_eq!(UniqueId::parse(bad), Err(InvalidUniqueId), "{bad:?}");
        let mut listing = Listing::default();
        assert_eq!(listing.push(Octets::new(1), bad), Err(InvalidEntry::UniqueId));
        assert_eq!(listing, Listing::default());
    }
}

#[test]
fn listing_answers_by_index() {
    let mut listing = Listing::with_capacity(2, 8);
    listing.push(Octets::new(120), b"one").unwrap();
    listing.push(Octets::new(200), b"other").unwrap();
    assert_eq!(listing.len(), 2);
    assert!(!listing.is_empty());
    assert_eq!(listing.total(), Octets::new(320));
    assert_eq!(listing.octets(1), Some(Octets::new(200)));
    assert_eq!(listing.octets(2), None);
    assert_eq!(listing.unique_id(0), Some(&b"one"[..]));
    assert_eq!(listing.unique_id(1), Some(&b"other"[..]));
    assert_eq!(listing.unique_id(2), None);
}

#[test]
fn sums_of_octets_saturate() {
    let sum: Octets = [Octets::new(u64::MAX), Octets::new(2)].into_iter().sum();
    assert_eq!(sum.as_u64(), u64::MAX);
}

proptest! {
    #[test]
    fn marks_are_a_set(indices in prop::collection::vec(0usize..500, 0..80), probe in 0usize..600) {
        let mut marks = Marks::new();
        let mut model = BTreeSet::new();
        for &index in &indices {
            prop_assert_eq!(marks.mark(index), model.insert(index));
        }
        prop_assert_eq!(marks.count(), model.len());
        prop_assert_eq!(marks.is_empty(), model.is_empty());
        prop_assert_eq!(marks.is_marked(probe), model.contains(&probe));
        prop_assert_eq!(marks.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
        marks.clear();
        prop_assert!(marks.is_empty());
        prop_assert_eq!(marks.iter().next(), None);
    }
}
