//! QUIT with deletions that go into the trash, messages that expire into it, and messages that come back from it.

use std::sync::Arc;
use std::time::Duration;

use restante_store::disk::Disk;
use restante_store::expiry::{Expiry, From, Trial};
use restante_store::trash::{Form, UndeleteError, Undeleted, Which};
use restante_store::{Store, maildir};

use crate::judge::Moment;
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

struct Undelete;

const ALL: [&str; 4] = ["message 1", "message 2", "message 3", "message 4"];

fn undelete_all(world: &World) -> Result<Undeleted, UndeleteError> {
    let location = world.location("alice");
    let undelete = world.store.undelete(&location, Which::All, Form::AsTheyWere, world.disk.now());
    run(undelete)
}

impl Scenario for Undelete {
    fn store(&self, disk: Arc<dyn Disk>) -> Store {
        with_trash(disk)
    }

    fn prepare(&self, world: &World, promises: &mut Promises) {
        four(world, promises);
        let mut maildrop = world.open("alice").expect("it opens");
        world.quit(promises, "alice", &mut maildrop, &ALL);
        drop(maildrop);
        // That removal is over: what follows need not happen to all or none.
        promises.decide("alice", &[], Moment::Crashed);
        world.rest();
    }

    fn act(&self, world: &World, promises: &mut Promises) {
        // What is not acknowledged is only in the trash when the disk works again: nobody is shown what a crash takes away.
        ALL.iter().for_each(|key| promises.refused("alice", key));
        match undelete_all(world) {
            Ok(done) => {
                for message in done.messages {
                    let number = message.before.as_str().as_bytes()[9] - b'0';
                    promises.kept("alice", &format!("message {number}"), None);
                }
            }
            // They are durable where they belong; what may not last is that the trash has them no more.
            Err(UndeleteError::Unsynced(failure)) if failure.place().ends_with("restante.trash") => {
                ALL.iter().for_each(|key| promises.kept("alice", key, None));
            }
            Err(_) => {}
        }
    }

    /// Each of them is in the trash or in the maildrop, and after another undelete once in the maildrop.
    fn judge(&self, world: &World, promises: &Promises, _moment: Moment) {
        let world = world.fork();
        let shown = |world: &World| {
            let maildrop = world.open("alice").expect("it opens");
            let all = (0..maildrop.listing().len()).map(|index| listed(maildrop.listing(), index).0);
            all.collect::<Vec<String>>()
        };
        let trash =
            run(world.store.deleted(&world.location("alice"), world.disk.now())).expect("it can be read");
        let trash: Vec<String> = trash.iter().map(|deleted| deleted.unique_id.as_str().to_owned()).collect();
        let maildrop = shown(&world);
        // What the judge of all has removed again is where it belongs.
        for message in promises.messages("alice").iter().filter(|message| ALL.contains(&message.key.as_str()))
        {
            let unique_id = message.unique_id.clone().expect("it was told");
            assert!(trash.contains(&unique_id) || maildrop.contains(&unique_id), "{unique_id} is lost");
        }
        let done = undelete_all(&world).expect("it can be asked again");
        assert!(done.failed.is_none() && done.there.is_empty(), "{done:?}");
        let shown = shown(&world);
        for number in 1..=4 {
            let unique_id = format!("170000000{number}.other");
            assert_eq!(
                shown.iter().filter(|other| **other == unique_id).count(),
                1,
                "{unique_id} in {shown:?}"
            );
        }
    }
}

mod undelete {
    #[test]
    fn survives_crashes_and_faults() {
        super::loops::run(module_path!(), &super::Undelete);
    }
}
