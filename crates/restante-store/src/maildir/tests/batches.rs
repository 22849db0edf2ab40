//! Deliveries that share their syncs: the order of calls, their number, and what becomes of all when one fails.

use std::collections::BTreeMap;
use std::sync::Arc;

use restante_proto::maildrop::UniqueId;
use rustix::io::Errno;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::fixture::{Fixture, files, now};
use super::trick_disk::TrickDisk;
use crate::delivery::DeliveryError;
use crate::maildir::Syncs;
use crate::{Backend, Location, Store};

type Result = std::result::Result<UniqueId, DeliveryError>;

/// A message that goes through memory, and one that goes through a file.
const SMALL: usize = 1;
const LARGE: usize = 20_000;
const LINE: &[u8] = b"0123456789\r\n";

/// A disk that can be held, and maildrops on it whose deliveries share their syncs.
struct Scene {
    disk: TrickDisk,
    maildir: Fixture,
    runtime: Runtime,
}

impl Scene {
    fn new() -> Self {
        let disk = TrickDisk::settled();
        let maildir = Fixture::on(Arc::new(disk.clone()), |settings| settings.syncs = Syncs::Shared);
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        // One message everywhere: what of a maildrop is missing is made, and its folders are synced, now and not in a batch.
        let everywhere = maildir.deliver_to(LINE, &["first", "alice", "bob", "carol"]);
        assert!(everywhere.iter().all(std::result::Result::is_ok));
        Self { disk, maildir, runtime }
    }

    /// Begins to deliver so many lines to one maildrop after the other.
    fn deliver(&self, lines: usize, to: &[&str]) -> JoinHandle<Vec<Result>> {
        let locations: Vec<_> =
            to.iter().map(|name| Location::Maildir(self.maildir.root().join(name))).collect();
        let store = self.maildir.store.clone();
        self.runtime.spawn(async move {
            let mut delivery = store.begin(&locations[0], now()).await.unwrap();
            let mut results = Vec::new();
            // What is spilled can fail here.
            if let Err(error) = delivery.write(&LINE.repeat(lines)).await {
                return vec![Err(error)];
            }
            for location in &locations {
                results.push(delivery.commit(location).await);
            }
            delivery.abort().await;
            results
        })
    }

    /// Holds a first delivery in its sync until the others have gathered. When this returns, they are a batch that is held
    /// before its first call.
    fn gather(&self, others: &[(usize, &[&str])]) -> Vec<JoinHandle<Vec<Result>>> {
        self.disk.hold("sync");
        let first = self.deliver(SMALL, &["first"]);
        self.disk.wait_for_held();
        let gathered = others.iter().enumerate().map(|(at, (lines, names))| {
            let delivery = self.deliver(*lines, names);
            while waiting(&self.maildir) <= at {
                std::thread::yield_now();
            }
            delivery
        });
        let gathered = gathered.collect();
        // A large one has its file already, so this must not be the first.
        self.disk.hold("create");
        assert!(self.runtime.block_on(first).unwrap()[0].is_ok());
        self.disk.wait_for_held();
        self.disk.calls();
        gathered
    }

    fn results(&self, deliveries: Vec<JoinHandle<Vec<Result>>>) -> Vec<Result> {
        deliveries.into_iter().flat_map(|delivery| self.runtime.block_on(delivery).unwrap()).collect()
    }

    fn files(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        files(&self.maildir.root().join(name))
    }
}

/// How many wait for the batch that is going on.
fn waiting(maildir: &Fixture) -> usize {
    match &maildir.store.backend {
        Backend::Maildir(maildirs) => maildirs.batches.waiting(),
        // There may be other kinds.
        #[allow(unreachable_patterns)]
        _ => unreachable!("these are Maildirs"),
    }
}

/// One message to one maildrop.
async fn deliver_one(store: Store, location: Location) -> Result {
    let mut delivery = store.begin(&location, now()).await?;
    delivery.write(LINE).await?;
    delivery.commit(&location).await
}

