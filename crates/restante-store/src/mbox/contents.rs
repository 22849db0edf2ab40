//! What of an mbox is a message: the lines between two From_ lines, without the blank line that ends them, without the
//! fields in which other programs keep their notes, and with the quoting undone. And the way back, for a delivery.
//!
//! Everything here takes pieces of any size and keeps little between them. `scan.rs` surveys with it, `reader.rs`
//! reads through it and `writer.rs` writes through it, so the three agree.

use memchr::memchr;
use memchr::memmem;
use sha2::{Digest as _, Sha256};

use super::Form;

/// Holds back the blank line at the end, which belongs to the mbox and not to the message.
#[derive(Clone, Debug)]
pub(super) struct Trim {
    held: Held,
    is_line_start: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Nothing,
    /// A CR at the start of a line; it is not known yet whether that line is blank.
    Cr,
    Lf,
    CrLf,
}

impl Held {
    const fn octets(self) -> &'static [u8] {
        match self {
            Self::Nothing => b"",
            Self::Cr => b"\r",
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
        }
    }
}

impl Trim {
    pub(super) const fn new() -> Self {
        Self { held: Held::Nothing, is_line_start: true }
    }

    /// Gives what is surely part of the message to `sink`.
    pub(super) fn push(&mut self, piece: &[u8], mut sink: impl FnMut(&[u8])) {
        let mut rest = piece;
        if let (Held::Cr, Some((b'\n', behind))) = (self.held, rest.split_first()) {
            self.held = Held::CrLf;
            rest = behind;
        }
        if rest.is_empty() {
            return;
        }
        let held = std::mem::replace(&mut self.held, Held::Nothing);
        if held != Held::Nothing {
            sink(held.octets());
            self.is_line_start = held != Held::Cr;
        }
        let is_start = |before: &[u8]| before.last().map_or(self.is_line_start, |&octet| octet == b'\n');
        let (body, held) = match rest {
            [body @ .., b'\r', b'\n'] if is_start(body) => (body, Held::CrLf),
            [body @ .., b'\n'] if is_start(body) => (body, Held::Lf),
            [body @ .., b'\r'] if is_start(body) => (body, Held::Cr),
            _ => (rest, Held::Nothing),
        };
        self.held = held;
        if !body.is_empty() {
            sink(body);
            self.is_line_start = body.last() == Some(&b'\n');
        }
    }

    /// Whether the last line was blank: only then a From_ line may follow.
    pub(super) const fn is_behind_blank_line(&self) -> bool {
        matches!(self.held, Held::Lf | Held::CrLf)
    }

    /// Gives what was held back to `sink`, unless it is the blank line. Says how many octets that had.
    pub(super) fn finish(self, mut sink: impl FnMut(&[u8])) -> usize {
        match self.held {
            Held::Cr => {
                sink(b"\r");
                0
            }
            held => held.octets().len(),
        }
    }
}

/// Takes the notes of other programs out of the header, and undoes the quoting.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    form: Form,
    place: Place,
    /// The start of a line of the header that is not decided upon yet.
    name: Vec<u8>,
    /// The last field was a note, so its further lines are.
    is_hiding: bool,
    unquote: Unquote,
    /// Of everything but the notes, as it is stored: the same in every form.
    digest: Option<Sha256>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the header, where a line begins.
    HeaderLineStart,
    /// In the header, inside a line.
    HeaderLine,
    Body,
}

impl Filter {
    pub(super) fn new(form: Form) -> Self {
        let (place, name, unquote) = (Place::HeaderLineStart, Vec::new(), Unquote::new());
        Self { form, place, name, is_hiding: false, unquote, digest: None }
    }

    /// One that makes a digest as well: of the From_ line, without its line end, and of the message.
    pub(super) fn with_digest(form: Form, from_line: &[u8]) -> Self {
        let mut digest = Sha256::new();
        digest.update(from_line);
        digest.update(b"\n");
        Self { digest: Some(digest), ..Self::new(form) }
    }

