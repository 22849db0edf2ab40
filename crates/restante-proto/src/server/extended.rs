//! XTND: the services of RFC 1082 (boards) and of Qpopper (XMIT, XLST), each off unless the policy names it.
//!
//! The text of RFC 1082 could not be had: what is obeyed here are the rows of `ledger/rfc1082.toml`, written from memory.
//!
//! What becomes of one's own maildrop when a board is opened: it is closed as by QUIT. What is marked is removed, durably, and the
//! lock is released, *after* the board has turned out to open and *before* the reply (R1082-BBOARDS.2). So a board that does not
//! open changes nothing (R1082-BBOARDS.3), no mark lives on that nobody could see or take back, and nobody keeps others out of a
//! maildrop while reading something else. When not every marked message can be removed, the client hears so as at QUIT, and the
//! session ends. From then on the session reads boards only; the way back to the own maildrop is a new session.
//!
//! XMIT's message does not enter the session: the driver takes it off the input and says what became of it. Success is said when
//! somebody else has taken the responsibility for the message, never before.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::transaction::{Moment as TransactionMoment, Transaction};
use super::{Context, Ending, Fault, Rights, State, Step, Turn, flaw, unanswered, unasked};
use crate::command::xtnd::{self, Service};
use crate::maildrop::{Listing, Marks, MessageNumber, Octets};
use crate::reply::catalogue::{self, Entry, services};
use crate::reply::{TERMINATION, decimal};

/// Which services XTND has. All of them are off by default; then XTND is an unknown command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extended {
    /// The boards, in the order to list them.
    pub boards: Vec<Board>,
    /// Whether XMIT takes messages, and the octets of the largest one in canonical form.
    pub message_octets_max: Option<u64>,
    /// Whether there is XLST.
    pub header_listing: bool,
}

/// A board: a maildrop that everybody may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// Its name: printable ASCII without spaces, no dot at its start. Compared without regard to case.
    pub name: String,
    /// Whether it has an archive.
    pub has_archive: bool,
}

/// One of the places of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shelf {
    /// Which board, as a position in [`Extended::boards`].
    pub board: usize,
    /// Which of its places.
    pub part: Part,
}

/// The places of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The messages that are read now.
    Current,
    /// The older ones.
    Archive,
}

/// What the driver is asked. Each is answered by [`Session::extended`](super::Session::extended) with one of the answers
/// named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// How many messages does this board hold? [`Answer::Counted`].
    CountBoard(Shelf),
    /// Open this board to be read. If that went well, remove [`Session::marks`](super::Session::marks), if any, from the
    /// maildrop that is open, durably, keep [`Session::accessed`](super::Session::accessed), and let go of it. [`Answer::Opened`]; [`Answer::Refused`], when the board does not open,
    /// with the maildrop as it was; [`Answer::NotRemoved`].
    OpenBoard(Shelf),
    /// Take a message off the input with a [`Reception`](crate::lmtp::reception::Reception) that lets no more octets through than
    /// these, to its end in any case, and hand it over. [`Answer::Submitted`], [`Answer::NotSubmitted`].
    ReceiveMessage {
        /// The largest message.
        octets_max: u64,
    },
    /// Find the first header field of this name in a message, see [`crate::field`]. [`Answer::Field`].
    ReadField {
        /// The message, as an index into the listing.
        index: usize,
        /// The name of the field, as it was typed.
        name: Arc<[u8]>,
    },
}

/// What the driver answers.
#[derive(Clone, Debug)]
pub enum Answer<'a> {
    /// So many messages; `None` when the board cannot be read.
    Counted(Option<u64>),
    /// The board is open, and the maildrop that was is let go of.
    Opened(Arc<Listing>),
    /// The board does not open.
    Refused(Fault),
    /// The board has opened, but some marked messages are still there. The session ends.
    NotRemoved(Fault),
    /// The field on one line, `Name: value`; `None` when the message has none or cannot be read.
    Field(Option<&'a [u8]>),
    /// The message was taken by the one it was handed to.
    Submitted,
    /// It was not, and never will be by this attempt.
    NotSubmitted(Unsubmitted),
}

