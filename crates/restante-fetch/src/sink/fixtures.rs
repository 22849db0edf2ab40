//! Messages in files, for the tests of the sinks.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{LineEnds, Message};
use crate::key::Key;

/// A message that lies in a file.
pub(crate) struct Laid {
    pub(crate) key: Key,
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) octets: u64,
    pub(crate) line_ends: LineEnds,
    pub(crate) is_doubtful: bool,
}

pub(crate) const ACCOUNT: &str = "alice@example.org";

impl Laid {
    /// Writes `octets` into a file of `folder`.
    pub(crate) fn new(folder: &Path, unique_id: &str, octets: &[u8]) -> Self {
        let key = Key::new(unique_id.as_bytes());
        let path = folder.join(format!("spooled-{unique_id}"));
        std::fs::write(&path, octets).unwrap();
        let name = format!("1700000000.R{}.restante", key.mark(ACCOUNT));
        let octets = octets.len() as u64;
        Self { key, name, path, octets, line_ends: LineEnds::Lf, is_doubtful: false }
    }

    /// As a sink is given it.
    pub(crate) fn message(&self) -> Message<'_> {
        Message {
            account: ACCOUNT,
            key: &self.key,
            name: &self.name,
            path: &self.path,
            file_octets: self.octets,
            line_ends: self.line_ends,
            digest: [0; 32],
            is_doubtful: self.is_doubtful,
        }
    }

    /// As a pass asks again after a crash.
    pub(crate) fn doubtful(folder: &Path, unique_id: &str, octets: &[u8]) -> Self {
        Self { is_doubtful: true, ..Self::new(folder, unique_id, octets) }
    }
}

pub(crate) fn folder() -> TempDir {
    TempDir::new().unwrap()
}

/// Octets that programs like to change.
pub(crate) fn odd() -> Vec<u8> {
    let long = "z".repeat(100_000);
    let text = format!(
        "From: a@example.org\nSubject: odd\n\nbare\rcr\n\0nul\n.\n..\nFrom x Thu Feb 13 10:11:12 2025\n>From y\n>>From z\n{long}\n"
    );
    [text.as_bytes(), b"\xff\xfe 8-bit\n\n\nlast\n"].concat()
}
