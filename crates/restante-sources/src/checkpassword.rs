//! `CheckpasswordDirectory`: a program that checks passwords, by the interface that D. J. Bernstein's `checkpassword` has given a name.
//!
//! The program finds `name NUL password NUL timestamp NUL` at descriptor 3. When the password is right it puts what it knows of the
//! account into its environment and becomes the program that its arguments end with; that is our own ([`answer`]), which prints the
//! environment. Else it ends: with 1 (or 100, as programs around qmail have it) for a wrong password, 111 when it cannot say now, and 3 (as Dovecot has it) when there is no such
//! account. Each question starts it once, without a shell and with an environment of ours alone; it has a time, a process group that
//! is killed at its end, and room for so much output. How programs are watched is in `program`.

// One of the two programs that the server starts; the other is in restante_server::submission.
#![allow(clippy::disallowed_methods)]

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use restante_auth::account::Account;
use restante_auth::directory::{Answer, Checked, Directory, Entry, Problem, Question, SourceError};
use restante_auth::password::StoredPassword;
use restante_proto::dovecot::client::User;
use restante_proto::secret::Secret;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::dovecot::fields;
use crate::program::{Group, first_line};

/// What such a source needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The program, a full path, and its arguments. Not empty.
    pub command: Vec<String>,
    /// What its arguments end with: a program that prints [`answer`], and its arguments.
    pub answer: Vec<OsString>,
    /// Whether it knows look-ups: with `AUTHORIZED=1` in its environment it is told no password and must not want one, says
    /// `AUTHORIZED=2`, and ends with 3 when there is no such account.
    pub has_lookups: bool,
    /// Programs at the same time; more wait, within `timeout`. At least 1.
    pub programs_max: usize,
    /// The longest wait for one answer.
    pub timeout: Duration,
}

/// Accounts that a program knows.
pub struct CheckpasswordDirectory {
    settings: Settings,
    places: Semaphore,
}

impl CheckpasswordDirectory {
    /// Starts nothing yet.
    pub fn new(settings: Settings) -> Self {
        let places = Semaphore::new(settings.programs_max.clamp(1, Semaphore::MAX_PERMITS));
        Self { settings, places }
    }

    /// Starts the program once.
    async fn ask(&self, question: &Question<'_>, wish: Wish<'_>) -> Result<Said, SourceError> {
        let Some(told) = told(question.name.as_str(), wish) else { return Ok(Said::Refused) };
        let asked = tokio::time::timeout(self.settings.timeout, async {
            // Never closed.
            let _place = self.places.acquire().await;
            self.run(question, wish, &told).await
        });
        match asked.await {
            Ok(said) => said,
            Err(_) => Err(self.temporary(
                format!("no answer within {} s", self.settings.timeout.as_secs_f32()),
                "see what the program waits for, or let more run at the same time (programs)",
            )),
        }
    }

    async fn run(&self, question: &Question<'_>, wish: Wish<'_>, told: &[u8]) -> Result<Said, SourceError> {
        let started = self.start(question, wish, told);
        let mut child = started.map_err(|error| {
            self.temporary(
                format!("it cannot be started: {error}"),
                "correct command, or the permissions of the program",
            )
        })?;
        // Dropped with the rest when the time is up.
        let group = Group::of(&child);
        let complaint = child.stderr.take().map(|stderr| tokio::spawn(first_line(stderr)));
        let mut output = Vec::new();
        let ended = end(&mut child, &mut output).await;
        let status = match ended {
            Ok(status) => status,
            Err(Unended::Output) => {
                drop(group);
                return Err(self.permanent(
                    format!("it prints more than {OUTPUT_OCTETS_MAX} octets"),
                    "let it print nothing",
                ));
            }
            Err(Unended::Wait(error)) => {
                return Err(self.temporary(format!("it cannot be waited for: {error}"), TRY));
            }
        };
        group.ended();
        let complaint = match complaint {
            Some(task) => {
                let abort = task.abort_handle();
                let line = tokio::time::timeout(LINGER, task).await;
                abort.abort();
                line.ok().and_then(Result::ok).unwrap_or_default()
            }
            None => String::new(),
        };
        self.judged(question, wish, status, &output, &complaint)
    }

