//! The files of the server itself: configuration, certificate and key, log file, the journal of logins, unix sockets.
//!
//! Message files are not here: they are read and written through `restante_store` alone. Everything here is small,
//! and is read at start, at a reload or on the blocking pool.

// This file is the door to files that the lint asks others to use.
#![allow(clippy::disallowed_methods)]

use crate::names;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::mem;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use zeroize::Zeroizing;

/// The whole of a text file that may hold a secret.
///
/// # Errors
/// It cannot be read, is larger than `octets_max`, is no regular file or is not UTF-8.
pub(crate) fn read_text(path: &Path, octets_max: u64) -> io::Result<Zeroizing<String>> {
    let mut octets = read_secret(path, octets_max)?;
    String::from_utf8(mem::take(&mut octets)).map(Zeroizing::new).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        io::Error::new(io::ErrorKind::InvalidData, "the file is not UTF-8")
    })
}

/// The whole of a file.
///
/// # Errors
/// It cannot be read, is larger than `octets_max` or is no regular file.
pub(crate) fn read(path: &Path, octets_max: u64) -> io::Result<Vec<u8>> {
    read_secret(path, octets_max).map(|mut octets| mem::take(&mut *octets))
}

/// The whole of a file that may be a secret: it is read into one buffer of its size, which is overwritten on drop.
///
/// # Errors
/// It cannot be read, is larger than `octets_max` or is no regular file.
pub(crate) fn read_secret(path: &Path, octets_max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut file = open_regular(path)?;
    let expected = file.metadata()?.len().min(octets_max);
    // One octet more than there should be, to see the end.
    let mut octets =
        Zeroizing::new(vec![0; usize::try_from(expected).unwrap_or(usize::MAX).saturating_add(1)]);
    let mut filled = 0;
    loop {
        let room = octets.get_mut(filled..).unwrap_or_default();
        match file.read(room) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled as u64 > octets_max {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the file has more than {octets_max} octets"),
            ));
        }
        if filled == octets.len() {
            // It has grown meanwhile, or is one of those that have no size.
            let mut wider = Zeroizing::new(vec![0; 2 * filled]);
            wider.split_at_mut(filled).0.copy_from_slice(&octets);
            octets = wider;
        }
    }
    octets.truncate(filled);
    Ok(octets)
}

/// Can this file be read by us?
///
/// # Errors
/// Why not.
pub(crate) fn check_readable(path: &Path) -> io::Result<()> {
    open_regular(path).map(drop)
}

fn open_regular(path: &Path) -> io::Result<File> {
    // Opening a FIFO without a writer would wait for one.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no regular file"));
    }
    Ok(file)
}

/// What tells one state of a file from the next, without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    octets: u64,
    device: u64,
    inode: u64,
}

/// The stamp of a file; `None` if there is none or it cannot be looked at.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    let modified = metadata.modified().ok();
    Some(Stamp { modified, octets: metadata.len(), device: metadata.dev(), inode: metadata.ino() })
}

/// The permissions of a file or folder.
pub(crate) fn permissions(path: &Path) -> io::Result<u32> {
    fs::metadata(path).map(|metadata| metadata.permissions().mode() & 0o7777)
}

/// Is there a folder of this name?
pub(crate) fn is_folder(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Is there a unix socket of this name?
pub(crate) fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// Where something really is, with no link on the way; `None` when it is not there or we may not see it.
pub(crate) fn real(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

/// Makes a folder for ourselves, with those above it.
///
/// # Errors
/// It is not there and cannot be made.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).recursive(true).create(path)
}

/// Is there anything of this name?
pub(crate) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Sets the permissions of a unix socket.
pub(crate) fn set_permissions(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Gives a unix socket to a user and a group of the system, by name or number; what is `None` stays.
///
/// # Errors
/// There is no such user or group, or we may not.
pub(crate) fn give(path: &Path, user: Option<&str>, group: Option<&str>) -> io::Result<()> {
    if user.is_none() && group.is_none() {
        return Ok(());
    }
    let user = user.map(names::user).transpose()?.map(|user| user.uid.as_raw());
    let group = group.map(names::group).transpose()?.map(|group| group.as_raw());
    std::os::unix::fs::chown(path, user, group).map_err(|error| {
        let what = format!("the socket {} cannot be given to the user or group: {error}", path.display());
        io::Error::new(error.kind(), what)
    })
}

/// Makes a folder of the server's own for a user that it is about to become; one that is root's is handed over, with what root has
/// made in it. What is another's already stays as it is.
///
/// Only what nobody but root could have put there is given away: a link of somebody else's to a file of root's is none of it.
///
/// # Errors
/// It cannot be made or given, or is no folder.
pub(crate) fn make_folder_of(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).recursive(true).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // The folder that is meant may be behind a link, which only the owner of its own folder could have made.
    let path = fs::canonicalize(path)?;
    hand_over(&path, uid, gid)
}

/// The contents first: after a crash the folder is root's still, and the next start goes on.
fn hand_over(folder: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let metadata = fs::symlink_metadata(folder)?;
    if !metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    if metadata.uid() != 0 || metadata.mode() & 0o022 != 0 {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            hand_over(&path, uid, gid)?;
        } else if metadata.uid() == 0 && metadata.nlink() == 1 {
            std::os::unix::fs::lchown(&path, Some(uid), Some(gid))?;
        }
    }
    std::os::unix::fs::lchown(folder, Some(uid), Some(gid))
}

