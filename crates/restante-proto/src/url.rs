//! POP URLs (RFC 2384): where a maildrop is, whose it is and how to log in, in one string. Parsed and printed.
//!
//! Not in here: connecting, choosing a mechanism, asking for a password. The judge and the fetching client take URLs
//! from the command line and from their configuration.
//!
//! Beyond RFC 2384, which is of 1998, and each of them only because the field needs it:
//!
//! - `pops://` means implicit TLS, on port 995 unless the URL says otherwise. RFC 2384 knows no TLS.
//! - An IPv6 address stands in brackets, as in RFC 3986 section 3.2.2.
//! - A host name may hold underscores and may end with a dot.
//!
//! What others take and this does not: a password (`user:password@`), since a URL in a command line, a history or a
//! log is seen by everybody (R2384-3.3); a path, even an empty one; `pop3://`.
//!
//! ```
//! use restante_proto::url::{Auth, PopUrl, Scheme};
//!
//! let url = PopUrl::parse("pop://rg;AUTH=+APOP@mail.eudora.com:8110").unwrap();
//! assert_eq!(url.scheme(), Scheme::Pop);
//! assert_eq!(url.user(), Some("rg"));
//! assert_eq!(url.auth(), &Auth::Apop);
//! assert_eq!((url.host().to_string(), url.port()), ("mail.eudora.com".into(), 8110));
//!
//! let url = PopUrl::parse("pops://m%C3%BCller%40example.org@[2001:db8::7]").unwrap();
//! assert_eq!(url.user(), Some("müller@example.org"));
//! assert_eq!((url.auth(), url.port()), (&Auth::Any, 995));
//! assert_eq!(url.to_string(), "pops://m%C3%BCller%40example.org@[2001:db8::7]");
//! ```

mod encoding;
mod host;

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::num::NonZeroU16;

use encoding::{Encoded, decode};
pub use host::{Host, HostName};

/// A POP URL. Two that mean the same are equal, but for a default port that is written out.
///
/// Printing with `Display` gives a URL that parses to an equal value. There is no secret in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PopUrl {
    scheme: Scheme,
    user: Option<String>,
    auth: Auth,
    host: Host,
    port: Option<NonZeroU16>,
}

/// How the connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `pop://`: in clear, on port 110. Whether STLS follows is for the client's policy to say.
    Pop,
    /// `pops://`: TLS from the first octet, on port 995. Not in RFC 2384.
    Pops,
}

impl Scheme {
    /// The port when the URL names none (R2384-3.2; RFC 8314 section 3.3).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Pop => 110,
            Self::Pops => 995,
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Pop => "pop://",
            Self::Pops => "pops://",
        }
    }
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Auth {
    /// The client chooses: `;AUTH=*`, or a user name alone, or nothing (R2384-4.4, R2384-4.6).
    #[default]
    Any,
    /// AUTH with this SASL mechanism and no other (R2384-4.5).
    Sasl(MechanismName),
    /// The APOP command: `;AUTH=+APOP`.
    Apop,
    /// Another command of the server's own: `;AUTH=+NAME`. Restante speaks none.
    Extension(ExtensionName),
}

/// The name of a SASL mechanism: 1 to 20 capital letters, digits, hyphens and underscores (RFC 4422 section 3.1).
/// Small letters become capitals when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MechanismName(String);

impl MechanismName {
    /// Takes `name` if it is one; in any case of letters.
    ///
    /// # Errors
    /// [`UrlError::Mechanism`].
    pub fn parse(name: &str) -> Result<Self, UrlError> {
        let is_name = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
        if name.is_empty() || name.len() > MECHANISM_OCTETS_MAX || !name.bytes().all(is_name) {
            return Err(UrlError::Mechanism);
        }
        Ok(Self(name.to_ascii_uppercase()))
    }

    /// The name, in capital letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a login command that is neither USER, APOP nor AUTH: 1 to 40 printable ASCII characters without space
/// (RFC 2449 section 3), and not `APOP`. Compared as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExtensionName(String);

impl ExtensionName {
    /// Takes `name` if it is one.
    ///
    /// # Errors
    /// [`UrlError::Mechanism`].
    pub fn parse(name: &str) -> Result<Self, UrlError> {
        let is_name = !name.is_empty()
            && name.len() <= EXTENSION_OCTETS_MAX
            && name.bytes().all(|octet| octet.is_ascii_graphic())
            && !name.eq_ignore_ascii_case(APOP);
        if is_name { Ok(Self(name.to_owned())) } else { Err(UrlError::Mechanism) }
    }

