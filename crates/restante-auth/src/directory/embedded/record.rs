//! What stands for an account in the embedded database: its octets and their meaning.
//!
//! A record is a run of fields: tag (1 octet), length (2 octets, least significant first), octets. Tags may come in any order,
//! each at most once; those that are not known are kept when the record is written again.
//!
//! | tag | field |
//! |---|---|
//! | 1 | Argon2id verifier, a PHC string |
//! | 2 | SCRAM-SHA-256 verifier: `iterations,salt,StoredKey,ServerKey`, the last three in base64 |
//! | 3 | home folder |
//! | 4 | SCRAM-SHA-1 verifier, written like 2 |
//! | 5 | SCRAM-SHA-512 verifier, written like 2 |
//! | 6 | octets that the maildrop may hold: 8 octets, least significant first; 0 for any number |
//! | 7 | messages that it may hold, written like 6 |
//! | 8 | path of the maildrop |
//! | 9 | networks, as `192.0.2.0/24,::1` |
//! | 10 | mechanisms, as `PLAIN,SCRAM-SHA-256` |
//! | 11 | sessions at the same time: 4 octets, least significant first |
//! | 12 | access: 1 octet, 0 for full, 1 for read-only |
//! | 13 | owner: user and group, written like 11, one after the other |
//! | 14 | 1 octet, 1: nobody may log in |
//! | 15 | in place of 1: the password as a passwd-file has it, `{SCHEME}secret` or with a prefix such as `$6$` |
//!
//! Tags from 8 on are of version 2 of the database.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::account::{Access, Account, AccountName, Bound, Owner, Quota};
use crate::password::make::Verifiers;
use crate::password::scram::ScramVerifier;
use crate::password::{Hash, Scheme, StoredPassword};
use crate::settings;

/// An account without its name.
#[derive(Default)]
pub(super) struct Record {
    fields: BTreeMap<u8, Zeroizing<Vec<u8>>>,
}

