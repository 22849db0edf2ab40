//! An open maildrop: how it is opened, and what is kept of it until the session ends.
//!
//! The order at opening is fixed: marker, lock, bulletins, index, folders. When the folders look as the index says, nothing is
//! listed and no message is touched.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use restante_proto::maildrop::{Listing, Marks, Octets};

use super::keeper::{self, Durable};
use super::layout::{self, split_name};
use super::scan::{BOTH, scan, stamps};
use super::table::Table;
use super::{ForeignLocks, Maildirs, bulletins, recovery, trash};
use crate::disk::{Disk, Kind};
use crate::failure::Failure;
use crate::index::codec::Records;
use crate::index::known::{BaseNames, Known};
use crate::index::source::{Spot, Window};
use crate::index::{Facts, Folder, Index, NO_ORDINAL, Origin, Stamps};
use crate::lock::{Lock, foreign};
use crate::maildrop::{MessageError, OpenError, Stored, Warning};
use crate::quota::Usage;
use crate::unique_id::overrides::Overrides;

/// A maildrop as one session sees it.
#[derive(Debug)]
pub(crate) struct Session {
    maildirs: Arc<Maildirs>,
    path: PathBuf,
    listing: Arc<Listing>,
    table: Table,
    warnings: Vec<Warning>,
    /// The folders looked as the index says, so that nothing can have changed since it was written.
    is_unchanged: bool,
    /// Where messages were found that other programs have renamed since the table was made.
    found: Mutex<Option<Found>>,
    /// Base names that the index does not tell any more, by unique-id; read from the folders when one is missed.
    lost: OnceLock<HashMap<Vec<u8>, Vec<u8>>>,
    /// `None` for an inspection.
    lock: Option<Lock>,
}

/// One later look into the folders.
#[derive(Debug)]
struct Found {
    /// How they looked before it.
    stamps: Stamps,
    /// The messages that are not where the table says, by index.
    places: HashMap<usize, (Folder, Vec<u8>)>,
}

/// A maildrop that was locked and compared with its index.
pub(super) struct Current {
    known: Known,
    warnings: Vec<Warning>,
    is_unchanged: bool,
    pub(super) lock: Lock,
}

/// The same with all facts of all messages in memory.
pub(super) struct Loaded {
    pub(super) index: Index,
    /// The index file could not be brought up to date.
    pub(super) lacks_index: bool,
    /// Held as long as this is.
    _lock: Lock,
}

/// Opens the maildrop at `path` for a session.
///
/// # Errors
/// When another session has it, or it cannot be read.
pub(super) fn open(maildirs: &Arc<Maildirs>, path: &Path, now: SystemTime) -> Result<Session, OpenError> {
    maildirs.check_marker()?;
    let lock = take_lock(maildirs, path)?;
    let mut warnings = Vec::new();
    // Before the folders are looked at, so that this session shows them.
    bulletins::deliver(maildirs, path, now, &mut warnings);
    let Current { known, warnings, is_unchanged, lock } =
        bring_up_to_date(maildirs, path, now, lock, warnings)?;
    Ok(Session { is_unchanged, ..Session::new(maildirs, path, known, warnings, Some(lock))? })
}

/// The same for the server itself: nobody is shown anything, so no bulletins are given, and the trash is swept if it is time.
///
/// # Errors
/// As [`open`].
pub(super) fn open_quietly(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    now: SystemTime,
) -> Result<Session, OpenError> {
    let lock = lock(maildirs, path)?;
    let Current { known, warnings, lock, .. } = bring_up_to_date(maildirs, path, now, lock, Vec::new())?;
    trash::sweep(maildirs, path, now);
    Ok(Session::new(maildirs, path, known, warnings, Some(lock))?)
}

/// Takes the lock alone.
///
/// # Errors
/// When another session has it, or it cannot be taken.
pub(super) fn lock(maildirs: &Maildirs, path: &Path) -> Result<Lock, OpenError> {
    maildirs.check_marker()?;
    take_lock(maildirs, path)
}

/// Locks the maildrop, replays its index and brings that up to date.
///
/// # Errors
/// As [`open`].
pub(super) fn load(maildirs: &Arc<Maildirs>, path: &Path, now: SystemTime) -> Result<Loaded, OpenError> {
    let lock = lock(maildirs, path)?;
    let Current { known, warnings, lock, .. } = bring_up_to_date(maildirs, path, now, lock, Vec::new())?;
    let mut index = known.to_index().map_err(Failure::at("read the index of", path))?;
    for record in &mut index.records {
        let spot = known.rows().spot(record.ordinal as usize);
        if !matches!(spot, Some(Spot::File(_))) {
            record.ordinal = NO_ORDINAL;
        }
    }
    let lacks_index = warnings.iter().any(|warning| matches!(warning, Warning::Index(_)));
    Ok(Loaded { index, lacks_index, _lock: lock })
}

