//! The POP2 session itself: the states of RFC 937's server state diagram, under its names, and the reply to each
//! command in each.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::command::Command;
use super::reply;
use super::{Policy, Step, Transport};
use crate::line::{Input, Line, LineEnd};
use crate::maildrop::{Listing, Marks, MessageNumber, Octets};
use crate::sasl::{Credentials, Method};
use crate::server::{Fault, Phase, Refusal};

/// One POP2 connection, server side.
///
/// The driver calls [`step`](Self::step) and does what it says until [`Step::Close`]. A question is answered by exactly
/// one of its answer methods before the next `step`; a driver that breaks this is told to close. The outcome does not depend
/// on how the input was split. A session that is dropped anywhere has removed nothing.
#[derive(Debug)]
pub struct Session {
    policy: Arc<Policy>,
    transport: Transport,
    state: State,
    /// What the selected mailbox holds; empty before login and while no mailbox is selected.
    listing: Arc<Listing>,
    /// Every mark is below `listing.len()`.
    marks: Marks,
    /// The current message: the number that READ without argument means. 1 when a mailbox is selected; may lie behind the
    /// last message.
    current: u64,
    /// A maildrop was opened: this is not the login any more.
    is_open: bool,
    /// QUIT was taken and answered well.
    has_quit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// LSTN: nothing was said yet.
    Greeting,
    /// AUTH: HELO or QUIT is awaited.
    Auth,
    Verifying,
    /// The credentials are right, or FOLD has selected the maildrop: it is to be opened.
    Granted,
    Opening,
    /// MBOX: a mailbox is selected; no message is.
    Mbox,
    /// ITEM: the size of the current message was said.
    Item,
    /// The driver sends the message with this index.
    Sending(usize),
    /// NEXT: the message was sent; the acknowledgment is awaited.
    Next,
    /// The driver lets go of the maildrop.
    Releasing(Then),
    /// Let go of it; this is next.
    Released(Then),
    /// DONE.
    Closed,
}

/// What follows when a mailbox was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// QUIT.
    Quit,
    /// FOLD to the account's own maildrop.
    Open,
    /// FOLD to a mailbox that does not exist.
    Nothing,
}

impl Session {
    /// A session on a new connection; its first step writes the greeting.
    #[must_use]
    pub fn new(policy: Arc<Policy>, transport: Transport) -> Self {
        Self {
            policy,
            transport,
            state: State::Greeting,
            listing: Arc::default(),
            marks: Marks::new(),
            current: 1,
            is_open: false,
            has_quit: false,
        }
    }

    /// Goes on as far as possible: uses complete lines of `input`, appends replies to `output`, and returns when it
    /// needs the driver.
    pub fn step(&mut self, input: &mut Input, output: &mut Vec<u8>) -> Step {
        loop {
            if output.len() >= self.policy.limits.output_octets {
                return Step::Write;
            }
            match self.state {
                State::Greeting => self.greet(output),
                State::Granted => {
                    self.state = State::Opening;
                    return Step::OpenMaildrop;
                }
                State::Auth | State::Mbox | State::Item | State::Next => {
                    if let Some(step) = self.read(input, output) {
                        return step;
                    }
                }
                State::Released(Then::Quit) => self.quit(output),
                State::Released(Then::Open) => self.state = State::Granted,
                State::Released(Then::Nothing) => {
                    output.extend_from_slice(reply::NO_MAILBOX);
                    self.state = State::Mbox;
                }
                State::Closed => return Step::Close,
                State::Verifying | State::Opening | State::Sending(_) | State::Releasing(_) => {
                    debug_assert!(false, "the session still awaits an answer");
                    self.state = State::Closed;
                }
            }
        }
    }

    /// Answers [`Step::Authenticate`]: the credentials are right.
    pub fn granted(&mut self) {
        self.answer(State::Verifying, State::Granted);
    }

    /// Answers [`Step::Authenticate`] and [`Step::OpenMaildrop`]: appends the reply; the connection is then closed
    /// (R937-cmds.1). Nothing may be locked any more.
    pub fn refused(&mut self, refusal: Refusal, output: &mut Vec<u8>) {
        if matches!(self.state, State::Verifying | State::Opening) {
            self.close(reply::refusal(refusal), output);
        } else {
            unasked();
        }
    }

    /// Answers [`Step::OpenMaildrop`]: the maildrop is locked and this is what it holds. Appends the reply.
    pub fn opened(&mut self, listing: Arc<Listing>, output: &mut Vec<u8>) {
        if self.state != State::Opening {
            return unasked();
        }
        self.listing = listing;
        self.current = 1;
        self.is_open = true;
        self.state = State::Mbox;
        reply::count(self.listing.len(), output);
    }

    /// Answers [`Step::SendMessage`]: the announced octets have been appended to the output, or written.
    pub fn message_sent(&mut self) {
        match self.state {
            State::Sending(_) => self.state = State::Next,
            _ => unasked(),
        }
    }

    /// Answers [`Step::SendMessage`]: the message cannot be opened. The client awaits octets and no reply, so the
    /// connection is closed without a word.
    pub fn message_failed(&mut self) {
        match self.state {
            State::Sending(_) => self.state = State::Closed,
            _ => unasked(),
        }
    }

    /// Answers [`Step::Release`]: all marked messages are gone for good, and the lock is.
    pub fn released(&mut self) {
        match self.state {
            State::Releasing(then) => {
                self.forget_mailbox();
                self.state = State::Released(then);
            }
            _ => unasked(),
        }
    }

