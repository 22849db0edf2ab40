//! The passwd-file source: one account a line, in the form that Dovecot reads, kept in memory and followed when it changes.
//!
//! A changed file is noticed at the next lookup, if the last look at it is `check_every` ago. One that was replaced by renaming
//! another over it is read at once; one that was written in place is read when it has stopped changing, since half a file
//! would make mail for the accounts in its other half bounce. A file that is damaged, empty or gone changes nothing: the accounts
//! that were known stay in force, and the operator is told why. Lines are taken apart in `file/parse`.

// This source is a file: it is read here, small and whole, and watched by its metadata.
#![allow(clippy::disallowed_methods)]

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::census::Census;
use super::table::Record;
use super::{Answer, Directory, Entry, Notice, Notify, Problem, SourceError};
use crate::account::{Account, AccountName};
use crate::address;
use crate::password::{Scheme, StoredPassword};

mod parse;

/// Where the file is and how it is read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// The scheme of a secret that neither names one nor shows it by a prefix such as `$6$`. With `Scheme::Crypt`, such a
    /// secret is a mistake.
    pub default_scheme: Scheme,
    /// How long the file may have changed without being looked at. Zero: it is looked at for each lookup.
    pub check_every: Duration,
}

impl Settings {
    /// This file, secrets as in crypt(3) unless they say otherwise, looked at every second.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), default_scheme: Scheme::Crypt, check_every: Duration::from_secs(1) }
    }
}

/// The accounts of a passwd-file.
pub struct FileDirectory {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    addresses: address::Settings,
    notify: Option<Notify>,
    loaded: RwLock<Arc<Loaded>>,
    watch: Mutex<Watch>,
    is_checking: AtomicBool,
}

/// One state of the file.
struct Loaded {
    parsed: parse::Parsed,
    stamp: Stamp,
}

/// What is remembered between two looks at the file.
#[derive(Default)]
struct Watch {
    checked: Option<Instant>,
    /// The state that was found wanting and that the operator has been told about: `None` outside if there is none, inside for
    /// "there is no file".
    reported: Option<Option<Stamp>>,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    octets: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileDirectory {
    /// Reads the file. May block; names in it are normalised by `addresses`.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong; all problems are listed.
    pub fn open(
        settings: Settings,
        addresses: address::Settings,
        notify: Option<Notify>,
    ) -> Result<Self, SourceError> {
        let loaded = load(&settings, &addresses)?;
        let inner = Inner {
            loaded: RwLock::new(Arc::new(loaded)),
            settings,
            addresses,
            notify,
            watch: Mutex::default(),
            is_checking: AtomicBool::new(false),
        };
        inner.say_doubts();
        Ok(Self { inner: Arc::new(inner) })
    }

    fn entry(&self, name: &AccountName) -> Result<Option<Entry>, SourceError> {
        let loaded = self.inner.loaded();
        let Some(record) = loaded.parsed.table.record(name.as_str()) else { return Ok(None) };
        // Both have been read once when the file was: an error here is a bug of ours, but no reason to fall over.
        let password =
            StoredPassword::parse(record.secret, self.inner.settings.default_scheme).map_err(|why| {
                SourceError::permanent(
                    self.source(),
                    vec![Problem::new(format!("{name}: {why}"), why.remedy())],
                )
            })?;
        let scram = password.scram().cloned().into_iter().collect();
        let account = Account::new(name.clone()).with_home(path_of(record.home));
        Ok(Some(Entry { account, password, scram }))
    }
}

impl Directory for FileDirectory {
    fn source(&self) -> String {
        source(&self.inner.settings.path)
    }

