//! Line ends and dots put in, as fast as lines as short as those of mail allow. The encoder calls it.
//!
//! The obvious loop (search the next LF, copy the line) spends its time on mispredicted branches, since no two lines
//! are equally long: 14.7 µs for 50 kB in lines of 42 octets. Here nothing branches on the length of a line: the LFs of a
//! window are first written down, a fixed number for every block of octets, then lines are copied in pieces of a fixed
//! length, of which nearly every line takes one. What a piece has too much is overwritten by the next line. 7.9 µs.

use alloc::vec::Vec;

use wide::u8x16;

/// Appends `text` with every bare LF as CR LF, and every dot behind an LF doubled (R1939-3.12, R1939-11.3). `before` is
/// the octet in front of `text`; whether its own first octet needs another dot is not looked at. Says how many CRs
/// were added.
pub(super) fn expand(text: &[u8], mut before: u8, output: &mut Vec<u8>) -> u64 {
    let mut stage = Stage { octets: [0; STAGE], length: 0 };
    let mut positions = [0; WINDOW + GROUP];
    let mut added = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (window, behind) = rest.split_at_checked(WINDOW).unwrap_or((rest, &[]));
        let count = find_line_feeds(window, &mut positions);
        stage.length = 0;
        let mut start = 0;
        for end in positions.iter().take(count).map(|&end| usize::from(end)) {
            let line = rest.get(start..).unwrap_or_default();
            stage.copy(line, end - start);
            let last = end.checked_sub(1).and_then(|last| window.get(last)).copied().unwrap_or(before);
            added += stage.end_line(last, rest.get(end + 1).copied());
            start = end + 1;
        }
        stage.copy(rest.get(start..).unwrap_or_default(), window.len() - start);
        output.extend_from_slice(stage.octets.get(..stage.length).unwrap_or_default());
        before = window.last().copied().unwrap_or(before);
        rest = behind;
    }
    added
}

/// Writes the positions of the LFs of the window in front of `positions`, ascending, and says how many there are.
/// What stands behind them means nothing.
fn find_line_feeds(window: &[u8], positions: &mut [u16; WINDOW + GROUP]) -> usize {
    let (blocks, tail) = window.as_chunks::<BLOCK>();
    let mut last = [0; BLOCK];
    for (octet, &in_tail) in last.iter_mut().zip(tail) {
        *octet = in_tail;
    }
    let mut count = 0;
    for (block, base) in blocks.iter().chain([&last]).zip((0..).step_by(BLOCK)) {
        let mut mask = line_feeds(block);
        let end = count + mask.count_ones() as usize;
        let mut next = count;
        // There is always room for a group; the loop ends below.
        while let Some(group) = positions.get_mut(next..next + GROUP) {
            for position in group {
                *position = base + mask.trailing_zeros() as u16;
                mask &= mask.wrapping_sub(1);
            }
            next += GROUP;
            if next >= end {
                break;
            }
        }
        count = end;
    }
    count
}

/// One bit for each LF of the block; bit 0 is its first octet.
#[inline]
fn line_feeds(block: &[u8; BLOCK]) -> u64 {
    let (quarters, _) = block.as_chunks::<16>();
    let hits =
        |quarter: &[u8; 16]| u64::from(u8x16::from(*quarter).simd_eq(u8x16::splat(b'\n')).to_bitmask());
    quarters.iter().enumerate().fold(0, |mask, (index, quarter)| mask | hits(quarter) << (16 * index))
}

/// Where a window is put together. Octets behind `length` mean nothing.
struct Stage {
    octets: [u8; STAGE],
    length: usize,
}

impl Stage {
    /// Appends the first `length` octets of `text`, which may be longer: so much the better.
    #[inline]
    fn copy(&mut self, text: &[u8], length: usize) {
        let mut done = 0;
        loop {
            let at = self.length + done;
            let (Some(from), Some(to)) = (text.get(done..done + PIECE), self.octets.get_mut(at..at + PIECE))
            else {
                // The end of the text is near.
                let from = text.get(done..length).unwrap_or_default();
                if let Some(to) = self.octets.get_mut(at..at + from.len()) {
                    to.copy_from_slice(from);
                }
                break;
            };
            to.copy_from_slice(from);
            done += PIECE;
            if done >= length {
                break;
            }
        }
        self.length += length;
    }

    /// Appends a line end behind a line whose last octet is `last`, and a dot if `next` is one. Says how many CRs were
    /// added: none or one.
    #[inline]
    fn end_line(&mut self, last: u8, next: Option<u8>) -> u64 {
        let missing = usize::from(last != b'\r');
        let to = self.octets.get_mut(self.length..).and_then(<[u8]>::first_chunk_mut);
        if let Some(to) = to {
            *to = if missing == 1 { *b"\r\n." } else { *b"\n.." };
        }
        self.length += missing + 1 + usize::from(next == Some(b'.'));
        missing as u64
    }
}

/// Octets looked at together. Their positions fit in 16 bits, and stage and positions in the fastest cache.
const WINDOW: usize = 2048;

/// As many octets as a mask has bits.
const BLOCK: usize = 64;

/// Positions written down for a block without asking how many there are. Few blocks have more.
const GROUP: usize = 4;

/// Octets copied at once: a line of mail, 76 octets by custom, and some. In a sketch of this 64 took
/// 8.3 µs, 96 took 6.9 and 128 took 7.2.
const PIECE: usize = 96;

/// A window of LFs doubles, a dot may follow from the next one, and a piece may reach over the end.
const STAGE: usize = 2 * WINDOW + 1 + PIECE;

#[cfg(test)]
mod tests;