    /// Answers [`Step::Release`]: some marked messages are still there. Appends the reply; the connection is then closed.
    pub fn not_released(&mut self, fault: Fault, output: &mut Vec<u8>) {
        match self.state {
            State::Releasing(_) => {
                self.forget_mailbox();
                self.close(reply::removal_fault(fault), output);
            }
            _ => unasked(),
        }
    }

    /// Where the session stands: which deadline applies.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self.state {
            State::Greeting | State::Auth | State::Verifying => Phase::Authorization,
            State::Granted | State::Opening if !self.is_open => Phase::Authorization,
            State::Closed | State::Releasing(Then::Quit) | State::Released(Then::Quit) => Phase::Update,
            _ => Phase::Transaction,
        }
    }

    /// The messages marked by ACKD in the mailbox that is selected.
    #[must_use]
    pub const fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Whether the session has ended as it should: by QUIT, with everything done that was asked for.
    #[must_use]
    pub const fn has_quit(&self) -> bool {
        self.has_quit
    }

    fn greet(&mut self, output: &mut Vec<u8>) {
        if self.transport == Transport::Plain && !self.policy.plaintext_without_tls {
            return self.close(reply::NEEDS_TLS, output);
        }
        // R937-p.1.1
        reply::greeting(&self.policy.hostname, output);
        self.state = State::Auth;
    }

    /// Does what the next line says, if there is one.
    fn read(&mut self, input: &mut Input, output: &mut Vec<u8>) -> Option<Step> {
        let command = match input.next_line(self.policy.limits.command_octets_max, LineEnd::CrlfOrLf) {
            Line::Incomplete => return Some(Step::Read),
            // R937-sizes.1
            Line::TooLong => {
                self.close(reply::LINE_TOO_LONG, output);
                return None;
            }
            Line::Complete(line) => Command::parse(line),
        };
        // The line may have held a password.
        input.wipe_used();
        let Ok(command) = command else {
            // R937-cmds.6
            self.close(reply::GARBAGE, output);
            return None;
        };
        self.execute(command, output)
    }

    /// The server decision table of RFC 937, page 22. What is not in it is garbage.
    fn execute(&mut self, command: Command, output: &mut Vec<u8>) -> Option<Step> {
        match (self.state, command) {
            (State::Auth, Command::Helo { user, password }) => {
                self.state = State::Verifying;
                let method = Method::UserPass;
                return Some(Step::Authenticate(Credentials::Password {
                    user,
                    authorization: None,
                    password,
                    method,
                }));
            }
            (State::Auth, Command::Quit) => self.quit(output),
            (State::Mbox | State::Item, Command::Quit) => return Some(self.release(Then::Quit)),
            (State::Mbox | State::Item, Command::Fold(mailbox)) => {
                let is_ours = mailbox.eq_ignore_ascii_case(INBOX);
                return Some(self.release(if is_ours { Then::Open } else { Then::Nothing }));
            }
            (State::Mbox | State::Item, Command::Read(number)) => {
                // R937-cmds.3
                self.current = number.unwrap_or(self.current);
                self.tell_length(output);
            }
            (State::Item, Command::Retr) => match self.find() {
                Some((number, _)) => {
                    self.state = State::Sending(number.index());
                    return Some(Step::SendMessage { index: number.index() });
                }
                // R937-cmds.6: closed without a word, since the client counts octets and awaits no reply.
                None => self.state = State::Closed,
            },
            // R937-cmds.5
            (State::Next, Command::Nack) => self.tell_length(output),
            (State::Next, Command::Acks) => self.advance(output),
            (State::Next, Command::Ackd) => {
                if let Some((number, _)) = self.find() {
                    self.marks.mark(number.index());
                }
                self.advance(output);
            }
            _ => self.close(reply::GARBAGE, output),
        }
        None
    }

    /// The next message becomes the current one.
    fn advance(&mut self, output: &mut Vec<u8>) {
        self.current = self.current.saturating_add(1);
        self.tell_length(output);
    }

    fn tell_length(&mut self, output: &mut Vec<u8>) {
        self.state = State::Item;
        match self.find() {
            Some((number, octets)) => reply::length(number, octets, output),
            None => output.extend_from_slice(reply::NO_MORE),
        }
    }

    /// The current message with its octets; none when it does not exist, is marked or is empty.
    fn find(&self) -> Option<(MessageNumber, Octets)> {
        let number = u32::try_from(self.current).ok().and_then(MessageNumber::new)?;
        let octets = self.listing.octets(number.index()).filter(|octets| octets.as_u64() > 0)?;
        (!self.marks.is_marked(number.index())).then_some((number, octets))
    }

    /// R937-cmds.2, R937-cmds.7
    fn release(&mut self, then: Then) -> Step {
        self.state = State::Releasing(then);
        Step::Release
    }

    fn forget_mailbox(&mut self) {
        self.listing = Arc::default();
        self.marks = Marks::new();
        self.current = 1;
    }

    fn quit(&mut self, output: &mut Vec<u8>) {
        self.has_quit = true;
        self.close(reply::GOODBYE, output);
    }

    fn close(&mut self, words: &[u8], output: &mut Vec<u8>) {
        output.extend_from_slice(words);
        self.state = State::Closed;
    }

    fn answer(&mut self, from: State, to: State) {
        if self.state == from {
            self.state = to;
        } else {
            unasked();
        }
    }
}

/// An answer to a question that was not asked: a mistake in the driver. It is ignored.
fn unasked() {
    debug_assert!(false, "the session did not ask this");
}

/// What FOLD calls the account's own maildrop, in any case. It is the default mailbox too.
const INBOX: &[u8] = b"INBOX";
