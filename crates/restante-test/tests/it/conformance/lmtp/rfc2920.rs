//! RFC 2920: PIPELINING.

use restante_test::judge::Case;
use restante_test::mail::dotted;

use super::MESSAGE;

const LHLO: &str = "LHLO judge.example.org\r\n";

#[test]
fn r2920_3_2_1_replies_come_in_order() {
    Case::new().run(|server| {
        let mut peer = server.lmtp_fresh();
        peer.send(
            format!("{LHLO}MAIL FROM:<sender@example.org>\r\nRCPT TO:<alice@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
                .as_bytes(),
        );
        let codes: Vec<u16> = (0..5).map(|_| peer.reply().code).collect();
        assert_eq!(codes, [250, 250, 250, 250, 354]);
        let mut rest = dotted(MESSAGE);
        rest.extend_from_slice(b"NOOP\r\nQUIT\r\n");
        peer.send(&rest);
        let codes: Vec<u16> = (0..4).map(|_| peer.reply().code).collect();
        assert_eq!(codes, [250, 250, 250, 221]);
        peer.end();
    });
}

#[test]
fn r2920_3_2_2_nothing_is_lost_when_a_command_fails() {
    Case::new().run(|server| {
        let mut peer = server.lmtp();
        peer.send(
            b"MAIL FROM:<sender@example.org>\r\nRCPT TO:<nobody-here@example.org>\r\nNOSUCH\r\nRCPT TO:<alice@example.org>\r\nNOOP\r\nDATA\r\n",
        );
        let codes: Vec<u16> = (0..6).map(|_| peer.reply().code).collect();
        assert_eq!([codes[0], codes[3], codes[4], codes[5]], [250, 250, 250, 354], "{codes:?}");
        assert!(codes[1] >= 500 && codes[2] >= 500, "{codes:?}");
        peer.send(&dotted(MESSAGE));
        assert_eq!(peer.reply().code, 250);
        assert_eq!(peer.code("QUIT"), 221);
    });
}

#[test]
fn r2920_3_2_3_replies_are_not_held_back() {
    Case::new().run(|server| {
        // Each reply must come though nothing follows the command.
        let mut peer = server.lmtp_fresh();
        assert_eq!(peer.code("LHLO judge.example.org"), 250);
        assert_eq!(peer.code("NOOP"), 250);
        peer.code("VRFY alice");
        peer.code("EXPN staff");
        peer.code("NOSUCH");
        assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250);
        assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
        assert_eq!(peer.code("DATA"), 354);
        peer.send(&dotted(MESSAGE));
        assert_eq!(peer.reply().code, 250);
        assert_eq!(peer.code("QUIT"), 221);
        peer.end();
    });
}

#[test]
fn r2920_3_2_4_data_needs_an_accepted_recipient() {
    Case::new().run(|server| {
        let mut peer = server.lmtp();
        peer.send(b"MAIL FROM:<sender@example.org>\r\nRCPT TO:<nobody-here@example.org>\r\nRCPT TO:<nor-here@example.org>\r\nDATA\r\nNOOP\r\n");
        let codes: Vec<u16> = (0..5).map(|_| peer.reply().code).collect();
        assert_eq!([codes[0], codes[3], codes[4]], [250, 503, 250], "{codes:?}");
        assert!(codes[1] >= 500 && codes[2] >= 500, "{codes:?}");
    });
}
