//! `[submission]`: what becomes of messages that clients hand in by XTND XMIT.

use crate::file;
use restante_config::choice;
use restante_config::problem::Problems;
use restante_config::section;
use restante_config::section::Lines;
use restante_config::value::{Fault, Value, quote};
use std::path::{Path, PathBuf};
use toml::de::DeValue;

section! {
    #[derive(PartialEq, Eq)]
    /// `[submission]`: XTND XMIT, by which clients send mail over their POP3 session. Off unless `command` or `relay` is set.
    pub struct Submission {
        /// A program and its arguments, for instance `["/usr/sbin/sendmail", "-t", "-oi", "-f", "{sender}"]`. It reads the message
        /// on its standard input and finds the recipients in the header. `{sender}` is the account's address. No shell.
        command: Option<Vec<String>> = None;
        /// An SMTP server, `smtp://host:port`, spoken to in clear. Port 25 when there is none.
        relay: Option<Relay> = None;
        /// Whose addresses may stand in From: `own` (those that lead to the account, as LMTP would deliver) or `any`.
        /// Default `own`.
        from: From = From::Own;
        /// The domain of the sender where accounts are named without one. Default: `auth.default_domain`, else `hostname`.
        domain: Option<String> = None;
        /// The largest message, in octets. Default 10,485,760 (10 MiB).
        message_octets_max: u64 = 10_485_760, in 1_024..=1_073_741_824;
        /// Recipients of one message: To, Cc and Bcc. Default 100.
        recipients_max: u64 = 100, in 1..=10_000;
        /// Seconds for handing a message over. Default 60.
        timeout_s: u64 = 60, in 1..=3_600;
        /// The folder where messages lie, without a name, while they come in. Default: `state_dir`.
        spool_dir: Option<PathBuf> = None;
    }
}

choice! {
    /// Whose addresses may stand in From.
    pub enum From {
        /// Those of the account that is logged in.
        Own = "own",
        /// Anybody's.
        Any = "any",
    }
}

/// Where an SMTP server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// How messages are handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SubmissionWay {
    /// To a program.
    Command(Vec<String>),
    /// To an SMTP server.
    Relay(Relay),
}

impl Submission {
    /// The way; none where XTND XMIT is off.
    pub(crate) fn way(&self) -> Option<SubmissionWay> {
        match (&self.command, &self.relay) {
            (Some(words), _) => Some(SubmissionWay::Command(words.clone())),
            (None, Some(relay)) => Some(SubmissionWay::Relay(relay.clone())),
            (None, None) => None,
        }
    }
}

impl Value for Relay {
    fn read(written: &DeValue<'_>) -> Result<Self, Fault> {
        let text = String::read(written)?;
        let fault = || Fault::new(format!("{text:?} is no SMTP server"), "write \"smtp://127.0.0.1:25\"");
        let place = text.strip_prefix("smtp://").ok_or_else(fault)?;
        let place = place.strip_suffix('/').unwrap_or(place);
        let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':').or_else(|| rest.is_empty().then_some("25"))),
            None => match place.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, Some("25")),
            },
        };
        let port = port.and_then(|port| port.parse().ok()).filter(|&port| port > 0).ok_or_else(fault)?;
        let is_host = |letter: char| letter.is_ascii_alphanumeric() || "-._:".contains(letter);
        if host.is_empty() || !host.chars().all(is_host) {
            return Err(fault());
        }
        Ok(Self { host: host.to_owned(), port })
    }

    fn show(&self) -> Option<String> {
        let Self { host, port } = self;
        Some(quote(&if host.contains(':') {
            format!("smtp://[{host}]:{port}")
        } else {
            format!("smtp://{host}:{port}")
        }))
    }
}

/// One way, a program that is there, a folder that is there.
pub(super) fn check(written: &Submission, state_dir: &Path, lines: &Lines, problems: &mut Problems<'_>) {
    let at = |key: &str| lines.at(&format!("submission.{key}"));
    if written.command.is_some() && written.relay.is_some() {
        problems.error(at("relay"), "submission has two ways: command and relay", "take one of them out");
    }
    if written.way().is_none() {
        if lines.is_set("submission") {
            problems.error(
                at(""),
                "submission has neither command nor relay",
                "add command = [\"/usr/sbin/sendmail\", \"-t\", \"-oi\"] or relay = \"smtp://127.0.0.1:25\"",
            );
        }
        return;
    }
    if let Some(words) = &written.command {
        let program = words.first().map(Path::new).unwrap_or_else(|| Path::new(""));
        if !program.is_absolute() {
            problems.error(
                at("command"),
                format!(
                    "submission.command: {:?} is no full path of a program",
                    program.display().to_string()
                ),
                "write [\"/usr/sbin/sendmail\", \"-t\", \"-oi\"]",
            );
        } else if !file::exists(program) {
            problems.warning(
                at("command"),
                format!(
                    "submission.command: {} does not exist, so no message will be sent",
                    program.display()
                ),
                "install it, or correct the path",
            );
        }
    }
    if let Some(relay) = &written.relay {
        let address = relay.host.parse::<std::net::IpAddr>();
        if relay.host != "localhost" && !address.is_ok_and(|address| address.is_loopback()) {
            problems.warning(
                at("relay"),
                format!("submission.relay: mail goes to {} in clear", relay.host),
                "use a relay on this machine, or a command that speaks TLS",
            );
        }
    }
    let folder = written.spool_dir.as_deref().unwrap_or(state_dir);
    if !file::is_folder(folder) {
        problems.error(
            at("spool_dir"),
            format!("submission: the folder {} for messages on their way does not exist", folder.display()),
            "make it, writable by the server alone, or set spool_dir",
        );
    }
}
