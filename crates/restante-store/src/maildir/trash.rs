//! The folder `restante.trash/` of a Maildir: how messages get there, how long they stay, and how they come back.
//!
//! Going there is a rename where there would be an unlink (`removal.rs`, `recovery.rs`). Whatever is wrong with the trash, the
//! message goes: then it is unlinked, and a warning says so. Coming back is a link, a sync, an unlink, so that a crash at
//! any point leaves the message in the maildrop, in the trash, or in both as one file, which the next undelete sees.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use restante_proto::maildrop::{Octets, UniqueId};
use sha2::{Digest as _, Sha256};

use super::layout::{self, TRASH, TRASH_SWEPT, message_path, split_name};
use super::scan::BOTH;
use super::{Maildirs, session, writer};
use crate::disk::{Access, Disk, Kind};
use crate::failure::Failure;
use crate::index::Folder;
use crate::maildrop::{OpenError, Warning, blocking};
use crate::trash::{self, Deleted, Entry, Form, PutBack, UndeleteError, Undeleted, Which};
use crate::unique_id::overrides::Overrides;

/// Where the messages of one removal go: into the trash, or away.
pub(super) struct Bin<'a> {
    disk: &'a dyn Disk,
    /// `None` without a trash, or when it cannot be used.
    folder: Option<PathBuf>,
    deleted_s: u64,
    /// How many messages went into the trash that are not durable there.
    unsynced: usize,
    is_resumed: bool,
    /// How many messages should be in the trash and are not, and the first reason.
    lost: usize,
    example: Option<Failure>,
    /// The trash itself cannot be used, and so none of the messages gets there.
    fault: Option<Failure>,
}

/// A file that is removed.
pub(super) struct Discarded<'a> {
    pub(super) folder: Folder,
    /// Its name there, flags included.
    pub(super) name: &'a [u8],
    /// Octets of the canonical form.
    pub(super) octets: u64,
}

impl<'a> Bin<'a> {
    /// The trash of a Maildir, made when it is missing, or nothing but unlinking when there is to be none.
    pub(super) fn new(maildirs: &'a Maildirs, maildir: &Path, now: SystemTime) -> Self {
        let (disk, settings) = (maildirs.disk(), &maildirs.settings);
        let (folder, fault) = match settings.trash.map(|_| folder(disk, maildir, settings.folder_mode)) {
            None => (None, None),
            Some(Ok(folder)) => (Some(folder), None),
            Some(Err(failure)) => (None, Some(failure)),
        };
        let deleted_s = trash::seconds(now);
        Self { disk, folder, deleted_s, unsynced: 0, is_resumed: false, lost: 0, example: None, fault }
    }

    /// The same for a removal that was interrupted: what went into the trash before that is not durable there either.
    pub(super) fn resumed(maildirs: &'a Maildirs, maildir: &Path, now: SystemTime) -> Self {
        Self { is_resumed: true, ..Self::new(maildirs, maildir, now) }
    }

    /// Takes the file at `path` away, into the trash if possible.
    ///
    /// # Errors
    /// When it is still there, or was not there.
    pub(super) fn discard(&mut self, path: &Path, file: &Discarded<'_>) -> io::Result<()> {
        let failure = match self.folder.as_deref().map(|folder| self.keep(folder, path, file)) {
            None => None,
            Some(Ok(())) => {
                self.unsynced += 1;
                return Ok(());
            }
            Some(Err(failure)) => Some(failure),
        };
        self.disk.unlink(path)?;
        if failure.is_some() || self.fault.is_some() {
            self.lost += 1;
            self.example = self.example.take().or(failure);
        }
        Ok(())
    }

