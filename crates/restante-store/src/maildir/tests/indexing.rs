//! The index: what it saves, and that nothing wrong with it changes what is shown.

use std::fs;
use std::sync::Arc;

use super::super::{Maildirs, Settings, session};
use super::fixture::{Fixture, Shown, marks, now, read, run, shown};
use super::trick_disk::{Clock, TrickDisk};

/// A few messages of every kind that the index tells apart.
fn filled(disk: &TrickDisk) -> Fixture {
    let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
    maildir.put("cur/1700000001.a:2,S", b"A: b\n\nc\n");
    maildir.put("new/1700000002.b", b"A: b\r\n\r\n.c\r\n");
    maildir.put("new/no time", b"x");
    maildir.put("cur/1700000001.0:2,", b"");
    maildir
}

fn messages(maildir: &Fixture) -> (Shown, Vec<Vec<u8>>) {
    let maildrop = maildir.open();
    let contents = (0..maildrop.listing().len()).map(|index| read(&maildrop, index).unwrap()).collect();
    (shown(maildrop.listing()), contents)
}

#[test]
fn an_unchanged_maildrop_is_not_looked_into() {
    let disk = TrickDisk::settled();
    let maildir = filled(&disk);
    maildir.open();
    disk.calls();
    assert_eq!(maildir.open().listing().len(), 4);
    let locks = ["create restante.lock", "stat dovecot-pop3-session.lock"];
    let looks = ["read restante.index", "stat new", "stat cur"];
    assert_eq!(disk.calls(), [&locks[..], &looks].concat());
}

#[test]
fn only_a_changed_folder_is_listed_and_only_new_messages_are_read() {
    let disk = TrickDisk::settled();
    let maildir = filled(&disk);
    maildir.open();
    maildir.put("new/1700000003.c", b"new\n");
    disk.calls();
    assert_eq!(maildir.open().listing().len(), 5);
    let calls = disk.calls();
    let looked: Vec<_> =
        calls.iter().filter(|call| call.starts_with("list") || call.starts_with("read 17")).collect();
    assert_eq!(looked, ["list new", "read 1700000003.c", "list tmp"]);
    maildir.open();
    assert_eq!(disk.calls().len(), 5);
}

#[test]
fn a_delivered_message_is_not_read_again() {
    let disk = TrickDisk::settled();
    let maildir = filled(&disk);
    maildir.open();
    let unique_id = maildir.deliver(b"A: b\r\n\r\nc\r\n");
    disk.calls();
    let maildrop = maildir.open();
    let calls = disk.calls();
    assert!(
        calls.contains(&"list new".to_owned()) && !calls.contains(&format!("read {unique_id}")),
        "{calls:?}"
    );
    assert!(!calls.contains(&"list cur".to_owned()), "{calls:?}");
    assert!(shown(maildrop.listing()).contains(&(unique_id, 11)));
}

#[test]
fn a_record_of_a_message_that_is_gone_is_not_believed() {
    // A delivery's record that arrives after the message has been removed and the folders have been looked at.
    let disk = TrickDisk::settled();
    let maildir = filled(&disk);
    maildir.open();
    let unique_id = maildir.deliver(b"A: b\r\n\r\nc\r\n");
    let late = fs::read(maildir.index_path()).unwrap();
    fs::remove_file(maildir.path.join("new").join(&unique_id)).unwrap();
    maildir.open();
    // The same record once more, behind the stamps.
    let index = fs::read(maildir.index_path()).unwrap();
    let start = late.windows(unique_id.len()).position(|window| window == unique_id.as_bytes()).unwrap();
    let mut again = index.clone();
    again.extend_from_slice(&late[record_start(&late, start)..]);
    fs::write(maildir.index_path(), again).unwrap();
    assert!(!maildir.unique_ids().contains(&unique_id));
}

/// The start of the record around the byte at `at`.
fn record_start(index: &[u8], at: usize) -> usize {
    let mut start = 32;
    loop {
        let length = usize::from(u16::from_le_bytes([index[start], index[start + 1]]));
        let end = start + 3 + length + 4;
        if end > at {
            return start;
        }
        start = end;
    }
}

