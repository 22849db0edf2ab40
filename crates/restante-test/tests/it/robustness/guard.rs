//! The guard against retrieving everything again, through the running server.

use std::fs;
use std::process::{Command, Output};

use restante_test::judge::Case;
use restante_test::real::Server;
use restante_test::real::restante;
use restante_test::wait;

use super::ours;

fn with_mail(messages: usize) -> Case {
    let message = |number: usize| {
        format!("Message-ID: <{number}@x>\nSubject: a\n\n{}\n", "y".repeat(number % 9)).into_bytes()
    };
    ours().mail("alice", (0..messages).map(message).collect())
}

/// One session that leaves everything on the server; gives its unique-ids.
fn collect(server: &Server, account: &str) -> Vec<String> {
    let mut peer = server.login_when_free(account);
    let listing = peer.list("UIDL");
    peer.ok("QUIT");
    peer.end();
    listing
}

/// The same messages under other names.
fn rename(server: &Server) {
    let folder = server.site().maildrop("alice").join("new");
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for (number, name) in names.iter().enumerate() {
        fs::rename(folder.join(name), folder.join(format!("1800000{number:03}.restored"))).unwrap();
    }
}

fn refused(server: &Server) {
    let mut peer = server.pop3();
    peer.ok("USER alice");
    let refusal = peer.err("PASS secret");
    assert!(refusal.starts_with("-ERR [SYS/TEMP]"), "{refusal}");
    peer.ok("QUIT");
    peer.end();
}

fn maildrop(server: &Server, words: &[&str]) -> Output {
    let file = server.site().path().join("restante.toml");
    Command::new(restante::binary()).arg("maildrop").args(words).arg("--config").arg(file).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_restored_backup_is_held_back_until_the_operator_accepts_it() {
    with_mail(20).run(|server| {
        assert_eq!(collect(server, "alice").len(), 20);
        rename(server);
        refused(server);
        refused(server);
        wait::until("the log to say why", || {
            let log = server.log();
            ["maildrop_guarded", "alice", "restored", "restante maildrop accept alice"]
                .iter()
                .all(|word| log.contains(word))
        });
        // A restart forgets nothing; mail comes in meanwhile; others are not concerned.
        server.stop();
        server.start_again();
        server.deliver(&["alice", "bob"], b"Subject: more\r\n\r\n");
        refused(server);
        assert_eq!(collect(server, "bob").len(), 1);
        let shown = maildrop(server, &["show", "alice"]);
        assert!(
            shown.status.success()
                && said(&shown).contains("guarded")
                && said(&shown).contains("1800000019.restored")
        );
        // Somebody else's is not hers.
        let bobs = maildrop(server, &["accept", "bob"]);
        assert!(bobs.status.success() && said(&bobs).contains("bob: was not guarded"), "{}", said(&bobs));
        assert_eq!(maildrop(server, &["accept", "nobody"]).status.code(), Some(67));
        refused(server);
        let accepted = maildrop(server, &["accept", "alice", "--json"]);
        let entry: serde_json::Value = serde_json::from_slice(&accepted.stdout).unwrap();
        assert_eq!((&entry[0]["account"], &entry[0]["was_guarded"]), (&"alice".into(), &true.into()));
        assert!(entry[0]["why"].as_str().unwrap().contains("20 messages"), "{entry}");
        assert_eq!(collect(server, "alice").len(), 21);
        assert_eq!(collect(server, "alice").len(), 21);
    });
}

#[test]
fn without_a_guard_nothing_is_held_back() {
    with_mail(20).restante("maildrop", "guard = false").run(|server| {
        collect(server, "alice");
        rename(server);
        assert_eq!(collect(server, "alice").len(), 20);
        assert!(!server.site().path().join("state/shown").exists());
    });
}

#[test]
fn a_path_that_leads_elsewhere_is_held_back() {
    with_mail(20).run(|server| {
        let before = collect(server, "alice");
        let file = server.site().path().join("restante.toml");
        let right = fs::read_to_string(&file).unwrap();
        fs::write(&file, right.replace("/mail/{local}", "/mail/{local}/Maildir")).unwrap();
        server.stop();
        server.start_again();
        // An empty maildrop is made there, and never shown in place of the other.
        refused(server);
        refused(server);
        fs::write(&file, right).unwrap();
        server.stop();
        server.start_again();
        assert_eq!(collect(server, "alice"), before);
    });
}

#[test]
fn a_client_that_deletes_everything_is_never_held_back() {
    with_mail(20).run(|server| {
        for _ in 0..3 {
            let mut peer = server.login_when_free("alice");
            let messages = peer.list("LIST").len();
            (1..=messages).for_each(|number| {
                peer.ok(&format!("DELE {number}"));
            });
            peer.ok("QUIT");
            peer.end();
            for number in 0..20 {
                // The same mails once more, as a loop or a resend brings them.
                server.deliver(&["alice"], format!("Message-ID: <{number}@x>\r\n\r\n").as_bytes());
            }
        }
    });
}
