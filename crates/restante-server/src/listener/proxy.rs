//! The PROXY header (haproxy's proxy-protocol, versions 1 and 2): who the client behind a proxy is.
//!
//! On a listener with `proxy_from` the header is required, and only from those addresses; elsewhere it is not known, so
//! nothing is ever guessed (PROXY-2.2). Nothing is said before it is whole (PROXY-2.1). What is read here is the header
//! and not one octet more: TLS or POP3 begins right behind it. Parsing is strict and pure.

mod tls;

use crate::listener::Raw;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) client: Client,
    /// Version and cipher suite, if the client speaks TLS with the proxy (PP2_TYPE_SSL).
    pub(super) tls: Option<Tls>,
    /// What the client and the proxy have agreed to speak (PP2_TYPE_ALPN).
    pub(super) alpn: Alpn,
}

/// Version and cipher suite of a client's TLS, as the log has them. Words of our own: nothing of the proxy's gets into a line.
pub(super) type Tls = (&'static str, &'static str);

/// What was agreed on by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpn {
    /// Nothing, or the proxy does not say.
    None,
    Pop3,
    Other,
}

/// Who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// The proxy itself, or somebody it does not name: the connection's own end counts.
    Unnamed,
    Tcp(SocketAddr),
    Unix,
}

/// Reads a header, within `deadline`.
///
/// # Errors
/// It is none, did not come in time, or the connection broke. The connection is of no use then.
pub(super) async fn read(raw: &mut Raw, deadline: Duration) -> Result<Header, HeaderError> {
    tokio::time::timeout(deadline, read_whole(raw)).await.map_err(|_| HeaderError::Late)?
}

/// PROXY-2.6: a header may come in pieces. What is looked at is taken only when it belongs to the header.
async fn read_whole(raw: &mut Raw) -> Result<Header, HeaderError> {
    let mut held = Vec::new();
    loop {
        let mut piece = [0; PIECE_OCTETS];
        let seen = raw.peek(&mut piece).await.map_err(HeaderError::Broken)?;
        let before = held.len();
        held.extend_from_slice(piece.get(..seen).unwrap_or_default());
        if seen == 0 {
            return Err(HeaderError::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        let found = parse(&held).map_err(HeaderError::Malformed)?;
        // A header that is not whole yet is all there is; one that is whole ends in this piece.
        let own = found.map_or(seen, |(_, octets)| octets.saturating_sub(before));
        let own = piece.get_mut(..own).unwrap_or_default();
        raw.read_exact(own).await.map_err(HeaderError::Broken)?;
        if let Some((header, _)) = found {
            return Ok(header);
        }
    }
}

/// A header at the start of `octets` and its length; `None` when there is not enough yet.
fn parse(octets: &[u8]) -> Result<Option<(Header, usize)>, &'static str> {
    if starts_alike(octets, SIGNATURE) {
        parse_binary(octets)
    } else if starts_alike(octets, b"PROXY ") {
        parse_text(octets)
    } else {
        Err("it does not begin as a PROXY header")
    }
}

/// Whether one of the two is the beginning of the other.
fn starts_alike(octets: &[u8], start: &[u8]) -> bool {
    let common = octets.len().min(start.len());
    octets.get(..common) == start.get(..common)
}

/// Version 1. PROXY-2.1.1, PROXY-2.1.6
fn parse_text(octets: &[u8]) -> Result<Option<(Header, usize)>, &'static str> {
    // PROXY-2.1.2
    let head = octets.get(..TEXT_OCTETS_MAX).unwrap_or(octets);
    let Some(end) = head.windows(2).position(|pair| pair == b"\r\n") else {
        return if head.len() == TEXT_OCTETS_MAX {
            Err("the line is longer than 107 octets")
        } else {
            Ok(None)
        };
    };
    let line = head.get(..end).unwrap_or_default();
    // PROXY-2.1.3
    if line.contains(&b'\r') || line.contains(&b'\n') {
        return Err("the line ends with a bare CR or LF");
    }
    let mut words = line.split(|&octet| octet == b' ').skip(1);
    let client = match words.next() {
        // PROXY-2.1.5
        Some(b"UNKNOWN") => Client::Unnamed,
        Some(b"TCP4") => Client::Tcp(text_address::<Ipv4Addr>(words)?),
        Some(b"TCP6") => Client::Tcp(text_address::<Ipv6Addr>(words)?),
        _ => return Err("the protocol is neither TCP4 nor TCP6 nor UNKNOWN"),
    };
    Ok(Some((Header { client, tls: None, alpn: Alpn::None }, end + 2)))
}

