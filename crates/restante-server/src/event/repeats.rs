//! How often the log says the same: what strangers can cause as often as they like has some lines, and is counted after that.
//!
//! Not here: failed logins and sessions. Each has its line, since programs read them, and both are slowed down and limited before.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What was written of late, by kind.
#[derive(Debug, Default)]
pub(crate) struct Repeats(Mutex<HashMap<String, Window>>);

#[derive(Debug)]
struct Window {
    began: Instant,
    lines: u32,
    unsaid: u64,
}

impl Repeats {
    /// Whether an event of this kind has a line now: `Some` with the number of those before it that had none; `None`: it is counted.
    /// A kind is a word of ours or the name of a source, never something that a peer has said: each is remembered.
    pub(crate) fn allows(&self, kind: &str, now: Instant) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = kinds.entry(kind.to_owned()).or_insert(Window { began: now, lines: 0, unsaid: 0 });
        if now.saturating_duration_since(window.began) >= WINDOW {
            window.began = now;
            window.lines = 0;
        }
        if window.lines >= LINES_MAX {
            window.unsaid = window.unsaid.saturating_add(1);
            return None;
        }
        window.lines += 1;
        Some(mem::take(&mut window.unsaid))
    }
}

/// Of each kind, so many lines within `WINDOW`: enough to see who it is, and 5 MB a day at most.
const LINES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn what_comes_too_often_is_counted_and_told_with_the_next_line() {
        let (repeats, start) = (Repeats::default(), clock::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        for n in 0..25 {
            let expected = (n < LINES_MAX).then_some(0);
            assert_eq!(repeats.allows("full", after(n.into())), expected, "{n}");
        }
        assert_eq!(repeats.allows("other", after(25)), Some(0), "kinds do not take each other's lines");
        assert_eq!(repeats.allows("full", after(59)), None);
        assert_eq!(repeats.allows("full", after(60)), Some(16));
        assert_eq!(repeats.allows("full", after(61)), Some(0), "told once");
    }
}
