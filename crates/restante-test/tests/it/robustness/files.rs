//! Message files and maildrops that are not what they should be.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use restante_test::mail::{canonical, numbered};
use restante_test::real::{Server, program};

use super::ours;

fn three() -> Vec<Vec<u8>> {
    vec![numbered(1, 3), numbered(2, 3), numbered(3, 3)]
}

/// That message 2 of alice cannot be had now and everything else can, before and after `break_it` came between.
fn breaks_only_itself(server: &Server, code: &str, break_it: impl Fn(&Path)) {
    let mut peer = server.login("alice");
    let listing = (peer.ok("STAT"), peer.list("LIST"), peer.list("UIDL"));
    let file = server.site().files("alice").remove(1);
    break_it(&file);
    for command in ["RETR 2", "TOP 2 0", "RETR 2"] {
        let reply = peer.err(command);
        assert!(reply.starts_with(&format!("-ERR [SYS/{code}")), "{reply:?}");
    }
    assert_eq!(peer.message("RETR 1"), canonical(&numbered(1, 3)));
    assert_eq!(peer.message("RETR 3"), canonical(&numbered(3, 3)));
    assert_eq!((peer.ok("STAT"), peer.list("LIST"), peer.list("UIDL")), listing);
    peer.ok("QUIT");
    peer.end();
    // The next session sees what is there: never an error, never a message that it cannot have counted as one.
    let mut peer = server.login("alice");
    let numbers = peer.list("LIST").len();
    assert!((2..=3).contains(&numbers));
    assert_eq!(peer.message("RETR 1"), canonical(&numbered(1, 3)));
    assert_eq!(peer.message(&format!("RETR {numbers}")), canonical(&numbered(3, 3)));
    peer.ok("QUIT");
    peer.end();
}

#[test]
fn a_message_that_vanished_is_refused() {
    ours()
        .mail("alice", three())
        .run(|server| breaks_only_itself(server, "", |file| fs::remove_file(file).unwrap()));
}

#[test]
fn a_message_that_became_a_folder_is_refused() {
    ours().mail("alice", three()).run(|server| {
        breaks_only_itself(server, "", |file| {
            fs::remove_file(file).unwrap();
            fs::create_dir(file).unwrap();
        });
    });
}

#[test]
fn a_message_that_became_a_fifo_is_refused_without_waiting_for_a_writer() {
    ours().mail("alice", three()).run(|server| {
        breaks_only_itself(server, "", |file| {
            fs::remove_file(file).unwrap();
            assert!(Command::new(program("mkfifo", "coreutils")).arg(file).status().unwrap().success());
        });
    });
}

#[test]
fn a_message_that_became_a_link_out_of_the_maildrop_is_refused() {
    ours().mail("alice", three()).run(|server| {
        let secret = server.site().path().join("users");
        breaks_only_itself(server, "", |file| {
            fs::remove_file(file).unwrap();
            symlink(&secret, file).unwrap();
        });
    });
}

#[test]
fn a_message_that_may_not_be_read_is_refused() {
    ours().mail("alice", three()).site(|setup| setup.as_nobody = true).run(|server| {
        let mut peer = server.login("alice");
        let file = server.site().files("alice").remove(1);
        fs::set_permissions(&file, Permissions::from_mode(0o000)).unwrap();
        for command in ["RETR 2", "TOP 2 0"] {
            let reply = peer.err(command);
            assert!(reply.starts_with("-ERR [SYS/"), "{reply:?}");
        }
        assert_eq!(peer.message("RETR 3"), canonical(&numbered(3, 3)));
        peer.ok("QUIT");
        peer.end();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(server.login("alice").message("RETR 2"), canonical(&numbered(2, 3)));
    });
}

#[test]
fn what_is_no_message_file_is_no_message() {
    ours().mail("alice", vec![numbered(1, 3)]).run(|server| {
        let new = server.site().maildrop("alice").join("new");
        fs::create_dir(new.join("1700000100.folder")).unwrap();
        symlink("/etc/passwd", new.join("1700000101.link")).unwrap();
        symlink("nowhere", new.join("1700000102.dangling")).unwrap();
        assert!(
            Command::new(program("mkfifo", "coreutils"))
                .arg(new.join("1700000103.fifo"))
                .status()
                .unwrap()
                .success()
        );
        fs::write(new.join(".hidden"), b"Subject: hidden\n\nx\n").unwrap();
        let mut peer = server.login("alice");
        let secret = fs::read("/etc/passwd").unwrap();
        for (at, _) in peer.list("LIST").iter().enumerate() {
            // Either not listed, or listed and refused; never shown.
            let reply = peer.command(&format!("RETR {}", at + 1));
            if reply.starts_with("+OK") {
                let body = peer.body();
                assert_eq!(body, canonical(&numbered(1, 3)));
                assert_ne!(body, canonical(&secret));
            } else {
                assert!(reply.starts_with("-ERR [SYS/"), "{reply:?}");
            }
        }
        peer.ok("QUIT");
        peer.end();
    });
}

