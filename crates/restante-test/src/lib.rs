//! Judges and twins: everything the tests that cross a socket or a process need, and the disk that they can crash.
//!
//! [`real`] starts real servers (Restante, Dovecot, Postfix) in folders of their own, [`peer`] speaks POP3 and LMTP to them
//! octet by octet, [`judge`] runs one requirement against several of them, [`transcript`] plays whole dialogues,
//! [`relay`] lets them come from elsewhere, [`replay`] the recorded sessions of real clients. [`oauth`] gives tokens, [`memory`] looks for secrets where none should be. [`disk`] is a file system in memory that forgets what was never synced and fails when told.
//! Nothing here is shipped. The tests themselves are in `tests/`: conformance (`it`), clients and servers of others
//! (`interop`), sudden death (`crash`).

// This crate exists to fail tests: a panic with its place is exactly what its callers want.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// The judges stand outside the house: they prepare files, read clocks and start programs for the servers they judge.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod certificate;
pub mod dice;
pub mod disk;
pub mod issuer;
pub mod judge;
pub mod mail;
pub mod memory;
pub mod oauth;
pub mod odd_server;
pub mod peer;
pub mod real;
pub mod relay;
pub mod replay;
pub mod transcript;
pub mod wait;
