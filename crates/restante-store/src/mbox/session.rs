//! An open mbox: how it is opened, and what is kept of it until the session ends.
//!
//! The session's own lock is held from the login to the end; the locks of the mbox only while it is looked at. What
//! other programs do meanwhile shows in the file's size and times: then everything is looked for again by its digest.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use restante_proto::maildrop::{Listing, Octets};

use super::index::{Followed, Index};
use super::layout::{LOCK, UNIQUE_IDS};
use super::locks::{self, Guard, Missing};
use super::scan::{Digest, Found};
use super::{Mboxes, Place, journal};
use crate::disk::{Access, Disk, DiskFile, Stat};
use crate::failure::Failure;
use crate::lock::Lock;
use crate::maildir::Keyed;
use crate::maildrop::{MessageError, OpenError, Shape, Stored, Warning, blocking};
use crate::quota::Usage;
use crate::unique_id::overrides::Overrides;

/// A maildrop as one session sees it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) mboxes: Arc<Mboxes>,
    pub(super) place: Place,
    listing: Arc<Listing>,
    /// One for each message of the listing.
    messages: Vec<Message>,
    surrogates: Vec<(usize, Octets)>,
    warnings: Vec<Warning>,
    view: Mutex<View>,
    /// `None` for an inspection.
    lock: Option<Lock>,
}

/// What never changes of a listed message.
#[derive(Clone, Copy, Debug)]
struct Message {
    name: Name,
    shape: Shape,
}

/// What tells a message from all others of its mbox: its digest, and which one of those that are exactly alike it is,
/// from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) digest: Digest,
    pub(super) occurrence: u32,
}

/// The mbox as it was when last looked at.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) index: Index,
    /// To read from. `None` when there is no mbox.
    file: Option<Arc<dyn DiskFile>>,
    stat: Option<Stat>,
    /// Where each message of the listing is: position in the index, and in the file.
    places: Vec<Option<(usize, u64)>>,
}

/// A message to be read.
#[derive(Debug)]
pub(super) struct Extent {
    pub(super) file: Arc<dyn DiskFile>,
    /// How the file looked when the message was there.
    pub(super) stat: Stat,
    pub(super) start: u64,
    pub(super) found: Found,
}

impl Name {
    /// The name as text: the unique-id, unless another server gave one, and the key of that.
    pub(super) fn key(&self) -> String {
        let mut key = String::with_capacity(KEY_OCTETS);
        key.push_str("m.");
        self.digest.iter().for_each(|octet| {
            // Writing to a string cannot fail.
            let _ = write!(key, "{octet:02x}");
        });
        if self.occurrence > 1 {
            let _ = write!(key, ".{}", self.occurrence);
        }
        key
    }
}

/// Takes the session's lock.
///
/// # Errors
/// When another session has it, or it cannot be made.
pub(super) fn take_lock(mboxes: &Mboxes, place: &Place) -> Result<Lock, OpenError> {
    mboxes.check_marker()?;
    locks::take_control(mboxes, &place.control, LOCK)?.ok_or(OpenError::InUse)
}

/// Opens the mbox for a session, or without its lock for a look.
///
/// # Errors
/// When it cannot be read, or is none.
pub(super) fn open(
    mboxes: &Arc<Mboxes>,
    place: &Place,
    guard: &Guard,
    lock: Option<Lock>,
) -> Result<Session, OpenError> {
    let mut warnings = Vec::new();
    let index_path = guard.control(super::layout::INDEX);
    let mut index = Index::load(mboxes.disk(), place).unwrap_or_else(|error| {
        warnings.push(Warning::Index(Failure::new("read", &index_path, error)));
        Index::default()
    });
    let mut followed = Followed::Nothing;
    match guard.file() {
        Some(file) => {
            if lock.is_some() {
                journal::reserve(guard);
            }
            let form = mboxes.settings.form;
            followed = index.follow(file, form, guard.now_ns()).map_err(guard.failed("read"))?;
        }
        None => index = Index::default(),
    }
    if lock.is_some() {
        warnings.extend(index.save(mboxes, place, followed, &[]).err().map(Warning::Index));
    }
    let overrides_path = guard.control(UNIQUE_IDS);
    let overrides =
        Overrides::load(mboxes.disk(), &overrides_path).map_err(Failure::at("read", &overrides_path))?;
    let (listing, messages) = list(&index, &overrides).map_err(guard.failed("list"))?;
    let surrogates = messages.iter().enumerate();
    let surrogates = surrogates
        .filter_map(|(index, message)| Some((index, Octets::new(message.shape.surrogate_octets?))))
        .collect();
    let mut view = View { index, ..View::default() };
    view.look(guard, &messages)?;
    Ok(Session {
        mboxes: Arc::clone(mboxes),
        place: place.clone(),
        listing: Arc::new(listing),
        messages,
        surrogates,
        warnings,
        view: Mutex::new(view),
        lock,
    })
}

