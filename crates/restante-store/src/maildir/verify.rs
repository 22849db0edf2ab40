//! Verifying a Maildir: everything in it is looked at, nothing is changed, and no lock is taken.
//!
//! What a session or a delivery is doing meanwhile can show as a finding that is gone at the next look. `repair.rs` looks under
//! the lock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::layout::{self, TMP, message_path, split_name};
use super::reader::{is_not_regular, is_vanished, survey_file};
use super::scan::{BOTH, stamps};
use super::{Maildirs, accessed, bulletins, recovery, session};
use crate::check::{Damage, Depth, Finding, State};
use crate::disk::{Access, Disk, Kind};
use crate::failure::Failure;
use crate::index::{Facts, Folder, Index};
use crate::maildrop::OpenError;
use crate::unique_id::overrides::Overrides;

/// As `Store::verify`.
pub(super) fn verify(
    maildirs: &Maildirs,
    path: &Path,
    depth: Depth,
    now: SystemTime,
) -> Result<Vec<Finding>, OpenError> {
    maildirs.check_marker()?;
    let disk = maildirs.disk();
    let mut findings = Findings::default();
    match disk.stat(path) {
        Ok(stat) if stat.kind == Kind::Folder => {}
        Ok(_) => return Err(Failure::new("open", path, io::Error::from(io::ErrorKind::NotADirectory)).into()),
        // Nobody has used it yet.
        Err(error) if session::is_not_found(&error) => {
            recovery::may_make(maildirs, path)?;
            return Ok(Vec::new());
        }
        Err(error) => return Err(Failure::new("see", path, error).into()),
    }
    let is_whole = folders(disk, path, &mut findings)?;
    leftovers(disk, path, &mut findings)?;
    side_files(disk, path, &mut findings);
    temporaries(disk, path, now, &mut findings);
    if is_whole {
        Messages::new(disk, path)?.verify(depth, &mut findings)?;
    }
    Ok(findings.all())
}

/// What was found so far; of each kind a few are told one by one.
#[derive(Default)]
struct Findings {
    found: Vec<Finding>,
    /// How many of each kind there are.
    counts: BTreeMap<Damage, usize>,
}

impl Findings {
    fn add(&mut self, damage: Damage, place: impl Into<PathBuf>, what: impl Into<String>) {
        let count = self.counts.entry(damage).or_default();
        *count += 1;
        if *count <= TOLD_MAX {
            self.found.push(Finding { damage, place: place.into(), what: what.into(), state: State::Found });
        }
    }

    fn all(mut self) -> Vec<Finding> {
        for (&damage, &count) in &self.counts {
            if count > TOLD_MAX
                && let Some(last) = self.found.iter_mut().rev().find(|finding| finding.damage == damage)
            {
                last.what = format!("{}; and {} more", last.what, count - TOLD_MAX);
            }
        }
        self.found
    }
}

/// Looks at the three folders. `false` when messages cannot be looked for.
fn folders(disk: &dyn Disk, path: &Path, findings: &mut Findings) -> Result<bool, Failure> {
    let mut is_whole = true;
    for name in [TMP, "new", "cur"] {
        let folder = path.join(name);
        let is_for_messages = name != TMP;
        match disk.stat(&folder) {
            Ok(stat) if stat.kind == Kind::Folder => {}
            Ok(_) => {
                findings.add(Damage::FolderKind, folder, "it is no folder");
                is_whole &= !is_for_messages;
            }
            Err(error) if session::is_not_found(&error) => {
                findings.add(Damage::FolderMissing, folder, "it is not there");
                is_whole &= !is_for_messages;
            }
            Err(error) => return Err(Failure::new("see", &folder, error)),
        }
    }
    Ok(is_whole)
}

/// Files of ours that a crash left while they were written.
pub(super) const LEFTOVERS: [&str; 4] =
    [layout::INDEX_NEW, layout::UNIQUE_IDS_NEW, layout::ACCESSED_NEW, layout::BULLETINS_NEW];

