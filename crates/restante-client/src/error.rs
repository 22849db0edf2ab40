//! Everything that can go wrong, sorted by who is to blame.

use std::fmt;
use std::io;

use restante_proto::client::cause::LoginCause;
use restante_proto::client::choice::Unfit;
use restante_proto::client::request::InvalidRequest;
use restante_proto::client::{self, NotPossible, Refusal};
use restante_proto::lmtp::client as lmtp;
use restante_proto::reply::ResponseCode;
use restante_proto::url::HostName;

use crate::identity::CertificateFault;
use crate::pin::Pin;
use crate::proxy::ProxyError;

/// Why a call failed.
#[derive(Debug)]
pub enum Error {
    /// The request cannot be said in POP3. Nothing was sent.
    Request(InvalidRequest),
    /// The transaction cannot be said to this server. Nothing was sent.
    Transaction(lmtp::InvalidTransaction),
    /// The host is no name that a certificate could hold.
    ServerName(String),
    /// An earlier call on this client was abandoned or failed; connect anew.
    OutOfStep,
    /// The server cannot do what was asked. Nothing was sent.
    NotPossible(NotPossible),
    /// There is no way to log in that is offered, known and safe enough. Nothing was sent, and no other way is tried.
    NoWay(Unfit),
    /// There is no user name: somebody has to be asked for it (R2384-4.1). Nothing was sent.
    NoUser,
    /// The system gives no random octets.
    NoChance,
    /// STLS was demanded and the server does not offer it. Either it cannot, or somebody in between does not want it
    /// (R2595-9.1).
    NoStls,
    /// The server answered the request with a refusal; the client can be used on.
    Refused(Refusal),
    /// The server refused the login; the client can be used on. Only the cause tells whether the password is in doubt.
    Login {
        /// What the server said.
        refusal: Refusal,
        /// What that means.
        cause: LoginCause,
    },
    /// The server answered, but not with what was asked for; the client can be used on.
    Malformed,
    /// The server refused the connection with its greeting.
    Rejected(Refusal),
    /// The LMTP server refused the connection, or LHLO.
    LmtpRejected(lmtp::Reply),
    /// The server broke the protocol.
    Protocol(client::ProtocolError),
    /// The LMTP server broke the protocol.
    LmtpProtocol(lmtp::ProtocolError),
    /// The DNS does not say where the servers of a domain are.
    Lookup(Box<dyn std::error::Error + Send + Sync>),
    /// The domain says that it has no POP3.
    NotOffered(HostName),
    /// The system's resolver does not tell the addresses of a host: there is no such name, or nobody answers.
    Resolve {
        /// The host.
        host: String,
        /// What it says.
        cause: io::Error,
    },
    /// No connection; the cause says for each address why.
    Connect(io::Error),
    /// The proxy was reached, and does not connect us.
    Proxy(ProxyError),
    /// No TLS: the handshake failed.
    Tls(io::Error),
    /// No TLS: the server's certificate is not accepted. Nothing was sent to it (R8314-3.1.2).
    Certificate {
        /// What is wrong with it.
        fault: CertificateFault,
        /// The key in it, for people to compare or to pin. `None` when it cannot be read, or with a [`Tls`] of the caller's own.
        ///
        /// [`Tls`]: crate::connect::Tls::new
        seen: Option<Pin>,
        /// What TLS says.
        cause: io::Error,
    },
    /// The authorities or the certificate of this side cannot be used.
    OwnCertificate(rustls::Error),
    /// The machine names no authority that it trusts.
    NoRoots,
    /// The connection broke.
    Network(io::Error),
    /// The server closed the connection.
    Closed,
    /// The peer did nothing for too long.
    Timeout(Waiting),
    /// The caller's reader or writer for the message failed.
    Local(io::Error),
}

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// An answer of the DNS.
    Lookup,
    /// A connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The peer to say something.
    Read,
    /// The peer to take something.
    Write,
}

/// Who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The caller: asking again changes nothing.
    Caller,
    /// The server said no, as it may.
    Refusal,
    /// The server did what no server may.
    Server,
    /// The network, or a server that is not there.
    Network,
    /// This side: a disk, a pipe.
    Local,
}

