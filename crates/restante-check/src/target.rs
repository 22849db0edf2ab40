//! Who is judged, as whom, and within which bounds: everything a run is told from outside.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use restante_client::connect::Address;
use restante_proto::url::{Host, PopUrl, Scheme, UrlError};
use rustls::RootCertStore;
use zeroize::Zeroizing;

use crate::wire::Deadlines;

/// A server to be judged.
#[derive(Clone, Debug)]
pub struct Target {
    /// The URL as it was given.
    pub url: String,
    /// Where it listens.
    pub address: Address,
    /// The name its certificate must be for.
    pub host: String,
    /// TLS from the first octet; else STLS as soon as it is offered.
    pub is_implicit_tls: bool,
    /// The account that the URL names.
    pub user: Option<String>,
}

impl Target {
    /// From a POP URL: `pop://[user@]host[:port]`, or `pops://` for TLS from the first octet.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let parsed = PopUrl::parse(url)?;
        let host = match parsed.host() {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.as_str().to_owned(),
        };
        Ok(Self {
            url: url.to_owned(),
            address: Address::Tcp { host: host.clone(), port: parsed.port() },
            host,
            is_implicit_tls: parsed.scheme() == Scheme::Pops,
            user: parsed.user().map(str::to_owned),
        })
    }
}

/// An account of the server. The password is wiped when this is dropped.
#[derive(Clone)]
pub struct Credentials {
    user: String,
    password: Zeroizing<Vec<u8>>,
}

impl Credentials {
    /// A name and its password; none when one of them cannot be said in POP3 (empty, or with CR, LF or NUL inside).
    #[must_use]
    pub fn new(user: &str, password: &[u8]) -> Option<Self> {
        let can_be_said = |octets: &[u8]| {
            !octets.is_empty() && !octets.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0))
        };
        let are_fit = can_be_said(user.as_bytes()) && can_be_said(password);
        are_fit.then(|| Self { user: user.to_owned(), password: Zeroizing::new(password.to_vec()) })
    }

    /// The name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    pub(crate) fn password(&self) -> &[u8] {
        &self.password
    }
}

/// Where the run may deliver messages of its own into the maildrop.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Where the other server listens.
    pub address: Address,
    /// LMTP; else SMTP.
    pub is_lmtp: bool,
    /// The address that leads to the maildrop.
    pub recipient: String,
}

impl Delivery {
    /// From `lmtp://host:port`, `lmtp:///path/to/socket`, `smtp://host[:port]` or the path of a unix socket (LMTP).
    /// None when `place` is neither, or the recipient cannot be said in SMTP.
    #[must_use]
    pub fn parse(place: &str, recipient: &str) -> Option<Self> {
        let is_plain = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'<' | b'>');
        if recipient.is_empty() || !recipient.bytes().all(is_plain) {
            return None;
        }
        let (is_lmtp, rest) = match place.split_once("://") {
            Some(("lmtp", rest)) => (true, rest),
            Some(("smtp", rest)) => (false, rest),
            Some(_) => return None,
            None => (true, place),
        };
        let address = if rest.starts_with('/') {
            Address::Unix(rest.into())
        } else {
            let (host, port) = match rest.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() => (host, port.parse().ok()?),
                _ if !is_lmtp && !rest.is_empty() => (rest, 25),
                _ => return None,
            };
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            Address::Tcp { host, port }
        };
        Some(Self { address, is_lmtp, recipient: recipient.to_owned() })
    }
}

/// What a run may cost.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Connections at most.
    pub connections: u32,
    /// From beginning to end; looked at between two judges.
    pub total: Duration,
    /// For each connection.
    pub deadlines: Deadlines,
    /// Between two attempts to log in where the maildrop is still locked, and between two looks for delivered mail.
    pub pause: Duration,
}

impl Default for Budget {
    /// 600 connections, 30 minutes; 20 seconds to connect, 30 for a reply.
    fn default() -> Self {
        Self {
            connections: 600,
            total: Duration::from_secs(1800),
            deadlines: Deadlines { connect: Duration::from_secs(20), reply: Duration::from_secs(30) },
            pause: Duration::from_millis(300),
        }
    }
}

/// What a run does, and to whom.
#[derive(Clone)]
pub struct Settings {
    /// The server.
    pub target: Target,
    /// An account; without one, only what can be seen before login is judged.
    pub credentials: Option<Credentials>,
    /// The authorities that a certificate must come from; without them, certificates are not judged and not trusted.
    pub roots: Option<Arc<RootCertStore>>,
    /// Whether the password may be sent where somebody else could read it: without TLS, or under TLS to a server whose
    /// certificate cannot be verified. Loopback is allowed without it.
    pub allow_plaintext: bool,
    /// Whether messages may be marked deleted, and the run's own be removed.
    pub is_destructive: bool,
    /// How messages of the run's own get into the maildrop; only used when `is_destructive`.
    pub delivery: Option<Delivery>,
    /// How long to idle to see that the server does not log out early; not looked at without it.
    pub idle: Option<Duration>,
    /// Keys of the only judges to run; all when empty.
    pub only: Vec<String>,
    /// Keys of judges not to run.
    pub skip: Vec<String>,
    /// The bounds.
    pub budget: Budget,
    /// Marks the run's own messages: a word that no message has.
    pub token: String,
    /// The date, for certificates.
    pub wall: SystemTime,
    /// A clock.
    pub now: fn() -> Instant,
}

impl Settings {
    /// A careful run against `target`: read-only, no account, everything that can be judged so.
    #[must_use]
    pub fn new(target: Target, token: String, wall: SystemTime, now: fn() -> Instant) -> Self {
        Self {
            target,
            credentials: None,
            roots: None,
            allow_plaintext: false,
            is_destructive: false,
            delivery: None,
            idle: None,
            only: Vec::new(),
            skip: Vec::new(),
            budget: Budget::default(),
            token,
            wall,
            now,
        }
    }
}

/// What the autologout timer of RFC 1939 section 3 must leave a client.
pub const AUTOLOGOUT_MIN: Duration = Duration::from_secs(599);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_delivery_are_lmtp_smtp_or_a_socket() {
        let parse = |place| {
            Delivery::parse(place, "a@example.org").map(|delivery| (delivery.address, delivery.is_lmtp))
        };
        let tcp = |host: &str, port| Address::Tcp { host: host.into(), port };
        assert_eq!(parse("lmtp://localhost:24"), Some((tcp("localhost", 24), true)));
        assert_eq!(parse("smtp://[::1]:2525"), Some((tcp("::1", 2525), false)));
        assert_eq!(parse("smtp://mail.example.org"), Some((tcp("mail.example.org", 25), false)));
        assert_eq!(parse("/run/lmtp"), Some((Address::Unix("/run/lmtp".into()), true)));
        assert_eq!(parse("lmtp:///run/lmtp"), Some((Address::Unix("/run/lmtp".into()), true)));
        for wrong in ["", "lmtp://localhost", "http://x:1", "localhost", "smtp://"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert!(Delivery::parse("/run/lmtp", "a> <b").is_none());
    }

    #[test]
    fn credentials_are_what_can_be_said() {
        assert!(Credentials::new("ann", b" pass phrase ").is_some());
        for (user, password) in
            [("", &b"x"[..]), ("ann", b""), ("a\r\nb", b"x"), ("ann", b"x\ny"), ("ann", b"\0")]
        {
            assert!(Credentials::new(user, password).is_none());
        }
    }
}
