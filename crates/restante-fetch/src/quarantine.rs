//! Messages that a sink has refused: kept whole, each with what it is and why, until somebody sees to it.
//!
//! The pass puts them here before it records that; `restante fetch quarantine` lists, shows, delivers again and drops them. They lie in `quarantine/` of
//! the account's folder of state; the layout and the states are in docs/on-disk.md.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use restante_store::disk::{Access, Disk};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
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
}

impl Item {
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
    /// When it cannot be read or written; nothing of it is then in the quarantine, or the same message of an earlier try.
    pub fn put(&mut self, message: &Message<'_>, sink: &SinkId, reason: &str) -> Result<(), Failure> {
        self.make_folder()?;
        let (part, new) = (self.path(message.name, ".part"), self.path(message.name, ".json.part"));
        let written = self.put_parts(message, sink, reason, (&part, &new));
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
        (part, new): (&Path, &Path),
    ) -> Result<(), Failure> {
        let disk = &*self.disk;
        let _ = disk.unlink(part);
        let _ = disk.unlink(new);
        let file = disk.open(part, Access::CreateNew(0o600)).map_err(Failure::at("make", part))?;
        // As it lies in the spool.
        let mut reader = Reader::open(disk, message, message.line_ends)?;
        while let Some(piece) = reader.next()? {
            file.append(piece).map_err(Failure::at("write", part))?;
        }
        file.sync().map_err(Failure::at("sync", part))?;
        let stat = file.stat().map_err(Failure::at("see", part))?;
        let at = Timestamp::from_nanosecond(i128::from(stat.modified_ns)).unwrap_or(Timestamp::UNIX_EPOCH);
        let description = Description::of(message, sink, reason, at);
        let text = serde_json::to_vec_pretty(&description)
            .map_err(|error| Failure::new("describe", part, io::Error::other(error)))?;
        let file = disk.open(new, Access::CreateNew(0o600)).map_err(Failure::at("make", new))?;
        file.append(&text).and_then(|()| file.sync()).map_err(Failure::at("write", new))?;
        // The message last: a description alone is no item.
        let (described, named) = (self.path(message.name, ".json"), self.path(message.name, ""));
        disk.rename(new, &described).map_err(Failure::at("name", &described))?;
        disk.rename(part, &named).map_err(Failure::at("name", &named))?;
        disk.sync_folder(&self.folder).map_err(Failure::at("sync", &self.folder))
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

    /// Gives a message to these sinks once more; answers for each. It stays here; when all have taken it, record that and then [`remove`](Self::remove) it.
    pub fn retry(&self, item: &Item, sinks: &mut [Box<dyn Sink>]) -> Vec<Result<(), Fault>> {
        let path = self.path(&item.name, "");
        // An earlier retry may have been cut off.
        let message = Message { is_doubtful: true, ..message(item, &path) };
        let unanswered = |sink: &dyn Sink| Err(Fault::Later(format!("{} has not answered", sink.id())));
        sinks
            .iter_mut()
            .map(|sink| {
                let answer = sink.deliver(std::slice::from_ref(&message)).into_iter().next();
                answer.unwrap_or_else(|| unanswered(&**sink))
            })
            .collect()
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
        }
        self.disk.sync_folder(&self.folder).map_err(Failure::at("sync", &self.folder))
    }

    fn item(&self, name: String) -> Result<Item, Failure> {
        let path = self.path(&name, ".json");
        let read = || -> io::Result<Vec<u8>> {
            let file = self.disk.open(&path, Access::Read)?;
            let mut text = vec![0; DESCRIPTION_OCTETS_MAX];
            let mut filled = 0;
            while let Some(rest) = text.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match file.read_at(rest, filled as u64)? {
                    0 => break,
                    count => filled += count,
                }
            }
            text.truncate(filled);
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
            Ok(()) => {
                let above = self.folder.parent().unwrap_or(&self.folder);
                self.disk.sync_folder(above).map_err(Failure::at("sync", above))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(Failure::new("make", &self.folder, error)),
        }
    }
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
}

