//! Maildirs served in place.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use restante_proto::maildrop::{Listing, Marks, UniqueId};

use crate::delivery::DeliveryError;
use crate::disk::Disk;
use crate::failure::Failure;
use crate::maildrop::{MessageError, OpenError, RemoveError, Removed, Shape, Warning};
use crate::unique_id::{Override, OverrideError};

/// How Maildirs are kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The fixed folder above all maildrops. It must exist before a missing maildrop is made below it, and nothing is
    /// ever made outside of it.
    pub root: PathBuf,
    /// A file that must exist whenever a maildrop is opened or delivered to: the guard against a disk that is not
    /// mounted.
    pub marker: Option<PathBuf>,
    /// Whether a missing maildrop is made when it is opened or delivered to.
    pub create: bool,
    /// The line ends of messages delivered.
    pub line_ends: LineEnds,
    /// Permissions of new folders.
    pub folder_mode: u32,
    /// Permissions of new files.
    pub file_mode: u32,
    /// The end of new file names; what does not belong into one is left out.
    pub host: String,
}

impl Settings {
    /// The defaults for maildrops below `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            marker: None,
            create: true,
            line_ends: LineEnds::Lf,
            folder_mode: 0o700,
            file_mode: 0o600,
            host: String::new(),
        }
    }
}

/// Line ends on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnds {
    /// LF, which mutt and IMAP servers expect in a Maildir.
    #[default]
    Lf,
    /// CRLF: messages can be sent as they are.
    Crlf,
}

/// All Maildirs of one configuration.
#[derive(Debug)]
pub(crate) struct Maildirs {
    disk: Arc<dyn Disk>,
    settings: Settings,
}

impl Maildirs {
    pub(crate) fn new(disk: Arc<dyn Disk>, settings: Settings) -> Self {
        Self { disk, settings }
    }
}

#[derive(Debug)]
pub(crate) struct Opened {
    listing: Arc<Listing>,
}
impl Opened {
    pub(crate) const fn listing(&self) -> &Arc<Listing> {
        &self.listing
    }
    pub(crate) fn warnings(&self) -> &[Warning] {
        &[]
    }
}
#[derive(Debug)]
pub(crate) struct Message {
    shape: Shape,
}
impl Message {
    pub(crate) const fn shape(&self) -> Shape {
        self.shape
    }
    pub(crate) async fn read(&mut self, _chunk: &mut Vec<u8>, _max: usize) -> Result<usize, MessageError> {
        Ok(0)
    }
}
#[derive(Debug)]
pub(crate) struct Writer {
    maildirs: Arc<Maildirs>,
}
impl Writer {
    pub(crate) fn new(maildirs: Arc<Maildirs>, _first: &Path, _now: SystemTime) -> Self {
        Self { maildirs }
    }
    pub(crate) async fn write(&mut self, _octets: &[u8]) -> Result<(), DeliveryError> {
        Ok(())
    }
    pub(crate) async fn commit(&mut self, path: &Path) -> Result<UniqueId, DeliveryError> {
        self.maildirs.disk.stat(path).map_err(Failure::at("see", path))?;
        Err(not_yet(path).into())
    }
    pub(crate) async fn abort(self) {}
}
fn not_yet(path: &Path) -> Failure {
    Failure::new("open", path, io::Error::other("skeleton"))
}
pub(crate) async fn open(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    _now: SystemTime,
) -> Result<Opened, OpenError> {
    maildirs.disk.stat(&maildirs.settings.root).map_err(Failure::at("see", path))?;
    Err(not_yet(path).into())
}
pub(crate) async fn inspect(
    _maildirs: &Arc<Maildirs>,
    path: &Path,
    _now: SystemTime,
) -> Result<Opened, OpenError> {
    Err(not_yet(path).into())
}
pub(crate) async fn set_unique_ids(
    _maildirs: &Arc<Maildirs>,
    path: &Path,
    _overrides: Vec<Override>,
    _now: SystemTime,
) -> Result<(), OverrideError> {
    Err(OverrideError::Maildrop(not_yet(path).into()))
}
pub(crate) async fn message(opened: &Arc<Opened>, _index: usize) -> Result<Message, MessageError> {
    let _ = opened;
    Err(MessageError::Vanished)
}
pub(crate) async fn remove(_opened: &Arc<Opened>, _marks: &Marks) -> Result<Removed, RemoveError> {
    Err(RemoveError { removed: 0, left: 0, failure: not_yet(Path::new("")) })
}
