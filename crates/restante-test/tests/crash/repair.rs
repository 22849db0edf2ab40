//! `maildrop repair`: whatever it mends is mended or as it was, and nothing is lost on the way; the unique-ids of another
//! server least of all, which are there in the index alone.

use std::path::Path;
use std::sync::Arc;

use restante_proto::maildrop::UniqueId;
use restante_store::Location;
use restante_store::unique_id::Override;
use restante_test::disk::SimulatedDisk;

use crate::loops;
use crate::promises::Promises;
use crate::scenario::Scenario;
use crate::world::{World, folder, run};

struct Repair;

/// Key, base name, unique-id and place.
const GIVEN: [(&str, &str, &str, u64); 2] = [
    ("message 1", "1700000001.other", "0000000a5f3b", 1),
    ("message 2", "1700000002.other", "0000000b5f3b", 2),
];

impl Scenario for Repair {
    fn prepare(&self, world: &World, promises: &mut Promises) {
        world.put_maildrop("alice");
        for (key, base_name, unique_id, _) in GIVEN {
            world.put_message(promises, "alice", &format!("cur/{base_name}:2,S"), key);
            promises.told("alice", key, unique_id);
        }
        world.put_message(promises, "alice", "new/1700000003.other", "message 3");
        world.rest();
        let overrides = GIVEN.iter().map(|(_, base_name, unique_id, place)| Override {
            base_name: base_name.as_bytes().to_vec(),
            unique_id: UniqueId::parse(unique_id.as_bytes()).expect("one"),
            order: Some(*place),
        });
        let (location, now) = (world.location("alice"), world.disk.now());
        run(world.store.set_unique_ids(&location, overrides.collect(), now)).expect("nothing fails");
        world.open("alice").expect("it opens");
        world.rest();
        world.disk.take_file(&folder("alice").join("restante.unique-ids"));
        // Durable, as it is a while after it was written.
        let index = folder("alice").join("restante.index");
        let octets = world.disk.file(&index).expect("there is one");
        world.disk.take_file(&index);
        world.disk.put_file(&index, &octets);
        for name in ["restante.accessed", "restante.index.new", "restante.unique-ids.new"] {
            world.disk.put_file(&folder("alice").join(name), b"half of it");
        }
        // In place, so that the index is wrong about it.
        world.disk.take_file(&folder("alice").join("new/1700000003.other"));
        world.put_message(promises, "alice", "new/1700000004.other", "message 4");
        promises.marked("alice", "message 3");
        promises.removed("alice", "message 3");
    }

    fn act(&self, world: &World, _promises: &mut Promises) {
        // It may fail; what counts is what is there afterwards.
        drop(run(world.store.repair(&world.location("alice"), world.disk.now())));
    }

    /// As long as the unique-ids are there in it alone the index is no cache: that is what is repaired.
    fn lose_caches(&self, disk: &SimulatedDisk, folder: &Path) {
        let store = self.store(Arc::new(disk.clone()));
        let location = Location::Maildir(folder.to_owned());
        run(store.repair(&location, disk.now())).expect("it can be repaired");
        disk.take_file(&folder.join("restante.index"));
    }
}

#[test]
fn survives_crashes_and_faults() {
    loops::run(module_path!(), &Repair);
}
