//! A login under way: which command or SASL response comes next.

use alloc::vec::Vec;

use super::ProtocolError;
use super::capabilities::Capabilities;
use super::request::{COMMAND_OCTETS_MAX, Login};
use crate::command::Command;
use crate::reply::{Reply, Status, parse_challenge};
use crate::sasl::{self, Mechanism, Method, apop, plain};
use crate::secret::Secret;

/// One login, from its first command to its last reply.
#[derive(Debug)]
pub(super) struct Exchange {
    login: Login,
    stage: Stage,
}

/// What the last line sent was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// USER, with PASS to follow.
    User,
    /// The last line of all: its reply decides.
    Last,
    /// AUTH PLAIN without the message, or with it for a server that may ask again.
    Plain,
    /// AUTH LOGIN.
    LoginBegin,
    /// The user name of LOGIN.
    LoginUser,
    /// `*`: the exchange is cancelled, only a refusal can follow.
    Cancelled,
}

/// What a reply line means for the login.
pub(super) enum Progress<'a> {
    /// The next line was appended.
    Sent,
    /// The login is over.
    Over(Reply<'a>),
}

impl Exchange {
    /// Appends the first line. The login has been checked; `None` when APOP has no timestamp to work on.
    pub(super) fn begin(
        login: Login,
        capabilities: Option<&Capabilities>,
        timestamp: Option<&[u8]>,
        output: &mut Vec<u8>,
    ) -> Option<Self> {
        let stage = match login.method {
            Method::UserPass => {
                Command::User(&login.user).encode(output);
                Stage::User
            }
            Method::Apop => {
                // R1939-7.26 R1939-7.29
                let digest = apop::digest(timestamp?, &login.password);
                Command::Apop { user: &login.user, digest }.encode(output);
                Stage::Last
            }
            Method::Sasl(Mechanism::Plain) => {
                // R5034-3.3: a server that lists no SASL may be one of RFC 1734, which has no initial response.
                let mut initial = Vec::new();
                if capabilities.is_some_and(|capabilities| capabilities.has_mechanism(Mechanism::Plain)) {
                    login.encode_plain(&mut initial);
                }
                let initial = Secret::new(initial);
                // R5034-4.9
                let octets = b"AUTH PLAIN \r\n".len() + initial.expose().len();
                let is_sent = !initial.is_empty() && octets <= COMMAND_OCTETS_MAX;
                let mechanism = Mechanism::Plain.name().as_bytes();
                let argument = is_sent.then(|| initial.expose());
                Command::Auth { mechanism: Some((mechanism, argument)) }.encode(output);
                Stage::Plain
            }
            Method::Sasl(_) => {
                let mechanism = Mechanism::Login.name().as_bytes();
                Command::Auth { mechanism: Some((mechanism, None)) }.encode(output);
                Stage::LoginBegin
            }
        };
        Some(Self { login, stage })
    }

    /// What a trace may show instead of the line that awaits its reply.
    pub(super) fn redaction(&self) -> Option<&'static str> {
        match (self.stage, self.login.method) {
            (Stage::User | Stage::LoginBegin | Stage::Cancelled, _) => None,
            (Stage::Last, Method::UserPass) => Some("PASS ****"),
            (Stage::Last, Method::Apop) => Some("APOP ****"),
            (Stage::Plain, _) => Some("AUTH PLAIN ****"),
            (Stage::LoginUser | Stage::Last, _) => Some("****"),
        }
    }

    /// Takes a line of the server.
    pub(super) fn advance<'a>(
        &mut self,
        line: &'a [u8],
        output: &mut Vec<u8>,
    ) -> Result<Progress<'a>, ProtocolError> {
        if let Some(challenge) = parse_challenge(line) {
            self.respond(challenge, output)?;
            return Ok(Progress::Sent);
        }
        let reply = Reply::parse(line).map_err(|_| ProtocolError::NotAReply)?;
        if self.stage == Stage::User && reply.status == Status::Ok {
            Command::Pass(self.login.password.expose()).encode(output);
            self.stage = Stage::Last;
            return Ok(Progress::Sent);
        }
        Ok(Progress::Over(reply))
    }

    /// Appends the response to a challenge.
    fn respond(&mut self, challenge: &[u8], output: &mut Vec<u8>) -> Result<(), ProtocolError> {
        // R5034-4.13: strict, no octet is skipped.
        let is_base64 = sasl::decode_base64(challenge).is_ok();
        self.stage = match self.stage {
            Stage::User | Stage::Cancelled => return Err(ProtocolError::UnexpectedChallenge),
            Stage::Last if matches!(self.login.method, Method::UserPass | Method::Apop) => {
                return Err(ProtocolError::UnexpectedChallenge);
            }
            // R5034-4.14; and a mechanism that is over has nothing more to say.
            _ if !is_base64 => cancel(output),
            Stage::Last => cancel(output),
            Stage::Plain => {
                self.login.encode_plain(output);
                Stage::Last
            }
            // What the challenges of LOGIN say differs from server to server and is ignored.
            Stage::LoginBegin => {
                sasl::encode_base64(&self.login.user, output);
                Stage::LoginUser
            }
            Stage::LoginUser => {
                sasl::encode_base64(self.login.password.expose(), output);
                Stage::Last
            }
        };
        output.extend_from_slice(b"\r\n");
        Ok(())
    }
}

impl Login {
    /// Appends the message of PLAIN in base64.
    fn encode_plain(&self, output: &mut Vec<u8>) {
        let message = plain::encode(self.authorization.as_deref(), &self.user, &self.password);
        debug_assert!(message.is_some(), "the parts were checked when the request was submitted");
        if let Some(message) = message {
            sasl::encode_base64(message.expose(), output);
        }
    }
}

/// Appends the cancellation.
fn cancel(output: &mut Vec<u8>) -> Stage {
    output.push(b'*');
    Stage::Cancelled
}
