//! A server as a process: rights, runtime, descriptors and signals around [`Server`].
//!
//! First what needs the rights that we were started with (`start.rs`), then what those rights leave, then threads, then peers.
//! SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reads everything again. Called by `restante serve`.

use crate::config::Config;
use crate::listener::Inherited;
use crate::start::Opened;
use crate::{Server, StartError};
use restante_config::problem::Problem;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Interval;

/// Whoever wants to know how the server is: a person at a terminal, a service manager.
pub trait Attendant {
    /// All listeners accept connections; after a reload again, whatever came of it.
    fn ready(&self, server: &Server);
    /// The configuration is being read again.
    fn reloading(&self);
    /// The server ends as soon as it can.
    fn stopping(&self);
    /// How often it wants to hear that the server is not stuck; `None` for never.
    fn rhythm(&self) -> Option<Duration>;
    /// The server is not stuck.
    fn alive(&self);
}

/// Serves until a signal ends it. `path` is the file that `config` comes from; `reload` reads it anew.
///
/// # Errors
/// The server cannot start.
pub fn run(
    config: Config,
    path: &Path,
    inherited: Inherited,
    mut reload: impl FnMut() -> Result<Config, Vec<Problem>> + Send + 'static,
    attendant: &impl Attendant,
) -> Result<(), StartError> {
    raise_descriptor_limit();
    let opened = Opened::new(config, inherited)?;
    // Whoever has to keep root is started here: nothing of a peer has been read yet, and there is no other thread.
    let prepared = opened.enter_walls(path)?;
    let runtime = runtime(&prepared.config).map_err(StartError::Runtime)?;
    let grace = Duration::from_secs(prepared.config.limits.drain_s);
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(StartError::Runtime)?;
        let mut server = Server::serve(prepared).await?;
        attendant.ready(&server);
        let mut beat = Beat::new(attendant.rhythm());
        loop {
            let wish = tokio::select! {
                wish = signals.next() => wish,
                () = beat.next() => {
                    attendant.alive();
                    continue;
                }
            };
            match wish {
                Wish::Stop => break,
                Wish::Reload => {
                    attendant.reloading();
                    take_new_configuration(&mut server, &mut reload).await;
                    attendant.ready(&server);
                }
            }
        }
        attendant.stopping();
        let mut draining = std::pin::pin!(server.drain(grace));
        loop {
            tokio::select! {
                _ = &mut draining => break,
                () = signals.stop() => break,
                () = beat.next() => attendant.alive(),
            }
        }
        Ok(())
    })?;
    // What still waits for a disk is not waited for: nothing was acknowledged that is not durable.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

/// SIGHUP: a new configuration if it is good; accounts, certificates and log file in any case.
async fn take_new_configuration(
    server: &mut Server,
    reload: &mut (impl FnMut() -> Result<Config, Vec<Problem>> + Send + 'static),
) {
    match reload() {
        // What it says is in the log already.
        Ok(config) => drop(server.reload(config).await),
        Err(problems) => server.keep_configuration(&problems),
    }
    server.refresh().await;
}

/// The runtime that a configuration asks for.
fn runtime(config: &Config) -> io::Result<Runtime> {
    let threads = match usize::try_from(config.server.threads).unwrap_or(usize::MAX) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(usize::try_from(config.server.disk_threads).unwrap_or(1))
        .thread_name("serve")
        .enable_all()
        .build()
}

/// Every session holds a socket and a lock, so the soft limit on descriptors is raised to the hard one. It is low by
/// tradition, for programs that use `select`; there are none here.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // If it stays low, accepting says so when it is reached.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// A watchdog's rhythm; without one it never comes.
struct Beat(Option<Interval>);

impl Beat {
    fn new(rhythm: Option<Duration>) -> Self {
        // An interval must not be 0.
        Self(rhythm.map(|rhythm| tokio::time::interval(rhythm.max(Duration::from_millis(1)))))
    }

    /// Nothing is lost when this is cancelled.
    async fn next(&mut self) {
        match &mut self.0 {
            Some(beat) => drop(beat.tick().await),
            None => std::future::pending().await,
        }
    }
}

enum Wish {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hang_up.recv() => Wish::Reload,
        }
    }

    async fn stop(&mut self) {
        while let Wish::Reload = self.next().await {}
    }
}
