//! Compares what the store shows with what it promised.

use std::collections::BTreeSet;

use restante_store::Location;
use restante_store::check::{Depth, Finding, Severity};
use restante_store::maildrop::Maildrop;
use restante_test::disk::Aftermath;

use crate::promises::{Promises, State};
use crate::scenario::Scenario;
use crate::world::{World, folder, listed, message, read, run, stored};

/// What has happened to the machine since the write path began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A crash and nothing else.
    Crashed,
    /// One call failed; the same process goes on.
    FailedOnce,
    /// Calls failed until the fault was mended; the same process goes on.
    FailedForEver,
    /// Calls failed, then came a crash.
    FailedAndCrashed,
}

/// One message as it is shown.
type Shown = (String, String, u64);

/// Judges all maildrops, and fixes in the promises what was found.
pub(crate) fn judge(scenario: &dyn Scenario, world: &World, promises: &mut Promises, moment: Moment) {
    for name in promises.names() {
        if matches!(moment, Moment::Crashed | Moment::FailedAndCrashed) {
            is_mendable(world, &name);
        }
        let shown = look_in_all_ways(scenario, world, &name);
        compare(scenario, promises, &name, &shown, moment);
        let found: Vec<(String, String)> =
            shown.into_iter().map(|(key, unique_id, _)| (key, unique_id)).collect();
        promises.decide(&name, &found, moment);
    }
    scenario.judge(world, promises, moment);
}

/// The maildrop can be delivered to, opened and emptied again, and that lasts.
pub(crate) fn goes_on(scenario: &dyn Scenario, world: &World, promises: &mut Promises) {
    for name in promises.names() {
        world.deliver(promises, "later", &[&name]);
        assert_eq!(
            promises.messages(&name).last().expect("one").state,
            State::Kept,
            "a delivery works again"
        );
        let oldest = promises.keys_kept(&name).first().cloned().expect("one was delivered");
        let mut maildrop = world.open(&name).expect("it opens again");
        world.quit(promises, &name, &mut maildrop, &[&oldest]);
        let removed = promises.messages(&name).iter().find(|expected| expected.key == oldest);
        assert_eq!(removed.expect("it was there").state, State::Removed, "a removal works again");
    }
    judge(scenario, &world.crash(Aftermath::Lost), promises, Moment::Crashed);
}

/// A crash leaves nothing that a person would have to look at: what is found is mended, and nothing is found then.
fn is_mendable(world: &World, name: &str) {
    let world = world.fork();
    let (location, now) = (world.location(name), world.disk.now());
    if matches!(location, Location::Mbox { .. }) {
        // Verifying is for Maildirs. An mbox is mended by whoever takes its locks next.
        return;
    }
    let found = run(world.store.verify(&location, Depth::Whole, now)).expect("it can be verified");
    let is_for_a_person = |finding: &&Finding| finding.damage.severity() == Severity::Person;
    let left = found.iter().find(is_for_a_person);
    assert!(left.is_none(), "{name}: {left:?}");
    run(world.store.repair(&location, now)).unwrap_or_else(|error| panic!("{name} is not repaired: {error}"));
    let found = run(world.store.verify(&location, Depth::Whole, now)).expect("it can be verified");
    let left = found.iter().find(|finding| finding.damage.severity() != Severity::Note);
    assert!(left.is_none(), "{name}: {left:?} is left by repair");
}

/// What is shown: from outside, at the opening, at the next one, and when the caches are lost. Always the same.
fn look_in_all_ways(scenario: &dyn Scenario, world: &World, name: &str) -> Vec<Shown> {
    let inspected = run(world.store.inspect(&world.location(name), world.disk.now()));
    let inspected = inspected.expect("it can be looked at");
    let outside: Vec<(String, u64)> =
        (0..inspected.listing().len()).map(|index| listed(inspected.listing(), index)).collect();
    let shown = look(world, name);
    let inside: Vec<(String, u64)> =
        shown.iter().map(|(_, unique_id, octets)| (unique_id.clone(), *octets)).collect();
    let again = |world| glance(&open(world, name));
    if scenario.opening_only_looks() {
        assert_eq!(outside, inside, "{name}: from outside it looks as it does in a session");
    }
    assert_eq!(again(world), inside, "{name}: at the next opening it is the same");
    world.rest();
    assert_eq!(again(world), inside, "{name}: and later, when the folders are at rest");
    let without = world.fork();
    scenario.lose_caches(&without.disk, &folder(name));
    assert_eq!(again(&without), inside, "{name}: without its caches it is the same");
    shown
}

