//! The TRANSACTION state: STAT, LIST, RETR, DELE, NOOP, RSET, TOP, UIDL, LAST, CAPA and QUIT over the listing taken at
//! login. Nothing here changes the maildrop: DELE only marks, and what was accessed is kept at QUIT. XTND is in
//! `extended.rs`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::extended::{self, Memory};
use super::update::Update;
use super::{
    Context, Ending, Fault, Opening, Phase, Rights, State, Step, Turn, flaw, parse, unanswered, unasked,
};
use crate::body::Extent;
use crate::command::{Command, Flaw};
use crate::line::{Input, Line};
use crate::maildrop::{Accessed, Listing, Marks, MessageNumber, Octets};
use crate::reply;
use crate::reply::catalogue::{self, Entry};

/// Logged in.
#[derive(Debug)]
pub(super) struct Transaction {
    /// Fixed for the session: what is delivered or removed meanwhile does not renumber (R1939-4.9).
    pub(super) listing: Arc<Listing>,
    /// Every mark is below `listing.len()`.
    pub(super) marks: Marks,
    /// The octets of the marked messages together.
    pub(super) marked: Octets,
    /// The highest message accessed, in this session or before it (LAST).
    pub(super) last: Option<MessageNumber>,
    /// What this session accessed, as soon as it did. Never where LAST is not offered.
    pub(super) accessed: Option<Box<Accessed>>,
    pub(super) rights: Rights,
    pub(super) moment: Moment,
    pub(super) memory: Memory,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    /// The reply to the login is due.
    Welcome,
    /// A command is awaited.
    Command,
    /// A listing is being written; this index comes next.
    Listing(Column, usize),
    /// The driver was asked for this message.
    Opening(usize, Extent),
    /// The driver is sending it.
    Sending,
    /// The driver could not open it.
    Failed(Fault),
    /// XTND is in the middle of something.
    Extended(extended::Moment),
}

/// What a listing shows behind the message-number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    Octets,
    UniqueId,
}

impl Transaction {
    pub(super) fn new(opening: Opening) -> Self {
        let Opening { listing, rights, last } = opening;
        let (marked, moment, memory) = (Octets::default(), Moment::Welcome, Memory::new(rights));
        // R1939-4.7, R1460-4.1
        Self { listing, marks: Marks::new(), marked, last, accessed: None, rights, moment, memory }
    }

    pub(super) fn accessed(&self) -> Option<&Accessed> {
        self.accessed.as_deref()
    }

    pub(super) const fn marks(&self) -> &Marks {
        &self.marks
    }

    pub(super) fn turn(&mut self, context: &mut Context, input: &mut Input, output: &mut Vec<u8>) -> Turn {
        match self.moment {
            Moment::Welcome => {
                // R1939-7.23, R1939-7.27, R5034-4.22: one line, and no data of the mechanism in it.
                self.moment = Moment::Command;
                self.tell_contents(context, output)
            }
            Moment::Command => self.read(context, input, output),
            Moment::Listing(column, next) => self.write_listing(column, next, context, output),
            Moment::Extended(moment) => self.go_on_extended(moment, context, output),
            Moment::Failed(fault) => {
                self.moment = Moment::Command;
                context.say(reply::message_fault(fault), output);
                Turn::Again
            }
            Moment::Opening(..) | Moment::Sending => unanswered(),
        }
    }

    pub(super) fn message_opened(&mut self, context: &Context, output: &mut Vec<u8>) {
        let Moment::Opening(index, extent) = self.moment else { return unasked() };
        self.moment = Moment::Sending;
        match extent {
            Extent::Whole => {
                // R1460-5.3. TOP does not count (R1460-5.7).
                self.access(index, context);
                let octets = self.listing.octets(index).unwrap_or_default().as_u64();
                catalogue::MESSAGE_FOLLOWS.append(&[octets], context.voice, output);
            }
            Extent::Top(_) => context.say(catalogue::TOP_FOLLOWS, output),
        }
    }

    pub(super) fn message_sent(&mut self) {
        match self.moment {
            Moment::Sending => self.moment = Moment::Command,
            _ => unasked(),
        }
    }

    pub(super) fn message_failed(&mut self, fault: Fault) {
        match self.moment {
            Moment::Opening(..) => self.moment = Moment::Failed(fault),
            _ => unasked(),
        }
    }

