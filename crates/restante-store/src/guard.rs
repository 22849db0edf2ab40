//! The guard against retrieving everything again: a listing whose unique-ids have changed is not shown.
//!
//! What an account was shown last is remembered in a small file of its own (`guard/memory.rs`), a later listing is compared with
//! it (`guard/rule.rs`), and when the same messages are there under other unique-ids, or another place is shown in place of the
//! account's, the maildrop does not open for a session until somebody has looked. `Store::open_for` calls this. An
//! unchanged maildrop costs one look for that file. Deliveries and inspections are not guarded.
//!
//! The reasons are in docs/design/0011-guard.md.

mod memory;
mod rule;

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use restante_proto::maildrop::{Listing, Marks};

use crate::Location;
use crate::disk::Disk;
use crate::failure::Failure;
use crate::maildir::layout::UNIQUE_IDS;
use crate::maildrop::{Maildrop, OpenError, Warning, blocking};
use memory::{Files, Memory, Noted, Smallest, hashes};
use rule::Census;

/// The guard of a store.
#[derive(Debug)]
pub(crate) struct Guard {
    disk: Arc<dyn Disk>,
    /// The folder for the files of all accounts.
    folder: PathBuf,
}

/// Why a maildrop does not open: its messages are there, and their unique-ids have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    why: String,
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the maildrop is guarded, or clients would retrieve everything again: {}", self.why)
    }
}

impl std::error::Error for Guarded {}

/// Makes the folder in which a guard keeps its files, and the one above it.
///
/// # Errors
/// When they cannot be made: the guard would have no memory.
pub fn prepare(disk: &dyn Disk, folder: &Path) -> Result<(), Failure> {
    memory::prepare(disk, folder)
}

impl Guard {
    pub(crate) const fn new(disk: Arc<dyn Disk>, folder: PathBuf) -> Self {
        Self { disk, folder }
    }

    /// Why the account's maildrop is guarded, if it is.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(crate) async fn verdict(
        &self,
        location: &Location,
        account: &str,
    ) -> Result<Option<Guarded>, Failure> {
        let (disk, files) = (Arc::clone(&self.disk), Files::new(&self.folder, account, location.path()));
        let verdict = blocking(move || files.verdict(&*disk)).await;
        let verdict = verdict.map_err(Failure::at("read", &self.folder))??;
        Ok(verdict.map(|why| Guarded { why }))
    }

    /// Forgets what the account was shown: the next listing is taken for right, whatever it is.
    ///
    /// # Errors
    /// When that cannot be forgotten.
    pub(crate) async fn accept(&self, location: &Location, account: &str) -> Result<(), Failure> {
        let (disk, files) = (Arc::clone(&self.disk), Files::new(&self.folder, account, location.path()));
        blocking(move || files.forget(&*disk)).await.map_err(Failure::at("remove", &self.folder))?
    }
}

/// What the guard knows during a session, and the session of it.
#[derive(Debug)]
pub(crate) struct Watch {
    guard: Arc<Guard>,
    files: Files,
    place: PathBuf,
    /// Where unique-ids of another server are kept, if there are any.
    overrides: PathBuf,
    /// The listing is not known to be that of the last session.
    is_new: bool,
    /// What was shown last; `None` when it has not been read, or is not known.
    memory: Option<Memory>,
    /// The messages for a new sample, hash and index, where they are known.
    smallest: Option<Vec<(u64, usize)>>,
}

