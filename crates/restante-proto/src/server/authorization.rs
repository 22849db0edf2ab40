//! The AUTHORIZATION state: USER and PASS, APOP, AUTH, STLS, CAPA and QUIT, until a maildrop is open.
//!
//! A login is always the same way, whatever command began it: credentials, the driver's verdict, the maildrop, the
//! reply. Whatever fails on that way, the session is then as if the attempt had never been made (R5034-4.24).

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{
    Context, Ending, Phase, Refusal, State, Step, Transport, Turn, flaw, parse, unanswered, unasked,
};
use crate::command::{Command, Flaw};
use crate::line::{Input, Line};
use crate::quirk::Quirk;
use crate::reply;
use crate::reply::catalogue::{self, Entry};
use crate::reply::language::Voice;
use crate::sasl::exchange::{Exchange, Invalid, Progress};
use crate::sasl::{self, Channel, Credentials, Mechanism, Method, ScramFacts, ServerSignature, oauth, scram};
use crate::secret::Secret;

/// Not logged in.
#[derive(Debug)]
pub(super) struct Authorization {
    moment: Moment,
    refusals: u16,
}

#[derive(Debug)]
enum Moment {
    /// A command is awaited.
    Command,
    /// USER was the last command; only CAPA may have come since. PASS is possible.
    Named(Vec<u8>),
    /// AUTH is under way: the response to a challenge is awaited.
    Responding(Exchange),
    /// The driver was asked for octets of chance.
    AwaitingNonce(Exchange),
    /// They have come.
    HavingNonce(Exchange, Box<[u8]>),
    /// The driver was asked what is known of an account.
    Preparing(Exchange),
    /// That is known now.
    Prepared(Exchange, Box<ScramFacts>),
    /// The driver was asked to start TLS.
    StartingTls,
    /// The driver was asked to verify credentials.
    Verifying(Proof),
    /// The credentials are right, and the client is to be shown that we are too.
    Signing(ServerSignature),
    /// It was shown that; its empty response is awaited.
    Confirming,
    /// The credentials are right.
    Granted,
    /// The driver was asked to open the maildrop.
    Opening,
    /// A token was refused; the challenge that says so is due.
    TokenRefused,
    /// It was sent; the response, which says nothing, is awaited.
    Acknowledging,
    /// The login failed; the reply is due.
    Refused(Refusal),
}

/// What comes between the verdict on credentials and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// Nothing.
    OneSided,
    /// The server's signature, when they are right.
    Mutual,
    /// A challenge with the reason, when they are wrong.
    Token,
}

/// What a line came to.
enum Outcome {
    Turn(Turn),
    /// STLS was taken: TLS is next.
    StartTls,
    /// A login is to be verified.
    Verify(Credentials),
    /// The driver is asked for something that a mechanism needs.
    Ask(Step),
    /// The reply to a line that was in vain.
    Bad(&'static Entry),
}

impl Authorization {
    pub(super) const fn new() -> Self {
        Self { moment: Moment::Command, refusals: 0 }
    }

    pub(super) fn turn(&mut self, context: &mut Context, input: &mut Input, output: &mut Vec<u8>) -> Turn {
        match self.moment {
            Moment::Command | Moment::Named(_) => self.read(context, input, output),
            Moment::Responding(_) | Moment::Confirming | Moment::Acknowledging => {
                self.read(context, input, output)
            }
            Moment::HavingNonce(..) | Moment::Prepared(..) => self.resume(context, output),
            Moment::Signing(ref signature) => {
                // R5034-4.22: not with +OK, but as a challenge of its own.
                reply::challenge(&scram::server_final(signature), output);
                self.moment = Moment::Confirming;
                Turn::Again
            }
            Moment::Granted => {
                // R1939-4.3: the maildrop is locked before anything is said.
                self.moment = Moment::Opening;
                Turn::Ask(Step::OpenMaildrop)
            }
            Moment::Refused(refusal) => self.refuse(refusal, context, output),
            Moment::TokenRefused => {
                reply::challenge(&oauth::refusal(&context.policy.token_terms), output);
                self.moment = Moment::Acknowledging;
                Turn::Again
            }
            Moment::StartingTls | Moment::Verifying(_) | Moment::Opening => unanswered(),
            Moment::AwaitingNonce(_) | Moment::Preparing(_) => unanswered(),
        }
    }