/// Calls with the names of messages left out.
fn plain(calls: &[String]) -> Vec<String> {
    let plain = |call: &String| {
        let (verb, name) = call.rsplit_once(' ').unwrap();
        let is_message = name.starts_with(|c: char| c.is_ascii_digit());
        format!("{verb} {}", if is_message { "message" } else { name })
    };
    calls.iter().map(plain).collect()
}

#[test]
fn those_that_come_together_share_two_syncs() {
    let scene = Scene::new();
    let names = ["alice", "bob", "carol"];
    let deliveries = scene.gather(&[(SMALL, &["alice"]), (SMALL, &["bob"]), (SMALL, &["carol"])]);
    scene.disk.let_go();
    assert!(scene.results(deliveries).iter().all(std::result::Result::is_ok));
    let all = |call: &str| vec![call.to_owned(); 3];
    let expected = [
        ["create message", "append message"].repeat(3).into_iter().map(str::to_owned).collect(),
        vec!["sync all by message".to_owned()],
        all("rename message"),
        vec!["sync all by message".to_owned()],
        all("open restante.index"),
    ];
    assert_eq!(plain(&scene.disk.calls()), expected.concat());
    for name in names {
        let files = scene.files(name);
        assert!(files.len() == 2 && files.keys().all(|path| path.starts_with("new/")), "{files:?}");
    }
}

#[test]
fn one_that_comes_alone_waits_for_nobody_and_syncs_what_is_its_own() {
    let scene = Scene::new();
    scene.disk.calls();
    assert!(scene.results(vec![scene.deliver(SMALL, &["alice"])])[0].is_ok());
    let expected = [
        "create message",
        "append message",
        "sync message",
        "rename message",
        "sync new",
        "open restante.index",
    ];
    assert_eq!(plain(&scene.disk.calls()), expected);
}

#[test]
fn messages_for_one_maildrop_share_the_sync_of_its_folder() {
    let scene = Scene::new();
    let deliveries = scene.gather(&[(SMALL, &["alice"]), (SMALL, &["alice"])]);
    scene.disk.let_go();
    assert!(scene.results(deliveries).iter().all(std::result::Result::is_ok));
    let syncs: Vec<_> =
        plain(&scene.disk.calls()).into_iter().filter(|call| call.starts_with("sync")).collect();
    assert_eq!(syncs, ["sync all by message", "sync new"]);
    assert_eq!(scene.files("alice").len(), 3);
}

#[test]
fn large_messages_and_further_recipients_come_along() {
    let scene = Scene::new();
    let deliveries =
        scene.gather(&[(SMALL, &["alice", "bob"]), (LARGE, &["bob", "carol"]), (SMALL, &["carol"])]);
    scene.disk.let_go();
    assert!(scene.results(deliveries).iter().all(std::result::Result::is_ok));
    let sizes = |name: &str| {
        let mut sizes: Vec<_> = scene.files(name).values().map(|contents| contents.len() / 11).collect();
        sizes.sort_unstable();
        sizes
    };
    assert_eq!(sizes("alice"), [1, 1]);
    assert_eq!(sizes("bob"), [1, 1, LARGE]);
    assert_eq!(sizes("carol"), [1, 1, LARGE]);
}