/// Makes the log file for a user that the server is about to become. One that is there already stays as it is, whatever it is.
///
/// # Errors
/// It is not there and cannot be made or given.
pub(crate) fn make_log_of(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    match File::options().append(true).create_new(true).mode(0o640).open(path) {
        Ok(file) => std::os::unix::fs::fchown(&file, Some(uid), Some(gid)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// The threads of this process.
///
/// # Errors
/// The system does not say.
pub(crate) fn threads() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

/// Takes the name of a unix socket away.
pub(crate) fn remove_socket(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// A key that was made here once and is kept for ever; made, with its folder, when there is none.
///
/// On return it is durable. Two servers that make it at the same time get the same one: whoever comes second reads.
///
/// # Errors
/// It cannot be read, is none, or cannot be made.
pub(crate) fn kept_key<const OCTETS: usize>(path: &Path) -> io::Result<[u8; OCTETS]> {
    if !exists(path) {
        make_key::<OCTETS>(path)?;
    }
    let octets = read_secret(path, OCTETS as u64)?;
    octets.as_slice().try_into().map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidData, format!("it is no key of {OCTETS} octets; take it away"))
    })
}

/// Written aside and then given its name, so that half a key is never seen.
fn make_key<const OCTETS: usize>(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut octets = Zeroizing::new([0; OCTETS]);
    getrandom::fill(&mut *octets).map_err(io::Error::other)?;
    let mut tail = [0; 8];
    getrandom::fill(&mut tail).map_err(io::Error::other)?;
    let aside = path.with_extension(format!("{:016x}", u64::from_ne_bytes(tail)));
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&aside)?;
    let kept = file.write_all(&*octets).and_then(|()| file.sync_all()).and_then(|()| {
        match fs::hard_link(&aside, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    });
    let removed = fs::remove_file(&aside);
    kept?;
    removed?;
    File::open(folder)?.sync_all()
}

/// Puts a file of the server's own in place of what was there, with its folder if that is missing; readable by us alone. Durable on return;
/// a crash leaves the old or the new.
///
/// # Errors
/// The old one is still there.
pub(crate) fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = PathBuf::from(aside);
    // What a crash has left has the permissions and owner that it has.
    remove(&aside)?;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&aside)?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    File::open(folder)?.sync_all()
}

/// Puts a file where a web server finds it, with its folders; whoever may pass them can read it.
///
/// # Errors
/// It cannot be made, or is there already.
pub(crate) fn publish(path: &Path, octets: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    File::options().write(true).create_new(true).mode(0o644).open(path)?.write_all(octets)
}

/// Takes a file away, if it is there.
///
/// # Errors
/// It is there still.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Opens a log file for appending; made if missing, readable by its owner and group.
pub(crate) fn append(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).mode(0o640).open(path)
}

/// A file of the server's own that is appended to and now and then written anew. Nothing is synced.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the file, made with its folder if missing, and reads it.
    ///
    /// # Errors
    /// It cannot be made, read or written, or is larger than `octets_max`.
    pub(crate) fn open(path: &Path, octets_max: u64) -> io::Result<(Self, Vec<u8>)> {
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let file = open_journal(path)?;
        let octets = read(path, octets_max)?;
        Ok((Self { path: path.to_owned(), file }, octets))
    }

    /// Appends to it.
    ///
    /// # Errors
    /// A part may have been written.
    pub(crate) fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)
    }

    /// Puts a file with these octets in its place.
    ///
    /// # Errors
    /// The old one is still there.
    pub(crate) fn replace(&mut self, octets: &[u8]) -> io::Result<()> {
        let new = self.path.with_extension("new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = open_journal(&new)?;
        file.write_all(octets)?;
        fs::rename(&new, &self.path)?;
        self.file = file;
        Ok(())
    }
}

fn open_journal(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).mode(0o600).open(path)
}

/// A new file in `folder` that has no name any more, readable by us alone: it is gone when it is closed.
///
/// # Errors
/// The folder is not there or not writable, the disk is full, or the system has no random octets.
pub(crate) fn nameless(folder: &Path) -> io::Result<File> {
    let mut octets = [0; 8];
    getrandom::fill(&mut octets).map_err(io::Error::other)?;
    let path = folder.join(format!(".message-{:016x}", u64::from_ne_bytes(octets)));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// The machine's own name, or `localhost`.
pub(crate) fn hostname() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() || name == "(none)" { "localhost".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_out_whole_or_not_at_all() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("secret");
        for size in [0, 1, 9, 10] {
            let octets: Vec<u8> = (0..size).collect();
            fs::write(&path, &octets).unwrap();
            assert_eq!(*read_secret(&path, 10).unwrap(), octets);
        }
        fs::write(&path, [b'x'; 11]).unwrap();
        assert_eq!(read_secret(&path, 10).unwrap_err().kind(), io::ErrorKind::InvalidData);
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path, 10).unwrap_err().kind(), io::ErrorKind::InvalidData);
        // One that says it has no octets, and has more than one.
        assert!(read_text(Path::new("/proc/self/status"), 1 << 20).unwrap().ends_with('\n'));
        assert!(read_secret(Path::new("/proc/self/status"), 10).is_err());
        assert!(read_secret(folder.path(), 10).is_err());
    }

    #[test]
    fn a_key_is_made_once_and_kept() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("state/new/scram.key");
        let key = kept_key::<32>(&path).unwrap();
        assert_eq!(kept_key::<32>(&path).unwrap(), key);
        assert_eq!(permissions(&path).unwrap(), 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        // Whoever comes second takes the first one's.
        make_key::<32>(&path).unwrap();
        assert_eq!(kept_key::<32>(&path).unwrap(), key);
        fs::write(&path, "short").unwrap();
        assert_eq!(kept_key::<32>(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(kept_key::<32>(Path::new("/proc/no/such/key")).is_err());
    }
}
