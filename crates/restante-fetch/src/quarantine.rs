//! Messages that a sink has refused: kept whole, each with what it is and why, until somebody sees to it.
//!
//! The pass puts them here before it records that; they can be listed, read, delivered again and removed. They lie in `quarantine/` of
//! the account's folder of state; the layout and the states are in docs/on-disk.md.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use restante_store::disk::{Access, Disk};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::journal::{Entry, Journal, JournalError, Record, Stage};
use crate::key::Key;
use crate::sink::contents::Reader;
use crate::sink::{Fault, LineEnds, Message, Sink, SinkId};

/// The quarantine of one account. Only whoever has the account's journal may change it.
#[derive(Debug)]
pub struct Quarantine {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
}

/// A message in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The account it is of, as the journal calls it.
    pub account: String,
    /// Which message of it.
    pub key: Key,
    /// The name that the intent gave it.
    pub name: String,
    /// The sink that refused it.
    pub sink: SinkId,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Bytes of its file.
    pub file_octets: u64,
    /// How its lines end there.
    pub line_ends: LineEnds,
    /// SHA-256 of its canonical form.
    pub digest: [u8; 32],
    /// Sinks that took it when it was delivered again.
    pub taken: Vec<SinkId>,
}

/// Whose sinks a message is delivered to again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// All those of its account.
    Own,
    /// Some that somebody has named in place of the one that refused it.
    Others,
}

/// What became of a message that was delivered again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redelivered {
    /// All sinks that were asked have it: it has left the quarantine.
    End(End),
    /// These do not take it, and why: it stays, and they alone are asked the next time.
    Stays(Vec<(SinkId, Fault)>),
}

/// What the journal says of a message that has left the quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is collected.
    Collected,
    /// It is on its way still: another sink of the account wanted it later, and gets it in a pass. The one that refused it is not asked
    /// again.
    OnItsWay,
    /// What it said before: it speaks of another message under the same key.
    OfAnother,
}

/// Why it could not be recorded what became of a message that was delivered again.
#[derive(Debug)]
pub enum RedeliveryError {
    /// Its journal.
    Journal(JournalError),
    /// The quarantine.
    Quarantine(Failure),
}

impl fmt::Display for RedeliveryError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(error) => error.fmt(out),
            Self::Quarantine(failure) => failure.fmt(out),
        }
    }
}

impl Error for RedeliveryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Journal(error) => Some(error),
            Self::Quarantine(failure) => Some(failure),
        }
    }
}

impl Item {
    /// Its unique-id for people: what is not printable, and `%`, as `%XX`.
    #[must_use]
    pub fn unique_id(&self) -> String {
        escaped(&self.key.unique_id)
    }

    /// The same for this message always, and for no other: what it is called on the command line.
    #[must_use]
    pub fn mark(&self) -> String {
        self.key.mark(&self.account)
    }
}

