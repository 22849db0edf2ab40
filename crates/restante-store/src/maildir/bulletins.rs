//! Bulletins: messages of the operator that every maildrop is given once, when it is opened.
//!
//! A bulletin is a file of one folder; they are given in the order of their names, and `restante.bulletins` in the
//! maildrop says up to which name. Nothing in here ever keeps a maildrop from opening: what goes wrong is a warning.
//!
//! Order on disk, so that no crash gives a bulletin twice or never: the message is written to `tmp/` and synced; then
//! `restante.bulletins` says durably that it is given and under which name; then it is renamed into `new/`. A
//! name that is recorded and still in `tmp/` is renamed at the next opening; one that is not there any more has been in
//! `new/`, whatever its reader did with it since.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::layout::{BULLETINS, BULLETINS_NEW, TMP};
use super::stored_form::StoredForm;
use super::writer::fresh_name;
use super::{Maildirs, keeper, recovery};
use crate::disk::{Access, Disk, Kind};
use crate::failure::Failure;
use crate::index::codec::{self, Header, Reader, Records};
use crate::index::{Folder, read_whole};
use crate::maildrop::Warning;

/// Which bulletins there are, and for whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder with one file for each.
    pub folder: PathBuf,
    /// So many of the newest are given to a maildrop that never had any.
    pub first_max: usize,
}

/// Gives the maildrop at `maildir` the bulletins that it has not had. Its lock must be held.
pub(super) fn deliver(maildirs: &Maildirs, maildir: &Path, now: SystemTime, warnings: &mut Vec<Warning>) {
    let Some(settings) = &maildirs.settings.bulletins else { return };
    let mut round = Round { maildirs, settings, maildir, now, failed: 0, example: None };
    if let Err(failure) = round.deliver() {
        round.fail(failure);
    }
    let Round { failed: bulletins, example, .. } = round;
    warnings.extend(example.map(|example| Warning::Bulletins { bulletins, example }));
}

/// What is wrong with the bulletins of a folder, up to [`FAULTS_MAX`] of them: for a look before it is used.
///
/// # Errors
/// When the folder cannot be listed.
pub fn faults(disk: &dyn Disk, folder: &Path) -> Result<Vec<Failure>, Failure> {
    let mut names = BTreeSet::new();
    let mut see = |name: &OsStr, kind| {
        if kind != Kind::Folder && is_bulletin(name.as_bytes()) && names.len() < LOOKED_AT_MAX {
            names.insert(name.to_owned());
        }
    };
    disk.list(&folder.join("."), &mut see).map_err(Failure::at("list the bulletins in", folder))?;
    let fault = |name| {
        let path = folder.join(name);
        read_message(disk, &path).err().map(|error| Failure::new("give the bulletin", &path, error))
    };
    Ok(names.iter().filter_map(fault).take(FAULTS_MAX).collect())
}

/// Whether the file of what was given can be read, if there is one.
///
/// # Errors
/// Why it cannot.
pub(super) fn check(disk: &dyn Disk, maildir: &Path) -> Result<(), Failure> {
    load(disk, maildir).map(|_| ())
}

fn load(disk: &dyn Disk, maildir: &Path) -> Result<State, Failure> {
    let path = maildir.join(BULLETINS);
    let load = || match disk.open(&path, Access::Read) {
        Ok(file) => State::read(&read_whole(&*file)?)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the file is damaged")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(error),
    };
    load().map_err(Failure::at("read", &path))
}

/// The bulletins of one opening.
struct Round<'a> {
    maildirs: &'a Maildirs,
    settings: &'a Settings,
    maildir: &'a Path,
    now: SystemTime,
    /// How many could not be given, and the first reason.
    failed: usize,
    example: Option<Failure>,
}

/// What a maildrop has been given.
#[derive(Debug, Default, PartialEq, Eq)]
struct State {
    /// The bulletin with the highest name among them.
    last: Option<Vec<u8>>,
    /// Base names that may still have to be renamed from `tmp/` into `new/`.
    pending: Vec<Vec<u8>>,
}

