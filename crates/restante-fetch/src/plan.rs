//! What to do in a pass: a listing and what the journal knows, compared once, under a policy. Pure: no clock, no disk, no network.
//!
//! [`plan`] is called once the listing is there, and again after unique-ids that had changed all at once were settled ([`MassChange`]) or
//! headers were compared ([`Plan::compare`]). Which listed message is which known one is found in `plan/matching.rs`, what may be
//! deleted in `plan/retention.rs`; `plan/table.rs` says it all to people.

mod matching;
mod retention;
pub mod table;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{HashSet, VecDeque};

use jiff::Timestamp;
use restante_client::pop3::Survey;
use restante_proto::maildrop::MessageNumber;

use crate::config::account::Account;
use crate::config::keep::Keep;
use crate::header::Header;
use crate::journal::{Entry, Record, Stage};
use crate::key::Key;
use crate::rename::{Candidate, MassChange};
use crate::rule::{Rules, Then, Verdict};
use matching::{Found, Groups};

/// A message of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Its number in this session.
    pub number: MessageNumber,
    /// As UIDL says it, or as [`crate::header::made_unique_id`] makes it; not empty.
    pub unique_id: &'a [u8],
    /// As LIST says.
    pub octets: Option<u64>,
}

/// All that is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing<'a> {
    /// In the order of their numbers.
    pub messages: Vec<Listed<'a>>,
    /// Whether there are no others. Only a whole listing tells what is gone.
    pub is_whole: bool,
}

impl<'a> Listing<'a> {
    /// What a server has shown of its maildrop. Messages without a unique-id are not in it: it is not whole then, unless they are
    /// given one and pushed, in their place.
    #[must_use]
    pub fn of(survey: &'a Survey) -> Self {
        let both = survey.entries.iter().map(|entry| Listed {
            number: entry.number,
            unique_id: &entry.unique_id,
            octets: Some(entry.octets.as_u64()),
        });
        let without_octets = survey.without_octets.iter().map(|listed| Listed {
            number: listed.number,
            unique_id: &listed.unique_id,
            octets: None,
        });
        let mut messages: Vec<Listed<'a>> =
            both.chain(without_octets).filter(|listed| !listed.unique_id.is_empty()).collect();
        messages.sort_by_key(|listed| listed.number);
        let is_whole = !survey.has_unreadable_lines
            && survey.without_unique_id.is_empty()
            && messages.len() == survey.entries.len() + survey.without_octets.len();
        Self { messages, is_whole }
    }
}

/// What is wanted of the messages of an account.
#[derive(Clone, Copy)]
pub struct Policy<'a> {
    /// What stays on the server.
    pub keep: Keep,
    /// What is not fetched by what its header says.
    pub rules: &'a Rules,
    /// Larger messages are postponed.
    pub max_size: Option<u64>,
    /// The moment.
    pub now: Timestamp,
    /// For [`Keep::WhileLocal`]: whether the local Maildir has a message with this mark ([`Key::mark`] as it was when the message was
    /// delivered). `None` when the Maildir could not be looked at; then nothing is deleted for it.
    pub is_local: Option<&'a dyn Fn(&str) -> bool>,
    /// Somebody has said that the local Maildir is right, however much is gone there.
    pub believes_local: bool,
    /// Messages that are known not to be those that are listed under their unique-ids: their headers were compared.
    pub replaced: &'a HashSet<Key>,
    /// A change of all unique-ids was settled in this pass; what is unknown now is new.
    pub is_settled: bool,
}

impl<'a> Policy<'a> {
    /// What the configuration of an account says.
    #[must_use]
    pub fn of(account: &'a Account, now: Timestamp, replaced: &'a HashSet<Key>) -> Self {
        Self {
            keep: account.keep,
            rules: &account.rules,
            max_size: account.max_size,
            now,
            is_local: None,
            believes_local: false,
            replaced,
            is_settled: false,
        }
    }
}

impl std::fmt::Debug for Policy<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Policy").field("keep", &self.keep).field("now", &self.now).finish_non_exhaustive()
    }
}

/// A listed message, and what the journal calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its number in this session.
    pub number: MessageNumber,
    /// What the journal calls it.
    pub key: Key,
    /// As LIST says.
    pub octets: Option<u64>,
    /// The journal does not know it yet.
    pub is_new: bool,
    /// The journal has an intent for it: a sink may have it.
    pub is_doubtful: bool,
    /// As soon as it is collected, or in the quarantine, it is to be deleted in the same session.
    pub is_deleted_next: bool,
}

