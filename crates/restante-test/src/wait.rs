//! Waiting for a condition, with a deadline that only a broken server ever reaches.
//!
//! The only place where a test gives time away. Nothing here asserts that something is fast: the deadline is far
//! beyond what a loaded machine needs.

use std::time::{Duration, Instant};

/// How long any single condition or read may take before a test gives up.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Returns as soon as `condition` holds.
///
/// # Panics
/// When it does not hold within [`DEADLINE`]; the message says `what` was awaited.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    some(what, || condition().then_some(()));
}

/// Returns the first value that `attempt` gives.
///
/// # Panics
/// When it gives none within [`DEADLINE`]; the message says `what` was awaited.
pub fn some<T>(what: &str, attempt: impl FnMut() -> Option<T>) -> T {
    try_some(DEADLINE, attempt).unwrap_or_else(|| panic!("waited {DEADLINE:?} for {what}"))
}

/// Returns the first value that `attempt` gives, or none when there is none within `deadline`.
pub fn try_some<T>(deadline: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        let value = attempt();
        if value.is_some() || Instant::now() >= end {
            return value;
        }
        std::thread::park_timeout(Duration::from_millis(3));
    }
}