    fn keep(&self, folder: &Path, path: &Path, file: &Discarded<'_>) -> Result<(), Failure> {
        let origin = letter(file.folder);
        for count in 0..NAMES_MAX {
            let entry =
                Entry { deleted_s: self.deleted_s, count, octets: file.octets, origin, name: file.name };
            let kept = folder.join(OsStr::from_bytes(&entry.file()));
            match self.disk.rename_new(path, &kept) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && count + 1 < NAMES_MAX => {}
                result => return result.map_err(Failure::at("keep a message in", folder)),
            }
        }
        Ok(())
    }

    /// Makes durable what went into the trash. To be called before the folders that the messages come from are synced.
    pub(super) fn sync(&mut self) {
        if let Some(folder) = self.folder.as_deref().filter(|_| self.unsynced > 0 || self.is_resumed)
            && let Err(error) = self.disk.sync_folder(folder)
        {
            self.lost += self.unsynced;
            self.example.get_or_insert_with(|| Failure::new("sync", folder, error));
        }
        self.unsynced = 0;
    }

    /// What the operator should know about it.
    pub(super) fn warning(self) -> Option<Warning> {
        let Self { lost, example, fault, .. } = self;
        let example = example.or(fault).filter(|_| lost > 0)?;
        Some(Warning::Trash { messages: lost, example })
    }
}

/// Whether it is time to [`sweep`]: there is a trash, and nobody has looked into it for [`SWEEP_PAUSE`].
pub(super) fn is_due(maildirs: &Maildirs, maildir: &Path, now: SystemTime) -> bool {
    let Some(kept) = maildirs.settings.trash else { return false };
    let (disk, folder) = (maildirs.disk(), maildir.join(TRASH));
    let is_recent = |swept_ns: i64| {
        let (pause, now_s) = (SWEEP_PAUSE.min(kept / 2).as_secs(), trash::seconds(now));
        // A stamp of the future is of a clock that was wrong.
        u64::try_from(swept_ns / 1_000_000_000).is_ok_and(|swept| swept <= now_s && now_s - swept < pause)
    };
    disk.stat(&folder).is_ok_and(|stat| stat.kind == Kind::Folder)
        && !disk.stat(&folder.join(TRASH_SWEPT)).is_ok_and(|stat| is_recent(stat.modified_ns))
}

/// Removes from the trash what has been there for longer than it is kept. Best effort: what stays is only room. Looks
/// into the folder once in [`SWEEP_PAUSE`], and removes at most [`SWEEP_MAX`] messages.
pub(super) fn sweep(maildirs: &Maildirs, maildir: &Path, now: SystemTime) {
    let Some(kept) = maildirs.settings.trash.filter(|_| is_due(maildirs, maildir, now)) else { return };
    let (disk, folder) = (maildirs.disk(), maildir.join(TRASH));
    let stamp = folder.join(TRASH_SWEPT);
    let Some(limit) = trash::seconds(now).checked_sub(kept.as_secs()) else { return };
    let mut old = Vec::new();
    let listed = disk.list(&folder, &mut |name, _| {
        let is_old = Entry::parse(name.as_bytes()).is_some_and(|entry| entry.deleted_s < limit);
        if is_old && old.len() <= SWEEP_MAX {
            old.push(name.to_owned());
        }
    });
    let is_done = old.len() <= SWEEP_MAX;
    for name in old.iter().take(SWEEP_MAX) {
        let _ = disk.unlink(&folder.join(name));
    }
    // Without room for the stamp the next opening looks again, which costs a list.
    if listed.is_ok() && is_done {
        let mode = maildirs.settings.file_mode;
        let _ = disk.open(&stamp, Access::AppendOrCreate(mode)).and_then(|file| file.touch());
    }
}

/// As `Store::deleted`.
pub(crate) async fn deleted(maildirs: &Arc<Maildirs>, path: &Path) -> Result<Vec<Deleted>, OpenError> {
    let (maildirs, there) = (Arc::clone(maildirs), path.to_owned());
    let result = blocking(move || deleted_now(&maildirs, &there)).await;
    result.map_err(Failure::at("open", path))?
}

/// As `Store::deleted_start`.
pub(crate) async fn deleted_start(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    deleted: &Deleted,
    octets: usize,
) -> Result<Vec<u8>, Failure> {
    let (maildirs, there, deleted) = (Arc::clone(maildirs), path.to_owned(), deleted.clone());
    let result = blocking(move || start(maildirs.disk(), &there, &deleted, octets)).await;
    result.map_err(Failure::at("open", path))?
}

/// As `Store::undelete`.
pub(crate) async fn undelete(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    which: Which,
    form: Form,
    now: SystemTime,
) -> Result<Undeleted, UndeleteError> {
    let (maildirs, there) = (Arc::clone(maildirs), path.to_owned());
    let result = blocking(move || undelete_now(&maildirs, &there, &which, form, now)).await;
    result.map_err(Failure::at("open", path))?
}

