//! A Maildir: messages are renamed from its `tmp/` into its `new/`, whole and synced, under a name that tells which message it is.
//!
//! A batch goes through the same steps together: all contents are made durable, all names are given, the folder is made durable, all are
//! answered. Other programs see a message when it is whole. `look` finds what is there by the marks in the names.

mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use restante_store::disk::{Access, Disk};

use super::{Fault, LineEnds, Message, Sink, SinkId, contents, mode};
use crate::failure::Failure;

/// How a Maildir is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The Maildir.
    pub path: PathBuf,
    /// A folder of it to deliver to, in the manner of Maildir++: `Lists.rust` is `.Lists.rust` beside its `new/`.
    pub folder: Option<String>,
    /// Maildirs elsewhere into which a mail program may have moved a message.
    pub look_in: Vec<PathBuf>,
    /// The permissions of messages, at most 0666, whatever the umask; folders that are made get those that belong to it. Without,
    /// both are for their owner alone.
    pub mode: Option<u32>,
    /// So many files are synced at a time: a file system commits for all who wait for it. At least 1.
    pub files_at_once: usize,
}

impl Settings {
    /// The Maildir itself, and nothing special.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            folder: None,
            look_in: Vec::new(),
            mode: None,
            files_at_once: FILES_AT_ONCE,
        }
    }
}

/// A Maildir that takes messages.
#[derive(Debug)]
pub struct Maildir {
    id: SinkId,
    disk: Arc<dyn Disk>,
    settings: Settings,
    /// The Maildir, or the folder of it.
    place: PathBuf,
    new: PathBuf,
    tmp: PathBuf,
    /// What was here when that was asked first. What came later came through this sink, and is in doubt for nobody.
    found: OnceLock<BTreeMap<Box<str>, PathBuf>>,
}

impl Maildir {
    /// Opens a Maildir, and makes what is missing of it (0700 or as [`Settings::mode`] says, durable). The folder that it lies in must be there: a disk that is not
    /// mounted is not to be filled up below its mount point.
    ///
    /// # Errors
    /// When it is not there and cannot be made, or is not what it should be.
    pub fn open(disk: Arc<dyn Disk>, settings: Settings) -> Result<Self, Failure> {
        let mut place = settings.path.clone();
        make_maildir(&*disk, &place, settings.mode)?;
        if let Some(folder) = &settings.folder {
            if folder.is_empty() || folder.contains('/') || folder.split('.').any(str::is_empty) {
                let odd = io::Error::new(io::ErrorKind::InvalidInput, "no folder of a Maildir is called so");
                return Err(Failure::new("use", Path::new(folder), odd));
            }
            place.push(format!(".{folder}"));
            make_maildir(&*disk, &place, settings.mode)?;
        }
        let (new, tmp) = (place.join("new"), place.join("tmp"));
        let id = SinkId(format!("maildir:{}", place.display()).into());
        Ok(Self { id, disk, settings, place, new, tmp, found: OnceLock::new() })
    }

    /// The marks of all messages that are still here: in `new/` and `cur/`, in the folders of the Maildir, and in the Maildirs that
    /// [`Settings::look_in`] names, whatever flags they have. For the policy that keeps a message on the server while it is here.
    ///
    /// # Errors
    /// When a folder cannot be listed: then nobody knows what is not here.
    pub fn marks(&self) -> Result<BTreeSet<Box<str>>, Failure> {
        look::marks(&*self.disk, &self.roots())
    }

    /// Where messages of this sink may be by now.
    fn roots(&self) -> Vec<PathBuf> {
        let elsewhere = self.settings.look_in.iter().cloned();
        std::iter::once(self.settings.path.clone()).chain(elsewhere).collect()
    }

