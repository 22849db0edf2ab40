//! The disk behind a socket does what the real one does. Nobody becomes anybody here: that takes a process of its own, and root
//! (restante-test, `it/system`).

use super::*;
use crate::worker::Worker as Working;
use std::thread;
use std::time::Duration;

/// A disk whose worker is a thread with our rights.
fn disk(own: Vec<PathBuf>) -> AccountDisk {
    let (ours, theirs) = Socket::pair().unwrap();
    let theirs = Socket::adopt(theirs).unwrap();
    thread::spawn(move || worker::serve(&theirs, &Working { identity: None }));
    ours.limit(Duration::from_secs(20)).unwrap();
    AccountDisk::behind(ours, own)
}

/// Everything that a disk can be asked, in one story; what it answers, as text.
fn story(disk: &dyn Disk, folder: &Path) -> Vec<String> {
    let at = |name: &str| folder.join(name);
    let mut told = Vec::new();
    let mut tell = |what: String| told.push(what.replace(&folder.display().to_string(), ""));
    tell(format!("{:?}", disk.make_folder(&at("a"), 0o700)));
    tell(format!("{:?}", disk.make_folder(&at("a"), 0o700).map_err(|error| error.kind())));
    let file = disk.open(&at("a/x"), Access::CreateNew(0o600)).unwrap();
    file.append(b"hello").unwrap();
    file.sync().unwrap();
    tell(format!(
        "{:?}",
        disk.open(&at("a/x"), Access::CreateNew(0o600)).map(drop).map_err(|error| error.kind())
    ));
    let stat = disk.stat(&at("a/x")).unwrap();
    assert_eq!(stat, file.stat().unwrap());
    tell(format!("{:?} {} {:o}", stat.kind, stat.size, stat.mode));
    file.set_mode(0o640).unwrap();
    file.touch().unwrap();
    let touched = file.stat().unwrap();
    tell(format!("{:o} {}", touched.mode, touched.modified_ns >= stat.modified_ns));
    let mut buffer = [0; 8];
    tell(format!("{:?} {buffer:?}", file.read_at(&mut buffer, 1)));
    tell(format!("{} {}", file.try_lock().unwrap(), file.try_record_lock().unwrap()));
    let again = disk.open(&at("a/x"), Access::Write).unwrap();
    tell(format!("{} {}", again.try_lock().unwrap(), again.try_record_lock().unwrap()));
    drop(file);
    tell(format!("{} {}", again.try_lock().unwrap(), again.try_record_lock().unwrap()));
    again.write_at(b"J", 0).unwrap();
    again.truncate(3).unwrap();
    tell(format!("{:?}", disk.link(&at("a/x"), &at("a/y"))));
    tell(format!("{:?}", disk.link(&at("a/x"), &at("a/y")).map_err(|error| error.kind())));
    tell(format!("{:?}", disk.rename_new(&at("a/x"), &at("a/y")).map_err(|error| error.kind())));
    tell(format!("{:?}", disk.rename_new(&at("a/x"), &at("a/z"))));
    tell(format!("{:?}", disk.rename(&at("a/z"), &at("a/w"))));
    tell(format!("{:?}", disk.unlink(&at("a/y"))));
    tell(format!("{:?}", disk.unlink(&at("a/y")).map_err(|error| error.kind())));
    std::os::unix::fs::symlink("w", at("a/s")).unwrap();
    let linked = disk.open(&at("a/s"), Access::Read).map(drop).map_err(|error| error.raw_os_error());
    tell(format!("{linked:?} {:?}", disk.stat(&at("a/s")).unwrap().kind));
    let mut names = Vec::new();
    disk.list(&at("a"), &mut |name, kind| {
        // Whoever is given a name may ask about it at once.
        names.push((name.to_owned(), kind, disk.stat(&at("a").join(name)).unwrap().size));
    })
    .unwrap();
    names.sort_by(|one, other| one.0.cmp(&other.0));
    tell(format!("{names:?}"));
    tell(format!("{:?}", disk.sync_folder(&at("a"))));
    tell(format!("{:?}", disk.list(&at("b"), &mut |_, _| ()).map_err(|error| error.kind())));
    tell(format!(
        "{:?}",
        disk.open(&at("b/x"), Access::AppendOrCreate(0o600)).map(drop).map_err(|error| error.kind())
    ));
    told
}

#[test]
fn a_worker_does_what_the_disk_does() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let real = story(&LocalDisk, one.path());
    assert_eq!(story(&disk(Vec::new()), two.path()), real);
    assert!(real.len() > 20);
}

