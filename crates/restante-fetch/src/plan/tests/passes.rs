//! Many passes over a server that lists too little, shares, reuses and changes unique-ids: with the real journal, whatever happens,
//! every message is fetched exactly once.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use restante_store::disk::LocalDisk;

use super::*;
use crate::header::Digested;
use crate::journal::Journal;

/// What happens before a pass.
#[derive(Clone, Debug)]
enum Op {
    /// So many messages come, under names that nobody had.
    Add(u8),
    /// One comes under the name of another that is there.
    Share(u8),
    /// One comes under the name of one that was deleted.
    Reuse(u8),
    /// Somebody else deletes one.
    Delete(u8),
    /// The server counts the octets of one otherwise, whose name no other ever had at the same time.
    Recount(u8),
    /// The listing leaves out those whose bit is set.
    Short(u64),
    /// All have other names, if that can be known for what it is.
    Renumber,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (1u8..15).prop_map(Op::Add),
        any::<u8>().prop_map(Op::Share),
        any::<u8>().prop_map(Op::Reuse),
        any::<u8>().prop_map(Op::Delete),
        any::<u8>().prop_map(Op::Recount),
        any::<u64>().prop_map(Op::Short),
        Just(Op::Renumber),
    ]
}

/// A message on the server.
#[derive(Clone, Debug)]
struct Message {
    /// Which it is; its header tells, and its octets are unlike any others.
    identity: u32,
    unique_id: String,
    octets: u64,
}

struct World {
    journal: Journal,
    messages: Vec<Message>,
    deleted: Vec<String>,
    shared: HashSet<String>,
    fetched: Vec<u32>,
    next: u32,
    /// The last pass saw everything there is.
    was_whole: bool,
}

impl World {
    fn add(&mut self, unique_id: Option<String>) {
        let identity = self.next;
        self.next += 1;
        let unique_id = unique_id.unwrap_or_else(|| format!("u{identity}"));
        self.messages.push(Message { identity, unique_id, octets: u64::from(identity) * 1000 });
    }

    /// What LIST leaves out comes back as a mask.
    fn change(&mut self, op: &Op) -> u64 {
        let at = |index: u8, of: usize| usize::from(index) % of.max(1);
        match op {
            Op::Add(count) => (0..*count).for_each(|_| self.add(None)),
            Op::Share(index) => {
                let name =
                    self.messages.get(at(*index, self.messages.len())).map(|other| other.unique_id.clone());
                self.shared.extend(name.clone());
                self.add(name);
            }
            Op::Reuse(index) => {
                let name = self.deleted.get(at(*index, self.deleted.len())).cloned();
                let is_taken =
                    |name: &&String| self.messages.iter().any(|message| message.unique_id == **name);
                self.shared.extend(name.as_ref().filter(is_taken).cloned());
                self.add(name);
            }
            Op::Delete(index) if !self.messages.is_empty() => {
                let gone = self.messages.remove(at(*index, self.messages.len()));
                self.deleted.push(gone.unique_id);
            }
            Op::Recount(index) if !self.messages.is_empty() => {
                let index = at(*index, self.messages.len());
                if !self.shared.contains(&self.messages[index].unique_id) {
                    self.messages[index].octets += 1;
                }
            }
            Op::Short(mask) => return *mask,
            // Of fewer, or of those of which some were not seen last time, nobody could tell.
            Op::Renumber if self.was_whole && self.messages.len() >= MASS => {
                for message in &mut self.messages {
                    let before = message.unique_id.clone();
                    message.unique_id = format!("{before}'");
                    if self.shared.contains(&before) {
                        self.shared.insert(message.unique_id.clone());
                    }
                }
                self.deleted.clear();
            }
            Op::Delete(_) | Op::Recount(_) | Op::Renumber => {}
        }
        0
    }

    fn digested(message: &Message) -> Digested {
        let mut digest = [0; 16];
        digest[..4].copy_from_slice(&message.identity.to_be_bytes());
        Digested { digest, has_message_id: true, is_empty: false }
    }

    /// One pass, as the program does it.
    fn pass(&mut self, left_out: u64) {
        let listed: Vec<Message> = self
            .messages
            .iter()
            .enumerate()
            .filter(|(at, _)| left_out.checked_shr(*at as u32).unwrap_or(0) & 1 == 0)
            .map(|(_, message)| message.clone())
            .collect();
        let pairs: Vec<(&str, u64)> =
            listed.iter().map(|message| (message.unique_id.as_str(), message.octets)).collect();
        let listing = listing(&pairs);
        let mut wish = Wish::default();
        let plan = loop {
            let known: Known =
                self.journal.entries().map(|(key, entry)| (key.clone(), entry.clone())).collect();
            match wish.outcome(&listing, &known) {
                Outcome::Changed(change) => {
                    let headers: HashMap<_, _> = change
                        .numbers()
                        .map(|number| (number, Self::digested(&listed[number.index()])))
                        .collect();
                    let settled = change.settle(&headers, None, NOW).unwrap();
                    settled.records.into_iter().for_each(|record| self.journal.record(record));
                    wish.is_settled = true;
                }
                Outcome::Plan(mut plan) => {
                    let mut others = Vec::new();
                    for comparison in plan.compare.clone() {
                        let (number, key) = (comparison.item.number, comparison.item.key);
                        match Self::digested(&listed[number.index()]).digest == comparison.header_digest {
                            true => plan.confirm(number, &known[&key], &wish.policy()),
                            false => others.push(key),
                        }
                    }
                    if others.is_empty() {
                        break *plan;
                    }
                    wish.replaced.extend(others);
                }
            }
        };
        plan.records(0, NOW).for_each(|record| self.journal.record(record));
        for item in &plan.fetch {
            let message = &listed[item.number.index()];
            self.fetched.push(message.identity);
            let contents = Contents {
                octets: message.octets,
                digest: [0; 32],
                header_digest: Self::digested(message).digest,
            };
            let key = item.key.clone();
            self.journal.record(Record::Intended { key: key.clone(), contents, name: "n".into() });
            self.journal.record(Record::Collected { key, at: NOW });
        }
        self.was_whole = listed.len() == self.messages.len();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn every_message_is_fetched_exactly_once(ops in proptest::collection::vec(op(), 1..25)) {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(Arc::new(LocalDisk), folder.path()).unwrap();
        let mut world =
            World { journal, messages: vec![], deleted: vec![], shared: HashSet::new(), fetched: vec![], next: 1, was_whole: true };
        for op in &ops {
            let left_out = world.change(op);
            world.pass(left_out);
        }
        world.pass(0);
        let mut once = world.fetched.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), world.fetched.len(), "some came twice: {:?}", world.fetched);
        for message in &world.messages {
            prop_assert!(once.contains(&message.identity), "never fetched: {message:?}");
        }
    }
}
