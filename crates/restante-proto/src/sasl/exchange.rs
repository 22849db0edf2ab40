//! The server's side of an AUTH exchange (RFC 5034), whatever its mechanism: decoded responses in, a [`Progress`] out.
//! The server's session owns one while AUTH is under way. What is only known outside is asked for as a progress too.

use alloc::vec::Vec;

use super::{Channel, Credentials, Mechanism, ScramFacts, ScramHash, ScramQuery, TokenTerms};
use super::{anonymous, cram_md5, external, login, oauth, plain, scram};

/// An AUTH exchange that is under way.
#[derive(Debug)]
pub enum Exchange {
    /// One of the SCRAM mechanisms.
    Scram(scram::server::Exchange),
    /// OAUTHBEARER and XOAUTH2.
    OAuth(oauth::Form),
    /// EXTERNAL.
    External,
    /// CRAM-MD5.
    CramMd5(cram_md5::Exchange),
    /// PLAIN.
    Plain,
    /// LOGIN.
    Login(login::Exchange),
    /// ANONYMOUS.
    Anonymous,
}

/// What a mechanism must know of what is around it. The same for all of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The server's name.
    pub hostname: &'a str,
    /// What can be had of the TLS connection.
    pub channel: Channel,
    /// Some "-PLUS" mechanism is offered to the client.
    pub is_binding_offered: bool,
    /// What is said about bearer tokens.
    pub token_terms: &'a TokenTerms,
}

impl Exchange {
    /// An exchange that has heard nothing from the client yet.
    #[must_use]
    pub fn new(mechanism: Mechanism) -> Self {
        let scram = |hash, is_bound| Self::Scram(scram::server::Exchange::new(hash, is_bound));
        match mechanism {
            Mechanism::ScramSha512Plus => scram(ScramHash::Sha512, true),
            Mechanism::ScramSha256Plus => scram(ScramHash::Sha256, true),
            Mechanism::ScramSha1Plus => scram(ScramHash::Sha1, true),
            Mechanism::ScramSha512 => scram(ScramHash::Sha512, false),
            Mechanism::ScramSha256 => scram(ScramHash::Sha256, false),
            Mechanism::ScramSha1 => scram(ScramHash::Sha1, false),
            Mechanism::OAuthBearer => Self::OAuth(oauth::Form::Bearer),
            Mechanism::XOAuth2 => Self::OAuth(oauth::Form::XOAuth2),
            Mechanism::External => Self::External,
            Mechanism::CramMd5 => Self::CramMd5(cram_md5::Exchange::new()),
            Mechanism::Plain => Self::Plain,
            Mechanism::Login => Self::Login(login::Exchange::new()),
            Mechanism::Anonymous => Self::Anonymous,
        }
    }

    /// Begins, with the decoded initial response if there was one.
    pub fn begin(&mut self, initial: Option<&[u8]>, surroundings: Surroundings<'_>) -> Progress {
        match (self, initial) {
            (Self::Login(exchange), _) => exchange.begin(initial),
            // R5034-4.11
            (Self::CramMd5(_), Some(_)) => Progress::Invalid(Invalid::InitialResponse),
            (Self::CramMd5(_), None) => Progress::Nonce,
            (exchange, Some(message)) => exchange.respond(message, surroundings),
            // R5034-4.6: the client speaks first, and is asked to.
            (_, None) => Progress::Challenge(Vec::new()),
        }
    }

    /// Goes on with the decoded response to the last challenge.
    pub fn respond(&mut self, response: &[u8], surroundings: Surroundings<'_>) -> Progress {
        let outcome = match self {
            Self::Scram(exchange) => return exchange.respond(response, surroundings),
            Self::Login(exchange) => return exchange.respond(response),
            Self::OAuth(form) => oauth::decode(*form, response, surroundings.token_terms),
            Self::External => external::decode(response),
            Self::CramMd5(exchange) => exchange.decode(response),
            Self::Plain => plain::decode(response),
            Self::Anonymous => anonymous::decode(response),
        };
        outcome.map_or_else(Progress::Invalid, Progress::Complete)
    }

    /// Goes on after [`Progress::Nonce`], with octets never used before.
    pub fn nonce(&mut self, octets: &[u8], surroundings: Surroundings<'_>) -> Progress {
        match self {
            Self::CramMd5(exchange) => Progress::Challenge(exchange.challenge(octets, surroundings.hostname)),
            _ => Progress::Invalid(Invalid::Syntax),
        }
    }

    /// Goes on after [`Progress::PrepareScram`].
    pub fn scram_prepared(&mut self, facts: &ScramFacts) -> Progress {
        match self {
            Self::Scram(exchange) => exchange.prepared(facts),
            _ => Progress::Invalid(Invalid::Syntax),
        }
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
    /// The same of a bearer token, whose refusal is told in another way.
    Token,
    /// The login is bound to something that is not here, or both sides disagree on whether it can be bound.
    Binding,
    /// The mechanism begins with the server, but an initial response was sent (RFC 5034 section 4).
    InitialResponse,
}