#[test]
fn a_folder_that_changes_within_a_tick_of_its_clock_is_looked_into_again() {
    let disk = TrickDisk::default();
    disk.set_clock(Clock::Coarse);
    let maildir = filled(&disk);
    assert_eq!(maildir.open().listing().len(), 4);
    for number in 0..5 {
        maildir.put(&format!("new/180000000{number}.c"), b"new\n");
        assert_eq!(maildir.open().listing().len(), 5 + number);
    }
}

#[test]
fn r1939_7_13_losing_or_damaging_the_index_changes_nothing() {
    let disk = TrickDisk::settled();
    let maildir = filled(&disk);
    let expected = messages(&maildir);
    maildir.deliver(b"A: b\r\n\r\nd\r\n");
    maildir.open();
    fs::rename(maildir.path.join("cur/1700000001.a:2,S"), maildir.path.join("cur/1700000001.a:2,RS"))
        .unwrap();
    maildir.put("new/1700000009.z", b"z");
    maildir.open();
    fs::remove_file(maildir.path.join("new/1700000009.z")).unwrap();
    let expected_now = messages(&maildir);
    assert_eq!(expected_now.0.len(), expected.0.len() + 1);
    let index = fs::read(maildir.index_path()).unwrap();

    fs::remove_file(maildir.index_path()).unwrap();
    assert_eq!(messages(&maildir), expected_now);
    for length in 0..index.len() {
        fs::write(maildir.index_path(), &index[..length]).unwrap();
        assert_eq!(messages(&maildir), expected_now, "cut at {length}");
    }
    for bit in 0..index.len() * 8 {
        let mut damaged = index.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(maildir.index_path(), damaged).unwrap();
        assert_eq!(messages(&maildir), expected_now, "bit {bit}");
    }
}

#[test]
fn a_torn_end_is_cut_off_and_written_anew() {
    let disk = TrickDisk::settled();
    let maildir = filled(&disk);
    maildir.open();
    let index = fs::read(maildir.index_path()).unwrap();
    fs::write(maildir.index_path(), [index.as_slice(), &index[32..50]].concat()).unwrap();
    maildir.open();
    disk.calls();
    maildir.open();
    assert_eq!(disk.calls().len(), 5, "the index is whole again");
}

#[test]
fn an_index_of_another_maildrop_is_refuted_by_the_files() {
    let disk = TrickDisk::settled();
    let maildir = filled(&disk);
    let expected = messages(&maildir);
    let other = Fixture::on(Arc::new(disk), |_| ());
    other.put("new/1700000001.a", b"other contents altogether\n");
    other.put("new/1700000005.e", b"e\n");
    other.open();
    fs::copy(other.index_path(), maildir.index_path()).unwrap();
    let maildrop = maildir.open();
    let unique_ids: Vec<_> = shown(maildrop.listing()).into_iter().map(|(unique_id, _)| unique_id).collect();
    assert_eq!(unique_ids, expected.0.iter().map(|(unique_id, _)| unique_id.clone()).collect::<Vec<_>>());
    // The listed octets of one message came from the wrong index: it is refused once, and right next time.
    assert!(read(&maildrop, 1).unwrap_err().is_temporary());
    drop(maildrop);
    assert_eq!(messages(&maildir), expected);
}

#[test]
fn the_index_does_not_grow_for_ever() {
    let disk = TrickDisk::settled();
    let maildir = filled(&disk);
    for round in 0..1000 {
        maildir.put("new/1800000000.x", b"x");
        assert_eq!(maildir.open().listing().len(), 5);
        fs::remove_file(maildir.path.join("new/1800000000.x")).unwrap();
        let length = maildir.open().listing().len();
        assert_eq!(length, 4, "round {round}");
    }
    assert!(fs::metadata(maildir.index_path()).unwrap().len() < 64 * 1024);
}

