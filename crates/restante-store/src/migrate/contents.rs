//! Unique-ids that old servers computed from the message itself: the X-UIDL field of Qpopper and its like, and the digests
//! of Qpopper, popa3d, Dovecot's mbox and teapop.
//!
//! Each takes the header as it is stored; an mbox's digest may need its `From ` line as well.

use md5::{Digest as _, Md5};

use super::header::{Field, fields, x_uidl};
use super::{hex, number};

/// How the old server made unique-ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Computed {
    /// The value of the X-UIDL field; a message without one has not been shown yet.
    XUidl,
    /// Qpopper 4: an X-UIDL of 11 to 32 octets. What it made itself holds a counter, and stands in that field.
    Qpopper,
    /// Qpopper 2, or Qpopper 4 with `old-style-uid` and no stored values: X-UIDL, else a digest in hexadecimal digits.
    Qpopper2,
    /// popa3d, and servers of its family.
    Popa3d,
    /// Dovecot's `%m`, which it offers for an mbox.
    DovecotMd5,
}

impl Computed {
    /// The unique-id of a message; `None` when the old server had none for it yet. `from_line` is the line that an mbox
    /// has in front of the message, without its end, where there is one.
    #[must_use]
    pub fn unique_id(self, header: &[u8], from_line: Option<&[u8]>) -> Option<Vec<u8>> {
        match self {
            Self::XUidl => x_uidl(header),
            Self::Qpopper => x_uidl(header).filter(|value| (11..=32).contains(&value.len())),
            Self::Qpopper2 => Some(x_uidl(header).unwrap_or_else(|| qpopper2(header, from_line))),
            Self::Popa3d => Some(popa3d(header)),
            Self::DovecotMd5 => Some(dovecot_md5(header)),
        }
    }
}

/// UW's server, whose messages carry their uid in X-UID, and the first one the uidvalidity in X-IMAPbase or X-IMAP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uw {
    uid_validity: Option<u32>,
}

impl Uw {
    /// The unique-id of the next message, to be asked for in the order of the mailbox. `None` for one that has no uid yet.
    pub fn unique_id(&mut self, header: &[u8]) -> Option<Vec<u8>> {
        let first_number = |field: Field<'_>| {
            let value = field.value();
            number::<u32>(value.split(|&octet| octet == b' ').next().unwrap_or(value))
        };
        let find = |name: &str| fields(header).find(|field| field.is(name)).and_then(first_number);
        self.uid_validity = self.uid_validity.or_else(|| find("X-IMAPbase")).or_else(|| find("X-IMAP"));
        let (validity, uid) = (self.uid_validity?, find("X-UID")?);
        Some(format!("{validity:08x}{uid:08x}").into_bytes())
    }
}

/// The `From ` line and the first lines of four fields, hashed.
fn qpopper2(header: &[u8], from_line: Option<&[u8]>) -> Vec<u8> {
    let mut digest = Md5::new();
    if let Some(line) = from_line {
        digest.update(line);
        digest.update(b"\n");
    }
    for field in fields(header) {
        if ["Received", "Date", "Message-Id", "Subject"].iter().any(|name| field.is(name))
            && let Some(line) = field.lines().next()
        {
            digest.update(line);
        }
    }
    hex(&digest.finalize())
}

/// Eight octets of the digest of whole fields, in an order of their own.
fn popa3d(header: &[u8]) -> Vec<u8> {
    let mut digest = Md5::new();
    for field in identifying(header) {
        field.lines().for_each(|line| digest.update(line));
    }
    let digest = digest.finalize();
    let picked: Vec<u8> = POPA3D_ORDER.iter().filter_map(|&at| digest.get(at).copied()).collect();
    hex(&picked)
}

/// The digest of the values of the same fields: without the one blank that follows the colon, as they are otherwise.
fn dovecot_md5(header: &[u8]) -> Vec<u8> {
    let mut digest = Md5::new();
    for field in identifying(header) {
        for (at, line) in field.lines().enumerate() {
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            digest.update(if at > 0 {
                line
            } else {
                let value = line.get(field.name.len() + 1..).unwrap_or_default();
                value.strip_prefix(b" ").or_else(|| value.strip_prefix(b"\t")).unwrap_or(value)
            });
        }
    }
    hex(&digest.finalize())
}

/// The first Received, every Delivered-To and X-Delivery-ID, and Date and Message-ID when they stand in front of the
/// first Received.
fn identifying(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut has_received = false;
    fields(header).filter(move |field| {
        if field.is("Received") {
            return !std::mem::replace(&mut has_received, true);
        }
        field.is("Delivered-To")
            || field.is("X-Delivery-ID")
            || !has_received && (field.is("Date") || field.is("Message-ID"))
    })
}

