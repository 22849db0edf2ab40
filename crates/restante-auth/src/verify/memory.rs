//! The memory of passwords that a source found right: who asks it again within the minute is not asked about there.
//!
//! An entry is an HMAC, under a key that is drawn for each source when the server starts, of the name, the password as it was typed, and
//! the circumstances that the source was told, with the account that it opened. Nothing is remembered of a password that was wrong.
//! What is remembered ends after its time, which a further login does not lengthen, and when the sources are read again.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hmac::{Hmac, KeyInit, Mac};
use restante_proto::secret::Secret;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::CacheSettings;
use crate::account::{Account, AccountName};
use crate::directory::Question;

/// Of one source.
pub(super) struct Memory {
    settings: CacheSettings,
    secret: Zeroizing<[u8; 32]>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    accounts: HashMap<Key, Account>,
    /// The same in the order of insertion, which is that of expiry as all live equally long.
    ages: VecDeque<(Instant, Key)>,
    /// How often everything was forgotten.
    generation: u64,
}

type Key = [u8; 32];

/// What a question comes to before the source is asked.
pub(super) enum Recalled {
    /// It was right not long ago, and opened this.
    Right(Box<Account>),
    /// To be asked; with this the answer can be kept.
    Unknown(Occasion),
}

/// Of an answer that was not there yet.
pub(super) struct Occasion {
    key: Key,
    generation: u64,
}

