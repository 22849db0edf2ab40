//! A message while it comes in: written to a file as the wire brings it, with its digests taken on the way.
//!
//! Called by the network thread. Nothing is synced here: a sink makes durable what it takes, for a whole batch at once. What a crash
//! leaves here is swept when the next pass begins.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use restante_store::disk::{Access, Disk, DiskFile, Kind};
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;
use crate::journal::Contents;
use crate::sink::contents::Converter;
use crate::sink::{LineEnds, mode};

/// A folder in which messages of one account are written.
///
/// Other programs may keep files there (it is the `tmp/` of a Maildir where there is one), and so may the spools of other accounts.
#[derive(Debug)]
pub struct Spool {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// The permissions of its files, if somebody wants others than for their owner alone.
    mode: Option<u32>,
    /// What its names begin with, and no other spool's do.
    prefix: String,
    next: AtomicU64,
}

impl Spool {
    /// Opens the spool and sweeps what an earlier pass of the same `owner` has left there. The folder is made (0700) when it is missing.
    ///
    /// `owner` names what holds the journal's lock meanwhile, so that no two spools with one `owner` are open at a time: the
    /// account's state folder.
    ///
    /// # Errors
    /// When the folder cannot be made or listed. What cannot be swept stays and is in nobody's way.
    pub fn open(disk: Arc<dyn Disk>, folder: &Path, owner: &str) -> Result<Self, Failure> {
        let digest = Sha256::digest(owner.as_bytes());
        let tag: String = digest.iter().take(TAG_OCTETS).map(|octet| format!("{octet:02x}")).collect();
        let spool = Self {
            disk,
            folder: folder.to_owned(),
            mode: None,
            prefix: format!("restante-fetch.{tag}."),
            next: AtomicU64::new(1),
        };
        let mut leftovers = Vec::new();
        let listed = spool.disk.list(folder, &mut |name, kind| {
            if spool.is_own(name) && matches!(kind, Kind::File | Kind::Unknown) {
                leftovers.push(folder.join(name));
            }
        });
        match listed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                spool.disk.make_folder(folder, 0o700).map_err(Failure::at("make", folder))?;
            }
            listed => listed.map_err(Failure::at("list", folder))?,
        }
        leftovers.iter().for_each(|path| drop(spool.disk.unlink(path)));
        Ok(spool)
    }

    /// With these permissions for messages, whatever the umask.
    #[must_use]
    pub fn with_mode(mut self, mode: Option<u32>) -> Self {
        self.mode = mode;
        self
    }

    /// Where messages are written.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins a message. `additions` are header fields in canonical form (each ends with CRLF) that go in front of it; they are in no
    /// digest and not in its octets.
    ///
    /// # Errors
    /// When no file can be made or written.
    pub fn begin(
        &self,
        line_ends: LineEnds,
        additions: &[u8],
        header: Box<dyn HeaderDigest>,
    ) -> Result<Writing, Failure> {
        let (file, path) = self.create()?;
        let mut writing = Writing {
            written: Temporary { disk: Arc::clone(&self.disk), path },
            file,
            ends: Converter::new(LineEnds::Crlf, line_ends),
            buffer: Vec::new(),
            file_octets: 0,
            octets: 0,
            digest: Sha256::new(),
            header,
            is_broken: false,
        };
        writing.put(additions)?;
        Ok(writing)
    }

    fn create(&self) -> Result<(Box<dyn DiskFile>, PathBuf), Failure> {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let path = self.folder.join(format!("{}{number}", self.prefix));
            match self.disk.open(&path, Access::CreateNew(self.mode.unwrap_or(mode::PRIVATE))) {
                // Something that could not be swept; a folder does not hold so many.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < NUMBERS_MAX => {}
                result => {
                    let file = result.map_err(Failure::at("make", &path))?;
                    let settled = mode::settle(&*file, self.mode);
                    settled
                        .inspect_err(|_| drop(self.disk.unlink(&path)))
                        .map_err(Failure::at("set the mode of", &path))?;
                    return Ok((file, path));
                }
            }
        }
    }

    fn is_own(&self, name: &OsStr) -> bool {
        name.as_encoded_bytes().starts_with(self.prefix.as_bytes())
    }
}

/// Something that is told a message in its canonical form, cut anywhere, and makes a digest of its header.
pub trait HeaderDigest: fmt::Debug + Send {
    /// Takes the next octets; those of the body are ignored.
    fn update(&mut self, octets: &[u8]);

