//! What an error of the client means to a person: what happened and where, what to do about it, and when to try again.
//!
//! Pure. The sentences of well-known providers are in `texts`. Who shows the advice, and who tries again, decides; nothing here is
//! kept or counted.

mod texts;

use std::fmt;
use std::time::Duration;

use restante_proto::client::cause::LoginCause;
use restante_proto::client::choice::Unfit;
use restante_proto::client::{ProtocolError, Refusal};
use restante_proto::reply::ResponseCode;
use restante_proto::visible::is_hidden;

use crate::connect::{Address, Route};
use crate::error::{Error, Waiting};
use crate::identity::CertificateFault;
use crate::pin::Pin;
use crate::proxy::ProxyError;

/// What to make of an error.
///
/// ```
/// use restante_client::advice::{Advice, Kind, Retry, Shown};
/// use restante_client::connect::{Address, Route};
/// use restante_client::error::Error;
/// use restante_proto::client::Refusal;
/// use restante_proto::client::cause::LoginCause;
///
/// let refusal = Refusal { code: None, text: "Application-specific password required".into() };
/// let error = Error::Login { refusal, cause: LoginCause::Credentials };
/// let route = Route::from(Address::Tcp { host: "pop.gmail.com".into(), port: 995 });
/// let advice = Advice::of(&error, &route, Shown::Password);
/// assert_eq!((advice.kind, advice.retry), (Kind::AppPasswordNeeded, Retry::Never));
/// assert!(advice.what.starts_with("pop.gmail.com:995: the server refused the login"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What is the matter, for programs.
    pub kind: Kind,
    /// What happened and where: one line, lower case after the place, no full stop, no control characters.
    pub what: String,
    /// What to do next: one line in the imperative, no full stop.
    pub remedy: String,
    /// Whether to try again.
    pub retry: Retry,
}

/// What is the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The server does not accept the user name and the password; most often they are wrong.
    WrongPassword,
    /// The server does not accept the token: it has expired, was taken back, or is for something else.
    TokenRefused,
    /// The provider takes only passwords that were made for programs.
    AppPasswordNeeded,
    /// The provider takes no passwords any more, only tokens.
    OAuthNeeded,
    /// The provider wants to see the user in a browser before anything else.
    BrowserNeeded,
    /// The account exists, and its owner (or an administrator) has not switched POP3 on.
    PopSwitchedOff,
    /// Too many logins, connections or octets for now.
    RateLimited,
    /// Somebody else has the maildrop open.
    Busy,
    /// The last login was too recent.
    LoginDelay,
    /// The server has a fault that passes.
    ServerFault,
    /// The server has a fault that somebody has to mend.
    SupportNeeded,
    /// There is no user name.
    UserMissing,
    /// No way to log in fits the server, the URL and what there is to show.
    NoWay,
    /// A password would be shown to everybody on the way.
    NotEncrypted,
    /// There is no such host, or the DNS does not answer.
    NameUnknown,
    /// The domain says that it has no POP3 server.
    NotOffered,
    /// Nobody answers there, or the connection broke.
    Unreachable,
    /// The proxy is the reason.
    Proxy,
    /// The server offers no TLS where TLS is demanded.
    TlsMissing,
    /// The TLS handshake failed.
    Tls,
    /// The server cannot prove that it is the right one.
    Certificate(CertificateFault),
    /// The server broke the protocol.
    Protocol,
    /// The server refused something else than a login.
    Refused,
    /// What this side was given cannot be used: a name, a certificate, a request.
    Configuration,
    /// This side failed: a disk, a pipe, chance.
    Local,
}

/// Whether the same is worth trying again without anybody changing anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No: it would fail in the same way, and may lock the account.
    Never,
    /// Yes, but not before so long. A server that says how long it wants (LOGIN-DELAY) knows better.
    Later(Duration),
}

/// What was shown to log in, which decides what a refusal means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// A password.
    #[default]
    Password,
    /// A bearer token.
    Token,
    /// A certificate, or nothing.
    Other,
}

impl Advice {
    /// What to make of `error`, which came of speaking with the server at the end of `route`.
    #[must_use]
    pub fn of(error: &Error, route: &Route, shown: Shown) -> Self {
        let judged = judge(error, route, shown);
        Self {
            kind: judged.kind,
            what: format!("{}: {}", one_line(&route.to_string()), explain(error, route)),
            remedy: judged.remedy,
            retry: judged.retry,
        }
    }
}

impl fmt::Display for Advice {
    /// `what; remedy`
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}; {}", self.what, self.remedy)
    }
}

