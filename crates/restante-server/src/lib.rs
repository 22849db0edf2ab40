//! The POP3, LMTP and POP2 server, which mail servers ask too: where sockets, protocol, accounts and maildrops meet.
//!
//! [`Server`] binds its listeners, serves sessions, takes new configurations and stops. It holds the only sockets and
//! the only clock of the server's side; what is said on a connection is decided in `restante-proto`, who may log in in
//! `restante-auth`, what a maildrop holds in `restante-store`. [`run::run`] adds a runtime and signals around it.
//!
//! Reading a connection's life: `listener.rs` accepts and counts, `pop3.rs`, `lmtp.rs`, `pop2.rs` or `sasl.rs` drives the
//! session over `connection.rs`, `event.rs` says what happened.

// Tests make files, sockets and clocks as they like; without tests the lint looks at the same lines.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod acme;
pub mod assemble;
mod audit;
pub mod bans;
mod clock;
pub mod config;
mod connection;
pub mod control;
mod defence;
mod event;
mod file;
pub mod header;
mod holders;
mod keeping;
mod limits;
pub mod listener;
mod lmtp;
mod login_delay;
mod names;
mod policy;
mod pop2;
mod pop3;
pub mod run;
mod sasl;
mod shared;
mod shutdown;
pub mod start;
mod submission;
pub mod system;
mod tls;
pub mod walls;

use crate::acme::Renewer;
use crate::config::Config;
use crate::control::Control;
use crate::event::{Event, Log};
use crate::keeping::Keeper;
use crate::listener::{BindError, Inherited, Listener, Listening};
use crate::shared::{Settings, Shared};
use crate::start::Prepared;
use crate::system::SystemAccess;
use crate::walls::{Standing, WallsError};
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

pub use shared::SettingsError;
pub use tls::pair::PairError;

/// A server that serves.
///
/// Dropping it closes the listeners and cuts the sessions; [`Server::drain`] is the way to stop it without harm.
pub struct Server {
    shared: Arc<Shared>,
    listeners: Vec<Listener>,
    inherited: Inherited,
    watch: JoinHandle<()>,
    keeper: Keeper,
    _renewer: Renewer,
    control: Control,
    standing: Option<Standing>,
}

impl Server {
    /// Starts a server within the present runtime, as whoever we are and without walls: for programs that have a server within
    /// them. [`run::run`] does more. When it returns all listeners accept connections.
    ///
    /// # Errors
    /// A listener cannot be bound, or accounts, certificate, key or log file cannot be used. Nothing is left behind.
    pub async fn start(config: Config, inherited: Inherited) -> Result<Self, StartError> {
        Self::serve(Prepared::within(config, inherited)?).await
    }

    /// Starts a server within the present runtime on what was prepared before there was one. When it returns all listeners
    /// accept connections.
    ///
    /// # Errors
    /// Accounts, certificate or key cannot be used. Nothing is left behind.
    pub async fn serve(prepared: Prepared) -> Result<Self, StartError> {
        let Prepared { config, inherited, log, bound, standing } = prepared;
        let log = log.start().map_err(StartError::Log)?;
        let settings = load(config, log.clone()).await.map_err(StartError::Settings)?;
        let shared = Arc::new(Shared::new(settings, log));
        let settings = shared.settings.load_full();
        let hostname = &settings.config.hostname;
        shared.log.write(&Event::Started { version: env!("CARGO_PKG_VERSION"), hostname });
        if let Some(standing) = &standing {
            shared.log.write(&Event::Walls(standing));
            for problem in standing.warnings() {
                shared.log.write(&Event::Warning { problem: &problem });
            }
        }
        warn(&settings.config, &shared.log);
        let bound = bound.into_iter().map(|(listen, bound)| {
            let socket = Listener::serve(&listen, bound)?;
            Ok((listen, socket))
        });
        let bound = bound.collect::<Result<Vec<_>, _>>().map_err(StartError::Bind)?;
        let listeners = bound
            .into_iter()
            .map(|(listen, socket)| Listener::start(listen, socket, Arc::clone(&shared)))
            .collect();
        let watch = tokio::spawn(watch(Arc::clone(&shared)));
        let keeper = Keeper::start(Arc::clone(&shared));
        let renewer = Renewer::start(Arc::clone(&shared));
        let control = Control::start(Arc::clone(&shared));
        Ok(Self { shared, listeners, inherited, watch, keeper, _renewer: renewer, control, standing })
    }

    /// Where the server listens; a port 0 of the configuration is the real port here. In the order of the
    /// configuration.
    pub fn addresses(&self) -> Vec<Listening> {
        self.listeners.iter().map(|listener| listener.listening.clone()).collect()
    }

    /// Sessions now.
    pub fn sessions(&self) -> usize {
        self.shared.admission.sessions()
    }

    /// Puts a new configuration in place. Listeners that stay the same go on without a gap, sessions keep the
    /// configuration they began with. Accounts, certificate and key are read again. The number of threads and the log's
    /// target and form are those of the start.
    ///
    /// # Errors
    /// The new configuration cannot be used. The old one stays in force as a whole; the reason is also in the log.
    pub async fn reload(&mut self, config: Config) -> Result<(), ReloadError> {
        let outcome = self.try_reload(config).await;
        match &outcome {
            Ok(()) => self.shared.log.write(&Event::ConfigurationReloaded),
            Err(error) => self.shared.log.write(&Event::ConfigurationKept { problem: &event::chain(error) }),
        }
        outcome
    }

