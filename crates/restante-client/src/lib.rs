//! A POP3 and LMTP client: the sessions of `restante-proto`, driven over tokio.
//!
//! [`pop3::Client`] fetches mail, [`lmtp::Client`] hands it over. What is here: connecting, TLS, deadlines, moving octets,
//! a trace. What is not: what to say and what a reply means, which the sessions know; which messages to fetch or to
//! delete, which the caller decides. Sockets are opened in [`connect`] and nowhere else.
//!
//! Nothing is deleted on a server but by [`pop3::Client::quit`]: dropping a client, for whatever reason, just closes
//! the connection. A call that was abandoned (its future dropped, or ended with an error that is not an answer of the
//! server) leaves the dialogue at an unknown place; every later call says [`error::Error::OutOfStep`].
#![forbid(unsafe_code)]

pub mod account;
pub mod advice;
pub mod connect;
pub mod discover;
pub mod error;
pub mod identity;
pub mod lmtp;
pub mod login;
pub mod pin;
pub mod pop3;
pub mod proxy;
pub mod trace;
mod wire;