    pub(super) fn tls_started(&mut self, channel: Channel, context: &mut Context) {
        match self.moment {
            Moment::StartingTls => {
                // R2595-4.9: still in AUTHORIZATION, whatever certificate came. USER from before is forgotten.
                self.moment = Moment::Command;
                context.transport = Transport::Tls;
                context.channel = channel;
                // What was agreed on in clear may have been somebody else's idea.
                context.voice = Voice::default();
            }
            _ => unasked(),
        }
    }

    pub(super) fn nonce(&mut self, octets: &[u8]) {
        self.moment = match core::mem::replace(&mut self.moment, Moment::Command) {
            Moment::AwaitingNonce(exchange) => Moment::HavingNonce(exchange, octets.into()),
            moment => {
                unasked();
                moment
            }
        };
    }

    pub(super) fn scram_prepared(&mut self, facts: ScramFacts) {
        self.moment = match core::mem::replace(&mut self.moment, Moment::Command) {
            Moment::Preparing(exchange) => Moment::Prepared(exchange, Box::new(facts)),
            moment => {
                unasked();
                moment
            }
        };
    }

    pub(super) fn granted(&mut self) {
        match self.moment {
            Moment::Verifying(Proof::OneSided | Proof::Token) => self.moment = Moment::Granted,
            Moment::Verifying(Proof::Mutual) => {
                // The client would not believe it without a signature (R5802-5.2).
                self.moment = Moment::Refused(Refusal::Temporary);
                unasked();
            }
            _ => unasked(),
        }
    }

    pub(super) fn granted_with(&mut self, signature: ServerSignature) {
        match self.moment {
            Moment::Verifying(Proof::Mutual) => self.moment = Moment::Signing(signature),
            _ => unasked(),
        }
    }

    pub(super) fn refused(&mut self, refusal: Refusal) {
        match self.moment {
            // R7628-3.2.2.1, XOAUTH2-Google.2
            Moment::Verifying(Proof::Token) if refusal == Refusal::Credentials => {
                self.moment = Moment::TokenRefused;
            }
            Moment::Verifying(_) | Moment::Opening | Moment::Preparing(_) | Moment::AwaitingNonce(_) => {
                self.moment = Moment::Refused(refusal);
            }
            _ => unasked(),
        }
    }

    pub(super) const fn is_opening(&self) -> bool {
        matches!(self.moment, Moment::Opening)
    }

    fn read(&mut self, context: &mut Context, input: &mut Input, output: &mut Vec<u8>) -> Turn {
        let outcome = match input.next_line(self.line_octets_max(context, input), context.line_end()) {
            Line::Incomplete => return Turn::Ask(Step::Read),
            Line::TooLong => {
                self.moment = Moment::Command;
                Outcome::Bad(catalogue::LINE_TOO_LONG)
            }
            Line::Complete(line) => self.execute_line(line, context, output),
        };
        // The line may have held a password.
        input.wipe_used();
        match outcome {
            Outcome::StartTls => self.start_tls(context, input, output),
            outcome => self.conclude(outcome, context, output),
        }
    }

    fn conclude(&mut self, outcome: Outcome, context: &mut Context, output: &mut Vec<u8>) -> Turn {
        match outcome {
            Outcome::Turn(turn) => turn,
            Outcome::StartTls => unanswered(),
            Outcome::Verify(credentials) => self.verify(credentials, context),
            Outcome::Ask(step) => Turn::Ask(step),
            Outcome::Bad(reply) => {
                context.complain(reply, context.policy.limits.bad_commands_before_login_max, output)
            }
        }
    }

    /// R5034-4.15, R2449-4.2: responses may be long, and so may AUTH with an initial response. The first octets of a
    /// line tell before any other limit is reached.
    fn line_octets_max(&self, context: &Context, input: &Input) -> usize {
        let limits = &context.policy.limits;
        let keyword = input.octets().get(..AUTH.len()).unwrap_or_default();
        let is_response =
            matches!(self.moment, Moment::Responding(_) | Moment::Confirming | Moment::Acknowledging);
        let takes_long_auth = context.policy.quirks.has(Quirk::LongAuthLine);
        if is_response || takes_long_auth && keyword.eq_ignore_ascii_case(AUTH) {
            limits.sasl_octets_max
        } else {
            limits.command_octets_max
        }
    }