impl Round<'_> {
    fn deliver(&mut self) -> Result<(), Failure> {
        let before = self.load()?;
        if !before.pending.is_empty() {
            // Whoever recorded them may have failed, or died, before that was durable; without the record they would be
            // given once more.
            self.disk().sync_folder(self.maildir).map_err(Failure::at("sync", self.maildir))?;
            self.publish(&before.pending)?;
        }
        let due = due(self.disk(), self.settings, before.last.as_deref())?;
        let mut state = State { last: before.last.clone(), pending: Vec::new() };
        for name in due.names {
            let octets = match self.read(&name) {
                Ok(octets) => octets,
                // Passed over. It is tried again until a later one is given.
                Err(failure) => {
                    self.fail(failure);
                    continue;
                }
            };
            match self.spool(&octets, state.pending.len()) {
                Ok(base_name) => state.pending.push(base_name),
                // The maildrop's disk: the others would fare no better.
                Err(failure) => {
                    self.fail(failure);
                    break;
                }
            }
            state.last = Some(name);
        }
        if state.pending.is_empty() {
            if before.last.is_none() && self.settings.first_max == 0 {
                state.last = due.newest;
            }
            return if state == before { Ok(()) } else { self.save(&state) };
        }
        self.record(&state)?;
        self.publish(&state.pending)?;
        // Only so that the next opening does not look for them.
        self.save(&State { pending: Vec::new(), ..state })
    }

    /// Says durably that these are given.
    fn record(&self, state: &State) -> Result<(), Failure> {
        let tmp = self.maildir.join(TMP);
        let recorded =
            self.disk().sync_folder(&tmp).map_err(Failure::at("sync", &tmp)).and_then(|()| self.save(state));
        if recorded.is_err() {
            // Nobody knows of them, so the next opening makes them anew.
            for base_name in &state.pending {
                let _ = self.disk().unlink(&tmp.join(OsStr::from_bytes(base_name)));
            }
        }
        recorded?;
        // When this fails it is unknown whether they are given; the next opening goes by what it finds.
        self.disk().sync_folder(self.maildir).map_err(Failure::at("sync", self.maildir))
    }

    /// Gives recorded bulletins their names in `new/`. What is not in `tmp/` has had its name.
    fn publish(&self, base_names: &[Vec<u8>]) -> Result<(), Failure> {
        let (disk, new) = (self.disk(), self.maildir.join(Folder::New.name()));
        let mut is_touched = false;
        for base_name in base_names {
            let base_name = OsStr::from_bytes(base_name);
            let (from, to) = (self.maildir.join(TMP).join(base_name), new.join(base_name));
            match disk.stat(&from) {
                // Only this says that it had its name. Other errors, also of a server that has forgotten the file, do not.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                _ => is_touched = true,
            }
            let renamed = match disk.rename_new(&from, &to) {
                // `tmp/` is there and `new/` is not.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    recovery::make_missing(self.maildirs, self.maildir)?;
                    disk.rename_new(&from, &to)
                }
                result => result,
            };
            match renamed {
                // A file system that renames in two steps was interrupted between them.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    disk.unlink(&from).map_err(Failure::at("remove", &from))?;
                }
                result => result.map_err(Failure::at("rename into", &to))?,
            }
        }
        if is_touched {
            disk.sync_folder(&new).map_err(Failure::at("sync", &new))?;
        }
        Ok(())
    }

    /// The stored form of a bulletin.
    fn read(&self, name: &[u8]) -> Result<Vec<u8>, Failure> {
        let path = self.settings.folder.join(OsStr::from_bytes(name));
        let file = read_message(self.disk(), &path).map_err(Failure::at("give the bulletin", &path))?;
        let (mut form, mut stored) = (StoredForm::new(self.maildirs.settings.line_ends), Vec::new());
        form.push(&canonical(without_mbox_line(&file)), &mut stored);
        form.finish(&mut stored);
        Ok(stored)
    }

    /// Writes a message to `tmp/`, durable but for its name. Says the base name it has there and will have in `new/`.
    fn spool(&self, octets: &[u8], count: usize) -> Result<Vec<u8>, Failure> {
        let (disk, tmp) = (self.disk(), self.maildir.join(TMP));
        // One microsecond each, so that they are listed in the order of the bulletins.
        let now = self.now + Duration::from_micros(count as u64);
        let name = fresh_name(self.maildirs, now).map_err(Failure::at("name a file in", &tmp))?;
        let path = tmp.join(&name);
        let access = Access::CreateNew(self.maildirs.settings.file_mode);
        let file = match disk.open(&path, access) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                recovery::make_missing(self.maildirs, self.maildir)?;
                disk.open(&path, access)
            }
            result => result,
        };
        let written = file.and_then(|file| {
            file.append(octets)?;
            file.sync()
        });
        match written {
            Ok(()) => Ok(name.into_bytes()),
            Err(error) => {
                // Its room may be what is lacking.
                let _ = disk.unlink(&path);
                Err(Failure::new("write", &path, error))
            }
        }
    }

    fn load(&self) -> Result<State, Failure> {
        load(self.disk(), self.maildir)
    }

    fn save(&self, state: &State) -> Result<(), Failure> {
        let path = self.maildir.join(BULLETINS);
        let nonce = keeper::new_nonce().map_err(Failure::at("choose a number for", &path))?;
        let (new, mode) = (self.maildir.join(BULLETINS_NEW), self.maildirs.settings.file_mode);
        keeper::replace(self.disk(), &new, &path, &state.write(nonce), mode)
    }

    fn disk(&self) -> &dyn Disk {
        self.maildirs.disk()
    }

    fn fail(&mut self, failure: Failure) {
        self.failed += 1;
        self.example.get_or_insert(failure);
    }
}

