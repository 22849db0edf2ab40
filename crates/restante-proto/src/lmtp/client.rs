//! The LMTP client session: hands messages to an LMTP server, and learns what became of them recipient by recipient.
//!
//! Small on purpose: it serves the demonstration, the tests and the collecting client, not a queue manager. Driven like
//! every session here; the message goes from the driver to the wire without passing through.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::command::{BodyKind, Command, Mail};
use super::path::ForwardPath;
use crate::line::Input;

/// What the session needs its driver to do, or has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write all output, then fill the input with what the server sends next.
    Read,
    /// A [`Transaction`] may be submitted, or QUIT.
    Idle,
    /// Write all output, then the message, then call [`Session::message_sent`].
    SendMessage(Form),
    /// What became of one recipient. Comes as soon as the reply is there (R2033-5.3), in any order of recipients
    /// while the envelope is sent, and in theirs after the message.
    Recipient {
        /// Position in [`Transaction::recipients`].
        index: usize,
        /// What the server said; a success means that it has taken responsibility.
        reply: Reply,
    },
    /// The server refused the connection or LHLO. Nothing can be submitted; close.
    Refused(Reply),
    /// QUIT was answered: close.
    Closed,
}

/// How the message is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// With [`crate::body::Encoder`], whole, up to its termination.
    Dotted,
    /// Exactly this many octets in the canonical form, nothing else.
    Chunk {
        /// As announced in [`Transaction::chunk_octets`].
        octets: u64,
    },
}

/// One message for one or more recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The sender, and what is said about the message. Parameters that the server does not offer are left out.
    pub mail: Mail,
    /// Its recipients, at least one.
    pub recipients: Vec<ForwardPath>,
    /// The octets of the canonical form, when the message should go as one chunk if the server offers that.
    pub chunk_octets: Option<u64>,
}

/// A reply, all its lines together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// The text behind the code, lines joined by a line feed, control characters replaced.
    pub text: String,
}

impl Reply {
    /// 2xx.
    pub fn is_success(&self) -> bool {
        matches!(self.code, 200..=299)
    }

    /// 4xx: it may work later.
    pub fn is_temporary(&self) -> bool {
        matches!(self.code, 400..=499)
    }
}

/// What the server offers, from its reply to LHLO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// PIPELINING.
    pub pipelining: bool,
    /// 8BITMIME.
    pub eight_bit_mime: bool,
    /// SMTPUTF8.
    pub smtputf8: bool,
    /// CHUNKING.
    pub chunking: bool,
    /// SIZE, with the largest message if there is one.
    pub size: Option<Option<u64>>,
}

/// Why a transaction is not taken. Nothing is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidTransaction {
    /// The session is not idle.
    Busy,
    /// There is no recipient.
    NoRecipient,
    /// The addresses or the message need SMTPUTF8, which the server does not offer.
    NeedsSmtpUtf8,
    /// The server said that it takes no message this large.
    TooLarge,
}

impl fmt::Display for InvalidTransaction {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Busy => "a transaction is under way",
            Self::NoRecipient => "the message has no recipient",
            Self::NeedsSmtpUtf8 => "the message needs SMTPUTF8, which the server does not offer",
            Self::TooLarge => "the message is larger than the server takes",
        })
    }
}

impl core::error::Error for InvalidTransaction {}

/// The server has broken the protocol; nothing more can be said to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// A line is no reply, or no line of the reply it stands in.
    NotAReply,
    /// A line or a reply is too long.
    TooLong,
    /// A reply came that answers nothing, or of a kind that makes no sense there.
    Unexpected,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotAReply => "the server sent a line that is no reply",
            Self::TooLong => "the server sent a reply that is too long",
            Self::Unexpected => "the server sent a reply that answers nothing",
        })
    }
}

impl core::error::Error for ProtocolError {}

/// One LMTP connection, client side.
///
/// [`submit`](Self::submit) a transaction when [`step`](Self::step) says [`Step::Idle`]; each of its recipients gets
/// exactly one [`Step::Recipient`]. When the connection is lost, [`unanswered`](Self::unanswered) are those who did not.
#[derive(Debug)]
pub struct Session {
    name: String,
    extensions: Extensions,
    state: State,
    /// The lines of the reply that has begun.
    reply: Option<Reply>,
    /// Commands whose replies are awaited, the oldest first (R2920-3.1.1).
    pending: VecDeque<Pending>,
    /// Told with the next steps.
    outcomes: VecDeque<(usize, Reply)>,
    transaction: Option<Open>,
}