    /// The name, without the `+`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a string is no POP URL. Displays as a sentence for the person who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// It does not begin with `pop://` or `pops://`; relative URLs do not exist (R2384-5.1).
    Scheme,
    /// It is longer than [`URL_OCTETS_MAX`].
    TooLong,
    /// It holds a space, a control character or one beyond ASCII that is not percent-encoded (R2384-6.1).
    NotEncoded,
    /// A `%` is not followed by two hexadecimal digits.
    Percent,
    /// What is percent-encoded is not UTF-8 (R2384-6.1).
    NotUtf8,
    /// What is percent-encoded holds a control character, which could become a command of its own.
    Control,
    /// A password stands in it (R2384-3.3).
    Password,
    /// The user name is missing before `@`, or a character in it wants percent-encoding (R2384-4.9).
    User,
    /// What follows the user name is not `;AUTH=` with a mechanism.
    Mechanism,
    /// The host is missing, or is neither a name nor an address.
    Host,
    /// The port is no number from 1 to 65535.
    Port,
    /// Something follows the host: a POP URL has no path, query or fragment (R2384-8.1).
    Path,
}

impl fmt::Display for UrlError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Scheme => "a POP URL begins with pop:// or pops://",
            Self::TooLong => "the POP URL is longer than 2048 characters",
            Self::NotEncoded => {
                "a space, control character or character beyond ASCII must be percent-encoded"
            }
            Self::Percent => "a % must be followed by two hexadecimal digits",
            Self::NotUtf8 => "the percent-encoded characters are not UTF-8",
            Self::Control => "control characters are not allowed, not even percent-encoded",
            Self::Password => {
                "a POP URL must not hold a password, as others can see it; a : in a user name is written %3A"
            }
            Self::User => {
                "the user name before the @ is missing or holds a character that must be percent-encoded"
            }
            Self::Mechanism => {
                "after the user name only ;AUTH=* or ;AUTH= and the name of a mechanism may follow"
            }
            Self::Host => "the host is neither a name nor an IP address (IPv6 in brackets)",
            Self::Port => "the port is no number from 1 to 65535",
            Self::Path => "a POP URL ends after the host and port: it has no path, query or fragment",
        })
    }
}

impl core::error::Error for UrlError {}

impl PopUrl {
    /// Parses a whole URL. The scheme, `;AUTH=` and host are read in any case of letters (R2384-8.3).
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > URL_OCTETS_MAX {
            return Err(UrlError::TooLong);
        }
        let (scheme, rest) = [Scheme::Pops, Scheme::Pop]
            .into_iter()
            .find_map(|scheme| Some((scheme, strip_prefix_any_case(text, scheme.prefix())?)))
            .ok_or(UrlError::Scheme)?;
        // R2384-6.1
        if !rest.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(UrlError::NotEncoded);
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        // R2384-8.1. A password with one of these in it is told to be one, whatever follows.
        let (server, path) = rest.split_at_checked(end).ok_or(UrlError::Path)?;
        let (user_auth, host_port) = match server.rsplit_once('@') {
            Some((user_auth, host_port)) => (Some(user_auth), host_port),
            None => (None, server),
        };
        let (user, auth) = match user_auth {
            Some(user_auth) => parse_user_auth(user_auth).map(|(user, auth)| (Some(user), auth))?,
            None => (None, Auth::Any),
        };
        if !path.is_empty() {
            return Err(UrlError::Path);
        }
        let (host, port) = parse_host_port(host_port)?;
        Ok(Self { scheme, user, auth, host, port })
    }

    /// The shortest URL: a host, reached in this way.
    #[must_use]
    pub const fn new(scheme: Scheme, host: Host) -> Self {
        Self { scheme, user: None, auth: Auth::Any, host, port: None }
    }

    /// The same with another port.
    #[must_use]
    pub const fn with_port(mut self, port: NonZeroU16) -> Self {
        self.port = Some(port);
        self
    }

    /// The same with a user, who logs in in this way.
    ///
    /// # Errors
    /// [`UrlError::User`] when the name is empty, [`UrlError::Control`] when it holds a control character.
    pub fn with_user(mut self, user: &str, auth: Auth) -> Result<Self, UrlError> {
        check_user(user)?;
        self.user = Some(user.to_owned());
        self.auth = auth;
        Ok(self)
    }

    /// How the connection begins.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whose maildrop: not empty, without control characters. `None` when the URL does not say, so that the program must
    /// ask (R2384-4.1).
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// How to log in.
    #[must_use]
    pub const fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The server.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port: as given, or that of the scheme (R2384-3.2).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.map_or_else(|| self.scheme.default_port(), NonZeroU16::get)
    }

    /// The port as given. A URL without one may be looked up in the domain's SRV records.
    #[must_use]
    pub const fn explicit_port(&self) -> Option<NonZeroU16> {
        self.port
    }
}

