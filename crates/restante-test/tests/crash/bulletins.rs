//! Bulletins are given at an opening, and one of them is deleted: each is given once.

use std::path::Path;
use std::sync::Arc;

use restante_store::disk::Disk;
use restante_store::maildir::Settings;
use restante_store::{Store, maildir};

use crate::judge::Moment;
use crate::loops;
use crate::promises::Promises;
use crate::scenario::Scenario;
use crate::world::{self, World, listed, stored};

struct Bulletins;

const FOLDER: &str = "/bulletins";
const KEYS: [&str; 3] = ["bulletin 1", "bulletin 2", "bulletin 3"];

impl Scenario for Bulletins {
    fn store(&self, disk: Arc<dyn Disk>) -> Store {
        let mut settings = Settings::new(world::ROOT);
        settings.bulletins = Some(maildir::bulletins::Settings { folder: FOLDER.into(), first_max: 5 });
        Store::maildir(disk, settings)
    }

    fn prepare(&self, world: &World, promises: &mut Promises) {
        let folder = Path::new(FOLDER);
        world.disk.put_folder(folder);
        world.put_maildrop("alice");
        world.put_message(promises, "alice", "new/1600000000.other", "before");
        world.disk.put_file(&folder.join(KEYS[0]), &stored(KEYS[0]));
        world.open("alice").expect("it opens");
        promises.kept("alice", KEYS[0], None);
        for key in &KEYS[1..] {
            world.disk.put_file(&folder.join(key), &stored(key));
            promises.asked("alice", key);
        }
        world.rest();
    }

    fn act(&self, world: &World, promises: &mut Promises) {
        let Ok(mut maildrop) = world.open("alice") else { return };
        let listing = maildrop.listing();
        if listing.len() == 1 + KEYS.len() {
            for (key, index) in KEYS.iter().zip(1..) {
                promises.told("alice", key, &listed(listing, index).0);
                promises.kept("alice", key, None);
            }
            world.quit(promises, "alice", &mut maildrop, &KEYS[1..2]);
        }
    }

    fn judge(&self, world: &World, promises: &Promises, _moment: Moment) {
        let shown = promises.shown("alice");
        assert!(shown.iter().any(|(key, _)| key == KEYS[2]), "the last bulletin was given: {shown:?}");
        let maildrop = world.open("alice").expect("it opens");
        assert_eq!(maildrop.listing().len(), shown.len(), "nothing is given once more");
    }

    fn opening_only_looks(&self) -> bool {
        false
    }
}

#[test]
fn survives_crashes_and_faults() {
    loops::run(module_path!(), &Bulletins);
}
