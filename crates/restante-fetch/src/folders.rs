//! The folders of state: made, and their names made durable. Journal and tokens come here before they write anything.
//!
//! That a folder is there does not say that its name is durable: an earlier try may have made it and have failed, or been killed, before
//! its sync, and nobody can see that. So there are two steps: [`make`] whenever a folder is needed, [`sync_above`] before the
//! first file in it gets its name. Where that file is, the folders above are durable.

use std::io;
use std::path::Path;

use restante_store::disk::Disk;

use crate::failure::Failure;

/// Makes a folder and those above it, from the outside in, each durable before the next.
///
/// # Errors
/// As the file system says.
pub(crate) fn make(disk: &dyn Disk, folder: &Path) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for path in folder.ancestors().filter(|path| !path.as_os_str().is_empty()) {
        match disk.stat(path) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(path),
            Err(error) => return Err(Failure::new("see", path, error)),
        }
    }
    for path in missing.into_iter().rev() {
        let above =
            path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        match disk.make_folder(path, FOLDER_MODE) {
            // Another process was as quick.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Failure::new("make", path, error));
            }
            _ => disk.sync_folder(above).map_err(Failure::at("sync", above))?,
        }
    }
    Ok(())
}

/// Makes the names of a folder and of those above it durable, whoever has made them.
///
/// # Errors
/// As the file system says.
pub(crate) fn sync_above(disk: &dyn Disk, folder: &Path) -> Result<(), Failure> {
    for above in folder.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
        match disk.sync_folder(above) {
            // Somebody else's folder, which we have not made.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
            synced => synced.map_err(Failure::at("sync", above))?,
        }
    }
    Ok(())
}

/// State tells what mail somebody gets.
const FOLDER_MODE: u32 = 0o700;
