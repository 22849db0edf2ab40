//! An mbox: deliveries, small and large, and QUIT with deletions at the front, in the middle and at the end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use restante_store::disk::Disk;
use restante_store::mbox::{DotLock, Settings};
use restante_store::{Location, Store};
use restante_test::disk::SimulatedDisk;

use crate::loops;
use crate::promises::Promises;
use crate::scenario::Scenario;
use crate::world::{ROOT, World, folder, stored};

const CONTROL: &str = "/control";

fn store(disk: Arc<dyn Disk>) -> Store {
    let mut settings = Settings::new(ROOT, CONTROL);
    // One that a crash leaves makes others wait for five minutes, which is its purpose.
    settings.dot_lock = DotLock::Never;
    settings.lock_attempts_max = 1;
    Store::mbox(disk, settings)
}

fn location(name: &str) -> Location {
    Location::Mbox { file: folder(name), control: Path::new(CONTROL).join(name) }
}

fn index(folder: &Path) -> PathBuf {
    Path::new(CONTROL).join(folder.file_name().expect("a name")).join("restante.index")
}

/// Another program has delivered these.
fn prepare(world: &World, promises: &mut Promises, keys: &[&str]) {
    world.disk.put_folder(Path::new(CONTROL));
    let mut octets = Vec::new();
    for key in keys {
        let is_first = octets.is_empty();
        octets.extend_from_slice(b"From other@example.org Thu Feb 13 10:11:12 2025\n");
        if is_first {
            // What Dovecot keeps there is handed on when that message is removed.
            octets.extend_from_slice(b"X-IMAPbase: 1739441472 7 Important\n");
        }
        octets.extend_from_slice(&stored(key));
        octets.push(b'\n');
        promises.kept("alice", key, None);
    }
    world.disk.put_file(&folder("alice"), &octets);
    world.rest();
    let maildrop = world.open("alice").expect("it opens");
    for (at, key) in keys.iter().enumerate() {
        let unique_id = maildrop.listing().unique_id(at).expect("it is listed");
        promises.told("alice", key, unique_id.as_str());
    }
    world.rest();
}

struct Delivery;

impl Scenario for Delivery {
    fn store(&self, disk: Arc<dyn Disk>) -> Store {
        store(disk)
    }

    fn location(&self, name: &str) -> Location {
        location(name)
    }

    fn prepare(&self, world: &World, promises: &mut Promises) {
        prepare(world, promises, &["before"]);
    }

    fn act(&self, world: &World, promises: &mut Promises) {
        world.deliver(promises, "small", &["alice"]);
        world.deliver(promises, "large", &["alice"]);
    }

    fn lose_caches(&self, disk: &SimulatedDisk, folder: &Path) {
        disk.take_file(&index(folder));
    }
}

struct Quit;

impl Scenario for Quit {
    fn store(&self, disk: Arc<dyn Disk>) -> Store {
        store(disk)
    }

    fn location(&self, name: &str) -> Location {
        location(name)
    }

    fn prepare(&self, world: &World, promises: &mut Promises) {
        let keys: Vec<String> = (1..=6).map(|number| format!("message {number}")).collect();
        let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        keys.insert(4, "large one");
        prepare(world, promises, &keys);
    }

    fn act(&self, world: &World, promises: &mut Promises) {
        for keys in [&["message 1", "message 3"][..], &["message 6"], &["message 2"]] {
            if let Ok(mut maildrop) = world.open("alice") {
                world.quit(promises, "alice", &mut maildrop, keys);
            }
        }
    }

    fn lose_caches(&self, disk: &SimulatedDisk, folder: &Path) {
        disk.take_file(&index(folder));
    }
}

#[test]
fn a_delivery_survives_crashes_and_faults() {
    loops::run("mbox_delivery", &Delivery);
}

#[test]
fn a_removal_survives_crashes_and_faults() {
    loops::run("mbox_quit", &Quit);
}
