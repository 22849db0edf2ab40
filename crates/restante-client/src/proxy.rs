//! What is said to a proxy so that it connects to a server: SOCKS5 (RFC 1928, with the login of RFC 1929) and HTTP CONNECT
//! (RFC 9110 section 9.3.6).
//!
//! Works on any stream; [`crate::connect`] opens it and has the deadline. The proxy gets the server's name and looks it up, so that
//! nobody near us learns it from the DNS. TLS is between us and the server: the proxy sees no more than anybody on the way.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use restante_proto::secret::Secret;
use restante_proto::url::HostName;
use restante_proto::visible::is_hidden;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

/// A proxy. Displays as its URL without the password.
#[derive(Clone)]
pub struct Proxy {
    kind: ProxyKind,
    host: String,
    port: u16,
    login: Option<Login>,
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// SOCKS5.
    Socks5,
    /// HTTP CONNECT, in clear to the proxy.
    Http,
}

/// Who we are to the proxy.
#[derive(Clone)]
struct Login {
    user: Vec<u8>,
    password: Arc<Secret>,
}

impl Proxy {
    /// Takes `socks5://[user:password@]host[:port]` (port 1080 unless it says otherwise; `socks5h://` is the same, for the proxy always
    /// looks names up) or `http://[user:password@]host:port`. What a user name or password must not hold in a URL is
    /// percent-encoded; an IPv6 address stands in brackets.
    ///
    /// ```
    /// use restante_client::proxy::Proxy;
    ///
    /// let proxy = Proxy::parse("socks5://alice:p%40ss@[::1]").unwrap();
    /// assert_eq!((proxy.host(), proxy.port()), ("::1", 1080));
    /// assert_eq!(proxy.to_string(), "socks5://alice@[::1]:1080");
    /// ```
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, ProxyUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(ProxyUrlError::Scheme)?;
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "socks5" | "socks5h" => ProxyKind::Socks5,
            "http" => ProxyKind::Http,
            _ => return Err(ProxyUrlError::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(Login::parse(login)?), place),
            None => (None, rest),
        };
        let (host, port) = match place.rsplit_once(':') {
            // Inside the brackets of an IPv6 address the colon is no port's.
            Some((host, port)) if !port.ends_with(']') => {
                let is_number = port.bytes().all(|octet| octet.is_ascii_digit());
                let port = port.parse().ok().filter(|&port: &u16| is_number && port != 0);
                (host, Some(port.ok_or(ProxyUrlError::Port)?))
            }
            _ => (place, None),
        };
        let port = match (port, kind) {
            (Some(port), _) => port,
            (None, ProxyKind::Socks5) => SOCKS_PORT,
            // Every program takes another one for granted.
            (None, ProxyKind::Http) => return Err(ProxyUrlError::Port),
        };
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address.parse::<std::net::Ipv6Addr>().ok().map(|_| address),
            None => is_sayable(host).then_some(host).filter(|host| !host.contains(':')),
        };
        let host = host.ok_or(ProxyUrlError::Host)?.to_owned();
        Ok(Self { kind, host, port, login })
    }

    /// How it is spoken to.
    #[must_use]
    pub const fn kind(&self) -> ProxyKind {
        self.kind
    }

    /// Where it is: a name or an address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// And its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Asks it to connect to a host. When it has, what `stream` carries goes to that host and comes from there; not an octet of
    /// that has been read.
    pub(crate) async fn ask(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        host: &str,
        port: u16,
    ) -> Result<(), ProxyError> {
        if !is_sayable(host) {
            return Err(ProxyError::Host(host.to_owned()));
        }
        match self.kind {
            ProxyKind::Socks5 => socks5(stream, self.login.as_ref(), host, port).await,
            ProxyKind::Http => http(stream, self.login.as_ref(), host, port).await,
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.kind {
            ProxyKind::Socks5 => "socks5://",
            ProxyKind::Http => "http://",
        })?;
        if let Some(login) = &self.login {
            write!(out, "{}@", login.user.escape_ascii())?;
        }
        match self.host.contains(':') {
            true => write!(out, "[{}]:{}", self.host, self.port),
            false => write!(out, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Proxy({self})")
    }
}

impl std::str::FromStr for Proxy {
    type Err = ProxyUrlError;

    fn from_str(text: &str) -> Result<Self, ProxyUrlError> {
        Self::parse(text)
    }
}

impl Login {
    fn parse(text: &str) -> Result<Self, ProxyUrlError> {
        let (user, password) = text.split_once(':').ok_or(ProxyUrlError::Login)?;
        let (user, password) = (decoded(user)?, Secret::new(decoded(password)?));
        let are_fit = (1..=LOGIN_OCTETS_MAX).contains(&user.len())
            && (1..=LOGIN_OCTETS_MAX).contains(&password.expose().len());
        // HTTP cannot say a user name with a colon, and no header can hold a control character; neither is a name anywhere.
        let is_plain = !user.iter().any(|octet| octet.is_ascii_control() || *octet == b':');
        if are_fit && is_plain {
            Ok(Self { user, password: Arc::new(password) })
        } else {
            Err(ProxyUrlError::Login)
        }
    }
}

/// Takes percent-encoding off.
fn decoded(text: &str) -> Result<Vec<u8>, ProxyUrlError> {
    let mut octets = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    let digit = |octet: Option<u8>| octet.and_then(|octet| char::from(octet).to_digit(16));
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'%' => match (digit(octets.next()), digit(octets.next())) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).map_err(|_| ProxyUrlError::Login)?,
                _ => return Err(ProxyUrlError::Login),
            },
            octet => octet,
        });
    }
    Ok(decoded)
}

