//! The index is appended to: an opening finds messages that other programs delivered, renamed and removed.

use crate::loops;
use crate::promises::Promises;
use crate::scenario::Scenario;
use crate::world::{World, folder};

struct IndexAppend;

impl Scenario for IndexAppend {
    fn prepare(&self, world: &World, promises: &mut Promises) {
        world.put_maildrop("alice");
        for number in 1..=4 {
            let key = format!("message {number}");
            world.put_message(promises, "alice", &format!("new/170000000{number}.other"), &key);
        }
        // No unique-id, so that it has a digest.
        world.put_message(promises, "alice", "cur/1700000005.a b:2,", "spaced");
        world.rest();
        world.open("alice").expect("it opens");
        let maildir = folder("alice");
        world
            .disk
            .move_file(&maildir.join("new/1700000002.other"), &maildir.join("cur/1700000002.other:2,S"));
        world.disk.take_file(&maildir.join("new/1700000003.other"));
        promises.removed("alice", "message 3");
        world.put_message(promises, "alice", "new/1700000006.other", "message 6");
        world.rest();
    }

    fn act(&self, world: &World, _promises: &mut Promises) {
        drop(world.open("alice"));
        world.rest();
        drop(world.open("alice"));
    }
}

#[test]
fn survives_crashes_and_faults() {
    loops::run(module_path!(), &IndexAppend);
}
