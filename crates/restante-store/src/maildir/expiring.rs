//! Which messages of a Maildir are old enough to go, and that they go as any other does (`removal.rs`).
//!
//! The time of a message is asked of its name and of its file now, not of the index: whoever restores a maildrop or copies a
//! message into it gives it a new time, and it stays.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use restante_proto::maildrop::Marks;

use super::keeper::{self, Durable};
use super::layout::{self, message_path};
use super::scan::BOTH;
use super::session::{self, Session};
use super::{Maildirs, removal, trash};
use crate::disk::Kind;
use crate::expiry::{BATCH_MAX, Expired, Expiry, From, Old, Trial};
use crate::failure::Failure;
use crate::gone::Gone;
use crate::index::codec::Records;
use crate::maildrop::{OpenError, Removed, blocking};

/// As `Store::expire`.
pub(crate) async fn expire(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    expiry: Expiry,
    now: SystemTime,
    trial: Trial,
) -> Result<Expired, OpenError> {
    let (maildirs, there) = (Arc::clone(maildirs), path.to_owned());
    let result = blocking(move || expire_now(&maildirs, &there, expiry, now, trial)).await;
    result.map_err(Failure::at("expire messages of", path))?
}

/// As `Store::sweep_trash`.
pub(crate) async fn sweep_trash(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    now: SystemTime,
) -> Result<(), OpenError> {
    let (maildirs, there) = (Arc::clone(maildirs), path.to_owned());
    let work = move || {
        if is_there(&maildirs, &there)? && trash::is_due(&maildirs, &there, now) {
            let _lock = session::lock(&maildirs, &there)?;
            trash::sweep(&maildirs, &there, now);
        }
        Ok(())
    };
    blocking(work).await.map_err(Failure::at("sweep the trash of", path))?
}

/// As `Maildrop::keep_retrieved`.
pub(crate) async fn keep_retrieved(
    session: &Arc<Session>,
    retrieved: &Marks,
    removed: &Marks,
    now: SystemTime,
) -> Result<(), Failure> {
    let (Some(origin), Some(seconds)) = (session.origin(), seconds(now)) else { return Ok(()) };
    let is_news = |index: &usize| !removed.is_marked(*index) && !session.retrieved().is_marked(*index);
    let news = retrieved.iter().filter(is_news);
    let ordinals: Vec<u32> = news.filter_map(|index| session.ordinal(index)).collect();
    if ordinals.is_empty() {
        return Ok(());
    }
    let mut records = Records::appended(origin.nonce);
    records.retrieved(seconds, &ordinals);
    let there = Arc::clone(session);
    let append = move || keeper::append(there.disk(), there.path(), &records.bytes, Durable::No).map(|_| ());
    blocking(append).await.map_err(Failure::at("append to the index of", session.path()))?
}

fn expire_now(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    expiry: Expiry,
    now: SystemTime,
    trial: Trial,
) -> Result<Expired, OpenError> {
    if !is_there(maildirs, path)? {
        return Ok(Expired::default());
    }
    let session = match trial {
        Trial::Yes => session::inspect(maildirs, path)?,
        Trial::No => session::open_quietly(maildirs, path, now)?,
    };
    let (messages, is_more) = choose(&session, expiry, now)?;
    let listing = Arc::clone(session.listing());
    let mut expired = Expired { listing, messages, is_more, ..Expired::default() };
    if trial == Trial::Yes || expired.messages.is_empty() {
        return Ok(expired);
    }
    let marked: Vec<usize> = expired.messages.iter().map(|old| old.index).collect();
    match removal::remove_now(&session, &marked, now) {
        Ok(Removed { gone, warnings, .. }) => (expired.gone, expired.warnings) = (gone, warnings),
        Err(error) => {
            expired.gone = Gone::clone(&error.gone);
            expired.failed = Some((error.left, error.failure));
        }
    }
    Ok(expired)
}

/// Whether there is a maildrop, so that opening it makes none.
fn is_there(maildirs: &Maildirs, path: &Path) -> Result<bool, Failure> {
    maildirs.check_marker()?;
    for folder in BOTH {
        let folder = path.join(folder.name());
        match maildirs.disk().stat(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            result => result.map_err(Failure::at("see", &folder))?,
        };
    }
    Ok(true)
}

/// The messages that are old enough, first ones first, and whether there are more than may go at once.
fn choose(session: &Session, expiry: Expiry, now: SystemTime) -> Result<(Vec<Old>, bool), Failure> {
    let Some(limit) = now.checked_sub(expiry.after).and_then(seconds) else { return Ok((Vec::new(), false)) };
    let retrievals = match expiry.from {
        From::Delivery => None,
        From::Retrieval => Some(session.retrievals()?),
    };
    let mut base_names = session.base_names();
    let mut chosen = Vec::new();
    for index in 0..session.listing().len() {
        let retrieved = match &retrievals {
            None => 0,
            Some(times) => match session.ordinal(index).and_then(|ordinal| times.get(&ordinal)) {
                Some(&retrieved) => retrieved,
                None => continue,
            },
        };
        let base_name =
            base_names.at(index).map_err(Failure::at("read the index of", session.path()))?.to_vec();
        // A message is not retrieved before it is there, whatever a clock has said.
        let known = retrieved.max(layout::delivered(&base_name, 0));
        if known > limit {
            continue;
        }
        let Some(since) = changed(session, index, &base_name).map(|changed| known.max(changed)) else {
            continue;
        };
        if since > limit {
            continue;
        }
        if chosen.len() == BATCH_MAX {
            return Ok((chosen, true));
        }
        let since = UNIX_EPOCH + Duration::from_secs(since.unsigned_abs());
        chosen.push(Old { index, since });
    }
    Ok((chosen, false))
}

/// When the file of a message was changed, in seconds since 1970. `None` when that is not known: it is not where it was, or it has a time from before
/// there was any mail.
fn changed(session: &Session, index: usize, base_name: &[u8]) -> Option<i64> {
    let (folder, suffix) = session.place(index)?;
    let stat = session.disk().stat(&message_path(session.path(), folder, base_name, &suffix)).ok()?;
    // Rounded up: no message goes a moment too early.
    let changed = -stat.modified_ns.saturating_neg().div_euclid(1_000_000_000);
    (stat.kind == Kind::File && changed > 0).then_some(changed)
}

fn seconds(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}
