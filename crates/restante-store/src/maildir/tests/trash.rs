//! The trash: what is removed is kept aside, and comes back once.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use restante_proto::maildrop::UniqueId;
use rustix::io::Errno;

use super::fixture::{Fixture, marks, now, read, run};
use super::trick_disk::TrickDisk;
use crate::maildrop::{OpenError, Warning};
use crate::trash::{Deleted, Form, UndeleteError, Undeleted, Which, seconds};
use crate::unique_id::Override;

const DAY: Duration = Duration::from_secs(86_400);

fn with_trash() -> Fixture {
    on(TrickDisk::settled())
}

fn on(disk: TrickDisk) -> Fixture {
    Fixture::on(Arc::new(disk), |settings| settings.trash = Some(14 * DAY))
}

/// So many days from now, in whole seconds.
fn day(number: u32) -> SystemTime {
    static TODAY: LazyLock<u64> = LazyLock::new(|| seconds(now()));
    UNIX_EPOCH + Duration::from_secs(*TODAY) + DAY * number
}

fn three(maildir: &Fixture) {
    maildir.put("new/1700000001.a", b"A: 1\n\none\n");
    maildir.put("cur/1700000002.b:2,S", b"A: 2\n\ntwo\n");
    maildir.put("cur/1700000003.c:2,", b"A: 3\n\nthree\n");
}

fn remove(maildir: &Fixture, indices: &[usize], when: SystemTime) -> Vec<Warning> {
    let mut maildrop = maildir.open();
    run(maildrop.remove(&marks(indices.iter().copied()), when)).unwrap().warnings
}

fn deleted(maildir: &Fixture) -> Vec<Deleted> {
    run(maildir.store.deleted(&maildir.location(), now())).unwrap()
}

fn undelete(maildir: &Fixture, which: Which, form: Form) -> Result<Undeleted, UndeleteError> {
    run(maildir.store.undelete(&maildir.location(), which, form, now()))
}

fn put_back(maildir: &Fixture, which: Which, form: Form) -> Undeleted {
    let done = undelete(maildir, which, form).unwrap();
    assert!(done.failed.is_none(), "{done:?}");
    done
}

fn in_trash(maildir: &Fixture) -> BTreeSet<String> {
    let entries = fs::read_dir(maildir.path.join("restante.trash")).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "swept").collect()
}

#[test]
fn what_is_removed_is_kept_with_its_name_and_comes_back_as_it_was() {
    let maildir = with_trash();
    three(&maildir);
    let before = maildir.shown();
    let files = maildir.files();
    assert!(remove(&maildir, &[0, 1], day(0)).is_empty());
    assert_eq!(maildir.unique_ids(), ["1700000003.c"]);
    let names = [".0.13.n.1700000001.a", ".0.13.c.1700000002.b:2,S"];
    assert_eq!(in_trash(&maildir), names.map(|name| format!("{}{name}", seconds(day(0)))).into());
    let there = deleted(&maildir);
    let said = there.iter().map(|one| (one.unique_id.as_str(), one.when)).collect::<Vec<_>>();
    assert_eq!(said.len(), 2);
    assert!(said.contains(&("1700000001.a", day(0))) && said.contains(&("1700000002.b", day(0))));
    for one in &there {
        let octets = before.iter().find(|(id, _)| *id == one.unique_id.as_str()).unwrap().1;
        assert_eq!(one.octets.as_u64(), octets);
        let start = run(maildir.store.deleted_start(&maildir.location(), one, 4)).unwrap();
        assert!(start == b"A: 1" || start == b"A: 2");
    }
    let done = put_back(&maildir, Which::All, Form::AsTheyWere);
    assert_eq!(done.messages.len(), 2);
    assert!(done.messages.iter().all(|message| message.before == message.unique_id));
    assert_eq!(maildir.shown(), before);
    assert_eq!(maildir.files(), files, "also the folder and the flags");
    assert!(in_trash(&maildir).is_empty());
    assert!(put_back(&maildir, Which::All, Form::AsTheyWere).messages.is_empty());
}

#[test]
fn without_a_trash_nothing_is_kept() {
    let maildir = Fixture::new();
    three(&maildir);
    assert!(remove(&maildir, &[0], day(0)).is_empty());
    assert!(!maildir.path.join("restante.trash").exists());
    assert!(deleted(&maildir).is_empty());
}

#[test]
fn messages_can_be_chosen_by_unique_id_and_by_time() {
    let maildir = with_trash();
    three(&maildir);
    for time in 0..3 {
        remove(&maildir, &[0], day(time));
    }
    let id = |text: &str| UniqueId::parse(text.as_bytes()).unwrap();
    let which = Which::UniqueIds(vec![id("1700000002.b"), id("nobody"), id("nobody"), id("1700000002.b")]);
    let done = put_back(&maildir, which, Form::AsTheyWere);
    assert_eq!(done.unknown, [id("nobody")]);
    assert_eq!(maildir.unique_ids(), ["1700000002.b"]);
    put_back(&maildir, Which::Since(day(2)), Form::AsTheyWere);
    assert_eq!(maildir.unique_ids(), ["1700000002.b", "1700000003.c"]);
    assert_eq!(deleted(&maildir).len(), 1);
}