/// What is to be done. Every listed message is in exactly one of the lists from `fetch` to `kept`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be fetched.
    pub fetch: Vec<Item>,
    /// To be judged by the rules once their headers are there ([`Plan::judge`]).
    pub look: VecDeque<Item>,
    /// Known by their unique-ids, but with other octets: their headers tell whether they are the same ([`Plan::confirm`]) or
    /// others (`replaced` of the next plan). A server without TOP cannot say: then they are other messages, for twice is better than
    /// never.
    pub compare: Vec<Comparison>,
    /// To be deleted: collected, or in the quarantine, and not wanted on the server any more; or so by a rule.
    pub delete: Vec<Deletion>,
    /// Left on the server by a rule.
    pub skipped: Vec<Skipped>,
    /// Left on the server because they are too large.
    pub postponed: Vec<Item>,
    /// Kept on the server, and in the quarantine here.
    pub quarantined: Vec<Item>,
    /// Collected, and kept on the server.
    pub kept: Vec<Item>,
    /// Not listed any more.
    pub gone: Vec<Key>,
    /// Listed again, and collected long ago.
    pub returned: Vec<Key>,
    /// Why nothing is deleted that is not in the local Maildir any more.
    pub local: Option<LocalDoubt>,
}

/// A message whose header is to be compared with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The message.
    pub item: Item,
    /// The digest of the header of the message that is known under this key.
    pub header_digest: [u8; 16],
}

/// A message that is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// The message.
    pub item: Item,
    /// Why.
    pub why: DeletedBy,
}

/// Why a message is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeletedBy {
    /// It is collected, and `keep` does not want it on the server any more.
    Keep,
    /// A rule says so; it was never fetched.
    Rule(Box<str>),
}

/// A message that a rule leaves on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The message.
    pub item: Item,
    /// For [`Record::Skipped`]. Begins with the digest of the rules, so that other rules look at it again.
    pub reason: Box<str>,
}

/// Why the local Maildir is not taken at its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalDoubt {
    /// It could not be looked at.
    NotThere,
    /// So many messages are gone there at once that it may be another Maildir, or an empty disk.
    Missing {
        /// How many are not there.
        missing: usize,
        /// Of how many that were delivered there and are still on the server.
        of: usize,
    },
}

/// What a comparison comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What is to be done.
    Plan(Box<Plan>),
    /// So many messages have new names at once that it must be found out first which is which.
    Changed(Box<MassChange>),
}

/// Compares what is listed with what is known.
#[must_use]
pub fn plan<'j>(
    listing: &Listing<'_>,
    known: impl IntoIterator<Item = (&'j Key, &'j Entry)>,
    policy: &Policy<'_>,
) -> Outcome {
    let mut groups = Groups::new(&listing.messages);
    let mut plan = Plan::default();
    let (mut remembered, mut missing, mut tombstones) = (0, Vec::new(), Vec::new());
    for (key, entry) in known {
        remembered += usize::from(has_story(entry));
        if groups.take(key, entry) {
            continue;
        }
        match entry.stage {
            Stage::Gone(_) => tombstones.push((key, entry)),
            _ if listing.is_whole => {
                plan.gone.push(key.clone());
                missing.push((key, entry));
            }
            // It may be among those that nobody could read.
            _ => {}
        }
    }
    let mut states = Vec::with_capacity(listing.messages.len());
    groups.settle(
        &listing.messages,
        policy.replaced,
        |at, found| states.push((at, found)),
        |key, entry| {
            if policy.replaced.contains(key) {
                plan.gone.push(key.clone());
            } else if listing.is_whole {
                plan.gone.push(key.clone());
                missing.push((key, entry));
            }
        },
    );
    states.sort_by_key(|(at, _)| *at);
    missing.retain(|(_, entry)| has_story(entry));
    let unknown = states.iter().filter(|(_, found)| matches!(found, Found::New(_))).count();
    if !policy.is_settled && unknown >= MASS && is_mass(&missing, remembered, policy) {
        return Outcome::Changed(Box::new(mass_change(listing, states, &missing, &tombstones)));
    }
    plan.fill(listing, states, policy);
    Outcome::Plan(Box::new(plan))
}