    /// Finds those that may have been delivered before, and answers for them.
    fn answer_known(&self, messages: &[Message<'_>], answers: &mut [Option<Result<(), Fault>>]) {
        if !messages.iter().any(|message| message.is_doubtful) {
            return;
        }
        let found = self.found();
        let mut synced: BTreeSet<&Path> = BTreeSet::new();
        for (message, answer) in messages.iter().zip(answers).filter(|(message, _)| message.is_doubtful) {
            let place = match &found {
                Ok(found) => found.get(message.key.mark(message.account).as_str()),
                Err(failure) => {
                    *answer = Some(Err(Fault::Later(failure.to_string())));
                    continue;
                }
            };
            let Some(folder) = place else { continue };
            // An earlier try may have stopped between giving the name and making it durable.
            *answer = Some(if synced.contains(folder.as_path()) {
                Ok(())
            } else {
                self.disk.sync_folder(folder).map_err(|error| Failure::new("sync", folder, error).into())
            });
            if answer == &Some(Ok(())) {
                synced.insert(folder);
            }
        }
    }

    /// Where messages are by their marks. A folder may be large, and a first pass asks for every batch.
    fn found(&self) -> Result<&BTreeMap<Box<str>, PathBuf>, Failure> {
        if let Some(found) = self.found.get() {
            return Ok(found);
        }
        let found = look::places(&*self.disk, &self.roots())?;
        Ok(self.found.get_or_init(|| found))
    }

    /// Makes the contents of the files durable, and answers for those that cannot be.
    fn sync_contents(&self, messages: &[Message<'_>], answers: &mut [Option<Result<(), Fault>>]) {
        let open: Vec<usize> = (0..messages.len()).filter(|&at| answers.get(at) == Some(&None)).collect();
        let paths: Vec<&Path> =
            open.iter().filter_map(|&at| messages.get(at)).map(|each| each.path).collect();
        let synced = self.sync_each(&paths);
        for (at, synced) in open.into_iter().zip(synced) {
            if let (Err(fault), Some(answer)) = (synced, answers.get_mut(at)) {
                *answer = Some(Err(fault));
            }
        }
    }

    /// Syncs every file by itself, several at a time.
    fn sync_each(&self, paths: &[&Path]) -> Vec<Result<(), Fault>> {
        let threads = self.settings.files_at_once.min(paths.len());
        let sync = |path: &Path| -> Result<(), Fault> {
            let file = self.disk.open(path, Access::Read).map_err(Failure::at("open", path))?;
            Ok(file.sync().map_err(Failure::at("sync", path))?)
        };
        if threads <= 1 {
            return paths.iter().map(|path| sync(path)).collect();
        }
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let at = next.fetch_add(1, Ordering::Relaxed)
                && let Some(path) = paths.get(at)
            {
                done.push((at, sync(path)));
            }
            done
        };
        let mut results: Vec<Option<Result<(), Fault>>> = vec![None; paths.len()];
        let mut note = |done: Vec<(usize, Result<(), Fault>)>| {
            for (at, result) in done {
                if let Some(place) = results.get_mut(at) {
                    *place = Some(result);
                }
            }
        };
        std::thread::scope(|scope| {
            let spawn = |_| std::thread::Builder::new().name("sync".into()).spawn_scoped(scope, work);
            // A machine without room for threads still has this one.
            let others: Vec<_> = (1..threads).map_while(|nth| spawn(nth).ok()).collect();
            note(work());
            others.into_iter().filter_map(|other| other.join().ok()).for_each(&mut note);
        });
        let lost = || Err(Fault::Later("the sync was interrupted".into()));
        results.into_iter().map(|result| result.unwrap_or_else(lost)).collect()
    }

    /// Gives a message its name in `new/`.
    fn publish(&self, message: &Message<'_>) -> Result<Published, Failure> {
        let to = self.new.join(message.name);
        let is_own = message.path.parent() == Some(&self.tmp);
        let named = match message.line_ends {
            LineEnds::Crlf => return self.copy(message, &to),
            LineEnds::Lf if is_own => self.disk.rename_new(message.path, &to),
            // A second name has the permissions of the first.
            LineEnds::Lf if !self.fits(message.path) => return self.copy(message, &to),
            LineEnds::Lf => self.disk.link(message.path, &to),
        };
        match named {
            Ok(()) => Ok(Published::Named(to)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Published::WasThere),
            Err(_) if !is_own => self.copy(message, &to),
            Err(error) => Err(Failure::new("deliver to", &to, error)),
        }
    }

    /// Whether a file has the permissions that messages have here.
    fn fits(&self, path: &Path) -> bool {
        self.disk.stat(path).is_ok_and(|stat| mode::fits(stat.mode, self.settings.mode))
    }

    /// For a message that is on another file system, has other permissions, or stored otherwise than a Maildir wants it.
    fn copy(&self, message: &Message<'_>, to: &Path) -> Result<Published, Failure> {
        let disk = &*self.disk;
        // Its own name, so that it replaces what an earlier try has left.
        let path = self.tmp.join(message.name);
        let _ = disk.unlink(&path);
        let permissions = self.settings.mode.unwrap_or(mode::PRIVATE);
        let file = disk.open(&path, Access::CreateNew(permissions)).map_err(Failure::at("make", &path))?;
        let settled = mode::settle(&*file, self.settings.mode).map_err(Failure::at("set the mode of", &path));
        let written = settled.and_then(|()| {
            contents::read(disk, message, LineEnds::Lf, |octets| {
                file.append(octets).map_err(Failure::at("write", &path))
            })
        });
        let named =
            written.and_then(|()| file.sync().map_err(Failure::at("sync", &path))).and_then(|()| match disk
                .rename_new(&path, to)
            {
                Ok(()) => Ok(Published::Named(to.to_owned())),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Published::WasThere),
                Err(error) => Err(Failure::new("deliver to", to, error)),
            });
        if !matches!(named, Ok(Published::Named(_))) {
            let _ = disk.unlink(&path);
        }
        named
    }
}

