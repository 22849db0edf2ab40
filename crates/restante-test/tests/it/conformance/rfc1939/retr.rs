//! RFC 1939 section 5: RETR and NOOP; section 8: no deletion by retrieval.

use restante_test::judge::Case;
use restante_test::mail::{awkward, canonical};

use super::three;

#[test]
fn r1939_5_16_retr_sends_the_whole_message() {
    let (names, messages): (Vec<&str>, Vec<Vec<u8>>) =
        awkward().into_iter().filter(|(_, stored)| !stored.starts_with(b".")).unzip();
    let wanted: Vec<Vec<u8>> = messages.iter().map(|stored| canonical(stored)).collect();
    Case::with_mail(messages).run(move |server| {
        let mut peer = server.login("alice");
        for (at, (name, wanted)) in names.iter().zip(&wanted).enumerate() {
            let message = peer.message(&format!("RETR {}", at + 1));
            assert!(message == *wanted, "{name}: {} octets instead of {}", message.len(), wanted.len());
        }
    });
}

#[test]
fn r1939_5_16_retr_sends_messages_that_begin_with_a_dot() {
    let messages: Vec<Vec<u8>> =
        awkward().into_iter().map(|(_, stored)| stored).filter(|stored| stored.starts_with(b".")).collect();
    let wanted: Vec<Vec<u8>> = messages.iter().map(|stored| canonical(stored)).collect();
    Case::with_mail(messages).dovecot_departs("2.3 looks for a dot only behind a line end").run(
        move |server| {
            let mut peer = server.login("alice");
            for (at, wanted) in wanted.iter().enumerate() {
                assert_eq!(peer.message(&format!("RETR {}", at + 1)), *wanted);
            }
        },
    );
}

#[test]
fn r1939_5_16_an_empty_file_is_an_empty_message() {
    Case::with_mail(vec![Vec::new()]).dovecot_departs("it sends an empty line, though LIST says 0").run(
        |server| {
            let mut peer = server.login("alice");
            assert_eq!(peer.list("LIST"), ["1 0"]);
            assert_eq!(peer.message("RETR 1"), b"");
            assert_eq!(peer.ok("STAT"), "+OK 1 0");
        },
    );
}

#[test]
fn r1939_5_16_lone_cr_and_nul_pass_unharmed() {
    let stored = b"Subject: odd\n\na\rb\n\0c\0\n\r\r\nd\r\n".to_vec();
    let wanted = b"Subject: odd\r\n\r\na\rb\r\n\0c\0\r\n\r\r\nd\r\n".to_vec();
    Case::with_mail(vec![stored]).run(move |server| {
        let mut peer = server.login("alice");
        assert_eq!(peer.message("RETR 1").escape_ascii().to_string(), wanted.escape_ascii().to_string());
        assert_eq!(peer.list("LIST"), [format!("1 {}", wanted.len())]);
    });
}

#[test]
fn r1939_5_19_retr_gives_the_same_octets_each_time() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        let first = peer.message("RETR 1");
        peer.ok("DELE 2");
        assert_eq!(peer.message("RETR 1"), first);
        peer.ok("RSET");
        assert_eq!(peer.message("RETR 1"), first);
    });
}

#[test]
fn r1939_5_20_noop_does_nothing() {
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        peer.ok("DELE 1");
        let before = peer.ok("STAT");
        peer.ok("NOOP");
        assert_eq!(peer.ok("STAT"), before);
        peer.err("LIST 1");
    });
}

#[test]
fn r1939_8_2_retrieval_deletes_nothing() {
    // Without a policy of download and delete: RETR alone never removes, however the session ends.
    Case::with_mail(three()).run(|server| {
        let mut peer = server.login("alice");
        peer.message("RETR 1");
        drop(peer);
        let mut peer = server.login_when_free("alice");
        peer.message("RETR 1");
        peer.ok("QUIT");
        peer.end();
        assert!(server.login_when_free("alice").ok("STAT").starts_with("+OK 3 "));
    });
}
