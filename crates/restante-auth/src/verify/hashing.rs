//! Where passwords are checked: cheap ones on the spot, costly ones on other threads, so many at a time, behind a bounded queue.
//!
//! There are two queues, with as many places each: one for logins to accounts that are known where they come from, one for all others.
//! So whoever guesses at full speed can fill the one, and owners do not notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::HashingSettings;
use crate::directory::{Circumstances, Problem, SourceError};
use crate::password::{Cost, StoredPassword};

/// The queues and their counters.
pub(super) struct Hashing {
    wait_max: Duration,
    strangers: Queue,
    owners: Queue,
    checks: Arc<AtomicU64>,
}

/// Who wants a password checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Somebody.
    Stranger,
    /// Somebody who comes from where the account is known.
    Owner,
}

impl Lane {
    pub(super) fn of(at: Circumstances) -> Self {
        if at.is_known { Self::Owner } else { Self::Stranger }
    }
}

/// A queue.
struct Queue {
    /// Hashes that may run.
    running: Arc<Semaphore>,
    /// Those that may run or wait to.
    admitted: Arc<Semaphore>,
}

impl Queue {
    fn new(settings: &HashingSettings) -> Self {
        let running = settings.parallel_max.clamp(1, PARALLEL_MAX);
        let admitted = running.saturating_add(settings.waiting_max).min(Semaphore::MAX_PERMITS);
        Self { running: Arc::new(Semaphore::new(running)), admitted: Arc::new(Semaphore::new(admitted)) }
    }
}

impl Hashing {
    pub(super) fn new(settings: HashingSettings) -> Self {
        Self {
            wait_max: settings.wait_max,
            strangers: Queue::new(&settings),
            owners: Queue::new(&settings),
            checks: Arc::default(),
        }
    }

    /// Whether one of `passwords` fits `stored`.
    ///
    /// # Errors
    /// Too many wait already, the wait was too long, or there is no memory: temporary.
    pub(super) async fn fits(
        &self,
        lane: Lane,
        stored: StoredPassword,
        passwords: Vec<Zeroizing<Vec<u8>>>,
    ) -> Result<bool, SourceError> {
        if stored.cost() == Cost::Cheap {
            return check(&stored, &passwords, &self.checks);
        }
        let checks = Arc::clone(&self.checks);
        self.queued(lane, move || check(&stored, &passwords, &checks)).await?
    }

    /// Runs `job` on a thread of its own, when its turn has come.
    ///
    /// # Errors
    /// Too many wait already, or the wait was too long: temporary.
    pub(super) async fn queued<T: Send + 'static>(
        &self,
        lane: Lane,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SourceError> {
        let queue = match lane {
            Lane::Stranger => &self.strangers,
            Lane::Owner => &self.owners,
        };
        let Ok(admitted) = Arc::clone(&queue.admitted).try_acquire_owned() else {
            return Err(busy("too many logins wait to be checked"));
        };
        let Ok(Ok(running)) = timeout(self.wait_max, Arc::clone(&queue.running).acquire_owned()).await else {
            return Err(busy("a login has waited too long to be checked"));
        };
        // The permits go along: a hash that nobody waits for any more still takes its processor.
        let work = tokio::task::spawn_blocking(move || {
            let _permits = (admitted, running);
            job()
        });
        work.await.map_err(|_| busy("checking a login was interrupted"))
    }

    /// Takes all places of strangers, as many logins at once would.
    #[cfg(test)]
    pub(super) fn hold_all(&self) -> tokio::sync::OwnedSemaphorePermit {
        let admitted = &self.strangers.admitted;
        let places = u32::try_from(admitted.available_permits()).expect("tests have few places");
        Arc::clone(admitted).try_acquire_many_owned(places).expect("they are available")
    }

    /// How many checks have been made.
    pub(super) fn checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }

    /// Counts checks that were made elsewhere.
    pub(super) fn count(&self, checks: u64) {
        self.checks.fetch_add(checks, Ordering::Relaxed);
    }
}

