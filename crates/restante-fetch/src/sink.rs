//! Where messages go. A sink is given batches of messages that lie whole in files, and answers for each when it is durable.
//!
//! Called by the pass, on a thread that may wait.

pub mod command;
pub(crate) mod contents;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod lmtp;
pub mod maildir;
pub mod mbox;
pub(crate) mod mode;
pub mod smtp;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use restante_proto::secret::Secret;
use restante_store::disk::Disk;

use self::command::Command;
use self::lmtp::Lmtp;
use self::maildir::Maildir;
use self::mbox::Mbox;
use self::smtp::Smtp;
use crate::authorities::authorities;
use crate::config::deliver::SinkConfig;
use crate::failure::Failure;
use crate::key::Key;
use crate::secret::SecretSource;

/// A message on its way into a sink.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// The account it comes from, as the journal calls it.
    pub account: &'a str,
    /// Which message of it.
    pub key: &'a Key,
    /// The name that the intent in the journal holds: a Maildir base name, the same in every try.
    pub name: &'a str,
    /// Where it lies, whole. Not necessarily synced. Stays there until every sink has answered, unless
    /// [`Sink::spool`] gave the folder: then the sink may rename it.
    pub path: &'a Path,
    /// Bytes of that file.
    pub file_octets: u64,
    /// How its lines end there.
    pub line_ends: LineEnds,
    /// SHA-256 of the message in its canonical form (CRLF), as the server sent it, without fields that were added.
    pub digest: [u8; 32],
    /// An earlier try was cut off between the intent and this sink's mark: it may have the message already.
    pub is_doubtful: bool,
}

/// How the lines of a stored message end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnds {
    /// LF, the convention of Maildir and mbox: every CRLF of the wire is LF in the file, all else is as it came.
    #[default]
    Lf,
    /// As on the wire.
    Crlf,
}

/// Which sink, in the journal: its kind and its place, such as `maildir:/home/alice/Mail`. Does not hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SinkId(pub Box<str>);

impl fmt::Display for SinkId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Why a sink has not taken a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It may take it later: the disk is full, a server is busy, a program said 75. The message stays where it is, and on the
    /// server.
    Later(String),
    /// It will not take this one, whoever asks: it goes to the quarantine, with this reason.
    Refused(String),
}

impl From<Failure> for Fault {
    /// A file that cannot be used now may be usable later: there is room again, or somebody has given the right to it.
    fn from(failure: Failure) -> Self {
        Self::Later(failure.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Later(reason) | Self::Refused(reason) => out.write_str(reason),
        }
    }
}

/// Why a sink cannot be.
#[derive(Debug)]
pub enum OpenError {
    /// Its files cannot be used.
    File(Failure),
    /// This is no `host:port`, nor `unix:/path` where that is possible.
    Address(String),
    /// This is no mail address.
    MailAddress(String),
    /// The password is not to be had.
    Secret(String),
    /// TLS cannot be prepared, for instance since the authorities to trust cannot be read.
    Tls(String),
    /// The system gives no resources.
    System(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(failure) => write!(out, "{failure}"),
            Self::Address(text) => {
                write!(out, "{text} is no address of a server: host:port, or unix:/path for LMTP")
            }
            Self::MailAddress(text) => write!(out, "{text} is no mail address"),
            Self::Secret(reason) | Self::Tls(reason) => out.write_str(reason),
            Self::System(error) => write!(out, "the system gives no resources for it: {error}"),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File(failure) => Some(failure),
            Self::System(error) => Some(error),
            Self::Address(_) | Self::MailAddress(_) | Self::Secret(_) | Self::Tls(_) => None,
        }
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::File(failure)
    }
}

/// What sinks need beside their configuration.
pub struct Surroundings<'a> {
    /// Where files are.
    pub disk: Arc<dyn Disk>,
    /// The account's folder of state, for what an mbox needs.
    pub state: &'a Path,
    /// What we call ourselves to servers.
    pub hostname: &'a str,
    /// Finds the password of a user at a host; the error says why there is none.
    pub password: &'a Password<'a>,
}

/// Finds the password of a user (second) at a host (third).
pub type Password<'a> = dyn Fn(&SecretSource, &str, &str) -> Result<Secret, String> + 'a;

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Surroundings").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Opens a sink. A Maildir is made when it is missing; to servers nothing is connected before there is something to deliver.
///
/// # Errors
/// When it cannot be used, with what it lacks.
pub fn open(config: &SinkConfig, around: &Surroundings<'_>) -> Result<Box<dyn Sink>, OpenError> {
    let disk = Arc::clone(&around.disk);
    Ok(match config {
        SinkConfig::Maildir { path, folder, look_in, mode } => {
            let mut settings = maildir::Settings::new(path);
            settings.folder.clone_from(folder);
            settings.look_in.clone_from(look_in);
            settings.mode = *mode;
            Box::new(Maildir::open(disk, settings)?)
        }
        SinkConfig::Mbox { path, mode } => Box::new(Mbox::open(disk, path, around.state)?.with_mode(*mode)),
        SinkConfig::Lmtp { server, recipient, sender } => {
            Box::new(Lmtp::new(disk, server, recipient, sender, around.hostname)?)
        }
        SinkConfig::Smtp { server, security, ca, login, recipient, sender } => {
            let host = host_and_port(server).map_or("", |(host, _)| host);
            let login = login.as_ref().map(|(user, source)| -> Result<smtp::Login, OpenError> {
                let password = (around.password)(source, user, host).map_err(OpenError::Secret)?;
                Ok(smtp::Login { user: user.clone(), password })
            });
            let ca = ca.as_ref().map(|path| authorities(&*disk, path));
            let ca = ca.transpose().map_err(|why| OpenError::Tls(why.to_string()))?;
            let settings = smtp::Settings {
                server,
                security: *security,
                ca: ca.map(|ca| ca.pem),
                login: login.transpose()?,
                recipient,
                sender,
                name: around.hostname,
            };
            Box::new(Smtp::new(disk, settings)?)
        }
        SinkConfig::Command { command, timeout } => {
            Box::new(Command::new(disk, command.clone(), *timeout).map_err(OpenError::System)?)
        }
    })
}