/// Whether it would be a duplicate if it were fetched under another name.
const fn has_story(entry: &Entry) -> bool {
    matches!(entry.stage, Stage::Collected | Stage::Quarantined | Stage::Intended)
}

/// Whether so many are missing that it is likelier that they are called otherwise now. What we wanted to be deleted is not missed.
fn is_mass(missing: &[(&Key, &Entry)], remembered: usize, policy: &Policy<'_>) -> bool {
    let expected = match policy.keep {
        Keep::Newest(count) => remembered.saturating_sub(count as usize).min(missing.len()),
        _ => {
            let expected =
                missing.iter().filter(|(_, entry)| retention::is_expected_to_be_gone(entry, policy));
            expected.count()
        }
    };
    let unexpected = missing.len() - expected;
    unexpected >= MASS && unexpected * 2 >= remembered - expected
}

fn mass_change(
    listing: &Listing<'_>,
    states: Vec<(usize, Found<'_>)>,
    missing: &[(&Key, &Entry)],
    tombstones: &[(&Key, &Entry)],
) -> MassChange {
    let unknown = states.into_iter().filter_map(|(at, found)| match found {
        Found::New(key) => listing.messages.get(at).map(|listed| new_item(listed, key)),
        _ => None,
    });
    let candidate = |(key, entry): &(&Key, &Entry)| Candidate::of(key, entry);
    MassChange {
        unknown: unknown.collect(),
        missing: missing.iter().map(candidate).collect(),
        tombstones: tombstones.iter().map(candidate).collect(),
    }
}

fn new_item(listed: &Listed<'_>, key: Key) -> Item {
    Item {
        number: listed.number,
        key,
        octets: listed.octets,
        is_new: true,
        is_doubtful: false,
        is_deleted_next: false,
    }
}

impl Plan {
    /// Puts every listed message where it belongs.
    fn fill(&mut self, listing: &Listing<'_>, states: Vec<(usize, Found<'_>)>, policy: &Policy<'_>) {
        let rules = format!("[{}]", policy.rules.digest());
        let mut retention = retention::Retention::new(policy, listing.messages.len());
        for (at, found) in states {
            let Some(listed) = listing.messages.get(at) else { continue };
            let (key, entry, is_returned) = match found {
                Found::New(key) => {
                    let item = Item { is_deleted_next: retention.deletes_next(at), ..new_item(listed, key) };
                    self.judge_without_header(item, policy);
                    continue;
                }
                Found::Known(key, entry) => {
                    (key, entry, matches!(entry.stage, Stage::Gone(_) | Stage::Intended))
                }
                Found::Resized(key, entry, header_digest) => {
                    let item = Self::known_item(listed, key, entry, retention.deletes_next(at));
                    self.compare.push(Comparison { item, header_digest });
                    continue;
                }
            };
            if is_returned {
                self.returned.push(key.clone());
            }
            let item = Self::known_item(listed, key, entry, retention.deletes_next(at));
            match entry.stage {
                Stage::Listed => self.judge_without_header(item, policy),
                Stage::Skipped => {
                    let reason = entry.reason.as_deref().unwrap_or_default();
                    match reason.starts_with(&rules) {
                        true => self.skipped.push(Skipped { item, reason: reason.into() }),
                        false => self.judge_without_header(item, policy),
                    }
                }
                Stage::Intended => self.fetch(item),
                Stage::Collected | Stage::Quarantined | Stage::Gone(_) => retention.take(at, item, entry),
            }
        }
        retention.decide(self);
    }

    fn known_item(listed: &Listed<'_>, key: &Key, entry: &Entry, is_deleted_next: bool) -> Item {
        Item {
            number: listed.number,
            key: key.clone(),
            octets: listed.octets,
            is_new: false,
            is_doubtful: entry.stage == Stage::Intended,
            is_deleted_next,
        }
    }

    fn judge_without_header(&mut self, item: Item, policy: &Policy<'_>) {
        let verdict = policy.rules.verdict(None, item.octets);
        self.put(item, verdict, policy);
    }

    /// Says what becomes of a message of [`Plan::look`] whose header is there: it moves to another list. Nothing else does; a
    /// header that is not complete deletes nothing.
    pub fn judge(&mut self, number: MessageNumber, header: &Header, policy: &Policy<'_>) {
        // Headers come in the order in which they were asked for.
        let at = self.look.iter().position(|item| item.number == number);
        let Some(item) = at.and_then(|at| self.look.remove(at)) else { return };
        let verdict = policy.rules.verdict(Some(header), item.octets);
        self.put(item, verdict, policy);
    }

    /// The server gives no headers: what is left in [`Plan::look`] is fetched, for rules must not lose mail.
    pub fn judge_none(&mut self, policy: &Policy<'_>) {
        for item in std::mem::take(&mut self.look) {
            self.put(item, Verdict::NoRule, policy);
        }
    }

    /// Says that a message of [`Plan::compare`] is the one that `entry` tells of, whatever LIST says of its octets: it moves to where its
    /// stage puts it.
    pub fn confirm(&mut self, number: MessageNumber, entry: &Entry, policy: &Policy<'_>) {
        let Some(at) = self.compare.iter().position(|comparison| comparison.item.number == number) else {
            return;
        };
        let item = self.compare.swap_remove(at).item;
        match entry.stage {
            Stage::Listed | Stage::Skipped => self.judge_without_header(item, policy),
            Stage::Intended => self.fetch(item),
            stage => {
                if let Stage::Gone(_) = stage {
                    self.returned.push(item.key.clone());
                }
                self.retain_or_delete(item, entry, policy);
            }
        }
    }

    fn retain_or_delete(&mut self, item: Item, entry: &Entry, policy: &Policy<'_>) {
        if item.is_deleted_next || retention::is_old(entry, policy) {
            self.delete.push(Deletion { item, why: DeletedBy::Keep });
        } else if retention::is_quarantined(entry) {
            self.quarantined.push(item);
        } else {
            // Whether it is in a local Maildir is asked when LIST tells the octets it told before.
            self.kept.push(item);
        }
    }

    fn put(&mut self, item: Item, verdict: Verdict, policy: &Policy<'_>) {
        match verdict {
            Verdict::HeaderWanted => self.look.push_back(item),
            Verdict::Rule(_, Then::Fetch) => self.fetch(item),
            Verdict::Rule(index, Then::Delete) => {
                let why = DeletedBy::Rule(policy.rules.name(index).into());
                self.delete.push(Deletion { item, why });
            }
            Verdict::Rule(index, Then::Skip) => {
                let reason = format!("[{}] {}", policy.rules.digest(), policy.rules.name(index)).into();
                self.skipped.push(Skipped { item, reason });
            }
            Verdict::NoRule => {
                let is_large =
                    policy.max_size.is_some_and(|most| item.octets.is_some_and(|octets| octets > most));
                if is_large { self.postponed.push(item) } else { self.fetch(item) }
            }
        }
    }

    /// In the order of the listing, whenever it was decided.
    fn fetch(&mut self, item: Item) {
        let at = self.fetch.partition_point(|other| other.number < item.number);
        self.fetch.insert(at, item);
    }

    /// What is to be recorded of the listing before anything is done: what is new, returned and gone, and that it was read. Then, once
    /// the rules have spoken, [`Plan::skips`].
    pub fn records(&self, messages: u32, at: Timestamp) -> impl Iterator<Item = Record> {
        let new = self.items().filter(|item| item.is_new).map(move |item| Record::Listed {
            key: item.key.clone(),
            octets: item.octets,
            at,
        });
        let gone = self.gone.iter().map(move |key| Record::Gone { key: key.clone(), at });
        let returned = self.returned.iter().map(|key| Record::Returned { key: key.clone() });
        gone.chain(returned).chain(new).chain([Record::Polled { at, messages }])
    }

    /// What is to be recorded of what rules leave on the server.
    pub fn skips(&self) -> impl Iterator<Item = Record> {
        self.skipped
            .iter()
            .map(|skipped| Record::Skipped { key: skipped.item.key.clone(), reason: skipped.reason.clone() })
    }

    /// Every listed message.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        let alone = [&self.fetch, &self.postponed, &self.quarantined, &self.kept];
        let alone = alone.into_iter().flatten().chain(&self.look);
        let compared = self.compare.iter().map(|comparison| &comparison.item);
        let deleted = self.delete.iter().map(|deletion| &deletion.item);
        let skipped = self.skipped.iter().map(|skipped| &skipped.item);
        alone.chain(compared).chain(deleted).chain(skipped)
    }
}

/// So many messages must have changed their names before it is taken for a change of all.
const MASS: usize = 10;
