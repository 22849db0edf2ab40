//! Other programs at work in the same Maildir.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::fixture::{Fixture, read, run, shown};
use super::trick_disk::TrickDisk;
use crate::maildrop::MessageError;

fn rename(maildir: &Fixture, from: &str, to: &str) {
    fs::rename(maildir.path.join(from), maildir.path.join(to)).unwrap();
}

#[test]
fn r1939_7_13_a_message_keeps_its_unique_id_wherever_it_goes() {
    let maildir = Fixture::on(Arc::new(TrickDisk::settled()), |_| ());
    maildir.put("new/1700000001.a", b"a\n");
    maildir.put("new/1700000002.b", b"b\n");
    let expected = maildir.shown();
    let steps = [
        ("new/1700000001.a", "cur/1700000001.a:2,"),
        ("cur/1700000001.a:2,", "cur/1700000001.a:2,S"),
        ("new/1700000002.b", "cur/1700000002.b:2,F"),
        ("cur/1700000001.a:2,S", "new/1700000001.a"),
    ];
    for (from, to) in steps {
        rename(&maildir, from, to);
        for _ in 0..2 {
            let maildrop = maildir.open();
            assert_eq!(shown(maildrop.listing()), expected);
            assert_eq!(read(&maildrop, 0).unwrap(), b"a\n");
            assert_eq!(read(&maildrop, 1).unwrap(), b"b\n");
        }
    }
}

#[test]
fn a_message_renamed_during_the_session_is_found() {
    for is_cold in [false, true] {
        let disk = TrickDisk::settled();
        let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
        (0..10).for_each(|n| maildir.put(&format!("new/170000000{n}.a"), format!("{n}\n").as_bytes()));
        let maildrop = maildir.open();
        if is_cold {
            disk.set_cold();
        }
        (0..10).for_each(|n| {
            rename(&maildir, &format!("new/170000000{n}.a"), &format!("cur/170000000{n}.a:2,S"))
        });
        disk.calls();
        for n in 0..10 {
            assert_eq!(read(&maildrop, n).unwrap(), format!("{n}\n").as_bytes());
        }
        let lists = disk.calls().iter().filter(|call| call.starts_with("list")).count();
        assert_eq!(lists, 2, "both folders once, not once a message");
        rename(&maildir, "cur/1700000003.a:2,S", "cur/1700000003.a:2,RS");
        assert_eq!(read(&maildrop, 3).unwrap(), b"3\n");
    }
}

#[test]
fn a_message_removed_during_the_session_is_an_error_and_the_session_goes_on() {
    let maildir = Fixture::new();
    maildir.put("new/1700000001.a", b"a\n");
    maildir.put("new/1700000002.b", b"b\n");
    let mut maildrop = maildir.open();
    fs::remove_file(maildir.path.join("new/1700000001.a")).unwrap();
    assert!(matches!(read(&maildrop, 0).unwrap_err(), MessageError::Vanished));
    assert!(matches!(read(&maildrop, 2).unwrap_err(), MessageError::NoSuchMessage));
    assert_eq!(read(&maildrop, 1).unwrap(), b"b\n");
    let removed = maildir.remove(&mut maildrop, [0, 1]);
    assert_eq!((removed.messages, removed.vanished), (2, 1));
    drop(maildrop);
    assert!(maildir.shown().is_empty());
}

#[test]
fn r1939_5_19_a_message_that_was_changed_is_refused_and_shown_as_it_is_next_time() {
    let disk = TrickDisk::settled();
    let maildir = Fixture::on(Arc::new(disk), |_| ());
    maildir.put("new/1700000001.a", b"first\n");
    let maildrop = maildir.open();
    maildir.put("new/1700000001.a", b"second\n");
    assert!(matches!(read(&maildrop, 0).unwrap_err(), MessageError::Changed));
    drop(maildrop);
    // The folder has not changed, only the file in it.
    let maildrop = maildir.open();
    assert_eq!(shown(maildrop.listing()), [("1700000001.a".to_owned(), 8)]);
    assert_eq!(read(&maildrop, 0).unwrap(), b"second\n");
}

#[test]
fn a_message_with_the_same_octets_and_another_time_is_served() {
    let maildir = Fixture::new();
    maildir.put("new/1700000001.a", b"first\n");
    let maildrop = maildir.open();
    // As a restored backup has it: LF became CRLF too.
    maildir.put("new/1700000001.a", b"first\r\n");
    assert_eq!(read(&maildrop, 0).unwrap(), b"first\r\n");
}