    fn execute_line(&mut self, line: &[u8], context: &mut Context, output: &mut Vec<u8>) -> Outcome {
        match core::mem::replace(&mut self.moment, Moment::Command) {
            Moment::Responding(exchange) => self.respond(exchange, line, context, output),
            Moment::Confirming => self.confirm(line),
            // R7628-3.2.3.1, XOAUTH2-Google.3: a dummy or a cancellation, and it makes no difference which.
            Moment::Acknowledging => self.refuse_wrong(),
            Moment::Named(user) => self.execute(parse(line, context), Some(user), context, output),
            _ => self.execute(parse(line, context), None, context, output),
        }
    }

    /// Does what a command says. `user` is the name from USER if that came directly before.
    fn execute(
        &mut self,
        command: Result<Command<'_>, Flaw>,
        user: Option<Vec<u8>>,
        context: &mut Context,
        output: &mut Vec<u8>,
    ) -> Outcome {
        match command {
            Ok(Command::User(user) | Command::Apop { user, .. }) if !context.takes_text(user) => {
                Outcome::Bad(catalogue::ARGUMENT_INVALID)
            }
            Ok(Command::User(user)) => self.take_user(user, context, output),
            Ok(Command::Pass(password)) => self.take_password(user, password, context),
            Ok(Command::Apop { user, digest }) => match &context.timestamp {
                Some(timestamp) => Outcome::Verify(Credentials::Apop {
                    user: user.to_vec(),
                    timestamp: timestamp.as_bytes().to_vec(),
                    digest,
                }),
                None => Outcome::Bad(catalogue::APOP_NOT_OFFERED),
            },
            Ok(Command::Auth { mechanism: Some((name, initial)) }) => {
                self.authenticate(name, initial, context, output)
            }
            Ok(Command::Auth { mechanism: None }) => {
                context.say(catalogue::MECHANISMS_FOLLOW, output);
                reply::mechanisms(context.mechanisms(), output);
                Outcome::Turn(Turn::Again)
            }
            Ok(Command::Capa) => {
                // R2449-5.1; R1939-7.21 with one leniency: CAPA changes nothing, so PASS may still follow.
                let user = user.filter(|_| context.policy.quirks.has(Quirk::CapaBeforePass));
                self.moment = user.map_or(Moment::Command, Moment::Named);
                context.list_capabilities(Phase::Authorization, output);
                Outcome::Turn(Turn::Again)
            }
            Ok(Command::Utf8) if context.policy.utf8 => {
                context.voice.utf8 = true;
                context.say(catalogue::utf8::UTF8_ON, output);
                Outcome::Turn(Turn::Again)
            }
            // R6856-2.1.2
            Ok(Command::Utf8) => Outcome::Bad(catalogue::utf8::UTF8_NOT_OFFERED),
            Ok(Command::Lang(range)) => match context.answer_language(range, output) {
                Ok(()) => Outcome::Turn(Turn::Again),
                Err(reply) => Outcome::Bad(reply),
            },
            Ok(Command::Stls) => match context.transport {
                Transport::PlainWithStls if context.may_start_tls() => Outcome::StartTls,
                Transport::PlainWithStls => Outcome::Bad(catalogue::utf8::STLS_AFTER_UTF8),
                Transport::Plain => Outcome::Bad(catalogue::STLS_NOT_OFFERED),
                // R2595-4.8
                Transport::Tls => Outcome::Bad(catalogue::STLS_ALREADY),
            },
            Ok(Command::Xtnd(_)) => Outcome::Bad(context.policy.extended.too_early()),
            Ok(Command::Quit) => {
                context.say(catalogue::GOODBYE, output); // R1939-4.10
                Outcome::Turn(Turn::Enter(State::Closed(Ending::Quit)))
            }
            Ok(Command::Last) if !context.policy.last => Outcome::Bad(flaw(Flaw::Unknown)),
            // R1939-3.18, R1939-5.6, R1460-5.1
            Ok(Command::Stat | Command::List(_) | Command::Retr(_) | Command::Dele(_) | Command::Noop) => {
                Outcome::Bad(catalogue::WRONG_STATE)
            }
            Ok(Command::Rset | Command::Top { .. } | Command::Uidl(_) | Command::Last)
            | Err(Flaw::NoSuchMessage) => Outcome::Bad(catalogue::WRONG_STATE),
            Err(what) => Outcome::Bad(flaw(what)),
        }
    }

