//! A POP3 dialogue as a judge sees it: commands said exactly as given, replies read as leniently as can be, so that one
//! breach does not hide the next. What is wrong with the form of a reply is kept in [`Form`] for those who judge it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use restante_client::connect::Tls;

use crate::transcript::{BodyLines, visible};
use crate::verdict::{Breach, Step, Stop};
use crate::wire::{End, Line, Wire};

/// What can be wrong with the form of any reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Neither `+OK` nor `-ERR` as they are spelled.
    Status,
    /// Another line end than CR LF.
    LineEnd,
    /// A first line of more than 512 octets.
    Length,
    /// Nothing behind the status indicator, not even a space.
    Space,
    /// A status indicator that text follows without a space.
    Glued,
}

/// What was seen of the form of replies, of all connections of a run.
#[derive(Clone, Default)]
pub(crate) struct Form(Rc<RefCell<Seen>>);

#[derive(Default)]
struct Seen {
    faults: BTreeMap<Fault, (String, Vec<String>)>,
    /// Response codes with the keyword they answered, and the transcript of the first of each.
    codes: BTreeMap<(String, String), Vec<String>>,
}

impl Form {
    /// The first reply with this fault, and the transcript around it.
    pub(crate) fn first(&self, fault: Fault) -> Option<(String, Vec<String>)> {
        self.0.borrow().faults.get(&fault).cloned()
    }

    /// The response codes that came, upper case, each with the keyword it answered and its transcript.
    pub(crate) fn codes(&self) -> Vec<(String, String, Vec<String>)> {
        let seen = self.0.borrow();
        seen.codes
            .iter()
            .map(|((code, keyword), lines)| (code.clone(), keyword.clone(), lines.clone()))
            .collect()
    }
}

/// The first line of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) line: Vec<u8>,
}

impl Reply {
    /// A positive reply, however it is spelled.
    pub(crate) fn is_ok(&self) -> bool {
        starts_with_ignoring_case(&self.line, b"+OK")
    }

    /// A negative reply, however it is spelled.
    pub(crate) fn is_err(&self) -> bool {
        starts_with_ignoring_case(&self.line, b"-ERR")
    }

    /// A challenge of SASL, however it is spelled; its base64.
    pub(crate) fn challenge(&self) -> Option<&[u8]> {
        let rest = self.line.strip_prefix(b"+")?;
        match (self.is_ok(), rest) {
            (true, _) => None,
            (false, []) => Some(rest),
            (false, _) => rest.strip_prefix(b" "),
        }
    }

    /// What follows the status indicator and its space.
    pub(crate) fn text(&self) -> &[u8] {
        let length = if self.is_ok() { 3 } else { 4 };
        let rest = self.line.get(length..).unwrap_or_default();
        rest.strip_prefix(b" ").unwrap_or(rest)
    }

    /// The response code at the beginning of the text, in upper case, without its brackets.
    pub(crate) fn code(&self) -> Option<String> {
        let rest = self.text().strip_prefix(b"[")?;
        let end = rest.iter().position(|&octet| octet == b']')?;
        Some(String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).to_ascii_uppercase())
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&visible(&self.line))
    }
}

/// The lines of a multi-line response between its first line and the termination octet, as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) lines: Vec<Line>,
}

impl Body {
    /// The octets of the message: each line with one leading dot less, each line end as CR LF.
    pub(crate) fn unstuffed(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        for line in &self.lines {
            octets.extend_from_slice(content(&line.octets));
            octets.extend_from_slice(b"\r\n");
        }
        octets
    }

    /// The octets of the message on the wire, without those that stuffing added: line ends as they came.
    pub(crate) fn octets(&self) -> u64 {
        let length = |line: &Line| content(&line.octets).len() as u64 + if line.is_crlf { 2 } else { 1 };
        self.lines.iter().map(length).sum()
    }

    /// The first line whose line end is not CR LF.
    pub(crate) fn bare_line_feed(&self) -> Option<&Line> {
        self.lines.iter().find(|line| !line.is_crlf)
    }

