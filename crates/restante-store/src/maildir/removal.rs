//! Removing messages at the end of a session, in an order that a crash cannot make wrong.
//!
//! More than one message: the removal is recorded durably (S5), so that it happens whole or, before the record, not at
//! all. Then the files are unlinked and their folders synced (S6), and only then is success reported. A full disk that
//! has no room for the record does not stop the removal.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use restante_proto::maildrop::{Marks, Octets};

use super::counting::Subtraction;
use super::keeper::{self, Durable};
use super::layout::message_path;
use super::reader::is_vanished;
use super::scan::BOTH;
use super::session::Session;
use super::trash::{Bin, Discarded};
use crate::failure::Failure;
use crate::gone::{Gone, Notes};
use crate::index::Folder;
use crate::index::codec::Records;
use crate::index::source::Window;
use crate::maildrop::{RemoveError, Removed, Warning, blocking};
use crate::quota::Usage;

/// Removes the marked messages on a thread that may wait, to the end even when nobody waits for it.
///
/// # Errors
/// As `Maildrop::remove`.
pub(crate) async fn remove(
    session: &Arc<Session>,
    marks: &Marks,
    now: SystemTime,
) -> Result<Removed, RemoveError> {
    let marked: Vec<usize> = marks.iter().collect();
    if marked.is_empty() {
        return Ok(Removed::default());
    }
    let left = marked.len();
    let session_there = Arc::clone(session);
    let result = blocking(move || remove_now(&session_there, &marked, now)).await;
    result.map_err(|error| RemoveError {
        removed: 0,
        gone: Box::default(),
        left,
        failure: Failure::new("remove messages of", session.path(), error),
    })?
}

/// A removal going on.
struct Removal<'a> {
    session: &'a Session,
    /// Messages that are gone now.
    removed: Vec<usize>,
    /// How many of them somebody else had removed.
    vanished: usize,
    /// Messages to look for.
    missing: Vec<Missing>,
    /// How many could not be removed, and the first reason.
    failed: usize,
    failure: Option<Failure>,
    /// Folders with a name less.
    touched: Vec<Folder>,
    /// Where the files go.
    bin: Bin<'a>,
    notes: Notes,
    /// The start of a message, to be noted.
    start: Vec<u8>,
}

/// Where a file lies: folder and suffix.
type File = (Folder, Vec<u8>);

/// A message that is not where it was last seen, or of which there may be another file.
#[derive(Clone, Copy)]
struct Missing {
    index: usize,
    is_unlinked: bool,
    /// Looks in a row that did not show it.
    absences: u32,
}

/// The same on this thread.
///
/// # Errors
/// As `Maildrop::remove`.
pub(super) fn remove_now(
    session: &Session,
    marked: &[usize],
    now: SystemTime,
) -> Result<Removed, RemoveError> {
    let mut warnings = Vec::new();
    if marked.len() > 1 {
        warnings.extend(record_begin(session, marked).err().map(Warning::Index));
    }
    let counted = Subtraction::begin(session.disk(), session.path());
    let mut removal = Removal::new(session, marked.len(), now);
    for &index in marked {
        removal.unlink(index);
    }
    for _ in 0..LOOKS_MAX {
        if removal.missing.is_empty() {
            break;
        }
        removal.look();
    }
    removal.give_up();
    removal.sync();
    warnings.extend(removal.record_end().err().map(Warning::Index));
    counted.end(session.disk(), || removal.usage());
    let Removal { removed, vanished, failed, failure, bin, notes, .. } = removal;
    let gone = Gone::new(&removed, notes);
    warnings.extend(bin.warning());
    match failure {
        None => Ok(Removed { messages: removed.len(), vanished, gone, warnings }),
        // R1939-6.4
        Some(failure) => {
            Err(RemoveError { removed: removed.len(), gone: Box::new(gone), left: failed, failure })
        }
    }
}

/// Records durably which messages are being removed. One that has no record in the index is removed without.
fn record_begin(session: &Session, marked: &[usize]) -> Result<(), Failure> {
    let Some(origin) = session.origin() else { return Ok(()) };
    let mut base_names = session.base_names();
    let mut names: HashMap<u32, Vec<u8>> = HashMap::new();
    let mut ordinals = Vec::new();
    for &index in marked {
        if let Some(ordinal) = session.ordinal(index) {
            let base_name = base_names.at(index).map_err(Failure::at("read the index of", session.path()))?;
            names.insert(ordinal, base_name.to_vec());
            ordinals.push(ordinal);
        }
    }
    let mut records = Records::appended(origin.nonce);
    records.removal(&ordinals, |ordinal| names.get(&ordinal).map(Vec::as_slice).unwrap_or_default());
    keeper::append(session.disk(), session.path(), &records.bytes, Durable::Yes).map(|_| ())
}

impl<'a> Removal<'a> {
    fn new(session: &'a Session, marked: usize, now: SystemTime) -> Self {
        let removed = Vec::with_capacity(marked);
        let (missing, touched) = (Vec::new(), Vec::new());
        let bin = Bin::new(session.maildirs(), session.path(), now);
        Self {
            session,
            removed,
            vanished: 0,
            missing,
            failed: 0,
            failure: None,
            touched,
            bin,
            notes: Notes::default(),
            start: Vec::new(),
        }
    }

    /// What is less in the maildrop. Who removed what has vanished has counted it, or will be found out.
    fn usage(&self) -> Usage {
        if self.vanished > 0 {
            return Usage::default();
        }
        let mut window = Window::sequential();
        let facts = self.removed.iter().filter_map(|&index| self.session.facts_with(index, &mut window));
        facts.map(|facts| Usage::message(facts.stored_octets)).fold(Usage::default(), Usage::plus)
    }

