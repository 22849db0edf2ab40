//! Expiry: what is old enough goes, and nothing else does.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use restante_proto::maildrop::Marks;
use rustix::io::Errno;

use super::fixture::{Fixture, marks, run};
use super::trick_disk::TrickDisk;
use crate::Location;
use crate::expiry::{BATCH_MAX, Expired, Expiry, From, Trial};
use crate::maildrop::OpenError;

const DAY: Duration = Duration::from_secs(86_400);
const DELIVERY: Expiry = Expiry { after: DAY.saturating_mul(10), from: From::Delivery };
const RETRIEVAL: Expiry = Expiry { from: From::Retrieval, ..DELIVERY };

/// Days after the time in the names of the messages here.
fn day(number: u32) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000) + DAY * number
}

fn dated(maildir: &Fixture, name: &str, when: SystemTime) {
    maildir.put(name, b"A: 1\n\nhello\n");
    date(&maildir.path.join(name), when);
}

fn date(path: &Path, when: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(when).unwrap();
}

fn expire(maildir: &Fixture, expiry: Expiry, now: SystemTime) -> Expired {
    run(maildir.store.expire(&maildir.location(), &expiry, now, Trial::No)).unwrap()
}

/// A session that retrieves these messages and ends.
fn retrieve(maildir: &Fixture, indices: &[usize], now: SystemTime) {
    let mut maildrop = maildir.open();
    run(maildrop.keep_retrieved(&marks(indices.iter().copied()), &Marks::new(), now)).unwrap();
}

#[test]
fn what_was_delivered_long_enough_ago_goes_to_the_second() {
    let maildir = Fixture::new();
    dated(&maildir, "new/1700000000.a", day(0));
    dated(&maildir, "cur/1700000000.b:2,S", day(0) + Duration::from_millis(1));
    dated(&maildir, "cur/1700086400.c:2,S", day(0));
    assert_eq!(expire(&maildir, DELIVERY, day(10) - Duration::from_nanos(1)).gone.len(), 0);
    let expired = expire(&maildir, DELIVERY, day(10));
    assert_eq!((expired.gone.len(), expired.is_more, expired.failed.is_none()), (1, false, true));
    assert_eq!(expired.messages[0].since, day(0));
    assert_eq!(expired.listing.unique_id(expired.messages[0].index).unwrap().as_str(), "1700000000.a");
    assert_eq!(maildir.unique_ids(), ["1700000000.b", "1700086400.c"]);
    assert_eq!(expire(&maildir, DELIVERY, day(10) + Duration::from_secs(1)).gone.len(), 1);
    assert_eq!(expire(&maildir, DELIVERY, day(11)).gone.len(), 1);
    assert!(maildir.unique_ids().is_empty());
}

#[test]
fn the_later_of_name_and_file_counts_also_when_the_index_says_otherwise() {
    let maildir = Fixture::new();
    dated(&maildir, "cur/1700000000.restored:2,", day(8));
    dated(&maildir, "cur/1700691200.named:2,", day(0));
    dated(&maildir, "cur/other:2,", day(0));
    maildir.open();
    assert_eq!(expire(&maildir, DELIVERY, day(17)).gone.len(), 1, "one without a time in its name");
    assert_eq!(maildir.unique_ids().len(), 2);
    date(&maildir.path.join("cur/1700000000.restored:2,"), day(9));
    assert_eq!(expire(&maildir, DELIVERY, day(18)).gone.len(), 1);
    assert_eq!(maildir.unique_ids(), ["1700000000.restored"]);
    date(&maildir.path.join("cur/1700000000.restored:2,"), day(1));
    assert_eq!(expire(&maildir, DELIVERY, day(11)).gone.len(), 1);
}

#[test]
fn no_time_or_one_that_is_to_come_keeps_a_message() {
    let maildir = Fixture::new();
    dated(&maildir, "cur/none:2,", UNIX_EPOCH);
    dated(&maildir, "cur/before:2,", UNIX_EPOCH - DAY);
    dated(&maildir, "cur/1700000000.none:2,", UNIX_EPOCH);
    dated(&maildir, "cur/1700000000.future:2,", day(5000));
    dated(&maildir, "cur/1900000000.future:2,", day(0));
    assert_eq!(expire(&maildir, DELIVERY, day(2000)).gone.len(), 0);
    assert_eq!(expire(&maildir, DELIVERY, UNIX_EPOCH).gone.len(), 0, "a clock that was never set");
    assert_eq!(maildir.unique_ids().len(), 5);
}

