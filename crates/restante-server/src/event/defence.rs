//! What the log says of those who are kept out. Programs that read it go by these names: `event`, `ip`, `user`.

use super::line::Line;
use super::{Peer, Trace, shown};
use crate::bans::Ban;
use std::fmt;
use std::time::Duration;

/// Credentials that were not accepted.
pub(crate) struct AuthFailure<'a> {
    pub(crate) trace: Trace,
    pub(crate) peer: &'a Peer,
    /// As typed.
    pub(crate) user: &'a [u8],
    pub(crate) method: &'a str,
    pub(crate) reason: &'a dyn fmt::Display,
    /// How long it waited before it was looked at, because of what was wrong before.
    pub(crate) waited: Duration,
    /// How much later than the first refusal of somebody this one leaves.
    pub(crate) penalty: Duration,
    /// Different wrong guesses of this address of late; 0 where it is not counted against it.
    pub(crate) guesses: u32,
}

impl AuthFailure<'_> {
    pub(super) fn fields(&self, line: &mut Line<'_>) {
        line.word("trace", &self.trace);
        line.text("peer", self.peer);
        if let Peer::Tcp(address) = self.peer {
            line.word("ip", &address.ip());
        }
        line.text("user", &shown(self.user));
        line.word("method", &self.method);
        line.text("reason", self.reason);
        line.number("waited_ms", milliseconds(self.waited));
        line.number("penalty_ms", milliseconds(self.penalty));
        line.number("guesses", self.guesses.into());
    }
}

fn milliseconds(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// Who is kept out, for how long and why.
pub(super) fn ban_added(ban: &Ban, line: &mut Line<'_>) {
    line.text("network", &ban.network);
    if let Some(until) = ban.until {
        line.number("seconds", until.saturating_sub(ban.since));
    }
    line.word("by", if ban.is_automatic { &"server" } else { &"operator" });
    line.text("reason", &ban.reason);
}

/// Who is let in again.
pub(super) fn ban_lifted(ban: &Ban, why: &str, line: &mut Line<'_>) {
    line.text("network", &ban.network);
    line.word("why", &why);
}

/// How many like it had no line since the last that had one.
pub(super) fn unsaid(count: u64, line: &mut Line<'_>) {
    if count > 0 {
        line.number("unsaid", count);
    }
}
