//! An mbox (mboxrd): messages are appended under the locks that mail programs take, a batch at a time.
//!
//! Before a batch is appended the side file says where the mbox ends and what will come (`notes`); it says so no more when the batch is
//! durable. What a crash leaves of a batch is found by that and cut off, and nothing that others have written. A doubtful message is looked for by
//! its digest (`survey`), which other programs' notes do not change.

mod form;
mod locks;
mod notes;
mod survey;
mod tail;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use restante_store::disk::{Access, Disk, DiskFile};
use sha2::{Digest as _, Sha256};

use self::form::{Quote, from_line};
use self::locks::{Locked, Patience};
use self::notes::{Note, Notes, Pending, State};
use self::survey::{Found, MessageDigest, Survey, survey};
use self::tail::Tail;
use super::{Fault, LineEnds, Message, Sink, SinkId, contents};
use crate::failure::Failure;

/// An mbox that takes messages.
#[derive(Debug)]
pub struct Mbox {
    id: SinkId,
    disk: Arc<dyn Disk>,
    path: PathBuf,
    notes: Notes,
    mode: Option<u32>,
    patience: Patience,
}

impl Mbox {
    /// Opens the side file of an mbox in the account's `state` folder, and locks it. The mbox itself is made by the first delivery.
    ///
    /// # Errors
    /// When the side file cannot be used, or another process has it.
    pub fn open(disk: Arc<dyn Disk>, path: &Path, state: &Path) -> Result<Self, Failure> {
        let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
        let tag: String = digest.iter().take(8).map(|octet| format!("{octet:02x}")).collect();
        let notes = Notes::open(&*disk, &state.join(format!("mbox-{tag}")))?;
        let id = SinkId(format!("mbox:{}", path.display()).into());
        Ok(Self { id, disk, path: path.to_owned(), notes, mode: None, patience: Patience::default() })
    }

    /// With these permissions for the mbox when it is made, whatever the umask; without, it is for its owner alone.
    #[must_use]
    pub fn with_mode(mut self, mode: Option<u32>) -> Self {
        self.mode = mode;
        self
    }

    fn lock(&self) -> Result<Locked, Failure> {
        let (holder, now_ns) = (self.notes.holder()?, self.notes.now_ns()?);
        locks::take(&self.disk, &self.path, self.mode, (&holder, now_ns), self.patience)
    }

