//! How many at a time: admission of connections and of sessions on one account, counted.
//!
//! A pass is held for as long as the connection or session lasts; dropping it gives the place back. The numbers
//! themselves are keys of the configuration; the bounds that are not configurable stand at the end.

mod strangers;
mod turns;

use crate::config::Limits;
use crate::event::Peer;
use restante_auth::account::{Account, AccountName};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
pub(crate) use strangers::Leave;
use strangers::{Stranger, Strangers};
use tokio::sync::Notify;
pub(crate) use turns::{Turn, Turns};

/// Counts everything that is limited. One for the whole server; it outlives configurations.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    sessions: AtomicUsize,
    addresses: Counts<IpAddr>,
    accounts: Counts<AccountName>,
    strangers: Arc<Strangers>,
    /// Told when the last session has ended.
    empty: Notify,
}

impl Admission {
    /// Lets a connection in, or names the limit that it would exceed. A stranger may take another one's place.
    pub(crate) fn admit(
        self: &Arc<Self>,
        peer: &Peer,
        standing: Standing,
        limits: &Limits,
    ) -> Result<Pass, &'static str> {
        let sessions = usize::try_from(limits.sessions).unwrap_or(usize::MAX);
        let take_one = |now: usize| (now < sessions).then_some(now + 1);
        if self.sessions.fetch_update(Ordering::AcqRel, Ordering::Relaxed, take_one).is_err() {
            return Err("sessions");
        }
        // From here on dropping the pass gives the place back.
        let mut pass = Pass { admission: Arc::clone(self), network: None, stranger: None };
        if let Peer::Tcp(address) = peer {
            let network = network(address.ip());
            if !self.addresses.take(&network, limits.sessions_per_address) {
                return Err("sessions_per_address");
            }
            pass.network = Some(network);
            if standing == Standing::Stranger {
                let share = limits.sessions.saturating_mul(limits.strangers_percent) / 100;
                let share = usize::try_from(share).unwrap_or(usize::MAX);
                pass.stranger = Some(Box::new(self.strangers.enter(address.ip(), share)));
            }
        }
        Ok(pass)
    }

    /// Lets a session in to an account; `None` when there are as many as may be.
    pub(crate) fn enter(self: &Arc<Self>, account: &Account, limits: &Limits) -> Option<AccountPass> {
        let max = account.sessions_max.map_or(limits.sessions_per_account, |max| u64::from(max.get()));
        let is_free = self.accounts.take(&account.name, max);
        is_free.then(|| AccountPass { admission: Arc::clone(self), account: account.name.clone() })
    }

    /// Connections now.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Acquire)
    }

    /// Waits until there is no connection.
    pub(crate) async fn emptied(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.empty.notified());
            // Listen first, look second: an end in between is not missed.
            emptied.as_mut().enable();
            if self.sessions() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// As whom somebody connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As a client that has yet to log in.
    Stranger,
    /// From where somebody has logged in of late, or as one of the host's own servers.
    Known,
}

/// The right to be connected.
#[derive(Debug)]
pub(crate) struct Pass {
    admission: Arc<Admission>,
    network: Option<IpAddr>,
    /// Aside: after the login there is none.
    stranger: Option<Box<Stranger>>,
}

impl Pass {
    /// Where a stranger with this pass is told to make room for others.
    pub(crate) fn leave(&self) -> Option<Arc<Leave>> {
        self.stranger.as_ref().map(|stranger| stranger.leave())
    }

    /// Somebody has logged in with it: from now on it makes room for nobody.
    pub(crate) fn settle(&self) {
        if let Some(stranger) = &self.stranger {
            stranger.settle();
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(network) = &self.network {
            self.admission.addresses.give_back(network);
        }
        if self.admission.sessions.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.admission.empty.notify_waiters();
        }
    }
}

/// The right to be logged in to an account.
#[derive(Debug)]
pub(crate) struct AccountPass {
    admission: Arc<Admission>,
    account: AccountName,
}

impl Drop for AccountPass {
    fn drop(&mut self) {
        self.admission.accounts.give_back(&self.account);
    }
}

/// How many of each there are; what there is none of takes no memory.
#[derive(Debug)]
struct Counts<K>(Mutex<HashMap<K, u64>>);

// Derived, this would ask for `K: Default`.
impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> Counts<K> {
    fn take(&self, key: &K, max: u64) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.entry(key.clone()) {
            Entry::Occupied(mut entry) if *entry.get() < max => *entry.get_mut() += 1,
            Entry::Occupied(_) => return false,
            Entry::Vacant(_) if max == 0 => return false,
            Entry::Vacant(entry) => {
                entry.insert(1);
            }
        }
        true
    }

    fn give_back(&self, key: &K) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(key);
            }
        }
        // A flood from many addresses must not leave its table behind.
        if counts.len() < counts.capacity() / 8 && counts.capacity() > 1024 {
            counts.shrink_to_fit();
        }
    }
}

/// What counts as one address: an IPv4 address, or the /64 network that one IPv6 host can choose from freely.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) if address.is_loopback() => IpAddr::V6(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

/// Logins of one address that are looked at at the same time: enough for a family or a webmail, whose accounts are known soon.
pub(crate) const TURNS: usize = 4;
/// Octets taken from the socket at once. On the stack of the reading thread, so an idle session holds none.
pub(crate) const READ_OCTETS: usize = 16 * 1024;
/// Output is written once it has grown to this; answers of a flight and small messages share a write until then.
pub(crate) const WRITE_OCTETS: usize = 64 * 1024;
/// Room in a buffer for messages: output up to `WRITE_OCTETS`, and a chunk more.
pub(crate) const BUFFER_BYTES: usize = 2 * WRITE_OCTETS + 8 * 1024;
/// Buffers for messages that are kept for the next one. More are freed.
pub(crate) const BUFFERS_KEPT: usize = 32;
/// Connections over a limit that are being told so at the same time where that takes a handshake; more are just closed.
pub(crate) const REFUSALS_MAX: usize = 32;
/// What a peer may still send after our last words before the connection is closed on it.
pub(crate) const FAREWELL_OCTETS_MAX: usize = 1024 * 1024;
/// Seconds for that, and for a refusal.
pub(crate) const FAREWELL_S: u64 = 2;

#[cfg(test)]
mod tests;
