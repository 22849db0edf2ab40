//! A file system that is soon full.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::real::program;

/// A folder on a file system of its own with room for so many octets and no more.
///
/// Root with the right to mount gets a tmpfs. In a container without that right the shared memory folder, which is small
/// there, is filled up with ballast but for the room.
pub struct SmallDisk {
    folder: PathBuf,
    // Dropped after `drop` has run: an empty folder by then.
    _place: TempDir,
    ballast: Option<PathBuf>,
}

impl SmallDisk {
    /// Makes it.
    ///
    /// # Panics
    /// When neither way is open to us: the tests that need a full disk cannot be run then, and must not be skipped.
    #[must_use]
    pub fn new(octets: u64) -> Self {
        let place = TempDir::with_prefix("restante-small-").expect("a temporary folder");
        let mounted = Command::new(program("mount", "mount"))
            .args(["-t", "tmpfs", "-o", &format!("size={octets},mode=0777"), "tmpfs"])
            .arg(place.path())
            .stderr(Stdio::null())
            .status()
            .expect("mount starts");
        if mounted.success() {
            return Self { folder: place.path().to_owned(), _place: place, ballast: None };
        }
        let shared =
            TempDir::with_prefix_in("restante-small-", "/dev/shm").expect("a folder for shared memory");
        let free = free_octets(shared.path());
        assert!(
            free <= LARGEST_BALLAST,
            "a test needs a full disk: run it as root with the right to mount a tmpfs, or in a container with a small /dev/shm"
        );
        let ballast = shared.path().join("ballast");
        let filled = Command::new(program("fallocate", "util-linux"))
            .args(["-l", &free.saturating_sub(octets).to_string()])
            .arg(&ballast)
            .status()
            .expect("fallocate starts");
        assert!(filled.success(), "the ballast does not fit");
        Self { folder: shared.path().to_owned(), _place: shared, ballast: Some(ballast) }
    }

    /// Lets nobody write any more, as the kernel does with a disk that fails. `false` when this machine lets us mount nothing.
    #[must_use]
    pub fn make_read_only(&self) -> bool {
        self.remount("remount,ro")
    }

    /// Takes that back.
    ///
    /// # Panics
    /// When it cannot.
    pub fn make_writable(&self) {
        assert!(self.remount("remount,rw"), "what was mounted can be mounted again");
    }

    fn remount(&self, options: &str) -> bool {
        let mut mount = Command::new(program("mount", "mount"));
        mount.args(["-o", options]).arg(&self.folder);
        self.ballast.is_none() && mount.status().is_ok_and(|status| status.success())
    }

    /// Fills it up until not one octet goes in. The ballast is in the file that is named; removing it makes room again.
    ///
    /// # Panics
    /// When the ballast cannot even be made.
    #[must_use]
    pub fn fill(&self) -> PathBuf {
        let path = self.folder.join("ballast-of-the-test");
        let mut file = fs::File::create(&path).expect("an empty file goes in");
        let mut octets = 1 << 20;
        while octets > 0 {
            if file.write_all(&vec![0; octets]).is_err() {
                octets /= 2;
            }
        }
        path
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        match &self.ballast {
            Some(ballast) => drop(fs::remove_file(ballast)),
            None => drop(Command::new("umount").arg("-l").arg(&self.folder).status()),
        }
    }
}

/// What is free on the file system of `folder`.
fn free_octets(folder: &Path) -> u64 {
    let output =
        Command::new(program("df", "coreutils")).args(["--output=avail", "-B1"]).arg(folder).output();
    let text = String::from_utf8(output.expect("df starts").stdout).expect("numbers");
    text.lines().last().and_then(|line| line.trim().parse().ok()).expect("df says how much")
}

/// More than this is not filled up: it would be the memory of the whole machine.
const LARGEST_BALLAST: u64 = 512 * 1024 * 1024;
