//! The only place that reads a clock. Everything below takes the moment as an argument.
//!
//! Deadlines use tokio's clock, which tests can stop and turn.

use std::time::SystemTime;
use tokio::time::Instant;

/// A moment for deadlines and durations.
pub(crate) fn now() -> Instant {
    // The lint forbids clocks everywhere else; this is the one that the others ask.
    #[allow(clippy::disallowed_methods)]
    Instant::now()
}

/// The time of day, for the log, for `Received` lines and for the store.
pub(crate) fn wall() -> SystemTime {
    // As above.
    #[allow(clippy::disallowed_methods)]
    SystemTime::now()
}
