//! Listening: sockets bound before anything is served, connections accepted, counted and handed to a session.
//!
//! Sockets are opened here and in `listener/`; what is said on them is the business of
//! `pop3.rs`, `lmtp.rs`, `pop2.rs`, `sasl.rs` and `acme/http01.rs`. A connection over a limit is told so in one line and closed. Behind a proxy the client is who the header
//! says (`listener/proxy.rs`).

mod proxy;
mod socket;
mod stream;

use crate::clock;
use crate::config::{Address, Config, Listen, Network, Protocol, TlsMode};
use crate::connection::Connection;
use crate::event::session::{Done, SessionEnd, Traffic};
use crate::event::{End, Event, Peer, Trace};
use crate::limits::{FAREWELL_S, Leave, Pass, REFUSALS_MAX, Standing};
use crate::shared::{Registered, Settings, Shared};
use crate::walls::user::ServerUser;
use crate::{acme, lmtp, pop2, pop3, sasl};
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use socket::Inherited;
pub(crate) use socket::{Bound, Socket};
pub(crate) use stream::{Raw, UnderTls};

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

    /// Takes a socket that was bound before there was a runtime into the present one.
    pub(crate) fn serve(listen: &Listen, bound: Bound) -> Result<Socket, BindError> {
        bound.serve().map_err(|error| BindError { address: listen.address.clone(), error })
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
        let door = Arc::new(Door {
            listening: listening.clone(),
            proxy_from: listen.proxy_from.clone(),
            proxy_tls: listen.proxy_tls,
            refusing: Arc::default(),
            unnamed: Arc::default(),
        });
        let accepting = tokio::spawn(accept_all(socket, door, shared));
        Self { listen, listening, accepting }
    }

    /// Stops accepting and closes the socket; sessions go on.
    pub(crate) async fn stop(self) {
        self.accepting.abort();
        // The socket is closed when the task is gone. A cancelled task is no error here.
        let _ = self.accepting.await;
    }
}

/// What its connections must know of a listener.
struct Door {
    listening: Listening,
    proxy_from: Vec<Network>,
    proxy_tls: bool,
    /// Connections that are being told in a handshake that there are too many.
    refusing: Arc<AtomicUsize>,
    /// Connections whose PROXY header has not come yet.
    unnamed: Arc<AtomicUsize>,
}

