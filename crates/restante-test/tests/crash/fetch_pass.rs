//! Whole passes: messages are collected from a server into a Maildir and deleted there, on a disk that crashes and fails at every call; and
//! again until all is done. And servers on bad days, for a Maildir and an mbox.
//!
//! Duplicates 0, losses 0: what the server has not any more is durable in the maildrop; nothing half is shown there; and in the end every
//! message of the server is there exactly once and the server is empty, whatever the server does in between.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use restante_client::advice::Shown;
use restante_client::connect::{Address, Security};
use restante_client::login::{Means, Plaintext, Wish};
use restante_client::pop3::{Client, Settings};
use restante_fetch::config::account::UniqueIds;
use restante_fetch::config::keep::Keep;
use restante_fetch::event::Events;
use restante_fetch::journal::Journal;
use restante_fetch::pass::additions::Additions;
use restante_fetch::pass::blame::Peer;
use restante_fetch::pass::stop::Stop;
use restante_fetch::pass::{self, Order};
use restante_fetch::report::{Failure, Kind, Report};
use restante_fetch::rule::Rules;
use restante_fetch::sink::{Sink, maildir, mbox};
use restante_proto::secret::Secret;
use restante_proto::url::Auth;
use restante_test::disk::{Fault, SimulatedDisk};
use restante_test::odd_server::{Conduct, OddServer, Quit, messages};

use crate::fetch_loops::{self, Scenario};

const MAIL: &str = "/home/alice/Mail";

fn state() -> PathBuf {
    Path::new("/state/fetch").join(Journal::folder_name("alice@example.org"))
}

/// How the server behaves in each session.
type Sessions = &'static [fn(&mut Conduct)];

/// What the server has, in which session it does what, and where the mail goes.
struct Collecting {
    into: Into,
    /// How the sessions of `act` go, one after the other.
    sessions: Sessions,
    messages: usize,
    server: OddServer,
    /// There is one server: one session at a time.
    turn: Mutex<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Into {
    Maildir,
    Mbox,
}

#[derive(Clone, Default)]
struct Promises {
    /// What is on the server still.
    server: Vec<(String, Vec<u8>)>,
}

impl Collecting {
    fn new(into: Into, messages: usize, sessions: Sessions) -> Self {
        let server = OddServer::start(Conduct::default());
        Self { into, sessions, messages, server, turn: Mutex::new(()) }
    }

    /// One pass. The server goes on from where the promises say it is.
    fn pass(&self, disk: &SimulatedDisk, promises: &mut Promises, conduct: fn(&mut Conduct)) -> Report {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let server = &self.server;
        server.change(|current| {
            *current = Conduct { messages: promises.server.clone(), ..Conduct::default() };
            conduct(current);
        });
        let report = run(disk, server, self.into);
        let left = server.unique_ids();
        promises.server.retain(|(unique_id, _)| left.contains(unique_id));
        report
    }

    /// How often each message is in the maildrop. Nothing else is there, and nothing that is not whole; except that an mbox that is
    /// not settled may end with what a crash has left of an append, until the next pass takes it out.
    fn collected(&self, disk: &SimulatedDisk, is_settled: bool) -> BTreeMap<usize, usize> {
        let all: Vec<Vec<u8>> =
            messages(self.messages, OCTETS).into_iter().map(|(_, octets)| lf(&octets)).collect();
        let mut count = BTreeMap::new();
        let mut found = |octets: &[u8], place: &str| {
            let Some(which) = all.iter().position(|message| message == octets) else {
                assert!(!is_settled, "{place} is no message: {}", octets.escape_ascii());
                return;
            };
            *count.entry(which).or_default() += 1;
        };
        match self.into {
            Into::Maildir => {
                for folder in ["new", "cur"].map(|folder| Path::new(MAIL).join(folder)) {
                    for name in disk.names(&folder) {
                        found(
                            &disk.file(&folder.join(&name)).expect("it has a name"),
                            &name.to_string_lossy(),
                        );
                    }
                }
            }
            Into::Mbox => {
                let octets = disk.file(Path::new(MAIL)).unwrap_or_default();
                for message in split(octets) {
                    found(&message, "what stands in the mbox");
                }
            }
        }
        count
    }

    /// What is not on the server is in the maildrop; what is there is there once.
    fn check(&self, disk: &SimulatedDisk, promises: &Promises, is_settled: bool) {
        let collected = self.collected(disk, is_settled || self.into == Into::Maildir);
        for (which, (unique_id, _)) in messages(self.messages, OCTETS).into_iter().enumerate() {
            let is_on_server = promises.server.iter().any(|(other, _)| *other == unique_id);
            let count = collected.get(&which).copied().unwrap_or(0);
            assert!(count <= 1, "{unique_id} is there {count} times");
            assert!(count == 1 || is_on_server, "{unique_id} is lost");
        }
    }
}

/// Cuts an mbox into its messages, each with a line end as the last octet.
fn split(mbox: Vec<u8>) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(&mbox);
    let Some(text) = text.strip_prefix("From ") else {
        return vec![mbox].into_iter().filter(|mbox| !mbox.is_empty()).collect();
    };
    let message = |entry: &str| {
        let (_, message) = entry.split_once('\n').unwrap_or_default();
        format!("{}\n", message.trim_end_matches('\n')).into_bytes()
    };
    text.split("\nFrom ").map(message).collect()
}

fn lf(octets: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(octets).replace("\r\n", "\n").into_bytes()
}

