//! Why there is no token: what happened, where, what to do. No text here holds a token or a secret.

use std::fmt;
use std::io;
use std::path::PathBuf;

use restante_proto::visible::is_hidden;

use super::http::HttpFault;
use crate::secret::SecretError;

/// Why there is no token.
#[derive(Debug)]
pub enum TokenError {
    /// Nobody has logged this account in yet.
    NotLoggedIn {
        /// The account.
        account: String,
    },
    /// The kept login is one of another provider or application than the configuration names.
    OtherClient {
        /// The account.
        account: String,
    },
    /// The provider takes the login no more: it was withdrawn, has ended, or the password was changed.
    Withdrawn {
        /// The account.
        account: String,
        /// What the provider says.
        said: String,
    },
    /// There is no refresh token, and the access token has ended.
    Ended {
        /// The account.
        account: String,
    },
    /// The provider refuses: the application, its secret or the scopes are wrong.
    Refused {
        /// The error's name (RFC 6749 section 5.2).
        error: String,
        /// What else the provider says.
        said: String,
    },
    /// The person has not agreed.
    Denied,
    /// The person has not agreed in time.
    TooLate,
    /// The provider cannot be asked.
    Unreachable(HttpFault),
    /// The provider has answered what this protocol does not know.
    Garbled {
        /// What is wrong with it.
        what: String,
    },
    /// The discovery documents of an issuer are of no use.
    Discovery {
        /// Whose.
        issuer: String,
        /// Why.
        what: String,
    },
    /// The provider does not offer this.
    NotOffered {
        /// The provider.
        provider: String,
        /// What.
        what: &'static str,
        /// What to use instead.
        instead: &'static str,
    },
    /// The loopback port for the browser's answer cannot be had.
    Listener(io::Error),
    /// The proxy is no address.
    Proxy,
    /// A secret could not be had.
    Secret(SecretError),
    /// A file of the tokens.
    File {
        /// What was being done.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file of a login cannot be unsealed: it is damaged, or was sealed with another key.
    Sealed {
        /// Which.
        path: PathBuf,
        /// The account.
        account: String,
    },
    /// The key file is no key.
    Key(PathBuf),
    /// Another process is refreshing the same login and does not come to an end.
    Busy {
        /// The account.
        account: String,
    },
    /// The system gives no random octets.
    NoChance,
}

/// Who has to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The configuration is wrong.
    Configuration,
    /// A person has to log in.
    Login,
    /// It may work later.
    Passing,
    /// The provider cannot be reached.
    Network,
    /// The provider does not keep to the protocol.
    Provider,
    /// Our own files.
    Files,
}

impl TokenError {
    /// Who has to do something.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::NotLoggedIn { .. }
            | Self::OtherClient { .. }
            | Self::Withdrawn { .. }
            | Self::Ended { .. }
            | Self::Denied
            | Self::TooLate => Blame::Login,
            Self::Refused { .. }
            | Self::Discovery { .. }
            | Self::NotOffered { .. }
            | Self::Proxy
            | Self::Secret(_) => Blame::Configuration,
            Self::Unreachable(_) => Blame::Network,
            Self::Garbled { .. } => Blame::Provider,
            Self::Busy { .. } => Blame::Passing,
            Self::Listener(_) | Self::File { .. } | Self::Sealed { .. } | Self::Key(_) | Self::NoChance => {
                Blame::Files
            }
        }
    }

    /// What to do about it: lower case, no full stop.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::NotLoggedIn { account }
            | Self::OtherClient { account }
            | Self::Withdrawn { account, .. }
            | Self::Ended { account }
            | Self::Sealed { account, .. } => format!("run: restante login {account}"),
            Self::Refused { .. } => {
                "check client_id, client_secret, tenant and scopes with what is registered at the provider"
                    .to_owned()
            }
            Self::Denied | Self::TooLate => "begin again when somebody can agree".to_owned(),
            Self::Unreachable(_) => {
                "check the network, and HTTPS_PROXY if there is a proxy; then try again".to_owned()
            }
            Self::Garbled { .. } => {
                "try again later; if it stays, the provider is not what issuer says".to_owned()
            }
            Self::Discovery { .. } => "check issuer: it is the address before /.well-known/".to_owned(),
            Self::NotOffered { instead, .. } => (*instead).to_owned(),
            Self::Listener(_) => "choose another port with --port".to_owned(),
            Self::Proxy => "write http://host:port or socks5://host:port".to_owned(),
            Self::Secret(error) => error.remedy(),
            Self::File { .. } => "check the folder's rights and room".to_owned(),
            Self::Key(path) => format!("put the key back, or remove {} and log in again", path.display()),
            Self::Busy { .. } => "end the other process, or wait".to_owned(),
            Self::NoChance => "this system is broken".to_owned(),
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoggedIn { account } => write!(out, "{account} is not logged in"),
            Self::OtherClient { account } => {
                write!(out, "{account} is logged in with another provider or client_id than configured")
            }
            Self::Withdrawn { account, said } => {
                write!(out, "the login of {account} is not taken any more: {said}")
            }
            Self::Ended { account } => {
                write!(out, "the login of {account} has ended, and the provider gave no refresh token")
            }
            Self::Refused { error, said } if said.is_empty() => write!(out, "the provider refuses: {error}"),
            Self::Refused { error, said } => write!(out, "the provider refuses: {error}: {said}"),
            Self::Denied => out.write_str("the access was denied"),
            Self::TooLate => out.write_str("nobody has agreed in time"),
            Self::Unreachable(fault) => write!(out, "{fault}"),
            Self::Garbled { what } => write!(out, "the provider's answer is not understood: {what}"),
            Self::Discovery { issuer, what } => write!(out, "{issuer} cannot be discovered: {what}"),
            Self::NotOffered { provider, what, .. } => write!(out, "{provider} does not offer {what}"),
            Self::Listener(error) => write!(out, "cannot listen for the browser's answer: {error}"),
            Self::Proxy => out.write_str("the proxy is no address"),
            Self::Secret(error) => write!(out, "{error}"),
            Self::File { doing, path, cause } => write!(out, "cannot {doing} {}: {cause}", path.display()),
            Self::Sealed { path, .. } => {
                write!(
                    out,
                    "{} cannot be unsealed: it is damaged, or sealed with another key",
                    path.display()
                )
            }
            Self::Key(path) => write!(out, "{} is no key of 64 hexadecimal digits", path.display()),
            Self::Busy { account } => write!(out, "another process is busy with the login of {account}"),
            Self::NoChance => out.write_str("the system gives no random octets"),
        }
    }
}

impl std::error::Error for TokenError {}

impl From<HttpFault> for TokenError {
    fn from(fault: HttpFault) -> Self {
        Self::Unreachable(fault)
    }
}

impl From<SecretError> for TokenError {
    fn from(error: SecretError) -> Self {
        Self::Secret(error)
    }
}

/// What a provider says, for people: one line that steers no terminal, not endless, without the secrets that it may quote.
pub(super) fn said(text: &str, secrets: &[&[u8]]) -> String {
    let mut line = text.lines().next().unwrap_or_default().to_owned();
    for secret in secrets
        .iter()
        .filter_map(|secret| std::str::from_utf8(secret).ok())
        .filter(|secret| !secret.is_empty())
    {
        line = line.replace(secret, "…");
    }
    // Cut only now, or a part of a secret could stay.
    line.chars().filter(|letter| !is_hidden(*letter)).take(SAID_CHARACTERS_MAX).collect()
}

/// Enough for Microsoft's AADSTS sentences.
const SAID_CHARACTERS_MAX: usize = 400;
