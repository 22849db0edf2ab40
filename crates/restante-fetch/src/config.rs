//! `fetch.toml`: what may stand in it (as written) and what it means (as meant).
//!
//! Lives here: the keys of the file itself, and where its accounts are put together. One account is in `config/account.rs`, sinks in
//! `config/deliver.rs`, rules in `config/rule.rs`, paths in `config/place.rs`. How tables are read is in `restante-config`. The file is
//! read, and the environment is looked at, by whoever calls [`parse`]. `docs/fetch.md` says the same for people.
//!
//! All faults of a file are told at once, each with its line and a remedy.

pub mod account;
pub mod deliver;
pub mod keep;
pub mod oauth;
pub mod place;
mod rule;
pub mod secret;
#[cfg(test)]
mod tests;
pub mod tls;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use restante_config::problem::{Problem, Problems};
use restante_config::section;
use restante_config::section::{Lines, Section};

use account::Account;
use place::Around;
use secret::Password;

use crate::secret::SecretSource;

/// A configuration, as meant.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of state: journals, quarantines, tokens.
    pub state_dir: PathBuf,
    /// What the files of tokens are sealed with; a key file in `state_dir` when missing.
    pub token_key: Option<SecretSource>,
    /// Accounts that are looked at at a time.
    pub jobs: usize,
    /// Accounts of one host that are looked at at a time.
    pub jobs_per_host: usize,
    /// The accounts, in the order of the file; no two with one name.
    pub accounts: Vec<Account>,
    /// What the user should know although the configuration can be used.
    pub warnings: Vec<Problem>,
}

section! {
    /// The keys of the file itself; `[[account]]` beside them.
    pub struct ConfigWritten {
        /// The folder of state: journals, quarantines, tokens. `~/` and `${NAME}` are filled in. Default: `/var/lib/restante/fetch` for
        /// root, else `$XDG_STATE_HOME/restante/fetch` or `~/.local/state/restante/fetch`.
        state_dir: Option<String> = None;
        /// What the files of tokens are sealed with, written like a password: best `{ keyring = "restante-tokens" }`. Default: a key that
        /// is made and kept in `state_dir`.
        token_key: Option<Password> = None;
        /// Accounts that are looked at at a time. Default 8.
        jobs: u64 = 8, in 1..=256;
        /// Accounts of one host that are looked at at a time. Default 2.
        jobs_per_host: u64 = 2, in 1..=64;
    }
}

/// What is the same for every key while a file is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    file: &'a Path,
    folder: &'a Path,
    around: &'a Around<'a>,
}

impl Reading<'_> {
    /// A path as meant; what is wrong with it is reported.
    fn place(&self, section: &mut Section<'_, '_, '_>, key: &str, written: &str) -> Option<PathBuf> {
        match self.around.place(written, self.folder) {
            Ok(path) => Some(path),
            Err(what) => {
                section.fault_at(key, what, "write the whole path, in double quotes");
                None
            }
        }
    }
}

/// Checks the text of a configuration. `path` is what problems name, and relative paths start from its folder.
///
/// # Errors
/// Every fault that keeps the configuration from being used, in the order of the lines.
pub fn parse(text: &str, path: &Path, around: &Around<'_>) -> Result<Config, Vec<Problem>> {
    let mut problems = Problems::new(path, text);
    let Some(document) = problems.document() else { return Err(problems.finish().0) };
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let reading = Reading { file: path, folder, around };
    let mut lines = Lines::default();
    let mut section = Section::new("", document.get_ref(), &mut problems, &mut lines);
    let config = Config::read(&mut section, &reading);
    check(&config, &lines, &mut problems);
    let (errors, warnings) = problems.finish();
    if !errors.is_empty() {
        return Err(errors);
    }
    let accounts = config.accounts.into_iter().flatten().collect();
    let Half { state_dir, token_key, jobs, jobs_per_host, .. } = config;
    match state_dir {
        Some(state_dir) => Ok(Config { state_dir, token_key, jobs, jobs_per_host, accounts, warnings }),
        // Told in `Config::read`.
        None => Err(errors),
    }
}

/// A configuration some of whose parts may be wrong.
struct Half {
    state_dir: Option<PathBuf>,
    token_key: Option<SecretSource>,
    jobs: usize,
    jobs_per_host: usize,
    accounts: Vec<Option<Account>>,
}

impl Config {
    /// The keys and lists of the file itself.
    pub const KEYS: &[&str] = &["state_dir", "token_key", "jobs", "jobs_per_host", "account"];

    /// The effective configuration as TOML: every key with the value it has. Secrets are not shown; what says where they are, is.
    #[must_use]
    pub fn show(&self) -> String {
        let mut output = String::new();
        let written = ConfigWritten {
            state_dir: Some(self.state_dir.to_string_lossy().into_owned()),
            token_key: self.token_key.clone().map(Password),
            jobs: self.jobs as u64,
            jobs_per_host: self.jobs_per_host as u64,
        };
        written.show(&mut output);
        for account in &self.accounts {
            output.push_str("\n[[account]]\n");
            account.show(&mut output);
        }
        output
    }

    fn read(section: &mut Section<'_, '_, '_>, reading: &Reading<'_>) -> Half {
        let written = ConfigWritten::read(section);
        let state_dir = match &written.state_dir {
            Some(path) => reading.place(section, "state_dir", path),
            None => {
                let state_dir = reading.around.state_dir();
                if state_dir.is_none() {
                    section.fault(
                        "there is no home folder to keep state in: HOME is not set",
                        "add state_dir = \"/var/lib/restante/fetch\", or another folder",
                    );
                }
                state_dir
            }
        };
        let accounts = section.tables("account", |section| account::read(section, reading));
        section.finish(Self::KEYS);
        let token_key = written.token_key.map(|Password(source)| source);
        if let Some(source) = &token_key {
            secret::check(source, "token_key", section, reading);
        }
        let count = |number| usize::try_from(number).unwrap_or(1);
        let (jobs, jobs_per_host) = (count(written.jobs), count(written.jobs_per_host));
        Half { state_dir, token_key, jobs, jobs_per_host, accounts }
    }
}

/// What must hold between accounts.
fn check(config: &Half, lines: &Lines, problems: &mut Problems<'_>) {
    if config.accounts.is_empty() && !lines.is_set("account") {
        problems.error(
            0,
            "there is no account in it",
            "add [[account]] with server = \"pops://alice@mail.example.org\" and deliver",
        );
    }
    let mut names = BTreeMap::new();
    for (position, account) in config.accounts.iter().enumerate() {
        let Some(account) = account else { continue };
        let line = lines.at(&format!("account.{position}"));
        if let Some(first) = names.insert(account.name.as_str(), line) {
            problems.error(
                line,
                format!(
                    "{:?} is the name of the account in line {first} as well, and they would share a journal",
                    account.name
                ),
                "give one of the two another name = \"…\"",
            );
        }
        let is_near = match account.server.host() {
            restante_proto::url::Host::Address(address) => address.is_loopback(),
            restante_proto::url::Host::Name(name) => name.as_str().eq_ignore_ascii_case("localhost"),
        };
        if account.security == account::Security::None && !is_near {
            problems.warning(
                lines.at(&format!("account.{position}.security")),
                format!("{}: password and mail go through the network in clear", account.name),
                "take security = \"none\" out",
            );
        }
    }
}

/// Shows one account that may come from no file, as [`Config::show`] does.
#[must_use]
pub fn show_account(account: &Account) -> String {
    let mut output = String::from("[[account]]\n");
    account.show(&mut output);
    output
}
