//! Where the messages of an mbox begin, and what must be known of each, found in one pass over the file.
//!
//! A message begins with a From_ line (`layout.rs` says which lines are) at the start of the file or behind a blank
//! line. Content-Length is not asked: what a sender wrote must not decide where another message begins, and what stands in the
//! file later must not change what a message is.

use std::io;

use memchr::{memchr, memmem};

use super::Form;
use super::contents::{Filter, Trim};
use super::layout::{FROM, FROM_LINE_OCTETS_MAX, is_from_line};
use crate::disk::DiskFile;
use crate::maildrop::Shape;
use crate::surrogate::Measure;
use crate::survey::Survey;

/// A message of an mbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Octets from its From_ line to the next.
    pub(super) octets: u64,
    /// Octets of the From_ line, with its line end.
    pub(super) head: u16,
    pub(super) digest: Digest,
    /// It is UW's own first message, which is for no client.
    pub(super) is_internal: bool,
    pub(super) shape: Shape,
}

/// The first 160 bits of the SHA-256 of the From_ line and the message, without the notes of other programs.
pub(super) type Digest = [u8; 20];

/// What a scan found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Octets of blank lines in front of the first message.
    pub(super) preamble: u64,
    pub(super) messages: Vec<Found>,
}

/// Reads the file from `from`, where a message begins or the file, up to `end`.
///
/// # Errors
/// As the disk says; `InvalidData` when no message begins there.
pub(super) fn scan(file: &dyn DiskFile, form: Form, from: u64, end: u64) -> io::Result<Scan> {
    let mut window = Window { file, at: from, end, buffer: Vec::new(), start: 0 };
    let mut scan = Scan::default();
    if from == 0 {
        scan.preamble = window.skip_blank_lines()?;
    }
    if window.is_at_end()? {
        return Ok(scan);
    }
    // Any date will do at the start of the file: an mbox it is by its first word.
    let Some(line) = window.line()?.filter(|line| line.starts_with(FROM)) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it does not begin with a From_ line, so it is no mbox",
        ));
    };
    let mut message = Message::new(form, window.offset(), &line);
    window.skip(message.head);
    let mut is_line_start = true;
    loop {
        window.fill()?;
        if window.rest().is_empty() {
            break;
        }
        if is_line_start
            && message.trim.is_behind_blank_line()
            && let Some(line) = window.line()?.filter(|line| is_from_line(without_line_end(line)))
        {
            let next = Message::new(form, window.offset(), &line);
            window.skip(next.head);
            let ended = std::mem::replace(&mut message, next);
            scan.messages.push(ended.finish(file, message.start)?);
            continue;
        }
        let rest = window.rest();
        let piece = match memmem::find(rest, b"\nFrom ") {
            Some(at) => rest.get(..=at).unwrap_or(rest),
            // The next piece may show the rest of it.
            None if !window.has_all() => rest.get(..rest.len().saturating_sub(FROM.len())).unwrap_or(rest),
            None => rest,
        };
        is_line_start = piece.ends_with(b"\n");
        message.push(piece);
        let length = piece.len();
        window.skip(length);
    }
    scan.messages.push(message.finish(file, end)?);
    Ok(scan)
}

/// Reads one message, whose extent is known, once more.
///
/// # Errors
/// As the disk says; `InvalidData` when no such message begins there.
pub(super) fn scan_one(file: &dyn DiskFile, form: Form, from: u64, octets: u64) -> io::Result<Option<Found>> {
    let messages = match scan(file, form, from, from.saturating_add(octets)) {
        Ok(scan) => scan.messages,
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    Ok(match messages.as_slice() {
        [message] => Some(*message),
        _ => None,
    })
}

/// Whether a message may begin at `at`: a From_ line stands there, behind a blank line.
///
/// # Errors
/// As the disk says.
pub(super) fn begins_at(file: &dyn DiskFile, at: u64, end: u64) -> io::Result<bool> {
    let before = at.min(3);
    let length = (end.saturating_sub(at) + before).min(before + FROM_LINE_OCTETS_MAX as u64);
    let mut octets = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exactly(&mut octets, at - before)?;
    let Some((before, rest)) = octets.split_at_checked(usize::try_from(before).unwrap_or(0)) else {
        return Ok(false);
    };
    let line = rest.get(..memchr(b'\n', rest).unwrap_or(rest.len())).unwrap_or_default();
    let is_behind_blank_line =
        before.ends_with(b"\n\n") || before == b"\n\r\n" || before == b"\n" || before == b"\r\n";
    Ok(is_behind_blank_line && is_from_line(without_line_end(line)))
}

/// What is read of the file and not used up.
struct Window<'a> {
    file: &'a dyn DiskFile,
    /// Where the next octets are read.
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    /// What of the buffer is used up.
    start: usize,
}

