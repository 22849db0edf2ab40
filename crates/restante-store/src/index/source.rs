//! Where message records are read again that a replay has seen: in the index file, which is kept open, or in memory when
//! they are in no file.
//!
//! A session keeps of a message only what every listing needs; what is needed to open one stands in its record. Whoever
//! may write into the maildrop may also change the file beneath us, so a record is checked again when it is read.

use std::io;

use super::Record;
use super::codec::{Body, MESSAGE_BYTES_MAX, Reader, Records};
use crate::disk::DiskFile;

/// The records of one maildrop.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// The index file that was replayed. Its name may stand for another one by now.
    file: Option<Box<dyn DiskFile>>,
    nonce: u64,
    /// Records that are in no file.
    own: Vec<u8>,
}

/// Where a message record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// In the file.
    File(u32),
    /// In memory.
    Own(u32),
}

/// A piece of the file that was read last.
#[derive(Debug)]
pub(crate) struct Window {
    bytes: Vec<u8>,
    start: u64,
    size: usize,
    waits: bool,
}

impl Window {
    /// For records that lie in a row.
    pub(crate) const fn sequential() -> Self {
        Self { bytes: Vec::new(), start: 0, size: 64 * 1024, waits: true }
    }

    /// For one record.
    pub(crate) const fn single() -> Self {
        Self { bytes: Vec::new(), start: 0, size: MESSAGE_BYTES_MAX, waits: true }
    }

    /// For one record that is wanted only when it is in memory: reading fails with `WouldBlock` when it is not.
    pub(crate) const fn cached() -> Self {
        Self { bytes: Vec::new(), start: 0, size: MESSAGE_BYTES_MAX, waits: false }
    }

    /// The file from `at` on: at least one record, if there is one.
    fn at(&mut self, file: &dyn DiskFile, at: u32) -> io::Result<&[u8]> {
        let at = u64::from(at);
        let is_inside = at >= self.start
            && (at - self.start).saturating_add(MESSAGE_BYTES_MAX as u64) <= self.bytes.len() as u64;
        if !is_inside {
            self.bytes.resize(self.size, 0);
            self.start = at;
            let read = if self.waits {
                file.read_at(&mut self.bytes, at)?
            } else {
                file.read_cached_at(&mut self.bytes, at)?.ok_or(io::ErrorKind::WouldBlock)?
            };
            self.bytes.truncate(read);
        }
        let offset = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(offset..).unwrap_or_default())
    }
}

impl Source {
    pub(crate) const fn new(file: Box<dyn DiskFile>, nonce: u64) -> Self {
        Self { file: Some(file), nonce, own: Vec::new() }
    }

    /// The message record at `spot`, and the bytes its spans are of.
    ///
    /// # Errors
    /// When the file cannot be read, or there is no such record any more.
    pub(crate) fn message<'a>(
        &'a self,
        spot: Spot,
        window: &'a mut Window,
    ) -> io::Result<(Record, &'a [u8])> {
        let bytes = match (spot, &self.file) {
            (Spot::Own(at), _) => self.own.get(at as usize..).unwrap_or_default(),
            (Spot::File(at), Some(file)) => window.at(&**file, at)?,
            (Spot::File(_), None) => &[],
        };
        match Reader::starting_at(0, bytes, self.nonce).next() {
            Some(Body::Message(record)) => Ok((record, bytes)),
            _ => Err(io::Error::new(io::ErrorKind::ResourceBusy, "the index was changed by somebody else")),
        }
    }

    /// Keeps a message record in memory. `parts` as in [`Records::message`].
    ///
    /// # Errors
    /// When there are 4 GiB of them already.
    pub(crate) fn keep(&mut self, record: &Record, parts: [&[u8]; 3]) -> io::Result<Spot> {
        let full = |_| io::Error::new(io::ErrorKind::InvalidInput, "more names than an index can hold");
        let spot = Spot::Own(u32::try_from(self.own.len()).map_err(full)?);
        let mut records = Records::appended(self.nonce);
        records.message(record, parts);
        self.own.extend_from_slice(&records.bytes);
        Ok(spot)
    }

    /// The records in memory.
    pub(crate) fn own(&self) -> &[u8] {
        &self.own
    }

    /// Forgets the records in memory, because they are in the file now.
    pub(crate) fn clear_own(&mut self) {
        self.own = Vec::new();
    }

    pub(crate) fn file(&self) -> Option<&dyn DiskFile> {
        self.file.as_deref()
    }
}
