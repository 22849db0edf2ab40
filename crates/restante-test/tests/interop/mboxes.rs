//! mboxes, beside the programs that write and read them, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use restante_test::real::postfix::Postfix;
use restante_test::real::site::{MBOX_OWNER, NOBODY};
use restante_test::real::{Kind, Server, Setup, program};
use restante_test::wait;

/// As nobody, whose rights are those of a member of the group mail: modes bind it.
fn server(mail: Vec<Vec<u8>>) -> Server {
    let mail = vec![("alice".to_owned(), mail)];
    let setup = Setup { mbox: true, as_nobody: true, mail, ..Setup::default() };
    Server::start(Kind::Restante, &setup)
}

fn subject(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned));
    line.unwrap_or_else(|| panic!("no message: {text}"))
}

/// What sessions have seen so far.
#[derive(Default)]
struct Seen {
    /// Unique-ids by subject.
    unique_ids: BTreeMap<String, String>,
    /// How often each was deleted, by subject.
    deleted: BTreeMap<String, usize>,
}

/// Retrieves everything, and deletes every other message but those that stay.
fn collect(server: &Server, seen: &mut Seen) {
    let mut peer = server.login_when_free("alice");
    let unique_ids = peer.list("UIDL");
    for (number, line) in (1..).zip(&unique_ids) {
        let message = peer.message(&format!("RETR {number}"));
        let (subject, unique_id) = (subject(&message), line.split_once(' ').unwrap().1.to_owned());
        let known = seen.unique_ids.entry(subject.clone()).or_insert_with(|| unique_id.clone());
        assert_eq!(*known, unique_id, "of {subject}");
        if subject.starts_with("stays") {
            continue;
        }
        let text = String::from_utf8_lossy(&message).into_owned();
        // Postfix quotes as mboxo does, so that what was quoted before loses that.
        let quoted = if subject.starts_with("by Postfix") { "" } else { ">" };
        let end = format!("\r\n\r\n{subject}\r\nFrom here to\r\n{quoted}From there\r\nend\r\n");
        assert!(text.ends_with(&end), "{text}");
        assert_eq!(text.matches("Subject:").count(), 1, "{text}");
        if number % 2 == 1 {
            *seen.deleted.entry(subject).or_default() += 1;
            peer.ok(&format!("DELE {number}"));
        }
    }
    peer.ok("QUIT");
    peer.end();
}

#[test]
fn nothing_is_lost_while_a_real_postfix_appends_and_sessions_delete() {
    const BY_POSTFIX: usize = 60;
    const BY_LMTP: usize = 20;
    let stays = |number: usize| format!("Subject: stays {number}\nTo: alice\n\nhere\n").into_bytes();
    let server = server((0..4).map(stays).collect());
    let mbox = server.site().path().join("mbox/alice");
    let before = shown_by_dovecot(server.site().path(), &mbox);
    assert_eq!(subjects_of(&before), ["stays 0", "stays 1", "stays 2", "stays 3"]);
    let postfix = Postfix::start_for_mboxes(server.site());
    let mut seen = Seen::default();
    std::thread::scope(|scope| {
        let text =
            |name: &str| format!("Subject: {name}\nTo: alice\n\n{name}\nFrom here to\n>From there\nend\n");
        let (postfix, server) = (&postfix, &server);
        scope.spawn(move || {
            for number in 0..BY_POSTFIX {
                let message = text(&format!("by Postfix {number}"));
                postfix.sendmail("bob@example.org", &["alice@example.org"], message.as_bytes());
            }
        });
        // Our own delivery appends at the same time.
        scope.spawn(move || {
            for number in 0..BY_LMTP {
                let message = text(&format!("by LMTP {number}"));
                server.deliver(&["alice"], message.replace('\n', "\r\n").as_bytes());
            }
        });
        let came = wait::try_some(2 * wait::DEADLINE, || {
            collect(server, &mut seen);
            (seen.deleted.len() == BY_POSTFIX + BY_LMTP).then_some(())
        });
        let count = seen.deleted.len();
        assert!(came.is_some(), "{count} came: {:?}\n{}\n{}", seen.deleted, postfix.log(), server.log());
    });
    assert!(seen.deleted.values().all(|&times| times == 1), "{:?}", seen.deleted);
    let distinct: BTreeSet<&String> = seen.unique_ids.values().collect();
    assert_eq!(distinct.len(), BY_POSTFIX + BY_LMTP + 4);
    // It says so only after it has delivered, when we may have seen the message already.
    let sent = || postfix.log().matches("status=sent").count();
    wait::until("Postfix to be through", || sent() >= BY_POSTFIX);
    assert_eq!(sent(), BY_POSTFIX, "{}", postfix.log());
    assert!(!server.site().path().join("mbox/alice.lock").exists());
    assert_eq!(shown_by_dovecot(server.site().path(), &mbox), before);
    let rights = fs::metadata(&mbox).unwrap();
    assert_eq!((rights.uid(), rights.gid(), rights.mode() & 0o777), (MBOX_OWNER, NOBODY, 0o660));
}

