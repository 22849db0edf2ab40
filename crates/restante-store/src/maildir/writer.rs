//! Delivery: canonical octets come in, one file is made of them, and it gets a name in `new/` of every recipient.
//!
//! A message up to [`BUFFER_BYTES_MAX`] is kept in memory, so that one hop to a thread that may wait does the whole
//! delivery. The order is: temporary file, sync, rename into `new/`, sync of `new/`, success; the index record comes last and
//! without a sync, because the file is the truth. Where deliveries share their syncs, `batch.rs` takes these steps for
//! several of them at a time.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use restante_proto::maildrop::UniqueId;
use tokio::runtime::Handle;

use super::layout::{TMP, delivered};
use super::reader::{facts, surrogate_octets};
use super::stored_form::StoredForm;
use super::{Maildirs, Settings, batch, keeper, recovery};
use crate::delivery::DeliveryError;
use crate::disk::{Access, Disk, DiskFile};
use crate::failure::Failure;
use crate::index::{Facts, Folder, NO_ORDER, NO_ORDINAL, Record, Span};
use crate::maildrop::blocking;
use crate::survey::Findings;

/// A message on its way in.
#[derive(Debug)]
pub(crate) struct Writer {
    maildirs: Arc<Maildirs>,
    first: PathBuf,
    now: SystemTime,
    form: StoredForm,
    body: Body,
    /// Everything has come.
    is_finished: bool,
    /// The temporary file is nobody's: it has no name, and every maildrop gets a copy.
    is_apart: bool,
}

/// Where the octets are that have been written so far.
#[derive(Debug)]
pub(super) enum Body {
    /// All of them here.
    Memory(Vec<u8>),
    /// All but those in the buffer in a temporary file.
    Spilled(Spool, Vec<u8>),
    /// All of them in a synced file that has a name in some maildrop's `new/` or `tmp/`.
    Spooled(Spool),
    /// They could not be kept, for this reason; or a thread has them.
    Lost(io::ErrorKind),
}

/// The file that all recipients share.
#[derive(Debug)]
pub(super) struct Spool {
    maildirs: Arc<Maildirs>,
    pub(super) file: Box<dyn DiskFile>,
    /// A name it has.
    path: PathBuf,
    /// The name is temporary and goes with the spool.
    is_temporary: bool,
}

impl Writer {
    pub(crate) fn new(maildirs: Arc<Maildirs>, first: &Path, now: SystemTime) -> Self {
        let form = StoredForm::new(maildirs.settings.line_ends);
        let body = Body::Memory(Vec::new());
        Self { maildirs, first: first.to_owned(), now, form, body, is_finished: false, is_apart: false }
    }

    /// One that shares no file with any maildrop, for recipients who must not be able to change what others get. What is too large
    /// for memory lies in `folder`, which is made below the folder `root`, without a name.
    pub(crate) fn apart(maildirs: &Maildirs, root: &Path, folder: &Path, now: SystemTime) -> Self {
        let settings = Settings { line_ends: maildirs.settings.line_ends, ..Settings::new(root) };
        let own = Arc::new(Maildirs::new(Arc::clone(&maildirs.disk), settings));
        let mut writer = Self::new(own, folder, now);
        writer.is_apart = true;
        writer
    }

