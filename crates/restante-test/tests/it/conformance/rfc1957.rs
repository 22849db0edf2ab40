//! RFC 1957: what implementations met in the field.

use restante_test::judge::Case;
use restante_test::mail::numbered;
use restante_test::peer::Peer;

/// The status line that answers `command`, as octets; the rest of a multi-line response is read away.
fn status_line(peer: &mut Peer, command: &str, is_multi_line: bool) -> Vec<u8> {
    peer.send(format!("{command}\r\n").as_bytes());
    let line = peer.line();
    if is_multi_line && line.starts_with(b"+OK") {
        peer.lines();
    }
    line
}

#[test]
fn r1957_0_1_a_space_follows_the_status() {
    Case::with_mail(vec![numbered(1, 1), numbered(2, 1)])
        .dovecot_departs("nothing follows the status of its UIDL and its CAPA")
        .run(|server| {
            let mut peer = Peer::connect(server.pop3_address());
            let mut lines = vec![peer.line()];
            for (command, is_multi_line) in [
                ("CAPA", true),
                ("AUTH", true),
                ("NOSUCH", false),
                ("USER alice", false),
                ("PASS wrong", false),
                ("USER alice", false),
                ("PASS secret", false),
                ("STAT", false),
                ("LIST", true),
                ("LIST 1", false),
                ("LIST 9", false),
                ("UIDL", true),
                ("UIDL 1", false),
                ("RETR 1", true),
                ("TOP 1 0", true),
                ("NOOP", false),
                ("DELE 1", false),
                ("DELE 1", false),
                ("RSET", false),
                ("CAPA", true),
                ("QUIT", false),
            ] {
                lines.push(status_line(&mut peer, command, is_multi_line));
            }
            for line in lines {
                assert!(
                    line.starts_with(b"+OK ") || line.starts_with(b"-ERR "),
                    "{:?}\n{}",
                    String::from_utf8_lossy(&line),
                    peer.transcript()
                );
            }
        });
}

#[test]
fn r1957_0_3_uidl_and_top_are_there() {
    Case::with_mail(vec![numbered(1, 1)]).run(|server| {
        let mut peer = server.login("alice");
        let tags = peer.list("CAPA");
        assert!(tags.iter().any(|tag| tag == "UIDL") && tags.iter().any(|tag| tag == "TOP"), "{tags:?}");
        assert_eq!(peer.list("UIDL").len(), 1);
        peer.message("TOP 1 1");
    });
}