    /// Appends what `piece` becomes to `output`.
    pub(super) fn push(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        let mut rest = piece;
        while !rest.is_empty() {
            if self.place == Place::Body {
                return self.keep(rest, output);
            }
            let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (line, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            rest = behind;
            if self.place == Place::HeaderLine {
                self.pass(line, output);
            } else {
                self.name.extend_from_slice(line);
                if line.ends_with(b"\n") || self.name.len() >= NAME_OCTETS_MAX {
                    self.decide(output);
                }
            }
        }
    }

    /// Appends what was held back. Gives the digest, if one was wanted.
    pub(super) fn finish(&mut self, output: &mut Vec<u8>) -> Option<[u8; 32]> {
        if !self.name.is_empty() {
            self.decide(output);
        }
        if self.form == Form::Mboxrd {
            self.unquote.finish(output);
        }
        self.digest.take().map(|digest| digest.finalize().into())
    }

    /// Enough of a line of the header is there to know what it is.
    fn decide(&mut self, output: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.name);
        let goes_on = matches!(line.first(), Some(b' ' | b'\t'));
        if matches!(line.as_slice(), b"\n" | b"\r\n") {
            self.place = Place::Body;
            return self.keep(&line, output);
        }
        if !goes_on {
            self.is_hiding = is_note(&line);
        }
        self.pass(&line, output);
    }

    /// A piece of a line of the header.
    fn pass(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        self.place = if piece.ends_with(b"\n") { Place::HeaderLineStart } else { Place::HeaderLine };
        if !self.is_hiding {
            self.keep(piece, output);
        }
    }

    fn keep(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        if let Some(digest) = &mut self.digest {
            digest.update(piece);
        }
        match self.form {
            Form::Mboxrd => self.unquote.push(piece, output),
            Form::Mboxo => output.extend_from_slice(piece),
        }
    }
}

/// Whether a line of a header begins a field in which a mail program keeps notes about the message. They come and go
/// without the message being another.
pub(super) fn is_note(line: &[u8]) -> bool {
    name_of_field(line)
        .is_some_and(|name| NOTES.iter().any(|note| name.eq_ignore_ascii_case(note.as_bytes())))
}

/// The name of the field that a line begins, when it is as short as those of notes.
pub(super) fn name_of_field(line: &[u8]) -> Option<&[u8]> {
    // Not more, or it would depend on the pieces.
    let line = line.get(..NAME_OCTETS_MAX).unwrap_or(line);
    let (name, _) = memchr(b':', line).and_then(|colon| line.split_at_checked(colon))?;
    Some(name.trim_ascii_end())
}

/// Takes one `>` off each line that is `From ` behind one or more of them. The `>` that is held back is let go of behind the others:
/// they are all alike.
#[derive(Clone, Debug)]
struct Unquote {
    state: Line,
}

/// Where in a line a piece ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Start,
    /// Behind so many octets of `From `, in front of which stands at least one `>`. One of these is held back, and so
    /// are the octets.
    Quoted(usize),
    Inside,
}

impl Unquote {
    const fn new() -> Self {
        Self { state: Line::Start }
    }

