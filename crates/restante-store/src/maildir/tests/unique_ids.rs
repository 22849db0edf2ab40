//! Unique-ids of other servers, and that none is ever shown for two messages.

use std::fs;
use std::sync::Arc;

use restante_proto::maildrop::UniqueId;
use rustix::io::Errno;

use super::fixture::{Fixture, now, run};
use super::trick_disk::TrickDisk;
use crate::unique_id::{Override, OverrideError};

fn give(base_name: &str, unique_id: &str, order: Option<u64>) -> Override {
    let unique_id = UniqueId::parse(unique_id.as_bytes()).unwrap();
    Override { base_name: base_name.into(), unique_id, order }
}

fn set(maildir: &Fixture, overrides: Vec<Override>) -> Result<(), OverrideError> {
    run(maildir.store.set_unique_ids(&maildir.location(), overrides, now()))
}

fn three(disk: &TrickDisk) -> Fixture {
    let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
    maildir.put("new/1700000001.a", b"a\n");
    maildir.put("cur/1700000002.b:2,S", b"b\n");
    maildir.put("new/1700000003.c", b"c\n");
    maildir
}

#[test]
fn unique_ids_of_another_server_survive_the_index() {
    let maildir = three(&TrickDisk::settled());
    maildir.open();
    set(
        &maildir,
        vec![give("1700000003.c", "UID7-9", Some(1)), give("1700000002.b", "0000000143ef424e", None)],
    )
    .unwrap();
    let expected = ["UID7-9", "1700000001.a", "0000000143ef424e"];
    assert_eq!(maildir.unique_ids(), expected);
    fs::rename(maildir.path.join("new/1700000003.c"), maildir.path.join("cur/1700000003.c:2,S")).unwrap();
    assert_eq!(maildir.unique_ids(), expected);
    fs::remove_file(maildir.index_path()).unwrap();
    assert_eq!(maildir.unique_ids(), expected);
    assert_eq!(maildir.unique_ids(), expected);
    // More of them later, in a second run.
    set(&maildir, vec![give("1700000001.a", "X", Some(0))]).unwrap();
    assert_eq!(maildir.unique_ids(), ["X", "UID7-9", "0000000143ef424e"]);
}

#[test]
fn r1939_7_12_an_override_cannot_take_a_unique_id_that_is_shown() {
    let maildir = three(&TrickDisk::settled());
    let before = maildir.unique_ids();
    for overrides in [
        vec![give("1700000003.c", "1700000001.a", None)],
        vec![give("1700000003.c", "X", None), give("1700000001.a", "X", None)],
        vec![give("a/b", "X", None)],
    ] {
        let error = set(&maildir, overrides).unwrap_err();
        assert!(!error.is_temporary(), "{error}");
        assert_eq!(maildir.unique_ids(), before);
        assert!(!maildir.path.join("restante.unique-ids").exists());
    }
}

#[test]
fn r1939_7_14_a_message_named_like_an_override_gets_another_unique_id() {
    let maildir = three(&TrickDisk::settled());
    set(&maildir, vec![give("1700000003.c", "1700000009.z", None)]).unwrap();
    let mut maildrop = maildir.open();
    maildir.remove(&mut maildrop, [2]);
    drop(maildrop);
    maildir.put("new/1700000009.z", b"z\n");
    let unique_ids = maildir.unique_ids();
    assert!(unique_ids[2].starts_with("r."), "{unique_ids:?}");
    fs::remove_file(maildir.index_path()).unwrap();
    assert_eq!(maildir.unique_ids(), unique_ids);
}

#[test]
fn damaged_overrides_stop_what_needs_them() {
    let maildir = three(&TrickDisk::settled());
    set(&maildir, vec![give("1700000003.c", "X", None)]).unwrap();
    let expected = maildir.unique_ids();
    let file = maildir.path.join("restante.unique-ids");
    let good = fs::read(&file).unwrap();
    fs::write(&file, &good[..good.len() - 1]).unwrap();
    assert_eq!(maildir.unique_ids(), expected, "the index still knows");
    fs::remove_file(maildir.index_path()).unwrap();
    assert!(!maildir.try_open().unwrap_err().is_temporary());
    fs::write(&file, good).unwrap();
    assert_eq!(maildir.unique_ids(), expected);
}

#[test]
fn setting_unique_ids_is_whole_or_not_at_all() {
    for for_ever in [false, true] {
        for nth in 1.. {
            let disk = TrickDisk::settled();
            let maildir = three(&disk);
            let before = maildir.unique_ids();
            disk.fail(nth, Errno::IO, for_ever);
            let result =
                set(&maildir, vec![give("1700000003.c", "X", None), give("1700000001.a", "Y", None)]);
            let was_hit = disk.heal();
            let after = maildir.unique_ids();
            let is_set = after == ["Y", "1700000002.b", "X"];
            assert!(is_set || after == before, "call {nth}: {after:?}");
            assert!(is_set || result.is_err(), "call {nth}");
            let _ = fs::remove_file(maildir.index_path());
            assert_eq!(maildir.unique_ids(), after, "call {nth}: without the index");
            if !was_hit {
                assert!(result.is_ok());
                break;
            }
        }
    }
}
