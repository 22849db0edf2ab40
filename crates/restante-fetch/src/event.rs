//! What happens while mail is collected, as one enum: the display, plain lines, the log and `--json` are all made from it.
//!
//! An event never holds a secret, nor anything of a message but its unique-id and its octets. The pass says them, from the
//! thread that speaks with the server and from the one that delivers; whoever listens must not take long, since both wait.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::key::Key;
use crate::report::Report;

/// Something that has happened in a pass.
///
/// The names of variants and fields are those of `--json` (in kebab-case), which `docs/fetch.md` promises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A pass begins.
    Connecting {
        /// The server, as its URL names it, without a password.
        server: String,
    },
    /// The server has let us in.
    LoggedIn {
        /// Whether the connection is encrypted and the server verified.
        tls: bool,
    },
    /// The listing was read and compared with the journal.
    Listed {
        /// Messages in it.
        messages: u32,
        /// Those that will be fetched.
        wanted: u32,
        /// Their octets, as LIST says.
        octets: u64,
    },
    /// Messages came under other unique-ids, and were known again; or were taken for collected because somebody said so.
    Renamed {
        /// How many.
        messages: u32,
    },
    /// With `--dry-run`: this would be done to a message.
    Would {
        /// What: `fetch`, `delete`, `skip`.
        act: &'static str,
        /// The message.
        message: Name,
        /// Its octets, as LIST says.
        octets: u64,
        /// Why, where there is something to say.
        reason: Option<String>,
    },
    /// A message is left on the server, by a rule or a limit.
    Skipped {
        /// The message.
        message: Name,
        /// Its octets, as LIST says.
        octets: u64,
        /// Why.
        reason: String,
    },
    /// Octets of messages have come since the last event of this kind. Many a second; `--json` leaves them out.
    Received {
        /// How many.
        octets: u64,
    },
    /// A message has come whole; it is not durable yet.
    Fetched {
        /// The message.
        message: Name,
        /// Its octets in the canonical form.
        octets: u64,
    },
    /// The server would not give a message. It is asked for again in the next pass.
    Refused {
        /// The message.
        message: Name,
        /// What the server said.
        reason: String,
    },
    /// The server does something that the standard does not allow, or that is odd; nothing is lost by it.
    Quirk {
        /// Its name: lower case with hyphens.
        name: &'static str,
        /// What.
        what: String,
    },
    /// A message is durable at every sink.
    Collected {
        /// The message.
        message: Name,
        /// Its octets in the canonical form.
        octets: u64,
    },
    /// A sink will take a message later; it stays on the server.
    Postponed {
        /// The message.
        message: Name,
        /// The sink.
        sink: String,
        /// Why.
        reason: String,
    },
    /// A sink will never take a message; it lies in the quarantine.
    Quarantined {
        /// The message.
        message: Name,
        /// The sink.
        sink: String,
        /// Why.
        reason: String,
    },
    /// Deletions were asked for, and this became of them.
    Deleted {
        /// How many.
        messages: u32,
        /// `committed`, `not-committed` or `unknown`: then the next listing tells.
        outcome: &'static str,
    },
    /// Something that somebody should know, while all goes on.
    Warning {
        /// What.
        what: String,
    },
    /// A pass is over.
    Ended(Box<Report>),
    /// With `--watch`: when the account is looked at next.
    Next {
        /// In so many seconds; `None` when not before the configuration is read again.
        seconds: Option<u64>,
        /// Why then, where it is not the usual interval.
        reason: Option<String>,
    },
}

/// A message, as people and programs are told of it: its unique-id, with what tells it apart from others of the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl From<&Key> for Name {
    fn from(key: &Key) -> Self {
        let mut name = key.unique_id.escape_ascii().to_string();
        if key.occurrence > 0 {
            name.push_str(&format!(" (the {}. of this unique-id)", u64::from(key.occurrence) + 1));
        }
        if key.generation > 0 {
            name.push_str(&format!(" (used again, {} times)", key.generation));
        }
        Self(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Event {
    /// How much somebody wants to hear to be told this.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Received { .. } => Level::Nobody,
            Self::Connecting { .. } | Self::LoggedIn { .. } | Self::Fetched { .. } => Level::Verbose,
            Self::Collected { .. } | Self::Skipped { .. } | Self::Quirk { .. } => Level::Verbose,
            Self::Listed { .. } | Self::Deleted { .. } | Self::Next { .. } => Level::Verbose,
            Self::Renamed { .. } | Self::Would { .. } => Level::Usual,
            Self::Refused { .. } | Self::Postponed { .. } | Self::Quarantined { .. } => Level::Always,
            Self::Warning { .. } => Level::Always,
            Self::Ended(report) if report.is_complete() => Level::Usual,
            Self::Ended(_) => Level::Always,
        }
    }
}

/// How much somebody wants to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Also with `--quiet`.
    Always,
    /// Without `--quiet`.
    Usual,
    /// With `--verbose`.
    Verbose,
    /// Not in words: the display alone shows it.
    Nobody,
}

