//! The program's clock: read here and handed down as an argument.

use std::time::{Instant, SystemTime};

/// A moment, for durations and for what is remembered between questions.
pub(crate) fn now() -> Instant {
    // Everybody else in this crate asks here.
    #[allow(clippy::disallowed_methods)]
    Instant::now()
}

/// The time of day.
pub(crate) fn wall() -> SystemTime {
    // As above.
    #[allow(clippy::disallowed_methods)]
    SystemTime::now()
}
