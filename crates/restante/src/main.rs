//! The program: reads the command line, hands it to one of `cmd/`, and turns the outcome into an exit status.
//!
//! Everything that decides anything lives in the crates below; this one glues, asks and prints. It is the only
//! crate that reads arguments and environment.

mod clock;
mod cmd;
mod control;
mod exit;
mod flags;
mod service;
mod terminal;

use std::alloc::System;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use exit::{Code, Failure};
use flags::{Command, Flags};
use restante_broker::Role;
use restante_server::walls;
use zeroizing_alloc::ZeroAlloc;

/// Wipes whatever is freed, for every role of the program: copies of a password are made by each buffer that grows, in our code and in
/// that of TLS, databases and parsers, and no list of them would stay whole.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    if let Some(role) = role() {
        return play(role);
    }
    // Every command may hold a password. Where the system refuses this, it has none to be asked for instead.
    let _ = walls::leave_no_image();
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) => return parser_said(&error),
    };
    match run(flags.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(line) = failure.line() {
                terminal::complain(&line);
            }
            failure.status()
        }
    }
}

/// Whether the server, or a command run by root, has started this program for the files and passwords of system accounts. Nobody else
/// has a use for it, so it is no command that a person sees.
// The program reads arguments for everybody else.
#[allow(clippy::disallowed_methods)]
fn role() -> Option<Role> {
    let mut arguments = std::env::args_os().skip(1);
    let role = match (arguments.next()?.to_str()?, arguments.next()?.to_str()?) {
        ("rights", role) => {
            [Role::Broker, Role::Worker, Role::Asker].into_iter().find(|one| one.name() == role)?
        }
        _ => return None,
    };
    arguments.next().is_none().then_some(role)
}

fn play(role: Role) -> ExitCode {
    match role.play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(&format!("{}: {error}", role.name()));
            ExitCode::from(Code::Software as u8)
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(flags) => cmd::demo::run(&flags),
        Command::Serve(flags) => cmd::serve::run(&flags),
        Command::Config(flags) => cmd::config::run(&flags.command),
        Command::Deliver(flags) => cmd::deliver::run(&flags),
        Command::Account(flags) => cmd::account::run(&flags.command),
        Command::Ban(flags) => cmd::ban::run(&flags.command),
        Command::Maildrop(flags) => cmd::maildrop::run(&flags.command),
        Command::Check(flags) => cmd::check::run(&flags),
        Command::Fetch(flags) => cmd::fetch::run(&flags),
        Command::Login(flags) => cmd::tokens::login(&flags),
        Command::Logout(flags) => cmd::tokens::logout(&flags),
        Command::Completions(flags) => cmd::completions::run(&flags),
        Command::Man(flags) => cmd::man::run(&flags),
        Command::CheckpasswordAnswer(_) => cmd::checkpassword::answer(),
    }
}

/// Help and version go to standard output and are a success; everything else the parser has to say is wrong usage.
fn parser_said(error: &clap::Error) -> ExitCode {
    let said = error.to_string();
    let is_plain = |line: &str| terminal::visible(line) == line;
    if error.use_stderr() && !said.lines().all(is_plain) {
        // It repeats a word that steers a terminal, maybe the name of a file that somebody else has chosen.
        said.lines().for_each(terminal::report);
    } else {
        // A closed pipe leaves nobody to tell.
        let _ = error.print();
    }
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(Code::Usage as u8),
    }
}
