//! From the command line to accounts: those of the URLs, or those of a configuration file.

// The program reads environment and configuration for everybody else.
#![allow(clippy::disallowed_methods)]

use std::env;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use restante_client::proxy::Proxy;
use restante_config::value::{Size, Value as _};
use restante_fetch::config::account::{Account, Credential, Security};
use restante_fetch::config::deliver::SinkConfig;
use restante_fetch::config::keep::Keep;
use restante_fetch::config::place::Around;
use restante_fetch::config::{self, Config};
use restante_fetch::secret::SecretSource;
use restante_proto::url::PopUrl;

use super::super::login;
use super::sinks;
use crate::exit::{Code, Failure};
use crate::flags::fetch::{Fetch, FetchState};
use crate::terminal;

/// What the command line comes to.
#[derive(Debug)]
pub(super) struct Accounts {
    pub(super) state_dir: PathBuf,
    pub(super) token_key: Option<SecretSource>,
    pub(super) jobs: usize,
    pub(super) jobs_per_host: usize,
    pub(super) accounts: Vec<Account>,
}

/// The accounts that are meant, with what the flags say of them.
pub(super) fn load(flags: &Fetch) -> Result<Accounts, Failure> {
    let mut accounts = if flags.urls.is_empty() { of_file(flags)? } else { of_urls(flags)? };
    if let Some(folder) = &flags.state.folder {
        accounts.state_dir.clone_from(folder);
    }
    if let Some(jobs) = flags.jobs {
        accounts.jobs = usize::from(jobs);
    }
    for account in &mut accounts.accounts {
        apply(flags, account)?;
    }
    if flags.believe_local && accounts.accounts.iter().all(|account| account.keep != Keep::WhileLocal) {
        let what = "--believe-local is for accounts that keep mail on the server while it is here";
        return Err(Failure::new(Code::Usage, what).remedy("add --keep while-local, or leave it out"));
    }
    Ok(accounts)
}

/// The folder of state, for commands that look at it alone.
pub(super) fn state_dir(flags: &FetchState) -> Result<PathBuf, Failure> {
    if let Some(folder) = &flags.folder {
        return Ok(folder.clone());
    }
    match place(None) {
        Some(path) => read(&path).map(|config| config.state_dir),
        None => with_around(None, |around| around.state_dir()).ok_or_else(no_home),
    }
}

/// What `--to` says.
pub(super) fn sinks_of(to: &[String]) -> Result<Vec<SinkConfig>, Failure> {
    let folder = env::current_dir().map_err(|error| Failure::file("find", Path::new("."), &error))?;
    let sinks = with_around(None, |around| {
        to.iter().map(|to| sinks::parse(to, around, &folder)).collect::<Result<Vec<_>, _>>()
    });
    sinks.map_err(|what| Failure::new(Code::Usage, what))
}

/// The configuration that is named, or that is there.
pub(super) fn configuration(named: Option<&Path>) -> Result<Option<Config>, Failure> {
    place(named).map(|path| read(&path)).transpose()
}

/// The folders of state of all accounts that have been looked at.
pub(super) fn folders(state: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = match std::fs::read_dir(state) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::file("list", state, &error)),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Failure::file("list", state, &error))?.path();
        // Tokens lie here too.
        if path.join("journal").is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// Accounts of URLs.
fn of_urls(flags: &Fetch) -> Result<Accounts, Failure> {
    let usage = |what: String| Failure::new(Code::Usage, what);
    if flags.to.is_empty() {
        let failure = usage("where the mail goes is not said".to_owned());
        return Err(failure.remedy("add --to maildir:PATH, or another sink: see 'restante fetch --help'"));
    }
    let mut accounts: Vec<Account> = Vec::new();
    for written in &flags.urls {
        let url = PopUrl::parse(written).map_err(|error| login::bad_url(written, error))?;
        let account =
            Account::from_url(&url, Vec::new()).map_err(|why| usage(format!("{written}: {why}")))?;
        if accounts.iter().any(|other| other.name == account.name) {
            return Err(usage(format!("{} is named twice", account.name)));
        }
        accounts.push(account);
    }
    let sinks = sinks_of(&flags.to)?;
    accounts.iter_mut().for_each(|account| account.deliver.clone_from(&sinks));
    let state_dir = match &flags.state.folder {
        Some(folder) => folder.clone(),
        None => with_around(None, |around| around.state_dir()).ok_or_else(no_home)?,
    };
    Ok(Accounts { state_dir, token_key: None, jobs: JOBS, jobs_per_host: JOBS_PER_HOST, accounts })
}

