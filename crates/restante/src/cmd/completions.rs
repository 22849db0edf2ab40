//! `restante completions SHELL`: made from the same definitions as the parser.

use clap::CommandFactory;

use crate::exit::Failure;
use crate::flags::{Completions, Flags};
use crate::terminal;

/// Prints the completions for one shell.
pub(crate) fn run(flags: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut Flags::command(), "restante", &mut script);
    terminal::print(&String::from_utf8_lossy(&script))
}
