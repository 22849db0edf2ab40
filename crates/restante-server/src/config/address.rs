//! `Address`: where a listener listens.

use restante_config::section::kind;
use restante_config::value::{Fault, Value, quote};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use toml::de::DeValue;

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP port: `IP:port` or `[IPv6]:port`. Port 0 is any free one.
    Tcp(SocketAddr),
    /// A unix socket: `unix:/path`.
    Unix(PathBuf),
    /// A socket that was opened before we were started: `fd:NAME`, where NAME is one of `LISTEN_FDNAMES` or a position.
    Inherited(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Inherited(name) => write!(f, "fd:{name}"),
        }
    }
}

impl Value for Address {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        let remedy = "write IP:port (0.0.0.0:110), [IPv6]:port ([::]:110), unix:/path or fd:NAME";
        let DeValue::String(text) = written else {
            return Err(Fault::new(format!("this is {}, but an address is wanted", kind(written)), remedy));
        };
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() || path.contains('\0') {
                return Err(Fault::new("there is no path behind unix:", remedy));
            }
            // Linux keeps 108 octets for the path of a socket, the last one for the end mark.
            if path.len() > UNIX_PATH_OCTETS_MAX {
                return Err(Fault::new(
                    format!("the path of a unix socket has at most {UNIX_PATH_OCTETS_MAX} octets"),
                    "use a shorter path, for instance below /run",
                ));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        if let Some(name) = text.strip_prefix("fd:") {
            if name.is_empty() || name.contains(|letter: char| letter.is_control() || letter == ':') {
                return Err(Fault::new("there is no name behind fd:", remedy));
            }
            return Ok(Self::Inherited(name.to_owned()));
        }
        text.parse().map(Self::Tcp).map_err(|_| Fault::new(format!("{text:?} is no address"), remedy))
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.to_string()))
    }
}

const UNIX_PATH_OCTETS_MAX: usize = 107;
