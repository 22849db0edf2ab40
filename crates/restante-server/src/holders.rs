//! Who holds which maildrop in this process, and how a silent holder gives way to a new login of its account.
//!
//! The lock itself is the store's; here is only whom to ask for it. A session that opens a maildrop notes itself with
//! `Holders::hold` and keeps the [`Holding`] until the maildrop is closed; its connection tells the [`Pulse`] of each sign of
//! life and asks it whether somebody else takes over. A login that finds the maildrop locked calls `Holders::take_over`.
//! Whether a holder may be asked to go and whether it may still begin UPDATE is decided in one place, under one mutex, so
//! exactly one of the two happens. Without `takeover_after` nobody comes here. The rules are in docs/design/0012-takeover.md.

use crate::event::{Peer, Trace};
use restante_auth::account::AccountName;
use restante_store::Location;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// All holders of this process. One for the whole server; it outlives configurations, and has at most one entry for each
/// session.
#[derive(Debug, Default)]
pub(crate) struct Holders(Mutex<HashMap<Location, Arc<Pulse>>>);

/// A session that holds a maildrop: whether its peer lives, and whether it must go.
#[derive(Debug)]
pub(crate) struct Pulse {
    account: AccountName,
    trace: Trace,
    peer: Peer,
    state: Mutex<State>,
    /// Rings when the maildrop is closed.
    released: Notify,
}

#[derive(Debug)]
struct State {
    /// When the peer last sent or took an octet.
    heard: Instant,
    stage: Stage,
    /// Who waits for the peer, to be woken when it is of no use any more.
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Commands are obeyed.
    Open,
    /// Removing: nobody interrupts this.
    Update,
    /// Somebody else has the right to the maildrop: nothing more is removed.
    Superseded,
    /// The maildrop is closed.
    Released,
}

/// A session's entry. To be dropped after the maildrop that it is about.
#[derive(Debug)]
pub(crate) struct Holding {
    holders: Arc<Holders>,
    location: Location,
    pulse: Arc<Pulse>,
}

/// The session that had to go.
#[derive(Debug)]
pub(crate) struct Superseded {
    pub(crate) trace: Trace,
    pub(crate) peer: Peer,
    /// How long nothing was heard of it.
    pub(crate) silent: Duration,
}

impl Holders {
    /// Notes that a session holds a maildrop, of which it has the lock. One that is noted already was released a moment ago.
    pub(crate) fn hold(
        self: &Arc<Self>,
        location: &Location,
        account: &AccountName,
        (trace, peer): (Trace, Peer),
        now: Instant,
    ) -> Holding {
        let state = State { heard: now, stage: Stage::Open, waker: None };
        let (account, state, released) = (account.clone(), Mutex::new(state), Notify::new());
        let pulse = Arc::new(Pulse { account, trace, peer, state, released });
        self.table().insert(location.clone(), Arc::clone(&pulse));
        Holding { holders: Arc::clone(self), location: location.clone(), pulse }
    }

    /// Asks the holder of a maildrop to go if it has been silent for so long, and waits until it has, for a while at most.
    /// `None` when nobody has gone: there is no holder in this process, it is another account's, it lives, or it removes
    /// messages.
    pub(crate) async fn take_over(
        &self,
        location: &Location,
        account: &AccountName,
        after: Duration,
        now: Instant,
    ) -> Option<Superseded> {
        let pulse = self.table().get(location).map(Arc::clone)?;
        if pulse.account != *account {
            return None;
        }
        let mut released = std::pin::pin!(pulse.released.notified());
        // Listen first: a release in between is not missed.
        released.as_mut().enable();
        let silent = pulse.supersede(after, now)?;
        if !pulse.is_released() && tokio::time::timeout(RELEASE_MAX, released).await.is_err() {
            return None;
        }
        Some(Superseded { trace: pulse.trace, peer: pulse.peer, silent })
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<Location, Arc<Pulse>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holding {
    /// What the connection of the session is to tell and to ask.
    pub(crate) fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// UPDATE begins. `false` when somebody else has taken over: nothing may be removed then.
    pub(crate) fn begin_update(&self) -> bool {
        let mut state = self.pulse.state();
        let may = state.stage == Stage::Open;
        if may {
            state.stage = Stage::Update;
        }
        may
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.pulse.state().stage = Stage::Released;
        let mut table = self.holders.table();
        // The next holder may have come already: the lock is released by now.
        if table.get(&self.location).is_some_and(|pulse| Arc::ptr_eq(pulse, &self.pulse)) {
            table.remove(&self.location);
        }
        // The memory of a crowd that has left.
        if table.len() < table.capacity() / 8 && table.capacity() > 1024 {
            table.shrink_to_fit();
        }
        drop(table);
        self.pulse.released.notify_waiters();
    }
}

impl Pulse {
    /// The peer has sent or taken octets.
    pub(crate) fn beat(&self, now: Instant) {
        self.state().heard = now;
    }

    /// Ready when somebody else has taken over; otherwise the task is woken then.
    pub(crate) fn poll_superseded(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.stage == Stage::Superseded {
            return Poll::Ready(());
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Takes the right to the maildrop away, if nothing was heard of the holder for so long and it does not remove. Says for how
    /// long. Another login may have done so before.
    fn supersede(&self, after: Duration, now: Instant) -> Option<Duration> {
        let mut state = self.state();
        let silent = now.saturating_duration_since(state.heard);
        match state.stage {
            Stage::Open if silent >= after => state.stage = Stage::Superseded,
            // It goes already, or is gone.
            Stage::Superseded | Stage::Released => {}
            Stage::Open | Stage::Update => return None,
        }
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        Some(silent)
    }

    fn is_released(&self) -> bool {
        self.state().stage == Stage::Released
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A holder that waits for its peer goes at once; one that waits for a disk is not worth a longer login.
const RELEASE_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
