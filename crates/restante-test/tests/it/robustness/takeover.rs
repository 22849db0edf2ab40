//! Take-over through the running server: POP3 and POP2, the newest login gets the maildrop.

use restante_test::mail::numbered;
use restante_test::peer::Peer;
use restante_test::real::{Kind, Server, Setup};
use restante_test::wait;

fn server() -> Server {
    let mut setup = Setup { pop2: true, ..Setup::default() };
    setup.mail = vec![("alice".to_owned(), vec![numbered(1, 3), numbered(2, 3)])];
    setup.restante.push(("maildrop".to_owned(), "takeover_after = \"0 seconds\"".to_owned()));
    Server::start(Kind::Restante, &setup)
}

fn pop2(server: &Server) -> Peer {
    let mut peer = server.pop2();
    peer.line();
    peer.send(b"HELO alice secret\r\n");
    assert!(peer.line().starts_with(b"#2 "), "{}", peer.transcript());
    peer
}

#[test]
fn the_newest_login_gets_the_maildrop_and_nothing_is_removed() {
    let server = server();
    let mut first = server.login("alice");
    first.ok("DELE 1");
    let mut second = pop2(&server);
    assert_eq!(first.rest(), b"", "{}", first.transcript());
    let mut third = server.login("alice");
    assert_eq!(second.rest(), b"", "{}", second.transcript());
    assert!(third.ok("STAT").starts_with("+OK 2 "));
    third.ok("DELE 2");
    third.ok("QUIT");
    third.end();
    assert_eq!(server.site().files("alice").len(), 1);
    wait::until("both ends and both beginnings in the log", || {
        let log = server.log();
        let count = |text: &str| log.matches(text).count();
        count("event=taken_over") == 2 && count("end=\"maildrop taken over\"") == 2
    });
}