impl Quarantine {
    /// In the folder of state of an account. It is made when something is put there.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, state: &Path) -> Self {
        Self { disk, folder: state.join(FOLDER) }
    }

    /// Keeps a copy of a message. It is durable on return; a message that is there already is replaced.
    ///
    /// # Errors
    /// When it cannot be read or written; it is then there whole or not at all.
    pub fn put(&mut self, message: &Message<'_>, sink: &SinkId, reason: &str) -> Result<(), Failure> {
        self.make_folder()?;
        let (part, new) = (self.path(message.name, ".part"), self.path(message.name, ".json.part"));
        let written = self.put_parts(message, sink, reason, &part);
        if written.is_err() {
            // What stays is replaced by the next try, and listed by nobody.
            let _ = self.disk.unlink(&part);
            let _ = self.disk.unlink(&new);
        }
        written
    }

    fn put_parts(
        &self,
        message: &Message<'_>,
        sink: &SinkId,
        reason: &str,
        part: &Path,
    ) -> Result<(), Failure> {
        let disk = &*self.disk;
        let _ = disk.unlink(part);
        let file = disk.open(part, Access::CreateNew(0o600)).map_err(Failure::at("make", part))?;
        // As it lies in the spool.
        let mut reader = Reader::open(disk, message, message.line_ends)?;
        while let Some(piece) = reader.next()? {
            file.append(piece).map_err(Failure::at("write", part))?;
        }
        file.sync().map_err(Failure::at("sync", part))?;
        let stat = file.stat().map_err(Failure::at("see", part))?;
        let at = Timestamp::from_nanosecond(i128::from(stat.modified_ns)).unwrap_or(Timestamp::UNIX_EPOCH);
        let item = Item {
            account: message.account.to_owned(),
            key: message.key.clone(),
            name: message.name.to_owned(),
            sink: sink.clone(),
            reason: reason.chars().take(REASON_CHARACTERS_MAX).collect(),
            at,
            file_octets: message.file_octets,
            line_ends: message.line_ends,
            digest: message.digest,
            taken: Vec::new(),
        };
        // The message last: a description alone is no item, and a message alone would be one that nobody knows.
        self.describe(message.name, &Description::of(&item))?;
        let named = self.path(message.name, "");
        disk.rename(part, &named).map_err(Failure::at("name", &named))?;
        self.sync()
    }

    /// Writes a description, in place of the one that is there; durable on return.
    fn describe(&self, name: &str, description: &Description) -> Result<(), Failure> {
        let disk = &*self.disk;
        let (new, path) = (self.path(name, ".json.part"), self.path(name, ".json"));
        let text = serde_json::to_vec_pretty(description)
            .map_err(|error| Failure::new("describe", &path, io::Error::other(error)))?;
        let _ = disk.unlink(&new);
        let file = disk.open(&new, Access::CreateNew(0o600)).map_err(Failure::at("make", &new))?;
        file.append(&text).and_then(|()| file.sync()).map_err(Failure::at("write", &new))?;
        disk.rename(&new, &path).map_err(Failure::at("name", &path))?;
        self.sync()
    }

    /// What is there, the oldest first. An item whose description cannot be read is an error of its own, and hides no other.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn list(&self) -> Result<Vec<Result<Item, Failure>>, Failure> {
        let mut names = Vec::new();
        let listed = self.disk.list(&self.folder, &mut |name, _| {
            let name = name.to_str().unwrap_or_default();
            // Whatever else lies there is not ours.
            if name.ends_with(NAME_END) {
                names.push(name.to_owned());
            }
        });
        match listed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(Failure::at("list", &self.folder))?,
        }
        // Names begin with seconds.
        names.sort();
        Ok(names.into_iter().map(|name| self.item(name)).collect())
    }

    /// Reads a message as it lies there, piece by piece.
    ///
    /// # Errors
    /// When it cannot be read, and whatever `each` says.
    pub fn read(&self, item: &Item, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), Failure> {
        let path = self.path(&item.name, "");
        let mut reader = Reader::open(&*self.disk, &message(item, &path), item.line_ends)?;
        while let Some(piece) = reader.next()? {
            each(piece).map_err(Failure::at("show", &path))?;
        }
        Ok(())
    }

    /// Gives a message once more to those of these sinks that do not have it. When all of them have taken it, it leaves the quarantine, and the
    /// journal says what [`Redelivered::End`] describes; else what was taken is noted, and the others' answers come back. One that is
    /// collected already, and that a crash has left here, is only removed.
    ///
    /// `whose` says what these sinks are. What [`Whose::Others`] have taken is settled for the sink that refused it, and for no sink of the
    /// account that wanted it later.
    ///
    /// # Errors
    /// When that cannot be recorded. The next try may then give the message again to a sink that cannot be asked.
    pub fn redeliver(
        &mut self,
        item: &Item,
        sinks: &mut [Box<dyn Sink>],
        whose: Whose,
        journal: &mut Journal,
        now: Timestamp,
    ) -> Result<Redelivered, RedeliveryError> {
        let entry = journal.entry(&item.key);
        if entry.is_some_and(|entry| is_collected(entry, item)) {
            self.remove(item).map_err(RedeliveryError::Quarantine)?;
            return Ok(Redelivered::End(End::Collected));
        }
        let marks = entry.map(|entry| entry.marks.clone()).unwrap_or_default();
        // The journal has come to speak of another message under the same key, which is not settled by this one.
        let is_other = entry.is_some_and(|entry| !is_of(entry, item));
        let is_on_its_way = entry.is_some_and(|entry| entry.stage == Stage::Intended);
        let mut after = item.clone();
        let is_new = |sink: &SinkId| !is_other && !item.taken.contains(sink);
        after.taken.extend(marks.into_iter().filter(is_new));
        let known = after.taken.len();
        let faults = self.give(item, sinks, &mut after.taken);
        let end = match (is_other, is_on_its_way, whose) {
            (true, _, _) => End::OfAnother,
            (false, true, Whose::Others) => End::OnItsWay,
            (false, _, _) => End::Collected,
        };
        if !is_other {
            let key = || item.key.clone();
            let new = after.taken.iter().skip(known);
            new.for_each(|sink| journal.record(Record::Marked { key: key(), sink: sink.clone() }));
            match end {
                _ if !faults.is_empty() => {}
                // They have it in place of the one that refused it.
                End::OnItsWay => journal.record(Record::Marked { key: key(), sink: item.sink.clone() }),
                _ => journal.record(Record::Collected { key: key(), at: now }),
            }
            journal.commit().map_err(RedeliveryError::Journal)?;
        }
        if faults.is_empty() {
            self.remove(item).map_err(RedeliveryError::Quarantine)?;
            return Ok(Redelivered::End(end));
        }
        if after.taken.len() > item.taken.len() {
            self.describe(&item.name, &Description::of(&after)).map_err(RedeliveryError::Quarantine)?;
        }
        Ok(Redelivered::Stays(faults))
    }

    /// Gives a message to those of the sinks that are not among `taken`, and notes them there; who did not take it, and why.
    fn give(
        &self,
        item: &Item,
        sinks: &mut [Box<dyn Sink>],
        taken: &mut Vec<SinkId>,
    ) -> Vec<(SinkId, Fault)> {
        let path = self.path(&item.name, "");
        // An earlier try may have been cut off.
        let message = Message { is_doubtful: true, ..message(item, &path) };
        let mut faults = Vec::new();
        for sink in sinks {
            if taken.contains(sink.id()) {
                continue;
            }
            match sink.deliver(std::slice::from_ref(&message)).into_iter().next() {
                Some(Ok(())) => taken.push(sink.id().clone()),
                Some(Err(fault)) => faults.push((sink.id().clone(), fault)),
                None => faults.push((sink.id().clone(), Fault::Later("it has not answered".into()))),
            }
        }
        faults
    }

    /// Takes a message out for good; durable on return.
    ///
    /// # Errors
    /// When that failed; it may still be there.
    pub fn remove(&mut self, item: &Item) -> Result<(), Failure> {
        for end in ["", ".json"] {
            let path = self.path(&item.name, end);
            match self.disk.unlink(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Failure::new("remove", &path, error));
                }
                _ => {}
            }
            // The message first, for the same reason.
            self.sync()?;
        }
        Ok(())
    }

    /// Takes out what the message with this name and these octets has left here, once every sink has it. Call it when the journal says
    /// durably that it is collected; a crash in between leaves it listed, and [`Self::redeliver`] removes it. What cannot be
    /// understood stays.
    ///
    /// # Errors
    /// When that failed; it may still be there.
    pub(crate) fn release(&mut self, name: &str, digest: &[u8; 32]) -> Result<(), Failure> {
        let path = self.path(name, "");
        match self.disk.stat(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            seen => seen.map_err(Failure::at("see", &path))?,
        };
        match self.item(name.to_owned()) {
            Ok(item) if item.digest == *digest => self.remove(&item),
            // Another message that had the same name.
            _ => Ok(()),
        }
    }

    fn sync(&self) -> Result<(), Failure> {
        self.disk.sync_folder(&self.folder).map_err(Failure::at("sync", &self.folder))
    }

    fn item(&self, name: String) -> Result<Item, Failure> {
        let path = self.path(&name, ".json");
        let read = || -> io::Result<Vec<u8>> {
            let file = self.disk.open(&path, Access::Read)?;
            let mut text = vec![0; DESCRIPTION_OCTETS_MAX];
            let read = file.read_up_to(&mut text, 0)?;
            text.truncate(read);
            Ok(text)
        };
        let text = read().map_err(Failure::at("read", &path))?;
        let description: Description = serde_json::from_slice(&text).map_err(|error| {
            Failure::new("understand", &path, io::Error::new(io::ErrorKind::InvalidData, error))
        })?;
        description
            .item(name)
            .ok_or_else(|| Failure::new("understand", &path, io::ErrorKind::InvalidData.into()))
    }

    fn path(&self, name: &str, end: &str) -> PathBuf {
        self.folder.join(format!("{name}{end}"))
    }

    fn make_folder(&self) -> Result<(), Failure> {
        match self.disk.make_folder(&self.folder, 0o700) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Failure::new("make", &self.folder, error))
            }
            // Also when it was there: whoever made it may not have come further.
            _ => {
                let above = self.folder.parent().unwrap_or(&self.folder);
                self.disk.sync_folder(above).map_err(Failure::at("sync", above))
            }
        }
    }
}

