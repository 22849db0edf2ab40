//! What the running server remembers of passwords once it has answered: nothing, wherever in its memory one looks.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use restante_test::peer::{Peer, base64};
use restante_test::real::{Kind, Server, Setup};
use restante_test::wait;

/// As nothing else in a server's memory looks.
const RIGHT: &str = "Quixotic-zephyr-jabberwocky-81";
const WRONG: &str = "Sphinx-of-black-quartz-judge-42";

/// carol stands in the embedded directory, whose hash tells nobody her password.
fn server() -> Server {
    assert!(rustix::process::geteuid().is_root(), "this test reads the server's memory: run it as root");
    let setup = Setup {
        restante: vec![
            ("auth.source".to_owned(), "[[auth.source]]\ntype = \"embedded\"".to_owned()),
            ("auth".to_owned(), "fail_delay_s = 0".to_owned()),
            ("defence".to_owned(), "penalty_s = 0\nban_after = 0".to_owned()),
        ],
        ..Setup::default()
    };
    let server = Server::start(Kind::Restante, &setup);
    let users = server.site().path().join("carol");
    fs::write(&users, format!("carol:{{SHA512-CRYPT}}{}\n", hash(RIGHT))).unwrap();
    let (code, said) = server.restante(&["account", "import", "--from-file", users.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    server
}

fn hash(password: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(["passwd", "-6", "-stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut openssl = command.spawn().expect("openssl, from Debian's package of that name");
    openssl.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    let mut hash = String::new();
    openssl.stdout.take().unwrap().read_to_string(&mut hash).unwrap();
    assert!(openssl.wait().unwrap().success());
    hash.trim().to_owned()
}

/// The mappings of the server's memory, stacks and heap and all, that hold `text`.
fn holders(server: &mut Server, text: &str) -> Vec<String> {
    let folder = format!("/proc/{}", server.process().id());
    let memory = File::open(format!("{folder}/mem")).unwrap();
    let maps = fs::read_to_string(format!("{folder}/maps")).unwrap();
    let mut holders = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        // What cannot be written holds nothing that was received.
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        let mut octets = vec![0; usize::try_from(end - start).unwrap()];
        // One that is gone meanwhile holds nothing.
        if memory.read_exact_at(&mut octets, start).is_ok() && contains(&octets, text.as_bytes()) {
            holders.push(line.to_owned());
        }
    }
    holders
}

/// As fast as a test without optimisation can.
fn contains(octets: &[u8], text: &[u8]) -> bool {
    let (first, rest) = text.split_first().unwrap();
    let mut left = octets;
    while let Some(at) = left.iter().position(|octet| octet == first) {
        left = &left[at + 1..];
        if left.starts_with(rest) {
            return true;
        }
    }
    false
}

/// Every form in which it went over the wire.
fn forms(password: &str) -> [String; 2] {
    [password.to_owned(), plain(password)]
}

fn plain(password: &str) -> String {
    base64(format!("\0carol\0{password}").as_bytes())
}

/// Tries both passwords in every way there is, and goes.
fn use_passwords(peer: impl Fn() -> Peer) {
    for (password, answer) in [(WRONG, "-ERR"), (RIGHT, "+OK")] {
        let mut pass = peer();
        pass.ok("USER carol");
        assert!(pass.command(&format!("PASS {password}")).starts_with(answer), "{}", pass.transcript());
        pass.ok("QUIT");
        pass.end();
        let mut initial = peer();
        assert!(initial.command(&format!("AUTH PLAIN {}", plain(password))).starts_with(answer));
        initial.ok("QUIT");
        initial.end();
        let mut asked = peer();
        asked.send(b"AUTH PLAIN\r\n");
        asked.challenge();
        assert!(asked.command(&plain(password)).starts_with(answer), "{}", asked.transcript());
        asked.ok("QUIT");
        asked.end();
        // Nobody waits for an answer, and what follows comes in the same piece; one of them is no command any more.
        let mut hasty = peer();
        hasty.send(format!("USER carol\r\nPASS {password}\r\nPASS {password}\r\nQUIT\r\n").as_bytes());
        hasty.rest();
        // Too long for a line, in pieces.
        let mut long = peer();
        long.ok("USER carol");
        long.send(format!("PASS {password}{}", "x".repeat(20_000)).as_bytes());
        long.send(format!("{password}\r\n").as_bytes());
        assert!(long.status().starts_with("-ERR"));
        // Gone before the end of the line.
        long.send(format!("PASS {password}").as_bytes());
        drop(long);
    }
}

#[test]
fn no_password_is_left_in_memory_after_the_answer() {
    let mut server = server();
    // That it can be seen at all: a line that has not ended.
    let mut peer = server.pop3();
    peer.ok("USER carol");
    peer.send(format!("PASS {RIGHT}").as_bytes());
    wait::until("the password in memory", || !holders(&mut server, RIGHT).is_empty());
    peer.reset();

    use_passwords(|| server.pop3());
    use_passwords(|| server.pop3s());
    use_passwords(|| {
        let mut peer = server.pop3();
        peer.ok("STLS");
        peer.start_tls();
        peer
    });
    for form in [RIGHT, WRONG].iter().flat_map(|password| forms(password)) {
        let mut holding = Vec::new();
        let is_gone = wait::try_some(wait::DEADLINE, || {
            holding = holders(&mut server, &form);
            holding.is_empty().then_some(())
        });
        assert!(is_gone.is_some(), "{form} is still in\n{}", holding.join("\n"));
    }
}
