//! Listings and journals, and what is planned for them.

mod passes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::journal::Contents;
use crate::rule::{Condition, Field, Rule, Test};

/// The moment of all of these.
pub(crate) const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

pub(crate) type Known = BTreeMap<Key, Entry>;

pub(crate) fn key(unique_id: &str, occurrence: u32, generation: u32) -> Key {
    Key { unique_id: unique_id.as_bytes().into(), occurrence, generation }
}

/// An entry of this stage that is a day old; one that was fetched has a header digest made of `header`.
pub(crate) fn entry(stage: Stage, octets: u64, header: Option<u8>) -> Entry {
    let day = NOW - Duration::from_secs(86_400);
    Entry {
        stage,
        listed_octets: Some(octets),
        contents: header.map(|header| Contents { octets, digest: [header; 32], header_digest: [header; 16] }),
        name: None,
        reason: None,
        marks: Vec::new(),
        first_listed: day,
        collected: matches!(stage, Stage::Collected | Stage::Gone(_)).then_some(day),
    }
}

pub(crate) fn listing<'a>(messages: &'a [(&'a str, u64)]) -> Listing<'a> {
    let messages = messages.iter().enumerate().map(|(at, (unique_id, octets))| Listed {
        number: MessageNumber::from_index(at).unwrap(),
        unique_id: unique_id.as_bytes(),
        octets: Some(*octets),
    });
    Listing { messages: messages.collect(), is_whole: true }
}

pub(crate) struct Wish {
    pub(crate) keep: Keep,
    pub(crate) rules: Rules,
    pub(crate) max_size: Option<u64>,
    pub(crate) replaced: HashSet<Key>,
    pub(crate) local: Option<BTreeSet<String>>,
    pub(crate) believes_local: bool,
    pub(crate) is_settled: bool,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            keep: Keep::All,
            rules: Rules::default(),
            max_size: None,
            replaced: HashSet::new(),
            local: None,
            believes_local: false,
            is_settled: false,
        }
    }
}

impl Wish {
    pub(crate) fn outcome(&self, listing: &Listing<'_>, known: &Known) -> Outcome {
        let is_local = |mark: &str| self.local.as_ref().unwrap().contains(mark);
        let policy = Policy {
            keep: self.keep,
            rules: &self.rules,
            max_size: self.max_size,
            now: NOW,
            is_local: self.local.as_ref().map(|_| &is_local as &dyn Fn(&str) -> bool),
            believes_local: self.believes_local,
            replaced: &self.replaced,
            is_settled: self.is_settled,
        };
        plan(listing, known, &policy)
    }

    fn plan(&self, listing: &Listing<'_>, known: &Known) -> Plan {
        match self.outcome(listing, known) {
            Outcome::Plan(plan) => {
                let count = plan.items().map(|item| item.number).collect::<BTreeSet<_>>().len();
                assert_eq!((count, plan.items().count()), (listing.messages.len(), listing.messages.len()));
                *plan
            }
            Outcome::Changed(change) => panic!("taken for a change of all: {change:?}"),
        }
    }

    fn policy(&self) -> Policy<'_> {
        Policy {
            keep: self.keep,
            rules: &self.rules,
            max_size: self.max_size,
            now: NOW,
            is_local: None,
            believes_local: self.believes_local,
            replaced: &self.replaced,
            is_settled: self.is_settled,
        }
    }
}

fn numbers<'a>(items: impl IntoIterator<Item = &'a Item>) -> Vec<u32> {
    items.into_iter().map(|item| item.number.as_u32()).collect()
}

fn deleted(plan: &Plan) -> Vec<u32> {
    numbers(plan.delete.iter().map(|deletion| &deletion.item))
}

