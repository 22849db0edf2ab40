//! Keeping the total of a Maildir in `maildirsize`, and letting in what fits. Only maildrops with a quota come here.
//!
//! A delivery writes its line *before* the message is there and reads the sum behind it: of two deliveries at once the later
//! sees the earlier, in whatever process. What is over by that sum is counted from the files, alone within this process, and
//! only that count refuses. A line that may be missing because the file was replaced meanwhile is written again, one that
//! may be too many is not taken back: the total may be too high for a while, which no sender notices, and not too low.
//! The reasons are in docs/design/0010-quota.md.

mod files;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use restante_proto::maildrop::UniqueId;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::Maildirs;
use super::layout::{MAILDIRSIZE, TMP};
use super::scan::stamps;
use super::session::Session;
use super::writer::{Writer, fresh_name};
use crate::delivery::DeliveryError;
use crate::disk::{Access, Disk, DiskFile, Kind};
use crate::failure::Failure;
use crate::index::{Stamps, read_whole};
use crate::maildrop::{OpenError, blocking};
use crate::quota::maildirsize::{self, BYTES_MAX};
use crate::quota::{Audit, Limits, OverQuota, Recorded, Usage};

pub(super) use files::count;

/// As `Delivery::commit_to`.
pub(crate) async fn commit(
    writer: &mut Writer,
    maildirs: &Arc<Maildirs>,
    maildir: &Path,
    limits: Limits,
) -> Result<UniqueId, DeliveryError> {
    if limits.are_none() {
        return writer.commit_to(maildirs, maildir).await;
    }
    let place = Place::new(maildirs, maildir, limits, writer.now());
    let admission = place.admit(Usage::message(writer.stored_octets())).await?;
    // After a failure the line stays: the message may be there all the same, and a total that is too high is found out.
    let unique_id = writer.commit_to(maildirs, maildir).await?;
    admission.end().await;
    Ok(unique_id)
}

/// As `Store::admits`.
pub(crate) async fn admits(
    maildirs: &Arc<Maildirs>,
    maildir: &Path,
    more: Usage,
    limits: Limits,
    now: SystemTime,
) -> Result<(), DeliveryError> {
    if limits.are_none() {
        return Ok(());
    }
    let place = Place::new(maildirs, maildir, limits, now);
    let there = place.clone();
    let seems_to_fit = blocking(
        move || matches!(there.recorded(), Recorded::Total(total) if limits.allow(total.plus(more))),
    );
    if seems_to_fit.await.map_err(Failure::at("count", maildir))? {
        return Ok(());
    }
    let _alone = place.gate().write_owned().await;
    let usage = place.recount().await?;
    if limits.allow(usage.plus(more)) { Ok(()) } else { Err(OverQuota { usage, limits }.into()) }
}

/// As `Maildrop::count`: makes the total agree with what this session lists.
pub(crate) async fn rebase(session: &Arc<Session>, limits: Limits, now: SystemTime) -> Result<(), Failure> {
    let place = Place::new(session.maildirs(), session.path(), limits, now);
    let (there, listed) = (place.clone(), Arc::clone(session));
    let is_right = blocking(move || there.agrees_with(&listed)).await;
    if is_right.map_err(Failure::at("count", session.path()))?? {
        return Ok(());
    }
    let _alone = place.gate().write_owned().await;
    place.recount().await.map(drop)
}

/// As `Store::usage`.
pub(crate) async fn usage(maildirs: &Arc<Maildirs>, maildir: &Path) -> Result<Usage, OpenError> {
    let (maildirs, there) = (Arc::clone(maildirs), maildir.to_owned());
    let counted = blocking(move || {
        maildirs.check_marker()?;
        count(maildirs.disk(), &there)
    });
    Ok(counted.await.map_err(Failure::at("count", maildir))??)
}

/// As `Store::audit`, and with `Mending::Yes` as `Store::recount`.
pub(crate) async fn audit(
    maildirs: &Arc<Maildirs>,
    maildir: &Path,
    limits: Limits,
    now: SystemTime,
    mending: Mending,
) -> Result<Audit, OpenError> {
    let place = Place::new(maildirs, maildir, limits, now);
    let _alone = place.gate().write_owned().await;
    let there = place.clone();
    let audited = blocking(move || {
        there.maildirs.check_marker()?;
        let recorded = there.recorded();
        let usage = count(there.disk(), &there.maildir)?;
        let is_right = recorded == Recorded::Total(usage);
        if mending == Mending::No || is_right || limits.are_none() {
            return Ok(Audit { usage, recorded, is_mended: false });
        }
        let usage = there.recount_now()?;
        Ok(Audit { usage, recorded, is_mended: there.recorded() == Recorded::Total(usage) })
    });
    let audited: Result<Audit, Failure> = audited.await.map_err(Failure::at("count", maildir))?;
    Ok(audited?)
}

/// Whether a total that is wrong is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mending {
    Yes,
    No,
}

