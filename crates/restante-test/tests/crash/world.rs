//! A store on a simulated disk, and the words in which scenarios are told.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use restante_proto::maildrop::{Listing, Marks, UniqueId};
use restante_store::delivery::{Delivery, DeliveryError};
use restante_store::maildrop::{CHUNK_OCTETS, Maildrop, MessageError, OpenError};
use restante_store::{Location, Store};
use restante_test::disk::{Aftermath, SimulatedDisk};

use crate::promises::Promises;
use crate::scenario::Scenario;

/// The folder above all maildrops.
pub(crate) const ROOT: &str = "/mail";

/// The folder of the maildrop of this name.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

/// A machine.
pub(crate) struct World {
    /// Its disk.
    pub(crate) disk: SimulatedDisk,
    /// The store that runs on it.
    pub(crate) store: Store,
    scenario: &'static dyn Scenario,
}

impl World {
    /// An empty one with the folder above all maildrops.
    pub(crate) fn new(scenario: &'static dyn Scenario) -> Self {
        let disk = SimulatedDisk::new();
        disk.put_folder(Path::new(ROOT));
        Self::on(disk, scenario)
    }

    /// The store just started on this disk.
    pub(crate) fn on(disk: SimulatedDisk, scenario: &'static dyn Scenario) -> Self {
        let store = scenario.store(Arc::new(disk.clone()));
        Self { disk, store, scenario }
    }

    /// The machine after a crash, started again.
    pub(crate) fn crash(&self, aftermath: Aftermath) -> Self {
        Self::on(self.disk.crash(aftermath), self.scenario)
    }

    /// Another machine that has come to the same point.
    pub(crate) fn fork(&self) -> Self {
        Self::on(self.disk.fork(), self.scenario)
    }

    /// Where the maildrop of this name lies.
    pub(crate) fn location(&self, name: &str) -> Location {
        self.scenario.location(name)
    }

    /// Makes the maildrop, empty and durable, as the operator or another program did.
    pub(crate) fn put_maildrop(&self, name: &str) {
        for inner in ["tmp", "new", "cur"] {
            self.disk.put_folder(&folder(name).join(inner));
        }
    }

    /// Another program has delivered a message: `place` is its name below the Maildir.
    pub(crate) fn put_message(&self, promises: &mut Promises, name: &str, place: &str, key: &str) {
        self.disk.put_file(&folder(name).join(place), &stored(key));
        promises.kept(name, key, None);
    }

    /// Lets the folders come to rest, so that their stamps count.
    pub(crate) fn rest(&self) {
        self.disk.advance(Duration::from_secs(10));
    }

    /// Opens for a session.
    pub(crate) fn open(&self, name: &str) -> Result<Maildrop, OpenError> {
        run(self.store.open(&self.location(name), self.disk.now()))
    }

    /// Delivers one message to these maildrops, as LMTP does: what is answered for each is noted.
    pub(crate) fn deliver(&self, promises: &mut Promises, key: &str, names: &[&str]) {
        names.iter().for_each(|name| promises.asked(name, key));
        run(async {
            let first = self.location(names[0]);
            let Ok(mut delivery) = self.store.begin(&first, self.disk.now()).await else {
                return names.iter().for_each(|name| promises.refused(name, key));
            };
            let mut is_written = true;
            for piece in message(key).chunks(60_000) {
                is_written = is_written && delivery.write(piece).await.is_ok();
            }
            for name in names {
                let committed = match is_written {
                    true => self.commit(&mut delivery, name).await,
                    false => None,
                };
                match committed {
                    Some(unique_id) => promises.kept(name, key, Some(unique_id.as_str())),
                    None => promises.refused(name, key),
                }
            }
            delivery.abort().await;
        });
    }

    async fn commit(&self, delivery: &mut Delivery, name: &str) -> Option<UniqueId> {
        let committed = delivery.commit_within(&self.location(name), self.scenario.limits()).await;
        if let Err(DeliveryError::OverQuota(over)) = &committed {
            panic!("refused what fits: {over}");
        }
        committed.ok()
    }