#[test]
fn an_inspection_needs_no_lock_and_writes_nothing() {
    let disk = TrickDisk::settled();
    let maildir = filled(&disk);
    let inspect =
        || run(maildir.store.inspect(&maildir.location(), std::time::SystemTime::UNIX_EPOCH)).unwrap();
    let before = inspect();
    assert!(!maildir.index_path().exists());
    let maildrop = maildir.open();
    let index = fs::read(maildir.index_path()).unwrap();
    assert_eq!(before.listing(), maildrop.listing());
    maildir.put("new/1700000007.x", b"x");
    assert_eq!(inspect().listing().len(), 5);
    assert_eq!(fs::read(maildir.index_path()).unwrap(), index);
    assert!(run(inspect().message(4)).is_ok());
}

#[test]
fn a_maildrop_that_a_crash_left_half_made_can_be_inspected_while_nothing_is_in_it() {
    let maildir = Fixture::new();
    let inspect = || run(maildir.store.inspect(&maildir.location(), std::time::SystemTime::UNIX_EPOCH));
    fs::remove_dir(maildir.path.join("new")).unwrap();
    assert!(inspect().unwrap().listing().is_empty());
    maildir.put("cur/1700000001.x", b"x");
    assert!(inspect().unwrap_err().is_temporary(), "a maildrop with messages of which a part is missing");
}

#[test]
fn messages_that_were_removed_and_restored_are_there_again() {
    let disk = TrickDisk::settled();
    let maildir = filled(&disk);
    let expected = messages(&maildir);
    let files = maildir.files();
    let mut maildrop = maildir.open();
    run(maildrop.remove(&marks(0..4), now())).unwrap();
    drop(maildrop);
    files.iter().for_each(|(name, contents)| maildir.put(name, contents));
    let mut restored = messages(&maildir).0;
    restored.sort();
    let mut expected = expected.0;
    expected.sort();
    assert_eq!(restored, expected);
}

#[test]
fn a_message_costs_6_bytes_beside_the_listing() {
    let maildir = Fixture::on(Arc::new(TrickDisk::settled()), |_| ());
    for number in 0..500 {
        let flags = ["", ":2,", ":2,S", ":2,RS"][number % 4];
        maildir.put(&format!("cur/{}.M1P2Q3R4.host{flags}", 1_700_000_000 + number), b"x\n");
    }
    for _ in 0..2 {
        let maildirs = Arc::new(Maildirs::new(Arc::new(TrickDisk::settled()), Settings::new(maildir.root())));
        let session = session::open(&maildirs, &maildir.path, now()).unwrap();
        assert_eq!(session.listing().len(), 500);
        assert_eq!(session.usage(), crate::quota::Usage { octets: 1000, messages: 500 });
        // Four different suffixes take the rest.
        assert!(session.heap_bytes() <= 500 * 6 + 100, "{}", session.heap_bytes());
        // Octets, three lengths, one or two digits, and every sixteenth unique-id whole.
        assert!(session.listing().heap_bytes() <= 500 * 12, "{}", session.listing().heap_bytes());
    }
}

/// A record that a session reads again when it opens a message is believed only as far as it agrees with the listing.
#[test]
fn an_index_that_somebody_changes_beneath_a_session_changes_nothing() {
    let disk = TrickDisk::settled();
    let maildir = filled(&disk);
    let (_, expected) = messages(&maildir);
    let index = fs::read(maildir.index_path()).unwrap();
    let other = Fixture::on(Arc::new(TrickDisk::settled()), |_| ());
    other.put("cur/1700000001.0:2,", b"something else\n");
    other.open();
    let foreign = fs::read(other.index_path()).unwrap();
    for (what, bytes) in [("empty", &[][..]), ("cut", &index[..index.len() / 2]), ("another's", &foreign)] {
        fs::write(maildir.index_path(), &index).unwrap();
        let mut maildrop = maildir.open();
        // In place, not by another file of the same name.
        fs::write(maildir.index_path(), bytes).unwrap();
        let contents: Vec<_> = (0..4).map(|index| read(&maildrop, index).unwrap()).collect();
        assert_eq!(contents, expected, "{what}");
        if what == "another's" {
            // Its base name is not its unique-id, so it is found by that of the files in the folders.
            assert_eq!(maildir.remove(&mut maildrop, [3]).messages, 1);
            assert!(!maildir.path.join("new/no time").exists());
            let gone = maildrop.listing().unique_id(1).unwrap().as_str().to_owned();
            assert_eq!(maildir.remove(&mut maildrop, [1]).messages, 1);
            drop(maildrop);
            assert_eq!((maildir.files().len(), maildir.unique_ids().contains(&gone)), (2, false));
        }
    }
}