/// Stops at the first that fits: then the login succeeds, and there is nothing to hide.
fn check(
    stored: &StoredPassword,
    passwords: &[Zeroizing<Vec<u8>>],
    checks: &AtomicU64,
) -> Result<bool, SourceError> {
    for password in passwords {
        checks.fetch_add(1, Ordering::Relaxed);
        if stored
            .fits(password)
            .map_err(|error| busy("there is no memory to check a login").caused_by(error))?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn busy(what: &str) -> SourceError {
    let remedy = "raise the number of hashes at a time, use cheaper ones, or slow down who logs in so often";
    SourceError::temporary("password check", Problem::new(what, remedy))
}

/// More than any machine has processors.
const PARALLEL_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::Scheme;

    const COSTLY: &[u8] = b"{BLF-CRYPT}$2y$04$yTT72mEUXpWvPxn4k.Bsv.BrkLRWxiXeXikds1ed0cXJELAe3ebh2";

    fn hashing(waiting_max: usize) -> Hashing {
        Hashing::new(HashingSettings { parallel_max: 1, waiting_max, wait_max: Duration::from_secs(5) })
    }

    fn stored(text: &[u8]) -> StoredPassword {
        StoredPassword::parse(text, Scheme::Crypt).unwrap()
    }

    fn passwords(texts: &[&str]) -> Vec<Zeroizing<Vec<u8>>> {
        texts.iter().map(|text| Zeroizing::new(text.as_bytes().to_vec())).collect()
    }

    #[tokio::test]
    async fn any_of_the_forms_may_fit() {
        let hashing = hashing(1);
        for secret in [COSTLY, b"{PLAIN}x"] {
            let before = hashing.checks();
            assert!(hashing.fits(Lane::Stranger, stored(secret), passwords(&["y", "x"])).await.unwrap());
            assert!(!hashing.fits(Lane::Stranger, stored(secret), passwords(&["y", "z"])).await.unwrap());
            assert_eq!(hashing.checks() - before, 4);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_to_come_back() {
        let hashing = hashing(1);
        let held = Arc::clone(&hashing.strangers.running).acquire_owned().await.unwrap();
        let error = hashing.fits(Lane::Stranger, stored(COSTLY), passwords(&["x"])).await.unwrap_err();
        assert!(error.is_temporary());
        assert_eq!(hashing.checks(), 0);
        assert!(
            hashing.fits(Lane::Stranger, stored(b"{PLAIN}x"), passwords(&["x"])).await.unwrap(),
            "cheap ones do not queue"
        );
        drop(held);
        assert!(hashing.fits(Lane::Stranger, stored(COSTLY), passwords(&["x"])).await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let hashing = hashing(0);
        let _held = Arc::clone(&hashing.strangers.admitted).acquire_owned().await.unwrap();
        assert!(
            hashing.fits(Lane::Stranger, stored(COSTLY), passwords(&["x"])).await.unwrap_err().is_temporary()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_in_the_queue_ends() {
        let hashing = hashing(1);
        let _running = Arc::clone(&hashing.strangers.running).acquire_owned().await.unwrap();
        let waiting = hashing.fits(Lane::Stranger, stored(COSTLY), passwords(&["x"]));
        let error = timeout(Duration::from_secs(6), waiting).await.expect("it ends by itself").unwrap_err();
        assert!(error.is_temporary() && error.to_string().contains("waited too long"), "{error}");
    }

    #[test]
    fn who_is_known_where_he_comes_from_has_the_owners_queue() {
        let at = Circumstances::new(crate::directory::Service::Pop3, std::time::Instant::now());
        assert_eq!(Lane::of(at), Lane::Stranger);
        assert_eq!(Lane::of(Circumstances { is_known: true, ..at }), Lane::Owner);
    }

    #[tokio::test]
    async fn strangers_who_fill_their_queue_do_not_keep_owners_waiting() {
        let hashing = hashing(0);
        let _all = hashing.hold_all();
        assert!(hashing.fits(Lane::Stranger, stored(COSTLY), passwords(&["x"])).await.is_err());
        assert!(hashing.fits(Lane::Owner, stored(COSTLY), passwords(&["x"])).await.unwrap());
    }

    #[tokio::test]
    async fn a_given_up_login_keeps_its_place_until_its_hash_is_done() {
        let hashing = hashing(0);
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let job = hashing.queued(Lane::Stranger, move || wait.recv());
        assert!(timeout(Duration::ZERO, job).await.is_err(), "the job cannot have ended");
        assert_eq!(
            (hashing.strangers.admitted.available_permits(), hashing.strangers.running.available_permits()),
            (0, 0)
        );
        assert!(hashing.fits(Lane::Stranger, stored(COSTLY), passwords(&["x"])).await.is_err());
        done.send(()).unwrap();
        let _both = (
            hashing.strangers.admitted.acquire().await.unwrap(),
            hashing.strangers.running.acquire().await.unwrap(),
        );
    }

    #[tokio::test]
    async fn a_hash_that_panics_is_no_verdict_and_gives_its_place_back() {
        let hashing = hashing(0);
        let error = hashing.queued(Lane::Stranger, || panic!("as a library might")).await.unwrap_err();
        assert!(error.is_temporary());
        assert!(hashing.fits(Lane::Stranger, stored(COSTLY), passwords(&["x"])).await.unwrap());
    }
}
