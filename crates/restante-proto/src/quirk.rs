//! What is done for clients that are not as they should be: one table, [`Quirk::ALL`], and nothing of it elsewhere but
//! the places that ask [`Quirks::has`].
//!
//! A workaround that only forgives is on: it costs nothing and changes nothing for clients that obey. One that changes
//! what a client is sent is off until the operator wants it. The octets of messages are mended by [`Mender`], which
//! the driver puts between the store and the encoder.

use memchr::{memchr, memchr_iter};

/// One workaround.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quirk {
    /// AUTH without argument lists the mechanisms. Old Outlook, Exchange and Thunderbird ask so; no RFC knows it.
    BareAuth,
    /// CAPA may stand between USER and PASS, where RFC 1939 section 7 wants nothing.
    CapaBeforePass,
    /// Spaces behind a command without argument are ignored.
    TrailingSpaces,
    /// A line feed alone ends a command: people at telnet.
    BareLineFeed,
    /// AUTH LOGIN takes the user name as initial response, which its draft does not know.
    LoginInitialResponse,
    /// An AUTH line with an initial response may be longer than 255 octets: clients send whole tokens there.
    LongAuthLine,
    /// NUL in a message is sent as 0x80: Outlook hangs at NUL. The size stays the same.
    OutlookNoNuls,
    /// A message without an empty line after its header gets one: Outlook Express and Netscape wait for it. Its size
    /// is announced with it.
    OeNsEoh,
}

impl Quirk {
    /// Every workaround, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::BareAuth,
        Self::CapaBeforePass,
        Self::TrailingSpaces,
        Self::BareLineFeed,
        Self::LoginInitialResponse,
        Self::LongAuthLine,
        Self::OutlookNoNuls,
        Self::OeNsEoh,
    ];

    /// The name in the configuration; where another server has the same thing, its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BareAuth => "bare-auth",
            Self::CapaBeforePass => "capa-before-pass",
            Self::TrailingSpaces => "trailing-spaces",
            Self::BareLineFeed => "bare-line-feed",
            Self::LoginInitialResponse => "login-initial-response",
            Self::LongAuthLine => "long-auth-line",
            Self::OutlookNoNuls => "outlook-no-nuls",
            Self::OeNsEoh => "oe-ns-eoh",
        }
    }

    /// Whether it is on without being asked for: those are that only forgive.
    #[must_use]
    pub const fn only_forgives(self) -> bool {
        match self {
            Self::BareAuth | Self::CapaBeforePass | Self::TrailingSpaces | Self::BareLineFeed => true,
            Self::LoginInitialResponse | Self::LongAuthLine => true,
            Self::OutlookNoNuls | Self::OeNsEoh => false,
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The workarounds that are on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Quirks(u8);

impl Quirks {
    /// None at all: a server to the letter.
    pub const NONE: Self = Self(0);

    /// Whether `quirk` is on.
    #[must_use]
    pub const fn has(self, quirk: Quirk) -> bool {
        self.0 & quirk.bit() != 0
    }

    /// The same with `quirk` on or off.
    #[must_use]
    pub const fn with(self, quirk: Quirk, is_on: bool) -> Self {
        Self(if is_on { self.0 | quirk.bit() } else { self.0 & !quirk.bit() })
    }

    /// Whether messages need a [`Mender`].
    #[must_use]
    pub const fn mends_messages(self) -> bool {
        self.has(Quirk::OutlookNoNuls) || self.has(Quirk::OeNsEoh)
    }
}

impl Default for Quirks {
    /// Those that only forgive.
    fn default() -> Self {
        let forgiving = Quirk::ALL.into_iter().filter(|quirk| quirk.only_forgives());
        forgiving.fold(Self::NONE, |quirks, quirk| quirks.with(quirk, true))
    }
}

impl core::fmt::Debug for Quirks {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let on = Quirk::ALL.into_iter().filter(|quirk| self.has(*quirk));
        f.debug_set().entries(on.map(Quirk::name)).finish()
    }
}

/// Mends one message on its way to the encoder, piece by piece. Cut anywhere, the outcome is the same.
#[derive(Clone, Debug)]
pub struct Mender {
    quirks: Quirks,
    /// No line without octets has come yet.
    is_in_header: bool,
    /// Octets of the line that has begun, as far as they matter: none, one, or more.
    line_octets: usize,
    /// The last octet; a line feed at first, because the very first octet starts a line.
    previous: u8,
}

impl Mender {
    /// For one message.
    #[must_use]
    pub const fn new(quirks: Quirks) -> Self {
        Self { quirks, is_in_header: quirks.has(Quirk::OeNsEoh), line_octets: 0, previous: b'\n' }
    }

    /// Mends the next piece of the stored form, in its place.
    pub fn mend(&mut self, piece: &mut [u8]) {
        self.look_for_end_of_header(piece);
        if self.quirks.has(Quirk::OutlookNoNuls) {
            let mut from = 0;
            while let Some(at) = piece.get(from..).and_then(|rest| memchr(0, rest)) {
                from += at + 1;
                if let Some(octet) = piece.get_mut(from - 1) {
                    *octet = 0x80;
                }
            }
        }
    }

    /// What is missing at the end of the stored form, for the encoder: nothing, or the empty line that ends a header,
    /// with the end of the line before it.
    #[must_use]
    pub const fn missing(&self) -> &'static [u8] {
        match (self.is_in_header, self.previous) {
            (false, _) => b"",
            (true, b'\n') => b"\r\n",
            (true, _) => b"\r\n\r\n",
        }
    }

    fn look_for_end_of_header(&mut self, piece: &[u8]) {
        let Some(&last) = piece.last() else { return };
        if !self.is_in_header {
            return;
        }
        let mut line_start = 0;
        for at in memchr_iter(b'\n', piece) {
            let line_octets = self.line_octets + (at - line_start);
            let before = at.checked_sub(1).and_then(|at| piece.get(at)).copied().unwrap_or(self.previous);
            if line_octets == 0 || line_octets == 1 && before == b'\r' {
                self.is_in_header = false;
                return;
            }
            self.line_octets = 0;
            line_start = at + 1;
        }
        self.line_octets += piece.len() - line_start;
        self.previous = last;
    }
}

