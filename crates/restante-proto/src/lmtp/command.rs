//! LMTP commands: one variant per verb, parsed from a line and written back to one.
//!
//! Whether a command is welcome now is the session's business; here is only the grammar. The server session parses,
//! the client session encodes.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::path::{ForwardPath, ReversePath};
use super::reply::Reply;

/// A command with its arguments, right by type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// LHLO: the client names itself. The name is as typed: printable ASCII without spaces, at most 255 octets.
    Lhlo(String),
    /// HELO or EHLO, which LMTP does not have.
    Helo,
    /// MAIL: begins a transaction.
    Mail(Mail),
    /// RCPT: one more recipient.
    Rcpt(ForwardPath),
    /// DATA: the message follows, dot-stuffed.
    Data,
    /// BDAT: this many octets of the message follow.
    Bdat {
        /// Octets that follow the line. A number beyond 64 bits is as good as the largest.
        octets: u64,
        /// Whether they are the last of the message.
        is_last: bool,
    },
    /// RSET: forget the transaction.
    Rset,
    /// NOOP; its argument is ignored.
    Noop,
    /// VRFY; its argument is ignored, as the answer is the same for all.
    Vrfy,
    /// EXPN, which is not implemented.
    Expn,
    /// HELP; its argument is ignored.
    Help,
    /// STARTTLS.
    StartTls,
    /// QUIT.
    Quit,
}

/// What MAIL asserts about the message to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Where notifications go.
    pub sender: ReversePath,
    /// SIZE: the client's estimate of the message, in octets of the canonical form.
    pub size: Option<u64>,
    /// BODY, if given.
    pub body: Option<BodyKind>,
    /// SMTPUTF8: addresses and header fields may hold UTF-8.
    pub smtputf8: bool,
}

/// The BODY parameter of MAIL (RFC 6152). It changes nothing about how the message is kept: all eight bits always are
/// (R6152-3.1, R6152-3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BodyKind {
    /// `7BIT`, also when nothing is said.
    #[default]
    SevenBit,
    /// `8BITMIME`.
    EightBitMime,
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyntaxError {
    /// The verb is not known.
    UnknownCommand,
    /// The line holds control characters (a bare CR or LF among them) or malformed UTF-8.
    Unreadable,
    /// An argument is missing, malformed, given twice or one too many.
    Argument,
    /// The reverse-path of MAIL is malformed.
    Sender,
    /// The forward-path of RCPT is malformed.
    Recipient,
    /// A parameter of MAIL or RCPT that was not offered.
    UnknownParameter,
    /// `BODY=BINARYMIME`, which is not offered.
    BinaryMime,
}

impl SyntaxError {
    /// The reply that says so.
    pub(super) fn reply(self) -> Reply {
        match self {
            Self::UnknownCommand => Reply::UnknownCommand,
            Self::Unreadable => Reply::UnreadableLine,
            Self::Argument => Reply::BadArgument,
            Self::Sender => Reply::BadSender,
            Self::Recipient => Reply::BadRecipient,
            Self::UnknownParameter => Reply::UnknownParameter,
            Self::BinaryMime => Reply::BodyNotImplemented,
        }
    }
}