    fn try_deliver(&mut self, messages: &[Message<'_>]) -> Result<Vec<Result<(), Fault>>, Failure> {
        let locked = self.lock()?;
        let file = &*locked.file;
        self.recover(file)?;
        check_form(file).map_err(Failure::at("append to", &self.path))?;
        let known = self.known(file, messages)?;
        let now =
            Timestamp::from_nanosecond(i128::from(self.notes.now_ns()?)).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut answers: Vec<Result<(), Fault>> = Vec::with_capacity(messages.len());
        let mut wanted = Vec::new();
        for (message, is_known) in messages.iter().zip(known) {
            if is_known {
                answers.push(Ok(()));
                continue;
            }
            // Read before anything is written, so that one that cannot be read does not end a batch half way.
            match Stored::new(&*self.disk, message, now) {
                Ok(stored) => {
                    answers.push(Ok(()));
                    wanted.push((message, stored));
                }
                Err(failure) => answers.push(Err(failure.into())),
            }
        }
        if !wanted.is_empty() {
            self.append(file, &wanted)?;
        }
        Ok(answers)
    }

    /// Which of the messages were appended by an earlier try. One that another program has removed since is not there.
    fn known(&self, file: &dyn DiskFile, messages: &[Message<'_>]) -> Result<Vec<bool>, Failure> {
        let notes = &self.notes.state.notes;
        let noted = |message: &Message<'_>| {
            let mark = message.key.mark(message.account);
            let of_it = |note: &&Note| message.is_doubtful && *note.mark == *mark;
            notes.iter().rfind(of_it).map(|note| (mark, note.digest))
        };
        let asked: Vec<_> = messages.iter().map(noted).collect();
        if asked.iter().all(Option::is_none) {
            return Ok(vec![false; messages.len()]);
        }
        let mut there: BTreeMap<MessageDigest, usize> = BTreeMap::new();
        self.survey(file, 0)?.iter().for_each(|found| *there.entry(found.digest).or_default() += 1);
        // Messages that are exactly alike are told apart by their number alone: as many are there as are there.
        let is_there = |(mark, digest): &(String, MessageDigest)| {
            let mut alike: Vec<&str> = Vec::new();
            for note in notes.iter().filter(|note| note.digest == *digest) {
                if !alike.contains(&&*note.mark) {
                    alike.push(&note.mark);
                }
            }
            let nth = alike.iter().position(|other| *other == mark).unwrap_or(usize::MAX);
            nth < there.get(digest).copied().unwrap_or(0)
        };
        Ok(asked.iter().map(|asked| asked.as_ref().is_some_and(is_there)).collect())
    }

    fn survey(&self, file: &dyn DiskFile, from: u64) -> Result<Vec<Found>, Failure> {
        let size = file.stat().map_err(Failure::at("see", &self.path))?.size;
        survey(file, from..size).map_err(Failure::at("read", &self.path))
    }

    /// Appends messages, and answers when they are durable. When it fails, nothing of them stays, or the side file says that something may.
    fn append(&mut self, file: &dyn DiskFile, messages: &[(&Message<'_>, Stored)]) -> Result<(), Failure> {
        let failed = |doing| Failure::at(doing, &self.path);
        let stat = file.stat().map_err(failed("see"))?;
        if stat.size == 0 {
            // It may have been made just now, or by somebody who did not come further.
            let folder = self.path.parent().unwrap_or(&self.path);
            self.disk.sync_folder(folder).map_err(Failure::at("sync", folder))?;
        }
        let context = context(file, stat.size).map_err(failed("read"))?;
        let before = self.notes.state.clone();
        let mut after = before.clone();
        after.notes.extend(messages.iter().map(|(message, stored)| Note {
            mark: message.key.mark(message.account).into(),
            digest: stored.digest,
            octets: stored.octets,
            from_line: notes::line_digest(stored.from_line.trim_ascii_end()),
        }));
        let pending = Pending { inode: stat.inode, start: stat.size, context, messages: messages.len() };
        self.notes.write(State { pending: Some(pending), ..after.clone() })?;

        let written = self.write(file, stat.size, messages);
        let written = written.and_then(|()| file.sync().map_err(Failure::at("sync", &self.path)));
        if let Err(failure) = written.and_then(|()| self.notes.write(State { pending: None, ..after })) {
            // It is said not to be there, so nothing of it may stay. When this fails as well, the next one finds it as after a crash.
            if file.truncate(stat.size).and_then(|()| file.sync()).is_ok() {
                let _ = self.notes.write(State { pending: None, ..before });
            }
            return Err(failure);
        }
        Ok(())
    }

    fn write(
        &self,
        file: &dyn DiskFile,
        at: u64,
        messages: &[(&Message<'_>, Stored)],
    ) -> Result<(), Failure> {
        let mut buffer = lead(file, at).map_err(Failure::at("read", &self.path))?.to_vec();
        let mut at = at;
        let mut put = |buffer: &mut Vec<u8>, least: usize| -> Result<(), Failure> {
            if buffer.len() >= least {
                file.write_at(buffer, at).map_err(Failure::at("append to", &self.path))?;
                at += buffer.len() as u64;
                buffer.clear();
            }
            Ok(())
        };
        for (message, stored) in messages {
            each_piece(&*self.disk, message, &stored.from_line, |piece| {
                buffer.extend_from_slice(piece);
                put(&mut buffer, BUFFER_OCTETS)
            })?;
        }
        put(&mut buffer, 1)
    }

    /// Takes away what a crash has left of a batch that was not answered for, unless all of it is there.
    fn recover(&mut self, file: &dyn DiskFile) -> Result<(), Failure> {
        let Some(pending) = self.notes.state.pending else { return Ok(()) };
        let failed = |doing| Failure::at(doing, &self.path);
        let stat = file.stat().map_err(failed("see"))?;
        // Otherwise another program has written the file anew, and what it made of it is what there is.
        let is_same = stat.inode == pending.inode
            && stat.size > pending.start
            && context(file, pending.start).map_err(failed("read"))? == pending.context;
        if is_same {
            let ours: Vec<&Note> = self.notes.state.notes.iter().rev().take(pending.messages).collect();
            let mut end = stat.size;
            match tail::look(file, pending.start..stat.size, &ours).map_err(failed("read"))? {
                Tail::Whole => {}
                Tail::Torn { at } => {
                    file.truncate(at).map_err(failed("cut"))?;
                    end = at;
                }
                Tail::Covered { at, from_line, other } => {
                    let blanked = tail::blank(file, at..from_line);
                    blanked.and_then(|()| tail::part(file, at, other)).map_err(failed("mend"))?;
                }
            }
            // It may have been a sync that failed: then the kernel takes what it did not write for written, and no other sync
            // would write it.
            tail::write_again(file, pending.start..end).map_err(failed("write"))?;
        }
        // Also what was cut off by somebody whose sync failed.
        file.sync().map_err(failed("sync"))?;
        self.notes.write(State { pending: None, ..self.notes.state.clone() })
    }
}

impl Sink for Mbox {
    fn id(&self) -> &SinkId {
        &self.id
    }

    fn deliver(&mut self, messages: &[Message<'_>]) -> Vec<Result<(), Fault>> {
        match self.try_deliver(messages) {
            Ok(answers) => answers,
            Err(failure) => messages.iter().map(|_| Err(Fault::Later(failure.to_string()))).collect(),
        }
    }
}

/// How a message will be stored.
struct Stored {
    from_line: Vec<u8>,
    digest: MessageDigest,
    octets: u64,
}

impl Stored {
    fn new(disk: &dyn Disk, message: &Message<'_>, now: Timestamp) -> Result<Self, Failure> {
        let file = disk.open(message.path, Access::Read).map_err(Failure::at("open", message.path))?;
        let mut beginning = vec![0; HEADER_OCTETS_MAX];
        let read = file.read_at(&mut beginning, 0).map_err(Failure::at("read", message.path))?;
        let from_line = from_line(beginning.get(..read).unwrap_or_default(), now);
        let mut survey = Survey::new(0);
        each_piece(disk, message, &from_line, |piece| -> Result<(), Failure> {
            survey.push(piece);
            Ok(())
        })?;
        match *survey.finish().as_slice() {
            [Found { digest, octets, .. }] => Ok(Self { from_line, digest, octets }),
            // A year beyond 9999; no clock says so that anybody believes.
            _ => Err(Failure::new("store", message.path, io::ErrorKind::InvalidData.into())),
        }
    }
}

/// Gives a message as it is stored: From_ line, quoted lines, a line end if the last has none, a blank line.
fn each_piece(
    disk: &dyn Disk,
    message: &Message<'_>,
    from_line: &[u8],
    mut each: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    each(from_line)?;
    let (mut quote, mut output, mut last) = (Quote::new(), Vec::new(), b'\n');
    contents::read(disk, message, LineEnds::Lf, |piece| {
        quote.push(piece, &mut output);
        last = piece.last().copied().unwrap_or(last);
        each(&output)?;
        output.clear();
        Ok::<(), Failure>(())
    })?;
    quote.finish(&mut output);
    output.extend_from_slice(if last == b'\n' { b"\n" } else { b"\n\n" });
    each(&output)
}

/// What must stand in front of a From_ line: the end of the last line, if it has none, and a blank line.
fn lead(file: &dyn DiskFile, size: u64) -> io::Result<&'static [u8]> {
    let mut end = [0; 2];
    let length = usize::try_from(size).unwrap_or(end.len()).min(end.len());
    let end = end.get_mut(..length).unwrap_or_default();
    file.read_exactly(end, size - length as u64)?;
    Ok(match end {
        [] | [b'\n'] | [b'\n', b'\n'] => b"",
        [.., b'\n'] => b"\n",
        _ => b"\n\n",
    })
}

/// SHA-256 of the last octets before a place.
fn context(file: &dyn DiskFile, end: u64) -> io::Result<[u8; 32]> {
    let length = end.min(CONTEXT_OCTETS);
    let mut octets = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exactly(&mut octets, end - length)?;
    Ok(Sha256::digest(&octets).into())
}

/// A file that holds something else than messages is not to be appended to.
fn check_form(file: &dyn DiskFile) -> io::Result<()> {
    let mut beginning = [0; 64];
    let read = file.read_at(&mut beginning, 0)?;
    let text = beginning.get(..read).unwrap_or_default().trim_ascii_start();
    if text.is_empty() || text.starts_with(form::FROM) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "it is no mbox: it does not begin with a From_ line"))
}

/// So much is gathered before it is written.
const BUFFER_OCTETS: usize = 64 * 1024;

/// So far into a message Return-Path is looked for.
const HEADER_OCTETS_MAX: usize = 16 * 1024;

const CONTEXT_OCTETS: u64 = 4 * 1024;

#[cfg(test)]
mod tests;
