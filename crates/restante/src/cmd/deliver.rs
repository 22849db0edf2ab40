//! `restante deliver`: one message from standard input into one maildrop, for mail transfer agents that call a program.
//!
//! The exit status decides what becomes of the mail, so anything that is not the fault of this message or this
//! recipient is temporary: a mistake in the configuration must not return anybody's mail to its sender.

use std::io::{self, IsTerminal, Read};

use restante_auth::account::Account;
use restante_auth::verify::Recipient;
use restante_proto::body::{Decoder, Encoder, Extent};
use restante_proto::lmtp::command::Command;
use restante_proto::lmtp::path::{Mailbox, ReversePath};
use restante_server::assemble;
use restante_server::config::{Config, Over};
use restante_server::header::{Head, ReturnPathFilter};
use restante_store::Location;
use restante_store::delivery::{Delivery, DeliveryError};
use restante_store::quota::Limits;

use super::configuration;
use crate::clock;
use crate::exit::{self, Code, Failure};
use crate::flags::Deliver;
use crate::terminal;

/// Delivers the message. Success means that it is durable.
pub(crate) fn run(flags: &Deliver) -> Result<(), Failure> {
    let sender = sender(&flags.from)?;
    let config = configuration::load(&flags.file).map_err(|failure| failure.with_code(Code::Temporary))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| temporary(format!("cannot start a runtime: {error}")))?;
    runtime.block_on(async {
        let account = recipient(&config, &flags.to).await?;
        let location = assemble::location(&config, &account)
            .map_err(|error| temporary(format!("the account {} has no maildrop: {error}", account.name)))?;
        let store = assemble::store_of(&config, &assemble::store(&config), &account);
        let limits = assemble::limits(&config, &account);
        let place = Place { location, limits };
        let mut delivery = store.begin(&place.location, clock::wall()).await.map_err(undelivered)?;
        let envelope = Envelope { sender, recipient: envelope_recipient(&flags.to, &account) };
        let outcome = deliver(&mut delivery, &config, &place, &envelope).await;
        if outcome.is_err() {
            delivery.abort().await;
        }
        outcome
    })
}

/// Where the message goes, and how much may be there.
struct Place {
    location: Location,
    limits: Limits,
}

/// What the fields in front of the message are to say.
struct Envelope {
    sender: Option<Mailbox>,
    recipient: String,
}

async fn deliver(
    delivery: &mut Delivery,
    config: &Config,
    place: &Place,
    envelope: &Envelope,
) -> Result<(), Failure> {
    let mut input = io::stdin().lock();
    if input.is_terminal() {
        terminal::complain("reading the message from the terminal; end it with ^D");
    }
    let now = clock::wall();
    let since_epoch = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let sender = envelope.sender.as_ref().map(Mailbox::to_string);
    let id = format!("{:x}.{:x}", since_epoch.as_micros(), std::process::id());
    let head = Head {
        sender: sender.as_deref(),
        recipient: Some(&envelope.recipient),
        client_name: None,
        client_address: None,
        hostname: &config.hostname,
        protocol: "local",
        id: &id,
        now,
    };
    let mut fields = Vec::new();
    head.write(&mut fields);
    delivery.write(&fields).await.map_err(undelivered)?;
    let mut message = Canonical::default();
    let mut chunk = vec![0; CHUNK_OCTETS];
    loop {
        let read = match input.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(temporary(format!("cannot read the message from standard input: {error}")));
            }
        };
        let octets = match read {
            0 => message.finish(),
            read => message.push(chunk.get(..read).unwrap_or_default()),
        };
        delivery.write(octets).await.map_err(undelivered)?;
        if message.octets() > config.lmtp.message_octets_max {
            return Err(Failure::new(
                Code::Data,
                format!("the message is larger than {} octets", config.lmtp.message_octets_max),
            )
            .remedy("raise message_octets_max in [lmtp] if such messages are wanted"));
        }
        if read == 0 {
            break;
        }
    }
    let committed = delivery.commit_within(&place.location, place.limits).await;
    committed.map(drop).map_err(|error| match &error {
        DeliveryError::OverQuota(_) if config.quota.over == Over::Refuse => {
            Failure::new(Code::Permission, error.to_string())
        }
        _ => undelivered(error),
    })
}

