//! Those who have not logged in: how many there may be, and who of them makes room.
//!
//! Whoever connects is a stranger until a login, and strangers share a part of the places. A full part refuses nobody, or whoever
//! fills it would keep everybody out: the newcomer takes the place of the stranger who has had his for the longest, of the
//! network (`restante_auth::throttle::network`) that has the most strangers. So a flood from one network displaces itself, one
//! from many leaves a newcomer the time in which it can open as many connections as there are places, and a login takes less.

use restante_auth::throttle;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How a stranger is told to make room.
#[derive(Debug, Default)]
pub(crate) struct Leave(Mutex<Word>);

#[derive(Debug)]
enum Word {
    /// It may stay; who waits to hear something else.
    Stay(Option<Waker>),
    /// It must make room.
    Go,
    /// It is no stranger any more, and makes room for nobody.
    Settled,
}

impl Default for Word {
    fn default() -> Self {
        Self::Stay(None)
    }
}

impl Leave {
    /// Ready when it must make room.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        match &mut *self.word() {
            Word::Go => Poll::Ready(()),
            Word::Settled => Poll::Pending,
            Word::Stay(Some(waker)) if waker.will_wake(cx.waker()) => Poll::Pending,
            Word::Stay(waiting) => {
                *waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn go(&self) {
        let before = std::mem::replace(&mut *self.word(), Word::Go);
        if let Word::Stay(Some(waiting)) = before {
            waiting.wake();
        }
    }

    fn settle(&self) {
        *self.word() = Word::Settled;
    }

    fn word(&self) -> MutexGuard<'_, Word> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All strangers there are.
#[derive(Debug, Default)]
pub(super) struct Strangers(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// How many have come so far.
    came: u64,
    count: usize,
    /// By network and in the order they came; each is told when it must make room. No network is empty.
    networks: HashMap<IpAddr, BTreeMap<u64, Arc<Leave>>>,
    /// The networks: the one that makes room comes last.
    order: BTreeSet<Rank>,
}

/// The most strangers, and of equally many the one with the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    strangers: usize,
    oldest: Reverse<u64>,
    network: IpAddr,
}

impl Strangers {
    /// A place among at most `max`. Where there is none, somebody is told to make room.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr, max: usize) -> Stranger {
        let network = throttle::network(address);
        let leave = Arc::<Leave>::default();
        let mut table = self.table();
        while table.count >= max.max(1) {
            table.make_room();
        }
        let number = table.came;
        table.came += 1;
        table.change(network, |strangers| {
            strangers.insert(number, Arc::clone(&leave));
        });
        Stranger { strangers: Arc::clone(self), network, number, leave }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        let table = self.table();
        let count = table.networks.values().map(BTreeMap::len).sum();
        assert_eq!((table.count, table.order.len()), (count, table.networks.len()));
        count
    }

    #[cfg(test)]
    pub(super) fn is_small(&self) -> bool {
        self.count() == 0 && self.table().networks.capacity() < 2_000
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Takes the place of whoever makes room, and tells him.
    fn make_room(&mut self) {
        let Some(Rank { oldest: Reverse(oldest), network, .. }) = self.order.last().copied() else { return };
        self.change(network, |strangers| {
            if let Some(leave) = strangers.remove(&oldest) {
                leave.go();
            }
        });
    }

    /// Changes who is there from a network, and keeps its rank and the sum right.
    fn change(&mut self, network: IpAddr, change: impl FnOnce(&mut BTreeMap<u64, Arc<Leave>>)) {
        let strangers = self.networks.entry(network).or_default();
        let rank = |strangers: &BTreeMap<u64, Arc<Leave>>| {
            let (oldest, _) = strangers.first_key_value()?;
            Some(Rank { strangers: strangers.len(), oldest: Reverse(*oldest), network })
        };
        if let Some(before) = rank(strangers) {
            self.order.remove(&before);
            self.count -= before.strangers;
        }
        change(strangers);
        match rank(strangers) {
            Some(after) => {
                self.count += after.strangers;
                self.order.insert(after);
            }
            None => drop(self.networks.remove(&network)),
        }
        // A flood from many networks must not leave its table behind.
        if self.networks.len() < self.networks.capacity() / 8 && self.networks.capacity() > 1024 {
            self.networks.shrink_to_fit();
        }
    }
}

/// A stranger's place. Dropped, or given up by `settle`, it is free.
#[derive(Debug)]
pub(super) struct Stranger {
    strangers: Arc<Strangers>,
    network: IpAddr,
    number: u64,
    leave: Arc<Leave>,
}

impl Stranger {
    /// Rings when it must make room.
    pub(super) fn leave(&self) -> Arc<Leave> {
        Arc::clone(&self.leave)
    }

    /// It is a stranger no longer: it has logged in, or is gone.
    pub(super) fn settle(&self) {
        let mut table = self.strangers.table();
        self.leave.settle();
        if table.networks.get(&self.network).is_some_and(|strangers| strangers.contains_key(&self.number)) {
            table.change(self.network, |strangers| drop(strangers.remove(&self.number)));
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.settle();
    }
}
