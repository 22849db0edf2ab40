//! The local default: Maildirs served in place.
//!
//! Postfix, Exim, procmail, mutt and IMAP servers may write, rename and delete in them at any time, also during a
//! session; nothing that is listed is ever renamed by us but into the trash. `new/` and `cur/` are both served. The reasons are in
//! docs/design/0002-maildir-index.md.
//!
//! Everything below this file is synchronous over [`Disk`] and is run on threads that may wait by the functions here
//! and in `reader.rs`, `removal.rs` and `writer.rs`.

pub(crate) mod layout;

mod accessed;
mod batch;
pub mod bulletins;
mod counting;
mod expiring;
mod exporting;
mod finder;
mod keeper;
mod look;
mod overriding;
mod reader;
mod recovery;
mod removal;
mod repair;
mod scan;
mod session;
mod stored_form;
mod table;
mod trash;
mod verify;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::check::{Depth, Finding};
use crate::disk::Disk;
use crate::failure::Failure;
use crate::gone::Note;
use crate::maildrop::{OpenError, blocking};
use crate::migrate::export::{Format, Made};
use crate::unique_id::{Override, OverrideError};

pub(crate) use accessed::{Keyed, keep as keep_accessed, last as last_accessed};
pub(crate) use counting::{Mending, admits, audit, commit as commit_counted, rebase, usage};
pub(crate) use expiring::{expire, keep_retrieved, sweep_trash};
pub(crate) use keeper::{new_nonce, replace};
pub(crate) use reader::{Message, message, shape};
pub(crate) use removal::remove;
pub(crate) use session::Session;
pub(crate) use stored_form::StoredForm;
pub(crate) use trash::{deleted, deleted_start, undelete};
pub(crate) use writer::Writer;

/// How Maildirs are kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The fixed folders that maildrops lie below. One must exist before a missing maildrop is made below it, and nothing is
    /// ever made outside of them.
    pub roots: Vec<PathBuf>,
    /// A file that must exist whenever a maildrop is opened or delivered to: the guard against a disk that is not
    /// mounted.
    pub marker: Option<PathBuf>,
    /// Whether a missing maildrop is made when it is opened or delivered to.
    pub create: bool,
    /// The line ends of messages delivered.
    pub line_ends: LineEnds,
    /// What the locks of other programs are worth.
    pub foreign_locks: ForeignLocks,
    /// How deliveries are made durable.
    pub syncs: Syncs,
    /// Permissions of new folders.
    pub folder_mode: u32,
    /// Permissions of new files.
    pub file_mode: u32,
    /// The end of new file names; what does not belong into one is left out.
    pub host: String,
    /// Messages that every maildrop is given once, when it is opened for a session.
    pub bulletins: Option<bulletins::Settings>,
    /// How long removed messages are kept aside; `None`: not at all.
    pub trash: Option<Duration>,
    /// What is noted of removed messages; `None`: nothing.
    pub note: Option<Note>,
}

impl Settings {
    /// The defaults for maildrops below `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            roots: vec![root.into()],
            marker: None,
            create: true,
            line_ends: LineEnds::Lf,
            foreign_locks: ForeignLocks::Respect,
            syncs: Syncs::Each,
            folder_mode: 0o700,
            file_mode: 0o600,
            host: String::new(),
            bulletins: None,
            trash: None,
            note: None,
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

/// What the locks of other programs are worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForeignLocks {
    /// A session that holds one has the maildrop.
    #[default]
    Respect,
    /// Nothing.
    Ignore,
}

/// How deliveries are made durable. Both ways promise the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syncs {
    /// Each syncs its file and its folder.
    #[default]
    Each,
    /// Those that come at the same time sync the whole file system together: for one that holds nothing but mail.
    Shared,
}

/// All Maildirs of one configuration.
#[derive(Debug)]
pub(crate) struct Maildirs {
    disk: Arc<dyn Disk>,
    settings: Settings,
    /// Who may count a maildrop with a quota.
    gates: Arc<counting::Gates>,
    /// Deliveries that share their syncs.
    batches: batch::Batches,
}

