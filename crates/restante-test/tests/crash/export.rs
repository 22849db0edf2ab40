//! Another server's file is written beside the messages: it is the old one or the new one, and never half of it.

use std::path::PathBuf;

use restante_store::migrate::dovecot::Uidlist;
use restante_store::migrate::export::Format;

use crate::judge::Moment;
use crate::loops;
use crate::promises::Promises;
use crate::scenario::Scenario;
use crate::world::{World, folder, run};

struct Export;

const OLD: &[u8] = b"3 V1139753550 N9 Gff\n4 :1700000001.other\n";

fn file() -> PathBuf {
    folder("alice").join("dovecot-uidlist")
}

impl Scenario for Export {
    fn prepare(&self, world: &World, promises: &mut Promises) {
        world.put_maildrop("alice");
        for number in 1..=3 {
            let key = format!("message {number}");
            world.put_message(promises, "alice", &format!("cur/170000000{number}.other:2,S"), &key);
        }
        world.disk.put_file(&file(), OLD);
        world.rest();
        world.open("alice").expect("it opens");
        world.rest();
    }

    fn act(&self, world: &World, promises: &mut Promises) {
        let location = world.location("alice");
        if run(world.store.export(&location, Format::Dovecot, world.disk.now(), |_| true)).is_ok() {
            promises.note("exported");
        }
    }

    fn judge(&self, world: &World, promises: &Promises, _moment: Moment) {
        let octets = world.disk.file(&file()).expect("it is there");
        if octets == OLD {
            assert!(!promises.has_noted("exported"), "the old list is back");
            return;
        }
        let list = Uidlist::parse(&octets).expect("a whole list");
        let uids: Vec<u32> = list.rows.iter().map(|row| row.uid).collect();
        // A message may have been removed before it was written once more.
        let is_some = uids.len() >= 2 && uids.is_sorted() && uids.iter().all(|uid| [4, 9, 10].contains(uid));
        assert!(is_some, "{uids:?}");
    }
}

#[test]
fn survives_crashes_and_faults() {
    loops::run(module_path!(), &Export);
}
