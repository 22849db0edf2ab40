//! A server as a process: runtime, descriptors and signals around [`Server`].
//!
//! SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reads everything again. Called by `restante serve`.

use crate::config::Config;
use crate::listener::Inherited;
use crate::{Server, StartError};
use restante_config::problem::Problem;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Serves until a signal ends it. `reload` reads the configuration anew; `ready` is called once, when all listeners
/// accept connections.
///
/// # Errors
/// The server cannot start.
pub fn run(
    config: Config,
    inherited: Inherited,
    mut reload: impl FnMut() -> Result<Config, Vec<Problem>> + Send + 'static,
    ready: impl FnOnce(&Server),
) -> Result<(), StartError> {
    raise_descriptor_limit();
    let runtime = runtime(&config).map_err(StartError::Runtime)?;
    let grace = Duration::from_secs(config.limits.drain_s);
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(StartError::Runtime)?;
        let mut server = Server::start(config, inherited).await?;
        ready(&server);
        loop {
            match signals.next().await {
                Wish::Stop => break,
                Wish::Reload => take_new_configuration(&mut server, &mut reload).await,
            }
        }
        tokio::select! {
            _ = server.drain(grace) => {}
            () = signals.stop() => {}
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
