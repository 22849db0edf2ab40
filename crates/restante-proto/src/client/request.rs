//! What a client can ask a server to do, and how each is spelled as a command.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::argument::{Argument, LanguageRange};
use crate::command::Command;
use crate::maildrop::{MessageNumber, Octets};
use crate::sasl::scram::client::Binding;
use crate::sasl::{Mechanism, Method, anonymous};
use crate::secret::Secret;

/// One thing to be done; most are one command.
#[derive(Debug)]
pub enum Request {
    /// CAPA: what can the server do? The answer is [`super::Session::capabilities`].
    Capabilities,
    /// STLS: begin TLS.
    StartTls,
    /// UTF8: messages and texts may be UTF-8 from now on. Only before the login, and after STLS (RFC 6856 section 2.1).
    Utf8,
    /// LANG: what the server says to the user is to be in this language, a basic language range (RFC 4647) or "*".
    Language(LanguageRange),
    /// All commands of one login.
    Login(Login),
    /// STAT.
    Stat,
    /// LIST of all messages.
    List,
    /// LIST of one message.
    ListOne(MessageNumber),
    /// UIDL of all messages.
    Uidl,
    /// UIDL of one message.
    UidlOne(MessageNumber),
    /// RETR.
    Retrieve {
        /// Which message.
        number: MessageNumber,
        /// How large LIST says that it is, so that no more is asked for ahead than
        /// [`Limits::ahead_octets_max`](super::Limits::ahead_octets_max). `None` counts as
        /// [`EXPECTED_OCTETS`].
        expected: Option<Octets>,
    },
    /// TOP.
    Top {
        /// Which message.
        number: MessageNumber,
        /// Lines of its body.
        lines: u64,
    },
    /// DELE.
    Delete(MessageNumber),
    /// NOOP.
    Noop,
    /// RSET.
    Reset,
    /// QUIT: makes the deletions real.
    Quit,
}

/// Who logs in, and how.
///
/// Names and secrets are sent as they are. Whoever types them may write them in several ways of Unicode: for SCRAM they are
/// to be prepared with SASLprep before (RFC 5802 section 5.1), in ASCII nothing changes by that.
#[derive(Debug)]
pub struct Login {
    /// USER and PASS, one of the SASL mechanisms, or APOP.
    pub method: Method,
    /// The user name: not empty, except that [`Mechanism::OAuthBearer`] can leave it to follow
    /// from the token. For [`Mechanism::Anonymous`] what we tell of ourselves, see [`anonymous::is_trace`]; may be empty.
    /// Not sent by [`Mechanism::External`].
    pub user: Argument,
    /// On whose behalf, if that is somebody else; only PLAIN, EXTERNAL and the SCRAM mechanisms can say it.
    pub authorization: Option<Argument>,
    /// The password, shared secret or token: not empty. Not looked at by EXTERNAL and ANONYMOUS.
    pub password: Argument,
    /// What some mechanisms need beside that.
    pub extras: Extras,
}

/// What some mechanisms need beside names and secrets.
#[derive(Debug, Default)]
pub struct Extras {
    /// SCRAM: 15 or more octets of chance, never used before.
    pub nonce: Vec<u8>,
    /// SCRAM: what of the TLS connection the login can be bound to; `None` only where there is nothing. It is used by the
    /// "-PLUS" mechanisms, and the others tell the server that it could have been (RFC 5802 section 6).
    pub binding: Option<Binding>,
    /// OAUTHBEARER: the host and port that the connection goes to.
    pub endpoint: Option<(String, u16)>,
    /// Where the client's first message stands.
    pub initial_response: InitialResponse,
}

/// Where the client's first message of a SASL exchange stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitialResponse {
    /// In the AUTH line when the server lists the mechanism and the line has at most 255 octets, else in the next.
    #[default]
    WhenShort,
    /// In the next line, when the server has asked for it. Exchange Online takes tokens only so (XOAUTH2-Microsoft.1).
    Never,
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidRequest {
    /// A user name or password is empty where it must not be, or holds CR, LF or NUL, which would make it another command.
    Argument,
    /// The user name holds a space, which only a SASL mechanism can carry.
    UserHasSpace,
    /// The method cannot say on whose behalf.
    Authorization,
    /// The command would be longer than the 255 octets that RFC 2449 section 4 allows.
    TooLong,
    /// A language range is not made of letters, digits and hyphens.
    Language,
    /// A SCRAM mechanism without enough chance, or a "-PLUS" without a binding.
    Extras,
    /// A token, and the connection is not encrypted (R7628-3.1, XOAUTH2-0.1).
    NeedsTls,
    /// QUIT was submitted already, or the session has ended.
    Closing,
}