    fn read(&mut self, context: &mut Context, input: &mut Input, output: &mut Vec<u8>) -> Turn {
        let reply = match input.next_line(context.policy.limits.command_octets_max, context.line_end()) {
            Line::Incomplete => return Turn::Ask(Step::Read),
            Line::TooLong => catalogue::LINE_TOO_LONG,
            Line::Complete(line) => match parse(line, context) {
                Ok(command) => match self.execute(command, context, output) {
                    Ok(turn) => return turn,
                    Err(reply) => reply,
                },
                Err(what) => flaw(what),
            },
        };
        context.complain(reply, context.policy.limits.bad_commands_after_login_max, output)
    }

    /// Does what `command` says (R1939-7.1). `Err` is the reply to a command that has no place in this state.
    fn execute(
        &mut self,
        command: Command<'_>,
        context: &mut Context,
        output: &mut Vec<u8>,
    ) -> Result<Turn, &'static Entry> {
        Ok(match command {
            Command::Stat => {
                // R1939-5.3, R1939-5.4, R1939-5.15
                reply::stat(self.messages(), self.octets(), output);
                Turn::Again
            }
            Command::List(None) => {
                self.tell_contents(context, output);
                self.begin_listing(Column::Octets)
            }
            Command::Uidl(None) => {
                context.say(catalogue::UNIQUE_IDS_FOLLOW, output);
                self.begin_listing(Column::UniqueId)
            }
            Command::List(Some(number)) => self.list_one(number, Column::Octets, context, output),
            Command::Uidl(Some(number)) => self.list_one(number, Column::UniqueId, context, output),
            Command::Retr(number) => self.send(number, Extent::Whole, context, output),
            Command::Top { number, lines } => self.send(number, Extent::Top(lines), context, output),
            Command::Dele(number) => self.delete(number, context, output),
            Command::Noop => {
                // R1939-5.20
                context.say(catalogue::NOTHING_DONE, output);
                Turn::Again
            }
            Command::Rset => {
                // R1939-5.21
                self.marks.clear();
                self.marked = Octets::default();
                self.start_anew(context);
                self.tell_contents(context, output)
            }
            Command::Last if context.policy.last => {
                reply::last(self.last, output);
                Turn::Again
            }
            Command::Last => return Err(flaw(Flaw::Unknown)),
            Command::Capa => {
                // R2449-5.1
                context.list_capabilities(Phase::Transaction, output);
                Turn::Again
            }
            Command::Lang(range) => {
                context.answer_language(range, output)?;
                Turn::Again
            }
            Command::Xtnd(arguments) => return self.extend(arguments, context, output),
            Command::Quit => self.quit(context, output),
            // R1939-3.18, R1939-7.18, R2595-4.3, R5034-4.2, R5034-4.3
            Command::User(_) | Command::Pass(_) | Command::Apop { .. } => return Err(catalogue::WRONG_STATE),
            Command::Auth { .. } | Command::Stls | Command::Utf8 => return Err(catalogue::WRONG_STATE),
        })
    }

    fn list_one(
        &self,
        number: MessageNumber,
        column: Column,
        context: &Context,
        output: &mut Vec<u8>,
    ) -> Turn {
        match (self.find(number), column) {
            (Ok(octets), Column::Octets) => {
                reply::scan_listing(number, octets, self.board_id(number), output)
            }
            (Ok(_), Column::UniqueId) => {
                let mut unique_ids = self.listing.unique_ids_from(number.index());
                reply::unique_id_listing(number, unique_ids.advance().unwrap_or_default(), output);
            }
            (Err(reply), _) => context.say(reply, output),
        }
        Turn::Again
    }

    /// RETR and TOP differ in the extent only (R1939-5.16, R1939-5.19, R1939-7.4).
    fn send(
        &mut self,
        number: MessageNumber,
        extent: Extent,
        context: &Context,
        output: &mut Vec<u8>,
    ) -> Turn {
        match self.find(number) {
            Ok(_) => {
                self.moment = Moment::Opening(number.index(), extent);
                Turn::Ask(Step::SendMessage { index: number.index(), extent })
            }
            Err(reply) => {
                context.say(reply, output);
                Turn::Again
            }
        }
    }

    fn delete(&mut self, number: MessageNumber, context: &Context, output: &mut Vec<u8>) -> Turn {
        // R1939-5.18
        let reply = match self.find(number) {
            // R4505-5.2
            Ok(_) if self.rights == Rights::ReadOnly => catalogue::READ_ONLY,
            Ok(octets) => {
                self.marks.mark(number.index());
                self.marked = self.marked + octets;
                // R1460-5.4
                self.access(number.index(), context);
                catalogue::MARKED
            }
            Err(reply) => reply,
        };
        context.say(reply, output);
        Turn::Again
    }

    fn quit(&mut self, context: &Context, output: &mut Vec<u8>) -> Turn {
        let is_unchanged = self.marks.is_empty() && self.accessed.is_none();
        if is_unchanged || self.rights == Rights::ReadOnly {
            context.say(catalogue::GOODBYE, output);
            return Turn::Enter(State::Closed(Ending::Quit));
        }
        let marks = core::mem::take(&mut self.marks);
        Turn::Enter(State::Update(Update::new(marks, self.accessed.take())))
    }

    /// Notes that a message was accessed. A lower one lowers nothing.
    fn access(&mut self, index: usize, context: &Context) {
        if context.policy.last {
            self.accessed.get_or_insert_default().messages.mark(index);
            self.last = self.last.max(MessageNumber::from_index(index));
        }
    }

    /// R1460-5.5: nothing counts as accessed, neither in this session nor in those before it.
    fn start_anew(&mut self, context: &Context) {
        if context.policy.last {
            self.last = None;
            self.accessed = Some(Box::new(Accessed { messages: Marks::new(), starts_anew: true }));
        }
    }

    /// The size of a message that may be referred to, or the reply that says why not (R1939-5.11, R1939-5.12).
    pub(super) fn find(&self, number: MessageNumber) -> Result<Octets, &'static Entry> {
        let octets = self.listing.octets(number.index()).ok_or(catalogue::NO_SUCH_MESSAGE)?;
        if self.marks.is_marked(number.index()) { Err(catalogue::MESSAGE_DELETED) } else { Ok(octets) }
    }

    /// What a board calls a message, the third field of its scan listings: its place (R1082-BBOARDS.4).
    fn board_id(&self, number: MessageNumber) -> Option<MessageNumber> {
        self.memory.is_board.then_some(number)
    }

    fn begin_listing(&mut self, column: Column) -> Turn {
        self.moment = Moment::Listing(column, 0);
        Turn::Again
    }

    /// Goes on with a listing until the output is full or the listing ends.
    fn write_listing(
        &mut self,
        column: Column,
        start: usize,
        context: &Context,
        output: &mut Vec<u8>,
    ) -> Turn {
        let output_octets_max = context.policy.limits.output_octets;
        let mut unique_ids = self.listing.unique_ids_from(start);
        for index in start..self.listing.len() {
            if output.len() >= output_octets_max {
                self.moment = Moment::Listing(column, index);
                return Turn::Again;
            }
            let unique_id = match column {
                Column::Octets => &[],
                Column::UniqueId => unique_ids.advance().unwrap_or_default(),
            };
            // R1939-5.9, R1939-7.15
            if self.marks.is_marked(index) {
                continue;
            }
            let Some(number) = MessageNumber::from_index(index) else { break };
            match column {
                Column::Octets => {
                    let octets = self.listing.octets(index).unwrap_or_default();
                    reply::scan_line(number, octets, self.board_id(number), output);
                }
                Column::UniqueId => reply::unique_id_line(number, unique_id, output),
            }
        }
        // R1939-5.10
        output.extend_from_slice(reply::TERMINATION);
        self.moment = Moment::Command;
        Turn::Again
    }

    fn tell_contents(&self, context: &Context, output: &mut Vec<u8>) -> Turn {
        let numbers = [self.messages() as u64, self.octets().as_u64()];
        catalogue::CONTENTS.append(&numbers, context.voice, output);
        Turn::Again
    }

    /// How many messages are not marked.
    fn messages(&self) -> usize {
        self.listing.len() - self.marks.count()
    }

    /// The octets of the messages that are not marked.
    fn octets(&self) -> Octets {
        Octets::new(self.listing.total().as_u64().saturating_sub(self.marked.as_u64()))
    }
}
