//! The LMTP server session (RFC 2033): from the greeting to QUIT, without sockets, files or clocks.
//!
//! [`Session`] holds the dialogue and decides every reply. It does not know which recipients exist, it never holds a
//! message, and it keeps nothing durable: for those it asks its driver, one [`Step`] at a time. The grammar lives in
//! [`command`] and [`path`], the wording of replies in `reply`, the framing of messages in [`reception`]. The other side
//! of the wire is [`client`].

pub mod client;
pub mod command;
pub mod path;
pub mod reception;
mod reply;
mod session;

use alloc::string::String;
use alloc::vec::Vec;

use command::BodyKind;
use path::{ForwardPath, ReversePath};
use reception::Framing;
use reply::Reply;
pub use session::Session;

/// What a listener is set to; shared by all its sessions.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The name in the greeting: ASCII, an internationalized name in its A-label form.
    pub hostname: String,
    /// The largest message in canonical octets; 0 means no fixed maximum (RFC 1870).
    pub message_octets_max: u64,
    /// The most recipients of one message; RFC 5321 asks for at least 100 (R5321-4.5.3.1.1).
    pub recipients_max: usize,
    /// Bounds on what a client may make the session hold.
    pub limits: Limits,
}

/// Bounds of a session's memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest command line, CRLF included. RFC 5321 asks for 512, each parameter and SMTPUTF8 for some tens more
    /// (RFC 1870 3, RFC 6152 2, RFC 6531 3.1); 2048 also holds a path of twice 256 octets with every character quoted.
    pub line_octets_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line_octets_max: 2048 }
    }
}

/// What the connection is like when the session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Not encrypted, or a unix socket; STARTTLS is not offered.
    Plain,
    /// Not encrypted; STARTTLS is offered (RFC 3207).
    PlainWithStarttls,
    /// Encrypted.
    Tls,
}

/// What the session needs its driver to do. All waiting, storing and looking up is done by the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write all output, then fill the input with what the client sends next.
    Read,
    /// Write all output and clear it, then step again.
    Write,
    /// Write all output, then do the TLS handshake. The input has been cleared. Answer with
    /// [`Session::tls_started`]; when the handshake fails, close.
    StartTls,
    /// Say whether [`Session::recipient`] is known: [`Session::accepted`] or [`Session::rejected`].
    Recipient,
    /// Write all output, then take message octets with a [`reception::Reception`] and put them into the delivery. The
    /// first `Receive` of a transaction begins that delivery. Answer with [`Session::received`], or, when the delivery
    /// failed, with [`Session::receive_failed`]; the octets are taken in any case.
    Receive(Framing),
    /// Make the message durable for the accepted recipient at this position of [`Envelope::recipients`]. Answer with
    /// [`Session::delivered`] or [`Session::undelivered`].
    Deliver {
        /// Position in [`Envelope::recipients`], from 0.
        recipient: usize,
    },
    /// The delivery that was begun is over: drop it. What was delivered stays, anything else is forgotten. Comes once
    /// for each delivery begun, also after the last recipient's reply.
    Discard,
    /// Write all output and close.
    Close,
}

/// The transaction so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Where notifications go.
    pub sender: ReversePath,
    /// The accepted recipients in the order of their RCPT commands; a recipient named twice is here twice.
    pub recipients: Vec<ForwardPath>,
    /// What kind of content was announced.
    pub body: BodyKind,
    /// Addresses and header fields may hold UTF-8.
    pub smtputf8: bool,
    /// The client's estimate of the message's octets.
    pub size: Option<u64>,
}

/// Why a recipient is not accepted at RCPT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// No such account.
    NoSuchRecipient,
    /// The account exists and takes no mail.
    Disabled,
    /// Our policy refuses this recipient or sender.
    Refused,
    /// The account has no room now (R1870-6.4.1).
    OverQuota,
    /// The account has no room, and the sender need not try again (R1870-6.4.1).
    OverQuotaForGood,
    /// The announced size is more than this account can ever take (R1870-6.4.1).
    TooLarge,
    /// It cannot be known now.
    Temporary,
}

impl Rejection {
    fn reply(self) -> Reply {
        match self {
            Self::NoSuchRecipient => Reply::NoSuchRecipient,
            Self::Disabled => Reply::RecipientDisabled,
            Self::Refused => Reply::RecipientRefused,
            Self::OverQuota => Reply::RecipientOverQuota,
            Self::OverQuotaForGood => Reply::RecipientFull,
            Self::TooLarge => Reply::MessageTooLarge,
            Self::Temporary => Reply::Temporary,
        }
    }
}

/// Why a message was not delivered, to one recipient or to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryFault {
    /// The account went away since RCPT.
    NoSuchRecipient,
    /// The account has no room now.
    OverQuota,
    /// The account has no room, and the sender need not try again.
    OverQuotaForGood,
    /// The disk is full.
    NoSpace,
    /// The message is larger than this account may take.
    TooLarge,
    /// It may work later.
    Temporary,
    /// It will not work later either.
    Permanent,
}

impl DeliveryFault {
    fn reply(self) -> Reply {
        match self {
            Self::NoSuchRecipient => Reply::NoSuchRecipient,
            Self::OverQuota => Reply::RecipientOverQuota,
            Self::OverQuotaForGood => Reply::RecipientFull,
            Self::NoSpace => Reply::NoSpace,
            Self::TooLarge => Reply::MessageTooLarge,
            Self::Temporary => Reply::Temporary,
            Self::Permanent => Reply::Permanent,
        }
    }
}

/// Why the server ends a connection of its own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// The client was silent for too long; RFC 5321 asks for at least 5 minutes (R5321-4.5.3.2.7.1).
    Timeout,
    /// The server shuts down.
    ShuttingDown,
    /// There are too many sessions; said instead of a greeting.
    TooManySessions,
}

/// The 421 line that ends a connection. The driver writes it after all output of the session, never in the middle of
/// a message, and closes.
pub fn farewell(farewell: Farewell) -> &'static [u8] {
    match farewell {
        Farewell::Timeout => Reply::Timeout.octets(),
        Farewell::ShuttingDown => Reply::ShuttingDown.octets(),
        Farewell::TooManySessions => Reply::TooManySessions.octets(),
    }
}

#[cfg(test)]
mod tests;