fn deleted_now(maildirs: &Maildirs, maildir: &Path) -> Result<Vec<Deleted>, OpenError> {
    maildirs.check_marker()?;
    let disk = maildirs.disk();
    Ok(list(disk, maildir, &overrides(disk, maildir)?)?)
}

fn start(disk: &dyn Disk, maildir: &Path, deleted: &Deleted, octets: usize) -> Result<Vec<u8>, Failure> {
    let path = maildir.join(TRASH).join(OsStr::from_bytes(&deleted.file));
    let read = || {
        let file = disk.open(&path, Access::Read)?;
        let mut start = vec![0; octets];
        let read = file.read_up_to(&mut start, 0)?;
        start.truncate(read);
        Ok(start)
    };
    read().map_err(Failure::at("read", &path))
}

fn undelete_now(
    maildirs: &Arc<Maildirs>,
    maildir: &Path,
    which: &Which,
    form: Form,
    now: SystemTime,
) -> Result<Undeleted, UndeleteError> {
    // With the lock; and what a crash left half removed is in the trash when this returns.
    let loaded = session::load(maildirs, maildir, now).map_err(UndeleteError::Maildrop)?;
    let disk = maildirs.disk();
    end_removals(disk, maildir, &loaded)?;
    // Without its total the maildrop is counted again; with it what comes back would not count.
    let _ = disk.unlink(&maildir.join(layout::MAILDIRSIZE));
    let overrides = overrides(disk, maildir)?;
    let mut left = list(disk, maildir, &overrides)?;
    let mut done = Undeleted::default();
    let chosen = choose(&mut left, which, &mut done.unknown);
    let index = &loaded.index;
    let places = |record: &crate::index::Record| {
        let (base, suffix) = (index.bytes(record.base), index.bytes(record.suffix));
        (base, message_path(maildir, record.folder, base, suffix))
    };
    let mut return_ = Return {
        maildirs,
        maildir,
        trash: maildir.join(TRASH),
        overrides,
        known: index.records.iter().map(places).collect(),
        leftovers: Vec::new(),
        moved: Vec::new(),
    };
    for deleted in chosen {
        return_.put_back(deleted, form, &mut done);
    }
    return_.finish(&done, &left)?;
    Ok(done)
}

/// Messages on their way back.
struct Return<'a> {
    maildirs: &'a Maildirs,
    maildir: &'a Path,
    trash: PathBuf,
    overrides: Overrides,
    /// The messages of the maildrop: base names, and where they are.
    known: HashMap<&'a [u8], PathBuf>,
    /// Names in the trash of what is in the maildrop again.
    leftovers: Vec<PathBuf>,
    /// What this undelete has put back: from where in the trash, and to where.
    moved: Vec<(PathBuf, PathBuf)>,
}