#[test]
fn a_large_folder_comes_in_many_packets() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected: Vec<OsString> = (0..2000).map(|number| format!("{number:0100}").into()).collect();
    for name in &expected {
        std::fs::write(folder.path().join(name), b"").unwrap();
    }
    let mut names = Vec::new();
    disk(Vec::new()).list(folder.path(), &mut |name, _| names.push(name.to_owned())).unwrap();
    names.sort();
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn nothing_waits_where_nothing_may_wait() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x"), b"x").unwrap();
    let (ours, _theirs) = Socket::pair().unwrap();
    // Nobody answers on the other side.
    let disk = AccountDisk::behind(ours, Vec::new());
    assert!(disk.open_cached(&folder.path().join("x")).unwrap().is_none());
}

#[test]
fn the_servers_own_folders_are_the_servers() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own");
    std::fs::create_dir(&own).unwrap();
    let (ours, theirs) = Socket::pair().unwrap();
    drop(theirs);
    let disk = AccountDisk::behind(ours, vec![own.clone()]);
    disk.open(&own.join("x"), Access::CreateNew(0o600)).unwrap().append(b"x").unwrap();
    assert_eq!(disk.stat(&own.join("x")).unwrap().size, 1);
    let crossing = disk.rename(&own.join("x"), &folder.path().join("x")).unwrap_err();
    assert_eq!(crossing.kind(), io::ErrorKind::CrossesDevices);
    // A path that leads out is the account's, and there nobody answers.
    let out = disk.stat(&own.join("../own/x")).unwrap_err();
    assert_eq!(out.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_worker_that_does_not_answer_is_not_asked_again() {
    let (ours, theirs) = Socket::pair().unwrap();
    ours.limit(Duration::from_millis(10)).unwrap();
    let disk = AccountDisk::behind(ours, Vec::new());
    let late = disk.stat(Path::new("/")).unwrap_err();
    assert_eq!(
        (late.kind(), late.to_string().as_str()),
        (io::ErrorKind::TimedOut, "the account's files do not answer")
    );
    let theirs = Socket::adopt(theirs).unwrap();
    assert!(theirs.receive().unwrap().is_some());
    assert!(theirs.receive().unwrap().is_none(), "the socket is closed");
    let again = disk.stat(Path::new("/")).unwrap_err();
    assert_eq!((again.kind(), again.to_string().contains("do not answer")), (io::ErrorKind::TimedOut, true));
}

#[test]
fn a_worker_is_not_trusted() {
    for reply in [&b"\x07"[..], b"\x00", b"\x00\x09", b"\x01\x00", b"\x00\x00\x00"] {
        let (ours, theirs) = Socket::pair().unwrap();
        let theirs = Socket::adopt(theirs).unwrap();
        theirs.send(reply, None).unwrap();
        let disk = AccountDisk::behind(ours, Vec::new());
        assert_eq!(disk.stat(Path::new("/")).unwrap_err().kind(), io::ErrorKind::InvalidData, "{reply:?}");
    }
    // An opened file without a file, and names that lead elsewhere.
    let (ours, theirs) = Socket::pair().unwrap();
    let theirs = Socket::adopt(theirs).unwrap();
    theirs.send(b"\x00", None).unwrap();
    assert!(AccountDisk::behind(ours, Vec::new()).open(Path::new("/x"), Access::Read).is_err());
    for name in [&b"../x"[..], b"..", b"", b"a\0"] {
        let (ours, theirs) = Socket::pair().unwrap();
        let theirs = Socket::adopt(theirs).unwrap();
        theirs.send(Writing::new(2).octet(0).string(name).octets(), None).unwrap();
        let listed = AccountDisk::behind(ours, Vec::new()).list(Path::new("/"), &mut |_, _| panic!("a name"));
        assert!(listed.is_err(), "{name:?}");
    }
}

#[test]
fn a_worker_survives_whatever_it_is_asked() {
    let (ours, theirs) = Socket::pair().unwrap();
    let theirs = Socket::adopt(theirs).unwrap();
    thread::spawn(move || worker::serve(&theirs, &Working { identity: None }));
    ours.limit(Duration::from_secs(20)).unwrap();
    for word in 0..=40_u8 {
        for rest in [&b""[..], b"\x01\0\0\0x", b"\x01\0\0\0/", b"\xff\xff\xff\xff", b"\x05\0\0\0/proc\x09"] {
            ours.send(&[&[word], rest].concat(), None).unwrap();
            assert!(ours.receive().unwrap().is_some(), "{word} {rest:?}");
            if word == LIST && rest == b"\x01\0\0\0/" {
                assert!(ours.receive().unwrap().is_some());
            }
        }
    }
    let disk = AccountDisk::behind(ours, Vec::new());
    assert_eq!(disk.stat(Path::new("/")).unwrap().kind, Kind::Folder);
}