    /// As `Delivery::write`.
    pub(crate) async fn write(&mut self, octets: &[u8]) -> Result<(), DeliveryError> {
        // A piece of any size adds at most a bufferful at a time.
        for piece in octets.chunks(BUFFER_BYTES_MAX) {
            let buffer = match &mut self.body {
                Body::Memory(buffer) | Body::Spilled(_, buffer) if !self.is_finished => buffer,
                Body::Memory(_) | Body::Spilled(..) => {
                    return Err(self.lost(io::ErrorKind::InvalidInput).into());
                }
                Body::Spooled(_) => return Err(self.lost(io::ErrorKind::InvalidInput).into()),
                Body::Lost(reason) => {
                    let reason = *reason;
                    return Err(self.lost(reason).into());
                }
            };
            self.form.push(piece, buffer);
            if buffer.len() > BUFFER_BYTES_MAX {
                let body = std::mem::replace(&mut self.body, Body::Lost(io::ErrorKind::Other));
                let (maildirs, first, now) = (Arc::clone(&self.maildirs), self.first.clone(), self.now);
                let is_apart = self.is_apart;
                let spilled = blocking(move || -> Result<Body, Failure> {
                    let mut body = spill(&maildirs, &first, now, body)?;
                    if let (true, Body::Spilled(spool, _)) = (is_apart, &mut body) {
                        spool.hide()?;
                    }
                    Ok(body)
                });
                let spilled = spilled.await;
                match spilled.map_err(Failure::at("deliver to", &self.first))? {
                    Ok(body) => self.body = body,
                    Err(failure) => {
                        self.body = Body::Lost(failure.cause().kind());
                        return Err(failure.into());
                    }
                }
            }
        }
        Ok(())
    }

    /// As `Delivery::commit`.
    pub(crate) async fn commit(&mut self, maildir: &Path) -> Result<UniqueId, DeliveryError> {
        let maildirs = Arc::clone(&self.maildirs);
        self.commit_to(&maildirs, maildir).await
    }

    /// The same into a maildrop on the disk of `maildirs`.
    pub(crate) async fn commit_to(
        &mut self,
        maildirs: &Arc<Maildirs>,
        maildir: &Path,
    ) -> Result<UniqueId, DeliveryError> {
        let mut body = match std::mem::replace(&mut self.body, Body::Lost(io::ErrorKind::Other)) {
            Body::Lost(reason) => return Err(self.lost(reason).into()),
            body => body,
        };
        if !self.is_finished
            && let Body::Memory(buffer) | Body::Spilled(_, buffer) = &mut body
        {
            self.form.finish(buffer);
            self.is_finished = true;
        }
        let findings = self.form.findings();
        let errand = Errand { maildir: maildir.to_owned(), now: self.now, findings };
        let is_elsewhere = self.is_apart || !Arc::ptr_eq(maildirs, &self.maildirs);
        let done = if !is_elsewhere && self.maildirs.batches.are_wanted() {
            batch::deposit(&self.maildirs, errand, body).await
        } else {
            let maildirs = Arc::clone(maildirs);
            let work = move || match is_elsewhere {
                true => deposit_elsewhere(&maildirs, &errand, body),
                false => deposit(&maildirs, &errand, body),
            };
            blocking(work).await
        };
        let (body, result) = done.map_err(Failure::at("deliver to", maildir))?;
        self.body = body;
        Ok(result?)
    }

    pub(crate) const fn maildirs(&self) -> &Arc<Maildirs> {
        &self.maildirs
    }

    /// The moment that the delivery was begun.
    pub(super) const fn now(&self) -> SystemTime {
        self.now
    }

    /// Octets of the file that this becomes.
    pub(super) fn stored_octets(&self) -> u64 {
        self.form.octets()
    }

    /// As `Delivery::abort`.
    pub(crate) async fn abort(mut self) {
        let body = std::mem::replace(&mut self.body, Body::Lost(io::ErrorKind::Other));
        // A panic there would have left the file to the sweep.
        let _ = blocking(move || drop(body)).await;
    }

    /// The delivery is over already. The kind tells a full disk from the rest.
    fn lost(&self, reason: io::ErrorKind) -> Failure {
        Failure::new("go on with a delivery to", &self.first, io::Error::from(reason))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let body = std::mem::replace(&mut self.body, Body::Lost(io::ErrorKind::Other));
        let has_file = matches!(&body, Body::Spilled(spool, _) | Body::Spooled(spool) if spool.is_temporary);
        if has_file && let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || drop(body));
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if self.is_temporary {
            let _ = self.maildirs.disk().unlink(&self.path);
        }
    }
}

