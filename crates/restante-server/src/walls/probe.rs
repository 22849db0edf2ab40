//! Trying the walls from within: `restante config walls` raises those of a configuration around itself, by the code that raises the
//! server's, and then does what somebody would who has taken the server over.

// What is tried here is what everybody else must not do.
#![allow(clippy::disallowed_methods)]

use super::user::ServerUser;
use super::{Standing, WallsError};
use crate::config::Config;
use nix::sched::CloneFlags;
use nix::sys::ptrace::Options;
use nix::unistd::Uid;
use std::fmt;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What.
    pub what: String,
    /// What the system said; `None` when it was done.
    pub refusal: Option<String>,
}

/// What holds, in lines such as `user: vmail`.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "user: {}", self.user)?;
        writeln!(f, "capabilities: {}", self.capabilities)?;
        writeln!(f, "no new privileges: {}", self.no_new_privileges)?;
        writeln!(f, "files and ports: {}", self.files)?;
        writeln!(f, "system calls: {}", self.calls)
    }
}

/// Gives up rights and raises walls around this process, for good, and tries them. `configuration` is the file of the configuration.
///
/// # Errors
/// As a server could not start.
pub fn probe(config: &Config, configuration: &Path) -> Result<(Standing, Vec<Attempt>), WallsError> {
    let user = ServerUser::of(&config.server)?;
    user.iter().try_for_each(ServerUser::check_possible)?;
    let standing = super::enter(config, user.as_ref(), configuration)?;
    let mut attempts = vec![
        attempt("become root", nix::unistd::setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0))),
        attempt("list /", fs::read_dir("/").map(drop)),
        attempt("list /root", fs::read_dir("/root").map(drop)),
        attempt("read /etc/shadow", fs::read("/etc/shadow").map(drop)),
        attempt("read the memory of another process (/proc/1/mem)", fs::File::open("/proc/1/mem").map(drop)),
        attempt("make a file in /var/tmp", make_file()),
        attempt("trace its parent", nix::sys::ptrace::seize(nix::unistd::getppid(), Options::empty())),
        attempt("make a user namespace", nix::sched::unshare(CloneFlags::CLONE_NEWUSER)),
        attempt("signal its parent", nix::sys::signal::kill(nix::unistd::getppid(), None)),
        attempt("listen on a port that is not configured", TcpListener::bind("127.0.0.1:61995").map(drop)),
    ];
    // Refused by the wall, not by the lack of a listener there.
    let strange = TcpStream::connect("127.0.0.1:61996");
    let is_open =
        strange.as_ref().err().is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused);
    attempts.push(match is_open {
        true => Attempt { what: CONNECT.to_owned(), refusal: None },
        false => attempt(CONNECT, strange.map(drop)),
    });
    attempts.push(attempt("start a program (/bin/true)", Command::new("/bin/true").status().map(drop)));
    Ok((standing, attempts))
}

fn make_file() -> std::io::Result<()> {
    let path = Path::new("/var/tmp").join(format!("restante-walls-{}", std::process::id()));
    fs::File::create_new(&path)?;
    fs::remove_file(&path)
}

fn attempt<T, E: fmt::Display>(what: &str, outcome: Result<T, E>) -> Attempt {
    Attempt { what: what.to_owned(), refusal: outcome.err().map(|error| error.to_string()) }
}

const CONNECT: &str = "connect to a port that is not configured";
