//! A program that takes each message on its standard input, as it would from an MTA: lines end with LF.
//!
//! No shell: the words of the configuration are the program and its arguments. It gets a process group of its own, which is killed when its
//! time is up. In its environment stand `RESTANTE_ACCOUNT`, `RESTANTE_UNIQUE_ID` and `RESTANTE_MARK`; the mark is the same whenever the same
//! message comes, so a program that must not get one twice can remember it.

// The program is the one that the account's owner named for this.
#![allow(clippy::disallowed_methods)]

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use restante_proto::visible::is_hidden;
use restante_store::disk::Disk;
use rustix::process::{Pid, Signal, kill_process_group};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin};
use tokio::runtime::Runtime;

use super::contents::Reader;
use super::{Fault, LineEnds, Message, Sink, SinkId};

/// A program as a sink.
#[derive(Debug)]
pub struct Command {
    id: SinkId,
    disk: Arc<dyn Disk>,
    words: Vec<String>,
    /// For one message.
    time_limit: Duration,
    /// Of the delivery thread alone.
    runtime: Runtime,
}

impl Command {
    /// Prepares to start the program in the first of `words` with the others as its arguments, for each message once; it may take `time_limit`.
    ///
    /// # Errors
    /// When the system gives no resources.
    pub fn new(disk: Arc<dyn Disk>, words: Vec<String>, time_limit: Duration) -> std::io::Result<Self> {
        // Arguments may be anybody's business, so they are in the identity by their digest alone.
        let digest = Sha256::digest(words.join("\0"));
        let mut id = format!("command:{}#", words.first().map_or("", String::as_str));
        for octet in digest.iter().take(4) {
            // Writing to a String cannot fail.
            let _ = write!(id, "{octet:02x}");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { id: SinkId(id.into()), disk, words, time_limit, runtime })
    }

    async fn deliver_one(&self, message: &Message<'_>) -> Result<(), Fault> {
        let program = self.words.first().map_or("", String::as_str);
        match tokio::time::timeout(self.time_limit, self.run(program, message)).await {
            Ok(answer) => answer,
            Err(_) => {
                let seconds = self.time_limit.as_secs();
                Err(Fault::Later(format!("{program} was not done after {seconds} s, and was killed")))
            }
        }
    }

    /// Starts the program, feeds it, and waits for its end. When the future is dropped before, it is killed with all that it has started.
    async fn run(&self, program: &str, message: &Message<'_>) -> Result<(), Fault> {
        let reader = Reader::open(&*self.disk, message, LineEnds::Lf)?;
        let mut child = tokio::process::Command::new(program)
            .args(self.words.iter().skip(1))
            .env("RESTANTE_ACCOUNT", message.account)
            .env("RESTANTE_UNIQUE_ID", OsStr::from_bytes(&without_nul(&message.key.unique_id)))
            .env("RESTANTE_MARK", message.key.mark(message.account))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Fault::Later(format!("{program} cannot be started: {error}")))?;
        let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let complaint = child.stderr.take().map(|stderr| tokio::spawn(first_line(stderr)));
        let fed = match child.stdin.take() {
            Some(mut stdin) => match feed(&mut stdin, reader).await {
                // It is killed while its input is still open, so that it does not take what it got for the whole.
                Fed::Broken(fault) => {
                    drop(group);
                    return Err(fault);
                }
                fed => fed,
            },
            None => Fed::Unread,
        };
        let status = child.wait().await;
        // Its number may be another's from now on.
        group.0 = None;
        let status =
            status.map_err(|error| Fault::Later(format!("{program} cannot be waited for: {error}")))?;
        let said = match complaint {
            // What it has started may hold on to it.
            Some(task) => {
                let abort = task.abort_handle();
                let line = tokio::time::timeout(COMPLAINT, task).await;
                abort.abort();
                line.ok().and_then(Result::ok).unwrap_or_default()
            }
            None => String::new(),
        };
        judge(program, status, &said, &fed)
    }
}

impl Sink for Command {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn deliver(&mut self, messages: &[Message<'_>]) -> Vec<Result<(), Fault>> {
        let all = async {
            let mut answers = Vec::with_capacity(messages.len());
            for message in messages {
                answers.push(self.deliver_one(message).await);
            }
            answers
        };
        self.runtime.block_on(all)
    }
}

/// How much of a message a program has read.
#[derive(Debug)]
enum Fed {
    All,
    /// It closed its input before the end.
    Unread,
    /// We could not read it.
    Broken(Fault),
}

/// What the end of a program means. What is no word about this message is none against it: a program that is not found, crashes or ends with 1
/// may do better another time, and the message waits on its server.
fn judge(program: &str, status: ExitStatus, said: &str, fed: &Fed) -> Result<(), Fault> {
    let colon = if said.is_empty() { "" } else { ": " };
    match (status.code(), fed) {
        (Some(0), Fed::All) => Ok(()),
        // Whoever did not read to the end has not taken the message, whatever it says.
        (Some(0), _) => {
            Err(Fault::Later(format!("{program} ended before it had read the message{colon}{said}")))
        }
        (Some(code), _) if REFUSALS.contains(&code) => {
            Err(Fault::Refused(format!("{program} ended with code {code}{colon}{said}")))
        }
        (Some(code), _) => Err(Fault::Later(format!("{program} ended with code {code}{colon}{said}"))),
        (None, _) => Err(Fault::Later(format!("{program} was ended by a signal{colon}{said}"))),
    }
}

async fn feed(stdin: &mut ChildStdin, mut reader: Reader) -> Fed {
    loop {
        match reader.next() {
            Ok(Some(piece)) => {
                if stdin.write_all(piece).await.is_err() {
                    return Fed::Unread;
                }
            }
            Ok(None) => break,
            Err(failure) => return Fed::Broken(failure.into()),
        }
    }
    if stdin.shutdown().await.is_err() { Fed::Unread } else { Fed::All }
}

/// The first line that holds something, printable and not long; the rest is read and dropped, so that the program is not held up.
async fn first_line(mut stderr: ChildStderr) -> String {
    let mut beginning = Vec::new();
    let mut chunk = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
        let room = COMPLAINT_OCTETS_MAX.saturating_sub(beginning.len());
        beginning.extend(chunk.iter().take(count.min(room)));
    }
    let text = String::from_utf8_lossy(&beginning);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().map(|letter| if is_hidden(letter) { '?' } else { letter }).collect()
}

/// No variable can hold one.
fn without_nul(octets: &[u8]) -> Vec<u8> {
    octets.iter().map(|&octet| if octet == 0 { b'?' } else { octet }).collect()
}

/// A program that has not ended, and what it has started: killed when nobody waits any more.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Nobody is left to tell.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE: the message, or whom it is for, is refused (sysexits.h, as MTAs read it).
const REFUSALS: [i32; 3] = [65, 67, 69];

const COMPLAINT_OCTETS_MAX: usize = 512;

/// How long a program may hold the standard error of one that has ended.
const COMPLAINT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
