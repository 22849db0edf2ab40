//! The file `restante.accessed`: which messages were accessed in earlier sessions, in the sense of LAST (RFC 1460).
//!
//! What is kept are digests of base names, so that the mark follows a message that other programs rename, and falls to the
//! highest accessed one that is left when a message goes (R1460-4.1). The file is only ever written whole, by the holder
//! of the lock, at the end of a session; without LAST it is neither read nor written. Losing it costs a client that
//! asks LAST a second retrieval and nothing else.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use restante_proto::maildrop::{Accessed, Marks};
use sha2::{Digest as _, Sha256};

use super::keeper;
use super::layout::{ACCESSED, ACCESSED_NEW};
use crate::disk::{Access, Disk};
use crate::failure::Failure;
use crate::index::codec::{self, Header, Reader, Records};
use crate::index::read_whole;
use crate::maildrop::blocking;

/// A session of any kind of maildrop, as far as it matters here.
pub(crate) trait Keyed: Send + Sync + 'static {
    fn disk(&self) -> &dyn Disk;

    /// Where the file is.
    fn folder(&self) -> &Path;

    /// Permissions of new files.
    fn file_mode(&self) -> u32;

    /// How many messages are listed.
    fn messages(&self) -> usize;

    /// What stays of the message at `index` for its life, and no other message has.
    fn key(&self, index: usize) -> Option<Cow<'_, [u8]>>;
}

/// As `Maildrop::last_accessed`.
pub(crate) async fn last<S: Keyed>(session: &Arc<S>) -> Result<Option<usize>, Failure> {
    let there = Arc::clone(session);
    let result = blocking(move || last_now(&*there)).await;
    result.map_err(Failure::at("read what was accessed in", session.folder()))?
}

/// As `Maildrop::keep_accessed`.
pub(crate) async fn keep<S: Keyed>(
    session: &Arc<S>,
    accessed: &Accessed,
    removed: &Marks,
) -> Result<(), Failure> {
    if accessed.is_nothing() {
        return Ok(());
    }
    let (there, accessed, removed) = (Arc::clone(session), accessed.clone(), removed.clone());
    let result = blocking(move || keep_now(&*there, &accessed, &removed)).await;
    result.map_err(Failure::at("note what was accessed in", session.folder()))?
}

fn last_now(session: &impl Keyed) -> Result<Option<usize>, Failure> {
    let known: HashSet<Digest> = load(session.disk(), session.folder())?.into_iter().collect();
    if known.is_empty() {
        return Ok(None);
    }
    let is_known = |&index: &usize| digest(session, index).is_some_and(|digest| known.contains(&digest));
    Ok((0..session.messages()).rev().find(is_known))
}

fn keep_now(session: &impl Keyed, accessed: &Accessed, removed: &Marks) -> Result<(), Failure> {
    let (disk, path) = (session.disk(), session.folder());
    // What cannot be read cannot be added to; it is written anew.
    let before = load(disk, path).unwrap_or_default();
    let known: HashSet<Digest> =
        if accessed.starts_anew { HashSet::new() } else { before.iter().copied().collect() };
    let left = (0..session.messages()).filter(|&index| !removed.is_marked(index));
    // Messages that are gone drop out here, so the file is never longer than the listing.
    let after: Vec<Digest> = left
        .filter_map(|index| Some((index, digest(session, index)?)))
        .filter(|(index, digest)| accessed.messages.is_marked(*index) || known.contains(digest))
        .map(|(_, digest)| digest)
        .collect();
    if after == before {
        return Ok(());
    }
    store(disk, path, &after, session.file_mode())
}

/// Whether the file can be read, if there is one.
///
/// # Errors
/// Why it cannot.
pub(super) fn check(disk: &dyn Disk, maildir: &Path) -> Result<(), Failure> {
    load(disk, maildir).map(|_| ())
}

fn store(disk: &dyn Disk, maildir: &Path, digests: &[Digest], mode: u32) -> Result<(), Failure> {
    let file = maildir.join(ACCESSED);
    if digests.is_empty() {
        match disk.unlink(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::new("remove", &file, error));
            }
            _ => {}
        }
    } else {
        let nonce = keeper::new_nonce().map_err(Failure::at("choose a number for", &file))?;
        let bytes = write(digests, nonce);
        keeper::replace(disk, &maildir.join(ACCESSED_NEW), &file, &bytes, mode)?;
    }
    disk.sync_folder(maildir).map_err(Failure::at("sync", maildir))
}

/// The digests of the file; a missing one holds none.
fn load(disk: &dyn Disk, maildir: &Path) -> Result<Vec<Digest>, Failure> {
    let path = maildir.join(ACCESSED);
    let load = || match disk.open(&path, Access::Read) {
        Ok(file) => read(&read_whole(&*file)?)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the file is damaged")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    load().map_err(Failure::at("read", &path))
}

fn read(file: &[u8]) -> Option<Vec<Digest>> {
    let header = Header::read(file, codec::ACCESSED)?;
    let mut reader = Reader::new(file, header.nonce);
    let mut digests = Vec::new();
    for _ in 0..header.count {
        let (kind, body) = reader.frame()?;
        let (all, rest) = file.get(body)?.as_chunks();
        if kind != codec::DIGESTS || !rest.is_empty() {
            return None;
        }
        digests.extend_from_slice(all);
    }
    reader.is_at_end().then_some(digests)
}

fn write(digests: &[Digest], nonce: u64) -> Vec<u8> {
    let parts = digests.chunks(DIGESTS_PER_RECORD);
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let mut records = Records::file(codec::ACCESSED, Header { nonce, count });
    for part in parts {
        records.push(codec::DIGESTS, |bytes| bytes.extend_from_slice(part.as_flattened()));
    }
    records.bytes
}

/// For the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(super) fn rewritten(file: &[u8]) -> Option<Vec<u8>> {
    read(file).map(|digests| write(&digests, 1))
}

fn digest(session: &impl Keyed, index: usize) -> Option<Digest> {
    let hash = Sha256::digest(&*session.key(index)?);
    hash.first_chunk().copied()
}

/// The first half of the SHA-256 of a base name: no two messages of a maildrop share it.
type Digest = [u8; 16];

/// 60 KiB, under the 64 KiB that a length can say.
const DIGESTS_PER_RECORD: usize = 3840;

#[cfg(test)]
mod tests {
    use super::*;

    fn some(count: u16) -> Vec<Digest> {
        (0..count)
            .map(|number| {
                [number.to_le_bytes()[0], number.to_le_bytes()[1], 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]
            })
            .collect()
    }

    #[test]
    fn digests_survive_their_file() {
        for count in [0, 1, 5, 3840, 3841, 9000] {
            assert_eq!(read(&write(&some(count), 5)), Some(some(count)), "{count}");
        }
    }

    #[test]
    fn the_file_is_as_its_page_says() {
        let file: &[u8] = include_bytes!("../../fixtures/accessed-1");
        let half = |name: &[u8]| *Sha256::digest(name).first_chunk().unwrap();
        let digests = vec![half(b"1700000001.a"), half(b"odd")];
        assert_eq!(write(&digests, 0x0123_4567_89ab_cdef), file);
        assert_eq!(read(file), Some(digests));
    }

    #[test]
    fn any_damage_is_noticed() {
        let file = write(&some(3), 5);
        for length in 0..file.len() {
            assert!(read(&file[..length]).is_none(), "cut at {length}");
        }
        for bit in 0..file.len() * 8 {
            let mut file = file.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&file).is_none(), "bit {bit}");
        }
        assert!(read(&[file.as_slice(), b"\0"].concat()).is_none());
    }
}
