//! RFC 1939 section 6: QUIT and the UPDATE state.

use std::fs;

use restante_test::judge::Case;
use restante_test::real::Server;

use super::three;

/// What the remaining messages of alice say they are, by their files.
fn remaining(server: &Server) -> Vec<String> {
    let files = server.site().files("alice");
    let subject =
        |text: &str| text.lines().find_map(|line| line.strip_prefix("Subject: ")).map(str::to_owned);
    files
        .iter()
        .filter(|file| file.is_file())
        .filter_map(|file| subject(&fs::read_to_string(file).unwrap()))
        .collect()
}

#[test]
fn r1939_6_1_quit_removes_exactly_what_is_marked() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        peer.ok("DELE 2");
        peer.ok("QUIT");
        assert_eq!(remaining(server), ["message 1", "message 3"]);
        peer.end();
        let mut peer = server.login_when_free("alice");
        assert!(peer.ok("STAT").starts_with("+OK 2 "));
        let second = String::from_utf8(peer.message("RETR 2")).unwrap();
        assert!(second.contains("Subject: message 3\r\n"));
    });
}

#[test]
fn r1939_6_2_any_other_end_removes_nothing() {
    Case::with_mail(three()).run(|server| {
        let marked = |server: &Server| {
            let mut peer = server.login_when_free("alice");
            peer.ok("DELE 1");
            peer
        };
        // A reset, a FIN, half a QUIT, the end of TLS, the end of the server.
        marked(server).reset();
        let mut peer = marked(server);
        peer.half_close();
        peer.rest();
        let mut peer = marked(server);
        peer.send(b"QUIT");
        peer.half_close();
        peer.rest();
        drop(server.login_when_free("alice"));
        let mut peer = restante_test::wait::some("the maildrop to be free", || {
            let mut peer = server.pop3s();
            peer.ok("USER alice");
            peer.command("PASS secret").starts_with("+OK").then_some(peer)
        });
        peer.ok("DELE 2");
        peer.close_notify();
        peer.rest();
        let _held = marked(server);
        server.stop();
        server.start_again();
        assert!(server.login_when_free("alice").ok("STAT").starts_with("+OK 3 "));
        assert_eq!(remaining(server), ["message 1", "message 2", "message 3"]);
    });
}

#[test]
fn r1939_6_3_an_error_never_costs_an_unmarked_message() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        peer.ok("DELE 1");
        peer.ok("DELE 2");
        // A folder cannot be removed like a file, by anyone.
        let obstacle = server.site().files("alice").remove(1);
        fs::remove_file(&obstacle).unwrap();
        fs::create_dir(&obstacle).unwrap();
        fs::write(obstacle.join("inside"), b"").unwrap();
        peer.command("QUIT");
        peer.end();
        assert!(remaining(server).contains(&"message 3".to_owned()));
    });
}

#[test]
fn r1939_6_4_quit_tells_whether_the_messages_are_gone() {
    let case = Case::with_mail(three()).site(|setup| setup.as_nobody = true);
    case.dovecot_departs("it says +OK when unlink was not permitted").run(|server| {
        let mut peer = server.login("alice");
        peer.ok("DELE 1");
        server.site().protect("alice", 0o555);
        let reply = peer.command("QUIT");
        server.site().protect("alice", 0o777);
        assert!(reply.starts_with("-ERR"), "{}", peer.transcript());
        peer.end();
        let mut peer = server.login_when_free("alice");
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
    });
}

#[test]
fn r1939_6_4_the_messages_are_gone_when_quit_says_ok() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        peer.ok("DELE 1");
        peer.ok("QUIT");
        assert_eq!(remaining(server), ["message 2", "message 3"]);
    });
}

#[test]
fn r1939_6_5_quit_releases_the_lock_and_closes() {
    Case::with_mail(three()).site(|setup| setup.as_nobody = true).run(|server| {
        let mut peer = server.login("alice");
        peer.ok("DELE 1");
        server.site().protect("alice", 0o555);
        peer.command("QUIT");
        server.site().protect("alice", 0o777);
        peer.end();
        let mut peer = server.login("alice");
        peer.ok("QUIT");
        peer.end();
        let mut peer = server.login("alice");
        peer.ok("DELE 1");
        peer.ok("QUIT");
        peer.end();
        server.login("alice").ok("QUIT");
    });
}