/// Why a message was not handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsubmitted {
    /// It may work later.
    Temporary,
    /// It was refused.
    Refused,
    /// It is larger than allowed.
    TooLarge,
    /// It names no recipient, or too many.
    Recipients,
    /// It is not from an address of the account.
    Sender,
}

/// What XTND is in the middle of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    /// BBOARDS: this board comes next in the list.
    List(usize),
    /// The driver counts this board for the list.
    Counting(usize),
    /// The driver counts this board for X-BBOARDS.
    Describing(usize),
    /// The driver opens this board.
    Opening(Shelf),
    /// Marked messages are still there: the session ends.
    GivenUp,
    /// The driver takes a message.
    Receiving,
    /// XLST: this index comes next.
    Fields(usize),
    /// XLST: the driver looks into this message.
    Reading(usize),
}

/// What lasts longer than a command.
#[derive(Debug)]
pub(super) struct Memory {
    /// A board is open: scan listings have a third field.
    pub(super) is_board: bool,
    /// The account may send mail.
    may_submit: bool,
    /// The field of the XLST that goes on, and where it ends.
    fields: Option<Box<(Arc<[u8]>, usize)>>,
}

impl Memory {
    /// Whoever may only read a maildrop, as an anonymous guest, sends no mail either.
    pub(super) fn new(rights: Rights) -> Self {
        Self { is_board: false, may_submit: rights == Rights::Full, fields: None }
    }
}

impl Extended {
    /// Whether there is any service, so that XTND is a command.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.boards.is_empty() || self.message_octets_max.is_some() || self.header_listing
    }

    /// What XTND is told before login (R1082-XTND.1).
    pub(super) fn too_early(&self) -> &'static Entry {
        if self.is_on() { catalogue::WRONG_STATE } else { catalogue::UNKNOWN_COMMAND }
    }

    fn find(&self, name: &[u8]) -> Result<usize, &'static Entry> {
        let is_it = |board: &Board| board.name.as_bytes().eq_ignore_ascii_case(name);
        self.boards.iter().position(is_it).ok_or(services::NO_SUCH_BOARD)
    }
}

