//! What a session accessed is kept for LAST: as before the session or as after it.

use restante_proto::maildrop::{Accessed, Marks};

use crate::judge::Moment;
use crate::loops;
use crate::promises::Promises;
use crate::scenario::Scenario;
use crate::world::{World, run};

struct LastAccessed;

impl LastAccessed {
    /// A session accesses the message at `index`. `true` when that is kept.
    fn access(world: &World, index: usize) -> bool {
        let mut messages = Marks::new();
        messages.mark(index);
        let accessed = Accessed { messages, starts_anew: false };
        let Ok(mut maildrop) = world.open("alice") else { return false };
        run(maildrop.keep_accessed(&accessed, &Marks::new())).is_ok()
    }
}

impl Scenario for LastAccessed {
    fn prepare(&self, world: &World, promises: &mut Promises) {
        world.put_maildrop("alice");
        world.put_message(promises, "alice", "cur/1600000000.other:2,", "oldest");
        for number in 1..=3 {
            let key = format!("message {number}");
            world.put_message(promises, "alice", &format!("new/170000000{number}.other"), &key);
        }
        assert!(Self::access(world, 1));
        world.rest();
    }

    fn act(&self, world: &World, promises: &mut Promises) {
        for index in [2, 3] {
            if Self::access(world, index) {
                promises.note(&format!("accessed {index}"));
            }
        }
    }

    fn judge(&self, world: &World, promises: &Promises, _moment: Moment) {
        let maildrop = world.open("alice").expect("it opens");
        let last = run(maildrop.last_accessed()).expect("what was accessed is readable");
        // The oldest one may be gone by now.
        let removed = usize::from(promises.keys_kept("alice").iter().all(|key| key != "oldest"));
        let last = last.expect("one was accessed") + removed;
        let least = (2..4).rfind(|index| promises.has_noted(&format!("accessed {index}"))).unwrap_or(1);
        assert!((least..4).contains(&last), "LAST is at {last} and not {least} or later");
    }
}

#[test]
fn survives_crashes_and_faults() {
    loops::run(module_path!(), &LastAccessed);
}
