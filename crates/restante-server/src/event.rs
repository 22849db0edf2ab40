//! Every line of the log as one enum, and how it is written.
//!
//! Lives here: `Event` and its fields. The two forms of a line are in `event/line.rs`, the way to the log's target in
//! `event/log.rs`. No event holds a secret; octets from outside appear escaped.

pub(crate) mod certificate;
pub(crate) mod defence;
mod line;
mod log;
mod repeats;
pub(crate) mod session;

use crate::bans::Ban;
use crate::config::{Address, LogFormat, Protocol, TlsMode};
use crate::holders::Superseded;
use crate::walls::Standing;
use certificate::CertificateEvent;
use defence::AuthFailure;
use line::Line;
use restante_auth::account::AccountName;
use restante_auth::credential::CredentialName;
use restante_auth::directory::SourceError;
use session::{SessionEnd, write_app_password};
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

pub(crate) use log::{Log, OpenedLog};
pub(crate) use repeats::Repeats;

/// What is logged. Fields borrow: an event is written at once.
pub(crate) enum Event<'a> {
    /// The server serves.
    Started { version: &'a str, hostname: &'a str },
    /// With what rights.
    Walls(&'a Standing),
    /// A listener accepts connections.
    Listening { protocol: Protocol, address: &'a Address, tls: TlsMode },
    /// A listener was taken out by a reload.
    NotListening { address: &'a Address },
    /// Accepting failed; it is tried again after a pause.
    AcceptFailed { address: &'a Address, error: &'a dyn Error },
    /// A connection was refused because of a limit; so many of late without a line.
    Refused { protocol: Protocol, peer: &'a Peer, limit: &'a str, unsaid: u64 },
    /// A connection to a listener behind proxies came from elsewhere, or without a good header.
    ProxyRefused { protocol: Protocol, peer: &'a Peer, error: &'a dyn Error, unsaid: u64 },
    /// A session ended.
    Session(&'a SessionEnd),
    /// Credentials were not accepted.
    AuthFailed(&'a AuthFailure<'a>),
    /// A network is kept out from now on.
    BanAdded { ban: &'a Ban },
    /// It is not any more: `over` or `removed`.
    BanLifted { ban: &'a Ban, why: &'a str },
    /// A login was refused although its credentials were right.
    LoginRefused {
        trace: Trace,
        peer: &'a Peer,
        user: &'a [u8],
        method: &'a str,
        reason: &'a dyn fmt::Display,
    },
    /// A mail server was told that its client's credentials are right.
    Authenticated {
        trace: Trace,
        peer: &'a Peer,
        account: &'a AccountName,
        service: &'a [u8],
        method: &'a str,
        app_password: Option<&'a CredentialName>,
    },
    /// A login has taken over the maildrop of a session that was silent.
    TakenOver { trace: Trace, peer: &'a Peer, account: &'a AccountName, superseded: &'a Superseded },
    /// Somebody reads as nobody in particular, and tells this of themselves.
    Anonymous { trace: Trace, peer: &'a Peer, told: &'a [u8] },
    /// A message was delivered to one recipient.
    Delivered(&'a DeliveryEnd<'a>),
    /// A message was removed, for good.
    Deleted(&'a DeletedMessage<'a>),
    /// All maildrops were looked through for what is old enough to go.
    Round(&'a RoundEnd),
    /// A message was not delivered to one recipient.
    Undelivered { delivery: &'a DeliveryEnd<'a>, error: &'a dyn Error },
    /// A message of XTND XMIT was handed over.
    Submitted(&'a SubmissionEnd<'a>),
    /// A message of XTND XMIT was not; the client was told.
    NotSubmitted { submission: &'a SubmissionEnd<'a>, error: &'a dyn Error },
    /// Something failed while a session was served; the peer was told a response code and no more.
    Fault {
        trace: Trace,
        peer: &'a Peer,
        account: Option<&'a AccountName>,
        doing: &'a str,
        error: &'a dyn Error,
    },
    /// Whether credentials are right could not be said; so many of the same source of late without a line.
    LoginFault { trace: Trace, peer: &'a Peer, doing: &'a str, error: &'a SourceError, unsaid: u64 },
    /// A maildrop did not open because its unique-ids have changed; the peer was told that the fault will pass.
    Guarded { trace: Trace, peer: &'a Peer, account: &'a AccountName, why: &'a dyn fmt::Display },
    /// What the store noticed about a maildrop although it works.
    MaildropWarning { trace: Trace, account: Option<&'a AccountName>, problem: &'a dyn fmt::Display },
    /// What becomes of certificates.
    Certificate(CertificateEvent<'a>),
    /// A source of accounts was read again.
    AccountsReloaded { source: &'a str, accounts: usize },
    /// A source of accounts could not be read again; the known accounts stay.
    AccountsKept { error: &'a dyn Error },
    /// A source of accounts is in use, but something in it may not mean what its author thinks.
    AccountsDoubtful { error: &'a dyn Error },
    /// A new configuration is in use.
    ConfigurationReloaded,
    /// A new configuration is not usable; the old one stays.
    ConfigurationKept { problem: &'a dyn fmt::Display },
    /// What the operator should know about the configuration in use.
    Warning { problem: &'a dyn fmt::Display },
    /// The server stops: nothing new is accepted, commands in progress are finished.
    Draining { sessions: usize },
    /// The server has stopped; so many sessions were cut.
    Stopped { cut: usize },
    /// So many log lines could not be kept: their target was too slow.
    Lost { lines: u64 },
}

impl Event<'_> {
    fn level(&self) -> &'static str {
        match self {
            Self::AcceptFailed { .. } | Self::Fault { .. } => "error",
            Self::AccountsKept { .. } | Self::ConfigurationKept { .. } | Self::Lost { .. } => "error",
            Self::Undelivered { .. } | Self::Guarded { .. } => "error",
            Self::Certificate(event) => event.level(),
            Self::NotSubmitted { .. } => "warn",
            // What may pass by itself: a queue that is full, a source that is away.
            Self::LoginFault { error, .. } => {
                if error.is_temporary() {
                    "warn"
                } else {
                    "error"
                }
            }
            Self::Refused { .. } | Self::ProxyRefused { .. } | Self::LoginRefused { .. } => "warn",
            Self::AuthFailed(_) | Self::BanAdded { .. } => "warn",
            Self::Warning { .. } | Self::MaildropWarning { .. } | Self::AccountsDoubtful { .. } => "warn",
            _ => "info",
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Walls(_) => "walls",
            Self::Listening { .. } => "listening",
            Self::NotListening { .. } => "not_listening",
            Self::AcceptFailed { .. } => "accept_failed",
            Self::Refused { .. } => "connection_refused",
            Self::ProxyRefused { .. } => "proxy_refused",
            Self::Session(_) => "session",
            Self::AuthFailed(_) => "auth_failed",
            Self::BanAdded { .. } => "ban_added",
            Self::BanLifted { .. } => "ban_lifted",
            Self::LoginRefused { .. } => "login_refused",
            Self::Authenticated { .. } => "authenticated",
            Self::TakenOver { .. } => "taken_over",
            Self::Anonymous { .. } => "anonymous",
            Self::Delivered(_) => "delivered",
            Self::Deleted(_) => "deleted",
            Self::Round(_) => "expiry_round",
            Self::Undelivered { .. } => "undelivered",
            Self::Submitted(_) => "submitted",
            Self::NotSubmitted { .. } => "not_submitted",
            Self::Fault { .. } | Self::LoginFault { .. } => "fault",
            Self::Guarded { .. } => "maildrop_guarded",
            Self::MaildropWarning { .. } => "maildrop_warning",
            Self::Certificate(event) => event.name(),
            Self::AccountsReloaded { .. } => "accounts_reloaded",
            Self::AccountsKept { .. } => "accounts_kept",
            Self::AccountsDoubtful { .. } => "accounts_doubtful",
            Self::ConfigurationReloaded => "configuration_reloaded",
            Self::ConfigurationKept { .. } => "configuration_kept",
            Self::Warning { .. } => "warning",
            Self::Draining { .. } => "draining",
            Self::Stopped { .. } => "stopped",
            Self::Lost { .. } => "log_lines_lost",
        }
    }

    /// Appends the event as one line with its line feed.
    fn write(&self, format: LogFormat, now: SystemTime, output: &mut String) {
        let mut line = Line::begin(format, output);
        match jiff::Timestamp::try_from(now) {
            Ok(time) => line.word("time", &format_args!("{time:.6}")),
            // A clock outside of the years that dates can have is still worth a line.
            Err(_) => line.word("time", &"unknown"),
        }
        line.word("level", &self.level());
        line.word("event", &self.name());
        self.fields(&mut line);
        line.end();
    }

    fn fields(&self, line: &mut Line<'_>) {
        match self {
            Self::Started { version, hostname } => {
                line.word("version", version);
                line.text("hostname", hostname);
            }
            Self::Walls(standing) => walls(standing, line),
            Self::Listening { protocol, address, tls } => {
                line.word("protocol", &protocol.as_str());
                line.text("address", address);
                line.word("tls", &tls.as_str());
            }
            Self::NotListening { address } => line.text("address", address),
            Self::AcceptFailed { address, error } => {
                line.text("address", address);
                line.text("error", &chain(*error));
            }
            Self::Session(end) => end.fields(line),
            Self::Refused { .. } | Self::ProxyRefused { .. } | Self::AuthFailed(_) => self.of_defence(line),
            Self::LoginFault { .. } => self.of_defence(line),
            Self::BanAdded { .. } | Self::BanLifted { .. } => self.of_defence(line),
            Self::LoginRefused { trace, peer, user, method, reason } => {
                typed(*trace, peer, ("user", user), line);
                line.word("method", method);
                line.text("reason", reason);
            }
            Self::Authenticated { trace, peer, account, service, method, app_password } => {
                session(*trace, peer, Some(account), line);
                line.text("service", &shown(service));
                line.word("method", method);
                write_app_password(*app_password, line);
            }
            Self::TakenOver { trace, peer, account, superseded } => {
                session(*trace, peer, Some(account), line);
                superseded.fields(line);
            }
            Self::Anonymous { trace, peer, told } => typed(*trace, peer, ("told", told), line),
            Self::Delivered(delivery) => delivery.fields(line),
            Self::Deleted(message) => message.fields(line),
            Self::Round(round) => round.fields(line),
            Self::Undelivered { delivery, error } => delivery.failed(*error, line),
            Self::Submitted(submission) => submission.fields(line),
            Self::NotSubmitted { submission, error } => submission.failed(*error, line),
            Self::Fault { trace, peer, account, doing, error } => {
                session(*trace, peer, *account, line);
                fault(doing, *error, line);
            }
            Self::Guarded { trace, peer, account, why } => guarded(*trace, peer, account, *why, line),
            Self::MaildropWarning { trace, account, problem } => warning(*trace, *account, *problem, line),
            Self::Certificate(event) => event.fields(line),
            Self::AccountsReloaded { source, accounts } => reloaded(source, *accounts, line),
            Self::AccountsKept { error } | Self::AccountsDoubtful { error } => {
                line.text("error", &chain(*error))
            }
            Self::ConfigurationReloaded => {}
            Self::ConfigurationKept { problem } | Self::Warning { problem } => line.text("problem", problem),
            Self::Draining { sessions } => line.number("sessions", *sessions as u64),
            Self::Stopped { cut } => line.number("cut", *cut as u64),
            Self::Lost { lines } => line.number("lines", *lines),
        }
    }

    /// Who is over a limit, failed, is kept out, or is let in again.
    fn of_defence(&self, line: &mut Line<'_>) {
        match self {
            Self::Refused { protocol, peer, limit, unsaid } => {
                connection(*protocol, peer, line);
                line.text("limit", limit);
                defence::unsaid(*unsaid, line);
            }
            Self::ProxyRefused { protocol, peer, error, unsaid } => {
                connection(*protocol, peer, line);
                line.text("error", &chain(*error));
                defence::unsaid(*unsaid, line);
            }
            Self::LoginFault { trace, peer, doing, error, unsaid } => {
                session(*trace, peer, None, line);
                fault(doing, *error, line);
                defence::unsaid(*unsaid, line);
            }
            Self::AuthFailed(failure) => failure.fields(line),
            Self::BanAdded { ban } => defence::ban_added(ban, line),
            Self::BanLifted { ban, why } => defence::ban_lifted(ban, why, line),
            _ => {}
        }
    }
}

/// What holds of the server's rights.
fn walls(standing: &Standing, line: &mut Line<'_>) {
    line.text("user", &standing.user);
    line.text("capabilities", &standing.capabilities);
    line.word("no_new_privileges", &standing.no_new_privileges);
    line.text("files", &standing.files);
    line.text("calls", &standing.calls);
}

/// Accounts that were read again.
fn reloaded(source: &str, accounts: usize, line: &mut Line<'_>) {
    line.text("source", &source);
    line.number("accounts", accounts as u64);
}

/// What failed.
fn fault(doing: &str, error: &dyn Error, line: &mut Line<'_>) {
    line.text("doing", &doing);
    line.text("error", &chain(error));
}

/// A session that goes on.
fn session(trace: Trace, peer: &Peer, account: Option<&AccountName>, line: &mut Line<'_>) {
    line.word("trace", &trace);
    line.text("peer", peer);
    account.iter().for_each(|account| line.text("account", account));
}

/// A maildrop that is not shown before the operator has looked.
fn guarded(trace: Trace, peer: &Peer, account: &AccountName, why: &dyn fmt::Display, line: &mut Line<'_>) {
    session(trace, peer, Some(account), line);
    line.text("why", why);
    line.text("remedy", &format_args!("put right what changed, or: restante maildrop accept {account}"));
}

/// What does not stop a session.
fn warning(trace: Trace, account: Option<&AccountName>, problem: &dyn fmt::Display, line: &mut Line<'_>) {
    line.word("trace", &trace);
    account.iter().for_each(|account| line.text("account", account));
    line.text("problem", problem);
}

impl Superseded {
    fn fields(&self, line: &mut Line<'_>) {
        line.word("from_trace", &self.trace);
        line.text("from_peer", &self.peer);
        line.number("silent_s", self.silent.as_secs());
    }
}

/// What somebody typed at a login; not more than can be of use.
fn typed(trace: Trace, peer: &Peer, (key, octets): (&'static str, &[u8]), line: &mut Line<'_>) {
    line.word("trace", &trace);
    line.text("peer", peer);
    line.text(key, &shown(octets));
}

/// What somebody typed, cut where it can be of no use any more.
fn shown(octets: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(octets.get(..USER_OCTETS_SHOWN).unwrap_or(octets))
}

/// A connection that did not become a session.
fn connection(protocol: Protocol, peer: &Peer, line: &mut Line<'_>) {
    line.word("protocol", &protocol.as_str());
    line.text("peer", peer);
}

/// How a session ended.
#[derive(Debug)]
pub(crate) enum End {
    /// QUIT.
    Quit,
    /// The session closed for a reason of its own: too many bad commands, an over-long exchange.
    Closed,
    /// The peer went away without QUIT.
    Disconnected,
    /// No command came in time.
    NoCommand,
    /// Nobody logged in in time.
    LoginDeadline,
    /// There were too many who had not logged in, and it was its turn to go.
    Displaced,
    /// Silence for too long.
    Silence,
    /// The peer did not take our octets.
    WriteDeadline,
    /// The socket failed.
    Broken(std::io::Error),
    /// The handshake failed.
    Handshake(std::io::Error),
    /// A message broke off in the middle, and with it the connection.
    MessageFailed,
    /// The server stops.
    Draining,
    /// It was silent, and another session of the account has taken over its maildrop. Nothing was removed.
    TakenOver,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quit => f.write_str("quit"),
            Self::Closed => f.write_str("closed by us"),
            Self::Disconnected => f.write_str("disconnected"),
            Self::NoCommand => f.write_str("no command in time"),
            Self::LoginDeadline => f.write_str("no login in time"),
            Self::Displaced => f.write_str("made room for others"),
            Self::Silence => f.write_str("silent for too long"),
            Self::WriteDeadline => f.write_str("does not read"),
            Self::Broken(error) => write!(f, "connection failed: {error}"),
            Self::Handshake(error) => write!(f, "TLS handshake failed: {error}"),
            Self::MessageFailed => f.write_str("message could not be read to its end"),
            Self::Draining => f.write_str("server stops"),
            Self::TakenOver => f.write_str("maildrop taken over"),
        }
    }
}

/// What there is to say about one delivery to one recipient.
pub(crate) struct DeliveryEnd<'a> {
    pub(crate) trace: Trace,
    pub(crate) peer: &'a Peer,
    pub(crate) account: &'a AccountName,
    /// The envelope sender; empty for notifications.
    pub(crate) sender: &'a str,
    pub(crate) recipient: &'a str,
    /// Canonical octets as received, without the fields we put in front.
    pub(crate) octets: u64,
    pub(crate) unique_id: Option<&'a str>,
    pub(crate) duration: Duration,
}

impl DeliveryEnd<'_> {
    fn failed(&self, error: &dyn Error, line: &mut Line<'_>) {
        self.fields(line);
        line.text("error", &chain(error));
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word("trace", &self.trace);
        line.text("peer", self.peer);
        line.text("account", self.account);
        line.text("sender", &self.sender);
        line.text("recipient", &self.recipient);
        line.number("octets", self.octets);
        if let Some(unique_id) = self.unique_id {
            line.text("unique_id", &unique_id);
        }
        line.number("duration_us", u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX));
    }
}

/// What there is to say about one message that was removed.
pub(crate) struct DeletedMessage<'a> {
    pub(crate) trace: Trace,
    /// `None` when no client did it.
    pub(crate) peer: Option<&'a Peer>,
    pub(crate) account: &'a AccountName,
    pub(crate) unique_id: &'a str,
    /// Canonical octets as listed.
    pub(crate) octets: u64,
    /// As it stands in the header; empty when it has none, or was not in memory any more.
    pub(crate) message_id: &'a [u8],
    /// What removed it: `quit` or `expiry`.
    pub(crate) by: &'a str,
}

impl DeletedMessage<'_> {
    fn fields(&self, line: &mut Line<'_>) {
        line.word("trace", &self.trace);
        self.peer.iter().for_each(|peer| line.text("peer", peer));
        line.text("account", self.account);
        line.text("unique_id", &self.unique_id);
        line.number("octets", self.octets);
        if !self.message_id.is_empty() {
            line.text("message_id", &String::from_utf8_lossy(self.message_id));
        }
        line.word("by", &self.by);
    }
}

/// What a round through all maildrops has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RoundEnd {
    /// Accounts that were visited.
    pub(crate) accounts: u64,
    /// Messages that were removed because they were old enough.
    pub(crate) expired: u64,
    /// Accounts left out because somebody was logged in.
    pub(crate) skipped: u64,
    /// Accounts where something failed; there is a line for each.
    pub(crate) failed: u64,
}

impl RoundEnd {
    fn fields(&self, line: &mut Line<'_>) {
        line.number("accounts", self.accounts);
        line.number("expired", self.expired);
        line.number("skipped", self.skipped);
        line.number("failed", self.failed);
    }
}

/// What there is to say about one message that a client has handed in.
pub(crate) struct SubmissionEnd<'a> {
    pub(crate) trace: Trace,
    pub(crate) peer: &'a Peer,
    pub(crate) account: &'a AccountName,
    /// The envelope's sender: the account's address.
    pub(crate) sender: &'a str,
    /// How many recipients its header names.
    pub(crate) recipients: usize,
    /// Canonical octets as received.
    pub(crate) octets: u64,
    /// How it was handed over: `command` or `relay`.
    pub(crate) way: &'a str,
    pub(crate) duration: Duration,
}

impl SubmissionEnd<'_> {
    fn failed(&self, error: &dyn Error, line: &mut Line<'_>) {
        self.fields(line);
        line.text("error", &chain(error));
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word("trace", &self.trace);
        line.text("peer", self.peer);
        line.text("account", self.account);
        line.text("sender", &self.sender);
        line.number("recipients", self.recipients as u64);
        line.number("octets", self.octets);
        line.word("way", &self.way);
        line.number("duration_us", u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX));
    }
}

/// Whom a session talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Over TCP.
    Tcp(SocketAddr),
    /// A program of this machine, over a unix socket.
    Unix,
}

impl Peer {
    /// Does nothing of the conversation leave this machine?
    pub(crate) fn is_local(self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix => true,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// Names one session in the log and in `Received` lines. No two sessions of one server share it; it tells a peer
/// nothing about how many others there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Trace(pub(crate) u64);

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// An error with all its causes, outermost first.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors repeat their cause in their own words.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// A user name longer than any account's is shown cut.
const USER_OCTETS_SHOWN: usize = 255;

#[cfg(test)]
mod tests;