fn run(disk: &SimulatedDisk, server: &OddServer, into: Into) -> Report {
    let address = Address::Tcp { host: server.address().ip().to_string(), port: server.address().port() };
    let peer = Peer { route: address.clone().into(), shown: Shown::Password };
    let order = Order {
        folder: state(),
        peer: peer.clone(),
        additions: Additions { received: None, delivered_to: None },
        keep: Keep::None,
        rules: Rules(Vec::new()),
        max_size: None,
        interval: None,
        unique_ids: UniqueIds::Server,
        new_unique_ids: None,
        local: None,
        believes_local: false,
        notice: None,
        is_dry_run: false,
    };
    let shared: Arc<dyn restante_store::disk::Disk> = Arc::new(disk.clone());
    let clock = {
        let disk = disk.clone();
        move || Timestamp::try_from(disk.now()).expect("it is a moment of this century")
    };
    let world = pass::World {
        disk: Arc::clone(&shared),
        clock: Arc::new(clock),
        events: Events::unheard(),
        stop: Stop::never(),
    };
    let enter = async || {
        let failed = |error| peer.failed(&error);
        let mut client =
            Client::connect(&address, Security::None, Settings::default()).await.map_err(failed)?;
        let means = Means::Password(Secret::new(b"secret".to_vec()));
        let wish = Wish { user: Some("alice"), auth: &Auth::Any, means, plaintext: Plaintext::Everywhere };
        client.log_in(wish).await.map_err(failed)?;
        Ok(client)
    };
    let sinks = move || {
        let opened: Result<Box<dyn Sink>, _> = match into {
            Into::Maildir => {
                let settings =
                    maildir::Settings { files_at_once: 1, ..maildir::Settings::new(Path::new(MAIL)) };
                maildir::Maildir::open(shared, settings).map(|sink| Box::new(sink) as Box<dyn Sink>)
            }
            Into::Mbox => mbox::Mbox::open(shared, Path::new(MAIL), &state())
                .map(|sink| Box::new(sink) as Box<dyn Sink>),
        };
        opened.map(|sink| vec![sink]).map_err(|error| Failure::new(Kind::Files, error.to_string()))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(pass::run(&order, &world, enter, sinks))
}

impl Scenario for Collecting {
    type Promises = Promises;

    // Each takes two passes and more, over loopback.
    const SEEDS: usize = 2;
    const FAULTS: &'static [Fault] = &[Fault::Io, Fault::NoSpace];

    fn prepare(&self, disk: &SimulatedDisk, promises: &mut Promises) {
        disk.put_folder(Path::new("/state/fetch"));
        disk.put_folder(Path::new("/home/alice"));
        promises.server = messages(self.messages, OCTETS);
    }

    fn act(&self, disk: &SimulatedDisk, promises: &mut Promises) {
        for conduct in self.sessions {
            self.pass(disk, promises, *conduct);
        }
    }

    fn judge(&self, disk: &SimulatedDisk, promises: &mut Promises) {
        self.check(disk, promises, false);
        // A lock that a crash has left beside an mbox is respected for a while, which is its purpose.
        let mut again = || {
            disk.advance(Duration::from_secs(3600));
            self.pass(disk, promises, |_| {})
        };
        // The first may find what was left half done, and say so.
        again();
        let last = again();
        assert!(last.failure.is_none(), "it goes on when the disk works: {:?}", last.failure);
        assert!(promises.server.is_empty(), "the server is empty: {:?} {last:?}", promises.server.len());
        self.check(disk, promises, true);
        // What is shown is durable.
        self.check(&disk.crash(restante_test::disk::Aftermath::Lost), promises, true);
    }
}

const OCTETS: usize = 700;

#[test]
fn survives_crashes_and_faults() {
    fetch_loops::run(module_path!(), &Collecting::new(Into::Maildir, 3, &[|_| {}]));
}

#[test]
fn survives_crashes_and_faults_into_an_mbox() {
    fetch_loops::run(module_path!(), &Collecting::new(Into::Mbox, 3, &[|_| {}]));
}

/// The bad days of servers, on a disk that works: each is a row of the table in docs/reliability.md.
#[test]
fn a_server_on_a_bad_day_costs_nothing() {
    let rows: [(&str, Sessions); 6] = [
        ("it lists 10 of 50 once", &[|_| {}, |conduct| conduct.lists = 10]),
        ("it lists 10 of 50 first", &[|conduct| conduct.lists = 10]),
        ("it lists none once", &[|conduct| conduct.lists = 0]),
        ("it deletes, and does not answer QUIT", &[|conduct| conduct.quit = Quit::CommitsSilently]),
        (
            "it does not delete, and does not answer QUIT",
            &[|conduct| conduct.quit = Quit::Breaks, |conduct| conduct.quit = Quit::Breaks],
        ),
        ("it breaks off in the middle of a RETR", &[|conduct| conduct.breaks_after = Some(20)]),
    ];
    for into in [Into::Maildir, Into::Mbox] {
        for (what, sessions) in rows {
            let collecting = Collecting::new(into, 50, sessions);
            let (disk, mut promises) = (SimulatedDisk::new(), Promises::default());
            collecting.prepare(&disk, &mut promises);
            collecting.act(&disk, &mut promises);
            collecting.judge(&disk, &mut promises);
            let count: usize = collecting.collected(&disk, true).values().sum();
            println!("{what}: {count} of 50, duplicates 0, losses 0");
        }
    }
}
