//! Quotas: what is let in, what is written down about it, and what other programs may have written there.

use std::fs;
use std::sync::Arc;

use rustix::io::Errno;

use super::fixture::{Fixture, now, run};
use super::trick_disk::TrickDisk;
use crate::Location;
use crate::delivery::DeliveryError;
use crate::maildrop::Maildrop;
use crate::quota::{Audit, Limits, OverQuota, Recorded, Usage};

/// Messages of 100 octets, as stored.
const MESSAGE: &[u8] = &[b'x'; 100];

const THREE: Limits = Limits { octets: Some(300), messages: None };

impl Fixture {
    fn deliver_within(&self, limits: Limits) -> Result<String, DeliveryError> {
        self.deliver_octets(MESSAGE, limits)
    }

    fn deliver_octets(&self, message: &[u8], limits: Limits) -> Result<String, DeliveryError> {
        run(async {
            let mut delivery = self.store.begin(&self.location(), now()).await?;
            delivery.write(message).await?;
            let outcome = delivery.commit_within(&self.location(), limits).await;
            delivery.abort().await;
            outcome.map(|unique_id| unique_id.as_str().to_owned())
        })
    }

    fn maildirsize(&self) -> String {
        fs::read_to_string(self.path.join("maildirsize")).unwrap()
    }

    fn usage(&self) -> Usage {
        run(self.store.usage(&self.location(), now())).unwrap()
    }

    fn audit(&self, limits: Limits) -> Audit {
        run(self.store.audit(&self.location(), limits, now())).unwrap()
    }

    fn recount(&self, limits: Limits) -> Audit {
        run(self.store.recount(&self.location(), limits, now())).unwrap()
    }

