//! Giving messages the unique-ids of another server.
//!
//! Order on disk: the index goes first, then `restante.unique-ids` is replaced, then the index is written anew. Whenever
//! a crash comes, the index that is found does not contradict the overrides that are found.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::layout::{INDEX, UNIQUE_IDS, UNIQUE_IDS_NEW};
use super::{Maildirs, keeper, session};
use crate::failure::Failure;
use crate::index::{Index, Span};
use crate::maildrop::OpenError;
use crate::unique_id::overrides::Overrides;
use crate::unique_id::{Override, OverrideError};

/// As `Store::set_unique_ids`.
pub(super) fn set(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    given: Vec<Override>,
    now: SystemTime,
) -> Result<(), OverrideError> {
    let disk = maildirs.disk();
    let opened = session::load(maildirs, path, now).map_err(OverrideError::Maildrop)?;
    let mut index = opened.index;
    let file = path.join(UNIQUE_IDS);
    let mut overrides = Overrides::load(disk, &file).map_err(failed("read", &file))?;
    let before = overrides.clone();
    overrides.add(given)?;
    if overrides == before {
        // So that a migration can be run again and again: nothing is written, no session has to read it all anew.
        return Ok(());
    }
    apply(&mut index, &overrides, path)?;
    let index_file = path.join(INDEX);
    match disk.unlink(&index_file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("replace", &index_file)(error));
        }
        _ => disk.sync_folder(path).map_err(failed("sync", path))?,
    }
    let bytes = overrides.write(keeper::new_nonce().map_err(failed("choose a number for", &file))?);
    let mode = maildirs.settings.file_mode;
    keeper::replace(disk, &path.join(UNIQUE_IDS_NEW), &file, &bytes, mode)
        .map_err(|failure| OverrideError::Maildrop(failure.into()))?;
    disk.sync_folder(path).map_err(failed("sync", path))?;
    // Only a cache: the next session makes it when this fails.
    let _ = keeper::rewrite(disk, path, &mut index, None, mode);
    Ok(())
}

/// Gives the messages in the index their new unique-ids and places.
fn apply(index: &mut Index, overrides: &Overrides, path: &Path) -> Result<(), OverrideError> {
    let mut seen = HashSet::new();
    for at in 0..index.records.len() {
        let Some(record) = index.records.get(at) else { break };
        let base_name = index.bytes(record.base).to_vec();
        let (unique_id, order) = overrides.of(&base_name);
        let was_base_name = !record.has_own_unique_id();
        let is_displaced = was_base_name && overrides.is_of_another(&base_name);
        let shown = unique_id.as_deref().unwrap_or(&base_name);
        if is_displaced || !seen.insert(shown.to_vec()) {
            return Err(match restante_proto::maildrop::UniqueId::parse(&base_name) {
                Ok(unique_id) => OverrideError::Duplicate(unique_id),
                Err(_) => OverrideError::InvalidBaseName(base_name),
            });
        }
        let span = match unique_id {
            None => Span::default(),
            Some(unique_id) => index.intern(&unique_id).ok_or_else(|| {
                failed("index", path)(io::Error::new(io::ErrorKind::InvalidInput, "too many names"))
            })?,
        };
        if let Some(record) = index.records.get_mut(at) {
            record.unique_id = span;
            record.order = order;
        }
    }
    Ok(())
}

fn failed(doing: &'static str, place: &Path) -> impl FnOnce(io::Error) -> OverrideError {
    move |error| OverrideError::Maildrop(OpenError::from(Failure::new(doing, place, error)))
}
