//! What is remembered of the last listing that an account was shown: a sample of its messages, in one small file.
//!
//! The file is a cache: missing or damaged, nothing is known, and nothing is guarded until a session has ended with
//! QUIT. It lies apart from the maildrops, one for each account, because what it must survive is that the maildrop is
//! replaced by another. docs/on-disk.md has the bytes.

use std::collections::BinaryHeap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memchr::{memchr, memmem};
use restante_proto::maildrop::Listing;
use sha2::{Digest, Sha256};

use crate::disk::{Access, Disk};
use crate::failure::Failure;
use crate::index::codec::{self, Header, Reader, Records};
use crate::index::read_whole;

/// What was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Where the maildrop lay.
    pub(super) place: Vec<u8>,
    /// How many messages there were.
    pub(super) messages: u64,
    /// Unique-ids of another server were in force.
    pub(super) has_overrides: bool,
    /// Those of them with the smallest hashes, ascending: all, or [`SAMPLE_MAX`].
    pub(super) sample: Vec<Noted>,
    /// Why the maildrop is guarded, while it is.
    pub(super) verdict: Option<String>,
}

/// One message of the sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    /// Of its unique-id.
    pub(super) hash: u64,
    /// Of what its header says it is, whoever delivers it; 0 when it says nothing.
    pub(super) fingerprint: u64,
    /// Of its canonical form.
    pub(super) octets: u64,
}

impl Memory {
    /// Reads the bytes of a file; `None` when they are damaged.
    pub(super) fn read(file: &[u8]) -> Option<Self> {
        let header = Header::read(file, codec::SHOWN)?;
        let mut reader = Reader::new(file, header.nonce);
        let mut next = |wanted: u8| {
            let (kind, body) = reader.frame()?;
            file.get(body).filter(|_| kind == wanted)
        };
        let place = next(codec::SHOWN_PLACE)?.to_vec();
        let (&[flags], rest) = next(codec::SHOWN_SAMPLE)?.split_first_chunk()?;
        let (messages, rest) = rest.split_first_chunk()?;
        let (all, rest) = rest.as_chunks::<NOTED_BYTES>();
        let sample: Vec<Noted> = all.iter().map(Noted::read).collect::<Option<_>>()?;
        let verdict = match header.count {
            2 => None,
            3 => Some(String::from_utf8(next(codec::SHOWN_VERDICT)?.to_vec()).ok()?),
            _ => return None,
        };
        let messages = u64::from_le_bytes(*messages);
        let is_sound = reader.is_at_end()
            && rest.is_empty()
            && flags <= HAS_OVERRIDES
            && sample.len() <= SAMPLE_MAX
            && sample.len() as u64 == messages.min(SAMPLE_MAX as u64)
            && sample.is_sorted_by_key(|noted| noted.hash);
        is_sound.then_some(Self { place, messages, has_overrides: flags == HAS_OVERRIDES, sample, verdict })
    }

    /// The bytes of its file.
    pub(super) fn write(&self, nonce: u64) -> Vec<u8> {
        let count = if self.verdict.is_some() { 3 } else { 2 };
        let mut records = Records::file(codec::SHOWN, Header { nonce, count });
        let short = |octets: &[u8]| octets.get(..TEXT_OCTETS_MAX).unwrap_or(octets).to_vec();
        records.push(codec::SHOWN_PLACE, |bytes| bytes.extend(short(&self.place)));
        records.push(codec::SHOWN_SAMPLE, |bytes| {
            bytes.push(if self.has_overrides { HAS_OVERRIDES } else { 0 });
            bytes.extend_from_slice(&self.messages.to_le_bytes());
            for Noted { hash, fingerprint, octets } in &self.sample {
                for number in [hash, fingerprint, octets] {
                    bytes.extend_from_slice(&number.to_le_bytes());
                }
            }
        });
        if let Some(verdict) = &self.verdict {
            let mut end = verdict.len().min(TEXT_OCTETS_MAX);
            while !verdict.is_char_boundary(end) {
                end -= 1;
            }
            let text = verdict.get(..end).unwrap_or_default();
            records.push(codec::SHOWN_VERDICT, |bytes| bytes.extend_from_slice(text.as_bytes()));
        }
        records.bytes
    }

    /// Up to this hash every message of the listing is in the sample.
    pub(super) fn bound(&self) -> u64 {
        if self.messages > SAMPLE_MAX as u64 {
            self.sample.last().map_or(u64::MAX, |noted| noted.hash)
        } else {
            u64::MAX
        }
    }