/// A few names are matched against many messages, and many names one by one: both see the same.
#[test]
fn few_names_and_many_are_matched_alike() {
    let disk = TrickDisk::settled();
    let maildir = Fixture::on(Arc::new(disk), |_| ());
    for number in 0..100 {
        maildir.put(&format!("cur/{}.M{number}P1.host:2,", 1_700_000_000 + number), b"x\n");
    }
    assert_eq!(maildir.open().listing().len(), 100);
    let cur = maildir.path.join("cur");
    for (round, few) in [1, 3, 30].into_iter().enumerate() {
        for number in 0..few {
            let base = format!("{}.M{number}P1.host", 1_700_000_000 + number);
            let (from, to) = (format!("{base}:2,"), format!("new/{base}:2,F{round}"));
            // Moved, doubled, new.
            match number % 3 {
                0 => fs::rename(cur.join(&from), maildir.path.join(&to)).unwrap(),
                1 => maildir.put(&to, b"x\n"),
                _ => maildir.put(&format!("new/{}.M{round}P2.host", 1_800_000_000 + number), b"new\n"),
            }
        }
        let shown = maildir.shown();
        assert_eq!(maildir.shown(), shown);
        fs::remove_file(maildir.index_path()).unwrap();
        assert_eq!(maildir.shown(), shown, "round {round}");
        for number in (0..few).filter(|number| number % 3 == 0) {
            let name = format!("{}.M{number}P1.host:2,", 1_700_000_000 + number);
            fs::rename(maildir.path.join("new").join(format!("{name}F{round}")), cur.join(&name)).unwrap();
        }
        maildir.open();
    }
    assert_eq!(maildir.open().listing().len(), 100 + 1 + 10);
}

/// So many messages are read on several threads; the first that stops them all is told.
#[test]
fn many_new_messages_are_read_at_once() {
    let disk = TrickDisk::settled();
    let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
    for number in 0..1200 {
        maildir.put(&format!("new/{}.M1P1.host", 1_700_000_000 + number), format!("{number}\n").as_bytes());
    }
    maildir.put("new/1600000000.a", b"first\n");
    let shown = maildir.shown();
    assert_eq!((shown.len(), shown[0].1, shown[1].1, shown[1200].1), (1201, 7, 3, 6));
    disk.calls();
    assert_eq!(maildir.shown(), shown);
    assert_eq!(disk.calls().len(), 5);
}

#[test]
fn an_index_that_is_cut_off_during_a_session_takes_no_message_away() {
    // A name that is no unique-id stands in the index alone.
    let maildir = filled(&TrickDisk::settled());
    maildir.put("new/1700000000.gone soon", b"y");
    maildir.open();
    let mut maildrop = maildir.open();
    let last = maildrop.listing().len() - 1;
    let before = read(&maildrop, last).unwrap();
    fs::File::options().write(true).open(maildir.index_path()).unwrap().set_len(100).unwrap();
    assert_eq!(read(&maildrop, last).unwrap(), before);
    fs::rename(maildir.path.join("new/no time"), maildir.path.join("cur/no time:2,S")).unwrap();
    assert_eq!(read(&maildrop, last).unwrap(), before, "another program has moved it as well");
    fs::remove_file(maildir.path.join("new/1700000000.gone soon")).unwrap();
    let removed = run(maildrop.remove(&marks([0, last]), now())).unwrap();
    assert_eq!((removed.messages, removed.vanished), (2, 1));
    drop(maildrop);
    assert!(!maildir.path.join("cur/no time:2,S").exists());
    assert_eq!(maildir.open().listing().len(), last - 1);
}
