//! A POP3 and LMTP client: the sessions of `restante-proto`, driven over tokio.
//!
//! [`pop3::Client`] fetches mail, [`lmtp::Client`] hands it over. What is here: connecting, TLS, deadlines, moving octets,
//! a trace. What is not: what to say and what a reply means, which the sessions know; which messages to fetch or to
//! delete, which the caller decides. Sockets are opened in [`connect`] and nowhere else.
//!
//! Nothing is deleted on a server but by [`pop3::Client::quit`] and [`pop3::Client::delete_and_quit`]: dropping a client, for
//! whatever reason, just closes the connection. A call that was abandoned (its future dropped, or ended with an error that is not an answer of the
//! server) leaves the dialogue at an unknown place; every later call says [`error::Error::OutOfStep`].
//!
//! # One whole loop
//!
//! Every message is taken and then deleted, in five flights however many there are:
//!
//! ```
//! use restante_client::login::{Means, Plaintext, Wish};
//! use restante_client::pop3::{Client, Piece, Quit, ScanListing, Settings};
//! use restante_proto::secret::Secret;
//! use restante_proto::url::Auth;
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/served.in"));
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), restante_client::error::Error> {
//! // In earnest: Client::connect, and TLS.
//! let (here, there) = tokio::io::duplex(1024);
//! tokio::spawn(serve(there));
//! let mut client = Client::over(here, Settings::default()).await?;
//! let means = Means::Password(Secret::new(b"secret".to_vec()));
//! let plaintext = Plaintext::Everywhere;
//! client.log_in(Wish { user: Some("alice"), auth: &Auth::Any, means, plaintext }).await?;
//!
//! let survey = client.survey().await?;
//! assert_eq!(survey.entries[1].unique_id, b"id1");
//!
//! let (mut text, mut taken) = (Vec::new(), Vec::new());
//! let mut retrieval = client.retrieval(survey.entries.iter().map(ScanListing::from))?;
//! while let Some((number, piece)) = retrieval.next().await? {
//!     match piece {
//!         // Octets that were received, lent: write them somewhere.
//!         Piece::Octets(octets) => text.extend_from_slice(octets),
//!         // In earnest not before the message is safe.
//!         Piece::End { .. } => taken.push(number),
//!         Piece::Refused(refusal) => eprintln!("left on the server: {}", refusal.text),
//!     }
//! }
//! drop(retrieval);
//! assert_eq!(text, b"Subject: one\r\n\r\n.\r\nSubject: two\r\n\r\n");
//! assert_eq!(client.statistics().flights, 4);
//!
//! let closing = client.delete_and_quit(&taken).await;
//! assert!(matches!(closing.quit, Quit::Committed));
//! # Ok(())
//! # }
//! ```
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
