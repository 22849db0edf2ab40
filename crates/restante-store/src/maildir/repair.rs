//! Repairing a Maildir: what `verify.rs` finds is mended as far as that needs nobody's judgement. No message is touched, but for
//! those whose owner's removal was interrupted.
//!
//! Every step leaves the maildrop right by itself, so that a crash between two of them loses nothing: the unique-ids first, the
//! index, from which they may have come, last.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use restante_proto::maildrop::UniqueId;

use super::layout::{self, TMP};
use super::verify::{LEFTOVERS, Messages, verify};
use super::{Maildirs, keeper, recovery, session};
use crate::check::{Damage, Depth, Finding, State};
use crate::disk::Disk;
use crate::failure::Failure;
use crate::index::{Index, NO_ORDER};
use crate::maildrop::OpenError;
use crate::unique_id::Override;
use crate::unique_id::overrides::Overrides;

/// As `Store::repair`.
pub(super) fn repair(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    now: SystemTime,
) -> Result<Vec<Finding>, OpenError> {
    maildirs.check_marker()?;
    let disk = maildirs.disk();
    // Nobody has used it yet: it is not made for this.
    if disk.stat(path).is_err_and(|error| session::is_not_found(&error)) {
        return verify(maildirs, path, Depth::Whole, now);
    }
    let lock = session::take_lock(maildirs, path)?;
    let before = verify(maildirs, path, Depth::Whole, now)?;
    let has = |damage: Damage| before.iter().any(|finding| finding.damage == damage);
    if has(Damage::FolderMissing) {
        make_folders(maildirs, path)?;
    }
    if has(Damage::Leftover) {
        for name in LEFTOVERS {
            remove(disk, &path.join(name))?;
        }
    }
    if has(Damage::AccessedDamaged) {
        remove(disk, &path.join(layout::ACCESSED))?;
    }
    if has(Damage::UniqueIdsInIndex) {
        keep_unique_ids(maildirs, path)?;
    }
    recovery::sweep(disk, path, now);
    let can_be_listed = !has(Damage::UniqueIdsDamaged) && !has(Damage::FolderKind);
    if can_be_listed && (has(Damage::RemovalPending) || has(Damage::IndexWrong) || has(Damage::IndexDamaged))
    {
        // Finishes what a session would finish, for which the index is needed as it is.
        let loaded = session::bring_up_to_date(maildirs, path, now, lock, Vec::new())?;
        if has(Damage::IndexWrong) || has(Damage::IndexDamaged) {
            remove(disk, &path.join(layout::INDEX))?;
            session::bring_up_to_date(maildirs, path, now, loaded.lock, Vec::new())?;
        }
    }
    let after = verify(maildirs, path, Depth::Whole, now)?;
    let is_left = |finding: &Finding| {
        let is_same = |other: &&Finding| (other.damage, &other.place) == (finding.damage, &finding.place);
        after.iter().any(|other| is_same(&other))
    };
    let mended = before.iter().filter(|finding| !is_left(finding)).cloned();
    let mended = mended.map(|finding| Finding { state: State::Mended, ..finding });
    Ok(mended.chain(after.iter().cloned()).collect())
}

/// The folders inside of a maildrop that exists, durable on return.
fn make_folders(maildirs: &Maildirs, path: &Path) -> Result<(), Failure> {
    let disk = maildirs.disk();
    for name in [TMP, "new", "cur"] {
        let folder = path.join(name);
        match disk.make_folder(&folder, maildirs.settings.folder_mode) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Failure::new("make", &folder, error));
            }
            _ => {}
        }
    }
    disk.sync_folder(path).map_err(Failure::at("sync", path))
}

/// Writes `restante.unique-ids` from what the index alone knows. A damaged one is kept under another name.
fn keep_unique_ids(maildirs: &Maildirs, path: &Path) -> Result<(), OpenError> {
    let disk = maildirs.disk();
    let file = path.join(layout::UNIQUE_IDS);
    let messages = Messages::new(disk, path)?;
    let given: Vec<Override> =
        messages.kept_in_index().into_iter().filter_map(|at| override_of(&messages.index, at)).collect();
    let loaded = Overrides::load(disk, &file);
    let is_damaged = loaded.is_err();
    let mut overrides = loaded.unwrap_or_default();
    overrides.add(given).map_err(|error| {
        Failure::new("write", &file, io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    })?;
    if is_damaged {
        let aside = path.join(DAMAGED);
        disk.rename(&file, &aside).map_err(Failure::at("rename", &file))?;
    }
    let nonce = keeper::new_nonce().map_err(Failure::at("choose a number for", &file))?;
    let (new, mode) = (path.join(layout::UNIQUE_IDS_NEW), maildirs.settings.file_mode);
    keeper::replace(disk, &new, &file, &overrides.write(nonce), mode)?;
    disk.sync_folder(path).map_err(Failure::at("sync", path))?;
    Ok(())
}

fn override_of(index: &Index, at: usize) -> Option<Override> {
    let record = index.records.get(at)?;
    let base_name = index.bytes(record.base);
    let shown = if record.has_own_unique_id() { index.bytes(record.unique_id) } else { base_name };
    Some(Override {
        base_name: base_name.to_vec(),
        unique_id: UniqueId::parse(shown).ok()?,
        order: Some(record.order).filter(|&order| order != NO_ORDER),
    })
}

/// Removes a file of ours; one that is not there is as good.
fn remove(disk: &dyn Disk, file: &Path) -> Result<(), Failure> {
    match disk.unlink(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::new("remove", file, error)),
        _ => Ok(()),
    }
}

/// Where damaged unique-ids of another server are kept for whoever wants to look into them.
const DAMAGED: &str = "restante.unique-ids.damaged";
