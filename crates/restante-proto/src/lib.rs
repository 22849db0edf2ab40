//! The wire of POP3, LMTP and Dovecot's authentication protocol, without I/O: sessions of both sides, codecs, SASL.
//!
//! Nothing in here touches a socket, a file, a clock or dice; the crate is `no_std`. Octets received, answers to
//! questions and anything that must be unique come in as arguments, so that a session is as easy to test as it is to
//! serve: cut the input anywhere, the outcome is the same.
//!
//! # The contract
//!
//! A session is driven. Driver and session share two buffers that the driver owns, an [`Input`](line::Input) and an
//! output `Vec<u8>`. The session's only verb is `step`: it uses complete lines of the input, appends replies to the
//! output, and returns a `Step` when it needs something that is not its own:
//!
//! - *Read* and *Write* ask for octets to be moved. Whatever the step is, the output may hold octets that are to be
//!   written before the peer is waited for.
//! - A question (*Authenticate*, *OpenMaildrop*, *SendMessage*, …) is answered by calling exactly one of its answer
//!   methods, then `step` again. A driver that answers what was not asked, or steps before it has answered, has a bug:
//!   debug builds panic, others ignore the answer and close.
//! - *Close* ends it. A session may also be dropped at any other moment; it has then removed nothing and promised
//!   nothing.
//!
//! Octets of messages never enter a session. They go from the store through a [`body::Encoder`] into the output, or
//! from the input through a [`body::Decoder`] into the store.
//!
//! Bounds: a session holds no buffer while it waits; the input holds at most one unfinished line beside what the
//! driver fills in at once; the output stops growing at a limit until it is written. The limits stand in one struct a
//! protocol, with the reason for each number.
//!
//! # One whole loop
//!
//! A maildrop with one message, on a wire made of two byte vectors:
//!
//! ```
//! use std::sync::Arc;
//!
//! use restante_proto::body::Encoder;
//! use restante_proto::line::Input;
//! use restante_proto::maildrop::{Listing, Octets};
//! use restante_proto::sasl::Credentials;
//! use restante_proto::server::{Opening, Policy, Refusal, Session, Step, Transport};
//!
//! let policy = Arc::new(Policy {
//!     hostname: "mail.example.org".into(),
//!     plaintext_without_tls: true,
//!     ..Policy::default()
//! });
//! let stored = b"Subject: hello\n\n.\nworld";
//! let mut listing = Listing::default();
//! listing.push(Octets::new(28), b"unique-1").unwrap();
//! let listing = Arc::new(listing);
//!
//! let mut from_client = &b"USER alice\r\nPASS secret\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n"[..];
//! let mut to_client = Vec::new();
//! let mut removed = Vec::new();
//!
//! let mut session = Session::new(policy, Transport::Plain, None);
//! let (mut input, mut output) = (Input::new(), Vec::new());
//! loop {
//!     match session.step(&mut input, &mut output) {
//!         Step::Read => {
//!             to_client.append(&mut output);
//!             // A real driver waits here, and leaves when the client has gone.
//!             let (received, rest) = from_client.split_at(7.min(from_client.len()));
//!             assert!(!received.is_empty(), "the client has quit before");
//!             input.fill(received);
//!             from_client = rest;
//!         }
//!         Step::Write => to_client.append(&mut output),
//!         Step::StartTls => unreachable!("not offered by Transport::Plain"),
//!         Step::Authenticate(Credentials::Password { user, password, .. }) => {
//!             // Not so in earnest: see the crate that verifies.
//!             if user == b"alice" && password.expose() == b"secret" {
//!                 session.granted();
//!             } else {
//!                 session.refused(Refusal::Credentials);
//!             }
//!         }
//!         Step::Authenticate(_) => session.refused(Refusal::Credentials),
//!         // Only mechanisms of SASL ask for these.
//!         Step::Nonce | Step::PrepareScram(_) => session.refused(Refusal::Temporary),
//!         Step::OpenMaildrop => session.opened(Opening::full(Arc::clone(&listing))),
//!         Step::SendMessage { index, extent } => {
//!             assert_eq!(index, 0);
//!             session.message_opened(&mut output);
//!             let mut encoder = Encoder::new(extent);
//!             for chunk in stored.chunks(5) {
//!                 encoder.encode(chunk, &mut output);
//!                 // A real driver writes here when the output has grown enough.
//!             }
//!             encoder.finish(&mut output);
//!             session.message_sent();
//!         }
//!         Step::Extended(_) => unreachable!("no service of XTND is on"),
//!         Step::Remove => {
//!             removed.extend(session.marks().iter());
//!             session.removed();
//!         }
//!         Step::Close(_) => {
//!             to_client.append(&mut output);
//!             break;
//!         }
//!     }
//! }
//! assert_eq!(removed, [0]);
//! assert_eq!(
//!     String::from_utf8(to_client).unwrap(),
//!     "+OK POP3 mail.example.org ready\r\n\
//!      +OK Send the password\r\n\
//!      +OK 1 messages (28 octets)\r\n\
//!      +OK 28 octets\r\nSubject: hello\r\n\r\n..\r\nworld\r\n.\r\n\
//!      +OK Message marked deleted\r\n\
//!      +OK Goodbye\r\n",
//! );
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod body;
pub mod capability;
pub mod client;
pub mod command;
pub mod dovecot;
pub mod field;
pub mod line;
pub mod lmtp;
pub mod maildrop;
pub mod pop2;
pub mod quirk;
pub mod reply;
pub mod sasl;
pub mod secret;
pub mod server;
pub mod url;
pub mod visible;
