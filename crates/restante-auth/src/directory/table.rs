//! Many accounts in little memory: one run of octets and a table of 32-bit offsets into it.
//!
//! An account costs its name, home, secret and quota and about 15 bytes. The octets are wiped when the table is dropped. `file`
//! fills a table when it reads its file and asks it at each lookup.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use hashbrown::HashTable;
use zeroize::Zeroizing;

/// Accounts by name. Filled once, then only read.
pub(super) struct Table {
    /// Records one behind the other: octets of the name (1), of the home (2), of the secret (2), of the quota (1), then the
    /// four.
    octets: Zeroizing<Vec<u8>>,
    /// Where each record begins, in the order of insertion.
    starts: Vec<u32>,
    /// The same by name. Keyed with random numbers, so that nobody can choose names that collide.
    by_name: HashTable<u32>,
    hasher: RandomState,
}

/// An account in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// The normalised name, 1 to 255 octets.
    pub(super) name: &'a str,
    /// The home folder; empty for none.
    pub(super) home: &'a [u8],
    /// The secret as written.
    pub(super) secret: &'a [u8],
    /// What the source says of a quota, in its own form; empty for nothing.
    pub(super) quota: &'a [u8],
}

/// Why a record was not inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotInserted {
    /// There is a record of this name; which one, counted from 0.
    Duplicate(usize),
    /// A field or the table is longer than the layout allows.
    TooLong,
}

impl Table {
    /// An empty table. No octet of a secret is left behind in freed memory as long as the records take up no more than
    /// `octets` with 6 for each of them added.
    pub(super) fn with_capacity(octets: usize, records: usize) -> Self {
        Self {
            octets: Zeroizing::new(Vec::with_capacity(
                octets.saturating_add(records.saturating_mul(HEAD_OCTETS)),
            )),
            starts: Vec::with_capacity(records),
            by_name: HashTable::with_capacity(records),
            hasher: RandomState::new(),
        }
    }

    /// Adds an account.
    pub(super) fn insert(&mut self, record: Record<'_>) -> Result<(), NotInserted> {
        let hash = self.hasher.hash_one(record.name);
        if let Some(start) = self.find(hash, record.name) {
            return Err(NotInserted::Duplicate(self.starts.partition_point(|other| *other < start)));
        }
        let start = u32::try_from(self.octets.len()).map_err(|_| NotInserted::TooLong)?;
        let name = u8::try_from(record.name.len()).map_err(|_| NotInserted::TooLong)?;
        let home = u16::try_from(record.home.len()).map_err(|_| NotInserted::TooLong)?;
        let secret = u16::try_from(record.secret.len()).map_err(|_| NotInserted::TooLong)?;
        let quota = u8::try_from(record.quota.len()).map_err(|_| NotInserted::TooLong)?;
        self.octets.push(name);
        self.octets.extend_from_slice(&home.to_le_bytes());
        self.octets.extend_from_slice(&secret.to_le_bytes());
        self.octets.push(quota);
        self.octets.extend_from_slice(record.name.as_bytes());
        self.octets.extend_from_slice(record.home);
        self.octets.extend_from_slice(record.secret);
        self.octets.extend_from_slice(record.quota);
        self.starts.push(start);
        let (octets, hasher) = (&self.octets, &self.hasher);
        self.by_name.insert_unique(hash, start, |start| {
            hasher.hash_one(record_at(octets, *start).map_or("", |record| record.name))
        });
        Ok(())
    }

    /// The account of this name.
    pub(super) fn record(&self, name: &str) -> Option<Record<'_>> {
        let start = self.find(self.hasher.hash_one(name), name)?;
        record_at(&self.octets, start)
    }

    /// The account inserted as the `index`th, counted from 0.
    pub(super) fn nth(&self, index: usize) -> Option<Record<'_>> {
        self.starts.get(index).and_then(|start| record_at(&self.octets, *start))
    }

    /// How many accounts there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    fn find(&self, hash: u64, name: &str) -> Option<u32> {
        let is_it = |start: &u32| record_at(&self.octets, *start).is_some_and(|record| record.name == name);
        self.by_name.find(hash, is_it).copied()
    }
}

fn record_at(octets: &[u8], start: u32) -> Option<Record<'_>> {
    let octets = octets.get(usize::try_from(start).ok()?..)?;
    let ([name, home_low, home_high, secret_low, secret_high, quota], rest) =
        octets.split_first_chunk::<HEAD_OCTETS>()?;
    let (name, rest) = rest.split_at_checked(usize::from(*name))?;
    let (home, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([*home_low, *home_high])))?;
    let (secret, rest) =
        rest.split_at_checked(usize::from(u16::from_le_bytes([*secret_low, *secret_high])))?;
    let quota = rest.get(..usize::from(*quota))?;
    Some(Record { name: std::str::from_utf8(name).ok()?, home, secret, quota })
}

const HEAD_OCTETS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_comes_out() {
        let mut table = Table::with_capacity(0, 0);
        let names: Vec<String> = (0..5_000).map(|n| format!("account{n}")).collect();
        for (n, name) in names.iter().enumerate() {
            let home = if n % 3 == 0 { format!("/home/{n}") } else { String::new() };
            let secret = "s".repeat(n % 200);
            let quota = &[7; 18][..n % 19];
            let record = Record { name, home: home.as_bytes(), secret: secret.as_bytes(), quota };
            table.insert(record).unwrap();
        }
        assert_eq!(table.len(), names.len());
        for (n, name) in names.iter().enumerate() {
            let record = table.record(name).unwrap();
            assert_eq!((record.name, record.secret.len(), record.quota.len()), (&**name, n % 200, n % 19));
            assert_eq!(record.home.is_empty(), n % 3 != 0);
            assert_eq!(table.nth(n), Some(record));
        }
        assert_eq!(table.record("account5000"), None);
        assert_eq!(table.record(""), None);
        assert_eq!(table.nth(5_000), None);
    }

    #[test]
    fn a_second_record_of_a_name_and_long_fields_are_refused() {
        let mut table = Table::with_capacity(100, 2);
        let long_name = "c".repeat(256);
        let record = |name| Record { name, home: b"", secret: b"x", quota: b"" };
        table.insert(record("a")).unwrap();
        table.insert(record("b")).unwrap();
        assert_eq!(table.insert(record("b")), Err(NotInserted::Duplicate(1)));
        assert_eq!(table.insert(record(&long_name)), Err(NotInserted::TooLong));
        let long = vec![b'x'; 65_536];
        let too_long = [Record { secret: &long, ..record("d") }, Record { quota: &long, ..record("d") }];
        assert_eq!(too_long.map(|record| table.insert(record)), [Err(NotInserted::TooLong); 2]);
        assert_eq!(table.len(), 2);
    }
}
