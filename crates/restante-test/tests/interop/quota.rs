//! Quotas and locks beside a real Postfix and a real Dovecot: the one hears 452 and 552, the other shares `maildirsize` and
//! holds a lock of its own.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use restante_store::disk::LocalDisk;
use restante_store::maildrop::OpenError;
use restante_store::{Location, Store, maildir};
use restante_test::mail::{canonical, dotted, numbered, sized};
use restante_test::real::postfix::Postfix;
use restante_test::real::site::NOBODY;
use restante_test::real::{Kind, Server, Setup, program, restante};
use restante_test::wait;

/// Restante with `[quota]` so that one message fits.
fn one_message(over: &str) -> Server {
    let mut setup = Setup::default();
    setup.restante.push(("quota".to_owned(), format!("messages = 1\nover = \"{over}\"")));
    Server::start(Kind::Restante, &setup)
}

#[test]
fn postfix_keeps_what_does_not_fit_and_delivers_when_there_is_room() {
    let server = one_message("later");
    let postfix = Postfix::start(server.site());
    for n in 1..=2 {
        postfix.sendmail("sender@example.net", &["alice@example.org"], &numbered(n, 3));
    }
    wait::until("Postfix to keep it", || {
        let log = postfix.log();
        log.lines().any(|line| line.contains("status=deferred") && line.contains("452 4.2.2"))
    });
    // Both come at once: the one may be refused while the other is still being written.
    wait::until("the one message to lie there", || server.site().files("alice").len() == 1);
    let mut peer = server.login("alice");
    peer.ok("DELE 1");
    peer.ok("QUIT");
    peer.end();
    wait::until("the other message to come", || {
        let sent = postfix.log().matches("status=sent").count();
        sent == 2 && server.site().files("alice").len() == 1
    });
}

#[test]
fn postfix_returns_what_may_not_be_tried_again() {
    let server = one_message("refuse");
    let postfix = Postfix::start(server.site());
    for n in 1..=2 {
        postfix.sendmail("bob@example.org", &["alice@example.org"], &numbered(n, 3));
    }
    wait::until("the report to come back", || !server.site().files("bob").is_empty());
    let report = String::from_utf8_lossy(&server.retrieve_all("bob")[0]).into_owned();
    assert!(report.contains("552 5.2.2") && report.contains("alice@example.org"), "{report}");
    wait::until("the one message to lie there", || server.site().files("alice").len() == 1);
}

/// Dovecot with quotas, and beside it the program `restante` for the same maildrops, run as the user that Dovecot's
/// mail processes have.
struct Shared {
    server: Server,
}

impl Shared {
    fn start() -> Self {
        let mut setup = Setup { as_nobody: true, tls: false, ..Setup::default() };
        setup.dovecot = vec![
            "mail_plugins = quota",
            "plugin {\n  quota = maildir:User quota\n  quota_rule = *:bytes=6000:messages=9\n  quota_grace = 0\n}",
        ];
        setup.restante.push(("quota".to_owned(), "octets = \"6 kB\"\nmessages = 9".to_owned()));
        let server = Server::start(Kind::Dovecot, &setup);
        restante::configure(server.site(), &setup);
        Self { server }
    }

    /// What the program answers: exit status and output.
    fn restante(&self, words: &[&str], input: &[u8]) -> (i32, String) {
        let root = self.server.site().path();
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new(program("setpriv", "util-linux"));
            command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")]);
            command.args(["--clear-groups", "--"]).arg(root.join("restante-of-nobody"));
            command
        } else {
            Command::new(root.join("restante-of-nobody"))
        };
        command.args(words).arg("--config").arg(root.join("restante.toml"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // One that refuses may end before it has read.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8_lossy(&text).into_owned())
    }

    fn deliver(&self) -> i32 {
        self.restante(&["deliver", "--to", "alice"], &sized(900)).0
    }

    /// Our count of the files is Dovecot's total, as soon as it has noted it, and the files say so too.
    fn agree(&self, messages: usize) {
        let files = self.server.site().files("alice");
        let octets: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        let expected = format!("\"octets\":{octets},\"messages\":{messages},");
        let mut said = (0, String::new());
        let agreed = wait::try_some(wait::DEADLINE, || {
            said = self.restante(&["maildrop", "quota", "alice", "--json"], b"");
            (said.0 == 0 && said.1.contains(&expected) && said.1.contains("\"right\"")).then_some(())
        });
        let total = fs::read_to_string(self.server.site().maildrop("alice").join("maildirsize"));
        assert!(agreed.is_some(), "{said:?} {total:?}");
    }
}

#[test]
fn dovecot_and_restante_share_a_total() {
    let shared = Shared::start();
    shared.server.deliver(&["alice"], &canonical(&sized(900)));
    shared.agree(1);
    assert_eq!(shared.deliver(), 0);
    shared.agree(2);
    shared.server.deliver(&["alice"], &canonical(&sized(900)));
    shared.agree(3);
    let mut peer = shared.server.login("alice");
    peer.ok("DELE 2");
    peer.ok("QUIT");
    peer.end();
    wait::until("Dovecot to remove it", || shared.server.site().files("alice").len() == 2);
    shared.agree(2);
    // Who fills it up matters to neither.
    let mut codes = (0..9).map(|_| shared.deliver());
    assert!(codes.any(|code| code == 75), "nine messages do not fit");
    let full = shared.server.site().files("alice").len();
    shared.agree(full);
    let mut peer = shared.server.lmtp();
    assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250);
    let rcpt = peer.code("RCPT TO:<alice@example.org>");
    if rcpt == 250 {
        assert_eq!(peer.code("DATA"), 354);
        peer.send(&dotted(&canonical(&sized(900))));
        assert_eq!(peer.reply().code / 100, 5, "{}", peer.transcript());
    }
    assert_eq!(shared.server.site().files("alice").len(), full);
    shared.agree(full);
}

#[test]
fn a_session_of_dovecot_has_the_maildrop_until_it_ends_or_dies() {
    let setup = Setup { dovecot: vec!["pop3_lock_session = yes"], ..Setup::default() };
    let server = Server::start(Kind::Dovecot, &setup);
    let maildrop = server.site().maildrop("alice");
    let store =
        Store::maildir(Arc::new(LocalDisk), maildir::Settings::new(server.site().path().join("mail")));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let location = Location::Maildir(maildrop.clone());
    let open = || runtime.block_on(store.open(&location, std::time::SystemTime::now()));
    let lock = maildrop.join("dovecot-pop3-session.lock");

    let mut peer = server.login("alice");
    assert!(lock.exists(), "Dovecot locks where we look");
    assert!(matches!(open(), Err(OpenError::InUse)), "a living session has it");
    peer.ok("QUIT");
    peer.end();
    wait::until("Dovecot to let go", || !lock.exists());
    drop(open().unwrap());

    let _peer = server.login("alice");
    let text = fs::read_to_string(&lock).unwrap();
    let process: i32 = text.split(':').next().unwrap().parse().unwrap();
    let process = rustix::process::Pid::from_raw(process).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    wait::until("a lock of the dead to count for nothing", || open().is_ok());
    assert!(lock.exists(), "it is Dovecot's to clear away");
}
