//! The twin behaves like a disk, keeps what was synced, and does misbehave in every way it should.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use restante_store::disk::LocalDisk;

use super::*;
use crate::dice::Dice;

fn path(name: &str) -> PathBuf {
    PathBuf::from(name)
}

/// A disk with the folders `/a` and `/b`.
fn disk() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    disk.put_folder(&path("/a"));
    disk.put_folder(&path("/b"));
    disk
}

fn create(disk: &dyn Disk, name: &str, octets: &[u8]) -> Box<dyn DiskFile> {
    let file = disk.open(&path(name), Access::CreateNew(0o600)).unwrap();
    file.append(octets).unwrap();
    file
}

/// What a crash leaves of `/a/x`, for many seeds.
fn left(disk: &SimulatedDisk) -> BTreeSet<Option<Vec<u8>>> {
    (0..400).map(|seed| disk.crash(Aftermath::Seeded(seed)).file(&path("/a/x"))).collect()
}

fn all_aftermaths() -> impl Iterator<Item = Aftermath> {
    [Aftermath::Lost, Aftermath::Kept].into_iter().chain((0..200).map(Aftermath::Seeded))
}

#[test]
fn what_was_synced_survives_everything() {
    let disk = disk();
    let file = create(&disk, "/a/x", &[7; 2000]);
    file.sync().unwrap();
    disk.sync_folder(&path("/a")).unwrap();
    disk.link(&path("/a/x"), &path("/b/y")).unwrap();
    disk.sync_folder(&path("/b")).unwrap();
    disk.unlink(&path("/a/x")).unwrap();
    disk.sync_folder(&path("/a")).unwrap();
    for aftermath in all_aftermaths() {
        let after = disk.crash(aftermath);
        assert_eq!(after.file(&path("/b/y")), Some(vec![7; 2000]));
        assert_eq!(after.names(&path("/a")), Vec::<OsString>::new());
        // And the next crash, at which nothing was open any more.
        assert_eq!(after.crash(aftermath).file(&path("/b/y")), Some(vec![7; 2000]));
    }
}

#[test]
fn contents_that_were_not_synced_are_there_in_every_state() {
    let disk = disk();
    let file = create(&disk, "/a/x", &[1; 100]);
    file.sync().unwrap();
    disk.sync_folder(&path("/a")).unwrap();
    file.append(&[2; 1500]).unwrap();
    file.append(&[3; 1500]).unwrap();
    let left: Vec<Vec<u8>> = left(&disk).into_iter().map(|octets| octets.unwrap()).collect();
    assert!(left.iter().all(|octets| octets.starts_with(&[1; 100])), "the synced part stays");
    let whole = [vec![1; 100], vec![2; 1500], vec![3; 1500]].concat();
    let has = |what: &str, is: &dyn Fn(&[u8]) -> bool| {
        assert!(left.iter().any(|octets| is(octets)), "never: {what}");
    };
    has("nothing of it", &|octets| octets.len() == 100);
    has("all of it", &|octets| octets == whole);
    has("the first piece alone", &|octets| octets == &whole[..1600]);
    has("torn at a sector", &|octets| octets.len() % 512 == 0 && octets.len() > 100);
    has("torn at an octet", &|octets| octets.len() % 512 > 0 && octets.len() != 1600 && octets.len() != 3100);
    has("zeros with the new length", &|octets| octets.len() == 3100 && octets[512..1024] == [0; 512]);
    has("what lay there before", &|octets| {
        octets.len() == 3100
            && octets[1024..]
                .chunks(512)
                .any(|sector| !sector.iter().all(|octet| [0, 2, 3].contains(octet)) || sector.contains(&1))
    });
    has("the second piece without the first", &|octets| {
        octets.len() == 3100 && octets.ends_with(&[3; 500]) && octets[512..1024] == [0; 512]
    });
}

#[test]
fn a_cut_that_was_not_synced_has_happened_or_not() {
    let disk = disk();
    let file = create(&disk, "/a/x", &[1; 100]);
    file.sync().unwrap();
    disk.sync_folder(&path("/a")).unwrap();
    file.truncate(10).unwrap();
    assert_eq!(file.stat().unwrap().size, 10);
    assert_eq!(left(&disk), [Some(vec![1; 10]), Some(vec![1; 100])].into());
    file.sync().unwrap();
    assert_eq!(left(&disk), [Some(vec![1; 10])].into());
}

