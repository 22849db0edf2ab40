//! The books of a scan: which known messages were seen and where, which names are new, and what their files hold.

use std::collections::HashMap;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread::{self, available_parallelism};

use super::finder::{Finder, Sieve};
use super::layout::{message_path, split_name};
use super::reader::{is_not_regular, is_vanished, survey_file};
use super::scan::Changes;
use crate::disk::{Access, Disk, Kind, Stat};
use crate::failure::Failure;
use crate::index::known::Known;
use crate::index::{Facts, Folder};
use crate::maildrop::Warning;

/// A scan going on: any number of passes, each of `see` for all names, `was_listed` and `read_fresh`.
pub(super) struct Look<'a> {
    known: &'a Known,
    /// Positions by base name, as soon as more names have been listed than are worth being matched by themselves.
    finder: Option<Finder>,
    /// Names that have been listed and not matched.
    listed_names: Names,
    /// One for each position.
    states: Vec<State>,
    /// Positions of records that stand for the same message as a later one.
    doubles: Vec<usize>,
    /// Known messages that are not where the index says, by position.
    moved: HashMap<usize, (Folder, Vec<u8>)>,
    fresh: Vec<Fresh>,
    fresh_by_name: HashMap<Vec<u8>, usize>,
    listed: Vec<Folder>,
    /// How many entries were left out, and the first of them.
    skipped: Option<(usize, String)>,
}

/// What has been seen of a known message.
#[derive(Clone, Copy, Default)]
struct State {
    /// The last pass that showed it; 0 for none.
    pass: u8,
    has_twin: bool,
}

/// A message that the index does not know.
pub(super) struct Fresh {
    pub(super) base_name: Vec<u8>,
    pub(super) suffix: Vec<u8>,
    pub(super) folder: Folder,
    pub(super) has_twin: bool,
    pub(super) contents: Contents,
    /// The last pass that showed it.
    pass: u8,
}

/// What is known of the contents of a [`Fresh`].
pub(super) enum Contents {
    /// Not read yet, or not there when it should have been.
    Unread,
    Read(Facts),
    /// What the file is, and why its contents cannot be had.
    Unreadable(Stat, io::Error),
    NotRegular,
}

impl<'a> Look<'a> {
    pub(super) fn new(known: &'a Known) -> Self {
        Self {
            known,
            finder: None,
            listed_names: Names::default(),
            states: vec![State::default(); known.len()],
            doubles: Vec::new(),
            moved: HashMap::new(),
            fresh: Vec::new(),
            fresh_by_name: HashMap::new(),
            listed: Vec::new(),
            skipped: None,
        }
    }

    /// Notes one name of a folder.
    ///
    /// # Errors
    /// When the index cannot be read again.
    pub(super) fn see(&mut self, pass: u8, folder: Folder, name: &[u8], kind: Kind) -> io::Result<()> {
        // Maildir readers leave hidden files alone; NFS has its own there.
        if name.starts_with(b".") {
            return Ok(());
        }
        if self.finder.is_none() {
            if self.listed_names.len() < self.known.len() / FEW {
                self.listed_names.push(folder, name, kind);
                return Ok(());
            }
            self.find_all(pass)?;
        }
        let position = self.finder.as_ref().and_then(|finder| finder.find(split_name(name).0));
        self.note(pass, folder, (name, kind), position);
        Ok(())
    }

    /// Makes all messages ready to be found, because many names are listed.
    fn find_all(&mut self, pass: u8) -> io::Result<()> {
        let known = self.known;
        let mut finder = Finder::with_capacity(known.len());
        let mut names = known.base_names();
        for position in (0..known.len()).filter(|&position| !known.is_gone(position)) {
            self.doubles.extend(finder.insert(names.at(position)?, position));
        }
        let listed = std::mem::take(&mut self.listed_names);
        for (folder, name, kind) in listed.iter() {
            self.note(pass, folder, (name, kind), finder.find(split_name(name).0));
        }
        self.finder = Some(finder);
        Ok(())
    }

    /// Matches the few names that have been listed: they are made ready to be found, and all messages go past them once.
    ///
    /// # Errors
    /// When the index cannot be read again.
    pub(super) fn match_listed(&mut self, pass: u8) -> io::Result<()> {
        let listed = std::mem::take(&mut self.listed_names);
        if listed.len() == 0 {
            return Ok(());
        }
        let (mut finder, mut sieve) =
            (Finder::with_capacity(listed.len()), Sieve::with_capacity(listed.len()));
        for (number, (_, name, _)) in listed.iter().enumerate() {
            let (base_name, _) = split_name(name);
            // Of two files with one base name the later stands for both.
            finder.insert(base_name, number);
            sieve.insert(base_name);
        }
        let known = self.known;
        let mut positions = vec![None; listed.len()];
        let mut names = known.base_names();
        for position in (0..known.len()).filter(|&position| !known.is_gone(position)) {
            let base_name = names.at(position)?;
            if sieve.may_hold(base_name)
                && let Some(place) = finder.find(base_name).and_then(|number| positions.get_mut(number))
            {
                self.doubles.extend(place.replace(position));
            }
        }
        for (folder, name, kind) in listed.iter() {
            let number = finder.find(split_name(name).0);
            let position = number.and_then(|number| positions.get(number).copied().flatten());
            self.note(pass, folder, (name, kind), position);
        }
        Ok(())
    }

