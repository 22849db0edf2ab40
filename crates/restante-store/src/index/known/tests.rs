//! What a session replays in pieces is what the whole index says.

use proptest::prelude::*;

use super::super::memory::MemoryFile;
use super::super::{Facts, NO_ORDER, Span, Stamp};
use super::*;
use crate::index::codec::{INDEX, Records};

const NONCE: u64 = 77;

/// One record of a file.
#[derive(Clone, Debug)]
enum Act {
    /// A message delivered at this time, with or without an own unique-id, place, surrogate.
    Message {
        time: u16,
        kind: u8,
    },
    Gone(Vec<u8>),
    Place {
        ordinal: u8,
        suffix: u8,
    },
    Removal(Vec<u8>),
    RemovalEnd,
    Stamps,
    Retrieved(Vec<u8>),
}

fn record(kind: u8, delivered: i64) -> Record {
    let facts = Facts {
        is_from_name: kind & 1 != 0,
        stored_octets: 300 + u64::from(kind),
        modified_ns: delivered,
        octets: 310 + u64::from(kind),
        header_octets: 9,
        is_crlf: false,
        has_dot_lines: kind & 2 != 0,
        surrogate_octets: (kind & 4 != 0).then_some(400),
    };
    let order = if kind & 24 == 24 { u64::from(kind) } else { NO_ORDER };
    let folder = if kind & 32 == 0 { Folder::New } else { Folder::Cur };
    let (base, suffix, unique_id) = (Span::default(), Span::default(), Span::default());
    let (ordinal, retrieved, has_twin) = (NO_ORDINAL, None, false);
    Record { facts, order, delivered, ordinal, base, suffix, unique_id, folder, retrieved, has_twin }
}

fn file(acts: &[Act]) -> Vec<u8> {
    let mut records = Records::file(INDEX, Header { nonce: NONCE, count: 0 });
    let mut names: Vec<String> = Vec::new();
    for act in acts {
        match act {
            Act::Message { time, kind } => {
                let delivered = 1_700_000_000 + i64::from(*time);
                let name = format!("{delivered}.M{time}.host");
                let unique_id = if kind & 64 == 0 { String::new() } else { format!("uid-{time}") };
                let suffix = if kind & 32 == 0 { "" } else { ":2,S" };
                records.message(
                    &record(*kind, delivered),
                    [name.as_bytes(), suffix.as_bytes(), unique_id.as_bytes()],
                );
                names.push(name);
            }
            Act::Gone(ordinals) => records.gone(&known(ordinals, &names)),
            Act::Place { ordinal, suffix } => {
                if let [ordinal] = known(&[*ordinal], &names)[..] {
                    records.place(ordinal, Folder::Cur, format!(":2,{suffix}").as_bytes());
                }
            }
            Act::Removal(ordinals) => {
                records.removal(&known(ordinals, &names), |ordinal| names[ordinal as usize].as_bytes());
            }
            Act::RemovalEnd => records.removal_end(),
            Act::Stamps => {
                let stamp = Stamp { inode: 1, modified_ns: 2, changed_ns: 3, is_settled: true };
                records.stamps(&Stamps { new: stamp, cur: stamp });
            }
            Act::Retrieved(ordinals) => records.retrieved(5, &known(ordinals, &names)),
        }
    }
    records.bytes
}

fn known(ordinals: &[u8], names: &[String]) -> Vec<u32> {
    let messages = u32::try_from(names.len()).unwrap();
    ordinals.iter().filter(|_| messages > 0).map(|&ordinal| u32::from(ordinal) % messages).collect()
}

fn acts(messages: usize) -> impl Strategy<Value = Vec<Act>> {
    let ordinals = || prop::collection::vec(any::<u8>(), 1..4);
    let act = prop_oneof![
        8 => (any::<u16>(), any::<u8>()).prop_map(|(time, kind)| Act::Message { time, kind }),
        1 => ordinals().prop_map(Act::Gone),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(ordinal, suffix)| Act::Place { ordinal, suffix }),
        1 => ordinals().prop_map(Act::Removal),
        1 => Just(Act::RemovalEnd),
        1 => Just(Act::Stamps),
        1 => ordinals().prop_map(Act::Retrieved),
    ];
    prop::collection::vec(act, 0..messages)
}

/// A message as a session is shown it: name, suffix, folder, unique-id, octets, surrogate, ordinal.
type Shown = (Vec<u8>, Vec<u8>, Folder, Vec<u8>, u64, Option<u64>, u32);

