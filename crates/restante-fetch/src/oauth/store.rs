//! The files of grants: `STATE/tokens/<account>`, sealed, replaced as a whole.
//!
//! | step of a refresh | a crash leaves |
//! |---|---|
//! | the lock is taken, room is made and synced (`.<account>.new`) | the old grant; room that the next one makes anew |
//! | the provider is asked | the old grant. What it answered is lost: whether the old refresh token still does is the provider's to say |
//! | the new grant is written into the room and synced | the old grant, as above |
//! | it is renamed over the old one, the folder synced | the old grant, or the new one whole |
//! | only now is the access token given to anybody | the new grant |
//!
//! Room is made before the provider is asked because a full disk must be found out before the old refresh token is used up.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use restante_proto::secret::Secret;
use restante_store::disk::{Access, Disk, DiskFile};

use super::error::TokenError;
use super::grant::Grant;
use super::seal::{self, Key, SALT_OCTETS};
use crate::failure::Failure;
use crate::folders;
use crate::journal::Journal;
use crate::secret::{FileFault, SecretError, read_file};

/// Where grants are kept. Cloning shares it.
#[derive(Clone, Debug)]
pub struct TokenStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    key_file: PathBuf,
    /// What `token_key` told.
    told: Option<Key>,
}

/// The right to change one account's grant. Nobody else has it meanwhile, in this process or another.
#[derive(Debug)]
pub struct Locked<'a> {
    store: &'a Inner,
    account: &'a str,
    /// Its lock goes with it.
    _file: Box<dyn DiskFile>,
}

/// A file that is as large as a grant can be, so that writing it needs no more room.
#[derive(Debug)]
pub struct Room<'a> {
    locked: &'a Locked<'a>,
    path: PathBuf,
}

impl TokenStore {
    /// In this state folder. With a told key (`token_key` of fetch.toml) files are sealed with that, else with that of a
    /// key file beside the folder, which is made when first needed.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, state: &Path, told: Option<Secret>) -> Self {
        let (folder, key_file) = (state.join("tokens"), state.join("token-key"));
        Self(Arc::new(Inner { disk, folder, key_file, told: told.map(Key::Told) }))
    }

    /// The grant of an account; `None` when nobody has logged it in.
    ///
    /// # Errors
    /// When its file cannot be read or unsealed, or the key cannot be had.
    pub fn load(&self, account: &str) -> Result<Option<Grant>, TokenError> {
        self.0.load(account)
    }

    /// Waits for the right to change an account's grant, for a minute at most. `pause` lets time pass.
    ///
    /// # Errors
    /// [`TokenError::Busy`] after that, or when the lock's file cannot be made.
    pub fn lock<'a>(&'a self, account: &'a str, pause: &dyn Fn(Duration)) -> Result<Locked<'a>, TokenError> {
        let inner = &*self.0;
        folders::make(&*inner.disk, &inner.folder).map_err(folder_failed)?;
        let path = inner.folder.join(format!(".{}.lock", Journal::folder_name(account)));
        let file =
            inner.disk.open(&path, Access::AppendOrCreate(FILE_MODE)).map_err(failed("open", &path))?;
        wait_for(&*file, &path, pause)?
            .then_some(Locked { store: inner, account, _file: file })
            .ok_or_else(|| TokenError::Busy { account: account.to_owned() })
    }
}

impl<'a> Locked<'a> {
    /// The grant as it is now.
    ///
    /// # Errors
    /// As [`TokenStore::load`].
    pub fn load(&self) -> Result<Option<Grant>, TokenError> {
        self.store.load(self.account)
    }

    /// Makes room for a new grant; durable on return.
    ///
    /// # Errors
    /// As the file system says, or when there is no key to seal with.
    pub fn make_room(&'a self) -> Result<Room<'a>, TokenError> {
        let disk = &*self.store.disk;
        if self.store.is_first(self.account)? {
            folders::sync_above(disk, &self.store.folder).map_err(folder_failed)?;
        }
        // A missing or wrong key has to be found out before the old refresh token is used up, too.
        self.store.key_or_new()?;
        let path = self.store.folder.join(format!(".{}.new", Journal::folder_name(self.account)));
        unlink(disk, &path)?;
        let file = disk.open(&path, Access::CreateNew(FILE_MODE)).map_err(failed("make", &path))?;
        file.append(&[0; ROOM_OCTETS]).map_err(failed("write", &path))?;
        file.sync().map_err(failed("sync", &path))?;
        Ok(Room { locked: self, path })
    }

    /// Forgets the grant; durable on return.
    ///
    /// # Errors
    /// As the file system says.
    pub fn forget(&self) -> Result<(), TokenError> {
        let disk = &*self.store.disk;
        unlink(disk, &self.store.path(self.account))?;
        disk.sync_folder(&self.store.folder).map_err(failed("sync", &self.store.folder))
    }
}

impl Room<'_> {
    /// Puts the new grant in place of the old one; durable on return. On an error the old one is still there, or the new one,
    /// and the room may be filled again.
    ///
    /// # Errors
    /// As the file system says.
    pub fn fill(&self, grant: &Grant) -> Result<(), TokenError> {
        let store = self.locked.store;
        let (disk, account) = (&*store.disk, self.locked.account);
        let mut chance = [0; SALT_OCTETS];
        getrandom::fill(&mut chance).map_err(|_| TokenError::NoChance)?;
        let sealed = match &store.told {
            Some(key) => seal::seal(key, chance, account, &grant.to_octets())?,
            None => seal::seal(&store.key_or_new()?, chance, account, &grant.to_octets())?,
        };
        let file = disk.open(&self.path, Access::Write).map_err(failed("open", &self.path))?;
        file.write_at(&sealed, 0).map_err(failed("write", &self.path))?;
        file.truncate(sealed.len() as u64).map_err(failed("write", &self.path))?;
        file.sync().map_err(failed("sync", &self.path))?;
        disk.rename(&self.path, &store.path(account)).map_err(failed("rename", &self.path))?;
        disk.sync_folder(&store.folder).map_err(failed("sync", &store.folder))
    }
}

