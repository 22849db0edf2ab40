//! What a person or a log recognises a message by: the Subject, From and Message-ID fields of its header.
//!
//! For the lists of the program and for the lines of removed messages. Nothing is decided by it: whoever wrote the message
//! wrote these.

use mail_parser::{HeaderName, MessageParser};
use restante_proto::field;

/// So many octets of a message are worth reading for its header; what comes later is not found.
pub const HEADER_OCTETS: usize = 16 * 1024;

/// The fields of one message, decoded, on one line each and cut where they are longer than anybody reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The Subject field.
    pub subject: Option<String>,
    /// The first address of the From field, with its name in front if it has one.
    pub from: Option<String>,
    /// The Message-ID field as it is written, angle brackets included.
    pub message_id: Option<String>,
}

impl Summary {
    /// Reads the beginning of a message, cut anywhere.
    #[must_use]
    pub fn read(start: &[u8]) -> Self {
        let message_id = message_id(start);
        let message_id = (!message_id.is_empty()).then(|| String::from_utf8_lossy(&message_id).into_owned());
        let Some(message) = MessageParser::default().parse_headers(start) else {
            return Self { message_id, ..Self::default() };
        };
        let from = message.header(HeaderName::From).and_then(|value| value.as_address());
        let from = from.and_then(|addresses| addresses.first()).and_then(|address| {
            match (address.name(), address.address()) {
                (Some(name), Some(address)) => Some(format!("{name} <{address}>")),
                (name, address) => name.or(address).map(str::to_owned),
            }
        });
        let subject = message.subject().map(str::to_owned);
        Self { subject: subject.map(shown), from: from.map(shown), message_id }
    }
}

/// The Message-ID of a message that begins so; empty when it has none.
#[must_use]
pub fn message_id(start: &[u8]) -> Vec<u8> {
    let Some(mut line) = field::find(start, NAME) else { return Vec::new() };
    let value = line.iter().position(|&octet| octet == b':').map_or(0, |colon| colon + 1);
    line.drain(..value);
    let mut id = line.trim_ascii().to_vec();
    id.truncate(MESSAGE_ID_OCTETS_MAX);
    id
}

/// On one line, and no longer than anybody reads.
fn shown(text: String) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(LETTERS_MAX).collect()
}

const NAME: &[u8] = b"Message-ID";

/// Longer ones are cut; they are of a program that does not know what they are for.
const MESSAGE_ID_OCTETS_MAX: usize = 250;

const LETTERS_MAX: usize = 250;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_on_one_line() {
        let summary = Summary::read(
            b"Received: x\r\nMessage-Id:\r\n <1@example.org>\r\nFrom: =?utf-8?Q?Zo=C3=AB?= <zoe@example.org>, b@c\r\n\
              Subject: =?utf-8?B?w6RiYw==?=\r\n and more\r\n\r\nSubject: body\r\n",
        );
        assert_eq!(summary.subject.as_deref(), Some("\u{e4}bc and more"));
        assert_eq!(summary.from.as_deref(), Some("Zo\u{eb} <zoe@example.org>"));
        assert_eq!(summary.message_id.as_deref(), Some("<1@example.org>"));
    }

    #[test]
    fn what_is_not_there_is_not_made_up() {
        for start in [&b""[..], b"\n\nSubject: body\n", b"\xff\xfe\0", b"no header at all"] {
            assert_eq!(Summary::read(start), Summary::default(), "{}", start.escape_ascii());
        }
        assert_eq!(Summary::read(b"From: ann\n\n").from.as_deref(), Some("ann"));
    }

    #[test]
    fn nothing_is_longer_than_anybody_reads() {
        let long = "x".repeat(900);
        let start = format!("Message-ID: <{long}>\nSubject: {long}\n\n");
        let summary = Summary::read(start.as_bytes());
        assert_eq!(summary.message_id.map(|id| id.len()), Some(250));
        assert_eq!(summary.subject.map(|subject| subject.len()), Some(250));
    }
}
