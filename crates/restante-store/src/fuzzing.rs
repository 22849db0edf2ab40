//! The door for the fuzz targets in `fuzz/`: the bytes of the sidecar files, without a disk. Nothing else may use it; it
//! is there with the feature `fuzzing` alone.

use restante_proto::maildrop::Listing;

use crate::index::codec::{ACCESSED, BULLETINS, Header, INDEX, Records, UNIQUE_IDS};
use crate::index::known::Known;
use crate::index::memory::MemoryFile;
use crate::index::{Index, Record};
use crate::maildir::{accessed_rewritten, bulletins_rewritten, index_listing};
use crate::surrogate::{Measure, Surrogate};
use crate::unique_id::overrides::Overrides;

/// What a session would believe of an index.
#[derive(Debug)]
pub struct Replayed {
    /// What would be listed.
    pub listing: Listing,
    /// The file names of the messages, with their flags.
    pub names: Vec<Vec<u8>>,
    /// Every byte of the file was understood.
    pub is_whole: bool,
    /// How many messages would be removed at the next opening.
    pub pending: usize,
    /// The same, written anew as the keeper of the index does.
    pub rewritten: Vec<u8>,
}

/// Replays the bytes of an index file.
#[must_use]
pub fn replay(file: Vec<u8>) -> Replayed {
    let known = Known::replay(Box::new(MemoryFile(file.clone()))).expect("memory can be read");
    let mut index = Index::replay(file);
    assert_eq!(index.origin.is_some(), known.origin.is_some());
    assert_eq!((index.stamps, &index.pending), (known.stamps, &known.pending));
    let (is_whole, pending) = (index.origin.is_some(), index.pending.len());
    index.sort();
    let name = |record: &Record| [index.bytes(record.base), index.bytes(record.suffix)].concat();
    let names = index.records.iter().map(name).collect();
    let listing = index_listing(known).expect("an index holds what a listing can hold");
    Replayed { listing, names, is_whole, pending, rewritten: index.write(1, |_| true).bytes }
}

/// Reads the bytes of a file of unique-ids and writes them anew; `None` when it is damaged.
#[must_use]
pub fn unique_ids(file: &[u8]) -> Option<Vec<u8>> {
    Overrides::read(file).map(|overrides| overrides.write(1))
}

/// Reads the bytes of a file of what was accessed and writes them anew; `None` when it is damaged.
#[must_use]
pub fn accessed(file: &[u8]) -> Option<Vec<u8>> {
    accessed_rewritten(file)
}

/// Reads the bytes of a file of bulletins: the names that it would rename, and the file written anew; `None` when it is
/// damaged.
#[must_use]
pub fn bulletins(file: &[u8]) -> Option<(Vec<Vec<u8>>, Vec<u8>)> {
    bulletins_rewritten(file)
}

/// The surrogate of a message that comes in these pieces.
#[must_use]
pub fn surrogate(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut surrogate, mut output) = (Surrogate::new(), Vec::new());
    pieces.iter().for_each(|piece| surrogate.push(piece, &mut output));
    surrogate.finish(&mut output);
    output
}

/// How long the surrogate of a message is that has so many octets and comes in these pieces; `None` when it needs none.
#[must_use]
pub fn surrogate_octets(pieces: &[&[u8]], octets: u64) -> Option<u64> {
    let mut measure = Measure::new();
    let _ = pieces.iter().all(|piece| measure.update(piece));
    measure.finish(octets)
}

/// What a file beside the messages is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The index, which is appended to.
    Index,
    /// Unique-ids of another server.
    UniqueIds,
    /// What was accessed.
    Accessed,
    /// Which bulletins were given.
    Bulletins,
}

/// A file of these records with the right checksums.
#[must_use]
pub fn sealed(kind: Kind, records: &[(u8, &[u8])]) -> Vec<u8> {
    let magic = match kind {
        Kind::Index => INDEX,
        Kind::UniqueIds => UNIQUE_IDS,
        Kind::Accessed => ACCESSED,
        Kind::Bulletins => BULLETINS,
    };
    let count = if kind == Kind::Index { 0 } else { u32::try_from(records.len()).unwrap_or(u32::MAX) };
    let mut file = Records::file(magic, Header { nonce: 7, count });
    for &(kind, body) in records {
        file.push(kind, |bytes| bytes.extend_from_slice(body));
    }
    file.bytes
}