struct Judged {
    kind: Kind,
    remedy: String,
    retry: Retry,
}

fn never(kind: Kind, remedy: impl Into<String>) -> Judged {
    Judged { kind, remedy: remedy.into(), retry: Retry::Never }
}

fn later(kind: Kind, after: Duration, remedy: impl Into<String>) -> Judged {
    Judged { kind, remedy: remedy.into(), retry: Retry::Later(after) }
}

fn judge(error: &Error, route: &Route, shown: Shown) -> Judged {
    match error {
        Error::Login { refusal, cause } => login(refusal, *cause, host(route), shown),
        Error::Rejected(refusal) | Error::Refused(refusal) => refused(refusal, host(route), shown),
        Error::NoUser => never(Kind::UserMissing, "give a user name, before the @ of the URL"),
        Error::NoWay(Unfit::NeedsTls) => {
            never(Kind::NotEncrypted, "use pops:// or STLS; allow plain text only on a loopback address")
        }
        Error::NoWay(_) | Error::NotPossible(_) => never(
            Kind::NoWay,
            "leave the choice of the login to the server (no ;AUTH= in the URL), or ask what it offers",
        ),
        Error::NoStls => never(
            Kind::TlsMissing,
            "use pops:// (TLS from the first octet, port 995); if that fails too, ask the server's operator for TLS",
        ),
        Error::Certificate { fault, .. } => certificate(*fault),
        Error::Tls(cause) => tls(cause),
        Error::Proxy(why) => proxy(why),
        Error::Resolve { .. } | Error::Connect(_) => unreached(error, route),
        Error::Timeout(Waiting::Connect | Waiting::Lookup) => unreached(error, route),
        Error::Lookup(_) => later(Kind::NameUnknown, SOON, "check whether this machine's DNS works"),
        Error::NotOffered(_) => {
            never(Kind::NotOffered, "ask the provider for its POP3 server, if it has one")
        }
        Error::Timeout(Waiting::Tls | Waiting::Read) | Error::Closed => later(
            Kind::Unreachable,
            SOON,
            "try again later; if it is always so, check the port and whether TLS begins at once (pops://) or not (pop://)",
        ),
        Error::Network(_) | Error::Timeout(Waiting::Write) => {
            later(Kind::Unreachable, SOON, "try again later; the server keeps what was not deleted")
        }
        Error::Protocol(ProtocolError::InjectedBeforeTls | ProtocolError::ServerUnproven) => never(
            Kind::Protocol,
            "do not trust this network: somebody may pretend to be the server; try another one, and tell the server's operator",
        ),
        Error::Protocol(_) | Error::Malformed => {
            never(Kind::Protocol, "record the session and show it to the server's operator")
        }
        Error::LmtpRejected(reply) if reply.is_temporary() => server_fault(),
        Error::LmtpRejected(_) | Error::LmtpProtocol(_) => {
            never(Kind::Protocol, "check that this is the LMTP server that is meant")
        }
        Error::ServerName(_) => never(Kind::Configuration, "name the server by a DNS name or an IP address"),
        Error::OwnCertificate(_) => {
            never(Kind::Configuration, "check the PEM files of the authorities, the certificate and its key")
        }
        Error::NoRoots => never(
            Kind::Configuration,
            "install the authorities of the system (ca-certificates), or name a file of them",
        ),
        Error::Request(_) | Error::Transaction(_) | Error::OutOfStep => never(
            Kind::Configuration,
            "check user name, password and addresses for characters that cannot be sent",
        ),
        Error::Local(_) | Error::NoChance => {
            later(Kind::Local, SOON, "look at this machine: the disk, the program that takes the message")
        }
    }
}

/// Nobody was reached.
fn unreached(error: &Error, route: &Route) -> Judged {
    match error {
        // Nobody but the proxy is looked up or connected to then.
        Error::Resolve { .. } if route.goes_through_proxy() => later(
            Kind::Proxy,
            SOON,
            "check the spelling of the proxy's host, and whether this machine's DNS works",
        ),
        Error::Connect(_) if route.goes_through_proxy() => {
            later(Kind::Proxy, SOON, "check the proxy's host and port, and whether it runs")
        }
        Error::Resolve { .. } => later(
            Kind::NameUnknown,
            SOON,
            "check the spelling of the host, and whether this machine's DNS works",
        ),
        _ => later(
            Kind::Unreachable,
            SOON,
            "check host and port, and whether a firewall or a missing proxy is in between",
        ),
    }
}