/// The listing: those with a place of another server's first, then in the order of the file.
fn list(index: &Index, overrides: &Overrides) -> std::io::Result<(Listing, Vec<Message>)> {
    let mut messages: Vec<(u64, Vec<u8>, Message)> = Vec::with_capacity(index.entries.len());
    let mut shown = HashSet::with_capacity(index.entries.len());
    for (name, found) in names(index) {
        if found.is_internal {
            continue;
        }
        let key = name.key().into_bytes();
        let (given, order) = overrides.of(&key);
        let unique_id = given.unwrap_or(key);
        if !shown.insert(unique_id.clone()) {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "two messages have one unique-id",
            ));
        }
        messages.push((order, unique_id, Message { name, shape: found.shape }));
    }
    messages.sort_by_key(|(order, ..)| *order);
    let mut listing = Listing::with_capacity(messages.len());
    for (_, unique_id, message) in &messages {
        listing.push(Octets::new(message.shape.octets), unique_id).map_err(|_| {
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "more messages than a listing can hold")
        })?;
    }
    Ok((listing, messages.into_iter().map(|(.., message)| message).collect()))
}

/// All messages with their names, in the order of the file.
fn names(index: &Index) -> impl Iterator<Item = (Name, &Found)> {
    let mut occurrences: HashMap<Digest, u32> = HashMap::with_capacity(index.entries.len());
    index.entries.iter().map(move |entry| {
        let occurrence = occurrences.entry(entry.found.digest).or_insert(0);
        *occurrence += 1;
        (Name { digest: entry.found.digest, occurrence: *occurrence }, &entry.found)
    })
}

impl View {
    /// Takes over how the mbox looks, of which the index knows everything by now.
    ///
    /// # Errors
    /// When it cannot be opened for reading.
    fn look(&mut self, guard: &Guard, messages: &[Message]) -> Result<(), Failure> {
        (self.file, self.stat) = (None, None);
        if let Some(file) = guard.file() {
            let read = || guard.disk().open(&guard.place.file, Access::Read);
            self.file = Some(read().map_err(guard.failed("open"))?.into());
            self.stat = Some(file.stat().map_err(guard.failed("see"))?);
        }
        let mut at = self.index.preamble;
        let mut places = HashMap::with_capacity(self.index.entries.len());
        for (position, (name, found)) in names(&self.index).enumerate() {
            places.insert(name, (position, at));
            at += found.octets;
        }
        self.places = messages.iter().map(|message| places.get(&message.name).copied()).collect();
        Ok(())
    }

    /// Where the message at `index` of the listing lies, when the file looks as it did.
    fn extent(&self, index: usize) -> Option<Extent> {
        let (file, stat) = (self.file.as_ref()?, self.stat?);
        let (position, start) = (*self.places.get(index)?)?;
        let found = self.index.entries.get(position)?.found;
        let is_unchanged = file.stat().is_ok_and(|now| now == stat);
        is_unchanged.then(|| Extent { file: Arc::clone(file), stat, start, found })
    }

