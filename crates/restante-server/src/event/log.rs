//! `Log`: the way of a line to its target.
//!
//! Sessions append lines to a bounded buffer; one thread writes what has gathered, so that no session waits for the
//! target, and a busy server makes few system calls. Lines reach the target within `NAP`, and before the log is dropped.
//! When the target stands still and the buffer is full, lines are counted and the number is logged later.

use super::Event;
use crate::clock;
use crate::config::{self, LogFormat, LogTarget};
use crate::file;
use std::io::{self, Write};
use std::mem;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::sync::Notify;

/// Takes events; a clone is another handle to the same log.
#[derive(Clone)]
pub(crate) struct Log {
    handle: Arc<Handle>,
}

/// Ends the writing thread when the last `Log` is gone.
struct Handle {
    format: LogFormat,
    queue: Arc<Queue>,
}

struct Queue {
    state: Mutex<State>,
    /// There is something to write, or the state wants attention.
    work: Condvar,
    /// Everything was written.
    done: Condvar,
    /// There is room again.
    room: Notify,
}

#[derive(Default)]
struct State {
    lines: String,
    lost: u64,
    /// The thread waits without limit: it must be woken.
    is_waiting: bool,
    /// The thread has lines in its hands.
    is_writing: bool,
    /// Somebody waits for everything to be written.
    is_urgent: bool,
    is_reopening: bool,
    is_closing: bool,
}

/// A target that is open, before there is a thread that writes.
pub(crate) struct OpenedLog {
    format: LogFormat,
    target: Target,
}

impl OpenedLog {
    /// Opens the configured target.
    ///
    /// # Errors
    /// The log file cannot be opened.
    pub(crate) fn new(settings: &config::Log) -> io::Result<Self> {
        let target = match (settings.target, &settings.path) {
            (LogTarget::Stdout, _) => Target::Other(Box::new(io::stdout())),
            (LogTarget::File, Some(path)) => Target::File(file::append(path)?, path.clone()),
            (LogTarget::Stderr | LogTarget::File, _) => Target::Other(Box::new(io::stderr())),
        };
        Ok(Self { format: settings.format, target })
    }

    /// Begins to write.
    ///
    /// # Errors
    /// No thread can be started.
    pub(crate) fn start(self) -> io::Result<Log> {
        Log::start(self.format, self.target)
    }
}

impl Log {
    /// A log that writes to `target`.
    #[cfg(test)]
    pub(crate) fn to(format: LogFormat, target: Box<dyn Write + Send>) -> Self {
        Self::start(format, Target::Other(target)).expect("a thread can be started")
    }

