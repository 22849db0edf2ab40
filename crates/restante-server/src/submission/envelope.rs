//! Who gets a message, and who says to have sent it: read from its header as `sendmail -t` does.
//!
//! To, Cc and Bcc name the recipients, each address once; groups are opened. Resent fields are not looked at: they belong to programs that
//! speak SMTP themselves. Nothing of the header is changed but that a relay gets the message without Bcc.

use super::spool::HEADER_OCTETS_MAX;
use mail_parser::{HeaderName, HeaderValue, MessageParser};

/// What a header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// The addresses of all From fields.
    pub(crate) from: Vec<String>,
    /// The addresses of To, Cc and Bcc, in this order of appearance, none twice.
    pub(crate) recipients: Vec<String>,
}

impl Envelope {
    /// Reads the envelope from the beginning of a message; `None` when there is no header, or it does not end in it.
    pub(crate) fn parse(head: &[u8]) -> Option<Self> {
        let header = head.get(..header_octets(head)?)?;
        let message = MessageParser::default().parse_headers(header)?;
        let mut envelope = Self::default();
        for field in message.parts.first()?.headers.iter() {
            let HeaderValue::Address(addresses) = &field.value else { continue };
            let of_field = addresses.iter().filter_map(|address| address.address());
            let list = match field.name {
                HeaderName::From => &mut envelope.from,
                HeaderName::To | HeaderName::Cc | HeaderName::Bcc => &mut envelope.recipients,
                _ => continue,
            };
            for address in of_field {
                if !list.iter().any(|known| known == address) {
                    list.push(address.to_owned());
                }
            }
        }
        Some(envelope)
    }
}

/// A canonical message without its Bcc fields, folded lines and all. `head` is its beginning, with the whole header.
pub(crate) fn without_bcc(message: &[u8]) -> Vec<u8> {
    let end = header_octets(message).unwrap_or(0);
    let (header, body) = message.split_at_checked(end).unwrap_or((&[], message));
    let mut kept = Vec::with_capacity(message.len());
    let mut is_bcc = false;
    for line in header.split_inclusive(|&octet| octet == b'\n') {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = line.split(|&octet| octet == b':').next().unwrap_or_default().trim_ascii_end();
            is_bcc = name.eq_ignore_ascii_case(b"Bcc");
        }
        if !is_bcc {
            kept.extend_from_slice(line);
        }
    }
    kept.extend_from_slice(body);
    kept
}

/// The octets of the header with its blank line; all of a short message that has none.
fn header_octets(head: &[u8]) -> Option<usize> {
    if head.starts_with(b"\r\n") {
        return Some(2);
    }
    let end = head.windows(4).position(|octets| octets == b"\r\n\r\n");
    match end {
        Some(end) => Some(end + 4),
        None if head.len() < HEADER_OCTETS_MAX => Some(head.len()),
        None => None,
    }
}
