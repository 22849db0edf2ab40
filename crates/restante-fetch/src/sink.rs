//! Where messages go. A sink is given batches of messages that lie whole in files, and answers for each when it is durable.
//!
//! Called by the pass, on a thread that may wait.

pub mod command;
pub(crate) mod contents;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod lmtp;
pub mod maildir;
pub mod mbox;
pub mod smtp;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::key::Key;

/// A message on its way into a sink.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// The account it comes from, as the journal calls it.
    pub account: &'a str,
    /// Which message of it.
    pub key: &'a Key,
    /// The name that the intent in the journal holds: a Maildir base name, the same in every try.
    pub name: &'a str,
    /// Where it lies, whole. Not necessarily synced. Stays there until every sink has answered, unless
    /// [`Sink::spool`] gave the folder: then the sink may rename it.
    pub path: &'a Path,
    /// Bytes of that file.
    pub file_octets: u64,
    /// How its lines end there.
    pub line_ends: LineEnds,
    /// SHA-256 of the message in its canonical form (CRLF), as the server sent it, without fields that were added.
    pub digest: [u8; 32],
    /// An earlier try was cut off between the intent and this sink's mark: it may have the message already.
    pub is_doubtful: bool,
}

/// How the lines of a stored message end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnds {
    /// LF, the convention of Maildir and mbox: every CRLF of the wire is LF in the file, all else is as it came.
    #[default]
    Lf,
    /// As on the wire.
    Crlf,
}

/// Which sink, in the journal: its kind and its place, such as `maildir:/home/alice/Mail`. Does not hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SinkId(pub Box<str>);

impl fmt::Display for SinkId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Why a sink has not taken a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It may take it later: the disk is full, a server is busy, a program said 75. The message stays where it is, and on the
    /// server.
    Later(String),
    /// It will not take this one, whoever asks: it goes to the quarantine, with this reason.
    Refused(String),
}

impl From<Failure> for Fault {
    /// A file that cannot be used now may be usable later: there is room again, or somebody has given the right to it.
    fn from(failure: Failure) -> Self {
        Self::Later(failure.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Later(reason) | Self::Refused(reason) => out.write_str(reason),
        }
    }
}

/// Why a sink cannot be.
#[derive(Debug)]
pub enum OpenError {
    /// Its files cannot be used.
    File(Failure),
    /// This is no `host:port`, nor `unix:/path` where that is possible.
    Address(String),
    /// This is no mail address.
    MailAddress(String),
    /// The password is not to be had.
    Secret(String),
    /// TLS cannot be prepared.
    Tls(String),
    /// The system gives no resources.
    System(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(failure) => write!(out, "{failure}"),
            Self::Address(text) => {
                write!(out, "{text} is no address of a server: host:port, or unix:/path for LMTP")
            }
            Self::MailAddress(text) => write!(out, "{text} is no mail address"),
            Self::Secret(reason) | Self::Tls(reason) => out.write_str(reason),
            Self::System(error) => write!(out, "the system gives no resources for it: {error}"),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File(failure) => Some(failure),
            Self::System(error) => Some(error),
            Self::Address(_) | Self::MailAddress(_) | Self::Secret(_) | Self::Tls(_) => None,
        }
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::File(failure)
    }
}

/// The parts of `host:port`; an IPv6 address stands in brackets.
fn host_and_port(server: &str) -> Option<(&str, u16)> {
    let (host, port) = server.rsplit_once(':')?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bracketed.or_else(|| (!host.contains(':')).then_some(host))?;
    let port = port.parse().ok().filter(|&port| port > 0)?;
    (!host.is_empty()).then_some((host, port))
}

/// Something that takes messages.
pub trait Sink: fmt::Debug + Send {
    /// Which one it is; the same in every run with the same configuration.
    fn id(&self) -> &SinkId;

    /// The folder in which this sink wants messages to be written, so that it can take them with a rename; `None` when
    /// it reads them from anywhere. Only one sink of an account is given its wish, and that one is asked last.
    fn spool(&self) -> Option<PathBuf> {
        None
    }

    /// Takes messages; answers for each, in their order. `Ok` when it is durable there (a Maildir, an mbox) or somebody else has
    /// taken responsibility (LMTP, SMTP, a program); that a message was there already is `Ok` too.
    fn deliver(&mut self, messages: &[Message<'_>]) -> Vec<Result<(), Fault>>;
}
