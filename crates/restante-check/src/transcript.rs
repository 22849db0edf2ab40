//! The transcript of what was said while a judge was at work: the evidence under every failure.
//!
//! Secrets are redacted by whoever sends them, before they come here. Octets that no terminal should see are escaped, long
//! lines and long bodies are shortened in the middle, and the whole is bounded.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::rc::Rc;

/// One line of a transcript.
#[derive(Clone, Debug)]
struct Entry {
    connection: u32,
    who: char,
    text: String,
}

/// A transcript that all connections of a run write to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript(Rc<RefCell<Vec<Entry>>>);

/// A part of a transcript that was set aside.
#[derive(Debug)]
pub(crate) struct Aside(Vec<Entry>);

impl Transcript {
    /// A line of ours, without its line end.
    pub(crate) fn client(&self, connection: u32, line: &[u8]) {
        self.push(connection, 'C', visible(line));
    }

    /// A line of the server, without its CRLF; with its line end when that is another one.
    pub(crate) fn server(&self, connection: u32, line: &[u8]) {
        self.push(connection, 'S', visible(line));
    }

    /// Something that happened.
    pub(crate) fn note(&self, connection: u32, text: &str) {
        self.push(connection, '-', format!("({text})"));
    }

    /// Sets aside what was said so far, for something that is to have a transcript of its own.
    pub(crate) fn aside(&self) -> Aside {
        Aside(std::mem::take(&mut *self.0.borrow_mut()))
    }

    /// Goes on with what was set aside.
    pub(crate) fn go_on(&self, aside: Aside) {
        *self.0.borrow_mut() = aside.0;
    }

    /// Ends and takes what was said so far.
    pub(crate) fn take(&self) -> Vec<String> {
        let entries = std::mem::take(&mut *self.0.borrow_mut());
        render(&entries)
    }

    /// The last `count` lines, as evidence of what was just seen.
    pub(crate) fn tail(&self, count: usize) -> Vec<String> {
        let entries = self.0.borrow();
        render(entries.get(entries.len().saturating_sub(count)..).unwrap_or_default())
    }

    fn push(&self, connection: u32, who: char, text: String) {
        let mut entries = self.0.borrow_mut();
        match entries.len() {
            len if len < ENTRIES_MAX => entries.push(Entry { connection, who, text }),
            ENTRIES_MAX => entries.push(Entry { connection, who: '-', text: "(and so on)".into() }),
            _ => {}
        }
    }
}

/// The lines of a multi-line response on their way into a transcript: the first and the last are shown, the rest is counted.
#[derive(Debug, Default)]
pub(crate) struct BodyLines {
    shown: usize,
    skipped: u64,
    last: VecDeque<Vec<u8>>,
}

impl BodyLines {
    pub(crate) fn line(&mut self, transcript: &Transcript, connection: u32, line: &[u8]) {
        if self.shown < BODY_LINES_FIRST {
            self.shown += 1;
            transcript.server(connection, line);
            return;
        }
        self.last.push_back(line.get(..LINE_OCTETS_MAX * 2).unwrap_or(line).to_vec());
        if self.last.len() > BODY_LINES_LAST {
            self.last.pop_front();
            self.skipped += 1;
        }
    }

    pub(crate) fn end(self, transcript: &Transcript, connection: u32) {
        if self.skipped > 0 {
            transcript.note(connection, &format!("{} more lines", self.skipped));
        }
        for line in &self.last {
            transcript.server(connection, line);
        }
    }
}

/// Octets as text that can be shown anywhere: printable ASCII as it is, the rest escaped, too much of it left out in the middle.
pub(crate) fn visible(octets: &[u8]) -> String {
    if octets.len() <= LINE_OCTETS_MAX {
        return escaped(octets);
    }
    let half = LINE_OCTETS_MAX / 2;
    let first = octets.get(..half).unwrap_or_default();
    let last = octets.get(octets.len() - half..).unwrap_or_default();
    format!("{} … {} octets … {}", escaped(first), octets.len() - 2 * half, escaped(last))
}

fn escaped(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for &octet in octets {
        match octet {
            b'\\' => text.push_str("\\\\"),
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            0x20..=0x7E => text.push(char::from(octet)),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\x{octet:02x}");
            }
        }
    }
    text
}

/// Connections are numbered where there is more than one.
fn render(entries: &[Entry]) -> Vec<String> {
    let first = entries.first().map(|entry| entry.connection);
    let are_several = entries.iter().any(|entry| Some(entry.connection) != first);
    let line = |entry: &Entry| match (are_several, entry.who) {
        (true, who) => format!("{}{who}: {}", entry.connection, entry.text),
        (false, who) => format!("{who}: {}", entry.text),
    };
    entries.iter().map(line).collect()
}

/// Lines in a transcript: enough for every judge here, a bound for a server that never stops.
const ENTRIES_MAX: usize = 600;
/// Octets of a line that are shown.
const LINE_OCTETS_MAX: usize = 160;
/// Lines shown at the beginning of a body.
const BODY_LINES_FIRST: usize = 14;
/// Lines shown at its end.
const BODY_LINES_LAST: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_that_no_terminal_should_see_are_escaped() {
        assert_eq!(visible(b"a\x1b[2J\0\xE9\\\r"), "a\\x1b[2J\\x00\\xe9\\\\\\r");
        let long = visible(&[b'x'; 1000]);
        assert!(long.contains("… 840 octets …") && long.len() < 220, "{long}");
    }

    #[test]
    fn a_long_body_shows_its_beginning_and_its_end() {
        let transcript = Transcript::default();
        let mut lines = BodyLines::default();
        for number in 0..1000 {
            lines.line(&transcript, 1, format!("{number}").as_bytes());
        }
        lines.end(&transcript, 1);
        let text = transcript.take();
        assert_eq!(text.len(), BODY_LINES_FIRST + 1 + BODY_LINES_LAST);
        assert_eq!(text[14], "-: (980 more lines)");
        assert_eq!(text.last().unwrap(), "S: 999");
        assert!(transcript.take().is_empty());
    }

    #[test]
    fn connections_are_told_apart_and_the_whole_is_bounded() {
        let transcript = Transcript::default();
        transcript.client(1, b"NOOP");
        transcript.server(2, b"+OK");
        assert_eq!(transcript.take(), ["1C: NOOP", "2S: +OK"]);
        for _ in 0..10_000 {
            transcript.client(1, b"NOOP");
        }
        assert_eq!(transcript.tail(1), ["-: (and so on)"]);
        assert_eq!(transcript.take().len(), ENTRIES_MAX + 1);
    }
}
