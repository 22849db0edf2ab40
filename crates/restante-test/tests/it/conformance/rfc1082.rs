//! RFC 1082: XTND. Its text could not be had; these are the ledger's rows. Nobody else still serves it, so only Restante is asked.

use std::fs;
use std::path::Path;

use restante_test::judge::Case;
use restante_test::mail::{canonical, numbered};
use restante_test::real::Server;
use restante_test::transcript::play;

const ALONE: &str = "Dovecot has no XTND";

/// alice with three messages; the board "news" with two messages and an archive with one, the board "other" with none, "gone" that
/// a test takes away.
fn case() -> Case {
    let tables = "[[board]]\nname = \"news\"\npath = \"@ROOT@/mail/news\"\narchive = \"@ROOT@/mail/old\"\n\
                  [[board]]\nname = \"gone\"\npath = \"@ROOT@/mail/gone\"\n\
                  [[board]]\nname = \"other\"\npath = \"@ROOT@/mail/other\"\n";
    let mut case = Case::with_mail((1..=3).map(|n| numbered(n, n)).collect())
        .mail("news", vec![numbered(11, 5), numbered(12, 6)])
        .mail("old", vec![numbered(21, 7)]);
    for name in ["news", "old", "other", "gone"] {
        case = case.account(name, "secret");
    }
    case.site(|setup| setup.restante.push((String::new(), tables.to_owned()))).dovecot_not_asked(ALONE)
}

fn files(server: &Server, account: &str) -> usize {
    server.site().files(account).len()
}

#[test]
fn r1082_bboards_2_the_whole_dialogue() {
    case().run(|server| {
        let mut peer = server.login("alice");
        play(
            &mut peer,
            "C: DELE 1
             S: +OK{any}
             C: XTND BBOARDS
             S: +OK{any}
             S: news 2
             S: gone 0
             S: other 0
             S: .
             C: XTND BBOARDS news
             S: +OK{any}
             S: news 2
             S: .
             C: STAT
             S: +OK 2 {number}
             C: XTND ARCHIVE news
             S: +OK{any}
             S: news 1
             S: .
             C: STAT
             S: +OK 1 {number}",
        );
        assert_eq!(peer.message("RETR 1"), canonical(&numbered(21, 7)));
        // Removed when the board was opened, and the lock was let go of; the session is still there.
        assert_eq!(files(server, "alice"), 2);
        server.login("alice").ok("QUIT");
        peer.ok("QUIT");
        peer.end();
        assert_eq!((files(server, "alice"), files(server, "news"), files(server, "old")), (2, 2, 1));
    });
}

#[test]
fn r1082_bboards_2_a_board_is_open_to_many_at_once() {
    case().run(|server| {
        let mut first = server.login("alice");
        let mut second = server.login("bob");
        for peer in [&mut first, &mut second] {
            assert_eq!(peer.list("XTND BBOARDS news"), ["news 2"]);
            assert_eq!(peer.message("RETR 2"), canonical(&numbered(12, 6)));
        }
        // Nor is whoever has it as a maildrop in the way, or kept out.
        let mut owner = server.login("news");
        owner.ok("DELE 1");
        owner.ok("QUIT");
        assert_eq!(first.list("LIST").len(), 2);
    });
}

#[test]
fn r1082_xtnd_1_after_login_only_and_in_any_case() {
    case().run(|server| {
        let mut peer = server.pop3();
        peer.err("XTND BBOARDS");
        peer.login("alice", "secret");
        assert_eq!(peer.list("xtnd bboards"), peer.list("XTND BBOARDS"));
    });
}

#[test]
fn r1082_xtnd_2_unknown_and_disabled_services() {
    case().run(|server| {
        let mut peer = server.login("alice");
        for command in ["XTND", "XTND FOO", "XTND XMIT", "XTND XLST Subject"] {
            peer.err(command);
        }
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
    });
    Case::new().dovecot_not_asked(ALONE).run(|server| {
        let mut peer = server.login("alice");
        for command in ["XTND", "XTND BBOARDS", "XTND ARCHIVE news", "XTND X-BBOARDS news"] {
            assert_eq!(peer.err(command), "-ERR Unknown command");
        }
    });
}

#[test]
fn r1082_bboards_1_a_board_that_cannot_be_read_is_left_out() {
    case().run(|server| {
        let mut peer = server.login("alice");
        assert_eq!(peer.list("XTND BBOARDS"), ["news 2", "gone 0", "other 0"]);
        fs::remove_dir_all(server.site().maildrop("gone")).unwrap();
        assert_eq!(peer.list("XTND BBOARDS"), ["news 2", "other 0"]);
        // Never an empty board in place of one that cannot be read.
        peer.err("XTND BBOARDS gone");
        peer.err("XTND X-BBOARDS gone");
        assert!(!Path::new(&server.site().maildrop("gone")).exists(), "reading makes no folder");
    });
}