/// A transaction under way.
#[derive(Debug)]
struct Open {
    transaction: Transaction,
    is_mail_sent: bool,
    /// RCPT commands not yet sent; the next recipient's index.
    next: usize,
    /// Recipients that were accepted and have no final reply.
    accepted: VecDeque<usize>,
    /// Recipients whose RCPT is not answered.
    asked: VecDeque<usize>,
    /// MAIL was refused with this.
    refusal: Option<Reply>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Dialogue,
    /// `SendMessage` was said.
    Message(Form),
    Refused,
    Closed,
    Dead(ProtocolError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Greeting,
    Lhlo,
    Mail,
    Recipient(usize),
    Data,
    /// The reply after the message for this recipient.
    Delivery(usize),
    Reset,
    Quit,
}

impl Session {
    /// A session on a new connection; `name` is what the client calls itself in LHLO, "localhost" when it could not
    /// be said.
    pub fn new(name: &str) -> Self {
        let is_sayable =
            (1..=255).contains(&name.len()) && name.bytes().all(|octet| octet.is_ascii_graphic());
        Self {
            name: String::from(if is_sayable { name } else { "localhost" }),
            extensions: Extensions::default(),
            state: State::Dialogue,
            reply: None,
            pending: VecDeque::from([Pending::Greeting]),
            outcomes: VecDeque::new(),
            transaction: None,
        }
    }

    /// What the server offers; nothing before the first [`Step::Idle`].
    pub fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// Takes a transaction.
    ///
    /// # Errors
    /// See [`InvalidTransaction`].
    pub fn submit(&mut self, transaction: Transaction) -> Result<(), InvalidTransaction> {
        let mail = &transaction.mail;
        let is_ascii = mail.sender.mailbox().is_none_or(super::path::Mailbox::is_ascii)
            && transaction.recipients.iter().all(|path| path.mailbox().is_ascii());
        if !self.is_idle() {
            return Err(InvalidTransaction::Busy);
        }
        if transaction.recipients.is_empty() {
            return Err(InvalidTransaction::NoRecipient);
        }
        if (mail.smtputf8 || !is_ascii) && !self.extensions.smtputf8 {
            return Err(InvalidTransaction::NeedsSmtpUtf8);
        }
        // RFC 1870 7: 0 means that there is no maximum.
        let octets_max = self.extensions.size.flatten().filter(|&octets| octets != 0);
        if octets_max.is_some_and(|octets_max| mail.size.is_some_and(|size| size > octets_max)) {
            return Err(InvalidTransaction::TooLarge);
        }
        self.transaction = Some(Open {
            transaction,
            is_mail_sent: false,
            next: 0,
            accepted: VecDeque::new(),
            asked: VecDeque::new(),
            refusal: None,
        });
        Ok(())
    }

    /// Sends QUIT when the session is idle; does nothing when it is not.
    pub fn quit(&mut self, output: &mut Vec<u8>) {
        if self.is_idle() {
            self.send(&Command::Quit, Pending::Quit, output);
        }
    }

    /// The recipients of the transaction under way that have no final reply. R2033-5.4: when the connection is lost,
    /// each of them is a temporary failure.
    pub fn unanswered(&self) -> Vec<usize> {
        let Some(open) = &self.transaction else { return Vec::new() };
        let mut indices: Vec<usize> = open.accepted.iter().chain(&open.asked).copied().collect();
        indices.extend(open.next..open.transaction.recipients.len());
        indices.extend(self.outcomes.iter().map(|(index, _)| *index));
        indices.sort_unstable();
        indices.dedup();
        indices
    }

    /// Answers [`Step::SendMessage`]: all of it was written.
    pub fn message_sent(&mut self) {
        if !matches!(self.state, State::Message(_)) {
            return;
        }
        self.state = State::Dialogue;
        if let Some(open) = &self.transaction {
            // R2033-4.2.2
            self.pending.extend(open.accepted.iter().map(|&index| Pending::Delivery(index)));
        }
    }

    /// Goes on as far as possible without help.
    ///
    /// # Errors
    /// When the server breaks the protocol; then and ever after.
    pub fn step(&mut self, input: &mut Input, output: &mut Vec<u8>) -> Result<Step, ProtocolError> {
        self.advance(input, output).inspect_err(|&error| self.state = State::Dead(error))
    }

