//! Listening: sockets bound before anything is served, connections accepted, counted and handed to a session.
//!
//! Sockets are opened here and in `listener/`; what is said on them is `pop3.rs`'s and `lmtp.rs`'s business. A connection
//! over a limit is told so in one line and closed.

mod socket;
mod stream;

use crate::config::{Address, Config, Listen, Protocol, TlsMode};
use crate::connection::Connection;
use crate::event::{Event, Peer, Trace};
use crate::limits::{FAREWELL_S, Pass, REFUSALS_MAX};
use crate::shared::{Registered, Settings, Shared};
use crate::{lmtp, pop3};
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

pub use socket::Inherited;
pub(crate) use socket::Socket;
pub(crate) use stream::Raw;

/// A socket that is listened on, with the address it really has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// What is spoken there.
    pub protocol: Protocol,
    /// How it is encrypted.
    pub tls: TlsMode,
    /// Where; a port 0 of the configuration is the real port here.
    pub address: Address,
}

/// A listener that accepts.
pub(crate) struct Listener {
    /// As configured.
    pub(crate) listen: Listen,
    /// As it is.
    pub(crate) listening: Listening,
    accepting: JoinHandle<()>,
}

impl Listener {
    /// Binds a listener's socket. Nothing is accepted yet.
    pub(crate) fn bind(listen: &Listen, inherited: &Inherited) -> Result<Socket, BindError> {
        Socket::bind(listen, inherited).map_err(|error| BindError { address: listen.address.clone(), error })
    }

    /// Begins to accept.
    pub(crate) fn start(listen: Listen, socket: Socket, shared: Arc<Shared>) -> Self {
        let listening = Listening {
            protocol: listen.protocol,
            tls: listen.tls,
            address: socket.address(&listen.address),
        };
        shared.log.write(&Event::Listening {
            protocol: listening.protocol,
            address: &listening.address,
            tls: listening.tls,
        });
        let accepting = tokio::spawn(accept_all(socket, listening.clone(), shared));
        Self { listen, listening, accepting }
    }

    /// Stops accepting and closes the socket; sessions go on.
    pub(crate) async fn stop(self) {
        self.accepting.abort();
        // The socket is closed when the task is gone. A cancelled task is no error here.
        let _ = self.accepting.await;
    }
}

/// Accepts for ever.
async fn accept_all(socket: Socket, listening: Listening, shared: Arc<Shared>) {
    let refusing = Arc::new(AtomicUsize::new(0));
    let mut pause = PAUSE_FIRST;
    loop {
        match socket.accept().await {
            Ok((raw, peer)) => {
                pause = PAUSE_FIRST;
                welcome(raw, peer, &listening, &shared, &refusing);
            }
            Err(error) if is_the_peers_fault(&error) => {}
            Err(error) => {
                // No descriptors, no memory: trying again at once would only make it worse, and the log too.
                shared.log.write(&Event::AcceptFailed { address: &listening.address, error: &error });
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// The connection was gone before it was accepted.
fn is_the_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::Interrupted
            | Kind::WouldBlock
            | Kind::BrokenPipe
    )
}

/// Lets one connection in, or says why not.
fn welcome(raw: Raw, peer: Peer, listening: &Listening, shared: &Arc<Shared>, refusing: &Arc<AtomicUsize>) {
    let settings = shared.settings.load_full();
    match shared.admission.admit(&peer, &settings.config.limits) {
        Ok(pass) => {
            let trace = shared.traces.next();
            let visit = Visit {
                trace,
                peer,
                tls: listening.tls,
                settings,
                shared: Arc::clone(shared),
                _pass: pass,
                _registered: shared.register(trace),
            };
            match listening.protocol {
                Protocol::Pop3 => shared.spawn(trace, pop3::serve(raw, visit)),
                Protocol::Lmtp => shared.spawn(trace, lmtp::serve(raw, visit)),
            }
        }
        Err(limit) => {
            shared.log.write(&Event::Refused { protocol: listening.protocol, peer: &peer, limit });
            refuse(raw, listening, &settings, refusing);
        }
    }
}

/// One connection with everything that its session needs from the server.
pub(crate) struct Visit {
    pub(crate) trace: Trace,
    pub(crate) peer: Peer,
    pub(crate) tls: TlsMode,
    pub(crate) settings: Arc<Settings>,
    pub(crate) shared: Arc<Shared>,
    /// Held until the connection is closed.
    pub(crate) _pass: Pass,
    pub(crate) _registered: Registered,
}

impl Visit {
    /// The connection over `raw`.
    pub(crate) fn connection(&self, raw: Raw) -> Connection {
        let deadline = Duration::from_secs(self.settings.config.limits.write_s);
        Connection::new(raw, Arc::clone(&self.shared.buffers), deadline)
    }
}

/// Says in one line that there are too many, and closes. Where that takes a handshake it is done for a few at a time:
/// being full must not be the dearest thing that can happen.
fn refuse(raw: Raw, listening: &Listening, settings: &Arc<Settings>, refusing: &Arc<AtomicUsize>) {
    let last_words = match listening.protocol {
        Protocol::Pop3 => pop3::refusal(),
        Protocol::Lmtp => lmtp::refusal(),
    };
    let identity = match (listening.tls, &settings.identity) {
        (TlsMode::Implicit, Some(identity)) => Arc::clone(identity),
        _ => {
            raw.write_fresh(last_words);
            return;
        }
    };
    let protocol = listening.protocol;
    let take_one = |now: usize| (now < REFUSALS_MAX).then_some(now + 1);
    if refusing.fetch_update(Ordering::AcqRel, Ordering::Relaxed, take_one).is_err() {
        return;
    }
    let refusing = Arc::clone(refusing);
    tokio::spawn(async move {
        let telling = async {
            let mut connection = Connection::new(raw, Arc::default(), Duration::from_secs(FAREWELL_S));
            connection.start_tls(Some(&identity), protocol).await?;
            connection.output.extend_from_slice(last_words);
            // A peer that does not listen to a refusal misses nothing else.
            let _ = connection.write().await;
            connection.close().await;
            Ok::<(), io::Error>(())
        };
        let _ = tokio::time::timeout(Duration::from_secs(FAREWELL_S), telling).await;
        refusing.fetch_sub(1, Ordering::AcqRel);
    });
}

/// A listener's socket cannot be opened.
#[derive(Debug)]
pub struct BindError {
    address: Address,
    error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}", self.address)
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// Binds all listeners of a configuration, or none.
pub(crate) fn bind_all(config: &Config, inherited: &Inherited) -> Result<Vec<(Listen, Socket)>, BindError> {
    config
        .listen
        .iter()
        .map(|listen| Listener::bind(listen, inherited).map(|socket| (listen.clone(), socket)))
        .collect()
}

/// Pauses after a failure to accept, doubling from the first to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
