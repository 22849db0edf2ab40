//! Writing the file in which another server keeps unique-ids.
//!
//! Our lock keeps sessions out, and the other server's lock file keeps that server from writing the same file. It never
//! goes stale: whoever finds one gives up, since the server it is written for must not run.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Maildirs, keeper, session};
use crate::disk::Access;
use crate::failure::Failure;
use crate::index::read_whole;
use crate::maildrop::OpenError;
use crate::migrate::export::{Format, Made, Message};
use crate::migrate::{FILE_OCTETS_MAX, FormatError};

/// Makes the file from what is shown; `write` says whether it shall be written after a look at it.
///
/// # Errors
/// When the maildrop is in use or cannot be read or written, or the file that is there cannot be read.
pub(super) fn export(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    format: Format,
    now: SystemTime,
    write: &dyn Fn(&Made) -> bool,
) -> Result<Made, OpenError> {
    let disk = maildirs.disk();
    let session = session::open(maildirs, path, now)?;
    let file = path.join(format.file_name());
    let existing = match disk.open(&file, Access::Read) {
        Ok(opened) if opened.stat().map_err(Failure::at("see", &file))?.size > FILE_OCTETS_MAX => {
            return Err(Failure::new("read", &file, io::Error::from(io::ErrorKind::FileTooLarge)).into());
        }
        Ok(opened) => Some(read_whole(&*opened).map_err(Failure::at("read", &file))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(Failure::new("read", &file, error).into()),
    };
    let now_s = now.duration_since(SystemTime::UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let damaged =
        |error: FormatError| Failure::new("read", &file, io::Error::new(io::ErrorKind::InvalidData, error));
    let made = format.make(&messages(&session), existing.as_deref(), now_s).map_err(damaged)?;
    if write(&made) {
        let lock = path.join(format!("{}.lock", format.file_name()));
        disk.open(&lock, Access::CreateNew(maildirs.settings.file_mode))
            .map_err(Failure::at("lock", &lock))?;
        let new = path.join(format!("restante.{}.new", format.file_name()));
        let written = keeper::replace(disk, &new, &file, &made.file, maildirs.settings.file_mode)
            .and_then(|()| disk.sync_folder(path).map_err(Failure::at("sync", path)));
        disk.unlink(&lock).map_err(Failure::at("unlock", &lock))?;
        written?;
    }
    Ok(made)
}

/// What is shown, in its order.
fn messages(session: &session::Session) -> Vec<Message> {
    let listing = session.listing();
    let message = |index: usize| {
        let stored = session.stored(index)?;
        Some(Message {
            base_name: stored.base_name.into_owned(),
            suffix: stored.suffix.into_owned(),
            unique_id: listing.unique_id(index)?.as_bytes().to_vec(),
            octets: listing.octets(index)?.as_u64(),
            is_utf8: session.surrogates().binary_search_by_key(&index, |(at, _)| *at).is_ok(),
        })
    };
    (0..listing.len()).filter_map(message).collect()
}
