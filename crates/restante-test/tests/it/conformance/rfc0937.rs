//! RFC 937: POP2. Nobody else still serves it, so only Restante is asked.

use restante_test::judge::Case;
use restante_test::mail::{canonical, numbered, sized};
use restante_test::peer::Peer;
use restante_test::real::Server;
use restante_test::transcript::play;

const ALONE: &str = "Dovecot does not speak POP2";

/// alice with `messages`, and a listener for POP2.
fn case(messages: Vec<Vec<u8>>) -> Case {
    Case::with_mail(messages).site(|setup| setup.pop2 = true).dovecot_not_asked(ALONE)
}

/// A session of alice behind `#nnn`.
fn login(server: &Server) -> Peer {
    let mut peer = server.pop2();
    assert!(peer.line().starts_with(b"+ POP2 "));
    peer.send(b"HELO alice secret\r\n");
    assert!(peer.line().starts_with(b"#"), "{}", peer.transcript());
    peer
}

fn ask(peer: &mut Peer, command: &str) -> String {
    peer.send(format!("{command}\r\n").as_bytes());
    String::from_utf8(peer.line()).unwrap()
}

/// Sends RETR after a READ and reads exactly the announced octets.
fn retrieve(peer: &mut Peer, announced: &str) -> Vec<u8> {
    let count: usize = announced.strip_prefix('=').unwrap().split(' ').next().unwrap().parse().unwrap();
    peer.send(b"RETR\r\n");
    peer.octets(count)
}

/// Example 1, word for word but for the name of the host.
#[test]
fn r937_cmds_4_the_first_example_word_for_word() {
    let (one, two) = (sized(537), sized(234));
    let case = Case::new().account("postel", "SECRET").mail("postel", vec![one.clone(), two.clone()]);
    case.site(|setup| setup.pop2 = true).dovecot_not_asked(ALONE).run(|server| {
        let mut peer = server.pop2();
        play(
            &mut peer,
            "S: + POP2 mail.example.org Server
             C: HELO POSTEL SECRET
             S: #2 messages in your mailbox
             C: READ
             S: =537 characters in message 1
             C: RETR",
        );
        assert_eq!(peer.octets(537), canonical(&one));
        play(
            &mut peer,
            "C: ACKD
             S: =234 characters in message 2
             C: RETR",
        );
        assert_eq!(peer.octets(234), canonical(&two));
        play(
            &mut peer,
            "C: ACKD
             S: =0 no more messages
             C: QUIT
             S: + OK, bye, bye",
        );
        peer.end();
        assert!(server.site().files("postel").is_empty());
    });
}

/// Example 2. Its FOLD names a file of a BSD machine; ours is called INBOX, and FOLD to it is a selection like any other.
#[test]
fn r937_cmds_2_the_second_example() {
    let messages: Vec<Vec<u8>> = (1..27).map(|n| numbered(n, 2)).chain([sized(10_123)]).collect();
    let last = canonical(&messages[26]);
    case(messages).run(|server| {
        let mut peer = server.pop2();
        play(
            &mut peer,
            "S: + POP2 {any}
             C: HELO alice secret
             S: #27 messages{any}
             C: FOLD INBOX
             S: #27 messages{any}
             C: READ  27
             S: =10123 characters in message 27
             C: RETR",
        );
        assert_eq!(peer.octets(10_123), last);
        play(
            &mut peer,
            "C: ACKS
             S: =0 no more messages
             C: QUIT
             S: + {any}",
        );
        peer.end();
    });
}

/// Example 3 shows a READ of nothing closing the connection; the text says "the count of zero is returned", twice, and so do
/// the tables. The text is obeyed, and the connection closes one command later.
#[test]
fn r937_cmds_3_the_third_example_as_the_text_has_it() {
    case(Vec::new()).run(|server| {
        let mut peer = server.pop2();
        play(
            &mut peer,
            "S: + POP2 {any}
             C: HELO alice secret
             S: #0 messages{any}
             C: READ
             S: =0 no more messages
             C: RETR",
        );
        peer.end();
    });
}

#[test]
fn r937_p_1_1_pop2_is_off_unless_it_is_listened_for() {
    Case::new().dovecot_not_asked(ALONE).run(|server| {
        assert!(Peer::try_connect(server.site().address(restante_test::real::site::POP2)).is_err());
    });
    case(Vec::new()).run(|server| {
        assert_eq!(server.pop2().line(), b"+ POP2 mail.example.org Server");
    });
}

#[test]
fn r937_cmds_1_quoted_spaces_and_bad_logins() {
    let case = Case::new().account("dora", "p w\\x").site(|setup| setup.pop2 = true);
    case.dovecot_not_asked(ALONE).run(|server| {
        let mut peer = server.pop2();
        peer.line();
        assert_eq!(ask(&mut peer, r"HELO dora p\ w\\x"), "#0 messages in your mailbox");
        for bad in ["HELO alice wrong", "HELO nobody secret", r"HELO dora p\ w", "HELO alice"] {
            let mut peer = server.pop2();
            peer.line();
            assert!(ask(&mut peer, bad).starts_with("- "));
            peer.end();
        }
    });
}

