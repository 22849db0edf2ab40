//! `restante account import`: accounts of a passwd-file or a database, with their secrets as they are, become accounts of the embedded directory.

use std::path::Path;

use restante_auth::directory::embedded::accounts::{Imported, Known};
use restante_auth::directory::file::{self, FileDirectory};
use restante_server::assemble;
use restante_server::assemble::import;
use restante_server::config::Config;
use serde::Serialize;

use super::{Directory, refused};
use crate::clock;
use crate::exit::{self, Code, Failure};
use crate::flags::ConfigFile;
use crate::terminal;

/// Where accounts come from.
#[derive(Clone, Copy)]
pub(super) enum From<'a> {
    File(&'a Path),
    Sql(import::From<'a>),
}

/// What becomes of them.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    pub(super) known: Known,
    pub(super) is_rehearsal: bool,
    pub(super) as_json: bool,
}

impl<'a> From<'a> {
    pub(super) fn read(
        file: Option<&'a Path>,
        sql: Option<&'a str>,
        query: Option<&'a str>,
    ) -> Result<Self, Failure> {
        match (file, sql, query) {
            (Some(path), _, _) => Ok(Self::File(path)),
            (None, None | Some(""), None) => Ok(Self::Sql(import::From::Configured)),
            (None, Some(url), Some(query)) if !url.is_empty() => {
                Ok(Self::Sql(import::From::Query { url, query }))
            }
            (None, _, Some(_)) => {
                Err(Failure::new(Code::Usage, "--query without a database").remedy("name it: --from-sql URL"))
            }
            (None, _, None) => Err(Failure::new(Code::Usage, "a database without a query")
                .remedy("add --query 'SELECT name AS account, password FROM accounts'")),
        }
    }

    fn accounts(self, config: &Config) -> Result<Vec<Imported>, Failure> {
        match self {
            Self::File(path) => {
                let passwd =
                    FileDirectory::open(file::Settings::new(path), assemble::addresses(config), None)
                        .map_err(|error| {
                            Failure::new(Code::Data, exit::chain(&error)).remedy("nothing was imported")
                        })?;
                let (accounts, doubts) = passwd.into_accounts();
                for doubt in doubts {
                    terminal::complain(&format!("warning: {}: {doubt}", path.display()));
                }
                Ok(accounts)
            }
            Self::Sql(from) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime =
                    runtime.map_err(|error| Failure::new(Code::Software, format!("no runtime: {error}")))?;
                runtime.block_on(import::accounts(config, from, clock::now())).map_err(|error| {
                    let code = if error.is_temporary() { Code::Unavailable } else { Code::Data };
                    // Each account that cannot be taken on a line of its own.
                    for problem in error.problems() {
                        terminal::complain(&format!("{}: {problem}", error.source_name()));
                    }
                    Failure::new(code, "nothing was imported")
                })
            }
        }
    }
}

pub(super) fn run(from: From<'_>, wish: Wish, file: &ConfigFile) -> Result<(), Failure> {
    let directory = Directory::find(file)?;
    let accounts = from.accounts(&directory.config)?;
    let outcome = if wish.is_rehearsal {
        directory.accounts.rehearse(&accounts, wish.known).map_err(refused)?
    } else {
        directory.make_folder()?;
        directory.accounts.import(&accounts, wish.known).map_err(refused)?
    };
    let locked = accounts.iter().filter(|account| account.stored.is_none()).count();
    if wish.as_json {
        let (added, replaced, kept) = (outcome.added, outcome.replaced, outcome.kept);
        let dry_run = wish.is_rehearsal;
        return terminal::print_json(&[Entry { added, replaced, kept, without_password: locked, dry_run }]);
    }
    let would = if wish.is_rehearsal { "would have " } else { "" };
    let mut said =
        format!("{would}added {}, replaced {}, kept {}", outcome.added, outcome.replaced, outcome.kept);
    if outcome.kept > 0 {
        said.push_str(" that were there already (--replace takes them too)");
    }
    if locked > 0 {
        said.push_str(&format!("; {locked} have no password that fits"));
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
    /// Whether nothing was changed.
    dry_run: bool,
}
