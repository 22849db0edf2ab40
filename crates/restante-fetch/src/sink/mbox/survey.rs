//! Which messages an mbox holds: where each begins, and a digest of it that other programs' notes do not change.

use std::ops::Range;

use restante_store::disk::DiskFile;
use sha2::{Digest as _, Sha256};

use super::form::{FROM, FROM_LINE_OCTETS_MAX, is_from_line};

/// SHA-256 of a From_ line and the message behind it as stored, without the fields in [`NOTES`] and without blank lines at its end.
pub(super) type MessageDigest = [u8; 32];

/// A message in an mbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where its From_ line begins.
    pub(super) start: u64,
    /// From there to the next From_ line, or to the end.
    pub(super) octets: u64,
    pub(super) digest: MessageDigest,
}

/// Reads an mbox as it passes, cut anywhere.
#[derive(Debug)]
pub(super) struct Survey {
    found: Vec<Found>,
    /// Of the message that is going on: where it begins.
    start: Option<u64>,
    digest: Sha256,
    is_header: bool,
    /// The last field is a note; so are the lines that continue it.
    is_in_note: bool,
    /// Blank lines that have not been counted in, because they may be the last ones.
    blank: u64,
    /// Where the line begins that is being read.
    line_start: u64,
    /// Where the next octet lies.
    at: u64,
    line: Line,
}

#[derive(Debug)]
enum Line {
    /// Not yet long enough to be judged.
    Held(Vec<u8>),
    /// Too long for a From_ line: passed on, or dropped when it belongs to a note.
    Long,
}

impl Survey {
    /// `at` is where the first octet lies, at the start of a line that may begin a message.
    pub(super) fn new(at: u64) -> Self {
        Self {
            found: Vec::new(),
            start: None,
            digest: Sha256::new(),
            is_header: false,
            is_in_note: false,
            blank: 1,
            line_start: at,
            at,
            line: Line::Held(Vec::new()),
        }
    }

    pub(super) fn push(&mut self, octets: &[u8]) {
        for piece in octets.split_inclusive(|&octet| octet == b'\n') {
            let is_end = piece.ends_with(b"\n");
            match &mut self.line {
                Line::Long => self.pass(piece),
                Line::Held(held) => {
                    held.extend_from_slice(piece);
                    if is_end || held.len() > FROM_LINE_OCTETS_MAX + FROM.len() {
                        let held = std::mem::take(held);
                        self.judge(&held);
                        self.line = Line::Long;
                    }
                }
            }
            self.at += piece.len() as u64;
            if is_end {
                self.line = Line::Held(Vec::new());
                self.line_start = self.at;
            }
        }
    }

    pub(super) fn finish(mut self) -> Vec<Found> {
        if let Line::Held(held) = &mut self.line {
            let held = std::mem::take(held);
            if !held.is_empty() {
                self.judge(&held);
            }
        }
        self.end(self.at);
        self.found
    }

    /// A whole line, or the beginning of a long one.
    fn judge(&mut self, line: &[u8]) {
        let text = line.trim_ascii_end();
        if self.blank > 0 && is_from_line(text) {
            self.end(self.line_start);
            self.start = Some(self.line_start);
            self.digest = Sha256::new();
            (self.is_header, self.is_in_note, self.blank) = (true, false, 0);
            self.digest.update(text);
            return self.digest.update(b"\n");
        }
        if line == b"\n" || line == b"\r\n" {
            self.blank += 1;
            (self.is_header, self.is_in_note) = (false, false);
            return;
        }
        if self.is_header && !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = line.split(|&octet| octet == b':').next().unwrap_or_default().trim_ascii_end();
            self.is_in_note = NOTES.iter().any(|note| name.eq_ignore_ascii_case(note.as_bytes()));
        }
        for _ in 0..std::mem::take(&mut self.blank) {
            self.digest.update(b"\n");
        }
        self.pass(line);
    }

    fn pass(&mut self, octets: &[u8]) {
        if !self.is_in_note {
            self.digest.update(octets);
        }
    }

    fn end(&mut self, at: u64) {
        if let Some(start) = self.start.take() {
            let digest = std::mem::take(&mut self.digest).finalize().into();
            self.found.push(Found { start, octets: at - start, digest });
        }
    }
}

