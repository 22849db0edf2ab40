//! Every call that changes something fails once, or all fail from there on as in a crash: nothing acknowledged is lost,
//! nothing unmarked is removed, nothing half done is seen.

use std::fs;
use std::sync::Arc;

use rustix::io::Errno;

use super::fixture::{Fixture, files, marks, now, read, run, shown};
use super::trick_disk::TrickDisk;
use crate::delivery::DeliveryError;
use crate::maildrop::{RemoveError, Removed, Warning};

/// When a call fails: once, or for ever as if the machine had stopped there.
const ONCE: bool = false;
const FOR_EVER: bool = true;

/// Prepares a maildrop, acts on it with the first changing call failing, and checks; then with the second, until none
/// is left to fail.
fn each_call<T>(
    (errno, for_ever): (Errno, bool),
    prepare: impl Fn(&Fixture),
    act: impl Fn(&Fixture) -> T,
    check: impl Fn(&Fixture, T, usize),
) {
    for nth in 1.. {
        let disk = TrickDisk::settled();
        let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
        prepare(&maildir);
        disk.fail(nth, errno, for_ever);
        let result = act(&maildir);
        let was_hit = disk.heal();
        check(&maildir, result, nth);
        if !was_hit {
            assert!(nth > 2, "something was tried");
            return;
        }
    }
}

const LINE: &[u8] = b"0123456789\r\n";

#[test]
fn a_full_disk_at_delivery_leaves_nothing_behind() {
    for errno in [Errno::NOSPC, Errno::DQUOT, Errno::IO] {
        for lines in [1, 20_000] {
            let act = |maildir: &Fixture| maildir.deliver_to(&LINE.repeat(lines), &["alice", "bob"]);
            each_call(
                (errno, ONCE),
                |_| (),
                act,
                |maildir, results, nth| {
                    let names = ["alice", "bob"];
                    for (name, result) in names.iter().zip(&results) {
                        let files = files(&maildir.root().join(name));
                        match result {
                            Ok(unique_id) => {
                                assert_eq!(
                                    files.keys().collect::<Vec<_>>(),
                                    [&format!("new/{unique_id}")],
                                    "call {nth}"
                                );
                                assert!(
                                    files.values().all(|contents| contents.len() == 11 * lines),
                                    "call {nth}"
                                );
                            }
                            Err(error) => {
                                assert!(files.is_empty(), "call {nth}: {files:?}");
                                assert!(error.is_temporary());
                                assert_eq!(
                                    matches!(error, DeliveryError::NoSpace(_)),
                                    errno != Errno::IO,
                                    "{error}"
                                );
                            }
                        }
                    }
                    let failed = results.iter().filter(|result| result.is_err()).count();
                    assert!(
                        lines > 1 || failed <= 1,
                        "call {nth}: one failure spoils one recipient of a small message"
                    );
                },
            );
        }
    }
}

#[test]
fn a_crash_at_delivery_loses_nothing_that_was_acknowledged() {
    for lines in [1, 20_000] {
        let act = |maildir: &Fixture| maildir.deliver_to(&LINE.repeat(lines), &["alice", "alice"]);
        let prepare = |maildir: &Fixture| {
            maildir.put("new/1700000001.a", b"before\n");
            maildir.open();
        };
        each_call((Errno::IO, FOR_EVER), prepare, act, |maildir, results, nth| {
            let maildrop = maildir.open();
            let shown = shown(maildrop.listing());
            let acknowledged = results.iter().flatten().count();
            assert!(shown.len() > acknowledged && shown.len() <= 3, "call {nth}");
            for unique_id in results.iter().flatten() {
                assert!(shown.iter().any(|(shown, _)| shown == unique_id), "call {nth}: {unique_id} is lost");
            }
            for index in 1..shown.len() {
                // Visible is only what is whole.
                assert_eq!(read(&maildrop, index).unwrap().len(), 11 * lines, "call {nth}");
            }
        });
    }
}

#[test]
fn a_session_does_not_need_the_disk_to_be_writable() {
    for (errno, for_ever) in [(Errno::NOSPC, ONCE), (Errno::NOSPC, FOR_EVER), (Errno::ROFS, FOR_EVER)] {
        let prepare = |maildir: &Fixture| {
            maildir.put("new/1700000001.a", b"a\n");
            maildir.open();
            maildir.put("new/1700000002.b", b"b\n");
        };
        let act = |maildir: &Fixture| {
            maildir.try_open().map(|maildrop| {
                assert!(maildrop.warnings().iter().all(|warning| matches!(warning, Warning::Index(_))));
                assert_eq!(read(&maildrop, 1).unwrap(), b"b\n");
                shown(maildrop.listing())
            })
        };
        each_call((errno, for_ever), prepare, act, |maildir, result, nth| {
            let expected = [("1700000001.a".to_owned(), 3), ("1700000002.b".to_owned(), 3)];
            match result {
                Ok(shown) => assert_eq!(shown, expected, "call {nth}"),
                // The lock's own file could not be had.
                Err(error) => assert!(nth == 1 && error.is_temporary(), "call {nth}: {error}"),
            }
            assert_eq!(maildir.shown(), expected);
            fs::remove_file(maildir.index_path()).unwrap();
            assert_eq!(maildir.shown(), expected);
        });
    }
}

