//! A message while it comes in: a file without a name, so that nothing is left behind whatever happens.

use crate::file;
use std::io::{self, SeekFrom};
use std::path::Path;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// A message in canonical form (CR LF, no byte-stuffing), with the beginning of it in memory.
pub(crate) struct Spool {
    file: File,
    /// The first octets, up to `HEADER_OCTETS_MAX`: for the envelope.
    pub(crate) head: Vec<u8>,
    /// All octets.
    pub(crate) octets: u64,
}

impl Spool {
    /// An empty one in `folder`.
    pub(crate) async fn begin(folder: &Path) -> io::Result<Self> {
        let folder = folder.to_owned();
        let made = tokio::task::spawn_blocking(move || file::nameless(&folder)).await;
        let file = made.map_err(io::Error::other)??;
        Ok(Self { file: File::from_std(file), head: Vec::new(), octets: 0 })
    }

    /// Appends.
    pub(crate) async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let room = HEADER_OCTETS_MAX.saturating_sub(self.head.len());
        self.head.extend_from_slice(octets.get(..room).unwrap_or(octets));
        self.octets += octets.len() as u64;
        self.file.write_all(octets).await
    }

    /// Goes back to the first octet, to be read.
    pub(crate) async fn rewind(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        self.file.seek(SeekFrom::Start(0)).await.map(drop)
    }

    /// Appends the next octets to `chunk`; 0 is the end.
    pub(crate) async fn read(&mut self, chunk: &mut Vec<u8>) -> io::Result<usize> {
        self.file.read_buf(chunk).await
    }
}

/// A header that is longer is none that a person's mail program has written.
pub(crate) const HEADER_OCTETS_MAX: usize = 256 * 1024;
