//! The LMTP server session itself: its states, and which reply each command gets in each.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::command::{Command, Mail};
use super::path::ForwardPath;
use super::reception::{Framing, Received};
use super::reply::{self, Reply};
use super::{DeliveryFault, Envelope, Policy, Rejection, Step, Transport};
use crate::line::{Input, Line, LineEnd};

/// One LMTP connection, server side.
///
/// The driver calls [`step`](Self::step) and does what it says, for ever until [`Step::Close`]. A step that asks
/// something ([`Recipient`](Step::Recipient), [`Receive`](Step::Receive), [`Deliver`](Step::Deliver),
/// [`StartTls`](Step::StartTls)) is answered by exactly one call of one of its answer methods before the next `step`;
/// an unanswered question is asked again, and an answer to no question is ignored. When the connection is lost the
/// driver drops the session and the delivery: recipients whose success was not said are the client's to retry.
///
/// Between two calls the session holds the envelope and nothing else that grows: at most `recipients_max` paths.
#[derive(Debug)]
pub struct Session {
    policy: Arc<Policy>,
    transport: Transport,
    /// The name given in LHLO; `None` before LHLO and again after STARTTLS.
    client_name: Option<String>,
    transaction: Option<Transaction>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing was said yet.
    Greeting,
    /// Waiting for a command.
    Command,
    /// A reply was appended that must not be held back.
    Flush,
    /// `Recipient` was asked.
    Recipient(ForwardPath),
    /// `Receive` was asked.
    Receive { framing: Framing, is_last: bool },
    /// A chunk nobody wants is read and dropped; the reply follows it.
    Skip { left: u64, then: AfterSkip },
    /// `Deliver` for this recipient is asked, once the output is written.
    Deliver { recipient: usize },
    /// The transaction is over: let go of the delivery, if one was begun.
    EndTransaction,
    /// `StartTls` was asked.
    StartTls,
    /// QUIT was answered.
    Closed,
}

#[derive(Clone, Copy, Debug)]
enum AfterSkip {
    /// One reply; the transaction stays as it is, failed or not there.
    Reply(Reply),
    /// A reply for each recipient, and the transaction is over.
    ReplyToEach(Reply),
}

/// What lasts from MAIL to the last reply.
#[derive(Debug)]
struct Transaction {
    envelope: Envelope,
    /// Octets of all chunks so far.
    octets: u64,
    /// BDAT was used.
    is_chunked: bool,
    /// The last chunk ended with a CR.
    is_after_cr: bool,
    /// A chunk failed; nothing of this transaction can be delivered any more.
    is_failed: bool,
    /// The driver holds a delivery.
    is_begun: bool,
}

impl Session {
    /// A session on a new connection; the first step writes the greeting.
    pub fn new(policy: Arc<Policy>, transport: Transport) -> Self {
        Self { policy, transport, client_name: None, transaction: None, state: State::Greeting }
    }

