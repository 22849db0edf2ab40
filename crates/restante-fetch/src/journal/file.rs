//! The journal's file: opened under a lock, read to its end, appended to, written anew; what is synced and when.
//!
//! # What is durable
//!
//! *Appended* is one write and one sync. Each block says up to where the file was durable when it was written; what lies behind that in the last
//! block is in doubt for whoever opens the file next, because the process that wrote it may have died before its sync, or been told that the
//! sync failed: then the system shows those octets and will never write them. So the first append after an opening writes what is in
//! doubt once more, together with what is new: no call more, and nothing is built upon what is only shown.
//!
//! *Written anew* is another file, synced, renamed, and its folder synced; the first time, the folders above are synced before the rename,
//! since an earlier try may have made them and not have come to that. Its last block says that all of it was durable. Until a block was appended, which only happens after that, the name is in
//! doubt too, and the folder is synced again.
//!
//! *Torn* is a block that is not whole, and none behind it knows it as durable: it is the end of the file, and is cut off durably
//! before anything is appended. A block that some later one knows as durable is *damaged*; nobody guesses what it was.
//!
//! The lock is held on a file of its own, which is never renamed or removed: another process cannot open the new file while this one
//! holds the old.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memchr::memmem;
use restante_store::disk::{Access, Disk, DiskFile, Kind};

use super::JournalError;
use super::codec::{
    self, BLOCK, BLOCK_OCTETS, BLOCK_OCTETS_MAX, BLOCK_OCTETS_USUAL, Block, HEADER_OCTETS, Header,
    HeaderFault, Log, Step,
};
use super::entries::{Entries, Replay};
use crate::failure::Failure;
use crate::folders;

/// The folder of an account, and the journal in it.
#[derive(Debug)]
pub(super) struct Home {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    path: PathBuf,
    account: Box<str>,
    /// Held as long as this lives; `None` when it is only looked at.
    lock: Option<Box<dyn DiskFile>>,
    /// `None` until it is made.
    file: Option<Opened>,
    /// A write or a sync has failed, and what is durable is unknown.
    is_broken: bool,
}

/// A journal's file that was read to its end.
#[derive(Debug)]
struct Opened {
    file: Box<dyn DiskFile>,
    nonce: u64,
    /// Where the next block goes.
    end: u64,
    /// From here to `end` it may be shown and not durable.
    doubt: u64,
    /// Behind `end` lies what a crash has torn.
    has_torn_end: bool,
    /// The folder may not hold its name durably.
    is_name_in_doubt: bool,
}

impl Home {
    /// Locks the journal in this folder, which is made when it is missing.
    pub(super) fn take(disk: Arc<dyn Disk>, folder: &Path) -> Result<Self, JournalError> {
        folders::make(&*disk, folder).map_err(folder_failed)?;
        let path = folder.join(LOCK);
        let open = || {
            let file = disk.open(&path, Access::AppendOrCreate(FILE_MODE))?;
            Ok(file.try_lock()?.then_some(file))
        };
        match open().map_err(JournalError::failed("lock", &path))? {
            Some(lock) => Ok(Self { lock: Some(lock), ..Self::look(disk, folder) }),
            None => Err(JournalError::InUse { path: folder.join(JOURNAL) }),
        }
    }

    /// Without the lock.
    pub(super) fn look(disk: Arc<dyn Disk>, folder: &Path) -> Self {
        let path = folder.join(JOURNAL);
        let account = account(folder);
        Self { disk, folder: folder.to_owned(), path, account, lock: None, file: None, is_broken: false }
    }

    pub(super) const fn account(&self) -> &str {
        &self.account
    }

    pub(super) const fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Octets of the file.
    pub(super) fn octets(&self) -> u64 {
        self.file.as_ref().map_or(0, |opened| opened.end)
    }

    /// Whether it can be written.
    ///
    /// # Errors
    /// That it cannot.
    pub(super) fn check_writable(&self) -> Result<(), JournalError> {
        let path = || self.path.clone();
        match &self.lock {
            _ if self.is_broken => Err(JournalError::Broken { path: path() }),
            None => Err(JournalError::ReadOnly { path: path() }),
            Some(_) => Ok(()),
        }
    }