    /// The digest, as [`Contents::header_digest`] says.
    fn finish(&mut self) -> [u8; 16];
}

/// A message on its way into its file. Dropping it takes the file away.
#[derive(Debug)]
pub struct Writing {
    file: Box<dyn DiskFile>,
    written: Temporary,
    ends: Converter,
    /// Not yet written; at most [`BUFFER_OCTETS`] and what one call brings.
    buffer: Vec<u8>,
    /// Written.
    file_octets: u64,
    octets: u64,
    digest: Sha256,
    header: Box<dyn HeaderDigest>,
    /// A write has failed: what is in the file is not known.
    is_broken: bool,
}

impl Writing {
    /// Appends octets of the canonical form, cut anywhere.
    ///
    /// # Errors
    /// When the file cannot be written: the disk is full, or worse. The message can then only be dropped.
    pub fn write(&mut self, octets: &[u8]) -> Result<(), Failure> {
        self.digest.update(octets);
        self.header.update(octets);
        self.octets += octets.len() as u64;
        self.put(octets)
    }

    /// Octets of the canonical form that have come so far.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// Ends the message: it lies whole in its file, not synced.
    ///
    /// # Errors
    /// When the file cannot be written, or could not be before.
    pub fn finish(mut self) -> Result<Spooled, Failure> {
        self.ends.finish(&mut self.buffer);
        self.flush()?;
        let contents = Contents {
            octets: self.octets,
            digest: self.digest.finalize().into(),
            header_digest: self.header.finish(),
        };
        Ok(Spooled {
            written: self.written,
            line_ends: self.ends.to(),
            file_octets: self.file_octets,
            contents,
        })
    }

