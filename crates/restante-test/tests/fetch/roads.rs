//! The way to the server, as flags say it: through a proxy, and only to whoever has the pinned key.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use restante_test::mail::numbered;
use restante_test::odd_server::OddServer;
use restante_test::real::{Kind, Server, Setup};

use crate::kitchen::Home;

/// An HTTP proxy that knows CONNECT, and where it was asked to go.
fn proxy() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let address = listener.local_addr().expect("it is bound");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let remembered = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who has gone away is no trouble of ours.
            drop(carry(stream, &remembered));
        }
    });
    (address, asked)
}

fn carry(mut near: TcpStream, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(near.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let place = request.split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().expect("nobody panics with it").push(place.clone());
    let mut far = TcpStream::connect(place)?;
    near.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut to_far, mut to_near) = (far.try_clone()?, near.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut far, &mut to_near).map(drop));
    std::thread::spawn(move || std::io::copy(&mut near, &mut to_far).map(drop));
    Ok(())
}

#[test]
fn a_proxy_on_the_command_line_is_gone_through_and_never_around() {
    let server = OddServer::with_messages(3, 300);
    let (address, asked) = proxy();
    let home = Home::new();
    home.collect(&server.url(), &["--proxy", &format!("http://{address}")])
        .ended(0)
        .says("collected 3 messages");
    assert_eq!(*asked.lock().unwrap(), [server.address().to_string()]);
    assert!(!server.said().is_empty());
    // One that is not there: nobody goes around it.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    home.collect(&server.url(), &["--proxy", &format!("socks5://{gone}")]).ended(69).says(&gone.to_string());
    assert!(server.said().is_empty());
}

#[test]
fn a_pin_on_the_command_line_lets_in_who_has_the_key_and_nobody_else() {
    let setup = Setup { mail: vec![("alice".into(), vec![numbered(1, 3)])], ..Setup::default() };
    let server = Server::start(Kind::Restante, &setup);
    let ca = server.site().path().join("authority.pem").display().to_string();
    let home = Home::new();
    let (to, state) = (format!("maildir:{}", home.maildir().display()), home.state().display().to_string());
    let url = format!("pops://alice@{}", server.pop3s_address());
    let base = [&url, "--to", &to, "--state", &state, "--password-env", "PW", "--ca", &ca];
    let ran = home.run(&[&base[..], &["--pin", NOBODYS]].concat()).ended(76);
    let is_pin = |word: &&str| word.starts_with("sha256//") && *word != NOBODYS;
    // The error shows what the server has.
    let words = |c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c));
    let pin = ran.err.split(words).find(is_pin).unwrap_or_else(|| panic!("no pin in {}", ran.err)).to_owned();
    home.run(&[&base[..], &["--pin", NOBODYS, "--pin", &pin]].concat()).ended(0).says("collected 1 message");
    // It stands beside the authorities, and in place of none.
    let without = [&url, "--to", &to, "--state", &state, "--password-env", "PW", "--pin", &pin];
    home.run(&without).ended(76);
}

const NOBODYS: &str = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
