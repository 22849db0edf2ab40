//! A real Dovecot as a source of accounts: logins by POP3, deliveries by LMTP, and what happens when it goes away.

use std::path::Path;

use restante_test::mail::numbered;
use restante_test::real::{Kind, Server, Setup};
use restante_test::wait;

/// A Dovecot with alice, whose mail it keeps, tom, who may not log in, and eve, whose mail only Dovecot can read.
fn dovecot() -> Server {
    let account = |name: &str| (name.to_owned(), "secret".to_owned());
    let fields = |name: &str, fields: &str| (name.to_owned(), fields.to_owned());
    let setup = Setup {
        accounts: vec![account("alice"), account("tom"), account("eve")],
        extra_fields: vec![
            fields("alice", "userdb_mail=maildir:~/ userdb_quota_rule=*:bytes=3000"),
            fields("tom", "userdb_mail=maildir:~/ nologin"),
            fields("eve", "userdb_mail=mdbox:~/mdbox"),
        ],
        ..Setup::default()
    };
    Server::start(Kind::Dovecot, &setup)
}

/// Restante with bob of its own, and everybody else at that Dovecot.
fn restante(dovecot: &Path) -> Server {
    let source = format!(
        "[[auth.source]]\ntype = \"dovecot\"\nsocket = \"{0}/run/auth-client\"\nuserdb_socket = \"{0}/run/auth-userdb\"\ncache_s = 0",
        dovecot.display()
    );
    let roots = format!("roots = [\"{}/mail\"]", dovecot.display());
    let setup = Setup {
        accounts: vec![("bob".to_owned(), "builder".to_owned())],
        restante: vec![("auth.source".to_owned(), source), ("maildrop".to_owned(), roots)],
        ..Setup::default()
    };
    Server::start(Kind::Restante, &setup)
}

fn recipient(server: &Server, address: &str) -> u16 {
    let mut peer = server.lmtp();
    assert_eq!(peer.code("MAIL FROM:<a@b.example>"), 250);
    peer.code(&format!("RCPT TO:<{address}>"))
}

#[test]
fn dovecot_says_who_may_log_in_and_where_the_mail_lies() {
    let mut dovecot = dovecot();
    let server = restante(dovecot.site().path());
    assert!(server.try_login("alice", "secret").starts_with("+OK"), "{}\n{}", server.log(), dovecot.log());
    assert!(server.try_login("alice", "wrong").starts_with("-ERR [AUTH]"), "{}", server.log());
    assert!(server.try_login("nobody-here", "secret").starts_with("-ERR [AUTH]"), "{}", server.log());
    assert!(server.try_login("tom", "secret").starts_with("-ERR [AUTH]"), "{}", server.log());
    // What lies in a form that is not ours is not an empty maildrop.
    assert!(server.try_login("eve", "secret").starts_with("-ERR [SYS/"), "{}", server.log());
    assert!(server.try_login("bob", "builder").starts_with("+OK"), "{}", server.log());

    // Delivered here, it lies where Dovecot keeps it.
    assert_eq!(recipient(&server, "nobody-here@example.org"), 550);
    let mut peer = server.lmtp();
    assert_eq!(peer.code("MAIL FROM:<a@b.example>"), 250);
    assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
    assert_eq!(peer.code("RCPT TO:<tom@example.org>"), 250);
    assert_eq!(peer.code("DATA"), 354);
    peer.send(&restante_test::mail::dotted(&restante_test::mail::canonical(&numbered(1, 3))));
    assert_eq!((peer.reply().code, peer.reply().code), (250, 250), "{}", server.log());
    assert_eq!(server.retrieve_all("alice").len(), 1, "{}", server.log());
    assert_eq!(dovecot.site().files("alice").len(), 1);
    // Its quota is Dovecot's: 3000 octets.
    let mut peer = server.lmtp();
    assert_eq!(peer.code("MAIL FROM:<a@b.example> SIZE=3000"), 250);
    assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 452, "{}", server.log());

    dovecot.stop();
    assert!(server.try_login("alice", "secret").starts_with("-ERR [SYS/TEMP]"), "{}", server.log());
    assert_eq!(recipient(&server, "alice@example.org"), 451);
    assert!(server.try_login("bob", "builder").starts_with("+OK"), "{}", server.log());
    wait::until("the fault in the log", || server.log().contains("Dovecot cannot be reached"));
    dovecot.start_again();
    assert!(server.try_login("alice", "secret").starts_with("+OK"), "{}\n{}", server.log(), dovecot.log());
    assert_eq!(recipient(&server, "alice@example.org"), 250);
    assert!(!server.log().contains("secret"), "{}", server.log());
}
