//! With what rights the server works: whom it becomes, what it gives up, and that it leaves no image of its memory.
//!
//! Everything is done once, by `enter`, while the process has one thread, between the binding of the sockets and the runtime
//! (`start.rs`). What holds is a [`Standing`], which the log tells at the start. The choice, and what was refused, is in
//! docs/design/0018-privileges.md.

mod calls;
mod capabilities;
mod files;
mod plan;
pub mod probe;
pub mod user;

use crate::config::places::{Place, Use};
use crate::config::{Config, Confine};
use crate::file;
use plan::Plan;
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
    /// The wall of files and ports, as the log names it.
    pub(crate) files: String,
    /// The wall of system calls, as the log names it.
    pub(crate) calls: String,
    /// Can a program that is started get rights that we have not?
    pub(crate) no_new_privileges: bool,
    /// What the walls leave open; `None` where there are none of files.
    plan: Option<Plan>,
    problems: Vec<String>,
}

impl Standing {
    /// What the operator should know.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let root = "the server goes on as root, because server.user names nobody: whoever finds a fault in it has root's rights over files; make \
                    a user, give it the mail, and set server.user";
        self.is_root.then(|| root.to_owned()).into_iter().chain(self.problems.iter().cloned()).collect()
    }

    /// What a later configuration needs and the walls, which cannot be moved, shut out.
    pub(crate) fn shuts_out(&self, config: &Config) -> Option<String> {
        let plan = self.plan.as_ref()?;
        // Its own file was read a moment ago. What the system has got since the start is no wish of the configuration.
        plan.beyond(&Plan::named_by(config))
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
    // A state folder that the first start makes must be there before the walls are.
    let _ = file::make_folder(&config.state_dir);
    check_readable(config, configuration)?;
    let mut standing = Standing {
        user: user::now(),
        capabilities: capabilities::now()
            .map_err(|error| WallsError::Rights("cannot tell the capabilities", error))?,
        is_root: user::is_root(),
        files: "off".to_owned(),
        calls: "off".to_owned(),
        no_new_privileges: false,
        plan: None,
        problems: Vec::new(),
    };
    if config.is_walled() {
        raise(config, configuration, &mut standing)?;
    } else if config.server.confine != Confine::Off {
        standing.problems.push(
            "there are no walls of files and system calls, because programs that check passwords mostly have rights of their own, which end \
             behind them; write server.confine = \"required\" if yours need none"
                .to_owned(),
        );
    }
    Ok(standing)
}

/// Raises the walls of files, ports and system calls.
fn raise(config: &Config, configuration: &Path, standing: &mut Standing) -> Result<(), WallsError> {
    let plan = Plan::of(config, configuration);
    for missing in &plan.missing {
        standing.problems.push(format!(
            "{missing} is not there, so the server's walls are shut for it: make it, or mount it, and restart"
        ));
    }
    let failed = |what| move |error: String| WallsError::Rights(what, io::Error::other(error));
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| WallsError::Rights("cannot renounce new privileges", error.into()))?;
    standing.no_new_privileges = true;
    let required = config.server.confine == Confine::Required;
    match files::raise(&plan) {
        Ok(Some(wall)) => {
            if required && !wall.whole {
                return Err(WallsError::Partial(wall.version));
            }
            let kept = if wall.files { "files" } else { "no files" };
            standing.files = format!("landlock {} ({kept})", wall.version);
            standing.plan = Some(plan.clone());
        }
        Ok(None) if required => return Err(WallsError::Partial("0".to_owned())),
        Ok(None) => standing.files = "none".to_owned(),
        Err(error) if required => {
            return Err(failed("cannot raise the wall of files")(error.to_string()));
        }
        Err(error) => {
            standing.files = "none".to_owned();
            standing.problems.push(format!("there is no wall of files: {error}"));
        }
    }
    match calls::bind(&plan) {
        Ok(name) => standing.calls = format!("seccomp ({name})"),
        Err(error) if required => {
            return Err(failed("cannot raise the wall of system calls")(error.to_string()));
        }
        Err(error) => {
            standing.calls = "none".to_owned();
            standing.problems.push(format!("there is no wall of system calls: {error}"));
        }
    }
    Ok(())
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
    /// All walls are required, and the kernel has this version of Landlock, which is not all of it.
    Partial(String),
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
            Self::Partial(_) => {
                "run a kernel from 6.12 on with Landlock, or write server.confine = \"auto\"".to_owned()
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
            Self::Partial(version) => {
                write!(f, "server.confine is \"required\", and the kernel has version {version} of Landlock")
            }
            Self::Unreadable(user, what) => write!(f, "as {user} the server cannot read {}", what.join("; ")),
        }
    }
}

impl Error for WallsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoUser(_, error) | Self::Rights(_, error) | Self::HandOver(_, error) => Some(error),
            Self::NotRoot(_) | Self::Threads(_) | Self::Unreadable(..) | Self::Partial(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_has_got_since_the_start_keeps_no_configuration_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("restante.toml");
        let text = "[maildrop]\npath = \"mail/{local}\"\n[[auth.source]]\ntype = \"embedded\"\n";
        let config = crate::config::parse(text, &path).unwrap();
        let plan = Some(Plan::named_by(&config));
        let standing = Standing {
            user: "nobody".to_owned(),
            capabilities: "none".to_owned(),
            is_root: false,
            files: "landlock".to_owned(),
            calls: "none".to_owned(),
            no_new_privileges: true,
            plan,
            problems: Vec::new(),
        };
        assert!(standing.plan.as_ref().unwrap().beyond(&Plan::of(&config, &path)).is_some());
        assert_eq!(standing.shuts_out(&config), None);
    }
}