    /// Notes one name of a folder, which is that of the message at `position` if there is one.
    fn note(&mut self, pass: u8, folder: Folder, (name, kind): (&[u8], Kind), position: Option<usize>) {
        let (base_name, suffix) = split_name(name);
        let is_too_long = base_name.len() > NAME_OCTETS_MAX || suffix.len() > NAME_OCTETS_MAX;
        if is_too_long || matches!(kind, Kind::Folder | Kind::Other) {
            if pass == 1 {
                self.skip(folder, name);
            }
        } else if let Some(at) = position {
            self.see_known(pass, at, folder, suffix);
        } else if let Some(message) = self.fresh_by_name.get(base_name).and_then(|&at| self.fresh.get_mut(at))
        {
            message.see(pass, folder, suffix);
        } else {
            self.fresh_by_name.insert(base_name.to_vec(), self.fresh.len());
            let (base_name, suffix) = (base_name.to_vec(), suffix.to_vec());
            let contents = Contents::Unread;
            self.fresh.push(Fresh { base_name, suffix, folder, has_twin: false, contents, pass });
        }
    }

    /// Notes that all names of a folder have been seen.
    pub(super) fn was_listed(&mut self, folder: Folder) {
        if !self.listed.contains(&folder) {
            self.listed.push(folder);
        }
    }

    /// Reads the new messages that have not been read. `false` when some moved away meanwhile.
    ///
    /// # Errors
    /// When something stops more than one message from being read.
    pub(super) fn read_fresh(&mut self, disk: &dyn Disk, maildir: &Path) -> Result<bool, Failure> {
        let is_unread = |message: &&mut Fresh| matches!(message.contents, Contents::Unread);
        let mut unread: Vec<&mut Fresh> = self.fresh.iter_mut().filter(is_unread).collect();
        read_all(disk, maildir, &mut unread)?;
        let is_complete = unread.iter().all(|message| !matches!(message.contents, Contents::Unread));
        let is_odd = |message: &&mut Fresh| matches!(message.contents, Contents::NotRegular);
        let odd =
            unread.into_iter().filter(is_odd).map(|message| (message.folder, message.base_name.clone()));
        for (folder, name) in odd.collect::<Vec<_>>() {
            self.skip(folder, &name);
        }
        Ok(is_complete)
    }

    /// Whether a known message has not been seen where it should be.
    pub(super) fn misses_any(&self) -> bool {
        self.missing().next().is_some()
    }

    /// What differs from the index, and the messages it does not know.
    pub(super) fn finish(self) -> (Changes, Vec<Fresh>) {
        let mut gone: Vec<usize> = self.missing().chain(self.doubles.iter().copied()).collect();
        gone.sort_unstable();
        gone.dedup();
        let twins: Vec<_> =
            (0..).zip(&self.states).filter(|(_, state)| state.has_twin).map(|(at, _)| at).collect();
        let moved = self.moved.into_iter().map(|(at, (folder, suffix))| (at, folder, suffix)).collect();
        let warning = |(entries, example)| Warning::Skipped { entries, example };
        let changes = Changes {
            moved,
            gone,
            is_unfinished: !twins.is_empty(),
            twins,
            warnings: self.skipped.map(warning).into_iter().collect(),
            ..Changes::default()
        };
        (changes, self.fresh)
    }

    fn see_known(&mut self, pass: u8, at: usize, folder: Folder, suffix: &[u8]) {
        let (Some(state), Some(listed)) = (self.states.get_mut(at), self.known.rows().place(at)) else {
            return;
        };
        let last = self.moved.get(&at).map_or(listed, |(folder, suffix)| (*folder, suffix.as_slice()));
        if state.pass == pass {
            state.has_twin = true;
            // Which of the two is shown must not depend on the order of the list.
            if (folder, suffix) <= last {
                return;
            }
        }
        state.pass = pass;
        if (folder, suffix) == listed {
            self.moved.remove(&at);
        } else if (folder, suffix) != last {
            self.moved.insert(at, (folder, suffix.to_vec()));
        }
    }

    fn missing(&self) -> impl Iterator<Item = usize> {
        let is_listed =
            |at: usize| self.known.rows().place(at).is_some_and(|(folder, _)| self.listed.contains(&folder));
        let unseen = self.states.iter().enumerate().filter(|(_, state)| state.pass == 0).map(|(at, _)| at);
        unseen.filter(move |&at| !self.known.is_gone(at) && is_listed(at))
    }

