//! Numbers, unique-ids, listings and marks.

use alloc::sync::Arc;
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
    let mut listing = Listing::with_capacity(2);
    listing.push(Octets::new(120), b"one").unwrap();
    listing.push(Octets::new(200), b"other").unwrap();
    assert_eq!(listing.len(), 2);
    assert!(!listing.is_empty());
    assert_eq!(listing.total(), Octets::new(320));
    assert_eq!(listing.octets(1), Some(Octets::new(200)));
    assert_eq!(listing.octets(2), None);
    assert_eq!(listing.unique_id(0), UniqueId::parse(b"one").ok());
    assert_eq!(listing.unique_id(1), UniqueId::parse(b"other").ok());
    assert_eq!(listing.unique_id(2), None);
}

#[test]
fn a_listing_with_other_octets_shares_the_unique_ids() {
    let mut listing = Listing::default();
    for (octets, unique_id) in [(1, b"1"), (u64::MAX / 2, b"2"), (3, b"3")] {
        listing.push(Octets::new(octets), unique_id).unwrap();
    }
    let listing = Arc::new(listing);
    assert_eq!(listing.octets(1), Some(Octets::new(u64::MAX / 2)));
    let others = [(2, Octets::new(1 << 40)), (0, Octets::new(5)), (9, Octets::new(1))];
    let other = Arc::new(listing.with_octets(&others));
    let octets =
        |listing: &Listing| (0..3).map(|index| listing.octets(index).unwrap().as_u64()).collect::<Vec<_>>();
    assert_eq!(octets(&other), [5, u64::MAX / 2, 1 << 40]);
    assert_eq!(other.total(), Octets::new(5 + u64::MAX / 2 + (1 << 40)));
    assert_eq!(other.unique_id(2), listing.unique_id(2));
    assert!(other.heap_bytes() < listing.heap_bytes());
    let mut again = other.with_octets(&[(0, Octets::new(1)), (2, Octets::new(3))]);
    assert_eq!(again, *listing);
    again.push(Octets::new(4), b"4").unwrap();
    assert_eq!(again.unique_id(3), UniqueId::parse(b"4").ok());
    assert_eq!(again.unique_id(0), listing.unique_id(0));
}

#[test]
fn unique_ids_that_are_alike_take_little_room() {
    let mut listing = Listing::default();
    for number in 0..1000 {
        let unique_id =
            std::format!("{}.M{}P77.mail.example.org", 1_700_000_000 + number, number * 997 % 1_000_000);
        listing.push(Octets::new(300), unique_id.as_bytes()).unwrap();
    }
    listing.shrink_to_fit();
    assert!(listing.heap_bytes() < 1000 * 20, "{}", listing.heap_bytes());
}

#[test]
fn sums_of_octets_saturate() {
    let sum: Octets = [Octets::new(u64::MAX), Octets::new(2)].into_iter().sum();
    assert_eq!(sum.as_u64(), u64::MAX);
}

proptest! {
    #[test]
    fn unique_ids_come_out_as_they_went_in(names in prop::collection::vec("[a-c]{0,4}[!-~]{0,3}[a-c]{1,60}[01]{0,3}", 0..60), from in 0_usize..70) {
        let mut listing = Listing::default();
        for name in &names {
            listing.push(Octets::new(1), name.as_bytes()).unwrap();
        }
        for (index, name) in names.iter().enumerate() {
            prop_assert_eq!(listing.unique_id(index), UniqueId::parse(name.as_bytes()).ok());
        }
        prop_assert_eq!(listing.unique_id(names.len()), None);
        let mut cursor = listing.unique_ids_from(from);
        for name in names.iter().skip(from) {
            prop_assert_eq!(cursor.advance(), Some(name.as_bytes()));
        }
        prop_assert_eq!(cursor.advance(), None);
    }

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
