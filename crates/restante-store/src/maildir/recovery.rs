//! Putting right what is missing or was left half done: folders, interrupted removals, old temporary files.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Maildirs;
use super::layout::{TMP, message_path};
use super::reader::is_vanished;
use super::scan::{BOTH, Changes};
use super::trash::{Bin, Discarded};
use crate::disk::{Disk, Kind};
use crate::failure::Failure;
use crate::index::Folder;
use crate::index::known::Known;
use crate::maildrop::Warning;

/// Makes what is missing of a maildrop: folders between the root and it, itself, `new/`, `cur/` and `tmp/`. All but the name
/// of `tmp/` is durable on return, so that nothing delivered into them can be lost with them.
///
/// A folder that is there already may be one whose making was interrupted, or whose sync failed, so its name is synced too; what is
/// inside is made when its own name is durable. `tmp/` comes last: where it is, the others are durable.
///
/// # Errors
/// As [`may_make`], and when they cannot be made.
pub(super) fn make_missing(maildirs: &Maildirs, path: &Path) -> Result<(), Failure> {
    let (disk, settings) = (maildirs.disk(), &maildirs.settings);
    let (root, below) = may_make(maildirs, path)?;
    let make = |folder: &Path| match disk.make_folder(folder, settings.folder_mode) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Failure::new("make", folder, error))
        }
        _ => Ok(()),
    };
    let sync = |folder: &Path| disk.sync_folder(folder).map_err(Failure::at("sync", folder));
    let mut folder = root.to_owned();
    for name in below {
        let parent = folder.clone();
        folder.push(name);
        make(&folder)?;
        sync(&parent)?;
    }
    for inner in BOTH {
        make(&folder.join(inner.name()))?;
    }
    sync(&folder)?;
    make(&folder.join(TMP))
}

/// Whether no message is in what is there of this maildrop: nothing is, or a crash has interrupted [`make_missing`].
pub(super) fn is_half_made(disk: &dyn Disk, path: &Path) -> bool {
    BOTH.iter().all(|folder| {
        let mut is_empty = true;
        match disk.list(&path.join(folder.name()), &mut |_, _| is_empty = false) {
            Ok(()) => is_empty,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    })
}

/// Whether a missing maildrop may be made; gives back the root that it lies below, and the folders between them and itself.
///
/// # Errors
/// When that is not wanted, the root is missing, or the maildrop is below none: it may be on a disk that is not
/// mounted, and an empty maildrop must not stand for it.
pub(super) fn may_make<'a>(
    maildirs: &'a Maildirs,
    path: &'a Path,
) -> Result<(&'a Path, Vec<&'a OsStr>), Failure> {
    let (disk, settings) = (maildirs.disk(), &maildirs.settings);
    if !settings.create {
        return Err(Failure::new("open", path, io::Error::from(io::ErrorKind::NotFound)));
    }
    let roots = settings.roots.iter().filter_map(|root| Some((root, names_below(root, path)?)));
    // The nearest one: a root above it may be there although that one's disk is not mounted.
    let Some((root, below)) = roots.min_by_key(|(_, below)| below.len()) else {
        let outside =
            io::Error::new(io::ErrorKind::InvalidInput, "it is below none of the folders of maildrops");
        return Err(Failure::new("make", path, outside));
    };
    // The root itself may be a symbolic link of the operator's.
    let stat = disk.stat(&root.join(".")).map_err(Failure::at("see the root", root))?;
    if stat.kind != Kind::Folder {
        return Err(Failure::new("use the root", root, io::Error::from(io::ErrorKind::NotADirectory)));
    }
    Ok((root, below))
}

/// The folders between `root` and `path`, and the latter; `None` when it is not below, or goes up on its way.
fn names_below<'a>(root: &Path, path: &'a Path) -> Option<Vec<&'a OsStr>> {
    let names = path.strip_prefix(root).ok()?.components().map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    names.collect::<Option<Vec<_>>>().filter(|names| !names.is_empty())
}

