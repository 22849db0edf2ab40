//! What collected messages are delivered to: a Maildir from its own `tmp/`, from elsewhere and from another disk, an mbox, and the quarantine.
//!
//! What a sink has answered for is there exactly once, octet for octet; what it has not is there whole or not at all; and when a pass asks
//! again about what is in doubt, everything is there exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use restante_fetch::header::HeaderDigest;
use restante_fetch::key::Key;
use restante_fetch::quarantine::{Item, Quarantine};
use restante_fetch::sink::maildir::{self, Maildir};
use restante_fetch::sink::mbox::Mbox;
use restante_fetch::sink::{LineEnds, Message, Sink, SinkId};
use restante_fetch::spool::{Spool, Spooled};
use restante_test::disk::SimulatedDisk;

use crate::fetch_loops::{self, Scenario};

const ACCOUNT: &str = "alice@example.org";
const COUNT: usize = 5;

/// As the wire brings it; one is longer than what is written at a time.
fn wire(nth: usize) -> Vec<u8> {
    let body = if nth == 3 { "a long line\r\n".repeat(6_000) } else { format!("body {nth}\r\n") };
    format!("Subject: {nth}\r\n\r\n{body}From here\r\n").into_bytes()
}

fn stored(nth: usize) -> Vec<u8> {
    String::from_utf8(wire(nth)).expect("ASCII").replace("\r\n", "\n").into_bytes()
}

fn key(nth: usize) -> Key {
    Key::new(format!("unique-{nth}").as_bytes())
}

fn name(nth: usize) -> String {
    format!("1700000000.R{}.restante", key(nth).mark(ACCOUNT))
}

/// Messages by their numbers.
#[derive(Clone, Default)]
struct Promises {
    /// Answered for.
    kept: BTreeSet<usize>,
    /// Intended once: in doubt as long as they are not kept.
    asked: BTreeSet<usize>,
}

/// Gives these messages to a sink as a pass does. Whatever fails is left for the next one.
fn deliver(sink: &mut dyn Sink, spool: &Spool, numbers: &[usize], promises: &mut Promises) {
    let spooled: Vec<(usize, Key, String, Spooled)> = numbers
        .iter()
        .filter(|nth| !promises.kept.contains(nth))
        .filter_map(|&nth| {
            let mut writing = spool.begin(LineEnds::Lf, b"", Box::new(HeaderDigest::default())).ok()?;
            writing.write(&wire(nth)).ok()?;
            Some((nth, key(nth), name(nth), writing.finish().ok()?))
        })
        .collect();
    let messages: Vec<Message<'_>> = spooled
        .iter()
        .map(|(nth, key, name, spooled)| Message {
            account: ACCOUNT,
            key,
            name,
            path: spooled.path(),
            file_octets: spooled.file_octets,
            line_ends: spooled.line_ends,
            digest: spooled.contents.digest,
            is_doubtful: promises.asked.contains(nth),
        })
        .collect();
    promises.asked.extend(spooled.iter().map(|(nth, ..)| *nth));
    let answers = sink.deliver(&messages);
    assert_eq!(answers.len(), messages.len());
    for ((nth, ..), answer) in spooled.iter().zip(answers) {
        if answer.is_ok() {
            promises.kept.insert(*nth);
        }
    }
}

