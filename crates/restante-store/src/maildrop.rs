//! What a session holds while it has the exclusive-access lock: the listing, messages to open, a set to remove.
//!
//! Independent of where the mail lies; `maildir/` and `mbox/` do the work. The server's POP3 driver calls it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use restante_proto::maildrop::{Accessed, Listing, Marks, Octets};

use crate::failure::Failure;
use crate::gone::Gone;
use crate::guard::{self, Guarded, Watch};
use crate::maildir;
use crate::mbox;
use crate::quota::Limits;
use crate::surrogate::Surrogate;

/// An open maildrop. Dropping it releases the lock and removes nothing.
#[derive(Debug)]
pub struct Maildrop {
    backend: Backend,
    /// Where the guard looks after it.
    watch: Option<Box<Watch>>,
    /// What was noticed besides what the backend tells.
    warnings: Vec<Warning>,
}

#[derive(Debug)]
enum Backend {
    Maildir(Arc<maildir::Session>),
    Mbox(Arc<mbox::Session>),
}

impl Maildrop {
    pub(crate) fn maildir(mut session: maildir::Session) -> Self {
        let warnings = session.take_warnings();
        Self { backend: Backend::Maildir(Arc::new(session)), watch: None, warnings }
    }

    /// The same, looked after by the guard.
    pub(crate) fn watched(self, watch: Watch) -> Self {
        Self { watch: Some(Box::new(watch)), ..self }
    }

    /// Adds to what the operator should know.
    pub(crate) fn warned(mut self, warnings: Vec<Warning>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    pub(crate) fn take_watch(&mut self) -> Option<Box<Watch>> {
        self.watch.take()
    }

    /// Whether the listing is known to be that of the session before.
    pub(crate) fn is_unchanged(&self) -> bool {
        match &self.backend {
            Backend::Maildir(session) => session.is_unchanged(),
            // It would have to be told from one that was rewritten meanwhile; reading it costs more than to compare it.
            Backend::Mbox(_) => false,
        }
    }

    pub(crate) fn mbox(mut session: mbox::Session) -> Self {
        let warnings = session.take_warnings();
        Self { backend: Backend::Mbox(Arc::new(session)), watch: None, warnings }
    }

    /// The messages in the order of their numbers, fixed until the maildrop is dropped (R1939-4.9).
    #[must_use]
    pub fn listing(&self) -> &Arc<Listing> {
        match &self.backend {
            Backend::Maildir(session) => session.listing(),
            Backend::Mbox(session) => session.listing(),
        }
    }

    /// The messages that are shown as something else to a client that has not asked for UTF-8, ascending, and the octets
    /// of that surrogate: what [`Message::surrogate`] gives. Most maildrops have none.
    #[must_use]
    pub fn surrogates(&self) -> &[(usize, Octets)] {
        match &self.backend {
            Backend::Maildir(session) => session.surrogates(),
            Backend::Mbox(session) => session.surrogates(),
        }
    }

    /// What the operator should know although the maildrop opened.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// What is known of the message at `index` of the listing, without opening it.
    #[must_use]
    pub fn shape(&self, index: usize) -> Option<Shape> {
        match &self.backend {
            Backend::Maildir(session) => session.facts(index).map(|facts| maildir::shape(&facts)),
            Backend::Mbox(session) => session.shape(index),
        }
    }

    /// Opens the message at `index` of the listing. What is opened has the octets the listing says.
    ///
    /// # Errors
    /// When it is gone, cannot be read, is no regular file any more or was changed in its place.
    pub async fn message(&self, index: usize) -> Result<Message, MessageError> {
        match &self.backend {
            Backend::Maildir(session) => maildir::message(session, index).await.map(Message::maildir),
            Backend::Mbox(session) => mbox::message(session, index).await.map(Message::mbox),
        }
    }

    /// Removes the marked messages and no other (R1939-6.1, R1939-6.3). On return the removal is durable. Messages
    /// that another program has removed meanwhile count as removed. When the future is dropped, the work goes on to
    /// its end and the lock is held until then.
    ///
    /// Where there is a trash they go there, as removed at `now`. What cannot be kept there is removed all the same.
    ///
    /// # Errors
    /// When a marked message may still be there (R1939-6.4); the others are removed.
    pub async fn remove(&mut self, marks: &Marks, now: SystemTime) -> Result<Removed, RemoveError> {
        match &mut self.backend {
            Backend::Maildir(session) => maildir::remove(session, marks, now).await,
            Backend::Mbox(session) => mbox::remove(session, marks).await,
        }
    }

    /// Makes the total that deliveries go by agree with this listing; to be called where there is a quota, after opening. What
    /// agrees is not written.
    ///
    /// # Errors
    /// When the maildrop had to be counted and could not be. That the total could not be written is none.
    pub async fn count(&self, limits: Limits, now: SystemTime) -> Result<(), Failure> {
        match &self.backend {
            Backend::Maildir(session) => maildir::rebase(session, limits, now).await,
            // Deliveries count the messages themselves.
            Backend::Mbox(_) => Ok(()),
        }
    }

    /// Whether [`Maildrop::keep_shown`] has anything to do at the end of a session that removes nothing.
    #[must_use]
    pub fn is_shown_anew(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.is_new())
    }