#[test]
fn each_stage_has_its_place() {
    let known = Known::from([
        (key("listed", 0, 0), entry(Stage::Listed, 1, None)),
        (key("intended", 0, 0), entry(Stage::Intended, 2, Some(2))),
        (key("collected", 0, 0), entry(Stage::Collected, 3, Some(3))),
        (key("quarantined", 0, 0), entry(Stage::Quarantined, 4, Some(4))),
        (key("gone", 0, 0), entry(Stage::Gone(NOW), 5, Some(5))),
        (key("missing", 0, 0), entry(Stage::Collected, 6, Some(6))),
        (key("lost", 0, 0), entry(Stage::Listed, 7, None)),
        (key("long-gone", 0, 0), entry(Stage::Gone(NOW), 8, Some(8))),
    ]);
    let messages =
        [("new", 9), ("listed", 1), ("intended", 2), ("collected", 3), ("quarantined", 4), ("gone", 5)];
    let plan = Wish::default().plan(&listing(&messages), &known);
    assert_eq!(numbers(&plan.fetch), [1, 2, 3]);
    let flags: Vec<_> = plan.fetch.iter().map(|item| (item.is_new, item.is_doubtful)).collect();
    assert_eq!(flags, [(true, false), (false, false), (false, true)]);
    assert_eq!(numbers(&plan.kept), [4, 6]);
    assert_eq!(numbers(&plan.quarantined), [5]);
    assert_eq!(plan.returned, [key("intended", 0, 0), key("gone", 0, 0)]);
    assert_eq!(plan.gone, [key("lost", 0, 0), key("missing", 0, 0)]);
    assert_eq!(plan.delete, []);
    let records: Vec<Record> = plan.records(6, NOW).collect();
    assert_eq!(records.len(), 6);
    assert!(records.contains(&Record::Listed { key: key("new", 0, 0), octets: Some(9), at: NOW }));
    assert!(records.contains(&Record::Returned { key: key("gone", 0, 0) }));
    assert_eq!(records.last(), Some(&Record::Polled { at: NOW, messages: 6 }));
}

#[test]
fn a_listing_that_could_not_be_read_as_a_whole_says_nothing_of_what_is_gone() {
    let known = Known::from([(key("a", 0, 0), entry(Stage::Collected, 1, Some(1)))]);
    let some = Listing { is_whole: false, ..listing(&[("b", 2)]) };
    let plan = Wish::default().plan(&some, &known);
    assert_eq!((plan.gone.len(), numbers(&plan.fetch)), (0, vec![1]));
}

#[test]
fn messages_that_share_a_unique_id_are_told_apart_by_octets_then_by_order() {
    let collected = |octets| entry(Stage::Collected, octets, Some(1));
    // What is known, what is listed, and for each listed one: the key of what it is, and whether it is fetched.
    type Case<'a> = (&'a [(Key, Entry)], &'a [u64], &'a [(u32, u32, bool)], &'a [Key]);
    let both = [(key("a", 0, 0), collected(1)), (key("a", 1, 0), collected(2))];
    let again = [(key("a", 0, 0), entry(Stage::Gone(NOW), 1, Some(1))), (key("a", 0, 1), collected(2))];
    let cases: &[Case<'_>] = &[
        (&[], &[1, 2], &[(0, 0, true), (1, 0, true)], &[]),
        (&both, &[1, 2], &[(0, 0, false), (1, 0, false)], &[]),
        // The first was deleted: the second keeps its key.
        (&both, &[2], &[(1, 0, false)], &[key("a", 0, 0)]),
        (&both, &[2, 1], &[(1, 0, false), (0, 0, false)], &[]),
        (&both, &[1, 2, 3], &[(0, 0, false), (1, 0, false), (2, 0, true)], &[]),
        // The unique-id was used again; now the first message is back.
        (&again, &[2], &[(0, 1, false)], &[]),
        (&again, &[2, 1], &[(0, 1, false), (0, 0, false)], &[]),
    ];
    for (known, octets, wanted, gone) in cases {
        let known: Known = known.iter().cloned().collect();
        let messages: Vec<_> = octets.iter().map(|octets| ("a", *octets)).collect();
        let plan = Wish::default().plan(&listing(&messages), &known);
        let mut items: Vec<&Item> = plan.items().collect();
        items.sort_by_key(|item| item.number);
        let is_fetched = |item: &Item| plan.fetch.contains(item);
        let found: Vec<_> =
            items.iter().map(|item| (item.key.occurrence, item.key.generation, is_fetched(item))).collect();
        assert_eq!((&found[..], &plan.gone[..]), (*wanted, *gone), "{octets:?}");
    }
}

