//! Which message: what the journal, the plan and the sinks call it.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// A message of an account.
///
/// A unique-id is opaque and compared octet by octet (RFC 1939 section 7). Servers break its promise in two ways, and neither
/// may cost mail: two messages of one listing share a unique-id (then `occurrence` tells them apart, counted from 0 in the
/// order of the listing), or a unique-id comes back for another message after its own was gone (then `generation` is one more).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// As the server sent it; not empty.
    pub unique_id: Box<[u8]>,
    /// Which of those that share it in one listing; 0 with an honest server.
    pub occurrence: u32,
    /// How often the server has used it again; 0 with an honest server.
    pub generation: u32,
}

impl Key {
    /// The only message with this unique-id.
    #[must_use]
    pub fn new(unique_id: &[u8]) -> Self {
        Self { unique_id: unique_id.into(), occurrence: 0, generation: 0 }
    }

    /// What is always the same for this message of this account, and of no other: 32 hexadecimal digits, for file names and
    /// for whoever wants to recognize a message that comes again.
    #[must_use]
    pub fn mark(&self, account: &str) -> String {
        let mut digest = Sha256::new();
        // Lengths in front, so that no two accounts and unique-ids run together to the same octets.
        digest.update((account.len() as u64).to_be_bytes());
        digest.update(account.as_bytes());
        digest.update((self.unique_id.len() as u64).to_be_bytes());
        digest.update(&self.unique_id);
        digest.update(self.occurrence.to_be_bytes());
        digest.update(self.generation.to_be_bytes());
        digest.finalize().iter().take(MARK_OCTETS).fold(String::new(), |mut mark, octet| {
            let _ = write!(mark, "{octet:02x}");
            mark
        })
    }
}

/// Two of ten thousand million messages share a mark with a chance of less than one in 10¹⁸.
const MARK_OCTETS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_of_one_message_of_one_account() {
        let key = Key::new(b"1-2");
        let mark = key.mark("alice@example.org");
        assert_eq!(mark.len(), 32);
        assert_eq!(mark, key.mark("alice@example.org"));
        for other in [
            Key::new(b"1-3").mark("alice@example.org"),
            key.mark("bob@example.org"),
            Key::new(b"g1-2").mark("alice@example.or"),
            Key { occurrence: 1, ..key.clone() }.mark("alice@example.org"),
            Key { generation: 1, ..key.clone() }.mark("alice@example.org"),
        ] {
            assert_ne!(mark, other);
        }
    }
}