impl fmt::Display for InvalidRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Argument => "a user name or password is empty or holds CR, LF or NUL",
            Self::UserHasSpace => "only a SASL mechanism can carry a user name with a space",
            Self::Authorization => "the login method cannot say on whose behalf",
            Self::TooLong => "the command would be longer than 255 octets",
            Self::Language => "a language range is made of letters, digits and hyphens",
            Self::Extras => "the SASL mechanism lacks a nonce or a channel binding",
            Self::NeedsTls => "a token is sent over an encrypted connection only",
            Self::Closing => "the session has ended",
        })
    }
}

impl core::error::Error for InvalidRequest {}

impl Login {
    /// A login on one's own behalf, with a password or token and nothing beside it.
    #[must_use]
    pub fn new(method: Method, user: Argument, password: Argument) -> Self {
        Self { method, user, authorization: None, password, extras: Extras::default() }
    }

    /// The same from octets.
    ///
    /// # Errors
    /// [`InvalidRequest::Argument`] when one of them holds CR, LF or NUL.
    pub fn of(method: Method, user: &[u8], password: Secret) -> Result<Self, InvalidRequest> {
        Ok(Self::new(method, Argument::new(user)?, Argument::of(password)?))
    }

    /// Whether it takes "UTF8 USER" to say it (R6856-2.2.7, R6856-2.2.9).
    pub(super) fn needs_utf8_user(&self) -> bool {
        let is_sasl = !matches!(self.method, Method::UserPass | Method::Apop);
        // The password of APOP does not go onto the wire, but what is done to it before the digest must be agreed on.
        !(is_sasl || self.user.octets().is_ascii() && self.password.octets().is_ascii())
    }

    /// Whether the login can be said at all; all that is left to do after this is to say it.
    pub(super) fn check(&self, is_encrypted: bool) -> Result<(), InvalidRequest> {
        self.check_parts()?;
        let (user, password) = (self.user.octets(), self.password.octets());
        // R2449-4.4. Lines of a SASL exchange have no limit of their own (R5034-4.15).
        let octets = match self.method {
            Method::UserPass | Method::Apop if user.contains(&b' ') => {
                return Err(InvalidRequest::UserHasSpace);
            }
            Method::UserPass => user.len().max(password.len()) + b"USER \r\n".len(),
            Method::Apop => b"APOP  \r\n".len() + user.len() + 32,
            Method::Sasl(mechanism) if mechanism.is_token() && !is_encrypted => {
                return Err(InvalidRequest::NeedsTls);
            }
            Method::Sasl(mechanism) => {
                if let Some((_, is_bound)) = mechanism.scram() {
                    let has_binding =
                        self.extras.binding.as_ref().is_some_and(|binding| !binding.octets.is_empty());
                    if self.extras.nonce.len() < NONCE_OCTETS_MIN || (is_bound && !has_binding) {
                        return Err(InvalidRequest::Extras);
                    }
                }
                0
            }
        };
        if octets > COMMAND_OCTETS_MAX { Err(InvalidRequest::TooLong) } else { Ok(()) }
    }

    /// Which of name, authorization and password are needed, and what may stand in them.
    fn check_parts(&self) -> Result<(), InvalidRequest> {
        let authorization = self.authorization.as_ref().map_or(&b"-"[..], Argument::octets);
        let (needs_user, needs_password, takes_authorization) = match self.method {
            Method::Sasl(Mechanism::Anonymous) if !anonymous::is_trace(self.user.octets()) => {
                return Err(InvalidRequest::Argument);
            }
            Method::Sasl(Mechanism::Anonymous) => (false, false, false),
            Method::Sasl(Mechanism::External) => (false, false, true),
            Method::Sasl(Mechanism::OAuthBearer) => (false, true, false),
            Method::Sasl(Mechanism::Plain) => (true, true, true),
            Method::Sasl(mechanism) => (true, true, mechanism.scram().is_some()),
            Method::UserPass | Method::Apop => (true, true, false),
        };
        let is_missing = (needs_user && self.user.is_empty())
            || (needs_password && self.password.is_empty())
            || authorization.is_empty();
        if is_missing {
            return Err(InvalidRequest::Argument);
        }
        if self.authorization.is_some() && !takes_authorization {
            return Err(InvalidRequest::Authorization);
        }
        Ok(())
    }
}

