//! The side file of an mbox, in the account's state folder: what is being appended, and which messages were appended last.
//!
//! It is locked while the sink is open. Two slots of [`SLOT_OCTETS`] take turns, so that one that is torn leaves the other; the layout is in
//! docs/on-disk.md.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use restante_store::disk::{Access, Disk, DiskFile};
use sha2::{Digest as _, Sha256};

use super::survey::MessageDigest;
use crate::failure::Failure;

/// What is known about the end of an mbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Counted up with every writing.
    pub(super) number: u64,
    /// Something was being appended, and it is not known how far that came.
    pub(super) pending: Option<Pending>,
    /// The messages that were appended last, the newest at the end; at most [`NOTES_MAX`].
    pub(super) notes: VecDeque<Note>,
}

/// A batch that is being appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) inode: u64,
    /// Where the mbox ended before.
    pub(super) start: u64,
    /// SHA-256 of its last octets before.
    pub(super) context: [u8; 32],
    /// How many of the last notes are of it.
    pub(super) messages: usize,
}

/// A message that was appended, or was about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// `Key::mark`.
    pub(super) mark: Box<str>,
    pub(super) digest: MessageDigest,
    /// As it was to be stored, with the blank line at its end.
    pub(super) octets: u64,
    /// [`line_digest`] of its From_ line.
    pub(super) from_line: u64,
}

/// Tells From_ lines from each other: the beginning of the SHA-256 of one without its line end.
pub(super) fn line_digest(line: &[u8]) -> u64 {
    Sha256::digest(line).iter().take(8).fold(0, |number, octet| number << 8 | u64::from(*octet))
}

/// The side file, open and locked.
#[derive(Debug)]
pub(super) struct Notes {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    pub(super) state: State,
}

impl Notes {
    /// Opens it, and makes it (0600) when it is missing.
    ///
    /// # Errors
    /// When it cannot be read or made, or another process has it.
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> Result<Self, Failure> {
        let file = match disk.open(path, Access::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk.open(path, Access::CreateNew(0o600)).map_err(Failure::at("make", path))?;
                disk.open(path, Access::Write)
            }
            opened => opened,
        };
        let file = file.map_err(Failure::at("open", path))?;
        if !file.try_lock().map_err(Failure::at("lock", path))? {
            let busy = io::Error::new(io::ErrorKind::ResourceBusy, "another process uses it");
            return Err(Failure::new("lock", path, busy));
        }
        // Also when it was there: whoever made it may not have come further.
        let folder = path.parent().unwrap_or(path);
        disk.sync_folder(folder).map_err(Failure::at("sync", folder))?;
        let slots = (0..2).map(|slot| read(&*file, slot)).collect::<io::Result<Vec<_>>>();
        let slots = slots.map_err(Failure::at("read", path))?;
        let state = slots.into_iter().flatten().max_by_key(|state| state.number).unwrap_or_default();
        let notes = Self { file, path: path.to_owned(), state };
        if notes.state != State::default() {
            // If its sync failed, it is not durable, and the next one goes over the one before it.
            notes.put(&notes.state)?;
        }
        Ok(notes)
    }

    /// What tells the dot-locks of whoever has this file from others'.
    ///
    /// # Errors
    /// As the file system says.
    pub(super) fn holder(&self) -> Result<String, Failure> {
        let stat = self.file.stat().map_err(Failure::at("see", &self.path))?;
        Ok(format!("restante-fetch {}", stat.inode))
    }

    /// The file system's clock, in nanoseconds since 1970.
    ///
    /// # Errors
    /// As the file system says.
    pub(super) fn now_ns(&self) -> Result<i64, Failure> {
        let touched = self.file.touch().and_then(|()| self.file.stat());
        Ok(touched.map_err(Failure::at("touch", &self.path))?.modified_ns)
    }

    /// Writes a state; durable on return, and the one before it is durable until then.
    ///
    /// # Errors
    /// When that failed; [`Self::state`] is still what it was, and one of the two will be read.
    pub(super) fn write(&mut self, mut state: State) -> Result<(), Failure> {
        state.number = self.state.number + 1;
        while state.notes.len() > NOTES_MAX {
            state.notes.pop_front();
        }
        // What fails may be there all the same: the next one counts as newer, and takes the same slot.
        self.put(&state).inspect_err(|_| self.state.number = state.number + 1)?;
        self.state = state;
        Ok(())
    }

    fn put(&self, state: &State) -> Result<(), Failure> {
        let at = state.number % 2 * SLOT_OCTETS as u64;
        let written = self.file.write_at(encode(state).as_bytes(), at);
        written.and_then(|()| self.file.sync()).map_err(Failure::at("write", &self.path))
    }
}

