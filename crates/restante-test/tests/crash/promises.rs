//! What the store has said so far, and what was asked of it without an answer.

use std::collections::{BTreeMap, BTreeSet};

use crate::judge::Moment;

/// What is known of all maildrops. A message is known by its key, which is its subject and decides its contents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promises {
    maildrops: BTreeMap<String, Vec<Expected>>,
    /// Whatever else was acknowledged.
    notes: BTreeSet<String>,
    /// What was shown when it was looked at last: key and unique-id, in order.
    shown: BTreeMap<String, Vec<(String, String)>>,
    /// Messages of which all are left or none, when nothing but a crash came between.
    together: Vec<(String, Vec<String>)>,
}

/// One message of a maildrop.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// Its subject.
    pub(crate) key: String,
    /// Whether it is there.
    pub(crate) state: State,
    /// The unique-id that was shown or told for it. None was so far, or it may change, when there is none.
    pub(crate) unique_id: Option<String>,
}

/// Whether a message is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Acknowledged: exactly once.
    Kept,
    /// Removed with success.
    Removed,
    /// Asked for, without an answer: once or not at all.
    Asked,
    /// Marked at a QUIT, without an answer or with a refusal: once or not at all.
    Marked,
    /// Asked for and refused: not there, unless something failed for ever or a crash came.
    Refused,
}

impl Promises {
    /// A message is about to be delivered.
    pub(crate) fn asked(&mut self, maildrop: &str, key: &str) {
        let expected = Expected { key: key.to_owned(), state: State::Asked, unique_id: None };
        self.maildrops.entry(maildrop.to_owned()).or_default().push(expected);
    }

    /// The delivery was acknowledged, or the message has been there all the time.
    pub(crate) fn kept(&mut self, maildrop: &str, key: &str, unique_id: Option<&str>) {
        let expected = self.of(maildrop, key);
        expected.state = State::Kept;
        expected.unique_id = unique_id.map(str::to_owned).or_else(|| expected.unique_id.take());
    }

    /// The delivery was refused.
    pub(crate) fn refused(&mut self, maildrop: &str, key: &str) {
        self.of(maildrop, key).state = State::Refused;
    }

    /// A message is about to be removed, or what was asked for it got no clear answer.
    pub(crate) fn marked(&mut self, maildrop: &str, key: &str) {
        self.of(maildrop, key).state = State::Marked;
    }

    /// All these are about to be removed: a crash leaves all or none.
    pub(crate) fn marked_together(&mut self, maildrop: &str, keys: &[String]) {
        keys.iter().for_each(|key| self.marked(maildrop, key));
        self.together.push((maildrop.to_owned(), keys.to_vec()));
    }

    /// The removal was acknowledged.
    pub(crate) fn removed(&mut self, maildrop: &str, key: &str) {
        self.of(maildrop, key).state = State::Removed;
    }

    /// The unique-id of a message was told.
    pub(crate) fn told(&mut self, maildrop: &str, key: &str, unique_id: &str) {
        self.of(maildrop, key).unique_id = Some(unique_id.to_owned());
    }

    /// Something else was acknowledged, in words of the scenario's own.
    pub(crate) fn note(&mut self, what: &str) {
        self.notes.insert(what.to_owned());
    }

    /// Whether that was acknowledged.
    pub(crate) fn has_noted(&self, what: &str) -> bool {
        self.notes.contains(what)
    }

    /// What was shown when it was looked at last: key and unique-id of each message, in order.
    pub(crate) fn shown(&self, maildrop: &str) -> &[(String, String)] {
        self.shown.get(maildrop).map(Vec::as_slice).unwrap_or_default()
    }

    /// The messages of a maildrop, in the order of the listing.
    pub(crate) fn messages(&self, maildrop: &str) -> &[Expected] {
        self.maildrops.get(maildrop).map(Vec::as_slice).unwrap_or_default()
    }

    /// The keys of the messages that are certainly there.
    pub(crate) fn keys_kept(&self, maildrop: &str) -> Vec<String> {
        let is_kept = |expected: &&Expected| expected.state == State::Kept;
        self.messages(maildrop).iter().filter(is_kept).map(|expected| expected.key.clone()).collect()
    }

    /// The maildrops that are spoken of.
    pub(crate) fn names(&self) -> Vec<String> {
        self.maildrops.keys().cloned().collect()
    }

    /// What has to be there or not together.
    pub(crate) fn together(&self) -> &[(String, Vec<String>)] {
        &self.together
    }

    /// Notes what was found. After a crash it stays so, for all that is there is durable. In a process that goes on after a failure a
    /// message that a QUIT has left stays too; what was refused or is gone without a success may be either when a crash comes.
    pub(crate) fn decide(&mut self, maildrop: &str, found: &[(String, String)], moment: Moment) {
        let is_after_crash = matches!(moment, Moment::Crashed | Moment::FailedAndCrashed);
        for expected in self.maildrops.entry(maildrop.to_owned()).or_default() {
            let shown = found.iter().find(|(key, _)| *key == expected.key);
            if let Some((_, unique_id)) = shown {
                expected.unique_id = Some(unique_id.clone());
            }
            match shown {
                Some(_) if is_after_crash || expected.state == State::Marked => expected.state = State::Kept,
                None if is_after_crash => expected.state = State::Removed,
                _ => {}
            }
        }
        self.shown.insert(maildrop.to_owned(), found.to_vec());
        self.together.retain(|(name, _)| name != maildrop);
    }

    fn of(&mut self, maildrop: &str, key: &str) -> &mut Expected {
        let messages = self.maildrops.entry(maildrop.to_owned()).or_default();
        if let Some(at) = messages.iter().position(|expected| expected.key == key) {
            return &mut messages[at];
        }
        messages.push(Expected { key: key.to_owned(), state: State::Asked, unique_id: None });
        messages.last_mut().expect("it was added")
    }
}
