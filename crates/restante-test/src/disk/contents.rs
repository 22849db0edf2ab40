//! What is in one file: what programs see, what is durable, and what lies between the two.

use super::Aftermath;
use crate::dice::Dice;

/// The contents of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    /// What programs read.
    seen: Vec<u8>,
    /// As of the last sync.
    durable: Vec<u8>,
    /// What was done since, in order.
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write {
        at: usize,
        octets: Vec<u8>,
        /// A sync of it has failed: its pages count as clean, so no later sync writes them.
        is_dropped: bool,
    },
    Cut(usize),
}

impl Contents {
    /// Contents that were there before anything began.
    pub(super) fn durable(octets: Vec<u8>) -> Self {
        Self { seen: octets.clone(), durable: octets, unsynced: Vec::new() }
    }

    pub(super) fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Writes at `at`, which may be the end.
    pub(super) fn write(&mut self, at: usize, octets: &[u8]) {
        put(&mut self.seen, at, octets);
        self.unsynced.push(Change::Write { at, octets: octets.to_vec(), is_dropped: false });
    }

    pub(super) fn cut(&mut self, length: usize) {
        self.seen.resize(length, 0);
        self.unsynced.push(Change::Cut(length));
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                Change::Write { at, octets, is_dropped: false } => put(&mut self.durable, at, &octets),
                // The length is the file system's own and becomes durable; the octets never got there.
                Change::Write { at, octets, is_dropped: true } => grow(&mut self.durable, at + octets.len()),
                Change::Cut(length) => self.durable.resize(length, 0),
            }
        }
    }

    /// A sync that fails. Linux then marks the pages clean: the next sync succeeds, and what it did not write is lost
    /// with the next crash. Programs see it until then.
    pub(super) fn fail_sync(&mut self) {
        for change in &mut self.unsynced {
            if let Change::Write { is_dropped, .. } = change {
                *is_dropped = true;
            }
        }
    }

    /// What a crash leaves. `stale` are octets that may lie in blocks that were given to this file and never written.
    pub(super) fn after(&self, aftermath: Aftermath, dice: &mut Dice, stale: &[u8]) -> Vec<u8> {
        let mut octets = self.durable.clone();
        let reached = match aftermath {
            Aftermath::Lost => 0,
            Aftermath::Kept => self.unsynced.len(),
            Aftermath::Seeded(_) => match dice.below(3) {
                0 => self.unsynced.len(),
                _ => dice.below(self.unsynced.len() + 1),
            },
        };
        for (nth, change) in self.unsynced.iter().take(reached).enumerate() {
            match change {
                Change::Cut(length) => octets.resize(*length, 0),
                Change::Write { at, octets: written, is_dropped } => {
                    let fate = match aftermath {
                        Aftermath::Seeded(_) => Fate::thrown(dice, nth + 1 == reached),
                        _ => Fate::WHOLE,
                    };
                    fate.write(&mut octets, *at, written, *is_dropped, dice, stale);
                }
            }
        }
        octets
    }
}

/// What becomes of one unsynced write.
struct Fate {
    /// The file ends within it: at a sector's border, or at any octet.
    torn: Option<Border>,
    /// Its sectors reached the disk each for itself, or not.
    is_scattered: bool,
}

enum Border {
    Sector,
    Octet,
}

impl Fate {
    const WHOLE: Self = Self { torn: None, is_scattered: false };

    fn thrown(dice: &mut Dice, is_last: bool) -> Self {
        let torn = match dice.below(6) {
            0 | 1 if is_last => Some(Border::Sector),
            2 if is_last => Some(Border::Octet),
            _ => None,
        };
        Self { torn, is_scattered: dice.is_one_in(2) }
    }

    fn write(
        self,
        octets: &mut Vec<u8>,
        at: usize,
        written: &[u8],
        is_dropped: bool,
        dice: &mut Dice,
        stale: &[u8],
    ) {
        let kept = match self.torn {
            None => written.len(),
            Some(Border::Octet) => dice.below(written.len() + 1),
            Some(Border::Sector) => {
                let end = at + dice.below(written.len() + 1);
                (end - end % SECTOR_BYTES).saturating_sub(at)
            }
        };
        let before = octets.len();
        grow(octets, at + kept);
        let mut start = at;
        while start < at + kept {
            let end = (start + SECTOR_BYTES - start % SECTOR_BYTES).min(at + kept);
            let fate = if self.is_scattered { dice.below(6) } else { 5 };
            match fate {
                // The old octets, or zeros where there were none: the length is there before the blocks are
                // (delayed allocation).
                0 | 1 => {}
                // A block that is the file's now and was another's before. What the file had there stays.
                2 => {
                    let new = start.max(before).min(end);
                    fill(&mut octets[new..end], dice, stale);
                }
                _ if is_dropped => {}
                _ => octets[start..end].copy_from_slice(&written[start - at..end - at]),
            }
            start = end;
        }
    }
}

fn fill(octets: &mut [u8], dice: &mut Dice, stale: &[u8]) {
    let sectors = stale.len() / SECTOR_BYTES;
    let from = SECTOR_BYTES * dice.below(sectors.max(1));
    for (at, octet) in octets.iter_mut().enumerate() {
        *octet = stale.get(from + at).copied().unwrap_or_else(|| dice.throw() as u8);
    }
}

fn put(octets: &mut Vec<u8>, at: usize, written: &[u8]) {
    grow(octets, at + written.len());
    octets[at..at + written.len()].copy_from_slice(written);
}

fn grow(octets: &mut Vec<u8>, length: usize) {
    octets.resize(octets.len().max(length), 0);
}

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;
