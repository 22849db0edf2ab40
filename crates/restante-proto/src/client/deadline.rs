//! How long a server may take, as data: the session says what is waited for, its driver owns the clock.

use core::time::Duration;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The greeting.
    Greeting,
    /// The reply to a line of a login. Servers delay the refusal of a wrong password, and open the maildrop before they
    /// answer to a right one.
    Login,
    /// The reply to any other command.
    Reply,
    /// More of something that has begun: a listing, a message.
    Progress,
}

/// How long to wait for each, counted from the moment when waiting begins or the last octets came, whatever is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For the greeting.
    pub greeting: Duration,
    /// For the reply to each line of a login.
    pub login: Duration,
    /// For the reply to any other command.
    pub reply: Duration,
    /// For more of a listing or a message, however slow the line.
    pub progress: Duration,
}

impl Deadlines {
    /// A minute for a greeting; three for a login, as servers that open a large maildrop take their time; two minutes of
    /// silence otherwise.
    pub const DEFAULT: Self = Self {
        greeting: Duration::from_secs(60),
        login: Duration::from_secs(180),
        reply: Duration::from_secs(120),
        progress: Duration::from_secs(120),
    };

    /// The same for all.
    #[must_use]
    pub const fn all(within: Duration) -> Self {
        Self { greeting: within, login: within, reply: within, progress: within }
    }

    /// How long to wait for this.
    #[must_use]
    pub const fn of(&self, awaited: Awaited) -> Duration {
        match awaited {
            Awaited::Greeting => self.greeting,
            Awaited::Login => self.login,
            Awaited::Reply => self.reply,
            Awaited::Progress => self.progress,
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self::DEFAULT
    }
}
