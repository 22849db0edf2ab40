//! The POP3 wire.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod body;
pub mod capability;
pub mod command;
pub mod line;
pub mod lmtp;
pub mod maildrop;
pub mod reply;
pub mod sasl;
pub mod secret;
pub mod server;
