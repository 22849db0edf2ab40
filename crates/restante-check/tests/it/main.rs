//! The judges, judged: each must fail a server with exactly its defect, and pass the same server without it.

// Tests may fall over; clippy knows only functions marked as tests. And a server needs sockets and clocks.
#![allow(clippy::disallowed_methods, clippy::indexing_slicing, clippy::unwrap_used)]

mod certificate;
mod defects;
mod lmtp;
mod run;
mod scram;
mod server;
mod transport;