impl core::str::FromStr for PopUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl fmt::Display for PopUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.scheme.prefix())?;
        if let Some(user) = &self.user {
            write!(out, "{}", Encoded(user))?;
            match &self.auth {
                // R2384-4.6
                Auth::Any => {}
                Auth::Sasl(name) => write!(out, ";AUTH={}", Encoded(name.as_str()))?,
                Auth::Apop => write!(out, ";AUTH=+{APOP}")?,
                Auth::Extension(name) => write!(out, ";AUTH=+{}", Encoded(name.as_str()))?,
            }
            out.write_str("@")?;
        }
        write!(out, "{}", self.host)?;
        match self.port {
            Some(port) => write!(out, ":{port}"),
            None => Ok(()),
        }
    }
}

/// `enc-user [";AUTH=" ( "*" / enc-auth-type )]`
fn parse_user_auth(text: &str) -> Result<(String, Auth), UrlError> {
    // An unencoded "@" can only be part of a password or of a name that wants encoding.
    if text.contains(':') {
        return Err(UrlError::Password);
    }
    let (user, auth) = match text.split_once(';') {
        None => (text, Auth::Any),
        Some((user, parameter)) => {
            let auth = strip_prefix_any_case(parameter, "AUTH=").ok_or(UrlError::Mechanism)?;
            (user, parse_auth(auth)?)
        }
    };
    let user = decode(user, UrlError::User)?;
    check_user(&user)?;
    Ok((user, auth))
}

fn parse_auth(text: &str) -> Result<Auth, UrlError> {
    if text == "*" {
        return Ok(Auth::Any);
    }
    // R2384-4.2: the sign itself, not an encoded one.
    let Some(extension) = text.strip_prefix('+') else {
        return MechanismName::parse(&decode(text, UrlError::Mechanism)?).map(Auth::Sasl);
    };
    let extension = decode(extension, UrlError::Mechanism)?;
    if extension.eq_ignore_ascii_case(APOP) {
        return Ok(Auth::Apop);
    }
    ExtensionName::parse(&extension).map(Auth::Extension)
}

fn parse_host_port(text: &str) -> Result<(Host, Option<NonZeroU16>), UrlError> {
    // The colons of an IPv6 address are inside its brackets.
    let start = text.find(']').unwrap_or(0);
    let Some(colon) = text.get(start..).and_then(|rest| rest.find(':')) else {
        return Ok((Host::parse(text)?, None));
    };
    let (host, port) = text.split_at_checked(start + colon).ok_or(UrlError::Host)?;
    let host = Host::parse(host)?;
    let digits = port.strip_prefix(':').unwrap_or_default();
    // `parse` would take a sign.
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(UrlError::Port);
    }
    Ok((host, Some(digits.parse().map_err(|_| UrlError::Port)?)))
}

fn check_user(user: &str) -> Result<(), UrlError> {
    if user.is_empty() {
        return Err(UrlError::User);
    }
    if user.chars().any(char::is_control) { Err(UrlError::Control) } else { Ok(()) }
}

fn strip_prefix_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The longest URL that is read. A name of 255 octets is 765 characters when each of them is encoded.
pub const URL_OCTETS_MAX: usize = 2048;
/// RFC 4422 section 3.1.
const MECHANISM_OCTETS_MAX: usize = 20;
/// The longest argument of RFC 1939.
const EXTENSION_OCTETS_MAX: usize = 40;
const APOP: &str = "APOP";

#[cfg(test)]
mod tests;