#[test]
fn a_message_that_shrinks_or_grows_while_it_is_read_is_noticed() {
    for is_cold in [false, true] {
        for length in [50_000, 150_000] {
            let disk = TrickDisk::default();
            let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
            if is_cold {
                disk.set_cold();
            }
            maildir.put("new/1700000001.a", &vec![b'x'; 100_000]);
            let maildrop = maildir.open();
            let result = run(async {
                let mut message = maildrop.message(0).await.unwrap();
                let mut octets = Vec::new();
                message.read(&mut octets, 65_536).await.unwrap();
                let file =
                    fs::OpenOptions::new().write(true).open(maildir.path.join("new/1700000001.a")).unwrap();
                file.set_len(length).unwrap();
                while message.read(&mut octets, 65_536).await? > 0 {}
                Ok::<_, MessageError>(octets.len())
            });
            assert!(matches!(result, Err(MessageError::Changed)), "{length}: {result:?}");
        }
    }
}

#[test]
fn two_files_of_one_message_are_one_message_and_go_together() {
    let maildir = Fixture::on(Arc::new(TrickDisk::settled()), |_| ());
    maildir.put("new/1700000001.a", b"a\n");
    maildir.put("cur/1700000001.a:2,S", b"a\n");
    maildir.put("new/1700000002.b", b"b\n");
    for _ in 0..2 {
        assert_eq!(maildir.unique_ids(), ["1700000001.a", "1700000002.b"]);
    }
    let mut maildrop = maildir.open();
    assert_eq!(maildir.remove(&mut maildrop, [0]).messages, 1);
    drop(maildrop);
    assert_eq!(maildir.unique_ids(), ["1700000002.b"]);
    assert_eq!(maildir.files().len(), 1);
}

#[test]
fn removing_finds_messages_that_were_renamed() {
    let maildir = Fixture::new();
    (0..4).for_each(|n| maildir.put(&format!("new/170000000{n}.a"), b"x\n"));
    let mut maildrop = maildir.open();
    rename(&maildir, "new/1700000001.a", "cur/1700000001.a:2,S");
    rename(&maildir, "new/1700000003.a", "cur/1700000003.a:2,S");
    let removed = maildir.remove(&mut maildrop, [1, 2]);
    assert_eq!((removed.messages, removed.vanished), (2, 0));
    drop(maildrop);
    assert_eq!(maildir.unique_ids(), ["1700000000.a", "1700000003.a"]);
}

#[test]
fn r1939_4_9_new_mail_does_not_change_an_open_maildrop() {
    let maildir = Fixture::new();
    maildir.put("new/1700000002.b", b"b\n");
    let mut maildrop = maildir.open();
    maildir.put("new/1700000001.a", b"a\n");
    let delivered = maildir.deliver(b"c\r\n");
    assert_eq!(maildrop.listing().len(), 1);
    maildir.remove(&mut maildrop, [0]);
    drop(maildrop);
    assert_eq!(maildir.unique_ids(), ["1700000001.a".to_owned(), delivered]);
}

#[test]
fn a_busy_mail_reader_never_makes_a_message_disappear() {
    let maildir = Fixture::on(Arc::new(TrickDisk::default()), |_| ());
    let names: Vec<String> = (0..60).map(|n| format!("17000000{n:02}.a")).collect();
    names.iter().for_each(|name| maildir.put(&format!("new/{name}"), b"x\n"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            let mut places: Vec<String> = names.iter().map(|name| format!("new/{name}")).collect();
            while !stop.load(Ordering::Relaxed) {
                round += 1;
                for (name, place) in names.iter().zip(&mut places) {
                    let next = format!("cur/{name}:2,{}", ["S", "", "FS", "R"][round % 4]);
                    rename(&maildir, place, &next);
                    *place = next;
                }
            }
        });
        let mut complete = 0;
        for round in 0..50 {
            let shown = maildir.unique_ids();
            if round > 0 {
                assert!(shown.iter().all(|name| names.contains(name)));
                complete += usize::from(shown.len() == names.len());
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(complete >= 45, "only {complete} of 49 looks showed every message");
    });
    assert_eq!(maildir.unique_ids(), names);
}

#[test]
fn a_list_that_misses_a_message_once_does_not_make_it_disappear() {
    let disk = TrickDisk::settled();
    let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
    maildir.put("new/1700000001.a", b"a\n");
    maildir.put("new/1700000002.b", b"b\n");
    let expected = maildir.shown();
    maildir.put("new/1700000003.c", b"c\n");
    disk.hide("1700000001.a", 1);
    let shown = maildir.shown();
    assert_eq!(shown[..2], expected);
    // And a removal does not take it for removed.
    let mut maildrop = maildir.open();
    rename(&maildir, "new/1700000001.a", "cur/1700000001.a:2,S");
    disk.hide("1700000001.a:2,S", 1);
    let removed = maildir.remove(&mut maildrop, [0]);
    assert_eq!((removed.messages, removed.vanished), (1, 0));
    drop(maildrop);
    assert_eq!(maildir.unique_ids(), ["1700000002.b", "1700000003.c"]);
}