/// How many octets the empty line of [`Quirk::OeNsEoh`] adds to the canonical form of a message that has none.
pub const END_OF_HEADER_OCTETS: u64 = b"\r\n".len() as u64;

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::body::{Encoder, Extent};

    /// A message as it goes over the wire, read in pieces of `size`.
    fn sent(stored: &[u8], quirks: Quirks, extent: Extent, size: usize) -> Vec<u8> {
        let (mut mender, mut encoder, mut output) = (Mender::new(quirks), Encoder::new(extent), vec![]);
        for piece in stored.chunks(size) {
            let mut piece = piece.to_vec();
            mender.mend(&mut piece);
            encoder.encode(&piece, &mut output);
        }
        encoder.encode(mender.missing(), &mut output);
        encoder.finish(&mut output);
        output
    }

    const NULS: Quirks = Quirks::NONE.with(Quirk::OutlookNoNuls, true);
    const END: Quirks = Quirks::NONE.with(Quirk::OeNsEoh, true);

    #[test]
    fn what_only_forgives_is_on() {
        let on = Quirks::default();
        for quirk in Quirk::ALL {
            assert_eq!(on.has(quirk), quirk.only_forgives(), "{quirk:?}");
            assert!(!on.with(quirk, false).has(quirk));
            assert!(Quirks::NONE.with(quirk, true).has(quirk));
        }
        assert!(!on.mends_messages());
    }

    #[test]
    fn the_documentation_names_every_quirk_and_its_rule() {
        let page = include_str!("../../../docs/quirks.md");
        for quirk in Quirk::ALL {
            let rule = if quirk.only_forgives() { "on" } else { "off" };
            let cell = std::format!("| `{}` | {rule} |", quirk.name());
            assert!(page.contains(&cell), "{cell} is not in docs/quirks.md");
        }
    }

    #[test]
    fn nuls_become_0x80() {
        assert_eq!(
            sent(b"a: b\n\n\0x\0\0\n", NULS, Extent::Whole, 99),
            b"a: b\r\n\r\n\x80x\x80\x80\r\n.\r\n"
        );
        assert_eq!(sent(b"a: b\n\n\0\n", END, Extent::Whole, 99), b"a: b\r\n\r\n\0\r\n.\r\n");
    }

    #[test]
    fn a_header_gets_its_end() {
        for (stored, wire) in [
            (&b"a: b\nc: d\n"[..], &b"a: b\r\nc: d\r\n\r\n.\r\n"[..]),
            (b"a: b\r\nc: d\r\n", b"a: b\r\nc: d\r\n\r\n.\r\n"),
            (b"a: b", b"a: b\r\n\r\n.\r\n"),
            (b"", b"\r\n.\r\n"),
            (b"a: b\n\nbody", b"a: b\r\n\r\nbody\r\n.\r\n"),
            (b"\nbody\n", b"\r\nbody\r\n.\r\n"),
            (b"a: b\n\r\n", b"a: b\r\n\r\n.\r\n"),
        ] {
            assert_eq!(sent(stored, END, Extent::Whole, 99), wire);
            assert_eq!(
                sent(stored, Quirks::NONE, Extent::Whole, 99).ends_with(b"\r\n.\r\n"),
                !stored.is_empty()
            );
        }
        assert_eq!(sent(b"a: b\n", END, Extent::Top(0), 99), b"a: b\r\n\r\n.\r\n");
    }

    proptest! {
        #[test]
        fn cut_anywhere_it_is_the_same(
            stored in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(0), Just(b'.'), Just(b'a')], 0..40),
            size in 1_usize..9,
            lines in prop::option::of(0_u64..4),
        ) {
            let quirks = END.with(Quirk::OutlookNoNuls, true);
            let extent = lines.map_or(Extent::Whole, Extent::Top);
            prop_assert_eq!(sent(&stored, quirks, extent, size), sent(&stored, quirks, extent, 99));
        }

        #[test]
        fn the_octets_of_an_empty_line_are_known(
            stored in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a')], 1..40),
        ) {
            let (plain, mended) = (
                sent(&stored, Quirks::NONE, Extent::Whole, 99),
                sent(&stored, END, Extent::Whole, 99),
            );
            let is_missing = !Mender::missing(&{
                let mut mender = Mender::new(END);
                mender.mend(&mut stored.clone());
                mender
            }).is_empty();
            let added = if is_missing { END_OF_HEADER_OCTETS } else { 0 };
            prop_assert_eq!(plain.len() as u64 + added, mended.len() as u64);
        }
    }
}
