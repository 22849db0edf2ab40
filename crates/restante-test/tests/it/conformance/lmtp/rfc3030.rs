//! RFC 3030: CHUNKING, and why there is no BINARYMIME.

use restante_test::judge::Case;

use super::{MESSAGE, bdat, transaction, without_trace};

#[test]
fn r3030_2_1_a_chunk_is_taken_as_it_is() {
    let message = b"Subject: raw\r\n\r\n.\r\n..\r\n.x\r\na.\r\nb\r\n".to_vec();
    Case::new().run(move |server| {
        assert!(server.lmtp_fresh().ask("LHLO judge.example.org").lines.contains(&"CHUNKING".to_owned()));
        let mut peer = transaction(server, &["alice"]);
        bdat(&mut peer, &message, " LAST");
        assert_eq!(peer.reply().code, 250);
        // In pieces of every kind: inside a line end, before a dot, empty ones; the verb and LAST in any case.
        assert_eq!(peer.code("MAIL FROM:<sender@example.org>"), 250);
        assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
        for (from, to) in [(0, 13), (13, 13), (13, 16), (16, 17), (17, 18), (18, 30)] {
            bdat(&mut peer, &message[from..to], "");
            assert_eq!(peer.reply().code, 250, "{}", peer.transcript());
        }
        peer.send(format!("bdat {} last\r\n", message.len() - 30).as_bytes());
        peer.send(&message[30..]);
        assert_eq!(peer.reply().code, 250);
        assert_eq!(peer.code("QUIT"), 221);
        for stored in server.retrieve_all("alice") {
            assert_eq!(
                without_trace(&stored, &message).escape_ascii().to_string(),
                message.escape_ascii().to_string()
            );
        }
    });
}

#[test]
fn r3030_2_1_a_last_chunk_may_be_empty_and_a_last_line_without_end() {
    Case::new().run(|server| {
        let mut peer = transaction(server, &["alice"]);
        bdat(&mut peer, b"Subject: open\r\n\r\na.\r\nb", "");
        assert_eq!(peer.reply().code, 250);
        bdat(&mut peer, b"", " LAST");
        assert_eq!(peer.reply().code, 250);
        assert_eq!(peer.code("QUIT"), 221);
        assert!(server.retrieve_all("alice")[0].ends_with(b"\r\n\r\na.\r\nb\r\n"));
    });
}

#[test]
fn r3030_2_2_a_chunk_that_fails_is_read_all_the_same() {
    let case = Case::new().site(|setup| setup.message_octets_max = Some(65_536));
    case.dovecot_not_asked("its LMTP knows no limit for a message").run(|server| {
        let mut peer = transaction(server, &["alice"]);
        bdat(&mut peer, &MESSAGE[..20], "");
        assert_eq!(peer.reply().code, 250);
        // What looks like commands is not: it is the chunk.
        bdat(&mut peer, &b"QUIT\r\n".repeat(11_000), "");
        let reply = peer.reply();
        assert_eq!(reply.code, 552, "{reply:?}");
        assert_eq!(peer.code("NOOP"), 250);
        assert_eq!(peer.code("RSET"), 250);
        assert_eq!(peer.code("QUIT"), 221);
        assert!(server.retrieve_all("alice").is_empty());
        assert!(server.site().unfinished("alice").is_empty());
    });
}

#[test]
fn r3030_2_3_data_and_chunks_do_not_mix() {
    Case::new().run(|server| {
        let mut peer = transaction(server, &["alice"]);
        bdat(&mut peer, &MESSAGE[..20], "");
        assert_eq!(peer.reply().code, 250);
        assert_eq!(peer.code("DATA"), 503);
        assert_eq!(peer.code("RSET"), 250);
        assert_eq!(peer.code("QUIT"), 221);
        assert!(server.retrieve_all("alice").is_empty());
    });
}

#[test]
fn r3030_2_3_after_the_last_chunk_a_transaction_is_over() {
    Case::new().run(|server| {
        let mut peer = transaction(server, &["alice"]);
        bdat(&mut peer, MESSAGE, " LAST");
        assert_eq!(peer.reply().code, 250);
        bdat(&mut peer, MESSAGE, "");
        assert_eq!(peer.reply().code, 503);
        bdat(&mut peer, MESSAGE, " LAST");
        // Nobody was accepted in this transaction that is none: no reply (R2033-4.3.1), or one 503.
        peer.send(b"QUIT\r\n");
        let code = peer.reply().code;
        assert!(code == 221 || (code == 503 && peer.reply().code == 221));
        assert_eq!(server.retrieve_all("alice").len(), 1);
    });
}

#[test]
fn r3030_2_4_a_failing_chunk_does_not_desynchronize() {
    Case::new().run(|server| {
        // No transaction at all: every chunk is consumed and refused.
        let mut peer = server.lmtp();
        peer.send(b"BDAT 6\r\nQUIT\r\nBDAT 6\r\nNOOP\r\nBDAT 6\r\nRSET\r\nNOOP\r\n");
        let codes: Vec<u16> = (0..4).map(|_| peer.reply().code).collect();
        assert!(codes[..3].iter().all(|code| *code >= 500), "{codes:?}");
        assert_eq!(codes[3], 250);
        // A chunk whose size cannot be told ends in an error, never in a guess.
        let mut peer = transaction(server, &["alice"]);
        for command in ["BDAT", "BDAT x", "BDAT -1", "BDAT 1 FIRST"] {
            peer.send(format!("{command}\r\n").as_bytes());
            assert!(peer.reply().code >= 500);
            if command == "BDAT 1 FIRST" {
                break;
            }
        }
    });
}

#[test]
fn r3030_3_1_binarymime_is_no_parameter_without_its_extension() {
    Case::new().run(|server| {
        let mut peer = server.lmtp();
        let reply = peer.ask("LHLO judge.example.org");
        let has_chunking = reply.lines.contains(&"CHUNKING".to_owned());
        let has_binary = reply.lines.contains(&"BINARYMIME".to_owned());
        assert!(has_chunking || !has_binary);
        let code = peer.code("MAIL FROM:<sender@example.org> BODY=BINARYMIME");
        if has_binary {
            assert_eq!(code, 250);
            assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
            assert_eq!(peer.code("DATA"), 503);
        } else {
            assert!(code >= 500, "{code}");
        }
    });
}

#[test]
fn r3030_3_2_binarymime_is_not_offered() {
    Case::new().run(|server| {
        let reply = server.lmtp_fresh().ask("LHLO judge.example.org");
        assert!(!reply.lines.contains(&"BINARYMIME".to_owned()), "{reply:?}");
    });
}
