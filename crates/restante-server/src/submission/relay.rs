//! Hands a message to an SMTP server nearby, all recipients or none.
//!
//! In clear: the relay is on this machine or on a network that is trusted as much. lettre speaks SMTP.

use super::SubmitError;
use super::envelope::{Envelope, without_bcc};
use super::spool::Spool;
use crate::config::Relay;
use lettre::address::Envelope as SmtpEnvelope;
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use std::time::Duration;

/// Connects, sends, and waits for the reply to the whole message. A recipient that is refused refuses it for all: the
/// client could be told no better.
pub(super) async fn send(
    relay: &Relay,
    hostname: &str,
    timeout: Duration,
    sender: &str,
    envelope: &Envelope,
    spool: &mut Spool,
) -> Result<(), SubmitError> {
    let address = |text: &str| text.parse::<Address>().map_err(|_| SubmitError::Address(text.to_owned()));
    let recipients = envelope.recipients.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
    let count = recipients.len();
    let smtp =
        SmtpEnvelope::new(Some(address(sender)?), recipients).map_err(|_| SubmitError::Recipients(count))?;
    let mut message = Vec::with_capacity(usize::try_from(spool.octets).unwrap_or(0));
    spool.rewind().await.map_err(SubmitError::Spool)?;
    while spool.read(&mut message).await.map_err(SubmitError::Spool)? > 0 {}
    let message = without_lone_cr(without_bcc(&message));
    // lettre puts the line end before its dot itself, whether there is one or not.
    let message = message.strip_suffix(b"\r\n").unwrap_or(&message);
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&relay.host)
        .port(relay.port)
        .hello_name(ClientId::Domain(hostname.to_owned()))
        .timeout(Some(timeout))
        .build();
    transport.send_raw(&smtp, message).await.map(drop).map_err(SubmitError::Relay)
}

/// A canonical message in which a CR ends a line or is not there. SMTP forbids a lone one (R5321-2.3.8.1), and a server that takes
/// it for the end of a line takes the dot behind it for the end of the message: its writer could go on as another sender.
fn without_lone_cr(message: Vec<u8>) -> Vec<u8> {
    let is_lone = |(at, octet): (usize, &u8)| *octet == b'\r' && message.get(at + 1) != Some(&b'\n');
    let Some(first) = message.iter().enumerate().position(is_lone) else { return message };
    let (whole, rest) = message.split_at_checked(first).unwrap_or((&message, &[]));
    let mut mended = Vec::with_capacity(message.len() + message.len() / 16);
    mended.extend_from_slice(whole);
    let mut octets = rest.iter().peekable();
    while let Some(&octet) = octets.next() {
        mended.push(octet);
        if octet == b'\r' && octets.peek() != Some(&&b'\n') {
            mended.push(b'\n');
        }
    }
    mended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_cr_becomes_the_end_of_a_line() {
        for (message, mended) in [
            ("", ""),
            ("a\r\nb\r\n", "a\r\nb\r\n"),
            ("a\r.\r\nMAIL FROM:<evil@x>\r\n", "a\r\n.\r\nMAIL FROM:<evil@x>\r\n"),
            ("a\r\n\r.\rb\r\r\nc\r", "a\r\n\r\n.\r\nb\r\n\r\nc\r\n"),
        ] {
            assert_eq!(without_lone_cr(message.into()), mended.as_bytes(), "{message:?}");
        }
    }
}
