//! Dovecot's authentication protocol, versions 1.1 and 1.2: how mail servers ask another program whether a login is right.
//!
//! Both sides of the conversation with an authentication client (Postfix, Exim) and the client's side of a look-up of users. Here is what
//! they share: lines of fields that tabs separate, and how octets are escaped that would end a field. `dovecot/server` answers
//! mail servers, `dovecot/client` asks a running Dovecot. Mechanisms are those of `sasl`.
//!
//! The protocol has no standard; facts are from Dovecot's documentation, *Dovecot Authentication Protocol*.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt::Display;

pub mod client;
pub mod request;
pub mod server;

/// The version of the protocol, whose other numbers are another protocol.
pub const VERSION_MAJOR: u32 = 1;

/// What we say of the second number; nobody refuses another one.
pub const VERSION_MINOR: u32 = 2;

/// The longest line that is taken. Dovecot's documentation has lines fit into 16 KiB; the base64 of the longest token alone has as much, and
/// other fields stand beside it.
pub const LINE_OCTETS_MAX: usize = 20 * 1024;

/// Appends `octets` so that they can stand in a field.
pub(crate) fn escape(octets: &[u8], output: &mut Vec<u8>) {
    for &octet in octets {
        match octet {
            0 => output.extend_from_slice(b"\x010"),
            1 => output.extend_from_slice(b"\x011"),
            b'\t' => output.extend_from_slice(b"\x01t"),
            b'\r' => output.extend_from_slice(b"\x01r"),
            b'\n' => output.extend_from_slice(b"\x01n"),
            octet => output.push(octet),
        }
    }
}

/// The octets that a field stands for. A line feed is escaped by `n`; the documentation has `l`, and both are understood.
pub(crate) fn unescape(field: &[u8]) -> Cow<'_, [u8]> {
    if !field.contains(&1) {
        return Cow::Borrowed(field);
    }
    let mut octets = Vec::with_capacity(field.len());
    let mut rest = field.iter();
    while let Some(&octet) = rest.next() {
        if octet != 1 {
            octets.push(octet);
            continue;
        }
        match rest.next() {
            Some(b'0') => octets.push(0),
            Some(b'1') => octets.push(1),
            Some(b't') => octets.push(b'\t'),
            Some(b'r') => octets.push(b'\r'),
            Some(b'n' | b'l') => octets.push(b'\n'),
            Some(&other) => octets.push(other),
            None => {}
        }
    }
    Cow::Owned(octets)
}

/// The fields of a line, still escaped.
pub(crate) fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&octet| octet == b'\t')
}

/// A field as a name and what it is set to; empty without a value.
pub(crate) fn pair(field: &[u8]) -> (&[u8], &[u8]) {
    match field.iter().position(|&octet| octet == b'=') {
        Some(at) => {
            let (name, value) = field.split_at(at);
            (name, value.get(1..).unwrap_or_default())
        }
        None => (field, &[]),
    }
}

/// A number of 32 bits, in decimal digits and nothing else.
pub(crate) fn number(field: Option<&[u8]>) -> Option<u32> {
    let text = core::str::from_utf8(field?).ok()?;
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Whether a handshake's VERSION is one that we can talk with: the first number decides.
pub(crate) fn is_our_version<'a>(mut fields: impl Iterator<Item = &'a [u8]>) -> bool {
    number(fields.next()) == Some(VERSION_MAJOR) && number(fields.next()).is_some()
}

/// Appends a field and the tab before it.
pub(crate) fn push(field: impl Display, output: &mut Vec<u8>) {
    output.push(b'\t');
    output.extend_from_slice(alloc::format!("{field}").as_bytes());
}

/// Appends `name=octets`, escaped, and the tab before it.
pub(crate) fn push_pair(name: &str, octets: &[u8], output: &mut Vec<u8>) {
    push(format_args!("{name}="), output);
    escape(octets, output);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_field_is_escaped_and_comes_back() {
        let octets: Vec<u8> = (0..=255).collect();
        let mut escaped = Vec::new();
        escape(&octets, &mut escaped);
        assert!(!escaped.iter().any(|octet| matches!(octet, 0 | b'\t' | b'\r' | b'\n')));
        assert_eq!(*unescape(&escaped), *octets);
        assert_eq!(*unescape(b"a\x01lb\x01xc\x01"), *b"a\nbxc");
    }

    #[test]
    fn numbers_have_digits_and_32_bits() {
        assert_eq!(number(Some(b"4294967295")), Some(u32::MAX));
        for text in [&b""[..], b"+1", b"-1", b"1 ", b"4294967296", b"x"] {
            assert_eq!(number(Some(text)), None);
        }
        assert_eq!(number(None), None);
    }
}
