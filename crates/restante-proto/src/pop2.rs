//! The server's side of POP2 (RFC 937), the protocol of 1985: a state machine that is driven.
//!
//! [`Session`] holds the dialogue and decides every reply; for everything else it asks its driver, one [`Step`] at a
//! time. The grammar lives in [`command`], the wording of replies in `reply`.
//!
//! "If anything goes wrong close the connection" is the rule the whole protocol is built on, and it is kept: after any
//! line that has no place the peer hears one line with a minus and no more (R937-cmds.6). What is marked by ACKD is removed when
//! the mailbox is released, that is at FOLD and at QUIT, durably and before the reply; a connection that ends in any other
//! way has removed nothing. There is one mailbox, the account's own maildrop, which is the default one and is called
//! `INBOX` by FOLD; any other name is a mailbox that does not exist, hence one without messages (R937-cmds.2).

pub mod command;
mod reply;
mod session;

use alloc::string::String;

use crate::sasl::Credentials;
use crate::server::Refusal;

pub use session::Session;

/// What a listener is set to; shared by all its sessions.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The name in the greeting.
    pub hostname: String,
    /// Whether passwords are taken without TLS from this peer. POP2 knows no STARTTLS: a peer whose password would not be
    /// taken is greeted with a refusal, before it has sent one.
    pub plaintext_without_tls: bool,
    /// The bounds of a session.
    pub limits: Limits,
}

/// Bounds of a session's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest command, with its line end (R937-sizes.1).
    pub command_octets_max: usize,
    /// When so many octets of output have gathered, the session has them written before it goes on.
    pub output_octets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { command_octets_max: 512, output_octets: 64 * 1024 }
    }
}

/// What lies below the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// No encryption.
    Plain,
    /// Encrypted from the beginning.
    Tls,
}

/// What the driver is asked to do next.
#[derive(Debug)]
pub enum Step {
    /// Write the output if there is any, then read and fill the input.
    Read,
    /// Write all of the output and clear it, then step again.
    Write,
    /// Verify these. Answers: [`Session::granted`], [`Session::refused`].
    Authenticate(Credentials),
    /// Lock and list the maildrop of the account. Comes after the login, and again at a FOLD that selects it anew. Answers:
    /// [`Session::opened`], [`Session::refused`].
    OpenMaildrop,
    /// Send the message with this index of the listing: exactly the announced octets, that is the canonical form without
    /// byte-stuffing, see [`body::Plain`](crate::body::Plain). Answers: [`Session::message_sent`], or
    /// [`Session::message_failed`] when it cannot be opened. When it fails later, close: the client counts octets and
    /// nothing else could tell it.
    SendMessage {
        /// The message, as an index into the listing.
        index: usize,
    },
    /// Remove the messages of [`Session::marks`], if any, durably, then let go of the maildrop and its lock. Answers:
    /// [`Session::released`], [`Session::not_released`].
    Release,
    /// Let go of the maildrop if one is open, write the output, close the connection. Nothing is removed.
    Close,
}

/// The greeting for a connection that is not served, with its CR LF.
#[must_use]
pub const fn rejection(refusal: Refusal) -> &'static [u8] {
    reply::refusal(refusal)
}

#[cfg(test)]
mod tests;
