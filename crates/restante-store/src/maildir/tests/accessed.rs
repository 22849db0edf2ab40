//! What LAST needs: the highest message that earlier sessions accessed.

use std::fs;
use std::sync::Arc;

use restante_proto::maildrop::{Accessed, Marks};
use rustix::io::Errno;

use super::fixture::{Fixture, marks, now, run};
use super::trick_disk::TrickDisk;
use crate::maildrop::Maildrop;

fn five() -> Fixture {
    let maildir = Fixture::new();
    put_five(&maildir);
    maildir
}

fn put_five(maildir: &Fixture) {
    (1..=5).for_each(|n| maildir.put(&format!("new/170000000{n}.a"), b"A: b\n\nx\n"));
}

fn last(maildrop: &Maildrop) -> Option<usize> {
    run(maildrop.last_accessed()).unwrap()
}

/// A session that accesses these and ends well.
fn access(maildir: &Fixture, indices: &[usize]) {
    let accessed = Accessed { messages: marks(indices.iter().copied()), starts_anew: false };
    run(maildir.open().keep_accessed(&accessed, &Marks::new())).unwrap();
}

#[test]
fn the_highest_message_accessed_before_is_remembered() {
    let maildir = five();
    assert_eq!(last(&maildir.open()), None);
    access(&maildir, &[1]);
    assert_eq!(last(&maildir.open()), Some(1));
    access(&maildir, &[3, 0]);
    assert_eq!(last(&maildir.open()), Some(3));
    // A lower one does not lower it.
    access(&maildir, &[2]);
    assert_eq!(last(&maildir.open()), Some(3));
    // Nor does the loss of the index.
    fs::remove_file(maildir.index_path()).unwrap();
    assert_eq!(last(&maildir.open()), Some(3));
}

#[test]
fn the_mark_falls_to_the_highest_that_is_left() {
    let maildir = five();
    access(&maildir, &[0, 1, 3]);
    // Another program renames one, removes one, and delivers one that sorts before.
    fs::rename(maildir.path.join("new/1700000002.a"), maildir.path.join("cur/1700000002.a:2,S")).unwrap();
    fs::remove_file(maildir.path.join("new/1700000004.a")).unwrap();
    maildir.put("new/1600000000.z", b"x\n");
    assert_eq!(last(&maildir.open()), Some(2));
    // A session removes the one that the mark is at.
    let mut maildrop = maildir.open();
    let (accessed, removed) = (Accessed { messages: marks([2]), starts_anew: false }, marks([2]));
    run(maildrop.remove(&removed, now())).unwrap();
    run(maildrop.keep_accessed(&accessed, &removed)).unwrap();
    drop(maildrop);
    assert_eq!(last(&maildir.open()), Some(1));
    fs::remove_file(maildir.path.join("new/1700000001.a")).unwrap();
    assert_eq!(last(&maildir.open()), None);
}

#[test]
fn a_session_that_started_anew_forgets_the_earlier_ones() {
    let maildir = five();
    access(&maildir, &[4]);
    let anew = |messages| Accessed { messages, starts_anew: true };
    run(maildir.open().keep_accessed(&anew(marks([1])), &Marks::new())).unwrap();
    assert_eq!(last(&maildir.open()), Some(1));
    run(maildir.open().keep_accessed(&anew(Marks::new()), &Marks::new())).unwrap();
    assert_eq!(last(&maildir.open()), None);
    assert!(!maildir.path.join("restante.accessed").exists(), "nothing is remembered in no file");
}

#[test]
fn a_session_that_accessed_nothing_new_writes_nothing() {
    let disk = TrickDisk::settled();
    let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
    put_five(&maildir);
    access(&maildir, &[1, 2]);
    let mut maildrop = maildir.open();
    disk.calls();
    let again = Accessed { messages: marks([2]), starts_anew: false };
    run(maildrop.keep_accessed(&again, &Marks::new())).unwrap();
    assert_eq!(disk.calls(), ["read restante.accessed"]);
    run(maildrop.keep_accessed(&Accessed::default(), &Marks::new())).unwrap();
    assert!(disk.calls().is_empty());
    // Retrieved and removed in one session: nothing is left to remember.
    let (accessed, removed) = (Accessed { messages: marks([4]), starts_anew: false }, marks([4]));
    run(maildrop.keep_accessed(&accessed, &removed)).unwrap();
    assert_eq!(disk.calls(), ["read restante.accessed"]);
}

#[test]
fn damage_is_told_and_mended_by_the_next_session() {
    let maildir = five();
    access(&maildir, &[3]);
    let file = maildir.path.join("restante.accessed");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let error = run(maildir.open().last_accessed()).unwrap_err();
    assert!(error.to_string().contains("restante.accessed"), "{error}");
    access(&maildir, &[1]);
    assert_eq!(last(&maildir.open()), Some(1));
}

#[test]
fn a_crash_leaves_what_was_remembered_before_or_after() {
    for nth in 1.. {
        let disk = TrickDisk::settled();
        let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
        put_five(&maildir);
        access(&maildir, &[1]);
        let mut maildrop = maildir.open();
        disk.fail(nth, Errno::IO, true);
        let accessed = Accessed { messages: marks([3]), starts_anew: false };
        let result = run(maildrop.keep_accessed(&accessed, &Marks::new()));
        let was_hit = disk.heal();
        drop(maildrop);
        let last = last(&maildir.open());
        assert!(matches!(last, Some(1 | 3)), "call {nth}: {last:?}");
        assert!(result.is_err() || last == Some(3), "call {nth}: {result:?}");
        if !was_hit {
            assert!(result.is_ok() && nth > 4, "call {nth}");
            return;
        }
    }
}
