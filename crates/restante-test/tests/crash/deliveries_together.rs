//! Deliveries that come at the same time and share their syncs: on two file systems, to one maildrop twice, a large one, and
//! one whose maildrop has to be made.

use std::sync::Arc;

use restante_store::disk::Disk;
use restante_store::{Store, maildir};

use crate::loops;
use crate::promises::Promises;
use crate::scenario::Scenario;
use crate::world::{ROOT, World, folder};

struct DeliveriesTogether;

impl Scenario for DeliveriesTogether {
    fn store(&self, disk: Arc<dyn Disk>) -> Store {
        let mut settings = maildir::Settings::new(ROOT);
        settings.syncs = maildir::Syncs::Shared;
        Store::maildir(disk, settings)
    }

    fn prepare(&self, world: &World, promises: &mut Promises) {
        world.put_maildrop("alice");
        world.put_message(promises, "alice", "new/1700000000.before", "before");
        world.put_maildrop("bob");
        world.disk.put_device(&folder("elsewhere"));
        world.put_maildrop("elsewhere");
        world.rest();
        world.open("alice").expect("it opens");
        world.rest();
    }

    fn act(&self, world: &World, promises: &mut Promises) {
        world.deliver_together(
            promises,
            &[
                ("one", "alice"),
                ("two", "bob"),
                ("large", "alice"),
                ("three", "elsewhere"),
                ("four", "alice"),
                ("five", "made"),
                ("six", "elsewhere"),
            ],
        );
    }
}

#[test]
fn survives_crashes_and_faults() {
    loops::run(module_path!(), &DeliveriesTogether);
}
