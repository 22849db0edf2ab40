//! Reading messages: opening one that other programs may rename meanwhile, its octets, and its survey.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;

use super::layout::message_path;
use super::scan::PASSES_MAX;
use super::session::Session;
use crate::disk::{Access, DiskFile, Kind};
use crate::failure::Failure;
use crate::index::Facts;
use crate::index::source::Window;
use crate::maildrop::{MessageError, Shape, blocking};
use crate::surrogate::Measure;
use crate::survey::{Findings, Survey};

/// A message opened for reading.
#[derive(Debug)]
pub(crate) struct Message {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    facts: Facts,
    offset: u64,
    /// The end was seen where it should be.
    is_at_end: bool,
}

/// Opens the message at `index`: on this thread when everything is in memory, else on one that may wait.
///
/// # Errors
/// As `Maildrop::message`.
pub(crate) async fn message(session: &Arc<Session>, index: usize) -> Result<Message, MessageError> {
    let octets = session.listed_octets(index).ok_or(MessageError::NoSuchMessage)?;
    if let Some((folder, suffix)) = session.place(index)
        && let Some((facts, base_name)) = session.record(index, &mut Window::cached())
    {
        let path = message_path(session.path(), folder, &base_name, &suffix);
        if let Ok(Some(file)) = session.disk().open_cached(&path)
            && is_as_known(&*file, &facts)
        {
            return Ok(Message::new(file, path, facts));
        }
    }
    let session_there = Arc::clone(session);
    let result = blocking(move || find(&session_there, index, octets)).await;
    result.map_err(Failure::at("open a message of", session.path()))?
}

/// What those who read may know.
pub(crate) const fn shape(facts: &Facts) -> Shape {
    let &Facts { stored_octets, octets, is_crlf, has_dot_lines, surrogate_octets, .. } = facts;
    let header_octets = facts.header_octets as u64;
    let header_octets = if header_octets < stored_octets { header_octets } else { stored_octets };
    Shape { octets, header_octets, stored_octets, is_crlf, has_dot_lines, surrogate_octets }
}

impl Message {
    fn new(file: Box<dyn DiskFile>, path: PathBuf, facts: Facts) -> Self {
        Self { file: file.into(), path, facts, offset: 0, is_at_end: false }
    }

    pub(crate) const fn shape(&self) -> Shape {
        shape(&self.facts)
    }

    /// As `maildrop::Message::read`.
    pub(crate) async fn read(&mut self, chunk: &mut Vec<u8>, max: usize) -> Result<usize, MessageError> {
        if self.is_at_end || max == 0 {
            return Ok(0);
        }
        let left = self.facts.stored_octets - self.offset;
        // One octet more than there should be, so that the last piece shows the end without another call.
        let wanted = usize::try_from(left.saturating_add(1)).unwrap_or(max).min(max);
        let start = chunk.len();
        chunk.resize(start + wanted, 0);
        let cached = self.file.read_cached_at(chunk.get_mut(start..).unwrap_or_default(), self.offset);
        let read = match cached {
            Ok(Some(read)) => Ok(read),
            Ok(None) => {
                let (file, offset) = (Arc::clone(&self.file), self.offset);
                let mut taken = std::mem::take(chunk);
                let work = move || {
                    let read = file.read_at(taken.get_mut(start..).unwrap_or_default(), offset);
                    (taken, read)
                };
                let (returned, read) = blocking(work).await.map_err(Failure::at("read", &self.path))?;
                *chunk = returned;
                read
            }
            Err(error) => Err(error),
        };
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                chunk.truncate(start);
                return Err(Failure::new("read", &self.path, error).into());
            }
        };
        chunk.truncate(start + read);
        self.advance(read, wanted, left)
    }

    fn advance(&mut self, read: usize, wanted: usize, left: u64) -> Result<usize, MessageError> {
        let is_too_short = read == 0 && left > 0;
        let is_too_long = read as u64 > left;
        if is_too_short || is_too_long {
            return Err(MessageError::Changed);
        }
        self.offset += read as u64;
        // A read that gave less than asked, up to where the end should be, has met the end.
        self.is_at_end = read as u64 == left && read < wanted;
        Ok(read)
    }
}

/// Opens the message at `index`, wherever it is now, and makes sure that it has the octets that were listed.
fn find(session: &Session, index: usize, octets: (u64, Option<u64>)) -> Result<Message, MessageError> {
    let facts = session.facts(index);
    let Some(base_name) = session.base_name(index)? else { return Err(MessageError::Vanished) };
    for _ in 0..PASSES_MAX {
        let Some((folder, suffix)) = session.place(index) else { break };
        let path = message_path(session.path(), folder, &base_name, &suffix);
        match session.disk().open(&path, Access::Read) {
            Ok(file) => {
                return match facts.filter(|facts| is_as_known(&*file, facts)) {
                    Some(facts) => Ok(Message::new(file, path, facts)),
                    None => look_again(session, index, file, path, octets),
                };
            }
            Err(error) if is_vanished(&error) => {}
            Err(error) if is_not_regular(&error) => return Err(MessageError::NotRegular),
            Err(error) => return Err(Failure::new("open", &path, error).into()),
        }
        if !session.look_for_messages()? {
            break;
        }
    }
    // The folders may look unchanged although it is gone: then the index must not speak for them next time.
    session.forget(index);
    Err(MessageError::Vanished)
}