#[test]
fn as_new_gives_another_unique_id_once() {
    let maildir = with_trash();
    three(&maildir);
    remove(&maildir, &[0, 1, 2], day(0));
    let done = put_back(&maildir, Which::All, Form::AsNew);
    assert_eq!(done.messages.len(), 3);
    let before = maildir.unique_ids();
    let start = format!("{}.R", seconds(day(0)));
    assert!(before.iter().all(|id| id.starts_with(&start)), "{before:?}");
    let there: BTreeSet<_> = done.messages.iter().map(|message| message.unique_id.as_str()).collect();
    assert_eq!(there, before.iter().map(String::as_str).collect());
    assert!(maildir.files().keys().all(|name| name.starts_with("new/") && !name.contains(':')));
    // Removed and put back as new once more: never a name that was used before.
    remove(&maildir, &[0, 1, 2], day(0));
    put_back(&maildir, Which::All, Form::AsNew);
    assert!(maildir.unique_ids().iter().all(|id| !before.contains(id)));
}

#[test]
fn unique_ids_of_another_server_come_back() {
    let maildir = with_trash();
    three(&maildir);
    let given = Override {
        base_name: b"1700000003.c".to_vec(),
        unique_id: UniqueId::parse(b"000000012345").unwrap(),
        order: Some(1),
    };
    run(maildir.store.set_unique_ids(&maildir.location(), vec![given], now())).unwrap();
    let before = maildir.unique_ids();
    assert_eq!(before, ["000000012345", "1700000001.a", "1700000002.b"]);
    remove(&maildir, &[0, 1, 2], day(0));
    assert!(deleted(&maildir).iter().any(|one| one.unique_id.as_str() == "000000012345"));
    let which = Which::UniqueIds(vec![UniqueId::parse(b"000000012345").unwrap()]);
    put_back(&maildir, which, Form::AsTheyWere);
    put_back(&maildir, Which::All, Form::AsTheyWere);
    assert_eq!(maildir.unique_ids(), before);
}

#[test]
fn nothing_is_replaced_neither_in_the_trash_nor_in_the_maildrop() {
    let maildir = with_trash();
    for text in ["first", "second", "third"] {
        maildir.put("cur/1700000001.a:2,S", format!("A: {text}\n").as_bytes());
        remove(&maildir, &[0], day(0));
    }
    assert_eq!(in_trash(&maildir).len(), 3, "removed in one second under one name");
    maildir.put("new/1700000001.a", b"A: fourth\n");
    let done = put_back(&maildir, Which::All, Form::AsTheyWere);
    assert_eq!((done.messages.len(), done.there.len()), (0, 1));
    assert_eq!(read(&maildir.open(), 0).unwrap(), b"A: fourth\n");
    remove(&maildir, &[0], day(1));
    put_back(&maildir, Which::All, Form::AsTheyWere);
    assert_eq!(read(&maildir.open(), 0).unwrap(), b"A: fourth\n", "what was removed last");
    assert_eq!(in_trash(&maildir).len(), 3);
}

#[test]
fn what_was_kept_for_long_enough_goes() {
    let maildir = with_trash();
    three(&maildir);
    remove(&maildir, &[0], day(0));
    remove(&maildir, &[0], day(10));
    let look = |time| {
        maildir.put(&format!("new/{}.x", seconds(time)), b"x\n");
        drop(run(maildir.store.open(&maildir.location(), time)).unwrap());
        in_trash(&maildir).len()
    };
    assert_eq!(look(day(14)), 2, "not a second too early");
    assert_eq!(look(day(15)), 1);
    assert_eq!(look(day(30)), 0);
}

#[test]
fn a_trash_that_fails_keeps_no_message_from_being_removed() {
    for errno in [Errno::NOSPC, Errno::IO, Errno::DQUOT] {
        let disk = TrickDisk::settled();
        let maildir = on(disk.clone());
        three(&maildir);
        let mut maildrop = maildir.open();
        // The record of the removal, the folder, its sync, the rename: then it is unlinked.
        disk.fail(1, errno, false);
        let removed = run(maildrop.remove(&marks([0]), day(0))).unwrap();
        assert!(disk.heal());
        assert_eq!(removed.messages, 1);
        assert!(matches!(removed.warnings[..], [Warning::Trash { messages: 1, .. }]), "{removed:?}");
        drop(maildrop);
        assert_eq!(maildir.unique_ids(), ["1700000002.b", "1700000003.c"]);
    }
}