    fn lookup<'a>(&'a self, name: &'a AccountName, now: Instant) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            self.inner.follow(now).await;
            self.entry(name)
        })
    }

    fn reload(&self, now: Instant) -> Answer<'_, usize> {
        Box::pin(async move {
            self.inner.watch().checked = Some(now);
            let inner = Arc::clone(&self.inner);
            let read = tokio::task::spawn_blocking(move || load(&inner.settings, &inner.addresses));
            let loaded = read.await.unwrap_or_else(|_| Err(interrupted(&self.source())))?;
            let accounts = loaded.parsed.table.len();
            self.inner.replace(loaded);
            Ok(accounts)
        })
    }

    fn census(&self) -> Arc<Census> {
        Arc::clone(&self.inner.loaded().parsed.census)
    }

    fn accounts(&self) -> usize {
        self.inner.loaded().parsed.table.len()
    }

    fn list(&self, now: Instant) -> Answer<'_, Option<Vec<Account>>> {
        Box::pin(async move {
            self.inner.follow(now).await;
            let loaded = self.inner.loaded();
            let table = &loaded.parsed.table;
            let account = |record: Record<'_>| {
                AccountName::new(record.name)
                    .ok()
                    .map(|name| Account::new(name).with_home(path_of(record.home)))
            };
            Ok(Some((0..table.len()).filter_map(|index| table.nth(index).and_then(account)).collect()))
        })
    }

    fn decoy(&self, seed: u64) -> Option<StoredPassword> {
        let loaded = self.inner.loaded();
        let table = &loaded.parsed.table;
        let accounts = u64::try_from(table.len()).ok()?;
        // The neighbours too, in case the first is locked: those are checked against a decoy themselves.
        (0..NEIGHBOURS).find_map(|step| {
            let index = usize::try_from(seed.wrapping_add(step).checked_rem(accounts)?).ok()?;
            let record = table.nth(index)?;
            StoredPassword::parse(record.secret, self.inner.settings.default_scheme)
                .ok()
                .filter(|it| !it.is_locked())
        })
    }
}

impl Inner {
    /// Looks at the file if it is time, and reads it if it has changed. Whoever finds that somebody else is at it goes on with
    /// what is known; so does everybody when the file system does not answer.
    async fn follow(self: &Arc<Self>, now: Instant) {
        if !self.is_due(now) || self.is_checking.swap(true, Ordering::AcqRel) {
            return;
        }
        self.watch().checked = Some(now);
        let checking = Checking(Arc::clone(self));
        // A task of its own, so that the check comes to its end even if the login that caused it is given up.
        let check = tokio::spawn(async move { checking.0.check().await });
        let _ = tokio::time::timeout(FOLLOW_MAX, check).await;
    }

    fn is_due(&self, now: Instant) -> bool {
        let checked = self.watch().checked;
        checked.is_none_or(|checked| now.saturating_duration_since(checked) >= self.settings.check_every)
    }

    async fn check(self: &Arc<Self>) {
        let known = self.loaded().stamp;
        let Some(mut seen) = self.stamp().await else { return };
        // A state that was found wanting once is not read again for each login.
        if seen == Some(known) || self.watch().reported == Some(seen) {
            return;
        }
        // Written in place: wait until two looks in a row see the same.
        if seen.is_some_and(|seen| seen.inode == known.inode && seen.device == known.device) {
            for _ in 0..QUIET_LOOKS_MAX {
                tokio::time::sleep(QUIET).await;
                let Some(again) = self.stamp().await else { return };
                if again == seen {
                    break;
                }
                seen = again;
            }
        }
        let inner = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || inner.load_unless_emptied()).await;
        match read {
            Ok(Ok(loaded)) => {
                let accounts = loaded.parsed.table.len();
                self.replace(loaded);
                self.say(Notice::Reloaded { source: source(&self.settings.path), accounts });
            }
            Ok(Err(error)) => self.say_kept(seen, error),
            Err(_) => self.say(Notice::Kept(interrupted(&source(&self.settings.path)))),
        }
    }

    /// How the file is now; `Some(None)` if there is none. `None` if it cannot be seen: then it is not to be acted upon.
    async fn stamp(self: &Arc<Self>) -> Option<Option<Stamp>> {
        let path = self.settings.path.clone();
        tokio::task::spawn_blocking(move || match fs::metadata(&path) {
            Ok(metadata) => Some(Some(Stamp::of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(None),
            Err(_) => None,
        })
        .await
        .ok()
        .flatten()
    }

    fn load_unless_emptied(&self) -> Result<Loaded, SourceError> {
        let loaded = load(&self.settings, &self.addresses)?;
        if loaded.parsed.table.len() == 0 && self.loaded().parsed.table.len() > 0 {
            let problem = Problem::new(
                "it has no account any more",
                "write the accounts into it, or reload to have none",
            );
            return Err(SourceError::permanent(source(&self.settings.path), vec![problem]));
        }
        Ok(loaded)
    }

    fn replace(&self, loaded: Loaded) {
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        self.watch().reported = None;
        self.say_doubts();
    }

    fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn watch(&self) -> std::sync::MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, notice: Notice) {
        if let Some(notify) = &self.notify {
            notify.say(notice);
        }
    }

    fn say_kept(&self, seen: Option<Stamp>, error: SourceError) {
        self.watch().reported = Some(seen);
        self.say(Notice::Kept(error));
    }

    fn say_doubts(&self) {
        let doubts = self.loaded().parsed.doubts.clone();
        if !doubts.is_empty() {
            self.say(Notice::Doubtful(SourceError::permanent(source(&self.settings.path), doubts)));
        }
    }
}

