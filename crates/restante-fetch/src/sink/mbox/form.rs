//! How a message is stored in an mbox (mboxrd): a From_ line, the message with `>` in front of each line that begins like one, and a
//! blank line.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Puts one more `>` in front of every line that consists of any number of `>` and `From `, so that taking one away from each such line
/// gives back what was.
#[derive(Debug)]
pub(super) struct Quote {
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// At the start of a line, behind any number of `>`, and so many octets of `From `.
    Start(usize),
    Line,
}

impl Quote {
    pub(super) const fn new() -> Self {
        Self { place: Place::Start(0) }
    }

    /// Appends `octets`, cut anywhere, to `output`.
    pub(super) fn push(&mut self, octets: &[u8], output: &mut Vec<u8>) {
        let mut rest = octets;
        while let Some((&first, behind)) = rest.split_first() {
            match self.place {
                Place::Line => {
                    let length = memchr::memchr(b'\n', rest).map(|at| at + 1);
                    let (line, after) =
                        rest.split_at_checked(length.unwrap_or(rest.len())).unwrap_or((rest, &[]));
                    output.extend_from_slice(line);
                    if length.is_some() {
                        self.place = Place::Start(0);
                    }
                    rest = after;
                }
                Place::Start(0) if first == b'>' => {
                    output.push(first);
                    rest = behind;
                }
                Place::Start(matched) if FROM.get(matched) == Some(&first) => {
                    rest = behind;
                    if matched + 1 == FROM.len() {
                        output.push(b'>');
                        output.extend_from_slice(FROM);
                        self.place = Place::Line;
                    } else {
                        self.place = Place::Start(matched + 1);
                    }
                }
                Place::Start(matched) => {
                    output.extend_from_slice(FROM.get(..matched).unwrap_or_default());
                    self.place = Place::Line;
                }
            }
        }
    }

    /// Appends what was held back at the end of the message.
    pub(super) fn finish(&mut self, output: &mut Vec<u8>) {
        if let Place::Start(matched) = self.place {
            output.extend_from_slice(FROM.get(..matched).unwrap_or_default());
            self.place = Place::Line;
        }
    }
}

/// The From_ line of a message whose stored form begins with `beginning`, with its line end. The time is UTC.
pub(super) fn from_line(beginning: &[u8], now: Timestamp) -> Vec<u8> {
    let sender = sender(beginning).filter(|sender| {
        (1..=SENDER_OCTETS_MAX).contains(&sender.len()) && sender.iter().all(u8::is_ascii_graphic)
    });
    let date = now.to_zoned(TimeZone::UTC).strftime("%a %b %e %H:%M:%S %Y").to_string();
    [FROM, sender.unwrap_or(b"MAILER-DAEMON"), b" ", date.as_bytes(), b"\n"].concat()
}

/// The path of the first Return-Path field of a header.
fn sender(beginning: &[u8]) -> Option<&[u8]> {
    let header = beginning.split(|&octet| octet == b'\n').map(<[u8]>::trim_ascii_end);
    let mut fields = header.take_while(|line| !line.is_empty());
    let value = fields.find_map(|line| {
        let (name, value) = line.split_at_checked(PATH_FIELD.len())?;
        name.eq_ignore_ascii_case(PATH_FIELD).then_some(value.trim_ascii())
    })?;
    value.strip_prefix(b"<")?.strip_suffix(b">")
}

/// Whether a line, given without its line end, begins a message: `From `, anything, and what ends like a date: a time of day, and
/// a year behind it.
pub(super) fn is_from_line(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(FROM) else { return false };
    if rest.len() > FROM_LINE_OCTETS_MAX {
        return false;
    }
    let mut words = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.any(is_time) && words.take(3).any(is_year)
}

fn is_year(word: &[u8]) -> bool {
    word.len() == 4 && word.iter().all(u8::is_ascii_digit)
}

/// `hh:mm` or `hh:mm:ss`.
fn is_time(word: &[u8]) -> bool {
    let mut parts = word.split(|&octet| octet == b':');
    let is_number = |part: &[u8]| matches!(part, [b'0'..=b'9'] | [b'0'..=b'9', b'0'..=b'9']);
    parts.clone().count() >= 2 && parts.clone().count() <= 3 && parts.all(is_number)
}

pub(super) const FROM: &[u8] = b"From ";

/// A longer line is no From_ line: a path has 256 octets at most (RFC 5321 section 4.5.3.1.3), a date some 40.
pub(super) const FROM_LINE_OCTETS_MAX: usize = 1000;

const SENDER_OCTETS_MAX: usize = 256;

const PATH_FIELD: &[u8] = b"Return-Path:";

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut quote, mut output) = (Quote::new(), Vec::new());
        pieces.iter().for_each(|piece| quote.push(piece, &mut output));
        quote.finish(&mut output);
        output
    }

    #[test]
    fn lines_that_begin_like_a_from_line_are_quoted_wherever_they_are_cut() {
        let plain =
            b"From a\n>From b\n>>>From c\n> From d\nFrom\nFro\n>Fro>From e\n\n>\nx From f\nFrom:\nFrom";
        let wanted =
            b">From a\n>>From b\n>>>>From c\n> From d\nFrom\nFro\n>Fro>From e\n\n>\nx From f\nFrom:\nFrom";
        for at in 0..=plain.len() {
            for to in at..=plain.len() {
                assert_eq!(quoted(&[&plain[..at], &plain[at..to], &plain[to..]]), wanted, "{at} {to}");
            }
        }
    }

    #[test]
    fn the_sender_is_that_of_return_path_or_nobody() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let line = |beginning: &[u8]| String::from_utf8(from_line(beginning, now)).unwrap();
        assert_eq!(line(b"Return-Path: <a@x>\nB: c\n\n"), "From a@x Tue Nov 14 22:13:20 2023\n");
        assert_eq!(line(b"A: b\nreturn-path:<a@x>\r\n"), "From a@x Tue Nov 14 22:13:20 2023\n");
        for nobody in [
            "",
            "A: b\n\nReturn-Path: <a@x>\n",
            "Return-Path: <>\n",
            "Return-Path: <a b@x>\n",
            "Return-Path: a@x\n",
        ] {
            assert_eq!(line(nobody.as_bytes()), "From MAILER-DAEMON Tue Nov 14 22:13:20 2023\n", "{nobody}");
        }
        assert!(is_from_line(line(b"").trim_end().as_bytes()));
    }

    #[test]
    fn lines_that_other_programs_write_are_known() {
        for line in [
            "From a@x Thu Feb  3 10:11:12 2025",
            "From  Thu Feb 13 10:11 2025",
            "From a@x Thu Feb 13 10:11:12 CET 2025",
        ] {
            assert!(is_from_line(line.as_bytes()), "{line}");
        }
        for line in ["From me to you", "From 2025 at 10:00", "from a@x Thu Feb 3 10:11:12 2025", "From"] {
            assert!(!is_from_line(line.as_bytes()), "{line}");
        }
    }
}