/// A refused login: by what the provider is known to say, else by its response code.
fn login(refusal: &Refusal, cause: LoginCause, host: &str, shown: Shown) -> Judged {
    if let Some(known) = texts::of(refusal, host, shown) {
        return known;
    }
    match (refusal.code, cause) {
        (Some(ResponseCode::InUse), _) => busy(),
        (Some(ResponseCode::LoginDelay), _) => login_delay(),
        (_, LoginCause::Later) => server_fault(),
        (_, LoginCause::Support) => support(),
        (_, LoginCause::Credentials | LoginCause::Unknown) => texts::wrong(host, shown),
    }
}

/// A greeting, or anything after the login, that is a refusal.
fn refused(refusal: &Refusal, host: &str, shown: Shown) -> Judged {
    if let Some(known) = texts::of(refusal, host, shown) {
        return known;
    }
    match refusal.code {
        Some(ResponseCode::InUse) => busy(),
        Some(ResponseCode::LoginDelay) => login_delay(),
        Some(ResponseCode::SysTemp) => server_fault(),
        Some(ResponseCode::SysPerm) => support(),
        Some(ResponseCode::Auth) => texts::wrong(host, shown),
        Some(ResponseCode::Utf8) | None => {
            never(Kind::Refused, "read what the server says; if it does not help, ask its operator")
        }
    }
}

fn busy() -> Judged {
    later(Kind::Busy, BUSY, "wait until the other program that has the maildrop open is through, or close it")
}

fn login_delay() -> Judged {
    later(Kind::LoginDelay, DELAY, "wait; the server lets nobody log in so often")
}

fn server_fault() -> Judged {
    later(Kind::ServerFault, SOON, "try again later with the same password; the server has a passing fault")
}

fn support() -> Judged {
    never(Kind::SupportNeeded, "ask the provider's support: the password is not the matter")
}

/// The key that the server has shown stands in [`explain`] already.
fn certificate(fault: CertificateFault) -> Judged {
    let remedy = match fault {
        CertificateFault::Expired => "ask the server's operator to renew it, and check this machine's clock",
        CertificateFault::NotYetValid => "check this machine's clock",
        CertificateFault::WrongName => "name the server as its certificate does",
        CertificateFault::UnknownIssuer => {
            "if it is from an authority of your own, name that authority's file; else compare the key with what the operator tells you, and \
             pin it in place of the chain"
        }
        CertificateFault::NotPinned => {
            "if the operator confirms the new key, add its pin; if not, somebody pretends to be the server"
        }
        CertificateFault::Revoked => "do not use this server before it has a new certificate",
        CertificateFault::WrongPurpose | CertificateFault::Invalid => {
            "ask the server's operator for a certificate that is valid for a TLS server; or compare the key with what the operator tells \
             you, and pin it in place of the chain"
        }
    };
    never(Kind::Certificate(fault), remedy)
}

/// A handshake that failed, sorted by what the other side seems to be.
fn tls(cause: &std::io::Error) -> Judged {
    use rustls::{AlertDescription, Error as Tls};
    match cause.get_ref().and_then(|inner| inner.downcast_ref::<Tls>()) {
        Some(Tls::InvalidMessage(_)) => never(
            Kind::Tls,
            "the server does not speak TLS on this port: use pop:// (STLS, port 110), or pops:// with the right port (995)",
        ),
        Some(Tls::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure))
        | Some(Tls::PeerIncompatible(_)) => {
            never(Kind::Tls, "ask the server's operator for TLS 1.2 or 1.3; older ones are not spoken here")
        }
        Some(Tls::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown,
        )) => never(Kind::Tls, "show the server a client certificate that it accepts"),
        Some(_) => never(Kind::Tls, "ask the server's operator what its TLS wants"),
        None if cause.kind() == std::io::ErrorKind::Unsupported => {
            never(Kind::Configuration, "use no TLS over a unix socket: nobody else can listen there")
        }
        // The connection broke in the middle.
        None => later(Kind::Unreachable, SOON, "try again later; if it is always so, check the port"),
    }
}

