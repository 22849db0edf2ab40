//! With what rights the server works: whom it becomes, what it gives up, and that it leaves no image of its memory.
//!
//! Everything is done once, by [`enter`], while the process has one thread, between the binding of the sockets and the runtime
//! (`start.rs`). What holds is a [`Standing`], which the log tells at the start. The choice, and what was refused, is in
//! docs/design/0018-privileges.md.

mod capabilities;
pub mod user;

use crate::config::Config;
use crate::config::places::{Place, Use};
use crate::file;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::CapabilitySet;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use user::ServerUser;

/// What holds of the server's rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whose rights it has.
    pub(crate) user: String,
    /// What it may beyond a user's rights, by name; `none`.
    pub(crate) capabilities: String,
    /// Is it root although it need not be?
    is_root: bool,
}

impl Standing {
    /// What the operator should know.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let root = "the server goes on as root, because server.user names nobody: whoever finds a fault in it has root's rights over files; make \
                    a user, give it the mail, and set server.user";
        self.is_root.then(|| root.to_owned()).into_iter().collect()
    }
}

/// Gives up what is not needed from here on, and tries what is.
///
/// # Errors
/// There are threads already, rights cannot be given up or could be had back, or a file cannot be read without them.
pub(crate) fn enter(
    config: &Config,
    user: Option<&ServerUser>,
    configuration: &Path,
) -> Result<Standing, WallsError> {
    // What follows would hold for one of them and not for the others.
    match file::threads() {
        Ok(1) | Err(_) => {}
        Ok(threads) => return Err(WallsError::Threads(threads)),
    }
    leave_no_image().map_err(|error| WallsError::Rights("cannot switch core dumps off", error))?;
    if let Some(user) = user {
        user.assume()?;
    }
    let kept = if user::is_root() { OF_ROOT } else { CapabilitySet::empty() };
    let dropped = |error| WallsError::Rights("cannot give up capabilities", error);
    if capabilities::may_bound() {
        capabilities::bound_by(kept).map_err(dropped)?;
    }
    capabilities::keep(kept).map_err(dropped)?;
    if let Some(user) = user {
        user.verify()?;
    }
    // A change of the user brings it back.
    leave_no_image().map_err(|error| WallsError::Rights("cannot switch core dumps off", error))?;
    check_readable(config, configuration)?;
    Ok(Standing {
        user: user::now(),
        capabilities: capabilities::now()
            .map_err(|error| WallsError::Rights("cannot tell the capabilities", error))?,
        is_root: user::is_root(),
    })
}

/// No image of our memory, which holds passwords and mail, is left behind by a crash or taken by a debugger of our own user.
///
/// # Errors
/// The system refuses.
pub fn leave_no_image() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // An image may also go to a program, which no limit concerns.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// What is read now as root may have to be read again as somebody else, at a reload or a renewal: better said now than then.
fn check_readable(config: &Config, configuration: &Path) -> Result<(), WallsError> {
    let own = Place { what: "the configuration", path: configuration.to_owned(), used: Use::Read };
    let places = std::iter::once(own).chain(config.places());
    let unreadable = places.filter(|place| place.used == Use::Read).filter_map(|place| {
        let error = file::check_readable(&place.path).err()?;
        Some(format!("{} {}: {error}", place.what, place.path.display()))
    });
    let unreadable: Vec<String> = unreadable.collect();
    if unreadable.is_empty() { Ok(()) } else { Err(WallsError::Unreadable(user::now(), unreadable)) }
}

/// What a server keeps that goes on as root: maildrops have many owners, and a reload may open a port. Nothing that makes somebody
/// else of it, or reaches into the system.
const OF_ROOT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::NET_BIND_SERVICE);

/// The server cannot have the rights that it should have, and no others.
#[derive(Debug)]
pub enum WallsError {
    /// There is no such user or group.
    NoUser(String, io::Error),
    /// The configuration names a user, and we are another one and not root.
    NotRoot(ServerUser),
    /// There are more threads than one.
    Threads(usize),
    /// What cannot be done, and why.
    Rights(&'static str, io::Error),
    /// What cannot be given to the user.
    HandOver(PathBuf, io::Error),
    /// The user, and what it cannot read.
    Unreadable(String, Vec<String>),
}

impl WallsError {
    /// What the operator can do about it, if it is in his hands.
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::NoUser(..) => "make the user, or correct server.user and server.group".to_owned(),
            Self::NotRoot(user) => format!("start it as root or as {user}, or take server.user out"),
            Self::HandOver(path, _) => format!("give {} to the user, or name another place", path.display()),
            Self::Unreadable(user, _) => {
                format!("let {user} read it, by its group: at a reload root is not there any more")
            }
            Self::Threads(_) | Self::Rights(..) => return None,
        })
    }
}

impl fmt::Display for WallsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUser(user, _) => write!(f, "the server cannot become {user:?}"),
            Self::NotRoot(user) => write!(f, "only root can become {user}"),
            Self::Threads(threads) => write!(f, "there are {threads} threads before rights are given up"),
            Self::Rights(what, _) => f.write_str(what),
            Self::HandOver(path, _) => write!(f, "{} cannot be given to the server's user", path.display()),
            Self::Unreadable(user, what) => write!(f, "as {user} the server cannot read {}", what.join("; ")),
        }
    }
}

impl Error for WallsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoUser(_, error) | Self::Rights(_, error) | Self::HandOver(_, error) => Some(error),
            Self::NotRoot(_) | Self::Threads(_) | Self::Unreadable(..) => None,
        }
    }
}
