//! From an account to a logged-in connection, and what it means when that fails.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use restante_client::advice::Shown;
use restante_client::connect::{Deadlines, Server};
use restante_client::login::{Means, Plaintext, Wish};
use restante_client::pop3::{Client, Settings};
use restante_client::trace::{Said, Trace};
use restante_proto::url::Auth;

use super::blame::Peer;
use super::{Order, World};
use crate::event::Event;
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

/// Something that a person has to see to before what is shown to log in dies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What; one line, lower case, no full stop.
    pub what: String,
    /// Since when it is to be told.
    pub since: Timestamp,
}

/// Looks whether there is such a thing. Asked after each login, and must not take long.
pub type NoticeOf = dyn Fn(Timestamp) -> Option<Notice> + Send + Sync;

/// Says it, in the first visit of a day (in UTC) and in the first since there is something to say: who visits every few minutes
/// is not told every few minutes. `last` is when the account was visited before.
pub(super) fn tell(order: &Order, world: &World, last: Option<Timestamp>) {
    let now = (world.clock)();
    if let Some(notice) = order.notice.as_ref().and_then(|notice| notice(now))
        && is_due(notice.since, last, now)
    {
        world.events.say(Event::Warning { what: notice.what });
    }
}

fn is_due(since: Timestamp, last: Option<Timestamp>, now: Timestamp) -> bool {
    let day = |at: Timestamp| at.as_second().div_euclid(DAY_S);
    last.is_none_or(|last| last <= since || day(last) != day(now))
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

const DAY_S: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_due_in_the_first_visit_of_a_day_and_when_it_is_new() {
        let at = |day: i64, second| Timestamp::from_second(day * DAY_S + second).unwrap();
        let since = at(10, 100);
        for (last, now, expected) in [
            (None, at(10, 200), true),
            (Some(at(10, 50)), at(10, 101), true),
            (Some(at(10, 101)), at(10, 200), false),
            (Some(at(10, 200)), at(10, DAY_S - 1), false),
            (Some(at(10, DAY_S - 1)), at(11, 0), true),
            (Some(at(11, 0)), at(11, 300), false),
            (Some(at(12, 0)), at(11, 300), true),
        ] {
            assert_eq!(is_due(since, last, now), expected, "{last:?} {now}");
        }
    }
}
