//! Verify and repair: each kind of damage is found, and mended where that needs nobody's judgement.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Duration;

use restante_proto::maildrop::UniqueId;
use rustix::io::Errno;

use super::fixture::{Fixture, Shown, files, now, run};
use super::trick_disk::TrickDisk;
use crate::check::{Damage, Depth, Finding, Severity, State};
use crate::maildrop::OpenError;
use crate::unique_id::Override;

/// Three messages, one of them with a unique-id of another server; opened, so that the index is up to date.
fn maildir() -> Fixture {
    on(&TrickDisk::settled())
}

fn on(disk: &TrickDisk) -> Fixture {
    let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
    maildir.put("new/1700000001.a", b"A: b\n\na\n");
    maildir.put("cur/1700000002.b:2,S", b"A: b\n\n.b\n");
    maildir.put("new/1700000003.c", b"A: b\r\n\r\nc\r\n");
    let unique_id = UniqueId::parse(b"UID7").unwrap();
    let given = Override { base_name: b"1700000002.b".to_vec(), unique_id, order: Some(4) };
    run(maildir.store.set_unique_ids(&maildir.location(), vec![given], now())).unwrap();
    maildir.open();
    maildir
}

fn verify(maildir: &Fixture) -> Vec<Finding> {
    run(maildir.store.verify(&maildir.location(), Depth::Whole, now())).unwrap()
}

fn found(maildir: &Fixture) -> Vec<Damage> {
    verify(maildir).into_iter().map(|finding| finding.damage).collect()
}

fn repair(maildir: &Fixture) -> Vec<(Damage, State)> {
    let findings = run(maildir.store.repair(&maildir.location(), now())).unwrap();
    findings.into_iter().map(|finding| (finding.damage, finding.state)).collect()
}

/// Found by verify, which changes nothing; mended by repair, which touches no message; and what is shown is as before.
fn mends(maildir: &Fixture, damage: Damage, before: &Shown) {
    let mail = files(&maildir.path);
    assert_eq!(found(maildir), [damage]);
    assert_eq!(found(maildir), [damage], "verify has mended it");
    assert_eq!(damage.severity(), Severity::Mendable);
    assert_eq!(repair(maildir), [(damage, State::Mended)]);
    assert_eq!(found(maildir), []);
    let kept = |(name, _): &(&String, &Vec<u8>)| !name.starts_with("tmp/");
    assert!(files(&maildir.path).iter().filter(kept).eq(mail.iter().filter(kept)));
    assert_eq!(maildir.shown(), *before);
}

/// Found, left as it is by repair, and told again.
fn is_for_a_person(maildir: &Fixture, damage: Damage) {
    assert_eq!(damage.severity(), Severity::Person);
    assert_eq!(found(maildir), [damage]);
    assert_eq!(repair(maildir), [(damage, State::Found)]);
    assert_eq!(found(maildir), [damage]);
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let maildir = maildir();
    assert_eq!(verify(&maildir), []);
    assert_eq!(repair(&maildir), []);
    maildir.deliver(b"A: b\r\n\r\n");
    fs::rename(maildir.path.join("new/1700000001.a"), maildir.path.join("cur/1700000001.a:2,FS")).unwrap();
    maildir.put("new/1700000009.z", b"of another program\n");
    assert_eq!(verify(&maildir), []);
    fs::remove_file(maildir.index_path()).unwrap();
    assert_eq!(verify(&maildir), []);
    // One that was never used is not made.
    fs::remove_dir_all(&maildir.path).unwrap();
    assert_eq!(verify(&maildir), []);
    assert_eq!(repair(&maildir), []);
    assert!(!maildir.path.exists());
}

#[test]
fn a_damaged_index_is_made_anew() {
    for damage in 0..3 {
        let maildir = maildir();
        let before = maildir.shown();
        let index = fs::read(maildir.index_path()).unwrap();
        let damaged = match damage {
            0 => index[..index.len() - 1].to_vec(),
            1 => b"another program's".to_vec(),
            _ => [&index[..], b"torn"].concat(),
        };
        fs::write(maildir.index_path(), damaged).unwrap();
        mends(&maildir, Damage::IndexDamaged, &before);
    }
}