    /// Remembers what this session was shown, without the messages that it `removed`: what the guard compares the next
    /// listing with. To be called once, when the session ends with QUIT. Not durable on return; a crash may lose it.
    ///
    /// # Errors
    /// When it could not be written. Then what was remembered before counts.
    pub async fn keep_shown(&mut self, removed: &Marks) -> Result<(), Failure> {
        guard::keep(self, removed).await
    }

    /// The highest message that an earlier session accessed and that is still there, as an index: where LAST begins
    /// (R1460-4.1). Reads a file of ours, so ask only where LAST is offered.
    ///
    /// # Errors
    /// When that file cannot be read or is damaged. Nothing counts as accessed then.
    pub async fn last_accessed(&self) -> Result<Option<usize>, Failure> {
        match &self.backend {
            Backend::Maildir(session) => maildir::last_accessed(session).await,
            Backend::Mbox(session) => maildir::last_accessed(session).await,
        }
    }

    /// Remembers what this session accessed for those to come, without the messages that it `removed`. On return that
    /// is durable; it happens whole or not at all.
    ///
    /// # Errors
    /// When it could not be written. Later sessions then see what was remembered before this one.
    pub async fn keep_accessed(&mut self, accessed: &Accessed, removed: &Marks) -> Result<(), Failure> {
        match &mut self.backend {
            Backend::Maildir(session) => maildir::keep_accessed(session, accessed, removed).await,
            Backend::Mbox(session) => maildir::keep_accessed(session, accessed, removed).await,
        }
    }

    /// Remembers that the client had `retrieved` these messages by `now`, for an expiry from then on
    /// ([`crate::expiry::From::Retrieval`]); the first time counts, and those that were `removed` need none. It goes into the index, which
    /// is a cache, and is not made durable: what is lost makes messages be kept longer, never shorter. An mbox remembers
    /// nothing, since nothing expires there.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn keep_retrieved(
        &mut self,
        retrieved: &Marks,
        removed: &Marks,
        now: SystemTime,
    ) -> Result<(), Failure> {
        match &self.backend {
            Backend::Maildir(session) => maildir::keep_retrieved(session, retrieved, removed, now).await,
            Backend::Mbox(_) => Ok(()),
        }
    }
}

/// A maildrop seen without the lock: what a session would be shown now. Nothing on disk is changed.
#[derive(Debug)]
pub struct Inspection {
    maildrop: Maildrop,
}

impl Inspection {
    pub(crate) const fn new(maildrop: Maildrop) -> Self {
        Self { maildrop }
    }

    /// The messages in the order of their numbers.
    #[must_use]
    pub fn listing(&self) -> &Arc<Listing> {
        self.maildrop.listing()
    }

    /// As [`Maildrop::shape`].
    #[must_use]
    pub fn shape(&self, index: usize) -> Option<Shape> {
        self.maildrop.shape(index)
    }