/// Replays the index of a maildrop that is locked, and brings it up to date.
///
/// # Errors
/// When it cannot be read.
pub(super) fn bring_up_to_date(
    maildirs: &Arc<Maildirs>,
    path: &Path,
    now: SystemTime,
    lock: Lock,
    mut warnings: Vec<Warning>,
) -> Result<Current, OpenError> {
    let (disk, mode) = (maildirs.disk(), maildirs.settings.file_mode);
    let mut known = load_index(disk, path, &mut warnings);
    let mut before = match stamps(disk, path, None) {
        Err(failure) if is_not_found(failure.cause()) => {
            recovery::make_missing(maildirs, path)?;
            stamps(disk, path, None)?
        }
        result => result?,
    };
    let is_unchanged = is_current(&known.pending, known.stamps, &before);
    if !is_unchanged {
        // The clock first, the stamps next, the lists last: only so a later change is sure to show in the stamps.
        let now_ns = lock.now_ns();
        before = stamps(disk, path, now_ns)?;
        let mut changes = scan(disk, path, &known, &before)?;
        recovery::finish_removal(maildirs, path, &known, &mut changes, now)?;
        warnings.append(&mut changes.warnings);
        let lasting = (!changes.is_unfinished).then_some(before);
        warnings.extend(keeper::apply(disk, path, &mut known, changes, lasting, mode)?);
        recovery::sweep(disk, path, now);
        trash::sweep(maildirs, path, now);
    }
    Ok(Current { known, warnings, is_unchanged, lock })
}

/// Looks at the maildrop at `path` without the lock and without changing anything.
///
/// # Errors
/// When it cannot be read.
pub(super) fn inspect(maildirs: &Arc<Maildirs>, path: &Path) -> Result<Session, OpenError> {
    maildirs.check_marker()?;
    let disk = maildirs.disk();
    let mut warnings = Vec::new();
    let mut known = load_index(disk, path, &mut warnings);
    let before = match stamps(disk, path, None) {
        // Nothing is there yet, and a session would make it: that one is empty. A maildrop of which a part is missing
        // and that holds messages is another matter.
        Err(failure) if is_not_found(failure.cause()) && recovery::is_half_made(disk, path) => {
            recovery::may_make(maildirs, path)?;
            return Ok(Session::new(maildirs, path, known, warnings, None)?);
        }
        result => result?,
    };
    if !is_current(&known.pending, known.stamps, &before) {
        let mut changes = scan(disk, path, &known, &before)?;
        recovery::hide_removal(&known, &mut changes);
        warnings.append(&mut changes.warnings);
        keeper::apply_in_memory(path, &mut known, changes)?;
    }
    Ok(Session::new(maildirs, path, known, warnings, None)?)
}