/// What became of a message that was to have its name.
enum Published {
    /// It has it.
    Named(PathBuf),
    /// It has had it before.
    WasThere,
}

impl Sink for Maildir {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn spool(&self) -> Option<PathBuf> {
        Some(self.tmp.clone())
    }

    fn spool_mode(&self) -> Option<u32> {
        self.settings.mode
    }

    fn deliver(&mut self, messages: &[Message<'_>]) -> Vec<Result<(), Fault>> {
        let mut answers: Vec<Option<Result<(), Fault>>> = vec![None; messages.len()];
        self.answer_known(messages, &mut answers);
        self.sync_contents(messages, &mut answers);

        let mut named: Vec<(usize, Published)> = Vec::with_capacity(messages.len());
        for (at, (message, answer)) in messages.iter().zip(&mut answers).enumerate() {
            if answer.is_none() {
                match self.publish(message) {
                    Ok(published) => named.push((at, published)),
                    Err(failure) => *answer = Some(Err(failure.into())),
                }
            }
        }
        let synced = match named.is_empty() {
            true => Ok(()),
            false => self.disk.sync_folder(&self.new).map_err(Failure::at("sync", &self.new)),
        };
        for (at, published) in named {
            let answer = match (&synced, published) {
                (Ok(()), _) => Ok(()),
                (Err(failure), published) => {
                    // It is said not to be there, so it should not be. Where it stays, because somebody has read it already, the
                    // next try finds it by its mark.
                    if let Published::Named(path) = published {
                        let _ = self.disk.unlink(&path);
                    }
                    Err(Fault::Later(failure.to_string()))
                }
            };
            if let Some(place) = answers.get_mut(at) {
                *place = Some(answer);
            }
        }
        let unanswered = || Err(Fault::Later(format!("{} has not answered", self.place.display())));
        answers.into_iter().map(|answer| answer.unwrap_or_else(unanswered)).collect()
    }
}

/// Makes what is missing of a Maildir. `cur/` comes last, so that where it is, all else was durable before.
fn make_maildir(disk: &dyn Disk, path: &Path, mode: Option<u32>) -> Result<(), Failure> {
    let sync = |path: &Path| disk.sync_folder(path).map_err(Failure::at("sync", path));
    let cur = path.join("cur");
    if disk.stat(&cur).is_err() {
        make_folder(disk, path, mode)?;
        sync(path.parent().unwrap_or(path))?;
    }
    let is_new = make_folder(disk, &path.join("tmp"), mode)? | make_folder(disk, &path.join("new"), mode)?;
    if is_new || disk.stat(&cur).is_err() {
        sync(path)?;
        make_folder(disk, &cur, mode)?;
        sync(path)?;
    }
    Ok(())
}

/// Whether it was missing. `mode` is that of messages; a folder that is there keeps its own.
fn make_folder(disk: &dyn Disk, path: &Path, mode: Option<u32>) -> Result<bool, Failure> {
    let mode = mode.map(mode::of_folder);
    match disk.make_folder(path, mode.unwrap_or(0o700)) {
        Ok(()) if mode.is_none() => Ok(true),
        Ok(()) => {
            let made = disk.open(path, Access::Read).and_then(|folder| mode::settle(&*folder, mode));
            made.map(|()| true).map_err(Failure::at("set the mode of", path))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Failure::new("make", path, error)),
    }
}

/// Measured on ext4 with batches of 64 messages of 4 KiB, microseconds a message: 5,200 one by one, 230 to 530 with 4, 280 to 410
/// with 8, 120 to 230 with 16, 90 to 110 with 32. One sync of the whole file system took 190 to 340 and waits for all that others
/// write there (docs/design/0006-shared-syncs.md), so it is not used.
const FILES_AT_ONCE: usize = 32;

#[cfg(test)]
mod tests;