/// Whether an entry says that this very message is at every sink.
fn is_collected(entry: &Entry, item: &Item) -> bool {
    entry.stage == Stage::Collected && entry.contents.is_some() && is_of(entry, item)
}

/// Whether an entry is of this very message, as far as it says.
fn is_of(entry: &Entry, item: &Item) -> bool {
    entry.contents.is_none_or(|contents| contents.digest == item.digest)
}

fn message<'a>(item: &'a Item, path: &'a Path) -> Message<'a> {
    Message {
        account: &item.account,
        key: &item.key,
        name: &item.name,
        path,
        file_octets: item.file_octets,
        line_ends: item.line_ends,
        digest: item.digest,
        is_doubtful: false,
    }
}

/// An item as it is written beside its message.
#[derive(Serialize, Deserialize)]
struct Description {
    account: String,
    /// As the server sent it, what is not printable as `%XX`, and `%` too.
    unique_id: String,
    occurrence: u32,
    generation: u32,
    sink: String,
    reason: String,
    at: Timestamp,
    file_octets: u64,
    /// `lf` or `crlf`.
    line_ends: String,
    /// Hexadecimal.
    digest: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    taken: Vec<String>,
}

impl Description {
    fn of(item: &Item) -> Self {
        let line_ends = match item.line_ends {
            LineEnds::Lf => "lf",
            LineEnds::Crlf => "crlf",
        };
        let digest = item.digest.iter().fold(String::new(), |mut text, octet| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{octet:02x}");
            text
        });
        Self {
            account: item.account.clone(),
            unique_id: escaped(&item.key.unique_id),
            occurrence: item.key.occurrence,
            generation: item.key.generation,
            sink: item.sink.to_string(),
            reason: item.reason.clone(),
            at: item.at,
            file_octets: item.file_octets,
            line_ends: line_ends.to_owned(),
            digest,
            taken: item.taken.iter().map(ToString::to_string).collect(),
        }
    }

    fn item(self, name: String) -> Option<Item> {
        let mut digest = [0; 32];
        for (at, octet) in digest.iter_mut().enumerate() {
            *octet = u8::from_str_radix(self.digest.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        let unique_id = unescaped(&self.unique_id)?.into();
        Some(Item {
            account: self.account,
            key: Key { unique_id, occurrence: self.occurrence, generation: self.generation },
            name,
            sink: SinkId(self.sink.into()),
            reason: self.reason,
            at: self.at,
            file_octets: self.file_octets,
            line_ends: match self.line_ends.as_str() {
                "lf" => LineEnds::Lf,
                "crlf" => LineEnds::Crlf,
                _ => return None,
            },
            digest,
            taken: self.taken.into_iter().map(|sink| SinkId(sink.into())).collect(),
        })
    }
}

fn escaped(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, &octet| {
        if octet.is_ascii_graphic() && octet != b'%' {
            text.push(char::from(octet));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{octet:02X}");
        }
        text
    })
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if letter == '%' {
            octets.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
            rest = rest.get(3..)?;
        } else {
            octets.push(u8::try_from(letter).ok()?);
            rest = rest.get(letter.len_utf8()..)?;
        }
    }
    Some(octets)
}

const FOLDER: &str = "quarantine";

/// How names of messages end; what stands beside them ends otherwise.
const NAME_END: &str = ".restante";

const DESCRIPTION_OCTETS_MAX: usize = 64 * 1024;

const REASON_CHARACTERS_MAX: usize = 1000;

#[cfg(test)]
mod tests;