/// Accepts for ever.
async fn accept_all(socket: Socket, door: Arc<Door>, shared: Arc<Shared>) {
    let mut pause = PAUSE_FIRST;
    loop {
        match socket.accept().await {
            Ok((raw, peer)) => {
                pause = PAUSE_FIRST;
                if door.proxy_from.is_empty() {
                    welcome(raw, peer, None, &door, &shared);
                } else {
                    welcome_proxy(raw, peer, &door, &shared);
                }
            }
            Err(error) if is_the_peers_fault(&error) => {}
            Err(error) => {
                // No descriptors, no memory: trying again at once would only make it worse, and the log too.
                shared.log.write(&Event::AcceptFailed { address: &door.listening.address, error: &error });
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

/// Waits for the header of a connection that comes from a proxy; the client it names is the peer from then on.
fn welcome_proxy(mut raw: Raw, proxy: Peer, door: &Arc<Door>, shared: &Arc<Shared>) {
    let protocol = door.listening.protocol;
    let refuse = |error: &dyn Error| refuse_proxy(shared, protocol, &proxy, error);
    // PROXY-2.3
    if !door.proxy_from.iter().any(|network| network.contains(&proxy)) {
        return refuse(&NotAProxy::Stranger);
    }
    let limits = shared.settings.load().config.limits.clone();
    let unnamed_max = usize::try_from(limits.sessions).unwrap_or(usize::MAX);
    let Some(place) = Place::take(&door.unnamed, unnamed_max) else { return refuse(&NotAProxy::TooMany) };
    let (door, shared) = (Arc::clone(door), Arc::clone(shared));
    tokio::spawn(async move {
        // PROXY-2.4
        let deadline = Duration::from_secs(limits.handshake_s.max(3));
        let read = proxy::read(&mut raw, deadline).await;
        drop(place);
        match read {
            Ok(header) => {
                let peer = match header.client {
                    proxy::Client::Unnamed => proxy,
                    proxy::Client::Tcp(address) => Peer::Tcp(address),
                    proxy::Client::Unix => Peer::Unix,
                };
                let tls = header.tls.filter(|_| door.proxy_tls);
                // R9325-3.8.1, as under our own TLS: such a client is being led astray.
                if tls.is_some() && protocol == Protocol::Pop3 && header.alpn == proxy::Alpn::Other {
                    let error = NotAProxy::OtherProtocol;
                    return refuse_proxy(&shared, protocol, &peer, &error);
                }
                welcome(raw, peer, tls, &door, &shared);
            }
            Err(error) => refuse_proxy(&shared, protocol, &proxy, &error),
        }
    });
}

/// Says why a connection to a listener behind proxies is closed.
fn refuse_proxy(shared: &Shared, protocol: Protocol, peer: &Peer, error: &dyn Error) {
    if let Some(unsaid) = shared.repeats.allows("proxy", clock::now()) {
        shared.log.write(&Event::ProxyRefused { protocol, peer, error, unsaid });
    }
}

/// Lets one connection in, or says why not. `proxy_tls`: what a proxy that is believed says of the client's TLS.
fn welcome(raw: Raw, peer: Peer, proxy_tls: Option<proxy::Tls>, door: &Door, shared: &Arc<Shared>) {
    let listening = &door.listening;
    // Before anything is spent on it, and without a line in the log: that has one for the ban.
    if let Peer::Tcp(address) = peer
        && matches!(listening.protocol, Protocol::Pop3 | Protocol::Pop2)
        && shared.bans.covers(address.ip(), clock::wall())
    {
        return;
    }
    let settings = shared.settings.load_full();
    match shared.admission.admit(&peer, standing(listening.protocol, &peer, shared), &settings.config.limits)
    {
        Ok(pass) => {
            let trace = shared.traces.next();
            let visit = Visit {
                trace,
                peer,
                tls: offered(listening.tls, &settings),
                proxy_tls: proxy_tls.map(Box::new),
                settings,
                shared: Arc::clone(shared),
                pass: Some(pass),
                _registered: Some(shared.register(trace)),
            };
            match listening.protocol {
                Protocol::Pop3 => shared.spawn(trace, pop3::serve(raw, visit)),
                Protocol::Lmtp => shared.spawn(trace, lmtp::serve(raw, visit)),
                Protocol::Pop2 => shared.spawn(trace, pop2::serve(raw, visit)),
                Protocol::Sasl => shared.spawn(trace, sasl::serve(raw, visit)),
                Protocol::Acme => shared.spawn(trace, acme::http01::serve(raw, visit)),
            }
        }
        Err(limit) => {
            if let Some(unsaid) = shared.repeats.allows(limit, clock::now()) {
                let protocol = listening.protocol;
                shared.log.write(&Event::Refused { protocol, peer: &peer, limit, unsaid });
            }
            refuse(raw, listening, &settings, &door.refusing);
        }
    }
}

/// Strangers are clients from where nobody has logged in; who delivers or asks about clients is one of the host's own.
fn standing(protocol: Protocol, peer: &Peer, shared: &Shared) -> Standing {
    match (protocol, peer) {
        (Protocol::Pop3 | Protocol::Pop2 | Protocol::Acme, Peer::Tcp(address))
            if !shared.throttle.is_home(address.ip(), clock::now().into_std()) =>
        {
            Standing::Stranger
        }
        _ => Standing::Known,
    }
}

/// What would fail is not offered (R8314-4.2): before the first certificate of `[acme]` has come there is no STLS.
fn offered(tls: TlsMode, settings: &Settings) -> TlsMode {
    let is_ready = settings.identity.as_ref().is_some_and(|identity| identity.is_ready());
    if tls == TlsMode::StartTls && !is_ready { TlsMode::Off } else { tls }
}

/// One connection with everything that its session needs from the server.
pub(crate) struct Visit {
    pub(crate) trace: Trace,
    pub(crate) peer: Peer,
    pub(crate) tls: TlsMode,
    /// TLS ends at a proxy that is believed: its version and suite. Aside: a session that waits shall be small.
    pub(crate) proxy_tls: Option<Box<(&'static str, &'static str)>>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) shared: Arc<Shared>,
    /// Held until the connection is closed; none for a guest behind a mail server, which holds its own.
    pub(crate) pass: Option<Pass>,
    pub(crate) _registered: Option<Registered>,
}

impl Visit {
    /// As if a client of the mail server at the other end had come itself, now.
    pub(crate) fn on_behalf_of(&self, client: Peer) -> Self {
        Self {
            trace: self.trace,
            peer: client,
            tls: TlsMode::Off,
            proxy_tls: None,
            settings: self.shared.settings.load_full(),
            shared: Arc::clone(&self.shared),
            pass: None,
            _registered: None,
        }
    }

    /// The connection over `raw`.
    pub(crate) fn connection(&self, raw: Raw) -> Connection {
        Connection::new(raw, Arc::clone(&self.shared.buffers), self.settings.config.limits.write_s)
    }

    /// Until when a client may be silent that has logged in: a time that begins anew whenever the session got on (R1939-3.21,
    /// R1939-3.22). Octets that make up no command yet do not count.
    pub(crate) fn deadline(&self, connection: &mut Connection) -> Instant {
        connection.last_active() + Duration::from_secs(self.settings.config.limits.autologout_s)
    }

    /// Where it is told to make room for others before anybody has logged in.
    pub(crate) fn leave(&self) -> Option<Arc<Leave>> {
        self.pass.as_ref().and_then(Pass::leave)
    }

    /// Until when a client may be silent that has not logged in, and how its session ends then. The first command must come soon; after
    /// it there is one moment for the whole login, however busy the client is.
    ///
    /// # Errors
    /// It is past; octets that have come meanwhile do not count.
    pub(crate) fn login_deadline(
        &self,
        connection: &Connection,
        login: Instant,
    ) -> Result<(Instant, End), End> {
        let patience = Duration::from_secs(self.settings.config.limits.first_command_s);
        let first = connection.expects_first_command().map(|since| since + patience);
        let (moment, end) = match first {
            Some(first) if first < login => (first, End::NoCommand),
            _ => (login, End::LoginDeadline),
        };
        if clock::now() < moment { Ok((moment, end)) } else { Err(end) }
    }

    /// What protects the session from its first octet on, or may: TLS that ends at a believed proxy counts as our own
    /// (PROXY-2.2.6.1). Whether *we* make a handshake is `tls`'s to say.
    pub(crate) fn protection(&self) -> TlsMode {
        if self.proxy_tls.is_some() { TlsMode::Implicit } else { self.tls }
    }

    /// What the log says of TLS: its version and cipher suite, if there is any.
    pub(crate) fn tls_note(&self, connection: &Connection) -> Option<(&'static str, &'static str)> {
        connection.tls().or_else(|| self.proxy_tls.as_deref().copied())
    }

    /// Closes the connection as befits how the session ended, and answers what went over it.
    pub(crate) async fn close(&self, connection: &mut Connection, end: &End) -> Traffic {
        // Before: what is closed knows no more of it.
        let traffic = Traffic {
            tls: self.tls_note(connection),
            octets_in: connection.octets_in,
            octets_out: connection.octets_out,
        };
        connection.leave(end).await;
        traffic
    }

    /// Says in the log how the session was that began at `started` and is over now.
    pub(crate) fn note_end(&self, started: Instant, traffic: Traffic, done: Done, end: End) {
        let duration = clock::now() - started;
        let session = SessionEnd { trace: self.trace, peer: self.peer, traffic, done, duration, end };
        self.shared.log.write(&Event::Session(&session));
    }
}

/// What a session comes to, unless `leave` says that it must make room for others.
pub(crate) fn unless_displaced(
    leave: Option<Arc<Leave>>,
    mut session: Pin<&mut impl Future<Output = End>>,
) -> impl Future<Output = End> {
    poll_fn(move |cx| match (session.as_mut().poll(cx), &leave) {
        (Poll::Pending, Some(leave)) => leave.poll(cx).map(|()| End::Displaced),
        (poll, _) => poll,
    })
}

/// Says in one line that there are too many, and closes. Where that takes a handshake it is done for a few at a time:
/// being full must not be the dearest thing that can happen.
fn refuse(raw: Raw, listening: &Listening, settings: &Arc<Settings>, refusing: &Arc<AtomicUsize>) {
    let last_words = match listening.protocol {
        Protocol::Pop3 => pop3::refusal(),
        Protocol::Lmtp => lmtp::refusal(),
        Protocol::Pop2 => pop2::refusal(),
        // A mail server takes a connection that is closed for a server that is away, which is what it must tell its client.
        // So does an ACME server.
        Protocol::Sasl | Protocol::Acme => return,
    };
    let identity = match (listening.tls, &settings.identity) {
        (TlsMode::Implicit, Some(identity)) => Arc::clone(identity),
        _ => {
            raw.write_fresh(last_words);
            return;
        }
    };
    let protocol = listening.protocol;
    let Some(place) = Place::take(refusing, REFUSALS_MAX) else { return };
    tokio::spawn(async move {
        let telling = async {
            let mut connection = Connection::new(raw, Arc::default(), FAREWELL_S);
            connection.start_tls(Some(&identity), protocol).await?;
            connection.output.extend_from_slice(last_words);
            // A peer that does not listen to a refusal misses nothing else.
            let _ = connection.write().await;
            connection.close().await;
            Ok::<(), io::Error>(())
        };
        let _ = tokio::time::timeout(Duration::from_secs(FAREWELL_S), telling).await;
        drop(place);
    });
}

/// One of a bounded number of places.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(places: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        let take_one = |now: usize| (now < max).then_some(now + 1);
        let taken = places.fetch_update(Ordering::AcqRel, Ordering::Relaxed, take_one);
        taken.is_ok().then(|| Self(Arc::clone(places)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Why a connection is not asked for a PROXY header.
#[derive(Clone, Copy, Debug)]
enum NotAProxy {
    Stranger,
    TooMany,
    OtherProtocol,
}

impl fmt::Display for NotAProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stranger => "the connection does not come from an address in proxy_from",
            Self::TooMany => "too many connections wait for their PROXY header",
            Self::OtherProtocol => "the client and the proxy have agreed to speak another protocol",
        })
    }
}

impl Error for NotAProxy {}

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

/// Binds all listeners of a configuration, or none; needs no runtime. Unix sockets without an owner are given to `user`.
pub(crate) fn bind_all(
    config: &Config,
    inherited: &Inherited,
    user: Option<&ServerUser>,
) -> Result<Vec<(Listen, Bound)>, BindError> {
    let bind = |listen: &Listen| {
        let bound = Bound::open(listen, inherited, user);
        let bound = bound.map_err(|error| BindError { address: listen.address.clone(), error })?;
        Ok((listen.clone(), bound))
    };
    config.listen.iter().map(bind).collect()
}

/// Pauses after a failure to accept, doubling from the first to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
