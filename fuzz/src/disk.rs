//! A disk in memory, on which nothing ever fails: for targets that open files. What it lacks (other names of one file, times,
//! owners) those targets do not ask for; power cuts are the business of the crash tests.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use restante_store::disk::{Access, Disk, DiskFile, Kind, Stat};

/// Files by path. Every folder is there.
#[derive(Debug, Default)]
pub struct Memory(Mutex<BTreeMap<PathBuf, Octets>>);

type Octets = Arc<Mutex<Vec<u8>>>;

impl Memory {
    /// One that holds this file.
    pub fn with(path: &Path, octets: Vec<u8>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(BTreeMap::from([(path.to_owned(), Arc::new(Mutex::new(octets)))]))))
    }

    /// What a file holds; nothing when it is missing.
    pub fn octets(&self, path: &Path) -> Vec<u8> {
        held(&self.0).get(path).map(|octets| held(octets).clone()).unwrap_or_default()
    }
}

impl Disk for Memory {
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        Ok(held(&self.0).get(path).map_or_else(|| stat(Kind::Folder, 0), |octets| of(octets)))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut files = held(&self.0);
        let file = match (files.get(path), access) {
            (Some(_), Access::CreateNew(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(file), _) => Arc::clone(file),
            (None, Access::AppendOrCreate(_) | Access::CreateNew(_)) => {
                Arc::clone(files.entry(path.to_owned()).or_default())
            }
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Box::new(File(file)))
    }

    fn open_cached(&self, path: &Path) -> io::Result<Option<Box<dyn DiskFile>>> {
        self.open(path, Access::Read).map(Some)
    }

    fn list(&self, folder: &Path, each: &mut dyn FnMut(&OsStr, Kind)) -> io::Result<()> {
        let files = held(&self.0);
        let here = files.keys().filter(|path| path.parent() == Some(folder));
        here.filter_map(|path| path.file_name()).for_each(|name| each(name, Kind::File));
        Ok(())
    }

    fn make_folder(&self, _: &Path, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn link(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        if held(&self.0).contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.rename(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = held(&self.0);
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        held(&self.0).remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct File(Octets);

impl DiskFile for File {
    fn stat(&self) -> io::Result<Stat> {
        Ok(of(&self.0))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let octets = held(&self.0);
        let rest = usize::try_from(offset).ok().and_then(|offset| octets.get(offset..)).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        self.read_at(buffer, offset).map(Some)
    }

    fn append(&self, octets: &[u8]) -> io::Result<()> {
        held(&self.0).extend_from_slice(octets);
        Ok(())
    }

    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<()> {
        let mut file = held(&self.0);
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start + octets.len();
        let length = file.len().max(end);
        file.resize(length, 0);
        file[start..end].copy_from_slice(octets);
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        held(&self.0).resize(usize::try_from(length).map_err(io::Error::other)?, 0);
        Ok(())
    }

    fn set_mode(&self, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_file_system(&self) -> io::Result<bool> {
        Ok(false)
    }

    fn touch(&self) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn try_record_lock(&self) -> io::Result<bool> {
        Ok(true)
    }
}

fn of(octets: &Octets) -> Stat {
    stat(Kind::File, held(octets).len() as u64)
}

fn stat(kind: Kind, size: u64) -> Stat {
    Stat { kind, device: 1, inode: 1, size, modified_ns: 0, changed_ns: 0, owner: 0, mode: 0o700 }
}

/// A panic is the end of a run, so nobody sees what one left half done.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