    /// Position in the index, place and length in the file.
    pub(super) fn piece(&self, index: usize) -> Option<(usize, u64, u64)> {
        let (position, start) = (*self.places.get(index)?)?;
        Some((position, start, self.index.entries.get(position)?.found.octets))
    }
}

impl Session {
    pub(crate) const fn listing(&self) -> &Arc<Listing> {
        &self.listing
    }

    /// The messages with a surrogate, ascending, and its octets.
    pub(crate) fn surrogates(&self) -> &[(usize, Octets)] {
        &self.surrogates
    }

    /// What the operator should know, told once.
    pub(crate) fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    pub(crate) fn shape(&self, index: usize) -> Option<Shape> {
        self.messages.get(index).map(|message| message.shape)
    }

    /// What stays of the message at `index` whatever other programs write into its header: its name for overrides.
    pub(super) fn name(&self, index: usize) -> Option<Name> {
        self.messages.get(index).map(|message| message.name)
    }

    /// What an override names the message at `index` by. One has no file of its own, and so no times.
    pub(crate) fn stored(&self, index: usize) -> Option<Stored<'_>> {
        let base_name = Cow::Owned(self.name(index)?.key().into_bytes());
        Some(Stored { base_name, suffix: Cow::Borrowed(b""), modified_ns: 0 })
    }

    pub(crate) fn usage(&self) -> Usage {
        let one = |message: &Message| Usage::message(message.shape.stored_octets);
        self.messages.iter().map(one).fold(Usage::default(), Usage::plus)
    }

    /// Whether this session holds the lock.
    pub(super) const fn is_exclusive(&self) -> bool {
        self.lock.is_some()
    }

    pub(super) fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the message at `index` lies.
    ///
    /// # Errors
    /// When it is gone, or the mbox cannot be looked at again.
    pub(super) async fn extent(self: &Arc<Self>, index: usize) -> Result<Extent, MessageError> {
        if index >= self.messages.len() {
            return Err(MessageError::NoSuchMessage);
        }
        // The lock on the view must not be held while anything is waited for.
        let known = self.view().extent(index);
        if let Some(extent) = known {
            return Ok(extent);
        }
        let guard = locks::wait(&self.mboxes, &self.place, Missing::IsEmpty).await?;
        let there = Arc::clone(self);
        let looked = blocking(move || {
            let mut view = there.view();
            there.look_again(&mut view, &guard)?;
            Ok(view.extent(index))
        });
        let extent: Result<Option<Extent>, Failure> =
            looked.await.map_err(Failure::at("read", &self.place.file))?;
        extent?.ok_or(MessageError::Vanished)
    }

    /// Looks at the mbox again, which has changed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn look_again(&self, view: &mut View, guard: &Guard) -> Result<(), Failure> {
        match guard.file() {
            Some(file) => {
                let form = self.mboxes.settings.form;
                view.index.follow(file, form, guard.now_ns()).map_err(guard.failed("read"))?;
            }
            None => view.index = Index::default(),
        }
        view.look(guard, &self.messages)
    }

    /// Forgets what is known of the mbox and reads all of it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn read_anew(&self, view: &mut View, guard: &Guard) -> Result<(), Failure> {
        view.index = Index::default();
        self.look_again(view, guard)
    }

    /// Takes over that messages were removed.
    ///
    /// # Errors
    /// When the mbox cannot be looked at.
    pub(super) fn look_after(&self, view: &mut View, guard: &Guard) -> Result<(), Failure> {
        view.look(guard, &self.messages)
    }
}

impl Keyed for Session {
    fn disk(&self) -> &dyn Disk {
        self.mboxes.disk()
    }

    fn folder(&self) -> &Path {
        &self.place.control
    }

    fn file_mode(&self) -> u32 {
        self.mboxes.settings.file_mode
    }

    fn messages(&self) -> usize {
        self.messages.len()
    }

    fn key(&self, index: usize) -> Option<Cow<'_, [u8]>> {
        self.name(index).map(|name| Cow::Owned(name.key().into_bytes()))
    }
}

/// The octets of most keys.
const KEY_OCTETS: usize = 42;
