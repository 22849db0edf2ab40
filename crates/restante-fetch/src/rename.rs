//! Unique-ids that have changed all at once: after a migration, or with a server that gives new ones in every session.
//!
//! Pure. `plan` notices it, the pass asks for the header of every message that is unknown, and [`MassChange::settle`] says which of them
//! are known after all. Nothing is fetched, and nothing recorded as gone, before.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

use jiff::Timestamp;
use restante_proto::maildrop::MessageNumber;

use crate::header::Digested;
use crate::journal::{Entry, Record};
use crate::key::Key;
use crate::plan::Item;

/// Many messages are gone while many unknown ones came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MassChange {
    /// What is listed and not known, in the order of the listing: the headers of all of these are to be compared.
    pub unknown: Vec<Item>,
    /// What was listed last time and is not now, and was collected or is on its way.
    pub missing: Vec<Candidate>,
    /// What was gone before.
    pub tombstones: Vec<Candidate>,
}

/// A message that may have another unique-id now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What it was called.
    pub key: Key,
    /// Its octets, as LIST said and as they were counted.
    pub octets: [Option<u64>; 2],
    /// The digest of its header, if it was fetched by us.
    pub header_digest: Option<[u8; 16]>,
}

impl Candidate {
    pub(crate) fn of(key: &Key, entry: &Entry) -> Self {
        Self {
            key: key.clone(),
            octets: [entry.listed_octets, entry.contents.map(|contents| contents.octets)],
            header_digest: entry.contents.map(|contents| contents.header_digest),
        }
    }
}

/// What somebody has decided about messages that cannot be compared (`--new-unique-ids`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// They are all collected already.
    Adopt,
    /// They are all new.
    Fetch,
}

/// What a change came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// To be recorded and made durable; then a plan is made anew, with `is_settled`.
    pub records: Vec<Record>,
    /// Messages that were known again.
    pub renamed: usize,
    /// Messages that were taken for collected because somebody said so.
    pub adopted: usize,
    /// Messages that are new.
    pub new: usize,
}

/// Why it cannot be told which message is which. Displays with what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotComparable {
    /// Unknown messages.
    pub unknown: usize,
    /// Those of them that may be among the known ones.
    pub doubtful: usize,
    /// Why.
    pub why: Why,
}

/// What is missing for a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The server did not give the headers of these messages.
    NoHeaders,
    /// Another program has collected the messages that are missing now, and only their unique-ids are known.
    NoDigests,
}

impl fmt::Display for NotComparable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unknown, doubtful, why } = self;
        let why = match why {
            Why::NoHeaders => "the server does not show their headers",
            Why::NoDigests => "another program collected the old ones and left no more than their unique-ids",
        };
        write!(
            out,
            "the server calls its messages by other unique-ids than before: {unknown} of them are unknown, {doubtful} of these may have been \
             collected already, and it cannot be told, because {why}. Nothing was fetched or deleted. Say which it is: \
             --new-unique-ids adopt (they were all collected before) or --new-unique-ids fetch (fetch them all; some may come twice)"
        )
    }
}

impl std::error::Error for NotComparable {}

impl MassChange {
    /// The messages whose headers are to be compared.
    pub fn numbers(&self) -> impl Iterator<Item = MessageNumber> {
        self.unknown.iter().map(|item| item.number)
    }

    /// Says which messages are which, from the headers of the unknown ones.
    ///
    /// One with the header and the octets of a missing one is that; of two that are alike in both, each takes one, in their order.
    /// Servers count octets differently, so what is left over is compared by the header alone, if that has a Message-ID and there is
    /// exactly one such message on either side. Missing ones come before those that were gone before.
    ///
    /// # Errors
    /// [`NotComparable`] when a message may be known or not, and `choice` does not say.
    pub fn settle(
        &self,
        headers: &HashMap<MessageNumber, Digested>,
        choice: Option<Choice>,
        now: Timestamp,
    ) -> Result<Settled, NotComparable> {
        let mut settled = Settled::default();
        let mut pool = Pool::new(self);
        let mut open: Vec<(&Item, Option<&Digested>)> = Vec::new();
        for item in &self.unknown {
            let header = headers.get(&item.number).filter(|header| !header.is_empty);
            match header.and_then(|header| pool.take_alike(header, item.octets)) {
                Some(from) => settled.rename(from, item),
                None => open.push((item, header)),
            }
        }
        let open = pool.take_single(open, &mut settled);
        let doubt = Doubt::of(&pool);
        let doubtful = open.iter().filter(|(item, header)| doubt.holds(item, *header));
        let (mut count, mut why) = (0, Why::NoDigests);
        for (_, header) in doubtful {
            count += 1;
            if header.is_none() {
                why = Why::NoHeaders;
            }
        }
        if count > 0 && choice.is_none() {
            return Err(NotComparable { unknown: self.unknown.len(), doubtful: count, why });
        }
        for (item, header) in open {
            match choice {
                Some(Choice::Adopt) if doubt.holds(item, header) => settled.adopt(item, now),
                _ => settled.new += 1,
            }
        }
        Ok(settled)
    }
}

