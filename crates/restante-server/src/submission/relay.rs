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
    let message = without_bcc(&message);
    // lettre puts the line end before its dot itself, whether there is one or not.
    let message = message.strip_suffix(b"\r\n").unwrap_or(&message);
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&relay.host)
        .port(relay.port)
        .hello_name(ClientId::Domain(hostname.to_owned()))
        .timeout(Some(timeout))
        .build();
    transport.send_raw(&smtp, message).await.map(drop).map_err(SubmitError::Relay)
}
