//! Messages that clients hand in by XTND XMIT, on their way to a mail transfer agent.
//!
//! A message is spooled to a nameless file, its envelope is read from its header, and it is handed to a program
//! (`submission/command.rs`) or to an SMTP relay (`submission/relay.rs`). Success is reported when the program has ended well or
//! the relay has said 250 to the whole of it, never before; what fails is lost nowhere but with the client, who hears so. The
//! driver of POP3 calls it; which words the client hears is not decided here.

mod command;
pub(crate) mod envelope;
mod relay;
pub(crate) mod spool;

use crate::config::{Config, From, SubmissionWay};
use envelope::Envelope;
use restante_auth::account::AccountName;
use restante_proto::server::extended::Unsubmitted;
use spool::Spool;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Where messages go. One for each configuration that has such a way.
pub(crate) struct Submission {
    way: SubmissionWay,
    hostname: String,
    domain: String,
    /// Where messages lie while they come in.
    pub(crate) folder: PathBuf,
    /// The most recipients of one message.
    pub(crate) recipients_max: usize,
    /// Whose addresses may stand in From.
    pub(crate) from: From,
    /// Seconds for handing a message over, from the end of its octets to the answer.
    timeout: Duration,
    /// So many are handed over at the same time; a relay's are in memory meanwhile.
    places: Semaphore,
}

impl Submission {
    /// What a configuration says; nothing where nothing is to be submitted.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let written = &config.submission;
        let domain = written.domain.clone().or_else(|| config.auth.default_domain.clone());
        Some(Self {
            way: written.way()?,
            hostname: config.hostname.clone(),
            domain: domain.unwrap_or_else(|| config.hostname.clone()),
            folder: written.spool_dir.clone().unwrap_or_else(|| config.state_dir.clone()),
            recipients_max: usize::try_from(written.recipients_max).unwrap_or(usize::MAX),
            from: written.from,
            timeout: Duration::from_secs(written.timeout_s),
            places: Semaphore::new(PARALLEL_MAX),
        })
    }

    /// The address of an account, as the envelope's sender: notifications go there, whatever stands in the header.
    pub(crate) fn sender(&self, account: &AccountName) -> String {
        match account.domain() {
            Some(_) => account.as_str().to_owned(),
            None => format!("{account}@{}", self.domain),
        }
    }

    /// Hands a message over. On return somebody else has taken it, for good.
    ///
    /// # Errors
    /// Nobody has; or, after [`SubmitError::Deadline`] alone, it cannot be known.
    pub(crate) async fn submit(
        &self,
        spool: &mut Spool,
        sender: &str,
        envelope: &Envelope,
    ) -> Result<(), SubmitError> {
        let handing_over = async {
            // Never closed.
            let _place = self.places.acquire().await;
            match &self.way {
                SubmissionWay::Command(words) => command::run(words, sender, spool).await,
                SubmissionWay::Relay(relay) => {
                    relay::send(relay, &self.hostname, self.timeout, sender, envelope, spool).await
                }
            }
        };
        match tokio::time::timeout(self.timeout, handing_over).await {
            Ok(outcome) => outcome,
            Err(_) => Err(SubmitError::Deadline(self.timeout)),
        }
    }

    /// The way, for the log.
    pub(crate) fn way(&self) -> &'static str {
        match &self.way {
            SubmissionWay::Command(_) => "command",
            SubmissionWay::Relay(_) => "relay",
        }
    }
}

/// A message was not handed over.
#[derive(Debug)]
pub(crate) enum SubmitError {
    /// It could not be spooled or read back.
    Spool(io::Error),
    /// The program could not be started.
    Start { program: String, error: io::Error },
    /// The program did not take the whole message.
    Unread(io::Error),
    /// The program ended with another code than 0, or by a signal; with the first line of what it said.
    Ended { code: Option<i32>, said: String },
    /// The relay, or the way there.
    Relay(lettre::transport::smtp::Error),
    /// An address is none that SMTP can carry.
    Address(String),
    /// It took too long. What the other side does with it cannot be known.
    Deadline(Duration),
    /// The header is none, or too long.
    Header,
    /// So many recipients are none, or too many.
    Recipients(usize),
    /// From names nobody, or somebody else.
    Sender(String),
    /// Whose address stands in From cannot be found out now.
    Unknown(restante_auth::directory::SourceError),
}

impl SubmitError {
    /// What the client hears. What only the operator can mend is temporary: the message waits with the client until then.
    pub(crate) fn unsubmitted(&self) -> Unsubmitted {
        match self {
            Self::Spool(_) | Self::Start { .. } | Self::Unread(_) | Self::Deadline(_) => {
                Unsubmitted::Temporary
            }
            Self::Unknown(_) => Unsubmitted::Temporary,
            // EX_TEMPFAIL of sysexits.h, and a program that was killed.
            Self::Ended { code: Some(75) | None, .. } => Unsubmitted::Temporary,
            Self::Ended { .. } | Self::Header => Unsubmitted::Refused,
            Self::Relay(error) if error.is_permanent() || error.is_client() => Unsubmitted::Refused,
            Self::Relay(_) => Unsubmitted::Temporary,
            Self::Address(_) | Self::Recipients(_) => Unsubmitted::Recipients,
            Self::Sender(_) => Unsubmitted::Sender,
        }
    }
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spool(_) => f.write_str("the message could not be spooled"),
            Self::Start { program, .. } => write!(f, "{program} could not be started"),
            Self::Unread(_) => f.write_str("the program did not read the whole message"),
            Self::Ended { code: Some(code), said } => write!(f, "the program ended with code {code}: {said}"),
            Self::Ended { code: None, said } => write!(f, "the program was killed: {said}"),
            Self::Relay(_) => f.write_str("the relay did not take the message"),
            Self::Address(address) => write!(f, "{address:?} is no address that SMTP can carry"),
            Self::Deadline(time) => write!(f, "it took longer than {} s", time.as_secs()),
            Self::Header => f.write_str("the message has no header, or a too long one"),
            Self::Recipients(count) => write!(f, "the message names {count} recipients"),
            Self::Sender(from) => write!(f, "From is {from:?}, which is not the account's own address"),
            Self::Unknown(_) => f.write_str("the account of From cannot be looked up"),
        }
    }
}

impl Error for SubmitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Spool(error) | Self::Start { error, .. } | Self::Unread(error) => Some(error),
            Self::Relay(error) => Some(error),
            Self::Unknown(error) => Some(error),
            _ => None,
        }
    }
}

/// So many messages are handed over at the same time; more wait within their time. With the largest message this bounds
/// the memory that relaying takes.
const PARALLEL_MAX: usize = 8;

#[cfg(test)]
mod tests;
