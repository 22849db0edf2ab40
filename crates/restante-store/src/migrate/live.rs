//! Which message of the old server's list is which message here, when nothing but POP3 tells: by a unique-id that is the
//! same, then by runs of sizes, then by the digests of headers. What remains is left alone; nothing is guessed.
//!
//! The caller logs in to the old server and brings the digests that are asked for. Order of calls: [`Matching::new`]; as
//! long as [`Matching::wanted`] gives something, [`Matching::old_digest`] and [`Matching::new_digest`] for it, then
//! [`Matching::step`]; at the end [`Matching::pairs`].

use std::collections::HashMap;

use super::header::Digest;

/// One message as both sides know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its unique-id.
    pub unique_id: Vec<u8>,
    /// Its octets, if the side knows them.
    pub octets: Option<u64>,
    /// The digest of its header, once it is known.
    pub digest: Option<Digest>,
}

/// Why two messages are the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// They have the same unique-id already.
    UniqueId,
    /// They lie within a run of messages that have the same sizes on both sides, neighbours of different sizes, and whose
    /// first and last one have the same headers.
    Sizes,
    /// They are the only ones with this header.
    Header,
    /// They have the same header and size as others, of which there are as many on both sides.
    Copies,
}

/// The search going on.
#[derive(Clone, Debug)]
pub struct Matching {
    old: Vec<Seen>,
    new: Vec<Seen>,
    /// For each old message which new one it is.
    pairs: Vec<Option<(usize, Rule)>>,
    is_taken: Vec<bool>,
    runs: Vec<Vec<(usize, usize)>>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Runs,
    Headers,
    Done,
}

/// Whose digests are needed next, by index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Messages of the old server, ascending.
    pub old: Vec<usize>,
    /// Messages here, ascending.
    pub new: Vec<usize>,
}

impl Matching {
    /// Begins with what needs no digest.
    #[must_use]
    pub fn new(old: Vec<Seen>, new: Vec<Seen>) -> Self {
        let (pairs, is_taken) = (vec![None; old.len()], vec![false; new.len()]);
        let mut matching = Self { old, new, pairs, is_taken, runs: Vec::new(), stage: Stage::Runs };
        matching.pair_unique_ids();
        matching.find_runs();
        matching
    }

    /// Whose digests are needed for the next [`step`](Self::step); `None` when all is done.
    #[must_use]
    pub fn wanted(&self) -> Option<Wanted> {
        let mut wanted = Wanted::default();
        match self.stage {
            Stage::Done => return None,
            Stage::Runs => {
                let ends = self.runs.iter().flat_map(|run| [run.first(), run.last()]).flatten();
                (wanted.old, wanted.new) = ends.copied().unzip();
            }
            Stage::Headers => {
                wanted.old = self.old_left().collect();
                // Without anything to compare with, no header need be read.
                wanted.new = if wanted.old.is_empty() { Vec::new() } else { self.new_left().collect() };
                wanted.old.retain(|_| !wanted.new.is_empty());
            }
        }
        for (indices, side) in [(&mut wanted.old, &self.old), (&mut wanted.new, &self.new)] {
            indices.retain(|&at| side.get(at).is_some_and(|seen| seen.digest.is_none()));
            indices.sort_unstable();
            indices.dedup();
        }
        Some(wanted)
    }

    /// The digest of an old message's header.
    pub fn old_digest(&mut self, index: usize, digest: Digest) {
        if let Some(seen) = self.old.get_mut(index) {
            seen.digest = Some(digest);
        }
    }

    /// The digest of the header of a message here.
    pub fn new_digest(&mut self, index: usize, digest: Digest) {
        if let Some(seen) = self.new.get_mut(index) {
            seen.digest = Some(digest);
        }
    }

    /// Goes on with the digests that were brought.
    pub fn step(&mut self) {
        match self.stage {
            Stage::Runs => {
                for run in std::mem::take(&mut self.runs) {
                    let ends = [run.first(), run.last()];
                    if ends.iter().flatten().all(|&&(old, new)| self.have_same_header(old, new)) {
                        run.into_iter().for_each(|(old, new)| self.pair(old, new, Rule::Sizes));
                    }
                }
                self.stage = Stage::Headers;
            }
            Stage::Headers => {
                self.pair_headers();
                self.stage = Stage::Done;
            }
            Stage::Done => {}
        }
    }

    /// For each old message which one here it is, and why.
    #[must_use]
    pub fn pairs(&self) -> &[Option<(usize, Rule)>] {
        &self.pairs
    }

    fn pair(&mut self, old: usize, new: usize, rule: Rule) {
        if let (Some(pair @ None), Some(is_taken @ false)) =
            (self.pairs.get_mut(old), self.is_taken.get_mut(new))
        {
            *pair = Some((new, rule));
            *is_taken = true;
        }
    }