#[test]
fn what_nobody_has_retrieved_stays_when_retrieval_counts() {
    let maildir = Fixture::new();
    for name in ["1700000000.a", "1700000000.b", "1700000000.c"] {
        dated(&maildir, &format!("cur/{name}:2,"), day(0));
    }
    assert_eq!(expire(&maildir, RETRIEVAL, day(4000)).gone.len(), 0);
    retrieve(&maildir, &[0, 1], day(5));
    retrieve(&maildir, &[1, 2], day(6));
    assert_eq!(expire(&maildir, RETRIEVAL, day(15) - Duration::from_secs(1)).gone.len(), 0);
    assert_eq!(expire(&maildir, RETRIEVAL, day(15)).gone.len(), 2, "the first time counts");
    assert_eq!(maildir.unique_ids(), ["1700000000.c"]);
    assert_eq!(expire(&maildir, RETRIEVAL, day(16)).gone.len(), 1);
}

#[test]
fn a_retrieval_noted_by_a_wrong_clock_counts_from_the_delivery() {
    let maildir = Fixture::new();
    dated(&maildir, "cur/1700000000.a:2,", day(3));
    retrieve(&maildir, &[0], UNIX_EPOCH + DAY);
    assert_eq!(expire(&maildir, RETRIEVAL, day(12)).gone.len(), 0);
    assert_eq!(expire(&maildir, RETRIEVAL, day(13)).gone.len(), 1);
}

#[test]
fn what_was_retrieved_is_known_in_the_next_index_and_after_others_have_gone() {
    let maildir = Fixture::on(Arc::new(TrickDisk::settled()), |_| ());
    for number in 0..20 {
        dated(&maildir, &format!("cur/17000000{number:02}.a:2,"), day(0));
    }
    retrieve(&maildir, &[5, 19], day(1));
    let first = fs::read(maildir.index_path()).unwrap();
    // A message before all others: the listing is not in the order of the index any more.
    dated(&maildir, "cur/1600000000.first:2,", day(0));
    let mut maildrop = maildir.open();
    maildir.remove(&mut maildrop, 1..5);
    drop(maildrop);
    retrieve(&maildir, &[0, 2], day(2));
    let mut nonce = first[16..24].to_vec();
    for round in 0..3000 {
        // Flags that change are records, until the file is written anew.
        let (from, to) = if round % 2 == 0 { ("", "S") } else { ("S", "") };
        let path = |flags| maildir.path.join(format!("cur/1700000010.a:2,{flags}"));
        fs::rename(path(from), path(to)).unwrap();
        maildir.open();
        let file = fs::read(maildir.index_path()).unwrap();
        if file[16..24] != nonce {
            nonce = file[16..24].to_vec();
            break;
        }
    }
    assert_ne!(nonce, first[16..24], "written anew");
    let gone = |now| {
        let expired = expire(&maildir, RETRIEVAL, now);
        let unique_id = |index| expired.listing.unique_id(index).unwrap().as_str().to_owned();
        expired.gone.iter().map(|(index, _)| unique_id(index)).collect::<Vec<_>>()
    };
    assert_eq!(gone(day(11)), ["1700000005.a", "1700000019.a"]);
    assert_eq!(gone(day(12)), ["1600000000.first"]);
    assert!(gone(day(4000)).is_empty());
}

#[test]
fn without_the_index_nobody_has_retrieved_anything() {
    let maildir = Fixture::new();
    dated(&maildir, "cur/1700000000.a:2,", day(0));
    retrieve(&maildir, &[0], day(1));
    fs::remove_file(maildir.index_path()).unwrap();
    assert_eq!(expire(&maildir, RETRIEVAL, day(4000)).gone.len(), 0);
    retrieve(&maildir, &[0], day(2));
    assert_eq!(expire(&maildir, RETRIEVAL, day(4000)).gone.len(), 1);
}