/// The file is not as the index says. It may still be the same message: a restored backup has new times.
fn look_again(
    session: &Session,
    index: usize,
    file: Box<dyn DiskFile>,
    path: PathBuf,
    (octets, surrogate_octets): (u64, Option<u64>),
) -> Result<Message, MessageError> {
    match survey_file(&*file, &mut Vec::new()) {
        Ok(Some(facts)) if facts.octets == octets && facts.surrogate_octets == surrogate_octets => {
            Ok(Message::new(file, path, facts))
        }
        Ok(Some(_)) => {
            session.forget(index);
            Err(MessageError::Changed)
        }
        Ok(None) => Err(MessageError::NotRegular),
        Err(error) => Err(Failure::new("read", &path, error).into()),
    }
}

fn is_as_known(file: &dyn DiskFile, facts: &Facts) -> bool {
    let is_same = |stat: crate::disk::Stat| {
        stat.kind == Kind::File && stat.size == facts.stored_octets && stat.modified_ns == facts.modified_ns
    };
    !facts.is_from_name && file.stat().is_ok_and(is_same)
}

/// Reads a message once and finds out what must be known of it. `None` when it is no regular file.
///
/// # Errors
/// As the disk says; `ResourceBusy` when the file changes while it is read.
pub(super) fn survey_file(file: &dyn DiskFile, buffer: &mut Vec<u8>) -> io::Result<Option<Facts>> {
    for _ in 0..PASSES_MAX {
        let stat = file.stat()?;
        if stat.kind != Kind::File {
            return Ok(None);
        }
        // One octet more than there should be shows the end without another call.
        let wanted = usize::try_from(stat.size.saturating_add(1)).unwrap_or(SURVEY_BYTES).min(SURVEY_BYTES);
        if buffer.len() < wanted {
            buffer.resize(wanted, 0);
        }
        let mut survey = Survey::new();
        let mut offset = 0;
        while offset <= stat.size {
            let read = file.read_at(buffer, offset)?;
            survey.update(buffer.get(..read).unwrap_or_default());
            offset += read as u64;
            if read == 0 || offset == stat.size && read < buffer.len() {
                break;
            }
        }
        if offset == stat.size {
            let findings = survey.finish();
            let facts = facts(&findings, stat.modified_ns);
            let surrogate_octets = surrogate_octets(file, &findings, buffer)?;
            return Ok(Some(Facts { surrogate_octets, ..facts }));
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "the file is being written to"))
}

/// Octets of the surrogate of the message in `file`, if it has one. Reads it once more when it is not all ASCII, as far
/// as there are headers in it.
///
/// # Errors
/// As the disk says.
pub(super) fn surrogate_octets(
    file: &dyn DiskFile,
    findings: &Findings,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<u64>> {
    if findings.is_ascii {
        return Ok(None);
    }
    if buffer.is_empty() {
        buffer.resize(usize::try_from(findings.stored_octets).unwrap_or(SURVEY_BYTES).min(SURVEY_BYTES), 0);
    }
    let mut measure = Measure::new();
    let mut offset = 0;
    while offset < findings.stored_octets {
        let read = file.read_at(buffer, offset)?;
        if read == 0 || !measure.update(buffer.get(..read).unwrap_or_default()) {
            break;
        }
        offset += read as u64;
    }
    Ok(measure.finish(findings.octets))
}

/// What was found in a file with this time of change. Of a surrogate nothing is known yet.
pub(super) fn facts(findings: &Findings, modified_ns: i64) -> Facts {
    let &Findings { stored_octets, octets, header_octets, is_crlf, has_dot_lines, .. } = findings;
    let header_octets = u32::try_from(header_octets).unwrap_or(u32::MAX);
    let surrogate_octets = None;
    let is_from_name = false;
    Facts {
        is_from_name,
        stored_octets,
        modified_ns,
        octets,
        header_octets,
        is_crlf,
        has_dot_lines,
        surrogate_octets,
    }
}

/// What stands for a message that cannot be read. No file has this time of change, so that it is always looked at
/// again before it is served.
pub(super) const fn unread_facts(stored_octets: u64) -> Facts {
    Facts {
        is_from_name: false,
        stored_octets,
        modified_ns: i64::MIN,
        octets: stored_octets,
        header_octets: 0,
        is_crlf: false,
        has_dot_lines: true,
        surrogate_octets: None,
    }
}

/// Whether opening failed because there is no regular file at the path: a symbolic link, a socket or the like.
pub(super) fn is_not_regular(error: &io::Error) -> bool {
    let odd = [Errno::LOOP, Errno::NXIO, Errno::NODEV, Errno::ISDIR];
    odd.iter().any(|odd| error.raw_os_error() == Some(odd.raw_os_error()))
}

/// Whether there is nothing at the path any more.
pub(super) fn is_vanished(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::StaleNetworkFileHandle)
}

/// Messages are surveyed in pieces of this size; it leaves room in the processor's caches.
const SURVEY_BYTES: usize = 256 * 1024;
