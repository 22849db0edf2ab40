//! A program that runs as long as the value that holds it, with its output in a file.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::real::program;
use crate::wait;

/// A running program, ended with its children when this is dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output added to `log`.
    ///
    /// It dies with the test process, also when that is killed: `setpriv` (util-linux, on every Debian) asks the kernel for it.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn start(command: &[&std::ffi::OsStr], folder: &Path, log: &Path) -> Self {
        let output =
            File::options().create(true).append(true).open(log).expect("the test's folder is writable");
        let child = Command::new(program("setpriv", "util-linux"))
            .arg("--pdeathsig=TERM")
            .arg("--")
            .args(command)
            .current_dir(folder)
            // Postfix signals its whole process group, which must not be ours.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .spawn()
            .expect("setpriv starts");
        Self { child, log: log.to_owned() }
    }

    /// Whether it has not ended yet.
    ///
    /// # Panics
    /// Never for a child of ours.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// Its process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has written.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map_or_else(|error| error.to_string(), |octets| String::from_utf8_lossy(&octets).into_owned())
    }

    /// The memory it holds (VmRSS), in KiB.
    ///
    /// # Panics
    /// When it is gone.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("every process has it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    /// Asks it to end and waits until it has. What it leaves behind is ended at once: some of Dovecot's processes outlive their master,
    /// and whoever is to be started next must find no address taken.
    ///
    /// # Panics
    /// When it does not within the deadline.
    pub fn stop(mut self) {
        let _ = kill_process(self.pid(), Signal::TERM);
        wait::until("the server to end after SIGTERM", || !self.is_running());
        wait::until("what it has left behind to end", || {
            let left = self.group();
            for pid in &left {
                let _ = kill_process(*pid, Signal::KILL);
            }
            left.is_empty()
        });
    }

    /// The living processes of its process group.
    fn group(&self) -> Vec<Pid> {
        let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let id = self.id().to_string();
        let is_one = |pid: &i32| {
            // The state, the parent and the group follow the name in brackets.
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
            let (state, _, group) = (fields.next(), fields.next(), fields.next());
            group == Some(&id) && !matches!(state, Some("Z" | "X"))
        };
        numbers.filter(is_one).filter_map(Pid::from_raw).collect()
    }

    /// Ends it and its children at once (SIGKILL) and waits until it is gone.
    pub fn kill(self) {
        drop(self);
    }

    fn children(&self) -> Vec<Pid> {
        let id = self.id();
        let text = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        text.split_ascii_whitespace().filter_map(|number| Pid::from_raw(number.parse().ok()?)).collect()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("process numbers are small")).expect("not zero")
    }
}

impl Drop for Process {
    /// Ends it and its children at once: nobody needs them any more, and a graceful end of Dovecot takes a second.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let children = self.children();
            let _ = self.child.kill();
            for child in &children {
                let _ = kill_process(*child, Signal::KILL);
            }
            // Their sockets are gone when they are, and not before; nobody may be there to bury them.
            let is_dead = |child: &Pid| {
                let stat =
                    fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero())).unwrap_or_default();
                stat.rsplit_once(')').is_none_or(|(_, rest)| rest.starts_with(" Z") || rest.starts_with(" X"))
            };
            wait::try_some(wait::DEADLINE, || children.iter().all(is_dead).then_some(()));
            let _ = self.child.wait();
        }
    }
}
