//! Where a directory listens: `ldap://`, `ldaps://` and `ldapi://` addresses, and what TLS there is to be.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub(super) address: Address,
    pub(super) tls: Tls,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A name or an address without brackets.
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Off,
    Upgrade,
    Implicit,
}

impl Server {
    /// Reads `ldap://host[:port]`, `ldaps://host[:port]`, `ldapi:///path` or `ldapi://%2Fpath`. `starttls` says whether TLS is started
    /// on `ldap://`; `None`: yes, unless the server is on this machine.
    ///
    /// # Errors
    /// Another form, or StartTLS where there is TLS or a socket already.
    pub fn parse(url: &str, starttls: Option<bool>) -> Result<Self, InvalidServer> {
        let (scheme, rest) = url.split_once("://").ok_or(InvalidServer)?;
        if rest.contains(['?', '#', '@']) {
            return Err(InvalidServer);
        }
        let address = match scheme {
            "ldapi" => Address::Unix(socket(rest)?),
            "ldap" => tcp(rest, 389)?,
            "ldaps" => tcp(rest, 636)?,
            _ => return Err(InvalidServer),
        };
        let tls = match (scheme, starttls.unwrap_or_else(|| !address.is_here())) {
            ("ldaps", _) => Tls::Implicit,
            ("ldap", true) => Tls::Upgrade,
            _ => Tls::Off,
        };
        Ok(Self { address, tls })
    }

    /// The port that is connected to; `None` for a socket of this machine.
    pub fn port(&self) -> Option<u16> {
        match &self.address {
            Address::Unix(_) => None,
            Address::Tcp { port, .. } => Some(*port),
        }
    }

    /// Whether passwords would go over a network in clear.
    pub fn is_in_clear(&self) -> bool {
        self.tls == Tls::Off && !self.address.is_here()
    }
}

impl Address {
    /// Whether it is on this machine.
    fn is_here(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => match host.parse::<IpAddr>() {
                Ok(address) => address.to_canonical().is_loopback(),
                Err(_) => host.eq_ignore_ascii_case("localhost"),
            },
        }
    }
}

fn tcp(text: &str, default: u16) -> Result<Address, InvalidServer> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(InvalidServer)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| InvalidServer)?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(InvalidServer)?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    if host.is_empty() || !host.chars().all(is_host) {
        return Err(InvalidServer);
    }
    let port = match port {
        Some(port) => port.parse().ok().filter(|&port| port != 0).ok_or(InvalidServer)?,
        None => default,
    };
    Ok(Address::Tcp { host: host.to_owned(), port })
}

/// A path, as it is or with `%2F` for each slash, as the tools of OpenLDAP want it.
fn socket(text: &str) -> Result<PathBuf, InvalidServer> {
    let mut path = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('%') {
        path.push_str(before);
        let (digits, after) = behind.split_at_checked(2).ok_or(InvalidServer)?;
        let octet = u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii).ok_or(InvalidServer)?;
        path.push(char::from(octet));
        rest = after;
    }
    path.push_str(rest);
    if path.starts_with('/') && !path.contains('\0') && path.len() > 1 {
        Ok(PathBuf::from(path))
    } else {
        Err(InvalidServer)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.address, self.tls) {
            (Address::Unix(path), _) => write!(f, "ldapi://{}", path.display()),
            (Address::Tcp { host, port }, tls) => {
                let scheme = if tls == Tls::Implicit { "ldaps" } else { "ldap" };
                match host.contains(':') {
                    true => write!(f, "{scheme}://[{host}]:{port}"),
                    false => write!(f, "{scheme}://{host}:{port}"),
                }
            }
        }
    }
}

/// A text is no address of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidServer;

impl fmt::Display for InvalidServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no address of a directory")
    }
}

impl Error for InvalidServer {}