    fn advance(&mut self, input: &mut Input, output: &mut Vec<u8>) -> Result<Step, ProtocolError> {
        loop {
            if let Some((index, reply)) = self.outcomes.pop_front() {
                return Ok(Step::Recipient { index, reply });
            }
            match self.state {
                State::Dead(error) => return Err(error),
                State::Closed => return Ok(Step::Closed),
                State::Message(form) => return Ok(Step::SendMessage(form)),
                State::Dialogue | State::Refused => {}
            }
            self.send_envelope(output);
            if matches!(self.state, State::Message(_)) {
                continue;
            }
            if self.pending.is_empty() {
                return if input.is_empty() { Ok(Step::Idle) } else { Err(ProtocolError::Unexpected) };
            }
            let Some(reply) = self.read_reply(input)? else { return Ok(Step::Read) };
            if let Some(step) = self.take(reply, output)? {
                return Ok(step);
            }
        }
    }

    /// Sends what may be sent of the transaction: MAIL, RCPT of each recipient, DATA or BDAT, or RSET.
    fn send_envelope(&mut self, output: &mut Vec<u8>) {
        let Some(open) = &mut self.transaction else { return };
        let is_pipelining = self.extensions.pipelining;
        if !open.is_mail_sent {
            open.is_mail_sent = true;
            let mail = &open.transaction.mail;
            let offered = Mail {
                sender: mail.sender.clone(),
                size: mail.size.filter(|_| self.extensions.size.is_some()),
                body: mail.body.filter(|_| self.extensions.eight_bit_mime),
                smtputf8: mail.smtputf8,
            };
            Command::Mail(offered).encode(output);
            self.pending.push_back(Pending::Mail);
        }
        // RCPT goes out behind MAIL with PIPELINING, else one by one.
        while open.refusal.is_none()
            && (is_pipelining || self.pending.is_empty())
            && self.pending.len() < COMMANDS_IN_FLIGHT_MAX
            && let Some(path) = open.transaction.recipients.get(open.next)
        {
            Command::Rcpt(path.clone()).encode(output);
            open.asked.push_back(open.next);
            self.pending.push_back(Pending::Recipient(open.next));
            open.next += 1;
        }
        if !self.pending.is_empty() {
            return;
        }
        // Everything about the envelope is answered. R2920-3.1.1: DATA is never sent without a recipient.
        if open.accepted.is_empty() {
            self.transaction = None;
            Command::Rset.encode(output);
            self.pending.push_back(Pending::Reset);
        } else if let Some(octets) = open.transaction.chunk_octets.filter(|_| self.extensions.chunking) {
            // R3030-2.1
            Command::Bdat { octets, is_last: true }.encode(output);
            self.state = State::Message(Form::Chunk { octets });
        } else {
            Command::Data.encode(output);
            self.pending.push_back(Pending::Data);
        }
    }

    /// Takes a whole reply.
    fn take(&mut self, reply: Reply, output: &mut Vec<u8>) -> Result<Option<Step>, ProtocolError> {
        let pending = self.pending.pop_front().ok_or(ProtocolError::Unexpected)?;
        match pending {
            Pending::Greeting if reply.is_success() => {
                let name = self.name.clone();
                self.send(&Command::Lhlo(name), Pending::Lhlo, output);
            }
            Pending::Lhlo if reply.is_success() => self.extensions = Extensions::parse(&reply.text),
            Pending::Greeting | Pending::Lhlo => {
                self.state = State::Refused;
                return Ok(Some(Step::Refused(reply)));
            }
            Pending::Mail if reply.is_success() => {}
            Pending::Mail => self.refuse_all(reply),
            Pending::Recipient(index) => self.take_recipient(index, reply),
            Pending::Data if reply.code == 354 => self.state = State::Message(Form::Dotted),
            // A success here would mean that the server takes no message after it said it would.
            Pending::Data if reply.is_success() => return Err(ProtocolError::Unexpected),
            Pending::Data => self.refuse_all(reply),
            Pending::Delivery(index) => {
                let Some(open) = &mut self.transaction else { return Err(ProtocolError::Unexpected) };
                open.accepted.retain(|&accepted| accepted != index);
                if open.accepted.is_empty() {
                    self.transaction = None;
                }
                return Ok(Some(Step::Recipient { index, reply }));
            }
            Pending::Reset => {}
            Pending::Quit => {
                self.state = State::Closed;
                return Ok(Some(Step::Closed));
            }
        }
        Ok(None)
    }

