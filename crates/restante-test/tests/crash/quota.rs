//! Deliveries and a removal under a limit that all of them just fit: whatever is left of the total, nobody is refused.

use restante_store::quota::Limits;

use crate::judge::Moment;
use crate::loops;
use crate::promises::Promises;
use crate::scenario::Scenario;
use crate::world::{World, run};

struct Quota;

/// Two messages before, two delivered, one removed or not; and what the loops deliver when the fault is gone.
const LIMITS: Limits = Limits { octets: None, messages: Some(6) };

impl Scenario for Quota {
    fn limits(&self) -> Limits {
        LIMITS
    }

    fn prepare(&self, world: &World, promises: &mut Promises) {
        world.put_maildrop("alice");
        for number in 1..=2 {
            let (name, key) = (format!("170000000{number}.before"), format!("message {number}"));
            world.put_message(promises, "alice", &format!("new/{name}"), &key);
            promises.told("alice", &key, &name);
        }
        world.rest();
        let maildrop = world.open("alice").expect("it opens");
        run(maildrop.count(LIMITS, world.disk.now())).expect("it is counted");
        drop(maildrop);
        world.rest();
    }

    fn act(&self, world: &World, promises: &mut Promises) {
        world.deliver(promises, "small", &["alice"]);
        if let Ok(mut maildrop) = world.open("alice") {
            let _ = run(maildrop.count(LIMITS, world.disk.now()));
            world.quit(promises, "alice", &mut maildrop, &["message 1"]);
        }
        world.deliver(promises, "another", &["alice"]);
    }

    fn judge(&self, world: &World, _: &Promises, moment: Moment) {
        let (store, location, now) = (&world.store, world.location("alice"), world.disk.now());
        let maildrop = world.open("alice").expect("it opens");
        let messages = maildrop.listing().len() as u64;
        let usage = run(store.usage(&location, now)).expect("it is counted");
        assert_eq!(usage.messages, messages, "{moment:?}");
        let admits = run(store.admits(&location, None, LIMITS, now));
        assert_eq!(admits.is_ok(), messages < 6, "{moment:?}: {messages} messages, {admits:?}");
        run(maildrop.count(LIMITS, now)).expect("it is counted");
        let audit = run(store.audit(&location, LIMITS, now)).expect("it is counted");
        assert!(!audit.has_drifted(), "{moment:?}: {audit:?}");
    }
}

#[test]
fn survives_crashes_and_faults() {
    loops::run(module_path!(), &Quota);
}
