//! What can come of one judge: the words of a verdict, and how a judge that cannot go on says why.

use serde::Serialize;

/// How binding a law is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A server that does otherwise violates a standard.
    Must,
    /// A server that does otherwise needs a good reason.
    Should,
    /// No standard says so, but clients in the field depend on it.
    Practice,
}

/// A law that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Breach {
    /// What the law asks for.
    pub expected: String,
    /// What the server did.
    pub found: String,
}

/// What a judge says of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The server obeys, as far as can be seen from outside.
    Pass,
    /// A MUST is broken.
    Fail(Breach),
    /// A SHOULD, or what the field does, is not kept; or a MUST may be broken and a person has to look.
    Warning(Breach),
    /// The law does not bind this server, or the run was not allowed what it takes to judge.
    NotApplicable {
        /// Why.
        why: String,
    },
    /// It applies, but could not be judged: no connection, no login, out of budget.
    Undecided {
        /// Why.
        why: String,
    },
}

impl Verdict {
    /// The word for tables.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "FAIL",
            Self::Warning(_) => "warning",
            Self::NotApplicable { .. } => "n/a",
            Self::Undecided { .. } => "undecided",
        }
    }
}

/// Why a judge ended before it was content. A judge that comes to its end without one passes the server.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The law was seen to be broken.
    Broken(Breach),
    /// It looks broken, but may be lawful: a warning, whatever the level.
    Doubtful(Breach),
    /// The law does not bind here.
    NotApplicable(String),
    /// Nothing can be said: what was missing is not the fault of the server, or not of this law.
    Undecided(String),
    /// The server closed, fell silent or never stopped where something else was due.
    Cut(Breach),
}

impl Stop {
    pub(crate) fn not_applicable(why: impl Into<String>) -> Self {
        Self::NotApplicable(why.into())
    }

    /// The verdict for a judge of a law of this level.
    pub(crate) fn verdict(self, level: Level) -> Verdict {
        match (self, level) {
            (Self::Broken(breach) | Self::Cut(breach), Level::Must) => Verdict::Fail(breach),
            (Self::Broken(breach) | Self::Cut(breach) | Self::Doubtful(breach), _) => {
                Verdict::Warning(breach)
            }
            (Self::NotApplicable(why), _) => Verdict::NotApplicable { why },
            (Self::Undecided(why), _) => Verdict::Undecided { why },
        }
    }
}

/// The result of a step of a judge.
pub(crate) type Step<T = ()> = Result<T, Stop>;

/// Demands that a law is kept; `found` is made only when it is not.
pub(crate) fn demand(kept: bool, expected: &str, found: impl FnOnce() -> String) -> Step {
    if kept { Ok(()) } else { Err(broken(expected, found())) }
}

/// The law is broken.
pub(crate) fn broken(expected: impl Into<String>, found: impl Into<String>) -> Stop {
    Stop::Broken(Breach { expected: expected.into(), found: found.into() })
}

/// The law may be broken.
pub(crate) fn doubtful(expected: impl Into<String>, found: impl Into<String>) -> Stop {
    Stop::Doubtful(Breach { expected: expected.into(), found: found.into() })
}