/// The total of a maildrop from which messages are about to be removed.
#[derive(Debug)]
pub(super) struct Subtraction {
    /// `None` when nobody counts.
    file: Option<Box<dyn DiskFile>>,
    path: PathBuf,
}

impl Subtraction {
    /// To be called before the first message goes: what is counted anew from then on may know of it already.
    pub(super) fn begin(disk: &dyn Disk, maildir: &Path) -> Self {
        let path = maildir.join(MAILDIRSIZE);
        Self { file: disk.open(&path, Access::Append).ok(), path }
    }

    /// Subtracts what this removal has removed itself. Best effort: a total that is too high is found out before
    /// anybody is refused for it. `less` is asked only where somebody counts.
    pub(super) fn end(self, disk: &dyn Disk, less: impl FnOnce() -> Usage) {
        let Some(file) = self.file else { return };
        let less = less();
        if less != Usage::default() && is_still(disk, &self.path, &*file) {
            append(disk, &self.path, &*file, &maildirsize::removed(less));
        }
    }
}

/// A maildrop with a quota, and the moment.
#[derive(Clone, Debug)]
struct Place {
    maildirs: Arc<Maildirs>,
    maildir: PathBuf,
    limits: Limits,
    now: SystemTime,
}

/// A message that may be delivered, and whose line is written. Dropped without `end`, the line stays.
struct Admission {
    place: Place,
    more: Usage,
    /// Where its line is. `None` when nothing could be written down.
    file: Option<Box<dyn DiskFile>>,
    _pass: Pass,
}

/// Whom the delivery excludes until it is over: nobody but those who count, or everybody.
enum Pass {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

impl Place {
    fn new(maildirs: &Arc<Maildirs>, maildir: &Path, limits: Limits, now: SystemTime) -> Self {
        Self { maildirs: Arc::clone(maildirs), maildir: maildir.to_owned(), limits, now }
    }

    fn disk(&self) -> &dyn Disk {
        self.maildirs.disk()
    }

    fn path(&self) -> PathBuf {
        self.maildir.join(MAILDIRSIZE)
    }

    fn gate(&self) -> Arc<RwLock<()>> {
        self.maildirs.gates.of(&self.maildir)
    }

    /// Lets a message in, or says that it does not fit.
    async fn admit(self, more: Usage) -> Result<Admission, DeliveryError> {
        let gate = self.gate();
        let guard = Arc::clone(&gate).read_owned().await;
        let there = self.clone();
        let reserved = blocking(move || there.reserve(more)).await;
        if let Some(file) = reserved.map_err(Failure::at("count", &self.maildir))? {
            let pass = Pass::Shared { _guard: guard };
            return Ok(Admission { place: self, more, file: Some(file), _pass: pass });
        }
        drop(guard);
        let guard = gate.write_owned().await;
        let usage = self.recount().await?;
        if !self.limits.allow(usage.plus(more)) {
            return Err(OverQuota { usage, limits: self.limits }.into());
        }
        let there = self.clone();
        let file = blocking(move || there.add(more)).await.map_err(Failure::at("count", &self.maildir))?;
        Ok(Admission { place: self, more, file, _pass: Pass::Alone { _guard: guard } })
    }

    /// What is written down.
    fn recorded(&self) -> Recorded {
        let file = match self.disk().open(&self.path(), Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Recorded::Nothing,
            Err(_) => return Recorded::Damaged,
        };
        self.read(&*file)
    }

    fn read(&self, file: &dyn DiskFile) -> Recorded {
        match file.stat() {
            Ok(stat) if stat.kind == Kind::File && stat.size <= BYTES_MAX + LINES_BYTES_MAX => {}
            _ => return Recorded::Damaged,
        }
        read_whole(file).map_or(Recorded::Damaged, |text| maildirsize::read(&text, self.limits))
    }

    /// Adds a message's line and looks whether all fits. `None` when it has to be counted: the line counts for nothing then,
    /// because the file is replaced.
    fn reserve(&self, more: Usage) -> Option<Box<dyn DiskFile>> {
        let file = self.disk().open(&self.path(), Access::Append).ok()?;
        let stat = file.stat().ok()?;
        if stat.kind != Kind::File || stat.size > BYTES_MAX {
            return None;
        }
        // What makes no sense must not come to make some by our line.
        if !matches!(self.read(&*file), Recorded::Total(_)) {
            return None;
        }
        if !append(self.disk(), &self.path(), &*file, &maildirsize::added(more)) {
            return None;
        }
        match self.read(&*file) {
            Recorded::Total(total) if self.limits.allow(total) => Some(file),
            _ => None,
        }
    }

    /// Adds a line to the file that is there now.
    fn add(&self, more: Usage) -> Option<Box<dyn DiskFile>> {
        let file = self.disk().open(&self.path(), Access::Append).ok()?;
        append(self.disk(), &self.path(), &*file, &maildirsize::added(more)).then_some(file)
    }