pub(super) fn is_not_found(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

impl Session {
    fn new(
        maildirs: &Arc<Maildirs>,
        path: &Path,
        known: Known,
        warnings: Vec<Warning>,
        lock: Option<Lock>,
    ) -> Result<Self, Failure> {
        let (table, listing) = Table::new(known).map_err(Failure::at("list", path))?;
        Ok(Self {
            maildirs: Arc::clone(maildirs),
            path: path.to_owned(),
            listing: Arc::new(listing),
            table,
            warnings,
            is_unchanged: false,
            found: Mutex::new(None),
            lost: OnceLock::new(),
            lock,
        })
    }

    pub(crate) const fn listing(&self) -> &Arc<Listing> {
        &self.listing
    }

    /// The messages with a surrogate, ascending, and its octets.
    pub(crate) fn surrogates(&self) -> &[(usize, Octets)] {
        self.table.surrogates()
    }

    /// What the operator should know, told once.
    pub(crate) fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    /// Whether the listing is that of the session before.
    pub(crate) const fn is_unchanged(&self) -> bool {
        self.is_unchanged
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn maildirs(&self) -> &Arc<Maildirs> {
        &self.maildirs
    }

    /// What the listing holds.
    pub(super) fn usage(&self) -> Usage {
        if let Some(octets) = self.table.stored_octets() {
            return Usage { octets, messages: self.table.len() as u64 };
        }
        let mut window = Window::sequential();
        let facts = (0..self.table.len()).filter_map(|index| self.facts_with(index, &mut window));
        facts.map(|facts| Usage::message(facts.stored_octets)).fold(Usage::default(), Usage::plus)
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        self.maildirs.disk()
    }

    /// The index file and whether this session may write to it.
    pub(super) fn origin(&self) -> Option<Origin> {
        self.table.origin().filter(|_| self.lock.is_some())
    }

    /// What the index says of the message at `index`. `None` when it says nothing that agrees with the listing.
    pub(crate) fn facts(&self, index: usize) -> Option<Facts> {
        self.facts_with(index, &mut Window::single())
    }

    pub(crate) fn stored(&self, index: usize) -> Option<Stored<'_>> {
        let (_, suffix) = self.place(index)?;
        let (facts, base_name) = self.record(index, &mut Window::single())?;
        Some(Stored { base_name: Cow::Owned(base_name), suffix, modified_ns: facts.modified_ns })
    }

    /// As `facts`, with a window that many look through.
    pub(super) fn facts_with(&self, index: usize, window: &mut Window) -> Option<Facts> {
        self.record(index, window).map(|(facts, _)| facts)
    }

    /// The same and the base name.
    pub(super) fn record(&self, index: usize, window: &mut Window) -> Option<(Facts, Vec<u8>)> {
        self.table.record(&self.listing, index, window).ok().flatten()
    }

    /// Octets of the message as listed, and those of its surrogate.
    pub(super) fn listed_octets(&self, index: usize) -> Option<(u64, Option<u64>)> {
        let octets = self.listing.octets(index)?;
        Some((octets.as_u64(), self.table.surrogate_octets(index)))
    }

    /// The base name of the message at `index`; `None` when the index does not tell it any more, and no file in the folders
    /// has its unique-id.
    ///
    /// # Errors
    /// When it is not the unique-id, the index does not tell it any more, and the folders cannot be listed.
    pub(super) fn base_name(&self, index: usize) -> Result<Option<Vec<u8>>, Failure> {
        let mut names = self.table.base_names(&self.listing, Window::single());
        match names.at(index) {
            Ok(base_name) => Ok(Some(base_name.to_vec())),
            Err(_) => self.lost_name(index),
        }
    }

    /// The base name that gives the message its unique-id, looked for in the folders: the index is only a cache, and another
    /// program may have damaged it while it was in use.
    fn lost_name(&self, index: usize) -> Result<Option<Vec<u8>>, Failure> {
        let Some(unique_id) = self.listing.unique_id(index) else { return Ok(None) };
        let lost = match self.lost.get() {
            Some(lost) => lost,
            None => {
                let lost = self.names_that_are_no_unique_ids()?;
                self.lost.get_or_init(|| lost)
            }
        };
        Ok(lost.get(unique_id.as_bytes()).cloned())
    }

    /// The base names in the folders that are not the unique-id of their message, by that.
    fn names_that_are_no_unique_ids(&self) -> Result<HashMap<Vec<u8>, Vec<u8>>, Failure> {
        let path = self.path.join(layout::UNIQUE_IDS);
        let overrides = Overrides::load(self.disk(), &path).map_err(Failure::at("read", &path))?;
        let mut names = HashMap::new();
        // One look can miss a file that is renamed meanwhile; two do not.
        for folder in BOTH.into_iter().chain(BOTH) {
            self.list(folder, &mut |base_name, _| {
                if let (Some(unique_id), _) = overrides.of(base_name) {
                    names.insert(unique_id, base_name.to_vec());
                }
            })?;
        }
        Ok(names)
    }

    /// All base names, to be asked for by index; ascending ones cost least.
    pub(super) fn base_names(&self) -> BaseNames<'_> {
        self.table.base_names(&self.listing, Window::sequential())
    }

    pub(super) fn ordinal(&self, index: usize) -> Option<u32> {
        self.table.ordinal(index)
    }

    /// When messages were retrieved, in seconds since 1970, by ordinal.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub(super) fn retrievals(&self) -> Result<HashMap<u32, i64>, Failure> {
        self.table.retrievals().map_err(Failure::at("read the index of", &self.path))
    }

    /// The messages of which the index says when they were retrieved.
    pub(super) const fn retrieved(&self) -> &Marks {
        self.table.retrieved()
    }

    pub(super) fn has_twin(&self, index: usize) -> bool {
        self.table.has_twin(index)
    }

    /// Where the message at `index` was last seen.
    pub(super) fn place(&self, index: usize) -> Option<(Folder, Cow<'_, [u8]>)> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((folder, suffix)) = found.as_ref().and_then(|found| found.places.get(&index)) {
            return Some((*folder, Cow::Owned(suffix.clone())));
        }
        let (folder, suffix) = self.table.place(index)?;
        Some((folder, Cow::Borrowed(suffix)))
    }

    /// Lists the folders once more to find messages that were renamed. `false` when nothing can have changed since
    /// that was done last.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub(super) fn look_for_messages(&self) -> Result<bool, MessageError> {
        let now_ns = self.lock.as_ref().and_then(Lock::now_ns);
        let before = stamps(self.disk(), &self.path, now_ns)?;
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.as_ref().is_some_and(|last| last.stamps.are_settled() && last.stamps.are_like(&before)) {
            return Ok(false);
        }
        let lost = |index| self.lost_name(index).ok().flatten();
        let finder = self.table.finder(&self.listing, &lost);
        let mut places = HashMap::new();
        for folder in BOTH {
            self.list(folder, &mut |base_name, suffix| {
                if let Some(index) = finder.find(base_name) {
                    let is_known = self.table.place(index) == Some((folder, suffix));
                    if is_known {
                        places.remove(&index);
                    } else {
                        places.insert(index, (folder, suffix.to_vec()));
                    }
                }
            })?;
        }
        *found = Some(Found { stamps: before, places });
        Ok(true)
    }

    /// Bytes on the heap for the messages, without the listing.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.table.heap_bytes()
    }

    /// Calls `each` with base name and suffix of every message in the folder.
    pub(super) fn list(&self, folder: Folder, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Failure> {
        use std::os::unix::ffi::OsStrExt;
        let path = self.path.join(folder.name());
        let mut split = |name: &std::ffi::OsStr, kind| {
            if matches!(kind, Kind::File | Kind::Unknown) {
                let (base_name, suffix) = split_name(name.as_bytes());
                each(base_name, suffix);
            }
        };
        self.disk().list(&path, &mut split).map_err(Failure::at("list", &path))
    }

    /// Makes the index forget the message at `index`, and with it that it knows the folders: the next session looks.
    /// Best effort, because the index is only asked about what it can be refuted in.
    pub(super) fn forget(&self, index: usize) {
        if let (Some(origin), Some(ordinal)) = (self.origin(), self.ordinal(index)) {
            let mut records = Records::appended(origin.nonce);
            records.gone(&[ordinal]);
            let _ = keeper::append(self.disk(), &self.path, &records.bytes, Durable::No);
        }
    }
}

