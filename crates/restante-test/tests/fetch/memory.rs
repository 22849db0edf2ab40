//! No message is held in memory, and no password is kept there.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Child;

use restante_test::memory;
use restante_test::odd_server::{Conduct, OddServer};
use restante_test::wait;

use crate::kitchen::Home;

/// What a whole pass may have needed at most, whatever the size of a message.
const PEAK_KIB: u64 = 30 * 1024;
const MESSAGE_OCTETS: usize = 100 * 1024 * 1024;

#[test]
fn a_message_of_100_mb_passes_in_less_than_30_mb() {
    let line = [vec![b'x'; 78], b"\r\n".to_vec()].concat();
    let message = [b"Subject: number 1\r\n\r\n".to_vec(), line.repeat(MESSAGE_OCTETS / line.len())].concat();
    let server = OddServer::start(Conduct { messages: vec![("u1".into(), message)], ..Conduct::default() });
    let home = Home::new();
    // The shell reads the peak of the program that it has become the parent of.
    let words: Vec<String> = home.words(&server.url(), &["--quiet"]);
    let mut child = home.command(&words.iter().map(String::as_str).collect::<Vec<_>>()).spawn().unwrap();
    let peak = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        let mut status = String::new();
        if let Ok(mut file) = std::fs::File::open(&peak) {
            let _ = file.read_to_string(&mut status);
        }
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
        most = most.max(kib);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            break;
        }
        std::thread::yield_now();
    }
    assert_eq!(home.messages().len(), 1);
    assert!(most > 0 && most < PEAK_KIB, "{most} KiB at its peak");
}

/// A watch between two visits; ended when dropped.
struct Watch(Child);

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// As nothing else in a program's memory looks.
const PASSWORD: &str = "Quixotic-zephyr-jabberwocky-81";

#[test]
fn a_watch_keeps_no_password_between_its_visits() {
    assert!(rustix::process::geteuid().is_root(), "this test reads a program's memory: run it as root");
    let server = OddServer::with_messages(2, 300);
    let home = Home::new();
    let password = home.path().join("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    let path = home.configuration(&format!(
        "state_dir = \"{}\"\n[[account]]\nname = \"work\"\nserver = \"{}\"\nsecurity = \"none\"\n\
         password = {{ file = \"{}\" }}\ndeliver = [{{ type = \"maildir\", path = \"Mail\" }}]\n",
        home.state().display(),
        server.url(),
        password.display()
    ));
    let mut watch = Watch(home.command(&["--config", &path, "--watch", "--json"]).spawn().unwrap());
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"event\":\"next\"")), "it goes on");
    assert!(server.said().iter().any(|line| line == "PASS"), "{:?}", server.said());
    let mut holding = Vec::new();
    let is_gone = wait::try_some(wait::DEADLINE, || {
        holding = memory::holders(watch.0.id(), PASSWORD.as_bytes());
        holding.is_empty().then_some(())
    });
    assert!(is_gone.is_some(), "it is still in\n{}", holding.join("\n"));
}
