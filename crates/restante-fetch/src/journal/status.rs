//! What a journal holds, counted, for people and for JSON.

use std::fmt::Display;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::entries::Entries;
use super::{Ending, Entry, Poll, QuitOutcome, Stage};

/// A journal at a glance. Times are as in RFC 3339 when it is serialized.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The account's name when its journal began.
    pub account: String,
    /// Messages that are listed and nothing was done about.
    pub listed: u64,
    /// Left on the server by a rule or a limit.
    pub skipped: u64,
    /// On their way: they may be at a sink.
    pub intended: u64,
    /// Collected, and as far as is known still on the server.
    pub collected: u64,
    /// In the quarantine.
    pub quarantined: u64,
    /// Remembered, and not on the server any more.
    pub gone: u64,
    /// The last listing that was read to its end.
    pub last_poll: Option<Polled>,
    /// The last QUIT.
    pub last_ending: Option<Ended>,
    /// Since when the message is gone that has been for longest.
    #[serde(serialize_with = "text_or_none")]
    pub oldest_gone: Option<Timestamp>,
}

/// A [`Poll`], for people and for JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Polled {
    /// When.
    #[serde(serialize_with = "text")]
    pub at: Timestamp,
    /// Messages in it.
    pub messages: u32,
}

/// An [`Ending`], for people and for JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// When.
    #[serde(serialize_with = "text")]
    pub at: Timestamp,
    /// Deletions that were asked for.
    pub deletions: u32,
    /// `committed`, `not committed` or `unknown`.
    pub outcome: &'static str,
}

impl Status {
    pub(super) fn of(account: &str, entries: &Entries) -> Self {
        let mut status = Self { account: account.to_owned(), ..Self::default() };
        status.last_poll = entries.last_poll().map(|Poll { at, messages }| Polled { at, messages });
        status.last_ending = entries.last_ending().map(|Ending { at, deletions, outcome }| {
            let outcome = match outcome {
                QuitOutcome::Committed => "committed",
                QuitOutcome::NotCommitted => "not committed",
                QuitOutcome::Unknown => "unknown",
            };
            Ended { at, deletions, outcome }
        });
        entries.iter().for_each(|(_, entry)| status.count(entry));
        status
    }

    fn count(&mut self, entry: &Entry) {
        let count = match entry.stage {
            Stage::Listed => &mut self.listed,
            Stage::Skipped => &mut self.skipped,
            Stage::Intended => &mut self.intended,
            Stage::Collected => &mut self.collected,
            Stage::Quarantined => &mut self.quarantined,
            Stage::Gone(since) => {
                self.oldest_gone = Some(self.oldest_gone.map_or(since, |oldest| oldest.min(since)));
                &mut self.gone
            }
        };
        *count += 1;
    }
}

fn text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn text_or_none<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
