//! The other servers start, have the mail and speak TLS: what the judges of `judged.rs` build upon.

use restante_test::peer::Peer;
use restante_test::real::Setup;
use restante_test::real::others::{Other, OtherServer};

fn setup() -> Setup {
    let messages = vec![
        b"From: a@example.org\nMessage-ID: <1@example.org>\nSubject: one\n\nhello\n".to_vec(),
        b"From: a@example.org\nMessage-ID: <2@example.org>\nSubject: two\n\n.dot\nsecond\nthird\n".to_vec(),
        b"From: a@example.org\nMessage-ID: <3@example.org>\nSubject: three\n\n..dots\n.\nend\n".to_vec(),
    ];
    Setup { mail: vec![("alice".to_owned(), messages)], ..Setup::default() }
}

#[test]
fn each_starts_and_has_the_mail() {
    for other in [Other::Courier, Other::Cyrus, Other::Popa3d] {
        let server = OtherServer::start(other, &setup());
        let mut peer = Peer::connect(server.pop3_address());
        peer.greeting();
        peer.login("alice", "secret");
        let message = peer.message("RETR 2");
        assert!(message.ends_with(b"\r\n\r\n.dot\r\nsecond\r\nthird\r\n"), "{}", peer.transcript());
        peer.ok("QUIT");
        // Some let go of the maildrop only behind the reply.
        peer.end();
        if other != Other::Popa3d {
            let mut peer = Peer::connect(server.pop3_address());
            peer.greeting();
            peer.ok("STLS");
            peer.start_tls();
            peer.login("alice", "secret");
            let mut peer = Peer::connect_tls(server.pop3s_address());
            peer.greeting();
            peer.ok("QUIT");
        }
    }
}