impl Settled {
    fn rename(&mut self, from: &Candidate, to: &Item) {
        self.renamed += 1;
        self.records.push(Record::Renamed { from: from.key.clone(), to: to.key.clone() });
    }

    fn adopt(&mut self, item: &Item, at: Timestamp) {
        self.adopted += 1;
        self.records.push(Record::Listed { key: item.key.clone(), octets: item.octets, at });
        self.records.push(Record::Collected { key: item.key.clone(), at });
    }
}

/// The known messages that have not been found yet: missing ones, then tombstones.
struct Pool<'a> {
    candidates: Vec<&'a Candidate>,
    is_free: Vec<bool>,
    /// How many of them are missing.
    missing: usize,
    alike: HashMap<([u8; 16], u64), VecDeque<usize>>,
}

impl<'a> Pool<'a> {
    fn new(change: &'a MassChange) -> Self {
        let candidates: Vec<&Candidate> = change.missing.iter().chain(&change.tombstones).collect();
        let mut alike: HashMap<_, VecDeque<usize>> = HashMap::new();
        for (index, candidate) in candidates.iter().enumerate() {
            for octets in candidate.octets.iter().flatten() {
                if let Some(digest) = candidate.header_digest {
                    alike.entry((digest, *octets)).or_default().push_back(index);
                }
            }
        }
        let is_free = vec![true; candidates.len()];
        Self { candidates, is_free, missing: change.missing.len(), alike }
    }

    /// The first with this header and these octets.
    fn take_alike(&mut self, header: &Digested, octets: Option<u64>) -> Option<&'a Candidate> {
        let queue = self.alike.get_mut(&(header.digest, octets?))?;
        while let Some(index) = queue.pop_front() {
            if self.is_free.get(index) == Some(&true) {
                return self.take(index);
            }
        }
        None
    }

    /// Those that are the only ones with their header on either side. What is still open comes back.
    fn take_single<'i>(
        &mut self,
        open: Vec<(&'i Item, Option<&'i Digested>)>,
        settled: &mut Settled,
    ) -> Vec<(&'i Item, Option<&'i Digested>)> {
        let mut wanted: HashMap<[u8; 16], usize> = HashMap::new();
        for header in open.iter().filter_map(|(_, header)| *header) {
            *wanted.entry(header.digest).or_default() += 1;
        }
        // Missing ones count before tombstones.
        let mut offered: [HashMap<[u8; 16], Vec<usize>>; 2] = Default::default();
        let [missing, tombstones] = &mut offered;
        for (index, candidate) in self.candidates.iter().enumerate() {
            if let (Some(digest), Some(true)) = (candidate.header_digest, self.is_free.get(index)) {
                let offered = if index < self.missing { &mut *missing } else { &mut *tombstones };
                offered.entry(digest).or_default().push(index);
            }
        }
        let mut left = Vec::new();
        for (item, header) in open {
            let single = header
                .filter(|header| header.has_message_id && wanted.get(&header.digest) == Some(&1))
                .and_then(|header| {
                    let [missing, tombstones] = &offered;
                    missing.get(&header.digest).or_else(|| tombstones.get(&header.digest))
                })
                .and_then(|indices| if let [index] = indices.as_slice() { self.take(*index) } else { None });
            match single {
                Some(from) => settled.rename(from, item),
                None => left.push((item, header)),
            }
        }
        left
    }

    fn take(&mut self, index: usize) -> Option<&'a Candidate> {
        self.is_free.get_mut(index).into_iter().for_each(|is_free| *is_free = false);
        self.candidates.get(index).copied()
    }

    /// What is missing and was not found.
    fn left(&self) -> impl Iterator<Item = &'a Candidate> {
        let left = self.candidates.iter().zip(&self.is_free).take(self.missing);
        left.filter(|(_, is_free)| **is_free).map(|(candidate, _)| *candidate)
    }
}

/// What a message that was not found may be after all.
struct Doubt {
    /// Messages that are missing, of any kind.
    has_missing: bool,
    /// The octets of missing ones that nothing is known of but that.
    vague: HashSet<u64>,
    /// There is one of these whose octets are not known either, or there are so many that another way of counting is likelier.
    is_any: bool,
}

impl Doubt {
    fn of(pool: &Pool<'_>) -> Self {
        let vague = || pool.left().filter(|candidate| candidate.header_digest.is_none());
        Self {
            has_missing: pool.left().next().is_some(),
            vague: vague().flat_map(|candidate| candidate.octets).flatten().collect(),
            is_any: vague().count() >= MANY || vague().any(|candidate| candidate.octets == [None, None]),
        }
    }

    fn holds(&self, item: &Item, header: Option<&Digested>) -> bool {
        match header {
            None => self.has_missing,
            Some(_) => {
                self.is_any
                    || item.octets.map_or(!self.vague.is_empty(), |octets| self.vague.contains(&octets))
            }
        }
    }
}

/// See [`Doubt::is_any`].
const MANY: usize = 10;

#[cfg(test)]
mod tests;
