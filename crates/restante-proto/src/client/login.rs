//! A login under way: which command or SASL response comes next.

use alloc::vec::Vec;

use super::argument::Argument;
use super::capabilities::Capabilities;
use super::request::{COMMAND_OCTETS_MAX, InitialResponse, Login};
use super::{NotPossible, ProtocolError, Refusal};
use crate::command::Command;
use crate::reply::{Reply, Status};
use crate::sasl::oauth::{self, Form};
use crate::sasl::scram::client::{self as scram, Bound, Fault, Verdict};
use crate::sasl::{self, Mechanism, Method, apop, cram_md5, plain};
use crate::secret::Secret;

/// One login, from its first command to its last reply.
#[derive(Debug)]
pub(super) struct Exchange {
    login: Login,
    stage: Stage,
}

/// What the last line sent was, and with it what may come.
#[derive(Debug)]
enum Stage {
    /// USER, with PASS to follow.
    User,
    /// USER, with PASS sent behind it.
    UserAndPass,
    /// PASS, whose reply says nothing any more, since USER was refused.
    PassInVain(Refusal),
    /// The last line of all: its reply decides.
    Last,
    /// AUTH of a mechanism in which the server speaks first.
    ServerFirst,
    /// The user name of LOGIN.
    LoginUser,
    /// AUTH of a mechanism in which the client speaks first, without its message or with it.
    ClientFirst(Opening),
    /// The first message of SCRAM, in a line of its own.
    ScramFirst(scram::Exchange),
    /// The last message of SCRAM.
    ScramLast(scram::Exchange),
    /// The server has shown that it knows the verifier, and has heard that we are content.
    ScramVerified,
    /// `*`: the exchange is cancelled, only a refusal can follow.
    Cancelled,
}

/// The first message of a mechanism in which the client speaks first.
#[derive(Debug)]
struct Opening {
    message: Secret,
    scram: Option<scram::Exchange>,
    /// It stands in the AUTH line already. A server that does not know initial responses asks for it all the same.
    is_sent: bool,
}

/// What a reply line means for the login.
pub(super) enum Progress {
    /// The next line was appended.
    Sent,
    /// Another reply is to come.
    More,
    /// The login is done.
    Granted,
    /// The login is refused.
    Refused(Refusal),
}

impl Exchange {
    /// Appends the first line. The login has been checked.
    pub(super) fn begin(
        login: Login,
        capabilities: Option<&Capabilities>,
        timestamp: Option<&[u8]>,
        output: &mut Vec<u8>,
    ) -> Result<Self, NotPossible> {
        let stage = match login.method {
            Method::UserPass => {
                Command::User(login.user.octets()).encode(output);
                if capabilities.is_some_and(|listed| listed.pipelining) {
                    Command::Pass(login.password.octets()).encode(output);
                    Stage::UserAndPass
                } else {
                    Stage::User
                }
            }
            Method::Apop => {
                // R1939-7.26 R1939-7.29
                let timestamp = timestamp.ok_or(NotPossible::NoTimestamp)?;
                let digest = apop::digest(timestamp, login.password.secret());
                Command::Apop { user: login.user.octets(), digest }.encode(output);
                Stage::Last
            }
            Method::Sasl(mechanism) => {
                let opening = login.opening(mechanism, capabilities)?;
                login.authenticate(mechanism, opening, capabilities, output)
            }
        };
        Ok(Self { login, stage })
    }

    /// What a trace may show instead of the lines that were sent last: lines with CRLF.
    pub(super) fn redaction(&self) -> Option<Vec<u8>> {
        let shown = match (&self.stage, self.login.method) {
            (Stage::User | Stage::ServerFirst | Stage::Cancelled, _) => return None,
            (Stage::ClientFirst(Opening { is_sent: false, .. }), _) => return None,
            (Stage::UserAndPass, _) => {
                let mut shown = Vec::new();
                Command::User(self.login.user.octets()).encode(&mut shown);
                shown.extend_from_slice(b"PASS ****\r\n");
                return Some(shown);
            }
            (Stage::Last | Stage::PassInVain(_), Method::UserPass) => "PASS ****",
            (Stage::Last, Method::Apop) => "APOP ****",
            (Stage::ClientFirst(_), Method::Sasl(mechanism)) => redacted(mechanism),
            _ => "****",
        };
        Some([shown.as_bytes(), b"\r\n"].concat())
    }

