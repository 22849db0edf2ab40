//! A disk that is full.

use std::fs;
use std::os::unix::fs::symlink;

use restante_test::mail::{dotted, sized};
use restante_test::real::Server;
use restante_test::real::small_disk::SmallDisk;

use restante_test::judge::Case;

use super::ours;

/// A server that lets a disk be mounted after its start: walls know what was there before alone.
fn late() -> Case {
    ours().restante("server", "confine = \"off\"")
}

/// Moves the maildrop of alice onto a file system with room for `octets`.
fn small(server: &Server, octets: u64) -> SmallDisk {
    let disk = SmallDisk::new(octets);
    let maildrop = server.site().maildrop("alice");
    fs::remove_dir_all(&maildrop).unwrap();
    symlink(disk.path(), &maildrop).unwrap();
    server.site().make_maildrop("alice");
    disk
}

fn deliver(server: &Server, accounts: &[&str], octets: usize) -> Vec<u16> {
    let mut peer = server.lmtp();
    assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250);
    for account in accounts {
        assert_eq!(peer.code(&format!("RCPT TO:<{account}@example.org>")), 250);
    }
    assert_eq!(peer.code("DATA"), 354);
    peer.send(&dotted(&restante_test::mail::canonical(&sized(octets))));
    let codes = accounts.iter().map(|_| peer.reply().code).collect();
    assert_eq!(peer.code("QUIT"), 221);
    codes
}

#[test]
fn a_full_disk_is_452_and_leaves_nothing_behind() {
    late().run(|server| {
        let disk = small(server, 1_000_000);
        let free = || fs::read_dir(disk.path().join("tmp")).unwrap().count();
        assert_eq!(deliver(server, &["alice"], 100_000), [250]);
        assert_eq!(deliver(server, &["alice"], 3_000_000), [452]);
        assert_eq!(free(), 0, "the temporary file is gone");
        assert_eq!(server.site().files("alice").len(), 1);
        // There is room again for one that fits, so nothing was kept.
        assert_eq!(deliver(server, &["alice"], 600_000), [250]);
        assert_eq!(server.retrieve_all("alice").len(), 2);
    });
}

#[test]
fn a_full_disk_is_full_for_those_who_live_there_only() {
    late().run(|server| {
        let _disk = small(server, 1_000_000);
        // The temporary file of a large message lies with one of its recipients, in turn another one: with alice it
        // fails for all, and the next attempt of the sender's may lie with bob.
        let attempts = (0..ATTEMPTS_MAX).map(|_| deliver(server, &["bob", "alice", "bob"], 3_000_000));
        let mut seen = Vec::new();
        for codes in attempts {
            assert!(codes == [452, 452, 452] || codes == [250, 452, 250], "{codes:?}");
            seen.push(codes[0]);
            if codes[0] == 250 {
                break;
            }
        }
        assert_eq!(seen.last(), Some(&250), "bob gets no mail because alice has no room");
        assert!(server.site().files("alice").is_empty());
        assert!(server.site().unfinished("alice").is_empty());
        assert!(server.site().unfinished("bob").is_empty());
        assert_eq!(server.retrieve_all("bob").len(), 2);
    });
}

#[test]
fn a_full_disk_can_still_be_read_and_emptied() {
    late().run(|server| {
        let disk = small(server, 1_000_000);
        assert_eq!(deliver(server, &["alice"], 300_000), [250]);
        let ballast = disk.path().join("ballast");
        // Until nothing more goes in, not one octet.
        let mut octets = 1 << 20;
        while octets > 0 {
            let mut more = fs::read(&ballast).unwrap_or_default();
            more.resize(more.len() + octets, 0);
            if fs::write(&ballast, &more).is_err() {
                octets /= 2;
            }
        }
        let mut peer = server.login_when_free("alice");
        let reply = peer.ok("STAT");
        assert!(reply.starts_with("+OK 1 "), "{reply:?}");
        assert!(peer.message("RETR 1").len() > 300_000);
        peer.ok("DELE 1");
        let reply = peer.command("QUIT");
        peer.end();
        let mut peer = server.login_when_free("alice");
        let count = peer.list("LIST").len();
        assert_eq!(count, usize::from(reply.starts_with("-ERR")), "QUIT said {reply:?}");
    });
}

/// Each attempt has two chances in three: that all of these fail is less likely than a broken disk.
const ATTEMPTS_MAX: usize = 60;
