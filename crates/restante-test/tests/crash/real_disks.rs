//! The running program on disks that are full or that cannot be written: mail can be read, nothing is lost, and an empty
//! maildrop is never shown for one that cannot be opened.

use std::fs;
use std::os::unix::fs::symlink;

use restante_test::mail::{canonical, dotted, sized};
use restante_test::real::small_disk::SmallDisk;
use restante_test::real::{Kind, Server, Setup};

/// A server whose maildrop of alice lies on a disk with room for `octets`.
fn server_on_small_disk(octets: u64) -> (Server, SmallDisk) {
    // The disk is mounted behind walls that know what was there before alone.
    let restante = vec![("server".to_owned(), "confine = \"off\"".to_owned())];
    let server = Server::start(Kind::Restante, &Setup { tls: false, restante, ..Setup::default() });
    let disk = SmallDisk::new(octets);
    move_to(&server, "alice", &disk, "alice");
    (server, disk)
}

fn move_to(server: &Server, account: &str, disk: &SmallDisk, folder: &str) {
    let (maildrop, there) = (server.site().maildrop(account), disk.path().join(folder));
    fs::remove_dir_all(&maildrop).unwrap();
    fs::create_dir(&there).unwrap();
    symlink(&there, &maildrop).unwrap();
    server.site().make_maildrop(account);
}

/// What the server says to a message of so many octets.
fn deliver(server: &Server, account: &str, octets: usize) -> u16 {
    let mut peer = server.lmtp();
    assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250);
    let recipient = peer.code(&format!("RCPT TO:<{account}@example.org>"));
    if recipient != 250 {
        return recipient;
    }
    assert_eq!(peer.code("DATA"), 354);
    peer.send(&dotted(&canonical(&sized(octets))));
    peer.reply().code
}

#[test]
fn a_full_disk_keeps_nobody_from_reading_and_removing() {
    let (server, disk) = server_on_small_disk(2_000_000);
    for _ in 0..5 {
        assert_eq!(deliver(&server, "alice", 50_000), 250);
    }
    // One that no session has seen, so that the index would have to grow.
    let before = server.retrieve_all("alice").len();
    assert_eq!((before, deliver(&server, "alice", 60_000)), (5, 250));
    let ballast = disk.fill();
    assert_eq!(deliver(&server, "alice", 50_000), 452, "the sender keeps it");
    let mut peer = server.login_when_free("alice");
    let unique_ids = peer.list("UIDL");
    assert_eq!(unique_ids.len(), 6);
    for number in 1..=6 {
        assert!(peer.message(&format!("RETR {number}")).len() >= 50_000);
    }
    [2, 4, 6].iter().for_each(|number| drop(peer.ok(&format!("DELE {number}"))));
    let reply = peer.command("QUIT");
    assert!(reply.starts_with("+OK"), "{reply:?}");
    peer.end();
    // Room again, by what was removed: the disk is full still, but one fits.
    assert_eq!(deliver(&server, "alice", 20_000), 250);
    let mut peer = server.login_when_free("alice");
    let ids = |lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    };
    let (before, after) = (ids(&unique_ids), ids(&peer.list("UIDL")));
    assert_eq!(after[..3], [before[0].clone(), before[2].clone(), before[4].clone()]);
    assert_eq!(after.len(), 4);
    peer.ok("QUIT");
    fs::remove_file(ballast).unwrap();
    assert_eq!(deliver(&server, "alice", 50_000), 250);
    assert_eq!(server.retrieve_all("alice").len(), 5);
}

#[test]
fn a_disk_that_cannot_be_written_can_be_read() {
    let (server, disk) = server_on_small_disk(2_000_000);
    // Bob was never here, so there is no lock that could be taken.
    move_to(&server, "bob", &disk, "bob");
    for account in ["alice", "alice", "bob"] {
        assert_eq!(deliver(&server, account, 50_000), 250);
    }
    assert_eq!(server.retrieve_all("alice").len(), 2);
    assert_eq!(deliver(&server, "alice", 70_000), 250, "and one that no session has seen");
    if !disk.make_read_only() {
        println!("nothing can be mounted here: EROFS is tried on the simulated disk alone");
        return;
    }
    assert_eq!(deliver(&server, "alice", 50_000), 451, "the sender keeps it");
    for _ in 0..2 {
        let mut peer = server.login_when_free("alice");
        let reply = peer.ok("STAT");
        assert!(reply.starts_with("+OK 3 "), "{reply:?}");
        (1..=3).for_each(|number| assert!(peer.message(&format!("RETR {number}")).len() >= 50_000));
        peer.ok("DELE 1");
        peer.ok("DELE 2");
        let reply = peer.command("QUIT");
        assert!(reply.starts_with("-ERR"), "what is not removed is not said to be: {reply:?}");
        peer.end();
    }
    let mut peer = server.pop3();
    peer.ok("USER bob");
    let reply = peer.command("PASS secret");
    let is_whole = reply.starts_with("+OK") && peer.list("LIST").len() == 1;
    assert!(is_whole || reply.starts_with("-ERR [SYS/TEMP]"), "never an empty one: {reply:?}");
    drop(peer);
    disk.make_writable();
    assert_eq!(deliver(&server, "alice", 50_000), 250);
    let mut peer = server.login_when_free("alice");
    assert_eq!(peer.list("LIST").len(), 4);
    (1..=4).for_each(|number| drop(peer.ok(&format!("DELE {number}"))));
    peer.ok("QUIT");
    assert!(server.retrieve_all("alice").is_empty());
    assert_eq!(server.retrieve_all("bob").len(), 1);
}
