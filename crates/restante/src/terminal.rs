//! What the program prints and asks: plain text everywhere, a little colour on a terminal, one table, one way to
//! ask for a password. Nothing here knows what is being printed.

use std::env;
use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Write};

use restante_auth::password::PASSWORD_OCTETS_MAX;
use restante_proto::secret::Secret;
use restante_proto::visible::{is_hidden, replaced};
use serde::Serialize;

pub(crate) use restante_proto::visible::visible;

use crate::exit::{Code, Failure};

/// Writes `text` to standard output, at once and whole: lines that steer nothing, whatever they are made of.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    write_out(&lines_of(text))
}

/// Writes text that holds our own colours. What of it comes from elsewhere was made [`visible`] before.
pub(crate) fn print_painted(text: &str) -> Result<(), Failure> {
    write_out(text)
}

/// Writes to standard output. If nobody reads it, the work goes on all the same.
pub(crate) fn tell(text: &str) {
    let _ = write_out(&lines_of(text));
}

fn write_out(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| not_written(&error))
}

fn not_written(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::reader_gone(),
        _ => Failure::new(Code::Io, format!("cannot write to standard output: {error}")),
    }
}

/// Writes a piece of a message or of a file to standard output: as it is, but for what would steer a terminal if that is one.
pub(crate) fn print_octets(octets: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = if stdout.is_terminal() {
        stdout.write_all(lines_of(&String::from_utf8_lossy(octets).replace("\r\n", "\n")).as_bytes())
    } else {
        stdout.write_all(octets)
    };
    written.and_then(|()| stdout.flush()).map_err(|error| not_written(&error))
}

/// Prints entries as a JSON array, one entry a line, so that both `jq` and `grep` are at home.
pub(crate) fn print_json<T: Serialize>(entries: &[T]) -> Result<(), Failure> {
    let mut text = String::from("[");
    for (position, entry) in entries.iter().enumerate() {
        text.push_str(if position == 0 { "\n" } else { ",\n" });
        let line = serde_json::to_string(entry)
            .map_err(|error| Failure::new(Code::Software, format!("cannot print JSON: {error}")))?;
        text.push_str(&line);
    }
    text.push_str(if entries.is_empty() { "]\n" } else { "\n]\n" });
    print_json_text(&text)
}

/// Prints JSON that has been made already.
pub(crate) fn print_json_text(json: &str) -> Result<(), Failure> {
    write_out(&escaped_json(json))
}

/// The same JSON with what steers a terminal or is not seen written as escapes. Such letters stand within strings only, as JSON has
/// no others beside its blanks.
pub(crate) fn escaped_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if is_line(letter) || !is_hidden(letter) {
            text.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    text
}

/// Lines as they are, made visible.
fn lines_of(text: &str) -> String {
    text.chars().map(|letter| if is_line(letter) { letter } else { replaced(letter) }).collect()
}

fn is_line(letter: char) -> bool {
    matches!(letter, '\n' | '\t')
}

/// Writes one line to standard error, marked as ours.
pub(crate) fn complain(line: &str) {
    report(&format!("restante: {line}"));
}

/// Writes one line to standard error as it is. If that fails too, nobody is left to tell.
pub(crate) fn report(line: &str) {
    let _ = writeln!(io::stderr(), "{}", visible(line));
}

/// Rows under a heading, columns as wide as their widest cell. Numbers go right, everything else left.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// One column of a [`Table`].
pub(crate) struct Column {
    heading: &'static str,
    is_number: bool,
}

impl Column {
    /// A column of text.
    pub(crate) const fn text(heading: &'static str) -> Self {
        Self { heading, is_number: false }
    }

    /// A column of numbers.
    pub(crate) const fn number(heading: &'static str) -> Self {
        Self { heading, is_number: true }
    }
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row; cells beyond the last column are dropped.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row.iter().map(|cell| visible(cell)).collect());
    }

    /// The table as text, two spaces between columns and none at the end of a line.
    pub(crate) fn render(&self) -> String {
        let width = |position: usize, heading: &str| {
            let cells = self.rows.iter().filter_map(|row| row.get(position)).map(String::as_str);
            cells.chain([heading]).map(columns_of).max().unwrap_or(0)
        };
        let widths: Vec<usize> =
            self.columns.iter().enumerate().map(|(at, column)| width(at, column.heading)).collect();
        let mut text = String::new();
        let headings: Vec<String> = self.columns.iter().map(|column| column.heading.to_owned()).collect();
        for row in [headings].iter().chain(&self.rows) {
            let mut line = String::new();
            for ((cell, column), width) in row.iter().zip(&self.columns).zip(&widths) {
                let padding = " ".repeat(width.saturating_sub(columns_of(cell)));
                let (before, after) = if column.is_number { (&*padding, "") } else { ("", &*padding) };
                let _ = write!(line, "{before}{cell}{after}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Whether standard output shows colours: a terminal that can, and a reader who does not mind
/// (NO_COLOR set to anything but nothing is a no).
// The program reads the environment for everybody else.
#[allow(clippy::disallowed_methods)]
fn shows_colours() -> bool {
    let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    io::stdout().is_terminal() && !refused && !is_dumb
}

/// How a piece of text stands out.
#[derive(Clone, Copy)]
pub(crate) enum Style {
    /// A heading, or something to be found again.
    Bold,
    /// Something that may be skipped.
    Faint,
    /// It went well.
    Good,
    /// It did not.
    Bad,
}

/// Paints text, or leaves it alone where colours are not shown.
#[derive(Clone, Copy)]
pub(crate) struct Paint {
    is_on: bool,
}

impl Paint {
    /// For standard output as it is.
    pub(crate) fn for_stdout() -> Self {
        Self { is_on: shows_colours() }
    }

    /// `text` in `style`.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        if !self.is_on {
            return text.to_owned();
        }
        let number = match style {
            Style::Bold => "1",
            Style::Faint => "2",
            Style::Good => "32",
            Style::Bad => "1;31",
        };
        format!("\x1b[{number}m{text}\x1b[0m")
    }
}

/// A number with its thousands apart: 5 242 880.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A new password: asked for twice on a terminal, else (or with `from_stdin`) the first line of standard input.
///
/// What makes a password acceptable is not decided here, except that nothing endless is read.
///
/// # Errors
/// When the two differ, or it is longer than any password may be.
pub(crate) fn new_password(account: &str, from_stdin: bool) -> Result<Secret, Failure> {
    if from_stdin || !io::stdin().is_terminal() {
        return password_line(io::stdin().lock());
    }
    let first = prompt(&format!("New password for {}: ", visible(account)))?;
    let second = prompt("The same again: ")?;
    if first.expose() != second.expose() {
        return Err(
            Failure::new(Code::Data, "the two passwords differ").remedy("nothing was changed, try again")
        );
    }
    Ok(first)
}

/// A password that is there already, asked for once on the terminal.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn password(account: &str) -> Result<Secret, Failure> {
    prompt(&format!("Password for {}: ", visible(account)))
}

/// Whether standard error is a terminal, where something may move.
pub(crate) fn has_screen() -> bool {
    io::stderr().is_terminal()
}

/// Whether there is a person to be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal()
}

