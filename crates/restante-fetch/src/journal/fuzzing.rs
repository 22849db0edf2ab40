//! The door for the fuzz target `journal`: files whose checksums are right, whatever their steps are. Nothing else may use it; it is
//! there with the feature `fuzzing` alone.

use super::codec::{Block, Header};

/// A file of these blocks. `true` is a block whose writer knew all before it as durable.
#[must_use]
pub fn sealed(blocks: &[(bool, &[u8])]) -> Vec<u8> {
    let mut file = Header { nonce: NONCE, account: "alice@example.org".into() }.write();
    for &(knows, steps) in blocks {
        let at = file.len() as u64;
        Block::write(steps, NONCE, at, if knows { at } else { 0 }, &mut file);
    }
    file
}

/// Always the same, so that an input is always the same file.
const NONCE: u64 = 7;