impl fmt::Display for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting { server } => write!(out, "connecting to {server}"),
            Self::LoggedIn { tls: true } => out.write_str("logged in, over TLS"),
            Self::LoggedIn { tls: false } => out.write_str("logged in, without TLS"),
            Self::Listed { messages, wanted, octets } => {
                write!(out, "{messages} messages, {wanted} of them new with {octets} octets")
            }
            Self::Renamed { messages } => {
                write!(out, "{messages} messages have new unique-ids; they are known and not fetched again")
            }
            Self::Would { act, message, octets, reason } => {
                write!(out, "would {act} {message}, {octets} octets")?;
                reason.as_ref().map_or(Ok(()), |reason| write!(out, ": {reason}"))
            }
            Self::Skipped { message, octets, reason } => {
                write!(out, "left {message} on the server, {octets} octets: {reason}")
            }
            Self::Received { octets } => write!(out, "{octets} octets more"),
            Self::Fetched { message, octets } => write!(out, "fetched {message}, {octets} octets"),
            Self::Refused { message, reason } => {
                write!(out, "the server does not give {message}: {reason}; it is asked for again next time")
            }
            Self::Quirk { what, .. } => write!(out, "odd: {what}"),
            Self::Collected { message, octets } => write!(out, "collected {message}, {octets} octets"),
            Self::Postponed { message, sink, reason } => {
                write!(out, "{sink} takes {message} later: {reason}; it stays on the server")
            }
            Self::Quarantined { message, sink, reason } => {
                write!(out, "{sink} refuses {message}: {reason}; it lies in the quarantine, see ")?;
                out.write_str("'restante fetch quarantine list'")
            }
            Self::Deleted { messages, outcome } => {
                write!(out, "deletion of {messages} messages: {}", outcome.replace('-', " "))
            }
            Self::Warning { what } => out.write_str(what),
            Self::Ended(report) => report.fmt(out),
            Self::Next { seconds, reason } => {
                match seconds {
                    Some(seconds) => write!(out, "next in {seconds} s")?,
                    None => out.write_str("not again before the configuration is read again (SIGHUP)")?,
                }
                reason.as_ref().map_or(Ok(()), |reason| write!(out, ": {reason}"))
            }
        }
    }
}

/// Where the events of one account go.
#[derive(Clone)]
pub struct Events {
    account: Arc<str>,
    listener: Arc<Listener>,
}

/// Is told the account and what has happened.
pub type Listener = dyn Fn(&str, &Event) + Send + Sync;

impl Events {
    /// To `listener`, as those of `account`.
    #[must_use]
    pub fn new(account: &str, listener: Arc<Listener>) -> Self {
        Self { account: account.into(), listener }
    }

    /// To nobody.
    #[must_use]
    pub fn unheard() -> Self {
        Self::new("", Arc::new(|_, _| {}))
    }

    /// Tells it.
    pub fn say(&self, event: Event) {
        (self.listener)(&self.account, &event);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Events").field("account", &self.account).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_named_by_what_tells_it_apart_and_cannot_steer_a_terminal() {
        let key = Key { unique_id: b"a\x1b[2J".as_slice().into(), occurrence: 1, generation: 2 };
        let name = Name::from(&key).to_string();
        assert_eq!(name, "a\\x1b[2J (the 2. of this unique-id) (used again, 2 times)");
        assert_eq!(Name::from(&Key::new(b"1-2")).to_string(), "1-2");
    }

    #[test]
    fn json_has_the_names_that_the_documentation_promises() {
        let of = |event: &Event| serde_json::to_string(event).expect("plain data");
        let message = || Name::from(&Key::new(b"7"));
        assert_eq!(of(&Event::LoggedIn { tls: true }), r#"{"event":"logged-in","tls":true}"#);
        assert_eq!(
            of(&Event::Collected { message: message(), octets: 9 }),
            r#"{"event":"collected","message":"7","octets":9}"#
        );
        assert_eq!(
            of(&Event::Next { seconds: None, reason: Some("x".into()) }),
            r#"{"event":"next","seconds":null,"reason":"x"}"#
        );
        let quirk = Event::Quirk { name: "no-capa", what: "x".into() };
        assert_eq!(of(&quirk), r#"{"event":"quirk","name":"no-capa","what":"x"}"#);
        let ended = of(&Event::Ended(Box::default()));
        assert!(ended.starts_with(r#"{"event":"ended","listed":0,"#), "{ended}");
        assert!(ended.contains(r#""quirks":0,"flights":0,"octets_in":0,"octets_out":0,"#), "{ended}");
    }

    #[test]
    fn what_nobody_may_miss_is_said_with_quiet_too() {
        let failed = Event::Ended(Box::new(Report { later: 1, ..Report::default() }));
        assert_eq!(failed.level(), Level::Always);
        assert_eq!(Event::Ended(Box::default()).level(), Level::Usual);
        assert!(Event::Warning { what: String::new() }.level() < Event::Renamed { messages: 1 }.level());
    }
}
