//! Bulletins: every account is given each of them once, whatever happens.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use restante_test::judge::Case;
use restante_test::mail::numbered;
use restante_test::real::Server;
use restante_test::wait;

use super::ours;

/// A server with bulletins in the folder `board`, which is not there yet.
fn with_board() -> Case {
    ours().restante("bulletins", "path = \"@ROOT@/board\"")
}

fn board(server: &Server) -> PathBuf {
    let board = server.site().path().join("board");
    fs::create_dir_all(&board).unwrap();
    board
}

fn post(server: &Server, name: &str) {
    let text =
        format!("From operator Mon Jan  1 00:00:00 2024\nFrom: operator\nSubject: {name}\n\n.\nFor all\n");
    let (unfinished, file) = (board(server).join(".new"), board(server).join(name));
    fs::write(&unfinished, text).unwrap();
    fs::rename(unfinished, file).unwrap();
}

/// The subjects in the maildrop of an account, in order.
fn subjects(server: &Server, account: &str) -> Vec<String> {
    let subject = |message: Vec<u8>| {
        let text = String::from_utf8(message).unwrap();
        text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned()
    };
    server.retrieve_all(account).into_iter().map(subject).collect()
}

#[test]
fn every_account_is_given_each_of_them_once() {
    with_board().mail("alice", vec![numbered(1, 1)]).run(|server| {
        // Nobody is kept out because the folder is missing.
        assert_eq!(subjects(server, "alice").len(), 1);
        wait::until("the log to say so", || server.log().contains("bulletins"));
        for number in 1..=12 {
            post(server, &format!("2026-{number:02}"));
        }
        let newest: Vec<String> = (3..=12).map(|number| format!("2026-{number:02}")).collect();
        assert_eq!(subjects(server, "bob"), newest);
        assert_eq!(subjects(server, "bob"), newest);
        let mail = server.retrieve_all("bob");
        let wanted = b"From: operator\r\nSubject: 2026-03\r\n\r\n.\r\nFor all\r\n";
        assert_eq!(String::from_utf8_lossy(&mail[0]), String::from_utf8_lossy(wanted));
        // Deleted is deleted, also for a server that is started anew.
        let mut peer = server.login_when_free("bob");
        (1..=10).for_each(|number| {
            peer.ok(&format!("DELE {number}"));
        });
        peer.ok("QUIT");
        peer.end();
        server.stop();
        server.start_again();
        assert!(subjects(server, "bob").is_empty());
        post(server, "2027-01");
        // It is there in the very session whose login gave it.
        assert_eq!(subjects(server, "bob"), ["2027-01"]);
        assert_eq!(subjects(server, "alice").len(), 11);
    });
}

#[test]
fn a_session_that_is_refused_is_given_nothing() {
    with_board().run(|server| {
        post(server, "1");
        let mut holder = server.login("alice");
        post(server, "2");
        let mut second = server.pop3();
        second.ok("USER alice");
        assert!(second.command("PASS secret").starts_with("-ERR [IN-USE]"));
        assert!(holder.ok("STAT").starts_with("+OK 1 "), "nothing comes into a session that goes on");
        holder.ok("QUIT");
        holder.end();
        assert_eq!(subjects(server, "alice"), ["1", "2"]);
    });
}

#[test]
fn a_broken_one_is_passed_over_with_a_word_in_the_log() {
    with_board().run(|server| {
        post(server, "1");
        fs::write(board(server).join("2"), "no message").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", board(server).join("3")).unwrap();
        post(server, "4");
        assert_eq!(subjects(server, "alice"), ["1", "4"]);
        wait::until("the log to say so", || server.log().contains("2 bulletins were not given"));
    });
}

#[test]
fn what_was_given_is_not_guessed_and_mail_is_served_all_the_same() {
    with_board().mail("alice", vec![numbered(1, 1)]).run(|server| {
        assert_eq!(subjects(server, "bob").len(), 0);
        post(server, "1");
        // What was given cannot be read: nothing is guessed, and mail is served.
        fs::create_dir(server.site().maildrop("alice").join("restante.bulletins")).unwrap();
        assert_eq!(subjects(server, "alice").len(), 1);
        fs::remove_dir(server.site().maildrop("alice").join("restante.bulletins")).unwrap();
        assert_eq!(subjects(server, "alice").len(), 2);
    });
}

#[test]
fn no_death_of_the_server_gives_one_twice_or_never() {
    with_board().run(|server| {
        let mut given: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for round in 0..20 {
            for number in 0..3 {
                post(server, &format!("{round:02}-{number}"));
            }
            // Killed somewhere in the middle of two logins.
            for account in ["alice", "bob"] {
                let mut peer = server.pop3();
                peer.ok(&format!("USER {account}"));
                let _ = peer.try_send(b"PASS secret\r\n");
                (0..round * 40).for_each(|_| std::thread::yield_now());
                if account == "bob" && round % 2 == 0 {
                    let _ = peer.try_line();
                }
            }
            server.strike();
            server.kill();
            server.start_again();
            for account in ["alice", "bob"] {
                let new = subjects(server, account);
                let all = given.entry(account).or_default();
                all.extend(new.iter().cloned());
                let mut peer = server.login_when_free(account);
                (1..=new.len()).for_each(|number| {
                    peer.ok(&format!("DELE {number}"));
                });
                peer.ok("QUIT");
                peer.end();
                let posted: Vec<String> = (0..=round)
                    .flat_map(|round| (0..3).map(move |number| format!("{round:02}-{number}")))
                    .collect();
                assert_eq!(*all, posted, "{account} in round {round}");
            }
        }
    });
}
