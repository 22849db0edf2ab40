//! Integration tests over real sockets: conformance by ledger id, and robustness against everything else.

// In a test a panic with its place is the wanted answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// The judges stand outside the house: they prepare files and start programs.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod aliases;
mod app_passwords;
mod conformance;
mod http_source;
mod issuers;
mod memory;
mod robustness;
mod service;
mod tokens;
mod walls;