impl State {
    fn write(&self, nonce: u64) -> Vec<u8> {
        let count = usize::from(self.last.is_some()) + self.pending.len();
        let header = Header { nonce, count: u32::try_from(count).unwrap_or(u32::MAX) };
        let mut records = Records::file(codec::BULLETINS, header);
        if let Some(last) = &self.last {
            records.push(codec::LAST_BULLETIN, |bytes| bytes.extend_from_slice(last));
        }
        for base_name in &self.pending {
            records.push(codec::PENDING_BULLETIN, |bytes| bytes.extend_from_slice(base_name));
        }
        records.bytes
    }

    fn read(file: &[u8]) -> Option<Self> {
        let header = Header::read(file, codec::BULLETINS)?;
        let mut reader = Reader::new(file, header.nonce);
        let mut state = Self::default();
        for _ in 0..header.count {
            let (kind, body) = reader.frame()?;
            let name = file.get(body)?;
            // Whoever can write into the maildrop can write this file, and must not lead us out of there with it.
            if name.is_empty() || !codec::is_file_name(name) {
                return None;
            }
            match kind {
                codec::LAST_BULLETIN if state.last.is_none() => state.last = Some(name.to_vec()),
                codec::PENDING_BULLETIN if !name.contains(&b':') => state.pending.push(name.to_vec()),
                _ => return None,
            }
        }
        reader.is_at_end().then_some(state)
    }
}

/// For the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(super) fn rewritten(file: &[u8]) -> Option<(Vec<Vec<u8>>, Vec<u8>)> {
    State::read(file).map(|state| (state.pending.clone(), state.write(1)))
}

/// What is to be given at one opening.
struct Due {
    /// In the order in which they are given; at most [`ROUND_MAX`].
    names: BTreeSet<Vec<u8>>,
    /// The highest name in the folder.
    newest: Option<Vec<u8>>,
}

/// The bulletins behind `last`, or the newest ones for a maildrop that never had any.
fn due(disk: &dyn Disk, settings: &Settings, last: Option<&[u8]>) -> Result<Due, Failure> {
    // The folder itself may be a symbolic link of the operator's.
    let folder = settings.folder.join(".");
    let mut due = Due { names: BTreeSet::new(), newest: None };
    let mut see = |name: &OsStr, kind| {
        let name = name.as_bytes();
        if kind == Kind::Folder || !is_bulletin(name) {
            return;
        }
        if due.newest.as_deref().is_none_or(|newest| newest < name) {
            due.newest = Some(name.to_vec());
        }
        match last {
            Some(last) if name > last => {
                due.names.insert(name.to_vec());
                if due.names.len() > ROUND_MAX {
                    due.names.pop_last();
                }
            }
            Some(_) => {}
            None => {
                due.names.insert(name.to_vec());
                if due.names.len() > settings.first_max.min(ROUND_MAX) {
                    due.names.pop_first();
                }
            }
        }
    };
    disk.list(&folder, &mut see).map_err(Failure::at("list the bulletins in", &settings.folder))?;
    Ok(due)
}