    async fn recount(&self) -> Result<Usage, Failure> {
        let there = self.clone();
        blocking(move || there.recount_now()).await.map_err(Failure::at("count", &self.maildir))?
    }

    /// Counts the files and writes that down. A total that cannot be written down is none of the sender's business.
    fn recount_now(&self) -> Result<Usage, Failure> {
        self.maildirs.check_marker()?;
        let mut looks = LOOKS_MAX;
        loop {
            let before = self.stamps();
            let usage = count(self.disk(), &self.maildir)?;
            let is_written = before.is_some() && self.write(usage).is_ok();
            if is_written && self.stamps() == before {
                return Ok(usage);
            }
            looks -= 1;
            if !is_written || looks == 0 {
                // What was there is wrong, or what was counted may be by now. Without a file the next one counts.
                let _ = self.disk().unlink(&self.path());
                return Ok(usage);
            }
        }
    }

    /// `None` when there are no folders yet.
    fn stamps(&self) -> Option<Stamps> {
        stamps(self.disk(), &self.maildir, None).ok()
    }

    /// Replaces the file. Not synced: what a crash leaves of it is found out.
    fn write(&self, usage: Usage) -> io::Result<()> {
        let disk = self.disk();
        let temporary = self.maildir.join(TMP).join(fresh_name(&self.maildirs, self.now)?);
        let file = disk.open(&temporary, Access::CreateNew(self.maildirs.settings.file_mode))?;
        let text = maildirsize::whole(self.limits, usage);
        let written = file.append(text.as_bytes()).and_then(|()| disk.rename(&temporary, &self.path()));
        if written.is_err() {
            let _ = disk.unlink(&temporary);
        }
        written
    }

    /// Whether what is written down is what a session lists. Where there are folders beneath, it is believed for a while
    /// after it was counted, because a session does not look into those.
    fn agrees_with(&self, session: &Session) -> Result<bool, Failure> {
        let recorded = self.recorded();
        let Recorded::Total(total) = recorded else { return Ok(false) };
        if !files::has_folders_beneath(self.disk(), &self.maildir)? {
            return Ok(total == session.usage());
        }
        let Ok(stat) = self.disk().stat(&self.path()) else { return Ok(false) };
        let now = self.now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let written = Duration::from_nanos(u64::try_from(stat.modified_ns).unwrap_or(0));
        Ok(now.saturating_sub(written) < BELIEVED)
    }
}

impl Admission {
    /// The message is there. Its line is written again if the file was replaced since, because whoever counted may not have
    /// seen it.
    async fn end(self) {
        let work = move || {
            let Self { place, more, file, .. } = &self;
            if file.as_ref().is_some_and(|file| !is_still(place.disk(), &place.path(), &**file)) {
                drop(place.add(*more));
            }
        };
        // A panic there would leave the total too low until the next session, and nobody without his mail.
        let _ = blocking(work).await;
    }
}

/// Whether `file` is the one at `path`.
fn is_still(disk: &dyn Disk, path: &Path, file: &dyn DiskFile) -> bool {
    match (disk.stat(path), file.stat()) {
        (Ok(there), Ok(ours)) => there.inode == ours.inode,
        _ => false,
    }
}

/// Appends a line. When that fails the file goes: half a line and another's beginning could make sense together.
fn append(disk: &dyn Disk, path: &Path, file: &dyn DiskFile, line: &str) -> bool {
    let is_done = file.append(line.as_bytes()).is_ok();
    if !is_done {
        let _ = disk.unlink(path);
    }
    is_done
}

/// Who may count a Maildir now, within this process.
#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<GateTable>);

#[derive(Debug, Default)]
struct GateTable {
    gates: HashMap<PathBuf, Weak<RwLock<()>>>,
    /// When there are so many, those that nobody uses are taken out.
    swept_at: usize,
}

impl Gates {
    /// The gate of a Maildir: deliveries pass it together, those who count alone.
    fn of(&self, maildir: &Path) -> Arc<RwLock<()>> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = table.gates.get(maildir).and_then(Weak::upgrade) {
            return gate;
        }
        if table.gates.len() >= table.swept_at {
            table.gates.retain(|_, gate| gate.strong_count() > 0);
            table.swept_at = 2 * table.gates.len() + GATES_KEPT;
        }
        let gate = Arc::new(RwLock::new(()));
        table.gates.insert(maildir.to_owned(), Arc::downgrade(&gate));
        gate
    }
}

/// Folders that change while they are counted are counted so often.
const LOOKS_MAX: u32 = 3;

/// More than deliveries that append at the same time can add behind the length at which a file is replaced.
const LINES_BYTES_MAX: u64 = 64 * 1024;

/// So long a total is believed that takes other folders to be checked. Maildir++ says the same.
const BELIEVED: Duration = Duration::from_secs(15 * 60);

const GATES_KEPT: usize = 256;
