//! Collecting mail by POP3: from accounts elsewhere into Maildirs, mboxes, LMTP, SMTP and programs.
//!
//! This crate keeps two promises, whatever the network, the disk and the power do:
//!
//! * *No loss*: DELE is said only of a message that is durable at every sink, and a message that cannot be delivered lies in
//!   the quarantine with its reason.
//! * *No duplicate*: what a [`journal`] knows is never fetched again, however short a listing was in between, whatever the
//!   answer to QUIT was, and when all unique-ids change at once. A sink that can be asked what it has (a Maildir, an mbox)
//!   never gets a message twice; one that cannot (LMTP, SMTP, a program) may get it again only when its own answer was lost.
//!
//! Its wall buys that this can be crash-tested without a network, and that a mail client can use `restante-client` without
//! journal, sinks and tokens. Files are reached through [`restante_store::disk::Disk`] only; what is said to a server, through
//! [`restante_client::pop3::Client`] only.
//!
//! # The states of a message
//!
//! | state | what is durable | a crash leaves | what the next pass does |
//! |---|---|---|---|
//! | F0 | nothing | at most a file in a spool folder, swept | fetches it |
//! | F1 | *intent*: key, size, digest, name in the journal; the message in the spool | that | asks each sink that can tell whether it has it, and fetches it again for those that have not |
//! | F2 | the same, and a *mark* for some sinks | that | fetches it again for the other sinks only |
//! | F3 | *collected*: a mark for every sink | that | says DELE, if the policy wants that; never fetches it |
//! | F4 | QUIT was sent | collected | if it is still listed: as in F3; if not: F5 |
//! | F5 | *gone*: it was not listed any more | a tombstone with its age | nothing; it stays known until the tombstone is old enough |
#![forbid(unsafe_code)]
// Tests lay out files.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod assemble;
mod authorities;
pub mod config;
pub mod event;
pub mod failure;
mod folders;
pub mod header;
pub mod import;
pub mod journal;
pub mod key;
pub mod oauth;
pub mod pass;
pub mod plan;
pub mod quarantine;
pub mod rename;
pub mod report;
pub mod rule;
pub mod secret;
pub mod sink;
pub mod spool;
pub mod watch;
