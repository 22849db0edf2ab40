//! `restante serve` as a process: readiness, signals, accounts that come and go meanwhile.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command};

use crate::scene::Scene;

/// A server that is ready.
struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
    address: SocketAddr,
}

impl Server {
    fn start(scene: &Scene) -> Self {
        let mut child = scene.command(&["serve"]).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let ready = wait_for(&mut log, "READY ");
        let address = ready.trim().rsplit_once('=').unwrap().1.parse().unwrap();
        Self { child, log, address }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// What a POP3 client that says these lines is told.
    fn say(&self, lines: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(lines.as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only when the test has failed; it has ended otherwise.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next line of the log that begins so, or holds it. The end of the log is the end of the test.
fn wait_for(log: &mut impl BufRead, wanted: &str) -> String {
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "no {wanted:?} in the log:\n{seen}");
        if line.contains(wanted) {
            return line;
        }
        seen.push_str(&line);
    }
}

#[test]
fn accounts_come_and_go_while_the_server_runs() {
    let scene = Scene::with_configuration();
    fs::create_dir(scene.path("mail")).unwrap();
    fs::create_dir(scene.path("state")).unwrap();
    let mut server = Server::start(&scene);
    let login = "USER ann\r\nPASS secret\r\nSTAT\r\nQUIT\r\n";
    assert!(server.say(login).contains("-ERR [AUTH]"));
    assert_eq!(scene.run(&["account", "add", "ann"], b"secret\n").code(), 0);
    assert_eq!(scene.run(&["deliver", "--to", "ann"], b"Subject: hello\n\n").code(), 0);
    let said = server.say(login);
    assert!(said.contains("\r\n+OK 1 "), "{said}");
    assert_eq!(scene.run(&["account", "passwd", "ann"], b"changed\n").code(), 0);
    assert!(server.say(login).contains("-ERR [AUTH]"));
    assert!(server.say("USER ann\r\nPASS changed\r\nSTAT\r\nQUIT\r\n").contains("\r\n+OK 1 "));
    assert_eq!(scene.run(&["account", "remove", "ann"], b"").code(), 0);
    assert!(server.say("USER ann\r\nPASS changed\r\nQUIT\r\n").contains("-ERR [AUTH]"));
    server.signal("-TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    let mut log = String::new();
    server.log.read_to_string(&mut log).unwrap();
    assert!(!log.contains("secret") && !log.contains("changed"), "{log}");
}

#[test]
fn a_hang_up_takes_the_new_configuration_or_keeps_the_old() {
    let scene = Scene::with_configuration();
    let mut server = Server::start(&scene);
    let good = scene.configuration();
    scene.write("restante.toml", "colour = \"red\"\n");
    server.signal("-HUP");
    wait_for(&mut server.log, "colour");
    assert!(server.say("QUIT\r\n").starts_with("+OK"));
    scene.write("restante.toml", &good.replace("mail.example.org", "post.example.org"));
    server.signal("-HUP");
    wait_for(&mut server.log, "event=configuration_reloaded");
    assert!(server.say("QUIT\r\n").contains("post.example.org"));
    server.signal("-INT");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_address_in_use_is_69_and_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let scene = Scene::with_configuration();
    let config = scene.configuration();
    scene.write("restante.toml", &config.replace("127.0.0.1:0", &address));
    let answer = scene.run(&["serve"], b"");
    assert_eq!(answer.code(), 69, "{}", answer.stderr);
    assert!(
        answer.stderr.contains(&address) && answer.stderr.contains("; stop the other server"),
        "{}",
        answer.stderr
    );
}
