//! The LMTP client session: against scripts, and against the server session in memory.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::{format, vec};

use proptest::prelude::*;

use super::super::path::{Mailbox, ReversePath};
use super::super::reception::Reception;
use super::super::{self as lmtp, DeliveryFault, Rejection};
use super::*;
use crate::body::{Encoder, Extent};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\n.dot\r\n";

fn path(local: &str) -> ForwardPath {
    ForwardPath::new(Mailbox::new(local, Some("x")).unwrap())
}

fn transaction(recipients: &[&str]) -> Transaction {
    let mail = Mail {
        sender: ReversePath::Null,
        size: Some(MESSAGE.len() as u64),
        body: Some(BodyKind::EightBitMime),
        smtputf8: false,
    };
    Transaction { mail, recipients: recipients.iter().map(|local| path(local)).collect(), chunk_octets: None }
}

/// Plays a server's octets; gives back what was sent and learned.
fn play(session: &mut Session, server: &[&[u8]]) -> (String, Result<Step, ProtocolError>) {
    let (mut input, mut output, mut log) = (Input::new(), Vec::new(), String::new());
    let mut server = server.iter();
    loop {
        let step = session.step(&mut input, &mut output);
        for line in output.split_inclusive(|&octet| octet == b'\n') {
            log.push_str(&format!("C: {}\n", line.trim_ascii_end().escape_ascii()));
        }
        output.clear();
        match step {
            Ok(Step::Read) => match server.next() {
                Some(octets) => input.fill(octets),
                None => return (log, step),
            },
            Ok(Step::SendMessage(form)) => {
                log.push_str(&format!("= send {form:?}\n"));
                session.message_sent();
            }
            Ok(Step::Recipient { index, reply }) => log.push_str(&format!("= {index} {}\n", reply.code)),
            _ => return (log, step),
        }
    }
}

fn ready(keywords: &str) -> Session {
    let mut session = Session::new("me");
    let lhlo = format!("250-host\r\n{keywords}250 SIZE 1000\r\n");
    let (log, step) = play(&mut session, &[b"220-two\r\n220 lines\r\n", lhlo.as_bytes()]);
    assert_eq!((log.as_str(), step), ("C: LHLO me\n", Ok(Step::Idle)));
    session
}

#[test]
fn r2033_4_2_2_replies_are_matched_to_recipients_in_order() {
    let mut session = ready("250-PIPELINING\r\n250-8BITMIME\r\n");
    session.submit(transaction(&["a", "no", "b"])).unwrap();
    let (log, step) = play(
        &mut session,
        &[
            b"250 ok\r\n250 ok\r\n550-5.1.1 no\r\n550 5.1.1 such\r\n250 ok\r\n",
            b"354 go\r\n",
            // R2033-4.2.4: two lines, one reply.
            b"250-one\r\n250 done\r\n",
            b"452 4.2.2 full\r\n",
        ],
    );
    assert_eq!(
        log,
        "C: MAIL FROM:<> SIZE=20 BODY=8BITMIME\nC: RCPT TO:<a@x>\nC: RCPT TO:<no@x>\nC: RCPT TO:<b@x>\n\
         = 1 550\nC: DATA\n= send Dotted\n= 0 250\n= 2 452\n"
    );
    assert_eq!(step, Ok(Step::Idle));
}

#[test]
fn without_pipelining_each_reply_is_awaited() {
    let mut session = ready("");
    session.submit(transaction(&["a", "b"])).unwrap();
    let (log, _) = play(&mut session, &[]);
    assert_eq!(log, "C: MAIL FROM:<> SIZE=20\n");
    let (log, _) = play(&mut session, &[b"250 ok\r\n"]);
    assert_eq!(log, "C: RCPT TO:<a@x>\n");
    let (log, _) = play(&mut session, &[b"250 ok\r\n", b"250 ok\r\n"]);
    assert_eq!(log, "C: RCPT TO:<b@x>\nC: DATA\n");
}

#[test]
fn r2033_5_4_a_lost_connection_leaves_the_unanswered() {
    let mut session = ready("250-PIPELINING\r\n");
    session.submit(transaction(&["a", "b", "c"])).unwrap();
    assert_eq!(play(&mut session, &[]).1, Ok(Step::Read));
    assert_eq!(session.unanswered(), [0, 1, 2]);
    let (log, _) =
        play(&mut session, &[b"250 ok\r\n250 a\r\n250 b\r\n250 c\r\n", b"354 go\r\n", b"250 a done\r\n"]);
    assert!(log.ends_with("= 0 250\n"));
    assert_eq!(session.unanswered(), [1, 2]);
}