#[test]
fn one_with_other_octets_is_compared_and_then_known_or_another() {
    let known = Known::from([(key("a", 0, 0), entry(Stage::Collected, 1, Some(7)))]);
    let messages = [("a", 2)];
    let plan = Wish::default().plan(&listing(&messages), &known);
    assert_eq!(plan.compare.len(), 1);
    assert_eq!(plan.compare[0].header_digest, [7; 16]);
    // The same if it was gone meanwhile.
    let gone = Known::from([(key("a", 0, 0), entry(Stage::Gone(NOW), 1, Some(7)))]);
    assert_eq!(Wish::default().plan(&listing(&messages), &gone).compare.len(), 1);
    let replaced = HashSet::from([key("a", 0, 0)]);
    let plan = Wish { replaced, ..Wish::default() }.plan(&listing(&messages), &gone);
    assert_eq!((&plan.fetch[0].key, plan.gone.len()), (&key("a", 0, 1), 0));
    // It is another one.
    let replaced = HashSet::from([key("a", 0, 0)]);
    let plan = Wish { replaced, ..Wish::default() }.plan(&listing(&messages), &known);
    assert_eq!(plan.fetch[0].key, key("a", 0, 1));
    assert_eq!(plan.gone, [key("a", 0, 0)]);
    // Nothing is known of what another program has collected but its octets: then it is another one at once.
    let known = Known::from([(key("a", 0, 0), entry(Stage::Collected, 1, None))]);
    let plan = Wish::default().plan(&listing(&messages), &known);
    assert_eq!(plan.fetch[0].key, key("a", 0, 1));
    // What was never fetched cannot come twice.
    let known = Known::from([(key("a", 0, 0), entry(Stage::Listed, 1, None))]);
    let plan = Wish::default().plan(&listing(&messages), &known);
    assert_eq!(plan.fetch[0].key, key("a", 0, 0));
    // The octets that we counted ourselves are as good as those of LIST.
    let mut counted = entry(Stage::Collected, 2, Some(7));
    counted.listed_octets = Some(1);
    let plan = Wish::default().plan(&listing(&messages), &Known::from([(key("a", 0, 0), counted)]));
    assert_eq!(numbers(&plan.kept), [1]);
}

#[test]
fn what_is_the_same_after_all_is_treated_as_its_stage_wants() {
    for (stage, keep, list) in [
        (Stage::Collected, Keep::All, "keep"),
        (Stage::Collected, Keep::None, "delete"),
        (Stage::Collected, Keep::For(Duration::from_secs(60)), "delete"),
        (Stage::Collected, Keep::For(Duration::from_secs(100_000)), "keep"),
        (Stage::Quarantined, Keep::All, "quarantined"),
        (Stage::Intended, Keep::None, "fetch"),
        (Stage::Gone(NOW), Keep::All, "keep"),
        (Stage::Gone(NOW), Keep::None, "delete"),
    ] {
        let known = entry(stage, 1, Some(7));
        let wish = Wish { keep, ..Wish::default() };
        let mut plan = wish.plan(&listing(&[("a", 2)]), &Known::from([(key("a", 0, 0), known.clone())]));
        plan.confirm(MessageNumber::new(1).unwrap(), &known, &wish.policy());
        let acts: Vec<_> = plan.acts(&wish.policy()).iter().map(|act| act.act).collect();
        assert_eq!(acts, [list], "{stage:?} {keep:?}");
        assert_eq!(plan.returned.len(), usize::from(matches!(stage, Stage::Gone(_))));
    }
}

#[test]
fn ten_thousand_messages_with_one_unique_id_are_no_trouble() {
    let known: Known =
        (0..10_000).map(|at| (key("a", at, 0), entry(Stage::Collected, u64::from(at), Some(1)))).collect();
    let messages: Vec<_> = (0..10_000).rev().map(|octets| ("a", octets)).collect();
    let plan = Wish::default().plan(&listing(&messages), &known);
    assert_eq!((plan.kept.len(), plan.gone.len()), (10_000, 0));
    let messages: Vec<_> = (20_000..30_000).map(|octets| ("a", octets)).collect();
    let plan = Wish::default().plan(&listing(&messages), &known);
    assert_eq!(plan.compare.len(), 10_000);
}

