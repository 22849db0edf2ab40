//! Capabilities as CAPA lists them (RFC 2449 section 5), one a line. Which of them a server lists when is decided by
//! its session; what a client makes of them by its own.

use alloc::vec::Vec;

use crate::reply::{LINE_OCTETS_MAX, decimal, parse_decimal};

/// One line of the reply to CAPA. A tag holds no dot, so no line of the list needs byte-stuffing (R2449-3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability<'a> {
    /// TOP exists.
    Top,
    /// USER and PASS exist.
    User,
    /// AUTH exists, with these mechanisms: names with one space between them.
    Sasl(&'a [u8]),
    /// A text that begins with "[" is a response code.
    RespCodes,
    /// \[AUTH\] marks every credential failure and nothing else (RFC 3206).
    AuthRespCode,
    /// STLS is permitted now (RFC 2595).
    Stls,
    /// Commands may be sent without awaiting replies.
    Pipelining,
    /// UIDL exists.
    Uidl,
    /// How long mail is kept.
    Expire {
        /// The shortest time.
        expire: Expire,
        /// The time depends on the user; ask again after login.
        per_user: bool,
    },
    /// How soon after a login the next one is refused.
    LoginDelay {
        /// The longest time in seconds.
        seconds: u32,
        /// The time depends on the user; ask again after login.
        per_user: bool,
    },
    /// What the server is. No client behaves differently for it (R2449-6.9.2).
    Implementation(&'a [u8]),
    /// UTF8 exists, also as an argument of USER (RFC 6856).
    Utf8 {
        /// USER and PASS take UTF-8 too.
        user: bool,
    },
    /// LANG exists (RFC 6856).
    Lang,
    /// A capability that is not known here, or one whose parameters make no sense. To be ignored (R2449-5.9).
    Other(&'a [u8]),
}

/// How long a server keeps mail (RFC 2449 section 6.7, R2449-6.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expire {
    /// For ever.
    Never,
    /// At least so many days; 0 means that mail may not be left on the server.
    Days(u16),
}

impl<'a> Capability<'a> {
    /// Reads one line, without its line end.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Self {
        let (tag, parameters) = match line.iter().position(|&octet| octet == b' ') {
            Some(end) => line.split_at_checked(end).unwrap_or((line, &[])),
            None => (line, &[][..]),
        };
        let parameters = parameters.strip_prefix(b" ").unwrap_or(parameters);
        // R2449-5.4. No known tag is longer than "AUTH-RESP-CODE".
        let mut upper = [0; 14];
        let Some(upper) = upper.get_mut(..tag.len()) else { return Self::Other(line) };
        upper.copy_from_slice(tag);
        upper.make_ascii_uppercase();
        let mut words = parameters.split(|&octet| octet == b' ');
        let first = words.next().unwrap_or_default();
        let per_user = words.next().is_some_and(|second| second.eq_ignore_ascii_case(b"USER"));
        match &*upper {
            b"TOP" => Self::Top,
            b"USER" => Self::User,
            b"SASL" => Self::Sasl(parameters),
            b"RESP-CODES" => Self::RespCodes,
            b"AUTH-RESP-CODE" => Self::AuthRespCode,
            b"STLS" => Self::Stls,
            b"PIPELINING" => Self::Pipelining,
            b"UIDL" => Self::Uidl,
            b"EXPIRE" => match Expire::parse(first) {
                Some(expire) => Self::Expire { expire, per_user },
                None => Self::Other(line),
            },
            b"LOGIN-DELAY" => match parse_decimal(first).and_then(|seconds| u32::try_from(seconds).ok()) {
                Some(seconds) => Self::LoginDelay { seconds, per_user },
                None => Self::Other(line),
            },
            b"IMPLEMENTATION" => Self::Implementation(parameters),
            b"UTF8" => Self::Utf8 { user: first.eq_ignore_ascii_case(b"USER") },
            b"LANG" => Self::Lang,
            _ => Self::Other(line),
        }
    }

    /// Appends the line with its CR LF, of at most 512 octets. Octets that have no place in it are left out.
    pub fn encode(&self, output: &mut Vec<u8>) {
        let start = output.len();
        match self {
            Self::Top => output.extend_from_slice(b"TOP"),
            Self::User => output.extend_from_slice(b"USER"),
            Self::Sasl(mechanisms) => encode_text(b"SASL ", mechanisms, output),
            Self::RespCodes => output.extend_from_slice(b"RESP-CODES"),
            Self::AuthRespCode => output.extend_from_slice(b"AUTH-RESP-CODE"),
            Self::Stls => output.extend_from_slice(b"STLS"),
            Self::Pipelining => output.extend_from_slice(b"PIPELINING"),
            Self::Uidl => output.extend_from_slice(b"UIDL"),
            Self::Expire { expire, per_user } => {
                output.extend_from_slice(b"EXPIRE ");
                match expire {
                    Expire::Never => output.extend_from_slice(b"NEVER"),
                    Expire::Days(days) => decimal(u64::from(*days), output),
                }
                encode_per_user(*per_user, output);
            }
            Self::LoginDelay { seconds, per_user } => {
                output.extend_from_slice(b"LOGIN-DELAY ");
                decimal(u64::from(*seconds), output);
                encode_per_user(*per_user, output);
            }
            Self::Implementation(text) => encode_text(b"IMPLEMENTATION ", text, output),
            Self::Utf8 { user } => {
                output.extend_from_slice(b"UTF8");
                encode_per_user(*user, output);
            }
            Self::Lang => output.extend_from_slice(b"LANG"),
            Self::Other(line) => encode_text(b"", line, output),
        }
        // R2449-5.7
        debug_assert!(output.len() - start <= LINE_OCTETS_MAX - 2, "texts are cut");
        output.extend_from_slice(b"\r\n");
    }
}

impl Expire {
    fn parse(word: &[u8]) -> Option<Self> {
        if word.eq_ignore_ascii_case(b"NEVER") {
            return Some(Self::Never);
        }
        // More days than fit are as many as fit: a client only asks whether it is soon.
        parse_decimal(word).map(|days| Self::Days(u16::try_from(days).unwrap_or(u16::MAX)))
    }
}

/// R2449-5.6: words of visible characters, one space between them.
fn encode_text(tag: &[u8], text: &[u8], output: &mut Vec<u8>) {
    let end = output.len() + LINE_OCTETS_MAX - 2;
    output.extend_from_slice(tag);
    let mut words = text.split(|octet| !octet.is_ascii_graphic()).filter(|word| !word.is_empty());
    let mut is_first = true;
    for word in &mut words {
        let free = end - output.len();
        if word.len() + usize::from(!is_first) > free {
            break;
        }
        if !is_first {
            output.push(b' ');
        }
        output.extend_from_slice(word);
        is_first = false;
    }
}

fn encode_per_user(per_user: bool, output: &mut Vec<u8>) {
    if per_user {
        output.extend_from_slice(b" USER");
    }
}

#[cfg(test)]
mod tests;
