//! Bulletins: each maildrop is given each of them once, whatever happens in between.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;

use super::fixture::{Fixture, marks, now, read, run};
use super::trick_disk::TrickDisk;
use crate::maildir::bulletins::Settings;
use crate::maildrop::{Maildrop, Warning};

/// A maildrop, and a folder of bulletins beside it.
struct Scene {
    maildir: Fixture,
    disk: TrickDisk,
    board: PathBuf,
}

impl Scene {
    fn new(first_max: usize) -> Self {
        let disk = TrickDisk::settled();
        let folder = tempfile::tempdir().unwrap().keep();
        let settings = Settings { folder: folder.clone(), first_max };
        let maildir = Fixture::on(Arc::new(disk.clone()), |all| all.bulletins = Some(settings));
        Self { maildir, disk, board: folder }
    }

    fn post(&self, name: &str, text: &str) {
        fs::write(self.board.join(name), format!("From: operator\nSubject: {name}\n\n{text}\n")).unwrap();
    }

    /// The subjects of a session, in order.
    fn subjects(&self) -> Vec<String> {
        subjects(&self.maildir.open())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.board);
    }
}

fn subjects(maildrop: &Maildrop) -> Vec<String> {
    let subject = |index| {
        let message = String::from_utf8(read(maildrop, index).unwrap()).unwrap();
        let line = message.lines().find_map(|line| line.strip_prefix("Subject: "));
        line.unwrap_or("none").to_owned()
    };
    (0..maildrop.listing().len()).map(subject).collect()
}

#[test]
fn each_is_given_once_in_the_order_of_the_names() {
    let scene = Scene::new(10);
    for number in (1..=12).rev() {
        scene.post(&format!("{number:03}"), "hello");
    }
    // A maildrop that never had any gets the newest.
    let newest: Vec<_> = (3..=12).map(|number| format!("{number:03}")).collect();
    assert_eq!(scene.subjects(), newest);
    assert_eq!(scene.subjects(), newest, "and no second time");
    let mut maildrop = scene.maildir.open();
    run(maildrop.remove(&marks(0..10), now())).unwrap();
    drop(maildrop);
    assert!(scene.subjects().is_empty(), "what its reader has removed stays away");
    scene.post("013", "more");
    assert_eq!(scene.subjects(), ["013"]);
    // Taken off the board, it stays in the maildrops.
    fs::remove_file(scene.board.join("013")).unwrap();
    assert_eq!(scene.subjects(), ["013"]);
    assert!(fs::read_dir(scene.maildir.path.join("tmp")).unwrap().next().is_none());
}

#[test]
fn a_maildrop_may_begin_with_none_and_is_then_given_what_comes() {
    let scene = Scene::new(0);
    assert!(scene.subjects().is_empty());
    scene.post("a", "old");
    assert!(scene.subjects().is_empty());
    scene.post("b", "new");
    assert_eq!(scene.subjects(), ["b"]);
}

#[test]
fn a_long_absence_is_made_up_for_in_rounds() {
    let scene = Scene::new(1);
    scene.post("0", "first");
    assert_eq!(scene.subjects(), ["0"]);
    for number in 1..=150 {
        scene.post(&format!("{number:03}"), "x");
    }
    assert_eq!(scene.maildir.open().listing().len(), 101);
    let all = scene.subjects();
    assert_eq!(all.len(), 151);
    assert!(all.is_sorted(), "{all:?}");
}

#[test]
fn it_is_stored_as_any_message_and_the_line_of_an_mbox_is_left_out() {
    let scene = Scene::new(10);
    fs::write(scene.board.join("a"), b"From op@x Mon Jan  1 00:00:00 2024\r\nSubject: a\r\n\r\n.\r\nlast")
        .unwrap();
    let maildrop = scene.maildir.open();
    assert_eq!(read(&maildrop, 0).unwrap(), b"Subject: a\n\n.\nlast\n");
}

