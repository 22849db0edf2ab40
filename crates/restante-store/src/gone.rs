//! What a removal took away, for those who keep a record of it.
//!
//! A removal fills it (`maildir/removal.rs`, `mbox/removal.rs`), the server writes it into its log. What is kept of a message's header is
//! decided by who asks for it ([`Note`]): the store knows no mail.

/// Makes what is to be remembered of a message out of its first octets, cut anywhere; nothing is an answer too.
pub type Note = fn(&[u8]) -> Vec<u8>;

/// The messages that a removal took away, durably, by their indices in the listing.
#[derive(Clone, Debug, Default)]
pub struct Gone {
    /// Ascending.
    indices: Vec<u32>,
    notes: Notes,
}

impl Gone {
    /// These messages, with what was noted of them.
    pub(crate) fn new(indices: &[usize], mut notes: Notes) -> Self {
        // A listing has fewer messages than that.
        let mut indices: Vec<u32> =
            indices.iter().map(|&index| u32::try_from(index).unwrap_or(u32::MAX)).collect();
        indices.sort_unstable();
        notes.entries.sort_by_key(|entry| entry.index);
        notes.entries.dedup_by_key(|entry| entry.index);
        Self { indices, notes }
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Their indices, ascending, and what was noted; empty when nothing was, or there was no more room.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.indices.iter().map(|&index| (index as usize, self.notes.of(index)))
    }
}

/// What is noted of messages while they are being removed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    entries: Vec<Entry>,
    octets: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    index: u32,
    start: u32,
    length: u16,
}

impl Notes {
    /// Keeps the note of a message; the first one of several.
    pub(crate) fn keep(&mut self, index: usize, note: &[u8]) {
        let start = u32::try_from(self.octets.len()).unwrap_or(u32::MAX);
        let (Ok(index), Ok(length)) = (u32::try_from(index), u16::try_from(note.len())) else { return };
        if !note.is_empty() && self.octets.len() + note.len() <= NOTES_OCTETS_MAX {
            self.octets.extend_from_slice(note);
            self.entries.push(Entry { index, start, length });
        }
    }

    fn of(&self, index: u32) -> &[u8] {
        let found = self.entries.binary_search_by_key(&index, |entry| entry.index).ok();
        let Some(entry) = found.and_then(|at| self.entries.get(at)) else { return &[] };
        let start = entry.start as usize;
        self.octets.get(start..start + usize::from(entry.length)).unwrap_or_default()
    }
}

/// So much is kept of all messages of one removal, some 400,000 Message-IDs: who removes more at once finds the rest without.
const NOTES_OCTETS_MAX: usize = 32 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_note_of_a_message_counts() {
        let mut notes = Notes::default();
        for (index, note) in [(7, &b"seven"[..]), (3, b"three"), (7, b"again"), (5, b"")] {
            notes.keep(index, note);
        }
        let gone = Gone::new(&[7, 5, 3], notes);
        let all: Vec<_> = gone.iter().collect();
        assert_eq!(all, [(3, &b"three"[..]), (5, b""), (7, b"seven")]);
    }

    #[test]
    fn what_has_no_room_is_left_out() {
        let mut notes = Notes::default();
        for index in 0..700 {
            notes.keep(index, &[b'x'; 60_000]);
        }
        assert!(notes.octets.len() <= NOTES_OCTETS_MAX);
        let gone = Gone::new(&(0..700).collect::<Vec<_>>(), notes);
        assert_eq!((gone.len(), gone.iter().last()), (700, Some((699, &[][..]))));
    }
}