    /// The message with this hash, if it is in the sample.
    pub(super) fn noted(&self, hash: u64) -> Option<&Noted> {
        let at = self.sample.binary_search_by_key(&hash, |noted| noted.hash).ok()?;
        self.sample.get(at)
    }
}

impl Noted {
    fn read(bytes: &[u8; NOTED_BYTES]) -> Option<Self> {
        let (numbers, _) = bytes.as_chunks::<8>();
        let [hash, fingerprint, octets] =
            numbers.iter().map(|number| u64::from_le_bytes(*number)).collect::<Vec<_>>()[..]
        else {
            return None;
        };
        Some(Self { hash, fingerprint, octets })
    }
}

/// The files of one account.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// What was shown of the maildrop at the place where it is looked for now.
    pub(super) here: PathBuf,
    /// In its stead while the maildrop is guarded.
    pub(super) guarded: PathBuf,
    folder: PathBuf,
    shard: PathBuf,
    /// What the names of all files of the account begin with.
    prefix: String,
}

impl Files {
    /// Those of `account`, whose maildrop is looked for at `place`.
    pub(super) fn new(folder: &Path, account: &str, place: &Path) -> Self {
        let name = hex(Sha256::digest(account).get(..16).unwrap_or_default());
        let (shard, rest) = name.split_at(2);
        let (shard, prefix) = (folder.join(shard), format!("{rest}."));
        let place = hex(Sha256::digest(place.as_os_str().as_bytes()).get(..4).unwrap_or_default());
        let here = shard.join(format!("{prefix}{place}"));
        let guarded = shard.join(format!("{prefix}guarded"));
        Self { here, guarded, folder: folder.to_owned(), shard, prefix }
    }

    /// What was shown last, if that is known: at this place, or wherever the account's maildrop was then.
    ///
    /// # Errors
    /// When there is a file and it cannot be read. A damaged one is as good as none.
    pub(super) fn load(&self, disk: &dyn Disk) -> Result<Option<Memory>, Failure> {
        // A maildrop that is guarded stays so whatever else is there.
        let mut paths = vec![self.guarded.clone(), self.here.clone()];
        if !paths.iter().any(|path| disk.stat(path).is_ok()) {
            paths = self.all(disk)?;
            paths.retain(|path| path.extension() != Some(OsStr::new(NEW)));
        }
        for path in paths {
            if let Some(memory) = load(disk, &path).map_err(Failure::at("read", &path))? {
                return Ok(Some(memory));
            }
        }
        Ok(None)
    }

    /// The verdict, while the account's maildrop is guarded.
    ///
    /// # Errors
    /// When there is a file and it cannot be read.
    pub(super) fn verdict(&self, disk: &dyn Disk) -> Result<Option<String>, Failure> {
        let memory = load(disk, &self.guarded).map_err(Failure::at("read", &self.guarded))?;
        Ok(memory.map(|memory| memory.verdict.unwrap_or_else(|| UNKNOWN_VERDICT.to_owned())))
    }

    /// Guards the maildrop from now on, for the reason in `memory`. The file that is there already is given its other name
    /// first, for which a full disk has room; the reason is added when there is room for that too.
    ///
    /// # Errors
    /// When it may not stay guarded.
    pub(super) fn guard(&self, disk: &dyn Disk, memory: &Memory) -> Result<(), Failure> {
        match disk.rename(&self.here, &self.guarded) {
            // What was shown was shown elsewhere, or it is guarded already. Either way the next look goes deeper.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::new("rename", &self.here, error)),
            Ok(()) => {}
        }
        let _ = self.store(disk, memory);
        Ok(())
    }

    /// Remembers this and nothing else. Not synced: after a crash it is there, or damaged, or what was before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn store(&self, disk: &dyn Disk, memory: &Memory) -> Result<(), Failure> {
        let path = if memory.verdict.is_some() { &self.guarded } else { &self.here };
        let nonce =
            getrandom::u64().map_err(io::Error::other).map_err(Failure::at("choose a number for", path))?;
        let new = path.with_extension(NEW);
        let bytes = memory.write(nonce);
        let write = || {
            let file = match disk.open(&new, Access::CreateNew(FILE_MODE)) {
                // What a crash has left.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    disk.unlink(&new)?;
                    disk.open(&new, Access::CreateNew(FILE_MODE))?
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    prepare_folders(disk, &self.folder)?;
                    make_folder(disk, &self.shard)?;
                    disk.open(&new, Access::CreateNew(FILE_MODE))?
                }
                result => result?,
            };
            file.append(&bytes)?;
            disk.rename(&new, path)
        };
        write().map_err(|error| {
            let _ = disk.unlink(&new);
            Failure::new("write", path, error)
        })?;
        for other in self.all(disk)? {
            if &other != path {
                disk.unlink(&other).map_err(Failure::at("remove", &other))?;
            }
        }
        Ok(())
    }

    /// Forgets what was shown.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub(super) fn forget(&self, disk: &dyn Disk) -> Result<(), Failure> {
        for path in self.all(disk)? {
            disk.unlink(&path).map_err(Failure::at("remove", &path))?;
        }
        Ok(())
    }

    /// All files of the account. The folder is one of 256, so that this is short.
    fn all(&self, disk: &dyn Disk) -> Result<Vec<PathBuf>, Failure> {
        let mut names = Vec::new();
        let mut see = |name: &OsStr, _| {
            if name.as_bytes().starts_with(self.prefix.as_bytes()) {
                names.push(self.shard.join(name));
            }
        };
        match disk.list(&self.shard, &mut see) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::new("list", &self.shard, error))
            }
            _ => Ok(names),
        }
    }
}

