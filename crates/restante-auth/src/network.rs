//! `Network`: addresses that share a beginning.
//!
//! From where an account may log in, and, in the server's configuration, who may stand in front of a listener.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// The first address: no bit is set behind the prefix. Never an IPv4 address in IPv6 form.
    address: IpAddr,
    /// How many bits of an address must be the same.
    prefix: u8,
}

impl Network {
    /// The network of so many leading bits that an address lies in; the address alone where it has no more bits.
    pub fn around(address: IpAddr, prefix: u8) -> Self {
        let address = address.to_canonical();
        let (number, length) = bits(address);
        let prefix = prefix.min(length);
        let first = masked((number, length), prefix);
        let address = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(first >> 96).unwrap_or_default())),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(first)),
        };
        Self { address, prefix }
    }

    /// How many leading bits its addresses share.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Is it one of IPv4?
    pub fn is_ipv4(self) -> bool {
        self.address.is_ipv4()
    }

    /// Is this address in it? An IPv4 address is the same on a socket of either family.
    pub fn contains(self, address: IpAddr) -> bool {
        let (network, address) = (bits(self.address), bits(address.to_canonical()));
        network.1 == address.1 && masked(network, self.prefix) == masked(address, self.prefix)
    }
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidNetwork {
    /// Neither an address nor one with a prefix that fits it.
    Form,
    /// An address within a network, not its first.
    BitsBehindPrefix,
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().map_err(|_| InvalidNetwork::Form)?.to_canonical();
        let (number, length) = bits(address);
        let prefix = match prefix {
            Some(prefix) => {
                prefix.parse().ok().filter(|&prefix| prefix <= length).ok_or(InvalidNetwork::Form)?
            }
            None => length,
        };
        if masked((number, length), prefix) != number {
            return Err(InvalidNetwork::BitsBehindPrefix);
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix == bits(self.address).1 {
            true => write!(f, "{}", self.address),
            false => write!(f, "{}/{}", self.address, self.prefix),
        }
    }
}

impl fmt::Display for InvalidNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "is no network",
            Self::BitsBehindPrefix => "has bits behind its prefix",
        })
    }
}

impl Error for InvalidNetwork {}

/// An address as a number whose highest bit is the address's first, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

fn masked((bits, _): (u128, u8), prefix: u8) -> u128 {
    bits & !u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_networks_or_not() {
        for (text, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "127.0.0.1"),
            ("127.0.0.0/8", "127.9.9.9", "::1"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
        ] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), text);
            assert!(network.contains(inside.parse().unwrap()), "{text} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{text} {outside}");
        }
    }

    #[test]
    fn what_is_no_network_is_said() {
        for text in ["host", "192.0.2.0/33", "192.0.2.0/x", "", "::/129"] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork::Form), "{text}");
        }
        assert_eq!("192.0.2.1/24".parse::<Network>(), Err(InvalidNetwork::BitsBehindPrefix));
    }
}