fn leftovers(disk: &dyn Disk, path: &Path, findings: &mut Findings) -> Result<(), Failure> {
    for name in LEFTOVERS {
        let file = path.join(name);
        match disk.stat(&file) {
            Ok(_) => findings.add(Damage::Leftover, file, "a crash came while it was written"),
            Err(error) if session::is_not_found(&error) => {}
            Err(error) => return Err(Failure::new("see", &file, error)),
        }
    }
    Ok(())
}

/// The files of ours that stand for themselves.
fn side_files(disk: &dyn Disk, path: &Path, findings: &mut Findings) {
    if let Err(failure) = accessed::check(disk, path) {
        findings.add(Damage::AccessedDamaged, failure.place(), failure.cause().to_string());
    }
    if let Err(failure) = bulletins::check(disk, path) {
        findings.add(Damage::BulletinsDamaged, failure.place(), failure.cause().to_string());
    }
}

fn temporaries(disk: &dyn Disk, path: &Path, now: SystemTime, findings: &mut Findings) {
    for file in recovery::old_temporaries(disk, path, now) {
        findings.add(Damage::TemporaryOld, file, "older than 36 hours");
    }
}

/// What is known of the messages before they are looked at.
pub(super) struct Messages<'a> {
    disk: &'a dyn Disk,
    path: &'a Path,
    pub(super) index: Index,
    /// Why the index is not whole, if there is one and it is not.
    index_fault: Option<String>,
    /// `None` when they are damaged.
    overrides: Option<Overrides>,
    overrides_fault: Option<String>,
    files: Vec<File>,
    odd: Vec<(PathBuf, String)>,
}

/// One file among the messages.
struct File {
    folder: Folder,
    base_name: Vec<u8>,
    suffix: Vec<u8>,
}