    fn put(&mut self, octets: &[u8]) -> Result<(), Failure> {
        // In pieces, so that a caller with a large one does not make the buffer large.
        for piece in octets.chunks(BUFFER_OCTETS) {
            self.ends.convert(piece, &mut self.buffer);
            if self.buffer.len() >= BUFFER_OCTETS {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let path = &self.written.path;
        if self.is_broken {
            let again = io::Error::other("an earlier part of it could not be written");
            return Err(Failure::new("write", path, again));
        }
        if let Err(error) = self.file.append(&self.buffer) {
            self.is_broken = true;
            return Err(Failure::new("write", path, error));
        }
        self.file_octets += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// A whole message in its file. Dropping it takes the file away, unless a sink has renamed it.
#[derive(Debug)]
pub struct Spooled {
    written: Temporary,
    /// How its lines end in the file.
    pub line_ends: LineEnds,
    /// Bytes of the file.
    pub file_octets: u64,
    /// What it holds, without what was added.
    pub contents: Contents,
}

impl Spooled {
    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.written.path
    }
}

/// A file that goes when it is dropped.
#[derive(Debug)]
struct Temporary {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // It may have got its name at a sink; and what stays is swept by the next pass.
        let _ = self.disk.unlink(&self.path);
    }
}

/// So much is gathered before it is written.
const BUFFER_OCTETS: usize = 64 * 1024;

/// Octets of the owner's digest in a name.
const TAG_OCTETS: usize = 8;

/// More messages than a listing of POP3 can have.
const NUMBERS_MAX: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    use restante_store::disk::LocalDisk;
    use tempfile::TempDir;

    use super::*;

    /// Counts what it is told.
    #[derive(Debug, Default)]
    struct Count(u128);

    impl HeaderDigest for Count {
        fn update(&mut self, octets: &[u8]) {
            self.0 += octets.len() as u128;
        }

        fn finish(&mut self) -> [u8; 16] {
            self.0.to_be_bytes()
        }
    }

    fn spool(folder: &Path) -> Spool {
        Spool::open(Arc::new(LocalDisk), folder, "/state/alice@example.org").unwrap()
    }

    fn written(spool: &Spool, ends: LineEnds, additions: &[u8], pieces: &[&[u8]]) -> (Vec<u8>, Spooled) {
        let mut writing = spool.begin(ends, additions, Box::new(Count::default())).unwrap();
        pieces.iter().for_each(|piece| writing.write(piece).unwrap());
        let spooled = writing.finish().unwrap();
        (std::fs::read(spooled.path()).unwrap(), spooled)
    }

    const ODD: &[u8] = b"A: b\r\n\r\nbare\rcr\r\r\nlf\nonly\0\xff\n\r\r\n.\r\nFrom x\r\nend\r";

    #[test]
    fn line_ends_change_and_nothing_else_wherever_it_is_cut() {
        let folder = TempDir::new().unwrap();
        let spool = spool(folder.path());
        let lf = b"A: b\n\nbare\rcr\r\nlf\nonly\0\xff\n\r\n.\nFrom x\nend\r";
        for at in 0..=ODD.len() {
            for to in at..=ODD.len() {
                let pieces = [&ODD[..at], &ODD[at..to], &ODD[to..]];
                let (file, spooled) = written(&spool, LineEnds::Lf, b"", &pieces);
                assert_eq!(file, lf, "cut at {at} and {to}");
                assert_eq!(spooled.file_octets, lf.len() as u64);
            }
            let (file, _) = written(&spool, LineEnds::Crlf, b"", &[&ODD[..at], &ODD[at..]]);
            assert_eq!(file, ODD);
        }
    }

    #[test]
    fn digests_and_octets_are_those_of_the_canonical_form_without_additions() {
        let folder = TempDir::new().unwrap();
        let spool = spool(folder.path());
        for ends in [LineEnds::Lf, LineEnds::Crlf] {
            let (file, spooled) = written(&spool, ends, b"Received: here\r\n", &[ODD]);
            assert!(file.starts_with(b"Received: here"));
            assert_eq!(spooled.contents.octets, ODD.len() as u64);
            assert_eq!(spooled.contents.digest, <[u8; 32]>::from(Sha256::digest(ODD)));
            assert_eq!(spooled.contents.header_digest, (ODD.len() as u128).to_be_bytes());
            assert_eq!(spooled.file_octets, file.len() as u64);
            assert_eq!(spooled.line_ends, ends);
        }
    }

    #[test]
    fn large_messages_and_long_lines_pass_in_bounded_pieces() {
        let folder = TempDir::new().unwrap();
        let spool = spool(folder.path());
        let message =
            [vec![b'z'; 300_000], b"\r\n".repeat(50_000), vec![b'\r'; 200_000], b"\r\n".to_vec()].concat();
        let mut writing = spool.begin(LineEnds::Lf, b"", Box::new(Count::default())).unwrap();
        writing.write(&message).unwrap();
        assert!(writing.buffer.capacity() <= 4 * BUFFER_OCTETS);
        let spooled = writing.finish().unwrap();
        let lf = [vec![b'z'; 300_000], b"\n".repeat(50_000), vec![b'\r'; 200_000], b"\n".to_vec()].concat();
        assert!(std::fs::read(spooled.path()).unwrap() == lf);
    }

    #[test]
    fn what_is_dropped_is_gone_and_what_was_left_is_swept() {
        let folder = TempDir::new().unwrap();
        let count = || std::fs::read_dir(folder.path()).unwrap().count();
        let first = spool(folder.path());
        let mut writing = first.begin(LineEnds::Lf, b"", Box::new(Count::default())).unwrap();
        writing.write(ODD).unwrap();
        assert_eq!(count(), 1);
        drop(writing);
        assert_eq!(count(), 0);
        let (_, spooled) = written(&first, LineEnds::Lf, b"", &[ODD]);
        assert_eq!(count(), 1);
        drop(spooled);
        assert_eq!(count(), 0);

        let (_, left) = written(&first, LineEnds::Lf, b"", &[ODD]);
        std::mem::forget(left);
        let other = Spool::open(Arc::new(LocalDisk), folder.path(), "/state/bob@example.org").unwrap();
        let (_, others) = written(&other, LineEnds::Lf, b"", &[ODD]);
        std::fs::write(folder.path().join("1700000000.M1P2.host"), b"another program's").unwrap();
        assert_eq!(count(), 3);
        spool(folder.path());
        assert_eq!(count(), 2);
        assert!(others.path().is_file());
    }

    #[test]
    fn a_missing_folder_is_made_and_a_missing_place_for_it_is_said() {
        let folder = TempDir::new().unwrap();
        let made = folder.path().join("spool");
        spool(&made);
        assert!(made.is_dir());
        let error = Spool::open(Arc::new(LocalDisk), &made.join("a/b"), "x").unwrap_err();
        assert!(error.to_string().starts_with("cannot make "), "{error}");
    }
}
