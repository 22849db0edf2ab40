//! What is in `new/` and `cur/` now, compared with the index; messages it does not know are read once.
//!
//! Other programs rename and remove while we look, and a folder's list is no snapshot. So a message that was known
//! counts as gone only when a second look does not show it either, and a new one that moves away under our hands is
//! looked for again. `session.rs` calls this and `look.rs` keeps the books.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::layout::{self, delivered};
use super::look::{Contents, Fresh, Look};
use super::reader::unread_facts;
use crate::disk::{Disk, Kind};
use crate::failure::Failure;
use crate::index::known::Known;
use crate::index::{Facts, Folder, NO_ORDINAL, Record, Span, Stamp, Stamps};
use crate::maildrop::Warning;
use crate::unique_id::overrides::Overrides;

/// What a scan found to differ from the index.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Messages the index does not know.
    pub(super) fresh: Vec<Added>,
    /// Messages that are there and cannot be read. Not for the index.
    pub(super) unreadable: Vec<Added>,
    /// Positions, and where the message is now.
    pub(super) moved: Vec<(usize, Folder, Vec<u8>)>,
    /// Positions of messages that are not there any more, ascending.
    pub(super) gone: Vec<usize>,
    /// Positions of messages with more than one file.
    pub(super) twins: Vec<usize>,
    /// The folders must be listed again next time, even if they do not change.
    pub(super) is_unfinished: bool,
    pub(super) warnings: Vec<Warning>,
}

/// A message that a scan adds to what is known.
#[derive(Debug)]
pub(super) struct Added {
    /// Without names.
    record: Record,
    base_name: Vec<u8>,
    suffix: Vec<u8>,
    /// When it is not the base name.
    unique_id: Vec<u8>,
}

impl Added {
    /// Adds it. Says its position.
    ///
    /// # Errors
    /// When there are more messages than can be held.
    pub(super) fn add_to(&self, known: &mut Known) -> io::Result<usize> {
        known.add(&self.record, [&self.base_name, &self.suffix, &self.unique_id])
    }
}

/// Looks into the folders of `maildir` that do not look as the index says any more. `now` is how they looked before.
///
/// # Errors
/// When a folder cannot be listed, or the unique-ids of another server cannot be read.
pub(super) fn scan(disk: &dyn Disk, maildir: &Path, known: &Known, now: &Stamps) -> Result<Changes, Failure> {
    let is_unchanged = |before: Stamp, now: &Stamp| before.is_settled && before.is_like(now);
    let mut folders = match &known.stamps {
        Some(before) if is_unchanged(before.new, &now.new) => vec![Folder::Cur],
        Some(before) if is_unchanged(before.cur, &now.cur) => vec![Folder::New],
        _ => BOTH.to_vec(),
    };
    let mut look = Look::new(known);
    let mut before = *now;
    for pass in 1..=PASSES_MAX {
        for &folder in &folders {
            let path = maildir.join(folder.name());
            let mut seen = Ok(());
            let mut each = |name: &OsStr, kind| {
                if seen.is_ok() {
                    seen = look.see(pass, folder, name.as_bytes(), kind);
                }
            };
            disk.list(&path, &mut each).map_err(Failure::at("list", &path))?;
            seen.map_err(Failure::at("read the index of", maildir))?;
            look.was_listed(folder);
        }
        look.match_listed(pass).map_err(Failure::at("read the index of", maildir))?;
        let is_read = look.read_fresh(disk, maildir)?;
        if is_read && !look.misses_any() {
            break;
        }
        let after = stamps(disk, maildir, None)?;
        if pass > 1 && after.are_like(&before) {
            break;
        }
        before = after;
        folders = BOTH.to_vec();
    }
    let (mut changes, fresh) = look.finish();
    if !fresh.is_empty() {
        add_fresh(disk, maildir, fresh, &mut changes)?;
    }
    Ok(changes)
}

/// What both folders look like. `now_ns` is the file system's clock, read before.
///
/// # Errors
/// When one of them is missing or no folder.
pub(super) fn stamps(disk: &dyn Disk, maildir: &Path, now_ns: Option<i64>) -> Result<Stamps, Failure> {
    let stamp = |folder: Folder| {
        let path = maildir.join(folder.name());
        let stat = disk.stat(&path).map_err(Failure::at("see", &path))?;
        if stat.kind != Kind::Folder {
            return Err(Failure::new("open", &path, io::Error::from(io::ErrorKind::NotADirectory)));
        }
        Ok(Stamp::new(&stat, now_ns))
    };
    Ok(Stamps { new: stamp(Folder::New)?, cur: stamp(Folder::Cur)? })
}

/// Makes records of the messages the index does not know.
fn add_fresh(
    disk: &dyn Disk,
    maildir: &Path,
    fresh: Vec<Fresh>,
    changes: &mut Changes,
) -> Result<(), Failure> {
    let path = maildir.join(layout::UNIQUE_IDS);
    let overrides = Overrides::load(disk, &path).map_err(Failure::at("read", &path))?;
    let mut first_unreadable = None;
    for mut message in fresh {
        let (facts, modified_ns) = match &message.contents {
            Contents::Read(facts) => (*facts, facts.modified_ns),
            Contents::Unreadable(stat, _) => (unread_facts(stat.size), stat.modified_ns),
            Contents::NotRegular => continue,
            Contents::Unread => {
                changes.is_unfinished = true;
                continue;
            }
        };
        changes.is_unfinished |= message.has_twin;
        if let Contents::Unreadable(_, error) = std::mem::replace(&mut message.contents, Contents::Unread) {
            first_unreadable.get_or_insert_with(|| Failure::new("read", &message.path(maildir), error));
            changes.unreadable.push(added(message, facts, modified_ns, &overrides));
        } else {
            changes.fresh.push(added(message, facts, modified_ns, &overrides));
        }
    }
    if let Some(example) = first_unreadable {
        changes.is_unfinished = true;
        changes.warnings.push(Warning::Unreadable { messages: changes.unreadable.len(), example });
    }
    Ok(())
}

/// What is to be added for a message that is not in the index yet.
fn added(message: Fresh, facts: Facts, modified_ns: i64, overrides: &Overrides) -> Added {
    let Fresh { base_name, suffix, folder, has_twin, .. } = message;
    let (unique_id, order) = overrides.of(&base_name);
    let none = Span::default();
    let record = Record {
        facts,
        order,
        delivered: delivered(&base_name, modified_ns),
        ordinal: NO_ORDINAL,
        base: none,
        suffix: none,
        unique_id: none,
        folder,
        retrieved: None,
        has_twin,
    };
    Added { record, base_name, suffix, unique_id: unique_id.unwrap_or_default() }
}

pub(super) const BOTH: [Folder; 2] = [Folder::New, Folder::Cur];

/// So often are changing folders looked at before what was seen is taken for the truth.
pub(super) const PASSES_MAX: u8 = 3;
