//! RFC 2033: LMTP.

use restante_test::judge::Case;
use restante_test::mail::dotted;
use restante_test::real::restante;

use super::{MESSAGE, bdat, data, transaction, without_trace};

#[test]
fn r2033_4_1_1_lhlo_lists_extensions() {
    Case::new().run(|server| {
        let mut peer = server.lmtp_fresh();
        let reply = peer.ask("LHLO judge.example.org");
        assert_eq!(reply.code, 250);
        assert!(reply.lines.len() > 1, "{reply:?}");
    });
}

#[test]
fn r2033_4_1_2_helo_and_ehlo_are_refused() {
    Case::new().run(|server| {
        let mut peer = server.lmtp_fresh();
        for command in ["EHLO judge.example.org", "HELO judge.example.org"] {
            assert!((500..600).contains(&peer.code(command)), "{}", peer.transcript());
        }
        assert_eq!(peer.code("LHLO judge.example.org"), 250);
    });
}

#[test]
fn r2033_4_2_1_data_without_a_recipient_is_503() {
    Case::new().run(|server| {
        let mut peer = transaction(server, &[]);
        assert!(peer.code("RCPT TO:<nobody-here@example.org>") >= 500);
        assert_eq!(peer.code("DATA"), 503);
        assert_eq!(peer.code("NOOP"), 250);
    });
}

#[test]
fn r2033_4_2_2_there_is_a_reply_for_each_recipient_in_order() {
    Case::new().run(|server| {
        let mut peer = transaction(server, &["alice"]);
        assert!(peer.code("RCPT TO:<nobody-here@example.org>") >= 500);
        assert_eq!(peer.code("RCPT TO:<bob@example.org>"), 250);
        assert_eq!(peer.code("RCPT TO:<alice@example.org>"), 250);
        for reply in data(&mut peer, &dotted(MESSAGE), 3) {
            assert_eq!(reply.code, 250);
        }
        // A fourth reply would be taken for the answer to QUIT.
        assert_eq!(peer.code("QUIT"), 221);
        assert!(!server.retrieve_all("alice").is_empty());
        assert_eq!(server.retrieve_all("bob").len(), 1);
    });
}

#[test]
fn r2033_4_2_3_what_was_accepted_survives_the_server() {
    Case::new().run(|server| {
        for round in 1..=5 {
            server.deliver(&["alice", "bob"], MESSAGE);
            server.kill();
            server.start_again();
            for account in ["alice", "bob"] {
                let messages = server.retrieve_all(account);
                assert_eq!(messages.len(), round);
                for message in messages {
                    assert_eq!(without_trace(&message, MESSAGE), MESSAGE);
                }
            }
        }
    });
}

#[test]
fn r2033_4_2_4_a_reply_of_many_lines_is_one_reply() {
    Case::new().run(|server| {
        // `reply` reads to the line with a space behind the code; what it left over would answer NOOP.
        let mut peer = server.lmtp_fresh();
        peer.send(b"LHLO judge.example.org\r\nNOOP\r\nLHLO judge.example.org\r\nQUIT\r\n");
        let codes: Vec<u16> = (0..4).map(|_| peer.reply().code).collect();
        assert_eq!(codes, [250, 250, 250, 221]);
        peer.end();
    });
}

#[test]
fn r2033_4_3_1_the_last_chunk_has_a_reply_for_each_recipient() {
    Case::new().run(|server| {
        let mut peer = transaction(server, &["alice", "bob"]);
        bdat(&mut peer, &MESSAGE[..10], "");
        assert_eq!(peer.reply().code, 250);
        bdat(&mut peer, &MESSAGE[10..], " LAST");
        assert_eq!(peer.reply().code, 250);
        assert_eq!(peer.reply().code, 250);
        assert_eq!(peer.code("QUIT"), 221);
        for account in ["alice", "bob"] {
            assert_eq!(without_trace(&server.retrieve_all(account)[0], MESSAGE), MESSAGE);
        }
    });
}

#[test]
fn r2033_4_3_1_without_a_recipient_the_last_chunk_has_no_reply() {
    Case::new().dovecot_departs("it answers 503").run(|server| {
        let mut peer = transaction(server, &[]);
        assert!(peer.code("RCPT TO:<nobody-here@example.org>") >= 500);
        bdat(&mut peer, MESSAGE, " LAST");
        assert_eq!(peer.code("QUIT"), 221);
        peer.end();
    });
}

#[test]
fn r2033_5_1_lmtp_does_not_listen_on_port_25() {
    Case::new().dovecot_not_asked("its configuration takes any port").run(|server| {
        let file = server.site().path().join("port25.toml");
        let text = std::fs::read_to_string(server.site().path().join("restante.toml")).unwrap();
        std::fs::write(&file, text + "\n[[listen]]\nprotocol = \"lmtp\"\naddress = \"127.0.0.1:25\"\n")
            .unwrap();
        let mut check = std::process::Command::new(restante::binary());
        let output = check.args(["config", "check", "--config"]).arg(&file).output().unwrap();
        assert!(!output.status.success());
        let said = [output.stdout, output.stderr].concat();
        assert!(String::from_utf8_lossy(&said).contains("25"), "{}", String::from_utf8_lossy(&said));
    });
}

#[test]
fn r2033_5_2_the_required_extensions_are_there() {
    Case::new().run(|server| {
        let reply = server.lmtp_fresh().ask("LHLO judge.example.org");
        for extension in ["PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME"] {
            assert!(reply.lines.iter().any(|line| line == extension), "{reply:?}");
        }
    });
}