    /// When the message at `index` of the listing was delivered: as its name says, or else when its file was changed. Not
    /// known of messages in an mbox.
    #[must_use]
    pub fn delivered(&self, index: usize) -> Option<SystemTime> {
        let seconds = match &self.maildrop.backend {
            Backend::Maildir(session) => {
                let Stored { base_name, modified_ns, .. } = session.stored(index)?;
                maildir::layout::delivered(&base_name, modified_ns)
            }
            Backend::Mbox(_) => return None,
        };
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
    }

    /// As [`Maildrop::surrogates`].
    #[must_use]
    pub fn surrogates(&self) -> &[(usize, Octets)] {
        self.maildrop.surrogates()
    }

    /// What the operator should know.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        self.maildrop.warnings()
    }

    /// What the message at `index` of the listing is stored as: what [`crate::unique_id::Override`] names it by, and what a
    /// migration goes by.
    #[must_use]
    pub fn stored(&self, index: usize) -> Option<Stored<'_>> {
        match &self.maildrop.backend {
            Backend::Maildir(session) => session.stored(index),
            Backend::Mbox(session) => session.stored(index),
        }
    }

    /// Of an mbox, the From_ line and the header of a message as they stand there; a Maildir has no such thing.
    pub(crate) async fn raw_header(
        &self,
        index: usize,
        max: usize,
    ) -> Result<Option<(Vec<u8>, Vec<u8>)>, MessageError> {
        match &self.maildrop.backend {
            Backend::Maildir(_) => Ok(None),
            Backend::Mbox(session) => mbox::raw_header(session, index, max).await.map(Some),
        }
    }

    /// Opens the message at `index` of the listing.
    ///
    /// # Errors
    /// As [`Maildrop::message`].
    pub async fn message(&self, index: usize) -> Result<Message, MessageError> {
        self.maildrop.message(index).await
    }
}

/// What a message is stored as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<'a> {
    /// Its base name, or in an mbox the unique-id that it has by itself: what an override names it by.
    pub base_name: Cow<'a, [u8]>,
    /// What follows the base name in its file's name: flags, with their colon.
    pub suffix: Cow<'a, [u8]>,
    /// When its file was changed, in nanoseconds since 1970.
    pub modified_ns: i64,
}

/// A message opened for reading.
#[derive(Debug)]
pub struct Message {
    backend: MessageBackend,
    /// What is read is the surrogate. Boxed, since hardly any message has one.
    conversion: Option<Box<Conversion>>,
}

/// A surrogate being read.
#[derive(Debug)]
struct Conversion {
    surrogate: Surrogate,
    /// A piece of the stored form.
    stored: Vec<u8>,
    is_finished: bool,
}

#[derive(Debug)]
enum MessageBackend {
    Maildir(maildir::Message),
    /// Boxed, since it carries the state of a conversion.
    Mbox(Box<mbox::Message>),
}

impl Message {
    const fn maildir(message: maildir::Message) -> Self {
        Self { backend: MessageBackend::Maildir(message), conversion: None }
    }

    fn mbox(message: mbox::Message) -> Self {
        Self { backend: MessageBackend::Mbox(Box::new(message)), conversion: None }
    }

    /// The message as a client sees it that has not asked for UTF-8: its surrogate when it has one (RFC 6856 section
    /// 2.1), else itself. To be called before the first `read`.
    #[must_use]
    pub fn surrogate(mut self) -> Self {
        if self.shape().surrogate_octets.is_some() {
            let conversion =
                Conversion { surrogate: Surrogate::new(), stored: Vec::new(), is_finished: false };
            self.conversion = Some(Box::new(conversion));
        }
        self
    }

