//! Where passwords come from: what `password = …` in fetch.toml may say, and what it comes to.
//!
//! A secret leaves this room as a [`Secret`], which wipes itself and does not print. None of the errors here holds one: they
//! name the place, never what was found there. Whether a password is shown to a server, and how, is not decided here.

mod command;
mod file;
pub mod netrc;
mod written;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use restante_proto::secret::Secret;
use restante_store::disk::Disk;

pub use command::CommandFault;
pub use file::FileFault;

/// Where a password is. In fetch.toml:
///
/// | written | means |
/// |---|---|
/// | `"…"` | the password itself: the file must then be readable by its owner alone |
/// | `{ command = "pass show work" }` | the first line that a program prints; split into words as a shell does, but there is no shell |
/// | `{ command = ["pass", "show", "work"] }` | the same, already in words |
/// | `{ shell = "pass show work \| head -1" }` | the first line of what `/bin/sh` prints |
/// | `{ env = "NAME" }` | a variable of the environment |
/// | `{ file = "path" }` | the first line of a file that its owner alone can read |
/// | `{ keyring = "service" }` | the desktop's keyring (Secret Service), asked with `secret-tool`; `user = "…"` when the entry has another user name than the account |
/// | `{ netrc = true }`, `{ netrc = "path" }` | `~/.netrc`, or another file of that form, by host and user |
/// | `{ prompt = true }` | asked for on the terminal |
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// The secret itself.
    Plain(Arc<Secret>),
    /// A program and its arguments; at least the program.
    Command(Vec<String>),
    /// A line for the shell.
    Shell(String),
    /// A variable.
    Environment(String),
    /// A file; `~/` is the home folder.
    File(PathBuf),
    /// An entry of the keyring with the attributes `service` and `username`, as keyring programs for Python and Rust make them.
    Keyring {
        /// Its `service`.
        service: String,
        /// Its `username`; the account's when missing.
        user: Option<String>,
    },
    /// A file in the form of `.netrc`; `~/.netrc` when missing.
    Netrc(Option<PathBuf>),
    /// A person.
    Prompt,
}

/// What it takes to look: everything from outside is handed in.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Where files are.
    pub disk: &'a dyn Disk,
    /// Reads a variable of the environment.
    pub environment: &'a Environment,
    /// Asks a person, with this question; the error says why that is not possible. `None` when there is nobody.
    pub ask: Option<&'a Ask>,
    /// The home folder, for `~/`.
    pub home: Option<&'a Path>,
    /// Who logs in; empty when the server tells by other means.
    pub user: &'a str,
    /// Where.
    pub host: &'a str,
    /// How long a program may take, a person's typing into its window included.
    pub time_limit: Duration,
}

/// Asks a person for a secret; the error says why that is not possible.
pub type Ask = dyn Fn(&str) -> Result<Secret, String> + Sync;

/// Reads a variable of the environment.
pub type Environment = dyn Fn(&str) -> Option<OsString> + Sync;

/// [`Surroundings::time_limit`], unless somebody knows better: long enough for a passphrase and a key on a card.
pub const TIME_LIMIT: Duration = Duration::from_secs(120);

/// No secret is longer: refresh tokens have 2 KiB at most.
pub const SECRET_OCTETS_MAX: usize = 16 * 1024;

impl SecretSource {
    /// The secret. May start a program, ask a person, wait for both: on a thread that may wait.
    ///
    /// # Errors
    /// When there is none, or it is where others can read it. An empty one is none.
    pub fn resolve(&self, around: &Surroundings<'_>) -> Result<Secret, SecretError> {
        let secret = match self {
            Self::Plain(secret) => Secret::new(secret.expose().to_vec()),
            Self::Command(words) => self.told_by(words, around)?,
            Self::Shell(line) => {
                self.told_by(&["/bin/sh".to_owned(), "-c".to_owned(), line.clone()], around)?
            }
            Self::Environment(name) => {
                use std::os::unix::ffi::OsStringExt;
                let value = (around.environment)(name);
                let value = value.ok_or_else(|| SecretError::NoVariable(name.clone()))?;
                first_line(Secret::new(value.into_vec()))
            }
            Self::File(path) => first_line(read_file(around.disk, &around.expanded(path)?)?),
            Self::Keyring { service, user } => {
                let user = user.as_deref().unwrap_or(around.user);
                let words = ["secret-tool", "lookup", "service", service, "username", user];
                self.told_by(&words.map(str::to_owned), around)?
            }
            Self::Netrc(path) => {
                let path = around.expanded(path.as_deref().unwrap_or_else(|| Path::new("~/.netrc")))?;
                let text = read_file(around.disk, &path)?;
                let found = netrc::find(text.expose(), around.host, around.user)
                    .map_err(|fault| SecretError::Netrc { path: path.clone(), fault })?;
                found.ok_or_else(|| SecretError::NotInNetrc {
                    path,
                    host: around.host.to_owned(),
                    user: around.user.to_owned(),
                })?
            }
            Self::Prompt => {
                let ask = around.ask.ok_or(SecretError::NobodyToAsk)?;
                let at = if around.user.is_empty() { "" } else { "@" };
                ask(&format!("Password for {}{at}{}: ", around.user, around.host))
                    .map_err(SecretError::NotAsked)?
            }
        };
        if secret.is_empty() {
            return Err(SecretError::Empty(self.place()));
        }
        Ok(secret)
    }

