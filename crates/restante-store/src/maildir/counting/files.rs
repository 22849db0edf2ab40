//! Counting a Maildir from its files: octets and messages, without reading one.
//!
//! What the index knows is taken from it when its folders look as it says; otherwise the folders are listed, and only
//! messages that it does not know are asked for their size. Nothing is changed.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::super::layout::{INDEX, split_name};
use super::super::reader::is_vanished;
use super::super::scan::{BOTH, stamps};
use super::super::session::is_current;
use crate::disk::{Disk, Kind};
use crate::failure::Failure;
use crate::index::{Index, Record};
use crate::quota::Usage;

/// What a session would list now, and what is in the folders beneath. A maildrop that does not exist holds nothing.
///
/// # Errors
/// When a folder cannot be listed, or a part of the maildrop is missing.
pub(in crate::maildir) fn count(disk: &dyn Disk, maildir: &Path) -> Result<Usage, Failure> {
    let now = match stamps(disk, maildir, None) {
        Err(failure)
            if failure.cause().kind() == io::ErrorKind::NotFound
                && disk.stat(maildir).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) =>
        {
            return Ok(Usage::default());
        }
        result => result?,
    };
    // Whatever is wrong with it, the folders tell.
    let mut index = Index::load(disk, &maildir.join(INDEX)).unwrap_or_default();
    let listed = if is_current(&index.pending, index.stamps, &now) {
        index.sort();
        index.records.iter().map(message).fold(Usage::default(), Usage::plus)
    } else {
        let mut tally = Tally::new(&index);
        for folder in BOTH {
            tally.list(disk, &maildir.join(folder.name()))?;
        }
        tally.usage
    };
    let mut beneath = Usage::default();
    for folder in folders_beneath(disk, maildir)? {
        for part in BOTH {
            beneath = beneath.plus(count_foreign(disk, &folder.join(part.name()))?);
        }
    }
    Ok(listed.plus(beneath))
}

/// Whether there are folders that Maildir++ counts along.
///
/// # Errors
/// When the Maildir cannot be listed.
pub(super) fn has_folders_beneath(disk: &dyn Disk, maildir: &Path) -> Result<bool, Failure> {
    folders_beneath(disk, maildir).map(|folders| !folders.is_empty())
}

fn message(record: &Record) -> Usage {
    Usage::message(record.facts.stored_octets)
}

/// Folders of other programs: those of Maildir++ begin with a dot.
fn folders_beneath(disk: &dyn Disk, maildir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut folders = Vec::new();
    let mut each = |name: &OsStr, kind| {
        if name.as_bytes().starts_with(b".") && matches!(kind, Kind::Folder | Kind::Unknown) {
            folders.push(maildir.join(name));
        }
    };
    disk.list(maildir, &mut each).map_err(Failure::at("list", maildir))?;
    Ok(folders)
}

/// Messages of a session, by the hashes of their base names: a message that is renamed meanwhile, or has two files,
/// counts once.
struct Tally {
    hasher: RandomState,
    /// What the index knows.
    known: HashMap<u64, u64>,
    seen: HashSet<u64>,
    usage: Usage,
}

impl Tally {
    fn new(index: &Index) -> Self {
        let hasher = RandomState::new();
        let hash = |record: &Record| hasher.hash_one(index.bytes(record.base));
        let known = index.records.iter().map(|record| (hash(record), record.facts.stored_octets)).collect();
        // A removal that was interrupted will be finished by the next session: what is left of it is not listed.
        let pending = |ordinal: &u32| {
            let position = index.records.binary_search_by_key(ordinal, |record| record.ordinal).ok()?;
            index.records.get(position).map(hash)
        };
        let seen = index.pending.iter().filter_map(pending).collect();
        Self { hasher, known, seen, usage: Usage::default() }
    }

    fn list(&mut self, disk: &dyn Disk, folder: &Path) -> Result<(), Failure> {
        let mut failure = None;
        let mut each = |name: &OsStr, kind| {
            let is_message = !name.as_bytes().starts_with(b".") && matches!(kind, Kind::File | Kind::Unknown);
            if is_message && failure.is_none() {
                failure = self.see(disk, &folder.join(name), name.as_bytes()).err();
            }
        };
        disk.list(folder, &mut each).map_err(Failure::at("list", folder))?;
        failure.map_or(Ok(()), Err)
    }

    fn see(&mut self, disk: &dyn Disk, path: &Path, name: &[u8]) -> Result<(), Failure> {
        let hash = self.hasher.hash_one(split_name(name).0);
        if self.seen.contains(&hash) {
            return Ok(());
        }
        let octets = match self.known.get(&hash) {
            Some(&octets) => Some(octets),
            None => octets(disk, path)?,
        };
        if let Some(octets) = octets {
            self.seen.insert(hash);
            self.usage = self.usage.plus(Usage::message(octets));
        }
        Ok(())
    }
}

/// A folder that no session shows: sizes come from the names where those say them.
fn count_foreign(disk: &dyn Disk, folder: &Path) -> Result<Usage, Failure> {
    let mut usage = Usage::default();
    let mut failure = None;
    let mut each = |name: &OsStr, kind| {
        let is_message = !name.as_bytes().starts_with(b".") && matches!(kind, Kind::File | Kind::Unknown);
        if !is_message || failure.is_some() {
            return;
        }
        match octets_of_name(name.as_bytes())
            .map_or_else(|| octets(disk, &folder.join(name)), |it| Ok(Some(it)))
        {
            Ok(octets) => usage = octets.map_or(usage, |octets| usage.plus(Usage::message(octets))),
            Err(error) => failure = Some(error),
        }
    };
    match disk.list(folder, &mut each) {
        // Not every folder with a dot holds mail.
        Err(error) if is_vanished(&error) || error.kind() == io::ErrorKind::NotADirectory => {}
        result => result.map_err(Failure::at("list", folder))?,
    }
    failure.map_or(Ok(usage), Err)
}

/// Octets of a file. `None` when it is gone or no message.
fn octets(disk: &dyn Disk, path: &Path) -> Result<Option<u64>, Failure> {
    match disk.stat(path) {
        Ok(stat) => Ok((stat.kind == Kind::File).then_some(stat.size)),
        Err(error) if is_vanished(&error) => Ok(None),
        Err(error) => Err(Failure::new("see", path, error)),
    }
}

/// What `,S=` in a name says.
fn octets_of_name(name: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(name, b",S=")?;
    let rest = name.get(at + 3..)?;
    let end = rest.iter().position(|octet| matches!(octet, b':' | b',')).unwrap_or(rest.len());
    std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_a_size() {
        for (name, octets) in [
            (&b"1.a,S=12"[..], Some(12)),
            (b"1.a,S=12,W=14:2,S", Some(12)),
            (b"1.a,W=14,S=12:2,", Some(12)),
            (b"1.a,S=:2,", None),
            (b"1.a,S=1x:2,", None),
            (b"1.a,S=99999999999999999999", None),
            (b"1.a", None),
        ] {
            assert_eq!(octets_of_name(name), octets, "{}", name.escape_ascii());
        }
    }
}