    fn old_left(&self) -> impl Iterator<Item = usize> {
        self.pairs.iter().enumerate().filter(|(_, pair)| pair.is_none()).map(|(at, _)| at)
    }

    fn new_left(&self) -> impl Iterator<Item = usize> {
        self.is_taken.iter().enumerate().filter(|(_, is_taken)| !**is_taken).map(|(at, _)| at)
    }

    fn have_same_header(&self, old: usize, new: usize) -> bool {
        let digest = |side: &[Seen], at: usize| side.get(at).and_then(|seen| seen.digest);
        digest(&self.old, old).is_some_and(|old| digest(&self.new, new) == Some(old))
    }

    fn pair_unique_ids(&mut self) {
        let here: HashMap<&[u8], usize> =
            self.new.iter().enumerate().map(|(at, seen)| (seen.unique_id.as_slice(), at)).collect();
        let found = |(at, seen): (usize, &Seen)| Some((at, *here.get(seen.unique_id.as_slice())?));
        let found: Vec<(usize, usize)> = self.old.iter().enumerate().filter_map(found).collect();
        found.into_iter().for_each(|(old, new)| self.pair(old, new, Rule::UniqueId));
    }

    /// Walks both lists side by side as long as the sizes agree; where they do not, on to the next size that both have
    /// once.
    fn find_runs(&mut self) {
        let old: Vec<(usize, Option<u64>)> =
            self.old_left().map(|at| (at, self.old.get(at).and_then(|seen| seen.octets))).collect();
        let new: Vec<(usize, Option<u64>)> =
            self.new_left().map(|at| (at, self.new.get(at).and_then(|seen| seen.octets))).collect();
        let once_in_new = once(&new);
        let once_in_old = once(&old);
        let (mut i, mut j, mut run) = (0, 0, Vec::new());
        let mut runs = Vec::new();
        let mut end = |run: &mut Vec<(usize, usize)>| {
            if !run.is_empty() {
                runs.push(std::mem::take(run));
            }
        };
        while let (Some(&(at_old, octets)), Some(&(at_new, octets_here))) = (old.get(i), new.get(j)) {
            if octets.is_some() && octets == octets_here {
                if differs_from_neighbours(&old, i) && differs_from_neighbours(&new, j) {
                    run.push((at_old, at_new));
                } else {
                    end(&mut run);
                }
                if run.len() == RUN_MAX {
                    end(&mut run);
                }
                (i, j) = (i + 1, j + 1);
                continue;
            }
            end(&mut run);
            let next = (i..old.len()).find_map(|i| {
                let octets = old.get(i)?.1?;
                once_in_old.get(&octets)?.as_ref()?;
                let j = (*once_in_new.get(&octets)?).filter(|&other| other >= j)?;
                Some((i, j))
            });
            match next {
                Some(next) => (i, j) = next,
                None => break,
            }
        }
        end(&mut run);
        self.runs = runs;
    }

    fn pair_headers(&mut self) {
        let mut groups: HashMap<Digest, (Vec<usize>, Vec<usize>)> = HashMap::new();
        for at in self.old_left() {
            if let Some(digest) = self.old.get(at).and_then(|seen| seen.digest) {
                groups.entry(digest).or_default().0.push(at);
            }
        }
        for at in self.new_left() {
            if let Some(digest) = self.new.get(at).and_then(|seen| seen.digest) {
                groups.entry(digest).or_default().1.push(at);
            }
        }
        for (old, new) in groups.into_values() {
            match (old.as_slice(), new.as_slice()) {
                (&[old], &[new]) => self.pair(old, new, Rule::Header),
                _ => self.pair_copies(&old, &new),
            }
        }
    }

    /// Copies of one message are told apart by size; those of one size are alike, so it is enough that there are as many.
    fn pair_copies(&mut self, old: &[usize], new: &[usize]) {
        let mut sizes: HashMap<u64, (Vec<usize>, Vec<usize>)> = HashMap::new();
        for &at in old {
            if let Some(octets) = self.old.get(at).and_then(|seen| seen.octets) {
                sizes.entry(octets).or_default().0.push(at);
            }
        }
        for &at in new {
            if let Some(octets) = self.new.get(at).and_then(|seen| seen.octets) {
                sizes.entry(octets).or_default().1.push(at);
            }
        }
        for (old, new) in sizes.into_values().filter(|(old, new)| old.len() == new.len()) {
            old.into_iter().zip(new).for_each(|(old, new)| self.pair(old, new, Rule::Copies));
        }
    }
}

/// Where each size stands in a list; `None` for one that comes more than once.
fn once(list: &[(usize, Option<u64>)]) -> HashMap<u64, Option<usize>> {
    let mut once = HashMap::new();
    for (at, (_, octets)) in list.iter().enumerate() {
        if let Some(octets) = octets {
            once.entry(*octets).and_modify(|place| *place = None).or_insert(Some(at));
        }
    }
    once
}

