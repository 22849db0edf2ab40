//! The store as its callers see it, on a real disk and on one that fails.

mod accessed;
mod basics;
mod batches;
mod bulletins;
mod checking;
mod contents;
mod deliveries;
mod expiry;
mod faults;
mod fixture;
mod guarding;
mod indexing;
mod locking;
mod others;
mod quota;
mod surrogates;
mod trash;
mod trick_disk;
mod unique_ids;
