//! The state behind a simulated disk: files and folders by number, the clock, and the way from a path to a number.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path};

use restante_store::disk::{Kind, Stat};
use rustix::io::Errno;

use super::Aftermath;
use super::contents::Contents;
use super::fault::{Call, Failing, Fault, Plan};
use super::names::{Inode, Names};
use crate::dice::Dice;

/// One disk as it is now.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) nodes: BTreeMap<Inode, Node>,
    pub(super) names: Names,
    next_inode: Inode,
    /// Nanoseconds since 1970.
    pub(super) clock_ns: i64,
    pub(super) plan: Plan,
    /// Openings, for the locks.
    pub(super) openings: u64,
}

/// A file or folder.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// The file system it is on.
    pub(super) device: u32,
    pub(super) mode: u32,
    pub(super) made_ns: i64,
    pub(super) modified_ns: i64,
    pub(super) changed_ns: i64,
    pub(super) contents: Contents,
    /// The opening that has its lock.
    pub(super) locked_by: Option<u64>,
    /// The opening that holds its record lock.
    pub(super) record_locked_by: Option<u64>,
}

impl Machine {
    pub(super) fn new() -> Self {
        let mut machine = Self {
            nodes: BTreeMap::new(),
            names: Names::default(),
            next_inode: ROOT,
            clock_ns: BEGIN_NS,
            plan: Plan::default(),
            openings: 0,
        };
        machine.make(Kind::Folder, 0, 0o755);
        machine
    }

    /// Notes a call and lets time pass.
    ///
    /// # Errors
    /// As planned.
    pub(super) fn enter(&mut self, call: Call, path: &Path) -> Result<(), Failing> {
        self.clock_ns += CALL_NS;
        let name = path.file_name().unwrap_or_default().display().to_string();
        self.plan.enter(call, &name).map_or(Ok(()), Err)
    }

    /// Whether this call is not the first that is not carried out any more.
    pub(super) fn is_past_the_stop(&self) -> bool {
        self.plan.stop_after.is_some_and(|most| self.plan.trace.len() > most + 1)
    }

    /// A new file or folder without a name.
    pub(super) fn make(&mut self, kind: Kind, device: u32, mode: u32) -> Inode {
        let inode = self.next_inode;
        self.next_inode += 1;
        let now = self.clock_ns;
        let (contents, locked_by, record_locked_by) = (Contents::default(), None, None);
        let node = Node {
            kind,
            device,
            mode,
            made_ns: now,
            modified_ns: now,
            changed_ns: now,
            contents,
            locked_by,
            record_locked_by,
        };
        self.nodes.insert(inode, node);
        inode
    }

    /// The file or folder at a path.
    pub(super) fn find(&self, path: &Path) -> io::Result<Inode> {
        path.components().try_fold(ROOT, |folder, part| match part {
            Component::RootDir | Component::CurDir => Ok(folder),
            Component::Normal(name) => self.step(folder, name),
            _ => Err(Errno::INVAL.into()),
        })
    }