impl Record {
    /// Reads a record. `None` if it is none.
    pub(super) fn decode(mut octets: &[u8]) -> Option<Self> {
        let mut fields = BTreeMap::new();
        while !octets.is_empty() {
            let ([tag, low, high], rest) = octets.split_first_chunk()?;
            let (value, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([*low, *high])))?;
            if fields.insert(*tag, Zeroizing::new(value.to_vec())).is_some() {
                return None;
            }
            octets = rest;
        }
        Some(Self { fields })
    }

    /// The octets to store. `None` if a field is longer than 65,535 octets.
    pub(super) fn encode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut octets = Zeroizing::new(Vec::new());
        for (tag, value) in &self.fields {
            octets.push(*tag);
            octets.extend_from_slice(&u16::try_from(value.len()).ok()?.to_le_bytes());
            octets.extend_from_slice(value);
        }
        Some(octets)
    }

    pub(super) fn set_verifiers(&mut self, verifiers: &Verifiers) {
        self.fields.remove(&FOREIGN);
        self.fields.insert(ARGON2ID, Zeroizing::new(verifiers.argon2id.clone().into_bytes()));
        for (tag, hash, _) in SCRAM {
            match verifiers.scram.iter().find(|verifier| verifier.hash == hash) {
                Some(verifier) => self.fields.insert(tag, scram_text(verifier)),
                // One that is not made anew would go on opening the account with the old password.
                None => self.fields.remove(&tag),
            };
        }
    }

    pub(super) fn set_home(&mut self, home: Option<&Path>) {
        match home {
            Some(home) => self.fields.insert(HOME, Zeroizing::new(home.as_os_str().as_bytes().to_vec())),
            None => self.fields.remove(&HOME),
        };
    }

    /// What passwords are checked against: locked without a verifier. `None` if the verifier is damaged.
    pub(super) fn password(&self) -> Option<StoredPassword> {
        if self.is_disabled() {
            return Some(StoredPassword::barred());
        }
        match (self.fields.get(&ARGON2ID), self.fields.get(&FOREIGN)) {
            (Some(text), _) => StoredPassword::parse(text, Scheme::Argon2id).ok(),
            (None, Some(text)) => StoredPassword::parse(text, Scheme::Crypt).ok(),
            (None, None) => Some(StoredPassword::locked()),
        }
    }

    /// Puts a password as a passwd-file has it in the place of all verifiers; with `None` there is no password.
    pub(super) fn set_foreign(&mut self, stored: Option<&[u8]>) {
        self.fields.remove(&ARGON2ID);
        SCRAM.iter().for_each(|(tag, ..)| drop(self.fields.remove(tag)));
        self.put(FOREIGN, stored);
    }

    /// Whether the password is not one of ours.
    pub(super) fn has_foreign(&self) -> bool {
        self.fields.contains_key(&FOREIGN)
    }

    /// The password that is not one of ours, as a passwd-file has it.
    pub(super) fn foreign(&self) -> Option<&[u8]> {
        self.octets(FOREIGN)
    }

    /// Whether somebody has said that nobody may log in.
    pub(super) fn is_disabled(&self) -> bool {
        self.octets(DISABLED) == Some(&[1])
    }

    pub(super) fn set_disabled(&mut self, is_disabled: bool) {
        self.put(DISABLED, is_disabled.then_some(&[1]));
    }

    /// The SCRAM verifiers that there are. `None` if one is damaged.
    pub(super) fn scram(&self) -> Option<Vec<ScramVerifier>> {
        if self.is_disabled() {
            return Some(Vec::new());
        }
        if let Some(text) = self.fields.get(&FOREIGN) {
            let stored = StoredPassword::parse(text, Scheme::Crypt).ok()?;
            return Some(stored.scram().cloned().into_iter().collect());
        }
        let written = SCRAM.into_iter().filter_map(|(tag, _, scheme)| Some((self.fields.get(&tag)?, scheme)));
        written.map(|(text, scheme)| StoredPassword::parse(text, scheme).ok()?.scram().cloned()).collect()
    }

    pub(super) fn set_quota(&mut self, quota: Quota) {
        for (tag, bound) in [(QUOTA_OCTETS, quota.octets), (QUOTA_MESSAGES, quota.messages)] {
            match bound {
                Some(bound) => self.fields.insert(tag, Zeroizing::new(bound.stored().to_le_bytes().to_vec())),
                None => self.fields.remove(&tag),
            };
        }
    }

    /// How much the maildrop may hold. `None` if a figure is damaged.
    pub(super) fn quota(&self) -> Option<Quota> {
        let bound = |tag| {
            let figure =
                self.fields.get(&tag).map(|value| value.as_slice().try_into().map(u64::from_le_bytes));
            figure.transpose().map(|figure| figure.map(Bound::from_stored)).ok()
        };
        Some(Quota { octets: bound(QUOTA_OCTETS)?, messages: bound(QUOTA_MESSAGES)? })
    }

    pub(super) fn home(&self) -> Option<PathBuf> {
        self.path(HOME)
    }

    /// All that is known of the account. `None` if a field is damaged.
    pub(super) fn account(&self, name: AccountName) -> Option<Account> {
        let mut account = Account::new(name).with_home(self.home()).with_quota(self.quota()?);
        account.maildrop = self.path(MAILDROP);
        if let Some(text) = self.text(NETWORKS)? {
            account.networks = Some(settings::networks(text)?);
        }
        if let Some(text) = self.text(MECHANISMS)? {
            account.mechanisms = Some(settings::mechanisms(text)?);
        }
        if let Some(octets) = self.octets(SESSIONS) {
            account.sessions_max = Some(NonZeroU32::new(u32::from_le_bytes(octets.try_into().ok()?))?);
        }
        account.access = match self.octets(ACCESS) {
            None => None,
            Some([0]) => Some(Access::Full),
            Some([1]) => Some(Access::ReadOnly),
            Some(_) => return None,
        };
        if let Some(octets) = self.octets(OWNER) {
            let (uid, gid) = octets.split_first_chunk()?;
            let (uid, gid) = (u32::from_le_bytes(*uid), u32::from_le_bytes(gid.try_into().ok()?));
            account.owner = (uid != 0 && gid != 0).then_some(Owner { uid, gid });
            account.owner?;
        }
        Some(account)
    }

    /// What [`Record::account`] reads, but the name.
    pub(super) fn set_account(&mut self, account: &Account) {
        self.set_home(account.home.as_deref());
        self.set_quota(account.quota);
        self.put(MAILDROP, account.maildrop.as_ref().map(|path| path.as_os_str().as_bytes()));
        let networks = account.networks.as_ref().map(|networks| joined(networks.iter()));
        self.put(NETWORKS, networks.as_deref().map(str::as_bytes));
        let mechanisms = account.mechanisms.as_ref().map(|mechanisms| mechanisms.join(","));
        self.put(MECHANISMS, mechanisms.as_deref().map(str::as_bytes));
        let sessions = account.sessions_max.map(|sessions| sessions.get().to_le_bytes());
        self.put(SESSIONS, sessions.as_ref().map(<[u8; 4]>::as_slice));
        let access = account.access.map(|access| [u8::from(access == Access::ReadOnly)]);
        self.put(ACCESS, access.as_ref().map(<[u8; 1]>::as_slice));
        let owner = account.owner.map(|owner| [owner.uid.to_le_bytes(), owner.gid.to_le_bytes()]);
        self.put(OWNER, owner.as_ref().map(|owner| owner.as_flattened()));
    }

    /// A field as it is.
    pub(super) fn octets(&self, tag: u8) -> Option<&[u8]> {
        self.fields.get(&tag).map(|value| value.as_slice())
    }

    /// Sets a field, or removes it.
    pub(super) fn put(&mut self, tag: u8, value: Option<&[u8]>) {
        match value {
            Some(value) => self.fields.insert(tag, Zeroizing::new(value.to_vec())),
            None => self.fields.remove(&tag),
        };
    }

    /// A field that is text, if it is there. `None` if it is not text.
    pub(super) fn text(&self, tag: u8) -> Option<Option<&str>> {
        self.octets(tag).map(std::str::from_utf8).transpose().ok()
    }

    fn path(&self, tag: u8) -> Option<PathBuf> {
        let path = self.octets(tag)?;
        Some(PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())))
    }
}

