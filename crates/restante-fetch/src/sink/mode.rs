//! Who may read what a sink writes into files: the permissions that somebody wants, whatever the umask.

use std::io;

use restante_store::disk::DiskFile;

/// Gives a file or folder that was just made the permissions that are wanted; the umask may have taken some away. Without a wish
/// it stays as it was made: file systems that know no permissions refuse to change them. A crash before this leaves fewer, never
/// more.
///
/// # Errors
/// As the file system says.
pub(crate) fn settle(made: &dyn DiskFile, mode: Option<u32>) -> io::Result<()> {
    let Some(mode) = mode else { return Ok(()) };
    let now = made.stat()?.mode;
    // A folder that hands on its group (setgid) has got that from the folder above.
    let wanted = mode | (now & SPECIAL);
    if now == wanted { Ok(()) } else { made.set_mode(wanted) }
}

/// The permissions of a folder of such files: who may read them may look for them.
pub(crate) const fn of_folder(mode: u32) -> u32 {
    0o700 | mode | ((mode & 0o444) >> 2)
}

/// Whether a file with the permissions `now` is what a sink with this wish would have made.
pub(crate) const fn fits(now: u32, mode: Option<u32>) -> bool {
    match mode {
        Some(mode) => now & 0o777 == mode,
        None => now & 0o077 == 0,
    }
}

/// Without a wish: for the owner alone.
pub(crate) const PRIVATE: u32 = 0o600;

/// setuid, setgid, sticky.
const SPECIAL: u32 = 0o7000;
