//! `restante fetch`: from flags to accounts, from accounts to visits, from what they came to to an exit code. How a visit goes is in
//! `restante-fetch`; one file here for each thing that a person can say or see.

pub(super) mod accounts;
mod display;
mod ending;
mod import;
mod quarantine;
mod sinks;
mod status;
mod visits;

use restante_fetch::config;
use restante_fetch::event::Level;

use crate::exit::Failure;
use crate::flags::fetch::{Fetch, FetchCommand};
use crate::terminal;
use display::{Display, Manner};
use visits::Visits;

/// Runs `restante fetch`.
pub(crate) fn run(flags: &Fetch) -> Result<(), Failure> {
    match &flags.command {
        Some(FetchCommand::Import(flags)) => return import::run(flags),
        Some(FetchCommand::Status { file, json }) => return status::run(file, json.json),
        Some(FetchCommand::Quarantine { command }) => return quarantine::run(command),
        None => {}
    }
    let accounts = accounts::load(flags)?;
    let manner = Manner {
        is_json: flags.json.json,
        level: match (flags.quiet, flags.verbose) {
            (true, _) => Level::Always,
            (_, true) => Level::Verbose,
            _ => Level::Usual,
        },
        is_several: flags.watch || accounts.accounts.len() > 1,
        is_watch: flags.watch && !flags.check,
    };
    let display = Display::new(manner);
    // For --check too: files that an account names are read here.
    let meant: String = accounts.accounts.iter().map(config::show_account).collect::<Vec<_>>().join("\n");
    let visits = Visits::new(flags, accounts, &display)?;
    if flags.check {
        return terminal::print(&meant);
    }
    let outcome = if flags.watch { visits.watch(flags) } else { visits.once() };
    display.finish();
    outcome
}
