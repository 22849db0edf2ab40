//! `Sample`: some of the secrets that were seen lately, so that names that nobody has cost what accounts cost.
//!
//! A database is not read as a whole, so what its accounts have is known from those that were asked for. Until there was one, the configured
//! scheme says what they are like.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use restante_auth::account::AccountName;
use restante_auth::directory::Entry;
use restante_auth::directory::census::{Census, Shape};
use restante_auth::password::{Scheme, StoredPassword, make};

/// Secrets of some accounts, each in a place that follows from its name.
pub(super) struct Sample {
    scheme: Scheme,
    hasher: RandomState,
    seen: Mutex<BTreeMap<u64, Entry>>,
}

impl Sample {
    pub(super) fn new(scheme: Scheme) -> Self {
        Self { scheme, hasher: RandomState::new(), seen: Mutex::new(BTreeMap::new()) }
    }

    /// Takes note of what an account has.
    pub(super) fn note(&self, name: &AccountName, entry: &Entry) {
        let place = self.hasher.hash_one(name) % PLACES;
        let mut seen = self.seen();
        match entry.password.is_locked() {
            true => seen.remove(&place),
            false => seen.insert(place, entry.clone()),
        };
    }

    /// How many accounts are known of.
    pub(super) fn len(&self) -> usize {
        self.seen().len()
    }

    /// What the accounts may have. They are not counted, so no mechanism is said to serve all of them, and none to serve nobody.
    pub(super) fn census(&self) -> Census {
        let mut census = Census { open: 2, plain: 1, ..Census::default() };
        for verifier in self.seen().values().flat_map(|entry| &entry.scram) {
            // One of each shape: it may be shown, how often nobody knows.
            census.shapes.insert(Shape::of(verifier), 1);
        }
        census
    }

    /// The secret of some account; until one was seen, one such as the scheme makes.
    pub(super) fn decoy(&self, seed: u64) -> StoredPassword {
        let seen = self.seen();
        let place = seed % PLACES;
        let found = seen.range(place..).next().or_else(|| seen.iter().next());
        found.map_or_else(|| usual(self.scheme), |(_, entry)| entry.password.clone())
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A secret that costs what those of a scheme usually cost, and that no password is known to fit.
fn usual(scheme: Scheme) -> StoredPassword {
    let text = match scheme {
        Scheme::Plain
        | Scheme::Sha1
        | Scheme::Sha256
        | Scheme::Sha512
        | Scheme::Ssha
        | Scheme::Ssha256
        | Scheme::Ssha512 => "{PLAIN}nobody's",
        Scheme::Sha256Crypt => "{SHA256-CRYPT}$5$nobodys$B8sLIMAv4jKcHjS9e/Z6YD6Z/pXi5WV5ZvuC7Xecpf4",
        Scheme::Crypt | Scheme::Sha512Crypt => {
            "{SHA512-CRYPT}$6$nobodys$ITC6.zNvPX.F56iC10DKWQS9hSwqf/e3hsdQ4TVhaIXz8CJ8Rs1QDHTLzmOr7hRCyy32VTf9/gsimPSADo0kt."
        }
        Scheme::BlfCrypt => "{BLF-CRYPT}$2y$10$nobodysnobodysnobodysuP1ZHAq4vCA43cWm4bHqNaVyf16LZwuK",
        _ => "",
    };
    let parsed = StoredPassword::parse(text.as_bytes(), Scheme::Plain);
    parsed.ok().filter(|it| !it.is_locked()).unwrap_or_else(make::decoy)
}

/// Enough to imitate the kinds of secrets of a site, little to keep in memory.
const PLACES: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use restante_auth::account::Account;
    use restante_auth::directory::census::Coverage;
    use restante_auth::password::{Cost, Hash};

    fn entry(secret: &str) -> Entry {
        let password = StoredPassword::parse(secret.as_bytes(), Scheme::Plain).unwrap();
        let scram = password.scram().cloned().into_iter().collect();
        Entry {
            account: Account::new(AccountName::new("bob").unwrap()),
            password,
            scram,
            app_passwords: Vec::new(),
        }
    }

    #[test]
    fn before_anybody_was_seen_the_scheme_decides() {
        for (scheme, debug) in [
            (Scheme::Plain, "plain"),
            (Scheme::Ssha512, "plain"),
            (Scheme::Crypt, "sha-crypt"),
            (Scheme::Sha256Crypt, "sha-crypt"),
            (Scheme::BlfCrypt, "bcrypt"),
            (Scheme::Argon2id, "argon2"),
        ] {
            let decoy = Sample::new(scheme).decoy(7);
            assert_eq!(format!("{decoy:?}"), format!("StoredPassword({debug})"), "{scheme:?}");
            assert!(!decoy.is_locked() && !decoy.fits(b"secret").unwrap());
        }
    }

    #[test]
    fn afterwards_it_is_somebodys_and_nothing_is_announced_unasked() {
        let sample = Sample::new(Scheme::Argon2id);
        let name = |n: usize| AccountName::new(&format!("account{n}")).unwrap();
        (0..1_000).for_each(|n| sample.note(&name(n), &entry("{PLAIN}x")));
        assert!(sample.len() <= 64);
        assert!((0..1_000).all(|seed| sample.decoy(seed).cost() == Cost::Cheap));
        (0..1_000).for_each(|n| sample.note(&name(n), &entry("*")));
        assert_eq!(sample.len(), 0, "locked accounts are nobody to imitate");
        let census = sample.census();
        assert_eq!(
            (census.of_plain_secrets(), census.of_scram(Hash::Sha256)),
            (Coverage::Some, Coverage::Some)
        );
    }
}
