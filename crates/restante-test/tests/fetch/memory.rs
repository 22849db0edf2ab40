//! No message is held in memory.

use std::io::Read as _;

use restante_test::odd_server::{Conduct, OddServer};

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