#[test]
fn r1082_bboards_3_an_unknown_board_changes_nothing() {
    case().run(|server| {
        let mut peer = server.login("alice");
        peer.ok("DELE 2");
        let before = peer.ok("STAT");
        peer.err("XTND BBOARDS nosuch");
        assert_eq!(peer.ok("STAT"), before);
        peer.ok("RSET");
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
        assert_eq!(files(server, "alice"), 3);
    });
}

#[test]
fn r1082_bboards_4_scan_listings_have_a_third_field() {
    case().run(|server| {
        let mut peer = server.login("alice");
        assert!(peer.list("LIST").iter().all(|line| line.split(' ').count() == 2));
        peer.list("XTND BBOARDS news");
        let listing = peer.list("LIST");
        let fields = |line: &str| line.split(' ').map(|field| field.parse().unwrap()).collect::<Vec<u64>>();
        for (line, number) in listing.iter().zip(1..) {
            let octets = peer.message(&format!("RETR {number}")).len() as u64;
            assert_eq!(fields(line), [number, octets, number]);
            assert_eq!(peer.ok(&format!("LIST {number}")), format!("+OK {line}"));
        }
        assert_eq!(listing.len(), 2);
        assert!(peer.list("UIDL").iter().all(|line| line.split(' ').count() == 2));
    });
}

#[test]
fn r1082_bboards_5_nothing_is_deleted_from_a_board() {
    case().run(|server| {
        let mut peer = server.login("alice");
        peer.list("XTND BBOARDS news");
        peer.err("DELE 1");
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
        peer.ok("QUIT");
        peer.end();
        assert_eq!(files(server, "news"), 2);
    });
}

#[test]
fn r1082_archive_1_with_a_name_only() {
    case().run(|server| {
        let mut peer = server.login("alice");
        peer.err("XTND ARCHIVE");
        peer.err("XTND ARCHIVE other");
        peer.err("XTND ARCHIVE nosuch");
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
        assert_eq!(peer.list("XTND ARCHIVE news"), ["news 1"]);
    });
}

#[test]
fn r1082_x_bboards_1_fourteen_lines() {
    case().run(|server| {
        let mut peer = server.login("alice");
        let lines = peer.list("XTND X-BBOARDS news");
        assert_eq!(lines.len(), 14);
        assert_eq!((lines[0].as_str(), lines[12].as_str()), ("news", "0 2"));
        peer.err("XTND X-BBOARDS nosuch");
        peer.err("XTND X-BBOARDS");
        assert!(peer.ok("STAT").starts_with("+OK 3 "), "it opens nothing");
    });
}

/// Qpopper's, off unless configured, so that the row is obeyed by whoever does not ask for it.
#[test]
fn r1082_xmit_1_neither_xmit_nor_xlst_unless_configured() {
    Case::with_mail(vec![numbered(1, 1)]).dovecot_not_asked(ALONE).run(|server| {
        let mut peer = server.login("alice");
        for command in ["XTND XMIT", "XTND XLST Subject", "XTND XLST Subject 1"] {
            assert_eq!(peer.err(command), "-ERR Unknown command");
        }
        assert!(!peer.list("CAPA").iter().any(|line| line.to_ascii_uppercase().contains("XTND")));
    });
}

#[test]
fn r1082_xmit_1_xlst_where_it_is_configured() {
    let messages = vec![
        b"Message-ID: <1@x>\nSubject: one\n\tand more\n\nSubject: body\n".to_vec(),
        b"From: a\r\n\r\nno subject\r\n".to_vec(),
        b"subject:three\n".to_vec(),
    ];
    let case = Case::with_mail(messages).dovecot_not_asked(ALONE);
    case.site(|setup| setup.restante.push(("pop3".to_owned(), "xlst = true".to_owned()))).run(|server| {
        let mut peer = server.login("alice");
        assert_eq!(peer.list("XTND XLST Subject"), ["1 Subject: one and more", "3 subject:three"]);
        assert_eq!(peer.list("XTND XLST Message-Id: 1"), ["1 Message-ID: <1@x>"]);
        assert_eq!(peer.list("XTND XLST Message-Id 2"), [""; 0]);
        peer.err("XTND XLST Subject 4");
        peer.ok("DELE 1");
        assert_eq!(peer.list("XTND XLST Subject"), ["3 subject:three"]);
        peer.err("XTND BBOARDS");
        assert!(!peer.list("CAPA").iter().any(|line| line.to_ascii_uppercase().contains("XTND")));
    });
}
