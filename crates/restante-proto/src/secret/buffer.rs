//! Octets that grow and leave no copy behind: what a secret is written into before it goes somewhere.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use zeroize::Zeroize;

use super::Secret;

/// Octets, some of them a secret. Overwritten on drop, and each time that growth moves them elsewhere.
pub struct SecretBuffer(Secret);

impl SecretBuffer {
    /// An empty one. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Secret::new(Vec::new()))
    }

    /// An empty one with room for so many octets.
    #[must_use]
    pub fn with_capacity(octets: usize) -> Self {
        Self(Secret::new(Vec::with_capacity(octets)))
    }

    /// Appends one octet.
    pub fn push(&mut self, octet: u8) {
        make_room(&mut self.0.0, 1);
        self.0.0.push(octet);
    }

    /// Appends octets.
    pub fn extend_from_slice(&mut self, octets: &[u8]) {
        make_room(&mut self.0.0, octets.len());
        self.0.0.extend_from_slice(octets);
    }

    /// The octets as a secret, without a copy.
    #[must_use]
    pub fn into_secret(self) -> Secret {
        self.0
    }
}

impl Deref for SecretBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.expose()
    }
}

impl Default for SecretBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SecretBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBuffer(..)")
    }
}

/// Makes room for so many octets more in a buffer that its owner wipes. Where they have to move for it, the old ones are overwritten;
/// `Vec` by itself would leave them.
pub fn make_room(buffer: &mut Vec<u8>, octets: usize) {
    if buffer.capacity() - buffer.len() >= octets {
        return;
    }
    // Twice what is there, so that octets that come one by one are not moved for each of them.
    let wanted = buffer.len().saturating_add(octets).max(buffer.len().saturating_mul(2)).max(OCTETS_MIN);
    let mut wider = Vec::with_capacity(wanted);
    wider.extend_from_slice(buffer);
    buffer.zeroize();
    *buffer = wider;
}

/// Most lines with a password fit, so that they are never moved.
const OCTETS_MIN: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_pieces_comes_out_whole() {
        let mut buffer = SecretBuffer::new();
        let mut expected = Vec::new();
        for octet in 0..=u8::MAX {
            buffer.push(octet);
            buffer.extend_from_slice(&[octet; 3]);
            expected.extend_from_slice(&[octet; 4]);
        }
        assert_eq!(*buffer, *expected);
        assert_eq!(std::format!("{buffer:?}"), "SecretBuffer(..)");
        assert_eq!(buffer.into_secret().expose(), expected);
    }

    #[test]
    fn room_that_was_made_is_there_and_nothing_moves_into_it() {
        let mut buffer = b"PASS ".to_vec();
        make_room(&mut buffer, 500);
        let place = buffer.as_ptr();
        buffer.extend_from_slice(&[b'x'; 500]);
        assert_eq!(buffer.as_ptr(), place);
        assert_eq!(buffer.len(), 505);
        make_room(&mut buffer, 0);
        assert_eq!(buffer.as_ptr(), place);
    }
}
