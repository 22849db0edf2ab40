//! `restante fetch import`: another program's configuration becomes a `fetch.toml`, and what it knows to be collected becomes
//! journals. What the words mean is in `restante-fetch`; here are the files.

// The program reads files and environment for everybody else.
#![allow(clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use restante_fetch::config::{self, Config, place};
use restante_fetch::import::{self, Account, Around, Imported, Kind, Passwords};
use restante_fetch::journal::{Journal, JournalError};
use restante_store::disk::LocalDisk;

use super::super::login;
use super::accounts;
use crate::clock;
use crate::exit::{Code, Failure};
use crate::flags::fetch::{FetchImport, Program};
use crate::terminal;

/// Runs `restante fetch import`.
pub(super) fn run(flags: &FetchImport) -> Result<(), Failure> {
    let (kind, path) = source(flags)?;
    let imported = read(kind, &path)?;
    let output = output(flags)?;
    let text = |passwords| import::render(&imported, &path, passwords);
    if flags.dry_run && !flags.state_only {
        terminal::print(&String::from_utf8_lossy(text(Passwords::Hidden).expose()))?;
    }
    let is_any_whole = imported.accounts.iter().any(|account| account.set_aside.is_none());
    if !is_any_whole {
        imported.accounts.iter().for_each(|account| complain(account, &path));
        return Err(Failure::new(Code::Config, format!("{}: no account can be taken over", path.display()))
            .remedy("--dry-run shows what there is of them; write the rest by hand"));
    }
    let existing = output.exists() && flags.state_only;
    let config =
        if existing { accounts::read(&output)? } else { parse(text(Passwords::Shown).expose(), &output)? };
    if !flags.dry_run && !flags.state_only && output.exists() {
        return Err(Failure::new(Code::CannotCreate, format!("{} is there already", output.display()))
            .remedy("take another --output, or --state-only if it is what you want to go on with"));
    }
    let state_dir = flags.state.folder.clone().unwrap_or_else(|| config.state_dir.clone());
    // The journals come first: with the configuration alone a run would fetch everything once more.
    let mut is_whole = true;
    for account in &imported.accounts {
        if account.set_aside.is_some() {
            complain(account, &path);
            is_whole = false;
            continue;
        }
        let name = name_of(account, &config, existing, &output)?;
        let said = take_over(flags, &imported, account, &path, &state_dir.join(Journal::folder_name(&name)))?;
        terminal::report(&format!("{}: {said}", terminal::visible(&name)));
    }
    if !flags.dry_run && !flags.state_only {
        write(&output, text(Passwords::Shown).expose())?;
        terminal::report(&written(&imported, &output));
    }
    if is_whole { Ok(()) } else { Err(Failure::said(Code::NotAll)) }
}

/// Says why an account is set aside.
fn complain(account: &Account, path: &Path) {
    let Some(note) = &account.set_aside else { return };
    let whose = account.name.clone().unwrap_or_else(|| format!("{}@{}", account.user, account.host));
    let whose = terminal::visible(&whose);
    terminal::complain(&format!(
        "{}:{}: {whose} is not taken over: {}",
        path.display(),
        note.line,
        note.what
    ));
}

/// Whose configuration, and where it is.
fn source(flags: &FetchImport) -> Result<(Kind, PathBuf), Failure> {
    let kinds = match flags.program {
        Some(program) => vec![kind(program)],
        None => Kind::ALL.to_vec(),
    };
    if let ([kind], Some(file)) = (&*kinds, &flags.file) {
        return Ok((*kind, file.clone()));
    }
    let mut found: Vec<(Kind, PathBuf)> = Vec::new();
    for kind in &kinds {
        found.extend(places(*kind).into_iter().find(|path| path.is_file()).map(|path| (*kind, path)));
    }
    let names = |kinds: &[Kind]| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    match <[(Kind, PathBuf); 1]>::try_from(found) {
        Ok([one]) => Ok(one),
        Err(none) if none.is_empty() => {
            let what = format!("there is no configuration of {} where it usually is", names(&kinds));
            Err(Failure::new(Code::NoInput, what).remedy("name the file: restante fetch import mpop FILE"))
        }
        Err(several) => {
            let kinds: Vec<Kind> = several.iter().map(|(kind, _)| *kind).collect();
            let what = format!("there are configurations of {}", names(&kinds));
            Err(Failure::new(Code::Usage, what).remedy("say whose: restante fetch import mpop"))
        }
    }
}

