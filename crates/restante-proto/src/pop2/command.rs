//! The commands of POP2: from a line to a [`Command`]. In which state a command is possible is the match in
//! `pop2/session.rs`.

use alloc::vec::Vec;
use core::fmt;

use crate::reply::parse_decimal;
use crate::secret::Secret;

/// A command with its arguments, the quoting taken off.
pub enum Command {
    /// HELO: who it is, and the password.
    Helo {
        /// The user name.
        user: Vec<u8>,
        /// The password.
        password: Secret,
    },
    /// FOLD: the mailbox to select.
    Fold(Vec<u8>),
    /// READ: the message to make the current one, if one is named. A number that does not fit saturates; no maildrop has
    /// such a message.
    Read(Option<u64>),
    /// RETR.
    Retr,
    /// ACKS.
    Acks,
    /// ACKD.
    Ackd,
    /// NACK.
    Nack,
    /// QUIT.
    Quit,
}

/// A line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Command {
    /// Reads a line without its line end. Keywords are taken in any case.
    ///
    /// # Errors
    /// When the line is no command.
    pub fn parse(line: &[u8]) -> Result<Self, Malformed> {
        let (keyword, arguments) = line.split_at_checked(KEYWORD_OCTETS).ok_or(Malformed)?;
        let mut upper = [0; KEYWORD_OCTETS];
        upper.copy_from_slice(keyword);
        upper.make_ascii_uppercase();
        match &upper {
            b"HELO" => helo(arguments),
            b"FOLD" => fold(arguments),
            b"READ" => read(arguments).map(Self::Read),
            b"RETR" => none(arguments, Self::Retr),
            b"ACKS" => none(arguments, Self::Acks),
            b"ACKD" => none(arguments, Self::Ackd),
            b"NACK" => none(arguments, Self::Nack),
            b"QUIT" => none(arguments, Self::Quit),
            _ => Err(Malformed),
        }
    }

    /// The keyword, in upper case.
    #[must_use]
    pub const fn keyword(&self) -> &'static str {
        match self {
            Self::Helo { .. } => "HELO",
            Self::Fold(_) => "FOLD",
            Self::Read(_) => "READ",
            Self::Retr => "RETR",
            Self::Acks => "ACKS",
            Self::Ackd => "ACKD",
            Self::Nack => "NACK",
            Self::Quit => "QUIT",
        }
    }
}

// Arguments may be secrets.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Command").field(&self.keyword()).finish_non_exhaustive()
    }
}

/// Two words and nothing else: a space in the password is quoted (R937-cmds.1).
fn helo(arguments: &[u8]) -> Result<Command, Malformed> {
    let (user, rest) = word(arguments)?;
    let (password, rest) = word(rest)?;
    let password = Secret::new(password);
    if rest.is_empty() { Ok(Command::Helo { user, password }) } else { Err(Malformed) }
}

/// The rest of the line is the mailbox's name: a space in it needs no quoting.
fn fold(arguments: &[u8]) -> Result<Command, Malformed> {
    let written = arguments.strip_prefix(b" ").ok_or(Malformed)?;
    let (mailbox, rest) = unquote(written, |octet| octet == b' ' || is_print(octet))?;
    if rest.is_empty() && !mailbox.is_empty() { Ok(Command::Fold(mailbox)) } else { Err(Malformed) }
}

/// The RFC's own second example has two spaces before the number.
fn read(arguments: &[u8]) -> Result<Option<u64>, Malformed> {
    let digits = arguments.trim_ascii_start();
    if digits.is_empty() {
        return Ok(None);
    }
    if digits.len() == arguments.len() {
        return Err(Malformed);
    }
    parse_decimal(digits).map(Some).ok_or(Malformed)
}

/// Trailing spaces are tolerated, they can mean nothing else.
fn none(arguments: &[u8], command: Command) -> Result<Command, Malformed> {
    if arguments.iter().all(|&octet| octet == b' ') { Ok(command) } else { Err(Malformed) }
}

/// The word behind one space, and what follows it.
fn word(arguments: &[u8]) -> Result<(Vec<u8>, &[u8]), Malformed> {
    let written = arguments.strip_prefix(b" ").ok_or(Malformed)?;
    let (word, rest) = unquote(written, is_print)?;
    if word.is_empty() { Err(Malformed) } else { Ok((word, rest)) }
}

/// Takes octets as long as they are `plain` or quoted by a backslash; gives them without the quoting, and the rest.
fn unquote(written: &[u8], plain: impl Fn(u8) -> bool) -> Result<(Vec<u8>, &[u8]), Malformed> {
    // Wiped by the caller where it is a password: the capacity is never outgrown, so that no copy is left behind.
    let mut text = Vec::with_capacity(written.len());
    let mut rest = written;
    while let Some((&first, after)) = rest.split_first() {
        match (first, after.split_first()) {
            // NUL alone is kept out: no name and no password has one, and other programs would cut them there.
            (b'\\', Some((&quoted, after))) if quoted != 0 => {
                text.push(quoted);
                rest = after;
            }
            (b'\\', _) => return Err(Malformed),
            (octet, _) if plain(octet) => {
                text.push(octet);
                rest = after;
            }
            _ => break,
        }
    }
    Ok((text, rest))
}

/// Octets above 127 pass, though the RFC of 1985 knows ASCII alone: names may be UTF-8.
const fn is_print(octet: u8) -> bool {
    octet.is_ascii_graphic() || !octet.is_ascii()
}

/// Every keyword has four letters.
const KEYWORD_OCTETS: usize = 4;

#[cfg(test)]
mod tests;