impl Return<'_> {
    fn put_back(&mut self, deleted: Deleted, form: Form, done: &mut Undeleted) {
        let Some(entry) = Entry::parse(&deleted.file) else { return };
        let from = self.trash.join(OsStr::from_bytes(&deleted.file));
        let as_it_was = (folder_of(entry.origin), entry.name.to_vec());
        let as_new = (Folder::New, self.new_name(&entry, &deleted.file));
        let is_back = |(_, name): &(Folder, Vec<u8>)| {
            self.known.get(split_name(name).0).is_some_and(|path| self.is_same(&from, path))
        };
        // A crash may have left it in both places: then it is back, in the form that was asked for then.
        let was_back = [&as_it_was, &as_new].into_iter().find(|name| is_back(name)).cloned();
        let is_done = was_back.is_some();
        let wanted = if form == Form::AsNew { as_new } else { as_it_was };
        let (folder, name) = was_back.unwrap_or(wanted);
        let base_name = split_name(&name).0;
        let Some(unique_id) = self.overrides.unique_id(base_name) else { return };
        let to = self.maildir.join(folder.name()).join(OsStr::from_bytes(&name));
        let moved = match is_done {
            true => Ok(()),
            false if self.known.contains_key(base_name) => Err(io::ErrorKind::AlreadyExists.into()),
            false => self.link(&from, &to),
        };
        match moved {
            Ok(()) => {
                if !is_done {
                    self.moved.push((from.clone(), to));
                }
                self.leftovers.push(from);
                let Deleted { unique_id: before, octets, .. } = deleted;
                done.messages.push(PutBack { before, unique_id, octets });
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => done.there.push(deleted.unique_id),
            Err(error) => {
                let failed = done.failed.get_or_insert_with(|| (0, Failure::new("put back", &to, error)));
                failed.0 += 1;
            }
        }
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        use io::ErrorKind::{PermissionDenied, TooManyLinks, Unsupported};
        match self.disk().link(from, to) {
            // A file system that knows no links.
            Err(error) if matches!(error.kind(), PermissionDenied | Unsupported | TooManyLinks) => {
                self.disk().rename_new(from, to)
            }
            result => result,
        }
    }

    /// Makes durable what is back, and only then takes it out of the trash.
    fn finish(mut self, done: &Undeleted, left: &[Deleted]) -> Result<(), UndeleteError> {
        if done.messages.is_empty() {
            return Ok(());
        }
        // Both, because other programs may have moved a message meanwhile.
        for folder in BOTH {
            let path = self.maildir.join(folder.name());
            if let Err(error) = self.disk().sync_folder(&path) {
                self.take_back();
                return Err(UndeleteError::Unsynced(Failure::new("sync", &path, error)));
            }
        }
        // What a crash between these two left in the trash a second time, and what was removed again since.
        let back: HashSet<&UniqueId> = done.messages.iter().map(|message| &message.before).collect();
        for deleted in left.iter().filter(|deleted| back.contains(&deleted.unique_id)) {
            let path = self.trash.join(OsStr::from_bytes(&deleted.file));
            if self.leftovers.iter().any(|other| self.is_same(&path, other)) {
                self.leftovers.push(path);
            }
        }
        for path in &self.leftovers {
            // By a rename it is gone already. If it stays, the next undelete sees that it is in the maildrop.
            let _ = self.disk().unlink(path);
        }
        let trash = &self.trash;
        self.disk().sync_folder(trash).map_err(Failure::at("sync", trash)).map_err(UndeleteError::Unsynced)
    }

    /// Leaves in the trash alone what could not be made durable in the maildrop: nobody may be shown a message that a crash takes
    /// away again. Best effort, since the disk fails; what stays in both places is one file, which the next undelete sees.
    fn take_back(&self) {
        for (from, to) in &self.moved {
            let _ = match self.disk().stat(from) {
                Ok(_) => self.disk().unlink(to),
                // It was renamed, on a file system that knows no links.
                Err(_) => self.disk().rename_new(to, from),
            };
        }
    }

    /// A name that no other message ever had, and the same one again when a crash makes us ask again: made of the name in
    /// the trash, which no two removals share.
    fn new_name(&self, entry: &Entry<'_>, file: &[u8]) -> Vec<u8> {
        let digest = Sha256::digest(file);
        let chance = digest.iter().take(16).fold(String::new(), |hex, octet| hex + &format!("{octet:02x}"));
        writer::with_host(self.maildirs, format!("{}.R{chance}", entry.deleted_s)).into_bytes()
    }

    fn is_same(&self, one: &Path, other: &Path) -> bool {
        let inode = |path: &Path| self.disk().stat(path).map(|stat| stat.inode).ok();
        inode(one).is_some() && inode(one) == inode(other)
    }

    fn disk(&self) -> &dyn Disk {
        self.maildirs.disk()
    }
}

/// Makes sure that no crash brings up an index that knows a removal as unfinished: it would be finished again, on what was
/// put back. An index that cannot be trusted with that is removed; it is a cache.
fn end_removals(disk: &dyn Disk, maildir: &Path, loaded: &session::Loaded) -> Result<(), Failure> {
    let path = maildir.join(layout::INDEX);
    let is_ended = loaded.index.pending.is_empty() || !loaded.lacks_index;
    match disk.open(&path, Access::Append) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(file) if is_ended && file.sync().is_ok() => return Ok(()),
        _ => {}
    }
    match disk.unlink(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::new("replace", &path, error)),
        _ => disk.sync_folder(maildir).map_err(Failure::at("sync", maildir)),
    }
}

