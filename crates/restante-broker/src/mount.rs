//! Whether a file lies on a file system that its own user answers for.
//!
//! Whoever may mount FUSE can make a file that is opened at once and never read to the end. Its descriptor would hold a thread of the
//! server for as long as he likes, beyond the time that a worker may take. What an administrator has mounted that way is served.

use std::io;
use std::path::Path;

use restante_store::disk::{Access, Disk, LocalDisk};
use rustix::fs::FsWord;

/// Refuses what lies on a file system that a user has mounted.
///
/// # Errors
/// `PermissionDenied` then, and when that cannot be told.
pub(crate) fn check(file: &impl std::os::fd::AsFd) -> io::Result<()> {
    if rustix::fs::fstatfs(file)?.f_type != FUSE {
        return Ok(());
    }
    let device = rustix::fs::fstat(file)?.st_dev;
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    match is_of_user(&mounts()?, major, minor) {
        false => Ok(()),
        true => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it lies on a file system that a user has mounted, whose files need never answer",
        )),
    }
}

/// Whether the mount of this device belongs to a user that is not root, by the lines of proc(5) mountinfo. One that is not there
/// belongs to nobody who could be trusted.
fn is_of_user(mounts: &str, major: u32, minor: u32) -> bool {
    let device = format!("{major}:{minor}");
    let mut ours = mounts.lines().filter(|line| line.split(' ').nth(2) == Some(&device)).peekable();
    if ours.peek().is_none() {
        return true;
    }
    ours.any(|line| {
        let options = line.rsplit(' ').next().unwrap_or_default();
        options.split(',').find_map(|option| option.strip_prefix("user_id=")) != Some("0")
    })
}

fn mounts() -> io::Result<String> {
    let file = LocalDisk.open(Path::new("/proc/self/mountinfo"), Access::Read)?;
    let mut text = vec![0; MOUNTS_OCTETS_MAX];
    let read = file.read_up_to(&mut text, 0)?;
    text.truncate(read);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// `FUSE_SUPER_MAGIC`.
const FUSE: FsWord = 0x6573_5546;

/// Machines with containers have thousands of lines; what does not fit is not trusted.
const MOUNTS_OCTETS_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
25 30 0:23 / /sys rw,nosuid shared:7 - sysfs sysfs rw
90 30 0:77 / /home/ann/x rw,nosuid,nodev,relatime shared:9 - fuse.sshfs sshfs rw,user_id=1001,group_id=1001
91 30 0:78 / /srv rw,relatime shared:10 - fuse.glusterfs host:/vol rw,user_id=0,group_id=0,allow_other
";

    #[test]
    fn what_a_user_has_mounted_is_told_from_what_root_has() {
        assert!(is_of_user(MOUNTS, 0, 77));
        assert!(!is_of_user(MOUNTS, 0, 78));
        assert!(is_of_user(MOUNTS, 0, 7), "one that is not there");
        assert!(is_of_user(MOUNTS, 0, 23), "one that does not say");
        let lies = "92 30 0:79 / /home/user_id=0 rw - fuse x rw,user_id=1002,group_id=0,user_id=0\n";
        assert!(is_of_user(lies, 0, 79), "the first counts");
    }

    #[test]
    fn other_file_systems_are_not_asked_about() {
        check(&tempfile::tempfile().unwrap()).unwrap();
        assert!(mounts().unwrap().contains(" / "));
    }
}