impl Command {
    /// Parses a line given without its CRLF. Verbs and keywords are matched in any case (R5321-2.4.1); blanks at the
    /// end of the line are ignored (RFC 5321 4.1.1).
    pub fn parse(line: &[u8]) -> Result<Self, SyntaxError> {
        // R5321-2.3.8.1: a bare CR or LF inside the line ends nothing; like any control character it spoils the line.
        if line.iter().any(|&octet| octet.is_ascii_control() && octet != b'\t') {
            return Err(SyntaxError::Unreadable);
        }
        let line = core::str::from_utf8(line).map_err(|_| SyntaxError::Unreadable)?;
        let line = line.trim_end_matches([' ', '\t']);
        let (verb, argument) = match line.split_once(' ') {
            Some((verb, argument)) => (verb, Some(argument)),
            None => (line, None),
        };
        // A verb and how it is written down; the closures keep the table in one piece.
        let bare = |command: Self| if argument.is_none() { Ok(command) } else { Err(SyntaxError::Argument) };
        let needed = || argument.map(str::trim_start).ok_or(SyntaxError::Argument);
        match () {
            () if verb.eq_ignore_ascii_case("LHLO") => parse_lhlo(needed()?),
            () if verb.eq_ignore_ascii_case("MAIL") => Ok(Self::Mail(parse_mail(needed()?)?)),
            () if verb.eq_ignore_ascii_case("RCPT") => parse_rcpt(needed()?),
            () if verb.eq_ignore_ascii_case("DATA") => bare(Self::Data),
            () if verb.eq_ignore_ascii_case("BDAT") => parse_bdat(needed()?),
            () if verb.eq_ignore_ascii_case("RSET") => bare(Self::Rset),
            () if verb.eq_ignore_ascii_case("NOOP") => Ok(Self::Noop),
            () if verb.eq_ignore_ascii_case("VRFY") => needed().map(|_| Self::Vrfy),
            () if verb.eq_ignore_ascii_case("EXPN") => Ok(Self::Expn),
            () if verb.eq_ignore_ascii_case("HELP") => Ok(Self::Help),
            () if verb.eq_ignore_ascii_case("STARTTLS") => bare(Self::StartTls),
            () if verb.eq_ignore_ascii_case("QUIT") => bare(Self::Quit),
            () if verb.eq_ignore_ascii_case("HELO") => Ok(Self::Helo),
            () if verb.eq_ignore_ascii_case("EHLO") => Ok(Self::Helo),
            () => Err(SyntaxError::UnknownCommand),
        }
    }

    /// Appends the command as a line with its CRLF. Parsing the line gives the command back.
    pub fn encode(&self, output: &mut Vec<u8>) {
        output.extend_from_slice(alloc::format!("{self}\r\n").as_bytes());
    }
}

impl fmt::Display for Command {
    /// The line without its CRLF. Verbs whose argument is ignored are written with the shortest that parses.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lhlo(name) => write!(out, "LHLO {name}"),
            Self::Helo => out.write_str("EHLO"),
            Self::Mail(mail) => {
                write!(out, "MAIL FROM:{}", mail.sender)?;
                if let Some(size) = mail.size {
                    write!(out, " SIZE={size}")?;
                }
                match mail.body {
                    Some(BodyKind::SevenBit) => out.write_str(" BODY=7BIT")?,
                    Some(BodyKind::EightBitMime) => out.write_str(" BODY=8BITMIME")?,
                    None => {}
                }
                if mail.smtputf8 { out.write_str(" SMTPUTF8") } else { Ok(()) }
            }
            Self::Rcpt(recipient) => write!(out, "RCPT TO:{recipient}"),
            Self::Data => out.write_str("DATA"),
            Self::Bdat { octets, is_last: false } => write!(out, "BDAT {octets}"),
            Self::Bdat { octets, is_last: true } => write!(out, "BDAT {octets} LAST"),
            Self::Rset => out.write_str("RSET"),
            Self::Noop => out.write_str("NOOP"),
            Self::Vrfy => out.write_str("VRFY postmaster"),
            Self::Expn => out.write_str("EXPN"),
            Self::Help => out.write_str("HELP"),
            Self::StartTls => out.write_str("STARTTLS"),
            Self::Quit => out.write_str("QUIT"),
        }
    }
}

/// `name`: a domain or an address literal. Only its shape is checked: it ends up in a Received line and nowhere else,
/// and clients call themselves all manner of things.
fn parse_lhlo(name: &str) -> Result<Command, SyntaxError> {
    let is_name = !name.is_empty() && name.len() <= 255 && name.bytes().all(|octet| octet.is_ascii_graphic());
    if is_name { Ok(Command::Lhlo(name.into())) } else { Err(SyntaxError::Argument) }
}

