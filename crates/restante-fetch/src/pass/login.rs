//! From an account to a logged-in connection, and what it means when that fails.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use restante_client::advice::Shown;
use restante_client::connect::{Deadlines, Server};
use restante_client::login::{Means, Plaintext, Wish};
use restante_client::pop3::{Client, Settings};
use restante_client::trace::{Said, Trace};
use restante_proto::url::Auth;

use super::blame::Peer;
use crate::report::Failure;

/// Where an account is and how one gets in.
#[derive(Clone)]
pub struct Entrance {
    /// The server.
    pub server: Server,
    /// The user name; the server may tell by other means.
    pub user: Option<String>,
    /// The ways to log in that are allowed.
    pub auth: Auth,
    /// Where a password may be shown.
    pub plaintext: Plaintext,
    /// What there is to show. Asked before each login, on a thread that may wait.
    pub means: Arc<MeansOf>,
    /// How long to wait for the server to say anything.
    pub idle: Duration,
    /// Is told each line of the dialogue, without secrets.
    pub trace: Option<Arc<Listener>>,
}

/// Is told a line of the dialogue.
pub type Listener = dyn Fn(&str) + Send + Sync;

/// Gets what there is to show: from a file, a program, a person.
pub type MeansOf = dyn Fn(Attempt) -> Result<Means, Failure> + Send + Sync;

/// Which try of a login it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The first.
    First,
    /// The server has refused a token that should have done: another one is wanted.
    AfterRefusal,
}

impl fmt::Debug for Entrance {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Entrance")
            .field("server", &self.server)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Entrance {
    /// Connects and logs in. A token that is refused although it should do is replaced once.
    ///
    /// # Errors
    /// As the server, the network and what is to be shown have it; with what to do about it.
    pub async fn enter(&self, peer: &Peer) -> Result<Client, Failure> {
        // Before the connection, since a server does not wait for a person. That there is nothing to show is no refusal of the
        // server's, and is not tried again.
        let means = (self.means)(Attempt::First)?;
        match self.attempt(peer, means).await {
            Err(failure) if peer.shown == Shown::Token && failure.kind.is_about_credentials() => {
                let means = (self.means)(Attempt::AfterRefusal)?;
                self.attempt(peer, means).await
            }
            entered => entered,
        }
    }

    async fn attempt(&self, peer: &Peer, means: Means) -> Result<Client, Failure> {
        let failed = |error| peer.failed(&error);
        let trace = self.trace.clone().map(|listener| Trace::new(move |said| listener(&line(said))));
        let deadlines = Deadlines { idle: self.idle, ..Deadlines::POP3 };
        let settings = Settings { trace, deadlines, ..Settings::default() };
        let mut client = Client::connect_to(&self.server, settings).await.map_err(failed)?;
        let wish = Wish { user: self.user.as_deref(), auth: &self.auth, means, plaintext: self.plaintext };
        client.log_in(wish).await.map_err(failed)?;
        Ok(client)
    }
}

/// A line of the dialogue as people read it.
fn line(said: Said<'_>) -> String {
    match said {
        Said::Client(line) => format!("C: {}", String::from_utf8_lossy(line)),
        Said::Server(line) => format!("S: {}", String::from_utf8_lossy(line)),
        Said::Message { octets } => format!("S: (a message of {octets} octets)"),
        Said::Tls => "-- TLS --".to_owned(),
    }
}