/// Lets the maildrop be opened, or not. Of an unchanged one nothing is read.
///
/// # Errors
/// `Guarded`.
pub(crate) async fn watch(
    guard: &Arc<Guard>,
    maildrop: Maildrop,
    location: &Location,
    account: &str,
) -> Result<Maildrop, OpenError> {
    let place = location.path().to_owned();
    let overrides = match location {
        Location::Maildir(folder) | Location::Mbox { control: folder, .. } => folder.join(UNIQUE_IDS),
    };
    let files = Files::new(&guard.folder, account, &place);
    let is_known = || matches!(guard.disk.open_cached(&files.here), Ok(Some(_)));
    let is_new = !(maildrop.is_unchanged() && is_known());
    let mut watch =
        Watch { guard: Arc::clone(guard), files, place, overrides, is_new, memory: None, smallest: None };
    if !is_new {
        return Ok(maildrop.watched(watch));
    }
    let mut warnings = Vec::new();
    match watch.load().await {
        Ok(memory) => watch.memory = memory,
        Err(failure) => warnings.push(Warning::Guard(failure)),
    }
    let why = watch.verdict(&maildrop).await;
    if let Some(memory) = watch.memory.take() {
        let judged = Memory { verdict: why.clone(), ..memory.clone() };
        if judged != memory {
            // Were it not kept, the next session would open: its folders have not changed since.
            watch.judge(judged.clone()).await.map_err(OpenError::Temporary)?;
        }
        watch.memory = Some(judged);
    }
    if let Some(why) = why {
        return Err(OpenError::Guarded(Guarded { why }));
    }
    Ok(maildrop.watched(watch).warned(warnings))
}

impl Watch {
    /// Whether the listing is not known to be that of the last session.
    pub(crate) const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Why the listing is not to be shown, if so.
    async fn verdict(&mut self, maildrop: &Maildrop) -> Option<String> {
        let memory = self.memory.as_ref().filter(|memory| memory.sample.len() >= rule::GONE_MIN)?;
        let census = Census::new(memory, maildrop.listing());
        let why = match census.is_suspicious(memory) {
            true => self.look_closer(memory, &census, maildrop).await,
            false => None,
        };
        self.smallest = Some(census.smallest);
        why
    }

    /// Most of what was shown is gone. Whether the same messages are there under other unique-ids, or it is another
    /// maildrop.
    async fn look_closer(&self, memory: &Memory, census: &Census, maildrop: &Maildrop) -> Option<String> {
        let (noted, gone, messages) = (memory.sample.len(), census.gone.len(), memory.messages);
        let (mut wanted, mut found, mut example) = (census.fingerprints(), 0, None);
        for (round, index) in census.candidates(memory, maildrop.listing()).into_iter().enumerate() {
            if census.is_alarming(found) {
                break;
            }
            if wanted.remove(&fingerprint(maildrop, index).await) {
                found += 1;
                example.get_or_insert(index);
            }
            if round % READS_IN_A_ROW == 0 {
                tokio::task::yield_now().await;
            }
        }
        let before = format!("when it was shown last it had {messages} messages");
        if census.is_alarming(found) {
            let example = example.and_then(|index| maildrop.listing().unique_id(index));
            let example = example.as_ref().map_or("", |unique_id| unique_id.as_str());
            let lost = if self.has_lost_overrides(memory).await { LOST_OVERRIDES } else { "" };
            return Some(format!(
                "{before}; of {noted} that were noted {gone} are gone without DELE, and {found} or more of these are there under \
                 other unique-ids, such as {example}{lost}"
            ));
        }
        let old = PathBuf::from(OsString::from_vec(memory.place.clone()));
        if old != self.place && self.is_there(&old).await {
            return Some(format!(
                "{before} and was {}, which is still there; {} holds others, {gone} of {noted} that were noted are not \
                 there",
                old.display(),
                self.place.display()
            ));
        }
        None
    }