#[test]
fn a_failure_in_a_batch_hurts_nobody_else_and_leaves_nothing() {
    for (errno, for_ever) in [(Errno::IO, false), (Errno::NOSPC, false), (Errno::IO, true)] {
        for nth in 1.. {
            let scene = Scene::new();
            let deliveries = scene.gather(&[(SMALL, &["alice"]), (LARGE, &["bob"]), (SMALL, &["carol"])]);
            scene.disk.fail(nth, errno, for_ever);
            scene.disk.let_go();
            let results = scene.results(deliveries);
            let was_hit = scene.disk.heal();
            for (name, result) in ["alice", "bob", "carol"].iter().zip(&results) {
                let files = scene.files(name);
                let (in_new, others): (Vec<_>, Vec<_>) =
                    files.iter().partition(|(path, _)| path.starts_with("new/"));
                let is_there =
                    |unique_id: &UniqueId| files.contains_key(&format!("new/{}", unique_id.as_str()));
                match result {
                    Ok(unique_id) => {
                        assert!(is_there(unique_id) && in_new.len() == 2, "call {nth}: {files:?}")
                    }
                    Err(error) => {
                        assert!(error.is_temporary());
                        // When nothing works any more, nothing can be taken back.
                        assert!(for_ever || in_new.len() == 1, "call {nth}: {files:?}");
                    }
                }
                assert!(for_ever || others.is_empty(), "call {nth}: {files:?}");
                let lines = if *name == "bob" { LARGE } else { SMALL };
                assert!(
                    in_new
                        .iter()
                        .all(|(_, contents)| matches!(contents.len() / 11, len if len == lines || len == 1))
                );
            }
            let failed = results.iter().filter(|result| result.is_err()).count();
            assert!(for_ever || failed <= 1, "call {nth}: {results:?}");
            if !was_hit {
                assert!(nth > 8 && failed == 0);
                break;
            }
        }
    }
}

#[test]
fn who_stops_waiting_is_delivered_all_the_same_or_not_at_all() {
    let scene = Scene::new();
    let mut deliveries = scene.gather(&[(SMALL, &["alice"]), (LARGE, &["bob"]), (SMALL, &["carol"])]);
    for delivery in deliveries.drain(..2) {
        delivery.abort();
        assert!(scene.runtime.block_on(delivery).is_err());
    }
    scene.disk.let_go();
    assert!(scene.results(deliveries)[0].is_ok());
    for (name, lines) in [("alice", SMALL), ("bob", LARGE), ("carol", SMALL)] {
        let files = scene.files(name);
        assert!(files.len() == 2 && files.keys().all(|path| path.starts_with("new/")), "{name}: {files:?}");
        assert!(files.values().any(|contents| contents.len() == 11 * lines));
    }
}

#[test]
fn a_file_system_that_cannot_be_synced_as_a_whole_is_not_asked_again() {
    let scene = Scene::new();
    scene.disk.set_simple();
    let deliveries = scene.gather(&[(SMALL, &["alice"]), (SMALL, &["bob"])]);
    scene.disk.let_go();
    assert!(scene.results(deliveries).iter().all(std::result::Result::is_ok));
    let calls = plain(&scene.disk.calls());
    let count = |call: &str| calls.iter().filter(|other| *other == call).count();
    assert_eq!(
        (count("sync all by message"), count("sync message"), count("sync new")),
        (1, 2, 2),
        "{calls:?}"
    );
    // Each on a thread of its own from now on.
    scene.disk.hold("sync");
    let first = scene.deliver(SMALL, &["alice"]);
    scene.disk.wait_for_held();
    let second = scene.deliver(SMALL, &["bob"]);
    while scene.disk.held() < 2 {
        std::thread::yield_now();
    }
    scene.disk.let_go();
    assert!(scene.results(vec![first, second]).iter().all(std::result::Result::is_ok));
}

#[test]
fn nobody_waits_for_a_server_that_stops() {
    let Scene { disk, maildir, runtime } = Scene::new();
    disk.hold("sync");
    let location = maildir.location();
    runtime.spawn(deliver_one(maildir.store.clone(), location.clone()));
    disk.wait_for_held();
    // Its thread serves this one, too, although it is another's.
    let other = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let waiting = other.spawn(deliver_one(maildir.store.clone(), location.clone()));
    runtime.shutdown_background();
    disk.let_go();
    assert!(other.block_on(waiting).unwrap().is_ok());
    assert_eq!(files(&maildir.path).len(), 3);
}
