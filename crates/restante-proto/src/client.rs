//! The POP3 client session: the mirror image of `server`, without sockets, files or clocks.
//!
//! A [`Session`] is given requests, writes the commands for them, and reads the replies. Like its mirror image it is
//! driven: its only verb is [`Session::step`], and message octets go past it through a [`Decoder`] that it hands to the
//! driver. The commands are spelled in [`request`], of what can stand in them ([`argument`]); what a server can do stands in
//! [`capabilities`], what it does beside the standards in [`quirk`], and how long it may take in [`deadline`].
//!
//! # One whole loop
//!
//! The sizes and unique-ids of a maildrop, of a server that is a slice of octets:
//!
//! ```
//! use restante_proto::client::request::{Login, Request};
//! use restante_proto::client::{Event, Outcome, Session, Settings, Step};
//! use restante_proto::line::Input;
//! use restante_proto::sasl::Method;
//! use restante_proto::secret::Secret;
//!
//! let replies = ["+OK ready", "+OK", "+OK", "+OK", "1 120", "2 200", ".", "+OK bye"];
//! let mut replies = replies.into_iter();
//!
//! let mut session = Session::new(Settings::default());
//! let password = Secret::new(b"secret".to_vec());
//! session.submit(Request::Login(Login::of(Method::UserPass, b"alice", password).unwrap())).unwrap();
//! let list = session.submit(Request::List).unwrap();
//! session.submit(Request::Quit).unwrap();
//!
//! let (mut input, mut output) = (Input::new(), Vec::new());
//! let (mut said, mut sizes) = (Vec::new(), Vec::new());
//! loop {
//!     match session.step(&mut input, &mut output).expect("the server keeps to the protocol") {
//!         Step::Read => {
//!             // A real driver writes and waits here, no longer than Session::deadline says.
//!             said.append(&mut output);
//!             input.fill(replies.next().expect("the server has an answer").as_bytes());
//!             input.fill(b"\r\n");
//!         }
//!         Step::Event(handle, Event::ScanListing { number, octets }) => {
//!             assert_eq!(handle, list);
//!             sizes.push((number.as_u32(), octets.as_u64()));
//!         }
//!         Step::Event(_, Event::Finished(outcome)) => assert_eq!(outcome, Outcome::Done),
//!         Step::Event(..) => {}
//!         Step::ReceiveMessage(..) | Step::StartTls => unreachable!("not asked for"),
//!         Step::Idle | Step::Closed => break,
//!     }
//! }
//! assert_eq!(sizes, [(1, 120), (2, 200)]);
//! assert_eq!(said, b"USER alice\r\nPASS secret\r\nLIST\r\nQUIT\r\n");
//! ```

pub mod argument;
pub mod capabilities;
pub mod cause;
pub mod choice;
pub mod deadline;
mod login;
pub mod quirk;
mod reading;
pub mod request;
mod session;
mod window;

use alloc::string::String;
use core::fmt;

use crate::body::Decoder;
use crate::maildrop::{MessageNumber, Octets};
use crate::reply::{Reply, ResponseCode};
use capabilities::text;
use deadline::Deadlines;
use quirk::{Profile, Quirk};
pub use session::Session;

/// Bounds on what a server may make the client hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest line of a reply, CRLF included. RFC 2449 has 512; servers with long capability lists and long
    /// unique-ids go beyond, and none is known to reach this.
    pub line_octets_max: usize,
    /// The most lines of one listing. Each becomes an entry in the memory of whoever collects them.
    pub listing_lines_max: u32,
    /// The most octets of commands that may await their replies (R2449-6.6.3). Commands of this crate's client go out
    /// while replies come in, so that a server that is busy writing to us keeps nobody from reading. So much fits into the buffers
    /// between two sockets, so a server that reads one command after the other is not even written to in vain.
    pub pipelined_octets_max: usize,
    /// The most commands that may await their replies.
    pub pipelined_commands_max: usize,
    /// The most octets of messages that may be asked for ahead, as far as their sizes are known; two messages always
    /// may. What comes is held by nobody: the peer waits when we do. So this need not be small, and each time it is full costs
    /// a round trip: 5 Gbit/s fill so much in a tenth of a second, and most maildrops hold less.
    pub ahead_octets_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_octets_max: 8192,
            listing_lines_max: 4_000_000,
            pipelined_octets_max: 64 * 1024,
            pipelined_commands_max: 8192,
            ahead_octets_max: 64 << 20,
        }
    }
}

