//! Who somebody claims to be: [`Credentials`], the SASL mechanisms that lead to them, and the server's side of an
//! AUTH exchange (RFC 5034).
//!
//! Each mechanism has one file under `sasl/`, for both sides of the wire. Lines, replies and the session's state
//! are not known here: a mechanism takes decoded responses and answers with a [`Progress`]. Whether credentials
//! are right is decided by whoever gets them. A further mechanism is a variant of [`Mechanism`] and of
//! [`Exchange`] and a file; one that needs something from outside before it can go on (a stored verifier, say)
//! gets a variant of [`Progress`] for it.

use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::secret::Secret;

pub mod apop;
pub mod login;
pub mod plain;

/// A SASL mechanism this crate knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login-00; not a standard, but all that some clients know.
    Login,
}

impl Mechanism {
    /// Every mechanism, in the order they are announced: the preferred one first.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Login];

    /// The registered name, in upper case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }

    /// The mechanism called `name`, in any case. `None` when it is not known.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        // R1734-3.1, R5034-5.1
        Self::ALL.into_iter().find(|mechanism| mechanism.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Whether the password itself goes over the wire, so that the mechanism needs encryption below it.
    #[must_use]
    pub const fn is_plaintext(self) -> bool {
        match self {
            Self::Plain | Self::Login => true,
        }
    }
}

/// What a login attempt asserts. User names are octets as typed; what they mean is not decided here.
pub enum Credentials {
    /// A name and a password.
    Password {
        /// Whose password it is. Not empty.
        user: Vec<u8>,
        /// As whom to act, when that is not left to follow from `user` (the authzid of PLAIN). Not empty.
        authorization: Option<Vec<u8>>,
        /// The password. Not empty.
        password: Secret,
        /// How it came.
        method: Method,
    },
    /// A name and a digest over the greeting's timestamp and a shared secret (RFC 1939 section 7, APOP). To be
    /// checked with [`apop::verify`].
    Apop {
        /// Whose secret it is. Not empty.
        user: Vec<u8>,
        /// The timestamp of this session's greeting, with its angle brackets.
        timestamp: Vec<u8>,
        /// The MD5 digest as sent.
        digest: [u8; 16],
    },
}

impl Credentials {
    /// Who is asserted to log in.
    #[must_use]
    pub fn user(&self) -> &[u8] {
        match self {
            Self::Password { user, .. } | Self::Apop { user, .. } => user,
        }
    }

    /// How the credentials came.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self {
            Self::Password { method, .. } => *method,
            Self::Apop { .. } => Method::Apop,
        }
    }
}

// The digest is kept out too: with it and the timestamp a secret can be guessed at leisure.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("method", &self.method())
            .field("user", &self.user().escape_ascii())
            .finish_non_exhaustive()
    }
}

/// How credentials came, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// USER and PASS.
    UserPass,
    /// AUTH PLAIN.
    Plain,
    /// AUTH LOGIN.
    Login,
    /// APOP.
    Apop,
}

impl Method {
    /// The name in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserPass => "USER",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::Apop => "APOP",
        }
    }
}

/// The server's side of an AUTH exchange that is under way.
#[derive(Debug)]
pub enum Exchange {
    /// PLAIN.
    Plain(plain::Exchange),
    /// LOGIN.
    Login(login::Exchange),
}

impl Exchange {
    /// An exchange that has heard nothing from the client yet.
    #[must_use]
    pub const fn new(mechanism: Mechanism) -> Self {
        match mechanism {
            Mechanism::Plain => Self::Plain(plain::Exchange::new()),
            Mechanism::Login => Self::Login(login::Exchange::new()),
        }
    }

    /// Begins, with the decoded initial response if there was one.
    pub fn begin(&mut self, initial: Option<&[u8]>) -> Progress {
        match self {
            Self::Plain(exchange) => exchange.begin(initial),
            Self::Login(exchange) => exchange.begin(initial),
        }
    }

    /// Goes on with the decoded response to the last challenge.
    pub fn respond(&mut self, response: &[u8]) -> Progress {
        match self {
            Self::Plain(exchange) => exchange.respond(response),
            Self::Login(exchange) => exchange.respond(response),
        }
    }
}

/// What an [`Exchange`] needs next.
#[derive(Debug)]
pub enum Progress {
    /// Send this challenge (not yet base64), then pass the response on.
    Challenge(Vec<u8>),
    /// The exchange is over; these are to be verified.
    Complete(Credentials),
    /// The exchange is over and has failed.
    Invalid(Invalid),
}

/// Why an exchange failed before there was anything to verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// The response does not follow the mechanism's grammar.
    Syntax,
    /// The response is well formed, but a user name or password in it is empty.
    Empty,
    /// The mechanism begins with the server, but an initial response was sent (RFC 5034 section 4).
    InitialResponse,
}

/// Appends the base64 form of `octets` (RFC 4648 section 4, with padding).
pub fn encode_base64(octets: &[u8], output: &mut Vec<u8>) {
    let start = output.len();
    output.resize(start + octets.len().div_ceil(3) * 4, 0);
    let written = output.get_mut(start..).map(|free| STANDARD.encode_slice(octets, free));
    debug_assert!(matches!(written, Some(Ok(count)) if start + count == output.len()), "four for three");
}

/// Decodes base64 strictly: no octet outside the alphabet, padding complete and at the end only, unused bits zero.
///
/// # Errors
/// When `text` is anything else (R5034-4.12, R5034-4.13).
pub fn decode_base64(text: &[u8]) -> Result<Secret, InvalidBase64> {
    // Wiped also when the text turns out wrong after half of it.
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
    STANDARD.decode_vec(text, &mut octets).map_err(|_| InvalidBase64)?;
    Ok(Secret::new(core::mem::take(&mut octets)))
}

/// The text is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidBase64;

impl fmt::Display for InvalidBase64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is not base64")
    }
}

impl core::error::Error for InvalidBase64 {}

#[cfg(test)]
mod tests;
