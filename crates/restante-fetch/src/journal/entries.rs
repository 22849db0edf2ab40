//! What the records come to: the entries by key, and how each record changes them. No file and no clock is reached from here.
//!
//! The table of states is in the head of `journal.rs`; [`change`] is that table. A record becomes *steps*, which name an entry by its
//! *ordinal* instead of its key: the file holds steps, so that replaying one needs no search.

use std::collections::BTreeMap;
use std::ops::Bound;

use jiff::Timestamp;

use super::codec::{Log, Step};
use super::{Contents, Ending, Entry, Poll, Record, Stage};
use crate::key::Key;
use crate::sink::SinkId;

/// All that is known of the messages of an account.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// By ordinal, in the order in which the file names them; `None` where one was forgotten.
    known: Vec<Option<Known>>,
    /// The ordinals of what is known.
    ordinals: BTreeMap<Key, u32>,
    /// The sinks that marks name, in the order in which the file names them.
    pub(super) sinks: Vec<SinkId>,
    pub(super) totals: Totals,
}

/// What is known of the account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) poll: Option<Poll>,
    pub(super) ending: Option<Ending>,
    /// Seconds in which the account was polled: between two listings, and at most a day of each such time.
    pub(super) polled_s: u32,
    pub(super) was_imported: bool,
}

/// An entry, and what only this module wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) entry: Entry,
    /// [`Totals::polled_s`] when it was listed no more; `None` while it is.
    pub(super) unlisted_s: Option<u32>,
}

/// What happens to one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// What LIST says of one whose octets were not known.
    Octets(u64),
    Skipped(Box<str>),
    Intended(Contents, Box<str>),
    /// The ordinal of a sink.
    Marked(u32),
    Collected(Timestamp),
    Quarantined(Box<str>),
    Gone(Timestamp),
    Returned,
}

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    Changed,
    /// It need not be known any more.
    Forgotten,
}

impl Entries {
    pub(super) fn entry(&self, key: &Key) -> Option<&Entry> {
        self.at(*self.ordinals.get(key)?)
    }

