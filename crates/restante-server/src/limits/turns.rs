//! Turns: how many logins of one address are looked at at the same time.
//!
//! One address with many connections would else fill the queue of costly hashes by itself, and have as many guesses looked at before
//! the first has counted against it. Logins to accounts that are known where they come from wait for no turn.

use super::TURNS;
use restante_auth::throttle;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of all addresses. What has no login waiting takes no memory.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<IpAddr, Line>>);

/// Those of one address.
#[derive(Debug)]
struct Line {
    turns: Arc<Semaphore>,
    /// Logins that wait or have their turn.
    logins: usize,
}

impl Turns {
    /// Waits until it is the turn of a login from this address; `None` when that takes longer than `wait_max`.
    pub(crate) async fn take(&self, address: IpAddr, wait_max: Duration) -> Option<Turn<'_>> {
        let host = throttle::host(address);
        let turns = {
            let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let line = lines
                .entry(host)
                .or_insert_with(|| Line { turns: Arc::new(Semaphore::new(TURNS)), logins: 0 });
            line.logins += 1;
            Arc::clone(&line.turns)
        };
        // From here on dropping the place leaves the line.
        let place = Place { turns: self, host };
        let permit = tokio::time::timeout(wait_max, turns.acquire_owned()).await.ok()?.ok()?;
        Some(Turn { _permit: permit, _place: place })
    }

    #[cfg(test)]
    pub(crate) fn lines(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// A turn; the next has his when it is dropped.
pub(crate) struct Turn<'t> {
    _permit: OwnedSemaphorePermit,
    _place: Place<'t>,
}

struct Place<'t> {
    turns: &'t Turns,
    host: IpAddr,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut lines = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get_mut(&self.host) {
            line.logins -= 1;
            if line.logins == 0 {
                lines.remove(&self.host);
            }
        }
        // A flood from many addresses must not leave its table behind.
        if lines.len() < lines.capacity() / 8 && lines.capacity() > 1024 {
            lines.shrink_to_fit();
        }
    }
}
