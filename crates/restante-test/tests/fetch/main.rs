//! `restante fetch` as its users run it: against Restante's own server, and against servers on their bad days.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// The judges stand outside the house.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod bad_days;
mod dialogue;
mod exchange;
mod flags;
mod imports;
mod keyring;
mod killing;
mod kitchen;
mod memory;
mod modes;
mod policies;
mod roads;
mod service;
mod several;
mod signals;
mod tokens;
mod uses;