    /// The lines as text, for listings.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.lines.iter().map(|line| String::from_utf8_lossy(content(&line.octets)).into_owned()).collect()
    }

    /// How many lines the header has; the empty line behind it is the next one, if there is one.
    pub(crate) fn header_lines(&self) -> usize {
        self.lines.iter().position(|line| line.octets.is_empty()).unwrap_or(self.lines.len())
    }
}

/// A line without the dot that stuffing put in front.
pub(crate) fn content(line: &[u8]) -> &[u8] {
    line.strip_prefix(b".").unwrap_or(line)
}

/// A dialogue on one connection.
pub(crate) struct Dialogue {
    wire: Wire,
    form: Form,
    /// The keyword that was said last, for what is remembered of response codes.
    keyword: String,
    /// Held while a maildrop may be open.
    pub(crate) login: Option<Rc<()>>,
}

impl Dialogue {
    pub(crate) fn new(wire: Wire, form: Form) -> Self {
        Self { wire, form, keyword: "greeting".into(), login: None }
    }

    /// The connection, for what is no dialogue.
    pub(crate) fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// The connection, for looking at it.
    pub(crate) fn peer(&self) -> &Wire {
        &self.wire
    }

    /// Says a command, exactly these octets and CRLF.
    pub(crate) fn say(&mut self, command: impl AsRef<[u8]>) -> Step {
        let command = command.as_ref();
        self.wire.transcript().client(self.wire.number(), command);
        self.keyword = keyword(command);
        let line = [command, b"\r\n"].concat();
        self.wire.write(&line)
    }

    /// Says a line that holds a secret; the transcript has `shown` instead.
    pub(crate) fn say_secret(&mut self, shown: &str, line: &[u8]) -> Step {
        self.wire.transcript().client(self.wire.number(), shown.as_bytes());
        if shown.contains(' ') {
            self.keyword = keyword(shown.as_bytes());
        }
        let line = zeroize::Zeroizing::new([line, b"\r\n"].concat());
        self.wire.write(&line)
    }

    /// Says octets as they are; the transcript shows them as one line.
    pub(crate) fn say_octets(&mut self, octets: &[u8]) -> Step {
        self.wire.transcript().client(self.wire.number(), octets);
        self.keyword = keyword(octets);
        self.wire.write(octets)
    }

    /// A command and the first line of its reply.
    pub(crate) fn ask(&mut self, command: impl AsRef<[u8]>) -> Step<Reply> {
        self.say(command)?;
        self.reply()
    }

    /// The first line of a reply.
    pub(crate) fn reply(&mut self) -> Step<Reply> {
        let line = self.wire.line(STATUS_OCTETS_MAX)?;
        self.wire.transcript().server(self.wire.number(), &shown(&line));
        let reply = Reply { line: line.octets.clone() };
        self.look_at_form(&line, &reply);
        Ok(reply)
    }

    /// The lines of a multi-line response, after its first line.
    pub(crate) fn body(&mut self) -> Step<Body> {
        let mut body = Body::default();
        let mut octets = 0;
        let mut shortened = BodyLines::default();
        let number = self.wire.number();
        loop {
            let line = self.wire.line(BODY_LINE_OCTETS_MAX)?;
            octets += line.octets.len() + 2;
            shortened.line(self.wire.transcript(), number, &shown(&line));
            if line.octets == b"." {
                shortened.end(self.wire.transcript(), number);
                self.note_line_end(&line);
                return Ok(body);
            }
            self.note_line_end(&line);
            body.lines.push(line);
            if octets > BODY_OCTETS_MAX {
                return Err(Stop::Cut(Breach {
                    expected: "a multi-line response that ends".into(),
                    found: format!("more than {BODY_OCTETS_MAX} octets without the termination octet"),
                }));
            }
        }
    }

    /// A command whose positive reply is multi-line; none when it was refused.
    pub(crate) fn list(&mut self, command: impl AsRef<[u8]>) -> Step<(Reply, Option<Body>)> {
        let reply = self.ask(command)?;
        let body = if reply.is_ok() { Some(self.body()?) } else { None };
        Ok((reply, body))
    }

    /// A command that must succeed for the judge to go on.
    pub(crate) fn must(&mut self, command: impl AsRef<[u8]>) -> Step<Reply> {
        let shown = visible(command.as_ref());
        let reply = self.ask(command)?;
        match reply.is_ok() {
            true => Ok(reply),
            false => Err(crate::verdict::broken(format!("a positive reply to {shown}"), reply.to_string())),
        }
    }

