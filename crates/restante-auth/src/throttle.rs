//! How long logins wait, by peer, network, account and secret, so that guessing passwords is slow and mistyping one is not.
//!
//! The driver asks `delay` before it lets credentials be checked, and tells what came of it with `failed`, whose answer says
//! what the refusal costs, or `succeeded`; `answer_at` says when a refusal leaves. It does the waiting; here is no clock and no timer.
//!
//! Rules. A refusal leaves at a fixed moment after the credentials came, so that the time the work took cannot be seen, and later by
//! a penalty: none for the first failure, then `first`, twice that and so on up to `max`, counted for the peer and for the account,
//! whichever is more. The right password is never made to wait because of what others tried on an *account*: else anybody could lock
//! anybody out. Logins wait before their credentials are even looked at when their *peer* has failed more than `free` times, its
//! *network* (/24, /48) more than `free_of_network` times or at more than `accounts_of_network` accounts, or when their *secret* was wrong at more than
//! `accounts_of_secret` accounts: that slows down guessing on many connections and spraying one password at everybody. An
//! account that has logged in from this peer before is spared all of it, so that neither strangers nor a neighbour keep an owner out. The
//! same wrong password for the same account once more is no new guess: a forgotten printer does not raise the count. Of a mechanism that
//! shows digests alone, which differ each time, a failure counts when it comes sooner than clients poll.
//!
//! Names and secrets are kept as keyed 64-bit digests alone. Tables are bounded; when one is full, the half that was longest
//! untouched is forgotten. LOGIN-DELAY, which holds up those who logged in *well*, is in `throttle/login_delay`.

pub mod login_delay;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Remembers failed logins. One for the whole server; all methods take `&self`.
pub struct Throttle {
    hasher: RandomState,
    state: Mutex<State>,
}

/// How fast answers slow down.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A refusal leaves so long after the credentials came; where the work took longer, after a whole multiple of it.
    pub fixed: Duration,
    /// The penalty of the second failure. It doubles with each further one.
    pub first: Duration,
    /// The longest penalty, and the longest wait before credentials are looked at.
    pub max: Duration,
    /// Failures of a peer before its logins wait at their beginning too.
    pub free: u32,
    /// The same for its network.
    pub free_of_network: u32,
    /// Accounts at which one network may fail before its logins wait at their beginning.
    pub accounts_of_network: u32,
    /// Accounts at which one secret may be wrong before logins with it wait at their beginning.
    pub accounts_of_secret: u32,
    /// What had no failures for so long starts anew.
    pub forget_after: Duration,
    /// How long a peer counts as known for an account that has logged in from it.
    pub known_for: Duration,
    /// Of each table, so many entries are remembered. There are eight, of at most 330 bytes an entry.
    pub entries_max: usize,
}

impl Default for Settings {
    /// Two seconds and a penalty from one second up to 15; ten failures of a peer, fifty of a network or at twenty accounts, and a
    /// secret at five accounts are free; forgotten in ten minutes; known for a week; 10,000 of each.
    fn default() -> Self {
        Self {
            fixed: Duration::from_secs(2),
            first: Duration::from_secs(1),
            max: Duration::from_secs(15),
            free: 10,
            free_of_network: 50,
            accounts_of_network: 20,
            accounts_of_secret: 5,
            forget_after: Duration::from_secs(600),
            known_for: Duration::from_secs(7 * 24 * 3600),
            entries_max: 10_000,
        }
    }
}

/// One try to log in.
#[derive(Clone, Copy)]
pub struct Try<'a> {
    /// Where it comes from.
    pub peer: IpAddr,
    /// The normalised name, or what was typed if it cannot be normalised.
    pub account: &'a [u8],
    /// What was tried.
    pub secret: Tried<'a>,
}

/// What was tried.
#[derive(Clone, Copy)]
pub enum Tried<'a> {
    /// A password or token as it is.
    Secret(&'a [u8]),
    /// Something made of a secret and a challenge, different each time.
    Digest,
}

