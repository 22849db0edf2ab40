//! Delivery to several recipients: one file with several names; a maildrop that has to be made; one on another disk; one
//! recipient twice.

use crate::loops;
use crate::promises::Promises;
use crate::scenario::Scenario;
use crate::world::{World, folder};

struct DeliveryToSeveral;

impl Scenario for DeliveryToSeveral {
    fn prepare(&self, world: &World, promises: &mut Promises) {
        world.put_maildrop("alice");
        world.put_message(promises, "alice", "new/1700000000.before", "before");
        world.disk.put_device(&folder("elsewhere"));
        world.put_maildrop("elsewhere");
        world.rest();
        world.open("alice").expect("it opens");
        world.rest();
    }

    fn act(&self, world: &World, promises: &mut Promises) {
        world.deliver(promises, "small", &["alice", "made", "elsewhere"]);
        world.deliver(promises, "large", &["elsewhere", "alice", "made"]);
    }
}

#[test]
fn survives_crashes_and_faults() {
    loops::run(module_path!(), &DeliveryToSeveral);
}