    /// Unlinks the message where it was last seen.
    fn unlink(&mut self, index: usize) {
        let Some((folder, suffix)) = self.session.place(index) else { return };
        match self.unlink_at(index, folder, &suffix) {
            Ok(true) if !self.session.has_twin(index) => self.removed.push(index),
            // R1939-6.1: all files of the message, or it would be back next time.
            Ok(is_unlinked) => self.missing.push(Missing { index, is_unlinked, absences: 0 }),
            Err(failure) => self.fail(failure),
        }
    }

    /// Lists the folders and unlinks the missing messages under whatever names they have now.
    fn look(&mut self) {
        let mut missing = std::mem::take(&mut self.missing);
        let mut files = match self.files_of(&missing) {
            Ok(files) => files,
            Err(failure) => {
                // They may be there, so they are not removed.
                self.failed += missing.len();
                self.failure.get_or_insert(failure);
                return;
            }
        };
        for message in &mut missing {
            let Some(files) = files.remove(&message.index) else {
                // One look can miss a file that is renamed meanwhile; two do not.
                message.absences += 1;
                if message.absences < 2 {
                    self.missing.push(*message);
                } else {
                    self.vanished += usize::from(!message.is_unlinked);
                    self.removed.push(message.index);
                }
                continue;
            };
            let unlinked: Result<Vec<bool>, Failure> =
                files.iter().map(|(folder, suffix)| self.unlink_at(message.index, *folder, suffix)).collect();
            match unlinked {
                Ok(unlinked) if unlinked.iter().all(|&is_unlinked| is_unlinked) => {
                    self.removed.push(message.index)
                }
                Ok(unlinked) => {
                    message.absences = 0;
                    message.is_unlinked |= unlinked.contains(&true);
                    self.missing.push(*message);
                }
                Err(failure) => self.fail(failure),
            }
        }
    }

    /// Where the files of these messages are.
    fn files_of(&self, missing: &[Missing]) -> Result<HashMap<usize, Vec<File>>, Failure> {
        let mut by_name = HashMap::new();
        for message in missing {
            // One without a name has no file.
            by_name.extend(self.session.base_name(message.index)?.map(|name| (name, message.index)));
        }
        let mut files: HashMap<usize, Vec<File>> = HashMap::new();
        for folder in BOTH {
            self.session.list(folder, &mut |base_name, suffix| {
                if let Some(&index) = by_name.get(base_name) {
                    files.entry(index).or_default().push((folder, suffix.to_vec()));
                }
            })?;
        }
        Ok(files)
    }

    /// Messages that are renamed faster than we can look stay.
    fn give_up(&mut self) {
        let missing = std::mem::take(&mut self.missing);
        if !missing.is_empty() {
            self.failed += missing.len();
            let busy = std::io::Error::new(std::io::ErrorKind::ResourceBusy, "messages keep being renamed");
            self.failure.get_or_insert_with(|| Failure::new("remove messages of", self.session.path(), busy));
        }
    }

    /// Makes what was unlinked durable; what is in the trash first, so that no crash shows a message in neither place.
    fn sync(&mut self) {
        self.bin.sync();
        for folder in &self.touched {
            let path = self.session.path().join(folder.name());
            if let Err(error) = self.session.disk().sync_folder(&path) {
                self.failed += self.removed.len();
                self.removed.clear();
                self.failure.get_or_insert_with(|| Failure::new("sync", &path, error));
            }
        }
    }

    /// Records which messages are gone, and that nothing is pending any more.
    fn record_end(&self) -> Result<(), Failure> {
        let Some(origin) = self.session.origin() else { return Ok(()) };
        let gone: Vec<u32> = self.removed.iter().filter_map(|&index| self.session.ordinal(index)).collect();
        let mut records = Records::appended(origin.nonce);
        records.gone(&gone);
        records.removal_end();
        // A message that is left is shown again, and a crash must not bring up the record that says it should go.
        let durable = if self.failure.is_some() { Durable::Yes } else { Durable::No };
        keeper::append(self.session.disk(), self.session.path(), &records.bytes, durable).map(|_| ())
    }

    /// `false` when it is not there.
    fn unlink_at(&mut self, index: usize, folder: Folder, suffix: &[u8]) -> Result<bool, Failure> {
        let Some(base_name) = self.session.base_name(index)? else { return Ok(false) };
        let path = message_path(self.session.path(), folder, &base_name, suffix);
        let octets = self.session.listing().octets(index).map_or(0, Octets::as_u64);
        let name = [&*base_name, suffix].concat();
        self.note(index, &path);
        match self.bin.discard(&path, &Discarded { folder, name: &name, octets }) {
            Ok(()) => {
                if !self.touched.contains(&folder) {
                    self.touched.push(folder);
                }
                Ok(true)
            }
            Err(error) if is_vanished(&error) => Ok(false),
            Err(error) => Err(Failure::new("remove", &path, error)),
        }
    }

    /// Notes what is wanted of a message that is about to go, as far as it is in memory: nobody waits for the disk for that.
    fn note(&mut self, index: usize, path: &Path) {
        let Some(note) = self.session.maildirs().settings.note else { return };
        self.start.resize(NOTE_OCTETS, 0);
        let file = self.session.disk().open_cached(path);
        if let Ok(Some(file)) = file
            && let Ok(Some(read)) = file.read_cached_at(&mut self.start, 0)
        {
            self.notes.keep(index, &note(self.start.get(..read).unwrap_or_default()));
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.failed += 1;
        self.failure.get_or_insert(failure);
    }
}

/// So many octets of a message are looked at to note something: most headers are shorter.
const NOTE_OCTETS: usize = 8 * 1024;

/// Two looks settle what is absent; the others are for what is renamed meanwhile.
const LOOKS_MAX: u32 = 4;
