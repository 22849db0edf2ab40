//! LMTP: commands and addresses there and back, and a server session that hears anything at all. It says and asks the same
//! for every split, delivers only to those it accepted, and lets go of every delivery it began.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restante_proto::line::Input;
use restante_proto::lmtp::command::Command;
use restante_proto::lmtp::reception::Reception;
use restante_proto::lmtp::{DeliveryFault, Limits, Policy, Rejection, Session, Step, Transport};
use std::sync::Arc;

fuzz_target!(|input: &[u8]| {
    let (pieces, octets) = restante_fuzz::cut(input);
    for line in octets.split(|&octet| octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        if let Ok(command) = Command::parse(line) {
            there_and_back(&command);
        }
    }
    assert_eq!(session(&[octets]), session(&pieces));
});

fn there_and_back(command: &Command) {
    let mut encoded = Vec::new();
    command.encode(&mut encoded);
    let text = encoded.strip_suffix(b"\r\n").expect("a command ends with CR LF");
    assert!(!text.iter().any(u8::is_ascii_control), "{}", text.escape_ascii());
    assert_eq!(Command::parse(text).as_ref(), Ok(command));
}

/// A driver that knows all recipients but some, and notes what is said and asked.
struct Driver<'a> {
    session: Session,
    input: Input,
    output: Vec<u8>,
    pieces: std::slice::Iter<'a, &'a [u8]>,
    log: Vec<String>,
    /// The message of the delivery that was begun.
    delivery: Option<Vec<u8>>,
}

/// Everything that is said and asked until the octets are used up or the session closes.
fn session(pieces: &[&[u8]]) -> Vec<String> {
    let policy = Policy {
        hostname: "mail.example".into(),
        message_octets_max: 200,
        recipients_max: 3,
        limits: Limits { line_octets_max: 512 },
    };
    let mut driver = Driver {
        session: Session::new(Arc::new(policy), Transport::PlainWithStarttls),
        input: Input::new(),
        output: Vec::new(),
        pieces: pieces.iter(),
        log: Vec::new(),
        delivery: None,
    };
    while driver.turn().is_some() {}
    driver.flush();
    driver.log
}

impl Driver<'_> {
    /// Does one step. `None` when it was the last.
    fn turn(&mut self) -> Option<()> {
        match self.session.step(&mut self.input, &mut self.output) {
            Step::Read => self.input.fill(self.pieces.next()?),
            Step::Write => {
                assert!(!self.output.is_empty(), "there is nothing to write");
                self.flush();
            }
            Step::StartTls => {
                assert!(self.input.is_empty(), "what came before TLS is thrown away");
                // What would come now is the handshake: where it begins depends on how the input was cut.
                self.log.push("tls".to_owned());
                return None;
            }
            Step::Recipient => {
                let path = self.session.recipient().expect("it was asked about").clone();
                self.log.push(format!("recipient {path}"));
                match path.mailbox().local().as_bytes() {
                    [b'n', ..] => self.session.rejected(Rejection::NoSuchRecipient, &mut self.output),
                    [b'f', ..] => self.session.rejected(Rejection::OverQuota, &mut self.output),
                    _ => self.session.accepted(&mut self.output),
                }
            }
            Step::Receive(framing) => {
                self.delivery.get_or_insert_default();
                let (mut reception, mut chunk) = (Reception::new(framing), Vec::new());
                let received = loop {
                    let taken = reception.take(&mut self.input, &mut chunk);
                    if let Some(received) = taken {
                        break received;
                    }
                    self.input.fill(self.pieces.next()?);
                };
                let delivery = self.delivery.get_or_insert_default();
                delivery.append(&mut chunk);
                // What of a message that is too large comes here depends on the pieces, so the fault must not.
                if received.octets % 16 == 7 {
                    self.session.receive_failed(DeliveryFault::NoSpace, &mut self.output);
                } else {
                    self.session.received(received, &mut self.output);
                }
            }
            Step::Deliver { recipient } => self.deliver(recipient),
            Step::Discard => {
                self.flush();
                self.log.push("discard".to_owned());
                assert!(self.delivery.take().is_some(), "nothing was begun");
            }
            Step::Close => {
                assert!(self.delivery.is_none(), "a delivery is left over");
                return None;
            }
        }
        Some(())
    }

    fn deliver(&mut self, recipient: usize) {
        assert!(self.output.is_empty(), "the reply before is written first");
        let path = &self.session.envelope().expect("there is a transaction").recipients[recipient];
        assert!(!path.mailbox().local().starts_with(['n', 'f']), "it was not accepted");
        let message = self.delivery.as_ref().expect("a delivery was begun");
        assert!(message.len() <= 200);
        self.log.push(format!("deliver {path} {}", message.escape_ascii()));
        if path.mailbox().local().starts_with('l') {
            self.session.undelivered(DeliveryFault::Temporary, &mut self.output);
        } else {
            self.session.delivered(&mut self.output);
        }
    }

    fn flush(&mut self) {
        // Replies may come together or one by one; what is said is the same.
        for line in self.output.split_inclusive(|&octet| octet == b'\n') {
            assert!(line.ends_with(b"\r\n") && line.len() <= 512);
            self.log.push(line.escape_ascii().to_string());
        }
        self.output.clear();
    }
}