#[test]
fn an_index_that_disagrees_with_a_message_is_made_anew() {
    let maildir = maildir();
    let mut before = maildir.shown();
    // In place: the folders have not changed.
    maildir.put("new/1700000001.a", b"A: b\n\nlonger\n");
    before[1].1 = 16;
    mends(&maildir, Damage::IndexWrong, &before);
    // Octets that only reading tells.
    let path = maildir.path.join("new/1700000001.a");
    let times = fs::metadata(&path).unwrap().modified().unwrap();
    maildir.put("new/1700000001.a", b"A: b\n\nlo\n\ner\n");
    fs::File::options().write(true).open(&path).unwrap().set_modified(times).unwrap();
    let quick = run(maildir.store.verify(&maildir.location(), Depth::Quick, now())).unwrap();
    assert_eq!(quick, []);
    before[1].1 = 18;
    mends(&maildir, Damage::IndexWrong, &before);
}

#[test]
fn a_removal_that_was_interrupted_is_finished() {
    let disk = TrickDisk::settled();
    let maildir = on(&disk);
    let before = maildir.shown();
    let mut maildrop = maildir.open();
    disk.fail(2, Errno::IO, true);
    run(maildrop.remove(&super::fixture::marks([0, 1]), now())).unwrap_err();
    drop(maildrop);
    disk.heal();
    let left = vec![before[2].clone()];
    assert_eq!(found(&maildir)[0], Damage::RemovalPending);
    assert!(repair(&maildir).contains(&(Damage::RemovalPending, State::Mended)));
    assert!(found(&maildir).iter().all(|damage| damage.severity() == Severity::Note));
    assert_eq!(maildir.shown(), left);
}

#[test]
fn old_temporary_files_and_leftovers_are_removed() {
    let maildir = maildir();
    let before = maildir.shown();
    for name in ["restante.index.new", "restante.unique-ids.new", "restante.accessed.new"] {
        maildir.put(name, b"half of it");
        mends(&maildir, Damage::Leftover, &before);
    }
    maildir.put("tmp/1600000000.x", b"half of it");
    assert_eq!(found(&maildir), [], "somebody may be writing it");
    let later = now() + Duration::from_secs(40 * 3600);
    let store = &maildir.store;
    let findings = run(store.verify(&maildir.location(), Depth::Whole, later)).unwrap();
    assert_eq!(findings[0].damage, Damage::TemporaryOld);
    let findings = run(store.repair(&maildir.location(), later)).unwrap();
    assert_eq!((findings.len(), findings[0].state), (1, State::Mended));
    assert!(!maildir.path.join("tmp/1600000000.x").exists());
}

#[test]
fn missing_folders_are_made() {
    let maildir = maildir();
    let before = maildir.shown();
    fs::remove_dir(maildir.path.join("tmp")).unwrap();
    mends(&maildir, Damage::FolderMissing, &before);
    fs::remove_dir_all(maildir.path.join("cur")).unwrap();
    assert_eq!(found(&maildir), [Damage::FolderMissing]);
    assert!(repair(&maildir).contains(&(Damage::FolderMissing, State::Mended)));
    assert_eq!(maildir.shown().len(), 2);
    fs::remove_dir_all(maildir.path.join("cur")).unwrap();
    maildir.put("cur", b"no folder");
    is_for_a_person(&maildir, Damage::FolderKind);
}

#[test]
fn lost_unique_ids_are_written_anew_while_the_index_knows_them() {
    for damage in [true, false] {
        let maildir = maildir();
        let before = maildir.shown();
        let file = maildir.path.join("restante.unique-ids");
        if damage {
            fs::write(&file, b"damaged").unwrap()
        } else {
            fs::remove_file(&file).unwrap()
        }
        mends(&maildir, Damage::UniqueIdsInIndex, &before);
        fs::remove_file(maildir.index_path()).unwrap();
        assert_eq!(maildir.shown(), before, "not kept for good");
        assert_eq!(maildir.path.join("restante.unique-ids.damaged").exists(), damage);
        // With the index gone too there is nothing to go by.
        fs::write(&file, b"damaged").unwrap();
        fs::remove_file(maildir.index_path()).unwrap();
        is_for_a_person(&maildir, Damage::UniqueIdsDamaged);
        assert!(matches!(maildir.try_open(), Err(OpenError::Permanent(_))));
    }
}