    /// What is known of the message without reading it.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        let shape = match &self.backend {
            MessageBackend::Maildir(message) => message.shape(),
            MessageBackend::Mbox(message) => message.shape(),
        };
        match (&self.conversion, shape.surrogate_octets) {
            // What lines it has is not known before it is made.
            (Some(_), Some(octets)) => Shape { octets, is_crlf: false, has_dot_lines: true, ..shape },
            _ => shape,
        }
    }

    /// Appends up to `max` octets of the stored form to `chunk` and says how many; 0 is the end. A surrogate may give some
    /// more: a field that was held back, and what encoding adds. Read pieces of [`CHUNK_OCTETS`]. What the page cache holds is read on this thread, anything else on one that may wait. When
    /// the future is dropped the contents of `chunk` are lost.
    ///
    /// # Errors
    /// When the disk fails, or the message turns out shorter or longer than the listing says. What was appended
    /// before belongs to a message that cannot be completed: close the connection.
    pub async fn read(&mut self, chunk: &mut Vec<u8>, max: usize) -> Result<usize, MessageError> {
        let Some(conversion) = &mut self.conversion else { return self.backend.read(chunk, max).await };
        let Conversion { surrogate, stored, is_finished } = &mut **conversion;
        let start = chunk.len();
        while chunk.len() == start && !*is_finished {
            stored.clear();
            if self.backend.read(stored, max).await? == 0 {
                surrogate.finish(chunk);
                *is_finished = true;
            } else {
                surrogate.push(stored, chunk);
            }
        }
        Ok(chunk.len() - start)
    }
}

impl MessageBackend {
    async fn read(&mut self, chunk: &mut Vec<u8>, max: usize) -> Result<usize, MessageError> {
        match self {
            Self::Maildir(message) => message.read(chunk, max).await,
            Self::Mbox(message) => message.read(chunk, max).await,
        }
    }
}

/// What is known of a message without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Octets of the canonical form: CRLF line ends, no byte-stuffing.
    pub octets: u64,
    /// Octets of the *stored* form up to and with the blank line that ends the header; all of it when there is none.
    /// A hint how much to read for TOP n 0. Never more than `stored_octets`.
    pub header_octets: u64,
    /// Octets of the stored form, that is what [`Message::read`] gives in all unless it gives a surrogate.
    pub stored_octets: u64,
    /// The stored form is the canonical form: every line, the last one too, ends with CRLF.
    pub is_crlf: bool,
    /// A line begins with a dot, so that byte-stuffing changes the message.
    pub has_dot_lines: bool,
    /// Octets of the surrogate in its canonical form, when the message has one.
    pub surrogate_octets: Option<u64>,
}

/// A good size for the pieces of [`Message::read`].
pub const CHUNK_OCTETS: usize = 64 * 1024;

/// What a removal did.
#[derive(Debug, Default)]
pub struct Removed {
    /// Messages that are gone now and were marked.
    pub messages: usize,
    /// How many of them somebody else had removed before.
    pub vanished: usize,
    /// Which they are.
    pub gone: Gone,
    /// What the operator should know although the removal is durable.
    pub warnings: Vec<Warning>,
}

/// Something that did not stop the operation.
#[derive(Debug)]
pub enum Warning {
    /// The index could not be written; the next session has to look again.
    Index(Failure),
    /// Entries that are no regular files were left out.
    Skipped {
        /// How many.
        entries: usize,
        /// The first of them.
        example: String,
    },
    /// Messages that cannot be read are listed with the size of their file; retrieving one is an error.
    Unreadable {
        /// How many.
        messages: usize,
        /// The first of them.
        example: Failure,
    },
    /// What earlier sessions accessed is not known, or what this one did is not kept: LAST begins lower than it should.
    Accessed(Failure),
    /// So many bulletins were not given; there will be another try unless a later one was given.
    Bulletins {
        /// How many.
        bulletins: usize,
        /// The first of them.
        example: Failure,
    },
    /// What was shown is not known, or is not kept: the guard against retrieving everything again sees nothing.
    Guard(Failure),
    /// A removal that a crash had interrupted could not be finished for so many messages; they are listed again.
    Removal {
        /// How many.
        messages: usize,
        /// The first of them.
        example: Failure,
    },
    /// So many removed messages could not be kept in the trash; they are gone for good, or will be after a crash.
    Trash {
        /// How many.
        messages: usize,
        /// Why, for the first of them.
        example: Failure,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(failure) => write!(f, "the index was not written: {failure}"),
            Self::Skipped { entries, example } => {
                write!(f, "{entries} entries are no regular files and were left out, the first is {example}")
            }
            Self::Unreadable { messages, example } => {
                write!(f, "{messages} messages are unreadable, the first: {example}")
            }
            Self::Accessed(failure) => write!(f, "LAST begins lower than it should: {failure}"),
            Self::Guard(failure) => write!(f, "the guard has no memory: {failure}"),
            Self::Bulletins { bulletins, example } => {
                write!(f, "{bulletins} bulletins were not given, the first: {example}")
            }
            Self::Trash { messages, example } => {
                write!(f, "{messages} removed messages may not be in the trash, the first: {example}")
            }
            Self::Removal { messages, example } => {
                write!(
                    f,
                    "{messages} messages of an interrupted removal are still there, the first: {example}"
                )
            }
        }
    }
}

