//! What was said on a connection, kept for the transcript and shortened until it can be read in a moment.

use std::sync::{Arc, Mutex, PoisonError};

use restante_client::trace::{Said, Trace};

use crate::terminal;

/// Writes down what is said. Cloning shares the notes.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    notes: Arc<Mutex<Vec<Note>>>,
}

/// Something that was said, or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    Client(String),
    Server(String),
    /// A message of so many octets went by.
    Message(u64),
    Tls,
}

impl Recorder {
    /// A trace that writes into the notes. Secrets do not reach a trace.
    pub(crate) fn trace(&self) -> Trace {
        let notes = Arc::clone(&self.notes);
        let text = |line: &[u8]| terminal::visible(&String::from_utf8_lossy(line));
        Trace::new(move |said| {
            let note = match said {
                Said::Client(line) => Note::Client(text(line)),
                Said::Server(line) => Note::Server(text(line)),
                Said::Message { octets } => Note::Message(octets),
                Said::Tls => Note::Tls,
            };
            notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        })
    }

    /// The notes so far; the recorder begins anew.
    pub(crate) fn take(&self) -> Vec<Note> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A transcript in lines of at most `columns`: long replies lose their middle, and so do long runs of one command.
pub(crate) fn transcript(notes: &[Note], columns: usize) -> Vec<String> {
    let exchanges = exchanges(notes);
    let mut lines = Vec::new();
    let mut rest = exchanges.as_slice();
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|exchange| exchange.verb() == first.verb()).count();
        let (alike, behind) = rest.split_at_checked(run).unwrap_or((rest, &[]));
        if first.verb().is_some() && run > RUN_SHOWN {
            lines.extend(first.lines());
            lines.push(format!("   ({} more of these)", run - RUN_SHOWN));
            lines.extend(alike.last().into_iter().flat_map(Exchange::lines));
        } else {
            lines.extend(alike.iter().flat_map(Exchange::lines));
        }
        rest = behind;
    }
    lines.iter().map(|line| cut(line, columns)).collect()
}

/// What the client says at once, and all that comes back.
struct Exchange<'a> {
    asked: Vec<&'a Note>,
    answered: Vec<&'a Note>,
}

fn exchanges(notes: &[Note]) -> Vec<Exchange<'_>> {
    let mut exchanges: Vec<Exchange<'_>> = Vec::new();
    for note in notes {
        let is_asked = matches!(note, Note::Client(_) | Note::Tls);
        match exchanges.last_mut() {
            Some(last) if !is_asked => last.answered.push(note),
            Some(last) if last.answered.is_empty() => last.asked.push(note),
            _ if is_asked => exchanges.push(Exchange { asked: vec![note], answered: Vec::new() }),
            _ => exchanges.push(Exchange { asked: Vec::new(), answered: vec![note] }),
        }
    }
    exchanges
}

impl Exchange<'_> {
    /// The command, when there is just one.
    fn verb(&self) -> Option<&str> {
        match self.asked.as_slice() {
            [Note::Client(line)] => line.split(' ').next(),
            _ => None,
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.asked.iter().map(|note| line(note)).collect();
        let answered = self.answered.len();
        for (position, note) in self.answered.iter().enumerate() {
            if answered <= REPLY_SHOWN || position < REPLY_SHOWN - 2 || position + 1 == answered {
                lines.push(line(note));
            } else if position + 2 == answered {
                lines.push(format!("   ({} more lines)", answered - REPLY_SHOWN + 1));
            }
        }
        lines
    }
}

fn line(note: &Note) -> String {
    match note {
        Note::Client(line) => format!("C: {line}"),
        Note::Server(line) => format!("S: {line}"),
        Note::Message(octets) => {
            format!("   ({} octets of message, and the dot)", terminal::grouped(*octets))
        }
        Note::Tls => "   (TLS handshake: everything below is encrypted)".to_owned(),
    }
}

fn cut(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    line.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

/// A run of one command is shown by its first and its last.
const RUN_SHOWN: usize = 2;
/// A longer reply is shown by its first lines and its last.
const REPLY_SHOWN: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(notes: &[Note], columns: usize) -> String {
        transcript(notes, columns).join("\n")
    }

    fn client(line: &str) -> Note {
        Note::Client(line.to_owned())
    }

    fn server(line: &str) -> Note {
        Note::Server(line.to_owned())
    }

    #[test]
    fn a_short_dialogue_is_shown_whole() {
        let notes = [
            Note::Tls,
            server("+OK hi"),
            client("RETR 1"),
            server("+OK"),
            Note::Message(1234),
            client("QUIT"),
            server("+OK"),
        ];
        let expected = "   (TLS handshake: everything below is encrypted)\nS: +OK hi\nC: RETR 1\nS: +OK\n   \
                        (1 234 octets of message, and the dot)\nC: QUIT\nS: +OK";
        assert_eq!(shown(&notes, 80), expected);
    }

    #[test]
    fn commands_sent_together_stay_together() {
        let notes =
            [client("MAIL"), client("RCPT"), server("250 a"), server("250 b"), client("DATA"), server("354")];
        assert_eq!(shown(&notes, 80), "C: MAIL\nC: RCPT\nS: 250 a\nS: 250 b\nC: DATA\nS: 354");
    }

    #[test]
    fn a_long_reply_loses_its_middle() {
        let mut notes = vec![client("LIST"), server("+OK")];
        notes.extend((1..=9).map(|number| server(&format!("{number} 10"))));
        notes.push(server("."));
        assert_eq!(shown(&notes, 80), "C: LIST\nS: +OK\nS: 1 10\nS: 2 10\nS: 3 10\n   (6 more lines)\nS: .");
        notes.truncate(7);
        assert!(!shown(&notes, 80).contains("more"));
    }

    #[test]
    fn a_long_run_of_one_command_loses_its_middle() {
        let run = |count: usize| -> Vec<Note> {
            (1..=count).flat_map(|number| [client(&format!("RETR {number}")), server("+OK")]).collect()
        };
        assert_eq!(shown(&run(5), 80), "C: RETR 1\nS: +OK\n   (3 more of these)\nC: RETR 5\nS: +OK");
        assert_eq!(shown(&run(2), 80), "C: RETR 1\nS: +OK\nC: RETR 2\nS: +OK");
    }

    #[test]
    fn long_lines_are_cut() {
        assert_eq!(shown(&[client("ABCDEFGH")], 8), "C: ABCD…");
    }

    #[test]
    fn the_recorder_begins_anew_after_each_take() {
        let recorder = Recorder::default();
        recorder.notes.lock().unwrap().push(Note::Tls);
        assert_eq!(recorder.clone().take(), [Note::Tls]);
        assert_eq!(recorder.take(), []);
    }
}
