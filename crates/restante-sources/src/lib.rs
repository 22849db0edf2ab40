//! Sources of accounts that are asked over a wire: databases, directories, other programs.
//!
//! Each is a `restante_auth::directory::Directory`, or a `restante_auth::token::TokenVerifier`; who may open what is decided in
//! `restante-auth`, which knows none of them. Design: docs/design/0016-sources.md.

// Tests may read clocks and lay out files.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod checkpassword;
pub mod dovecot;
pub mod http;
pub mod ldap;
pub mod oauth;
pub mod program;
pub mod sql;
mod trust;
