//! Which names stand for which files: as programs see them, and as a crash may leave them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use super::Aftermath;
use crate::dice::Dice;

/// The number of a file or folder.
pub(super) type Inode = u64;

/// A folder and a name in it, and what that stands for.
pub(super) type Entries = BTreeMap<(Inode, OsString), Inode>;

/// All names of a disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// As programs see them.
    seen: Entries,
    /// As they were before the first change in `changes`.
    durable: Entries,
    /// Since then, in order.
    changes: Vec<Change>,
}

/// One change, which happens whole or not at all.
///
/// Also a rename, in two folders: every file system that mail is trusted to (ext4, XFS, btrfs, ZFS, F2FS, and NFS servers on them)
/// writes both halves in one transaction of its journal or tree, and POSIX asks it of what programs see.
#[derive(Clone, Debug)]
struct Change {
    steps: Vec<Step>,
    at_ns: i64,
    is_durable: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Set(Inode, OsString, Inode),
    Clear(Inode, OsString),
}

impl Step {
    const fn folder(&self) -> Inode {
        match self {
            Self::Set(folder, ..) | Self::Clear(folder, _) => *folder,
        }
    }

    fn apply(&self, entries: &mut Entries) {
        match self {
            Self::Set(folder, name, inode) => drop(entries.insert((*folder, name.clone()), *inode)),
            Self::Clear(folder, name) => drop(entries.remove(&(*folder, name.clone()))),
        }
    }
}

impl Change {
    fn touches(&self, folder: Inode) -> bool {
        self.steps.iter().any(|step| step.folder() == folder)
    }

    fn apply(&self, entries: &mut Entries) {
        self.steps.iter().for_each(|step| step.apply(entries));
    }
}

/// The names that a crash has left.
pub(super) struct Remains {
    pub(super) entries: Entries,
    /// Folders of which only a part of the changes is left, and the time of the last of them when those before it are all
    /// there.
    pub(super) times: BTreeMap<Inode, Option<i64>>,
}

impl Names {
    /// Names that were there before anything began.
    pub(super) fn durable(entries: Entries) -> Self {
        Self { seen: entries.clone(), durable: entries, changes: Vec::new() }
    }

    pub(super) fn find(&self, folder: Inode, name: &OsStr) -> Option<Inode> {
        self.seen.get(&(folder, name.to_owned())).copied()
    }

    /// The names in a folder.
    pub(super) fn of(&self, folder: Inode) -> impl Iterator<Item = (&OsStr, Inode)> {
        let all = self.seen.range((folder, OsString::new())..(folder + 1, OsString::new()));
        all.map(|((_, name), &inode)| (name.as_os_str(), inode))
    }

    /// How many names a file has.
    pub(super) fn count(&self, inode: Inode) -> usize {
        self.seen.values().filter(|&&other| other == inode).count()
    }

    pub(super) fn set(&mut self, (folder, name): (Inode, &OsStr), inode: Inode, at_ns: i64) {
        self.change(vec![Step::Set(folder, name.to_owned(), inode)], at_ns);
    }

    pub(super) fn clear(&mut self, (folder, name): (Inode, &OsStr), at_ns: i64) {
        self.change(vec![Step::Clear(folder, name.to_owned())], at_ns);
    }

    pub(super) fn rename(&mut self, from: (Inode, &OsStr), to: (Inode, &OsStr), inode: Inode, at_ns: i64) {
        let clear = Step::Clear(from.0, from.1.to_owned());
        self.change(vec![clear, Step::Set(to.0, to.1.to_owned(), inode)], at_ns);
    }

    /// Makes the names in a folder durable.
    pub(super) fn sync(&mut self, folder: Inode) {
        self.changes.iter_mut().for_each(|change| change.is_durable |= change.touches(folder));
        // What is durable without those before it stays in the row, so that the order is not lost.
        let settled = self.changes.iter().take_while(|change| change.is_durable).count();
        for change in self.changes.drain(..settled) {
            change.apply(&mut self.durable);
        }
    }

    /// What a crash leaves: what is durable, and of the rest nothing, all, the first so many, or any of it.
    pub(super) fn after(&self, aftermath: Aftermath, dice: &mut Dice) -> Remains {
        let is_ordered = dice.is_one_in(2);
        let reached = dice.below(self.changes.len() + 1);
        let mut survives = |nth: usize| match aftermath {
            Aftermath::Lost => false,
            Aftermath::Kept => true,
            Aftermath::Seeded(_) if is_ordered => nth < reached,
            Aftermath::Seeded(_) => dice.is_one_in(2),
        };
        let mut entries = self.durable.clone();
        let mut times: BTreeMap<Inode, Option<i64>> = BTreeMap::new();
        let mut lost: BTreeSet<Inode> = BTreeSet::new();
        for (nth, change) in self.changes.iter().enumerate() {
            let folders: Vec<Inode> = change.steps.iter().map(Step::folder).collect();
            if change.is_durable || survives(nth) {
                change.apply(&mut entries);
                for folder in folders {
                    let is_gap = lost.contains(&folder);
                    times.insert(folder, (!is_gap).then_some(change.at_ns));
                }
            } else {
                for folder in folders {
                    lost.insert(folder);
                    times.entry(folder).or_insert(None);
                }
            }
        }
        // A folder that lost nothing has the time it had.
        times.retain(|folder, _| lost.contains(folder));
        Remains { entries, times }
    }

    fn change(&mut self, steps: Vec<Step>, at_ns: i64) {
        let change = Change { steps, at_ns, is_durable: false };
        change.apply(&mut self.seen);
        self.changes.push(change);
    }
}