    /// RCPT was answered. What it says does not matter any more when MAIL was refused.
    fn take_recipient(&mut self, index: usize, reply: Reply) {
        let Some(open) = &mut self.transaction else { return };
        open.asked.retain(|&asked| asked != index);
        match &open.refusal {
            Some(refusal) => self.outcomes.push_back((index, refusal.clone())),
            None if reply.is_success() => open.accepted.push_back(index),
            None => self.outcomes.push_back((index, reply)),
        }
    }

    /// MAIL or DATA was refused: so is every recipient that has no reply of its own and will get none.
    fn refuse_all(&mut self, reply: Reply) {
        let Some(open) = &mut self.transaction else { return };
        let unsent = open.next..open.transaction.recipients.len();
        let refused = open.accepted.drain(..).chain(unsent);
        self.outcomes.extend(refused.map(|index| (index, reply.clone())));
        open.next = open.transaction.recipients.len();
        open.refusal = Some(reply);
    }

    /// Reads lines up to the last of a reply. R2033-4.2.4: however many, they are one reply.
    fn read_reply(&mut self, input: &mut Input) -> Result<Option<Reply>, ProtocolError> {
        loop {
            let octets = input.octets();
            let Some(at) = memchr::memchr(b'\n', octets) else {
                return if octets.len() >= LINE_OCTETS_MAX { Err(ProtocolError::TooLong) } else { Ok(None) };
            };
            if at >= LINE_OCTETS_MAX {
                return Err(ProtocolError::TooLong);
            }
            let line = octets.get(..at).and_then(|line| line.strip_suffix(b"\r"));
            let (code, is_last, text) = line.and_then(parse_line).ok_or(ProtocolError::NotAReply)?;
            let text = crate::client::capabilities::text(text);
            input.consume(at + 1);
            match &mut self.reply {
                None => self.reply = Some(Reply { code, text }),
                Some(reply) if reply.code != code => return Err(ProtocolError::NotAReply),
                Some(reply) if reply.text.len() + text.len() > REPLY_OCTETS_MAX => {
                    return Err(ProtocolError::TooLong);
                }
                Some(reply) => {
                    reply.text.push('\n');
                    reply.text.push_str(&text);
                }
            }
            if is_last {
                return Ok(self.reply.take());
            }
        }
    }

    fn send(&mut self, command: &Command, pending: Pending, output: &mut Vec<u8>) {
        command.encode(output);
        self.pending.push_back(pending);
    }

    fn is_idle(&self) -> bool {
        self.state == State::Dialogue && self.pending.is_empty() && self.transaction.is_none()
    }
}

impl Extensions {
    /// From the text of the reply to LHLO: the first line greets, each other names an extension.
    fn parse(text: &str) -> Self {
        let mut extensions = Self::default();
        for line in text.lines().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let Some(keyword) = words.next() else { continue };
            match () {
                () if keyword.eq_ignore_ascii_case("PIPELINING") => extensions.pipelining = true,
                () if keyword.eq_ignore_ascii_case("8BITMIME") => extensions.eight_bit_mime = true,
                () if keyword.eq_ignore_ascii_case("SMTPUTF8") => extensions.smtputf8 = true,
                () if keyword.eq_ignore_ascii_case("CHUNKING") => extensions.chunking = true,
                () if keyword.eq_ignore_ascii_case("SIZE") => {
                    extensions.size = Some(words.next().and_then(|octets| octets.parse().ok()));
                }
                () => {}
            }
        }
        extensions
    }
}

impl Mail {
    /// A message from `sender` about which nothing is said.
    pub fn from(sender: super::path::ReversePath) -> Self {
        Self { sender, size: None, body: None::<BodyKind>, smtputf8: false }
    }
}

/// Code, whether the line is the last, and text.
fn parse_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (code, rest) = line.split_at_checked(3)?;
    if !matches!(code, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9']) {
        return None;
    }
    let code = core::str::from_utf8(code).ok()?.parse().ok()?;
    match rest {
        [] => Some((code, true, rest)),
        [b' ', text @ ..] => Some((code, true, text)),
        [b'-', text @ ..] => Some((code, false, text)),
        _ => None,
    }
}

/// The longest line of a reply. RFC 5321 4.5.3.1.5 has 512; be generous.
const LINE_OCTETS_MAX: usize = 4096;

/// The longest text of all lines of a reply.
const REPLY_OCTETS_MAX: usize = 16384;

/// The most commands that await replies: with paths of full length, still far below any socket's buffer.
const COMMANDS_IN_FLIGHT_MAX: usize = 20;

#[cfg(test)]
mod tests;
