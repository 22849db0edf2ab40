//! `restante serve`: hands the configuration to the server and says when it is ready.

use std::error::Error;
use std::io;

use restante_config::problem::Problem;
use restante_server::config::{self, Config};
use restante_server::listener::{Inherited, Listening};
use restante_server::{Server, StartError, run};

use super::configuration;
use crate::exit::{self, Code, Failure};
use crate::flags::Serve;
use crate::terminal;

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(flags: &Serve) -> Result<(), Failure> {
    let path = configuration::find(&flags.file)?;
    let config = configuration::load(&flags.file)?;
    let names = socket_names();
    let again = path.clone();
    let reload = move || -> Result<Config, Vec<Problem>> { config::load(&again) };
    run::run(config, &path, Inherited::from_environment(names.as_deref()), reload, say_ready)
        .map_err(|error| not_started(&error))
}

/// What a service manager that has opened our sockets calls them.
// The program reads the environment for everybody else.
#[allow(clippy::disallowed_methods)]
fn socket_names() -> Option<String> {
    std::env::var("LISTEN_FDNAMES").ok()
}

/// One line on standard error, for people and for programs that wait for it.
fn say_ready(server: &Server) {
    terminal::report(&ready(&server.addresses()));
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