impl Window<'_> {
    /// Reads on until a whole From_ line is there, or the end.
    fn fill(&mut self) -> io::Result<()> {
        if self.has_all() || self.rest().len() > FROM_LINE_OCTETS_MAX {
            return Ok(());
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let filled = self.buffer.len();
        let wanted = usize::try_from(self.end - self.at).unwrap_or(WINDOW_BYTES).min(WINDOW_BYTES);
        self.buffer.resize(filled + wanted, 0);
        self.file.read_exactly(self.buffer.get_mut(filled..).unwrap_or_default(), self.at)?;
        self.at += wanted as u64;
        Ok(())
    }

    const fn has_all(&self) -> bool {
        self.at >= self.end
    }

    fn is_at_end(&mut self) -> io::Result<bool> {
        self.fill()?;
        Ok(self.rest().is_empty())
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Where in the file the rest begins.
    fn offset(&self) -> u64 {
        self.at - self.rest().len() as u64
    }

    fn skip(&mut self, octets: usize) {
        self.start += octets;
    }

    /// The line that begins here, when it is not too long for a From_ line.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.fill()?;
        let rest = self.rest();
        if !rest.starts_with(FROM) {
            return Ok(None);
        }
        let most = rest.get(..FROM_LINE_OCTETS_MAX).unwrap_or(rest);
        Ok(match memchr(b'\n', most) {
            Some(at) => most.get(..=at).map(<[u8]>::to_vec),
            None if most.len() == rest.len() && self.has_all() => Some(most.to_vec()),
            None => None,
        })
    }

    fn skip_blank_lines(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            self.fill()?;
            let blank = match self.rest() {
                [b'\n', ..] => 1,
                [b'\r', b'\n', ..] => 2,
                _ => return Ok(skipped),
            };
            self.skip(blank);
            skipped += blank as u64;
        }
    }
}

/// A message whose end is not seen yet.
struct Message {
    form: Form,
    start: u64,
    head: usize,
    trim: Trim,
    filter: Filter,
    survey: Survey,
    output: Vec<u8>,
    /// The start of it, as it is stored.
    beginning: Vec<u8>,
}

impl Message {
    fn new(form: Form, start: u64, line: &[u8]) -> Self {
        Self {
            form,
            start,
            head: line.len(),
            trim: Trim::new(),
            filter: Filter::with_digest(form, without_line_end(line)),
            survey: Survey::new(),
            output: Vec::new(),
            beginning: Vec::new(),
        }
    }

    fn push(&mut self, piece: &[u8]) {
        // Only the first message of the file can be UW's.
        if self.beginning.len() < INTERNAL_OCTETS_MAX && self.start == 0 {
            let room = INTERNAL_OCTETS_MAX - self.beginning.len();
            self.beginning.extend_from_slice(piece.get(..room).unwrap_or(piece));
        }
        let Self { trim, filter, survey, output, .. } = self;
        trim.push(piece, |part| {
            filter.push(part, output);
            survey.update(output);
            output.clear();
        });
    }

    fn finish(mut self, file: &dyn DiskFile, end: u64) -> io::Result<Found> {
        let Self { trim, filter, survey, output, .. } = &mut self;
        std::mem::replace(trim, Trim::new()).finish(|part| filter.push(part, output));
        let whole = filter.finish(output).unwrap_or_default();
        survey.update(output);
        let findings = survey.finish();
        let octets = end - self.start;
        let surrogate_octets = match findings.is_ascii {
            true => None,
            false => self.measure(file, octets)?.finish(findings.octets),
        };
        let mut digest = Digest::default();
        digest.copy_from_slice(whole.get(..20).unwrap_or(&[0; 20]));
        let shape = Shape {
            octets: findings.octets,
            header_octets: findings.header_octets,
            stored_octets: findings.stored_octets,
            is_crlf: findings.is_crlf,
            has_dot_lines: findings.has_dot_lines,
            surrogate_octets,
        };
        let head = u16::try_from(self.head).unwrap_or(u16::MAX);
        Ok(Found { octets, head, digest, is_internal: is_internal(&self.beginning), shape })
    }

    /// Reads the message once more, as far as there are headers in it.
    fn measure(&self, file: &dyn DiskFile, octets: u64) -> io::Result<Measure> {
        let (mut measure, mut goes_on) = (Measure::new(), true);
        let (mut trim, mut filter, mut output) = (Trim::new(), Filter::new(self.form), Vec::new());
        let mut buffer = vec![0; usize::try_from(octets).unwrap_or(WINDOW_BYTES).min(WINDOW_BYTES)];
        let (mut at, end) = (self.start + self.head as u64, self.start + octets);
        while at < end && goes_on {
            let wanted = usize::try_from(end - at).unwrap_or(WINDOW_BYTES).min(buffer.len());
            let piece = buffer.get_mut(..wanted).unwrap_or_default();
            file.read_exactly(piece, at)?;
            trim.push(piece, |part| filter.push(part, &mut output));
            goes_on = measure.update(&output);
            output.clear();
            at += wanted as u64;
        }
        if goes_on {
            trim.finish(|part| filter.push(part, &mut output));
            filter.finish(&mut output);
            measure.update(&output);
        }
        Ok(measure)
    }
}

/// Whether a message that begins so is the one in which UW's programs keep what concerns the whole mbox.
fn is_internal(beginning: &[u8]) -> bool {
    let header = beginning.split(|&octet| octet == b'\n').map(<[u8]>::trim_ascii_end);
    let (mut is_named, mut has_field) = (false, false);
    for line in header.take_while(|line| !line.is_empty()) {
        is_named |= line == INTERNAL_SUBJECT;
        has_field |= line.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"X-IMAP:"));
    }
    is_named && has_field
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

const INTERNAL_SUBJECT: &[u8] = b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA";

/// UW's message has a header of some 300 octets.
const INTERNAL_OCTETS_MAX: usize = 2048;

const WINDOW_BYTES: usize = 256 * 1024;
