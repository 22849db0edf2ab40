//! The other kind of maildrop: all messages in one file, an mbox, beside a control folder of our own.
//!
//! MTAs append to it, and Dovecot, mutt and the like rewrite it at any time, also during a session, under the locks that
//! mail programs agree on. We hold these only while the file is read or written, never while a client thinks. The
//! reasons are in docs/design/0007-mbox.md, the bytes in docs/on-disk.md.
//!
//! Everything below this file is synchronous over [`Disk`] and is run on threads that may wait by the functions here
//! and in `reader.rs`, `removal.rs` and `writer.rs`.

mod base;
mod contents;
mod index;
mod journal;
mod layout;
mod locks;
mod overriding;
mod reader;
mod recovery;
mod removal;
mod rewrite;
mod scan;
mod session;
mod writer;

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::delivery::DeliveryError;
use crate::disk::{Disk, Kind};
use crate::failure::Failure;
use crate::maildir::{self, Maildirs};
use crate::maildrop::{OpenError, blocking};
use crate::quota::{Limits, OverQuota, Usage};
use crate::unique_id::{Override, OverrideError};

pub(crate) use reader::{Message, message, raw_header};
pub(crate) use removal::remove;
pub(crate) use session::Session;
pub(crate) use writer::Writer;

/// How mboxes are kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The fixed folders that mboxes lie below. The folder of each mbox must exist: a missing file in it is an
    /// empty maildrop, a missing folder is not.
    pub roots: Vec<PathBuf>,
    /// The fixed folder above all control folders. It must exist; the folders below are made.
    pub control_root: PathBuf,
    /// A file that must exist whenever a maildrop is opened or delivered to: the guard against a disk that is not
    /// mounted.
    pub marker: Option<PathBuf>,
    /// Whether a missing file is made by a delivery and stands for an empty maildrop until then.
    pub create: bool,
    /// How lines that begin with `From ` are quoted in what is delivered, and what is undone in what is read.
    pub form: Form,
    /// Whether the mbox is locked by a file beside it, too.
    pub dot_lock: DotLock,
    /// So often are locks of other programs tried, every tenth of a second, before the mbox counts as locked.
    pub lock_attempts_max: u32,
    /// Permissions of new control folders.
    pub folder_mode: u32,
    /// Permissions of new files.
    pub file_mode: u32,
    /// How Maildirs that are looked at beside the mboxes are kept: boards. Without it there are none.
    pub boards: Option<maildir::Settings>,
}

impl Settings {
    /// The defaults for mboxes below `root` with control folders below `control_root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, control_root: impl Into<PathBuf>) -> Self {
        Self {
            roots: vec![root.into()],
            control_root: control_root.into(),
            marker: None,
            create: true,
            form: Form::default(),
            dot_lock: DotLock::default(),
            // Ten seconds: an MTA needs less for a message, and a client waits longer for its login.
            lock_attempts_max: 100,
            folder_mode: 0o700,
            file_mode: 0o600,
            boards: None,
        }
    }
}

/// How a line of a message that might begin another one is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// `From ` behind any number of `>` gets one `>` more, and loses one when it is read: nothing is lost.
    #[default]
    Mboxrd,
    /// `From ` gets a `>`. When it is read that stays, since it may have been there before.
    Mboxo,
}

/// Whether the dot-lock, the file `NAME.lock` beside the mbox, is taken behind the record lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DotLock {
    /// Without it nothing is read or written.
    #[default]
    Required,
    /// Not when the folder lets us make no file.
    IfPossible,
    /// Never: nobody else uses it.
    Never,
}

/// All mboxes of one configuration.
#[derive(Debug)]
pub(crate) struct Mboxes {
    disk: Arc<dyn Disk>,
    settings: Settings,
    boards: Option<Arc<Maildirs>>,
}

/// Where one of them is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) control: PathBuf,
}

impl Place {
    pub(crate) fn new(file: &Path, control: &Path) -> Self {
        Self { file: file.to_owned(), control: control.to_owned() }
    }
}

impl Mboxes {
    pub(crate) fn new(disk: Arc<dyn Disk>, mut settings: Settings) -> Self {
        let boards = settings.boards.take();
        let boards = boards.map(|boards| Arc::new(Maildirs::new(Arc::clone(&disk), boards)));
        Self { disk, settings, boards }
    }

    /// The same on another disk.
    pub(crate) fn on(&self, disk: Arc<dyn Disk>) -> Self {
        Self { disk, settings: self.settings.clone(), boards: self.boards.clone() }
    }

    /// The Maildirs that may be looked at.
    pub(crate) const fn boards(&self) -> Option<&Arc<Maildirs>> {
        self.boards.as_ref()
    }

    fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Makes sure that the disk with the maildrops is there.
    fn check_marker(&self) -> Result<(), Failure> {
        if let Some(marker) = &self.settings.marker {
            self.disk.stat(marker).map_err(Failure::at("see the marker", marker))?;
        }
        Ok(())
    }

    /// Makes a control folder and those between it and the root. Durable on return.
    fn make_control(&self, control: &Path) -> Result<(), Failure> {
        let Settings { control_root: root, folder_mode, .. } = &self.settings;
        // The root itself may be a symbolic link of the operator's.
        let stat = self.disk.stat(&root.join(".")).map_err(Failure::at("see the root", root))?;
        let below =
            control.strip_prefix(root).ok().filter(|below| stat.kind == Kind::Folder && is_plain(below));
        let Some(below) = below else {
            let outside =
                io::Error::new(io::ErrorKind::InvalidInput, "it is not below the root of such folders");
            return Err(Failure::new("make", control, outside));
        };
        let mut folder = root.clone();
        let mut parents = Vec::new();
        for name in below {
            let parent = folder.clone();
            folder.push(name);
            match self.disk.make_folder(&folder, *folder_mode) {
                Ok(()) => parents.push(parent),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Failure::new("make", &folder, error)),
            }
        }
        let sync = |parent: &PathBuf| self.disk.sync_folder(parent).map_err(Failure::at("sync", parent));
        parents.iter().rev().try_for_each(sync)
    }

    /// A missing mbox is an empty one when the folder that it would be in is there, below a root.
    fn check_missing(&self, file: &Path) -> Result<(), Failure> {
        let may_be_missing = self.settings.create
            && self.settings.roots.iter().any(|root| file.strip_prefix(root).is_ok_and(is_plain))
            && !file.as_os_str().is_empty();
        let folder = file.parent().unwrap_or(file);
        match self.disk.stat(&folder.join(".")) {
            Ok(stat) if may_be_missing && stat.kind == Kind::Folder => Ok(()),
            Ok(_) => Err(Failure::new("open", file, io::Error::from(io::ErrorKind::NotFound))),
            Err(error) => Err(Failure::new("see", folder, error)),
        }
    }
}

/// Whether a path has names in it, and nothing else.
fn is_plain(path: &Path) -> bool {
    let mut parts = path.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// As `Store::open`.
pub(crate) async fn open(mboxes: &Arc<Mboxes>, place: Place) -> Result<Session, OpenError> {
    let (there, at) = (Arc::clone(mboxes), place.clone());
    let lock = blocking(move || session::take_lock(&there, &at)).await;
    let lock = lock.map_err(Failure::at("open", &place.file))??;
    let guard = locks::wait(mboxes, &place, locks::Missing::IsEmpty).await?;
    let (there, at) = (Arc::clone(mboxes), place.clone());
    let result = blocking(move || session::open(&there, &at, &guard, Some(lock))).await;
    result.map_err(Failure::at("open", &place.file))?
}

/// As `Store::inspect`.
pub(crate) async fn inspect(mboxes: &Arc<Mboxes>, place: Place) -> Result<Session, OpenError> {
    let guard = locks::wait(mboxes, &place, locks::Missing::IsEmpty).await?;
    let (there, at) = (Arc::clone(mboxes), place.clone());
    let result = blocking(move || session::open(&there, &at, &guard, None)).await;
    result.map_err(Failure::at("open", &place.file))?
}

/// As `Store::usage`.
pub(crate) async fn usage(mboxes: &Arc<Mboxes>, place: Place) -> Result<Usage, OpenError> {
    inspect(mboxes, place).await.map(|session| session.usage())
}

/// As `Store::admits`.
pub(crate) async fn admits(
    mboxes: &Arc<Mboxes>,
    place: Place,
    more: Usage,
    limits: Limits,
) -> Result<(), DeliveryError> {
    if limits.are_none() {
        return Ok(());
    }
    let path = place.file.clone();
    let usage = usage(mboxes, place).await.map_err(|error| match error {
        OpenError::Temporary(failure) | OpenError::Permanent(failure) => DeliveryError::from(failure),
        error => Failure::new("count", &path, io::Error::other(error.to_string())).into(),
    })?;
    let fits = limits.allow(usage.plus(more));
    if fits { Ok(()) } else { Err(DeliveryError::OverQuota(OverQuota { usage, limits })) }
}

/// As `Store::set_unique_ids`.
pub(crate) async fn set_unique_ids(
    mboxes: &Arc<Mboxes>,
    place: Place,
    overrides: Vec<Override>,
) -> Result<(), OverrideError> {
    let session = open(mboxes, place).await.map_err(OverrideError::Maildrop)?;
    let result = blocking(move || overriding::set(&session, overrides)).await;
    result
        .map_err(|error| OverrideError::Maildrop(Failure::new("open", Path::new("an mbox"), error).into()))?
}

#[cfg(test)]
mod tests;
