//! The configuration of what is collected, as far as logins need it.

use std::env;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use restante_fetch::config::account::Account;
use restante_fetch::config::place::Around;
use restante_fetch::config::{self, Config};
use restante_fetch::secret::SecretSource;

use super::super::login;
use crate::exit::{Code, Failure};
use crate::flags::tokens::FetchFile;
use crate::terminal;

/// What the file says.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) state_dir: PathBuf,
    pub(super) token_key: Option<SecretSource>,
    pub(super) accounts: Vec<Account>,
}

impl Found {
    /// The account of this name.
    pub(super) fn account(&self, name: &str) -> Result<&Account, Failure> {
        self.accounts.iter().find(|account| account.name == name).ok_or_else(|| {
            let names =
                self.accounts.iter().map(|account| account.name.as_str()).collect::<Vec<_>>().join(", ");
            Failure::new(Code::NoUser, format!("{} has no account {name}", self.path.display()))
                .remedy(format!("it has {names}"))
        })
    }
}

/// Reads the file that is meant. What is wrong in it is told, each fault in a line.
pub(super) fn find(file: &FetchFile) -> Result<Found, Failure> {
    let path = match &file.config {
        Some(path) => path.clone(),
        None => usual().ok_or_else(|| {
            Failure::new(Code::NoInput, "there is no fetch.toml").remedy("name one with --config")
        })?,
    };
    let path = std::path::absolute(&path).map_err(|error| Failure::file("find", &path, &error))?;
    let text = String::from_utf8(login::read(&path, CONFIG_OCTETS_MAX)?)
        .map_err(|_| Failure::new(Code::Config, format!("{}: this is no text", path.display())))?;
    match with_around(Some(&path), |around| config::parse(&text, &path, around)) {
        Ok(Config { state_dir, token_key, accounts, .. }) => {
            Ok(Found { path, state_dir, token_key, accounts })
        }
        Err(problems) => {
            problems.iter().for_each(|problem| terminal::complain(&problem.to_string()));
            Err(Failure::said(Code::Config))
        }
    }
}

/// The file that is there when none is named.
// This program's own business, not the store's.
#[allow(clippy::disallowed_methods)]
fn usual() -> Option<PathBuf> {
    let own = with_around(None, |around| around.configuration());
    own.into_iter().chain([PathBuf::from("/etc/restante/fetch.toml")]).find(|path| path.is_file())
}

/// The machine and its owner, as configurations see them.
// As above.
#[allow(clippy::disallowed_methods)]
fn with_around<T>(path: Option<&Path>, ask: impl FnOnce(&Around<'_>) -> T) -> T {
    let mode = path.and_then(|path| std::fs::metadata(path).ok()).map(|metadata| metadata.mode());
    let is_root = rustix::process::geteuid().is_root();
    ask(&Around { home: home().as_deref(), environment: &variable, is_root, mode })
}

/// The home folder.
pub(super) fn home() -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
}

/// A variable of the environment.
// The program reads the environment for everybody else.
#[allow(clippy::disallowed_methods)]
pub(super) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// A configuration of a thousand accounts has less.
const CONFIG_OCTETS_MAX: u64 = 4 * 1024 * 1024;