    /// Reads the whole journal. A missing or empty file is a new one.
    pub(super) fn read(&mut self) -> Result<Entries, JournalError> {
        let access = if self.lock.is_some() { Access::Write } else { Access::Read };
        let failed = JournalError::failed("read", &self.path);
        let file = match self.disk.open(&self.path, access) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Entries::default()),
            Err(error) => return Err(failed(error)),
        };
        let stat = file.stat().map_err(JournalError::failed("read", &self.path))?;
        if stat.kind != Kind::File {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, "not a regular file")));
        }
        if stat.size == 0 {
            return Ok(Entries::default());
        }
        let guess = (stat.size / MESSAGE_OCTETS_USUAL).min(MESSAGES_GUESSED_MAX) as usize;
        let mut reading = Reading {
            path: &self.path,
            window: Window::new(&*file, stat.size),
            replay: Replay::with_capacity(guess),
        };
        let (header, replayed) = reading.whole()?;
        let entries =
            reading.replay.finish().ok_or_else(|| damaged(&self.path, 0, "it names a message twice"))?;
        self.account = header.account;
        let Replayed { end, doubt, is_name_in_doubt } = replayed;
        let has_torn_end = end < stat.size;
        let nonce = header.nonce;
        self.file = Some(Opened { file, nonce, end, doubt, has_torn_end, is_name_in_doubt });
        Ok(entries)
    }

    /// Appends what was logged, and makes it and all before it durable. There must be a file.
    pub(super) fn append(&mut self, log: &Log) -> Result<(), JournalError> {
        let Some(opened) = &mut self.file else { return Ok(()) };
        let written = opened.append(log, &*self.disk, &self.folder);
        self.is_broken = written.is_err();
        written.map_err(JournalError::failed("write", &self.path))
    }

    /// Writes the file anew, with these entries and nothing else, and gives them the ordinals that they have there.
    pub(super) fn replace(&mut self, entries: &mut Entries) -> Result<(), JournalError> {
        let new = self.folder.join(NEW);
        let written = self.write_new(&new, entries).map_err(JournalError::failed("write", &new));
        // Before the file gets its name: whoever finds it relies on the folders above.
        let written = written.and_then(|opened| match self.file {
            Some(_) => Ok(opened),
            None => folders::sync_above(&*self.disk, &self.folder).map_err(folder_failed).map(|()| opened),
        });
        if written.is_err() {
            // It is in nobody's way; the next one removes it.
            let _ = self.disk.unlink(&new);
            // The old file goes on. Where there is none, this was a commit, and a commit that failed is the last one.
            self.is_broken = self.file.is_none();
        }
        let opened = written?;
        let named = self.disk.rename(&new, &self.path).and_then(|()| self.disk.sync_folder(&self.folder));
        self.is_broken = named.is_err();
        named.map_err(JournalError::failed("rename", &self.path))?;
        self.file = Some(opened);
        entries.renumber();
        Ok(())
    }

    fn write_new(&self, path: &Path, entries: &Entries) -> io::Result<Opened> {
        match self.disk.unlink(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.disk.open(path, Access::CreateNew(FILE_MODE))?;
        let nonce = getrandom::u64().map_err(io::Error::other)?;
        let mut bytes = Header { nonce, account: self.account.clone() }.write();
        let mut written = 0;
        let mut log = Log::default();
        let mut flush = |log: &mut Log, bytes: &mut Vec<u8>| {
            for block in log.blocks() {
                Block::write(block, nonce, written + bytes.len() as u64, 0, bytes);
            }
            log.clear();
            file.append(bytes)?;
            written += bytes.len() as u64;
            bytes.clear();
            io::Result::Ok(written)
        };
        log.push(&Step::Totals(&entries.totals));
        entries.sinks.iter().for_each(|sink| log.push(&Step::Sink(sink)));
        for (key, known) in entries.known() {
            log.push(&Step::Known { key, known, sinks: &entries.sinks });
            if log.len() >= BLOCK_OCTETS_USUAL {
                flush(&mut log, &mut bytes)?;
            }
        }
        let end = flush(&mut log, &mut bytes)?;
        // Says that nothing before it can be torn.
        Block::write(&[], nonce, end, end, &mut bytes);
        let end = flush(&mut log, &mut bytes)?;
        file.sync()?;
        drop(file);
        // What was opened to append can write nowhere else.
        let file = self.disk.open(path, Access::Write)?;
        Ok(Opened { file, nonce, end, doubt: end, has_torn_end: false, is_name_in_doubt: false })
    }
}

