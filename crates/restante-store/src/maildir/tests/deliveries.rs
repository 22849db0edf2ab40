//! Deliveries with nothing going wrong on the disk.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use restante_proto::body::{Encoder, Extent};
use tempfile::TempDir;

use super::fixture::{Fixture, files, now, read, run};
use super::trick_disk::TrickDisk;
use crate::Location;
use crate::disk::LocalDisk;
use crate::maildir::LineEnds;
use crate::maildrop::OpenError;
use crate::quota::Limits;

const MESSAGE: &[u8] = b"A: b\r\n\r\nc\r\n";

fn wire(stored: &[u8]) -> Vec<u8> {
    let (mut encoder, mut output) = (Encoder::new(Extent::Whole), Vec::new());
    encoder.encode(stored, &mut output);
    encoder.finish(&mut output);
    output
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_delivered_is_retrieved(
        lines in prop::collection::vec("[\r.a\u{0}\u{7f}\u{e9}]{0,6}", 1..20),
        repeat in prop_oneof![9 => Just(1_usize), 1 => Just(30_000)],
        is_crlf in any::<bool>(),
        piece in 1_usize..50_000,
    ) {
        let maildir = Fixture::on(Arc::new(TrickDisk::settled()), |settings| {
            settings.line_ends = if is_crlf { LineEnds::Crlf } else { LineEnds::Lf };
        });
        let message = (lines.join("\r\n") + "\r\n").into_bytes().repeat(repeat);
        run(async {
            let mut delivery = maildir.store.begin(&maildir.location(), now()).await.unwrap();
            for piece in message.chunks(piece.max(message.len() / 50)) {
                delivery.write(piece).await.unwrap();
            }
            delivery.commit(&maildir.location()).await.unwrap();
        });
        let maildrop = maildir.open();
        prop_assert_eq!(maildrop.listing().octets(0).unwrap().as_u64(), message.len() as u64);
        prop_assert_eq!(wire(&read(&maildrop, 0).unwrap()), wire(&message));
        prop_assert_eq!(maildir.files().len(), 1);
    }
}

#[test]
fn recipients_share_one_file() {
    for size in [10, 500_000] {
        let maildir = Fixture::new();
        let message = b"0123456789\r\n".repeat(size / 10);
        let results = maildir.deliver_to(&message, &["alice", "bob", "carol"]);
        let inodes: Vec<u64> = ["alice", "bob", "carol"]
            .iter()
            .zip(results)
            .map(|(name, unique_id)| {
                let path = maildir.root().join(name).join("new").join(unique_id.unwrap());
                let meta = fs::metadata(path).unwrap();
                assert_eq!(meta.len(), message.len() as u64 / 12 * 11);
                meta.ino()
            })
            .collect();
        assert!(inodes.iter().all(|inode| *inode == inodes[0]), "{inodes:?}");
        for name in ["alice", "bob", "carol"] {
            assert_eq!(files(&maildir.root().join(name)).len(), 1, "nothing is left in tmp");
        }
    }
}

#[test]
fn recipients_apart_share_nothing_whatever_they_do_to_their_files() {
    for (size, limits) in
        [(10, Limits::default()), (500_000, Limits { octets: Some(1 << 30), messages: None })]
    {
        let maildir = Fixture::new();
        let (message, root) = (b"0123456789\r\n".repeat(size / 10), maildir.root());
        let other = maildir.store.on(Arc::new(LocalDisk));
        run(async {
            let at = |name: &str| Location::Maildir(root.join(name));
            let mut delivery = maildir.store.begin_apart(root, &at("alice"), now()).await.unwrap();
            delivery.write(&message).await.unwrap();
            for (name, store) in [("alice", &other), ("bob", &maildir.store), ("carol", &other)] {
                let unique_id = delivery.commit_to(store, &at(name), limits).await.unwrap();
                let path = root.join(name).join("new").join(unique_id.as_str());
                // Nobody's change is anybody else's.
                assert_eq!(fs::read(&path).unwrap(), b"0123456789\n".repeat(size / 10), "{name}");
                assert_eq!(fs::metadata(&path).unwrap().nlink(), 1);
                fs::write(&path, b"forged\n").unwrap();
            }
            assert!(delivery.write(b"more").await.is_err(), "not behind a commit");
        });
        for name in ["alice", "bob", "carol"] {
            assert_eq!(files(&root.join(name)).len(), 1, "nothing is left in tmp");
        }
        let incoming = root.join("incoming");
        assert_eq!(incoming.exists(), size > 10);
        assert!(!incoming.exists() || files(&incoming).is_empty());
    }
}