fn encode(state: &State) -> String {
    let mut body = String::new();
    // Writing to a String cannot fail.
    if let Some(Pending { inode, start, context, messages }) = &state.pending {
        let _ = writeln!(body, "pending {inode} {start} {} {messages}", hex(context));
    }
    for Note { mark, digest, octets, from_line } in &state.notes {
        let _ = writeln!(body, "note {mark} {} {octets} {from_line:016x}", hex(digest));
    }
    let head = format!("restante-fetch mbox 1 {} {}\n", state.number, body.len());
    let checksum = Sha256::new().chain_update(&head).chain_update(&body).finalize();
    format!("{head}{body}{}\n", hex(&checksum))
}

fn read(file: &dyn DiskFile, slot: u64) -> io::Result<Option<State>> {
    let mut text = vec![0; SLOT_OCTETS];
    let read = file.read_up_to(&mut text, slot * SLOT_OCTETS as u64)?;
    Ok(decode(text.get(..read).unwrap_or_default()))
}

/// `None` for what is empty, torn or damaged.
fn decode(slot: &[u8]) -> Option<State> {
    let head_end = memchr::memchr(b'\n', slot)? + 1;
    let (head, rest) = slot.split_at_checked(head_end)?;
    let mut words =
        std::str::from_utf8(head).ok()?.strip_prefix("restante-fetch mbox 1 ")?.split_whitespace();
    let number = words.next()?.parse().ok()?;
    let (body, rest) = rest.split_at_checked(words.next()?.parse().ok()?)?;
    let checksum = hex(&Sha256::new().chain_update(head).chain_update(body).finalize());
    if !rest.starts_with(checksum.as_bytes()) {
        return None;
    }
    let mut state = State { number, ..State::default() };
    for line in std::str::from_utf8(body).ok()?.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match *words.as_slice() {
            ["pending", inode, start, context, messages] => {
                state.pending = Some(Pending {
                    inode: inode.parse().ok()?,
                    start: start.parse().ok()?,
                    context: from_hex(context)?,
                    messages: messages.parse().ok()?,
                });
            }
            ["note", mark, digest, octets, from_line] => {
                let from_line = u64::from_str_radix(from_line, 16).ok()?;
                let (digest, octets) = (from_hex(digest)?, octets.parse().ok()?);
                state.notes.push_back(Note { mark: mark.into(), digest, octets, from_line });
            }
            _ => return None,
        }
    }
    Some(state)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut octets = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(octets)
}

/// More than a few batches have.
const NOTES_MAX: usize = 448;

/// Room for [`NOTES_MAX`] notes of 141 octets at most, and for what stands around them.
const SLOT_OCTETS: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use restante_store::disk::LocalDisk;
    use tempfile::TempDir;

    use super::*;

    fn state(notes: usize) -> State {
        let pending = Pending { inode: u64::MAX, start: u64::MAX, context: [7; 32], messages: notes };
        let note = |nth: usize| Note {
            mark: format!("{nth:032x}").into(),
            digest: [nth as u8; 32],
            octets: 1 << 40,
            from_line: nth as u64,
        };
        State { number: 0, pending: Some(pending), notes: (0..notes).map(note).collect() }
    }

    #[test]
    fn what_is_written_is_read_and_a_torn_slot_leaves_the_one_before() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("notes");
        let mut notes = Notes::open(&LocalDisk, &path).unwrap();
        assert_eq!(notes.state, State::default());
        notes.write(state(3)).unwrap();
        notes.write(state(NOTES_MAX + 2)).unwrap();
        let last = notes.state.clone();
        assert_eq!(last.notes.len(), NOTES_MAX);
        assert!(Notes::open(&LocalDisk, &path).unwrap_err().to_string().contains("another process"));
        drop(notes);
        assert_eq!(Notes::open(&LocalDisk, &path).unwrap().state, last);
        let whole = std::fs::read(&path).unwrap();
        for at in [5, 30, 20_000, 58_000] {
            let mut torn = whole.clone();
            torn[at] ^= 1;
            std::fs::write(&path, torn).unwrap();
            assert_eq!(Notes::open(&LocalDisk, &path).unwrap().state, State { number: 1, ..state(3) });
        }
    }
}