fn six(maildir: &Fixture) {
    (1..=6).for_each(|n| maildir.put(&format!("new/170000000{n}.a"), b"x\n"));
    fs::rename(maildir.path.join("new/1700000002.a"), maildir.path.join("cur/1700000002.a:2,S")).unwrap();
    maildir.open();
}

/// Opens with a whole disk, then removes three of six with one that fails.
fn remove_three(
    maildir: &Fixture,
    disk: &TrickDisk,
    nth: usize,
    fault: (Errno, bool),
) -> Result<Removed, RemoveError> {
    let mut maildrop = maildir.open();
    disk.fail(nth, fault.0, fault.1);
    run(maildrop.remove(&marks([1, 2, 4]), now()))
}

#[test]
fn r1939_6_3_a_failing_removal_never_touches_another_message() {
    for (errno, for_ever) in
        [(Errno::IO, ONCE), (Errno::ACCESS, ONCE), (Errno::IO, FOR_EVER), (Errno::NOSPC, ONCE)]
    {
        for nth in 1.. {
            let disk = TrickDisk::settled();
            let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
            six(&maildir);
            let result = remove_three(&maildir, &disk, nth, (errno, for_ever));
            let was_hit = disk.heal();
            let left = maildir.unique_ids();
            for kept in ["1700000001.a", "1700000004.a", "1700000006.a"] {
                assert!(left.iter().any(|unique_id| unique_id == kept), "call {nth}: {kept} is gone");
            }
            match &result {
                // R1939-6.1
                Ok(removed) => {
                    assert_eq!((removed.messages, left.len()), (3, 3), "call {nth}");
                    assert!(removed.warnings.iter().all(|warning| matches!(warning, Warning::Index(_))));
                }
                // R1939-6.4
                Err(error) => {
                    assert!(error.left > 0 && error.removed + error.left == 3, "call {nth}: {error:?}")
                }
            }
            if for_ever {
                // After a crash and recovery the removal has happened whole or not at all.
                assert!(matches!(left.len(), 3 | 6), "call {nth}: {left:?}");
            }
            assert_eq!(maildir.unique_ids(), left, "call {nth}: and so it stays");
            if !was_hit {
                assert!(result.is_ok() && nth > 5);
                break;
            }
        }
    }
}

#[test]
fn a_removal_works_on_a_full_disk() {
    let disk = TrickDisk::settled();
    let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
    six(&maildir);
    let mut maildrop = maildir.open();
    // The record cannot be written; everything after it can.
    disk.fail(1, Errno::NOSPC, ONCE);
    let removed = maildir.remove(&mut maildrop, [0, 1, 2]);
    assert_eq!(removed.messages, 3);
    assert!(matches!(removed.warnings.as_slice(), [Warning::Index(failure)] if failure.is_no_space()));
    drop(maildrop);
    assert_eq!(maildir.unique_ids().len(), 3);
}

#[test]
fn an_interrupted_removal_that_resists_is_listed_again() {
    let disk = TrickDisk::settled();
    let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
    six(&maildir);
    // The record is made and synced, then nothing works any more.
    assert!(remove_three(&maildir, &disk, 3, (Errno::IO, FOR_EVER)).is_err());
    disk.heal();
    // At the next opening: the lock's file, its clock, and the first file of the removal.
    disk.fail(3, Errno::ACCESS, ONCE);
    let maildrop = maildir.open();
    disk.heal();
    assert!(
        matches!(maildrop.warnings(), [Warning::Removal { messages: 1, .. }]),
        "{:?}",
        maildrop.warnings()
    );
    assert_eq!(maildrop.listing().len(), 4);
    drop(maildrop);
    assert_eq!(maildir.unique_ids().len(), 4, "it is tried once");
}

#[test]
fn a_removal_is_recorded_before_and_synced_after() {
    let disk = TrickDisk::settled();
    let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
    six(&maildir);
    let mut maildrop = maildir.open();
    disk.calls();
    maildir.remove(&mut maildrop, [1, 2]);
    let expected = [
        "open restante.index",
        "append restante.index",
        "sync restante.index",
        // Nobody counts here.
        "open maildirsize",
        "unlink 1700000002.a:2,S",
        "unlink 1700000003.a",
        "sync cur",
        "sync new",
        "open restante.index",
        "append restante.index",
    ];
    assert_eq!(disk.calls(), expected);
    // One removal is whole by itself.
    maildir.remove(&mut maildrop, [0]);
    assert_eq!(
        disk.calls(),
        [
            "open maildirsize",
            "unlink 1700000001.a",
            "sync new",
            "open restante.index",
            "append restante.index"
        ]
    );
}

#[test]
fn a_new_index_is_synced_before_it_takes_the_place_of_the_old() {
    let disk = TrickDisk::settled();
    let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
    maildir.put("new/1700000001.a", b"x\n");
    maildir.open();
    let calls = disk.calls();
    let written: Vec<_> = calls.iter().filter(|call| call.contains("index")).map(String::as_str).collect();
    let expected = [
        "read restante.index",
        "unlink restante.index.new",
        "create restante.index.new",
        "append restante.index.new",
        "sync restante.index.new",
        "replace restante.index",
        // The session goes on with the new file.
        "read restante.index",
    ];
    assert_eq!(written, expected);
}