/// What a failed login costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// How much later than others its refusal leaves.
    pub penalty: Duration,
    /// Different guesses of this peer of late, this one included; 0 where it is spared, because somebody has logged in from there.
    pub guesses: u32,
}

impl Throttle {
    /// Remembers nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self { hasher: RandomState::new(), state: Mutex::new(State { settings, ..State::default() }) }
    }

    /// Goes on with other settings; what is remembered stays.
    pub fn adjust(&self, settings: Settings) {
        self.state().settings = settings;
    }

    /// How long a login must wait before its credentials are checked: zero unless its peer, its network or its secret have
    /// failed often of late.
    pub fn delay(&self, attempt: &Try<'_>, now: Instant) -> Duration {
        let keys = self.keys(attempt);
        let state = self.state();
        let settings = state.settings;
        if state.known.fresh(keys.known, now, settings.known_for).is_some() {
            return Duration::ZERO;
        }
        let over = |table: &Table<Failures>, key: u64, free: u32| {
            table
                .fresh(key, now, settings.forget_after)
                .map_or(0, |failures| failures.count.saturating_sub(free))
        };
        let of_secret =
            keys.secret.map_or(0, |secret| over(&state.secrets, secret, settings.accounts_of_secret));
        let most = over(&state.peers, keys.peer, settings.free)
            .max(over(&state.networks, keys.network, settings.free_of_network))
            .max(over(&state.sprays, keys.network, settings.accounts_of_network))
            .max(of_secret);
        settings.wait(most)
    }

    /// Records a failure and says what it costs.
    pub fn failed(&self, attempt: &Try<'_>, now: Instant) -> Failed {
        let keys = self.keys(attempt);
        let mut state = self.state();
        let settings = state.settings;
        let (life, max) = (settings.forget_after, settings.entries_max);
        let is_owner = state.known.fresh(keys.known, now, settings.known_for).is_some();
        let is_counted = match attempt.secret {
            Tried::Secret(_) => true,
            Tried::Digest => !state.polls.touch_after(keys.known, now, POLL_MIN, life, max),
        };
        let State { peers, networks, accounts, sprays, secrets, .. } = &mut *state;
        let count = |table: &mut Table<Failures>, key: u64, guess: u64| {
            let failures = table.touch(key, now, life, max);
            if is_counted { failures.count_guess(guess) } else { failures.count }
        };
        let of_peer = count(peers, keys.peer, keys.guess);
        count(networks, keys.network, keys.guess);
        count(sprays, keys.network, keys.account);
        if let Some(secret) = keys.secret {
            count(secrets, secret, keys.account);
        }
        let of_account = count(accounts, keys.account, keys.guess);
        let failures = if is_owner { of_peer } else { of_peer.max(of_account) };
        let is_spared = state.homes.fresh(keys.peer, now, settings.known_for).is_some();
        Failed {
            penalty: settings.wait(failures.saturating_sub(1)),
            guesses: if is_spared { 0 } else { of_peer },
        }
    }

    /// Records a success: the account starts anew, and is known at this peer. The failures of the peer stay, or whoever has one
    /// account could use it to go on guessing at others.
    pub fn succeeded(&self, peer: IpAddr, account: &[u8], now: Instant) {
        let keys = self.keys(&Try { peer, account, secret: Tried::Digest });
        let mut state = self.state();
        let Settings { known_for, entries_max, .. } = state.settings;
        state.accounts.entries.remove(&keys.account);
        state.known.touch(keys.known, now, known_for, entries_max);
        state.homes.touch(keys.peer, now, known_for, entries_max);
    }

    /// Has the account logged in from there of late?
    pub fn is_known(&self, attempt: &Try<'_>, now: Instant) -> bool {
        let keys = self.keys(attempt);
        let state = self.state();
        state.known.fresh(keys.known, now, state.settings.known_for).is_some()
    }

    /// Has anybody logged in from there of late?
    pub fn is_home(&self, peer: IpAddr, now: Instant) -> bool {
        let peer = self.hasher.hash_one(host(peer));
        let state = self.state();
        state.homes.fresh(peer, now, state.settings.known_for).is_some()
    }

    /// When a refusal leaves whose work began at `began` and is done `now`: the fixed time after the beginning, or a whole multiple
    /// of it where the work took longer, and the penalty.
    pub fn answer_at(&self, began: Instant, now: Instant, penalty: Duration) -> Instant {
        let fixed = self.state().settings.fixed;
        let taken = now.saturating_duration_since(began);
        let times = taken.as_nanos().checked_div(fixed.as_nanos()).map_or(0, |times| times.saturating_add(1));
        let wait = fixed.saturating_mul(u32::try_from(times).unwrap_or(u32::MAX));
        // A clock that cannot count so far is at its end anyway.
        began
            .checked_add(wait)
            .and_then(|moment| moment.checked_add(penalty))
            .map_or(now, |moment| moment.max(now))
    }

    fn keys(&self, attempt: &Try<'_>) -> Keys {
        let Try { peer, account, secret } = *attempt;
        let host = host(peer);
        let secret = match secret {
            Tried::Secret(secret) => Some(secret),
            Tried::Digest => None,
        };
        Keys {
            peer: self.hasher.hash_one(host),
            network: self.hasher.hash_one(("network", network(peer))),
            account: self.hasher.hash_one(account),
            known: self.hasher.hash_one((host, account)),
            guess: match secret {
                Some(secret) => self.hasher.hash_one((account, secret)),
                // Whether it is a new one is told by the time.
                None => NO_GUESS,
            },
            secret: secret
                .filter(|secret| !secret.is_empty())
                .map(|secret| self.hasher.hash_one(("secret", secret))),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Settings {
    /// The wait after so many failures too many.
    fn wait(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max)
    }
}

/// What counts as one peer: an IPv4 address on a socket of either family, or the /64 network that one IPv6 host chooses from.
pub fn host(peer: IpAddr) -> IpAddr {
    shortened(peer, 32, 64)
}

/// What is most likely in one hand, or one provider's: /24, and /48 of IPv6.
pub fn network(peer: IpAddr) -> IpAddr {
    shortened(peer, 24, 48)
}

fn shortened(address: IpAddr, v4_bits: u32, v6_bits: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - v4_bits).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) if address.is_loopback() => IpAddr::V6(address),
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - v6_bits).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttle").field("settings", &self.state().settings).finish_non_exhaustive()
    }
}