const POPA3D_ORDER: [usize; 8] = [3, 2, 1, 0, 7, 6, 5, 4];

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] =
        b"Message-ID: <1@a>\nReceived: by b\n\tfor c; now\nReceived: by a\nDate: today\nSubject: s\n t\n\n";

    fn md5(octets: &[u8]) -> Vec<u8> {
        hex(&Md5::digest(octets))
    }

    #[test]
    fn a_stored_value_is_taken_where_the_server_took_it() {
        let with = |value: &str| format!("Subject: a\nX-UIDL: {value}\n\n").into_bytes();
        for (value, qpopper) in
            [("short", None), ("12345678901", Some("12345678901")), (&"a".repeat(33), None)]
        {
            let found = Computed::Qpopper.unique_id(&with(value), None);
            assert_eq!(found.as_deref(), qpopper.map(str::as_bytes), "{value}");
            assert_eq!(Computed::XUidl.unique_id(&with(value), None).as_deref(), Some(value.as_bytes()));
            assert_eq!(Computed::Qpopper2.unique_id(&with(value), None).as_deref(), Some(value.as_bytes()));
        }
        assert_eq!(Computed::XUidl.unique_id(HEADER, None), None);
        assert_eq!(Computed::Qpopper.unique_id(HEADER, None), None);
    }

    #[test]
    fn uw_shows_validity_and_uid() {
        let mut uw = Uw::default();
        assert_eq!(uw.unique_id(b"X-UID: 4\n\n"), None);
        let first = uw.unique_id(b"X-IMAPbase: 1139753550 0000000009 $Junk\nX-UID: 5\n\n");
        assert_eq!(first.as_deref(), Some(&b"43ef424e00000005"[..]));
        assert_eq!(
            uw.unique_id(b"Subject: x\nX-UID: 11      \n\n").as_deref(),
            Some(&b"43ef424e0000000b"[..])
        );
        assert_eq!(uw.unique_id(b"Subject: x\n\n"), None);
    }

    /// Dovecot 2.3 showed these for an mbox of the three.
    #[test]
    fn dovecot_s_digests_as_it_showed_them() {
        for (header, shown) in [
            (
                "Message-ID: <early@a>\nReceived: from a (a [192.0.2.1])\n\tby b with ESMTP; Sat, 21 Nov 2026 10:00:01 \
                 +0000\nReceived: by c; later\nX-Delivery-ID:  7 \nDate: Sat, 21 Nov 2026 10:00:00 +0000\nSubject: x\n\n",
                "0b17bfcf08acdff5da4af24509f7e368",
            ),
            (
                "Delivered-To: alice@example.org\nDelivered-To:bob@example.org\nReceived: by b\n  with X\n\
                 Message-Id: <late>\n\n",
                "d5d9505658a37eb32c2f806b4fbefc3a",
            ),
            (
                "Date: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-ID: <folded@\n  a>\nSubject: z\n\n",
                "d1fe7186582a251821e658e59b9542a0",
            ),
        ] {
            let found = Computed::DovecotMd5.unique_id(header.as_bytes(), None).unwrap();
            assert_eq!(String::from_utf8(found).unwrap(), shown, "{header}");
        }
    }

    #[test]
    fn digests_are_of_the_lines_that_the_servers_took() {
        let expected =
            md5(b"From x\nMessage-ID: <1@a>\nReceived: by b\nReceived: by a\nDate: today\nSubject: s\n");
        assert_eq!(Computed::Qpopper2.unique_id(HEADER, Some(b"From x")), Some(expected));
        let whole = md5(b"Message-ID: <1@a>\nReceived: by b\n\tfor c; now\n");
        let picked: Vec<u8> =
            [3, 2, 1, 0, 7, 6, 5, 4].iter().flat_map(|at| whole[at * 2..at * 2 + 2].to_vec()).collect();
        assert_eq!(Computed::Popa3d.unique_id(HEADER, None), Some(picked));
        let crlf: Vec<u8> =
            HEADER.iter().flat_map(|&o| if o == b'\n' { vec![13, 10] } else { vec![o] }).collect();
        for computed in [Computed::Popa3d, Computed::Qpopper2, Computed::DovecotMd5] {
            assert_eq!(computed.unique_id(&crlf, None), computed.unique_id(HEADER, None), "{computed:?}");
        }
    }
}