    /// The transaction that is open, from MAIL to [`Step::Discard`] or the next command after the last reply.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.transaction.as_ref().map(|transaction| &transaction.envelope)
    }

    /// The recipient that [`Step::Recipient`] asks about.
    pub fn recipient(&self) -> Option<&ForwardPath> {
        match &self.state {
            State::Recipient(path) => Some(path),
            _ => None,
        }
    }

    /// What the client called itself in LHLO: printable ASCII without spaces, at most 255 octets.
    pub fn client_name(&self) -> Option<&str> {
        self.client_name.as_deref()
    }

    /// The word for a Received line's "with": LMTP, LMTPS, UTF8LMTP or UTF8LMTPS.
    pub fn protocol(&self) -> &'static str {
        // R5321-4.4.2 R6531-3.7.3.1
        match (self.envelope().is_some_and(|envelope| envelope.smtputf8), self.transport) {
            (false, Transport::Tls) => "LMTPS",
            (false, _) => "LMTP",
            (true, Transport::Tls) => "UTF8LMTPS",
            (true, _) => "UTF8LMTP",
        }
    }

    /// Whether no transaction is open, so that the connection may be ended without harm.
    pub fn is_idle(&self) -> bool {
        self.transaction.is_none() && matches!(self.state, State::Greeting | State::Command | State::Closed)
    }

    /// Goes on as far as possible without help. Appends replies to `output`; consumes commands from `input`.
    pub fn step(&mut self, input: &mut Input, output: &mut Vec<u8>) -> Step {
        loop {
            match &mut self.state {
                State::Greeting => {
                    reply::write_greeting(&self.policy, output);
                    self.state = State::Flush;
                }
                State::Command => match input.next_line(self.policy.limits.line_octets_max, LineEnd::Crlf) {
                    // R2920-3.2.1: nothing is left to do, so all replies held back go out.
                    Line::Incomplete => return Step::Read,
                    Line::TooLong => self.urgent(Reply::LineTooLong, output),
                    Line::Complete(line) => match Command::parse(line) {
                        Ok(command) => self.obey(command, input, output),
                        // R5321-3.8.1 R2920-3.2.2: a bad command ends nothing and takes nothing with it.
                        Err(error) => self.urgent(error.reply(), output),
                    },
                },
                State::Flush => {
                    self.state = State::Command;
                    if !output.is_empty() {
                        return Step::Write;
                    }
                }
                State::Recipient(_) => return Step::Recipient,
                State::Receive { framing, .. } => return Step::Receive(*framing),
                State::Skip { left, then } => {
                    let available = u64::try_from(input.len()).unwrap_or(u64::MAX).min(*left);
                    input.consume(usize::try_from(available).unwrap_or(usize::MAX));
                    *left -= available;
                    if *left > 0 {
                        return Step::Read;
                    }
                    match *then {
                        AfterSkip::Reply(reply) => {
                            reply.write(output);
                            self.state = State::Command;
                            if let Some(step) = self.discard_failed() {
                                return step;
                            }
                        }
                        AfterSkip::ReplyToEach(reply) => self.fail(reply, output),
                    }
                }
                State::Deliver { recipient } => {
                    // R2033-5.3: a reply is on its way before the next recipient's delivery begins.
                    if !output.is_empty() {
                        return Step::Write;
                    }
                    let recipient = *recipient;
                    if self.envelope().is_some_and(|envelope| recipient < envelope.recipients.len()) {
                        return Step::Deliver { recipient };
                    }
                    self.state = State::EndTransaction;
                }
                State::EndTransaction => {
                    // The last replies are not held back by the clearing up after the message.
                    if !output.is_empty() {
                        return Step::Write;
                    }
                    self.state = State::Command;
                    if self.transaction.take().is_some_and(|transaction| transaction.is_begun) {
                        return Step::Discard;
                    }
                }
                State::StartTls => return Step::StartTls,
                State::Closed => return self.discard().unwrap_or(Step::Close),
            }
        }
    }

    /// Answers [`Step::Recipient`]: the recipient is ours and may be delivered to.
    pub fn accepted(&mut self, output: &mut Vec<u8>) {
        if let State::Recipient(path) = core::mem::replace(&mut self.state, State::Command) {
            if let Some(transaction) = &mut self.transaction {
                transaction.envelope.recipients.push(path);
            }
            Reply::RecipientAccepted.write(output);
        }
    }

    /// Answers [`Step::Recipient`]: the recipient is refused.
    pub fn rejected(&mut self, rejection: Rejection, output: &mut Vec<u8>) {
        if matches!(self.state, State::Recipient(_)) {
            self.state = State::Command;
            rejection.reply().write(output);
        }
    }

    /// Answers [`Step::Receive`]: the octets were taken and the delivery holds them.
    pub fn received(&mut self, received: Received, output: &mut Vec<u8>) {
        let reply = match received {
            Received { is_too_large: true, .. } => Err(Reply::MessageTooLarge),
            Received { has_bare_line_feed: true, .. } => Err(Reply::BareLineFeed),
            _ => Ok(received),
        };
        self.end_receive(reply, output);
    }

    /// Answers [`Step::Receive`]: the octets were taken, but the delivery could not be begun or could not hold them.
    pub fn receive_failed(&mut self, fault: DeliveryFault, output: &mut Vec<u8>) {
        self.end_receive(Err(fault.reply()), output);
    }

    /// Answers [`Step::Deliver`]: the message is durable in this recipient's maildrop (R2033-4.2.3).
    pub fn delivered(&mut self, output: &mut Vec<u8>) {
        self.end_deliver(Reply::Delivered, output);
    }

    /// Answers [`Step::Deliver`]: it is not, and never will be by this delivery.
    pub fn undelivered(&mut self, fault: DeliveryFault, output: &mut Vec<u8>) {
        self.end_deliver(fault.reply(), output);
    }

    /// Answers [`Step::StartTls`]: the connection is encrypted. What was learned before is forgotten (RFC 3207 4.2).
    pub fn tls_started(&mut self) {
        if matches!(self.state, State::StartTls) {
            self.transport = Transport::Tls;
            self.client_name = None;
            self.state = State::Command;
        }
    }

    /// Carries out one command; the state is `Command` when it is called.
    fn obey(&mut self, command: Command, input: &mut Input, output: &mut Vec<u8>) {
        match command {
            Command::Lhlo(name) => {
                // R2033-4.1.1 R5321-4.1.4.2
                reply::write_lhlo(&self.policy, self.transport, output);
                self.client_name = Some(name);
                self.state = State::EndTransaction;
            }
            // R2033-4.1.2
            Command::Helo => self.urgent(Reply::NotLmtp, output),
            Command::Mail(mail) => self.begin_transaction(mail).write(output),
            Command::Rcpt(path) => match self.may_add(&path) {
                Ok(()) => self.state = State::Recipient(path),
                Err(reply) => reply.write(output),
            },
            Command::Data => self.data(output),
            Command::Bdat { octets, is_last } => self.state = self.chunk(octets, is_last),
            Command::Rset => {
                // R5321-4.1.4.2
                Reply::Ok.write(output);
                if self.transaction.as_ref().is_some_and(|transaction| transaction.is_begun) {
                    self.state = State::EndTransaction;
                }
                self.transaction.take_if(|transaction| !transaction.is_begun);
            }
            // R2920-3.2.3: the rest is answered at once.
            Command::Noop => self.urgent(Reply::Ok, output),
            Command::Vrfy => self.urgent(Reply::NotVerified, output),
            Command::Expn => self.urgent(Reply::NotImplemented, output),
            Command::Help => self.urgent(Reply::Help, output),
            Command::StartTls => match self.transport {
                Transport::Plain => self.urgent(Reply::NotImplemented, output),
                Transport::Tls => self.urgent(Reply::TlsActive, output),
                Transport::PlainWithStarttls if self.transaction.is_some() => {
                    self.urgent(Reply::MailTwice, output);
                }
                Transport::PlainWithStarttls => {
                    // Whatever came with the command was not protected; it must not be taken for what came after.
                    input.clear();
                    Reply::GoAheadTls.write(output);
                    self.state = State::StartTls;
                }
            },
            Command::Quit => {
                Reply::Goodbye.write(output);
                self.state = State::Closed;
            }
        }
    }

    /// MAIL: the reply, and the transaction if it is a good one.
    fn begin_transaction(&mut self, mail: Mail) -> Reply {
        let octets_max = self.policy.message_octets_max;
        // R5321-4.1.4.1
        if self.client_name.is_none() {
            return Reply::LhloFirst;
        }
        if self.transaction.is_some() {
            return Reply::MailTwice;
        }
        // R6531-3.5.1
        if !mail.smtputf8 && !mail.sender.mailbox().is_none_or(super::path::Mailbox::is_ascii) {
            return Reply::SenderNotAscii;
        }
        // R1870-6.1.1
        if octets_max != 0 && mail.size.is_some_and(|size| size > octets_max) {
            return Reply::MessageTooLarge;
        }
        self.transaction = Some(Transaction {
            envelope: Envelope {
                sender: mail.sender,
                recipients: Vec::new(),
                body: mail.body.unwrap_or_default(),
                smtputf8: mail.smtputf8,
                size: mail.size,
            },
            octets: 0,
            is_chunked: false,
            is_after_cr: false,
            is_failed: false,
            is_begun: false,
        });
        Reply::SenderAccepted
    }

    /// RCPT: whether one more recipient can be asked about.
    fn may_add(&self, path: &ForwardPath) -> Result<(), Reply> {
        // R5321-4.1.4.1
        let Some(transaction) = &self.transaction else { return Err(Reply::MailFirst) };
        if transaction.is_chunked {
            // A recipient added now would miss what was received.
            return Err(Reply::ChunksBegun);
        }
        // R5321-4.5.3.1.10.1
        if transaction.envelope.recipients.len() >= self.policy.recipients_max {
            return Err(Reply::TooManyRecipients);
        }
        // R6531-3.5.1
        if !transaction.envelope.smtputf8 && !path.mailbox().is_ascii() {
            return Err(Reply::RecipientNotAscii);
        }
        Ok(())
    }

    /// DATA: the message is asked for, or why not.
    fn data(&mut self, output: &mut Vec<u8>) {
        let refusal = match &mut self.transaction {
            // R5321-4.1.4.1
            None => Reply::MailFirst,
            // R3030-2.3
            Some(transaction) if transaction.is_chunked => Reply::ChunksBegun,
            // R2033-4.2.1 R2920-3.2.4
            Some(transaction) if transaction.envelope.recipients.is_empty() => Reply::NoRecipients,
            Some(transaction) => {
                transaction.is_begun = true;
                let octets_max = match self.policy.message_octets_max {
                    0 => u64::MAX,
                    limit => limit,
                };
                // R1870-6.1: the announced SIZE plays no part in where the message ends.
                self.state = State::Receive { framing: Framing::Dotted { octets_max }, is_last: true };
                return Reply::SendMessage.write(output);
            }
        };
        self.urgent(refusal, output);
    }

    /// BDAT: the chunk is taken, or skipped with a reply to follow. R3030-2.2: its octets leave the input in any case.
    fn chunk(&mut self, octets: u64, is_last: bool) -> State {
        let octets_max = self.policy.message_octets_max;
        let Some(transaction) = &mut self.transaction else {
            // R3030-2.3: also after the last chunk, which ends the transaction.
            return State::Skip { left: octets, then: AfterSkip::Reply(Reply::MailFirst) };
        };
        transaction.is_chunked = true;
        let total = transaction.octets.saturating_add(octets);
        let refusal = if transaction.envelope.recipients.is_empty() {
            Some(Reply::NoRecipients)
        } else if transaction.is_failed {
            // R3030-2.4
            Some(Reply::TransactionFailed)
        } else if octets_max != 0 && total > octets_max {
            Some(Reply::MessageTooLarge)
        } else {
            None
        };
        if let Some(reply) = refusal {
            transaction.is_failed = true;
            let then = if is_last { AfterSkip::ReplyToEach(reply) } else { AfterSkip::Reply(reply) };
            return State::Skip { left: octets, then };
        }
        transaction.is_begun = true;
        let framing = Framing::Chunk { octets, is_after_cr: transaction.is_after_cr };
        State::Receive { framing, is_last }
    }

    /// The octets of a message or chunk have left the input.
    fn end_receive(&mut self, outcome: Result<Received, Reply>, output: &mut Vec<u8>) {
        let State::Receive { is_last, .. } = self.state else { return };
        let Some(transaction) = &mut self.transaction else { return };
        self.state = match (outcome, is_last) {
            (Ok(_), true) => State::Deliver { recipient: 0 },
            (Ok(received), false) => {
                transaction.octets = transaction.octets.saturating_add(received.octets);
                transaction.is_after_cr = received.is_ending_in_cr;
                Reply::ChunkReceived.write(output);
                State::Command
            }
            (Err(reply), true) => return self.fail(reply, output),
            (Err(reply), false) => {
                // Told by a `Discard` once the skipped octets, none here, are gone.
                transaction.is_failed = true;
                State::Skip { left: 0, then: AfterSkip::Reply(reply) }
            }
        };
    }

    /// The delivery to the recipient being asked about has ended.
    fn end_deliver(&mut self, reply: Reply, output: &mut Vec<u8>) {
        if let State::Deliver { recipient } = &mut self.state {
            *recipient += 1;
            reply.write(output);
        }
    }

    /// Nothing can be delivered: the same reply for each recipient, none if there is none, and the transaction ends.
    // R2033-4.2.2 R2033-4.3.1
    fn fail(&mut self, reply: Reply, output: &mut Vec<u8>) {
        for _ in self.envelope().map(|envelope| envelope.recipients.iter()).into_iter().flatten() {
            reply.write(output);
        }
        self.state = State::EndTransaction;
    }

    /// Lets go of the delivery of a transaction that has failed and is still open.
    fn discard_failed(&mut self) -> Option<Step> {
        let transaction = self.transaction.as_mut().filter(|transaction| transaction.is_failed)?;
        core::mem::take(&mut transaction.is_begun).then_some(Step::Discard)
    }

    /// Ends the transaction at QUIT; the delivery begun in it, if any, is to be let go first.
    fn discard(&mut self) -> Option<Step> {
        self.transaction.take()?.is_begun.then_some(Step::Discard)
    }

    /// Appends a reply that must not wait for more commands to be answered (R2920-3.2.3).
    fn urgent(&mut self, reply: Reply, output: &mut Vec<u8>) {
        reply.write(output);
        self.state = State::Flush;
    }
}
