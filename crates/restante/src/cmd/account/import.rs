//! `restante account import`: accounts of a passwd-file, with their secrets as they are, become accounts of the embedded directory.

use std::path::Path;

use restante_auth::directory::embedded::accounts::Known;
use restante_auth::directory::file::{self, FileDirectory};
use restante_server::assemble;
use serde::Serialize;

use super::{Directory, refused};
use crate::exit::{self, Code, Failure};
use crate::flags::ConfigFile;
use crate::terminal;

pub(super) fn run(from: &Path, replace: bool, file: &ConfigFile, as_json: bool) -> Result<(), Failure> {
    let directory = Directory::find(file)?;
    let passwd = FileDirectory::open(file::Settings::new(from), assemble::addresses(&directory.config), None)
        .map_err(|error| Failure::new(Code::Data, exit::chain(&error)).remedy("nothing was imported"))?;
    let (accounts, doubts) = passwd.into_accounts();
    for doubt in doubts {
        terminal::complain(&format!("warning: {}: {doubt}", from.display()));
    }
    directory.make_folder()?;
    let known = if replace { Known::Replaced } else { Known::Kept };
    let outcome = directory.accounts.import(&accounts, known).map_err(refused)?;
    let locked = accounts.iter().filter(|account| account.stored.is_none()).count();
    if as_json {
        let (added, replaced, kept) = (outcome.added, outcome.replaced, outcome.kept);
        return terminal::print_json(&[Entry { added, replaced, kept, without_password: locked }]);
    }
    let mut said = format!("added {}, replaced {}, kept {}", outcome.added, outcome.replaced, outcome.kept);
    if outcome.kept > 0 {
        said.push_str(" that were there already (--replace takes them too)");
    }
    if locked > 0 {
        said.push_str(&format!("; {locked} in the file have no password that fits"));
    }
    terminal::print(&format!("{said}\n"))
}

/// What an import came to, for programs.
#[derive(Serialize)]
struct Entry {
    added: u64,
    replaced: u64,
    kept: u64,
    without_password: usize,
}
