//! The guard against retrieving everything again: when it must keep still, and when it must not.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use restante_proto::maildrop::{Marks, UniqueId};
use rustix::io::Errno;

use super::fixture::{Fixture, marks, now, run};
use super::trick_disk::TrickDisk;
use crate::disk::LocalDisk;
use crate::maildrop::{Maildrop, OpenError, Warning};
use crate::unique_id::Override;
use crate::{Location, Store};

/// A guarded store, on a disk whose stamps are settled at once so that an unchanged maildrop counts as one.
fn guarded() -> Fixture {
    let mut maildir = Fixture::on(Arc::new(TrickDisk::settled()), |_| ());
    let folder = maildir.root().join("state/shown");
    maildir.store = maildir.store.clone().guarded(Arc::new(LocalDisk), folder);
    maildir
}

fn name(number: usize) -> String {
    format!("17{number:08}.M1P1.host")
}

/// No two have the same Message-ID; many have the same octets.
fn text(number: usize) -> String {
    format!("Message-ID: <{number:06}@x>\nSubject: a\n\n{}\n", "y".repeat(number % 7))
}

fn put(maildir: &Fixture, numbers: impl IntoIterator<Item = usize>) {
    numbers.into_iter().for_each(|number| put_as(maildir, &name(number), number));
}

fn put_as(maildir: &Fixture, name: &str, number: usize) {
    maildir.put(&format!("new/{name}"), text(number).as_bytes());
}

fn clear(maildir: &Fixture, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        fs::remove_file(maildir.path.join("new").join(name(number))).unwrap();
    }
}

/// The same messages under other names, as a tool that copies gives them.
fn rename(maildir: &Fixture, numbers: impl IntoIterator<Item = usize>) {
    let folder = maildir.path.join("new");
    for number in numbers {
        fs::rename(folder.join(name(number)), folder.join(format!("{number}_restored"))).unwrap();
    }
}

fn try_open(maildir: &Fixture) -> Result<Maildrop, OpenError> {
    open_in(&maildir.store, &maildir.path)
}

fn open_in(store: &Store, path: &Path) -> Result<Maildrop, OpenError> {
    run(store.open_for(&Location::Maildir(path.to_owned()), "alice", now()))
}

/// One session that ends with QUIT; says how many messages it showed.
fn session(maildir: &Fixture) -> usize {
    let mut maildrop = try_open(maildir).unwrap();
    assert!(maildrop.warnings().is_empty(), "{:?}", maildrop.warnings());
    run(maildrop.keep_shown(&Marks::new())).unwrap();
    maildrop.listing().len()
}

/// The same with DELE of some of them.
fn delete(maildir: &Fixture, indices: impl IntoIterator<Item = usize>) {
    let mut maildrop = try_open(maildir).unwrap();
    let marks = marks(indices);
    run(maildrop.remove(&marks, now())).unwrap();
    run(maildrop.keep_shown(&marks)).unwrap();
}

fn why(maildir: &Fixture) -> String {
    match try_open(maildir) {
        Err(OpenError::Guarded(guarded)) => guarded.to_string(),
        other => panic!("not guarded: {other:?}"),
    }
}

fn verdict(maildir: &Fixture) -> Option<String> {
    let verdict = run(maildir.store.guard_of(&maildir.location(), "alice")).unwrap();
    verdict.map(|guarded| guarded.to_string())
}

fn accept(maildir: &Fixture) {
    assert!(run(maildir.store.accept(&maildir.location(), "alice")).unwrap().is_some());
    assert_eq!(verdict(maildir), None);
}

