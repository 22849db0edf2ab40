//! Configuration files: how a table of known keys is declared and read, and how all faults of a file are told at once.
//!
//! Lives here: what the configurations of the server and of what collects mail have in common. Which keys there are, and what
//! must hold between them, each of the two says itself. Files, environment and the machine are not looked at from here.
#![forbid(unsafe_code)]

pub mod problem;
pub mod section;
pub mod value;
