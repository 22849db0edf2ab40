//! Transcripts of the LMTP server session, one for each rule of the ledger; and rules that hold for any transcript.
//!
//! A script has lines of four kinds: `C: ` a line of the client, `C> ` octets of the client with escapes and no line
//! end, `S: ` a line of the server, `! ` what the driver was asked to do. All client octets are there from the
//! beginning, so every script is also one of pipelining.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use alloc::{format, vec};

use proptest::prelude::*;

use super::reception::Reception;
use super::*;
use crate::line::Input;

mod delivery;
mod dialogue;
mod properties;

/// A policy that tests can reach the bounds of.
fn policy() -> Policy {
    Policy {
        hostname: "mail.example".into(),
        message_octets_max: 100,
        recipients_max: 5,
        limits: Limits { line_octets_max: 512 },
    }
}

/// A driver that knows a few recipients, and writes down what it is asked to do and what the session says.
struct Driver {
    session: Session,
    input: Input,
    output: Vec<u8>,
    log: String,
    /// The delivery that was begun.
    delivery: Option<Vec<u8>>,
    /// The delivery cannot hold octets.
    is_disk_full: bool,
}

impl Driver {
    fn new(policy: Policy, transport: Transport) -> Self {
        Self {
            session: Session::new(Arc::new(policy), transport),
            input: Input::new(),
            output: Vec::new(),
            log: String::new(),
            delivery: None,
            is_disk_full: false,
        }
    }

    /// A session after LHLO, its log empty.
    fn greeted() -> Self {
        let mut driver = Self::new(policy(), Transport::Plain);
        driver.run(&[b"LHLO client\r\n"]);
        driver.log.clear();
        driver
    }

    /// Feeds `pieces`; stops when the session wants to read beyond the last of them, or closes.
    fn run(&mut self, pieces: &[&[u8]]) {
        let mut pieces = pieces.iter();
        let mut reception: Option<Reception> = None;
        loop {
            let step = self.session.step(&mut self.input, &mut self.output);
            match step {
                Step::Read => {
                    self.flush();
                    let Some(piece) = pieces.next() else { return };
                    self.input.fill(piece);
                }
                Step::Write => {
                    assert!(!self.output.is_empty(), "nothing to write");
                    self.flush();
                }
                Step::StartTls => {
                    self.note("starttls");
                    assert!(self.input.is_empty(), "input survives STARTTLS");
                    self.session.tls_started();
                }
                Step::Recipient => {
                    let local = self.session.recipient().unwrap().mailbox().local().to_string();
                    match local.as_str() {
                        "no" => self.session.rejected(Rejection::NoSuchRecipient, &mut self.output),
                        "full" => self.session.rejected(Rejection::OverQuota, &mut self.output),
                        _ => self.session.accepted(&mut self.output),
                    }
                }
                Step::Receive(framing) => {
                    if self.delivery.is_none() {
                        self.note("begin");
                        self.delivery = Some(Vec::new());
                    }
                    let reception = reception.insert(Reception::new(framing));
                    let mut chunk = Vec::new();
                    let received = loop {
                        let taken = reception.take(&mut self.input, &mut chunk);
                        self.delivery.as_mut().unwrap().append(&mut chunk);
                        if let Some(received) = taken {
                            break received;
                        }
                        self.log_output();
                        match pieces.next() {
                            Some(piece) => self.input.fill(piece),
                            None => return,
                        }
                    };
                    if self.is_disk_full {
                        self.session.receive_failed(DeliveryFault::NoSpace, &mut self.output);
                    } else {
                        self.session.received(received, &mut self.output);
                    }
                }
                Step::Deliver { recipient } => {
                    assert!(self.output.is_empty(), "a reply was held back");
                    let content = self.delivery.as_ref().unwrap().escape_ascii().to_string();
                    let path = self.session.envelope().unwrap().recipients[recipient].clone();
                    self.note(&format!("deliver {recipient} {path} {content}"));
                    if path.mailbox().local() == "late" {
                        self.session.undelivered(DeliveryFault::OverQuota, &mut self.output);
                    } else {
                        self.session.delivered(&mut self.output);
                    }
                }
                Step::Discard => {
                    assert!(self.delivery.take().is_some(), "nothing to discard");
                    self.note("discard");
                }
                Step::Close => {
                    assert!(self.delivery.is_none(), "a delivery is left over");
                    return self.note("close");
                }
            }
        }
    }

    fn log_output(&mut self) {
        for line in self.output.split_inclusive(|&octet| octet == b'\n') {
            let line = line.strip_suffix(b"\r\n").expect("every reply ends with CRLF");
            self.log.push_str(&format!("S: {}\n", line.escape_ascii()));
        }
        self.output.clear();
    }

    fn flush(&mut self) {
        self.log_output();
    }

    fn note(&mut self, what: &str) {
        self.log_output();
        self.log.push_str(&format!("! {what}\n"));
    }
}

/// Splits a script into what the client sends and what is expected.
fn parse_script(script: &str) -> (Vec<u8>, String) {
    let (mut sent, mut expected) = (Vec::new(), String::new());
    for line in script.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        if let Some(line) = line.strip_prefix("C: ").or_else(|| (line == "C:").then_some("")) {
            sent.extend_from_slice(line.as_bytes());
            sent.extend_from_slice(b"\r\n");
        } else if let Some(line) = line.strip_prefix("C> ") {
            sent.extend(unescape(line));
        } else {
            expected.push_str(line);
            expected.push('\n');
        }
    }
    (sent, expected)
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            octets.push(first);
            continue;
        }
        let (&kind, after) = rest.split_first().unwrap();
        rest = after;
        octets.push(match kind {
            b'r' => b'\r',
            b'n' => b'\n',
            b'0' => 0,
            b'x' => {
                let (digits, after) = rest.split_at(2);
                rest = after;
                u8::from_str_radix(core::str::from_utf8(digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    octets
}

/// Plays a script after LHLO, whole and octet by octet, and compares.
fn play(script: &str) {
    play_with(Driver::greeted, script);
}

/// Plays a script with a driver of one's own.
fn play_with(driver: impl Fn() -> Driver, script: &str) {
    let (sent, expected) = parse_script(script);
    let mut whole = driver();
    whole.run(&[&sent]);
    assert_eq!(whole.log, expected, "in one piece");
    let mut split = driver();
    split.run(&sent.chunks(1).collect::<Vec<_>>());
    assert_eq!(split.log, expected, "octet by octet");
}
