//! Which listed message is which known one: by unique-id, and where messages share one, by octets and order.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet, VecDeque};

use crate::journal::{Entry, Stage};
use crate::key::Key;

use super::Listed;

/// What a listed message is.
#[derive(Debug)]
pub(super) enum Found<'j> {
    /// This one; its stage says whether it was gone.
    Known(&'j Key, &'j Entry),
    /// This one or another: its octets have changed, and its header has this digest.
    Resized(&'j Key, &'j Entry, [u8; 16]),
    /// One that is not known; this is its key.
    New(Key),
}

/// What is listed and known, by unique-id.
pub(super) struct Groups<'l, 'j> {
    /// From a unique-id to its group.
    places: HashMap<&'l [u8], usize>,
    groups: Vec<Group<'j>>,
}

/// All with one unique-id: with an honest server one listed and one known.
#[derive(Default)]
struct Group<'j> {
    /// Places in the listing, ascending.
    listed: Vec<usize>,
    known: Vec<(&'j Key, &'j Entry)>,
}

impl<'l, 'j> Groups<'l, 'j> {
    pub(super) fn new(listing: &[Listed<'l>]) -> Self {
        let mut places = HashMap::with_capacity(listing.len());
        let mut groups: Vec<Group<'j>> = Vec::with_capacity(listing.len());
        for (at, listed) in listing.iter().enumerate() {
            let place = *places.entry(listed.unique_id).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.listed.push(at),
                None => groups.push(Group { listed: vec![at], known: Vec::new() }),
            }
        }
        Self { places, groups }
    }

    /// Takes an entry whose unique-id is listed. Says whether it is.
    pub(super) fn take(&mut self, key: &'j Key, entry: &'j Entry) -> bool {
        let place = self.places.get(&*key.unique_id);
        let Some(group) = place.and_then(|place| self.groups.get_mut(*place)) else { return false };
        group.known.push((key, entry));
        true
    }