#[test]
fn names_that_were_not_synced_are_there_in_every_combination() {
    let disk = disk();
    for name in ["/a/1", "/a/2", "/a/3"] {
        create(&disk, name, b"x").sync().unwrap();
    }
    let left: BTreeSet<Vec<OsString>> =
        (0..200).map(|seed| disk.crash(Aftermath::Seeded(seed)).names(&path("/a"))).collect();
    assert_eq!(left.len(), 8, "each subset: {left:?}");
}

#[test]
fn a_name_can_survive_whose_contents_did_not() {
    let disk = disk();
    create(&disk, "/a/x", &[5; 600]);
    let left = left(&disk);
    assert!(left.contains(&None) && left.contains(&Some(vec![])) && left.contains(&Some(vec![5; 600])));
    assert!(left.iter().flatten().any(|octets| octets.len() == 512), "and with a part of them");
    disk.sync_folder(&path("/a")).unwrap();
    assert_eq!(disk.crash(Aftermath::Lost).file(&path("/a/x")), Some(vec![]), "an empty file");
}

#[test]
fn an_unlink_can_come_back_and_a_rename_is_whole() {
    let disk = disk();
    create(&disk, "/a/x", b"x").sync().unwrap();
    disk.sync_folder(&path("/a")).unwrap();
    disk.rename_new(&path("/a/x"), &path("/b/x")).unwrap();
    create(&disk, "/b/y", b"y").sync().unwrap();
    let mut seen = BTreeSet::new();
    for aftermath in all_aftermaths() {
        let after = disk.crash(aftermath);
        let places = (after.file(&path("/a/x")).is_some(), after.file(&path("/b/x")).is_some());
        assert!(places.0 != places.1, "in one of the two folders");
        seen.insert((places.0, after.file(&path("/b/y")).is_some()));
    }
    assert_eq!(seen.len(), 4, "in any order with what came later: {seen:?}");
    // A sync of either folder makes both halves durable, and nothing brings the old name back.
    disk.sync_folder(&path("/b")).unwrap();
    assert!(all_aftermaths().all(|aftermath| disk.crash(aftermath).file(&path("/a/x")).is_none()));
    disk.unlink(&path("/b/x")).unwrap();
    let back = |aftermath| disk.crash(aftermath).file(&path("/b/x")).is_some();
    assert!(all_aftermaths().any(back) && !all_aftermaths().all(back));
}

#[test]
fn after_a_failed_sync_the_next_one_writes_nothing() {
    let disk = disk();
    let file = create(&disk, "/a/x", &[9; 600]);
    disk.sync_folder(&path("/a")).unwrap();
    disk.fail(Fault::Io, 1, Lasting::Once, Counted::Changes);
    assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(Errno::IO.raw_os_error()));
    assert!(disk.heal());
    file.sync().unwrap();
    assert_eq!(disk.file(&path("/a/x")), Some(vec![9; 600]), "programs see it still");
    assert_eq!(left(&disk), [Some(vec![0; 600])].into(), "and a crash shows that it was never written");
    file.append(b"more").unwrap();
    file.sync().unwrap();
    let with_more = [vec![0; 600], b"more".to_vec()].concat();
    assert_eq!(left(&disk), [Some(with_more)].into(), "what comes later is written");
}

#[test]
fn a_fault_hits_the_nth_call_that_it_can() {
    for fault in Fault::ALL {
        let disk = disk();
        disk.fail(fault, 2, Lasting::Once, Counted::Changes);
        let results: Vec<bool> = ["/a/1", "/a/2", "/a/3"]
            .iter()
            .map(|name| disk.open(&path(name), Access::CreateNew(0o600)).is_ok())
            .collect();
        assert_eq!(results, [true, false, true], "{fault:?}");
        assert!(disk.heal());
        disk.fail(fault, 2, Lasting::ForEver, Counted::Calls);
        let results: Vec<bool> = ["/b/1", "/b/2", "/b/3"]
            .iter()
            .map(|name| disk.open(&path(name), Access::CreateNew(0o600)).is_ok())
            .collect();
        assert_eq!(results, [true, false, false], "{fault:?}");
        disk.heal();
        disk.fail(fault, 99, Lasting::Once, Counted::Calls);
        assert!(disk.stat(&path("/a")).is_ok() && !disk.heal());
    }
}

