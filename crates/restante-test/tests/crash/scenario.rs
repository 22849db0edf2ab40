//! What a write path has to say of itself to be tried by the loops.

use std::path::Path;
use std::sync::Arc;

use restante_store::disk::Disk;
use restante_store::quota::Limits;
use restante_store::{Location, Store, maildir};
use restante_test::disk::SimulatedDisk;

use crate::judge::Moment;
use crate::promises::Promises;
use crate::world::{self, World};

/// One write path. The loops call `prepare` once, then `act` on a copy of that disk for each point, then judge.
pub(crate) trait Scenario: Sync {
    /// The store that is tried.
    fn store(&self, disk: Arc<dyn Disk>) -> Store {
        Store::maildir(disk, maildir::Settings::new(world::ROOT))
    }

    /// Where the maildrop of this name lies.
    fn location(&self, name: &str) -> Location {
        Location::Maildir(world::folder(name))
    }

    /// How much each maildrop may hold. Nothing that a scenario delivers is over it.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// What was there before. Nothing fails here.
    fn prepare(&self, world: &World, promises: &mut Promises);

    /// The write path. Every call may fail; what is acknowledged is noted.
    fn act(&self, world: &World, promises: &mut Promises);

    /// What must hold beyond what is judged for all. Called after that, on the same disk.
    fn judge(&self, _world: &World, _promises: &Promises, _moment: Moment) {}

    /// Takes away what may be lost at any time without anybody seeing it: the caches of this maildrop.
    fn lose_caches(&self, disk: &SimulatedDisk, folder: &Path) {
        disk.take_file(&folder.join("restante.index"));
    }

    /// Messages come in the order in which they were noted. A scenario that changes the order judges it itself.
    fn keeps_order(&self) -> bool {
        true
    }

    /// An opening changes nothing of what is shown. Not so when it is the opening that gives messages.
    fn opening_only_looks(&self) -> bool {
        true
    }
}