    pub(super) fn with_unique_id(&self, unique_id: &[u8]) -> impl Iterator<Item = (&Key, &Entry)> {
        let key = |occurrence, generation| Key { unique_id: unique_id.into(), occurrence, generation };
        let range = (Bound::Included(key(0, 0)), Bound::Included(key(u32::MAX, u32::MAX)));
        self.ordinals.range(range).filter_map(|(key, &ordinal)| Some((key, self.at(ordinal)?)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.known().map(|(key, known)| (key, &known.entry))
    }

    /// With what only the file wants to know.
    pub(super) fn known(&self) -> impl Iterator<Item = (&Key, &Known)> {
        self.ordinals
            .iter()
            .filter_map(|(key, &ordinal)| Some((key, self.known.get(ordinal as usize)?.as_ref()?)))
    }

    pub(super) fn is_new(&self) -> bool {
        self.totals.ending.is_none() && !self.totals.was_imported
    }

    pub(super) const fn last_poll(&self) -> Option<Poll> {
        self.totals.poll
    }

    pub(super) const fn last_ending(&self) -> Option<Ending> {
        self.totals.ending
    }

    /// Takes a record, and notes in the log what it changed.
    pub(super) fn apply(&mut self, record: Record, log: &mut Log) {
        match record {
            Record::Listed { key, octets, at } => match (self.ordinals.get(&key), octets) {
                (Some(&ordinal), Some(octets)) => drop(self.change(ordinal, Change::Octets(octets), log)),
                (Some(_), None) => {}
                (None, _) => drop(self.list(key, octets, at, log)),
            },
            Record::Skipped { key, reason } => {
                let ordinal = self.found(key, None, log);
                self.change(ordinal, Change::Skipped(shortened(reason)), log);
            }
            Record::Intended { key, contents, name } => {
                let ordinal = self.found(key, None, log);
                self.change(ordinal, Change::Intended(contents, name), log);
            }
            Record::Marked { key, sink } => {
                if let Some(&ordinal) = self.ordinals.get(&key) {
                    let sink = self.sink(sink, log);
                    self.change(ordinal, Change::Marked(sink), log);
                }
            }
            Record::Collected { key, at } => {
                let ordinal = self.found(key, Some(at), log);
                self.change(ordinal, Change::Collected(to_the_second(at)), log);
            }
            Record::Quarantined { key, reason } => {
                let ordinal = self.found(key, None, log);
                self.change(ordinal, Change::Quarantined(shortened(reason)), log);
            }
            Record::Gone { key, at } => self.change_known(&key, Change::Gone(to_the_second(at)), log),
            Record::Returned { key } => self.change_known(&key, Change::Returned, log),
            Record::Renamed { from, to } => self.rename(&from, to, log),
            Record::Forgotten { key } => {
                if let Some(&ordinal) = self.ordinals.get(&key) {
                    log.push(&Step::Forgotten { ordinal });
                    self.forget(&key);
                }
            }
            Record::Polled { at, messages } => {
                let poll = Poll { at: to_the_second(at), messages };
                log.push(&Step::Polled(poll));
                self.totals.poll(poll);
            }
            Record::Ended { at, deletions, outcome } => {
                let ending = Ending { at: to_the_second(at), deletions, outcome };
                log.push(&Step::Ended(ending));
                self.totals.ending = Some(ending);
            }
        }
    }

    /// The keys of what has been gone for longer than so many seconds in which the account was polled. One whose unique-id is in use
    /// stays: it tells that the message of today is another.
    pub(super) fn outdated(&self, remember_s: u32) -> Vec<Key> {
        let limit = self.totals.polled_s.checked_sub(remember_s);
        let is_old = |known: &Known| known.unlisted_s.is_some_and(|since| Some(since) < limit);
        let mut outdated: Vec<Key> = Vec::new();
        // One unique-id after the other.
        let mut together = (Vec::new(), true);
        for (key, known) in self.known() {
            let is_next = together.0.last().is_some_and(|last: &&Key| last.unique_id != key.unique_id);
            if is_next && std::mem::replace(&mut together.1, true) {
                outdated.extend(together.0.iter().copied().cloned());
            }
            if is_next {
                together.0.clear();
            }
            together.0.push(key);
            together.1 &= is_old(known);
        }
        if together.1 {
            outdated.extend(together.0.into_iter().cloned());
        }
        outdated
    }

    /// About how long a file would be that holds this and nothing else.
    pub(super) fn octets_if_rewritten(&self) -> u64 {
        self.known().map(|(key, known)| Log::octets_of(key, known)).sum()
    }

    /// Gives the ordinals anew, as a rewritten file names them: in the order of the keys.
    pub(super) fn renumber(&mut self) {
        let mut known = Vec::with_capacity(self.ordinals.len());
        for ordinal in self.ordinals.values_mut() {
            let moved = self.known.get_mut(*ordinal as usize).and_then(Option::take);
            // There are fewer than ordinals were given out.
            *ordinal = known.len() as u32;
            known.push(moved);
        }
        self.known = known;
    }

    fn at(&self, ordinal: u32) -> Option<&Entry> {
        self.known.get(ordinal as usize)?.as_ref().map(|known| &known.entry)
    }

    /// A message that is listed for the first time. Its ordinal.
    fn list(&mut self, key: Key, octets: Option<u64>, at: Timestamp, log: &mut Log) -> u32 {
        let at = to_the_second(at);
        log.push(&Step::Listed { key: &key, octets, at });
        // Memory ends long before.
        let ordinal = self.known.len() as u32;
        self.known.push(Some(Known::listed(octets, at)));
        self.ordinals.insert(key, ordinal);
        ordinal
    }

    /// The ordinal of a message that is known from now on. Nobody has said when it was listed, so the moment is that of the last listing, or the end of
    /// time: no rule about age may take it for an old one.
    fn found(&mut self, key: Key, at: Option<Timestamp>, log: &mut Log) -> u32 {
        if let Some(&ordinal) = self.ordinals.get(&key) {
            return ordinal;
        }
        let at = at.or_else(|| self.totals.poll.map(|poll| poll.at)).unwrap_or(Timestamp::MAX);
        self.list(key, None, at, log)
    }

    fn sink(&mut self, sink: SinkId, log: &mut Log) -> u32 {
        if let Some(index) = self.sinks.iter().position(|known| *known == sink) {
            return index as u32;
        }
        log.push(&Step::Sink(&sink));
        self.sinks.push(sink);
        self.sinks.len() as u32 - 1
    }

    fn change_known(&mut self, key: &Key, change: Change, log: &mut Log) {
        if let Some(&ordinal) = self.ordinals.get(key)
            && self.change(ordinal, change, log) == Effect::Forgotten
        {
            self.forget(key);
        }
    }

    fn change(&mut self, ordinal: u32, to: Change, log: &mut Log) -> Effect {
        let Some(Some(known)) = self.known.get_mut(ordinal as usize) else { return Effect::Nothing };
        let before = log.mark();
        log.push(&Step::Changed { ordinal, change: &to });
        let effect = change(known, to, &self.sinks, &mut self.totals);
        if effect == Effect::Nothing {
            log.back_to(before);
        }
        effect
    }

    fn forget(&mut self, key: &Key) {
        if let Some(ordinal) = self.ordinals.remove(key)
            && let Some(slot) = self.known.get_mut(ordinal as usize)
        {
            *slot = None;
        }
    }

    fn rename(&mut self, from: &Key, to: Key, log: &mut Log) {
        let Some(&ordinal) = self.ordinals.get(from) else { return };
        let has_no_story = |entry: &Entry| matches!(entry.stage, Stage::Listed | Stage::Skipped);
        if *from == to || self.entry(&to).is_some_and(|entry| !has_no_story(entry)) {
            return;
        }
        if let Some(&replaced) = self.ordinals.get(&to) {
            log.push(&Step::Forgotten { ordinal: replaced });
            self.forget(&to);
        }
        log.push(&Step::Renamed { ordinal, key: &to });
        self.ordinals.remove(from);
        self.ordinals.insert(to, ordinal);
        if let Some(Some(known)) = self.known.get_mut(ordinal as usize) {
            known.come_back();
        }
    }
}

impl Totals {
    /// Notes a listing. A clock that was put back adds nothing, and one that was put forward, or a machine that slept, a day.
    pub(super) fn poll(&mut self, poll: Poll) {
        if let Some(last) = self.poll {
            let passed = poll.at.as_second().saturating_sub(last.at.as_second()).clamp(0, DAY_S);
            self.polled_s = self.polled_s.saturating_add(passed as u32);
        }
        self.poll = Some(poll);
    }
}

impl Known {
    /// A message that was listed and nothing more.
    pub(super) const fn listed(octets: Option<u64>, at: Timestamp) -> Self {
        let entry = Entry {
            stage: Stage::Listed,
            listed_octets: octets,
            contents: None,
            name: None,
            reason: None,
            marks: Vec::new(),
            first_listed: at,
            collected: None,
        };
        Self { entry, unlisted_s: None }
    }

    /// It is listed again. Says whether it was not.
    fn come_back(&mut self) -> bool {
        let was_gone = matches!(self.entry.stage, Stage::Gone(_));
        if was_gone {
            let is_collected = self.entry.collected.is_some();
            self.entry.stage = if is_collected { Stage::Collected } else { Stage::Quarantined };
        }
        self.unlisted_s.take().is_some() || was_gone
    }
}

/// Changes one entry: the table in the head of `journal.rs`.
pub(super) fn change(known: &mut Known, change: Change, sinks: &[SinkId], totals: &mut Totals) -> Effect {
    let Known { entry, unlisted_s } = known;
    let stage = entry.stage;
    match (change, stage) {
        (Change::Octets(octets), _) if entry.listed_octets.is_none() => entry.listed_octets = Some(octets),
        (Change::Skipped(reason), Stage::Listed | Stage::Skipped)
            if stage == Stage::Listed || entry.reason.as_ref() != Some(&reason) =>
        {
            (entry.stage, entry.reason) = (Stage::Skipped, Some(reason));
        }
        (
            Change::Intended(contents, name),
            Stage::Listed | Stage::Skipped | Stage::Intended | Stage::Quarantined,
        ) => {
            let is_same = stage == Stage::Intended
                && (entry.contents, entry.name.as_ref()) == (Some(contents), Some(&name));
            if is_same && unlisted_s.is_none() {
                return Effect::Nothing;
            }
            // Of another message the sinks have nothing yet.
            if entry.contents.is_none_or(|before| !before.is_like(&contents)) {
                entry.marks.clear();
            }
            (entry.stage, entry.contents, entry.name) = (Stage::Intended, Some(contents), Some(name));
            (entry.reason, *unlisted_s) = (None, None);
        }
        (Change::Marked(sink), Stage::Intended | Stage::Quarantined) => match sinks.get(sink as usize) {
            Some(sink) if !entry.marks.contains(sink) => entry.marks.push(sink.clone()),
            _ => return Effect::Nothing,
        },
        (Change::Collected(at), _) if entry.collected.is_none() => {
            totals.was_imported |= entry.contents.is_none();
            if !matches!(stage, Stage::Gone(_)) {
                entry.stage = Stage::Collected;
                *unlisted_s = None;
            }
            (entry.collected, entry.reason, entry.marks) = (Some(at), None, Vec::new());
        }
        (
            Change::Quarantined(reason),
            Stage::Listed | Stage::Skipped | Stage::Intended | Stage::Quarantined,
        ) if stage != Stage::Quarantined || entry.reason.as_ref() != Some(&reason) => {
            (entry.stage, entry.reason, *unlisted_s) = (Stage::Quarantined, Some(reason), None);
        }
        (Change::Gone(_), Stage::Listed | Stage::Skipped) => return Effect::Forgotten,
        (Change::Gone(_), Stage::Intended) if unlisted_s.is_none() => *unlisted_s = Some(totals.polled_s),
        (Change::Gone(at), Stage::Collected | Stage::Quarantined) => {
            (entry.stage, *unlisted_s) = (Stage::Gone(at), Some(totals.polled_s));
        }
        (Change::Returned, _) if known.come_back() => {}
        _ => return Effect::Nothing,
    }
    Effect::Changed
}

impl Contents {
    /// Whether these are of one message, of which the server may have changed a field that it owns.
    fn is_like(&self, other: &Self) -> bool {
        self.digest == other.digest || self.header_digest == other.header_digest
    }
}

fn to_the_second(at: Timestamp) -> Timestamp {
    // Rounded down into the range of what was one already.
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// A reason is for people.
fn shortened(reason: Box<str>) -> Box<str> {
    if reason.len() <= REASON_OCTETS_MAX {
        return reason;
    }
    let end = (0..=REASON_OCTETS_MAX).rev().find(|&end| reason.is_char_boundary(end)).unwrap_or(0);
    reason.get(..end).unwrap_or_default().into()
}

/// Replay: the steps of a file, one after the other.
#[derive(Debug, Default)]
pub(super) struct Replay {
    known: Vec<Option<Known>>,
    keys: Vec<Option<Key>>,
    sinks: Vec<SinkId>,
    totals: Totals,
}

impl Replay {
    /// Room for so many messages.
    pub(super) fn with_capacity(messages: usize) -> Self {
        let (known, keys) = (Vec::with_capacity(messages), Vec::with_capacity(messages));
        Self { known, keys, ..Self::default() }
    }

    pub(super) fn found(&mut self, key: Key, known: Known) {
        self.keys.push(Some(key));
        self.known.push(Some(known));
    }

    /// As the functions below: `None` when the file names what it has not named before.
    pub(super) fn change(&mut self, ordinal: u32, to: Change) -> Option<()> {
        let known = self.known.get_mut(ordinal as usize)?.as_mut()?;
        if let Change::Marked(sink) = to {
            self.sinks.get(sink as usize)?;
        }
        match change(known, to, &self.sinks, &mut self.totals) {
            Effect::Forgotten => self.forget(ordinal),
            Effect::Nothing | Effect::Changed => Some(()),
        }
    }

    pub(super) fn rename(&mut self, ordinal: u32, key: Key) -> Option<()> {
        self.known.get_mut(ordinal as usize)?.as_mut()?.come_back();
        *self.keys.get_mut(ordinal as usize)? = Some(key);
        Some(())
    }

    pub(super) fn forget(&mut self, ordinal: u32) -> Option<()> {
        self.known.get_mut(ordinal as usize)?.take()?;
        self.keys.get_mut(ordinal as usize)?.take().map(drop)
    }

    pub(super) fn sink(&mut self, sink: SinkId) {
        self.sinks.push(sink);
    }

    pub(super) fn sinks(&self) -> &[SinkId] {
        &self.sinks
    }

    pub(super) fn totals(&mut self) -> &mut Totals {
        &mut self.totals
    }

    /// `None` when two entries have one key.
    pub(super) fn finish(self) -> Option<Entries> {
        let Self { known, keys, sinks, totals } = self;
        let keys = keys.into_iter().zip(0..).filter_map(|(key, ordinal)| Some((key?, ordinal)));
        let mut keys: Vec<(Key, u32)> = keys.collect();
        keys.sort_unstable();
        let count = keys.len();
        let ordinals: BTreeMap<Key, u32> = keys.into_iter().collect();
        (ordinals.len() == count).then_some(Entries { known, ordinals, sinks, totals })
    }
}

const DAY_S: i64 = 24 * 60 * 60;

/// Some lines of text.
const REASON_OCTETS_MAX: usize = 500;