impl Transaction {
    /// Does what an XTND says. `Err` is the reply to one that has no place here.
    pub(super) fn extend(
        &mut self,
        arguments: Option<&[u8]>,
        context: &Context,
        output: &mut Vec<u8>,
    ) -> Result<Turn, &'static Entry> {
        let policy = &context.policy.extended;
        if !policy.is_on() {
            return Err(catalogue::UNKNOWN_COMMAND);
        }
        // R1082-XTND.1
        match xtnd::parse(arguments).map_err(flaw)? {
            // R1082-XTND.2
            Service::Bboards(_) | Service::Archive(_) | Service::XBboards(_) if policy.boards.is_empty() => {
                Err(catalogue::UNKNOWN_COMMAND)
            }
            Service::Bboards(None) => {
                context.say(services::BOARDS_FOLLOW, output);
                Ok(self.go_on(Moment::List(0)))
            }
            Service::Bboards(Some(name)) => {
                // R1082-BBOARDS.3
                let board = policy.find(name)?;
                Ok(self.open_board(Shelf { board, part: Part::Current }))
            }
            Service::Archive(name) => {
                let board = policy.find(name)?;
                let has_archive = policy.boards.get(board).is_some_and(|board| board.has_archive);
                // R1082-ARCHIVE.1
                if has_archive {
                    Ok(self.open_board(Shelf { board, part: Part::Archive }))
                } else {
                    Err(services::NO_SUCH_BOARD)
                }
            }
            Service::XBboards(name) => {
                let board = policy.find(name)?;
                self.moment = TransactionMoment::Extended(Moment::Describing(board));
                Ok(ask(Question::CountBoard(Shelf { board, part: Part::Current })))
            }
            Service::Xmit => match policy.message_octets_max.filter(|_| self.memory.may_submit) {
                // R1082-XMIT.1
                None => Err(catalogue::UNKNOWN_COMMAND),
                Some(octets_max) => {
                    context.say(services::SEND_MESSAGE, output);
                    self.moment = TransactionMoment::Extended(Moment::Receiving);
                    Ok(ask(Question::ReceiveMessage { octets_max }))
                }
            },
            Service::Xlst { .. } if !policy.header_listing => Err(catalogue::UNKNOWN_COMMAND),
            Service::Xlst { name, number } => {
                let (start, end) = match number {
                    Some(number) => {
                        self.find(number)?;
                        (number.index(), number.index() + 1)
                    }
                    None => (0, self.listing.len()),
                };
                self.memory.fields = Some(Box::new((name.into(), end)));
                context.say(services::FIELDS_FOLLOW, output);
                Ok(self.go_on(Moment::Fields(start)))
            }
        }
    }

    /// Goes on with what XTND has begun.
    pub(super) fn go_on_extended(&mut self, moment: Moment, context: &Context, output: &mut Vec<u8>) -> Turn {
        match moment {
            Moment::List(board) if board < context.policy.extended.boards.len() => {
                self.moment = TransactionMoment::Extended(Moment::Counting(board));
                ask(Question::CountBoard(Shelf { board, part: Part::Current }))
            }
            Moment::Fields(index) => {
                let (name, end) = match self.memory.fields.as_deref() {
                    Some((name, end)) => (Some(name), *end),
                    None => (None, 0),
                };
                // Marked messages are not there (R1939-5.9).
                let next = (index..end).find(|&index| !self.marks.is_marked(index));
                match (next, name) {
                    (Some(index), Some(name)) => {
                        let name = Arc::clone(name);
                        self.moment = TransactionMoment::Extended(Moment::Reading(index));
                        ask(Question::ReadField { index, name })
                    }
                    _ => {
                        self.memory.fields = None;
                        self.terminate(output)
                    }
                }
            }
            Moment::List(_) => self.terminate(output),
            Moment::GivenUp => Turn::Enter(State::Closed(Ending::NotRemoved)),
            Moment::Counting(_) | Moment::Describing(_) | Moment::Opening(_) => unanswered(),
            Moment::Receiving | Moment::Reading(_) => unanswered(),
        }
    }

    /// Takes the answer to a question of XTND; appends what the client hears of it.
    pub(super) fn extended(&mut self, answer: Answer<'_>, context: &Context, output: &mut Vec<u8>) {
        let TransactionMoment::Extended(moment) = self.moment else { return unasked() };
        let boards = &context.policy.extended.boards;
        let name = |board: usize| boards.get(board).map(|board| board.name.as_str()).unwrap_or_default();
        self.moment = match (moment, answer) {
            (Moment::Counting(board), Answer::Counted(messages)) => {
                // R1082-BBOARDS.1: what cannot be read is left out.
                messages.into_iter().for_each(|messages| board_line(name(board), messages, output));
                TransactionMoment::Extended(Moment::List(board + 1))
            }
            (Moment::Describing(board), Answer::Counted(messages)) => {
                match messages {
                    Some(messages) => {
                        context.say(services::BOARD_FOLLOWS, output);
                        describe(name(board), messages, output);
                    }
                    None => context.say(services::BOARD_TEMPORARY, output),
                }
                TransactionMoment::Command
            }
            (Moment::Opening(shelf), Answer::Opened(listing)) => {
                context.say(services::BOARD_FOLLOWS, output);
                board_line(name(shelf.board), listing.len() as u64, output);
                output.extend_from_slice(TERMINATION);
                self.swap(listing);
                TransactionMoment::Command
            }
            (Moment::Opening(_), Answer::Refused(fault)) => {
                context.say(board_fault(fault), output);
                TransactionMoment::Command
            }
            (Moment::Opening(_), Answer::NotRemoved(fault)) => {
                context.say(crate::reply::removal_fault(fault), output);
                self.marks = Marks::new();
                TransactionMoment::Extended(Moment::GivenUp)
            }
            (Moment::Receiving, Answer::Submitted) => {
                context.say(services::MESSAGE_SUBMITTED, output);
                TransactionMoment::Command
            }
            (Moment::Receiving, Answer::NotSubmitted(why)) => {
                context.say(unsubmitted(why), output);
                TransactionMoment::Command
            }
            (Moment::Reading(index), Answer::Field(field)) => {
                if let (Some(field), Some(number)) = (field, MessageNumber::from_index(index)) {
                    field_line(number, field, context.voice.utf8, output);
                }
                TransactionMoment::Extended(Moment::Fields(index + 1))
            }
            _ => return unasked(),
        };
    }

    fn open_board(&mut self, shelf: Shelf) -> Turn {
        self.moment = TransactionMoment::Extended(Moment::Opening(shelf));
        ask(Question::OpenBoard(shelf))
    }

    /// The board takes the maildrop's place (R1082-BBOARDS.2, R1082-BBOARDS.5).
    fn swap(&mut self, listing: Arc<Listing>) {
        self.listing = listing;
        self.marks = Marks::new();
        self.marked = Octets::default();
        // What was accessed has been kept with the maildrop.
        (self.last, self.accessed) = (None, None);
        self.rights = Rights::ReadOnly;
        self.memory.is_board = true;
    }

    fn go_on(&mut self, moment: Moment) -> Turn {
        self.moment = TransactionMoment::Extended(moment);
        Turn::Again
    }

    fn terminate(&mut self, output: &mut Vec<u8>) -> Turn {
        output.extend_from_slice(TERMINATION);
        self.moment = TransactionMoment::Command;
        Turn::Again
    }
}