/// Source, destination and their ports; the source is wanted, the destination must be right all the same (PROXY-2.1.4).
fn text_address<'a, T: std::str::FromStr + Into<IpAddr>>(
    mut words: impl Iterator<Item = &'a [u8]>,
) -> Result<SocketAddr, &'static str> {
    let mut address = || {
        let text = words.next().and_then(|word| std::str::from_utf8(word).ok());
        // The standard library takes no leading zeros in IPv4 addresses.
        text.and_then(|text| text.parse::<T>().ok()).ok_or("an address is not of the family it should be")
    };
    let (source, _) = (address()?, address()?);
    let mut port = || words.next().and_then(text_port).ok_or("a port is no number from 0 to 65535");
    let (source_port, _) = (port()?, port()?);
    if words.next().is_some() {
        return Err("something stands behind the ports");
    }
    Ok(SocketAddr::new(source.into(), source_port))
}

fn text_port(word: &[u8]) -> Option<u16> {
    let is_plain = word.iter().all(u8::is_ascii_digit) && (word.len() == 1 || !word.starts_with(b"0"));
    std::str::from_utf8(word).ok().filter(|_| is_plain)?.parse().ok()
}

/// Version 2. PROXY-2.2.1, PROXY-2.5
fn parse_binary(octets: &[u8]) -> Result<Option<(Header, usize)>, &'static str> {
    let Some(&[.., version_command, family, high, low]) = octets.get(..FIXED_OCTETS) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    // PROXY-2.2.2
    let is_local = match version_command {
        0x20 => true,
        0x21 => false,
        _ => return Err("the version or the command is not known"),
    };
    if length > VARIABLE_OCTETS_MAX {
        return Err("the header is longer than 4096 octets");
    }
    let Some(whole) = octets.get(..FIXED_OCTETS + length) else { return Ok(None) };
    let rest = whole.get(FIXED_OCTETS..).unwrap_or_default();
    let header = if is_local {
        // PROXY-2.2.3
        Header { client: Client::Unnamed, tls: None, alpn: Alpn::None }
    } else {
        parse_proxied(family, rest, whole)?
    };
    Ok(Some((header, whole.len())))
}

/// PROXY-2.2.4, PROXY-2.2.5
fn parse_proxied(family: u8, rest: &[u8], whole: &[u8]) -> Result<Header, &'static str> {
    const SHORT: &str = "the addresses are shorter than their family";
    let (client, extensions) = match family {
        0x11 => {
            let (&[a, b, c, d, _, _, _, _, high, low, _, _], extensions) =
                rest.split_first_chunk::<12>().ok_or(SHORT)?;
            let port = u16::from_be_bytes([high, low]);
            (Client::Tcp(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port)), extensions)
        }
        0x21 => {
            let (addresses, extensions) = rest.split_first_chunk::<36>().ok_or(SHORT)?;
            let (source, others) = addresses.split_first_chunk::<16>().ok_or(SHORT)?;
            let &[high, low, ..] = others.get(16..).ok_or(SHORT)? else { return Err(SHORT) };
            let port = u16::from_be_bytes([high, low]);
            // An IPv4 address in IPv6 clothes is the same client.
            let address = IpAddr::from(*source).to_canonical();
            (Client::Tcp(SocketAddr::new(address, port)), extensions)
        }
        0x31 => (Client::Unix, rest.get(216..).ok_or(SHORT)?),
        // Families and transports that exist, in combinations that POP3 has no use for.
        0x00..=0x02 | 0x10 | 0x12 | 0x20 | 0x22 | 0x30 | 0x32 => {
            return Ok(Header { client: Client::Unnamed, tls: None, alpn: Alpn::None });
        }
        _ => return Err("the family or the transport is not known"),
    };
    let (tls, alpn) = read_extensions(extensions, whole)?;
    Ok(Header { client, tls, alpn })
}

