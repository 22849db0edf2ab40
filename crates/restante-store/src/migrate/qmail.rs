//! Servers whose unique-id is the file name: qmail-pop3d with and without vpopmail, and teapop, which shows a digest of it.
//!
//! All of them list by the time of change of the files. Where two have the same one, in whole seconds, the old server
//! left the order to chance; here the name decides.

use md5::{Digest as _, Md5};

use super::{Shown, hex};

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// The base name as it is.
    Plain,
    /// The MD5 of the base name in hexadecimal digits.
    Digest,
}

/// What was shown for files with these base names and times of change in nanoseconds since 1970, in the old order.
#[must_use]
pub fn shown<'a>(files: impl Iterator<Item = (&'a [u8], i64)>, naming: Naming) -> Vec<Shown> {
    let mut files: Vec<(i64, &[u8])> =
        files.map(|(name, modified_ns)| (modified_ns.div_euclid(1_000_000_000), name)).collect();
    files.sort_unstable();
    let shown = |(_, name): (i64, &[u8])| {
        let unique_id = match naming {
            Naming::Plain => name.to_vec(),
            Naming::Digest => hex(&Md5::digest(name)),
        };
        Shown { name: Some(name.to_vec()), unique_id, ..Shown::default() }
    };
    files.into_iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_time_then_by_name() {
        let files =
            [(&b"3.a"[..], 5_000_000_001), (b"1.b", 5_900_000_000), (b"9.c", 4_000_000_000), (b"2.d", -1)];
        let unique_ids = |naming| -> Vec<_> {
            shown(files.into_iter(), naming).into_iter().map(|shown| shown.unique_id).collect()
        };
        assert_eq!(unique_ids(Naming::Plain), [&b"2.d"[..], b"9.c", b"1.b", b"3.a"]);
        assert_eq!(unique_ids(Naming::Digest)[3], hex(&Md5::digest(b"3.a")));
    }
}