/// The one check that is under way; another may begin when it is dropped.
struct Checking(Arc<Inner>);

impl Drop for Checking {
    fn drop(&mut self) {
        self.0.is_checking.store(false, Ordering::Release);
    }
}

impl fmt::Debug for FileDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileDirectory").field("path", &self.inner.settings.path).finish_non_exhaustive()
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            octets: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Reads and parses the file. Blocks.
fn load(settings: &Settings, addresses: &address::Settings) -> Result<Loaded, SourceError> {
    let source = source(&settings.path);
    let (text, stamp) = read(&settings.path).map_err(|error| unreadable(&source, &settings.path, error))?;
    let parsed = parse::parse(&text, addresses, settings.default_scheme)
        .map_err(|problems| SourceError::permanent(source, problems))?;
    Ok(Loaded { parsed, stamp })
}

/// The octets of the file and how it was just before they were read, so that a change in the meantime is seen later.
fn read(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, Stamp)> {
    // Asked before opening, because opening a FIFO would wait for somebody to write into it.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.len() > FILE_OCTETS_MAX {
        return Err(io::Error::other("it is larger than 1 GiB"));
    }
    // Allocated once: growing would leave copies of secrets behind.
    let mut text =
        Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1));
    fs::File::open(path)?.take(FILE_OCTETS_MAX).read_to_end(&mut text)?;
    Ok((text, Stamp::of(&metadata)))
}

fn unreadable(source: &str, path: &Path, error: io::Error) -> SourceError {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => format!("create {} or correct the path", path.display()),
        io::ErrorKind::PermissionDenied => "let the user that the server runs as read it".to_owned(),
        _ => "put a readable passwd-file there".to_owned(),
    };
    SourceError::permanent(source, vec![Problem::new(format!("cannot be read: {error}"), remedy)])
        .caused_by(error)
}

fn interrupted(source: &str) -> SourceError {
    SourceError::temporary(
        source,
        Problem::new("reading it was interrupted", "none is needed: it will be tried again"),
    )
}

fn source(path: &Path) -> String {
    format!("file {}", path.display())
}

fn path_of(home: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    (!home.is_empty()).then(|| PathBuf::from(std::ffi::OsStr::from_bytes(home)))
}

/// A login waits no longer than this for a changed file; the check itself goes on.
const FOLLOW_MAX: Duration = Duration::from_secs(3);

/// An editor that writes in place is done within this time of its last write.
const QUIET: Duration = Duration::from_millis(200);

/// A file that never comes to rest is read nevertheless after so many looks.
const QUIET_LOOKS_MAX: u32 = 10;

/// Offsets are 32 bits, and nobody has ten million accounts in one file.
const FILE_OCTETS_MAX: u64 = 1 << 30;

const NEIGHBOURS: u64 = 8;

#[cfg(test)]
mod tests;
