//! The commands of POP3: from a line to a [`Command`] and back. In which state a command is possible is the match in
//! `server/authorization.rs` and `server/transaction.rs`.

pub mod xtnd;

use alloc::vec::Vec;
use core::fmt;

use crate::maildrop::MessageNumber;
use crate::reply::{decimal, parse_decimal};
use crate::sasl::apop;
use crate::secret::make_room;

/// A command with its arguments, as one line of the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// USER: one argument without spaces.
    User(&'a [u8]),
    /// PASS: all octets behind the first space. May be empty.
    Pass(&'a [u8]),
    /// APOP.
    Apop {
        /// The user name, without spaces.
        user: &'a [u8],
        /// The digest over timestamp and secret.
        digest: [u8; 16],
    },
    /// AUTH. Without mechanism it asks for their list, which no RFC knows but some clients use.
    Auth {
        /// The mechanism's name and the initial response as sent, that is base64 or "=".
        mechanism: Option<(&'a [u8], Option<&'a [u8]>)>,
    },
    /// CAPA.
    Capa,
    /// STLS.
    Stls,
    /// STAT.
    Stat,
    /// LIST of one message or all.
    List(Option<MessageNumber>),
    /// RETR.
    Retr(MessageNumber),
    /// DELE.
    Dele(MessageNumber),
    /// NOOP.
    Noop,
    /// RSET.
    Rset,
    /// TOP.
    Top {
        /// The message.
        number: MessageNumber,
        /// How many lines of its body. A number that does not fit saturates: it means all of them.
        lines: u64,
    },
    /// UIDL of one message or all.
    Uidl(Option<MessageNumber>),
    /// UTF8 (RFC 6856 section 2.1).
    Utf8,
    /// LANG (RFC 6856 section 3): the language range, or none for the list of languages.
    Lang(Option<&'a [u8]>),
    /// LAST of RFC 1460, which RFC 1725 took out.
    Last,
    /// XTND with what follows it, see [`xtnd`].
    Xtnd(Option<&'a [u8]>),
    /// QUIT.
    Quit,
}

/// What is wrong with a line that is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The keyword is not known.
    Unknown,
    /// An argument is missing.
    Missing,
    /// There is an argument too many.
    Unexpected,
    /// An argument is not what it should be, or there is more than one space before it.
    Invalid,
    /// The message-number is 0 or does not fit 32 bits: no maildrop has such a message.
    NoSuchMessage,
}

impl<'a> Command<'a> {
    /// Reads a line without its line end. Keywords are taken in any case; arguments follow exactly one space each.
    /// Spaces behind a command that has no argument are forgiven.
    ///
    /// # Errors
    /// The [`Flaw`] of the line, when it is no command.
    pub fn parse(line: &'a [u8]) -> Result<Self, Flaw> {
        let (keyword, arguments) = split_word(line);
        // R1939-3.3, R1939-3.6: every keyword has four letters but TOP.
        let mut upper = [0; 4];
        upper.get_mut(..keyword.len()).ok_or(Flaw::Unknown)?.copy_from_slice(keyword);
        upper.make_ascii_uppercase();
        match &upper {
            b"USER" => name(arguments.ok_or(Flaw::Missing)?).map(Self::User),
            b"PASS" => password(arguments).map(Self::Pass),
            b"APOP" => apop(arguments),
            b"AUTH" => auth(arguments),
            b"CAPA" => none(arguments, Self::Capa),
            b"STLS" => none(arguments, Self::Stls),
            b"STAT" => none(arguments, Self::Stat),
            b"LIST" => optional_number(arguments).map(Self::List),
            b"RETR" => number(arguments).map(Self::Retr),
            b"DELE" => number(arguments).map(Self::Dele),
            b"NOOP" => none(arguments, Self::Noop),
            b"RSET" => none(arguments, Self::Rset),
            b"TOP\0" if keyword.len() == 3 => top(arguments),
            b"UIDL" => optional_number(arguments).map(Self::Uidl),
            // R6856-2.1.1
            b"UTF8" => none(arguments, Self::Utf8),
            b"LANG" => lang(arguments),
            b"LAST" => none(arguments, Self::Last),
            b"XTND" => Ok(Self::Xtnd(arguments)),
            b"QUIT" => none(arguments, Self::Quit),
            _ => Err(Flaw::Unknown),
        }
    }

    /// Appends the command as a line with CR LF. That arguments hold no CR, LF or misplaced space is the caller's
    /// promise; [`Command::parse`] of the line tells.
    ///
    /// What `output` holds after PASS or AUTH is the caller's to overwrite; nothing of it is left elsewhere.
    pub fn encode(&self, output: &mut Vec<u8>) {
        match *self {
            Self::Pass(password) => make_room(output, b"PASS \r\n".len() + password.len()),
            Self::Auth { mechanism: Some((name, Some(initial))) } => {
                make_room(output, b"AUTH  \r\n".len() + name.len() + initial.len());
            }
            _ => {}
        }
        output.extend_from_slice(self.keyword().as_bytes());
        match *self {
            Self::User(argument) | Self::Pass(argument) => word(argument, output),
            Self::Xtnd(arguments) => arguments.into_iter().for_each(|arguments| word(arguments, output)),
            Self::Apop { user, digest } => {
                word(user, output);
                word(&apop::to_hex(&digest), output);
            }
            Self::Auth { mechanism } => {
                if let Some((mechanism, initial)) = mechanism {
                    word(mechanism, output);
                    initial.into_iter().for_each(|initial| word(initial, output));
                }
            }
            Self::List(Some(number)) | Self::Uidl(Some(number)) | Self::Retr(number) | Self::Dele(number) => {
                number_word(u64::from(number.as_u32()), output);
            }
            Self::Top { number, lines } => {
                number_word(u64::from(number.as_u32()), output);
                number_word(lines, output);
            }
            Self::Lang(Some(range)) => word(range, output),
            Self::Capa | Self::Stls | Self::Stat | Self::List(None) | Self::Utf8 | Self::Lang(None) => {}
            Self::Noop | Self::Rset | Self::Uidl(None) | Self::Last | Self::Quit => {}
        }
        output.extend_from_slice(b"\r\n");
    }

    /// The keyword, in upper case.
    #[must_use]
    pub const fn keyword(&self) -> &'static str {
        match self {
            Self::User(_) => "USER",
            Self::Pass(_) => "PASS",
            Self::Apop { .. } => "APOP",
            Self::Auth { .. } => "AUTH",
            Self::Capa => "CAPA",
            Self::Stls => "STLS",
            Self::Stat => "STAT",
            Self::List(_) => "LIST",
            Self::Retr(_) => "RETR",
            Self::Dele(_) => "DELE",
            Self::Noop => "NOOP",
            Self::Rset => "RSET",
            Self::Top { .. } => "TOP",
            Self::Uidl(_) => "UIDL",
            Self::Utf8 => "UTF8",
            Self::Lang(_) => "LANG",
            Self::Last => "LAST",
            Self::Xtnd(_) => "XTND",
            Self::Quit => "QUIT",
        }
    }
}

// Arguments may be secrets.
impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Command").field(&self.keyword()).finish_non_exhaustive()
    }
}