    fn admits(&self, declared: Option<u64>, limits: Limits) -> bool {
        match run(self.store.admits(&self.location(), declared, limits, now())) {
            Ok(()) => true,
            Err(DeliveryError::OverQuota(_)) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// What a session would list, counted by the file system.
    fn in_fact(&self) -> Usage {
        let files = self.files();
        let messages = files.iter().filter(|(name, _)| !name.starts_with("tmp/"));
        messages.map(|(_, octets)| Usage::message(octets.len() as u64)).fold(Usage::default(), Usage::plus)
    }
}

fn count(maildrop: &Maildrop, limits: Limits) {
    run(maildrop.count(limits, now())).unwrap();
}

fn over(outcome: Result<String, DeliveryError>) -> OverQuota {
    match outcome {
        Err(DeliveryError::OverQuota(over)) => over,
        other => panic!("{other:?}"),
    }
}

const fn usage(octets: u64, messages: u64) -> Usage {
    Usage { octets, messages }
}

#[test]
fn what_fits_is_let_in_and_written_down() {
    let fixture = Fixture::new();
    for _ in 0..3 {
        fixture.deliver_within(THREE).unwrap();
    }
    assert_eq!(fixture.maildirsize(), "300S\n0 0\n100 1\n100 1\n100 1\n");
    let refused = over(fixture.deliver_within(THREE));
    assert_eq!(refused, OverQuota { usage: usage(300, 3), limits: THREE });
    assert!(refused.to_string().contains("300 of 300 octets in 3 messages"), "{refused}");
    assert_eq!(fixture.in_fact(), usage(300, 3));
    // What was counted stands there now.
    assert_eq!(fixture.maildirsize(), "300S\n300 3\n");
    assert_eq!(fixture.files().keys().filter(|name| name.starts_with("tmp/")).count(), 0);
}

#[test]
fn messages_are_limited_too_and_line_ends_count_as_stored() {
    let fixture = Fixture::new();
    let one = Limits { octets: Some(4), messages: Some(1) };
    fixture.deliver_octets(b"a\r\nb\r\n", one).unwrap();
    assert_eq!(fixture.maildirsize(), "4S,1C\n0 0\n4 1\n");
    assert_eq!(over(fixture.deliver_octets(b"", Limits { octets: None, ..one })).usage, usage(4, 1));
}

#[test]
fn a_last_cr_that_is_held_back_is_counted() {
    let fixture = Fixture::new();
    fixture.deliver_octets(b"a\r", THREE).unwrap();
    assert_eq!((fixture.in_fact(), fixture.audit(THREE).has_drifted()), (usage(2, 1), false));
}

#[test]
fn without_limits_nothing_is_done_for_a_quota() {
    let disk = TrickDisk::settled();
    let fixture = Fixture::on(Arc::new(disk.clone()), |_| ());
    fixture.deliver(MESSAGE);
    let plain = disk.calls().len();
    fixture.deliver_within(Limits::default()).unwrap();
    let calls = disk.calls();
    assert_eq!(calls.len(), plain, "{calls:?}");
    assert!(!fixture.path.join("maildirsize").exists());
    assert!(fixture.admits(Some(u64::MAX), Limits::default()) && disk.calls().is_empty());
}

#[test]
fn removed_messages_are_taken_off() {
    let fixture = Fixture::new();
    for _ in 0..3 {
        fixture.deliver_within(THREE).unwrap();
    }
    let mut maildrop = fixture.open();
    fixture.remove(&mut maildrop, [0, 2]);
    drop(maildrop);
    assert_eq!(fixture.maildirsize(), "300S\n0 0\n100 1\n100 1\n100 1\n-200 -2\n");
    assert!(!fixture.audit(THREE).has_drifted());
    fixture.deliver_within(THREE).unwrap();
    assert_eq!(fixture.in_fact(), usage(200, 2));
}

#[test]
fn what_somebody_else_removed_is_not_taken_off_twice() {
    let fixture = Fixture::new();
    for _ in 0..2 {
        fixture.deliver_within(THREE).unwrap();
    }
    let mut maildrop = fixture.open();
    let gone = fixture.files().into_keys().next().unwrap();
    fs::remove_file(fixture.path.join(gone)).unwrap();
    fixture.remove(&mut maildrop, [0, 1]);
    // Too high, and not too low.
    let audit = fixture.audit(THREE);
    assert_eq!((audit.usage, audit.recorded), (usage(0, 0), Recorded::Total(usage(200, 2))));
}

#[test]
fn nobody_is_refused_on_a_total_that_is_too_high() {
    let fixture = Fixture::new();
    for text in ["300S\n300 3\n", "300S\n9999999 1\n", "300S\n100 1\n100 1\n100 1\n", "300S\n0 0\n-5 -1\n"] {
        fs::write(fixture.path.join("maildirsize"), text).unwrap();
        assert!(fixture.admits(Some(100), THREE), "{text}");
        fs::write(fixture.path.join("maildirsize"), text).unwrap();
        let name = fixture.deliver_within(THREE).unwrap();
        assert_eq!(fixture.maildirsize(), "300S\n0 0\n100 1\n", "{text}");
        fs::remove_file(fixture.path.join("new").join(name)).unwrap();
    }
}

#[test]
fn a_file_of_other_limits_or_damaged_or_long_is_counted_anew() {
    let fixture = Fixture::new();
    fixture.put("cur/1.a,S=7:2,S", MESSAGE);
    let long = format!("300S\n{}", "1 0\n-1 0\n".repeat(800));
    for text in ["200S\n0 0\n", "300S,1C\n0 0\n", "", "300S\n", "\0\0\0\0", "300S\n12", long.as_str()] {
        fs::write(fixture.path.join("maildirsize"), text).unwrap();
        let name = fixture.deliver_within(THREE).unwrap();
        assert_eq!(fixture.maildirsize(), "300S\n100 1\n100 1\n", "{text:?}");
        fs::remove_file(fixture.path.join("new").join(name)).unwrap();
    }
    fs::remove_file(fixture.path.join("maildirsize")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", fixture.path.join("maildirsize")).unwrap();
    fixture.deliver_within(THREE).unwrap();
    assert_eq!(fixture.maildirsize(), "300S\n100 1\n100 1\n");
}

#[test]
fn a_session_makes_the_total_agree() {
    let fixture = Fixture::new();
    fixture.deliver_within(THREE).unwrap();
    let right = fixture.maildirsize();
    count(&fixture.open(), THREE);
    assert_eq!(fixture.maildirsize(), right, "what agrees is not written");
    fs::remove_file(fixture.path.join("new").join(&fixture.unique_ids()[0])).unwrap();
    fixture.put("new/1.a", b"12345");
    count(&fixture.open(), THREE);
    assert_eq!(fixture.maildirsize(), "300S\n5 1\n");
    for text in ["200S\n5 1\n", "300S\n6 1\n", "damaged"] {
        fs::write(fixture.path.join("maildirsize"), text).unwrap();
        count(&fixture.open(), THREE);
        assert_eq!(fixture.maildirsize(), "300S\n5 1\n");
    }
}

#[test]
fn folders_beneath_count_along() {
    let fixture = Fixture::new();
    for folder in [".Sent/cur", ".Sent/new", ".Sent/tmp", ".plain", "restante.trash/cur"] {
        fs::create_dir_all(fixture.path.join(folder)).unwrap();
    }
    fixture.put(".Sent/cur/1.a,S=50:2,S", b"the name is believed");
    fixture.put(".Sent/new/2.a", b"12345");
    fixture.put(".Sent/tmp/3.a", b"12345");
    fixture.put("restante.trash/cur/4.a", b"12345");
    fixture.put("new/5.a", b"1234567");
    assert_eq!(fixture.usage(), usage(62, 3));
    fixture.deliver_within(THREE).unwrap();
    assert_eq!(fixture.maildirsize(), "300S\n62 3\n100 1\n");
    // A session does not look into them each time.
    fs::remove_file(fixture.path.join(".Sent/new/2.a")).unwrap();
    let maildrop = fixture.open();
    count(&maildrop, THREE);
    assert_eq!(fixture.maildirsize(), "300S\n62 3\n100 1\n");
    let later = now() + std::time::Duration::from_secs(16 * 60);
    run(maildrop.count(THREE, later)).unwrap();
    assert_eq!(fixture.maildirsize(), "300S\n157 3\n");
}

#[test]
fn the_total_is_counted_when_it_cannot_be_written() {
    for errno in [Errno::NOSPC, Errno::DQUOT, Errno::IO, Errno::ROFS] {
        for for_ever in [false, true] {
            for nth in 1..30 {
                let disk = TrickDisk::default();
                let fixture = Fixture::on(Arc::new(disk.clone()), |_| ());
                fixture.deliver_within(THREE).unwrap();
                fs::write(fixture.path.join("maildirsize"), "300S\n400 1\n").unwrap();
                disk.fail(nth, errno, for_ever);
                let outcome = fixture.deliver_within(THREE);
                let was_reached = disk.heal();
                if let Err(error) = &outcome {
                    assert!(!matches!(error, DeliveryError::OverQuota(_)), "{nth} {errno}: {error}");
                }
                let in_fact = fixture.in_fact();
                assert!(
                    in_fact == usage(200, 2) || outcome.is_err(),
                    "{nth} {errno} {for_ever}: {in_fact:?}"
                );
                // Never too low, whatever failed.
                if let Recorded::Total(total) = fixture.audit(THREE).recorded {
                    assert!(
                        total.octets >= in_fact.octets,
                        "{nth} {errno} {for_ever}: {total:?} {in_fact:?}"
                    );
                }
                fixture.recount(THREE);
                assert_eq!(fixture.audit(THREE).recorded, Recorded::Total(fixture.in_fact()));
                if !was_reached {
                    assert!(outcome.is_ok());
                    break;
                }
            }
        }
    }
}

#[test]
fn deliveries_at_once_do_not_go_over_together() {
    for _ in 0..10 {
        let fixture = Fixture::new();
        let ten = Limits { octets: Some(1000), messages: None };
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| fixture.deliver_within(ten))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let delivered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(delivered, 10, "all that fit, and no more: {outcomes:?}");
        assert_eq!(fixture.in_fact(), usage(1000, 10));
        for outcome in outcomes.into_iter().filter(Result::is_err) {
            over(outcome);
        }
    }
}

#[test]
fn a_declared_size_is_refused_before_the_message() {
    let fixture = Fixture::new();
    fixture.deliver_within(THREE).unwrap();
    assert!(
        fixture.admits(None, THREE) && fixture.admits(Some(200), THREE) && fixture.admits(Some(0), THREE)
    );
    assert!(!fixture.admits(Some(300), THREE) && !fixture.admits(Some(u64::MAX), THREE));
    let full = Limits { octets: Some(100), messages: None };
    assert!(!fixture.admits(None, full), "not even an empty one");
    assert!(!fixture.admits(None, Limits { octets: None, messages: Some(1) }));
    assert!(fixture.admits(None, Limits { octets: None, messages: Some(2) }));
}

#[test]
fn each_recipient_has_his_own_quota() {
    let fixture = Fixture::new();
    let names = ["alice", "bob", "carol"].map(|name| Location::Maildir(fixture.root().join(name)));
    let outcomes = run(async {
        let mut delivery = fixture.store.begin(&names[0], now()).await.unwrap();
        delivery.write(MESSAGE).await.unwrap();
        let mut outcomes = Vec::new();
        for (location, octets) in names.iter().zip([99, 100, 101]) {
            let limits = Limits { octets: Some(octets), messages: None };
            outcomes.push(delivery.commit_within(location, limits).await.is_ok());
        }
        delivery.abort().await;
        outcomes
    });
    assert_eq!(outcomes, [false, true, true]);
    assert_eq!(run(fixture.store.usage(&names[2], now())).unwrap(), usage(100, 1));
}

#[test]
fn a_maildrop_that_is_not_there_holds_nothing() {
    let fixture = Fixture::new();
    fs::remove_dir_all(&fixture.path).unwrap();
    assert_eq!(fixture.usage(), usage(0, 0));
    assert!(fixture.admits(Some(1), THREE));
    assert!(!fixture.path.exists(), "looking makes nothing");
    fixture.deliver_within(THREE).unwrap();
    fixture.deliver_within(THREE).unwrap();
    assert_eq!(fixture.maildirsize(), "300S\n100 1\n100 1\n");
    fs::remove_dir(fixture.path.join("cur")).unwrap();
    run(fixture.store.usage(&fixture.location(), now())).unwrap_err();
}

#[test]
fn messages_with_two_files_or_a_pending_removal_count_as_listed() {
    let fixture = Fixture::new();
    fixture.put("new/1.a", MESSAGE);
    fixture.put("cur/1.a:2,S", MESSAGE);
    fixture.put("new/.hidden", MESSAGE);
    fs::create_dir(fixture.path.join("new/folder")).unwrap();
    assert_eq!((fixture.usage(), fixture.open().listing().len()), (usage(100, 1), 1));
    assert_eq!(fixture.usage(), usage(100, 1), "with an index");
}

#[test]
fn an_index_that_is_right_saves_the_listing() {
    let disk = TrickDisk::settled();
    let fixture = Fixture::on(Arc::new(disk.clone()), |_| ());
    fixture.deliver_within(THREE).unwrap();
    drop(fixture.open());
    disk.calls();
    assert_eq!(fixture.usage(), usage(100, 1));
    let calls = disk.calls();
    assert!(!calls.iter().any(|call| call == "list new" || call == "list cur"), "{calls:?}");
}

#[test]
fn an_audit_says_what_stood_there_and_mends_it_when_asked() {
    let fixture = Fixture::new();
    fixture.put("new/1.a", MESSAGE);
    assert_eq!(
        fixture.audit(THREE),
        Audit { usage: usage(100, 1), recorded: Recorded::Nothing, is_mended: false }
    );
    fs::write(fixture.path.join("maildirsize"), "300S\n200 2\n").unwrap();
    let audit = fixture.audit(THREE);
    assert!(audit.has_drifted() && !audit.is_mended);
    assert_eq!(fixture.maildirsize(), "300S\n200 2\n");
    let audit = fixture.recount(THREE);
    assert_eq!(
        (audit.recorded, audit.has_drifted(), audit.is_mended),
        (Recorded::Total(usage(200, 2)), true, true)
    );
    assert_eq!(fixture.maildirsize(), "300S\n100 1\n");
    let audit = fixture.recount(THREE);
    assert!(!audit.has_drifted() && !audit.is_mended);
    // Without a limit there is nothing to write.
    fs::remove_file(fixture.path.join("maildirsize")).unwrap();
    assert!(!fixture.recount(Limits::default()).is_mended);
    assert!(!fixture.path.join("maildirsize").exists());
}