const fn kind(program: Program) -> Kind {
    match program {
        Program::Fetchmail => Kind::Fetchmail,
        Program::Getmail => Kind::Getmail,
        Program::Mpop => Kind::Mpop,
        Program::Fdm => Kind::Fdm,
    }
}

/// Where a program looks for its configuration.
fn places(kind: Kind) -> Vec<PathBuf> {
    let Some(home) = accounts::home() else { return Vec::new() };
    let config = accounts::variable("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    match kind {
        Kind::Fetchmail => {
            let own =
                accounts::variable("FETCHMAILHOME").map(|folder| PathBuf::from(folder).join("fetchmailrc"));
            own.into_iter().chain([home.join(".fetchmailrc")]).collect()
        }
        Kind::Getmail => vec![config.join("getmail/getmailrc"), home.join(".getmail/getmailrc")],
        Kind::Mpop => vec![home.join(".mpoprc"), config.join("mpop/config")],
        Kind::Fdm => vec![home.join(".fdm.conf"), PathBuf::from("/etc/fdm.conf")],
    }
}

fn read(kind: Kind, path: &Path) -> Result<Imported, Failure> {
    let octets = login::read(path, CONFIG_OCTETS_MAX)?;
    let text = String::from_utf8(octets).map_err(|_| {
        Failure::new(Code::Config, format!("{}: this is not UTF-8", path.display()))
            .remedy("iconv -f ISO-8859-1 -t UTF-8 makes it so")
    })?;
    let user = ["LOGNAME", "USER"].iter().find_map(|name| accounts::variable(name)?.into_string().ok());
    let netrc = accounts::home().and_then(|home| login::read(&home.join(".netrc"), CONFIG_OCTETS_MAX).ok());
    let around = Around { user: user.as_deref().unwrap_or("root"), netrc: netrc.as_deref() };
    import::read(kind, &text, &around).map_err(|error| {
        Failure::new(Code::Config, format!("{}:{error}", path.display()).replacen(":line ", ":", 1))
    })
}

/// Where the configuration is to be written, or is.
fn output(flags: &FetchImport) -> Result<PathBuf, Failure> {
    let path = match &flags.output {
        Some(path) => path.clone(),
        None => around(|around| around.configuration()).ok_or_else(|| {
            Failure::new(Code::Usage, "there is no home folder to write into: HOME is not set")
                .remedy("name a file with --output")
        })?,
    };
    std::path::absolute(&path).map_err(|error| Failure::file("find", &path, &error))
}

/// What was taken over, as the configuration that it will be.
fn parse(text: &[u8], path: &Path) -> Result<Config, Failure> {
    let text = String::from_utf8_lossy(text);
    around(|around| config::parse(&text, path, around)).map_err(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::new(Code::Config, format!("what was taken over is no configuration: {}", all.join("; ")))
            .remedy("this is a fault of restante; --dry-run shows the text")
    })
}