const fn ask(question: Question) -> Turn {
    Turn::Ask(Step::Extended(question))
}

const fn board_fault(fault: Fault) -> &'static Entry {
    match fault {
        Fault::Temporary => services::BOARD_TEMPORARY,
        Fault::Permanent | Fault::NeedsUtf8 => services::BOARD_PERMANENT,
    }
}

const fn unsubmitted(why: Unsubmitted) -> &'static Entry {
    match why {
        Unsubmitted::Temporary => services::SUBMISSION_TEMPORARY,
        Unsubmitted::Refused => services::SUBMISSION_REFUSED,
        Unsubmitted::TooLarge => services::SUBMISSION_TOO_LARGE,
        Unsubmitted::Recipients => services::SUBMISSION_RECIPIENTS,
        Unsubmitted::Sender => services::SUBMISSION_SENDER,
    }
}

/// The highest number of a board is its number of messages: a Maildir numbers its messages by their order.
fn board_line(name: &str, messages: u64, output: &mut Vec<u8>) {
    output.extend_from_slice(name.as_bytes());
    output.push(b' ');
    decimal(messages, output);
    output.extend_from_slice(b"\r\n");
}

/// R1082-X-BBOARDS.1: name, aliases, file, archive, maxima file, map, password, leaders, address, address for requests, relay,
/// distribution, flags with the highest number, date. What we have not, or what is nobody's business, is an empty line.
fn describe(name: &str, messages: u64, output: &mut Vec<u8>) {
    output.extend_from_slice(name.as_bytes());
    output.extend_from_slice(b"\r\n");
    for _ in 0..11 {
        output.extend_from_slice(b"\r\n");
    }
    board_line("0", messages, output);
    output.extend_from_slice(b"\r\n");
    output.extend_from_slice(TERMINATION);
}

/// One line of XLST: number, space, field. Outside of UTF8 mode octets that are not ASCII are not for the client
/// (RFC 6856 section 2.1).
fn field_line(number: MessageNumber, field: &[u8], utf8: bool, output: &mut Vec<u8>) {
    decimal(u64::from(number.as_u32()), output);
    output.push(b' ');
    output.extend(field.iter().map(|&octet| match octet {
        b'\r' | b'\n' | 0 => b' ',
        _ if octet.is_ascii() || utf8 => octet,
        _ => b'?',
    }));
    output.extend_from_slice(b"\r\n");
}