    fn push(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some((&octet, behind)) = rest.split_first() {
            match self.state {
                Line::Start if octet == b'>' => {
                    self.state = Line::Quoted(0);
                    rest = behind;
                }
                Line::Quoted(0) if octet == b'>' => {
                    output.push(b'>');
                    rest = behind;
                }
                Line::Quoted(matched) if FROM.get(matched) == Some(&octet) => {
                    self.state = Line::Quoted(matched + 1);
                    rest = behind;
                    if matched + 1 == FROM.len() {
                        output.extend_from_slice(FROM);
                        self.state = Line::Inside;
                    }
                }
                Line::Quoted(_) => self.finish(output),
                Line::Start | Line::Inside => {
                    // To the next line that may be quoted.
                    let end = memmem::find(rest, b"\n>").map_or(rest.len(), |at| at + 1);
                    let (plain, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                    output.extend_from_slice(plain);
                    self.state = if plain.ends_with(b"\n") { Line::Start } else { Line::Inside };
                    rest = behind;
                }
            }
        }
    }

    /// The line is not quoted after all.
    fn finish(&mut self, output: &mut Vec<u8>) {
        if let Line::Quoted(matched) = self.state {
            output.push(b'>');
            output.extend_from_slice(FROM.get(..matched).unwrap_or_default());
            self.state = Line::Inside;
        }
    }
}

/// The way of a delivery: takes notes out of the header, and quotes each line that might begin a message.
#[derive(Clone, Debug)]
pub(super) struct Quote {
    form: Form,
    notes: Filter,
    state: Line,
    passed: Vec<u8>,
}

impl Quote {
    pub(super) fn new(form: Form) -> Self {
        // As mboxo the filter undoes nothing.
        Self { form, notes: Filter::new(Form::Mboxo), state: Line::Start, passed: Vec::new() }
    }

    /// Appends what `piece` of the stored form becomes to `output`.
    pub(super) fn push(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        let mut passed = std::mem::take(&mut self.passed);
        self.notes.push(piece, &mut passed);
        self.quote(&passed, output);
        passed.clear();
        self.passed = passed;
    }

    /// Appends what was held back.
    pub(super) fn finish(&mut self, output: &mut Vec<u8>) {
        let mut passed = std::mem::take(&mut self.passed);
        self.notes.finish(&mut passed);
        self.quote(&passed, output);
        if let Line::Quoted(matched) = self.state {
            output.extend_from_slice(FROM.get(..matched).unwrap_or_default());
            self.state = Line::Inside;
        }
    }

    fn quote(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some((&octet, behind)) = rest.split_first() {
            match self.state {
                // In `Quoted` here, what is held back are the octets of `From ` alone.
                Line::Start | Line::Quoted(0) if octet == b'>' && self.form == Form::Mboxrd => {
                    output.push(b'>');
                    self.state = Line::Quoted(0);
                    rest = behind;
                }
                Line::Start => self.state = if octet == b'F' { Line::Quoted(0) } else { Line::Inside },
                Line::Quoted(matched) if FROM.get(matched) == Some(&octet) => {
                    self.state = Line::Quoted(matched + 1);
                    rest = behind;
                    if matched + 1 == FROM.len() {
                        output.push(b'>');
                        output.extend_from_slice(FROM);
                        self.state = Line::Inside;
                    }
                }
                Line::Quoted(matched) => {
                    output.extend_from_slice(FROM.get(..matched).unwrap_or_default());
                    self.state = Line::Inside;
                }
                Line::Inside => {
                    let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
                    let (line, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                    output.extend_from_slice(line);
                    if line.ends_with(b"\n") {
                        self.state = Line::Start;
                    }
                    rest = behind;
                }
            }
        }
    }
}

const FROM: &[u8] = super::layout::FROM;

/// Fields of UW, Dovecot, mutt, Qpopper and the like. Content-Length and Lines count a body that quoting changes.
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

/// So many octets of a line tell whether it begins a note: the longest name, blanks, and the colon.
const NAME_OCTETS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything as one message of an mbox: what a session would read.
    fn read(form: Form, raw: &[u8], size: usize) -> (Vec<u8>, [u8; 32]) {
        let (mut trim, mut filter, mut output) =
            (Trim::new(), Filter::with_digest(form, b"From x"), Vec::new());
        raw.chunks(size).for_each(|piece| trim.push(piece, |part| filter.push(part, &mut output)));
        trim.finish(|part| filter.push(part, &mut output));
        let digest = filter.finish(&mut output).unwrap();
        (output, digest)
    }

    fn write(form: Form, stored: &[u8], size: usize) -> Vec<u8> {
        let (mut quote, mut output) = (Quote::new(form), Vec::new());
        stored.chunks(size).for_each(|piece| quote.push(piece, &mut output));
        quote.finish(&mut output);
        output.push(b'\n');
        output
    }

