//! What is done before the server has a runtime, a thread or a peer: its sockets are bound, its user is made sure of, its walls are
//! raised.
//!
//! The order is the point (docs/design/0018-privileges.md): the configuration has been read; [`Opened`] binds every socket with the
//! rights that we were started with; whoever must keep them is started then; [`Opened::enter_walls`] gives them up, in a process that
//! has one thread still. `run.rs` calls both, then makes the runtime. Nothing here is said to a peer.

use crate::StartError;
use crate::config::{Config, Listen, LogTarget};
use crate::event::OpenedLog;
use crate::file;
use crate::listener::{self, Bound, Inherited};
use crate::walls::user::ServerUser;
use crate::walls::{self, Standing, WallsError};
use std::fmt;
use std::path::Path;

/// Sockets that are bound, in a process that still has every right that it was started with.
pub struct Opened {
    config: Config,
    inherited: Inherited,
    bound: Vec<(Listen, Bound)>,
    user: Option<ServerUser>,
}

impl Opened {
    /// Binds what the configuration listens on. Started as root with a user to become: makes the state folder and the log file
    /// his, and gives him the unix sockets that have no other owner. Connections wait from now on.
    ///
    /// # Errors
    /// A listener cannot be bound, there is no such user, or his files cannot be given to him. Nothing is left listening.
    pub fn new(config: Config, inherited: Inherited) -> Result<Self, StartError> {
        let user = ServerUser::of(&config.server).map_err(StartError::Walls)?;
        if let Some(user) = &user {
            user.check_possible().map_err(StartError::Walls)?;
            hand_over(&config, user).map_err(StartError::Walls)?;
        }
        let owner = user.as_ref().filter(|user| user.is_to_become());
        let bound = listener::bind_all(&config, &inherited, owner).map_err(StartError::Bind)?;
        Ok(Self { config, inherited, bound, user })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Starts the broker of system accounts, if there are any. Becomes the user of the server, gives up every capability, and raises
    /// the walls, for good. Everything that is needed later, at a reload too, is tried with the rights that are left.
    /// `configuration` is the file of the configuration.
    ///
    /// # Errors
    /// The broker does not start, which takes root; rights cannot be given up or root could be had back; there are threads already; a
    /// file that is needed later cannot be read; the log cannot be opened.
    pub fn enter_walls(self, configuration: &Path) -> Result<Prepared, StartError> {
        let Self { config, inherited, bound, user } = self;
        // The one process that stays root, and has to be started while we are.
        config.system.start(&config).map_err(StartError::Broker)?;
        let standing = walls::enter(&config, user.as_ref(), configuration).map_err(StartError::Walls)?;
        // With the rights that it will be opened anew with.
        let log = OpenedLog::new(&config.log).map_err(StartError::Log)?;
        Ok(Prepared { config, inherited, log, bound, standing: Some(standing) })
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Everything that a server is started on within its runtime.
pub struct Prepared {
    pub(crate) config: Config,
    pub(crate) inherited: Inherited,
    pub(crate) log: OpenedLog,
    pub(crate) bound: Vec<(Listen, Bound)>,
    /// What holds of rights and walls; none for a server within another program, which sees to them itself.
    pub(crate) standing: Option<Standing>,
}

impl Prepared {
    /// For a server within another program: nothing is given up.
    pub(crate) fn within(config: Config, inherited: Inherited) -> Result<Self, StartError> {
        let log = OpenedLog::new(&config.log).map_err(StartError::Log)?;
        let bound = listener::bind_all(&config, &inherited, None).map_err(StartError::Bind)?;
        Ok(Self { config, inherited, log, bound, standing: None })
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("standing", &self.standing).finish_non_exhaustive()
    }
}

/// As root: what the user will need as its own, and could not make.
fn hand_over(config: &Config, user: &ServerUser) -> Result<(), WallsError> {
    if !user.is_to_become() {
        return Ok(());
    }
    let (uid, gid) = (user.uid(), user.gid());
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| WallsError::HandOver(path, error)
    };
    file::make_folder_of(&config.state_dir, uid, gid).map_err(failed(&config.state_dir))?;
    if config.log.target == LogTarget::File
        && let Some(path) = &config.log.path
    {
        file::make_log_of(path, uid, gid).map_err(failed(path))?;
    }
    Ok(())
}
