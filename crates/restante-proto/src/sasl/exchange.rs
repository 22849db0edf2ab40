//! The server's side of an AUTH exchange (RFC 5034), whatever its mechanism: decoded responses in, a [`Progress`] out.
//! The server's session owns one while AUTH is under way. What is only known outside is asked for as a progress too.

use alloc::vec::Vec;

use super::{Channel, Credentials, Mechanism, ScramFacts, ScramQuery, login, plain};

/// An AUTH exchange that is under way.
#[derive(Debug)]
pub enum Exchange {
    /// PLAIN.
    Plain(plain::Exchange),
    /// LOGIN.
    Login(login::Exchange),
}

/// What a mechanism must know of its surroundings from the beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings {
    /// What can be had of the TLS connection.
    pub channel: Channel,
    /// Some "-PLUS" mechanism was offered to the client.
    pub is_binding_offered: bool,
}

impl Exchange {
    /// An exchange that has heard nothing from the client yet. `None` when the mechanism cannot be carried out.
    #[must_use]
    pub const fn new(mechanism: Mechanism, _surroundings: Surroundings) -> Option<Self> {
        Some(match mechanism {
            Mechanism::Plain => Self::Plain(plain::Exchange::new()),
            Mechanism::Login => Self::Login(login::Exchange::new()),
            _ => return None,
        })
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

    /// Goes on after [`Progress::Nonce`].
    pub fn nonce(&mut self, _octets: &[u8], _hostname: &str) -> Progress {
        Progress::Invalid(Invalid::Syntax)
    }

    /// Goes on after [`Progress::PrepareScram`].
    pub fn scram_prepared(&mut self, _facts: ScramFacts) -> Progress {
        Progress::Invalid(Invalid::Syntax)
    }
}

/// What an [`Exchange`] needs next.
#[derive(Debug)]
pub enum Progress {
    /// Send this challenge (not yet base64), then pass the response on.
    Challenge(Vec<u8>),
    /// Octets of chance: [`Exchange::nonce`].
    Nonce,
    /// What is known of an account: [`Exchange::scram_prepared`].
    PrepareScram(ScramQuery),
    /// The exchange is over but for the verdict; these are to be verified.
    Complete(Credentials),
    /// The exchange is over and has failed.
    Invalid(Invalid),
}

/// Why an exchange failed before there was anything to verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// The response does not follow the mechanism's grammar.
    Syntax,
    /// The response is well formed, but can be right for nobody: a user name or password in it is empty, say. To the
    /// client this is a login that failed.
    Credentials,
    /// The mechanism begins with the server, but an initial response was sent (RFC 5034 section 4).
    InitialResponse,
}