    /// Remembers the listing, without the messages that were removed, if that is worth it.
    async fn keep(&mut self, maildrop: &Maildrop, removed: &Marks) -> Result<(), Failure> {
        if !self.is_new && removed.is_empty() {
            return Ok(());
        }
        if self.memory.is_none() {
            self.memory = self.load().await?;
        }
        let listing = maildrop.listing();
        let smallest = match self.smallest.take() {
            Some(smallest) if !smallest.iter().any(|(_, index)| removed.is_marked(*index)) => smallest,
            _ => smallest(listing, removed),
        };
        let place = self.place.as_os_str().as_bytes();
        if let Some(memory) = &self.memory
            && memory.place == place
            && memory.verdict.is_none()
            && !rule::is_outdated(memory, &smallest)
        {
            return Ok(());
        }
        let mut sample = Vec::with_capacity(smallest.len());
        for (hash, index) in smallest {
            let before = self.memory.as_ref().and_then(|memory| memory.noted(hash));
            sample.push(match before {
                Some(noted) => *noted,
                None => Noted {
                    hash,
                    fingerprint: fingerprint(maildrop, index).await,
                    octets: listing.octets(index).unwrap_or_default().as_u64(),
                },
            });
        }
        let messages = (listing.len() - removed.count()) as u64;
        let has_overrides = self.is_there(&self.overrides).await;
        let memory = Memory { place: place.to_vec(), messages, has_overrides, sample, verdict: None };
        self.store(memory.clone()).await?;
        (self.memory, self.is_new) = (Some(memory), false);
        Ok(())
    }

    async fn load(&self) -> Result<Option<Memory>, Failure> {
        let (disk, files) = (Arc::clone(&self.guard.disk), self.files.clone());
        blocking(move || files.load(&*disk)).await.map_err(Failure::at("read", &self.files.here))?
    }

    async fn store(&self, memory: Memory) -> Result<(), Failure> {
        let (disk, files) = (Arc::clone(&self.guard.disk), self.files.clone());
        let result = blocking(move || files.store(&*disk, &memory)).await;
        result.map_err(Failure::at("write", &self.files.here))?
    }

    /// Keeps what is judged of the maildrop, or that it is judged no more.
    async fn judge(&self, memory: Memory) -> Result<(), Failure> {
        let (disk, files) = (Arc::clone(&self.guard.disk), self.files.clone());
        let keep = move || match memory.verdict {
            Some(_) => files.guard(&*disk, &memory),
            // Where that cannot be written, it is judged again next time.
            None => files.store(&*disk, &memory).or(Ok(())),
        };
        blocking(keep).await.map_err(Failure::at("write", &self.files.guarded))?
    }

    async fn is_there(&self, path: &Path) -> bool {
        let (disk, path) = (Arc::clone(&self.guard.disk), path.to_owned());
        blocking(move || disk.stat(&path).is_ok()).await.unwrap_or(false)
    }

    async fn has_lost_overrides(&self, memory: &Memory) -> bool {
        memory.has_overrides && !self.is_there(&self.overrides).await
    }
}

/// As `Maildrop::keep_shown`.
pub(crate) async fn keep(maildrop: &mut Maildrop, removed: &Marks) -> Result<(), Failure> {
    let Some(mut watch) = maildrop.take_watch() else { return Ok(()) };
    watch.keep(maildrop, removed).await
}

fn smallest(listing: &Listing, removed: &Marks) -> Vec<(u64, usize)> {
    let mut smallest = Smallest::new();
    hashes(listing, |index, hash| {
        if !removed.is_marked(index) {
            smallest.see(hash, index);
        }
    });
    smallest.sorted()
}

/// The fingerprint of a message; 0 when it cannot be read or says nothing of itself.
async fn fingerprint(maildrop: &Maildrop, index: usize) -> u64 {
    let Ok(mut message) = maildrop.message(index).await else { return 0 };
    let guess = usize::try_from(message.shape().header_octets).unwrap_or(HEADER_OCTETS_MAX);
    let mut header = Vec::new();
    while header.len() < HEADER_OCTETS_MAX && !memory::has_end_of_header(&header) {
        match message.read(&mut header, guess.clamp(HEADER_OCTETS_MIN, HEADER_OCTETS_MAX)).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(_) => return 0,
        }
    }
    memory::fingerprint(&header)
}

const LOST_OVERRIDES: &str = "; restante.unique-ids, which holds the unique-ids of the server before this one, is not there \
                              any more: put it back from a backup, or import it again";

/// More of a header is not read.
const HEADER_OCTETS_MAX: usize = 64 * 1024;
const HEADER_OCTETS_MIN: usize = 512;

/// Others get their turn after so many.
const READS_IN_A_ROW: usize = 64;
