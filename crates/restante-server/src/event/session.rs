//! What the log says of a session when it has ended. The drivers of the protocols count; `Visit` knows the rest.

use super::line::Line;
use super::{End, Peer, Trace};
use crate::config::Protocol;
use restante_auth::account::AccountName;
use restante_auth::credential::CredentialName;
use std::time::Duration;

/// What there is to say about a session when it has ended.
#[derive(Debug)]
pub(crate) struct SessionEnd {
    pub(crate) trace: Trace,
    pub(crate) peer: Peer,
    pub(crate) traffic: Traffic,
    pub(crate) done: Done,
    pub(crate) duration: Duration,
    pub(crate) end: End,
}

/// What went over a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    // R8314-4.4
    /// Version and cipher suite.
    pub(crate) tls: Option<(&'static str, &'static str)>,
    /// Octets from and to the peer, as the session saw them (below them may be TLS).
    pub(crate) octets_in: u64,
    pub(crate) octets_out: u64,
}

/// What was done, and by which protocol.
#[derive(Debug)]
pub(crate) enum Done {
    Pop3(Collected),
    Pop2(Collected),
    /// To so many recipients.
    Lmtp {
        delivered: u64,
    },
    Sasl,
}

/// What a client did who collects mail.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// Who it was, if somebody logged in.
    pub(crate) login: Option<LoggedIn>,
    /// Messages in the maildrop at login.
    pub(crate) messages: Option<u64>,
    /// Messages sent whole (RETR) and in part (TOP), and removed.
    pub(crate) retrieved: u64,
    pub(crate) topped: u64,
    pub(crate) deleted: u64,
    /// Messages handed in by XTND XMIT and taken.
    pub(crate) submitted: u64,
}

/// Who logged in, and how.
#[derive(Debug)]
pub(crate) struct LoggedIn {
    pub(crate) account: AccountName,
    pub(crate) method: &'static str,
    /// Which of the account's app passwords it was, if it was one.
    pub(crate) app_password: Option<CredentialName>,
}

impl SessionEnd {
    pub(super) fn fields(&self, line: &mut Line<'_>) {
        line.word("trace", &self.trace);
        line.word("protocol", &self.done.protocol().as_str());
        line.text("peer", &self.peer);
        if let Done::Pop3(Collected { login: Some(login), .. })
        | Done::Pop2(Collected { login: Some(login), .. }) = &self.done
        {
            line.text("account", &login.account);
            line.word("method", &login.method);
            write_app_password(login.app_password.as_ref(), line);
        }
        let Traffic { tls, octets_in, octets_out } = self.traffic;
        if let Some((version, cipher)) = tls {
            line.word("tls", &version);
            line.word("cipher", &cipher);
        }
        line.number("octets_in", octets_in);
        line.number("octets_out", octets_out);
        match &self.done {
            Done::Pop3(collected) => collected.fields(Some(collected.topped), line),
            // It has no TOP.
            Done::Pop2(collected) => collected.fields(None, line),
            Done::Lmtp { delivered } => line.number("delivered", *delivered),
            Done::Sasl => {}
        }
        line.number("duration_us", u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX));
        line.text("end", &self.end);
    }
}

impl Done {
    fn protocol(&self) -> Protocol {
        match self {
            Self::Pop3(_) => Protocol::Pop3,
            Self::Pop2(_) => Protocol::Pop2,
            Self::Lmtp { .. } => Protocol::Lmtp,
            Self::Sasl => Protocol::Sasl,
        }
    }
}

impl Collected {
    fn fields(&self, topped: Option<u64>, line: &mut Line<'_>) {
        if let Some(messages) = self.messages {
            line.number("messages", messages);
        }
        line.number("retrieved", self.retrieved);
        if let Some(topped) = topped {
            line.number("topped", topped);
        }
        line.number("deleted", self.deleted);
        if self.submitted > 0 {
            line.number("submitted", self.submitted);
        }
    }
}

pub(super) fn write_app_password(name: Option<&CredentialName>, line: &mut Line<'_>) {
    if let Some(name) = name {
        line.text("app_password", name);
    }
}