#[test]
fn each_policy_deletes_what_it_says() {
    let mut known = Known::new();
    for (at, (stage, age_days)) in
        [(Stage::Collected, 40), (Stage::Collected, 20), (Stage::Quarantined, 40), (Stage::Intended, 40)]
            .into_iter()
            .enumerate()
    {
        let when = NOW - Duration::from_secs(age_days * 86_400);
        let mut entry = entry(stage, at as u64, Some(at as u8));
        entry.first_listed = when;
        entry.collected = entry.collected.map(|_| when);
        known.insert(key(&format!("{at}"), 0, 0), entry);
    }
    let messages = [("0", 0), ("1", 1), ("2", 2), ("3", 3), ("4", 4)];
    let days = |days: u64| Keep::For(Duration::from_secs(days * 86_400));
    for (keep, now, next) in [
        (Keep::All, vec![], vec![]),
        (Keep::None, vec![1, 2, 3], vec![4, 5]),
        (days(30), vec![1, 3], vec![]),
        (days(40), vec![1, 3], vec![]),
        (days(41), vec![], vec![]),
        (days(0), vec![1, 2, 3], vec![4, 5]),
        (Keep::Newest(4), vec![1], vec![]),
        (Keep::Newest(1), vec![1, 2, 3], vec![4]),
        (Keep::Newest(0), vec![1, 2, 3], vec![4, 5]),
        (Keep::Newest(9), vec![], vec![]),
        (Keep::WhileLocal, vec![], vec![]),
    ] {
        let plan = Wish { keep, ..Wish::default() }.plan(&listing(&messages), &known);
        assert_eq!(deleted(&plan), now, "{keep:?}");
        assert_eq!(numbers(plan.fetch.iter().filter(|item| item.is_deleted_next)), next, "{keep:?}");
        assert_eq!(numbers(&plan.fetch), [4, 5], "{keep:?}");
    }
}

#[test]
fn what_is_deleted_here_is_deleted_there_unless_too_much_is_gone_at_once() {
    // So many were delivered here, so many by another program; the first so many of ours are missing in the Maildir.
    for (ours, theirs, missing, wanted) in [
        (1, 0, 1, Ok(1)),
        (2, 0, 2, Ok(2)),
        (3, 0, 3, Err(LocalDoubt::Missing { missing: 3, of: 3 })),
        (4, 0, 3, Ok(3)),
        (4, 9, 0, Ok(0)),
        (20, 0, 9, Ok(9)),
        (20, 0, 10, Ok(10)),
        (20, 0, 11, Err(LocalDoubt::Missing { missing: 11, of: 20 })),
        (100, 5, 50, Ok(50)),
    ] {
        let mut known = Known::new();
        let mut local = BTreeSet::new();
        let ids: Vec<String> = (0..ours + theirs).map(|at| format!("{at:03}")).collect();
        for (at, id) in ids.iter().enumerate() {
            let mut entry = entry(Stage::Collected, 1, Some(1));
            if at < ours {
                entry.name = Some(format!("1800000000.Rmark{id}.restante").into());
            }
            if at >= missing {
                local.insert(format!("mark{id}"));
            }
            known.insert(key(id, 0, 0), entry);
        }
        let messages: Vec<_> = ids.iter().map(|id| (id.as_str(), 1)).collect();
        let mut wish = Wish { keep: Keep::WhileLocal, local: Some(local), ..Wish::default() };
        let plan = wish.plan(&listing(&messages), &known);
        assert_eq!(plan.local.map_or(Ok(plan.delete.len()), Err), wanted, "{missing} of {ours}");
        wish.believes_local = true;
        let plan = wish.plan(&listing(&messages), &known);
        assert_eq!((plan.delete.len(), plan.local), (missing, None));
        // A Maildir that is not there says nothing.
        wish.local = None;
        let plan = wish.plan(&listing(&messages), &known);
        assert_eq!((plan.delete.len(), plan.local), (0, Some(LocalDoubt::NotThere)));
    }
}

fn rules(rules: Vec<(Condition, Then)>) -> Rules {
    Rules(rules.into_iter().map(|(condition, then)| Rule { conditions: vec![condition], then }).collect())
}

fn subject(text: &str) -> Condition {
    Condition::Field { field: Field::Named("Subject".into()), test: Test::Contains(text.into()) }
}

