//! The server as a service: what its manager is told, and the units of contrib/systemd.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use restante_test::real::restante::binary;
use restante_test::real::site::Site;
use restante_test::real::{Server, Setup};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A service manager that listens to a server.
struct Manager {
    socket: UnixDatagram,
    child: Child,
    _site: Site,
}

impl Manager {
    fn start(environment: &[(&str, &str)]) -> Self {
        let setup = Setup::default();
        let site = Server::restante_at(Site::new(&setup), &setup).into_site();
        let path = site.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut command = Command::new(binary());
        command.args(["serve", "--config"]).arg(site.path().join("restante.toml"));
        command.env("NOTIFY_SOCKET", &path).envs(environment.iter().copied());
        let child = command.stderr(fs::File::create(site.path().join("log")).unwrap()).spawn().unwrap();
        Self { socket, child, _site: site }
    }

    /// The next notification.
    fn next(&self) -> String {
        let mut buffer = [0; 4096];
        let count = self.socket.recv(&mut buffer).expect("a notification within a minute");
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap(), signal).unwrap();
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_service_manager_is_told_when_the_server_is_ready_reloads_and_ends() {
    let mut manager = Manager::start(&[]);
    let ready = manager.next();
    assert!(ready.starts_with("READY=1\nSTATUS=pop3/starttls="), "{ready}");
    manager.signal(Signal::HUP);
    let reloading = manager.next();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(manager.next(), ready);
    manager.signal(Signal::TERM);
    assert_eq!(manager.next(), "STOPPING=1\nSTATUS=ending\n");
    assert_eq!(manager.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_watchdog_hears_of_a_server_that_nobody_uses() {
    let manager = Manager::start(&[("WATCHDOG_USEC", "100000")]);
    assert!(manager.next().starts_with("READY=1\n"));
    for _ in 0..3 {
        assert_eq!(manager.next(), "WATCHDOG=1\n");
    }
}

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib/systemd")
}

/// Asks about the service with the drop-in for system accounts.
const DROPPED_IN: &str = "(with the drop-in)";

/// What systemd says of our units, with the program where the test has it.
fn systemd(words: &[&str], asked: &[&str]) -> (bool, String) {
    let folder = TempDir::new().unwrap();
    let program = binary().display().to_string();
    let copy = |name: &str| {
        let text = fs::read_to_string(units().join(name)).unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text.replace("/usr/local/bin/restante", &program)).unwrap();
        path
    };
    let paths: Vec<PathBuf> = ["restante.service", "restante.socket"].into_iter().map(copy).collect();
    if words.contains(&DROPPED_IN) {
        fs::create_dir(folder.path().join("restante.service.d")).unwrap();
        let name = "restante.service.d/system-accounts.conf";
        fs::copy(units().join("system-accounts.conf"), folder.path().join(name)).unwrap();
    }
    let words = words.iter().filter(|word| **word != DROPPED_IN);
    let asked = paths.iter().filter(|path| asked.iter().any(|name| path.ends_with(name)));
    let output = Command::new("systemd-analyze")
        .args(words)
        .args(asked)
        .env("XDG_RUNTIME_DIR", folder.path())
        .output()
        .expect("systemd-analyze is missing; install it: apt-get install -y systemd");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units_of_the_server() {
    for words in [&["verify", "--man=no"][..], &["verify", "--man=no", DROPPED_IN]] {
        let (is_good, said) = systemd(words, &["restante.service", "restante.socket"]);
        // The unit's user is made by the operator.
        let complaints: Vec<&str> =
            said.lines().filter(|line| line.contains("restante") && !line.contains("vmail")).collect();
        assert!(is_good && complaints.is_empty(), "{said}");
    }
}

/// The calls of a group as systemd knows it, groups within it included.
fn group(name: &str) -> BTreeSet<String> {
    let output = Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", name]).output();
    let output = output.expect("systemd-analyze is missing; install it: apt-get install -y systemd");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .flat_map(|line| if line.starts_with('@') { group(line) } else { [line.to_owned()].into() })
        .collect()
}

/// The system calls that these files allow, read one after the other.
fn allowed_by(files: &[&str]) -> BTreeSet<String> {
    let unit: String = files.iter().map(|name| fs::read_to_string(units().join(name)).unwrap()).collect();
    let mut allowed = group("@default");
    for words in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (takes_away, words) = words.strip_prefix('~').map_or((false, words), |words| (true, words));
        for word in words.split(' ') {
            let calls = if word.starts_with('@') { group(word) } else { [word.to_owned()].into() };
            assert!(!calls.is_empty(), "{word}");
            if takes_away { allowed.retain(|call| !calls.contains(call)) } else { allowed.extend(calls) }
        }
    }
    allowed
}

#[test]
fn the_units_allow_every_system_call_that_the_server_allows_itself() {
    let allowed = allowed_by(&["restante.service"]);
    // Where it starts as root, it becomes somebody else, and its broker becomes the accounts.
    let of_root = allowed_by(&["restante.service", "system-accounts.conf"]);
    for call in ["setgroups", "setresgid", "setresuid", "setuid", "setgid"] {
        assert!(of_root.contains(call), "{call}");
    }
    assert!(!allowed.contains("setresuid"));
    assert!(of_root.is_superset(&allowed));
    // What the server's own list names, and what it takes to raise the walls and to end.
    let source = include_str!("../../../restante-server/src/walls/calls.rs");
    let list = source.split("const ALLOWED").nth(1).unwrap().split("];").next().unwrap();
    let own = list.split("libc::SYS_").skip(1);
    let own = own.map(|rest| {
        rest.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next().unwrap()
    });
    let more = [
        "seccomp",
        "landlock_create_ruleset",
        "landlock_add_rule",
        "landlock_restrict_self",
        "capset",
        "prctl",
    ];
    let needed: Vec<&str> =
        own.chain(more).chain(["prlimit64", "execve", "clone", "mmap", "mprotect"]).collect();
    assert!(needed.len() > 100);
    let missing: Vec<&&str> = needed.iter().filter(|call| !allowed.contains(**call)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_exposure_that_systemd_sees_in_the_unit_is_low() {
    // In tenths; what is below 50 systemd calls OK.
    let asked = |words: &[&str]| {
        let words = [&["security", "--offline=true", "--no-pager"], words].concat();
        systemd(&words, &["restante.service"])
    };
    for words in [&["--threshold=20"][..], &["--threshold=35", DROPPED_IN]] {
        let (is_low, said) = asked(words);
        assert!(is_low, "{said}");
    }
    // That the drop-in is seen at all.
    let (is_low, said) = asked(&["--threshold=20", DROPPED_IN]);
    assert!(!is_low, "{said}");
}