    fn start(&self, question: &Question<'_>, wish: Wish<'_>, told: &[u8]) -> io::Result<Child> {
        let (program, arguments) = self.settings.command.split_first().ok_or(io::ErrorKind::NotFound)?;
        let (reader, mut writer) = io::pipe()?;
        // No pipe is so small that this would wait.
        writer.write_all(told)?;
        drop(writer);
        let mut command = std::process::Command::new(program);
        command.args(arguments).args(&self.settings.answer).env_clear().envs(ENVIRONMENT);
        command.env("SERVICE", question.at.service.name());
        if let Some(peer) = question.at.peer {
            command.env("TCPREMOTEIP", peer.to_canonical().to_string());
        }
        if let Wish::Lookup = wish {
            command.env(AUTHORIZED, "1");
        }
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0);
        let mapping = FdMapping { parent_fd: OwnedFd::from(reader), child_fd: 3 };
        command.fd_mappings(vec![mapping]).map_err(io::Error::other)?;
        Command::from(command).kill_on_drop(true).spawn()
    }

    /// What an end of the program means.
    fn judged(
        &self,
        question: &Question<'_>,
        wish: Wish<'_>,
        status: ExitStatus,
        output: &[u8],
        complaint: &str,
    ) -> Result<Said, SourceError> {
        // What it complains of may quote what it was told.
        let is_quoted = |password: &Secret| {
            let password = password.expose();
            complaint.as_bytes().windows(password.len().max(1)).any(|part| part == password)
        };
        let complaint = match wish {
            Wish::Check(password) if is_quoted(password) => String::new(),
            _ if complaint.is_empty() => String::new(),
            _ => format!(": {complaint}"),
        };
        match (status.code(), wish) {
            (Some(0), wish) => self.accepted(question, wish, output).map(Said::Accepted),
            (Some(1 | 100), Wish::Check(_)) => Ok(Said::Refused),
            (Some(code @ (1 | 100)), Wish::Lookup) => Err(self.permanent(
                format!("{}: it ends with {code} when it is asked without a password{complaint}", question.name),
                "with AUTHORIZED=1 in its environment it must want none, and end with 3 when there is no such account; else set lookups = false",
            )),
            (Some(3), _) => Ok(Said::Unknown),
            (Some(2), _) => {
                Err(self.permanent(format!("it ends with 2: it was misused{complaint}"), "see its arguments in command"))
            }
            (Some(111), _) => Err(self.temporary(format!("it cannot say now (111){complaint}"), TRY)),
            (Some(code), _) => Err(self.temporary(format!("it ends with {code}{complaint}"), TRY)),
            (None, _) => Err(self.temporary(format!("it was killed{complaint}"), TRY)),
        }
    }

    /// The account, as the environment says that was printed.
    fn accepted(
        &self,
        question: &Question<'_>,
        wish: Wish<'_>,
        output: &[u8],
    ) -> Result<Accepted, SourceError> {
        let name = question.name;
        let Some(printed) = printed(output) else {
            return Err(self.permanent(
                format!("{name}: it ends with 0, and has not become the program that its arguments end with"),
                "let it run its arguments when the password is right, with exec \"$@\"",
            ));
        };
        let value = |wanted: &str| printed.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
        if let Wish::Lookup = wish
            && value(AUTHORIZED).is_none_or(|value| value != "2")
        {
            return Err(self.permanent(
                format!("{name}: it answers a look-up without AUTHORIZED=2, as a program that does not know look-ups may"),
                "let it say AUTHORIZED=2, or set lookups = false",
            ));
        }
        let account = account(question, &printed);
        let account = account.map_err(|problem| SourceError::permanent(self.source(), vec![problem]))?;
        Ok(Accepted { account, is_locked: value("nologin").is_some() })
    }

    fn temporary(&self, what: String, remedy: &str) -> SourceError {
        SourceError::temporary(self.source(), Problem::new(what, remedy))
    }

    fn permanent(&self, what: String, remedy: &str) -> SourceError {
        SourceError::permanent(self.source(), vec![Problem::new(what, remedy)])
    }
}