/// Whether a host can be said to a proxy: an address or a name, and nothing that could become a line of its own.
fn is_sayable(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || HostName::parse(host).is_ok()
}

/// RFC 1928, and RFC 1929 when the proxy asks for it.
async fn socks5(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    login: Option<&Login>,
    host: &str,
    port: u16,
) -> Result<(), ProxyError> {
    let methods: &[u8] = if login.is_some() { &[5, 2, NO_LOGIN, WITH_PASSWORD] } else { &[5, 1, NO_LOGIN] };
    say(stream, methods).await?;
    match (hear::<2>(stream).await?, login) {
        ([5, NO_LOGIN], _) => {}
        ([5, WITH_PASSWORD], Some(login)) => {
            let length = |octets: &[u8]| u8::try_from(octets.len()).map_err(|_| ProxyError::LoginRefused);
            let password = login.password.expose();
            let mut words = Zeroizing::new(Vec::with_capacity(3 + login.user.len() + password.len()));
            words.extend([1, length(&login.user)?]);
            words.extend_from_slice(&login.user);
            words.push(length(password)?);
            words.extend_from_slice(password);
            say(stream, &words).await?;
            if hear::<2>(stream).await? != [1, 0] {
                return Err(ProxyError::LoginRefused);
            }
        }
        ([5, NO_METHOD], Some(_)) => return Err(ProxyError::NoWay),
        ([5, _], _) => return Err(ProxyError::LoginNeeded),
        _ => return Err(ProxyError::NotSocks),
    }
    let mut request = vec![5, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
        Err(_) => {
            let length = u8::try_from(host.len()).map_err(|_| ProxyError::Host(host.to_owned()))?;
            request.extend([3, length]);
            request.extend(host.bytes());
        }
    }
    request.extend(port.to_be_bytes());
    say(stream, &request).await?;
    let [version, answer, _, kind] = hear::<4>(stream).await?;
    if version != 5 {
        return Err(ProxyError::NotSocks);
    }
    if answer != 0 {
        // What follows would be an address that is nobody's.
        return Err(ProxyError::Refused(SocksRefusal(answer)));
    }
    // Where the proxy connects from: of no interest, but it has to be read away.
    let octets = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(hear::<1>(stream).await?[0]),
        _ => return Err(ProxyError::NotSocks),
    };
    let mut bound = vec![0; octets + 2];
    stream.read_exact(&mut bound).await.map_err(cut)?;
    Ok(())
}

/// RFC 9110 section 9.3.6.
async fn http(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    login: Option<&Login>,
    host: &str,
    port: u16,
) -> Result<(), ProxyError> {
    let place = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut request = Zeroizing::new(format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n"));
    if let Some(login) = login {
        let pair = Zeroizing::new([&login.user, &b":"[..], login.password.expose()].concat());
        let encoded = Zeroizing::new(STANDARD.encode(&*pair));
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&encoded);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    say(stream, request.as_bytes()).await?;
    let head = head(stream).await?;
    let line = head.split(|&octet| octet == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
    let mut words = line.splitn(3, ' ');
    let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
    let code = words.next().filter(|code| is_http && code.len() == 3).and_then(|code| code.parse().ok());
    match (code, login) {
        (Some(200..=299), _) => Ok(()),
        (Some(407), None) => Err(ProxyError::LoginNeeded),
        (Some(407), Some(_)) => Err(ProxyError::LoginRefused),
        (Some(code), _) => {
            let reason = words.next().unwrap_or_default().chars().take(REASON_LETTERS_MAX);
            let reason = reason.map(|letter| if is_hidden(letter) { '?' } else { letter }).collect();
            Err(ProxyError::HttpRefused { code, reason })
        }
        (None, _) => Err(ProxyError::NotHttp),
    }
}

/// The head of a response, with the empty line that ends it. Octet by octet, so that nothing of what the server says is read with
/// it; it comes from the kernel and costs some microseconds.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, ProxyError> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
        if head.len() == HEAD_OCTETS_MAX {
            return Err(ProxyError::NotHttp);
        }
        head.extend(hear::<1>(stream).await?);
        // Somebody who does not speak HTTP is not listened to for long.
        if !head.starts_with(b"HTTP/") && !b"HTTP/".starts_with(&head) {
            return Err(ProxyError::NotHttp);
        }
    }
    Ok(head)
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), octets: &[u8]) -> Result<(), ProxyError> {
    stream.write_all(octets).await.map_err(ProxyError::Network)?;
    stream.flush().await.map_err(ProxyError::Network)
}