impl Description {
    fn of(message: &Message<'_>, sink: &SinkId, reason: &str, at: Timestamp) -> Self {
        let line_ends = match message.line_ends {
            LineEnds::Lf => "lf",
            LineEnds::Crlf => "crlf",
        };
        let digest = message.digest.iter().fold(String::new(), |mut text, octet| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{octet:02x}");
            text
        });
        Self {
            account: message.account.to_owned(),
            unique_id: escaped(&message.key.unique_id),
            occurrence: message.key.occurrence,
            generation: message.key.generation,
            sink: sink.to_string(),
            reason: reason.chars().take(REASON_CHARACTERS_MAX).collect(),
            at,
            file_octets: message.file_octets,
            line_ends: line_ends.to_owned(),
            digest,
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
mod tests {
    use std::fs;

    use restante_store::disk::LocalDisk;

    use super::*;
    use crate::sink::fixtures::{ACCOUNT, Laid, folder, odd};
    use crate::sink::maildir::{Maildir, Settings};

    fn quarantine(state: &Path) -> Quarantine {
        Quarantine::new(Arc::new(LocalDisk), state)
    }

    fn items(quarantine: &Quarantine) -> Vec<Item> {
        quarantine.list().unwrap().into_iter().map(Result::unwrap).collect()
    }

    fn sink() -> SinkId {
        SinkId("lmtp:localhost:24/a@x".into())
    }

    #[test]
    fn what_is_put_there_is_listed_and_read_as_it_was() {
        let folder = folder();
        let mut quarantine = quarantine(folder.path());
        assert!(items(&quarantine).is_empty());
        let mut laid = Laid { line_ends: LineEnds::Crlf, ..Laid::new(folder.path(), "1", &odd()) };
        laid.key = Key { unique_id: Box::from(&b"a%\0\xff b"[..]), occurrence: 1, generation: 2 };
        for reason in ["550 no", "550 still \u{7} no"] {
            quarantine.put(&laid.message(), &sink(), reason).unwrap();
        }
        let found = items(&quarantine);
        let [item] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(
            (item.key.clone(), item.account.as_str(), &item.sink),
            (laid.key.clone(), ACCOUNT, &sink())
        );
        assert_eq!((item.reason.as_str(), item.line_ends), ("550 still \u{7} no", LineEnds::Crlf));
        assert_eq!(item.mark(), laid.key.mark(ACCOUNT));
        assert!(item.at > Timestamp::UNIX_EPOCH);
        let mut octets = Vec::new();
        quarantine
            .read(item, |piece| {
                octets.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
        assert!(octets == odd());
        assert_eq!(fs::read_dir(folder.path().join("quarantine")).unwrap().count(), 2);
    }

    #[test]
    fn a_retry_delivers_and_a_removal_leaves_nothing() {
        let folder = folder();
        let mut quarantine = quarantine(folder.path());
        let laid = Laid::new(folder.path(), "1", &odd());
        quarantine.put(&laid.message(), &sink(), "550 no").unwrap();
        let item = items(&quarantine).remove(0);
        let path = folder.path().join("Mail");
        let open =
            || Box::new(Maildir::open(Arc::new(LocalDisk), Settings::new(&path)).unwrap()) as Box<dyn Sink>;
        // Twice, as after a crash in between.
        for _ in 0..2 {
            assert_eq!(quarantine.retry(&item, &mut [open()]), [Ok(())]);
        }
        let new = path.join("new");
        assert_eq!(fs::read_dir(&new).unwrap().count(), 1);
        quarantine.remove(&item).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("quarantine")).unwrap().count(), 0);
        quarantine.remove(&item).unwrap();
        assert!(fs::read(new.join(laid.message().name)).unwrap() == odd());
    }

    #[test]
    fn what_is_damaged_is_told_and_hides_no_other() {
        let folder = folder();
        let mut quarantine = quarantine(folder.path());
        let laid: Vec<_> = ["1", "2", "3"].map(|id| Laid::new(folder.path(), id, &odd())).into();
        for each in &laid {
            quarantine.put(&each.message(), &sink(), "550 no").unwrap();
        }
        let at = |laid: &Laid, end: &str| {
            folder.path().join("quarantine").join(format!("{}{end}", laid.message().name))
        };
        fs::write(at(&laid[0], ".json"), "{").unwrap();
        // A crash between the two names: no item.
        fs::remove_file(at(&laid[1], "")).unwrap();
        fs::write(folder.path().join("quarantine/notes.txt"), "mine").unwrap();
        let listed = quarantine.list().unwrap();
        assert_eq!(listed.iter().filter(|item| item.is_ok()).count(), 1);
        let errors: Vec<_> =
            listed.iter().filter_map(|item| item.as_ref().err()).map(ToString::to_string).collect();
        assert_eq!(errors.len(), 1);
        assert!(errors[0].starts_with("cannot understand ") && errors[0].contains(".json"), "{errors:?}");
    }

    #[test]
    fn a_message_that_cannot_be_read_leaves_nothing() {
        let folder = folder();
        let mut quarantine = quarantine(folder.path());
        let laid = Laid { octets: 1 << 30, ..Laid::new(folder.path(), "1", &odd()) };
        assert!(quarantine.put(&laid.message(), &sink(), "no").is_err());
        assert_eq!(fs::read_dir(folder.path().join("quarantine")).unwrap().count(), 0);
    }
}
