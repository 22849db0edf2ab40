//! The connections of one source: how many at a time, which are kept, and which server is asked.
//!
//! Searches and binds have connections of their own, so that no search is ever done with the rights of somebody who has just logged
//! in, and none of them must be bound again.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use restante_auth::directory::Problem;
use rustls::ClientConfig;
use tokio::sync::{Semaphore, SemaphorePermit};
use zeroize::Zeroizing;

use super::connection::{Bind, Connection, Failure};
use super::found::Found;
use super::server::Server;
use super::{Query, Service};
use crate::trust;

/// Connections to the servers of one source.
pub(super) struct Pool {
    servers: Vec<Server>,
    /// Which of them answered last.
    current: AtomicUsize,
    tls: Arc<ClientConfig>,
    service: Option<(String, Zeroizing<String>)>,
    places: Semaphore,
    idle_max: usize,
    /// Idle, the one that was used last in front.
    searching: Mutex<VecDeque<Connection>>,
    binding: Mutex<VecDeque<Connection>>,
    /// For one attempt to connect, so that a silent server leaves time for the next one.
    connect_timeout: Duration,
}

impl Pool {
    pub(super) fn new(
        servers: Vec<Server>,
        authorities: Option<&[u8]>,
        service: Option<Service>,
        connections_max: usize,
        timeout: Duration,
    ) -> Result<Self, Problem> {
        let attempts = u32::try_from(servers.len()).unwrap_or(u32::MAX);
        let connect_timeout = timeout.checked_div(attempts).ok_or_else(|| {
            Problem::new("a directory without a server", "name one: urls = [\"ldaps://ldap.example.org\"]")
        })?;
        let service = match service {
            None => None,
            Some(Service { dn, password }) => match str::from_utf8(password.expose()) {
                Ok(text) if !text.is_empty() && !dn.is_empty() => Some((dn, Zeroizing::new(text.to_owned()))),
                _ => {
                    return Err(Problem::new(
                        "the account that searches has no password, no name, or one that is not UTF-8",
                        "give both user and password, or none of them",
                    ));
                }
            },
        };
        Ok(Self {
            servers,
            current: AtomicUsize::new(0),
            tls: trust::config(authorities)?,
            service,
            places: Semaphore::new(connections_max.max(1)),
            idle_max: connections_max.max(1),
            searching: Mutex::default(),
            binding: Mutex::default(),
            connect_timeout,
        })
    }

    pub(super) const fn has_service(&self) -> bool {
        self.service.is_some()
    }

    /// Closes what is idle.
    pub(super) fn forget(&self) {
        for idle in [&self.searching, &self.binding] {
            idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// A place for one question, with all the searches and binds that it takes; waits until there is one.
    pub(super) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed.
        self.places.acquire().await.ok()
    }

    /// Searches as the service account.
    pub(super) async fn search(
        &self,
        query: &Query,
        attributes: &[String],
        now: Instant,
    ) -> Result<Option<Found>, Failure> {
        loop {
            let (mut connection, is_old) = match take(&self.searching, now) {
                Some(connection) => (connection, true),
                None => (self.open_for_searches(now).await?, false),
            };
            match connection.search(query, attributes).await {
                // A server closes what was idle for long; a new connection tells whether it is there.
                Err(Failure::Lost(_)) if is_old => {}
                Err(failure) => return Err(failure),
                Ok(found) => {
                    give_back(&self.searching, connection, self.idle_max, now);
                    return Ok(found);
                }
            }
        }
    }

    /// Binds on a connection that nobody searches over, and hands it out.
    pub(super) async fn bind(
        &self,
        dn: &str,
        password: &str,
        now: Instant,
    ) -> Result<(Bind, Connection), Failure> {
        loop {
            let (mut connection, is_old) = match take(&self.binding, now) {
                Some(connection) => (connection, true),
                None => (self.open(now).await?, false),
            };
            match connection.bind(dn, password).await {
                Err(Failure::Lost(_)) if is_old => {}
                Err(failure) => return Err(failure),
                Ok(bind) => return Ok((bind, connection)),
            }
        }
    }

    /// Keeps a connection that [`Self::bind`] has handed out, for the next bind.
    pub(super) fn give_back_bound(&self, connection: Connection, now: Instant) {
        give_back(&self.binding, connection, self.idle_max, now);
    }

    /// A new connection with the rights of the service account.
    pub(super) async fn open_for_searches(&self, now: Instant) -> Result<Connection, Failure> {
        let mut connection = self.open(now).await?;
        if let Some((dn, password)) = &self.service {
            match connection.bind(dn, password).await? {
                Bind::Right => {}
                _ => {
                    return Err(Failure::Permanent(Problem::new(
                        format!("the server does not let {dn:?} in, who is to search"),
                        "correct user and password of this source",
                    )));
                }
            }
        }
        Ok(connection)
    }

    /// Connects to the server that answered last, else to the others in their order.
    async fn open(&self, now: Instant) -> Result<Connection, Failure> {
        let current = self.current.load(Ordering::Relaxed);
        let order = self.servers.iter().enumerate().cycle().skip(current).take(self.servers.len());
        let mut failures = Vec::new();
        for (position, server) in order {
            let opening = Connection::open(server, &self.tls, now);
            match tokio::time::timeout(self.connect_timeout, opening).await {
                Ok(Ok(connection)) => {
                    self.current.store(position, Ordering::Relaxed);
                    return Ok(connection);
                }
                Ok(Err(failure)) => failures.push(failure),
                Err(_) => failures.push(Failure::lost(format!("{server} does not answer in time"))),
            }
        }
        Err(one_of(failures))
    }
}

/// One failure for several servers: permanent only if all are.
fn one_of(failures: Vec<Failure>) -> Failure {
    let is_permanent = failures.iter().all(|failure| matches!(failure, Failure::Permanent(_)));
    let mut whats = Vec::new();
    for failure in failures {
        match failure {
            Failure::Permanent(problem) if is_permanent => return Failure::Permanent(problem),
            Failure::Permanent(problem) => whats.push(problem.to_string()),
            Failure::Lost(what) => whats.push(what),
        }
    }
    Failure::lost(whats.join("; "))
}

/// The connection that was used last, if that is not long ago; the others are closed when it is.
fn take(idle: &Mutex<VecDeque<Connection>>, now: Instant) -> Option<Connection> {
    let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
    idle.retain(|connection| now.saturating_duration_since(connection.used) < IDLE_MAX);
    idle.pop_front()
}

fn give_back(idle: &Mutex<VecDeque<Connection>>, mut connection: Connection, max: usize, now: Instant) {
    connection.used = now;
    let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
    idle.push_front(connection);
    idle.truncate(max);
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.service.as_ref().map(|(dn, _)| dn);
        f.debug_struct("Pool")
            .field("servers", &self.servers)
            .field("service", &service)
            .finish_non_exhaustive()
    }
}

/// Idle connections are kept so long: shorter than firewalls forget them.
const IDLE_MAX: Duration = Duration::from_secs(60);