fn open(world: &World, name: &str) -> Maildrop {
    let maildrop = world.open(name).unwrap_or_else(|error| panic!("{name} does not open: {error}"));
    assert!(maildrop.warnings().is_empty(), "{name}: {:?}", maildrop.warnings());
    maildrop
}

fn glance(maildrop: &Maildrop) -> Vec<(String, u64)> {
    (0..maildrop.listing().len()).map(|index| listed(maildrop.listing(), index)).collect()
}

/// What a session shows. Every message of it can be retrieved and is whole.
fn look(world: &World, name: &str) -> Vec<Shown> {
    let maildrop = open(world, name);
    (0..maildrop.listing().len()).map(|index| shown(&maildrop, name, index)).collect()
}

fn shown(maildrop: &Maildrop, name: &str, index: usize) -> Shown {
    let (unique_id, size) = listed(maildrop.listing(), index);
    let octets = read(maildrop, index).unwrap_or_else(|error| panic!("{name}: {unique_id}: {error}"));
    let first = String::from_utf8_lossy(octets.split(|&octet| octet == b'\n').next().unwrap_or_default());
    let key = first.trim_end().strip_prefix("Subject: ").map(str::to_owned);
    let key = key.unwrap_or_else(|| panic!("{name}: {unique_id} is no message: {first:?}"));
    let is_whole = octets == *stored(&key) || octets == *message(&key);
    assert!(is_whole, "{name}: {unique_id} is not the message {key} as it was sent");
    assert_eq!(size, message(&key).len() as u64, "{name}: the octets of {key}");
    (key, unique_id, size)
}

fn compare(scenario: &dyn Scenario, promises: &Promises, name: &str, shown: &[Shown], moment: Moment) {
    let keys: Vec<&str> = shown.iter().map(|(key, ..)| key.as_str()).collect();
    let has = |key: &str| keys.contains(&key);
    let unique_ids: BTreeSet<&str> = shown.iter().map(|(_, unique_id, _)| unique_id.as_str()).collect();
    assert_eq!(unique_ids.len(), shown.len(), "{name}: each unique-id once: {shown:?}");
    for expected in promises.messages(name) {
        let key = expected.key.as_str();
        let count = keys.iter().filter(|&&other| other == key).count();
        assert!(count <= 1, "{name}: {key} is there {count} times");
        match expected.state {
            State::Kept => assert!(has(key), "{name}: {key} was acknowledged and is lost; there is {keys:?}"),
            State::Removed => assert!(!has(key), "{name}: {key} was removed and is back"),
            State::Refused if moment == Moment::FailedOnce => {
                assert!(!has(key), "{name}: {key} was refused and is there");
            }
            State::Refused | State::Asked | State::Marked => {}
        }
        let found = shown.iter().find(|(other, ..)| other == key).map(|(_, unique_id, _)| unique_id);
        if let (Some(told), Some(found)) = (&expected.unique_id, found) {
            assert_eq!(told, found, "{name}: the unique-id of {key}");
        }
    }
    let known: Vec<&str> = promises.messages(name).iter().map(|expected| expected.key.as_str()).collect();
    let stranger = keys.iter().find(|key| !known.contains(key));
    assert!(stranger.is_none(), "{name}: {stranger:?} was never sent here");
    if scenario.keeps_order() {
        let in_order: Vec<&str> = known.iter().filter(|key| has(key)).copied().collect();
        assert_eq!(keys, in_order, "{name}: the order");
    }
    if moment == Moment::Crashed {
        for (_, together) in promises.together().iter().filter(|(maildrop, _)| maildrop == name) {
            let left = together.iter().filter(|key| has(key)).count();
            assert!(left == 0 || left == together.len(), "{name}: {left} of {together:?} are left");
        }
    }
}