impl Opened {
    fn append(&mut self, log: &Log, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        if log.blocks().any(|block| block.len() > BLOCK_OCTETS_MAX as usize) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a record is too long"));
        }
        if self.has_torn_end {
            self.file.truncate(self.end)?;
            self.file.sync()?;
            self.has_torn_end = false;
        }
        if self.is_name_in_doubt {
            disk.sync_folder(folder)?;
            self.is_name_in_doubt = false;
        }
        // Octets in doubt are read back, not kept: this is once in an opening.
        let mut bytes = vec![0; usize::try_from(self.end - self.doubt).map_err(io::Error::other)?];
        self.file.read_exactly(&mut bytes, self.doubt)?;
        for block in log.blocks() {
            let at = self.doubt + bytes.len() as u64;
            Block::write(block, self.nonce, at, self.doubt, &mut bytes);
        }
        self.file.write_at(&bytes, self.doubt)?;
        self.file.sync()?;
        self.end = self.doubt + bytes.len() as u64;
        self.doubt = self.end;
        Ok(())
    }
}

/// What a file was found to be.
struct Replayed {
    end: u64,
    doubt: u64,
    is_name_in_doubt: bool,
}

/// A journal that is read from front to back.
struct Reading<'a> {
    path: &'a Path,
    window: Window<'a>,
    replay: Replay,
}

impl Reading<'_> {
    fn whole(&mut self) -> Result<(Header, Replayed), JournalError> {
        let (header, first) = self.header()?;
        let nonce = header.nonce;
        let mut replayed = Replayed { end: first, doubt: first, is_name_in_doubt: true };
        let mut is_appended = false;
        while let Some((block, after)) = self.block(nonce, replayed.end)? {
            is_appended |= block.durable > 0 && block.octets > 0;
            replayed.doubt = if block.durable > 0 { block.durable } else { after };
            replayed.end = after;
        }
        replayed.is_name_in_doubt = !is_appended;
        if replayed.end < self.window.size && self.is_known_as_durable(nonce, replayed.end)? {
            return Err(damaged(self.path, replayed.end, "what stands here was changed or lost"));
        }
        Ok((header, replayed))
    }

    /// The header, and where it ends.
    fn header(&mut self) -> Result<(Header, u64), JournalError> {
        let fault = |fault| match fault {
            HeaderFault::Later(version) => JournalError::Later { path: self.path.to_owned(), version },
            HeaderFault::Damaged => damaged(self.path, 0, "it does not begin as a journal does"),
        };
        let failed = |error| JournalError::failed("read", self.path)(error);
        let fixed = self.window.get(0, HEADER_OCTETS).map_err(failed)?;
        let Some(&fixed) = fixed.first_chunk() else { return Err(fault(HeaderFault::Damaged)) };
        let following = Header::following(&fixed).map_err(fault)?;
        let rest = self.window.get(HEADER_OCTETS as u64, following).map_err(failed)?;
        let header = Header::read(&fixed, rest).ok_or_else(|| fault(HeaderFault::Damaged))?;
        Ok((header, (HEADER_OCTETS + following) as u64))
    }

    /// Replays the block at `at`, and says where it ends; `None` when none begins there that is whole.
    fn block(&mut self, nonce: u64, at: u64) -> Result<Option<(Block, u64)>, JournalError> {
        let failed = |error| JournalError::failed("read", self.path)(error);
        let head = self.window.get(at, BLOCK_OCTETS).map_err(failed)?;
        let Some(block) = head.first_chunk().and_then(|head| Block::read(head, nonce, at)) else {
            return Ok(None);
        };
        if block.octets > BLOCK_OCTETS_MAX {
            return Err(damaged(self.path, at, "what stands here is too long"));
        }
        let octets = block.octets as usize;
        let steps = self.window.get(at + BLOCK_OCTETS as u64, octets).map_err(failed)?;
        if steps.len() < octets || !block.is_of(steps, nonce) {
            return Ok(None);
        }
        codec::replay(steps, &mut self.replay)
            .ok_or_else(|| damaged(self.path, at, "what stands here makes no sense"))?;
        Ok(Some((block, at + (BLOCK_OCTETS + octets) as u64)))
    }

    /// Whether a block behind `end` says that the file was durable beyond `end`.
    fn is_known_as_durable(&mut self, nonce: u64, end: u64) -> Result<bool, JournalError> {
        let failed = |error| JournalError::failed("read", self.path)(error);
        let mut at = end;
        while at < self.window.size {
            let piece = self.window.get(at, BLOCK_OCTETS_USUAL).map_err(failed)?;
            let length = piece.len();
            let knows = |found: usize| {
                let head = piece.get(found..).and_then(|rest| rest.first_chunk());
                let block = head.and_then(|head| Block::read(head, nonce, at + found as u64));
                block.is_some_and(|block| block.durable > end)
            };
            if memmem::find_iter(piece, BLOCK).any(knows) {
                return Ok(true);
            }
            // The head of a block may lie across the border of two pieces.
            let step = if length > BLOCK_OCTETS { length - BLOCK_OCTETS + 1 } else { length.max(1) };
            at += step as u64;
        }
        Ok(false)
    }
}

