//! Reading a message of an mbox: its lines without the notes of other programs, and with the quoting undone.
//!
//! No lock is held meanwhile. The last piece is given only when the file looks as it did, or when the message is found to be
//! the same after all: another program that rewrites the file under our hands makes the retrieval fail, and never end
//! well with octets of something else.

use std::path::PathBuf;
use std::sync::Arc;

use super::Form;
use super::contents::{Filter, Trim};
use super::scan::{Found, scan_one};
use super::session::{Extent, Session};
use crate::disk::{DiskFile, Stat};
use crate::failure::Failure;
use crate::maildrop::{MessageError, Shape, blocking};

/// A message opened for reading.
#[derive(Debug)]
pub(crate) struct Message {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    form: Form,
    stat: Stat,
    start: u64,
    found: Found,
    shape: Shape,
    /// Where the next octets of the file are, and where they end.
    at: u64,
    end: u64,
    trim: Trim,
    filter: Filter,
    /// What is ready, and how much of it was given.
    ready: Vec<u8>,
    given: usize,
    /// Octets that were made ready in all.
    octets: u64,
    is_checked: bool,
}

/// Opens the message at `index`.
///
/// # Errors
/// As `Maildrop::message`.
pub(crate) async fn message(session: &Arc<Session>, index: usize) -> Result<Message, MessageError> {
    let shape = session.shape(index).ok_or(MessageError::NoSuchMessage)?;
    let Extent { file, stat, start, found } = session.extent(index).await?;
    let form = session.mboxes.settings.form;
    Ok(Message {
        file,
        path: session.place.file.clone(),
        form,
        stat,
        start,
        found,
        shape,
        at: start + u64::from(found.head),
        end: start + found.octets,
        trim: Trim::new(),
        filter: Filter::new(form),
        ready: Vec::new(),
        given: 0,
        octets: 0,
        is_checked: false,
    })
}

/// The From_ line of the message at `index` without its end, and its header with the notes of other programs: for a
/// migration, which goes by them. No more than `max` octets; what follows the header may come along.
///
/// # Errors
/// As `Maildrop::message`.
pub(crate) async fn raw_header(
    session: &Arc<Session>,
    index: usize,
    max: usize,
) -> Result<(Vec<u8>, Vec<u8>), MessageError> {
    let Extent { file, start, found, .. } = session.extent(index).await?;
    let wanted = usize::try_from(found.octets).unwrap_or(max).min(max);
    let read = move || {
        let mut octets = vec![0; wanted];
        let read = file.read_up_to(&mut octets, start)?;
        octets.truncate(read);
        Ok(octets)
    };
    let failed = Failure::at("read", &session.place.file);
    let mut octets = blocking(read).await.and_then(|read| read).map_err(failed)?;
    let header = octets.split_off(octets.len().min(usize::from(found.head)));
    octets.truncate(octets.trim_ascii_end().len());
    Ok((octets, header))
}

impl Message {
    pub(crate) const fn shape(&self) -> Shape {
        self.shape
    }

    /// As `maildrop::Message::read`.
    pub(crate) async fn read(&mut self, chunk: &mut Vec<u8>, max: usize) -> Result<usize, MessageError> {
        if max == 0 {
            return Ok(0);
        }
        while self.ready.len() == self.given {
            self.ready.clear();
            self.given = 0;
            if self.at < self.end {
                self.advance(max).await?;
            }
            if self.at == self.end && !self.is_checked {
                self.finish().await?;
            } else if self.at == self.end && self.ready.is_empty() {
                return Ok(0);
            }
        }
        let rest = self.ready.get(self.given..).unwrap_or_default();
        let piece = rest.get(..max).unwrap_or(rest);
        chunk.extend_from_slice(piece);
        self.given += piece.len();
        Ok(piece.len())
    }

    /// Reads the next piece of the file.
    async fn advance(&mut self, max: usize) -> Result<(), MessageError> {
        let wanted = usize::try_from(self.end - self.at).unwrap_or(max).min(max);
        let mut piece = vec![0; wanted];
        let cached = self.file.read_cached_at(&mut piece, self.at);
        let read = match cached {
            Ok(Some(read)) => Ok(read),
            Ok(None) => {
                let (file, at) = (Arc::clone(&self.file), self.at);
                let work = move || {
                    let read = file.read_at(&mut piece, at);
                    (piece, read)
                };
                let (returned, read) = blocking(work).await.map_err(Failure::at("read", &self.path))?;
                piece = returned;
                read
            }
            Err(error) => Err(error),
        };
        let read = read.map_err(Failure::at("read", &self.path))?;
        if read == 0 {
            return Err(MessageError::Changed);
        }
        let Self { trim, filter, ready, .. } = self;
        trim.push(piece.get(..read).unwrap_or_default(), |part| filter.push(part, ready));
        self.at += read as u64;
        self.octets += self.ready.len() as u64;
        Ok(())
    }

    /// All octets have been read: makes sure that they are those of the message.
    async fn finish(&mut self) -> Result<(), MessageError> {
        let before = self.ready.len();
        let Self { trim, filter, ready, .. } = self;
        std::mem::replace(trim, Trim::new()).finish(|part| filter.push(part, ready));
        filter.finish(ready);
        self.octets += (self.ready.len() - before) as u64;
        self.is_checked = true;
        if self.octets != self.shape.stored_octets {
            return Err(MessageError::Changed);
        }
        if self.file.stat().is_ok_and(|now| now == self.stat) {
            return Ok(());
        }
        let (file, form, start, found) = (Arc::clone(&self.file), self.form, self.start, self.found);
        let again = blocking(move || scan_one(&*file, form, start, found.octets)).await;
        let again = again.and_then(|again| again).map_err(Failure::at("read", &self.path))?;
        match again {
            Some(again) if again.digest == found.digest => Ok(()),
            _ => Err(MessageError::Changed),
        }
    }
}