impl Maildirs {
    pub(crate) fn new(disk: Arc<dyn Disk>, settings: Settings) -> Self {
        let (gates, batches) = (Arc::default(), batch::Batches::new(settings.syncs));
        Self { disk, settings, gates, batches }
    }

    /// The same on another disk, which has deliveries of its own to sync. Who counts still waits for the others.
    pub(crate) fn on(&self, disk: Arc<dyn Disk>) -> Self {
        let (settings, gates) = (self.settings.clone(), Arc::clone(&self.gates));
        Self { disk, settings, gates, batches: batch::Batches::new(Syncs::Each) }
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
}

/// As `Store::open`.
pub(crate) async fn open(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    now: SystemTime,
) -> Result<Session, OpenError> {
    let (maildirs, there) = (Arc::clone(maildirs), path.to_owned());
    let result = blocking(move || session::open(&maildirs, &there, now)).await;
    result.map_err(Failure::at("open", path))?
}

/// As `Store::inspect`.
pub(crate) async fn inspect(maildirs: &Arc<Maildirs>, path: &Path) -> Result<Session, OpenError> {
    let (maildirs, there) = (Arc::clone(maildirs), path.to_owned());
    let result = blocking(move || session::inspect(&maildirs, &there)).await;
    result.map_err(Failure::at("open", path))?
}

/// As `Store::verify`.
pub(crate) async fn verify(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    depth: Depth,
    now: SystemTime,
) -> Result<Vec<Finding>, OpenError> {
    let (maildirs, there) = (Arc::clone(maildirs), path.to_owned());
    let result = blocking(move || verify::verify(&maildirs, &there, depth, now)).await;
    result.map_err(Failure::at("open", path))?
}

/// As `Store::repair`.
pub(crate) async fn repair(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    now: SystemTime,
) -> Result<Vec<Finding>, OpenError> {
    let (maildirs, there) = (Arc::clone(maildirs), path.to_owned());
    let result = blocking(move || repair::repair(&maildirs, &there, now)).await;
    result.map_err(Failure::at("open", path))?
}

/// As `Store::set_unique_ids`.
pub(crate) async fn set_unique_ids(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    overrides: Vec<Override>,
    now: SystemTime,
) -> Result<(), OverrideError> {
    let (maildirs, there) = (Arc::clone(maildirs), path.to_owned());
    let result = blocking(move || overriding::set(&maildirs, &there, overrides, now)).await;
    result.map_err(|error| OverrideError::Maildrop(Failure::new("open", path, error).into()))?
}

/// As `Store::export`.
pub(crate) async fn export(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    format: Format,
    now: SystemTime,
    write: impl Fn(&Made) -> bool + Send + 'static,
) -> Result<Made, OpenError> {
    let (maildirs, there) = (Arc::clone(maildirs), path.to_owned());
    let result = blocking(move || exporting::export(&maildirs, &there, format, now, &write)).await;
    result.map_err(Failure::at("open", path))?
}

/// What a session would list if the folders agreed with the index.
#[cfg(feature = "fuzzing")]
pub(crate) fn index_listing(
    known: crate::index::known::Known,
) -> std::io::Result<restante_proto::maildrop::Listing> {
    table::Table::new(known).map(|(_, listing)| listing)
}

/// The bytes of `restante.accessed`, read and written anew.
#[cfg(feature = "fuzzing")]
pub(crate) fn accessed_rewritten(file: &[u8]) -> Option<Vec<u8>> {
    accessed::rewritten(file)
}

/// The names that `restante.bulletins` would rename, and its bytes, read and written anew.
#[cfg(feature = "fuzzing")]
pub(crate) fn bulletins_rewritten(file: &[u8]) -> Option<(Vec<Vec<u8>>, Vec<u8>)> {
    bulletins::rewritten(file)
}

#[cfg(test)]
mod tests;