/// The files that the guard keeps.
fn memories(maildir: &Fixture) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for shard in fs::read_dir(maildir.root().join("state/shown")).into_iter().flatten() {
        files.extend(fs::read_dir(shard.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
    }
    files
}

#[test]
fn what_comes_back_under_other_names_is_not_shown_until_it_is_accepted() {
    for messages in [8, 20, 64, 65, 500] {
        let maildir = guarded();
        put(&maildir, 0..messages);
        assert_eq!(session(&maildir), messages);
        rename(&maildir, 0..messages);
        let said = why(&maildir);
        assert!(
            said.contains("_restored") && said.contains(&format!("it had {messages} messages")),
            "{said}"
        );
        // Also when the folders have not changed since, and the index is up to date.
        for _ in 0..3 {
            assert_eq!(why(&maildir), said, "{messages}");
        }
        assert_eq!(verdict(&maildir), Some(said));
        // Mail comes in meanwhile, and a look from outside is not refused.
        maildir.deliver(b"Subject: more\r\n\r\n");
        let inspection = run(maildir.store.inspect(&maildir.location(), now())).unwrap();
        assert_eq!(inspection.listing().len(), messages + 1);
        why(&maildir);
        accept(&maildir);
        assert_eq!(session(&maildir), messages + 1);
        assert_eq!(session(&maildir), messages + 1);
        assert_eq!(memories(&maildir).len(), 1);
    }
}

#[test]
fn a_maildrop_that_is_put_right_opens_again() {
    let maildir = guarded();
    put(&maildir, 0..100);
    session(&maildir);
    rename(&maildir, 0..100);
    why(&maildir);
    for number in 0..100 {
        let folder = maildir.path.join("new");
        fs::rename(folder.join(format!("{number}_restored")), folder.join(name(number))).unwrap();
    }
    assert_eq!(session(&maildir), 100);
    assert_eq!(verdict(&maildir), None);
    assert_eq!(memories(&maildir).len(), 1);
}

#[test]
fn messages_that_are_delivered_again_are_known_by_their_header() {
    let maildir = guarded();
    put(&maildir, 0..100);
    session(&maildir);
    clear(&maildir, 0..100);
    for number in 0..100 {
        let again = format!("Return-Path: <a@b>\nReceived: from c by d; Mon\n{}", text(number));
        maildir.deliver(again.replace('\n', "\r\n").as_bytes());
    }
    why(&maildir);
}

#[test]
fn most_is_enough() {
    let maildir = guarded();
    put(&maildir, 0..60);
    session(&maildir);
    rename(&maildir, 0..29);
    assert_eq!(session(&maildir), 60, "less than half");
    put(&maildir, 100..106);
    rename(&maildir, 29..60);
    // What was shown last were 29 under new names and 31 under old ones.
    why(&maildir);
}

#[test]
fn lost_unique_ids_of_another_server_are_noticed() {
    let maildir = guarded();
    put(&maildir, 0..100);
    let unique_id = |number| UniqueId::parse(format!("UID{number}-7").as_bytes()).unwrap();
    let given = |number| Override {
        base_name: name(number).into_bytes(),
        unique_id: unique_id(number),
        order: Some(number as u64),
    };
    run(maildir.store.set_unique_ids(&maildir.location(), (0..100).map(given).collect(), now())).unwrap();
    session(&maildir);
    let overrides = maildir.path.join("restante.unique-ids");
    let kept = fs::read(&overrides).unwrap();
    fs::remove_file(&overrides).unwrap();
    assert_eq!(session(&maildir), 100, "the index still knows them");
    fs::remove_file(maildir.index_path()).unwrap();
    let said = why(&maildir);
    assert!(said.contains("restante.unique-ids"), "{said}");
    // Put back, with the index that holds the wrong ones removed.
    fs::write(&overrides, kept).unwrap();
    fs::remove_file(maildir.index_path()).unwrap();
    assert_eq!(session(&maildir), 100);
    // Replaced by those of another import.
    fs::remove_file(&overrides).unwrap();
    let given = |number| Override { unique_id: unique_id(number + 500), ..given(number) };
    run(maildir.store.set_unique_ids(&maildir.location(), (0..100).map(given).collect(), now())).unwrap();
    why(&maildir);
}

#[test]
fn another_place_in_the_accounts_stead_is_noticed() {
    let maildir = guarded();
    put(&maildir, 0..30);
    session(&maildir);
    let other = maildir.root().join("other");
    for name in ["tmp", "new", "cur"] {
        fs::create_dir_all(other.join(name)).unwrap();
    }
    // Empty, and unchanged since another session looked at it.
    run(maildir.store.open(&Location::Maildir(other.clone()), now())).unwrap();
    run(maildir.store.open(&Location::Maildir(other.clone()), now())).unwrap();
    for _ in 0..2 {
        let error = open_in(&maildir.store, &other).unwrap_err();
        assert!(matches!(&error, OpenError::Guarded(why) if why.to_string().contains("alice")), "{error}");
    }
    // Taken back: nothing to accept.
    assert_eq!(session(&maildir), 30);
    // Moved there with its names: the same maildrop.
    fs::remove_dir_all(&other).unwrap();
    fs::rename(&maildir.path, &other).unwrap();
    let mut maildrop = open_in(&maildir.store, &other).unwrap();
    run(maildrop.keep_shown(&Marks::new())).unwrap();
    assert_eq!(memories(&maildir).len(), 1);
    // A new folder in its place is a mistake again.
    drop(maildrop);
    assert!(matches!(try_open(&maildir), Err(OpenError::Guarded(_))));
}

#[test]
fn no_false_alarm_for_what_users_and_programs_do() {
    // A thousand come in.
    let maildir = guarded();
    assert_eq!(session(&maildir), 0);
    put(&maildir, 0..100);
    assert_eq!(session(&maildir), 100);
    put(&maildir, 100..1100);
    assert_eq!(session(&maildir), 1100);
    // Most move out.
    clear(&maildir, 0..900);
    assert_eq!(session(&maildir), 200);
    // All goes, and as much new mail comes, of the same octets.
    clear(&maildir, 900..1100);
    put(&maildir, 2000..2200);
    assert_eq!(session(&maildir), 200);
    // Emptied.
    clear(&maildir, 2000..2200);
    assert_eq!(session(&maildir), 0);
    put(&maildir, 3000..3010);
    assert_eq!(session(&maildir), 10);
    // The second copies of everything go.
    let maildir = guarded();
    put(&maildir, 0..300);
    (0..300).for_each(|number| put_as(&maildir, &format!("{number}_copy"), number));
    assert_eq!(session(&maildir), 600);
    clear(&maildir, 0..300);
    put(&maildir, 700..710);
    assert_eq!(session(&maildir), 310);
}

#[test]
fn what_was_deleted_may_come_back_as_new() {
    let maildir = guarded();
    put(&maildir, 0..100);
    session(&maildir);
    delete(&maildir, 0..90);
    (0..90).for_each(|number| put_as(&maildir, &format!("{number}_undeleted"), number));
    assert_eq!(session(&maildir), 100);
}

#[test]
fn robots_that_say_nothing_of_themselves_raise_no_alarm() {
    let maildir = guarded();
    let report = b"Subject: report\n\nall is well\n";
    (0..100).for_each(|number| maildir.put(&format!("new/{}", name(number)), report));
    session(&maildir);
    clear(&maildir, 0..100);
    (200..300).for_each(|number| maildir.put(&format!("new/{}", name(number)), report));
    assert_eq!(session(&maildir), 100);
}

#[test]
fn a_damaged_or_missing_memory_guards_nothing_and_is_made_anew() {
    for damage in [true, false] {
        let maildir = guarded();
        put(&maildir, 0..50);
        session(&maildir);
        let [memory] = memories(&maildir).try_into().unwrap();
        if damage {
            fs::write(&memory, b"damaged").unwrap()
        } else {
            fs::remove_file(&memory).unwrap()
        }
        rename(&maildir, 0..50);
        assert_eq!(session(&maildir), 50);
        fs::remove_file(maildir.index_path()).unwrap();
        (0..50).for_each(|number| {
            let folder = maildir.path.join("new");
            fs::rename(folder.join(format!("{number}_restored")), folder.join(name(number))).unwrap();
        });
        why(&maildir);
    }
}

#[test]
fn a_memory_that_cannot_be_kept_stops_nobody() {
    let maildir = guarded();
    put(&maildir, 0..50);
    fs::create_dir(maildir.root().join("state")).unwrap();
    fs::write(maildir.root().join("state/shown"), b"no folder").unwrap();
    let mut maildrop = try_open(&maildir).unwrap();
    assert!(matches!(maildrop.warnings(), [Warning::Guard(_)]), "{:?}", maildrop.warnings());
    run(maildrop.keep_shown(&Marks::new())).unwrap_err();
}

#[test]
fn an_alarm_that_cannot_be_kept_is_an_error_all_the_same() {
    for nth in 1.. {
        let disk = TrickDisk::settled();
        let mut maildir = Fixture::on(Arc::new(TrickDisk::settled()), |_| ());
        let folder = maildir.root().join("state/shown");
        maildir.store = maildir.store.clone().guarded(Arc::new(disk.clone()), folder);
        put(&maildir, 0..50);
        session(&maildir);
        rename(&maildir, 0..50);
        disk.fail(nth, Errno::NOSPC, true);
        let error = try_open(&maildir).unwrap_err();
        let was_hit = disk.heal();
        // The first change gives the memory another name, for which there is room on a full disk.
        assert_eq!(matches!(error, OpenError::Temporary(_)), nth == 1, "call {nth}: {error}");
        if nth > 1 {
            let reason = verdict(&maildir).unwrap();
            assert!(was_hit == reason.contains("the log") || reason.contains("_restored"), "{nth}: {reason}");
            why(&maildir);
            assert!(verdict(&maildir).unwrap().contains("_restored"));
        }
        if !was_hit {
            break;
        }
    }
}

#[test]
fn an_unchanged_maildrop_is_looked_at_once() {
    let disk = TrickDisk::settled();
    let mut maildir = Fixture::on(Arc::new(TrickDisk::settled()), |_| ());
    let folder = maildir.root().join("state/shown");
    maildir.store = maildir.store.clone().guarded(Arc::new(disk.clone()), folder);
    put(&maildir, 0..50);
    session(&maildir);
    session(&maildir);
    disk.calls();
    assert_eq!(session(&maildir), 50);
    let calls = disk.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
}