/// Who the recipient is.
async fn recipient(config: &Config, address: &str) -> Result<Account, Failure> {
    let unavailable = |error: &dyn std::error::Error| temporary(exit::chain(error));
    let authenticator = assemble::authenticator(config, None, None).map_err(|error| unavailable(&error))?;
    match authenticator.recipient(address.as_bytes(), clock::now()).await {
        Recipient::Account(account) => Ok(account),
        Recipient::Unknown => Err(Failure::new(Code::NoUser, format!("there is no account for '{address}'"))),
        Recipient::Unavailable(error) => Err(unavailable(&error)),
    }
}

/// The sender as typed: with or without angle brackets, nothing for a bounce. Parsed as in MAIL, so that nothing in it
/// can become a header field of its own.
fn sender(typed: &str) -> Result<Option<Mailbox>, Failure> {
    let bare = typed.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(typed);
    match Command::parse(format!("MAIL FROM:<{bare}>").as_bytes()) {
        Ok(Command::Mail(mail)) => Ok(match mail.sender {
            ReversePath::Null => None,
            ReversePath::Mailbox(mailbox) => Some(mailbox),
        }),
        _ => Err(Failure::new(Code::Usage, format!("the sender '{typed}' is not an address"))
            .remedy("write --from ann@example.org, or --from '<>' for a bounce")),
    }
}

/// The recipient as the sender wrote it, detail and domain included, where that can stand in a header field; else the
/// account.
fn envelope_recipient(typed: &str, account: &Account) -> String {
    match Command::parse(format!("RCPT TO:<{typed}>").as_bytes()) {
        Ok(Command::Rcpt(path)) => path.mailbox().to_string(),
        _ => account.name.to_string(),
    }
}

/// Makes the canonical form of what comes in: CRLF line ends, an end for the last line. The line "From …" that an MTA
/// may put in front for mbox files is no part of the message, and an old Return-Path gives way to ours.
struct Canonical {
    encoder: Encoder,
    decoder: Decoder,
    filter: ReturnPathFilter,
    /// The first octets, until it is known whether they are that line.
    start: Option<Vec<u8>>,
    wire: Vec<u8>,
    decoded: Vec<u8>,
    filtered: Vec<u8>,
}

impl Default for Canonical {
    fn default() -> Self {
        Self {
            encoder: Encoder::new(Extent::Whole),
            decoder: Decoder::new(),
            filter: ReturnPathFilter::default(),
            start: Some(Vec::new()),
            wire: Vec::new(),
            decoded: Vec::new(),
            filtered: Vec::new(),
        }
    }
}

impl Canonical {
    /// The canonical octets for the next chunk.
    fn push(&mut self, chunk: &[u8]) -> &[u8] {
        self.wire.clear();
        match self.start.take() {
            None => self.encoder.encode(chunk, &mut self.wire),
            Some(mut start) => {
                start.extend_from_slice(chunk);
                match Start::of(&start) {
                    Start::Unknown => self.start = Some(start),
                    Start::Message(from) => {
                        self.encoder.encode(start.get(from..).unwrap_or_default(), &mut self.wire);
                    }
                }
            }
        }
        self.pass_on()
    }

    /// What is left when the input has ended.
    fn finish(&mut self) -> &[u8] {
        self.wire.clear();
        // A beginning that never became clear is the message itself.
        if let Some(start) = self.start.take() {
            self.encoder.encode(&start, &mut self.wire);
        }
        self.encoder.finish(&mut self.wire);
        self.pass_on();
        self.filter.finish(&mut self.filtered);
        &self.filtered
    }

    /// Octets of the message so far, canonical.
    fn octets(&self) -> u64 {
        self.encoder.octets()
    }

    /// The encoder knows line ends, the decoder takes the byte-stuffing off again: one implementation for all of them.
    fn pass_on(&mut self) -> &[u8] {
        self.decoded.clear();
        self.filtered.clear();
        self.decoder.decode(&self.wire, &mut self.decoded);
        self.filter.filter(&self.decoded, &mut self.filtered);
        &self.filtered
    }
}

