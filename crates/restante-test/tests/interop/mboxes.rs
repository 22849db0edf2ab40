//! mboxes, beside the programs that write and read them, too.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use restante_test::real::postfix::Postfix;
use restante_test::real::{Kind, Server, Setup, program};
use restante_test::wait;

fn server(mail: Vec<Vec<u8>>) -> Server {
    let setup = Setup { mbox: true, mail: vec![("alice".to_owned(), mail)], ..Setup::default() };
    Server::start(Kind::Restante, &setup)
}

fn subject(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned));
    line.unwrap_or_else(|| panic!("no message: {text}"))
}

/// Retrieves everything, and deletes what has an even place.
fn collect(server: &Server, seen: &mut BTreeMap<String, usize>) {
    let mut peer = server.login_when_free("alice");
    let count = peer.list("LIST").len();
    for number in 1..=count {
        let message = peer.message(&format!("RETR {number}"));
        if number % 2 == 1 {
            let text = String::from_utf8_lossy(&message).into_owned();
            assert!(text.ends_with("\r\nFrom here to\r\n>From there\r\nend\r\n"), "{text}");
            *seen.entry(subject(&message)).or_default() += 1;
            peer.ok(&format!("DELE {number}"));
        }
    }
    peer.ok("QUIT");
    peer.end();
}

#[test]
fn nothing_is_lost_while_a_real_postfix_appends_and_sessions_delete() {
    const MESSAGES: usize = 60;
    let server = server(Vec::new());
    let postfix = Postfix::start_for_mboxes(server.site());
    let mut seen = BTreeMap::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..MESSAGES {
                let message =
                    format!("Subject: message {number}\nTo: alice\n\nFrom here to\n>From there\nend\n");
                // Half of them go through our own delivery, at the same time.
                if number % 2 == 0 {
                    postfix.sendmail("bob@example.org", &["alice@example.org"], message.as_bytes());
                } else {
                    server.deliver(&["alice"], message.replace('\n', "\r\n").as_bytes());
                }
            }
        });
        wait::some("all messages to come", || {
            collect(&server, &mut seen);
            (seen.len() == MESSAGES).then_some(())
        });
    });
    assert!(seen.values().all(|&times| times == 1), "{seen:?}");
    let mut peer = server.login_when_free("alice");
    assert_eq!(peer.ok("STAT"), "+OK 0 0");
    peer.ok("QUIT");
    assert!(!server.site().path().join("mbox/alice.lock").exists());
    assert_eq!(fs::read(server.site().path().join("mbox/alice")).unwrap(), b"");
}

/// Runs doveadm on an mbox, which it may change.
fn doveadm(folder: &Path, mbox: &Path, arguments: &[&str]) -> String {
    let configuration = folder.join("doveadm.conf");
    let text = format!(
        "mail_location = mbox:{folder}/dovecot:INBOX={mbox}\nmbox_write_locks = dotlock fcntl\nlog_path = /dev/stderr\n\
         mail_home = {folder}\nssl = no\nbase_dir = {folder}/run\nfirst_valid_uid = 0\nfirst_valid_gid = 0\n",
        folder = folder.display(),
        mbox = mbox.display()
    );
    fs::write(&configuration, text).unwrap();
    let output = Command::new(program("doveadm", "dovecot-core"))
        .arg("-c")
        .arg(&configuration)
        .args(arguments)
        .env("USER", "root")
        .env("HOME", folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_real_dovecot_sees_the_same_messages_and_its_notes_change_nothing() {
    let mail = |number: usize| format!("Subject: {number}\nTo: alice\n\nbody of {number}\n").into_bytes();
    let server = server((0..5).map(mail).collect());
    server.deliver(&["alice"], b"Subject: 5\r\nStatus: RO\r\n\r\nby LMTP\r\n");
    let mbox = server.site().path().join("mbox/alice");
    let look = || {
        let mut peer = server.login_when_free("alice");
        let looked = (peer.list("UIDL"), peer.list("LIST"));
        peer.ok("QUIT");
        peer.end();
        looked
    };
    let before = look();
    let subjects = || doveadm(server.site().path(), &mbox, &["fetch", "hdr.subject", "all"]);
    let subjects_of = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix("hdr.subject: ").map(str::to_owned)).collect()
    };
    assert_eq!(subjects_of(&subjects()), ["0", "1", "2", "3", "4", "5"]);
    // It writes X-IMAPbase, X-UID, Status and keywords into the headers.
    doveadm(server.site().path(), &mbox, &["flags", "add", "\\Seen Important", "all"]);
    let text = fs::read_to_string(&mbox).unwrap();
    assert!(text.contains("X-UID: ") && text.contains("Status: R"), "{text}");
    assert_eq!(look(), before);
    let mut peer = server.login_when_free("alice");
    for number in [1, 3, 6] {
        peer.ok(&format!("DELE {number}"));
    }
    peer.ok("QUIT");
    peer.end();
    assert_eq!(subjects_of(&subjects()), ["1", "3", "4"]);
    doveadm(server.site().path(), &mbox, &["expunge", "mailbox", "INBOX", "header", "Subject", "3"]);
    let unique_id = |at: usize| before.0[at].split_once(' ').map(|(_, id)| id.to_owned()).unwrap();
    assert_eq!(look().0, [format!("1 {}", unique_id(1)), format!("2 {}", unique_id(4))]);
}