impl Error {
    /// Who is to blame.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Request(_) | Self::Transaction(_) | Self::ServerName(_) | Self::OutOfStep => Blame::Caller,
            Self::OwnCertificate(_) | Self::NoRoots | Self::NoUser => Blame::Caller,
            Self::NotPossible(_) | Self::NoStls | Self::NotOffered(_) | Self::NoWay(_) => Blame::Refusal,
            Self::Refused(_) | Self::Login { .. } => Blame::Refusal,
            Self::Rejected(_) | Self::LmtpRejected(_) => Blame::Refusal,
            Self::Malformed | Self::Protocol(_) | Self::LmtpProtocol(_) => Blame::Server,
            Self::Tls(_) | Self::Certificate { .. } => Blame::Server,
            Self::Lookup(_) | Self::Resolve { .. } | Self::Connect(_) | Self::Network(_) => Blame::Network,
            Self::Proxy(_) => Blame::Network,
            Self::Closed | Self::Timeout(_) => Blame::Network,
            Self::Local(_) | Self::NoChance => Blame::Local,
        }
    }

    /// Whether the same may work later without anybody changing anything. For a refusal without response code that is
    /// not known, and counts as no.
    pub fn is_temporary(&self) -> bool {
        match self {
            // R2449-8.1.2.2 R3206-4.5
            Self::Refused(refusal) | Self::Rejected(refusal) => matches!(
                refusal.code,
                Some(ResponseCode::InUse | ResponseCode::LoginDelay | ResponseCode::SysTemp)
            ),
            Self::Login { cause, .. } => *cause == LoginCause::Later,
            Self::LmtpRejected(reply) => reply.is_temporary(),
            Self::Lookup(_) | Self::Resolve { .. } | Self::Connect(_) | Self::Network(_) => true,
            Self::Proxy(why) => why.is_temporary(),
            Self::Closed | Self::Timeout(_) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(_) => out.write_str("the request cannot be sent"),
            Self::Transaction(_) => out.write_str("the message cannot be sent"),
            Self::ServerName(name) => write!(out, "\"{}\" is no name of a server", name.escape_default()),
            Self::OutOfStep => out.write_str("the connection is out of step after an earlier failure"),
            Self::NotPossible(why) => why.fmt(out),
            Self::NoWay(_) => out.write_str("cannot log in"),
            Self::NoUser => out.write_str("there is no user name"),
            Self::NoChance => out.write_str("this machine gives no random numbers"),
            Self::NoStls => out.write_str("the server does not offer STLS, and without it nothing is sent"),
            Self::Refused(refusal) => write!(out, "the server refused: {}", refusal.text),
            Self::Login { refusal, .. } => write!(out, "the server refused the login: {}", refusal.text),
            Self::Malformed => out.write_str("the server's answer cannot be understood"),
            Self::Rejected(refusal) => write!(out, "the server refused the connection: {}", refusal.text),
            Self::LmtpRejected(reply) => {
                write!(out, "the server refused the connection: {} {}", reply.code, reply.text)
            }
            Self::Protocol(_) | Self::LmtpProtocol(_) => out.write_str("the server broke the protocol"),
            Self::Lookup(_) => out.write_str("the servers of the domain cannot be looked up"),
            Self::NotOffered(domain) => write!(out, "{domain} says that it has no POP3 server"),
            Self::Resolve { host, .. } => {
                write!(out, "the address of {} cannot be looked up", host.escape_default())
            }
            Self::Connect(_) => out.write_str("cannot connect"),
            Self::Proxy(why) => why.fmt(out),
            Self::Tls(_) => out.write_str("cannot establish TLS"),
            Self::Certificate { fault: CertificateFault::NotPinned, seen: Some(seen), .. } => {
                write!(out, "{}; it is {seen}", CertificateFault::NotPinned)
            }
            Self::Certificate { fault, .. } => fault.fmt(out),
            Self::OwnCertificate(_) => out.write_str("the certificates of this side cannot be used"),
            Self::NoRoots => out.write_str("this machine names no certificate authority that it trusts"),
            Self::Network(_) => out.write_str("the connection broke"),
            Self::Closed => out.write_str("the server closed the connection"),
            Self::Timeout(waiting) => out.write_str(match waiting {
                Waiting::Lookup => "no answer of the DNS in time",
                Waiting::Connect => "no connection in time",
                Waiting::Tls => "no TLS in time",
                Waiting::Read => "no reply in time",
                Waiting::Write => "the server took nothing in time",
            }),
            Self::Local(_) => out.write_str("the message could not be read or written on this side"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Request(cause) => Some(cause),
            Self::Transaction(cause) => Some(cause),
            Self::Protocol(cause) => Some(cause),
            Self::LmtpProtocol(cause) => Some(cause),
            Self::Lookup(cause) => Some(cause.as_ref()),
            Self::Resolve { cause, .. } => Some(cause),
            // Its own text is ours.
            Self::Proxy(why) => std::error::Error::source(why),
            Self::NoWay(cause) => Some(cause),
            Self::Certificate { cause, .. } => Some(cause),
            Self::OwnCertificate(cause) => Some(cause),
            Self::Connect(cause) | Self::Tls(cause) | Self::Network(cause) | Self::Local(cause) => {
                Some(cause)
            }
            _ => None,
        }
    }
}
