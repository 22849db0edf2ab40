//! Programs that tell a secret on their first line: started without a shell, bounded in time and in what they say.

use std::fmt;
use std::io::{self, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use restante_proto::secret::Secret;
use restante_proto::visible::visible;

use super::SECRET_OCTETS_MAX;

/// Why a program has told no secret.
#[derive(Debug)]
pub enum CommandFault {
    /// It could not be started.
    NotStarted(io::Error),
    /// It ended with this status, and complained like this.
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to its standard error, in one line; may be empty.
        complaint: String,
    },
    /// It took longer, and was ended.
    TimeLimit(Duration),
    /// It printed more than [`SECRET_OCTETS_MAX`] octets, and was ended.
    TooLong,
    /// It cannot be waited for.
    Lost(io::Error),
}

impl fmt::Display for CommandFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(error) => write!(out, "it cannot be started: {error}"),
            Self::Failed { status, complaint } if complaint.is_empty() => write!(out, "{status}"),
            Self::Failed { status, complaint } => write!(out, "{status}: {complaint}"),
            Self::TimeLimit(limit) => write!(out, "it was not done after {} s", limit.as_secs()),
            Self::TooLong => write!(out, "it printed more than {SECRET_OCTETS_MAX} octets"),
            Self::Lost(error) => write!(out, "it cannot be waited for: {error}"),
        }
    }
}

/// What a program prints. It has no standard input, and the terminal is its own to open: a passphrase may be asked for there.
pub(super) fn told_by(words: &[String], limit: Duration) -> Result<Secret, CommandFault> {
    let [program, arguments @ ..] = words else {
        return Err(CommandFault::NotStarted(io::ErrorKind::InvalidInput.into()));
    };
    // The program is the one that the account's owner named for this.
    #[allow(clippy::disallowed_methods)]
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(CommandFault::NotStarted)?;
    let (sender, heard) = mpsc::channel();
    if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
        let (for_stdout, for_stderr) = (sender.clone(), sender.clone());
        thread::spawn(move || hear_output(stdout, &for_stdout));
        thread::spawn(move || hear_complaint(stderr, &for_stderr));
    }
    let mut listening = Listening::default();
    let mut ticks_left = limit.as_millis() / TICK.as_millis();
    let status = loop {
        // Our own sender keeps the channel open, so that a program that closes its output and stays has its time limit too.
        match heard.recv_timeout(TICK) {
            Ok(Heard::Output(output)) => listening.output = Some(output),
            Ok(Heard::Complaint(complaint)) => listening.complaint = Some(complaint),
            Ok(Heard::TooMuch) => {
                end(&mut child);
                return Err(CommandFault::TooLong);
            }
            Err(_) => ticks_left = ticks_left.saturating_sub(1),
        }
        let status = child.try_wait().map_err(CommandFault::Lost)?;
        if let Some(status) = status.filter(|status| listening.is_enough(*status)) {
            break status;
        }
        if ticks_left == 0 {
            end(&mut child);
            return Err(CommandFault::TimeLimit(limit));
        }
    };
    drop(sender);
    let output = listening.output.unwrap_or_else(|| Secret::new(Vec::new()));
    if status.success() {
        return Ok(output);
    }
    Err(CommandFault::Failed { status, complaint: shown(&listening.complaint.unwrap_or_default(), &output) })
}

/// What has been heard to its end.
#[derive(Default)]
struct Listening {
    output: Option<Secret>,
    complaint: Option<Vec<u8>>,
}

impl Listening {
    /// Whether nothing more has to be waited for, now that it has ended. An agent that it left behind may hold its standard error.
    fn is_enough(&self, status: ExitStatus) -> bool {
        self.output.is_some() && (status.success() || self.complaint.is_some())
    }
}

enum Heard {
    Output(Secret),
    Complaint(Vec<u8>),
    TooMuch,
}

/// Reads to the end of what it prints. At its full size from the start: a vector that grows leaves copies behind.
fn hear_output(mut from: ChildStdout, to: &Sender<Heard>) {
    let mut octets = vec![0; SECRET_OCTETS_MAX + 1];
    let mut length = 0;
    while let Some(rest) = octets.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    octets.truncate(length);
    let output = Secret::new(octets);
    let heard = if length > SECRET_OCTETS_MAX { Heard::TooMuch } else { Heard::Output(output) };
    // Nobody listens any more when it has taken too long.
    let _ = to.send(heard);
}

/// Reads to the end of what it complains, and keeps the end.
fn hear_complaint(mut from: ChildStderr, to: &Sender<Heard>) {
    let mut kept = Vec::new();
    let mut piece = [0; COMPLAINT_OCTETS_MAX];
    loop {
        match from.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => {
                kept.extend_from_slice(piece.get(..read).unwrap_or_default());
                kept.drain(..kept.len().saturating_sub(COMPLAINT_OCTETS_MAX));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let _ = to.send(Heard::Complaint(kept));
}

/// A complaint in one line that steers no terminal and quotes no secret.
fn shown(complaint: &[u8], output: &Secret) -> String {
    let text = String::from_utf8_lossy(complaint);
    let line = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" / ");
    let line = visible(&line);
    let told = String::from_utf8_lossy(output.expose());
    match told.lines().next().filter(|told| !told.is_empty()) {
        Some(told) => line.replace(told, "…"),
        None => line,
    }
}

/// It had its time. What cannot be killed is gone already.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// How often it is looked whether the program has ended, when it says nothing.
const TICK: Duration = Duration::from_millis(5);
/// So much of a complaint is shown.
const COMPLAINT_OCTETS_MAX: usize = 512;