/// How a [`Session`] behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Bounds on what a server may make us hold.
    pub limits: Limits,
    /// How much is forgiven.
    pub profile: Profile,
    /// How long to wait; see [`Session::deadline`].
    pub deadlines: Deadlines,
}

/// Which request, in the order in which they were submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(u64);

impl Handle {
    /// The greeting, which is answered like a request.
    pub const GREETING: Self = Self(0);
}

/// What the session needs its driver to do, or has to tell.
#[derive(Clone, Debug)]
pub enum Step<'a> {
    /// Write all output, and fill the input with what the server sends next: both at the same time, when not all output
    /// can be written at once.
    Read,
    /// Something was learned, and to which request it belongs.
    Event(Handle, Event<'a>),
    /// The message of this request follows in the input: drive the decoder over it to its end, then call
    /// [`Session::message_received`].
    ReceiveMessage(Handle, Decoder),
    /// Do the TLS handshake, then call [`Session::tls_started`]; when it fails, close.
    StartTls,
    /// Every request is answered and all output is written: submit another.
    Idle,
    /// The dialogue is over: close.
    Closed,
}

/// What was learned from the server. For each request, and first of all for the greeting, there is one
/// [`Finished`](Self::Finished), in the order of the requests; the content, if any, comes before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// STAT: how much is in the maildrop.
    Stat {
        /// Messages.
        messages: u32,
        /// Octets of all of them, as the server counts.
        octets: Octets,
    },
    /// LIST: one message.
    ScanListing {
        /// Which.
        number: MessageNumber,
        /// Its octets, as the server counts.
        octets: Octets,
    },
    /// UIDL: one message.
    UniqueIdListing {
        /// Which.
        number: MessageNumber,
        /// Its unique-id as sent, opaque and not empty. It need not obey RFC 1939, and two messages may share one
        /// (R1939-7.16, R1939-7.17).
        unique_id: &'a [u8],
    },
    /// The server did something that it should not, or that surprises; each is told once a session.
    Quirk(Quirk),
    /// The request is answered.
    Finished(Outcome),
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server did it. For QUIT after a login: the deletions are done (R1939-6.6).
    Done,
    /// The server did not. Says nothing about whether it can (R1939-3.20). For QUIT: not all deletions were done.
    Refused(Refusal),
    /// The server said that it did, but what it sent cannot be read. The session goes on.
    Malformed,
    /// The request was not sent at all, as the session cannot do it. The session goes on.
    NotPossible(NotPossible),
}

/// A reply of "-ERR".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why, when the server says it so that a program can tell.
    pub code: Option<ResponseCode>,
    /// What the server says to the user, without the code; control characters are replaced.
    pub text: String,
}

impl Refusal {
    /// What a reply of "-ERR" says.
    pub(super) fn of(reply: &Reply<'_>) -> Self {
        Self { code: reply.code, text: text(reply.text) }
    }
}

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPossible {
    /// APOP, and the greeting held no timestamp (R1939-7.29).
    NoTimestamp,
    /// STLS, and UTF8 was issued before: TLS comes first (R6856-2.1.11).
    TlsAfterUtf8,
    /// UTF8, and the login is done: it comes before (RFC 6856 section 2).
    Utf8AfterLogin,
    /// USER, PASS or APOP with a name or password outside ASCII, and the server's last CAPA did not list "UTF8 USER"
    /// (R6856-2.2.7). A SASL mechanism can carry it.
    NeedsUtf8User,
    /// LANG, and STLS is still to be had: in clear anybody could change it (R6856-7.2).
    LanguageBeforeTls,
    /// A SCRAM mechanism that is not bound to the TLS connection, although both sides could: take a "-PLUS"
    /// (R5802-6.4).
    BindingOffered,
    /// The mechanism cannot carry the name or the token.
    NotEncodable,
}