/// Takes those that are to be put back out of all that are there: of several with one unique-id the one that was removed last.
fn choose(all: &mut Vec<Deleted>, which: &Which, unknown: &mut Vec<UniqueId>) -> Vec<Deleted> {
    let wanted: HashSet<&UniqueId> = match which {
        Which::UniqueIds(unique_ids) => unique_ids.iter().collect(),
        Which::All | Which::Since(_) => HashSet::new(),
    };
    let is_chosen = |deleted: &Deleted| match which {
        Which::All => true,
        Which::Since(time) => deleted.when >= *time,
        Which::UniqueIds(_) => wanted.contains(&deleted.unique_id),
    };
    let mut seen = HashSet::new();
    let (mut chosen, mut left) = (Vec::new(), Vec::new());
    for deleted in std::mem::take(all).into_iter().rev() {
        let is_latest = seen.insert(deleted.unique_id.clone());
        if is_latest && is_chosen(&deleted) { chosen.push(deleted) } else { left.push(deleted) }
    }
    if let Which::UniqueIds(unique_ids) = which {
        let mut asked = HashSet::new();
        unknown.extend(unique_ids.iter().filter(|id| asked.insert(*id) && !seen.contains(*id)).cloned());
    }
    chosen.reverse();
    *all = left;
    chosen
}

/// What is in the trash, oldest first. Nothing when there is no trash.
fn list(disk: &dyn Disk, maildir: &Path, overrides: &Overrides) -> Result<Vec<Deleted>, Failure> {
    let path = maildir.join(TRASH);
    let mut all = Vec::new();
    let listed = disk.list(&path, &mut |name, kind| {
        if matches!(kind, Kind::File | Kind::Unknown)
            && let Some(entry) = Entry::parse(name.as_bytes())
            && let Some(unique_id) = overrides.unique_id(split_name(entry.name).0)
        {
            let (when, octets, file) = (entry.when(), Octets::new(entry.octets), name.as_bytes().to_vec());
            all.push((entry.count, Deleted { when, unique_id, octets, file }));
        }
    });
    match listed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        result => result.map_err(Failure::at("list", &path))?,
    }
    all.sort_by(|(count_a, a), (count_b, b)| (a.when, count_a, &a.file).cmp(&(b.when, count_b, &b.file)));
    // A folder that changes while it is listed may show a name twice.
    all.dedup();
    Ok(all.into_iter().map(|(_, deleted)| deleted).collect())
}

/// The trash, made when it is missing. It must be a folder and no link to one, or a message could be sent anywhere.
fn folder(disk: &dyn Disk, maildir: &Path, mode: u32) -> Result<PathBuf, Failure> {
    let path = maildir.join(TRASH);
    let stat = match disk.stat(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match disk.make_folder(&path, mode) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Failure::new("make", &path, error));
                }
                _ => disk.sync_folder(maildir).map_err(Failure::at("sync", maildir))?,
            }
            disk.stat(&path)
        }
        result => result,
    };
    match stat.map_err(Failure::at("see", &path))?.kind {
        Kind::Folder => Ok(path),
        _ => Err(Failure::new("open", &path, io::Error::from(io::ErrorKind::NotADirectory))),
    }
}

fn overrides(disk: &dyn Disk, maildir: &Path) -> Result<Overrides, Failure> {
    let path = maildir.join(layout::UNIQUE_IDS);
    Overrides::load(disk, &path).map_err(Failure::at("read", &path))
}

/// The origin that stands for a folder in the trash.
const fn letter(folder: Folder) -> u8 {
    match folder {
        Folder::New => b'n',
        Folder::Cur => b'c',
    }
}

const fn folder_of(origin: u8) -> Folder {
    if origin == b'n' { Folder::New } else { Folder::Cur }
}

/// Messages of one name that are removed within one second: more than that is something else.
const NAMES_MAX: u32 = 100;

/// The trash is looked through no more often than this, or half of the time that messages are kept.
const SWEEP_PAUSE: Duration = Duration::from_secs(6 * 60 * 60);

/// So many messages are removed from the trash in one opening.
const SWEEP_MAX: usize = 1000;