/// Accounts of a configuration file.
fn of_file(flags: &Fetch) -> Result<Accounts, Failure> {
    let for_urls = [
        ("--to", !flags.to.is_empty()),
        ("--no-tls", flags.no_tls),
        ("--ca", flags.ca.is_some()),
        ("--pin", !flags.pin.is_empty()),
        ("--proxy", flags.proxy.is_some()),
    ];
    if let Some((flag, _)) = for_urls.iter().find(|(_, is_set)| *is_set) {
        return Err(Failure::new(Code::Usage, format!("{flag} is for accounts that are named by a URL"))
            .remedy("name a URL, or write it into the configuration"));
    }
    let path = place(flags.config.as_deref()).ok_or_else(|| {
        let looked = places().iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ");
        Failure::new(Code::Usage, format!("no account is named, and there is no {looked}"))
            .remedy("restante fetch pops://user@host --to maildir:PATH")
    })?;
    let Config { state_dir, token_key, jobs, jobs_per_host, mut accounts, .. } = read(&path)?;
    for name in &flags.account {
        if !accounts.iter().any(|account| account.name == *name) {
            let names = accounts.iter().map(|account| account.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Failure::new(Code::Usage, format!("{} has no account {name}", path.display()))
                .remedy(format!("it has {names}")));
        }
    }
    accounts.retain(|account| flags.account.is_empty() || flags.account.contains(&account.name));
    Ok(Accounts { state_dir, token_key, jobs, jobs_per_host, accounts })
}

/// What the flags change.
fn apply(flags: &Fetch, account: &mut Account) -> Result<(), Failure> {
    let usage = |what: String| Failure::new(Code::Usage, what);
    if flags.delete {
        account.keep = Keep::None;
    }
    if let Some(keep) = &flags.keep {
        account.keep = keep_of(keep).map_err(|why| usage(format!("--keep {keep}: {why}")))?;
    }
    if let Some(size) = &flags.max_size {
        let Size(octets) = size.parse().map_err(|why| usage(format!("--max-size {size}: {why}")))?;
        account.max_size = Some(octets);
    }
    if flags.no_tls {
        account.security = Security::None;
    }
    if let Some(ca) = &flags.ca {
        account.tls.ca = Some(ca.clone());
    }
    account.tls.pins.extend(&flags.pin);
    if let Some(proxy) = &flags.proxy {
        // Not as it is written: a password may stand in it.
        account.proxy = Some(Proxy::parse(proxy).map_err(|why| usage(format!("--proxy: {why}")))?);
    }
    if let Some(source) = password(flags) {
        account.credential = Credential::Password(source);
    }
    Ok(())
}

fn keep_of(written: &str) -> Result<Keep, String> {
    let value = match written.strip_prefix("newest ") {
        Some(count) => format!("keep = {{ newest = {} }}", count.trim()),
        None => format!("keep = {}", restante_config::value::quote(written)),
    };
    let table = toml::de::DeTable::parse(&value).map_err(|error| error.message().to_owned())?;
    let value = table.get_ref().get("keep").ok_or("this is no policy")?;
    Keep::read(value.get_ref()).map_err(|fault| format!("{}; {}", fault.what, fault.remedy))
}

fn password(flags: &Fetch) -> Option<SecretSource> {
    if let Some(command) = &flags.password_command {
        return Some(SecretSource::Shell(command.clone()));
    }
    if let Some(file) = &flags.password_file {
        return Some(SecretSource::File(file.clone()));
    }
    flags.password_env.clone().map(SecretSource::Environment)
}

/// Reads a configuration; what is wrong in it is told, each fault in a line.
pub(in crate::cmd) fn read(path: &Path) -> Result<Config, Failure> {
    let octets = login::read(path, CONFIG_OCTETS_MAX)?;
    let text = String::from_utf8(octets)
        .map_err(|_| Failure::new(Code::Config, format!("{}: this is no text", path.display())))?;
    let path = std::path::absolute(path).map_err(|error| Failure::file("find", path, &error))?;
    match with_around(Some(&path), |around| config::parse(&text, &path, around)) {
        Ok(config) => {
            config.warnings.iter().for_each(|warning| terminal::complain(&format!("warning: {warning}")));
            Ok(config)
        }
        Err(problems) => Err(Failure::new(
            Code::Config,
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nrestante: "),
        )),
    }
}

/// The file that is meant, if there is one.
pub(in crate::cmd) fn place(named: Option<&Path>) -> Option<PathBuf> {
    match named {
        Some(path) => Some(path.to_owned()),
        None => places().into_iter().find(|path| path.is_file()),
    }
}

/// Where a configuration is looked for.
fn places() -> Vec<PathBuf> {
    let own = with_around(None, |around| around.configuration());
    let mut places: Vec<PathBuf> = own.into_iter().collect();
    let common = PathBuf::from("/etc/restante/fetch.toml");
    if !places.contains(&common) {
        places.push(common);
    }
    places
}

/// The machine and its owner, as configurations see them.
fn with_around<T>(path: Option<&Path>, ask: impl FnOnce(&Around<'_>) -> T) -> T {
    let home = home();
    let mode = path.and_then(|path| std::fs::metadata(path).ok()).map(|metadata| metadata.mode());
    ask(&Around { home: home.as_deref(), environment: &variable, is_root: is_root(), mode })
}

/// The home folder.
pub(in crate::cmd) fn home() -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
}

/// A variable of the environment.
pub(in crate::cmd) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn no_home() -> Failure {
    Failure::new(Code::Usage, "there is no home folder to keep state in: HOME is not set")
        .remedy("name one with --state")
}

/// Accounts at a time, when nobody says otherwise; as in `fetch.toml`.
const JOBS: usize = 8;
/// Of one host.
const JOBS_PER_HOST: usize = 2;
/// A configuration of a thousand accounts has less.
const CONFIG_OCTETS_MAX: u64 = 4 * 1024 * 1024;
