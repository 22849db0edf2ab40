//! Giving messages the unique-ids of another server.
//!
//! A message is named by the unique-id that it has without them. The index of an mbox holds no unique-ids, so there is
//! one file to replace, and that is done whole.

use std::collections::HashSet;
use std::io;

use restante_proto::maildrop::UniqueId;

use super::layout::{UNIQUE_IDS, UNIQUE_IDS_NEW};
use super::session::Session;
use crate::failure::Failure;
use crate::maildir::{new_nonce, replace};
use crate::maildrop::OpenError;
use crate::unique_id::overrides::Overrides;
use crate::unique_id::{Override, OverrideError};

/// As `Store::set_unique_ids`, for an mbox that is open.
pub(super) fn set(session: &Session, given: Vec<Override>) -> Result<(), OverrideError> {
    let (disk, control) = (session.mboxes.disk(), &session.place.control);
    let file = control.join(UNIQUE_IDS);
    let failed = |doing, error| OverrideError::Maildrop(OpenError::from(Failure::new(doing, &file, error)));
    let mut overrides = Overrides::load(disk, &file).map_err(|error| failed("read", error))?;
    overrides.add(given)?;
    let mut seen = HashSet::new();
    for index in 0..session.listing().len() {
        let Some(name) = session.name(index) else { break };
        let key = name.key().into_bytes();
        let shown = overrides.of(&key).0.unwrap_or(key);
        if let (false, Ok(unique_id)) = (seen.insert(shown.clone()), UniqueId::parse(&shown)) {
            return Err(OverrideError::Duplicate(unique_id));
        }
    }
    let nonce = new_nonce().map_err(|error: io::Error| failed("choose a number for", error))?;
    let new = control.join(UNIQUE_IDS_NEW);
    replace(disk, &new, &file, &overrides.write(nonce), session.mboxes.settings.file_mode)
        .map_err(|failure| OverrideError::Maildrop(failure.into()))?;
    disk.sync_folder(control).map_err(|error| failed("sync", error))
}
