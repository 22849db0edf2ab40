//! Tokens of an identity provider: signed ones, checked with the provider's published keys, and others, about which it is asked.
//!
//! Both are a `restante_auth::token::TokenVerifier`. `jws` takes a token apart, `algorithm` and `jwk` say whether a signature is
//! right, `keys` has the provider's keys and gets them anew, `discovery` finds them; `introspection` asks about single tokens
//! (RFC 7662). What a good token must say, and whose it then is, stands in `claims`, the same for both. Design:
//! docs/design/0022-tokens-at-the-server.md.

pub mod algorithm;
mod ask;
pub mod claims;
mod discovery;
pub mod introspection;
pub mod jwk;
pub mod jwks;
pub mod jws;
mod keys;

#[cfg(test)]
mod tests;

pub use ask::Settings as Asking;
pub use discovery::openid_configuration;
pub use keys::Pace;