#[test]
fn repairing_unique_ids_is_whole_or_not_at_all() {
    for for_ever in [false, true] {
        for nth in 1.. {
            let disk = TrickDisk::settled();
            let maildir = on(&disk);
            let before = maildir.shown();
            // Everything at once.
            fs::write(maildir.path.join("restante.unique-ids"), b"damaged").unwrap();
            fs::remove_dir(maildir.path.join("tmp")).unwrap();
            maildir.put("restante.index.new", b"half of it");
            maildir.put("restante.accessed", b"damaged");
            disk.fail(nth, Errno::NOSPC, for_ever);
            let _ = run(maildir.store.repair(&maildir.location(), now()));
            let was_hit = disk.heal();
            assert_eq!(maildir.shown(), before, "call {nth}");
            let left = run(maildir.store.repair(&maildir.location(), now())).unwrap();
            assert!(left.iter().all(|finding| finding.state == State::Mended), "call {nth}: {left:?}");
            assert_eq!(found(&maildir), [], "call {nth}");
            fs::remove_file(maildir.index_path()).unwrap();
            assert_eq!(maildir.shown(), before, "call {nth}: without the index");
            if !was_hit {
                break;
            }
        }
    }
}

#[test]
fn what_needs_a_person_is_left_to_one() {
    let maildir = maildir();
    maildir.put("cur/1700000001.a:2,S", b"its twin\n");
    assert_eq!(found(&maildir)[0], Damage::Twins);
    fs::remove_file(maildir.path.join("cur/1700000001.a:2,S")).unwrap();
    symlink("/etc/passwd", maildir.path.join("new/1700000005.l")).unwrap();
    is_for_a_person(&maildir, Damage::NotRegular);
    fs::remove_file(maildir.path.join("new/1700000005.l")).unwrap();
    fs::create_dir(maildir.path.join("new/1700000005.f")).unwrap();
    is_for_a_person(&maildir, Damage::NotRegular);
    fs::remove_dir(maildir.path.join("new/1700000005.f")).unwrap();
    maildir.put("restante.bulletins", b"damaged");
    is_for_a_person(&maildir, Damage::BulletinsDamaged);
}

#[test]
fn an_unreadable_message_is_told() {
    let disk = TrickDisk::settled();
    let maildir = on(&disk);
    disk.close(&maildir.path.join("new/1700000003.c"), Errno::IO);
    is_for_a_person(&maildir, Damage::Unreadable);
    disk.heal();
    assert_eq!(found(&maildir), []);
}

#[test]
fn unique_ids_of_messages_that_are_gone_are_worth_a_note() {
    let maildir = maildir();
    fs::remove_file(maildir.path.join("cur/1700000002.b:2,S")).unwrap();
    maildir.open();
    assert_eq!(found(&maildir), [Damage::UniqueIdsUnused]);
    maildir.put("new/UID7", b"named like it\n");
    assert_eq!(found(&maildir), [Damage::UniqueIdsUnused, Damage::UniqueIdTaken]);
    assert!(found(&maildir).iter().all(|damage| damage.severity() == Severity::Note));
}

#[test]
fn of_many_a_hundred_are_told() {
    let maildir = maildir();
    for number in 0..130 {
        fs::create_dir(maildir.path.join(format!("new/{number}"))).unwrap();
    }
    let findings = verify(&maildir);
    assert_eq!(findings.len(), 100);
    assert!(findings.last().unwrap().what.contains("and 30 more"));
}

#[test]
fn a_maildrop_in_use_is_not_repaired() {
    let maildir = maildir();
    let _session = maildir.open();
    assert_eq!(verify(&maildir), []);
    let error = run(maildir.store.repair(&maildir.location(), now())).unwrap_err();
    assert!(matches!(error, OpenError::InUse));
}
