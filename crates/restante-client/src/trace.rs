//! A trace of what is said on a connection, for transcripts and for finding faults.
//!
//! Secrets do not get here: while a session waits for the reply to a line that holds one, the line is shown by what it
//! is. Messages are counted, not shown.

use std::fmt;

/// Something that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// A line of the client, without its CRLF.
    Client(&'a [u8]),
    /// A line of the server, without its CRLF.
    Server(&'a [u8]),
    /// A message of so many octets went by.
    Message {
        /// Its octets in the canonical form.
        octets: u64,
    },
    /// From here on the connection is encrypted.
    Tls,
}

/// Is told everything that is said on a connection.
pub struct Trace(Box<dyn FnMut(Said<'_>) + Send>);

impl Trace {
    /// Calls `listener` for everything that is said.
    pub fn new(listener: impl FnMut(Said<'_>) + Send + 'static) -> Self {
        Self(Box::new(listener))
    }

    pub(crate) fn say(&mut self, said: Said<'_>) {
        (self.0)(said);
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Trace(..)")
    }
}
