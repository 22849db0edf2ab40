//! Delivery to one recipient: small, kept in memory until it is committed, and large, spilled as it comes.

use crate::loops;
use crate::promises::Promises;
use crate::scenario::Scenario;
use crate::world::World;

struct DeliveryToOne;

impl Scenario for DeliveryToOne {
    fn prepare(&self, world: &World, promises: &mut Promises) {
        world.put_maildrop("alice");
        world.put_message(promises, "alice", "cur/1700000000.before:2,S", "before");
        world.rest();
        world.open("alice").expect("it opens");
        world.rest();
    }

    fn act(&self, world: &World, promises: &mut Promises) {
        world.deliver(promises, "small", &["alice"]);
        world.deliver(promises, "large", &["alice"]);
    }
}

#[test]
fn survives_crashes_and_faults() {
    loops::run(module_path!(), &DeliveryToOne);
}