/// Where the message begins.
enum Start {
    Unknown,
    Message(usize),
}

impl Start {
    fn of(octets: &[u8]) -> Self {
        let known = octets.len().min(FROM.len());
        if octets.get(..known) != FROM.get(..known) {
            return Self::Message(0);
        }
        match octets.iter().position(|&octet| octet == b'\n') {
            Some(end) if end <= FROM_LINE_OCTETS_MAX => Self::Message(end + 1),
            None if octets.len() <= FROM_LINE_OCTETS_MAX => Self::Unknown,
            // Such a line is short; this is something else.
            _ => Self::Message(0),
        }
    }
}

/// Whatever hinders the store, the operator must act, not the sender: any other status would make the MTA return the mail.
fn undelivered(error: DeliveryError) -> Failure {
    temporary(exit::chain(&error))
}

fn temporary(what: String) -> Failure {
    Failure::new(Code::Temporary, what)
}

/// What is read from standard input at a time.
const CHUNK_OCTETS: usize = 64 * 1024;
/// How the line begins that separates messages in an mbox file.
const FROM: &[u8] = b"From ";
/// Longer than any address and date.
const FROM_LINE_OCTETS_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(message: &[u8], chunk: usize) -> Vec<u8> {
        let mut canonical = Canonical::default();
        let mut octets = Vec::new();
        for chunk in message.chunks(chunk) {
            octets.extend_from_slice(canonical.push(chunk));
        }
        octets.extend_from_slice(canonical.finish());
        assert!(canonical.octets() >= octets.len() as u64);
        octets
    }

    #[test]
    fn every_input_becomes_canonical_however_it_is_cut() {
        let long_from = [b"From ".as_slice(), &[b'x'; FROM_LINE_OCTETS_MAX], b"\n"].concat();
        let long_kept = [b"From ".as_slice(), &[b'x'; FROM_LINE_OCTETS_MAX], b"\r\n"].concat();
        for (input, expected) in [
            (&b""[..], &b""[..]),
            (b"a", b"a\r\n"),
            (b"a\nb\r\n", b"a\r\nb\r\n"),
            (b".\n..\n", b".\r\n..\r\n"),
            (b"a\rb\0\xff\n", b"a\rb\0\xff\r\n"),
            (b"From ann Mon Jan  5 09:00:00 2026\nA: b\n\nFrom here\n", b"A: b\r\n\r\nFrom here\r\n"),
            (b"From: ann\n", b"From: ann\r\n"),
            (b"Fro", b"Fro\r\n"),
            (b"From", b"From\r\n"),
            (b"From \n", b""),
            (b"F\n\n", b"F\r\n\r\n"),
            (b"Return-Path: <x@y>\nA: b\n", b"A: b\r\n"),
            (&long_from, &long_kept),
        ] {
            for chunk in [1, 2, 3, 7, 64 * 1024] {
                let got = canonical(input, chunk).escape_ascii().to_string();
                let input = input.escape_ascii().to_string();
                assert_eq!(got, expected.escape_ascii().to_string(), "{input} in pieces of {chunk}");
            }
        }
    }

    #[test]
    fn senders_are_addresses_or_nobody() {
        for typed in ["", "<>"] {
            assert_eq!(sender(typed).unwrap(), None, "{typed}");
        }
        for (typed, expected) in [
            ("ann@example.org", "ann@example.org"),
            ("<ann@example.org>", "ann@example.org"),
            ("\"a b\"@example.org", "\"a b\"@example.org"),
            ("MAILER-DAEMON", "MAILER-DAEMON"),
            ("zoë@example.org", "zoë@example.org"),
        ] {
            assert_eq!(sender(typed).unwrap().unwrap().to_string(), expected);
        }
        for typed in ["a b@example.org", "a@b> SIZE=1", "a@b\r\nX: y", "<a@b", "a@", "@", "a@b>\0"] {
            assert!(sender(typed).is_err(), "{typed:?}");
        }
    }
}