#[test]
fn rules_wait_for_the_header_and_a_large_message_waits_for_a_higher_limit() {
    let wish = Wish {
        rules: rules(vec![
            (Condition::Larger(1000), Then::Skip),
            (subject("urgent"), Then::Fetch),
            (subject("spam"), Then::Delete),
        ]),
        max_size: Some(100),
        ..Wish::default()
    };
    let messages = [("huge", 2000), ("large", 200), ("urgent", 200), ("spam", 5), ("cut", 5), ("small", 5)];
    let mut plan = wish.plan(&listing(&messages), &Known::new());
    assert_eq!(numbers(&plan.look), [2, 3, 4, 5, 6]);
    assert_eq!(numbers(plan.skipped.iter().map(|skipped| &skipped.item)), [1]);
    let mut cut = Header::default();
    cut.update(b"Subject: spam\r\n");
    let judge = |plan: &mut Plan, number, header: &Header| {
        plan.judge(MessageNumber::new(number).unwrap(), header, &wish.policy());
    };
    judge(&mut plan, 6, &Header::of(b"Subject: hello\r\n\r\n"));
    judge(&mut plan, 2, &Header::of(b"Subject: hello\r\n\r\n"));
    judge(&mut plan, 3, &Header::of(b"Subject: Urgent!\r\n\r\n"));
    judge(&mut plan, 4, &Header::of(b"Subject: spam\r\n\r\n"));
    // A header that ends too early deletes nothing.
    judge(&mut plan, 5, &cut);
    assert_eq!((plan.look.len(), numbers(&plan.fetch)), (0, vec![3, 5, 6]));
    assert_eq!((deleted(&plan), numbers(&plan.postponed)), (vec![4], vec![2]));
    let acts: Vec<String> = plan.acts(&wish.policy()).iter().map(ToString::to_string).collect();
    let words: Vec<_> = acts.iter().map(|act| act.split_whitespace().next().unwrap()).collect();
    assert_eq!(words, ["skip", "postpone", "fetch", "delete", "fetch", "fetch"]);
    assert!(acts[0].ends_with("(rule 1: skip if larger than 1 kB)"), "{}", acts[0]);
    assert!(acts[1].ends_with("(larger than 100 B)"), "{}", acts[1]);

    // Without TOP nothing is lost: it is fetched, unless it is too large.
    let mut plan = wish.plan(&listing(&messages), &Known::new());
    plan.judge_none(&wish.policy());
    assert_eq!((numbers(&plan.fetch), numbers(&plan.postponed)), (vec![4, 5, 6], vec![2, 3]));
}

#[test]
fn what_is_skipped_is_looked_at_again_when_the_rules_are_others() {
    let old = Wish { rules: rules(vec![(Condition::Larger(1000), Then::Skip)]), ..Wish::default() };
    let messages = [("huge", 2000)];
    let plan = old.plan(&listing(&messages), &Known::new());
    let reason = match plan.skips().next() {
        Some(Record::Skipped { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let mut skipped = entry(Stage::Skipped, 2000, None);
    skipped.reason = Some(reason);
    let known = Known::from([(key("huge", 0, 0), skipped)]);
    assert_eq!(old.plan(&listing(&messages), &known).skipped.len(), 1);
    let new = Wish { rules: rules(vec![(Condition::Larger(5000), Then::Skip)]), ..Wish::default() };
    assert_eq!(numbers(&new.plan(&listing(&messages), &known).fetch), [1]);
    assert_eq!(numbers(&Wish::default().plan(&listing(&messages), &known).fetch), [1]);
}

/// So many that were collected, under names that begin so.
fn many(count: usize, prefix: &str) -> (Known, Vec<String>) {
    let ids: Vec<String> = (0..count).map(|at| format!("{prefix}{at:03}")).collect();
    let known = ids.iter().map(|id| (key(id, 0, 0), entry(Stage::Collected, 1, Some(1)))).collect();
    (known, ids)
}

#[test]
fn a_change_of_all_is_noticed_and_nothing_else_is_taken_for_one() {
    // Collected, of these listed again, new ones, and whether that is a change of all.
    for (collected, again, new, keep, is_mass) in [
        (10, 0, 10, Keep::All, true),
        (10, 0, 9, Keep::All, false),
        (9, 0, 30, Keep::All, false),
        (20, 10, 10, Keep::All, true),
        (21, 11, 10, Keep::All, false),
        (50, 10, 0, Keep::All, false),
        // We have deleted them ourselves.
        (50, 0, 50, Keep::None, false),
        (50, 0, 50, Keep::For(Duration::from_secs(1)), false),
        (50, 0, 50, Keep::Newest(5), false),
        (50, 0, 50, Keep::Newest(20), true),
        (50, 0, 50, Keep::For(Duration::from_secs(200_000)), true),
    ] {
        let (known, ids) = many(collected, "old");
        let (_, fresh) = many(new, "new");
        let messages: Vec<_> = ids.iter().take(again).chain(&fresh).map(|id| (id.as_str(), 1)).collect();
        let mut wish = Wish { keep, ..Wish::default() };
        let case = format!("{collected} {again} {new} {keep:?}");
        match wish.outcome(&listing(&messages), &known) {
            Outcome::Changed(change) => {
                assert!(is_mass, "{case}");
                assert_eq!((change.unknown.len(), change.missing.len()), (new, collected - again), "{case}");
            }
            Outcome::Plan(_) => assert!(!is_mass, "{case}"),
        }
        wish.is_settled = true;
        assert_eq!(wish.plan(&listing(&messages), &known).fetch.len(), new, "{case}");
    }
}
