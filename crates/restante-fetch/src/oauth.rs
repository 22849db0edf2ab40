//! Tokens in place of passwords (OAuth 2.0): got once with a person's help, refreshed without it, kept sealed.
//!
//! | room | holds |
//! |---|---|
//! | `settings` | `oauth = …` of fetch.toml, as meant |
//! | `provider` | where a provider is asked, what is particular about it; discovery |
//! | `http` | one request, one bounded answer; HTTPS, unless it is this machine |
//! | `grant` | what a provider has given, how long it lives |
//! | `request` | the requests of the protocol, and what an answer means |
//! | `browser` `device` | the two ways in which a person agrees |
//! | `seal` `store` | the file of a grant: sealed, replaced as a whole, never lost |
//! | `source` | an access token whenever one is wanted |
//!
//! The program `restante` shows and asks; nothing here prints. What a token is sent with is decided in the protocol's order of
//! safety (`restante_proto::client::choice`).

pub mod browser;
pub mod device;
pub mod error;
pub mod grant;
pub mod http;
pub mod provider;
mod request;
mod seal;
pub mod settings;
pub mod source;
pub mod store;

#[cfg(test)]
mod tests;
