//! Signals: a fetch that is asked to end does so soon and cleanly, and a watch goes on until then.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use restante_test::odd_server::{Conduct, OddServer, messages};
use restante_test::wait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::kitchen::Home;

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[test]
fn sigterm_and_sigint_end_a_fetch_without_loss_or_duplicate() {
    for kind in [Signal::TERM, Signal::INT] {
        let server = OddServer::with_messages(3000, 3000);
        let home = Home::new();
        let words = home.words(&server.url(), &["--delete"]);
        let mut child = home.command(&words.iter().map(String::as_str).collect::<Vec<_>>()).spawn().unwrap();
        wait::until("it to be at work", || {
            std::fs::read_dir(home.maildir().join("new")).is_ok_and(|files| files.count() > 10)
        });
        signal(&child, kind);
        let status = child.wait().unwrap();
        // It may have been done before the signal came.
        assert!([Some(1), Some(0)].contains(&status.code()), "{status}");
        home.collect(&server.url(), &["--delete"]).ended(0);
        home.has_each_once(3000);
        assert!(server.unique_ids().is_empty());
    }
}

/// The events of a watch, as they come.
struct Watch {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Watch {
    fn start(home: &Home, path: &str) -> Self {
        let mut child = home.command(&["--config", path, "--watch", "--json"]).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next event of this name.
    fn next(&mut self, name: &str) -> Value {
        loop {
            let line = self.lines.next().expect("the watch goes on").unwrap();
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == name {
                return event;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(home: &Home, server: &OddServer, more: &str) -> String {
    home.configuration(&format!(
        "state_dir = \"{}\"\n[[account]]\nname = \"work\"\nserver = \"{}\"\nsecurity = \"none\"\n\
         password = {{ env = \"PW\" }}\ninterval = \"10 min\"\n\
         deliver = [{{ type = \"maildir\", path = \"Mail\" }}]\n{more}",
        home.state().display(),
        server.url()
    ))
}

#[test]
fn a_watch_looks_again_when_it_is_woken_and_ends_when_it_is_asked() {
    let server = OddServer::with_messages(3, 300);
    let home = Home::new();
    let path = configuration(&home, &server, "");
    let mut watch = Watch::start(&home, &path);
    assert_eq!(watch.next("ended")["collected"], 3);
    let next = watch.next("next")["seconds"].as_u64().unwrap();
    assert!((200..=400).contains(&next), "mail makes it look again sooner: {next}");
    server.change(|conduct| conduct.messages = messages(5, 300));
    signal(&watch.child, Signal::USR1);
    assert_eq!(watch.next("ended")["collected"], 2);
    watch.next("next");
    signal(&watch.child, Signal::TERM);
    assert_eq!(watch.child.wait().unwrap().code(), Some(0));
    home.has_each_once(5);
}

#[test]
fn a_wrong_password_is_tried_once_and_again_after_sighup() {
    let server = OddServer::start(Conduct { login: Some("-ERR [AUTH] no"), ..Conduct::default() });
    let home = Home::new();
    let path = configuration(&home, &server, "");
    let mut watch = Watch::start(&home, &path);
    assert!(watch.next("next")["seconds"].is_null(), "it does not go on by itself");
    server.change(|conduct| *conduct = Conduct { messages: messages(2, 300), ..Conduct::default() });
    signal(&watch.child, Signal::HUP);
    assert_eq!(watch.next("ended")["collected"], 2);
}

#[test]
fn sighup_takes_a_new_configuration_or_keeps_the_old_one() {
    let (server, other) = (OddServer::with_messages(1, 300), OddServer::with_messages(4, 300));
    let home = Home::new();
    let path = configuration(&home, &server, "");
    let mut watch = Watch::start(&home, &path);
    watch.next("ended");
    home.configuration("[[account]]\nnonsense = 1\n");
    signal(&watch.child, Signal::HUP);
    assert!(watch.next("warning")["what"].as_str().unwrap().contains("nonsense"));
    let more = format!(
        "[[account]]\nname = \"home\"\nserver = \"{}\"\nsecurity = \"none\"\npassword = {{ env = \"PW\" }}\n\
         deliver = [{{ type = \"maildir\", path = \"Mail2\" }}]\n",
        other.url()
    );
    configuration(&home, &server, &more);
    signal(&watch.child, Signal::HUP);
    let ended = watch.next("ended");
    assert_eq!((&ended["account"], &ended["collected"]), (&"home".into(), &4.into()));
}
