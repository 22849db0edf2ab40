//! Every reply of the LMTP server, spelled once. Which one is due is decided by the session.
//!
//! All of them are ASCII and fixed: nothing that a client sent is ever said back to it (R6531-3.7.4.1). The greeting
//! and the LHLO reply name the host and are written by the two functions at the end.

use alloc::vec::Vec;

use super::{Policy, Transport};

/// A reply that is the same whoever asks. One line each; the enhanced code agrees with the reply code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Ok,
    SenderAccepted,
    RecipientAccepted,
    ChunkReceived,
    Delivered,
    NotVerified,
    Help,
    Goodbye,
    GoAheadTls,
    SendMessage,
    UnknownCommand,
    NotLmtp,
    UnreadableLine,
    LineTooLong,
    BadArgument,
    BadSender,
    BadRecipient,
    UnknownParameter,
    BodyNotImplemented,
    NotImplemented,
    LhloFirst,
    MailFirst,
    MailTwice,
    NoRecipients,
    ChunksBegun,
    TransactionFailed,
    TlsActive,
    TooManyRecipients,
    SenderNotAscii,
    RecipientNotAscii,
    MessageTooLarge,
    BareLineFeed,
    NoSuchRecipient,
    RecipientDisabled,
    RecipientRefused,
    RecipientOverQuota,
    RecipientFull,
    NoSpace,
    Temporary,
    Permanent,
    Timeout,
    ShuttingDown,
    TooManySessions,
}

impl Reply {
    /// The whole line with its CRLF.
    // R2034-4.1 R2034-4.2: each 2xx, 4xx and 5xx carries an enhanced code of its class, always; 3xx carries none.
    pub(super) const fn octets(self) -> &'static [u8] {
        match self {
            Self::Ok => b"250 2.0.0 OK\r\n",
            Self::SenderAccepted => b"250 2.1.0 Sender accepted\r\n",
            Self::RecipientAccepted => b"250 2.1.5 Recipient accepted\r\n",
            Self::ChunkReceived => b"250 2.0.0 Chunk received\r\n",
            Self::Delivered => b"250 2.0.0 Delivered\r\n",
            Self::NotVerified => b"252 2.0.0 Not verified; RCPT will tell\r\n",
            Self::Help => b"214 2.0.0 LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT, see RFC 2033\r\n",
            Self::Goodbye => b"221 2.0.0 Goodbye\r\n",
            Self::GoAheadTls => b"220 2.0.0 Ready for TLS\r\n",
            Self::SendMessage => b"354 Send the message, ending with CRLF . CRLF\r\n",
            Self::UnknownCommand => b"500 5.5.1 Unknown command\r\n",
            Self::NotLmtp => b"500 5.5.1 This is LMTP: use LHLO\r\n",
            Self::UnreadableLine => b"500 5.5.2 Control or malformed characters in the command\r\n",
            Self::LineTooLong => b"500 5.5.2 Command line too long\r\n",
            Self::BadArgument => b"501 5.5.4 Bad argument\r\n",
            Self::BadSender => b"501 5.1.7 Bad reverse-path\r\n",
            Self::BadRecipient => b"501 5.1.3 Bad forward-path\r\n",
            Self::UnknownParameter => b"555 5.5.4 Parameter not recognized\r\n",
            Self::BodyNotImplemented => b"504 5.5.4 BODY=BINARYMIME is not offered\r\n",
            Self::NotImplemented => b"502 5.5.1 Command not implemented\r\n",
            Self::LhloFirst => b"503 5.5.1 LHLO first\r\n",
            Self::MailFirst => b"503 5.5.1 MAIL first\r\n",
            Self::MailTwice => b"503 5.5.1 A transaction is open already\r\n",
            Self::NoRecipients => b"503 5.5.1 No recipient was accepted\r\n",
            Self::ChunksBegun => b"503 5.5.1 The message has begun with BDAT\r\n",
            Self::TransactionFailed => b"503 5.5.1 The transaction has failed: RSET\r\n",
            Self::TlsActive => b"503 5.5.1 TLS is active already\r\n",
            Self::TooManyRecipients => b"452 4.5.3 Too many recipients\r\n",
            Self::SenderNotAscii => b"550 5.6.7 Sender is not ASCII and SMTPUTF8 was not given\r\n",
            Self::RecipientNotAscii => b"553 5.6.7 Recipient is not ASCII and SMTPUTF8 was not given\r\n",
            Self::MessageTooLarge => b"552 5.3.4 Message too large\r\n",
            Self::BareLineFeed => b"554 5.6.0 Message holds a line feed without carriage return\r\n",
            Self::NoSuchRecipient => b"550 5.1.1 No such recipient here\r\n",
            Self::RecipientDisabled => b"550 5.2.1 Recipient takes no mail\r\n",
            Self::RecipientRefused => b"550 5.7.1 Recipient refused by policy\r\n",
            Self::RecipientOverQuota => b"452 4.2.2 Recipient is over quota\r\n",
            // RFC 3463 section 3.3: X.2.2, mailbox full; its class says whether trying again may help.
            Self::RecipientFull => b"552 5.2.2 Recipient is over quota\r\n",
            Self::NoSpace => b"452 4.3.1 Not enough space\r\n",
            Self::Temporary => b"451 4.3.0 Temporary failure\r\n",
            Self::Permanent => b"554 5.3.0 Permanent failure\r\n",
            Self::Timeout => b"421 4.4.2 Waited too long\r\n",
            Self::ShuttingDown => b"421 4.3.2 Shutting down\r\n",
            Self::TooManySessions => b"421 4.7.0 Too many connections\r\n",
        }
    }

    /// Appends the reply.
    pub(super) fn write(self, output: &mut Vec<u8>) {
        output.extend_from_slice(self.octets());
    }
}

/// Appends the greeting.
pub(super) fn write_greeting(policy: &Policy, output: &mut Vec<u8>) {
    output.extend_from_slice(b"220 ");
    output.extend_from_slice(hostname(policy).as_bytes());
    output.extend_from_slice(b" LMTP\r\n");
}

/// Appends the reply to LHLO: the host, then one keyword a line.
pub(super) fn write_lhlo(policy: &Policy, transport: Transport, output: &mut Vec<u8>) {
    output.extend_from_slice(b"250-");
    output.extend_from_slice(hostname(policy).as_bytes());
    // R2033-5.2; R6531-3.1.1: SMTPUTF8 together with 8BITMIME. R3030-3.1 R3030-3.2: BINARYMIME is never listed,
    // since POP3 could not hand such a message out.
    output.extend_from_slice(
        b"\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n",
    );
    if transport == Transport::PlainWithStarttls {
        output.extend_from_slice(b"250-STARTTLS\r\n");
    }
    // R1870-3.1: 0 means that there is no fixed maximum.
    output.extend_from_slice(b"250 SIZE ");
    let mut digits = itoa::Buffer::new();
    output.extend_from_slice(digits.format(policy.message_octets_max).as_bytes());
    output.extend_from_slice(b"\r\n");
}

/// The host's name as it may be said. R6531-3.7.1.1: ASCII, an internationalized name in its A-label form; a name
/// that is anything else would break the reply, so it is not said at all.
fn hostname(policy: &Policy) -> &str {
    let is_sayable =
        !policy.hostname.is_empty() && policy.hostname.bytes().all(|octet| octet.is_ascii_graphic());
    if is_sayable { &policy.hostname } else { "localhost" }
}