    /// The reply is the same whether the user is known or not, has logged in too recently or not (R1939-7.19,
    /// R1939-13.2, R2449-8.1.1.2).
    fn take_user(&mut self, user: &[u8], context: &Context, output: &mut Vec<u8>) -> Outcome {
        if !context.policy.user_pass {
            return Outcome::Bad(catalogue::USER_NOT_OFFERED);
        }
        if !context.takes_plaintext() {
            // R3206-5.3, R2595-2.2.1
            return Outcome::Bad(catalogue::USER_NEEDS_TLS);
        }
        self.moment = Moment::Named(user.to_vec());
        context.say(catalogue::USER_TAKEN, output);
        Outcome::Turn(Turn::Again)
    }

    fn take_password(&mut self, user: Option<Vec<u8>>, password: &[u8], context: &Context) -> Outcome {
        if !context.policy.user_pass {
            return Outcome::Bad(catalogue::USER_NOT_OFFERED);
        }
        if !context.takes_plaintext() {
            return Outcome::Bad(catalogue::PASSWORD_NEEDS_TLS);
        }
        let Some(user) = user else { return Outcome::Bad(catalogue::USER_FIRST) };
        if password.is_empty() || !context.takes_text(password) {
            return self.refuse_wrong();
        }
        let password = Secret::new(password.to_vec());
        Outcome::Verify(Credentials::Password {
            user,
            authorization: None,
            password,
            method: Method::UserPass,
        })
    }

    fn authenticate(
        &mut self,
        name: &[u8],
        initial: Option<&[u8]>,
        context: &Context,
        output: &mut Vec<u8>,
    ) -> Outcome {
        // R5034-4.4, R1734-2.2
        let offered = |mechanism: &Mechanism| context.policy.mechanisms.contains(mechanism);
        let Some(mechanism) = Mechanism::parse(name).filter(offered) else {
            return Outcome::Bad(catalogue::MECHANISM_UNKNOWN);
        };
        if !context.works(mechanism) {
            let needs_tls = mechanism.is_plaintext() || mechanism.is_token();
            return Outcome::Bad(if needs_tls {
                catalogue::PASSWORD_NEEDS_TLS
            } else {
                catalogue::MECHANISM_UNKNOWN
            });
        }
        if context.is_binding_spent && mechanism.scram().is_some_and(|(_, is_bound)| is_bound) {
            return Outcome::Bad(catalogue::AUTH_BINDING_SPENT);
        }
        // R5034-4.1
        let initial = match initial {
            None => None,
            Some(b"=") => Some(Secret::new(Vec::new())),
            Some(text) => match sasl::decode_base64(text) {
                Ok(initial) => Some(initial),
                Err(_) => return Outcome::Bad(catalogue::AUTH_NOT_BASE64),
            },
        };
        let mut exchange = Exchange::new(mechanism);
        // R5034-4.11, LOGIN-2.1
        let knows_initial =
            mechanism != Mechanism::Login || context.policy.quirks.has(Quirk::LoginInitialResponse);
        let progress = match &initial {
            Some(_) if !knows_initial => Progress::Invalid(Invalid::InitialResponse),
            initial => exchange.begin(initial.as_ref().map(Secret::expose), context.surroundings()),
        };
        self.go_on(exchange, progress, output)
    }

    fn respond(
        &mut self,
        mut exchange: Exchange,
        line: &[u8],
        context: &Context,
        output: &mut Vec<u8>,
    ) -> Outcome {
        // R5034-4.8, R1734-2.1
        if line == b"*" {
            return Outcome::Bad(catalogue::AUTH_CANCELLED);
        }
        // R5034-4.12, R5034-4.13
        let Ok(response) = sasl::decode_base64(line) else { return Outcome::Bad(catalogue::AUTH_NOT_BASE64) };
        let progress = exchange.respond(response.expose(), context.surroundings());
        self.go_on(exchange, progress, output)
    }

