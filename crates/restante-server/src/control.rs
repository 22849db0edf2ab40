//! The control socket: how commands on the same machine speak to a running server (docs/design/0017-defence.md).
//!
//! `STATE_DIR/control`, for its owner alone. One request is one line, a JSON object; the answer is lines, each a JSON object, until
//! `{"end":true}`. Commands are listed here and done where they belong: `bans.rs`, and the authenticator.

use crate::bans::{BANS_MAX, Ban};
use crate::clock;
use crate::event::{Event, chain};
use crate::listener::{Raw, Socket};
use crate::shared::Shared;
use restante_auth::network::Network;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// All bans, each a line of the answer.
    BanList,
    /// Keeps a network out.
    BanAdd {
        /// An address or a network.
        network: String,
        /// For so long; `None` for good.
        seconds: Option<u64>,
        /// Why.
        reason: String,
    },
    /// Lets it in again.
    BanRemove {
        /// As it was banned.
        network: String,
    },
    /// Drops what is remembered of passwords of an account that its source has found right.
    Forget {
        /// The account, or what is typed for it at a login.
        account: String,
    },
}

/// A line of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// One of the bans; after `BanAdd` and `BanRemove` that which was added or taken out.
    Ban(Ban),
    /// The account that was asked about.
    Account(String),
    /// Why it was not done.
    Error(String),
    /// There is no more. Always `true`.
    End(bool),
}

/// Where the socket of a server with this state folder is.
pub fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("control")
}

/// Whoever listens to commands. Dropping it ends that.
pub(crate) struct Control {
    task: JoinHandle<()>,
}

impl Control {
    /// Begins to listen. Where the socket cannot be opened the log says so, and bans still end in time.
    pub(crate) fn start(shared: Arc<Shared>) -> Self {
        let path = path(&shared.settings.load().config.state_dir);
        let socket = Socket::bind_control(&path).inspect_err(|error| {
            let problem = format!(
                "there is no control socket {}: {error}; let the server's user own state_dir",
                path.display()
            );
            shared.log.write(&Event::Warning { problem: &problem });
        });
        Self { task: tokio::spawn(listen(socket.ok(), shared)) }
    }
}

impl Control {
    /// Ends it; the socket is gone on return, so that the next server can open its own.
    pub(crate) async fn stop(&mut self) {
        self.task.abort();
        // A cancelled task is no error here.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(socket: Option<Socket>, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut round = tokio::time::interval(EXPIRY_ROUND);
    loop {
        let accepted = async {
            match &socket {
                Some(socket) => socket.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = round.tick() => expire(&shared).await,
            accepted = accepted => match (accepted, Arc::clone(&places).try_acquire_owned()) {
                (Ok((raw, _)), Ok(place)) => {
                    let shared = Arc::clone(&shared);
                    tokio::spawn(async move {
                        // Who asks too slowly hears nothing more.
                        let _ = tokio::time::timeout(EXCHANGE_MAX, converse(raw, &shared)).await;
                        drop(place);
                    });
                }
                // Too many at once: whoever asks sees the end of the connection.
                (Ok(_), Err(_)) => {}
                (Err(_), _) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
}

async fn converse(mut raw: Raw, shared: &Arc<Shared>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\n") && request.len() < REQUEST_OCTETS_MAX {
        let mut piece = [0; 1024];
        match raw.read(&mut piece).await {
            Ok(octets @ 1..) => request.extend(piece.iter().take(octets)),
            _ => return,
        }
    }
    let mut lines = match serde_json::from_slice(&request) {
        Ok(request) => obey(request, shared).await.unwrap_or_else(|why| vec![Line::Error(why)]),
        Err(error) => vec![Line::Error(format!("this is no request: {error}"))],
    };
    lines.push(Line::End(true));
    let mut answer = Vec::new();
    for line in &lines {
        if serde_json::to_writer(&mut answer, line).is_err() {
            return;
        }
        answer.push(b'\n');
    }
    // Nobody is left to tell when this fails.
    let _ = raw.write_all(&answer).await;
    let _ = raw.shutdown().await;
}

async fn obey(request: Request, shared: &Arc<Shared>) -> Result<Vec<Line>, String> {
    expire(shared).await;
    let network = |text: &str| text.parse::<Network>().map_err(|why| format!("{text:?} {why}"));
    match request {
        Request::BanList => Ok(shared.bans.all().into_iter().map(Line::Ban).collect()),
        Request::BanAdd { network: text, seconds, reason } => {
            let network = network(&text)?;
            let ban = Ban::new(network, clock::wall(), seconds.map(Duration::from_secs), &reason);
            add(shared, network, ban.clone()).await?;
            Ok(vec![Line::Ban(ban)])
        }
        Request::BanRemove { network: text } => {
            let ban = shared.bans.remove(network(&text)?).ok_or_else(|| format!("{text} is not banned"))?;
            shared.log.write(&Event::BanLifted { ban: &ban, why: "removed" });
            write(shared).await?;
            Ok(vec![Line::Ban(ban)])
        }
        Request::Forget { account } => {
            let authenticator = &shared.settings.load().authenticator;
            let name = authenticator.account_name(account.as_bytes());
            let name = name.map_err(|why| format!("{account:?} cannot be an account: {why}"))?;
            authenticator.forget(&name);
            Ok(vec![Line::Account(name.as_str().to_owned())])
        }
    }
}

/// Adds a ban, says so in the log and keeps it.
///
/// # Errors
/// The list is full, or cannot be kept over a restart.
pub(crate) async fn add(shared: &Arc<Shared>, network: Network, ban: Ban) -> Result<(), String> {
    if !shared.bans.add(network, ban.clone()) {
        return Err(format!("there are {BANS_MAX} bans already"));
    }
    shared.log.write(&Event::BanAdded { ban: &ban });
    write(shared).await
}

async fn expire(shared: &Arc<Shared>) {
    let over = shared.bans.expire(clock::wall());
    for ban in &over {
        shared.log.write(&Event::BanLifted { ban, why: "over" });
    }
    if !over.is_empty() {
        // A file with bans that are over does no harm.
        let _ = write(shared).await;
    }
}

async fn write(shared: &Arc<Shared>) -> Result<(), String> {
    let there = Arc::clone(shared);
    let written = tokio::task::spawn_blocking(move || there.bans.write()).await;
    written.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(|error| {
        format!("it holds, but not over a restart: the list cannot be written: {}", chain(&error))
    })
}

/// Commands at the same time.
const CONNECTIONS_MAX: usize = 8;
/// For a whole exchange.
const EXCHANGE_MAX: Duration = Duration::from_secs(10);
/// After a failure to accept.
const PAUSE: Duration = Duration::from_secs(1);
/// The log says at the latest so much later that a ban is over; it ends on time.
const EXPIRY_ROUND: Duration = Duration::from_secs(30);
const REQUEST_OCTETS_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests;
