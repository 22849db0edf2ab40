//! Tests of mboxes through the crate's door, on files as other programs write them.

mod fixture;
mod guarding;

mod basics;
mod changes;
mod deliveries;
mod locking;