fn of_index(mut index: Index) -> Vec<Shown> {
    index.sort();
    let shown = |record: &Record| {
        let [base, suffix, unique_id] =
            [record.base, record.suffix, record.unique_id].map(|span| index.bytes(span).to_vec());
        let unique_id = if unique_id.is_empty() { base.clone() } else { unique_id };
        let Facts { octets, surrogate_octets, .. } = record.facts;
        (base, suffix, record.folder, unique_id, octets, surrogate_octets, record.ordinal)
    };
    index.records.iter().map(shown).collect()
}

fn of_known(known: Known) -> Vec<Shown> {
    let Ordered { source, rows, listing, order, .. } = known.into_order().unwrap();
    let mut names = BaseNames::new(&listing, &rows, &source, Window::single());
    let shown = |index: usize| {
        let (folder, suffix) = rows.place(index).unwrap();
        let unique_id = listing.unique_id(index).unwrap().as_bytes().to_vec();
        let ordinal = order.as_ref().map_or_else(|| u32::try_from(index).unwrap(), |order| order[index]);
        let octets = listing.octets(index).unwrap().as_u64();
        let surrogate = rows.surrogate_octets(index);
        (names.at(index).unwrap().to_vec(), suffix.to_vec(), folder, unique_id, octets, surrogate, ordinal)
    };
    (0..listing.len()).map(shown).collect()
}

fn replay(bytes: &[u8]) -> Known {
    Known::replay(Box::new(MemoryFile(bytes.to_vec()))).unwrap()
}

fn compare(bytes: &[u8]) {
    let index = Index::replay(bytes.to_vec());
    let known = replay(bytes);
    assert_eq!(known.origin.map(|origin| (origin.nonce, origin.bytes, origin.records)), {
        index.origin.map(|origin| (origin.nonce, origin.bytes, origin.records))
    });
    assert_eq!((known.stamps, &known.pending), (index.stamps, &index.pending));
    let again = known.to_index().unwrap();
    let times = |index: &Index| index.records.iter().map(|record| record.retrieved).collect::<Vec<_>>();
    assert_eq!(times(&again), if index.origin.is_some() { times(&index) } else { times(&again) });
    let expected = of_index(index);
    assert_eq!(of_index(again), expected);
    assert_eq!(of_known(known), expected);
}

proptest! {
    #[test]
    fn pieces_say_what_the_whole_says(acts in acts(60), cut in any::<u16>(), flip in any::<Option<u16>>()) {
        let mut bytes = file(&acts);
        if let Some(flip) = flip {
            let at = usize::from(flip) % bytes.len();
            bytes[at] ^= 1;
        }
        compare(&bytes);
        bytes.truncate(usize::from(cut) % (bytes.len() + 1));
        compare(&bytes);
    }
}

#[test]
fn a_file_of_many_pieces() {
    // Times that mostly ascend: about one message in 20 belongs before another.
    let time = |number: u16| number - if number % 20 == 19 { 5 } else { 0 };
    let mut acts: Vec<Act> = (0..12_000)
        .map(|number| Act::Message { time: time(number) * 2, kind: 33 + 64 * u8::from(number % 3 == 0) })
        .collect();
    acts.push(Act::Place { ordinal: 7, suffix: 1 });
    acts.push(Act::Gone(vec![3, 8, 19, 39]));
    acts.push(Act::Message { time: 4, kind: 0 });
    acts.push(Act::Stamps);
    let bytes = file(&acts);
    assert!(bytes.len() > 2 * PIECE_BYTES);
    compare(&bytes);
    let known = replay(&bytes);
    assert!(known.late.len() > 500 && known.late.len() < LATE_MAX && !known.is_wasteful());
    // And so many that they are sorted as a whole.
    let acts: Vec<Act> =
        (0..3_000).map(|number| Act::Message { time: 60_000 - number * 3, kind: 33 }).collect();
    let bytes = file(&acts);
    compare(&bytes);
    assert!(replay(&bytes).is_wasteful());
}

#[test]
fn more_suffixes_than_there_are_numbers() {
    let mut acts: Vec<Act> = (0..5_000).map(|number| Act::Message { time: number, kind: 32 }).collect();
    acts.push(Act::Gone(vec![1]));
    let mut bytes = file(&acts);
    let mut records = Records::appended(NONCE);
    (0..5_000).for_each(|ordinal| records.place(ordinal, Folder::Cur, format!(":2,{ordinal}").as_bytes()));
    bytes.extend_from_slice(&records.bytes);
    compare(&bytes);
}