/// Makes the folder for the files of all accounts, and the one it lies in.
///
/// # Errors
/// When they cannot be made.
pub(super) fn prepare(disk: &dyn Disk, folder: &Path) -> Result<(), Failure> {
    prepare_folders(disk, folder).map_err(Failure::at("make", folder))
}

/// The messages with the smallest hashes, ascending: hash and index. Those that `is_left` refuses do not count.
pub(super) struct Smallest {
    heap: BinaryHeap<(u64, usize)>,
}

impl Smallest {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::with_capacity(SAMPLE_MAX + 1) }
    }

    pub(super) fn see(&mut self, hash: u64, index: usize) {
        if self.heap.len() < SAMPLE_MAX {
            self.heap.push((hash, index));
        } else if let Some(mut largest) = self.heap.peek_mut()
            && hash < largest.0
        {
            *largest = (hash, index);
        }
    }

    pub(super) fn sorted(self) -> Vec<(u64, usize)> {
        self.heap.into_sorted_vec()
    }
}

/// Calls `each` with index and hash of every message. The hash is that of its unique-id: it spreads well and never changes; nothing
/// rests on its being hard to guess.
pub(super) fn hashes(listing: &Listing, mut each: impl FnMut(usize, u64)) {
    let mut unique_ids = listing.unique_ids_from(0);
    for index in 0..listing.len() {
        let Some(unique_id) = unique_ids.advance() else { break };
        each(index, hash_octets(unique_id));
    }
}

fn hash_octets(octets: &[u8]) -> u64 {
    let (words, rest) = octets.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let words = words.iter().chain(std::iter::once(&last));
    let mixed = words.fold(octets.len() as u64, |hash, word| {
        (hash.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(MULTIPLIER)
    });
    let mixed = (mixed ^ mixed >> 33).wrapping_mul(MULTIPLIER);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(MULTIPLIER);
    mixed ^ mixed >> 32
}

/// What a header says the message is, so that it is known again under another name, from another program, with other fields
/// in front: its Message-ID, or else date, sender, recipient and subject. 0 when it says nothing of these.
pub(super) fn fingerprint(header: &[u8]) -> u64 {
    let digest = |parts: &[Vec<u8>]| {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
            hasher.update([0]);
        }
        let digest = hasher.finalize();
        digest.first_chunk().map_or(1, |head| u64::from_le_bytes(*head)).max(1)
    };
    if let Some(id) = field(header, b"message-id").filter(|id| !id.is_empty()) {
        return digest(&[id]);
    }
    let Some(date) = field(header, b"date") else { return 0 };
    let more = [&b"from"[..], b"to", b"subject"].map(|name| field(header, name).unwrap_or_default());
    let [from, to, subject] = more;
    digest(&[date, from, to, subject])
}

/// The body of the first field of this name (in lower case) without line ends and white space.
fn field(header: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut rest = header;
    loop {
        let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at_checked(end)?;
        if matches!(line, b"" | b"\n" | b"\r\n") {
            return None;
        }
        let (word, body) = line.split_at_checked(name.len()).unwrap_or_default();
        let body = body.trim_ascii_start();
        if word.eq_ignore_ascii_case(name)
            && let Some(body) = body.strip_prefix(b":")
        {
            let mut value: Vec<u8> =
                body.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
            let mut rest = after;
            while rest.first().is_some_and(|octet| matches!(octet, b' ' | b'\t')) {
                let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
                let (line, after) = rest.split_at_checked(end)?;
                value.extend(line.iter().filter(|octet| !octet.is_ascii_whitespace()));
                rest = after;
            }
            return Some(value);
        }
        rest = after;
    }
}

