//! Tests of the built program, from the outside: what is typed, what is printed, how it ends.
//!
//! Most of them are transcripts (`tests/transcripts/*.txt`), played by `scene`; the rest cannot be written down as
//! text: huge input, several processes, a server that runs.

// Tests lay out files and start programs, and may fall over; clippy knows only functions marked as tests.
#![allow(clippy::disallowed_methods, clippy::indexing_slicing, clippy::unwrap_used)]

mod accounts;
mod configuration;
mod delivery;
mod demo;
mod help;
mod maildrops;
mod migration;
mod scene;
mod serving;
mod terminals;