/// Digests of what a try is counted by.
struct Keys {
    peer: u64,
    network: u64,
    account: u64,
    known: u64,
    guess: u64,
    secret: Option<u64>,
}

#[derive(Default)]
struct State {
    settings: Settings,
    peers: Table<Failures>,
    networks: Table<Failures>,
    accounts: Table<Failures>,
    /// The accounts at which a network has failed; what counts as a guess is the account.
    sprays: Table<Failures>,
    /// The accounts at which a secret was wrong.
    secrets: Table<Failures>,
    /// When an account's digest from a peer was wrong last.
    polls: Table<()>,
    /// Accounts at peers that they have logged in from, and the peers alone.
    known: Table<()>,
    homes: Table<()>,
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
        if guess == NO_GUESS || !self.guesses.contains(&guess) {
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

    /// Touches the entry; whether it had been touched before, and not for `pause`.
    fn touch_after(
        &mut self,
        key: u64,
        now: Instant,
        pause: Duration,
        life: Duration,
        entries_max: usize,
    ) -> bool {
        let before = self.entries.get(&key).map(|(touched, _)| now.saturating_duration_since(*touched));
        self.touch(key, now, life, entries_max);
        before.is_some_and(|age| age >= pause && age < life)
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

/// Wrong passwords that are known again. A peer may be a network with many forgotten machines.
const GUESSES: usize = 32;

/// Stands for no guess. Digests are random enough that it needs no care: at worst a guess is counted once more.
const NO_GUESS: u64 = 0;

/// Programs that ask for mail by themselves ask no sooner again.
const POLL_MIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