#[test]
fn a_trash_that_is_no_folder_is_not_used() {
    let maildir = with_trash();
    three(&maildir);
    let elsewhere = maildir.root().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, maildir.path.join("restante.trash")).unwrap();
    let warnings = remove(&maildir, &[0, 2], day(0));
    assert!(matches!(warnings[..], [Warning::Trash { messages: 2, .. }]), "{warnings:?}");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    assert_eq!(maildir.unique_ids(), ["1700000002.b"]);
}

#[test]
fn an_interrupted_removal_goes_into_the_trash_too() {
    for nth in 1..40 {
        let disk = TrickDisk::settled();
        let maildir = on(disk.clone());
        three(&maildir);
        let mut maildrop = maildir.open();
        disk.fail(nth, Errno::IO, true);
        let result = run(maildrop.remove(&marks([0, 2]), day(0)));
        let was_hit = disk.heal();
        drop(maildrop);
        let shown = maildir.unique_ids();
        let kept: BTreeSet<_> = deleted(&maildir).into_iter().map(|one| one.unique_id).collect();
        assert!(shown == ["1700000002.b"] || shown.len() == 3 && result.is_err(), "call {nth}: {shown:?}");
        if shown.len() == 1 {
            assert_eq!(kept.len(), 2, "call {nth}: what was removed is in the trash");
        }
        put_back(&maildir, Which::All, Form::AsTheyWere);
        assert_eq!(maildir.unique_ids(), ["1700000001.a", "1700000002.b", "1700000003.c"], "call {nth}");
        if !was_hit {
            assert!(nth > 6);
            return;
        }
    }
    panic!("it never came to an end");
}

#[test]
fn an_interrupted_undelete_can_be_asked_for_again() {
    for form in [Form::AsTheyWere, Form::AsNew] {
        for errno in [Errno::IO, Errno::NOSPC] {
            for for_ever in [false, true] {
                interrupted_undelete(form, errno, for_ever);
            }
        }
    }
}

fn interrupted_undelete(form: Form, errno: Errno, for_ever: bool) {
    for nth in 1..60 {
        let disk = TrickDisk::settled();
        let maildir = on(disk.clone());
        three(&maildir);
        remove(&maildir, &[0, 1, 2], day(0));
        disk.fail(nth, errno, for_ever);
        let first = undelete(&maildir, Which::All, form);
        let was_hit = disk.heal();
        // Everything is somewhere.
        let somewhere = maildir.open().listing().len() + deleted(&maildir).len();
        assert!(somewhere >= 3, "call {nth} {form:?}: {first:?}");
        put_back(&maildir, Which::All, form);
        let contents: BTreeSet<_> = maildir.files().into_values().collect();
        assert_eq!(
            (maildir.open().listing().len(), contents.len()),
            (3, 3),
            "call {nth} {form:?}: {first:?}"
        );
        assert!(in_trash(&maildir).is_empty(), "call {nth} {form:?}");
        if !was_hit {
            assert!(nth > 3);
            return;
        }
    }
    panic!("it never came to an end");
}

#[test]
fn a_removal_that_is_not_ended_does_not_come_upon_what_was_put_back() {
    // Record, sync, folder, sync, two renames, three syncs: the end of the removal is the tenth.
    for nth in 1..8 {
        let disk = TrickDisk::settled();
        let maildir = on(disk.clone());
        three(&maildir);
        let mut maildrop = maildir.open();
        disk.fail(10, Errno::NOSPC, false);
        let removed = run(maildrop.remove(&marks([0, 2]), day(0))).unwrap();
        assert!(matches!(removed.warnings[..], [Warning::Index(_)]), "{removed:?}");
        drop(maildrop);
        assert!(disk.heal());
        // And the index cannot be brought up to date either.
        disk.fail(nth, Errno::NOSPC, false);
        let done = undelete(&maildir, Which::All, Form::AsTheyWere);
        disk.heal();
        if done.is_ok_and(|done| done.failed.is_none()) {
            assert_eq!(maildir.unique_ids().len(), 3, "call {nth}");
        }
        put_back(&maildir, Which::All, Form::AsTheyWere);
        assert_eq!(maildir.unique_ids().len(), 3, "call {nth}");
    }
}

#[test]
fn a_maildrop_in_use_is_left_alone() {
    let maildir = with_trash();
    three(&maildir);
    remove(&maildir, &[0], day(0));
    let session = maildir.open();
    let error = undelete(&maildir, Which::All, Form::AsTheyWere).unwrap_err();
    assert!(matches!(error, UndeleteError::Maildrop(OpenError::InUse)), "{error}");
    assert_eq!(deleted(&maildir).len(), 1, "but it can be looked at");
    drop(session);
}
