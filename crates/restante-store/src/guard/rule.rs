//! The rule of the guard: when most of a listing has changed its unique-ids. Pure; docs/design/0011-guard.md derives it.

use std::collections::HashSet;

use restante_proto::maildrop::Listing;

use super::memory::{Memory, Noted, Smallest, hashes};

/// A listing compared with what was shown before.
#[derive(Debug)]
pub(super) struct Census {
    /// Messages of the old sample that are not in the listing.
    pub(super) gone: Vec<Noted>,
    /// Messages of the listing that were not in the old one, among those that would have been in the old sample.
    fresh: usize,
    /// The messages for a new sample: hash and index, ascending by hash.
    pub(super) smallest: Vec<(u64, usize)>,
}

impl Census {
    /// Goes through the whole listing once.
    pub(super) fn new(memory: &Memory, listing: &Listing) -> Self {
        let (bound, mut seen, mut fresh) = (memory.bound(), HashSet::new(), 0);
        let mut smallest = Smallest::new();
        hashes(listing, |index, hash| {
            smallest.see(hash, index);
            if hash <= bound {
                if memory.noted(hash).is_some() {
                    seen.insert(hash);
                } else {
                    fresh += 1;
                }
            }
        });
        let gone = memory.sample.iter().filter(|noted| !seen.contains(&noted.hash)).copied().collect();
        Self { gone, fresh, smallest: smallest.sorted() }
    }

    /// Whether most messages are gone. Only then is it worth looking for them under other names.
    pub(super) fn is_suspicious(&self, memory: &Memory) -> bool {
        self.gone.len() >= GONE_MIN && 2 * self.gone.len() > memory.sample.len()
    }

    /// Whether so many of those that are gone have been found again that the same messages must have come back, and not
    /// somebody's second copies of them have stayed.
    pub(super) fn is_alarming(&self, found: usize) -> bool {
        found >= GONE_MIN && 2 * found > self.fingerprints().len() && 2 * self.fresh >= found
    }

    /// What the messages that are gone can be known by.
    pub(super) fn fingerprints(&self) -> HashSet<u64> {
        self.gone.iter().map(|noted| noted.fingerprint).filter(|&fingerprint| fingerprint != 0).collect()
    }

    /// Where to look for them: messages that are not in the old sample, those first that have the octets of one that is
    /// gone.
    pub(super) fn candidates(&self, memory: &Memory, listing: &Listing) -> Vec<usize> {
        let octets: HashSet<u64> = self.gone.iter().map(|noted| noted.octets).collect();
        let (mut likely, mut others) = (Vec::new(), Vec::new());
        hashes(listing, |index, hash| {
            if memory.noted(hash).is_none() {
                let is_likely = listing.octets(index).is_some_and(|o| octets.contains(&o.as_u64()));
                let among = if is_likely { &mut likely } else { &mut others };
                if among.len() < CANDIDATES_MAX {
                    among.push(index);
                }
            }
        });
        likely.extend(others);
        likely.truncate(CANDIDATES_MAX);
        likely
    }
}

/// Whether what is remembered is so far from what is there now that it should be written anew.
pub(super) fn is_outdated(memory: &Memory, smallest: &[(u64, usize)]) -> bool {
    let stayed = smallest.iter().filter(|(hash, _)| memory.noted(*hash).is_some()).count();
    let drift = (memory.sample.len() - stayed.min(memory.sample.len())) + (smallest.len() - stayed);
    drift >= (memory.sample.len().max(smallest.len()) / 4).max(DRIFT_MIN)
}

/// Fewer messages are retrieved again without anybody noticing.
pub(super) const GONE_MIN: usize = 8;

/// Fewer changes are not worth a write.
const DRIFT_MIN: usize = 4;

/// So many headers are read at most: a tenth of a second, and only when most messages are gone.
const CANDIDATES_MAX: usize = 16 * 1024;
