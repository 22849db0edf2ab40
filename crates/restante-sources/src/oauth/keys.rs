//! The keys of one issuer: kept, asked for again in time, and when a token names one that is not known.
//!
//! Strangers can name any key. So it is asked at most once in a while, whatever comes; and one asks for all who wait. While the issuer is
//! away, the keys that are known serve on for a bounded time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use restante_auth::directory::{Notice, Notify, Problem, SourceError};
use tokio::sync::OwnedMutexGuard;

use super::algorithm::Algorithm;
use super::ask::Asker;
use super::discovery::Place;
use super::jwk::KeySet;

/// How often it is asked, and for how long it may be away.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Keys of this age are asked for again, by the next login.
    pub refresh: Duration,
    /// Between two questions lies so much, whatever is wanted.
    pub retry: Duration,
    /// Keys of this age are not believed any more.
    pub keep: Duration,
}

/// What is known, and how more is got. A clone is another handle to the same.
#[derive(Clone)]
pub(super) struct Keys {
    inner: Arc<Inner>,
}

struct Inner {
    /// For the log.
    source: String,
    place: Place,
    authorities: Option<Vec<u8>>,
    asker: Asker,
    pace: Pace,
    notify: Option<Notify>,
    state: Mutex<State>,
    /// Whoever holds it asks.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// When the last question began.
    asked: Option<Instant>,
    /// What came of it, if nothing good.
    fault: Option<String>,
}

#[derive(Clone)]
struct Held {
    set: Arc<KeySet>,
    since: Instant,
    /// Asked for again as soon as may be.
    is_stale: bool,
}

/// The keys of one process, for the next.
pub(super) struct Learned {
    place: Place,
    authorities: Option<Vec<u8>>,
    held: Held,
}

/// Which key a token needs.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) id: Option<&'a str>,
}

/// What is to be done for a token.
enum Next {
    Use(Arc<KeySet>),
    /// The same, and the keys are to be asked for meanwhile.
    UseAndAsk(Arc<KeySet>),
    Ask,
    /// There is no such key.
    Refuse,
    Unavailable(String),
}

impl Keys {
    /// Asks nobody yet.
    pub(super) fn new(
        source: String,
        place: Place,
        authorities: Option<Vec<u8>>,
        asker: Asker,
        pace: Pace,
        notify: Option<Notify>,
    ) -> Self {
        let (state, turn) = (Mutex::default(), Arc::default());
        Self { inner: Arc::new(Inner { source, place, authorities, asker, pace, notify, state, turn }) }
    }

    /// The keys, if one of them is for such a token. Waits for the issuer only when none is known.
    ///
    /// # Errors
    /// The issuer cannot be asked, and might have one.
    pub(super) async fn with(
        &self,
        wanted: Wanted<'_>,
        now: Instant,
    ) -> Result<Option<Arc<KeySet>>, SourceError> {
        let next = self.inner.state().next(wanted, now, self.inner.pace);
        let next = match next {
            Next::Ask => {
                let turn = Arc::clone(&self.inner.turn).lock_owned().await;
                // Whoever had the turn before may have asked already.
                match self.inner.state().next(wanted, now, self.inner.pace) {
                    Next::Ask => {}
                    next => return self.settled(next),
                }
                self.ask(turn, now).await;
                self.inner.state().next(wanted, now, self.inner.pace)
            }
            Next::UseAndAsk(set) => {
                if let Ok(turn) = Arc::clone(&self.inner.turn).try_lock_owned() {
                    let keys = self.clone();
                    drop(tokio::spawn(async move { keys.ask(turn, now).await }));
                }
                Next::Use(set)
            }
            next => next,
        };
        self.settled(next)
    }

    fn settled(&self, next: Next) -> Result<Option<Arc<KeySet>>, SourceError> {
        match next {
            Next::Use(set) | Next::UseAndAsk(set) => Ok(Some(set)),
            Next::Refuse => Ok(None),
            Next::Unavailable(what) => Err(self.inner.error(what)),
            // Not after a question; another one would be one too many.
            Next::Ask => Err(self.inner.error("it was asked not long ago".to_owned())),
        }
    }

    /// Asks now, whenever that was done last. Answers how many keys there are.
    pub(super) async fn renew(&self, now: Instant) -> Result<usize, SourceError> {
        let turn = Arc::clone(&self.inner.turn).lock_owned().await;
        self.ask(turn, now).await;
        let state = self.inner.state();
        match (&state.fault, &state.held) {
            (Some(fault), _) => Err(self.inner.error(fault.clone())),
            (None, held) => Ok(held.as_ref().map_or(0, |held| held.set.len())),
        }
    }

    /// The question goes on to its end although whoever wanted it may be gone: others wait for it.
    async fn ask(&self, turn: OwnedMutexGuard<()>, now: Instant) {
        self.inner.state().asked = Some(now);
        let inner = Arc::clone(&self.inner);
        let asking = tokio::spawn(async move {
            let answer = inner.place.keys(&inner.asker).await;
            inner.take(answer, now);
            drop(turn);
        });
        // It does not panic; if the runtime ends, so does everything.
        drop(asking.await);
    }

    pub(super) fn hand_over(&self) -> Option<Learned> {
        let held = self.inner.state().held.clone()?;
        Some(Learned { place: self.inner.place.clone(), authorities: self.inner.authorities.clone(), held })
    }

    /// Believed only if they come from where these would; and asked for again soon, since somebody wants things to be new.
    pub(super) fn take_over(&self, learned: &Learned) {
        if learned.place == self.inner.place && learned.authorities == self.inner.authorities {
            let mut state = self.inner.state();
            state.held.get_or_insert_with(|| Held { is_stale: true, ..learned.held.clone() });
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, answer: Result<KeySet, String>, now: Instant) {
        let mut state = self.state();
        let (said_before, has_keys) = (state.fault.take(), state.held.is_some());
        match answer {
            Ok(set) => state.held = Some(Held { set: Arc::new(set), since: now, is_stale: false }),
            Err(what) => {
                state.fault = Some(what.clone());
                drop(state);
                // Without keys, each login says so.
                if let Some(notify) = self.notify.as_ref().filter(|_| has_keys && said_before.is_none()) {
                    notify.say(Notice::Kept(self.error(what)));
                }
            }
        }
    }

    fn error(&self, what: String) -> SourceError {
        let remedy = "see whether the issuer can be reached and what it answers";
        SourceError::temporary(&self.source, Problem::new(what, remedy))
    }
}

impl State {
    fn next(&self, wanted: Wanted<'_>, now: Instant, pace: Pace) -> Next {
        let age = |since: Instant| now.saturating_duration_since(since);
        let may_ask = self.asked.is_none_or(|at| age(at) >= pace.retry);
        let held = self.held.as_ref().filter(|held| age(held.since) < pace.keep);
        let fitting = held.filter(|held| held.set.has(wanted.algorithm, wanted.id));
        match (fitting, &self.fault) {
            (Some(held), _) => {
                let is_old = held.is_stale || age(held.since) >= pace.refresh;
                let set = Arc::clone(&held.set);
                if is_old && may_ask { Next::UseAndAsk(set) } else { Next::Use(set) }
            }
            (None, _) if may_ask => Next::Ask,
            (None, Some(fault)) => Next::Unavailable(fault.clone()),
            (None, None) if held.is_some() => Next::Refuse,
            (None, None) => Next::Ask,
        }
    }
}

#[cfg(test)]
mod tests;
