//! How long logins wait, by peer address and by account, so that guessing passwords is slow and mistyping one is not.
//!
//! The driver asks `delay` before it lets credentials be checked, and tells what came of it with `failed`, whose answer is how
//! long to wait with the refusal, or `succeeded`. It does the waiting; here is no clock and no timer.
//!
//! Rules. The refusal waits `first`, twice that after the second failure and so on up to `max`, counted for the peer and
//! for the account, whichever is more. The right password is never made to wait because of what others tried on an *account*:
//! else anybody could lock anybody out. A *peer* with more than `free` failures waits before its credentials are even looked at,
//! which is what slows down guessing on many connections at once; an account that has logged in from this peer before is
//! spared, so that a whole office does not pay for one of its machines. The same wrong password for the same account once
//! more is no new guess: a forgotten printer does not raise the count. A refused connection is the business of the limits.
//!
//! Names and passwords are kept as keyed 64-bit digests alone. Tables are bounded; when one is full, the half that was longest
//! untouched is forgotten. LOGIN-DELAY, which holds up those who logged in *well*, is in `throttle/login_delay`.

pub mod login_delay;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Remembers failed logins. One for the whole server; all methods take `&self`.
pub struct Throttle {
    settings: Settings,
    hasher: RandomState,
    state: Mutex<State>,
}

/// How fast answers slow down.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The wait after the first failure. It doubles with each further one.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
    /// Failures of a peer before its logins wait at their beginning too.
    pub free: u32,
    /// A peer or account without failures for so long starts anew.
    pub forget_after: Duration,
    /// How long a peer counts as known for an account that has logged in from it.
    pub known_for: Duration,
    /// Peers, accounts, and accounts known at peers: so many are remembered of each. At most 120 bytes each.
    pub entries_max: usize,
    /// Leading bits of an IPv6 address that make one peer: whoever has a network has all its addresses. At most 128.
    pub ipv6_prefix_bits: u32,
}

impl Default for Settings {
    /// One second, up to 15; ten failures are free; forgotten in ten minutes; known for a day; 10,000 of each; /64.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            max: Duration::from_secs(15),
            free: 10,
            forget_after: Duration::from_secs(600),
            known_for: Duration::from_secs(24 * 3600),
            entries_max: 10_000,
            ipv6_prefix_bits: 64,
        }
    }
}

