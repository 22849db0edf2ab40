//! The clients against scripted servers on the loopback interface.
//!
//! A script is what one connection sees: `S: ` lines the server sends, `C: ` lines it must receive, in this order.

// Helpers outside of test functions may unwrap and index like those inside: a panic is how a test fails.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod account;
mod connect;
mod dialogue;
#[cfg(feature = "srv")]
mod dns;
mod flights;
mod hello;
mod identity;
mod lmtp;
mod login;
mod pop3;
mod script;
mod utf8;