#[test]
fn a_broken_one_is_passed_over_with_a_warning() {
    let scene = Scene::new(10);
    scene.post("1", "good");
    fs::write(scene.board.join("2"), b"This is no message\n").unwrap();
    fs::write(scene.board.join("3"), vec![b'x'; 1024 * 1024 + 1]).unwrap();
    std::os::unix::fs::symlink("1", scene.board.join("4")).unwrap();
    // Not even looked at.
    fs::create_dir(scene.board.join("5")).unwrap();
    scene.post(".6", "half written");
    scene.post("7~", "an editor's");
    let maildrop = scene.maildir.open();
    assert_eq!(subjects(&maildrop), ["1"]);
    let [warning @ Warning::Bulletins { bulletins: 3, example }] = maildrop.warnings() else {
        panic!("{:?}", maildrop.warnings())
    };
    assert!(warning.to_string().contains("header field"), "{warning}");
    assert_eq!(example.place(), scene.board.join("2"));
    drop(maildrop);
    // Mended before a later one was given, it is given after all.
    scene.post("2", "mended");
    assert_eq!(scene.subjects(), ["1", "2"]);
}

#[test]
fn nothing_about_bulletins_keeps_a_maildrop_from_opening() {
    let scene = Scene::new(10);
    scene.maildir.put("new/1700000001.a", b"Subject: mine\n\n");
    scene.post("1", "x");
    fs::remove_dir_all(&scene.board).unwrap();
    let maildrop = scene.maildir.open();
    assert!(matches!(maildrop.warnings(), [Warning::Bulletins { bulletins: 1, .. }]));
    assert_eq!(subjects(&maildrop), ["mine"]);
    drop(maildrop);
    fs::create_dir(&scene.board).unwrap();
    scene.post("1", "x");
    // What was given cannot be known: nothing is guessed.
    scene.maildir.put("restante.bulletins", b"garbage");
    let maildrop = scene.maildir.open();
    assert!(matches!(maildrop.warnings(), [Warning::Bulletins { .. }]), "{:?}", maildrop.warnings());
    assert_eq!(subjects(&maildrop), ["mine"]);
}

#[test]
fn the_record_is_durable_before_the_message_is_seen() {
    let scene = Scene::new(10);
    scene.maildir.open();
    scene.post("1", "x");
    scene.disk.calls();
    scene.maildir.open();
    let calls = scene.disk.calls();
    let changes: Vec<&str> = calls
        .iter()
        .map(|call| call.split(['.', ' ']).next().unwrap_or_default())
        .zip(&calls)
        .filter(|(verb, _)| !matches!(*verb, "read" | "stat" | "list"))
        .map(|(_, call)| call.as_str())
        .collect();
    let at = |wanted: &str| {
        changes.iter().position(|call| *call == wanted).unwrap_or_else(|| panic!("{wanted}: {changes:?}"))
    };
    let renamed = changes.iter().position(|call| call.starts_with("rename ")).unwrap();
    assert!(at("sync tmp") < at("sync restante.bulletins.new"));
    assert!(at("replace restante.bulletins") < at("sync alice"));
    assert!(at("sync alice") < renamed && renamed < at("sync new"), "{changes:?}");
}

/// Whatever call fails, once or for ever as in a crash: after the next openings each bulletin is there once, and one that
/// its reader removed in between does not come again.
#[test]
fn no_fault_gives_a_bulletin_twice_or_never() {
    for (errno, for_ever) in
        [(Errno::IO, false), (Errno::IO, true), (Errno::NOSPC, false), (Errno::NOSPC, true)]
    {
        for reads_between in [false, true] {
            for nth in 1.. {
                let scene = Scene::new(10);
                scene.maildir.open();
                scene.post("1", "x");
                scene.post("2", "x");
                scene.disk.fail(nth, errno, for_ever);
                let opened = scene.maildir.try_open().is_ok();
                let was_hit = scene.disk.heal();
                assert!(opened || nth == 1, "call {nth}: only the lock itself may fail");
                let mut removed = 0;
                if reads_between {
                    // Another program takes away what it sees.
                    for entry in fs::read_dir(scene.maildir.path.join("new")).unwrap() {
                        fs::remove_file(entry.unwrap().path()).unwrap();
                        removed += 1;
                    }
                }
                let mut left = scene.subjects();
                assert_eq!(scene.subjects(), left, "call {nth}: and so it stays");
                assert_eq!(left.len() + removed, 2, "call {nth}, {removed} removed: {left:?}");
                left.dedup();
                assert_eq!(left.len() + removed, 2, "call {nth}: none twice");
                if !was_hit {
                    assert!(nth > 10, "something was tried");
                    break;
                }
            }
        }
    }
}
