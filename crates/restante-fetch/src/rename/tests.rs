//! Messages under other names, and what is made of them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::journal::Stage;
use crate::plan::tests::{Known, NOW, Wish, entry, key, listing};
use crate::plan::{Item, Outcome};

fn header(header: u8) -> Digested {
    Digested { digest: [header; 16], has_message_id: true, is_empty: false }
}

fn candidate(name: &str, header: Option<u8>, octets: u64) -> Candidate {
    Candidate {
        key: key(name, 0, 0),
        octets: [Some(octets), header.map(|_| octets)],
        header_digest: header.map(|header| [header; 16]),
    }
}

fn unknown(number: u32, octets: u64) -> Item {
    Item {
        number: MessageNumber::new(number).unwrap(),
        key: key(&format!("new{number}"), 0, 0),
        octets: Some(octets),
        is_new: true,
        is_doubtful: false,
        is_deleted_next: false,
    }
}

/// From old names to numbers of new ones.
fn renames(settled: &Settled) -> Vec<(String, String)> {
    let text = |key: &Key| String::from_utf8_lossy(&key.unique_id).into_owned();
    let renames = settled.records.iter().filter_map(|record| match record {
        Record::Renamed { from, to } => Some((text(from), text(to))),
        _ => None,
    });
    renames.collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
}

#[test]
fn messages_are_known_again_by_header_and_octets() {
    let change = MassChange {
        unknown: vec![
            unknown(1, 10),
            unknown(2, 20),
            unknown(3, 20),
            unknown(4, 33),
            unknown(5, 50),
            unknown(6, 60),
        ],
        missing: vec![
            candidate("a", Some(1), 10),
            // Two that are alike: in their order.
            candidate("b1", Some(2), 20),
            candidate("b2", Some(2), 20),
            // The new server counts octets otherwise.
            candidate("c", Some(3), 30),
        ],
        tombstones: vec![candidate("old", Some(5), 50), candidate("a-before", Some(1), 10)],
    };
    let headers = [(1, 1), (2, 2), (3, 2), (4, 3), (5, 5), (6, 6)];
    let headers: HashMap<_, _> =
        headers.into_iter().map(|(number, of)| (MessageNumber::new(number).unwrap(), header(of))).collect();
    let settled = change.settle(&headers, None, NOW).unwrap();
    let wanted = [("a", "new1"), ("b1", "new2"), ("b2", "new3"), ("old", "new5"), ("c", "new4")];
    assert_eq!(renames(&settled), pairs(&wanted));
    assert_eq!((settled.renamed, settled.new, settled.adopted), (5, 1, 0));
}

#[test]
fn the_header_alone_is_not_enough_when_it_is_not_one_of_a_kind() {
    let one = |header| HashMap::from([(MessageNumber::new(1).unwrap(), header)]);
    let change =
        |missing: Vec<Candidate>| MassChange { unknown: vec![unknown(1, 11)], missing, tombstones: vec![] };
    let a = candidate("a", Some(1), 10);
    let settled = change(vec![a.clone()]).settle(&one(header(1)), None, NOW).unwrap();
    assert_eq!(settled.renamed, 1);
    let without_id = Digested { has_message_id: false, ..header(1) };
    let settled = change(vec![a.clone()]).settle(&one(without_id), None, NOW).unwrap();
    assert_eq!((settled.renamed, settled.new), (0, 1));
    let twice = vec![a.clone(), candidate("b", Some(1), 12)];
    let settled = change(twice).settle(&one(header(1)), None, NOW).unwrap();
    assert_eq!((settled.renamed, settled.new), (0, 1));
    // An empty header is like any other empty one, and says nothing.
    let empty = Digested { is_empty: true, ..header(1) };
    let alike = MassChange { unknown: vec![unknown(1, 10)], missing: vec![a], tombstones: vec![] };
    assert!(alike.settle(&one(empty), None, NOW).is_err());
}

