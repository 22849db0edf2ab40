//! What a pass came to: counted, and why it ended when it ended early. From it the exit code, the last event and the
//! decision of the watch are made.

use std::fmt;
use std::time::Duration;

use restante_client::pop3::Statistics;
use serde::Serialize;

/// What a pass came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Messages in the listing.
    pub listed: u32,
    /// Messages that are durable at every sink since this pass.
    pub collected: u32,
    /// Their octets in the canonical form.
    pub octets: u64,
    /// Messages that were left on the server by a rule or a limit.
    pub skipped: u32,
    /// Messages that a sink takes later; they are on the server still.
    pub later: u32,
    /// Messages that lie in the quarantine since this pass.
    pub quarantined: u32,
    /// Messages that the server did not give.
    pub refused: u32,
    /// Messages whose deletion the server has confirmed.
    pub deleted: u32,
    /// Seconds that the server wants to see between logins (LOGIN-DELAY of RFC 2449), when it said so.
    pub login_delay: Option<u32>,
    /// Kinds of odd things that the server did.
    pub quirks: u32,
    /// What the dialogue has cost, from the greeting to the end. All 0 when the login failed.
    #[serde(flatten)]
    pub cost: Cost,
    /// Why it ended before it was through.
    pub failure: Option<Failure>,
}

/// What a dialogue has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// How many times something was sent while nothing was unanswered: each is a round trip that was waited for. Neither the
    /// connection itself nor TLS is in here.
    pub flights: u64,
    /// Octets received, without those of TLS.
    pub octets_in: u64,
    /// Octets sent, without those of TLS.
    pub octets_out: u64,
}

impl From<Statistics> for Cost {
    fn from(Statistics { flights, octets_in, octets_out }: Statistics) -> Self {
        Self { flights, octets_in, octets_out }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} flights, {} octets in, {} out", self.flights, self.octets_in, self.octets_out)
    }
}

/// Why a pass ended early: what happened, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What kind: it decides exit code and back-off.
    pub kind: Kind,
    /// What happened, and where; one line, lower case, no full stop.
    pub what: String,
    /// What the reader can do about it.
    pub remedy: Option<String>,
    /// Seconds that a server of this kind wants to be left alone, where that is more than the usual wait.
    pub pause: Option<u64>,
}

/// Kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The server does not take these credentials, or there are none. To try the same again may lock the account.
    Credentials,
    /// The login was refused without a reason. It is most often the password, and sometimes is not.
    Doubtful,
    /// A passing fault of the server: the maildrop is in use, the last login was too recent, \[SYS/TEMP\].
    Busy,
    /// A fault that the server says to be lasting.
    Support,
    /// No connection, or it broke.
    Unreachable,
    /// No TLS, or not the right server.
    Tls,
    /// The server broke the protocol.
    Protocol,
    /// Most unique-ids have changed, and somebody has to say what that means.
    UniqueIds,
    /// Another process collects this account.
    InUse,
    /// Our own files: journal, spool, quarantine.
    Files,
    /// The configuration asks for what cannot be.
    Configuration,
    /// Somebody asked us to stop.
    Stopped,
}

impl Kind {
    /// Whether what was shown to log in is in doubt.
    #[must_use]
    pub const fn is_about_credentials(self) -> bool {
        matches!(self, Self::Credentials | Self::Doubtful)
    }
}

impl Failure {
    /// A failure of `kind`, explained by `what` (lower case, no full stop).
    #[must_use]
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), remedy: None, pause: None }
    }

    /// Adds how long to leave the server alone.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = Some(pause.as_secs());
        self
    }

    /// Adds what the reader can do about it (lower case, no full stop).
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(out, "; {remedy}"))
    }
}

/// How a pass ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All that was wanted is collected.
    Complete,
    /// Something is collected and something is not.
    Partly,
    /// Nothing is, and something should be.
    Failed,
}

impl Report {
    /// A pass that ended before it had done anything.
    #[must_use]
    pub fn failed(failure: Failure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }

    /// Whether all that was wanted is collected.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.ending() == Ending::Complete
    }

    /// Adds what the delivery has counted.
    pub(crate) fn take(&mut self, delivered: Self) {
        self.collected += delivered.collected;
        self.octets += delivered.octets;
        self.later += delivered.later;
        self.quarantined += delivered.quarantined;
        self.refused += delivered.refused;
        if delivered.failure.is_some() {
            self.failure = delivered.failure;
        }
    }

    /// How it ended.
    #[must_use]
    pub fn ending(&self) -> Ending {
        let is_short = self.failure.is_some() || self.later + self.quarantined + self.refused > 0;
        match (is_short, self.collected) {
            (false, _) => Ending::Complete,
            (true, 0) => Ending::Failed,
            (true, _) => Ending::Partly,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.collected {
            0 if self.failure.is_some() => {}
            0 => out.write_str("nothing new")?,
            1 => write!(out, "collected 1 message, {} octets", self.octets)?,
            count => write!(out, "collected {count} messages, {} octets", self.octets)?,
        }
        let mut separator = if self.collected == 0 && self.failure.is_some() { "" } else { ", " };
        for (count, what) in [
            (self.skipped, "left on the server"),
            (self.later, "to be taken later"),
            (self.quarantined, "in quarantine"),
            (self.refused, "not given by the server"),
            (self.deleted, "deleted on the server"),
        ] {
            if count > 0 {
                write!(out, "{separator}{count} {what}")?;
                separator = ", ";
            }
        }
        match &self.failure {
            Some(failure) if separator.is_empty() => failure.fmt(out),
            Some(failure) => write!(out, "; then: {failure}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line() {
        let quiet = Report { listed: 3, ..Report::default() };
        assert_eq!((quiet.to_string().as_str(), quiet.ending()), ("nothing new", Ending::Complete));
        let usual = Report { collected: 2, octets: 70, deleted: 2, ..Report::default() };
        assert_eq!(usual.to_string(), "collected 2 messages, 70 octets, 2 deleted on the server");
        let failure = Failure::new(Kind::Unreachable, "the connection broke").remedy("try again");
        let partly = Report { collected: 1, octets: 7, failure: Some(failure.clone()), ..Report::default() };
        assert_eq!(
            partly.to_string(),
            "collected 1 message, 7 octets; then: the connection broke; try again"
        );
        assert_eq!(partly.ending(), Ending::Partly);
        let failed = Report::failed(failure);
        assert_eq!(failed.to_string(), "the connection broke; try again");
        assert_eq!(failed.ending(), Ending::Failed);
        assert_eq!(Report { quarantined: 1, ..Report::default() }.ending(), Ending::Failed);
        let cost = Cost { flights: 5, octets_in: 1200, octets_out: 90 };
        assert_eq!(cost.to_string(), "5 flights, 1200 octets in, 90 out");
    }
}