    /// A multi-line command that must succeed for the judge to go on.
    pub(crate) fn must_list(&mut self, command: impl AsRef<[u8]>) -> Step<Body> {
        self.must(command)?;
        self.body()
    }

    /// Each of these must be refused with one line.
    pub(crate) fn all_refused(&mut self, commands: &[&str]) -> Step {
        for command in commands {
            let reply = self.ask(command)?;
            if !reply.is_err() {
                let expected = format!("a negative reply to \"{}\"", visible(command.as_bytes()));
                return Err(crate::verdict::broken(expected, reply.to_string()));
            }
        }
        Ok(())
    }

    /// Does the TLS handshake.
    pub(crate) fn start_tls(&mut self, tls: &Tls) -> Result<(), String> {
        self.wire.start_tls(tls)
    }

    /// Waits for the server to close.
    pub(crate) fn end(&mut self) -> Step<(Vec<u8>, End)> {
        let (rest, end) = self.wire.end()?;
        if !rest.is_empty() {
            self.wire.transcript().server(self.wire.number(), &rest);
        }
        let how = match end {
            End::Clean => "the server closes",
            End::Truncated => "the server closes without the closing words of TLS",
            End::Reset => "the server resets the connection",
        };
        self.wire.transcript().note(self.wire.number(), how);
        Ok((rest, end))
    }

    /// Closes without QUIT: nothing can be removed by that.
    pub(crate) fn drop_connection(self) {
        self.wire.close();
    }

    fn look_at_form(&self, line: &Line, reply: &Reply) {
        self.note_line_end(line);
        let octets = &line.octets;
        if octets.len() + 2 > 512 {
            self.note(Fault::Length, format!("a first line of {} octets", octets.len() + 2));
        }
        if reply.challenge().is_some() {
            return;
        }
        let rest = octets.strip_prefix(b"+OK").or_else(|| octets.strip_prefix(b"-ERR"));
        match rest {
            None => self.note(Fault::Status, format!("\"{}\"", visible(octets))),
            Some([]) => self.note(Fault::Space, format!("\"{}\"", visible(octets))),
            Some([b' ', ..]) => {}
            Some(_) => self.note(Fault::Glued, format!("\"{}\"", visible(octets))),
        }
        if let (true, Some(code)) = (reply.is_err(), reply.code()) {
            let tail = self.wire.transcript().tail(EVIDENCE_LINES);
            self.form.0.borrow_mut().codes.entry((code, self.keyword.clone())).or_insert(tail);
        }
    }

    fn note_line_end(&self, line: &Line) {
        if !line.is_crlf {
            self.note(
                Fault::LineEnd,
                format!("a line that ends with LF alone: \"{}\"", visible(&line.octets)),
            );
        }
    }

    fn note(&self, fault: Fault, found: String) {
        let tail = || self.wire.transcript().tail(EVIDENCE_LINES);
        self.form.0.borrow_mut().faults.entry(fault).or_insert_with(|| (found, tail()));
    }
}

/// The first word of a command, in upper case.
fn keyword(command: &[u8]) -> String {
    let word = command.split(|&octet| octet == b' ' || octet == b'\r').next().unwrap_or_default();
    visible(word).to_ascii_uppercase()
}

/// A line for the transcript: another line end than CR LF is made visible.
fn shown(line: &Line) -> Vec<u8> {
    let mut shown = line.octets.clone();
    if !line.is_crlf {
        shown.push(b'\n');
    }
    shown
}

fn starts_with_ignoring_case(line: &[u8], word: &[u8]) -> bool {
    line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Octets of a first line that are read at most; the law is 512, and a breach of it should be seen whole.
const STATUS_OCTETS_MAX: usize = 64 * 1024;
/// Octets of a line of a body that are read at most.
const BODY_LINE_OCTETS_MAX: usize = 16 * 1024 * 1024;
/// Octets of a body that are read at most.
pub(crate) const BODY_OCTETS_MAX: usize = 64 * 1024 * 1024;
/// Lines of the transcript that show a fault of form.
const EVIDENCE_LINES: usize = 6;