/// The first word, and what follows the first space if there is one.
fn split_word(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&octet| octet == b' ') {
        Some(end) => (text.get(..end).unwrap_or_default(), text.get(end + 1..)),
        None => (text, None),
    }
}

/// R1939-5.22; trailing spaces are tolerated, they can mean nothing else.
fn none<'a>(arguments: Option<&[u8]>, command: Command<'a>) -> Result<Command<'a>, Flaw> {
    if is_blank(arguments) { Ok(command) } else { Err(Flaw::Unexpected) }
}

fn is_blank(arguments: Option<&[u8]>) -> bool {
    arguments.is_none_or(|arguments| arguments.iter().all(|&octet| octet == b' '))
}

/// A name as one argument. Octets above 127 pass: names may be UTF-8.
fn name(argument: &[u8]) -> Result<&[u8], Flaw> {
    // R2449-3.1
    match argument {
        [] => Err(Flaw::Missing),
        _ if argument.iter().any(|octet| octet.is_ascii_control() || *octet == b' ') => Err(Flaw::Invalid),
        _ => Ok(argument),
    }
}

/// PASS has one argument, so that every space is part of it: leading, inner and trailing (R1939-7.22).
fn password(argument: Option<&[u8]>) -> Result<&[u8], Flaw> {
    let argument = argument.ok_or(Flaw::Missing)?;
    if argument.contains(&0) { Err(Flaw::Invalid) } else { Ok(argument) }
}

