//! What kinds of secrets the accounts of a directory have, in numbers: which mechanisms they can serve, and what a name that
//! nobody has must look like.
//!
//! A directory counts when it reads its accounts; `verify` adds the counts of all directories up.

use std::collections::BTreeMap;

use crate::password::scram::ScramVerifier;
use crate::password::{Hash, StoredPassword};

/// How many accounts have which secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Accounts that are not locked.
    pub open: u64,
    /// Of them, those whose secret is stored in plain text.
    pub plain: u64,
    /// Of them, those with a SCRAM verifier, by what a client is shown of it. One account may have several. At most
    /// 1000 shapes are told apart.
    pub shapes: BTreeMap<Shape, u64>,
}

/// What a client is shown of a verifier before it has proven anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// The hash function.
    pub hash: Hash,
    /// The iterations.
    pub iterations: u32,
    /// The length of the salt.
    pub salt_octets: usize,
}

/// How many of the accounts a mechanism can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coverage {
    /// Not one.
    None,
    /// One at least, and not all.
    Some,
    /// Each that is not locked.
    All,
}

impl Census {
    /// Counts one account.
    pub fn add(&mut self, password: &StoredPassword, scram: &[ScramVerifier]) {
        // One that is absent is nobody's to use either, whatever the mechanism.
        if !password.is_there() {
            return;
        }
        self.open += 1;
        self.plain += u64::from(password.plain().is_some());
        let presentable = scram.iter().filter(|verifier| verifier.is_presentable());
        presentable.for_each(|verifier| self.count(Shape::of(verifier), 1));
    }

    /// Counts the accounts of another directory too.
    pub fn add_all(&mut self, other: &Self) {
        self.open = self.open.saturating_add(other.open);
        self.plain = self.plain.saturating_add(other.plain);
        other.shapes.iter().for_each(|(shape, accounts)| self.count(*shape, *accounts));
    }

    fn count(&mut self, shape: Shape, accounts: u64) {
        let is_full = self.shapes.len() >= SHAPES_MAX;
        if let Some(known) = self.shapes.get_mut(&shape) {
            *known = known.saturating_add(accounts);
        } else if !is_full {
            self.shapes.insert(shape, accounts);
        }
    }

    /// How many accounts the mechanisms serve that need the secret itself: APOP and CRAM-MD5.
    pub fn of_plain_secrets(&self) -> Coverage {
        self.coverage(self.plain)
    }

    /// How many accounts SCRAM with this hash serves: those with a verifier, and those whose secret gives one.
    pub fn of_scram(&self, hash: Hash) -> Coverage {
        let stored = self.shapes_of(hash).fold(0_u64, |sum, (_, accounts)| sum.saturating_add(accounts));
        self.coverage(stored.saturating_add(self.plain))
    }

    /// The shapes of one hash with the number of their accounts, always in the same order.
    pub fn shapes_of(&self, hash: Hash) -> impl Iterator<Item = (Shape, u64)> + '_ {
        let of_hash = move |(shape, _): &(&Shape, &u64)| shape.hash == hash;
        self.shapes.iter().filter(of_hash).map(|(shape, accounts)| (*shape, *accounts))
    }

    fn coverage(&self, accounts: u64) -> Coverage {
        match accounts {
            0 => Coverage::None,
            accounts if accounts < self.open => Coverage::Some,
            _ => Coverage::All,
        }
    }
}

impl Shape {
    /// What is seen of this verifier.
    pub fn of(verifier: &ScramVerifier) -> Self {
        Self { hash: verifier.hash, iterations: verifier.iterations, salt_octets: verifier.salt.len() }
    }
}

/// Sites have one shape, or a few from changes of the recommended number of iterations.
const SHAPES_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::Scheme;

    fn census(secrets: &[&str]) -> Census {
        let mut census = Census::default();
        for secret in secrets {
            let password = StoredPassword::parse(secret.as_bytes(), Scheme::Crypt).unwrap();
            let scram: Vec<ScramVerifier> = password.scram().cloned().into_iter().collect();
            census.add(&password, &scram);
        }
        census
    }

    const SCRAM_1: &str = "{SCRAM-SHA-1}4096,CEga87DE1HNQR1ldafVoPg==,wzpaU5K2gX+SeH44dgx366+ti5w=,5Vni/Y+oJwci6Ysq4B2RxxWkXXs=";
    const CRYPT: &str = "{SSHA}v0a8uXFR/YrJTO76cX9MaOzlnHHyS3gE";

    #[test]
    fn a_mechanism_covers_none_some_or_all_of_the_accounts() {
        for (secrets, plain, scram_1, scram_256) in [
            (&[][..], Coverage::None, Coverage::None, Coverage::None),
            (&["{PLAIN}x", "*"], Coverage::All, Coverage::All, Coverage::All),
            (&["{PLAIN}x", CRYPT], Coverage::Some, Coverage::Some, Coverage::Some),
            (&["{PLAIN}x", SCRAM_1], Coverage::Some, Coverage::All, Coverage::Some),
            (&[SCRAM_1, "!"], Coverage::None, Coverage::All, Coverage::None),
            (&["*"], Coverage::None, Coverage::None, Coverage::None),
        ] {
            let census = census(secrets);
            let found =
                (census.of_plain_secrets(), census.of_scram(Hash::Sha1), census.of_scram(Hash::Sha256));
            assert_eq!(found, (plain, scram_1, scram_256), "{secrets:?}");
        }
    }

    #[test]
    fn two_directories_are_counted_together() {
        let mut sum = census(&[SCRAM_1]);
        sum.add_all(&census(&[SCRAM_1, CRYPT]));
        assert_eq!((sum.open, sum.plain), (3, 0));
        assert_eq!(sum.shapes_of(Hash::Sha1).map(|(_, accounts)| accounts).collect::<Vec<_>>(), [2]);
        assert_eq!(sum.of_scram(Hash::Sha1), Coverage::Some);
    }
}