    fn go_on(&mut self, exchange: Exchange, progress: Progress, output: &mut Vec<u8>) -> Outcome {
        match progress {
            Progress::Challenge(challenge) => {
                reply::challenge(&challenge, output);
                self.moment = Moment::Responding(exchange);
                Outcome::Turn(Turn::Again)
            }
            Progress::Nonce => {
                self.moment = Moment::AwaitingNonce(exchange);
                Outcome::Ask(Step::Nonce)
            }
            Progress::PrepareScram(query) => {
                self.moment = Moment::Preparing(exchange);
                Outcome::Ask(Step::PrepareScram(query))
            }
            Progress::Complete(credentials) => Outcome::Verify(credentials),
            Progress::Invalid(Invalid::Credentials) => self.refuse_wrong(),
            // R3206-6.1: nothing was verified, so no [AUTH].
            Progress::Invalid(Invalid::Syntax) => Outcome::Bad(catalogue::AUTH_MALFORMED),
            // R5802-6.1, R5802-6.2, R5802-6.3
            Progress::Invalid(Invalid::Binding) => Outcome::Bad(catalogue::AUTH_BINDING),
            // R7628-3.2.2.1: the same as for a token that was looked at.
            Progress::Invalid(Invalid::Token) => {
                self.moment = Moment::TokenRefused;
                Outcome::Turn(Turn::Again)
            }
            // R5034-4.11
            Progress::Invalid(Invalid::InitialResponse) => Outcome::Bad(catalogue::AUTH_NO_INITIAL_RESPONSE),
        }
    }

    /// Goes on with an exchange that has been told what it asked for.
    fn resume(&mut self, context: &mut Context, output: &mut Vec<u8>) -> Turn {
        let (exchange, progress) = match core::mem::replace(&mut self.moment, Moment::Command) {
            Moment::HavingNonce(mut exchange, octets) => {
                let progress = exchange.nonce(&octets, context.surroundings());
                (exchange, progress)
            }
            Moment::Prepared(mut exchange, facts) => {
                let progress = exchange.scram_prepared(&facts);
                (exchange, progress)
            }
            moment => {
                self.moment = moment;
                return unanswered();
            }
        };
        let outcome = self.go_on(exchange, progress, output);
        self.conclude(outcome, context, output)
    }

    fn verify(&mut self, credentials: Credentials, context: &mut Context) -> Turn {
        context.is_binding_spent |= matches!(&credentials, Credentials::Scram(claim) if claim.is_bound);
        self.moment = Moment::Verifying(match credentials {
            Credentials::Scram(_) => Proof::Mutual,
            Credentials::Token { .. } => Proof::Token,
            _ => Proof::OneSided,
        });
        Turn::Ask(Step::Authenticate(credentials))
    }

    /// The client has seen the server's signature. An empty line says that it is content (R5034-4.22).
    fn confirm(&mut self, line: &[u8]) -> Outcome {
        match line {
            [] => {
                self.moment = Moment::Granted;
                Outcome::Turn(Turn::Again)
            }
            b"*" => Outcome::Bad(catalogue::AUTH_CANCELLED),
            _ => Outcome::Bad(catalogue::AUTH_MALFORMED),
        }
    }

    /// An empty name or password is never right, nor is one that is no UTF-8 where that is agreed on, and a client
    /// must hear so as with any wrong one; but nobody needs to be asked, and a source that would let an empty password
    /// pass never sees one.
    fn refuse_wrong(&mut self) -> Outcome {
        self.moment = Moment::Refused(Refusal::Credentials);
        Outcome::Turn(Turn::Again)
    }

    fn refuse(&mut self, refusal: Refusal, context: &Context, output: &mut Vec<u8>) -> Turn {
        // R1939-4.4, R1939-4.6, R5034-4.16, R5034-4.24
        context.say(reply::refusal(refusal), output);
        self.moment = Moment::Command;
        self.refusals = self.refusals.saturating_add(1);
        if refusal == Refusal::ShuttingDown || self.refusals >= context.policy.limits.refusals_max {
            return Turn::Enter(State::Closed(Ending::Refused));
        }
        Turn::Again
    }

    /// The one place that begins TLS. What the client sent behind STLS was not protected and may be another's: it is
    /// thrown away here, and the user name with it (R2595-4.6). Nothing is written between the reply and the
    /// handshake (R2595-4.4).
    fn start_tls(&mut self, context: &Context, input: &mut Input, output: &mut Vec<u8>) -> Turn {
        input.clear();
        context.say(catalogue::START_TLS, output);
        self.moment = Moment::StartingTls;
        Turn::Ask(Step::StartTls)
    }
}

/// How a line begins that may be long.
const AUTH: &[u8] = b"AUTH ";