#[test]
fn a_recipient_who_is_quick_to_remove_does_not_hurt_the_others() {
    let maildir = Fixture::new();
    run(async {
        let mut delivery = maildir.store.begin(&maildir.location(), now()).await.unwrap();
        delivery.write(MESSAGE).await.unwrap();
        let first = delivery.commit(&maildir.location()).await.unwrap();
        let path = maildir.path.join("new").join(first.as_str());
        fs::remove_file(&path).unwrap();
        delivery.commit(&maildir.location()).await.unwrap();
        // Or somebody puts something else in its place.
        fs::write(&path, b"forged").unwrap();
        delivery.commit(&maildir.location()).await.unwrap();
        fs::remove_file(&path).unwrap();
    });
    let contents: Vec<_> = maildir.files().into_values().collect();
    assert_eq!(contents, [b"A: b\n\nc\n", b"A: b\n\nc\n"]);
}

#[test]
fn an_aborted_delivery_leaves_nothing() {
    for size in [1_usize, 50_000] {
        let maildir = Fixture::new();
        run(async {
            let mut delivery = maildir.store.begin(&maildir.location(), now()).await.unwrap();
            delivery.write(&MESSAGE.repeat(size)).await.unwrap();
            assert_eq!(maildir.files().len(), usize::from(size > 1), "large ones go through a file");
            delivery.abort().await;
        });
        assert!(maildir.files().is_empty());
        run(async {
            let mut delivery = maildir.store.begin(&maildir.location(), now()).await.unwrap();
            delivery.write(&MESSAGE.repeat(size)).await.unwrap();
        });
        assert!(maildir.files().is_empty());
    }
}

#[test]
fn names_are_unique_ids_and_keep_the_order_of_delivery() {
    let maildir = Fixture::on(Arc::new(LocalDisk), |settings| settings.host = "mail/ex:ample.org".to_owned());
    let names: Vec<String> = (0..20).map(|_| maildir.deliver(MESSAGE)).collect();
    assert_eq!(maildir.unique_ids().len(), 20);
    for name in &names {
        assert!(name.len() <= 70 && name.contains(".mailexample"), "{name}");
    }
    let mut at = UNIX_EPOCH + Duration::from_millis(1_800_000_000_000);
    let mut later = Vec::new();
    for _ in 0..5 {
        at += Duration::from_millis(1);
        run(async {
            let mut delivery = maildir.store.begin(&maildir.location(), at).await.unwrap();
            delivery.write(MESSAGE).await.unwrap();
            later.push(delivery.commit(&maildir.location()).await.unwrap().as_str().to_owned());
        });
    }
    assert_eq!(maildir.unique_ids()[20..], later);
}

#[test]
fn a_missing_maildrop_is_made_below_its_root_and_nowhere_else() {
    let maildir = Fixture::new();
    let bob = maildir.root().join("example.org/bob");
    let result = maildir.deliver_to(MESSAGE, &["example.org/bob"]);
    assert!(result[0].is_ok(), "{result:?}");
    for path in [&bob, &bob.join("tmp"), &bob.join("new"), &bob.join("cur")] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
    }
    let message = bob.join("new").join(result[0].as_ref().unwrap());
    assert_eq!(fs::metadata(message).unwrap().permissions().mode() & 0o777, 0o600);
    for outside in ["../outside", "alice/../../outside"] {
        let result = maildir.deliver_to(MESSAGE, &[outside]);
        assert!(!result[0].as_ref().unwrap_err().is_temporary(), "{outside}");
    }
    assert!(!maildir.root().parent().unwrap().join("outside").exists());
}

#[test]
fn of_several_roots_the_nearest_must_be_there() {
    let outer = TempDir::new().unwrap();
    let roots = [outer.path().to_path_buf(), outer.path().join("disk")];
    let maildir = Fixture::on(Arc::new(LocalDisk), |settings| settings.roots.extend(roots.clone()));
    let deliver = |name: &str| {
        // An absolute path stays what it is.
        let path = outer.path().join(name);
        let result = maildir.deliver_to(MESSAGE, &[path.to_str().unwrap()]).remove(0);
        result.map(drop).map_err(|error| error.is_temporary())
    };
    assert!(deliver("alice").is_ok());
    // The disk is not mounted.
    assert_eq!(deliver("disk/bob"), Err(true));
    assert!(!outer.path().join("disk").exists());
    fs::create_dir(outer.path().join("disk")).unwrap();
    assert!(deliver("disk/bob").is_ok());
}