#[test]
fn a_trial_changes_nothing_and_waits_for_nobody() {
    let maildir = Fixture::new();
    dated(&maildir, "new/1700000000.a", day(0));
    dated(&maildir, "new/1700000001.b", day(9));
    let session = maildir.open();
    let before = (maildir.files(), fs::read(maildir.index_path()).unwrap());
    let trial = run(maildir.store.expire(&maildir.location(), &DELIVERY, day(11), Trial::Yes)).unwrap();
    assert_eq!((trial.messages.len(), trial.gone.len()), (1, 0));
    assert_eq!((maildir.files(), fs::read(maildir.index_path()).unwrap()), before);
    let result = run(maildir.store.expire(&maildir.location(), &DELIVERY, day(11), Trial::No));
    assert!(matches!(result, Err(OpenError::InUse)), "{result:?}");
    drop(session);
    assert_eq!(expire(&maildir, DELIVERY, day(11)).gone.len(), 1);
}

#[test]
fn no_maildrop_is_made() {
    let maildir = Fixture::new();
    for (name, folder) in [("bob", None), ("eve", Some("eve/new"))] {
        folder.into_iter().for_each(|folder| fs::create_dir_all(maildir.root().join(folder)).unwrap());
        let location = Location::Maildir(maildir.root().join(name));
        for trial in [Trial::Yes, Trial::No] {
            let expired = run(maildir.store.expire(&location, &DELIVERY, day(11), trial)).unwrap();
            assert!(expired.messages.is_empty() && expired.listing.is_empty());
        }
        run(maildir.store.sweep_trash(&location, day(11))).unwrap();
    }
    assert!(!maildir.root().join("bob").exists());
    assert!(!maildir.root().join("eve/cur").exists());
    let marked = Fixture::on(Arc::new(TrickDisk::settled()), |settings| {
        settings.marker = Some("/nowhere/marker".into());
    });
    let result = run(marked.store.expire(&marked.location(), &DELIVERY, day(11), Trial::No));
    assert!(matches!(result, Err(OpenError::Temporary(_))), "{result:?}");
}

#[test]
fn a_crowd_goes_in_batches_and_what_cannot_go_is_told() {
    let maildir = Fixture::new();
    for number in 0..=BATCH_MAX {
        dated(&maildir, &format!("cur/{}.x:2,", 1_700_000_000 + number), day(0));
    }
    let first = expire(&maildir, DELIVERY, day(11));
    assert_eq!((first.gone.len(), first.is_more), (BATCH_MAX, true));
    let second = expire(&maildir, DELIVERY, day(11));
    assert_eq!((second.gone.len(), second.is_more), (1, false));

    let mut told = 0;
    for nth in 1.. {
        let disk = TrickDisk::settled();
        let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
        dated(&maildir, "cur/1700000000.a:2,", day(0));
        maildir.open();
        disk.fail(nth, Errno::ACCESS, false);
        let result = run(maildir.store.expire(&maildir.location(), &DELIVERY, day(11), Trial::No));
        if !disk.heal() {
            break;
        }
        let Ok(expired) = result else { continue };
        let left = expired.failed.map_or(0, |(left, _)| left);
        assert_eq!(expired.gone.len() + left, 1);
        told += left;
    }
    assert!(told > 0);
}

#[test]
fn what_expires_goes_into_the_trash_and_the_trash_is_swept() {
    let maildir = Fixture::on(Arc::new(TrickDisk::settled()), |settings| settings.trash = Some(14 * DAY));
    dated(&maildir, "cur/1700000000.a:2,S", day(0));
    dated(&maildir, "cur/1701000000.b:2,S", day(11));
    let expired = expire(&maildir, DELIVERY, day(10));
    assert!(expired.warnings.is_empty() && expired.gone.len() == 1, "{expired:?}");
    let deleted = || run(maildir.store.deleted(&maildir.location(), day(10))).unwrap();
    assert_eq!((deleted()[0].unique_id.as_str(), deleted()[0].when), ("1700000000.a", day(10)));
    let session = run(maildir.store.open(&maildir.location(), day(10))).unwrap();
    let result = run(maildir.store.sweep_trash(&maildir.location(), day(25)));
    assert!(matches!(result, Err(OpenError::InUse)), "{result:?}");
    drop(session);
    run(maildir.store.sweep_trash(&maildir.location(), day(24))).unwrap();
    assert_eq!(deleted().len(), 1);
    fs::remove_file(maildir.path.join("restante.trash/swept")).unwrap();
    run(maildir.store.sweep_trash(&maildir.location(), day(25))).unwrap();
    assert!(deleted().is_empty());
}