impl Memory {
    /// Draws the key.
    pub(super) fn new(settings: CacheSettings) -> Result<Self, getrandom::Error> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret)?;
        Ok(Self { settings, secret, state: Mutex::default() })
    }

    pub(super) fn recall(&self, question: &Question<'_>, password: &Secret) -> Recalled {
        let key = self.key(question, password);
        let mut state = self.state();
        state.expire(question.at.now);
        match state.accounts.get(&key) {
            Some(account) => Recalled::Right(Box::new(account.clone())),
            None => Recalled::Unknown(Occasion { key, generation: state.generation }),
        }
    }

    /// Remembers that the password of `occasion` opened `account`; unless everything was forgotten while the source was asked, for
    /// then it may have answered from before.
    pub(super) fn keep(&self, occasion: &Occasion, account: &Account, now: Instant) {
        let mut state = self.state();
        state.expire(now);
        let Some(end) = now.checked_add(self.settings.ttl) else { return };
        if self.settings.entries_max == 0 || state.generation != occasion.generation {
            return;
        }
        // Two logins at once have the same answer; the first of them keeps its place and its end.
        if state.accounts.contains_key(&occasion.key) {
            return;
        }
        if state.ages.len() >= self.settings.entries_max {
            state.drop_oldest();
        }
        state.accounts.insert(occasion.key, account.clone());
        state.ages.push_back((end, occasion.key));
    }

    pub(super) fn forget_all(&self) {
        let mut state = self.state();
        *state = State { generation: state.generation.wrapping_add(1), ..State::default() };
    }

    /// Forgets what opened the account of this name. Looks at everything that is remembered.
    pub(super) fn forget(&self, name: &AccountName) {
        let mut state = self.state();
        let State { accounts, ages, generation } = &mut *state;
        accounts.retain(|_, account| account.name != *name);
        ages.retain(|(_, key)| accounts.contains_key(key));
        // An answer that is under way may be about this account; those about others are then asked for once more.
        *generation = generation.wrapping_add(1);
    }

    fn key(&self, question: &Question<'_>, password: &Secret) -> Key {
        let (name, at) = (question.name.as_str().as_bytes(), question.at);
        let peer = at.peer.map(|peer| match peer.to_canonical() {
            IpAddr::V4(peer) => peer.to_ipv6_mapped().octets(),
            IpAddr::V6(peer) => peer.octets(),
        });
        // Each part but the last has a fixed length or is counted, so that no two inputs run together into the same octets.
        let length = u64::try_from(name.len()).unwrap_or(u64::MAX).to_le_bytes();
        let marks = [u8::from(peer.is_some()), u8::from(at.is_encrypted)];
        let service = at.service.name().as_bytes();
        let service_length = [u8::try_from(service.len()).unwrap_or(u8::MAX)];
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.secret).expect("HMAC takes a key of any length");
        for part in [
            &marks[..],
            &peer.unwrap_or_default(),
            &service_length,
            service,
            &length,
            name,
            password.expose(),
        ] {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn expire(&mut self, now: Instant) {
        while self.ages.front().is_some_and(|(end, _)| *end <= now) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, key)) = self.ages.pop_front() {
            self.accounts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::directory::{Circumstances, Service};

    fn memory(entries_max: usize) -> Memory {
        Memory::new(CacheSettings { ttl: Duration::from_secs(60), entries_max }).unwrap()
    }

    fn name(text: &str) -> AccountName {
        AccountName::new(text).unwrap()
    }

    fn holds(memory: &Memory, name: &AccountName, password: &str, at: Circumstances) -> Option<Occasion> {
        let password = Secret::new(password.as_bytes().to_vec());
        match memory.recall(&Question { name, at }, &password) {
            Recalled::Right(account) => {
                assert_eq!(account.name, *name);
                None
            }
            Recalled::Unknown(occasion) => Some(occasion),
        }
    }

    fn keep(memory: &Memory, name: &AccountName, password: &str, at: Circumstances) {
        if let Some(occasion) = holds(memory, name, password, at) {
            memory.keep(&occasion, &Account::new(name.clone()), at.now);
        }
    }

    #[test]
    fn an_entry_is_for_one_name_one_password_and_the_same_circumstances() {
        let (memory, at) = (memory(9), Circumstances::new(Service::Pop3, Instant::now()));
        let bob = name("bob");
        keep(&memory, &bob, "x", at);
        assert!(holds(&memory, &bob, "x", at).is_none());
        assert!(holds(&memory, &bob, "y", at).is_some());
        assert!(holds(&memory, &name("bo"), "bx", at).is_some());
        for other in [
            Circumstances { service: Service::Smtp, ..at },
            Circumstances { is_encrypted: true, ..at },
            Circumstances { peer: Some("::".parse().unwrap()), ..at },
            Circumstances { peer: Some("192.0.2.1".parse().unwrap()), ..at },
        ] {
            assert!(holds(&memory, &bob, "x", other).is_some(), "{other:?}");
        }
        let v4 = Circumstances { peer: Some("192.0.2.1".parse().unwrap()), ..at };
        keep(&memory, &bob, "x", v4);
        let mapped = Circumstances { peer: Some("::ffff:192.0.2.1".parse().unwrap()), ..at };
        assert!(holds(&memory, &bob, "x", mapped).is_none());
    }

    #[test]
    fn entries_expire_and_the_oldest_makes_room() {
        let (memory, start) = (memory(2), Instant::now());
        let at = |seconds| Circumstances::new(Service::Pop3, start + Duration::from_secs(seconds));
        let names = ["a", "b", "c"].map(name);
        keep(&memory, &names[0], "x", at(0));
        assert!(holds(&memory, &names[0], "x", at(59)).is_none());
        assert!(
            holds(&memory, &names[0], "x", at(60)).is_some(),
            "another login does not make it live longer"
        );
        for name in &names {
            keep(&memory, name, "x", at(61));
        }
        assert!(holds(&memory, &names[0], "x", at(62)).is_some(), "the oldest made room");
        assert!(names[1..].iter().all(|name| holds(&memory, name, "x", at(62)).is_none()));
        let state = memory.state();
        assert_eq!((state.accounts.len(), state.ages.len()), (2, 2));
    }

    #[test]
    fn an_answer_from_before_is_not_kept() {
        let (memory, at) = (memory(9), Circumstances::new(Service::Pop3, Instant::now()));
        let (bob, eve) = (name("bob"), name("eve"));
        keep(&memory, &eve, "x", at);
        for forget in [Memory::forget_all as fn(&Memory), |memory| memory.forget(&name("bob"))] {
            let occasion = holds(&memory, &bob, "x", at).unwrap();
            forget(&memory);
            memory.keep(&occasion, &Account::new(bob.clone()), at.now);
            assert!(holds(&memory, &bob, "x", at).is_some());
        }
        keep(&memory, &bob, "x", at);
        keep(&memory, &eve, "x", at);
        memory.forget(&bob);
        assert!(holds(&memory, &bob, "x", at).is_some() && holds(&memory, &eve, "x", at).is_none());
        assert_eq!(memory.state().ages.len(), 1);
    }
}