impl super::Keyed for Session {
    fn disk(&self) -> &dyn Disk {
        self.maildirs.disk()
    }

    fn folder(&self) -> &Path {
        &self.path
    }

    fn file_mode(&self) -> u32 {
        self.maildirs.settings.file_mode
    }

    fn messages(&self) -> usize {
        self.listing.len()
    }

    fn key(&self, index: usize) -> Option<Cow<'_, [u8]>> {
        self.base_name(index).ok().flatten().map(Cow::Owned)
    }
}

/// Whether the index says all there is to say about folders that look like this.
pub(super) fn is_current(pending: &[u32], stamps: Option<Stamps>, now: &Stamps) -> bool {
    pending.is_empty() && stamps.is_some_and(|known| known.are_settled() && known.are_like(now))
}

pub(super) fn take_lock(maildirs: &Maildirs, path: &Path) -> Result<Lock, OpenError> {
    let (disk, mode) = (maildirs.disk(), maildirs.settings.file_mode);
    let file = path.join(layout::LOCK);
    let lock = match Lock::take(disk, &file, mode) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            recovery::make_missing(maildirs, path)?;
            Lock::take(disk, &file, mode)
        }
        result => result,
    };
    let lock = lock.map_err(Failure::at("lock", &file))?.ok_or(OpenError::InUse)?;
    if maildirs.settings.foreign_locks == ForeignLocks::Respect
        && foreign::is_held(disk, &path.join(layout::DOVECOT_SESSION_LOCK), &lock)
    {
        return Err(OpenError::InUse);
    }
    Ok(lock)
}

/// The index as far as it can be read.
fn load_index(disk: &dyn Disk, path: &Path, warnings: &mut Vec<Warning>) -> Known {
    let path = path.join(layout::INDEX);
    Known::load(disk, &path).unwrap_or_else(|error| {
        warnings.push(Warning::Index(Failure::new("read", &path, error)));
        Known::default()
    })
}
