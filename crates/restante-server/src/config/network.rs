//! `Network`: who may stand in front of a listener as a proxy.

use crate::event::Peer;
use restante_auth::network::{self, InvalidNetwork};
use restante_config::section::kind;
use restante_config::value::{Fault, Value, quote};
use std::fmt;
use toml::de::DeValue;

/// Addresses that share a beginning, or whoever can connect to a unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// `192.0.2.0/24`, `2001:db8::/32`, or one address.
    Ip(network::Network),
    /// `unix`.
    Unix,
}

impl Network {
    /// Is the peer in it?
    pub(crate) fn contains(self, peer: &Peer) -> bool {
        match (self, peer) {
            (Self::Ip(network), Peer::Tcp(peer)) => network.contains(peer.ip()),
            (Self::Unix, Peer::Unix) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(network) => network.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

impl Value for Network {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        let remedy = "write an address (192.0.2.1), a network (192.0.2.0/24, 2001:db8::/32) or \"unix\"";
        let DeValue::String(text) = written else {
            return Err(Fault::new(format!("this is {}, but a network is wanted", kind(written)), remedy));
        };
        if text == "unix" {
            return Ok(Self::Unix);
        }
        text.parse().map(Self::Ip).map_err(|why| {
            let remedy = match why {
                InvalidNetwork::Form => remedy,
                InvalidNetwork::BitsBehindPrefix => "write the first address of the network",
            };
            Fault::new(format!("{text:?} {why}"), remedy)
        })
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.to_string()))
    }
}

#[cfg(test)]
mod tests {
    //! What is in a network.

    use super::*;

    fn network(text: &str) -> Result<Network, String> {
        let table = format!("network = {text}");
        let table = toml::de::DeTable::parse(&table).unwrap();
        let value = table.get_ref().get("network").unwrap();
        Network::read(value.get_ref()).map_err(|fault| fault.what)
    }

    #[test]
    fn addresses_are_in_networks_or_not() {
        let cases = [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "127.0.0.1"),
            ("127.0.0.0/8", "127.9.9.9", "::1"),
        ];
        let peer = |text: &str| Peer::Tcp(std::net::SocketAddr::new(text.parse().unwrap(), 1));
        for (text, inside, outside) in cases {
            let network = network(&format!("{text:?}")).unwrap();
            assert_eq!(network.to_string(), text);
            assert!(network.contains(&peer(inside)), "{text} {inside}");
            assert!(!network.contains(&peer(outside)), "{text} {outside}");
            assert!(!network.contains(&Peer::Unix));
        }
        let all = network("\"0.0.0.0/0\"").unwrap();
        assert!(all.contains(&peer("203.0.113.9")) && !all.contains(&peer("::1")));
        assert!(network("\"unix\"").unwrap().contains(&Peer::Unix));
    }

    #[test]
    fn what_is_no_network_is_said() {
        for text in ["\"host\"", "\"192.0.2.0/33\"", "\"192.0.2.0/x\"", "\"\"", "7", "\"::/129\""] {
            assert!(network(text).is_err(), "{text}");
        }
        assert_eq!(network("\"192.0.2.1/24\"").unwrap_err(), "\"192.0.2.1/24\" has bits behind its prefix");
    }
}
