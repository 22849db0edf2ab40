//! Looks for messages by the marks in their names, wherever a mail program has put them within a Maildir.
//!
//! Looked at are `new/` and `cur/` of the Maildir and of its folders in the manner of Maildir++ (`.Archive`). A program that moves a message
//! there and gives it another name (Dovecot does, when a client copies it) makes it unknown here.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use restante_store::disk::{Disk, Kind, Stat};

use crate::failure::Failure;

/// The mark in a file name, `<seconds>.R<mark>.restante` and whatever a mail program has appended.
fn mark(name: &OsStr) -> Option<&str> {
    let name = name.to_str()?;
    let mut parts = name.split('.');
    parts
        .next()
        .filter(|seconds| !seconds.is_empty() && seconds.bytes().all(|octet| octet.is_ascii_digit()))?;
    let mark = parts.next()?.strip_prefix('R')?;
    let is_mark = mark.len() == MARK_DIGITS
        && mark.bytes().all(|octet| octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet));
    // In front of flags (`:2,S`), and of the sizes that some programs append (`,S=…`).
    let host = parts.next()?;
    (is_mark && (host == "restante" || host.starts_with("restante:") || host.starts_with("restante,")))
        .then_some(mark)
}

/// The marks of everything below these Maildirs.
///
/// # Errors
/// When a folder cannot be listed.
pub(super) fn marks(disk: &dyn Disk, roots: &[PathBuf]) -> Result<BTreeSet<Box<str>>, Failure> {
    Ok(places(disk, roots)?.into_keys().collect())
}

/// The same, each with the folder where it lies.
///
/// # Errors
/// When a folder cannot be listed.
pub(super) fn places(disk: &dyn Disk, roots: &[PathBuf]) -> Result<BTreeMap<Box<str>, PathBuf>, Failure> {
    let mut found = BTreeMap::new();
    for root in roots {
        let mut maildirs = vec![root.clone()];
        let listed = disk.list(root, &mut |name, kind| {
            let is_folder = matches!(kind, Kind::Folder | Kind::Unknown | Kind::Other);
            if is_folder && name.as_encoded_bytes().starts_with(b".") {
                maildirs.push(root.join(name));
            }
        });
        listed.map_err(Failure::at("list", root))?;
        // First `new/`: a message goes from there to `cur/`, never back.
        for maildir in maildirs {
            for name in ["new", "cur"] {
                look(disk, &maildir.join(name), &mut found)?;
            }
        }
    }
    Ok(found)
}

/// Lists a folder until it did not change meanwhile, so that no file is missed because it got other flags.
fn look(disk: &dyn Disk, folder: &Path, found: &mut BTreeMap<Box<str>, PathBuf>) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS_MAX {
        let before = match disk.stat(folder) {
            Ok(stat) => stat,
            // Something with a dot that is no folder of a Maildir; or it was removed.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(error) => return Err(Failure::new("see", folder, error)),
        };
        let mut note = |name: &OsStr, _| {
            if let Some(mark) = mark(name) {
                found.entry(mark.into()).or_insert_with(|| folder.to_owned());
            }
        };
        disk.list(folder, &mut note).map_err(Failure::at("list", folder))?;
        let after = disk.stat(folder).map_err(Failure::at("see", folder))?;
        let times = |stat: &Stat| (stat.inode, stat.modified_ns, stat.changed_ns);
        if times(&before) == times(&after) {
            break;
        }
    }
    Ok(())
}

const MARK_DIGITS: usize = 32;

/// Somebody who changes flags all the time does not keep us here.
const ATTEMPTS_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_known_with_any_flags_and_nothing_else_is_one() {
        let digits = "0123456789abcdef0123456789abcdef";
        for name in
            ["1700000000.R#.restante", "1.R#.restante:2,", "1.R#.restante:2,RS", "1.R#.restante,S=12:2,S"]
        {
            assert_eq!(mark(OsStr::new(&name.replace('#', digits))), Some(digits), "{name}");
        }
        for name in [
            ".R#.restante",
            "1.M#.restante",
            "x.R#.restante",
            "1.R#a.restante",
            "1.R#.restanteur",
            "1.R#",
            "1.R",
        ] {
            assert_eq!(mark(OsStr::new(&name.replace('#', digits))), None, "{name}");
        }
        assert_eq!(mark(OsStr::new(&format!("1.R{}.restante", digits.to_uppercase()))), None);
    }
}
