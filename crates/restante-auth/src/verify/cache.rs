//! The memory of recent successes: that this password fitted this secret of this account a moment ago.
//!
//! An entry is an HMAC, under a key that the process draws at its start, of name, password and stored secret; it says nothing
//! without the key, and no longer fits when the stored secret changes. Only costly secrets are worth it. See
//! `Settings::cache` for the price.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::CacheSettings;
use crate::account::AccountName;
use crate::password::StoredPassword;

/// What is remembered of a success.
pub(super) type Key = [u8; 32];

/// Remembers successes for a while.
pub(super) struct Cache {
    settings: CacheSettings,
    secret: Zeroizing<[u8; 32]>,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    keys: HashSet<Key>,
    /// The same in the order of insertion, which is that of expiry as all live equally long.
    ages: VecDeque<(Instant, Key)>,
}

impl Cache {
    /// Draws the key.
    pub(super) fn new(settings: CacheSettings) -> Result<Self, getrandom::Error> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret)?;
        Ok(Self { settings, secret, entries: Mutex::default() })
    }

    /// What would be remembered of this.
    pub(super) fn key(&self, name: &AccountName, stored: &StoredPassword, password: &[u8]) -> Key {
        let stored = stored.fingerprint();
        // Lengths first, so that no two different inputs run together into the same octets.
        let lengths =
            [name.as_str().len(), stored.len()].map(|length| u64::try_from(length).unwrap_or(u64::MAX));
        let lengths = lengths.map(u64::to_le_bytes);
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.secret).expect("HMAC takes a key of any length");
        for part in [lengths.as_flattened(), name.as_str().as_bytes(), &stored, password] {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Whether this succeeded not long ago.
    pub(super) fn holds(&self, key: Key, now: Instant) -> bool {
        let mut entries = self.entries();
        entries.expire(now);
        entries.keys.contains(&key)
    }

    /// Remembers a success.
    pub(super) fn insert(&self, key: Key, now: Instant) {
        let mut entries = self.entries();
        entries.expire(now);
        if self.settings.entries_max == 0 || !entries.keys.insert(key) {
            return;
        }
        if entries.ages.len() >= self.settings.entries_max {
            entries.drop_oldest();
        }
        if let Some(end) = now.checked_add(self.settings.ttl) {
            entries.ages.push_back((end, key));
        } else {
            entries.keys.remove(&key);
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn expire(&mut self, now: Instant) {
        while self.ages.front().is_some_and(|(end, _)| *end <= now) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, key)) = self.ages.pop_front() {
            self.keys.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::password::Scheme;

    fn cache(entries_max: usize) -> Cache {
        Cache::new(CacheSettings { ttl: Duration::from_secs(60), entries_max }).unwrap()
    }

    fn key(cache: &Cache, name: &str, stored: &str, password: &str) -> Key {
        let stored = StoredPassword::parse(stored.as_bytes(), Scheme::Crypt).unwrap();
        cache.key(&AccountName::new(name).unwrap(), &stored, password.as_bytes())
    }

    const STORED: &str = "$5$CpjYRQVkhSbhQ6zp$Df2J3Er2bAwdd.2VFEHItwEBcbVQ7Ah9IM.fes1hWF2";
    const OTHER: &str = "$5$CpjYRQVkhSbhQ6zq$Df2J3Er2bAwdd.2VFEHItwEBcbVQ7Ah9IM.fes1hWF2";

    #[test]
    fn a_key_depends_on_everything() {
        let (cache, other) = (cache(9), cache(9));
        let one = key(&cache, "bob", STORED, "secret");
        assert_eq!(one, key(&cache, "bob", STORED, "secret"));
        for another in [
            key(&cache, "rob", STORED, "secret"),
            key(&cache, "bob", OTHER, "secret"),
            key(&cache, "bob", STORED, "secret "),
            key(&other, "bob", STORED, "secret"),
        ] {
            assert_ne!(one, another);
        }
    }

    #[test]
    fn successes_are_forgotten_in_time_and_never_too_many_are_kept() {
        let (cache, start) = (cache(3), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        cache.insert([0; 32], at(0));
        assert!(cache.holds([0; 32], at(59)) && !cache.holds([1; 32], at(59)));
        // Logging in again does not make it live longer.
        cache.insert([0; 32], at(59));
        assert!(!cache.holds([0; 32], at(60)));
        for n in 1..=4 {
            cache.insert([n; 32], at(u64::from(n)));
        }
        assert!(!cache.holds([1; 32], at(5)), "the oldest makes room");
        assert!((2..=4).all(|n| cache.holds([n; 32], at(5))));
        let entries = cache.entries();
        assert_eq!((entries.keys.len(), entries.ages.len()), (3, 3));
    }

    #[test]
    fn a_memory_of_none_holds_nothing() {
        let (cache, now) = (cache(0), Instant::now());
        cache.insert([0; 32], now);
        assert!(!cache.holds([0; 32], now));
    }
}
