//! Finding a message by its base name, among a million of them, without keeping their names.
//!
//! A name is known by 64 bits of a hash whose key is chosen anew each time, so nobody can make two names alike, and among a
//! million messages a new one is taken for another once in some ten million million looks. It would then be seen at
//! the next one, under another key.

use std::hash::{BuildHasher as _, RandomState};

/// Positions by base name.
pub(super) struct Finder {
    key: RandomState,
    /// Hash and position; [`EMPTY`] for a free place. The length is a power of two.
    places: Vec<(u32, u32)>,
    /// The other half of the hash, by position.
    rest: Vec<u32>,
}

impl Finder {
    /// Room for so many messages.
    pub(super) fn with_capacity(messages: usize) -> Self {
        let places = (messages + messages / 2 + 1).next_power_of_two();
        Self { key: RandomState::new(), places: vec![(0, EMPTY); places], rest: vec![0; messages] }
    }

    /// Adds a message. Says which other one has the same name; that is not found any more.
    pub(super) fn insert(&mut self, base_name: &[u8], position: usize) -> Option<usize> {
        let (first, rest) = self.hash(base_name);
        let number = u32::try_from(position).ok()?;
        *self.rest.get_mut(position)? = rest;
        let mut at = first as usize;
        loop {
            at &= self.places.len() - 1;
            let other = *self.places.get(at)?;
            let is_same = other.0 == first && self.rest.get(other.1 as usize) == Some(&rest);
            if other.1 == EMPTY || is_same {
                *self.places.get_mut(at)? = (first, number);
                return is_same.then_some(other.1 as usize).filter(|_| other.1 != EMPTY);
            }
            at += 1;
        }
    }

    /// The position of the message with this name.
    pub(super) fn find(&self, base_name: &[u8]) -> Option<usize> {
        let (first, rest) = self.hash(base_name);
        let mut at = first as usize;
        loop {
            at &= self.places.len() - 1;
            let (hash, position) = *self.places.get(at)?;
            if position == EMPTY {
                return None;
            }
            if hash == first && self.rest.get(position as usize) == Some(&rest) {
                return Some(position as usize);
            }
            at += 1;
        }
    }

    fn hash(&self, base_name: &[u8]) -> (u32, u32) {
        let hash = self.key.hash_one(base_name);
        ((hash >> 32) as u32, hash as u32)
    }
}

/// Says of most names at once that they are none of a few.
pub(super) struct Sieve {
    /// One bit for each of the fingerprints; the length is a power of two.
    words: Vec<u64>,
}

impl Sieve {
    /// For so many names.
    pub(super) fn with_capacity(names: usize) -> Self {
        let words = (names / 4 + 1).next_power_of_two().clamp(64, 64 * 1024);
        Self { words: vec![0; words] }
    }

    pub(super) fn insert(&mut self, base_name: &[u8]) {
        let (word, bit) = self.place(base_name);
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
    }

    /// `false` when the name is none of them.
    pub(super) fn may_hold(&self, base_name: &[u8]) -> bool {
        let (word, bit) = self.place(base_name);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Quick and without a key: whoever makes names alike makes nothing but work.
    fn place(&self, base_name: &[u8]) -> (usize, u64) {
        let (chunks, rest) = base_name.as_chunks();
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(octet, rest)| *octet = *rest);
        let mix = |mix: u64, chunk: &[u8; 8]| {
            (mix.rotate_left(5) ^ u64::from_le_bytes(*chunk)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        };
        let print = chunks.iter().chain([&last]).fold(base_name.len() as u64, mix);
        let word = (print >> 40) as usize & (self.words.len() - 1);
        (word, 1 << (print >> 32 & 63))
    }
}

/// No position.
const EMPTY: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sieve_lets_its_own_through_and_few_others() {
        let name = |number: usize| format!("17000{number}.M99P1.host").into_bytes();
        let mut sieve = Sieve::with_capacity(50);
        (0..50).for_each(|number| sieve.insert(&name(number)));
        assert!((0..50).all(|number| sieve.may_hold(&name(number))));
        let others = (50..10_050).filter(|&number| sieve.may_hold(&name(number))).count();
        assert!(others < 1000, "{others}");
        assert!(!Sieve::with_capacity(0).may_hold(b"a"));
    }

    #[test]
    fn names_are_found_and_others_are_not() {
        let name = |number: usize| format!("17000{number}.host").into_bytes();
        let mut finder = Finder::with_capacity(1000);
        for number in 0..1000 {
            assert_eq!(finder.insert(&name(number), number), None);
        }
        for number in 0..1000 {
            assert_eq!(finder.find(&name(number)), Some(number));
            assert_eq!(finder.find(&name(number + 1000)), None);
        }
        assert_eq!(finder.insert(&name(5), 7), Some(5), "the later one is found");
        assert_eq!(finder.find(&name(5)), Some(7));
        assert_eq!(Finder::with_capacity(0).find(b"a"), None);
    }
}
