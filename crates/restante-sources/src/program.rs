//! Programs that are started and watched: their process groups, and what they complain of.
//!
//! A program gets a process group of its own, so that it and whatever it has started can be ended together. `checkpassword` uses
//! this, and so does the server for messages that are handed to a program. Nothing is started here.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr};

/// A program that has not ended, and what it has started: all killed when this is dropped before [`Group::ended`].
#[derive(Debug)]
#[must_use = "dropped at once it kills the program"]
pub struct Group(Option<Pid>);

impl Group {
    /// The group of a program that was started with `process_group(0)`.
    pub fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }

    /// The program has been waited for: its number may be another's from now on.
    pub fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Nobody is left to tell.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// The first line of what a program complains of, 512 octets at most; the rest is read and dropped, so that the program is not held up.
pub async fn first_line(mut stderr: ChildStderr) -> String {
    let mut line = Vec::new();
    let mut chunk = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
        let room = COMPLAINT_OCTETS_MAX.saturating_sub(line.len());
        line.extend(chunk.iter().take(count.min(room)));
    }
    let text = String::from_utf8_lossy(&line);
    text.lines().next().unwrap_or_default().trim().to_owned()
}

const COMPLAINT_OCTETS_MAX: usize = 512;