#[test]
fn r2920_3_1_1_data_is_never_sent_without_recipients() {
    let mut session = ready("250-PIPELINING\r\n");
    session.submit(transaction(&["no", "neither"])).unwrap();
    let (log, step) = play(&mut session, &[b"250 ok\r\n550 no\r\n551 no\r\n", b"250 reset\r\n"]);
    assert!(log.ends_with("= 0 550\n= 1 551\nC: RSET\n"), "{log}");
    assert_eq!(step, Ok(Step::Idle));
}

#[test]
fn a_refused_mail_is_every_recipients_reply() {
    for keywords in ["", "250-PIPELINING\r\n"] {
        let mut session = ready(keywords);
        session.submit(transaction(&["a", "b"])).unwrap();
        let mut replies: Vec<&[u8]> = vec![b"452 4.3.1 full\r\n"];
        if !keywords.is_empty() {
            replies.push(b"503 no\r\n503 no\r\n");
        }
        replies.push(b"250 reset\r\n");
        let (log, step) = play(&mut session, &replies);
        assert!(log.contains("= 0 452\n") && log.contains("= 1 452\n"), "{log}");
        assert_eq!(step, Ok(Step::Idle));
    }
}

#[test]
fn a_refused_data_is_every_accepted_recipients_reply() {
    let mut session = ready("250-PIPELINING\r\n");
    session.submit(transaction(&["a", "no"])).unwrap();
    let (log, step) =
        play(&mut session, &[b"250 ok\r\n250 ok\r\n550 no\r\n", b"451 later\r\n", b"250 reset\r\n"]);
    assert!(log.ends_with("= 1 550\nC: DATA\n= 0 451\nC: RSET\n"), "{log}");
    assert_eq!(step, Ok(Step::Idle));
}

#[test]
fn r6531_3_5_utf8_is_not_sent_to_a_server_without_it() {
    let mut session = ready("250-8BITMIME\r\n");
    assert_eq!(session.submit(transaction(&["用户"])), Err(InvalidTransaction::NeedsSmtpUtf8));
    assert_eq!(session.submit(transaction(&[])), Err(InvalidTransaction::NoRecipient));
    let mut large = transaction(&["a"]);
    large.mail.size = Some(1001);
    assert_eq!(session.submit(large), Err(InvalidTransaction::TooLarge));
    session.submit(transaction(&["a"])).unwrap();
    assert_eq!(session.submit(transaction(&["a"])), Err(InvalidTransaction::Busy));
}

#[test]
fn a_refused_greeting_or_lhlo_is_told() {
    for server in [&[&b"421 busy\r\n"[..]][..], &[b"220 hi\r\n", b"500 what\r\n"]] {
        let mut session = Session::new("me");
        assert!(matches!(play(&mut session, server).1, Ok(Step::Refused(_))));
        assert_eq!(session.submit(transaction(&["a"])), Err(InvalidTransaction::Busy));
    }
}

#[test]
fn framing_is_strict() {
    for (octets, error) in [
        (&b"220\n"[..], ProtocolError::NotAReply),
        (b"22 x\r\n", ProtocolError::NotAReply),
        (b"220-a\r\n221 b\r\n", ProtocolError::NotAReply),
        (b"920 x\r\n", ProtocolError::NotAReply),
        (&[b'2'; 5000], ProtocolError::TooLong),
    ] {
        assert_eq!(play(&mut Session::new("me"), &[octets]).1, Err(error), "{}", octets.escape_ascii());
    }
    let endless = b"220-lots of text here\r\n".repeat(2000);
    assert_eq!(play(&mut Session::new("me"), &[&endless]).1, Err(ProtocolError::TooLong));
    assert_eq!(play(&mut ready(""), &[b"250 x\r\n"]).1, Ok(Step::Idle), "not read before something is asked");
}