fn apop(arguments: Option<&[u8]>) -> Result<Command<'_>, Flaw> {
    // R1939-7.28
    let (user, digest) = split_word(arguments.ok_or(Flaw::Missing)?);
    let user = name(user)?;
    // R1939-7.26
    let digest = apop::from_hex(digest.ok_or(Flaw::Missing)?).ok_or(Flaw::Invalid)?;
    Ok(Command::Apop { user, digest })
}

fn auth(arguments: Option<&[u8]>) -> Result<Command<'_>, Flaw> {
    let Some(arguments) = arguments.filter(|_| !is_blank(arguments)) else {
        return Ok(Command::Auth { mechanism: None });
    };
    let (mechanism, initial) = split_word(arguments);
    let mechanism = name(mechanism)?;
    match initial {
        // An initial response that is empty is "=" (R5034-4.1).
        Some([]) => Err(Flaw::Invalid),
        Some(initial) if initial.contains(&b' ') => Err(Flaw::Unexpected),
        initial => Ok(Command::Auth { mechanism: Some((mechanism, initial)) }),
    }
}

/// A basic language range is letters, digits and hyphens, or "*" (RFC 4647 section 2.1).
fn lang(arguments: Option<&[u8]>) -> Result<Command<'_>, Flaw> {
    if is_blank(arguments) {
        return Ok(Command::Lang(None));
    }
    let range = argument(arguments)?;
    let is_range = range == b"*" || range.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-');
    if is_range { Ok(Command::Lang(Some(range))) } else { Err(Flaw::Invalid) }
}

fn top(arguments: Option<&[u8]>) -> Result<Command<'_>, Flaw> {
    // R1939-7.5
    let (number, lines) = split_word(arguments.ok_or(Flaw::Missing)?);
    let number = message_number(number)?;
    let lines = parse_decimal(argument(lines)?).ok_or(Flaw::Invalid)?;
    Ok(Command::Top { number, lines })
}

fn optional_number(arguments: Option<&[u8]>) -> Result<Option<MessageNumber>, Flaw> {
    if is_blank(arguments) { Ok(None) } else { number(arguments).map(Some) }
}

fn number(arguments: Option<&[u8]>) -> Result<MessageNumber, Flaw> {
    message_number(argument(arguments)?)
}

/// The last argument of a command.
fn argument(arguments: Option<&[u8]>) -> Result<&[u8], Flaw> {
    match arguments {
        // R1939-5.17
        None | Some([]) => Err(Flaw::Missing),
        // Two spaces in a row, or one behind the last argument.
        Some([b' ', ..] | [.., b' ']) => Err(Flaw::Invalid),
        Some(argument) if argument.contains(&b' ') => Err(Flaw::Unexpected),
        Some(argument) => Ok(argument),
    }
}

/// R1939-5.12: digits only, so no sign; what does not fit is no message of ours and never wraps into one.
fn message_number(digits: &[u8]) -> Result<MessageNumber, Flaw> {
    let number = parse_decimal(digits).ok_or(Flaw::Invalid)?;
    u32::try_from(number).ok().and_then(MessageNumber::new).ok_or(Flaw::NoSuchMessage)
}

fn word(argument: &[u8], output: &mut Vec<u8>) {
    output.push(b' ');
    output.extend_from_slice(argument);
}

fn number_word(number: u64, output: &mut Vec<u8>) {
    output.push(b' ');
    decimal(number, output);
}

#[cfg(test)]
mod tests;
