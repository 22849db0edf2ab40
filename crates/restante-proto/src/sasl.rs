//! Who somebody claims to be: [`Credentials`], the SASL mechanisms that lead to them, and what a mechanism may have
//! to be told (RFC 4422, RFC 5034).
//!
//! Each mechanism has one file under `sasl/`, for both sides of the wire; `sasl/exchange` is the server's side of an
//! AUTH exchange, whatever the mechanism. Lines, replies and the session's state are not known here. Whether
//! credentials are right is decided by whoever gets them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::secret::{self, Secret};

pub mod anonymous;
pub mod apop;
pub mod cram_md5;
pub mod exchange;
pub mod external;
pub mod login;
pub mod oauth;
pub mod plain;
pub mod scram;

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// SCRAM with SHA-512, bound to the TLS connection.
    ScramSha512Plus,
    /// SCRAM with SHA-256, bound to the TLS connection (RFC 7677).
    ScramSha256Plus,
    /// SCRAM with SHA-1, bound to the TLS connection (RFC 5802).
    ScramSha1Plus,
    /// SCRAM with SHA-512.
    ScramSha512,
    /// SCRAM with SHA-256 (RFC 7677).
    ScramSha256,
    /// SCRAM with SHA-1 (RFC 5802).
    ScramSha1,
    /// A bearer token (RFC 7628).
    OAuthBearer,
    /// A bearer token, as large providers had it before RFC 7628.
    XOAuth2,
    /// Who the certificate of the TLS client says (RFC 4422 appendix A).
    External,
    /// RFC 2195.
    CramMd5,
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login-00; not a standard, but all that some clients know.
    Login,
    /// Nobody in particular (RFC 4505).
    Anonymous,
}

impl Mechanism {
    /// Every mechanism, in the order they are announced: the preferred one first.
    pub const ALL: [Self; 13] = [
        Self::ScramSha512Plus,
        Self::ScramSha256Plus,
        Self::ScramSha1Plus,
        Self::ScramSha512,
        Self::ScramSha256,
        Self::ScramSha1,
        Self::OAuthBearer,
        Self::XOAuth2,
        Self::External,
        Self::CramMd5,
        Self::Plain,
        Self::Login,
        Self::Anonymous,
    ];

    /// The registered name, in upper case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScramSha512Plus => "SCRAM-SHA-512-PLUS",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
            Self::External => "EXTERNAL",
            Self::CramMd5 => "CRAM-MD5",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::Anonymous => "ANONYMOUS",
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
        matches!(self, Self::Plain | Self::Login)
    }

    /// Whether a bearer token goes over the wire: only under TLS, without exception (R7628-3.1, XOAUTH2-0.1).
    #[must_use]
    pub const fn is_token(self) -> bool {
        matches!(self, Self::OAuthBearer | Self::XOAuth2)
    }

    /// Which SCRAM it is, if it is one, and whether it is bound to the TLS connection (a "-PLUS").
    #[must_use]
    pub const fn scram(self) -> Option<(ScramHash, bool)> {
        Some(match self {
            Self::ScramSha1 => (ScramHash::Sha1, false),
            Self::ScramSha1Plus => (ScramHash::Sha1, true),
            Self::ScramSha256 => (ScramHash::Sha256, false),
            Self::ScramSha256Plus => (ScramHash::Sha256, true),
            Self::ScramSha512 => (ScramHash::Sha512, false),
            Self::ScramSha512Plus => (ScramHash::Sha512, true),
            _ => return None,
        })
    }
}

/// The hash function of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScramHash {
    /// RFC 5802.
    Sha1,
    /// RFC 7677.
    Sha256,
    /// As RFC 7677, with the longer hash.
    Sha512,
}

impl ScramHash {
    /// The octets of a digest, and with it of a proof, a stored key and a signature.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The mechanism with this hash.
    #[must_use]
    pub const fn mechanism(self, is_bound: bool) -> Mechanism {
        match (self, is_bound) {
            (Self::Sha1, false) => Mechanism::ScramSha1,
            (Self::Sha1, true) => Mechanism::ScramSha1Plus,
            (Self::Sha256, false) => Mechanism::ScramSha256,
            (Self::Sha256, true) => Mechanism::ScramSha256Plus,
            (Self::Sha512, false) => Mechanism::ScramSha512,
            (Self::Sha512, true) => Mechanism::ScramSha512Plus,
        }
    }
}

/// What of a TLS connection a login is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindingKind {
    /// 32 octets of exported keying material (RFC 9266); TLS 1.3, or 1.2 with the extended master secret.
    Exporter,
    /// The hash of the server's certificate (RFC 5929 section 4).
    ServerEndPoint,
}

impl BindingKind {
    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exporter => "tls-exporter",
            Self::ServerEndPoint => "tls-server-end-point",
        }
    }

    /// The kind called `name`, in exactly this spelling. `None` when it is not known.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        [Self::Exporter, Self::ServerEndPoint].into_iter().find(|kind| kind.name().as_bytes() == name)
    }
}

/// What mechanisms can have of the TLS connection. All of it is missing without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// [`BindingKind::Exporter`] can be had.
    pub exporter: bool,
    /// [`BindingKind::ServerEndPoint`] can be had.
    pub server_end_point: bool,
    /// The peer has shown a certificate that is trusted: EXTERNAL can work.
    pub certificate: bool,
}

impl Channel {
    /// Whether this binding can be had.
    #[must_use]
    pub const fn has(self, kind: BindingKind) -> bool {
        match kind {
            BindingKind::Exporter => self.exporter,
            BindingKind::ServerEndPoint => self.server_end_point,
        }
    }