impl<'a> Messages<'a> {
    pub(super) fn new(disk: &'a dyn Disk, path: &'a Path) -> Result<Self, Failure> {
        let index_path = path.join(layout::INDEX);
        let (index, index_fault) = match Index::load(disk, &index_path) {
            Ok(index) if index.origin.is_none() && disk.stat(&index_path).is_ok() => {
                let fault = match index.records.len() {
                    0 => "nothing of it can be read, or it is another version's".to_owned(),
                    records => format!("it is whole up to its {records} first messages"),
                };
                (index, Some(fault))
            }
            Ok(index) => (index, None),
            // It may be there and whole: to take it for damaged would lose what only it knows.
            Err(error) => return Err(Failure::new("read", &index_path, error)),
        };
        let (overrides, overrides_fault) = match Overrides::load(disk, &path.join(layout::UNIQUE_IDS)) {
            Ok(overrides) => (Some(overrides), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let (mut files, mut odd) = (Vec::new(), Vec::new());
        for folder in BOTH {
            let place = path.join(folder.name());
            let mut see = |name: &OsStr, kind| {
                if name.as_bytes().starts_with(b".") {
                    return;
                }
                match kind {
                    Kind::File | Kind::Unknown => {
                        let (base_name, suffix) = split_name(name.as_bytes());
                        let (base_name, suffix) = (base_name.to_vec(), suffix.to_vec());
                        files.push(File { folder, base_name, suffix });
                    }
                    Kind::Folder => odd.push((place.join(name), "it is a folder".to_owned())),
                    Kind::Other => odd.push((place.join(name), "it is no regular file".to_owned())),
                }
            };
            disk.list(&place, &mut see).map_err(Failure::at("list", &place))?;
        }
        files.sort_by(|a, b| (&a.base_name, a.folder, &a.suffix).cmp(&(&b.base_name, b.folder, &b.suffix)));
        Ok(Self { disk, path, index, index_fault, overrides, overrides_fault, files, odd })
    }

    fn verify(mut self, depth: Depth, findings: &mut Findings) -> Result<(), Failure> {
        let index_path = self.path.join(layout::INDEX);
        if let Some(fault) = self.index_fault.take() {
            findings.add(Damage::IndexDamaged, &index_path, fault);
        }
        if !self.index.pending.is_empty() {
            let what = format!("{} messages were to be removed", self.index.pending.len());
            findings.add(Damage::RemovalPending, &index_path, what);
        }
        for (place, what) in std::mem::take(&mut self.odd) {
            findings.add(Damage::NotRegular, place, what);
        }
        self.unique_ids(findings);
        for pair in self.files.windows(2) {
            if let [one, other] = pair
                && one.base_name == other.base_name
            {
                let place = message_path(self.path, one.folder, &one.base_name, &one.suffix);
                let other = message_path(self.path, other.folder, &other.base_name, &other.suffix);
                findings.add(Damage::Twins, place, format!("{} has the same base name", other.display()));
            }
        }
        self.contents(depth, findings)?;
        self.absent(findings)
    }

    /// Unique-ids: those of another server, and what is shown for each message.
    fn unique_ids(&self, findings: &mut Findings) {
        let place = self.path.join(layout::UNIQUE_IDS);
        let kept = self.kept_in_index();
        match (&self.overrides, &self.overrides_fault) {
            (None, fault) if self.knows_all() => {
                let fault = fault.as_deref().unwrap_or_default();
                findings.add(
                    Damage::UniqueIdsInIndex,
                    &place,
                    format!("{fault}; the index knows all messages"),
                );
            }
            (None, fault) => {
                findings.add(Damage::UniqueIdsDamaged, &place, fault.as_deref().unwrap_or_default())
            }
            (Some(_), _) if !kept.is_empty() => {
                let what = format!("the index knows unique-ids of {} messages that it does not", kept.len());
                findings.add(Damage::UniqueIdsInIndex, &place, what);
            }
            (Some(overrides), _) => {
                let present: HashSet<&[u8]> = self.files.iter().map(|file| &*file.base_name).collect();
                let unused = overrides.base_names().filter(|name| !present.contains(name)).count();
                if unused > 0 {
                    let what = format!("{unused} unique-ids are for messages that are gone");
                    findings.add(Damage::UniqueIdsUnused, &place, what);
                }
            }
        }
        let Some(overrides) = &self.overrides else { return };
        let (mut shown, mut last) = (HashMap::new(), None);
        for file in &self.files {
            if last.replace(&file.base_name) == Some(&file.base_name) {
                continue;
            }
            let place = || message_path(self.path, file.folder, &file.base_name, &file.suffix);
            if overrides.is_of_another(&file.base_name) {
                findings.add(Damage::UniqueIdTaken, place(), "its name is another message's unique-id");
            }
            let unique_id = overrides.of(&file.base_name).0.unwrap_or_else(|| file.base_name.clone());
            if let Some(other) = shown.insert(unique_id, file) {
                let other = message_path(self.path, other.folder, &other.base_name, &other.suffix);
                findings.add(
                    Damage::UniqueIdTwice,
                    place(),
                    format!("{} is shown under it too", other.display()),
                );
            }
        }
    }

    /// Positions of messages whose unique-ids, and places, are another server's and are known from the index alone.
    pub(super) fn kept_in_index(&self) -> Vec<usize> {
        let none = Overrides::default();
        let overrides = self.overrides.as_ref().unwrap_or(&none);
        let present: HashSet<&[u8]> = self.files.iter().map(|file| &*file.base_name).collect();
        let is_kept = |at: &usize| {
            let Some(record) = self.index.records.get(*at) else { return false };
            let base_name = self.index.bytes(record.base);
            let (unique_id, order) = overrides.of(base_name);
            let shown = record.has_own_unique_id().then(|| self.index.bytes(record.unique_id));
            // A digest is what any message may get; only what is none is somebody's gift.
            let is_given = shown.is_some_and(|shown| !crate::unique_id::is_digest_of(shown, base_name));
            let differs = (is_given && unique_id.as_deref() != shown) || record.order != order;
            differs && !overrides.has(base_name) && present.contains(base_name)
        };
        (0..self.index.records.len()).filter(is_kept).collect()
    }

    /// Whether a whole index knows every message.
    fn knows_all(&self) -> bool {
        let known: HashSet<&[u8]> =
            self.index.records.iter().map(|record| self.index.bytes(record.base)).collect();
        self.index.origin.is_some() && self.files.iter().all(|file| known.contains(&*file.base_name))
    }

    /// Compares every file with what the index says of it.
    fn contents(&self, depth: Depth, findings: &mut Findings) -> Result<(), Failure> {
        let known: HashMap<&[u8], Facts> =
            self.index.records.iter().map(|record| (self.index.bytes(record.base), record.facts)).collect();
        let (mut wrong, mut example, mut buffer) = (0, None, Vec::new());
        let mut maildrop_owner = None;
        for file in &self.files {
            let place = message_path(self.path, file.folder, &file.base_name, &file.suffix);
            let stat = match self.disk.stat(&place) {
                Ok(stat) => stat,
                // Another program moved it meanwhile.
                Err(error) if is_vanished(&error) => continue,
                Err(error) => return Err(Failure::new("see", &place, error)),
            };
            if stat.kind != Kind::File {
                findings.add(Damage::NotRegular, place, "it is no regular file");
                continue;
            }
            let owner = *maildrop_owner
                .get_or_insert_with(|| self.disk.stat(self.path).map_or(stat.owner, |s| s.owner));
            if stat.owner != owner {
                findings.add(
                    Damage::Owner,
                    &place,
                    format!("it is user {}'s and the maildrop is user {owner}'s", stat.owner),
                );
            }
            let facts = match depth {
                Depth::Quick => None,
                Depth::Whole => match self.read(&place, &mut buffer) {
                    Ok(facts) => facts,
                    Err(error) if is_vanished(&error) => continue,
                    Err(error) if is_not_regular(&error) => continue,
                    Err(error) => {
                        findings.add(Damage::Unreadable, place, error.to_string());
                        continue;
                    }
                },
            };
            let Some(known) = known.get(&*file.base_name) else { continue };
            let is_same_file = (stat.size, stat.modified_ns) == (known.stored_octets, known.modified_ns);
            if !is_same_file || facts.is_some_and(|facts| facts != *known) {
                wrong += 1;
                example.get_or_insert(place);
            }
        }
        if let Some(example) = example {
            let what = format!("{wrong} messages are not as it says, the first is {}", example.display());
            findings.add(Damage::IndexWrong, self.path.join(layout::INDEX), what);
        }
        Ok(())
    }

    fn read(&self, place: &Path, buffer: &mut Vec<u8>) -> io::Result<Option<Facts>> {
        survey_file(&*self.disk.open(place, Access::Read)?, buffer)
    }

    /// Messages that the index would show and that are not there, or the other way round, when it counts as up to date.
    fn absent(&self, findings: &mut Findings) -> Result<(), Failure> {
        let now = stamps(self.disk, self.path, None)?;
        if !session::is_current(&self.index.pending, self.index.stamps, &now) {
            return Ok(());
        }
        let present: HashSet<&[u8]> = self.files.iter().map(|file| &*file.base_name).collect();
        let known: HashSet<&[u8]> =
            self.index.records.iter().map(|record| self.index.bytes(record.base)).collect();
        let (gone, unknown) = (known.difference(&present).count(), present.difference(&known).count());
        if gone + unknown > 0 {
            let what = format!(
                "it counts as up to date, lists {gone} messages that are gone and not {unknown} that are there"
            );
            findings.add(Damage::IndexWrong, self.path.join(layout::INDEX), what);
        }
        Ok(())
    }
}

/// So many of a kind are told one by one.
const TOLD_MAX: usize = 100;
