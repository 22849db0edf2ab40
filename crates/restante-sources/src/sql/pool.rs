//! `Pool`: a bounded number of connections that are opened when they are wanted.
//!
//! A question takes a place, then an idle connection or a new one. A connection goes back only after a whole answer: one whose question failed,
//! came too late or was given up is closed, so that no answer can be taken for another's. An idle connection that
//! turns out to be dead, as all are after the database was restarted, is replaced by a new one within the same question.
//!
//! sqlx has a pool of its own; it keeps trying in silence while nobody listens, and then says only that time is over. Here the first
//! refusal is the answer, with its reason, and the next question tries again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::connection::{Connection, Row, Values};
use super::fault::Fault;
use super::query::Query;
use super::url::Options;

/// Connections to one database.
pub(super) struct Pool {
    options: Options,
    timeout: Duration,
    places: Semaphore,
    /// The one that was used last is the last.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// Of at most `connections` connections, none of which is opened yet; a question may take `timeout`.
    pub(super) fn new(options: Options, connections: usize, timeout: Duration) -> Self {
        Self { options, timeout, places: Semaphore::new(connections), idle: Mutex::new(Vec::new()) }
    }

    /// What the database answers, with at most `rows_max` rows.
    pub(super) async fn rows(
        &self,
        query: &Query,
        values: &Values<'_>,
        rows_max: usize,
        now: Instant,
    ) -> Result<Vec<Row>, Fault> {
        let has_place = AtomicBool::new(false);
        let asked = async {
            // The semaphore is never closed.
            let _place = self.places.acquire().await.map_err(|_| Fault::Busy)?;
            has_place.store(true, Ordering::Relaxed);
            let (rows, connection) = self.ask(query, values, rows_max, now).await?;
            self.idle().push(Idle { connection, since: now });
            Ok(rows)
        };
        let answered = tokio::time::timeout(self.timeout, asked).await;
        answered.unwrap_or_else(|_| {
            Err(if has_place.load(Ordering::Relaxed) { Fault::Late } else { Fault::Busy })
        })
    }

    async fn ask(
        &self,
        query: &Query,
        values: &Values<'_>,
        rows_max: usize,
        now: Instant,
    ) -> Result<(Vec<Row>, Connection), Fault> {
        if let Some(mut connection) = self.take(now) {
            match connection.rows(query, values, rows_max).await {
                Ok(rows) => return Ok((rows, connection)),
                // The others are as old.
                Err(fault) if fault.is_of_connection() => self.idle().clear(),
                Err(fault) => return Err(fault),
            }
        }
        let mut connection = Connection::open(&self.options, self.timeout).await?;
        let rows = connection.rows(query, values, rows_max).await?;
        Ok((rows, connection))
    }

    /// The same over a connection of its own, which is allowed much more time: for answers about all accounts.
    pub(super) async fn many_rows(&self, query: &Query, rows_max: usize) -> Result<Vec<Row>, Fault> {
        let timeout = self.timeout.max(MANY_ROWS_TIMEOUT);
        let asked = async {
            let opened = tokio::time::timeout(self.timeout, Connection::open(&self.options, timeout));
            let mut connection = opened.await.map_err(|_| Fault::Late)??;
            connection.rows(query, &Values::default(), rows_max).await
        };
        tokio::time::timeout(timeout, asked).await.unwrap_or(Err(Fault::Late))
    }

    /// Runs a statement over a connection of its own; how many rows it has changed.
    pub(super) async fn run(&self, query: &Query, values: &Values<'_>) -> Result<u64, Fault> {
        let asked = async { Connection::open(&self.options, self.timeout).await?.run(query, values).await };
        tokio::time::timeout(self.timeout, asked).await.unwrap_or(Err(Fault::Late))
    }

    /// The columns of a query's answers.
    pub(super) async fn columns(&self, query: &Query) -> Result<Vec<String>, Fault> {
        let asked = async { Connection::open(&self.options, self.timeout).await?.columns(query).await };
        tokio::time::timeout(self.timeout, asked).await.unwrap_or(Err(Fault::Late))
    }

    /// Closes what is idle.
    pub(super) fn forget(&self) {
        self.idle().clear();
    }

    /// The connection that was used last, if that is not too long ago.
    fn take(&self, now: Instant) -> Option<Connection> {
        let mut idle = self.idle();
        idle.retain(|it| now.saturating_duration_since(it.since) < IDLE_MAX);
        idle.pop().map(|it| it.connection)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Firewalls forget connections after some minutes, and what is sent on them then is lost without a word.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// A list of a million accounts takes seconds, and somebody waits for it at a terminal.
const MANY_ROWS_TIMEOUT: Duration = Duration::from_secs(300);
