//! Delivery: canonical octets come in, and are appended to the mbox of every recipient as one message.
//!
//! The order is: locks, journal with all of what will be appended, sync, append, sync, journal cleared, sync, success.
//! What fails is taken back before the locks are let go of; what a crash leaves is told by the journal, octet by octet, from what
//! another program has appended behind it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use restante_proto::maildrop::UniqueId;
use sha2::{Digest as _, Sha256};

use super::contents::Quote;
use super::journal::{self, Change, PIECE_BYTES};
use super::layout::from_line;
use super::locks::{self, Guard, Missing};
use super::session::Name;
use super::{Mboxes, Place, session};
use crate::delivery::DeliveryError;
use crate::disk::{Access, DiskFile};
use crate::failure::Failure;
use crate::maildir::{LineEnds, StoredForm};
use crate::maildrop::{OpenError, blocking};
use crate::quota::{Limits, OverQuota, Usage};

/// A message on its way in.
#[derive(Debug)]
pub(crate) struct Writer {
    mboxes: Arc<Mboxes>,
    first: Place,
    now: SystemTime,
    form: StoredForm,
    quote: Quote,
    /// What the form gave last.
    stored: Vec<u8>,
    /// The start of the message, in which the sender is looked for.
    beginning: Vec<u8>,
    /// `None` when the message could not be kept, or a thread has it.
    body: Option<Body>,
    is_finished: bool,
}

/// What has come so far, as it will be appended: first what is in the file, then what is in memory.
#[derive(Debug, Default)]
struct Body {
    /// It has no name any more, so that nothing is left of it when it is closed.
    file: Option<Box<dyn DiskFile>>,
    memory: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(mboxes: Arc<Mboxes>, first: Place, now: SystemTime) -> Self {
        let (form, quote) = (StoredForm::new(LineEnds::Lf), Quote::new(mboxes.settings.form));
        let (stored, beginning, body) = (Vec::new(), Vec::new(), Some(Body::default()));
        Self { mboxes, first, now, form, quote, stored, beginning, body, is_finished: false }
    }

    /// As `Delivery::write`.
    pub(crate) async fn write(&mut self, octets: &[u8]) -> Result<(), DeliveryError> {
        // A piece of any size adds at most a bufferful at a time.
        for piece in octets.chunks(BUFFER_BYTES_MAX) {
            let Some(body) = self.body.as_mut().filter(|_| !self.is_finished) else {
                return Err(self.lost().into());
            };
            self.form.push(piece, &mut self.stored);
            let room = BEGINNING_OCTETS_MAX.saturating_sub(self.beginning.len());
            self.beginning.extend_from_slice(self.stored.get(..room).unwrap_or(&self.stored));
            self.quote.push(&self.stored, &mut body.memory);
            self.stored.clear();
            if body.memory.len() > BUFFER_BYTES_MAX
                && let Some(body) = self.body.take()
            {
                let (mboxes, first) = (Arc::clone(&self.mboxes), self.first.clone());
                let spilled = blocking(move || spill(&mboxes, &first, body)).await;
                self.body = Some(spilled.map_err(Failure::at("deliver to", &self.first.file))??);
            }
        }
        Ok(())
    }

    pub(crate) const fn mboxes(&self) -> &Arc<Mboxes> {
        &self.mboxes
    }

    /// As `Delivery::commit_to`.
    pub(crate) async fn commit(
        &mut self,
        mboxes: &Arc<Mboxes>,
        place: Place,
        limits: Limits,
    ) -> Result<UniqueId, DeliveryError> {
        let Some(mut body) = self.body.take() else { return Err(self.lost().into()) };
        if !self.is_finished {
            self.is_finished = true;
            self.form.finish(&mut self.stored);
            self.quote.push(&self.stored, &mut body.memory);
            self.quote.finish(&mut body.memory);
            // Every message ends its last line.
            if body.memory.last().is_some_and(|&octet| octet != b'\n') {
                body.memory.push(b'\n');
            }
        }
        let guard = match locks::wait(mboxes, &place, Missing::IsMade).await {
            Ok(guard) => guard,
            Err(failure) => {
                self.body = Some(body);
                return Err(failure.into());
            }
        };
        let line = from_line(sender(&self.beginning), self.now);
        let file = place.file.clone();
        let work = move || {
            let result = admit(&guard, &body, limits).and_then(|()| Ok(append(&guard, &line, &body)?));
            (body, result)
        };
        let (body, result) = blocking(work).await.map_err(Failure::at("deliver to", &file))?;
        self.body = Some(body);
        result
    }

    /// The delivery is over already.
    fn lost(&self) -> Failure {
        Failure::new(
            "go on with a delivery to",
            &self.first.file,
            io::Error::from(io::ErrorKind::InvalidInput),
        )
    }
}

impl Body {
    fn octets(&self) -> io::Result<u64> {
        let file = self.file.as_ref().map_or(Ok(0), |file| file.stat().map(|stat| stat.size))?;
        Ok(file + self.memory.len() as u64)
    }

    fn each(&self, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        if let Some(file) = &self.file {
            let mut buffer = vec![0; PIECE_BYTES];
            let mut at = 0;
            loop {
                match file.read_at(&mut buffer, at)? {
                    0 => break,
                    read => {
                        sink(buffer.get(..read).unwrap_or_default())?;
                        at += read as u64;
                    }
                }
            }
        }
        if self.memory.is_empty() { Ok(()) } else { sink(&self.memory) }
    }
}