    /// Says what each listed message is, and which entries are not listed any more.
    pub(super) fn settle(
        self,
        listing: &[Listed<'_>],
        replaced: &HashSet<Key>,
        mut found: impl FnMut(usize, Found<'j>),
        mut gone: impl FnMut(&'j Key, &'j Entry),
    ) {
        for group in self.groups {
            // All that an honest server makes.
            if let (&[at], []) = (group.listed.as_slice(), group.known.as_slice()) {
                if let Some(listed) = listing.get(at) {
                    found(at, Found::New(Key::new(listed.unique_id)));
                }
                continue;
            }
            if let (&[at], &[(key, entry)]) = (group.listed.as_slice(), group.known.as_slice()) {
                let octets = listing.get(at).and_then(|listed| listed.octets);
                if has_octets(entry, octets) && !replaced.contains(key) {
                    found(at, Found::Known(key, entry));
                    continue;
                }
            }
            group.settle(listing, replaced, &mut found, &mut gone);
        }
    }
}

impl<'j> Group<'j> {
    /// First those that are there and have the same octets, in their order; then those that were gone and have the same octets; then
    /// those that have others, there or gone. What is left over is new, or gone. Linear, for a server may give all its messages one
    /// unique-id.
    fn settle(
        mut self,
        listing: &[Listed<'_>],
        replaced: &HashSet<Key>,
        found: &mut impl FnMut(usize, Found<'j>),
        gone: &mut impl FnMut(&'j Key, &'j Entry),
    ) {
        // Occurrences in the order of the listing; of their generations the last first, for that was listed last.
        self.known.sort_by_key(|(key, _)| (key.occurrence, Reverse(key.generation)));
        let mut free: Vec<bool> = self.known.iter().map(|(key, _)| !replaced.contains(*key)).collect();
        let mut keys = FreeKeys::default();
        let mut listed = std::mem::take(&mut self.listed);
        self.match_octets(listing, &mut listed, &mut free, &mut keys, found);
        self.match_others(&mut listed, &mut free, &mut keys, found);
        for at in listed {
            if let Some(listed) = listing.get(at) {
                found(at, Found::New(keys.next(listed.unique_id, &self.known)));
            }
        }
        for (index, (key, entry)) in self.known.iter().enumerate() {
            let is_left = free.get(index) == Some(&true) || replaced.contains(*key);
            if is_left && is_there(entry) {
                gone(key, entry);
            }
        }
    }

    /// Those with the same octets, first among what is there, then among what is gone.
    fn match_octets(
        &self,
        listing: &[Listed<'_>],
        listed: &mut Vec<usize>,
        free: &mut [bool],
        keys: &mut FreeKeys,
        found: &mut impl FnMut(usize, Found<'j>),
    ) {
        for wants_there in [true, false] {
            let mut candidates = ByOctets::default();
            for (index, (_, entry)) in self.known.iter().enumerate() {
                if free.get(index) == Some(&true) && is_there(entry) == wants_there {
                    candidates.push(index, entry);
                }
            }
            if candidates.all.is_empty() {
                continue;
            }
            listed.retain(|&at| {
                let octets = listing.get(at).and_then(|listed| listed.octets);
                let Some((index, (key, entry))) =
                    candidates.take(octets, free).and_then(|index| Some((index, *self.known.get(index)?)))
                else {
                    return true;
                };
                debug_assert!(free.get(index) == Some(&false), "it was taken");
                keys.use_up(key);
                found(at, Found::Known(key, entry));
                false
            });
        }
    }

    /// Those with other octets, likewise.
    fn match_others(
        &self,
        listed: &mut Vec<usize>,
        free: &mut [bool],
        keys: &mut FreeKeys,
        found: &mut impl FnMut(usize, Found<'j>),
    ) {
        let other = |wants_there: bool| {
            let (known, free) = (&self.known, &*free);
            (0..known.len()).filter(move |index| {
                let is_other =
                    |(_, entry): &(&Key, &Entry)| is_there(entry) == wants_there && !is_incomparable(entry);
                free.get(*index) == Some(&true) && known.get(*index).is_some_and(is_other)
            })
        };
        let mut others = other(true).chain(other(false));
        let mut matched = Vec::new();
        listed.retain(|&at| {
            let Some(index) = others.next() else { return true };
            let Some(&(key, entry)) = self.known.get(index) else { return true };
            matched.push(index);
            keys.use_up(key);
            let has_story = !matches!(entry.stage, Stage::Listed | Stage::Skipped);
            match entry.contents.filter(|_| has_story) {
                Some(contents) => found(at, Found::Resized(key, entry, contents.header_digest)),
                None => found(at, Found::Known(key, entry)),
            }
            false
        });
        for index in matched {
            free.get_mut(index).into_iter().for_each(|free| *free = false);
        }
    }
}

/// Entries of one unique-id, by their octets.
#[derive(Default)]
struct ByOctets {
    /// A LIST may have counted otherwise than we did, so an entry may stand here twice.
    sized: HashMap<u64, VecDeque<usize>>,
    /// Of unknown octets: they are like any.
    unsized_: VecDeque<usize>,
    all: VecDeque<usize>,
}

impl ByOctets {
    fn push(&mut self, index: usize, entry: &Entry) {
        let counted = entry.contents.map(|contents| contents.octets);
        for octets in entry.listed_octets.into_iter().chain(counted) {
            self.sized.entry(octets).or_default().push_back(index);
        }
        if entry.listed_octets.is_none() && counted.is_none() {
            self.unsized_.push_back(index);
        }
        self.all.push_back(index);
    }

    /// The first that is free and may have these octets; then it is not free any more.
    fn take(&mut self, octets: Option<u64>, free: &mut [bool]) -> Option<usize> {
        let mut first = |queue: &mut VecDeque<usize>| {
            while let Some(index) = queue.pop_front() {
                if let Some(is_free) = free.get_mut(index).filter(|is_free| **is_free) {
                    *is_free = false;
                    return Some(index);
                }
            }
            None
        };
        match octets {
            None => first(&mut self.all),
            Some(octets) => {
                let sized = self.sized.get_mut(&octets).and_then(&mut first);
                sized.or_else(|| first(&mut self.unsized_))
            }
        }
    }
}

/// Keys for messages that are new under a unique-id.
#[derive(Default)]
struct FreeKeys {
    used: HashSet<u32>,
    next: u32,
    /// The last generation of each occurrence that is known; made when it is asked for.
    generations: Option<HashMap<u32, u32>>,
}

impl FreeKeys {
    fn use_up(&mut self, key: &Key) {
        self.used.insert(key.occurrence);
    }

    fn next(&mut self, unique_id: &[u8], known: &[(&Key, &Entry)]) -> Key {
        while self.used.contains(&self.next) {
            self.next += 1;
        }
        let occurrence = self.next;
        self.next += 1;
        let generations = self.generations.get_or_insert_with(|| {
            let mut generations = HashMap::new();
            for (key, _) in known {
                let last = generations.entry(key.occurrence).or_insert(key.generation);
                *last = key.generation.max(*last);
            }
            generations
        });
        let generation = generations.get(&occurrence).map_or(0, |last| last.saturating_add(1));
        Key { unique_id: unique_id.into(), occurrence, generation }
    }
}

/// Whether it may have these octets.
fn has_octets(entry: &Entry, octets: Option<u64>) -> bool {
    let counted = entry.contents.map(|contents| contents.octets);
    let is_unknown = entry.listed_octets.is_none() && counted.is_none();
    is_unknown || octets.is_none() || octets == entry.listed_octets || octets == counted
}

const fn is_there(entry: &Entry) -> bool {
    !matches!(entry.stage, Stage::Gone(_))
}

/// It was collected, and nothing of its contents is known: another program did that. With other octets it is another message, for
/// nobody can tell.
const fn is_incomparable(entry: &Entry) -> bool {
    entry.contents.is_none() && !matches!(entry.stage, Stage::Listed | Stage::Skipped)
}
