//! How unique-ids are made, and those that another server has given before.
//!
//! The unique-id of a message is a pure function of its Maildir base name and of the overrides file, so that losing
//! the index changes none. See docs/design/0002-maildir-index.md.

use std::error::Error;
use std::fmt;

use restante_proto::maildrop::UniqueId;

use crate::maildrop::OpenError;

/// What another server showed for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The Maildir base name: the file name up to the first `:`.
    pub base_name: Vec<u8>,
    /// The unique-id to show.
    pub unique_id: UniqueId,
    /// The place in the listing: messages that have one come first, ascending, then the others by time.
    pub order: Option<u64>,
}

/// Why unique-ids were not set.
#[derive(Debug)]
pub enum OverrideError {
    /// The same unique-id would stand for two messages.
    Duplicate(UniqueId),
    /// A base name is empty, longer than 255 octets, or holds `/`, `:` or NUL.
    InvalidBaseName(Vec<u8>),
    /// The maildrop could not be opened or written.
    Maildrop(OpenError),
}

impl OverrideError {
    /// Whether trying again later may help.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Maildrop(error) if error.is_temporary())
    }
}

impl fmt::Display for OverrideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(unique_id) => {
                write!(f, "the unique-id {} would stand for two messages", unique_id.as_str())
            }
            Self::InvalidBaseName(name) => {
                write!(f, "\"{}\" is no base name of a Maildir", name.escape_ascii())
            }
            Self::Maildrop(error) => error.fmt(f),
        }
    }
}

impl Error for OverrideError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Maildrop(error) => Some(error),
            _ => None,
        }
    }
}
