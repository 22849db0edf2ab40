//! The index is written anew: it is missing, damaged in its middle, another program's, or mostly dead.

use crate::loops;
use crate::promises::Promises;
use crate::scenario::Scenario;
use crate::world::{World, folder};

struct IndexRewrite;

const NAMES: [&str; 4] = ["missing", "damaged", "foreign", "wasteful"];

impl Scenario for IndexRewrite {
    fn prepare(&self, world: &World, promises: &mut Promises) {
        for name in NAMES {
            world.put_maildrop(name);
            for number in 1..=3 {
                let key = format!("message {number}");
                world.put_message(promises, name, &format!("new/170000000{number}.other"), &key);
            }
            world.rest();
            world.open(name).expect("it opens");
        }
        let index = |name| folder(name).join("restante.index");
        world.disk.take_file(&index("missing"));
        let mut bytes = world.disk.file(&index("damaged")).expect("it was made");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        world.disk.put_file(&index("damaged"), &bytes);
        world.disk.put_file(&index("foreign"), b"something else");
        // Two places each time.
        let (new, cur) = ("new/1700000001.other", "cur/1700000001.other:2,");
        for _ in 0..140 {
            for (from, to) in [(new, cur), (cur, new)] {
                world.disk.move_file(&folder("wasteful").join(from), &folder("wasteful").join(to));
                world.open("wasteful").expect("it opens");
            }
        }
        world.disk.put_file(&folder("wasteful").join("restante.index.new"), b"what a crash has left");
        world.rest();
    }

    fn act(&self, world: &World, _promises: &mut Promises) {
        for name in NAMES {
            drop(world.open(name));
        }
    }
}

#[test]
fn survives_crashes_and_faults() {
    loops::run(module_path!(), &IndexRewrite);
}