/// The parts of `host:port`; an IPv6 address stands in brackets.
fn host_and_port(server: &str) -> Option<(&str, u16)> {
    let (host, port) = server.rsplit_once(':')?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bracketed.or_else(|| (!host.contains(':')).then_some(host))?;
    let port = port.parse().ok().filter(|&port| port > 0)?;
    (!host.is_empty()).then_some((host, port))
}

/// Something that takes messages.
pub trait Sink: fmt::Debug + Send {
    /// Which one it is; the same in every run with the same configuration.
    fn id(&self) -> &SinkId;

    /// The folder in which this sink wants messages to be written, so that it can take them with a rename; `None` when
    /// it reads them from anywhere. Only one sink of an account is given its wish, and that one is asked last.
    fn spool(&self) -> Option<PathBuf> {
        None
    }

    /// The permissions that files of [`Self::spool`] should have; `None` for those of their owner alone.
    fn spool_mode(&self) -> Option<u32> {
        None
    }

    /// Takes messages; answers for each, in their order. `Ok` when it is durable there (a Maildir, an mbox) or somebody else has
    /// taken responsibility (LMTP, SMTP, a program); that a message was there already is `Ok` too.
    fn deliver(&mut self, messages: &[Message<'_>]) -> Vec<Result<(), Fault>>;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use restante_store::disk::LocalDisk;

    use super::*;
    use crate::config::deliver::SmtpSecurity;

    fn opened(config: &SinkConfig, state: &Path) -> Result<Box<dyn Sink>, OpenError> {
        let password =
            |_: &SecretSource, user: &str, host: &str| Err(format!("no password of {user} at {host}"));
        let disk = Arc::new(LocalDisk);
        open(config, &Surroundings { disk, state, hostname: "here.example.org", password: &password })
    }

    #[test]
    fn every_kind_opens_and_is_called_by_its_place() {
        let folder = fixtures::folder();
        let at = |name: &str| folder.path().join(name);
        let (recipient, sender) = ("a@x.example".to_owned(), String::new());
        let server = "localhost:24".to_owned();
        for (config, id) in [
            (
                SinkConfig::Maildir { path: at("m"), folder: None, look_in: vec![], mode: None },
                "maildir:".to_owned() + at("m").to_str().unwrap(),
            ),
            (SinkConfig::Mbox { path: at("b"), mode: None }, "mbox:".to_owned() + at("b").to_str().unwrap()),
            (
                SinkConfig::Lmtp {
                    server: server.clone(),
                    recipient: recipient.clone(),
                    sender: sender.clone(),
                },
                "lmtp:localhost:24/a@x.example".to_owned(),
            ),
            (
                SinkConfig::Smtp {
                    server: server.clone(),
                    security: SmtpSecurity::Tls,
                    ca: None,
                    login: None,
                    recipient: recipient.clone(),
                    sender: sender.clone(),
                },
                "smtp:localhost:24/a@x.example".to_owned(),
            ),
        ] {
            assert_eq!(opened(&config, folder.path()).unwrap().id().to_string(), id);
        }
        let command =
            SinkConfig::Command { command: vec!["/bin/cat".into()], timeout: Duration::from_secs(1) };
        assert!(opened(&command, folder.path()).unwrap().id().to_string().starts_with("command:/bin/cat#"));
        let login = Some(("bob".to_owned(), SecretSource::Prompt));
        let security = SmtpSecurity::None;
        let smtp = SinkConfig::Smtp { server, security, ca: None, login, recipient, sender };
        let error = opened(&smtp, folder.path()).unwrap_err();
        assert_eq!(error.to_string(), "no password of bob at localhost");
    }

    #[test]
    fn a_place_has_a_host_and_a_port() {
        assert_eq!(host_and_port("[::1]:25"), Some(("::1", 25)));
        assert_eq!(host_and_port("a.example:25"), Some(("a.example", 25)));
        for none in ["a.example", ":25", "a.example:0", "::1:25", "a.example:70000", "[::1]", "unix:/x"] {
            assert_eq!(host_and_port(none), None, "{none}");
        }
    }
}