/// Whether a header ends in these octets.
pub(super) fn has_end_of_header(octets: &[u8]) -> bool {
    memmem::find(octets, b"\n\n").is_some() || memmem::find(octets, b"\n\r\n").is_some()
}

fn load(disk: &dyn Disk, path: &Path) -> io::Result<Option<Memory>> {
    match disk.open(path, Access::Read) {
        Ok(file) => Ok(Memory::read(&read_whole(&*file)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn prepare_folders(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        make_folder(disk, parent)?;
    }
    make_folder(disk, folder)
}

fn make_folder(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    match disk.make_folder(folder, FOLDER_MODE) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// So many messages of a listing are noted: what the rule's errors follow from (docs/design/0011-guard.md).
pub(super) const SAMPLE_MAX: usize = 64;

/// Said where there was no room for more.
const UNKNOWN_VERDICT: &str = "the reason stands in the log";

/// How the name of a file ends while it is written.
const NEW: &str = "new";

const HAS_OVERRIDES: u8 = 1;
const NOTED_BYTES: usize = 24;
/// Longer than any path; a record could hold sixteen times as much.
const TEXT_OCTETS_MAX: usize = 4096;
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// The golden ratio, made odd.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(messages: u64) -> Memory {
        let noted = |number: u64| Noted { hash: number * 3, fingerprint: number, octets: 900 + number };
        let sample = (0..messages.min(SAMPLE_MAX as u64)).map(noted).collect();
        Memory { place: b"/var/mail/a".to_vec(), messages, has_overrides: true, sample, verdict: None }
    }

    #[test]
    fn a_memory_survives_its_file() {
        for memory in [Memory::default(), memory(3), memory(64), memory(1000)] {
            assert_eq!(Memory::read(&memory.write(5)).as_ref(), Some(&memory));
            let guarded = Memory { verdict: Some("why".to_owned()), ..memory };
            assert_eq!(Memory::read(&guarded.write(5)), Some(guarded));
        }
        let long = Memory { verdict: Some("ä".repeat(4000)), ..memory(1) };
        assert_eq!(Memory::read(&long.write(5)).unwrap().verdict.unwrap(), "ä".repeat(2048));
    }

    #[test]
    fn any_damage_is_noticed() {
        let file = Memory { verdict: Some("why".to_owned()), ..memory(3) }.write(5);
        for length in 0..file.len() {
            assert!(Memory::read(&file[..length]).is_none(), "cut at {length}");
        }
        for bit in 0..file.len() * 8 {
            let mut file = file.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            assert!(Memory::read(&file).is_none(), "bit {bit}");
        }
        assert!(Memory::read(&[file.as_slice(), b"\0"].concat()).is_none());
    }

    #[test]
    fn hashes_spread_and_stay() {
        // Written down in files: never to change.
        assert_eq!(hash_octets(b"1700000000.M1P1.host"), 0x0050_133C_50AB_2C0B);
        assert_eq!(hash_octets(b""), 0);
        let names = (0..100_000_u32).map(|number| format!("17000{number:05}.M1P1.host"));
        let small = names.filter(|name| hash_octets(name.as_bytes()) < u64::MAX / 100).count();
        assert!((850..1150).contains(&small), "{small} of 1000 expected");
    }

    #[test]
    fn a_message_is_known_again_by_what_its_header_says() {
        let plain = fingerprint(b"Subject: a\nMessage-ID: <1@x>\n\nMessage-ID: <2@x>\n");
        assert_eq!(
            plain,
            fingerprint(b"Received: by y\r\n\tid 7\r\nmessage-id:\r\n <1@x>\r\nSubject: a\r\n\r\n")
        );
        assert_ne!(plain, fingerprint(b"Message-ID: <2@x>\n\n"));
        let without = fingerprint(b"Date: Mon\nFrom: a\nSubject: b\n\n");
        assert_ne!(without, fingerprint(b"Date: Mon\nFrom: a\nSubject: c\n\n"));
        assert_eq!(without, fingerprint(b"X: y\nFrom: a\nDate: Mon\nSubject: b\n\n"));
        for nothing in
            [&b""[..], b"\n", b"Subject: a\n\n", b"no header", b"Message-ID:\n\n", b"Subject: a\n\nDate: b\n"]
        {
            assert_eq!(fingerprint(nothing), 0, "{}", nothing.escape_ascii());
        }
        assert!(
            has_end_of_header(b"a: b\r\n\r\n")
                && has_end_of_header(b"a\n\nb")
                && !has_end_of_header(b"a\r\n")
        );
    }
}
