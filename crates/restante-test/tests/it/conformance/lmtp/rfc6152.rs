//! RFC 6152: 8BITMIME.

use restante_test::judge::Case;
use restante_test::mail::dotted;

use super::{data, without_trace};

#[test]
fn r6152_3_1_all_eight_bits_are_kept() {
    let mut message =
        b"Subject: eight\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n".to_vec();
    for octet in 0x80..=0xFF_u8 {
        message.extend_from_slice(&[octet, octet, b'\r', b'\n']);
    }
    Case::new().run(move |server| {
        let mut peer = server.lmtp();
        assert_eq!(peer.code("MAIL FROM:<sender@example.org> BODY=8BITMIME"), 250);
        assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
        assert_eq!(data(&mut peer, &dotted(&message), 1)[0].code, 250);
        assert_eq!(peer.code("QUIT"), 221);
        assert_eq!(without_trace(&server.retrieve_all("alice")[0], &message), message);
    });
}

#[test]
fn r6152_2_1_body_is_one_of_two() {
    Case::new().run(|server| {
        for parameter in ["BODY=8BITMIME", "BODY=7BIT", "body=8bitmime"] {
            assert_eq!(server.lmtp().code(&format!("MAIL FROM:<sender@example.org> {parameter}")), 250);
        }
    });
}

#[test]
fn r6152_2_1_another_body_is_501() {
    Case::new().dovecot_departs("it answers 555, as to an unknown parameter").run(|server| {
        assert_eq!(server.lmtp().code("MAIL FROM:<sender@example.org> BODY=FOO"), 501);
    });
}

#[test]
fn r6152_2_1_body_is_not_given_twice() {
    Case::new().run(|server| {
        assert_eq!(server.lmtp().code("MAIL FROM:<sender@example.org> BODY=8BITMIME BODY=7BIT"), 501);
    });
}

#[test]
fn r6152_3_2_long_lines_and_dots_are_as_ever() {
    let mut message = b"Subject: long\r\n\r\n".to_vec();
    message.extend(std::iter::repeat_n(0xE4, 998));
    message.extend_from_slice(b"\r\n.\r\n.\xE4\r\n");
    Case::new().run(move |server| {
        let mut peer = server.lmtp();
        assert_eq!(peer.code("MAIL FROM:<sender@example.org> BODY=8BITMIME"), 250);
        assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
        assert_eq!(data(&mut peer, &dotted(&message), 1)[0].code, 250);
        assert_eq!(peer.code("QUIT"), 221);
        assert_eq!(without_trace(&server.retrieve_all("alice")[0], &message), message);
    });
}
