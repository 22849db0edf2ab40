//! Starting a process of this same program in a role, and what it does before anything else.

// The program that is started is this one.
#![allow(clippy::disallowed_methods)]

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{SigSet, Signal};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use crate::Role;

/// Starts this program in a role, with this end of a socket as its standard input. It gets no environment, no file of ours but
/// that one and standard error, and none of the signals that a terminal sends.
///
/// `/proc/self/exe` is the program that runs, also when another one lies in its place by now.
pub(crate) fn start(role: Role, end: OwnedFd) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("restante").arg(SUBCOMMAND).arg(role.name()).env_clear().current_dir("/").process_group(0);
    command.stdin(end).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn()
}

/// What holds for every role: it ends when its socket does, whatever a service manager sends to all processes at once, so that a
/// server that drains keeps its files; and what is in its memory is nobody's.
pub(crate) fn settle_in() {
    let mut signals = SigSet::empty();
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().for_each(|signal| signals.add(signal));
    // None of these can fail for reasons that would make us unsafe; `identity` sees to its own.
    let _ = signals.thread_block();
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// The hidden subcommand of the program.
pub(crate) const SUBCOMMAND: &str = "rights";
