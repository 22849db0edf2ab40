//! What survives: sudden death of the running program (`killing.rs`), disks that are full or cannot be written (`real_disks.rs`), and a simulated disk that crashes and
//! fails at every single call (all other files).
//!
//! # The simulated disk
//!
//! `restante_test::disk` keeps what was synced and, of the rest, whatever a seed throws. Each write path of the store is a
//! [`scenario::Scenario`] in a file of its own. Two loops ([`loops`]) run each of them:
//!
//! * **Crash**: prepare, then do the write path on a disk that stops after 0 calls, after 1, after 2 … until nothing is
//!   left to stop. For each of these moments several disks that it may have left: all unsynced lost, all kept, and seeded ones; with a
//!   second crash in the middle of the recovery.
//! * **Fault**: the n-th call that can fail so fails with EIO, ENOSPC, EDQUOT, EMFILE, ESTALE or EROFS, once or from there
//!   on. The disk as it is then crashes; and the same process goes on when the fault is gone, works again, and crashes later.
//!
//! After each, [`judge`] opens the maildrops through the store and compares with what was promised ([`promises`]): what was
//! acknowledged is there exactly once, octet for octet; what was removed with success is gone; unique-ids and order are as
//! before; what was neither is there whole or not at all, and stays as it was found; without the index, for a look from outside and at
//! the second opening it is the same.
//!
//! # A new write path
//!
//! One file, fewer than a hundred lines; `delivery_to_one.rs` is the shortest model:
//!
//! 1. `prepare` makes the maildrops, with the words of [`world::World`]; nothing fails there.
//! 2. `act` does the write path. Nothing may panic there: every call can fail. What is about to change is noted in the
//!    promises *before* the call (`asked`, `marked_together`), the acknowledgement *after* it (`kept`, `removed`, `refused`).
//! 3. `judge`, if something must hold beyond what is judged for all.
//! 4. A test named `survives_crashes_and_faults` that calls [`loops::run`], and a `mod` line here.
//!
//! Another kind of maildrop says so in `store` and `location`. Break the code once, and see that the loops find it.
//!
//! `cargo xtask crash --seconds N [--seed S] [SCENARIO]` runs the loops for as long as wanted; a failure prints the line that plays
//! it again.

// In a test a panic with its place is the wanted answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// The judges stand outside the house: they prepare files and start programs.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod judge;
mod loops;
mod promises;
mod scenario;
mod world;

// One write path each.
mod accessed;
mod bulletins;
mod deliveries_together;
mod delivery_to_one;
mod delivery_to_several;
mod export;
mod index_append;
mod index_rewrite;
mod mbox;
mod quit;
mod quota;
mod repair;
mod trash;
mod unique_ids;

// What collects mail.
mod fetch_journal;
mod fetch_loops;
mod fetch_pass;
mod fetch_sinks;
mod fetch_tokens;

// The running program.
mod killing;
mod real_disks;
