//! Certificates from an ACME server (RFC 8555): when one is due, and how often it is tried.
//!
//! One task for the life of the server. It looks at the certificate in use as often as `tls.watch_s` says and orders a new one when
//! there is none, when names or directory have changed, or when less than a third of its life is left. An order is `acme/order.rs`'s, what lies on
//! disk `acme/kept.rs`'s, the answers to challenges `acme/answers.rs`'s and `acme/http01.rs`'s. docs/design/0021-acme.md says why so.

mod answers;
mod http;
pub(crate) mod http01;
pub(crate) mod kept;
mod order;

use crate::clock;
use crate::config::Config;
use crate::event::Event;
use crate::event::certificate::CertificateEvent;
use crate::shared::Shared;
use crate::tls::pair::Pair;
use kept::Kept;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::JoinHandle;

pub(crate) use answers::{Answers, TlsAnswers};

/// The task that keeps the certificate of `[acme]` fresh. Dropping it ends the task where it stands; an order it was in is made anew later.
pub(crate) struct Renewer(JoinHandle<()>);

impl Renewer {
    /// Begins at once.
    pub(crate) fn start(shared: Arc<Shared>) -> Self {
        Self(tokio::spawn(run(shared)))
    }
}

impl Drop for Renewer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// For ever. Failures and pauses are forgotten with the server, orders are not (`acme.orders_max`).
async fn run(shared: Arc<Shared>) {
    let spread = Spread::new();
    let mut pause: Option<Pause> = None;
    loop {
        let settings = shared.settings.load_full();
        let config = &settings.config;
        let now = clock::wall();
        // What a new configuration asks for is not held up by what an old one failed at.
        let is_paused = pause.as_ref().is_some_and(|pause| pause.is_on(config, now));
        if let Some(identity) = settings.identity.as_ref().filter(|_| config.acme.is_on() && !is_paused) {
            let kept = Kept::new(&config.state_dir);
            let directory = match pause {
                // A look at the disk at the start and after each order is enough.
                None | Some(Pause { failures: 1.., .. }) => kept.directory().await,
                Some(_) => Some(config.acme.directory.clone()),
            };
            let pair = identity.acme_pair();
            let wanted = Wanted { config, directory: directory.as_deref(), spread: &spread };
            if wanted.is_due(pair.as_ref(), now) {
                let before = pause.take().filter(|pause| pause.acme == config.acme);
                let failures = before.map_or(0, |pause| pause.failures);
                let outcome = order::order(&shared, identity, config, &kept).await;
                pause = Some(after(&shared, config, outcome, failures, &spread));
            } else {
                pause = Some(Pause { acme: config.acme.clone(), failures: 0, until: now });
            }
        }
        tokio::time::sleep(Duration::from_secs(config.tls.watch_s)).await;
    }
}

/// Says how an order went, and until when the next one waits.
fn after(
    shared: &Shared,
    config: &Config,
    outcome: Result<(), order::OrderError>,
    failures: u32,
    spread: &Spread,
) -> Pause {
    let acme = config.acme.clone();
    match outcome {
        Ok(()) => {
            let (names, directory) = (&acme.names, &acme.directory);
            shared.log.write(&Event::Certificate(CertificateEvent::Obtained { names, directory }));
            Pause { acme, failures: 0, until: clock::wall() }
        }
        Err(error) => {
            let failures = failures.saturating_add(1);
            let wait = error.wait().unwrap_or_else(|| backoff(config.acme.retry_s, failures, spread));
            shared.log.write(&Event::Certificate(CertificateEvent::NotObtained {
                names: &acme.names,
                directory: &acme.directory,
                error: &error,
                retry_s: wait.as_secs(),
            }));
            Pause { acme, failures, until: clock::wall() + wait }
        }
    }
}

/// `retry_s`, doubled with each failure up to a day, and up to a tenth more, so that servers that failed together do not come back together.
fn backoff(retry_s: u64, failures: u32, spread: &Spread) -> Duration {
    let doubled = retry_s.saturating_mul(1 << failures.saturating_sub(1).min(17));
    let wait = Duration::from_secs(doubled).min(RETRY_MAX);
    wait + spread.of(wait / 10)
}

/// What was tried last, and until when nothing is.
struct Pause {
    acme: crate::config::Acme,
    failures: u32,
    until: SystemTime,
}

impl Pause {
    fn is_on(&self, config: &Config, now: SystemTime) -> bool {
        // A clock that was set back must not make this a year.
        let left = self.until.duration_since(now).unwrap_or_default();
        self.failures > 0 && self.acme == config.acme && !left.is_zero() && left <= 2 * RETRY_MAX
    }
}

/// What is asked of a certificate.
struct Wanted<'a> {
    config: &'a Config,
    /// The directory that the one on disk is from.
    directory: Option<&'a str>,
    spread: &'a Spread,
}

impl Wanted<'_> {
    fn is_due(&self, pair: Option<&Pair>, now: SystemTime) -> bool {
        let acme = &self.config.acme;
        let Some(pair) = pair else { return true };
        let Some((not_before, not_after)) = pair.validity else { return true };
        let has_all = acme.names.iter().all(|name| pair.names.contains(&name.to_ascii_lowercase()));
        if !has_all || self.directory != Some(acme.directory.as_str()) {
            return true;
        }
        let third = not_after.duration_since(not_before).unwrap_or_default() / 3;
        // Some time after that third has begun, so that not all of a crowd come at once.
        now + third >= not_after + self.spread.of(third / 10)
    }
}

/// Chance, drawn once: a share of whatever is spread.
struct Spread(u16);

impl Spread {
    fn new() -> Self {
        let mut octets = [0; 2];
        // Without randomness nothing is spread, which is no harm to ourselves.
        let _ = getrandom::fill(&mut octets);
        Self(u16::from_ne_bytes(octets))
    }

    fn of(&self, span: Duration) -> Duration {
        span * u32::from(self.0) / 65_536
    }
}

const RETRY_MAX: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests;