impl Inner {
    fn path(&self, account: &str) -> PathBuf {
        self.folder.join(Journal::folder_name(account))
    }

    /// Whether the account has no grant yet.
    fn is_first(&self, account: &str) -> Result<bool, TokenError> {
        let path = self.path(account);
        match self.disk.stat(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            stat => stat.map(|_| false).map_err(failed("see", &path)),
        }
    }

    fn load(&self, account: &str) -> Result<Option<Grant>, TokenError> {
        let path = self.path(account);
        let Some(sealed) = read_whole(&*self.disk, &path)? else { return Ok(None) };
        let damaged = || TokenError::Sealed { path: path.clone(), account: account.to_owned() };
        let plain = match &self.told {
            Some(key) => seal::open(key, account, &sealed),
            None => {
                let key = self.key()?.ok_or_else(damaged)?;
                seal::open(&key, account, &sealed)
            }
        };
        let plain = plain.map_err(|_| damaged())?;
        Grant::from_octets(plain.expose()).map(Some).ok_or_else(damaged)
    }

    /// The key of the key file, if that is there.
    fn key(&self) -> Result<Option<Key>, TokenError> {
        let secret = match read_file(&*self.disk, &self.key_file) {
            Err(SecretError::File { fault: FileFault::Io(error), .. })
                if error.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(None);
            }
            secret => secret?,
        };
        let digits = secret.expose().strip_suffix(b"\n").unwrap_or_else(|| secret.expose());
        let is_key = digits.len() == 2 * KEY_OCTETS && digits.iter().all(u8::is_ascii_hexdigit);
        if !is_key {
            return Err(TokenError::Key(self.key_file.clone()));
        }
        Ok(Some(Key::File(Secret::new(digits.to_vec()))))
    }

    /// The key, made when there is none; durable on return.
    fn key_or_new(&self) -> Result<Key, TokenError> {
        if let Some(Key::Told(secret)) = &self.told {
            return Ok(Key::Told(Secret::new(secret.expose().to_vec())));
        }
        if let Some(key) = self.key()? {
            return Ok(key);
        }
        let mut chance = [0; KEY_OCTETS];
        getrandom::fill(&mut chance).map_err(|_| TokenError::NoChance)?;
        let text = hexadecimal(&chance);
        let disk = &*self.disk;
        let mut salt = [0; 8];
        getrandom::fill(&mut salt).map_err(|_| TokenError::NoChance)?;
        let name = format!("token-key.{}", String::from_utf8_lossy(hexadecimal(&salt).expose()).trim_end());
        let new = self.key_file.with_file_name(name);
        let file = disk.open(&new, Access::CreateNew(FILE_MODE)).map_err(failed("make", &new))?;
        file.append(text.expose()).map_err(failed("write", &new))?;
        file.sync().map_err(failed("sync", &new))?;
        let folder = self.key_file.parent().unwrap_or(&self.folder);
        match disk.rename_new(&new, &self.key_file) {
            // Another account's login was as quick: its key counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => unlink(disk, &new)?,
            renamed => renamed.map_err(failed("rename", &new))?,
        }
        disk.sync_folder(folder).map_err(failed("sync", folder))?;
        self.key()?.ok_or_else(|| TokenError::Key(self.key_file.clone()))
    }
}

/// Octets as digits and a line end.
fn hexadecimal(octets: &[u8]) -> Secret {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(2 * octets.len() + 1);
    for octet in octets {
        text.extend([octet >> 4, octet & 15].iter().filter_map(|digit| DIGITS.get(usize::from(*digit))));
    }
    text.push(b'\n');
    Secret::new(text)
}

/// Waits for a lock; `false` when that took too long.
fn wait_for(file: &dyn DiskFile, path: &Path, pause: &dyn Fn(Duration)) -> Result<bool, TokenError> {
    for _ in 0..LOCK_TRIES {
        if file.try_lock().map_err(failed("lock", path))? {
            return Ok(true);
        }
        pause(LOCK_PAUSE);
    }
    Ok(false)
}

fn unlink(disk: &dyn Disk, path: &Path) -> Result<(), TokenError> {
    match disk.unlink(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// All of a file; `None` when there is none.
fn read_whole(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, TokenError> {
    let file = match disk.open(path, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed("open", path))?,
    };
    let mut octets = vec![0; GRANT_OCTETS_MAX];
    let read = file.read_up_to(&mut octets, 0).map_err(failed("read", path))?;
    octets.truncate(read);
    Ok(Some(octets))
}

fn folder_failed(failure: Failure) -> TokenError {
    let (doing, path, cause) = failure.into_parts();
    TokenError::File { doing, path, cause }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TokenError {
    move |cause| TokenError::File { doing, path: path.to_owned(), cause }
}

const FILE_MODE: u32 = 0o600;
const KEY_OCTETS: usize = 32;
/// A grant has two to six kilobytes: tokens have up to 2 KiB, and its form some hundred octets.
const ROOM_OCTETS: usize = 16 * 1024;
/// No grant is longer: an answer has an end (see `http`).
const GRANT_OCTETS_MAX: usize = 1024 * 1024;
/// A minute: a refresh takes half of that at most.
const LOCK_TRIES: usize = 600;
const LOCK_PAUSE: Duration = Duration::from_millis(100);
