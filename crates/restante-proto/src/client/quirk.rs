//! What servers do that the standards do not allow, or that surprises: told by a lenient session, refused by a strict one.
//!
//! Not here: what clients do, and what our server does about it; that is `quirk` at the root of the crate.

use core::fmt;

use super::Handle;

/// How much is forgiven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Every [`Quirk`] that can be lived with is, and is told. For whoever wants the mail.
    #[default]
    Lenient,
    /// A deviation from the standards ends the session, with [`ProtocolError::Deviation`](super::ProtocolError::Deviation)
    /// where it has no name of its own. For whoever judges a server.
    Strict,
}

/// Something that a server did. Each is told once a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quirk {
    /// A line of a reply ends with a line feed alone.
    BareLineFeed,
    /// A status indicator is not in upper case.
    StatusCase,
    /// There is no space between the status indicator and the text.
    StatusSpace,
    /// A blank line stands where a reply is due.
    BlankLine,
    /// CAPA is refused. Not a deviation: it is an extension.
    NoCapa,
    /// The list of CAPA after the login is another than before. Not a deviation (RFC 2449 section 5 foresees it).
    CapabilitiesChanged,
    /// More blanks than one, tabs, or blanks at the beginning, in a line of LIST or UIDL.
    ListingBlanks,
    /// The numbers of LIST or UIDL do not ascend, or one comes twice.
    ListingOrder,
    /// A line of LIST or UIDL cannot be read. The request ends as malformed, with what could be read.
    UnreadableListing,
    /// The answer to STAT cannot be read.
    UnreadableStat,
    /// STAT and LIST do not count the same messages or octets.
    StatDisagrees,
    /// A unique-id is longer than 70 octets.
    UniqueIdTooLong,
    /// A unique-id holds octets outside 0x21 to 0x7E.
    UniqueIdOctets,
    /// A message has other octets than LIST said.
    SizeLies,
    /// A message holds line feeds without carriage return.
    MessageBareLineFeed,
}

impl Quirk {
    /// Whether the standards forbid it: a strict session ends with it then.
    #[must_use]
    pub const fn is_deviation(self) -> bool {
        !matches!(self, Self::NoCapa | Self::CapabilitiesChanged)
    }

    /// A name for logs and files: lower case with hyphens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BareLineFeed => "bare-line-feed",
            Self::StatusCase => "status-case",
            Self::StatusSpace => "status-space",
            Self::BlankLine => "blank-line",
            Self::NoCapa => "no-capa",
            Self::CapabilitiesChanged => "capabilities-changed",
            Self::ListingBlanks => "listing-blanks",
            Self::ListingOrder => "listing-order",
            Self::UnreadableListing => "unreadable-listing",
            Self::UnreadableStat => "unreadable-stat",
            Self::StatDisagrees => "stat-disagrees",
            Self::UniqueIdTooLong => "unique-id-too-long",
            Self::UniqueIdOctets => "unique-id-octets",
            Self::SizeLies => "size-lies",
            Self::MessageBareLineFeed => "message-bare-line-feed",
        }
    }

    /// Every one there is.
    pub const ALL: [Self; 15] = [
        Self::BareLineFeed,
        Self::StatusCase,
        Self::StatusSpace,
        Self::BlankLine,
        Self::NoCapa,
        Self::CapabilitiesChanged,
        Self::ListingBlanks,
        Self::ListingOrder,
        Self::UnreadableListing,
        Self::UnreadableStat,
        Self::StatDisagrees,
        Self::UniqueIdTooLong,
        Self::UniqueIdOctets,
        Self::SizeLies,
        Self::MessageBareLineFeed,
    ];
}

impl fmt::Display for Quirk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::BareLineFeed => "the server ends lines without a carriage return",
            Self::StatusCase => "the server's status indicators are not in upper case",
            Self::StatusSpace => "the server sends no space behind a status indicator",
            Self::BlankLine => "the server sends blank lines where a reply is due",
            Self::NoCapa => "the server does not say what it can do",
            Self::CapabilitiesChanged => "the server can do other things after the login than before",
            Self::ListingBlanks => "the server sends more blanks in a listing than it should",
            Self::ListingOrder => "the server's listing is not in the order of the message-numbers",
            Self::UnreadableListing => "the server's listing holds lines that cannot be read",
            Self::UnreadableStat => "the server's answer to STAT cannot be read",
            Self::StatDisagrees => "the server counts differently in STAT and LIST",
            Self::UniqueIdTooLong => "the server's unique-ids are longer than 70 octets",
            Self::UniqueIdOctets => "the server's unique-ids hold octets that they should not",
            Self::SizeLies => "the server's messages have other sizes than it says",
            Self::MessageBareLineFeed => "the server sends messages with line feeds without carriage return",
        })
    }
}

/// The quirks of a session: which were met, and which are not told yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Met {
    seen: u32,
    untold: u32,
    /// Of the untold, which one line brought all.
    handle: Option<Handle>,
}

impl Met {
    pub(super) const fn add(&mut self, quirk: Quirk, handle: Handle) {
        let bit = 1 << quirk as u32;
        self.untold |= bit & !self.seen;
        self.seen |= bit;
        self.handle = Some(handle);
    }

    pub(super) fn next(&mut self) -> Option<(Quirk, Handle)> {
        if self.untold == 0 {
            return None;
        }
        let quirk = Quirk::ALL.into_iter().find(|&quirk| self.untold & (1 << quirk as u32) != 0)?;
        self.untold &= !(1 << quirk as u32);
        Some((quirk, self.handle?))
    }
}