    /// Why the login has failed already, though a reply is still to come.
    pub(super) const fn refusal(&self) -> Option<&Refusal> {
        match &self.stage {
            Stage::PassInVain(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Takes a challenge of the server, in base64; appends the response.
    pub(super) fn challenged(&mut self, challenge: &[u8], output: &mut Vec<u8>) -> Result<(), ProtocolError> {
        self.respond(challenge, output)?;
        output.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Takes a reply of the server.
    pub(super) fn replied(
        &mut self,
        reply: &Reply<'_>,
        output: &mut Vec<u8>,
    ) -> Result<Progress, ProtocolError> {
        match (&self.stage, reply.status) {
            (Stage::User, Status::Ok) => {
                Command::Pass(self.login.password.octets()).encode(output);
                self.stage = Stage::Last;
                Ok(Progress::Sent)
            }
            (Stage::UserAndPass, Status::Ok) => {
                self.stage = Stage::Last;
                Ok(Progress::More)
            }
            (Stage::UserAndPass, Status::Err) => {
                self.stage = Stage::PassInVain(Refusal::of(reply));
                Ok(Progress::More)
            }
            (Stage::PassInVain(_), Status::Ok) => Err(ProtocolError::LoginContradicted),
            (Stage::PassInVain(refusal), Status::Err) => Ok(Progress::Refused(refusal.clone())),
            // R5802-5.2: whoever says so has not shown to be the server.
            (stage, Status::Ok) if self.login.is_scram() && !matches!(stage, Stage::ScramVerified) => {
                Err(ProtocolError::ServerUnproven)
            }
            (_, Status::Ok) => Ok(Progress::Granted),
            (_, Status::Err) => Ok(Progress::Refused(Refusal::of(reply))),
        }
    }

    /// Appends the response to a challenge, without its line end.
    fn respond(&mut self, challenge: &[u8], output: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let stage = core::mem::replace(&mut self.stage, Stage::Cancelled);
        match (&stage, self.login.method) {
            (Stage::User | Stage::UserAndPass | Stage::PassInVain(_), _)
            | (Stage::Cancelled | Stage::ScramVerified, _)
            | (Stage::Last, Method::UserPass | Method::Apop) => {
                return Err(ProtocolError::UnexpectedChallenge);
            }
            _ => {}
        }
        // R5034-4.13, R5034-4.14: strict, no octet is skipped.
        let Ok(challenge) = sasl::decode_base64(challenge) else {
            output.push(b'*');
            return Ok(());
        };
        self.stage = self.login.respond(stage, challenge.expose(), output)?;
        Ok(())
    }
}

impl Login {
    fn is_scram(&self) -> bool {
        matches!(self.method, Method::Sasl(mechanism) if mechanism.scram().is_some())
    }

    /// The message with which the client begins; `None` where the server speaks first.
    fn opening(
        &self,
        mechanism: Mechanism,
        capabilities: Option<&Capabilities>,
    ) -> Result<Option<Opening>, NotPossible> {
        let name = self.user.octets();
        let user = (!name.is_empty()).then_some(name);
        let authorization = self.authorization.as_ref().map(Argument::octets);
        let password = self.password.secret();
        let message = match mechanism {
            Mechanism::CramMd5 | Mechanism::Login => return Ok(None),
            Mechanism::Plain => plain::encode(authorization, name, password),
            Mechanism::External => Some(Secret::new(authorization.unwrap_or_default().to_vec())),
            Mechanism::Anonymous => Some(Secret::new(name.to_vec())),
            Mechanism::OAuthBearer => {
                let endpoint = self.extras.endpoint.as_ref().map(|(host, port)| (&host[..], *port));
                oauth::bearer(user, endpoint, password)
            }
            Mechanism::XOAuth2 => oauth::xoauth2(name, password),
            _ => return self.scram_opening(mechanism, capabilities).map(Some),
        };
        let message = message.ok_or(NotPossible::NotEncodable)?;
        Ok(Some(Opening { message, scram: None, is_sent: false }))
    }

    fn scram_opening(
        &self,
        mechanism: Mechanism,
        capabilities: Option<&Capabilities>,
    ) -> Result<Opening, NotPossible> {
        let (hash, is_bound) = mechanism.scram().ok_or(NotPossible::NotEncodable)?;
        // R5802-6.4
        let bound = match (&self.extras.binding, is_bound) {
            (Some(binding), true) => Bound::To(binding),
            (Some(_), false) if capabilities.is_some_and(Capabilities::offers_binding) => {
                return Err(NotPossible::BindingOffered);
            }
            (Some(_), false) => Bound::NotOffered,
            (None, _) => Bound::Unsupported,
        };
        let names = (self.user.octets(), self.authorization.as_ref().map(Argument::octets));
        let begun = scram::Exchange::begin(hash, bound, names, &self.extras.nonce);
        let (exchange, message) = begun.ok_or(NotPossible::NotEncodable)?;
        Ok(Opening { message: Secret::new(message), scram: Some(exchange), is_sent: false })
    }

    /// Appends AUTH, with the client's message when it is wanted there and fits.
    fn authenticate(
        &self,
        mechanism: Mechanism,
        opening: Option<Opening>,
        capabilities: Option<&Capabilities>,
        output: &mut Vec<u8>,
    ) -> Stage {
        let name = mechanism.name().as_bytes();
        let Some(mut opening) = opening else {
            // R4422-5.1
            Command::Auth { mechanism: Some((name, None)) }.encode(output);
            return Stage::ServerFirst;
        };
        // R5034-4.10
        let mut argument = b"=".to_vec();
        if !opening.message.is_empty() {
            argument.clear();
            sasl::encode_base64(opening.message.expose(), &mut argument);
        }
        let argument = Secret::new(argument);
        // R5034-4.9
        let octets = b"AUTH  \r\n".len() + name.len() + argument.expose().len();
        // R5034-3.3: a server that lists no SASL may be one of RFC 1734, which has no initial response.
        let is_listed = capabilities.is_some_and(|capabilities| capabilities.has_mechanism(mechanism));
        opening.is_sent = is_listed
            && octets <= COMMAND_OCTETS_MAX
            && self.extras.initial_response == InitialResponse::WhenShort;
        let argument = opening.is_sent.then(|| argument.expose());
        Command::Auth { mechanism: Some((name, argument)) }.encode(output);
        Stage::ClientFirst(opening)
    }

    /// Appends the response to a challenge that may come now; gives what was sent.
    fn respond(&self, stage: Stage, challenge: &[u8], output: &mut Vec<u8>) -> Result<Stage, ProtocolError> {
        Ok(match stage {
            Stage::ServerFirst if self.method == Method::Sasl(Mechanism::CramMd5) => {
                sasl::encode_base64(
                    &cram_md5::response(self.user.octets(), self.password.secret(), challenge),
                    output,
                );
                Stage::Last
            }
            // What the challenges of LOGIN say differs from server to server and is ignored.
            Stage::ServerFirst => {
                sasl::encode_base64(self.user.octets(), output);
                Stage::LoginUser
            }
            Stage::LoginUser => {
                sasl::encode_base64(self.password.octets(), output);
                Stage::Last
            }
            Stage::ClientFirst(opening) if !opening.is_sent || challenge.is_empty() => {
                sasl::encode_base64(opening.message.expose(), output);
                opening.scram.map_or(Stage::Last, Stage::ScramFirst)
            }
            Stage::ClientFirst(Opening { scram: Some(mut exchange), .. })
            | Stage::ScramFirst(mut exchange) => {
                let message = exchange.prove(challenge, self.password.secret()).map_err(server_fault)?;
                sasl::encode_base64(&message, output);
                Stage::ScramLast(exchange)
            }
            Stage::ScramLast(exchange) => match exchange.verify(challenge).map_err(server_fault)? {
                // R5034-4.22: an empty line.
                Verdict::Verified => Stage::ScramVerified,
                Verdict::Refused => cancel(output),
            },
            // The reason why a token is refused; the reply that refuses it comes behind (R7628-3.2.3.1,
            // XOAUTH2-Google.3).
            Stage::ClientFirst(_) | Stage::Last if self.form().is_some() => {
                sasl::encode_base64(self.form().map_or(b"", Form::dummy), output);
                Stage::Cancelled
            }
            // A mechanism that is over has nothing more to say.
            _ => cancel(output),
        })
    }

    /// Which form of a token it is, if it is one.
    fn form(&self) -> Option<Form> {
        match self.method {
            Method::Sasl(Mechanism::OAuthBearer) => Some(Form::Bearer),
            Method::Sasl(Mechanism::XOAuth2) => Some(Form::XOAuth2),
            _ => None,
        }
    }
}

/// Appends the cancellation.
fn cancel(output: &mut Vec<u8>) -> Stage {
    output.push(b'*');
    Stage::Cancelled
}

const fn server_fault(fault: Fault) -> ProtocolError {
    match fault {
        Fault::Message => ProtocolError::InvalidChallenge,
        Fault::Iterations => ProtocolError::Iterations,
        Fault::Signature => ProtocolError::ServerUnproven,
    }
}

/// AUTH with an initial response, for a trace.
const fn redacted(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::ScramSha512Plus => "AUTH SCRAM-SHA-512-PLUS ****",
        Mechanism::ScramSha256Plus => "AUTH SCRAM-SHA-256-PLUS ****",
        Mechanism::ScramSha1Plus => "AUTH SCRAM-SHA-1-PLUS ****",
        Mechanism::ScramSha512 => "AUTH SCRAM-SHA-512 ****",
        Mechanism::ScramSha256 => "AUTH SCRAM-SHA-256 ****",
        Mechanism::ScramSha1 => "AUTH SCRAM-SHA-1 ****",
        Mechanism::OAuthBearer => "AUTH OAUTHBEARER ****",
        Mechanism::XOAuth2 => "AUTH XOAUTH2 ****",
        Mechanism::External => "AUTH EXTERNAL ****",
        Mechanism::CramMd5 => "AUTH CRAM-MD5 ****",
        Mechanism::Plain => "AUTH PLAIN ****",
        Mechanism::Login => "AUTH LOGIN ****",
        Mechanism::Anonymous => "AUTH ANONYMOUS ****",
    }
}
