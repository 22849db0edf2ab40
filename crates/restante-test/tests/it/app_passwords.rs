//! App passwords in the running server: what each opens, what one for reading alone may do, and what the log says of them.

use restante_test::mail::{canonical, numbered};
use restante_test::peer::Peer;
use restante_test::real::{Kind, Server, Setup};
use restante_test::wait;

const MESSAGES: usize = 3;

/// carol stands in the embedded directory, with mail.
fn server() -> Server {
    let setup = Setup {
        restante: vec![("auth.source".to_owned(), "[[auth.source]]\ntype = \"embedded\"".to_owned())],
        ..Setup::default()
    };
    let server = Server::start(Kind::Restante, &setup);
    let users = server.site().path().join("carol");
    std::fs::write(&users, "carol:{PLAIN}main-password\n").unwrap();
    let (code, said) = server.restante(&["account", "import", "--from-file", users.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    (0..MESSAGES).for_each(|number| server.deliver(&["carol"], &canonical(&message(number))));
    server
}

fn message(number: usize) -> Vec<u8> {
    numbered(number, 5)
}

/// Makes an app password of carol's.
fn app_password(server: &Server, name: &str, options: &[&str]) -> String {
    let words = [&["account", "app-password", "add", "carol", name][..], options].concat();
    let (code, said) = server.restante(&words);
    assert_eq!(code, 0, "{said}");
    // Four groups of letters; what is said beside it is for people.
    let mut words = said.split_whitespace();
    words.find(|word| word.len() == 23 && word.split('-').count() == 4).expect("an app password").to_owned()
}

fn log_in(server: &Server, password: &str) -> (Peer, String) {
    let mut peer = server.pop3();
    peer.ok("USER carol");
    let said = peer.command(&format!("PASS {password}"));
    (peer, said)
}

fn quit(mut peer: Peer) {
    peer.ok("QUIT");
    peer.end();
}

#[test]
fn one_for_reading_alone_retrieves_and_does_not_delete() {
    let server = server();
    let phone = app_password(&server, "old phone", &["--for", "pop3", "--read-only"]);
    let (mut peer, said) = log_in(&server, &phone);
    assert!(said.starts_with("+OK"), "{said}\n{}", server.log());
    assert_eq!(peer.list("UIDL").len(), MESSAGES);
    // What the delivery has put in front is not looked at here.
    assert!(peer.message("RETR 1").ends_with(&canonical(&message(0))));
    peer.list("TOP 2 0");
    // Whoever may change the maildrop is not kept out meanwhile.
    let (other, said) = log_in(&server, "main-password");
    assert!(said.starts_with("+OK"), "{said}");
    quit(other);
    for number in 1..=MESSAGES {
        assert!(peer.err(&format!("DELE {number}")).starts_with("-ERR [SYS/PERM]"), "{}", peer.transcript());
    }
    quit(peer);
    assert_eq!(server.site().files("carol").len(), MESSAGES);
    wait::until("the name in the log", || server.log().contains("app_password=\"old phone\""));

    // The account's own password, and an app password for everything, may.
    let laptop = app_password(&server, "laptop", &[]);
    for (password, left) in [("main-password", MESSAGES - 1), (&*laptop, MESSAGES - 2)] {
        let (mut peer, said) = log_in(&server, password);
        assert!(said.starts_with("+OK"), "{said}");
        peer.ok("DELE 1");
        quit(peer);
        assert_eq!(server.site().files("carol").len(), left);
    }
    assert!(!server.log().contains(&phone) && !server.log().contains(&laptop));
}

#[test]
fn one_that_is_revoked_elsewhere_or_for_sending_opens_nothing() {
    let server = server();
    let opens = |password: &str| {
        let (peer, said) = log_in(&server, password);
        match said.starts_with("+OK") {
            true => quit(peer),
            false => assert!(said.starts_with("-ERR [AUTH]"), "{said}"),
        }
        said.starts_with("+OK")
    };
    let tablet = app_password(&server, "tablet", &["--from", "127.0.0.0/8"]);
    assert!(opens(&tablet), "{}", server.log());
    let (code, said) = server.restante(&["account", "app-password", "revoke", "carol", "tablet"]);
    assert_eq!(code, 0, "{said}");
    assert!(!opens(&tablet), "revoked");
    assert!(!opens(&app_password(&server, "office", &["--from", "192.0.2.0/24"])), "elsewhere");
    assert!(!opens(&app_password(&server, "printer", &["--for", "smtp"])), "for sending");
    assert!(opens("main-password"), "{}", server.log());
}