    fn start(format: LogFormat, target: Target) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            room: Notify::new(),
        });
        let writer = Arc::clone(&queue);
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.serve(format, target))?;
        Ok(Self { handle: Arc::new(Handle { format, queue }) })
    }

    /// Takes one event. Never waits for the target.
    pub(crate) fn write(&self, event: &Event<'_>) {
        let mut line = String::with_capacity(LINE_BYTES);
        event.write(self.handle.format, clock::wall(), &mut line);
        if !self.handle.queue.push(&line) {
            self.handle.queue.lock().lost += 1;
        }
    }

    /// Takes one event that must not be lost: what is returned waits for room, but not for ever for a target that stands
    /// still.
    pub(crate) fn write_surely<'log>(
        &'log self,
        event: &Event<'_>,
    ) -> impl Future<Output = ()> + Send + use<'log> {
        let mut line = String::with_capacity(LINE_BYTES);
        event.write(self.handle.format, clock::wall(), &mut line);
        let queue = &self.handle.queue;
        async move {
            if !queue.push(&line)
                && tokio::time::timeout(ROOM_WAIT_MAX, queue.push_when_room(&line)).await.is_err()
            {
                queue.lock().lost += 1;
            }
        }
    }

    /// Opens a log file anew, for the rotation of logs.
    pub(crate) fn reopen(&self) {
        self.handle.queue.lock().is_reopening = true;
        self.handle.queue.work.notify_one();
    }

    /// Waits until everything has reached the target, but not for ever.
    pub(crate) fn flush(&self) {
        self.handle.queue.flush();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.flush();
        self.queue.lock().is_closing = true;
        self.queue.work.notify_one();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves whole lines at worst uncounted.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line if there is room for it.
    fn push(&self, line: &str) -> bool {
        let mut state = self.lock();
        if state.lines.len() + line.len() > QUEUE_BYTES_MAX {
            return false;
        }
        state.lines.push_str(line);
        if mem::take(&mut state.is_waiting) {
            self.work.notify_one();
        }
        true
    }

    async fn push_when_room(&self, line: &str) {
        loop {
            let mut room = pin!(self.room.notified());
            // Before the look, so that no ringing is missed.
            room.as_mut().enable();
            if self.push(line) {
                return;
            }
            room.await;
        }
    }

    fn flush(&self) {
        let mut state = self.lock();
        state.is_urgent = true;
        self.work.notify_one();
        let is_busy = |state: &mut State| state.is_writing || !state.lines.is_empty() || state.lost > 0;
        drop(self.done.wait_timeout_while(state, FLUSH_MAX, is_busy));
    }

    /// The thread's whole life.
    fn serve(&self, format: LogFormat, mut target: Target) {
        let mut lines = String::new();
        let mut state = self.lock();
        loop {
            if mem::take(&mut state.is_reopening) {
                drop(state);
                if let Err(problem) = target.reopen() {
                    Event::Warning { problem: &problem }.write(format, clock::wall(), &mut lines);
                    target.write(&lines);
                    lines.clear();
                }
                state = self.lock();
                continue;
            }
            if state.lines.is_empty() && state.lost == 0 {
                state.is_urgent = false;
                self.done.notify_all();
                if state.is_closing {
                    return;
                }
                state.is_waiting = true;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.is_waiting = false;
                continue;
            }
            mem::swap(&mut lines, &mut state.lines);
            let lost = mem::take(&mut state.lost);
            state.is_writing = true;
            drop(state);
            self.room.notify_waiters();
            if lost > 0 {
                Event::Lost { lines: lost }.write(format, clock::wall(), &mut lines);
            }
            target.write(&lines);
            lines.clear();
            lines.shrink_to(QUEUE_BYTES_KEPT);
            state = self.lock();
            state.is_writing = false;
            // Lines gather meanwhile: a busy server writes fifty times a second, not ten thousand times.
            let is_calm = |state: &mut State| !state.is_urgent && !state.is_closing && !state.is_reopening;
            state = match self.work.wait_timeout_while(state, NAP, is_calm) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

enum Target {
    File(std::fs::File, PathBuf),
    Other(Box<dyn Write + Send>),
}

impl Target {
    fn write(&mut self, lines: &str) {
        // A log that cannot be written has nobody to tell.
        let _ = match self {
            Self::File(file, _) => file.write_all(lines.as_bytes()),
            Self::Other(target) => target.write_all(lines.as_bytes()).and_then(|()| target.flush()),
        };
    }

    /// Keeps the old file when the new one cannot be opened, and says why.
    fn reopen(&mut self) -> Result<(), String> {
        let Self::File(open, path) = self else { return Ok(()) };
        match file::append(path) {
            Ok(file) => *open = file,
            Err(error) => {
                let path = path.display();
                return Err(format!(
                    "{path} cannot be opened anew, so the file of before is written on: {error}; let the server's user own it, or its \
                     folder"
                ));
            }
        }
        Ok(())
    }
}

/// How long lines gather after a write.
const NAP: Duration = Duration::from_millis(20);
/// How long a line that must not be lost waits for room.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long a flush waits for a target that stands still.
const FLUSH_MAX: Duration = Duration::from_secs(5);
/// Lines that wait for the target, about 20,000 sessions.
const QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Buffers keep this much between writes.
const QUEUE_BYTES_KEPT: usize = 64 * 1024;
/// A session's line is about this long.
const LINE_BYTES: usize = 384;
