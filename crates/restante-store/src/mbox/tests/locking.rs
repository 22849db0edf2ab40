//! The locks of an mbox, and those of other programs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use super::fixture::{Fixture, now, remove, run};
use crate::Location;
use crate::disk::{Access, Disk, LocalDisk};
use crate::maildrop::OpenError;
use crate::mbox::DotLock;

const ONE: &[u8] = b"From a@b Thu Feb 13 10:11:12 2025\nSubject: x\n\n\n";

#[test]
fn r1939_4_3_two_sessions_exclude_each_other_and_deliveries_do_not() {
    let fixture = Fixture::new();
    fixture.put(ONE);
    let mut first = fixture.open();
    assert!(matches!(fixture.try_open(), Err(OpenError::InUse)));
    fixture.deliver(b"Subject: y\r\n\r\n");
    remove(&mut first, [0]);
    drop(first);
    assert_eq!(fixture.messages(), ["Subject: y\n\n"]);
}

#[test]
fn no_lock_of_the_mbox_is_held_while_a_session_lasts() {
    let fixture = Fixture::new();
    fixture.put(ONE);
    let mut maildrop = fixture.open();
    let lock = fixture.file.with_extension("lock");
    assert!(!lock.exists());
    let file = LocalDisk.open(&fixture.file, Access::Write).unwrap();
    assert!(file.try_record_lock().unwrap());
    drop(file);
    remove(&mut maildrop, [0]);
    assert!(!lock.exists());
}

#[test]
fn locks_of_other_programs_are_waited_for_with_a_bound() {
    let fixture = Fixture::with(|settings| settings.lock_attempts_max = 2);
    fixture.put(ONE);
    let lock = fixture.file.with_extension("lock");
    let open = || fixture.try_open();
    fs::write(&lock, "1\n").unwrap();
    assert!(matches!(open(), Err(OpenError::Temporary(_))));
    assert_eq!(fs::read(&lock).unwrap(), b"1\n");
    fs::remove_file(&lock).unwrap();
    let other = LocalDisk.open(&fixture.file, Access::Write).unwrap();
    assert!(other.try_record_lock().unwrap());
    // Closing another handle of the same process must not release it.
    drop(LocalDisk.open(&fixture.file, Access::Read).unwrap());
    assert!(matches!(open(), Err(OpenError::Temporary(_))));
    assert!(!lock.exists());
    drop(other);
    assert!(open().is_ok());
}

#[test]
fn a_stale_dot_lock_is_broken_by_its_age_or_when_it_is_ours() {
    let fixture = Fixture::new();
    fixture.put(ONE);
    fixture.open();
    let lock = fixture.file.with_extension("lock");
    fs::write(&lock, "4711\n").unwrap();
    let old = SystemTime::now() - Duration::from_secs(301);
    fs::File::options().write(true).open(&lock).unwrap().set_modified(old).unwrap();
    assert_eq!(fixture.messages().len(), 1);
    assert!(!lock.exists());
    // As a crash of ours leaves it.
    let own = fs::metadata(fixture.control.join("restante.work")).unwrap().ino();
    fs::write(&lock, format!("4711\nrestante {own}\n")).unwrap();
    assert_eq!(fixture.messages().len(), 1);
    assert!(!lock.exists());
}

#[test]
fn a_dot_lock_that_cannot_be_made_is_an_error_unless_none_is_wanted() {
    for (dot_lock, opens) in
        [(DotLock::Required, false), (DotLock::IfPossible, false), (DotLock::Never, true)]
    {
        let fixture = Fixture::with(|settings| settings.dot_lock = dot_lock);
        // A name that leaves no room for `.lock`, which stops root as well; it is no lack of rights.
        let file = fixture.file.with_file_name("x".repeat(252));
        fs::write(&file, ONE).unwrap();
        let location = Location::Mbox { file, control: fixture.control.clone() };
        assert_eq!(run(fixture.store.open(&location, now())).is_ok(), opens, "{dot_lock:?}");
    }
}
