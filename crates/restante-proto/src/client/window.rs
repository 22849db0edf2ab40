//! What is sent and not answered, as numbers: how much may be sent ahead.

use super::Limits;
use super::request::{Flight, Request};

/// Counts what awaits its replies (R2449-6.6.3).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    commands: usize,
    octets: usize,
    /// Messages that are asked for, and the octets they are expected to have.
    messages: (usize, u64),
    /// Commands that keep QUIT waiting.
    before_quit: usize,
}

impl Window {
    /// Whether there is room for another request. QUIT is to be final only when all that could change what it does is known.
    pub(super) fn has_room(&self, request: &Request, limits: &Limits) -> bool {
        let (messages, octets) = self.messages;
        let is_ahead = |expected| {
            messages < MESSAGES_AHEAD_MIN || octets.saturating_add(expected) <= limits.ahead_octets_max
        };
        self.octets < limits.pipelined_octets_max
            && self.commands < limits.pipelined_commands_max
            && request.expected_octets().is_none_or(is_ahead)
            && (request.flight() != Flight::Quit || self.before_quit == 0)
    }

    pub(super) fn sent(&mut self, cost: Cost) {
        self.commands += 1;
        self.octets += cost.octets;
        self.before_quit += usize::from(cost.delays_quit);
        if let Some(expected) = cost.expected {
            self.messages = (self.messages.0 + 1, self.messages.1.saturating_add(expected));
        }
    }

    pub(super) fn answered(&mut self, cost: Cost) {
        self.commands = self.commands.saturating_sub(1);
        self.octets = self.octets.saturating_sub(cost.octets);
        self.before_quit = self.before_quit.saturating_sub(usize::from(cost.delays_quit));
        if let Some(expected) = cost.expected {
            self.messages = (self.messages.0.saturating_sub(1), self.messages.1.saturating_sub(expected));
        }
    }
}

/// What one command takes of a [`Window`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// Octets of the command.
    pub(super) octets: usize,
    /// Octets of the message that is expected, if one is.
    pub(super) expected: Option<u64>,
    /// QUIT may not be sent before the reply has come.
    pub(super) delays_quit: bool,
}

/// So many messages are asked for ahead, however large they are: while one is being taken, the next is on its way.
const MESSAGES_AHEAD_MIN: usize = 2;