#[test]
fn a_full_disk_still_gives_and_takes_away() {
    let disk = disk();
    let file = create(&disk, "/a/x", b"x");
    disk.fail(Fault::NoSpace, 1, Lasting::ForEver, Counted::Calls);
    assert!(file.append(b"more").unwrap_err().kind() == ErrorKind::StorageFull);
    assert!(disk.link(&path("/a/x"), &path("/a/y")).is_err());
    let mut names = 0;
    disk.list(&path("/a"), &mut |_, _| names += 1).unwrap();
    // A part of what did not fit is there.
    assert_eq!((names, file.read_at(&mut [0; 10], 0).unwrap()), (1, 3));
    disk.unlink(&path("/a/x")).unwrap();
    disk.sync_folder(&path("/a")).unwrap();
}

#[test]
fn a_failing_append_writes_nothing_a_part_or_nearly_all() {
    let lengths: BTreeSet<usize> = (0..3)
        .map(|calls| {
            let disk = disk();
            let file = create(&disk, "/a/x", b"");
            disk.fail(Fault::NoSpace, 1, Lasting::Once, Counted::Changes);
            (0..calls).for_each(|_| drop(file.stat()));
            assert!(file.append(b"0123456789").is_err());
            disk.file(&path("/a/x")).unwrap().len()
        })
        .collect();
    assert_eq!(lengths, [0, 5, 9].into());
}

#[test]
fn a_list_that_fails_has_given_some_names() {
    let disk = disk();
    (0..4).for_each(|n| drop(create(&disk, &format!("/a/{n}"), b"")));
    disk.fail(Fault::Io, 1, Lasting::Once, Counted::Calls);
    let mut given = 0;
    assert!(disk.list(&path("/a"), &mut |_, _| given += 1).is_err());
    assert_eq!(given, 2);
}

#[test]
fn a_stopped_machine_carries_nothing_out() {
    let disk = disk();
    disk.stop_after(2);
    let file = create(&disk, "/a/x", &[1; 10]);
    assert!(!disk.has_stopped());
    assert!(file.append(&[2; 10]).is_err() && disk.has_stopped());
    assert!(file.append(&[3; 10]).is_err());
    assert!(file.sync().is_err() && disk.unlink(&path("/a/x")).is_err());
    assert!(disk.sync_folder(&path("/a")).is_err() && disk.stat(&path("/a/x")).is_err());
    let octets = disk.crash(Aftermath::Kept).file(&path("/a/x")).unwrap();
    assert_eq!(octets, [vec![1; 10], vec![2; 5]].concat(), "the call it died in may have done a part");
    let calls = disk.take_calls();
    assert_eq!(calls[..3], ["Create x", "Append x", "Append x"]);
}

#[test]
fn a_lock_goes_with_its_opening_and_with_the_machine() {
    let disk = disk();
    let open = |disk: &SimulatedDisk| disk.open(&path("/a/l"), Access::AppendOrCreate(0o600)).unwrap();
    let (first, second) = (open(&disk), open(&disk));
    assert!(first.try_lock().unwrap() && first.try_lock().unwrap());
    assert!(!second.try_lock().unwrap());
    assert!(open(&disk.fork()).try_lock().unwrap(), "another disk");
    drop(first);
    assert!(second.try_lock().unwrap());
    disk.sync_folder(&path("/a")).unwrap();
    assert!(open(&disk.crash(Aftermath::Kept)).try_lock().unwrap());
}

#[test]
fn nothing_is_linked_or_renamed_between_devices() {
    let disk = disk();
    disk.put_device(&path("/c"));
    create(&disk, "/a/x", b"x");
    for result in [
        disk.link(&path("/a/x"), &path("/c/x")),
        disk.rename_new(&path("/a/x"), &path("/c/x")),
        disk.rename(&path("/a/x"), &path("/c/x")),
    ] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::CrossesDevices);
    }
}