/// Why a maildrop did not open. A maildrop that cannot be read is never shown as an empty one.
#[derive(Debug)]
pub enum OpenError {
    /// Another session has it open (R1939-4.3).
    InUse,
    /// Its messages are there and their unique-ids have changed. The operator must look; until then it is a temporary
    /// error to clients.
    Guarded(Guarded),
    /// Trying again may help.
    Temporary(Failure),
    /// The operator must act.
    Permanent(Failure),
}

impl OpenError {
    /// Whether trying again later may help.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        !matches!(self, Self::Permanent(_))
    }
}

impl From<Failure> for OpenError {
    /// Permanent is only what no repair of the file system can cure. A closed folder or a lost disk is expected to
    /// come back, and clients must keep asking.
    fn from(failure: Failure) -> Self {
        use io::ErrorKind::{InvalidData, InvalidInput};
        match failure.cause().kind() {
            InvalidData | InvalidInput => Self::Permanent(failure),
            _ => Self::Temporary(failure),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str("the maildrop is in use by another session"),
            Self::Guarded(guarded) => guarded.fmt(f),
            Self::Temporary(failure) | Self::Permanent(failure) => failure.fmt(f),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InUse | Self::Guarded(_) => None,
            Self::Temporary(failure) | Self::Permanent(failure) => failure.source(),
        }
    }
}

/// Why a message cannot be had.
#[derive(Debug)]
pub enum MessageError {
    /// There is no such index in the listing.
    NoSuchMessage,
    /// Another program has removed it.
    Vanished,
    /// Another program has changed it in its place; the next session shows it as it is then.
    Changed,
    /// It is no regular file any more.
    NotRegular,
    /// Trying again may help.
    Temporary(Failure),
    /// The operator must act.
    Permanent(Failure),
}

impl MessageError {
    /// Whether trying again later may help.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Changed | Self::Temporary(_))
    }
}

impl From<Failure> for MessageError {
    fn from(failure: Failure) -> Self {
        if failure.is_temporary() { Self::Temporary(failure) } else { Self::Permanent(failure) }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchMessage => f.write_str("the maildrop has no such message"),
            Self::Vanished => f.write_str("another program has removed the message"),
            Self::Changed => f.write_str("another program has changed the message"),
            Self::NotRegular => f.write_str("the message is not a regular file"),
            Self::Temporary(failure) | Self::Permanent(failure) => failure.fmt(f),
        }
    }
}

impl Error for MessageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Temporary(failure) | Self::Permanent(failure) => failure.source(),
            _ => None,
        }
    }
}

/// A removal that is not known to be complete and durable.
#[derive(Debug)]
pub struct RemoveError {
    /// Messages that are gone now.
    pub removed: usize,
    /// Which they are.
    pub gone: Box<Gone>,
    /// Marked messages that may still be there.
    pub left: usize,
    /// The first thing that failed.
    pub failure: Failure,
}

impl RemoveError {
    /// Whether trying again later may help.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.failure.is_temporary()
    }
}

impl fmt::Display for RemoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} marked messages are not removed: {}", self.left, self.failure)
    }
}

impl Error for RemoveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failure.source()
    }
}

/// Runs `work` on a thread that may wait. It goes on to its end when the future is dropped.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}
