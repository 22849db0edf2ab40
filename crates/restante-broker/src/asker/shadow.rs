//! Passwords of `/etc/shadow`, for machines without PAM: shadow(5).

// Accounts expire on a day, so what day it is must be known.
#![allow(clippy::disallowed_methods)]

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use restante_auth::password::{Scheme, StoredPassword};
use restante_proto::secret::Secret;
use restante_store::disk::{Access, Disk, LocalDisk};
use zeroize::Zeroizing;

use super::Verdict;

/// Whether this is the account's password, and the account is one that may log in today.
///
/// # Errors
/// The file cannot be read, or the hash is of a kind that is not known.
pub(super) fn check(name: &str, password: &Secret) -> io::Result<Verdict> {
    let text = read(Path::new("/etc/shadow"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    judge(&text, name, password, now.as_secs() / DAY_S)
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = LocalDisk.open(path, Access::Read)?;
    let size = file.stat()?.size;
    if size > SHADOW_OCTETS_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "/etc/shadow is too long to be what it should be",
        ));
    }
    let mut text = Zeroizing::new(vec![0; usize::try_from(size).unwrap_or(0)]);
    let read = file.read_up_to(&mut text, 0)?;
    text.truncate(read);
    Ok(text)
}

/// Goes by the line of this account, on this day since 1970.
fn judge(text: &[u8], name: &str, password: &Secret, today: u64) -> io::Result<Verdict> {
    let mut lines = text.split(|&octet| octet == b'\n').map(|line| line.split(|&octet| octet == b':'));
    let line = lines
        .find_map(|mut fields| (fields.next() == Some(name.as_bytes())).then(|| fields.collect::<Vec<_>>()));
    let Some(fields) = line else { return Ok(Verdict::Locked) };
    let hash = fields.first().copied().unwrap_or_default();
    let stored = StoredPassword::parse(hash, Scheme::Crypt).map_err(|why| {
        io::Error::new(io::ErrorKind::InvalidData, format!("the password of {name} in /etc/shadow: {why}"))
    })?;
    // An empty one would let everybody in.
    if !stored.is_there() || stored.is_locked() {
        return Ok(Verdict::Locked);
    }
    let fits = stored.fits(password.expose()).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    if !fits {
        return Ok(Verdict::Wrong);
    }
    let number =
        |field: usize| fields.get(field).and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
    let (changed, max, expires) = (number(1), number(3), number(6));
    let has_expired = expires.is_some_and(|day| today >= day);
    // Whoever must change his password can do so by other ways than a mail client's.
    let must_change = changed == Some(0);
    let is_too_old = changed
        .zip(max)
        .is_some_and(|(changed, max)| changed != 0 && max < NEVER && today > changed.saturating_add(max));
    Ok(if has_expired || must_change || is_too_old { Verdict::Locked } else { Verdict::Right })
}

const DAY_S: u64 = 86_400;

/// As shadow(5) writes that a password may be kept for ever.
const NEVER: u64 = 99_999;

/// A hundred thousand accounts.
const SHADOW_OCTETS_MAX: u64 = 32 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the password `hunter2`, by `openssl passwd -6`.
    const SHA512: &str =
        "$6$saltsalt$8iYtNHxjWRl.NF6oNZ5tF.iKFlQREaXBLlSmZKP6dy9l5z3vsooWNW0/GZ6Nej73/TFug6pIPSqbJoCT6dfnj.";
    const TODAY: u64 = 20_000;

    fn verdict(rest: &str, password: &str) -> io::Result<Verdict> {
        let text = format!("root:*:1:0:99999:7:::\nann:{rest}\nbob:!:1::::::\n");
        judge(text.as_bytes(), "ann", &Secret::new(password.as_bytes().to_vec()), TODAY)
    }

    #[test]
    fn the_right_password_opens_an_account_that_is_open() {
        for rest in ["19000:0:99999:7:::", "19000:0:99999:7::20001:", "19990:0:10:7:::", "::::::", ""] {
            let rest = format!("{SHA512}:{rest}");
            assert_eq!(verdict(&rest, "hunter2").unwrap(), Verdict::Right, "{rest}");
            assert_eq!(verdict(&rest, "hunter3").unwrap(), Verdict::Wrong, "{rest}");
        }
    }

    #[test]
    fn no_password_opens_one_that_is_locked_or_has_expired() {
        for rest in ["19000:0:99999:7::20000:", "19000:0:99999:7::1:", "0:0:99999:7:::", "19989:0:10:7:::"] {
            assert_eq!(verdict(&format!("{SHA512}:{rest}"), "hunter2").unwrap(), Verdict::Locked, "{rest}");
        }
        for hash in ["!", "*", "", "!!"] {
            for password in ["hunter2", hash] {
                assert_eq!(verdict(&format!("{hash}:1::::::"), password).unwrap(), Verdict::Locked, "{hash}");
            }
        }
        assert_eq!(verdict(&format!("!{SHA512}:1::::::"), "hunter2").unwrap(), Verdict::Locked);
        let other = judge(b"anna:x:1", "ann", &Secret::new(b"x".to_vec()), TODAY).unwrap();
        assert_eq!(other, Verdict::Locked, "a name is the whole name");
    }

    #[test]
    fn a_hash_that_is_not_known_is_no_wrong_password() {
        let error = verdict("$9$x:1::::::", "hunter2").unwrap_err();
        assert!(
            error.to_string().contains("ann in /etc/shadow") && !error.to_string().contains("$9$x"),
            "{error}"
        );
    }
}