    /// The folder of a path and the last name of it.
    pub(super) fn place<'a>(&self, path: &'a Path) -> io::Result<(Inode, &'a OsStr)> {
        let folder = self.find(path.parent().ok_or(Errno::INVAL)?)?;
        self.check_folder(folder)?;
        Ok((folder, path.file_name().ok_or(Errno::INVAL)?))
    }

    pub(super) fn check_folder(&self, inode: Inode) -> io::Result<()> {
        if self.node(inode).kind == Kind::Folder { Ok(()) } else { Err(Errno::NOTDIR.into()) }
    }

    pub(super) fn node(&self, inode: Inode) -> &Node {
        self.nodes.get(&inode).expect("a number that was given out has a node")
    }

    pub(super) fn node_mut(&mut self, inode: Inode) -> &mut Node {
        self.nodes.get_mut(&inode).expect("a number that was given out has a node")
    }

    pub(super) fn stat(&self, inode: Inode) -> Stat {
        let node = self.node(inode);
        let (kind, size) = (node.kind, node.contents.seen().len() as u64);
        let device = u64::from(node.device);
        Stat {
            kind,
            device,
            inode,
            size,
            modified_ns: node.modified_ns,
            changed_ns: node.changed_ns,
            owner: 0,
            mode: node.mode,
        }
    }

    /// Notes that the names in a folder have changed.
    pub(super) fn touch_folder(&mut self, folder: Inode) {
        let now = self.clock_ns;
        let node = self.node_mut(folder);
        (node.modified_ns, node.changed_ns) = (now, now);
    }

    /// Notes that a file's names or rights have changed.
    pub(super) fn touch_attributes(&mut self, inode: Inode) {
        let now = self.clock_ns;
        self.node_mut(inode).changed_ns = now;
    }

    /// The machine after the power was gone and is back.
    pub(super) fn after(&self, aftermath: Aftermath) -> Self {
        let seed = match aftermath {
            Aftermath::Seeded(seed) => seed,
            Aftermath::Lost | Aftermath::Kept => 0,
        };
        let mut dice = Dice::new(seed);
        let remains = self.names.after(aftermath, &mut dice);
        // What used to lie in blocks that are free, or somebody else's, by now.
        let mut stale = Vec::new();
        self.nodes.values().for_each(|node| stale.extend_from_slice(node.contents.seen()));
        let clock_ns = self.clock_ns + REBOOT_NS;
        let mut nodes = BTreeMap::new();
        for (&inode, node) in &self.nodes {
            let is_named = inode == ROOT || remains.entries.values().any(|&named| named == inode);
            // Thrown for each, so that what becomes of one does not depend on the others' names.
            let octets = node.contents.after(aftermath, &mut dice, &stale);
            let is_old = dice.is_one_in(4) && matches!(aftermath, Aftermath::Seeded(_));
            if !is_named {
                continue;
            }
            let mut after = Node { locked_by: None, record_locked_by: None, ..node.clone() };
            if octets != node.contents.seen() {
                // As whatever wrote the last piece left it, or as a repair did.
                (after.modified_ns, after.changed_ns) = (clock_ns, clock_ns);
            } else if node.kind == Kind::File && is_old {
                // A sync of the contents does not write the times.
                (after.modified_ns, after.changed_ns) = (node.made_ns, node.made_ns);
            }
            if let Some(time) = remains.times.get(&inode) {
                let time = time.unwrap_or(clock_ns);
                (after.modified_ns, after.changed_ns) = (time, time);
            }
            // Later crashes do not bring older times back.
            after.made_ns = after.modified_ns;
            after.contents = Contents::durable(octets);
            nodes.insert(inode, after);
        }
        let next_inode = nodes.keys().last().map_or(ROOT, |last| last + 1);
        let names = Names::durable(remains.entries);
        Self { nodes, names, next_inode, clock_ns, plan: Plan::default(), openings: 0 }
    }

    fn step(&self, folder: Inode, name: &OsStr) -> io::Result<Inode> {
        self.check_folder(folder)?;
        Ok(self.names.find(folder, name).ok_or(Errno::NOENT)?)
    }
}

/// How much of an append is done when it fails: nothing, a part, or nearly all.
pub(super) fn part_of_failed(failing: Failing, octets: &[u8], count: usize) -> &[u8] {
    let length = match failing {
        Failing::Fault(Fault::Io | Fault::NoSpace | Fault::Quota) => match count % 3 {
            0 => 0,
            1 => octets.len() / 2,
            _ => octets.len().saturating_sub(1),
        },
        // The process died within the call.
        Failing::Stopped => octets.len() / 2,
        Failing::Fault(_) => 0,
    };
    octets.get(..length).unwrap_or_default()
}

/// The names in a folder in an order that is none, and the same in every run although names hold chance.
pub(super) fn listed(names: &Names, folder: Inode) -> Vec<(OsString, Inode)> {
    let mut all: Vec<_> = names.of(folder).map(|(name, inode)| (name.to_owned(), inode)).collect();
    all.sort_unstable_by_key(|(name, inode)| (Dice::new(*inode).throw(), name.clone()));
    all
}

pub(super) const ROOT: Inode = 1;

/// In November 2023.
const BEGIN_NS: i64 = 1_700_000_000_000_000_000;

/// Every call takes a tenth of a millisecond.
const CALL_NS: i64 = 100_000;

/// So long is a machine away.
const REBOOT_NS: i64 = 60_000_000_000;