/// Waits for the end of the program and of what it prints.
async fn end(child: &mut Child, output: &mut Vec<u8>) -> Result<ExitStatus, Unended> {
    let Some(stdout) = child.stdout.take() else { return child.wait().await.map_err(Unended::Wait) };
    let reading = read(stdout, output);
    tokio::pin!(reading);
    tokio::select! {
        read = &mut reading => {
            read?;
            child.wait().await.map_err(Unended::Wait)
        }
        status = child.wait() => {
            let status = status.map_err(Unended::Wait)?;
            // All that it has printed can be read at once; what it has started may hold on to the other end.
            match tokio::time::timeout(LINGER, reading).await {
                Ok(Err(unended)) => Err(unended),
                Ok(Ok(())) | Err(_) => Ok(status),
            }
        }
    }
}

async fn read(mut stdout: ChildStdout, output: &mut Vec<u8>) -> Result<(), Unended> {
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = stdout.read(&mut chunk).await {
        output.extend(chunk.iter().take(count));
        if output.len() > OUTPUT_OCTETS_MAX {
            return Err(Unended::Output);
        }
    }
    Ok(())
}

/// Why there is no exit status.
enum Unended {
    Output,
    Wait(io::Error),
}

/// What is wanted of the program.
#[derive(Clone, Copy)]
enum Wish<'a> {
    Check(&'a Secret),
    Lookup,
}

/// What it says.
enum Said {
    Accepted(Accepted),
    Refused,
    Unknown,
}

struct Accepted {
    account: Account,
    is_locked: bool,
}

/// What the program finds at its descriptor 3; `None` for what cannot be said there, and is nobody's password therefore.
fn told(name: &str, wish: Wish<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let password = match wish {
        Wish::Check(password) => password.expose(),
        Wish::Lookup => b"",
    };
    let mut told = Zeroizing::new(Vec::with_capacity(TOLD_OCTETS_MAX));
    for item in [name.as_bytes(), password, b""] {
        if item.contains(&0) || told.len() + item.len() + 1 > TOLD_OCTETS_MAX {
            return None;
        }
        told.extend(item);
        told.push(0);
    }
    Some(told)
}