/// Something that nobody may see, asked for with this question on the terminal.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn secret(question: &str) -> Result<Secret, Failure> {
    prompt(&visible(question))
}

fn prompt(question: &str) -> Result<Secret, Failure> {
    rpassword::prompt_password(question)
        .map(|password| Secret::new(password.into_bytes()))
        .map_err(|error| Failure::new(Code::NoInput, format!("cannot read the password: {error}")))
}

fn password_line(input: impl BufRead) -> Result<Secret, Failure> {
    let mut line = Vec::with_capacity(PASSWORD_OCTETS_MAX + 3);
    // Room for the line end and for one octet too many, so that a longer line is noticed and not cut.
    let read = input.take(PASSWORD_OCTETS_MAX as u64 + 3).read_until(b'\n', &mut line);
    read.map_err(|error| Failure::new(Code::NoInput, format!("cannot read the password: {error}")))?;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    let password = Secret::new(line);
    match password.expose().len() > PASSWORD_OCTETS_MAX {
        true => Err(Failure::new(Code::Data, "the password is too long").remedy("nothing was changed")),
        false => Ok(password),
    }
}

/// How many columns a terminal needs for `text`, near enough: one for each character.
fn columns_of(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_aligns_numbers_right_and_ends_lines_clean() {
        let mut table =
            Table::new(vec![Column::number("octets"), Column::text("account"), Column::text("error")]);
        table.push(vec!["7".into(), "ann".into(), String::new()]);
        table.push(vec!["1234567".into(), "bo".into(), "gone".into()]);
        let expected = " octets  account  error\n      7  ann\n1234567  bo       gone\n";
        assert_eq!(table.render(), expected);
    }

    #[test]
    fn printed_lines_keep_their_ends_and_nothing_else_that_steers() {
        let text = "a\tb\n\x1b[2Jc\u{9b}d\u{202e}e\r\n";
        assert_eq!(lines_of(text), "a\tb\n\u{fffd}[2Jc\u{fffd}d\u{fffd}e\u{fffd}\n");
    }

    #[test]
    fn json_says_the_same_without_control_characters() {
        let told = "\u{7f}\u{9b}2J\u{202e}\u{2028}\u{e0041}\x1b\n\"";
        let json = serde_json::to_string_pretty(&[told]).unwrap();
        let escaped = escaped_json(&json);
        assert!(!escaped.chars().any(|letter| letter != '\n' && is_hidden(letter)), "{escaped}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&escaped).unwrap(), [told]);
    }

    #[test]
    fn thousands_stand_apart() {
        let shown: Vec<String> = [0, 999, 1000, 5_242_880].into_iter().map(grouped).collect();
        assert_eq!(shown, ["0", "999", "1 000", "5 242 880"]);
    }

    #[test]
    fn a_password_is_the_first_line_only_and_keeps_its_spaces() {
        for (input, expected) in [
            (&b"secret\nmore\n"[..], &b"secret"[..]),
            (b"secret\r\n", b"secret"),
            (b" with spaces \n", b" with spaces "),
            (b"no end", b"no end"),
            (b"inner\rcr\n", b"inner\rcr"),
        ] {
            assert_eq!(password_line(input).unwrap().expose(), expected);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_and_not_cut() {
        let longest = [b'x'; PASSWORD_OCTETS_MAX];
        assert!(password_line(&longest[..]).is_ok());
        assert!(password_line(&[&longest[..], b"\r\n"].concat()[..]).is_ok());
        for end in ["x", "x\n", "x\r\n", "xxxxxxxx"] {
            assert!(password_line(&[&longest[..], end.as_bytes()].concat()[..]).is_err(), "{end:?}");
        }
    }

    #[test]
    fn without_colours_text_is_left_alone() {
        assert_eq!(Paint { is_on: false }.paint(Style::Bad, "x"), "x");
        assert_eq!(Paint { is_on: true }.paint(Style::Bold, "x"), "\x1b[1mx\x1b[0m");
    }
}
