//! QUIT with deletions that go into the trash, and messages that expire into it.

use std::sync::Arc;
use std::time::Duration;

use restante_store::disk::Disk;
use restante_store::expiry::{Expiry, From, Trial};
use restante_store::{Store, maildir};

use crate::loops;
use crate::promises::Promises;
use crate::scenario::Scenario;
use crate::world::{self, World, listed, run};

fn with_trash(disk: Arc<dyn Disk>) -> Store {
    let mut settings = maildir::Settings::new(world::ROOT);
    settings.trash = Some(Duration::from_secs(14 * 86_400));
    Store::maildir(disk, settings)
}

fn four(world: &World, promises: &mut Promises) {
    world.put_maildrop("alice");
    for number in 1..=4 {
        let place = match number % 2 {
            0 => format!("cur/170000000{number}.other:2,S"),
            _ => format!("new/170000000{number}.other"),
        };
        world.put_message(promises, "alice", &place, &format!("message {number}"));
        promises.told("alice", &format!("message {number}"), &format!("170000000{number}.other"));
    }
    world.rest();
    world.open("alice").expect("it opens");
    world.rest();
}

struct IntoTrash;

impl Scenario for IntoTrash {
    fn store(&self, disk: Arc<dyn Disk>) -> Store {
        with_trash(disk)
    }

    fn prepare(&self, world: &World, promises: &mut Promises) {
        four(world, promises);
    }

    fn act(&self, world: &World, promises: &mut Promises) {
        for keys in [&["message 2", "message 3"][..], &["message 4"]] {
            if let Ok(mut maildrop) = world.open("alice") {
                world.quit(promises, "alice", &mut maildrop, keys);
            }
        }
    }
}

#[test]
fn removal_survives_crashes_and_faults() {
    loops::run(module_path!(), &IntoTrash);
}

struct Expiring;

impl Scenario for Expiring {
    fn store(&self, disk: Arc<dyn Disk>) -> Store {
        with_trash(disk)
    }

    fn prepare(&self, world: &World, promises: &mut Promises) {
        four(world, promises);
    }

    fn act(&self, world: &World, promises: &mut Promises) {
        // All are old by any clock of the simulated disk once this time has passed.
        world.disk.advance(Duration::from_secs(100 * 86_400));
        let keys = ["message 1", "message 2", "message 3", "message 4"];
        promises.marked_together("alice", &keys.map(str::to_owned));
        let expiry = Expiry { after: Duration::from_secs(90 * 86_400), from: From::Delivery };
        let location = world.location("alice");
        let expired = run(world.store.expire(&location, &expiry, world.disk.now(), Trial::No));
        let Ok(expired) = expired else { return };
        for (index, _) in expired.gone.iter() {
            let (unique_id, _) = listed(&expired.listing, index);
            let number = unique_id.as_bytes()[9] - b'0';
            promises.removed("alice", &format!("message {number}"));
        }
    }
}

#[test]
fn expiry_survives_crashes_and_faults() {
    loops::run(concat!(module_path!(), "::expiry"), &Expiring);
}