/// What our program at the end of the arguments prints: those `variables` that say something of an account, and whose rights it has.
///
/// They are `USER`, `HOME`, `AUTHORIZED`, those whose names begin with `userdb_`, and those that `EXTRA` names.
pub fn answer(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<u8> {
    let variables: Vec<(OsString, OsString)> = variables.into_iter().collect();
    let extra = variables.iter().find(|(name, _)| name == "EXTRA").map(|(_, value)| value.as_bytes());
    let is_extra = |name: &OsStr| {
        extra.is_some_and(|extra| extra.split(u8::is_ascii_whitespace).any(|word| word == name.as_bytes()))
    };
    let mut output = MARK.to_vec();
    let mut add = |name: &[u8], value: &[u8]| {
        output.extend(name);
        output.push(b'=');
        output.extend(value);
        output.push(0);
    };
    for (name, value) in &variables {
        let is_wanted = ["USER", "HOME", AUTHORIZED].iter().any(|known| name == known)
            || name.as_bytes().starts_with(b"userdb_")
            || is_extra(name);
        if is_wanted {
            add(name.as_bytes(), value.as_bytes());
        }
    }
    // Names that no variable has that comes from `env_clear` and a shell.
    add(UID, rustix::process::getuid().as_raw().to_string().as_bytes());
    add(GID, rustix::process::getgid().as_raw().to_string().as_bytes());
    output.extend(END);
    output
}

/// Reads [`answer`], whatever was printed before it; `None` when it is not there or not whole.
fn printed(output: &[u8]) -> Option<Vec<(String, String)>> {
    let start = output.windows(MARK.len()).position(|part| part == MARK)? + MARK.len();
    let items = output.get(start..)?.strip_suffix(END)?;
    let item = |item: &[u8]| {
        let text = String::from_utf8_lossy(item);
        text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    items.split(|octet| *octet == 0).filter(|text| !text.is_empty()).map(item).collect()
}

/// The account that was asked about, whatever `USER` says: that is the system's user, where it is somebody else.
fn account(question: &Question<'_>, printed: &[(String, String)]) -> Result<Account, Problem> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for (name, value) in printed {
        if let Some(field) = name.strip_prefix("userdb_") {
            fields.push((field.to_owned(), value.clone()));
        }
    }
    let value = |wanted: &[u8]| {
        let found = printed.iter().rfind(|(name, _)| name.as_bytes() == wanted);
        found.map(|(_, value)| value.clone())
    };
    let has = |fields: &[(String, String)], wanted: &str| fields.iter().any(|(name, _)| name == wanted);
    if !has(&fields, "home") {
        fields.extend(value(b"HOME").map(|home| ("home".to_owned(), home)));
    }
    // A program that has become somebody else means whom the files belong to; one that has not means nothing.
    let ours = rustix::process::getuid().as_raw().to_string();
    if let (Some(uid), Some(gid)) = (value(UID), value(GID))
        && !has(&fields, "uid")
        && ![ours.as_str(), "0"].contains(&uid.as_str())
        && gid != "0"
    {
        fields.extend([("uid".to_owned(), uid), ("gid".to_owned(), gid)]);
    }
    let user = User { name: question.name.as_str().to_owned(), fields };
    fields::account(question.name.clone(), &user)
}

impl Directory for CheckpasswordDirectory {
    fn source(&self) -> String {
        format!("checkpassword {}", self.settings.command.first().map_or("", String::as_str))
    }

    fn lookup<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            if !self.settings.has_lookups {
                return Err(self.permanent(
                    "it is not known who has an account: the program is asked with a password only".to_owned(),
                    "set lookups = true if it knows AUTHORIZED, or part = \"passwords\" and add a source of settings",
                ));
            }
            Ok(match self.ask(question, Wish::Lookup).await? {
                Said::Accepted(Accepted { account, is_locked }) => Some(Entry {
                    account,
                    password: if is_locked { StoredPassword::barred() } else { StoredPassword::absent() },
                    scram: Vec::new(),
                    app_passwords: Vec::new(),
                }),
                // It cannot be asked about such a name, so it knows nobody by it.
                Said::Refused | Said::Unknown => None,
            })
        })
    }

    fn checks(&self) -> bool {
        true
    }

    fn check<'a>(&'a self, question: &'a Question<'a>, password: &'a Secret) -> Answer<'a, Checked> {
        Box::pin(async move {
            Ok(match self.ask(question, Wish::Check(password)).await? {
                Said::Accepted(Accepted { is_locked: true, .. }) => Checked::Locked,
                Said::Accepted(Accepted { account, .. }) => Checked::Right(account),
                Said::Unknown => Checked::Unknown,
                // 1 is said of a wrong password and of a name that nobody has; later sources may know that one.
                Said::Refused if self.settings.has_lookups => match self.ask(question, Wish::Lookup).await? {
                    Said::Accepted(_) => Checked::Wrong,
                    Said::Refused | Said::Unknown => Checked::Unknown,
                },
                Said::Refused => Checked::Wrong,
            })
        })
    }

    /// Without look-ups it is asked with a password that nobody has.
    fn probe<'a>(&'a self, question: &'a Question<'a>) -> Answer<'a, ()> {
        Box::pin(async {
            let nobodys = Secret::new(question.name.as_str().as_bytes().to_vec());
            let wish = if self.settings.has_lookups { Wish::Lookup } else { Wish::Check(&nobodys) };
            self.ask(question, wish).await.map(|_| ())
        })
    }

    fn decoy(&self, _seed: u64) -> Option<StoredPassword> {
        None
    }
}

impl fmt::Debug for CheckpasswordDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckpasswordDirectory").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// All that the interface has room for.
const TOLD_OCTETS_MAX: usize = 512;
/// Environments are smaller.
const OUTPUT_OCTETS_MAX: usize = 64 * 1024;
/// How long what the program has started may hold its output open after its end.
const LINGER: Duration = Duration::from_secs(1);
/// Of the environment that the program finds.
const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("PROTO", "TCP")];
/// The variable of look-ups.
const AUTHORIZED: &str = "AUTHORIZED";
/// Stands before what was printed for us. No name and no password has a NUL, so nobody who logs in can make a program print it.
const MARK: &[u8] = b"\0restante\0";
/// The end, so that nothing cut off counts.
const END: &[u8] = b"\0end\0";
/// The user that the program has become.
const UID: &[u8] = b".uid";
/// Its group.
const GID: &[u8] = b".gid";
const TRY: &str = "start it by hand, with the same name at descriptor 3, to see what it does";

#[cfg(test)]
mod tests;