    fn skip(&mut self, folder: Folder, name: &[u8]) {
        let example = || format!("{}/{}", folder.name(), name.escape_ascii());
        self.skipped.get_or_insert_with(|| (0, example())).0 += 1;
    }
}

/// Names of folders, in a row.
#[derive(Debug, Default)]
struct Names {
    octets: Vec<u8>,
    /// Where each ends, the folder it is in, and what it is.
    ends: Vec<(usize, Folder, Kind)>,
}

impl Names {
    fn push(&mut self, folder: Folder, name: &[u8], kind: Kind) {
        self.octets.extend_from_slice(name);
        self.ends.push((self.octets.len(), folder, kind));
    }

    const fn len(&self) -> usize {
        self.ends.len()
    }

    fn iter(&self) -> impl Iterator<Item = (Folder, &[u8], Kind)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(end, ..)| *end));
        starts.zip(&self.ends).map(|(start, (end, folder, kind))| {
            (*folder, self.octets.get(start..*end).unwrap_or_default(), *kind)
        })
    }
}

impl Fresh {
    /// Where its file was seen.
    pub(super) fn path(&self, maildir: &Path) -> PathBuf {
        message_path(maildir, self.folder, &self.base_name, &self.suffix)
    }

    fn see(&mut self, pass: u8, folder: Folder, suffix: &[u8]) {
        if self.pass == pass {
            self.has_twin = true;
            if (folder, suffix) <= (self.folder, self.suffix.as_slice()) {
                return;
            }
        }
        self.pass = pass;
        self.folder = folder;
        self.suffix = suffix.to_vec();
    }
}

/// Reads messages: many of them on all cores.
fn read_all(disk: &dyn Disk, maildir: &Path, messages: &mut [&mut Fresh]) -> Result<(), Failure> {
    let read_some = |messages: &mut [&mut Fresh]| {
        let mut buffer = Vec::new();
        messages.iter_mut().try_for_each(|message| {
            message.contents = read(disk, &message.path(maildir), &mut buffer)?;
            Ok(())
        })
    };
    let cores = available_parallelism().map_or(1, NonZero::get);
    let threads = cores.min(THREADS_MAX).min(messages.len() / MESSAGES_PER_THREAD);
    if threads < 2 {
        return read_some(messages);
    }
    let share = messages.len().div_ceil(threads);
    thread::scope(|scope| {
        let spawn = |part| thread::Builder::new().spawn_scoped(scope, move || read_some(part));
        let parts: Vec<_> = messages.chunks_mut(share).map(spawn).collect();
        let failed = |error| Failure::new("read messages of", maildir, error);
        let mut result = Ok(());
        for part in parts {
            // A part that no thread could be had for stays unread, which is an error: nothing is shown without it.
            let done = part.map_err(failed).and_then(|thread| {
                thread.join().unwrap_or_else(|_| Err(failed(io::Error::other("a thread was lost"))))
            });
            result = result.and(done);
        }
        result
    })
}

fn read(disk: &dyn Disk, path: &Path, buffer: &mut Vec<u8>) -> Result<Contents, Failure> {
    let error = match disk.open(path, Access::Read).and_then(|file| survey_file(&*file, buffer)) {
        Ok(Some(facts)) => return Ok(Contents::Read(facts)),
        Ok(None) => return Ok(Contents::NotRegular),
        Err(error) if is_vanished(&error) => return Ok(Contents::Unread),
        Err(error) if is_not_regular(&error) => return Ok(Contents::NotRegular),
        Err(error) if is_exhaustion(&error) => return Err(Failure::new("read", path, error)),
        Err(error) => error,
    };
    match disk.stat(path) {
        Ok(stat) if stat.kind == Kind::File => Ok(Contents::Unreadable(stat, error)),
        Ok(_) => Ok(Contents::NotRegular),
        Err(error) if is_vanished(&error) => Ok(Contents::Unread),
        // Not even to be seen: it is the folder that is closed to us, and with it every message.
        Err(error) => Err(Failure::new("see", path, error)),
    }
}

/// Whether it is our resources that are exhausted, so that the next message would fare no better.
fn is_exhaustion(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let ours = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS];
    ours.iter().any(|ours| error.raw_os_error() == Some(ours.raw_os_error()))
}

/// More threads than this are not for one maildrop.
const THREADS_MAX: usize = 16;

/// For fewer messages a thread is not worth its while.
const MESSAGES_PER_THREAD: usize = 256;

/// As long as fewer than one in so many names are listed, it is those that are made ready to be found.
const FEW: usize = 8;

/// The longest name of most file systems, and of a span.
const NAME_OCTETS_MAX: usize = 255;
