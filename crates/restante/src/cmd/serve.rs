//! `restante serve`: hands the configuration to the server and says when it is ready.

use std::cell::Cell;
use std::error::Error;
use std::io;
use std::time::Duration;

use restante_config::problem::Problem;
use restante_server::config::{self, Config};
use restante_server::listener::{Inherited, Listening};
use restante_server::{Server, StartError, run};

use super::configuration;
use crate::exit::{self, Code, Failure};
use crate::flags::Serve;
use crate::service::Manager;
use crate::terminal;

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(flags: &Serve) -> Result<(), Failure> {
    let path = configuration::find(&flags.file)?;
    let config = configuration::load(&flags.file)?;
    let names = socket_names();
    let again = path.clone();
    let reload = move || -> Result<Config, Vec<Problem>> { config::load(&again) };
    let attendant = Attendant { manager: Manager::of(true), is_told: Cell::new(false) };
    run::run(config, &path, Inherited::from_environment(names.as_deref()), reload, &attendant)
        .map_err(|error| not_started(&error))
}

/// What a service manager that has opened our sockets calls them.
// The program reads the environment for everybody else.
#[allow(clippy::disallowed_methods)]
fn socket_names() -> Option<String> {
    std::env::var("LISTEN_FDNAMES").ok()
}

/// The service manager, and whoever reads standard error.
struct Attendant {
    manager: Manager,
    /// The line on standard error has been written.
    is_told: Cell<bool>,
}

impl run::Attendant for Attendant {
    /// One line on standard error, once, for people and for programs that wait for it.
    fn ready(&self, server: &Server) {
        let line = ready(&server.addresses());
        if !self.is_told.replace(true) {
            terminal::report(&line);
        }
        self.manager.ready(line.strip_prefix("READY ").unwrap_or(&line));
    }

    fn reloading(&self) {
        self.manager.reloading();
    }

    fn stopping(&self) {
        self.manager.stopping();
    }

    /// Twice in the time that the manager waits.
    fn rhythm(&self) -> Option<Duration> {
        self.manager.patience().map(|patience| patience / 2)
    }

    fn alive(&self) {
        self.manager.alive();
    }
}

/// `READY pop3/starttls=127.0.0.1:110 lmtp/off=unix:/run/restante/lmtp`
fn ready(listeners: &[Listening]) -> String {
    let mut line = String::from("READY");
    for Listening { protocol, tls, address } in listeners {
        line.push_str(&format!(" {}/{}={address}", protocol.as_str(), tls.as_str()));
    }
    line
}

/// What the operator can do about it depends on what the system said, at the end of the chain of causes.
fn not_started(error: &StartError) -> Failure {
    let what = exit::chain(error);
    if let StartError::Walls(walls) = error {
        let failure = Failure::new(Code::Permission, what);
        return match walls.remedy() {
            Some(remedy) => failure.remedy(remedy),
            None => failure,
        };
    }
    let causes = std::iter::successors(Some(error as &dyn Error), |&error| error.source());
    let system = causes.filter_map(|error| error.downcast_ref::<io::Error>()).last();
    match system.map(io::Error::kind) {
        Some(io::ErrorKind::PermissionDenied) => Failure::new(Code::Permission, what).remedy(
            "ports below 1024 need root, CAP_NET_BIND_SERVICE or socket activation; files need an owner",
        ),
        Some(io::ErrorKind::AddrInUse) => {
            Failure::new(Code::Unavailable, what).remedy("stop the other server, or choose another address")
        }
        Some(io::ErrorKind::AddrNotAvailable) => {
            Failure::new(Code::Unavailable, what).remedy("use an address of this machine")
        }
        _ => Failure::new(Code::Unavailable, what),
    }
}