/// `FROM:<path> [parameters]`.
fn parse_mail(argument: &str) -> Result<Mail, SyntaxError> {
    let path = strip_label(argument, "FROM:").ok_or(SyntaxError::Argument)?;
    let (sender, rest) = ReversePath::cut(path).map_err(|_| SyntaxError::Sender)?;
    let mut mail = Mail { sender, size: None, body: None, smtputf8: false };
    for (keyword, value) in parameters(rest)? {
        if keyword.eq_ignore_ascii_case("SIZE") {
            let size = value.and_then(parse_number).ok_or(SyntaxError::Argument)?;
            once(mail.size.replace(size).is_none())?;
        } else if keyword.eq_ignore_ascii_case("BODY") {
            // R6152-2.1
            let body = match value {
                Some(value) if value.eq_ignore_ascii_case("7BIT") => BodyKind::SevenBit,
                Some(value) if value.eq_ignore_ascii_case("8BITMIME") => BodyKind::EightBitMime,
                Some(value) if value.eq_ignore_ascii_case("BINARYMIME") => {
                    return Err(SyntaxError::BinaryMime);
                }
                _ => return Err(SyntaxError::Argument),
            };
            once(mail.body.replace(body).is_none())?;
        } else if keyword.eq_ignore_ascii_case("SMTPUTF8") {
            // R6531-3.1.1: no value.
            once(value.is_none() && !mail.smtputf8)?;
            mail.smtputf8 = true;
        } else {
            return Err(SyntaxError::UnknownParameter);
        }
    }
    Ok(mail)
}

/// `TO:<path>`; none of the parameters that RCPT can have is offered.
fn parse_rcpt(argument: &str) -> Result<Command, SyntaxError> {
    let path = strip_label(argument, "TO:").ok_or(SyntaxError::Argument)?;
    let (recipient, rest) = ForwardPath::cut(path).map_err(|_| SyntaxError::Recipient)?;
    if parameters(rest)?.is_empty() {
        Ok(Command::Rcpt(recipient))
    } else {
        Err(SyntaxError::UnknownParameter)
    }
}

/// `octets [LAST]`. R3030-2.1
fn parse_bdat(argument: &str) -> Result<Command, SyntaxError> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let octets = words.next().and_then(parse_number).ok_or(SyntaxError::Argument)?;
    let is_last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(SyntaxError::Argument),
    };
    if words.next().is_none() { Ok(Command::Bdat { octets, is_last }) } else { Err(SyntaxError::Argument) }
}

/// What follows `FROM:` or `TO:`. Blanks after the colon are not in the grammar, but many clients send one.
fn strip_label<'a>(argument: &'a str, label: &str) -> Option<&'a str> {
    let (found, rest) = argument.split_at_checked(label.len())?;
    found.eq_ignore_ascii_case(label).then(|| rest.trim_start_matches(' '))
}

/// A keyword and, after its `=`, a value.
type Parameter<'a> = (&'a str, Option<&'a str>);

/// The parameters after a path, each with a well-formed keyword and value (RFC 5321 4.1.2, RFC 6531 3.3).
fn parameters(rest: &str) -> Result<Vec<Parameter<'_>>, SyntaxError> {
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(SyntaxError::Argument);
    }
    rest.split(' ')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| {
            let (keyword, value) = match parameter.split_once('=') {
                Some((keyword, value)) => (keyword, Some(value)),
                None => (parameter, None),
            };
            let is_keyword = keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
                && keyword.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
            let is_value = value.is_none_or(|value| {
                !value.is_empty() && value.bytes().all(|octet| matches!(octet, 33..=60 | 62..=126 | 128..))
            });
            if is_keyword && is_value { Ok((keyword, value)) } else { Err(SyntaxError::Argument) }
        })
        .collect()
}

/// 1 to 20 digits. What does not fit into 64 bits becomes the largest number, which is beyond every limit.
fn parse_number(digits: &str) -> Option<u64> {
    let is_number = (1..=20).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// A parameter may be given once.
fn once(is_first: bool) -> Result<(), SyntaxError> {
    if is_first { Ok(()) } else { Err(SyntaxError::Argument) }
}

#[cfg(test)]
mod tests;
