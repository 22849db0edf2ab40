//! The file `restante.unique-ids`: what another server showed for messages, kept apart from the index because it
//! cannot be found out again.
//!
//! Only ever written whole, so anything wrong with it is damage and stops what needs it; nothing is guessed. Entries
//! stay when their message goes, because their unique-ids must not stand for another one (R1939-7.14).

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use restante_proto::maildrop::UniqueId;

use super::{Made, Override, OverrideError, digest, of_base_name};
use crate::disk::{Access, Disk};
use crate::index::codec::{self, Header, Reader, Records};
use crate::index::{NO_ORDER, read_whole};

/// All overrides of a maildrop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    by_base_name: HashMap<Vec<u8>, Given>,
    /// The unique-ids in `by_base_name`, to keep them from being used twice.
    unique_ids: HashSet<UniqueId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Given {
    unique_id: UniqueId,
    order: u64,
}

impl Overrides {
    /// Reads the file at `path`; a missing one holds none.
    ///
    /// # Errors
    /// When it cannot be read; `InvalidData` when it is damaged.
    pub(crate) fn load(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        match disk.open(path, Access::Read) {
            Ok(file) => Self::read(&read_whole(&*file)?)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the file is damaged")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// The unique-id of a message, if it is not the base name, and its place ([`NO_ORDER`] for none).
    pub(crate) fn of(&self, base_name: &[u8]) -> (Option<Vec<u8>>, u64) {
        if let Some(given) = self.by_base_name.get(base_name) {
            let unique_id = given.unique_id.as_bytes();
            return ((unique_id != base_name).then(|| unique_id.to_vec()), given.order);
        }
        let made = match of_base_name(base_name) {
            Made::BaseName if self.is_taken(base_name) => Some(digest(base_name).to_vec()),
            Made::BaseName => None,
            Made::Digest(unique_id) => Some(unique_id.to_vec()),
        };
        (made, NO_ORDER)
    }

    /// The unique-id of a message with this base name. `None` for what no message can be called.
    pub(crate) fn unique_id(&self, base_name: &[u8]) -> Option<UniqueId> {
        let (own, _) = self.of(base_name);
        UniqueId::parse(own.as_deref().unwrap_or(base_name)).ok()
    }

    /// Adds overrides, in place of those for the same base names.
    ///
    /// # Errors
    /// When a unique-id would stand for two messages, or a base name cannot be one.
    pub(crate) fn add(&mut self, overrides: Vec<Override>) -> Result<(), OverrideError> {
        for Override { base_name, unique_id, order } in overrides {
            let is_valid = (1..=usize::from(u8::MAX)).contains(&base_name.len())
                && !base_name.iter().any(|octet| b"/:\0".contains(octet));
            if !is_valid {
                return Err(OverrideError::InvalidBaseName(base_name));
            }
            let given = Given { unique_id, order: order.unwrap_or(NO_ORDER) };
            self.by_base_name.insert(base_name, given);
        }
        // Only when all are in: a second migration with the right settings may move every unique-id to its neighbour.
        self.unique_ids.clear();
        for given in self.by_base_name.values() {
            if !self.unique_ids.insert(given.unique_id.clone()) {
                return Err(OverrideError::Duplicate(given.unique_id.clone()));
            }
        }
        Ok(())
    }

    /// Whether there is one for this base name.
    pub(crate) fn has(&self, base_name: &[u8]) -> bool {
        self.by_base_name.contains_key(base_name)
    }

    /// The base names that there is one for, in no order.
    pub(crate) fn base_names(&self) -> impl Iterator<Item = &[u8]> {
        self.by_base_name.keys().map(Vec::as_slice)
    }

    /// Whether the base name is the unique-id that was given to another message.
    pub(crate) fn is_of_another(&self, base_name: &[u8]) -> bool {
        !self.by_base_name.contains_key(base_name) && self.is_taken(base_name)
    }

    /// Whether a unique-id is some override's.
    fn is_taken(&self, unique_id: &[u8]) -> bool {
        // A set that is almost always empty is not asked through an allocation.
        !self.unique_ids.is_empty()
            && UniqueId::parse(unique_id).is_ok_and(|id| self.unique_ids.contains(&id))
    }

    /// The file's bytes.
    pub(crate) fn write(&self, nonce: u64) -> Vec<u8> {
        let count = u32::try_from(self.by_base_name.len()).unwrap_or(u32::MAX);
        let mut records = Records::file(codec::UNIQUE_IDS, Header { nonce, count });
        let mut sorted: Vec<_> = self.by_base_name.iter().collect();
        sorted.sort_unstable_by_key(|(base_name, _)| *base_name);
        for (base_name, given) in sorted {
            records.push(codec::OVERRIDE, |bytes| {
                bytes.extend_from_slice(&given.order.to_le_bytes());
                // `add` and `read` let no longer name in.
                bytes.push(u8::try_from(base_name.len()).unwrap_or(u8::MAX));
                bytes.extend_from_slice(base_name);
                bytes.extend_from_slice(given.unique_id.as_bytes());
            });
        }
        records.bytes
    }

    /// Reads the file's bytes; `None` when they are damaged.
    pub(crate) fn read(file: &[u8]) -> Option<Self> {
        let header = Header::read(file, codec::UNIQUE_IDS)?;
        let mut reader = Reader::new(file, header.nonce);
        let mut overrides = Self::default();
        for _ in 0..header.count {
            let (kind, body) = reader.frame()?;
            let (order, rest) = file.get(body)?.split_first_chunk()?;
            let (&length, rest) = rest.split_first()?;
            let (base_name, unique_id) = rest.split_at_checked(usize::from(length))?;
            let unique_id = UniqueId::parse(unique_id).ok()?;
            let given = Given { unique_id: unique_id.clone(), order: u64::from_le_bytes(*order) };
            let is_first = overrides.unique_ids.insert(unique_id)
                && overrides.by_base_name.insert(base_name.to_vec(), given).is_none();
            if kind != codec::OVERRIDE || !is_first {
                return None;
            }
        }
        reader.is_at_end().then_some(overrides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn give(base_name: &[u8], unique_id: &str, order: Option<u64>) -> Override {
        Override {
            base_name: base_name.to_vec(),
            unique_id: UniqueId::parse(unique_id.as_bytes()).unwrap(),
            order,
        }
    }

    fn some() -> Overrides {
        let mut overrides = Overrides::default();
        overrides
            .add(vec![give(b"1.a", "X", Some(7)), give(b"2 b", "Y", None), give(b"3.c", "3.c", None)])
            .unwrap();
        overrides
    }

    #[test]
    fn overrides_survive_their_file() {
        let read = Overrides::read(&some().write(5)).unwrap();
        for name in [&b"1.a"[..], b"2 b", b"3.c", b"X", b"4"] {
            assert_eq!(read.of(name), some().of(name));
        }
        assert_eq!(read.of(b"1.a"), (Some(b"X".to_vec()), 7));
        assert_eq!(read.of(b"3.c"), (None, NO_ORDER));
    }

    #[test]
    fn any_damage_is_noticed() {
        let file = some().write(5);
        for length in 0..file.len() {
            assert!(Overrides::read(&file[..length]).is_none(), "cut at {length}");
        }
        for bit in 0..file.len() * 8 {
            let mut file = file.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            assert!(Overrides::read(&file).is_none(), "bit {bit}");
        }
        assert!(Overrides::read(&[file.as_slice(), b"\0"].concat()).is_none());
    }

    #[test]
    fn r1939_7_12_an_override_is_never_shown_for_a_second_message() {
        // A message whose base name is another's override gets a digest.
        assert_eq!(some().of(b"X"), (Some(digest(b"X").to_vec()), NO_ORDER));
        let mut overrides = some();
        assert!(matches!(overrides.add(vec![give(b"9", "X", None)]), Err(OverrideError::Duplicate(_))));
        assert!(some().add(vec![give(b"1.a", "X", Some(8))]).is_ok());
        assert!(some().add(vec![give(b"1.a", "Y", None), give(b"2 b", "X", None)]).is_ok(), "swapped");
        assert!(some().add(vec![give(b"1.a", "Y", None), give(b"2 b", "Y", None)]).is_err());
        for name in [&b""[..], b"a/b", b"a:2,", b"a\0", &[b'a'; 256]] {
            assert!(matches!(
                some().add(vec![give(name, "Z", None)]),
                Err(OverrideError::InvalidBaseName(_))
            ));
        }
    }
}