    /// Whether any binding can be had, so that "-PLUS" mechanisms can work.
    #[must_use]
    pub const fn is_bindable(self) -> bool {
        self.exporter || self.server_end_point
    }
}

/// What a server must know of an account before a SCRAM login can go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramQuery {
    /// Who is asserted to log in, as typed but for SCRAM's own escapes. Not empty.
    pub user: Vec<u8>,
    /// Which verifier is needed.
    pub hash: ScramHash,
    /// Which octets of the TLS connection are needed. The channel has this kind.
    pub binding: Option<BindingKind>,
}

/// What there is to know.
pub struct ScramFacts {
    /// Octets of chance, at least 16, never used before.
    pub nonce: Vec<u8>,
    /// The salt of the verifier. For a name that nobody has, one that is always the same for this name.
    pub salt: Vec<u8>,
    /// The iteration count of the verifier; 4096 at least (R5802-5.1.4, R7677-3.2).
    pub iterations: u32,
    /// The octets of the binding that was asked for; empty when none was.
    pub binding: Vec<u8>,
}

// The octets of a binding are known to both ends of the connection, and to nobody else.
impl fmt::Debug for ScramFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramFacts").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// A client's claim to know the password behind a SCRAM verifier (RFC 5802 section 3). It is right when
/// `H(proof XOR HMAC(StoredKey, auth_message))` is the stored key; nonces and binding have been checked already.
pub struct ScramClaim {
    /// Whose password it is: the user of the [`ScramQuery`].
    pub user: Vec<u8>,
    /// As whom to act, when that is not left to follow from `user`. Not empty.
    pub authorization: Option<Vec<u8>>,
    /// Which verifier decides.
    pub hash: ScramHash,
    /// Whether the login is bound to the TLS connection.
    pub is_bound: bool,
    /// What both sides sign.
    pub auth_message: Vec<u8>,
    /// The proof, of [`ScramHash::octets`] octets.
    pub proof: Vec<u8>,
}

/// What shows a SCRAM client that the server knows its verifier: `HMAC(ServerKey, auth_message)`.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerSignature(pub Vec<u8>);

// Not secret once sent, but of no use in a log.
impl fmt::Debug for ServerSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSignature(..)")
    }
}

/// What a server says about tokens, and expects of those who send one (RFC 7628 sections 3.2 and 3.2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenTerms {
    /// The scope that a token needs, told when one is refused.
    pub scope: Option<String>,
    /// The URL of the OpenID provider's configuration, where a client learns how to get a token; told when one is
    /// refused.
    pub openid_configuration: Option<String>,
    /// By which names clients know this server. When there are some, a host that OAUTHBEARER names must be one of them.
    pub hosts: Vec<String>,
}

impl TokenTerms {
    fn knows_host(&self, host: &[u8]) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(host))
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
    /// A name and a keyed digest over a challenge (RFC 2195): HMAC-MD5 of the challenge, with the shared secret as key.
    Cram {
        /// Whose secret it is. Not empty.
        user: Vec<u8>,
        /// The challenge as it was before base64, with its angle brackets.
        challenge: Vec<u8>,
        /// The digest as sent.
        digest: [u8; 16],
    },
    /// A name and a proof (RFC 5802).
    Scram(ScramClaim),
    /// A bearer token (RFC 6750), which says by itself whose it is.
    Token {
        /// Who is asserted to log in: the authorization identity of OAUTHBEARER, the user of XOAUTH2. Not empty. The
        /// token must be theirs.
        user: Option<Vec<u8>>,
        /// The token. Not empty.
        token: Secret,
        /// How it came.
        method: Method,
    },
    /// The certificate that the peer has shown (RFC 4422 appendix A); who that is, the driver knows.
    External {
        /// As whom to act, when that is not left to follow from the certificate. Not empty.
        authorization: Option<Vec<u8>>,
    },
    /// Nobody in particular (RFC 4505).
    Anonymous {
        /// What the client tells of itself, for the log: UTF-8 without control characters. May be empty.
        trace: Vec<u8>,
    },
}

impl Credentials {
    /// Who is asserted to log in. Empty when the credentials leave it to be found out, and for ANONYMOUS.
    #[must_use]
    pub fn user(&self) -> &[u8] {
        match self {
            Self::Password { user, .. } | Self::Apop { user, .. } | Self::Cram { user, .. } => user,
            Self::Scram(claim) => &claim.user,
            Self::Token { user, .. } => user.as_deref().unwrap_or_default(),
            Self::External { authorization } => authorization.as_deref().unwrap_or_default(),
            Self::Anonymous { .. } => &[],
        }
    }

    /// How the credentials came.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self {
            Self::Password { method, .. } | Self::Token { method, .. } => *method,
            Self::Apop { .. } => Method::Apop,
            Self::Cram { .. } => Method::Sasl(Mechanism::CramMd5),
            Self::Scram(claim) => Method::Sasl(claim.hash.mechanism(claim.is_bound)),
            Self::External { .. } => Method::Sasl(Mechanism::External),
            Self::Anonymous { .. } => Method::Sasl(Mechanism::Anonymous),
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

/// How credentials came, or are to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// USER and PASS.
    UserPass,
    /// APOP.
    Apop,
    /// AUTH with this mechanism.
    Sasl(Mechanism),
}

impl Method {
    /// The name in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserPass => "USER",
            Self::Apop => "APOP",
            Self::Sasl(mechanism) => mechanism.name(),
        }
    }
}

/// Appends the base64 form of `octets` (RFC 4648 section 4, with padding).
pub fn encode_base64(octets: &[u8], output: &mut Vec<u8>) {
    let start = output.len();
    // With room for the end of the line: it may be a password.
    secret::make_room(output, octets.len().div_ceil(3) * 4 + 2);
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