/// The values, with commas between.
pub(super) fn joined(values: impl Iterator<Item = impl ToString>) -> String {
    values.map(|value| value.to_string()).collect::<Vec<_>>().join(",")
}

fn scram_text(verifier: &ScramVerifier) -> Zeroizing<Vec<u8>> {
    let base64 = |octets: &[u8]| Zeroizing::new(STANDARD.encode(octets));
    let (salt, stored, server) =
        (base64(&verifier.salt), base64(&verifier.stored_key), base64(&verifier.server_key));
    Zeroizing::new(format!("{},{},{},{}", verifier.iterations, *salt, *stored, *server).into_bytes())
}

const ARGON2ID: u8 = 1;
const HOME: u8 = 3;
const QUOTA_OCTETS: u8 = 6;
const QUOTA_MESSAGES: u8 = 7;
const MAILDROP: u8 = 8;
const NETWORKS: u8 = 9;
const MECHANISMS: u8 = 10;
const SESSIONS: u8 = 11;
const ACCESS: u8 = 12;
const OWNER: u8 = 13;
const DISABLED: u8 = 14;
const FOREIGN: u8 = 15;

/// The fields of the SCRAM verifiers: tag, hash function and how they are written.
const SCRAM: [(u8, Hash, Scheme); 3] = [
    (2, Hash::Sha256, Scheme::ScramSha256),
    (4, Hash::Sha1, Scheme::ScramSha1),
    (5, Hash::Sha512, Scheme::ScramSha512),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::make::{ScramChoice, verifiers};

    #[test]
    fn a_record_keeps_what_it_does_not_know() {
        let octets = [200, 2, 0, b'h', b'i', 3, 2, 0, b'/', b'x'];
        let mut record = Record::decode(&octets).unwrap();
        assert_eq!(record.home().unwrap(), Path::new("/x"));
        assert!(record.password().unwrap().is_locked() && record.scram().unwrap().is_empty());
        record.set_home(None);
        record.set_verifiers(&verifiers(b"secret", &ScramChoice::default()).unwrap());
        let record = Record::decode(&record.encode().unwrap()).unwrap();
        assert_eq!(record.fields.get(&200).unwrap().as_slice(), b"hi");
        assert_eq!(record.home(), None);
        assert!(record.password().unwrap().fits(b"secret").unwrap());
        let [scram] = &record.scram().unwrap()[..] else { panic!("one verifier") };
        assert!(scram.hash == Hash::Sha256 && scram.fits(b"secret"));
    }

    #[test]
    fn each_verifier_is_of_the_last_password() {
        let choice = |hashes: &[Hash]| ScramChoice { hashes: hashes.to_vec(), iterations: 4096 };
        let mut record = Record::default();
        let all = [Hash::Sha1, Hash::Sha256, Hash::Sha512];
        record.set_verifiers(&verifiers(b"first", &choice(&all)).unwrap());
        let record_again = Record::decode(&record.encode().unwrap()).unwrap();
        let found = record_again.scram().unwrap();
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|verifier| verifier.fits(b"first") && verifier.iterations == 4096));
        record.set_verifiers(&verifiers(b"second", &choice(&[Hash::Sha512])).unwrap());
        let found = record.scram().unwrap();
        assert_eq!(found.iter().map(|verifier| verifier.hash).collect::<Vec<_>>(), [Hash::Sha512]);
        assert!(found.iter().all(|verifier| verifier.fits(b"second")));
    }

    #[test]
    fn damaged_records_are_none() {
        for octets in [&[1][..], &[1, 5, 0, b'x'], &[3, 0, 0, 3, 0, 0], &[3, 255, 255]] {
            assert!(Record::decode(octets).is_none(), "{octets:?}");
        }
        let record = Record::decode(&[1, 1, 0, b'z', 2, 1, 0, b'y']).unwrap();
        assert!(record.password().is_none() && record.scram().is_none());
        assert!(Record::decode(&[]).is_some());
    }

    #[test]
    fn a_quota_is_kept_and_a_damaged_one_noticed() {
        let mut record = Record::default();
        assert_eq!(record.quota(), Some(Quota::default()));
        let quota = Quota { octets: Some(Bound::from_stored(1 << 40)), messages: Some(Bound::Unlimited) };
        record.set_quota(quota);
        let mut record = Record::decode(&record.encode().unwrap()).unwrap();
        assert_eq!(record.quota(), Some(quota));
        record.set_quota(Quota { octets: None, ..quota });
        assert_eq!(record.quota(), Some(Quota { octets: None, messages: Some(Bound::Unlimited) }));
        assert_eq!(Record::decode(&[6, 2, 0, 1, 1]).unwrap().quota(), None);
    }

    proptest::proptest! {
        #[test]
        fn any_octets_decode_or_do_not(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            if let Some(record) = Record::decode(&octets) {
                let again = Record::decode(&record.encode().unwrap()).unwrap();
                proptest::prop_assert_eq!(again.fields, record.fields);
            }
        }
    }
}
