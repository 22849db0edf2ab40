//! The UPDATE state: after QUIT with deletion marks or messages accessed, until the reply.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Context, Ending, Fault, State, Step, Turn, unanswered, unasked};
use crate::maildrop::{Accessed, Marks};
use crate::reply::{self, catalogue};

/// QUIT was received and the maildrop is to change.
#[derive(Debug)]
pub(super) struct Update {
    marks: Marks,
    accessed: Option<Box<Accessed>>,
    moment: Moment,
}

#[derive(Debug)]
enum Moment {
    Asking,
    Removing,
    Removed,
    NotRemoved(Fault),
}

impl Update {
    pub(super) const fn new(marks: Marks, accessed: Option<Box<Accessed>>) -> Self {
        Self { marks, accessed, moment: Moment::Asking }
    }

    pub(super) fn turn(&mut self, context: &Context, output: &mut Vec<u8>) -> Turn {
        match self.moment {
            // R1939-6.1
            Moment::Asking => {
                self.moment = Moment::Removing;
                return Turn::Ask(Step::Remove);
            }
            Moment::Removing => return unanswered(),
            // R1939-6.4: the reply comes after the removal and reports it.
            Moment::Removed => context.say(catalogue::GOODBYE, output),
            Moment::NotRemoved(fault) => context.say(reply::removal_fault(fault), output),
        }
        let ending = if matches!(self.moment, Moment::Removed) { Ending::Quit } else { Ending::NotRemoved };
        // R1939-6.5
        Turn::Enter(State::Closed(ending))
    }

    pub(super) fn removed(&mut self) {
        self.answer(Moment::Removed);
    }

    pub(super) fn not_removed(&mut self, fault: Fault) {
        self.answer(Moment::NotRemoved(fault));
    }

    pub(super) const fn marks(&self) -> &Marks {
        &self.marks
    }

    pub(super) fn accessed(&self) -> Option<&Accessed> {
        self.accessed.as_deref()
    }

    fn answer(&mut self, moment: Moment) {
        match self.moment {
            Moment::Removing => self.moment = moment,
            _ => unasked(),
        }
    }
}
