//! The host of a POP URL: a name or an address.

use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

use super::UrlError;

/// A server: by name or by address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A DNS name.
    Name(HostName),
    /// An address; IPv6 is written in brackets.
    Address(IpAddr),
}

/// A DNS name in small letters: 1 to 253 octets, labels of 1 to 63 letters, digits, hyphens and underscores that
/// neither begin nor end with a hyphen, perhaps a dot at the end. The last label is no number, or the name would be an address.
/// Names beyond ASCII are written in their A-label form (`xn--…`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl Host {
    /// Parses a name, an IPv4 address or an IPv6 address in brackets.
    ///
    /// # Errors
    /// [`UrlError::Host`].
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if let Some(address) = text.strip_prefix('[') {
            let address = address.strip_suffix(']').ok_or(UrlError::Host)?;
            return address
                .parse()
                .map(|address| Self::Address(IpAddr::V6(address)))
                .map_err(|_| UrlError::Host);
        }
        match text.parse::<Ipv4Addr>() {
            Ok(address) => Ok(Self::Address(IpAddr::V4(address))),
            Err(_) => HostName::parse(text).map(Self::Name),
        }
    }

    /// The name, if it is one.
    #[must_use]
    pub const fn name(&self) -> Option<&HostName> {
        match self {
            Self::Name(name) => Some(name),
            Self::Address(_) => None,
        }
    }
}

impl HostName {
    /// Takes `text` if it is a name.
    ///
    /// # Errors
    /// [`UrlError::Host`].
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_name = (1..=NAME_OCTETS_MAX).contains(&name.len())
            && name.split('.').all(is_label)
            && !name
                .rsplit('.')
                .next()
                .is_some_and(|label| label.bytes().all(|octet| octet.is_ascii_digit()));
        if is_name { Ok(Self(text.to_ascii_lowercase())) } else { Err(UrlError::Host) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(out),
            Self::Address(IpAddr::V4(address)) => address.fmt(out),
            Self::Address(IpAddr::V6(address)) => write!(out, "[{address}]"),
        }
    }
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_OCTETS_MAX).contains(&label.len())
        && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// RFC 1035 section 2.3.4, as text.
const NAME_OCTETS_MAX: usize = 253;
/// RFC 1035 section 2.3.4.
const LABEL_OCTETS_MAX: usize = 63;
