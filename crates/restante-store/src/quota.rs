//! How much a maildrop holds and how much it may: octets and messages.
//!
//! Lives here: the figures and what they mean together. The shared file `maildirsize` is in `quota/maildirsize.rs`, when
//! deliveries look at it and write to it in `maildir/counting.rs`. The server says what the limits are.
//!
//! *Octets* are those of the files as they are stored, here and everywhere a quota is spoken of: that is what the disk
//! has to hold, what the index knows without reading, and what every other program adds up in the same `maildirsize`.

pub(crate) mod maildirsize;

use std::error::Error;
use std::fmt;

/// What a maildrop holds: the messages that a session would list now, and in a Maildir those of the folders beneath it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Octets of the files, as stored.
    pub octets: u64,
    /// Messages.
    pub messages: u64,
}

impl Usage {
    /// One message of so many octets.
    #[must_use]
    pub const fn message(octets: u64) -> Self {
        Self { octets, messages: 1 }
    }

    /// Both together. Saturates.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        let octets = self.octets.saturating_add(more.octets);
        Self { octets, messages: self.messages.saturating_add(more.messages) }
    }
}

/// How much a maildrop may hold. `None`: as much as there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Octets of the files, as stored.
    pub octets: Option<u64>,
    /// Messages.
    pub messages: Option<u64>,
}

impl Limits {
    /// Whether there is no limit at all, so that nobody needs to count.
    #[must_use]
    pub const fn are_none(&self) -> bool {
        self.octets.is_none() && self.messages.is_none()
    }

    /// Whether a maildrop may hold so much.
    #[must_use]
    pub fn allow(&self, usage: Usage) -> bool {
        self.octets.is_none_or(|max| usage.octets <= max)
            && self.messages.is_none_or(|max| usage.messages <= max)
    }
}

/// A message that does not fit. Never said on a figure that was not just counted from the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverQuota {
    /// What the maildrop holds without the message.
    pub usage: Usage,
    /// What it may hold.
    pub limits: Limits,
}

impl fmt::Display for OverQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { usage: Usage { octets, messages }, limits } = self;
        write!(f, "the message does not fit: the maildrop holds {octets}")?;
        limits.octets.iter().try_for_each(|max| write!(f, " of {max}"))?;
        write!(f, " octets in {messages}")?;
        limits.messages.iter().try_for_each(|max| write!(f, " of {max}"))?;
        f.write_str(" messages")
    }
}

impl Error for OverQuota {}

/// What a look at the total of a maildrop showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Counted from the files.
    pub usage: Usage,
    /// What was written down before.
    pub recorded: Recorded,
    /// The total that is written down was replaced by what was counted.
    pub is_mended: bool,
}

impl Audit {
    /// Whether what is written down is something else than what was counted. That nothing is written down is no drift.
    #[must_use]
    pub fn has_drifted(&self) -> bool {
        match self.recorded {
            Recorded::Nothing | Recorded::OtherLimits => false,
            Recorded::Damaged => true,
            Recorded::Total(total) => total != self.usage,
        }
    }
}

/// What is written down about a maildrop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Nothing, so that the next delivery counts.
    Nothing,
    /// It was counted under other limits; the next delivery counts anew.
    OtherLimits,
    /// Something that makes no sense; the next delivery counts anew.
    Damaged,
    /// This total.
    Total(Usage),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_for_octets_and_for_messages() {
        let limits = Limits { octets: Some(100), messages: Some(2) };
        for (octets, messages, fits) in
            [(0, 0, true), (100, 2, true), (101, 1, false), (1, 3, false), (u64::MAX, u64::MAX, false)]
        {
            assert_eq!(limits.allow(Usage { octets, messages }), fits, "{octets} {messages}");
        }
        assert!(Limits::default().are_none() && !limits.are_none());
        assert!(Limits::default().allow(Usage { octets: u64::MAX, messages: u64::MAX }));
        let full = Usage { octets: u64::MAX, messages: 7 };
        assert_eq!(full.plus(Usage::message(1)), Usage { octets: u64::MAX, messages: 8 });
    }

    #[test]
    fn what_does_not_fit_is_said_with_its_figures() {
        let usage = Usage { octets: 90, messages: 2 };
        let said = |octets, messages| OverQuota { usage, limits: Limits { octets, messages } }.to_string();
        assert_eq!(
            said(Some(100), Some(2)),
            "the message does not fit: the maildrop holds 90 of 100 octets in 2 of 2 messages"
        );
        assert_eq!(
            said(None, Some(2)),
            "the message does not fit: the maildrop holds 90 octets in 2 of 2 messages"
        );
    }
}