/// Finishes the removal that the index records as begun: what of it is still there is removed now. No reply was
/// given for it, so a message that resists stays.
///
/// # Errors
/// When the index cannot be read again.
pub(super) fn finish_removal(
    maildirs: &Maildirs,
    maildir: &Path,
    known: &Known,
    changes: &mut Changes,
    now: SystemTime,
) -> Result<(), Failure> {
    if known.pending.is_empty() {
        return Ok(());
    }
    changes.is_unfinished = true;
    let disk = maildirs.disk();
    let mut bin = Bin::resumed(maildirs, maildir, now);
    let mut failed = 0;
    let mut example = None;
    let mut gone = Vec::new();
    let moved: HashMap<usize, (Folder, &[u8])> =
        changes.moved.iter().map(|(at, folder, suffix)| (*at, (*folder, suffix.as_slice()))).collect();
    let mut names = known.base_names();
    for at in pending(known, changes) {
        let Some((folder, suffix)) = moved.get(&at).copied().or_else(|| known.rows().place(at)) else {
            continue;
        };
        let base_name = names.at(at).map_err(Failure::at("read the index of", maildir))?;
        let path = message_path(maildir, folder, base_name, suffix);
        let (name, octets) = ([base_name, suffix].concat(), known.octets(at));
        match bin.discard(&path, &Discarded { folder, name: &name, octets }) {
            Ok(()) => gone.push(at),
            Err(error) if is_vanished(&error) => {}
            Err(error) => {
                failed += 1;
                example.get_or_insert_with(|| Failure::new("remove", &path, error));
            }
        }
    }
    bin.sync();
    // What went before the interruption too: the end is recorded next, and when that outlives a crash the removal must.
    for folder in BOTH {
        let path = maildir.join(folder.name());
        if let Err(error) = disk.sync_folder(&path) {
            failed += 1;
            example.get_or_insert_with(|| Failure::new("sync", &path, error));
        }
    }
    add_gone(changes, gone);
    changes.warnings.extend(bin.warning());
    changes.warnings.extend(example.map(|example| Warning::Removal { messages: failed, example }));
    Ok(())
}

/// Leaves out the messages of a removal that is going on, or was interrupted, for a look from outside.
pub(super) fn hide_removal(known: &Known, changes: &mut Changes) {
    let gone = pending(known, changes);
    add_gone(changes, gone);
}

/// Positions of messages whose removal was begun and that are still there.
fn pending(known: &Known, changes: &Changes) -> Vec<usize> {
    let is_there =
        |&at: &usize| at < known.len() && !known.is_gone(at) && changes.gone.binary_search(&at).is_err();
    known.pending.iter().map(|&ordinal| ordinal as usize).filter(is_there).collect()
}

fn add_gone(changes: &mut Changes, gone: Vec<usize>) {
    changes.gone.extend(gone);
    changes.gone.sort_unstable();
    changes.gone.dedup();
}

/// Removes temporary files that nobody can still be writing, by the Maildir rule of 36 hours. Best effort: what stays
/// is only room.
pub(super) fn sweep(disk: &dyn Disk, maildir: &Path, now: SystemTime) {
    for path in old_temporaries(disk, maildir, now) {
        let _ = disk.unlink(&path);
    }
}

/// The temporary files that nobody can still be writing, some of them if there are many.
pub(super) fn old_temporaries(disk: &dyn Disk, maildir: &Path, now: SystemTime) -> Vec<PathBuf> {
    let now = now.duration_since(UNIX_EPOCH).ok();
    let limit = now
        .and_then(|now| now.checked_sub(TMP_AGE_MAX))
        .and_then(|limit| i64::try_from(limit.as_nanos()).ok());
    let Some(limit) = limit else { return Vec::new() };
    let tmp = maildir.join(TMP);
    let mut paths = Vec::new();
    let _ = disk.list(&tmp, &mut |name, kind| {
        if matches!(kind, Kind::File | Kind::Unknown) && paths.len() < SWEEP_MAX {
            paths.push(tmp.join(name));
        }
    });
    let is_old = |stat: crate::disk::Stat| {
        stat.kind == Kind::File && stat.modified_ns < limit && stat.changed_ns < limit
    };
    paths.retain(|path| disk.stat(path).is_ok_and(is_old));
    paths
}

/// Files in `tmp/` older than this belong to nobody.
const TMP_AGE_MAX: Duration = Duration::from_secs(36 * 60 * 60);

/// So many temporary files are looked at in one opening.
const SWEEP_MAX: usize = 1000;
