//! Hands a message to a program on its standard input, as `sendmail -t` takes it: lines end with LF alone.
//!
//! No shell: the words of the configuration are the program and its arguments. The program gets a process group of its own, which is
//! killed when its time is up.

// One of the two programs that the server starts; the other is in restante_sources::checkpassword.
#![allow(clippy::disallowed_methods)]

use super::SubmitError;
use super::spool::Spool;
use restante_sources::program::{Group, first_line};
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, Command};

/// Starts the program, feeds it, and waits for its end. When the future is dropped before, the program is killed.
pub(super) async fn run(words: &[String], sender: &str, spool: &mut Spool) -> Result<(), SubmitError> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(SubmitError::Start { program: String::new(), error: io::ErrorKind::NotFound.into() });
    };
    spool.rewind().await.map_err(SubmitError::Spool)?;
    let mut child = Command::new(program)
        .args(arguments.iter().map(|argument| argument.replace(SENDER, sender)))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| SubmitError::Start { program: program.clone(), error })?;
    let group = Group::of(&child);
    let complaint = child.stderr.take().map(|stderr| tokio::spawn(first_line(stderr)));
    let fed = match child.stdin.take() {
        Some(stdin) => feed(stdin, spool).await,
        None => Ok(()),
    };
    let status = child.wait().await.map_err(SubmitError::Unread)?;
    group.ended();
    let said = match complaint {
        // A grandchild may hold on to it.
        Some(task) => {
            let abort = task.abort_handle();
            let line = tokio::time::timeout(COMPLAINT, task).await;
            abort.abort();
            line.ok().and_then(Result::ok).unwrap_or_default()
        }
        None => String::new(),
    };
    if !status.success() {
        return Err(SubmitError::Ended { code: status.code(), said });
    }
    // Whoever did not read to the end has not taken the message, whatever the code says.
    fed
}

async fn feed(mut stdin: ChildStdin, spool: &mut Spool) -> Result<(), SubmitError> {
    let mut chunk = Vec::with_capacity(CHUNK_OCTETS);
    let mut lines = Vec::with_capacity(CHUNK_OCTETS);
    let mut is_after_cr = false;
    loop {
        chunk.clear();
        if spool.read(&mut chunk).await.map_err(SubmitError::Spool)? == 0 {
            break;
        }
        lines.clear();
        for &octet in &chunk {
            if is_after_cr && octet != b'\n' {
                lines.push(b'\r');
            }
            is_after_cr = octet == b'\r';
            if !is_after_cr {
                lines.push(octet);
            }
        }
        stdin.write_all(&lines).await.map_err(SubmitError::Unread)?;
    }
    stdin.shutdown().await.map_err(SubmitError::Unread)
}

/// Replaced in the arguments by the account's address.
const SENDER: &str = "{sender}";
const CHUNK_OCTETS: usize = 64 * 1024;
/// How long a grandchild may hold standard error open after the program's end.
const COMPLAINT: Duration = Duration::from_secs(1);