type Change = fn(&mut crate::maildir::Settings);

#[test]
fn a_missing_disk_is_not_an_empty_maildrop() {
    let cases: [(&str, Change); 3] = [
        ("no root", |settings| settings.roots = vec![settings.roots[0].join("missing")]),
        ("no marker", |settings| settings.marker = Some(settings.roots[0].join(".mounted"))),
        ("not wanted", |settings| settings.create = false),
    ];
    for (case, change) in cases {
        let maildir = Fixture::on(Arc::new(LocalDisk), change);
        fs::remove_dir_all(&maildir.path).unwrap();
        let path =
            if case == "no root" { maildir.root().join("missing/alice") } else { maildir.path.clone() };
        let location = Location::Maildir(path.clone());
        let error = run(maildir.store.open(&location, now())).unwrap_err();
        assert!(matches!(error, OpenError::Temporary(_)), "{case}: {error}");
        let result = run(async {
            let mut delivery = maildir.store.begin(&location, now()).await.unwrap();
            delivery.write(MESSAGE).await.unwrap();
            delivery.commit(&location).await
        });
        assert!(result.unwrap_err().is_temporary(), "{case}");
        assert!(!path.exists(), "{case}");
    }
    let maildir = Fixture::on(Arc::new(LocalDisk), |settings| {
        settings.marker = Some(settings.roots[0].join(".mounted"))
    });
    maildir.put("new/1700000001.a", b"x");
    assert!(maildir.try_open().is_err(), "even when the folder is there");
    fs::write(maildir.root().join(".mounted"), b"").unwrap();
    assert_eq!(maildir.open().listing().len(), 1);
}

#[test]
fn old_temporary_files_are_swept_and_young_ones_are_not() {
    let maildir = Fixture::new();
    maildir.put("tmp/1700000001.a", b"half a mess");
    let open_after = |hours: u64| {
        // The folders must have changed, or nothing is looked at.
        maildir.deliver(MESSAGE);
        run(maildir.store.open(&maildir.location(), now() + Duration::from_secs(hours * 3600))).unwrap();
        maildir.path.join("tmp/1700000001.a").exists()
    };
    assert!(open_after(0));
    assert!(open_after(35));
    assert!(!open_after(37));
}

#[test]
fn many_deliver_at_once_while_sessions_come_and_go() {
    let maildir = Fixture::on(Arc::new(TrickDisk::default()), |_| ());
    let delivered = std::sync::Mutex::new(Vec::new());
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let name = maildir.deliver(MESSAGE);
                    delivered.lock().unwrap().push(name);
                }
            });
        }
        while seen.len() < 100 {
            let mut maildrop = maildir.open();
            let listing = Arc::clone(maildrop.listing());
            let all = (0..listing.len()).map(|index| listing.unique_id(index).unwrap().as_str().to_owned());
            seen.extend(all);
            maildir.remove(&mut maildrop, 0..listing.len());
        }
    });
    seen.sort();
    let mut delivered = delivered.into_inner().unwrap();
    delivered.sort();
    assert_eq!(seen, delivered, "every message once");
    assert!(maildir.files().is_empty());
}

/// The calls of one delivery to two maildrops, with the names left out.
#[test]
fn everything_is_synced_before_it_is_acknowledged() {
    let disk = TrickDisk::settled();
    let maildir = Fixture::on(Arc::new(disk.clone()), |_| ());
    maildir.deliver_to(MESSAGE, &["alice", "bob"]);
    let calls_of = |lines: usize| {
        disk.calls();
        let results = maildir.deliver_to(&MESSAGE.repeat(lines), &["alice", "bob"]);
        assert!(results.iter().all(Result::is_ok));
        let word = |call: &String| {
            let (verb, name) = call.split_once(' ').unwrap();
            let is_message = name.starts_with(|c: char| c.is_ascii_digit());
            format!("{verb} {}", if is_message { "message" } else { name })
        };
        disk.calls().iter().map(word).collect::<Vec<_>>().join(", ")
    };
    let index = "open restante.index";
    let others = format!("sync new, {index}, stat tmp, link message, stat message, sync new, {index}");
    assert_eq!(
        calls_of(1),
        format!("create message, append message, sync message, rename message, {others}")
    );
    let spilled = "create message, append message, append message, sync message, rename message";
    assert_eq!(calls_of(30_000), format!("{spilled}, {others}"));
}