/// The messages in a part of an mbox that begins at the start of a line.
///
/// # Errors
/// When it cannot be read.
pub(super) fn survey(file: &dyn DiskFile, part: Range<u64>) -> std::io::Result<Vec<Found>> {
    let mut survey = Survey::new(part.start);
    let mut chunk = vec![0; CHUNK_OCTETS];
    let mut at = part.start;
    while at < part.end {
        let length = usize::try_from(part.end - at).unwrap_or(usize::MAX).min(chunk.len());
        let read = file.read_at(chunk.get_mut(..length).unwrap_or_default(), at)?;
        if read == 0 {
            break;
        }
        survey.push(chunk.get(..read).unwrap_or_default());
        at += read as u64;
    }
    Ok(survey.finish())
}

/// The fields that mail programs write into an mbox when a message is read.
const NOTES: [&str; 10] = [
    "Status",
    "X-Status",
    "X-Keywords",
    "X-UID",
    "X-UIDL",
    "X-IMAP",
    "X-IMAPbase",
    "Content-Length",
    "Lines",
    "X-Mozilla-Status",
];

const CHUNK_OCTETS: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn surveyed(pieces: &[&[u8]]) -> Vec<Found> {
        let mut survey = Survey::new(0);
        pieces.iter().for_each(|piece| survey.push(piece));
        survey.finish()
    }

    const TWO: &[u8] =
        b"From a@x Thu Feb 13 10:11:12 2025\nA: b\n c\n\nbody\n\n>From x Thu Feb 13 10:11:12 2025\n\n\
                         From b@x Thu Feb 13 10:11:12 2025\nA: b\n\nFrom b@x Thu Feb 13 10:11:12 2025\n\n";

    #[test]
    fn messages_are_found_wherever_the_file_is_cut() {
        let whole = surveyed(&[TWO]);
        // The third has no header, and its From_ line stands behind a blank line, as any text in front of which nobody put a `>`.
        let places: Vec<_> = whole.iter().map(|found| (found.start, found.octets)).collect();
        assert_eq!(places, [(0, 83), (83, 40), (123, 35)]);
        for at in 0..=TWO.len() {
            assert_eq!(surveyed(&[&TWO[..at], &TWO[at..]]), whole, "{at}");
        }
    }

    #[test]
    fn notes_and_blank_lines_at_the_end_do_not_change_a_digest_and_all_else_does() {
        let plain = "From a@x Thu Feb 13 10:11:12 2025\nA: b\n\nStatus: body\n\nend\n\n";
        let digest = |text: &str| surveyed(&[text.as_bytes()])[0].digest;
        let noted = plain
            .replace("A: b\n", "Status: RO\nA: b\nX-UID: 1\n 2\nx-keywords:   \n")
            .replace("end\n\n", "end\n\n\n");
        assert_eq!(digest(plain), digest(&noted));
        for other in [
            plain.replace("A: b", "A: c"),
            plain.replace("Status: body\n", ""),
            plain.replace("a@x", "b@x"),
            plain.replace("\n\nend", "\nend"),
            plain.replace("end", "en"),
        ] {
            assert_ne!(digest(plain), digest(&other), "{other}");
        }
    }

    #[test]
    fn long_lines_are_counted_in() {
        let with = |octet: &str| {
            let text = format!("From a@x Thu Feb 13 10:11:12 2025\nA: b\n\n{}\n\n", octet.repeat(100_000));
            surveyed(&text.as_bytes().chunks(1_000).collect::<Vec<_>>())[0].digest
        };
        assert_ne!(with("y"), with("z"));
    }
}