/// Writes what is in memory to a file without a name.
fn spill(mboxes: &Mboxes, first: &Place, mut body: Body) -> Result<Body, Failure> {
    let disk = mboxes.disk();
    if body.file.is_none() {
        let chance = getrandom::u64()
            .map_err(|error| Failure::new("name a file in", &first.control, io::Error::other(error)))?;
        let path: PathBuf = first.control.join(format!("{SPOOL}.{chance:016x}"));
        let access = Access::CreateNew(mboxes.settings.file_mode);
        let file = match disk.open(&path, access) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                mboxes.make_control(&first.control)?;
                disk.open(&path, access)
            }
            result => result,
        };
        body.file = Some(file.map_err(Failure::at("create", &path))?);
        disk.unlink(&path).map_err(Failure::at("take the name off", &path))?;
    }
    if let Some(file) = &body.file {
        file.append(&body.memory).map_err(Failure::at("write a message for", &first.file))?;
    }
    body.memory.clear();
    Ok(body)
}

/// Whether the mbox may hold the message as well.
fn admit(guard: &Guard, body: &Body, limits: Limits) -> Result<(), DeliveryError> {
    if limits.are_none() {
        return Ok(());
    }
    let session = session::open(&guard.mboxes, &guard.place, guard, None).map_err(|error| match error {
        OpenError::Temporary(failure) | OpenError::Permanent(failure) => DeliveryError::from(failure),
        error => DeliveryError::Temporary(guard.failed("count")(io::Error::other(error.to_string()))),
    })?;
    let usage = session.usage();
    let octets = body.octets().map_err(guard.failed("count a message for"))?;
    if limits.allow(usage.plus(Usage::message(octets))) {
        Ok(())
    } else {
        Err(DeliveryError::OverQuota(OverQuota { usage, limits }))
    }
}

/// Appends one message, durably.
fn append(guard: &Guard, line: &[u8], body: &Body) -> Result<UniqueId, Failure> {
    let Some(file) = guard.file() else {
        return Err(guard.failed("open")(io::Error::from(io::ErrorKind::NotFound)));
    };
    let stat = file.stat().map_err(guard.failed("see"))?;
    let lead = lead(file, stat.size).map_err(guard.failed("read"))?;
    let pieces = |sink: &mut dyn FnMut(&[u8]) -> io::Result<()>| {
        sink(&[lead, line, b"\n"].concat())?;
        body.each(sink)?;
        sink(b"\n")
    };
    // Before anything is written, so that nothing can fail behind it.
    let mut hasher = Sha256::new();
    hasher.update(line);
    hasher.update(b"\n");
    body.each(&mut |piece| {
        hasher.update(piece);
        Ok(())
    })
    .map_err(guard.failed("read a message for"))?;
    let number = journal::last(guard)?.map_or(0, |entry| entry.number + 1);
    journal::write(guard, number, (stat.inode, stat.size), &Change::Append, &pieces).inspect_err(|_| {
        // Its room may be what is lacking, and what it says was never begun.
        let _ = journal::clear(guard);
    })?;
    let mut end = stat.size;
    let written = pieces(&mut |piece| {
        file.write_at(piece, end)?;
        end += piece.len() as u64;
        Ok(())
    });
    let written = written.and_then(|()| file.sync()).map_err(guard.failed("append to"));
    if let Err(failure) = written.and_then(|()| journal::clear(guard)) {
        // The sender tries again, so nothing of it may stay. When this fails too, the journal has it done by the next
        // who takes the locks.
        if file.truncate(stat.size).and_then(|()| file.sync()).is_ok() {
            let _ = journal::clear(guard);
        }
        return Err(failure);
    }
    let mut digest = [0; 20];
    digest.copy_from_slice(hasher.finalize().get(..20).unwrap_or(&[0; 20]));
    // One that is exactly like an earlier one is counted by the next session.
    let key = Name { digest, occurrence: 1 }.key();
    UniqueId::parse(key.as_bytes())
        .map_err(|error| guard.failed("name a message in")(io::Error::other(error)))
}

/// What must stand in front of a From_ line: the end of the last line, if it has none, and a blank line.
fn lead(file: &dyn DiskFile, size: u64) -> io::Result<&'static [u8]> {
    let mut end = [0; 3];
    let length = usize::try_from(size).unwrap_or(end.len()).min(end.len());
    let end = end.get_mut(..length).unwrap_or_default();
    file.read_exactly(end, size - length as u64)?;
    Ok(match end {
        [] | [b'\n'] | [.., b'\n', b'\n'] | [b'\n', b'\r', b'\n'] => b"",
        [.., b'\n'] => b"\n",
        _ => b"\n\n",
    })
}

/// The reverse-path of a message whose first field is Return-Path.
fn sender(beginning: &[u8]) -> &[u8] {
    let line = beginning.split(|&octet| octet == b'\n').next().unwrap_or_default();
    let is_path = line.get(..PATH_FIELD.len()).is_some_and(|name| name.eq_ignore_ascii_case(PATH_FIELD));
    let value = line.get(PATH_FIELD.len()..).filter(|_| is_path).unwrap_or_default().trim_ascii();
    value.strip_prefix(b"<").and_then(|value| value.strip_suffix(b">")).unwrap_or_default()
}

/// Larger messages go through a file; so many octets a delivery are kept in memory at most.
const BUFFER_BYTES_MAX: usize = 128 * 1024;

/// Longer than any Return-Path.
const BEGINNING_OCTETS_MAX: usize = 512;

const PATH_FIELD: &[u8] = b"Return-Path:";

const SPOOL: &str = "restante.spool";
