//! A migration: messages are given the unique-ids and the order that another server showed, all or none of them.

use restante_proto::maildrop::UniqueId;
use restante_store::unique_id::Override;

use crate::judge::Moment;
use crate::loops;
use crate::promises::Promises;
use crate::scenario::Scenario;
use crate::world::{World, run};

struct UniqueIds;

/// Key, base name, unique-id and place after the migration.
const GIVEN: [(&str, &str, &str, u64); 3] = [
    ("message 1", "1700000001.other", "0000000a5f3b", 3),
    ("message 2", "1700000002.other", "0000000b5f3b", 1),
    ("message 3", "1700000003.other", "0000000c5f3b", 2),
];

impl Scenario for UniqueIds {
    fn prepare(&self, world: &World, promises: &mut Promises) {
        world.put_maildrop("alice");
        for (key, base_name, ..) in GIVEN {
            world.put_message(promises, "alice", &format!("cur/{base_name}:2,S"), key);
        }
        world.rest();
        world.open("alice").expect("it opens");
        world.rest();
    }

    fn act(&self, world: &World, promises: &mut Promises) {
        let overrides = GIVEN.iter().map(|(_, base_name, unique_id, place)| Override {
            base_name: base_name.as_bytes().to_vec(),
            unique_id: UniqueId::parse(unique_id.as_bytes()).expect("one"),
            order: Some(*place),
        });
        let location = world.location("alice");
        let given = run(world.store.set_unique_ids(&location, overrides.collect(), world.disk.now()));
        if given.is_ok() {
            GIVEN.iter().for_each(|(key, _, unique_id, _)| promises.told("alice", key, unique_id));
        }
    }

    fn judge(&self, _world: &World, promises: &Promises, _moment: Moment) {
        let shown = promises.shown("alice");
        let is_given = |key: &str| GIVEN.iter().any(|(given, ..)| *given == key);
        let shown: Vec<_> = shown.iter().filter(|(key, _)| is_given(key)).collect();
        let mut old = Vec::from(GIVEN.map(|(key, base_name, ..)| (key, base_name, 0)));
        let mut new = Vec::from(GIVEN.map(|(key, _, unique_id, place)| (key, unique_id, place)));
        new.sort_by_key(|(.., place)| *place);
        for view in [&mut old, &mut new] {
            view.retain(|(key, ..)| shown.iter().any(|(shown, _)| shown == key));
        }
        let is_view = |view: &[(&str, &str, u64)]| {
            let mut both = view.iter().zip(&shown);
            both.all(|((key, unique_id, _), shown)| shown.0 == *key && shown.1 == *unique_id)
        };
        assert!(is_view(&old) || is_view(&new), "as before or as given, not {shown:?}");
    }

    fn keeps_order(&self) -> bool {
        false
    }
}

#[test]
fn survives_crashes_and_faults() {
    loops::run(module_path!(), &UniqueIds);
}
