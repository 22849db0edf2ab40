//! What is known of the messages of an account: which are collected, which are on their way, which are gone.
//!
//! One per account, append-only, locked while open. The plan reads it, the pass writes it.

use jiff::Timestamp;

use crate::key::Key;
use crate::sink::SinkId;

/// What is known of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How far it has come.
    pub stage: Stage,
    /// Its octets as LIST says them; `None` when this came from another program's state.
    pub listed_octets: Option<u64>,
    /// Octets and digests of what was fetched, since the intent; `None` when this came from another program's state.
    pub contents: Option<Contents>,
    /// The name in the intent, since then.
    pub name: Option<Box<str>>,
    /// The sinks that have it.
    pub marks: Vec<SinkId>,
    /// When it was first listed.
    pub first_listed: Timestamp,
    /// When it was collected.
    pub collected: Option<Timestamp>,
}

/// What a message holds, as far as it takes to know it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Octets in the canonical form.
    pub octets: u64,
    /// SHA-256 of the canonical form.
    pub digest: [u8; 32],
    /// The first half of the SHA-256 of its header, without the fields that servers change (see `header`).
    pub header_digest: [u8; 16],
}

/// How far a message has come; see the crate's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Listed, and left on the server by a rule or a limit; it is not fetched as long as those are the same.
    Skipped,
    /// F1, F2: it may be at a sink.
    Intended,
    /// F3: it is at every sink, or another program has fetched it.
    Collected,
    /// It lies in the quarantine.
    Quarantined,
    /// F5: it was collected, or quarantined, and is not listed any more since then.
    Gone(Timestamp),
}

/// A step to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// It is listed for the first time. Idempotent.
    Listed {
        /// Which.
        key: Key,
        /// LIST.
        octets: Option<u64>,
        /// When.
        at: Timestamp,
    },
    /// It is left on the server.
    Skipped {
        /// Which.
        key: Key,
        /// Why, for people.
        reason: Box<str>,
    },
    /// It lies whole in the spool and will now be given to the sinks.
    Intended {
        /// Which.
        key: Key,
        /// What it holds.
        contents: Contents,
        /// What it is to be called.
        name: Box<str>,
    },
    /// A sink has it.
    Marked {
        /// Which.
        key: Key,
        /// Who.
        sink: SinkId,
    },
    /// Every sink has it, or another program has.
    Collected {
        /// Which.
        key: Key,
        /// When.
        at: Timestamp,
    },
    /// It lies in the quarantine.
    Quarantined {
        /// Which.
        key: Key,
        /// Why.
        reason: Box<str>,
    },
    /// It is not listed any more.
    Gone {
        /// Which.
        key: Key,
        /// Since when.
        at: Timestamp,
    },
    /// It is listed again after it was gone, with the same octets.
    Returned {
        /// Which.
        key: Key,
    },
    /// The server calls it by another unique-id now.
    Renamed {
        /// Before.
        from: Key,
        /// Now.
        to: Key,
    },
    /// It is to be forgotten: its tombstone is old, or somebody wants it fetched again.
    Forgotten {
        /// Which.
        key: Key,
    },
    /// A listing was read to its end and everything about it is recorded.
    Polled {
        /// When.
        at: Timestamp,
        /// Messages in it.
        messages: u32,
    },
    /// QUIT was sent with deletions, and this became of them.
    Ended {
        /// When.
        at: Timestamp,
        /// Deletions that were asked for.
        deletions: u32,
        /// What the server said.
        outcome: QuitOutcome,
    },
}

/// What became of the deletions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuitOutcome {
    /// Done.
    Committed,
    /// Not, or not all of them, done.
    NotCommitted,
    /// The answer was lost: the next listing tells.
    Unknown,
}
