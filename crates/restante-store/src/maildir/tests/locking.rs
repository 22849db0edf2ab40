//! The exclusive-access lock, within the process and against others.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::fixture::{Fixture, marks, now, run};
use crate::disk::{Access, DiskFile, LocalDisk, LocalFile};
use crate::maildir::{ForeignLocks, Settings};
use crate::maildrop::OpenError;
use crate::{Location, Store};

#[test]
fn r1939_4_3_a_second_session_is_refused_until_the_first_ends() {
    let maildir = Fixture::new();
    maildir.put("new/1700000001.a", b"a\n");
    let first = maildir.open();
    for _ in 0..3 {
        let error = maildir.try_open().unwrap_err();
        assert!(matches!(error, OpenError::InUse) && error.is_temporary());
    }
    // Delivery and a look from outside do not need the lock.
    maildir.deliver(b"b\r\n");
    drop(first);
    assert_eq!(maildir.open().listing().len(), 2);
}

#[test]
fn r1939_4_5_a_failed_opening_leaves_no_lock() {
    let maildir = Fixture::new();
    fs::remove_dir(maildir.path.join("new")).unwrap();
    maildir.put("new", b"a file");
    assert!(maildir.try_open().is_err());
    fs::remove_file(maildir.path.join("new")).unwrap();
    fs::create_dir(maildir.path.join("new")).unwrap();
    assert!(maildir.try_open().is_ok());
}

#[test]
fn r1939_6_5_the_lock_is_gone_after_a_removal() {
    let maildir = Fixture::new();
    maildir.put("new/1700000001.a", b"a\n");
    let mut maildrop = maildir.open();
    run(maildrop.remove(&marks([0]), now())).unwrap();
    drop(maildrop);
    assert!(maildir.try_open().is_ok());
}

/// A program that another thread starts has every handle for a moment, until it runs.
#[test]
fn r1939_6_5_no_lock_outlives_its_release_in_a_program_that_is_being_started() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let open = || LocalFile::from(LocalDisk.open_descriptor(&path, Access::AppendOrCreate(0o600)).unwrap());
    let file = open();
    assert!(file.try_lock().unwrap() && file.try_record_lock().unwrap());
    let _inherited = file.as_fd().try_clone_to_owned().unwrap();
    let other = open();
    assert!(!other.try_lock().unwrap() && !other.try_record_lock().unwrap());
    drop(file);
    assert!(other.try_lock().unwrap() && other.try_record_lock().unwrap());
    // Who has not locked releases nothing.
    drop(LocalFile::from(other.as_fd().try_clone_to_owned().unwrap()));
    let third = open();
    assert!(!third.try_lock().unwrap() && !third.try_record_lock().unwrap());
}

#[test]
fn a_removal_that_nobody_waits_for_keeps_the_lock_to_its_end() {
    let maildir = Fixture::new();
    (0..200).for_each(|n| maildir.put(&format!("new/1700000{n:03}.a"), b"a\n"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut maildrop = maildir.store.open(&maildir.location(), now()).await.unwrap();
        let all = marks(0..200);
        let mut removal = std::pin::pin!(maildrop.remove(&all, now()));
        // Polled once, then forgotten, as when a connection is reset.
        std::future::poll_fn(|context| {
            let _ = removal.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    });
    let maildrop = loop {
        match maildir.try_open() {
            Err(OpenError::InUse) => std::thread::yield_now(),
            result => break result.unwrap(),
        }
    };
    assert!(maildrop.listing().is_empty());
}

#[test]
fn the_lock_of_a_killed_process_is_gone() {
    const HOLDS: &str = "the maildrop is open";
    const VARIABLE: &str = "RESTANTE_TEST_HOLD_LOCK";
    if let Some(path) = std::env::var_os(VARIABLE) {
        let path = std::path::PathBuf::from(path);
        let store = Store::maildir(Arc::new(LocalDisk), Settings::new(path.parent().unwrap()));
        let _maildrop = run(store.open(&Location::Maildir(path), now())).unwrap();
        println!("{HOLDS}");
        // Until it is killed, or its parent has died.
        let _ = std::io::stdin().lines().next();
        return;
    }
    let maildir = Fixture::new();
    maildir.put("new/1700000001.a", b"a\n");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "maildir::tests::locking::the_lock_of_a_killed_process_is_gone"])
        .env(VARIABLE, &maildir.path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(HOLDS)));
    assert!(matches!(maildir.try_open().unwrap_err(), OpenError::InUse));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(maildir.open().listing().len(), 1);
}

#[test]
fn a_session_of_dovecot_has_the_maildrop_while_it_lives() {
    let maildir = Fixture::new();
    maildir.put("new/1700000001.a", b"x\n");
    let lock = maildir.path.join("dovecot-pop3-session.lock");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim();
    let (ours, dead) = (std::process::id(), 4_194_999);
    for (text, is_held) in [
        (format!("{ours}:{host}"), true),
        (format!("{dead}:{host}"), false),
        (format!("{dead}:elsewhere.example"), true),
        ("nobody knows".to_owned(), true),
        (String::new(), true),
        (format!("../../tmp:{host}"), true),
    ] {
        fs::write(&lock, &text).unwrap();
        assert_eq!(matches!(maildir.try_open(), Err(OpenError::InUse)), is_held, "{text}");
        // Whoever holds it does not touch it any more.
        let old = SystemTime::now() - Duration::from_secs(11 * 60);
        fs::File::options().write(true).open(&lock).unwrap().set_modified(old).unwrap();
        assert!(maildir.try_open().is_ok(), "{text}");
        assert_eq!(fs::read_to_string(&lock).unwrap(), text, "it is not ours to remove");
    }
}

#[test]
fn foreign_locks_can_be_ignored() {
    let maildir = Fixture::on(Arc::new(LocalDisk), |settings| settings.foreign_locks = ForeignLocks::Ignore);
    fs::write(maildir.path.join("dovecot-pop3-session.lock"), "1:elsewhere.example").unwrap();
    assert!(maildir.try_open().is_ok());
}