async fn hear<const COUNT: usize>(stream: &mut (impl AsyncRead + Unpin)) -> Result<[u8; COUNT], ProxyError> {
    let mut octets = [0; COUNT];
    stream.read_exact(&mut octets).await.map_err(cut)?;
    Ok(octets)
}

fn cut(error: io::Error) -> ProxyError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ProxyError::Closed,
        _ => ProxyError::Network(error),
    }
}

/// Why a string is no proxy. Displays as a sentence for the person who wrote it; it does not repeat what may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyUrlError {
    /// It does not begin with `socks5://`, `socks5h://` or `http://`.
    Scheme,
    /// The user name or the password is missing or cannot be sent.
    Login,
    /// The host is neither a name nor an address.
    Host,
    /// The port is missing or no number from 1 to 65535.
    Port,
}

impl fmt::Display for ProxyUrlError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Scheme => "a proxy is written socks5://host:port or http://host:port",
            Self::Login => {
                "before the @ of a proxy stand user:password, 1 to 255 octets each, percent-encoded where needed"
            }
            Self::Host => "the proxy's host is neither a name nor an IP address (IPv6 in brackets)",
            Self::Port => "the proxy's port is missing or no number from 1 to 65535",
        })
    }
}

impl std::error::Error for ProxyUrlError {}

/// Why a proxy has not connected us. Displays as a sentence.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// The host is no name or address that could be said to a proxy. Nothing was sent.
    Host(String),
    /// The proxy wants a user name and a password, and we have none.
    LoginNeeded,
    /// The proxy does not accept our user name and password.
    LoginRefused,
    /// The proxy takes neither a password nor nothing.
    NoWay,
    /// The SOCKS5 proxy answered that it cannot or will not connect.
    Refused(SocksRefusal),
    /// The HTTP proxy answered that it cannot or will not connect.
    HttpRefused {
        /// The status code.
        code: u16,
        /// What it says about it; control characters are replaced.
        reason: String,
    },
    /// What is there does not speak SOCKS5.
    NotSocks,
    /// What is there does not speak HTTP, or says far too much.
    NotHttp,
    /// The proxy closed the connection.
    Closed,
    /// The connection to the proxy broke.
    Network(io::Error),
}

/// The answer of a SOCKS5 proxy (RFC 1928 section 6). Displays as what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocksRefusal(pub u8);

impl fmt::Display for SocksRefusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.0 {
            1 => "it has a fault",
            2 => "its rules do not allow it",
            3 => "the server's network is unreachable",
            4 => "the server cannot be reached, or its name is unknown to it",
            5 => "the server refuses the connection",
            6 => "the server does not answer",
            7 => "it does not know how to connect",
            8 => "it does not know this kind of address",
            code => return write!(out, "it answers with the unknown code {code}"),
        })
    }
}

impl ProxyError {
    /// Whether the same may work later without anybody changing anything.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Closed | Self::Network(_) => true,
            Self::Refused(SocksRefusal(code)) => matches!(code, 1 | 3..=6),
            Self::HttpRefused { code, .. } => matches!(code, 408 | 429 | 500..=599),
            _ => false,
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(out, "\"{}\" cannot be said to a proxy", host.escape_default()),
            Self::LoginNeeded => out.write_str("the proxy wants a user name and a password"),
            Self::LoginRefused => out.write_str("the proxy does not accept the user name and password"),
            Self::NoWay => out.write_str("the proxy wants another way to log in than a password"),
            Self::Refused(why) => write!(out, "the proxy does not connect: {why}"),
            Self::HttpRefused { code, reason } => {
                write!(out, "the proxy does not connect: {code} {reason}")
            }
            Self::NotSocks => out.write_str("what answers at the proxy's address does not speak SOCKS5"),
            Self::NotHttp => out.write_str("what answers at the proxy's address does not speak HTTP"),
            Self::Closed => out.write_str("the proxy closed the connection"),
            Self::Network(_) => out.write_str("the connection to the proxy broke"),
        }
    }
}

impl std::error::Error for ProxyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Network(cause) => Some(cause),
            _ => None,
        }
    }
}

/// RFC 1928: the port of SOCKS.
const SOCKS_PORT: u16 = 1080;
const NO_LOGIN: u8 = 0;
const WITH_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
/// RFC 1929 counts them in an octet.
const LOGIN_OCTETS_MAX: usize = 255;
/// The head of an answer; proxies add a few lines about themselves.
const HEAD_OCTETS_MAX: usize = 16 * 1024;
/// Of what an HTTP proxy says about its refusal.
const REASON_LETTERS_MAX: usize = 120;

#[cfg(test)]
mod tests;
