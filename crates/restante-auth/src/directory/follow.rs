//! A file that is kept in memory as what it means, and followed when it changes.
//!
//! A changed file is noticed at the next use, if the last look at it is `check_every` ago. One that was replaced by renaming
//! another over it is read at once; one that was written in place is read when it has stopped changing, since half a file
//! would take the accounts in its other half away. A file that is damaged, empty or gone changes nothing: what was known stays in
//! force, and the operator is told why. Sources of accounts and of tokens that are files use it.

// These sources are files: they are read here, small and whole, and watched by their metadata.
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

use super::{Notice, Notify, Problem, SourceError};

/// What a file means.
pub(crate) trait Content: Send + Sync + Sized + 'static {
    /// What its text is read with.
    type Reader: Send + Sync + 'static;

    /// Whether a file in which nothing is left is taken for what it is. Else it is taken for one that was lost, and what was
    /// known stays in force.
    const MAY_BECOME_EMPTY: bool;

    /// Reads the text of a file.
    fn read(text: &[u8], reader: &Self::Reader) -> Result<Self, Vec<Problem>>;

    /// How many entries it has.
    fn len(&self) -> usize;

    /// What has been read but does not do what its author may expect.
    fn doubts(&self) -> &[Problem];
}

/// A file that is followed. A clone is another handle to the same.
pub(crate) struct Followed<C: Content> {
    inner: Arc<Inner<C>>,
}

/// Which file, and how it is told from others.
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    /// What the file holds, in one word for the log: `file`, `tokens`.
    pub(crate) kind: &'static str,
    /// What should be in the file, for who has to put it there.
    pub(crate) form: &'static str,
    /// How long the file may have changed without being looked at. Zero: it is looked at for each use.
    pub(crate) check_every: Duration,
}

struct Inner<C: Content> {
    place: Place,
    reader: C::Reader,
    notify: Option<Notify>,
    loaded: RwLock<Arc<Loaded<C>>>,
    watch: Mutex<Watch>,
    is_checking: AtomicBool,
}

/// One state of the file.
struct Loaded<C> {
    content: Arc<C>,
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

impl<C: Content> Followed<C> {
    /// Reads the file. May block.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong; all problems are listed.
    pub(crate) fn open(place: Place, reader: C::Reader, notify: Option<Notify>) -> Result<Self, SourceError> {
        let loaded = load::<C>(&place, &reader)?;
        let inner = Inner {
            loaded: RwLock::new(Arc::new(loaded)),
            place,
            reader,
            notify,
            watch: Mutex::default(),
            is_checking: AtomicBool::new(false),
        };
        inner.say_doubts();
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What it is, for the log: `file /etc/restante/users`.
    pub(crate) fn source(&self) -> String {
        self.inner.place.source()
    }

    /// What the file meant when it was last read.
    pub(crate) fn content(&self) -> Arc<C> {
        Arc::clone(&self.inner.loaded().content)
    }

    /// Looks at the file if it is time, and reads it if it has changed. Whoever finds that somebody else is at it goes on with
    /// what is known; so does everybody when the file system does not answer.
    pub(crate) async fn follow(&self, now: Instant) {
        if !self.inner.is_due(now) || self.inner.is_checking.swap(true, Ordering::AcqRel) {
            return;
        }
        self.inner.watch().checked = Some(now);
        let checking = Checking(Arc::clone(&self.inner));
        // A task of its own, so that the check comes to its end even if the login that caused it is given up.
        let check = tokio::spawn(async move { checking.0.check().await });
        let _ = tokio::time::timeout(FOLLOW_MAX, check).await;
    }

    /// Reads the file again, now. Answers how many entries it has.
    ///
    /// # Errors
    /// It cannot be read or something in it is wrong; what was known stays in force.
    pub(crate) async fn reload(&self, now: Instant) -> Result<usize, SourceError> {
        self.inner.watch().checked = Some(now);
        let inner = Arc::clone(&self.inner);
        let read = tokio::task::spawn_blocking(move || load::<C>(&inner.place, &inner.reader));
        let loaded = read.await.unwrap_or_else(|_| Err(interrupted(&self.source())))?;
        let entries = loaded.content.len();
        self.inner.replace(loaded);
        Ok(entries)
    }
}

impl<C: Content> fmt::Debug for Followed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed").field("path", &self.inner.place.path).finish_non_exhaustive()
    }
}