fn differs_from_neighbours(list: &[(usize, Option<u64>)], at: usize) -> bool {
    let octets = |at: usize| list.get(at).and_then(|(_, octets)| *octets);
    let here = octets(at);
    [at.checked_sub(1), at.checked_add(1)].into_iter().flatten().all(|neighbour| octets(neighbour) != here)
}

/// No more messages than so many are taken to be the same because those around them are.
const RUN_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of (name of the header, octets), the unique-ids are numbers behind a letter.
    fn side(letter: char, messages: &[(u8, u64)]) -> Vec<Seen> {
        let seen = |(number, &(_, octets)): (usize, &(u8, u64))| Seen {
            unique_id: format!("{letter}{number}").into_bytes(),
            octets: Some(octets),
            digest: None,
        };
        messages.iter().enumerate().map(seen).collect()
    }

    /// Which is which, and how many headers were read of the old server.
    fn run(old: &[(u8, u64)], new: &[(u8, u64)]) -> (Vec<Option<(usize, Rule)>>, usize) {
        let mut matching = Matching::new(side('o', old), side('n', new));
        let mut read = 0;
        while let Some(wanted) = matching.wanted() {
            read += wanted.old.len();
            wanted.old.iter().for_each(|&at| matching.old_digest(at, [old[at].0; 32]));
            wanted.new.iter().for_each(|&at| matching.new_digest(at, [new[at].0; 32]));
            matching.step();
        }
        (matching.pairs().to_vec(), read)
    }

    #[test]
    fn a_run_is_known_by_its_ends() {
        let all: Vec<(u8, u64)> = (0..50).map(|n| (n, 1000 + u64::from(n))).collect();
        let (pairs, read) = run(&all, &all);
        assert!(pairs.iter().enumerate().all(|(at, pair)| *pair == Some((at, Rule::Sizes))));
        assert_eq!(read, 2);
        // One was removed, and one came.
        let here = [&all[..20], &all[21..], &[(77, 5)]].concat();
        let (pairs, read) = run(&all, &here);
        assert_eq!(pairs[20], None);
        assert_eq!(pairs[49], Some((48, Rule::Sizes)));
        assert_eq!(read, 5);
    }

    #[test]
    fn sizes_that_only_look_alike_do_not_count() {
        let (pairs, _) = run(&[(1, 10), (2, 20), (3, 30)], &[(4, 10), (2, 20), (5, 30)]);
        assert_eq!(pairs, [None, Some((1, Rule::Header)), None]);
    }

    #[test]
    fn headers_tell_where_sizes_do_not() {
        // Another way to count octets, another order.
        let (pairs, _) = run(&[(1, 10), (2, 10), (3, 12)], &[(3, 14), (2, 11), (1, 11)]);
        assert_eq!(pairs, [Some((2, Rule::Header)), Some((1, Rule::Header)), Some((0, Rule::Header))]);
    }

    #[test]
    fn copies_are_matched_only_where_nothing_is_left_to_chance() {
        let copies = [(1, 10), (1, 10), (1, 11)];
        let (pairs, _) = run(&copies, &[(1, 11), (1, 10), (1, 10)]);
        assert_eq!(pairs, [Some((1, Rule::Copies)), Some((2, Rule::Copies)), Some((0, Rule::Sizes))]);
        let (pairs, _) = run(&copies, &[(1, 10), (1, 11)]);
        assert_eq!(pairs.iter().flatten().filter(|(_, rule)| *rule == Rule::Copies).count(), 0, "{pairs:?}");
        assert_eq!(pairs[0], None);
    }

    #[test]
    fn what_was_imported_is_known_again_without_a_look() {
        let all: Vec<(u8, u64)> = (0..5).map(|n| (n, 10)).collect();
        let matching = Matching::new(side('s', &all), side('s', &all));
        assert!(matching.pairs().iter().enumerate().all(|(at, pair)| *pair == Some((at, Rule::UniqueId))));
        assert_eq!(matching.wanted(), Some(Wanted::default()));
    }

    proptest::proptest! {
        #[test]
        fn pairs_have_the_same_header_and_no_message_twice(
            old in proptest::collection::vec((0_u8..6, 0_u64..6), 0..20),
            new in proptest::collection::vec((0_u8..6, 0_u64..6), 0..20),
        ) {
            // Here a size belongs to a header, so that a run cannot lie.
            let sized = |side: Vec<(u8, u64)>| -> Vec<(u8, u64)> {
                side.into_iter().map(|(header, more)| (header, u64::from(header) * 10 + more)).collect()
            };
            let (old, new) = (sized(old), sized(new));
            let (pairs, _) = run(&old, &new);
            let mut seen = std::collections::HashSet::new();
            for (at, pair) in pairs.iter().enumerate() {
                if let Some((here, _)) = pair {
                    proptest::prop_assert!(seen.insert(*here));
                    proptest::prop_assert_eq!(old[at].0, new[*here].0);
                }
            }
        }
    }
}
