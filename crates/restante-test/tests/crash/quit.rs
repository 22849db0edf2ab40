//! QUIT with deletions: several messages in both folders, then one.

use crate::loops;
use crate::promises::Promises;
use crate::scenario::Scenario;
use crate::world::World;

struct Quit;

impl Scenario for Quit {
    fn prepare(&self, world: &World, promises: &mut Promises) {
        world.put_maildrop("alice");
        for number in 1..=7 {
            let place = match number % 3 {
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

    fn act(&self, world: &World, promises: &mut Promises) {
        for keys in [&["message 2", "message 3", "message 5"][..], &["message 4"]] {
            if let Ok(mut maildrop) = world.open("alice") {
                world.quit(promises, "alice", &mut maildrop, keys);
            }
        }
    }
}

#[test]
fn survives_crashes_and_faults() {
    loops::run(module_path!(), &Quit);
}