/// The first extension: its kind, its value, and what follows it. PROXY-2.2.6
fn split_extension(extensions: &[u8]) -> Result<(u8, &[u8], &[u8]), &'static str> {
    const BEYOND: &str = "an extension is longer than what it stands in";
    let (&[kind, high, low], rest) = extensions.split_first_chunk::<3>().ok_or(BEYOND)?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let (value, rest) = rest.split_at_checked(length).ok_or(BEYOND)?;
    Ok((kind, value, rest))
}

/// Looks through the TLVs for what matters: a checksum that must be right, and TLS on the other side.
fn read_extensions(mut extensions: &[u8], whole: &[u8]) -> Result<(Option<Tls>, Alpn), &'static str> {
    let (mut found, mut alpn) = (None, Alpn::None);
    while !extensions.is_empty() {
        let (kind, value, rest) = split_extension(extensions)?;
        extensions = rest;
        match kind {
            // PROXY-2.2.3.1
            PP2_TYPE_CRC32C => {
                let sent =
                    value.try_into().map(u32::from_be_bytes).map_err(|_| "the checksum has no 4 octets")?;
                let before = whole.len() - rest.len() - value.len();
                let (head, tail) = (whole.get(..before), whole.get(before + value.len()..));
                if checksum(&[head.unwrap_or_default(), &[0; 4], tail.unwrap_or_default()]) != sent {
                    return Err("the checksum is wrong");
                }
            }
            // PROXY-2.2.6.1
            PP2_TYPE_SSL => found = tls::read(value)?,
            PP2_TYPE_ALPN => alpn = if value == b"pop3" { Alpn::Pop3 } else { Alpn::Other },
            // A name, and a certificate chooses nobody here: but it is one, or the header is none.
            PP2_TYPE_AUTHORITY if value.len() > 255 || std::str::from_utf8(value).is_err() => {
                return Err("the name that the client asked for is no name");
            }
            _ => {}
        }
    }
    Ok((found, alpn))
}

/// CRC-32C, octet by octet: headers are short.
fn checksum(pieces: &[&[u8]]) -> u32 {
    let octets = pieces.iter().copied().flatten();
    !octets.fold(u32::MAX, |crc, &octet| {
        (0..8).fold(crc ^ u32::from(octet), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

/// Why there is no header.
#[derive(Debug)]
pub(super) enum HeaderError {
    /// It is none.
    Malformed(&'static str),
    /// It did not come in time.
    Late,
    /// The connection failed or ended.
    Broken(io::Error),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "no PROXY header: {what}"),
            Self::Late => f.write_str("no PROXY header came in time"),
            Self::Broken(_) => f.write_str("the connection ended before its PROXY header"),
        }
    }
}

impl Error for HeaderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Broken(error) => Some(error),
            Self::Malformed(_) | Self::Late => None,
        }
    }
}

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED_OCTETS: usize = 16;
/// Addresses and extensions. The largest that proxies are known to send is a certificate's names; a whole certificate is
/// nothing we use.
const VARIABLE_OCTETS_MAX: usize = 4096;
const TEXT_OCTETS_MAX: usize = 107;
const PIECE_OCTETS: usize = 512;
const PP2_TYPE_ALPN: u8 = 0x01;
const PP2_TYPE_AUTHORITY: u8 = 0x02;
const PP2_TYPE_CRC32C: u8 = 0x03;
const PP2_TYPE_SSL: u8 = 0x20;

#[cfg(test)]
mod tests;
