//! A reload in the middle of an order at a real ACME server, Pebble: the order comes to its end, and what it brings is shown at once.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use restante_test::real::pebble::{Pebble, Plan};
use restante_test::real::site::{LDAPS, POP2, POP3S, Site};
use restante_test::real::{Server, Setup, program};
use restante_test::wait;
use rustix::process::Signal;

/// Where `http-01` is answered at a site.
const HTTP: u16 = LDAPS;

/// Where Pebble comes with its questions, whatever the challenge.
const GATE: u16 = POP2;

/// A server that makes one order a day at most, for which Pebble asks at the gate.
fn site(challenge: &str) -> (Server, Pebble) {
    let mut setup = Setup { tls: false, ..Setup::default() };
    let site = Site::new(&setup);
    let folder = Pebble::folder(&site);
    let tables = format!(
        // Nobody looks by chance at what was got.
        "[tls]\nwatch_s = 3600\n[[listen]]\nprotocol = \"pop3\"\naddress = \"{}\"\ntls = \"implicit\"\n\
         [[listen]]\nprotocol = \"acme\"\naddress = \"{}\"\n",
        site.address(POP3S),
        site.address(HTTP)
    );
    setup.restante.push((String::new(), tables));
    let acme = format!(
        "names = [\"mail.example.org\"]\ndirectory = \"https://{}/dir\"\nca = \"{}\"\nagree_terms = true\n\
         orders_max = 1\nchallenge = \"{challenge}\"",
        site.address(Pebble::PORT),
        Pebble::authority(folder.path()).display()
    );
    setup.restante.push(("acme".to_owned(), acme));
    let gate = site.address(GATE).port();
    let server = Server::restante_at(site, &setup);
    let plan = Plan { http_port: gate, tls_port: gate, validity_s: 90 * 86_400 };
    let pebble = Pebble::start(folder, server.site(), plan);
    (server, pebble)
}

/// Whose certificate POP3S shows; none where there is none.
fn issuer(server: &Server) -> Option<String> {
    let address = server.pop3s_address().to_string();
    let script = "openssl s_client -connect \"$1\" -servername mail.example.org </dev/null 2>/dev/null \
                  | openssl x509 -noout -issuer 2>/dev/null";
    let output = Command::new(program("sh", "dash")).args(["-c", script, "sh", &address]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.contains("issuer=").then_some(text)
}

/// Hands a connection on.
fn relay(near: TcpStream, far: SocketAddr) -> io::Result<()> {
    let far = TcpStream::connect(far)?;
    let (mut from_near, mut to_far) = (near.try_clone()?, far.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_near, &mut to_far);
        to_far.shutdown(Shutdown::Write)
    });
    let (mut from_far, mut to_near) = (far, near);
    let _ = io::copy(&mut from_far, &mut to_near);
    to_near.shutdown(Shutdown::Both)
}

fn reloads(server: &Server) -> usize {
    server.log().matches("event=configuration_reloaded").count()
}

fn an_order_outlives_a_reload(challenge: &str, answered_at: u16) {
    let (mut server, pebble) = site(challenge);
    let gate = TcpListener::bind(server.site().address(GATE)).unwrap();
    server.start_again();
    // Pebble has come to see whose the name is, and has not been answered yet: the order is in its middle.
    let (first, _) = gate.accept().unwrap();
    server.process().signal(Signal::HUP);
    wait::until("the reload", || reloads(&server) == 1);
    let far = server.site().address(answered_at);
    // It asks from several places.
    thread::spawn(move || {
        for near in [Ok(first)].into_iter().chain(gate.incoming()).flatten() {
            thread::spawn(move || relay(near, far));
        }
    });
    wait::until("the end of the order", || {
        let log = server.log();
        log.contains("event=certificate_obtained") || log.contains("event=certificate_not_obtained")
    });
    let shown = wait::try_some(wait::DEADLINE, || issuer(&server));
    let told = || format!("{shown:?}\n{}\n{}", server.log(), pebble.log());
    assert!(shown.as_ref().is_some_and(|issuer| issuer.contains("Pebble Intermediate CA")), "{}", told());
    assert!(!server.log().contains("event=certificate_not_obtained"), "{}", told());
}

#[test]
fn an_order_by_http_outlives_a_reload() {
    an_order_outlives_a_reload("http-01", HTTP);
}

#[test]
fn an_order_by_tls_outlives_a_reload() {
    an_order_outlives_a_reload("tls-alpn-01", POP3S);
}
