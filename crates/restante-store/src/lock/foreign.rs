//! Locks of other programs' sessions: only looked at, never made and never removed.
//!
//! Dovecot (`pop3_lock_session = yes`) holds `dovecot-pop3-session.lock` in the Maildir while a session is open: a file with
//! process and host (`123:mail`), touched every few minutes, left behind when it is killed. So it counts as held while
//! its process lives, if that is one of this machine, and as long as it is touched in any case.

use std::path::Path;

use crate::disk::{Access, Disk, Kind};
use crate::index::read_whole;
use crate::lock::Lock;

/// Whether somebody's session holds the lock at `path`. What cannot be told counts as held: the next try will know more.
pub(crate) fn is_held(disk: &dyn Disk, path: &Path, lock: &Lock) -> bool {
    let Ok(stat) = disk.stat(path) else { return false };
    let is_fresh = lock.now_ns().is_none_or(|now| now.saturating_sub(stat.modified_ns) < STALE_NS);
    let is_file = stat.kind == Kind::File && stat.size <= BYTES_MAX;
    is_fresh && !(is_file && is_of_the_dead(disk, path))
}

/// Whether the lock names a process of this machine that there is not.
fn is_of_the_dead(disk: &dyn Disk, path: &Path) -> bool {
    let Some(text) = text(disk, path) else { return false };
    let Some((process, host)) = text.trim_ascii_end().split_once(':') else { return false };
    if process.is_empty() || !process.bytes().all(|octet| octet.is_ascii_digit()) {
        return false;
    }
    let is_ours = small(disk, Path::new(HOST)).is_some_and(|ours| ours.trim_ascii() == host.as_bytes());
    // Without this folder nobody can be seen, alive or dead.
    let is_visible = disk.stat(Path::new(PROCESSES).join("self").as_path()).is_ok();
    is_ours && is_visible && disk.stat(&Path::new(PROCESSES).join(process)).is_err()
}

fn text(disk: &dyn Disk, path: &Path) -> Option<String> {
    let file = disk.open(path, Access::Read).ok()?;
    String::from_utf8(read_whole(&*file).ok()?).ok()
}

/// The first octets of a file whose size is not known before it is read.
fn small(disk: &dyn Disk, path: &Path) -> Option<Vec<u8>> {
    let mut octets = vec![0; 256];
    let read = disk.open(path, Access::Read).ok()?.read_at(&mut octets, 0).ok()?;
    octets.truncate(read);
    Some(octets)
}

/// Dovecot takes its lock for stale after five minutes and touches it as often; twice that is on the safe side.
const STALE_NS: i64 = 10 * 60 * 1_000_000_000;

const BYTES_MAX: u64 = 1024;

const HOST: &str = "/proc/sys/kernel/hostname";
const PROCESSES: &str = "/proc";