    /// Lines that come near everything that means something.
    fn messages() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            3 => Just(b"\n".to_vec()),
            2 => Just(b"From ".to_vec()),
            2 => Just(b">".to_vec()),
            1 => Just(b"Fro".to_vec()),
            1 => Just(b"\r\n".to_vec()),
            1 => Just(b"\r".to_vec()),
            1 => Just(b"a: b\n c\n".to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..4),
        ];
        prop::collection::vec(part, 0..30).prop_map(|parts| {
            let mut message = parts.concat();
            if message.last().is_some_and(|&octet| octet != b'\n') {
                message.push(b'\n');
            }
            message
        })
    }

    proptest! {
        #[test]
        fn as_mboxrd_every_message_comes_out_as_it_came_in(message in messages(), size in 1_usize..9) {
            let raw = write(Form::Mboxrd, &message, size);
            prop_assert!(!raw.split_inclusive(|&octet| octet == b'\n').any(|line| line.starts_with(b"From ")));
            let expected = read(Form::Mboxrd, &raw, usize::MAX).0;
            prop_assert_eq!(expected.escape_ascii().to_string(), message.escape_ascii().to_string());
            prop_assert_eq!(read(Form::Mboxrd, &raw, size).0, message);
        }

        #[test]
        fn as_mboxo_only_lines_that_begin_with_from_change(message in messages(), size in 1_usize..9) {
            let lines = message.split_inclusive(|&octet| octet == b'\n');
            let quoted = lines.flat_map(|line| [if line.starts_with(b"From ") { &b">"[..] } else { b"" }, line]);
            let expected = quoted.collect::<Vec<_>>().concat();
            prop_assert_eq!(read(Form::Mboxo, &write(Form::Mboxo, &message, size), size).0, expected);
        }

        #[test]
        fn pieces_and_forms_do_not_matter_for_the_digest(raw in messages(), size in 1_usize..9) {
            let (output, digest) = read(Form::Mboxrd, &raw, usize::MAX);
            prop_assert_eq!(read(Form::Mboxrd, &raw, size), (output, digest));
            prop_assert_eq!(read(Form::Mboxo, &raw, size).1, digest);
        }
    }

    #[test]
    fn notes_are_hidden_and_change_no_digest() {
        let plain = read(Form::Mboxrd, b"Subject: a\nTo: b\n\nStatus: in the body\n\n", 7);
        let noted = b"Status: RO\nSubject: a\nX-KEYWORDS: x\n y\n\tz\nTo: b\nX-UID : 7\nContent-Length: 5\n\nStatus: in the body\n\n";
        assert_eq!(read(Form::Mboxrd, noted, 5), plain);
        assert_eq!(plain.0, b"Subject: a\nTo: b\n\nStatus: in the body\n");
        // Names that only begin or end like one stay.
        let others = b"Statuses: a\nMy-Status: b\nStatus\n: c\n\n";
        assert_eq!(read(Form::Mboxrd, others, 3).0, &others[..others.len() - 1]);
        assert_ne!(read(Form::Mboxrd, b"Subject: c\n\n", 9).1, read(Form::Mboxrd, b"Subject: d\n\n", 9).1);
    }

    #[test]
    fn one_blank_line_belongs_to_the_mbox() {
        let read = |raw: &[u8]| read(Form::Mboxrd, raw, 2).0;
        assert_eq!(read(b"\n"), b"");
        assert_eq!(read(b"\n\n"), b"\n");
        assert_eq!(read(b"a: b\n\nc\n\n"), b"a: b\n\nc\n");
        assert_eq!(read(b"a: b\r\n\r\nc\r\n\r\n"), b"a: b\r\n\r\nc\r\n");
        assert_eq!(read(b"a: b\n\nc\n"), b"a: b\n\nc\n");
        assert_eq!(read(b"a: b\n\nc"), b"a: b\n\nc");
        assert_eq!(read(b"a: b\n\nc\n\r"), b"a: b\n\nc\n\r");
    }
}