    async fn try_reload(&mut self, mut config: Config) -> Result<(), ReloadError> {
        SystemAccess::follow(&mut config, &self.shared.settings.load().config)
            .map_err(|error| ReloadError::Settings(SettingsError::Accounts(error)))?;
        // Everything that can fail comes first; from the exchange of the settings on nothing does.
        if let Some(what) = self.standing.as_ref().and_then(|standing| standing.shuts_out(&config)) {
            return Err(ReloadError::Walls(what));
        }
        let mut bound = Vec::new();
        for listen in &config.listen {
            if !self.listeners.iter().any(|listener| listener.listen == *listen) {
                // A listener that only changes what it speaks has to make way for itself.
                let is_taken =
                    self.listeners.iter().any(|listener| listener.listen.address == listen.address);
                let socket = match is_taken {
                    true => None,
                    false => Some(Listener::bind(listen, &self.inherited).map_err(ReloadError::Bind)?),
                };
                bound.push((listen.clone(), socket));
            }
        }
        let mut settings = load(config, self.shared.log.clone()).await.map_err(ReloadError::Settings)?;
        settings.take_over(&self.shared.settings.load());
        warn(&settings.config, &self.shared.log);
        let wanted = settings.config.listen.clone();
        self.shared.throttle.adjust(assemble::throttle(&settings.config));
        self.shared.settings.store(Arc::new(settings));
        // What was renewed after these had read it, and before they were in place, was told to those before.
        shutdown::refresh_identity(&self.shared).await;
        let (stay, go): (Vec<_>, Vec<_>) =
            self.listeners.drain(..).partition(|listener| wanted.contains(&listener.listen));
        self.listeners = stay;
        for listener in go {
            let address = listener.listening.address.clone();
            listener.stop().await;
            self.shared.log.write(&Event::NotListening { address: &address });
        }
        let mut failed = None;
        for (listen, socket) in bound {
            let socket = match socket {
                Some(socket) => Ok(socket),
                None => Listener::bind(&listen, &self.inherited),
            };
            match socket {
                Ok(socket) => self.listeners.push(Listener::start(listen, socket, Arc::clone(&self.shared))),
                Err(error) => failed = Some(ReloadError::Bind(error)),
            }
        }
        self.listeners.sort_by_key(|listener| wanted.iter().position(|listen| *listen == listener.listen));
        failed.map_or(Ok(()), Err)
    }

    /// Says in the log why a new configuration is not used.
    pub fn keep_configuration(&self, problems: &[restante_config::problem::Problem]) {
        for problem in problems {
            self.shared.log.write(&Event::ConfigurationKept { problem });
        }
    }

    /// Reads accounts, certificate and key again and opens the log file anew, whatever has become of the
    /// configuration. What cannot be used leaves the old in force, with the reason in the log.
    pub async fn refresh(&self) {
        shutdown::refresh(&self.shared).await;
    }

    /// Stops: accepts nothing more, lets commands in progress finish, closes idle sessions. After `grace` the rest is
    /// cut. Returns how many were cut.
    pub async fn drain(mut self, grace: Duration) -> usize {
        self.control.stop().await;
        self.keeper.stop().await;
        let listeners = std::mem::take(&mut self.listeners);
        shutdown::drain(&self.shared, listeners, grace).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.watch.abort();
        self.shared.begin_drain();
        self.shared.cut_all();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

/// Reads files on a thread that may wait for them.
async fn load(config: Config, log: Log) -> Result<Settings, SettingsError> {
    let loading = tokio::task::spawn_blocking(move || Settings::new(config, &log)).await;
    loading.unwrap_or_else(|error| Err(SettingsError::Interrupted(error)))
}

fn warn(config: &Config, log: &Log) {
    for problem in &config.warnings {
        log.write(&Event::Warning { problem });
    }
}

/// Looks at certificate and key from time to time.
async fn watch(shared: Arc<Shared>) {
    loop {
        let settings = shared.settings.load_full();
        tokio::time::sleep(Duration::from_secs(settings.config.tls.watch_s)).await;
        shutdown::refresh_identity(&shared).await;
    }
}

/// The server cannot start.
#[derive(Debug)]
pub enum StartError {
    /// The log file cannot be opened.
    Log(io::Error),
    /// A listener cannot be bound.
    Bind(BindError),
    /// Accounts, certificate or key cannot be used.
    Settings(SettingsError),
    /// The broker, which opens the files of system accounts, does not start.
    Broker(io::Error),
    /// The system gives no threads.
    Runtime(io::Error),
    /// The server cannot become its user, or be walled in as it must.
    Walls(WallsError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Log(_) => "the log cannot be opened",
            Self::Bind(_) => "a listener cannot be bound",
            Self::Settings(_) => "the configuration cannot be used",
            Self::Broker(_) => "system accounts cannot be served",
            Self::Runtime(_) => "threads cannot be started",
            Self::Walls(_) => "the server cannot have the rights that it should",
        })
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Log(error) | Self::Broker(error) | Self::Runtime(error) => Some(error),
            Self::Bind(error) => Some(error),
            Self::Settings(error) => Some(error),
            Self::Walls(error) => Some(error),
        }
    }
}

/// A new configuration cannot be used; the old one stays.
#[derive(Debug)]
pub enum ReloadError {
    /// A new listener cannot be bound.
    Bind(BindError),
    /// Accounts, certificate or key cannot be used.
    Settings(SettingsError),
    /// It needs this, which was outside of the configuration that the walls were made from.
    Walls(String),
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Walls(what) => {
                return write!(
                    f,
                    "{what} is outside of the walls that the server was started with: restart it"
                );
            }
            Self::Bind(_) => "a listener cannot be bound",
            Self::Settings(_) => "the configuration cannot be used",
        })
    }
}

impl Error for ReloadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Bind(error) => Some(error),
            Self::Settings(error) => Some(error),
            Self::Walls(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