impl Spool {
    /// A new temporary file in the maildrop, which is made when it is missing.
    pub(super) fn create(maildirs: &Arc<Maildirs>, maildir: &Path, now: SystemTime) -> Result<Self, Failure> {
        let disk = maildirs.disk();
        let name = fresh_name(maildirs, now).map_err(Failure::at("name a file in", maildir))?;
        let path = maildir.join(TMP).join(name);
        let access = Access::CreateNew(maildirs.settings.file_mode);
        let file = match disk.open(&path, access) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                recovery::make_missing(maildirs, maildir)?;
                disk.open(&path, access)
            }
            result => result,
        };
        let file = file.map_err(Failure::at("create", &path))?;
        Ok(Self { maildirs: Arc::clone(maildirs), file, path, is_temporary: true })
    }

    /// Takes the name away, so that nothing is left of it when it is closed.
    fn hide(&mut self) -> Result<(), Failure> {
        if self.is_temporary {
            let hidden = self.maildirs.disk().unlink(&self.path);
            hidden.map_err(Failure::at("take the name off", &self.path))?;
            self.is_temporary = false;
        }
        Ok(())
    }

    pub(super) fn append(&self, octets: &[u8]) -> Result<(), Failure> {
        self.file.append(octets).map_err(Failure::at("write", &self.path))
    }

    pub(super) fn sync(&self) -> Result<(), Failure> {
        self.file.sync().map_err(Failure::at("sync", &self.path))
    }

    /// The file system that the file is on.
    pub(super) fn device(&self) -> Result<u64, Failure> {
        self.file.stat().map(|stat| stat.device).map_err(Failure::at("see", &self.path))
    }

    /// A copy of its own for a maildrop that cannot share the file.
    fn copy(&self, maildirs: &Arc<Maildirs>, maildir: &Path, now: SystemTime) -> Result<Self, Failure> {
        let copy = Self::create(maildirs, maildir, now)?;
        let mut buffer = vec![0; COPY_BYTES];
        let mut offset = 0;
        loop {
            let read = self.file.read_at(&mut buffer, offset).map_err(Failure::at("read", &self.path))?;
            if read == 0 {
                break;
            }
            copy.append(buffer.get(..read).unwrap_or_default())?;
            offset += read as u64;
        }
        copy.sync()?;
        Ok(copy)
    }

    /// Gives the file its name in `new/` by renaming it. Says the base name.
    fn publish(&mut self, maildir: &Path, now: SystemTime) -> Result<String, Failure> {
        let name = fresh_name(&self.maildirs, now).map_err(Failure::at("name a file in", maildir))?;
        let path = maildir.join(Folder::New.name()).join(&name);
        let disk = self.maildirs.disk();
        match disk.rename_new(&self.path, &path) {
            // `tmp/` was there and `new/` is not.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                recovery::make_missing(&self.maildirs, maildir)?;
                disk.rename_new(&self.path, &path)
            }
            result => result,
        }
        .map_err(Failure::at("rename into", &path))?;
        self.path = path;
        self.is_temporary = false;
        Ok(name)
    }

    /// Gives the file another name in `new/` of another maildrop. Says the base name, or `None` when the file cannot
    /// be shared: on another disk, or its known name is gone or somebody else's by now.
    fn share(&self, maildir: &Path, now: SystemTime) -> Result<Option<String>, Failure> {
        let name = fresh_name(&self.maildirs, now).map_err(Failure::at("name a file in", maildir))?;
        let path = maildir.join(Folder::New.name()).join(&name);
        let disk = self.maildirs.disk();
        // Without `tmp/` it is not sure that the name of `new/` is durable.
        if disk.stat(&maildir.join(TMP)).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            recovery::make_missing(&self.maildirs, maildir)?;
        }
        let link = match disk.link(&self.path, &path) {
            // Either name's folder may be what is missing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                recovery::make_missing(&self.maildirs, maildir)?;
                disk.link(&self.path, &path)
            }
            result => result,
        };
        if link.is_err() {
            return Ok(None);
        }
        let is_ours = || -> io::Result<bool> { Ok(disk.stat(&path)?.inode == self.file.stat()?.inode) };
        if is_ours().unwrap_or(false) {
            return Ok(Some(name));
        }
        disk.unlink(&path).map_err(Failure::at("take back", &path))?;
        Ok(None)
    }
}

