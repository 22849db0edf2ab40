//! The books of a scan: which known messages were seen and where, which names are new, and what their files hold.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::finder::Finder;
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
    /// Positions by base name.
    finder: Finder,
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
    /// # Errors
    /// When the index cannot be read again.
    pub(super) fn new(known: &'a Known) -> io::Result<Self> {
        let mut finder = Finder::with_capacity(known.len());
        let mut doubles = Vec::new();
        let mut names = known.base_names();
        for position in (0..known.len()).filter(|&position| !known.is_gone(position)) {
            doubles.extend(finder.insert(names.at(position)?, position));
        }
        Ok(Self {
            known,
            finder,
            states: vec![State::default(); known.len()],
            doubles,
            moved: HashMap::new(),
            fresh: Vec::new(),
            fresh_by_name: HashMap::new(),
            listed: Vec::new(),
            skipped: None,
        })
    }

    /// Notes one name of a folder.
    pub(super) fn see(&mut self, pass: u8, folder: Folder, name: &[u8], kind: Kind) {
        // Maildir readers leave hidden files alone; NFS has its own there.
        if name.starts_with(b".") {
            return;
        }
        let (base_name, suffix) = split_name(name);
        let is_too_long = base_name.len() > NAME_OCTETS_MAX || suffix.len() > NAME_OCTETS_MAX;
        if is_too_long || matches!(kind, Kind::Folder | Kind::Other) {
            if pass == 1 {
                self.skip(folder, name);
            }
        } else if let Some(at) = self.finder.find(base_name) {
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
        let mut buffer = Vec::new();
        let mut is_complete = true;
        for at in 0..self.fresh.len() {
            let Some(message) = self.fresh.get_mut(at) else { break };
            if matches!(message.contents, Contents::Unread) {
                message.contents = read(disk, &message.path(maildir), &mut buffer)?;
                is_complete &= !matches!(message.contents, Contents::Unread);
                if matches!(message.contents, Contents::NotRegular) {
                    let (folder, name) = (message.folder, message.base_name.clone());
                    self.skip(folder, &name);
                }
            }
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

/// The longest name of most file systems, and of a span.
const NAME_OCTETS_MAX: usize = 255;