/// A file that is read from front to back, a large piece at a time.
struct Window<'a> {
    file: &'a dyn DiskFile,
    size: u64,
    start: u64,
    octets: Vec<u8>,
}

impl<'a> Window<'a> {
    const fn new(file: &'a dyn DiskFile, size: u64) -> Self {
        Self { file, size, start: 0, octets: Vec::new() }
    }

    /// So many octets from `at`, or those up to the end of the file.
    fn get(&mut self, at: u64, octets: usize) -> io::Result<&[u8]> {
        let wanted = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX).min(octets);
        let is_there = at >= self.start && at + wanted as u64 <= self.start + self.octets.len() as u64;
        if !is_there {
            let rest = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
            self.octets.resize(rest.min(octets.max(WINDOW_OCTETS)), 0);
            self.start = at;
            let filled = self.file.read_up_to(&mut self.octets, at)?;
            self.octets.truncate(filled);
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        let end = from.saturating_add(wanted).min(self.octets.len());
        Ok(self.octets.get(from..end).unwrap_or_default())
    }
}

/// How the folder of an account is called: percent-encoded, except what is safe in every file name and plain to read.
pub(super) fn folder_name(account: &str) -> String {
    let mut name = String::with_capacity(account.len());
    for (at, octet) in account.bytes().enumerate() {
        let is_safe = octet.is_ascii_alphanumeric() || b"@-_+".contains(&octet) || (octet == b'.' && at > 0);
        if is_safe {
            name.push(char::from(octet));
        } else {
            let _ = write!(name, "%{octet:02X}");
        }
    }
    name
}

/// The account that a folder is called after.
fn account(folder: &Path) -> Box<str> {
    let name = folder.file_name().unwrap_or_default().as_encoded_bytes();
    let mut octets = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&octet, after)) = rest.split_first() {
        let encoded = after.first_chunk::<2>().filter(|_| octet == b'%');
        let decoded =
            encoded.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        octets.push(decoded.unwrap_or(octet));
        rest = if decoded.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&octets).into()
}

fn folder_failed(failure: Failure) -> JournalError {
    let (doing, path, cause) = failure.into_parts();
    JournalError::Failed { doing, path, cause }
}

fn damaged(path: &Path, offset: u64, what: &'static str) -> JournalError {
    JournalError::Damaged { path: path.to_owned(), offset, what }
}

/// A few blocks: what is read again because a block lies across the end of a piece is little.
const WINDOW_OCTETS: usize = 4 * BLOCK_OCTETS_USUAL;

/// Used to guess how many messages there are; a wrong guess costs a copy.
const MESSAGE_OCTETS_USUAL: u64 = 150;

/// A guess is no reason to take more room than this, in messages.
const MESSAGES_GUESSED_MAX: u64 = 1 << 20;

const JOURNAL: &str = "journal";

/// Empty, and never removed.
const LOCK: &str = "journal.lock";

/// The next file while it is written.
const NEW: &str = "journal.new";

const FILE_MODE: u32 = 0o600;