impl Place {
    fn source(&self) -> String {
        format!("{} {}", self.kind, self.path.display())
    }
}

impl<C: Content> Inner<C> {
    fn is_due(&self, now: Instant) -> bool {
        let checked = self.watch().checked;
        checked.is_none_or(|checked| now.saturating_duration_since(checked) >= self.place.check_every)
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
                let accounts = loaded.content.len();
                self.replace(loaded);
                self.say(Notice::Reloaded { source: self.place.source(), accounts });
            }
            Ok(Err(error)) => self.say_kept(seen, error),
            Err(_) => self.say(Notice::Kept(interrupted(&self.place.source()))),
        }
    }

    /// How the file is now; `Some(None)` if there is none. `None` if it cannot be seen: then it is not to be acted upon.
    async fn stamp(self: &Arc<Self>) -> Option<Option<Stamp>> {
        let path = self.place.path.clone();
        tokio::task::spawn_blocking(move || match fs::metadata(&path) {
            Ok(metadata) => Some(Some(Stamp::of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(None),
            Err(_) => None,
        })
        .await
        .ok()
        .flatten()
    }

    fn load_unless_emptied(&self) -> Result<Loaded<C>, SourceError> {
        let loaded = load::<C>(&self.place, &self.reader)?;
        if !C::MAY_BECOME_EMPTY && loaded.content.len() == 0 && self.loaded().content.len() > 0 {
            let problem =
                Problem::new("nothing is left in it", "write the entries into it, or reload to have none");
            return Err(SourceError::permanent(self.place.source(), vec![problem]));
        }
        Ok(loaded)
    }

    fn replace(&self, loaded: Loaded<C>) {
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        self.watch().reported = None;
        self.say_doubts();
    }

    fn loaded(&self) -> Arc<Loaded<C>> {
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
        let doubts = self.loaded().content.doubts().to_vec();
        if !doubts.is_empty() {
            self.say(Notice::Doubtful(SourceError::permanent(self.place.source(), doubts)));
        }
    }
}

/// The one check that is under way; another may begin when it is dropped.
struct Checking<C: Content>(Arc<Inner<C>>);

impl<C: Content> Drop for Checking<C> {
    fn drop(&mut self) {
        self.0.is_checking.store(false, Ordering::Release);
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
fn load<C: Content>(place: &Place, reader: &C::Reader) -> Result<Loaded<C>, SourceError> {
    let (text, stamp) = read(&place.path).map_err(|error| unreadable(place, error))?;
    let content =
        C::read(&text, reader).map_err(|problems| SourceError::permanent(place.source(), problems))?;
    Ok(Loaded { content: Arc::new(content), stamp })
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

fn unreadable(place: &Place, error: io::Error) -> SourceError {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => format!("create {} or correct the path", place.path.display()),
        io::ErrorKind::PermissionDenied => "let the user that the server runs as read it".to_owned(),
        _ => format!("put {} there", place.form),
    };
    SourceError::permanent(place.source(), vec![Problem::new(format!("cannot be read: {error}"), remedy)])
        .caused_by(error)
}

fn interrupted(source: &str) -> SourceError {
    SourceError::temporary(
        source,
        Problem::new("reading it was interrupted", "none is needed: it will be tried again"),
    )
}

/// A login waits no longer than this for a changed file; the check itself goes on.
const FOLLOW_MAX: Duration = Duration::from_secs(3);

/// An editor that writes in place is done within this time of its last write.
pub(super) const QUIET: Duration = Duration::from_millis(200);

/// A file that never comes to rest is read nevertheless after so many looks.
const QUIET_LOOKS_MAX: u32 = 10;

/// Offsets are 32 bits, and nobody has ten million accounts in one file.
const FILE_OCTETS_MAX: u64 = 1 << 30;