impl fmt::Display for NotPossible {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NoTimestamp => "the server does not offer APOP",
            Self::TlsAfterUtf8 => "TLS cannot begin after UTF8",
            Self::Utf8AfterLogin => "UTF8 is not possible after the login",
            Self::NeedsUtf8User => {
                "the server takes names and passwords outside ASCII only with a SASL mechanism"
            }
            Self::BindingOffered => "the server can bind the login to the TLS connection, so it is to be",
            Self::NotEncodable => "the SASL mechanism cannot carry this name or token",
            Self::LanguageBeforeTls => "no language is chosen before TLS, which the server offers",
        })
    }
}

/// The server has broken the protocol. The session is dead, nothing more can be said to this server; deletions that
/// were not confirmed by then are not done, or are in doubt when QUIT was sent: see [`Session::ending`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// A line that should be a reply is none.
    NotAReply,
    /// A line is longer than [`Limits::line_octets_max`].
    LineTooLong,
    /// A reply line ends with a line feed alone, and the profile is strict.
    BareLineFeed,
    /// The server did this, and the profile is strict.
    Deviation(Quirk),
    /// A listing is longer than [`Limits::listing_lines_max`].
    ListingTooLong,
    /// The server asked for a SASL response where none is due.
    UnexpectedChallenge,
    /// A challenge is not what the mechanism says, or does not go with what we said before.
    InvalidChallenge,
    /// SCRAM: the server asks for fewer iterations than is safe, or more than is bearable; see
    /// [`ITERATIONS_MIN`](crate::sasl::scram::ITERATIONS_MIN) and
    /// [`ITERATIONS_MAX`](crate::sasl::scram::ITERATIONS_MAX).
    Iterations,
    /// SCRAM: the server says that the login succeeded, and has not shown that it knows the password's verifier. It is
    /// somebody else (R5802-5.2).
    ServerUnproven,
    /// USER was refused, and PASS behind it was not: nobody knows who is logged in.
    LoginContradicted,
    /// Octets came that answer nothing.
    Unsolicited,
    /// Octets came between the reply to STLS and the TLS handshake. Somebody may have put them there (R2595-4.7).
    InjectedBeforeTls,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Deviation(quirk) => return quirk.fmt(out),
            Self::NotAReply => "the server sent a line that is no reply",
            Self::LineTooLong => "the server sent a line that is too long",
            Self::BareLineFeed => "the server ended a line without a carriage return",
            Self::ListingTooLong => "the server sent a listing that is too long",
            Self::UnexpectedChallenge => "the server asked for a SASL response where none is due",
            Self::InvalidChallenge => "the server sent a SASL challenge that does not fit the mechanism",
            Self::Iterations => "the server asks for too few or too many iterations of the password's hash",
            Self::ServerUnproven => {
                "the server has not shown that it knows the password: it may be another one"
            }
            Self::LoginContradicted => "the server refused the user name and then took the password",
            Self::Unsolicited => "the server sent something that answers nothing",
            Self::InjectedBeforeTls => "something was sent between the reply to STLS and the TLS handshake",
        })
    }
}

impl core::error::Error for ProtocolError {}

/// What became of the deletions when the connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// QUIT was answered, or there never was a login.
    Regular,
    /// QUIT was not sent: nothing is deleted.
    NothingDeleted,
    /// QUIT was sent, or was about to be, and not answered: whether anything is deleted is not known.
    Unknown,
}

#[cfg(test)]
mod tests;