impl Request {
    /// The command. `None` for a login, which is spoken by `login`, command by command.
    // R1939-3.4 R1939-3.5
    pub(super) fn command(&self) -> Option<Command<'_>> {
        Some(match *self {
            Self::Utf8 => Command::Utf8,
            Self::Language(ref range) => Command::Lang(Some(range.as_str().as_bytes())),
            Self::Login(_) => return None,
            Self::Capabilities => Command::Capa,
            Self::StartTls => Command::Stls,
            Self::Stat => Command::Stat,
            Self::List => Command::List(None),
            Self::ListOne(number) => Command::List(Some(number)),
            Self::Uidl => Command::Uidl(None),
            Self::UidlOne(number) => Command::Uidl(Some(number)),
            Self::Retrieve { number, .. } => Command::Retr(number),
            Self::Top { number, lines } => Command::Top { number, lines },
            Self::Delete(number) => Command::Dele(number),
            Self::Noop => Command::Noop,
            Self::Reset => Command::Rset,
            Self::Quit => Command::Quit,
        })
    }

    /// A request for a whole message of a size that is not known.
    #[must_use]
    pub const fn retrieve(number: MessageNumber) -> Self {
        Self::Retrieve { number, expected: None }
    }

    /// What may be sent behind this one before its reply has come, and behind what this one may be sent.
    pub(super) const fn flight(&self) -> Flight {
        match self {
            Self::Capabilities
            | Self::Stat
            | Self::List
            | Self::ListOne(_)
            | Self::Uidl
            | Self::UidlOne(_)
            | Self::Retrieve { .. }
            | Self::Top { .. }
            | Self::Reset => Flight::Any,
            Self::Delete(_) | Self::Noop => Flight::Harmless,
            Self::Utf8 => Flight::BeforeLogin,
            Self::Login(_) => Flight::Login,
            Self::Quit => Flight::Quit,
            // R2595-4.5 among others.
            Self::StartTls | Self::Language(_) => Flight::Alone,
        }
    }

    /// The octets of messages that the reply is expected to bring.
    pub(super) fn expected_octets(&self) -> Option<u64> {
        match self {
            Self::Retrieve { expected, .. } => Some(expected.map_or(EXPECTED_OCTETS, Octets::as_u64)),
            Self::Top { .. } => Some(EXPECTED_OCTETS),
            _ => None,
        }
    }
}

/// How a request shares a flight with others (R2449-6.6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flight {
    /// Before and behind others.
    Any,
    /// The same, and QUIT may be sent behind it before the reply has come: whatever the reply is, it takes back nothing
    /// that led to the deletions.
    Harmless,
    /// A login may be sent behind it.
    BeforeLogin,
    /// Behind [`BeforeLogin`](Self::BeforeLogin) only; nothing behind it.
    Login,
    /// Behind [`Harmless`](Self::Harmless) only, since nothing is to become final before all that led to it is known;
    /// nothing behind it.
    Quit,
    /// Neither behind nor before anything.
    Alone,
}

impl Flight {
    /// Whether `next` may be sent while this one is not answered.
    pub(super) const fn admits(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Any | Self::Harmless, Self::Any | Self::Harmless)
                | (Self::Harmless, Self::Quit)
                | (Self::BeforeLogin, Self::Login)
        )
    }
}

/// How large a message, or the answer to TOP, is taken to be when nobody says.
pub const EXPECTED_OCTETS: u64 = 16 * 1024;

/// The longest command with its CRLF (R2449-4.4).
pub(super) const COMMAND_OCTETS_MAX: usize = 255;

/// As many octets of chance as no two logins will ever share; RFC 7677 has so many in its example.
const NONCE_OCTETS_MIN: usize = 15;