#[test]
fn a_message_that_changed_its_size_never_breaks_the_framing() {
    ours().mail("alice", three()).run(|server| {
        let mut peer = server.login("alice");
        let file = server.site().files("alice").remove(1);
        for changed in [numbered(2, 5000), numbered(2, 0), b"".to_vec(), b".\n".repeat(1000)] {
            fs::write(&file, &changed).unwrap();
            let reply = peer.command("RETR 2");
            if reply.starts_with("+OK") {
                peer.body();
            }
            assert_eq!(peer.message("RETR 3"), canonical(&numbered(3, 3)));
        }
        peer.ok("QUIT");
        peer.end();
        assert_eq!(server.login("alice").message("RETR 2"), canonical(&b".\n".repeat(1000)));
    });
}

#[test]
fn a_maildrop_that_cannot_be_read_is_never_shown_as_empty() {
    let case = ours().mail("alice", three()).site(|setup| setup.as_nobody = true);
    case.run(|server| {
        let maildrop = server.site().maildrop("alice");
        let aside = maildrop.with_file_name("aside");
        let mut delivered = 0;
        // No right to enter; no right to list.
        for mode in [0o000, 0o311] {
            server.site().protect("alice", mode);
            delivered += is_temporary(server);
            server.site().protect("alice", 0o777);
        }
        // A file in the place of the maildrop, or of a part of it.
        for place in [maildrop.clone(), maildrop.join("cur"), maildrop.join("new")] {
            fs::rename(&place, &aside).unwrap();
            fs::write(&place, b"no folder").unwrap();
            delivered += is_temporary(server);
            fs::remove_file(&place).unwrap();
            fs::rename(&aside, &place).unwrap();
        }
        assert!(server.login("alice").ok("STAT").starts_with(&format!("+OK {} ", 3 + delivered)));
    });
}

/// That alice's maildrop fails for a time only; mail for it is delivered where that is possible, and else waits. Returns
/// how many were delivered.
fn is_temporary(server: &Server) -> usize {
    let mut peer = server.pop3();
    peer.ok("USER alice");
    let reply = peer.err("PASS secret");
    assert!(reply.starts_with("-ERR [SYS/TEMP]"), "{reply:?}");
    let mut peer = server.lmtp();
    assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250);
    assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
    assert_eq!(peer.code("DATA"), 354);
    peer.send(b"Subject: x\r\n\r\nx\r\n.\r\n");
    let code = peer.reply().code;
    assert!(code == 250 || (400..500).contains(&code), "a bounce: {code}");
    usize::from(code == 250)
}

#[test]
fn a_file_system_that_is_not_there_is_no_empty_maildrop() {
    let case = ours().mail("alice", three());
    case.site(|setup| setup.restante.push(("maildrop".to_owned(), "marker = \"mail/.here\"".to_owned())))
        .run(|server| {
            let mut peer = server.pop3();
            peer.ok("USER alice");
            let reply = peer.err("PASS secret");
            assert!(reply.starts_with("-ERR [SYS/TEMP]"), "{reply:?}");
            fs::write(server.site().path().join("mail/.here"), b"").unwrap();
            assert!(server.login("alice").ok("STAT").starts_with("+OK 3 "));
        });
}

#[test]
fn a_lost_or_damaged_index_changes_nothing_that_is_seen() {
    ours().mail("alice", three()).run(|server| {
        server.deliver(&["alice"], b"Subject: four\r\n\r\nfour\r\n");
        let look = |server: &Server| {
            let mut peer = server.login_when_free("alice");
            let seen = (peer.list("LIST"), peer.list("UIDL"), peer.message("RETR 4"));
            peer.ok("QUIT");
            peer.end();
            seen
        };
        let seen = look(server);
        let maildrop = server.site().maildrop("alice");
        let is_ours = |path: &Path| path.is_file();
        for damage in 0..4 {
            server.stop();
            for file in fs::read_dir(&maildrop)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| is_ours(path))
            {
                let octets = fs::read(&file).unwrap();
                match damage {
                    0 => fs::remove_file(&file).unwrap(),
                    1 => fs::write(&file, b"").unwrap(),
                    2 => fs::write(&file, &octets[..octets.len() / 2]).unwrap(),
                    _ => fs::write(&file, octets.iter().map(|octet| octet ^ 0x5A).collect::<Vec<u8>>())
                        .unwrap(),
                }
            }
            server.start_again();
            assert_eq!(look(server), seen, "damage {damage}");
        }
    });
}