fn proxy(why: &ProxyError) -> Judged {
    let remedy = match why {
        ProxyError::LoginNeeded => "write user:password@ before the proxy's host",
        ProxyError::LoginRefused => "check the user name and the password of the proxy",
        ProxyError::NoWay => "use a proxy that takes a password or none",
        ProxyError::NotSocks => "check the proxy's host and port, or write http:// if it is an HTTP proxy",
        ProxyError::NotHttp => "check the proxy's host and port, or write socks5:// if it is a SOCKS proxy",
        ProxyError::Host(_) => "name the server by a DNS name or an IP address",
        ProxyError::HttpRefused { code: 400..=499, .. } => {
            "ask whoever runs the proxy to allow CONNECT to this host and port"
        }
        ProxyError::Refused(_) | ProxyError::HttpRefused { .. } => {
            "check host and port of the server, and what the proxy may connect to"
        }
        ProxyError::Closed | ProxyError::Network(_) => "check whether the proxy runs",
    };
    match why.is_temporary() {
        true => later(Kind::Proxy, SOON, remedy),
        false => never(Kind::Proxy, remedy),
    }
}

/// The host whose provider is looked for; nothing for a unix socket.
fn host(route: &Route) -> &str {
    match &route.address {
        Address::Tcp { host, .. } => host,
        Address::Unix(_) => "",
    }
}

/// What happened at the end of `route`, with its causes: one line for somebody who has read the route already, so that no host in it is
/// said again. No control characters, and not longer than a screen.
///
/// ```
/// use restante_client::advice::explain;
/// use restante_client::connect::{Address, Route};
/// use restante_client::error::Error;
///
/// let route = Route::from(Address::Tcp { host: "127.0.0.1".into(), port: 995 });
/// let error = Error::Connect(std::io::Error::other("127.0.0.1:995: Connection refused"));
/// assert_eq!(explain(&error, &route), "cannot connect: Connection refused");
/// ```
#[must_use]
pub fn explain(error: &Error, route: &Route) -> String {
    let (next, of_the_proxy, to_the_proxy) = match &route.proxy {
        Some(proxy) if route.goes_through_proxy() => {
            let next = Address::Tcp { host: proxy.host().to_owned(), port: proxy.port() };
            (next, " of the proxy", " to the proxy")
        }
        _ => (route.address.clone(), "", ""),
    };
    one_line(&match error {
        Error::Connect(cause) => {
            let why = cause.to_string();
            let why = why.strip_prefix(&format!("{next}: ")).unwrap_or(&why);
            format!("cannot connect{to_the_proxy}: {why}")
        }
        Error::Resolve { host, cause } if matches!(&next, Address::Tcp { host: next, .. } if next == host) => {
            let why = cause.to_string();
            let why = why.strip_prefix(LOOKUP_FAILED).unwrap_or(&why);
            format!("the address{of_the_proxy} cannot be looked up: {why}")
        }
        Error::Certificate { fault, seen, cause } => not_recognized(*fault, *seen, cause),
        error => chain(error),
    })
}

/// What is wrong with a certificate, and the key in it. TLS's own words where they tell more: which names, which dates, what is odd.
fn not_recognized(fault: CertificateFault, seen: Option<Pin>, cause: &std::io::Error) -> String {
    let mut line = fault.to_string();
    if !matches!(fault, CertificateFault::UnknownIssuer | CertificateFault::NotPinned) {
        let why = cause.to_string();
        let why = why.strip_prefix("invalid peer certificate: ").unwrap_or(&why);
        let bare = why.strip_prefix("Other(OtherError(").and_then(|why| why.strip_suffix("))"));
        line.push_str(": ");
        line.push_str(bare.unwrap_or(why));
    }
    if let Some(seen) = seen {
        let whose = if fault == CertificateFault::NotPinned { "it is" } else { "its key is" };
        line.push_str(&format!("; {whose} {seen}"));
    }
    line
}

/// An error and its causes, outermost first; what was quoted already is not said twice.
fn chain(error: &Error) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = inner.source();
    }
    line
}

/// Without what steers a terminal or is not seen, and not longer than a screen.
fn one_line(text: &str) -> String {
    let letters = text.chars().take(WHAT_LETTERS_MAX);
    letters.map(|letter| if is_hidden(letter) { ' ' } else { letter }).collect()
}

/// For what may pass at any moment.
const SOON: Duration = Duration::from_secs(60);
/// Another program seldom takes longer; where one has died, the server waits for ten minutes before it lets go (RFC 1939 section 3).
const BUSY: Duration = Duration::from_secs(5 * 60);
/// What providers mostly want between two logins, when they do not say it.
const DELAY: Duration = Duration::from_secs(15 * 60);
/// After "too often": an hour of quiet is what providers ask for.
const QUIET: Duration = Duration::from_secs(3600);
/// What the standard library puts in front of the resolver's words.
const LOOKUP_FAILED: &str = "failed to lookup address information: ";
/// Reply lines are at most 512 octets; the rest is ours.
const WHAT_LETTERS_MAX: usize = 1000;

#[cfg(test)]
mod tests;