fn around<T>(ask: impl FnOnce(&place::Around<'_>) -> T) -> T {
    let home = accounts::home();
    let is_root = rustix::process::geteuid().is_root();
    ask(&place::Around {
        home: home.as_deref(),
        environment: &accounts::variable,
        is_root,
        mode: Some(0o600),
    })
}

/// What the journal calls an account: as what was taken over says, or what a configuration says that was there before.
fn name_of(account: &Account, config: &Config, existing: bool, path: &Path) -> Result<String, Failure> {
    let host = account.host.as_str();
    let by_name = account.name.as_ref().and_then(|name| config.accounts.iter().find(|one| one.name == *name));
    let found = by_name.or_else(|| {
        config.accounts.iter().find(|one| {
            one.server.user() == Some(&account.user)
                && one.server.host().to_string().eq_ignore_ascii_case(host)
        })
    });
    match found {
        Some(one) => Ok(one.name.clone()),
        None if existing => {
            let whose = format!("{}@{host}", account.user);
            let what = format!("{} has no account {}", path.display(), terminal::visible(&whose));
            Err(Failure::new(Code::Config, what).remedy("add it, or name another file with --output"))
        }
        None => Ok(format!("{}@{host}", account.user)),
    }
}

/// Puts what the other program has collected of an account into its journal; says what came of it.
fn take_over(
    flags: &FetchImport,
    imported: &Imported,
    account: &Account,
    from: &Path,
    folder: &Path,
) -> Result<String, Failure> {
    let kind = imported.kind;
    let Some(known) = &account.known else {
        return Ok(format!("{kind} remembers no unique-ids of it, so all that is on the server is new"));
    };
    let path = match (&flags.ids, known.path.strip_prefix("~/")) {
        (Some(path), _) => path.clone(),
        (None, Some(rest)) => accounts::home().unwrap_or_default().join(rest),
        (None, None) => from.parent().unwrap_or_else(|| Path::new("")).join(&known.path),
    };
    let octets = match std::fs::metadata(&path) {
        Ok(_) => login::read(&path, STATE_OCTETS_MAX)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && flags.ids.is_none() => {
            return Ok(format!("there is no {}, so all that is on the server is new", path.display()));
        }
        Err(error) => return Err(Failure::file("read", &path, &error)),
    };
    let damaged = |error| Failure::new(Code::Data, format!("{}: {error}", path.display()));
    let ids = import::state(kind, &octets, known).map_err(damaged)?;
    let shown = terminal::grouped(ids.len() as u64);
    if flags.dry_run {
        return Ok(format!("{shown} unique-ids would be taken over from {}", path.display()));
    }
    let mut journal = Journal::open(Arc::new(LocalDisk), folder).map_err(|error| journal_failed(&error))?;
    let now = Timestamp::try_from(clock::wall()).unwrap_or_default();
    let new = import::adopt(&mut journal, &ids, now).map_err(|error| journal_failed(&error))?;
    let mut said = format!("{shown} unique-ids taken over from {}", path.display());
    if new < ids.len() {
        let _ = write!(said, "; {} were known", terminal::grouped((ids.len() - new) as u64));
    }
    Ok(said)
}

fn journal_failed(error: &JournalError) -> Failure {
    let code = if matches!(error, JournalError::InUse { .. }) { Code::Temporary } else { Code::Io };
    Failure::new(code, error.to_string())
}

/// Writes the configuration, for its owner alone: there may be passwords in it.
fn write(path: &Path, octets: &[u8]) -> Result<(), Failure> {
    let failed = |error| Failure::file("write", path, &error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(octets).and_then(|()| file.sync_all()).map_err(failed)
}

fn written(imported: &Imported, path: &Path) -> String {
    let notes =
        imported.notes.len() + imported.accounts.iter().map(|account| account.notes.len()).sum::<usize>();
    let remarks = match notes {
        0 => "all of it has a counterpart".to_owned(),
        1 => "1 thing is done another way, and is said there".to_owned(),
        more => format!("{more} things are done another way, and are said there"),
    };
    format!("written to {}; {remarks}", path.display())
}

/// A configuration has less; [`import::read`] says so.
const CONFIG_OCTETS_MAX: u64 = 4 * 1024 * 1024;
/// Unique-ids of some million messages.
const STATE_OCTETS_MAX: u64 = 256 * 1024 * 1024;