/// A Maildir whose messages are written in this folder.
struct IntoMaildir(&'static str);

const MAILDIR: &str = "/home/Mail";

impl IntoMaildir {
    fn open(&self, disk: &SimulatedDisk) -> Option<(Maildir, Spool)> {
        let disk = Arc::new(disk.clone());
        // One after the other, so that a failure can be played again.
        let settings = maildir::Settings { files_at_once: 1, ..maildir::Settings::new(Path::new(MAILDIR)) };
        let maildir = Maildir::open(disk.clone(), settings).ok()?;
        let spool = Spool::open(disk, Path::new(self.0), ACCOUNT).ok()?;
        Some((maildir, spool))
    }

    /// How often each message is there.
    fn count(disk: &SimulatedDisk) -> BTreeMap<usize, usize> {
        let mut there = BTreeMap::new();
        let new = PathBuf::from(MAILDIR).join("new");
        for found in disk.names(&new) {
            let nth = (0..COUNT).find(|&nth| found.to_str() == Some(&name(nth))).expect("a name of ours");
            let octets = disk.file(&new.join(&found)).expect("it was listed");
            assert!(octets == stored(nth), "message {nth} has {} octets", octets.len());
            *there.entry(nth).or_default() += 1;
        }
        there
    }
}

impl Scenario for IntoMaildir {
    type Promises = Promises;

    fn prepare(&self, disk: &SimulatedDisk, _: &mut Promises) {
        disk.put_folder(Path::new("/home"));
        disk.put_folder(Path::new("/state"));
        disk.put_device(Path::new("/other"));
    }

    fn act(&self, disk: &SimulatedDisk, promises: &mut Promises) {
        let Some((mut maildir, spool)) = self.open(disk) else { return };
        deliver(&mut maildir, &spool, &[0, 1, 2], promises);
        deliver(&mut maildir, &spool, &[3, 4], promises);
    }

    fn judge(&self, disk: &SimulatedDisk, promises: &mut Promises) {
        let there = Self::count(disk);
        for nth in &promises.kept {
            assert_eq!(there.get(nth), Some(&1), "message {nth} was answered for");
        }
        let (mut maildir, spool) = self.open(disk).expect("nothing fails");
        deliver(&mut maildir, &spool, &[0, 1, 2, 3, 4], promises);
        assert_eq!(promises.kept.len(), COUNT);
        assert_eq!(Self::count(disk), (0..COUNT).map(|nth| (nth, 1)).collect());
        let swept = spool.folder().to_owned();
        assert!(disk.names(&swept).is_empty(), "{:?}", disk.names(&swept));
    }
}

/// An mbox that holds this, or is missing.
struct IntoMbox(&'static str);

const MBOX: &str = "/mail/alice";
const STATE: &str = "/state/alice";
const OTHER: &str = "From bob@x Thu Feb 13 10:11:12 2025\nB: c\n\nother\n\n";

impl IntoMbox {
    fn open(disk: &SimulatedDisk) -> Option<(Mbox, Spool)> {
        // A dot-lock of ours may be left, and what tells it may be lost: then it is stale after five minutes.
        disk.advance(Duration::from_secs(400));
        let disk = Arc::new(disk.clone());
        let mbox = Mbox::open(disk.clone(), Path::new(MBOX), Path::new(STATE)).ok()?;
        let spool = Spool::open(disk, &Path::new(STATE).join("spool"), ACCOUNT).ok()?;
        Some((mbox, spool))
    }

    /// The messages in the mbox without their From_ lines, as often as they are there.
    fn count(&self, disk: &SimulatedDisk) -> BTreeMap<String, usize> {
        let octets = disk.file(Path::new(MBOX)).expect("it was made");
        let text = String::from_utf8_lossy(&octets).into_owned();
        let Some(ours) = text.strip_prefix(self.0) else { panic!("{}", &text[..text.len().min(200)]) };
        let mut there = BTreeMap::new();
        for message in format!("\n\n{ours}").split("\n\nFrom ").skip(1) {
            // A torn From_ line has none.
            let body = message.split_once('\n').map_or("", |(_, body)| body);
            *there.entry(body.trim_end().replace("\n>From ", "\nFrom ")).or_default() += 1;
        }
        there
    }
}

impl Scenario for IntoMbox {
    type Promises = Promises;

    fn prepare(&self, disk: &SimulatedDisk, _: &mut Promises) {
        disk.put_folder(Path::new("/mail"));
        disk.put_folder(Path::new(STATE));
        if !self.0.is_empty() {
            disk.put_file(Path::new(MBOX), self.0.as_bytes());
        }
    }

    fn act(&self, disk: &SimulatedDisk, promises: &mut Promises) {
        let Some((mut mbox, spool)) = Self::open(disk) else { return };
        deliver(&mut mbox, &spool, &[0, 1, 2], promises);
        deliver(&mut mbox, &spool, &[3, 4], promises);
    }

    fn judge(&self, disk: &SimulatedDisk, promises: &mut Promises) {
        let text = |nth: usize| String::from_utf8(stored(nth)).expect("ASCII").trim_end().to_owned();
        // What a crash has left of others may stand behind the last one.
        let octets = disk.file(Path::new(MBOX)).unwrap_or_default();
        let all = String::from_utf8_lossy(&octets).replace("\n>From ", "\nFrom ");
        for &nth in &promises.kept {
            assert_eq!(
                all.matches(&format!("{}\n\n", text(nth))).count(),
                1,
                "message {nth} was answered for"
            );
        }
        let (mut mbox, spool) = Self::open(disk).expect("nothing fails");
        deliver(&mut mbox, &spool, &[0, 1, 2, 3, 4], promises);
        assert_eq!(promises.kept.len(), COUNT);
        let mut there = self.count(disk);
        for nth in 0..COUNT {
            assert_eq!(there.remove(&text(nth)), Some(1), "message {nth}");
        }
        assert!(there.is_empty(), "there is more: {:?}", there.keys());
        assert!(disk.file(Path::new("/mail/alice.lock")).is_none());
    }
}

struct IntoQuarantine;

#[derive(Clone, Default)]
struct Held {
    kept: BTreeSet<usize>,
    removed: BTreeSet<usize>,
}

impl IntoQuarantine {
    fn open(disk: &SimulatedDisk) -> Quarantine {
        Quarantine::new(Arc::new(disk.clone()), Path::new(STATE))
    }

    fn put(quarantine: &mut Quarantine, nth: usize) -> bool {
        let (key, name, path) = (key(nth), name(nth), PathBuf::from(format!("/source/{nth}")));
        let message = Message {
            account: ACCOUNT,
            key: &key,
            name: &name,
            path: &path,
            file_octets: stored(nth).len() as u64,
            line_ends: LineEnds::Lf,
            digest: [nth as u8; 32],
            is_doubtful: false,
        };
        quarantine.put(&message, &SinkId("lmtp:x".into()), "550 no").is_ok()
    }

    fn items(quarantine: &Quarantine) -> BTreeMap<usize, Item> {
        let items =
            quarantine.list().expect("nothing fails").into_iter().map(|item| item.expect("it is whole"));
        let mut there = BTreeMap::new();
        for item in items {
            let nth = (0..COUNT).find(|&nth| item.key == key(nth)).expect("one of ours");
            let mut octets = Vec::new();
            let read = quarantine.read(&item, |piece| {
                octets.extend_from_slice(piece);
                Ok(())
            });
            read.expect("nothing fails");
            assert!(octets == stored(nth));
            assert_eq!((item.reason.as_str(), item.digest), ("550 no", [nth as u8; 32]));
            assert!(there.insert(nth, item).is_none());
        }
        there
    }
}

impl Scenario for IntoQuarantine {
    type Promises = Held;

    fn prepare(&self, disk: &SimulatedDisk, _: &mut Held) {
        disk.put_folder(Path::new(STATE));
        disk.put_folder(Path::new("/source"));
        (0..COUNT).for_each(|nth| disk.put_file(&PathBuf::from(format!("/source/{nth}")), &stored(nth)));
    }

    fn act(&self, disk: &SimulatedDisk, held: &mut Held) {
        let mut quarantine = Self::open(disk);
        for nth in [0, 1, 3] {
            // The second time over itself.
            for _ in 0..2 {
                if !held.removed.contains(&nth) && Self::put(&mut quarantine, nth) {
                    held.kept.insert(nth);
                }
            }
        }
        let listed = quarantine.list().unwrap_or_default().into_iter().filter_map(Result::ok);
        for item in listed.filter(|item| item.key == key(1)) {
            held.kept.remove(&1);
            if quarantine.remove(&item).is_ok() {
                held.removed.insert(1);
            }
        }
    }

    fn judge(&self, disk: &SimulatedDisk, held: &mut Held) {
        let mut quarantine = Self::open(disk);
        let there = Self::items(&quarantine);
        assert!(held.kept.iter().all(|nth| there.contains_key(nth)), "{:?} {:?}", held.kept, there.keys());
        assert!(!held.removed.iter().any(|nth| there.contains_key(nth)), "{:?}", held.removed);
        // What is not kept is put there once more, and all goes.
        for nth in 0..COUNT {
            assert!(Self::put(&mut quarantine, nth));
        }
        let there = Self::items(&quarantine);
        assert_eq!(there.len(), COUNT);
        for item in there.values() {
            quarantine.remove(item).expect("nothing fails");
        }
        held.kept.clear();
        assert!(Self::items(&Self::open(&disk.crash(restante_test::disk::Aftermath::Lost))).is_empty());
    }
}

#[test]
fn a_maildir_survives_crashes_and_faults() {
    fetch_loops::run(&format!("{}::maildir", module_path!()), &IntoMaildir("/home/Mail/tmp"));
}

#[test]
fn a_maildir_that_gets_second_names_survives_crashes_and_faults() {
    fetch_loops::run(&format!("{}::second_names", module_path!()), &IntoMaildir("/state/spool"));
}

#[test]
fn a_maildir_that_gets_copies_survives_crashes_and_faults() {
    fetch_loops::run(&format!("{}::copies", module_path!()), &IntoMaildir("/other/spool"));
}

#[test]
fn an_mbox_survives_crashes_and_faults() {
    fetch_loops::run(&format!("{}::mbox", module_path!()), &IntoMbox(OTHER));
}

#[test]
fn an_mbox_that_has_to_be_made_survives_crashes_and_faults() {
    fetch_loops::run(&format!("{}::new_mbox", module_path!()), &IntoMbox(""));
}

#[test]
fn the_quarantine_survives_crashes_and_faults() {
    fetch_loops::run(&format!("{}::quarantine", module_path!()), &IntoQuarantine);
}