/// Files that begin with a dot are being written, and those that end with `~` are an editor's.
fn is_bulletin(name: &[u8]) -> bool {
    !name.starts_with(b".") && !name.ends_with(b"~")
}

fn read_message(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let odd = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let file = disk.open(path, Access::Read)?;
    let stat = file.stat()?;
    if stat.kind != Kind::File {
        return Err(odd("not a regular file"));
    }
    if stat.size > BULLETIN_BYTES_MAX {
        return Err(odd("larger than 1 MiB"));
    }
    let octets = read_whole(&*file)?;
    if begins_with_field(without_mbox_line(&octets)) {
        Ok(octets)
    } else {
        Err(odd("it does not begin with a header field"))
    }
}

/// Whether the first line is a header field (RFC 5322 section 2.2).
fn begins_with_field(message: &[u8]) -> bool {
    let line = message.split(|&octet| octet == b'\n').next().unwrap_or_default();
    let name = line.iter().position(|&octet| octet == b':').and_then(|colon| line.get(..colon));
    name.is_some_and(|name| !name.is_empty() && name.iter().all(u8::is_ascii_graphic))
}

/// The message without the line that begins it in an mbox file.
fn without_mbox_line(file: &[u8]) -> &[u8] {
    match file.strip_prefix(b"From ") {
        Some(rest) => match rest.iter().position(|&octet| octet == b'\n') {
            Some(end) => rest.get(end + 1..).unwrap_or_default(),
            None => &[],
        },
        None => file,
    }
}

/// Every line ends with CRLF, the last one too.
fn canonical(message: &[u8]) -> Vec<u8> {
    let mut canonical = Vec::with_capacity(message.len() + message.len() / 16);
    for line in message.split_inclusive(|&octet| octet == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        canonical.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
        canonical.extend_from_slice(b"\r\n");
    }
    canonical
}

/// So many bulletins are given at one opening; the next one goes on. Keeps a login short after a long absence.
const ROUND_MAX: usize = 100;

/// More files than anybody posts; looking at a folder must come to an end.
const LOOKED_AT_MAX: usize = 1000;

/// Enough to see what is wrong.
pub const FAULTS_MAX: usize = 10;

/// A larger bulletin is none: it would be written once for each account.
pub const BULLETIN_BYTES_MAX: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            last: Some(b"0007-news".to_vec()),
            pending: vec![b"1700000000.a".to_vec(), b"1700000001.b".to_vec()],
        }
    }

    #[test]
    fn the_state_survives_its_file() {
        for state in [state(), State::default(), State { last: None, ..state() }] {
            assert_eq!(State::read(&state.write(3)).as_ref(), Some(&state));
        }
    }

    #[test]
    fn the_file_is_as_its_page_says() {
        let file: &[u8] = include_bytes!("../../fixtures/bulletins-1");
        assert_eq!(state().write(0x0123_4567_89ab_cdef), file);
        assert_eq!(State::read(file), Some(state()));
    }

    #[test]
    fn any_damage_is_noticed() {
        let file = state().write(3);
        for length in 0..file.len() {
            assert!(State::read(&file[..length]).is_none(), "cut at {length}");
        }
        for bit in 0..file.len() * 8 {
            let mut file = file.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            assert!(State::read(&file).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn names_that_lead_out_of_the_maildrop_are_not_believed() {
        for name in ["../../etc/passwd", ".", "..", "a:2,S", "a/b", ""] {
            let state = State { last: None, pending: vec![name.as_bytes().to_vec()] };
            assert!(State::read(&state.write(1)).is_none(), "{name}");
        }
    }

    #[test]
    fn the_canonical_form_ends_every_line_and_drops_the_line_of_an_mbox() {
        let message = |file: &[u8]| canonical(without_mbox_line(file));
        assert_eq!(message(b"From a@b Mon\nA: b\n\nc"), b"A: b\r\n\r\nc\r\n");
        assert_eq!(message(b"A: b\r\n\r\nFrom c\n"), b"A: b\r\n\r\nFrom c\r\n");
        assert_eq!(message(b"From nobody"), b"");
        assert!(begins_with_field(b"A: b\n") && begins_with_field(b"Subject:x"));
        for none in [&b""[..], b"\nA: b", b"Hello all\n", b": x", b"A b: c"] {
            assert!(!begins_with_field(none), "{}", none.escape_ascii());
        }
    }
}
