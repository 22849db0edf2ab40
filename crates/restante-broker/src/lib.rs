//! Whose rights what is touched with: the mail of system accounts with their own, and their passwords with root's.
//!
//! Three roles, each a process of this same program (docs/design/0018-privileges.md):
//!
//! * the *broker* ([`broker`]) is root, reads nothing from a network, and does nothing but start the other two, within bounds
//!   that it was given before the server gave up its rights;
//! * a *worker* ([`worker`]) becomes one account for good and opens, links, renames and removes for it;
//! * an *asker* ([`asker`]) answers one question about system accounts: who is this, or is this the password.
//!
//! The server is the fourth: [`Broker`] is its end, and [`disk::AccountDisk`] the disk that a worker stands behind. A worker or an
//! asker talks to the server directly, over a socket that the broker hands to the server when it starts one; so whatever hangs
//! (a module of PAM, a name service, a home on a dead file server) hangs alone. What each of them may do is in its *charter*, the
//! first packet on its socket, written by whoever started it before anybody else could write.
//!
//! Nothing here knows a protocol of the network, and nothing waits for ever.

// Tests lay out folders as other programs would.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod asker;
pub mod broker;
mod charter;
mod client;
pub mod disk;
mod identity;
mod mount;
mod packet;
mod start;
mod wire;
pub mod worker;

pub use charter::{MailFolder, Passwords, Settings};
pub use client::{Broker, Checked, Found};

/// Whether passwords can be checked by PAM: whether this program was built with it.
pub const HAS_PAM: bool = cfg!(feature = "pam");

use std::io;

/// What one process of this program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Starts the others.
    Broker,
    /// Touches the files of one account.
    Worker,
    /// Answers one question.
    Asker,
}

impl Role {
    /// Its name as an argument of the program.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Worker => "worker",
            Self::Asker => "asker",
        }
    }

    /// Does what this role is for, over the socket on standard input, until its other end is closed.
    ///
    /// # Errors
    /// Standard input is no such socket, what comes over it is not to be understood, or it breaks.
    pub fn play(self) -> io::Result<()> {
        start::settle_in();
        let socket = wire::Socket::of_stdin()?;
        match self {
            Self::Broker => broker::run(socket),
            Self::Worker => worker::run(&socket),
            Self::Asker => asker::run(&socket),
        }
    }
}