#[test]
fn r937_cmds_1_a_maildrop_in_use_is_an_error() {
    case(vec![numbered(1, 1)]).run(|server| {
        let holder = server.login("alice");
        let mut peer = server.pop2();
        peer.line();
        assert_eq!(ask(&mut peer, "HELO alice secret"), "- The mailbox is locked by another session");
        peer.end();
        drop(holder);
    });
}

#[test]
fn r937_cmds_2_fold_removes_what_was_acknowledged_so() {
    case(vec![numbered(1, 1), numbered(2, 2)]).run(|server| {
        let mut peer = login(server);
        let announced = ask(&mut peer, "READ 1");
        retrieve(&mut peer, &announced);
        assert!(ask(&mut peer, "ACKD").starts_with('='));
        assert_eq!(ask(&mut peer, "FOLD nosuch"), "#0 messages: there is no such mailbox");
        assert_eq!(server.site().files("alice").len(), 1, "removed before the reply");
        // The lock went with the mailbox.
        server.login("alice").ok("QUIT");
        assert_eq!(ask(&mut peer, "FOLD INBOX"), "#1 messages in your mailbox");
        let announced = ask(&mut peer, "READ");
        assert_eq!(retrieve(&mut peer, &announced), canonical(&numbered(2, 2)));
    });
}

#[test]
fn r937_cmds_3_read_says_octets_with_crlf_for_every_kind_of_message() {
    let stored = vec![b"a: b\n\n.\n..x\nno end".to_vec(), b"a: b\r\n\r\nx\r\n".to_vec()];
    case(stored.clone()).run(|server| {
        let mut peer = login(server);
        for (number, stored) in stored.iter().enumerate() {
            let announced = ask(&mut peer, &format!("READ {}", number + 1));
            assert_eq!(
                announced,
                format!("={} characters in message {}", canonical(stored).len(), number + 1)
            );
            assert_eq!(retrieve(&mut peer, &announced), canonical(stored));
            ask(&mut peer, "NACK");
        }
        assert_eq!(ask(&mut peer, "READ 999"), "=0 no more messages");
    });
}

#[test]
fn r937_cmds_5_nothing_follows_the_message_until_it_is_acknowledged() {
    case(vec![numbered(1, 3), numbered(2, 40)]).run(|server| {
        let mut peer = login(server);
        let announced = ask(&mut peer, "READ");
        // All at once: what follows the octets of the message is the reply to the acknowledgment.
        let wanted = canonical(&numbered(1, 3));
        peer.send(b"RETR\r\nNACK\r\nRETR\r\nACKS\r\nQUIT\r\n");
        assert_eq!(peer.octets(wanted.len()), wanted);
        assert_eq!(peer.line(), announced.as_bytes());
        assert_eq!(peer.octets(wanted.len()), wanted);
        assert!(peer.line().ends_with(b" characters in message 2"));
        assert!(peer.line().starts_with(b"+ "));
        peer.end();
    });
}

#[test]
fn r937_cmds_6_a_violation_closes_and_removes_nothing() {
    case(vec![numbered(1, 1), numbered(2, 2)]).run(|server| {
        for bad in ["FOO", "RETR", "QUIT"] {
            let mut peer = login(server);
            let announced = ask(&mut peer, "READ 1");
            retrieve(&mut peer, &announced);
            if bad != "QUIT" {
                ask(&mut peer, "ACKD");
                ask(&mut peer, "READ 1");
            }
            peer.send(format!("{bad}\r\n").as_bytes());
            // RETR of nothing ends without a word, QUIT in the place of an acknowledgment is garbage.
            let rest = peer.rest();
            assert_eq!(rest.is_empty(), bad == "RETR", "{}", peer.transcript());
            assert!(rest.is_empty() || rest.starts_with(b"- "));
            assert_eq!(server.site().files("alice").len(), 2);
        }
    });
}

#[test]
fn r937_cmds_7_quit_removes_what_was_acknowledged_so() {
    case(vec![numbered(1, 1), numbered(2, 2)]).run(|server| {
        let mut peer = login(server);
        let announced = ask(&mut peer, "READ 2");
        retrieve(&mut peer, &announced);
        assert_eq!(ask(&mut peer, "ACKD"), "=0 no more messages");
        assert_eq!(ask(&mut peer, "READ 2"), "=0 no more messages");
        assert_eq!(ask(&mut peer, "QUIT"), "+ OK, bye, bye");
        assert_eq!(server.retrieve_all("alice"), [canonical(&numbered(1, 1))]);
    });
}

#[test]
fn r937_sizes_1_a_command_of_512_octets() {
    case(Vec::new()).run(|server| {
        let helo = |octets: usize| {
            let mut peer = server.pop2();
            peer.line();
            let mut line = b"HELO nobody ".to_vec();
            line.resize(octets - 2, b'x');
            peer.send(&[&line[..], b"\r\n"].concat());
            String::from_utf8(peer.line()).unwrap()
        };
        assert_eq!(helo(512), "- Wrong user name or password");
        assert_eq!(helo(513), "- Line too long, closing");
    });
}
