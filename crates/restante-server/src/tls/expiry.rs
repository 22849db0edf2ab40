//! Certificates that end soon: when, and how that is said.

use super::pair::Pair;
use std::fmt;
use std::time::{Duration, SystemTime};

/// How long a certificate still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    pub(crate) not_after: SystemTime,
    left: Left,
    warn: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It begins later.
    NotYet,
    /// So long.
    For(Duration),
    /// It has ended so long ago.
    Ended(Duration),
}

impl Expiry {
    /// Of a certificate at this moment; `None` where its dates cannot be read. Worth a warning from `warn_days` before its end.
    pub(crate) fn of(pair: &Pair, now: SystemTime, warn_days: u64) -> Option<Self> {
        let (not_before, not_after) = pair.validity?;
        let left = match not_after.duration_since(now) {
            Ok(_) if not_before > now => Left::NotYet,
            Ok(left) => Left::For(left),
            Err(error) => Left::Ended(error.duration()),
        };
        let warn = match left {
            Left::For(left) => left < Duration::from_secs(warn_days * DAY_S),
            Left::NotYet | Left::Ended(_) => true,
        };
        Some(Self { not_after, left, warn })
    }

    /// Should somebody be told?
    pub(crate) fn is_worth_a_warning(&self) -> bool {
        self.warn
    }

    /// Is it of no use to clients now?
    pub(crate) fn is_over(&self) -> bool {
        !matches!(self.left, Left::For(_))
    }

    /// Whole days that are left; 0 when there are none.
    pub(crate) fn days(&self) -> u64 {
        match self.left {
            Left::For(left) => left.as_secs() / DAY_S,
            Left::NotYet | Left::Ended(_) => 0,
        }
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.left {
            Left::NotYet => f.write_str("is not valid yet"),
            Left::For(left) if left.as_secs() < 2 * DAY_S => {
                write!(f, "expires in {} hours", left.as_secs() / 3600)
            }
            Left::For(left) => write!(f, "expires in {} days", left.as_secs() / DAY_S),
            Left::Ended(ago) => write!(f, "has expired, {} days ago", ago.as_secs() / DAY_S),
        }
    }
}

/// What to do about it.
pub(crate) const REMEDY: &str = "renew it and put the new one in its place";

/// Between two warnings about one certificate, and the unit of them.
pub(crate) const DAY_S: u64 = 86_400;