/// Writes what is in memory to the temporary file.
fn spill(maildirs: &Arc<Maildirs>, first: &Path, now: SystemTime, body: Body) -> Result<Body, Failure> {
    let (spool, mut buffer) = match body {
        Body::Memory(buffer) => (Spool::create(maildirs, first, now)?, buffer),
        Body::Spilled(spool, buffer) => (spool, buffer),
        body => return Ok(body),
    };
    spool.append(&buffer)?;
    buffer.clear();
    Ok(Body::Spilled(spool, buffer))
}

/// What is delivered where, but for the octets.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) maildir: PathBuf,
    /// When the delivery was begun.
    pub(super) now: SystemTime,
    pub(super) findings: Findings,
}

/// A message that has its name in `new/`.
#[derive(Debug)]
pub(super) struct Placed {
    name: String,
    /// The file of its own that it had to get.
    copied: Option<Spool>,
}

/// Delivers to one maildrop. What the body has become serves the next one; a failure here does not spoil it unless the
/// file itself could not be written.
pub(super) fn deposit(
    maildirs: &Arc<Maildirs>,
    errand: &Errand,
    body: Body,
) -> (Body, Result<UniqueId, Failure>) {
    if let Err(failure) = maildirs.check_marker() {
        return (body, Err(failure));
    }
    let mut spool = match body {
        Body::Memory(buffer) => match spool_memory(maildirs, errand, &buffer) {
            Ok(spool) => spool,
            // The next recipient's disk may have room.
            Err(failure) => return (Body::Memory(buffer), Err(failure)),
        },
        Body::Spilled(spool, buffer) => match spool.append(&buffer).and_then(|()| spool.sync()) {
            Ok(()) => spool,
            Err(failure) => return (Body::Lost(failure.cause().kind()), Err(failure)),
        },
        Body::Spooled(spool) => spool,
        Body::Lost(reason) => {
            let failure = Failure::new("deliver to", &errand.maildir, io::Error::from(reason));
            return (Body::Lost(reason), Err(failure));
        }
    };
    let result = deposit_spool(maildirs, errand, &mut spool);
    (Body::Spooled(spool), result)
}

/// Delivers to one maildrop on another disk, where nothing can be shared. What the body has become serves the next one.
fn deposit_elsewhere(
    maildirs: &Arc<Maildirs>,
    errand: &Errand,
    body: Body,
) -> (Body, Result<UniqueId, Failure>) {
    let body = match body {
        Body::Spilled(spool, buffer) => match spool.append(&buffer).and_then(|()| spool.sync()) {
            Ok(()) => Body::Spilled(spool, Vec::new()),
            Err(failure) => return (Body::Lost(failure.cause().kind()), Err(failure)),
        },
        body => body,
    };
    let copied = maildirs.check_marker().and_then(|()| match &body {
        Body::Memory(buffer) => spool_memory(maildirs, errand, buffer),
        Body::Spilled(spool, _) | Body::Spooled(spool) => spool.copy(maildirs, &errand.maildir, errand.now),
        Body::Lost(reason) => Err(Failure::new("deliver to", &errand.maildir, io::Error::from(*reason))),
    });
    let result = copied.and_then(|mut copied| deposit_spool(maildirs, errand, &mut copied));
    (body, result)
}

fn spool_memory(maildirs: &Arc<Maildirs>, errand: &Errand, octets: &[u8]) -> Result<Spool, Failure> {
    let spool = Spool::create(maildirs, &errand.maildir, errand.now)?;
    spool.append(octets)?;
    spool.sync()?;
    Ok(spool)
}

fn deposit_spool(maildirs: &Arc<Maildirs>, errand: &Errand, spool: &mut Spool) -> Result<UniqueId, Failure> {
    let placed = place(errand, spool)?;
    let new = errand.new_folder();
    if let Err(error) = maildirs.disk().sync_folder(&new) {
        // It may not be durable, so it must not be there when the sender tries again. The open file still serves
        // other recipients.
        let _ = take_back(maildirs.disk(), errand, &placed);
        return Err(Failure::new("sync", &new, error));
    }
    settle(maildirs.disk(), errand, &placed, spool)
}