    /// Whether it is the secret itself: then who can read the configuration can read the secret.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    fn told_by(&self, words: &[String], around: &Surroundings<'_>) -> Result<Secret, SecretError> {
        let failed = |fault| SecretError::Command { place: self.place(), fault };
        command::told_by(words, around.time_limit).map(first_line).map_err(failed)
    }

    /// The place, in words. Of a command only the program: its arguments may say more than a log should.
    fn place(&self) -> String {
        match self {
            Self::Plain(_) => "the configuration".to_owned(),
            Self::Command(words) => format!("the command {:?}", words.first().map_or("", String::as_str)),
            Self::Shell(_) => "the shell command".to_owned(),
            Self::Environment(name) => format!("the variable {name}"),
            Self::File(path) => path.display().to_string(),
            Self::Keyring { service, .. } => format!("the keyring entry {service:?}"),
            Self::Netrc(_) => "netrc".to_owned(),
            Self::Prompt => "what was typed".to_owned(),
        }
    }
}

/// Where it is, without what it is: for showing a configuration.
impl fmt::Display for SecretSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.place())
    }
}

impl Surroundings<'_> {
    /// A path with `~/` replaced.
    fn expanded(&self, path: &Path) -> Result<PathBuf, SecretError> {
        match (path.strip_prefix("~"), self.home) {
            (Err(_), _) => Ok(path.to_owned()),
            (Ok(rest), Some(home)) => Ok(home.join(rest)),
            (Ok(_), None) => Err(SecretError::NoHome(path.to_owned())),
        }
    }
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Surroundings")
            .field("user", &self.user)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// Reads a file that holds a secret, whole, if nobody else can.
///
/// # Errors
/// [`SecretError::File`].
pub fn read_file(disk: &dyn Disk, path: &Path) -> Result<Secret, SecretError> {
    file::read(disk, path).map_err(|fault| SecretError::File { path: path.to_owned(), fault })
}

/// Whether others than the owner can read or change a file with these permissions. A file that root gives to a group is
/// private: that is how system services get their secrets.
#[must_use]
pub const fn is_open_to_others(mode: u32, owner: u32) -> bool {
    let others = if owner == 0 { 0o027 } else { 0o077 };
    mode & others != 0
}

/// The first line, without its end.
fn first_line(text: Secret) -> Secret {
    let line = text.expose().split(|&octet| octet == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() == text.expose().len() { text } else { Secret::new(line.to_vec()) }
}

/// Why there is no secret. Says where, never what.
#[derive(Debug)]
pub enum SecretError {
    /// A program did not tell it.
    Command {
        /// Which.
        place: String,
        /// Why.
        fault: CommandFault,
    },
    /// The variable is not set.
    NoVariable(String),
    /// The file does not give it.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        fault: FileFault,
    },
    /// The file in the form of `.netrc` is not of that form.
    Netrc {
        /// Which.
        path: PathBuf,
        /// Why.
        fault: netrc::Malformed,
    },
    /// It has no entry for this host and user.
    NotInNetrc {
        /// Which.
        path: PathBuf,
        /// Where.
        host: String,
        /// Who.
        user: String,
    },
    /// `~/` is used, and nobody knows where that is.
    NoHome(PathBuf),
    /// It would have to be asked for, and nobody is there.
    NobodyToAsk,
    /// It was asked for in vain.
    NotAsked(String),
    /// There is nothing.
    Empty(String),
}

impl SecretError {
    /// What to do about it: lower case, no full stop.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Command { fault: CommandFault::NotStarted(_), place } if place.starts_with("the keyring") => {
                "install secret-tool (package libsecret-tools), or use another source".to_owned()
            }
            Self::Command { fault: CommandFault::TimeLimit(_), .. } => {
                "make sure that it does not wait for somebody who is not there".to_owned()
            }
            Self::Command { place, .. } if place.starts_with("the keyring") => {
                "store it with: secret-tool store --label=Restante service SERVICE username USER; the keyring must be unlocked"
                    .to_owned()
            }
            Self::Command { .. } => "run it by hand: the password has to be the first line it prints".to_owned(),
            Self::NoVariable(name) => format!("set {name}, or use another source"),
            Self::File { path, fault: FileFault::OpenToOthers { .. } } => format!("chmod 600 {}", path.display()),
            Self::File { fault: FileFault::Io(_), .. } => "name a file that can be read".to_owned(),
            Self::File { .. } => "write the password on the first line of a file of its own".to_owned(),
            Self::Netrc { .. } => "mend it: machine HOST login USER password PASSWORD".to_owned(),
            Self::NotInNetrc { host, user, .. } => {
                format!("add: machine {host} login {user} password …")
            }
            Self::NoHome(_) => "set HOME, or write the whole path".to_owned(),
            Self::NobodyToAsk => {
                "use a command, a file, the keyring or a variable for what runs by itself".to_owned()
            }
            Self::NotAsked(_) => "run it on a terminal, or use another source".to_owned(),
            Self::Empty(_) => "a password has at least one character".to_owned(),
        }
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command { place, fault } => write!(out, "{place} did not tell the password: {fault}"),
            Self::NoVariable(name) => write!(out, "the variable {name} is not set"),
            Self::File { path, fault } => write!(out, "{}: {fault}", path.display()),
            Self::Netrc { path, fault } => write!(out, "{}: {fault}", path.display()),
            Self::NotInNetrc { path, host, user } if user.is_empty() => {
                write!(out, "{} has no password for {host}", path.display())
            }
            Self::NotInNetrc { path, host, user } => {
                write!(out, "{} has no password for {user} at {host}", path.display())
            }
            Self::NoHome(path) => write!(out, "{}: there is no home folder", path.display()),
            Self::NobodyToAsk => out.write_str("the password has to be asked for, and there is no terminal"),
            Self::NotAsked(why) => write!(out, "the password could not be asked for: {why}"),
            Self::Empty(place) => write!(out, "{place} holds no password"),
        }
    }
}

impl std::error::Error for SecretError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { fault: FileFault::Io(error), .. } => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
