//! A reload in the middle of an order at a real ACME server, Pebble: the order comes to its end, and what it brings is shown at once.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use restante_test::real::Server;
use restante_test::real::pebble::{Pebble, Plan};
use restante_test::real::site::{POP2, POP3S};
use restante_test::wait;
use rustix::process::Signal;

use crate::acme::{HTTP, shown, site_that_looks};

/// Where Pebble comes with its questions, whatever the challenge.
const GATE: u16 = POP2;

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
    // Nobody looks by chance at what was got.
    let (mut server, folder) = site_that_looks(3600, &format!("challenge = \"{challenge}\"\norders_max = 1"));
    let gate = server.site().address(GATE).port();
    let plan = Plan { http_port: gate, tls_port: gate, validity_s: 90 * 86_400 };
    let pebble = Pebble::start(folder, server.site(), plan);
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
    let shown = wait::try_some(wait::DEADLINE, || shown(&server, "mail.example.org"));
    let told = || format!("{shown:?}\n{}\n{}", server.log(), pebble.log());
    assert!(shown.as_ref().is_some_and(|it| it.contains("Pebble Intermediate CA")), "{}", told());
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