#[test]
fn what_cannot_be_compared_is_for_somebody_to_decide() {
    let change = MassChange {
        unknown: vec![unknown(1, 10), unknown(2, 20), unknown(3, 30)],
        missing: vec![candidate("a", Some(1), 10), candidate("imported", None, 20)],
        tombstones: vec![candidate("long-gone", None, 30)],
    };
    let headers: HashMap<_, _> =
        (1..=3).map(|number| (MessageNumber::new(number).unwrap(), header(number as u8))).collect();
    let fault = change.settle(&headers, None, NOW).unwrap_err();
    assert_eq!(fault, NotComparable { unknown: 3, doubtful: 1, why: Why::NoDigests });
    assert!(fault.to_string().contains("--new-unique-ids adopt"), "{fault}");
    let adopted = change.settle(&headers, Some(Choice::Adopt), NOW).unwrap();
    assert_eq!((adopted.renamed, adopted.adopted, adopted.new), (1, 1, 1));
    assert!(adopted.records.contains(&Record::Collected { key: key("new2", 0, 0), at: NOW }));
    let fetched = change.settle(&headers, Some(Choice::Fetch), NOW).unwrap();
    assert_eq!((fetched.renamed, fetched.adopted, fetched.new), (1, 0, 2));

    // A server without TOP.
    let fault = change.settle(&HashMap::new(), None, NOW).unwrap_err();
    assert_eq!(fault, NotComparable { unknown: 3, doubtful: 3, why: Why::NoHeaders });
    assert_eq!(change.settle(&HashMap::new(), Some(Choice::Adopt), NOW).unwrap().adopted, 3);

    // Nothing of the sort is missing: they are new.
    let clear = MassChange { missing: vec![candidate("imported", None, 99)], ..change };
    assert_eq!(clear.settle(&headers, None, NOW).unwrap().new, 3);
    // So many are that somebody counts octets otherwise.
    let missing = (0..10).map(|at| candidate(&format!("imported{at}"), None, 1000 + at)).collect();
    let many = MassChange { missing, ..clear };
    assert_eq!(many.settle(&headers, None, NOW).unwrap_err().doubtful, 3);
}

/// What becomes of a message of before.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Stays,
    Renamed,
    Deleted,
}

proptest! {
    /// Whatever was renamed, deleted and new: what is known is not fetched, and what is new is, unless they are alike.
    #[test]
    fn nothing_comes_twice_and_nothing_is_missed(
        fates in proptest::collection::vec((prop_oneof![Just(Fate::Stays), Just(Fate::Renamed), Just(Fate::Deleted)], 0u8..40, 0u64..3), 10..60),
        new in proptest::collection::vec((40u8..80, 0u64..3), 0..30),
        order in any::<u64>(),
    ) {
        let mut known = Known::new();
        // Names, octets, header, and whether it is known.
        let mut messages: Vec<(String, u64, u8, bool)> = Vec::new();
        for (at, (fate, of, octets)) in fates.iter().enumerate() {
            known.insert(key(&format!("old{at}"), 0, 0), entry(Stage::Collected, *octets, Some(*of)));
            match fate {
                Fate::Stays => messages.push((format!("old{at}"), *octets, *of, true)),
                Fate::Renamed => messages.push((format!("again{at}"), *octets, *of, true)),
                Fate::Deleted => {}
            }
        }
        messages.extend(new.iter().enumerate().map(|(at, (of, octets))| (format!("new{at}"), *octets, *of, false)));
        messages.sort_by_key(|(name, ..)| {
            name.bytes().fold(order, |hash, octet| hash.wrapping_mul(0x100_0000_01b3) ^ u64::from(octet))
        });
        let listed: Vec<(&str, u64)> = messages.iter().map(|(name, octets, ..)| (name.as_str(), *octets)).collect();
        let listing = listing(&listed);
        let mut wish = Wish::default();
        let change = match wish.outcome(&listing, &known) {
            // Too few to be a change of all: what is renamed comes again then.
            Outcome::Plan(_) => return Ok(()),
            Outcome::Changed(change) => change,
        };
        let of = |number: MessageNumber| &messages[number.index()];
        let headers = change.numbers().map(|number| (number, header(of(number).2))).collect();
        let settled = change.settle(&headers, None, NOW).unwrap();
        for record in settled.records {
            let Record::Renamed { from, to } = record else { panic!("{record:?}") };
            let entry = known.remove(&from).unwrap();
            prop_assert!(known.insert(to, entry).is_none());
        }
        wish.is_settled = true;
        let Outcome::Plan(plan) = wish.outcome(&listing, &known) else { panic!("settled") };
        let fetched: BTreeSet<u32> = plan.fetch.iter().map(|item| item.number.as_u32()).collect();
        for (at, (name, _, _, is_known)) in messages.iter().enumerate() {
            prop_assert_eq!(fetched.contains(&(at as u32 + 1)), !is_known, "{}", name);
        }
    }
}