/// Gives a message whose contents are durable its name in `new/`. The name is not durable yet.
pub(super) fn place(errand: &Errand, spool: &mut Spool) -> Result<Placed, Failure> {
    let (maildir, now) = (&errand.maildir, errand.now);
    let name = if spool.is_temporary {
        match spool.publish(maildir, now) {
            Err(failure) if failure.cause().kind() == io::ErrorKind::CrossesDevices => None,
            result => Some(result?),
        }
    } else {
        spool.share(maildir, now)?
    };
    if let Some(name) = name {
        return Ok(Placed { name, copied: None });
    }
    let mut copied = spool.copy(&spool.maildirs, maildir, now)?;
    let name = copied.publish(maildir, now)?;
    Ok(Placed { name, copied: Some(copied) })
}

/// Takes away the name of a message that may not be durable.
pub(super) fn take_back(disk: &dyn Disk, errand: &Errand, placed: &Placed) -> io::Result<()> {
    disk.unlink(&errand.new_folder().join(&placed.name))
}

/// Remembers in the index what is known of a message that is durable, and says its unique-id.
pub(super) fn settle(
    disk: &dyn Disk,
    errand: &Errand,
    placed: &Placed,
    spool: &Spool,
) -> Result<UniqueId, Failure> {
    let (name, findings) = (&placed.name, &errand.findings);
    let file = placed.copied.as_ref().map_or(&spool.file, |copied| &copied.file);
    if let Ok(stat) = file.stat()
        && stat.size == findings.stored_octets
        && let Ok(surrogate_octets) = surrogate_octets(&**file, findings, &mut Vec::new())
    {
        let facts = Facts { surrogate_octets, ..facts(findings, stat.modified_ns) };
        keeper::append_delivered(disk, &errand.maildir, &record(name, facts), name.as_bytes());
    }
    UniqueId::parse(name.as_bytes())
        .map_err(|error| Failure::new("name a file in", &errand.maildir, io::Error::other(error)))
}

impl Errand {
    pub(super) fn new_folder(&self) -> PathBuf {
        self.maildir.join(Folder::New.name())
    }
}

impl Placed {
    /// Whether the message shares no file with other recipients because it could not.
    pub(super) const fn is_copied(&self) -> bool {
        self.copied.is_some()
    }
}

fn record(name: &str, facts: Facts) -> Record {
    let none = Span::default();
    Record {
        facts,
        order: NO_ORDER,
        delivered: delivered(name.as_bytes(), facts.modified_ns),
        ordinal: NO_ORDINAL,
        base: none,
        suffix: none,
        unique_id: none,
        folder: Folder::New,
        retrieved: None,
        has_twin: false,
    }
}

/// A file name that was never used before and never will be again: time, process, count and chance (R1939-7.14). It
/// is a valid unique-id.
pub(super) fn fresh_name(maildirs: &Maildirs, now: SystemTime) -> io::Result<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let chance = getrandom::u64().map_err(io::Error::other)?;
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, micros, process) = (since.as_secs(), since.subsec_micros(), std::process::id());
    Ok(with_host(maildirs, format!("{seconds}.M{micros:06}P{process}Q{count}R{chance:016x}")))
}

/// The name of a file with the host at its end, as far as a unique-id has room.
pub(super) fn with_host(maildirs: &Maildirs, mut name: String) -> String {
    let host =
        maildirs.settings.host.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let room = UniqueId::OCTETS_MAX.saturating_sub(name.len() + 1);
    if room > 0 && !maildirs.settings.host.is_empty() {
        name.push('.');
        name.extend(host.take(room));
    }
    name
}

/// Larger messages go through a file; so many octets a delivery are kept in memory at most.
const BUFFER_BYTES_MAX: usize = 128 * 1024;

const COPY_BYTES: usize = 256 * 1024;