/// What Dovecot makes of an mbox.
fn shown_by_dovecot(folder: &Path, mbox: &Path) -> String {
    doveadm(folder, mbox, &["fetch", "hdr.subject text", "all"])
}

fn subjects_of(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix("hdr.subject: ").map(str::to_owned)).collect()
}

/// Runs doveadm on an mbox, which it may change.
fn doveadm(folder: &Path, mbox: &Path, arguments: &[&str]) -> String {
    let configuration = folder.join("doveadm.conf");
    let text = format!(
        "mail_location = mbox:{folder}/dovecot:INBOX={mbox}\nmbox_write_locks = dotlock fcntl\nlog_path = /dev/stderr\n\
         mail_home = {folder}\nssl = no\nbase_dir = {folder}/run\n\
         mail_uid = {MBOX_OWNER}\nmail_gid = {NOBODY}\n",
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
        let (unique_ids, sizes) = (peer.list("UIDL"), peer.list("LIST"));
        let messages: Vec<Vec<u8>> =
            (1..=sizes.len()).map(|number| peer.message(&format!("RETR {number}"))).collect();
        peer.ok("QUIT");
        peer.end();
        (unique_ids, sizes, messages)
    };
    let before = look();
    let shown = || shown_by_dovecot(server.site().path(), &mbox);
    let at_first = shown();
    assert_eq!(subjects_of(&at_first), ["0", "1", "2", "3", "4", "5"]);
    // It writes X-IMAPbase, X-UID, Status and keywords into the headers.
    doveadm(server.site().path(), &mbox, &["flags", "add", "\\Seen Important", "all"]);
    let text = fs::read_to_string(&mbox).unwrap();
    assert!(text.contains("X-UID: ") && text.contains("Status: R"), "{text}");
    assert_eq!(look(), before);
    assert_eq!(shown(), at_first);
    let mut peer = server.login_when_free("alice");
    for number in [1, 3, 6] {
        peer.ok(&format!("DELE {number}"));
    }
    peer.ok("QUIT");
    peer.end();
    // Under the UIDs and with the notes that they had.
    assert_eq!(subjects_of(&shown()), ["1", "3", "4"]);
    let uids = || doveadm(server.site().path(), &mbox, &["fetch", "uid flags hdr.subject", "all"]);
    let noted =
        |uid: usize, subject: usize| format!("uid: {uid}\nflags: \\Seen Important\nhdr.subject: {subject}\n");
    let expected = [noted(2, 1), noted(4, 3), noted(5, 4)];
    assert_eq!(uids().replace("\\Recent ", ""), expected.join("\u{c}\n"));
    doveadm(server.site().path(), &mbox, &["expunge", "mailbox", "INBOX", "header", "Subject", "3"]);
    let unique_id = |at: usize| before.0[at].split_once(' ').map(|(_, id)| id.to_owned()).unwrap();
    assert_eq!(look().0, [format!("1 {}", unique_id(1)), format!("2 {}", unique_id(4))]);
    // Everything goes, and something else comes.
    let mut peer = server.login_when_free("alice");
    peer.ok("DELE 1");
    peer.ok("DELE 2");
    peer.ok("QUIT");
    peer.end();
    server.deliver(&["alice"], b"Subject: 6\r\n\r\nafter all others\r\n");
    assert_eq!(subjects_of(&shown()), ["6"]);
    assert!(shown().contains("after all others"), "{}", shown());
}
