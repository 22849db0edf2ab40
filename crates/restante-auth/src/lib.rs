//! Who may open which maildrop.
//!
//! Decided here, in this order: what a typed name or a recipient address means ([`address`]), whether an account of that
//! name exists in one of the sources ([`directory`]), whether the credentials are right ([`verify`], [`password`], [`token`]), and how
//! long a failed answer has to wait ([`throttle`]). This crate sees no mail, no socket and no clock: the time is an argument.
//!
//! What a peer may learn: "granted" or "refused". Why something was refused, and whether the account exists at all, is for
//! the log alone; an unknown account costs the same work as a known one. A source that cannot be asked is never taken for
//! one that does not know the account: that is [`verify::Verdict::Unavailable`].

// Tests may read clocks and lay out files.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod account;
pub mod address;
pub mod credential;
pub mod directory;
pub mod network;
pub mod password;
pub mod prepare;
pub mod settings;
pub mod throttle;
pub mod token;
pub mod verify;
