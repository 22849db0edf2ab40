//! Which of the collected messages are deleted on the server.

use jiff::Timestamp;

use crate::config::keep::Keep;
use crate::journal::{Entry, Stage};

use super::{DeletedBy, Deletion, Item, LocalDoubt, Plan, Policy};

/// Sorts collected messages into those that are kept and those that are deleted.
pub(super) struct Retention<'p> {
    policy: &'p Policy<'p>,
    /// Messages of the listing.
    listed: usize,
    kept: Vec<Item>,
    quarantined: Vec<Item>,
    delete: Vec<Item>,
    /// Delivered to the local Maildir, and not there any more.
    missing: Vec<Item>,
    /// Delivered to the local Maildir.
    delivered: usize,
}

impl<'p> Retention<'p> {
    pub(super) const fn new(policy: &'p Policy<'p>, listed: usize) -> Self {
        Self {
            policy,
            listed,
            kept: Vec::new(),
            quarantined: Vec::new(),
            delete: Vec::new(),
            missing: Vec::new(),
            delivered: 0,
        }
    }

    /// Whether the message at this place of the listing is to be deleted as soon as it is collected.
    pub(super) fn deletes_next(&self, at: usize) -> bool {
        match self.policy.keep {
            Keep::None => true,
            Keep::Newest(count) => at < self.listed.saturating_sub(count as usize),
            Keep::For(age) => age.is_zero(),
            Keep::All | Keep::WhileLocal => false,
        }
    }

    /// A message that is collected or in the quarantine, at this place of the listing.
    pub(super) fn take(&mut self, at: usize, item: Item, entry: &Entry) {
        let is_deleted = match self.policy.keep {
            Keep::For(_) => is_old(entry, self.policy),
            _ => self.deletes_next(at),
        };
        if is_deleted {
            self.delete.push(item);
            return;
        }
        if is_quarantined(entry) {
            self.quarantined.push(item);
            return;
        }
        if self.policy.keep == Keep::WhileLocal
            && let Some(mark) = mark(entry)
        {
            self.delivered += 1;
            if self.policy.is_local.is_some_and(|is_local| !is_local(mark)) {
                self.missing.push(item);
                return;
            }
        }
        self.kept.push(item);
    }

    /// Puts them into the plan.
    pub(super) fn decide(self, plan: &mut Plan) {
        plan.kept = self.kept;
        plan.quarantined = self.quarantined;
        let missing = self.missing.len();
        let is_doubtful = is_doubtful(missing, self.delivered) && !self.policy.believes_local;
        let mut delete = self.delete;
        if is_doubtful {
            plan.local = Some(LocalDoubt::Missing { missing, of: self.delivered });
            plan.kept.extend(self.missing);
            plan.kept.sort_by_key(|item| item.number);
        } else {
            delete.extend(self.missing);
        }
        if self.policy.keep == Keep::WhileLocal && self.policy.is_local.is_none() && self.delivered > 0 {
            plan.local = Some(LocalDoubt::NotThere);
        }
        plan.delete.extend(delete.into_iter().map(|item| Deletion { item, why: DeletedBy::Keep }));
        plan.delete.sort_by_key(|deletion| deletion.item.number);
    }
}

/// Whether the policy wanted it deleted, so that nobody need wonder why it is not listed. [`Keep::Newest`] is a matter of all together.
pub(super) fn is_expected_to_be_gone(entry: &Entry, policy: &Policy<'_>) -> bool {
    let is_done = matches!(entry.stage, Stage::Collected | Stage::Quarantined);
    is_done
        && match policy.keep {
            Keep::None => true,
            Keep::For(_) => is_old(entry, policy),
            Keep::WhileLocal => {
                policy.is_local.is_some_and(|is_local| mark(entry).is_some_and(|mark| !is_local(mark)))
            }
            Keep::All | Keep::Newest(_) => false,
        }
}

/// Too many are gone from the local Maildir at once, all of a few or most of many.
const fn is_doubtful(missing: usize, of: usize) -> bool {
    (missing == of && missing >= ALL_OF) || (missing >= MOST_OF && missing * 2 > of)
}

pub(super) fn is_old(entry: &Entry, policy: &Policy<'_>) -> bool {
    let Keep::For(age) = policy.keep else { return false };
    // What is in the quarantine was never collected, and counts from its first listing.
    let since = match is_quarantined(entry) {
        true => Some(entry.first_listed),
        false => entry.collected,
    };
    since.is_some_and(|since: Timestamp| {
        let lived = policy.now.duration_since(since);
        // A clock that was put back makes nothing old.
        std::time::Duration::try_from(lived).is_ok_and(|lived| lived >= age)
    })
}

pub(super) fn is_quarantined(entry: &Entry) -> bool {
    entry.stage == Stage::Quarantined || entry.collected.is_none()
}

/// The mark in the name under which it was delivered. Another program's deliveries have none, and are never taken for missing.
fn mark(entry: &Entry) -> Option<&str> {
    let (_, rest) = entry.name.as_deref()?.split_once(".R")?;
    let (mark, _) = rest.split_once('.')?;
    Some(mark)
}

/// All of so many.
const ALL_OF: usize = 3;
/// Most of more than so many.
const MOST_OF: usize = 10;
