//! Names: what lies where in a Maildir, and what a file name says.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::index::Folder;

/// Splits a file name into base name and suffix (flags, with the colon). The base name stays when a message moves
/// from `new/` to `cur/` or its flags change.
pub(crate) fn split_name(name: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b':', name).and_then(|colon| name.split_at_checked(colon)) {
        // No program makes such a name; it is one message all the same.
        None | Some(([], _)) => (name, &[]),
        Some(parts) => parts,
    }
}

/// The time of delivery that a base name begins with, in seconds since 1970: nine or ten digits before the first
/// dot, so the years 1973 to 2286. Whether a name has one must not depend on when it is asked, or the order of a
/// maildrop would.
pub(crate) fn delivery_time(base_name: &[u8]) -> Option<i64> {
    let digits = base_name.split(|&octet| octet == b'.').next()?;
    if !matches!(digits.len(), 9 | 10) || digits.first() == Some(&b'0') {
        return None;
    }
    digits.iter().try_fold(0, |value: i64, &digit| {
        digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
    })
}

/// When a message was delivered, in seconds since 1970: as its name says, or else when its file was changed.
pub(crate) fn delivered(base_name: &[u8], modified_ns: i64) -> i64 {
    delivery_time(base_name).unwrap_or_else(|| modified_ns.div_euclid(1_000_000_000))
}

/// The path of a message.
pub(crate) fn message_path(maildir: &Path, folder: Folder, base_name: &[u8], suffix: &[u8]) -> PathBuf {
    let mut name = Vec::with_capacity(base_name.len() + suffix.len());
    name.extend_from_slice(base_name);
    name.extend_from_slice(suffix);
    let mut path = PathBuf::with_capacity(maildir.as_os_str().len() + FOLDER_OCTETS + name.len());
    path.push(maildir);
    path.push(folder.name());
    path.push(OsStr::from_bytes(&name));
    path
}

impl Folder {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Cur => "cur",
        }
    }
}

pub(crate) const TMP: &str = "tmp";
pub(crate) const INDEX: &str = "restante.index";
/// The index while it is written anew. Only the holder of the lock writes it.
pub(crate) const INDEX_NEW: &str = "restante.index.new";
pub(crate) const LOCK: &str = "restante.lock";
/// Dovecot holds this while a POP3 session is open, if it is told to.
pub(crate) const DOVECOT_SESSION_LOCK: &str = "dovecot-pop3-session.lock";
/// The total, shared with other programs by the rules of Maildir++.
pub(crate) const MAILDIRSIZE: &str = "maildirsize";
pub(crate) const UNIQUE_IDS: &str = "restante.unique-ids";
pub(crate) const UNIQUE_IDS_NEW: &str = "restante.unique-ids.new";
pub(crate) const ACCESSED: &str = "restante.accessed";
pub(crate) const ACCESSED_NEW: &str = "restante.accessed.new";
pub(crate) const BULLETINS: &str = "restante.bulletins";
pub(crate) const BULLETINS_NEW: &str = "restante.bulletins.new";
/// The folder of removed messages.
pub(crate) const TRASH: &str = "restante.trash";
/// In the trash: its time of change says when it was looked through last.
pub(crate) const TRASH_SWEPT: &str = "swept";

/// `/new/`.
const FOLDER_OCTETS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(split_name(b"1.a:2,S"), (&b"1.a"[..], &b":2,S"[..]));
        assert_eq!(split_name(b"1.a"), (&b"1.a"[..], &b""[..]));
        assert_eq!(split_name(b":2,"), (&b":2,"[..], &b""[..]));
    }

    #[test]
    fn only_sane_numbers_are_times() {
        assert_eq!(delivery_time(b"1700000000.M1.host"), Some(1_700_000_000));
        assert_eq!(delivery_time(b"999999999.x"), Some(999_999_999));
        assert_eq!(delivery_time(b"1700000000"), Some(1_700_000_000));
        for name in [
            &b"99999999.x"[..],
            b"17000000000.x",
            b"0700000000.x",
            b"170000000a.x",
            b"",
            b".x",
            b"+170000000.x",
        ] {
            assert_eq!(delivery_time(name), None, "{}", name.escape_ascii());
        }
    }
}