    /// Delivers these messages, each to one maildrop, so that all wait before the first is served.
    pub(crate) fn deliver_together(&self, promises: &mut Promises, all: &[(&str, &str)]) {
        // The only thread that may wait for the disk is busy until everybody has lined up.
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build();
        let committed = runtime.expect("a runtime").block_on(async {
            let mut written = Vec::new();
            for (key, name) in all {
                promises.asked(name, key);
                let location = self.location(name);
                // So that their names are in this order.
                self.disk.advance(Duration::from_millis(1));
                let mut delivery =
                    self.store.begin(&location, self.disk.now()).await.expect("it touches no disk");
                let mut is_written = true;
                for piece in message(key).chunks(60_000) {
                    is_written = is_written && delivery.write(piece).await.is_ok();
                }
                written.push((delivery, location, is_written));
            }
            let (line_up, lined_up) = std::sync::mpsc::channel::<()>();
            let busy = tokio::task::spawn_blocking(move || lined_up.recv());
            let commit = |(mut delivery, location, is_written): (Delivery, Location, bool)| async move {
                if is_written { delivery.commit(&location).await.ok() } else { None }
            };
            let commits: Vec<_> = written.into_iter().map(|one| tokio::spawn(commit(one))).collect();
            tokio::task::yield_now().await;
            drop(line_up);
            // An error says that nobody can send any more.
            let _ = busy.await.expect("it waits for nothing more");
            let mut committed = Vec::new();
            for commit in commits {
                committed.push(commit.await.expect("it does not panic"));
            }
            committed
        });
        for ((key, name), committed) in all.iter().zip(committed) {
            match committed {
                Some(unique_id) => promises.kept(name, key, Some(unique_id.as_str())),
                None => promises.refused(name, key),
            }
        }
    }

    /// QUIT with these messages marked.
    pub(crate) fn quit(&self, promises: &mut Promises, name: &str, maildrop: &mut Maildrop, keys: &[&str]) {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let mut marks = Marks::new();
        for key in &keys {
            let known = promises.messages(name).iter().find(|expected| expected.key == *key);
            let unique_id = known.and_then(|expected| expected.unique_id.clone()).expect("it was seen");
            let listing = maildrop.listing();
            let is_it = |&index: &usize| listed(listing, index).0 == unique_id;
            marks.mark((0..listing.len()).find(is_it).expect("it is listed"));
        }
        promises.marked_together(name, &keys);
        match run(maildrop.remove(&marks, self.disk.now())) {
            Ok(_) => keys.iter().for_each(|key| promises.removed(name, key)),
            Err(error) => assert!(error.left > 0, "an error leaves something: {error}"),
        }
    }
}

/// Unique-id and octets of a message.
pub(crate) fn listed(listing: &Listing, index: usize) -> (String, u64) {
    let unique_id = listing.unique_id(index).expect("it is listed");
    (unique_id.as_str().to_owned(), listing.octets(index).expect("it is listed").as_u64())
}

/// The stored form of a message of an open maildrop.
pub(crate) fn read(maildrop: &Maildrop, index: usize) -> Result<Vec<u8>, MessageError> {
    run(async {
        let mut message = maildrop.message(index).await?;
        let mut octets = Vec::new();
        while message.read(&mut octets, CHUNK_OCTETS).await? > 0 {}
        Ok(octets)
    })
}

/// Runs to the end.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime")
    });
    runtime.block_on(future)
}

/// The message of this key in its canonical form. What begins with `large` has more than the 128 KiB that stay in memory when it
/// is delivered.
pub(crate) fn message(key: &str) -> Arc<[u8]> {
    let [canonical, _] = forms(key);
    canonical
}

/// The same with the line ends of a Maildir.
pub(crate) fn stored(key: &str) -> Arc<[u8]> {
    let [_, stored] = forms(key);
    stored
}

/// Made once each: the loops ask for them thousands of times.
fn forms(key: &str) -> [Arc<[u8]>; 2] {
    static FORMS: Mutex<BTreeMap<String, [Arc<[u8]>; 2]>> = Mutex::new(BTreeMap::new());
    let mut forms = FORMS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(forms) = forms.get(key) {
        return forms.clone();
    }
    let text = format!(".{key}: a line of the message, and of no other\r\n");
    let lines = if key.starts_with("large") { 140 * 1024 / text.len() } else { 3 + key.len() % 40 };
    let message = format!("Subject: {key}\r\n\r\n{}", text.repeat(lines));
    let made = [message.as_bytes().into(), message.replace("\r\n", "\n").as_bytes().into()];
    forms.insert(key.to_owned(), made.clone());
    made
}