#[test]
fn times_move_with_every_change_and_numbers_come_again_after_a_crash() {
    let disk = disk();
    let (before, other) = (disk.stat(&path("/a")).unwrap(), disk.stat(&path("/b")).unwrap());
    let file = create(&disk, "/a/x", b"x");
    let with_x = disk.stat(&path("/a")).unwrap();
    assert!(with_x.modified_ns > before.modified_ns);
    let lost = file.stat().unwrap().inode;
    disk.unlink(&path("/a/x")).unwrap();
    let without = disk.stat(&path("/a")).unwrap();
    assert!(without.modified_ns > with_x.modified_ns);
    assert_eq!(disk.stat(&path("/b")).unwrap(), other);
    let after = disk.crash(Aftermath::Lost);
    assert_eq!(create(&after, "/a/y", b"").stat().unwrap().inode, lost);
    // A folder that lost a change does not have the time of it.
    let disk = after;
    create(&disk, "/a/x", b"x");
    let time = disk.stat(&path("/a")).unwrap().modified_ns;
    assert_ne!(disk.crash(Aftermath::Lost).stat(&path("/a")).unwrap().modified_ns, time);
    assert_eq!(disk.crash(Aftermath::Kept).stat(&path("/a")).unwrap().modified_ns, time);
}

#[test]
fn the_same_seed_leaves_the_same_disk() {
    let disk = disk();
    create(&disk, "/a/x", &[1; 3000]);
    create(&disk, "/b/x", &[2; 3000]);
    for seed in 0..50 {
        let look = || {
            let after = disk.crash(Aftermath::Seeded(seed));
            (after.file(&path("/a/x")), after.file(&path("/b/x")), after.stat(&path("/a")).unwrap())
        };
        assert_eq!(look(), look());
    }
}

/// The same calls on a real file system come to the same results.
#[test]
fn it_behaves_like_a_real_disk() {
    for seed in 0..60 {
        let folder = tempfile::tempdir().unwrap();
        let twin = SimulatedDisk::new();
        twin.put_folder(folder.path());
        let (real, mut dice) = (LocalDisk, Dice::new(seed));
        for name in ["a", "b"] {
            real.make_folder(&folder.path().join(name), 0o700).unwrap();
            twin.make_folder(&folder.path().join(name), 0o700).unwrap();
        }
        for nth in 0..80 {
            let mut place = || folder.path().join(["a", "b"][dice.below(2)]).join(["x", "y"][dice.below(2)]);
            let (from, to) = (place(), place());
            let (what, length) = (dice.below(10), dice.below(40));
            let results = [&real as &dyn Disk, &twin].map(|disk| act(disk, what, length, (&from, &to)));
            assert_eq!(results[0], results[1], "seed {seed}, call {nth}: {what} {from:?} {to:?}");
        }
    }
}

/// One call, and what came of it.
fn act(disk: &dyn Disk, what: usize, length: usize, (from, to): (&Path, &Path)) -> String {
    let open = |access| disk.open(from, access);
    let kind = |error: io::Error| format!("{:?}", error.kind());
    let done = |result: io::Result<()>| result.map_or_else(kind, |()| String::from("done"));
    match what {
        0 => done(open(Access::CreateNew(0o600)).and_then(|file| file.append(&vec![b'n'; length]))),
        1 => done(open(Access::AppendOrCreate(0o600)).and_then(|file| file.append(&vec![b'a'; length]))),
        2 => done(open(Access::Append).and_then(|file| file.truncate(length as u64))),
        3 => done(disk.link(from, to)),
        4 => done(disk.rename_new(from, to)),
        5 => done(disk.rename(from, to)),
        6 => done(disk.unlink(from)),
        7 => disk.stat(from).map_or_else(kind, |stat| format!("{:?} {}", stat.kind, stat.size)),
        8 => {
            let mut names = BTreeSet::new();
            let listed = disk.list(from.parent().unwrap(), &mut |name, kind| {
                names.insert((name.to_owned(), format!("{kind:?}")));
            });
            format!("{} {names:?}", done(listed))
        }
        _ => {
            let mut octets = vec![0; 100];
            let read = open(Access::Read).and_then(|file| file.read_at(&mut octets, length as u64 / 2));
            read.map_or_else(kind, |read| format!("{:?}", &octets[..read]))
        }
    }
}
