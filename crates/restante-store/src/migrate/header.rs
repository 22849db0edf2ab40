//! Message headers as far as unique-ids are made of them, and the digest by which two copies of a message are known to
//! be the same.
//!
//! Octets are the stored form; CRLF and LF line ends make no difference.

use sha2::{Digest as _, Sha256};

use crate::maildrop::{Inspection, MessageError};

/// The SHA-256 of a normalised header.
pub type Digest = [u8; 32];

/// So much of a header is looked at; what follows is as if it were not there.
pub const HEADER_OCTETS_MAX: usize = 1 << 20;

/// The header of the message at `index`, up to [`HEADER_OCTETS_MAX`], without the blank line's message body.
///
/// # Errors
/// When the message cannot be read.
pub async fn read(inspection: &Inspection, index: usize) -> Result<Vec<u8>, MessageError> {
    let mut message = inspection.message(index).await?;
    let wanted = usize::try_from(message.shape().header_octets).unwrap_or(usize::MAX).min(HEADER_OCTETS_MAX);
    let mut header = Vec::new();
    while header.len() < wanted {
        let missing = wanted - header.len();
        if message.read(&mut header, missing).await? == 0 {
            break;
        }
    }
    header.truncate(wanted);
    Ok(header)
}

/// The same with what other servers have written into it, which an mbox does not show; and the line in front of the
/// message in an mbox.
///
/// # Errors
/// When the message cannot be read.
pub async fn read_raw(
    inspection: &Inspection,
    index: usize,
) -> Result<(Option<Vec<u8>>, Vec<u8>), MessageError> {
    match inspection.raw_header(index, HEADER_OCTETS_MAX).await? {
        Some((from_line, header)) => Ok((Some(from_line), header)),
        None => Ok((None, read(inspection, index).await?)),
    }
}

/// One field, or a line that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// The name, as it is written; empty for a line without a colon.
    pub(crate) name: &'a [u8],
    /// Everything with its continuation lines and line ends, as it is stored.
    pub(crate) whole: &'a [u8],
}

impl<'a> Field<'a> {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// What stands behind the colon, without white space around it; nothing for what has no name.
    pub(crate) fn value(&self) -> &'a [u8] {
        let value = self.whole.get(self.name.len() + 1..).filter(|_| !self.name.is_empty());
        value.unwrap_or_default().trim_ascii()
    }

    /// The lines, each with a LF for its end.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Vec<u8>> + use<'a> {
        self.whole.split_inclusive(|&octet| octet == b'\n').map(|line| {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            [line.strip_suffix(b"\r").unwrap_or(line), b"\n"].concat()
        })
    }
}

/// The fields of a header, up to the blank line.
pub(crate) fn fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = header;
    std::iter::from_fn(move || {
        let mut length = line_octets(rest);
        let first = rest.get(..length)?;
        if first.trim_ascii_end().is_empty() && first.iter().all(|octet| b"\r\n".contains(octet)) {
            return None;
        }
        while rest.get(length).is_some_and(|octet| b" \t".contains(octet)) {
            length += line_octets(rest.get(length..)?);
        }
        let (whole, after) = rest.split_at_checked(length)?;
        rest = after;
        let name = memchr::memchr(b':', first).and_then(|at| first.get(..at)).unwrap_or_default();
        Some(Field { name, whole })
    })
}

/// Octets up to and with the first LF.
fn line_octets(octets: &[u8]) -> usize {
    memchr::memchr(b'\n', octets).map_or(octets.len(), |at| at + 1)
}

/// The value of the first X-UIDL field, if there is one that says something.
#[must_use]
pub fn x_uidl(header: &[u8]) -> Option<Vec<u8>> {
    fields(header)
        .find(|field| field.is("X-UIDL"))
        .map(|field| field.value().to_vec())
        .filter(|value| !value.is_empty())
}

/// The digest of a header by which a message is the same on two servers.
///
/// Left out is what servers add and change (sizes, flags, paths and marks of their own), what is no field with a plain name, continuation
/// lines of nothing but white space, and all CRs, as some servers lose them.
#[must_use]
pub fn digest(header: &[u8]) -> Digest {
    let header = header.get(..HEADER_OCTETS_MAX).unwrap_or(header);
    let mut digest = Sha256::new();
    for field in fields(header) {
        let is_plain = !field.name.is_empty() && field.name.iter().all(u8::is_ascii_graphic);
        if !is_plain || CHANGING.iter().any(|name| field.is(name)) {
            continue;
        }
        for (at, mut line) in field.lines().enumerate() {
            if at == 0 || !line.trim_ascii().is_empty() {
                line.retain(|&octet| octet != b'\r');
                digest.update(&line);
            }
        }
    }
    digest.finalize().into()
}

/// Fields that differ between two copies of a message.
const CHANGING: [&str; 11] = [
    "Content-Length",
    "Return-Path",
    "Status",
    "X-IMAP",
    "X-IMAPbase",
    "X-Keywords",
    "X-Message-Flag",
    "X-Status",
    "X-UID",
    "X-UIDL",
    "X-Yahoo-Newman-Property",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_end_at_the_blank_line() {
        let header = b"A: 1\r\n 2\r\nno field\nB:3\n\nC: 4\n";
        let found: Vec<_> =
            fields(header).map(|field| (field.name.to_vec(), field.value().to_vec())).collect();
        assert_eq!(
            found,
            [(b"A".to_vec(), b"1\r\n 2".to_vec()), (Vec::new(), Vec::new()), (b"B".to_vec(), b"3".to_vec())]
        );
        assert_eq!(fields(b"").count(), 0);
        assert_eq!(fields(b"\r\nA: b\n").count(), 0);
        assert_eq!(fields(b" A: b").count(), 1);
    }

    #[test]
    fn an_x_uidl_is_the_first_that_says_something() {
        assert_eq!(x_uidl(b"A: b\nx-uidl:  abc$1 \r\nX-UIDL: z\n\n").as_deref(), Some(&b"abc$1"[..]));
        assert_eq!(x_uidl(b"X-UIDL:\n\n"), None);
        assert_eq!(x_uidl(b"A: b\n\nX-UIDL: z\n"), None);
    }

    #[test]
    fn a_digest_does_not_see_what_servers_change() {
        let one = digest(b"Received: by a\n\tfor b\nSubject: x\n\nbody\n");
        for other in [
            &b"Received: by a\r\n\tfor b\r\nSubject: x\r\n\r\n"[..],
            b"Return-Path: <a@b>\nReceived: by a\n\tfor b\n \nStatus: RO\nSubject: x\nX-UIDL: 1\n\n",
            b"Received: by a\n\tfor b\nSubject: x\n",
            b"Received: by a\n\tfor b\nno field\nSub ject: y\nSubject: x\n\n",
        ] {
            assert_eq!(digest(other), one, "{}", other.escape_ascii());
        }
        for other in
            [&b"Received: by a\n\tfor c\nSubject: x\n\n"[..], b"Subject: x\nReceived: by a\n\tfor b\n\n"]
        {
            assert_ne!(digest(other), one, "{}", other.escape_ascii());
        }
    }
}
