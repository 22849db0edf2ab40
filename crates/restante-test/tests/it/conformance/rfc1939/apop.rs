//! RFC 1939 section 7, APOP: a timestamp in the greeting, a digest instead of a password.

use std::collections::HashSet;

use md5::{Digest, Md5};
use restante_test::judge::Case;
use restante_test::peer::Peer;
use restante_test::real::Server;

use super::three;

/// The timestamp of a greeting, with its angle brackets.
pub(crate) fn timestamp(greeting: &str) -> &str {
    let start = greeting.find('<').expect("a timestamp");
    let end = greeting.find('>').expect("its end");
    &greeting[start..=end]
}

/// Connects and returns the timestamp of the greeting too.
fn connect(server: &Server) -> (Peer, String) {
    let mut peer = Peer::connect(server.pop3_address());
    let greeting = peer.greeting();
    (peer, timestamp(&greeting).to_owned())
}

fn digest(timestamp: &str, secret: &str) -> String {
    let octets = Md5::digest(format!("{timestamp}{secret}").as_bytes());
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn case() -> Case {
    Case::with_mail(three()).site(|setup| setup.apop = true)
}

#[test]
fn r1939_7_24_the_timestamp_is_a_msg_id() {
    case().run(|server| {
        let (_, timestamp) = connect(server);
        assert_msg_id(&timestamp);
    });
}

#[test]
fn r1939_7_25_no_timestamp_comes_twice() {
    case().run(|server| {
        let mut seen = HashSet::new();
        for _ in 0..2 {
            let found: Vec<String> = std::thread::scope(|scope| {
                let some = || (0..100).map(|_| connect(server).1).collect::<Vec<_>>();
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(some)).collect();
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
            });
            for timestamp in found {
                assert!(seen.insert(timestamp.clone()), "{timestamp} came twice");
            }
            server.stop();
            server.start_again();
        }
    });
}

#[test]
fn r1939_7_26_the_digest_is_md5_of_timestamp_and_secret() {
    assert_eq!(digest("<1896.697170952@dbc.mtview.ca.us>", "tanstaaf"), "c4c9334bac560ecc979e58001b3e22fb");
    case().run(|server| {
        let (mut peer, timestamp) = connect(server);
        let naked = timestamp.trim_matches(['<', '>']);
        peer.err(&format!("APOP alice {}", digest(naked, "secret")));
        peer.ok(&format!("APOP alice {}", digest(&timestamp, "secret")));
    });
}

#[test]
fn r1939_7_27_apop_decides() {
    case().run(|server| {
        let (mut peer, timestamp) = connect(server);
        peer.err(&format!("APOP alice {}", digest(&timestamp, "wrong")));
        peer.err("STAT");
        peer.ok(&format!("APOP alice {}", digest(&timestamp, "secret")));
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
        // And after a failure a password will do as well.
        let (mut peer, timestamp) = connect(server);
        peer.err(&format!("APOP bob {}", digest(&timestamp, "wrong")));
        peer.login("bob", "secret");
    });
}

#[test]
fn r1939_7_28_apop_needs_two_arguments_and_authorization() {
    case().run(|server| {
        let (mut peer, _) = connect(server);
        peer.err("APOP alice");
        peer.err("APOP");
        let (mut peer, timestamp) = connect(server);
        peer.ok("USER alice");
        peer.err("PASS wrong");
        peer.ok(&format!("APOP alice {}", digest(&timestamp, "secret")));
        peer.err(&format!("APOP alice {}", digest(&timestamp, "secret")));
        assert!(peer.ok("STAT").starts_with("+OK 3 "));
    });
}

/// Asserts that `text` is `<` local-part `@` domain `>` of RFC 822, in words without quotes.
pub(crate) fn assert_msg_id(text: &str) {
    let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).expect("angle brackets");
    let (local, domain) = inner.split_once('@').expect("an @");
    for part in [local, domain] {
        for atom in part.split('.') {
            let is_atom = |sign: char| sign.is_ascii_graphic() && !"()<>@,;:\\\".[]".contains(sign);
            assert!(!atom.is_empty() && atom.chars().all(is_atom), "{text}");
        }
    }
}