impl Throttle {
    /// Remembers nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, hasher: RandomState::new(), state: Mutex::default() }
    }

    /// How long a login must wait before its credentials are checked: zero unless this peer has failed often of late.
    /// `account` as for `failed`.
    pub fn delay(&self, peer: IpAddr, account: &[u8], now: Instant) -> Duration {
        let peer = self.peer(peer);
        let known = self.hasher.hash_one((peer, account));
        let state = self.state();
        if state.known.fresh(known, now, self.settings.known_for).is_some() {
            return Duration::ZERO;
        }
        let failures =
            state.peers.fresh(peer, now, self.settings.forget_after).map_or(0, |failures| failures.count);
        self.wait(failures.saturating_sub(self.settings.free))
    }

    /// Records a failure and says how long its answer must wait. `account` is the normalised name, or what was typed if it
    /// cannot be normalised; `password` is what was tried, or the digest of APOP.
    pub fn failed(&self, peer: IpAddr, account: &[u8], password: &[u8], now: Instant) -> Duration {
        let peer = self.peer(peer);
        let guess = self.hasher.hash_one((account, password));
        let account = self.hasher.hash_one(account);
        let mut state = self.state();
        let Settings { forget_after, entries_max, .. } = self.settings;
        let of_peer = state.peers.touch(peer, now, forget_after, entries_max).count_guess(guess);
        let of_account = state.accounts.touch(account, now, forget_after, entries_max).count_guess(guess);
        self.wait(of_peer.max(of_account))
    }

    /// Records a success: the account starts anew, and is known at this peer. The failures of the peer stay, or whoever has one
    /// account could use it to go on guessing at others.
    pub fn succeeded(&self, peer: IpAddr, account: &[u8], now: Instant) {
        let known = self.hasher.hash_one((self.peer(peer), account));
        let account = self.hasher.hash_one(account);
        let mut state = self.state();
        state.accounts.entries.remove(&account);
        state.known.touch(known, now, self.settings.known_for, self.settings.entries_max);
    }

    /// The wait after so many failures.
    fn wait(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.settings.first.saturating_mul(factor).min(self.settings.max)
    }

    fn peer(&self, peer: IpAddr) -> u64 {
        // An IPv4 peer is the same on a socket of either family.
        match peer.to_canonical() {
            IpAddr::V4(peer) => self.hasher.hash_one(peer),
            IpAddr::V6(peer) => {
                let host_bits = 128_u32.saturating_sub(self.settings.ipv6_prefix_bits);
                let network = u128::MAX.checked_shl(host_bits).unwrap_or(0);
                self.hasher.hash_one(Ipv6Addr::from_bits(peer.to_bits() & network))
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttle").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    peers: Table<Failures>,
    accounts: Table<Failures>,
    known: Table<()>,
}

/// How often somebody failed, and with what of late.
#[derive(Default)]
struct Failures {
    count: u32,
    /// Digests of account and password; the oldest makes room.
    guesses: [u64; GUESSES],
    next: usize,
}

impl Failures {
    /// Counts a guess unless it is one of the last. The count after it.
    fn count_guess(&mut self, guess: u64) -> u32 {
        // Digests are random enough that 0, which stands for none, needs no care: at worst a guess is not counted.
        if self.count == 0 || !self.guesses.contains(&guess) {
            self.count = self.count.saturating_add(1);
            if let Some(oldest) = self.guesses.get_mut(self.next % GUESSES) {
                *oldest = guess;
            }
            self.next = (self.next + 1) % GUESSES;
        }
        self.count
    }
}

/// Entries with the moment when they were last touched.
struct Table<T> {
    entries: HashMap<u64, (Instant, T)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: HashMap::new() }
    }
}

impl<T: Default> Table<T> {
    /// The entry, if it was touched less than `life` ago.
    fn fresh(&self, key: u64, now: Instant, life: Duration) -> Option<&T> {
        self.entries.get(&key).filter(|(touched, _)| is_fresh(*touched, now, life)).map(|(_, entry)| entry)
    }

    /// The entry, touched now; a new one if there is none or it is too old.
    fn touch(&mut self, key: u64, now: Instant, life: Duration, entries_max: usize) -> &mut T {
        if !self.entries.contains_key(&key) && self.entries.len() >= entries_max.max(1) {
            self.make_room(now, life, entries_max.max(1));
        }
        let (touched, entry) = self.entries.entry(key).or_insert_with(|| (now, T::default()));
        if !is_fresh(*touched, now, life) {
            *entry = T::default();
        }
        *touched = now;
        entry
    }

    /// Forgets what is too old and, if that is less than half, what was longest untouched, so that it is rarely done.
    fn make_room(&mut self, now: Instant, life: Duration, entries_max: usize) {
        self.entries.retain(|_, (touched, _)| is_fresh(*touched, now, life));
        let surplus = self.entries.len().saturating_sub(entries_max / 2);
        if surplus == 0 {
            return;
        }
        let mut ages: Vec<(Instant, u64)> =
            self.entries.iter().map(|(key, (touched, _))| (*touched, *key)).collect();
        ages.select_nth_unstable(surplus - 1);
        for (_, key) in ages.into_iter().take(surplus) {
            self.entries.remove(&key);
        }
    }
}

fn is_fresh(touched: Instant, now: Instant, life: Duration) -> bool {
    now.saturating_duration_since(touched) < life
}

/// Wrong passwords that are known again. A peer may be a network with several forgotten machines.
const GUESSES: usize = 8;

#[cfg(test)]
mod tests;
