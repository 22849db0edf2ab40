//! A watch as a service: what its manager is told, and the units of contrib/systemd.

use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use restante_test::odd_server::{OddServer, messages};
use restante_test::real::restante::binary;
use rustix::process::{Pid, Signal, kill_process};

use crate::kitchen::Home;

/// A service manager that listens to a watch.
struct Manager {
    socket: UnixDatagram,
    child: Child,
}

impl Manager {
    fn start(home: &Home, words: &[&str], environment: &[(&str, &str)]) -> Self {
        let path = home.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut command = home.command(words);
        let child = command.env("NOTIFY_SOCKET", &path).envs(environment.iter().copied()).spawn().unwrap();
        Self { socket, child }
    }

    /// The next notification.
    fn next(&self) -> String {
        let mut buffer = [0; 4096];
        let count = self.socket.recv(&mut buffer).expect("a notification within a minute");
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }

    /// All up to the first that begins so.
    fn until(&self, beginning: &str) -> Vec<String> {
        let mut told = vec![self.next()];
        while !told.last().unwrap().starts_with(beginning) {
            told.push(self.next());
        }
        told
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(home: &Home, server: &OddServer, more: &str) -> String {
    home.configuration(&format!(
        "state_dir = \"{}\"\n[[account]]\nname = \"work\"\nserver = \"{}\"\nsecurity = \"none\"\n\
         password = {{ env = \"PW\" }}\ndeliver = [{{ type = \"maildir\", path = \"Mail\" }}]\n{more}",
        home.state().display(),
        server.url()
    ))
}

#[test]
fn a_service_manager_is_told_of_beginning_looks_reload_and_end() {
    let server = OddServer::with_messages(3, 300);
    let home = Home::new();
    let path = configuration(&home, &server, "");
    let mut manager = Manager::start(&home, &["--config", &path, "--watch"], &[]);
    assert_eq!(manager.next(), "READY=1\nSTATUS=1 account is watched\n");
    let look = manager.next();
    assert!(look.starts_with("STATUS=work: collected 3 ") && look.matches('\n').count() == 1, "{look}");

    configuration(&home, &server, "nonsense = 1\n");
    manager.signal(Signal::HUP);
    let reloading = manager.next();
    let moment = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("a reload").trim_end();
    assert!(moment.parse::<u64>().unwrap() > 0, "{reloading}");
    let ready = manager.next();
    assert!(ready.starts_with("READY=1\nSTATUS=the configuration is kept as it was: "), "{ready}");
    configuration(&home, &server, "");
    manager.signal(Signal::HUP);
    manager.until("RELOADING=1\n");
    assert_eq!(manager.next(), "READY=1\nSTATUS=1 account is watched\n");

    server.change(|conduct| conduct.messages = messages(5, 300));
    manager.signal(Signal::USR1);
    manager.until("STATUS=work: collected 2 ");
    manager.signal(Signal::TERM);
    let told = manager.until("STOPPING=1\n");
    assert_eq!(told, ["STOPPING=1\nSTATUS=ending\n"], "and no watchdog, for none was asked for");
    assert_eq!(manager.child.wait().unwrap().code(), Some(0));
    home.has_each_once(5);
}

#[test]
fn a_watchdog_that_is_asked_for_hears_of_us_while_nothing_happens() {
    let server = OddServer::with_messages(0, 300);
    let home = Home::new();
    let path = configuration(&home, &server, "");
    let manager = Manager::start(&home, &["--config", &path, "--watch"], &[("WATCHDOG_USEC", "100000")]);
    assert!(manager.next().starts_with("READY=1\n"));
    manager.until("STATUS=work: ");
    for _ in 0..3 {
        assert_eq!(manager.next(), "WATCHDOG=1\n");
    }
}

#[test]
fn what_is_no_service_tells_nobody_and_a_manager_that_is_gone_is_said_once() {
    let server = OddServer::with_messages(2, 300);
    let home = Home::new();
    let words = home.words(&server.url(), &[]);
    let mut manager = Manager::start(&home, &words.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    assert_eq!(manager.child.wait().unwrap().code(), Some(0));
    manager.socket.set_nonblocking(true).unwrap();
    assert!(manager.socket.recv(&mut [0; 16]).is_err(), "one run is no service");
    drop(manager);

    // The socket is closed, and its name still there.
    let path = configuration(&home, &server, "");
    let mut command = home.command(&["--config", &path, "--watch", "--json"]);
    let mut child = command.env("NOTIFY_SOCKET", home.path().join("notify")).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"event\":\"next\"")), "it goes on");
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert_eq!(said.matches("the service manager cannot be told how it goes").count(), 1, "{said}");
}

/// What systemd finds wrong with a unit of ours, with the program where the test has it.
fn verified(unit: &Path, words: &[&str]) -> String {
    let home = Home::new();
    let text = std::fs::read_to_string(unit).unwrap();
    let program = binary().display().to_string();
    assert!(text.contains("/usr/local/bin/restante"));
    let copy = home.path().join("restante-fetch.service");
    std::fs::write(&copy, text.replace("/usr/local/bin/restante", &program)).unwrap();
    let mut command = Command::new("systemd-analyze");
    command.arg("verify").args(words).arg(&copy).env("XDG_RUNTIME_DIR", home.path());
    let output =
        command.output().expect("systemd-analyze is missing; install it: apt-get install -y systemd");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { said } else { format!("{}: {said}", output.status) }
}

#[test]
fn systemd_finds_nothing_wrong_with_our_units() {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib/systemd");
    assert_eq!(verified(&units.join("restante-fetch.service"), &[]), "");
    assert_eq!(verified(&units.join("user/restante-fetch.service"), &["--user"]), "");
}