/// Delivers `transaction` to a server session; gives back the replies and what was delivered.
fn deliver(transaction: Transaction) -> (Vec<(usize, u16)>, Vec<String>) {
    let policy = lmtp::Policy {
        hostname: "host".into(),
        message_octets_max: 1000,
        recipients_max: 100,
        limits: lmtp::Limits::default(),
    };
    let mut server = lmtp::Session::new(Arc::new(policy), lmtp::Transport::Plain);
    let mut client = Session::new("me");
    let (mut to_server, mut to_client) = (Input::new(), Input::new());
    let (mut said, mut replied) = (Vec::new(), Vec::new());
    let (mut outcomes, mut delivered, mut content) = (Vec::new(), Vec::new(), Vec::new());
    let mut reception = None;
    let mut waiting = Some(transaction);
    loop {
        match client.step(&mut to_client, &mut said).unwrap() {
            Step::Idle => match waiting.take() {
                Some(transaction) => client.submit(transaction).unwrap(),
                None => client.quit(&mut said),
            },
            Step::SendMessage(Form::Dotted) => {
                let mut encoder = Encoder::new(Extent::Whole);
                encoder.encode(MESSAGE, &mut said);
                encoder.finish(&mut said);
                client.message_sent();
            }
            Step::SendMessage(Form::Chunk { octets }) => {
                assert_eq!(octets, MESSAGE.len() as u64);
                said.extend_from_slice(MESSAGE);
                client.message_sent();
            }
            Step::Recipient { index, reply } => outcomes.push((index, reply.code)),
            Step::Closed => return (outcomes, delivered),
            Step::Refused(reply) => panic!("{reply:?}"),
            Step::Read => {
                to_server.fill(&core::mem::take(&mut said));
                match server.step(&mut to_server, &mut replied) {
                    lmtp::Step::Recipient => {
                        match server.recipient().unwrap().mailbox().local() {
                            "no" => server.rejected(Rejection::NoSuchRecipient, &mut replied),
                            _ => server.accepted(&mut replied),
                        };
                    }
                    lmtp::Step::Receive(framing) => {
                        let reception = reception.get_or_insert_with(|| Reception::new(framing));
                        if let Some(received) = reception.take(&mut to_server, &mut content) {
                            server.received(received, &mut replied);
                        }
                    }
                    lmtp::Step::Deliver { recipient } => {
                        let path = server.envelope().unwrap().recipients[recipient].to_string();
                        if path.contains("full") {
                            server.undelivered(DeliveryFault::OverQuota, &mut replied);
                        } else {
                            assert_eq!(content, MESSAGE);
                            delivered.push(path);
                            server.delivered(&mut replied);
                        }
                    }
                    lmtp::Step::StartTls => unreachable!(),
                    _ => {}
                }
                to_client.fill(&core::mem::take(&mut replied));
            }
        }
    }
}

#[test]
fn client_and_server_understand_each_other() {
    for chunk_octets in [None, Some(MESSAGE.len() as u64)] {
        let mut transaction = transaction(&["a", "no", "full", "a"]);
        transaction.chunk_octets = chunk_octets;
        let (outcomes, delivered) = deliver(transaction);
        assert_eq!(outcomes, [(1, 550), (0, 250), (2, 452), (3, 250)]);
        assert_eq!(delivered, ["<a@x>", "<a@x>"]);
    }
}

proptest! {
    #[test]
    fn each_recipient_has_one_outcome(locals in prop::collection::vec(prop_oneof![Just("a"), Just("no"), Just("full")], 1..60)) {
        let (mut outcomes, _) = deliver(transaction(&locals));
        outcomes.sort_unstable();
        prop_assert_eq!(outcomes.len(), locals.len());
        for ((index, code), (at, local)) in outcomes.into_iter().zip(locals.iter().enumerate()) {
            prop_assert_eq!(index, at);
            prop_assert_eq!(code, match *local { "no" => 550, "full" => 452, _ => 250 });
        }
    }

    #[test]
    fn no_octets_of_a_server_make_it_panic(text in "([2-5][0-9]{2}[- ]?[A-Z ]{0,12}\r\n|\\PC{0,3}){0,30}", quit: bool) {
        let mut session = Session::new("me");
        let mut replies = text.split_inclusive("\r\n");
        for _ in 0..60 {
            let reply = replies.next().unwrap_or("250 x\r\n");
            if play(&mut session, &[reply.as_bytes()]).1 == Ok(Step::Idle) {
                let _ = session.submit(transaction(&["a", "b"]));
                if quit {
                    session.quit(&mut Vec::new());
                }
            }
            let _ = session.unanswered();
        }
    }
}
